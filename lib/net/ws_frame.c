/* Frames that come in: wslay takes them apart, but for the rest of a long one, which is nothing but
 * payload; the rules of RFC 6455 for a client and of MQTT are kept here. No I/O. */
#include <string.h>

#include <event2/buffer.h>

#include <wslay/wslay.h>

#include "net/ws.h"

#define RESERVED_BITS_NONE 0

/* From this much still missing on, a frame's payload goes past wslay, which would copy it 4,096
 * bytes at a time. */
#define DIRECT_FROM 1024

/* What came, and payloads at its beginning; these never overtake it. */
struct mqev_ws_span {
	const uint8_t *at;
	size_t left;
	uint8_t *payload;
};

void
mqev_ws_init(struct mqev_ws *ws, uint64_t max_frame)
{
	memset(ws, 0, sizeof(*ws));
	ws->max_frame = max_frame;
}

static void
drop_wslay(struct mqev_ws *ws)
{
	if (ws->in != NULL)
		wslay_frame_context_free(ws->in);
	ws->in = NULL;
	ws->fed = ws->used = 0;
	ws->tail_len = 0;
}

static void
forget_frame(struct mqev_ws *ws)
{
	drop_wslay(ws);
	ws->frame_left = 0;
	ws->frame_open = false;
}

void
mqev_ws_clear(struct mqev_ws *ws)
{
	forget_frame(ws);
	memset(ws->masks, 0, sizeof(ws->masks));
}

/* Remembers the last bytes of what is fed. */
static void
keep_tail(struct mqev_ws *ws, const uint8_t *data, size_t len)
{
	size_t keep;

	if (len >= sizeof(ws->tail)) {
		memcpy(ws->tail, data + len - sizeof(ws->tail), sizeof(ws->tail));
		ws->tail_len = sizeof(ws->tail);
		return;
	}
	keep = sizeof(ws->tail) - len;
	if (keep > ws->tail_len)
		keep = ws->tail_len;
	memmove(ws->tail, ws->tail + ws->tail_len - keep, keep);
	memcpy(ws->tail + keep, data, len);
	ws->tail_len = (uint8_t)(keep + len);
}

static ssize_t
feed(uint8_t *buf, size_t len, int flags, void *arg)
{
	struct mqev_ws *ws = arg;
	struct mqev_ws_span *span = ws->span;
	size_t n = len < span->left ? len : span->left;

	(void)flags;
	if (n == 0)
		return -1;
	memcpy(buf, span->at, n);
	span->at += n;
	span->left -= n;
	ws->fed += n;
	keep_tail(ws, buf, n);
	return (ssize_t)n;
}

static bool
begin(struct mqev_ws *ws)
{
	static const struct wslay_frame_callbacks callbacks = {NULL, feed, NULL};

	return ws->in != NULL || wslay_frame_context_init(&ws->in, &callbacks, ws) == 0;
}

static void
fault(struct mqev_ws *ws, uint16_t code, const char *why, struct evbuffer *wire)
{
	ws->end = MQEV_WS_FAULT;
	ws->close_code = code;
	ws->why = why;
	mqev_ws_output_close(ws, code, wire);
}

static void
protocol_fault(struct mqev_ws *ws, const char *why, struct evbuffer *wire)
{
	fault(ws, WSLAY_CODE_PROTOCOL_ERROR, why, wire);
}

/* What is wrong with a frame's header that wslay lets pass; NULL: nothing. */
static const char *
header_fault(const struct mqev_ws *ws, const struct wslay_frame_iocb *frame)
{
	if (frame->rsv != RESERVED_BITS_NONE)
		return "a reserved bit is set";
	if (frame->mask)
		return "the server masked a frame";
	switch (frame->opcode) {
	case WSLAY_CONTINUATION_FRAME:
		return ws->message_open ? NULL : "a continuation of nothing";
	case WSLAY_TEXT_FRAME:
	case WSLAY_BINARY_FRAME:
		return ws->message_open ? "a new message inside another" : NULL;
	case WSLAY_CONNECTION_CLOSE:
	case WSLAY_PING:
	case WSLAY_PONG:
		return NULL;
	default:
		return "an unknown kind of frame";
	}
}

