/* What a client's memory consists of, part by part: heap as malloc counts it, resident as the
 * kernel does. */
#include "bench/scale.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <event2/bufferevent.h>

#define LIMIT_S 60
/* Late work (tickets, timers) is over after this. */
#define SETTLE_S 0.6
/* The fleet looks for links to park each quarter of a second. */
#define PARK_S 1.0

static double
heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return (double)m.uordblks + (double)m.hblkhd;
}

/* A bufferevent by itself, as libevent makes it for a socket. */
static int
measure_bufferevents(struct scale_fleet *f)
{
	struct bufferevent **all = calloc(f->count, sizeof *all);
	double before = heap_bytes();
	unsigned i;

	for (i = 0; all && i < f->count; i++)
		all[i] = bufferevent_socket_new(f->base, -1, BEV_OPT_DEFER_CALLBACKS);
	printf(", \"bufferevent_bytes\": %.1f", (heap_bytes() - before) / f->count);
	for (i = 0; all && i < f->count; i++)
		if (all[i])
			bufferevent_free(all[i]);
	free(all);
	return all ? 0 : -1;
}

static int
expect_parked(struct scale_fleet *f)
{
	struct mqev_stats s = {.size = sizeof s};

	mqev_fleet_stats(f->fleet, &s);
	if (s.parked == (f->o->park_after_ms ? f->count : 0))
		return 0;
	return scale_fail(f, "%u clients are parked", (unsigned)s.parked);
}

/* The client by itself, then with a connection that has nothing to do. */
static int
measure_links(struct scale_fleet *f)
{
	double n = f->count, before = heap_bytes(), made;
	int64_t resident = resident_bytes();

	if (scale_make_clients(f, 0))
		return -1;
	made = heap_bytes();
	if (scale_connect(f, 0, LIMIT_S))
		return -1;
	f->done = false;
	if (scale_run(f, SETTLE_S + (f->o->park_after_ms ? PARK_S : 0)) || expect_parked(f))
		return -1;
	printf(", \"client_bytes\": %.1f, \"link_bytes\": %.1f, \"resident_bytes\": %.1f",
	    (made - before) / n, (heap_bytes() - made) / n,
	    (double)(resident_bytes() - resident) / n);
	return 0;
}

/* A message in the queue of each client that is not connected. */
static int
measure_queues(struct scale_fleet *f)
{
	double before;
	unsigned i;

	if (scale_make_clients(f, 0))
		return -1;
	before = heap_bytes();
	for (i = 0; i < f->count; i++)
		if (scale_publish(&f->members[i], NULL, NULL))
			return -1;
	printf(", \"queued_message_bytes\": %.1f", (heap_bytes() - before) / f->count);
	return 0;
}

static int
with_fleet(const struct scale_options *o, int (*measure)(struct scale_fleet *))
{
	struct scale_fleet f;
	int r = scale_open(&f, o, o->clients);

	return scale_end(&f, r || measure(&f) ? -1 : 0);
}

int
scale_parts(const struct scale_options *o)
{
	/* the links first: what is freed later would be taken for theirs */
	return with_fleet(o, measure_links) || with_fleet(o, measure_queues) ||
		       with_fleet(o, measure_bufferevents)
		   ? -1
		   : 0;
}
