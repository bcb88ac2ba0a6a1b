/* The back end that keeps everything in memory: for tests, and for sessions that are to outlive
 * their client but not the process. */
#include <string.h>

#include <mqev/store.h>

#include "core/mem.h"

/* A record, or (kind 0) the place of one that is gone. */
struct slot {
	struct mqev_record record; /* with bytes of its own */
};

/* A change of the transaction; what record and client point to is its own. */
struct step {
	enum mqev_change_kind kind;
	struct mqev_record record;
	struct mqev_store_client client;
};

struct memory {
	uint64_t max_bytes;
	uint64_t bytes;	    /* of all records, the transaction's included */
	uint64_t seq;	    /* 0: none was set */
	struct slot *slots; /* by rising seq */
	size_t slot_count;
	size_t slot_capacity;
	size_t gone; /* slots without a record */
	struct mqev_store_client *clients;
	size_t client_count;
	size_t client_capacity;
	struct step *steps;
	size_t step_count;
	size_t step_capacity;
	size_t puts;  /* among the steps */
	size_t makes; /* steps that may add a client */
};

#define FIRST_CAPACITY 16

/* Room for more elements behind count, whatever there was. */
static bool
grow(void **array, size_t *capacity, size_t count, size_t more, size_t element)
{
	size_t wanted = *capacity > 0 ? *capacity : FIRST_CAPACITY;
	void *grown;

	if (more <= *capacity - count)
		return true;
	while (wanted - count < more) {
		if (wanted > SIZE_MAX / 2 / element)
			return false;
		wanted *= 2;
	}
	grown = mqev_realloc(*array, wanted * element);
	if (grown == NULL)
		return false;
	*array = grown;
	*capacity = wanted;
	return true;
}

static uint64_t
cost(const struct mqev_record *record)
{
	return sizeof(struct slot) + record->bytes_len;
}

static void
drop_bytes(struct mqev_record *record)
{
	mqev_free((void *)(uintptr_t)record->bytes);
	record->bytes = NULL;
	record->bytes_len = 0;
}

static void
free_client(struct mqev_store_client *client)
{
	mqev_free((void *)(uintptr_t)client->name);
	mqev_free((void *)(uintptr_t)client->client_id);
}

/* --- finding -----------------------------------------------------------------------------------
 */

/* The first slot that is not below seq. */
static size_t
place_of(const struct memory *m, uint64_t seq)
{
	size_t low = 0;
	size_t high = m->slot_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->slots[middle].record.seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct mqev_record *
find(const struct memory *m, uint64_t seq)
{
	size_t i = place_of(m, seq);
	struct mqev_record *record = i < m->slot_count ? &m->slots[i].record : NULL;

	return record != NULL && record->seq == seq && record->kind != 0 ? record : NULL;
}

static struct mqev_store_client *
find_client(const struct memory *m, uint32_t number)
{
	for (size_t i = 0; i < m->client_count; i++) {
		if (m->clients[i].client == number)
			return &m->clients[i];
	}
	return NULL;
}

/* --- changing ----------------------------------------------------------------------------------
 */

static void
squeeze(struct memory *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->slot_count; i++) {
		if (m->slots[i].record.kind != 0)
			m->slots[kept++] = m->slots[i];
	}
	m->slot_count = kept;
	m->gone = 0;
}

static void
remove_record(struct memory *m, struct mqev_record *record)
{
	m->bytes -= cost(record);
	drop_bytes(record);
	record->kind = 0;
	m->gone++;
}

static void
apply_put(struct memory *m, struct step *step)
{
	size_t i = place_of(m, step->record.seq);

	memmove(&m->slots[i + 1], &m->slots[i], (m->slot_count - i) * sizeof(*m->slots));
	m->slots[i].record = step->record;
	m->slot_count++;
	step->record.bytes = NULL;
}

static void
apply_set(struct memory *m, struct step *step)
{
	struct mqev_record *record = find(m, step->record.seq);

	if (record == NULL)
		return;
	record->n = step->record.n;
	record->epoch = step->record.epoch;
	record->mid = step->record.mid;
	record->state = step->record.state;
	record->flags = step->record.flags;
	if (step->kind == MQEV_CHANGE_DROP) {
		m->bytes -= record->bytes_len;
		drop_bytes(record);
	}
}

