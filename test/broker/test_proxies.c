/* The real client through real proxies, tinyproxy and dante, to every kind of listener; and what
 * they refuse. SOCKS4a, which dante does not have, and what a broken proxy may say are in
 * test/wire/test_net_proxy.c. */
#include <stdio.h>
#include <stdlib.h>

#include "broker/way_kit.h"
#include "client/fleet.h"
#include "net/resolve.h"
#include "net/ws.h"

static const int ways[] = {WAY_MQTT, WAY_MQTTS, WAY_WS, WAY_WSS};

#define WAYS 4

/* In every way, by name and by both kinds of addresses. */
static void
all_ways(const struct mqev_proxy *proxy, const char *const *hosts)
{
	for (; *hosts != NULL; hosts++) {
		for (int i = 0; i < WAYS; i++) {
			if (ways[i] >= WAY_WS && !mqev_ws_supported())
				continue;
			WAY(way_url(ways[i], *hosts), .proxy = proxy, .tls = way_tls,
			    .protocol = MQEV_PROTOCOL_V5);
		}
	}
}

static const char *const any_host[] = {"localhost", "127.0.0.1", "[::1]", NULL};
static const char *const ipv4_host[] = {"localhost", "127.0.0.1", NULL};

/* --- HTTP CONNECT ------------------------------------------------------------------------------
 */

/* What tinyproxy was asked to connect to. */
static void
proxy_log_says(const struct tk_server *s, const char *what)
{
	char path[600];
	char *log;

	snprintf(path, sizeof(path), "%s/proxy.log", s->dir);
	log = tk_read_file(path, NULL);
	ck_assert_msg(strstr(log, what) != NULL, "tinyproxy does not say \"%s\":\n%s", what, log);
	free(log);
}

START_TEST(test_http)
{
	struct tk_server http;
	char wanted[64];

	WAY_NEED_BROKER();
	TK_SERVER_NEED(tk_server_tinyproxy(&http, NULL, NULL), "tinyproxy");
	all_ways(MQEV_PROXY(.type = MQEV_PROXY_HTTP, .host = "127.0.0.1",
		     .port = (uint16_t)http.port, .resolve_here = _i),
	    any_host);
	snprintf(wanted, sizeof(wanted), "CONNECT %s:%d", _i ? "127.0.0.1" : "localhost",
	    way_broker.ports[WAY_MQTT]);
	proxy_log_says(&http, wanted);
	tk_server_stop(&http);
}
END_TEST

START_TEST(test_http_password)
{
	struct tk_server http;
	uint16_t port;

	WAY_NEED_BROKER();
	TK_SERVER_NEED(tk_server_tinyproxy(&http, "bob", "secret"), "tinyproxy");
	port = (uint16_t)http.port;
	all_ways(MQEV_PROXY(.type = MQEV_PROXY_HTTP, .host = "localhost", .port = port,
		     .username = "bob", .password = "secret"),
	    any_host);
	NO_WAY(way_url(WAY_MQTTS, "localhost"), MQEV_STAGE_PROXY, MQEV_ERR_PROXY, "407",
	    .proxy = MQEV_PROXY(.type = MQEV_PROXY_HTTP, .host = "127.0.0.1", .port = port));
	ck_assert_int_eq(kit.failure.http_status, 407);
	NO_WAY(way_url(WAY_MQTT, "localhost"), MQEV_STAGE_PROXY, MQEV_ERR_PROXY, "40",
	    .proxy = MQEV_PROXY(.type = MQEV_PROXY_HTTP, .host = "127.0.0.1", .port = port,
		.username = "bob", .password = "guessed"));
	ck_assert_int_ge(kit.failure.http_status, 401);
	ck_assert_int_le(kit.failure.http_status, 407);
	tk_server_stop(&http);
}
END_TEST

START_TEST(test_http_refuses_to_connect)
{
	struct tk_server http;
	char url[64];

	WAY_NEED_BROKER();
	TK_SERVER_NEED(tk_server_tinyproxy(&http, NULL, NULL), "tinyproxy");
	snprintf(url, sizeof(url), "mqtt://127.0.0.1:%d", tk_free_port());
	NO_WAY(url, MQEV_STAGE_PROXY, MQEV_ERR_PROXY, "answered 500",
	    .proxy = MQEV_PROXY(.type = MQEV_PROXY_HTTP, .host = "127.0.0.1",
		.port = (uint16_t)http.port));
	ck_assert_int_ge(kit.failure.http_status, 500);
	tk_server_stop(&http);
}
END_TEST

/* --- SOCKS -------------------------------------------------------------------------------------
 */

