/* The WebSocket end of a client without a library: its request, frames with masks around what is
 * sent, frames without masks taken off what comes; no socket here. */
#ifndef BENCH_BARE_WS_H
#define BENCH_BARE_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/wire.h"

#define BARE_WS_HEAD_MAX 14

/* What is known of the frame that comes in. */
struct bare_ws {
	uint64_t left;
	size_t head_len;
	uint8_t head[10];
};

/* The request to be sent first; its length. */
size_t bare_ws_put_request(char *out, size_t room, const char *host, int port);
/* True for the whole answer that accepts it. */
bool bare_ws_is_accepted(const uint8_t *p, size_t n);
/* Writes the head of a frame with n bytes to out and masks them where they are; the head's length.
 */
size_t bare_ws_mask(uint8_t *out, uint8_t *p, size_t n);
/* Makes a frame of the n bytes at p, which has room for BARE_WS_HEAD_MAX more; its length. */
size_t bare_ws_frame(uint8_t *p, size_t n);
/* Each packet of the block becomes a frame. Returns 0, or -1 when there is no memory. */
int bare_ws_frame_block(struct wire_block *block);
/* Takes the frames off n bytes, in place. Returns what is left, -1 for anything but binary frames.
 */
int64_t bare_ws_take(struct bare_ws *w, uint8_t *p, size_t n);

#endif
