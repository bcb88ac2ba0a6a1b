/* From an application's options to a client's settings: defaults and checks. Copies:
 * config_share.c.
 */
#include "client/config.h"

#include <string.h>

#include "client/limits.h"
#include "client/options.h"
#include "core/mem.h"
#include "core/properties.h"
#include "core/topic.h"
#include "core/utf8.h"

#define DEFAULT_KEEPALIVE_S 60
#define DEFAULT_CONNECT_MS 60000
#define DEFAULT_CONNACK_MS 10000
#define DEFAULT_PACKET_MS 30000
#define DEFAULT_RECONNECT_MIN_MS 1000
#define DEFAULT_RECONNECT_MAX_MS 120000
#define DEFAULT_MAX_INFLIGHT 100
/* There a server cannot say how many it takes, and mosquitto closes the connection beyond 20. */
#define DEFAULT_MAX_INFLIGHT_BEFORE_V5 20
#define LARGEST_INFLIGHT 64511
#define DEFAULT_MAX_QUEUED 100000
#define DEFAULT_MAX_QUEUED_BYTES ((size_t)64 << 20)
#define DEFAULT_MAX_REDIRECTS 4
#define DEFAULT_PREPARE_MS 30000
#define LARGEST_PACKET 268435460u
#define V31_LONGEST_ID 23

static uint32_t
or_default(uint32_t value, uint32_t fallback)
{
	return value != 0 ? value : fallback;
}

static struct mqev_bytes
bytes_of(const char *text)
{
	return (struct mqev_bytes){(const uint8_t *)text, text != NULL ? strlen(text) : 0};
}

static bool
utf8_field(struct mqev_bytes text)
{
	return text.len <= UINT16_MAX && mqev_utf8_valid(text.data, text.len);
}

/* Notes which option is refused, and why. */
static int
refuse(struct mqev_config *c, int error, const char *why)
{
	c->fault = why;
	return error;
}

static int
invalid(struct mqev_config *c, const char *why)
{
	return refuse(c, MQEV_ERR_INVALID, why);
}

/* A struct that the options point to. */
static int
take_struct(struct mqev_config *c, void *to, size_t size, const void *from, const char *why)
{
	int error = mqev_options_take(to, size, from);

	return error == 0 ? 0 : refuse(c, error, why);
}

bool
mqev_client_id_valid(enum mqev_version version, const char *text)
{
	struct mqev_bytes id = bytes_of(text);

	if (version == MQEV_V31 && id.len > V31_LONGEST_ID)
		return false;
	return id.len == 0 || utf8_field(id);
}

/* --- each group of options ---------------------------------------------------------------------
 */

static int
take_protocol(struct mqev_config *c, const struct mqev_options *o)
{
	switch (o->protocol) {
	case MQEV_PROTOCOL_DEFAULT:
		c->version = MQEV_V311;
		return 0;
	case MQEV_PROTOCOL_V31:
	case MQEV_PROTOCOL_V311:
	case MQEV_PROTOCOL_V5:
		c->version = (enum mqev_version)o->protocol;
		return 0;
	}
	return invalid(c, "protocol: unknown version");
}

/* A session that a store keeps is to live on, and once is once for all processes. Before 5.0 a
 * clean session would end with its connection. */
static enum mqev_session_clean
default_clean(const struct mqev_config *c, bool durable)
{
	if (durable && c->version != MQEV_V5)
		return MQEV_SESSION_CLEAN_STRICT;
	if (c->version == MQEV_V5 && c->session.session_expiry_s > 0)
		return MQEV_SESSION_CLEAN_FIRST_ONLY;
	return MQEV_SESSION_CLEAN_ALWAYS;
}

