/* Links of every kind while allocations of libevent or OpenSSL fail: an error or a link, no crash,
 * nothing left. */
#include "wire/link_kit.h"

#include <dlfcn.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>

#include <openssl/crypto.h>

#include "net/tls.h"
#include "net/ws.h"

/* Of this thread: the servers' allocations never fail. */
static _Thread_local bool armed;
static _Thread_local size_t count;
static _Thread_local size_t fail_at;
static _Thread_local bool failed;

static bool
refuse(void)
{
	if (!armed || count++ != fail_at)
		return false;
	return failed = true;
}

static void *
event_malloc(size_t size)
{
	return refuse() ? NULL : malloc(size);
}

static void *
event_realloc(void *p, size_t size)
{
	return refuse() ? NULL : realloc(p, size);
}

/* These two of libevent's crash without memory, wherever an allocation fails in them. The library
 * makes sure of it before (lib/net/headroom.h), so here they have it. */
struct bufferevent *
bufferevent_openssl_socket_new(struct event_base *base, evutil_socket_t fd, SSL *ssl,
    enum bufferevent_ssl_state state, int options)
{
	struct bufferevent *(*real)(
	    struct event_base *, evutil_socket_t, SSL *, enum bufferevent_ssl_state, int);
	struct bufferevent *bev;
	bool was = armed;

	armed = false;
	*(void **)&real = dlsym(RTLD_NEXT, "bufferevent_openssl_socket_new");
	bev = real(base, fd, ssl, state, options);
	armed = was;
	return bev;
}

struct bufferevent *
bufferevent_filter_new(struct bufferevent *underlying, bufferevent_filter_cb input,
    bufferevent_filter_cb output, int options, void (*free_context)(void *), void *arg)
{
	struct bufferevent *(*real)(struct bufferevent *, bufferevent_filter_cb,
	    bufferevent_filter_cb, int, void (*)(void *), void *);
	struct bufferevent *bev;
	bool was = armed;

	armed = false;
	*(void **)&real = dlsym(RTLD_NEXT, "bufferevent_filter_new");
	bev = real(underlying, input, output, options, free_context, arg);
	armed = was;
	return bev;
}

/* OpenSSL's own rules: a size of 0 is NULL, and so frees. */
static void *
crypto_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return size == 0 || refuse() ? NULL : malloc(size);
}

static void *
crypto_realloc(void *p, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	if (size == 0) {
		free(p);
		return NULL;
	}
	return refuse() ? NULL : realloc(p, size);
}

static void
crypto_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

static struct tk_pki *pki;
static SSL_CTX *ctx;
static struct mqev_tls *trust;

static void
setup(void)
{
	pki = tk_pki_new("mqev test CA");
	tk_pki_issue(pki, "server", &(struct tk_cert_spec){0});
	ctx = tk_peer_ctx(pki, "server");
	net_setup();
	link_reads_on = true;
	trust = tls_of(MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki)));
}

static void
teardown(void)
{
	mqev_tls_free(trust);
	net_teardown();
	SSL_CTX_free(ctx);
	tk_pki_free(pki);
}

struct kind {
	bool tls;
	bool websocket;
};

static const struct kind kinds[] = {{false, true}, {true, false}, {true, true}};

/* So much that the link is read on past libevent. */
#define MORE 40000

static void
serve(struct tk_peer_conn *c, void *arg)
{
	const struct kind *kind = arg;
	static const char more[MORE / 4];
	char buf[64];
	size_t n;

	if ((kind->tls && !tk_peer_tls(c, ctx)) || (kind->websocket && !tk_ws_accept(c)))
		return;
	if (kind->websocket)
		tk_ws_write_frame(c, 0x82, "hello", 5);
	else
		tk_peer_write(c, "hello", 5);
	for (int i = 0; i < 4; i++) {
		if (kind->websocket)
			tk_ws_write_frame(c, 0x82, more, sizeof(more));
		else
			tk_peer_write(c, more, sizeof(more));
	}
	while ((n = tk_peer_read_some(c, buf, sizeof(buf))) > 0)
		;
}

/* Runs the loop with failing allocations, but nothing of the test's own. */
static bool
spin(const int *flag, int ms)
{
	long long end = now_ms() + ms;

	while (*flag == 0 && now_ms() < end) {
		armed = true;
		event_base_loop(world.base, EVLOOP_NONBLOCK);
		armed = false;
		poll(NULL, 0, 1);
	}
	return *flag != 0;
}

