/*
 * The hash table from packet identifiers to pointers; which identifier is taken next is the
 * session's business.
 */
#include "core/ids.h"

#include "core/mem.h"

#define FIRST_CAPACITY 16

struct mqev_id_slot {
	void *value; /* NULL: the slot is free */
	uint16_t mid;
};

/* Where mid stands, or the free slot at which its search ends. The table is never full. */
static uint32_t
find_slot(const struct mqev_ids *ids, uint16_t mid)
{
	uint32_t mask = ids->capacity - 1;
	uint32_t at = mid & mask;

	while (ids->slots[at].value != NULL && ids->slots[at].mid != mid)
		at = (at + 1) & mask;
	return at;
}

static bool
grow(struct mqev_ids *ids)
{
	struct mqev_ids bigger = {
	    NULL, ids->capacity > 0 ? ids->capacity * 2 : FIRST_CAPACITY, ids->count};
	uint32_t i;

	bigger.slots = mqev_calloc(bigger.capacity, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return false;
	for (i = 0; i < ids->capacity; i++)
		if (ids->slots[i].value != NULL)
			bigger.slots[find_slot(&bigger, ids->slots[i].mid)] = ids->slots[i];
	mqev_free(ids->slots);
	*ids = bigger;
	return true;
}

void *
mqev_ids_get(const struct mqev_ids *ids, uint16_t mid)
{
	if (ids->count == 0)
		return NULL;
	return ids->slots[find_slot(ids, mid)].value;
}

bool
mqev_ids_reserve(struct mqev_ids *ids)
{
	return ids->count < ids->capacity / 4 * 3 || grow(ids);
}

bool
mqev_ids_put(struct mqev_ids *ids, uint16_t mid, void *value)
{
	struct mqev_id_slot *slot;

	if (!mqev_ids_reserve(ids))
		return false;
	slot = &ids->slots[find_slot(ids, mid)];
	slot->mid = mid;
	slot->value = value;
	ids->count++;
	return true;
}

/* Moves later members of the run into the hole where their search may begin at or before it. */
static void
close_hole(struct mqev_ids *ids, uint32_t hole)
{
	uint32_t mask = ids->capacity - 1;
	uint32_t at = (hole + 1) & mask;

	for (; ids->slots[at].value != NULL; at = (at + 1) & mask) {
		uint32_t home = ids->slots[at].mid & mask;

		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		ids->slots[hole] = ids->slots[at];
		hole = at;
	}
	ids->slots[hole].value = NULL;
}

void *
mqev_ids_remove(struct mqev_ids *ids, uint16_t mid)
{
	uint32_t at;
	void *value;

	if (ids->count == 0)
		return NULL;
	at = find_slot(ids, mid);
	value = ids->slots[at].value;
	if (value == NULL)
		return NULL;
	close_hole(ids, at);
	ids->count--;
	return value;
}

void
mqev_ids_remove_if(
    struct mqev_ids *ids, bool (*which)(uint16_t mid, void *value, void *arg), void *arg)
{
	for (uint32_t at = 0; ids->count > 0 && at < ids->capacity; at++) {
		struct mqev_id_slot *slot = &ids->slots[at];

		/* Closing the hole may bring another one here. */
		while (slot->value != NULL && which(slot->mid, slot->value, arg)) {
			close_hole(ids, at);
			ids->count--;
		}
	}
}

void
mqev_ids_clear(struct mqev_ids *ids)
{
	mqev_free(ids->slots);
	ids->slots = NULL;
	ids->capacity = 0;
	ids->count = 0;
}

void
mqev_ids_trim(struct mqev_ids *ids)
{
	if (ids->count == 0)
		mqev_ids_clear(ids);
}
