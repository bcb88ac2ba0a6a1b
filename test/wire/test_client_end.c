/* The end of connections: mqev_disconnect() in every state, connecting again, what is still sent,
 * and how the socket is closed. */
#include "wire/client_kit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ACCEPT_V311 TK_EXPECT_BYTES(KIT_CONNECT_V311), TK_SEND("20 (00 00)")

/* --- mqev_disconnect() in every state ----------------------------------------------------------
 */

static const struct tk_step accepts_once[] = {
    ACCEPT_V311,
    TK_EXPECT_BYTES("E0 00"),
    TK_EXPECT_CLOSE(),
    TK_END,
};

static void
assert_connects_and_ends(const char *diary)
{
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	kit_disconnect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	KIT_DIARY(diary);
	ck_assert_int_eq(tk_broker_connections(kit.broker), 1);
}

START_TEST(idle)
{
	kit_broker(accepts_once);
	KIT_CLIENT(.keepalive = 60);
	ck_assert_int_eq(KIT_CALL(mqev_disconnect(kit.client, NULL)), MQEV_ERR_STATE);
	assert_connects_and_ends("connect:00 disconnect:OK");
	ck_assert_int_eq(KIT_CALL(mqev_disconnect(kit.client, NULL)), MQEV_ERR_STATE);
}
END_TEST

START_TEST(before_the_first_turn)
{
	kit_broker(accepts_once);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	ck_assert_int_eq(KIT_CALL(mqev_connect(kit.client, "mqtt://x")), MQEV_ERR_STATE);
	kit_disconnect();
	ck_assert_int_eq(KIT_CALL(mqev_disconnect(kit.client, NULL)), MQEV_ERR_STATE);
	assert_connects_and_ends("connect:00 disconnect:OK");
}
END_TEST

START_TEST(waiting)
{
	kit_broker(accepts_once);
	KIT_CLIENT(.reconnect_min_ms = 60000, .reconnect_max_ms = 60000);
	kit_connect_to("mqtt://127.0.0.1:%d", tk_free_port());
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 2000);
	ck_assert_int_eq(KIT_CALL(mqev_connect(kit.client, "mqtt://x")), MQEV_ERR_STATE);
	kit_disconnect();
	kit_run(20);
	/* That attempt has ended before. */
	assert_connects_and_ends("fail:dial:SYSTEM connect:00 disconnect:OK");
}
END_TEST

static void
disconnect_when_dialing(
    enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	const struct mqev_log_line *line = what;

	(void)userdata;
	if (event == KIT_LOG && strstr(line->text, "-> dialing") != NULL &&
	    kit.count[KIT_CONNECT_FAIL] == 0)
		ck_assert_int_eq(KIT_CALL(mqev_disconnect(c, NULL)), 0);
}

START_TEST(dialing)
{
	kit_broker(accepts_once);
	kit.hook = disconnect_when_dialing;
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 2000);
	ck_assert_int_eq(kit.failure.error, MQEV_ERR_CANCELED);
	ck_assert_uint_eq(kit.failure.retry_ms, UINT32_MAX);
	kit.hook = NULL;
	kit_run(20);
	tk_buf_clear(&kit.diary);
	ck_assert_int_eq(tk_broker_connections(kit.broker), 0);
	assert_connects_and_ends("connect:00 disconnect:OK");
}
END_TEST

