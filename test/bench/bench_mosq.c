/* libmosquitto by its documented external loop: one thread, epoll around mosquitto_loop_read,
 * _write and _misc. */
#include "bench/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>

#define EVENTS_PER_TURN 512
#define TICK_NS 1000000000LL
#define TICK_MS 1000

struct client {
	struct mosq *all;
	struct mosquitto *m;
	unsigned number;
	uint32_t events;
	bool up;
};

struct mosq {
	struct bench *b;
	const struct bench_options *o;
	int epoll;
	struct client *clients;
	char *payload;
	/* a message outside of what is counted is on its way, with this QoS */
	bool in_control;
	unsigned control_qos;
	/* SUBSCRIBEs without an answer, and what an application with a callback per filter keeps:
	 * the library has none */
	unsigned asked;
	char (*filters)[BENCH_FILTER_LEN];
};

static const char *
mosq_version(void)
{
	static char text[32];
	int major, minor, revision;

	mosquitto_lib_version(&major, &minor, &revision);
	snprintf(text, sizeof text, "%d.%d.%d", major, minor, revision);
	return text;
}

static struct mosq *
mosq_of(struct bench *b)
{
	return *bench_state(b);
}

static int
check(struct mosq *a, const char *what, int rc)
{
	if (rc == MOSQ_ERR_SUCCESS)
		return 0;
	return bench_fail(a->b, "%s: %s", what, mosquitto_strerror(rc));
}

/* Callbacks ---------------------------------------------------------------------------------- */

static void
on_connect(struct mosquitto *m, void *arg, int rc)
{
	struct client *c = arg;

	(void)m;
	if (rc) {
		bench_fail(c->all->b, "client %u: refused (%d)", c->number, rc);
		return;
	}
	c->up = true;
	bench_connected(c->all->b, c->number);
}

static void
on_subscribe(struct mosquitto *m, void *arg, int mid, int count, const int *granted)
{
	struct client *c = arg;

	(void)m;
	(void)mid;
	if (count != 1 || granted[0] >= 0x80)
		bench_fail(c->all->b, "subscription refused");
	else if (--c->all->asked == 0)
		bench_subscribed(c->all->b);
}

static void
on_publish(struct mosquitto *m, void *arg, int mid)
{
	struct mosq *a = ((struct client *)arg)->all;

	(void)m;
	(void)mid;
	if (!a->in_control) {
		bench_published(a->b, 1);
		return;
	}
	a->in_control = false;
	if (a->control_qos)
		bench_control_done(a->b);
}

static bool
is_wanted(const struct mosq *a, const char *topic)
{
	bool matches = false, any = !a->filters;
	unsigned i;

	for (i = 0; a->filters && i < a->o->filters; i++)
		if (mosquitto_topic_matches_sub(a->filters[i], topic, &matches) ==
			MOSQ_ERR_SUCCESS &&
		    matches)
			any = true;
	return any;
}

static void
on_message(struct mosquitto *m, void *arg, const struct mosquitto_message *message)
{
	struct mosq *a = ((struct client *)arg)->all;

	(void)m;
	if (is_wanted(a, message->topic))
		bench_received(a->b, 1, (uint64_t)message->payloadlen);
}

/* What the driver asks for ------------------------------------------------------------------- */

static int
update_events(struct client *c, int op)
{
	uint32_t events = EPOLLIN | (mosquitto_want_write(c->m) ? EPOLLOUT : 0);
	struct epoll_event e = {.events = events, .data.u32 = c->number};
	int fd = mosquitto_socket(c->m);

	if (op == EPOLL_CTL_MOD && (events == c->events || fd < 0))
		return 0;
	c->events = events;
	if (epoll_ctl(c->all->epoll, op, fd, &e))
		return bench_fail(c->all->b, "epoll_ctl: %s", strerror(errno));
	return 0;
}

static int
set_up(struct mosq *a, struct mosquitto *m)
{
	int version = a->o->version == 5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311;

	mosquitto_connect_callback_set(m, on_connect);
	mosquitto_subscribe_callback_set(m, on_subscribe);
	mosquitto_publish_callback_set(m, on_publish);
	mosquitto_message_callback_set(m, on_message);
	if (check(a, "protocol", mosquitto_int_option(m, MOSQ_OPT_PROTOCOL_VERSION, version)) ||
	    check(a, "nodelay", mosquitto_int_option(m, MOSQ_OPT_TCP_NODELAY, 1)) ||
	    check(a, "window", mosquitto_int_option(m, MOSQ_OPT_SEND_MAXIMUM, (int)a->o->window)) ||
	    check(
		a, "window", mosquitto_int_option(m, MOSQ_OPT_RECEIVE_MAXIMUM, (int)a->o->window)))
		return -1;
	if (!a->o->cafile)
		return 0;
	return check(a, "TLS", mosquitto_tls_set(m, a->o->cafile, NULL, NULL, NULL, NULL));
}

static int
make_client(struct mosq *a, struct client *c, unsigned number)
{
	char id[BENCH_CLIENT_ID_LEN];

	c->all = a;
	c->number = number;
	c->m = mosquitto_new(bench_client_id(id, number), true, c);
	if (!c->m)
		return bench_fail(a->b, "mosquitto_new: %s", strerror(errno));
	return set_up(a, c->m);
}

static int
mosq_connect(struct bench *b, unsigned client)
{
	struct mosq *a = mosq_of(b);
	struct client *c = &a->clients[client];
	int rc;

	if (!c->m && make_client(a, c, client))
		return -1;
	rc = mosquitto_connect_async(c->m, a->o->host, a->o->port, (int)a->o->keepalive_s);
	return check(a, "connect", rc) ? -1 : update_events(c, EPOLL_CTL_ADD);
}

