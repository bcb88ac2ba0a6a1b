/* What TLS options do: client certificates, ALPN, PSK, own contexts, key logs; and which are
 * refused. */
#include "wire/tls_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "lib/loop.h"
#include "net/tls.h"

/* Client certificates -------------------------------------------------------------------------- */

static void
want_client_certificate(int version)
{
	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_load_verify_file(ctx, tk_pki_ca_file(pki));
}

static void
with_client_options(const struct mqev_tls_options *options)
{
	struct mqev_tls *tls = tls_of(options);
	struct tk_peer *peer = tk_peer_start("127.0.0.1", echo, NULL);
	struct link l = {0};

	start(&l, peer, tls);
	exchange(&l);
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
}

static int
give_word(char *buf, size_t size, void *arg)
{
	ck_assert_uint_ge(size, 6);
	(*(int *)arg)++;
	memcpy(buf, "secret", 6);
	return 6;
}

START_TEST(test_client_certificate)
{
	char *cert = tk_strdup(tk_pki_path(pki, "client.pem"));
	char *key = tk_strdup(tk_pki_path(pki, "client.key"));
	char *locked = tk_strdup(tk_pki_encrypt_key(pki, "client", "locked.key", "secret"));
	size_t cert_len;
	size_t key_len;
	char *cert_pem = tk_read_file(cert, &cert_len);
	char *key_pem = tk_read_file(key, &key_len);
	char cert_uri[600];
	char key_uri[600];
	int asked = 0;

	want_client_certificate(_i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
	snprintf(cert_uri, sizeof(cert_uri), "file:%s", cert);
	snprintf(key_uri, sizeof(key_uri), "file:%s", locked);
	with_client_options(MQEV_TLS_OPTIONS(TRUST, .cert_file = cert, .key_file = key));
	with_client_options(MQEV_TLS_OPTIONS(TRUST, .cert_pem = cert_pem, .cert_pem_len = cert_len,
	    .key_pem = key_pem, .key_pem_len = key_len));
	with_client_options(MQEV_TLS_OPTIONS(
	    TRUST, .cert_file = cert, .key_file = locked, .key_password = "secret"));
	with_client_options(MQEV_TLS_OPTIONS(TRUST, .cert_file = cert, .key_file = locked,
	    .on_key_password = give_word, .key_password_arg = &asked));
	ck_assert_int_eq(asked, 1);
	with_client_options(MQEV_TLS_OPTIONS(
	    TRUST, .cert_uri = cert_uri, .key_uri = key_uri, .key_password = "secret"));
	free(cert);
	free(key);
	free(locked);
	free(cert_pem);
	free(key_pem);
}
END_TEST

/* Certificate and key in one file. */
START_TEST(test_one_file)
{
	char command[2000];
	char *both = tk_strdup(tk_pki_path(pki, "both.pem"));
	char uri[600];

	snprintf(command, sizeof(command), "cat %s %s > %s", tk_pki_path(pki, "client.pem"),
	    tk_pki_path(pki, "client.key"), both);
	ck_assert_int_eq(system(command), 0);
	snprintf(uri, sizeof(uri), "file:%s", both);
	want_client_certificate(TLS1_3_VERSION);
	with_client_options(MQEV_TLS_OPTIONS(TRUST, .cert_file = both));
	with_client_options(MQEV_TLS_OPTIONS(TRUST, .cert_uri = uri));
	free(both);
}
END_TEST

/* A server that wants a certificate says so before the end of the handshake in TLS 1.2, and after
 * it in 1.3. */
START_TEST(test_no_client_certificate)
{
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(TRUST));
	struct tk_peer *peer;
	struct link l = {0};

	want_client_certificate(_i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
	peer = tk_peer_start("127.0.0.1", echo, NULL);
	start(&l, peer, tls);
	if (_i == 0) {
		attempt_await_error(&l.a, 5000, MQEV_NET_TLS, MQEV_ERR_TLS);
		assert_error_says(&l.a, "handshake failure");
	} else {
		link_take(&l, 5000);
		link_await_end(&l, 5000);
		ck_assert(l.what & BEV_EVENT_ERROR);
		ck_assert_int_eq(l.why.stage, MQEV_NET_TLS);
		ck_assert_int_eq(l.why.error, MQEV_ERR_TLS);
		ck_assert_msg(strstr(l.why.text, "certificate required"), "%s", l.why.text);
	}
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
}
END_TEST

/* ALPN, PSK, own context ----------------------------------------------------------------------- */

static int
choose_mqtt(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
    unsigned in_len, void *arg)
{
	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto((unsigned char **)out, out_len, (const unsigned char *)"\4mqtt",
		5, in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

START_TEST(test_alpn)
{
	static const char *const good[] = {"x-amzn-mqtt-ca", "mqtt"};
	static const char *const bad[] = {"http/1.1"};
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(TRUST, .alpn = good, .alpn_count = 2));
	struct mqev_tls *wrong = tls_of(MQEV_TLS_OPTIONS(TRUST, .alpn = bad, .alpn_count = 1));
	struct tk_peer *peer;
	const unsigned char *chosen;
	unsigned len;
	struct link l = {0};

	SSL_CTX_set_alpn_select_cb(ctx, choose_mqtt, NULL);
	peer = tk_peer_start("127.0.0.1", echo, NULL);
	start(&l, peer, tls);
	exchange(&l);
	SSL_get0_alpn_selected(l.a.conn.tls, &chosen, &len);
	ck_assert_uint_eq(len, 4);
	ck_assert_mem_eq(chosen, "mqtt", 4);
	link_end(&l);
	start(&l, peer, wrong);
	attempt_await_error(&l.a, 5000, MQEV_NET_TLS, MQEV_ERR_TLS);
	assert_error_says(&l.a, "no application protocol");
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
	mqev_tls_free(wrong);
}
END_TEST

static unsigned
server_psk(SSL *ssl, const char *identity, unsigned char *psk, unsigned max)
{
	(void)ssl;
	ck_assert_uint_ge(max, 16);
	memcpy(psk, "0123456789abcdef", 16);
	return strcmp(identity, "pump-7") == 0 ? 16 : 0;
}

START_TEST(test_psk)
{
	int version = _i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
	struct mqev_tls *good = tls_of(
	    MQEV_TLS_OPTIONS(.psk_identity = "pump-7", .psk = "0123456789abcdef", .psk_len = 16));
	struct mqev_tls *wrong_key = tls_of(
	    MQEV_TLS_OPTIONS(.psk_identity = "pump-7", .psk = "0123456789abcdeX", .psk_len = 16));
	struct mqev_tls *stranger = tls_of(
	    MQEV_TLS_OPTIONS(.psk_identity = "pump-8", .psk = "0123456789abcdef", .psk_len = 16));
	SSL_CTX *psk_only = SSL_CTX_new(TLS_server_method());
	struct tk_peer *peer;
	struct link l = {0};

	SSL_CTX_set_max_proto_version(psk_only, version);
	SSL_CTX_set_psk_server_callback(psk_only, server_psk);
	peer = tk_peer_start("127.0.0.1", echo, psk_only);
	start(&l, peer, good);
	exchange(&l);
	link_end(&l);
	start(&l, peer, wrong_key);
	attempt_await_error(&l.a, 5000, MQEV_NET_TLS, MQEV_ERR_TLS);
	link_end(&l);
	start(&l, peer, stranger);
	attempt_await_error(&l.a, 5000, MQEV_NET_TLS, MQEV_ERR_TLS);
	link_end(&l);
	tk_peer_stop(peer);
	SSL_CTX_free(psk_only);

	/* Without CAs, whoever shows a certificate instead of knowing the key is refused. */
	SSL_CTX_set_max_proto_version(ctx, version);
	peer = tk_peer_start("127.0.0.1", echo, NULL);
	start(&l, peer, good);
	attempt_await_error(&l.a, 5000, MQEV_NET_TLS, MQEV_ERR_TLS);
	assert_error_says(&l.a, "issuer certificate");
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(good);
	mqev_tls_free(wrong_key);
	mqev_tls_free(stranger);
}
END_TEST

/* A context of the application's, set up as badly for libevent as can be. */
START_TEST(test_own_context)
{
	SSL_CTX *own = SSL_CTX_new(TLS_client_method());
	struct mqev_tls *tls;
	struct mqev_tls *strict;
	struct tk_peer *peer = tk_peer_start("127.0.0.1", echo, NULL);
	unsigned char *data = pattern(1 << 20);
	struct link l = {0};

	SSL_CTX_load_verify_file(own, tk_pki_ca_file(pki));
	SSL_CTX_set_mode(own, SSL_MODE_ENABLE_PARTIAL_WRITE);
	SSL_CTX_set_verify(own, SSL_VERIFY_NONE, NULL);
	tls = tls_of(MQEV_TLS_OPTIONS(.ssl_ctx = own));
	strict = tls_of(MQEV_TLS_OPTIONS(.ssl_ctx = own, .server_name = "other.example.com"));
	SSL_CTX_free(own);
	start(&l, peer, tls);
	link_take(&l, 5000);
	link_write(&l, data, 1 << 20);
	link_await_bytes(&l, 1 << 20, 10000);
	tk_assert_mem(data, 1 << 20, l.in.data, l.in.len);
	link_end(&l);
	start(&l, peer, strict);
	attempt_await_error(&l.a, 5000, MQEV_NET_TLS, MQEV_ERR_TLS);
	assert_error_says(&l.a, "hostname mismatch");
	ck_assert_int_eq(mqev_tls_reload(tls, NULL, 0), MQEV_ERR_UNSUPPORTED);
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
	mqev_tls_free(strict);
	free(data);
}
END_TEST

START_TEST(test_system_trust_is_the_default)
{
	struct tk_peer *peer = tk_peer_start("127.0.0.1", echo, NULL);
	struct mqev_tls *first;
	struct link l = {0};

	start(&l, peer, NULL);
	attempt_await_error(&l.a, 5000, MQEV_NET_TLS, MQEV_ERR_TLS);
	assert_error_says(&l.a, "issuer certificate");
	first = mqev_tls_default(world.net, NULL, 0);
	ck_assert_ptr_nonnull(first);
	link_end(&l);
	start(&l, peer, NULL);
	attempt_await_error(&l.a, 5000, MQEV_NET_TLS, MQEV_ERR_TLS);
	ck_assert_ptr_eq(mqev_tls_default(world.net, NULL, 0), first);
	link_end(&l);
	tk_peer_stop(peer);
}
END_TEST

/* As large as that of a system: names without contents, which no chain asks for. */
static void
fill_folder(const char *dir)
{
	char name[16];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "%08x.0", i);
		free(tk_write_file(dir, name, ""));
	}
}

