/* A fleet of members for bench_scale: made, connected, run, and watched for how long its loop
 * leaves others waiting. */
#include "bench/scale.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <mqev/net.h>

#define NANOSECONDS 1000000000
#define WATCH_US 5000
#define WINDOW 100

static int64_t
thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * NANOSECONDS + t.tv_nsec;
}

int
scale_fail(struct scale_fleet *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!f->error[0])
		vsnprintf(f->error, sizeof f->error, format, args);
	va_end(args);
	f->done = true;
	return -1;
}

int
scale_end(struct scale_fleet *f, int result)
{
	if (result)
		fprintf(stderr, "bench_scale: %s\n", f->error[0] ? f->error : "out of memory");
	scale_close(f);
	return result;
}

/* The watch ---------------------------------------------------------------------------------- */

void
scale_gap_clear(struct scale_fleet *f)
{
	f->gap = (struct scale_gap){
	    .last_wall_ns = clock_monotonic_ns(), .last_cpu_ns = thread_cpu_ns()};
}

static void
on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct scale_gap *g = &((struct scale_fleet *)arg)->gap;
	int64_t wall = clock_monotonic_ns(), cpu = thread_cpu_ns();
	int64_t late = wall - g->last_wall_ns - WATCH_US * 1000LL;

	(void)fd;
	(void)what;
	if (late > g->wall_ns)
		g->wall_ns = late;
	if (cpu - g->last_cpu_ns > g->cpu_ns)
		g->cpu_ns = cpu - g->last_cpu_ns;
	g->last_wall_ns = wall;
	g->last_cpu_ns = cpu;
}

void
scale_print_gap(const char *name, const struct scale_gap *gap)
{
	printf(", \"%s_gap_ms\": %.3f, \"%s_gap_cpu_ms\": %.3f", name, (double)gap->wall_ns / 1e6,
	    name, (double)gap->cpu_ns / 1e6);
}

/* Members ------------------------------------------------------------------------------------ */

static void
look_for_end(struct scale_fleet *f)
{
	if (f->up == f->want_up && f->lost >= f->want_lost)
		f->done = true;
}

static void
on_connect(struct mqev_client *client, const struct mqev_connack *connack, void *userdata)
{
	struct scale_member *m = userdata;

	(void)client;
	if (connack->reason >= 0x80) {
		scale_fail(m->all, "refused (%d)", connack->code);
		return;
	}
	m->all->up++;
	look_for_end(m->all);
}

/* Any other failure is tried again. */
static void
on_connect_fail(
    struct mqev_client *client, const struct mqev_connect_failure *failure, void *userdata)
{
	(void)client;
	if (failure->error == MQEV_ERR_UNSUPPORTED)
		scale_fail(((struct scale_member *)userdata)->all, "%s", SCALE_LEFT_OUT);
}

static void
on_disconnect(struct mqev_client *client, const struct mqev_disconnection *end, void *userdata)
{
	struct scale_fleet *f = ((struct scale_member *)userdata)->all;

	(void)client;
	f->up--;
	f->lost++;
	if (!f->want_lost && end->error)
		scale_fail(f, "a connection ended: %s", end->text);
}

static void
on_message(struct mqev_client *client, const struct mqev_message *message, void *userdata)
{
	struct scale_member *m = userdata;

	(void)client;
	if (m->all->on_message)
		m->all->on_message(m, message);
}

static const char *
source_of(const struct scale_options *o, unsigned number, char *out, size_t room)
{
	unsigned n = o->first_source + number / SCALE_CLIENTS_PER_SOURCE;

	if (!o->first_source)
		return NULL;
	snprintf(out, room, "127.%u.%u.%u", 1 + n / 62500, n / 250 % 250, 2 + n % 250);
	return out;
}

static int
make_client(struct scale_fleet *f, unsigned number)
{
	struct scale_member *m = &f->members[number];
	char id[40], source[40];
	int error = 0;

	m->all = f;
	snprintf(id, sizeof id, "scale-%u-%u", f->o->first_source, number);
	m->client = mqev_client_new(f->fleet,
	    MQEV_OPTIONS(.client_id = id, .keepalive = f->o->keepalive_s, .max_inflight = WINDOW,
		.tls = f->tls, .userdata = m, .on_connect = on_connect,
		.on_connect_fail = on_connect_fail, .on_disconnect = on_disconnect,
		.on_message = on_message,
		.socket = MQEV_SOCKET_OPTIONS(.bind_address =
						  source_of(f->o, number, source, sizeof source))),
	    &error);
	return m->client ? 0 : scale_fail(f, "mqev_client_new: %s", mqev_error_text(error));
}

int
scale_make_clients(struct scale_fleet *f, unsigned first)
{
	unsigned i;

	for (i = first; i < f->count; i++)
		if (make_client(f, i))
			return -1;
	return 0;
}

