/* Draining a large fleet: 2,000 clients with messages in flight, some of whose servers never answer
 * and some of which have none. One report, whose numbers are those of the completions, in time. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <check.h>
#include <event2/event.h>

#include <mqev/mqev.h>

#include "lib/auto.h"
#include "lib/loop.h"

enum {
	CLIENTS = 2000,
	DEAF = 200,    /* their server reads on and answers nothing */
	NOWHERE = 100, /* nobody listens there */
	/* What a listening queue has no room for is sent again after a second. */
	AT_ONCE = 100,
	DEADLINE_MS = 1500,
	/* For a system that is busy with other things. */
	LIMIT_MS = 10000
};

static struct {
	struct event_base *base;
	struct mqev_fleet *fleet;
	struct mqev_client *clients[CLIENTS];
	struct tk_auto *server;
	struct tk_auto *deaf;
	int connected;
	int accepted;
	int succeeded;
	int canceled;
	int others; /* other ends */
	int drained;
	struct mqev_drain_report report;
} w;

static void
on_connect(struct mqev_client *c, const struct mqev_connack *connack, void *userdata)
{
	(void)c;
	(void)connack;
	(void)userdata;
	w.connected++;
}

static void
on_done(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	(void)c;
	(void)arg;
	if (result->error == 0)
		w.succeeded++;
	else if (result->error == MQEV_ERR_CANCELED)
		w.canceled++;
	else
		w.others++;
}

/* All completions come before. */
static void
on_drained(struct mqev_fleet *fleet, const struct mqev_drain_report *report, void *arg)
{
	ck_assert_ptr_eq(fleet, w.fleet);
	ck_assert_ptr_eq(arg, &w);
	ck_assert_int_eq(w.succeeded + w.canceled + w.others, w.accepted);
	w.report = *report;
	w.drained++;
}

static const char *
url_of(int i)
{
	if (i < NOWHERE)
		return "mqtt://127.0.0.1:1";
	return tk_auto_url(i < NOWHERE + DEAF ? w.deaf : w.server);
}

static void
make_clients(void)
{
	char id[16];

	for (int i = 0; i < CLIENTS; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		w.clients[i] = mqev_client_new(w.fleet,
		    MQEV_OPTIONS(.client_id = id, .on_connect = on_connect,
			.reconnect_min_ms = 60000, .reconnect_max_ms = 60000),
		    NULL);
		ck_assert_ptr_nonnull(w.clients[i]);
		ck_assert_int_eq(mqev_connect(w.clients[i], url_of(i)), 0);
	}
	TK_RUN_UNTIL_COUNT(w.base, w.connected, CLIENTS - NOWHERE, 15000);
}

static void
submit(void)
{
	for (int i = 0; i < CLIENTS; i++) {
		for (int qos = 0; qos < 3; qos++) {
			ck_assert_int_gt(mqev_publish(w.clients[i],
					     MQEV_MESSAGE(.topic = "a", .payload = "p",
						 .payload_len = 1, .qos = qos),
					     on_done, NULL),
			    0);
			w.accepted++;
		}
		ck_assert_int_gt(mqev_subscribe(w.clients[i], MQEV_SUBSCRIPTION(.filter = "s"), 1,
				     NULL, on_done, NULL),
		    0);
		w.accepted++;
	}
}

static bool
enough_descriptors(void)
{
	const rlim_t need = 2 * CLIENTS + 100;
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < need)
		limit.rlim_cur = need < limit.rlim_max ? need : limit.rlim_max;
	return limit.rlim_cur >= need && setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static void
begin(int deaf)
{
	w.base = event_base_new();
	w.server = tk_auto_new(w.base, NULL);
	w.deaf = tk_auto_new(w.base, NULL);
	w.fleet = mqev_fleet_new(w.base,
	    MQEV_FLEET_OPTIONS(.max_handshakes = AT_ONCE, .connects_per_s = MQEV_UNLIMITED));
	make_clients();
	tk_auto_mute(w.deaf, deaf);
	submit();
	/* What can leave has left: it is in flight. */
	event_base_loop(w.base, EVLOOP_NONBLOCK);
}

