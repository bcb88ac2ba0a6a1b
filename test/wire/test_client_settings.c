/* What is changed while a client runs and when that takes effect, what can be asked, callbacks for
 * filters, and that configurations are shared and given back. */
#include "wire/client_kit.h"

#include <stdio.h>

#define V5 .protocol = MQEV_PROTOCOL_V5
#define COUNT(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))

/* --- callbacks ---------------------------------------------------------------------------------
 */

static char called[64];

static void
note(const char *word)
{
	strcat(strcat(called, called[0] != '\0' ? " " : ""), word);
}

static void
second_on_message(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	(void)c;
	(void)userdata;
	note(m->topic);
}

static void
set_another(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	if (event == KIT_MESSAGE)
		ck_assert_int_eq(KIT_CALL(mqev_client_set_on_message(c, second_on_message)), 0);
}

/* In the callback itself: the next message has the other one. */
START_TEST(on_message_is_changed_in_itself)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_SEND("30 ({'a'} 'm') 30 ({'b'} 'm') 32 ({'c'} 0001 'm')"),
	    TK_EXPECT_BYTES("40 (0001)"), TK_END};

	kit.hook = set_another;
	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_PLAY(1000);
	KIT_DIARY("connect:00 message:a:m:0");
	ck_assert_str_eq(called, "b c");
}
END_TEST

static void
result_called(struct mqev_client *c, const struct mqev_result *r, void *userdata)
{
	(void)c;
	(void)userdata;
	note(r->error == 0 ? "ok" : "failed");
}

START_TEST(on_publish_from_now_on)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_EXPECT(PUBLISH), TK_EXPECT(PUBLISH), TK_EXPECT(PUBLISH), TK_WAIT(20), TK_END};

	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	ck_assert_int_eq(mqev_client_set_on_publish(kit.client, NULL), 0);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
	/* QoS 0 without any callback costs no operation, with one it does. */
	ck_assert_int_gt(mqev_publish(kit.client, MQEV_MESSAGE(.topic = "a"), NULL, NULL), 0);
	kit_run(20);
	ck_assert_int_eq(mqev_client_set_on_publish(kit.client, result_called), 0);
	ck_assert_int_gt(mqev_publish(kit.client, MQEV_MESSAGE(.topic = "a"), NULL, NULL), 0);
	kit_run(20);
	ck_assert_str_eq(called, "ok");
	ck_assert_int_eq(mqev_client_set_on_publish(kit.client, NULL), 0);
	ck_assert_int_gt(mqev_publish(kit.client, MQEV_MESSAGE(.topic = "a"), NULL, NULL), 0);
	KIT_PLAY(1000);
	ck_assert_str_eq(called, "ok");
}
END_TEST

