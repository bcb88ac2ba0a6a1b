/* Operations on their way out: identifiers, the inflight window, the server's limits, expiry,
 * writing. */
#include "core/session_gate.h"

#include <string.h>

#include "core/encode.h"

#define LAST_ID 65535u

/* From this size on a payload is not copied into the sink together with its header, and if there is
 * an operation not at all. */
#define LEND_FROM 4096u
#define COPIED_AT_ONCE ((size_t)65536)

/* --- what the server takes ---------------------------------------------------------------------
 */

int
mqev_publish_refusal(const struct mqev_session *s, uint8_t qos, bool retain, size_t size)
{
	if (size > s->server.max_packet_size)
		return MQEV_ERR_TOO_LARGE;
	if (qos > s->server.max_qos)
		return MQEV_ERR_QOS;
	if (retain && !s->server.retain)
		return MQEV_ERR_RETAIN;
	return 0;
}

int
mqev_subscribe_refusal(const struct mqev_session *s, uint16_t flags)
{
	if ((flags & MQEV_OP_WILDCARD) != 0 && !s->server.wildcard)
		return MQEV_ERR_WILDCARD;
	if ((flags & MQEV_OP_SHARED) != 0 && !s->server.shared)
		return MQEV_ERR_SHARED;
	if ((flags & MQEV_OP_IDENTIFIER) != 0 && !s->server.subscription_id)
		return MQEV_ERR_SUBSCRIPTION_ID;
	return 0;
}

/* --- identifiers -------------------------------------------------------------------------------
 */

/* The identifier that the operation's number gives; a number further on while an unfinished one
 * holds it. 0: none is free. */
static uint16_t
numbered_id(struct mqev_session *s, struct mqev_op *op)
{
	const struct mqev_ids *ids = &s->out->ids;

	if (s->out->numbered_ids == MQEV_NUMBERED_IDS)
		return 0;
	/* Ends, for one of that many identifiers in a row is free. */
	while (mqev_ids_get(ids, mqev_id_of_number(op->n)) != NULL)
		op->n = s->next_n++;
	return mqev_id_of_number(op->n);
}

static uint16_t
reserved_id(const struct mqev_session *s)
{
	for (uint32_t mid = MQEV_NUMBERED_IDS + 1; mid <= LAST_ID; mid++) {
		if (mqev_ids_get(&s->out->ids, (uint16_t)mid) == NULL)
			return (uint16_t)mid;
	}
	return 0;
}

/* True when the operation has an identifier of its own; false: none is free now, or memory ran out
 * and the connection ended. */
static bool
give_id(struct mqev_session *s, struct mqev_op *op)
{
	uint16_t mid;

	if (op->mid != 0)
		return true;
	mid = numbered_id(s, op);
	if (mid == 0 && op->type != MQEV_PACKET_PUBLISH)
		mid = reserved_id(s);
	if (mid == 0)
		return false;
	if (!mqev_ids_put(&s->out->ids, mid, op)) {
		mqev_session_no_memory(s);
		return false;
	}
	op->mid = mid;
	if (mid <= MQEV_NUMBERED_IDS)
		s->out->numbered_ids++;
	return true;
}

/* --- PUBLISH -----------------------------------------------------------------------------------
 */

static void
write_seconds(uint8_t *at, uint32_t seconds)
{
	struct mqev_writer w;

	mqev_writer_init(&w, at, 4);
	mqev_write_u32(&w, seconds);
}

/* An alias may make the packet that much larger: itself, and the lengths before it. */
#define ALIAS_COST 5

static bool
may_alias(const struct mqev_session *s, const struct mqev_outgoing *o)
{
	/* A resend carries its whole topic. */
	return s->version == MQEV_V5 && s->settings->topic_aliases > 0 &&
	       s->server.topic_alias_maximum > 0 && !o->packet.dup &&
	       o->size + ALIAS_COST <= s->server.max_packet_size;
}

static struct mqev_aliases *
aliases_of(struct mqev_session *s)
{
	uint16_t max = s->settings->topic_aliases;

	if (mqev_outbox_of(s) == NULL)
		return NULL;
	if (max > s->server.topic_alias_maximum)
		max = s->server.topic_alias_maximum;
	if (s->out->aliases == NULL)
		s->out->aliases = mqev_aliases_new(max);
	return s->out->aliases;
}

