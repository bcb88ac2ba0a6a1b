/* Where a Server Reference leads, and how long is waited after what. Nothing connects here: the
 * wire tests of the controller do. */
#include "unit/unit.h"

#include <string.h>

#include <event2/event.h>

#include "client/client.h"
#include "fault/fail_mem.h"

static struct event_base *base;
static struct mqev_fleet *fleet;
static struct mqev_client *client;

static void
setup(void)
{
	base = event_base_new();
	fleet = mqev_fleet_new(base, NULL);
	client = mqev_client_new(fleet,
	    MQEV_OPTIONS(.protocol = MQEV_PROTOCOL_V5, .reconnect_min_ms = 10,
		.reconnect_max_ms = 1000),
	    NULL);
	ck_assert_ptr_nonnull(client);
}

static void
teardown(void)
{
	mqev_fleet_free(fleet);
	event_base_free(base);
	ck_assert_uint_eq(fail_mem_live(), 0);
}

/* As the controller does it. */
static uint32_t
decide(const struct mqev_ending *ending)
{
	client->deciding = true;
	return mqev_retry_decide(client, ending);
}

static uint32_t
redirected(const char *reference)
{
	struct mqev_properties *p = mqev_properties_new();
	struct mqev_ending ending = {.error = MQEV_ERR_REFUSED,
	    .reason = MQEV_REASON_USE_ANOTHER_SERVER,
	    .said_why = true,
	    .text = "",
	    .properties = p};
	uint32_t wait;

	ck_assert_int_eq(mqev_properties_add_string(p, MQEV_PROP_SERVER_REFERENCE, reference), 0);
	wait = decide(&ending);
	mqev_properties_free(p);
	return wait;
}

static const struct {
	const char *from;
	const char *reference;
	const char *host; /* NULL: not followed */
	uint16_t port;
	bool tls;
	bool websocket;
	const char *path;
} rows[] = {
    {"mqtt://a", "b", "b", 1883, false, false, NULL},
    {"mqtt://a", "b:99", "b", 99, false, false, NULL},
    {"mqtt://a", "  b:99  c ", "b", 99, false, false, NULL},
    {"mqtt://a:99", "b", "b", 1883, false, false, NULL},
    {"mqtts://a", "b", "b", 8883, true, false, NULL},
    {"mqtts://a", "[::1]:7", "::1", 7, true, false, NULL},
    {"ws://a/p?q=1", "b", "b", 80, false, true, "/p?q=1"},
    {"wss://a/p", "b:7", "b", 7, true, true, "/p"},
    {"wss://a/p", "wss://b/other", "b", 443, true, true, "/other"},
    {"mqtt://a", "mqtts://b", "b", 8883, true, false, NULL},
    {"mqtts://a", "wss://b", "b", 443, true, true, NULL},
    {"unix:///tmp/s", "b", "b", 1883, false, false, NULL},
    /* Out of TLS, to a local socket, with another user, nonsense. */
    {"mqtts://a", "mqtt://b", NULL, 0, false, false, NULL},
    {"wss://a", "ws://b", NULL, 0, false, false, NULL},
    {"mqtts://a", "mqtts://b tcp://b", NULL, 0, false, false, NULL},
    {"mqtt://a", "unix:///tmp/s", NULL, 0, false, false, NULL},
    {"mqtt://a", "evil@b", NULL, 0, false, false, NULL},
    {"mqtt://a", "mqtt://evil:x@b", NULL, 0, false, false, NULL},
    {"mqtt://a", "b:0", NULL, 0, false, false, NULL},
    {"mqtt://a", "ftp://b", NULL, 0, false, false, NULL},
    {"mqtt://a", " ", NULL, 0, false, false, NULL},
};

START_TEST(references)
{
	const struct mqev_endpoint *server;
	uint32_t wait;

	ck_assert_int_eq(mqev_connect(client, rows[_i].from), 0);
	wait = redirected(rows[_i].reference);
	server = mqev_client_server(client);
	if (rows[_i].host == NULL) {
		ck_assert_uint_ge(wait, 10);
		ck_assert_ptr_eq(server, client->servers->list.at);
		return;
	}
	ck_assert_uint_eq(wait, 0);
	ck_assert_str_eq(server->host, rows[_i].host);
	ck_assert_uint_eq(server->port, rows[_i].port);
	ck_assert_int_eq(server->tls, rows[_i].tls);
	ck_assert_int_eq(server->websocket, rows[_i].websocket);
	if (rows[_i].path != NULL)
		ck_assert_str_eq(server->path, rows[_i].path);
}
END_TEST

