/* The wheel of coarse deadlines. Who turns it and what a deadline means is not known here. */
#include "client/wheel.h"

#include <stddef.h>
#include <string.h>

void
mqev_wheel_init(struct mqev_wheel *wheel, uint64_t now)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->first_ms = wheel->turned_ms = now;
}

static void
take_out(struct mqev_wheel *wheel, struct mqev_wheel_node *node)
{
	*node->at = node->next;
	if (node->next != NULL)
		node->next->at = node->at;
	node->at = NULL;
	wheel->count--;
}

static size_t
slot_of(const struct mqev_wheel *wheel, uint64_t ms)
{
	return (size_t)((ms - wheel->first_ms) / MQEV_WHEEL_SLOT_MS % MQEV_WHEEL_SLOTS);
}

void
mqev_wheel_set(struct mqev_wheel *wheel, struct mqev_wheel_node *node, uint64_t due_ms)
{
	struct mqev_wheel_node **slot;

	if (node->at != NULL)
		take_out(wheel, node);
	if (due_ms == UINT64_MAX)
		return;
	/* A deadline in the past goes where the wheel comes next. */
	if (due_ms < wheel->turned_ms)
		due_ms = wheel->turned_ms;
	slot = &wheel->slots[slot_of(wheel, due_ms)];
	node->due_ms = due_ms;
	node->next = *slot;
	node->at = slot;
	if (*slot != NULL)
		(*slot)->at = &node->next;
	*slot = node;
	wheel->count++;
}

static struct mqev_wheel_node *
due_in(struct mqev_wheel_node *node, uint64_t now)
{
	while (node != NULL && node->due_ms > now)
		node = node->next; /* of a later turn */
	return node;
}

/* No slot need be visited twice after a long sleep. */
static void
skip_whole_turns(struct mqev_wheel *wheel, uint64_t now)
{
	uint64_t whole_turn = (uint64_t)MQEV_WHEEL_SLOTS * MQEV_WHEEL_SLOT_MS;

	if (now > wheel->turned_ms + whole_turn)
		wheel->turned_ms +=
		    (now - wheel->turned_ms - whole_turn) / MQEV_WHEEL_SLOT_MS * MQEV_WHEEL_SLOT_MS;
}

/* In a slot that is not over some would not be due yet, and be passed over for each that is. */
struct mqev_wheel_node *
mqev_wheel_next(struct mqev_wheel *wheel, uint64_t now)
{
	skip_whole_turns(wheel, now);
	while (wheel->turned_ms + MQEV_WHEEL_SLOT_MS <= now) {
		struct mqev_wheel_node *node =
		    due_in(wheel->slots[slot_of(wheel, wheel->turned_ms)], now);

		if (node != NULL) {
			take_out(wheel, node);
			return node;
		}
		wheel->turned_ms += MQEV_WHEEL_SLOT_MS;
	}
	return NULL;
}

const struct mqev_wheel_node *
mqev_wheel_peek(const struct mqev_wheel *wheel)
{
	return wheel->slots[slot_of(wheel, wheel->turned_ms)];
}

uint32_t
mqev_wheel_wait_ms(const struct mqev_wheel *wheel, uint64_t now)
{
	return MQEV_WHEEL_SLOT_MS - (uint32_t)((now - wheel->first_ms) % MQEV_WHEEL_SLOT_MS);
}