/* Without memory for it the topic goes as it is. */
static void
use_alias(struct mqev_session *s, struct mqev_outgoing *o)
{
	struct mqev_aliases *aliases = may_alias(s, o) ? aliases_of(s) : NULL;
	bool known;

	if (aliases == NULL)
		return;
	o->packet.alias = mqev_alias_of(aliases, o->packet.topic, &known);
	if (known)
		o->packet.topic.len = 0;
	o->size = mqev_publish_size(MQEV_V5, &o->packet);
}

static void
count_publish(struct mqev_session *s, uint8_t qos, size_t size)
{
	struct mqev_tally *tally = &s->sink->tally;

	s->messages_out++;
	tally->bytes_out += size;
	tally->messages_out[qos]++;
	tally->message_bytes_out[qos] += size;
}

static bool
lend_payload(struct mqev_session *s, struct mqev_op *op, struct mqev_bytes payload)
{
	if (s->sink->methods->lend(s->sink, s, op, payload.data, payload.len))
		return true;
	mqev_session_no_memory(s);
	return false;
}

/* In pieces, as the sink has room: no block has to be as large as the payload. */
static bool
copy_payload(struct mqev_session *s, struct mqev_bytes payload)
{
	struct mqev_writer w;
	size_t n;

	for (; payload.len > 0; payload.data += n, payload.len -= n) {
		n = mqev_sink_room(s->sink, s);
		if (n == 0)
			n = COPIED_AT_ONCE;
		if (n > payload.len)
			n = payload.len;
		if (!mqev_session_write(s, n, &w))
			return false;
		mqev_write_bytes(&w, payload.data, n);
		mqev_sink_commit(s->sink, n);
	}
	return true;
}

/* All but the payload, unless that stands there too. */
static bool
write_head(struct mqev_session *s, const struct mqev_outgoing *o, bool apart)
{
	enum mqev_version version = (enum mqev_version)s->version;
	const struct mqev_publish_packet *p = &o->packet;
	size_t size = apart ? o->size - p->payload.len : o->size;
	struct mqev_writer w;

	if (!mqev_session_write(s, size, &w))
		return false;
	mqev_publish_write_head(&w, version, p);
	if (o->expiry_at != MQEV_OP_NO_EXPIRY && version == MQEV_V5)
		write_seconds(w.at - p->properties.len + o->expiry_at, p->expiry_s);
	if (!apart)
		mqev_write_bytes(&w, p->payload.data, p->payload.len);
	mqev_sink_commit(s->sink, size);
	return true;
}

bool
mqev_session_write_publish(struct mqev_session *s, struct mqev_outgoing *o)
{
	struct mqev_bytes payload = o->packet.payload;
	bool apart = payload.len >= LEND_FROM;

	use_alias(s, o);
	if (!write_head(s, o, apart))
		return false;
	if (apart && !(o->op != NULL ? lend_payload(s, o->op, payload) : copy_payload(s, payload)))
		return false;
	s->written += o->size;
	count_publish(s, o->packet.qos, o->size);
	return true;
}

/* A message that was sent before goes out again even when its time is over ([MQTT-4.3.3-7]). */
static uint32_t
seconds_left(const struct mqev_op *op, uint64_t now)
{
	return now < op->expires_ms ? (uint32_t)((op->expires_ms - now + 999) / 1000) : 1;
}

static void
prepare(const struct mqev_session *s, struct mqev_op *op, uint64_t now, struct mqev_outgoing *o)
{
	o->packet = (struct mqev_publish_packet){
	    .dup = op->state != MQEV_OP_QUEUED,
	    .retain = (op->flags & MQEV_OP_RETAIN) != 0,
	    .qos = op->qos,
	    .mid = op->mid,
	    .topic = mqev_op_topic(op),
	    .properties = mqev_op_properties(op),
	    .expiry_s = seconds_left(op, now),
	    .payload = mqev_op_payload(op),
	};
	o->size = mqev_publish_size((enum mqev_version)s->version, &o->packet);
	o->op = op;
	o->expiry_at = op->expiry_at;
}

