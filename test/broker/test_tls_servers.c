/* The real client against real TLS servers: mosquitto, and haproxy and stunnel in front of it;
 * certificates of every kind, and what is refused. */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/ssl.h>

#include "broker/way_kit.h"
#include "client/fleet.h"
#include "net/resolve.h"

#define TRUST .ca_file = tk_pki_ca_file(way_pki)

/* mosquitto with one more listener of TLS, lines for it in `more`. */
static bool
start_mosquitto(struct tk_server *s, const char *more)
{
	char text[2000];

	snprintf(text, sizeof(text), "per_listener_settings false\nlistener @PORT2@ 127.0.0.1\n%s",
	    more);
	return tk_server_mosquitto(s, text) == 0;
}

static const char *
certificate_lines(const char *name)
{
	static char lines[900];

	snprintf(lines, sizeof(lines), "cafile %s\ncertfile %s.pem\nkeyfile %s.key\n",
	    tk_pki_ca_file(way_pki), tk_pki_path(way_pki, name), tk_pki_path(way_pki, name));
	return lines;
}

static const char *
url_at(int port)
{
	static char url[64];

	snprintf(url, sizeof(url), "mqtts://localhost:%d", port);
	return url;
}

/* --- the server's certificate ------------------------------------------------------------------
 */

static const struct {
	const char *what;
	struct tk_cert_spec spec;
	const char *says; /* NULL: accepted */
	bool with_crl;
	bool other_ca;
} certificates[] = {
    {"good", {0}, NULL, true, false},
    {"expired", {.from_days = -30, .to_days = -1}, "expired", false, false},
    {"not yet valid", {.from_days = 1, .to_days = 30}, "not yet valid", false, false},
    {"wrong host", {.san = "DNS:elsewhere.test"}, "ostname mismatch", false, false},
    {"name in CN only", {.san = "", .cn = "other.test"}, "ostname mismatch", false, false},
    {"self-signed", {.self_signed = 1}, "self-signed", false, false},
    {"wrong CA", {0}, "self-signed certificate", false, true},
    {"revoked", {0}, "revoked", true, false},
};

START_TEST(test_certificates)
{
	bool revoked = strcmp(certificates[_i].what, "revoked") == 0;
	struct tk_pki *other = tk_pki_new("another CA");
	struct tk_server s;
	const char *crls[1];
	struct mqev_tls *tls;

	tk_pki_issue(way_pki, "tried", &certificates[_i].spec);
	crls[0] = tk_pki_crl(way_pki, "list.crl", revoked ? "tried" : NULL);
	tls = way_tls_of(
	    MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(certificates[_i].other_ca ? other : way_pki),
		.crl_files = certificates[_i].with_crl ? crls : NULL,
		.crl_file_count = certificates[_i].with_crl ? 1 : 0));
	if (!start_mosquitto(&s, certificate_lines("tried")))
		tk_skip("mosquitto is not installed");
	if (certificates[_i].says == NULL)
		WAY(url_at(s.ports[1]), .tls = tls);
	else
		NO_WAY(url_at(s.ports[1]), MQEV_STAGE_TLS, MQEV_ERR_TLS, certificates[_i].says,
		    .tls = tls);
	ck_assert(certificates[_i].says == NULL || kit.failure.tls_error != 0);
	tk_server_stop(&s);
	mqev_tls_free(tls);
	tk_pki_free(other);
}
END_TEST

/* --- ours --------------------------------------------------------------------------------------
 */

static int
tell_password(char *buf, size_t size, void *arg)
{
	ck_assert_uint_ge(size, 6);
	memcpy(buf, arg, 6);
	return 6;
}

/* From a file, memory and a URI; the key in clear, with a password, with a callback. */
static void
with_client_certificates(const char *url)
{
	const char *cert = tk_pki_path(way_pki, "me.pem");
	const char *key = tk_pki_path(way_pki, "me.key");
	const char *locked = tk_pki_encrypt_key(way_pki, "me", "locked.key", "sesame");
	size_t cert_len, key_len;
	char *cert_pem = tk_read_file(cert, &cert_len);
	char *key_pem = tk_read_file(key, &key_len);
	char cert_uri[600], key_uri[600];
	struct mqev_tls *tls[5];

	snprintf(cert_uri, sizeof(cert_uri), "file:%s", cert);
	snprintf(key_uri, sizeof(key_uri), "file:%s", locked);
	tls[0] = way_tls_of(MQEV_TLS_OPTIONS(TRUST, .cert_file = cert, .key_file = key));
	tls[1] = way_tls_of(MQEV_TLS_OPTIONS(TRUST, .cert_pem = cert_pem, .cert_pem_len = cert_len,
	    .key_pem = key_pem, .key_pem_len = key_len));
	tls[2] = way_tls_of(MQEV_TLS_OPTIONS(
	    TRUST, .cert_uri = cert_uri, .key_uri = key_uri, .key_password = "sesame"));
	tls[3] = way_tls_of(MQEV_TLS_OPTIONS(TRUST, .cert_file = cert, .key_file = locked,
	    .on_key_password = tell_password, .key_password_arg = "sesame"));
	tls[4] = way_tls_of(MQEV_TLS_OPTIONS(
	    TRUST, .cert_file = cert, .key_file = key, .max_version = MQEV_TLS_VERSION_1_2));
	for (int i = 0; i < 5; i++) {
		WAY(url, .tls = tls[i]);
		mqev_tls_free(tls[i]);
	}
	free(cert_pem);
	free(key_pem);
}

