/* Whole conversations: those that other clients are tested with, and long ones. */
#include "wire/client_kit.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/auto.h"

#define ACCEPT TK_EXPECT(CONNECT), TK_SEND("20 (00 00)")
#define ACCEPT_AGAIN \
	TK_ACCEPT(), TK_EXPECT_BYTES("10 ({'MQTT'} 04 00 003C {'c'})"), TK_SEND("20 (01 00)")

static void
start(const struct tk_step *script)
{
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
}

/* --- lost connections --------------------------------------------------------------------------
 */

/* Closed after PUBLISH, after PUBREL, and done on the third connection. */
START_TEST(qos2_over_three_connections)
{
	static const struct tk_step script[] = {TK_EXPECT_BYTES("10 ({'MQTT'} 04 00 003C {'c'})"),
	    TK_SEND("20 (00 00)"),
	    TK_EXPECT_BYTES("34 ({'pub/qos2/test'} 0001 'disconnect-message')"), TK_CLOSE(),
	    ACCEPT_AGAIN, TK_EXPECT_BYTES("3C ({'pub/qos2/test'} 0001 'disconnect-message')"),
	    TK_SEND("50 (0001)"), TK_EXPECT_BYTES("62 (0001)"), TK_CLOSE(), ACCEPT_AGAIN,
	    TK_EXPECT_BYTES("62 (0001)"), TK_SEND("70 (0001)"), TK_EXPECT_BYTES("E0 00"),
	    TK_EXPECT_CLOSE(), TK_END};

	KIT_CLIENT(.clean = MQEV_CLEAN_STRICT);
	start(script);
	kit_publish("pub/qos2/test", "disconnect-message", 2);
	kit_await_all(3000);
	kit_disconnect();
	KIT_PLAY(3000);
	KIT_DIARY("connect:00 disconnect:LOST connect:00+session disconnect:LOST "
		  "connect:00+session done1:OK disconnect:OK");
}
END_TEST

/* The server holds a session that is not ours. Before 5.0 a clean session ends with its connection,
 * so a connection of its own ends the foreign one; with a server that always has one there is a
 * wait. */
START_TEST(a_foreign_session)
{
	static const struct tk_step script[] = {TK_EXPECT_BYTES("10 ({'MQTT'} 04 00 003C {'c'})"),
	    TK_SEND("20 (01 00)"), TK_EXPECT_CLOSE(), TK_ACCEPT(),
	    TK_EXPECT_BYTES("10 ({'MQTT'} 04 02 003C {'c'})"), TK_SEND("20 (00 00)"),
	    TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_ACCEPT(),
	    TK_EXPECT_BYTES("10 ({'MQTT'} 04 00 003C {'c'})"), TK_SEND("20 (00 00)"),
	    TK_EXPECT_BYTES("34 ({'t'} 0001 'm')"), TK_CLOSE(), ACCEPT_AGAIN,
	    TK_EXPECT_BYTES("3C ({'t'} 0001 'm')"), TK_SEND("50 (0001)"),
	    TK_EXPECT_BYTES("62 (0001)"), TK_SEND("70 (0001)"), TK_EXPECT_BYTES("E0 00"),
	    TK_EXPECT_CLOSE(), TK_END};

	KIT_CLIENT(.clean = MQEV_CLEAN_STRICT);
	start(script);
	kit_publish("t", "m", 2);
	kit_await_all(3000);
	kit_disconnect();
	KIT_PLAY(3000);
	KIT_DIARY("fail:connack:PROTOCOL fail:connack:SESSION_LOST connect:00 disconnect:LOST "
		  "connect:00+session done1:OK disconnect:OK");
}
END_TEST

