/* Whom TLS links let in: names, addresses, dates, chains, revocation, strength, versions; and that
 * nothing is sent to the others. */
#include "wire/link_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#define HOST "broker.example.com"

static struct tk_pki *pki;
static struct tk_pki *other_pki;

static void
setup(void)
{
	pki = tk_pki_new("mqev test CA");
	other_pki = tk_pki_new("another CA");
	net_setup();
}

static void
teardown(void)
{
	net_teardown();
	tk_pki_free(pki);
	tk_pki_free(other_pki);
}

/* A server that counts the bytes which a client sends it after the handshake. */
struct counting {
	SSL_CTX *ctx;
	int handshakes;
	size_t bytes;
	char sni[64];
};

static void
count_bytes(struct tk_peer_conn *c, void *arg)
{
	struct counting *counting = arg;
	char buf[256];
	const char *sni;
	size_t n;

	if (!tk_peer_tls(c, counting->ctx))
		return;
	counting->handshakes++;
	sni = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);
	snprintf(counting->sni, sizeof(counting->sni), "%s", sni != NULL ? sni : "");
	while ((n = tk_peer_read_some(c, buf, sizeof(buf))) > 0)
		counting->bytes += n;
}

/* One connection; the answer is NULL for a good link, else a part of the error's text. */
static void
try_with(SSL_CTX *ctx, const char *host, const struct mqev_tls_options *options, const char *answer,
    struct counting *counting)
{
	struct tk_peer *peer;
	struct link l = {0};

	memset(counting, 0, sizeof(*counting));
	counting->ctx = ctx;
	peer = tk_peer_start(strchr(host, '[') ? "::1" : "127.0.0.1", count_bytes, counting);
	l.a.config.tls = tls_of(options);
	attempt_start(&l.a, "mqtts://%s:%d", host, tk_peer_port(peer));
	if (answer == NULL) {
		link_take(&l, 5000);
		ck_assert_ptr_nonnull(l.a.conn.tls);
		ck_assert(!l.a.conn.plain);
		link_write(&l, "hello", 5);
		link_await_sent(&l, 1000);
		mqev_conn_shutdown(&l.a.conn);
		link_await_end(&l, 5000);
	} else {
		attempt_await_error(&l.a, 5000, MQEV_NET_TLS, MQEV_ERR_TLS);
		assert_error_says(&l.a, answer);
		ck_assert_uint_ne(l.a.error.tls_error, 0);
	}
	mqev_tls_free(l.a.config.tls);
	link_end(&l);
	tk_peer_stop(peer);
	ck_assert_uint_eq(counting->bytes, answer == NULL ? 5 : 0);
}

static void
try_cert(const struct tk_cert_spec *spec, const char *host, const struct mqev_tls_options *options,
    const char *answer)
{
	struct counting counting;
	SSL_CTX *ctx;

	tk_pki_issue(pki, "server", spec);
	ctx = tk_peer_ctx(pki, "server");
	try_with(ctx, host, options, answer, &counting);
	SSL_CTX_free(ctx);
}

/* Names ---------------------------------------------------------------------------------------- */

static const struct {
	const char *san;
	const char *cn;
	const char *name;
	int good;
} names[] = {
    {"DNS:broker.example.com", NULL, HOST, 1},
    {"DNS:BROKER.Example.COM", NULL, HOST, 1},
    {"DNS:broker.example.com", NULL, "broker.example.com.", 1},
    {"DNS:a.example.com,DNS:broker.example.com", NULL, HOST, 1},
    {"DNS:*.example.com", NULL, HOST, 1},
    {"DNS:*.example.com", NULL, "a.broker.example.com", 0},
    {"DNS:*.example.com", NULL, "example.com", 0},
    {"DNS:br*.example.com", NULL, HOST, 0},
    {"DNS:*er.example.com", NULL, HOST, 0},
    {"DNS:*.*.com", NULL, HOST, 0},
    {"DNS:*.com", NULL, "example.com", 0},
    {"DNS:*", NULL, HOST, 0},
    {"DNS:broker.*.com", NULL, HOST, 0},
    {"DNS:other.example.com", NULL, HOST, 0},
    {"DNS:broker.example.com.evil.org", NULL, HOST, 0},
    {"DNS:xbroker.example.com", NULL, HOST, 0},
    {"DNS:broker.example", NULL, HOST, 0},
    {"", HOST, HOST, 1}, /* no name in the SAN: the CN counts, as OpenSSL has it */
    {"DNS:other.example.com", HOST, HOST, 0},
    {"email:broker@example.com", "someone", HOST, 0},
    {"IP:127.0.0.1", NULL, "127.0.0.1", 1},
    {"IP:127.0.0.2", NULL, "127.0.0.1", 0},
    {"DNS:127.0.0.1", NULL, "127.0.0.1", 0},
    {"DNS:localhost", "127.0.0.1", "127.0.0.1", 0},
    {"IP:::1", NULL, "::1", 1},
    {"IP:::1", NULL, "0:0:0:0:0:0:0:1", 1},
    {"IP:::2", NULL, "::1", 0},
};

