/* Time on a connection: keepalive, packets that stop in their middle. */
#include "wire/client_kit.h"

#include <stdio.h>
#include <time.h>

#define ACCEPT_V311 TK_EXPECT(CONNECT), TK_SEND("20 (00 00)")

static void
start(const struct tk_step *script)
{
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
}

static struct {
	long long at[8];
	int n;
} marks;

static void
mark(struct tk_broker *b, void *arg)
{
	(void)b;
	(void)arg;
	marks.at[marks.n++] = tk_now_ms();
}

#define PING TK_EXPECT_BYTES("C0 00"), TK_CALL(mark, NULL)

static void
assert_between(int i, long long min, long long max)
{
	long long ms = marks.at[i] - marks.at[i - 1];

	ck_assert_msg(ms >= min && ms <= max, "mark %d came after %lld ms", i, ms);
}

/* --- PINGREQ -----------------------------------------------------------------------------------
 */

/* Never later than the keepalive, and never much too early. */
START_TEST(pings_when_idle)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES("10 ({'MQTT'} 04 02 0001 {'c'})"), TK_CALL(mark, NULL),
	    TK_SEND("20 (00 00)"), PING, TK_SEND("D0 00"), PING, TK_SEND("D0 00"), PING,
	    TK_SEND("D0 00"), TK_END};

	KIT_CLIENT(.keepalive = 1);
	start(script);
	KIT_PLAY(6000);
	for (int i = 1; i < 4; i++)
		assert_between(i, 500, 1050);
	KIT_DIARY("connect:00");
}
END_TEST

START_TEST(ping_timeout)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, PING, TK_EXPECT_CLOSE(), TK_CALL(mark, NULL), TK_END};

	KIT_CLIENT(.keepalive = 1, .no_reconnect = true);
	start(script);
	KIT_PLAY(6000);
	assert_between(1, 450, 1100);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	kit_run(600);
	KIT_DIARY("connect:00 disconnect:KEEPALIVE");
	ck_assert(!kit.disconnection.from_server);
	ck_assert_int_eq(kit.disconnection.reason, MQEV_REASON_KEEP_ALIVE_TIMEOUT);
}
END_TEST

START_TEST(ping_timeout_by_option)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, PING, TK_UNTIL(kit.count[KIT_DISCONNECT]), TK_CALL(mark, NULL), TK_END};

	KIT_CLIENT(.keepalive = 1, .ping_timeout_ms = 1500, .no_reconnect = true);
	start(script);
	KIT_PLAY(8000);
	assert_between(1, 1400, 2100);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	KIT_DIARY("connect:00 disconnect:KEEPALIVE");
}
END_TEST

START_TEST(reconnects_after_a_ping_timeout)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, PING, TK_EXPECT_CLOSE(), TK_ACCEPT(), ACCEPT_V311, PING,
	    TK_SEND("D0 00"), TK_END};

	KIT_CLIENT(.keepalive = 1);
	start(script);
	KIT_PLAY(8000);
	KIT_DIARY("connect:00 disconnect:KEEPALIVE connect:00");
}
END_TEST

START_TEST(no_keepalive)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES("10 ({'MQTT'} 04 02 0000 {'c'})"), TK_SEND("20 (00 00)"),
	    TK_QUIET(2500), TK_END};

	KIT_CLIENT(.keepalive = MQEV_NONE);
	start(script);
	KIT_PLAY(5000);
}
END_TEST

/* The server's number is the one ([MQTT-3.1.2-21]). */
START_TEST(server_keep_alive)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES(KIT_CONNECT_V5), TK_CALL(mark, NULL),
	    TK_SEND("20 (00 00 (13 0001))"), PING, TK_SEND("D0 00"), TK_END};

	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	start(script);
	KIT_PLAY(5000);
	assert_between(1, 500, 1050);
}
END_TEST

START_TEST(server_keep_alive_off)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_SEND("20 (00 00 (13 0000))"), TK_QUIET(2500), TK_END};

	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .keepalive = 1);
	start(script);
	KIT_PLAY(5000);
}
END_TEST

/* A server that only sends is pinged, or it would close; its packets are no answer to wait for. */
START_TEST(pings_while_receiving)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_WAIT(300), TK_SEND("30 ({'a'} 'x')"), TK_WAIT(300),
	    TK_SEND("30 ({'a'} 'x')"), TK_WAIT(500), PING, TK_SEND("30 ({'a'} 'x')"), TK_WAIT(300),
	    TK_SEND("30 ({'a'} 'x')"), TK_WAIT(300), TK_SEND("30 ({'a'} 'x')"), PING, TK_END};

	KIT_CLIENT(.keepalive = 1);
	start(script);
	KIT_PLAY(6000);
	ck_assert_int_eq(kit.count[KIT_DISCONNECT], 0);
}
END_TEST

/* A server that takes everything and says nothing is found dead, however busy we are. */
static struct event *ticker;

static void
publish_now(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	if (mqev_client_is_connected(kit.client))
		kit_publish("t", "x", 0);
}

