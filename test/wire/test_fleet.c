/* Many clients of one fleet: the governor seen from the listener, the order in which they come,
 * what happens to those that leave the line, descriptors that run out, and going through them all.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/auto.h"
#include "wire/client_kit.h"

#define MANY 60

/* The fleet under test and its clients, by the number in their userdata. */
static struct mqev_fleet *fleet;
static struct mqev_client *clients[MANY];
static int up[MANY]; /* which in the order of CONNACKs */
static int connected, failed, last_errno;
static struct tk_auto *broker;

static void
on_connect(struct mqev_client *c, const struct mqev_connack *connack, void *userdata)
{
	(void)c;
	ck_assert_int_eq(connack->reason, 0);
	up[*(int *)userdata] = ++connected;
}

static void
on_connect_fail(struct mqev_client *c, const struct mqev_connect_failure *failure, void *userdata)
{
	(void)c;
	(void)userdata;
	last_errno = failure->system_errno;
	failed++;
}

static int numbers[MANY];

static void
make_fleet(const struct mqev_fleet_options *options, int count, const char *url)
{
	fleet = mqev_fleet_new(kit.base, options);
	ck_assert_ptr_nonnull(fleet);
	for (int i = 0; i < count; i++) {
		char id[16];

		numbers[i] = i;
		snprintf(id, sizeof(id), "c%d", i);
		clients[i] = mqev_client_new(fleet,
		    MQEV_OPTIONS(.client_id = id, .on_connect = on_connect,
			.on_connect_fail = on_connect_fail, .userdata = &numbers[i],
			.reconnect_min_ms = 20, .reconnect_max_ms = 40),
		    NULL);
		ck_assert_ptr_nonnull(clients[i]);
		if (url != NULL)
			ck_assert_int_eq(mqev_connect(clients[i], url), 0);
	}
}

static void
setup(void)
{
	kit_setup();
	connected = failed = last_errno = 0;
	memset(up, 0, sizeof(up));
	memset(clients, 0, sizeof(clients));
	broker = NULL;
	fleet = NULL;
}

static void
teardown(void)
{
	mqev_fleet_free(fleet);
	if (broker != NULL)
		tk_auto_free(broker);
	kit_run(1); /* what libevent frees a turn later */
	kit_teardown();
}

static void
make_broker(int delay_ms)
{
	const struct tk_auto_options options = {.delay_ms = delay_ms};

	broker = tk_auto_new(kit.base, &options);
}

static int
in_state(enum mqev_client_state state)
{
	int n = 0;

	for (int i = 0; i < MANY; i++)
		n += clients[i] != NULL && mqev_client_state(clients[i]) == state;
	return n;
}

/* --- the governor ----------------------------------------------------------------------------- */

struct watch {
	int wanted;
	int most; /* accepted and not answered, at any look */
	int queued;
};

static int
all_are_up(void *arg)
{
	struct watch *w = arg;
	const struct tk_auto_stats *stats = tk_auto_stats(broker);
	int open = stats->connections - stats->connects;

	if (open > w->most)
		w->most = open;
	if (in_state(MQEV_CLIENT_QUEUED) > w->queued)
		w->queued = in_state(MQEV_CLIENT_QUEUED);
	return connected >= w->wanted;
}

/* The broker takes its time: without limits all would be waiting for it together. */
START_TEST(handshakes_at_once)
{
	struct watch w = {.wanted = MANY};

	make_broker(20);
	make_fleet(MQEV_FLEET_OPTIONS(.max_handshakes = 5, .connects_per_s = MQEV_UNLIMITED), MANY,
	    tk_auto_url(broker));
	ck_assert(tk_run_until(kit.base, all_are_up, &w, 10000));
	ck_assert_int_eq(w.most, 5);
	ck_assert_int_eq(w.queued, MANY - 5);
	ck_assert_int_eq(in_state(MQEV_CLIENT_CONNECTED), MANY);
	ck_assert_int_eq(failed, 0);
}
END_TEST

START_TEST(no_limits)
{
	struct watch w = {.wanted = MANY};

	make_broker(20);
	make_fleet(
	    MQEV_FLEET_OPTIONS(.max_handshakes = MQEV_UNLIMITED, .connects_per_s = MQEV_UNLIMITED),
	    MANY, tk_auto_url(broker));
	ck_assert(tk_run_until(kit.base, all_are_up, &w, 10000));
	ck_assert_int_eq(w.most, MANY);
	ck_assert_int_eq(w.queued, 0);
}
END_TEST

