/* The connect controller: what the application is asked and may decide, redirects, giving up, and
 * what happens to the socket. */
#include "wire/client_kit.h"

#include <stdarg.h>
#include <stdio.h>

#define V5 .protocol = MQEV_PROTOCOL_V5
#define ACCEPT_V5 TK_EXPECT_BYTES(KIT_CONNECT_V5), TK_SEND("20 (00 00 ())")
#define LOSE TK_EXPECT(CONNECT), TK_CLOSE()
#define COUNT(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))

static int
closed_port(void)
{
	struct tk_broker *b = tk_broker_new(kit.base, NULL, NULL);
	int port = tk_broker_port(b);

	tk_broker_free(b);
	return port;
}

static void
more_setup(void)
{
	kit_setup();
	kit.more = true;
}

static TCase *
more_case(Suite *suite, const char *name)
{
	TCase *tc = tk_case(suite, name);

	tcase_add_checked_fixture(tc, more_setup, kit_teardown);
	return tc;
}

/* --- the order of callbacks --------------------------------------------------------------------
 */

START_TEST(order_of_a_whole_life)
{
	static const struct tk_step script[] = {ACCEPT_V5, TK_CLOSE(), TK_ACCEPT(), ACCEPT_V5,
	    TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	KIT_CLIENT(V5);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 2, 2000);
	ck_assert_int_eq((int)mqev_client_state(kit.client), MQEV_CLIENT_CONNECTED);
	kit_disconnect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_SOCKET_CLOSE, 2, 1000);
	KIT_DIARY("pre open connect:00 close retry:LOST disconnect:LOST "
		  "pre open connect:00 disconnect:OK close");
	ck_assert_int_eq((int)mqev_client_state(kit.client), MQEV_CLIENT_IDLE);
}
END_TEST

START_TEST(order_of_failures)
{
	static const struct tk_step script[] = {LOSE, TK_ACCEPT(), TK_EXPECT(CONNECT),
	    TK_SEND("20 (00 85 ())"), TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	KIT_CLIENT(V5);
	kit_connect_to("mqtt://127.0.0.1:%d %s", closed_port(), tk_broker_url(kit.broker));
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	KIT_DIARY("pre retry:SYSTEM fail:dial:SYSTEM pre open close retry:LOST fail:connack:LOST "
		  "pre retry:SYSTEM fail:dial:SYSTEM "
		  "pre open connect:85 close retry:REFUSED disconnect:REFUSED");
	ck_assert_uint_eq(kit.disconnection.retry_ms, MQEV_NONE);
}
END_TEST

static char large[400000];

START_TEST(writing_is_announced)
{
	static const struct tk_step script[] = {ACCEPT_V5, TK_STALL(), TK_WAIT(60), TK_RESUME(),
	    TK_EXPECT(PUBLISH), TK_WAIT(30), TK_END};

	kit_broker(script);
	KIT_CLIENT(V5, .socket = MQEV_SOCKET_OPTIONS(.send_buffer_bytes = 8192));
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
	kit.quiet[KIT_DONE] = true;
	ck_assert_int_gt(kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "t", .payload = large,
							 .payload_len = sizeof(large))),
	    0);
	KIT_PLAY(3000);
	KIT_DIARY("pre open connect:00 write idle");
}
END_TEST

/* The link ends while it waits for the socket. */
START_TEST(writing_ends_before_the_socket)
{
	static const struct tk_step script[] = {
	    ACCEPT_V5, TK_STALL(), TK_WAIT(60), TK_RESET(), TK_END};

	kit_broker(script);
	KIT_CLIENT(
	    V5, .no_reconnect = true, .socket = MQEV_SOCKET_OPTIONS(.send_buffer_bytes = 8192));
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
	kit.quiet[KIT_DONE] = true;
	kit_try_publish(
	    kit.client, MQEV_MESSAGE(.topic = "t", .payload = large, .payload_len = sizeof(large)));
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	KIT_DIARY("pre open connect:00 write idle close retry:LOST disconnect:LOST");
}
END_TEST

/* Giving up when the socket is announced: nothing was sent. */
static void
disconnect_at_open(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	if (event == KIT_SOCKET_OPEN && kit.count[event] == 1)
		ck_assert_int_eq(
		    KIT_CALL(*(int *)userdata != 0 ? mqev_reconnect(c) : mqev_disconnect(c, NULL)),
		    0);
}

START_TEST(given_up_at_open)
{
	static const struct tk_step script[] = {TK_EXPECT_CLOSE(), TK_ACCEPT(), ACCEPT_V5, TK_END};
	int again = _i;

	kit.hook = disconnect_at_open;
	kit_broker(script);
	KIT_CLIENT(V5, .userdata = &again);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 1000);
	ck_assert_uint_eq(kit.failure.retry_ms, again ? 0 : MQEV_NONE);
	if (again)
		KIT_PLAY(1000);
	else
		kit_run(50);
	if (again)
		KIT_AWAIT(KIT_CONNECT, 1, 1000);
	KIT_DIARY(again ? "pre open close fail:dial:CANCELED pre open connect:00"
			: "pre open close fail:dial:CANCELED");
}
END_TEST

/* --- what the application has to say before an attempt -----------------------------------------
 */

static void
fresh_login(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	char name[16];
	char topic[16];
	const struct mqev_pre_connect *attempt = what;

	(void)userdata;
	if (event != KIT_PRE_CONNECT)
		return;
	ck_assert_uint_eq(attempt->attempt, (unsigned)kit.count[event]);
	snprintf(name, sizeof(name), "u%d", (int)attempt->attempt);
	snprintf(topic, sizeof(topic), "w%d", (int)attempt->attempt);
	ck_assert_int_eq(KIT_CALL(mqev_client_set_login(c, name, "p", 0)), 0);
	ck_assert_int_eq(KIT_CALL(mqev_client_set_will(c, MQEV_WILL(.topic = topic))), 0);
	ck_assert_int_eq(
	    KIT_CALL(mqev_client_set_keepalive(c, 10 * (uint32_t)attempt->attempt)), 0);
}