/* A folder stands for the bundle when it holds as many, and is read when a chain asks for it. */
START_TEST(test_system_trust_is_looked_up)
{
	struct tk_peer *peer = tk_peer_start("127.0.0.1", echo, NULL);
	char *ca = tk_read_file(tk_pki_ca_file(pki), NULL);
	char *dir = tk_strdup(tk_pki_path(pki, "trust"));
	const char *bundle = tk_pki_ca_file(pki);
	struct link l = {0};
	char name[16];

	ck_assert_int_eq(mkdir(dir, 0700), 0);
	ck_assert(!mqev_tls_folder_is_whole(dir, bundle));
	ck_assert(!mqev_tls_folder_is_whole(dir, "/nonexistent"));
	ck_assert(!mqev_tls_folder_is_whole("/nonexistent", "/nonexistent"));
	fill_folder(dir);
	ck_assert(mqev_tls_folder_is_whole(dir, bundle));
	ck_assert(mqev_tls_folder_is_whole(dir, "/nonexistent"));
	setenv("SSL_CERT_DIR", dir, 1);
	start(&l, peer, NULL);
	attempt_await_error(&l.a, 5000, MQEV_NET_TLS, MQEV_ERR_TLS);
	link_end(&l);
	tk_pki_hashed_name(pki, name);
	free(tk_write_file(dir, name, ca));
	/* The same context: it had read nothing that could be missing now. */
	start(&l, peer, NULL);
	exchange(&l);
	link_end(&l);
	tk_peer_stop(peer);
	unsetenv("SSL_CERT_DIR");
	free(dir);
	free(ca);
}
END_TEST