START_TEST(test_names)
{
	struct tk_cert_spec spec = {.san = names[_i].san, .cn = names[_i].cn};
	const struct mqev_tls_options *o =
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki), .server_name = names[_i].name);
	const char *wrong = strpbrk(names[_i].name, "ghijklmnopqrstuvwxyz") ? "hostname mismatch"
									    : "IP address mismatch";

	try_cert(&spec, "127.0.0.1", o, names[_i].good ? NULL : wrong);
}
END_TEST

START_TEST(test_names_of_urls)
{
	const struct mqev_tls_options *o = MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki));
	const struct tk_cert_spec name = {.san = "DNS:localhost"};
	const struct tk_cert_spec v4 = {.san = "IP:127.0.0.1", .cn = "no name"};
	const struct tk_cert_spec v6 = {.san = "IP:::1"};

	try_cert(&name, "localhost", o, NULL);
	try_cert(&name, "LocalHost.", o, NULL);
	try_cert(&name, "127.0.0.1", o, "IP address mismatch");
	try_cert(&name, "broker.localhost", o, "hostname mismatch");
	try_cert(&v4, "127.0.0.1", o, NULL);
	try_cert(&v4, "localhost", o, "hostname mismatch");
	try_cert(&v6, "[::1]", o, NULL);
	try_cert(&v4, "[::1]", o, "IP address mismatch");
}
END_TEST

START_TEST(test_sni)
{
	static const struct {
		const char *host;
		const char *server_name;
		const char *sent;
	} rows[] = {
	    {"localhost", NULL, "localhost"},
	    {"localhost.", NULL, "localhost"},
	    {"127.0.0.1", NULL, ""},
	    {"127.0.0.1", HOST, HOST},
	    {"localhost", "10.0.0.1", ""},
	};
	struct counting counting;
	SSL_CTX *ctx;

	tk_pki_issue(pki, "server", &(struct tk_cert_spec){0});
	ctx = tk_peer_ctx(pki, "server");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		try_with(ctx, rows[i].host,
		    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki),
			.server_name = rows[i].server_name, .verify = MQEV_TLS_VERIFY_NO_HOST_NAME),
		    NULL, &counting);
		ck_assert_str_eq(counting.sni, rows[i].sent);
	}
	SSL_CTX_free(ctx);
}
END_TEST

/* Chains and dates ----------------------------------------------------------------------------- */

START_TEST(test_dates)
{
	const struct mqev_tls_options *o = MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki));
	const struct tk_cert_spec expired = {.from_days = -20, .to_days = -1};
	const struct tk_cert_spec future = {.from_days = 2, .to_days = 20};

	try_cert(&expired, "localhost", o, "has expired");
	try_cert(&future, "localhost", o, "not yet valid");
	try_cert(&expired, "localhost", MQEV_TLS_OPTIONS(.verify = MQEV_TLS_VERIFY_NONE), NULL);
}
END_TEST

