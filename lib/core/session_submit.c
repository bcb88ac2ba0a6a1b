/* Operations on their way in: limits of the queue and of the server, numbers, and the QoS 0 message
 * that needs no operation. */
#include "core/session_gate.h"

#include "core/encode.h"
#include "core/mem.h"

struct mqev_outbox *
mqev_outbox_of(struct mqev_session *s)
{
	if (s->out == NULL) {
		s->out = mqev_calloc(1, sizeof(*s->out));
		if (s->out != NULL)
			s->out->next_expiry_ms = UINT64_MAX;
	}
	return s->out;
}

static int64_t
accept_op(struct mqev_session *s, struct mqev_op *op, struct mqev_op_queue *queue, uint64_t now)
{
	uint64_t number = s->next_number++;

	op->number = number;
	op->accepted_ms = now;
	mqev_op_queue_append(queue, op);
	mqev_outbox_count(s, op);
	mqev_session_ask_pump(s);
	return (int64_t)number;
}

/* It was not accepted, and the payload is still the caller's. */
static void
discard(struct mqev_op *op)
{
	op->release = NULL;
	mqev_op_unref(op);
}

/* An operation within the queue's limits, or why not. Others are dropped for it last, when nothing
 * else can keep it out. */
static int
make_op(struct mqev_session *s, const struct mqev_op_parts *parts, uint16_t flags, bool qos0,
    uint64_t now, struct mqev_op **op)
{
	size_t cost = mqev_op_cost(parts);
	bool fits;

	if (mqev_outbox_of(s) == NULL)
		return MQEV_ERR_NOMEM;
	fits = (flags & MQEV_OP_INTERNAL) != 0 || mqev_outbox_fits(s, cost);
	if (!fits && !mqev_outbox_may_make_room(s, cost, qos0))
		return MQEV_ERR_QUEUE_FULL;
	*op = mqev_op_new(parts);
	if (*op == NULL)
		return MQEV_ERR_NOMEM;
	(*op)->flags = flags;
	if (fits || mqev_outbox_make_room(s, cost, qos0, now))
		return 0;
	discard(*op);
	return MQEV_ERR_QUEUE_FULL;
}

static void
prepare(const struct mqev_session *s, const struct mqev_publish_request *request,
    struct mqev_outgoing *o)
{
	o->packet = (struct mqev_publish_packet){
	    .qos = request->qos,
	    .retain = request->retain,
	    .topic = request->parts.topic,
	    .properties = request->parts.properties,
	    .expiry_s = request->expiry_s,
	    .payload = request->parts.payload,
	};
	o->size = mqev_publish_size((enum mqev_version)s->version, &o->packet);
	o->op = NULL;
	o->expiry_at = request->expiry_at;
}

/* Too large for any server, or for the one that is connected. */
static int
check_publish(const struct mqev_session *s, const struct mqev_outgoing *o)
{
	if (o->size == 0)
		return MQEV_ERR_INVALID;
	if (s->freed || s->draining)
		return MQEV_ERR_STATE;
	if (s->gates != NULL && s->gates->journal->error != 0 && o->packet.qos > 0)
		return s->gates->journal->error;
	if (s->state != MQEV_SESSION_CONNECTED)
		return 0;
	return mqev_publish_refusal(s, o->packet.qos, o->packet.retain, o->size);
}

static bool
can_go_at_once(const struct mqev_session *s, const struct mqev_publish_request *request)
{
	return s->state == MQEV_SESSION_CONNECTED && request->qos == 0 &&
	       request->parts.release == NULL && (s->out == NULL || s->out->qos0.head == NULL);
}