static bool
is_expired(const struct mqev_op *op, uint64_t now)
{
	return op->state == MQEV_OP_QUEUED && op->expires_ms != 0 && now >= op->expires_ms;
}

/* 0 when it may go out on this connection. */
static int
op_refusal(const struct mqev_session *s, const struct mqev_outgoing *o, uint64_t now)
{
	if (is_expired(o->op, now))
		return mqev_outbox_error_of(o->op, MQEV_ERR_EXPIRED);
	return mqev_publish_refusal(s, o->packet.qos, o->packet.retain, o->size);
}

/* --- QoS 0 -------------------------------------------------------------------------------------
 */

/* Written, so no longer queued; its completion waits for the kernel, or for the end of the
 * connection. */
static bool
send_qos0(struct mqev_session *s, struct mqev_outgoing *o)
{
	struct mqev_op *op = o->op;
	bool written;

	if (!mqev_outbox_may_depart(s->out)) {
		mqev_session_no_memory(s);
		return false;
	}
	mqev_outbox_fasten(s->out, op);
	mqev_op_queue_remove(&s->out->qos0, op);
	written = mqev_session_write_publish(s, o);
	mqev_outbox_depart(s, op->number, op->done, op->arg, op);
	if (written)
		mqev_session_tell_publish(s, o);
	return written;
}

static void
pump_qos0(struct mqev_session *s, uint64_t now, uint64_t limit)
{
	struct mqev_outgoing o;
	struct mqev_op *op;

	while (s->state == MQEV_SESSION_CONNECTED && s->out != NULL && s->written < limit &&
	       (op = s->out->qos0.head) != NULL) {
		int error;

		prepare(s, op, now, &o);
		error = op_refusal(s, &o, now);
		if (error != 0)
			mqev_outbox_fail(s, op, error);
		else if (!send_qos0(s, &o))
			return;
	}
}

/* --- QoS 1 and 2 -------------------------------------------------------------------------------
 */

static uint32_t
window_of(const struct mqev_session *s)
{
	uint32_t own = s->settings->max_inflight;

	if (s->version != MQEV_V5 && s->settings->max_inflight_before_v5 > 0)
		own = s->settings->max_inflight_before_v5;
	return own < s->server.receive_maximum ? own : s->server.receive_maximum;
}

static void
send_release(struct mqev_session *s, struct mqev_op *op, uint64_t now)
{
	op->flags |= MQEV_OP_SENT;
	mqev_outbox_await(s, op, MQEV_OP_WAIT_PUBCOMP, now);
	mqev_session_send_ack(s, MQEV_PACKET_PUBREL, op->mid, MQEV_REASON_SUCCESS);
}

static bool
send_message(struct mqev_session *s, struct mqev_outgoing *o, uint64_t now)
{
	struct mqev_outbox *out = s->out;
	struct mqev_op *op = o->op;

	if (!give_id(s, op))
		return false;
	o->packet.mid = op->mid;
	if (!mqev_session_write_publish(s, o))
		return false;
	out->next_message = op->queue.next;
	mqev_outbox_fasten(out, op);
	op->flags |= MQEV_OP_SENT | MQEV_OP_COUNTED;
	out->window_used++;
	s->sink->tally.inflight++;
	mqev_outbox_await(s, op, op->qos == 1 ? MQEV_OP_WAIT_PUBACK : MQEV_OP_WAIT_PUBREC, now);
	mqev_session_tell_publish(s, o);
	return true;
}

/* True while the walk may go on to the next message. */
static bool
send_next_message(struct mqev_session *s, struct mqev_op *op, uint64_t now)
{
	struct mqev_outbox *out = s->out;
	struct mqev_outgoing o;
	int error;

	if (op->state == MQEV_OP_WAIT_PUBCOMP) {
		if (!mqev_kept_may_release(s, op))
			return false;
		out->next_message = op->queue.next;
		if ((op->flags & MQEV_OP_SENT) == 0)
			send_release(s, op, now);
		return true;
	}
	if ((op->flags & MQEV_OP_DAMAGED) != 0) {
		out->next_message = op->queue.next;
		return true;
	}
	if (out->window_used >= window_of(s))
		return false;
	if (op->seq != 0 && !mqev_kept_may_publish(s, op))
		return false;
	prepare(s, op, now, &o);
	error = op_refusal(s, &o, now);
	if (error != 0) {
		mqev_outbox_fail(s, op, error); /* moves next_message on */
		return true;
	}
	return send_message(s, &o, now);
}

