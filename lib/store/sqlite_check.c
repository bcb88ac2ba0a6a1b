/* Checksums of what is kept, so that damage is seen and not delivered: 32 bits, by FNV-1a. Not a
 * protection from who can write the file. */
#include <string.h>

#include "store/sqlite_internal.h"

#define BASIS UINT64_C(0xCBF29CE484222325)
#define PRIME UINT64_C(0x100000001B3)

static uint64_t
add_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * PRIME;
	return hash;
}

/* The same on every machine, whatever its order of bytes. */
static uint64_t
add_number(uint64_t hash, uint64_t number)
{
	for (int i = 0; i < 8; i++, number >>= 8)
		hash = (hash ^ (number & 0xFF)) * PRIME;
	return hash;
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
