/* What a client has only at times hangs on one list: one pointer for all of it, and no memory but
 * its own. */
#ifndef MQEV_CLIENT_PART_H
#define MQEV_CLIENT_PART_H

#include <stddef.h>

enum mqev_part_kind {
	MQEV_PART_ATTEMPT, /* while a connection is made or waited for */
	MQEV_PART_DETOUR,  /* where a redirect leads, while one is followed */
	MQEV_PART_WORDS,   /* what is to be told of a connection's end, until it is */
	MQEV_PART_NOTES,   /* lines and events that wait for a callback */
	MQEV_PART_DRAIN,   /* while it is draining */
	MQEV_PART_RPC,	   /* since the first request */
	MQEV_PART_REMOTE   /* for other threads, since somebody asked for it */
};

/* The first member of what hangs there, one of each kind. */
struct mqev_part {
	struct mqev_part *next;
	enum mqev_part_kind kind;
};

/* NULL: there is none. */
static inline void *
mqev_part_find(struct mqev_part *parts, enum mqev_part_kind kind)
{
	while (parts != NULL && parts->kind != kind)
		parts = parts->next;
	return parts;
}

static inline void
mqev_part_add(struct mqev_part **parts, struct mqev_part *part, enum mqev_part_kind kind)
{
	part->kind = kind;
	part->next = *parts;
	*parts = part;
}

static inline void
mqev_part_remove(struct mqev_part **parts, const struct mqev_part *part)
{
	while (*parts != part)
		parts = &(*parts)->next;
	*parts = part->next;
}

#endif
