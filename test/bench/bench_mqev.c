/* mqev as an application uses it: its public headers only, one fleet on one event_base, a
 * completion per message, default options but for the window and what the row asks for. */
#include "bench/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <event2/event.h>
#include <mqev/mqev.h>

#define NANOSECONDS 1000000000
#define URL_LEN 300

struct app;

struct member {
	struct app *all;
	struct mqev_client *client;
	unsigned number;
	bool up;
};

struct app {
	struct bench *b;
	const struct bench_options *o;
	struct event_base *base;
	struct event *end;
	struct mqev_fleet *fleet;
	struct mqev_tls *tls;
	struct member *members;
	unsigned up;
	char *payload;
	char url[URL_LEN];
};

static struct app *
app_of(struct bench *b)
{
	return *bench_state(b);
}

/* Callbacks ---------------------------------------------------------------------------------- */

static void
on_connect(struct mqev_client *client, const struct mqev_connack *connack, void *userdata)
{
	struct member *m = userdata;

	(void)client;
	if (connack->reason >= 0x80) {
		bench_fail(m->all->b, "client %u: refused (%d)", m->number, connack->code);
		return;
	}
	m->up = true;
	m->all->up++;
	bench_connected(m->all->b, m->number);
}

static void
on_connect_fail(
    struct mqev_client *client, const struct mqev_connect_failure *failure, void *userdata)
{
	struct member *m = userdata;

	(void)client;
	bench_fail(m->all->b, "client %u: %s", m->number, failure->text);
}

static void
on_disconnect(struct mqev_client *client, const struct mqev_disconnection *end, void *userdata)
{
	struct member *m = userdata;

	(void)client;
	(void)end;
	if (!m->up)
		return;
	m->up = false;
	m->all->up--;
	bench_lost(m->all->b, m->number);
}

static void
on_message(struct mqev_client *client, const struct mqev_message *message, void *userdata)
{
	(void)client;
	bench_received(((struct member *)userdata)->all->b, 1, message->payload_len);
}

static int
check(struct app *a, const char *what, int64_t result)
{
	if (result >= 0)
		return 0;
	return bench_fail(a->b, "%s: %s", what, mqev_error_text((int)result));
}

static void
on_published(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	struct app *a = arg;

	(void)client;
	if (!check(a, "publish", result->error))
		bench_published(a->b, 1);
}

static void
on_control_done(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	struct app *a = arg;

	(void)client;
	if (!check(a, "publish", result->error))
		bench_control_done(a->b);
}

static void
on_subscribed(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	struct app *a = arg;

	(void)client;
	if (!check(a, "subscribe", result->error))
		bench_subscribed(a->b);
}

/* What the driver asks for ------------------------------------------------------------------- */

/* The driver decides when a lost client connects again, for all libraries alike. */
static int
make_client(struct app *a, struct member *m, unsigned number)
{
	char id[BENCH_CLIENT_ID_LEN];
	int error = 0;

	m->all = a;
	m->number = number;
	m->client = mqev_client_new(a->fleet,
	    MQEV_OPTIONS(.client_id = bench_client_id(id, number),
		.protocol = a->o->version == 5 ? MQEV_PROTOCOL_V5 : MQEV_PROTOCOL_V311,
		.keepalive = a->o->keepalive_s, .max_inflight = a->o->window,
		.receive_maximum = a->o->window, .no_reconnect = true, .tls = a->tls, .userdata = m,
		.on_connect = on_connect, .on_connect_fail = on_connect_fail,
		.on_disconnect = on_disconnect, .on_message = on_message),
	    &error);
	return m->client ? 0 : check(a, "mqev_client_new", error);
}

static int
mqev_bench_connect(struct bench *b, unsigned client)
{
	struct app *a = app_of(b);
	struct member *m = &a->members[client];

	if (!m->client && make_client(a, m, client))
		return -1;
	return check(a, "connect", mqev_connect(m->client, a->url));
}

static int
mqev_bench_subscribe(struct bench *b)
{
	struct app *a = app_of(b);

	return check(a, "subscribe",
	    mqev_subscribe(a->members[0].client,
		MQEV_SUBSCRIPTION(.filter = BENCH_FILTER, .qos = (int)a->o->qos), 1, NULL,
		on_subscribed, a));
}

/* With a full queue the next completion asks for more. */
static int64_t
mqev_bench_publish(struct bench *b, uint64_t count)
{
	struct app *a = app_of(b);
	struct mqev_message *message = MQEV_MESSAGE(.topic = BENCH_TOPIC, .payload = a->payload,
	    .payload_len = a->o->size, .qos = (int)a->o->qos);
	uint64_t i;

	for (i = 0; i < count; i++) {
		int64_t op = mqev_publish(a->members[0].client, message, on_published, a);

		if (op == MQEV_ERR_QUEUE_FULL)
			break;
		if (check(a, "publish", op))
			return -1;
	}
	return (int64_t)i;
}

