/* Figures: what is counted for a client and its fleet while they talk to a broker, by its cause;
 * and the struct that hands it out. */
#include <stdio.h>
#include <unistd.h>

#include "lib/auto.h"
#include "wire/client_kit.h"

static struct tk_auto *broker;

static void
setup(void)
{
	kit_setup();
	broker = NULL;
}

static void
teardown(void)
{
	mqev_fleet_free(kit.fleet); /* its clients leave before the broker that they talk to */
	kit.fleet = NULL;
	kit.client = NULL;
	if (broker != NULL)
		tk_auto_free(broker);
	kit_run(1);
	kit_teardown();
}

static void
make_broker(int delay_ms)
{
	const struct tk_auto_options options = {.delay_ms = delay_ms};

	broker = tk_auto_new(kit.base, &options);
}

static struct mqev_stats
of_client(void)
{
	struct mqev_stats stats = {.size = sizeof(stats)};

	ck_assert_int_eq(mqev_client_stats(kit.client, &stats), 0);
	return stats;
}

static struct mqev_stats
of_fleet(void)
{
	struct mqev_stats stats = {.size = sizeof(stats)};

	ck_assert_int_eq(mqev_fleet_stats(kit.fleet, &stats), 0);
	return stats;
}

static uint64_t
sum(const uint64_t *counters, int n)
{
	uint64_t all = 0;

	for (int i = 0; i < n; i++)
		all += counters[i];
	return all;
}

static void
consistent(const struct mqev_histogram *h)
{
	ck_assert_uint_eq(sum(h->buckets, MQEV_HISTOGRAM_BUCKETS), h->count);
}

/* --- the struct ------------------------------------------------------------------------------- */

