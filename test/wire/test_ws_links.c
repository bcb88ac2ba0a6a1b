/* WebSocket links over plain and TLS: the upgrade, data both ways, control frames, ends of every
 * kind. */
#include "wire/link_kit.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include <wslay/wslay.h>

static struct tk_pki *pki;
static SSL_CTX *server_ctx;
static struct mqev_tls *trust;
static bool secure; /* of the test that runs: wss instead of ws */

static void
setup(void)
{
	pki = tk_pki_new("mqev test CA");
	tk_pki_issue(pki, "server", &(struct tk_cert_spec){0});
	server_ctx = tk_peer_ctx(pki, "server");
	net_setup();
	trust = tls_of(MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki)));
}

static void
teardown(void)
{
	mqev_tls_free(trust);
	net_teardown();
	SSL_CTX_free(server_ctx);
	tk_pki_free(pki);
}

static void
start(struct link *l, struct tk_peer *peer, const struct mqev_websocket_options *options)
{
	l->a.config.tls = trust;
	l->a.config.websocket = options;
	attempt_start(&l->a, "%s://localhost:%d/mqtt", secure ? "wss" : "ws", tk_peer_port(peer));
}

/* What a serving function does first. */
static bool
ready(struct tk_peer_conn *c)
{
	return !secure || tk_peer_tls(c, server_ctx);
}

static bool
ready_and_upgraded(struct tk_peer_conn *c)
{
	return ready(c) && tk_ws_accept(c);
}

/* What the server saw of the client's frames; read after the peer's end. */
struct seen {
	int opcode; /* of the last frame */
	size_t bytes;
	size_t frames;
	int pongs;
	int close_code; /* -1: no close frame */
	int broken;	/* a frame broke a rule */
	unsigned char last[126];
	size_t last_len;
	const char *send; /* what to send, in packet notation */
};

static void
see_frames(struct tk_peer_conn *c, struct seen *seen, bool echo)
{
	struct tk_ws_frame f;
	int rc;

	seen->close_code = -1;
	while ((rc = tk_ws_read_frame(c, &f)) > 0) {
		seen->opcode = f.opcode;
		seen->frames++;
		seen->last_len = f.len < sizeof(seen->last) ? f.len : sizeof(seen->last);
		memcpy(seen->last, f.data, seen->last_len);
		if (f.opcode == 10)
			seen->pongs++;
		if (f.opcode == 8)
			seen->close_code = f.len >= 2 ? f.data[0] << 8 | f.data[1] : 0;
		if (f.opcode == 2)
			seen->bytes += f.len;
		if (echo && f.opcode == 2)
			tk_ws_write_frame(c, 0x82, f.data, f.len);
		free(f.data);
		if (seen->close_code >= 0)
			break;
	}
	seen->broken = rc < 0;
}

static void
echo_frames(struct tk_peer_conn *c, void *arg)
{
	struct seen *seen = arg;

	if (!ready_and_upgraded(c))
		return;
	see_frames(c, seen, true);
	if (seen->close_code >= 0)
		tk_ws_write_frame(c, 0x88, seen->last, seen->last_len);
}

/* Upgrades, sends what it is told, then looks at what the client does. */
static void
send_and_see(struct tk_peer_conn *c, void *arg)
{
	struct seen *seen = arg;
	struct tk_buf bytes = tk_hex(seen->send);

	if (ready_and_upgraded(c) && tk_peer_write(c, bytes.data, bytes.len))
		see_frames(c, seen, false);
	tk_buf_free(&bytes);
}

/* Data ----------------------------------------------------------------------------------------- */

