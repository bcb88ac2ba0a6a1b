/*
 * Request and response in one program: a server that turns text into capitals, and a client that
 * asks it. usage: rpc URL TEXT...        as in: rpc mqtt://127.0.0.1 hello world
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <event2/event.h>
#include <mqev/mqev.h>

#define SERVICE "mqev/sample/upper"
#define DEADLINE_MS 3000

struct sample {
	struct event_base *base;
	struct mqev_client *client;
	struct mqev_client *server;
	char **texts;
	int count;
	int ended;
	int failed;
};

static void
fail(struct sample *s, const char *what, int error)
{
	fprintf(stderr, "rpc: %s: %s\n", what, mqev_error_text(error));
	s->failed = 1;
	event_base_loopbreak(s->base);
}

/* --- the server ------------------------------------------------------------------------------ */

static void
serve(struct mqev_client *server, const struct mqev_message *request, void *userdata)
{
	char *text = malloc(request->payload_len + 1);
	int64_t error;
	size_t i;

	(void)userdata;
	if (text == NULL)
		return;
	for (i = 0; i < request->payload_len; i++)
		text[i] = (char)toupper(((const unsigned char *)request->payload)[i]);
	error = mqev_respond(server, request,
	    MQEV_MESSAGE(.payload = text, .payload_len = request->payload_len), NULL, NULL);
	/* One that asked for no answer gets none. */
	if (error < 0 && error != MQEV_ERR_INVALID)
		fprintf(stderr, "rpc: responding: %s\n", mqev_error_text((int)error));
	free(text);
}

/* --- the client ------------------------------------------------------------------------------ */

static void
on_reply(struct mqev_client *client, const struct mqev_reply *reply, void *arg)
{
	struct sample *s = mqev_client_userdata(client);
	const char *text = arg;

	if (reply->error == 0)
		printf("%s -> %.*s\n", text, (int)reply->message->payload_len,
		    (const char *)reply->message->payload);
	else
		fprintf(stderr, "rpc: %s: %s\n", text, mqev_error_text(reply->error));
	s->failed |= reply->error != 0;
	if (++s->ended == s->count)
		event_base_loopexit(s->base, NULL);
}

static void
ask(struct sample *s)
{
	int i;

	for (i = 0; i < s->count; i++) {
		const char *text = s->texts[i];
		int64_t number = mqev_request(s->client,
		    MQEV_MESSAGE(.topic = SERVICE, .payload = text, .payload_len = strlen(text)),
		    DEADLINE_MS, on_reply, (void *)text);

		if (number < 0) {
			fail(s, text, (int)number);
			return;
		}
	}
}

static void
on_serving(struct mqev_client *server, const struct mqev_result *result, void *arg)
{
	(void)server;
	if (result->error != 0)
		fail(arg, "subscribing", result->error);
	else
		ask(arg);
}

static void
on_connect_fail(struct mqev_client *client, const struct mqev_connect_failure *failure, void *arg)
{
	(void)client;
	fprintf(stderr, "rpc: %s\n", failure->text);
	fail(arg, "connecting", failure->error);
}

/* --- both ------------------------------------------------------------------------------------ */

static struct mqev_client *
start(struct mqev_fleet *fleet, struct sample *s, const char *url)
{
	int error = 0;
	struct mqev_client *client = mqev_client_new(fleet,
	    MQEV_OPTIONS(.protocol = MQEV_PROTOCOL_V5, .on_connect_fail = on_connect_fail,
		.userdata = s),
	    &error);

	if (client != NULL)
		error = mqev_connect(client, url);
	if (error != 0)
		fail(s, url, error);
	return client;
}

int
main(int argc, char **argv)
{
	struct sample s = {NULL, NULL, NULL, argv + 2, argc - 2, 0, 0};
	struct mqev_fleet *fleet;

	if (argc < 3) {
		fprintf(stderr, "usage: rpc URL TEXT...\n");
		return 2;
	}
	s.base = event_base_new();
	fleet = mqev_fleet_new(s.base, NULL);
	s.server = start(fleet, &s, argv[1]);
	s.client = start(fleet, &s, argv[1]);
	if (!s.failed &&
	    mqev_subscribe(s.server, MQEV_SUBSCRIPTION(.filter = SERVICE, .on_message = serve), 1,
		NULL, on_serving, &s) > 0)
		event_base_dispatch(s.base);
	mqev_fleet_free(fleet);
	event_base_free(s.base);
	return s.failed || s.ended < s.count;
}
