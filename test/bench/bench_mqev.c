/* mqev as an application uses it: its public headers only, one fleet on one event_base, a
 * completion per message, default options but for the window and what the row asks for. */
#include "bench/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <event2/event.h>
#include <mqev/mqev.h>
#ifdef HAVE_SQLITE
#	include <mqev/sqlite.h>
#	define SQLITE_BACKEND mqev_backend_sqlite
#	define STORES_OF_SQLITE "p1", "p2",
#else
#	define SQLITE_BACKEND NULL
#	define STORES_OF_SQLITE
#endif
#ifdef HAVE_WSLAY
#	define HAS_WEBSOCKET true
#else
#	define HAS_WEBSOCKET false
#endif

#define NANOSECONDS 1000000000
#define URL_LEN 300
#define PATH_LEN 300
/* One SUBSCRIBE has so many filters. */
#define FILTERS_AT_ONCE 100

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
	struct mqev_store *store;
	struct member *members;
	unsigned up;
	/* SUBSCRIBEs without an answer */
	unsigned asked;
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
	if (!check(a, "subscribe", result->error) && --a->asked == 0)
		bench_subscribed(a->b);
}

/* Stores ------------------------------------------------------------------------------------- */

struct store_kind {
	const char *name;
	const struct mqev_backend *(*backend)(void);
	enum mqev_durability durability;
};

static const struct store_kind store_kinds[] = {
    {"memory", mqev_backend_memory, MQEV_DURABLE_PROCESS},
    {"p1", SQLITE_BACKEND, MQEV_DURABLE_PROCESS},
    {"p2", SQLITE_BACKEND, MQEV_DURABLE_POWER},
};

static const struct store_kind *
store_kind(const char *name)
{
	size_t i;

	for (i = 0; name && i < sizeof store_kinds / sizeof *store_kinds; i++)
		if (!strcmp(store_kinds[i].name, name) && store_kinds[i].backend)
			return &store_kinds[i];
	return NULL;
}

static int
open_store(struct app *a)
{
	char path[PATH_LEN], text[200] = "";
	int error = 0;

	snprintf(path, sizeof path, "%s/store", a->o->store_folder);
	a->store = mqev_store_open(store_kind(a->o->store)->backend(), path,
	    MQEV_STORE_OPTIONS(.error_text = text, .error_text_size = sizeof text), &error);
	if (a->store)
		return 0;
	return bench_fail(a->b, "mqev_store_open: %s: %s", mqev_error_text(error), text);
}

/* What the driver asks for ------------------------------------------------------------------- */

/* The driver decides when a lost client connects again, for all libraries alike. */
static int
make_client(struct app *a, struct member *m, unsigned number)
{
	const struct store_kind *kind = number ? NULL : store_kind(a->o->store);
	char id[BENCH_CLIENT_ID_LEN];
	int error = 0;

	m->all = a;
	m->number = number;
	m->client = mqev_client_new(a->fleet,
	    MQEV_OPTIONS(.client_id = bench_client_id(id, number),
		.protocol = a->o->version == 5 ? MQEV_PROTOCOL_V5 : MQEV_PROTOCOL_V311,
		.keepalive = a->o->keepalive_s, .max_inflight = a->o->window,
		.receive_maximum = a->o->window, .no_reconnect = true, .tls = a->tls,
		.store = kind ? a->store : NULL,
		.durability = kind ? kind->durability : MQEV_DURABLE_DEFAULT, .userdata = m,
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
subscribe_to(struct app *a, unsigned first, unsigned count)
{
	struct mqev_subscription many[FILTERS_AT_ONCE];
	char filters[FILTERS_AT_ONCE][BENCH_FILTER_LEN];
	unsigned i;

	for (i = 0; i < count; i++)
		many[i] = *MQEV_SUBSCRIPTION(.filter = bench_filter(a->b, filters[i], first + i),
		    .qos = (int)a->o->qos, .on_message = on_message, .userdata = &a->members[0]);
	a->asked++;
	return check(a, "subscribe",
	    mqev_subscribe(a->members[0].client, many, count, NULL, on_subscribed, a));
}

static int
subscribe_to_filters(struct app *a)
{
	unsigned at, count;

	for (at = 0; at < a->o->filters; at += count) {
		count = a->o->filters - at;
		if (count > FILTERS_AT_ONCE)
			count = FILTERS_AT_ONCE;
		if (subscribe_to(a, at, count))
			return -1;
	}
	return 0;
}

static int
mqev_bench_subscribe(struct bench *b)
{
	struct app *a = app_of(b);

	if (a->o->filters)
		return subscribe_to_filters(a);
	a->asked = 1;
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
	/* No peer has a governor, and the driver itself limits what is under way. To be parked they
	 * come at the usual pace: all at once they would leave holes in the heap. */
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
	if ((a->o->cafile && open_tls(a)) || (a->o->store && open_store(a)))
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
	mqev_store_close(a->store);
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

static const char *const stores[] = {"memory", STORES_OF_SQLITE NULL};

static const struct bench_program mqev_program = {
    .name = "mqev",
    .version = mqev_version,
    .descriptors_per_client = 1,
    .websocket = HAS_WEBSOCKET,
    .parks = true,
    .filters = true,
    .stores = stores,
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
