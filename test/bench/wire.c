/* Building MQTT packets as bare bytes; splitting what comes in is in the header, to be inlined. */
#include "bench/wire.h"

#include <stdlib.h>
#include <string.h>

static uint8_t *
put_varint(uint8_t *p, size_t v)
{
	do {
		*p = (uint8_t)(v & 0x7f);
		v >>= 7;
		if (v)
			*p |= 0x80;
		p++;
	} while (v);
	return p;
}

static uint8_t *
put_text(uint8_t *p, const char *text)
{
	size_t len = strlen(text);

	p = wire_put16(p, (unsigned)len);
	memcpy(p, text, len);
	return p + len;
}

size_t
wire_get_varint(const uint8_t *p, size_t n, size_t *value)
{
	size_t i = 0, v = 0;

	do {
		if (i >= n || i > 3)
			return 0;
		v |= (size_t)(p[i] & 0x7f) << (7 * i);
	} while (p[i++] & 0x80);
	*value = v;
	return i;
}

/* The length of the property list at p, its own length field included; 0 when incomplete. */
static size_t
properties_len(const uint8_t *p, size_t n)
{
	size_t value, len = wire_get_varint(p, n, &value);

	return len ? len + value : 0;
}

enum wire_result
wire_read_publish(const struct wire_packet *k, size_t have, int version, struct wire_publish *out)
{
	size_t at, skip;

	out->qos = k->flags >> 1 & 3;
	if (k->body_len < 2 || out->qos == 3)
		return WIRE_MALFORMED;
	if (have < 2)
		return WIRE_NEED_BODY;
	out->topic_len = wire_get16(k->body);
	out->topic = k->body + 2;
	at = 2 + out->topic_len + (out->qos ? 2 : 0);
	if (have < at)
		return at > k->body_len ? WIRE_MALFORMED : WIRE_NEED_BODY;
	out->mid = out->qos ? wire_get16(k->body + at - 2) : 0;
	if (version >= 5) {
		skip = properties_len(k->body + at, have - at);
		if (!skip)
			return have < k->body_len ? WIRE_NEED_BODY : WIRE_MALFORMED;
		at += skip;
		if (have < at)
			return at > k->body_len ? WIRE_MALFORMED : WIRE_NEED_BODY;
	}
	out->head_len = at;
	out->payload_len = k->body_len - at;
	return WIRE_OK;
}

size_t
wire_put_connect(uint8_t *out, int version, const char *client_id, unsigned keepalive_s)
{
	const char *name = version == 3 ? "MQIsdp" : "MQTT";
	size_t len = 2 + strlen(name) + 4 + (version >= 5) + 2 + strlen(client_id);
	uint8_t *p = out;

	*p++ = WIRE_CONNECT << 4;
	p = put_varint(p, len);
	p = put_text(p, name);
	*p++ = (uint8_t)version;
	*p++ = 0x02; /* clean session, clean start */
	p = wire_put16(p, keepalive_s);
	if (version >= 5)
		*p++ = 0;
	p = put_text(p, client_id);
	return (size_t)(p - out);
}

size_t
wire_put_subscribe(uint8_t *out, int version, unsigned mid, const char *filter, unsigned qos)
{
	uint8_t *p = out;

	*p++ = WIRE_SUBSCRIBE << 4 | 2;
	p = put_varint(p, 2 + (size_t)(version >= 5) + 2 + strlen(filter) + 1);
	p = wire_put16(p, mid);
	if (version >= 5)
		*p++ = 0;
	p = put_text(p, filter);
	*p++ = (uint8_t)qos;
	return (size_t)(p - out);
}

size_t
wire_put_publish_head(
    uint8_t *out, int version, const char *topic, unsigned qos, unsigned mid, size_t payload_len)
{
	size_t head = 2 + strlen(topic) + (qos ? 2 : 0) + (version >= 5);
	uint8_t *p = out;

	*p++ = (uint8_t)(WIRE_PUBLISH << 4 | qos << 1);
	p = put_varint(p, head + payload_len);
	p = put_text(p, topic);
	if (qos)
		p = wire_put16(p, mid);
	if (version >= 5)
		*p++ = 0;
	return (size_t)(p - out);
}

size_t
wire_mid_offset(size_t head_len, int version)
{
	return head_len - 2 - (version >= 5);
}

int
wire_block_init(struct wire_block *block, int version, const char *topic, unsigned qos,
    size_t payload_len, size_t count)
{
	uint8_t head[WIRE_OVERHEAD_MAX + 256];
	size_t head_len = wire_put_publish_head(head, version, topic, qos, 0, payload_len);
	size_t i, mid_at = wire_mid_offset(head_len, version);
	uint8_t *p;

	block->packet_len = head_len + payload_len;
	block->count = count;
	block->bytes =
	    count <= SIZE_MAX / block->packet_len ? malloc(block->packet_len * count) : NULL;
	if (!block->bytes)
		return -1;
	for (i = 0, p = block->bytes; i < count; i++, p += block->packet_len) {
		if (qos)
			wire_put16(head + mid_at, (unsigned)(i + 1));
		memcpy(p, head, head_len);
		memset(p + head_len, 'x', payload_len);
	}
	return 0;
}

void
wire_block_clear(struct wire_block *block)
{
	free(block->bytes);
	memset(block, 0, sizeof *block);
}
