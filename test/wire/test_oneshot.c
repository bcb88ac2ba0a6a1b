/* Blocking calls: publish and leave, wait for messages; on the wire, against a small broker, and
 * where they fail. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include <mqev/mqev.h>

#include "lib/auto.h"
#include "lib/broker.h"
#include "lib/loop.h"
#include "lib/server.h"

enum { PLAY_MS = 8000 };

/* --- servers in a thread -----------------------------------------------------------------------
 */

static struct {
	struct event_base *base;
	struct tk_broker *broker;
	struct tk_auto *server;
	pthread_t thread;
	const char *error;
	int descriptors;
} world;

static struct mqev_oneshot_report report;

static void
setup(void)
{
	memset(&world, 0, sizeof(world));
	world.descriptors = tk_open_fds();
	world.base = event_base_new();
	memset(&report, 0xff, sizeof(report));
}

static void
teardown(void)
{
	event_base_free(world.base);
	ck_assert_int_eq(tk_open_fds(), world.descriptors);
}

static void *
play(void *arg)
{
	(void)arg;
	world.error = tk_broker_try(world.broker, PLAY_MS);
	return NULL;
}

/* Plays the script while the test is in a blocking call. */
static const char *
begin(const struct tk_step *script)
{
	world.broker = tk_broker_new(world.base, script, NULL);
	pthread_create(&world.thread, NULL, play, NULL);
	return tk_broker_url(world.broker);
}

static void
end(void)
{
	pthread_join(world.thread, NULL);
	ck_assert_msg(world.error == NULL, "%s", world.error);
	tk_broker_free(world.broker);
}

static atomic_int serving;

static void *
serve(void *arg)
{
	const struct timeval wait = {0, 5000};

	(void)arg;
	while (atomic_load(&serving)) {
		event_base_loopexit(world.base, &wait);
		event_base_loop(world.base, 0);
	}
	return NULL;
}

static const char *
start_server(const char *where)
{
	world.server = tk_auto_new(world.base, &(struct tk_auto_options){.where = where});
	atomic_store(&serving, 1);
	pthread_create(&world.thread, NULL, serve, NULL);
	return tk_auto_url(world.server);
}

static void
stop_server(void)
{
	atomic_store(&serving, 0);
	pthread_join(world.thread, NULL);
	tk_auto_free(world.server);
}

#define HOW(...) MQEV_ONESHOT(.timeout_ms = 5000, .report = &report, __VA_ARGS__)
#define TEXT(t) .payload = (t), .payload_len = sizeof(t) - 1

/* --- publishing, on the wire -------------------------------------------------------------------
 */

START_TEST(single_qos0)
{
	static const struct tk_step script[] = {TK_EXPECT_BYTES("10 ({'MQTT'} 04 02 003C {'h'})"),
	    TK_SEND("20 (00 00)"), TK_EXPECT_BYTES("30 ({'pub/qos0/test'} 'message')"),
	    TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_END};
	const char *url = begin(script);

	ck_assert_int_eq(
	    mqev_publish_single(url, MQEV_MESSAGE(.topic = "pub/qos0/test", TEXT("message")),
		HOW(.options = MQEV_OPTIONS(.client_id = "h"))),
	    0);
	ck_assert_uint_eq(report.done, 1);
	ck_assert_str_eq(report.text, "");
	end();
}
END_TEST

START_TEST(single_v5_with_properties)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES("10 ({'MQTT'} 05 C6 003C () {'h'} () {'w'} {'gone'} {'u'} {'p'})"),
	    TK_SEND("20 (00 00 ())"),
	    TK_EXPECT_BYTES("33 ({'a'} 0001 (03 {'text'} 26 {'k'} {'v'}) 'x')"),
	    TK_SEND("40 (0001)"), TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_END};
	const char *url = begin(script);
	struct mqev_properties *properties = mqev_properties_new();

	mqev_properties_add_string(properties, MQEV_PROP_CONTENT_TYPE, "text");
	mqev_properties_add_user(properties, "k", "v");
	ck_assert_int_eq(mqev_publish_single(url,
			     MQEV_MESSAGE(.topic = "a", TEXT("x"), .qos = 1, .retain = true,
				 .properties = properties),
			     HOW(.options = MQEV_OPTIONS(.client_id = "h",
				     .protocol = MQEV_PROTOCOL_V5, .username = "u", .password = "p",
				     .will = MQEV_WILL(.topic = "w", TEXT("gone"))))),
	    0);
	mqev_properties_free(properties);
	end();
}
END_TEST

