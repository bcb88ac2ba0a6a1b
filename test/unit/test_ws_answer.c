/* The upgrade: the request that is made, and the judging of answers, cut at every byte. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include <mqev/reason.h>

#include "fault/fail_mem.h"
#include "net/step.h"
#include "net/ws.h"

/* The example of RFC 6455, 1.3. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define STATUS "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADE "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define ACCEPTED "Sec-WebSocket-Accept: " ACCEPT "\r\n"
#define PROTOCOL "Sec-WebSocket-Protocol: mqtt\r\n"
#define GOOD STATUS UPGRADE CONNECTION ACCEPTED PROTOCOL "\r\n"

static int
judge(const char *text, size_t len, size_t cut, struct evbuffer *in, struct mqev_net_error *error)
{
	struct mqev_ws_answer answer;
	int rc;

	memset(error, 0, sizeof(*error));
	ck_assert_int_eq(mqev_ws_answer_init(&answer, KEY, "mqtt"), 0);
	evbuffer_add(in, text, cut);
	rc = mqev_ws_answer_read(&answer, in, error);
	if (rc != 0)
		return rc;
	evbuffer_add(in, text + cut, len - cut);
	return mqev_ws_answer_read(&answer, in, error);
}

START_TEST(accept_key_of_the_rfc)
{
	char accept[MQEV_WS_ACCEPT_SIZE];

	ck_assert_int_eq(mqev_ws_accept_for_key(KEY, accept), 0);
	ck_assert_str_eq(accept, ACCEPT);
}
END_TEST

START_TEST(keys_differ)
{
	char a[MQEV_WS_KEY_SIZE];
	char b[MQEV_WS_KEY_SIZE];

	ck_assert_int_eq(mqev_ws_make_key(a), 0);
	ck_assert_int_eq(mqev_ws_make_key(b), 0);
	ck_assert_uint_eq(strlen(a), 24);
	ck_assert_str_ne(a, b);
}
END_TEST

static const char *const good[] = {
    GOOD,
    STATUS "upgrade: WebSocket\r\nCONNECTION: keep-alive, upgrade\r\n" ACCEPTED PROTOCOL "\r\n",
    STATUS UPGRADE "Connection:upgrade,foo\r\n" ACCEPTED PROTOCOL "\r\n",
    STATUS UPGRADE "Connection: a\r\nConnection: \tUPGRADE \t\r\n" ACCEPTED PROTOCOL "\r\n",
    "HTTP/1.1 101\r\n" UPGRADE CONNECTION ACCEPTED PROTOCOL "\r\n",
    "HTTP/1.1 101 \r\n" UPGRADE CONNECTION ACCEPTED PROTOCOL "Server: x\r\nEmpty:\r\n\r\n",
    STATUS UPGRADE CONNECTION "Sec-WebSocket-Accept:  " ACCEPT " \r\n" PROTOCOL "\r\n",
    STATUS UPGRADE CONNECTION ACCEPTED PROTOCOL "Sec-WebSocket-Extensions:\r\n\r\n",
    STATUS UPGRADE CONNECTION ACCEPTED PROTOCOL "X: \xc3\xa9\r\n\r\n",
};

/* With frames glued to it, which must be left. */
START_TEST(good_answers_at_every_cut)
{
	char text[1024];
	size_t len = strlen(good[_i]) + 3;

	snprintf(text, sizeof(text), "%s\x82\x01x", good[_i]);
	for (size_t cut = 0; cut <= len; cut++) {
		struct evbuffer *in = evbuffer_new();
		struct mqev_net_error error;
		char left[8];

		ck_assert_msg(
		    judge(text, len, cut, in, &error) == 1, "cut %zu: %s", cut, error.text);
		if (cut >= len - 3)
			evbuffer_add(in, text + cut, len - cut);
		ck_assert_int_eq(evbuffer_remove(in, left, sizeof(left)), 3);
		ck_assert_mem_eq(left, "\x82\x01x", 3);
		evbuffer_free(in);
	}
}
END_TEST

