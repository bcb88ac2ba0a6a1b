/* The WebSocket end of a client without a library: the request, frames to send and frames that
 * come. */
#include "bench/bare_ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BINARY 0x82
#define MASKED 0x80
#define MASK_LEN 4

/* The key is random in earnest, to keep proxies honest; here it only has to be one. */
static const uint8_t mask[MASK_LEN] = {0x5a, 0x3c, 0x96, 0xe1};

size_t
bare_ws_put_request(char *out, size_t room, const char *host, int port)
{
	return (size_t)snprintf(out, room,
	    "GET /mqtt HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Key: bXFldi1iZW5jaC1yYXctaw==\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Protocol: mqtt\r\n\r\n",
	    host, port);
}

bool
bare_ws_is_accepted(const uint8_t *p, size_t n)
{
	static const char status[] = "HTTP/1.1 101 ";

	return n > sizeof status && !memcmp(p, status, sizeof status - 1) &&
	       !memcmp(p + n - 4, "\r\n\r\n", 4);
}

size_t
bare_ws_mask(uint8_t *out, uint8_t *p, size_t n)
{
	unsigned bytes = n < 126 ? 0 : n < 65536 ? 2 : 8, at = 2;
	size_t i;

	out[0] = FIRST_BINARY;
	out[1] = (uint8_t)(MASKED | (bytes == 0 ? n : bytes == 2 ? 126 : 127));
	while (bytes--)
		out[at++] = (uint8_t)((uint64_t)n >> 8 * bytes);
	memcpy(out + at, mask, MASK_LEN);
	for (i = 0; i < n; i++)
		p[i] ^= mask[i % MASK_LEN];
	return at + MASK_LEN;
}

size_t
bare_ws_frame(uint8_t *p, size_t n)
{
	uint8_t head[BARE_WS_HEAD_MAX];
	size_t len = bare_ws_mask(head, p, n);

	memmove(p + len, p, n);
	memcpy(p, head, len);
	return len + n;
}

int
bare_ws_frame_block(struct wire_block *block)
{
	uint8_t *bytes = malloc((block->packet_len + BARE_WS_HEAD_MAX) * block->count), *to = bytes;
	size_t i, len = 0;

	if (!bytes)
		return -1;
	for (i = 0; i < block->count; i++, to += len) {
		memcpy(to, block->bytes + i * block->packet_len, block->packet_len);
		len = bare_ws_frame(to, block->packet_len);
	}
	free(block->bytes);
	block->bytes = bytes;
	block->packet_len = len;
	return 0;
}

static size_t
head_len(const struct bare_ws *w)
{
	unsigned len = w->head_len > 1 ? w->head[1] & 0x7fu : 0;

	return 2u + (len == 126 ? 2u : len == 127 ? 8u : 0);
}

/* Returns how many of the n bytes belong to the head of a frame; sets *ok. */
static size_t
take_head(struct bare_ws *w, const uint8_t *p, size_t n, bool *ok)
{
	size_t used = 0, i;

	while (used < n && w->head_len < head_len(w))
		w->head[w->head_len++] = p[used++];
	if (w->head_len < 2 || w->head_len < head_len(w))
		return used;
	w->left = w->head_len == 2 ? w->head[1] & 0x7fu : 0;
	for (i = 2; i < w->head_len; i++)
		w->left = w->left << 8 | w->head[i];
	*ok = w->head[0] == FIRST_BINARY && !(w->head[1] & MASKED);
	w->head_len = 0;
	return used;
}

int64_t
bare_ws_take(struct bare_ws *w, uint8_t *p, size_t n)
{
	size_t at = 0, out = 0, piece;
	bool ok = true;

	while (at < n && ok) {
		if (!w->left) {
			at += take_head(w, p + at, n - at, &ok);
			continue;
		}
		piece = w->left < n - at ? (size_t)w->left : n - at;
		memmove(p + out, p + at, piece);
		w->left -= piece;
		at += piece;
		out += piece;
	}
	return ok ? (int64_t)out : -1;
}
