/* clear: removes the retained messages of all topics that a filter matches, and ends when none has
 * come for a while. */
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>
#include <mqev/mqev.h>

struct app {
	struct mqev_client *client;
	struct event *quiet; /* when it fires nothing has come for quiet_ms */
	long quiet_ms;
	int cleared;
	int status;
};

static void
wait_for_more(struct app *app)
{
	const struct timeval wait = {app->quiet_ms / 1000, app->quiet_ms % 1000 * 1000};

	event_add(app->quiet, &wait);
}

static void
nothing_came(evutil_socket_t fd, short what, void *arg)
{
	struct app *app = arg;

	(void)fd;
	(void)what;
	app->status = 0;
	mqev_disconnect(app->client, NULL);
}

static void
cleared(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	struct app *app = arg;

	(void)client;
	if (result->error == 0)
		app->cleared++;
	else
		fprintf(stderr, "not cleared: %s\n", mqev_error_text(result->error));
	wait_for_more(app);
}

/* An empty retained message takes the place of the one that is kept. */
static void
retained_came(struct mqev_client *client, const struct mqev_message *message, void *userdata)
{
	struct app *app = userdata;

	if (!message->retain || message->payload_len == 0)
		return;
	printf("%s\n", message->topic);
	if (mqev_publish(client, MQEV_MESSAGE(.topic = message->topic, .qos = 1, .retain = true),
		cleared, app) < 0)
		fprintf(stderr, "%s: not cleared\n", message->topic);
}

static void
subscribed(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	struct app *app = arg;

	if (result->error == 0) {
		wait_for_more(app);
		return;
	}
	fprintf(stderr, "subscribing failed: %s, %s\n", mqev_error_text(result->error),
	    mqev_reason_text((int)result->reason));
	mqev_disconnect(client, NULL);
}

static void
failed(struct mqev_client *client, const struct mqev_connect_failure *failure, void *userdata)
{
	(void)client;
	(void)userdata;
	fprintf(stderr, "%s\n", failure->text);
}

static void
run(struct app *app, struct event_base *base, const char *url, const char *filter)
{
	struct mqev_fleet *fleet = mqev_fleet_new(base, NULL);

	app->quiet = evtimer_new(base, nothing_came, app);
	app->client = mqev_client_new(fleet,
	    MQEV_OPTIONS(.no_reconnect = true, .on_connect_fail = failed,
		.on_message = retained_came, .userdata = app),
	    NULL);
	if (app->client == NULL || mqev_connect(app->client, url) != 0)
		fprintf(stderr, "%s cannot be used\n", url);
	else if (mqev_subscribe(app->client, MQEV_SUBSCRIPTION(.filter = filter, .qos = 1), 1, NULL,
		     subscribed, app) < 0)
		fprintf(stderr, "%s is no filter\n", filter);
	else
		event_base_dispatch(base);
	mqev_fleet_free(fleet);
	event_free(app->quiet);
}

int
main(int argc, char **argv)
{
	struct app app = {.status = 1, .quiet_ms = 1000};
	struct event_base *base;

	if (argc != 3 && argc != 4) {
		fprintf(stderr, "usage: clear URL FILTER [MILLISECONDS]\n"
				"       clear mqtt://localhost 'plant/#'\n");
		return 2;
	}
	if (argc == 4)
		app.quiet_ms = strtol(argv[3], NULL, 10);
	base = event_base_new();
	run(&app, base, argv[1], argv[2]);
	event_base_free(base);
	printf("%d cleared\n", app.cleared);
	return app.status;
}
