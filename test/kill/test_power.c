/* Loss of power: some hundred images; make check-power looks at ten thousand. */
#include <check.h>
#include <stdlib.h>

#include "kill/power_run.h"
#include "lib/loop.h"

#define LIVES 6
#define IMAGES 50

START_TEST(what_was_synced_is_there)
{
	struct power_counts counts = {0};
	char *folder = tk_tmpdir();

	for (uint64_t seed = 1; seed <= LIVES; seed++)
		ck_assert(power_run(folder, seed, IMAGES, &counts));
	power_print(&counts);
	/* Else it would have looked at nothing. */
	ck_assert_uint_gt(counts.synced, 0);
	ck_assert_uint_gt(counts.folds, 0);
	ck_assert_uint_gt(counts.open, 0);
	ck_assert_uint_gt(counts.behind, 0);
	tk_rmtree(folder);
	free(folder);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("power");
	TCase *tc = tk_case(suite, "power");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, what_was_synced_is_there);
	return tk_main(suite);
}
