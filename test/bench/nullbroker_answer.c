/* What the null broker answers to each packet: a table by packet type. Bytes in, bytes out; no
 * socket here. */
#include "bench/nullbroker.h"

#include <string.h>
#include <time.h>

/* A PUBLISH from this size on is passed over instead of copied. */
#define LARGE_BYTES (16u * 1024)

/* Asking for the CPU time is a system call: not more often than this. */
#define BUSY_STEP_NS 10000000

#define REASON_BAD_VERSION 0x01
#define REASON_BAD_VERSION_V5 0x84
#define REASON_BAD_CLIENT_ID 0x02
#define REASON_BAD_CLIENT_ID_V5 0x85

static int64_t
clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void
nb_note_busy(struct nb *nb)
{
	struct nb_stats *s = &nb->stats;
	int64_t now = clock_ns(CLOCK_MONOTONIC);

	if (now - s->busy_to_ns < BUSY_STEP_NS)
		return;
	s->busy_to_ns = now;
	s->busy_cpu_to_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	if (!s->busy_from_ns) {
		s->busy_from_ns = s->busy_to_ns;
		s->busy_cpu_from_ns = s->busy_cpu_to_ns;
	}
}

static void
put(struct nb *nb, const uint8_t *bytes, size_t n)
{
	memcpy(nb->out + nb->out_len, bytes, n);
	nb->out_len += n;
}

static void
put_ack(struct nb *nb, unsigned first, unsigned mid)
{
	wire_put_ack(nb->out + nb->out_len, first, mid);
	nb->out_len += WIRE_ACK_LEN;
}

/* The fixed part of each property that a CONNECT may hold; -1: text, -2: two texts. */
struct connect_property {
	uint8_t id;
	int8_t size;
};

static const struct connect_property connect_properties[] = {
    {0x11, 4},	/* Session Expiry Interval */
    {0x15, -1}, /* Authentication Method */
    {0x16, -1}, /* Authentication Data */
    {0x17, 1},	/* Request Problem Information */
    {0x19, 1},	/* Request Response Information */
    {0x21, 2},	/* Receive Maximum */
    {0x22, 2},	/* Topic Alias Maximum */
    {0x26, -2}, /* User Property */
    {0x27, 4},	/* Maximum Packet Size */
};

static int
property_size(unsigned id)
{
	size_t i;

	for (i = 0; i < sizeof connect_properties / sizeof *connect_properties; i++)
		if (connect_properties[i].id == id)
			return connect_properties[i].size;
	return 0;
}

/* The length of the value at p, 0 when it does not fit into n bytes. */
static size_t
value_len(int size, const uint8_t *p, size_t n)
{
	size_t len = 0;

	if (size > 0)
		return (size_t)size <= n ? (size_t)size : 0;
	for (; size < 0; size++) {
		if (n < len + 2 || n < len + 2 + wire_get16(p + len))
			return 0;
		len += 2 + wire_get16(p + len);
	}
	return len;
}

/* Of all that a CONNECT can say, only Receive Maximum changes what is sent. */
static bool
read_connect_properties(struct nb_conn *c, const uint8_t *p, size_t n)
{
	size_t len;

	while (n) {
		len = value_len(property_size(p[0]), p + 1, n - 1);
		if (!len)
			return false;
		if (p[0] == 0x21)
			c->receive_max = wire_get16(p + 1);
		p += 1 + len;
		n -= 1 + len;
	}
	return c->receive_max > 0;
}

/* Reads up to the client identifier. Returns 0 or the refusal's reason code, -1 for a packet that
 * is not a CONNECT at all. */
static int
read_connect(struct nb_conn *c, const uint8_t *p, size_t n)
{
	size_t at, list_len, len_len;

	if (n < 2 || n < 2 + wire_get16(p) + 4u)
		return -1;
	at = 2 + wire_get16(p);
	c->version = p[at];
	if (c->version < 3 || c->version > 5)
		return c->version > 5 ? REASON_BAD_VERSION_V5 : REASON_BAD_VERSION;
	at += 4;
	c->receive_max = 65535;
	if (c->version == 5) {
		len_len = wire_get_varint(p + at, n - at, &list_len);
		if (!len_len || n - at - len_len < list_len ||
		    !read_connect_properties(c, p + at + len_len, list_len))
			return -1;
		at += len_len + list_len;
	}
	if (n < at + 2 || n < at + 2 + wire_get16(p + at))
		return -1;
	if (wire_get16(p + at))
		return 0;
	return c->version == 5 ? REASON_BAD_CLIENT_ID_V5 : REASON_BAD_CLIENT_ID;
}