START_TEST(test_client_certificate)
{
	struct mqev_tls *old =
	    way_tls_of(MQEV_TLS_OPTIONS(TRUST, .max_version = MQEV_TLS_VERSION_1_2));
	struct tk_server s;
	char more[1200];

	tk_pki_issue(way_pki, "me", &(struct tk_cert_spec){.cn = "pump-7", .san = ""});
	snprintf(more, sizeof(more), "%srequire_certificate true\nuse_identity_as_username true\n",
	    certificate_lines("server"));
	if (!start_mosquitto(&s, more))
		tk_skip("mosquitto is not installed");
	with_client_certificates(url_at(s.ports[1]));
	NO_WAY(url_at(s.ports[1]), MQEV_STAGE_TLS, MQEV_ERR_TLS, "handshake failure", .tls = old);
	/* In 1.3 the client is through with its handshake when the server refuses. */
	NO_WAY(url_at(s.ports[1]), MQEV_STAGE_CONNACK, MQEV_ERR_TLS, "certificate required",
	    .tls = way_tls);
	ck_assert_uint_ne(kit.failure.tls_error, 0);
	tk_server_stop(&s);
	mqev_tls_free(old);
}
END_TEST

/* --- PSK ---------------------------------------------------------------------------------------
 */

START_TEST(test_psk)
{
	static const enum mqev_tls_version newest[] = {MQEV_TLS_VERSION_1_2, MQEV_TLS_VERSION_1_3};
	struct mqev_tls *good = way_tls_of(MQEV_TLS_OPTIONS(.psk_identity = "pump-7",
	    .psk = "\x01\x23\x45\x67", .psk_len = 4, .max_version = newest[_i]));
	struct mqev_tls *bad = way_tls_of(MQEV_TLS_OPTIONS(.psk_identity = "pump-7",
	    .psk = "\x01\x23\x45\x68", .psk_len = 4, .max_version = newest[_i]));
	char *dir = tk_tmpdir();
	char *keys = tk_write_file(dir, "psk", "pump-7:01234567\n");
	struct tk_server s;
	char more[600];

	snprintf(more, sizeof(more), "psk_hint mqev\npsk_file %s\n", keys);
	if (start_mosquitto(&s, more)) {
		WAY(url_at(s.ports[1]), .tls = good);
		NO_WAY(url_at(s.ports[1]), MQEV_STAGE_TLS, MQEV_ERR_TLS, "TLS: ", .tls = bad);
		NO_WAY(url_at(s.ports[1]), MQEV_STAGE_TLS, MQEV_ERR_TLS, "TLS: ", .tls = way_tls);
		tk_server_stop(&s);
	} else {
		tk_skip_note(__func__, "mosquitto is not installed");
	}
	mqev_tls_free(good);
	mqev_tls_free(bad);
	tk_rmtree(dir);
	free(keys);
	free(dir);
}
END_TEST

/* --- haproxy and stunnel in front --------------------------------------------------------------
 */

/* Certificate and key in one file, as haproxy wants them. */
static const char *
bundle_of(const char *name)
{
	char file[64];
	struct tk_buf text = {0};
	char *cert, *key;

	snprintf(file, sizeof(file), "%s.pem", name);
	cert = tk_read_file(tk_pki_path(way_pki, file), NULL);
	snprintf(file, sizeof(file), "%s.key", name);
	key = tk_read_file(tk_pki_path(way_pki, file), NULL);
	tk_buf_printf(&text, "%s%s", cert, key);
	free(tk_write_file(tk_pki_path(way_pki, "."), "both.pem", (char *)text.data));
	tk_buf_free(&text);
	free(cert);
	free(key);
	return tk_pki_path(way_pki, "both.pem");
}