/* After a turn or two the name is being looked up or dialled. */
START_TEST(dialing_from_outside)
{
	const struct timeval now = {0, 0};

	kit_broker(NULL);
	KIT_CLIENT(.keepalive = 60);
	kit_connect_to("mqtt://localhost:%d", tk_broker_port(kit.broker));
	event_base_loopexit(kit.base, &now);
	event_base_loop(kit.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	event_base_loop(kit.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	kit_disconnect();
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 2000);
	ck_assert_int_eq(kit.failure.error, MQEV_ERR_CANCELED);
	ck_assert_int_ge((int)kit.failure.stage, MQEV_STAGE_RESOLVE);
	ck_assert_int_le((int)kit.failure.stage, MQEV_STAGE_CONNACK);
	kit_run(50);
	ck_assert_int_eq(kit.count[KIT_CONNECT], 0);
	ck_assert_int_eq(kit.count[KIT_CONNECT_FAIL], 1);
}
END_TEST

START_TEST(handshake)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES(KIT_CONNECT_V311),
	    TK_EXPECT_CLOSE(),
	    TK_ACCEPT(),
	    ACCEPT_V311,
	    TK_END,
	};

	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	while (tk_broker_count(kit.broker, 1) == 0)
		event_base_loop(kit.base, EVLOOP_ONCE);
	kit_disconnect();
	ck_assert_int_eq(KIT_CALL(mqev_disconnect(kit.client, NULL)), MQEV_ERR_STATE);
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	KIT_DIARY("fail:connack:CANCELED connect:00");
}
END_TEST

START_TEST(connected)
{
	kit_broker(accepts_once);
	KIT_CLIENT(.keepalive = 60);
	assert_connects_and_ends("connect:00 disconnect:OK");
	ck_assert_int_eq(kit.disconnection.reason, MQEV_REASON_NORMAL_DISCONNECTION);
	ck_assert_int_eq(kit.disconnection.system_errno, 0);
}
END_TEST

/* A broker that reads nothing keeps the DISCONNECT from leaving. */
START_TEST(closing)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_STALL(), TK_END};
	struct tk_broker_options options = {.rcvbuf = 4096};
	char *big = calloc(1, 8 << 20);

	kit.broker = tk_broker_new(kit.base, script, &options);
	KIT_CLIENT(.max_queued_bytes = 64 << 20);
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	kit_try_publish(
	    kit.client, MQEV_MESSAGE(.topic = "a", .payload = big, .payload_len = 8 << 20));
	kit_run(50);
	kit_disconnect();
	ck_assert_int_eq(KIT_CALL(mqev_disconnect(kit.client, NULL)), MQEV_ERR_STATE);
	kit_run(50);
	ck_assert_int_eq(kit.count[KIT_DISCONNECT], 0);
	ck_assert(!mqev_client_is_connected(kit.client));
	/* Asked for now, done when this connection has ended. */
	kit_connect();
	ck_assert_int_eq(KIT_CALL(mqev_connect(kit.client, "mqtt://x")), MQEV_ERR_STATE);
	kit_disconnect();
	kit_connect();
	KIT_AWAIT(KIT_DISCONNECT, 1, 4000);
	KIT_AWAIT(KIT_DONE, 1, 100);
	ck_assert_int_eq(kit_error_of(1), MQEV_ERR_LOST);
	ck_assert_int_eq(kit.disconnection.error, 0);
	kit_run(100);
	ck_assert_int_eq(tk_broker_connections(kit.broker), 2);
	free(big);
}
END_TEST

/* A callback may ask for anything; here for the connection again. */
static void
connect_again(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	if (event == KIT_CONNECT && kit.count[KIT_CONNECT] < 3) {
		ck_assert_int_eq(
		    KIT_CALL(mqev_connect(c, tk_broker_url(kit.broker))), MQEV_ERR_STATE);
		ck_assert_int_eq(KIT_CALL(mqev_disconnect(c, NULL)), 0);
	}
	if (event == KIT_DISCONNECT && kit.count[KIT_DISCONNECT] < 3)
		ck_assert_int_eq(KIT_CALL(mqev_connect(c, tk_broker_url(kit.broker))), 0);
}

START_TEST(connect_in_on_disconnect)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_ACCEPT(),
	    ACCEPT_V311, TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_ACCEPT(),
	    ACCEPT_V311, TK_QUIET(50), TK_END,
	};

	kit.hook = connect_again;
	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_PLAY(3000);
	KIT_DIARY("connect:00 disconnect:OK connect:00 disconnect:OK connect:00");
}
END_TEST

