/* Eclipse Paho C, MQTTAsync. Its callbacks come on threads of its own, with its locks held or not:
 * they only count, and whichever thread finds the driver free hands the counts over and publishes
 * on, so that no wake-up is added to those that the library needs. */
#include "bench/client.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <MQTTAsync.h>

#define LONGEST_WAIT_MS 1000

struct paho;

struct client {
	struct paho *all;
	MQTTAsync handle;
	unsigned number;
	/* was connected once: from then on the library tries again by itself */
	atomic_bool known;
};

struct paho {
	struct bench *b;
	const struct bench_options *o;
	struct client *clients;
	char *payload;
	char uri[128];
	char folder[300];
	int wake;
	/* what callbacks have counted and the driver has not yet heard of */
	atomic_uint connected;
	atomic_uint lost;
	atomic_uint subscribed;
	atomic_uint control_done;
	atomic_ullong published;
	atomic_ullong received;
	atomic_ullong payload_bytes;
	atomic_int failure;
	atomic_bool pump;
	atomic_bool work;
	/* the driver is called by one thread at a time, and only while it runs */
	atomic_bool busy;
	bool running;
};

static const char *
paho_version(void)
{
	const MQTTAsync_nameValue *v;

	for (v = MQTTAsync_getVersionInfo(); v->name; v++)
		if (!strcmp(v->name, "Version"))
			return v->value;
	return "?";
}

static struct paho *
paho_of(struct bench *b)
{
	return *bench_state(b);
}

static int
check(struct paho *a, const char *what, int rc)
{
	if (rc == MQTTASYNC_SUCCESS)
		return 0;
	return bench_fail(a->b, "%s: %s (%d)", what, MQTTAsync_strerror(rc), rc);
}

/* Handing over ------------------------------------------------------------------------------- */

static void
tell_messages(struct paho *a)
{
	unsigned long long bytes = atomic_exchange(&a->payload_bytes, 0);
	unsigned long long received = atomic_exchange(&a->received, 0);
	unsigned long long published = atomic_exchange(&a->published, 0);

	if (received)
		bench_received(a->b, received, bytes);
	if (published)
		bench_published(a->b, published);
}

static void
tell(struct paho *a)
{
	int failure = atomic_exchange(&a->failure, 0);
	unsigned n;

	if (failure)
		bench_fail(a->b, "a request failed: %s (%d)", MQTTAsync_strerror(failure), failure);
	if (atomic_exchange(&a->pump, false))
		bench_pump(a->b);
	for (n = atomic_exchange(&a->lost, 0); n; n--)
		bench_lost(a->b, 0);
	for (n = atomic_exchange(&a->connected, 0); n; n--)
		bench_connected(a->b, 0);
	if (atomic_exchange(&a->subscribed, 0))
		bench_subscribed(a->b);
	tell_messages(a);
	if (atomic_exchange(&a->control_done, 0))
		bench_control_done(a->b);
}

static void
wake_up(struct paho *a)
{
	uint64_t one = 1;

	if (write(a->wake, &one, sizeof one) != sizeof one)
		perror("eventfd");
}

/* Whoever comes while another is here leaves its counts to that one. */
static void
hand_over(struct paho *a)
{
	atomic_store(&a->work, true);
	while (atomic_load(&a->work)) {
		if (atomic_exchange(&a->busy, true))
			return;
		atomic_store(&a->work, false);
		if (a->running) {
			tell(a);
			if (bench_is_done(a->b))
				wake_up(a);
		}
		atomic_store(&a->busy, false);
	}
}

static void
set_running(struct paho *a, bool running)
{
	while (atomic_exchange(&a->busy, true))
		sched_yield();
	a->running = running;
	atomic_store(&a->busy, false);
}

/* Callbacks ---------------------------------------------------------------------------------- */

static void
on_connected(void *arg, char *cause)
{
	struct client *c = arg;

	(void)cause;
	atomic_store(&c->known, true);
	atomic_fetch_add(&c->all->connected, 1);
	hand_over(c->all);
}

static void
on_lost(void *arg, char *cause)
{
	struct client *c = arg;

	(void)cause;
	atomic_fetch_add(&c->all->lost, 1);
	hand_over(c->all);
}

/* The bytes are counted first, as the message may be the last. */
static int
on_message(void *arg, char *topic, int topic_len, MQTTAsync_message *message)
{
	struct client *c = arg;

	(void)topic_len;
	atomic_fetch_add(&c->all->payload_bytes, (unsigned long long)message->payloadlen);
	atomic_fetch_add(&c->all->received, 1);
	MQTTAsync_freeMessage(&message);
	MQTTAsync_free(topic);
	hand_over(c->all);
	return 1;
}