static void
end(void)
{
	mqev_fleet_free(w.fleet);
	tk_auto_free(w.server);
	tk_auto_free(w.deaf);
	event_base_free(w.base);
}

/* What the report says is left are the operations that were canceled, and nothing else. */
static void
check_sums(void)
{
	const struct mqev_drain_report *r = &w.report;
	size_t messages = r->left_messages[0] + r->left_messages[1] + r->left_messages[2];

	ck_assert_int_eq(w.others, 0);
	ck_assert_uint_eq(messages + r->left_subscribes, (size_t)w.canceled);
	ck_assert_uint_eq(r->left_requests, 0);
	ck_assert_int_eq(w.succeeded + w.canceled, w.accepted);
}

START_TEST(two_thousand_clients)
{
	if (!enough_descriptors())
		tk_skip("the system grants too few descriptors");
	begin(1);
	ck_assert_int_eq(mqev_fleet_drain(w.fleet, DEADLINE_MS, on_drained, &w), 0);
	ck_assert_int_eq(mqev_fleet_drain(w.fleet, DEADLINE_MS, NULL, NULL), MQEV_ERR_STATE);
	TK_RUN_UNTIL(w.base, w.drained, LIMIT_MS);
	check_sums();
	ck_assert_int_eq(w.report.error, MQEV_ERR_TIMEOUT);
	ck_assert_uint_eq(w.report.clients, CLIENTS);
	ck_assert_uint_eq(w.report.clients_left, DEAF + NOWHERE);
	ck_assert(!w.report.server_closed);
	ck_assert_uint_ge(w.report.took_ms, DEADLINE_MS);
	/* To the deaf QoS 0 has left; to nowhere nothing. */
	ck_assert_uint_eq(w.report.left_messages[0], NOWHERE);
	ck_assert_uint_eq(w.report.left_messages[1], DEAF + NOWHERE);
	ck_assert_uint_eq(w.report.left_messages[2], DEAF + NOWHERE);
	ck_assert_uint_eq(w.report.left_in_flight, 2 * DEAF);
	ck_assert_uint_eq(w.report.left_subscribes, DEAF + NOWHERE);
	ck_assert_uint_gt(w.report.left_bytes, 0);
	/* The others said good-bye when all of theirs was done. */
	ck_assert_int_eq(tk_auto_stats(w.server)->received, 3L * (CLIENTS - DEAF - NOWHERE));
	ck_assert_int_eq(tk_auto_stats(w.server)->lost, 0);
	ck_assert_int_eq(tk_auto_stats(w.server)->online, 0);
	tk_run_until(w.base, NULL, NULL, 30);
	ck_assert_int_eq(w.drained, 1);
	end();
}
END_TEST

/* When nobody is deaf it ends by itself, long before its deadline. */
START_TEST(all_answer)
{
	if (!enough_descriptors())
		tk_skip("the system grants too few descriptors");
	begin(0);
	for (int i = 0; i < NOWHERE; i++)
		mqev_client_free(w.clients[i]);
	/* Those that were freed had their completions. */
	ck_assert_int_eq(w.canceled, 4 * NOWHERE);
	ck_assert_int_eq(mqev_fleet_drain(w.fleet, 60000, on_drained, &w), 0);
	TK_RUN_UNTIL(w.base, w.drained, 15000);
	ck_assert_int_eq(w.report.error, 0);
	ck_assert_uint_eq(w.report.clients, CLIENTS - NOWHERE);
	ck_assert_uint_eq(w.report.clients_left, 0);
	ck_assert_uint_eq(w.report.left_bytes, 0);
	ck_assert(w.report.server_closed);
	ck_assert_int_eq(w.others, 0);
	ck_assert_int_eq(w.canceled, 4 * NOWHERE);
	ck_assert_int_eq(w.succeeded, 4 * (CLIENTS - NOWHERE));
	end();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("drain_fleet");
	TCase *tc = tk_case(s, "fleet");

	tcase_set_timeout(tc, 40);
	tcase_add_test(tc, two_thousand_clients);
	tcase_add_test(tc, all_answer);
	return tk_main(s);
}
