/* Copies of messages: one block that holds everything and stands alone. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include <mqev/mqev.h>

#include "fault/fail_mem.h"
#include "unit/unit.h"

static struct mqev_properties *
some_properties(void)
{
	struct mqev_properties *p = mqev_properties_new();

	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(mqev_properties_add_string(p, MQEV_PROP_CONTENT_TYPE, "text"), 0);
	ck_assert_int_eq(mqev_properties_add_user(p, "k", "v"), 0);
	ck_assert_int_eq(mqev_properties_add_user(p, "k", ""), 0);
	return p;
}

static void
never(void *arg)
{
	(void)arg;
	ck_abort_msg("the copy released the payload of the original");
}

START_TEST(everything)
{
	struct mqev_properties *p = some_properties();
	struct mqev_properties *same = some_properties();
	char topic[] = "a/b";
	char payload[] = "pay\0load";
	size_t live = fail_mem_live();
	struct mqev_message *copy = mqev_message_copy(MQEV_MESSAGE(.topic = topic,
	    .payload = payload, .payload_len = 8, .qos = 2, .retain = true, .properties = p,
	    .release = never, .dup = true, .mid = 7, .received_ms = 99));

	ck_assert_ptr_nonnull(copy);
	ck_assert_uint_eq(fail_mem_live(), live + 1);
	memset(topic, 'x', 3);
	memset(payload, 'x', 8);
	mqev_properties_clear(p);
	mqev_properties_free(p);
	ck_assert_str_eq(copy->topic, "a/b");
	ck_assert_uint_eq(copy->topic_len, 3);
	ck_assert_uint_eq(copy->payload_len, 8);
	ck_assert_mem_eq(copy->payload, "pay\0load", 8);
	ck_assert_int_eq(copy->qos, 2);
	ck_assert(copy->retain);
	ck_assert(copy->dup);
	ck_assert_uint_eq(copy->mid, 7);
	ck_assert_uint_eq(copy->received_ms, 99);
	ck_assert(copy->release == NULL);
	ck_assert(mqev_properties_equal(copy->properties, same));
	mqev_properties_free(same);
	mqev_message_free(copy);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(next_to_nothing)
{
	struct mqev_message *copy = mqev_message_copy(MQEV_MESSAGE(.topic = ""));

	ck_assert_ptr_nonnull(copy);
	ck_assert_str_eq(copy->topic, "");
	ck_assert_uint_eq(copy->payload_len, 0);
	ck_assert_uint_eq(mqev_properties_count(copy->properties), 0);
	mqev_message_free(copy);
}
END_TEST

START_TEST(copy_of_a_copy)
{
	struct mqev_properties *p = some_properties();
	struct mqev_message *first = mqev_message_copy(
	    MQEV_MESSAGE(.topic = "t", .payload = "m", .payload_len = 1, .properties = p));
	struct mqev_message *second = mqev_message_copy(first);

	mqev_message_free(first);
	ck_assert_str_eq(second->topic, "t");
	ck_assert_mem_eq(second->payload, "m", 1);
	ck_assert(mqev_properties_equal(second->properties, p));
	mqev_message_free(second);
	mqev_properties_free(p);
}
END_TEST

START_TEST(no_message)
{
	ck_assert_ptr_null(mqev_message_copy(NULL));
	ck_assert_ptr_null(mqev_message_copy(MQEV_MESSAGE(.topic = NULL)));
	ck_assert_ptr_null(mqev_message_copy(&(struct mqev_message){.size = 1, .topic = "a"}));
	ck_assert_ptr_null(mqev_message_copy(MQEV_MESSAGE(.topic = "a", .payload_len = 5)));
	ck_assert_ptr_null(mqev_message_copy(
	    MQEV_MESSAGE(.topic = "a", .payload = "x", .payload_len = SIZE_MAX - 8)));
	mqev_message_free(NULL);
}
END_TEST

START_TEST(no_memory)
{
	fail_mem_after(0);
	ck_assert_ptr_null(mqev_message_copy(MQEV_MESSAGE(.topic = "a")));
	fail_mem_never();
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, everything);
	tcase_add_test(tc, next_to_nothing);
	tcase_add_test(tc, copy_of_a_copy);
	tcase_add_test(tc, no_message);
	tcase_add_test(tc, no_memory);
}

int
main(void)
{
	return unit_run("message", add_tests);
}
