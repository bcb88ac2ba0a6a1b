/* The layouts of the packets that a client sends; what may stand in them was checked before. */
#include "core/encode.h"

#include <mqev/properties.h>

/* More than any packet may hold, yet sums of it do not wrap. */
#define TOO_LONG (UINT64_C(1) << 32)

static const uint8_t first_bytes[] = {
    [MQEV_PACKET_CONNECT] = 0x10,
    [MQEV_PACKET_PUBLISH] = 0x30,
    [MQEV_PACKET_PUBACK] = 0x40,
    [MQEV_PACKET_PUBREC] = 0x50,
    [MQEV_PACKET_PUBREL] = 0x62,
    [MQEV_PACKET_PUBCOMP] = 0x70,
    [MQEV_PACKET_SUBSCRIBE] = 0x82,
    [MQEV_PACKET_UNSUBSCRIBE] = 0xA2,
    [MQEV_PACKET_PINGREQ] = 0xC0,
    [MQEV_PACKET_DISCONNECT] = 0xE0,
    [MQEV_PACKET_AUTH] = 0xF0,
};

static uint64_t
rest_size(struct mqev_bytes bytes)
{
	return bytes.len > MQEV_VARINT_MAX ? TOO_LONG : bytes.len;
}

static uint64_t
binary_size(struct mqev_bytes bytes)
{
	return bytes.len > UINT16_MAX ? TOO_LONG : 2 + (uint64_t)bytes.len;
}

static uint64_t
block_size(struct mqev_bytes block)
{
	if (block.len > MQEV_VARINT_MAX)
		return TOO_LONG;
	return mqev_varint_size((uint32_t)block.len) + (uint64_t)block.len;
}

static uint64_t
block_size_in(enum mqev_version version, struct mqev_bytes block)
{
	return version == MQEV_V5 ? block_size(block) : 0;
}

static void
write_block(struct mqev_writer *w, struct mqev_bytes block)
{
	mqev_write_varint(w, block.len > MQEV_VARINT_MAX ? UINT32_MAX : (uint32_t)block.len);
	mqev_write_bytes(w, block.data, block.len);
}

static void
write_block_in(struct mqev_writer *w, enum mqev_version version, struct mqev_bytes block)
{
	if (version == MQEV_V5)
		write_block(w, block);
}

static size_t
packet_size(uint64_t body)
{
	if (body > MQEV_VARINT_MAX)
		return 0;
	return 1 + mqev_varint_size((uint32_t)body) + (size_t)body;
}

static void
write_header(struct mqev_writer *w, unsigned first, uint64_t body)
{
	mqev_write_u8(w, (uint8_t)first);
	mqev_write_varint(w, body > MQEV_VARINT_MAX ? UINT32_MAX : (uint32_t)body);
}

/* CONNECT */

static struct mqev_bytes
protocol_name(enum mqev_version version)
{
	static const uint8_t name_31[] = {'M', 'Q', 'I', 's', 'd', 'p'};
	static const uint8_t name[] = {'M', 'Q', 'T', 'T'};

	if (version == MQEV_V31)
		return (struct mqev_bytes){name_31, sizeof(name_31)};
	return (struct mqev_bytes){name, sizeof(name)};
}

static uint64_t
will_size(const struct mqev_connect_packet *p)
{
	if (!p->has_will)
		return 0;
	return block_size_in(p->version, p->will_properties) + binary_size(p->will_topic) +
	       binary_size(p->will_payload);
}

static uint64_t
connect_body(const struct mqev_connect_packet *p)
{
	uint64_t body = binary_size(protocol_name(p->version)) + 4;

	body += block_size_in(p->version, p->properties) + binary_size(p->client_id) + will_size(p);
	body += p->has_username ? binary_size(p->username) : 0;
	body += p->has_password ? binary_size(p->password) : 0;
	return body;
}

size_t
mqev_connect_size(const struct mqev_connect_packet *p)
{
	return packet_size(connect_body(p));
}

