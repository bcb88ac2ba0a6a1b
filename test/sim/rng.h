/* Numbers from a seed, the same on every machine. */
#ifndef MQEV_SIM_RNG_H
#define MQEV_SIM_RNG_H

#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t
rng_next(struct rng *r)
{
	uint64_t z = r->state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

/* 0 to n - 1; 0 for n 0. */
static inline unsigned
rng_below(struct rng *r, unsigned n)
{
	return n > 0 ? (unsigned)(rng_next(r) >> 11) % n : 0;
}

static inline int
rng_percent(struct rng *r, unsigned percent)
{
	return rng_below(r, 100) < percent;
}

#endif
