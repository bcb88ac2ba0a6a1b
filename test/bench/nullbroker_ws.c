/* The null broker's WebSocket end: the upgrade, frames taken off what comes in, frames put around
 * what goes out. MQTT is not looked at here. Only what a client of MQTT needs is spoken: binary
 * frames and Close; a Ping, text or an extension ends the connection as an error. Each packet
 * leaves in a frame of its own, as brokers send them. */
#include "bench/nullbroker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#define HEAD_BYTES_MAX 8192
#define KEY_LEN 24
#define ACCEPT_LEN 28
#define MAGIC "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define FRAME_HEAD_MAX 10

#define FIN 0x80u
#define RESERVED 0x70u
#define OPCODE 0x0fu
#define OPCODE_CONTINUATION 0x0u
#define OPCODE_BINARY 0x2u
#define OPCODE_CLOSE 0x8u
#define MASKED 0x80u
#define MASK_LEN 4u

/* The upgrade -------------------------------------------------------------------------------- */

/* The value of a header within n bytes of whole lines, without blanks around it; NULL: no such. */
static const char *
find_header(const char *p, size_t n, const char *name, size_t *len)
{
	size_t name_len = strlen(name);
	const char *end = p + n, *line_end;

	for (; (line_end = memchr(p, '\r', (size_t)(end - p))) != NULL; p = line_end + 2) {
		if ((size_t)(line_end - p) <= name_len || p[name_len] != ':' ||
		    strncasecmp(p, name, name_len) != 0)
			continue;
		for (p += name_len + 1; p < line_end && *p == ' '; p++)
			continue;
		*len = (size_t)(line_end - p);
		return p;
	}
	return NULL;
}

static bool
header_is(const char *p, size_t n, const char *name, const char *want)
{
	size_t len;
	const char *value = find_header(p, n, name, &len);

	return value && len == strlen(want) && !strncasecmp(value, want, len);
}

static bool
make_accept(char *accept, const char *key)
{
	uint8_t text[KEY_LEN + sizeof MAGIC], digest[EVP_MAX_MD_SIZE];
	unsigned len;

	memcpy(text, key, KEY_LEN);
	memcpy(text + KEY_LEN, MAGIC, sizeof MAGIC);
	if (EVP_Digest(text, KEY_LEN + sizeof MAGIC - 1, digest, &len, EVP_sha1(), NULL) != 1)
		return false;
	return EVP_EncodeBlock((unsigned char *)accept, digest, (int)len) == ACCEPT_LEN;
}

static bool
is_upgrade(const char *head, size_t n)
{
	return n > 4 && !memcmp(head, "GET ", 4) && header_is(head, n, "Upgrade", "websocket") &&
	       header_is(head, n, "Sec-WebSocket-Version", "13") &&
	       header_is(head, n, "Sec-WebSocket-Protocol", "mqtt");
}

/* The socket is empty: either all goes out at once, or the connection is of no use. */
static bool
send_response(struct nb_conn *c, const char *accept)
{
	char text[256];
	size_t took = 0;
	int n = snprintf(text, sizeof text,
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
	    "Sec-WebSocket-Protocol: mqtt\r\n\r\n",
	    accept);

	if (!c->ssl)
		return send(c->fd, text, (size_t)n, MSG_NOSIGNAL) == n;
	ERR_clear_error();
	return SSL_write_ex(c->ssl, text, (size_t)n, &took) == 1 && took == (size_t)n;
}

int64_t
nb_ws_upgrade(struct nb_conn *c, const uint8_t *p, size_t n)
{
	const char *head = (const char *)p, *key;
	char accept[ACCEPT_LEN + 1];
	size_t len;

	if (n < 4 || memcmp(p + n - 4, "\r\n\r\n", 4) != 0)
		return n > HEAD_BYTES_MAX ? -1 : 0;
	key = find_header(head, n, "Sec-WebSocket-Key", &len);
	if (!is_upgrade(head, n) || !key || len != KEY_LEN || !make_accept(accept, key) ||
	    !send_response(c, accept))
		return -1;
	c->ws.upgrading = false;
	return (int64_t)n;
}

/* What comes in ------------------------------------------------------------------------------ */

static size_t
head_len(const struct nb_ws *w)
{
	unsigned len = w->head_len > 1 ? w->head[1] & 0x7fu : 0;

	return 2 + MASK_LEN + (len == 126 ? 2u : len == 127 ? 8u : 0);
}