START_TEST(always_a_foreign_session)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (01 00)"),
	    TK_EXPECT_CLOSE(), TK_ACCEPT(), TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_ACCEPT(), TK_EXPECT(CONNECT),
	    TK_SEND("20 (01 00)"), TK_EXPECT_CLOSE(), TK_END};

	KIT_CLIENT(.clean = MQEV_CLEAN_STRICT, .reconnect_min_ms = 60000,
	    .reconnect_max_ms = 60000);
	kit_broker(script);
	kit_connect();
	KIT_PLAY(3000);
	KIT_DIARY("fail:connack:PROTOCOL fail:connack:SESSION_LOST fail:connack:PROTOCOL");
	ck_assert_int_eq(mqev_client_state(kit.client), MQEV_CLIENT_WAITING);
}
END_TEST

/* Twelve messages through a window of ten: ten after the reconnect, then one per acknowledgement.
 */
START_TEST(window_of_ten)
{
	struct tk_step script[64];
	char packets[24][40];
	size_t n = 0;

	script[n++] = (struct tk_step)TK_EXPECT(CONNECT);
	script[n++] = (struct tk_step)TK_SEND("20 (00 00)");
	for (int i = 0; i < 10; i++)
		script[n++] = (struct tk_step)TK_EXPECT(PUBLISH);
	script[n++] = (struct tk_step)TK_QUIET(50);
	script[n++] = (struct tk_step)TK_CLOSE();
	script[n++] = (struct tk_step)TK_ACCEPT();
	script[n++] = (struct tk_step)TK_EXPECT(CONNECT);
	script[n++] = (struct tk_step)TK_SEND("20 (01 00)");
	for (int i = 0; i < 12; i++)
		snprintf(packets[i], sizeof(packets[i]), "%s ({'t'} %04X 'm')",
		    i < 10 ? "3A" : "32", (unsigned)i + 1);
	for (int i = 0; i < 10; i++)
		script[n++] = (struct tk_step)TK_EXPECT_BYTES(packets[i]);
	script[n++] = (struct tk_step)TK_QUIET(50);
	for (int i = 10; i < 12; i++) {
		snprintf(packets[i + 2], sizeof(packets[i]), "40 (%04X)", (unsigned)i - 9);
		script[n++] = (struct tk_step)TK_SEND(packets[i + 2]);
		script[n++] = (struct tk_step)TK_EXPECT_BYTES(packets[i]);
		script[n++] = (struct tk_step)TK_QUIET(20);
	}
	for (int i = 2; i < 12; i++) {
		snprintf(packets[i + 12], sizeof(packets[i]), "40 (%04X)", (unsigned)i + 1);
		script[n++] = (struct tk_step)TK_SEND(packets[i + 12]);
	}
	script[n++] = (struct tk_step)TK_END;
	kit.quiet[KIT_DONE] = true;
	KIT_CLIENT(.clean = MQEV_CLEAN_STRICT, .max_inflight = 10);
	start(script);
	for (int i = 0; i < 12; i++)
		kit_publish("t", "m", 1);
	KIT_PLAY(4000);
	kit_await_all(1000);
}
END_TEST

/* --- both ways at once -------------------------------------------------------------------------
 */

START_TEST(whole_conversation)
{
	static const struct tk_step script[] = {ACCEPT, TK_EXPECT_BYTES("82 (0001 {'topic/2'} 02)"),
	    TK_SEND("90 (0001 02)"), TK_EXPECT_BYTES("34 ({'topic/2'} 0002 'message')"),
	    TK_SEND("50 (0002)"), TK_EXPECT_BYTES("62 (0002)"), TK_SEND("70 (0002)"),
	    TK_SEND("34 ({'topic/2'} 0001 'message')"), TK_EXPECT_BYTES("50 (0001)"),
	    TK_SEND("62 (0001)"), TK_EXPECT_BYTES("70 (0001)"),
	    TK_EXPECT_BYTES("A2 (0003 {'topic/2'})"), TK_SEND("B0 (0003)"),
	    TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_END};

	kit.quiet[KIT_PUBLISH] = kit.quiet[KIT_SUBSCRIBE] = kit.quiet[KIT_UNSUBSCRIBE] = false;
	KIT_CLIENT(.keepalive = 60);
	start(script);
	kit_subscribe("topic/2", 2, NULL);
	kit_await_all(1000);
	kit_publish("topic/2", "message", 2);
	kit_await_all(1000);
	KIT_AWAIT(KIT_MESSAGE, 1, 1000);
	kit_run(20);
	kit_unsubscribe("topic/2");
	kit_await_all(1000);
	kit_disconnect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	KIT_DIARY(
	    "connect:00 done1:OK subscribe1:OK done2:OK publish2:OK message:topic/2:message:2 "
	    "done3:OK unsubscribe3:OK disconnect:OK");
}
END_TEST

