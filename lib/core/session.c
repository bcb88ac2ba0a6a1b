/* The life of a connection as the session sees it: CONNECT, what is written, the end. Packets
 * received: session_recv.c; time: session_time.c. */
#include "core/session.h"

#include <string.h>

#include "core/encode.h"
#include "core/mem.h"
#include "core/session_gate.h"

void
mqev_session_init(struct mqev_session *s, enum mqev_version version,
    const struct mqev_session_settings *settings, struct mqev_sink *sink)
{
	memset(s, 0, sizeof(*s));
	s->settings = settings;
	s->sink = sink;
	s->version = (uint8_t)version;
	s->next_number = 1;
	s->expires_ms = UINT64_MAX;
	s->has_session = settings->clean == MQEV_SESSION_CLEAN_NEVER;
}

void
mqev_session_free(struct mqev_session *s, int error)
{
	s->state = MQEV_SESSION_IDLE;
	s->freed = true;
	mqev_auth_free(s, error);
	mqev_outbox_free(s, error);
	if (s->gates != NULL)
		mqev_gate_free(s);
}

void
mqev_session_release(struct mqev_session *s)
{
	mqev_inbox_free(s);
}

/* --- writing --------------------------------------------------------------------------------- */

bool
mqev_session_send_ack_packet(
    struct mqev_session *s, enum mqev_packet_type type, const struct mqev_ack_packet *ack)
{
	size_t size = mqev_ack_size((enum mqev_version)s->version, ack);
	struct mqev_writer w;

	if (!mqev_session_fits(s, size)) {
		mqev_session_abort(s, MQEV_ERR_TOO_LARGE,
		    "the server takes no acknowledgement of this size [MQTT-3.2.2-15]");
		return false;
	}
	if (!mqev_session_write(s, size, &w))
		return false;
	mqev_ack_write(&w, (enum mqev_version)s->version, type, ack);
	mqev_sink_commit(s->sink, size);
	mqev_session_wrote(s, type, ack->mid, size, (union mqev_packet_view){.ack = ack});
	return true;
}

bool
mqev_session_send_ack(
    struct mqev_session *s, enum mqev_packet_type type, uint16_t mid, uint8_t reason)
{
	struct mqev_ack_packet ack = {.mid = mid, .reason = reason};

	return mqev_session_send_ack_packet(s, type, &ack);
}

void
mqev_session_ask_pump(struct mqev_session *s)
{
	if (s->pump_asked || s->state != MQEV_SESSION_CONNECTED)
		return;
	s->pump_asked = true;
	s->sink->events->wants_pump(s);
}

/* --- the end of a connection -------------------------------------------------------------------
 */

void
mqev_session_end(struct mqev_session *s, int error, uint8_t reason, const char *text)
{
	if (s->state == MQEV_SESSION_ENDED || s->state == MQEV_SESSION_IDLE)
		return;
	s->state = MQEV_SESSION_ENDED;
	s->end = (struct mqev_session_end){.error = error, .reason = reason, .text = text};
}

void
mqev_session_abort(struct mqev_session *s, int error, const char *text)
{
	mqev_session_end(s, error, MQEV_REASON_UNSPECIFIED_ERROR, text);
}

static int
write_disconnect(struct mqev_session *s, const struct mqev_reason_packet *packet)
{
	size_t size = mqev_disconnect_size((enum mqev_version)s->version, packet);
	struct mqev_writer w;

	if (!mqev_session_fits(s, size))
		return MQEV_ERR_TOO_LARGE;
	if (!mqev_session_write(s, size, &w))
		return MQEV_ERR_NOMEM;
	mqev_disconnect_write(&w, (enum mqev_version)s->version, packet);
	mqev_sink_commit(s->sink, size);
	mqev_session_wrote(
	    s, MQEV_PACKET_DISCONNECT, 0, size, (union mqev_packet_view){.reason = packet});
	return 0;
}

void
mqev_session_make_room(struct mqev_session *s)
{
	static const struct mqev_reason_packet normally = {0};

	s->begin_anew = false;
	s->made_room = s->made_room_once = true;
	mqev_session_end(s, MQEV_ERR_SESSION_LOST, MQEV_REASON_SUCCESS,
	    "a session that is not ours was ended, to begin one that stays");
	/* The will is not for this. */
	write_disconnect(s, &normally);
}

