/* The outgoing operations as a whole: how they end, what a lost link, a lost session and time do to
 * them. */
#include "core/session_gate.h"

#include <string.h>

#include "core/mem.h"

/* --- ends --------------------------------------------------------------------------------------
 */

static struct mqev_op_queue *
queue_of(struct mqev_outbox *out, const struct mqev_op *op)
{
	if ((op->flags & MQEV_OP_LEAVING) != 0)
		return &out->leaving;
	if (op->doom != 0)
		return &out->doomed;
	if (op->type != MQEV_PACKET_PUBLISH)
		return &out->subscribes;
	return op->qos == 0 ? &out->qos0 : &out->messages;
}

static bool
is_unremoved(const struct mqev_op *op)
{
	return (op->flags & (MQEV_OP_LEAVING | MQEV_OP_REMOVED)) == MQEV_OP_LEAVING;
}

static void
forget_cursors(struct mqev_outbox *out, struct mqev_op *op)
{
	mqev_outbox_fasten(out, op);
	if (out->next_message == op)
		out->next_message = op->queue.next;
	if (out->next_release == op)
		out->next_release = op->queue.next;
	if (out->next_subscribe == op)
		out->next_subscribe = op->queue.next;
}

static void
stop_waiting(const struct mqev_session *s, struct mqev_op *op)
{
	struct mqev_outbox *out = s->out;

	if (op->state != MQEV_OP_QUEUED && (op->flags & MQEV_OP_SENT) != 0)
		mqev_op_wait_remove(&out->waiting, op);
	if ((op->flags & MQEV_OP_COUNTED) != 0 && op->type == MQEV_PACKET_PUBLISH) {
		out->window_used--;
		s->sink->tally.inflight--;
	} else if ((op->flags & MQEV_OP_COUNTED) != 0) {
		out->requests_used--;
	}
	op->flags &= (uint16_t) ~(MQEV_OP_SENT | MQEV_OP_COUNTED);
}

static void
free_id(struct mqev_outbox *out, struct mqev_op *op)
{
	/* What stands in for a canceled one only tells its identifier. */
	if (op->mid == 0 || op->doom != 0)
		return;
	mqev_ids_remove(&out->ids, op->mid);
	if (op->mid <= MQEV_NUMBERED_IDS)
		out->numbered_ids--;
}

static void
uncount(struct mqev_session *s, const struct mqev_op *op)
{
	if (op->doom != 0)
		mqev_load_subtract(&s->out->doomed_load, op->cost);
	else
		mqev_outbox_uncount(s, op);
}

void
mqev_outbox_finish(struct mqev_session *s, struct mqev_op *op, const struct mqev_op_end *end)
{
	struct mqev_outbox *out = s->out;

	if (op->seq != 0 && !mqev_kept_finish(s, op, end))
		return;
	forget_cursors(out, op);
	stop_waiting(s, op);
	free_id(out, op);
	mqev_op_queue_remove(queue_of(out, op), op);
	out->unremoved -= is_unremoved(op);
	uncount(s, op);
	if ((op->flags & MQEV_OP_CANCELED) == 0)
		s->sink->events->complete(s, op, end);
	mqev_op_unref(op);
	out = s->out;
	if (out != NULL && (out->next_message != NULL || out->next_subscribe != NULL))
		mqev_session_ask_pump(s);
}

void
mqev_outbox_fail(struct mqev_session *s, struct mqev_op *op, int error)
{
	struct mqev_op_end end = {.error = error};

	mqev_outbox_finish(s, op, &end);
}

int
mqev_outbox_error_of(const struct mqev_op *op, int error)
{
	/* One that went out in a session which was lost may have arrived. */
	return (op->flags & MQEV_OP_UNSURE) != 0 ? MQEV_ERR_SESSION_LOST : error;
}

void
mqev_outbox_doom(struct mqev_session *s, struct mqev_op *op, int error)
{
	struct mqev_outbox *out = s->out;

	forget_cursors(out, op);
	stop_waiting(s, op);
	free_id(out, op);
	op->mid = 0;
	mqev_op_queue_remove(queue_of(out, op), op);
	mqev_outbox_uncount(s, op);
	op->doom = (int16_t)error;
	/* Its completion tells the filters of a SUBSCRIBE. */
	if (op->type == MQEV_PACKET_PUBLISH)
		op = mqev_op_shrink(op);
	if (op->seq != 0)
		op->flags |= MQEV_OP_LEAVING;
	out->unremoved += is_unremoved(op);
	mqev_load_add(&out->doomed_load, op->cost);
	mqev_op_queue_append(queue_of(out, op), op);
}

