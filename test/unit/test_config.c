/* Which clients share one configuration, and that the last of them frees it. */
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include <mqev/net.h>
#include <mqev/tls.h>
#include <mqev/websocket.h>

#include "client/config.h"
#include "fault/fail_mem.h"

static struct mqev_config *
get(struct mqev_config **in_use, const struct mqev_options *options)
{
	struct mqev_config *config = NULL;
	const char *why;

	ck_assert_int_eq(mqev_config_get(in_use, options, &config, &why), 0);
	ck_assert_ptr_nonnull(config);
	return config;
}

/* True when both get the same; all is freed again. */
static bool
shared(const struct mqev_options *first, const struct mqev_options *second)
{
	struct mqev_config *in_use = NULL;
	struct mqev_config *a = get(&in_use, first);
	struct mqev_config *b = get(&in_use, second);
	bool same = a == b;

	mqev_config_unref(a);
	ck_assert_ptr_eq(in_use, b);
	mqev_config_unref(b);
	ck_assert_ptr_null(in_use);
	ck_assert_uint_eq(fail_mem_live(), 0);
	return same;
}

START_TEST(equal_options_share)
{
	char name[] = "user";
	char topic[] = "gone/1";
	struct mqev_will *will = MQEV_WILL(.topic = topic, .payload = "x", .payload_len = 1);

	ck_assert(shared(MQEV_OPTIONS(.client_id = "a"), MQEV_OPTIONS(.client_id = "b")));
	ck_assert(shared(MQEV_OPTIONS(.username = name, .password = "p", .will = will),
	    MQEV_OPTIONS(.username = "user", .password = "p",
		.will = MQEV_WILL(.topic = "gone/1", .payload = "x", .payload_len = 1))));
	ck_assert(shared(MQEV_OPTIONS(.keepalive = 60), MQEV_OPTIONS(.client_id = "a")));
}
END_TEST

START_TEST(other_options_do_not)
{
	const struct mqev_options *plain = MQEV_OPTIONS(.client_id = "a");
	const struct mqev_options *with_will = MQEV_OPTIONS(.will = MQEV_WILL(.topic = "gone/1"));

	ck_assert(!shared(plain, MQEV_OPTIONS(.keepalive = 61)));
	ck_assert(!shared(plain, MQEV_OPTIONS(.username = "")));
	ck_assert(!shared(plain, MQEV_OPTIONS(.protocol = MQEV_PROTOCOL_V5)));
	ck_assert(!shared(plain, with_will));
	ck_assert(!shared(with_will, MQEV_OPTIONS(.will = MQEV_WILL(.topic = "gone/2"))));
	ck_assert(!shared(with_will, MQEV_OPTIONS(.will = MQEV_WILL(.topic = "gone/1", .qos = 1))));
	ck_assert(!shared(MQEV_OPTIONS(.username = "u", .password = "p"),
	    MQEV_OPTIONS(.username = "u", .password = "q")));
}
END_TEST

/* With everything that concerns the way to the server; strings are copies, so that addresses
 * differ. */
static bool
shared_way(const char *host, const char *header, const char *interface, uint32_t dial_ms)
{
	char host_copy[32];
	char header_copy[32];
	const char *headers[] = {header};
	const char *other[] = {header_copy};

	snprintf(host_copy, sizeof(host_copy), "%s", "proxy.test");
	snprintf(header_copy, sizeof(header_copy), "%s", "X-A: b");
	return shared(
	    MQEV_OPTIONS(.proxy = MQEV_PROXY(.type = MQEV_PROXY_HTTP, .host = host),
		.socket = MQEV_SOCKET_OPTIONS(.bind_interface = interface),
		.dial_timeout_ms = dial_ms,
		.websocket = MQEV_WEBSOCKET_OPTIONS(.headers = headers, .header_count = 1)),
	    MQEV_OPTIONS(.proxy = MQEV_PROXY(.type = MQEV_PROXY_HTTP, .host = host_copy),
		.socket = MQEV_SOCKET_OPTIONS(.bind_interface = "lo"), .dial_timeout_ms = 500,
		.websocket = MQEV_WEBSOCKET_OPTIONS(.headers = other, .header_count = 1)));
}

