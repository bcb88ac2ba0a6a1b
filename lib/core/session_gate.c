/* What waits to be durable: a queue of packets and callbacks, in the order in which they began to
 * wait. What they are about is in session_kept.c and session_stored.c. */
#include "core/session_gate.h"

#include "core/mem.h"

/* --- appending ---------------------------------------------------------------------------------
 */

uint64_t
mqev_gate_append(struct mqev_gates *g, struct mqev_entry *entries, size_t count)
{
	if (g->journal->error != 0)
		return 0;
	return g->journal->methods->append(g->journal, entries, count);
}

uint64_t
mqev_gate_append_row(struct mqev_gates *g)
{
	struct mqev_entry entry = {.kind = MQEV_CHANGE_CLIENT};

	return mqev_gate_append(g, &entry, 1);
}

void
mqev_gate_append_failed(struct mqev_session *s)
{
	if (s->gates->journal->error != 0)
		mqev_session_abort(s, s->gates->journal->error, "the store has failed");
	else
		mqev_session_no_memory(s);
}

/* --- the queue ---------------------------------------------------------------------------------
 */

#define FIRST_CAPACITY 16

static struct mqev_gate_entry *
entry_at(const struct mqev_gates *g, uint32_t i)
{
	return &g->entries[(g->head + i) & (g->capacity - 1)];
}

bool
mqev_gate_reserve(struct mqev_gates *g, uint32_t pushes)
{
	uint32_t capacity = g->capacity > 0 ? g->capacity * 2 : FIRST_CAPACITY;
	struct mqev_gate_entry *entries;

	if (g->count + pushes <= g->capacity)
		return true;
	entries = mqev_malloc(capacity * sizeof(*entries));
	if (entries == NULL)
		return false;
	for (uint32_t i = 0; i < g->count; i++)
		entries[i] = *entry_at(g, i);
	mqev_free(g->entries);
	g->entries = entries;
	g->capacity = capacity;
	g->head = 0;
	return true;
}

/* Where acknowledgements of its kind are counted; NULL: it is none. */
static uint32_t *
waiting_of(struct mqev_gates *g, const struct mqev_gate_entry *entry)
{
	switch ((enum mqev_gate_what)entry->what) {
	case MQEV_GATE_DELIVER:
		return &g->waiting[entry->stored->qos - 1];
	case MQEV_GATE_PUBACK:
		return &g->waiting[0];
	case MQEV_GATE_PUBREC:
		return &g->waiting[1];
	case MQEV_GATE_PUBCOMP:
		return &g->waiting[2];
	case MQEV_GATE_PUBREL:
		return &g->waiting[3];
	case MQEV_GATE_NOTHING:
	case MQEV_GATE_ACCEPTED:
	case MQEV_GATE_ANSWERED:
		break;
	}
	return NULL;
}

void
mqev_gate_push(struct mqev_gates *g, const struct mqev_gate_entry *entry)
{
	struct mqev_gate_entry *at = entry_at(g, g->count++);
	uint32_t *waiting;

	*at = *entry;
	at->connection = g->connection;
	if (at->op != NULL)
		mqev_op_ref(at->op);
	if (at->ack != NULL)
		mqev_ack_ref(at->ack);
	waiting = waiting_of(g, at);
	if (waiting != NULL)
		(*waiting)++;
}

void
mqev_gate_push_last(struct mqev_gates *g, struct mqev_gate_entry *entry)
{
	entry->ticket = g->count > 0 ? entry_at(g, g->count - 1)->ticket : 0;
	if (entry->ticket < g->hold)
		entry->ticket = g->hold;
	mqev_gate_push(g, entry);
}

static struct mqev_gate_entry
pop(struct mqev_gates *g)
{
	struct mqev_gate_entry entry = *entry_at(g, 0);
	uint32_t *waiting = waiting_of(g, &entry);

	g->head = (g->head + 1) & (g->capacity - 1);
	g->count--;
	if (waiting != NULL)
		(*waiting)--;
	if (g->count == 0) {
		mqev_free(g->entries);
		g->entries = NULL;
		g->capacity = g->head = 0;
	}
	return entry;
}

static void
unref(struct mqev_gate_entry *entry)
{
	if (entry->op != NULL)
		mqev_op_unref(entry->op);
	if (entry->ack != NULL)
		mqev_ack_abandon(entry->ack);
}

void
mqev_gate_clear(struct mqev_gates *g)
{
	while (g->count > 0) {
		struct mqev_gate_entry entry = pop(g);

		unref(&entry);
	}
	mqev_free(g->entries);
	g->entries = NULL;
	g->capacity = 0;
}

struct mqev_op *
mqev_gate_take_back(struct mqev_gates *g, uint64_t seq)
{
	for (uint32_t i = 0; i < g->count; i++) {
		struct mqev_gate_entry *entry = entry_at(g, i);

		if (entry->what == MQEV_GATE_ACCEPTED && entry->op->seq == seq) {
			entry->what = MQEV_GATE_NOTHING;
			return entry->op;
		}
	}
	return NULL;
}

struct mqev_op *
mqev_gate_take_waiting(struct mqev_gates *g)
{
	for (uint32_t i = 0; i < g->count; i++) {
		struct mqev_gate_entry *entry = entry_at(g, i);

		if (entry->what == MQEV_GATE_ACCEPTED && !mqev_gate_is_durable(g, entry->ticket)) {
			entry->what = MQEV_GATE_NOTHING;
			return entry->op;
		}
	}
	return NULL;
}