void
mqev_outbox_await(
    struct mqev_session *s, struct mqev_op *op, enum mqev_op_state state, uint64_t now)
{
	struct mqev_op_queue *waiting = &s->out->waiting;

	/* In the list already when a PUBREC moves it from its first wait to the second. */
	if (waiting->head == op || op->wait.prev != NULL)
		mqev_op_wait_remove(waiting, op);
	op->state = (uint8_t)state;
	op->since_ms = now;
	mqev_op_wait_append(waiting, op);
}

/* What the server has seen goes on to its end, for until then the identifier may not be used again
 * ([MQTT-2.2.1-3]) and an answer may come. */
static void
cancel_in_flight(struct mqev_session *s, struct mqev_op *op, int error)
{
	struct mqev_op_end end = {.error = error};

	op->flags |= MQEV_OP_CANCELED;
	s->sink->events->complete(s, op, &end);
}

int
mqev_session_cancel(struct mqev_session *s, uint64_t number, int error)
{
	struct mqev_op *op = s->out != NULL ? mqev_outbox_find(s->out, number) : NULL;

	if (op == NULL)
		return MQEV_ERR_NOT_FOUND;
	if (op->state == MQEV_OP_QUEUED)
		mqev_outbox_fail(s, op, error);
	else
		cancel_in_flight(s, op, error);
	return 0;
}

/* --- QoS 0 on its way to the kernel ------------------------------------------------------------
 */

#define FIRST_DEPARTING 16

bool
mqev_outbox_grow_departing(struct mqev_outbox *out)
{
	uint32_t capacity =
	    out->departing_capacity > 0 ? out->departing_capacity * 2 : FIRST_DEPARTING;
	struct mqev_departing *ring = mqev_malloc(capacity * sizeof(*ring));

	if (ring == NULL)
		return false;
	for (uint32_t i = 0; i < out->departing_count; i++)
		ring[i] = out->departing[(out->departing_head + i) & (out->departing_capacity - 1)];
	mqev_free(out->departing);
	out->departing = ring;
	out->departing_capacity = capacity;
	out->departing_head = 0;
	return true;
}

static struct mqev_departing *
departing_at(struct mqev_outbox *out, uint32_t i)
{
	return &out->departing[(out->departing_head + i) & (out->departing_capacity - 1)];
}

void
mqev_outbox_depart(
    struct mqev_session *s, uint64_t number, mqev_op_done done, void *arg, struct mqev_op *op)
{
	struct mqev_departing *last = departing_at(s->out, s->out->departing_count++);

	last->offset = s->state == MQEV_SESSION_CONNECTED ? s->written : UINT64_MAX;
	last->number = number;
	last->done = done;
	last->arg = arg;
	last->op = op;
}

/* An operation stands for a message that was queued. */
static void
complete_departed_op(struct mqev_session *s, struct mqev_op *op, int error)
{
	struct mqev_op_end end = {.error = error};

	uncount(s, op);
	s->sink->events->complete(s, op, &end);
	mqev_op_unref(op);
}

static void
depart_first(struct mqev_session *s, int error)
{
	struct mqev_outbox *out = s->out;
	const struct mqev_departing *first = departing_at(out, 0);

	out->departing_head = (out->departing_head + 1) & (out->departing_capacity - 1);
	out->departing_count--;
	if (first->op != NULL)
		complete_departed_op(s, first->op, error);
	else
		s->sink->events->departed(s, first->number, first->done, first->arg, error);
}

void
mqev_session_sent(struct mqev_session *s, uint64_t unsent)
{
	uint64_t left = s->written - unsent;

	while (s->out != NULL && s->out->departing_count > 0 &&
	       departing_at(s->out, 0)->offset <= left)
		depart_first(s, 0);
}

bool
mqev_session_awaits_kernel(const struct mqev_session *s)
{
	return s->out != NULL && s->out->departing_count > 0;
}

static void
depart_all(struct mqev_session *s, int error)
{
	while (s->out != NULL && s->out->departing_count > 0)
		depart_first(s, error);
}

/* --- the link is gone --------------------------------------------------------------------------
 */