/* Every setter of a callback: what the options gave does not run any more. */
static void
silence(struct mqev_client *c)
{
	ck_assert_int_eq(mqev_client_set_on_connect(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_connect_fail(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_disconnect(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_message(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_publish(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_subscribe(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_unsubscribe(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_log(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_pre_connect(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_socket_open(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_socket_register_write(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_socket_unregister_write(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_socket_close(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_ack_timeout(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_hold_timeout(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_retry(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_redirect(c, NULL), 0);
}

START_TEST(all_callbacks_are_taken_away)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_CLOSE(), TK_ACCEPT(),
	    TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"), TK_EXPECT(SUBSCRIBE),
	    TK_SEND("90 (@ 00) 30 ({'a'} 'm')"), TK_EXPECT(UNSUBSCRIBE), TK_SEND("B0 (@)"),
	    TK_EXPECT(PUBLISH), TK_SEND("40 (@)"), TK_WAIT(20), TK_CLOSE(), TK_END};
	const char *filter = "a";

	kit.more = true;
	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	silence(kit.client);
	mqev_subscribe(kit.client, MQEV_SUBSCRIPTION(.filter = "a"), 1, NULL, NULL, NULL);
	mqev_unsubscribe(kit.client, &filter, 1, NULL, NULL, NULL);
	mqev_publish(kit.client, MQEV_MESSAGE(.topic = "a", .qos = 1), NULL, NULL);
	kit_connect();
	KIT_PLAY(2000);
	kit_run(20);
	for (int event = 0; event < KIT_EVENTS; event++)
		ck_assert_msg(kit.count[event] == 0, "callback %d ran", event);
}
END_TEST

/* --- settings of a CONNECT ---------------------------------------------------------------------
 */

START_TEST(for_the_next_connect)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES("10 ({'MQTT'} 05 C6 0007 (26 {'k'} {'v'}) {'c'} () {'w'} {'x'} {'u'} "
			    "{00FF})"),
	    TK_SEND("20 (00 00 ())"), TK_EXPECT(DISCONNECT), TK_EXPECT_CLOSE(), TK_ACCEPT(),
	    TK_EXPECT_BYTES("10 ({'MQTT'} 05 02 003C () {'c'})"), TK_SEND("20 (00 00 ())"), TK_END};
	struct mqev_properties *p = mqev_properties_new();

	mqev_properties_add_user(p, "k", "v");
	kit_broker(script);
	KIT_CLIENT(V5);
	ck_assert_int_eq(mqev_client_set_login(kit.client, "u", "\0\xff", 2), 0);
	ck_assert_int_eq(mqev_client_set_will(
			     kit.client, MQEV_WILL(.topic = "w", .payload = "x", .payload_len = 1)),
	    0);
	ck_assert_int_eq(mqev_client_set_keepalive(kit.client, 7), 0);
	ck_assert_int_eq(mqev_client_set_connect_properties(kit.client, p), 0);
	mqev_properties_free(p);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
	/* Not for the connection that is there. */
	ck_assert_int_eq(mqev_client_set_login(kit.client, NULL, NULL, 0), 0);
	ck_assert_int_eq(mqev_client_set_will(kit.client, NULL), 0);
	ck_assert_int_eq(mqev_client_set_keepalive(kit.client, 0), 0);
	ck_assert_int_eq(mqev_client_set_connect_properties(kit.client, NULL), 0);
	ck_assert_uint_eq(mqev_client_keepalive(kit.client), 7);
	ck_assert_int_eq(mqev_reconnect(kit.client), 0);
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT, 2, 1000);
	ck_assert_uint_eq(mqev_client_keepalive(kit.client), 60);
}
END_TEST

/* The login of a URL counts again when the own one is taken away. */
START_TEST(login_of_the_url_again)
{
	KIT_CLIENT(.username = "own");
	ck_assert_str_eq(mqev_client_username(kit.client), "own");
	kit_connect_to("mqtt://al:pw@127.0.0.1:1");
	ck_assert_str_eq(mqev_client_username(kit.client), "own");
	ck_assert_str_eq(mqev_client_host(kit.client), "127.0.0.1");
	ck_assert_int_eq(mqev_client_port(kit.client), 1);
	ck_assert_int_eq(mqev_client_set_login(kit.client, NULL, NULL, 0), 0);
	ck_assert_str_eq(mqev_client_username(kit.client), "al");
	ck_assert_int_eq(mqev_client_set_login(kit.client, "", NULL, 0), 0);
	ck_assert_str_eq(mqev_client_username(kit.client), "");
}
END_TEST

START_TEST(timeouts_for_the_next_attempt)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	KIT_CLIENT(.no_reconnect = true);
	ck_assert_int_eq(mqev_client_set_connect_timeout(kit.client, 0, 40), 0);
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 1000);
	KIT_DIARY("fail:connack:TIMEOUT");
}
END_TEST

/* --- limits ------------------------------------------------------------------------------------
 */

START_TEST(max_inflight_at_once)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"), TK_EXPECT(PUBLISH), TK_QUIET(40), TK_END};

	kit_broker(script);
	KIT_CLIENT(.max_inflight = 1);
	for (int i = 0; i < 4; i++)
		kit_publish("a", "m", 1);
	kit_connect();
	KIT_PLAY(1000);
	ck_assert_int_eq(KIT_CALL(mqev_client_set_max_inflight(kit.client, 3)), 0);
	ck_assert_int_eq(mqev_client_set_max_inflight(kit.client, 64512), MQEV_ERR_INVALID);
	kit_run(40);
	ck_assert_uint_eq(tk_broker_count_type(kit.broker, 1, TK_PUBLISH), 3);
}
END_TEST

START_TEST(max_queued_at_once)
{
	KIT_CLIENT(.keepalive = 60);
	ck_assert_int_eq(mqev_client_set_max_queued(kit.client, 2, 0), 0);
	kit_publish("a", "m", 1);
	kit_publish("a", "m", 1);
	ck_assert_int_eq(
	    kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a", .qos = 1)), MQEV_ERR_QUEUE_FULL);
	ck_assert_int_eq(mqev_client_set_max_queued(kit.client, 0, 0), 0);
	kit_publish("a", "m", 1);
	ck_assert_int_eq(mqev_client_set_max_queued(kit.client, 0, 10), 0);
	ck_assert_int_eq(
	    kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a", .qos = 1)), MQEV_ERR_QUEUE_FULL);
	ck_assert_int_eq(mqev_client_set_offline_qos0(kit.client, MQEV_OFFLINE_REJECT), 0);
	ck_assert_int_eq(kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a")), MQEV_ERR_STATE);
	ck_assert_int_eq(
	    mqev_client_set_offline_qos0(kit.client, (enum mqev_offline)9), MQEV_ERR_INVALID);
}
END_TEST

static void
ack_late(struct mqev_client *c, const struct mqev_result *r, void *userdata)
{
	(void)c;
	(void)userdata;
	ck_assert_int_eq(r->error, MQEV_ERR_TIMEOUT);
	note("late");
}

/* A deadline that is set while the answer is awaited. */
START_TEST(ack_timeout_at_once)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_EXPECT(PUBLISH), TK_WAIT(600), TK_SEND("40 (@)"), TK_END};

	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_publish("a", "m", 1);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
	ck_assert_int_eq(mqev_client_set_on_ack_timeout(kit.client, ack_late), 0);
	ck_assert_int_eq(mqev_client_set_ack_timeout(kit.client, 50, MQEV_ACK_TIMEOUT_REPORT), 0);
	ck_assert_int_eq(mqev_client_set_ack_timeout(kit.client, 50, (enum mqev_ack_timeout)9),
	    MQEV_ERR_INVALID);
	KIT_PLAY(2000);
	ck_assert_ptr_nonnull(strstr(called, "late"));
	kit_await_all(1000);
}
END_TEST

START_TEST(ping_timeout_at_once)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"), TK_EXPECT(PINGREQ), TK_END};

	kit_broker(script);
	KIT_CLIENT(.keepalive = 1, .ping_timeout_ms = 60000, .no_reconnect = true);
	kit_connect();
	KIT_PLAY(3000);
	ck_assert_int_eq(mqev_client_set_ping_timeout(kit.client, 20), 0);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	ck_assert_int_eq(kit.disconnection.error, MQEV_ERR_KEEPALIVE);
}
END_TEST

START_TEST(limits_of_the_server)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT),
	    TK_SEND("20 (00 00 (21 0005 24 01 25 00 27 00001000 22 0007 28 00 29 00 2A 00 13 0009 "
		    "11 00000063))"),
	    TK_END};
	struct mqev_limits limits = {.size = sizeof(limits)};
	struct {
		size_t size;
		uint32_t max_packet_size;
	} old = {sizeof(old), 0};

	kit_broker(script);
	KIT_CLIENT(V5, .session_expiry = 5);
	ck_assert_int_eq(mqev_client_limits(kit.client, &limits), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_client_limits(kit.client, NULL), MQEV_ERR_INVALID);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
	ck_assert_int_eq(mqev_client_limits(kit.client, &limits), 0);
	ck_assert_uint_eq(limits.size, sizeof(limits));
	ck_assert_uint_eq(limits.receive_maximum, 5);
	ck_assert_uint_eq(limits.max_qos, 1);
	ck_assert_uint_eq(limits.max_packet_size, 0x1000);
	ck_assert_uint_eq(limits.topic_alias_maximum, 7);
	ck_assert_uint_eq(limits.keepalive, 9);
	ck_assert_uint_eq(limits.session_expiry, 0x63);
	ck_assert(!limits.retain && !limits.wildcard && !limits.shared && !limits.subscription_id);
	ck_assert_uint_eq(mqev_client_keepalive(kit.client), 9);
	ck_assert_int_eq(mqev_client_limits(kit.client, (struct mqev_limits *)&old), 0);
	ck_assert_uint_eq(old.max_packet_size, 0x1000);
}
END_TEST

/* --- the will ----------------------------------------------------------------------------------
 */

START_TEST(will_is_shown)
{
	struct mqev_properties *p = mqev_properties_new();
	struct mqev_will will;

	mqev_properties_add_integer(p, MQEV_PROP_WILL_DELAY_INTERVAL, 9);
	KIT_CLIENT(V5);
	ck_assert(!mqev_client_will(kit.client, &will));
	ck_assert_int_eq(mqev_client_set_will(kit.client,
			     MQEV_WILL(.topic = "gone", .payload = "bye", .payload_len = 3,
				 .qos = 2, .retain = true, .properties = p)),
	    0);
	mqev_properties_free(p);
	ck_assert(mqev_client_will(kit.client, &will));
	ck_assert_str_eq(will.topic, "gone");
	ck_assert_uint_eq(will.payload_len, 3);
	ck_assert(memcmp(will.payload, "bye", 3) == 0);
	ck_assert_int_eq(will.qos, 2);
	ck_assert(will.retain);
	ck_assert_uint_eq(
	    mqev_properties_integer(will.properties, MQEV_PROP_WILL_DELAY_INTERVAL, 0), 9);
	/* What is shown can be given back. */
	ck_assert_int_eq(mqev_client_set_will(kit.client, &will), 0);
	ck_assert(mqev_client_will(kit.client, &will));
	ck_assert_str_eq(will.topic, "gone");
	ck_assert_int_eq(
	    mqev_client_set_will(kit.client, MQEV_WILL(.topic = "#")), MQEV_ERR_INVALID);
	ck_assert(mqev_client_will(kit.client, &will));
	ck_assert_int_eq(mqev_client_set_will(kit.client, NULL), 0);
	ck_assert(!mqev_client_will(kit.client, &will));
}
END_TEST

/* --- wrong arguments, and memory ---------------------------------------------------------------
 */

static int
set_wrong_reconnect(struct mqev_client *c)
{
	return mqev_client_set_reconnect_options(c, MQEV_RECONNECT(.jitter = (enum mqev_jitter)7));
}

START_TEST(wrong_arguments)
{
	struct mqev_reconnect_options none = {.size = 0};

	KIT_CLIENT(.username = "u");
	ck_assert_int_eq(mqev_client_set_login(kit.client, NULL, "p", 1), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_client_set_login(kit.client, "\xff", NULL, 0), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_client_set_keepalive(kit.client, 65536), MQEV_ERR_INVALID);
	ck_assert_int_eq(set_wrong_reconnect(kit.client), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_client_set_reconnect_options(kit.client, &none), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_client_set_reconnect_options(kit.client, NULL), 0);
	ck_assert_int_eq(mqev_client_set_login(NULL, "u", NULL, 0), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_client_set_on_log(NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_client_set_reconnect(NULL, true), MQEV_ERR_INVALID);
	ck_assert_str_eq(mqev_client_username(kit.client), "u");
}
END_TEST

static int
set_login(struct mqev_client *c)
{
	return mqev_client_set_login(c, "new", "p", 1);
}

static int
set_on_log(struct mqev_client *c)
{
	return mqev_client_set_on_log(c, NULL);
}

static int
set_will(struct mqev_client *c)
{
	return mqev_client_set_will(c, MQEV_WILL(.topic = "w"));
}

static int
add_filter(struct mqev_client *c)
{
	return mqev_message_callback_add(c, "a/+", kit_filter_message, NULL);
}

static int
set_tls(struct mqev_client *c)
{
	return mqev_client_set_tls(c, NULL);
}

static int
set_proxy(struct mqev_client *c)
{
	return mqev_client_set_proxy(c,
	    MQEV_PROXY(.type = MQEV_PROXY_SOCKS5, .host = "h", .username = "u", .password = "p"));
}

static int
set_socket(struct mqev_client *c)
{
	return mqev_client_set_socket(
	    c, MQEV_SOCKET_OPTIONS(.bind_address = "::1", .bind_interface = "lo"));
}

static int
set_websocket(struct mqev_client *c)
{
	static const char *const headers[] = {"A: b", "C: d"};

	return mqev_client_set_websocket(
	    c, MQEV_WEBSOCKET_OPTIONS(.path = "/p", .headers = headers, .header_count = 2));
}

static int (*const allocating[])(struct mqev_client *) = {
    set_login, set_on_log, set_will, add_filter, set_tls, set_proxy, set_socket, set_websocket};

START_TEST(without_memory)
{
	int error = MQEV_ERR_NOMEM;
	unsigned i;

	KIT_CLIENT(.username = "u", .tls = NULL, .socket = MQEV_SOCKET_OPTIONS(.keepalive = 1),
	    .proxy = MQEV_PROXY(.type = MQEV_PROXY_HTTP, .host = "h"));
	for (i = 0; error != 0; i++) {
		fail_mem_after(i);
		error = allocating[_i](kit.client);
		fail_mem_never();
		ck_assert(error == 0 || error == MQEV_ERR_NOMEM);
		if (error != 0)
			ck_assert_str_eq(mqev_client_username(kit.client), "u");
	}
	ck_assert_uint_gt(i, 1);
}
END_TEST

/* Two clients that are changed in the same way share again, and what nobody has is given back. */
START_TEST(settings_are_shared)
{
	struct mqev_client *first;
	size_t before;

	KIT_CLIENT(.keepalive = 60);
	first = kit.client;
	KIT_CLIENT(.keepalive = 60);
	ck_assert_int_eq(mqev_client_set_login(first, "u", NULL, 0), 0);
	before = fail_mem_live();
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(mqev_client_set_keepalive(first, 10), 0);
		ck_assert_int_eq(mqev_client_set_keepalive(first, 60), 0);
	}
	ck_assert_uint_eq(fail_mem_live(), before);
	ck_assert_int_eq(mqev_client_set_login(kit.client, "u", NULL, 0), 0);
	ck_assert_uint_lt(fail_mem_live(), before);
	mqev_client_free(first);
}
END_TEST

/* --- callbacks for filters ---------------------------------------------------------------------
 */

static const struct tk_step messages[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
    TK_SEND("30 ({'a/b'} '1') 30 ({'a/c'} '2') 30 ({'x'} '3')"), TK_WAIT(20), TK_END};

START_TEST(filters_apart_from_subscriptions)
{
	char filter[] = "a/+";

	kit_broker(messages);
	KIT_CLIENT(.keepalive = 60);
	ck_assert_int_eq(
	    mqev_message_callback_add(kit.client, filter, kit_filter_message, (void *)"wild"), 0);
	filter[0] = 'x';
	ck_assert_int_eq(
	    mqev_message_callback_add(kit.client, "a/b", kit_filter_message, (void *)"exact"), 0);
	kit_connect();
	KIT_PLAY(1000);
	KIT_DIARY("connect:00 exact:a/b:1:0 wild:a/b:1:0 wild:a/c:2:0 message:x:3:0");
}
END_TEST

START_TEST(filters_and_subscriptions)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ 00) 30 ({'a/b'} '1')"), TK_WAIT(20), TK_END};

	kit.quiet[KIT_DONE] = true;
	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	ck_assert_int_eq(
	    mqev_message_callback_add(kit.client, "a/b", kit_filter_message, (void *)"added"), 0);
	kit_subscribe("#", 0, kit_filter_message);
	kit_connect();
	KIT_PLAY(1000);
	KIT_DIARY("connect:00 filter:a/b:1:0 added:a/b:1:0");
}
END_TEST

START_TEST(filters_are_replaced_and_removed)
{
	kit_broker(messages);
	KIT_CLIENT(.keepalive = 60);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(mqev_message_callback_add(kit.client, "a/#", kit_filter_message,
				     i == 0 ? "old" : (void *)"new"),
		    0);
	ck_assert_int_eq(
	    mqev_message_callback_add(kit.client, "x", kit_filter_message, (void *)"gone"), 0);
	ck_assert_int_eq(mqev_message_callback_remove(kit.client, "x"), 0);
	ck_assert_int_eq(mqev_message_callback_remove(kit.client, "x"), MQEV_ERR_NOT_FOUND);
	ck_assert_int_eq(mqev_message_callback_remove(kit.client, "a/b"), MQEV_ERR_NOT_FOUND);
	ck_assert_int_eq(mqev_message_callback_remove(kit.client, "#a"), MQEV_ERR_NOT_FOUND);
	kit_connect();
	KIT_PLAY(1000);
	KIT_DIARY("connect:00 new:a/b:1:0 new:a/c:2:0 message:x:3:0");
}
END_TEST

START_TEST(filter_arguments)
{
	static const char *const wrong[] = {"", "a#", "+a", "$share/g", NULL};

	KIT_CLIENT(.keepalive = 60);
	for (int i = 0; i < COUNT(wrong); i++)
		ck_assert_int_eq(
		    mqev_message_callback_add(kit.client, wrong[i], kit_filter_message, NULL),
		    MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_message_callback_add(kit.client, "a", NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(
	    mqev_message_callback_add(NULL, "a", kit_filter_message, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_message_callback_remove(kit.client, "a"), MQEV_ERR_NOT_FOUND);
	ck_assert_int_eq(mqev_message_callback_remove(kit.client, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_message_callback_remove(NULL, "a"), MQEV_ERR_INVALID);
}
END_TEST

/* Two filters match; the first callback removes both, replaces both, or frees the client. */
static void
change_filters(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	int way = *(int *)mqev_client_userdata(c);

	(void)what;
	(void)userdata;
	if (event != KIT_FILTER || kit.count[event] > 1)
		return;
	if (way == 0) {
		ck_assert_int_eq(mqev_message_callback_remove(c, "a/b"), 0);
		ck_assert_int_eq(mqev_message_callback_remove(c, "a/+"), 0);
	} else if (way == 1) {
		for (int i = 0; i < 2; i++)
			ck_assert_int_eq(mqev_message_callback_add(c, i == 0 ? "a/b" : "a/+",
					     kit_filter_message, (void *)"later"),
			    0);
	} else {
		kit.client = NULL;
		mqev_client_free(c);
	}
}

START_TEST(filters_are_changed_by_a_callback)
{
	static const char *const want[] = {"connect:00 first:a/b:1:0 message:a/c:2:0 message:x:3:0",
	    "connect:00 first:a/b:1:0 later:a/c:2:0 message:x:3:0", "connect:00 first:a/b:1:0"};
	int way = _i;

	kit.hook = change_filters;
	kit_broker(messages);
	KIT_CLIENT(.userdata = &way);
	ck_assert_int_eq(
	    mqev_message_callback_add(kit.client, "a/b", kit_filter_message, (void *)"first"), 0);
	ck_assert_int_eq(
	    mqev_message_callback_add(kit.client, "a/+", kit_filter_message, (void *)"second"), 0);
	kit_connect();
	KIT_PLAY(1000);
	KIT_DIARY(want[way]);
}
END_TEST

/* --- identifiers -------------------------------------------------------------------------------
 */

START_TEST(random_identifiers)
{
	char one[MQEV_RANDOM_ID_SIZE];
	char two[MQEV_RANDOM_ID_SIZE];

	ck_assert_int_eq(mqev_random_client_id(one), 0);
	ck_assert_int_eq(mqev_random_client_id(two), 0);
	ck_assert_uint_eq(strlen(one), MQEV_RANDOM_ID_SIZE - 1);
	ck_assert_str_ne(one, two);
	ck_assert_uint_eq(strspn(one, "0123456789abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
	    strlen(one));
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V31, .client_id = one);
	ck_assert_str_eq(mqev_client_id(kit.client), one);
}
END_TEST

static void
add_settings(Suite *s)
{
	TCase *tc = kit_case(s, "callbacks");

	tcase_add_test(tc, on_message_is_changed_in_itself);
	tcase_add_test(tc, on_publish_from_now_on);
	tcase_add_test(tc, all_callbacks_are_taken_away);
	tc = kit_case(s, "settings");
	tcase_add_test(tc, for_the_next_connect);
	tcase_add_test(tc, login_of_the_url_again);
	tcase_add_test(tc, timeouts_for_the_next_attempt);
	tcase_add_test(tc, max_inflight_at_once);
	tcase_add_test(tc, max_queued_at_once);
	tcase_add_test(tc, ack_timeout_at_once);
	tcase_add_test(tc, ping_timeout_at_once);
	tcase_add_test(tc, limits_of_the_server);
	tcase_add_test(tc, will_is_shown);
	tcase_add_test(tc, wrong_arguments);
	tcase_add_loop_test(tc, without_memory, 0, COUNT(allocating));
	tcase_add_test(tc, settings_are_shared);
	tcase_add_test(tc, random_identifiers);
}

static void
add_filters(Suite *s)
{
	TCase *tc = kit_case(s, "filters");

	tcase_add_test(tc, filters_apart_from_subscriptions);
	tcase_add_test(tc, filters_and_subscriptions);
	tcase_add_test(tc, filters_are_replaced_and_removed);
	tcase_add_test(tc, filter_arguments);
	tcase_add_loop_test(tc, filters_are_changed_by_a_callback, 0, 3);
}

int
main(void)
{
	Suite *s = suite_create("client_settings");

	add_settings(s);
	add_filters(s);
	return tk_main(s);
}
