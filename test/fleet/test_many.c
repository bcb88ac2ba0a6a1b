/* Many clients in one process: 500 among the tests, 10,000 by make check-fleet. They lose their
 * server and come back within the governor's limits, which a server of our own counts; and none of
 * them forgets its pings. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <event2/event.h>
#include <mqev/mqev.h>

#include "fleet/listener.h"
#include "lib/loop.h"
#include "lib/server.h"

#define FEW 500
#define FEW_KEEPALIVE_S 3
#define MANY_KEEPALIVE_S 10

/* What options without a word of it mean. */
#define MAX_HANDSHAKES 250
#define CONNECTS_PER_S 1000
#define BURST 100

static struct event_base *base;
static struct mqev_fleet *fleet;
static struct event *pulse;
static long long last_pulse, longest_gap;
static int count; /* of clients */
static uint32_t keepalive_s;
static long rss_before;

/* --- the loop's gaps -------------------------------------------------------------------------- */

static void
on_pulse(evutil_socket_t fd, short what, void *arg)
{
	long long now = tk_now_ms();

	(void)fd;
	(void)what;
	(void)arg;
	if (now - last_pulse - 10 > longest_gap)
		longest_gap = now - last_pulse - 10;
	last_pulse = now;
}

static void
start_pulse(void)
{
	const struct timeval often = {0, 10000};

	pulse = event_new(base, -1, EV_PERSIST, on_pulse, NULL);
	last_pulse = tk_now_ms();
	longest_gap = 0;
	event_add(pulse, &often);
}

/* --- clients ---------------------------------------------------------------------------------- */

static struct mqev_stats
stats_now(void)
{
	struct mqev_stats stats = {.size = sizeof(stats)};

	mqev_fleet_stats(fleet, &stats);
	return stats;
}

static int
all_connected(void *arg)
{
	(void)arg;
	return stats_now().states[MQEV_CLIENT_CONNECTED] == (uint64_t)count;
}

static int
none_connected(void *arg)
{
	(void)arg;
	return stats_now().states[MQEV_CLIENT_CONNECTED] == 0;
}

/* Enough descriptors for as many connections, in this process and in one that it starts. */
static int
can_hold(int clients)
{
	rlim_t need = (rlim_t)clients + 100;
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < need)
		return 0;
	if (limit.rlim_cur < need)
		limit.rlim_cur = need;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static void
read_count(void)
{
	const char *given = getenv("MQEV_FLEET_CLIENTS");

	count = given != NULL ? atoi(given) : FEW;
	keepalive_s = count > FEW ? MANY_KEEPALIVE_S : FEW_KEEPALIVE_S;
}

/* Two rounds with all that they may cost: backoff, the governor's rate, a busy machine. */
static int
patience_ms(void)
{
	return 20000 + count * 1000 / CONNECTS_PER_S * 2;
}

static void
make_clients(const char *url, const struct mqev_fleet_options *options)
{
	rss_before = tk_rss_kib();
	fleet = mqev_fleet_new(base, options);
	for (int i = 0; i < count; i++) {
		struct mqev_client *c;
		char id[32];

		snprintf(id, sizeof(id), "many-%d", i);
		c = mqev_client_new(
		    fleet, MQEV_OPTIONS(.client_id = id, .keepalive = keepalive_s), NULL);
		ck_assert_ptr_nonnull(c);
		ck_assert_int_eq(mqev_connect(c, url), 0);
	}
}

static void
connect_all(const char *url, const struct mqev_fleet_options *options)
{
	long long began = tk_now_ms();

	make_clients(url, options);
	start_pulse();
	ck_assert_msg(tk_run_until(base, all_connected, NULL, patience_ms()),
	    "%llu of %d are connected",
	    (unsigned long long)stats_now().states[MQEV_CLIENT_CONNECTED], count);
	printf(
	    "%d clients connected in %lld ms, %ld bytes each (resident), longest gap of the loop "
	    "%lld ms\n",
	    count, tk_now_ms() - began, (tk_rss_kib() - rss_before) * 1024 / count, longest_gap);
}

static void
setup(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	base = event_base_new();
	fleet = NULL;
	pulse = NULL;
	read_count();
}

static void
teardown(void)
{
	mqev_fleet_free(fleet);
	if (pulse != NULL)
		event_free(pulse);
	event_base_free(base);
}

#define NEED_DESCRIPTORS()                                                                      \
	do {                                                                                    \
		if (!can_hold(count))                                                           \
			tk_skip("%d clients need more descriptors than the hard limit", count); \
	} while (0)

/* --- a server that counts --------------------------------------------------------------------- */

/* All that was let in and not answered counts at both ends; what came late to the listener, because
 * that or its machine was busy, can be no more than that. */
static void
judge_limits(const struct listener *l, const char *when)
{
	int most = listener_most_per_second(l);

	printf("%s: at the listener at most %d handshakes at once (limit %d), %d connections in a "
	       "second (limit %d and a burst of %d)\n",
	    when, l->most_waiting, MAX_HANDSHAKES, most, CONNECTS_PER_S, BURST);
	ck_assert_int_eq(l->wrong, 0);
	ck_assert_int_ge(l->accepted, count);
	ck_assert_int_le(l->most_waiting, MAX_HANDSHAKES);
	ck_assert_int_le(most, CONNECTS_PER_S + BURST + MAX_HANDSHAKES);
}

