/* The table by which other threads ask how an operation has ended. */
#include <stdlib.h>

#include <check.h>

#include <mqev/reason.h>

#include "fault/fail_mem.h"
#include "lib/loop.h"
#include "thread/ended.h"
#include "thread/remote.h"

#define MANY 5000

START_TEST(numbers_and_ends)
{
	struct mqev_ended e = {0};
	struct mqev_post posts[4] = {0};

	ck_assert_int_eq(mqev_ended_ask(&e, 1), MQEV_ERR_NOT_FOUND);
	for (int i = 0; i < 4; i++) {
		ck_assert(mqev_ended_add(&e, &posts[i]));
		ck_assert_uint_eq(posts[i].number, (uint64_t)i + 1);
		ck_assert_int_eq(mqev_ended_ask(&e, i + 1), 0);
	}
	mqev_ended_set(&e, &posts[1], 0);
	mqev_ended_set(&e, &posts[3], MQEV_ERR_REFUSED);
	ck_assert_int_eq(mqev_ended_ask(&e, 1), 0);
	ck_assert_int_eq(mqev_ended_ask(&e, 2), 1);
	ck_assert_int_eq(mqev_ended_ask(&e, 3), 0);
	ck_assert_int_eq(mqev_ended_ask(&e, 4), MQEV_ERR_REFUSED);
	ck_assert_int_eq(mqev_ended_ask(&e, 5), MQEV_ERR_NOT_FOUND);
	ck_assert_int_eq(mqev_ended_ask(&e, 0), MQEV_ERR_NOT_FOUND);
	ck_assert_int_eq(mqev_ended_ask(&e, -4), MQEV_ERR_NOT_FOUND);
	ck_assert_uint_eq(e.unfinished, 2);
	mqev_ended_free(&e);
}
END_TEST

START_TEST(many_in_any_order)
{
	struct mqev_ended e = {0};
	struct mqev_post *posts = calloc(MANY, sizeof(*posts));

	for (int i = 0; i < MANY; i++)
		ck_assert(mqev_ended_add(&e, &posts[i]));
	ck_assert_uint_ge(e.slot_count, MANY / 2);
	/* 7 has no common divisor with their number. */
	for (int i = 0; i < MANY; i++) {
		int at = i * 7 % MANY;

		ck_assert_int_eq(mqev_ended_ask(&e, at + 1), 0);
		mqev_ended_set(&e, &posts[at], 0);
		ck_assert_int_eq(mqev_ended_ask(&e, at + 1), 1);
	}
	ck_assert_uint_eq(e.unfinished, 0);
	mqev_ended_free(&e);
	free(posts);
}
END_TEST

/* A success is never told of what may have been a failure. */
START_TEST(old_failures_are_forgotten)
{
	struct mqev_ended e = {0};
	struct mqev_post post = {0};

	for (int i = 1; i <= MQEV_ENDED_FAILURES + 10; i++) {
		ck_assert(mqev_ended_add(&e, &post));
		mqev_ended_set(&e, &post, MQEV_ERR_LOST);
	}
	ck_assert(mqev_ended_add(&e, &post));
	mqev_ended_set(&e, &post, 0);
	for (int i = 1; i <= 10; i++)
		ck_assert_int_eq(mqev_ended_ask(&e, i), MQEV_ERR_NOT_FOUND);
	for (int i = 11; i <= MQEV_ENDED_FAILURES + 10; i++)
		ck_assert_int_eq(mqev_ended_ask(&e, i), MQEV_ERR_LOST);
	ck_assert_int_eq(mqev_ended_ask(&e, MQEV_ENDED_FAILURES + 11), 1);
	mqev_ended_free(&e);
}
END_TEST

START_TEST(without_memory)
{
	struct mqev_ended e = {0};
	struct mqev_post posts[40] = {0};

	fail_mem_from(0);
	ck_assert(!mqev_ended_add(&e, &posts[0]));
	ck_assert_uint_eq(e.last, 0);
	fail_mem_never();
	ck_assert(mqev_ended_add(&e, &posts[0]));
	/* A table that cannot grow goes on; a failure that cannot be noted is unknown. */
	fail_mem_from(0);
	for (int i = 1; i < 40; i++)
		ck_assert(mqev_ended_add(&e, &posts[i]));
	mqev_ended_set(&e, &posts[20], MQEV_ERR_LOST);
	mqev_ended_set(&e, &posts[30], 0);
	fail_mem_never();
	ck_assert_int_eq(mqev_ended_ask(&e, 21), MQEV_ERR_NOT_FOUND);
	ck_assert_int_eq(mqev_ended_ask(&e, 31), 1);
	ck_assert_int_eq(mqev_ended_ask(&e, 40), 0);
	mqev_ended_free(&e);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ended");
	TCase *tc = tk_case(s, "table");

	tcase_add_test(tc, numbers_and_ends);
	tcase_add_test(tc, many_in_any_order);
	tcase_add_test(tc, old_failures_are_forgotten);
	tcase_add_test(tc, without_memory);
	return tk_main(s);
}
