/* The real client against mosquitto over every kind of link, and through restarts, by itself: no
 * kit but the servers. */
#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <mqev/mqev.h>

#include "lib/certs.h"
#include "lib/loop.h"
#include "lib/server.h"
#include "net/ws.h"

#define WAIT_MS 10000

static struct event_base *base;
static struct mqev_fleet *fleet;
static struct tk_server server;

static const enum mqev_protocol versions[] = {
    MQEV_PROTOCOL_V31, MQEV_PROTOCOL_V311, MQEV_PROTOCOL_V5};
#define VERSIONS 3

/* A client and what has happened to it. */
struct peer {
	struct mqev_client *client;
	int connected;
	int disconnected;
	int session_present;
	int done;
	int failed;
	int messages;
	int pause_at; /* the message in whose callback receiving is paused */
	int last_qos;
	bool last_retain;
	char last_topic[128];
	char last_payload[128];
	unsigned char seen[3][2048]; /* how often a numbered message came, by QoS */
};

static void
on_connect(struct mqev_client *c, const struct mqev_connack *connack, void *userdata)
{
	struct peer *p = userdata;

	(void)c;
	ck_assert_int_eq((int)connack->reason, 0);
	p->session_present = connack->session_present;
	p->connected++;
}

static void
on_disconnect(struct mqev_client *c, const struct mqev_disconnection *end, void *userdata)
{
	struct peer *p = userdata;

	(void)c;
	(void)end;
	p->disconnected++;
}

static void
on_message(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	struct peer *p = userdata;
	int number = 0;

	if (p->messages + 1 == p->pause_at)
		ck_assert_int_eq(mqev_pause_receiving(c), 0);
	snprintf(p->last_topic, sizeof(p->last_topic), "%s", m->topic);
	snprintf(p->last_payload, sizeof(p->last_payload), "%.*s", (int)m->payload_len,
	    m->payload_len > 0 ? (const char *)m->payload : "");
	p->last_qos = m->qos;
	p->last_retain = m->retain;
	if (sscanf(p->last_payload, "n%d", &number) == 1 && number < 2048)
		p->seen[m->qos][number]++;
	p->messages++;
}

static void
on_done(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	struct peer *p = arg;

	(void)c;
	if (result->error != 0)
		p->failed++;
	p->done++;
}

static void
make(struct peer *p, struct mqev_options options)
{
	int error;

	memset(p, 0, sizeof(*p));
	options.size = sizeof(options);
	options.userdata = p;
	options.on_connect = on_connect;
	options.on_disconnect = on_disconnect;
	options.on_message = on_message;
	options.reconnect_min_ms = 20;
	options.reconnect_max_ms = 200;
	p->client = mqev_client_new(fleet, &options, &error);
	ck_assert_msg(p->client != NULL, "client: %s", mqev_error_text(error));
}

static void
connect_url(struct peer *p, const char *url)
{
	ck_assert_int_eq(mqev_connect(p->client, url), 0);
	TK_RUN_UNTIL_COUNT(base, p->connected, p->connected + 1, WAIT_MS);
}

static const char *
tcp_url(void)
{
	static char url[64];

	snprintf(url, sizeof(url), "mqtt://127.0.0.1:%d", server.port);
	return url;
}

static void
connect_tcp(struct peer *p)
{
	connect_url(p, tcp_url());
}

static void
leave(struct peer *p)
{
	ck_assert_int_eq(mqev_disconnect(p->client, NULL), 0);
	TK_RUN_UNTIL_COUNT(base, p->disconnected, p->disconnected + 1, WAIT_MS);
}

static void
subscribe(struct peer *p, const char *filter, int qos)
{
	int before = p->done;

	ck_assert(mqev_subscribe(p->client, MQEV_SUBSCRIPTION(.filter = filter, .qos = qos), 1,
		      NULL, on_done, p) > 0);
	TK_RUN_UNTIL_COUNT(base, p->done, before + 1, WAIT_MS);
	ck_assert_int_eq(p->failed, 0);
}

static void
publish(struct peer *p, const char *topic, const char *payload, int qos, bool retain)
{
	ck_assert(mqev_publish(p->client,
		      MQEV_MESSAGE(.topic = topic, .payload = payload,
			  .payload_len = strlen(payload), .qos = qos, .retain = retain),
		      on_done, p) > 0);
}

static void
setup(void)
{
	base = event_base_new();
	fleet = mqev_fleet_new(base, NULL);
	ck_assert_ptr_nonnull(fleet);
}

static void
teardown(void)
{
	mqev_fleet_free(fleet);
	event_base_free(base);
	tk_server_stop(&server);
}

/* --- every version and QoS ---------------------------------------------------------------------
 */