START_TEST(ways_to_the_server_are_shared)
{
	struct mqev_tls *tls, *other;
	struct mqev_config *in_use = NULL;
	struct mqev_config *a, *b, *c;
	bool same;

	ck_assert(shared_way("proxy.test", "X-A: b", "lo", 500));
	ck_assert(!shared_way("proxy2.test", "X-A: b", "lo", 500));
	ck_assert(!shared_way("proxy.test", "X-A: c", "lo", 500));
	ck_assert(!shared_way("proxy.test", "X-A: b", "eth0", 500));
	ck_assert(!shared_way("proxy.test", "X-A: b", "lo", 501));
	ck_assert(!shared(MQEV_OPTIONS(.keepalive = 9),
	    MQEV_OPTIONS(.keepalive = 9, .socket = MQEV_SOCKET_OPTIONS(.nagle = 1))));
	tls = mqev_tls_new(MQEV_TLS_OPTIONS(.ca_dir = "/"), NULL, 0);
	other = mqev_tls_new(MQEV_TLS_OPTIONS(.ca_dir = "/"), NULL, 0);
	a = get(&in_use, MQEV_OPTIONS(.tls = tls));
	b = get(&in_use, MQEV_OPTIONS(.tls = tls));
	c = get(&in_use, MQEV_OPTIONS(.tls = other));
	same = a == b && b != c;
	mqev_config_unref(a);
	mqev_config_unref(b);
	mqev_config_unref(c);
	mqev_tls_free(tls);
	mqev_tls_free(other);
	ck_assert(same);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(proxy_of_the_environment)
{
	struct mqev_config *in_use = NULL;
	struct mqev_config *config = NULL;
	const char *why;
	const struct mqev_options *asked = MQEV_OPTIONS(.proxy_from_environment = true);
	const struct mqev_options *own = MQEV_OPTIONS(.proxy_from_environment = true,
	    .proxy = MQEV_PROXY(.type = MQEV_PROXY_SOCKS4A, .host = "own.test"));

	unsetenv("mqtt_proxy");
	config = get(&in_use, asked);
	ck_assert_ptr_null(config->transport.proxy);
	mqev_config_unref(config);

	setenv("mqtt_proxy", "socks5h://u:p%40@proxy.test:1081", 1);
	setenv("no_proxy", "localhost,.inside.test", 1);
	config = get(&in_use, MQEV_OPTIONS(.keepalive = 5));
	ck_assert_ptr_null(config->transport.proxy);
	mqev_config_unref(config);
	config = get(&in_use, own);
	ck_assert_str_eq(config->transport.proxy->host, "own.test");
	ck_assert_ptr_null(config->transport.no_proxy);
	mqev_config_unref(config);
	config = get(&in_use, asked);
	ck_assert_ptr_eq(get(&in_use, asked), config);
	ck_assert_int_eq((int)config->transport.proxy->type, MQEV_PROXY_SOCKS5);
	ck_assert_str_eq(config->transport.proxy->host, "proxy.test");
	ck_assert_uint_eq(config->transport.proxy->port, 1081);
	ck_assert_str_eq(config->transport.proxy->password, "p@");
	ck_assert_str_eq(config->transport.no_proxy, "localhost,.inside.test");
	mqev_config_unref(config);
	mqev_config_unref(config);

	setenv("mqtt_proxy", "gopher://proxy.test", 1);
	ck_assert_int_eq(mqev_config_get(&in_use, asked, &config, &why), MQEV_ERR_INVALID);
	ck_assert_str_eq(why, "unknown scheme of a proxy");
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(stage_deadlines_are_passed_on)
{
	struct mqev_config *in_use = NULL;
	struct mqev_config *config =
	    get(&in_use, MQEV_OPTIONS(.resolve_timeout_ms = 1, .dial_timeout_ms = 2,
			     .proxy_timeout_ms = 3, .tls_timeout_ms = 4, .websocket_timeout_ms = 5,
			     .connect_timeout_ms = 6, .connack_timeout_ms = 7));

	ck_assert_uint_eq(config->transport.resolve_ms, 1);
	ck_assert_uint_eq(config->transport.dial_ms, 2);
	ck_assert_uint_eq(config->transport.proxy_ms, 3);
	ck_assert_uint_eq(config->transport.tls_ms, 4);
	ck_assert_uint_eq(config->transport.websocket_ms, 5);
	ck_assert_uint_eq(config->transport.total_ms, 6);
	ck_assert_uint_eq(config->connack_ms, 7);
	mqev_config_unref(config);
	config = get(&in_use, MQEV_OPTIONS(.client_id = "a"));
	ck_assert_uint_eq(config->transport.total_ms, 60000);
	ck_assert_uint_eq(config->connack_ms, 10000);
	mqev_config_unref(config);
}
END_TEST

START_TEST(one_in_the_middle_goes_first)
{
	struct mqev_config *in_use = NULL;
	struct mqev_config *config[3];

	for (uint32_t i = 0; i < COUNT_OF(config); i++)
		config[i] = get(&in_use, MQEV_OPTIONS(.keepalive = i + 1));
	mqev_config_unref(config[1]);
	ck_assert_ptr_eq(get(&in_use, MQEV_OPTIONS(.keepalive = 1)), config[0]);
	ck_assert_ptr_eq(get(&in_use, MQEV_OPTIONS(.keepalive = 3)), config[2]);
	for (uint32_t i = 0; i < COUNT_OF(config); i += 2) {
		mqev_config_unref(config[i]);
		mqev_config_unref(config[i]);
	}
	ck_assert_ptr_null(in_use);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

static void
get_without_memory(const struct mqev_options *options)
{
	struct mqev_config *in_use = NULL;
	struct mqev_config *config = NULL;
	int error = MQEV_ERR_NOMEM;
	const char *why;

	for (unsigned i = 0; error != 0; i++) {
		fail_mem_after(i);
		error = mqev_config_get(&in_use, options, &config, &why);
		fail_mem_never();
		ck_assert(error == 0 || error == MQEV_ERR_NOMEM);
		ck_assert(error == 0 || (in_use == NULL && fail_mem_live() == 0));
	}
	mqev_config_unref(config);
	ck_assert_uint_eq(fail_mem_live(), 0);
}

START_TEST(without_memory_nothing_stays)
{
	const char *headers[] = {"X-A: b"};

	get_without_memory(MQEV_OPTIONS(.username = "u"));
	get_without_memory(MQEV_OPTIONS(.socket = MQEV_SOCKET_OPTIONS(.bind_address = "::1",
					    .bind_interface = "lo"),
	    .proxy =
		MQEV_PROXY(.type = MQEV_PROXY_HTTP, .host = "h", .username = "u", .password = "p"),
	    .websocket = MQEV_WEBSOCKET_OPTIONS(.headers = headers, .header_count = 1)));
	setenv("mqtt_proxy", "http://u:p@proxy.test", 1);
	setenv("no_proxy", "localhost", 1);
	get_without_memory(MQEV_OPTIONS(.proxy_from_environment = true));
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, ways_to_the_server_are_shared);
	tcase_add_test(tc, proxy_of_the_environment);
	tcase_add_test(tc, stage_deadlines_are_passed_on);
	tcase_add_test(tc, equal_options_share);
	tcase_add_test(tc, other_options_do_not);
	tcase_add_test(tc, one_in_the_middle_goes_first);
	tcase_add_test(tc, without_memory_nothing_stays);
}

int
main(void)
{
	return unit_run("config", add);
}
