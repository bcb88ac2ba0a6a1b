/* Many clients of one fleet against mosquitto: what an idle one holds on each kind of link, and how
 * many of a thousand TLS clients come back by resumption. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "broker/way_kit.h"
#include "client/fleet.h"
#include "net/transport.h"

#define CLIENTS 1000
/* Of those that come back. */
#define RESUMED_AT_LEAST (CLIENTS * 95 / 100)
/* What a link gives back 2 s after its CONNACK is back by then. */
#define SETTLE_MS 2600

/* By address: "localhost" has two, where mosquitto listens with two contexts, each of which knows
 * its own sessions only. */
#define HOST "127.0.0.1"

static struct mqev_client *clients[CLIENTS];
static int connected, disconnected;

static void
on_connect(struct mqev_client *c, const struct mqev_connack *connack, void *userdata)
{
	(void)c;
	(void)userdata;
	ck_assert_int_eq((int)connack->reason, 0);
	connected++;
}

static void
on_connect_fail(struct mqev_client *c, const struct mqev_connect_failure *failure, void *userdata)
{
	(void)c;
	(void)userdata;
	ck_abort_msg("%s", failure->text);
}

static void
on_disconnect(struct mqev_client *c, const struct mqev_disconnection *end, void *userdata)
{
	(void)c;
	(void)end;
	(void)userdata;
	disconnected++;
}

/* Bytes that this process has allocated, or holds where the C library does not tell: of the
 * clients' side only, for mosquitto is another process. */
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
static long
allocated(void)
{
	return (long)mallinfo2().uordblks;
}
#else
static long
allocated(void)
{
	return tk_rss_kib() * 1024;
}
#endif

static void
make_clients(int count, struct mqev_tls *tls)
{
	for (int i = 0; i < count; i++) {
		clients[i] = mqev_client_new(kit.fleet,
		    MQEV_OPTIONS(.tls = tls, .on_connect = on_connect,
			.on_connect_fail = on_connect_fail, .on_disconnect = on_disconnect),
		    NULL);
		ck_assert_ptr_nonnull(clients[i]);
	}
}

static void
connect_all(int count, int way)
{
	connected = 0;
	for (int i = 0; i < count; i++)
		ck_assert_int_eq(mqev_connect(clients[i], way_url(way, HOST)), 0);
	TK_RUN_UNTIL_COUNT(kit.base, connected, count, 60000);
}

static void
disconnect_all(int count)
{
	disconnected = 0;
	for (int i = 0; i < count; i++)
		ck_assert_int_eq(mqev_disconnect(clients[i], NULL), 0);
	TK_RUN_UNTIL_COUNT(kit.base, disconnected, count, 30000);
}

static void
free_all(int count)
{
	for (int i = 0; i < count; i++)
		mqev_client_free(clients[i]);
}

static struct mqev_tls_stats
stats_of(const struct mqev_tls *tls)
{
	struct mqev_tls_stats stats = {.size = sizeof(stats)};

	ck_assert_int_eq(mqev_tls_get_stats(tls, &stats), 0);
	return stats;
}

/* Prints what a connected, idle client holds; of TLS links also what it was before they had time to
 * give back. */
static void
measure(const char *link, bool tls, int count, long before)
{
	long at_once = allocated();

	if (tls)
		kit_run(SETTLE_MS);
	printf("%s: an idle client holds %ld bytes of heap, right after its CONNACK %ld\n", link,
	    (allocated() - before) / count, (at_once - before) / count);
}

static int acked;

static void
on_acked(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	(void)c;
	(void)arg;
	ck_assert_int_eq(result->error, 0);
	acked++;
}

/* The same right after an answer of the server's came. */
static void
measure_after_traffic(const char *link, int count, long before)
{
	acked = 0;
	for (int i = 0; i < count; i++)
		ck_assert(
		    mqev_publish(clients[i],
			MQEV_MESSAGE(.topic = "t", .payload = "x", .payload_len = 1, .qos = 1),
			on_acked, NULL) > 0);
	TK_RUN_UNTIL_COUNT(kit.base, acked, count, 20000);
	printf("%s: after a PUBACK it holds %ld\n", link, (allocated() - before) / count);
}

START_TEST(test_resumption)
{
	static const struct {
		const char *name;
		enum mqev_tls_version max;
	} versions[] = {{"TLS 1.2", MQEV_TLS_VERSION_1_2}, {"TLS 1.3", MQEV_TLS_VERSION_1_3}};
	struct mqev_tls *tls = way_tls_of(
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(way_pki), .max_version = versions[_i].max));
	const struct mqev_net_stats *of_fleet = mqev_net_stats(kit.fleet->net);
	uint64_t first;
	long before;

	WAY_NEED_BROKER();
	WAY(way_url(WAY_MQTTS, HOST), .tls = tls);
	before = allocated();
	make_clients(CLIENTS, tls);
	connect_all(CLIENTS, WAY_MQTTS);
	measure(versions[_i].name, true, CLIENTS, before);
	measure_after_traffic(versions[_i].name, CLIENTS, before);
	first = stats_of(tls).resumed;
	disconnect_all(CLIENTS);
	connect_all(CLIENTS, WAY_MQTTS);
	printf("%s: %d of %d came back by resumption\n", versions[_i].name,
	    (int)(stats_of(tls).resumed - first), CLIENTS);
	ck_assert_int_ge((int)(stats_of(tls).resumed - first), RESUMED_AT_LEAST);
	ck_assert_uint_eq(stats_of(tls).handshakes, 2 * CLIENTS + 1);
	ck_assert_uint_eq(stats_of(tls).failed, 0);
	ck_assert_uint_eq(of_fleet->tls_handshakes, stats_of(tls).handshakes);
	ck_assert_uint_eq(of_fleet->tls_resumed, stats_of(tls).resumed);
	free_all(CLIENTS);
	mqev_tls_free(tls);
}
END_TEST

#define IDLE 200

START_TEST(test_idle_links)
{
	static const char *const names[] = {"plain", "TLS", "WebSocket", "WebSocket over TLS"};
	long before;

	WAY_NEED_BROKER();
	if (_i >= WAY_WS)
		WAY_NEED_WEBSOCKET();
	WAY(way_url(_i, HOST), .tls = way_tls);
	before = allocated();
	make_clients(IDLE, way_tls);
	connect_all(IDLE, _i);
	measure(names[_i], _i == WAY_MQTTS || _i == WAY_WSS, IDLE, before);
	measure_after_traffic(names[_i], IDLE, before);
	ck_assert_int_eq(connected, IDLE);
	free_all(IDLE);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_fleet");
	TCase *tc = way_case(suite, "a thousand", 120);
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 4096) {
		files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	tcase_add_loop_test(tc, test_idle_links, 0, 4);
	tcase_add_loop_test(tc, test_resumption, 0, 2);
	return tk_main(suite);
}
