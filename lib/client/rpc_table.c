/* The table of requests by number. What becomes of them: rpc.c. */
#include "client/rpc_table.h"

#include "client/rpc.h"
#include "core/mem.h"

#define FIRST_CAPACITY 8

static size_t
home(const struct mqev_call_table *table, uint64_t number)
{
	return (size_t)number & (table->capacity - 1);
}

static size_t
after(const struct mqev_call_table *table, size_t slot)
{
	return (slot + 1) & (table->capacity - 1);
}

/* Where it stands, or where it would. */
static size_t
probe(const struct mqev_call_table *table, uint64_t number)
{
	size_t slot = home(table, number);

	while (table->slots[slot] != NULL && table->slots[slot]->number != number)
		slot = after(table, slot);
	return slot;
}

struct mqev_call *
mqev_call_table_get(const struct mqev_call_table *table, uint64_t number)
{
	return table->count > 0 ? table->slots[probe(table, number)] : NULL;
}

struct mqev_call *
mqev_call_table_next(const struct mqev_call_table *table, size_t *slot)
{
	while (*slot < table->capacity && table->slots[*slot] == NULL)
		++*slot;
	return *slot < table->capacity ? table->slots[*slot] : NULL;
}

static bool
grow(struct mqev_call_table *table)
{
	struct mqev_call_table larger = {
	    .capacity = table->capacity > 0 ? table->capacity * 2 : FIRST_CAPACITY,
	    .count = table->count};

	larger.slots = mqev_calloc(larger.capacity, sizeof(struct mqev_call *));
	if (larger.slots == NULL)
		return false;
	for (size_t i = 0; i < table->capacity; i++) {
		struct mqev_call *call = table->slots[i];

		if (call != NULL)
			larger.slots[probe(&larger, call->number)] = call;
	}
	mqev_free(table->slots);
	*table = larger;
	return true;
}

bool
mqev_call_table_put(struct mqev_call_table *table, struct mqev_call *call)
{
	/* A quarter stays free, so that each search ends soon. */
	if ((table->count + 1) * 4 > table->capacity * 3 && !grow(table))
		return false;
	table->slots[probe(table, call->number)] = call;
	table->count++;
	return true;
}

/* Those behind a gap move up as far as their home allows. */
static void
close_gap(struct mqev_call_table *table, size_t gap)
{
	size_t slot = after(table, gap);

	for (; table->slots[slot] != NULL; slot = after(table, slot)) {
		size_t from_home = slot - home(table, table->slots[slot]->number);
		size_t from_gap = slot - gap;

		if ((from_home & (table->capacity - 1)) < (from_gap & (table->capacity - 1)))
			continue;
		table->slots[gap] = table->slots[slot];
		gap = slot;
	}
	table->slots[gap] = NULL;
}

void
mqev_call_table_remove(struct mqev_call_table *table, const struct mqev_call *call)
{
	close_gap(table, probe(table, call->number));
	if (--table->count > 0)
		return;
	mqev_free(table->slots);
	*table = (struct mqev_call_table){0};
}
