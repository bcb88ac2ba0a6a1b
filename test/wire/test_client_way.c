/* The way to the server changed after the client was made: TLS, proxy, socket and WebSocket
 * options, each for the next attempt, whatever is under way keeping what it began with; and how a
 * TLS link that fails is told of. */
#include "wire/client_kit.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include <openssl/err.h>

#include <mqev/tls.h>
#include <mqev/websocket.h>

#include "lib/certs.h"
#include "lib/peer.h"
#include "net/ws.h"

static const struct tk_step accept_once[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"), TK_END};
static const struct tk_step accept_twice[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
    TK_EXPECT(DISCONNECT), TK_EXPECT_CLOSE(), TK_ACCEPT(), TK_EXPECT(CONNECT),
    TK_SEND("20 (00 00)"), TK_END};

/* Whatever CONNECT it is. */
static void
serve_mqtt(struct tk_peer_conn *c)
{
	char connect[200];

	if (tk_peer_read_some(c, connect, sizeof(connect)) > 0 &&
	    tk_peer_write(c, "\x20\x02\x00\x00", 4))
		tk_peer_read_to_end(c);
}

/* --- TLS ---------------------------------------------------------------------------------------
 */

static void
serve_tls(struct tk_peer_conn *c, void *arg)
{
	if (tk_peer_tls(c, arg))
		serve_mqtt(c);
}

static struct mqev_tls *
trusting(const struct tk_pki *pki)
{
	struct mqev_tls *tls =
	    mqev_tls_new(MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki)), NULL, 0);

	ck_assert_ptr_nonnull(tls);
	return tls;
}

START_TEST(tls_configuration)
{
	struct tk_pki *pki = tk_pki_new("mqev test CA");
	struct tk_pki *other = tk_pki_new("another CA");
	struct mqev_tls *good, *wrong;
	struct tk_peer *peer;
	SSL_CTX *ctx;

	tk_pki_issue(pki, "server", &(struct tk_cert_spec){0});
	ctx = tk_peer_ctx(pki, "server");
	peer = tk_peer_start("127.0.0.1", serve_tls, ctx);
	good = trusting(pki);
	wrong = trusting(other);
	KIT_CLIENT(.keepalive = 60, .tls = wrong, .no_reconnect = true);
	mqev_tls_free(wrong);
	kit_connect_to("mqtts://localhost:%d", tk_peer_port(peer));
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 5000);
	/* The client's reference is enough. */
	ck_assert_int_eq(KIT_CALL(mqev_client_set_tls(kit.client, good)), 0);
	mqev_tls_free(good);
	ck_assert_int_eq(mqev_reconnect(kit.client), 0);
	KIT_AWAIT(KIT_CONNECT, 1, 5000);
	/* The link keeps what it was made with, the next one does not. */
	wrong = trusting(other);
	ck_assert_int_eq(KIT_CALL(mqev_client_set_tls(kit.client, wrong)), 0);
	mqev_tls_free(wrong);
	kit_publish("a", "m", 0);
	kit_await_all(2000);
	ck_assert_int_eq(mqev_reconnect(kit.client), 0);
	KIT_AWAIT(KIT_CONNECT_FAIL, 2, 5000);
	KIT_DIARY("fail:tls:TLS connect:00 done1:OK disconnect:OK fail:tls:TLS");
	/* The system's trust has never heard of either. */
	ck_assert_int_eq(KIT_CALL(mqev_client_set_tls(kit.client, NULL)), 0);
	ck_assert_int_eq(mqev_reconnect(kit.client), 0);
	KIT_AWAIT(KIT_CONNECT_FAIL, 3, 5000);
	KIT_DIARY("fail:tls:TLS");
	kit_free_client();
	tk_peer_stop(peer);
	SSL_CTX_free(ctx);
	tk_pki_free(pki);
	tk_pki_free(other);
}
END_TEST

/* What no TLS record looks like, after CONNACK. */
static void
serve_rubbish(struct tk_peer_conn *c, void *arg)
{
	static const char rubbish[] = "this is not a record of TLS";
	char connect[200];

	if (tk_peer_tls(c, arg) && tk_peer_read_some(c, connect, sizeof(connect)) > 0 &&
	    tk_peer_write(c, "\x20\x02\x00\x00", 4) &&
	    tk_peer_read_some(c, connect, sizeof(connect)) > 0 &&
	    write(c->fd, rubbish, sizeof(rubbish)) == sizeof(rubbish))
		tk_peer_read_to_end(c);
}

