/* Every fault at every stage of every kind of link: each ends in one on_connect_fail that names the
 * stage and the cause, within the stage's deadline, and nothing is left of the attempt. */
#include "wire/client_kit.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "lib/certs.h"
#include "lib/peer.h"
#include "net/ws.h"

#define DEADLINE_MS 250
#define DRIP_MS 20
#define LARGE 70000

enum fault {
	SILENCE,    /* the peer is there, or has vanished without a word: it looks the same */
	HALF_CLOSE, /* it says nothing more, but listens */
	CLOSE,
	RESET,
	GARBAGE,
	DRIP, /* what could become a good answer, byte by byte */
	TOO_LARGE,
	FAULTS
};

/* What a server does before the fault. */
enum talk { NOTHING, HTTP_PROXY, SOCKS5_PROXY, TLS, WEBSOCKET, CONNECT_PACKET };

/* What is said at a stage, in packet notation, and what comes of it. */
struct stage {
	enum mqev_stage stage;
	const char *drip;  /* how a good answer begins */
	const char *large; /* how one begins that is too large; NULL: there is none */
	int ended;	   /* the error after a FIN */
	int reset;
	int garbage;
	int too_large;
};

#define HEADERS "0D0A 'X-A: '"
/* A CONNACK of 16 KiB, most of it a User Property. */
#define CONNACK "20 FF7F 00 00 FC7F 26 0001 'a' 3FF7"

static const struct stage http_proxy = {MQEV_STAGE_PROXY, "'HTTP/1.1 200 OK'" HEADERS,
    "'HTTP/1.1 200 OK'" HEADERS, MQEV_ERR_PROXY, MQEV_ERR_PROXY, MQEV_ERR_PROXY, MQEV_ERR_PROXY};
static const struct stage socks_proxy = {
    MQEV_STAGE_PROXY, "0500 0500 0003 FF", NULL, MQEV_ERR_PROXY, MQEV_ERR_PROXY, MQEV_ERR_PROXY, 0};
static const struct stage handshake = {MQEV_STAGE_TLS, "16 0303 4000 02 003FFC 0303",
    "16 0303 FFFF 02", MQEV_ERR_LOST, MQEV_ERR_SYSTEM, MQEV_ERR_TLS, MQEV_ERR_TLS};
static const struct stage upgrade = {MQEV_STAGE_WEBSOCKET,
    "'HTTP/1.1 101 Switching Protocols'" HEADERS, "'HTTP/1.1 101 Switching Protocols'" HEADERS,
    MQEV_ERR_WEBSOCKET, MQEV_ERR_SYSTEM, MQEV_ERR_WEBSOCKET, MQEV_ERR_WEBSOCKET};
static const struct stage connack = {MQEV_STAGE_CONNACK, CONNACK, "20 FFFFFF7F", MQEV_ERR_LOST,
    MQEV_ERR_LOST, MQEV_ERR_MALFORMED, MQEV_ERR_TOO_LARGE};
static const struct stage framed_connack = {MQEV_STAGE_CONNACK, "82 7E 4002" CONNACK,
    "82 7F 0000010000000000", MQEV_ERR_LOST, MQEV_ERR_LOST, MQEV_ERR_WEBSOCKET, MQEV_ERR_WEBSOCKET};

/* A kind of link, and the stage that is attacked on it. */
static const struct row {
	const char *scheme;
	enum mqev_proxy_type proxy;
	enum talk talk[4];
	const struct stage *stage;
} rows[] = {
    {"mqtt", MQEV_PROXY_HTTP, {NOTHING}, &http_proxy},
    {"mqtt", MQEV_PROXY_SOCKS5, {NOTHING}, &socks_proxy},
    {"mqtts", MQEV_PROXY_NONE, {NOTHING}, &handshake},
    {"mqtts", MQEV_PROXY_HTTP, {HTTP_PROXY}, &handshake},
    {"wss", MQEV_PROXY_SOCKS5, {SOCKS5_PROXY}, &handshake},
    {"ws", MQEV_PROXY_NONE, {NOTHING}, &upgrade},
    {"wss", MQEV_PROXY_NONE, {TLS}, &upgrade},
    {"wss", MQEV_PROXY_HTTP, {HTTP_PROXY, TLS}, &upgrade},
    {"mqtt", MQEV_PROXY_NONE, {CONNECT_PACKET}, &connack},
    {"mqtts", MQEV_PROXY_NONE, {TLS, CONNECT_PACKET}, &connack},
    {"ws", MQEV_PROXY_NONE, {WEBSOCKET, CONNECT_PACKET}, &framed_connack},
    {"wss", MQEV_PROXY_NONE, {TLS, WEBSOCKET, CONNECT_PACKET}, &framed_connack},
    {"wss", MQEV_PROXY_SOCKS5, {SOCKS5_PROXY, TLS, WEBSOCKET, CONNECT_PACKET}, &framed_connack},
};