START_TEST(sizes)
{
	struct {
		struct mqev_stats stats;
		unsigned char behind[64];
	} room;

	KIT_CLIENT(.client_id = "c");
	kit_publish("a", "x", 1);
	ck_assert_int_eq(mqev_client_stats(NULL, &room.stats), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_client_stats(kit.client, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_fleet_stats(NULL, &room.stats), MQEV_ERR_INVALID);
	room.stats.size = 0;
	ck_assert_int_eq(mqev_fleet_stats(kit.fleet, &room.stats), MQEV_ERR_INVALID);
	/* An older program's, in which a member is the last. */
	memset(&room, 0x55, sizeof(room));
	room.stats.size = offsetof(struct mqev_stats, queued) + sizeof(uint64_t);
	ck_assert_int_eq(mqev_client_stats(kit.client, &room.stats), 0);
	ck_assert_uint_eq(room.stats.queued, 1);
	ck_assert_uint_eq(room.stats.queued_bytes, UINT64_C(0x5555555555555555));
	/* A newer one's, with members behind. */
	memset(&room, 0x55, sizeof(room));
	room.stats.size = sizeof(room);
	ck_assert_int_eq(mqev_fleet_stats(kit.fleet, &room.stats), 0);
	ck_assert_uint_eq(room.stats.size, sizeof(room));
	ck_assert_uint_eq(room.stats.clients, 1);
	for (size_t i = 0; i < sizeof(room.behind); i++)
		ck_assert_uint_eq(room.behind[i], 0);
}
END_TEST

/* --- messages --------------------------------------------------------------------------------- */

START_TEST(messages_both_ways)
{
	struct mqev_stats s, f;

	make_broker(0);
	KIT_CLIENT(.client_id = "c");
	kit_connect_to("%s", tk_auto_url(broker));
	kit_subscribe("#", 2, NULL);
	kit_await_all(5000);
	for (int qos = 0; qos <= 2; qos++) {
		for (int i = 0; i <= qos; i++)
			kit_publish("a/b", "0123456789", qos);
	}
	KIT_AWAIT(KIT_MESSAGE, 6, 5000);
	kit_await_all(5000);
	s = of_client();
	f = of_fleet();
	ck_assert_uint_eq(s.messages_out, 6);
	ck_assert_uint_eq(s.messages_in, 6);
	ck_assert_uint_eq(f.messages_out, 6);
	ck_assert_uint_eq(f.messages_in, 6);
	for (unsigned qos = 0; qos <= 2; qos++) {
		uint64_t size = 2 + 2 + 3 + 10 + (qos > 0 ? 2 : 0);

		ck_assert_uint_eq(f.messages_out_qos[qos], qos + 1);
		ck_assert_uint_eq(f.messages_in_qos[qos], qos + 1);
		ck_assert_uint_eq(f.message_bytes_out_qos[qos], (qos + 1) * size);
		ck_assert_uint_eq(f.message_bytes_in_qos[qos], (qos + 1) * size);
	}
	/* CONNECT 15, SUBSCRIBE 8, 17 + 2 * 19 + 3 * 19 of messages, acknowledgements of 4. */
	ck_assert_uint_eq(s.bytes_out, 15 + 8 + 112 + 3 * 4 + 2 * 4 + 2 * 3 * 4);
	ck_assert_uint_eq(s.bytes_in, 4 + 5 + 112 + 2 * 4 + 2 * 3 * 4 + 3 * 4);
	ck_assert_uint_eq(f.bytes_out, s.bytes_out);
	ck_assert_uint_eq(f.bytes_in, s.bytes_in);
	ck_assert_uint_eq(s.queued, 0);
	ck_assert_uint_eq(f.queued, 0);
	ck_assert_uint_eq(f.queued_bytes, 0);
	ck_assert_uint_eq(f.inflight, 0);
	ck_assert_uint_eq(f.drops, 0);
	/* SUBACK, two PUBACK, three PUBREC and PUBCOMP. */
	ck_assert_uint_eq(f.ack_ms.count, 9);
	consistent(&f.ack_ms);
}
END_TEST

/* What one client has done stays in its fleet's figures when it is gone; gauges do not. */
START_TEST(after_a_client)
{
	struct mqev_stats f;

	make_broker(0);
	KIT_CLIENT(.client_id = "c");
	kit_connect_to("%s", tk_auto_url(broker));
	kit_publish("a", "x", 1);
	kit_await_all(5000);
	f = of_fleet();
	ck_assert_uint_eq(f.states[MQEV_CLIENT_CONNECTED], 1);
	ck_assert_uint_eq(f.clients, 1);
	kit_free_client();
	f = of_fleet();
	ck_assert_uint_eq(f.clients, 0);
	ck_assert_uint_eq(sum(f.states, MQEV_STATS_STATES), 0);
	ck_assert_uint_eq(f.messages_out, 1);
	ck_assert_uint_eq(f.connects, 1);
}
END_TEST

START_TEST(queue_gauges)
{
	struct mqev_stats s, f;
	uint64_t one;

	make_broker(0);
	KIT_CLIENT(.client_id = "c", .max_inflight = 2);
	kit_publish("a", "x", 1);
	s = of_client();
	one = s.queued_bytes;
	ck_assert_uint_eq(s.queued, 1);
	ck_assert_uint_gt(one, 50);
	for (int i = 1; i < 10; i++)
		kit_publish("a", "x", i % 3);
	f = of_fleet();
	ck_assert_uint_eq(f.queued, 10);
	ck_assert_uint_eq(f.queued_bytes, 10 * one);
	ck_assert_uint_eq(f.inflight, 0);
	/* In the window, and no answer comes. */
	kit_connect_to("%s", tk_auto_url(broker));
	KIT_AWAIT(KIT_CONNECT, 1, 5000);
	tk_auto_mute(broker, 1);
	kit_run(20);
	s = of_client();
	ck_assert_uint_eq(s.inflight, 2);
	ck_assert_uint_eq(of_fleet().inflight, 2);
	ck_assert_uint_eq(of_fleet().queued, s.queued);
	kit_free_client();
	f = of_fleet();
	ck_assert_uint_eq(f.queued, 0);
	ck_assert_uint_eq(f.queued_bytes, 0);
	ck_assert_uint_eq(f.inflight, 0);
	ck_assert_uint_eq(f.drops_by[MQEV_DROP_CANCELED], f.drops);
	ck_assert_uint_ge(f.drops, 6);
}
END_TEST

/* --- drops ------------------------------------------------------------------------------------ */

START_TEST(drops_at_the_call)
{
	struct mqev_stats f;

	KIT_CLIENT(.client_id = "c", .max_queued = 2, .offline_qos0 = MQEV_OFFLINE_REJECT);
	kit_publish("a", "x", 1);
	kit_publish("a", "x", 2);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a", .qos = 1)),
		    MQEV_ERR_QUEUE_FULL);
	ck_assert_int_eq(kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a")), MQEV_ERR_STATE);
	/* A fault of the caller is none of the message's fate. */
	ck_assert_int_eq(kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "#")), MQEV_ERR_INVALID);
	f = of_fleet();
	ck_assert_uint_eq(f.drops_by[MQEV_DROP_QUEUE_FULL], 3);
	ck_assert_uint_eq(f.drops_by[MQEV_DROP_OFFLINE], 1);
	ck_assert_uint_eq(f.drops, 4);
	ck_assert_uint_eq(of_client().drops, 4);
}
END_TEST

