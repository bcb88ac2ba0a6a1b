/* Names asked of a real name server, dnsmasq: addresses, SRV records, truncation, time to live, and
 * servers that do not answer. What a name server may do wrong is in test/wire/test_net_resolve.c.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault/fail_mem.h"
#include "lib/loop.h"
#include "lib/server_net.h"
#include "net/resolve.h"
#include "wire/net_kit.h"

#ifdef HAVE_CARES
#	define WITH_CARES 1
#else
#	define WITH_CARES 0
#endif

#define NEED_CARES()                               \
	do {                                       \
		if (!WITH_CARES)                   \
			tk_skip("without c-ares"); \
	} while (0)

static struct tk_server dns;

static void
use_servers(int port)
{
	char address[32];

	snprintf(address, sizeof(address), "127.0.0.1:%d", port);
	ck_assert_int_eq(mqev_resolver_set_servers(world.net, address), 0);
}

static bool
dns_up(const char *records)
{
	if (tk_server_dnsmasq(&dns, records) != 0)
		return false;
	use_servers(dns.port);
	return true;
}

#define DNS_UP(records)                                      \
	do {                                                 \
		if (!dns_up(records))                        \
			tk_skip("dnsmasq is not installed"); \
	} while (0)

static void
teardown(void)
{
	tk_server_stop(&dns);
	net_teardown();
}

/* --- looking up --------------------------------------------------------------------------------
 */

struct looked_up {
	int done;
	size_t addrs;
	struct mqev_addr first;
	char target[256];
};

/* In the order in which an attempt would try them. */
static void
note_first_target(struct looked_up *l, const struct mqev_srvs *given)
{
	size_t size = sizeof(*given) + given->count * sizeof(given->at[0]);
	struct mqev_srvs *srvs = malloc(size);

	ck_assert_ptr_nonnull(srvs);
	memcpy(srvs, given, size);
	mqev_srvs_sort(srvs);
	snprintf(l->target, sizeof(l->target), "%s", srvs->at[0].host);
	free(srvs);
}

static void
on_answer(const struct mqev_answer *answer, void *arg)
{
	struct looked_up *l = arg;

	l->done = 1;
	if (answer->addrs != NULL) {
		l->addrs = answer->addrs->count;
		l->first = answer->addrs->at[0];
	}
	if (answer->srvs != NULL)
		note_first_target(l, answer->srvs);
}

static struct looked_up
look_up(const char *name)
{
	struct looked_up l = {0};

	ck_assert_ptr_nonnull(name[0] == '_' ? mqev_lookup_srv(world.net, name, on_answer, &l)
					     : mqev_lookup_host(world.net, name, on_answer, &l));
	ck_assert(run_until(&l.done, 8000));
	return l;
}

static const char many[] = "host-record=one.test,127.0.0.9,::1\n"
			   "edns-packet-max=512\n";

/* More addresses than a packet of UDP takes: TCP is asked, and brings all. */
START_TEST(test_truncated)
{
	char config[4096];
	size_t len = (size_t)snprintf(config, sizeof(config), "edns-packet-max=512\n");

	NEED_CARES();
	for (int i = 1; i <= 60; i++)
		len += (size_t)snprintf(
		    config + len, sizeof(config) - len, "address=/big.test/127.0.1.%d\n", i);
	DNS_UP(config);
	ck_assert_uint_eq(look_up("big.test").addrs, 60);
}
END_TEST

/* Both families of a name in one answer; nothing of a name that is not there. */
START_TEST(test_addresses)
{
	struct attempt a = {0};

	DNS_UP(many);
	ck_assert_uint_eq(look_up("one.test").addrs, 2);
	attempt_start(&a, "mqtt://none.test");
	attempt_await_error(&a, 5000, MQEV_NET_RESOLVE, MQEV_ERR_RESOLVE);
	attempt_end(&a);
}
END_TEST

/* --- one look-up for all, none after its time to live ------------------------------------------
 */

#define AT_ONCE 50

