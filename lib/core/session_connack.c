/* CONNACK: accepted or refused, whether the session lives on, and the limits of the server. */
#include "core/session_gate.h"

static void
take_limits(struct mqev_session *s, const struct mqev_properties *p)
{
	struct mqev_server_limits *limits = &s->server;

	limits->receive_maximum =
	    (uint16_t)mqev_properties_integer(p, MQEV_PROP_RECEIVE_MAXIMUM, UINT16_MAX);
	limits->max_packet_size =
	    mqev_properties_integer(p, MQEV_PROP_MAXIMUM_PACKET_SIZE, UINT32_MAX);
	limits->topic_alias_maximum =
	    (uint16_t)mqev_properties_integer(p, MQEV_PROP_TOPIC_ALIAS_MAXIMUM, 0);
	limits->max_qos = mqev_properties_integer(p, MQEV_PROP_MAXIMUM_QOS, 2) & 3;
	limits->retain = mqev_properties_integer(p, MQEV_PROP_RETAIN_AVAILABLE, 1) != 0;
	limits->wildcard =
	    mqev_properties_integer(p, MQEV_PROP_WILDCARD_SUBSCRIPTION_AVAILABLE, 1) != 0;
	limits->shared =
	    mqev_properties_integer(p, MQEV_PROP_SHARED_SUBSCRIPTION_AVAILABLE, 1) != 0;
	limits->subscription_id =
	    mqev_properties_integer(p, MQEV_PROP_SUBSCRIPTION_IDENTIFIER_AVAILABLE, 1) != 0;
	s->keepalive_s =
	    (uint16_t)mqev_properties_integer(p, MQEV_PROP_SERVER_KEEP_ALIVE, s->keepalive_s);
	s->session_expiry_s =
	    mqev_properties_integer(p, MQEV_PROP_SESSION_EXPIRY_INTERVAL, s->session_expiry_s);
}

static bool
names_client(const struct mqev_properties *p)
{
	struct mqev_property id;

	return mqev_properties_find(p, MQEV_PROP_ASSIGNED_CLIENT_IDENTIFIER, &id) == 0 &&
	       id.value_len > 0;
}

/* What a server may not say in a CONNACK; NULL when all is well. */
static const char *
connack_fault(const struct mqev_session *s, const struct mqev_connack_packet *p)
{
	struct mqev_properties view = mqev_properties_view(p->properties);

	if (p->session_present && s->sent_clean)
		return "Session Present after Clean Start [MQTT-3.2.2-2]";
	if (p->session_present && !s->has_session)
		return "Session Present, but there is no session here [MQTT-3.2.2-4]";
	if (s->version != MQEV_V5)
		return NULL;
	if (s->sent_empty_id && !names_client(&view))
		return "no Assigned Client Identifier [MQTT-3.2.2-16]";
	return mqev_auth_connack_fault(s, &view);
}

static void
refused(struct mqev_session *s, const struct mqev_connack_packet *p)
{
	mqev_session_end(s, MQEV_ERR_REFUSED, p->reason, "the server refused the connection");
	s->sink->events->connack(s, p);
}

/* 3.1 has no Session Present: a session that was not asked to be clean is taken to be there. */
static bool
session_goes_on(const struct mqev_session *s, const struct mqev_connack_packet *p)
{
	if (s->version == MQEV_V31)
		return s->has_session && !s->sent_clean;
	return p->session_present;
}

/* Before 5.0 a clean session ends with its connection: what is in flight then would be lost, or
 * come twice. Such a CONNECT only ends what the server held, and another one begins a session that
 * stays. */
static bool
only_makes_room(const struct mqev_session *s)
{
	return s->version != MQEV_V5 && s->sent_clean && s->begin_anew &&
	       s->settings->clean == MQEV_SESSION_CLEAN_STRICT;
}

static void
accepted(struct mqev_session *s, const struct mqev_connack_packet *p)
{
	struct mqev_properties view = mqev_properties_view(p->properties);
	bool goes_on = session_goes_on(s, p);

	if (only_makes_room(s)) {
		mqev_session_make_room(s);
		return;
	}
	if (s->gates != NULL && !mqev_gate_connected(s, goes_on))
		return;
	take_limits(s, &view);
	s->state = MQEV_SESSION_CONNECTED;
	s->last_ping_ms = 0;
	s->begin_anew = s->made_room_once = false;
	s->accepted_once = true;
	if (goes_on) {
		mqev_outbox_resume(s);
	} else {
		mqev_inbox_session_lost(s);
		mqev_outbox_session_lost(s);
	}
	s->has_session = true;
	/* Each of these may end this connection, but it was accepted and that is told first. */
	s->sink->events->connack(s, p);
	mqev_outbox_fail_doomed(s);
	mqev_session_ask_pump(s);
}

void
mqev_session_on_connack(struct mqev_session *s, const struct mqev_packet *packet)
{
	const struct mqev_connack_packet *p = &packet->u.connack;
	struct mqev_properties view = mqev_properties_view(p->properties);
	const char *fault;

	if (p->reason >= 0x80) {
		refused(s, p);
		return;
	}
	fault = connack_fault(s, p);
	if (fault != NULL) {
		if (p->session_present && !s->has_session)
			s->begin_anew = true;
		mqev_session_protocol_error(s, fault);
		return;
	}
	if (mqev_auth_finish_connect(s, &view))
		accepted(s, p);
}