/* OpenSSL's reason is told of a link that was up as of an attempt that failed. */
START_TEST(tls_failure_of_a_link)
{
	struct tk_pki *pki = tk_pki_new("mqev test CA");
	struct tk_peer *peer;
	struct mqev_tls *tls;
	SSL_CTX *ctx;

	tk_pki_issue(pki, "server", &(struct tk_cert_spec){0});
	ctx = tk_peer_ctx(pki, "server");
	peer = tk_peer_start("127.0.0.1", serve_rubbish, ctx);
	tls = trusting(pki);
	KIT_CLIENT(.keepalive = 60, .tls = tls, .no_reconnect = true);
	mqev_tls_free(tls);
	kit_connect_to("mqtts://localhost:%d", tk_peer_port(peer));
	KIT_AWAIT(KIT_CONNECT, 1, 5000);
	kit_publish("a", "m", 0);
	KIT_AWAIT(KIT_DISCONNECT, 1, 5000);
	ck_assert_int_eq(kit.disconnection.error, MQEV_ERR_TLS);
	ck_assert_int_eq(ERR_GET_REASON(kit.disconnection.tls_error), SSL_R_WRONG_VERSION_NUMBER);
	ck_assert_str_eq(kit.text, "TLS: wrong version number");
	kit_free_client();
	tk_peer_stop(peer);
	SSL_CTX_free(ctx);
	tk_pki_free(pki);
}
END_TEST

/* --- proxy -------------------------------------------------------------------------------------
 */

/* A proxy that plays the server behind it. */
static void
serve_proxy(struct tk_peer_conn *c, void *arg)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\n\r\n";
	char request[1000];

	(void)arg;
	if (tk_ws_read_request(c, request, sizeof(request)) &&
	    strncmp(request, "CONNECT broker.invalid:1883 ", 28) == 0 &&
	    tk_peer_write(c, ok, sizeof(ok) - 1))
		serve_mqtt(c);
}

START_TEST(proxy)
{
	struct tk_peer *peer = tk_peer_start("127.0.0.1", serve_proxy, NULL);
	char host[] = "127.0.0.1";

	KIT_CLIENT(.keepalive = 60, .no_reconnect = true,
	    .proxy = MQEV_PROXY(.type = MQEV_PROXY_HTTP, .host = "127.0.0.1",
		.port = (uint16_t)tk_free_port()));
	kit_connect_to("mqtt://broker.invalid");
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 2000);
	ck_assert_int_eq(KIT_CALL(mqev_client_set_proxy(
			     kit.client, MQEV_PROXY(.type = MQEV_PROXY_HTTP, .host = host,
					     .port = (uint16_t)tk_peer_port(peer)))),
	    0);
	memset(host, 'x', sizeof(host) - 1); /* it was copied */
	ck_assert_int_eq(mqev_reconnect(kit.client), 0);
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	kit_disconnect();
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	ck_assert_int_eq(mqev_client_set_proxy(kit.client, NULL), 0);
	kit_broker(accept_once);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 2, 2000);
	KIT_DIARY("fail:dial:SYSTEM connect:00 disconnect:OK connect:00");
	kit_free_client();
	tk_peer_stop(peer);
}
END_TEST

/* What the environment exempts stays exempt when something else is changed, and goes with the
 * proxy. */
START_TEST(proxy_of_the_environment)
{
	setenv("mqtt_proxy", "http://127.0.0.1:1", 1);
	setenv("no_proxy", "127.0.0.1", 1);
	kit_broker(accept_twice);
	KIT_CLIENT(.keepalive = 60, .proxy_from_environment = true, .no_reconnect = true);
	unsetenv("mqtt_proxy");
	unsetenv("no_proxy");
	ck_assert_int_eq(mqev_client_set_tls(kit.client, NULL), 0);
	ck_assert_int_eq(
	    mqev_client_set_socket(kit.client, MQEV_SOCKET_OPTIONS(.keepalive = 1)), 0);
	ck_assert_int_eq(
	    mqev_client_set_websocket(kit.client, MQEV_WEBSOCKET_OPTIONS(.path = "/x")), 0);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	ck_assert_int_eq(mqev_client_set_proxy(kit.client,
			     MQEV_PROXY(.type = MQEV_PROXY_HTTP, .host = "127.0.0.1", .port = 1)),
	    0);
	ck_assert_int_eq(mqev_reconnect(kit.client), 0);
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 2000);
	ck_assert_int_eq(mqev_client_set_proxy(kit.client, NULL), 0);
	ck_assert_int_eq(mqev_reconnect(kit.client), 0);
	KIT_AWAIT(KIT_CONNECT, 2, 2000);
	KIT_DIARY("connect:00 disconnect:OK fail:dial:SYSTEM connect:00");
}
END_TEST

