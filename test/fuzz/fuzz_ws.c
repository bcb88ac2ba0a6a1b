/*
 * What a server sends to a WebSocket client: the first byte says how it is cut, the rest is the
 * stream. If it begins with "H" it is an answer to an upgrade first, else frames. Cut and whole
 * must come to the same, frames also to what a plain reference makes of them.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "net/step.h"
#include "net/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define LIMIT 4096u

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

/* The reference: all at once, no state kept --------------------------------------------------- */

struct verdict {
	enum mqev_ws_end end;
	unsigned code;
	uint8_t *data;
	size_t len;
};

struct head {
	unsigned first;
	uint64_t len;
	size_t size;
};

static void
refuse(struct verdict *v, unsigned code)
{
	v->end = MQEV_WS_FAULT;
	v->code = code;
}

/* 1: a whole header; 0: more must come; -1: a wrong one. */
static int
parse_head(const uint8_t *at, size_t left, struct head *h)
{
	size_t more;

	if (left < 2)
		return 0;
	h->first = at[0];
	h->len = at[1] & 0x7f;
	if ((at[0] & 8) != 0 && (h->len > 125 || !(at[0] & 0x80)))
		return -1;
	more = h->len == 126 ? 2 : h->len == 127 ? 8 : 0;
	h->size = 2 + more;
	if (left < h->size)
		return 0;
	if (more > 0)
		h->len = 0;
	for (size_t i = 0; i < more; i++)
		h->len = h->len << 8 | at[2 + i];
	if ((more == 2 && h->len < 126) || (more == 8 && (h->len < 65536 || h->len >> 63)))
		return -1;
	return 1;
}

/* What the rules say of a header whose first payload byte, if it has any, has come. */
static unsigned
head_code(const struct head *h, bool masked, bool inside)
{
	unsigned opcode = h->first & 15;

	if (h->len > LIMIT)
		return 1009;
	if ((h->first & 0x70) || masked)
		return 1002;
	if ((opcode > 2 && opcode < 8) || opcode > 10)
		return 1002;
	if (opcode < 8 && (opcode == 0) != inside)
		return 1002;
	return opcode == 1 ? 1003 : 0;
}

static bool
close_code_ok(unsigned code)
{
	return (code >= 1000 && code < 1004) || (code > 1006 && code < 1015) ||
	       (code >= 3000 && code < 5000);
}

static void
reference_close(struct verdict *v, const uint8_t *at, uint64_t len)
{
	unsigned code = len >= 2 ? (unsigned)at[0] << 8 | at[1] : 0;

	if (len == 1 || (len >= 2 && !close_code_ok(code))) {
		refuse(v, 1002);
		return;
	}
	v->end = MQEV_WS_PEER_CLOSED;
	v->code = code;
}

static void
reference(const uint8_t *at, size_t left, struct verdict *v)
{
	bool inside = false;
	struct head h;
	int rc;

	while ((rc = parse_head(at, left, &h)) == 1) {
		bool masked = (at[1] & 0x80) != 0;
		size_t mask = masked ? 4 : 0;
		unsigned code = head_code(&h, masked, inside);
		size_t have;

		/* The limit is judged from the header alone, the rest with the first byte of
		 * payload. */
		if (left - h.size < mask + (h.len > 0)) {
			if (h.len > LIMIT && h.size > 2)
				refuse(v, 1009);
			return;
		}
		if (code != 0) {
			refuse(v, code);
			return;
		}
		at += h.size;
		left -= h.size;
		have = left < h.len ? left : (size_t)h.len;
		if ((h.first & 15) < 8) {
			memcpy(v->data + v->len, at, have);
			v->len += have;
		}
		if (have < h.len)
			return;
		if ((h.first & 15) < 8)
			inside = !(h.first & 0x80);
		if ((h.first & 15) == 8) {
			reference_close(v, at, h.len);
			return;
		}
		at += have;
		left -= have;
	}
	if (rc < 0)
		refuse(v, 1002);
}

/* The library ---------------------------------------------------------------------------------- */

static void
through(const uint8_t *data, size_t size, size_t step, struct mqev_ws *ws, struct evbuffer *to,
    struct evbuffer *wire)
{
	struct evbuffer *from = evbuffer_new();

	mqev_ws_init(ws, LIMIT);
	for (size_t at = 0; at < size; at += step) {
		evbuffer_add(from, data + at, size - at < step ? size - at : step);
		mqev_ws_input(ws, from, to, wire);
		REQUIRE(evbuffer_get_length(from) == 0);
		REQUIRE(ws->end == MQEV_WS_OPEN || ws->in == NULL);
	}
	evbuffer_free(from);
}

static void
check_frames(const uint8_t *data, size_t size, size_t step)
{
	struct verdict want = {.data = malloc(size + 1)};
	struct evbuffer *to = evbuffer_new();
	struct evbuffer *wire = evbuffer_new();
	struct mqev_ws ws;

	reference(data, size, &want);
	through(data, size, step, &ws, to, wire);
	REQUIRE(ws.end == want.end && ws.close_code == want.code);
	REQUIRE(evbuffer_get_length(to) == want.len);
	REQUIRE(want.len == 0 || memcmp(evbuffer_pullup(to, -1), want.data, want.len) == 0);
	REQUIRE(ws.close_sent == (ws.end != MQEV_WS_OPEN));
	/* Back out again, masked. */
	if (ws.end == MQEV_WS_OPEN && want.len > 0) {
		size_t before = evbuffer_get_length(wire);
		mqev_ws_output(&ws, to, wire, SIZE_MAX);
		REQUIRE(evbuffer_get_length(to) == 0);
		REQUIRE(evbuffer_get_length(wire) >= before + want.len + 6);
	}
	REQUIRE(ws.sent == evbuffer_get_length(wire));
	mqev_ws_clear(&ws);
	evbuffer_free(to);
	evbuffer_free(wire);
	free(want.data);
}

/* The verdict on an answer; what is left goes to left. */
static int
judge(const uint8_t *data, size_t size, size_t step, struct mqev_net_error *error, size_t *left)
{
	struct evbuffer *in = evbuffer_new();
	struct mqev_ws_answer answer;
	size_t at = 0;
	int rc = 0;

	REQUIRE(mqev_ws_answer_init(&answer, KEY, "mqtt") == 0);
	while (rc == 0 && at < size) {
		size_t part = size - at < step ? size - at : step;
		evbuffer_add(in, data + at, part);
		at += part;
		rc = mqev_ws_answer_read(&answer, in, error);
	}
	*left = evbuffer_get_length(in) + size - at;
	evbuffer_free(in);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mqev_net_error error;
	size_t step;
	size_t left;
	size_t left_cut;
	int rc;

	if (size < 2)
		return 0;
	step = data[0] != 0 ? data[0] : size;
	data++;
	size--;
	if (data[0] != 'H') {
		check_frames(data, size, step);
		return 0;
	}
	rc = judge(data, size, size, &error, &left);
	REQUIRE(judge(data, size, step, &error, &left_cut) == rc);
	if (rc == 1) {
		REQUIRE(left == left_cut);
		check_frames(data + size - left, left, step);
	}
	return 0;
}