START_TEST(test_there_and_back)
{
	static const size_t sizes[] = {1, 125, 126, 4096, 65408, 65536, 1000000};
	struct seen seen = {0};
	struct tk_peer *peer;
	struct link l = {0};
	unsigned char *data = pattern(3000000);
	size_t total = 0;

	secure = _i == 1;
	peer = tk_peer_start("127.0.0.1", echo_frames, &seen);
	start(&l, peer, NULL);
	link_take(&l, 5000);
	ck_assert(!l.a.conn.plain);
	ck_assert_ptr_nonnull(l.a.conn.layer);
	ck_assert((l.a.conn.tls != NULL) == secure);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		link_write(&l, data + total, sizes[i]);
		total += sizes[i];
		link_await_bytes(&l, total, 10000);
	}
	tk_assert_mem(data, total, l.in.data, l.in.len);
	ck_assert_uint_eq(mqev_conn_unsent(&l.a.conn), 0);
	mqev_conn_shutdown(&l.a.conn);
	mqev_conn_shutdown(&l.a.conn);
	link_await_end(&l, 5000);
	ck_assert(l.what & BEV_EVENT_EOF);
	ck_assert_msg(
	    strstr(l.why.text, "closed by the server, code 1000") != NULL, "%s", l.why.text);
	link_end(&l);
	tk_peer_stop(peer);
	ck_assert_int_eq(seen.broken, 0);
	ck_assert_int_eq(seen.close_code, 1000);
	ck_assert_uint_eq(seen.bytes, total);
	ck_assert_uint_le(seen.frames, 2 * sizeof(sizes) / sizeof(sizes[0]) + total / 60000);
	free(data);
}
END_TEST

/* By reference, in the way of a client that has much to send; the server is slow at first. */
static void
sleep_then_count(struct tk_peer_conn *c, void *arg)
{
	struct seen *seen = arg;

	if (!ready_and_upgraded(c))
		return;
	poll(NULL, 0, 200);
	see_frames(c, seen, false);
}

static void
count_release(const void *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	(*(int *)arg)++;
}

START_TEST(test_unsent_counts_both_layers)
{
	enum { PIECES = 160, PIECE = 100000 };
	struct seen seen = {0};
	struct tk_peer *peer;
	struct link l = {0};
	unsigned char *data = pattern(PIECE);
	int released = 0;

	secure = _i == 1;
	peer = tk_peer_start("127.0.0.1", sleep_then_count, &seen);
	start(&l, peer, NULL);
	link_take(&l, 5000);
	for (int i = 0; i < PIECES; i++)
		evbuffer_add_reference(
		    bufferevent_get_output(l.a.conn.bev), data, PIECE, count_release, &released);
	ck_assert_uint_ge(mqev_conn_unsent(&l.a.conn), (size_t)PIECES * PIECE);
	/* The masked copy is bounded: most payloads still wait by reference. */
	run_for(50);
	ck_assert_int_lt(released, PIECES * 3 / 4);
	ck_assert_uint_gt(mqev_conn_unsent(&l.a.conn), 4000000);
	link_await_sent(&l, 15000);
	ck_assert_int_eq(released, PIECES);
	mqev_conn_shutdown(&l.a.conn);
	link_await_end(&l, 5000);
	link_end(&l);
	tk_peer_stop(peer);
	ck_assert_int_eq(seen.broken, 0);
	ck_assert_uint_eq(seen.bytes, (size_t)PIECES * PIECE);
	free(data);
}
END_TEST

static void
glue_to_answer(struct tk_peer_conn *c, void *arg)
{
	char request[4096];
	char answer[1024];
	size_t len;
	size_t step = *(size_t *)arg;

	if (!ready(c) || !tk_ws_read_request(c, request, sizeof(request)))
		return;
	len = tk_ws_answer(request, answer, sizeof(answer));
	memcpy(answer + len,
	    "\x82\x05 glue\x82\x02"
	    "d!\x02\x01 \x80\x03yes",
	    19);
	len += 19;
	for (size_t at = 0; at < len; at += step) {
		tk_peer_write(c, answer + at, len - at < step ? len - at : step);
		if (step < len)
			poll(NULL, 0, 1);
	}
	tk_peer_read_to_end(c);
}

/* In one go, in pieces of several sizes, byte by byte. */
START_TEST(test_bytes_glued_to_the_answer)
{
	static const size_t steps[] = {1024, 100, 33, 7, 1};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		size_t step = steps[i];
		struct tk_peer *peer;
		struct link l = {0};

		secure = _i == 1;
		peer = tk_peer_start("127.0.0.1", glue_to_answer, &step);
		start(&l, peer, NULL);
		link_take(&l, 5000);
		link_await_bytes(&l, 11, 5000);
		tk_assert_mem(" glued! yes", 11, l.in.data, l.in.len);
		link_end(&l);
		tk_peer_stop(peer);
	}
}
END_TEST