/* The length first: it may have been judged before, from the header alone. */
static void
judge_header(struct mqev_ws *ws, const struct wslay_frame_iocb *frame, struct evbuffer *wire)
{
	const char *why = header_fault(ws, frame);

	if (frame->payload_length > ws->max_frame)
		fault(ws, WSLAY_CODE_MESSAGE_TOO_BIG, "a frame above the limit", wire);
	else if (why != NULL)
		protocol_fault(ws, why, wire);
	else if (frame->opcode == WSLAY_TEXT_FRAME)
		fault(ws, WSLAY_CODE_UNSUPPORTED_DATA, "a text frame", wire);
}

static uint64_t
big_endian(const uint8_t *bytes, size_t len)
{
	uint64_t value = 0;

	while (len-- > 0)
		value = value << 8 | *bytes++;
	return value;
}

/*
 * wslay tells a frame's length with its first payload byte, but a length that is too large shall be
 * answered though none comes. When all that is there of a frame is its header, it lies at the end
 * of the tail.
 */
static bool
announces_too_much(const struct mqev_ws *ws)
{
	uint64_t have = ws->fed - ws->used;
	const uint8_t *header;

	if (ws->frame_open || have < 4 || have > ws->tail_len)
		return false;
	header = ws->tail + ws->tail_len - have;
	if ((header[1] & 0x7f) == 126)
		return big_endian(header + 2, 2) > ws->max_frame;
	if ((header[1] & 0x7f) == 127 && have >= 10)
		return big_endian(header + 2, 8) > ws->max_frame;
	return false;
}

