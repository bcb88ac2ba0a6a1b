/* Draining a client and a fleet: what is finished, what is left, how it ends, and from where it may
 * be called. */
#include "wire/client_kit.h"

#include "lib/auto.h"

#define ACCEPT_V311 TK_EXPECT(CONNECT), TK_SEND("20 (00 00)")
#define ACCEPT_V5 TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())")

static int drained;
static struct mqev_drain_report report;

static void
on_drained(struct mqev_client *c, const struct mqev_drain_report *r, void *arg)
{
	ck_assert_int_eq(kit.in_call, 0);
	ck_assert_ptr_eq(arg, &report);
	ck_assert(!mqev_is_draining(c));
	report = *r;
	drained++;
}

static void
on_fleet_drained(struct mqev_fleet *f, const struct mqev_drain_report *r, void *arg)
{
	ck_assert_int_eq(kit.in_call, 0);
	ck_assert_ptr_eq(f, arg);
	report = *r;
	drained++;
}

static void
drain_setup(void)
{
	kit_setup();
	drained = 0;
	memset(&report, 0, sizeof(report));
}

static TCase *
drain_case(Suite *s, const char *name)
{
	TCase *tc = tk_case(s, name);

	tcase_add_checked_fixture(tc, drain_setup, kit_teardown);
	return tc;
}

static void
drain(uint32_t deadline_ms)
{
	ck_assert_int_eq(KIT_CALL(mqev_drain(kit.client, deadline_ms, on_drained, &report)), 0);
	ck_assert(mqev_is_draining(kit.client));
}

static size_t
left(void)
{
	return report.left_messages[0] + report.left_messages[1] + report.left_messages[2] +
	       report.left_subscribes + report.left_requests;
}

/* --- to the end --------------------------------------------------------------------------------
 */

START_TEST(what_was_accepted_is_finished)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_EXPECT_BYTES("82 (0003 {'f'} 00)"),
	    TK_EXPECT_BYTES("30 ({'a'} 'zero')"), TK_EXPECT_BYTES("32 ({'a'} 0001 'one')"),
	    TK_EXPECT_BYTES("34 ({'a'} 0002 'two')"), TK_SEND("50 (0002)"),
	    TK_EXPECT_BYTES("62 (0002)"), TK_QUIET(30), TK_SEND("40 (0001) 90 (0003 00) 70 (0002)"),
	    TK_EXPECT(DISCONNECT), TK_CLOSE(), TK_END};

	KIT_CLIENT(.keepalive = 60);
	kit_publish("a", "zero", 0);
	kit_publish("a", "one", 1);
	kit_publish("a", "two", 2);
	kit_subscribe("f", 0, NULL);
	kit_broker(script);
	kit_connect();
	drain(5000);
	ck_assert_int_eq(
	    kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a", .qos = 1)), MQEV_ERR_STATE);
	ck_assert_int_eq(kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a")), MQEV_ERR_STATE);
	ck_assert_int_eq(
	    kit_try_subscribe(kit.client, MQEV_SUBSCRIPTION(.filter = "g"), 1), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_connect(kit.client, "mqtt://127.0.0.1"), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_reconnect(kit.client), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_drain(kit.client, 1, NULL, NULL), MQEV_ERR_STATE);
	KIT_PLAY(3000);
	TK_RUN_UNTIL(kit.base, drained, 3000);
	ck_assert_int_eq(report.error, 0);
	ck_assert_uint_eq(left(), 0);
	ck_assert(report.server_closed);
	KIT_DIARY("connect:00 done1:OK done2:OK done4:OK done3:OK disconnect:OK");
	/* It may begin anew. */
	kit_publish("a", "later", 1);
	ck_assert_uint_eq(mqev_queue_count(kit.client), 1);
}
END_TEST

/* The report comes when the server has closed its side, not before. */
START_TEST(the_server_is_waited_for)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_EXPECT(DISCONNECT), TK_WAIT(200), TK_CLOSE(), TK_END};

	KIT_CLIENT(.keepalive = 60);
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	drain(5000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	ck_assert_int_eq(drained, 0);
	ck_assert(mqev_is_draining(kit.client));
	TK_RUN_UNTIL(kit.base, drained, 3000);
	ck_assert(report.server_closed);
	ck_assert_int_eq(report.error, 0);
	ck_assert_uint_ge(report.took_ms, 150);
}
END_TEST

