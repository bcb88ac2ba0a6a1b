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

/* How many bits the value has. */
#if defined(__GNUC__)
#	define MQEV_BIT_LENGTH(value) \
		((value) == 0 ? 0u : 64u - (unsigned)__builtin_clzll((unsigned long long)(value)))
#else
#	define MQEV_BIT_LENGTH(value) mqev_bit_length(value)
static inline unsigned
mqev_bit_length(uint64_t value)
{
	unsigned bits = 0;

	while (bits < 64 && value >> bits > 0)
		bits++;
	return bits;
}
#endif

static inline void
mqev_histogram_add(struct mqev_histogram *h, uint64_t value)
{
	unsigned bucket = MQEV_BIT_LENGTH(value);

	if (bucket > MQEV_HISTOGRAM_BUCKETS - 1)
		bucket = MQEV_HISTOGRAM_BUCKETS - 1;
	h->buckets[bucket]++;
	h->count++;
	h->sum += value;
}

#endif