static int
error_of_reason(uint8_t reason)
{
	if (reason == MQEV_REASON_MALFORMED_PACKET)
		return MQEV_ERR_MALFORMED;
	if (reason == MQEV_REASON_PACKET_TOO_LARGE)
		return MQEV_ERR_TOO_LARGE;
	return MQEV_ERR_PROTOCOL;
}

/* CONNECT has not been written yet. */
static bool
awaits_store(const struct mqev_session *s)
{
	return s->gates != NULL && s->gates->connect_owed;
}

void
mqev_session_fail(struct mqev_session *s, int error, uint8_t reason, const char *text)
{
	struct mqev_reason_packet packet = {.reason = reason};

	if (s->state != MQEV_SESSION_CONNECTING && s->state != MQEV_SESSION_CONNECTED)
		return;
	mqev_session_end(s, error != 0 ? error : error_of_reason(reason), reason, text);
	/* A DISCONNECT of 3.1.1 would mean a normal end and drop the will. */
	if (s->version == MQEV_V5 && !awaits_store(s))
		write_disconnect(s, &packet);
}

void
mqev_session_malformed(struct mqev_session *s, const struct mqev_fault *fault)
{
	mqev_session_fail(s, 0, fault->reason, fault->text);
}

void
mqev_session_protocol_error(struct mqev_session *s, const char *text)
{
	mqev_session_fail(s, 0, MQEV_REASON_PROTOCOL_ERROR, text);
}

/* Nothing can be written, so no DISCONNECT: the server sees a lost connection and keeps its half of
 * the session. */
void
mqev_session_no_memory(struct mqev_session *s)
{
	mqev_session_end(s, MQEV_ERR_NOMEM, MQEV_REASON_IMPLEMENTATION_SPECIFIC, "out of memory");
}

static bool
expiry_raised_from_zero(
    const struct mqev_session *s, struct mqev_bytes properties, uint32_t *expiry)
{
	struct mqev_properties view = mqev_properties_view(properties);

	*expiry =
	    mqev_properties_integer(&view, MQEV_PROP_SESSION_EXPIRY_INTERVAL, s->session_expiry_s);
	return *expiry > 0 && s->settings->session_expiry_s == 0;
}

/* Reason String and User Property give way to the server's Maximum Packet Size ([MQTT-3.14.2-3]),
 * the Session Expiry Interval does not: only its bytes stay in *properties. */
static void
keep_expiry_only(struct mqev_bytes *properties)
{
	struct mqev_property property;
	size_t at = 0;
	size_t next = 0;

	while (mqev_property_read(*properties, &next, &property)) {
		if (property.id == MQEV_PROP_SESSION_EXPIRY_INTERVAL) {
			*properties = (struct mqev_bytes){properties->data + at, next - at};
			return;
		}
		at = next;
	}
	properties->len = 0;
}

int
mqev_session_disconnect(
    struct mqev_session *s, uint8_t reason, struct mqev_bytes properties, uint64_t now)
{
	struct mqev_reason_packet packet = {.reason = reason, .properties = properties};
	uint32_t expiry;
	int error;

	if (s->state != MQEV_SESSION_CONNECTED)
		return MQEV_ERR_STATE;
	if (expiry_raised_from_zero(s, properties, &expiry))
		return MQEV_ERR_INVALID;
	if (!mqev_session_fits(s, mqev_disconnect_size((enum mqev_version)s->version, &packet)))
		keep_expiry_only(&packet.properties);
	s->last_sent_ms = now;
	mqev_session_end(s, 0, reason, "disconnected by the application");
	error = write_disconnect(s, &packet);
	if (error != 0)
		s->end.error = error;
	else
		s->session_expiry_s = expiry;
	return error;
}

static uint64_t
when_session_ends(const struct mqev_session *s, uint64_t now)
{
	if (s->version != MQEV_V5)
		return s->sent_clean ? now : UINT64_MAX;
	if (s->session_expiry_s == UINT32_MAX)
		return UINT64_MAX;
	return now + (uint64_t)s->session_expiry_s * 1000;
}

