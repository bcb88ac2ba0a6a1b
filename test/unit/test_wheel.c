/* The wheel of coarse deadlines: what comes out when, whatever the order in which it went in. */
#include <stdint.h>
#include <stdlib.h>

#include <check.h>

#include "client/wheel.h"
#include "unit/unit.h"

#define TURN ((uint64_t)MQEV_WHEEL_SLOTS * MQEV_WHEEL_SLOT_MS)

static struct mqev_wheel wheel;

static void
expect(struct mqev_wheel_node *node, uint64_t now)
{
	ck_assert_ptr_eq(mqev_wheel_next(&wheel, now), node);
}

START_TEST(nothing_in_it)
{
	mqev_wheel_init(&wheel, 1000);
	expect(NULL, 0);
	expect(NULL, 1000);
	expect(NULL, 1000 + 10 * TURN);
	ck_assert_uint_eq(wheel.count, 0);
}
END_TEST

/* Never before its time, and when its slot is over. */
START_TEST(in_time)
{
	struct mqev_wheel_node node = {0};

	mqev_wheel_init(&wheel, 12345);
	mqev_wheel_set(&wheel, &node, 20000);
	ck_assert_uint_eq(wheel.count, 1);
	expect(NULL, 12345);
	expect(NULL, 12345 + 31 * MQEV_WHEEL_SLOT_MS - 1);
	expect(&node, 12345 + 31 * MQEV_WHEEL_SLOT_MS);
	ck_assert_ptr_null(node.at);
	ck_assert_uint_eq(wheel.count, 0);
	expect(NULL, 30000);
}
END_TEST

START_TEST(moved_and_taken_out)
{
	struct mqev_wheel_node a = {0};
	struct mqev_wheel_node b = {0};

	mqev_wheel_init(&wheel, 0);
	mqev_wheel_set(&wheel, &a, 1000);
	mqev_wheel_set(&wheel, &b, 1000);
	mqev_wheel_set(&wheel, &a, 5000);
	ck_assert_uint_eq(wheel.count, 2);
	expect(&b, 4000);
	expect(NULL, 4000);
	mqev_wheel_set(&wheel, &a, 4100);
	expect(&a, 4250);
	mqev_wheel_set(&wheel, &a, 9000);
	mqev_wheel_set(&wheel, &a, UINT64_MAX);
	ck_assert_uint_eq(wheel.count, 0);
	ck_assert_ptr_null(a.at);
	mqev_wheel_set(&wheel, &a, UINT64_MAX);
	expect(NULL, 20000);
}
END_TEST

/* A deadline in the past is due with the slot that has begun. */
START_TEST(in_the_past)
{
	struct mqev_wheel_node node = {0};

	mqev_wheel_init(&wheel, 0);
	expect(NULL, 50000);
	mqev_wheel_set(&wheel, &node, 10);
	expect(NULL, 50001);
	expect(&node, 50000 + MQEV_WHEEL_SLOT_MS);
}
END_TEST

/* More than a whole turn ahead: not in this one. */
START_TEST(far_ahead)
{
	struct mqev_wheel_node node = {0};
	uint64_t due = 3 * TURN + 777;

	mqev_wheel_init(&wheel, 0);
	mqev_wheel_set(&wheel, &node, due);
	for (uint64_t now = 0; now < due; now += 5000)
		expect(NULL, now);
	expect(&node, due + MQEV_WHEEL_SLOT_MS);
}
END_TEST

/* The clock leaps over several turns: all that is due comes out, and the rest stays. */
START_TEST(leap)
{
	struct mqev_wheel_node nodes[100] = {0};
	struct mqev_wheel_node late = {0};
	size_t count = 0;

	mqev_wheel_init(&wheel, 0);
	for (size_t i = 0; i < 100; i++)
		mqev_wheel_set(&wheel, &nodes[i], 1000 + i * TURN / 30);
	mqev_wheel_set(&wheel, &late, 100 * TURN);
	while (mqev_wheel_next(&wheel, 50 * TURN) != NULL)
		count++;
	ck_assert_uint_eq(count, 100);
	expect(&late, 100 * TURN + MQEV_WHEEL_SLOT_MS);
}
END_TEST

