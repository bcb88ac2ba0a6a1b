/* The scenarios: which phases follow one another, and what of them is measured. */
#include "bench/driver.h"

#include <string.h>

/* Late work of a library (tickets, timers) is over after this, before memory is looked at. */
#define SETTLE_S 0.6
/* And parking takes a second. */
#define PARK_S 1.2
#define FIRST_COUNT 100
/* A run that was shorter than half of what was asked for is repeated, so often at most. */
#define REPEATS 3

static int
connect_until(struct bench *b, unsigned target)
{
	b->target = target;
	if (b->connected == target)
		return 0;
	return bench_wait(b, PHASE_CONNECT);
}

/* The first client's cost is not counted, so that what all share is not either. */
static int
connect_all(struct bench *b, struct bench_result *r)
{
	int64_t before, after;

	if (connect_until(b, 1))
		return -1;
	r->connects = b->options.clients - 1;
	if (!r->connects)
		return 0;
	if (bench_idle(b, SETTLE_S))
		return -1;
	before = resident_bytes();
	if (connect_until(b, b->options.clients))
		return -1;
	r->connect = mark_between(&b->begin, &b->end);
	if (bench_idle(b, b->options.parked ? PARK_S : SETTLE_S))
		return -1;
	after = resident_bytes();
	if (before >= 0 && after >= 0)
		r->bytes_per_client = (double)(after - before) / r->connects;
	return 0;
}

static int
run_messages(struct bench *b, struct bench_result *r, enum bench_phase phase, uint64_t count)
{
	b->goal = count;
	b->sent = b->settled = b->payload_bytes = 0;
	histogram_clear(&b->latency);
	if (phase == PHASE_PUBLISH)
		r->published_total += count;
	if (bench_wait(b, phase))
		return -1;
	r->messages = count;
	r->run = mark_between(&b->begin, &b->end);
	return 0;
}

static uint64_t
count_to_fill(const struct bench *b, const struct bench_result *r)
{
	double wall = (double)r->run.wall_ns / 1e9;
	double n = (double)r->messages * b->options.seconds / (wall > 1e-9 ? wall : 1e-9);

	return n > 1 ? (uint64_t)n : 1;
}

/* Runs that grow until one is long enough to tell how many messages fill the time. */
static int
calibrate(struct bench *b, struct bench_result *r, enum bench_phase phase)
{
	double wall;
	uint64_t n = FIRST_COUNT;

	for (;;) {
		if (run_messages(b, r, phase, n))
			return -1;
		wall = (double)r->run.wall_ns / 1e9;
		if (wall >= b->options.seconds / 10)
			return 0;
		n *= wall * 100 < b->options.seconds ? 8 : 3;
	}
}

static int
measure(struct bench *b, struct bench_result *r, enum bench_phase phase)
{
	int repeats = REPEATS;

	if (b->options.messages)
		return run_messages(b, r, phase, b->options.messages);
	if (calibrate(b, r, phase))
		return -1;
	do {
		if (run_messages(b, r, phase, count_to_fill(b, r)))
			return -1;
	} while ((double)r->run.wall_ns / 1e9 < b->options.seconds / 2 && --repeats);
	return 0;
}

static int
scenario_pub(struct bench *b, struct bench_result *r)
{
	return connect_all(b, r) ? -1 : measure(b, r, PHASE_PUBLISH);
}

static int
scenario_sub(struct bench *b, struct bench_result *r)
{
	if (connect_all(b, r) || bench_wait(b, PHASE_SUBSCRIBE))
		return -1;
	return measure(b, r, PHASE_RECEIVE);
}

static int
scenario_conn(struct bench *b, struct bench_result *r)
{
	return connect_all(b, r);
}

static int
scenario_idle(struct bench *b, struct bench_result *r)
{
	if (connect_all(b, r) || bench_idle(b, b->options.seconds))
		return -1;
	r->run = mark_between(&b->begin, &b->end);
	if (b->connected == b->options.clients)
		return 0;
	return bench_fail(b, "only %u clients are still connected", b->connected);
}

static int
scenario_storm(struct bench *b, struct bench_result *r)
{
	if (connect_all(b, r) || bench_wait(b, PHASE_STORM))
		return -1;
	r->run = mark_between(&b->begin, &b->end);
	return 0;
}

struct scenario {
	const char *name;
	int (*run)(struct bench *b, struct bench_result *r);
};

static const struct scenario scenarios[] = {
    {"pub", scenario_pub},
    {"sub", scenario_sub},
    {"rtt", scenario_pub},
    {"conn", scenario_conn},
    {"idle", scenario_idle},
    {"storm", scenario_storm},
};

static const struct scenario *
find_scenario(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
		if (!strcmp(scenarios[i].name, name))
			return &scenarios[i];
	return NULL;
}

void
bench_scenario_adjust(struct bench_options *o)
{
	if (strcmp(o->scenario, "rtt"))
		return;
	o->qos = 1;
	o->window = 1;
}

bool
bench_scenario_exists(const char *name)
{
	return find_scenario(name) != NULL;
}

int
bench_scenario_run(struct bench *b, struct bench_result *r)
{
	return find_scenario(b->options.scenario)->run(b, r);
}