#define ROWS ((int)(sizeof(rows) / sizeof(rows[0])))

static SSL_CTX *server_ctx;

/* --- the server, in its thread -----------------------------------------------------------------
 */

struct attack {
	const struct row *row;
	enum fault fault;
};

static int
proxy_http(struct tk_peer_conn *c)
{
	static const char good[] = "HTTP/1.1 200 Connection established\r\n\r\n";
	char request[1024];

	return tk_ws_read_request(c, request, sizeof(request)) &&
	       tk_peer_write(c, good, sizeof(good) - 1);
}

/* The host is sent as a name. */
static int
proxy_socks5(struct tk_peer_conn *c)
{
	unsigned char in[300];

	return tk_peer_read(c, in, 3) && tk_peer_write(c, "\x05\0", 2) && tk_peer_read(c, in, 5) &&
	       tk_peer_read(c, in + 5, in[4] + 2u) &&
	       tk_peer_write(c, "\x05\0\0\x01\x7f\0\0\x01\0\x50", 10);
}

static int
talk(struct tk_peer_conn *c, enum talk what)
{
	char buf[512];

	switch (what) {
	case NOTHING:
		return 1;
	case HTTP_PROXY:
		return proxy_http(c);
	case SOCKS5_PROXY:
		return proxy_socks5(c);
	case TLS:
		return tk_peer_tls(c, server_ctx);
	case WEBSOCKET:
		return tk_ws_accept(c);
	case CONNECT_PACKET:
		return tk_peer_read_some(c, buf, sizeof(buf)) > 0;
	}
	return 0;
}

static void
drip(struct tk_peer_conn *c, const char *words)
{
	struct tk_buf start = tk_hex(words);
	size_t i;

	for (i = 0; i < start.len + 500; i++) {
		if (!tk_peer_write(c, i < start.len ? (char *)start.data + i : "a", 1))
			break;
		poll(NULL, 0, DRIP_MS);
	}
	tk_buf_free(&start);
}

static void
send_large(struct tk_peer_conn *c, const char *words)
{
	struct tk_buf bytes = tk_hex(words);
	char *filler = tk_calloc(1, LARGE);

	memset(filler, 'a', LARGE);
	tk_buf_put(&bytes, filler, LARGE);
	tk_peer_write(c, bytes.data, bytes.len);
	tk_buf_free(&bytes);
	free(filler);
	tk_peer_read_to_end(c);
}

static void
send_garbage(struct tk_peer_conn *c)
{
	unsigned char bytes[600];
	unsigned state = 12345;
	size_t i;

	for (i = 0; i < sizeof(bytes); i++) {
		state = state * 1103515245u + 12345u;
		bytes[i] = (unsigned char)(state >> 16);
	}
	bytes[0] = 0xee;
	tk_peer_write(c, bytes, sizeof(bytes));
	tk_peer_read_to_end(c);
}

static void
serve(struct tk_peer_conn *c, void *arg)
{
	const struct linger at_once = {.l_onoff = 1};
	const struct attack *a = arg;
	size_t i;

	for (i = 0; i < 4; i++)
		if (!talk(c, a->row->talk[i]))
			return;
	switch (a->fault) {
	case SILENCE:
		tk_peer_read_to_end(c);
		break;
	case HALF_CLOSE:
		shutdown(c->fd, SHUT_WR);
		tk_peer_read_to_end(c);
		break;
	case RESET:
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		break;
	case GARBAGE:
		send_garbage(c);
		break;
	case DRIP:
		drip(c, a->row->stage->drip);
		break;
	case TOO_LARGE:
		send_large(c, a->row->stage->large);
		break;
	case CLOSE:
	case FAULTS:
		break;
	}
}

/* --- the client --------------------------------------------------------------------------------
 */

static const char *const fault_names[] = {
    "silence", "half-close", "close", "reset", "garbage", "drip", "too large"};

