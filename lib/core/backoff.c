/*
 * The wait before the next attempt to connect; when to count an attempt is the connect
 * controller's business.
 */
#include "core/backoff.h"

/* min_ms doubled so many times, but not past max_ms. */
static uint64_t
doubled(uint32_t min_ms, uint32_t times, uint32_t max_ms)
{
	uint64_t wait = (uint64_t)min_ms << (times < 32 ? times : 32);

	return wait < max_ms ? wait : max_ms;
}

/* low to high, both included. */
static uint32_t
uniform(uint64_t low, uint64_t high, uint32_t random)
{
	return (uint32_t)(low + ((high - low + 1) * random >> 32));
}

uint32_t
mqev_backoff_ms(
    uint32_t n, uint32_t min_ms, uint32_t max_ms, enum mqev_jitter jitter, uint32_t random)
{
	uint32_t limit = max_ms > min_ms ? max_ms : min_ms;
	uint64_t wait = doubled(min_ms, jitter == MQEV_JITTER_NONE || n > 32 ? n : n + 1, limit);

	switch (jitter) {
	case MQEV_JITTER_NONE:
		return (uint32_t)wait;
	case MQEV_JITTER_FULL:
		return uniform(min_ms, wait, random);
	case MQEV_JITTER_EQUAL:
		break;
	}
	return uniform(wait / 2 > min_ms ? wait / 2 : min_ms, wait, random);
}