START_TEST(each_attempt_has_its_own)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES("10 ({'MQTT'} 05 C6 000A () {'c'} () {'w1'} {} {'u1'} {'p'})"),
	    TK_CLOSE(), TK_ACCEPT(),
	    TK_EXPECT_BYTES("10 ({'MQTT'} 05 C6 0014 () {'c'} () {'w2'} {} {'u2'} {'p'})"),
	    TK_SEND("20 (00 00 ())"), TK_END};

	kit.hook = fresh_login;
	kit_broker(script);
	KIT_CLIENT(V5);
	kit_connect();
	KIT_PLAY(2000);
}
END_TEST

static struct {
	uint64_t attempt;
	int error;
	bool now;
} held;

static void
hold(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	const struct mqev_pre_connect *attempt = what;

	(void)userdata;
	if (event != KIT_PRE_CONNECT)
		return;
	held.attempt = attempt->attempt;
	ck_assert_int_eq(KIT_CALL(mqev_attempt_hold(c)), 0);
	if (held.now)
		ck_assert_int_eq(KIT_CALL(mqev_attempt_go(c, held.attempt, held.error)), 0);
}

static int
go(void)
{
	return KIT_CALL(mqev_attempt_go(kit.client, held.attempt, held.error));
}

START_TEST(answer_comes_later)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES("10 ({'MQTT'} 05 80 003C () {'c'} {'late'})"), TK_SEND("20 (00 00 ())"),
	    TK_END};

	kit.hook = hold;
	kit_broker(script);
	KIT_CLIENT(V5, .clean = MQEV_CLEAN_NEVER);
	ck_assert_int_eq(mqev_attempt_hold(kit.client), MQEV_ERR_STATE);
	kit_connect();
	KIT_AWAIT(KIT_PRE_CONNECT, 1, 1000);
	kit_run(40);
	ck_assert_int_eq(tk_broker_connections(kit.broker), 0);
	ck_assert_int_eq((int)mqev_client_state(kit.client), MQEV_CLIENT_PREPARING);
	ck_assert_int_eq(mqev_attempt_hold(kit.client), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_attempt_go(kit.client, held.attempt + 1, 0), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_attempt_go(kit.client, held.attempt, 1), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_client_set_login(kit.client, "late", NULL, 0), 0);
	ck_assert_int_eq(go(), 0);
	ck_assert_int_eq(go(), MQEV_ERR_STATE);
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
	ck_assert_int_eq(go(), MQEV_ERR_STATE);
}
END_TEST

/* In the callback itself it is no wait at all. */
START_TEST(answer_comes_at_once)
{
	static const struct tk_step script[] = {ACCEPT_V5, TK_END};

	held.now = true;
	kit.hook = hold;
	kit_broker(script);
	KIT_CLIENT(V5);
	kit_connect();
	KIT_PLAY(2000);
}
END_TEST

START_TEST(answer_never_comes)
{
	kit.hook = hold;
	KIT_CLIENT(V5, .reconnect = MQEV_RECONNECT(.prepare_timeout_ms = 30));
	kit_connect_to("mqtt://127.0.0.1:1");
	KIT_AWAIT(KIT_CONNECT_FAIL, 2, 2000);
	ck_assert_int_eq((int)kit.failure.stage, MQEV_STAGE_PREPARE);
	ck_assert_uint_ne(kit.failure.retry_ms, MQEV_NONE);
	ck_assert_int_eq(go(), MQEV_ERR_STATE);
	kit_disconnect();
	kit_run(60);
	KIT_DIARY("pre retry:TIMEOUT fail:prepare:TIMEOUT pre retry:TIMEOUT fail:prepare:TIMEOUT");
}
END_TEST

START_TEST(answer_is_no)
{
	held.error = MQEV_ERR_NOT_FOUND;
	held.now = _i;
	kit.hook = hold;
	KIT_CLIENT(V5);
	kit_connect_to("mqtt://127.0.0.1:1");
	KIT_AWAIT(KIT_PRE_CONNECT, 1, 1000);
	if (!held.now)
		ck_assert_int_eq(go(), 0);
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 1000);
	KIT_DIARY("pre retry:NOT_FOUND fail:prepare:NOT_FOUND");
	/* The wait for the next attempt, or that attempt, is given up. */
	kit_disconnect();
}
END_TEST

START_TEST(given_up_while_held)
{
	kit.hook = hold;
	KIT_CLIENT(V5);
	kit_connect_to("mqtt://127.0.0.1:1");
	KIT_AWAIT(KIT_PRE_CONNECT, 1, 1000);
	kit_disconnect();
	ck_assert_int_eq(go(), MQEV_ERR_STATE);
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 1000);
	KIT_DIARY("pre fail:prepare:CANCELED");
	kit_run(30);
}
END_TEST

/* An attempt that is held has its place among the fleet's handshakes: the next client waits. */
START_TEST(held_attempts_are_counted)
{
	struct mqev_client *second;

	kit.hook = hold;
	ck_assert_int_eq(mqev_fleet_set_connect_limits(kit.fleet, 1, 0, 0), 0);
	KIT_CLIENT(V5);
	second = kit_client_new(
	    (struct mqev_options){.size = sizeof(struct mqev_options), V5, .client_id = "second"});
	kit_connect_to("mqtt://127.0.0.1:%d", closed_port());
	KIT_AWAIT(KIT_PRE_CONNECT, 1, 1000);
	ck_assert_int_eq(KIT_CALL(mqev_connect(second, "mqtt://127.0.0.1:1")), 0);
	kit_run(40);
	ck_assert_int_eq(kit.count[KIT_PRE_CONNECT], 1);
	ck_assert_int_eq((int)mqev_client_state(second), MQEV_CLIENT_QUEUED);
	held.error = MQEV_ERR_NOT_FOUND;
	ck_assert_int_eq(go(), 0);
	KIT_AWAIT(KIT_PRE_CONNECT, 2, 1000);
	ck_assert_int_eq((int)mqev_client_state(second), MQEV_CLIENT_PREPARING);
	mqev_client_free(second);
	kit_disconnect();
}
END_TEST