START_TEST(login_goes_along)
{
	const struct mqev_endpoint *server;

	ck_assert_int_eq(mqev_connect(client, "mqtt://al:p%40@a"), 0);
	ck_assert_uint_eq(redirected("b c"), 0);
	server = mqev_client_server(client);
	ck_assert_str_eq(server->username, "al");
	ck_assert_str_eq(server->password, "p@");
	/* b does not answer: c; c neither: a again. */
	ck_assert_uint_eq(decide(&(struct mqev_ending){
			      .stage = MQEV_STAGE_DIAL, .error = MQEV_ERR_SYSTEM, .text = ""}),
	    0);
	ck_assert_str_eq(mqev_client_server(client)->host, "c");
	ck_assert_str_eq(mqev_client_server(client)->username, "al");
	ck_assert_uint_ge(decide(&(struct mqev_ending){
			      .stage = MQEV_STAGE_DIAL, .error = MQEV_ERR_SYSTEM, .text = ""}),
	    10);
	ck_assert_str_eq(mqev_client_server(client)->host, "a");
}
END_TEST

/* What is waited after the first failure: usually, slowly, not at all. */
enum { USUAL, SLOW, STOP };

static const struct {
	struct mqev_ending ending;
	int want;
} endings[] = {
    {{.stage = MQEV_STAGE_DIAL, .error = MQEV_ERR_SYSTEM}, USUAL},
    {{.stage = MQEV_STAGE_RESOLVE, .error = MQEV_ERR_RESOLVE}, USUAL},
    {{.stage = MQEV_STAGE_TLS, .error = MQEV_ERR_TLS}, USUAL},
    {{.stage = MQEV_STAGE_TLS, .error = MQEV_ERR_TLS, .untrusted = true}, SLOW},
    {{.stage = MQEV_STAGE_CONNACK, .error = MQEV_ERR_TIMEOUT}, USUAL},
    {{.stage = MQEV_STAGE_CONNACK,
	 .error = MQEV_ERR_PROTOCOL,
	 .reason = MQEV_REASON_PROTOCOL_ERROR},
	SLOW},
    {{.stage = MQEV_STAGE_PREPARE, .error = MQEV_ERR_TIMEOUT}, USUAL},
    {{.stage = MQEV_STAGE_PREPARE, .error = MQEV_ERR_AUTH}, STOP},
    {{.error = MQEV_ERR_LOST}, USUAL},
    {{.error = MQEV_ERR_KEEPALIVE}, USUAL},
    {{.error = MQEV_ERR_AUTH}, STOP},
    {{.error = MQEV_ERR_REFUSED, .reason = MQEV_REASON_SERVER_UNAVAILABLE, .said_why = true},
	USUAL},
    {{.error = MQEV_ERR_REFUSED, .reason = MQEV_REASON_SERVER_BUSY, .said_why = true}, SLOW},
    {{.error = MQEV_ERR_REFUSED, .reason = MQEV_REASON_BANNED, .said_why = true}, STOP},
    {{.error = MQEV_ERR_REFUSED, .reason = MQEV_REASON_NOT_AUTHORIZED, .said_why = true}, STOP},
    {{.error = MQEV_ERR_REFUSED, .reason = MQEV_REASON_SERVER_MOVED, .said_why = true}, USUAL},
    {{.error = MQEV_ERR_DISCONNECTED, .reason = MQEV_REASON_SESSION_TAKEN_OVER, .said_why = true},
	STOP},
    {{.error = MQEV_ERR_DISCONNECTED, .reason = MQEV_REASON_QUOTA_EXCEEDED, .said_why = true},
	SLOW},
};

START_TEST(waits)
{
	struct mqev_ending ending = endings[_i].ending;
	uint32_t wait;

	ending.text = "";
	ck_assert_int_eq(mqev_connect(client, "mqtt://a"), 0);
	wait = decide(&ending);
	if (endings[_i].want == STOP)
		ck_assert_uint_eq(wait, MQEV_NONE);
	if (endings[_i].want == SLOW)
		ck_assert(wait >= 500 && wait <= 1000);
	if (endings[_i].want == USUAL)
		ck_assert(wait >= 10 && wait <= 20);
	ck_assert_int_eq(client->wanted, endings[_i].want != STOP);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, references, 0, (int)COUNT_OF(rows));
	tcase_add_test(tc, login_goes_along);
	tcase_add_loop_test(tc, waits, 0, (int)COUNT_OF(endings));
}

int
main(void)
{
	return unit_run("retry", add);
}