/* A node that is put back while the due ones are taken out is not met again before its time. */
START_TEST(put_back)
{
	struct mqev_wheel_node a = {0};
	struct mqev_wheel_node b = {0};

	mqev_wheel_init(&wheel, 0);
	mqev_wheel_set(&wheel, &a, 1000);
	mqev_wheel_set(&wheel, &b, 1010);
	for (int i = 0; i < 2; i++) {
		struct mqev_wheel_node *node = mqev_wheel_next(&wheel, 1250);

		ck_assert_ptr_nonnull(node);
		mqev_wheel_set(&wheel, node, 1100 + TURN); /* the same slot */
	}
	expect(NULL, 1250);
	ck_assert_uint_eq(wheel.count, 2);
	expect(NULL, 1249 + TURN);
	ck_assert_ptr_nonnull(mqev_wheel_next(&wheel, 1250 + TURN));
}
END_TEST

#define NODES 300
#define STEPS 20000

static uint64_t
random_number(uint64_t below)
{
	static uint32_t state = 1;

	return unit_random(&state) % below;
}

/* Against a plain list of deadlines. */
static void
take_due(struct mqev_wheel_node *nodes, uint64_t *due, uint64_t now)
{
	struct mqev_wheel_node *node;

	while ((node = mqev_wheel_next(&wheel, now)) != NULL) {
		size_t i = (size_t)(node - nodes);

		ck_assert_uint_le(due[i], now);
		due[i] = UINT64_MAX;
	}
	for (size_t i = 0; i < NODES; i++)
		ck_assert(due[i] == UINT64_MAX || due[i] + MQEV_WHEEL_SLOT_MS > now);
}

START_TEST(random_deadlines)
{
	static struct mqev_wheel_node nodes[NODES];
	static uint64_t due[NODES];
	uint64_t now = 1;

	mqev_wheel_init(&wheel, now);
	for (size_t i = 0; i < NODES; i++)
		due[i] = UINT64_MAX;
	for (int step = 0; step < STEPS; step++) {
		size_t i = random_number(NODES);
		uint64_t ahead = random_number(10) == 0 ? 4 * TURN : 3000;

		due[i] = random_number(8) == 0 ? UINT64_MAX : now + 1 + random_number(ahead);
		mqev_wheel_set(&wheel, &nodes[i], due[i]);
		if (random_number(4) == 0) {
			now += random_number(random_number(50) == 0 ? 2 * TURN : 400);
			take_due(nodes, due, now);
		}
	}
}
END_TEST

/* Waiting ends when the slot does, whenever one begins to. */
START_TEST(waits)
{
	mqev_wheel_init(&wheel, 12345);
	ck_assert_uint_eq(mqev_wheel_wait_ms(&wheel, 12345), MQEV_WHEEL_SLOT_MS);
	for (uint64_t now = 12345; now < 14000; now++) {
		struct mqev_wheel_node node = {0};
		uint32_t wait_ms = mqev_wheel_wait_ms(&wheel, now);

		ck_assert_uint_gt(wait_ms, 0);
		ck_assert_uint_le(wait_ms, MQEV_WHEEL_SLOT_MS);
		mqev_wheel_set(&wheel, &node, now);
		expect(NULL, now + wait_ms - 1);
		expect(&node, now + wait_ms);
	}
}
END_TEST

/* What is asked for beforehand is what comes next. */
START_TEST(peek)
{
	struct mqev_wheel_node nodes[3] = {0};
	const struct mqev_wheel_node *next;

	mqev_wheel_init(&wheel, 0);
	ck_assert_ptr_null(mqev_wheel_peek(&wheel));
	for (size_t i = 0; i < 3; i++)
		mqev_wheel_set(&wheel, &nodes[i], 100);
	for (size_t i = 0; i < 3; i++) {
		next = mqev_wheel_peek(&wheel);
		ck_assert_ptr_nonnull(next);
		ck_assert_ptr_eq(mqev_wheel_next(&wheel, 250), next);
	}
	ck_assert_ptr_null(mqev_wheel_peek(&wheel));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, nothing_in_it);
	tcase_add_test(tc, in_time);
	tcase_add_test(tc, moved_and_taken_out);
	tcase_add_test(tc, in_the_past);
	tcase_add_test(tc, far_ahead);
	tcase_add_test(tc, leap);
	tcase_add_test(tc, put_back);
	tcase_add_test(tc, random_deadlines);
	tcase_add_test(tc, waits);
	tcase_add_test(tc, peek);
}

int
main(void)
{
	return unit_run("wheel", add_tests);
}
