/* The queue as a whole: what it may hold, what makes room in it, what the application takes out of
 * it. How operations get in: session_submit.c; how they end: session_out.c. */
#include "core/session_internal.h"

#include "core/mem.h"

/* --- counting ----------------------------------------------------------------------------------
 */

static void
check_marks(struct mqev_session *s)
{
	s->above = mqev_load_is_above(s->out->used, &s->settings->queue, s->above);
	if (s->above != s->told_above)
		mqev_session_owe(s);
}

static void
check_budget(struct mqev_budget *budget)
{
	bool was = budget->above;

	budget->above = mqev_load_is_above(budget->used, &budget->limits, was);
	if (budget->above != was)
		budget->crossed(budget);
}

void
mqev_outbox_count(struct mqev_session *s, struct mqev_op *op)
{
	mqev_load_add(&s->out->used, op->cost);
	check_marks(s);
	if (s->sink->budget == NULL)
		return;
	mqev_load_add(&s->sink->budget->used, op->cost);
	check_budget(s->sink->budget);
}

void
mqev_outbox_uncount(struct mqev_session *s, const struct mqev_op *op)
{
	mqev_load_subtract(&s->out->used, op->cost);
	check_marks(s);
	if (s->sink->budget == NULL)
		return;
	mqev_load_subtract(&s->sink->budget->used, op->cost);
	check_budget(s->sink->budget);
}

void
mqev_session_recheck_marks(struct mqev_session *s)
{
	if (s->out != NULL)
		check_marks(s);
}

void
mqev_outbox_fasten(struct mqev_outbox *out, struct mqev_op *op)
{
	if ((op->flags & MQEV_OP_LOOSE) == 0)
		return;
	op->flags &= (uint16_t)~MQEV_OP_LOOSE;
	mqev_load_subtract(&out->loose[op->qos > 0], op->cost);
	if (out->first_loose == op)
		out->first_loose = op->queue.next;
}

size_t
mqev_session_queued(const struct mqev_session *s)
{
	return s->out != NULL ? s->out->used.count : 0;
}

size_t
mqev_session_queued_bytes(const struct mqev_session *s)
{
	return s->out != NULL ? s->out->used.bytes : 0;
}

size_t
mqev_session_inflight(const struct mqev_session *s)
{
	return s->out != NULL ? s->out->window_used : 0;
}

bool
mqev_session_is_idle(const struct mqev_session *s)
{
	const struct mqev_outbox *out = s->out;

	return out == NULL ||
	       (out->used.count == 0 && out->doomed_load.count == 0 && out->departing_count == 0);
}

/* --- what is owed to the application -----------------------------------------------------------
 */

void
mqev_session_owe(struct mqev_session *s)
{
	if (s->owing || s->freed)
		return;
	s->owing = true;
	s->sink->events->wants_pump(s);
}

static void
tell_marks(struct mqev_session *s)
{
	if (s->above == s->told_above || s->freed)
		return;
	s->told_above = s->above;
	if (s->sink->events->water != NULL)
		s->sink->events->water(s, s->above);
}

void
mqev_session_tell(struct mqev_session *s)
{
	s->owing = false;
	mqev_outbox_fail_doomed(s);
	tell_marks(s);
}

void
mqev_outbox_put_off(struct mqev_session *s, struct mqev_op *op, int error)
{
	mqev_outbox_doom(s, op, mqev_outbox_error_of(op, error));
	mqev_session_owe(s);
}

/* --- room --------------------------------------------------------------------------------------
 */

static bool
fits_without(const struct mqev_session *s, size_t cost, struct mqev_load less)
{
	struct mqev_load used = s->out->used;
	struct mqev_load shared;

	used.count -= less.count;
	used.bytes -= less.bytes;
	if (!mqev_load_fits(used, s->settings->queue.max, cost))
		return false;
	if (s->sink->budget == NULL)
		return true;
	shared = s->sink->budget->used;
	shared.count -= less.count;
	shared.bytes -= less.bytes;
	return mqev_load_fits(shared, s->sink->budget->limits.max, cost);
}