START_TEST(test_one_question_for_all)
{
	TK_PROGRAM_NEED("dnsmasq");
	static struct attempt attempts[AT_ONCE];
	uint64_t one;
	uint16_t port;
	int listener = listen_at("127.0.0.9", &port);

	DNS_UP("host-record=here.test,127.0.0.9\nlocal-ttl=60\n");
	for (int round = 0; round < 2; round++) {
		memset(attempts, 0, sizeof(attempts));
		for (int i = 0; i < AT_ONCE; i++)
			attempt_start(&attempts[i], "mqtt://here.test:%u", port);
		for (int i = 0; i < AT_ONCE; i++) {
			attempt_await_link(&attempts[i], 5000);
			close(accept_one(listener));
			attempt_end(&attempts[i]);
		}
		one = mqev_resolver_questions(world.net);
		/* evdns tells no time to live, so nothing is kept. */
		ck_assert_uint_eq(one, WITH_CARES ? 1 : (uint64_t)round + 1);
	}
	close(listener);
}
END_TEST

/* The server moves: the old address serves until the time to live is over, then the new one. */
START_TEST(test_new_address_after_its_time)
{
	static const char *const zone[] = {
	    "host-record=moving.test,127.0.0.51\n", "host-record=moving.test,127.0.0.52\n"};
	char config[200];
	struct looked_up l;

	NEED_CARES();
	snprintf(config, sizeof(config), "local-ttl=1\n%s", zone[0]);
	DNS_UP(config);
	l = look_up("moving.test");
	ck_assert_uint_eq(l.first.u.in.sin_addr.s_addr, htonl(0x7f000033));
	tk_server_stop(&dns);
	snprintf(config, sizeof(config), "local-ttl=1\n%s", zone[1]);
	l = look_up("moving.test"); /* nobody could be asked */
	ck_assert_uint_eq(l.first.u.in.sin_addr.s_addr, htonl(0x7f000033));
	ck_assert_uint_eq(mqev_resolver_questions(world.net), 1);
	run_for(1100);
	ck_assert(dns_up(config));
	l = look_up("moving.test");
	ck_assert_uint_eq(l.first.u.in.sin_addr.s_addr, htonl(0x7f000034));
	ck_assert_uint_eq(mqev_resolver_questions(world.net), 2);
}
END_TEST

/* --- addresses and servers that do not answer --------------------------------------------------
 */

/* Whichever of the two addresses comes first: the dead one costs a stagger, not its deadline. */
START_TEST(test_dead_address)
{
	TK_PROGRAM_NEED("dnsmasq");
	static const char *const zones[] = {
	    "address=/two.test/127.0.0.41\naddress=/two.test/127.0.0.42\n",
	    "address=/two.test/127.0.0.42\naddress=/two.test/127.0.0.41\n"};
	struct attempt a = {.config = {.dial_ms = 8000}};
	uint16_t port;
	int listener = listen_at("127.0.0.42", &port), fds[16], filled;
	int hole = listen_at_port("127.0.0.41", port, 0);
	long long began;

	DNS_UP(zones[_i]);
	filled = fill_backlog("127.0.0.41", port, fds, 16);
	began = now_ms();
	attempt_start(&a, "mqtt://two.test:%u", port);
	attempt_await_link(&a, 4000);
	printf("with a dead address: %lld ms\n", now_ms() - began);
	close(accept_one(listener));
	attempt_end(&a);
	while (filled > 0)
		close(fds[--filled]);
	close(hole);
	close(listener);
}
END_TEST

