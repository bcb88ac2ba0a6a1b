/* Publishing: exact packets at each QoS, completions exactly once, what a lost link does, limits,
 * and payloads that are lent. */
#include "wire/client_kit.h"

#include <signal.h>
#include <stdio.h>

#define ACCEPT_V311 TK_EXPECT(CONNECT), TK_SEND("20 (00 00)")
#define ACCEPT_V5 TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())")
#define ACCEPT_V5_WITH(properties) TK_EXPECT(CONNECT), TK_SEND("20 (00 00 (" properties "))")

#define COUNT(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))

static void
start(const struct tk_step *script)
{
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
}

/* --- the bytes ---------------------------------------------------------------------------------
 */

struct publish_row {
	enum mqev_protocol protocol;
	struct mqev_message message;
	const char *bytes;
};

#define MESSAGE(...) {.size = sizeof(struct mqev_message), __VA_ARGS__}
#define HELLO .payload = "hello", .payload_len = 5

static const struct publish_row publish_rows[] = {
    {MQEV_PROTOCOL_V31, MESSAGE(.topic = "a/b", HELLO), "30 ({'a/b'} 'hello')"},
    {MQEV_PROTOCOL_V31, MESSAGE(.topic = "a/b", HELLO, .qos = 1), "32 ({'a/b'} 0001 'hello')"},
    {MQEV_PROTOCOL_V31, MESSAGE(.topic = "a/b", HELLO, .qos = 2), "34 ({'a/b'} 0001 'hello')"},
    {MQEV_PROTOCOL_V311, MESSAGE(.topic = "a/b", HELLO), "30 ({'a/b'} 'hello')"},
    {MQEV_PROTOCOL_V311, MESSAGE(.topic = "a/b", HELLO, .qos = 1), "32 ({'a/b'} 0001 'hello')"},
    {MQEV_PROTOCOL_V311, MESSAGE(.topic = "a/b", HELLO, .qos = 2), "34 ({'a/b'} 0001 'hello')"},
    {MQEV_PROTOCOL_V5, MESSAGE(.topic = "a/b", HELLO), "30 ({'a/b'} () 'hello')"},
    {MQEV_PROTOCOL_V5, MESSAGE(.topic = "a/b", HELLO, .qos = 1),
	"32 ({'a/b'} 0001 () 'hello')"},
    {MQEV_PROTOCOL_V5, MESSAGE(.topic = "a/b", HELLO, .qos = 2),
	"34 ({'a/b'} 0001 () 'hello')"},
    {MQEV_PROTOCOL_V311, MESSAGE(.topic = "t"), "30 ({'t'})"},
    {MQEV_PROTOCOL_V5, MESSAGE(.topic = "t", .qos = 1), "32 ({'t'} 0001 ())"},
    {MQEV_PROTOCOL_V311, MESSAGE(.topic = "t", HELLO, .retain = true), "31 ({'t'} 'hello')"},
    {MQEV_PROTOCOL_V5, MESSAGE(.topic = "t", .retain = true, .qos = 2), "35 ({'t'} 0001 ())"},
    {MQEV_PROTOCOL_V311, MESSAGE(.topic = "\xe2\x98\x83", .payload = "\0\xff", .payload_len = 2),
	"30 ({E29883} 00FF)"},
};

START_TEST(publish_bytes)
{
	const struct publish_row *row = &publish_rows[_i];
	bool v5 = row->protocol == MQEV_PROTOCOL_V5;
	int qos = row->message.qos;
	struct tk_step script[8];
	size_t n = 0;

	script[n++] = (struct tk_step)TK_EXPECT(CONNECT);
	script[n++] = (struct tk_step)TK_SEND(v5 ? "20 (00 00 ())" : "20 (00 00)");
	script[n++] = (struct tk_step)TK_EXPECT_BYTES(row->bytes);
	if (qos > 0)
		script[n++] = (struct tk_step)TK_SEND(qos == 1 ? "40 (@)" : "50 (@)");
	if (qos == 2) {
		script[n++] = (struct tk_step)TK_EXPECT_BYTES("62 (0001)");
		script[n++] = (struct tk_step)TK_SEND("70 (0001)");
	}
	script[n++] = (struct tk_step)TK_END;
	KIT_CLIENT(.protocol = row->protocol);
	start(script);
	ck_assert_int_eq(kit_try_publish(kit.client, &row->message), 1);
	KIT_PLAY(2000);
	kit_await_all(1000);
	ck_assert_int_eq(kit.result.error, 0);
	ck_assert_uint_eq(kit.result.mid, qos > 0 ? 1 : 0);
	ck_assert_int_eq(kit.result.reason, 0);
	ck_assert_uint_eq(kit.result.reason_count, 0);
	KIT_DIARY("connect:00 done1:OK");
	ck_assert_int_eq(kit.count[KIT_PUBLISH], 1);
}
END_TEST

START_TEST(properties)
{
	static const struct tk_step script[] = {
	    ACCEPT_V5,
	    TK_EXPECT_BYTES("32 ({'a'} 0001 (01 01 03 {'text/plain'} 08 {'re'} 09 {00FF} 26 {'k'} "
			    "{'v'} 26 {'k'} {'v'}) 'x')"),
	    TK_SEND("40 (@)"),
	    TK_EXPECT_BYTES("30 ({'a'} (26 {'k'} {'v'}) 'x')"),
	    TK_END,
	};
	struct mqev_properties *p = mqev_properties_new();

	mqev_properties_add_integer(p, MQEV_PROP_PAYLOAD_FORMAT_INDICATOR, 1);
	mqev_properties_add_string(p, MQEV_PROP_CONTENT_TYPE, "text/plain");
	mqev_properties_add_string(p, MQEV_PROP_RESPONSE_TOPIC, "re");
	mqev_properties_add_binary(p, MQEV_PROP_CORRELATION_DATA, "\0\xff", 2);
	mqev_properties_add_user(p, "k", "v");
	mqev_properties_add_user(p, "k", "v");
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	start(script);
	kit_try_publish(kit.client,
	    MQEV_MESSAGE(
		    .topic = "a", .payload = "x", .payload_len = 1, .qos = 1, .properties = p));
	kit_await_all(1000);
	mqev_properties_clear(p);
	mqev_properties_add_user(p, "k", "v");
	kit_try_publish(kit.client,
	    MQEV_MESSAGE(.topic = "a", .payload = "x", .payload_len = 1, .properties = p));
	mqev_properties_free(p);
	KIT_PLAY(2000);
	kit_await_all(1000);
}
END_TEST

