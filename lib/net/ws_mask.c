/* The masking of client frames, eight bytes at a time. */
#include <string.h>

#include "net/ws.h"

void
mqev_ws_mask(uint8_t *out, const uint8_t *in, size_t len, const uint8_t key[4], size_t offset)
{
	uint8_t turned[8];
	uint64_t pattern;
	size_t i = 0;

	for (size_t n = 0; n < sizeof(turned); n++)
		turned[n] = key[(offset + n) % 4];
	memcpy(&pattern, turned, sizeof(pattern));
	for (; len - i >= sizeof(pattern); i += sizeof(pattern)) {
		uint64_t word;
		memcpy(&word, in + i, sizeof(word));
		word ^= pattern;
		memcpy(out + i, &word, sizeof(word));
	}
	for (size_t n = 0; i < len; i++, n++)
		out[i] = (uint8_t)(in[i] ^ turned[n]);
}