/* An exact filter, a wildcard and the default: 1, 1 and 2 calls for three messages. */
START_TEST(message_callbacks)
{
	static const struct tk_step script[] = {ACCEPT, TK_EXPECT(SUBSCRIBE),
	    TK_SEND("90 (@ 01 01 01)"),
	    TK_SEND("32 ({'topic/callback/1'} 0002 'm') 32 ({'topic/callback/3'} 0003 'm')"
		    "32 ({'other'} 0004 'm')"),
	    TK_EXPECT_BYTES("40 (0002)"), TK_EXPECT_BYTES("40 (0003)"),
	    TK_EXPECT_BYTES("40 (0004)"), TK_END};
	const struct mqev_subscription list[] = {{.size = sizeof(list[0]),
						     .filter = "topic/callback/1",
						     .qos = 1,
						     .on_message = kit_filter_message,
						     .userdata = (void *)(uintptr_t) "exact"},
	    {.size = sizeof(list[0]),
		.filter = "topic/+/3",
		.qos = 1,
		.on_message = kit_filter_message,
		.userdata = (void *)(uintptr_t) "plus"},
	    {.size = sizeof(list[0]), .filter = "#", .qos = 1}};

	KIT_CLIENT(.keepalive = 60);
	start(script);
	ck_assert_int_gt(kit_try_subscribe(kit.client, list, 3), 0);
	KIT_PLAY(2000);
	KIT_DIARY("connect:00 done1:OK exact:topic/callback/1:m:1 plus:topic/callback/3:m:1 "
		  "message:other:m:1");
}
END_TEST

/* QoS 1 and 2 from the broker with an acknowledgement of each step. */
START_TEST(broker_to_client)
{
	static const struct tk_step script[] = {ACCEPT,
	    TK_SEND("32 ({'pub/qos1/receive'} 007B 'message')"), TK_EXPECT_BYTES("40 (007B)"),
	    TK_SEND("34 ({'pub/qos2/receive'} 346F 'message')"), TK_EXPECT_BYTES("50 (346F)"),
	    TK_SEND("62 (346F)"), TK_EXPECT_BYTES("70 (346F)"), TK_END};

	KIT_CLIENT(.keepalive = 60);
	start(script);
	KIT_PLAY(2000);
	KIT_DIARY("connect:00 message:pub/qos1/receive:message:1 "
		  "message:pub/qos2/receive:message:2");
}
END_TEST

/* --- unix sockets ------------------------------------------------------------------------------
 */

START_TEST(unix_path_errors)
{
	char *dir = tk_tmpdir();
	char *file = tk_write_file(dir, "file", "no socket");

	KIT_CLIENT(.no_reconnect = true);
	kit_connect_to("unix://%s", file);
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 1000);
	ck_assert_int_eq(kit.failure.system_errno, ECONNREFUSED);
	kit_connect_to("unix://%s", dir);
	KIT_AWAIT(KIT_CONNECT_FAIL, 2, 1000);
	ck_assert_int_ne(kit.failure.system_errno, 0);
	KIT_DIARY("fail:dial:SYSTEM fail:dial:SYSTEM");
	free(file);
	tk_rmtree(dir);
	free(dir);
}
END_TEST

/* --- long ones ---------------------------------------------------------------------------------
 */

static struct tk_auto *crowd;

static void
start_auto(void)
{
	/* No judge: what is cut on its way was sent, though the broker never read it. */
	crowd = tk_auto_new(kit.base, &(struct tk_auto_options){.lenient = 1});
	kit_connect_to("%s", tk_auto_url(crowd));
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
}