/* --- a login that is refused -------------------------------------------------------------------
 */

static const struct tk_step refused_login[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 86 ())"),
    TK_EXPECT_CLOSE(), TK_ACCEPT(), TK_EXPECT_BYTES("10 ({'MQTT'} 05 80 003C () {'c'} {'new'})"),
    TK_SEND("20 (00 00 ())"), TK_END};

static void
new_login(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	const struct mqev_pre_connect *attempt = what;

	(void)userdata;
	if (event != KIT_PRE_CONNECT)
		return;
	ck_assert_int_eq((int)attempt->refused,
	    attempt->attempt == 2 ? MQEV_REASON_BAD_USER_NAME_OR_PASSWORD : 0);
	if (attempt->refused != 0)
		ck_assert_int_eq(mqev_client_set_login(c, "new", NULL, 0), 0);
}

START_TEST(refused_login_is_replaced)
{
	kit.hook = new_login;
	kit_broker(refused_login);
	KIT_CLIENT(V5, .username = "old", .clean = MQEV_CLEAN_NEVER);
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT, 2, 1000);
}
END_TEST

START_TEST(refused_login_is_not_replaced)
{
	kit_broker(refused_login);
	KIT_CLIENT(V5, .username = "old");
	kit_connect();
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 2000);
	ck_assert_uint_eq(kit.failure.retry_ms, MQEV_NONE);
	KIT_DIARY("pre open connect:86 close retry:REFUSED disconnect:REFUSED "
		  "pre retry:AUTH fail:prepare:AUTH");
	kit_run(60);
	KIT_DIARY("");
	/* Asked for again, the old one is tried again. */
	kit_connect();
	KIT_AWAIT(KIT_SOCKET_OPEN, 2, 1000);
	(void)tk_broker_error(kit.broker);
}
END_TEST

START_TEST(refused_login_with_nobody_to_ask)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_SEND("20 (00 87 ())"), TK_EXPECT_CLOSE(), TK_END};

	kit.more = false;
	kit_broker(script);
	KIT_CLIENT(V5);
	kit_connect();
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	ck_assert_uint_eq(kit.disconnection.retry_ms, MQEV_NONE);
	KIT_PLAY(1000);
}
END_TEST

/* --- the application overrules -----------------------------------------------------------------
 */

enum { DEFAULT, AFTER, STOP, ELSEWHERE, BAD_URL, CHANGES_MIND };

static struct {
	int what;
	const char *url;
	uint32_t proposed;
	uint32_t failures;
	int reason;
	size_t said; /* properties of the server */
} verdict;

static void
overrule(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	const struct mqev_retry *retry = what;

	(void)userdata;
	if (event != KIT_RETRY || kit.count[event] > 1)
		return;
	verdict.proposed = retry->retry_ms;
	verdict.failures = retry->failures;
	verdict.reason = (int)retry->reason;
	verdict.said = mqev_properties_count(retry->properties);
	if (verdict.what == AFTER)
		ck_assert_int_eq(mqev_retry_after(retry, 5), 0);
	if (verdict.what == STOP || verdict.what == CHANGES_MIND)
		ck_assert_int_eq(mqev_retry_stop(retry), 0);
	if (verdict.what == ELSEWHERE || verdict.what == CHANGES_MIND)
		ck_assert_int_eq(mqev_retry_elsewhere(retry, verdict.url, 0), 0);
	if (verdict.what == CHANGES_MIND)
		ck_assert_int_eq(mqev_retry_after(retry, 1), 0);
	if (verdict.what != BAD_URL)
		return;
	ck_assert_int_eq(mqev_retry_elsewhere(retry, "x://y", 0), MQEV_ERR_INVALID);
	ck_assert_str_ne(mqev_client_error_text(c), "");
	ck_assert_int_eq(mqev_retry_elsewhere(retry, NULL, 0), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_retry_after(retry, MQEV_NONE), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_retry_after(NULL, 1), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_retry_stop(NULL), MQEV_ERR_INVALID);
}

/* Session taken over: stops, unless somebody knows better. */
START_TEST(taken_over)
{
	static const struct tk_step script[] = {ACCEPT_V5, TK_SEND("E0 (8E (1F {'two'}))"),
	    TK_EXPECT_CLOSE(), TK_ACCEPT(), ACCEPT_V5, TK_END};
	bool again = _i == AFTER || _i == CHANGES_MIND;

	verdict.what = _i;
	verdict.url = "mqtt://127.0.0.1:1";
	kit.hook = overrule;
	kit_broker(script);
	KIT_CLIENT(V5);
	kit_connect();
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	ck_assert_uint_eq(verdict.proposed, MQEV_NONE);
	ck_assert_int_eq(verdict.reason, MQEV_REASON_SESSION_TAKEN_OVER);
	ck_assert_uint_eq(verdict.said, 1);
	ck_assert_uint_eq(verdict.failures, 0);
	if (again) {
		ck_assert_uint_eq(kit.disconnection.retry_ms, _i == AFTER ? 5 : 1);
		KIT_PLAY(1000);
	} else if (_i != ELSEWHERE) {
		ck_assert_uint_eq(kit.disconnection.retry_ms, MQEV_NONE);
		kit_run(80);
		ck_assert_int_eq(tk_broker_connections(kit.broker), 1);
	} else {
		KIT_AWAIT(KIT_CONNECT_FAIL, 1, 1000);
		ck_assert_int_eq(mqev_client_port(kit.client), 1);
	}
}
END_TEST

START_TEST(failed_attempt_is_stopped)
{
	verdict.what = STOP;
	kit.hook = overrule;
	KIT_CLIENT(V5);
	kit_connect_to("mqtt://127.0.0.1:%d", closed_port());
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 1000);
	ck_assert_uint_ne(verdict.proposed, MQEV_NONE);
	ck_assert_uint_eq(verdict.failures, 1);
	ck_assert_uint_eq(kit.failure.retry_ms, MQEV_NONE);
	kit_run(60);
	KIT_DIARY("pre retry:SYSTEM fail:dial:SYSTEM");
}
END_TEST

