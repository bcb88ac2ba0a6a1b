/* Clocks, CPU time, resident memory and a histogram of latencies. */
#include "bench/measure.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

void
histogram_clear(struct histogram *h)
{
	memset(h, 0, sizeof *h);
}

static unsigned
cell_of(uint64_t ns)
{
	unsigned power;

	if (ns < HISTOGRAM_STEPS)
		return (unsigned)ns;
	power = 63u - (unsigned)__builtin_clzll(ns);
	if (power >= HISTOGRAM_POWERS)
		return HISTOGRAM_CELLS - 1;
	return (power - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS +
	       (unsigned)(ns >> (power - HISTOGRAM_STEP_BITS) & (HISTOGRAM_STEPS - 1));
}

/* The middle of a cell. */
static double
cell_value_ns(unsigned cell)
{
	unsigned block = cell / HISTOGRAM_STEPS, step = cell % HISTOGRAM_STEPS;

	if (block == 0)
		return step;
	return ((double)(HISTOGRAM_STEPS + step) + 0.5) * (double)(1ull << (block - 1));
}

void
histogram_add(struct histogram *h, int64_t ns)
{
	h->cells[cell_of(ns > 0 ? (uint64_t)ns : 0)]++;
	h->count++;
}

double
histogram_quantile_us(const struct histogram *h, double part)
{
	uint64_t seen = 0;
	unsigned i;

	for (i = 0; i < HISTOGRAM_CELLS; i++) {
		seen += h->cells[i];
		if (h->count && (double)seen >= part * (double)h->count)
			return cell_value_ns(i) / 1e3;
	}
	return 0;
}

static double
seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static double
process_seconds(long pid)
{
	clockid_t id;
	struct timespec t;

	if (!pid || clock_getcpuclockid((pid_t)pid, &id) || clock_gettime(id, &t))
		return 0;
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int64_t
clock_monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void
mark_take(struct mark *m, long broker_pid)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	m->wall_ns = clock_monotonic_ns();
	m->user_s = seconds(&u.ru_utime);
	m->system_s = seconds(&u.ru_stime);
	m->broker_s = process_seconds(broker_pid);
}

struct mark
mark_between(const struct mark *from, const struct mark *to)
{
	return (struct mark){
	    .wall_ns = to->wall_ns - from->wall_ns,
	    .user_s = to->user_s - from->user_s,
	    .system_s = to->system_s - from->system_s,
	    .broker_s = to->broker_s - from->broker_s,
	};
}

/* The sum in statm is off by some pages per CPU; this one walks the page tables. */
int64_t
resident_bytes(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	long long kib = -1;

	while (f && kib < 0 && fgets(line, sizeof line, f))
		if (sscanf(line, "Rss: %lld kB", &kib) != 1)
			kib = -1;
	if (f)
		fclose(f);
	return kib < 0 ? -1 : (int64_t)kib * 1024;
}
