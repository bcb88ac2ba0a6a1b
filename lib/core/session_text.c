/* Strings that the standard only advises against: which code points those are, and whether a
 * received packet has any. What is ill-formed was refused before. */
#include "core/session_internal.h"

#include "core/utf8.h"

/* The next code point of well-formed text. */
static uint32_t
next_point(const uint8_t *data, size_t *at)
{
	uint8_t lead = data[(*at)++];
	unsigned more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
	uint32_t point = more > 0 ? lead & (0x3Fu >> more) : lead;

	while (more-- > 0)
		point = point << 6 | (data[(*at)++] & 0x3Fu);
	return point;
}

/* U+0001 to U+001F, U+007F to U+009F, and the non-characters (1.5.4). */
static bool
is_discouraged(uint32_t point)
{
	return point < 0x20 || (point >= 0x7F && point <= 0x9F) ||
	       (point >= 0xFDD0 && point <= 0xFDEF) || (point & 0xFFFE) == 0xFFFE;
}

/* In 3.1 a string may be ill-formed. */
static bool
is_discouraged_text(const char *text, size_t len)
{
	const uint8_t *data = (const uint8_t *)text;
	size_t at = 0;

	if (!mqev_utf8_valid(data, len))
		return true;
	while (at < len) {
		if (is_discouraged(next_point(data, &at)))
			return true;
	}
	return false;
}

static bool
has_discouraged_property(struct mqev_bytes block)
{
	struct mqev_property p;
	size_t at = 0;

	while (mqev_property_read(block, &at, &p)) {
		if (p.type == MQEV_TYPE_PAIR && is_discouraged_text(p.name, p.name_len))
			return true;
		if ((p.type == MQEV_TYPE_PAIR || p.type == MQEV_TYPE_STRING) &&
		    is_discouraged_text(p.value, p.value_len))
			return true;
	}
	return false;
}

static struct mqev_bytes
properties_of(const struct mqev_packet *packet)
{
	switch (packet->type) {
	case MQEV_PACKET_CONNACK:
		return packet->u.connack.properties;
	case MQEV_PACKET_PUBLISH:
		return packet->u.publish.properties;
	case MQEV_PACKET_SUBACK:
	case MQEV_PACKET_UNSUBACK:
		return packet->u.suback.properties;
	case MQEV_PACKET_PUBACK:
	case MQEV_PACKET_PUBREC:
	case MQEV_PACKET_PUBREL:
	case MQEV_PACKET_PUBCOMP:
		return packet->u.ack.properties;
	case MQEV_PACKET_DISCONNECT:
	case MQEV_PACKET_AUTH:
		return packet->u.reason.properties;
	default:
		return (struct mqev_bytes){NULL, 0};
	}
}

bool
mqev_session_discouraged_text(const struct mqev_packet *packet)
{
	struct mqev_bytes topic = {NULL, 0};

	if (packet->type == MQEV_PACKET_PUBLISH)
		topic = packet->u.publish.topic;
	return is_discouraged_text((const char *)topic.data, topic.len) ||
	       has_discouraged_property(properties_of(packet));
}
