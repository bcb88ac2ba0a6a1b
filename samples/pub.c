/* pub: publishes one message, waits until it is done, and ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <mqev/mqev.h>

struct app {
	struct event_base *base;
	int status;
};

static void
published(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	struct app *app = arg;

	if (result->error == 0)
		app->status = 0;
	else
		fprintf(stderr, "publishing failed: %s, %s\n", mqev_error_text(result->error),
		    mqev_reason_text((int)result->reason));
	mqev_disconnect(client, NULL);
}

static void
failed(struct mqev_client *client, const struct mqev_connect_failure *failure, void *userdata)
{
	struct app *app = userdata;

	(void)client;
	fprintf(stderr, "%s\n", failure->text);
	event_base_loopbreak(app->base);
}

static void
disconnected(struct mqev_client *client, const struct mqev_disconnection *end, void *userdata)
{
	struct app *app = userdata;

	(void)client;
	if (end->error != 0)
		fprintf(
		    stderr, "%s: %s\n", end->text, mqev_disconnect_reason_text((int)end->reason));
	if (end->retry_ms == MQEV_NONE)
		event_base_loopbreak(app->base);
}

static int
usage(void)
{
	fprintf(stderr, "usage: pub [-q QOS] [-r] [-v 31|311|5] URL TOPIC TEXT\n"
			"       pub -q 1 mqtt://localhost plant/7/alarm hot\n");
	return 2;
}

static void
run(struct app *app, struct mqev_options *options, const char *url,
    const struct mqev_message *message)
{
	struct mqev_fleet *fleet = mqev_fleet_new(app->base, NULL);
	struct mqev_client *client = fleet != NULL ? mqev_client_new(fleet, options, NULL) : NULL;
	int error;

	if (client == NULL)
		return;
	error = mqev_connect(client, url);
	if (error != 0)
		fprintf(stderr, "%s: %s %s\n", url, mqev_error_text(error),
		    mqev_client_error_text(client));
	else if (mqev_publish(client, message, published, app) < 0)
		fprintf(stderr, "%s: not a topic to publish to\n", message->topic);
	else
		event_base_dispatch(app->base);
	mqev_fleet_free(fleet);
}

int
main(int argc, char **argv)
{
	struct app app = {.status = 1};
	struct mqev_options options = {.size = sizeof(options),
	    .on_connect_fail = failed,
	    .on_disconnect = disconnected,
	    .userdata = &app};
	struct mqev_message message = {.size = sizeof(message)};
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "-r") == 0)
			message.retain = true;
		else if (strcmp(argv[i], "-q") == 0 && i + 1 < argc)
			message.qos = atoi(argv[++i]);
		else if (strcmp(argv[i], "-v") == 0 && i + 1 < argc)
			options.protocol = strcmp(argv[++i], "5") == 0	? MQEV_PROTOCOL_V5
					   : strcmp(argv[i], "31") == 0 ? MQEV_PROTOCOL_V31
									: MQEV_PROTOCOL_V311;
		else
			return usage();
	}
	if (argc - i != 3)
		return usage();
	message.topic = argv[i + 1];
	message.payload = argv[i + 2];
	message.payload_len = strlen(argv[i + 2]);
	app.base = event_base_new();
	run(&app, &options, argv[i], &message);
	event_base_free(app.base);
	return app.status;
}