START_TEST(a_server_that_never_closes)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_EXPECT(DISCONNECT), TK_STALL(), TK_END};

	KIT_CLIENT(.keepalive = 60);
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	drain(300);
	TK_RUN_UNTIL(kit.base, drained, 1500);
	ck_assert(!report.server_closed);
	ck_assert_int_eq(report.error, 0);
	ck_assert_uint_eq(left(), 0);
}
END_TEST

/* Over a lost connection and a reconnect. */
START_TEST(over_a_reconnect)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_EXPECT(PUBLISH), TK_RESET(),
	    TK_ACCEPT(), TK_EXPECT(CONNECT), TK_SEND("20 (01 00)"),
	    TK_EXPECT_BYTES("3A ({'a'} 0001 'one')"), TK_SEND("40 (0001)"), TK_EXPECT(DISCONNECT),
	    TK_CLOSE(), TK_END};

	KIT_CLIENT(.clean = MQEV_CLEAN_STRICT);
	kit_publish("a", "one", 1);
	kit_broker(script);
	kit_connect();
	drain(5000);
	KIT_PLAY(3000);
	TK_RUN_UNTIL(kit.base, drained, 3000);
	ck_assert_int_eq(report.error, 0);
	kit_await_all(0);
}
END_TEST

static void
on_reply(struct mqev_client *c, const struct mqev_reply *reply, void *arg)
{
	(void)c;
	*(int *)arg = reply->error == 0 ? 1 : reply->error;
}

/* A request that waits for its reply topic is sent, and its reply is waited for. */
START_TEST(requests_are_answered)
{
	struct tk_auto *broker = tk_auto_new(kit.base, &(struct tk_auto_options){.delay_ms = 20});
	struct mqev_client *server;
	int answer = 0;

	(void)server;
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	ck_assert_int_gt(mqev_request(kit.client, MQEV_MESSAGE(.topic = "nobody/there", .qos = 1),
			     300, on_reply, &answer),
	    0);
	kit_connect_to("%s", tk_auto_url(broker));
	drain(5000);
	ck_assert_int_eq((int)mqev_request(kit.client, MQEV_MESSAGE(.topic = "a"), 300, NULL, NULL),
	    MQEV_ERR_STATE);
	TK_RUN_UNTIL(kit.base, drained, 3000);
	/* It was sent, and ended by its own deadline. */
	ck_assert_int_eq(answer, MQEV_ERR_TIMEOUT);
	ck_assert_int_eq(tk_auto_stats(broker)->received, 1);
	ck_assert_int_eq(report.error, 0);
	tk_auto_free(broker);
}
END_TEST

/* --- what is left ------------------------------------------------------------------------------
 */

START_TEST(a_server_that_never_acknowledges)
{
	static const struct tk_step script[] = {ACCEPT_V5, TK_EXPECT(SUBSCRIBE), TK_EXPECT(PUBLISH),
	    TK_EXPECT(PUBLISH), TK_EXPECT(DISCONNECT), TK_CLOSE(), TK_END};
	size_t bytes;

	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .max_inflight = 2, .session_expiry = 100);
	kit_publish("a", "one", 1);
	kit_publish("a", "two", 2);
	kit_publish("a", "three", 1);
	kit_subscribe("f", 1, NULL);
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	bytes = mqev_queue_bytes(kit.client);
	drain(200);
	KIT_PLAY(3000);
	TK_RUN_UNTIL(kit.base, drained, 1000);
	ck_assert_int_eq(report.error, MQEV_ERR_TIMEOUT);
	ck_assert_uint_eq(report.left_messages[1], 2);
	ck_assert_uint_eq(report.left_messages[2], 1);
	ck_assert_uint_eq(report.left_in_flight, 2);
	ck_assert_uint_eq(report.left_subscribes, 1);
	ck_assert_uint_eq(report.left_bytes, bytes);
	ck_assert_uint_ge(report.took_ms, 150);
	KIT_DIARY("connect:00 done1:CANCELED done2:CANCELED done3:CANCELED done4:CANCELED "
		  "disconnect:OK");
}
END_TEST

