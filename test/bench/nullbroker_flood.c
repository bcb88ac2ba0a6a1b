/* Floods: what a connection has still to be sent, and the acknowledgements that move its window.
 * Nothing is written to a socket here. */
#include "bench/nullbroker.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PIECE_BYTES (256u * 1024)

struct request {
	uint64_t total;
	size_t payload_len;
	unsigned qos;
	size_t window;
};

static bool
read_request(struct request *r, const uint8_t *text, size_t len)
{
	char line[128];

	if (len >= sizeof line)
		return false;
	memcpy(line, text, len);
	line[len] = '\0';
	if (sscanf(line, "%" SCNu64 " %zu %u %zu", &r->total, &r->payload_len, &r->qos,
		&r->window) != 4)
		return false;
	return r->total > 0 && r->payload_len <= NB_FLOOD_BYTES_MAX / 2 && r->qos <= 2 &&
	       r->window > 0;
}

/* How many packets the block holds: for QoS 0 enough for large writes, else one per identifier. */
static size_t
block_count(const struct request *r, const struct nb_conn *c)
{
	size_t each = r->payload_len + WIRE_OVERHEAD_MAX + sizeof NB_TOPIC_OUT;
	size_t count = r->window;

	if (r->qos == 0)
		return each < PIECE_BYTES ? PIECE_BYTES / each : 1;
	if (count > c->receive_max)
		count = c->receive_max;
	if (count > NB_FLOOD_BYTES_MAX / each)
		count = NB_FLOOD_BYTES_MAX / each;
	return count;
}

static bool
prepare_block(struct nb_flood *f, const struct request *r, const struct nb_conn *c)
{
	size_t count = block_count(r, c);

	if (f->block.bytes && f->qos == r->qos && f->payload_len == r->payload_len &&
	    f->block.count == count)
		return true;
	wire_block_clear(&f->block);
	if (wire_block_init(&f->block, c->version, NB_TOPIC_OUT, r->qos, r->payload_len, count))
		return false;
	return !c->ws.on || nb_ws_frame_block(&f->block);
}

bool
nb_flood_start(struct nb *nb, struct nb_conn *c, const uint8_t *text, size_t len)
{
	struct nb_flood *f = &c->flood;
	struct request r;

	if (f->active || !read_request(&r, text, len) || !prepare_block(f, &r, c))
		return false;
	f->qos = r.qos;
	f->payload_len = r.payload_len;
	f->total = r.total;
	f->sent_bytes = f->received = f->released = 0;
	f->active = true;
	nb_note_busy(nb);
	return true;
}

uint64_t
nb_flood_limit(const struct nb_flood *f)
{
	uint64_t messages = f->total;

	if (!f->active)
		return 0;
	if (f->qos && messages > f->released + f->block.count)
		messages = f->released + f->block.count;
	return messages * f->block.packet_len;
}

const uint8_t *
nb_flood_bytes(const struct nb_flood *f, uint64_t limit, size_t *len)
{
	size_t block_len = f->block.packet_len * f->block.count;
	size_t at = (size_t)(f->sent_bytes % block_len);
	uint64_t n = limit - f->sent_bytes;

	if (n > block_len - at)
		n = block_len - at;
	*len = n < PIECE_BYTES ? (size_t)n : PIECE_BYTES;
	return f->block.bytes + at;
}

/* One message more than was asked for, without payload, follows when all others are settled. */
static void
finish(struct nb *nb, struct nb_conn *c)
{
	struct nb_flood *f = &c->flood;

	f->active = false;
	nb->stats.messages_out += f->total;
	nb->out_len +=
	    wire_put_publish_head(nb->out + nb->out_len, c->version, NB_TOPIC_OUT, 0, 0, 0);
	nb_note_busy(nb);
}

void
nb_flood_sent(struct nb *nb, struct nb_conn *c, size_t n)
{
	struct nb_flood *f = &c->flood;

	f->sent_bytes += n;
	if (f->qos == 0 && f->sent_bytes == f->total * f->block.packet_len)
		finish(nb, c);
}

/* The one identifier that may be acknowledged next: clients keep the order of the messages. */
static bool
is_next(const struct nb_flood *f, uint64_t settled, unsigned mid)
{
	uint64_t sent = f->sent_bytes / f->block.packet_len;

	return f->active && settled < sent && mid == 1 + settled % f->block.count;
}

static bool
take_ack(struct nb *nb, struct nb_flood *f, enum wire_type type, unsigned mid)
{
	if (type == WIRE_PUBREC) {
		if (f->qos != 2 || !is_next(f, f->received, mid))
			return false;
		f->received++;
		wire_put_ack(nb->out + nb->out_len, WIRE_FIRST_PUBREL, mid);
		nb->out_len += WIRE_ACK_LEN;
		return true;
	}
	if (f->qos != (type == WIRE_PUBACK ? 1u : 2u) || !is_next(f, f->released, mid) ||
	    (f->qos == 2 && f->released >= f->received))
		return false;
	f->released++;
	return true;
}

void
nb_flood_ack(struct nb *nb, struct nb_conn *c, enum wire_type type, unsigned mid)
{
	struct nb_flood *f = &c->flood;

	if (!take_ack(nb, f, type, mid))
		nb->stats.errors++;
	else if (f->released == f->total)
		finish(nb, c);
}
