/* Error texts: each error has one of its own. */
#include "unit/unit.h"

#include <string.h>

#include <mqev/reason.h>

#define LAST_ERROR MQEV_ERR_DROPPED

START_TEST(each_error_has_its_own_text)
{
	int a, b;

	for (a = 0; a >= LAST_ERROR; a--) {
		ck_assert_uint_gt(strlen(mqev_error_text(a)), 0);
		ck_assert_str_ne(mqev_error_text(a), mqev_error_text(2));
		for (b = 0; b > a; b--)
			ck_assert_str_ne(mqev_error_text(a), mqev_error_text(b));
	}
}
END_TEST

START_TEST(others_are_unknown)
{
	ck_assert_str_eq(mqev_error_text(2), "Unknown error");
	ck_assert_str_eq(mqev_error_text(LAST_ERROR - 1), "Unknown error");
	ck_assert_str_eq(mqev_error_text(-2147483647 - 1), "Unknown error");
	ck_assert_str_eq(mqev_error_text(2147483647), "Unknown error");
}
END_TEST

START_TEST(examples)
{
	ck_assert_str_eq(mqev_error_text(MQEV_OK), "Success");
	ck_assert_str_eq(mqev_error_text(MQEV_ERR_NOMEM), "Out of memory");
	ck_assert_str_eq(mqev_error_text(MQEV_ERR_SESSION_LOST), "Session lost, outcome unknown");
	ck_assert_str_eq(mqev_error_text(MQEV_ERR_AUTH), "Authentication failed");
	ck_assert_str_eq(mqev_error_text(MQEV_ERR_DROPPED), "Dropped");
	ck_assert_str_eq(mqev_error_text(MQEV_KEPT), "Kept by the store");
	ck_assert_str_eq(mqev_error_text(MQEV_ERR_STORE_FULL), "Store full");
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, each_error_has_its_own_text);
	tcase_add_test(tc, others_are_unknown);
	tcase_add_test(tc, examples);
}

int
main(void)
{
	return unit_run("error_text", add);
}