static uint8_t
connect_flags(const struct mqev_connect_packet *p)
{
	unsigned flags = p->clean_start ? 0x02 : 0;

	if (p->has_will)
		flags |= 0x04u | (p->will_qos & 3u) << 3 | (p->will_retain ? 0x20u : 0);
	if (p->has_password)
		flags |= 0x40;
	if (p->has_username)
		flags |= 0x80;
	return (uint8_t)flags;
}

static void
write_will(struct mqev_writer *w, const struct mqev_connect_packet *p)
{
	if (!p->has_will)
		return;
	write_block_in(w, p->version, p->will_properties);
	mqev_write_binary(w, p->will_topic);
	mqev_write_binary(w, p->will_payload);
}

void
mqev_connect_write(struct mqev_writer *w, const struct mqev_connect_packet *p)
{
	write_header(w, first_bytes[MQEV_PACKET_CONNECT], connect_body(p));
	mqev_write_binary(w, protocol_name(p->version));
	mqev_write_u8(w, (uint8_t)((unsigned)p->version | (p->bridge ? 0x80u : 0)));
	mqev_write_u8(w, connect_flags(p));
	mqev_write_u16(w, p->keepalive_s);
	write_block_in(w, p->version, p->properties);
	mqev_write_binary(w, p->client_id);
	write_will(w, p);
	if (p->has_username)
		mqev_write_binary(w, p->username);
	if (p->has_password)
		mqev_write_binary(w, p->password);
}

/* PUBLISH */

#define ALIAS_SIZE 3

/* The alias goes first, so that the list that was given keeps its end. */
static uint64_t
publish_properties_size(enum mqev_version version, const struct mqev_publish_packet *p)
{
	uint64_t size = p->properties.len + (p->alias != 0 ? ALIAS_SIZE : 0);

	if (version != MQEV_V5)
		return 0;
	if (size > MQEV_VARINT_MAX)
		return TOO_LONG;
	return mqev_varint_size((uint32_t)size) + size;
}

static void
write_publish_properties(struct mqev_writer *w, const struct mqev_publish_packet *p)
{
	uint64_t size = (uint64_t)p->properties.len + (p->alias != 0 ? ALIAS_SIZE : 0);

	mqev_write_varint(w, size > MQEV_VARINT_MAX ? UINT32_MAX : (uint32_t)size);
	if (p->alias != 0) {
		mqev_write_u8(w, MQEV_PROP_TOPIC_ALIAS);
		mqev_write_u16(w, p->alias);
	}
	mqev_write_bytes(w, p->properties.data, p->properties.len);
}

static uint64_t
publish_body(enum mqev_version version, const struct mqev_publish_packet *p)
{
	return binary_size(p->topic) + (p->qos > 0 ? 2 : 0) + publish_properties_size(version, p) +
	       rest_size(p->payload);
}

size_t
mqev_publish_size(enum mqev_version version, const struct mqev_publish_packet *p)
{
	return packet_size(publish_body(version, p));
}

void
mqev_publish_write_head(
    struct mqev_writer *writer, enum mqev_version version, const struct mqev_publish_packet *p)
{
	unsigned flags = (p->dup ? 8u : 0) | (p->qos & 3u) << 1 | (p->retain ? 1u : 0);
	/* To the compiler a byte that is written may change anything but what is local. */
	struct mqev_writer w = *writer;

	write_header(&w, first_bytes[MQEV_PACKET_PUBLISH] | flags, publish_body(version, p));
	mqev_write_binary(&w, p->topic);
	if (p->qos > 0)
		mqev_write_u16(&w, p->mid);
	if (version == MQEV_V5)
		write_publish_properties(&w, p);
	*writer = w;
}

/* What ends in a reason code and properties: PUBACK, PUBREC, PUBREL, PUBCOMP, DISCONNECT. */

static uint64_t
reason_size(enum mqev_version version, uint8_t reason, struct mqev_bytes properties)
{
	if (version != MQEV_V5)
		return 0;
	if (properties.len > 0)
		return 1 + block_size(properties);
	return reason != 0 ? 1 : 0;
}