static void
connect_once(const struct row *row, int port, struct mqev_tls *tls)
{
	bool direct = row->proxy == MQEV_PROXY_NONE;
	char url[64];

	snprintf(url, sizeof(url), direct ? "%s://127.0.0.1:%d" : "%s://broker.test:%d",
	    row->scheme, direct ? port : 8883);
	kit.client = kit_client_new((struct mqev_options){.size = sizeof(struct mqev_options),
	    .protocol = MQEV_PROTOCOL_V5,
	    .no_reconnect = true,
	    .tls = tls,
	    .max_packet_size = 100000,
	    .proxy = direct ? NULL
			    : MQEV_PROXY(.type = row->proxy, .host = "127.0.0.1",
				  .port = (uint16_t)port),
	    .proxy_timeout_ms = DEADLINE_MS,
	    .tls_timeout_ms = DEADLINE_MS,
	    .websocket_timeout_ms = DEADLINE_MS,
	    .connack_timeout_ms = DEADLINE_MS});
	kit_connect_to("%s", url);
}

/* A server that closes what it did not read to the end resets, so after CLOSE both may be seen. */
static bool
is_expected(const struct stage *s, enum fault fault, int error)
{
	switch (fault) {
	case SILENCE:
	case DRIP:
		return error == MQEV_ERR_TIMEOUT;
	case HALF_CLOSE:
		return error == s->ended;
	case CLOSE:
		return error == s->ended || error == s->reset;
	case RESET:
		return error == s->reset;
	case GARBAGE:
		return error == s->garbage;
	case TOO_LARGE:
		return error == s->too_large;
	case FAULTS:
		break;
	}
	return false;
}

static int
is_as_before(void *arg)
{
	return tk_open_fds() == *(int *)arg;
}

static void
attack(const struct row *row, enum fault fault, struct mqev_tls *tls)
{
	struct attack a = {row, fault};
	int fds = tk_open_fds();
	struct tk_peer *peer = tk_peer_start("127.0.0.1", serve, &a);

	memset(kit.count, 0, sizeof(kit.count));
	connect_once(row, tk_peer_port(peer), tls);
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 10000);
	ck_assert_msg(kit.failure.stage == row->stage->stage &&
			  is_expected(row->stage, fault, kit.failure.error),
	    "%s, %s at stage %d: stage %d, %s: %s", row->scheme, fault_names[fault],
	    (int)row->stage->stage, (int)kit.failure.stage, kit_error_name(kit.failure.error),
	    kit.text);
	/* Who writes when the reset was told already hears of a broken pipe. */
	ck_assert_msg(fault != RESET || strstr(kit.text, "reset") != NULL ||
			  strstr(kit.text, "Broken pipe") != NULL,
	    "reset: %s", kit.text);
	kit_free_client();
	tk_peer_stop(peer);
	ck_assert_int_eq(kit.count[KIT_CONNECT] + kit.count[KIT_DISCONNECT], 0);
	/* A link that says why it ends lingers until the server has ended, too. */
	ck_assert(tk_run_until(kit.base, is_as_before, &fds, 5000));
}

START_TEST(test_faults)
{
	const struct row *row = &rows[_i];
	struct tk_pki *pki = tk_pki_new("mqev test CA");
	struct mqev_tls *tls;
	size_t kept;

	if (row->scheme[0] == 'w' && !mqev_ws_supported()) {
		tk_pki_free(pki);
		tk_skip("this build has no WebSocket");
	}

	tk_pki_issue(pki, "server", &(struct tk_cert_spec){.san = "IP:127.0.0.1,DNS:broker.test"});
	server_ctx = tk_peer_ctx(pki, "server");
	tls = mqev_tls_new(
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki), .session_cache_endpoints = -1), NULL,
	    0);
	attack(row, CLOSE, tls); /* what the fleet makes once is there from here on */
	kept = fail_mem_live();
	for (int fault = 0; fault < FAULTS; fault++) {
		if (fault == TOO_LARGE && row->stage->large == NULL)
			continue;
		attack(row, (enum fault)fault, tls);
		ck_assert_uint_eq(fail_mem_live(), kept);
	}
	mqev_tls_free(tls);
	SSL_CTX_free(server_ctx);
	tk_pki_free(pki);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("client faults");
	TCase *tc = kit_case(suite, "faults");

	tcase_add_loop_test(tc, test_faults, 0, ROWS);
	return tk_main(suite);
}
