/* Outgoing messages that a store keeps: which change of their records goes with what becomes of
 * them, and what waits for it. Gates O1 to O6 and the outgoing half of E1, see doc/durability.md.
 */
#include "core/session_gate.h"

/* How far beyond what is needed sent_n is raised, and from where on it is raised again while a
 * queue is sent. */
#define SENT_STEP 256
#define SENT_LOW 128

/* How many stubs are asked for together. */
#define LOAD_AHEAD 32

/* --- records -----------------------------------------------------------------------------------
 */

static uint8_t
record_flags(const struct mqev_op *op)
{
	uint8_t flags = 0;

	if ((op->flags & MQEV_OP_RETAIN) != 0)
		flags |= MQEV_RECORD_RETAIN;
	if ((op->flags & MQEV_OP_RENUMBERED) != 0)
		flags |= MQEV_RECORD_SENT;
	return flags;
}

/* Of a stub payload_len is the length of all that is on the disk. */
static size_t
bytes_len(const struct mqev_op *op)
{
	struct mqev_entry entry = {.topic.len = op->topic_len,
	    .properties.len = op->properties_len,
	    .payload.len = op->payload_len};

	if (op->state == MQEV_OP_WAIT_PUBCOMP)
		return 0;
	return op->head != NULL ? mqev_packed_size(&entry) : op->payload_len;
}

void
mqev_kept_record(const struct mqev_gates *g, const struct mqev_op *op, struct mqev_record *record)
{
	*record = (struct mqev_record){
	    .seq = op->seq,
	    .n = op->n,
	    .cookie = op->cookie,
	    .expires_ms = op->expires_ms != 0 ? (int64_t)op->expires_ms + g->journal->wall_ms : 0,
	    .bytes_len = bytes_len(op),
	    .client = g->journal->row.client,
	    .epoch = g->journal->row.epoch,
	    .kind = MQEV_RECORD_OUT,
	    .state =
		op->state == MQEV_OP_WAIT_PUBCOMP ? MQEV_RECORD_RELEASED : MQEV_RECORD_ACCEPTED,
	    .qos = op->qos,
	    .flags = record_flags(op),
	};
}

static uint64_t
append_change(struct mqev_gates *g, const struct mqev_op *op, enum mqev_change_kind kind)
{
	struct mqev_entry entry = {.kind = kind};

	mqev_kept_record(g, op, &entry.record);
	return mqev_gate_append(g, &entry, 1);
}

/* --- how far operations may have been sent -----------------------------------------------------
 */

static bool
raise_sent_n(struct mqev_gates *g, uint64_t n)
{
	uint64_t before = g->journal->row.sent_n;
	uint64_t ticket;

	g->journal->row.sent_n = n + SENT_STEP;
	ticket = mqev_gate_append_row(g);
	if (ticket == 0) {
		g->journal->row.sent_n = before;
		return false;
	}
	g->sent_ticket = ticket;
	return true;
}

/* It may go as soon as it is durable: sent_n is raised in the same commit. */
static void
cover(struct mqev_session *s, struct mqev_op *op)
{
	struct mqev_gates *g = s->gates;

	if (s->state != MQEV_SESSION_CONNECTED ||
	    mqev_session_queued(s) >= s->settings->max_inflight)
		return;
	if (op->n < g->journal->row.sent_n || raise_sent_n(g, op->n))
		op->flags |= MQEV_OP_COVERED;
}

static bool
is_covered(const struct mqev_gates *g, const struct mqev_op *op)
{
	return (op->flags & MQEV_OP_RENUMBERED) != 0 || op->n < g->sent_safe ||
	       ((op->flags & MQEV_OP_COVERED) != 0 && op->number >= g->covered_from);
}