START_TEST(test_to_itself)
{
	enum mqev_protocol version = versions[_i / 3];
	int qos = _i % 3;
	struct peer p;

	TK_SERVER_MOSQUITTO(&server, NULL);
	make(&p, (struct mqev_options){.protocol = version});
	connect_tcp(&p);
	subscribe(&p, "a/+/c", qos);
	publish(&p, "a/b/c", "hello", qos, false);
	TK_RUN_UNTIL_COUNT(base, p.messages, 1, WAIT_MS);
	TK_RUN_UNTIL_COUNT(base, p.done, 2, WAIT_MS);
	ck_assert_str_eq(p.last_topic, "a/b/c");
	ck_assert_str_eq(p.last_payload, "hello");
	ck_assert_int_eq(p.last_qos, qos);
	ck_assert_int_eq(p.failed, 0);
	leave(&p);
}
END_TEST

START_TEST(test_retained)
{
	struct peer p;
	struct peer late;

	TK_SERVER_MOSQUITTO(&server, NULL);
	make(&p, (struct mqev_options){.protocol = versions[_i]});
	make(&late, (struct mqev_options){.protocol = versions[_i]});
	connect_tcp(&p);
	publish(&p, "kept", "value", 1, true);
	TK_RUN_UNTIL_COUNT(base, p.done, 1, WAIT_MS);
	connect_tcp(&late);
	subscribe(&late, "#", 1);
	TK_RUN_UNTIL_COUNT(base, late.messages, 1, WAIT_MS);
	ck_assert_str_eq(late.last_payload, "value");
	ck_assert(late.last_retain);
}
END_TEST

/* A mosquitto as it comes takes 20 unfinished messages, and cannot tell a client of 3.1.1: more of
 * them waiting than that must not cost the connection. */
START_TEST(test_many_by_default)
{
	struct peer p;

	TK_SERVER_MOSQUITTO(&server, NULL);
	make(&p, (struct mqev_options){.protocol = versions[_i]});
	for (int i = 0; i < 300; i++)
		publish(&p, "many", "x", 1 + i % 2, false);
	connect_tcp(&p);
	TK_RUN_UNTIL_COUNT(base, p.done, 300, WAIT_MS);
	ck_assert_int_eq(p.failed, 0);
	ck_assert_int_eq(p.disconnected, 0);
	leave(&p);
}
END_TEST

/* A client that vanishes leaves its will; one that disconnects does not. */
START_TEST(test_will)
{
	struct peer watcher;
	struct peer dying;
	struct peer polite;

	TK_SERVER_MOSQUITTO(&server, NULL);
	make(&watcher, (struct mqev_options){.protocol = versions[_i]});
	connect_tcp(&watcher);
	subscribe(&watcher, "will/+", 2);
	make(&polite,
	    (struct mqev_options){.protocol = versions[_i],
		.will = MQEV_WILL(.topic = "will/polite", .payload = "x", .payload_len = 1)});
	connect_tcp(&polite);
	leave(&polite);
	make(&dying, (struct mqev_options){.protocol = versions[_i],
			 .will = MQEV_WILL(.topic = "will/dying", .payload = "gone",
			     .payload_len = 4, .qos = 1)});
	connect_tcp(&dying);
	mqev_client_free(dying.client);
	TK_RUN_UNTIL_COUNT(base, watcher.messages, 1, WAIT_MS);
	ck_assert_str_eq(watcher.last_topic, "will/dying");
	ck_assert_str_eq(watcher.last_payload, "gone");
}
END_TEST

/* --- sessions ----------------------------------------------------------------------------------
 */

START_TEST(test_offline_messages)
{
	enum mqev_protocol version = versions[_i];
	struct peer away;
	struct peer p;

	TK_SERVER_MOSQUITTO(&server, NULL);
	make(&away, (struct mqev_options){.protocol = version,
			.client_id = "away",
			.clean = MQEV_CLEAN_NEVER,
			.session_expiry = version == MQEV_PROTOCOL_V5 ? 300 : 0});
	connect_tcp(&away);
	ck_assert_int_eq(away.session_present, 0);
	subscribe(&away, "news", 2);
	leave(&away);
	make(&p, (struct mqev_options){.protocol = version});
	connect_tcp(&p);
	publish(&p, "news", "n1", 1, false);
	publish(&p, "news", "n2", 2, false);
	TK_RUN_UNTIL_COUNT(base, p.done, 2, WAIT_MS);
	connect_tcp(&away);
	if (version != MQEV_PROTOCOL_V31) /* which does not tell */
		ck_assert_int_eq(away.session_present, 1);
	TK_RUN_UNTIL_COUNT(base, away.messages, 2, WAIT_MS);
	ck_assert_int_eq(away.seen[1][1], 1);
	ck_assert_int_eq(away.seen[2][2], 1);
}
END_TEST

#define HISTORY 1200
#define RESTART_AT 300