static void
note_failure(struct client *c, int code)
{
	atomic_store(&c->all->failure, code ? code : MQTTASYNC_FAILURE);
	hand_over(c->all);
}

static void
on_failure(void *arg, MQTTAsync_failureData *data)
{
	note_failure(arg, data ? data->code : 0);
}

static void
on_failure5(void *arg, MQTTAsync_failureData5 *data)
{
	note_failure(arg, data ? data->code : 0);
}

static void
on_connect_failure(void *arg, MQTTAsync_failureData *data)
{
	struct client *c = arg;

	if (!atomic_load(&c->known))
		note_failure(c, data ? data->code : 0);
}

static void
on_connect_failure5(void *arg, MQTTAsync_failureData5 *data)
{
	struct client *c = arg;

	if (!atomic_load(&c->known))
		note_failure(c, data ? data->code : 0);
}

static void
note_subscribed(struct client *c)
{
	atomic_store(&c->all->subscribed, 1);
	hand_over(c->all);
}

static void
on_subscribed(void *arg, MQTTAsync_successData *data)
{
	(void)data;
	note_subscribed(arg);
}

static void
on_subscribed5(void *arg, MQTTAsync_successData5 *data)
{
	(void)data;
	note_subscribed(arg);
}

static void
note_published(struct client *c)
{
	atomic_fetch_add(&c->all->published, 1);
	hand_over(c->all);
}

static void
on_published(void *arg, MQTTAsync_successData *data)
{
	(void)data;
	note_published(arg);
}

static void
on_published5(void *arg, MQTTAsync_successData5 *data)
{
	(void)data;
	note_published(arg);
}

static void
note_control(struct client *c)
{
	atomic_store(&c->all->control_done, 1);
	hand_over(c->all);
}

static void
on_control(void *arg, MQTTAsync_successData *data)
{
	(void)data;
	note_control(arg);
}

static void
on_control5(void *arg, MQTTAsync_successData5 *data)
{
	(void)data;
	note_control(arg);
}

/* What the driver asks for ------------------------------------------------------------------- */

static int
make_client(struct paho *a, struct client *c, unsigned number)
{
	MQTTAsync_createOptions options = MQTTAsync_createOptions_initializer;
	char *folder = a->o->store && number == 0 ? a->folder : NULL;
	char id[BENCH_CLIENT_ID_LEN];

	c->all = a;
	c->number = number;
	options.MQTTVersion = a->o->version == 5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
	options.maxBufferedMessages = (int)a->o->window + 1;
	if (check(a, "create",
		MQTTAsync_createWithOptions(&c->handle, a->uri, bench_client_id(id, number),
		    folder ? MQTTCLIENT_PERSISTENCE_DEFAULT : MQTTCLIENT_PERSISTENCE_NONE, folder,
		    &options)))
		return -1;
	return check(a, "callbacks",
		   MQTTAsync_setCallbacks(c->handle, c, on_lost, on_message, NULL)) ||
		       check(a, "callbacks", MQTTAsync_setConnected(c->handle, c, on_connected))
		   ? -1
		   : 0;
}

static MQTTAsync_connectOptions
connect_options_for(const struct paho *a)
{
	const MQTTAsync_connectOptions v3 = MQTTAsync_connectOptions_initializer;
	const MQTTAsync_connectOptions v5 = MQTTAsync_connectOptions_initializer5;
	MQTTAsync_connectOptions options = a->o->version == 5 ? v5 : v3;

	if (a->o->version == 5) {
		options.onFailure5 = on_connect_failure5;
	} else {
		options.MQTTVersion = MQTTVERSION_3_1_1;
		options.onFailure = on_connect_failure;
	}
	options.keepAliveInterval = (int)a->o->keepalive_s;
	options.maxInflight = (int)a->o->window;
	options.automaticReconnect = 1;
	options.minRetryInterval = 1;
	return options;
}

static int
paho_connect(struct bench *b, unsigned client)
{
	struct paho *a = paho_of(b);
	struct client *c = &a->clients[client];
	MQTTAsync_connectOptions options = connect_options_for(a);
	MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;

	if (make_client(a, c, client))
		return -1;
	options.context = c;
	tls.trustStore = a->o->cafile;
	tls.verify = 1;
	if (a->o->cafile)
		options.ssl = &tls;
	return check(a, "connect", MQTTAsync_connect(c->handle, &options));
}

static MQTTAsync_responseOptions
response_options(const struct paho *a, MQTTAsync_onSuccess *success, MQTTAsync_onSuccess5 *success5)
{
	MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;

	options.context = &a->clients[0];
	if (a->o->version == 5) {
		options.onSuccess5 = success5;
		options.onFailure5 = on_failure5;
	} else {
		options.onSuccess = success;
		options.onFailure = on_failure;
	}
	return options;
}