bool
mqev_outbox_fits(const struct mqev_session *s, size_t cost)
{
	const struct mqev_budget *shared = s->sink->budget;

	return mqev_load_fits(s->out->used, s->settings->queue.max, cost) &&
	       (shared == NULL || mqev_load_fits(shared->used, shared->limits.max, cost));
}

/* All that may be dropped for the new one. */
static struct mqev_load
droppable(const struct mqev_session *s, bool for_qos0)
{
	const struct mqev_load *loose = s->out->loose;
	struct mqev_load all = loose[0];

	if (for_qos0 && s->settings->queue_full == MQEV_FULL_DROP_QOS0)
		return all;
	all.count += loose[1].count;
	all.bytes += loose[1].bytes;
	return all;
}

static struct mqev_op *
oldest(const struct mqev_outbox *out)
{
	struct mqev_op *a = out->qos0.head;
	struct mqev_op *b = out->first_loose;

	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	return a->number < b->number ? a : b;
}

static struct mqev_op *
next_to_drop(const struct mqev_session *s)
{
	const struct mqev_outbox *out = s->out;

	if (s->settings->queue_full == MQEV_FULL_DROP_QOS0 && out->qos0.head != NULL)
		return out->qos0.head;
	return oldest(out);
}

/* What was dropped in this turn of the loop is held until its completion, within the same limits
 * again. */
static bool
may_doom(const struct mqev_session *s)
{
	return mqev_load_fits(
	    s->out->doomed_load, s->settings->queue.max, mqev_mem_cost(sizeof(struct mqev_op)));
}

bool
mqev_outbox_may_make_room(const struct mqev_session *s, size_t cost, bool qos0)
{
	return s->settings->queue_full != MQEV_FULL_REJECT && may_doom(s) &&
	       fits_without(s, cost, droppable(s, qos0));
}

bool
mqev_outbox_make_room(struct mqev_session *s, size_t cost, bool qos0, uint64_t now)
{
	if (s->settings->queue_full == MQEV_FULL_DROP_EXPIRED)
		mqev_outbox_sweep(s, now);
	while (!mqev_outbox_fits(s, cost)) {
		if (!may_doom(s) || !fits_without(s, cost, droppable(s, qos0)))
			return false;
		mqev_outbox_put_off(s, next_to_drop(s), MQEV_ERR_DROPPED);
	}
	return true;
}

int64_t
mqev_outbox_drop_new(struct mqev_session *s, const struct mqev_op_parts *parts)
{
	struct mqev_op_parts bare = {.type = MQEV_PACKET_PUBLISH,
	    .release = parts->release,
	    .release_arg = parts->release_arg,
	    .done = parts->done,
	    .arg = parts->arg};
	struct mqev_op *op;

	if (mqev_outbox_of(s) == NULL)
		return MQEV_ERR_NOMEM;
	if (!may_doom(s))
		return MQEV_ERR_QUEUE_FULL;
	op = mqev_op_new(&bare);
	if (op == NULL)
		return MQEV_ERR_NOMEM;
	op->number = s->next_number++;
	op->doom = MQEV_ERR_DROPPED;
	op->flags |= MQEV_OP_OFFLINE;
	mqev_load_add(&s->out->doomed_load, op->cost);
	mqev_op_queue_append(&s->out->doomed, op);
	mqev_session_owe(s);
	return (int64_t)op->number;
}

/* --- finding -----------------------------------------------------------------------------------
 */

static bool
is_it(const struct mqev_op *op, uint64_t number)
{
	return op->number == number && (op->flags & (MQEV_OP_CANCELED | MQEV_OP_INTERNAL)) == 0;
}

/* From the nearer end: numbers ascend. */
static struct mqev_op *
find_in(const struct mqev_op_queue *queue, uint64_t number)
{
	struct mqev_op *op = queue->head;
	bool backwards;

	if (op == NULL)
		return NULL;
	backwards = number - op->number > queue->tail->number - number;
	if (backwards)
		op = queue->tail;
	while (op != NULL && !is_it(op, number))
		op = backwards ? op->queue.prev : op->queue.next;
	return op;
}

