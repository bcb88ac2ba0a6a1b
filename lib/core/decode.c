/*
 * Packets from the server: the fixed header, then one function per packet type. What may come
 * when is not judged here.
 */
#include "core/decode.h"

#include <string.h>

#include <mqev/reason.h>

#include "core/properties.h"
#include "core/reason.h"
#include "core/topic.h"
#include "core/utf8.h"

#define ANY_LENGTH MQEV_VARINT_MAX

/* What the decoder of a packet type works on. */
struct decoder {
	enum mqev_version version;
	const struct mqev_frame *frame;
	struct mqev_reader r;
	struct mqev_packet *packet;
	struct mqev_fault *fault;
};

struct packet_rule {
	uint8_t versions; /* bit per version in which a server may send it */
	uint8_t flags;	  /* of the first byte; PUBLISH has a judge of its own */
	struct {
		uint32_t min;
		uint32_t max;
	} v3, v5; /* bounds of the Remaining Length */
	bool (*decode)(struct decoder *d);
};

static bool
fail(struct mqev_fault *fault, uint8_t reason, const char *text)
{
	fault->reason = reason;
	fault->text = text;
	return false;
}

static bool
malformed(struct mqev_fault *fault, const char *text)
{
	return fail(fault, MQEV_REASON_MALFORMED_PACKET, text);
}

static bool
protocol_error(struct mqev_fault *fault, const char *text)
{
	return fail(fault, MQEV_REASON_PROTOCOL_ERROR, text);
}

static bool
has_more(const struct decoder *d)
{
	return mqev_reader_left(&d->r) > 0;
}

/* True when all fields were there and nothing is left over. */
static bool
complete(struct decoder *d)
{
	if (d->r.failed)
		return malformed(d->fault, "a field runs past the Remaining Length");
	if (has_more(d))
		return malformed(d->fault, "bytes left over after the last field");
	return true;
}

static bool
mid_present(struct decoder *d, uint16_t mid)
{
	if (d->r.failed)
		return malformed(d->fault, "the packet identifier is cut off");
	return mid != 0 || protocol_error(d->fault, "packet identifier 0 [MQTT-2.2.1-4]");
}

static bool
reason_legal(struct decoder *d, uint8_t reason)
{
	if (mqev_reason_legal(reason, d->packet->type, MQEV_FROM_SERVER))
		return true;
	return protocol_error(d->fault, "reason code is not for this packet from a server");
}

/* Property length and block. found as in mqev_properties_check(). */
static bool
read_properties(struct decoder *d, struct mqev_bytes *block, uint64_t *found)
{
	*block = mqev_read_bytes(&d->r, mqev_read_varint(&d->r));
	if (d->r.failed)
		return malformed(d->fault, "property length is malformed or runs past the packet");
	return mqev_properties_check(*block, d->packet->type, MQEV_FROM_SERVER, found, d->fault);
}

/* CONNACK */

/* A server of 3.1.1 refuses version 5 in its own layout. */
static bool
decode_connack_foreign(struct decoder *d)
{
	struct mqev_connack_packet *p = &d->packet->u.connack;

	if (p->session_present || p->code != 1)
		return malformed(d->fault, "CONNACK without property length");
	p->reason = MQEV_REASON_UNSUPPORTED_PROTOCOL_VERSION;
	return true;
}

static bool
decode_connack_v5(struct decoder *d)
{
	struct mqev_connack_packet *p = &d->packet->u.connack;

	if (!has_more(d))
		return decode_connack_foreign(d);
	p->reason = p->code;
	return reason_legal(d, p->reason) && read_properties(d, &p->properties, NULL) &&
	       complete(d);
}