/* Another list of servers: it stays. */
START_TEST(elsewhere)
{
	static const struct tk_step script[] = {
	    ACCEPT_V5, TK_CLOSE(), TK_ACCEPT(), ACCEPT_V5, TK_END};

	kit_broker(script);
	verdict.what = ELSEWHERE;
	verdict.url = tk_broker_url(kit.broker);
	kit.hook = overrule;
	KIT_CLIENT(V5);
	kit_connect_to("mqtt://127.0.0.1:%d", closed_port());
	KIT_PLAY(2000);
	ck_assert_int_eq(mqev_client_port(kit.client), tk_broker_port(kit.broker));
	KIT_DIARY("pre retry:SYSTEM fail:dial:SYSTEM pre open connect:00 close retry:LOST "
		  "disconnect:LOST pre open");
}
END_TEST

/* What it says by other calls goes first, whatever its verdict was. */
static void
decide_by_call(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	int way = *(int *)userdata;

	if (event != KIT_RETRY || kit.count[event] > 1)
		return;
	ck_assert_int_eq(mqev_retry_after(what, 10000), 0);
	if (way != 2)
		ck_assert_int_eq(KIT_CALL(mqev_disconnect(c, NULL)), 0);
	if (way == 1)
		ck_assert_int_eq(KIT_CALL(mqev_connect(c, tk_broker_url(kit.broker))), 0);
	if (way == 2)
		ck_assert_int_eq(KIT_CALL(mqev_reconnect(c)), 0);
}

START_TEST(other_calls_in_on_retry)
{
	static const struct tk_step script[] = {LOSE, TK_ACCEPT(), ACCEPT_V5, TK_END};
	int way = _i;

	kit.hook = decide_by_call;
	kit_broker(script);
	KIT_CLIENT(V5, .userdata = &way);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 1000);
	ck_assert_uint_eq(kit.failure.retry_ms, way == 0 ? MQEV_NONE : 0);
	if (way == 0)
		kit_run(50);
	else
		KIT_PLAY(1000);
	ck_assert_int_eq(kit.count[KIT_CONNECT_FAIL], 1);
}
END_TEST

/* --- redirects ---------------------------------------------------------------------------------
 */

static struct tk_broker *there;
static struct tk_buf send_away;

/* A CONNACK (0x20) or DISCONNECT (0xE0) that names other servers. */
static void
redirect(int packet, int reason, const char *format, ...)
{
	char reference[512];
	char text[600];
	va_list args;

	va_start(args, format);
	vsnprintf(reference, sizeof(reference), format, args);
	va_end(args);
	snprintf(text, sizeof(text), "%02X (%s%02X (1C {'%s'}))", packet,
	    packet == 0x20 ? "00 " : "", reason, reference);
	tk_buf_clear(&send_away);
	tk_buf_hex(&send_away, text);
}

static void
redirect_setup(void)
{
	more_setup();
	memset(&send_away, 0, sizeof(send_away));
}

static void
redirect_teardown(void)
{
	tk_buf_free(&send_away);
	if (there != NULL)
		tk_broker_free(there);
	there = NULL;
	kit_teardown();
}

static const struct tk_step sends_away[] = {
    TK_EXPECT(CONNECT), TK_SEND_BUF(send_away), TK_EXPECT_CLOSE(), TK_END};

static void
broker_there(const struct tk_step *script)
{
	there = tk_broker_new(kit.base, script, NULL);
}

/* To another server, with the login of the first one; when that connection ends, back again. */
START_TEST(temporary_redirect)
{
	static const struct tk_step here_script[] = {TK_EXPECT(CONNECT), TK_SEND_BUF(send_away),
	    TK_EXPECT_CLOSE(), TK_ACCEPT(), TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())"), TK_END};
	static const struct tk_step there_script[] = {
	    TK_EXPECT_BYTES("10 ({'MQTT'} 05 C2 003C () {'c'} {'al'} {'pw'})"),
	    TK_SEND("20 (00 00 ())"), TK_WAIT(20), TK_CLOSE(), TK_END};

	broker_there(there_script);
	redirect(0x20, 0x9C, "127.0.0.1:%d", tk_broker_port(there));
	kit_broker(here_script);
	KIT_CLIENT(V5);
	kit_connect_to("mqtt://al:pw@127.0.0.1:%d", tk_broker_port(kit.broker));
	KIT_AWAIT(KIT_CONNECT, 2, 2000);
	ck_assert_int_eq(mqev_client_port(kit.client), tk_broker_port(there));
	ck_assert_str_eq(mqev_client_username(kit.client), "al");
	KIT_PLAY(2000);
	TK_RUN(there, 1000);
	KIT_AWAIT(KIT_CONNECT, 3, 2000);
	ck_assert_int_eq(mqev_client_port(kit.client), tk_broker_port(kit.broker));
	KIT_DIARY("pre open connect:9C close redirect retry:REFUSED disconnect:REFUSED "
		  "pre open connect:00 close retry:LOST disconnect:LOST pre open connect:00");
}
END_TEST

/* By DISCONNECT, and for good. */
START_TEST(permanent_redirect)
{
	static const struct tk_step here_script[] = {
	    ACCEPT_V5, TK_SEND_BUF(send_away), TK_EXPECT_CLOSE(), TK_END};
	static const struct tk_step there_script[] = {
	    ACCEPT_V5, TK_CLOSE(), TK_ACCEPT(), ACCEPT_V5, TK_END};

	broker_there(there_script);
	redirect(0xE0, 0x9D, "127.0.0.1:%d", tk_broker_port(there));
	kit_broker(here_script);
	KIT_CLIENT(V5);
	kit_connect();
	KIT_PLAY(2000);
	TK_RUN(there, 2000);
	ck_assert_int_eq(tk_broker_connections(kit.broker), 1);
	ck_assert_int_eq(mqev_client_port(kit.client), tk_broker_port(there));
}
END_TEST

