/* The resolver against a DNS server of the test's own: every kind of answer, sharing, keeping, SRV,
 * addresses of which some are dead, cancel. */
#include "wire/net_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fault/fail_mem.h"
#include "net/resolve.h"
#include "wire/dns_kit.h"

/* What of the back ends differs, for evdns has neither SRV, nor TTL, nor TCP. */
#ifdef HAVE_CARES
#	define WITH_CARES true
#else
#	define WITH_CARES false
#endif

#define NEED_CARES(test)                                                  \
	do {                                                              \
		if (!WITH_CARES) {                                        \
			printf("SKIP: %s: built without c-ares\n", test); \
			return;                                           \
		}                                                         \
	} while (0)

/* A lookup and its answer. */
struct asked {
	struct mqev_lookup *lookup;
	int done;
	struct mqev_net_error error; /* error 0: there was an answer */
	size_t count;
	char text[512]; /* addresses or servers, a blank after each */
};

static void
on_answer(const struct mqev_answer *answer, void *arg)
{
	struct asked *q = arg;
	size_t i, n = 0;

	ck_assert_int_eq(q->done, 0);
	q->done = 1;
	q->lookup = NULL;
	if (answer->error != NULL) {
		q->error = *answer->error;
		return;
	}
	q->count = answer->addrs != NULL ? answer->addrs->count : answer->srvs->count;
	ck_assert_uint_gt(q->count, 0);
	for (i = 0; i < q->count && n < sizeof q->text; i++) {
		char one[300];

		if (answer->addrs != NULL)
			mqev_addr_text(&answer->addrs->at[i], one, sizeof one);
		else
			snprintf(one, sizeof one, "%s:%u", answer->srvs->at[i].host,
			    answer->srvs->at[i].port);
		n += (size_t)snprintf(q->text + n, sizeof q->text - n, "%s ", one);
	}
}

static void
ask(struct asked *q, const char *name)
{
	memset(q, 0, sizeof *q);
	q->lookup = mqev_lookup_host(world.net, name, on_answer, q);
	ck_assert_ptr_nonnull(q->lookup);
	ck_assert_int_eq(q->done, 0);
}

static void
await(struct asked *q, int ms)
{
	ck_assert_msg(run_until(&q->done, ms), "no answer within %d ms", ms);
}

static void
expect(const char *name, const char *text)
{
	struct asked q;

	ask(&q, name);
	await(&q, 5000);
	ck_assert_msg(q.error.error == 0, "%s", q.error.text);
	ck_assert_str_eq(q.text, text);
}

static void
expect_error(const char *name, int error)
{
	struct asked q;

	ask(&q, name);
	await(&q, 15000);
	ck_assert_msg(
	    q.error.error == error, "error %d, %s %s", q.error.error, q.error.text, q.text);
	ck_assert_ptr_nonnull(strstr(q.error.text, name));
}