START_TEST(test_socks)
{
	static const struct {
		enum mqev_proxy_type type;
		int resolve_here;
		const char *const *hosts;
	} kinds[] = {
	    {MQEV_PROXY_SOCKS4, 1, ipv4_host},
	    {MQEV_PROXY_SOCKS5, 0, any_host},
	    {MQEV_PROXY_SOCKS5, 1, any_host},
	};
	struct tk_server socks;

	WAY_NEED_BROKER();
	TK_SERVER_NEED(tk_server_dante(&socks, NULL), "dante");
	all_ways(MQEV_PROXY(.type = kinds[_i].type, .host = _i % 2 ? "127.0.0.1" : "::1",
		     .port = (uint16_t)socks.port, .resolve_here = kinds[_i].resolve_here),
	    kinds[_i].hosts);
	tk_server_stop(&socks);
}
END_TEST

START_TEST(test_socks_password)
{
	struct tk_server socks;
	uint16_t port;

	WAY_NEED_BROKER();
	TK_SERVER_NEED(tk_server_dante(&socks, "bob:secret"), "dante or libpam-wrapper");
	port = (uint16_t)socks.port;
	all_ways(MQEV_PROXY(.type = MQEV_PROXY_SOCKS5, .host = "127.0.0.1", .port = port,
		     .username = "bob", .password = "secret"),
	    ipv4_host);
	NO_WAY(way_url(WAY_MQTT, "127.0.0.1"), MQEV_STAGE_PROXY, MQEV_ERR_PROXY, "password",
	    .proxy = MQEV_PROXY(.type = MQEV_PROXY_SOCKS5, .host = "127.0.0.1", .port = port,
		.username = "bob", .password = "guessed"));
	NO_WAY(way_url(WAY_MQTT, "127.0.0.1"), MQEV_STAGE_PROXY, MQEV_ERR_PROXY, "",
	    .proxy = MQEV_PROXY(.type = MQEV_PROXY_SOCKS5, .host = "127.0.0.1", .port = port));
	NO_WAY(way_url(WAY_MQTT, "127.0.0.1"), MQEV_STAGE_PROXY, MQEV_ERR_PROXY, "",
	    .proxy = MQEV_PROXY(.type = MQEV_PROXY_SOCKS4, .host = "127.0.0.1", .port = port));
	tk_server_stop(&socks);
}
END_TEST

START_TEST(test_socks_refuses_to_connect)
{
	struct tk_server socks;
	char url[64];

	WAY_NEED_BROKER();
	TK_SERVER_NEED(tk_server_dante(&socks, NULL), "dante");
	snprintf(url, sizeof(url), "mqtt://127.0.0.1:%d", tk_free_port());
	NO_WAY(url, MQEV_STAGE_PROXY, MQEV_ERR_PROXY, "refused",
	    .proxy = MQEV_PROXY(.type = MQEV_PROXY_SOCKS5, .host = "127.0.0.1",
		.port = (uint16_t)socks.port));
	tk_server_stop(&socks);
}
END_TEST

/* --- the environment ---------------------------------------------------------------------------
 */

/* The proxy of the environment is used when asked, and left out for what no_proxy names. */
START_TEST(test_environment)
{
	struct tk_server http;
	char url[64];

	WAY_NEED_BROKER();
	TK_SERVER_NEED(tk_server_tinyproxy(&http, "bob", "p-ss"), "tinyproxy");
	snprintf(url, sizeof(url), "http://bob:p%%2Dss@127.0.0.1:%d", http.port);
	setenv("mqtt_proxy", url, 1);
	setenv("no_proxy", "127.0.0.0/8", 1);
	WAY(way_url(WAY_MQTTS, "localhost"), .proxy_from_environment = true, .tls = way_tls);
	proxy_log_says(&http, "CONNECT localhost:");
	tk_server_stop(&http);
	WAY(way_url(WAY_MQTT, "127.0.0.1"), .proxy_from_environment = true);
	WAY(way_url(WAY_MQTT, "localhost"), .keepalive = 60);
	NO_WAY(way_url(WAY_MQTT, "localhost"), MQEV_STAGE_DIAL, MQEV_ERR_SYSTEM, "refused",
	    .proxy_from_environment = true);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("proxies");
	TCase *tc = way_case(suite, "http", 60);

	tcase_add_loop_test(tc, test_http, 0, 2);
	tcase_add_test(tc, test_http_password);
	tcase_add_test(tc, test_http_refuses_to_connect);
	tc = way_case(suite, "socks", 60);
	tcase_add_loop_test(tc, test_socks, 0, 3);
	tcase_add_test(tc, test_socks_password);
	tcase_add_test(tc, test_socks_refuses_to_connect);
	tc = way_case(suite, "environment", 60);
	tcase_add_test(tc, test_environment);
	return tk_main(suite);
}
