/* The lines of on_log for packets: each type, both ways, in both generations, over a whole
 * conversation; to the fleet's sink too; and what is in none of them. */
#include "wire/client_kit.h"

#include <stdio.h>

static struct tk_buf lines; /* those of packets, one after the other */

static void
keep_line(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	const struct mqev_log_line *line = what;

	(void)c;
	(void)userdata;
	if (event != KIT_LOG)
		return;
	ck_assert_ptr_null(strstr(line->text, "secret"));
	if (strncmp(line->text, "Sending ", 8) != 0 && strncmp(line->text, "Received ", 9) != 0)
		return;
	ck_assert_int_eq(line->level, MQEV_LOG_DEBUG);
	tk_buf_printf(&lines, "%s\n", line->text);
}

static void
setup(void)
{
	kit_setup();
	kit.hook = keep_line;
}

static void
teardown(void)
{
	kit_teardown();
	tk_buf_free(&lines);
}

static int
has_line(void *text)
{
	tk_buf_printf(&lines, "%s", "");
	return strstr((const char *)lines.data, text) != NULL;
}

static void
await_line(char *text)
{
	ck_assert_msg(tk_run_until(kit.base, has_line, text, 2000), "no %s", text);
}

static void
expect_lines(const char *want)
{
	tk_buf_printf(&lines, "%s", "");
	ck_assert_str_eq((const char *)lines.data, want);
}

static const struct mqev_will will = {.size = sizeof(will),
    .topic = "secret/will",
    .payload = "secret",
    .payload_len = 6,
    .qos = 1,
    .retain = true};

static void
publish_large(void)
{
	static char payload[5000]; /* so large that it is not copied */
	const struct mqev_message m = {
	    .size = sizeof(m), .topic = "large", .payload = payload, .payload_len = 5000};

	memcpy(payload, "secret", 6);
	ck_assert_int_gt(kit_try_publish(kit.client, &m), 0);
	kit_await_all(2000);
}

/* --- 3.1.1 -------------------------------------------------------------------------------------
 */

START_TEST(conversation_v311)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ 01)"), TK_EXPECT(PUBLISH), TK_SEND("40 (@)"),
	    TK_EXPECT(PUBLISH), TK_SEND("50 (@)"), TK_EXPECT(PUBREL), TK_SEND("70 (@)"),
	    TK_EXPECT(PUBLISH), TK_SEND("33 ({'in/1'} 0007 'secret')"), TK_EXPECT(PUBACK),
	    TK_SEND("34 ({'in/2'} 0008 'secret')"), TK_EXPECT(PUBREC), TK_SEND("62 (0008)"),
	    TK_EXPECT(PUBCOMP), TK_EXPECT(UNSUBSCRIBE), TK_SEND("B0 (@)"), TK_EXPECT(PINGREQ),
	    TK_SEND("D0 00"), TK_EXPECT(DISCONNECT), TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	KIT_CLIENT(.keepalive = 60, .username = "secret-name", .password = "secret", .will = &will);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	kit_subscribe("in/#", 1, NULL);
	kit_await_all(2000);
	kit_publish("out/1", "secret", 1);
	kit_await_all(2000);
	kit_publish("out/2", "secret", 2);
	kit_await_all(2000);
	publish_large();
	await_line("Sending PUBCOMP");
	kit_unsubscribe("in/#");
	kit_await_all(2000);
	mqev_network_changed(kit.client);
	await_line("Received PINGRESP");
	kit_disconnect();
	KIT_PLAY(2000);
	expect_lines("Sending CONNECT (u1, p1, wr1, wq1, wf1, c1, k60, v4), client_id='c'\n"
		     "Received CONNACK (s0, 0), Success\n"
		     "Sending SUBSCRIBE (Mid: 1), 'in/#' (q1)\n"
		     "Received SUBACK (Mid: 1), Granted QoS 1\n"
		     "Sending PUBLISH (d0, q1, r0, m2), 'out/1', ... (6 bytes)\n"
		     "Received PUBACK (Mid: 2)\n"
		     "Sending PUBLISH (d0, q2, r0, m3), 'out/2', ... (6 bytes)\n"
		     "Received PUBREC (Mid: 3)\n"
		     "Sending PUBREL (Mid: 3)\n"
		     "Received PUBCOMP (Mid: 3)\n"
		     "Sending PUBLISH (d0, q0, r0, m0), 'large', ... (5000 bytes)\n"
		     "Received PUBLISH (d0, q1, r1, m7), 'in/1', ... (6 bytes)\n"
		     "Sending PUBACK (Mid: 7)\n"
		     "Received PUBLISH (d0, q2, r0, m8), 'in/2', ... (6 bytes)\n"
		     "Sending PUBREC (Mid: 8)\n"
		     "Received PUBREL (Mid: 8)\n"
		     "Sending PUBCOMP (Mid: 8)\n"
		     "Sending UNSUBSCRIBE (Mid: 4), 'in/#'\n"
		     "Received UNSUBACK (Mid: 4)\n"
		     "Sending PINGREQ\n"
		     "Received PINGRESP\n"
		     "Sending DISCONNECT\n");
}
END_TEST

