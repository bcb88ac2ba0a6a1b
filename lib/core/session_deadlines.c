/* Outgoing operations and time: acknowledgements that do not come, messages that expire while they
 * wait. */
#include "core/session_internal.h"

/* However many different times messages expire at, the queue is not walked more often. */
#define SWEEP_MS 1000

/* --- acknowledgements --------------------------------------------------------------------------
 */

static uint64_t
ack_deadline(const struct mqev_session *s)
{
	if (s->settings->ack_timeout_ms == 0 || s->state != MQEV_SESSION_CONNECTED ||
	    s->out->waiting.head == NULL)
		return UINT64_MAX;
	return s->out->waiting.head->since_ms + s->settings->ack_timeout_ms;
}

static void
fail_for_time(struct mqev_session *s)
{
	mqev_session_fail(s, MQEV_ERR_TIMEOUT, MQEV_REASON_UNSPECIFIED_ERROR,
	    "an acknowledgement did not come in time");
}

/* [MQTT-4.4.0-1]: in 5.0 nothing is sent again on a live connection. A request is not either: its
 * second answer would be one to nothing. */
static bool
may_resend(const struct mqev_session *s, const struct mqev_op *op)
{
	return s->settings->ack_action == MQEV_ACK_ACTION_RESEND && s->version != MQEV_V5 &&
	       op->type == MQEV_PACKET_PUBLISH;
}

static void
resend(struct mqev_session *s, struct mqev_op *op, uint64_t now)
{
	uint32_t limit = s->settings->ack_resends;

	if (limit > 0 && op->resends >= limit) {
		fail_for_time(s);
		return;
	}
	if (op->resends < UINT8_MAX)
		op->resends++;
	mqev_session_resend(s, op, now);
}

static void
overdue(struct mqev_session *s, struct mqev_op *op, uint64_t now)
{
	if (s->settings->ack_action == MQEV_ACK_ACTION_RECONNECT) {
		fail_for_time(s);
		return;
	}
	if (may_resend(s, op)) {
		resend(s, op, now);
		return;
	}
	mqev_outbox_await(s, op, (enum mqev_op_state)op->state, now);
	s->sink->events->ack_overdue(s, op);
}

static void
tick_acks(struct mqev_session *s, uint64_t now)
{
	/* Each goes to the end of the line, or the connection ends. */
	while (s->out != NULL && now >= ack_deadline(s))
		overdue(s, s->out->waiting.head, now);
}

void
mqev_outbox_rest(struct mqev_session *s, uint64_t now)
{
	if (s->out == NULL)
		return;
	for (struct mqev_op *op = s->out->waiting.head; op != NULL; op = op->wait.next)
		op->since_ms = now;
}

/* --- expiry ------------------------------------------------------------------------------------
 */

static void
sweep_queue(struct mqev_session *s, const struct mqev_op_queue *queue, uint64_t now)
{
	struct mqev_outbox *out = s->out;
	struct mqev_op *next;

	for (struct mqev_op *op = queue->head; op != NULL; op = next) {
		next = op->queue.next;
		if (op->expires_ms == 0 || op->state != MQEV_OP_QUEUED)
			continue;
		if (now >= op->expires_ms)
			mqev_outbox_put_off(s, op, MQEV_ERR_EXPIRED);
		else if (op->expires_ms < out->next_expiry_ms)
			out->next_expiry_ms = op->expires_ms;
	}
}

void
mqev_outbox_sweep(struct mqev_session *s, uint64_t now)
{
	struct mqev_outbox *out = s->out;

	if (now < out->next_expiry_ms)
		return;
	out->next_expiry_ms = UINT64_MAX;
	sweep_queue(s, &out->messages, now);
	sweep_queue(s, &out->qos0, now);
	if (out->next_expiry_ms < now + SWEEP_MS)
		out->next_expiry_ms = now + SWEEP_MS;
}

static void
tick_expiry(struct mqev_session *s, uint64_t now)
{
	mqev_outbox_sweep(s, now);
	mqev_outbox_fail_doomed(s);
}

/* --- both --------------------------------------------------------------------------------------
 */

uint64_t
mqev_outbox_deadline(const struct mqev_session *s)
{
	uint64_t acks;

	if (s->out == NULL)
		return UINT64_MAX;
	acks = ack_deadline(s);
	return acks < s->out->next_expiry_ms ? acks : s->out->next_expiry_ms;
}

void
mqev_outbox_tick(struct mqev_session *s, uint64_t now)
{
	if (s->out != NULL)
		tick_expiry(s, now);
	tick_acks(s, now);
}
