/* Coarse deadlines of many clients: one timer, slots of a quarter of a second, no heap, nothing to
 * pay when a deadline moves on. */
#ifndef MQEV_CLIENT_WHEEL_H
#define MQEV_CLIENT_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define MQEV_WHEEL_SLOTS 512
#define MQEV_WHEEL_SLOT_MS 250

struct mqev_wheel_node {
	struct mqev_wheel_node *next;
	struct mqev_wheel_node **at; /* NULL: in no slot */
	uint64_t due_ms;
};

struct mqev_wheel {
	struct mqev_wheel_node *slots[MQEV_WHEEL_SLOTS];
	uint64_t first_ms;  /* when the first slot began: each fleet has moments of its own */
	uint64_t turned_ms; /* all slots up to this time were visited */
	uint32_t count;
};

void mqev_wheel_init(struct mqev_wheel *wheel, uint64_t now);
/* Puts the node where due_ms falls; out of where it was. UINT64_MAX: nowhere. */
void mqev_wheel_set(struct mqev_wheel *wheel, struct mqev_wheel_node *node, uint64_t due_ms);
/* Takes out one node whose slot is over at now, so up to a slot after it was due. NULL: there are
 * no more. */
struct mqev_wheel_node *mqev_wheel_next(struct mqev_wheel *wheel, uint64_t now);
/* What that is likely to return next time; NULL: it cannot be told cheaply. */
const struct mqev_wheel_node *mqev_wheel_peek(const struct mqev_wheel *wheel);
/* From now to the end of a slot; never 0. */
uint32_t mqev_wheel_wait_ms(const struct mqev_wheel *wheel, uint64_t now);

#endif