/* mosquitto stops in an orderly way and comes back, with its sessions, while messages are on their
 * way. */
START_TEST(test_restart_under_load)
{
	enum mqev_protocol version =
	    versions[1 + _i]; /* 3.1 cannot know whether a session was kept */
	const char *keep = "persistence true\nmax_queued_messages 0\n";
	uint32_t expiry = version == MQEV_PROTOCOL_V5 ? 300 : 0;
	char payload[32];
	struct peer from;
	struct peer to;

	TK_SERVER_MOSQUITTO(&server, keep);
	make(&to, (struct mqev_options){.protocol = version,
		      .client_id = "to",
		      .clean = MQEV_CLEAN_FIRST_ONLY,
		      .session_expiry = expiry});
	make(&from, (struct mqev_options){.protocol = version,
			.client_id = "from",
			.clean = MQEV_CLEAN_FIRST_ONLY,
			.session_expiry = expiry,
			.max_inflight = 20});
	/* 3.1.1: the clean session of the first connection ends with it; the second one is kept. */
	connect_tcp(&to);
	leave(&to);
	connect_tcp(&to);
	connect_tcp(&from);
	leave(&from);
	connect_tcp(&from);
	subscribe(&to, "load/#", 2);
	for (int n = 0; n < HISTORY; n++) {
		snprintf(payload, sizeof(payload), "n%d", n);
		publish(&from, n % 2 ? "load/1" : "load/2", payload, n % 2 ? 1 : 2, false);
	}
	TK_RUN_UNTIL_COUNT(base, from.done, RESTART_AT, WAIT_MS);
	ck_assert_int_eq(tk_server_kill(&server, SIGTERM), 0);
	tk_server_restart(&server);
	TK_RUN_UNTIL_COUNT(base, from.done, HISTORY, 3 * WAIT_MS);
	TK_RUN_UNTIL_COUNT(base, to.messages, HISTORY, 3 * WAIT_MS);
	ck_assert_int_eq(from.failed, 0);
	for (int n = 0; n < HISTORY; n++) {
		int times = to.seen[n % 2 ? 1 : 2][n];

		ck_assert_msg(times >= 1, "message %d was lost", n);
		ck_assert_msg(n % 2 || times == 1, "message %d came %d times at QoS 2", n, times);
	}
}
END_TEST

/* --- links -------------------------------------------------------------------------------------
 */

#define NEED_WEBSOCKET()                                        \
	do {                                                    \
		if (!mqev_ws_supported())                       \
			tk_skip("this build has no WebSocket"); \
	} while (0)

/* Nothing comes while receiving is paused, and nothing stays behind in a layer of the link when it
 * goes on: twice, the second time in the middle of what was kept. */
static void
pause_twice(struct peer *p)
{
	char payload[300];
	int end = p->messages + 300;

	memset(payload, 'x', sizeof(payload));
	p->pause_at = p->messages + 10;
	for (int i = 0; i < 300; i++)
		ck_assert_int_gt(mqev_publish(p->client,
				     MQEV_MESSAGE(.topic = "t", .payload = payload,
					 .payload_len = sizeof(payload)),
				     NULL, NULL),
		    0);
	for (int i = 0; i < 2; i++) {
		TK_RUN_UNTIL_COUNT(base, p->messages, p->pause_at, WAIT_MS);
		tk_run_until(base, NULL, NULL, 100);
		ck_assert_int_eq(p->messages, p->pause_at);
		p->pause_at += 3;
		ck_assert_int_eq(mqev_resume_receiving(p->client), 0);
	}
	TK_RUN_UNTIL_COUNT(base, p->messages, p->pause_at, WAIT_MS);
	ck_assert_int_eq(mqev_resume_receiving(p->client), 0);
	TK_RUN_UNTIL_COUNT(base, p->messages, end, WAIT_MS);
	ck_assert_int_eq(p->disconnected, 0);
}

static void
round_trip(const char *url, struct mqev_options options)
{
	struct peer p;

	make(&p, options);
	connect_url(&p, url);
	subscribe(&p, "t", 2);
	publish(&p, "t", "through", 2, false);
	TK_RUN_UNTIL_COUNT(base, p.messages, 1, WAIT_MS);
	ck_assert_str_eq(p.last_payload, "through");
	pause_twice(&p);
	leave(&p);
}

START_TEST(test_unix_socket)
{
	char url[300];

	TK_SERVER_MOSQUITTO(&server, "listener 0 @DIR@/sock\n");
	snprintf(url, sizeof(url), "unix://%s/sock", server.dir);
	round_trip(url, (struct mqev_options){.protocol = MQEV_PROTOCOL_V5});
}
END_TEST