static void
pump_messages(struct mqev_session *s, uint64_t now, uint64_t limit)
{
	while (s->state == MQEV_SESSION_CONNECTED && s->out != NULL && s->written < limit &&
	       s->out->next_message != NULL) {
		if (!send_next_message(s, s->out->next_message, now))
			return;
	}
}

/* A full window holds back PUBLISH only: PUBRELs that a resume owes go past it ([MQTT-3.3.4-8]). */
void
mqev_session_pump_releases(struct mqev_session *s, uint64_t now)
{
	struct mqev_op *op;

	while (s->state == MQEV_SESSION_CONNECTED && s->out != NULL &&
	       (op = s->out->next_release) != NULL) {
		bool owed = op->state == MQEV_OP_WAIT_PUBCOMP && (op->flags & MQEV_OP_SENT) == 0;

		if (owed && !mqev_kept_may_release(s, op))
			return;
		/* Those that were never sent stand behind all that is in flight. */
		s->out->next_release = op->state != MQEV_OP_QUEUED ? op->queue.next : NULL;
		if (owed)
			send_release(s, op, now);
	}
}

/* --- SUBSCRIBE and UNSUBSCRIBE -----------------------------------------------------------------
 */

/* The identifier by which the library knows its subscription again; left out where the server has
 * none. */
static uint32_t
own_identifier(const struct mqev_session *s, const struct mqev_op *op)
{
	return s->server.subscription_id ? op->subscription_id : 0;
}

static uint32_t
own_identifier_size(const struct mqev_session *s, const struct mqev_op *op)
{
	uint32_t own = own_identifier(s, op);

	return own > 0 ? 1 + (uint32_t)mqev_varint_size(own) : 0;
}

/* The client keeps it under the largest Remaining Length. */
static uint32_t
subscribe_body(const struct mqev_session *s, const struct mqev_op *op)
{
	size_t body = 2 + (size_t)op->payload_len;
	uint32_t properties = op->properties_len + own_identifier_size(s, op);

	if (s->version == MQEV_V5)
		body += mqev_varint_size(properties) + properties;
	return (uint32_t)body;
}

static size_t
subscribe_size(const struct mqev_session *s, const struct mqev_op *op)
{
	uint32_t body = subscribe_body(s, op);

	return 1 + mqev_varint_size(body) + body;
}

/* Before 5.0 the options byte of a filter holds its QoS only. */
static void
write_filters(struct mqev_writer *w, const struct mqev_session *s, const struct mqev_op *op)
{
	struct mqev_reader r;

	if (s->version == MQEV_V5 || op->type == MQEV_PACKET_UNSUBSCRIBE) {
		mqev_write_bytes(w, op->payload, op->payload_len);
		return;
	}
	mqev_reader_init(&r, op->payload, op->payload_len);
	while (mqev_reader_left(&r) > 0) {
		mqev_write_binary(w, mqev_read_binary(&r));
		mqev_write_u8(w, mqev_read_u8(&r) & 3);
	}
}

static void
write_subscribe_properties(
    struct mqev_writer *w, const struct mqev_session *s, const struct mqev_op *op)
{
	uint32_t own = own_identifier(s, op);

	mqev_write_varint(w, op->properties_len + own_identifier_size(s, op));
	if (own > 0) {
		mqev_write_u8(w, MQEV_PROP_SUBSCRIPTION_IDENTIFIER);
		mqev_write_varint(w, own);
	}
	mqev_write_bytes(w, op->bytes, op->properties_len);
}