/* --- socket options ----------------------------------------------------------------------------
 */

static int made_by[2];

/* Another takes its place while it runs. */
static int
second_hook(int fd, void *arg)
{
	(void)fd;
	(*(int *)arg)++;
	return 0;
}

static int
first_hook(int fd, void *arg)
{
	char address[] = "127.0.0.1";

	(void)fd;
	(*(int *)arg)++;
	ck_assert_int_eq(KIT_CALL(mqev_client_set_socket(kit.client,
			     MQEV_SOCKET_OPTIONS(.bind_address = address, .on_socket = second_hook,
				 .on_socket_arg = &made_by[1]))),
	    0);
	address[0] = 'x';
	return 0;
}

static void
use_first_hook(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	if (event == KIT_PRE_CONNECT && made_by[0] == 0)
		ck_assert_int_eq(
		    KIT_CALL(mqev_client_set_socket(c, MQEV_SOCKET_OPTIONS(.on_socket = first_hook,
							   .on_socket_arg = &made_by[0]))),
		    0);
}

/* Set in on_pre_connect: for the attempt that begins. */
START_TEST(socket_options)
{
	memset(made_by, 0, sizeof(made_by));
	kit.more = true;
	kit.hook = use_first_hook;
	kit_broker(accept_twice);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	ck_assert_int_eq(made_by[0], 1);
	ck_assert_int_eq(made_by[1], 0);
	ck_assert_int_eq(mqev_reconnect(kit.client), 0);
	KIT_PLAY(2000);
	ck_assert_int_eq(made_by[0], 1);
	ck_assert_int_eq(made_by[1], 1);
}
END_TEST

/* The hook frees, disconnects or goes elsewhere after it has been replaced: nothing is used that
 * went with it. */
static int
last_hook(int fd, void *arg)
{
	(void)fd;
	ck_assert_int_eq(mqev_client_set_socket(kit.client, NULL), 0);
	if (*(int *)arg == 0)
		kit_free_client();
	else
		kit_disconnect();
	if (*(int *)arg == 2)
		ck_assert_int_eq(mqev_connect(kit.client, "unix:///nonexistent/elsewhere"), 0);
	*(int *)arg = 3;
	return 0;
}

START_TEST(socket_options_and_the_end)
{
	int what = _i;

	kit_broker(NULL);
	KIT_CLIENT(.socket = MQEV_SOCKET_OPTIONS(.bind_address = "127.0.0.1",
		       .on_socket = last_hook, .on_socket_arg = &what));
	kit_connect();
	kit_run(30);
	ck_assert_int_eq(what, 3);
	ck_assert_int_eq(tk_broker_connections(kit.broker), 0);
}
END_TEST

/* --- WebSocket ---------------------------------------------------------------------------------
 */

static struct {
	pthread_mutex_t lock;
	char text[2][600];
	int count;
} requests = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
serve_upgrade(struct tk_peer_conn *c, void *arg)
{
	char request[600];

	(void)arg;
	if (!tk_ws_read_request(c, request, sizeof(request)))
		return;
	pthread_mutex_lock(&requests.lock);
	if (requests.count < 2)
		strcpy(requests.text[requests.count++], request);
	pthread_mutex_unlock(&requests.lock);
}

static bool
asked(int number, const char *text)
{
	bool found;

	pthread_mutex_lock(&requests.lock);
	found = number < requests.count && strstr(requests.text[number], text) != NULL;
	pthread_mutex_unlock(&requests.lock);
	return found;
}

static int
add_token(struct mqev_websocket_request *request, void *arg)
{
	return mqev_websocket_request_set_header(request, "X-Token", arg);
}

START_TEST(websocket)
{
	static char fresh[] = "fresh";
	char header[] = "X-More: yes";
	const char *headers[] = {header};
	struct tk_peer *peer;

	if (!mqev_ws_supported())
		tk_skip("this build has no WebSocket");
	peer = tk_peer_start("127.0.0.1", serve_upgrade, NULL);
	KIT_CLIENT(.keepalive = 60, .no_reconnect = true);
	kit_connect_to("ws://127.0.0.1:%d", tk_peer_port(peer));
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 2000);
	ck_assert(asked(0, "GET /mqtt HTTP/1.1\r\n"));
	ck_assert_int_eq(
	    KIT_CALL(mqev_client_set_websocket(kit.client,
		MQEV_WEBSOCKET_OPTIONS(.path = "/other?a=b", .headers = headers, .header_count = 1,
		    .subprotocol = "mqttv3.1", .on_prepare = add_token, .prepare_arg = fresh))),
	    0);
	memset(header, 'x', sizeof(header) - 1);
	ck_assert_int_eq(mqev_reconnect(kit.client), 0);
	KIT_AWAIT(KIT_CONNECT_FAIL, 2, 2000);
	ck_assert(asked(1, "GET /other?a=b HTTP/1.1\r\n"));
	ck_assert(asked(1, "X-More: yes\r\n"));
	ck_assert(asked(1, "X-Token: fresh\r\n"));
	ck_assert(asked(1, "Sec-WebSocket-Protocol: mqttv3.1\r\n"));
	kit_free_client();
	tk_peer_stop(peer);
}
END_TEST