/* Each of those that are named is tried, then the first server again. */
START_TEST(dead_redirects)
{
	static const struct tk_step here_script[] = {TK_EXPECT(CONNECT), TK_SEND_BUF(send_away),
	    TK_EXPECT_CLOSE(), TK_ACCEPT(), ACCEPT_V5, TK_END};

	redirect(0x20, 0x9C, "127.0.0.1:%d  127.0.0.1:%d", closed_port(), closed_port());
	kit_broker(here_script);
	KIT_CLIENT(V5);
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT, 2, 1000);
	KIT_DIARY("pre open connect:9C close redirect retry:REFUSED disconnect:REFUSED "
		  "pre retry:SYSTEM fail:dial:SYSTEM pre retry:SYSTEM fail:dial:SYSTEM "
		  "pre open connect:00");
	ck_assert_int_eq(mqev_client_port(kit.client), tk_broker_port(kit.broker));
}
END_TEST

/* A circle of servers ends. */
START_TEST(redirects_without_end)
{
	static const struct tk_step here_script[] = {TK_EXPECT(CONNECT), TK_SEND_BUF(send_away),
	    TK_EXPECT_CLOSE(), TK_ACCEPT(), TK_EXPECT(CONNECT), TK_SEND_BUF(send_away),
	    TK_EXPECT_CLOSE(), TK_ACCEPT(), TK_EXPECT(CONNECT), TK_SEND_BUF(send_away),
	    TK_EXPECT_CLOSE(), TK_END};

	kit_broker(here_script);
	redirect(0x20, 0x9C, "127.0.0.1:%d", tk_broker_port(kit.broker));
	KIT_CLIENT(V5, .reconnect_min_ms = 60000, .reconnect_max_ms = 60000,
	    .reconnect = MQEV_RECONNECT(.max_redirects = 2));
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 3, 1000);
	ck_assert_int_eq(kit.count[KIT_REDIRECT], 2);
	ck_assert_uint_eq(kit.disconnection.retry_ms, 60000);
}
END_TEST

static const char *const bad_references[] = {"", "   ", "user@127.0.0.1:1", "unix:///tmp/x",
    "127.0.0.1:0", "127.0.0.1:1:1", "x://127.0.0.1", "[::1", "h h h h h h h h h h h h h h h h h"};

/* One that cannot be used counts as none. */
START_TEST(bad_redirect)
{
	kit_broker(sends_away);
	redirect(0x20, 0x9C, "%s", bad_references[_i]);
	KIT_CLIENT(V5, .reconnect_min_ms = 60000, .reconnect_max_ms = 60000);
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	ck_assert_uint_eq(kit.disconnection.retry_ms, 60000);
}
END_TEST

START_TEST(redirect_is_not_allowed)
{
	bool by_option = _i;

	kit_broker(sends_away);
	redirect(0x20, 0x9D, "127.0.0.1:1");
	kit.no_redirect = true;
	KIT_CLIENT(V5, .reconnect_min_ms = 60000, .reconnect_max_ms = 60000,
	    .reconnect = MQEV_RECONNECT(.max_redirects = by_option ? MQEV_NONE : 0));
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	ck_assert_int_eq(kit.count[KIT_REDIRECT], by_option ? 0 : 1);
	ck_assert_uint_eq(kit.disconnection.retry_ms, 60000);
}
END_TEST

/* Memory runs out while a redirect is taken: it is followed, or the first server is tried again, or
 * the attempt fails for it. */
static void
starve(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)c;
	(void)what;
	if (event == KIT_CONNECT && kit.count[event] == 1)
		fail_mem_after(*(unsigned *)userdata);
	if (event == KIT_DISCONNECT)
		fail_mem_never();
}

START_TEST(redirect_without_memory)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND_BUF(send_away),
	    TK_EXPECT_CLOSE(), TK_ACCEPT(), TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())"), TK_END};
	unsigned after = (unsigned)_i;

	kit.hook = starve;
	kit_broker(script);
	redirect(0x20, 0x9D, "127.0.0.1:%d 127.0.0.1:%d", tk_broker_port(kit.broker),
	    tk_broker_port(kit.broker));
	KIT_CLIENT(V5, .userdata = &after);
	kit_connect_to("mqtt://al:pw@127.0.0.1:%d", tk_broker_port(kit.broker));
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT, 2, 1000);
	ck_assert_str_eq(mqev_client_username(kit.client), "al");
}
END_TEST

/* --- calls -------------------------------------------------------------------------------------
 */

START_TEST(reconnect_before_connect)
{
	KIT_CLIENT(V5);
	ck_assert_int_eq(mqev_reconnect(kit.client), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_reconnect(NULL), MQEV_ERR_INVALID);
	ck_assert_str_eq(mqev_client_host(kit.client), "");
	ck_assert_int_eq(mqev_client_port(kit.client), 0);
	kit_run(20);
	KIT_DIARY("");
}
END_TEST

START_TEST(reconnect_when_connected)
{
	static const struct tk_step script[] = {
	    ACCEPT_V5, TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_ACCEPT(), ACCEPT_V5, TK_END};

	kit_broker(script);
	KIT_CLIENT(V5, .reconnect_min_ms = 60000, .reconnect_max_ms = 60000);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
	ck_assert_int_eq(KIT_CALL(mqev_reconnect(kit.client)), 0);
	KIT_PLAY(1000);
	KIT_AWAIT(KIT_CONNECT, 2, 1000);
	KIT_DIARY("pre open connect:00 disconnect:OK close pre open connect:00");
	ck_assert_uint_eq(kit.disconnection.retry_ms, 0);
}
END_TEST

/* Before the CONNACK: given up, and begun anew. */
START_TEST(reconnect_in_the_handshake)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_EXPECT_CLOSE(), TK_ACCEPT(), ACCEPT_V5, TK_END};

	kit_broker(script);
	KIT_CLIENT(V5, .reconnect_min_ms = 60000, .reconnect_max_ms = 60000);
	kit_connect();
	KIT_AWAIT(KIT_SOCKET_OPEN, 1, 1000);
	ck_assert_int_eq((int)mqev_client_state(kit.client), MQEV_CLIENT_HANDSHAKE);
	kit_run(20);
	ck_assert_int_eq(KIT_CALL(mqev_reconnect(kit.client)), 0);
	KIT_PLAY(1000);
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
	KIT_DIARY("pre open close fail:connack:CANCELED pre open connect:00");
}
END_TEST

