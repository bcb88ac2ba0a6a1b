/* Features of connections: login, keepalive, takeover, limits, TLS and WebSocket. */
#include "broker/features.h"
#include "broker/makes.h"
#include "broker/scene.h"

#include <stdio.h>

/* --- coming and going ------------------------------------------------------------------------- */

void
feature_login(void)
{
	struct peer *a = scene_peer("a");

	ck_assert(mqev_client_is_connected(a->client));
	ck_assert(!a->session_present);
	ck_assert_int_eq(mqev_client_protocol(a->client), scene.version);
	peer_disconnect(a);
	ck_assert_int_eq(a->end_reason, 0);
	scene_connect(a);
	peer_free(a);
}

static void
assert_refused(struct mqev_options o)
{
	struct peer *a = peer_new(o);

	peer_connect_to(a, scene_url());
	ck_assert_int_eq(a->connects, 0);
	ck_assert_int_eq(a->refused, 1);
	ck_assert_msg(a->reason == MQEV_REASON_NOT_AUTHORIZED ||
			  a->reason == MQEV_REASON_BAD_USER_NAME_OR_PASSWORD,
	    "refused with %02X", (unsigned)a->reason);
	kit_run(100);
	ck_assert_int_eq(a->refused, 1); /* no use in trying again */
	peer_free(a);
}

void
feature_refused_login(void)
{
	struct mqev_options o = scene_options("a");

	o.password = "another";
	assert_refused(o);
	o = scene_options("b");
	o.username = "nobody@" TK_SERVER_HOST;
	assert_refused(o);
	o = scene_options("c");
	o.username = o.password = NULL;
	assert_refused(o);
}

/* 3.1: a random one of the client's; 3.1.1: the server gives one silently; 5.0: and tells it. */
void
feature_empty_id(void)
{
	struct mqev_options o = scene_options("");
	struct peer *a;
	struct peer *b;

	o.client_id = "";
	a = scene_join(o);
	b = scene_join(o);
	if (scene.version != MQEV_PROTOCOL_V311) {
		ck_assert_str_ne(mqev_client_id(a->client), "");
		ck_assert_str_ne(mqev_client_id(a->client), mqev_client_id(b->client));
	}
	peer_subscribe(b, scene_topic("t"), 1);
	scene_flush(a, scene_topic("t"), b, 1);
	ck_assert_int_eq(a->disconnects + b->disconnects, 0);
	peer_await_done(a, 5000);
	peer_free(a);
	peer_free(b);
}

/* A server throws out who is silent for 1.5 s; it answers the pings. */
void
feature_keepalive(void)
{
	struct mqev_options o = scene_options("a");
	struct peer *a;
	size_t up, down;

	o.keepalive = 1;
	a = peer_new(o);
	peer_connect_to(a, relay_url(scene_relay()));
	up = relay_up(scene.relay);
	down = relay_down(scene.relay);
	kit_run(2800);
	ck_assert_int_eq(a->disconnects, 0);
	ck_assert_uint_ge(relay_up(scene.relay), up + 4); /* two PINGREQ, two PINGRESP */
	ck_assert_uint_eq(relay_down(scene.relay) - down, relay_up(scene.relay) - up);
	peer_free(a);
}

/* The same identifier again: the first is thrown out. */
static void
take_over(bool told)
{
	struct mqev_options o = scene_options("same");
	struct peer *a;
	struct peer *b;

	o.no_reconnect = true;
	a = scene_join(o);
	b = scene_join(o);
	AWAIT(a->disconnects, 1, 5000);
	ck_assert_int_eq(a->ended_by_server, told);
	if (told)
		ck_assert_int_eq(a->end_reason, MQEV_REASON_SESSION_TAKEN_OVER);
	peer_subscribe(b, scene_topic("t"), 1);
	scene_flush(b, scene_topic("t"), b, 1);
	ck_assert_int_eq(b->disconnects, 0);
	peer_await_done(b, 5000);
	peer_free(a);
	peer_free(b);
}

void
feature_takeover(void)
{
	take_over(false);
}

void
feature_takeover_told(void)
{
	take_over(true);
}

/* --- limits ----------------------------------------------------------------------------------- */

static struct peer *
small_peer(void)
{
	struct mqev_options o = scene_options("b");
	struct peer *b;

	o.max_packet_size = 500;
	o.no_reconnect = true;
	b = scene_join(o);
	peer_subscribe(b, scene_topic("t"), 1);
	return b;
}

static void
publish_large(struct peer *from)
{
	static char data[2000];

	memset(data, '7', sizeof(data));
	for (int qos = 0; qos < 2; qos++)
		peer_publish(from, MQEV_MESSAGE(.topic = scene_topic("t"), .payload = data,
				       .payload_len = sizeof(data), .qos = qos));
	peer_await_done(from, 5000);
}

/* What is too large for a client is not sent to it; it lives on. */
void
feature_max_packet(void)
{
	struct peer *a = scene_peer("a");
	struct peer *b = small_peer();

	publish_large(a);
	scene_flush(a, scene_topic("t"), b, 1);
	ck_assert_int_eq(b->messages, 0);
	ck_assert_int_eq(b->disconnects, 0);
	peer_await_done(a, 5000);
	peer_free(a);
	peer_free(b);
}

/* It is sent all the same, and the client ends the connection as the standard says. */
void
lack_max_packet(void)
{
	struct peer *a = scene_peer("a");
	struct peer *b = small_peer();

	publish_large(a);
	AWAIT(b->disconnects, 1, 5000);
	ck_assert_int_eq(b->messages, 0);
	ck_assert(!b->ended_by_server);
	ck_assert_int_eq(b->end_reason, MQEV_REASON_PACKET_TOO_LARGE);
	peer_free(a);
	peer_free(b);
}

/* --- other links ------------------------------------------------------------------------------ */

static void
through(struct mqev_options o, const char *url)
{
	struct peer *a = peer_new(o);
	int qos = scene.best_qos;

	peer_connect_to(a, url);
	ck_assert_int_eq(a->reason, MQEV_REASON_SUCCESS);
	peer_subscribe(a, scene_topic("t"), qos);
	for (int i = 0; i < 10; i++)
		scene_publish(a, scene_topic("t"), i, qos);
	scene_await_number(a, 9, 5000);
	peer_await_done(a, 5000);
	ck_assert_int_eq(a->messages_of[qos], 10);
	peer_disconnect(a);
	peer_free(a);
}

void
feature_tls(void)
{
	struct mqev_options o = scene_options("a");
	struct tk_server apart;
	char error[200];
	char url[40];

	o.tls = mqev_tls_new(
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(scene.pki)), error, sizeof(error));
	ck_assert_msg(o.tls != NULL, "%s", error);
	snprintf(url, sizeof(url), "mqtts://127.0.0.1:%d", make_tls_port(&apart));
	through(o, url);
	mqev_tls_free(o.tls);
	make_tls_end(&apart);
}

static int
websocket_port(void)
{
	return scene.server->ports[1];
}

void
feature_websocket(void)
{
	char url[40];

	snprintf(url, sizeof(url), "ws://127.0.0.1:%d/mqtt", websocket_port());
	through(scene_options("a"), url);
}
