/* A short run of the simulation among the other tests; make check-sim has the long one. */
#include <stdio.h>

#include "lib/loop.h"
#include "sim/run.h"

#define PARTS 10
#define RUNS 200 /* of each part */

START_TEST(simulated_runs)
{
	struct world_stats stats = {0};
	uint64_t first = 1 + (uint64_t)_i * RUNS;

	for (uint64_t seed = first; seed < first + RUNS; seed++) {
		const char *error = run_seed(seed, &stats);

		ck_assert_msg(error == NULL, "seed %llu (run test/sim/sim %llu): %s",
		    (unsigned long long)seed, (unsigned long long)seed, error);
	}
	/* Runs in which nothing happens prove nothing. */
	ck_assert_uint_gt(stats.cut, RUNS);
	ck_assert_uint_gt(stats.resumed, RUNS / 4);
	ck_assert_uint_gt(stats.lost, RUNS / 4);
	ck_assert_uint_gt(stats.dups, RUNS / 4);
	ck_assert_uint_gt(stats.late, RUNS / 4);
	ck_assert_uint_gt(stats.operations, RUNS * 20);
	ck_assert_uint_gt(stats.messages, RUNS);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("simulation");
	TCase *tc = tk_case(suite, "simulation");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, simulated_runs, 0, PARTS);
	return tk_main(suite);
}