/* What was given up in flight is finished in silence, so that no identifier is used twice. */
START_TEST(connected_again_after_a_drain)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_EXPECT(PUBLISH),
	    TK_EXPECT(DISCONNECT), TK_CLOSE(), TK_ACCEPT(), TK_EXPECT(CONNECT),
	    TK_SEND("20 (01 00)"), TK_EXPECT_BYTES("3C ({'a'} 0001 'two')"), TK_SEND("50 (0001)"),
	    TK_EXPECT(PUBREL), TK_SEND("70 (0001)"), TK_EXPECT_BYTES("32 ({'a'} 0002 'new')"),
	    TK_SEND("40 (0002)"), TK_END};

	KIT_CLIENT(.clean = MQEV_CLEAN_STRICT, .max_inflight = 1);
	kit_publish("a", "two", 2);
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	drain(100);
	TK_RUN_UNTIL(kit.base, drained, 2000);
	kit_publish("a", "new", 1);
	kit_connect();
	KIT_PLAY(3000);
	kit_await_all(1000);
	ck_assert_int_eq(kit_error_of(1), MQEV_ERR_CANCELED);
	ck_assert_int_eq(kit_error_of(2), 0);
}
END_TEST

/* The server reads nothing: not even the DISCONNECT gets away, and the deadline holds. */
START_TEST(a_server_that_does_not_read)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_STALL(), TK_END};
	static char payload[100000];

	KIT_CLIENT(.keepalive = 60);
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	for (int i = 0; i < 200; i++)
		kit_try_publish(kit.client,
		    MQEV_MESSAGE(.topic = "a", .payload = payload, .payload_len = sizeof(payload)));
	drain(300);
	TK_RUN_UNTIL(kit.base, drained, 1500);
	ck_assert_int_eq(report.error, MQEV_ERR_TIMEOUT);
	ck_assert_uint_gt(report.left_messages[0], 0);
	ck_assert_uint_lt(report.took_ms, 1400);
	kit_await_all(0);
	ck_assert_int_eq(kit.count[KIT_DISCONNECT], 1);
}
END_TEST

START_TEST(nobody_listens)
{
	KIT_CLIENT(.keepalive = 60);
	kit_publish("a", "one", 1);
	kit_publish("a", "zero", 0);
	kit_connect_to("mqtt://127.0.0.1:1");
	drain(150);
	TK_RUN_UNTIL(kit.base, drained, 2000);
	ck_assert_int_eq(report.error, MQEV_ERR_TIMEOUT);
	ck_assert_uint_eq(left(), 2);
	ck_assert_int_ge(kit.count[KIT_CONNECT_FAIL], 1);
	kit_await_all(0);
}
END_TEST

/* Nothing will come of waiting. */
START_TEST(no_connection_is_wanted)
{
	KIT_CLIENT(.keepalive = 60);
	kit_publish("a", "one", 1);
	drain(60000);
	TK_RUN_UNTIL(kit.base, drained, 1000);
	ck_assert_int_eq(report.error, MQEV_ERR_CANCELED);
	ck_assert_uint_eq(left(), 1);
	drained = 0;
	drain(60000);
	TK_RUN_UNTIL(kit.base, drained, 1000);
	ck_assert_int_eq(report.error, 0);
	ck_assert_uint_eq(left(), 0);
}
END_TEST

START_TEST(cut_short_by_a_disconnect)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_EXPECT(PUBLISH), TK_EXPECT(DISCONNECT), TK_CLOSE(), TK_END};

	KIT_CLIENT(.keepalive = 60);
	kit_publish("a", "one", 1);
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	drain(60000);
	kit_run(20);
	ck_assert_int_eq(drained, 0);
	kit_disconnect();
	TK_RUN_UNTIL(kit.base, drained, 1000);
	ck_assert_int_eq(report.error, MQEV_ERR_CANCELED);
	ck_assert_uint_eq(report.left_in_flight, 1);
	kit_await_all(0);
	KIT_PLAY(1000);
}
END_TEST

static void
on_drained_by_free(struct mqev_client *c, const struct mqev_drain_report *r, void *arg)
{
	(void)c;
	(void)arg;
	report = *r;
	drained++;
}

