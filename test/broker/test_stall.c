/* Two hundred clients on one loop: one half hangs in every stage of connecting in turn, the other
 * half exchanges messages over mosquitto all the while, and is to notice nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>

#include "broker/way_kit.h"
#include "client/fleet.h"
#include "net/resolve.h"

#define HANGING 100
#define WORKING 100
/* Of the stage in which they hang. */
#define DEADLINE_MS 600
/* A working client sends its next message so long after the last one came back. */
#define PACE_MS 20

/* --- the loop's gaps ---------------------------------------------------------------------------
 */

/* By the clock, and what of it the process was running: others may have had the processor. */
struct gap {
	struct event *tick;
	long long last_us, longest_us;
	long long last_cpu_us, longest_cpu_us;
};

static long long
now_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct gap *gap = arg;
	long long now = now_us(CLOCK_MONOTONIC);
	long long cpu = now_us(CLOCK_PROCESS_CPUTIME_ID);

	(void)fd;
	(void)what;
	if (now - gap->last_us > gap->longest_us)
		gap->longest_us = now - gap->last_us;
	if (cpu - gap->last_cpu_us > gap->longest_cpu_us)
		gap->longest_cpu_us = cpu - gap->last_cpu_us;
	gap->last_us = now;
	gap->last_cpu_us = cpu;
}

static void
gap_start(struct gap *gap)
{
	struct timeval ms = {.tv_usec = 1000};

	gap->tick = event_new(kit.base, -1, EV_PERSIST, on_tick, gap);
	gap->last_us = now_us(CLOCK_MONOTONIC);
	gap->last_cpu_us = now_us(CLOCK_PROCESS_CPUTIME_ID);
	event_add(gap->tick, &ms);
}

/* --- those that work ---------------------------------------------------------------------------
 */

struct worker {
	struct mqev_client *client;
	struct event *next;
	char topic[24];
	int came;
};

static struct worker workers[WORKING];
static int subscribed;
static int exchanged;

static void
send_one(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	ck_assert_int_gt(
	    mqev_publish(w->client,
		MQEV_MESSAGE(.topic = w->topic, .payload = "x", .payload_len = 1, .qos = 1), NULL,
		NULL),
	    0);
}

static void
on_message(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	struct timeval pace = {.tv_usec = PACE_MS * 1000};
	struct worker *w = userdata;

	(void)c;
	ck_assert_str_eq(m->topic, w->topic);
	w->came++;
	exchanged++;
	event_add(w->next, &pace);
}

static void
on_worker_lost(struct mqev_client *c, const struct mqev_disconnection *end, void *userdata)
{
	(void)c;
	(void)userdata;
	ck_abort_msg("a working client was disconnected: %s", end->text);
}

static void
on_subscribed(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	(void)c;
	ck_assert_int_eq(result->error, 0);
	subscribed++;
	send_one(-1, 0, arg);
}

static void
start_workers(void)
{
	for (int i = 0; i < WORKING; i++) {
		struct worker *w = &workers[i];

		snprintf(w->topic, sizeof(w->topic), "work/%d", i);
		w->next = evtimer_new(kit.base, send_one, w);
		w->client = mqev_client_new(kit.fleet,
		    MQEV_OPTIONS(.userdata = w, .on_message = on_message,
			.on_disconnect = on_worker_lost),
		    NULL);
		ck_assert_int_eq(mqev_connect(w->client, way_url(WAY_MQTT, "127.0.0.1")), 0);
		ck_assert(mqev_subscribe(w->client, MQEV_SUBSCRIPTION(.filter = w->topic, .qos = 1),
			      1, NULL, on_subscribed, w) > 0);
	}
	TK_RUN_UNTIL_COUNT(kit.base, subscribed, WORKING, 20000);
}

static void
end_workers(void)
{
	for (int i = 0; i < WORKING; i++) {
		mqev_client_free(workers[i].client);
		event_free(workers[i].next);
	}
}

static int
fewest_of_a_worker(void)
{
	int fewest = workers[0].came;

	for (int i = 1; i < WORKING; i++)
		fewest = workers[i].came < fewest ? workers[i].came : fewest;
	return fewest;
}

/* --- those that hang ---------------------------------------------------------------------------
 */

/* One that takes connections, which the system does for it, and says nothing; and one that the
 * system has stopped taking connections for. */
static int silent_port, full_port;

static const struct {
	const char *name;
	enum mqev_stage stage;
	const char *url; /* with a port */
	const int *port;
	bool through_proxy;
} stages[] = {
    {"resolve", MQEV_STAGE_RESOLVE, "mqtt://silent.test:%d", &silent_port, false},
    {"dial", MQEV_STAGE_DIAL, "mqtt://127.0.0.2:%d", &full_port, false},
    {"proxy", MQEV_STAGE_PROXY, "mqtt://broker.example:%d", &silent_port, true},
    {"TLS", MQEV_STAGE_TLS, "mqtts://127.0.0.1:%d", &silent_port, false},
    {"upgrade", MQEV_STAGE_WEBSOCKET, "ws://127.0.0.1:%d", &silent_port, false},
    {"CONNACK", MQEV_STAGE_CONNACK, "mqtt://127.0.0.1:%d", &silent_port, false},
};

