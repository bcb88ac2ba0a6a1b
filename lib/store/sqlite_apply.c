/* Changes as statements, and the transaction that they stand in. */
#include "store/sqlite_internal.h"

static int
step(struct mqev_sqlite *s, enum mqev_sqlite_statement which, const char *doing)
{
	sqlite3_stmt *statement = s->statements[which];
	int result = sqlite3_step(statement);

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return result == SQLITE_DONE || result == SQLITE_ROW ? 0
							     : mqev_sqlite_error(s, result, doing);
}

/* --- changes -----------------------------------------------------------------------------------
 */

static void
bind_all(sqlite3_stmt *statement, const int64_t *values, int count)
{
	for (int i = 0; i < count; i++)
		(void)sqlite3_bind_int64(statement, i + 1, values[i]);
}

/* The bytes are lent: the statement is done with them before append() returns. */
static int
apply_put(struct mqev_sqlite *s, const struct mqev_change *change)
{
	const struct mqev_record *r = change->record;
	sqlite3_stmt *statement = s->statements[MQEV_SQLITE_PUT];
	const int64_t values[] = {(int64_t)r->seq, r->client, (int64_t)r->n, (int64_t)r->cookie,
	    r->created_ms, r->expires_ms, r->epoch, r->mid, r->kind, r->state, r->qos, r->flags,
	    mqev_sqlite_check_fixed(r), mqev_sqlite_check_state(r),
	    r->bytes != NULL ? mqev_sqlite_check_bytes(r->seq, r->bytes, r->bytes_len) : 0};

	/* Room that was given back is for removals first. */
	if (s->ballast_is_up)
		return MQEV_ERR_STORE_FULL;
	bind_all(statement, values, (int)(sizeof(values) / sizeof(values[0])));
	if (r->bytes != NULL && sqlite3_bind_blob64(statement, 16, r->bytes, r->bytes_len,
				    SQLITE_STATIC) != SQLITE_OK) {
		sqlite3_clear_bindings(statement);
		return MQEV_ERR_NOMEM;
	}
	return step(s, MQEV_SQLITE_PUT, "put a message");
}

static int
set_state(struct mqev_sqlite *s, const struct mqev_record *r, enum mqev_sqlite_statement which)
{
	const int64_t values[] = {(int64_t)r->seq, (int64_t)r->n, r->epoch, r->mid, r->state,
	    r->flags, mqev_sqlite_check_state(r)};

	bind_all(s->statements[which], values, (int)(sizeof(values) / sizeof(values[0])));
	return step(s, which, "change a message");
}

static int
apply_set(struct mqev_sqlite *s, const struct mqev_change *change)
{
	return set_state(s, change->record, MQEV_SQLITE_SET);
}

static int
apply_drop(struct mqev_sqlite *s, const struct mqev_change *change)
{
	return set_state(s, change->record, MQEV_SQLITE_DROP);
}

static int
apply_remove(struct mqev_sqlite *s, const struct mqev_change *change)
{
	sqlite3_bind_int64(s->statements[MQEV_SQLITE_REMOVE], 1, (int64_t)change->record->seq);
	return step(s, MQEV_SQLITE_REMOVE, "remove a message");
}

