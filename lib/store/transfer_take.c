/* Sessions on their way between processes: the steps of the one that takes. What comes may be
 * damaged or hostile. */
#include "store/transfer.h"

#include <stdlib.h>
#include <string.h>

#include "core/journal.h"
#include "core/mem.h"
#include "store/internal.h"
#include "store/stream.h"

#define FIRST_PASSED 16

/* --- the stream as it comes --------------------------------------------------------------------
 */

static int
check_magic(const struct mqev_transfer *t)
{
	if (memcmp(t->data, MQEV_STREAM_MAGIC, MQEV_STREAM_MAGIC_LEN) == 0)
		return 0;
	return memcmp(t->data, MQEV_STREAM_MAGIC, MQEV_STREAM_FAMILY_LEN) == 0
		   ? MQEV_ERR_STORE_VERSION
		   : MQEV_ERR_STORE_DAMAGED;
}

/* One frame further, if all of it is there. 0: it is not; 1: that was the end; 2: it was another.
 */
static int
step_over(struct mqev_transfer *t)
{
	struct mqev_reader r;
	uint32_t len;
	uint8_t type;

	if (t->len - t->at < MQEV_STREAM_HEADER)
		return 0;
	mqev_reader_init(&r, t->data + t->at, MQEV_STREAM_HEADER);
	type = mqev_read_u8(&r);
	len = mqev_read_u32(&r);
	if (len > t->most)
		return MQEV_ERR_TOO_LARGE;
	if (t->len - t->at - MQEV_STREAM_HEADER < len)
		return 0;
	t->at += MQEV_STREAM_HEADER + (size_t)len;
	return type == MQEV_STREAM_END ? 1 : 2;
}

static int
look_through(struct mqev_transfer *t)
{
	int result = 2;

	if (t->at == 0 && t->len >= MQEV_STREAM_MAGIC_LEN) {
		result = check_magic(t);
		if (result != 0)
			return result;
		t->at = MQEV_STREAM_MAGIC_LEN;
		result = 2;
	}
	while (t->at > 0 && result == 2)
		result = step_over(t);
	if (result == 1 && t->at != t->len)
		return MQEV_ERR_STORE_DAMAGED;
	return result == 2 ? 0 : result;
}

int
mqev_transfer_feed(struct mqev_transfer *t, const uint8_t *bytes, size_t len)
{
	if (len > t->most || t->len > t->most - len)
		return MQEV_ERR_TOO_LARGE;
	if (!mqev_transfer_reserve(t, len))
		return MQEV_ERR_NOMEM;
	memcpy(t->data + t->len, bytes, len);
	t->len += len;
	return look_through(t);
}

/* --- keeping -----------------------------------------------------------------------------------
 */

struct keeping {
	struct mqev_transfer *t;
	struct mqev_index_client *fresh;
	struct mqev_index_client *replaced;
	uint64_t own_end; /* numbers of this store's from first_seq to below it may be in use */
	bool is_due;	  /* it is here, and this store's from now on */
};

static int
read_piece(void *arg, void *data, size_t len)
{
	struct mqev_transfer *t = arg;

	if (len > t->len - t->at)
		return -1;
	memcpy(data, t->data + t->at, len);
	t->at += len;
	return 0;
}

/* The highest seq, which the last record's frame begins with. */
static uint64_t
last_seq(const struct mqev_transfer *t)
{
	struct mqev_reader r;
	uint64_t last = 0;

	mqev_reader_init(&r, t->data + MQEV_STREAM_MAGIC_LEN, t->len - MQEV_STREAM_MAGIC_LEN);
	while (mqev_reader_left(&r) > 0 && !r.failed) {
		uint8_t type = mqev_read_u8(&r);
		struct mqev_bytes body = mqev_read_bytes(&r, mqev_read_u32(&r));
		struct mqev_reader at;

		mqev_reader_init(&at, body.data, body.len);
		if (type == MQEV_STREAM_RECORD && body.len >= sizeof(uint64_t))
			last = mqev_stream_read_u64(&at);
	}
	return last;
}

