/* The UTF-8 check of MQTT strings; knows nothing of topics or packets. */
#include "core/utf8.h"

#include <string.h>

#define EIGHT(byte) (UINT64_C(0x0101010101010101) * (byte))

/* How far data is plain, none above U+007F, none U+0000: eight bytes at a time, then one. */
static size_t
skip_ascii(const uint8_t *data, size_t len)
{
	size_t at = 0;
	uint64_t word;

	for (; len - at >= sizeof(word); at += sizeof(word)) {
		memcpy(&word, data + at, sizeof(word));
		/* A subtraction that borrows sets the top bit of a zero byte. */
		if (((word | (word - EIGHT(0x01))) & EIGHT(0x80)) != 0)
			break;
	}
	while (at < len && data[at] > 0 && data[at] < 0x80)
		at++;
	return at;
}

/*
 * A lead byte decides how many bytes follow, and the first of them alone can make the sequence
 * overlong (E0, F0), a surrogate (ED) or larger than U+10FFFF (F4).
 */
struct lead {
	uint8_t first;
	uint8_t last;
	uint8_t len;
	uint8_t second_min;
	uint8_t second_max;
};

static const struct lead leads[] = {
    {0xC2, 0xDF, 2, 0x80, 0xBF},
    {0xE0, 0xE0, 3, 0xA0, 0xBF},
    {0xE1, 0xEC, 3, 0x80, 0xBF},
    {0xED, 0xED, 3, 0x80, 0x9F},
    {0xEE, 0xEF, 3, 0x80, 0xBF},
    {0xF0, 0xF0, 4, 0x90, 0xBF},
    {0xF1, 0xF3, 4, 0x80, 0xBF},
    {0xF4, 0xF4, 4, 0x80, 0x8F},
};

static const struct lead *
find_lead(uint8_t byte)
{
	size_t i;

	for (i = 0; i < sizeof(leads) / sizeof(leads[0]); i++)
		if (byte >= leads[i].first && byte <= leads[i].last)
			return &leads[i];
	return NULL;
}

/* The length of the well-formed sequence of two to four bytes at data, or 0. */
static size_t
sequence(const uint8_t *data, size_t len)
{
	const struct lead *lead = find_lead(data[0]);
	size_t i;

	if (lead == NULL || len < lead->len)
		return 0;
	if (data[1] < lead->second_min || data[1] > lead->second_max)
		return 0;
	for (i = 2; i < lead->len; i++)
		if ((data[i] & 0xC0) != 0x80)
			return 0;
	return lead->len;
}

bool
mqev_utf8_valid(const uint8_t *data, size_t len)
{
	size_t at = 0;
	size_t step;

	while (at < len) {
		at += skip_ascii(data + at, len - at);
		if (at == len)
			break;
		step = sequence(data + at, len - at);
		if (step == 0)
			return false;
		at += step;
	}
	return true;
}
