/* Reading a store: the index of clients and records, and the bytes of one record. */
#include "store/sqlite_internal.h"

struct reading {
	struct mqev_sqlite *s;
	sqlite3_stmt *row;
	const struct mqev_backend_visitor *visitor;
	void *arg;
};

static uint64_t
column(const struct reading *r, int i)
{
	return (uint64_t)sqlite3_column_int64(r->row, i);
}

static int
visit_seq(const struct reading *r)
{
	uint64_t seq = column(r, 0);

	if (seq == 0 || (int64_t)column(r, 1) != mqev_sqlite_check_bytes(seq, NULL, 0))
		return mqev_sqlite_damaged(r->s, "the first free number was altered");
	return r->visitor->seq(r->arg, seq);
}

static const char *
text(const struct reading *r, int i)
{
	return (const char *)sqlite3_column_text(r->row, i);
}

static int
visit_client(const struct reading *r)
{
	struct mqev_store_client client = {
	    .client = (uint32_t)column(r, 0),
	    .epoch = (uint32_t)column(r, 1),
	    .name = text(r, 2),
	    .client_id = text(r, 3),
	    .sent_n = column(r, 4),
	    .session_ends_ms = (int64_t)column(r, 5),
	    .flags = (uint32_t)column(r, 6),
	};

	if (client.name == NULL || client.client_id == NULL)
		return MQEV_ERR_NOMEM;
	if ((int64_t)column(r, 7) != mqev_sqlite_check_client(&client))
		return mqev_sqlite_damaged(r->s, "a client was altered");
	return r->visitor->client(r->arg, &client);
}

static int
visit_record(const struct reading *r)
{
	struct mqev_record record = {
	    .seq = column(r, 0),
	    .client = (uint32_t)column(r, 1),
	    .n = column(r, 2),
	    .cookie = column(r, 3),
	    .created_ms = (int64_t)column(r, 4),
	    .expires_ms = (int64_t)column(r, 5),
	    .epoch = (uint32_t)column(r, 6),
	    .mid = (uint16_t)column(r, 7),
	    .kind = (uint8_t)column(r, 8),
	    .state = (uint8_t)column(r, 9),
	    .qos = (uint8_t)column(r, 10),
	    .flags = (uint8_t)column(r, 11),
	    .bytes_len = (size_t)column(r, 14),
	};

	if ((int64_t)column(r, 12) != mqev_sqlite_check_fixed(&record) ||
	    (int64_t)column(r, 13) != mqev_sqlite_check_state(&record))
		return mqev_sqlite_damaged(r->s, "a message was altered");
	return r->visitor->record(r->arg, &record);
}

/* Rows of the client that ?1 names, or all when it is 0. */
static const struct {
	const char *sql;
	int (*visit)(const struct reading *r);
} tables[] = {
    {"SELECT seq, checked FROM meta WHERE ?1 >= 0", visit_seq},
    {"SELECT client, epoch, name, client_id, sent_n, session_ends_ms, flags, checked FROM client"
     " WHERE ?1 = 0 OR client = ?1 ORDER BY client",
	visit_client},
    {"SELECT seq, client, n, cookie, created_ms, expires_ms, epoch, mid, kind, state, qos, flags,"
     " checked, checked_state, length(bytes) FROM record WHERE ?1 = 0 OR client = ?1 ORDER BY seq",
	visit_record},
};

static int
visit_rows(const struct reading *r, int (*visit)(const struct reading *r))
{
	int error = 0;
	int result = sqlite3_step(r->row);

	while (result == SQLITE_ROW && error == 0) {
		error = visit(r);
		if (error == 0)
			result = sqlite3_step(r->row);
	}
	if (error != 0 || result == SQLITE_DONE)
		return error;
	return mqev_sqlite_error(r->s, result, "read the index");
}

static int
visit_table(struct reading *r, size_t i, uint32_t client)
{
	int result = sqlite3_prepare_v2(r->s->db, tables[i].sql, -1, &r->row, NULL);
	int error;

	if (result == SQLITE_OK)
		result = sqlite3_bind_int64(r->row, 1, client);
	error = result == SQLITE_OK ? visit_rows(r, tables[i].visit)
				    : mqev_sqlite_error(r->s, result, "read the index");
	sqlite3_finalize(r->row);
	return error;
}

/* In one transaction, so that it is one moment's picture beside a program that writes. */
int
mqev_sqlite_load(
    void *state, uint32_t client, const struct mqev_backend_visitor *visitor, void *arg)
{
	struct reading r = {state, NULL, visitor, arg};
	int error = mqev_sqlite_run(state, "BEGIN");

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && error == 0; i++)
		error = visit_table(&r, i, client);
	mqev_sqlite_rollback(state);
	return error;
}

static int
hand_bytes(
    struct mqev_sqlite *s, uint64_t seq, sqlite3_stmt *row, mqev_backend_bytes_cb *bytes, void *arg)
{
	const void *data = sqlite3_column_blob(row, 0);
	size_t len = (size_t)sqlite3_column_bytes(row, 0);

	if (sqlite3_column_type(row, 0) == SQLITE_NULL)
		return MQEV_ERR_NOT_FOUND;
	if (data == NULL && len > 0)
		return MQEV_ERR_NOMEM;
	if (sqlite3_column_int64(row, 1) != mqev_sqlite_check_bytes(seq, data, len))
		return mqev_sqlite_damaged(s, "a message's bytes were altered");
	return bytes(arg, data, len);
}

int
mqev_sqlite_read(void *state, uint64_t seq, mqev_backend_bytes_cb *bytes, void *arg)
{
	struct mqev_sqlite *s = state;
	sqlite3_stmt *row = s->statements[MQEV_SQLITE_READ];
	int error = MQEV_ERR_NOT_FOUND;
	int result;

	sqlite3_bind_int64(row, 1, (int64_t)seq);
	result = sqlite3_step(row);
	if (result == SQLITE_ROW)
		error = hand_bytes(s, seq, row, bytes, arg);
	else if (result != SQLITE_DONE)
		error = mqev_sqlite_error(s, result, "read a message");
	sqlite3_reset(row);
	return error;
}
