/* Proxies as options, URLs and exceptions; what is said to them is the wire tests' matter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mqev/net.h>
#include <mqev/reason.h>

#include "fault/fail_mem.h"
#include "net/proxy.h"
#include "unit/unit.h"

static const struct {
	const char *url;
	struct mqev_proxy proxy;
} good[] = {
    {"http://proxy", {0, MQEV_PROXY_HTTP, "proxy", 0, NULL, NULL, 0}},
    {"HTTP://proxy:3128/", {0, MQEV_PROXY_HTTP, "proxy", 3128, NULL, NULL, 0}},
    {"proxy:3128", {0, MQEV_PROXY_HTTP, "proxy", 3128, NULL, NULL, 0}},
    {"http://u%40:p%3a%2f@10.0.0.1:1", {0, MQEV_PROXY_HTTP, "10.0.0.1", 1, "u@", "p:/", 0}},
    {"http://u@p", {0, MQEV_PROXY_HTTP, "p", 0, "u", NULL, 0}},
    {"http://u:@p", {0, MQEV_PROXY_HTTP, "p", 0, "u", "", 0}},
    {"socks4://[::1]:1080", {0, MQEV_PROXY_SOCKS4, "::1", 1080, NULL, NULL, 1}},
    {"socks4a://me@h", {0, MQEV_PROXY_SOCKS4A, "h", 0, "me", NULL, 0}},
    {"socks5://h", {0, MQEV_PROXY_SOCKS5, "h", 0, NULL, NULL, 1}},
    {"socks5h://[2001:db8::1]", {0, MQEV_PROXY_SOCKS5, "2001:db8::1", 0, NULL, NULL, 0}},
};

static void
same_text(const char *a, const char *b)
{
	ck_assert((a == NULL) == (b == NULL));
	if (a != NULL)
		ck_assert_str_eq(a, b);
}

START_TEST(test_url)
{
	const struct mqev_proxy *want = &good[_i].proxy;
	struct mqev_proxy *got;
	const char *why;

	ck_assert_msg(mqev_proxy_from_url(good[_i].url, &got, &why) == 0, "%s", why);
	ck_assert_uint_eq(got->size, sizeof *got);
	ck_assert_int_eq((int)got->type, (int)want->type);
	same_text(got->host, want->host);
	ck_assert_uint_eq(got->port, want->port);
	same_text(got->username, want->username);
	same_text(got->password, want->password);
	ck_assert_int_eq(got->resolve_here, want->resolve_here);
	mqev_proxy_free(got);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

static const char *const bad[] = {"", "ftp://h", "https://h", "http://", "http://h:0", "http://h:x",
    "http://h:1:2", "http://[::1", "http://[::1]2", "http://[x]", "http://h/path", "http://a b",
    "http://u%@h", "http://u%00@h", "http://u%3a:p@h", "socks5://:p@h", "http://:1", "http://h\xff",
    "http://1.2.3"};

START_TEST(test_bad_url)
{
	struct mqev_proxy *got;
	const char *why = NULL;

	ck_assert_int_eq(mqev_proxy_from_url(bad[_i], &got, &why), MQEV_ERR_INVALID);
	ck_assert_ptr_null(got);
	ck_assert_ptr_nonnull(why);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(test_url_without_memory)
{
	struct mqev_proxy *got;
	size_t n;

	for (n = 0; fail_mem_after(n), mqev_proxy_from_url("http://u:p@h", &got, NULL) != 0; n++) {
		ck_assert_ptr_null(got);
		ck_assert_uint_eq(fail_mem_live(), 0);
	}
	ck_assert_uint_eq(n, 4);
	fail_mem_never();
	mqev_proxy_free(got);
	mqev_proxy_free(NULL);
}
END_TEST

START_TEST(test_options)
{
	static char long_name[257];
	const struct mqev_proxy wrong[] = {
	    {.size = 0},
	    {.size = sizeof wrong[0], .type = (enum mqev_proxy_type)5, .host = "h"},
	    {.size = sizeof wrong[0], .type = MQEV_PROXY_HTTP},
	    {.size = sizeof wrong[0], .type = MQEV_PROXY_HTTP, .host = ""},
	    {.size = sizeof wrong[0], .type = MQEV_PROXY_HTTP, .host = "a b"},
	    {.size = sizeof wrong[0], .type = MQEV_PROXY_HTTP, .host = "h", .username = "a:b"},
	    {.size = sizeof wrong[0], .type = MQEV_PROXY_HTTP, .host = "h", .password = "p"},
	    {.size = sizeof wrong[0],
		.type = MQEV_PROXY_SOCKS5,
		.host = "h",
		.username = long_name},
	    {.size = sizeof wrong[0], .type = MQEV_PROXY_SOCKS5, .host = "h", .username = ""},
	};
	struct mqev_proxy out;
	const char *why;
	size_t i;

	memset(long_name, 'x', 256);
	for (i = 0; i < COUNT_OF(wrong); i++) {
		ck_assert_int_eq(mqev_proxy_load(&out, &wrong[i], &why), MQEV_ERR_INVALID);
		ck_assert_ptr_nonnull(why);
	}
	ck_assert_int_eq(mqev_proxy_load(&out, NULL, &why), 0);
	ck_assert_int_eq((int)out.type, MQEV_PROXY_NONE);
	ck_assert_int_eq(
	    mqev_proxy_load(&out, MQEV_PROXY(.type = MQEV_PROXY_SOCKS4, .host = "::1"), &why), 0);
	ck_assert_uint_eq(out.port, 1080);
	ck_assert_int_eq(out.resolve_here, 1);
	ck_assert_int_eq(
	    mqev_proxy_load(
		&out, MQEV_PROXY(.type = MQEV_PROXY_SOCKS4A, .host = "h", .resolve_here = 1), &why),
	    0);
	ck_assert_int_eq(out.resolve_here, 0);
	ck_assert_int_eq(
	    mqev_proxy_load(&out, MQEV_PROXY(.type = MQEV_PROXY_HTTP, .host = "h"), &why), 0);
	ck_assert_uint_eq(out.port, 8080);
}
END_TEST

static const struct {
	const char *list, *host;
	uint16_t port;
	int covered;
} exceptions[] = {
    {NULL, "h", 1883, 0},
    {"", "h", 1883, 0},
    {"*", "h", 1883, 1},
    {"h", "h", 1883, 1},
    {"H", "h", 1883, 1},
    {"h", "h.", 1883, 1},
    {"h", "xh", 1883, 0},
    {"example.org", "a.example.org", 1883, 1},
    {".example.org", "a.b.example.org", 1883, 1},
    {".example.org", "example.org", 1883, 1},
    {"*.example.org", "a.example.org", 1883, 1},
    {"example.org", "anexample.org", 1883, 0},
    {"a.example.org", "example.org", 1883, 0},
    {"x, h ,y", "h", 1883, 1},
    {"x y h", "h", 1883, 1},
    {"h:1883", "h", 1883, 1},
    {"h:8883", "h", 1883, 0},
    {"h:", "h", 1883, 0},
    {"10.0.0.1", "10.0.0.1", 1883, 1},
    {"10.0.0.1:1883", "10.0.0.1", 1883, 1},
    {"10.0.0.1", "10.0.0.10", 1883, 0},
    {"10.0.0.0/8", "10.200.3.4", 1883, 1},
    {"10.0.0.0/8", "11.0.0.1", 1883, 0},
    {"10.0.0.0/9", "10.128.0.1", 1883, 0},
    {"10.0.0.0/9", "10.127.0.1", 1883, 1},
    {"0.0.0.0/0", "1.2.3.4", 1883, 1},
    {"0.0.0.0/0", "::1", 1883, 0},
    {"10.0.0.0/33", "10.0.0.0", 1883, 0},
    {"10.0.0.0/", "10.0.0.0", 1883, 0},
    {"10.0.0.0/x", "10.0.0.0", 1883, 0},
    {"10.0.0.0/8", "ten.example", 1883, 0},
    {"::1", "::1", 1883, 1},
    {"0:0::1", "::1", 1883, 1},
    {"[::1]", "::1", 1883, 1},
    {"[::1]:1883", "::1", 1883, 1},
    {"[::1]:1884", "::1", 1883, 0},
    {"[::1", "::1", 1883, 0},
    {"2001:db8::/32", "2001:db8:1::1", 1883, 1},
    {"2001:db8::/32", "2001:db9::1", 1883, 0},
    {",,", "h", 1883, 0},
    {".", "h", 1883, 0},
    {"*.", "h", 1883, 0},
};

START_TEST(test_no_proxy)
{
	ck_assert_msg(mqev_no_proxy_covers(exceptions[_i].list, exceptions[_i].host,
			  exceptions[_i].port) == exceptions[_i].covered,
	    "%s: %s", exceptions[_i].list, exceptions[_i].host);
}
END_TEST

static void
add(TCase *tcase)
{
	tcase_add_loop_test(tcase, test_url, 0, (int)COUNT_OF(good));
	tcase_add_loop_test(tcase, test_bad_url, 0, (int)COUNT_OF(bad));
	tcase_add_test(tcase, test_url_without_memory);
	tcase_add_test(tcase, test_options);
	tcase_add_loop_test(tcase, test_no_proxy, 0, (int)COUNT_OF(exceptions));
}

int
main(void)
{
	return unit_run("proxy", add);
}