/* A burst of 4, then one each 10 ms: the last of 60 not before 560 ms. */
START_TEST(starts_per_second)
{
	long long began = tk_now_ms();

	make_broker(0);
	make_fleet(MQEV_FLEET_OPTIONS(.connects_per_s = 100, .connect_burst = 4), MANY,
	    tk_auto_url(broker));
	while (connected < MANY) {
		long long ms = tk_now_ms() - began;

		ck_assert_int_lt(ms, 10000);
		kit_run(5);
		ms = tk_now_ms() - began;
		ck_assert_int_le(tk_auto_stats(broker)->connections, 4 + ms / 10 + 1);
	}
	ck_assert_int_ge(tk_now_ms() - began, 550);
}
END_TEST

START_TEST(first_come_first_served)
{
	struct watch w = {.wanted = MANY};

	make_broker(0);
	make_fleet(MQEV_FLEET_OPTIONS(.max_handshakes = 1, .connects_per_s = MQEV_UNLIMITED), MANY,
	    tk_auto_url(broker));
	ck_assert(tk_run_until(kit.base, all_are_up, &w, 10000));
	ck_assert_int_eq(w.most, 1);
	for (int i = 0; i < MANY; i++)
		ck_assert_int_eq(up[i], i + 1);
}
END_TEST

/* Each third is freed, each third disconnected while it waits: no callback, and no place is lost.
 */
START_TEST(leaving_the_line)
{
	struct watch w = {.wanted = MANY / 3};

	make_broker(10);
	make_fleet(MQEV_FLEET_OPTIONS(.max_handshakes = 1), MANY, tk_auto_url(broker));
	kit_run(5);
	ck_assert_int_eq(mqev_client_state(clients[MANY - 1]), MQEV_CLIENT_QUEUED);
	for (int i = 1; i < MANY; i++) {
		if (i % 3 == 1) {
			ck_assert_int_eq(mqev_disconnect(clients[i], NULL), 0);
			ck_assert_int_eq(mqev_client_state(clients[i]), MQEV_CLIENT_IDLE);
		} else if (i % 3 == 2) {
			mqev_client_free(clients[i]);
			clients[i] = NULL;
		}
	}
	ck_assert(tk_run_until(kit.base, all_are_up, &w, 10000));
	kit_run(30);
	ck_assert_int_eq(tk_auto_stats(broker)->connections, MANY / 3);
	ck_assert_int_eq(connected, MANY / 3);
	ck_assert_int_eq(failed, 0);
	/* Back to the end of the line. */
	ck_assert_int_eq(mqev_connect(clients[1], tk_auto_url(broker)), 0);
	w.wanted++;
	ck_assert(tk_run_until(kit.base, all_are_up, &w, 10000));
}
END_TEST

/* The fleet goes while its clients stand in line; nothing is left of it. */
START_TEST(freed_with_a_line)
{
	make_broker(10);
	make_fleet(MQEV_FLEET_OPTIONS(.max_handshakes = 2), MANY, tk_auto_url(broker));
	kit_run(5);
	mqev_fleet_free(fleet);
	fleet = NULL;
	kit_run(30);
	ck_assert_int_eq(tk_auto_stats(broker)->connections, 2);
	ck_assert_int_eq(connected, 0);
}
END_TEST

START_TEST(limits_while_running)
{
	struct watch w = {.wanted = MANY};

	make_broker(0);
	tk_auto_mute(broker, 1);
	make_fleet(MQEV_FLEET_OPTIONS(.max_handshakes = 3), MANY, tk_auto_url(broker));
	kit_run(20);
	ck_assert_int_eq(tk_auto_stats(broker)->connections, 3);
	ck_assert_int_eq(in_state(MQEV_CLIENT_HANDSHAKE), 3);
	ck_assert_int_eq(in_state(MQEV_CLIENT_QUEUED), MANY - 3);
	ck_assert_int_eq(mqev_fleet_set_connect_limits(NULL, 0, 0, 0), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_fleet_set_connect_limits(fleet, 20, MQEV_UNLIMITED, 0), 0);
	kit_run(20);
	ck_assert_int_eq(tk_auto_stats(broker)->connections, 20);
	/* Less than there are: none of them is broken off. */
	ck_assert_int_eq(mqev_fleet_set_connect_limits(fleet, 1, 0, 0), 0);
	kit_run(20);
	ck_assert_int_ge(in_state(MQEV_CLIENT_HANDSHAKE), 20);
	ck_assert_int_lt(in_state(MQEV_CLIENT_HANDSHAKE), 25);
	ck_assert_int_eq(mqev_fleet_set_connect_limits(fleet, 0, 0, 0), 0);
	tk_auto_drop_all(broker, 0);
	tk_auto_mute(broker, 0);
	ck_assert(tk_run_until(kit.base, all_are_up, &w, 10000));
}
END_TEST

