/* Attempts that hang in every stage beside attempts that do not: nobody waits for anybody, and each
 * ends in its own stage. */
#include "wire/net_kit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wire/dns_kit.h"

#define HANGING 90
#define WORKING 300
#define AT_ONCE 20

static const struct dns_record zone[] = {
    {.name = "silent.test", .type = DNS_A, .way = DNS_SILENCE},
    {.name = "silent.test", .type = DNS_AAAA, .way = DNS_SILENCE},
    {.name = "here.test", .type = DNS_A, .ttl_s = 0, .data = "127.0.0.1"},
    {.name = NULL},
};

/* The places where an attempt can hang without TLS and WebSocket. */
static const struct {
	enum mqev_net_stage stage;
	const char *url; /* %u: a port that answers nobody */
	bool through_proxy;
} stages[] = {
    {MQEV_NET_RESOLVE, "mqtt://silent.test:%u", false},
    {MQEV_NET_DIAL, "mqtt://127.0.0.2:%u", false},
    {MQEV_NET_PROXY, "mqtt://broker.example:%u", true},
};

struct gap {
	long long last, longest;
};

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct gap *gap = arg;
	long long now = now_ms();

	(void)fd;
	(void)what;
	if (now - gap->last > gap->longest)
		gap->longest = now - gap->last;
	gap->last = now;
}

static void
start_hanging(struct attempt *hanging, uint16_t port, const struct mqev_proxy *proxy)
{
	int i;

	for (i = 0; i < HANGING; i++) {
		hanging[i].config.proxy = stages[i % 3].through_proxy ? proxy : NULL;
		hanging[i].config.resolve_ms = 1500;
		hanging[i].config.dial_ms = 1500;
		hanging[i].config.proxy_ms = 1500;
		attempt_start(&hanging[i], stages[i % 3].url, port);
	}
}

/* Attempts that work, some at once, one after the other; how long the slowest took. */
static long long
run_working(int listener, uint16_t port)
{
	static struct attempt working[AT_ONCE];
	long long slowest = 0, began;
	int i, n;

	for (n = 0; n < WORKING; n += AT_ONCE) {
		began = now_ms();
		memset(working, 0, sizeof working);
		for (i = 0; i < AT_ONCE; i++)
			attempt_start(&working[i],
			    i % 2 ? "mqtt://here.test:%u" : "mqtt://127.0.0.1:%u", port);
		for (i = 0; i < AT_ONCE; i++) {
			attempt_await_link(&working[i], 1000);
			close(accept_one(listener));
		}
		if (now_ms() - began > slowest)
			slowest = now_ms() - began;
		for (i = 0; i < AT_ONCE; i++)
			attempt_end(&working[i]);
	}
	return slowest;
}

START_TEST(test_hanging_beside_working)
{
	static struct attempt hanging[HANGING];
	struct timeval ms = {.tv_usec = 1000};
	struct gap gap = {.longest = 0};
	struct event *tick = event_new(world.base, -1, EV_PERSIST, on_tick, &gap);
	struct mqev_proxy proxy = {
	    .size = sizeof proxy, .type = MQEV_PROXY_SOCKS5, .host = "127.0.0.1"};
	struct dns_server server;
	uint16_t port;
	int listener = listen_at("127.0.0.1", &port), silent, hole, fds[16], filled, i;

	silent = listen_at("127.0.0.1", &proxy.port);
	hole = listen_at_port("127.0.0.2", port, 0);
	filled = fill_backlog("127.0.0.2", port, fds, 16);
	dns_open(&server, zone);
	gap.last = now_ms();
	event_add(tick, &ms);
	start_hanging(hanging, port, &proxy);
	printf("slowest group of %d working attempts: %lld ms\n", AT_ONCE,
	    run_working(listener, port));
	for (i = 0; i < HANGING; i++) {
		attempt_await_error(&hanging[i], 5000, stages[i % 3].stage, MQEV_ERR_TIMEOUT);
		attempt_end(&hanging[i]);
	}
	printf("longest gap of the loop: %lld ms\n", gap.longest);
	event_free(tick);
	dns_close(&server);
	while (filled > 0)
		close(fds[--filled]);
	close(hole);
	close(silent);
	close(listener);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("net stall");
	TCase *tcase = net_case(suite, "stall", 30);

	tcase_add_test(tcase, test_hanging_beside_working);
	return net_main(suite);
}