static int
on_connect(struct nb *nb, struct nb_conn *c, const struct wire_packet *k)
{
	uint8_t connack[] = {WIRE_CONNACK << 4, 2, 0, 0, 0};
	int reason = c->connected ? -1 : read_connect(c, k->body, k->body_len);

	if (reason < 0)
		return -1;
	connack[1] = c->version >= 5 ? 3 : 2;
	connack[3] = (uint8_t)reason;
	put(nb, connack, 2u + connack[1]);
	c->ending = reason != 0;
	c->connected = reason == 0;
	if (!c->connected)
		return 0;
	nb->stats.connected_now++;
	if (nb->stats.connected_max < nb->stats.connected_now)
		nb->stats.connected_max = nb->stats.connected_now;
	return 0;
}

static bool
topic_is(const struct wire_publish *m, const char *topic)
{
	return m->topic_len == strlen(topic) && !memcmp(m->topic, topic, m->topic_len);
}

static int
on_request(
    struct nb *nb, struct nb_conn *c, const struct wire_packet *k, const struct wire_publish *m)
{
	if (topic_is(m, NB_TOPIC_DROP)) {
		nb->drop_wanted = true;
		return 0;
	}
	if (topic_is(m, NB_TOPIC_FLOOD))
		return nb_flood_start(nb, c, k->body + m->head_len, m->payload_len) ? 0 : -1;
	return 0;
}

static size_t
publish_answer(uint8_t *out, const struct wire_publish *m)
{
	if (m->qos == 0)
		return 0;
	wire_put_ack(out, m->qos == 1 ? WIRE_FIRST_PUBACK : WIRE_FIRST_PUBREC, m->mid);
	return WIRE_ACK_LEN;
}

static bool
is_request(const struct wire_publish *m)
{
	return m->topic_len && m->topic[0] == '$';
}

static void
count_message(struct nb *nb, const struct wire_publish *m)
{
	nb->stats.messages_in++;
	nb->stats.payload_bytes_in += m->payload_len;
}

static int
on_publish(struct nb *nb, struct nb_conn *c, const struct wire_packet *k)
{
	struct wire_publish m;

	if (wire_read_publish(k, k->body_len, c->version, &m) != WIRE_OK)
		return -1;
	nb->out_len += publish_answer(nb->out + nb->out_len, &m);
	if (is_request(&m))
		return on_request(nb, c, k, &m);
	count_message(nb, &m);
	return 0;
}

static int
on_puback(struct nb *nb, struct nb_conn *c, const struct wire_packet *k)
{
	if (k->body_len < 2)
		return -1;
	nb_flood_ack(nb, c, k->type, wire_get16(k->body));
	return 0;
}

static int
on_pubrel(struct nb *nb, struct nb_conn *c, const struct wire_packet *k)
{
	(void)c;
	if (k->body_len < 2)
		return -1;
	put_ack(nb, WIRE_FIRST_PUBCOMP, wire_get16(k->body));
	return 0;
}

/* Where the filters of a SUBSCRIBE or UNSUBSCRIBE begin; 0 when there is no such place. */
static size_t
filters_at(const struct nb_conn *c, const struct wire_packet *k)
{
	size_t value, len;

	if (k->body_len < 3)
		return 0;
	if (c->version < 5)
		return 2;
	len = wire_get_varint(k->body + 2, k->body_len - 2, &value);
	return len && 2 + len + value < k->body_len ? 2 + len + value : 0;
}

/* One code per filter: the QoS that was asked for, or success. Returns the number of codes. */
static size_t
put_codes(uint8_t *out, const struct wire_packet *k, size_t at, bool subscribe)
{
	size_t count = 0;

	while (at + 2 <= k->body_len) {
		at += 2 + wire_get16(k->body + at);
		if (subscribe && at >= k->body_len)
			break;
		out[count++] = subscribe ? k->body[at] & 3 : 0;
		at += subscribe;
	}
	return at == k->body_len ? count : 0;
}