/* haproxy lets through only who agreed on "mqtt". */
START_TEST(test_alpn)
{
	TK_PROGRAM_NEED("haproxy");
	static const char *const good[] = {"x-amzn-mqtt-ca", "mqtt"};
	static const char *const bad[] = {"http/1.1"};
	struct mqev_tls *with = way_tls_of(MQEV_TLS_OPTIONS(TRUST, .alpn = good, .alpn_count = 2));
	struct mqev_tls *other = way_tls_of(MQEV_TLS_OPTIONS(TRUST, .alpn = bad, .alpn_count = 1));
	struct tk_server s;
	char bind[700];

	WAY_NEED_BROKER();
	snprintf(bind, sizeof(bind),
	    "ssl crt %s alpn mqtt\n  tcp-request inspect-delay 5s\n"
	    "  tcp-request content reject unless { ssl_fc_alpn -i mqtt }\n",
	    bundle_of("server"));
	TK_SERVER_NEED(tk_server_haproxy(&s, bind, way_broker.ports[WAY_MQTT]), "haproxy");
	WAY(url_at(s.port), .tls = with);
	NO_WAY(url_at(s.port), MQEV_STAGE_CONNACK, MQEV_ERR_LOST, "", .tls = way_tls);
	NO_WAY(url_at(s.port), MQEV_STAGE_CONNACK, MQEV_ERR_LOST, "", .tls = other);
	tk_server_stop(&s);
	mqev_tls_free(with);
	mqev_tls_free(other);
}
END_TEST

static const struct {
	enum mqev_tls_version min, max;
	const char *haproxy, *stunnel;
	bool fits;
} versions[] = {
    {MQEV_TLS_VERSION_DEFAULT, MQEV_TLS_VERSION_1_2, "", "", true},
    {MQEV_TLS_VERSION_1_3, MQEV_TLS_VERSION_DEFAULT, "", "", true},
    {MQEV_TLS_VERSION_DEFAULT, MQEV_TLS_VERSION_DEFAULT, "ssl-max-ver TLSv1.2",
	"sslVersionMax = TLSv1.2", true},
    {MQEV_TLS_VERSION_DEFAULT, MQEV_TLS_VERSION_DEFAULT, "ssl-min-ver TLSv1.3",
	"sslVersionMin = TLSv1.3", true},
    {MQEV_TLS_VERSION_DEFAULT, MQEV_TLS_VERSION_1_2, "ssl-min-ver TLSv1.3",
	"sslVersionMin = TLSv1.3", false},
    {MQEV_TLS_VERSION_1_3, MQEV_TLS_VERSION_DEFAULT, "ssl-max-ver TLSv1.2",
	"sslVersionMax = TLSv1.2", false},
};

#define VERSIONS ((int)(sizeof(versions) / sizeof(versions[0])))

static void
try_version(int port, int i)
{
	struct mqev_tls *tls = way_tls_of(MQEV_TLS_OPTIONS(
	    TRUST, .min_version = versions[i].min, .max_version = versions[i].max));

	if (versions[i].fits)
		WAY(url_at(port), .tls = tls);
	else
		NO_WAY(url_at(port), MQEV_STAGE_TLS, MQEV_ERR_TLS, "version", .tls = tls);
	mqev_tls_free(tls);
}

START_TEST(test_versions_of_haproxy)
{
	struct tk_server s;
	char bind[700];

	WAY_NEED_BROKER();
	snprintf(bind, sizeof(bind), "ssl crt %s %s", bundle_of("server"), versions[_i].haproxy);
	TK_SERVER_NEED(tk_server_haproxy(&s, bind, way_broker.ports[WAY_MQTT]), "haproxy");
	try_version(s.port, _i);
	tk_server_stop(&s);
}
END_TEST

START_TEST(test_versions_of_stunnel)
{
	struct tk_server s;
	char service[1400];

	WAY_NEED_BROKER();
	snprintf(
	    service, sizeof(service), "cert = %s\n%s\n", bundle_of("server"), versions[_i].stunnel);
	TK_SERVER_NEED(tk_server_stunnel(&s, service, way_broker.ports[WAY_MQTT]), "stunnel");
	try_version(s.port, _i);
	tk_server_stop(&s);
}
END_TEST