static int
mqev_bench_control(struct bench *b, const char *topic, const char *payload, unsigned qos)
{
	struct app *a = app_of(b);

	return check(a, "publish",
	    mqev_publish(a->members[0].client,
		MQEV_MESSAGE(.topic = topic, .payload = payload, .payload_len = strlen(payload),
		    .qos = (int)qos),
		qos ? on_control_done : NULL, a));
}

/* The loop ------------------------------------------------------------------------------------ */

static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static void
begin_deadline(struct app *a, int64_t deadline_ns)
{
	int64_t left = deadline_ns - bench_now();
	struct timeval t = {.tv_sec = left / NANOSECONDS, .tv_usec = left % NANOSECONDS / 1000};

	evtimer_add(a->end, &t);
}

static int
mqev_bench_run(struct bench *b, int64_t deadline_ns)
{
	struct app *a = app_of(b);

	begin_deadline(a, deadline_ns);
	bench_pump(b);
	while (!bench_is_done(b) && evtimer_pending(a->end, NULL))
		if (event_base_loop(a->base, EVLOOP_ONCE) < 0)
			return bench_fail(b, "event_base_loop failed");
	evtimer_del(a->end);
	return 0;
}

static int
open_events(struct app *a)
{
	struct event_config *config = event_config_new();

	if (!config)
		return -1;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	a->base = event_base_new_with_config(config);
	event_config_free(config);
	if (!a->base)
		return -1;
	a->end = evtimer_new(a->base, on_end, a);
	/* No peer has a governor, and the driver itself limits what is under way. To be parked they come
	 * at the usual pace: all at once they would leave holes in the heap. */
	a->fleet = mqev_fleet_new(
	    a->base, a->o->parked ? MQEV_FLEET_OPTIONS(.park_after_ms = 1)
				  : MQEV_FLEET_OPTIONS(.max_handshakes = MQEV_UNLIMITED,
					.connects_per_s = MQEV_UNLIMITED));
	return a->end && a->fleet ? 0 : -1;
}

static int
open_tls(struct app *a)
{
	char text[200];

	a->tls = mqev_tls_new(MQEV_TLS_OPTIONS(.ca_file = a->o->cafile), text, sizeof text);
	return a->tls ? 0 : bench_fail(a->b, "mqev_tls_new: %s", text);
}

static const char *
scheme(const struct bench_options *o)
{
	if (o->websocket)
		return o->cafile ? "wss" : "ws";
	return o->cafile ? "mqtts" : "mqtt";
}

static int
mqev_bench_open(struct bench *b)
{
	struct app *a = calloc(1, sizeof *a);

	*bench_state(b) = a;
	if (!a)
		return bench_fail(b, "out of memory");
	a->b = b;
	a->o = bench_options(b);
	a->members = calloc(a->o->clients, sizeof *a->members);
	a->payload = malloc(a->o->size + 1);
	if (!a->members || !a->payload || open_events(a))
		return bench_fail(b, "out of memory");
	memset(a->payload, 'x', a->o->size);
	if (a->o->cafile && open_tls(a))
		return -1;
	snprintf(a->url, sizeof a->url, "%s://%s:%d", scheme(a->o), a->o->host, a->o->port);
	return 0;
}

#define GOODBYE_NS ((int64_t)2 * NANOSECONDS)

static void
say_goodbye(struct app *a)
{
	unsigned i;

	for (i = 0; i < a->o->clients; i++)
		if (a->members[i].up)
			mqev_disconnect(a->members[i].client, NULL);
	begin_deadline(a, bench_now() + GOODBYE_NS);
	while (a->up && evtimer_pending(a->end, NULL))
		if (event_base_loop(a->base, EVLOOP_ONCE) < 0)
			break;
}

static void
mqev_bench_close(struct bench *b)
{
	struct app *a = app_of(b);

	if (!a)
		return;
	if (a->fleet && a->members)
		say_goodbye(a);
	mqev_fleet_free(a->fleet);
	mqev_tls_free(a->tls);
	if (a->end)
		event_free(a->end);
	if (a->base) {
		/* bufferevents go one turn after they were freed */
		event_base_loop(a->base, EVLOOP_NONBLOCK);
		event_base_free(a->base);
	}
	free(a->members);
	free(a->payload);
	free(a);
}

static const struct bench_program mqev_program = {
    .name = "mqev",
    .version = mqev_version,
    .descriptors_per_client = 1,
    .websocket = true,
    .open = mqev_bench_open,
    .connect = mqev_bench_connect,
    .subscribe = mqev_bench_subscribe,
    .publish = mqev_bench_publish,
    .control = mqev_bench_control,
    .run = mqev_bench_run,
    .close = mqev_bench_close,
};

int
main(int argc, char **argv)
{
	return bench_main(&mqev_program, argc, argv);
}