static bool
reserve_passed(struct mqev_writer_state *w)
{
	size_t capacity = w->passed_capacity > 0 ? w->passed_capacity * 2 : FIRST_PASSED;
	struct mqev_passed *grown;

	if (w->passed_count < w->passed_capacity)
		return true;
	grown = mqev_realloc(w->passed, capacity * sizeof(*grown));
	if (grown == NULL)
		return false;
	w->passed = grown;
	w->passed_capacity = capacity;
	return true;
}

/* Nobody is given a number of these any more. False: no memory. */
static bool
pass_over(struct mqev_store *store, uint64_t last, uint64_t *own_end)
{
	struct mqev_writer_state *w = &store->writer;
	uint64_t next = atomic_load(&store->next_seq);

	if (!reserve_passed(w))
		return false;
	while (last >= next && last < INT64_MAX / 2) {
		if (!atomic_compare_exchange_weak(&store->next_seq, &next, last + 1))
			continue;
		w->passed[w->passed_count++] = (struct mqev_passed){next, last};
		break;
	}
	*own_end = next;
	return true;
}

/* Nothing of it was kept: a refused stream does not use up the numbers. */
static void
turn_back(struct mqev_store *store, uint64_t last, uint64_t own_end)
{
	uint64_t behind = last + 1;

	if (last >= own_end && last < INT64_MAX / 2 &&
	    atomic_compare_exchange_strong(&store->next_seq, &behind, own_end))
		store->writer.passed_count--;
}

static int
compare_passed(const void *key, const void *element)
{
	const uint64_t *seq = key;
	const struct mqev_passed *passed = element;

	if (*seq < passed->first)
		return -1;
	return *seq > passed->last;
}

/* It was given out since the store was opened, and may not be in the back end yet. */
static bool
may_be_on_its_way(const struct keeping *k, uint64_t seq)
{
	const struct mqev_store *store = k->t->store;

	return seq >= store->first_seq && seq < k->own_end &&
	       bsearch(&seq, store->writer.passed, store->writer.passed_count,
		   sizeof(*store->writer.passed), compare_passed) == NULL;
}

/* The giver says again that a session is ours: once we have it, or had it, there is nothing to do.
 * Under the mutex. */
static int
settle(struct keeping *k, const struct mqev_index_client *known, uint32_t flags)
{
	struct mqev_transfer *t = k->t;

	t->settled = true;
	if (known == NULL)
		return 0;
	t->number = known->row.client;
	t->tag = flags >> MQEV_STREAM_TAG_SHIFT;
	if (known->attached || (known->row.flags & MQEV_STORE_CLIENT_INCOMING) == 0)
		t->owned = (known->row.flags & MQEV_STORE_CLIENT_GONE) == 0;
	else if (known->row.flags >> MQEV_STREAM_TAG_SHIFT != t->tag)
		return MQEV_ERR_STATE;
	else
		k->is_due = true;
	return 0;
}

static int
make_place(struct keeping *k, struct mqev_index_client *known, struct mqev_store_client *c)
{
	if (known != NULL &&
	    (known->attached || (known->row.flags & MQEV_STORE_CLIENT_INCOMING) == 0))
		return MQEV_ERR_STATE;
	k->t->tag = c->flags >> MQEV_STREAM_TAG_SHIFT;
	c->flags = (c->flags & MQEV_STREAM_SESSION_FLAGS) | MQEV_STORE_CLIENT_INCOMING |
		   k->t->tag << MQEV_STREAM_TAG_SHIFT;
	k->fresh = mqev_index_add_row(&k->t->store->index, c);
	if (k->fresh == NULL)
		return MQEV_ERR_NOMEM;
	k->replaced = known;
	c->client = k->t->number = k->fresh->row.client;
	return 0;
}

static int
admit_client(void *arg, struct mqev_store_client *c, uint32_t *replaced, bool *skip)
{
	struct keeping *k = arg;
	struct mqev_store *store = k->t->store;
	struct mqev_index_client *known;
	int error;

	mqev_free(k->t->name);
	k->t->name = mqev_strdup(c->name);
	if (k->t->name == NULL)
		return MQEV_ERR_NOMEM;
	mqev_store_lock(store);
	known = mqev_index_find(&store->index, c->name);
	*skip = (c->flags & MQEV_STORE_CLIENT_GONE) != 0;
	error = *skip ? settle(k, known, c->flags) : make_place(k, known, c);
	*replaced = k->replaced != NULL ? k->replaced->row.client : 0;
	mqev_store_unlock(store);
	return error;
}