/* What a failed allocation loses in libevent's own reading and writing nobody can tell, so then it
 * is not waited for. */
static void
use(struct link *l)
{
	static const int never = 0;

	l->wanted = 5 + MORE;
	link_take(l, 0);
	(void)spin(&l->came, failed ? 20 : 5000);
	armed = true;
	(void)bufferevent_write(l->a.conn.bev, "a", 1);
	armed = false;
	(void)spin(&never, 3);
}

/* From the attempt to the first bytes and a write. */
static void
live(struct link *l, const char *url)
{
	bool started;

	l->a.config.tls = trust;
	l->may_end_twice = true;
	armed = true;
	started = attempt_try(&l->a, url);
	armed = false;
	if (!started)
		return;
	ck_assert_msg(spin(&l->a.done, 10000), "neither link nor error");
	if (l->a.conn.bev != NULL)
		use(l);
	else
		ck_assert_uint_gt(strlen(l->a.error.text), 5);
}

static void
try_all(const struct kind *kind)
{
	struct tk_peer *peer = tk_peer_start("127.0.0.1", serve, (void *)kind);
	char url[64];
	bool whole = false;
	int runs = 0;

	snprintf(url, sizeof(url), "%s://localhost:%d",
	    kind->websocket ? (kind->tls ? "wss" : "ws") : "mqtts", tk_peer_port(peer));
	for (fail_at = 0; !whole; fail_at++, runs++) {
		struct link l = {0};

		count = 0;
		failed = false;
		live(&l, url);
		whole = !failed;
		if (whole)
			ck_assert_msg(
			    l.a.conn.bev != NULL && l.in.len == 5 + MORE, "%s", l.a.error.text);
		link_end(&l);
	}
	printf("%s: %d runs, %zu allocations\n", url, runs, count);
	ck_assert_int_gt(runs, 1);
	tk_peer_stop(peer);
}

START_TEST(test_allocations)
{
	if (kinds[_i].websocket && !mqev_ws_supported()) {
		printf("SKIP: link_memory: this build has no WebSocket\n");
		return;
	}
	try_all(&kinds[_i]);
}
END_TEST

static void
assert_whole(SSL_CTX *made)
{
	X509_STORE *store = SSL_CTX_get_cert_store(made);

	ck_assert_ptr_nonnull(SSL_CTX_get0_certificate(made));
	ck_assert_ptr_nonnull(SSL_CTX_get0_privatekey(made));
	/* The CA and the list. */
	ck_assert_int_eq(sk_X509_OBJECT_num(X509_STORE_get0_objects(store)), 2);
}

/* A configuration is whole or an error, and never one that trusts less or shows less than asked
 * for. */
START_TEST(test_options)
{
	const char *crl = tk_pki_crl(pki, "none.crl", NULL);
	const char *cert = tk_pki_path(pki, "server.pem");
	const char *key = tk_pki_path(pki, "server.key");
	struct mqev_tls *tls = NULL;

	failed = true;
	for (fail_at = 0; failed; fail_at += 17) {
		char why[200] = "";

		count = 0;
		failed = false;
		armed = true;
		tls =
		    mqev_tls_new(MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki), .cert_file = cert,
				     .key_file = key, .crl_files = &crl, .crl_file_count = 1),
			why, sizeof(why));
		armed = false;
		if (tls == NULL)
			ck_assert_uint_gt(strlen(why), 5);
		else
			assert_whole(tls->context->ctx);
		mqev_tls_free(tls);
	}
	ck_assert_ptr_nonnull(tls);
	printf("options: %zu allocations\n", count);
}
END_TEST

static int
run(const char *name)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 300);
	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, test_allocations, 0, (int)(sizeof(kinds) / sizeof(kinds[0])));
	tcase_add_test(tcase, test_options);
	return net_main(suite);
}

/* Allocators can be set once, before the first use: a run for each library, in a process of its
 * own. */
int
main(int argc, char **argv)
{
	char command[1024];

	if (argc > 1 && CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) == 1)
		return run("link_memory_openssl");
	snprintf(command, sizeof(command), "%s openssl", argv[0]);
	event_set_mem_functions(event_malloc, event_realloc, free);
	return run("link_memory_libevent") | (system(command) != 0);
}
