/* The client of the kill campaign. */
#include "kill/client.h"

#include <event2/event.h>
#include <mqev/connect.h>
#include <mqev/mqev.h>
#include <mqev/sqlite.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kill/crash_backend.h"
#include "lib/vfs.h"

/* Ends a run that hangs; its notes tell where. */
#define DEADLINE_S 30

static struct {
	const struct kill_plan *plan;
	struct event_base *base;
	int notes;
	int next;	 /* to publish */
	int open;	 /* published and not completed */
	uint64_t *op_of; /* by number */
	bool told;	 /* the broker has all acknowledgements */
	int failures;
} app;

static void
end_if_done(void)
{
	if (app.told && app.open == 0 && app.next > app.plan->out)
		event_base_loopbreak(app.base);
}

/* --- publishing --------------------------------------------------------------------------------
 */

static void
completed(struct mqev_client *client, const struct mqev_result *result, void *arg)
{
	(void)client;
	crash_at(KILL_AT_COMPLETION);
	if (result->error == MQEV_KEPT)
		return;
	kill_note(app.notes, false, "C %d %d\n", (int)(intptr_t)arg, result->error);
	app.open--;
	end_if_done();
}

static void
durable(struct mqev_client *client, const struct mqev_result *result, void *userdata)
{
	(void)client;
	(void)userdata;
	crash_at(KILL_AT_DURABLE);
	for (int i = 1; i < app.next; i++) {
		if (app.op_of[i] == result->op)
			kill_note(app.notes, false, "A %d\n", i);
	}
}

static void
publish(struct mqev_client *client, int i)
{
	char payload[300];
	int64_t op;

	memset(payload, 'x', sizeof(payload));
	snprintf(payload, sizeof(payload), "%d", i);
	kill_note(app.notes, false, "T %d\n", i);
	app.next = i + 1;
	app.open++;
	op = mqev_publish(client,
	    MQEV_MESSAGE(.topic = "up", .payload = payload, .payload_len = 200,
		.qos = kill_qos(app.plan, i), .cookie = (uint64_t)i),
	    completed, (void *)(intptr_t)i);
	if (op < 0) {
		kill_note(app.notes, false, "F %d %d\n", i, (int)op);
		app.failures++;
		app.open--;
		return;
	}
	app.op_of[i] = (uint64_t)op;
}

/* Some at a time, so that there are several turns and commits. */
static void
publish_some(evutil_socket_t fd, short what, void *arg)
{
	int n = 1 + (int)(app.plan->seed % 4);

	(void)fd;
	(void)what;
	while (n-- > 0 && app.next <= app.plan->out)
		publish(arg, app.next);
	end_if_done();
}

static void
left_by_the_last(struct mqev_client *client, struct mqev_pending *pending, void *userdata)
{
	(void)client;
	(void)userdata;
	pending->done = completed;
	pending->arg = (void *)(intptr_t)pending->cookie;
	kill_note(app.notes, false, "P %d\n", (int)pending->cookie);
	app.open++;
}

/* --- receiving ---------------------------------------------------------------------------------
 */

static void
received(struct mqev_client *client, const struct mqev_message *message, void *userdata)
{
	char text[20];

	(void)client;
	(void)userdata;
	snprintf(
	    text, sizeof(text), "%.*s", (int)message->payload_len, (const char *)message->payload);
	if (strcmp(message->topic, "down/end") == 0) {
		app.told = true;
		end_if_done();
		return;
	}
	crash_at(KILL_BEFORE_EFFECT);
	kill_note(app.notes, false, "M %d %llu %d\n", message->qos,
	    (unsigned long long)message->token, atoi(text));
	crash_at(KILL_AFTER_EFFECT);
}

/* --- life --------------------------------------------------------------------------------------
 */

static int
first_unpublished(const struct kill_plan *plan)
{
	char name[300];
	char line[100];
	int next = 1;
	int i;
	FILE *f;

	snprintf(name, sizeof(name), "%s/client", plan->folder);
	f = fopen(name, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "T %d", &i) == 1)
			next = i + 1;
	}
	if (f != NULL)
		fclose(f);
	return next;
}

static struct mqev_client *
make_client(struct mqev_fleet *fleet, struct mqev_store *store, const char *pid)
{
	return mqev_client_new(fleet,
	    MQEV_OPTIONS(.client_id = "killed",
		.protocol = app.plan->version == 5 ? MQEV_PROTOCOL_V5 : MQEV_PROTOCOL_V311,
		.username = pid, .store = store,
		.durability = app.plan->power ? MQEV_DURABLE_POWER : MQEV_DURABLE_PROCESS,
		.on_durable = durable, .on_message = received, .reconnect_min_ms = 2,
		.reconnect_max_ms = 10),
	    NULL);
}

static void
fail(const char *what, const char *text)
{
	printf("client: %s: %s\n", what, text);
	fflush(stdout);
	_exit(3);
}

static void
live(struct mqev_client *client)
{
	struct event *timer = event_new(app.base, -1, EV_PERSIST, publish_some, client);
	char url[300];

	(void)mqev_client_pending(client, left_by_the_last, NULL);
	snprintf(url, sizeof(url), "unix://%s/socket", app.plan->folder);
	if (mqev_connect(client, url) != 0 ||
	    mqev_subscribe(
		client, MQEV_SUBSCRIPTION(.filter = "down/#", .qos = 2), 1, NULL, NULL, NULL) < 0)
		fail("connect", mqev_client_error_text(client));
	event_add(timer, &(struct timeval){0, 1000});
	event_base_dispatch(app.base);
	event_free(timer);
}

void
kill_client(const struct kill_plan *plan)
{
	char path[300];
	char text[200] = "";
	char pid[20];
	int error = 0;
	struct mqev_store *store;
	struct mqev_fleet *fleet;
	struct mqev_client *client;

	alarm(DEADLINE_S);
	app.plan = plan;
	app.next = first_unpublished(plan);
	app.notes = kill_open_notes(plan, "client");
	kill_note(app.notes, false, "N\n");
	app.op_of = calloc((size_t)plan->out + 2, sizeof(*app.op_of));
	app.base = event_base_new();
	fleet = mqev_fleet_new(app.base, NULL);
	snprintf(path, sizeof(path), "%s/store", plan->folder);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	tk_vfs_start();
	store = mqev_store_open(crash_backend(plan), path,
	    MQEV_STORE_OPTIONS(.error_text = text, .error_text_size = sizeof(text),
		.backend_extra = MQEV_SQLITE_OPTIONS(.vfs = TK_VFS_NAME,
		    .ballast_bytes = MQEV_SQLITE_NO_BALLAST)),
	    &error);
	if (store == NULL)
		fail("open", text);
	client = make_client(fleet, store, pid);
	if (client == NULL)
		fail("client", mqev_fleet_error_text(fleet));
	live(client);
	error = mqev_store_error(store);
	mqev_client_free(client);
	mqev_fleet_free(fleet);
	if (mqev_store_close(store) != 0 || error != 0)
		fail("store", "failed");
	_exit(app.failures > 0 ? 4 : 0);
}