static bool
begin_frame(struct nb_ws *w)
{
	const uint8_t *p = w->head;
	unsigned opcode = p[0] & OPCODE;
	size_t i, extra = w->head_len - 2 - MASK_LEN;

	if ((p[0] & RESERVED) || !(p[1] & MASKED))
		return false;
	w->left = extra ? 0 : p[1] & 0x7fu;
	for (i = 0; i < extra; i++)
		w->left = w->left << 8 | p[2 + i];
	memcpy(w->mask, p + 2 + extra, MASK_LEN);
	w->head_len = 0;
	w->closing = opcode == OPCODE_CLOSE;
	if (w->closing)
		return true;
	if (opcode != (w->continued ? OPCODE_CONTINUATION : OPCODE_BINARY))
		return false;
	w->continued = !(p[0] & FIN);
	return true;
}

/* Returns how many of the n bytes belong to the head of a frame; sets *ok. */
static size_t
take_head(struct nb_ws *w, const uint8_t *p, size_t n, bool *ok)
{
	size_t used = 0;

	while (used < n && w->head_len < head_len(w))
		w->head[w->head_len++] = p[used++];
	if (w->head_len < 2 || w->head_len < head_len(w))
		return used;
	*ok = begin_frame(w);
	return used;
}

/* From is behind to or is it. Eight bytes at a time: the compiler makes vectors of it. */
static void
unmask(uint8_t *to, const uint8_t *from, size_t n, const uint8_t mask[MASK_LEN])
{
	uint8_t twice[2 * MASK_LEN];
	uint64_t wide, word;
	size_t i;

	memcpy(twice, mask, MASK_LEN);
	memcpy(twice + MASK_LEN, mask, MASK_LEN);
	memcpy(&wide, twice, sizeof wide);
	for (i = 0; i + sizeof word <= n; i += sizeof word) {
		memcpy(&word, from + i, sizeof word);
		word ^= wide;
		memcpy(to + i, &word, sizeof word);
	}
	for (; i < n; i++)
		to[i] = from[i] ^ mask[i % MASK_LEN];
}

void
nb_ws_passed(struct nb_ws *w, size_t n)
{
	uint8_t turned[MASK_LEN];
	size_t i;

	for (i = 0; i < MASK_LEN; i++)
		turned[i] = w->mask[(i + n) % MASK_LEN];
	memcpy(w->mask, turned, MASK_LEN);
	w->left -= n;
}

int64_t
nb_ws_take(struct nb_conn *c, uint8_t *p, size_t n)
{
	struct nb_ws *w = &c->ws;
	size_t at = 0, out = 0, piece;
	bool ok = true;

	while (at < n && ok && !w->closing) {
		if (!w->left) {
			at += take_head(w, p + at, n - at, &ok);
			continue;
		}
		piece = w->left < n - at ? (size_t)w->left : n - at;
		unmask(p + out, p + at, piece, w->mask);
		nb_ws_passed(w, piece);
		at += piece;
		out += piece;
	}
	return ok ? (int64_t)out : -1;
}

/* What goes out ------------------------------------------------------------------------------ */

/* The head of a frame with n bytes, written to p; its length. */
static size_t
put_head(uint8_t *p, size_t n)
{
	unsigned bytes = n < 126 ? 0 : n < 65536 ? 2 : 8, at = 2;

	p[0] = FIN | OPCODE_BINARY;
	p[1] = (uint8_t)(bytes == 0 ? n : bytes == 2 ? 126 : 127);
	while (bytes--)
		p[at++] = (uint8_t)((uint64_t)n >> 8 * bytes);
	return at;
}

static size_t
put_frame(uint8_t *to, const uint8_t *packet, size_t n)
{
	size_t head = put_head(to, n);

	memcpy(to + head, packet, n);
	return head + n;
}

size_t
nb_ws_frame(uint8_t *to, const uint8_t *packets, size_t n)
{
	size_t at, out = 0;
	struct wire_packet k;

	for (at = 0; at < n && wire_split(packets + at, n - at, &k) == WIRE_OK; at += k.total)
		out += put_frame(to + out, packets + at, k.total);
	return out;
}

bool
nb_ws_frame_block(struct wire_block *block)
{
	uint8_t *bytes = malloc((block->packet_len + FRAME_HEAD_MAX) * block->count);
	size_t i, len = 0;

	if (!bytes)
		return false;
	for (i = 0; i < block->count; i++)
		len = put_frame(
		    bytes + i * len, block->bytes + i * block->packet_len, block->packet_len);
	free(block->bytes);
	block->bytes = bytes;
	block->packet_len = len;
	return true;
}