START_TEST(test_chains)
{
	const struct tk_cert_spec plain = {0};
	const struct tk_cert_spec self_signed = {.self_signed = 1};
	const struct mqev_tls_options *ours = MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki));
	const struct mqev_tls_options *others =
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(other_pki));

	try_cert(&self_signed, "localhost", ours, "self");
	try_cert(&plain, "localhost", others, "unable to get local issuer certificate");
	try_cert(&plain, "localhost", NULL, "unable to get local issuer certificate");
	try_cert(&plain, "localhost", MQEV_TLS_OPTIONS(.verify = MQEV_TLS_VERIFY_NO_HOST_NAME),
	    "issuer certificate");
	try_cert(&plain, "localhost", MQEV_TLS_OPTIONS(.verify = MQEV_TLS_VERIFY_NONE), NULL);
	/* The server's own certificate may be what is trusted. */
	tk_pki_issue(pki, "pinned", &self_signed);
	try_cert(&plain, "localhost", MQEV_TLS_OPTIONS(.ca_file = tk_pki_path(pki, "pinned.pem")),
	    "issuer certificate");
}
END_TEST

START_TEST(test_pinned_certificate)
{
	struct counting counting;
	SSL_CTX *ctx;

	tk_pki_issue(pki, "server", &(struct tk_cert_spec){.self_signed = 1});
	ctx = tk_peer_ctx(pki, "server");
	try_with(ctx, "localhost", MQEV_TLS_OPTIONS(.ca_file = tk_pki_path(pki, "server.pem")),
	    NULL, &counting);
	SSL_CTX_free(ctx);
}
END_TEST

START_TEST(test_intermediate)
{
	const struct tk_cert_spec ca = {.is_ca = 1, .cn = "intermediate"};
	const struct tk_cert_spec leaf = {.issuer = "middle"};
	const struct tk_cert_spec forged = {.issuer = "plain", .cn = "forged"};

	tk_pki_issue(pki, "middle", &ca);
	try_cert(&leaf, "localhost", MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki)), NULL);
	try_cert(
	    &leaf, "localhost", MQEV_TLS_OPTIONS(.ca_file = tk_pki_path(pki, "middle.pem")), NULL);
	/* Signed by a certificate that may not sign. */
	tk_pki_issue(pki, "plain", &(struct tk_cert_spec){0});
	try_cert(
	    &forged, "localhost", MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki)), "invalid CA");
}
END_TEST

START_TEST(test_ca_sources)
{
	const struct tk_cert_spec plain = {0};
	size_t len;
	char *pem = tk_read_file(tk_pki_ca_file(pki), &len);

	try_cert(&plain, "localhost", MQEV_TLS_OPTIONS(.ca_pem = pem, .ca_pem_len = len), NULL);
	try_cert(&plain, "localhost",
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(other_pki), .ca_pem = pem,
		.ca_pem_len = len),
	    NULL);
	try_cert(&plain, "localhost",
	    MQEV_TLS_OPTIONS(.ca_pem = pem, .ca_pem_len = len, .system_trust = true), NULL);
	free(pem);
}
END_TEST

START_TEST(test_ca_folder)
{
	const struct tk_cert_spec plain = {0};
	char from[600];
	char to[600];
	char hashed[16];
	char name[32];

	tk_pki_hashed_name(pki, hashed);
	snprintf(name, sizeof(name), "hashed/%s", hashed);
	snprintf(from, sizeof(from), "mkdir %s && cp %s %s", tk_pki_path(pki, "hashed"),
	    tk_pki_ca_file(pki), tk_pki_path(pki, name));
	ck_assert_int_eq(system(from), 0);
	snprintf(to, sizeof(to), "%s", tk_pki_path(pki, "hashed"));
	try_cert(&plain, "localhost", MQEV_TLS_OPTIONS(.ca_dir = to), NULL);
}
END_TEST

/* Revocation ----------------------------------------------------------------------------------- */

START_TEST(test_crl)
{
	struct counting counting;
	const char *none = tk_pki_crl(pki, "none.crl", NULL);
	const char *foreign = tk_pki_crl(other_pki, "foreign.crl", NULL);
	const char *bad;
	SSL_CTX *ctx;

	tk_pki_issue(pki, "server", &(struct tk_cert_spec){0});
	bad = tk_pki_crl(pki, "bad.crl", "server");
	ctx = tk_peer_ctx(pki, "server");
	try_with(ctx, "localhost",
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki), .crl_files = &none,
		.crl_file_count = 1),
	    NULL, &counting);
	try_with(ctx, "localhost",
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki), .crl_files = &bad,
		.crl_file_count = 1),
	    "revoked", &counting);
	try_with(ctx, "localhost",
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki), .crl_files = &foreign,
		.crl_file_count = 1),
	    "unable to get certificate CRL", &counting);
	SSL_CTX_free(ctx);
}
END_TEST