/* 1000 to 1003, 1007 to 1014 and 3000 to 4999 may travel. */
static bool
close_code_valid(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

static void
on_close(struct mqev_ws *ws, struct evbuffer *wire)
{
	unsigned code = 0;

	if (ws->control_len >= 2)
		code = (unsigned)big_endian(ws->control, 2);
	if (ws->control_len == 1 || (ws->control_len >= 2 && !close_code_valid(code))) {
		protocol_fault(ws, "an ill-formed close frame", wire);
		return;
	}
	ws->end = MQEV_WS_PEER_CLOSED;
	ws->close_code = (uint16_t)code;
	mqev_ws_output_close(ws, (uint16_t)code, wire);
}

static void
finish_frame(struct mqev_ws *ws, const struct wslay_frame_iocb *frame, struct evbuffer *wire)
{
	uint64_t len = frame->payload_length;

	ws->used += 2u + (len > 65535 ? 8u : len > 125 ? 2u : 0u) + len;
	ws->frame_open = false;
	if (frame->opcode == WSLAY_CONNECTION_CLOSE) {
		on_close(ws, wire);
	} else if (frame->opcode == WSLAY_PING) {
		ws->pong_waiting = true;
		mqev_ws_output_pong(ws, wire);
	} else if (frame->opcode != WSLAY_PONG) {
		ws->message_open = !frame->fin;
	}
}

/* A ping takes the place of a pong that still waits: only the latest is to be answered. */
static void
begin_frame(struct mqev_ws *ws, const struct wslay_frame_iocb *frame, struct evbuffer *wire)
{
	ws->frame_open = true;
	ws->frame_left = frame->payload_length;
	ws->frame_fin = frame->fin;
	judge_header(ws, frame, wire);
	if (frame->opcode == WSLAY_PING || frame->opcode == WSLAY_CONNECTION_CLOSE) {
		ws->pong_waiting = false;
		ws->control_len = 0;
	}
}

/* From where they are, or out of wslay. */
static void
move_payload(struct mqev_ws_span *span, const uint8_t *data, size_t len)
{
	if (span->payload != data)
		memmove(span->payload, data, len);
	span->payload += len;
}

static void
take_payload(struct mqev_ws *ws, const struct wslay_frame_iocb *frame)
{
	ws->frame_left -= frame->data_length;
	if (frame->opcode == WSLAY_PONG || frame->data_length == 0)
		return;
	if (!wslay_is_ctrl_frame(frame->opcode)) {
		move_payload(ws->span, frame->data, frame->data_length);
		return;
	}
	/* wslay lets no control frame be longer than this. */
	memcpy(ws->control + ws->control_len, frame->data, frame->data_length);
	ws->control_len = (uint8_t)(ws->control_len + frame->data_length);
}

static void
on_part(struct mqev_ws *ws, const struct wslay_frame_iocb *frame, struct evbuffer *wire)
{
	if (!ws->frame_open)
		begin_frame(ws, frame, wire);
	if (ws->end == MQEV_WS_OPEN)
		take_payload(ws, frame);
	if (ws->end == MQEV_WS_OPEN && ws->frame_left == 0)
		finish_frame(ws, frame, wire);
}

/* The rest of a frame whose header wslay has read. */
static void
take_direct(struct mqev_ws *ws)
{
	struct mqev_ws_span *span = ws->span;
	size_t n = span->left < ws->frame_left ? span->left : (size_t)ws->frame_left;

	move_payload(span, span->at, n);
	span->at += n;
	span->left -= n;
	ws->frame_left -= n;
	if (ws->frame_left > 0)
		return;
	ws->frame_open = false;
	ws->message_open = !ws->frame_fin;
}

/* Asked when wslay is through with what it has been fed. Control frames are never so long. */
static bool
is_long(const struct mqev_ws *ws)
{
	return ws->end == MQEV_WS_OPEN && ws->frame_open && ws->frame_left >= DIRECT_FROM;
}

static bool
is_direct(const struct mqev_ws *ws)
{
	return ws->frame_open && ws->in == NULL;
}

/* Until wslay wants more than there is, or has met a long frame. */
static void
take_frames(struct mqev_ws *ws, struct evbuffer *wire)
{
	struct wslay_frame_iocb frame;
	ssize_t n = 0;

	memset(&frame, 0, sizeof(frame));
	while (
	    ws->end == MQEV_WS_OPEN && !is_long(ws) && (n = wslay_frame_recv(ws->in, &frame)) >= 0)
		on_part(ws, &frame, wire);
	if (ws->end != MQEV_WS_OPEN)
		return;
	if (is_long(ws))
		drop_wslay(ws);
	else if (n == WSLAY_ERR_PROTO)
		protocol_fault(ws, "an ill-formed frame header", wire);
	else if (announces_too_much(ws))
		fault(ws, WSLAY_CODE_MESSAGE_TOO_BIG, "a frame above the limit", wire);
}

/* A link between two frames, or in the middle of a long one, holds nothing of wslay's: its context
 * is 4.8 KiB. */
size_t
mqev_ws_unframe(struct mqev_ws *ws, uint8_t *data, size_t len, struct evbuffer *wire)
{
	struct mqev_ws_span span = {data, len, data};

	ws->span = &span;
	while (ws->end == MQEV_WS_OPEN && span.left > 0) {
		if (is_direct(ws))
			take_direct(ws);
		else if (begin(ws))
			take_frames(ws, wire);
		else
			fault(ws, WSLAY_CODE_INTERNAL_SERVER_ERROR, "out of memory", wire);
	}
	ws->span = NULL;
	if (ws->end != MQEV_WS_OPEN)
		forget_frame(ws);
	else if (ws->fed == ws->used)
		drop_wslay(ws);
	return (size_t)(span.payload - data);
}

void
mqev_ws_input(struct mqev_ws *ws, struct evbuffer *from, struct evbuffer *to, struct evbuffer *wire)
{
	struct evbuffer_iovec part;

	while (evbuffer_peek(from, -1, NULL, &part, 1) > 0 && part.iov_len > 0) {
		size_t len = mqev_ws_unframe(ws, part.iov_base, part.iov_len, wire);

		if (len > 0 && evbuffer_add(to, part.iov_base, len) < 0)
			fault(ws, WSLAY_CODE_INTERNAL_SERVER_ERROR, "out of memory", wire);
		evbuffer_drain(from, part.iov_len);
	}
}