START_TEST(drops_later)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT),
	    TK_SEND("20 (00 00 (25 00 24 01))"), TK_EXPECT_BYTES("32 ({'a'} 0001 () 'x')"),
	    TK_SEND("40 (0001 97)"), TK_EXPECT_BYTES("32 ({'a'} 0004 () 'y')"), TK_CLOSE(), TK_END};
	struct mqev_properties *p = mqev_properties_new();
	struct mqev_stats f;

	mqev_properties_add_integer(p, MQEV_PROP_MESSAGE_EXPIRY_INTERVAL, 0);
	kit_broker(script);
	KIT_CLIENT(.client_id = "c", .protocol = MQEV_PROTOCOL_V5, .no_reconnect = true);
	kit_publish("a", "x", 1);
	kit_publish("a", "x", 2); /* Maximum QoS 1 */
	ck_assert_int_gt(
	    kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a", .qos = 1, .properties = p)), 0);
	mqev_properties_free(p);
	kit_publish("a", "y", 1);
	kit_connect();
	KIT_PLAY(5000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 5000);
	f = of_fleet();
	ck_assert_uint_eq(f.drops_by[MQEV_DROP_REFUSED], 1);
	ck_assert_uint_eq(f.drops_by[MQEV_DROP_LIMIT], 1);
	ck_assert_uint_eq(f.drops_by[MQEV_DROP_EXPIRED], 1);
	ck_assert_uint_eq(f.drops, 3);
	kit_free_client();
	ck_assert_uint_eq(of_fleet().drops_by[MQEV_DROP_CANCELED], 1);
}
END_TEST

/* --- connections ------------------------------------------------------------------------------ */

struct end_row {
	struct tk_step last;
	enum mqev_end cause;
	bool refused;
};

static const struct end_row end_rows[] = {
    {TK_CLOSE(), MQEV_END_LOST, false},
    {TK_RESET(), MQEV_END_LOST, false},
    {TK_SEND("E0 (8B ())"), MQEV_END_SERVER, false},
    {TK_SEND("20 (00 00 ())"), MQEV_END_PROTOCOL, false},
    {TK_SEND("F1 00"), MQEV_END_PROTOCOL, false},
    {TK_SEND("20 (00 87 ())"), MQEV_END_REFUSED, true},
};

START_TEST(ends_by_cause)
{
	const struct end_row *row = &end_rows[_i];
	const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())"),
	    TK_UNTIL(kit.count[KIT_CONNECT]), row->last, TK_END};
	const struct tk_step refused[] = {TK_EXPECT(CONNECT), row->last, TK_END};
	struct mqev_stats f;

	kit_broker(row->refused ? refused : script);
	KIT_CLIENT(.client_id = "c", .protocol = MQEV_PROTOCOL_V5, .no_reconnect = true);
	kit_connect();
	KIT_AWAIT(KIT_DISCONNECT, 1, 5000);
	f = of_fleet();
	ck_assert_uint_eq(f.ends_by[row->cause], 1);
	ck_assert_uint_eq(f.ends, 1);
	ck_assert_uint_eq(of_client().ends, 1);
	ck_assert_uint_eq(f.attempts, 1);
	ck_assert_uint_eq(f.connects, !row->refused);
	ck_assert_uint_eq(f.connect_failures, 0);
}
END_TEST

START_TEST(ends_by_the_application)
{
	make_broker(0);
	KIT_CLIENT(.client_id = "c");
	kit_connect_to("%s", tk_auto_url(broker));
	KIT_AWAIT(KIT_CONNECT, 1, 5000);
	kit_disconnect();
	KIT_AWAIT(KIT_DISCONNECT, 1, 5000);
	ck_assert_uint_eq(of_fleet().ends_by[MQEV_END_APPLICATION], 1);
	ck_assert_uint_eq(of_fleet().states[MQEV_CLIENT_IDLE], 1);
}
END_TEST