static const struct dns_record zone[] = {
    {.name = "alias.test", .type = DNS_CNAME, .ttl_s = 0, .data = "four.test"},
    {.name = "both.test", .type = DNS_A, .ttl_s = 60, .data = "192.0.2.1"},
    {.name = "both.test", .type = DNS_A, .ttl_s = 60, .data = "192.0.2.2"},
    {.name = "both.test", .type = DNS_AAAA, .ttl_s = 60, .data = "2001:db8::1"},
    {.name = "both.test", .type = DNS_AAAA, .ttl_s = 60, .data = "2001:db8::2"},
    {.name = "four.test", .type = DNS_A, .ttl_s = 60, .data = "192.0.2.4"},
    {.name = "six.test", .type = DNS_AAAA, .ttl_s = 60, .data = "2001:db8::6"},
    {.name = "brief.test", .type = DNS_A, .ttl_s = 1, .data = "192.0.2.9"},
    {.name = "zero.test", .type = DNS_A, .ttl_s = 0, .data = "192.0.2.10"},
    {.name = "empty.test", .type = DNS_A, .way = DNS_ANSWER},
    {.name = "no.test", .type = DNS_A, .way = DNS_NXDOMAIN},
    {.name = "no.test", .type = DNS_AAAA, .way = DNS_NXDOMAIN},
    {.name = "fail.test", .type = DNS_A, .way = DNS_SERVFAIL},
    {.name = "fail.test", .type = DNS_AAAA, .way = DNS_SERVFAIL},
    {.name = "refused.test", .type = DNS_A, .way = DNS_REFUSED},
    {.name = "refused.test", .type = DNS_AAAA, .way = DNS_REFUSED},
    {.name = "silent.test", .type = DNS_A, .way = DNS_SILENCE},
    {.name = "silent.test", .type = DNS_AAAA, .way = DNS_SILENCE},
    {.name = "half.test", .type = DNS_A, .ttl_s = 60, .data = "192.0.2.5"},
    {.name = "half.test", .type = DNS_AAAA, .way = DNS_SILENCE},
    {.name = "late.test", .type = DNS_A, .ttl_s = 60, .data = "192.0.2.6", .delay_ms = 120},
    {.name = "late.test", .type = DNS_AAAA, .ttl_s = 60, .data = "2001:db8::7"},
    {.name = "large.test", .type = DNS_A, .ttl_s = 60, .data = "192.0.2.7", .way = DNS_TRUNCATED},
    {.name = "large.test", .type = DNS_AAAA, .way = DNS_TRUNCATED},
    {.name = "spoofed.test", .type = DNS_A, .ttl_s = 60, .data = "192.0.2.8", .way = DNS_SPOOFED},
    {.name = "wrong.test", .type = DNS_A, .data = "192.0.2.8", .way = DNS_WRONG_ID},
    {.name = "wrong.test", .type = DNS_AAAA, .way = DNS_WRONG_ID},
    {.name = "garbage.test", .type = DNS_A, .data = "192.0.2.8", .way = DNS_GARBAGE},
    {.name = "garbage.test", .type = DNS_AAAA, .way = DNS_GARBAGE},
    {.name = "cut.test", .type = DNS_A, .ttl_s = 60, .data = "192.0.2.8", .way = DNS_CUT},
    {.name = "later.test", .type = DNS_A, .ttl_s = 60, .data = "192.0.2.12", .delay_ms = 1400},
    {.name = "later.test", .type = DNS_AAAA, .delay_ms = 1400},
    {.name = "slow.test", .type = DNS_A, .ttl_s = 60, .data = "192.0.2.11", .delay_ms = 100},
    {.name = "slow.test", .type = DNS_AAAA, .delay_ms = 100},
    {.name = NULL},
};

static struct dns_server server;

static void
setup_zone(void)
{
	net_setup();
	dns_open(&server, zone);
}

static void
teardown_zone(void)
{
	dns_close(&server);
	net_teardown();
}

/* Answers -------------------------------------------------------------------------------------- */

START_TEST(test_answers)
{
	if (WITH_CARES)
		expect("both.test", "[2001:db8::1]:0 [2001:db8::2]:0 192.0.2.1:0 192.0.2.2:0 ");
	expect("four.test", "192.0.2.4:0 ");
	expect("FOUR.Test.", "192.0.2.4:0 ");
	expect("six.test", "[2001:db8::6]:0 ");
	expect("alias.test", "192.0.2.4:0 ");
	expect("spoofed.test", "192.0.2.8:0 ");
}
END_TEST

START_TEST(test_literals_ask_nobody)
{
	expect("192.0.2.77", "192.0.2.77:0 ");
	expect("2001:db8::77", "[2001:db8::77]:0 ");
	expect("localhost", "127.0.0.1:0 [::1]:0 ");
	ck_assert_int_eq(server.questions, 0);
	ck_assert_uint_eq(mqev_resolver_questions(world.net), 0);
}
END_TEST

START_TEST(test_errors)
{
	expect_error("no.test", MQEV_ERR_RESOLVE);
	expect_error("empty.test", MQEV_ERR_RESOLVE);
	expect_error("fail.test", MQEV_ERR_RESOLVE);
	expect_error("refused.test", MQEV_ERR_RESOLVE);
	ck_assert_uint_eq(mqev_resolver_kept(world.net), 0);
}
END_TEST