struct staple {
	unsigned char *der;
	size_t len;
};

static int
give_staple(SSL *ssl, void *arg)
{
	const struct staple *staple = arg;

	if (staple->der == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_tlsext_status_ocsp_resp(
	    ssl, OPENSSL_memdup(staple->der, staple->len), (long)staple->len);
	return SSL_TLSEXT_ERR_OK;
}

static void
try_staple(struct staple *staple, int version, int require, const char *answer)
{
	struct counting counting;
	SSL_CTX *ctx = tk_peer_ctx(pki, "server");

	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_tlsext_status_cb(ctx, give_staple);
	SSL_CTX_set_tlsext_status_arg(ctx, staple);
	try_with(ctx, "localhost",
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki), .require_ocsp_staple = require),
	    answer, &counting);
	SSL_CTX_free(ctx);
	OPENSSL_free(staple->der);
	staple->der = NULL;
}

START_TEST(test_ocsp)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	int version = versions[_i];
	struct staple staple = {0};

	tk_pki_issue(pki, "server", &(struct tk_cert_spec){0});
	tk_pki_issue(pki, "neighbour", &(struct tk_cert_spec){0});
	try_staple(&staple, version, 0, NULL);
	try_staple(&staple, version, 1, "invalid status response");
	staple.len = tk_pki_ocsp(pki, "server", 0, 7, &staple.der);
	try_staple(&staple, version, 1, NULL);
	staple.len = tk_pki_ocsp(pki, "server", 1, 7, &staple.der);
	try_staple(&staple, version, 1, "invalid status response");
	staple.len = tk_pki_ocsp(pki, "server", 0, -7, &staple.der);
	try_staple(&staple, version, 1, "invalid status response");
	staple.len = tk_pki_ocsp(pki, "neighbour", 0, 7, &staple.der);
	try_staple(&staple, version, 1, "invalid status response");
	staple.len = tk_pki_ocsp(pki, "server", 0, 7, &staple.der);
	staple.der[staple.len - 5] ^= 1;
	try_staple(&staple, version, 1, "invalid status response");
	staple.der = OPENSSL_memdup("rubbish", 7);
	staple.len = 7;
	try_staple(&staple, version, 1, "invalid status response");
}
END_TEST

/* Strength ------------------------------------------------------------------------------------- */

START_TEST(test_weak_key)
{
	const struct tk_cert_spec weak = {.rsa_bits = 1024};
	const struct tk_cert_spec strong = {.rsa_bits = 2048};

	try_cert(&weak, "localhost",
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki), .ciphers = "DEFAULT@SECLEVEL=2"),
	    "key too weak");
	try_cert(&strong, "localhost",
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki), .ciphers = "DEFAULT@SECLEVEL=2"),
	    NULL);
}
END_TEST

static void
try_versions(int server_min, int server_max, const struct mqev_tls_options *o, const char *answer)
{
	struct counting counting;
	SSL_CTX *ctx = tk_peer_ctx(pki, "server");

	SSL_CTX_set_min_proto_version(ctx, server_min);
	SSL_CTX_set_max_proto_version(ctx, server_max);
	try_with(ctx, "localhost", o, answer, &counting);
	SSL_CTX_free(ctx);
}