static const struct {
	const char *text;
	const char *says;
	int status;
} bad[] = {
    {"HTTP/1.1 200 OK\r\n", "refused: 200 OK", 200},
    {"HTTP/1.1 301 Moved\r\nLocation: ws://x/\r\n\r\n", "refused: 301 Moved", 301},
    {"HTTP/1.1 401 Unauthorized\r\n\r\n", "refused: 401 Unauthorized", 401},
    {"HTTP/1.1 407\r\n\r\n", "refused: 407", 407},
    {"HTTP/1.1 503 \xff\xfe\r\n\r\n", "refused: 503 ??", 503},
    {"HTTP/1.1 100 Continue\r\n\r\n" GOOD, "refused: 100", 100},
    {"HTTP/1.0 101 Switching Protocols\r\n", "not HTTP/1.1", 0},
    {"HTTP/2 101\r\n", "not HTTP/1.1", 0},
    {"HTTP/1.1 1010 x\r\n", "not HTTP/1.1", 0},
    {"HTTP/1.1 10\r\n", "not HTTP/1.1", 0},
    {"HTTP/1.1  101 x\r\n", "not HTTP/1.1", 0},
    {"http/1.1 101 x\r\n", "not HTTP/1.1", 0},
    {"\r\n" GOOD, "not HTTP/1.1", 0},
    {"SSH-2.0-OpenSSH\r\n", "not HTTP/1.1", 0},
    {"\x20\x02", "not HTTP/1.1", 0},
    {"\x15\x03\x01", "not HTTP/1.1", 0},
    {"HTTP/1.1 101 x\nUpgrade", "without CR", 0},
    {STATUS "Upgrade: websocket\nConnection: Upgrade\r\n", "the answer", 0},
    {STATUS "Upgrade: web\rsocket\r\n", "control characters", 0},
    {STATUS UPGRADE " folded\r\n", "malformed header", 0},
    {STATUS UPGRADE "no colon\r\n", "malformed header", 0},
    {STATUS ": no name\r\n", "malformed header", 0},
    {STATUS "Upgrade : websocket\r\n", "malformed header", 0},
    {STATUS "Upgrade: h2c\r\n", "something else", 0},
    {STATUS CONNECTION ACCEPTED PROTOCOL "\r\n", "no Upgrade header", 0},
    {STATUS UPGRADE ACCEPTED PROTOCOL "\r\n", "no \"Connection: Upgrade\"", 0},
    {STATUS UPGRADE "Connection: close\r\n" ACCEPTED PROTOCOL "\r\n", "no \"Connection", 0},
    {STATUS UPGRADE "Connection: upgraded\r\n" ACCEPTED PROTOCOL "\r\n", "no \"Connection", 0},
    {STATUS UPGRADE CONNECTION PROTOCOL "\r\n", "no Sec-WebSocket-Accept", 0},
    {STATUS UPGRADE CONNECTION ACCEPTED "\r\n", "did not agree", 0},
    {STATUS "Sec-WebSocket-Accept: " KEY "\r\n", "wrong Sec-WebSocket-Accept", 0},
    {STATUS "Sec-WebSocket-Accept: \r\n", "wrong Sec-WebSocket-Accept", 0},
    {STATUS "Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO=\r\n", "wrong Sec-W", 0},
    {STATUS ACCEPTED ACCEPTED, "wrong Sec-WebSocket-Accept", 0},
    {STATUS "Sec-WebSocket-Protocol: mqttv3.1\r\n", "another subprotocol", 0},
    {STATUS "Sec-WebSocket-Protocol: MQTT\r\n", "another subprotocol", 0},
    {STATUS "Sec-WebSocket-Protocol: mqtt, mqtt\r\n", "another subprotocol", 0},
    {STATUS PROTOCOL PROTOCOL, "another subprotocol", 0},
    {STATUS "Sec-WebSocket-Extensions: permessage-deflate\r\n", "not offered", 0},
};

START_TEST(bad_answers_at_every_cut)
{
	size_t len = strlen(bad[_i].text);

	for (size_t cut = 0; cut <= len; cut++) {
		struct evbuffer *in = evbuffer_new();
		struct mqev_net_error error;

		ck_assert_int_eq(judge(bad[_i].text, len, cut, in, &error), -1);
		ck_assert_int_eq(error.error, MQEV_ERR_WEBSOCKET);
		ck_assert_int_eq(error.http_status, bad[_i].status);
		ck_assert_msg(strstr(error.text, bad[_i].says) != NULL,
		    "\"%s\" does not say \"%s\"", error.text, bad[_i].says);
		evbuffer_free(in);
	}
}
END_TEST

/* In one line, in many lines, and without any end of line. */
START_TEST(long_answers)
{
	static const char *const fill[] = {"x", "A: b\r\n", "A: 01234567890123456789\r\n"};
	struct evbuffer *in = evbuffer_new();
	struct mqev_ws_answer answer;
	struct mqev_net_error error;
	size_t given = strlen(STATUS);
	int rc = 0;

	mqev_ws_answer_init(&answer, KEY, "mqtt");
	evbuffer_add(in, STATUS, given);
	while (rc == 0 && given < 20000) {
		evbuffer_add(in, fill[_i], strlen(fill[_i]));
		given += strlen(fill[_i]);
		rc = mqev_ws_answer_read(&answer, in, &error);
	}
	ck_assert_int_eq(rc, -1);
	ck_assert_ptr_nonnull(strstr(error.text, "longer than 8 KiB"));
	ck_assert_uint_le(given, 8192 + 32);
	evbuffer_free(in);
}
END_TEST

