/* A stack of bufferevents that wait for their next link. Which may be kept is the links' matter. */
#include "net/spares.h"

#include <event2/bufferevent.h>

#include "core/mem.h"

#define FIRST_CAPACITY 16
/* Longer than the first wait before a retry. */
#define KEEP_MS 5000

static bool
grow(struct mqev_spares *spares)
{
	size_t capacity = spares->capacity > 0 ? spares->capacity * 2 : FIRST_CAPACITY;
	struct bufferevent **at;

	if (capacity > MQEV_SPARES_MOST)
		return false;
	at = mqev_realloc(spares->at, capacity * sizeof(*at));
	if (at == NULL)
		return false;
	spares->at = at;
	spares->capacity = capacity;
	return true;
}

bool
mqev_spares_keep(struct mqev_spares *spares, struct bufferevent *bev)
{
	if (spares->count == spares->capacity && !grow(spares))
		return false;
	spares->at[spares->count++] = bev;
	spares->touched = true;
	return true;
}

struct bufferevent *
mqev_spares_take(struct mqev_spares *spares)
{
	if (spares->count == 0)
		return NULL;
	spares->touched = true;
	return spares->at[--spares->count];
}

void
mqev_spares_trim(struct mqev_spares *spares, uint64_t now_ms)
{
	if (spares->touched)
		spares->touched_ms = now_ms;
	spares->touched = false;
	if (spares->capacity > 0 && now_ms >= spares->touched_ms + KEEP_MS)
		mqev_spares_free(spares);
}

void
mqev_spares_free(struct mqev_spares *spares)
{
	while (spares->count > 0)
		bufferevent_free(spares->at[--spares->count]);
	mqev_free(spares->at);
	spares->at = NULL;
	spares->capacity = 0;
}