/* Some name with an IPv4 address in the machine's hosts file. */
static bool
name_of_hosts(char *name, char *address)
{
	FILE *file = fopen("/etc/hosts", "r");
	char line[512];
	bool found = false;

	while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
		struct mqev_addr addr;

		found = sscanf(line, "%63s %63s", address, name) == 2 &&
			strchr(address, ':') == NULL && mqev_addr_parse(address, 0, &addr) &&
			strstr(name, "localhost") == NULL;
	}
	if (file != NULL)
		fclose(file);
	return found;
}

START_TEST(test_hosts_file)
{
	char name[64], address[64];
	struct asked q;

	if (!name_of_hosts(name, address)) {
		printf("SKIP: test_hosts_file: /etc/hosts names nothing but localhost\n");
		return;
	}
	ask(&q, name);
	await(&q, 1000);
	ck_assert_msg(strstr(q.text, address) != NULL, "%s: %s %s", name, q.text, q.error.text);
}
END_TEST

/* What is no answer is waited out, and then is an error. */
START_TEST(test_nonsense)
{
	static const char *const names[] = {
	    "silent.test", "wrong.test", "garbage.test", "cut.test"};
	struct asked q[4];
	int i;

	NEED_CARES("test_nonsense");
	for (i = 0; i < 4; i++)
		ask(&q[i], names[i]);
	for (i = 0; i < 4; i++) {
		await(&q[i], 20000);
		ck_assert_int_ne(q[i].error.error, 0);
	}
	ck_assert_int_eq(q[0].error.error, MQEV_ERR_TIMEOUT);
	ck_assert_int_eq(q[1].error.error, MQEV_ERR_TIMEOUT);
}
END_TEST

START_TEST(test_truncated)
{
	NEED_CARES("test_truncated");
	expect("large.test", "192.0.2.7:0 ");
	ck_assert_int_ge(server.tcp_questions, 1);
}
END_TEST

/* A family that does not answer is not waited for when the other has. */
START_TEST(test_half_an_answer)
{
	long long began = now_ms();

	NEED_CARES("test_half_an_answer");
	expect("half.test", "192.0.2.5:0 ");
	ck_assert_int_le(now_ms() - began, 400);
	ck_assert_uint_eq(mqev_resolver_kept(world.net), 0);
	expect("late.test", "[2001:db8::7]:0 192.0.2.6:0 ");
}
END_TEST

START_TEST(test_no_server)
{
	char address[32];
	struct asked q;

	ck_assert_int_eq(mqev_resolver_set_servers(world.net, "not an address"), MQEV_ERR_INVALID);
	NEED_CARES("test_no_server"); /* evdns takes 15 s and more */
	snprintf(address, sizeof address, "127.0.0.1:%u", closed_port());
	ck_assert_int_eq(mqev_resolver_set_servers(world.net, address), 0);
	ask(&q, "four.test");
	await(&q, 3000);
	ck_assert_int_ne(q.error.error, 0);
}
END_TEST

/* Sharing and keeping -------------------------------------------------------------------------- */

START_TEST(test_shared_under_way)
{
	struct asked q[50];
	int i;

	for (i = 0; i < 50; i++)
		ask(&q[i], "slow.test");
	mqev_lookup_cancel(q[0].lookup);
	for (i = 1; i < 50; i++) {
		await(&q[i], 2000);
		ck_assert_str_eq(q[i].text, "192.0.2.11:0 ");
	}
	ck_assert_int_eq(q[0].done, 0);
	ck_assert_uint_eq(mqev_resolver_questions(world.net), 1);
	ck_assert_int_eq(server.questions, 2);
}
END_TEST

START_TEST(test_kept_for_its_ttl)
{
	NEED_CARES("test_kept_for_its_ttl");
	expect("brief.test", "192.0.2.9:0 ");
	expect("brief.test", "192.0.2.9:0 ");
	expect("Brief.TEST", "192.0.2.9:0 ");
	ck_assert_uint_eq(mqev_resolver_questions(world.net), 1);
	ck_assert_uint_eq(mqev_resolver_kept(world.net), 1);
	run_for(1050);
	expect("brief.test", "192.0.2.9:0 ");
	ck_assert_uint_eq(mqev_resolver_questions(world.net), 2);
}
END_TEST