START_TEST(ends_without_pong)
{
	make_broker(0);
	KIT_CLIENT(.client_id = "c", .keepalive = 1, .ping_timeout_ms = 100, .no_reconnect = true);
	kit_connect_to("%s", tk_auto_url(broker));
	KIT_AWAIT(KIT_CONNECT, 1, 5000);
	tk_auto_mute(broker, 1);
	KIT_AWAIT(KIT_DISCONNECT, 1, 5000);
	ck_assert_uint_eq(of_fleet().ends_by[MQEV_END_KEEPALIVE], 1);
}
END_TEST

START_TEST(failures_by_stage)
{
	struct mqev_stats f;

	KIT_CLIENT(.client_id = "c");
	kit_connect_to("127.0.0.1:%d", tk_free_port());
	KIT_AWAIT(KIT_CONNECT_FAIL, 3, 5000);
	f = of_fleet();
	ck_assert_uint_ge(f.connect_failures_by[MQEV_STAGE_DIAL], 3);
	ck_assert_uint_eq(f.connect_failures_by[MQEV_STAGE_DIAL], f.connect_failures);
	ck_assert_uint_eq(of_client().connect_failures, f.connect_failures);
	ck_assert_uint_ge(f.attempts, f.connect_failures);
	ck_assert_uint_eq(f.ends, 0);
}
END_TEST

/* --- histograms ------------------------------------------------------------------------------- */

/* 40 ms there and back: in the buckets from 32 to 63 ms and, on a busy machine, above. */
START_TEST(latencies)
{
	struct mqev_stats f;

	make_broker(40);
	KIT_CLIENT(.client_id = "c", .keepalive = 1);
	kit_connect_to("%s", tk_auto_url(broker));
	kit_publish("a", "x", 1);
	kit_await_all(5000);
	while ((f = of_fleet()).ping_ms.count == 0)
		kit_run(20);
	ck_assert_uint_eq(f.ack_ms.count, 1);
	ck_assert_uint_ge(f.ack_ms.sum, 39);
	ck_assert_uint_eq(sum(f.ack_ms.buckets, 6), 0);
	ck_assert_uint_ge(f.ping_ms.sum, 39);
	ck_assert_uint_eq(sum(f.ping_ms.buckets, 6), 0);
	consistent(&f.ping_ms);
	consistent(&f.ack_ms);
}
END_TEST

/* A loop that is busy for longer than a tick is always found out. */
START_TEST(loop_lag)
{
	struct mqev_stats f;

	make_broker(0);
	KIT_CLIENT(.client_id = "c");
	kit_connect_to("%s", tk_auto_url(broker));
	KIT_AWAIT(KIT_CONNECT, 1, 5000);
	kit_run(600);
	f = of_fleet();
	ck_assert_uint_ge(f.loop_lag_us.count, 1);
	usleep(550000);
	kit_run(300);
	f = of_fleet();
	ck_assert_uint_ge(f.loop_lag_longest_us, 300000);
	ck_assert_uint_lt(f.loop_lag_longest_us, 5000000);
	ck_assert_uint_ge(sum(f.loop_lag_us.buckets + 19, MQEV_HISTOGRAM_BUCKETS - 19), 1);
	consistent(&f.loop_lag_us);
}
END_TEST

static TCase *
stats_case(Suite *s, const char *name)
{
	TCase *tc = tk_case(s, name);

	tcase_add_checked_fixture(tc, setup, teardown);
	return tc;
}

int
main(void)
{
	Suite *s = suite_create("stats");
	TCase *tc = stats_case(s, "struct");

	tcase_add_test(tc, sizes);
	tc = stats_case(s, "messages");
	tcase_add_test(tc, messages_both_ways);
	tcase_add_test(tc, after_a_client);
	tcase_add_test(tc, queue_gauges);
	tc = stats_case(s, "drops");
	tcase_add_test(tc, drops_at_the_call);
	tcase_add_test(tc, drops_later);
	tc = stats_case(s, "connections");
	tcase_add_loop_test(tc, ends_by_cause, 0, (int)(sizeof(end_rows) / sizeof(end_rows[0])));
	tcase_add_test(tc, ends_by_the_application);
	tcase_add_test(tc, ends_without_pong);
	tcase_add_test(tc, failures_by_stage);
	tc = stats_case(s, "histograms");
	tcase_add_test(tc, latencies);
	tcase_add_test(tc, loop_lag);
	return tk_main(s);
}