static void
send_much(struct tk_peer_conn *c, void *arg)
{
	const unsigned char *data = arg;

	if (!ready_and_upgraded(c))
		return;
	for (size_t at = 0; at < 300000; at += 3000)
		tk_ws_write_frame(c, 0x82, data + at, 3000);
	tk_peer_read_to_end(c);
}

/* A reader that stops in between misses nothing, though bytes lie in each layer by then. */
START_TEST(test_pause)
{
	unsigned char *data = pattern(300000);
	struct tk_peer *peer;
	struct link l = {0};

	secure = _i == 1;
	peer = tk_peer_start("127.0.0.1", send_much, data);
	start(&l, peer, NULL);
	link_take(&l, 5000);
	for (size_t n = 1; l.in.len < 300000; n = l.in.len + 1) {
		link_await_bytes(&l, n, 5000);
		bufferevent_disable(l.a.conn.bev, EV_READ);
		run_for(2);
		mqev_conn_resume(&l.a.conn);
	}
	tk_assert_mem(data, 300000, l.in.data, l.in.len);
	link_end(&l);
	tk_peer_stop(peer);
	free(data);
}
END_TEST

/* A server made of wslay's own event interface ------------------------------------------------- */

static ssize_t
wslay_read(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *arg)
{
	size_t n = tk_peer_read_some(arg, buf, len);

	(void)flags;
	if (n == 0)
		wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
	return n > 0 ? (ssize_t)n : -1;
}

