/* Clients with a store: how many messages go through it, and how long the loop is away meanwhile.
 * The command line of all benchmarks of stores. */
#include "bench/store_rig.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The loop's gaps ----------------------------------------------------------------------------- */

#define TICK_US 1000

struct gaps {
	struct rig *rig;
	struct histogram lag;
	struct histogram work; /* the loop's own CPU time between two ticks */
	struct event *tick;
	int64_t begin_ns;
	int64_t due_ns;
	int64_t cpu_ns;
	uint64_t published; /* by the clock */
};

/* By now so many were to be published, one client after the other. */
static void
publish_by_clock(struct gaps *g, int64_t now)
{
	struct rig *r = g->rig;
	uint64_t due = (uint64_t)(now - g->begin_ns) * r->o.rate / 1000000000;

	for (; g->published < due; g->published++) {
		struct rig_client *c = &r->clients[g->published % r->made];

		if (c->left && rig_publish(c))
			exit(1);
	}
}

static int64_t
thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* How late the timer is, which was to come a millisecond after it came last. */
static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval step = {.tv_usec = TICK_US};
	struct gaps *g = arg;
	int64_t now = clock_monotonic_ns();
	int64_t cpu = thread_cpu_ns();

	(void)fd;
	(void)what;
	if (g->due_ns) {
		histogram_add(&g->lag, now - g->due_ns);
		histogram_add(&g->work, cpu - g->cpu_ns);
	}
	g->cpu_ns = cpu;
	publish_by_clock(g, now);
	g->due_ns = clock_monotonic_ns() + (int64_t)TICK_US * 1000;
	evtimer_add(g->tick, &step);
}

/* Publishing ---------------------------------------------------------------------------------- */

/* The next one stands in for the one that is complete. */
static void
publish_next(struct rig_client *c)
{
	if (c->left && rig_publish(c))
		exit(1);
}

static int
publish_windows(struct rig *r)
{
	unsigned i, k;

	r->completed_one = publish_next;
	for (i = 0; i < r->made; i++)
		for (k = 0; k < r->o.window && r->clients[i].left; k++)
			if (rig_publish(&r->clients[i]))
				return -1;
	return 0;
}

static int
wait_for_connections(struct rig *r)
{
	struct timeval t = {.tv_sec = r->o.timeout_s};

	evtimer_add(r->end, &t);
	while (r->up < r->made && evtimer_pending(r->end, NULL))
		if (rig_turn(r))
			return -1;
	evtimer_del(r->end);
	return r->up == r->made ? 0 : -1;
}

static void
report_quantiles(const char *name, const struct histogram *h)
{
	printf(", \"%s_p50_us\": %.1f, \"%s_p99_us\": %.1f, \"%s_p999_us\": %.1f,"
	       " \"%s_max_us\": %.1f",
	    name, histogram_quantile_us(h, 0.5), name, histogram_quantile_us(h, 0.99), name,
	    histogram_quantile_us(h, 0.999), name, histogram_quantile_us(h, 1));
}

static void
report(const struct rig *r, const struct mark *run, const struct gaps *g)
{
	double wall = (double)run->wall_ns / 1e9;

	printf("{\"messages\": %" PRIu64 ", \"wall_s\": %.4f, \"cpu_s\": %.4f, \"per_s\": %.1f,"
	       " \"ticks\": %" PRIu64,
	    r->completed, wall, run->user_s + run->system_s, (double)r->completed / wall,
	    g->lag.count);
	report_quantiles("lag", &g->lag);
	report_quantiles("work", &g->work);
}

static int
measure(struct rig *r, struct gaps *g)
{
	uint64_t all = (uint64_t)r->made * r->o.messages;
	struct mark begin, end;

	mark_take(&begin, 0);
	g->begin_ns = begin.wall_ns;
	on_tick(-1, 0, g);
	if ((!r->o.rate && publish_windows(r)) || rig_wait(r, "publish", &r->completed, all))
		return -1;
	mark_take(&end, 0);
	event_del(g->tick);
	end = mark_between(&begin, &end);
	report(r, &end, g);
	return 0;
}

/* Once the store is closed the writer's figures may be read. */
static void
report_writer(const struct rig *r)
{
	uint64_t puts = 0, removes = 0, syncs = 0;
	size_t i;

	for (i = 0; i < r->count.len; i++) {
		puts += r->count.rows[i].puts;
		removes += r->count.rows[i].removes;
		syncs += r->count.rows[i].sync;
	}
	printf(", \"commits\": %zu, \"syncs\": %" PRIu64 ", \"puts\": %" PRIu64
	       ", \"removes\": %" PRIu64 ", \"bytes_per_put\": %" PRIu64
	       ", \"writer_cpu_s\": %.4f, \"writer_busy_s\": %.4f}\n",
	    r->count.len, syncs, puts, removes, puts ? r->count.bytes / puts : 0,
	    (double)r->count.cpu_ns / 1e9, (double)r->count.busy_ns / 1e9);
}

