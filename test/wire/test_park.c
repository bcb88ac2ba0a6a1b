/* Plain links that are parked while they are idle: what is received, sent and seen to end without a
 * bufferevent, and what brings it back. */
#include <stdio.h>

#include "wire/client_kit.h"

#define ACCEPT_V311 TK_EXPECT(CONNECT), TK_SEND("20 (00 00)")
#define BIG 300000

static struct mqev_fleet *plain_fleet;

static void
setup(void)
{
	kit_setup();
	plain_fleet = kit.fleet;
	kit.fleet = mqev_fleet_new(kit.base, MQEV_FLEET_OPTIONS(.park_after_ms = 1));
	ck_assert_ptr_nonnull(kit.fleet);
	kit.quiet[KIT_DONE] = true;
}

static void
teardown(void)
{
	mqev_fleet_free(plain_fleet);
	kit_teardown();
}

static int
parked(void)
{
	struct mqev_stats stats = {.size = sizeof(stats)};

	ck_assert_int_eq(mqev_fleet_stats(kit.fleet, &stats), 0);
	return (int)stats.parked;
}

static int
parked_are(void *arg)
{
	return parked() == *(int *)arg;
}

static void
await_parked(int n)
{
	ck_assert_msg(tk_run_until(kit.base, parked_are, &n, 3000), "parked: %d", parked());
}

static void
start(const struct tk_step *script)
{
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	await_parked(1);
}

/* --- without a bufferevent ---------------------------------------------------------------------
 */

static int go;

START_TEST(messages_both_ways)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_UNTIL(go),
	    TK_SEND("32 ({'in'} 0007 'one') 32 ({'in'} 0008 'two')"), TK_EXPECT_BYTES("40 (0007)"),
	    TK_EXPECT_BYTES("40 (0008)"), TK_EXPECT_BYTES("32 ({'out'} 0001 'three')"),
	    TK_SEND("40 (0001)"), TK_EXPECT_BYTES("30 ({'out'} 'four')"), TK_EXPECT_BYTES("E0 00"),
	    TK_EXPECT_CLOSE(), TK_END};

	go = 0;
	KIT_CLIENT(.clean = MQEV_CLEAN_DEFAULT);
	start(script);
	go = 1;
	KIT_AWAIT(KIT_MESSAGE, 2, 2000);
	kit_publish("out", "three", 1);
	kit_await_all(2000);
	kit_publish("out", "four", 0);
	kit_await_all(2000);
	ck_assert_int_eq(parked(), 1);
	kit_disconnect();
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	ck_assert_int_eq(parked(), 0);
	KIT_DIARY("connect:00 message:in:one:1 message:in:two:1 disconnect:OK");
}
END_TEST

START_TEST(pings)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_EXPECT(PINGREQ), TK_SEND("D0 00"),
	    TK_EXPECT(PINGREQ), TK_SEND("D0 00"), TK_EXPECT(PINGREQ), TK_EXPECT_CLOSE(), TK_END};

	KIT_CLIENT(.keepalive = 1, .no_reconnect = true);
	start(script);
	KIT_AWAIT(KIT_DISCONNECT, 1, 6000);
	KIT_PLAY(1000);
	KIT_DIARY("connect:00 disconnect:KEEPALIVE");
	ck_assert_int_eq(parked(), 0);
}
END_TEST

/* A packet whose rest is read into its own block, and small ones byte for byte. */
START_TEST(packets_in_pieces)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_UNTIL(go),
	    TK_SEND_CUT("30 ({'s'} 'small')", 1), TK_SEND("30 ({'b'} 'x'*300000) 30 ({'s'} 'end')"),
	    TK_END};

	go = 0;
	kit.quiet[KIT_MESSAGE] = true;
	KIT_CLIENT(.keepalive = 60);
	start(script);
	go = 1;
	KIT_AWAIT(KIT_MESSAGE, 3, 5000);
	ck_assert_int_eq(parked(), 1);
}
END_TEST

static const struct {
	struct tk_step end;
	const char *diary;
} ends[] = {
    {TK_CLOSE(), "connect:00 disconnect:LOST"},
    {TK_RESET(), "connect:00 disconnect:LOST"},
    {TK_SEND("F0 00"), "connect:00 disconnect:PROTOCOL"},
};

START_TEST(ends_of_the_server)
{
	const struct tk_step script[] = {ACCEPT_V311, TK_UNTIL(go), ends[_i].end, TK_END};

	go = 0;
	KIT_CLIENT(.no_reconnect = true);
	start(script);
	go = 1;
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	KIT_DIARY(ends[_i].diary);
	ck_assert_int_eq(parked(), 0);
}
END_TEST

/* What came before the end counts, and the next connection is parked as the first. */
START_TEST(last_words_and_reconnect)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_UNTIL(go),
	    TK_SEND("30 ({'in'} 'last')"), TK_CLOSE(), TK_ACCEPT(), ACCEPT_V311, TK_END};

	go = 0;
	KIT_CLIENT(.reconnect_min_ms = 10, .reconnect_max_ms = 10);
	start(script);
	go = 1;
	KIT_AWAIT(KIT_CONNECT, 2, 3000);
	await_parked(1);
	KIT_DIARY("connect:00 message:in:last:0 disconnect:LOST connect:00");
}
END_TEST

