/* Lists of servers that clients of a fleet share: which are the same, how long one lives, and what
 * is left without memory. */
#include <check.h>
#include <stdio.h>

#include "client/servers.h"
#include "fault/fail_mem.h"
#include "unit/unit.h"

static struct mqev_servers *in_use;

static struct mqev_servers *
get(const char *urls)
{
	struct mqev_endpoint_list list;
	const char *why;
	struct mqev_servers *servers;

	ck_assert_int_eq(mqev_url_parse(urls, &list, &why), 0);
	servers = mqev_servers_get(&in_use, &list, urls);
	ck_assert_ptr_nonnull(servers);
	ck_assert_uint_eq(list.count, 0);
	return servers;
}

START_TEST(the_same_is_stored_once)
{
	static const char urls[] = "mqtts://u:p@one.test wss://two.test/mqtt?x=1";
	struct mqev_servers *first = get(urls);
	size_t live = fail_mem_live();

	/* Another spelling of the same. */
	ck_assert_ptr_eq(get(urls), first);
	ck_assert_ptr_eq(get("ssl://u:p@one.test:8883 wss://two.test:443/mqtt?x=1"), first);
	ck_assert_ptr_eq(mqev_servers_find(in_use, urls), first);
	ck_assert_ptr_null(mqev_servers_find(in_use, "ssl://u:p@one.test:8883"));
	ck_assert_ptr_null(mqev_servers_find(in_use, ""));
	ck_assert_uint_eq(fail_mem_live(), live);
	for (int i = 0; i < 4; i++)
		mqev_servers_unref(first);
	ck_assert_ptr_null(in_use);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(what_differs_is_kept_apart)
{
	static const char *const urls[] = {"one.test", "one.test:1884", "tls://one.test:1883",
	    "ws://one.test:1883/", "two.test", "u@one.test", "u:p@one.test", "one.test two.test"};
	struct mqev_servers *servers[COUNT_OF(urls)];

	for (size_t i = 0; i < COUNT_OF(urls); i++) {
		servers[i] = get(urls[i]);
		for (size_t j = 0; j < i; j++)
			ck_assert_ptr_ne(servers[i], servers[j]);
	}
	/* From the middle, the end and the beginning of those in use. */
	mqev_servers_unref(servers[3]);
	mqev_servers_unref(servers[0]);
	mqev_servers_unref(servers[7]);
	ck_assert_ptr_eq(get("u@one.test"), servers[5]);
	mqev_servers_unref(servers[5]);
	for (size_t i = 0; i < COUNT_OF(urls); i++) {
		if (i != 3 && i != 0 && i != 7)
			mqev_servers_unref(servers[i]);
	}
	ck_assert_ptr_null(in_use);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

/* Not found again behind many others: one more is made, and nothing else comes of it. */
START_TEST(the_search_has_an_end)
{
	struct mqev_servers *first = get("first.test");
	struct mqev_servers *others[20];
	struct mqev_servers *again;
	char url[32];

	for (size_t i = 0; i < COUNT_OF(others); i++) {
		snprintf(url, sizeof(url), "host%zu.test", i);
		others[i] = get(url);
	}
	again = get("first.test");
	ck_assert_ptr_ne(again, first);
	ck_assert(mqev_endpoint_list_same(&again->list, &first->list));
	for (size_t i = 0; i < COUNT_OF(others); i++)
		mqev_servers_unref(others[i]);
	mqev_servers_unref(first);
	mqev_servers_unref(again);
	mqev_servers_unref(NULL);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(without_memory_nothing_stays)
{
	struct mqev_endpoint_list list;
	const char *why;

	ck_assert_int_eq(mqev_url_parse("one.test", &list, &why), 0);
	fail_mem_after(0);
	ck_assert_ptr_null(mqev_servers_get(&in_use, &list, "one.test"));
	fail_mem_never();
	ck_assert_ptr_null(in_use);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, the_same_is_stored_once);
	tcase_add_test(tc, what_differs_is_kept_apart);
	tcase_add_test(tc, the_search_has_an_end);
	tcase_add_test(tc, without_memory_nothing_stays);
}

int
main(void)
{
	return unit_run("servers", add);
}