struct mqev_op *
mqev_outbox_find(const struct mqev_outbox *out, uint64_t number)
{
	const struct mqev_op_queue *const queues[] = {&out->messages, &out->qos0, &out->subscribes};

	for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
		struct mqev_op *op = find_in(queues[i], number);

		if (op != NULL)
			return op;
	}
	return NULL;
}

static const struct mqev_departing *
departing_at(const struct mqev_outbox *out, uint32_t i)
{
	return &out->departing[(out->departing_head + i) & (out->departing_capacity - 1)];
}

static bool
is_departing(const struct mqev_outbox *out, uint64_t number)
{
	for (uint32_t i = 0; i < out->departing_count; i++) {
		if (departing_at(out, i)->number == number)
			return true;
	}
	return false;
}

/* --- taking out --------------------------------------------------------------------------------
 */

/* What the server has seen goes on to its end in silence; another operation stands for the
 * completion that the application is owed. */
static int
withdraw_in_flight(struct mqev_session *s, struct mqev_op *op)
{
	struct mqev_op_parts parts = {
	    .type = MQEV_PACKET_PUBLISH, .done = op->done, .arg = op->arg};
	struct mqev_op *stand_in;

	if (op->type != MQEV_PACKET_PUBLISH)
		return MQEV_ERR_STATE;
	stand_in = mqev_op_new(&parts);
	if (stand_in == NULL)
		return MQEV_ERR_NOMEM;
	op->flags |= MQEV_OP_CANCELED;
	stand_in->number = op->number;
	stand_in->qos = op->qos;
	stand_in->mid = op->mid;
	stand_in->doom = MQEV_ERR_CANCELED;
	mqev_load_add(&s->out->doomed_load, stand_in->cost);
	mqev_op_queue_append(&s->out->doomed, stand_in);
	mqev_session_owe(s);
	return 0;
}

int
mqev_session_withdraw(struct mqev_session *s, uint64_t number)
{
	struct mqev_op *op = s->out != NULL ? mqev_outbox_find(s->out, number) : NULL;

	if (op == NULL)
		return s->out != NULL && is_departing(s->out, number) ? MQEV_ERR_STATE
								      : MQEV_ERR_NOT_FOUND;
	if (op->state != MQEV_OP_QUEUED)
		return withdraw_in_flight(s, op);
	mqev_outbox_put_off(s, op, MQEV_ERR_CANCELED);
	return 0;
}

static size_t
clear_queue(struct mqev_session *s, const struct mqev_op_queue *queue)
{
	struct mqev_op *next;
	size_t count = 0;

	for (struct mqev_op *op = queue->head; op != NULL; op = next) {
		next = op->queue.next;
		if (op->state != MQEV_OP_QUEUED || (op->flags & MQEV_OP_CANCELED) != 0)
			continue;
		mqev_outbox_put_off(s, op, MQEV_ERR_CANCELED);
		count++;
	}
	return count;
}

size_t
mqev_session_clear(struct mqev_session *s, bool qos0_only)
{
	size_t count;

	if (s->out == NULL)
		return 0;
	count = clear_queue(s, &s->out->qos0);
	return qos0_only ? count : count + clear_queue(s, &s->out->messages);
}

/* --- looking -----------------------------------------------------------------------------------
 */

static bool
walk_queue(const struct mqev_op_queue *queue,
    bool (*fn)(const struct mqev_op *op, bool leaving, void *arg), void *arg)
{
	for (const struct mqev_op *op = queue->head; op != NULL; op = op->queue.next) {
		if ((op->flags & (MQEV_OP_CANCELED | MQEV_OP_INTERNAL)) == 0 && !fn(op, false, arg))
			return false;
	}
	return true;
}

void
mqev_session_walk(const struct mqev_session *s,
    bool (*fn)(const struct mqev_op *op, bool leaving, void *arg), void *arg)
{
	const struct mqev_outbox *out = s->out;

	if (out == NULL)
		return;
	for (uint32_t i = 0; i < out->departing_count; i++) {
		const struct mqev_op *op = departing_at(out, i)->op;

		if (op != NULL && !fn(op, true, arg))
			return;
	}
	if (walk_queue(&out->qos0, fn, arg) && walk_queue(&out->messages, fn, arg))
		walk_queue(&out->subscribes, fn, arg);
}