START_TEST(test_versions)
{
	const char *ca = tk_pki_ca_file(pki);
	const struct mqev_tls_options *plain = MQEV_TLS_OPTIONS(.ca_file = ca);
	const struct mqev_tls_options *old = MQEV_TLS_OPTIONS(.ca_file = ca,
	    .min_version = MQEV_TLS_VERSION_1_0, .ciphers = "DEFAULT@SECLEVEL=0");
	const struct mqev_tls_options *new =
	    MQEV_TLS_OPTIONS(.ca_file = ca, .min_version = MQEV_TLS_VERSION_1_3);
	const struct mqev_tls_options *max =
	    MQEV_TLS_OPTIONS(.ca_file = ca, .max_version = MQEV_TLS_VERSION_1_2);

	tk_pki_issue(pki, "server", &(struct tk_cert_spec){0});
	try_versions(TLS1_VERSION, TLS1_VERSION, plain, "version");
	try_versions(TLS1_VERSION, TLS1_1_VERSION, plain, "version");
	try_versions(TLS1_VERSION, TLS1_1_VERSION, old, NULL);
	try_versions(TLS1_2_VERSION, TLS1_2_VERSION, plain, NULL);
	try_versions(TLS1_3_VERSION, TLS1_3_VERSION, plain, NULL);
	try_versions(TLS1_2_VERSION, TLS1_2_VERSION, new, "version");
	try_versions(TLS1_3_VERSION, TLS1_3_VERSION, max, "version");
	try_versions(TLS1_2_VERSION, TLS1_3_VERSION, max, NULL);
}
END_TEST

START_TEST(test_ciphers)
{
	struct counting counting;
	SSL_CTX *ctx;

	tk_pki_issue(pki, "server", &(struct tk_cert_spec){0});
	ctx = tk_peer_ctx(pki, "server");
	SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256");
	SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256");
	try_with(ctx, "localhost",
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki), .max_version = MQEV_TLS_VERSION_1_2,
		.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"),
	    "handshake failure", &counting);
	try_with(ctx, "localhost",
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki), .min_version = MQEV_TLS_VERSION_1_3,
		.ciphersuites = "TLS_CHACHA20_POLY1305_SHA256"),
	    "handshake failure", &counting);
	try_with(ctx, "localhost",
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki),
		.ciphersuites = "TLS_AES_128_GCM_SHA256"),
	    NULL, &counting);
	SSL_CTX_free(ctx);
}
END_TEST

/* OpenSSL sees no fault in a server without a certificate when the list of ciphers allows it. */
START_TEST(test_anonymous_server)
{
	struct tk_peer *peer;
	struct counting counting = {0};
	struct link l = {0};

	tk_pki_issue(pki, "server", &(struct tk_cert_spec){0});
	counting.ctx = tk_peer_ctx(pki, "server");
	SSL_CTX_set_cipher_list(counting.ctx, "AECDH-AES256-SHA:@SECLEVEL=0");
	SSL_CTX_set_max_proto_version(counting.ctx, TLS1_2_VERSION);
	peer = tk_peer_start("127.0.0.1", count_bytes, &counting);
	l.a.config.tls = tls_of(MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki),
	    .ciphers = "AECDH-AES256-SHA:@SECLEVEL=0"));
	attempt_start(&l.a, "mqtts://localhost:%d", tk_peer_port(peer));
	attempt_await_error(&l.a, 5000, MQEV_NET_TLS, MQEV_ERR_TLS);
	assert_error_says(&l.a, "without authentication");
	mqev_tls_free(l.a.config.tls);
	link_end(&l);
	tk_peer_stop(peer);
	ck_assert_int_eq(counting.handshakes, 1);
	ck_assert_uint_eq(counting.bytes, 0);
	SSL_CTX_free(counting.ctx);
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

int
main(void)
{
	Suite *suite = suite_create("tls_verify");
	TCase *tcase = add_case(suite, "names");

	tcase_add_loop_test(tcase, test_names, 0, (int)(sizeof(names) / sizeof(names[0])));
	tcase_add_test(tcase, test_names_of_urls);
	tcase_add_test(tcase, test_sni);

	tcase = add_case(suite, "chains");
	tcase_add_test(tcase, test_dates);
	tcase_add_test(tcase, test_chains);
	tcase_add_test(tcase, test_pinned_certificate);
	tcase_add_test(tcase, test_intermediate);
	tcase_add_test(tcase, test_ca_sources);
	tcase_add_test(tcase, test_ca_folder);

	tcase = add_case(suite, "revocation");
	tcase_add_test(tcase, test_crl);
	tcase_add_loop_test(tcase, test_ocsp, 0, 2);

	tcase = add_case(suite, "strength");
	tcase_add_test(tcase, test_weak_key);
	tcase_add_test(tcase, test_versions);
	tcase_add_test(tcase, test_ciphers);
	tcase_add_test(tcase, test_anonymous_server);
	return net_main(suite);
}