static struct mqev_client *hanging[HANGING];
static int failed;
static int exchanged_before_first_failure;
static int stage_now;

static void
on_connect_fail(struct mqev_client *c, const struct mqev_connect_failure *failure, void *userdata)
{
	(void)c;
	(void)userdata;
	ck_assert_msg(
	    failure->stage == stages[stage_now].stage && failure->error == MQEV_ERR_TIMEOUT,
	    "%s: stage %d, error %d: %s", stages[stage_now].name, (int)failure->stage,
	    failure->error, failure->text);
	if (failed++ == 0)
		exchanged_before_first_failure = exchanged;
}

static void
start_one_that_hangs(int i)
{
	char url[80];

	snprintf(url, sizeof(url), stages[stage_now].url, *stages[stage_now].port);
	hanging[i] = mqev_client_new(kit.fleet,
	    MQEV_OPTIONS(.on_connect_fail = on_connect_fail, .no_reconnect = true, .tls = way_tls,
		.proxy = stages[stage_now].through_proxy
			     ? MQEV_PROXY(.type = i % 2 ? MQEV_PROXY_HTTP : MQEV_PROXY_SOCKS5,
				   .host = "127.0.0.1", .port = (uint16_t)silent_port)
			     : NULL,
		.resolve_timeout_ms = DEADLINE_MS, .dial_timeout_ms = DEADLINE_MS,
		.proxy_timeout_ms = DEADLINE_MS, .tls_timeout_ms = DEADLINE_MS,
		.websocket_timeout_ms = DEADLINE_MS, .connack_timeout_ms = DEADLINE_MS),
	    NULL);
	ck_assert_ptr_nonnull(hanging[i]);
	ck_assert_int_eq(mqev_connect(hanging[i], url), 0);
}

/* All start in the same few milliseconds, a loop's turn apart: what a hundred handshakes at once
 * cost is not what is asked here. */
static void
hang_in_stage(struct gap *gap)
{
	int exchanged_before = exchanged, fewest_before = fewest_of_a_worker();
	int during;

	failed = 0;
	gap->longest_us = gap->longest_cpu_us = 0;
	for (int i = 0; i < HANGING; i++) {
		start_one_that_hangs(i);
		event_base_loop(kit.base, EVLOOP_ONCE);
	}
	TK_RUN_UNTIL_COUNT(kit.base, failed, HANGING, 20000);
	during = exchanged_before_first_failure - exchanged_before;
	printf("100 hang at %-8s %5d messages meanwhile, longest gap of the loop %lld us, longest "
	       "work %lld us\n",
	    stages[stage_now].name, during, gap->longest_us, gap->longest_cpu_us);
	ck_assert_int_gt(during, WORKING);
	ck_assert_int_gt(fewest_of_a_worker(), fewest_before);
	for (int i = 0; i < HANGING; i++)
		mqev_client_free(hanging[i]);
}

/* --- places to hang ----------------------------------------------------------------------------
 */

static int
bound(const char *address, int type, int *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(evutil_inet_pton(AF_INET, address, &a.sin_addr), 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

/* Connections are begun until the system answers no more: without a backlog, after two. */
static void
fill(int port, int fds[4])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	evutil_inet_pton(AF_INET, "127.0.0.2", &a.sin_addr);
	for (int i = 0; i < 4; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fds[i], (struct sockaddr *)&a, sizeof(a));
	}
}

START_TEST(test_hanging_beside_working)
{
	int fds[4], udp_port, silent, full, udp;
	struct gap gap = {0};
	char servers[32];

	WAY_NEED_BROKER();
	silent = bound("127.0.0.1", SOCK_STREAM, &silent_port);
	full = bound("127.0.0.2", SOCK_STREAM, &full_port);
	udp = bound("127.0.0.1", SOCK_DGRAM, &udp_port);
	ck_assert_int_eq(listen(silent, 1024), 0);
	ck_assert_int_eq(listen(full, 0), 0);
	fill(full_port, fds);
	snprintf(servers, sizeof(servers), "127.0.0.1:%d", udp_port);
	ck_assert_int_eq(mqev_resolver_set_servers(kit.fleet->net, servers), 0);
	start_workers();
	gap_start(&gap);
	for (stage_now = 0; stage_now < (int)(sizeof(stages) / sizeof(stages[0])); stage_now++) {
		if (stages[stage_now].stage != MQEV_STAGE_WEBSOCKET || mqev_ws_supported())
			hang_in_stage(&gap);
	}
	event_free(gap.tick);
	end_workers();
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	close(silent);
	close(full);
	close(udp);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stall");
	TCase *tc = way_case(suite, "stall", 60);

	tcase_add_test(tc, test_hanging_beside_working);
	return tk_main(suite);
}