static void
apply_remove(struct memory *m, struct step *step)
{
	struct mqev_record *record = find(m, step->record.seq);

	if (record != NULL)
		remove_record(m, record);
}

static void
apply_client(struct memory *m, struct step *step)
{
	struct mqev_store_client *client = find_client(m, step->client.client);

	if (client != NULL)
		free_client(client);
	else
		client = &m->clients[m->client_count++];
	*client = step->client;
	step->client = (struct mqev_store_client){0};
}

static void
apply_forget(struct memory *m, struct step *step)
{
	struct mqev_store_client *client = find_client(m, step->client.client);

	if (client == NULL)
		return;
	for (size_t i = 0; i < m->slot_count; i++) {
		struct mqev_record *record = &m->slots[i].record;

		if (record->kind != 0 && record->client == client->client)
			remove_record(m, record);
	}
	free_client(client);
	*client = m->clients[--m->client_count];
}

static void
apply_seq(struct memory *m, struct step *step)
{
	m->seq = step->record.seq;
}

static void (*const appliers[])(struct memory *, struct step *) = {
    [MQEV_CHANGE_PUT] = apply_put,
    [MQEV_CHANGE_SET] = apply_set,
    [MQEV_CHANGE_DROP] = apply_set,
    [MQEV_CHANGE_REMOVE] = apply_remove,
    [MQEV_CHANGE_CLIENT] = apply_client,
    [MQEV_CHANGE_FORGET] = apply_forget,
    [MQEV_CHANGE_SEQ] = apply_seq,
};

/* --- the transaction ---------------------------------------------------------------------------
 */

static bool
copy_record(struct step *step, const struct mqev_change *change)
{
	step->record = *change->record;
	step->record.bytes = NULL;
	if (change->kind != MQEV_CHANGE_PUT || change->record->bytes == NULL)
		return true;
	step->record.bytes = mqev_memdup(change->record->bytes, change->record->bytes_len);
	return step->record.bytes != NULL;
}

static bool
copy_client(struct step *step, const struct mqev_change *change)
{
	step->client = *change->client;
	step->client.name = NULL;
	step->client.client_id = NULL;
	if (change->kind != MQEV_CHANGE_CLIENT)
		return true;
	step->client.name = mqev_strdup(change->client->name);
	step->client.client_id = mqev_strdup(change->client->client_id);
	return step->client.name != NULL && step->client.client_id != NULL;
}

static void
free_step(struct step *step)
{
	drop_bytes(&step->record);
	free_client(&step->client);
}

static bool
has_room(const struct memory *m, const struct mqev_change *change)
{
	return change->kind != MQEV_CHANGE_PUT || m->max_bytes == 0 ||
	       (m->bytes <= m->max_bytes && cost(change->record) <= m->max_bytes - m->bytes);
}

static int
append_one(struct memory *m, const struct mqev_change *change)
{
	struct step step = {.kind = change->kind};

	if (!has_room(m, change))
		return MQEV_ERR_STORE_FULL;
	if (!grow((void **)&m->steps, &m->step_capacity, m->step_count, 1, sizeof(*m->steps)))
		return MQEV_ERR_NOMEM;
	if ((change->record != NULL && !copy_record(&step, change)) ||
	    (change->client != NULL && !copy_client(&step, change))) {
		free_step(&step);
		return MQEV_ERR_NOMEM;
	}
	m->steps[m->step_count++] = step;
	m->makes += change->kind == MQEV_CHANGE_CLIENT;
	if (change->kind == MQEV_CHANGE_PUT) {
		m->puts++;
		m->bytes += cost(&step.record);
	}
	return 0;
}

static int
memory_append(void *state, const struct mqev_change *changes, size_t count)
{
	int error = 0;

	for (size_t i = 0; i < count && error == 0; i++)
		error = append_one(state, &changes[i]);
	return error;
}

static void
end_transaction(struct memory *m)
{
	for (size_t i = 0; i < m->step_count; i++)
		free_step(&m->steps[i]);
	m->step_count = 0;
	m->puts = 0;
	m->makes = 0;
}

