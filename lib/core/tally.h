/* What the sessions that share a sink count together, and how a histogram is filled. */
#ifndef MQEV_CORE_TALLY_H
#define MQEV_CORE_TALLY_H

#include <mqev/stats.h>

struct mqev_tally {
	uint64_t messages_in[3];
	uint64_t messages_out[3];
	uint64_t message_bytes_in[3];
	uint64_t message_bytes_out[3];
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t inflight; /* gauge */
	struct mqev_histogram ack_ms;
	struct mqev_histogram ping_ms;
};

static inline void
mqev_histogram_add(struct mqev_histogram *h, uint64_t value)
{
	unsigned bucket = 0;

	while (bucket < MQEV_HISTOGRAM_BUCKETS - 1 && value >> bucket > 0)
		bucket++;
	h->buckets[bucket]++;
	h->count++;
	h->sum += value;
}

#endif