static int
take_session(struct mqev_config *c, const struct mqev_options *o)
{
	if ((int)o->clean < MQEV_CLEAN_DEFAULT || o->clean > MQEV_CLEAN_STRICT)
		return invalid(c, "clean: unknown value");
	if (o->session_expiry > 0 && c->version != MQEV_V5)
		return refuse(c, MQEV_ERR_UNSUPPORTED, "session_expiry: needs MQTT 5");
	c->session.session_expiry_s = o->session_expiry;
	if (o->store != NULL && o->session_expiry == 0 && c->version == MQEV_V5)
		c->session.session_expiry_s = UINT32_MAX;
	c->session.clean = o->clean == MQEV_CLEAN_DEFAULT ? default_clean(c, o->store != NULL)
							  : (enum mqev_session_clean)o->clean;
	/* [MQTT-3.1.3-7] before 5.0: the server cannot find a session again under no name. */
	if (c->version != MQEV_V5 && c->session.clean != MQEV_SESSION_CLEAN_ALWAYS &&
	    (o->client_id == NULL || o->client_id[0] == '\0'))
		return invalid(c, "client_id: a session that is kept needs one before MQTT 5");
	return mqev_client_id_valid(c->version, o->client_id)
		   ? 0
		   : invalid(c, "client_id: not UTF-8, or too long (3.1: 23 bytes, else 65,535)");
}

static int
take_store(struct mqev_config *c, const struct mqev_options *o)
{
	const char *name = o->store_name != NULL ? o->store_name : o->client_id;

	if ((int)o->durability < MQEV_DURABLE_DEFAULT || o->durability > MQEV_DURABLE_POWER)
		return invalid(c, "durability: unknown value");
	if ((int)o->inbox < MQEV_INBOX_DEFAULT || o->inbox > MQEV_INBOX_NONE)
		return invalid(c, "inbox: unknown value");
	c->session.inbox = (enum mqev_session_inbox)o->inbox;
	if (o->store != NULL && (name == NULL || name[0] == '\0'))
		return invalid(c, "store_name: needed where there is no client_id");
	return 0;
}

/* One that was not asked for gives way to a maximum that was. */
static uint32_t
default_min(uint32_t max_ms)
{
	return max_ms < DEFAULT_RECONNECT_MIN_MS ? max_ms : DEFAULT_RECONNECT_MIN_MS;
}

int
mqev_config_take_keepalive(struct mqev_config *c, const struct mqev_options *o)
{
	uint32_t keepalive =
	    o->keepalive == MQEV_NONE ? 0 : or_default(o->keepalive, DEFAULT_KEEPALIVE_S);

	if (keepalive > UINT16_MAX)
		return invalid(c, "keepalive: above 65,535 s");
	c->session.keepalive_s = (uint16_t)keepalive;
	return 0;
}

int
mqev_config_take_delays(struct mqev_config *c, const struct mqev_options *o)
{
	c->reconnect_max_ms = or_default(o->reconnect_max_ms, DEFAULT_RECONNECT_MAX_MS);
	c->reconnect_min_ms = or_default(o->reconnect_min_ms, default_min(c->reconnect_max_ms));
	return c->reconnect_min_ms <= c->reconnect_max_ms
		   ? 0
		   : invalid(c, "reconnect_min_ms: above reconnect_max_ms");
}

int
mqev_config_take_timeouts(struct mqev_config *c, const struct mqev_options *o)
{
	c->session.auth_timeout_ms = or_default(o->connack_timeout_ms, DEFAULT_CONNACK_MS);
	c->connack_ms = or_default(o->connack_timeout_ms, DEFAULT_CONNACK_MS);
	c->transport.total_ms = or_default(o->connect_timeout_ms, DEFAULT_CONNECT_MS);
	return 0;
}

/* 0 is the transport's own default. */
static void
take_stage_times(struct mqev_transport_config *t, const struct mqev_options *o)
{
	t->resolve_ms = o->resolve_timeout_ms;
	t->dial_ms = o->dial_timeout_ms;
	t->proxy_ms = o->proxy_timeout_ms;
	t->tls_ms = o->tls_timeout_ms;
	t->websocket_ms = o->websocket_timeout_ms;
}