START_TEST(reconnect_while_waiting)
{
	static const struct tk_step script[] = {LOSE, TK_ACCEPT(), ACCEPT_V5, TK_END};

	kit_broker(script);
	KIT_CLIENT(V5, .reconnect_min_ms = 60000, .reconnect_max_ms = 60000);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 1000);
	ck_assert_int_eq((int)mqev_client_state(kit.client), MQEV_CLIENT_WAITING);
	ck_assert_int_eq(KIT_CALL(mqev_reconnect(kit.client)), 0);
	KIT_PLAY(1000);
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
	ck_assert_int_eq(kit.count[KIT_CONNECT_FAIL], 1);
}
END_TEST

START_TEST(reconnect_after_disconnect)
{
	static const struct tk_step script[] = {
	    ACCEPT_V5, TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_ACCEPT(), ACCEPT_V5, TK_END};

	kit_broker(script);
	KIT_CLIENT(V5);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
	kit_disconnect();
	if (_i)
		KIT_AWAIT(KIT_SOCKET_CLOSE, 1, 1000);
	ck_assert_int_eq(KIT_CALL(mqev_reconnect(kit.client)), 0);
	KIT_PLAY(1000);
	KIT_AWAIT(KIT_CONNECT, 2, 1000);
}
END_TEST

/* Two attempts that were given up in one turn: the one that had begun is told of, once. */
START_TEST(given_up_twice)
{
	static const struct tk_step script[] = {TK_END};

	kit_broker(script);
	KIT_CLIENT(V5);
	kit_connect();
	KIT_AWAIT(KIT_PRE_CONNECT, 1, 1000);
	kit_disconnect();
	kit_connect();
	kit_disconnect();
	kit_run(50);
	ck_assert_int_eq(kit.count[KIT_CONNECT_FAIL], 1);
	ck_assert_int_eq(kit.failure.error, MQEV_ERR_CANCELED);
}
END_TEST

/* --- giving up ---------------------------------------------------------------------------------
 */

START_TEST(first_connection_is_not_tried_again)
{
	kit.more = false;
	KIT_CLIENT(V5, .reconnect = MQEV_RECONNECT(.give_up_first = true));
	kit_connect_to("mqtt://127.0.0.1:%d mqtt://127.0.0.1:%d", closed_port(), closed_port());
	KIT_AWAIT(KIT_CONNECT_FAIL, 2, 1000);
	ck_assert_uint_eq(kit.failure.retry_ms, MQEV_NONE);
	kit_run(60);
	KIT_DIARY("fail:dial:SYSTEM fail:dial:SYSTEM");
}
END_TEST

START_TEST(first_connection_was_made)
{
	static const struct tk_step script[] = {
	    ACCEPT_V5, TK_CLOSE(), TK_ACCEPT(), LOSE, TK_ACCEPT(), ACCEPT_V5, TK_END};

	kit_broker(script);
	KIT_CLIENT(V5, .reconnect = MQEV_RECONNECT(.give_up_first = true));
	kit_connect();
	KIT_PLAY(2000);
}
END_TEST

START_TEST(so_many_failures)
{
	KIT_CLIENT(V5, .reconnect = MQEV_RECONNECT(.max_failures = 3));
	kit_connect_to("mqtt://127.0.0.1:%d", closed_port());
	KIT_AWAIT(KIT_CONNECT_FAIL, 3, 2000);
	ck_assert_uint_eq(kit.failure.retry_ms, MQEV_NONE);
	kit_run(100);
	ck_assert_int_eq(kit.count[KIT_CONNECT_FAIL], 3);
	/* The count begins anew. */
	ck_assert_int_eq(mqev_reconnect(kit.client), 0);
	KIT_AWAIT(KIT_CONNECT_FAIL, 6, 2000);
	ck_assert_uint_eq(kit.failure.retry_ms, MQEV_NONE);
}
END_TEST

/* A connection that was accepted is a success; with min_uptime_ms it must have lasted. */
START_TEST(failures_and_successes)
{
	static const struct tk_step script[] = {LOSE, TK_ACCEPT(), ACCEPT_V5, TK_CLOSE(),
	    TK_ACCEPT(), LOSE, TK_ACCEPT(), ACCEPT_V5, TK_END};
	static const struct tk_step short_script[] = {
	    LOSE, TK_ACCEPT(), ACCEPT_V5, TK_CLOSE(), TK_END};
	bool lasting = _i;

	kit_broker(lasting ? short_script : script);
	KIT_CLIENT(V5, .min_uptime_ms = lasting ? 5000 : 0,
	    .reconnect = MQEV_RECONNECT(.max_failures = 2));
	kit_connect();
	KIT_PLAY(2000);
	if (!lasting)
		return;
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	ck_assert_uint_eq(kit.disconnection.retry_ms, MQEV_NONE);
}
END_TEST

START_TEST(so_long)
{
	long long began = tk_now_ms();

	KIT_CLIENT(V5, .reconnect = MQEV_RECONNECT(.max_trying_ms = 150));
	kit_connect_to("mqtt://127.0.0.1:%d", closed_port());
	do
		KIT_AWAIT(KIT_CONNECT_FAIL, kit.count[KIT_CONNECT_FAIL] + 1, 1000);
	while (kit.failure.retry_ms != MQEV_NONE);
	ck_assert_int_le(tk_now_ms() - began, 250);
	ck_assert_int_ge(kit.count[KIT_CONNECT_FAIL], 3);
	kit_run(100);
	ck_assert_int_eq((int)mqev_client_state(kit.client), MQEV_CLIENT_IDLE);
}
END_TEST

/* --- waits -------------------------------------------------------------------------------------
 */

static uint32_t waits[8];

static void
note_wait(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)c;
	(void)userdata;
	if (event == KIT_CONNECT_FAIL && kit.count[event] <= COUNT(waits))
		waits[kit.count[event] - 1] = ((const struct mqev_connect_failure *)what)->retry_ms;
}