static void
back_to_queue(const struct mqev_session *s, struct mqev_op *op)
{
	stop_waiting(s, op);
	free_id(s->out, op);
	mqev_free(op->said);
	op->said = NULL;
	op->mid = 0;
	op->state = MQEV_OP_QUEUED;
}

/* Unanswered SUBSCRIBE and UNSUBSCRIBE begin again with the next connection; their identifiers are
 * free. */
static void
requeue_subscribes(struct mqev_session *s)
{
	struct mqev_outbox *out = s->out;
	struct mqev_op *next;

	for (struct mqev_op *op = out->subscribes.head; op != NULL && op->state != MQEV_OP_QUEUED;
	     op = next) {
		next = op->queue.next;
		if ((op->flags & MQEV_OP_CANCELED) != 0)
			mqev_outbox_fail(s, op, MQEV_ERR_CANCELED);
		else
			back_to_queue(s, op);
	}
	out->next_subscribe = out->subscribes.head;
}

static void
hold_messages(const struct mqev_session *s)
{
	struct mqev_outbox *out = s->out;

	for (struct mqev_op *op = out->messages.head; op != NULL && op->state != MQEV_OP_QUEUED;
	     op = op->queue.next)
		stop_waiting(s, op);
	out->next_message = out->messages.head;
	out->next_release = NULL;
}

void
mqev_outbox_closed(struct mqev_session *s)
{
	if (s->out == NULL)
		return;
	mqev_aliases_free(s->out->aliases);
	s->out->aliases = NULL;
	requeue_subscribes(s);
	hold_messages(s);
	depart_all(s, MQEV_ERR_LOST);
}

void
mqev_outbox_resume(struct mqev_session *s)
{
	if (s->out != NULL)
		s->out->next_release = s->out->messages.head;
}

bool
mqev_outbox_fails_with_session(const struct mqev_session *s, const struct mqev_op *op)
{
	if ((op->flags & MQEV_OP_CANCELED) != 0)
		return true;
	/* A store has given up its bytes. */
	if (op->seq != 0 && op->state == MQEV_OP_WAIT_PUBCOMP)
		return true;
	return op->qos == 1 ? s->settings->lost_qos1_fails : !s->settings->lost_qos2_resends;
}

static void
settle(struct mqev_session *s, struct mqev_op *op)
{
	bool fails = mqev_outbox_fails_with_session(s, op);

	back_to_queue(s, op);
	if (!fails) {
		op->flags |= MQEV_OP_UNSURE;
		if (op->expires_ms != 0 && op->expires_ms < s->out->next_expiry_ms)
			s->out->next_expiry_ms = op->expires_ms;
		return;
	}
	mqev_outbox_doom(s, op, MQEV_ERR_SESSION_LOST);
}

/* Messages in flight are settled by rule: out again as new ones, or to be ended with an unknown
 * outcome. */
void
mqev_outbox_session_lost(struct mqev_session *s)
{
	struct mqev_op *op = s->out != NULL ? s->out->messages.head : NULL;

	while (op != NULL && op->state != MQEV_OP_QUEUED) {
		struct mqev_op *next = op->queue.next;

		settle(s, op);
		op = next;
	}
	if (s->out != NULL)
		s->out->next_message = s->out->messages.head;
}

/* With what was said to one that is leaving. */
static void
finish_doomed(struct mqev_session *s, struct mqev_op *op)
{
	struct mqev_op_end end = {.error = op->doom};

	if (op->said != NULL) {
		end.reason = op->said->reason;
		end.properties = (struct mqev_bytes){op->said->properties, op->said->len};
	}
	mqev_outbox_finish(s, op, &end);
}

/* Those that were put off stand near the end, but one that fails at once may be behind them. */
static bool
remove_put_off(struct mqev_session *s)
{
	struct mqev_op *first = s->out->leaving.tail;
	uint32_t left = s->out->unremoved;

	if (left == 0)
		return true;
	while ((left -= is_unremoved(first)) > 0)
		first = first->queue.prev;
	for (; first != NULL; first = first->queue.next) {
		if (is_unremoved(first) && !mqev_kept_remove(s, first))
			return false;
	}
	return true;
}

/* Those that wait for the removal of their records, in the order in which they were given up. */
static void
fail_leaving(struct mqev_session *s)
{
	struct mqev_op *op;

	/* The pump of the next connection tries it again. */
	if (!remove_put_off(s))
		mqev_gate_append_failed(s);
	while (s->out != NULL && (op = s->out->leaving.head) != NULL && mqev_kept_is_gone(s, op))
		finish_doomed(s, op);
}

