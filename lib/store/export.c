/* One client's session out of a store, as a stream of bytes. */
#include <string.h>

#include <mqev/store.h>

#include "core/mem.h"
#include "store/stream.h"

struct export
{
	const struct mqev_backend *backend;
	void *state;
	const char *name;
	mqev_stream_write_cb *write;
	void *arg;
	uint32_t mark;
	uint64_t hash;
	struct mqev_store_client row; /* name and client_id are its own; client 0: not found */
	struct mqev_record *records;
	size_t count;
	size_t capacity;
};

/* --- what is there -----------------------------------------------------------------------------
 */

static int
skip_seq(void *arg, uint64_t seq)
{
	(void)arg;
	(void)seq;
	return 0;
}

static int
note_client(void *arg, const struct mqev_store_client *client)
{
	struct export *e = arg;

	if (strcmp(client->name, e->name) != 0)
		return 0;
	e->row = *client;
	e->row.name = e->name;
	e->row.client_id = mqev_strdup(client->client_id);
	return e->row.client_id != NULL ? 0 : MQEV_ERR_NOMEM;
}

static int
note_record(void *arg, const struct mqev_record *record)
{
	struct export *e = arg;
	struct mqev_record *grown;

	if (record->client != e->row.client)
		return 0;
	if (e->count == e->capacity) {
		e->capacity = e->capacity > 0 ? e->capacity * 2 : 64;
		grown = mqev_realloc(e->records, e->capacity * sizeof(*grown));
		if (grown == NULL)
			return MQEV_ERR_NOMEM;
		e->records = grown;
	}
	e->records[e->count++] = *record;
	return 0;
}

static int
find(struct export *e)
{
	static const struct mqev_backend_visitor visitor = {skip_seq, note_client, note_record};
	int error = e->backend->load(e->state, 0, &visitor, e);

	return error == 0 && e->row.client == 0 ? MQEV_ERR_NOT_FOUND : error;
}

/* --- the stream --------------------------------------------------------------------------------
 */

static int
send(struct export *e, const void *data, size_t len)
{
	e->hash = mqev_stream_hash(e->hash, data, len);
	return e->write(e->arg, data, len) == 0 ? 0 : MQEV_ERR_SYSTEM;
}

static int
send_header(struct export *e, uint8_t type, size_t len)
{
	uint8_t header[MQEV_STREAM_HEADER];
	struct mqev_writer w;

	mqev_writer_init(&w, header, sizeof(header));
	mqev_write_u8(&w, type);
	mqev_write_u32(&w, (uint32_t)len);
	return send(e, header, sizeof(header));
}

static uint32_t
flags_of(const struct export *e)
{
	bool gone = (e->row.flags & MQEV_STORE_CLIENT_GONE) != 0;

	return gone ? e->row.flags : (e->row.flags & MQEV_STREAM_SESSION_FLAGS) | e->mark;
}

static int
send_client(struct export *e)
{
	const struct mqev_store_client *c = &e->row;
	size_t name_len = strlen(c->name) + 1;
	size_t id_len = strlen(c->client_id) + 1;
	uint8_t fixed[MQEV_STREAM_CLIENT_FIXED];
	struct mqev_writer w;
	int error = send_header(e, MQEV_STREAM_CLIENT, sizeof(fixed) + name_len + id_len);

	mqev_writer_init(&w, fixed, sizeof(fixed));
	mqev_write_u32(&w, c->epoch);
	mqev_stream_write_u64(&w, c->sent_n);
	mqev_stream_write_u64(&w, (uint64_t)c->session_ends_ms);
	mqev_write_u32(&w, flags_of(e));
	mqev_write_u32(&w, (uint32_t)name_len);
	if (error == 0)
		error = send(e, fixed, sizeof(fixed));
	if (error == 0)
		error = send(e, c->name, name_len);
	return error == 0 ? send(e, c->client_id, id_len) : error;
}