START_TEST(properties_are_left_out_in_3_1_1)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_EXPECT_BYTES("32 ({'a'} 0001 'x')"), TK_SEND("40 (@)"), TK_END};
	struct mqev_properties *p = mqev_properties_new();

	mqev_properties_add_user(p, "k", "v");
	KIT_CLIENT(.keepalive = 60);
	start(script);
	kit_try_publish(kit.client,
	    MQEV_MESSAGE(
		    .topic = "a", .payload = "x", .payload_len = 1, .qos = 1, .properties = p));
	mqev_properties_free(p);
	KIT_PLAY(2000);
	kit_await_all(1000);
}
END_TEST

/* --- when --------------------------------------------------------------------------------------
 */

/* QoS 0, 1, 2 given before the client is connected, in one go. */
START_TEST(before_connect)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311,
	    TK_EXPECT_BYTES("30 ({'a'} 'zero')"),
	    TK_EXPECT_BYTES("32 ({'a'} 0001 'one')"),
	    TK_EXPECT_BYTES("34 ({'a'} 0002 'two')"),
	    TK_SEND("40 (0001) 50 (0002)"),
	    TK_EXPECT_BYTES("62 (0002)"),
	    TK_SEND("70 (0002)"),
	    TK_END,
	};

	KIT_CLIENT(.keepalive = 60);
	if (_i == 1) {
		kit_broker(script);
		kit_connect();
	}
	kit_publish("a", "one", 1);
	kit_publish("a", "zero", 0);
	kit_publish("a", "two", 2);
	if (_i == 0) {
		kit_run(20);
		kit_broker(script);
		kit_connect();
	}
	KIT_PLAY(2000);
	kit_await_all(1000);
	KIT_DIARY("connect:00 done2:OK done1:OK done3:OK");
}
END_TEST

START_TEST(offline_qos0_can_be_rejected)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_EXPECT_BYTES("32 ({'a'} 0001 'one')"), TK_SEND("40 (@)"),
	    TK_EXPECT_BYTES("30 ({'a'} 'zero')"), TK_END};

	KIT_CLIENT(.offline_qos0 = MQEV_OFFLINE_REJECT);
	ck_assert_int_eq(kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a")), MQEV_ERR_STATE);
	kit_publish("a", "one", 1);
	start(script);
	kit_await_all(1000);
	kit_publish("a", "zero", 0);
	KIT_PLAY(2000);
	kit_await_all(1000);
	KIT_DIARY("connect:00 done1:OK done2:OK");
}
END_TEST

/* In on_connect, where a newcomer publishes first. */
static void
publish_in_on_connect(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	if (event == KIT_CONNECT)
		for (int qos = 0; qos < 3; qos++)
			kit_try_publish(c,
			    MQEV_MESSAGE(
				    .topic = "a", .payload = "x", .payload_len = 1, .qos = qos));
}

START_TEST(in_on_connect)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311,
	    TK_EXPECT_BYTES("30 ({'a'} 'x')"),
	    TK_EXPECT_BYTES("32 ({'a'} 0001 'x')"),
	    TK_SEND("40 (@)"),
	    TK_EXPECT_BYTES("34 ({'a'} 0002 'x')"),
	    TK_SEND("50 (@)"),
	    TK_EXPECT_BYTES("62 (0002)"),
	    TK_SEND("70 (0002)"),
	    TK_END,
	};

	kit.hook = publish_in_on_connect;
	KIT_CLIENT(.keepalive = 60);
	start(script);
	KIT_PLAY(2000);
	kit_await_all(1000);
	KIT_DIARY("connect:00 done1:OK done2:OK done3:OK");
}
END_TEST

/* The struct and what it points to may be gone when the call has returned. */
START_TEST(all_is_copied)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311,
	    TK_EXPECT_BYTES("30 ({'topic'} 'p'*9000)"),
	    TK_EXPECT_BYTES("32 ({'topic'} 0001 'p'*9000)"),
	    TK_SEND("40 (@)"),
	    TK_END,
	};
	char topic[] = "topic";
	char *payload = malloc(9000);

	KIT_CLIENT(.keepalive = 60);
	memset(payload, 'p', 9000);
	if (_i == 1)
		start(script);
	for (int qos = 0; qos < 2; qos++)
		kit_try_publish(kit.client,
		    MQEV_MESSAGE(
			    .topic = topic, .payload = payload, .payload_len = 9000, .qos = qos));
	memset(payload, 'q', 9000);
	memset(topic, 'q', 5);
	free(payload);
	if (_i == 0)
		start(script);
	KIT_PLAY(2000);
	kit_await_all(1000);
}
END_TEST

/* --- the link is lost --------------------------------------------------------------------------
 */

#define BIG ((size_t)8 << 20)

static struct tk_broker *
stalling_broker(const struct tk_step *script)
{
	struct tk_broker_options options = {.rcvbuf = 4096};

	return tk_broker_new(kit.base, script, &options);
}

static int may_end;

/* A broker stops reading and then resets: the message whose bytes did not leave is lost, those that
 * left were done, what waited stays. */