/* All that were up are dropped at once: they come back in line as well. */
START_TEST(coming_back)
{
	struct watch w = {.wanted = MANY};

	make_broker(5);
	make_fleet(MQEV_FLEET_OPTIONS(.max_handshakes = 4, .connects_per_s = MQEV_UNLIMITED), MANY,
	    tk_auto_url(broker));
	ck_assert(tk_run_until(kit.base, all_are_up, &w, 10000));
	tk_auto_drop_all(broker, 1);
	w = (struct watch){.wanted = 2 * MANY};
	ck_assert(tk_run_until(kit.base, all_are_up, &w, 10000));
	ck_assert_int_eq(w.most, 4);
	ck_assert_int_eq(in_state(MQEV_CLIENT_CONNECTED), MANY);
}
END_TEST

START_TEST(start_is_spread)
{
	struct watch w = {.wanted = MANY};
	long long began = tk_now_ms();

	make_broker(0);
	make_fleet(MQEV_FLEET_OPTIONS(.start_spread_ms = 400), MANY, tk_auto_url(broker));
	kit_run(1);
	ck_assert_int_gt(in_state(MQEV_CLIENT_WAITING), MANY / 2);
	ck_assert(tk_run_until(kit.base, all_are_up, &w, 10000));
	/* That all 60 fall into the first half has a chance of 1 in 2^60. */
	ck_assert_int_ge(tk_now_ms() - began, 200);
}
END_TEST

/* --- descriptors ------------------------------------------------------------------------------ */

static double
cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The soft limit leaves room for so many more; what it was comes back. */
static struct rlimit
leave_descriptors(int more)
{
	struct rlimit was, now;

	getrlimit(RLIMIT_NOFILE, &was);
	now = was;
	now.rlim_cur = (rlim_t)(tk_open_fds() + more);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &now), 0);
	return was;
}

static int
all_have_dialed(void *arg)
{
	(void)arg;
	return in_state(MQEV_CLIENT_HANDSHAKE) == MANY;
}

/* A listener that accepts nothing, so that only the clients need descriptors: some 20 get one. */
START_TEST(descriptors_run_out)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct rlimit was;
	char url[40];
	double cpu;
	int seen;

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 128), 0);
	getsockname(listener, (struct sockaddr *)&address, &len);
	snprintf(url, sizeof(url), "127.0.0.1:%d", ntohs(address.sin_port));
	was = leave_descriptors(20);
	make_fleet(MQEV_FLEET_OPTIONS(.max_handshakes = MQEV_UNLIMITED), MANY, url);
	kit_run(300);
	ck_assert_int_gt(failed, 0);
	ck_assert_int_eq(last_errno, EMFILE);
	ck_assert_int_ge(in_state(MQEV_CLIENT_HANDSHAKE), 20);
	ck_assert_int_lt(in_state(MQEV_CLIENT_HANDSHAKE), 25);
	/*
	 * Then one tries after the other: with their own waits of 20 to 40 ms alone they would fail
	 * 1,500 times.
	 */
	seen = failed;
	cpu = cpu_s();
	kit_run(1500);
	ck_assert_int_ge(failed - seen, 1);
	ck_assert_int_le(failed - seen, 4);
	ck_assert(cpu_s() - cpu < 0.5);
	setrlimit(RLIMIT_NOFILE, &was);
	/* Not later than the longest pause between two tries. */
	ck_assert(tk_run_until(kit.base, all_have_dialed, NULL, 4500));
	mqev_fleet_free(fleet);
	fleet = NULL;
	close(listener);
}
END_TEST

/* --- pings ------------------------------------------------------------------------------------ */

/* Connected together, with an interval of 2 s: 1.5 s after that they ping, but not together. */
START_TEST(pings_are_spread)
{
	struct watch w = {.wanted = MANY};
	long pings_before = 0;
	int slots = 0;

	make_broker(0);
	fleet = mqev_fleet_new(kit.base, MQEV_FLEET_OPTIONS(.ping_spread_ms = 2000));
	for (int i = 0; i < MANY; i++) {
		numbers[i] = i;
		clients[i] = mqev_client_new(fleet,
		    MQEV_OPTIONS(.keepalive = 2, .on_connect = on_connect, .userdata = &numbers[i]),
		    NULL);
		ck_assert_int_eq(mqev_connect(clients[i], tk_auto_url(broker)), 0);
	}
	ck_assert(tk_run_until(kit.base, all_are_up, &w, 10000));
	for (int i = 0; i < 40 && tk_auto_stats(broker)->pings < MANY; i++) {
		kit_run(50);
		slots += tk_auto_stats(broker)->pings > pings_before;
		ck_assert_int_le(tk_auto_stats(broker)->pings - pings_before, MANY / 2);
		pings_before = tk_auto_stats(broker)->pings;
	}
	ck_assert_int_ge(tk_auto_stats(broker)->pings, MANY);
	ck_assert_int_ge(slots, 3); /* the wheel's slots have 250 ms */
	ck_assert_int_eq(in_state(MQEV_CLIENT_CONNECTED), MANY);
}
END_TEST