static int
take_times(struct mqev_config *c, const struct mqev_options *o)
{
	c->session.packet_timeout_ms = or_default(o->packet_timeout_ms, DEFAULT_PACKET_MS);
	c->session.hold_timeout_ms = o->hold_timeout_ms == MQEV_NONE ? 0 : o->hold_timeout_ms;
	take_stage_times(&c->transport, o);
	c->min_uptime_ms = o->min_uptime_ms;
	c->no_reconnect = o->no_reconnect;
	return 0;
}

int
mqev_config_take_reconnect(struct mqev_config *c, const struct mqev_options *o)
{
	struct mqev_reconnect_options *r = &c->reconnect;
	int error;

	memset(r, 0, sizeof(*r));
	if (o->reconnect != NULL) {
		error = take_struct(c, r, sizeof(*r), o->reconnect,
		    "reconnect: size not set, or a member is unknown");
		if (error != 0)
			return error;
	}
	if ((int)r->jitter < 0 || r->jitter > MQEV_JITTER_NONE)
		return invalid(c, "reconnect.jitter: unknown value");
	r->size = 0; /* the same for all, whichever program it came from */
	r->max_redirects =
	    r->max_redirects == MQEV_NONE ? 0 : or_default(r->max_redirects, DEFAULT_MAX_REDIRECTS);
	r->prepare_timeout_ms = or_default(r->prepare_timeout_ms, DEFAULT_PREPARE_MS);
	return 0;
}

int
mqev_config_take_inflight(struct mqev_config *c, const struct mqev_options *o)
{
	c->session.max_inflight = or_default(o->max_inflight, DEFAULT_MAX_INFLIGHT);
	c->session.max_inflight_before_v5 =
	    o->max_inflight == 0 ? DEFAULT_MAX_INFLIGHT_BEFORE_V5 : 0;
	return c->session.max_inflight <= LARGEST_INFLIGHT
		   ? 0
		   : invalid(c, "max_inflight: above 64,511");
}

int
mqev_config_take_queue(struct mqev_config *c, const struct mqev_options *o)
{
	c->session.queue.max = mqev_limits_max(
	    o->max_queued, o->max_queued_bytes, DEFAULT_MAX_QUEUED, DEFAULT_MAX_QUEUED_BYTES);
	return 0;
}

int
mqev_config_take_queue_full(struct mqev_config *c, const struct mqev_options *o)
{
	if ((int)o->queue_full < 0 || o->queue_full > MQEV_QUEUE_FULL_DROP_EXPIRED)
		return invalid(c, "queue_full: unknown value");
	c->session.queue_full = (enum mqev_session_full)o->queue_full;
	return 0;
}

int
mqev_config_take_water(struct mqev_config *c, const struct mqev_options *o)
{
	int error = mqev_limits_take_marks(&c->session.queue, o->water);

	return error == 0 ? 0
			  : refuse(c, error, "water: a low mark without or above its high mark");
}

static int
take_limits(struct mqev_config *c, const struct mqev_options *o)
{
	if (o->receive_maximum > UINT16_MAX || o->topic_alias_maximum > UINT16_MAX ||
	    o->topic_aliases > UINT16_MAX)
		return invalid(
		    c, "receive_maximum, topic_alias_maximum, topic_aliases: above 65,535");
	c->session.receive_maximum = (uint16_t)or_default(o->receive_maximum, UINT16_MAX);
	c->session.max_packet_size = or_default(o->max_packet_size, LARGEST_PACKET);
	c->session.topic_alias_maximum = (uint16_t)o->topic_alias_maximum;
	c->session.topic_aliases = (uint16_t)o->topic_aliases;
	return 0;
}

int
mqev_config_take_offline(struct mqev_config *c, const struct mqev_options *o)
{
	if ((int)o->offline_qos0 < 0 || o->offline_qos0 > MQEV_OFFLINE_DROP)
		return invalid(c, "offline_qos0: unknown value");
	c->session.drop_offline_qos0 = o->offline_qos0 == MQEV_OFFLINE_DROP;
	c->session.reject_offline_qos0 = o->offline_qos0 == MQEV_OFFLINE_REJECT;
	return 0;
}

