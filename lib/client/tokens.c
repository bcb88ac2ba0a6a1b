/* Which client of a fleet has the message of a token that is not done: for publishes that answer
 * one. A table that exists while there are any. */
#include "client/durable.h"

#include "client/fleet.h"
#include "core/mem.h"

#define FIRST_CAPACITY 16

struct slot {
	uint64_t token; /* 0: free */
	struct mqev_client *client;
};

struct mqev_tokens {
	struct slot *slots;
	uint32_t capacity; /* a power of two, at most half of it in use */
	uint32_t count;
};

/* Tokens are numbers in a row. */
static uint32_t
home_of(const struct mqev_tokens *t, uint64_t token)
{
	return (uint32_t)token & (t->capacity - 1);
}

static uint32_t
next_of(const struct mqev_tokens *t, uint32_t at)
{
	return (at + 1) & (t->capacity - 1);
}

static void
put(struct mqev_tokens *t, const struct slot *slot)
{
	uint32_t at = home_of(t, slot->token);

	while (t->slots[at].token != 0)
		at = next_of(t, at);
	t->slots[at] = *slot;
	t->count++;
}

static bool
grow(struct mqev_tokens *t)
{
	struct mqev_tokens larger = {
	    .capacity = t->capacity > 0 ? t->capacity * 2 : FIRST_CAPACITY};

	larger.slots = mqev_calloc(larger.capacity, sizeof(*larger.slots));
	if (larger.slots == NULL)
		return false;
	for (uint32_t i = 0; i < t->capacity; i++) {
		if (t->slots[i].token != 0)
			put(&larger, &t->slots[i]);
	}
	mqev_free(t->slots);
	*t = larger;
	return true;
}

static void
free_table(struct mqev_fleet *fleet)
{
	mqev_free(fleet->tokens->slots);
	mqev_free(fleet->tokens);
	fleet->tokens = NULL;
}

bool
mqev_tokens_add(struct mqev_fleet *fleet, uint64_t token, struct mqev_client *c)
{
	struct slot slot = {token, c};

	if (mqev_tokens_find(fleet, token) != NULL)
		return true;
	if (fleet->tokens == NULL)
		fleet->tokens = mqev_calloc(1, sizeof(*fleet->tokens));
	if (fleet->tokens == NULL)
		return false;
	if (fleet->tokens->count >= fleet->tokens->capacity / 2 && !grow(fleet->tokens)) {
		if (fleet->tokens->count == 0)
			free_table(fleet);
		return false;
	}
	put(fleet->tokens, &slot);
	return true;
}

static struct slot *
find(const struct mqev_tokens *t, uint64_t token)
{
	uint32_t at;

	if (t == NULL)
		return NULL;
	for (at = home_of(t, token); t->slots[at].token != 0; at = next_of(t, at)) {
		if (t->slots[at].token == token)
			return &t->slots[at];
	}
	return NULL;
}

struct mqev_client *
mqev_tokens_find(const struct mqev_fleet *fleet, uint64_t token)
{
	const struct slot *slot = find(fleet->tokens, token);

	return slot != NULL ? slot->client : NULL;
}

/* Those behind it, up to the next free place, may have to move nearer to their homes. */
static void
close_gap(struct mqev_tokens *t, uint32_t at)
{
	for (at = next_of(t, at); t->slots[at].token != 0; at = next_of(t, at)) {
		struct slot slot = t->slots[at];

		t->slots[at].token = 0;
		t->count--;
		put(t, &slot);
	}
}

void
mqev_tokens_remove(struct mqev_fleet *fleet, uint64_t token)
{
	struct mqev_tokens *t = fleet->tokens;
	struct slot *slot = find(t, token);

	if (slot == NULL)
		return;
	slot->token = 0;
	t->count--;
	if (t->count == 0)
		free_table(fleet);
	else
		close_gap(t, (uint32_t)(slot - t->slots));
}