START_TEST(qos0_on_a_link_that_dies)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311,
	    TK_EXPECT_BYTES("30 ({'a'} 'first')"),
	    TK_STALL(),
	    TK_UNTIL(may_end),
	    TK_RESET(),
	    TK_ACCEPT(),
	    ACCEPT_V311,
	    TK_EXPECT_BYTES("30 ({'a'} 'offline')"),
	    TK_END,
	};
	char *big = calloc(1, BIG);

	kit.broker = stalling_broker(script);
	KIT_CLIENT(.reconnect_min_ms = 100, .reconnect_max_ms = 100);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	kit_publish("a", "first", 0);
	kit_await_all(1000);
	kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a", .payload = big, .payload_len = BIG));
	kit_run(100);
	ck_assert_int_eq(kit_error_of(2), 1);
	may_end = 1;
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	KIT_DIARY("connect:00 done1:OK done2:LOST disconnect:LOST");
	kit_publish("a", "offline", 0);
	KIT_PLAY(2000);
	kit_await_all(1000);
	ck_assert_int_eq(kit_error_of(3), 0);
	free(big);
}
END_TEST

/* QoS 0 completes when its last byte was handed to the kernel, not before. */
START_TEST(qos0_completes_when_it_left)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_STALL(), TK_UNTIL(may_end), TK_RESUME(), TK_EXPECT(PUBLISH), TK_END};
	char *big = calloc(1, BIG);

	kit.broker = stalling_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a", .payload = big, .payload_len = BIG));
	kit_run(200);
	ck_assert_int_eq(kit.count[KIT_DONE], 0);
	may_end = 1;
	KIT_AWAIT(KIT_DONE, 1, 5000);
	ck_assert_int_eq(kit.result.error, 0);
	KIT_PLAY(5000);
	free(big);
}
END_TEST

struct lost_row {
	const char *first;  /* what the broker answers before it closes */
	const char *second; /* what it expects after CONNACK with Session Present */
	const char *ack;
	int qos;
	bool releases;
};

static const struct lost_row lost_rows[] = {
    {NULL, "3A ({'a'} 0001 'm')", "40 (0001)", 1, false},
    {NULL, "3C ({'a'} 0001 'm')", "50 (0001)", 2, true},
    {"50 (0001)", "62 (0001)", NULL, 2, true},
};

static void
add_release(struct tk_step *script, size_t *n)
{
	script[(*n)++] = (struct tk_step)TK_EXPECT_BYTES("62 (0001)");
	script[(*n)++] = (struct tk_step)TK_SEND("70 (0001)");
}

START_TEST(sent_again_with_dup)
{
	const struct lost_row *row = &lost_rows[_i];
	struct tk_step script[16];
	size_t n = 0;

	script[n++] = (struct tk_step)TK_EXPECT(CONNECT);
	script[n++] = (struct tk_step)TK_SEND("20 (00 00)");
	script[n++] = (struct tk_step)TK_EXPECT(PUBLISH);
	if (row->first != NULL) {
		script[n++] = (struct tk_step)TK_SEND(row->first);
		script[n++] = (struct tk_step)TK_EXPECT(PUBREL);
	}
	script[n++] = (struct tk_step)TK_CLOSE();
	script[n++] = (struct tk_step)TK_ACCEPT();
	script[n++] = (struct tk_step)TK_EXPECT_BYTES("10 ({'MQTT'} 04 00 003C {'c'})");
	script[n++] = (struct tk_step)TK_SEND("20 (01 00)");
	if (row->ack != NULL) {
		script[n++] = (struct tk_step)TK_EXPECT_BYTES(row->second);
		script[n++] = (struct tk_step)TK_SEND(row->ack);
	}
	if (row->releases)
		add_release(script, &n);
	script[n++] = (struct tk_step)TK_END;
	KIT_CLIENT(.clean = MQEV_CLEAN_STRICT);
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	kit_publish("a", "m", row->qos);
	KIT_PLAY(3000);
	kit_await_all(1000);
	KIT_DIARY("connect:00 disconnect:LOST connect:00+session done1:OK");
}
END_TEST

struct session_row {
	int qos;
	enum mqev_lost_session policy;
	const char *again; /* NULL: it fails */
};

static const struct session_row session_rows[] = {
    {1, MQEV_LOST_SESSION_DEFAULT, "32 ({'a'} 0001 'm')"},
    {1, MQEV_LOST_SESSION_RESEND, "32 ({'a'} 0001 'm')"},
    {1, MQEV_LOST_SESSION_FAIL, NULL},
    {2, MQEV_LOST_SESSION_DEFAULT, NULL},
    {2, MQEV_LOST_SESSION_FAIL, NULL},
    {2, MQEV_LOST_SESSION_RESEND, "34 ({'a'} 0001 'm')"},
};

START_TEST(session_lost)
{
	const struct session_row *row = &session_rows[_i % COUNT(session_rows)];
	bool clean = _i >= COUNT(session_rows);
	struct tk_step script[16];
	size_t n = 0;

	script[n++] = (struct tk_step)TK_EXPECT(CONNECT);
	script[n++] = (struct tk_step)TK_SEND("20 (00 00)");
	script[n++] = (struct tk_step)TK_EXPECT(PUBLISH);
	script[n++] = (struct tk_step)TK_CLOSE();
	script[n++] = (struct tk_step)TK_ACCEPT();
	script[n++] = (struct tk_step)TK_EXPECT(CONNECT);
	script[n++] = (struct tk_step)TK_SEND("20 (00 00)");
	if (row->again != NULL) {
		/* Another identifier than before is as good. */
		script[n++] = (struct tk_step)TK_EXPECT(PUBLISH);
		script[n++] = (struct tk_step)TK_SEND(row->qos == 1 ? "40 (@)" : "50 (@)");
		if (row->qos == 2) {
			script[n++] = (struct tk_step)TK_EXPECT(PUBREL);
			script[n++] = (struct tk_step)TK_SEND("70 (@)");
		}
	} else {
		script[n++] = (struct tk_step)TK_QUIET(50);
	}
	script[n++] = (struct tk_step)TK_END;
	KIT_CLIENT(.clean = clean ? MQEV_CLEAN_ALWAYS : MQEV_CLEAN_NEVER,
	    .lost_session_qos1 = row->policy, .lost_session_qos2 = row->policy);
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	kit_publish("a", "m", row->qos);
	KIT_PLAY(3000);
	kit_await_all(1000);
	if (row->again != NULL)
		KIT_DIARY("connect:00 disconnect:LOST connect:00 done1:OK");
	else
		KIT_DIARY("connect:00 disconnect:LOST connect:00 done1:SESSION_LOST");
}
END_TEST