START_TEST(test_keylog)
{
	char *path = tk_strdup(tk_pki_path(pki, "keys.log"));
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(TRUST, .keylog_file = path));
	struct tk_peer *peer = tk_peer_start("127.0.0.1", echo, NULL);
	struct link l = {0};
	struct stat st;
	char *log;

	start(&l, peer, tls);
	exchange(&l);
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	log = tk_read_file(path, NULL);
	ck_assert_ptr_nonnull(strstr(log, "CLIENT_TRAFFIC_SECRET_0 "));
	ck_assert_int_eq(log[strlen(log) - 1], '\n');
	free(log);
	free(path);
}
END_TEST

START_TEST(test_unverified_links_are_announced)
{
	struct mqev_tls *none = tls_of(MQEV_TLS_OPTIONS(.verify = MQEV_TLS_VERIFY_NONE));
	struct mqev_tls *no_name =
	    tls_of(MQEV_TLS_OPTIONS(TRUST, .verify = MQEV_TLS_VERIFY_NO_HOST_NAME));
	struct tk_peer *peer = tk_peer_start("127.0.0.1", echo, NULL);
	struct link l = {0};

	start(&l, peer, none);
	exchange(&l);
	ck_assert_msg(strstr(l.a.progress, "certificate NOT verified"), "%s", l.a.progress);
	link_end(&l);
	start(&l, peer, no_name);
	exchange(&l);
	ck_assert_msg(strstr(l.a.progress, "host name NOT verified"), "%s", l.a.progress);
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(none);
	mqev_tls_free(no_name);
}
END_TEST

