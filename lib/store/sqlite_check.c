/* Checksums of what is kept, so that damage is seen and not delivered: 32 bits, of eight bytes at a
 * time. Not a protection from who can write the file. */
#include <string.h>

#include "store/sqlite_internal.h"

#define BASIS UINT64_C(0xCBF29CE484222325)
#define FACTOR UINT64_C(0x9E3779B97F4A7C15)

/* Each step is one to one: a number that was altered alone is always seen before the sum is folded.
 * What multiplying carries upwards only, the shift brings down again. */
static uint64_t
add_number(uint64_t hash, uint64_t number)
{
	hash = (hash ^ number) * FACTOR;
	return hash ^ hash >> 32;
}

/* The same on every machine, whatever its order of bytes. */
static uint64_t
number_of(const uint8_t *at, size_t len)
{
	uint64_t number = 0;

	for (size_t i = 0; i < len; i++)
		number |= (uint64_t)at[i] << 8 * i;
	return number;
}

static uint64_t
number_of_eight(const uint8_t *at)
{
	return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 |
	       (uint64_t)at[3] << 24 | (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 |
	       (uint64_t)at[6] << 48 | (uint64_t)at[7] << 56;
}

static uint64_t
add_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	size_t left = len;

	for (; left >= 8; left -= 8, at += 8)
		hash = add_number(hash, number_of_eight(at));
	if (left > 0)
		hash = add_number(hash, number_of(at, left));
	return add_number(hash, len);
}

static int64_t
folded(uint64_t hash)
{
	return (int64_t)((hash ^ hash >> 32) & UINT32_MAX);
}

int64_t
mqev_sqlite_check_fixed(const struct mqev_record *r)
{
	uint64_t hash = add_number(BASIS, r->seq);

	hash = add_number(hash, r->client);
	hash = add_number(hash, r->kind);
	hash = add_number(hash, r->qos);
	hash = add_number(hash, r->cookie);
	hash = add_number(hash, (uint64_t)r->created_ms);
	return folded(add_number(hash, (uint64_t)r->expires_ms));
}

int64_t
mqev_sqlite_check_state(const struct mqev_record *r)
{
	uint64_t hash = add_number(BASIS, r->seq);

	hash = add_number(hash, r->n);
	hash = add_number(hash, r->epoch);
	hash = add_number(hash, r->mid);
	hash = add_number(hash, r->state);
	return folded(add_number(hash, r->flags));
}

int64_t
mqev_sqlite_check_bytes(uint64_t seq, const void *bytes, size_t len)
{
	return folded(add_bytes(add_number(BASIS, seq), bytes, len));
}

int64_t
mqev_sqlite_check_client(const struct mqev_store_client *c)
{
	uint64_t hash = add_number(BASIS, c->client);

	hash = add_number(hash, c->epoch);
	hash = add_number(hash, c->sent_n);
	hash = add_number(hash, (uint64_t)c->session_ends_ms);
	hash = add_number(hash, c->flags);
	hash = add_bytes(hash, c->name, strlen(c->name) + 1);
	return folded(add_bytes(hash, c->client_id, strlen(c->client_id) + 1));
}