START_TEST(queued_survives)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_CLOSE(), TK_ACCEPT(), ACCEPT_V311,
	    TK_EXPECT_BYTES("32 ({'a'} 0001 'm')"), TK_SEND("40 (@)"), TK_END};

	KIT_CLIENT(.reconnect_min_ms = 50, .reconnect_max_ms = 50);
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	kit_publish("a", "m", 1);
	KIT_PLAY(2000);
	kit_await_all(1000);
	KIT_DIARY("connect:00 disconnect:LOST connect:00 done1:OK");
}
END_TEST

START_TEST(queued_survives_disconnect)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_ACCEPT(), ACCEPT_V311,
	    TK_EXPECT_BYTES("30 ({'a'} 'n')"), TK_EXPECT_BYTES("32 ({'a'} 0001 'm')"),
	    TK_SEND("40 (@)"), TK_END};

	KIT_CLIENT(.keepalive = 60);
	start(script);
	kit_disconnect();
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	kit_publish("a", "m", 1);
	kit_publish("a", "n", 0);
	kit_run(30);
	kit_connect();
	KIT_PLAY(2000);
	kit_await_all(1000);
	KIT_DIARY("connect:00 disconnect:OK connect:00 done2:OK done1:OK");
}
END_TEST

/* The broker is gone while much is on its way: the program lives on, however SIGPIPE stands. */
START_TEST(broker_closes_while_we_write)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_STALL(), TK_UNTIL(may_end), TK_RESET(), TK_ACCEPT(), ACCEPT_V311,
	    TK_END};
	char *big = calloc(1, BIG);

	signal(SIGPIPE, SIG_DFL);
	kit.broker = stalling_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	for (int i = 0; i < 3; i++)
		kit_try_publish(
		    kit.client, MQEV_MESSAGE(.topic = "a", .payload = big, .payload_len = BIG));
	kit_run(50);
	may_end = 1;
	kit_await_all(3000);
	ck_assert_int_eq(kit_error_of(1), MQEV_ERR_LOST);
	KIT_AWAIT(KIT_CONNECT, 2, 3000);
	free(big);
}
END_TEST

static void
catch_sigpipe(int number)
{
	(void)number;
}

START_TEST(sigpipe_is_the_applications)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_END};
	struct sigaction now;

	if (_i == 0) {
		signal(SIGPIPE, catch_sigpipe);
	} else {
		signal(SIGPIPE, SIG_DFL);
		mqev_fleet_free(kit.fleet);
		kit.fleet =
		    mqev_fleet_new(kit.base, MQEV_FLEET_OPTIONS(.keep_sigpipe = _i == 1));
	}
	KIT_CLIENT(.keepalive = 60);
	start(script);
	ck_assert_int_eq(sigaction(SIGPIPE, NULL, &now), 0);
	if (_i == 0)
		ck_assert(now.sa_handler == catch_sigpipe);
	else
		ck_assert(now.sa_handler == (_i == 1 ? SIG_DFL : SIG_IGN));
}
END_TEST

/* --- answers that refuse -----------------------------------------------------------------------
 */

struct answer_row {
	int qos;
	const char *ack;
	int error;
	enum mqev_reason reason;
};

static const struct answer_row answer_rows[] = {
    {1, "40 (0001)", 0, MQEV_REASON_SUCCESS},
    {1, "40 (0001 00)", 0, MQEV_REASON_SUCCESS},
    {1, "40 (0001 10)", 0, MQEV_REASON_NO_MATCHING_SUBSCRIBERS},
    {1, "40 (0001 80)", MQEV_ERR_REFUSED, MQEV_REASON_UNSPECIFIED_ERROR},
    {1, "40 (0001 87 (1F {'later'}))", MQEV_ERR_REFUSED, MQEV_REASON_NOT_AUTHORIZED},
    {1, "40 (0001 90)", MQEV_ERR_REFUSED, MQEV_REASON_TOPIC_NAME_INVALID},
    {1, "40 (0001 97)", MQEV_ERR_REFUSED, MQEV_REASON_QUOTA_EXCEEDED},
    {1, "40 (0001 99)", MQEV_ERR_REFUSED, MQEV_REASON_PAYLOAD_FORMAT_INVALID},
    {2, "50 (0001 83)", MQEV_ERR_REFUSED, MQEV_REASON_IMPLEMENTATION_SPECIFIC},
    {2, "50 (0001 97 (26 {'k'} {'v'}))", MQEV_ERR_REFUSED, MQEV_REASON_QUOTA_EXCEEDED},
};

START_TEST(answers)
{
	const struct answer_row *row = &answer_rows[_i];
	const struct tk_step script[] = {
	    ACCEPT_V5, TK_EXPECT(PUBLISH), TK_SEND(row->ack), TK_QUIET(20), TK_END};

	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	start(script);
	kit_publish("a", "m", row->qos);
	KIT_PLAY(2000);
	kit_await_all(1000);
	ck_assert_int_eq(kit.result.error, row->error);
	ck_assert_int_eq(kit.result.reason, row->reason);
}
END_TEST

/* PUBCOMP 0x92 after a resend: the server had completed the message before. */
START_TEST(pubcomp_not_found_is_done)
{
	static const struct tk_step script[] = {
	    ACCEPT_V5, TK_EXPECT(PUBLISH), TK_SEND("50 (@)"), TK_EXPECT_BYTES("62 (0001)"),
	    TK_SEND("70 (0001 92)"), TK_END};

	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	start(script);
	kit_publish("a", "m", 2);
	KIT_PLAY(2000);
	kit_await_all(1000);
	ck_assert_int_eq(kit.result.error, 0);
}
END_TEST

/* --- limits ------------------------------------------------------------------------------------
 */