START_TEST(freed_while_draining)
{
	KIT_CLIENT(.keepalive = 60);
	kit_publish("a", "one", 1);
	kit_connect_to("mqtt://127.0.0.1:1");
	ck_assert_int_eq(mqev_drain(kit.client, 60000, on_drained_by_free, NULL), 0);
	kit_run(10);
	kit_free_client();
	ck_assert_int_eq(drained, 1);
	ck_assert_int_eq(report.error, MQEV_ERR_CANCELED);
	ck_assert_uint_eq(left(), 1);
}
END_TEST

/* --- a fleet -----------------------------------------------------------------------------------
 */

#define CLIENTS 20

START_TEST(a_fleet)
{
	struct tk_auto *broker = tk_auto_new(kit.base, &(struct tk_auto_options){.delay_ms = 30});
	struct mqev_client *clients[CLIENTS];
	char id[16];
	int error;

	for (int i = 0; i < CLIENTS; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		clients[i] = kit_client_new(
		    (struct mqev_options){.size = sizeof(struct mqev_options), .client_id = id});
		if (i > 0)
			mqev_connect(clients[i], tk_auto_url(broker));
		for (int j = 0; j < 3; j++)
			kit_try_publish(clients[i], MQEV_MESSAGE(.topic = "a", .qos = j));
	}
	ck_assert_int_eq(mqev_drain(clients[1], 60000, on_drained_by_free, NULL), 0);
	ck_assert_int_eq(
	    KIT_CALL(mqev_fleet_drain(kit.fleet, 10000, on_fleet_drained, kit.fleet)), 0);
	ck_assert_int_eq(mqev_fleet_drain(kit.fleet, 1, NULL, NULL), MQEV_ERR_STATE);
	ck_assert_ptr_null(mqev_client_new(kit.fleet, MQEV_OPTIONS(.client_id = "x"), &error));
	ck_assert_int_eq(error, MQEV_ERR_STATE);
	TK_RUN_UNTIL_COUNT(kit.base, drained, 2, 5000);
	/* The one that was never to connect leaves what it had. */
	ck_assert_uint_eq(report.clients, CLIENTS);
	ck_assert_uint_eq(report.clients_left, 1);
	ck_assert_uint_eq(left(), 3);
	ck_assert_int_eq(report.error, MQEV_ERR_CANCELED);
	ck_assert_int_eq(tk_auto_stats(broker)->received, 3 * (CLIENTS - 1));
	ck_assert_int_eq(tk_auto_stats(broker)->lost, 0);
	kit_await_all(0);
	for (int i = 0; i < CLIENTS; i++)
		mqev_client_free(clients[i]);
	tk_auto_free(broker);
}
END_TEST