/* A password of the URL is one too, and a message that goes out again says so. */
START_TEST(again_with_dup)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_EXPECT(PUBLISH), TK_CLOSE(), TK_ACCEPT(), TK_EXPECT(CONNECT), TK_SEND("20 (01 00)"),
	    TK_EXPECT(PUBLISH), TK_SEND("40 (@)"), TK_END};

	kit_broker(script);
	KIT_CLIENT(.keepalive = 60, .clean = MQEV_CLEAN_STRICT);
	kit_connect_to("mqtt://secret-name:secret@127.0.0.1:%d", tk_broker_port(kit.broker));
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	kit_publish("a\tb", "secret", 1);
	kit_await_all(2000);
	expect_lines("Sending CONNECT (u1, p1, wr0, wq0, wf0, c0, k60, v4), client_id='c'\n"
		     "Received CONNACK (s0, 0), Success\n"
		     "Sending PUBLISH (d0, q1, r0, m1), 'a\\x09b', ... (6 bytes)\n"
		     "Sending CONNECT (u1, p1, wr0, wq0, wf0, c0, k60, v4), client_id='c'\n"
		     "Received CONNACK (s1, 0), Success\n"
		     "Sending PUBLISH (d1, q1, r0, m1), 'a\\x09b', ... (6 bytes)\n"
		     "Received PUBACK (Mid: 1)\n");
}
END_TEST

/* --- 5.0 ---------------------------------------------------------------------------------------
 */

static int
begin(void *userdata, void **exchange, struct mqev_auth_data *out)
{
	(void)userdata;
	(void)exchange;
	*out = (struct mqev_auth_data){"secret", 6};
	return 0;
}

static int
step(void *userdata, void *exchange, const struct mqev_auth_data *in, struct mqev_auth_data *out)
{
	(void)userdata;
	(void)exchange;
	*out = *in;
	return 0;
}

static void
end(void *userdata, void *exchange)
{
	(void)userdata;
	(void)exchange;
}

static void
publish_with_properties(void)
{
	struct mqev_properties *list = mqev_properties_new();
	struct mqev_message m = {
	    .size = sizeof(m), .topic = "out/1", .payload = "secret", .payload_len = 6, .qos = 1};

	mqev_properties_add_integer(list, MQEV_PROP_MESSAGE_EXPIRY_INTERVAL, 60);
	mqev_properties_add_string(list, MQEV_PROP_CONTENT_TYPE, "text");
	mqev_properties_add_user(list, "token", "secret");
	m.properties = list;
	ck_assert_int_gt(kit_try_publish(kit.client, &m), 0);
	mqev_properties_free(list);
	kit_await_all(2000);
}