static int
on_filters(struct nb *nb, struct nb_conn *c, const struct wire_packet *k)
{
	bool subscribe = k->type == WIRE_SUBSCRIBE;
	bool codes = subscribe || c->version >= 5;
	uint8_t *p = nb->out + nb->out_len, *body = p + 4;
	size_t at = filters_at(c, k), n, len;

	if (!at)
		return -1;
	/* a length of two bytes always does: NB_PART_MAX limits the packet, 16,383 the answer */
	memcpy(body, k->body, 2);
	body[2] = 0;
	body += 2 + (c->version >= 5);
	n = put_codes(body, k, at, subscribe);
	len = (size_t)(body - p) - 4 + (codes ? n : 0);
	if (!n || len > 16383)
		return -1;
	p[0] = (uint8_t)((subscribe ? WIRE_SUBACK : WIRE_UNSUBACK) << 4);
	if (len < 128) {
		p[1] = (uint8_t)len;
		memmove(p + 2, p + 4, len);
		nb->out_len += 2 + len;
		return 0;
	}
	p[1] = (uint8_t)((len & 0x7f) | 0x80);
	p[2] = (uint8_t)(len >> 7);
	memmove(p + 3, p + 4, len);
	nb->out_len += 3 + len;
	return 0;
}

static int
on_pingreq(struct nb *nb, struct nb_conn *c, const struct wire_packet *k)
{
	static const uint8_t pingresp[] = {WIRE_PINGRESP << 4, 0};

	(void)c;
	(void)k;
	nb->stats.pings++;
	put(nb, pingresp, sizeof pingresp);
	return 0;
}

static int
on_disconnect(struct nb *nb, struct nb_conn *c, const struct wire_packet *k)
{
	(void)nb;
	(void)k;
	c->ending = true;
	return 0;
}

typedef int (*answer_fn)(struct nb *, struct nb_conn *, const struct wire_packet *);

static const answer_fn answers[16] = {
    [WIRE_CONNECT] = on_connect,
    [WIRE_PUBLISH] = on_publish,
    [WIRE_PUBACK] = on_puback,
    [WIRE_PUBREC] = on_puback,
    [WIRE_PUBREL] = on_pubrel,
    [WIRE_PUBCOMP] = on_puback,
    [WIRE_SUBSCRIBE] = on_filters,
    [WIRE_UNSUBSCRIBE] = on_filters,
    [WIRE_PINGREQ] = on_pingreq,
    [WIRE_DISCONNECT] = on_disconnect,
};

static int
answer_one(struct nb *nb, struct nb_conn *c, const struct wire_packet *k)
{
	answer_fn answer = answers[k->type & 15];

	if (!answer || (!c->connected && k->type != WIRE_CONNECT))
		return -1;
	return answer(nb, c, k);
}

/* A large PUBLISH whose payload has not all come: its head is enough. Returns the bytes used up, 0
 * when the packet has to be complete first, -1 when it is malformed or too large for that. */
static int64_t
begin_large(struct nb *nb, struct nb_conn *c, const struct wire_packet *k, size_t n)
{
	size_t head = (size_t)(k->total - k->body_len);
	struct wire_publish m;
	enum wire_result r;

	if (k->type != WIRE_PUBLISH || k->total < LARGE_BYTES || !c->connected)
		return k->total > NB_PART_MAX ? -1 : 0;
	r = wire_read_publish(k, n - head, c->version, &m);
	if (r == WIRE_NEED_BODY)
		return n > NB_PART_MAX ? -1 : 0;
	if (r == WIRE_MALFORMED || is_request(&m))
		return -1;
	count_message(nb, &m);
	c->large = true;
	c->after_skip_len = publish_answer(c->after_skip, &m);
	c->skip = k->total - n;
	return (int64_t)n;
}

void
nb_skipped(struct nb *nb, struct nb_conn *c, size_t n)
{
	c->skip -= n;
	if (c->skip)
		return;
	put(nb, c->after_skip, c->after_skip_len);
	c->after_skip_len = 0;
}

static size_t
skip_payload(struct nb *nb, struct nb_conn *c, size_t n)
{
	size_t skip = c->skip < n ? c->skip : n;

	if (skip)
		nb_skipped(nb, c, skip);
	return skip;
}

int64_t
nb_answer(struct nb *nb, struct nb_conn *c, const uint8_t *p, size_t n)
{
	size_t at = skip_payload(nb, c, n);
	struct wire_packet k;
	enum wire_result r;
	int64_t used;

	c->large = false;
	while (at < n && !c->ending) {
		r = wire_split(p + at, n - at, &k);
		if (r == WIRE_NEED_HEADER)
			break;
		if (r == WIRE_NEED_BODY) {
			used = begin_large(nb, c, &k, n - at);
			return used < 0 ? -1 : (int64_t)at + used;
		}
		if (r == WIRE_MALFORMED || answer_one(nb, c, &k))
			return -1;
		at += k.total;
	}
	return (int64_t)at;
}
