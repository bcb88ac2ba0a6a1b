/* The governor under a virtual clock: who may begin when, in which order, and what descriptors that
 * run out change. */
#include <stdint.h>
#include <string.h>

#include <check.h>

#include "client/governor.h"
#include "unit/unit.h"

#define MANY 100

static struct mqev_governor g;
static struct mqev_turn turns[MANY];

static void
make(uint32_t max_active, uint32_t per_second, uint32_t burst)
{
	const struct mqev_governor_limits limits = {max_active, per_second, burst};

	memset(turns, 0, sizeof(turns));
	mqev_governor_init(&g, &limits, 1000);
}

/* All ask at now, in their order; how many may begin. */
static int
ask_all(uint64_t now)
{
	int begun = 0;

	for (int i = 0; i < MANY; i++)
		begun += mqev_governor_ask(&g, &turns[i], now);
	return begun;
}

/* Lets in whom it can, who must come in their order from first on. */
static int
let_in(int first, uint64_t now)
{
	struct mqev_turn *turn;
	int n = 0;

	while ((turn = mqev_governor_next(&g, now)) != NULL) {
		ck_assert_ptr_eq(turn, &turns[first + n]);
		ck_assert_int_eq(turn->state, MQEV_TURN_ACTIVE);
		n++;
	}
	return n;
}

START_TEST(without_limits_all_begin)
{
	make(UINT32_MAX, UINT32_MAX, UINT32_MAX);
	ck_assert_int_eq(ask_all(1000), MANY);
	ck_assert_uint_eq(g.active, MANY);
	ck_assert_uint_eq(g.waiting, 0);
	ck_assert_uint_eq(mqev_governor_due(&g, 1000), UINT64_MAX);
}
END_TEST

START_TEST(so_many_at_once)
{
	make(7, UINT32_MAX, 1);
	ck_assert_int_eq(ask_all(1000), 7);
	ck_assert_uint_eq(g.waiting, MANY - 7);
	ck_assert_uint_eq(mqev_governor_due(&g, 1000), UINT64_MAX);
	ck_assert_int_eq(let_in(7, 999999), 0);
	for (int i = 0; i + 7 < MANY; i++) {
		ck_assert(mqev_governor_leave(&g, &turns[i]));
		ck_assert_uint_eq(mqev_governor_due(&g, 5), 5);
		ck_assert_int_eq(let_in(i + 7, 5), 1);
	}
	for (int i = MANY - 7; i < MANY; i++)
		ck_assert(!mqev_governor_leave(&g, &turns[i]));
	ck_assert_uint_eq(g.active, 0);
	ck_assert_uint_eq(g.waiting, 0);
}
END_TEST

/* 20 in a second are one in 50 ms. */
START_TEST(so_many_per_second)
{
	make(UINT32_MAX, 20, 3);
	ck_assert_int_eq(ask_all(1000), 3);
	ck_assert_uint_eq(mqev_governor_due(&g, 1000), 1050);
	ck_assert_int_eq(let_in(3, 1049), 0);
	ck_assert_int_eq(let_in(3, 1050), 1);
	ck_assert_uint_eq(mqev_governor_due(&g, 1050), 1100);
	ck_assert_int_eq(let_in(4, 1125), 1);
	ck_assert_uint_eq(mqev_governor_due(&g, 1125), 1150);
	/* What was not used for long comes back as one burst only. */
	ck_assert_int_eq(let_in(5, UINT64_C(1) << 50), 3);
}
END_TEST

/* 1,000 in a second do not wake the loop 1,000 times. */
START_TEST(fast_ones_begin_together)
{
	uint64_t now = 1000;
	int begun, looks = 0;

	make(UINT32_MAX, 1000, 20);
	begun = ask_all(now);
	ck_assert_int_eq(begun, 20);
	ck_assert_uint_eq(mqev_governor_due(&g, now), 1010);
	ck_assert_int_eq(let_in(begun, 1009), 9);
	ck_assert_uint_eq(mqev_governor_due(&g, 1009), 1019);
	begun += 9;
	now = 1009;
	for (; begun < MANY; looks++) {
		now = mqev_governor_due(&g, now);
		begun += let_in(begun, now);
	}
	ck_assert_int_le(looks, 8);
	ck_assert_uint_le(now, 1000 + (MANY - 20) + 10);
}
END_TEST

/* No longer than the last in line needs, and not for more than the bucket holds. */
START_TEST(batches_are_no_longer_than_they_must)
{
	make(UINT32_MAX, 1000, MANY - 3);
	ck_assert_int_eq(ask_all(1000), MANY - 3);
	ck_assert_uint_eq(mqev_governor_due(&g, 1000), 1003);
	make(UINT32_MAX, 1000, 4);
	ck_assert_int_eq(ask_all(1000), 4);
	ck_assert_uint_eq(mqev_governor_due(&g, 1000), 1004);
	ck_assert_int_eq(let_in(4, 1004), 4);
}
END_TEST

/* In no second more than the rate and one burst begin, however the clock is looked at. */
START_TEST(rate_holds)
{
	uint64_t begun_at[MANY];
	int begun;

	make(UINT32_MAX, 30, 4);
	begun = ask_all(1000);
	for (int i = 0; i < begun; i++)
		begun_at[i] = 1000;
	for (uint64_t now = 1000; begun < MANY; now += now % 7) {
		int n = let_in(begun, ++now);

		for (int i = 0; i < n; i++)
			begun_at[begun++] = now;
	}
	for (int i = 34; i < MANY; i++)
		ck_assert_uint_gt(begun_at[i], begun_at[i - 34] + 999);
	ck_assert_uint_lt(begun_at[MANY - 1], 1000 + (MANY - 4) * 1000 / 30 + 20);
}
END_TEST

