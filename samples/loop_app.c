/* The client of the samples of foreign loops. */
#include "loop_app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	fprintf(stderr, "%s\n", failure->text);
}

static void
disconnected(struct mqev_client *client, const struct mqev_disconnection *end, void *userdata)
{
	struct loop_app *app = userdata;

	(void)client;
	fprintf(stderr, "%s\n", end->text);
	if (end->retry_ms != MQEV_NONE)
		return;
	app->ended = true;
	app->status = end->error != 0;
}

static void
subscribed(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	(void)client;
	(void)arg;
	fprintf(stderr, "%s\n", result->error == 0 ? "subscribed" : mqev_error_text(result->error));
}

static void
show(struct mqev_client *client, const struct mqev_message *message, void *userdata)
{
	struct loop_app *app = userdata;

	printf(
	    "%s %.*s\n", message->topic, (int)message->payload_len, (const char *)message->payload);
	fflush(stdout);
	if (--app->left == 0)
		mqev_disconnect(client, NULL);
}

static bool
connect_to(struct loop_app *app, const char *url)
{
	int error;

	app->fleet = mqev_fleet_new(NULL, NULL);
	if (app->fleet == NULL)
		return false;
	app->client = mqev_client_new(app->fleet,
	    MQEV_OPTIONS(.reconnect_min_ms = 200, .on_connect = connected,
		.on_connect_fail = failed, .on_disconnect = disconnected, .on_message = show,
		.userdata = app),
	    &error);
	if (app->client != NULL)
		error = mqev_connect(app->client, url);
	if (error == 0 &&
	    mqev_subscribe(app->client, MQEV_SUBSCRIPTION(.filter = app->filter, .qos = 1), 1, NULL,
		subscribed, NULL) < 0)
		error = MQEV_ERR_INVALID;
	if (error != 0)
		fprintf(stderr, "%s\n", mqev_error_text(error));
	return error == 0;
}

bool
loop_app_begin(struct loop_app *app, int argc, char **argv)
{
	int i = 1;

	*app = (struct loop_app){.left = -1};
	if (argc > 2 && strcmp(argv[1], "-n") == 0) {
		app->left = atol(argv[2]);
		i = 3;
	}
	if (argc - i != 2) {
		fprintf(stderr, "usage: %s [-n MESSAGES] URL FILTER\n", argv[0]);
		return false;
	}
	app->filter = argv[i + 1];
	if (connect_to(app, argv[i]))
		return true;
	mqev_fleet_free(app->fleet);
	return false;
}

int
loop_app_end(struct loop_app *app)
{
	mqev_fleet_free(app->fleet);
	return app->status;
}
