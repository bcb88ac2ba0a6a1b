/* WebSocket links over plain and TLS: data both ways, control frames, ends of every kind. */
#include "wire/ws_kit.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include <wslay/wslay.h>

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
	ck_assert(!mqev_conn_park(&l.a.conn, NULL, NULL));
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

static void
count_drained(struct bufferevent *bev, void *arg)
{
	struct link *l = arg;

	(void)bev;
	l->came += mqev_conn_unsent(&l->a.conn) == 0;
}

/* The owner's write callback comes when nothing is unsent in any layer, not when the filter is
 * empty. */
START_TEST(test_write_callback)
{
	struct seen seen = {0};
	struct tk_peer *peer;
	struct link l = {0};
	unsigned char *data = pattern(100000);

	secure = _i == 1;
	peer = tk_peer_start("127.0.0.1", sleep_then_count, &seen);
	start(&l, peer, NULL);
	attempt_await_link(&l.a, 5000);
	bufferevent_setcb(l.a.conn.bev, NULL, count_drained, NULL, &l);
	for (int i = 0; i < 100; i++)
		link_write(&l, data, 100000);
	ck_assert(run_until(&l.came, 10000));
	l.came = 0;
	link_write(&l, "one more", 8);
	ck_assert(run_until(&l.came, 10000));
	link_end(&l);
	tk_peer_stop(peer);
	free(data);
}
END_TEST

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
		mqev_conn_trim(&l.a.conn);
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

/* More than libevent reads in a turn, and the end behind it ------------------------------------ */

enum ending { CLOSE_FRAME, FAULT, CUT, RESET, CUT_IN_FRAME, ENDINGS };

#define MUCH 30000 /* fits into the socket */

/* Frames of every size, the last ones long; a ping in between, unless the answer would meet the
 * reset before all is read. */
static void
send_frames(struct tk_peer_conn *c, const unsigned char *data, bool ping)
{
	size_t at = 0;

	for (size_t size = 0; at + size < 10000; at += size, size = size * 5 % 3001 + 1)
		tk_ws_write_frame(c, 0x82, data + at, size);
	if (ping)
		tk_ws_write_frame(c, 0x89, "ping", 4);
	tk_ws_write_frame(c, 0x02, data + at, 10000);
	tk_ws_write_frame(c, 0x80, data + at + 10000, MUCH - at - 10000);
}

static void
much_then_end(struct tk_peer_conn *c, void *arg)
{
	static const struct linger now = {1, 0};
	enum ending ending = *(enum ending *)arg;
	unsigned char *data = pattern(MUCH);

	if (ready_and_upgraded(c))
		send_frames(c, data, ending != RESET);
	free(data);
	if (ending == CLOSE_FRAME)
		tk_ws_write_frame(c, 0x88, "\x03\xf3why", 5);
	else if (ending == FAULT)
		tk_ws_write_frame(c, 0xc2, "reserved bit", 12);
	else if (ending == CUT_IN_FRAME)
		tk_peer_write(c, "\x82\x05", 2);
	else if (ending == RESET)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	if (ending == RESET)
		poll(NULL, 0, 100); /* a reset would overtake the rest */
}

/* All that came before it, then the end: the same whoever meets it. */
START_TEST(test_ends_after_much)
{
	static const struct {
		short what;
		int error;
		const char *text[2]; /* ws, wss */
	} want[] = {
	    [CLOSE_FRAME] = {BEV_EVENT_EOF, MQEV_ERR_LOST,
		{"WebSocket: closed by the server, code 1011",
		    "WebSocket: closed by the server, code 1011"}},
	    [FAULT] = {BEV_EVENT_ERROR, MQEV_ERR_WEBSOCKET,
		{"WebSocket: a reserved bit is set", "WebSocket: a reserved bit is set"}},
	    [CUT] = {BEV_EVENT_EOF, MQEV_ERR_LOST,
		{"the server closed the connection", "TLS: the server closed the connection"}},
	    [RESET] = {BEV_EVENT_ERROR, MQEV_ERR_SYSTEM,
		{"connection: Connection reset by peer", "TLS: Connection reset by peer"}},
	    [CUT_IN_FRAME] = {BEV_EVENT_EOF, MQEV_ERR_LOST,
		{"the server closed the connection", "TLS: the server closed the connection"}},
	};
	enum ending ending = (enum ending)(_i / 2);
	unsigned char *data = pattern(MUCH);
	struct tk_peer *peer;
	struct link l = {0};

	secure = _i % 2 == 1;
	peer = tk_peer_start("127.0.0.1", much_then_end, &ending);
	start(&l, peer, NULL);
	attempt_await_link(&l.a, 5000);
	link_await_end_of_socket(&l, 5000);
	link_take(&l, 5000);
	link_await_end(&l, 5000);
	tk_assert_mem(data, MUCH, l.in.data, l.in.len);
	ck_assert_int_eq(l.what, BEV_EVENT_READING | want[ending].what);
	ck_assert_int_eq(l.why.error, want[ending].error);
	ck_assert_str_eq(l.why.text, want[ending].text[secure]);
	link_end(&l);
	tk_peer_stop(peer);
	free(data);
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

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int
main(void)
{
	Suite *suite = suite_create("ws_links");
	static const char *const data[] = {"data", "data, read on"};
	static const char *const frames[] = {"frames", "frames, read on"};
	TCase *tcase;

	for (int on = 0; on < 2; on++) {
		tcase = ws_case(suite, data[on]);
		if (on)
			link_case_reads_on(tcase);
		tcase_add_loop_test(tcase, test_there_and_back, 0, 2);
		tcase_add_loop_test(tcase, test_bytes_glued_to_the_answer, 0, 2);
		tcase_add_loop_test(tcase, test_pause, 0, 2);
		tcase_add_loop_test(tcase, test_server_of_wslay, 0, 2);

		tcase = ws_case(suite, frames[on]);
		if (on)
			link_case_reads_on(tcase);
		tcase_add_loop_test(tcase, test_faults, 0, COUNT(faults));
		tcase_add_loop_test(tcase, test_limit_of_frames, 0, 2);
		tcase_add_loop_test(tcase, test_closed_by_server, 0, 2);
		tcase_add_loop_test(tcase, test_vanished, 0, 2);
		tcase_add_loop_test(tcase, test_ends_after_much, 0, 2 * ENDINGS);
		tcase_add_loop_test(tcase, test_ping, 0, 2);
		tcase_add_loop_test(tcase, test_ping_flood, 0, 2);
	}
	tcase = ws_case(suite, "writing");
	tcase_add_loop_test(tcase, test_unsent_counts_both_layers, 0, 2);
	tcase_add_loop_test(tcase, test_write_callback, 0, 2);

	tcase = ws_case(suite, "callbacks");
	tcase_add_loop_test(tcase, test_close_in_callback, 0, 2);
	tcase_add_loop_test(tcase, test_close_in_release, 0, 4);
	return net_main(suite);
}
