/* samples/bridge between two mosquittos: killed again and again while messages cross, each of which
 * comes over once. MQEV_BRIDGE_MESSAGES=100000 makes it long. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>
#include <mqev/mqev.h>

#include "lib/loop.h"
#include "lib/server.h"

#define KILLS 10
#define AHEAD 500 /* published and not yet acknowledged */

static struct {
	struct event_base *base;
	struct tk_server from;
	struct tk_server to;
	char urls[2][64];
	char *folder;
	char program[1024];
	char store[600];
	pid_t bridge;
	struct mqev_client *publisher;
	int messages;
	int published;
	int acknowledged;
	int arrived;
	int subscribed;
	int kills;
	unsigned char *times; /* that each came over */
} b;

/* --- the bridge --------------------------------------------------------------------------------
 */

static void
start_bridge(void)
{
	b.bridge = fork();
	if (b.bridge != 0)
		return;
	(void)!freopen("/dev/null", "w", stderr);
	execl(b.program, "bridge", b.urls[0], b.urls[1], "cross/#", b.store, (char *)NULL);
	_exit(127);
}

static void
kill_bridge(int sig, int wanted)
{
	int status;

	ck_assert_int_eq(waitpid(b.bridge, &status, WNOHANG), 0);
	kill(b.bridge, sig);
	ck_assert_int_eq(waitpid(b.bridge, &status, 0), b.bridge);
	ck_assert_int_eq(status, wanted);
}

/* --- both ends ---------------------------------------------------------------------------------
 */

static void acknowledged(struct mqev_client *client, const struct mqev_result *r, void *arg);

static void
publish_ahead(void)
{
	char payload[20];

	while (b.published < b.messages && b.published - b.acknowledged < AHEAD) {
		snprintf(payload, sizeof(payload), "%d", b.published++);
		ck_assert_int_gt(mqev_publish(b.publisher,
				     MQEV_MESSAGE(.topic = "cross/over", .payload = payload,
					 .payload_len = strlen(payload), .qos = 2),
				     acknowledged, NULL),
		    0);
	}
}

static void
acknowledged(struct mqev_client *client, const struct mqev_result *r, void *arg)
{
	(void)client;
	(void)arg;
	if (r->error == MQEV_ERR_CANCELED)
		return;
	ck_assert_int_eq(r->error, 0);
	b.acknowledged++;
	publish_ahead();
}

static void
came_over(struct mqev_client *client, const struct mqev_message *message, void *userdata)
{
	char text[20];
	int i;

	(void)client;
	(void)userdata;
	ck_assert_int_eq(message->qos, 2);
	snprintf(
	    text, sizeof(text), "%.*s", (int)message->payload_len, (const char *)message->payload);
	i = atoi(text);
	ck_assert(i >= 0 && i < b.messages);
	ck_assert_msg(b.times[i]++ == 0, "message %d came twice", i);
	b.arrived++;
}

static void
has_subscribed(struct mqev_client *client, const struct mqev_result *r, void *arg)
{
	(void)client;
	(void)arg;
	ck_assert_int_eq(r->error, 0);
	b.subscribed = 1;
}

/* --- the test ----------------------------------------------------------------------------------
 */

static bool
bridge_is_built(void)
{
	const char *build = getenv("MQEV_BUILDDIR");

	snprintf(b.program, sizeof(b.program), "%s/samples/bridge", build != NULL ? build : ".");
	return access(b.program, X_OK) == 0;
}

static void
start_servers(void)
{
	static const char settings[] = "max_queued_messages 1000000\n";

	if (tk_server_mosquitto(&b.from, settings) == 0 &&
	    tk_server_mosquitto(&b.to, settings) == 0) {
		snprintf(b.urls[0], sizeof(b.urls[0]), "mqtt://127.0.0.1:%d", b.from.port);
		snprintf(b.urls[1], sizeof(b.urls[1]), "mqtt://127.0.0.1:%d", b.to.port);
	}
}

