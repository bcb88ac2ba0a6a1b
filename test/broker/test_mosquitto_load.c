/* Many clients and much traffic against a real mosquitto, and its end and return in the midst:
 * judged by a history of every number. */
#include "broker/broker_kit.h"

#include <signal.h>
#include <stdio.h>

/* --- the history -------------------------------------------------------------------------------
 */

/* What was accepted and did not fail was received: at QoS 1 at least once, at QoS 2 once. */
static void
judge(const struct peer *to, int from, int until, int step, int qos)
{
	for (int i = from; i < until; i += step) {
		ck_assert_msg(to->numbers[i] > 0, "QoS %d number %d was lost", qos, i);
		ck_assert_msg(qos < 2 || to->numbers[i] == 1, "QoS 2 number %d came %d times", i,
		    to->numbers[i]);
	}
}

static int
count_numbers(const struct peer *p)
{
	int n = 0;

	for (int i = 0; i < MOST_NUMBERS; i++)
		n += p->numbers[i] > 0;
	return n;
}

/* --- stopped and started under load ------------------------------------------------------------
 */

static const char restart_config[] = "persistence true\nmax_queued_messages 0\n"
				     "max_inflight_messages 200\nautosave_interval 0\n";

#define RESTARTS 4
#define BATCH 500
#define TOTAL ((RESTARTS + 1) * BATCH)

static struct mqev_options
kept(enum mqev_protocol version, const char *id)
{
	struct mqev_options o = {
	    .size = sizeof(o), .protocol = version, .client_id = id, .clean = MQEV_CLEAN_STRICT};

	if (version == MQEV_PROTOCOL_V5)
		o.session_expiry = 1000;
	return o;
}

/* SIGTERM: mosquitto writes down what it has. The clients' loop stands still meanwhile or goes on.
 */
static void
restart(bool loop_goes_on)
{
	ck_assert_int_eq(tk_server_kill(&mosquitto, SIGTERM), 0);
	if (loop_goes_on)
		kit_run(150);
	tk_server_restart(&mosquitto);
}

static void
publish_and_restart(struct peer *from, struct peer *to, int qos)
{
	int number = 0;

	for (int round = 0; round <= RESTARTS; round++) {
		for (int i = 0; i < BATCH; i++, number++)
			peer_publish_number(from, "load", number, qos);
		/* Somewhere in the middle of it. */
		kit_run(3 + 5 * round);
		if (round == RESTARTS)
			return;
		restart(round % 2 == 0);
		AWAIT(from->connects, round + 2, 5000);
		AWAIT(to->connects, round + 2, 5000);
	}
}

static int
all_received(void *arg)
{
	return count_numbers(arg) >= TOTAL;
}

START_TEST(restarted_under_load)
{
	static const enum mqev_protocol versions[] = {MQEV_PROTOCOL_V311, MQEV_PROTOCOL_V5};
	enum mqev_protocol version = versions[_i / 2];
	int qos = 1 + _i % 2;
	struct peer *from;
	struct peer *to;

	BROKER_START(restart_config);
	from = peer_new(kept(version, "from"));
	to = peer_new(kept(version, "to"));
	peer_connect(from);
	peer_connect(to);
	peer_subscribe(to, "load", 2);
	publish_and_restart(from, to, qos);
	peer_await_done(from, 20000);
	tk_run_until(kit.base, all_received, to, 20000);
	kit_run(200);
	ck_assert_int_eq(from->failed, 0);
	judge(to, 0, TOTAL, 1, qos);
	ck_assert_int_eq(to->out_of_order, 0);
	peer_free(from);
	peer_free(to);
}
END_TEST

/* --- a thousand clients ------------------------------------------------------------------------
 */

#define CLIENTS 1000

static struct peer *crowd[CLIENTS];

static int
sum_connects(void)
{
	int n = 0;

	for (int i = 0; i < CLIENTS; i++)
		n += mqev_client_is_connected(crowd[i]->client);
	return n;
}

static int
all_connected(void *arg)
{
	(void)arg;
	return sum_connects() == CLIENTS;
}

static int
all_messages(void *arg)
{
	for (int i = 0; i < CLIENTS; i++)
		if (crowd[i]->messages < *(int *)arg)
			return 0;
	return 1;
}

static void
make_crowd(void)
{
	static const enum mqev_protocol versions[] = {
	    MQEV_PROTOCOL_V31, MQEV_PROTOCOL_V311, MQEV_PROTOCOL_V5};
	char id[16];
	char url[64];

	snprintf(url, sizeof(url), "mqtt://127.0.0.1:%d", mosquitto.port);
	for (int i = 0; i < CLIENTS; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		crowd[i] = PEER(.protocol = versions[i % 3], .client_id = id);
		ck_assert_int_eq(mqev_connect(crowd[i]->client, url), 0);
	}
}

static void
subscribe_crowd(void)
{
	char filter[16];

	for (int i = 0; i < CLIENTS; i++) {
		int64_t op;

		snprintf(filter, sizeof(filter), "to/%d", i);
		op = mqev_subscribe(crowd[i]->client, MQEV_SUBSCRIPTION(.filter = filter, .qos = 2),
		    1, NULL, kit_done, kit_op());
		ck_assert_int_gt(op, 0);
		kit_note_accepted(op);
	}
}

/* Each writes to the next one, at every QoS. */
static void
talk(int from)
{
	char topic[16];

	for (int i = 0; i < CLIENTS; i++) {
		snprintf(topic, sizeof(topic), "to/%d", (i + 1) % CLIENTS);
		for (int qos = 0; qos < 3; qos++)
			peer_publish_number(crowd[i], topic, from + qos, qos);
	}
}

START_TEST(a_thousand_clients)
{
	int three = 3;
	int six = 6;

	BROKER_START(NULL);
	make_crowd();
	ck_assert(tk_run_until(kit.base, all_connected, NULL, 30000));
	ck_assert_uint_eq(mqev_fleet_client_count(kit.fleet), CLIENTS);
	subscribe_crowd();
	kit_await_all(20000);
	talk(0);
	kit_await_all(30000);
	ck_assert(tk_run_until(kit.base, all_messages, &three, 30000));
	/* The broker goes and comes back: so do they, with their subscriptions. */
	restart(true);
	ck_assert(tk_run_until(kit.base, all_connected, NULL, 30000));
	kit_run(500);
	talk(3);
	kit_await_all(30000);
	ck_assert(tk_run_until(kit.base, all_messages, &six, 30000));
	for (int i = 0; i < CLIENTS; i++) {
		for (int n = 0; n < 6; n++)
			ck_assert_int_eq(crowd[i]->numbers[n], 1);
		ck_assert_int_eq(crowd[i]->failed, 0);
		peer_free(crowd[i]);
	}
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("mosquitto_load");
	TCase *tc = broker_case(s, "restart", 90);

	tcase_add_loop_test(tc, restarted_under_load, 0, 4);
	tc = broker_case(s, "crowd", 120);
	tcase_add_test(tc, a_thousand_clients);
	return s;
}

int
main(void)
{
	return tk_main(suite());
}