int
mqev_config_take_ping(struct mqev_config *c, const struct mqev_options *o)
{
	c->session.ping_timeout_ms = o->ping_timeout_ms;
	return 0;
}

int
mqev_config_take_ack_timeout(struct mqev_config *c, const struct mqev_options *o)
{
	if ((int)o->ack_timeout_action < 0 || o->ack_timeout_action > MQEV_ACK_TIMEOUT_RESEND)
		return invalid(c, "ack_timeout_action: unknown value");
	c->session.ack_timeout_ms = o->ack_timeout_ms == MQEV_NONE ? 0 : o->ack_timeout_ms;
	c->session.ack_action = (enum mqev_ack_action)o->ack_timeout_action;
	return 0;
}

static int
take_policies(struct mqev_config *c, const struct mqev_options *o)
{
	if ((int)o->lost_session_qos1 < 0 || o->lost_session_qos1 > MQEV_LOST_SESSION_FAIL ||
	    (int)o->lost_session_qos2 < 0 || o->lost_session_qos2 > MQEV_LOST_SESSION_FAIL)
		return invalid(c, "lost_session_qos1, lost_session_qos2: unknown value");
	if (o->ack_resends > UINT8_MAX)
		return invalid(c, "ack_resends: above 255");
	c->session.ack_resends = o->ack_resends;
	c->session.bridge = o->bridge;
	c->session.strict_text = o->strict_text;
	c->protocol_fallback = o->protocol_fallback;
	c->random_client_id = o->random_client_id;
	c->session.lost_qos1_fails = o->lost_session_qos1 == MQEV_LOST_SESSION_FAIL;
	c->session.lost_qos2_resends = o->lost_session_qos2 == MQEV_LOST_SESSION_RESEND;
	return 0;
}

static void
take_callbacks(struct mqev_config *c, const struct mqev_options *o)
{
	c->on_connect = o->on_connect;
	c->on_connect_fail = o->on_connect_fail;
	c->on_disconnect = o->on_disconnect;
	c->on_message = o->on_message;
	c->on_publish = o->on_publish;
	c->on_subscribe = o->on_subscribe;
	c->on_unsubscribe = o->on_unsubscribe;
	c->on_log = o->on_log;
	c->on_event = o->on_event;
	c->on_ack_timeout = o->on_ack_timeout;
	c->on_durable = o->on_durable;
	c->on_hold_timeout = o->on_hold_timeout;
	c->on_water = o->on_water;
	c->on_pre_connect = o->on_pre_connect;
	c->on_socket_open = o->on_socket_open;
	c->on_socket_register_write = o->on_socket_register_write;
	c->on_socket_unregister_write = o->on_socket_unregister_write;
	c->on_socket_close = o->on_socket_close;
}

int
mqev_config_take_login(struct mqev_config *c, const struct mqev_options *o)
{
	size_t password_len = o->password_len;

	if (o->password != NULL && password_len == 0)
		password_len = strlen(o->password);
	c->session.has_username = o->username != NULL;
	c->session.username = bytes_of(o->username);
	c->session.has_password = o->password != NULL;
	c->session.password =
	    (struct mqev_bytes){o->password, o->password != NULL ? password_len : 0};
	if (!utf8_field(c->session.username) || c->session.password.len > UINT16_MAX)
		return invalid(c, "username, password: not UTF-8, or longer than 65,535 bytes");
	/* [MQTT-3.1.2-22] before 5.0. */
	if (c->session.has_password && !c->session.has_username && c->version != MQEV_V5)
		return invalid(c, "password: without a user name it needs MQTT 5");
	return 0;
}

