/* Fleets on threads: each thread has a fleet and a client of its own, which publishes to a broker
 * of its own. All begin together. */
#include "bench/scale.h"

#include <pthread.h>
#include <stdio.h>

#define THREADS_MAX 16
#define LIMIT_S 30

struct worker {
	struct scale_options options;
	pthread_t thread;
	pthread_barrier_t *start;
	struct scale_publisher publisher;
	char error[200];
};

static int
run_fleet(struct worker *w, struct scale_fleet *f)
{
	int r = scale_open(f, &w->options, 1) || scale_make_clients(f, 0) ||
		scale_connect(f, 0, LIMIT_S);

	pthread_barrier_wait(w->start);
	if (r)
		return -1;
	w->publisher.member = &f->members[0];
	return scale_publish_for(&w->publisher, w->options.seconds);
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct scale_fleet f;
	int r = run_fleet(w, &f);

	if (r)
		snprintf(w->error, sizeof w->error, "%s", f.error[0] ? f.error : "failed");
	scale_close(&f);
	return NULL;
}

static int
start_all(struct worker *workers, const struct scale_options *o, pthread_barrier_t *start)
{
	unsigned i;

	for (i = 0; i < o->threads; i++) {
		workers[i] = (struct worker){.options = *o, .start = start};
		workers[i].options.ports[0] = o->ports[i % o->port_count];
		workers[i].options.port_count = 1;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) {
			perror("bench_scale: pthread_create");
			return -1;
		}
	}
	return 0;
}

/* The sum of the rates; the process's CPU time is that of all threads. */
static int
report(const struct worker *workers, unsigned count)
{
	double rate = 0, settled = 0, cpu = 0;
	const struct mark *m;
	unsigned i;

	for (i = 0; i < count; i++) {
		if (workers[i].error[0]) {
			fprintf(stderr, "bench_scale: %s\n", workers[i].error);
			return -1;
		}
		m = &workers[i].publisher.run;
		settled += (double)workers[i].publisher.settled;
		rate += (double)workers[i].publisher.settled * 1e9 / (double)m->wall_ns;
		if (m->user_s + m->system_s > cpu)
			cpu = m->user_s + m->system_s;
	}
	printf(", \"threads\": %u, \"msgs_per_s\": %.0f, \"cpu_s_per_mmsg\": %.4f", count, rate,
	    cpu * 1e6 / settled);
	return 0;
}

int
scale_threads(const struct scale_options *o)
{
	struct worker workers[THREADS_MAX];
	pthread_barrier_t start;
	unsigned i;

	if (o->threads > THREADS_MAX || pthread_barrier_init(&start, NULL, o->threads))
		return -1;
	/* a thread that is missing would leave the others at the barrier: the process ends */
	if (start_all(workers, o, &start))
		return -1;
	for (i = 0; i < o->threads; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&start);
	return report(workers, o->threads);
}