START_TEST(test_ttl_zero_is_not_kept)
{
	expect("zero.test", "192.0.2.10:0 ");
	expect("zero.test", "192.0.2.10:0 ");
	expect("alias.test", "192.0.2.4:0 ");
	ck_assert_uint_eq(mqev_resolver_questions(world.net), 3);
	ck_assert_uint_eq(mqev_resolver_kept(world.net), 0);
}
END_TEST

/* An address that changed is seen at the next question. */
START_TEST(test_changed_address)
{
	static const struct dns_record moved[] = {
	    {.name = "zero.test", .type = DNS_A, .ttl_s = 0, .data = "192.0.2.200"},
	    {.name = NULL},
	};

	expect("zero.test", "192.0.2.10:0 ");
	server.records = moved;
	expect("zero.test", "192.0.2.200:0 ");
}
END_TEST

START_TEST(test_limit_of_names)
{
	static struct dns_record records[1301];
	static char names[1300][24];
	int i;

	NEED_CARES("test_limit_of_names");
	for (i = 0; i < 1300; i++) {
		snprintf(names[i], sizeof names[i], "n%d.test", i);
		records[i] = (struct dns_record){
		    .name = names[i], .type = DNS_A, .ttl_s = 60, .data = "192.0.2.1"};
	}
	server.records = records;
	for (i = 0; i < 1300; i++)
		expect(names[i], "192.0.2.1:0 ");
	ck_assert_uint_eq(mqev_resolver_kept(world.net), 1000);
	expect(names[1299], "192.0.2.1:0 ");
	ck_assert_uint_eq(mqev_resolver_questions(world.net), 1300);
}
END_TEST

static void
write_conf(const char *path, const char *address)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fprintf(file, "nameserver %s\n", address);
	fclose(file);
}

/* resolv.conf is looked at again after a second, and a question under way is not lost with the old
 * servers. */
START_TEST(test_resolv_conf_changes)
{
	char path[] = "/tmp/mqev-resolv-XXXXXX";
	struct asked slow;
	int fd;

	NEED_CARES("test_resolv_conf_changes");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	write_conf(path, "127.0.0.1");
	ck_assert_int_eq(mqev_resolver_set_conf(world.net, path, server.port), 0);
	expect("zero.test", "192.0.2.10:0 ");
	ask(&slow, "later.test");
	write_conf(path, "127.0.0.77");
	expect("zero.test", "192.0.2.10:0 "); /* too early to look */
	run_for(1050);
	expect_error("zero.test", MQEV_ERR_RESOLVE);
	ck_assert_int_eq(slow.done, 0);
	await(&slow, 3000);
	ck_assert_str_eq(slow.text, "192.0.2.12:0 ");
	write_conf(path, "127.0.0.1 ");
	run_for(1050);
	expect("zero.test", "192.0.2.10:0 ");
	unlink(path);
}
END_TEST

/* Cancel --------------------------------------------------------------------------------------- */

START_TEST(test_cancel)
{
	struct asked q, other;

	ask(&q, "slow.test");
	ask(&other, "four.test");
	run_for(20);
	mqev_lookup_cancel(q.lookup);
	if (other.lookup != NULL)
		await(&other, 1000);
	run_for(200);
	ck_assert_int_eq(q.done, 0);
	ck_assert_str_eq(other.text, "192.0.2.4:0 ");
	expect("slow.test", "192.0.2.11:0 ");
}
END_TEST

START_TEST(test_cancel_what_is_answered)
{
	struct asked q;

	ask(&q, "127.0.0.1");
	mqev_lookup_cancel(q.lookup);
	run_for(20);
	ck_assert_int_eq(q.done, 0);
}
END_TEST

/* With no question left the resolver keeps the loop from nothing. */
START_TEST(test_idle_loop_ends)
{
	struct asked q, silent;
	int descriptors;

	expect("four.test", "192.0.2.4:0 ");
	ask(&silent, "silent.test");
	run_for(20);
	mqev_lookup_cancel(silent.lookup);
	run_for(20);
	event_del(server.udp_event);
	event_del(server.tcp_event);
	ck_assert_int_eq(event_base_loop(world.base, 0), 1);
	descriptors = open_fds();
	ask(&q, "127.0.0.1");
	ck_assert_int_eq(event_base_loop(world.base, 0), 1);
	ck_assert_int_eq(q.done, 1);
	ck_assert_int_eq(open_fds(), descriptors);
}
END_TEST