/* Requests ------------------------------------------------------------------------------------- */

static char *
request_of(const char *host, uint16_t port, bool tls, const char *path,
    const struct mqev_websocket_options *options)
{
	struct mqev_websocket_request request;
	struct evbuffer *out = evbuffer_new();
	char *text;

	ck_assert_int_eq(mqev_ws_request_init(&request, host, port, tls, path, options), 0);
	ck_assert_int_eq(mqev_ws_request_write(&request, KEY, "mqtt", out), 0);
	mqev_ws_request_clear(&request);
	evbuffer_add(out, "", 1);
	text = strdup((char *)evbuffer_pullup(out, -1));
	evbuffer_free(out);
	return text;
}

START_TEST(plain_request)
{
	char *text = request_of("broker.example", 8080, false, "/mqtt?a=b", NULL);

	ck_assert_str_eq(text, "GET /mqtt?a=b HTTP/1.1\r\n"
			       "Host: broker.example:8080\r\n"
			       "Upgrade: websocket\r\n"
			       "Connection: Upgrade\r\n"
			       "Sec-WebSocket-Key: " KEY "\r\n"
			       "Sec-WebSocket-Version: 13\r\n"
			       "Sec-WebSocket-Protocol: mqtt\r\n"
			       "\r\n");
	free(text);
}
END_TEST

