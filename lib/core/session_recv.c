/* Received bytes to packets, each to its handler; what may come in which state. */
#include "core/session.h"

#include "core/decode.h"
#include "core/session_gate.h"

static void
on_pingresp(struct mqev_session *s, const struct mqev_packet *packet)
{
	(void)packet; /* that anything came is what counts */
	if (s->pong_owed)
		mqev_histogram_add(&s->sink->tally.ping_ms, s->last_received_ms - s->last_ping_ms);
	s->pong_owed = false;
}

static void
on_disconnect(struct mqev_session *s, const struct mqev_packet *packet)
{
	mqev_session_end(
	    s, MQEV_ERR_DISCONNECTED, packet->u.reason.reason, "the server sent DISCONNECT");
	s->end.from_server = true;
	s->sink->events->disconnect(s, &packet->u.reason);
}

struct handler {
	void (*handle)(struct mqev_session *s, const struct mqev_packet *packet);
	bool before_connack;
	bool after_connack;
};

static const struct handler handlers[] = {
    [MQEV_PACKET_CONNACK] = {mqev_session_on_connack, true, false},
    [MQEV_PACKET_PUBLISH] = {mqev_session_on_publish, false, true},
    [MQEV_PACKET_PUBACK] = {mqev_session_on_puback, false, true},
    [MQEV_PACKET_PUBREC] = {mqev_session_on_pubrec, false, true},
    [MQEV_PACKET_PUBREL] = {mqev_session_on_pubrel, false, true},
    [MQEV_PACKET_PUBCOMP] = {mqev_session_on_pubcomp, false, true},
    [MQEV_PACKET_SUBACK] = {mqev_session_on_suback, false, true},
    [MQEV_PACKET_UNSUBACK] = {mqev_session_on_suback, false, true},
    [MQEV_PACKET_PINGRESP] = {on_pingresp, false, true},
    [MQEV_PACKET_DISCONNECT] = {on_disconnect, true, true},
    [MQEV_PACKET_AUTH] = {mqev_session_on_auth, true, true},
};

static const struct handler *
handler_of(uint8_t first)
{
	return &handlers[first >>
			 4]; /* the frame was judged: only types from the server get here */
}

static bool
allowed_now(const struct mqev_session *s, const struct handler *handler)
{
	if (s->gates != NULL && s->gates->connect_owed)
		return false;
	return s->state == MQEV_SESSION_CONNECTED ? handler->after_connack
						  : handler->before_connack;
}

static const char *
misplaced(const struct mqev_session *s)
{
	return s->state == MQEV_SESSION_CONNECTED ? "a second CONNACK [MQTT-3.2.0-2]"
						  : "another packet before CONNACK [MQTT-3.2.0-1]";
}

/* Judges the packet that begins at data: its size when it is all there, 0 when not yet (*need says
 * how much) or never. */
static size_t
whole_packet(
    struct mqev_session *s, const uint8_t *data, size_t len, struct mqev_frame *frame, size_t *need)
{
	struct mqev_fault fault = {0};
	size_t size;

	switch (mqev_frame_parse((enum mqev_version)s->version, data, len, frame, &fault)) {
	case MQEV_FRAME_MORE:
		return 0;
	case MQEV_FRAME_BAD:
		mqev_session_malformed(s, &fault);
		return 0;
	case MQEV_FRAME_WHOLE:
		break;
	}
	if (!allowed_now(s, handler_of(frame->first))) {
		mqev_session_protocol_error(s, misplaced(s));
		return 0;
	}
	size = (size_t)frame->header_len + frame->body_len;
	if (size > s->settings->max_packet_size) {
		mqev_session_fail(s, 0, MQEV_REASON_PACKET_TOO_LARGE,
		    "larger than the own Maximum Packet Size [MQTT-3.1.2-24]");
		return 0;
	}
	*need = size;
	return size <= len ? size : 0;
}

/* What was decoded, as far as packets with an identifier and those of a server's explanations go.
 */
struct common {
	uint16_t mid;
	struct mqev_bytes properties;
};

