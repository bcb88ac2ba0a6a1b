/* The model of a store: changes at random, and digests. */
#include "kill/power_model.h"

#include <stdlib.h>
#include <string.h>

#define LARGEST (256 * 1024)

uint64_t
model_draw(struct model *m, uint64_t below)
{
	uint64_t x = m->random += UINT64_C(0x9E3779B97F4A7C15);

	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
	return (x ^ x >> 31) % below;
}

/* --- changes -----------------------------------------------------------------------------------
 */

static void
bytes_of(uint64_t seq, uint8_t *bytes, size_t len)
{
	uint64_t x = seq * UINT64_C(0x9E3779B97F4A7C15) | 1;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		bytes[i] = (uint8_t)x;
	}
}

static size_t
some_len(struct model *m)
{
	if (m->large && model_draw(m, 3) == 0)
		return (size_t)model_draw(m, LARGEST) + 1;
	return (size_t)model_draw(m, model_draw(m, 8) == 0 ? 20000 : 400) + 1;
}

static int
append(const struct mqev_backend *backend, void *state, enum mqev_change_kind kind,
    const struct mqev_record *record, const struct mqev_store_client *client)
{
	const struct mqev_change change = {kind, record, client};

	return backend->append(state, &change, 1);
}

static int
put(struct model *m, const struct mqev_backend *backend, void *state)
{
	static uint8_t bytes[LARGEST];
	struct model_record *r = &m->records[m->count];
	struct mqev_record with;

	r->record = (struct mqev_record){.seq = ++m->count,
	    .n = model_draw(m, 100000),
	    .cookie = model_draw(m, UINT64_MAX),
	    .created_ms = 1700000000000,
	    .client = (uint32_t)model_draw(m, MODEL_CLIENTS) + 1,
	    .kind = MQEV_RECORD_OUT,
	    .state = MQEV_RECORD_ACCEPTED,
	    .qos = (uint8_t)(1 + model_draw(m, 2)),
	    .bytes_len = some_len(m)};
	r->there = true;
	with = r->record;
	with.bytes = bytes;
	bytes_of(with.seq, bytes, with.bytes_len);
	return append(backend, state, MQEV_CHANGE_PUT, &with, NULL);
}

static struct model_record *
some_record(struct model *m)
{
	return &m->records[model_draw(m, m->count)];
}

/* Of one that may have been removed before: then it does nothing. */
static int
change_record(
    struct model *m, const struct mqev_backend *backend, void *state, enum mqev_change_kind kind)
{
	struct model_record *r = some_record(m);
	struct mqev_record *record = &r->record;

	if (kind == MQEV_CHANGE_REMOVE)
		r->there = false;
	if (kind == MQEV_CHANGE_DROP) {
		record->state = MQEV_RECORD_RELEASED;
		record->bytes_len = 0;
	}
	if (kind == MQEV_CHANGE_SET) {
		record->n = model_draw(m, 100000);
		record->flags = MQEV_RECORD_SENT;
	}
	return append(backend, state, kind, record, NULL);
}

static int
put_client(struct model *m, const struct mqev_backend *backend, void *state)
{
	static const char *const names[MODEL_CLIENTS] = {"pump", "valve", "meter", "lamp"};
	size_t i = (size_t)model_draw(m, MODEL_CLIENTS);

	m->clients[i] = (struct mqev_store_client){.client = (uint32_t)i + 1,
	    .epoch = (uint32_t)model_draw(m, 100),
	    .name = names[i],
	    .client_id = names[i],
	    .sent_n = model_draw(m, 100000)};
	m->has_client[i] = true;
	return append(backend, state, MQEV_CHANGE_CLIENT, NULL, &m->clients[i]);
}

static int
put_seq(struct model *m, const struct mqev_backend *backend, void *state)
{
	const struct mqev_record limit = {.seq = m->seq + 1 + model_draw(m, 1000)};

	m->seq = limit.seq;
	return append(backend, state, MQEV_CHANGE_SEQ, &limit, NULL);
}

static int
forget(struct model *m, const struct mqev_backend *backend, void *state)
{
	size_t i = (size_t)model_draw(m, MODEL_CLIENTS);
	const struct mqev_store_client client = {.client = (uint32_t)i + 1};

	m->has_client[i] = false;
	for (size_t r = 0; r < m->count; r++)
		m->records[r].there &= m->records[r].record.client != client.client;
	return append(backend, state, MQEV_CHANGE_FORGET, NULL, &client);
}