/* Both in one callback: the connection that ends is told of, then comes the new one. */
static void
disconnect_and_connect(
    enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	if (event == KIT_CONNECT && kit.count[KIT_CONNECT] == 1) {
		ck_assert_int_eq(KIT_CALL(mqev_disconnect(c, NULL)), 0);
		ck_assert_int_eq(KIT_CALL(mqev_connect(c, tk_broker_url(kit.broker))), 0);
	}
}

START_TEST(disconnect_and_connect_at_once)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_ACCEPT(), ACCEPT_V311,
	    TK_QUIET(50), TK_END};

	kit.hook = disconnect_and_connect;
	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_PLAY(3000);
	KIT_DIARY("connect:00 disconnect:OK connect:00");
}
END_TEST

static void
connect_in_fail(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	if (event == KIT_CONNECT_FAIL)
		ck_assert_int_eq(KIT_CALL(mqev_connect(c, tk_broker_url(kit.broker))), 0);
}

START_TEST(connect_in_on_connect_fail)
{
	kit.hook = connect_in_fail;
	kit_broker(accepts_once);
	KIT_CLIENT(.no_reconnect = true);
	kit_connect_to("mqtt://127.0.0.1:%d", tk_free_port());
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	KIT_DIARY("fail:dial:SYSTEM connect:00");
}
END_TEST

static void
give_up(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	if (event == KIT_CONNECT_FAIL || event == KIT_DISCONNECT)
		ck_assert_int_eq(KIT_CALL(mqev_disconnect(c, NULL)), 0);
}

START_TEST(disconnect_in_on_connect_fail)
{
	kit.hook = give_up;
	KIT_CLIENT(.keepalive = 60);
	kit_connect_to("mqtt://127.0.0.1:%d", tk_free_port());
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 2000);
	kit_run(150);
	KIT_DIARY("fail:dial:SYSTEM");
}
END_TEST

START_TEST(disconnect_in_on_disconnect)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_CLOSE(), TK_END};

	kit.hook = give_up;
	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	kit_run(150);
	ck_assert_int_eq(tk_broker_connections(kit.broker), 1);
	KIT_DIARY("connect:00 disconnect:LOST");
}
END_TEST

/* --- DISCONNECT of 5.0 -------------------------------------------------------------------------
 */

struct bytes_row {
	enum mqev_reason reason;
	uint32_t expiry; /* 0: no property */
	const char *why;
	const char *bytes;
};

static const struct bytes_row bytes_rows[] = {
    {MQEV_REASON_NORMAL_DISCONNECTION, 0, NULL, "E0 00"},
    {MQEV_REASON_DISCONNECT_WITH_WILL, 0, NULL, "E0 01 04"},
    {MQEV_REASON_ADMINISTRATIVE_ACTION, 0, "done", "E0 (98 (1F {'done'}))"},
    {MQEV_REASON_NORMAL_DISCONNECTION, 7, NULL, "E0 (00 (11 00000007))"},
};

START_TEST(disconnect_bytes)
{
	const struct bytes_row *row = &bytes_rows[_i];
	const struct tk_step script[] = {
	    TK_EXPECT(CONNECT),
	    TK_SEND("20 (00 00 ())"),
	    TK_EXPECT_BYTES(row->bytes),
	    TK_EXPECT_CLOSE(),
	    TK_END,
	};
	struct mqev_properties *p = mqev_properties_new();

	if (row->expiry > 0)
		mqev_properties_add_integer(p, MQEV_PROP_SESSION_EXPIRY_INTERVAL, row->expiry);
	if (row->why != NULL)
		mqev_properties_add_string(p, MQEV_PROP_REASON_STRING, row->why);
	kit_broker(script);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .session_expiry = 60);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	ck_assert_int_eq(KIT_CALL(mqev_disconnect(kit.client,
			     MQEV_DISCONNECT(.reason = row->reason, .properties = p))),
	    0);
	mqev_properties_free(p);
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	ck_assert_int_eq(kit.disconnection.reason, row->reason);
	KIT_DIARY("connect:00 disconnect:OK");
}
END_TEST