/* Closed after PUBLISH: made anew, and sent again. The session was clean, so it is a new message.
 */
START_TEST(single_qos1_over_two_connections)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_EXPECT_BYTES("32 ({'pub/qos1/test'} 0001 'message')"), TK_CLOSE(), TK_ACCEPT(),
	    TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_EXPECT_BYTES("32 ({'pub/qos1/test'} 0001 'message')"), TK_SEND("40 (@)"),
	    TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_END};
	const char *url = begin(script);

	ck_assert_int_eq(
	    mqev_publish_single(url,
		MQEV_MESSAGE(.topic = "pub/qos1/test", TEXT("message"), .qos = 1),
		HOW(.options = MQEV_OPTIONS(.reconnect_min_ms = 10, .reconnect_max_ms = 20))),
	    0);
	ck_assert_uint_eq(report.done, 1);
	end();
}
END_TEST

/* Three at once, before any is acknowledged; QoS 0 not before those, and not after what follows it.
 */
START_TEST(multiple_in_order)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_EXPECT_BYTES("32 ({'a'} 0001 '1')"), TK_EXPECT_BYTES("34 ({'b'} 0002 '2')"),
	    TK_EXPECT_BYTES("32 ({'c'} 0003 '3')"), TK_QUIET(30), TK_SEND("40 (0001) 40 (0003)"),
	    TK_SEND("50 (0002)"), TK_EXPECT_BYTES("62 (0002)"), TK_QUIET(30), TK_SEND("70 (0002)"),
	    TK_EXPECT_BYTES("30 ({'d'} '4')"), TK_EXPECT_BYTES("30 ({'e'} '5')"),
	    TK_EXPECT_BYTES("32 ({'f'} 0004 '6')"), TK_SEND("40 (0004)"), TK_EXPECT_BYTES("E0 00"),
	    TK_EXPECT_CLOSE(), TK_END};
	const char *url = begin(script);
	const struct mqev_message list[] = {
	    {.size = sizeof(list[0]), .topic = "a", TEXT("1"), .qos = 1},
	    {.size = sizeof(list[0]), .topic = "b", TEXT("2"), .qos = 2},
	    {.size = sizeof(list[0]), .topic = "c", TEXT("3"), .qos = 1},
	    {.size = sizeof(list[0]), .topic = "d", TEXT("4"), .qos = 0},
	    {.size = sizeof(list[0]), .topic = "e", TEXT("5"), .qos = 0},
	    {.size = sizeof(list[0]), .topic = "f", TEXT("6"), .qos = 1}};

	ck_assert_int_eq(mqev_publish_multiple(url, list, 6, HOW()), 0);
	ck_assert_uint_eq(report.done, 6);
	end();
}
END_TEST

START_TEST(multiple_ends_at_a_failure)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())"),
	    TK_EXPECT(PUBLISH), TK_EXPECT(PUBLISH), TK_SEND("40 (0001) 40 (0002 87)"),
	    TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_END};
	const char *url = begin(script);
	const struct mqev_message list[] = {{.size = sizeof(list[0]), .topic = "a", .qos = 1},
	    {.size = sizeof(list[0]), .topic = "b", .qos = 1}};

	ck_assert_int_eq(
	    mqev_publish_multiple(url, list, 2,
		HOW(.options = MQEV_OPTIONS(.client_id = "h", .protocol = MQEV_PROTOCOL_V5))),
	    MQEV_ERR_REFUSED);
	ck_assert_uint_eq(report.done, 1);
	ck_assert_int_eq((int)report.reason, MQEV_REASON_NOT_AUTHORIZED);
	ck_assert_str_ne(report.text, "");
	end();
}
END_TEST

/* --- against a small broker --------------------------------------------------------------------
 */

