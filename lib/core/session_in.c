/* Messages from the server: each delivered once as its QoS says, acknowledged in the order in which
 * they came. */
#include "core/session_gate.h"

#include <string.h>

#include "core/mem.h"

struct mqev_inbox *
mqev_inbox_of(struct mqev_session *s)
{
	if (s->in == NULL) {
		s->in = mqev_calloc(1, sizeof(*s->in));
		if (s->in != NULL)
			s->in->connection = 1;
	}
	return s->in;
}

/* --- delivery ----------------------------------------------------------------------------------
 */

/* Moves the topic over its length so that a NUL fits behind it: the packet is not needed any more.
 */
static const char *
terminate(struct mqev_bytes topic)
{
	char *text = (char *)(uintptr_t)topic.data - 1;

	memmove(text, topic.data, topic.len);
	text[topic.len] = '\0';
	return text;
}

/* False: there was no memory, and the connection has ended. *held gets the application's handle, if
 * it took one. */
static bool
deliver(struct mqev_session *s, const struct mqev_received *r, struct mqev_ack **held)
{
	const struct mqev_publish_packet *p = r->packet;
	struct mqev_properties view = mqev_properties_view(p->properties);
	struct mqev_delivery delivery = {.session = s};
	struct mqev_message message = {
	    .size = sizeof(message),
	    .topic = r->alias_topic != NULL ? r->alias_topic : terminate(p->topic),
	    .topic_len = r->topic_len,
	    .payload = p->payload.data,
	    .payload_len = p->payload.len,
	    .qos = p->qos,
	    .retain = p->retain,
	    .dup = p->dup,
	    .mid = p->mid,
	    .properties = &view,
	    .received_ms = s->last_received_ms,
	    .delivery = &delivery,
	};

	if (s->sink->events->message(s, &message)) {
		*held = delivery.held;
		return true;
	}
	if (delivery.held != NULL)
		mqev_ack_abandon(delivery.held);
	mqev_session_no_memory(s);
	return false;
}

/* --- identifiers and quota ---------------------------------------------------------------------
 */

/* The count begins anew with each connection (4.9). Before 5.0 there is no limit but that of the
 * identifiers, which a server may not use twice. */
bool
mqev_inbox_quota_exceeded(struct mqev_session *s)
{
	uint32_t limit = s->version == MQEV_V5 ? s->settings->receive_maximum : UINT16_MAX;
	uint32_t open = s->in != NULL ? s->in->open : 0;

	if (s->gates != NULL)
		open += s->gates->open;
	if (open < limit)
		return false;
	mqev_session_fail(s, MQEV_ERR_PROTOCOL, MQEV_REASON_RECEIVE_MAXIMUM_EXCEEDED,
	    "more messages in flight than Receive Maximum [MQTT-3.3.4-9]");
	return true;
}

enum record {
	RECORD_NONE,
	RECORD_EARLIER, /* on an earlier connection: taken by the application */
	RECORD_WAITING, /* on this one, its PUBREC is owed */
	RECORD_ANSWERED /* on this one, PUBREC was sent */
};

enum record_flag {
	ANSWERED = 1, /* PUBREC was sent */
	TAKEN = 2     /* the application has it: not to be delivered again, PUBREC or not */
};

/* What an identifier maps to: the connection's number and flags, never NULL. */
static void *
record_value(const struct mqev_inbox *in, unsigned flags)
{
	return (void *)(in->connection << 2 | flags);
}

static enum record
find_record(const struct mqev_session *s, uint16_t mid)
{
	uintptr_t value = s->in != NULL ? (uintptr_t)mqev_ids_get(&s->in->qos2, mid) : 0;

	if (value == 0)
		return RECORD_NONE;
	if (value >> 2 != s->in->connection)
		return RECORD_EARLIER;
	return (value & ANSWERED) != 0 ? RECORD_ANSWERED : RECORD_WAITING;
}

/* Cannot fail for an identifier that has a record. */
static bool
set_record(struct mqev_session *s, uint16_t mid, unsigned flags)
{
	mqev_ids_remove(&s->in->qos2, mid);
	return mqev_ids_put(&s->in->qos2, mid, record_value(s->in, flags));
}