static int
subscribe_to_filters(struct mosq *a)
{
	unsigned i;

	a->filters = calloc(a->o->filters, sizeof *a->filters);
	if (!a->filters)
		return bench_fail(a->b, "out of memory");
	for (i = 0; i < a->o->filters; i++) {
		a->asked++;
		bench_filter(a->b, a->filters[i], i);
		if (check(a, "subscribe",
			mosquitto_subscribe(a->clients[0].m, NULL, a->filters[i], (int)a->o->qos)))
			return -1;
	}
	return update_events(&a->clients[0], EPOLL_CTL_MOD);
}

static int
mosq_subscribe(struct bench *b)
{
	struct mosq *a = mosq_of(b);

	if (a->o->filters)
		return subscribe_to_filters(a);
	a->asked = 1;
	return check(a, "subscribe",
	    mosquitto_subscribe(a->clients[0].m, NULL, BENCH_FILTER, (int)a->o->qos));
}

static int64_t
mosq_publish(struct bench *b, uint64_t count)
{
	struct mosq *a = mosq_of(b);
	struct client *c = &a->clients[0];
	uint64_t i;

	for (i = 0; i < count; i++)
		if (check(a, "publish",
			mosquitto_publish(c->m, NULL, BENCH_TOPIC, (int)a->o->size, a->payload,
			    (int)a->o->qos, false)))
			return -1;
	return update_events(c, EPOLL_CTL_MOD) ? -1 : (int64_t)count;
}

static int
mosq_control(struct bench *b, const char *topic, const char *payload, unsigned qos)
{
	struct mosq *a = mosq_of(b);
	struct client *c = &a->clients[0];
	int len = (int)strlen(payload);

	a->in_control = true;
	a->control_qos = qos;
	if (check(
		a, "publish", mosquitto_publish(c->m, NULL, topic, len, payload, (int)qos, false)))
		return -1;
	return update_events(c, EPOLL_CTL_MOD);
}

/* The loop ------------------------------------------------------------------------------------ */

static int
on_error(struct client *c, int rc)
{
	if (!c->up)
		return bench_fail(
		    c->all->b, "client %u: %s before CONNACK", c->number, mosquitto_strerror(rc));
	c->up = false;
	bench_lost(c->all->b, c->number);
	return 0;
}

static int
on_event(struct client *c, uint32_t events)
{
	int rc = MOSQ_ERR_SUCCESS;

	if (events & EPOLLOUT)
		rc = mosquitto_loop_write(c->m, 1);
	if (rc == MOSQ_ERR_SUCCESS && (events & ~(uint32_t)EPOLLOUT))
		rc = mosquitto_loop_read(c->m, 1);
	if (rc != MOSQ_ERR_SUCCESS)
		return on_error(c, rc);
	return update_events(c, EPOLL_CTL_MOD);
}

static int
tick(struct mosq *a)
{
	unsigned i;

	for (i = 0; i < a->o->clients; i++)
		if (a->clients[i].up && mosquitto_loop_misc(a->clients[i].m))
			return bench_fail(a->b, "client %u: no answer to a ping", i);
	return 0;
}

static int
turn(struct mosq *a, int timeout_ms)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int i, n = epoll_wait(a->epoll, events, EVENTS_PER_TURN, timeout_ms);

	for (i = 0; i < n; i++)
		if (on_event(&a->clients[events[i].data.u32], events[i].events))
			return -1;
	return 0;
}

static int
mosq_run(struct bench *b, int64_t deadline_ns)
{
	struct mosq *a = mosq_of(b);
	int64_t now, next_tick = bench_now() + TICK_NS;

	bench_pump(b);
	while (!bench_is_done(b) && (now = bench_now()) < deadline_ns) {
		if (now >= next_tick) {
			next_tick += TICK_NS;
			if (tick(a))
				return -1;
		}
		if (turn(a, bench_timeout_ms(
				next_tick < deadline_ns ? next_tick : deadline_ns, TICK_MS)))
			return -1;
	}
	return 0;
}

static int
mosq_open(struct bench *b)
{
	struct mosq *a = calloc(1, sizeof *a);

	*bench_state(b) = a;
	if (!a)
		return bench_fail(b, "out of memory");
	mosquitto_lib_init();
	a->b = b;
	a->o = bench_options(b);
	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	a->clients = calloc(a->o->clients, sizeof *a->clients);
	a->payload = malloc(a->o->size + 1);
	if (a->epoll < 0 || !a->clients || !a->payload)
		return bench_fail(b, "out of memory");
	memset(a->payload, 'x', a->o->size);
	return 0;
}

static void
mosq_close(struct bench *b)
{
	struct mosq *a = mosq_of(b);
	unsigned i;

	if (!a)
		return;
	for (i = 0; a->clients && i < a->o->clients; i++)
		if (a->clients[i].m)
			mosquitto_destroy(a->clients[i].m);
	if (a->epoll >= 0)
		close(a->epoll);
	mosquitto_lib_cleanup();
	free(a->clients);
	free(a->filters);
	free(a->payload);
	free(a);
}

static const struct bench_program mosq_program = {
    .name = "libmosquitto",
    .version = mosq_version,
    /* a socket and a pair to wake a loop up */
    .descriptors_per_client = 3,
    .filters = true,
    .open = mosq_open,
    .connect = mosq_connect,
    .subscribe = mosq_subscribe,
    .publish = mosq_publish,
    .control = mosq_control,
    .run = mosq_run,
    .close = mosq_close,
};

int
main(int argc, char **argv)
{
	return bench_main(&mosq_program, argc, argv);
}