static void
free_in_callback(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	if (event == KIT_MESSAGE) {
		kit.client = NULL;
		mqev_client_free(c);
	}
}

START_TEST(freed_in_its_callback)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_UNTIL(go), TK_SEND("30 ({'in'} 'x') 30 ({'in'} 'y')"), TK_END};

	go = 0;
	kit.hook = free_in_callback;
	KIT_CLIENT(.keepalive = 60);
	start(script);
	go = 1;
	KIT_AWAIT(KIT_MESSAGE, 1, 2000);
	kit_run(20);
	ck_assert_int_eq(kit.count[KIT_MESSAGE], 1);
	ck_assert_int_eq(parked(), 0);
}
END_TEST

/* --- brought back ------------------------------------------------------------------------------
 */

static const char *
is_big(const struct tk_packet *p, void *arg)
{
	(void)arg;
	return p->payload.len == BIG ? NULL : "another size:";
}

#define FEW_BIG 40

static int taken;

static void
count_taken(struct tk_broker *b, void *arg)
{
	(void)b;
	(void)arg;
	taken++;
}

/* More than a socket holds: the rest waits in a bufferevent, and when it has gone so has that. */
START_TEST(a_server_that_takes_nothing)
{
	struct tk_step script[FEW_BIG * 2 + 6] = {
	    ACCEPT_V311, TK_STALL(), TK_UNTIL(go), TK_RESUME()};
	char *big = calloc(1, BIG);
	int n = 5;

	for (int i = 0; i < FEW_BIG; i++) {
		script[n++] = (struct tk_step)TK_EXPECT_IF(PUBLISH, is_big, NULL);
		script[n++] = (struct tk_step)TK_CALL(count_taken, NULL);
	}
	script[n] = (struct tk_step)TK_STEP(END);
	go = taken = 0;
	KIT_CLIENT(.keepalive = 60);
	start(script);
	for (int i = 0; i < FEW_BIG; i++)
		ck_assert_int_gt(
		    kit_try_publish(
			kit.client, MQEV_MESSAGE(.topic = "a", .payload = big, .payload_len = BIG)),
		    0);
	await_parked(0);
	kit_run(600);
	ck_assert_int_eq(parked(), 0);
	go = 1;
	KIT_PLAY(10000);
	ck_assert_int_eq(taken, FEW_BIG);
	kit_await_all(2000);
	await_parked(1);
	free(big);
}
END_TEST

START_TEST(not_to_be_read)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_UNTIL(go), TK_SEND("30 ({'in'} 'one') 30 ({'in'} 'two')"), TK_END};

	go = 0;
	KIT_CLIENT(.keepalive = 60);
	start(script);
	ck_assert_int_eq(mqev_pause_receiving(kit.client), 0);
	await_parked(0);
	go = 1;
	KIT_PLAY(1000);
	kit_run(600);
	KIT_DIARY("connect:00");
	ck_assert_int_eq(parked(), 0);
	ck_assert_int_eq(mqev_resume_receiving(kit.client), 0);
	KIT_AWAIT(KIT_MESSAGE, 2, 2000);
	await_parked(1);
	KIT_DIARY("message:in:one:0 message:in:two:0");
}
END_TEST

/* --- which are ---------------------------------------------------------------------------------
 */

/* As long as something comes and goes, and without the option. */
START_TEST(only_when_asked_and_idle)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_ACCEPT(), ACCEPT_V311, TK_END};

	mqev_fleet_free(kit.fleet);
	kit.fleet = mqev_fleet_new(kit.base, MQEV_FLEET_OPTIONS(.park_after_ms = 900));
	KIT_CLIENT(.keepalive = 60);
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	for (int i = 0; i < 5; i++) {
		kit_publish("out", "x", 0);
		kit_run(300);
		ck_assert_int_eq(parked(), 0);
	}
	await_parked(1);
	kit_free_client();
	ck_assert_int_eq(parked(), 0);

	mqev_fleet_free(kit.fleet);
	kit.fleet = plain_fleet;
	plain_fleet = NULL;
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 2, 2000);
	kit_run(700);
	ck_assert_int_eq(parked(), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("park");
	TCase *tc = tk_case(s, "park");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, messages_both_ways);
	tcase_add_test(tc, pings);
	tcase_add_test(tc, packets_in_pieces);
	tcase_add_loop_test(tc, ends_of_the_server, 0, (int)(sizeof(ends) / sizeof(ends[0])));
	tcase_add_test(tc, last_words_and_reconnect);
	tcase_add_test(tc, freed_in_its_callback);
	tcase_add_test(tc, a_server_that_takes_nothing);
	tcase_add_test(tc, not_to_be_read);
	tcase_add_test(tc, only_when_asked_and_idle);
	return tk_main(s);
}