int
scale_connect(struct scale_fleet *f, unsigned first, double limit_s)
{
	char url[80];
	unsigned i;
	int r;

	for (i = first; i < f->count; i++) {
		snprintf(url, sizeof url, "%s://127.0.0.1:%d", f->o->scheme,
		    f->o->ports[i % f->o->port_count]);
		r = mqev_connect(f->members[i].client, url);
		if (r)
			return scale_fail(f, "mqev_connect: %s", mqev_error_text(r));
	}
	f->want_up = f->count;
	f->done = f->up == f->count;
	if (scale_run(f, limit_s))
		return -1;
	return f->done ? 0 : scale_fail(f, "only %u of %u connected in time", f->up, f->count);
}

int
scale_publish(struct scale_member *m, mqev_result_cb *done, void *arg)
{
	static char payload[SCALE_PAYLOAD_LEN];
	int64_t op = mqev_publish(m->client,
	    MQEV_MESSAGE(.topic = SCALE_TOPIC, .payload = payload, .payload_len = sizeof payload,
		.qos = 1),
	    done, arg);

	return op < 0 ? scale_fail(m->all, "publish: %s", mqev_error_text((int)op)) : 0;
}

int
scale_control(struct scale_member *m, const char *topic, const char *payload)
{
	int64_t op = mqev_publish(m->client,
	    MQEV_MESSAGE(.topic = topic, .payload = payload, .payload_len = strlen(payload)), NULL,
	    NULL);

	return op < 0 ? scale_fail(m->all, "publish: %s", mqev_error_text((int)op)) : 0;
}

/* One publisher ------------------------------------------------------------------------------ */

static void
on_settled(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	struct scale_publisher *p = arg;

	(void)client;
	if (result->error) {
		scale_fail(p->member->all, "publish: %s", mqev_error_text(result->error));
		return;
	}
	p->inflight--;
	p->settled++;
	if (!p->stopping && scale_publish(p->member, on_settled, p) == 0)
		p->inflight++;
	if (!p->inflight)
		p->member->all->done = true;
}

int
scale_publish_for(struct scale_publisher *p, double seconds)
{
	struct scale_fleet *f = p->member->all;
	struct mark begin, end;

	f->done = false;
	mark_take(&begin, 0);
	for (p->inflight = 0; p->inflight < WINDOW; p->inflight++)
		if (scale_publish(p->member, on_settled, p))
			return -1;
	if (scale_run(f, seconds))
		return -1;
	p->stopping = true;
	if (scale_run(f, 10))
		return -1;
	mark_take(&end, 0);
	p->run = mark_between(&begin, &end);
	return f->done ? 0 : scale_fail(f, "answers are missing: %u", p->inflight);
}

/* The loop ----------------------------------------------------------------------------------- */

static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	((struct scale_fleet *)arg)->over = true;
}

static struct timeval
timeval_of(double seconds)
{
	int64_t us = (int64_t)(seconds * 1e6);

	return (struct timeval){.tv_sec = us / 1000000, .tv_usec = us % 1000000};
}

int
scale_run(struct scale_fleet *f, double seconds)
{
	struct timeval limit = timeval_of(seconds);

	f->over = false;
	evtimer_add(f->end, &limit);
	while (!f->done && !f->over && !f->error[0])
		if (event_base_loop(f->base, EVLOOP_ONCE) < 0)
			return scale_fail(f, "event_base_loop failed");
	evtimer_del(f->end);
	return f->error[0] ? -1 : 0;
}

static int
open_base(struct scale_fleet *f)
{
	struct event_config *config = event_config_new();
	struct timeval watch = {.tv_usec = WATCH_US};

	if (!config)
		return -1;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	f->base = event_base_new_with_config(config);
	event_config_free(config);
	if (!f->base)
		return -1;
	f->end = evtimer_new(f->base, on_end, f);
	f->watch = event_new(f->base, -1, EV_PERSIST, on_watch, f);
	return f->end && f->watch ? event_add(f->watch, &watch) : -1;
}

int
scale_open(struct scale_fleet *f, const struct scale_options *o, unsigned clients)
{
	char text[200] = "";

	*f = (struct scale_fleet){.o = o, .count = clients};
	f->members = calloc(clients, sizeof *f->members);
	if (!f->members || open_base(f))
		return scale_fail(f, "out of memory");
	f->fleet = mqev_fleet_new(f->base, MQEV_FLEET_OPTIONS(.park_after_ms = o->park_after_ms));
	if (!f->fleet)
		return scale_fail(f, "mqev_fleet_new failed");
	if (o->cafile)
		f->tls = mqev_tls_new(MQEV_TLS_OPTIONS(.ca_file = o->cafile), text, sizeof text);
	if (o->cafile && !f->tls)
		return scale_fail(f, "mqev_tls_new: %s", text);
	scale_gap_clear(f);
	return 0;
}

/* Nobody waits for DISCONNECTs to leave: the brokers end with the run. */
void
scale_close(struct scale_fleet *f)
{
	mqev_fleet_free(f->fleet);
	mqev_tls_free(f->tls);
	if (f->watch)
		event_free(f->watch);
	if (f->end)
		event_free(f->end);
	if (f->base) {
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		event_base_free(f->base);
	}
	free(f->members);
}