#define PAST_ALL_IDS 70000

/* More messages than there are identifiers, all queued at once. */
START_TEST(more_than_all_identifiers)
{
	kit.quiet[KIT_DONE] = true;
	KIT_CLIENT(.max_queued = PAST_ALL_IDS, .max_inflight = 1000);
	for (int i = 0; i < PAST_ALL_IDS; i++)
		kit_publish("t", "m", 1);
	ck_assert_int_eq(
	    kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "t", .qos = 1)), MQEV_ERR_QUEUE_FULL);
	start_auto();
	kit_await_all(30000);
	ck_assert_int_eq(tk_auto_stats(crowd)->received, PAST_ALL_IDS);
	ck_assert_int_eq(tk_auto_stats(crowd)->repeats, 0);
	kit_free_client();
	tk_auto_free(crowd);
}
END_TEST

/* Connections that are cut again and again: all arrives, QoS 2 once. */
START_TEST(cut_again_and_again)
{
	int n = 0;

	kit.quiet[KIT_DONE] = true;
	KIT_CLIENT(.protocol = _i == 0 ? MQEV_PROTOCOL_V311 : MQEV_PROTOCOL_V5,
	    .clean = MQEV_CLEAN_STRICT, .session_expiry = _i == 0 ? 0 : 100, .reconnect_min_ms = 1,
	    .reconnect_max_ms = 2);
	start_auto();
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 20; i++, n++)
			kit_publish("t", "m", 1 + i % 2);
		for (int i = 0; i < round % 7; i++)
			event_base_loop(kit.base, EVLOOP_ONCE);
		tk_auto_drop_all(crowd, round % 2);
	}
	kit_await_all(20000);
	for (int op = 1; op <= n; op++)
		ck_assert_int_eq(kit_error_of(op), 0);
	/* QoS 2 exactly once, QoS 1 at least once: received counts repeats of QoS 1. */
	ck_assert_int_ge(tk_auto_stats(crowd)->received, n);
	ck_assert_int_ge(kit.count[KIT_DISCONNECT], 10);
	kit_free_client();
	tk_auto_free(crowd);
}
END_TEST

/* The same the other way. */
START_TEST(receive_while_cut)
{
	kit.quiet[KIT_MESSAGE] = true;
	KIT_CLIENT(.protocol = _i == 0 ? MQEV_PROTOCOL_V311 : MQEV_PROTOCOL_V5,
	    .clean = MQEV_CLEAN_STRICT, .session_expiry = _i == 0 ? 0 : 100, .reconnect_min_ms = 1,
	    .reconnect_max_ms = 2);
	start_auto();
	kit_subscribe("t", 2, NULL);
	kit_await_all(1000);
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 5; i++)
			tk_auto_publish(crowd, "t", "m", 1, 2, 0);
		for (int i = 0; i < round % 7; i++)
			event_base_loop(kit.base, EVLOOP_ONCE);
		tk_auto_drop_all(crowd, round % 2);
	}
	KIT_AWAIT(KIT_MESSAGE, 500, 20000);
	kit_run(100);
	ck_assert_int_eq(kit.count[KIT_MESSAGE], 500);
	kit_free_client();
	tk_auto_free(crowd);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("client_stories");
	TCase *tc = kit_case(s, "stories");

	tcase_add_test(tc, qos2_over_three_connections);
	tcase_add_test(tc, a_foreign_session);
	tcase_add_test(tc, always_a_foreign_session);
	tcase_add_test(tc, window_of_ten);
	tcase_add_test(tc, whole_conversation);
	tcase_add_test(tc, message_callbacks);
	tcase_add_test(tc, broker_to_client);
	tcase_add_test(tc, unix_path_errors);
	tc = kit_case(s, "long");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, more_than_all_identifiers);
	tcase_add_loop_test(tc, cut_again_and_again, 0, 2);
	tcase_add_loop_test(tc, receive_while_cut, 0, 2);
	return s;
}

int
main(void)
{
	return tk_main(suite());
}