/* --- all of them -------------------------------------------------------------------------------
 */

static int
wrong_proxy(struct mqev_client *c)
{
	return mqev_client_set_proxy(c, MQEV_PROXY(.type = (enum mqev_proxy_type)9, .host = "h"));
}

static int
proxy_without_size(struct mqev_client *c)
{
	return mqev_client_set_proxy(c, &(struct mqev_proxy){.type = MQEV_PROXY_HTTP, .host = "h"});
}

static int
wrong_socket(struct mqev_client *c)
{
	return mqev_client_set_socket(c, MQEV_SOCKET_OPTIONS(.bind_address = "no address"));
}

static int
wrong_websocket(struct mqev_client *c)
{
	return mqev_client_set_websocket(c, MQEV_WEBSOCKET_OPTIONS(.path = "no path"));
}

static int (*const wrong[])(struct mqev_client *) = {
    wrong_proxy, proxy_without_size, wrong_socket, wrong_websocket};

static int
note_made(int fd, void *arg)
{
	(void)fd;
	(*(int *)arg)++;
	return 0;
}

/* Refused at the call, which says why; and what was there is used. */
START_TEST(refused)
{
	int made = 0;

	kit_broker(accept_once);
	KIT_CLIENT(.keepalive = 60,
	    .socket = MQEV_SOCKET_OPTIONS(.on_socket = note_made, .on_socket_arg = &made));
	ck_assert_int_eq(KIT_CALL(wrong[_i](kit.client)), MQEV_ERR_INVALID);
	ck_assert_str_ne(mqev_client_error_text(kit.client), "");
	ck_assert_int_eq(wrong[_i](NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_client_set_tls(NULL, NULL), MQEV_ERR_INVALID);
	kit_connect();
	KIT_PLAY(2000);
	ck_assert_int_eq(made, 1);
}
END_TEST

/* Two clients that are led the same way have one configuration, with as much memory as one. */
START_TEST(shared)
{
	struct mqev_client *first;
	size_t before;

	KIT_CLIENT(.keepalive = 60);
	first = kit.client;
	KIT_CLIENT(.keepalive = 60);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(
		    mqev_client_set_socket(first, MQEV_SOCKET_OPTIONS(.bind_address = "::1")), 0);
		ck_assert_int_eq(mqev_client_set_proxy(
				     first, MQEV_PROXY(.type = MQEV_PROXY_SOCKS5, .host = "p")),
		    0);
		before = fail_mem_live();
		ck_assert_int_eq(
		    mqev_client_set_socket(kit.client, MQEV_SOCKET_OPTIONS(.bind_address = "::1")),
		    0);
		ck_assert_int_eq(mqev_client_set_proxy(kit.client,
				     MQEV_PROXY(.type = MQEV_PROXY_SOCKS5, .host = "p")),
		    0);
		/* Its own, which no one else has any more, is gone. */
		ck_assert_uint_le(fail_mem_live(), before);
		ck_assert_int_eq(mqev_client_set_socket(kit.client, NULL), 0);
		ck_assert_int_eq(mqev_client_set_proxy(kit.client, NULL), 0);
	}
	mqev_client_free(first);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("client_way");
	TCase *tc = kit_case(s, "way");

	tcase_add_test(tc, tls_configuration);
	tcase_add_test(tc, tls_failure_of_a_link);
	tcase_add_test(tc, proxy);
	tcase_add_test(tc, proxy_of_the_environment);
	tcase_add_test(tc, socket_options);
	tcase_add_loop_test(tc, socket_options_and_the_end, 0, 3);
	tcase_add_test(tc, websocket);
	tcase_add_loop_test(tc, refused, 0, (int)(sizeof(wrong) / sizeof(wrong[0])));
	tcase_add_test(tc, shared);
	return tk_main(s);
}
