/* One client's session into a store, from a stream that may be damaged or hostile. */
#include <stdlib.h>
#include <string.h>

#include <mqev/store.h>

#include "core/mem.h"
#include "core/utf8.h"
#include "store/stream.h"

/* A frame is read in pieces, so that memory grows with what came, not with what it announced. */
#define PIECE 65536
/* No store comes so far by itself, and there is as much room again behind it. */
#define MOST_SEQ ((uint64_t)INT64_MAX / 2)
#define RECORD_FLAGS (MQEV_RECORD_RETAIN | MQEV_RECORD_DUP | MQEV_RECORD_SENT)

struct import {
	const struct mqev_backend *backend;
	void *state;
	mqev_stream_read_cb *read;
	void *arg;
	uint64_t hash;
	uint8_t *frame;
	size_t frame_len;
	size_t frame_capacity;
	uint64_t *taken; /* every seq that the store has, rising */
	size_t taken_count;
	size_t taken_capacity;
	char **names; /* of the clients that the store has */
	size_t name_count;
	size_t name_capacity;
	uint64_t seq_limit; /* the store's first free number */
	uint64_t last_seq;  /* of the stream */
	uint32_t client;    /* the number that it gets */
	uint32_t records;
	const struct mqev_session_import *into; /* an open store; NULL: one that nobody has open */
	uint32_t replaced; /* the number of a client whose place it takes; 0: none */
	bool has_client;
	bool skip; /* nothing is appended */
	bool ended;
};

/* --- what is there -----------------------------------------------------------------------------
 */

static bool
grow(void **array, size_t *capacity, size_t count, size_t element)
{
	size_t wanted = *capacity > 0 ? *capacity * 2 : 64;
	void *grown;

	if (count < *capacity)
		return true;
	grown = mqev_realloc(*array, wanted * element);
	if (grown == NULL)
		return false;
	*array = grown;
	*capacity = wanted;
	return true;
}

static int
see_seq(void *arg, uint64_t seq)
{
	((struct import *)arg)->seq_limit = seq;
	return 0;
}

static int
see_client(void *arg, const struct mqev_store_client *client)
{
	struct import *i = arg;
	char *name;

	if (client->client >= i->client)
		i->client = client->client + 1;
	if (!grow((void **)&i->names, &i->name_capacity, i->name_count, sizeof(*i->names)))
		return MQEV_ERR_NOMEM;
	name = mqev_strdup(client->name);
	if (name == NULL)
		return MQEV_ERR_NOMEM;
	i->names[i->name_count++] = name;
	return 0;
}

static int
see_record(void *arg, const struct mqev_record *record)
{
	struct import *i = arg;

	if (i->replaced != 0 && record->client == i->replaced)
		return 0;
	if (!grow((void **)&i->taken, &i->taken_capacity, i->taken_count, sizeof(*i->taken)))
		return MQEV_ERR_NOMEM;
	i->taken[i->taken_count++] = record->seq;
	return 0;
}

static int
look_around(struct import *i)
{
	static const struct mqev_backend_visitor visitor = {see_seq, see_client, see_record};

	i->client = 1;
	return i->backend->load(i->state, 0, &visitor, i);
}

static int
compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a;
	uint64_t right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static bool
is_taken(const struct import *i, uint64_t seq)
{
	return i->taken_count > 0 &&
	       bsearch(&seq, i->taken, i->taken_count, sizeof(seq), compare) != NULL;
}

static bool
has_name(const struct import *i, const char *name)
{
	for (size_t n = 0; n < i->name_count; n++) {
		if (strcmp(i->names[n], name) == 0)
			return true;
	}
	return false;
}

/* --- the stream --------------------------------------------------------------------------------
 */

static int
take(struct import *i, uint8_t *data, size_t len)
{
	if (i->read(i->arg, data, len) != 0)
		return MQEV_ERR_SYSTEM;
	i->hash = mqev_stream_hash(i->hash, data, len);
	return 0;
}

static bool
reserve(struct import *i, size_t len)
{
	uint8_t *grown;

	if (len <= i->frame_capacity)
		return true;
	grown = mqev_realloc(i->frame, len);
	if (grown == NULL)
		return false;
	i->frame = grown;
	i->frame_capacity = len;
	return true;
}

static int
take_body(struct import *i, size_t len)
{
	i->frame_len = 0;
	while (i->frame_len < len) {
		size_t piece = len - i->frame_len;
		int error;

		if (piece > PIECE && piece > i->frame_len)
			piece = i->frame_len > PIECE ? i->frame_len : PIECE;
		if (!reserve(i, i->frame_len + piece))
			return MQEV_ERR_NOMEM;
		error = take(i, i->frame + i->frame_len, piece);
		if (error != 0)
			return error;
		i->frame_len += piece;
	}
	return 0;
}