static void
write_subscribe(struct mqev_writer *w, const struct mqev_session *s, const struct mqev_op *op)
{
	mqev_write_u8(w, (uint8_t)(op->type << 4 | 2));
	mqev_write_varint(w, subscribe_body(s, op));
	mqev_write_u16(w, op->mid);
	if (s->version == MQEV_V5) {
		write_subscribe_properties(w, s, op);
	}
	write_filters(w, s, op);
}

static bool
send_subscribe(struct mqev_session *s, struct mqev_op *op, uint64_t now)
{
	const struct mqev_request_packet view = {op, own_identifier(s, op)};
	size_t size = subscribe_size(s, op);
	struct mqev_writer w;

	if (!give_id(s, op) || !mqev_session_write(s, size, &w))
		return false;
	write_subscribe(&w, s, op);
	mqev_sink_commit(s->sink, size);
	s->out->next_subscribe = op->queue.next;
	op->flags |= MQEV_OP_SENT | MQEV_OP_COUNTED;
	s->out->requests_used++;
	mqev_outbox_await(s, op, MQEV_OP_WAIT_SUBACK, now);
	mqev_session_wrote(s, (enum mqev_packet_type)op->type, op->mid, size,
	    (union mqev_packet_view){.request = &view});
	return true;
}

/* Requests have a window of their own, of the same size as that of messages: a long list of
 * subscriptions that is asked for anew does not flood a server. */
static bool
may_request(const struct mqev_session *s)
{
	return s->out->next_subscribe != NULL && s->out->requests_used < s->settings->max_inflight;
}

static void
pump_subscribes(struct mqev_session *s, uint64_t now, uint64_t limit)
{
	while (s->state == MQEV_SESSION_CONNECTED && s->out != NULL && s->written < limit &&
	       may_request(s)) {
		struct mqev_op *op = s->out->next_subscribe;
		int error = mqev_subscribe_refusal(s, op->flags);

		if (subscribe_size(s, op) > s->server.max_packet_size)
			error = MQEV_ERR_TOO_LARGE;
		if (error != 0)
			mqev_outbox_fail(s, op, error);
		else if (!send_subscribe(s, op, now))
			return;
	}
}

/* --- again ------------------------------------------------------------------------------------ */

static void
resend_message(struct mqev_session *s, struct mqev_op *op, uint64_t now)
{
	struct mqev_outgoing o;

	prepare(s, op, now, &o);
	if (!mqev_session_write_publish(s, &o))
		return;
	mqev_outbox_await(s, op, (enum mqev_op_state)op->state, now);
	mqev_session_tell_publish(s, &o);
}

void
mqev_session_resend(struct mqev_session *s, struct mqev_op *op, uint64_t now)
{
	s->last_sent_ms = now;
	if (op->state != MQEV_OP_WAIT_PUBCOMP)
		resend_message(s, op, now);
	else if (mqev_kept_may_release(s, op))
		send_release(s, op, now);
	else
		mqev_outbox_await(s, op, MQEV_OP_WAIT_PUBCOMP, now);
}

/* --- all of it ---------------------------------------------------------------------------------
 */

static bool
has_more(const struct mqev_session *s)
{
	const struct mqev_outbox *out = s->out;

	if (out == NULL || s->state != MQEV_SESSION_CONNECTED)
		return false;
	return may_request(s) || out->qos0.head != NULL ||
	       (out->next_message != NULL && out->window_used < window_of(s));
}

bool
mqev_session_pump(struct mqev_session *s, uint64_t now, size_t budget)
{
	uint64_t before = s->written;
	uint64_t limit = budget < UINT64_MAX - before ? before + budget : UINT64_MAX;

	s->pump_asked = false;
	if (s->state != MQEV_SESSION_CONNECTED)
		return false;
	if (s->out != NULL && s->out->unremoved > 0)
		mqev_session_owe(s);
	if (mqev_gate_is_open(s))
		pump_subscribes(s, now, limit);
	pump_qos0(s, now, limit);
	if (mqev_gate_is_open(s)) {
		pump_messages(s, now, limit);
		mqev_session_pump_releases(s, now);
	}
	if (s->written > before)
		s->last_sent_ms = now;
	return s->written >= limit && has_more(s);
}