/* --- the end by the server ---------------------------------------------------------------------
 */

struct server_row {
	const char *bytes;
	enum mqev_reason reason;
	const char *string;
	bool retries;
};

static const struct server_row server_rows[] = {
    {"E0 00", MQEV_REASON_NORMAL_DISCONNECTION, NULL, true},
    {"E0 01 8B", MQEV_REASON_SERVER_SHUTTING_DOWN, NULL, true},
    {"E0 02 8B 00", MQEV_REASON_SERVER_SHUTTING_DOWN, NULL, true},
    {"E0 (89 (1F {'busy'}))", MQEV_REASON_SERVER_BUSY, "busy", true},
    {"E0 01 8D", MQEV_REASON_KEEP_ALIVE_TIMEOUT, NULL, true},
    {"E0 01 8E", MQEV_REASON_SESSION_TAKEN_OVER, NULL, false},
    {"E0 01 98", MQEV_REASON_ADMINISTRATIVE_ACTION, NULL, true},
    {"E0 (9C (1C {'other:1883'}))", MQEV_REASON_USE_ANOTHER_SERVER, NULL, true},
    {"E0 01 9D", MQEV_REASON_SERVER_MOVED, NULL, true},
    {"E0 01 87", MQEV_REASON_NOT_AUTHORIZED, NULL, false},
};

static const char *wanted_string;

static void
check_reason_string(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	const struct mqev_disconnection *d = what;
	struct mqev_property p;

	(void)c;
	(void)userdata;
	if (event != KIT_DISCONNECT || wanted_string == NULL)
		return;
	ck_assert_int_eq(mqev_properties_find(d->properties, MQEV_PROP_REASON_STRING, &p), 0);
	ck_assert_uint_eq(p.value_len, strlen(wanted_string));
	ck_assert_mem_eq(p.value, wanted_string, p.value_len);
}

START_TEST(server_disconnects)
{
	const struct server_row *row = &server_rows[_i];
	const struct tk_step script[] = {
	    TK_EXPECT(CONNECT),
	    TK_SEND("20 (00 00 ())"),
	    TK_SEND(row->bytes),
	    TK_EXPECT_CLOSE(),
	    TK_END,
	};

	wanted_string = row->string;
	kit.hook = check_reason_string;
	kit_broker(script);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	KIT_DIARY("connect:00 disconnect:DISCONNECTED");
	ck_assert(kit.disconnection.from_server);
	ck_assert_int_eq(kit.disconnection.reason, row->reason);
	ck_assert_int_eq(kit.disconnection.retry_ms != UINT32_MAX, row->retries);
	kit_run(100);
	ck_assert_int_eq(tk_broker_connections(kit.broker), row->retries ? 2 : 1);
}
END_TEST

static const enum tk_op ends[] = {TK_OP_CLOSE, TK_OP_RESET, TK_OP_SHUTDOWN};

START_TEST(server_closes)
{
	const struct tk_step script[] = {
	    ACCEPT_V311, {.op = ends[_i], .line = __LINE__}, TK_END};

	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	ck_assert(!kit.disconnection.from_server);
	ck_assert_int_eq(
	    kit.disconnection.system_errno, ends[_i] == TK_OP_RESET ? ECONNRESET : 0);
	ck_assert_uint_ge(kit.disconnection.retry_ms, 20);
	ck_assert_uint_le(kit.disconnection.retry_ms, 40);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	KIT_DIARY("connect:00 disconnect:LOST");
}
END_TEST