static int
take_magic(struct import *i)
{
	uint8_t magic[MQEV_STREAM_MAGIC_LEN];
	int error = take(i, magic, sizeof(magic));

	if (error != 0 || memcmp(magic, MQEV_STREAM_MAGIC, sizeof(magic)) == 0)
		return error;
	return memcmp(magic, MQEV_STREAM_MAGIC, MQEV_STREAM_FAMILY_LEN) == 0
		   ? MQEV_ERR_STORE_VERSION
		   : MQEV_ERR_STORE_DAMAGED;
}

/* --- its frames --------------------------------------------------------------------------------
 */

static int
append(struct import *i, enum mqev_change_kind kind, const struct mqev_record *record,
    const struct mqev_store_client *client)
{
	struct mqev_change change = {kind, record, client};

	return i->skip ? 0 : i->backend->append(i->state, &change, 1);
}

/* A text that ends where its bytes end. */
static bool
is_text(struct mqev_bytes bytes)
{
	return bytes.len > 0 && memchr(bytes.data, '\0', bytes.len) == bytes.data + bytes.len - 1;
}

static bool
is_identifier(struct mqev_bytes bytes)
{
	return is_text(bytes) && bytes.len - 1 <= UINT16_MAX &&
	       mqev_utf8_valid(bytes.data, bytes.len - 1);
}

/* Its number, and whether it may come. */
static int
admit(struct import *i, struct mqev_store_client *c)
{
	const struct mqev_session_import *into = i->into;
	int error = into != NULL ? into->client(into->arg, c, &i->replaced, &i->skip) : 0;

	if (error == 0)
		error = look_around(i);
	if (error != 0 || into != NULL) {
		i->client = c->client;
		return error;
	}
	c->client = i->client;
	c->flags &= MQEV_STREAM_SESSION_FLAGS;
	return has_name(i, c->name) ? MQEV_ERR_STATE : 0;
}

static int
append_client(struct import *i, const struct mqev_store_client *c)
{
	const struct mqev_store_client replaced = {.client = i->replaced};
	int error = 0;

	if (i->replaced != 0)
		error = append(i, MQEV_CHANGE_FORGET, NULL, &replaced);
	return error == 0 ? append(i, MQEV_CHANGE_CLIENT, NULL, c) : error;
}

static int
take_client(struct import *i)
{
	struct mqev_store_client c = {0};
	struct mqev_bytes name;
	struct mqev_bytes client_id;
	struct mqev_reader r;
	int error;

	mqev_reader_init(&r, i->frame, i->frame_len);
	c.epoch = mqev_read_u32(&r);
	c.sent_n = mqev_stream_read_u64(&r);
	c.session_ends_ms = (int64_t)mqev_stream_read_u64(&r);
	c.flags = mqev_read_u32(&r);
	name = mqev_read_bytes(&r, mqev_read_u32(&r));
	client_id = mqev_read_rest(&r);
	if (r.failed || i->has_client || !is_text(name) || name.len < 2 ||
	    !is_identifier(client_id) || c.sent_n >= MOST_SEQ)
		return MQEV_ERR_STORE_DAMAGED;
	c.name = (const char *)name.data;
	c.client_id = (const char *)client_id.data;
	i->has_client = true;
	error = admit(i, &c);
	return error == 0 ? append_client(i, &c) : error;
}

static bool
read_record(struct mqev_reader *reader, struct mqev_record *r)
{
	struct mqev_bytes bytes;
	uint8_t has_bytes;

	r->seq = mqev_stream_read_u64(reader);
	r->n = mqev_stream_read_u64(reader);
	r->cookie = mqev_stream_read_u64(reader);
	r->created_ms = (int64_t)mqev_stream_read_u64(reader);
	r->expires_ms = (int64_t)mqev_stream_read_u64(reader);
	r->epoch = mqev_read_u32(reader);
	r->mid = mqev_read_u16(reader);
	r->kind = mqev_read_u8(reader);
	r->state = mqev_read_u8(reader);
	r->qos = mqev_read_u8(reader);
	r->flags = mqev_read_u8(reader);
	has_bytes = mqev_read_u8(reader);
	bytes = mqev_read_rest(reader);
	r->bytes = has_bytes != 0 ? bytes.data : NULL;
	r->bytes_len = bytes.len;
	return !reader->failed && has_bytes <= 1 && (has_bytes == 1 || bytes.len == 0);
}

/* Which records there are, by their state. */
static const struct {
	uint8_t kind;
	uint8_t lowest_qos;
	bool has_mid;
} possible[] = {
    [MQEV_RECORD_ACCEPTED] = {MQEV_RECORD_OUT, 1, false},
    [MQEV_RECORD_RELEASED] = {MQEV_RECORD_OUT, 2, false},
    [MQEV_RECORD_RECEIVED] = {MQEV_RECORD_IN, 2, true},
    [MQEV_RECORD_FREED] = {MQEV_RECORD_IN, 1, false},
    [MQEV_RECORD_DONE] = {MQEV_RECORD_IN, 2, true},
};

