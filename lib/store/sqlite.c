/* The back end on SQLite: opening, closing, and what its errors mean. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "port/port.h"
#include "store/sqlite_internal.h"

#define BALLAST_BYTES (6 * 1024 * 1024)
/* Readers of the same file stand in the way for moments only. */
#define BUSY_MS 10000

/* --- errors ------------------------------------------------------------------------------------
 */

static bool
is_of_room(int number)
{
	return number == ENOSPC || number == EDQUOT;
}

/* What the system said of the file last; 0: nothing. */
static int
number_of(const struct mqev_sqlite *s, int which)
{
	sqlite3_file *file = NULL;
	int number = 0;

	if (sqlite3_file_control(s->db, "main", which, &file) == SQLITE_OK && file != NULL &&
	    file->pMethods != NULL)
		(void)file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &number);
	return number;
}

/* What it said last of any file; 0: nothing. */
static int
last_number(const struct mqev_sqlite *s)
{
	sqlite3_vfs *vfs = NULL;

	if (sqlite3_file_control(s->db, "main", SQLITE_FCNTL_VFS_POINTER, &vfs) != SQLITE_OK ||
	    vfs == NULL || vfs->xGetLastError == NULL)
		return 0;
	return vfs->xGetLastError(vfs, 0, NULL);
}

/* SQLite forgets the number behind a failed commit; its files know it. One of them may remember
 * what is over: so none may have another reason. */
static bool
write_for_want_of_room(const struct mqev_sqlite *s)
{
	int file = number_of(s, SQLITE_FCNTL_FILE_POINTER);
	int log = number_of(s, SQLITE_FCNTL_JOURNAL_POINTER);

	/* The journal of a store that is made knew it, and is gone. */
	if (file == 0 && log == 0)
		return is_of_room(last_number(s));
	return (is_of_room(file) && (log == 0 || is_of_room(log))) ||
	       (is_of_room(log) && file == 0);
}

/* What a failed sync has lost is not known: it is no matter of room, whatever the system says. */
static bool
for_want_of_room(const struct mqev_sqlite *s)
{
	int extended = sqlite3_extended_errcode(s->db);
	int number = sqlite3_system_errno(s->db);

	if (extended == SQLITE_IOERR_FSYNC || extended == SQLITE_IOERR_DIR_FSYNC)
		return false;
	if (extended == SQLITE_IOERR_WRITE && number == 0)
		return write_for_want_of_room(s);
	return (extended & 0xFF) == SQLITE_IOERR && is_of_room(number);
}

static int
meaning(const struct mqev_sqlite *s, int result)
{
	switch (result & 0xFF) {
	case SQLITE_FULL:
		return MQEV_ERR_STORE_FULL;
	case SQLITE_NOMEM:
		return MQEV_ERR_NOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_SCHEMA:
	case SQLITE_CONSTRAINT:
		return MQEV_ERR_STORE_DAMAGED;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return MQEV_ERR_STORE_BUSY;
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_AUTH:
		return MQEV_ERR_STORE_ACCESS;
	default:
		return for_want_of_room(s) ? MQEV_ERR_STORE_FULL : MQEV_ERR_STORE;
	}
}

/* Its own limit is reached, not the disk's: removals find room. */
static bool
at_limit(struct mqev_sqlite *s)
{
	sqlite3_stmt *row = NULL;
	bool at = false;

	if (s->max_pages == 0)
		return false;
	if (sqlite3_prepare_v2(s->db, "PRAGMA page_count", -1, &row, NULL) == SQLITE_OK &&
	    sqlite3_step(row) == SQLITE_ROW)
		at = sqlite3_column_int64(row, 0) >= s->max_pages;
	sqlite3_finalize(row);
	return at;
}

int
mqev_sqlite_error(struct mqev_sqlite *s, int result, const char *doing)
{
	int error = meaning(s, result);

	sqlite3_snprintf(sizeof(s->text), s->text, "%s: %s (%d, system %d)", doing,
	    sqlite3_errmsg(s->db), sqlite3_extended_errcode(s->db), sqlite3_system_errno(s->db));
	if (error == MQEV_ERR_STORE_FULL && !at_limit(s))
		mqev_sqlite_give_up_ballast(s);
	return error;
}

int
mqev_sqlite_system_error(struct mqev_sqlite *s, int error, int number, const char *doing)
{
	char text[80];

	mqev_port_strerror(number, text, sizeof(text));
	sqlite3_snprintf(sizeof(s->text), s->text, "%s: %s", doing, text);
	return error;
}

int
mqev_sqlite_damaged(struct mqev_sqlite *s, const char *what)
{
	sqlite3_snprintf(sizeof(s->text), s->text, "%s", what);
	return MQEV_ERR_STORE_DAMAGED;
}

static const char *
error_text(const void *state)
{
	const struct mqev_sqlite *s = state;

	return s->text[0] != '\0' ? s->text : "out of memory";
}

/* --- small helpers -----------------------------------------------------------------------------
 */

char *
mqev_sqlite_path(const struct mqev_sqlite *s, const char *suffix)
{
	return sqlite3_mprintf("%s%s", s->path, suffix);
}

