/* Where a session's bytes go, and what else it shares with others: one flat buffer that many
 * sessions use in turn. Who empties it is not known here. */
#ifndef MQEV_CORE_SINK_H
#define MQEV_CORE_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/budget.h"
#include "core/tally.h"

struct mqev_op;
struct mqev_session_events;
struct mqev_sink;

struct mqev_sink_methods {
	/* Makes room for n contiguous bytes of owner: afterwards sink->owner == owner and end - at
	 * >= n. False when memory runs out. */
	bool (*grow)(struct mqev_sink *sink, void *owner, size_t n);
	/* Appends len bytes of op's payload to owner's stream without copying; holds a reference to
	 * op until they have left. */
	bool (*lend)(struct mqev_sink *sink, void *owner, struct mqev_op *op, const uint8_t *data,
	    size_t len);
};

struct mqev_sink {
	const struct mqev_sink_methods *methods;
	void *owner; /* whose bytes are gathered now */
	uint8_t *at; /* the next free byte */
	uint8_t *end;
	const struct mqev_session_events *events; /* what all its sessions tell; session.h */
	struct mqev_tally tally;		  /* of all its sessions */
	struct mqev_budget *budget;		  /* that they share; NULL: none */
};

/* Room for n bytes, or NULL. The caller writes them all and then calls mqev_sink_commit(). */
static inline uint8_t *
mqev_sink_reserve(struct mqev_sink *sink, void *owner, size_t n)
{
	if (sink->owner != owner || (size_t)(sink->end - sink->at) < n) {
		if (!sink->methods->grow(sink, owner, n))
			return NULL;
	}
	return sink->at;
}

/* So many bytes can be reserved without asking for more. */
static inline size_t
mqev_sink_room(const struct mqev_sink *sink, const void *owner)
{
	return sink->owner == owner ? (size_t)(sink->end - sink->at) : 0;
}

static inline void
mqev_sink_commit(struct mqev_sink *sink, size_t n)
{
	sink->at += n;
}

#endif
