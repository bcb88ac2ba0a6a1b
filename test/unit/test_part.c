/* What hangs on a client only at times, and how large what every client has may be. */
#include <stddef.h>
#include <stdlib.h>

#include <check.h>

#include "client/client.h"
#include "client/link.h"
#include "unit/unit.h"

static struct mqev_part *parts;

START_TEST(each_is_found)
{
	struct mqev_part drain;
	struct mqev_part rpc;

	parts = NULL;
	ck_assert_ptr_null(mqev_part_find(parts, MQEV_PART_DRAIN));
	mqev_part_add(&parts, &drain, MQEV_PART_DRAIN);
	ck_assert_ptr_null(mqev_part_find(parts, MQEV_PART_RPC));
	mqev_part_add(&parts, &rpc, MQEV_PART_RPC);
	ck_assert_ptr_eq(mqev_part_find(parts, MQEV_PART_DRAIN), &drain);
	ck_assert_ptr_eq(mqev_part_find(parts, MQEV_PART_RPC), &rpc);
}
END_TEST

/* The first, one amidst, the last: the others stay. */
START_TEST(each_is_taken_off)
{
	struct mqev_part part[3];

	parts = NULL;
	for (unsigned i = 0; i < 3; i++)
		mqev_part_add(&parts, &part[i], (enum mqev_part_kind)i);
	mqev_part_remove(&parts, &part[_i]);
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_eq(
		    mqev_part_find(parts, (enum mqev_part_kind)i), i == _i ? NULL : &part[i]);
	mqev_part_add(&parts, &part[_i], (enum mqev_part_kind)_i);
	ck_assert_ptr_eq(mqev_part_find(parts, (enum mqev_part_kind)_i), &part[_i]);
}
END_TEST

START_TEST(the_list_may_be_empty_again)
{
	struct mqev_part part;

	parts = NULL;
	mqev_part_add(&parts, &part, MQEV_PART_NOTES);
	mqev_part_remove(&parts, &part);
	ck_assert_ptr_null(parts);
}
END_TEST

/* With pointers of eight bytes, as doc/performance.md says. What makes them larger makes every
 * client larger: it had better be worth it. */
START_TEST(what_every_client_has)
{
	if (sizeof(void *) != 8)
		return;
	ck_assert_uint_le(sizeof(struct mqev_session), 176);
	ck_assert_uint_le(offsetof(struct mqev_client, given_id), 364);
	ck_assert_uint_le(sizeof(struct mqev_link), 72);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, each_is_found);
	tcase_add_loop_test(tc, each_is_taken_off, 0, 3);
	tcase_add_test(tc, the_list_may_be_empty_again);
	tcase_add_test(tc, what_every_client_has);
}

int
main(void)
{
	return unit_run("part", add_tests);
}