static void
write_reason(
    struct mqev_writer *w, enum mqev_version version, uint8_t reason, struct mqev_bytes properties)
{
	uint64_t size = reason_size(version, reason, properties);

	if (size > 0)
		mqev_write_u8(w, reason);
	if (size > 1)
		write_block(w, properties);
}

static uint64_t
ack_body(enum mqev_version version, const struct mqev_ack_packet *p)
{
	return 2 + reason_size(version, p->reason, p->properties);
}

size_t
mqev_ack_size(enum mqev_version version, const struct mqev_ack_packet *p)
{
	return packet_size(ack_body(version, p));
}

void
mqev_ack_write(struct mqev_writer *w, enum mqev_version version, enum mqev_packet_type type,
    const struct mqev_ack_packet *p)
{
	write_header(w, first_bytes[type], ack_body(version, p));
	mqev_write_u16(w, p->mid);
	write_reason(w, version, p->reason, p->properties);
}

size_t
mqev_disconnect_size(enum mqev_version version, const struct mqev_reason_packet *p)
{
	return packet_size(reason_size(version, p->reason, p->properties));
}

void
mqev_disconnect_write(
    struct mqev_writer *w, enum mqev_version version, const struct mqev_reason_packet *p)
{
	write_header(
	    w, first_bytes[MQEV_PACKET_DISCONNECT], reason_size(version, p->reason, p->properties));
	write_reason(w, version, p->reason, p->properties);
}

/* AUTH: nothing may be left out, since it needs the method among its properties. */

size_t
mqev_auth_size(const struct mqev_reason_packet *p)
{
	return packet_size(1 + block_size(p->properties));
}

void
mqev_auth_write(struct mqev_writer *w, const struct mqev_reason_packet *p)
{
	write_header(w, first_bytes[MQEV_PACKET_AUTH], 1 + block_size(p->properties));
	mqev_write_u8(w, p->reason);
	write_block(w, p->properties);
}

/* SUBSCRIBE, UNSUBSCRIBE */

static uint64_t
filters_body(
    enum mqev_version version, const struct mqev_subscribe_packet *p, unsigned options_size)
{
	uint64_t body = 2 + block_size_in(version, p->properties);
	size_t i;

	for (i = 0; i < p->filter_count; i++)
		body += binary_size(p->filters[i].filter) + options_size;
	return body;
}

size_t
mqev_subscribe_size(enum mqev_version version, const struct mqev_subscribe_packet *p)
{
	return packet_size(filters_body(version, p, 1));
}

void
mqev_subscribe_write(
    struct mqev_writer *w, enum mqev_version version, const struct mqev_subscribe_packet *p)
{
	const uint8_t legal_options = version == MQEV_V5 ? 0xFF : 0x03;
	size_t i;

	write_header(w, first_bytes[MQEV_PACKET_SUBSCRIBE], filters_body(version, p, 1));
	mqev_write_u16(w, p->mid);
	write_block_in(w, version, p->properties);
	for (i = 0; i < p->filter_count; i++) {
		mqev_write_binary(w, p->filters[i].filter);
		mqev_write_u8(w, p->filters[i].options & legal_options);
	}
}

size_t
mqev_unsubscribe_size(enum mqev_version version, const struct mqev_subscribe_packet *p)
{
	return packet_size(filters_body(version, p, 0));
}

void
mqev_unsubscribe_write(
    struct mqev_writer *w, enum mqev_version version, const struct mqev_subscribe_packet *p)
{
	size_t i;

	write_header(w, first_bytes[MQEV_PACKET_UNSUBSCRIBE], filters_body(version, p, 0));
	mqev_write_u16(w, p->mid);
	write_block_in(w, version, p->properties);
	for (i = 0; i < p->filter_count; i++)
		mqev_write_binary(w, p->filters[i].filter);
}

void
mqev_pingreq_write(struct mqev_writer *w)
{
	write_header(w, first_bytes[MQEV_PACKET_PINGREQ], 0);
}