/* The keepalive of every connection is kept, and not by all at once. */
static void
judge_pings(struct listener *l)
{
	int slots = (int)keepalive_s * 1000 / 250;

	listener_reset_pings(l);
	longest_gap = 0;
	tk_run_until(base, NULL, NULL, (int)keepalive_s * 2200);
	printf("%d pings in %u s, at most %d within 250 ms; the longest silence of a client was %d "
	       "ms of %u, the longest gap of the loop %lld ms\n",
	    l->pings, keepalive_s * 22 / 10, l->most_pings, l->longest_silence_ms,
	    keepalive_s * 1000, longest_gap);
	ck_assert_int_ge(l->pings, count * 2);
	ck_assert_int_le(l->longest_silence_ms, (int)keepalive_s * 1000 + (int)longest_gap);
	/* Six times as many as there would be if they were even. */
	ck_assert_int_le(l->most_pings, count * 6 / slots);
	ck_assert_int_eq(l->online, count);
	ck_assert_uint_eq(stats_now().ends, (uint64_t)count);
}

START_TEST(limits_at_the_listener)
{
	struct listener *l;
	long long began;
	char url[64];

	NEED_DESCRIPTORS();
	l = listener_start(100);
	snprintf(url, sizeof(url), "127.0.0.1:%d", l->port);
	connect_all(url, NULL);
	judge_limits(l, "start");
	/* All lose their connection together, and for a while nobody can connect. */
	listener_reset_connections(l);
	longest_gap = 0;
	began = tk_now_ms();
	l->away_ms = 700;
	l->drop = 1;
	ck_assert(tk_run_until(base, none_connected, NULL, 10000));
	ck_assert(tk_run_until(base, all_connected, NULL, patience_ms()));
	printf("all dropped and back in %lld ms, longest gap of the loop %lld ms\n",
	    tk_now_ms() - began, longest_gap);
	judge_limits(l, "back");
	judge_pings(l);
	listener_stop(l);
}
END_TEST

/* More deadlines at one moment than a turn of the loop looks after: they take several, and none
 * comes late for that. */
START_TEST(all_ping_together)
{
	struct listener *l;
	char url[64];

	count = 1000;
	keepalive_s = 2;
	NEED_DESCRIPTORS();
	l = listener_start(0);
	snprintf(url, sizeof(url), "127.0.0.1:%d", l->port);
	connect_all(url, MQEV_FLEET_OPTIONS(.max_handshakes = MQEV_UNLIMITED,
			     .connects_per_s = MQEV_UNLIMITED, .ping_spread_ms = MQEV_NONE));
	listener_reset_pings(l);
	longest_gap = 0;
	tk_run_until(base, NULL, NULL, 6000);
	printf("%d pings, %d of them within 250 ms; the longest silence was %d ms of 2000\n",
	    l->pings, l->most_pings, l->longest_silence_ms);
	ck_assert_int_ge(l->most_pings, 500);
	ck_assert_int_ge(l->pings, 3 * count);
	ck_assert_int_le(l->longest_silence_ms, 2000 + (int)longest_gap);
	listener_stop(l);
}
END_TEST

/* --- mosquitto -------------------------------------------------------------------------------- */

START_TEST(mosquitto_restarts)
{
	struct tk_server server;
	struct mqev_stats stats;
	long long began;
	char url[64];

	NEED_DESCRIPTORS();
	TK_SERVER_MOSQUITTO(&server, "connection_messages false\n");
	snprintf(url, sizeof(url), "127.0.0.1:%d", server.port);
	connect_all(url, NULL);
	longest_gap = 0;
	tk_server_kill(&server, SIGKILL);
	ck_assert(tk_run_until(base, none_connected, NULL, 10000));
	tk_run_until(base, NULL, NULL, 1500);
	began = tk_now_ms();
	tk_server_restart(&server);
	last_pulse = tk_now_ms(); /* the server's start was waited for */
	ck_assert_msg(tk_run_until(base, all_connected, NULL, patience_ms()), "%llu of %d are back",
	    (unsigned long long)stats_now().states[MQEV_CLIENT_CONNECTED], count);
	printf(
	    "mosquitto killed and restarted: all back %lld ms after its start, longest gap of the "
	    "loop %lld ms\n",
	    tk_now_ms() - began, longest_gap);
	/* Who is silent for one and a half intervals would be closed by it. */
	tk_run_until(base, NULL, NULL, (int)keepalive_s * 2000);
	stats = stats_now();
	ck_assert_uint_eq(stats.states[MQEV_CLIENT_CONNECTED], (uint64_t)count);
	ck_assert_uint_eq(stats.connects, 2 * (uint64_t)count);
	ck_assert_uint_eq(stats.ends_by[MQEV_END_LOST], (uint64_t)count);
	ck_assert_uint_eq(stats.ends, (uint64_t)count);
	ck_assert_uint_ge(stats.ping_ms.count, (uint64_t)count);
	printf("%llu attempts, %llu failed; mean round trip of a ping %.1f ms\n",
	    (unsigned long long)stats.attempts, (unsigned long long)stats.connect_failures,
	    (double)stats.ping_ms.sum / (double)stats.ping_ms.count);
	tk_server_stop(&server);
}
END_TEST

static TCase *
many_case(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	read_count();
	tcase_set_timeout(tc, 60 + count / 50);
	tcase_add_checked_fixture(tc, setup, teardown);
	suite_add_tcase(s, tc);
	return tc;
}

int
main(void)
{
	Suite *s = suite_create("many");

	TCase *tc = many_case(s, "listener");

	tcase_add_test(tc, limits_at_the_listener);
	tcase_add_test(tc, all_ping_together);
	tcase_add_test(many_case(s, "mosquitto"), mosquitto_restarts);
	return tk_main(s);
}