static bool
decode_connack(struct decoder *d)
{
	struct mqev_connack_packet *p = &d->packet->u.connack;
	uint8_t flags = mqev_read_u8(&d->r);

	*p = (struct mqev_connack_packet){.code = mqev_read_u8(&d->r)};
	/* In 3.1 this byte means nothing. */
	if (d->version != MQEV_V31) {
		if (flags > 1)
			return malformed(d->fault, "reserved CONNACK flag [MQTT-3.2.2-1]");
		p->session_present = flags == 1;
	}
	if (d->version == MQEV_V5)
		return decode_connack_v5(d);
	if (p->code > 5)
		return protocol_error(d->fault, "reserved CONNACK return code [MQTT-3.2.2-6]");
	p->reason = (uint8_t)mqev_reason_from_connack_code(p->code);
	return complete(d);
}

/* PUBLISH */

/* 3.1 has no rule for the bytes of a string, but none of its topics holds a wildcard either. */
static bool
topic_legal(struct decoder *d, struct mqev_bytes topic)
{
	if (d->r.failed)
		return malformed(d->fault, "the topic name runs past the Remaining Length");
	if (topic.len == 0)
		return d->version == MQEV_V5 ||
		       protocol_error(d->fault, "empty topic name [MQTT-4.7.3-1]");
	if (mqev_topic_name_plain(topic))
		return true;
	if (d->version != MQEV_V31 && !mqev_utf8_valid(topic.data, topic.len))
		return malformed(d->fault, "ill-formed UTF-8 in the topic name [MQTT-3.3.2-1]");
	if (memchr(topic.data, '+', topic.len) != NULL ||
	    memchr(topic.data, '#', topic.len) != NULL)
		return malformed(d->fault, "wildcard in the topic name [MQTT-3.3.2-2]");
	return true;
}

static bool
read_publish_properties(struct decoder *d, struct mqev_publish_packet *p)
{
	uint64_t found = 0;

	if (!read_properties(d, &p->properties, &found))
		return false;
	if (p->topic.len == 0 && (found & MQEV_PROP_BIT(MQEV_PROP_TOPIC_ALIAS)) == 0)
		return protocol_error(
		    d->fault, "neither topic name nor Topic Alias [MQTT-3.3.2-8]");
	return true;
}

static bool
decode_publish(struct decoder *d)
{
	struct mqev_publish_packet *p = &d->packet->u.publish;

	*p = (struct mqev_publish_packet){
	    .dup = (d->frame->first & 8) != 0,
	    .retain = (d->frame->first & 1) != 0,
	    .qos = d->frame->first >> 1 & 3,
	};
	p->topic = mqev_read_binary(&d->r);
	if (!topic_legal(d, p->topic))
		return false;
	if (p->qos > 0) {
		p->mid = mqev_read_u16(&d->r);
		if (!mid_present(d, p->mid))
			return false;
	}
	if (d->version == MQEV_V5 && !read_publish_properties(d, p))
		return false;
	p->payload = mqev_read_rest(&d->r);
	return true;
}

/*
 * PUBACK, PUBREC, PUBREL, PUBCOMP, DISCONNECT, AUTH: a reason code and properties, each of
 * which may be left out.
 */

static bool
read_reason(struct decoder *d, uint8_t *reason, struct mqev_bytes *properties, uint64_t *found)
{
	*reason = MQEV_REASON_SUCCESS;
	*properties = (struct mqev_bytes){NULL, 0};
	if (d->version != MQEV_V5 || !has_more(d))
		return complete(d);
	*reason = mqev_read_u8(&d->r);
	if (!reason_legal(d, *reason))
		return false;
	if (has_more(d) && !read_properties(d, properties, found))
		return false;
	return complete(d);
}

static bool
decode_ack(struct decoder *d)
{
	struct mqev_ack_packet *p = &d->packet->u.ack;

	p->mid = mqev_read_u16(&d->r);
	return mid_present(d, p->mid) && read_reason(d, &p->reason, &p->properties, NULL);
}

static bool
decode_disconnect(struct decoder *d)
{
	struct mqev_reason_packet *p = &d->packet->u.reason;

	return read_reason(d, &p->reason, &p->properties, NULL);
}