START_TEST(many_and_large)
{
	enum { MANY = 700 };
	struct mqev_message *list = calloc(MANY, sizeof(*list));
	char *large = calloc(1, 20000);
	const char *url = start_server(NULL);

	for (int i = 0; i < MANY; i++)
		list[i] = (struct mqev_message){.size = sizeof(list[i]),
		    .topic = "many",
		    .payload = large,
		    .payload_len = i % 7 == 0 ? 20000 : 10,
		    .qos = i < 300 ? 1 : 2};
	/* The queue holds fewer than there are: the rest follows as there is room. */
	ck_assert_int_eq(mqev_publish_multiple(url, list, MANY,
			     HOW(.options = MQEV_OPTIONS(.max_queued = 20, .max_inflight = 7))),
	    0);
	ck_assert_uint_eq(report.done, MANY);
	stop_server();
	free(large);
	free(list);
}
END_TEST

static void
retain(const char *url, const char *topic)
{
	ck_assert_int_eq(
	    mqev_publish_single(
		url, MQEV_MESSAGE(.topic = topic, TEXT("kept"), .qos = 1, .retain = true), HOW()),
	    0);
}

static void *
publish_later(void *arg)
{
	usleep(100000);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(mqev_publish_single(arg,
				     MQEV_MESSAGE(.topic = "s/live", TEXT("fresh"), .qos = 1),
				     MQEV_ONESHOT(.timeout_ms = 5000)),
		    0);
	return NULL;
}

START_TEST(simple)
{
	char path[64];
	char *url;
	struct mqev_message *messages[3];
	pthread_t thread;

	snprintf(path, sizeof(path), "unix:/tmp/mqev-oneshot-%d.sock", (int)getpid());
	url = strdup(start_server(_i == 0 ? NULL : path));
	retain(url, "s/1");
	retain(url, "s/2");
	ck_assert_int_eq(mqev_subscribe_simple(url, MQEV_SUBSCRIPTION(.filter = "s/+", .qos = 1), 1,
			     messages, 2, HOW()),
	    0);
	ck_assert_uint_eq(report.done, 2);
	for (int i = 0; i < 2; i++) {
		ck_assert(messages[i]->retain);
		ck_assert_uint_eq(messages[i]->payload_len, 4);
		mqev_message_free(messages[i]);
	}
	pthread_create(&thread, NULL, publish_later, url);
	ck_assert_int_eq(mqev_subscribe_simple(url, MQEV_SUBSCRIPTION(.filter = "s/#", .qos = 1), 1,
			     messages, 3, HOW(.skip_retained = true)),
	    0);
	pthread_join(thread, NULL);
	for (int i = 0; i < 3; i++) {
		ck_assert_str_eq(messages[i]->topic, "s/live");
		mqev_message_free(messages[i]);
	}
	/* What came before the time was over is handed over. */
	ck_assert_int_eq(mqev_subscribe_simple(url, MQEV_SUBSCRIPTION(.filter = "s/1"), 1, messages,
			     3, MQEV_ONESHOT(.timeout_ms = 300, .report = &report)),
	    MQEV_ERR_TIMEOUT);
	ck_assert_uint_eq(report.done, 1);
	ck_assert_ptr_nonnull(messages[0]);
	ck_assert_ptr_null(messages[1]);
	mqev_message_free(messages[0]);
	stop_server();
	free(url);
}
END_TEST

static int seen;

static void
count_to_two(struct mqev_client *c, const struct mqev_message *message, void *userdata)
{
	ck_assert(userdata == &seen);
	ck_assert_uint_eq(message->payload_len, 4);
	if (++seen == 2)
		ck_assert_int_eq(mqev_disconnect(c, NULL), 0);
}

START_TEST(callback)
{
	const char *url = start_server(NULL);

	seen = 0;
	for (int i = 0; i < 3; i++)
		retain(url, i == 0 ? "k/1" : i == 1 ? "k/2" : "k/3");
	ck_assert_int_eq(mqev_subscribe_callback(url, MQEV_SUBSCRIPTION(.filter = "k/#"), 1,
			     count_to_two, &seen, HOW()),
	    0);
	ck_assert_int_eq(seen, 2);
	ck_assert_uint_eq(report.done, 2);
	seen = 10;
	ck_assert_int_eq(
	    mqev_subscribe_callback(url, MQEV_SUBSCRIPTION(.filter = "k/#"), 1, count_to_two, &seen,
		MQEV_ONESHOT(.timeout_ms = 200, .report = &report)),
	    MQEV_ERR_TIMEOUT);
	ck_assert_int_eq(seen, 13);
	stop_server();
}
END_TEST

