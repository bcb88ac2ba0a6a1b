/* The tables of a store, how a file is known to be one, and the statements that run on it. */
#include <string.h>

#include "store/sqlite_internal.h"

#define APPLICATION_ID 1836148086 /* "mqev" */
#define FORMAT 2

#define TEXT(number) #number
#define TEXT_OF(number) TEXT(number)

static const char schema[] =
    "CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL,"
    " checked INTEGER NOT NULL);"
    "CREATE TABLE client (client INTEGER PRIMARY KEY, epoch INTEGER NOT NULL,"
    " name TEXT NOT NULL, client_id TEXT NOT NULL, sent_n INTEGER NOT NULL,"
    " session_ends_ms INTEGER NOT NULL, flags INTEGER NOT NULL, checked INTEGER NOT NULL);"
    "CREATE TABLE record (seq INTEGER PRIMARY KEY, client INTEGER NOT NULL, n INTEGER NOT NULL,"
    " cookie INTEGER NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL, mid INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " state INTEGER NOT NULL, qos INTEGER NOT NULL, flags INTEGER NOT NULL,"
    " checked INTEGER NOT NULL, checked_state INTEGER NOT NULL, checked_bytes INTEGER NOT NULL,"
    " bytes BLOB);"
    "PRAGMA application_id = " TEXT_OF(APPLICATION_ID) ";"
						       "PRAGMA user_version = " TEXT_OF(FORMAT);

/* Durable are commits by the sync that sqlite_apply.c asks for, when one was wanted. */
static const char settings[] = "PRAGMA journal_mode = WAL;"
			       "PRAGMA synchronous = NORMAL;"
			       "PRAGMA wal_autocheckpoint = 0;"
			       "PRAGMA cache_size = -4096;"
			       "PRAGMA temp_store = MEMORY;"
			       "PRAGMA trusted_schema = OFF;"
			       "PRAGMA cell_size_check = ON";

static const char *const sql[MQEV_SQLITE_STATEMENTS] = {
    [MQEV_SQLITE_BEGIN] = "BEGIN IMMEDIATE",
    [MQEV_SQLITE_COMMIT] = "COMMIT",
    [MQEV_SQLITE_ROLLBACK] = "ROLLBACK",
    [MQEV_SQLITE_PUT] =
	"INSERT INTO record (seq, client, n, cookie, created_ms, expires_ms, epoch,"
	" mid, kind, state, qos, flags, checked, checked_state, checked_bytes, bytes)"
	" VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)",
    [MQEV_SQLITE_SET] = "UPDATE record SET n = ?2, epoch = ?3, mid = ?4, state = ?5, flags = ?6,"
			" checked_state = ?7 WHERE seq = ?1",
    [MQEV_SQLITE_DROP] = "UPDATE record SET n = ?2, epoch = ?3, mid = ?4, state = ?5, flags = ?6,"
			 " checked_state = ?7, checked_bytes = 0, bytes = NULL WHERE seq = ?1",
    [MQEV_SQLITE_REMOVE] = "DELETE FROM record WHERE seq = ?1",
    [MQEV_SQLITE_CLIENT] = "INSERT OR REPLACE INTO client (client, epoch, name, client_id, sent_n,"
			   " session_ends_ms, flags, checked) VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
    [MQEV_SQLITE_FORGET_RECORDS] = "DELETE FROM record WHERE client = ?1",
    [MQEV_SQLITE_FORGET_CLIENT] = "DELETE FROM client WHERE client = ?1",
    [MQEV_SQLITE_SEQ] = "INSERT OR REPLACE INTO meta (id, seq, checked) VALUES (1, ?1, ?2)",
    [MQEV_SQLITE_READ] = "SELECT bytes, checked_bytes FROM record WHERE seq = ?1",
};

/* Nothing at all was ever written to it. */
static int
is_new(struct mqev_sqlite *s, bool *new)
{
	int64_t id = 0;
	int64_t tables = 0;
	int error = mqev_sqlite_number(s, "PRAGMA application_id", &id);

	if (error == 0)
		error = mqev_sqlite_number(s, "SELECT count(*) FROM sqlite_schema", &tables);
	*new = id == 0 && tables == 0;
	return error;
}

static int
check_format(struct mqev_sqlite *s)
{
	int64_t id = 0;
	int64_t format = 0;
	int error = mqev_sqlite_number(s, "PRAGMA application_id", &id);

	if (error == 0)
		error = mqev_sqlite_number(s, "PRAGMA user_version", &format);
	if (error != 0)
		return error;
	if (id != APPLICATION_ID)
		return mqev_sqlite_damaged(s, "not a store of mqev's");
	if (format == FORMAT)
		return 0;
	sqlite3_snprintf(sizeof(s->text), s->text, "the store is of format %d, this is for %d",
	    (int)format, FORMAT);
	return MQEV_ERR_STORE_VERSION;
}

static int
make_tables(struct mqev_sqlite *s)
{
	int error = mqev_sqlite_run(s, "BEGIN IMMEDIATE");

	if (error == 0)
		error = mqev_sqlite_run(s, schema);
	if (error == 0)
		error = mqev_sqlite_run(s, "COMMIT");
	return error;
}

static int
apply_settings(struct mqev_sqlite *s)
{
	int64_t has_wal = 0;
	int error = mqev_sqlite_run(s, settings);

	if (error == 0)
		error = mqev_sqlite_number(
		    s, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &has_wal);
	if (error != 0 || has_wal != 0)
		return error;
	sqlite3_snprintf(sizeof(s->text), s->text, "this file system has no place for a WAL");
	return MQEV_ERR_STORE;
}

/* Whose file it is, before anything is written to it. */
static int
recognize(struct mqev_sqlite *s)
{
	bool new = false;
	int error = is_new(s, &new);

	if (error != 0)
		return error;
	if (!new)
		error = check_format(s);
	else if (s->read_only)
		return mqev_sqlite_damaged(s, "not a store of mqev's");
	if (error == 0 && !s->read_only)
		error = apply_settings(s);
	return error == 0 && new ? make_tables(s) : error;
}

static int
prepare_one(struct mqev_sqlite *s, size_t i)
{
	int result = sqlite3_prepare_v3(
	    s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL);

	return result == SQLITE_OK ? 0 : mqev_sqlite_error(s, result, "prepare");
}

int
mqev_sqlite_prepare(struct mqev_sqlite *s)
{
	int error = recognize(s);

	for (size_t i = 0; i < MQEV_SQLITE_STATEMENTS && error == 0; i++)
		error = prepare_one(s, i);
	return error;
}

void
mqev_sqlite_finalize(struct mqev_sqlite *s)
{
	for (size_t i = 0; i < MQEV_SQLITE_STATEMENTS; i++)
		sqlite3_finalize(s->statements[i]);
}
