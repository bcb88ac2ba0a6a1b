/* The server's side of WebSocket by hand: knows nothing of lib/net, which it judges. */
#include "lib/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "lib/bytes.h"

#define MAX_FRAME (64u * 1024u * 1024u)

int
tk_ws_read_request(struct tk_peer_conn *c, char *text, size_t size)
{
	size_t len = 0;

	while (len + 1 < size && tk_peer_read(c, text + len, 1)) {
		text[++len] = '\0';
		if (len >= 4 && strcmp(text + len - 4, "\r\n\r\n") == 0)
			return 1;
	}
	return 0;
}

char *
tk_ws_header(const char *request, const char *name)
{
	size_t len = strlen(name);
	const char *at = request;

	while ((at = strstr(at, "\r\n")) != NULL) {
		at += 2;
		if (strncasecmp(at, name, len) == 0 && at[len] == ':') {
			char *value;
			at += len + 1;
			at += strspn(at, " ");
			value = tk_strdup(at);
			value[strcspn(value, "\r")] = '\0';
			return value;
		}
	}
	return NULL;
}

size_t
tk_ws_answer(const char *request, char *text, size_t size)
{
	char *key = tk_ws_header(request, "Sec-WebSocket-Key");
	unsigned char digest[20];
	char accept[32];
	char joined[128];

	if (key == NULL)
		tk_die("peer: no Sec-WebSocket-Key in the request");
	snprintf(joined, sizeof(joined), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	free(key);
	EVP_Digest(joined, strlen(joined), digest, NULL, EVP_sha1(), NULL);
	EVP_EncodeBlock((unsigned char *)accept, digest, 20);
	return (size_t)snprintf(text, size,
	    "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\n"
	    "Connection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n"
	    "Sec-WebSocket-Protocol: mqtt\r\n"
	    "\r\n",
	    accept);
}

int
tk_ws_accept(struct tk_peer_conn *c)
{
	char request[16384];
	char answer[512];

	if (!tk_ws_read_request(c, request, sizeof(request)))
		return 0;
	return tk_peer_write(c, answer, tk_ws_answer(request, answer, sizeof(answer)));
}

static int
read_length(struct tk_peer_conn *c, unsigned first, uint64_t *len)
{
	unsigned char bytes[8];
	size_t n = first == 127 ? 8 : first == 126 ? 2 : 0;

	*len = n == 0 ? first : 0;
	if (!tk_peer_read(c, bytes, n))
		return 0;
	for (size_t i = 0; i < n; i++)
		*len = *len << 8 | bytes[i];
	if ((n == 2 && *len < 126) || (n == 8 && *len < 65536) || *len > MAX_FRAME)
		return -1;
	return 1;
}

int
tk_ws_read_frame(struct tk_peer_conn *c, struct tk_ws_frame *frame)
{
	unsigned char head[2];
	unsigned char mask[4];
	int rc;

	if (!tk_peer_read(c, head, 2))
		return 0;
	frame->opcode = head[0] & 0x0f;
	if ((head[0] & 0xf0) != 0x80 || !(head[1] & 0x80))
		return -1;
	if ((rc = read_length(c, head[1] & 0x7f, &frame->len)) <= 0)
		return rc;
	if (frame->opcode >= 8 && frame->len > 125)
		return -1;
	frame->data = tk_calloc(1, frame->len + 1);
	if (!tk_peer_read(c, mask, 4) || !tk_peer_read(c, frame->data, frame->len)) {
		free(frame->data);
		return 0;
	}
	for (uint64_t i = 0; i < frame->len; i++)
		frame->data[i] ^= mask[i % 4];
	return 1;
}

int
tk_ws_write_frame(struct tk_peer_conn *c, int first, const void *data, size_t len)
{
	unsigned char head[10] = {(unsigned char)first};
	size_t n = 2;

	if (len < 126) {
		head[1] = (unsigned char)len;
	} else if (len < 65536) {
		head[1] = 126;
		head[2] = (unsigned char)(len >> 8);
		head[3] = (unsigned char)len;
		n = 4;
	} else {
		head[1] = 127;
		for (int i = 0; i < 8; i++)
			head[2 + i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
		n = 10;
	}
	return tk_peer_write(c, head, n) && tk_peer_write(c, data, len);
}