void
mqev_gate_drop_answer(struct mqev_gates *g, const struct mqev_stored *stored)
{
	for (uint32_t i = 0; i < g->count; i++) {
		struct mqev_gate_entry *entry = entry_at(g, i);

		if (entry->what == MQEV_GATE_ANSWERED && entry->stored == stored)
			entry->what = MQEV_GATE_NOTHING;
	}
}

/* --- releasing ---------------------------------------------------------------------------------
 */

static bool
is_of_this_connection(const struct mqev_session *s, const struct mqev_gate_entry *entry)
{
	return s->state == MQEV_SESSION_CONNECTED && entry->connection == s->gates->connection;
}

static void
release_accepted(struct mqev_session *s, const struct mqev_gate_entry *entry)
{
	if (s->sink->events->durable != NULL)
		s->sink->events->durable(s, entry->op);
}

/* Of an earlier connection: the cursor of this one comes to it. */
static void
release_pubrel(struct mqev_session *s, const struct mqev_gate_entry *entry)
{
	struct mqev_op *op = entry->op;

	if (is_of_this_connection(s, entry) && op->state == MQEV_OP_WAIT_PUBCOMP && op->doom == 0)
		mqev_session_send_ack(s, MQEV_PACKET_PUBREL, op->mid, MQEV_REASON_SUCCESS);
}

static enum mqev_packet_type
packet_of(const struct mqev_gate_entry *entry)
{
	if (entry->what == MQEV_GATE_PUBACK)
		return MQEV_PACKET_PUBACK;
	return entry->what == MQEV_GATE_PUBREC ? MQEV_PACKET_PUBREC : MQEV_PACKET_PUBCOMP;
}

/* The server knows now that the identifier is free. What told of the packet may have freed all. */
static void
forget_released(struct mqev_session *s, uint16_t mid)
{
	if (s->gates == NULL)
		return;
	mqev_ids_remove(&s->gates->released, mid);
	mqev_ids_trim(&s->gates->released);
}

static void
release_answer(struct mqev_session *s, const struct mqev_gate_entry *entry)
{
	if (!is_of_this_connection(s, entry))
		return;
	if (entry->ack != NULL)
		mqev_owed_send(s, entry->ack);
	else if (mqev_session_send_ack(s, packet_of(entry), entry->mid, entry->reason) &&
		 entry->what == MQEV_GATE_PUBCOMP)
		forget_released(s, entry->mid);
}

static void
release_deliver(struct mqev_session *s, const struct mqev_gate_entry *entry)
{
	mqev_stored_deliver(s, entry);
}

static void
release_answered(struct mqev_session *s, const struct mqev_gate_entry *entry)
{
	mqev_stored_answered(s, entry->stored);
}

static void
release_nothing(struct mqev_session *s, const struct mqev_gate_entry *entry)
{
	(void)s;
	(void)entry;
}

void
mqev_gate_run(struct mqev_session *s, uint64_t now)
{
	static void (*const release[])(struct mqev_session *, const struct mqev_gate_entry *) = {
	    [MQEV_GATE_NOTHING] = release_nothing,
	    [MQEV_GATE_ACCEPTED] = release_accepted,
	    [MQEV_GATE_PUBREL] = release_pubrel,
	    [MQEV_GATE_DELIVER] = release_deliver,
	    [MQEV_GATE_ANSWERED] = release_answered,
	    [MQEV_GATE_PUBACK] = release_answer,
	    [MQEV_GATE_PUBREC] = release_answer,
	    [MQEV_GATE_PUBCOMP] = release_answer,
	};
	uint64_t written = s->written;

	/* PUBRELs that an earlier connection left go first. */
	if (mqev_gate_is_open(s))
		mqev_session_pump_releases(s, now);
	/* Each may end the connection and free the session's contents. */
	while (s->gates != NULL && s->gates->count > 0 &&
	       mqev_gate_is_durable(s->gates, entry_at(s->gates, 0)->ticket)) {
		struct mqev_gate_entry entry = pop(s->gates);

		release[entry.what](s, &entry);
		unref(&entry);
	}
	if (s->written > written)
		s->last_sent_ms = now;
}

/* --- answers without a change ------------------------------------------------------------------
 */

static const struct {
	enum mqev_gate_what what;
	int waiting;
} answers[] = {
    [MQEV_PACKET_PUBACK] = {MQEV_GATE_PUBACK, 0},
    [MQEV_PACKET_PUBREC] = {MQEV_GATE_PUBREC, 1},
    [MQEV_PACKET_PUBCOMP] = {MQEV_GATE_PUBCOMP, 2},
};

void
mqev_gate_answer(struct mqev_session *s, enum mqev_packet_type type, uint16_t mid, uint8_t reason,
    struct mqev_ack *ack)
{
	struct mqev_gates *g = s->gates;
	struct mqev_gate_entry entry = {
	    .what = (uint8_t)answers[type].what, .mid = mid, .reason = reason, .ack = ack};

	entry.connection = g->connection;
	if (g->waiting[answers[type].waiting] == 0 && mqev_gate_is_open(s)) {
		release_answer(s, &entry);
		return;
	}
	if (mqev_gate_reserve(g, 1))
		mqev_gate_push_last(g, &entry);
	else
		mqev_session_no_memory(s);
}