/* What mqev_tls_new() refuses -------------------------------------------------------------------
 */

static const char *const one[] = {"mqtt"};
static const char *const empty[] = {""};
static const char *const null[] = {NULL};

#define ROW(says, ...)                                                       \
	{                                                                    \
		says,                                                        \
		{                                                            \
			.size = sizeof(struct mqev_tls_options), __VA_ARGS__ \
		}                                                            \
	}

static const struct {
	const char *says;
	struct mqev_tls_options o;
} wrong[] = {
    {"size: not set", {.size = 0}},
    ROW("verify: unknown", .verify = (enum mqev_tls_verify)3),
    ROW("server_name: 1 to 255", .server_name = ""),
    ROW("min_version: unknown", .min_version = (enum mqev_tls_version)0x0305),
    ROW("max_version: unknown", .max_version = (enum mqev_tls_version)1),
    ROW("max_version: below", .max_version = MQEV_TLS_VERSION_1_1),
    ROW("max_version: below", .min_version = MQEV_TLS_VERSION_1_3,
	.max_version = MQEV_TLS_VERSION_1_2),
    ROW("ca_pem: pointer and length", .ca_pem = "x"),
    ROW("ca_pem: pointer and length", .ca_pem_len = 1),
    ROW("ca_pem: memory: no certificate", .ca_pem = "x", .ca_pem_len = 1),
    ROW("ca_file: /nonexistent: No such file", .ca_file = "/nonexistent"),
    ROW("ca_file: /dev/null: no certificate", .ca_file = "/dev/null"),
    ROW("ca_dir: /nonexistent: No such file", .ca_dir = "/nonexistent"),
    ROW("ca_dir: /dev/null: not a folder", .ca_dir = "/dev/null"),
    ROW("cert_file, cert_pem, cert_uri: only one", .cert_file = "a", .cert_uri = "b"),
    ROW("key_file, key_pem, key_uri: only one", .cert_file = "a", .key_file = "a", .key_uri = "b"),
    ROW("key: given without", .key_file = "a"),
    ROW("cert_file: /nonexistent: No such file", .cert_file = "/nonexistent"),
    ROW("cert_uri: file:/nonexistent: ", .cert_uri = "file:/nonexistent"),
    ROW("cert_uri: pkcs11:x: ", .cert_uri = "pkcs11:x"),
    ROW("alpn: pointer and count", .alpn_count = 1),
    ROW("alpn: an entry is NULL", .alpn = null, .alpn_count = 1),
    ROW("alpn: each protocol", .alpn = empty, .alpn_count = 1),
    ROW("psk, psk_identity: both", .psk = "x", .psk_len = 1),
    ROW("psk, psk_identity: both", .psk_identity = "x"),
    ROW("psk_identity: 1 to 255", .psk_identity = "", .psk = "x", .psk_len = 1),
    ROW("ciphers: NONSENSE: no cipher match", .ciphers = "NONSENSE"),
    ROW("ciphersuites: NONSENSE: no cipher match", .ciphersuites = "NONSENSE"),
    ROW("crl_files: an entry is NULL", .crl_files = null, .crl_file_count = 1),
    ROW("crl_files: mqtt: No such file", .crl_files = one, .crl_file_count = 1),
    ROW("crl_files: not with", .crl_files = one, .crl_file_count = 1,
	.verify = MQEV_TLS_VERIFY_NONE),
    ROW("require_ocsp_staple: not with", .require_ocsp_staple = true,
	.verify = MQEV_TLS_VERIFY_NONE),
    ROW("keylog_file: /nonexistent/x: No such file", .keylog_file = "/nonexistent/x"),
};

enum { WRONG_OPTIONS = sizeof(wrong) / sizeof(wrong[0]) };

