/* URLs of servers: every scheme, every part, what is refused and why, memory that runs out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "fault/fail_mem.h"
#include "net/url.h"
#include "unit/unit.h"

/* An endpoint as text: scheme-like flags, host, port, path, user, password; "-" where there is
 * none. */
static void
render(const struct mqev_endpoint *e, char *text, size_t size)
{
	snprintf(text, size, "%s%s%s%s %s %u %s %s %s", e->tls ? "tls+" : "",
	    e->websocket ? "ws+" : "", e->unix_socket ? "unix+" : "", e->srv ? "srv+" : "", e->host,
	    e->port, e->path != NULL ? e->path : "-", e->username != NULL ? e->username : "-",
	    e->password != NULL ? e->password : "-");
}

static const struct {
	const char *url, *endpoint;
} good[] = {
    {"mqtt://broker.example", " broker.example 1883 - - -"},
    {"MQTT://Broker.Example:1", " Broker.Example 1 - - -"},
    {"tcp://h:65535", " h 65535 - - -"},
    {"mqtts://h", "tls+ h 8883 - - -"},
    {"ssl://h", "tls+ h 8883 - - -"},
    {"tls://h:443", "tls+ h 443 - - -"},
    {"ws://h", "ws+ h 80 /mqtt - -"},
    {"ws://h/", "ws+ h 80 / - -"},
    {"wss://h:8443/a/b?c=d&e=%20f", "tls+ws+ h 8443 /a/b?c=d&e=%20f - -"},
    {"wss://h?token=1", "tls+ws+ h 443 /?token=1 - -"},
    {"unix:///run/mosquitto.sock", "unix+ /run/mosquitto.sock 0 - - -"},
    {"unix:///run/a%20b%3f", "unix+ /run/a b? 0 - - -"},
    {"unix://@abstract/name", "unix+ @abstract/name 0 - - -"},
    {"mqtt+srv://example.org", "srv+ example.org 0 - - -"},
    {"mqtts+srv://example.org/", "tls+srv+ example.org 0 - - -"},
    {"broker", " broker 1883 - - -"},
    {"broker:1884", " broker 1884 - - -"},
    {"broker.", " broker. 1883 - - -"},
    {"10.1.2.3", " 10.1.2.3 1883 - - -"},
    {"[::1]", " ::1 1883 - - -"},
    {"[2001:db8::1]:1884", " 2001:db8::1 1884 - - -"},
    {"mqtts://[fe80::1%25eth0]:8883", "tls+ fe80::1%eth0 8883 - - -"},
    {"mqtt://user:pass@h", " h 1883 - user pass"},
    {"mqtt://user@h", " h 1883 - user -"},
    {"mqtt://user:@h", " h 1883 - user "},
    {"mqtt://:pass@h", " h 1883 - - pass"},
    {"mqtt://a%40b:c%3ad%2F%23@[::1]:7", " ::1 7 - a@b c:d/#"},
    {"mqtt://a@b:p@h", " h 1883 - a@b p"},
    {"mqtt://u:a:b@h", " h 1883 - u a:b"},
    {"mqtt://%c3%a9:%FF@h", " h 1883 - \xc3\xa9 \xff"},
    {"ws://u:p@h/x@y", "ws+ h 80 /x@y u p"},
    {"under_score.example", " under_score.example 1883 - - -"},
    {"a1.2b", " a1.2b 1883 - - -"},
};