void
mqev_outbox_fail_doomed(struct mqev_session *s)
{
	size_t count = s->out != NULL ? s->out->doomed_load.count : 0;

	for (; count > 0 && s->out != NULL && s->out->doomed.head != NULL; count--)
		finish_doomed(s, s->out->doomed.head);
	if (s->out != NULL && s->out->doomed.head != NULL)
		mqev_session_owe(s);
	if (s->out != NULL && s->out->leaving.head != NULL)
		fail_leaving(s);
}

/* --- free --------------------------------------------------------------------------------------
 */

static struct mqev_op *
any_op(const struct mqev_outbox *out)
{
	if (out->messages.head != NULL)
		return out->messages.head;
	if (out->subscribes.head != NULL)
		return out->subscribes.head;
	if (out->doomed.head != NULL)
		return out->doomed.head;
	if (out->leaving.head != NULL)
		return out->leaving.head;
	return out->qos0.head;
}

static void
release_outbox(struct mqev_session *s)
{
	mqev_ids_clear(&s->out->ids);
	mqev_aliases_free(s->out->aliases);
	mqev_free(s->out->departing);
	mqev_free(s->out);
	s->out = NULL;
}

void
mqev_outbox_free(struct mqev_session *s, int error)
{
	struct mqev_op *op;

	if (s->out == NULL)
		return;
	depart_all(s, error);
	while (s->out != NULL && (op = any_op(s->out)) != NULL) {
		int its = op->seq != 0 ? mqev_kept_final_error(s, op, error) : error;

		if (its == op->doom)
			finish_doomed(s, op);
		else
			mqev_outbox_fail(s, op, its);
	}
	if (s->out != NULL)
		release_outbox(s);
}

/* --- given up ----------------------------------------------------------------------------------
 */

static struct mqev_op *
skip_silent(struct mqev_op *op)
{
	while (op != NULL && (op->flags & (MQEV_OP_CANCELED | MQEV_OP_INTERNAL)) != 0)
		op = op->queue.next;
	return op;
}

static struct mqev_op *
first_unanswered(const struct mqev_outbox *out)
{
	struct mqev_op *op = skip_silent(out->messages.head);

	if (op == NULL)
		op = out->qos0.head;
	return op != NULL ? op : skip_silent(out->subscribes.head);
}

/* What a store keeps goes on there. */
static int
given_up_error(const struct mqev_session *s, const struct mqev_op *op, int error)
{
	return op->seq != 0 && mqev_kept_is_accepted(s, op) ? MQEV_KEPT : error;
}

/* The operation and those in flight behind it. One that a completion takes out of its list has no
 * next one. */
static void
give_up_in_flight(struct mqev_session *s, struct mqev_op *op, int error)
{
	while (op != NULL && op->state != MQEV_OP_QUEUED) {
		struct mqev_op *next;

		mqev_op_ref(op);
		cancel_in_flight(s, op, given_up_error(s, op, error));
		next = skip_silent(op->queue.next);
		mqev_op_unref(op);
		op = next;
	}
}

/* One that is not durable goes in silence too: the application has its answer. */
static void
give_up_kept(struct mqev_session *s, struct mqev_op *op, int error)
{
	bool accepted = mqev_kept_is_accepted(s, op);

	if (!accepted)
		mqev_kept_remove(s, op);
	mqev_op_ref(op);
	cancel_in_flight(s, op, given_up_error(s, op, error));
	if (!accepted && s->out != NULL && op->doom == 0)
		mqev_outbox_doom(s, op, error);
	mqev_op_unref(op);
}

void
mqev_session_give_up(struct mqev_session *s, int error)
{
	struct mqev_op *op;

	mqev_outbox_fail_doomed(s);
	depart_all(s, error);
	while (s->out != NULL && (op = first_unanswered(s->out)) != NULL) {
		if (op->state != MQEV_OP_QUEUED)
			give_up_in_flight(s, op, error);
		else if (op->seq != 0)
			give_up_kept(s, op, error);
		else
			mqev_outbox_fail(s, op, mqev_outbox_error_of(op, error));
	}
}

void
mqev_outbox_trim(struct mqev_session *s)
{
	struct mqev_outbox *out = s->out;

	if (out != NULL && any_op(out) == NULL && out->departing_count == 0 && out->aliases == NULL)
		release_outbox(s);
}