int
mqev_config_take_will(struct mqev_config *c, const struct mqev_options *o)
{
	struct mqev_will will;
	int error;

	c->session.will = NULL;
	memset(&c->will, 0, sizeof(c->will));
	if (o->will == NULL)
		return 0;
	error = take_struct(
	    c, &will, sizeof(will), o->will, "will: size not set, or a member is unknown");
	if (error != 0)
		return error;
	c->will.topic = bytes_of(will.topic);
	c->will.payload = (struct mqev_bytes){will.payload, will.payload_len};
	c->will.properties = mqev_properties_block(will.properties);
	c->will.qos = (uint8_t)will.qos;
	c->will.retain = will.retain;
	if (will.topic == NULL || !mqev_topic_name_ok(c->will.topic) || will.qos < 0 ||
	    will.qos > 2 || will.payload_len > UINT16_MAX ||
	    (will.payload == NULL && will.payload_len > 0) ||
	    !mqev_properties_sendable(will.properties, MQEV_PACKET_WILL))
		return invalid(c, "will: topic, qos, payload or properties cannot be sent");
	c->session.will = &c->will;
	return 0;
}

static int
take_auth(struct mqev_config *c, const struct mqev_options *o)
{
	int error;

	if (o->auth == NULL)
		return 0;
	error = take_struct(
	    c, &c->auth, sizeof(c->auth), o->auth, "auth: size not set, or a member is unknown");
	if (error != 0)
		return error;
	if (c->version != MQEV_V5)
		return refuse(c, MQEV_ERR_UNSUPPORTED, "auth: needs MQTT 5");
	/* Older versions would go on without it. */
	if (o->protocol_fallback)
		return invalid(c, "auth: not with protocol_fallback");
	c->session.auth_method = bytes_of(c->auth.method);
	c->session.auth = &c->auth;
	c->auth.method = NULL; /* not copied as a string; the bytes above are */
	return c->session.auth_method.len > 0 && utf8_field(c->session.auth_method)
		   ? 0
		   : invalid(c, "auth.method: empty, not UTF-8 or longer than 65,535 bytes");
}

/* These have members of their own in the options. */
static bool
sets_what_members_set(const struct mqev_properties *p)
{
	static const enum mqev_property_id ids[] = {MQEV_PROP_SESSION_EXPIRY_INTERVAL,
	    MQEV_PROP_RECEIVE_MAXIMUM, MQEV_PROP_MAXIMUM_PACKET_SIZE, MQEV_PROP_TOPIC_ALIAS_MAXIMUM,
	    MQEV_PROP_AUTHENTICATION_METHOD, MQEV_PROP_AUTHENTICATION_DATA};
	struct mqev_property found;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		if (mqev_properties_find(p, ids[i], &found) == 0)
			return true;
	}
	return false;
}

static bool
asks_for_response_information(const struct mqev_properties *p)
{
	struct mqev_property found;

	return mqev_properties_find(p, MQEV_PROP_REQUEST_RESPONSE_INFORMATION, &found) == 0;
}

int
mqev_config_take_properties(struct mqev_config *c, const struct mqev_options *o)
{
	if (!mqev_properties_sendable(o->connect_properties, MQEV_PACKET_CONNECT) ||
	    sets_what_members_set(o->connect_properties))
		return invalid(c, "connect_properties: not for CONNECT, or with a member of its "
				  "own in the options");
	c->session.request_response_information = o->request_response_information;
	if (o->request_response_information && asks_for_response_information(o->connect_properties))
		return invalid(c, "request_response_information: is in connect_properties too");
	c->session.connect_properties = mqev_properties_block(o->connect_properties);
	return 0;
}

int
mqev_config_take(struct mqev_config *c, const struct mqev_options *o)
{
	static int (*const steps[])(struct mqev_config *, const struct mqev_options *) = {
	    take_protocol, take_session, take_store, take_times, mqev_config_take_keepalive,
	    mqev_config_take_ping, mqev_config_take_ack_timeout, mqev_config_take_delays,
	    mqev_config_take_timeouts, take_limits, mqev_config_take_inflight,
	    mqev_config_take_queue, mqev_config_take_queue_full, mqev_config_take_water,
	    take_policies, mqev_config_take_offline, mqev_config_take_login, mqev_config_take_will,
	    take_auth, mqev_config_take_properties, mqev_config_take_net,
	    mqev_config_take_reconnect};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int error = steps[i](c, o);

		if (error != 0)
			return error;
	}
	take_callbacks(c, o);
	return 0;
}