START_TEST(death_is_noticed_while_sending)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_CALL(mark, NULL), TK_UNTIL(kit.count[KIT_DISCONNECT]),
	    TK_CALL(mark, NULL), TK_END};
	const struct timeval often = {0, 100000};

	kit.quiet[KIT_DONE] = true;
	KIT_CLIENT(.keepalive = 1, .no_reconnect = true);
	start(script);
	ticker = event_new(kit.base, -1, EV_PERSIST, publish_now, NULL);
	event_add(ticker, &often);
	KIT_PLAY(6000);
	assert_between(1, 900, 2300);
	event_free(ticker);
	KIT_DIARY("connect:00 disconnect:KEEPALIVE");
}
END_TEST

/* Both directions busy: no ping is needed. */
START_TEST(no_ping_when_busy)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_EXPECT(PUBLISH), TK_SEND("40 (@)"), TK_WAIT(400),
	    TK_CALL(mark, NULL), TK_EXPECT(PUBLISH), TK_SEND("40 (@)"), TK_WAIT(400),
	    TK_CALL(mark, NULL), TK_EXPECT(PUBLISH), TK_SEND("40 (@)"), TK_WAIT(400),
	    TK_CALL(mark, NULL), TK_EXPECT(PUBLISH), TK_SEND("40 (@)"), TK_END};

	KIT_CLIENT(.keepalive = 1);
	start(script);
	for (int i = 0; i < 4; i++) {
		kit_publish("a", "x", 1);
		kit_await_all(2000);
		while (i < 3 && marks.n <= i)
			kit_run(10);
	}
	KIT_PLAY(3000);
	ck_assert_uint_eq(tk_broker_count_type(kit.broker, 1, TK_PINGREQ), 0);
}
END_TEST

/* --- packets that stop -------------------------------------------------------------------------
 */

struct stop_row {
	enum mqev_protocol protocol;
	const char *bytes;
};

static const struct stop_row stop_rows[] = {
    {MQEV_PROTOCOL_V311, "30"},
    {MQEV_PROTOCOL_V311, "30 FF FF FF"},
    {MQEV_PROTOCOL_V311, "30 FF FF FF 7F 0001"},
    {MQEV_PROTOCOL_V311, "30 80 80 80 64 0001 61 'x'*5000"},
    {MQEV_PROTOCOL_V5, "30 06 0001 61"},
};

START_TEST(packet_stops)
{
	const struct stop_row *row = &stop_rows[_i];
	bool v5 = row->protocol == MQEV_PROTOCOL_V5;
	const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_SEND(v5 ? "20 (00 00 ())" : "20 (00 00)"), TK_SEND(row->bytes),
	    TK_CALL(mark, NULL), TK_UNTIL(kit.count[KIT_DISCONNECT]), TK_CALL(mark, NULL), TK_END};
	long before = tk_rss_kib();

	KIT_CLIENT(.protocol = row->protocol, .packet_timeout_ms = 300, .no_reconnect = true);
	start(script);
	KIT_PLAY(4000);
	assert_between(1, 280, 1000);
	KIT_DIARY("connect:00 disconnect:TIMEOUT");
	/* What a length announces is not allocated. */
	ck_assert_int_lt(tk_rss_kib() - before, 50000);
}
END_TEST

/* Slow is not stopped. */
START_TEST(packet_drips)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_SEND("30 06 00"), TK_WAIT(200),
	    TK_SEND("01"), TK_WAIT(200), TK_SEND("61"), TK_WAIT(200), TK_SEND("'x'"), TK_WAIT(200),
	    TK_SEND("'yz'"), TK_QUIET(100), TK_END};

	KIT_CLIENT(.packet_timeout_ms = 500);
	start(script);
	KIT_PLAY(4000);
	KIT_DIARY("connect:00 message:a:xyz:0");
}
END_TEST

/* --- few wakes ---------------------------------------------------------------------------------
 */

/* An idle client does not spin. */
START_TEST(idle_costs_nothing)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_END};
	struct timespec before;
	struct timespec after;
	double cpu;

	KIT_CLIENT(.keepalive = 60);
	start(script);
	KIT_PLAY(1000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	kit_run(1000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	cpu = (double)(after.tv_sec - before.tv_sec) +
	      (double)(after.tv_nsec - before.tv_nsec) / 1e9;
	ck_assert_msg(cpu < 0.2, "an idle second cost %f s", cpu);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("client_time");
	TCase *tc = kit_case(s, "keepalive");

	tcase_add_test(tc, pings_when_idle);
	tcase_add_test(tc, ping_timeout);
	tcase_add_test(tc, ping_timeout_by_option);
	tcase_add_test(tc, reconnects_after_a_ping_timeout);
	tcase_add_test(tc, no_keepalive);
	tcase_add_test(tc, server_keep_alive);
	tcase_add_test(tc, server_keep_alive_off);
	tcase_add_test(tc, pings_while_receiving);
	tcase_add_test(tc, death_is_noticed_while_sending);
	tcase_add_test(tc, no_ping_when_busy);
	tc = kit_case(s, "packets");
	tcase_add_loop_test(tc, packet_stops, 0, 5);
	tcase_add_test(tc, packet_drips);
	tc = kit_case(s, "idle");
	tcase_add_test(tc, idle_costs_nothing);
	return s;
}

int
main(void)
{
	return tk_main(suite());
}