void
mqev_session_closed(struct mqev_session *s, uint64_t now)
{
	bool was_accepted = s->server.receive_maximum != 0;

	if (s->state == MQEV_SESSION_IDLE)
		return;
	s->state = MQEV_SESSION_IDLE;
	if (was_accepted)
		s->expires_ms = when_session_ends(s, now);
	s->partial = false;
	s->rested = false;
	s->pump_asked = false;
	s->ping_sent_ms = 0;
	if (s->gates != NULL)
		mqev_gate_closed(s, was_accepted);
	mqev_inbox_closed(s);
	mqev_auth_closed(s);
	mqev_outbox_closed(s);
}

/* --- CONNECT -----------------------------------------------------------------------------------
 */

static bool
wants_clean(const struct mqev_session *s)
{
	switch (s->settings->clean) {
	case MQEV_SESSION_CLEAN_ALWAYS:
		return true;
	case MQEV_SESSION_CLEAN_FIRST_ONLY:
		return s->begin_anew || !s->accepted_once;
	case MQEV_SESSION_CLEAN_NEVER:
	case MQEV_SESSION_CLEAN_STRICT:
		break;
	}
	return s->begin_anew;
}

struct number_property {
	enum mqev_property_id id;
	uint32_t value;
	bool wanted;
};

static size_t
write_numbers(struct mqev_writer *w, const struct number_property *list, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++) {
		struct mqev_property property = {.id = list[i].id,
		    .type = (enum mqev_property_type)mqev_property_type((int)list[i].id),
		    .integer = list[i].value};
		if (!list[i].wanted)
			continue;
		size += mqev_property_size(&property);
		if (w != NULL)
			mqev_property_write(w, &property);
	}
	return size;
}

/* One byte, the four of the largest Remaining Length, and that many. */
#define LARGEST_PACKET (5 + MQEV_VARINT_MAX)

static size_t
auth_size(const struct mqev_session *s, struct mqev_bytes data)
{
	return s->exchange != NULL ? mqev_auth_properties_size(s, data) : 0;
}

/* The properties that settings make, then the application's own. A block of its own, to be freed.
 */
static bool
connect_properties(
    const struct mqev_session *s, struct mqev_bytes auth_data, struct mqev_bytes *block)
{
	const struct mqev_session_settings *set = s->settings;
	const struct number_property numbers[] = {
	    {MQEV_PROP_SESSION_EXPIRY_INTERVAL, set->session_expiry_s, set->session_expiry_s > 0},
	    {MQEV_PROP_RECEIVE_MAXIMUM, set->receive_maximum, set->receive_maximum < UINT16_MAX},
	    {MQEV_PROP_MAXIMUM_PACKET_SIZE, set->max_packet_size,
		set->max_packet_size < LARGEST_PACKET},
	    {MQEV_PROP_TOPIC_ALIAS_MAXIMUM, set->topic_alias_maximum, set->topic_alias_maximum > 0},
	    {MQEV_PROP_REQUEST_RESPONSE_INFORMATION, 1, set->request_response_information},
	};
	size_t count = sizeof(numbers) / sizeof(numbers[0]);
	size_t size = write_numbers(NULL, numbers, count) + auth_size(s, auth_data) +
		      set->connect_properties.len;
	struct mqev_writer w;
	uint8_t *data = mqev_malloc(size);

	if (data == NULL)
		return false;
	mqev_writer_init(&w, data, size);
	write_numbers(&w, numbers, count);
	if (s->exchange != NULL)
		mqev_auth_properties_write(s, auth_data, &w);
	mqev_write_bytes(&w, set->connect_properties.data, set->connect_properties.len);
	*block = (struct mqev_bytes){data, size};
	return true;
}

static struct mqev_bytes
bytes_of(const char *text)
{
	return (struct mqev_bytes){(const uint8_t *)text, text != NULL ? strlen(text) : 0};
}