/* What came before the end is delivered, and then the end is told. */
START_TEST(last_words_then_close)
{
	const struct tk_step script[] = {
	    ACCEPT_V311, TK_SEND("30 ({'a'} 'x'*6000) 30 ({'b'} 'last')"),
	    {.op = ends[_i], .line = __LINE__}, TK_END};

	kit_broker(script);
	KIT_CLIENT(.no_reconnect = true);
	kit_connect();
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	if (ends[_i] == TK_OP_RESET) /* a reset may destroy what was not read */
		return;
	ck_assert_int_eq(kit.count[KIT_MESSAGE], 2);
	ck_assert_ptr_nonnull(strstr(kit_diary(), " message:b:last:0 disconnect:LOST"));
}
END_TEST

/* --- a polite end ------------------------------------------------------------------------------
 */

/* A server that still sends while the client says good-bye: unread bytes must not become a reset.
 */
START_TEST(server_talks_on)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311,
	    TK_EXPECT_BYTES("30 ({'a'} 'x')"),
	    TK_SEND("30 ({'a'} 'y'*300000)"),
	    TK_EXPECT_BYTES("E0 00"),
	    TK_SEND("30 ({'a'} 'z'*300000)"),
	    TK_EXPECT_CLOSE(),
	    TK_END,
	};

	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	kit_publish("a", "x", 0);
	kit_disconnect();
	KIT_PLAY(4000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	KIT_AWAIT(KIT_DONE, 1, 10);
	ck_assert_int_eq(kit_error_of(1), 0);
}
END_TEST

/* A server that does not answer a FIN with one: the descriptor is given back all the same. */
START_TEST(server_keeps_its_side_open)
{
	struct tk_step script[] = {ACCEPT_V311, TK_EXPECT_BYTES("E0 00"), TK_STALL(), TK_END};
	int before;

	kit_broker(script);
	before = tk_open_fds();
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	kit_disconnect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 500);
	kit_run(2300);
	ck_assert_int_eq(tk_open_fds(), before + 1); /* the broker's end */
}
END_TEST

#define MANY 1000

/* All that was accepted before mqev_disconnect() at QoS 0 is sent before the DISCONNECT. */
START_TEST(all_goes_before_disconnect)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"), TK_UNTIL(kit.count[KIT_DISCONNECT]),
	    TK_WAIT(100), TK_END};
	char text[32];

	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	for (int i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "%d", i);
		kit_publish("t", text, i % 2);
	}
	kit.quiet[KIT_DONE] = true;
	kit_disconnect();
	KIT_PLAY(4000);
	/* QoS 1: as many as the window holds were already given to the connection, or none. */
	ck_assert_uint_ge(tk_broker_count_type(kit.broker, 1, TK_PUBLISH), MANY / 2);
	ck_assert_uint_eq(tk_broker_count_type(kit.broker, 1, TK_DISCONNECT), 1);
	for (int i = 0; i < MANY; i += 2)
		ck_assert_int_eq(kit_error_of(i + 1), 0);
}
END_TEST

/* --- a program that ends in on_disconnect ------------------------------------------------------
 */

#define STRAIGHT 3000

static void
end_program(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)c;
	(void)what;
	(void)userdata;
	if (event == KIT_CONNECT) {
		for (int i = 0; i < STRAIGHT; i++)
			kit_publish("t", "0123456789012345678901234567890123456789", 0);
		kit_disconnect();
	}
	if (event == KIT_DISCONNECT)
		_exit(kit.count[KIT_DONE] == STRAIGHT ? 0 : 3);
}

static void
child(int port)
{
	kit.base = event_base_new();
	kit.fleet = mqev_fleet_new(kit.base, NULL);
	kit.hook = end_program;
	kit.quiet[KIT_DONE] = true;
	KIT_CLIENT(.keepalive = 60);
	kit_connect_to("mqtt://127.0.0.1:%d", port);
	alarm(10);
	event_base_dispatch(kit.base);
	_exit(4);
}

