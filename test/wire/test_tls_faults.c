/* Handshakes that do not come to an end: cut at every byte, silent, dripping, rubbish, cancelled,
 * without memory. */
#include "wire/link_kit.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/bufferevent.h>

#include <openssl/err.h>

#include "fault/fail_mem.h"

static struct tk_pki *pki;
static SSL_CTX *ctx;

static void
setup(void)
{
	pki = tk_pki_new("mqev test CA");
	tk_pki_issue(pki, "server", &(struct tk_cert_spec){0});
	ctx = tk_peer_ctx(pki, "server");
	net_setup();
}

static void
teardown(void)
{
	net_teardown();
	SSL_CTX_free(ctx);
	tk_pki_free(pki);
}

static void
start(struct link *l, struct tk_peer *peer, struct mqev_tls *tls)
{
	l->a.config.tls = tls;
	attempt_start(&l->a, "mqtts://localhost:%d", tk_peer_port(peer));
}

/* A server whose bytes pass by the test's hands ------------------------------------------------ */

struct cut {
	size_t limit; /* bytes that the client gets; then the end */
	size_t sent;  /* bytes that it got */
	int pause_ms; /* after each byte; -1: all at once */
	size_t app;   /* bytes of the application that came */
};

/* false: the limit is reached, or the client has gone. */
static bool
pass_on(struct tk_peer_conn *c, BIO *out, struct cut *cut)
{
	char byte;

	while (BIO_read(out, &byte, 1) == 1) {
		if (cut->sent >= cut->limit || send(c->fd, &byte, 1, MSG_NOSIGNAL) != 1)
			return false;
		cut->sent++;
		if (cut->pause_ms >= 0)
			poll(NULL, 0, cut->pause_ms);
	}
	return true;
}

static void
serve_in_part(struct tk_peer_conn *c, void *arg)
{
	struct cut *cut = arg;
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem());
	BIO *out = BIO_new(BIO_s_mem());
	char buf[4096];
	ssize_t n;

	SSL_set_bio(ssl, in, out);
	SSL_set_accept_state(ssl);
	while ((n = recv(c->fd, buf, sizeof(buf), 0)) > 0) {
		BIO_write(in, buf, (int)n);
		while ((n = SSL_read(ssl, buf, sizeof(buf))) > 0) {
			cut->app += (size_t)n;
			SSL_write(ssl, buf, (int)n);
		}
		ERR_clear_error();
		if (!pass_on(c, out, cut))
			break;
	}
	SSL_free(ssl);
}

/* How many bytes the client gets in a handshake, with all that follows it, and an echo. */
static size_t
whole_handshake(struct mqev_tls *tls)
{
	struct cut cut = {.limit = SIZE_MAX, .pause_ms = -1};
	struct tk_peer *peer = tk_peer_start("127.0.0.1", serve_in_part, &cut);
	struct link l = {0};

	start(&l, peer, tls);
	link_take(&l, 5000);
	link_write(&l, "x", 1);
	link_await_bytes(&l, 1, 5000);
	link_end(&l);
	tk_peer_stop(peer);
	ck_assert_uint_eq(cut.app, 1);
	return cut.sent;
}

START_TEST(test_cut_at_each_byte)
{
	struct mqev_tls *tls =
	    tls_of(MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki), .session_cache_endpoints = -1));
	int failed = 0;
	int linked = 0;
	size_t whole;

	SSL_CTX_set_max_proto_version(ctx, _i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
	whole = whole_handshake(tls);
	for (size_t limit = 0; limit < whole; limit += limit < 16 || limit + 200 > whole ? 1 : 7) {
		struct cut cut = {.limit = limit, .pause_ms = -1};
		struct tk_peer *peer = tk_peer_start("127.0.0.1", serve_in_part, &cut);
		struct link l = {0};

		start(&l, peer, tls);
		attempt_await(&l.a, 5000);
		if (l.a.conn.bev != NULL) {
			/* Only tickets are missing: the link ends when the server has no more to
			 * give. Signatures differ in length, so near the end it may have. */
			l.wanted = 1;
			link_take(&l, 1000);
			link_write(&l, "x", 1);
			ck_assert(run_until(&l.came, 5000));
			linked += l.ended;
		} else {
			ck_assert_int_eq(l.a.error.stage, MQEV_NET_TLS);
			ck_assert(l.a.error.error == MQEV_ERR_TLS ||
				  l.a.error.error == MQEV_ERR_LOST ||
				  l.a.error.error == MQEV_ERR_SYSTEM);
			ck_assert_uint_gt(strlen(l.a.error.text), 5);
			failed++;
		}
		link_end(&l);
		tk_peer_stop(peer);
		ck_assert_uint_le(cut.app, linked > 0);
	}
	ck_assert_int_gt(failed, 50);
	ck_assert_int_gt(linked, 0);
	mqev_tls_free(tls);
}
END_TEST

