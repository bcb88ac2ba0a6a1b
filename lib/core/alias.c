/* The table of outgoing topic aliases: found by hash, replaced by age. When one is used is the
 * session's decision. */
#include "core/alias.h"

#include <string.h>

#include "core/mem.h"

/* Entries are numbered as their aliases; 0 is the end of a chain or list. */
struct entry {
	uint8_t *topic;
	uint32_t len;
	uint32_t capacity;
	uint32_t hash;
	uint16_t chain; /* the next one in the same bucket */
	uint16_t newer;
	uint16_t older;
};

struct mqev_aliases {
	struct entry *entries; /* [1 .. capacity]; entry 0 is not used */
	uint16_t *buckets;
	uint32_t bucket_count; /* a power of two */
	uint32_t capacity;
	uint16_t max;
	uint16_t count;
	uint16_t newest;
	uint16_t oldest;
};

#define FIRST_CAPACITY 8

/* FNV-1a. A server gains nothing by collisions: it is our own topics that meet. */
static uint32_t
hash_of(struct mqev_bytes topic)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < topic.len; i++)
		hash = (hash ^ topic.data[i]) * 16777619u;
	return hash;
}

struct mqev_aliases *
mqev_aliases_new(uint16_t max)
{
	struct mqev_aliases *a = mqev_calloc(1, sizeof(*a));

	if (a != NULL)
		a->max = max;
	return a;
}

void
mqev_aliases_free(struct mqev_aliases *a)
{
	if (a == NULL)
		return;
	for (uint32_t i = 1; i <= a->count; i++)
		mqev_free(a->entries[i].topic);
	mqev_free(a->entries);
	mqev_free(a->buckets);
	mqev_free(a);
}

/* --- the list by age ---------------------------------------------------------------------------
 */

static void
take_out(struct mqev_aliases *a, uint16_t i)
{
	struct entry *e = &a->entries[i];

	if (e->newer != 0)
		a->entries[e->newer].older = e->older;
	else
		a->newest = e->older;
	if (e->older != 0)
		a->entries[e->older].newer = e->newer;
	else
		a->oldest = e->newer;
}

static void
put_newest(struct mqev_aliases *a, uint16_t i)
{
	struct entry *e = &a->entries[i];

	e->newer = 0;
	e->older = a->newest;
	if (a->newest != 0)
		a->entries[a->newest].newer = i;
	else
		a->oldest = i;
	a->newest = i;
}

/* --- the hash ----------------------------------------------------------------------------------
 */

static uint16_t *
bucket_of(const struct mqev_aliases *a, uint32_t hash)
{
	return &a->buckets[hash & (a->bucket_count - 1)];
}

static void
chain(struct mqev_aliases *a, uint16_t i)
{
	uint16_t *bucket = bucket_of(a, a->entries[i].hash);

	a->entries[i].chain = *bucket;
	*bucket = i;
}

static void
unchain(struct mqev_aliases *a, uint16_t i)
{
	uint16_t *at = bucket_of(a, a->entries[i].hash);

	while (*at != i)
		at = &a->entries[*at].chain;
	*at = a->entries[i].chain;
}

static uint16_t
find(const struct mqev_aliases *a, struct mqev_bytes topic, uint32_t hash)
{
	uint16_t i = a->bucket_count > 0 ? *bucket_of(a, hash) : 0;

	for (; i != 0; i = a->entries[i].chain) {
		const struct entry *e = &a->entries[i];

		if (e->hash == hash && e->len == topic.len &&
		    memcmp(e->topic, topic.data, topic.len) == 0)
			return i;
	}
	return 0;
}

/* --- growing and replacing ---------------------------------------------------------------------
 */

static bool
grow_entries(struct mqev_aliases *a, uint32_t capacity)
{
	struct entry *entries = mqev_realloc(a->entries, (capacity + 1) * sizeof(*entries));

	if (entries == NULL)
		return false;
	memset(entries + a->capacity + 1, 0, (capacity - a->capacity) * sizeof(*entries));
	a->entries = entries;
	a->capacity = capacity;
	return true;
}

static bool
grow_buckets(struct mqev_aliases *a, uint32_t count)
{
	uint16_t *buckets = mqev_calloc(count, sizeof(*buckets));

	if (buckets == NULL)
		return false;
	mqev_free(a->buckets);
	a->buckets = buckets;
	a->bucket_count = count;
	for (uint32_t i = 1; i <= a->count; i++)
		chain(a, (uint16_t)i);
	return true;
}

static bool
reserve(struct mqev_aliases *a)
{
	uint32_t capacity = a->capacity > 0 ? a->capacity * 2 : FIRST_CAPACITY;

	if (a->count < a->capacity || a->count == a->max)
		return true;
	if (a->bucket_count < capacity && !grow_buckets(a, capacity))
		return false;
	return grow_entries(a, capacity < a->max ? capacity : a->max);
}

static bool
set_topic(struct entry *e, struct mqev_bytes topic, uint32_t hash)
{
	uint8_t *copy = e->topic;

	if (e->capacity < topic.len) {
		copy = mqev_malloc(topic.len);
		if (copy == NULL)
			return false;
		mqev_free(e->topic);
		e->topic = copy;
		e->capacity = (uint32_t)topic.len;
	}
	memcpy(copy, topic.data, topic.len);
	e->len = (uint32_t)topic.len;
	e->hash = hash;
	return true;
}

static uint16_t
add_entry(struct mqev_aliases *a, struct mqev_bytes topic, uint32_t hash)
{
	uint16_t i = (uint16_t)(a->count + 1);

	if (!set_topic(&a->entries[i], topic, hash))
		return 0;
	a->count = i;
	return i;
}

static uint16_t
replace_oldest(struct mqev_aliases *a, struct mqev_bytes topic, uint32_t hash)
{
	uint16_t i = a->oldest;

	unchain(a, i);
	if (!set_topic(&a->entries[i], topic, hash)) {
		chain(a, i);
		return 0;
	}
	take_out(a, i);
	return i;
}

static uint16_t
remember(struct mqev_aliases *a, struct mqev_bytes topic, uint32_t hash)
{
	uint16_t i;

	if (!reserve(a))
		return 0;
	i = a->count < a->max ? add_entry(a, topic, hash) : replace_oldest(a, topic, hash);
	if (i == 0)
		return 0;
	chain(a, i);
	put_newest(a, i);
	return i;
}

uint16_t
mqev_alias_of(struct mqev_aliases *a, struct mqev_bytes topic, bool *known)
{
	uint32_t hash = hash_of(topic);
	uint16_t i = find(a, topic, hash);

	*known = i != 0;
	if (i == 0)
		return remember(a, topic, hash);
	take_out(a, i);
	put_newest(a, i);
	return i;
}