static int
silent_udp_port(uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

/* A port that takes questions and answers none: the stage ends at its deadline, and with a second
 * server behind it the name is found. */
START_TEST(test_silent_server)
{
	TK_PROGRAM_NEED("dnsmasq");
	struct attempt a = {.config = {.resolve_ms = 300}};
	struct attempt b = {0};
	char servers[64];
	uint16_t silent, port;
	int hole = silent_udp_port(&silent), listener = listen_at("127.0.0.9", &port);
	long long began = now_ms();

	DNS_UP(many);
	use_servers(silent);
	attempt_start(&a, "mqtt://one.test:%u", port);
	attempt_await_error(&a, 3000, MQEV_NET_RESOLVE, MQEV_ERR_TIMEOUT);
	ck_assert_int_ge(now_ms() - began, 290);
	attempt_end(&a);
	if (WITH_CARES) {
		snprintf(servers, sizeof(servers), "127.0.0.1:%u,127.0.0.1:%d", silent, dns.port);
		ck_assert_int_eq(mqev_resolver_set_servers(world.net, servers), 0);
		began = now_ms();
		attempt_start(&b, "mqtt://one.test:%u", port);
		attempt_await_link(&b, 9000);
		printf("a silent name server cost %lld ms\n", now_ms() - began);
		attempt_end(&b);
	}
	close(listener);
	close(hole);
}
END_TEST

/* --- SRV ---------------------------------------------------------------------------------------
 */

/* The target of lower priority is taken only when those above do not answer. */
START_TEST(test_srv_priority)
{
	TK_PROGRAM_NEED("dnsmasq");
	char zone[400];
	uint16_t ports[2];
	int listeners[2];
	int peer;

	NEED_CARES();
	listeners[0] = listen_at("127.0.0.1", &ports[0]);
	listeners[1] = listen_at("127.0.0.1", &ports[1]);
	snprintf(zone, sizeof(zone),
	    "host-record=a.test,127.0.0.1\nhost-record=b.test,127.0.0.1\n"
	    "srv-host=_mqtt._tcp.fleet.test,b.test,%u,20,0\n"
	    "srv-host=_mqtt._tcp.fleet.test,a.test,%u,10,0\nlocal-ttl=60\n",
	    ports[1], ports[0]);
	DNS_UP(zone);
	for (int i = 0; i < 2; i++) {
		struct attempt a = {0};

		attempt_start(&a, "mqtt+srv://fleet.test");
		attempt_await_link(&a, 3000);
		peer = accept_one(listeners[i]);
		assert_link_works(&a, peer);
		close(peer);
		attempt_end(&a);
		close(listeners[i]);
	}
}
END_TEST

#define DRAWS 200

/* Three to one by weight: of 200 the heavy one gets 100 to 190, whatever the dice (they err once in
 * 10^12 times). */
START_TEST(test_srv_weight)
{
	int heavy = 0;

	NEED_CARES();
	DNS_UP("srv-host=_mqtt._tcp.fleet.test,heavy.test,1883,10,75\n"
	       "srv-host=_mqtt._tcp.fleet.test,light.test,1883,10,25\nlocal-ttl=60\n");
	for (int i = 0; i < DRAWS; i++) {
		struct looked_up l = look_up("_mqtt._tcp.fleet.test");

		heavy += strcmp(l.target, "heavy.test") == 0;
	}
	ck_assert_int_ge(heavy, 100);
	ck_assert_int_le(heavy, 190);
	ck_assert_uint_eq(mqev_resolver_questions(world.net), 1);
}
END_TEST

START_TEST(test_srv_missing)
{
	struct attempt a = {0};

	DNS_UP("local-ttl=60\n");
	attempt_start(&a, "mqtt+srv://fleet.test");
	attempt_await_error(
	    &a, 5000, MQEV_NET_RESOLVE, WITH_CARES ? MQEV_ERR_RESOLVE : MQEV_ERR_UNSUPPORTED);
	attempt_end(&a);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dnsmasq");
	TCase *tc = tk_case(suite, "names");

	tcase_add_checked_fixture(tc, net_setup, teardown);
	tcase_set_timeout(tc, 40);
	tcase_add_test(tc, test_truncated);
	tcase_add_test(tc, test_addresses);
	tcase_add_test(tc, test_one_question_for_all);
	tcase_add_test(tc, test_new_address_after_its_time);
	tcase_add_loop_test(tc, test_dead_address, 0, 2);
	tcase_add_test(tc, test_silent_server);
	tcase_add_test(tc, test_srv_priority);
	tcase_add_test(tc, test_srv_weight);
	tcase_add_test(tc, test_srv_missing);
	return tk_main(suite);
}