/* An application that ends in on_disconnect without a further turn of the loop loses nothing. */
START_TEST(exit_in_on_disconnect)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"), TK_END};
	int status = 0;
	pid_t pid;

	kit_broker(script);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		child(tk_broker_port(kit.broker));
	KIT_PLAY(5000);
	for (int i = 0; i < 500 && tk_broker_count_type(kit.broker, 1, TK_DISCONNECT) == 0; i++)
		kit_run(10);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ck_assert_uint_eq(tk_broker_count_type(kit.broker, 1, TK_PUBLISH), STRAIGHT);
	ck_assert_uint_eq(tk_broker_count_type(kit.broker, 1, TK_DISCONNECT), 1);
}
END_TEST

/* --- mqev_client_is_connected() ----------------------------------------------------------------
 */

static void
is_not_connected(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	if (event == KIT_CONNECT)
		ck_assert(mqev_client_is_connected(c));
	if (event == KIT_DISCONNECT || event == KIT_DONE)
		ck_assert(!mqev_client_is_connected(c));
}

/* False when the end is told, whatever it was: the server's DISCONNECT, a broken rule, a lost link,
 * our own wish. */
START_TEST(not_connected_when_the_end_is_told)
{
	static const struct tk_step ends_of_all[][7] = {
	    {TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())"), TK_SEND("E0 (8B)"), TK_EXPECT_CLOSE(),
		TK_END},
	    {TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())"), TK_SEND("20 (00 00 ())"),
		TK_EXPECT_BYTES("E0 (82)"), TK_EXPECT_CLOSE(), TK_END},
	    {TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())"), TK_RESET(), TK_END},
	    {TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())"), TK_EXPECT(DISCONNECT),
		TK_EXPECT_CLOSE(), TK_END},
	};

	kit.hook = is_not_connected;
	kit_broker(ends_of_all[_i]);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .keepalive = 60, .no_reconnect = true);
	kit_connect();
	if (_i == 3) {
		KIT_AWAIT(KIT_CONNECT, 1, 2000);
		kit_disconnect();
		ck_assert(!mqev_client_is_connected(kit.client));
	}
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	kit_run(20);
	ck_assert(!mqev_client_is_connected(kit.client));
	ck_assert_int_eq(kit.count[KIT_DISCONNECT], 1);
}
END_TEST

/* --- mqev_client_free() ------------------------------------------------------------------------
 */

/* More than socket buffers hold. */
static void
publish_until_it_waits(void)
{
	static char payload[4 << 20];
	const struct mqev_message m = {
	    .size = sizeof(m), .topic = "a", .payload = payload, .payload_len = sizeof(payload)};

	for (int i = 0; i < 3; i++)
		ck_assert_int_gt(kit_try_publish(kit.client, &m), 0);
}

/* Without DISCONNECT, so that the server publishes the will. */
START_TEST(free_sends_nothing)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_EXPECT_CLOSE(), TK_END};
	int64_t op;

	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	op = kit_publish("a", "never sent", 1);
	kit_subscribe("b", 0, NULL);
	kit_free_client();
	ck_assert_int_eq(kit_error_of(op), MQEV_ERR_CANCELED);
	KIT_DIARY("connect:00 done1:CANCELED done2:CANCELED");
	KIT_PLAY(2000);
	kit_run(30);
	KIT_DIARY("");
}
END_TEST

/* The socket's callbacks keep their pairs: while it is still open, before the completions. */
static void
see_open_socket(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	const struct mqev_socket *socket = what;

	(void)userdata;
	if (event != KIT_SOCKET_IDLE && event != KIT_SOCKET_CLOSE)
		return;
	ck_assert_int_ge(fcntl(socket->fd, F_GETFD), 0);
	ck_assert_int_eq(mqev_disconnect(c, NULL), MQEV_ERR_STATE);
	mqev_client_free(c); /* is being freed: nothing happens */
}