/* A WebSocket inside the TLS of haproxy, and that through a proxy by name. */
START_TEST(test_websocket_behind_haproxy)
{
	struct tk_server s, http;
	char bind[700];
	char url[64];

	WAY_NEED_WEBSOCKET();
	WAY_NEED_BROKER();
	snprintf(bind, sizeof(bind), "ssl crt %s", bundle_of("server"));
	TK_SERVER_NEED(tk_server_haproxy(&s, bind, way_broker.ports[WAY_WS]), "haproxy");
	TK_SERVER_NEED(tk_server_tinyproxy(&http, "bob", "secret"), "tinyproxy");
	snprintf(url, sizeof(url), "wss://localhost:%d/mqtt?a=b", s.port);
	WAY(url, .tls = way_tls,
	    .proxy = MQEV_PROXY(.type = MQEV_PROXY_HTTP, .host = "127.0.0.1",
		.port = (uint16_t)http.port, .username = "bob", .password = "secret"));
	tk_server_stop(&http);
	tk_server_stop(&s);
}
END_TEST

/* --- OCSP --------------------------------------------------------------------------------------
 */

/* haproxy takes the response from a file beside the certificate, with the issuer in another; it
 * takes none that is not good. */
START_TEST(test_ocsp_staple)
{
	TK_PROGRAM_NEED("haproxy");
	struct mqev_tls *strict = way_tls_of(MQEV_TLS_OPTIONS(TRUST, .require_ocsp_staple = true));
	struct tk_server s;
	unsigned char *der;
	size_t len = tk_pki_ocsp(way_pki, "server", 0, 7, &der);
	char bind[700];
	char *ca;
	FILE *f;

	WAY_NEED_BROKER();
	snprintf(bind, sizeof(bind), "ssl crt %s", bundle_of("server"));
	if (_i == 0) {
		f = fopen(tk_pki_path(way_pki, "both.pem.ocsp"), "w");
		ck_assert_uint_eq(fwrite(der, 1, len, f), len);
		fclose(f);
		ca = tk_read_file(tk_pki_ca_file(way_pki), NULL);
		free(tk_write_file(tk_pki_path(way_pki, "."), "both.pem.issuer", ca));
		free(ca);
	}
	OPENSSL_free(der);
	TK_SERVER_NEED(tk_server_haproxy(&s, bind, way_broker.ports[WAY_MQTT]), "haproxy");
	if (_i == 0)
		WAY(url_at(s.port), .tls = strict);
	else
		NO_WAY(url_at(s.port), MQEV_STAGE_TLS, MQEV_ERR_TLS, "", .tls = strict);
	WAY(url_at(s.port), .tls = way_tls);
	tk_server_stop(&s);
	mqev_tls_free(strict);
}
END_TEST

/* --- names -------------------------------------------------------------------------------------
 */

#ifdef HAVE_CARES
#	define WITH_CARES 1
#else
#	define WITH_CARES 0
#endif

/* The domain that the user gave is checked, not the target that DNS named. */
START_TEST(test_srv)
{
	struct tk_server dns;
	char records[300];
	char servers[32];

	if (!WITH_CARES)
		tk_skip("without c-ares");
	WAY_NEED_BROKER();
	snprintf(records, sizeof(records),
	    "srv-host=_secure-mqtt._tcp.broker.test,host7.test,%d\n"
	    "srv-host=_secure-mqtt._tcp.other.test,broker.test,%d\n"
	    "host-record=host7.test,127.0.0.1\nhost-record=broker.test,127.0.0.1\n",
	    way_broker.ports[WAY_MQTTS], way_broker.ports[WAY_MQTTS]);
	TK_SERVER_NEED(tk_server_dnsmasq(&dns, records), "dnsmasq");
	snprintf(servers, sizeof(servers), "127.0.0.1:%d", dns.port);
	ck_assert_int_eq(mqev_resolver_set_servers(kit.fleet->net, servers), 0);
	WAY("mqtts+srv://broker.test", .tls = way_tls);
	NO_WAY("mqtts+srv://other.test", MQEV_STAGE_TLS, MQEV_ERR_TLS, "mismatch", .tls = way_tls);
	tk_server_stop(&dns);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_servers");
	TCase *tc = way_case(suite, "certificates", 30);

	tcase_add_loop_test(
	    tc, test_certificates, 0, (int)(sizeof(certificates) / sizeof(certificates[0])));
	tcase_add_test(tc, test_client_certificate);
	tcase_add_loop_test(tc, test_psk, 0, 2);
	tc = way_case(suite, "in front", 30);
	tcase_add_test(tc, test_alpn);
	tcase_add_loop_test(tc, test_versions_of_haproxy, 0, VERSIONS);
	tcase_add_loop_test(tc, test_versions_of_stunnel, 0, VERSIONS);
	tcase_add_test(tc, test_websocket_behind_haproxy);
	tcase_add_loop_test(tc, test_ocsp_staple, 0, 2);
	tcase_add_test(tc, test_srv);
	return tk_main(suite);
}