static bool
cover_now(struct mqev_session *s, const struct mqev_op *op)
{
	struct mqev_gates *g = s->gates;
	uint64_t sent_n = g->journal->row.sent_n;

	if (is_covered(g, op)) {
		/* Those behind are not to wait for a commit in their turn. */
		if (op->queue.next != NULL && sent_n == g->sent_safe && op->n < sent_n &&
		    op->n + SENT_LOW >= sent_n)
			raise_sent_n(g, sent_n);
		return true;
	}
	if (op->n >= sent_n && !raise_sent_n(g, op->n))
		mqev_gate_append_failed(s);
	return false;
}

/* --- identifiers -------------------------------------------------------------------------------
 */

static void
note_removal(struct mqev_gates *g, const struct mqev_op *op, uint64_t ticket)
{
	struct mqev_removals *r = &g->removals[0];

	if (r->ticket != 0 && r->ticket != ticket)
		r = &g->removals[1];
	if (r->ticket == 0 || op->n < r->low_n)
		r->low_n = op->n;
	r->ticket = ticket;
	r->renumbered |= (op->flags & MQEV_OP_RENUMBERED) != 0;
}

/* A record with the same identifier may still stand in the store. */
static bool
may_be_hidden(const struct mqev_gates *g, uint64_t n)
{
	for (size_t i = 0; i < 2; i++) {
		const struct mqev_removals *r = &g->removals[i];

		if (r->ticket != 0 && (r->renumbered || n >= r->low_n + MQEV_NUMBERED_IDS))
			return true;
	}
	return false;
}

static void
take_number(struct mqev_session *s, struct mqev_op *op, uint64_t n, uint64_t ticket)
{
	op->ticket = ticket;
	op->mid = mqev_id_of_number(n);
	s->out->numbered_ids++;
	s->next_n = n + 1;
}

/* Another number, with an identifier that is free; to be durable before PUBLISH. */
static void
renumber(struct mqev_session *s, struct mqev_op *op)
{
	struct mqev_outbox *out = s->out;
	uint64_t before = op->n;
	uint64_t n = s->next_n;
	uint64_t ticket;

	if (out->numbered_ids == MQEV_NUMBERED_IDS)
		return;
	while (mqev_ids_get(&out->ids, mqev_id_of_number(n)) != NULL)
		n++;
	if (may_be_hidden(s->gates, n))
		return;
	if (!mqev_ids_put(&out->ids, mqev_id_of_number(n), op)) {
		mqev_session_no_memory(s);
		return;
	}
	op->n = n;
	op->flags |= MQEV_OP_RENUMBERED;
	ticket = append_change(s->gates, op, MQEV_CHANGE_SET);
	if (ticket != 0) {
		take_number(s, op, n, ticket);
		return;
	}
	mqev_ids_remove(&out->ids, mqev_id_of_number(n));
	op->n = before;
	op->flags &= (uint16_t)~MQEV_OP_RENUMBERED;
	mqev_gate_append_failed(s);
}

static bool
has_number(struct mqev_session *s, struct mqev_op *op)
{
	if (op->mid != 0)
		return true;
	if (may_be_hidden(s->gates, op->n))
		return false;
	if (mqev_ids_get(&s->out->ids, mqev_id_of_number(op->n)) == NULL)
		return true;
	renumber(s, op);
	return false;
}

/* --- accepted ----------------------------------------------------------------------------------
 */

int
mqev_kept_put(
    struct mqev_session *s, struct mqev_op *op, const struct mqev_publish_request *request)
{
	struct mqev_gates *g = s->gates;
	struct mqev_entry entries[2] = {{.kind = MQEV_CHANGE_PUT,
	    .refusable = true,
	    .topic = mqev_op_topic(op),
	    .properties = mqev_op_properties(op),
	    .payload = mqev_op_payload(op)}};
	struct mqev_gate_entry accepted = {.what = MQEV_GATE_ACCEPTED, .op = op};
	size_t count = 1;

