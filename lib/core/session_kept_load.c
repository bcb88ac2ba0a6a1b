/* Outgoing messages that an earlier process left in a store: without bytes at first, which are
 * loaded when it is their turn. */
#include "core/session_gate.h"

#include <string.h>

#include "core/mem.h"

/* --- from an earlier process -------------------------------------------------------------------
 */

static bool
was_perhaps_sent(const struct mqev_session *s, const struct mqev_record *r)
{
	const struct mqev_op *last = s->out->messages.tail;

	/* In the order of acceptance those that were sent come first. */
	if (last != NULL && last->state == MQEV_OP_QUEUED)
		return false;
	return r->n < s->gates->journal->row.sent_n || (r->flags & MQEV_RECORD_SENT) != 0;
}

static enum mqev_op_state
state_of(const struct mqev_session *s, const struct mqev_record *r)
{
	if (r->state == MQEV_RECORD_RELEASED)
		return MQEV_OP_WAIT_PUBCOMP;
	if (!was_perhaps_sent(s, r))
		return MQEV_OP_QUEUED;
	return r->qos == 1 ? MQEV_OP_WAIT_PUBACK : MQEV_OP_WAIT_PUBREC;
}

static uint64_t
session_time(const struct mqev_gates *g, int64_t wall_ms)
{
	int64_t ms = wall_ms - g->journal->wall_ms;

	if (wall_ms == 0)
		return 0;
	return ms > 0 ? (uint64_t)ms : 1;
}

static struct mqev_op *
new_stub(struct mqev_session *s, const struct mqev_record *r)
{
	struct mqev_op_parts parts = {.type = MQEV_PACKET_PUBLISH};
	struct mqev_op *op = mqev_op_new(&parts);

	if (op == NULL)
		return NULL;
	op->head = op->payload = NULL;
	op->payload_len = (uint32_t)r->bytes_len;
	op->seq = r->seq;
	op->n = r->n;
	op->cookie = r->cookie;
	op->qos = r->qos;
	op->expires_ms = session_time(s->gates, r->expires_ms);
	op->state = (uint8_t)state_of(s, r);
	if ((r->flags & MQEV_RECORD_RETAIN) != 0)
		op->flags |= MQEV_OP_RETAIN;
	if ((r->flags & MQEV_RECORD_SENT) != 0)
		op->flags |= MQEV_OP_RENUMBERED;
	return op;
}

/* Of two that claim one identifier the later was not sent. */
static bool
take_identifier(struct mqev_session *s, struct mqev_op *op)
{
	uint16_t mid = mqev_id_of_number(op->n);

	if (op->state == MQEV_OP_QUEUED)
		return true;
	if (mqev_ids_get(&s->out->ids, mid) != NULL && op->state != MQEV_OP_WAIT_PUBCOMP) {
		op->state = MQEV_OP_QUEUED;
		op->flags &= (uint16_t)~MQEV_OP_RENUMBERED;
		return true;
	}
	if (!mqev_ids_put(&s->out->ids, mid, op))
		return false;
	op->mid = mid;
	s->out->numbered_ids++;
	return true;
}

static void
enlist(struct mqev_session *s, struct mqev_op *op)
{
	struct mqev_outbox *out = s->out;

	op->number = s->next_number++;
	if (op->state == MQEV_OP_QUEUED) {
		op->flags |= MQEV_OP_LOOSE;
		mqev_load_add(&out->loose[1], op->cost);
		if (out->first_loose == NULL)
			out->first_loose = op;
	}
	if (op->expires_ms != 0 && op->expires_ms < out->next_expiry_ms)
		out->next_expiry_ms = op->expires_ms;
	mqev_op_queue_append(&out->messages, op);
	mqev_outbox_count(s, op);
	out->next_message = out->messages.head;
}

static bool
is_possible(const struct mqev_session *s, const struct mqev_record *r)
{
	const struct mqev_op *last = s->out->messages.tail;

	if (r->qos < 1 || r->qos > 2 || (last != NULL && last->seq >= r->seq))
		return false;
	if (r->state == MQEV_RECORD_ACCEPTED)
		return r->bytes_len <= UINT32_MAX;
	/* One that was released stands before all that were not sent, with an identifier of its
	 * own. */
	return r->state == MQEV_RECORD_RELEASED && r->qos == 2 &&
	       (last == NULL || last->state != MQEV_OP_QUEUED) &&
	       mqev_ids_get(&s->out->ids, mqev_id_of_number(r->n)) == NULL;
}