static void
forget_record(struct mqev_session *s, uint16_t mid)
{
	/* None of this connection when a callback has closed it. */
	if (find_record(s, mid) < RECORD_WAITING)
		return;
	mqev_ids_remove(&s->in->qos2, mid);
	s->in->open--;
}

void
mqev_inbox_set_taken(struct mqev_session *s, uint16_t mid, bool taken)
{
	if (find_record(s, mid) == RECORD_WAITING)
		set_record(s, mid, taken ? TAKEN : 0);
}

void
mqev_inbox_answered(struct mqev_session *s, uint8_t qos, uint16_t mid, uint8_t reason)
{
	if (qos == 1)
		s->in->open--;
	else if (reason >= 0x80) /* [MQTT-4.3.3-9]: the identifier is free */
		forget_record(s, mid);
	else
		set_record(s, mid, ANSWERED | TAKEN);
}

void
mqev_inbox_stored(struct mqev_session *s, uint16_t mid)
{
	if (s->in != NULL)
		forget_record(s, mid);
}

/* --- by QoS ------------------------------------------------------------------------------------
 */

static void
receive_qos0(struct mqev_session *s, const struct mqev_received *r)
{
	struct mqev_ack *held = NULL;

	deliver(s, r, &held);
}

/* Held, or behind one that is: the answer waits for its turn. */
static void
answer_later(struct mqev_session *s, uint8_t qos, uint16_t mid, struct mqev_ack *held)
{
	if (s->in != NULL && s->state == MQEV_SESSION_CONNECTED && mqev_owed_add(s, qos, mid, held))
		return;
	if (held != NULL)
		mqev_ack_abandon(held);
	mqev_session_no_memory(s);
}

static void
answer(struct mqev_session *s, enum mqev_packet_type type, uint16_t mid, uint8_t reason)
{
	if (s->gates != NULL)
		mqev_gate_answer(s, type, mid, reason, NULL);
	else
		mqev_session_send_ack(s, type, mid, reason);
}

static void
answer_qos1(struct mqev_session *s, uint16_t mid, struct mqev_ack *held)
{
	if (held == NULL && !mqev_owed_any(s, 1)) {
		if (s->state == MQEV_SESSION_CONNECTED)
			answer(s, MQEV_PACKET_PUBACK, mid, MQEV_REASON_SUCCESS);
		return;
	}
	if (mqev_inbox_of(s) != NULL)
		s->in->open++;
	answer_later(s, 1, mid, held);
}

static void
receive_qos1(struct mqev_session *s, const struct mqev_received *r)
{
	uint16_t mid = r->packet->mid;
	struct mqev_ack *held = NULL;

	if (!mqev_inbox_quota_exceeded(s) && deliver(s, r, &held))
		answer_qos1(s, mid, held);
}

static void
answer_qos2(struct mqev_session *s, uint16_t mid, struct mqev_ack *held)
{
	if (held != NULL || mqev_owed_any(s, 2)) {
		answer_later(s, 2, mid, held);
		return;
	}
	if (s->state != MQEV_SESSION_CONNECTED)
		return;
	if (s->gates != NULL) {
		if (mqev_stored_put_done(s, mid, NULL))
			mqev_inbox_stored(s, mid);
		return;
	}
	set_record(s, mid, ANSWERED | TAKEN);
	mqev_session_send_ack(s, MQEV_PACKET_PUBREC, mid, MQEV_REASON_SUCCESS);
}

static bool
record_new(struct mqev_session *s, uint16_t mid)
{
	if (mqev_inbox_of(s) == NULL || !set_record(s, mid, TAKEN)) {
		mqev_session_no_memory(s);
		return false;
	}
	s->in->open++;
	return true;
}

static void
receive_new_qos2(struct mqev_session *s, const struct mqev_received *r)
{
	uint16_t mid = r->packet->mid;
	struct mqev_ack *held = NULL;

	/* Taken unless the callback says otherwise, for it may end the connection. */
	if (mqev_inbox_quota_exceeded(s) || !record_new(s, mid))
		return;
	if (!deliver(s, r, &held)) {
		forget_record(s, mid);
		return;
	}
	if (held != NULL && !mqev_ack_is_given(held))
		mqev_inbox_set_taken(s, mid, false);
	answer_qos2(s, mid, held);
}