START_TEST(test_good)
{
	struct mqev_endpoint_list list;
	const char *why = "unset";
	char text[300];

	ck_assert_msg(mqev_url_parse(good[_i].url, &list, &why) == 0, "%s: %s", good[_i].url, why);
	ck_assert_ptr_null(why);
	ck_assert_uint_eq(list.count, 1);
	render(&list.at[0], text, sizeof text);
	ck_assert_str_eq(text, good[_i].endpoint);
	mqev_endpoint_list_free(&list);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

static const struct {
	const char *url, *why; /* why: a part of the reason */
} bad[] = {
    {"", "empty"},
    {" \t", "empty"},
    {"http://h", "scheme"},
    {"://h", "scheme"},
    {"mqtt://", "host is missing"},
    {"mqtt://:1883", "host is missing"},
    {"mqtt://user@", "host is missing"},
    {"mqtt://h:", "port"},
    {"mqtt://h:0", "port"},
    {"mqtt://h:65536", "port"},
    {"mqtt://h:018833", "port"},
    {"mqtt://h:18a", "port"},
    {"mqtt://h:-1", "port"},
    {"mqtt://h:1:2", "brackets"},
    {"mqtt://::1", "brackets"},
    {"mqtt://[::1", "]"},
    {"mqtt://[::1]x", "only a port"},
    {"mqtt://[::1]:", "port"},
    {"mqtt://[]", "IPv6"},
    {"mqtt://[127.0.0.1]", "IPv6"},
    {"mqtt://[::g]", "IPv6"},
    {"mqtt://[fe80::1%25]", "IPv6"},
    {"mqtt://[fe80::1%eth0]", "IPv6"},
    {"mqtt://1.2.3", "IPv4"},
    {"mqtt://1.2.3.256", "IPv4"},
    {"mqtt://1.2.3.4.5", "IPv4"},
    {"mqtt://12", "IPv4"},
    {"mqtt://a..b", "host name"},
    {"mqtt://.", "host name"},
    {"mqtt://.a", "host name"},
    {"mqtt://a%62c", "host name"},
    {"mqtt://a*b", "host name"},
    {"mqtt://h/path", "path"},
    {"mqtt://h?query", "path"},
    {"mqtt://h/#f", "#"},
    {"ws://h/a#f", "#"},
    {"mqtt://b\xc3\xbc.example", "ASCII"},
    {"mqtt://u%zz@h", "user name"},
    {"mqtt://u%0@h", "user name"},
    {"mqtt://u%00@h", "user name"},
    {"mqtt://u:p%@h", "password"},
    {"mqtt://u:p%00@h", "password"},
    {"unix://", "absolute"},
    {"unix://@", "absolute"},
    {"unix://relative", "absolute"},
    {"unix:///a%00b", "path"},
    {"mqtt+srv://h:1883", "SRV"},
    {"mqtt+srv://10.0.0.1", "SRV"},
    {"mqtt+srv://[::1]", "SRV"},
    {"mqtt://good bad://h", "scheme"},
};

START_TEST(test_bad)
{
	struct mqev_endpoint_list list;
	const char *why = NULL;
	int rc = mqev_url_parse(bad[_i].url, &list, &why);

	ck_assert_msg(rc == MQEV_ERR_INVALID, "%s: %d", bad[_i].url, rc);
	ck_assert_msg(why != NULL && strstr(why, bad[_i].why) != NULL, "%s: %s", bad[_i].url, why);
	ck_assert_uint_eq(list.count, 0);
	ck_assert_ptr_null(list.at);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(test_lengths)
{
	struct mqev_endpoint_list list;
	char url[512], *at;
	int i;

	/* A name of four labels of 62 and one of 1 is 253 characters long, and allowed. */
	at = url;
	for (i = 0; i < 4; i++)
		at += sprintf(at, "%062d.", 0), at[-2] = 'a';
	strcpy(at, "a");
	ck_assert_uint_eq(strlen(url), 253);
	ck_assert_int_eq(mqev_url_parse(url, &list, NULL), 0);
	mqev_endpoint_list_free(&list);
	strcpy(at, "aa");
	ck_assert_int_eq(mqev_url_parse(url, &list, NULL), MQEV_ERR_INVALID);
	sprintf(url, "%063d.x", 0);
	ck_assert_int_eq(mqev_url_parse(url, &list, NULL), 0);
	mqev_endpoint_list_free(&list);
	sprintf(url, "%064d.x", 0);
	ck_assert_int_eq(mqev_url_parse(url, &list, NULL), MQEV_ERR_INVALID);
	sprintf(url, "unix:///%0106d", 0);
	ck_assert_int_eq(mqev_url_parse(url, &list, NULL), 0);
	mqev_endpoint_list_free(&list);
	sprintf(url, "unix:///%0107d", 0);
	ck_assert_int_eq(mqev_url_parse(url, &list, NULL), MQEV_ERR_INVALID);
}
END_TEST

START_TEST(test_list)
{
	static const char *const want[] = {
	    " a 1883 - - -", "tls+ b 8883 - u p", "tls+ws+ c 443 /mqtt - -"};
	struct mqev_endpoint_list list;
	char text[300];
	size_t i;

	ck_assert_int_eq(mqev_url_parse("  a\tmqtts://u:p@b \n wss://c ", &list, NULL), 0);
	ck_assert_uint_eq(list.count, 3);
	for (i = 0; i < 3; i++) {
		render(&list.at[i], text, sizeof text);
		ck_assert_str_eq(text, want[i]);
	}
	mqev_endpoint_list_free(&list);
	mqev_endpoint_list_free(&list);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(test_no_memory)
{
	static const char urls[] = "wss://u:p@h/path mqtt://[::1] unix:///a b";
	struct mqev_endpoint_list list;
	const char *why;
	size_t n;

	for (n = 0; fail_mem_after(n), mqev_url_parse(urls, &list, &why) != 0; n++) {
		ck_assert_str_eq(why, "out of memory");
		ck_assert_uint_eq(list.count, 0);
		ck_assert_uint_eq(fail_mem_live(), 0);
	}
	ck_assert_uint_ge(n, 11);
	fail_mem_never();
	mqev_endpoint_list_free(&list);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

static void
add(TCase *tcase)
{
	tcase_add_loop_test(tcase, test_good, 0, (int)COUNT_OF(good));
	tcase_add_loop_test(tcase, test_bad, 0, (int)COUNT_OF(bad));
	tcase_add_test(tcase, test_lengths);
	tcase_add_test(tcase, test_list);
	tcase_add_test(tcase, test_no_memory);
}

int
main(void)
{
	return unit_run("url", add);
}