START_TEST(server_limits)
{
	static const struct tk_step script[] = {
	    ACCEPT_V5_WITH("24 01 25 00 27 00000010"), /* QoS 1, no retain, 16 bytes */
	    TK_EXPECT_BYTES("32 ({'a'} 0003 () '12345678')"), TK_SEND("40 (@)"), TK_END};

	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	/* What was queued before the limits were known ends with an error. */
	kit_publish("a", "two", 2);
	kit_publish("a", "1234567890", 1);
	kit_publish("a", "123456789012", 0);
	kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a", .retain = true));
	kit_broker(script);
	kit_connect();
	kit_await_all(2000);
	ck_assert_int_eq(kit_error_of(1), MQEV_ERR_QOS);
	ck_assert_int_eq(kit_error_of(2), MQEV_ERR_TOO_LARGE);
	ck_assert_int_eq(kit_error_of(3), MQEV_ERR_TOO_LARGE);
	ck_assert_int_eq(kit_error_of(4), MQEV_ERR_RETAIN);
	ck_assert_int_eq(
	    kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a", .qos = 2)), MQEV_ERR_QOS);
	ck_assert_int_eq(kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a", .retain = true)),
	    MQEV_ERR_RETAIN);
	ck_assert_int_eq(kit_try_publish(kit.client,
			     MQEV_MESSAGE(.topic = "a", .payload = "123456789012",
				 .payload_len = 12)),
	    MQEV_ERR_TOO_LARGE);
	kit_publish("a", "12345678", 1);
	KIT_PLAY(2000);
	kit_await_all(1000);
}
END_TEST

START_TEST(own_queue_limits)
{
	KIT_CLIENT(.max_queued = 3);
	for (int i = 0; i < 3; i++)
		kit_publish("a", "m", i);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a", .qos = i)),
		    MQEV_ERR_QUEUE_FULL);
	ck_assert_int_eq(kit_try_subscribe(kit.client, MQEV_SUBSCRIPTION(.filter = "f"), 1),
	    MQEV_ERR_QUEUE_FULL);
}
END_TEST

START_TEST(own_queue_bytes)
{
	char text[1000] = "";
	int accepted = 0;

	KIT_CLIENT(.max_queued_bytes = 10000);
	while (kit_try_publish(kit.client,
		   MQEV_MESSAGE(.topic = "a", .payload = text, .payload_len = 1000, .qos = 1)) > 0)
		accepted++;
	ck_assert_int_ge(accepted, 5);
	ck_assert_int_le(accepted, 10);
	/* What is too large alone never fits. */
	ck_assert_int_eq(kit_try_publish(kit.client,
			     MQEV_MESSAGE(.topic = "b", .payload = text, .payload_len = 1000)),
	    MQEV_ERR_QUEUE_FULL);
}
END_TEST

/* The queue has room again when something is done. */
START_TEST(queue_drains)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_EXPECT(PUBLISH), TK_SEND("40 (@)"), TK_EXPECT(PUBLISH),
	    TK_SEND("40 (@)"), TK_END};

	KIT_CLIENT(.max_queued = 1);
	kit_publish("a", "m", 1);
	ck_assert_int_eq(
	    kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a", .qos = 1)), MQEV_ERR_QUEUE_FULL);
	start(script);
	kit_await_all(1000);
	kit_publish("a", "m", 1);
	KIT_PLAY(2000);
	kit_await_all(1000);
}
END_TEST

/* Window of ten, one more for each acknowledgement, and the same after a reconnect. */
START_TEST(inflight_window)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311,
	    TK_EXPECT(PUBLISH), TK_EXPECT(PUBLISH), TK_EXPECT(PUBLISH), TK_QUIET(50),
	    TK_CLOSE(),
	    TK_ACCEPT(),
	    TK_EXPECT(CONNECT), TK_SEND("20 (01 00)"),
	    TK_EXPECT_BYTES("3A ({'a'} 0001 '0')"), TK_EXPECT_BYTES("3A ({'a'} 0002 '1')"),
	    TK_EXPECT_BYTES("3A ({'a'} 0003 '2')"), TK_QUIET(50),
	    TK_SEND("40 (0002)"), TK_EXPECT_BYTES("32 ({'a'} 0004 '3')"), TK_QUIET(20),
	    TK_SEND("40 (0001)"), TK_EXPECT_BYTES("32 ({'a'} 0005 '4')"), TK_QUIET(20),
	    TK_SEND("40 (0003) 40 (0004)"), TK_SEND("40 (0005)"),
	    TK_END,
	};
	char text[2] = "0";

	KIT_CLIENT(.clean = MQEV_CLEAN_STRICT, .max_inflight = 3);
	for (int i = 0; i < 5; i++) {
		text[0] = (char)('0' + i);
		kit_publish("a", text, 1);
	}
	start(script);
	KIT_PLAY(3000);
	kit_await_all(1000);
	KIT_DIARY("connect:00 disconnect:LOST connect:00+session done2:OK done1:OK done3:OK "
		  "done4:OK done5:OK");
}
END_TEST

START_TEST(receive_maximum_of_the_server)
{
	static const struct tk_step script[] = {
	    ACCEPT_V5_WITH("21 0001"),
	    TK_EXPECT_BYTES("34 ({'a'} 0001 () '1')"), TK_QUIET(20),
	    TK_SEND("50 (@)"), TK_EXPECT_BYTES("62 (0001)"), TK_QUIET(20), TK_SEND("70 (0001)"),
	    TK_EXPECT_BYTES("32 ({'a'} 0002 () '2')"), TK_QUIET(20), TK_SEND("40 (@)"),
	    TK_END,
	};

	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	start(script);
	kit_publish("a", "1", 2);
	kit_publish("a", "2", 1);
	KIT_PLAY(2000);
	kit_await_all(1000);
}
END_TEST

/* --- time --------------------------------------------------------------------------------------
 */

