/* Structs of applications that were built against another version: what is taken, what is refused.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include <mqev/mqev.h>

#include "client/options.h"
#include "unit/unit.h"

struct known {
	size_t size;
	uint64_t a;
	uint64_t b;
};

struct larger {
	struct known known;
	uint64_t c;
	unsigned char d[3];
};

/* In a block of exactly the size that the struct says, so that a read beyond is noticed. */
static struct known *
block(size_t size, unsigned char fill)
{
	struct known *given = malloc(size);

	ck_assert_ptr_nonnull(given);
	memset(given, fill, size);
	memcpy(given, &size, size < sizeof(size) ? size : sizeof(size));
	return given;
}

static int
take(struct known *taken, size_t size, unsigned char fill)
{
	struct known *given = block(size, fill);
	int error;

	memset(taken, 0xaa, sizeof(*taken));
	error = mqev_options_take(taken, sizeof(*taken), given);
	free(given);
	return error;
}

START_TEST(same_size)
{
	struct known taken;

	ck_assert_int_eq(take(&taken, sizeof(taken), 1), 0);
	ck_assert_uint_eq(taken.size, sizeof(taken));
	ck_assert_uint_eq(taken.a, 0x0101010101010101u);
	ck_assert_uint_eq(taken.b, 0x0101010101010101u);
}
END_TEST

/* Members that the caller does not have are zero, cut ones too. */
START_TEST(smaller)
{
	struct known taken;

	ck_assert_int_eq(take(&taken, sizeof(size_t), 1), 0);
	ck_assert_uint_eq(taken.size, sizeof(taken));
	ck_assert_uint_eq(taken.a, 0);
	ck_assert_uint_eq(taken.b, 0);
	ck_assert_int_eq(take(&taken, offsetof(struct known, b), 1), 0);
	ck_assert_uint_eq(taken.a, 0x0101010101010101u);
	ck_assert_uint_eq(taken.b, 0);
}
END_TEST

START_TEST(too_small)
{
	struct known taken;
	struct known given = {.a = 1};

	for (given.size = 0; given.size < sizeof(size_t); given.size++)
		ck_assert_int_eq(
		    mqev_options_take(&taken, sizeof(taken), &given), MQEV_ERR_INVALID);
}
END_TEST

START_TEST(larger_and_zero)
{
	struct known taken;

	ck_assert_int_eq(take(&taken, sizeof(struct larger), 0), 0);
	ck_assert_uint_eq(taken.size, sizeof(taken));
}
END_TEST

/* Each byte of what is not known counts. */
START_TEST(larger_and_used)
{
	for (size_t at = sizeof(struct known); at < sizeof(struct larger); at++) {
		struct known *given = block(sizeof(struct larger), 0);
		struct known taken;

		((unsigned char *)given)[at] = 0x80;
		ck_assert_int_eq(
		    mqev_options_take(&taken, sizeof(taken), given), MQEV_ERR_UNSUPPORTED);
		free(given);
	}
}
END_TEST

/*
 * A struct that ends in padding would let a member that is appended later stand where an old
 * program has undefined bytes.
 */
#define ENDS_WITH(type, member) \
	ck_assert_uint_eq(sizeof(type), offsetof(type, member) + sizeof(((type *)0)->member))

START_TEST(no_padding_at_the_end)
{
	ENDS_WITH(struct mqev_message, cookie);
	ENDS_WITH(struct mqev_subscription, userdata);
	ENDS_WITH(struct mqev_will, properties);
	ENDS_WITH(struct mqev_disconnect_options, properties);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, same_size);
	tcase_add_test(tc, smaller);
	tcase_add_test(tc, too_small);
	tcase_add_test(tc, larger_and_zero);
	tcase_add_test(tc, larger_and_used);
	tcase_add_test(tc, no_padding_at_the_end);
}

int
main(void)
{
	return unit_run("options", add_tests);
}
