/* The one line of JSON that a benchmark program prints. */
#include "bench/driver.h"

#include <inttypes.h>
#include <stdio.h>

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

static double
share(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

static void
print_settings(const struct bench *b)
{
	const struct bench_options *o = &b->options;

	printf("{\"client\": \"%s\", \"version\": \"%s\", \"scenario\": \"%s\", \"protocol\": %d"
	       ", \"tls\": %s, \"websocket\": %s, \"qos\": %u, \"size\": %zu, \"window\": %u, "
	       "\"clients\": %u"
	       ", \"keepalive_s\": %u, \"store\": \"%s\", \"filters\": %u",
	    b->program->name, b->program->version(), o->scenario, o->version,
	    o->cafile ? "true" : "false", o->websocket ? "true" : "false", o->qos, o->size,
	    o->window, o->clients, o->keepalive_s, o->store ? o->store : "", o->filters);
}

static void
print_run(const struct bench_result *r)
{
	double messages = (double)r->messages, wall = wall_s(&r->run);

	printf(", \"messages\": %" PRIu64 ", \"published_total\": %" PRIu64
	       ", \"wall_s\": %.6f, \"cpu_s\": %.6f, \"cpu_user_s\": %.6f, \"cpu_share\": %.5f"
	       ", \"broker_share\": %.5f",
	    r->messages, r->published_total, wall, cpu_s(&r->run), r->run.user_s,
	    share(cpu_s(&r->run), wall), share(r->run.broker_s, wall));
	if (r->messages)
		printf(", \"msgs_per_s\": %.1f, \"cpu_s_per_mmsg\": %.6f", share(messages, wall),
		    cpu_s(&r->run) * 1e6 / messages);
}

static void
print_latency(const struct histogram *h)
{
	if (h->count)
		printf(", \"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f"
		       ", \"latency_samples\": %" PRIu64,
		    histogram_quantile_us(h, 0.5), histogram_quantile_us(h, 0.99),
		    histogram_quantile_us(h, 0.999), h->count);
}

static void
print_connects(const struct bench_result *r)
{
	if (!r->connects)
		return;
	printf(", \"connects\": %u, \"connect_wall_s\": %.6f, \"connect_cpu_us_per_client\": %.3f",
	    r->connects, wall_s(&r->connect), cpu_s(&r->connect) * 1e6 / r->connects);
	if (r->bytes_per_client >= 0)
		printf(", \"bytes_per_client\": %.1f", r->bytes_per_client);
}

void
bench_report(const struct bench *b, const struct bench_result *r)
{
	print_settings(b);
	print_run(r);
	if (b->options.qos)
		print_latency(&b->latency);
	print_connects(r);
	puts("}");
	fflush(stdout);
}