START_TEST(waits_without_jitter)
{
	static const uint32_t want[] = {10, 20, 40, 50, 50};

	kit.hook = note_wait;
	KIT_CLIENT(.reconnect_min_ms = 10, .reconnect_max_ms = 50,
	    .reconnect = MQEV_RECONNECT(.jitter = MQEV_JITTER_NONE));
	kit_connect_to("mqtt://127.0.0.1:%d", closed_port());
	KIT_AWAIT(KIT_CONNECT_FAIL, COUNT(want), 2000);
	for (int i = 0; i < COUNT(want); i++)
		ck_assert_uint_eq(waits[i], want[i]);
}
END_TEST

START_TEST(waits_with_full_jitter)
{
	kit.hook = note_wait;
	KIT_CLIENT(.reconnect_min_ms = 2, .reconnect_max_ms = 40,
	    .reconnect = MQEV_RECONNECT(.jitter = MQEV_JITTER_FULL));
	kit_connect_to("mqtt://127.0.0.1:%d", closed_port());
	KIT_AWAIT(KIT_CONNECT_FAIL, COUNT(waits), 2000);
	for (int i = 0; i < COUNT(waits); i++)
		ck_assert(waits[i] >= 2 && waits[i] <= 40);
}
END_TEST

START_TEST(waits_of_the_application)
{
	kit.backoff_ms = 7;
	kit.hook = note_wait;
	KIT_CLIENT(.reconnect_min_ms = 1000, .reconnect_max_ms = 2000);
	kit_connect_to("mqtt://127.0.0.1:%d", closed_port());
	KIT_AWAIT(KIT_CONNECT_FAIL, 3, 2000);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(waits[i], 7);
	kit.backoff_ms = MQEV_NONE;
	KIT_AWAIT(KIT_CONNECT_FAIL, 4, 2000);
	ck_assert_uint_eq(kit.failure.retry_ms, MQEV_NONE);
}
END_TEST

START_TEST(waits_are_set_while_running)
{
	static const struct tk_step script[] = {LOSE, TK_ACCEPT(), LOSE, TK_END};

	kit.hook = note_wait;
	kit_broker(script);
	KIT_CLIENT(.reconnect_min_ms = 10, .reconnect_max_ms = 20);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 1000);
	ck_assert_int_eq(mqev_client_set_reconnect_delay(kit.client, 70000, 70000), 0);
	ck_assert_int_eq(mqev_client_set_reconnect_delay(kit.client, 20, 10), MQEV_ERR_INVALID);
	KIT_AWAIT(KIT_CONNECT_FAIL, 2, 1000);
	ck_assert_uint_le(waits[0], 20);
	ck_assert_uint_eq(waits[1], 70000);
}
END_TEST

/* --- automatic reconnection, on and off --------------------------------------------------------
 */

START_TEST(reconnection_off_and_on)
{
	static const struct tk_step script[] = {ACCEPT_V5, TK_CLOSE(), TK_ACCEPT(), ACCEPT_V5,
	    TK_CLOSE(), TK_ACCEPT(), ACCEPT_V5, TK_END};

	kit_broker(script);
	KIT_CLIENT(V5);
	ck_assert_int_eq(mqev_client_set_reconnect(kit.client, false), 0);
	kit_connect();
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	ck_assert_uint_eq(kit.disconnection.retry_ms, MQEV_NONE);
	kit_run(60);
	ck_assert_int_eq(tk_broker_connections(kit.broker), 1);
	ck_assert_int_eq(mqev_client_set_reconnect(kit.client, true), 0);
	ck_assert_int_eq(mqev_reconnect(kit.client), 0);
	KIT_PLAY(1000);
}
END_TEST

/* Accepted and lost, or refused: the end, at once. */
START_TEST(no_reconnection)
{
	static const struct tk_step accepted[] = {
	    ACCEPT_V5, TK_EXPECT_BYTES("30 ({'a'} () 'm')"), TK_CLOSE(), TK_END};
	static const struct tk_step refused[] = {
	    TK_EXPECT(CONNECT), TK_SEND("20 (00 88 ())"), TK_EXPECT_CLOSE(), TK_END};

	kit.quiet[KIT_DONE] = true;
	kit_broker(_i ? refused : accepted);
	KIT_CLIENT(V5, .no_reconnect = true);
	if (!_i)
		kit_publish("a", "m", 0);
	kit_connect();
	KIT_PLAY(1000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	ck_assert_uint_eq(kit.disconnection.retry_ms, MQEV_NONE);
	ck_assert(!mqev_client_is_connected(kit.client));
	kit_run(60);
	ck_assert_int_eq(tk_broker_connections(kit.broker), 1);
	KIT_DIARY(_i ? "pre open connect:88 close retry:REFUSED disconnect:REFUSED"
		     : "pre open connect:00 close retry:LOST disconnect:LOST");
}
END_TEST

static void
reconnect_when_lost(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	if (event == KIT_DISCONNECT && kit.count[event] == 1)
		ck_assert_int_eq(KIT_CALL(mqev_reconnect(c)), 0);
}

/* The message in flight goes out again, with DUP and its identifier. */
START_TEST(reconnect_in_on_disconnect)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_EXPECT_BYTES("32 ({'a'} 0001 'm')"), TK_CLOSE(), TK_ACCEPT(), TK_EXPECT(CONNECT),
	    TK_SEND("20 (01 00)"), TK_EXPECT_BYTES("3A ({'a'} 0001 'm')"), TK_SEND("40 (@)"),
	    TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_END};

	kit.hook = reconnect_when_lost;
	kit_broker(script);
	KIT_CLIENT(.clean = MQEV_CLEAN_STRICT, .reconnect_min_ms = 60000,
	    .reconnect_max_ms = 60000);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
	kit_publish("a", "m", 1);
	kit_await_all(1000);
	kit_disconnect();
	KIT_PLAY(1000);
}
END_TEST