START_TEST(free_tells_of_the_socket)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_STALL(), TK_END};

	kit.more = true;
	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	kit_run(20);
	if (_i == 1) {
		publish_until_it_waits();
		KIT_AWAIT(KIT_SOCKET_WRITE, 1, 2000);
	}
	kit.hook = see_open_socket;
	kit.quiet[KIT_DONE] = true;
	kit_free_client();
	kit.hook = NULL;
	KIT_DIARY(_i == 1 ? "pre open connect:00 write idle close" : "pre open connect:00 close");
	kit_run(20);
	KIT_DIARY("");
}
END_TEST

static enum kit_event freed_at;

static void
free_there(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	if (event != freed_at || kit.client == NULL)
		return;
	ck_assert_ptr_eq(c, kit.client);
	kit_free_client();
}

/* In each of them itself: what is owed follows once. */
START_TEST(free_in_socket_callbacks)
{
	static const struct {
		enum kit_event at;
		const char *diary;
	} rows[] = {
	    {KIT_SOCKET_OPEN, "pre open close"},
	    {KIT_SOCKET_WRITE, "pre open connect:00 write idle close"},
	    {KIT_SOCKET_IDLE, "pre open connect:00 write idle close"},
	    {KIT_SOCKET_CLOSE, "pre open connect:00 write idle close"},
	};
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_STALL(), TK_WAIT(60), TK_RESET(), TK_END};

	freed_at = rows[_i].at;
	kit.more = true;
	kit.hook = free_there;
	kit.quiet[KIT_DONE] = kit.quiet[KIT_RETRY] = true;
	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_AWAIT(KIT_SOCKET_OPEN, 1, 2000);
	if (kit.client != NULL) {
		KIT_AWAIT(KIT_CONNECT, 1, 2000);
		publish_until_it_waits();
	}
	KIT_AWAIT(KIT_SOCKET_CLOSE, 1, 3000);
	kit_run(20);
	KIT_DIARY(rows[_i].diary);
	(void)tk_broker_error(kit.broker); /* no CONNECT came when it was freed before */
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("client_end");
	TCase *tc = kit_case(s, "mqev_disconnect in every state");

	tcase_add_test(tc, idle);
	tcase_add_test(tc, before_the_first_turn);
	tcase_add_test(tc, waiting);
	tcase_add_test(tc, dialing);
	tcase_add_test(tc, dialing_from_outside);
	tcase_add_test(tc, handshake);
	tcase_add_test(tc, connected);
	tcase_add_test(tc, closing);
	tc = kit_case(s, "from callbacks");
	tcase_add_test(tc, connect_in_on_disconnect);
	tcase_add_test(tc, disconnect_and_connect_at_once);
	tcase_add_test(tc, connect_in_on_connect_fail);
	tcase_add_test(tc, disconnect_in_on_connect_fail);
	tcase_add_test(tc, disconnect_in_on_disconnect);
	tc = kit_case(s, "DISCONNECT");
	tcase_add_loop_test(
	    tc, disconnect_bytes, 0, (int)(sizeof(bytes_rows) / sizeof(bytes_rows[0])));
	tcase_add_loop_test(
	    tc, server_disconnects, 0, (int)(sizeof(server_rows) / sizeof(server_rows[0])));
	tcase_add_loop_test(tc, server_closes, 0, 3);
	tcase_add_loop_test(tc, last_words_then_close, 0, 3);
	tc = kit_case(s, "polite");
	tcase_add_test(tc, server_talks_on);
	tcase_add_test(tc, server_keeps_its_side_open);
	tcase_add_test(tc, all_goes_before_disconnect);
	tcase_add_test(tc, exit_in_on_disconnect);
	tcase_add_loop_test(tc, not_connected_when_the_end_is_told, 0, 4);
	tc = kit_case(s, "free");
	tcase_add_test(tc, free_sends_nothing);
	tcase_add_loop_test(tc, free_tells_of_the_socket, 0, 2);
	tcase_add_loop_test(tc, free_in_socket_callbacks, 0, 4);
	return s;
}

int
main(void)
{
	return tk_main(suite());
}