	if (!mqev_gate_reserve(g, 1))
		return MQEV_ERR_NOMEM;
	op->cookie = request->cookie;
	mqev_kept_record(g, op, &entries[0].record);
	if (request->answers != NULL)
		entries[count++] = *request->answers;
	op->ticket = mqev_gate_append(g, entries, count);
	if (op->ticket == 0)
		return g->journal->error != 0 ? g->journal->error : MQEV_ERR_NOMEM;
	op->seq = entries[0].record.seq;
	accepted.ticket = op->ticket;
	mqev_gate_push(g, &accepted);
	cover(s, op);
	return 0;
}

/* --- on its way --------------------------------------------------------------------------------
 */

static bool
is_stub(const struct mqev_op *op)
{
	return op->head == NULL && (op->flags & MQEV_OP_LOADING) == 0;
}

/* The bytes of this one and those behind it. */
static void
ask_for_bytes(struct mqev_session *s, struct mqev_op *op)
{
	struct mqev_journal *j = s->gates->journal;

	if (!is_stub(op))
		return;
	for (int i = 0; i < LOAD_AHEAD && op != NULL; i++, op = op->queue.next) {
		if (!is_stub(op) || op->state == MQEV_OP_WAIT_PUBCOMP)
			continue;
		if (j->error != 0 || !j->methods->load(j, op->seq)) {
			mqev_gate_append_failed(s);
			return;
		}
		op->flags |= MQEV_OP_LOADING;
	}
}

bool
mqev_kept_may_publish(struct mqev_session *s, struct mqev_op *op)
{
	if (!mqev_gate_is_durable(s->gates, op->ticket))
		return false;
	if (op->head == NULL) {
		ask_for_bytes(s, op);
		return false;
	}
	/* One that may have been sent before has its identifier. */
	if (op->state != MQEV_OP_QUEUED)
		return true;
	return has_number(s, op) && cover_now(s, op);
}

bool
mqev_kept_may_release(const struct mqev_session *s, const struct mqev_op *op)
{
	return op->seq == 0 || mqev_gate_is_durable(s->gates, op->ticket);
}

/* PUBRELs leave in the order of the PUBRECs, repeated ones too ([MQTT-4.6.0-4]). */
static bool
release_again(struct mqev_session *s, struct mqev_gate_entry *pubrel, bool *at_once)
{
	struct mqev_gates *g = s->gates;

	*at_once = g->waiting[3] == 0 && mqev_gate_is_durable(g, pubrel->op->ticket);
	if (*at_once)
		return true;
	if (!mqev_gate_reserve(g, 1)) {
		mqev_session_no_memory(s);
		return false;
	}
	mqev_gate_push_last(g, pubrel);
	return true;
}

bool
mqev_kept_release(struct mqev_session *s, struct mqev_op *op, bool *at_once)
{
	struct mqev_gates *g = s->gates;
	struct mqev_gate_entry pubrel = {.what = MQEV_GATE_PUBREL, .op = op};
	struct mqev_entry entry = {.kind = MQEV_CHANGE_DROP};

	if (op->state == MQEV_OP_WAIT_PUBCOMP)
		return release_again(s, &pubrel, at_once);
	*at_once = false;
	mqev_kept_record(g, op, &entry.record);
	entry.record.state = MQEV_RECORD_RELEASED;
	if (mqev_gate_reserve(g, 1))
		pubrel.ticket = mqev_gate_append(g, &entry, 1);
	if (pubrel.ticket == 0) {
		mqev_gate_append_failed(s);
		return false;
	}
	op->ticket = pubrel.ticket;
	mqev_gate_push(g, &pubrel);
	return true;
}

/* --- ends --------------------------------------------------------------------------------------
 */

bool
mqev_kept_remove(struct mqev_session *s, struct mqev_op *op)
{
	uint64_t ticket = append_change(s->gates, op, MQEV_CHANGE_REMOVE);

	if (ticket == 0)
		return false;
	op->ticket = ticket;
	op->flags |= MQEV_OP_REMOVED;
	if ((op->flags & MQEV_OP_LEAVING) != 0)
		s->out->unremoved--;
	note_removal(s->gates, op, ticket);
	return true;
}

