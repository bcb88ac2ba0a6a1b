/* What is measured: clocks, CPU time, resident memory and a histogram of latencies. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdint.h>

/* 64 steps per power of two up to 2^40 ns (18 minutes): a value is off by 1.6% at most. */
#define HISTOGRAM_STEP_BITS 6
#define HISTOGRAM_STEPS (1 << HISTOGRAM_STEP_BITS)
#define HISTOGRAM_POWERS 40
#define HISTOGRAM_CELLS ((HISTOGRAM_POWERS - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS)

struct histogram {
	uint64_t count;
	uint32_t cells[HISTOGRAM_CELLS];
};

void histogram_clear(struct histogram *h);
void histogram_add(struct histogram *h, int64_t ns);
/* The value under which this part of the latencies lies, in microseconds; 0 when there are none. */
double histogram_quantile_us(const struct histogram *h, double part);

/* One moment: wall clock, this process's CPU time, the broker's. */
struct mark {
	int64_t wall_ns;
	double user_s;
	double system_s;
	double broker_s;
};

/* broker_pid 0: no broker is looked at. */
void mark_take(struct mark *m, long broker_pid);
/* What is between two moments. */
struct mark mark_between(const struct mark *from, const struct mark *to);

int64_t clock_monotonic_ns(void);
/* Resident memory of this process in bytes, exact; -1 when it cannot be known. */
int64_t resident_bytes(void);

#endif