/* What is sealed is looked at when a session asks for it. */
static bool
is_legal(const struct mqev_store *store, const struct mqev_record *record)
{
	struct mqev_entry entry;

	return record->bytes == NULL || mqev_store_seals(store) ||
	       mqev_unpack_checked((struct mqev_bytes){record->bytes, record->bytes_len},
		   (enum mqev_record_kind)record->kind, &entry);
}

/* Its number must not be one of ours that may be on its way. */
static int
admit_record(void *arg, const struct mqev_record *record)
{
	struct keeping *k = arg;

	if (k->fresh == NULL || !is_legal(k->t->store, record))
		return MQEV_ERR_STORE_DAMAGED;
	if (may_be_on_its_way(k, record->seq))
		return MQEV_ERR_STATE;
	k->t->messages++;
	return mqev_index_note(k->fresh, record) ? 0 : MQEV_ERR_NOMEM;
}

/* What was made for it goes, or what it took the place of. */
static void
tidy_index(struct keeping *k, int error)
{
	struct mqev_store *store = k->t->store;
	struct mqev_index_client *superfluous = error != 0 ? k->fresh : k->replaced;

	mqev_store_lock(store);
	if (k->fresh != NULL)
		k->fresh->attached = false;
	if (superfluous != NULL)
		mqev_index_remove(&store->index, superfluous);
	mqev_store_unlock(store);
}

int
mqev_transfer_keep(struct mqev_store *store, struct mqev_job *job)
{
	struct mqev_transfer *t = (struct mqev_transfer *)job;
	uint64_t last = last_seq(t);
	struct keeping k = {.t = t};
	const struct mqev_session_import session = {.backend = store->backend,
	    .state = store->state,
	    .client = admit_client,
	    .record = admit_record,
	    .arg = &k,
	    .read = read_piece,
	    .read_arg = t,
	    .seq_limit = store->writer.seq_limit};
	int error;

	if (!pass_over(store, last, &k.own_end))
		return MQEV_ERR_NOMEM;
	t->at = 0;
	error = mqev_import_session(&session);
	tidy_index(&k, error);
	if (error != 0)
		turn_back(store, last, k.own_end);
	if (error == 0 && !t->settled && last >= store->writer.seq_limit)
		store->writer.seq_limit = last + 1;
	if (error != 0 || !k.is_due)
		return error;
	return mqev_transfer_own(store, job);
}

/* --- owning ------------------------------------------------------------------------------------
 */

/* Under the mutex: as it was kept, if nothing took its place. */
static struct mqev_index_client *
find_kept(struct mqev_transfer *t)
{
	struct mqev_index_client *client = mqev_index_find(&t->store->index, t->name);

	if (client == NULL || client->attached ||
	    (client->row.flags & MQEV_STORE_CLIENT_INCOMING) == 0 ||
	    client->row.flags >> MQEV_STREAM_TAG_SHIFT != t->tag)
		return NULL;
	client->attached = true;
	t->client = client;
	return client;
}

int
mqev_transfer_own(struct mqev_store *store, struct mqev_job *job)
{
	struct mqev_transfer *t = (struct mqev_transfer *)job;
	struct mqev_index_client *client;
	struct mqev_store_client row;
	const struct mqev_change change = {.kind = MQEV_CHANGE_CLIENT, .client = &row};
	int error;

	mqev_store_lock(store);
	client = find_kept(t);
	mqev_store_unlock(store);
	if (client == NULL)
		return MQEV_ERR_STATE;
	row = client->row;
	row.flags &= MQEV_STREAM_SESSION_FLAGS;
	error = mqev_transfer_commit(store, &change, 1);
	mqev_store_lock(store);
	if (error == 0)
		client->row.flags = row.flags;
	client->attached = false;
	t->client = NULL;
	mqev_store_unlock(store);
	t->owned = error == 0;
	return error;
}