/* Straight into the sink: no operation, no copy but that one. */
int64_t
mqev_session_publish_at_once(struct mqev_session *s, const struct mqev_publish_request *request)
{
	bool tell = request->parts.done != NULL || s->report_all;
	struct mqev_outgoing o;
	uint64_t number;
	bool written;
	int error;

	if (!can_go_at_once(s, request))
		return 0;
	prepare(s, request, &o);
	error = check_publish(s, &o);
	if (error != 0)
		return error;
	if (tell && (mqev_outbox_of(s) == NULL || !mqev_outbox_may_depart(s->out)))
		return MQEV_ERR_NOMEM;
	number = s->next_number++;
	s->untimed = true;
	/* Without memory the connection has ended; the operation was accepted and completes with
	 * it. */
	written = mqev_session_write_publish(s, &o);
	if (tell)
		mqev_outbox_depart(s, number, request->parts.done, request->parts.arg, NULL);
	if (written)
		mqev_session_tell_publish(s, &o);
	return (int64_t)number;
}

static void
set_expiry(struct mqev_outbox *out, struct mqev_op *op, const struct mqev_publish_request *request,
    uint64_t now)
{
	op->expiry_at = request->expiry_at;
	if (op->expiry_at == MQEV_OP_NO_EXPIRY)
		return;
	op->expires_ms = now + (uint64_t)request->expiry_s * 1000;
	if (op->expires_ms < out->next_expiry_ms)
		out->next_expiry_ms = op->expires_ms;
}

static int64_t
accept_message(struct mqev_session *s, struct mqev_op *op, uint64_t now)
{
	struct mqev_outbox *out = s->out;

	op->flags |= MQEV_OP_LOOSE;
	mqev_load_add(&out->loose[op->qos > 0], op->cost);
	if (op->qos == 0)
		return accept_op(s, op, &out->qos0, now);
	s->next_n++;
	if (out->next_message == NULL)
		out->next_message = op;
	if (out->first_loose == NULL)
		out->first_loose = op;
	return accept_op(s, op, &out->messages, now);
}

static int64_t
enqueue(struct mqev_session *s, const struct mqev_publish_request *request, uint64_t now)
{
	struct mqev_op *op;
	int error = make_op(
	    s, &request->parts, request->retain ? MQEV_OP_RETAIN : 0, request->qos == 0, now, &op);

	if (error != 0)
		return error;
	op->qos = request->qos;
	op->n = s->next_n;
	set_expiry(s->out, op, request, now);
	if (s->gates != NULL && op->qos > 0)
		error = mqev_kept_put(s, op, request);
	if (error == 0)
		return accept_message(s, op, now);
	discard(op);
	return error;
}

int64_t
mqev_session_publish(
    struct mqev_session *s, const struct mqev_publish_request *request, uint64_t now)
{
	struct mqev_outgoing o;
	int error;

	prepare(s, request, &o);
	error = check_publish(s, &o);
	if (error != 0)
		return error;
	if (request->qos > 0)
		return enqueue(s, request, now);
	if (s->state != MQEV_SESSION_CONNECTED && s->settings->reject_offline_qos0)
		return MQEV_ERR_STATE;
	if (s->state != MQEV_SESSION_CONNECTED && s->settings->drop_offline_qos0)
		return mqev_outbox_drop_new(s, &request->parts);
	return enqueue(s, request, now);
}

static int
check_subscribe(const struct mqev_session *s, uint16_t flags)
{
	if (s->freed || (s->draining && (flags & MQEV_OP_INTERNAL) == 0))
		return MQEV_ERR_STATE;
	if (s->state != MQEV_SESSION_CONNECTED)
		return 0;
	return mqev_subscribe_refusal(s, flags);
}

int64_t
mqev_session_subscribe(struct mqev_session *s, const struct mqev_op_parts *parts,
    size_t filter_count, uint16_t flags, uint64_t now)
{
	struct mqev_op *op;
	int error = check_subscribe(s, flags);

	if (error == 0)
		error = make_op(s, parts, flags, false, now, &op);
	if (error != 0)
		return error;
	op->filter_count = (uint16_t)filter_count;
	op->n = s->next_n++;
	if (s->out->next_subscribe == NULL)
		s->out->next_subscribe = op;
	return accept_op(s, op, &s->out->subscribes, now);
}
