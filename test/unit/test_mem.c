/* The allocator's promises; that each allocation can fail is for the fault tests. */
#include "core/mem.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

START_TEST(zero_size_is_a_block)
{
	void *a = mqev_malloc(0);
	void *b = mqev_calloc(0, 4);
	void *c = mqev_realloc(NULL, 0);
	void *d = mqev_memdup(NULL, 0);

	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_nonnull(b);
	ck_assert_ptr_nonnull(c);
	ck_assert_ptr_nonnull(d);
	mqev_free(a);
	mqev_free(b);
	mqev_free(c);
	mqev_free(d);
}
END_TEST

START_TEST(calloc_zeroes_and_refuses_overflow)
{
	static const unsigned char zero[64];
	volatile size_t huge = SIZE_MAX / 2;
	void *p = mqev_calloc(16, 4);

	ck_assert_ptr_nonnull(p);
	ck_assert_mem_eq(p, zero, sizeof(zero));
	mqev_free(p);
	ck_assert_ptr_null(mqev_calloc(huge, 3));
}
END_TEST

START_TEST(realloc_keeps_bytes)
{
	char *p = mqev_memdup("abc", 3);

	ck_assert_ptr_nonnull(p);
	p = mqev_realloc(p, 100000);
	ck_assert_ptr_nonnull(p);
	ck_assert_mem_eq(p, "abc", 3);
	mqev_free(p);
}
END_TEST

START_TEST(copies_are_apart)
{
	char text[] = "topic/level";
	char *copy = mqev_strdup(text);
	char *bytes = mqev_memdup(text, sizeof(text));

	ck_assert_ptr_nonnull(copy);
	ck_assert_ptr_nonnull(bytes);
	memset(text, 'x', sizeof(text) - 1);
	ck_assert_str_eq(copy, "topic/level");
	ck_assert_mem_eq(bytes, "topic/level", sizeof(text));
	mqev_free(copy);
	mqev_free(bytes);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mem");
	TCase *tc = tcase_create("mem");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_test(tc, zero_size_is_a_block);
	tcase_add_test(tc, calloc_zeroes_and_refuses_overflow);
	tcase_add_test(tc, realloc_keeps_bytes);
	tcase_add_test(tc, copies_are_apart);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
