/* What the files of the back end on SQLite share. All memory here is SQLite's own. */
#ifndef MQEV_STORE_SQLITE_INTERNAL_H
#define MQEV_STORE_SQLITE_INTERNAL_H

#include <stdbool.h>

#include <mqev/sqlite.h>
#include <sqlite3.h>

#define MQEV_SQLITE_PAGE 4096

enum mqev_sqlite_statement {
	MQEV_SQLITE_BEGIN,
	MQEV_SQLITE_COMMIT,
	MQEV_SQLITE_ROLLBACK,
	MQEV_SQLITE_PUT,
	MQEV_SQLITE_SET,
	MQEV_SQLITE_DROP,
	MQEV_SQLITE_REMOVE,
	MQEV_SQLITE_CLIENT,
	MQEV_SQLITE_FORGET_RECORDS,
	MQEV_SQLITE_FORGET_CLIENT,
	MQEV_SQLITE_SEQ,
	MQEV_SQLITE_READ,
	MQEV_SQLITE_STATEMENTS
};

struct mqev_sqlite {
	sqlite3 *db;
	sqlite3_stmt *statements[MQEV_SQLITE_STATEMENTS];
	char *path;
	int lock; /* -1: not held */
	int ballast;
	uint64_t ballast_bytes; /* 0: none */
	bool ballast_is_up;	/* given up: only removals are let in */
	bool read_only;
	int64_t max_pages; /* 0: no limit */
	int wal_pages;
	char text[160]; /* the last error */
};

/* Notes the text and returns what to return for a result of SQLite's. */
int mqev_sqlite_error(struct mqev_sqlite *s, int result, const char *doing);
/* The same for a failed system call, whose errno is given. */
int mqev_sqlite_system_error(struct mqev_sqlite *s, int error, int number, const char *doing);
int mqev_sqlite_damaged(struct mqev_sqlite *s, const char *what);
/* path with a suffix, by sqlite3_malloc(); NULL: no memory. */
char *mqev_sqlite_path(const struct mqev_sqlite *s, const char *suffix);
/* Runs statements that return no rows. */
int mqev_sqlite_run(struct mqev_sqlite *s, const char *sql);
/* The first column of the first row; 0 when there is none. */
int mqev_sqlite_number(struct mqev_sqlite *s, const char *sql, int64_t *number);

/* --- sqlite_file.c: owner, permissions, lock ---------------------------------------------------
 */

/* The file is there and safe to open, made if need be, and locked unless read_only. */
int mqev_sqlite_take_file(struct mqev_sqlite *s);
void mqev_sqlite_leave_file(struct mqev_sqlite *s);

/* --- sqlite_schema.c: what kind of file it is, and its tables ----------------------------------
 */

int mqev_sqlite_prepare(struct mqev_sqlite *s);
void mqev_sqlite_finalize(struct mqev_sqlite *s);

/* --- sqlite_apply.c: transactions --------------------------------------------------------------
 */

int mqev_sqlite_append(void *state, const struct mqev_change *changes, size_t count);
int mqev_sqlite_commit(void *state, bool sync);
void mqev_sqlite_rollback(void *state);
/* Before it is closed: what was committed is synced. */
void mqev_sqlite_end(struct mqev_sqlite *s);

/* --- sqlite_load.c: reading --------------------------------------------------------------------
 */

int mqev_sqlite_load(
    void *state, uint32_t client, const struct mqev_backend_visitor *visitor, void *arg);
int mqev_sqlite_read(void *state, uint64_t seq, mqev_backend_bytes_cb *bytes, void *arg);

/* --- sqlite_check.c: checksums -----------------------------------------------------------------
 */

/* Of what a record keeps for its life, of what SET changes, of its bytes, of a client's row. */
int64_t mqev_sqlite_check_fixed(const struct mqev_record *record);
int64_t mqev_sqlite_check_state(const struct mqev_record *record);
int64_t mqev_sqlite_check_bytes(uint64_t seq, const void *bytes, size_t len);
int64_t mqev_sqlite_check_client(const struct mqev_store_client *client);

/* --- sqlite_room.c: checkpoints, and what is held for a full disk ------------------------------
 */

/* Makes the ballast, if it can. */
int mqev_sqlite_ballast_open(struct mqev_sqlite *s);
void mqev_sqlite_ballast_close(struct mqev_sqlite *s);
/* The disk, or the limit, is full: room for removals. */
void mqev_sqlite_give_up_ballast(struct mqev_sqlite *s);
int mqev_sqlite_compact(void *state);

#endif
