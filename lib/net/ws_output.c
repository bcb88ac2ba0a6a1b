/* Frames that go out: header, mask and payload in one pass into the space of the buffer below. No
 * I/O. */
#include <string.h>

#include <event2/buffer.h>

#include <openssl/rand.h>

#include "net/ws.h"

#define FIN 0x80
#define MASKED 0x80
#define OPCODE_BINARY 0x2
#define OPCODE_CLOSE 0x8
#define OPCODE_PONG 0xa

/* With header and libevent's own book-keeping, a frame fills an allocation of 64 KiB. */
#define FRAME_MAX (64u * 1024u - 128u)
#define PEEK_MAX 16

static void
output_fault(struct mqev_ws *ws, const char *why)
{
	if (ws->end != MQEV_WS_FAULT)
		ws->why = why;
	ws->end = MQEV_WS_FAULT;
}

/* Fresh for each frame, from a strong source, fetched in batches. NULL: the source failed. */
static const uint8_t *
next_mask(struct mqev_ws *ws)
{
	if (ws->masks_left == 0) {
		if (RAND_bytes(ws->masks, sizeof(ws->masks)) != 1)
			return NULL;
		ws->masks_left = sizeof(ws->masks);
	}
	ws->masks_left = (uint8_t)(ws->masks_left - 4);
	return ws->masks + ws->masks_left;
}

/* Returns how long the header is, mask included. */
static size_t
write_header(uint8_t *at, uint8_t opcode, size_t len, const uint8_t mask[4])
{
	size_t n = 2;

	at[0] = (uint8_t)(FIN | opcode);
	if (len < 126) {
		at[1] = (uint8_t)(MASKED | len);
	} else if (len < 65536) {
		at[1] = MASKED | 126;
		at[2] = (uint8_t)(len >> 8);
		at[3] = (uint8_t)len;
		n = 4;
	} else {
		at[1] = MASKED | 127;
		for (size_t i = 0; i < 8; i++)
			at[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
		n = 10;
	}
	memcpy(at + n, mask, 4);
	return n + 4;
}

/* Masks the first len bytes of from into out; from keeps them. */
static void
mask_from(uint8_t *out, struct evbuffer *from, size_t len, const uint8_t mask[4])
{
	struct evbuffer_iovec parts[PEEK_MAX];
	struct evbuffer_ptr at;
	size_t done = 0;

	evbuffer_ptr_set(from, &at, 0, EVBUFFER_PTR_SET);
	while (done < len) {
		int n = evbuffer_peek(from, (ev_ssize_t)(len - done), &at, parts, PEEK_MAX);
		size_t before = done;

		for (int i = 0; i < n && i < PEEK_MAX && done < len; i++) {
			size_t part = parts[i].iov_len < len - done ? parts[i].iov_len : len - done;
			mqev_ws_mask(out + done, parts[i].iov_base, part, mask, done);
			done += part;
		}
		if (done < len)
			evbuffer_ptr_set(from, &at, done - before, EVBUFFER_PTR_ADD);
	}
}

/* Room for a frame in the wire; commit() closes it. */
static uint8_t *
reserve(struct mqev_ws *ws, struct evbuffer *wire, size_t len, struct evbuffer_iovec *room)
{
	if (evbuffer_reserve_space(wire, (ev_ssize_t)(len + MQEV_WS_HEADER_MAX), room, 1) == 1)
		return room->iov_base;
	output_fault(ws, "out of memory");
	return NULL;
}

static void
commit(struct mqev_ws *ws, struct evbuffer *wire, struct evbuffer_iovec *room, size_t len)
{
	room->iov_len = len;
	evbuffer_commit_space(wire, room, 1);
	ws->sent += len;
}

static bool
write_data_frame(struct mqev_ws *ws, struct evbuffer *from, struct evbuffer *wire, size_t len)
{
	const uint8_t *mask = next_mask(ws);
	struct evbuffer_iovec room;
	uint8_t *at;
	size_t header;

	if (mask == NULL) {
		output_fault(ws, "no random numbers");
		return false;
	}
	at = reserve(ws, wire, len, &room);
	if (at == NULL)
		return false;
	header = write_header(at, OPCODE_BINARY, len, mask);
	mask_from(at + header, from, len, mask);
	commit(ws, wire, &room, header + len);
	evbuffer_drain(from, len);
	return true;
}

void
mqev_ws_output(struct mqev_ws *ws, struct evbuffer *from, struct evbuffer *wire, size_t limit)
{
	size_t len = evbuffer_get_length(from);

	if (ws->close_sent || ws->end != MQEV_WS_OPEN) {
		evbuffer_drain(from, len);
		return;
	}
	if (len > limit)
		len = limit;
	while (len > 0) {
		size_t part = len < FRAME_MAX ? len : FRAME_MAX;
		if (!write_data_frame(ws, from, wire, part))
			return;
		len -= part;
	}
}

static bool
write_control_frame(
    struct mqev_ws *ws, struct evbuffer *wire, uint8_t opcode, const uint8_t *data, size_t len)
{
	const uint8_t *mask = next_mask(ws);
	uint8_t frame[MQEV_WS_HEADER_MAX + MQEV_WS_CONTROL_MAX];
	size_t header;

	if (mask == NULL) {
		output_fault(ws, "no random numbers");
		return false;
	}
	header = write_header(frame, opcode, len, mask);
	mqev_ws_mask(frame + header, data, len, mask, 0);
	if (evbuffer_add(wire, frame, header + len) < 0) {
		output_fault(ws, "out of memory");
		return false;
	}
	ws->sent += header + len;
	return true;
}

/* A peer that sends pings faster than it reads gets one pong at a time: the next is written when
 * the last has left. */
void
mqev_ws_output_pong(struct mqev_ws *ws, struct evbuffer *wire)
{
	uint64_t left = ws->sent - evbuffer_get_length(wire);

	if (!ws->pong_waiting || ws->close_sent || left < ws->pong_end)
		return;
	ws->pong_waiting = false;
	if (write_control_frame(ws, wire, OPCODE_PONG, ws->control, ws->control_len))
		ws->pong_end = ws->sent;
}

/* Code 0: a close frame without one. */
void
mqev_ws_output_close(struct mqev_ws *ws, uint16_t code, struct evbuffer *wire)
{
	const uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};

	if (ws->close_sent)
		return;
	ws->close_sent = write_control_frame(ws, wire, OPCODE_CLOSE, payload, code != 0 ? 2 : 0);
}