int
mqev_sqlite_run(struct mqev_sqlite *s, const char *sql)
{
	int result = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return result == SQLITE_OK ? 0 : mqev_sqlite_error(s, result, "set up");
}

int
mqev_sqlite_number(struct mqev_sqlite *s, const char *sql, int64_t *number)
{
	sqlite3_stmt *row = NULL;
	int result = sqlite3_prepare_v2(s->db, sql, -1, &row, NULL);

	if (result == SQLITE_OK)
		result = sqlite3_step(row);
	if (result == SQLITE_ROW)
		*number = sqlite3_column_int64(row, 0);
	sqlite3_finalize(row);
	return result == SQLITE_ROW || result == SQLITE_DONE
		   ? 0
		   : mqev_sqlite_error(s, result, "look at the file");
}

/* --- opening -----------------------------------------------------------------------------------
 */

static int
on_committed(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct mqev_sqlite *s = arg;

	(void)db;
	(void)name;
	s->wal_pages = pages;
	return SQLITE_OK;
}

/* Each connection is used by one thread at a time: SQLite needs no lock of its own. */
static int
open_database(struct mqev_sqlite *s, const char *vfs)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE |
		    (s->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
	int result = sqlite3_open_v2(s->path, &s->db, flags, vfs);

	if (s->db == NULL)
		return MQEV_ERR_NOMEM;
	if (result != SQLITE_OK)
		return mqev_sqlite_error(s, result, "open");
	sqlite3_busy_timeout(s->db, BUSY_MS);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
	return 0;
}

static int
limit_size(struct mqev_sqlite *s, uint64_t max_bytes)
{
	char sql[64];

	if (max_bytes == 0 || s->read_only)
		return 0;
	sqlite3_snprintf(sizeof(sql), sql, "PRAGMA max_page_count = %lld",
	    (long long)(max_bytes / MQEV_SQLITE_PAGE));
	/* What there is already is never cut off: the limit may turn out higher. */
	return mqev_sqlite_number(s, sql, &s->max_pages);
}

static int
start(struct mqev_sqlite *s, const struct mqev_backend_options *options, const char *vfs)
{
	int error = mqev_sqlite_take_file(s);

	if (error == 0)
		error = open_database(s, vfs);
	if (error == 0)
		error = mqev_sqlite_prepare(s);
	if (error == 0)
		error = limit_size(s, options->max_bytes);
	if (error != 0)
		return error;
	sqlite3_wal_hook(s->db, on_committed, s);
	return mqev_sqlite_ballast_open(s);
}

static uint64_t
ballast_of(const struct mqev_sqlite_options *options)
{
	if (options == NULL || options->ballast_bytes == 0)
		return BALLAST_BYTES;
	return options->ballast_bytes == MQEV_SQLITE_NO_BALLAST ? 0 : options->ballast_bytes;
}

/* A member that this version does not know is no member that could be left out. */
static bool
options_valid(const struct mqev_backend_options *options)
{
	const struct mqev_sqlite_options *extra = options->extra;

	return options->path != NULL && options->path[0] != '\0' &&
	       (extra == NULL || extra->size == sizeof(*extra)) &&
	       (options->max_bytes == 0 || options->max_bytes >= (uint64_t)16 * MQEV_SQLITE_PAGE);
}

static int
sqlite_open(const struct mqev_backend_options *options, void **state)
{
	const struct mqev_sqlite_options *extra = options->extra;
	struct mqev_sqlite *s;

	if (!options_valid(options))
		return MQEV_ERR_INVALID;
	s = sqlite3_malloc(sizeof(*s));
	if (s == NULL)
		return MQEV_ERR_NOMEM;
	*s = (struct mqev_sqlite){.lock = -1,
	    .ballast = -1,
	    .read_only = options->read_only,
	    .ballast_bytes = ballast_of(extra)};
	*state = s;
	s->path = sqlite3_mprintf("%s", options->path);
	return s->path != NULL ? start(s, options, extra != NULL ? extra->vfs : NULL)
			       : MQEV_ERR_NOMEM;
}

static void
sqlite_close(void *state)
{
	struct mqev_sqlite *s = state;

	if (s == NULL)
		return;
	if (s->db != NULL)
		mqev_sqlite_end(s);
	mqev_sqlite_finalize(s);
	(void)sqlite3_close(s->db);
	mqev_sqlite_ballast_close(s);
	mqev_sqlite_leave_file(s);
	sqlite3_free(s->path);
	sqlite3_free(s);
}

const struct mqev_backend *
mqev_backend_sqlite(void)
{
	static const struct mqev_backend sqlite = {
	    .size = sizeof(sqlite),
	    .name = "sqlite",
	    .open = sqlite_open,
	    .load = mqev_sqlite_load,
	    .read = mqev_sqlite_read,
	    .append = mqev_sqlite_append,
	    .commit = mqev_sqlite_commit,
	    .rollback = mqev_sqlite_rollback,
	    .compact = mqev_sqlite_compact,
	    .error_text = error_text,
	    .close = sqlite_close,
	};

	return &sqlite;
}
