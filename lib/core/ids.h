/*
 * Maps packet identifiers to pointers: in-flight operations, and the set of received QoS 2
 * identifiers. Memory only while it holds something.
 */
#ifndef MQEV_CORE_IDS_H
#define MQEV_CORE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mqev_id_slot;

struct mqev_ids {
	/* Linear probing from mid & (capacity - 1), the farthest from home first: consecutive
	 * identifiers never collide, and removing one moves none. */
	struct mqev_id_slot *slots;
	uint32_t capacity; /* power of two */
	uint32_t count;
};

void *mqev_ids_get(const struct mqev_ids *ids, uint16_t mid);
/* value must not be NULL, mid must be free and not 0. False when memory runs out. */
bool mqev_ids_put(struct mqev_ids *ids, uint16_t mid, void *value);
/* Makes sure that the next mqev_ids_put() cannot fail. */
bool mqev_ids_reserve(struct mqev_ids *ids);
/* The value that stood there, or NULL. */
void *mqev_ids_remove(struct mqev_ids *ids, uint16_t mid);
/* Removes the entries for which which() says true. */
void mqev_ids_remove_if(
    struct mqev_ids *ids, bool (*which)(uint16_t mid, void *value, void *arg), void *arg);
/* Forgets all and frees the memory. */
void mqev_ids_clear(struct mqev_ids *ids);
/* Gives memory back that a burst left behind: frees when empty. */
void mqev_ids_trim(struct mqev_ids *ids);

#endif