START_TEST(test_attempt_cancelled_while_resolving)
{
	struct attempt a = {0};

	attempt_start(&a, "mqtt://silent.test");
	run_for(30);
	attempt_end(&a);
	run_for(30);
	ck_assert_int_eq(a.done, 0);
}
END_TEST

START_TEST(test_resolve_deadline)
{
	struct attempt a = {.config = {.resolve_ms = 150}};
	long long began = now_ms();

	attempt_start(&a, "mqtt://silent.test");
	attempt_await_error(&a, 1000, MQEV_NET_RESOLVE, MQEV_ERR_TIMEOUT);
	ck_assert_int_ge(now_ms() - began, 140);
	ck_assert_str_eq(a.error.text, "resolve silent.test: the deadline of 150 ms passed");
	attempt_end(&a);
}
END_TEST

/* An attempt needs a descriptor for the question and one for the server: whatever is missing is an
 * error, and passes. */
START_TEST(test_no_descriptors)
{
	static const struct dns_record records[] = {
	    {.name = "here.test", .type = DNS_A, .ttl_s = 0, .data = "127.0.0.1"},
	    {.name = NULL},
	};
	struct rlimit before, low;
	int spare, i, links = 0;
	uint16_t port;
	int listener = listen_at("127.0.0.1", &port);

	server.records = records;
	getrlimit(RLIMIT_NOFILE, &before);
	spare = dup(0);
	close(spare);
	for (i = 0; i < 4; i++) {
		struct attempt a = {.config = {.resolve_ms = 500}};

		low = before;
		low.rlim_cur = (rlim_t)(spare + i);
		setrlimit(RLIMIT_NOFILE, &low);
		attempt_start(&a, "mqtt://here.test:%u", port);
		attempt_await(&a, 2000);
		links += a.conn.bev != NULL;
		attempt_end(&a);
		setrlimit(RLIMIT_NOFILE, &before);
	}
	ck_assert_int_ge(links, 1);
	ck_assert_int_lt(links, 4);
	close(listener);
}
END_TEST

/* Attempts ------------------------------------------------------------------------------------- */

/* 30 addresses, the first ones dead in both ways: each black hole costs the stagger. */
START_TEST(test_dead_addresses_first)
{
	static struct dns_record records[31];
	static char addresses[30][24];
	struct attempt a = {.config = {.dial_stagger_ms = 50}};
	uint16_t port;
	int listener = listen_at("127.0.0.30", &port), peer, i;

	for (i = 0; i < 30; i++) {
		snprintf(addresses[i], sizeof addresses[i], "127.0.0.%d", i + 1);
		records[i] = (struct dns_record){
		    .name = "many.test", .type = DNS_A, .ttl_s = 60, .data = addresses[i]};
	}
	server.records = records;
	attempt_start(&a, "mqtt://many.test:%u", port);
	attempt_await_link(&a, 2000);
	peer = accept_one(listener);
	assert_link_works(&a, peer);
	attempt_end(&a);
	close(peer);
	close(listener);
}
END_TEST

START_TEST(test_dead_first_address)
{
	static const struct dns_record records[] = {
	    {.name = "two.test", .type = DNS_A, .ttl_s = 60, .data = "127.0.0.41"},
	    {.name = "two.test", .type = DNS_A, .ttl_s = 60, .data = "127.0.0.42"},
	    {.name = NULL},
	};
	struct attempt a = {.config = {.dial_ms = 5000}};
	uint16_t port;
	int listener = listen_at("127.0.0.42", &port), fds[16], n, peer;
	int hole = listen_at_port("127.0.0.41", port, 0);
	long long began;

	n = fill_backlog("127.0.0.41", port, fds, 16);
	server.records = records;
	began = now_ms();
	attempt_start(&a, "mqtt://two.test:%u", port);
	attempt_await_link(&a, 2000);
	ck_assert_int_le(now_ms() - began, 300 + (WITH_CARES ? 0 : 100));
	peer = accept_one(listener);
	assert_link_works(&a, peer);
	attempt_end(&a);
	while (n > 0)
		close(fds[--n]);
	close(peer);
	close(hole);
	close(listener);
}
END_TEST

