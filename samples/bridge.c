/*
 * bridge: carries messages from one broker to another, each QoS 2 message once, whatever is killed
 * meanwhile: what was received is done with in the same commit that accepts what is sent on for it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>
#include <mqev/mqev.h>
#include <mqev/sqlite.h>

struct bridge {
	struct event_base *base;
	struct mqev_client *from;
	struct mqev_client *to;
};

static void
failed(struct mqev_client *client, const struct mqev_connect_failure *failure, void *userdata)
{
	(void)userdata;
	fprintf(stderr, "%s: %s; trying again in %u ms\n", mqev_client_id(client), failure->text,
	    (unsigned)failure->retry_ms);
}

static void
disconnected(struct mqev_client *client, const struct mqev_disconnection *end, void *userdata)
{
	(void)userdata;
	fprintf(stderr, "%s: %s\n", mqev_client_id(client), end->text);
}

/* A message that cannot be carried on is not done: the next run of the program gets it again. */
static void
carry(struct mqev_client *client, const struct mqev_message *message, void *userdata)
{
	struct bridge *bridge = userdata;
	int64_t result;

	(void)client;
	result = mqev_publish(bridge->to,
	    MQEV_MESSAGE(.topic = message->topic, .payload = message->payload,
		.payload_len = message->payload_len, .qos = message->qos, .retain = message->retain,
		.properties = message->properties, .answers = message->token),
	    NULL, NULL);
	if (result > 0 || message->qos == 0)
		return;
	fprintf(stderr, "%s: %s\n", message->topic, mqev_error_text((int)result));
	exit(1);
}

static void
stop(evutil_socket_t sig, short what, void *base)
{
	(void)sig;
	(void)what;
	event_base_loopbreak(base);
}

/* Both have a session in the store; QoS 1 is kept there too, so that it has a token. */
static struct mqev_client *
make_client(struct bridge *bridge, struct mqev_fleet *fleet, struct mqev_store *store,
    const char *client_id)
{
	return mqev_client_new(fleet,
	    MQEV_OPTIONS(.client_id = client_id, .protocol = MQEV_PROTOCOL_V5, .store = store,
		.inbox = MQEV_INBOX_QOS1, .userdata = bridge, .on_message = carry,
		.on_connect_fail = failed, .on_disconnect = disconnected, .reconnect_min_ms = 100,
		.max_queued = MQEV_UNLIMITED, .max_queued_bytes = SIZE_MAX),
	    NULL);
}

static int
run(struct bridge *bridge, const char *from, const char *to, const char *filter)
{
	struct event *interrupt = evsignal_new(bridge->base, SIGINT, stop, bridge->base);
	struct event *end = evsignal_new(bridge->base, SIGTERM, stop, bridge->base);

	if (interrupt == NULL || end == NULL || mqev_connect(bridge->to, to) != 0 ||
	    mqev_connect(bridge->from, from) != 0 ||
	    mqev_subscribe(bridge->from, MQEV_SUBSCRIPTION(.filter = filter, .qos = 2), 1, NULL,
		NULL, NULL) < 0) {
		fprintf(stderr, "bad URL or topic filter\n");
		return 1;
	}
	event_add(interrupt, NULL);
	event_add(end, NULL);
	event_base_dispatch(bridge->base);
	event_free(interrupt);
	event_free(end);
	return 0;
}

int
main(int argc, char **argv)
{
	struct bridge bridge = {.base = event_base_new()};
	char text[200] = "";
	struct mqev_fleet *fleet;
	struct mqev_store *store;
	int result = 1;

	if (argc != 5) {
		fprintf(stderr, "usage: bridge FROM-URL TO-URL FILTER STORE\n"
				"       bridge mqtt://plant mqtt://office 'meters/#' "
				"/var/lib/bridge/store\n");
		return 2;
	}
	store = mqev_store_open(mqev_backend_sqlite(), argv[4],
	    MQEV_STORE_OPTIONS(.error_text = text, .error_text_size = sizeof(text)), NULL);
	if (store == NULL) {
		fprintf(stderr, "%s: %s\n", argv[4], text);
		return 1;
	}
	fleet = mqev_fleet_new(bridge.base, NULL);
	if (fleet != NULL) {
		bridge.to = make_client(&bridge, fleet, store, "bridge-to");
		bridge.from = make_client(&bridge, fleet, store, "bridge-from");
	}
	if (bridge.to != NULL && bridge.from != NULL)
		result = run(&bridge, argv[1], argv[2], argv[3]);
	mqev_fleet_free(fleet);
	mqev_store_close(store);
	event_base_free(bridge.base);
	return result;
}