static int64_t
publish_expiring(uint32_t seconds, int qos)
{
	struct mqev_properties *p = mqev_properties_new();
	int64_t op;

	mqev_properties_add_integer(p, MQEV_PROP_MESSAGE_EXPIRY_INTERVAL, seconds);
	op = kit_try_publish(kit.client,
	    MQEV_MESSAGE(
		    .topic = "e", .payload = "m", .payload_len = 1, .qos = qos, .properties = p));
	ck_assert_int_gt(op, 0);
	mqev_properties_free(p);
	return op;
}

/* The time runs while the message waits here, and what is left is sent. */
START_TEST(expiry)
{
	static const struct tk_step script[] = {
	    ACCEPT_V5, TK_EXPECT_BYTES("32 ({'e'} 0003 (02 00000009) 'm')"), TK_SEND("40 (@)"),
	    TK_EXPECT_BYTES("30 ({'e'} (02 00000005) 'm')"), TK_END};

	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	publish_expiring(1, 1);
	publish_expiring(1, 0);
	publish_expiring(1, 2);
	publish_expiring(10, 1);
	kit_run(1100);
	start(script);
	kit_await_all(1000);
	ck_assert_int_eq(kit_error_of(1), MQEV_ERR_EXPIRED);
	ck_assert_int_eq(kit_error_of(2), MQEV_ERR_EXPIRED);
	ck_assert_int_eq(kit_error_of(3), MQEV_ERR_EXPIRED);
	ck_assert_int_eq(kit_error_of(4), 0);
	publish_expiring(5, 0);
	KIT_PLAY(2000);
	kit_await_all(1000);
}
END_TEST

START_TEST(ack_timeout)
{
	static const struct tk_step script[] = {
	    ACCEPT_V5, TK_EXPECT(PUBLISH), TK_EXPECT(DISCONNECT), TK_EXPECT_CLOSE(), TK_ACCEPT(),
	    TK_EXPECT(CONNECT), TK_SEND("20 (01 00 ())"), TK_EXPECT_BYTES("3A ({'a'} 0001 () 'm')"),
	    TK_SEND("40 (@)"), TK_END};

	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .session_expiry = 100, .ack_timeout_ms = 200,
	    .ack_timeout_action = MQEV_ACK_TIMEOUT_RECONNECT);
	start(script);
	kit_publish("a", "m", 1);
	KIT_PLAY(3000);
	kit_await_all(1000);
	KIT_DIARY("connect:00 disconnect:TIMEOUT connect:00+session done1:OK");
}
END_TEST

/* --- payloads that are lent --------------------------------------------------------------------
 */

static int released;
static int done_when_released;

static void
release(void *arg)
{
	ck_assert_ptr_eq(arg, &released);
	ck_assert_int_eq(kit.in_call, 0);
	released++;
	done_when_released = kit.count[KIT_DONE];
}

static int64_t
publish_lent(const char *payload, size_t len, int qos)
{
	return kit_try_publish(kit.client,
	    MQEV_MESSAGE(.topic = "a", .payload = payload, .payload_len = len, .qos = qos,
		.release = release, .release_arg = &released));
}

START_TEST(lent_payload)
{
	static const char *const packets[] = {
	    "30 ({'a'} 'p'*20000)", "32 ({'a'} 0001 'p'*20000)", "34 ({'a'} 0001 'p'*20000)"};
	static const char *const acks[] = {NULL, "40 (0001)", "50 (0001)"};
	struct tk_step script[10];
	size_t n = 0;
	char *payload = malloc(20000);

	script[n++] = (struct tk_step)TK_EXPECT(CONNECT);
	script[n++] = (struct tk_step)TK_SEND("20 (00 00)");
	script[n++] = (struct tk_step)TK_EXPECT_BYTES(packets[_i]);
	if (_i > 0)
		script[n++] = (struct tk_step)TK_UNTIL(may_end);
	if (_i > 0)
		script[n++] = (struct tk_step)TK_SEND(acks[_i]);
	if (_i == 2)
		add_release(script, &n);
	script[n++] = (struct tk_step)TK_END;
	memset(payload, 'p', 20000);
	KIT_CLIENT(.keepalive = 60);
	start(script);
	ck_assert_int_gt(publish_lent(payload, 20000, _i), 0);
	if (_i > 0) {
		kit_run(50);
		ck_assert_int_eq(released, 0);
	}
	may_end = 1;
	KIT_PLAY(2000);
	kit_await_all(1000);
	TK_RUN_UNTIL(kit.base, released, 1000);
	ck_assert_int_eq(released, 1);
	free(payload);
}
END_TEST

START_TEST(lent_payload_of_a_client_that_is_freed)
{
	char payload[100] = "";

	KIT_CLIENT(.keepalive = 60);
	for (int qos = 0; qos < 3; qos++)
		ck_assert_int_gt(publish_lent(payload, _i == 0 ? 10 : 100, qos), 0);
	kit_free_client();
	ck_assert_int_eq(released, 3);
	ck_assert_int_eq(done_when_released, 3);
}
END_TEST

/* A payload that a dead link still refers to is given back before free returns or soon after. */
START_TEST(lent_payload_on_a_stalled_link)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_STALL(), TK_END};
	char *big = calloc(1, BIG);

	kit.broker = stalling_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	ck_assert_int_gt(publish_lent(big, BIG, _i), 0);
	kit_run(50);
	ck_assert_int_eq(released, 0);
	kit_free_client();
	TK_RUN_UNTIL(kit.base, released, 1000);
	ck_assert_int_eq(released, 1);
	free(big);
}
END_TEST

#define FORGED 60
#define FORGED_LEN ((size_t)60000)

static int free_at;
static int all_released;

static void
release_and_free(void *arg)
{
	release(arg);
	all_released = released == FORGED;
	if (released == free_at)
		kit_free_client();
}

/* A server that acknowledges what it cannot have got yet: each payload is given back once, from the
 * loop, and there the application may free the client. */