/* The application's callbacks run beside the call's own, with their userdata. */
static int calls[3];

static void
on_connect(struct mqev_client *c, const struct mqev_connack *connack, void *userdata)
{
	(void)c;
	(void)connack;
	ck_assert(userdata == calls);
	calls[0]++;
}

static void
on_disconnect(struct mqev_client *c, const struct mqev_disconnection *d, void *userdata)
{
	(void)c;
	ck_assert(userdata == calls);
	ck_assert_int_eq(d->error, 0);
	calls[1]++;
}

static void
on_publish(struct mqev_client *c, const struct mqev_result *result, void *userdata)
{
	(void)c;
	(void)result;
	ck_assert(userdata == calls);
	calls[2]++;
}

START_TEST(callbacks_of_the_application)
{
	const char *url = start_server(NULL);

	ck_assert_int_eq(mqev_publish_single(url, MQEV_MESSAGE(.topic = "a", .qos = 2),
			     HOW(.options = MQEV_OPTIONS(.on_connect = on_connect,
				     .on_disconnect = on_disconnect, .on_publish = on_publish,
				     .userdata = calls))),
	    0);
	ck_assert_int_eq(calls[0], 1);
	ck_assert_int_eq(calls[1], 1);
	ck_assert_int_eq(calls[2], 1);
	stop_server();
}
END_TEST

/* --- failures ----------------------------------------------------------------------------------
 */

static void
expect_failure(int result, int error)
{
	ck_assert_int_eq(result, error);
	ck_assert_uint_eq(report.done, 0);
	ck_assert_msg(strlen(report.text) > 5, "no text: '%s'", report.text);
	memset(&report, 0xff, sizeof(report));
}

START_TEST(bad_arguments)
{
	const struct mqev_message *m = MQEV_MESSAGE(.topic = "a");
	const struct mqev_subscription *s = MQEV_SUBSCRIPTION(.filter = "a");
	struct mqev_message *messages[1];
	struct mqev_oneshot none = {0};

	expect_failure(mqev_publish_single(NULL, m, HOW()), MQEV_ERR_INVALID);
	expect_failure(mqev_publish_single("mqtt://", m, HOW()), MQEV_ERR_INVALID);
	expect_failure(mqev_publish_single("http://a", m, HOW()), MQEV_ERR_INVALID);
	expect_failure(mqev_publish_single("a", NULL, HOW()), MQEV_ERR_INVALID);
	expect_failure(
	    mqev_publish_single("a", MQEV_MESSAGE(.topic = "a/+"), HOW()), MQEV_ERR_INVALID);
	expect_failure(mqev_publish_multiple("a", m, 0, HOW()), MQEV_ERR_INVALID);
	expect_failure(
	    mqev_publish_single("a", m, HOW(.options = MQEV_OPTIONS(.keepalive = 70000))),
	    MQEV_ERR_INVALID);
	expect_failure(mqev_subscribe_simple("a", NULL, 1, messages, 1, HOW()), MQEV_ERR_INVALID);
	expect_failure(mqev_subscribe_simple("a", s, 0, messages, 1, HOW()), MQEV_ERR_INVALID);
	expect_failure(mqev_subscribe_simple("a", s, 1, NULL, 1, HOW()), MQEV_ERR_INVALID);
	expect_failure(mqev_subscribe_simple("a", s, 1, messages, 0, HOW()), MQEV_ERR_INVALID);
	expect_failure(mqev_subscribe_callback("a", s, 1, NULL, NULL, HOW()), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_publish_single("a", m, &none), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_publish_single(NULL, m, NULL), MQEV_ERR_INVALID);
}
END_TEST