START_TEST(test_wrong_options)
{
	char why[200] = "";
	char small[8];

	ck_assert_ptr_null(mqev_tls_new(&wrong[_i].o, why, sizeof(why)));
	ck_assert_msg(strncmp(why, wrong[_i].says, strlen(wrong[_i].says)) == 0,
	    "\"%s\" does not begin with \"%s\"", why, wrong[_i].says);
	/* The text may be unwanted, or have little room. */
	ck_assert_ptr_null(mqev_tls_new(&wrong[_i].o, NULL, 0));
	ck_assert_ptr_null(mqev_tls_new(&wrong[_i].o, small, sizeof(small)));
	ck_assert_uint_eq(strlen(small), 7);
}
END_TEST

static void
assert_refused(const struct mqev_tls_options *o, const char *says)
{
	char why[300] = "";

	ck_assert_ptr_null(mqev_tls_new(o, why, sizeof(why)));
	ck_assert_msg(strstr(why, says) != NULL, "\"%s\" does not say \"%s\"", why, says);
}

static int
give_nothing(char *buf, size_t size, void *arg)
{
	(void)buf;
	(void)size;
	(void)arg;
	return -1;
}

/* No password, a wrong one, a key of another certificate, a broken second certificate; and a
 * context of the application's beside options that belong into it. No prompt: the test would hang.
 */
START_TEST(test_wrong_files)
{
	char *cert = tk_strdup(tk_pki_path(pki, "client.pem"));
	char *locked = tk_strdup(tk_pki_encrypt_key(pki, "client", "locked.key", "secret"));
	char *other = tk_strdup(tk_pki_path(pki, "server.key"));
	char uri[600];
	char two[8000];
	SSL_CTX *own = SSL_CTX_new(TLS_client_method());
	char *ca = tk_read_file(tk_pki_ca_file(pki), NULL);

	snprintf(uri, sizeof(uri), "file:%s", locked);
	assert_refused(MQEV_TLS_OPTIONS(.cert_file = cert, .key_file = locked), "key_file: ");
	assert_refused(
	    MQEV_TLS_OPTIONS(.cert_file = cert, .key_file = locked, .key_password = "wrong"),
	    "key_file: ");
	assert_refused(MQEV_TLS_OPTIONS(.cert_file = cert, .key_file = locked,
			   .on_key_password = give_nothing),
	    "key_file: ");
	assert_refused(MQEV_TLS_OPTIONS(.cert_file = cert, .key_uri = uri), "key_uri: ");
	assert_refused(MQEV_TLS_OPTIONS(.cert_file = cert, .key_uri = uri, .key_password = "wrong"),
	    "key_uri: ");
	assert_refused(MQEV_TLS_OPTIONS(.cert_file = cert, .key_file = locked, .key_password = "a",
			   .on_key_password = give_nothing),
	    "key_password, on_key_password: only one");
	assert_refused(MQEV_TLS_OPTIONS(.cert_file = cert, .key_file = other), "mismatch");
	assert_refused(MQEV_TLS_OPTIONS(.cert_file = cert), "key_file: ");
	snprintf(two, sizeof(two),
	    "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ca);
	assert_refused(MQEV_TLS_OPTIONS(.ca_pem = two, .ca_pem_len = strlen(two)), "ca_pem: ");
	assert_refused(MQEV_TLS_OPTIONS(.ssl_ctx = own, TRUST), "ca: not beside ssl_ctx");
	assert_refused(MQEV_TLS_OPTIONS(.ssl_ctx = own, .cert_file = cert), "cert: not beside");
	assert_refused(MQEV_TLS_OPTIONS(.ssl_ctx = own, .ciphers = "ALL"), "ciphers: not beside");
	SSL_CTX_free(own);
	free(ca);
	free(cert);
	free(locked);
	free(other);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_options");
	TCase *tcase = tls_case(suite, "options");

	tcase_add_loop_test(tcase, test_client_certificate, 0, 2);
	tcase_add_test(tcase, test_one_file);
	tcase_add_loop_test(tcase, test_no_client_certificate, 0, 2);
	tcase_add_test(tcase, test_alpn);
	tcase_add_loop_test(tcase, test_psk, 0, 2);
	tcase_add_test(tcase, test_own_context);
	tcase_add_test(tcase, test_system_trust_is_the_default);
	tcase_add_test(tcase, test_system_trust_is_looked_up);
	tcase_add_test(tcase, test_keylog);
	tcase_add_test(tcase, test_unverified_links_are_announced);
	tcase_add_loop_test(tcase, test_wrong_options, 0, WRONG_OPTIONS);
	tcase_add_test(tcase, test_wrong_files);
	return net_main(suite);
}