static void
fill_login(const struct mqev_session *s, const struct mqev_session_login *login,
    struct mqev_connect_packet *p)
{
	const struct mqev_session_settings *set = s->settings;

	p->has_username = set->has_username;
	p->username = set->username;
	p->has_password = set->has_password;
	p->password = set->password;
	if (login != NULL && !p->has_username && !p->has_password) {
		p->has_username = login->username != NULL;
		p->username = bytes_of(login->username);
		p->has_password = login->password != NULL;
		p->password = bytes_of(login->password);
	}
	/* [MQTT-3.1.2-22]: before 5.0 no password without a user name. */
	if (!p->has_username && s->version != MQEV_V5)
		p->has_password = false;
}

static void
fill_connect(
    const struct mqev_session *s, struct mqev_bytes client_id, struct mqev_connect_packet *p)
{
	const struct mqev_session_settings *set = s->settings;

	p->version = (enum mqev_version)s->version;
	p->bridge = set->bridge;
	p->clean_start = s->sent_clean;
	p->keepalive_s = set->keepalive_s;
	p->client_id = client_id;
	if (set->will != NULL) {
		p->has_will = true;
		p->will_qos = set->will->qos;
		p->will_retain = set->will->retain;
		p->will_topic = set->will->topic;
		p->will_payload = set->will->payload;
		p->will_properties = set->will->properties;
	}
}

static bool
write_connect(struct mqev_session *s, const struct mqev_connect_packet *p)
{
	size_t size = mqev_connect_size(p);
	struct mqev_writer w;

	if (!mqev_session_write(s, size, &w))
		return false;
	mqev_connect_write(&w, p);
	mqev_sink_commit(s->sink, size);
	mqev_session_wrote(s, MQEV_PACKET_CONNECT, 0, size, (union mqev_packet_view){.connect = p});
	return true;
}

static bool
asks_for_no_problem_information(const struct mqev_session *s)
{
	struct mqev_properties view = mqev_properties_view(s->settings->connect_properties);

	return s->version == MQEV_V5 &&
	       mqev_properties_integer(&view, MQEV_PROP_REQUEST_PROBLEM_INFORMATION, 1) == 0;
}

static void
begin_connection(struct mqev_session *s, uint64_t now)
{
	s->state = MQEV_SESSION_CONNECTING;
	s->end = (struct mqev_session_end){0};
	s->made_room = false;
	s->pong_owed = false;
	s->last_sent_ms = s->last_received_ms = now;
	s->ping_early_ms = 0;
	s->keepalive_s = s->settings->keepalive_s;
	s->session_expiry_s = s->settings->session_expiry_s;
	s->no_problem_information = asks_for_no_problem_information(s);
	memset(&s->server, 0, sizeof(s->server));
	if (s->expires_ms != UINT64_MAX && now >= s->expires_ms) {
		s->has_session = false;
		/* Before 5.0 a clean session ends with its connection: the next one may well be
		 * kept; but for one that has been refused. */
		s->begin_anew |= s->version == MQEV_V5;
	}
	s->sent_clean = wants_clean(s);
}

bool
mqev_session_connect(struct mqev_session *s, struct mqev_bytes client_id,
    const struct mqev_session_login *login, uint64_t now)
{
	struct mqev_connect_packet packet = {0};
	struct mqev_bytes auth_data;
	bool written;

	if (!awaits_store(s)) {
		begin_connection(s, now);
		if (s->gates != NULL && !mqev_gate_begin_connect(s))
			return false;
	}
	if (awaits_store(s) && !mqev_gate_may_connect(s))
		return s->state == MQEV_SESSION_CONNECTING;
	s->last_sent_ms = now;
	s->sent_empty_id = client_id.len == 0;
	if (!mqev_auth_begin_connect(s, &auth_data))
		return false;
	fill_connect(s, client_id, &packet);
	fill_login(s, login, &packet);
	if (s->version == MQEV_V5 && !connect_properties(s, auth_data, &packet.properties)) {
		mqev_session_no_memory(s);
		return false;
	}
	written = write_connect(s, &packet);
	if (packet.properties.data != NULL)
		mqev_free((void *)(uintptr_t)packet.properties.data);
	return written;
}