START_TEST(test_websocket)
{
	char url[100];

	NEED_WEBSOCKET();
	TK_SERVER_MOSQUITTO(&server, "listener @PORT2@ 127.0.0.1\nprotocol websockets\n");
	snprintf(url, sizeof(url), "ws://127.0.0.1:%d/mqtt", server.ports[1]);
	round_trip(url, (struct mqev_options){.protocol = versions[1 + _i]});
}
END_TEST

/* The folder is the server's, where its user may read it. */
START_TEST(test_tls)
{
	bool websocket = _i == 1;
	struct tk_pki *pki;
	struct mqev_tls *tls;
	char extra[1200];
	char error[200];
	char url[100];

	if (websocket)
		NEED_WEBSOCKET();
	pki = tk_pki_new("broker CA");
	tk_pki_issue(pki, "broker", &(struct tk_cert_spec){.san = "DNS:localhost,IP:127.0.0.1"});
	tk_pki_issue(pki, "me", &(struct tk_cert_spec){.cn = "me"});
	snprintf(extra, sizeof(extra),
	    "listener @PORT2@ 127.0.0.1\ncafile %s\ncertfile %s\nkeyfile %s\nrequire_certificate "
	    "%s\n%s",
	    tk_pki_ca_file(pki), tk_pki_path(pki, "broker.pem"), tk_pki_path(pki, "broker.key"),
	    websocket ? "false" : "true", websocket ? "protocol websockets\n" : "");
	TK_SERVER_MOSQUITTO(&server, extra);
	tls = mqev_tls_new(&(struct mqev_tls_options){.size = sizeof(struct mqev_tls_options),
			       .ca_file = tk_pki_ca_file(pki),
			       .cert_file = tk_pki_path(pki, "me.pem"),
			       .key_file = tk_pki_path(pki, "me.key")},
	    error, sizeof(error));
	ck_assert_msg(tls != NULL, "%s", error);
	snprintf(
	    url, sizeof(url), "%s://127.0.0.1:%d", websocket ? "wss" : "mqtts", server.ports[1]);
	round_trip(url, (struct mqev_options){.protocol = MQEV_PROTOCOL_V5, .tls = tls});
	mqev_tls_free(tls);
	tk_pki_free(pki);
}
END_TEST

/* --- many --------------------------------------------------------------------------------------
 */

#define MANY 1000

static int all_done;

static void
on_many_done(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	(void)c;
	(void)arg;
	ck_assert_int_eq(result->error, 0);
	all_done++;
}

START_TEST(test_a_thousand)
{
	struct peer *peers = calloc(MANY, sizeof(*peers));
	int messages;

	TK_SERVER_MOSQUITTO(&server, NULL);
	for (int i = 0; i < MANY; i++) {
		make(&peers[i], (struct mqev_options){.protocol = versions[i % VERSIONS]});
		ck_assert_int_eq(mqev_connect(peers[i].client, tcp_url()), 0);
		ck_assert(
		    mqev_subscribe(peers[i].client, MQEV_SUBSCRIPTION(.filter = "many", .qos = 0),
			1, NULL, on_many_done, NULL) > 0);
	}
	TK_RUN_UNTIL_COUNT(base, all_done, MANY, 3 * WAIT_MS);
	publish(&peers[0], "many", "to all", 1, false);
	do {
		messages = 0;
		event_base_loop(base, EVLOOP_ONCE);
		for (int i = 0; i < MANY; i++)
			messages += peers[i].messages;
	} while (messages < MANY);
	ck_assert_int_eq(messages, MANY);
	for (int i = 0; i < MANY; i++)
		mqev_client_free(peers[i].client);
	free(peers);
}
END_TEST

static TCase *
add_case(Suite *suite, const char *name, int seconds)
{
	TCase *c = tk_case(suite, name);

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, seconds);
	return c;
}

int
main(void)
{
	Suite *suite = suite_create("mosquitto_links");
	TCase *c = add_case(suite, "versions", 40);

	tcase_add_loop_test(c, test_to_itself, 0, VERSIONS * 3);
	tcase_add_loop_test(c, test_retained, 0, VERSIONS);
	tcase_add_loop_test(c, test_will, 0, VERSIONS);
	tcase_add_loop_test(c, test_many_by_default, 0, VERSIONS);
	c = add_case(suite, "sessions", 120);
	tcase_add_loop_test(c, test_offline_messages, 0, VERSIONS);
	tcase_add_loop_test(c, test_restart_under_load, 0, VERSIONS - 1);
	c = add_case(suite, "links", 40);
	tcase_add_test(c, test_unix_socket);
	tcase_add_loop_test(c, test_websocket, 0, VERSIONS - 1);
	tcase_add_loop_test(c, test_tls, 0, 2);
	c = add_case(suite, "many", 120);
	tcase_add_test(c, test_a_thousand);
	return tk_main(suite);
}
