/* Requests that wait for their replies, by number. */
#ifndef MQEV_CLIENT_RPC_TABLE_H
#define MQEV_CLIENT_RPC_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mqev_call;

/* Linear probing from number & (capacity - 1): neighbours in time never collide. */
struct mqev_call_table {
	struct mqev_call **slots;
	size_t capacity; /* power of two */
	size_t count;
};

struct mqev_call *mqev_call_table_get(const struct mqev_call_table *table, uint64_t number);
/* False when memory runs out. */
bool mqev_call_table_put(struct mqev_call_table *table, struct mqev_call *call);
/* It must be there. The last one frees the memory. */
void mqev_call_table_remove(struct mqev_call_table *table, const struct mqev_call *call);
/*
 * The first one from *slot on, which begins as 0; the one before may have been removed meanwhile.
 * NULL: there is none.
 */
struct mqev_call *mqev_call_table_next(const struct mqev_call_table *table, size_t *slot);

#endif