static int
memory_commit(void *state, bool sync)
{
	struct memory *m = state;

	(void)sync;
	/* From here on nothing can fail. */
	if (!grow(
		(void **)&m->slots, &m->slot_capacity, m->slot_count, m->puts, sizeof(*m->slots)) ||
	    !grow((void **)&m->clients, &m->client_capacity, m->client_count, m->makes,
		sizeof(*m->clients)))
		return MQEV_ERR_NOMEM;
	for (size_t i = 0; i < m->step_count; i++)
		appliers[m->steps[i].kind](m, &m->steps[i]);
	end_transaction(m);
	if (m->gone > m->slot_count / 2)
		squeeze(m);
	return 0;
}

static void
memory_rollback(void *state)
{
	struct memory *m = state;

	for (size_t i = 0; i < m->step_count; i++) {
		if (m->steps[i].kind == MQEV_CHANGE_PUT)
			m->bytes -= cost(&m->steps[i].record);
	}
	end_transaction(m);
}

/* --- reading -----------------------------------------------------------------------------------
 */

static int
visit_clients(
    const struct memory *m, uint32_t number, const struct mqev_backend_visitor *visitor, void *arg)
{
	int error = 0;

	for (size_t i = 0; i < m->client_count && error == 0; i++) {
		if (number == 0 || m->clients[i].client == number)
			error = visitor->client(arg, &m->clients[i]);
	}
	return error;
}

static int
visit_records(
    const struct memory *m, uint32_t number, const struct mqev_backend_visitor *visitor, void *arg)
{
	int error = 0;

	for (size_t i = 0; i < m->slot_count && error == 0; i++) {
		struct mqev_record record = m->slots[i].record;

		record.bytes = NULL;
		if (record.kind != 0 && (number == 0 || record.client == number))
			error = visitor->record(arg, &record);
	}
	return error;
}

static int
memory_load(void *state, uint32_t client, const struct mqev_backend_visitor *visitor, void *arg)
{
	const struct memory *m = state;
	int error = m->seq != 0 ? visitor->seq(arg, m->seq) : 0;

	if (error == 0)
		error = visit_clients(m, client, visitor, arg);
	if (error == 0)
		error = visit_records(m, client, visitor, arg);
	return error;
}

static int
memory_read(void *state, uint64_t seq, mqev_backend_bytes_cb *bytes, void *arg)
{
	const struct mqev_record *record = find(state, seq);

	if (record == NULL || record->bytes == NULL)
		return MQEV_ERR_NOT_FOUND;
	return bytes(arg, record->bytes, record->bytes_len);
}

/* --- its life ----------------------------------------------------------------------------------
 */

static int
memory_open(const struct mqev_backend_options *options, void **state)
{
	struct memory *m = mqev_calloc(1, sizeof(*m));

	*state = m;
	if (m == NULL)
		return MQEV_ERR_NOMEM;
	m->max_bytes = options->max_bytes;
	return 0;
}

static int
memory_compact(void *state)
{
	squeeze(state);
	return 0;
}

static const char *
memory_error_text(const void *state)
{
	(void)state;
	return "out of memory";
}

static void
memory_close(void *state)
{
	struct memory *m = state;

	if (m == NULL)
		return;
	end_transaction(m);
	for (size_t i = 0; i < m->slot_count; i++)
		drop_bytes(&m->slots[i].record);
	for (size_t i = 0; i < m->client_count; i++)
		free_client(&m->clients[i]);
	mqev_free(m->steps);
	mqev_free(m->slots);
	mqev_free(m->clients);
	mqev_free(m);
}

const struct mqev_backend *
mqev_backend_memory(void)
{
	static const struct mqev_backend memory = {
	    .size = sizeof(memory),
	    .name = "memory",
	    .open = memory_open,
	    .load = memory_load,
	    .read = memory_read,
	    .append = memory_append,
	    .commit = memory_commit,
	    .rollback = memory_rollback,
	    .compact = memory_compact,
	    .error_text = memory_error_text,
	    .close = memory_close,
	};

	return &memory;
}