START_TEST(nobody_listens)
{
	const struct mqev_message *m = MQEV_MESSAGE(.topic = "a", .qos = 1);
	char url[64];
	long long began;

	snprintf(url, sizeof(url), "mqtt://127.0.0.1:%d", tk_free_port());
	expect_failure(mqev_publish_single(url, m, HOW()), MQEV_ERR_SYSTEM);
	/* The second of two servers is tried before it gives up. */
	{
		char both[160];
		const char *good = start_server(NULL);

		snprintf(both, sizeof(both), "%s %s", url, good);
		ck_assert_int_eq(mqev_publish_single(both, m, HOW()), 0);
		stop_server();
	}
	/* With retry it goes on until the time is over, and says what was in the way. */
	began = tk_now_ms();
	expect_failure(
	    mqev_publish_single(url, m,
		MQEV_ONESHOT(.timeout_ms = 300, .retry = true, .report = &report,
		    .options = MQEV_OPTIONS(.reconnect_min_ms = 20, .reconnect_max_ms = 40))),
	    MQEV_ERR_TIMEOUT);
	ck_assert_int_ge(tk_now_ms() - began, 280);
	ck_assert_int_lt(tk_now_ms() - began, 3000);
}
END_TEST

START_TEST(refused_by_the_server)
{
	const char *url = start_server(NULL);
	const struct mqev_message *m = MQEV_MESSAGE(.topic = "a", .qos = 1);

	tk_auto_refuse(world.server, MQEV_REASON_NOT_AUTHORIZED, 5);
	ck_assert_int_eq(mqev_publish_single(url, m, HOW()), MQEV_ERR_REFUSED);
	ck_assert_int_eq((int)report.reason, MQEV_REASON_NOT_AUTHORIZED);
	/* One that waiting might mend ends it as well, unless it is to retry. */
	tk_auto_refuse(world.server, MQEV_REASON_SERVER_UNAVAILABLE, 3);
	ck_assert_int_eq(mqev_publish_single(url, m, HOW()), MQEV_ERR_REFUSED);
	ck_assert_int_eq((int)report.reason, MQEV_REASON_SERVER_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(report.text, ":"));
	stop_server();
}
END_TEST

START_TEST(subscription_refused)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ 80)"), TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(),
	    TK_END};
	const char *url = begin(script);
	struct mqev_message *messages[1];

	ck_assert_int_eq(
	    mqev_subscribe_simple(url, MQEV_SUBSCRIPTION(.filter = "no"), 1, messages, 1, HOW()),
	    MQEV_ERR_REFUSED);
	ck_assert_ptr_null(messages[0]);
	end();
}
END_TEST

/* Accepted and then silent: the time limits it in every stage. */
START_TEST(silent_server)
{
	static const struct tk_step before_connack[] = {
	    TK_EXPECT(CONNECT), TK_EXPECT_CLOSE(), TK_END};
	static const struct tk_step before_puback[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_EXPECT(PUBLISH), TK_EXPECT(DISCONNECT), TK_EXPECT_CLOSE(), TK_END};
	const char *url = begin(_i == 0 ? before_connack : before_puback);
	long long began = tk_now_ms();

	expect_failure(mqev_publish_single(url, MQEV_MESSAGE(.topic = "a", .qos = 1),
			   MQEV_ONESHOT(.timeout_ms = 200, .report = &report)),
	    MQEV_ERR_TIMEOUT);
	ck_assert_int_lt(tk_now_ms() - began, 3000);
	end();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("oneshot");
	TCase *tc = tk_case(s, "wire");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, single_qos0);
	tcase_add_test(tc, single_v5_with_properties);
	tcase_add_test(tc, single_qos1_over_two_connections);
	tcase_add_test(tc, multiple_in_order);
	tcase_add_test(tc, multiple_ends_at_a_failure);
	tc = tk_case(s, "broker");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, many_and_large);
	tcase_add_loop_test(tc, simple, 0, 2);
	tcase_add_test(tc, callback);
	tcase_add_test(tc, callbacks_of_the_application);
	tc = tk_case(s, "failures");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bad_arguments);
	tcase_add_test(tc, nobody_listens);
	tcase_add_test(tc, refused_by_the_server);
	tcase_add_test(tc, subscription_refused);
	tcase_add_loop_test(tc, silent_server, 0, 2);
	return tk_main(s);
}