START_TEST(test_drip)
{
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki)));
	struct cut cut = {.limit = SIZE_MAX, .pause_ms = 5};
	struct tk_peer *peer = tk_peer_start("127.0.0.1", serve_in_part, &cut);
	long long began = now_ms();
	struct link l = {0};

	l.a.config.tls_ms = 400;
	start(&l, peer, tls);
	attempt_await_error(&l.a, 5000, MQEV_NET_TLS, MQEV_ERR_TIMEOUT);
	assert_error_says(&l.a, "TLS handshake with localhost");
	ck_assert_int_ge(now_ms() - began, 390);
	ck_assert_int_le(now_ms() - began, 2000);
	link_end(&l);
	tk_peer_stop(peer);
	ck_assert_uint_gt(cut.sent, 10);
	mqev_tls_free(tls);
}
END_TEST

/* Each byte in a packet of its own: slow, but a whole handshake. */
START_TEST(test_byte_by_byte)
{
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki)));
	struct cut cut = {.limit = SIZE_MAX, .pause_ms = 0};
	struct tk_peer *peer = tk_peer_start("127.0.0.1", serve_in_part, &cut);
	struct link l = {0};

	start(&l, peer, tls);
	link_take(&l, 15000);
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
}
END_TEST

/* Other servers, and none at all --------------------------------------------------------------- */

static const char *const rubbish[] = {
    "HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\x20\x02\x00\x05",
    "\x15\x03\x03\x00\x02\x02\x28",	    /* an alert: handshake failure */
    "\x15\x03\x03\x00\x02\x02\x70",	    /* unrecognized name */
    "\x16\x03\x03\x00\x04\x02\x00\x00\x01", /* a ServerHello cut short */
    "\x16\x03\x03\xff\xff\x02",		    /* a record too long */
    "\x17\x03\x03\x00\x01\x00",		    /* data before the handshake */
};

static void
talk_rubbish(struct tk_peer_conn *c, void *arg)
{
	const struct tk_buf *bytes = arg;

	tk_peer_write(c, bytes->data, bytes->len);
	tk_peer_read_to_end(c);
}

START_TEST(test_rubbish)
{
	struct tk_buf bytes = tk_buf_copy(rubbish[_i], _i < 2 ? strlen(rubbish[_i]) : 4);
	struct tk_peer *peer;
	struct link l = {0};

	if (_i > 2) {
		static const size_t lengths[] = {7, 7, 9, 6, 6};
		tk_buf_free(&bytes);
		bytes = tk_buf_copy(rubbish[_i], lengths[_i - 3]);
	}
	peer = tk_peer_start("127.0.0.1", talk_rubbish, &bytes);
	l.a.config.tls_ms = _i == 2 || _i == 5 ? 500 : 8000;
	start(&l, peer, NULL);
	attempt_await(&l.a, 10000);
	ck_assert_ptr_null(l.a.conn.bev);
	ck_assert_int_eq(l.a.error.stage, MQEV_NET_TLS);
	/* What looks like the beginning of a record or a message is waited for. */
	ck_assert_msg(l.a.error.error == MQEV_ERR_TLS ||
			  ((_i == 2 || _i == 5) && l.a.error.error == MQEV_ERR_TIMEOUT),
	    "%d: %s", l.a.error.error, l.a.error.text);
	link_end(&l);
	tk_peer_stop(peer);
	tk_buf_free(&bytes);
}
END_TEST

static void
close_somehow(struct tk_peer_conn *c, void *arg)
{
	struct linger now = {1, 0};
	char buf[4096];

	tk_peer_read_some(c, buf, sizeof(buf));
	if (*(int *)arg == 1)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	if (*(int *)arg == 2)
		tk_peer_read_to_end(c);
}