START_TEST(lent_payload_is_acknowledged_too_early)
{
	static struct tk_step script[FORGED + 10];
	static char texts[FORGED][16];
	char *payload = calloc(1, FORGED_LEN);
	size_t n = 0;

	script[n++] = (struct tk_step)TK_EXPECT(CONNECT);
	script[n++] = (struct tk_step)TK_SEND("20 (00 00)");
	script[n++] = (struct tk_step)TK_LENIENT();
	script[n++] = (struct tk_step)TK_STALL();
	script[n++] = (struct tk_step)TK_UNTIL(may_end);
	for (int i = 0; i < FORGED; i++) {
		snprintf(texts[i], sizeof(texts[i]), "40 (%04X)", i + 1);
		script[n++] = (struct tk_step)TK_SEND(texts[i]);
	}
	script[n++] = (struct tk_step)TK_RESUME();
	script[n++] = (struct tk_step)TK_END;
	free_at = _i * 5;
	kit.broker = stalling_broker(script);
	KIT_CLIENT(.keepalive = 60, .max_inflight = FORGED, .no_reconnect = true);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	for (int i = 0; i < FORGED; i++)
		ck_assert_int_gt(kit_try_publish(kit.client,
				     MQEV_MESSAGE(.topic = "a", .payload = payload,
					 .payload_len = FORGED_LEN, .qos = 1,
					 .release = release_and_free, .release_arg = &released)),
		    0);
	kit_run(20);
	may_end = 1;
	KIT_PLAY(5000);
	kit_run(20);
	if (kit.client != NULL)
		kit_free_client();
	TK_RUN_UNTIL(kit.base, all_released, 2000);
	ck_assert_int_eq(released, FORGED);
	free(payload);
}
END_TEST

START_TEST(lent_payload_that_is_refused)
{
	KIT_CLIENT(.max_queued = 1, .offline_qos0 = MQEV_OFFLINE_REJECT);
	ck_assert_int_eq(publish_lent("x", 1, 3), MQEV_ERR_INVALID);
	ck_assert_int_eq(publish_lent("x", 1, 0), MQEV_ERR_STATE);
	kit_publish("a", "m", 1);
	ck_assert_int_eq(publish_lent("x", 1, 1), MQEV_ERR_QUEUE_FULL);
	kit_run(20);
	ck_assert_int_eq(released, 0);
}
END_TEST

/* --- large messages ----------------------------------------------------------------------------
 */

#define TEN_MIB ((size_t)10 << 20)

static char *
pattern(size_t size)
{
	char *data = malloc(size);

	ck_assert_ptr_nonnull(data);
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 31 + i / 4093);
	return data;
}

static const char *
is_pattern(const struct tk_packet *p, void *arg)
{
	size_t size = *(size_t *)arg;
	char *want = pattern(size);
	bool same = p->payload.len == size && memcmp(p->payload.data, want, size) == 0;

	free(want);
	return same ? NULL : "another payload";
}

static size_t large = TEN_MIB;

START_TEST(ten_mib_out)
{
	static const char *const acks[] = {NULL, "40 (0001)", "50 (0001)"};
	struct tk_step script[10];
	size_t n = 0;
	char *data = pattern(large);

	script[n++] = (struct tk_step)TK_EXPECT(CONNECT);
	script[n++] = (struct tk_step)TK_SEND("20 (00 00)");
	script[n++] = (struct tk_step)TK_EXPECT_IF(PUBLISH, is_pattern, &large);
	if (_i > 0)
		script[n++] = (struct tk_step)TK_SEND(acks[_i]);
	if (_i == 2)
		add_release(script, &n);
	script[n++] = (struct tk_step)TK_END;
	KIT_CLIENT(.keepalive = 60);
	start(script);
	ck_assert_int_gt(
	    kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "big", .payload = data,
					    .payload_len = large, .qos = _i)),
	    0);
	free(data);
	KIT_PLAY(15000);
	kit_await_all(5000);
	ck_assert_int_eq(kit.result.error, 0);
}
END_TEST

#define MIXED 120

/* Now below, now above each size from which on bytes are lent, split or sent by themselves. */
static size_t
mixed_size(size_t i)
{
	static const size_t around[] = {10, 300, 4096, 16384, 65536, 150000};

	return around[i * 7 % 6] + i * 37 % 101 - (i % 3 == 0 ? 9 : 0);
}

static size_t mixed_sizes[MIXED];

/* They stay in their order, whole, whether the server reads at once or only when all waits. */
START_TEST(mixed_sizes_out)
{
	static struct tk_step script[MIXED + 6];
	char *data = pattern(200000);
	size_t n = 0;

	script[n++] = (struct tk_step)TK_EXPECT(CONNECT);
	script[n++] = (struct tk_step)TK_SEND("20 (00 00)");
	if (_i >= 2)
		script[n++] = (struct tk_step)TK_STALL();
	if (_i >= 2)
		script[n++] = (struct tk_step)TK_UNTIL(may_end);
	if (_i >= 2)
		script[n++] = (struct tk_step)TK_RESUME();
	for (size_t i = 0; i < MIXED; i++) {
		mixed_sizes[i] = mixed_size(i);
		script[n++] =
		    (struct tk_step)TK_EXPECT_IF(PUBLISH, is_pattern, &mixed_sizes[i]);
	}
	script[n++] = (struct tk_step)TK_END;
	may_end = 0;
	kit.broker = stalling_broker(script);
	KIT_CLIENT(.keepalive = 60, .max_inflight = MIXED);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	for (size_t i = 0; i < MIXED; i++)
		ck_assert_int_gt(kit_try_publish(kit.client,
				     MQEV_MESSAGE(.topic = "mixed", .payload = data,
					 .payload_len = mixed_size(i), .qos = _i % 2)),
		    0);
	if (_i >= 2)
		kit_run(50);
	may_end = 1;
	KIT_PLAY(15000);
	if (_i % 2 == 0)
		kit_await_all(5000);
	free(data);
}
END_TEST

static void
check_pattern(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	const struct mqev_message *m = what;
	char *want;

	(void)c;
	(void)userdata;
	if (event != KIT_MESSAGE || m->payload_len < 64)
		return;
	want = pattern(TEN_MIB);
	ck_assert_uint_eq(m->payload_len, TEN_MIB);
	ck_assert(memcmp(m->payload, want, TEN_MIB) == 0);
	free(want);
}

