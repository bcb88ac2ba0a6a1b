/* The WebSocket upgrade over plain and TLS: refusals, deadlines, fresh requests, cancel. */
#include "wire/ws_kit.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int
main(void)
{
	Suite *suite = suite_create("ws_upgrade");
	TCase *tcase = ws_case(suite, "upgrade");

	tcase_add_loop_test(tcase, test_refused, 0, COUNT(answers));
	tcase_add_loop_test(tcase, test_deadline, 0, 4);
	tcase_add_test(tcase, test_prepare);
	tcase_add_loop_test(tcase, test_cancel, 0, 2);
	return net_main(suite);
}