static bool
states_fit(const struct mqev_record *r)
{
	return r->state < sizeof(possible) / sizeof(possible[0]) && r->state > 0 &&
	       r->kind == possible[r->state].kind && r->qos <= 2 &&
	       r->qos >= possible[r->state].lowest_qos &&
	       (r->mid != 0 || !possible[r->state].has_mid);
}

/* What a session reckons with cannot overflow. */
static bool
numbers_fit(const struct import *i, const struct mqev_record *r)
{
	return r->seq > i->last_seq && r->seq < MOST_SEQ && r->n < MOST_SEQ && r->expires_ms >= 0 &&
	       r->expires_ms < (int64_t)MOST_SEQ && (r->flags & ~RECORD_FLAGS) == 0;
}

static int
take_record(struct import *i)
{
	struct mqev_record record = {.client = i->client};
	struct mqev_reader r;
	int error;

	mqev_reader_init(&r, i->frame, i->frame_len);
	if (!i->has_client || !read_record(&r, &record) || !states_fit(&record) ||
	    !numbers_fit(i, &record))
		return MQEV_ERR_STORE_DAMAGED;
	if (is_taken(i, record.seq))
		return MQEV_ERR_STATE;
	error = i->into != NULL ? i->into->record(i->into->arg, &record) : 0;
	if (error != 0)
		return error;
	i->last_seq = record.seq;
	i->records++;
	return append(i, MQEV_CHANGE_PUT, &record, NULL);
}

/* expected: of all before the body. */
static int
take_end(struct import *i, uint64_t expected)
{
	struct mqev_reader r;
	uint32_t count;
	uint64_t hash;

	mqev_reader_init(&r, i->frame, i->frame_len);
	count = mqev_read_u32(&r);
	hash = mqev_stream_read_u64(&r);
	i->ended = true;
	return !r.failed && mqev_reader_left(&r) == 0 && i->has_client && count == i->records &&
		       hash == expected
		   ? 0
		   : MQEV_ERR_STORE_DAMAGED;
}

static int
take_frame(struct import *i)
{
	uint8_t header[MQEV_STREAM_HEADER];
	struct mqev_reader r;
	uint64_t before;
	uint32_t len;
	uint8_t type;
	int error = take(i, header, sizeof(header));

	mqev_reader_init(&r, header, sizeof(header));
	type = mqev_read_u8(&r);
	len = mqev_read_u32(&r);
	if (error == 0 && len > MQEV_STREAM_LONGEST)
		error = MQEV_ERR_STORE_DAMAGED;
	before = i->hash;
	if (error == 0)
		error = take_body(i, len);
	if (error != 0)
		return error;
	if (type == MQEV_STREAM_CLIENT)
		return take_client(i);
	if (type == MQEV_STREAM_RECORD)
		return take_record(i);
	return type == MQEV_STREAM_END ? take_end(i, before) : MQEV_ERR_STORE_DAMAGED;
}

/* --- all or nothing ----------------------------------------------------------------------------
 */

/* A number that was used in the other store is not used again in this one. */
static int
raise_seq(struct import *i)
{
	const struct mqev_record limit = {.seq = i->last_seq + 1};

	uint64_t limit_now = i->into != NULL ? i->into->seq_limit : i->seq_limit;

	if (i->last_seq < limit_now)
		return 0;
	return append(i, MQEV_CHANGE_SEQ, &limit, NULL);
}

static int
take_all(struct import *i)
{
	int error = take_magic(i);

	while (error == 0 && !i->ended)
		error = take_frame(i);
	if (error == 0)
		error = raise_seq(i);
	if (error == 0 && !i->skip)
		error = i->backend->commit(i->state, true);
	if (error != 0)
		i->backend->rollback(i->state);
	return error;
}

static void
clear(struct import *i)
{
	for (size_t n = 0; n < i->name_count; n++)
		mqev_free(i->names[n]);
	mqev_free(i->names);
	mqev_free(i->taken);
	mqev_free(i->frame);
}

int
mqev_store_import(const struct mqev_backend *backend, const struct mqev_backend_options *options,
    mqev_stream_read_cb *read, void *arg)
{
	struct import i = {.backend = backend, .read = read, .arg = arg, .hash = MQEV_STREAM_BASIS};
	int error;

	if (backend == NULL || options == NULL || read == NULL)
		return MQEV_ERR_INVALID;
	error = backend->open(options, &i.state);
	if (error == 0)
		error = take_all(&i);
	backend->close(i.state);
	clear(&i);
	return error;
}

int
mqev_import_session(const struct mqev_session_import *session)
{
	struct import i = {.backend = session->backend,
	    .state = session->state,
	    .read = session->read,
	    .arg = session->read_arg,
	    .into = session,
	    .hash = MQEV_STREAM_BASIS};
	int error = take_all(&i);

	clear(&i);
	return error;
}