START_TEST(hosts)
{
	static const struct {
		const char *host;
		int port;
		int tls;
		const char *line;
	} rows[] = {
	    {"a", 80, 0, "\r\nHost: a\r\n"},
	    {"a", 443, 0, "\r\nHost: a:443\r\n"},
	    {"a", 443, 1, "\r\nHost: a\r\n"},
	    {"a", 80, 1, "\r\nHost: a:80\r\n"},
	    {"::1", 80, 0, "\r\nHost: [::1]\r\n"},
	    {"fe80::1%eth0", 81, 0, "\r\nHost: [fe80::1]:81\r\n"},
	    {"10.0.0.1", 1, 0, "\r\nHost: 10.0.0.1:1\r\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text =
		    request_of(rows[i].host, (uint16_t)rows[i].port, rows[i].tls, "/", NULL);
		ck_assert_msg(strstr(text, rows[i].line) != NULL, "%s", text);
		free(text);
	}
}
END_TEST

START_TEST(options_in_requests)
{
	static const char *const headers[] = {
	    "X-Token: abc:def", "HOST:other", "Authorization:  Basic eA=="};
	char *text = request_of("a", 80, false, "/of/url",
	    MQEV_WEBSOCKET_OPTIONS(.path = "/of/options", .headers = headers, .header_count = 3));

	ck_assert_ptr_nonnull(strstr(text, "GET /of/options HTTP/1.1\r\nHost: other\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nX-Token: abc:def\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nAuthorization: Basic eA==\r\n"));
	free(text);
	text = request_of("a", 80, false, NULL, NULL);
	ck_assert_ptr_nonnull(strstr(text, "GET /mqtt HTTP/1.1\r\n"));
	free(text);
}
END_TEST

START_TEST(callbacks_calls)
{
	struct mqev_websocket_request request;
	char *big = malloc(20000);

	memset(big, 'x', 19999);
	big[19999] = '\0';
	ck_assert_int_eq(mqev_ws_request_init(&request, "a", 80, false, "/x", NULL), 0);
	ck_assert_str_eq(mqev_websocket_request_path(&request), "/x");
	ck_assert_int_eq(mqev_websocket_request_set_path(&request, "/y?sig=%20"), 0);
	ck_assert_int_eq(mqev_websocket_request_set_path(&request, "y"), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_websocket_request_set_path(&request, ""), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_websocket_request_set_path(&request, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_websocket_request_set_path(&request, "/a b"), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_websocket_request_set_path(&request, "/a#b"), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_websocket_request_set_path(&request, "/\r\nX: y"), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_websocket_request_set_path(&request, "/\xc3\xa9"), MQEV_ERR_INVALID);
	big[0] = '/';
	ck_assert_int_eq(mqev_websocket_request_set_path(&request, big), MQEV_ERR_INVALID);
	ck_assert_str_eq(mqev_websocket_request_path(&request), "/y?sig=%20");
	ck_assert_int_eq(mqev_websocket_request_set_header(&request, "X-A", "1"), 0);
	ck_assert_int_eq(mqev_websocket_request_set_header(&request, "x-a", "2"), 0);
	ck_assert_uint_eq(request.header_count, 2);
	ck_assert_int_eq(mqev_websocket_request_set_header(&request, "X-B", big), MQEV_ERR_INVALID);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(
		    mqev_websocket_request_set_header(&request, "X-A", "the same room"), 0);
	mqev_ws_request_clear(&request);
	free(big);
}
END_TEST

static const char *const bad_headers[] = {
    "no colon",
    ": no name",
    "na me: x",
    "name : x",
    "na\xc3\xa9me: x",
    "X: a\r\nY: b",
    "X: a\nY: b",
    "X: \x01",
    "X\r\nY: b",
    "Connection: close",
    "upgrade: h2c",
    "Sec-WebSocket-Key: x",
    "sec-websocket-protocol: x",
    "Sec-WebSocket-Extensions: permessage-deflate",
    "Content-Length: 5",
    "Transfer-Encoding: chunked",
    NULL,
};

START_TEST(bad_options)
{
	const char *why = NULL;
	struct mqev_websocket_options none = {0};

	for (size_t i = 0; i < sizeof(bad_headers) / sizeof(bad_headers[0]); i++) {
		ck_assert_int_eq(
		    mqev_ws_options_check(
			MQEV_WEBSOCKET_OPTIONS(.headers = &bad_headers[i], .header_count = 1),
			&why),
		    MQEV_ERR_INVALID);
		ck_assert_ptr_nonnull(strstr(why, "headers"));
	}
	ck_assert_int_eq(mqev_ws_options_check(&none, &why), MQEV_ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(why, "size"));
	ck_assert_int_eq(
	    mqev_ws_options_check(MQEV_WEBSOCKET_OPTIONS(.path = "x"), &why), MQEV_ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(why, "path"));
	ck_assert_int_eq(mqev_ws_options_check(MQEV_WEBSOCKET_OPTIONS(.subprotocol = "a b"), &why),
	    MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_ws_options_check(MQEV_WEBSOCKET_OPTIONS(.subprotocol = ""), &why),
	    MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_ws_options_check(MQEV_WEBSOCKET_OPTIONS(.header_count = 1), &why),
	    MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_ws_options_check(NULL, &why), 0);
	ck_assert_int_eq(mqev_ws_options_check(MQEV_WEBSOCKET_OPTIONS(.path = "/"), &why), 0);
}
END_TEST

/* Each allocation fails in turn; nothing is left. */
START_TEST(memory_runs_out)
{
	static const char *const headers[] = {"X-A: 1", "X-B: 2"};
	const struct mqev_websocket_options *options = MQEV_WEBSOCKET_OPTIONS(.path = "/p",
	    .subprotocol = "mqtt", .headers = headers, .header_count = 2);
	size_t live = fail_mem_live();
	int rc = MQEV_ERR_NOMEM;
	size_t n = 0;

	for (; rc == MQEV_ERR_NOMEM; n++) {
		struct mqev_websocket_request request;
		fail_mem_after(n);
		rc = mqev_ws_request_init(&request, "host", 1, false, NULL, options);
		fail_mem_never();
		if (rc == 0)
			mqev_ws_request_clear(&request);
		ck_assert_uint_eq(fail_mem_live(), live);
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_uint_ge(n, 8);
	for (n = 0;; n++) {
		struct mqev_websocket_options *copy;
		fail_mem_after(n);
		copy = mqev_ws_options_copy(options);
		fail_mem_never();
		mqev_ws_options_free(copy);
		ck_assert_uint_eq(fail_mem_live(), live);
		if (copy != NULL)
			break;
	}
	ck_assert_uint_eq(n, 6);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ws_answer");
	TCase *tc = tcase_create("answers");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_test(tc, accept_key_of_the_rfc);
	tcase_add_test(tc, keys_differ);
	tcase_add_loop_test(
	    tc, good_answers_at_every_cut, 0, (int)(sizeof(good) / sizeof(good[0])));
	tcase_add_loop_test(tc, bad_answers_at_every_cut, 0, (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_loop_test(tc, long_answers, 0, 3);
	tc = tcase_create("requests");
	suite_add_tcase(suite, tc);
	tcase_add_test(tc, plain_request);
	tcase_add_test(tc, hosts);
	tcase_add_test(tc, options_in_requests);
	tcase_add_test(tc, callbacks_calls);
	tcase_add_test(tc, bad_options);
	tcase_add_test(tc, memory_runs_out);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