START_TEST(line_keeps_its_order)
{
	make(1, UINT32_MAX, 1);
	ck_assert_int_eq(ask_all(1000), 1);
	/* First, last and from the middle, one of them active. */
	ck_assert(!mqev_governor_leave(&g, &turns[1]));
	ck_assert(!mqev_governor_leave(&g, &turns[MANY - 1]));
	ck_assert(!mqev_governor_leave(&g, &turns[3]));
	ck_assert(!mqev_governor_leave(&g, &turns[3]));
	ck_assert_uint_eq(g.waiting, MANY - 4);
	ck_assert(!mqev_governor_ask(&g, &turns[1], 1000));
	ck_assert(mqev_governor_leave(&g, &turns[0]));
	ck_assert_ptr_eq(mqev_governor_next(&g, 1000), &turns[2]);
	ck_assert(mqev_governor_leave(&g, &turns[2]));
	for (int i = 4; i < MANY - 1; i++) {
		ck_assert_int_eq(let_in(i, 1000), 1);
		ck_assert(mqev_governor_leave(&g, &turns[i]));
	}
	ck_assert_int_eq(let_in(1, 1000), 1);
	ck_assert(!mqev_governor_leave(&g, &turns[1]));
}
END_TEST

/* Who asks while others wait goes behind them, although there is room. */
START_TEST(nobody_overtakes)
{
	make(2, UINT32_MAX, 1);
	ck_assert(mqev_governor_ask(&g, &turns[0], 1000));
	ck_assert(mqev_governor_ask(&g, &turns[1], 1000));
	ck_assert(!mqev_governor_ask(&g, &turns[2], 1000));
	mqev_governor_leave(&g, &turns[0]);
	ck_assert(!mqev_governor_ask(&g, &turns[3], 1000));
	ck_assert_ptr_eq(mqev_governor_next(&g, 1000), &turns[2]);
}
END_TEST

START_TEST(limits_change)
{
	const struct mqev_governor_limits wide = {50, 1000, 40};
	const struct mqev_governor_limits narrow = {2, 10, 1};

	make(2, 10, 1);
	ck_assert_int_eq(ask_all(1000), 1);
	mqev_governor_set_limits(&g, &wide, 1100);
	ck_assert_int_eq(let_in(1, 1100), 1);
	ck_assert_int_eq(let_in(2, 1140), 40);
	mqev_governor_set_limits(&g, &narrow, 1180);
	ck_assert_uint_eq(mqev_governor_due(&g, 1180), UINT64_MAX);
	ck_assert_int_eq(let_in(42, 9999), 0);
	for (int i = 0; i < 41; i++)
		mqev_governor_leave(&g, &turns[i]);
	ck_assert_int_eq(let_in(42, 20000), 1);
	ck_assert_int_eq(let_in(43, 20001), 0);
}
END_TEST

/* --- descriptors ------------------------------------------------------------------------------ */

START_TEST(no_descriptors)
{
	make(10, UINT32_MAX, 1);
	ck_assert_int_eq(ask_all(1000), 10);
	/* Ten that failed together are one failure. */
	for (int i = 0; i < 10; i++) {
		mqev_governor_leave(&g, &turns[i]);
		mqev_governor_hold(&g, 1001);
	}
	ck_assert_uint_eq(mqev_governor_due(&g, 1001), 1251);
	ck_assert_int_eq(let_in(10, 1250), 0);
	/* One tries; while it fails the waits double, up to 4 s. */
	ck_assert_int_eq(let_in(10, 1251), 1);
	mqev_governor_leave(&g, &turns[10]);
	mqev_governor_hold(&g, 1252);
	ck_assert_uint_eq(mqev_governor_due(&g, 1252), 1752);
	for (int i = 11; i < 16; i++) {
		uint64_t due = mqev_governor_due(&g, 0);

		ck_assert_int_eq(let_in(i, due), 1);
		mqev_governor_leave(&g, &turns[i]);
		mqev_governor_hold(&g, due);
	}
	ck_assert_uint_eq(g.hold_ms, 4000);
	ck_assert_int_eq(let_in(16, 999999), 1);
	/* One that neither fails nor gets on does not stop the others for good. */
	ck_assert_int_eq(let_in(17, 999999), 0);
	ck_assert_int_eq(let_in(17, 999999 + 4000), 1);
	mqev_governor_relieve(&g);
	ck_assert_int_eq(let_in(18, 999999 + 4000), 8);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, without_limits_all_begin);
	tcase_add_test(tc, so_many_at_once);
	tcase_add_test(tc, so_many_per_second);
	tcase_add_test(tc, fast_ones_begin_together);
	tcase_add_test(tc, batches_are_no_longer_than_they_must);
	tcase_add_test(tc, rate_holds);
	tcase_add_test(tc, line_keeps_its_order);
	tcase_add_test(tc, nobody_overtakes);
	tcase_add_test(tc, limits_change);
	tcase_add_test(tc, no_descriptors);
}

int
main(void)
{
	return unit_run("governor", add_tests);
}