/* A record that cannot be is left alone. */
bool
mqev_kept_restore(struct mqev_session *s, const struct mqev_record *r)
{
	struct mqev_op *op;

	if (mqev_outbox_of(s) == NULL)
		return false;
	if (!is_possible(s, r))
		return true;
	op = new_stub(s, r);
	if (op == NULL)
		return false;
	if (!take_identifier(s, op)) {
		mqev_op_unref(op);
		return false;
	}
	enlist(s, op);
	if (s->next_n <= r->n)
		s->next_n = r->n + 1;
	return true;
}

/* --- bytes -------------------------------------------------------------------------------------
 */

/* seq rises along the list. */
static struct mqev_op *
find_loading(struct mqev_op *op, uint64_t seq)
{
	while (op != NULL && op->seq < seq)
		op = op->queue.next;
	if (op == NULL || op->seq != seq || (op->flags & MQEV_OP_LOADING) == 0)
		return NULL;
	return op;
}

/* Most often that which is to be sent next, or one of those behind it. */
static struct mqev_op *
loading_of(const struct mqev_outbox *out, uint64_t seq)
{
	struct mqev_op *op = out->next_message;

	if (op == NULL || op->seq > seq)
		op = out->messages.head;
	return find_loading(op, seq);
}

static bool
take_bytes(struct mqev_session *s, struct mqev_op *op, const struct mqev_entry *entry)
{
	size_t len = entry->topic.len + entry->properties.len + entry->payload.len;
	uint8_t *block = mqev_malloc(len);
	uint32_t seconds;

	if (block == NULL)
		return false;
	memcpy(block, entry->topic.data, len); /* the three stand behind one another */
	mqev_outbox_fasten(s->out, op);
	mqev_outbox_uncount(s, op);
	op->cost += (uint32_t)mqev_mem_cost(len);
	mqev_outbox_count(s, op);
	op->head = block;
	op->topic_len = (uint16_t)entry->topic.len;
	op->properties_len = (uint32_t)entry->properties.len;
	op->payload = block + entry->topic.len + entry->properties.len;
	op->payload_len = (uint32_t)entry->payload.len;
	op->expiry_at = MQEV_OP_NO_EXPIRY;
	mqev_properties_find_expiry(entry->properties, &op->expiry_at, &seconds);
	return true;
}

/* Its record is left where it is. What the server may have of a QoS 2 message keeps its identifier.
 */
static void
give_up(struct mqev_session *s, struct mqev_op *op)
{
	bool sent_before = op->state != MQEV_OP_QUEUED && op->qos == 2;

	op->seq = 0;
	if (!sent_before) {
		mqev_outbox_fail(s, op, MQEV_ERR_STORE_DAMAGED);
		return;
	}
	op->flags |= MQEV_OP_DAMAGED;
	if ((op->flags & MQEV_OP_CANCELED) == 0)
		mqev_session_cancel(s, op->number, MQEV_ERR_STORE_DAMAGED);
}

bool
mqev_kept_loaded(struct mqev_session *s, uint64_t seq, struct mqev_bytes packed, int error)
{
	struct mqev_op *op = s->out != NULL ? loading_of(s->out, seq) : NULL;
	struct mqev_entry entry;

	if (op == NULL)
		return false;
	op->flags &= (uint16_t)~MQEV_OP_LOADING;
	if (error == 0 && !mqev_unpack_checked(packed, MQEV_RECORD_OUT, &entry))
		error = MQEV_ERR_STORE_DAMAGED;
	if (error == 0 && !take_bytes(s, op, &entry))
		error = MQEV_ERR_NOMEM;
	if (error == MQEV_ERR_NOMEM)
		mqev_session_no_memory(s);
	else if (error == MQEV_ERR_STORE_DAMAGED || error == MQEV_ERR_NOT_FOUND)
		give_up(s, op);
	if (s->out != NULL && s->out->next_message != NULL)
		mqev_session_ask_pump(s);
	return true;
}