static int
apply_client(struct mqev_sqlite *s, const struct mqev_change *change)
{
	const struct mqev_store_client *c = change->client;
	sqlite3_stmt *statement = s->statements[MQEV_SQLITE_CLIENT];

	sqlite3_bind_int64(statement, 1, c->client);
	sqlite3_bind_int64(statement, 2, c->epoch);
	sqlite3_bind_int64(statement, 5, (int64_t)c->sent_n);
	sqlite3_bind_int64(statement, 6, c->session_ends_ms);
	sqlite3_bind_int64(statement, 7, c->flags);
	sqlite3_bind_int64(statement, 8, mqev_sqlite_check_client(c));
	if (sqlite3_bind_text(statement, 3, c->name, -1, SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_bind_text(statement, 4, c->client_id, -1, SQLITE_STATIC) != SQLITE_OK) {
		sqlite3_clear_bindings(statement);
		return MQEV_ERR_NOMEM;
	}
	return step(s, MQEV_SQLITE_CLIENT, "put a client");
}

static int
apply_forget(struct mqev_sqlite *s, const struct mqev_change *change)
{
	int error;

	sqlite3_bind_int64(s->statements[MQEV_SQLITE_FORGET_RECORDS], 1, change->client->client);
	error = step(s, MQEV_SQLITE_FORGET_RECORDS, "forget a client's messages");
	if (error != 0)
		return error;
	sqlite3_bind_int64(s->statements[MQEV_SQLITE_FORGET_CLIENT], 1, change->client->client);
	return step(s, MQEV_SQLITE_FORGET_CLIENT, "forget a client");
}

static int
apply_seq(struct mqev_sqlite *s, const struct mqev_change *change)
{
	sqlite3_stmt *statement = s->statements[MQEV_SQLITE_SEQ];
	uint64_t seq = change->record->seq;

	sqlite3_bind_int64(statement, 1, (int64_t)seq);
	sqlite3_bind_int64(statement, 2, mqev_sqlite_check_bytes(seq, NULL, 0));
	return step(s, MQEV_SQLITE_SEQ, "put the number");
}

static int (*const appliers[])(struct mqev_sqlite *, const struct mqev_change *) = {
    [MQEV_CHANGE_PUT] = apply_put,
    [MQEV_CHANGE_SET] = apply_set,
    [MQEV_CHANGE_DROP] = apply_drop,
    [MQEV_CHANGE_REMOVE] = apply_remove,
    [MQEV_CHANGE_CLIENT] = apply_client,
    [MQEV_CHANGE_FORGET] = apply_forget,
    [MQEV_CHANGE_SEQ] = apply_seq,
};

/* --- the transaction ---------------------------------------------------------------------------
 */

static bool
in_transaction(const struct mqev_sqlite *s)
{
	return sqlite3_get_autocommit(s->db) == 0;
}

int
mqev_sqlite_append(void *state, const struct mqev_change *changes, size_t count)
{
	struct mqev_sqlite *s = state;
	int error = in_transaction(s) ? 0 : step(s, MQEV_SQLITE_BEGIN, "begin");

	for (size_t i = 0; i < count && error == 0; i++)
		error = appliers[changes[i].kind](s, &changes[i]);
	return error;
}

/*
 * With synchronous = NORMAL a commit writes the WAL and does not sync it. Which commits are to
 * survive a loss of power is known only at their end, when SQLite's own setting can no longer be
 * changed: so the WAL is synced here, as SQLite would with FULL.
 */
static int
sync_wal(struct mqev_sqlite *s)
{
	sqlite3_file *wal = NULL;
	int result = sqlite3_file_control(s->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);

	if (result == SQLITE_OK && wal != NULL && wal->pMethods != NULL)
		result = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
	else if (result == SQLITE_OK)
		result = SQLITE_IOERR_FSYNC;
	if (result == SQLITE_OK)
		return 0;
	/* Committed, and perhaps not on the disk: nobody may go on from here. */
	sqlite3_snprintf(sizeof(s->text), s->text, "sync the log: %s", sqlite3_errstr(result));
	return MQEV_ERR_STORE;
}

int
mqev_sqlite_commit(void *state, bool sync)
{
	struct mqev_sqlite *s = state;
	int error = in_transaction(s) ? step(s, MQEV_SQLITE_COMMIT, "commit") : 0;

	return error == 0 && sync ? sync_wal(s) : error;
}

/* What was not committed is no longer wanted; what was, with or without sync, is synced. */
void
mqev_sqlite_end(struct mqev_sqlite *s)
{
	mqev_sqlite_rollback(s);
	if (!s->read_only && !in_transaction(s))
		(void)sync_wal(s);
}

void
mqev_sqlite_rollback(void *state)
{
	struct mqev_sqlite *s = state;

	sqlite3_stmt *statement = s->statements[MQEV_SQLITE_ROLLBACK];

	/* Some errors have rolled back already; what went wrong stays the last error. The statement
	 * is there already, for it may be memory that is wanting. */
	if (statement == NULL || !in_transaction(s))
		return;
	(void)sqlite3_step(statement);
	sqlite3_reset(statement);
}