/* SRV ------------------------------------------------------------------------------------------ */

static char srv_data[4][64];
static const struct dns_record srv_zone[] = {
    {.name = "_mqtt._tcp.fleet.test", .type = DNS_SRV, .ttl_s = 60, .data = srv_data[0]},
    {.name = "_mqtt._tcp.fleet.test", .type = DNS_SRV, .ttl_s = 60, .data = srv_data[1]},
    {.name = "_mqtt._tcp.fleet.test", .type = DNS_SRV, .ttl_s = 60, .data = srv_data[2]},
    {.name = "_secure-mqtt._tcp.fleet.test",
	.type = DNS_SRV,
	.ttl_s = 60,
	.data = "1 1 1 secure.invalid"},
    {.name = "_mqtt._tcp.none.test", .type = DNS_SRV, .ttl_s = 60, .data = "0 0 0 ."},
    {.name = "_mqtt._tcp.gone.test", .type = DNS_SRV, .way = DNS_NXDOMAIN},
    {.name = "_mqtt._tcp.large.test",
	.type = DNS_SRV,
	.ttl_s = 60,
	.data = srv_data[2],
	.way = DNS_TRUNCATED},
    {.name = "dead.test", .type = DNS_A, .way = DNS_NXDOMAIN},
    {.name = "dead.test", .type = DNS_AAAA, .way = DNS_NXDOMAIN},
    {.name = "live.test", .type = DNS_A, .ttl_s = 60, .data = "127.0.0.1"},
    {.name = NULL},
};

/* The first target's name does not exist, the second refuses, the third is there. */
START_TEST(test_srv_next_target)
{
	struct attempt a = {0};
	uint16_t port;
	int listener, peer, i;

	NEED_CARES("test_srv_next_target");
	listener = listen_at("127.0.0.1", &port);
	snprintf(srv_data[0], sizeof srv_data[0], "20 0 %u live.test", closed_port());
	snprintf(srv_data[1], sizeof srv_data[1], "10 5 1883 dead.test");
	snprintf(srv_data[2], sizeof srv_data[2], "30 0 %u live.test", port);
	server.records = srv_zone;
	for (i = 0; i < 2; i++) {
		attempt_start(&a, i == 0 ? "mqtt+srv://fleet.test" : "mqtt+srv://large.test");
		attempt_await_link(&a, 3000);
		peer = accept_one(listener);
		assert_link_works(&a, peer);
		close(peer);
		if (i == 0) {
			ck_assert_ptr_nonnull(
			    strstr(a.progress, "look up servers of _mqtt._tcp.fleet.test"));
			ck_assert_ptr_nonnull(
			    strstr(a.progress, "resolve dead.test\n1 resolve live.test"));
		}
		attempt_end(&a);
	}
	ck_assert_int_ge(server.tcp_questions, 1);
	close(listener);
}
END_TEST

START_TEST(test_srv_errors)
{
	static const char *const urls[] = {
	    "mqtt+srv://none.test", "mqtt+srv://gone.test", "mqtt+srv://unknown.test"};
	struct attempt a = {0};

	server.records = srv_zone;
	attempt_start(&a, "%s", urls[_i]);
	attempt_await_error(
	    &a, 3000, MQEV_NET_RESOLVE, WITH_CARES ? MQEV_ERR_RESOLVE : MQEV_ERR_UNSUPPORTED);
	attempt_end(&a);
}
END_TEST

START_TEST(test_srv_all_targets_fail)
{
	struct attempt a = {0};

	NEED_CARES("test_srv_all_targets_fail");
	snprintf(srv_data[0], sizeof srv_data[0], "10 0 1883 dead.test");
	snprintf(srv_data[1], sizeof srv_data[1], "10 0 1883 dead.test");
	snprintf(srv_data[2], sizeof srv_data[2], "20 0 %u live.test", closed_port());
	server.records = srv_zone;
	attempt_start(&a, "mqtt+srv://fleet.test");
	attempt_await_error(&a, 3000, MQEV_NET_DIAL, MQEV_ERR_SYSTEM);
	attempt_end(&a);
}
END_TEST

