/* sub: subscribes to a topic filter and prints what comes. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <mqev/mqev.h>

struct app {
	struct event_base *base;
	const char *filter;
	int qos;
	long left; /* messages until the end; -1: no end */
};

static void
subscribed(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	(void)client;
	(void)arg;
	if (result->error != 0)
		fprintf(stderr, "subscribing failed: %s, %s\n", mqev_error_text(result->error),
		    mqev_reason_text((int)result->reason));
	else
		fprintf(stderr, "subscribed\n");
}

static void
connected(struct mqev_client *client, const struct mqev_connack *connack, void *userdata)
{
	(void)client;
	(void)userdata;
	fprintf(stderr, "connected: %s\n", mqev_reason_text((int)connack->reason));
}

static void
failed(struct mqev_client *client, const struct mqev_connect_failure *failure, void *userdata)
{
	(void)client;
	(void)userdata;
	fprintf(stderr, "%s; trying again in %u ms\n", failure->text, (unsigned)failure->retry_ms);
}

static void
disconnected(struct mqev_client *client, const struct mqev_disconnection *end, void *userdata)
{
	struct app *app = userdata;

	(void)client;
	fprintf(stderr, "%s\n", end->text);
	if (end->retry_ms == MQEV_NONE)
		event_base_loopbreak(app->base);
}

static void
show(struct mqev_client *client, const struct mqev_message *message, void *userdata)
{
	struct app *app = userdata;

	if (app->left == 0)
		return;
	printf(
	    "%s %.*s\n", message->topic, (int)message->payload_len, (const char *)message->payload);
	fflush(stdout);
	if (app->left > 0 && --app->left == 0)
		mqev_disconnect(client, NULL);
}

static void
stop(evutil_socket_t sig, short what, void *arg)
{
	struct mqev_client *client = arg;
	bool connected = mqev_client_is_connected(client);

	(void)sig;
	(void)what;
	if (mqev_disconnect(client, NULL) != 0 || !connected)
		event_base_loopbreak(mqev_fleet_base(mqev_client_fleet(client)));
}

static int
usage(void)
{
	fprintf(stderr, "usage: sub [-q QOS] [-n MESSAGES] [-v 31|311|5] URL FILTER\n"
			"       sub mqtt://localhost 'plant/+/alarm'\n");
	return 2;
}

static int
run(struct app *app, struct mqev_options *options, const char *url)
{
	struct mqev_fleet *fleet = mqev_fleet_new(app->base, NULL);
	struct mqev_client *client = fleet != NULL ? mqev_client_new(fleet, options, NULL) : NULL;
	struct event *interrupt;
	int error;

	if (client == NULL)
		return 1;
	error = mqev_connect(client, url);
	if (error != 0)
		fprintf(stderr, "%s: %s %s\n", url, mqev_error_text(error),
		    mqev_client_error_text(client));
	else if (mqev_subscribe(client, MQEV_SUBSCRIPTION(.filter = app->filter, .qos = app->qos),
		     1, NULL, subscribed, app) < 0)
		fprintf(stderr, "%s is not a topic filter\n", app->filter);
	else {
		interrupt = evsignal_new(app->base, SIGINT, stop, client);
		event_add(interrupt, NULL);
		event_base_dispatch(app->base);
		event_free(interrupt);
	}
	mqev_fleet_free(fleet);
	return app->left > 0;
}

int
main(int argc, char **argv)
{
	struct app app = {.left = -1};
	struct mqev_options options = {.size = sizeof(options),
	    .on_connect = connected,
	    .on_connect_fail = failed,
	    .on_disconnect = disconnected,
	    .on_message = show,
	    .userdata = &app};
	int status, i = 1;

	for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		if (strcmp(argv[i], "-q") == 0)
			app.qos = atoi(argv[i + 1]);
		else if (strcmp(argv[i], "-n") == 0)
			app.left = atol(argv[i + 1]);
		else if (strcmp(argv[i], "-v") == 0)
			options.protocol = strcmp(argv[i + 1], "5") == 0    ? MQEV_PROTOCOL_V5
					   : strcmp(argv[i + 1], "31") == 0 ? MQEV_PROTOCOL_V31
									    : MQEV_PROTOCOL_V311;
		else
			return usage();
	}
	if (argc - i != 2)
		return usage();
	app.filter = argv[i + 1];
	app.base = event_base_new();
	status = run(&app, &options, argv[i]);
	event_base_free(app.base);
	return status;
}