START_TEST(an_empty_fleet)
{
	ck_assert_int_eq(KIT_CALL(mqev_fleet_drain(kit.fleet, 0, on_fleet_drained, kit.fleet)), 0);
	TK_RUN_UNTIL(kit.base, drained, 1000);
	ck_assert_int_eq(report.error, 0);
	ck_assert_uint_eq(report.clients, 0);
	ck_assert_int_eq(mqev_fleet_drain(NULL, 0, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_drain(NULL, 0, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert(!mqev_is_draining(NULL));
}
END_TEST

/* The earlier of two deadlines holds; a fleet that is freed reports what is known. */
START_TEST(a_fleet_that_is_freed)
{
	struct mqev_fleet *fleet = mqev_fleet_new(kit.base, NULL);
	struct mqev_client *one = mqev_client_new(fleet, MQEV_OPTIONS(.client_id = "1"), NULL);
	struct mqev_client *two = mqev_client_new(fleet, MQEV_OPTIONS(.client_id = "2"), NULL);

	mqev_connect(one, "mqtt://127.0.0.1:1");
	mqev_connect(two, "mqtt://127.0.0.1:1");
	mqev_publish(one, MQEV_MESSAGE(.topic = "a", .qos = 1), NULL, NULL);
	mqev_publish(two, MQEV_MESSAGE(.topic = "a", .qos = 1), NULL, NULL);
	mqev_drain(one, 60000, NULL, NULL);
	ck_assert_int_eq(mqev_fleet_drain(fleet, 100, on_fleet_drained, fleet), 0);
	TK_RUN_UNTIL(kit.base, drained, 1000);
	ck_assert_int_eq(report.error, MQEV_ERR_TIMEOUT);
	ck_assert_uint_eq(report.left_messages[1], 2);
	mqev_connect(one, "mqtt://127.0.0.1:1");
	mqev_publish(one, MQEV_MESSAGE(.topic = "a", .qos = 1), NULL, NULL);
	ck_assert_int_eq(mqev_fleet_drain(fleet, 60000, on_fleet_drained, fleet), 0);
	mqev_fleet_free(fleet);
	ck_assert_int_eq(drained, 2);
	ck_assert_int_eq(report.error, MQEV_ERR_CANCELED);
	ck_assert_uint_eq(report.clients, 2);
	ck_assert_uint_eq(left(), 1);
}
END_TEST

START_TEST(without_memory)
{
	struct mqev_client *other;
	int error = MQEV_ERR_NOMEM;

	KIT_CLIENT(.keepalive = 60);
	other = kit_client_new((struct mqev_options){.size = sizeof(struct mqev_options)});
	fail_mem_after(0);
	ck_assert_int_eq(mqev_drain(kit.client, 10, NULL, NULL), MQEV_ERR_NOMEM);
	fail_mem_never();
	ck_assert_int_gt(kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a", .qos = 1)), 0);
	for (size_t n = 0; n < 3; n++) {
		fail_mem_after(n);
		error = mqev_fleet_drain(kit.fleet, 0, on_fleet_drained, kit.fleet);
		fail_mem_never();
		ck_assert_int_eq(error, MQEV_ERR_NOMEM);
		ck_assert(!mqev_is_draining(kit.client) && !mqev_is_draining(other));
		ck_assert_int_gt(
		    kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a", .qos = 1)), 0);
	}
	ck_assert_int_eq(mqev_fleet_drain(kit.fleet, 0, on_fleet_drained, kit.fleet), 0);
	TK_RUN_UNTIL(kit.base, drained, 1000);
	kit_await_all(0);
	mqev_client_free(other);
}
END_TEST

/* --- in every callback -------------------------------------------------------------------------
 */

enum action {
	DRAIN,
	DRAIN_AT_ONCE,
	DRAIN_AND_FREE,
	DRAIN_FLEET,
	CLEAR,
	CANCEL_ALL,
	LIST,
	PAUSE,
	PAUSE_AND_RESUME,
	ACTIONS
};

static struct {
	enum action action;
	unsigned at; /* in this event, counted from 0 */
	unsigned events;
	bool acted;
} plan;

static void
ignore_drained(struct mqev_client *c, const struct mqev_drain_report *r, void *arg)
{
	(void)c;
	(void)r;
	(void)arg;
	drained++;
}

static void
cancel_all(struct mqev_client *c)
{
	for (uint64_t op = 1; op < 30; op++)
		mqev_cancel(c, op);
}

static void
look(struct mqev_client *c)
{
	struct mqev_queue_list *list = mqev_queue_list_new(c, 0);

	for (size_t i = 0; i < list->count; i++)
		ck_assert_uint_gt(list->at[i].op, 0);
	mqev_queue_list_free(list);
}

static void
act(struct mqev_client *c)
{
	switch (plan.action) {
	case DRAIN:
		mqev_drain(c, 1000, ignore_drained, NULL);
		break;
	case DRAIN_AT_ONCE:
		mqev_drain(c, 0, ignore_drained, NULL);
		break;
	case DRAIN_AND_FREE:
		mqev_drain(c, 1000, ignore_drained, NULL);
		mqev_client_free(c);
		kit.client = NULL;
		break;
	case DRAIN_FLEET:
		mqev_fleet_drain(kit.fleet, 1000, NULL, NULL);
		break;
	case CLEAR:
		mqev_queue_clear(c, MQEV_QUEUE_CLEAR_ALL);
		break;
	case CANCEL_ALL:
		cancel_all(c);
		break;
	case LIST:
		look(c);
		break;
	case PAUSE:
		mqev_pause_receiving(c);
		break;
	case PAUSE_AND_RESUME:
		mqev_pause_receiving(c);
		mqev_resume_receiving(c);
		break;
	case ACTIONS:
		break;
	}
}

static void
act_in_event(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	/* The many lines of the log are enough for one action. */
	if (event == KIT_LOG && plan.action != DRAIN_AT_ONCE)
		return;
	if (c != kit.client || plan.acted || plan.events++ != plan.at)
		return;
	plan.acted = true;
	act(c);
}

static int
is_over(void *arg)
{
	(void)arg;
	return kit.client == NULL || kit.completed == kit.accepted;
}

/* A client that is paused is resumed after a while. */
static void
await_all(void)
{
	tk_run_until(kit.base, is_over, NULL, plan.action == PAUSE ? 10 : 2000);
	if (kit.client != NULL)
		mqev_resume_receiving(kit.client);
	ck_assert(tk_run_until(kit.base, is_over, NULL, 2000));
}

static void
publish_each(void)
{
	/* After a drain nobody connects for them. */
	bool drains = plan.action <= DRAIN_FLEET;

	for (int qos = 0; qos <= 2 && kit.client != NULL && !(drains && plan.acted); qos++)
		kit_try_publish(kit.client,
		    MQEV_MESSAGE(.topic = "a", .payload = "x", .payload_len = 1, .qos = qos));
}

/* Everything once: queue, connect, messages in, a lost connection, again, and the end. */
static void
live(void)
{
	/* What a paused client writes into a connection that was reset is lost unseen by the judge.
	 */
	struct tk_auto *broker =
	    tk_auto_new(kit.base, &(struct tk_auto_options){.lenient = plan.action == PAUSE});

	plan.events = 0;
	plan.acted = false;
	KIT_CLIENT(.client_id = "life", .clean = MQEV_CLEAN_STRICT, .keepalive = 60,
	    .reconnect_min_ms = 1, .reconnect_max_ms = 1);
	kit.hook = act_in_event;
	kit_subscribe("a", 2, NULL);
	publish_each();
	kit_connect_to("%s", tk_auto_url(broker));
	await_all();
	kit_run(1);
	tk_auto_drop_all(broker, 1);
	kit_run(1);
	publish_each();
	await_all();
	if (kit.client != NULL)
		mqev_disconnect(kit.client, NULL);
	kit_run(1);
	kit.hook = NULL;
	kit_free_client();
	kit_run(0); /* what the fleet has to tell */
	ck_assert_int_eq((int)kit.completed, (int)kit.accepted);
	tk_auto_free(broker);
}

START_TEST(each_action_in_each_event)
{
	unsigned events;

	for (int e = 0; e < KIT_EVENTS; e++)
		kit.quiet[e] = true;
	plan.action = (enum action)_i;
	plan.at = UINT32_MAX;
	live();
	events = plan.events;
	ck_assert_uint_gt(events, 10);
	for (plan.at = 0; plan.at < events; plan.at++)
		live();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("drain");
	TCase *tc = drain_case(s, "to the end");

	tcase_add_test(tc, what_was_accepted_is_finished);
	tcase_add_test(tc, the_server_is_waited_for);
	tcase_add_test(tc, a_server_that_never_closes);
	tcase_add_test(tc, over_a_reconnect);
	tcase_add_test(tc, requests_are_answered);
	tc = drain_case(s, "what is left");
	tcase_add_test(tc, a_server_that_never_acknowledges);
	tcase_add_test(tc, connected_again_after_a_drain);
	tcase_add_test(tc, a_server_that_does_not_read);
	tcase_add_test(tc, nobody_listens);
	tcase_add_test(tc, no_connection_is_wanted);
	tcase_add_test(tc, cut_short_by_a_disconnect);
	tcase_add_test(tc, freed_while_draining);
	tc = drain_case(s, "fleet");
	tcase_add_test(tc, a_fleet);
	tcase_add_test(tc, an_empty_fleet);
	tcase_add_test(tc, a_fleet_that_is_freed);
	tcase_add_test(tc, without_memory);
	tc = drain_case(s, "callbacks");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, each_action_in_each_event, 0, ACTIONS);
	return tk_main(s);
}