START_TEST(test_srv_name_by_security)
{
	struct attempt a = {0};

	NEED_CARES("test_srv_name_by_security");
	server.records = srv_zone;
	attempt_start(&a, "mqtts+srv://fleet.test");
	attempt_await_error(&a, 3000, MQEV_NET_RESOLVE, MQEV_ERR_RESOLVE);
	ck_assert_ptr_nonnull(strstr(a.error.text, "secure.invalid"));
	attempt_end(&a);
}
END_TEST

/* Memory --------------------------------------------------------------------------------------- */

static bool
link_with_failing(const char *url, size_t n)
{
	struct attempt a = {0};
	bool refused;

	/* A resolver of its own each time, so that all its allocations are met. */
	mqev_net_free(world.net);
	event_base_loop(world.base, EVLOOP_NONBLOCK);
	world.net = mqev_net_new(world.base);
	ck_assert_int_eq(mqev_resolver_set_servers(world.net, server.address), 0);
	fail_mem_after(n);
	if (attempt_try(&a, url))
		attempt_await(&a, 12000);
	refused = fail_mem_refused() > 0;
	fail_mem_never();
	if (!refused)
		ck_assert_msg(a.conn.bev != NULL, "%s", a.error.text);
	else if (a.done && a.conn.bev == NULL)
		ck_assert_msg(
		    a.error.error == MQEV_ERR_NOMEM, "%d %s", a.error.error, a.error.text);
	attempt_end(&a);
	return refused;
}

START_TEST(test_no_memory)
{
	uint16_t port;
	int listener;
	char url[64];
	size_t n = 0;

	if (_i == 1)
		NEED_CARES("test_no_memory");
	listener = listen_at("127.0.0.1", &port);
	snprintf(srv_data[0], sizeof srv_data[0], "10 0 %u live.test", port);
	snprintf(srv_data[1], sizeof srv_data[1], "10 0 %u live.test", port);
	snprintf(srv_data[2], sizeof srv_data[2], "20 0 %u live.test", port);
	server.records = srv_zone;
	snprintf(url, sizeof url, _i == 0 ? "mqtt://live.test:%u" : "mqtt+srv://fleet.test", port);
	while (link_with_failing(url, n))
		n++;
	ck_assert_uint_ge(n, 8);
	close(listener);
}
END_TEST

static TCase *
zone_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup_zone, teardown_zone);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int
main(void)
{
	Suite *suite = suite_create("net resolve");
	TCase *tcase = zone_case(suite, "answers");

	tcase_add_test(tcase, test_answers);
	tcase_add_test(tcase, test_literals_ask_nobody);
	tcase_add_test(tcase, test_errors);
	tcase_add_test(tcase, test_nonsense);
	tcase_add_test(tcase, test_truncated);
	tcase_add_test(tcase, test_half_an_answer);
	tcase_add_test(tcase, test_no_server);
	tcase = zone_case(suite, "keeping");
	tcase_add_test(tcase, test_shared_under_way);
	tcase_add_test(tcase, test_kept_for_its_ttl);
	tcase_add_test(tcase, test_ttl_zero_is_not_kept);
	tcase_add_test(tcase, test_changed_address);
	tcase_add_test(tcase, test_limit_of_names);
	tcase_add_test(tcase, test_resolv_conf_changes);
	tcase_add_test(tcase, test_hosts_file);
	tcase = zone_case(suite, "cancel");
	tcase_add_test(tcase, test_cancel);
	tcase_add_test(tcase, test_cancel_what_is_answered);
	tcase_add_test(tcase, test_idle_loop_ends);
	tcase_add_test(tcase, test_attempt_cancelled_while_resolving);
	tcase_add_test(tcase, test_resolve_deadline);
	tcase_add_test(tcase, test_no_descriptors);
	tcase = zone_case(suite, "attempts");
	tcase_add_test(tcase, test_dead_addresses_first);
	tcase_add_test(tcase, test_dead_first_address);
	tcase_add_test(tcase, test_srv_next_target);
	tcase_add_loop_test(tcase, test_srv_errors, 0, 3);
	tcase_add_test(tcase, test_srv_all_targets_fail);
	tcase_add_test(tcase, test_srv_name_by_security);
	tcase_add_loop_test(tcase, test_no_memory, 0, 2);
	return net_main(suite);
}