bool
mqev_kept_is_gone(const struct mqev_session *s, const struct mqev_op *op)
{
	return (op->flags & MQEV_OP_REMOVED) != 0 && mqev_gate_is_durable(s->gates, op->ticket);
}

/* A failing end waits for the removal: else what the application was told is lost could still be
 * sent after a crash. */
static void
leave(struct mqev_session *s, struct mqev_op *op, const struct mqev_op_end *end)
{
	uint16_t mid = op->mid;
	int error = end->error;

	if (!mqev_op_keep_said(op, end->reason, end->properties)) {
		mqev_session_no_memory(s);
		return;
	}
	if (!mqev_kept_remove(s, op)) {
		mqev_gate_append_failed(s);
		return;
	}
	mqev_outbox_doom(s, op, error);
	s->out->leaving.tail->mid = mid; /* for its completion */
	if (s->out->next_message != NULL)
		mqev_session_ask_pump(s);
}

bool
mqev_kept_finish(struct mqev_session *s, struct mqev_op *op, const struct mqev_op_end *end)
{
	if (s->freed || mqev_kept_is_gone(s, op))
		return true;
	if (end->error != 0) {
		leave(s, op, end);
		return false;
	}
	if (mqev_kept_remove(s, op))
		return true;
	mqev_gate_append_failed(s);
	return false;
}

/* What was sent ever, or renumbered for it, was durable before. */
bool
mqev_kept_is_accepted(const struct mqev_session *s, const struct mqev_op *op)
{
	return op->state != MQEV_OP_QUEUED ||
	       (op->flags & (MQEV_OP_RENUMBERED | MQEV_OP_UNSURE)) != 0 ||
	       mqev_gate_is_durable(s->gates, op->ticket);
}

int
mqev_kept_final_error(struct mqev_session *s, struct mqev_op *op, int error)
{
	if (op->doom != 0) {
		/* Nothing is known to be gone from a store that has failed. */
		if (s->gates->journal->error != 0)
			return MQEV_KEPT;
		if ((op->flags & MQEV_OP_REMOVED) == 0)
			mqev_kept_remove(s, op);
		return op->doom;
	}
	if (mqev_kept_is_accepted(s, op))
		return MQEV_KEPT;
	mqev_kept_remove(s, op);
	return error;
}

/* --- a lost session ----------------------------------------------------------------------------
 */

static bool
settle(struct mqev_session *s, struct mqev_op *op)
{
	uint16_t flags = op->flags;
	uint64_t ticket;

	if (mqev_outbox_fails_with_session(s, op))
		return (flags & MQEV_OP_REMOVED) != 0 || mqev_kept_remove(s, op);
	if ((flags & MQEV_OP_RENUMBERED) == 0)
		return true;
	op->flags &= (uint16_t)~MQEV_OP_RENUMBERED;
	ticket = append_change(s->gates, op, MQEV_CHANGE_SET);
	if (ticket == 0) {
		op->flags = flags;
		return false;
	}
	op->ticket = ticket;
	return true;
}

bool
mqev_kept_session_lost(struct mqev_session *s, uint64_t *low_n)
{
	struct mqev_op *op = s->out != NULL ? s->out->messages.head : NULL;

	*low_n = s->next_n;
	for (; op != NULL && op->state != MQEV_OP_QUEUED; op = op->queue.next) {
		if (op->seq != 0 && !settle(s, op))
			return false;
		if (op->n < *low_n && !mqev_outbox_fails_with_session(s, op))
			*low_n = op->n;
	}
	if (op != NULL && op->n < *low_n)
		*low_n = op->n;
	return true;
}

/* --- durable -----------------------------------------------------------------------------------
 */

void
mqev_kept_durable(struct mqev_gates *g)
{
	if (mqev_gate_is_durable(g, g->sent_ticket))
		g->sent_safe = g->journal->row.sent_n;
	while (g->removals[0].ticket != 0 && mqev_gate_is_durable(g, g->removals[0].ticket)) {
		g->removals[0] = g->removals[1];
		g->removals[1] = (struct mqev_removals){0};
	}
}