START_TEST(ten_mib_in)
{
	static struct tk_buf packet;
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_SEND_BUF(packet), TK_SEND("32 ({'end'} 0009 'x')"), TK_EXPECT(PUBACK),
	    TK_END};
	char *data = pattern(large);

	packet = TK_MAKE_PUBLISH(
		.version = TK_V311, .topic = "big", .data = data, .data_len = large);
	free(data);
	kit.hook = check_pattern;
	kit.quiet[KIT_MESSAGE] = true;
	KIT_CLIENT(.keepalive = 60);
	start(script);
	KIT_PLAY(15000);
	KIT_AWAIT(KIT_MESSAGE, 2, 5000);
	tk_buf_free(&packet);
}
END_TEST

/* Pieces of every size that does not divide anything, so that each field is cut somewhere. */
START_TEST(cut_in_pieces)
{
	static const int sizes[] = {1, 2, 3, 7, 61, 509, 4096, 4099};
	const struct tk_step script[] = {
	    TK_EXPECT(CONNECT),
	    TK_SEND_CUT("20 (00 00 (21 0009 26 {'key'} {'value'}))", sizes[_i] < 3 ? sizes[_i] : 3),
	    TK_SEND_CUT("30 ({'a/b'} (26 {'k'} {'v'}) 'small') 32 ({'a/c'} 0007 () 'x'*300)"
			"34 ({'a/d'} 0008 () 'end') 62 (0008) 30 ({'e'} () 'y'*9000)",
		sizes[_i] < 7 ? sizes[_i] * 7 : sizes[_i]),
	    TK_EXPECT_BYTES("40 (0007)"),
	    TK_EXPECT_BYTES("50 (0008)"),
	    TK_EXPECT_BYTES("70 (0008)"),
	    TK_QUIET(20),
	    TK_END,
	};

	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	kit_broker(script);
	kit_connect();
	KIT_PLAY(10000);
	KIT_AWAIT(KIT_MESSAGE, 4, 1000);
}
END_TEST

#define BURST 5000

/* Many small packets in few reads, both ways at once. */
START_TEST(burst_both_ways)
{
	static struct tk_buf burst;
	static const struct tk_step flood[] = {
	    ACCEPT_V311, TK_SEND_BUF(burst), TK_UNTIL(may_end), TK_WAIT(50), TK_END};

	for (int i = 0; i < BURST; i++)
		tk_buf_hex(&burst, "30 ({'a'} 'payload')");
	KIT_CLIENT(.keepalive = 60);
	kit.quiet[KIT_MESSAGE] = kit.quiet[KIT_DONE] = true;
	start(flood);
	for (int i = 0; i < BURST; i++)
		kit_publish("b", "payload", 0);
	kit_await_all(5000);
	KIT_AWAIT(KIT_MESSAGE, BURST, 5000);
	may_end = 1;
	KIT_PLAY(5000);
	ck_assert_uint_eq(tk_broker_count_type(kit.broker, 1, TK_PUBLISH), BURST);
	tk_buf_free(&burst);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("client_publish");
	TCase *tc = kit_case(s, "bytes");

	tcase_add_loop_test(tc, publish_bytes, 0, COUNT(publish_rows));
	tcase_add_test(tc, properties);
	tcase_add_test(tc, properties_are_left_out_in_3_1_1);
	tc = kit_case(s, "when");
	tcase_add_loop_test(tc, before_connect, 0, 2);
	tcase_add_test(tc, offline_qos0_can_be_rejected);
	tcase_add_test(tc, in_on_connect);
	tcase_add_loop_test(tc, all_is_copied, 0, 2);
	tc = kit_case(s, "the link is lost");
	tcase_add_test(tc, qos0_on_a_link_that_dies);
	tcase_add_test(tc, qos0_completes_when_it_left);
	tcase_add_loop_test(tc, sent_again_with_dup, 0, COUNT(lost_rows));
	tcase_add_loop_test(tc, session_lost, 0, 2 * COUNT(session_rows));
	tcase_add_test(tc, queued_survives);
	tcase_add_test(tc, queued_survives_disconnect);
	tcase_add_test(tc, broker_closes_while_we_write);
	tcase_add_loop_test(tc, sigpipe_is_the_applications, 0, 3);
	tc = kit_case(s, "answers");
	tcase_add_loop_test(tc, answers, 0, COUNT(answer_rows));
	tcase_add_test(tc, pubcomp_not_found_is_done);
	tc = kit_case(s, "limits");
	tcase_add_test(tc, server_limits);
	tcase_add_test(tc, own_queue_limits);
	tcase_add_test(tc, own_queue_bytes);
	tcase_add_test(tc, queue_drains);
	tcase_add_test(tc, inflight_window);
	tcase_add_test(tc, receive_maximum_of_the_server);
	tc = kit_case(s, "time");
	tcase_add_test(tc, expiry);
	tcase_add_test(tc, ack_timeout);
	tc = kit_case(s, "lent payloads");
	tcase_add_loop_test(tc, lent_payload, 0, 3);
	tcase_add_loop_test(tc, lent_payload_of_a_client_that_is_freed, 0, 2);
	tcase_add_loop_test(tc, lent_payload_on_a_stalled_link, 0, 2);
	tcase_add_loop_test(tc, lent_payload_is_acknowledged_too_early, 0, FORGED / 5 + 1);
	tcase_add_test(tc, lent_payload_that_is_refused);
	tc = kit_case(s, "large");
	tcase_set_timeout(tc, 40);
	tcase_add_loop_test(tc, ten_mib_out, 0, 3);
	tcase_add_loop_test(tc, mixed_sizes_out, 0, 4);
	tcase_add_test(tc, ten_mib_in);
	tcase_add_loop_test(tc, cut_in_pieces, 0, 8);
	tcase_add_test(tc, burst_both_ways);
	return s;
}

int
main(void)
{
	return tk_main(suite());
}
