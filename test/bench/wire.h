/* MQTT packets as bare bytes, for the null broker and for the peers that use no library: what is
 * built ahead of a run and the splitting of what comes in; no socket and no state lives here. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stddef.h>
#include <stdint.h>

enum wire_type {
	WIRE_CONNECT = 1,
	WIRE_CONNACK,
	WIRE_PUBLISH,
	WIRE_PUBACK,
	WIRE_PUBREC,
	WIRE_PUBREL,
	WIRE_PUBCOMP,
	WIRE_SUBSCRIBE,
	WIRE_SUBACK,
	WIRE_UNSUBSCRIBE,
	WIRE_UNSUBACK,
	WIRE_PINGREQ,
	WIRE_PINGRESP,
	WIRE_DISCONNECT,
	WIRE_AUTH
};

/* The first byte of a packet that carries an acknowledgement: PUBREL has a flag of its own. */
#define WIRE_FIRST_PUBACK 0x40
#define WIRE_FIRST_PUBREC 0x50
#define WIRE_FIRST_PUBREL 0x62
#define WIRE_FIRST_PUBCOMP 0x70

/* Bytes that a control packet built here needs at most, its topic or filter not counted. */
#define WIRE_OVERHEAD_MAX 32
#define WIRE_ACK_LEN 4

/* One packet inside the bytes that were received; body points into them. */
struct wire_packet {
	enum wire_type type;
	unsigned flags;
	const uint8_t *body;
	size_t body_len;
	/* the whole packet, its fixed header included */
	size_t total;
};

enum wire_result {
	WIRE_OK,
	/* the fixed header is not complete */
	WIRE_NEED_HEADER,
	/* the packet's fields are set, but the body is not complete */
	WIRE_NEED_BODY,
	WIRE_MALFORMED
};

/* Splits the packet at the beginning of p, which holds n bytes. */
static inline enum wire_result
wire_split(const uint8_t *p, size_t n, struct wire_packet *k)
{
	size_t len = 0, i = 1;
	unsigned shift = 0;

	do {
		if (i >= n)
			return WIRE_NEED_HEADER;
		if (i > 4)
			return WIRE_MALFORMED;
		len |= (size_t)(p[i] & 0x7f) << shift;
		shift += 7;
	} while (p[i++] & 0x80);
	k->type = (enum wire_type)(p[0] >> 4);
	k->flags = p[0] & 0x0fu;
	k->body = p + i;
	k->body_len = len;
	k->total = i + len;
	return k->total <= n ? WIRE_OK : WIRE_NEED_BODY;
}

static inline unsigned
wire_get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static inline uint8_t *
wire_put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static inline uint8_t *
wire_put_ack(uint8_t *p, unsigned first, unsigned mid)
{
	p[0] = (uint8_t)first;
	p[1] = 2;
	return wire_put16(p + 2, mid);
}

/* The parts of a PUBLISH that the peers without a library look at. */
struct wire_publish {
	unsigned qos;
	unsigned mid;
	const uint8_t *topic;
	size_t topic_len;
	/* what stands before the payload, within the body */
	size_t head_len;
	size_t payload_len;
};

/* Reads the head of a PUBLISH of which have bytes of the body are there. Returns WIRE_OK also when
 * only the payload is incomplete, and WIRE_NEED_BODY when more of the head is needed. */
enum wire_result
wire_read_publish(const struct wire_packet *k, size_t have, int version, struct wire_publish *out);

/* The variable byte integer at p: its length in bytes, 0 when incomplete or malformed. */
size_t wire_get_varint(const uint8_t *p, size_t n, size_t *value);

/* Each writes one packet to out and returns its length. out has room for WIRE_OVERHEAD_MAX bytes
 * and the text; version is 3, 4 or 5. */
size_t wire_put_connect(uint8_t *out, int version, const char *client_id, unsigned keepalive_s);
size_t
wire_put_subscribe(uint8_t *out, int version, unsigned mid, const char *filter, unsigned qos);
/* The head of a PUBLISH whose payload of payload_len bytes the caller adds. */
size_t wire_put_publish_head(
    uint8_t *out, int version, const char *topic, unsigned qos, unsigned mid, size_t payload_len);
/* Where in such a head the packet identifier stands. */
size_t wire_mid_offset(size_t head_len, int version);

/* A run of whole PUBLISH packets in one block, with the identifiers 1 to count when qos is not 0:
 * what is sent or answered in order can be sent from it over and over. */
struct wire_block {
	uint8_t *bytes;
	size_t packet_len;
	size_t count;
};

/* Returns 0, or -1 when there is no memory. */
int wire_block_init(struct wire_block *block, int version, const char *topic, unsigned qos,
    size_t payload_len, size_t count);
void wire_block_clear(struct wire_block *block);

#endif