int
rig_run(struct rig *r)
{
	struct gaps *g = calloc(1, sizeof *g);
	int error;

	if (!g)
		return -1;
	g->rig = r;
	if (rig_open_loop(r) || rig_open_store(r) || rig_make_clients(r) || rig_connect_all(r) ||
	    wait_for_connections(r))
		return -1;
	g->tick = evtimer_new(r->base, on_tick, g);
	if (!g->tick || measure(r, g))
		return -1;
	event_free(g->tick);
	free(g);
	error = rig_close(r);
	if (!error)
		report_writer(r);
	return error;
}

/* The command line ---------------------------------------------------------------------------- */

enum kind { KIND_TEXT, KIND_NUMBER, KIND_FLAG };

static const struct {
	const char *name;
	enum kind kind;
	size_t at;
	const char *help;
} rows[] = {
    {"path", KIND_TEXT, offsetof(struct rig_options, path), "the store's file"},
    {"trace", KIND_TEXT, offsetof(struct rig_options, trace), "write the commits there"},
    {"port", KIND_NUMBER, offsetof(struct rig_options, port), "the broker's; 0: none"},
    {"clients", KIND_NUMBER, offsetof(struct rig_options, clients), "how many (1000)"},
    {"messages", KIND_NUMBER, offsetof(struct rig_options, messages), "of each client (1000)"},
    {"window", KIND_NUMBER, offsetof(struct rig_options, window), "of each client (10)"},
    {"size", KIND_NUMBER, offsetof(struct rig_options, size), "payload bytes (256)"},
    {"rate", KIND_NUMBER, offsetof(struct rig_options, rate), "messages a second, of all"},
    {"sync-ms", KIND_NUMBER, offsetof(struct rig_options, sync_ms), "how long a sync takes"},
    {"timeout", KIND_NUMBER, offsetof(struct rig_options, timeout_s), "in seconds (300)"},
    {"cold", KIND_FLAG, offsetof(struct rig_options, cold), "restart: out of the cache first"},
    {"memory", KIND_FLAG, offsetof(struct rig_options, memory), "keep all in memory"},
    {"process", KIND_FLAG, offsetof(struct rig_options, process), "P1: no sync"},
};

#define ROWS (sizeof rows / sizeof *rows)

static int
usage(const char *program)
{
	size_t i;

	fprintf(stderr,
	    "usage: %s fill|restart|run --path FILE [--option value]\n"
	    "  fill     publishes while there is no connection\n"
	    "  restart  opens what was filled; with --port sends it all\n"
	    "  run      publishes, each client so many at once\n",
	    program);
	for (i = 0; i < ROWS; i++)
		fprintf(stderr, "  --%-10s %s\n", rows[i].name, rows[i].help);
	return 2;
}

static void
take(struct rig_options *o, size_t row, const char *text)
{
	char *at = (char *)o + rows[row].at;

	if (rows[row].kind == KIND_TEXT)
		*(const char **)(void *)at = text;
	else if (rows[row].kind == KIND_NUMBER)
		*(unsigned *)(void *)at = (unsigned)strtoul(text, NULL, 10);
	else
		*(bool *)(void *)at = true;
}

static bool
read_options(struct rig_options *o, int argc, char **argv)
{
	struct option options[ROWS + 1] = {{0}};
	int index = 0;
	size_t i;

	for (i = 0; i < ROWS; i++)
		options[i] = (struct option){rows[i].name,
		    rows[i].kind == KIND_FLAG ? no_argument : required_argument, NULL, 0};
	for (;;) {
		int c = getopt_long(argc, argv, "", options, &index);

		if (c == -1)
			return optind == argc - 1 && o->path;
		if (c)
			return false;
		take(o, (size_t)index, optarg);
	}
}

static int (*find_command(const char *name))(struct rig *r)
{
	static const struct {
		const char *name;
		int (*run)(struct rig *r);
	} commands[] = {{"fill", rig_fill}, {"restart", rig_restart}, {"run", rig_run}};
	size_t i;

	for (i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(commands[i].name, name))
			return commands[i].run;
	return NULL;
}

int
main(int argc, char **argv)
{
	struct rig r = {
	    .o = {.clients = 1000, .messages = 1000, .window = 10, .size = 256, .timeout_s = 300}};
	int (*run)(struct rig * r);
	int error;

	signal(SIGPIPE, SIG_IGN);
	if (!read_options(&r.o, argc, argv))
		return usage(argv[0]);
	run = find_command(argv[optind]);
	if (!run)
		return usage(argv[0]);
	error = run(&r);
	free(r.count.rows);
	return error ? 1 : 0;
}