START_TEST(conversation_v5)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT),
	    TK_SEND("F0 (18 (15 {'M'} 16 {'secret'}))"), TK_EXPECT(AUTH),
	    TK_SEND("20 (00 00 (15 {'M'} 22 0005))"), TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ () 01)"),
	    TK_EXPECT(PUBLISH), TK_SEND("40 (@ 10 (1F {'alone'}))"), TK_EXPECT(PUBLISH),
	    TK_SEND("50 (@ 97)"), TK_SEND("34 ({'in/2'} 0008 (26 {'k'} {'secret'}) 'secret')"),
	    TK_EXPECT(PUBREC), TK_SEND("62 (0008)"), TK_EXPECT(PUBCOMP), TK_EXPECT(UNSUBSCRIBE),
	    TK_SEND("B0 (@ () 11)"), TK_SEND("E0 (8B (1F {'later'}))"), TK_CLOSE(), TK_END};

	kit_broker(script);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .keepalive = 60, .no_reconnect = true,
	    .password = "secret", .session_expiry = 9, .topic_aliases = 5,
	    .auth = MQEV_AUTH(.method = "M", .begin = begin, .step = step, .end = end));
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	kit_subscribe("in/#", 1, NULL);
	kit_await_all(2000);
	publish_with_properties();
	kit_publish("out/1", "secret", 2);
	kit_await_all(2000);
	await_line("Sending PUBCOMP");
	kit_unsubscribe("in/#");
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	expect_lines(
	    "Sending CONNECT (u0, p1, wr0, wq0, wf0, c1, k60, v5), client_id='c' [Session Expiry "
	    "Interval=9, Authentication Method='M', Authentication Data=(6 bytes)]\n"
	    "Received AUTH (Continue authentication) [Authentication Method='M', Authentication "
	    "Data=(6 bytes)]\n"
	    "Sending AUTH (Continue authentication) [Authentication Method='M', Authentication "
	    "Data=(6 bytes)]\n"
	    "Received CONNACK (s0, 0), Success [Authentication Method='M', Topic Alias "
	    "Maximum=5]\n"
	    "Sending SUBSCRIBE (Mid: 1), 'in/#' (q1, nl0, rap0, rh0)\n"
	    "Received SUBACK (Mid: 1), Granted QoS 1\n"
	    "Sending PUBLISH (d0, q1, r0, m2), 'out/1' [Topic Alias=1, Message Expiry "
	    "Interval=60, Content Type='text', User Property='token':(6 bytes)], ... (6 bytes)\n"
	    "Received PUBACK (Mid: 2), No matching subscribers [Reason String='alone']\n"
	    "Sending PUBLISH (d0, q2, r0, m3), '' [Topic Alias=1], ... (6 bytes)\n"
	    "Received PUBREC (Mid: 3), Quota exceeded\n"
	    "Received PUBLISH (d0, q2, r0, m8), 'in/2' [User Property='k':(6 bytes)], ... (6 "
	    "bytes)\n"
	    "Sending PUBREC (Mid: 8)\n"
	    "Received PUBREL (Mid: 8)\n"
	    "Sending PUBCOMP (Mid: 8)\n"
	    "Sending UNSUBSCRIBE (Mid: 4), 'in/#'\n"
	    "Received UNSUBACK (Mid: 4), No subscription existed\n"
	    "Received DISCONNECT (Server shutting down) [Reason String='later']\n");
}
END_TEST

/* Our DISCONNECT and our acknowledgement with reasons. */
START_TEST(reasons_sent_v5)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())"),
	    TK_SEND("62 (0009)"), TK_EXPECT(PUBCOMP), TK_EXPECT(DISCONNECT), TK_EXPECT_CLOSE(),
	    TK_END};

	kit_broker(script);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .keepalive = 60);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	kit_run(20);
	ck_assert_int_eq(KIT_CALL(mqev_disconnect(kit.client,
			     MQEV_DISCONNECT(.reason = MQEV_REASON_DISCONNECT_WITH_WILL))),
	    0);
	KIT_PLAY(2000);
	expect_lines("Sending CONNECT (u0, p0, wr0, wq0, wf0, c1, k60, v5), client_id='c'\n"
		     "Received CONNACK (s0, 0), Success\n"
		     "Received PUBREL (Mid: 9)\n"
		     "Sending PUBCOMP (Mid: 9), Packet Identifier not found\n"
		     "Sending DISCONNECT (Disconnect with Will Message)\n");
}
END_TEST