static void
receive_qos2(struct mqev_session *s, const struct mqev_received *r)
{
	uint16_t mid = r->packet->mid;

	switch (find_record(s, mid)) {
	case RECORD_NONE:
		receive_new_qos2(s, r);
		break;
	case RECORD_EARLIER:
		if (!mqev_inbox_quota_exceeded(s) && record_new(s, mid))
			answer_qos2(s, mid, NULL);
		break;
	case RECORD_WAITING:
		break; /* its PUBREC comes when it is its turn */
	case RECORD_ANSWERED:
		mqev_session_send_ack(s, MQEV_PACKET_PUBREC, mid, MQEV_REASON_SUCCESS);
		break;
	}
}

void
mqev_session_on_publish(struct mqev_session *s, const struct mqev_packet *packet)
{
	static void (*const by_qos[])(struct mqev_session *, const struct mqev_received *) = {
	    receive_qos0, receive_qos1, receive_qos2};
	const struct mqev_publish_packet *p = &packet->u.publish;
	struct mqev_received r = {.packet = p, .topic_len = p->topic.len};

	s->messages_in++;
	s->sink->tally.messages_in[p->qos]++;
	s->sink->tally.message_bytes_in[p->qos] += packet->size;
	if (p->properties.len > 0 && !mqev_inbox_resolve_alias(s, &r))
		return;
	if (s->gates == NULL || !mqev_stored_on_publish(s, &r))
		by_qos[p->qos](s, &r);
}

static void
release_record(struct mqev_session *s, uint16_t mid, enum record record)
{
	if (record == RECORD_WAITING) {
		mqev_session_protocol_error(s, "PUBREL before PUBREC [MQTT-4.3.3-4]");
		return;
	}
	mqev_ids_remove(&s->in->qos2, mid);
	if (record == RECORD_ANSWERED)
		s->in->open--;
	if (mqev_session_send_ack(s, MQEV_PACKET_PUBCOMP, mid, MQEV_REASON_SUCCESS))
		return;
	/* The server sends its PUBREL again, and the identifier is known until that was answered.
	 */
	mqev_ids_put(&s->in->qos2, mid, record_value(s->in, ANSWERED | TAKEN));
}

/* N7. */
static void
answer_unknown(struct mqev_session *s, uint16_t mid)
{
	bool known = s->gates != NULL && mqev_ids_get(&s->gates->released, mid) != NULL;

	answer(s, MQEV_PACKET_PUBCOMP, mid,
	    known ? MQEV_REASON_SUCCESS : MQEV_REASON_PACKET_IDENTIFIER_NOT_FOUND);
}

void
mqev_session_on_pubrel(struct mqev_session *s, const struct mqev_packet *packet)
{
	uint16_t mid = packet->u.ack.mid;
	enum record record = find_record(s, mid);

	if (s->gates != NULL && mqev_stored_on_pubrel(s, mid))
		return;
	if (record == RECORD_NONE)
		answer_unknown(s, mid);
	else
		release_record(s, mid, record);
}

/* --- the rest of its life ----------------------------------------------------------------------
 */

void
mqev_inbox_session_lost(struct mqev_session *s)
{
	if (s->in != NULL)
		mqev_ids_clear(&s->in->qos2);
}

static bool
is_not_taken(uint16_t mid, void *value, void *arg)
{
	(void)mid;
	(void)arg;
	return ((uintptr_t)value & TAKEN) == 0;
}

void
mqev_inbox_closed(struct mqev_session *s)
{
	struct mqev_inbox *in = s->in;

	if (in == NULL)
		return;
	/* What the application holds is to be delivered again when the server sends it again. */
	mqev_ids_remove_if(&in->qos2, is_not_taken, in);
	mqev_owed_forget(in);
	mqev_inbox_forget_aliases(in);
	in->connection++;
	in->open = 0;
	mqev_inbox_trim(s);
}

void
mqev_inbox_free(struct mqev_session *s)
{
	if (s->in == NULL)
		return;
	mqev_owed_forget(s->in);
	mqev_inbox_forget_aliases(s->in);
	mqev_ids_clear(&s->in->qos2);
	mqev_free(s->in);
	s->in = NULL;
}

void
mqev_inbox_trim(struct mqev_session *s)
{
	const struct mqev_inbox *in = s->in;

	if (in != NULL && in->qos2.count == 0 && in->aliases == NULL && in->owed[0].head == NULL &&
	    in->owed[1].head == NULL)
		mqev_inbox_free(s);
}