static void
teardown(void)
{
	if (b.bridge > 0)
		kill(b.bridge, SIGKILL);
	tk_server_stop(&b.from);
	tk_server_stop(&b.to);
}

/* The bridge has its session with the first server when a message comes over; those of before are
 * not counted. */
static void
await_bridge(void)
{
	while (b.arrived == 0) {
		ck_assert_int_gt(mqev_publish(b.publisher,
				     MQEV_MESSAGE(.topic = "cross/probe", .payload = "0",
					 .payload_len = 1, .qos = 1),
				     NULL, NULL),
		    0);
		tk_run_until(b.base, tk_is_set, &b.arrived, 100);
	}
}

static void
probe_came(struct mqev_client *client, const struct mqev_message *message, void *userdata)
{
	(void)client;
	(void)message;
	(void)userdata;
	b.arrived = 1;
}

static void
cross(void)
{
	publish_ahead();
	while (b.kills < KILLS) {
		int wanted = b.messages / (KILLS + 2) * (b.kills + 1);

		TK_RUN_UNTIL_COUNT(b.base, b.arrived, wanted, 60000);
		kill_bridge(SIGKILL, SIGKILL);
		b.kills++;
		start_bridge();
	}
	TK_RUN_UNTIL_COUNT(b.base, b.arrived, b.messages, 240000);
	/* Nor does one come twice later. */
	tk_run_until(b.base, NULL, NULL, 300);
	ck_assert_int_eq(b.arrived, b.messages);
}

static struct mqev_client *
make_client(struct mqev_fleet *fleet, const char *id, const char *url)
{
	struct mqev_client *client = mqev_client_new(
	    fleet, MQEV_OPTIONS(.client_id = id, .protocol = MQEV_PROTOCOL_V5), NULL);

	ck_assert_ptr_nonnull(client);
	ck_assert_int_eq(mqev_connect(client, url), 0);
	return client;
}

START_TEST(killed_while_messages_cross)
{
	const char *many = getenv("MQEV_BRIDGE_MESSAGES");
	struct mqev_client *subscriber;
	struct mqev_fleet *fleet;

	if (!bridge_is_built())
		tk_skip("samples/bridge is not built");
	start_servers();
	if (b.urls[1][0] == '\0')
		tk_skip("mosquitto is not installed");
	b.messages = many != NULL ? atoi(many) : 10000;
	b.times = calloc((size_t)b.messages, 1);
	b.folder = tk_tmpdir();
	snprintf(b.store, sizeof(b.store), "%s/store", b.folder);
	b.base = event_base_new();
	fleet = mqev_fleet_new(b.base, NULL);
	subscriber = make_client(fleet, "subscriber", b.urls[1]);
	ck_assert_int_gt(
	    mqev_subscribe(subscriber,
		MQEV_SUBSCRIPTION(.filter = "cross/over", .qos = 2, .on_message = came_over), 1,
		NULL, has_subscribed, NULL),
	    0);
	ck_assert_int_gt(
	    mqev_subscribe(subscriber,
		MQEV_SUBSCRIPTION(.filter = "cross/probe", .qos = 0, .on_message = probe_came), 1,
		NULL, NULL, NULL),
	    0);
	TK_RUN_UNTIL(b.base, b.subscribed, 5000);
	b.publisher = make_client(fleet, "publisher", b.urls[0]);
	start_bridge();
	await_bridge();
	b.arrived = 0;
	mqev_unsubscribe(subscriber, (const char *const[]){"cross/probe"}, 1, NULL, NULL, NULL);
	cross();
	printf("bridge: killed %d times while %d messages crossed, each came once\n", b.kills,
	    b.arrived);
	kill_bridge(SIGTERM, 0);
	b.bridge = 0;
	mqev_fleet_free(fleet);
	event_base_free(b.base);
	tk_rmtree(b.folder);
	free(b.folder);
	free(b.times);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("bridge");
	TCase *tc = tk_case(suite, "bridge");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, killed_while_messages_cross);
	return tk_main(suite);
}
