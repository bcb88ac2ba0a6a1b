/* Waits: the exact row without jitter, and the two ends of the range with it. */
#include "unit/unit.h"

#include "core/backoff.h"

static uint32_t
wait_ms(uint32_t n, uint32_t min_ms, uint32_t max_ms, enum mqev_jitter jitter, uint32_t random)
{
	return mqev_backoff_ms(n, min_ms, max_ms, jitter, random);
}

START_TEST(without_jitter_doubles)
{
	static const uint32_t want[] = {
	    1000, 2000, 4000, 8000, 16000, 32000, 64000, 120000, 120000};
	uint32_t n;

	for (n = 0; n < COUNT_OF(want); n++) {
		ck_assert_uint_eq(wait_ms(n, 1000, 120000, MQEV_JITTER_NONE, 0), want[n]);
		ck_assert_uint_eq(wait_ms(n, 1000, 120000, MQEV_JITTER_NONE, UINT32_MAX), want[n]);
	}
}
END_TEST

static const struct {
	uint32_t n, min_ms, max_ms;
	uint32_t half_low, high; /* full jitter: from min_ms (or max_ms if less) to high */
} ranges[] = {
    {0, 1000, 120000, 1000, 2000},
    {1, 1000, 120000, 2000, 4000},
    {2, 1000, 120000, 4000, 8000},
    {6, 1000, 120000, 60000, 120000},
    {500, 1000, 120000, 60000, 120000},
    {UINT32_MAX, 1000, 120000, 60000, 120000},
    {0, 1000, 1500, 1000, 1500},
    {9, 1000, 1500, 1000, 1500},
    {0, 1000, 1000, 1000, 1000},
    {7, 1000, 10, 1000, 1000},
    {3, 0, 0, 0, 0},
    {3, 0, 5000, 0, 0},
    {0, 1, UINT32_MAX, 1, 2},
    {31, 1, UINT32_MAX, UINT32_MAX / 2, UINT32_MAX},
    {40, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
};

START_TEST(jitter_keeps_its_range)
{
	uint32_t n = ranges[_i].n, min = ranges[_i].min_ms, max = ranges[_i].max_ms;
	uint32_t state = 1;
	unsigned i;

	ck_assert_uint_eq(wait_ms(n, min, max, MQEV_JITTER_EQUAL, 0), ranges[_i].half_low);
	ck_assert_uint_eq(wait_ms(n, min, max, MQEV_JITTER_EQUAL, UINT32_MAX), ranges[_i].high);
	ck_assert_uint_eq(wait_ms(n, min, max, MQEV_JITTER_FULL, 0), min);
	ck_assert_uint_eq(wait_ms(n, min, max, MQEV_JITTER_FULL, UINT32_MAX), ranges[_i].high);
	for (i = 0; i < 1000; i++) {
		uint32_t random = unit_random(&state);
		uint32_t half = wait_ms(n, min, max, MQEV_JITTER_EQUAL, random);
		uint32_t full = wait_ms(n, min, max, MQEV_JITTER_FULL, random);

		ck_assert(half >= ranges[_i].half_low && half <= ranges[_i].high);
		ck_assert(full >= min && full <= ranges[_i].high);
	}
}
END_TEST

START_TEST(jitter_is_spread_evenly)
{
	unsigned buckets[10] = {0};
	uint32_t state = 7;
	unsigned i;

	for (i = 0; i < 100000; i++) {
		uint32_t wait = wait_ms(2, 1000, 120000, MQEV_JITTER_EQUAL, unit_random(&state));

		buckets[(wait - 4000) * 10 / 4001]++;
	}
	for (i = 0; i < 10; i++)
		ck_assert_msg(
		    buckets[i] > 9000 && buckets[i] < 11000, "%u in tenth %u", buckets[i], i);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, without_jitter_doubles);
	tcase_add_loop_test(tc, jitter_keeps_its_range, 0, (int)COUNT_OF(ranges));
	tcase_add_test(tc, jitter_is_spread_evenly);
}

int
main(void)
{
	return unit_run("backoff", add);
}
