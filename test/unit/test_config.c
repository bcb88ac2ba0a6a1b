/* Which clients share one configuration, and that the last of them frees it. */
#include "unit/unit.h"

#include "client/config.h"
#include "fault/fail_mem.h"

static struct mqev_config *
get(struct mqev_config **in_use, const struct mqev_options *options)
{
	struct mqev_config *config = NULL;

	ck_assert_int_eq(mqev_config_get(in_use, options, &config), 0);
	ck_assert_ptr_nonnull(config);
	return config;
}

/* True when both get the same; all is freed again. */
static bool
shared(const struct mqev_options *first, const struct mqev_options *second)
{
	struct mqev_config *in_use = NULL;
	struct mqev_config *a = get(&in_use, first);
	struct mqev_config *b = get(&in_use, second);
	bool same = a == b;

	mqev_config_unref(a);
	ck_assert_ptr_eq(in_use, b);
	mqev_config_unref(b);
	ck_assert_ptr_null(in_use);
	ck_assert_uint_eq(fail_mem_live(), 0);
	return same;
}

START_TEST(equal_options_share)
{
	char name[] = "user";
	char topic[] = "gone/1";
	struct mqev_will *will = MQEV_WILL(.topic = topic, .payload = "x", .payload_len = 1);

	ck_assert(shared(MQEV_OPTIONS(.client_id = "a"), MQEV_OPTIONS(.client_id = "b")));
	ck_assert(shared(MQEV_OPTIONS(.username = name, .password = "p", .will = will),
	    MQEV_OPTIONS(.username = "user", .password = "p",
		.will = MQEV_WILL(.topic = "gone/1", .payload = "x", .payload_len = 1))));
	ck_assert(shared(MQEV_OPTIONS(.keepalive = 60), MQEV_OPTIONS(.client_id = "a")));
}
END_TEST

START_TEST(other_options_do_not)
{
	const struct mqev_options *plain = MQEV_OPTIONS(.client_id = "a");
	const struct mqev_options *with_will =
	    MQEV_OPTIONS(.will = MQEV_WILL(.topic = "gone/1"));

	ck_assert(!shared(plain, MQEV_OPTIONS(.keepalive = 61)));
	ck_assert(!shared(plain, MQEV_OPTIONS(.username = "")));
	ck_assert(!shared(plain, MQEV_OPTIONS(.protocol = MQEV_PROTOCOL_V5)));
	ck_assert(!shared(plain, with_will));
	ck_assert(!shared(with_will, MQEV_OPTIONS(.will = MQEV_WILL(.topic = "gone/2"))));
	ck_assert(
	    !shared(with_will, MQEV_OPTIONS(.will = MQEV_WILL(.topic = "gone/1", .qos = 1))));
	ck_assert(!shared(MQEV_OPTIONS(.username = "u", .password = "p"),
	    MQEV_OPTIONS(.username = "u", .password = "q")));
}
END_TEST

START_TEST(one_in_the_middle_goes_first)
{
	struct mqev_config *in_use = NULL;
	struct mqev_config *config[3];

	for (uint32_t i = 0; i < COUNT_OF(config); i++)
		config[i] = get(&in_use, MQEV_OPTIONS(.keepalive = i + 1));
	mqev_config_unref(config[1]);
	ck_assert_ptr_eq(get(&in_use, MQEV_OPTIONS(.keepalive = 1)), config[0]);
	ck_assert_ptr_eq(get(&in_use, MQEV_OPTIONS(.keepalive = 3)), config[2]);
	for (uint32_t i = 0; i < COUNT_OF(config); i += 2) {
		mqev_config_unref(config[i]);
		mqev_config_unref(config[i]);
	}
	ck_assert_ptr_null(in_use);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(without_memory_nothing_stays)
{
	struct mqev_config *in_use = NULL;
	struct mqev_config *config = NULL;
	int error = MQEV_ERR_NOMEM;

	for (unsigned i = 0; error != 0; i++) {
		fail_mem_after(i);
		error = mqev_config_get(&in_use, MQEV_OPTIONS(.username = "u"), &config);
		fail_mem_never();
		ck_assert(error == 0 || error == MQEV_ERR_NOMEM);
		ck_assert(error == 0 || (in_use == NULL && fail_mem_live() == 0));
	}
	mqev_config_unref(config);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, equal_options_share);
	tcase_add_test(tc, other_options_do_not);
	tcase_add_test(tc, one_in_the_middle_goes_first);
	tcase_add_test(tc, without_memory_nothing_stays);
}

int
main(void)
{
	return unit_run("config", add);
}
