/* The scenarios: which phases follow one another, and what of them is measured. */
#include "bench/driver.h"

#include <string.h>

/* Late work of a library (tickets, timers) is over after this, before memory is looked at. */
#define SETTLE_S 0.2
#define FIRST_COUNT 100

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
	if (bench_idle(b, SETTLE_S))
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

/* Runs that grow until one is long enough to tell how many messages fill the time. */
static int
calibrate(struct bench *b, struct bench_result *r, enum bench_phase phase, uint64_t *count)
{
	double wall, seconds = b->options.seconds;
	uint64_t n = FIRST_COUNT;

	for (;;) {
		if (run_messages(b, r, phase, n))
			return -1;
		wall = (double)r->run.wall_ns / 1e9;
		if (wall >= seconds / 10)
			break;
		n *= wall * 100 < seconds ? 8 : 3;
	}
	n = (uint64_t)((double)n * seconds / wall);
	*count = n ? n : 1;
	return 0;
}

static int
measure(struct bench *b, struct bench_result *r, enum bench_phase phase)
{
	uint64_t count = b->options.messages;

	if (!count && calibrate(b, r, phase, &count))
		return -1;
	return run_messages(b, r, phase, count);
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
	{ "pub", scenario_pub },
	{ "sub", scenario_sub },
	{ "rtt", scenario_pub },
	{ "conn", scenario_conn },
	{ "idle", scenario_idle },
	{ "storm", scenario_storm },
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
