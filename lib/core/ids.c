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

static uint32_t
home_of(const struct mqev_ids *ids, uint16_t mid)
{
	return mid & (ids->capacity - 1);
}

/* How far from the slot where its search begins an identifier stands at this one. */
static uint32_t
from_home(const struct mqev_ids *ids, uint16_t mid, uint32_t at)
{
	return (at - mid) & (ids->capacity - 1);
}

static uint32_t
next_slot(const struct mqev_ids *ids, uint32_t at)
{
	return (at + 1) & (ids->capacity - 1);
}

/* The table is never full. */
static struct mqev_id_slot *
find_slot(const struct mqev_ids *ids, uint16_t mid)
{
	uint32_t at = home_of(ids, mid);

	while (ids->slots[at].value != NULL && ids->slots[at].mid != mid)
		at = next_slot(ids, at);
	return ids->slots[at].value != NULL ? &ids->slots[at] : NULL;
}

/* Who is farther from home gets the slot: so neighbours stand in the order of their homes, and a
 * hole is closed by those alone that are not at home. */
static void
place(struct mqev_ids *ids, struct mqev_id_slot item)
{
	uint32_t at = home_of(ids, item.mid);

	for (; ids->slots[at].value != NULL; at = next_slot(ids, at)) {
		struct mqev_id_slot other = ids->slots[at];

		if (from_home(ids, other.mid, at) < from_home(ids, item.mid, at)) {
			ids->slots[at] = item;
			item = other;
		}
	}
	ids->slots[at] = item;
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
			place(&bigger, ids->slots[i]);
	mqev_free(ids->slots);
	*ids = bigger;
	return true;
}

void *
mqev_ids_get(const struct mqev_ids *ids, uint16_t mid)
{
	const struct mqev_id_slot *slot = ids->count > 0 ? find_slot(ids, mid) : NULL;

	return slot != NULL ? slot->value : NULL;
}

bool
mqev_ids_reserve(struct mqev_ids *ids)
{
	return ids->count < ids->capacity / 4 * 3 || grow(ids);
}

bool
mqev_ids_put(struct mqev_ids *ids, uint16_t mid, void *value)
{
	if (!mqev_ids_reserve(ids))
		return false;
	place(ids, (struct mqev_id_slot){value, mid});
	ids->count++;
	return true;
}

static void
close_hole(struct mqev_ids *ids, uint32_t hole)
{
	uint32_t at = next_slot(ids, hole);

	while (ids->slots[at].value != NULL && from_home(ids, ids->slots[at].mid, at) > 0) {
		ids->slots[hole] = ids->slots[at];
		hole = at;
		at = next_slot(ids, at);
	}
	ids->slots[hole].value = NULL;
}

void *
mqev_ids_remove(struct mqev_ids *ids, uint16_t mid)
{
	struct mqev_id_slot *slot = ids->count > 0 ? find_slot(ids, mid) : NULL;
	void *value;

	if (slot == NULL)
		return NULL;
	value = slot->value;
	close_hole(ids, (uint32_t)(slot - ids->slots));
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
