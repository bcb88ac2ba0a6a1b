/* The bytes of a record: packed and unpacked, every cut, and bytes that are no record's. */
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "core/journal.h"

static struct mqev_entry
entry_of(const char *topic, const char *properties, const char *payload)
{
	return (struct mqev_entry){.topic = unit_text(topic),
	    .properties = unit_text(properties),
	    .payload = unit_text(payload)};
}

static void
there_and_back(const char *topic, const char *properties, const char *payload)
{
	struct mqev_entry entry = entry_of(topic, properties, payload);
	size_t size = mqev_packed_size(&entry);
	uint8_t *packed = malloc(size);
	struct mqev_entry got = {0};

	ck_assert_ptr_nonnull(packed);
	mqev_pack(&entry, packed);
	ck_assert(mqev_unpack((struct mqev_bytes){packed, size}, &got));
	unit_same(got.topic, entry.topic, "topic");
	unit_same(got.properties, entry.properties, "properties");
	unit_same(got.payload, entry.payload, "payload");
	free(packed);
}

START_TEST(packed_comes_back)
{
	there_and_back("a/b", "properties", "payload");
	there_and_back("a", "", "");
	there_and_back("", "", "");
	there_and_back("a/b", "", "payload");
}
END_TEST

START_TEST(the_longest_topic)
{
	struct mqev_entry got = {0};
	struct mqev_entry entry = {.topic = {malloc(65535), 65535}};
	size_t size = mqev_packed_size(&entry);
	uint8_t *packed = malloc(size);

	ck_assert(entry.topic.data != NULL && packed != NULL);
	memset((void *)(uintptr_t)entry.topic.data, 't', 65535);
	mqev_pack(&entry, packed);
	ck_assert(mqev_unpack((struct mqev_bytes){packed, size}, &got));
	unit_same(got.topic, entry.topic, "topic");
	ck_assert_uint_eq(got.payload.len, 0);
	free(packed);
	free((void *)(uintptr_t)entry.topic.data);
}
END_TEST

START_TEST(the_layout_stays)
{
	struct mqev_entry entry = entry_of("a/b", "pp", "xyz");
	struct mqev_bytes want = unit_hex("01 0003 00000002 612F62 7070 78797A");
	uint8_t packed[32];

	ck_assert_uint_eq(mqev_packed_size(&entry), want.len);
	mqev_pack(&entry, packed);
	unit_same((struct mqev_bytes){packed, want.len}, want, "packed");
	free((void *)(uintptr_t)want.data);
}
END_TEST

START_TEST(cut_bytes_are_refused)
{
	struct mqev_bytes whole = unit_hex("01 0003 00000002 612F62 7070");
	struct mqev_entry got;

	for (size_t len = 0; len < whole.len; len++) {
		uint8_t *cut = malloc(len > 0 ? len : 1);

		memcpy(cut, whole.data, len);
		ck_assert(!mqev_unpack((struct mqev_bytes){cut, len}, &got));
		free(cut);
	}
	ck_assert(mqev_unpack(whole, &got));
	free((void *)(uintptr_t)whole.data);
}
END_TEST

START_TEST(another_layout_is_refused)
{
	struct mqev_bytes other = unit_hex("02 0001 00000000 61");
	struct mqev_bytes huge = unit_hex("01 0001 FFFFFFFF 61");
	struct mqev_entry got;

	ck_assert(!mqev_unpack(other, &got));
	ck_assert(!mqev_unpack(huge, &got));
	free((void *)(uintptr_t)other.data);
	free((void *)(uintptr_t)huge.data);
}
END_TEST

START_TEST(durable_up_to_a_ticket)
{
	struct mqev_journal j = {.durable = 5};

	ck_assert(mqev_journal_is_durable(&j, 0));
	ck_assert(mqev_journal_is_durable(&j, 5));
	ck_assert(!mqev_journal_is_durable(&j, 6));
}
END_TEST

/* --- by others ----------------------------------------------------------------------------------
 */

/* Topic, properties: what may be sent, and what may have come from a server. */
static const struct {
	const char *packed;
	bool out;
	bool in;
} by_others[] = {
    {"01 0001 00000000 61", true, true}, {"01 0000 00000000", false, false}, /* no topic */
    {"01 0001 00000000 2B", false, false},				     /* a wildcard */
    {"01 0003 00000000 612F23", false, false},				     /* another */
    {"01 0002 00000000 C328", false, true},		/* no UTF-8: 3.1 has such */
    {"01 0001 00000000 00", false, true},		/* U+0000, likewise */
    {"01 0001 00000002 61 0101", true, true},		/* Payload Format Indicator */
    {"01 0001 00000002 61 0102", false, false},		/* of a value that is none */
    {"01 0001 00000003 61 010101", false, false},	/* cut short */
    {"01 0001 00000004 61 01010101", false, false},	/* twice */
    {"01 0001 00000003 61 230001", false, true},	/* Topic Alias */
    {"01 0001 00000002 61 0B01", false, true},		/* Subscription Identifier */
    {"01 0001 00000003 61 21000A", false, false},	/* Receive Maximum */
    {"01 0001 00000004 61 08000123", false, false},	/* Response Topic '#' */
    {"01 0001 00000007 61 26000161000162", true, true}, /* User Property */
};

START_TEST(bytes_of_others_are_checked)
{
	struct mqev_bytes packed = unit_hex(by_others[_i].packed);
	struct mqev_entry got;

	ck_assert(mqev_unpack_checked(packed, MQEV_RECORD_OUT, &got) == by_others[_i].out);
	ck_assert(mqev_unpack_checked(packed, MQEV_RECORD_IN, &got) == by_others[_i].in);
	free((void *)(uintptr_t)packed.data);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, packed_comes_back);
	tcase_add_test(tc, the_longest_topic);
	tcase_add_test(tc, the_layout_stays);
	tcase_add_test(tc, cut_bytes_are_refused);
	tcase_add_test(tc, another_layout_is_refused);
	tcase_add_test(tc, durable_up_to_a_ticket);
	tcase_add_loop_test(
	    tc, bytes_of_others_are_checked, 0, (int)(sizeof(by_others) / sizeof(by_others[0])));
}

int
main(void)
{
	return unit_run("journal", add);
}