/* It waits: a CONNACK that refuses does not lose it. */
START_TEST(qos0_before_connack)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_QUIET(30),
	    TK_SEND("20 (00 03)"), TK_EXPECT_CLOSE(), TK_ACCEPT(), TK_EXPECT(CONNECT),
	    TK_SEND("20 (00 00)"), TK_EXPECT_BYTES("30 ({'a'} 'm')"), TK_END};
	int64_t op;

	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_AWAIT(KIT_SOCKET_OPEN, 1, 1000);
	op = kit_publish("a", "m", 0);
	KIT_PLAY(1000);
	kit_await_all(1000);
	ck_assert_int_eq(kit_error_of(op), 0);
}
END_TEST

/* --- the network has changed -------------------------------------------------------------------
 */

START_TEST(network_changed_while_waiting)
{
	static const struct tk_step script[] = {LOSE, TK_ACCEPT(), ACCEPT_V5, TK_END};

	kit_broker(script);
	KIT_CLIENT(V5, .reconnect_min_ms = 60000, .reconnect_max_ms = 60000);
	mqev_network_changed(kit.client);
	mqev_network_changed(NULL);
	mqev_fleet_network_changed(NULL);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 1000);
	kit.in_call++;
	if (_i)
		mqev_fleet_network_changed(kit.fleet);
	else
		mqev_network_changed(kit.client);
	kit.in_call--;
	KIT_PLAY(1000);
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
}
END_TEST

START_TEST(network_changed_and_the_server_is_there)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())"),
	    TK_EXPECT_BYTES("C0 00"), TK_SEND("D0 00"), TK_QUIET(150), TK_END};

	kit_broker(script);
	KIT_CLIENT(V5, .keepalive = _i ? MQEV_NONE : 60, .ping_timeout_ms = 100);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
	mqev_network_changed(kit.client);
	mqev_fleet_network_changed(kit.fleet); /* one is on its way already */
	KIT_PLAY(1000);
	ck_assert(mqev_client_is_connected(kit.client));
}
END_TEST

START_TEST(network_changed_and_the_server_is_gone)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())"), TK_EXPECT_BYTES("C0 00"), TK_END};

	kit_broker(script);
	KIT_CLIENT(V5, .keepalive = MQEV_NONE, .ping_timeout_ms = 50);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
	mqev_network_changed(kit.client);
	KIT_PLAY(1000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	ck_assert_int_eq(kit.disconnection.error, MQEV_ERR_KEEPALIVE);
}
END_TEST

/* --- the suite ---------------------------------------------------------------------------------
 */

static void
add_asked(Suite *s)
{
	TCase *tc = more_case(s, "order");

	tcase_add_test(tc, order_of_a_whole_life);
	tcase_add_test(tc, order_of_failures);
	tcase_add_test(tc, writing_is_announced);
	tcase_add_test(tc, writing_ends_before_the_socket);
	tcase_add_loop_test(tc, given_up_at_open, 0, 2);
	tc = more_case(s, "prepare");
	tcase_add_test(tc, each_attempt_has_its_own);
	tcase_add_test(tc, answer_comes_later);
	tcase_add_test(tc, answer_comes_at_once);
	tcase_add_test(tc, answer_never_comes);
	tcase_add_loop_test(tc, answer_is_no, 0, 2);
	tcase_add_test(tc, given_up_while_held);
	tcase_add_test(tc, held_attempts_are_counted);
	tcase_add_test(tc, refused_login_is_replaced);
	tcase_add_test(tc, refused_login_is_not_replaced);
	tcase_add_test(tc, refused_login_with_nobody_to_ask);
	tc = more_case(s, "overrule");
	tcase_add_loop_test(tc, taken_over, DEFAULT, CHANGES_MIND + 1);
	tcase_add_test(tc, failed_attempt_is_stopped);
	tcase_add_test(tc, elsewhere);
	tcase_add_loop_test(tc, other_calls_in_on_retry, 0, 3);
}

static void
add_redirects(Suite *s)
{
	TCase *tc = tk_case(s, "redirect");

	tcase_add_checked_fixture(tc, redirect_setup, redirect_teardown);
	tcase_add_test(tc, temporary_redirect);
	tcase_add_test(tc, permanent_redirect);
	tcase_add_test(tc, dead_redirects);
	tcase_add_test(tc, redirects_without_end);
	tcase_add_loop_test(tc, bad_redirect, 0, COUNT(bad_references));
	tcase_add_loop_test(tc, redirect_is_not_allowed, 0, 2);
	tcase_add_loop_test(tc, redirect_without_memory, 0, 24);
}

static void
add_calls(Suite *s)
{
	TCase *tc = more_case(s, "calls");

	tcase_add_test(tc, reconnect_before_connect);
	tcase_add_test(tc, reconnect_when_connected);
	tcase_add_test(tc, reconnect_in_the_handshake);
	tcase_add_test(tc, reconnect_while_waiting);
	tcase_add_loop_test(tc, reconnect_after_disconnect, 0, 2);
	tcase_add_test(tc, given_up_twice);
	tcase_add_test(tc, reconnection_off_and_on);
	tcase_add_loop_test(tc, no_reconnection, 0, 2);
	tcase_add_test(tc, reconnect_in_on_disconnect);
	tcase_add_test(tc, qos0_before_connack);
	tcase_add_loop_test(tc, network_changed_while_waiting, 0, 2);
	tcase_add_loop_test(tc, network_changed_and_the_server_is_there, 0, 2);
	tcase_add_test(tc, network_changed_and_the_server_is_gone);
	tc = more_case(s, "giving up");
	tcase_add_test(tc, first_connection_is_not_tried_again);
	tcase_add_test(tc, first_connection_was_made);
	tcase_add_test(tc, so_many_failures);
	tcase_add_loop_test(tc, failures_and_successes, 0, 2);
	tcase_add_test(tc, so_long);
	tc = more_case(s, "waits");
	tcase_add_test(tc, waits_without_jitter);
	tcase_add_test(tc, waits_with_full_jitter);
	tcase_add_test(tc, waits_of_the_application);
	tcase_add_test(tc, waits_are_set_while_running);
}

int
main(void)
{
	Suite *s = suite_create("client_control");

	add_asked(s);
	add_redirects(s);
	add_calls(s);
	return tk_main(s);
}
