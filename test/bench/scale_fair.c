/* Fairness: one client is flooded by the first broker while all others make round trips with the
 * second, first without the flood and then beside it. */
#include "bench/scale.h"

#include <inttypes.h>
#include <stdio.h>

#define LIMIT_S 60
#define FLOOD "10000000 256 0 1000"

struct fair {
	struct histogram trips;
	bool stopping;
	unsigned under_way;
	uint64_t flooded;
};

static void begin_trip(struct scale_member *m);

static void
on_trip(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	struct scale_member *m = arg;
	struct fair *fair = m->all->scenario;

	(void)client;
	if (result->error) {
		scale_fail(m->all, "publish: %s", mqev_error_text(result->error));
		return;
	}
	histogram_add(&fair->trips, clock_monotonic_ns() - m->begun_ns);
	fair->under_way--;
	if (!fair->stopping)
		begin_trip(m);
	else if (!fair->under_way)
		m->all->done = true;
}

static void
begin_trip(struct scale_member *m)
{
	struct fair *fair = m->all->scenario;

	m->begun_ns = clock_monotonic_ns();
	if (!scale_publish(m, on_trip, m))
		fair->under_way++;
}

/* A flood that ends begins again. */
static void
on_flood(struct scale_member *m, const struct mqev_message *message)
{
	struct fair *fair = m->all->scenario;

	fair->flooded++;
	if (!message->payload_len && !fair->stopping)
		scale_control(m, SCALE_TOPIC_FLOOD, FLOOD);
}

static int
run_trips(struct scale_fleet *f, struct fair *fair, const char *name)
{
	int64_t began = clock_monotonic_ns(), wall;
	unsigned i;

	*fair = (struct fair){.flooded = 0};
	scale_gap_clear(f);
	f->done = false;
	for (i = 1; i < f->count; i++)
		begin_trip(&f->members[i]);
	if (scale_run(f, f->o->seconds))
		return -1;
	fair->stopping = true;
	if (scale_run(f, LIMIT_S))
		return -1;
	wall = clock_monotonic_ns() - began;
	printf(", \"%s_trips_per_s\": %.0f, \"%s_p50_us\": %.1f, \"%s_p99_us\": %.1f"
	       ", \"%s_p999_us\": %.1f, \"%s_flood_per_s\": %.0f",
	    name, (double)fair->trips.count * 1e9 / (double)wall, name,
	    histogram_quantile_us(&fair->trips, 0.5), name,
	    histogram_quantile_us(&fair->trips, 0.99), name,
	    histogram_quantile_us(&fair->trips, 0.999), name,
	    (double)fair->flooded * 1e9 / (double)wall);
	scale_print_gap(name, &f->gap);
	return f->done ? 0 : scale_fail(f, "%u round trips do not end", fair->under_way);
}

static int
measure(struct scale_fleet *f, struct fair *fair)
{
	f->scenario = fair;
	f->on_message = on_flood;
	if (scale_make_clients(f, 0) || scale_connect(f, 0, LIMIT_S) || run_trips(f, fair, "quiet"))
		return -1;
	if (scale_control(&f->members[0], SCALE_TOPIC_FLOOD, FLOOD) || run_trips(f, fair, "flood"))
		return -1;
	return fair->flooded ? 0 : scale_fail(f, "no flood came");
}

/* Member 0 has the first port to itself. */
int
scale_fair(const struct scale_options *o)
{
	struct scale_options mine = *o;
	struct scale_fleet f;
	struct fair fair;
	unsigned i;
	int r;

	if (o->port_count != 2) {
		fputs("bench_scale: fair takes two ports\n", stderr);
		return -1;
	}
	mine.port_count = o->clients < SCALE_PORTS_MAX ? o->clients : SCALE_PORTS_MAX;
	for (i = 1; i < mine.port_count; i++)
		mine.ports[i] = o->ports[1];
	r = scale_open(&f, &mine, o->clients);
	return scale_end(&f, r || measure(&f, &fair) ? -1 : 0);
}
