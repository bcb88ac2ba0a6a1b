/* Kills of client and broker: each point at its first passings, and some at random; make check-kill
 * runs the campaign. */
#include <check.h>

#include "kill/campaign.h"
#include "lib/loop.h"

START_TEST(at_each_point)
{
	struct kill_counts counts = {0};

	ck_assert(kill_all_points(1, 3, &counts));
	kill_print(&counts);
	ck_assert_uint_gt(counts.client_kills, 60);
	ck_assert_uint_gt(counts.broker_kills, 20);
	ck_assert_uint_gt(counts.again, 0);
	ck_assert_uint_gt(counts.gated, 100);
	ck_assert_uint_eq(counts.syncs, counts.gated);
}
END_TEST

static const int versions[] = {5, 4};

START_TEST(at_random)
{
	struct kill_counts counts = {0};

	for (uint64_t seed = 1; seed <= 4; seed++)
		ck_assert(kill_at_random(seed, versions[_i], 8, &counts));
	kill_print(&counts);
	ck_assert_uint_gt(counts.client_kills, 8);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("kill");
	TCase *tc = tk_case(suite, "kill");

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, at_each_point);
	tcase_add_loop_test(tc, at_random, 0, 2);
	return tk_main(suite);
}