START_TEST(test_early_end_and_silence)
{
	static const int errors[] = {MQEV_ERR_LOST, MQEV_ERR_SYSTEM, MQEV_ERR_TIMEOUT};
	int how = _i;
	struct tk_peer *peer = tk_peer_start("127.0.0.1", close_somehow, &how);
	struct link l = {0};

	l.a.config.tls_ms = how == 2 ? 300 : 8000;
	start(&l, peer, NULL);
	attempt_await_error(&l.a, 10000, MQEV_NET_TLS, errors[_i]);
	ck_assert_uint_eq(l.a.error.tls_error, 0);
	link_end(&l);
	tk_peer_stop(peer);
}
END_TEST

START_TEST(test_cancel)
{
	int silent = 2;
	struct tk_peer *peer = tk_peer_start("127.0.0.1", close_somehow, &silent);
	struct link l = {0};

	/* At several moments of the handshake. */
	for (int turns = 0; turns < 12; turns++) {
		start(&l, peer, NULL);
		for (int i = 0; i < turns; i++)
			event_base_loop(world.base, EVLOOP_NONBLOCK);
		if (turns > 8)
			run_for(20);
		ck_assert_int_eq(l.a.done, 0);
		link_end(&l);
	}
	tk_peer_stop(peer);
}
END_TEST

/* Memory --------------------------------------------------------------------------------------- */

static void
greet(struct tk_peer_conn *c, void *arg)
{
	(void)arg;
	if (tk_peer_tls(c, ctx))
		tk_peer_read_to_end(c);
}

START_TEST(test_no_memory_for_options)
{
	static const char *const alpn[] = {"mqtt", "x"};
	const struct mqev_tls_options *o =
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki), .server_name = "a", .alpn = alpn,
		.alpn_count = 2, .psk = "k", .psk_len = 1, .psk_identity = "i");
	size_t live = fail_mem_live();
	struct mqev_tls *tls = NULL;
	char why[100];
	size_t n = 0;

	for (; tls == NULL; n++) {
		why[0] = '\0';
		fail_mem_after(n);
		tls = mqev_tls_new(o, why, sizeof(why));
		fail_mem_never();
		if (tls == NULL) {
			ck_assert_str_eq(why, "out of memory");
			ck_assert_uint_eq(fail_mem_live(), live);
		}
	}
	ck_assert_uint_ge(n, 10);
	mqev_tls_free(tls);
}
END_TEST

START_TEST(test_no_memory_for_links)
{
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki)));
	struct tk_peer *peer = tk_peer_start("127.0.0.1", greet, NULL);
	char url[64];
	bool linked = false;
	int failures = 0;

	snprintf(url, sizeof(url), "mqtts://localhost:%d", tk_peer_port(peer));
	for (size_t n = 0; !linked; n++) {
		struct link l = {0};

		l.a.config.tls = tls;
		fail_mem_after(n);
		if (attempt_try(&l.a, url)) {
			attempt_await(&l.a, 5000);
			linked = l.a.conn.bev != NULL && fail_mem_refused() == 0;
			if (l.a.conn.bev == NULL) {
				ck_assert_msg(l.a.error.error == MQEV_ERR_NOMEM, "%d: %s",
				    l.a.error.error, l.a.error.text);
				failures++;
			}
		}
		fail_mem_never();
		link_end(&l);
	}
	ck_assert_int_ge(failures, 3);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
}
END_TEST

static TCase *
add_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int
main(void)
{
	Suite *suite = suite_create("tls_faults");
	TCase *tcase = add_case(suite, "handshakes");

	tcase_add_loop_test(tcase, test_cut_at_each_byte, 0, 2);
	tcase_add_test(tcase, test_drip);
	tcase_add_test(tcase, test_byte_by_byte);
	tcase_add_loop_test(tcase, test_rubbish, 0, (int)(sizeof(rubbish) / sizeof(rubbish[0])));
	tcase_add_loop_test(tcase, test_early_end_and_silence, 0, 3);
	tcase_add_test(tcase, test_cancel);
	tcase = add_case(suite, "memory");
	tcase_add_test(tcase, test_no_memory_for_options);
	tcase_add_test(tcase, test_no_memory_for_links);
	return net_main(suite);
}