static void
write_record(struct mqev_writer *w, const struct mqev_record *r, bool has_bytes)
{
	mqev_stream_write_u64(w, r->seq);
	mqev_stream_write_u64(w, r->n);
	mqev_stream_write_u64(w, r->cookie);
	mqev_stream_write_u64(w, (uint64_t)r->created_ms);
	mqev_stream_write_u64(w, (uint64_t)r->expires_ms);
	mqev_write_u32(w, r->epoch);
	mqev_write_u16(w, r->mid);
	mqev_write_u8(w, r->kind);
	mqev_write_u8(w, r->state);
	mqev_write_u8(w, r->qos);
	mqev_write_u8(w, r->flags);
	mqev_write_u8(w, has_bytes);
}

struct one_record {
	struct export *export;
	const struct mqev_record *record;
	bool sent;
};

static int
send_record(struct export *e, const struct mqev_record *r, const void *bytes, size_t len)
{
	uint8_t fixed[MQEV_STREAM_RECORD_FIXED];
	struct mqev_writer w;
	int error = send_header(e, MQEV_STREAM_RECORD, sizeof(fixed) + len);

	mqev_writer_init(&w, fixed, sizeof(fixed));
	write_record(&w, r, bytes != NULL);
	if (error == 0)
		error = send(e, fixed, sizeof(fixed));
	return error == 0 && len > 0 ? send(e, bytes, len) : error;
}

static int
send_bytes(void *arg, const void *bytes, size_t len)
{
	struct one_record *one = arg;

	one->sent = true;
	return send_record(one->export, one->record, bytes, len);
}

static int
send_records(struct export *e)
{
	int error = 0;

	for (size_t i = 0; i < e->count && error == 0; i++) {
		struct one_record one = {e, &e->records[i], false};

		error = e->backend->read(e->state, one.record->seq, send_bytes, &one);
		if (error == MQEV_ERR_NOT_FOUND && !one.sent)
			error = send_record(e, one.record, NULL, 0);
	}
	return error;
}

static int
send_end(struct export *e)
{
	uint8_t end[MQEV_STREAM_END_LEN];
	struct mqev_writer w;
	int error = send_header(e, MQEV_STREAM_END, sizeof(end));

	mqev_writer_init(&w, end, sizeof(end));
	mqev_write_u32(&w, (uint32_t)e->count);
	mqev_stream_write_u64(&w, e->hash);
	return error == 0 ? send(e, end, sizeof(end)) : error;
}

static int
send_all(struct export *e)
{
	int error = send(e, MQEV_STREAM_MAGIC, MQEV_STREAM_MAGIC_LEN);

	if (error == 0)
		error = send_client(e);
	if (error == 0)
		error = send_records(e);
	return error == 0 ? send_end(e) : error;
}

static void
clear(struct export *e)
{
	mqev_free((void *)(uintptr_t)e->row.client_id);
	mqev_free(e->records);
}

/* What is about to be handed over is not to be copied. */
static int
find_at_rest(struct export *e)
{
	int error = find(e);

	return error == 0 && (e->row.flags & MQEV_STREAM_HANDOVER_FLAGS) != 0 ? MQEV_ERR_STATE
									      : error;
}

int
mqev_store_export(const struct mqev_backend *backend, const struct mqev_backend_options *options,
    const char *name, mqev_stream_write_cb *write, void *arg)
{
	struct export e = {.backend = backend,
	    .name = name,
	    .write = write,
	    .arg = arg,
	    .hash = MQEV_STREAM_BASIS};
	int error;

	if (backend == NULL || options == NULL || name == NULL || write == NULL)
		return MQEV_ERR_INVALID;
	error = backend->open(options, &e.state);
	if (error == 0)
		error = find_at_rest(&e);
	if (error == 0)
		error = send_all(&e);
	backend->close(e.state);
	clear(&e);
	return error;
}

int
mqev_export_session(struct mqev_session_export *session)
{
	struct export e = {.backend = session->backend,
	    .state = session->state,
	    .name = session->name,
	    .write = session->write,
	    .arg = session->arg,
	    .mark = session->mark,
	    .hash = MQEV_STREAM_BASIS};
	int error = find(&e);

	if (error == 0)
		error = send_all(&e);
	session->flags = e.row.flags;
	session->messages = (uint32_t)e.count;
	clear(&e);
	return error;
}
