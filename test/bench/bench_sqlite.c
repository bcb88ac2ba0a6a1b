/* SQLite alone: what the writer of a store committed, in the same commits to tables of the same
 * shape, as fast as one thread that does nothing else. */
#include "bench/measure.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST 65536

struct bare {
	sqlite3 *db;
	sqlite3_stmt *begin, *commit, *put, *remove, *client;
	char payload[LARGEST];
	int size;
	sqlite3_int64 first; /* that is there */
	sqlite3_int64 next;
	unsigned long long puts;
	unsigned long long commits;
};

static const char schema[] =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA cache_size = -4096;"
    "CREATE TABLE client (client INTEGER PRIMARY KEY, epoch INTEGER NOT NULL,"
    " name TEXT NOT NULL, client_id TEXT NOT NULL, sent_n INTEGER NOT NULL,"
    " session_ends_ms INTEGER NOT NULL, flags INTEGER NOT NULL, checked INTEGER NOT NULL);"
    "CREATE TABLE record (seq INTEGER PRIMARY KEY, client INTEGER NOT NULL, n INTEGER NOT NULL,"
    " cookie INTEGER NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL, mid INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " state INTEGER NOT NULL, qos INTEGER NOT NULL, flags INTEGER NOT NULL,"
    " checked INTEGER NOT NULL, checked_state INTEGER NOT NULL, checked_bytes INTEGER NOT NULL,"
    " bytes BLOB)";

static int
fail(const struct bare *b, const char *what)
{
	fprintf(stderr, "%s: %s\n", what, sqlite3_errmsg(b->db));
	return -1;
}

static int
prepare(struct bare *b, const char *sql, sqlite3_stmt **s)
{
	return sqlite3_prepare_v3(b->db, sql, -1, SQLITE_PREPARE_PERSISTENT, s, NULL) == SQLITE_OK
		   ? 0
		   : fail(b, sql);
}

static int
open_bare(struct bare *b, const char *path, bool power)
{
	if (sqlite3_open_v2(path, &b->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
		NULL) != SQLITE_OK ||
	    sqlite3_exec(b->db, schema, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(b->db, power ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
		NULL, NULL, NULL) != SQLITE_OK)
		return fail(b, path);
	if (prepare(b, "BEGIN IMMEDIATE", &b->begin) || prepare(b, "COMMIT", &b->commit) ||
	    prepare(b, "DELETE FROM record WHERE seq = ?1", &b->remove) ||
	    prepare(b, "INSERT OR REPLACE INTO client VALUES (?1,1,'name','id',?2,0,0,1234567890)",
		&b->client) ||
	    prepare(b,
		"INSERT INTO record VALUES "
		"(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)",
		&b->put))
		return -1;
	return 0;
}

static int
step(struct bare *b, sqlite3_stmt *s)
{
	int result = sqlite3_step(s);

	sqlite3_reset(s);
	return result == SQLITE_DONE || result == SQLITE_ROW ? 0 : fail(b, sqlite3_sql(s));
}

static int
put(struct bare *b)
{
	sqlite3_int64 seq = b->next++;
	const sqlite3_int64 values[] = {seq, seq % 1000, seq / 1000, 0, 1764400000000, 0, 0, 0, 1,
	    1, 1, 0, 1234567890, 1234567890, 1234567890};
	int i;

	for (i = 0; i < 15; i++)
		sqlite3_bind_int64(b->put, i + 1, values[i]);
	sqlite3_bind_blob(b->put, 16, b->payload, b->size, SQLITE_STATIC);
	b->puts++;
	return step(b, b->put);
}

static int
remove_oldest(struct bare *b)
{
	sqlite3_bind_int64(b->remove, 1, b->first++);
	return step(b, b->remove);
}

static int
put_client(struct bare *b, unsigned i)
{
	sqlite3_bind_int64(b->client, 1, (sqlite3_int64)(i % 1000 + 1));
	sqlite3_bind_int64(b->client, 2, b->next);
	return step(b, b->client);
}

/* One line of the trace. */
static int
commit(struct bare *b, const unsigned row[3])
{
	unsigned i;
	int error = step(b, b->begin);

	for (i = 0; i < row[2] && !error; i++)
		error = put_client(b, (unsigned)b->next + i);
	for (i = 0; i < row[0] && !error; i++)
		error = put(b);
	for (i = 0; i < row[1] && !error; i++)
		error = remove_oldest(b);
	b->commits++;
	return error ? error : step(b, b->commit);
}

/* The commits, and of those that were synced how many; false: no such file. */
static unsigned (*read_trace(const char *path, size_t *len, size_t *syncs))[3]
{
	FILE *f = fopen(path, "r");
	unsigned(*rows)[3] = NULL;
	size_t capacity = 0;
	unsigned row[3], sync;

	*len = *syncs = 0;
	if (!f)
		return NULL;
	while (fscanf(f, "%u %u %u %u", &row[0], &row[1], &row[2], &sync) == 4) {
		if (*len == capacity) {
			capacity = capacity ? 2 * capacity : 4096;
			rows = realloc(rows, capacity * sizeof *rows);
			if (!rows)
				exit(1);
		}
		memcpy(rows[(*len)++], row, sizeof row);
		*syncs += sync;
	}
	fclose(f);
	return rows;
}

static void
report(const struct bare *b, const struct mark *run)
{
	double wall = (double)run->wall_ns / 1e9;

	printf("{\"messages\": %llu, \"wall_s\": %.4f, \"cpu_s\": %.4f, \"per_s\": %.1f,"
	       " \"commits\": %llu}\n",
	    b->puts, wall, run->user_s + run->system_s, (double)b->puts / wall, b->commits);
}

static void
close_bare(struct bare *b)
{
	sqlite3_finalize(b->begin);
	sqlite3_finalize(b->commit);
	sqlite3_finalize(b->put);
	sqlite3_finalize(b->remove);
	sqlite3_finalize(b->client);
	sqlite3_close(b->db);
}

int
main(int argc, char **argv)
{
	static struct bare b;
	struct mark begin, end;
	size_t len, syncs, i;
	unsigned(*rows)[3];

	if (argc != 4) {
		fprintf(stderr, "usage: %s FILE TRACE PAYLOAD-BYTES\n", argv[0]);
		return 2;
	}
	rows = read_trace(argv[2], &len, &syncs);
	b.size = atoi(argv[3]);
	if (!rows || b.size < 0 || b.size > LARGEST) {
		fprintf(stderr, "%s: no commits to read\n", argv[2]);
		return 1;
	}
	memset(b.payload, 'x', sizeof b.payload);
	if (open_bare(&b, argv[1], syncs > 0))
		return 1;
	mark_take(&begin, 0);
	for (i = 0; i < len; i++)
		if (commit(&b, rows[i]))
			return 1;
	mark_take(&end, 0);
	end = mark_between(&begin, &end);
	report(&b, &end);
	close_bare(&b);
	free(rows);
	return 0;
}