static ssize_t
wslay_write(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *arg)
{
	(void)flags;
	if (tk_peer_write(arg, data, len))
		return (ssize_t)len;
	wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static void
wslay_echo(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *msg, void *arg)
{
	struct wslay_event_msg back = {WSLAY_BINARY_FRAME, msg->msg, msg->msg_length};

	(void)arg;
	if (msg->opcode == WSLAY_BINARY_FRAME)
		wslay_event_queue_msg(ctx, &back);
	wslay_event_send(ctx);
}

static void
serve_with_wslay(struct tk_peer_conn *c, void *arg)
{
	struct wslay_event_callbacks callbacks = {.recv_callback = wslay_read,
	    .send_callback = wslay_write,
	    .on_msg_recv_callback = wslay_echo};
	wslay_event_context_ptr ctx;
	uint16_t *code = arg;

	if (!ready_and_upgraded(c) || wslay_event_context_server_init(&ctx, &callbacks, c) != 0)
		return;
	wslay_event_recv(ctx);
	*code = wslay_event_get_status_code_received(ctx);
	wslay_event_send(ctx);
	wslay_event_context_free(ctx);
}

START_TEST(test_server_of_wslay)
{
	unsigned char *data = pattern(400000);
	uint16_t code = 0;
	struct tk_peer *peer;
	struct link l = {0};

	secure = _i == 1;
	peer = tk_peer_start("127.0.0.1", serve_with_wslay, &code);
	start(&l, peer, NULL);
	link_take(&l, 5000);
	link_write(&l, data, 400000);
	link_await_bytes(&l, 400000, 10000);
	tk_assert_mem(data, 400000, l.in.data, l.in.len);
	mqev_conn_shutdown(&l.a.conn);
	link_await_end(&l, 5000);
	link_end(&l);
	tk_peer_stop(peer);
	ck_assert_int_eq(code, 1000);
	free(data);
}
END_TEST

/* The upgrade ---------------------------------------------------------------------------------- */

static const struct {
	const char *answer; /* NULL: silence */
	const char *says;
	int status;
} answers[] = {
    {"HTTP/1.1 200 OK\r\n\r\n", "refused: 200 OK", 200},
    {"HTTP/1.1 301 Moved\r\nLocation: ws://elsewhere/\r\n\r\n", "refused: 301", 301},
    {"HTTP/1.1 401 Unauthorized\r\n\r\n", "refused: 401 Unauthorized", 401},
    {"HTTP/1.1 407 Proxy\r\n\r\n", "refused: 407", 407},
    {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
     "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
	"wrong Sec-WebSocket-Accept", 0},
    {"\x20\x02", "not HTTP", 0},
    {"", "the server closed the connection", 0},
    {"HTTP/1.1 101 x\r\nUpg", "the server closed the connection", 0},
};

struct refusal {
	const char *answer;
	size_t after; /* bytes that came after the answer */
};

static void
refuse(struct tk_peer_conn *c, void *arg)
{
	struct refusal *refusal = arg;
	char text[4096];

	if (!ready(c) || !tk_ws_read_request(c, text, sizeof(text)))
		return;
	tk_peer_write(c, refusal->answer, strlen(refusal->answer));
	if (strstr(refusal->answer, "\r\n\r\n") != NULL)
		refusal->after = tk_peer_read_some(c, text, sizeof(text));
}

START_TEST(test_refused)
{
	for (int tls = 0; tls < 2; tls++) {
		struct refusal refusal = {answers[_i].answer, 0};
		struct tk_peer *peer;
		struct link l = {0};

		secure = tls == 1;
		peer = tk_peer_start("127.0.0.1", refuse, &refusal);
		start(&l, peer, NULL);
		attempt_await_error(&l.a, 5000, MQEV_NET_WEBSOCKET, MQEV_ERR_WEBSOCKET);
		assert_error_says(&l.a, answers[_i].says);
		ck_assert_int_eq(l.a.error.http_status, answers[_i].status);
		link_end(&l);
		tk_peer_stop(peer);
		ck_assert_uint_eq(refusal.after, 0);
	}
}
END_TEST

/* Silence, and an answer that comes drop by drop: both end at the stage's deadline. */
static void
drip(struct tk_peer_conn *c, void *arg)
{
	char request[4096];
	char answer[1024];
	size_t len;

	if (!ready(c) || !tk_ws_read_request(c, request, sizeof(request)))
		return;
	len = tk_ws_answer(request, answer, sizeof(answer));
	for (size_t i = 0; i < len && *(int *)arg; i++) {
		if (!tk_peer_write(c, answer + i, 1))
			return;
		poll(NULL, 0, 20);
	}
	tk_peer_read_to_end(c);
}

START_TEST(test_deadline)
{
	int dripping = _i % 2;
	long long began = now_ms();
	struct tk_peer *peer;
	struct link l = {0};

	secure = _i / 2;
	peer = tk_peer_start("127.0.0.1", drip, &dripping);
	l.a.config.websocket_ms = 300;
	start(&l, peer, NULL);
	attempt_await_error(&l.a, 5000, MQEV_NET_WEBSOCKET, MQEV_ERR_TIMEOUT);
	ck_assert_int_ge(now_ms() - began, 290);
	ck_assert_int_le(now_ms() - began, 2000);
	link_end(&l);
	tk_peer_stop(peer);
}
END_TEST

struct request_seen {
	char text[4096];
};

static void
keep_request(struct tk_peer_conn *c, void *arg)
{
	struct request_seen *seen = arg;
	char answer[512];

	if (!ready(c) || !tk_ws_read_request(c, seen->text, sizeof(seen->text)))
		return;
	tk_peer_write(c, answer, tk_ws_answer(seen->text, answer, sizeof(answer)));
	tk_peer_read_to_end(c);
}

static int
sign(struct mqev_websocket_request *request, void *arg)
{
	int *attempts = arg;
	char path[100];
	char token[20];

	ck_assert_str_eq(mqev_websocket_request_path(request), "/mqtt");
	(*attempts)++;
	if (*attempts == 3)
		return MQEV_ERR_AUTH;
	snprintf(path, sizeof(path), "/signed?n=%d", *attempts);
	snprintf(token, sizeof(token), "token-%d", *attempts);
	ck_assert_int_eq(mqev_websocket_request_set_path(request, path), 0);
	return mqev_websocket_request_set_header(request, "Authorization", token);
}

START_TEST(test_prepare)
{
	static const char *const headers[] = {"Authorization: old", "X-More: 1"};
	int attempts = 0;
	const struct mqev_websocket_options *o = MQEV_WEBSOCKET_OPTIONS(.headers = headers,
	    .header_count = 2, .on_prepare = sign, .prepare_arg = &attempts);
	struct request_seen seen;
	struct tk_peer *peer;
	struct link l = {0};
	char want[64];

	secure = false;
	peer = tk_peer_start("127.0.0.1", keep_request, &seen);
	for (int i = 1; i <= 2; i++) {
		start(&l, peer, o);
		attempt_await_link(&l.a, 5000);
		snprintf(want, sizeof(want), "GET /signed?n=%d HTTP/1.1\r\n", i);
		ck_assert_ptr_eq(strstr(seen.text, want), seen.text);
		snprintf(want, sizeof(want), "\r\nAuthorization: token-%d\r\n", i);
		ck_assert_ptr_nonnull(strstr(seen.text, want));
		ck_assert_ptr_nonnull(strstr(seen.text, "\r\nX-More: 1\r\n"));
		ck_assert_ptr_null(strstr(seen.text, "old"));
		link_end(&l);
	}
	start(&l, peer, o);
	attempt_await_error(&l.a, 5000, MQEV_NET_WEBSOCKET, MQEV_ERR_AUTH);
	link_end(&l);
	tk_peer_stop(peer);
}
END_TEST

static int
cancel_there(struct mqev_websocket_request *request, void *arg)
{
	struct link *l = arg;

	(void)request;
	mqev_transport_cancel(l->a.transport);
	l->a.transport = NULL;
	l->came = 1;
	return 0;
}

START_TEST(test_cancel)
{
	int dripping = 0;
	struct tk_peer *peer;
	struct link l = {0};

	secure = _i == 1;
	peer = tk_peer_start("127.0.0.1", drip, &dripping);
	start(&l, peer, MQEV_WEBSOCKET_OPTIONS(.on_prepare = cancel_there, .prepare_arg = &l));
	ck_assert(run_until(&l.came, 5000));
	link_end(&l);
	start(&l, peer, NULL);
	for (int i = 0; i < 100 && strstr(l.a.progress, "WebSocket") == NULL; i++)
		run_for(10);
	ck_assert_ptr_nonnull(strstr(l.a.progress, "WebSocket upgrade at localhost"));
	run_for(20);
	link_end(&l);
	tk_peer_stop(peer);
}
END_TEST

/* Control frames and faults -------------------------------------------------------------------- */

static const struct {
	const char *frames;
	const char *data;
	const char *says;
	int code;
} faults[] = {
    {"82 01 61 81 01 62", "a", "a text frame", 1003},
    {"82 01 61 C2 01 62", "a", "a reserved bit is set", 1002},
    {"83 01 62", "", "an unknown kind of frame", 1002},
    {"89 7E 0080 00*128", "", "an ill-formed frame header", 1002},
    {"09 00", "", "an ill-formed frame header", 1002},
    {"82 7F 8000000000000000", "", "an ill-formed frame header", 1002},
    {"82 7E 0001 61", "", "an ill-formed frame header", 1002},
    {"82 7F 0000010000000000", "", "a frame above the limit", 1009},
    {"82 81 01020304 61", "", "the server masked a frame", 1002},
    {"80 01 61", "", "a continuation of nothing", 1002},
};

START_TEST(test_faults)
{
	for (int tls = 0; tls < 2; tls++) {
		struct seen seen = {.send = faults[_i].frames};
		struct tk_peer *peer;
		struct link l = {0};

		secure = tls == 1;
		peer = tk_peer_start("127.0.0.1", send_and_see, &seen);
		start(&l, peer, NULL);
		link_take(&l, 5000);
		link_await_end(&l, 5000);
		ck_assert(l.what & BEV_EVENT_ERROR);
		ck_assert_int_eq(l.why.stage, MQEV_NET_WEBSOCKET);
		ck_assert_int_eq(l.why.error, MQEV_ERR_WEBSOCKET);
		ck_assert_msg(strstr(l.why.text, faults[_i].says) != NULL, "%s", l.why.text);
		tk_assert_mem(faults[_i].data, strlen(faults[_i].data), l.in.data, l.in.len);
		/* Closed at once, as a client may: the close frame has gone out all the same. */
		link_end(&l);
		tk_peer_stop(peer);
		ck_assert_int_eq(seen.broken, 0);
		ck_assert_int_eq(seen.close_code, faults[_i].code);
	}
}
END_TEST

START_TEST(test_limit_of_frames)
{
	struct seen seen = {.send = "82 03 616263 82 04 61626364"};
	struct tk_peer *peer;
	struct link l = {0};

	secure = _i == 1;
	peer = tk_peer_start("127.0.0.1", send_and_see, &seen);
	start(&l, peer, MQEV_WEBSOCKET_OPTIONS(.max_frame_bytes = 3));
	link_take(&l, 5000);
	link_await_end(&l, 5000);
	tk_assert_mem("abc", 3, l.in.data, l.in.len);
	link_end(&l);
	tk_peer_stop(peer);
	ck_assert_int_eq(seen.close_code, 1009);
}
END_TEST

START_TEST(test_closed_by_server)
{
	struct seen seen = {.send = "82 01 61 88 05 03F3 'why'"};
	struct tk_peer *peer;
	struct link l = {0};

	secure = _i == 1;
	peer = tk_peer_start("127.0.0.1", send_and_see, &seen);
	start(&l, peer, NULL);
	link_take(&l, 5000);
	link_await_end(&l, 5000);
	ck_assert(l.what & BEV_EVENT_EOF);
	ck_assert_int_eq(l.why.error, MQEV_ERR_LOST);
	ck_assert_msg(strstr(l.why.text, "code 1011") != NULL, "%s", l.why.text);
	tk_assert_mem("a", 1, l.in.data, l.in.len);
	link_write(&l, "too late", 8);
	link_end(&l);
	tk_peer_stop(peer);
	ck_assert_int_eq(seen.close_code, 1011);
	ck_assert_uint_eq(seen.bytes, 0);
}
END_TEST

/* The end of TCP without a close frame, after data and in the middle of a frame. */
static void
vanish(struct tk_peer_conn *c, void *arg)
{
	const struct seen *seen = arg;
	struct tk_buf bytes = tk_hex(seen->send);

	if (ready_and_upgraded(c))
		tk_peer_write(c, bytes.data, bytes.len);
	tk_buf_free(&bytes);
}

START_TEST(test_vanished)
{
	struct seen seen = {.send = "82 01 61 82 05 62"};
	struct tk_peer *peer;
	struct link l = {0};

	secure = _i == 1;
	peer = tk_peer_start("127.0.0.1", vanish, &seen);
	start(&l, peer, NULL);
	link_take(&l, 5000);
	link_await_end(&l, 5000);
	ck_assert(l.what & BEV_EVENT_EOF);
	ck_assert_int_eq(l.why.error, MQEV_ERR_LOST);
	tk_assert_mem("ab", 2, l.in.data, l.in.len);
	link_end(&l);
	tk_peer_stop(peer);
}
END_TEST

START_TEST(test_ping)
{
	struct seen seen = {.send = "89 04 'ping'"};
	struct tk_peer *peer;
	struct link l = {0};

	secure = _i == 1;
	peer = tk_peer_start("127.0.0.1", send_and_see, &seen);
	start(&l, peer, NULL);
	link_take(&l, 5000);
	run_for(100);
	link_end(&l);
	tk_peer_stop(peer);
	ck_assert_int_eq(seen.pongs, 1);
	tk_assert_mem("ping", 4, seen.last, seen.last_len);
}
END_TEST

enum { PINGS = 100000 };

static atomic_int pings_sent;

/* Sends without reading, then reads what came of it. */
static void
flood_with_pings(struct tk_peer_conn *c, void *arg)
{
	struct seen *seen = arg;
	unsigned char pings[127 * 100];

	if (!ready_and_upgraded(c))
		return;
	for (size_t i = 0; i < 100; i++) {
		memset(pings + 127 * i, 'p', 127);
		pings[127 * i] = 0x89;
		pings[127 * i + 1] = 125;
	}
	for (int i = 0; i < PINGS / 100; i++)
		if (!tk_peer_write(c, pings, sizeof(pings)))
			return;
	tk_ws_write_frame(c, 0x89, "last", 4);
	pings_sent = 1;
	see_frames(c, seen, false);
}

START_TEST(test_ping_flood)
{
	struct seen seen = {0};
	struct tk_peer *peer;
	struct link l = {0};
	size_t most = 0;

	secure = _i == 1;
	pings_sent = 0;
	peer = tk_peer_start("127.0.0.1", flood_with_pings, &seen);
	start(&l, peer, NULL);
	link_take(&l, 5000);
	while (!pings_sent) {
		run_for(1);
		if (mqev_conn_unsent(&l.a.conn) > most)
			most = mqev_conn_unsent(&l.a.conn);
	}
	link_await_sent(&l, 5000);
	run_for(100);
	link_end(&l);
	tk_peer_stop(peer);
	ck_assert_uint_le(most, 6 + 125);
	ck_assert_int_eq(seen.broken, 0);
	ck_assert_int_ge(seen.pongs, 1);
	ck_assert_int_le(seen.pongs, PINGS + 1);
	tk_assert_mem("last", 4, seen.last, seen.last_len);
}
END_TEST

/* The owner's callbacks ------------------------------------------------------------------------ */

static void
close_at_once(struct bufferevent *bev, void *arg)
{
	struct link *l = arg;

	(void)bev;
	mqev_conn_close(&l->a.conn);
	l->came = 1;
}

START_TEST(test_close_in_callback)
{
	unsigned char *data = pattern(300000);
	struct tk_peer *peer;
	struct link l = {0};
	int fds;

	secure = _i == 1;
	peer = tk_peer_start("127.0.0.1", send_much, data);
	start(&l, peer, NULL);
	attempt_await_link(&l.a, 5000);
	bufferevent_setcb(l.a.conn.bev, close_at_once, NULL, NULL, &l);
	bufferevent_write(l.a.conn.bev, data, 300000);
	mqev_conn_resume(&l.a.conn);
	fds = open_fds();
	ck_assert(run_until(&l.came, 5000));
	ck_assert_int_le(open_fds(), fds - 1);
	run_for(20);
	link_end(&l);
	tk_peer_stop(peer);
	free(data);
}
END_TEST

static void
close_in_release(const void *data, size_t len, void *arg)
{
	struct link *l = arg;

	(void)data;
	(void)len;
	if (l->a.conn.bev != NULL)
		mqev_conn_close(&l->a.conn);
	l->came = 1;
}

/* Payloads are released while they are masked, inside of the owner's own write or of libevent's. */
START_TEST(test_close_in_release)
{
	static const char text[200000];
	struct seen seen = {0};
	struct tk_peer *peer;
	struct link l = {0};
	struct evbuffer *all = evbuffer_new();
	int which = _i / 2;

	secure = _i % 2 == 1;
	peer = tk_peer_start("127.0.0.1", sleep_then_count, &seen);
	start(&l, peer, NULL);
	link_take(&l, 5000);
	for (int i = 0; i < 40; i++)
		evbuffer_add_reference(
		    all, text, sizeof(text), i == which * 30 ? close_in_release : NULL, &l);
	bufferevent_write_buffer(l.a.conn.bev, all);
	ck_assert(run_until(&l.came, 5000));
	run_for(20);
	evbuffer_free(all);
	link_end(&l);
	tk_peer_stop(peer);
}
END_TEST

static TCase *
add_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int
main(void)
{
	Suite *suite = suite_create("ws_links");
	TCase *tcase = add_case(suite, "data");

	tcase_add_loop_test(tcase, test_there_and_back, 0, 2);
	tcase_add_loop_test(tcase, test_unsent_counts_both_layers, 0, 2);
	tcase_add_loop_test(tcase, test_bytes_glued_to_the_answer, 0, 2);
	tcase_add_loop_test(tcase, test_pause, 0, 2);
	tcase_add_loop_test(tcase, test_server_of_wslay, 0, 2);

	tcase = add_case(suite, "upgrade");
	tcase_add_loop_test(tcase, test_refused, 0, COUNT(answers));
	tcase_add_loop_test(tcase, test_deadline, 0, 4);
	tcase_add_test(tcase, test_prepare);
	tcase_add_loop_test(tcase, test_cancel, 0, 2);

	tcase = add_case(suite, "frames");
	tcase_add_loop_test(tcase, test_faults, 0, COUNT(faults));
	tcase_add_loop_test(tcase, test_limit_of_frames, 0, 2);
	tcase_add_loop_test(tcase, test_closed_by_server, 0, 2);
	tcase_add_loop_test(tcase, test_vanished, 0, 2);
	tcase_add_loop_test(tcase, test_ping, 0, 2);
	tcase_add_loop_test(tcase, test_ping_flood, 0, 2);

	tcase = add_case(suite, "callbacks");
	tcase_add_loop_test(tcase, test_close_in_callback, 0, 2);
	tcase_add_loop_test(tcase, test_close_in_release, 0, 4);
	return net_main(suite);
}