int
model_change(struct model *m, const struct mqev_backend *backend, void *state)
{
	uint64_t what = model_draw(m, 100);

	if (m->count == 0 || (what < 45 && m->count < MODEL_RECORDS))
		return put(m, backend, state);
	if (what < 70)
		return change_record(m, backend, state, MQEV_CHANGE_REMOVE);
	if (what < 80)
		return change_record(m, backend, state, MQEV_CHANGE_DROP);
	if (what < 90)
		return change_record(m, backend, state, MQEV_CHANGE_SET);
	if (what < 95)
		return put_client(m, backend, state);
	return what < 98 ? put_seq(m, backend, state) : forget(m, backend, state);
}

/* --- digests -----------------------------------------------------------------------------------
 */

static void
add(uint64_t *digest, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++)
		*digest = (*digest ^ at[i]) * UINT64_C(0x100000001B3);
}

static void
add_number(uint64_t *digest, uint64_t number)
{
	*digest = (*digest ^ number) * UINT64_C(0x9E3779B97F4A7C15);
	*digest ^= *digest >> 29;
}

static int
add_seq(void *arg, uint64_t seq)
{
	add_number(arg, seq);
	return 0;
}

static int
add_client(void *arg, const struct mqev_store_client *client)
{
	add_number(arg, client->client);
	add_number(arg, client->epoch);
	add_number(arg, client->sent_n);
	add(arg, client->name, strlen(client->name));
	add(arg, client->client_id, strlen(client->client_id));
	return 0;
}

static int
add_record(void *arg, const struct mqev_record *record)
{
	add_number(arg, record->seq);
	add_number(arg, record->n);
	add_number(arg, record->cookie);
	add_number(arg, record->client);
	add_number(arg, record->state);
	add_number(arg, record->qos);
	add_number(arg, record->flags);
	add_number(arg, record->bytes_len);
	return 0;
}

uint64_t
model_digest(const struct model *m)
{
	uint64_t digest = 1;

	if (m->seq != 0)
		add_seq(&digest, m->seq);
	for (size_t i = 0; i < MODEL_CLIENTS; i++) {
		if (m->has_client[i])
			add_client(&digest, &m->clients[i]);
	}
	for (size_t i = 0; i < m->count; i++) {
		if (m->records[i].there)
			add_record(&digest, &m->records[i].record);
	}
	return digest;
}

/* Each message's bytes are what follows from its number, which a digest of the model need not hold.
 */
static int
compare_bytes(void *arg, const void *bytes, size_t len)
{
	uint8_t *wanted = malloc(len + 1);
	int same;

	if (wanted == NULL)
		return MQEV_ERR_NOMEM;
	bytes_of(*(const uint64_t *)arg, wanted, len);
	same = memcmp(wanted, bytes, len) == 0;
	free(wanted);
	return same ? 0 : MQEV_ERR_STORE_DAMAGED;
}

struct reading {
	uint64_t digest;
	uint64_t seqs[MODEL_RECORDS];
	size_t count;
};

static int
see_seq(void *arg, uint64_t seq)
{
	return add_seq(&((struct reading *)arg)->digest, seq);
}

static int
see_client(void *arg, const struct mqev_store_client *client)
{
	return add_client(&((struct reading *)arg)->digest, client);
}

static int
see_record(void *arg, const struct mqev_record *record)
{
	struct reading *r = arg;

	if (record->bytes_len > 0 && r->count < MODEL_RECORDS)
		r->seqs[r->count++] = record->seq;
	return add_record(&r->digest, record);
}

int
model_digest_of(const struct mqev_backend *backend, void *state, uint64_t *digest)
{
	static const struct mqev_backend_visitor visitor = {see_seq, see_client, see_record};
	struct reading r = {.digest = 1};
	int error = backend->load(state, 0, &visitor, &r);

	for (size_t i = 0; i < r.count && error == 0; i++)
		error = backend->read(state, r.seqs[i], compare_bytes, &r.seqs[i]);
	*digest = r.digest;
	return error;
}
