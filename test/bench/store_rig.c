/* One fleet over one store, as an application has them, for the benchmarks of stores. */
#include "bench/store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <mqev/sqlite.h>

#include "lib/vfs.h"

#define TOPIC "bench/topic"

static int
fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, mqev_error_text(error));
	return -1;
}

/* What happens ------------------------------------------------------------------------------- */

static void
on_connect(struct mqev_client *client, const struct mqev_connack *connack, void *userdata)
{
	struct rig_client *c = userdata;

	(void)client;
	if (connack->reason >= 0x80)
		fail("connect", connack->code);
	else
		c->rig->up++;
}

static void
on_disconnect(struct mqev_client *client, const struct mqev_disconnection *end, void *userdata)
{
	struct rig_client *c = userdata;

	(void)client;
	(void)end;
	c->rig->up--;
}

static void
on_durable(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	struct rig_client *c = arg;

	(void)client;
	(void)result;
	c->rig->durable++;
}

static void
on_completed(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	struct rig_client *c = arg;

	(void)client;
	if (result->error != 0) {
		if (result->error != MQEV_KEPT)
			fail("publish", result->error);
		return;
	}
	c->rig->completed++;
	if (c->rig->completed_one)
		c->rig->completed_one(c);
}

static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* Making it ----------------------------------------------------------------------------------- */

static int
more_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return -1;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

int
rig_open_loop(struct rig *r)
{
	r->base = event_base_new();
	r->end = r->base ? evtimer_new(r->base, on_end, r) : NULL;
	r->clients = calloc(r->o.clients, sizeof *r->clients);
	r->payload = malloc(r->o.size + 1);
	if (!r->end || !r->clients || !r->payload || more_descriptors())
		return fail("set up", MQEV_ERR_SYSTEM);
	memset(r->payload, 'x', r->o.size);
	r->fleet = mqev_fleet_new(r->base,
	    MQEV_FLEET_OPTIONS(.max_handshakes = MQEV_UNLIMITED, .connects_per_s = MQEV_UNLIMITED));
	return r->fleet ? 0 : fail("fleet", MQEV_ERR_NOMEM);
}

int
rig_open_store(struct rig *r)
{
	struct mqev_sqlite_options slow = {.size = sizeof slow, .vfs = TK_VFS_NAME};
	char text[200] = "";
	int error;

	if (r->o.sync_ms) {
		tk_vfs_start();
		tk_vfs_slow_sync((int)r->o.sync_ms);
		r->count.inner_extra = &slow;
	}
	r->count.inner = r->o.memory ? mqev_backend_memory() : mqev_backend_sqlite();
	r->store = mqev_store_open(store_count_backend(), r->o.path,
	    MQEV_STORE_OPTIONS(.backend_extra = &r->count, .error_text = text,
		.error_text_size = sizeof text),
	    &error);
	r->count.inner_extra = NULL;
	return r->store ? 0 : fail(text, error);
}

/* What an earlier process left completes as what this one publishes. */
static void
take_over(struct mqev_client *client, struct mqev_pending *pending, void *userdata)
{
	struct rig_client *c = userdata;

	(void)client;
	pending->done = on_completed;
	pending->arg = c;
	c->rig->pending++;
}

static int
make_client(struct rig *r, struct rig_client *c)
{
	char id[32];
	int error = 0;

	snprintf(id, sizeof id, "bench-%06u", r->made);
	c->rig = r;
	c->left = r->o.messages;
	c->client = mqev_client_new(r->fleet,
	    MQEV_OPTIONS(.client_id = id, .protocol = MQEV_PROTOCOL_V311, .store = r->store,
		.durability = r->o.process ? MQEV_DURABLE_PROCESS : MQEV_DURABLE_POWER,
		.no_reconnect = true, .userdata = c, .on_connect = on_connect,
		.on_disconnect = on_disconnect, .on_durable = on_durable),
	    &error);
	if (!c->client)
		return fail("client", error);
	r->made++;
	error = mqev_client_pending(c->client, take_over, c);
	return error ? fail("pending", error) : 0;
}

int
rig_make_clients(struct rig *r)
{
	while (r->made < r->o.clients)
		if (make_client(r, &r->clients[r->made]))
			return -1;
	return 0;
}

int
rig_connect_all(struct rig *r)
{
	char url[64];
	unsigned i;

	snprintf(url, sizeof url, "mqtt://127.0.0.1:%u", r->o.port);
	for (i = 0; i < r->made; i++) {
		int error = mqev_connect(r->clients[i].client, url);

		if (error)
			return fail("connect", error);
	}
	return 0;
}

int
rig_publish(struct rig_client *c)
{
	int64_t op = mqev_publish(c->client,
	    MQEV_MESSAGE(.topic = TOPIC, .payload = c->rig->payload, .payload_len = c->rig->o.size,
		.qos = 1),
	    on_completed, c);

	if (op < 0)
		return fail("publish", (int)op);
	c->left--;
	return 0;
}

/* Running it ---------------------------------------------------------------------------------- */

int
rig_turn(struct rig *r)
{
	return event_base_loop(r->base, EVLOOP_ONCE) < 0 ? fail("loop", MQEV_ERR_SYSTEM) : 0;
}

int
rig_wait(struct rig *r, const char *what, const uint64_t *count, uint64_t wanted)
{
	struct timeval t = {.tv_sec = r->o.timeout_s};

	evtimer_add(r->end, &t);
	while (*count < wanted && evtimer_pending(r->end, NULL))
		if (rig_turn(r))
			return -1;
	evtimer_del(r->end);
	if (*count >= wanted)
		return 0;
	fprintf(stderr, "%s: %llu of %llu within %u s\n", what, (unsigned long long)*count,
	    (unsigned long long)wanted, r->o.timeout_s);
	return -1;
}

static int
close_store(struct rig *r)
{
	int error = mqev_store_close(r->store);

	if (error)
		return fail("close the store", error);
	if (r->o.trace && !store_count_write(&r->count, r->o.trace)) {
		perror(r->o.trace);
		return -1;
	}
	return 0;
}

int
rig_close(struct rig *r)
{
	int error;

	mqev_fleet_free(r->fleet);
	if (r->end)
		event_free(r->end);
	if (r->base) {
		/* bufferevents go one turn after they were freed */
		event_base_loop(r->base, EVLOOP_NONBLOCK);
		event_base_free(r->base);
	}
	error = close_store(r);
	free(r->clients);
	free(r->payload);
	return error;
}