/* --- all of them ------------------------------------------------------------------------------ */

static int visited;

static int
count_it(struct mqev_client *c, void *arg)
{
	ck_assert_ptr_eq(mqev_client_fleet(c), fleet);
	visited++;
	return visited == *(int *)arg ? 42 : 0;
}

START_TEST(each_and_stop)
{
	int stop_at = -1;

	visited = 0;
	make_fleet(NULL, MANY, NULL);
	ck_assert_int_eq(mqev_fleet_each(fleet, count_it, &stop_at), 0);
	ck_assert_int_eq(visited, MANY);
	visited = 0;
	stop_at = 7;
	ck_assert_int_eq(mqev_fleet_each(fleet, count_it, &stop_at), 42);
	ck_assert_int_eq(visited, 7);
}
END_TEST

/* The one that is visited, and the two that would be next. */
static int
free_three(struct mqev_client *c, void *arg)
{
	int i = *(int *)mqev_client_userdata(c);

	(void)arg;
	visited++;
	for (int j = i; j > i - 3; j--) {
		mqev_client_free(clients[j]);
		clients[j] = NULL;
	}
	return 0;
}

static int
nest(struct mqev_client *c, void *arg)
{
	(void)c;
	return mqev_fleet_each(fleet, free_three, arg);
}

static int
make_more(struct mqev_client *c, void *arg)
{
	(void)c;
	(void)arg;
	visited++;
	ck_assert_ptr_nonnull(mqev_client_new(fleet, MQEV_OPTIONS(.keepalive = 1), NULL));
	return 0;
}

static int
free_fleet(struct mqev_client *c, void *arg)
{
	(void)c;
	(void)arg;
	visited++;
	mqev_fleet_free(fleet);
	fleet = NULL;
	return 0;
}

START_TEST(each_while_they_go)
{
	visited = 0;
	make_fleet(NULL, MANY, NULL);
	ck_assert_int_eq(mqev_fleet_each(fleet, make_more, NULL), 0);
	ck_assert_int_eq(visited, MANY);
	ck_assert_uint_eq(mqev_fleet_client_count(fleet), 2 * MANY);
	mqev_fleet_free(fleet);
	visited = 0;
	make_fleet(NULL, MANY, NULL);
	ck_assert_int_eq(mqev_fleet_each(fleet, free_three, NULL), 0);
	ck_assert_int_eq(visited, MANY / 3);
	ck_assert_uint_eq(mqev_fleet_client_count(fleet), 0);
	mqev_fleet_free(fleet);
	visited = 0;
	make_fleet(NULL, MANY, NULL);
	ck_assert_int_eq(mqev_fleet_each(fleet, nest, NULL), 0);
	ck_assert_int_eq(visited, MANY / 3);
	mqev_fleet_free(fleet);
	visited = 0;
	make_fleet(NULL, MANY, NULL);
	ck_assert_int_eq(mqev_fleet_each(fleet, free_fleet, NULL), 0);
	ck_assert_int_eq(visited, 1);
}
END_TEST

static TCase *
fleet_case(Suite *s, const char *name)
{
	TCase *tc = tk_case(s, name);

	tcase_add_checked_fixture(tc, setup, teardown);
	return tc;
}

int
main(void)
{
	Suite *s = suite_create("fleet");
	TCase *tc = fleet_case(s, "governor");

	tcase_add_test(tc, handshakes_at_once);
	tcase_add_test(tc, no_limits);
	tcase_add_test(tc, starts_per_second);
	tcase_add_test(tc, first_come_first_served);
	tcase_add_test(tc, leaving_the_line);
	tcase_add_test(tc, freed_with_a_line);
	tcase_add_test(tc, limits_while_running);
	tcase_add_test(tc, coming_back);
	tcase_add_test(tc, start_is_spread);
	tc = fleet_case(s, "descriptors");
	tcase_add_test(tc, descriptors_run_out);
	tc = fleet_case(s, "pings");
	tcase_add_test(tc, pings_are_spread);
	tc = fleet_case(s, "each");
	tcase_add_test(tc, each_and_stop);
	tcase_add_test(tc, each_while_they_go);
	return tk_main(s);
}
