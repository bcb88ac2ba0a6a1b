/* Growth in one process: connecting, one client at work while the others idle, idling, a storm, and
 * the loop's longest gap in each. And mass: one of several processes, of which another program adds
 * up the figures. */
#include "bench/scale.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* At 1,000 connections a second 18,000 take 18 s; a storm adds its waits. */
#define CONNECT_LIMIT_S 120
#define STORM_LIMIT_S 180

static double
cpu_s(const struct mark *m)
{
	return m->user_s + m->system_s;
}

static double
wall_s(const struct mark *m)
{
	return (double)m->wall_ns / 1e9;
}

/* The first client's cost is not counted, so that what all share is not either. */
static int
connect_all(struct scale_fleet *f)
{
	struct mark begin, end, run;
	int64_t before, after;
	unsigned all = f->count, rest = all - 1;

	f->count = 1;
	if (scale_make_clients(f, 0) || scale_connect(f, 0, CONNECT_LIMIT_S))
		return -1;
	f->count = all;
	if (!rest)
		return 0;
	scale_gap_clear(f);
	before = resident_bytes();
	mark_take(&begin, 0);
	if (scale_make_clients(f, 1) || scale_connect(f, 1, CONNECT_LIMIT_S))
		return -1;
	mark_take(&end, 0);
	after = resident_bytes();
	run = mark_between(&begin, &end);
	printf(", \"connect_s\": %.3f, \"connect_us_cpu\": %.2f, \"resident_bytes\": %.0f",
	    wall_s(&run), cpu_s(&run) * 1e6 / rest, (double)(after - before) / rest);
	scale_print_gap("connect", &f->gap);
	return 0;
}

static int
work(struct scale_fleet *f)
{
	struct scale_publisher p = {.member = &f->members[0]};

	scale_gap_clear(f);
	if (scale_publish_for(&p, f->o->seconds))
		return -1;
	printf(", \"work_msgs_per_s\": %.0f, \"work_cpu_s_per_mmsg\": %.4f",
	    (double)p.settled / wall_s(&p.run), cpu_s(&p.run) * 1e6 / (double)p.settled);
	scale_print_gap("work", &f->gap);
	return 0;
}

static int
idle(struct scale_fleet *f, double seconds)
{
	struct mqev_stats s = {.size = sizeof s};
	struct mark begin, end, run;
	uint64_t pings;

	mqev_fleet_stats(f->fleet, &s);
	pings = s.ping_ms.count;
	scale_gap_clear(f);
	f->done = false;
	mark_take(&begin, 0);
	if (scale_run(f, seconds))
		return -1;
	mark_take(&end, 0);
	run = mark_between(&begin, &end);
	mqev_fleet_stats(f->fleet, &s);
	printf(", \"idle_s\": %.2f, \"idle_share\": %.5f, \"idle_pings\": %" PRIu64, wall_s(&run),
	    cpu_s(&run) / wall_s(&run), s.ping_ms.count - pings);
	scale_print_gap("idle", &f->gap);
	if (f->up != f->count)
		return scale_fail(f, "%u of %u are still connected", f->up, f->count);
	return 0;
}

static int
storm(struct scale_fleet *f)
{
	struct mark begin, end, run;

	scale_gap_clear(f);
	f->want_lost = f->count;
	f->lost = 0;
	f->done = false;
	mark_take(&begin, 0);
	if (scale_control(&f->members[0], SCALE_TOPIC_DROP, "") || scale_run(f, STORM_LIMIT_S))
		return -1;
	mark_take(&end, 0);
	if (!f->done)
		return scale_fail(f, "%u of %u are back in time", f->up, f->count);
	run = mark_between(&begin, &end);
	printf(", \"storm_s\": %.3f, \"storm_us_cpu\": %.2f, \"storm_lost\": %u", wall_s(&run),
	    cpu_s(&run) * 1e6 / f->count, f->lost);
	scale_print_gap("storm", &f->gap);
	f->want_lost = 0;
	return 0;
}

int
scale_grow(const struct scale_options *o)
{
	struct scale_fleet f;
	int r = scale_open(&f, o, o->clients);

	r = r || connect_all(&f) || work(&f) || idle(&f, o->seconds * 5) || storm(&f);
	return scale_end(&f, r ? -1 : 0);
}

/* A line "up" when all are connected; then it waits for a line of its input, so that all processes
 * idle at the same time. */
int
scale_mass(const struct scale_options *o)
{
	struct scale_fleet f;
	char line[8];
	int r = scale_open(&f, o, o->clients);

	r = r || connect_all(&f);
	if (!r) {
		printf(", \"process_bytes\": %" PRId64 "}\n", resident_bytes());
		fflush(stdout);
		r = !fgets(line, sizeof line, stdin);
		printf("{\"clients\": %u", f.count);
	}
	r = r || idle(&f, o->seconds);
	return scale_end(&f, r ? -1 : 0);
}
