/* The table of packet identifiers against a plain array of 65,536, and with memory failing. */
#include "unit/unit.h"

#include <string.h>

#include "core/ids.h"
#include "fault/fail_mem.h"

static char marks[65536];

static void *
mark(unsigned mid)
{
	return &marks[mid];
}

START_TEST(empty_holds_nothing)
{
	struct mqev_ids ids = {NULL, 0, 0};

	ck_assert_ptr_null(mqev_ids_get(&ids, 1));
	ck_assert_ptr_null(mqev_ids_get(&ids, 0));
	ck_assert_ptr_null(mqev_ids_remove(&ids, 1));
	mqev_ids_trim(&ids);
	mqev_ids_clear(&ids);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(all_identifiers_at_once)
{
	struct mqev_ids ids = {NULL, 0, 0};
	unsigned mid;

	for (mid = 1; mid <= 65535; mid++)
		ck_assert(mqev_ids_put(&ids, (uint16_t)mid, mark(mid)));
	ck_assert_uint_eq(ids.count, 65535);
	ck_assert_ptr_null(mqev_ids_get(&ids, 0));
	for (mid = 1; mid <= 65535; mid++)
		ck_assert_ptr_eq(mqev_ids_get(&ids, (uint16_t)mid), mark(mid));
	for (mid = 65535; mid >= 1; mid--)
		ck_assert_ptr_eq(mqev_ids_remove(&ids, (uint16_t)mid), mark(mid));
	ck_assert_uint_eq(ids.count, 0);
	mqev_ids_trim(&ids);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

/* Identifiers that share their low bits crowd the same place, also round the end of the table. */
static uint16_t
crowded_mid(uint32_t *state)
{
	uint32_t random = unit_random(state);
	unsigned low = (random & 3) == 0 ? 0u : 14u + (random & 1u);

	return (uint16_t)(low | (random >> 8 & 0x3Fu) << 4 | 0x4000u);
}

START_TEST(random_puts_and_removes)
{
	struct mqev_ids ids = {NULL, 0, 0};
	static void *want[65536];
	uint32_t state = (uint32_t)_i + 1;
	unsigned step, mid;

	memset(want, 0, sizeof(want));
	for (step = 0; step < 200000; step++) {
		mid = _i % 2 == 0 ? crowded_mid(&state) : 1 + unit_random(&state) % 300;
		if (want[mid] == NULL && (unit_random(&state) & 1) != 0) {
			ck_assert(mqev_ids_put(&ids, (uint16_t)mid, mark(mid)));
			want[mid] = mark(mid);
		} else {
			ck_assert_ptr_eq(mqev_ids_remove(&ids, (uint16_t)mid), want[mid]);
			want[mid] = NULL;
		}
		ck_assert_ptr_eq(mqev_ids_get(&ids, (uint16_t)mid), want[mid]);
	}
	for (mid = 0; mid <= 65535; mid++)
		ck_assert_ptr_eq(mqev_ids_get(&ids, (uint16_t)mid), want[mid]);
	mqev_ids_clear(&ids);
	ck_assert_uint_eq(ids.count, 0);
	ck_assert_ptr_null(mqev_ids_get(&ids, 1));
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(grows_at_three_quarters)
{
	struct mqev_ids ids = {NULL, 0, 0};
	unsigned mid;

	for (mid = 1; mid <= 12; mid++)
		ck_assert(mqev_ids_put(&ids, (uint16_t)mid, mark(mid)));
	ck_assert_uint_eq(ids.capacity, 16);
	ck_assert(mqev_ids_put(&ids, 13, mark(13)));
	ck_assert_uint_eq(ids.capacity, 32);
	mqev_ids_clear(&ids);
}
END_TEST

START_TEST(reserve_makes_the_next_put_safe)
{
	struct mqev_ids ids = {NULL, 0, 0};
	unsigned mid;

	for (mid = 1; mid <= 100; mid++) {
		ck_assert(mqev_ids_reserve(&ids));
		fail_mem_after(0);
		ck_assert(mqev_ids_put(&ids, (uint16_t)mid, mark(mid)));
		fail_mem_never();
	}
	mqev_ids_clear(&ids);
}
END_TEST

START_TEST(no_memory_changes_nothing)
{
	struct mqev_ids ids = {NULL, 0, 0};
	unsigned mid, held, refused = 0;

	for (mid = 1; mid <= 100; mid++) {
		fail_mem_after(0);
		if (!mqev_ids_put(&ids, (uint16_t)mid, mark(mid))) {
			refused++;
			ck_assert_uint_eq(ids.count, mid - 1);
			ck_assert_ptr_null(mqev_ids_get(&ids, (uint16_t)mid));
			for (held = 1; held < mid; held++)
				ck_assert_ptr_eq(mqev_ids_get(&ids, (uint16_t)held), mark(held));
			ck_assert(mqev_ids_put(&ids, (uint16_t)mid, mark(mid)));
		}
		fail_mem_never();
	}
	ck_assert_uint_eq(refused, 5);
	mqev_ids_clear(&ids);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(trim_frees_only_what_is_empty)
{
	struct mqev_ids ids = {NULL, 0, 0};

	ck_assert(mqev_ids_put(&ids, 7, mark(7)));
	mqev_ids_trim(&ids);
	ck_assert_ptr_eq(mqev_ids_get(&ids, 7), mark(7));
	ck_assert_ptr_eq(mqev_ids_remove(&ids, 7), mark(7));
	ck_assert_uint_eq(fail_mem_live(), 1);
	mqev_ids_trim(&ids);
	ck_assert_uint_eq(fail_mem_live(), 0);
	ck_assert(mqev_ids_put(&ids, 7, mark(7)));
	mqev_ids_clear(&ids);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, empty_holds_nothing);
	tcase_add_test(tc, all_identifiers_at_once);
	tcase_add_loop_test(tc, random_puts_and_removes, 0, 4);
	tcase_add_test(tc, grows_at_three_quarters);
	tcase_add_test(tc, reserve_makes_the_next_put_safe);
	tcase_add_test(tc, no_memory_changes_nothing);
	tcase_add_test(tc, trim_frees_only_what_is_empty);
}

int
main(void)
{
	return unit_run("ids", add);
}