/* Nothing but an empty AUTH may lack its property length, and that one lacks the method. */
static bool
decode_auth(struct decoder *d)
{
	struct mqev_reason_packet *p = &d->packet->u.reason;
	uint64_t found = 0;

	if (d->frame->body_len == 1)
		return malformed(d->fault, "AUTH without property length [MQTT-2.2.2-1]");
	if (!read_reason(d, &p->reason, &p->properties, &found))
		return false;
	if ((found & MQEV_PROP_BIT(MQEV_PROP_AUTHENTICATION_METHOD)) == 0)
		return protocol_error(
		    d->fault, "AUTH without Authentication Method [MQTT-4.12.0-5]");
	return true;
}

/* SUBACK, UNSUBACK */

static bool
granted(struct decoder *d, uint8_t code)
{
	if (d->version == MQEV_V5)
		return reason_legal(d, code);
	return code <= 2 || code == 0x80 ||
	       protocol_error(d->fault, "reserved SUBACK return code [MQTT-3.9.3-2]");
}

static bool
read_codes(struct decoder *d, struct mqev_suback_packet *p)
{
	size_t i;

	p->codes = mqev_read_rest(&d->r);
	if (p->codes.len == 0)
		return malformed(d->fault, "no reason code [MQTT-3.8.4-6] [MQTT-3.11.3-1]");
	for (i = 0; i < p->codes.len; i++)
		if (!granted(d, p->codes.data[i]))
			return false;
	return true;
}

static bool
decode_suback(struct decoder *d)
{
	struct mqev_suback_packet *p = &d->packet->u.suback;

	*p = (struct mqev_suback_packet){.mid = mqev_read_u16(&d->r)};
	if (!mid_present(d, p->mid))
		return false;
	if (d->version == MQEV_V5 && !read_properties(d, &p->properties, NULL))
		return false;
	return read_codes(d, p);
}

static bool
decode_unsuback(struct decoder *d)
{
	struct mqev_suback_packet *p = &d->packet->u.suback;

	if (d->version == MQEV_V5)
		return decode_suback(d);
	*p = (struct mqev_suback_packet){.mid = mqev_read_u16(&d->r)};
	return mid_present(d, p->mid) && complete(d);
}

/* PINGRESP */

static bool
decode_empty(struct decoder *d)
{
	return complete(d);
}

/* The types of packets and the fixed header */

#define VERSION_BIT(version) (1u << (version))

enum { V5 = VERSION_BIT(MQEV_V5), ALL = VERSION_BIT(MQEV_V31) | VERSION_BIT(MQEV_V311) | V5 };

static const struct packet_rule rules[16] = {
    [MQEV_PACKET_CONNACK] = {ALL, 0, {2, 2}, {2, ANY_LENGTH}, decode_connack},
    [MQEV_PACKET_PUBLISH] = {ALL, 0, {2, ANY_LENGTH}, {3, ANY_LENGTH}, decode_publish},
    [MQEV_PACKET_PUBACK] = {ALL, 0, {2, 2}, {2, ANY_LENGTH}, decode_ack},
    [MQEV_PACKET_PUBREC] = {ALL, 0, {2, 2}, {2, ANY_LENGTH}, decode_ack},
    [MQEV_PACKET_PUBREL] = {ALL, 2, {2, 2}, {2, ANY_LENGTH}, decode_ack},
    [MQEV_PACKET_PUBCOMP] = {ALL, 0, {2, 2}, {2, ANY_LENGTH}, decode_ack},
    [MQEV_PACKET_SUBACK] = {ALL, 0, {3, ANY_LENGTH}, {4, ANY_LENGTH}, decode_suback},
    [MQEV_PACKET_UNSUBACK] = {ALL, 0, {2, 2}, {4, ANY_LENGTH}, decode_unsuback},
    [MQEV_PACKET_PINGRESP] = {ALL, 0, {0, 0}, {0, 0}, decode_empty},
    [MQEV_PACKET_DISCONNECT] = {V5, 0, {0, 0}, {0, ANY_LENGTH}, decode_disconnect},
    [MQEV_PACKET_AUTH] = {V5, 0, {0, 0}, {0, ANY_LENGTH}, decode_auth},
};