static struct common
common_of(const struct mqev_packet *packet)
{
	switch (packet->type) {
	case MQEV_PACKET_PUBLISH:
		return (struct common){.mid = packet->u.publish.mid};
	case MQEV_PACKET_PUBACK:
	case MQEV_PACKET_PUBREC:
	case MQEV_PACKET_PUBREL:
	case MQEV_PACKET_PUBCOMP:
		return (struct common){packet->u.ack.mid, packet->u.ack.properties};
	case MQEV_PACKET_SUBACK:
	case MQEV_PACKET_UNSUBACK:
		return (struct common){packet->u.suback.mid, packet->u.suback.properties};
	case MQEV_PACKET_AUTH:
		return (struct common){0, packet->u.reason.properties};
	default:
		return (struct common){0};
	}
}

/* After Request Problem Information 0 only PUBLISH, CONNACK and DISCONNECT may have a Reason String
 * or User Property ([MQTT-3.1.2-29]). */
static bool
unwanted_explanation(const struct mqev_session *s, struct mqev_bytes block)
{
	struct mqev_property property;
	size_t at = 0;

	if (!s->no_problem_information)
		return false;
	while (mqev_property_read(block, &at, &property)) {
		if (property.id == MQEV_PROP_REASON_STRING ||
		    property.id == MQEV_PROP_USER_PROPERTY)
			return true;
	}
	return false;
}

static void
handle_packet(struct mqev_session *s, const struct handler *handler, struct mqev_packet *packet)
{
	struct common common = common_of(packet);

	mqev_session_tell_packet(
	    s, false, packet->type, common.mid, packet->size, (union mqev_packet_view){&packet->u});
	/* The event may have ended all this. */
	if (s->state != MQEV_SESSION_CONNECTED && s->state != MQEV_SESSION_CONNECTING)
		return;
	if (unwanted_explanation(s, common.properties))
		mqev_session_protocol_error(
		    s, "Reason String or User Property unasked for [MQTT-3.1.2-29]");
	else
		handler->handle(s, packet);
}

static bool
decode(struct mqev_session *s, const struct mqev_frame *frame, const uint8_t *data,
    struct mqev_packet *packet)
{
	static const struct mqev_fault discouraged = {
	    MQEV_REASON_MALFORMED_PACKET, "code points that 1.5.4 advises against"};
	struct mqev_fault fault = {0};

	if (!mqev_packet_decode((enum mqev_version)s->version, frame, data, packet, &fault))
		mqev_session_malformed(s, &fault);
	else if (s->settings->strict_text && mqev_session_discouraged_text(packet))
		mqev_session_malformed(s, &discouraged);
	else
		return true;
	return false;
}

static size_t
receive_packet(struct mqev_session *s, uint8_t *data, size_t len, size_t *need)
{
	struct mqev_frame frame;
	struct mqev_packet packet;
	size_t size = whole_packet(s, data, len, &frame, need);

	if (size == 0 || !decode(s, &frame, data, &packet))
		return 0;
	packet.size = size;
	handle_packet(s, handler_of(frame.first), &packet);
	return size;
}

static bool
receiving(const struct mqev_session *s)
{
	return (s->state == MQEV_SESSION_CONNECTED || s->state == MQEV_SESSION_CONNECTING) &&
	       !mqev_session_is_paused(s);
}

size_t
mqev_session_receive(struct mqev_session *s, uint8_t *data, size_t len, uint64_t now, size_t *need)
{
	uint64_t written = s->written;
	size_t used = 0;
	size_t wanted = 0;

	s->last_received_ms = now;
	s->ping_sent_ms = 0;
	while (used < len && receiving(s)) {
		size_t n = receive_packet(s, data + used, len - used, &wanted);

		if (n == 0)
			break;
		used += n;
		wanted = 0;
	}
	s->bytes_in += used;
	s->sink->tally.bytes_in += used;
	if (s->written != written)
		s->last_sent_ms = now;
	s->partial = used < len && receiving(s);
	if (need != NULL)
		*need = wanted;
	return used;
}