/* --- who listens -------------------------------------------------------------------------------
 */

static void
fleet_sink(struct mqev_client *c, const struct mqev_log_line *line, void *userdata)
{
	ck_assert_ptr_eq(userdata, &lines);
	keep_line(KIT_LOG, c, line, userdata);
}

static void
acknowledged(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	(void)c;
	ck_assert_int_eq(result->error, 0);
	*(int *)arg = 1;
}

/* A sink of the fleet's, for a client that has none itself; with and without the level. */
START_TEST(to_the_sink_of_a_fleet)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_EXPECT(PUBLISH), TK_SEND("40 (@)"), TK_EXPECT(DISCONNECT), TK_EXPECT_CLOSE(),
	    TK_END};
	struct mqev_fleet *fleet = mqev_fleet_new(
	    kit.base, MQEV_FLEET_OPTIONS(.on_log = fleet_sink,
			  .log_levels = _i == 0 ? MQEV_LOG_DEBUG : MQEV_LOG_INFO | MQEV_LOG_WARNING,
			  .userdata = &lines));
	struct mqev_client *c = mqev_client_new(fleet, MQEV_OPTIONS(.client_id = "c"), NULL);
	int done = 0;

	kit_broker(script);
	ck_assert_int_eq(mqev_connect(c, tk_broker_url(kit.broker)), 0);
	ck_assert_int_gt(
	    mqev_publish(c, MQEV_MESSAGE(.topic = "a", .qos = 1), acknowledged, &done), 0);
	TK_RUN_UNTIL(kit.base, done, 2000);
	ck_assert_int_eq(mqev_disconnect(c, NULL), 0);
	KIT_PLAY(2000);
	mqev_fleet_free(fleet);
	expect_lines(_i == 0
			 ? "Sending CONNECT (u0, p0, wr0, wq0, wf0, c1, k60, v4), client_id='c'\n"
			   "Received CONNACK (s0, 0), Success\n"
			   "Sending PUBLISH (d0, q1, r0, m1), 'a', ... (0 bytes)\n"
			   "Received PUBACK (Mid: 1)\n"
			   "Sending DISCONNECT\n"
			 : "");
}
END_TEST

static void
late_sink(struct mqev_client *c, const struct mqev_log_line *line, void *userdata)
{
	keep_line(KIT_LOG, c, line, userdata);
}

/* From the next packet on, and not longer than it is wanted. */
START_TEST(begins_and_ends_in_between)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_EXPECT(PUBLISH), TK_SEND("40 (@)"), TK_EXPECT(PUBLISH), TK_SEND("40 (@)"),
	    TK_EXPECT(PUBLISH), TK_SEND("40 (@)"), TK_END};

	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	ck_assert_int_eq(mqev_client_set_on_log(kit.client, NULL), 0);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	kit_publish("first", "secret", 1);
	kit_await_all(2000);
	ck_assert_int_eq(mqev_client_set_on_log(kit.client, late_sink), 0);
	kit_publish("second", "secret", 1);
	kit_await_all(2000);
	ck_assert_int_eq(mqev_client_set_on_log(kit.client, NULL), 0);
	kit_publish("third", "secret", 1);
	kit_await_all(2000);
	expect_lines("Sending PUBLISH (d0, q1, r0, m2), 'second', ... (6 bytes)\n"
		     "Received PUBACK (Mid: 2)\n");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log_lines");
	TCase *tc = tk_case(s, "lines");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, conversation_v311);
	tcase_add_test(tc, again_with_dup);
	tcase_add_test(tc, conversation_v5);
	tcase_add_test(tc, reasons_sent_v5);
	tcase_add_loop_test(tc, to_the_sink_of_a_fleet, 0, 2);
	tcase_add_test(tc, begins_and_ends_in_between);
	return tk_main(s);
}
