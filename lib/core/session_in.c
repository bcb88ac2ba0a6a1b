/* Messages from the server: each delivered once as its QoS says, acknowledged in the order in which
 * they came. */
#include "core/session_internal.h"

#include <string.h>

#include "core/mem.h"

static struct mqev_inbox *
inbox_of(struct mqev_session *s)
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

static bool
deliver(struct mqev_session *s, const struct mqev_publish_packet *p)
{
	struct mqev_properties view = mqev_properties_view(p->properties);
	struct mqev_message message = {
	    .size = sizeof(message),
	    .topic = terminate(p->topic),
	    .topic_len = p->topic.len,
	    .payload = p->payload.data,
	    .payload_len = p->payload.len,
	    .qos = p->qos,
	    .retain = p->retain,
	    .dup = p->dup,
	    .mid = p->mid,
	    .properties = &view,
	    .received_ms = s->last_received_ms,
	};

	bool delivered;

	s->delivering = &message;
	delivered = s->events->message(s->owner, &message);
	s->delivering = NULL;
	if (!delivered)
		mqev_session_no_memory(s);
	return delivered;
}

/* --- PUBLISH -----------------------------------------------------------------------------------
 */

/* The count begins anew with each connection (4.9), and there is none before 5.0. */
static bool
quota_exceeded(struct mqev_session *s)
{
	if (s->version != MQEV_V5 || s->in == NULL ||
	    s->in->open < s->settings->receive_maximum)
		return false;
	mqev_session_fail(s, MQEV_ERR_PROTOCOL, MQEV_REASON_RECEIVE_MAXIMUM_EXCEEDED,
	    "more messages in flight than Receive Maximum [MQTT-3.3.4-9]");
	return true;
}

static void
receive_qos0(struct mqev_session *s, const struct mqev_publish_packet *p)
{
	deliver(s, p);
}

static void
receive_qos1(struct mqev_session *s, const struct mqev_publish_packet *p)
{
	uint16_t mid = p->mid;

	if (quota_exceeded(s))
		return;
	deliver(s, p);
	if (s->state == MQEV_SESSION_CONNECTED)
		mqev_session_send_ack(s, MQEV_PACKET_PUBACK, mid, MQEV_REASON_SUCCESS);
}

static void *
this_connection(const struct mqev_inbox *in)
{
	return (void *)in->connection;
}

/* Received before, on this connection or an earlier one. */
static bool
is_recorded(const struct mqev_session *s, uint16_t mid, bool *here)
{
	const void *recorded = s->in != NULL ? mqev_ids_get(&s->in->qos2, mid) : NULL;

	*here = recorded != NULL && recorded == this_connection(s->in);
	return recorded != NULL;
}

/* False when memory ran out; not for one that is recorded already. */
static bool
record(struct mqev_session *s, uint16_t mid)
{
	if (inbox_of(s) == NULL)
		return false;
	mqev_ids_remove(&s->in->qos2, mid);
	if (!mqev_ids_put(&s->in->qos2, mid, this_connection(s->in)))
		return false;
	s->in->open++;
	return true;
}

/* Not delivered: the server is to send it again. */
static void
unrecord(struct mqev_session *s, uint16_t mid)
{
	if (s->in == NULL)
		return;
	mqev_ids_remove(&s->in->qos2, mid);
	s->in->open--;
}

static void
receive_qos2(struct mqev_session *s, const struct mqev_publish_packet *p)
{
	uint16_t mid = p->mid;
	bool here;
	bool repeat = is_recorded(s, mid, &here);

	if (!here) {
		if (quota_exceeded(s))
			return;
		if (!record(s, mid)) {
			mqev_session_no_memory(s);
			return;
		}
	}
	if (!repeat && !deliver(s, p))
		unrecord(s, mid);
	if (s->state == MQEV_SESSION_CONNECTED)
		mqev_session_send_ack(s, MQEV_PACKET_PUBREC, mid, MQEV_REASON_SUCCESS);
}

static bool
alias_fault(struct mqev_session *s, const struct mqev_publish_packet *p)
{
	struct mqev_properties view = mqev_properties_view(p->properties);

	if (p->properties.len == 0 || mqev_properties_integer(&view, MQEV_PROP_TOPIC_ALIAS, 0) == 0)
		return false;
	mqev_session_fail(s, MQEV_ERR_PROTOCOL, MQEV_REASON_TOPIC_ALIAS_INVALID,
	    "a Topic Alias above the own maximum [MQTT-3.1.2-27]");
	return true;
}

void
mqev_session_on_publish(struct mqev_session *s, const struct mqev_packet *packet)
{
	static void (*const by_qos[])(struct mqev_session *, const struct mqev_publish_packet *) = {
	    receive_qos0, receive_qos1, receive_qos2};
	const struct mqev_publish_packet *p = &packet->u.publish;

	if (!alias_fault(s, p))
		by_qos[p->qos](s, p);
}

void
mqev_session_on_pubrel(struct mqev_session *s, const struct mqev_packet *packet)
{
	uint16_t mid = packet->u.ack.mid;
	bool here;
	bool known = is_recorded(s, mid, &here);

	if (known)
		mqev_ids_remove(&s->in->qos2, mid);
	if (here)
		s->in->open--;
	mqev_session_send_ack(s, MQEV_PACKET_PUBCOMP, mid,
	    known ? MQEV_REASON_SUCCESS : MQEV_REASON_PACKET_IDENTIFIER_NOT_FOUND);
}

/* --- the rest of its life ----------------------------------------------------------------------
 */

void
mqev_inbox_session_lost(struct mqev_session *s)
{
	if (s->in != NULL)
		mqev_ids_clear(&s->in->qos2);
}

void
mqev_inbox_closed(struct mqev_session *s)
{
	if (s->in != NULL) {
		s->in->connection++;
		s->in->open = 0;
	}
	mqev_inbox_trim(s);
}

void
mqev_inbox_free(struct mqev_session *s)
{
	if (s->in == NULL)
		return;
	mqev_ids_clear(&s->in->qos2);
	mqev_free(s->in);
	s->in = NULL;
}

void
mqev_inbox_trim(struct mqev_session *s)
{
	if (s->in != NULL && s->in->qos2.count == 0)
		mqev_inbox_free(s);
}