static int
paho_subscribe(struct bench *b)
{
	struct paho *a = paho_of(b);
	MQTTAsync_responseOptions options = response_options(a, on_subscribed, on_subscribed5);

	return check(a, "subscribe",
	    MQTTAsync_subscribe(a->clients[0].handle, BENCH_FILTER, (int)a->o->qos, &options));
}

static int64_t
paho_publish(struct bench *b, uint64_t count)
{
	struct paho *a = paho_of(b);
	MQTTAsync_responseOptions options = response_options(a, on_published, on_published5);
	uint64_t i;

	for (i = 0; i < count; i++)
		if (check(a, "publish",
			MQTTAsync_send(a->clients[0].handle, BENCH_TOPIC, (int)a->o->size,
			    a->payload, (int)a->o->qos, 0, &options)))
			return -1;
	return (int64_t)count;
}

static int
paho_control(struct bench *b, const char *topic, const char *payload, unsigned qos)
{
	struct paho *a = paho_of(b);
	MQTTAsync_responseOptions options = response_options(a, on_control, on_control5);

	return check(a, "publish",
	    MQTTAsync_send(a->clients[0].handle, topic, (int)strlen(payload), payload, (int)qos, 0,
		qos ? &options : NULL));
}

static void
wait_for_wake(struct paho *a, int64_t deadline_ns)
{
	struct pollfd p = {.fd = a->wake, .events = POLLIN};
	uint64_t count;

	if (poll(&p, 1, bench_timeout_ms(deadline_ns, LONGEST_WAIT_MS)) == 1 &&
	    read(a->wake, &count, sizeof count) != sizeof count)
		perror("eventfd");
}

static bool
is_done(struct paho *a)
{
	bool done;

	while (atomic_exchange(&a->busy, true))
		sched_yield();
	done = bench_is_done(a->b);
	atomic_store(&a->busy, false);
	return done;
}

static int
paho_run(struct bench *b, int64_t deadline_ns)
{
	struct paho *a = paho_of(b);

	set_running(a, true);
	atomic_store(&a->pump, true);
	hand_over(a);
	do
		wait_for_wake(a, deadline_ns);
	while (!is_done(a) && bench_now() < deadline_ns);
	set_running(a, false);
	return 0;
}

static const char *
scheme(const struct bench_options *o)
{
	if (o->websocket)
		return o->cafile ? "wss" : "ws";
	return o->cafile ? "ssl" : "tcp";
}

static int
paho_open(struct bench *b)
{
	MQTTAsync_init_options init = MQTTAsync_init_options_initializer;
	struct paho *a = calloc(1, sizeof *a);

	*bench_state(b) = a;
	if (!a)
		return bench_fail(b, "out of memory");
	init.do_openssl_init = 1;
	MQTTAsync_global_init(&init);
	a->b = b;
	a->o = bench_options(b);
	a->wake = eventfd(0, EFD_CLOEXEC);
	a->clients = calloc(a->o->clients, sizeof *a->clients);
	a->payload = malloc(a->o->size + 1);
	if (a->wake < 0 || !a->clients || !a->payload)
		return bench_fail(b, "out of memory");
	memset(a->payload, 'x', a->o->size);
	snprintf(a->uri, sizeof a->uri, "%s://%s:%d%s", scheme(a->o), a->o->host, a->o->port,
	    a->o->websocket ? "/mqtt" : "");
	snprintf(a->folder, sizeof a->folder, "%s", a->o->store ? a->o->store_folder : "");
	return 0;
}

/* Its threads end with the last client. */
static void
paho_close(struct bench *b)
{
	struct paho *a = paho_of(b);
	unsigned i;

	if (!a)
		return;
	for (i = 0; a->clients && i < a->o->clients; i++)
		if (a->clients[i].handle)
			MQTTAsync_destroy(&a->clients[i].handle);
	if (a->wake >= 0)
		close(a->wake);
	free(a->clients);
	free(a->payload);
	free(a);
}

/* It writes a file per message and never calls fsync(). */
static const char *const stores[] = {"p1", NULL};

static const struct bench_program paho_program = {
    .name = "paho.mqtt.c",
    .version = paho_version,
    .descriptors_per_client = 1,
    .websocket = true,
    .stores = stores,
    .reconnects = true,
    .open = paho_open,
    .connect = paho_connect,
    .subscribe = paho_subscribe,
    .publish = paho_publish,
    .control = paho_control,
    .run = paho_run,
    .close = paho_close,
};

int
main(int argc, char **argv)
{
	return bench_main(&paho_program, argc, argv);
}