static bool
publish_flags_legal(enum mqev_version version, uint8_t first, struct mqev_fault *fault)
{
	unsigned qos = first >> 1 & 3;

	if (qos == 3)
		return malformed(fault, "QoS 3 [MQTT-3.3.1-4]");
	if (qos == 0 && (first & 8) != 0 && version != MQEV_V31)
		return malformed(fault, "DUP at QoS 0 [MQTT-3.3.1-2]");
	return true;
}

/* 3.1 gives the flags of the other packets no meaning, and a retried PUBREL its DUP. */
static bool
flags_legal(enum mqev_version version, uint8_t first, struct mqev_fault *fault)
{
	unsigned type = first >> 4;

	if (type == MQEV_PACKET_PUBLISH)
		return publish_flags_legal(version, first, fault);
	if (version == MQEV_V31 || (first & 0x0F) == rules[type].flags)
		return true;
	return malformed(fault, "wrong flags in the fixed header [MQTT-2.1.3-1]");
}

static bool
first_byte_legal(enum mqev_version version, uint8_t first, struct mqev_fault *fault)
{
	unsigned type = first >> 4;

	if (type == 0)
		return malformed(fault, "packet type 0");
	if ((rules[type].versions & VERSION_BIT(version)) == 0)
		return protocol_error(fault, "a server may not send this packet");
	return flags_legal(version, first, fault);
}

static bool
length_legal(enum mqev_version version, const struct mqev_frame *frame, struct mqev_fault *fault)
{
	const struct packet_rule *rule = &rules[frame->first >> 4];
	uint32_t min = version == MQEV_V5 ? rule->v5.min : rule->v3.min;
	uint32_t max = version == MQEV_V5 ? rule->v5.max : rule->v3.max;

	if (frame->body_len < min)
		return malformed(fault, "Remaining Length is too short for this packet");
	return frame->body_len <= max ||
	       malformed(fault, "Remaining Length is too long for this packet");
}

/* The Remaining Length at data. Version 5 wants its shortest form, the older ones do not say. */
static enum mqev_frame_status
parse_length(enum mqev_version version, const uint8_t *data, size_t len, struct mqev_frame *frame,
    struct mqev_fault *fault)
{
	uint32_t value = 0;
	size_t i;

	for (i = 0; i < len && i < 4; i++) {
		value |= (uint32_t)(data[i] & 0x7F) << 7 * i;
		if ((data[i] & 0x80) != 0)
			continue;
		if (data[i] == 0 && i > 0 && version == MQEV_V5)
			break;
		frame->header_len = (uint8_t)(i + 2);
		frame->body_len = value;
		return MQEV_FRAME_WHOLE;
	}
	if (i == len && i < 4)
		return MQEV_FRAME_MORE;
	malformed(fault, "Remaining Length is not a Variable Byte Integer [MQTT-1.5.5-1]");
	return MQEV_FRAME_BAD;
}

enum mqev_frame_status
mqev_frame_parse(enum mqev_version version, const uint8_t *data, size_t len,
    struct mqev_frame *frame, struct mqev_fault *fault)
{
	enum mqev_frame_status status;

	if (len == 0)
		return MQEV_FRAME_MORE;
	if (!first_byte_legal(version, data[0], fault))
		return MQEV_FRAME_BAD;
	frame->first = data[0];
	status = parse_length(version, data + 1, len - 1, frame, fault);
	if (status == MQEV_FRAME_WHOLE && !length_legal(version, frame, fault))
		return MQEV_FRAME_BAD;
	return status;
}

bool
mqev_packet_decode(enum mqev_version version, const struct mqev_frame *frame, const uint8_t *data,
    struct mqev_packet *packet, struct mqev_fault *fault)
{
	struct decoder d = {.version = version, .frame = frame, .packet = packet, .fault = fault};
	unsigned type = frame->first >> 4;

	packet->type = (enum mqev_packet_type)type;
	packet->size = (size_t)frame->header_len + frame->body_len;
	mqev_reader_init(&d.r, data + frame->header_len, frame->body_len);
	return rules[type].decode(&d);
}
