/* Topics: validity, shared subscriptions, and matching against a reference that is slow but plain.
 */
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include <mqev/topic.h>

#include "core/topic.h"

static const char *const good_names[] = {
    "a",
    "/",
    "//",
    "a/b",
    "/a",
    "a/",
    " ",
    "$SYS/x",
    "$share/g/a",
    "\xEF\xBB\xBF",
    "caf\xC3\xA9/x",
};

static const char *const bad_names[] = {"", "+", "#", "a/+", "a#", "a+b/c", "\x80", "a/\xC0\x80"};

START_TEST(names)
{
	size_t i;

	for (i = 0; i < COUNT_OF(good_names); i++)
		ck_assert_msg(mqev_topic_name_valid(good_names[i]), "%s", good_names[i]);
	for (i = 0; i < COUNT_OF(bad_names); i++)
		ck_assert_msg(!mqev_topic_name_valid(bad_names[i]), "%s", bad_names[i]);
	ck_assert(!mqev_topic_name_valid(NULL));
	ck_assert(!mqev_topic_name_ok((struct mqev_bytes){(const uint8_t *)"a\0b", 3}));
}
END_TEST

static const char *const good_filters[] = {
    "a",
    "#",
    "+",
    "/",
    "a/#",
    "/#",
    "+/#",
    "+/+",
    "a/+/b",
    "/+",
    "+/",
    "a//b",
    "$SYS/#",
    "$share",
    "$shared/x",
    "$share/g/a",
    "$share/g/#",
    "$share/g/+",
    "$share/g//",
    "$share/g//a",
    "$share/group name/a/+/#",
    "$share/g/$SYS/x",
    "$SHARE/x",
};

static const char *const bad_filters[] = {
    "",
    "a#",
    "#/a",
    "a/#/b",
    "##",
    "a+",
    "+a",
    "a/+b",
    "a/b+",
    "++",
    "+#",
    "#+",
    "a/b#",
    "\x80",
    "$share/",
    "$share//a",
    "$share/g",
    "$share/g/",
    "$share/+/a",
    "$share/g#/a",
    "$share/#/a",
    "$share/g/a#",
    "$share/g/#/a",
    "$share//",
    "$share///",
    "$share/g+/a",
    "$share/#",
    "$share/+",
    "$share/+/#",
};

START_TEST(filters)
{
	size_t i;

	for (i = 0; i < COUNT_OF(good_filters); i++)
		ck_assert_msg(mqev_topic_filter_valid(good_filters[i]), "%s", good_filters[i]);
	for (i = 0; i < COUNT_OF(bad_filters); i++)
		ck_assert_msg(!mqev_topic_filter_valid(bad_filters[i]), "%s", bad_filters[i]);
	ck_assert(!mqev_topic_filter_valid(NULL));
	ck_assert(!mqev_topic_filter_ok((struct mqev_bytes){(const uint8_t *)"a\0b", 3}));
}
END_TEST

/* Every byte at every place of names of every length up to three words. */
START_TEST(a_byte_in_a_name)
{
	uint8_t name[24];

	for (size_t len = 1; len <= sizeof(name); len++) {
		for (size_t at = 0; at < len; at++) {
			for (int byte = 0; byte <= 0xFF; byte++) {
				bool good = byte > 0 && byte < 0x80 && byte != '+' && byte != '#';

				memset(name, 'x', sizeof(name));
				name[at] = (uint8_t)byte;
				ck_assert_int_eq(
				    mqev_topic_name_ok((struct mqev_bytes){name, len}), good);
			}
		}
	}
}
END_TEST

START_TEST(longest)
{
	char *text = malloc(65537);

	ck_assert_ptr_nonnull(text);
	memset(text, '/', 65536);
	text[65536] = '\0';
	ck_assert(!mqev_topic_name_valid(text));
	ck_assert(!mqev_topic_filter_valid(text));
	text[65535] = '\0';
	ck_assert(mqev_topic_name_valid(text));
	ck_assert(mqev_topic_filter_valid(text));
	ck_assert(mqev_topic_matches(text, text));
	ck_assert(mqev_topic_matches("#", text));
	text[65534] = 'x';
	ck_assert(!mqev_topic_matches("/+/x", text));
	free(text);
}
END_TEST

START_TEST(shared)
{
	struct mqev_bytes inner = {NULL, 0};

	ck_assert(mqev_topic_filter_shared(unit_text("$share/g/a/#"), &inner));
	unit_same(inner, unit_text("a/#"), "inner");
	ck_assert(mqev_topic_filter_shared(unit_text("$share/g//"), &inner));
	unit_same(inner, unit_text("/"), "inner");
	ck_assert(mqev_topic_filter_shared(unit_text("$share/g/a"), NULL));
	ck_assert(!mqev_topic_filter_shared(unit_text("$share/g"), &inner));
	ck_assert(!mqev_topic_filter_shared(unit_text("$share/g/"), &inner));
	ck_assert(!mqev_topic_filter_shared(unit_text("$share//a"), &inner));
	ck_assert(!mqev_topic_filter_shared(unit_text("$share"), &inner));
	ck_assert(!mqev_topic_filter_shared(unit_text("a/$share/g/b"), &inner));
	ck_assert(!mqev_topic_filter_shared((struct mqev_bytes){NULL, 0}, &inner));
	ck_assert(mqev_topic_filter_has_wildcard(unit_text("a/+")));
	ck_assert(mqev_topic_filter_has_wildcard(unit_text("$share/g/#")));
	ck_assert(!mqev_topic_filter_has_wildcard(unit_text("$share/g/a")));
	ck_assert(!mqev_topic_filter_has_wildcard((struct mqev_bytes){NULL, 0}));
}
END_TEST

static const struct {
	const char *filter;
	const char *topic;
	bool match;
} pairs[] = {
    {"a", "a", true},
    {"a", "A", false},
    {"a", "b", false},
    {"a", "a/b", false},
    {"a/b", "a", false},
    {"a/b", "a/b", true},
    {"a/b", "a/bc", false},
    {"a/bc", "a/b", false},
    {"#", "a", true},
    {"#", "/", true},
    {"#", "a/b/c", true},
    {"#", "$SYS", false},
    {"#", "$SYS/x", false},
    {"a/#", "a", true},
    {"a/#", "a/", true},
    {"a/#", "a/b/c", true},
    {"a/#", "ab", false},
    {"a/#", "b/a", false},
    {"/#", "/a", true},
    {"/#", "a", false},
    {"+", "a", true},
    {"+", "", false},
    {"+", "/", false},
    {"+", "$SYS", false},
    {"+/+", "/a", true},
    {"/+", "/a", true},
    {"+", "/a", false},
    {"+/", "a", false},
    {"+/", "a/", true},
    {"+/+", "/", true},
    {"a/+", "a", false},
    {"a/+", "a/", true},
    {"a/+", "a/b", true},
    {"a/+", "a/b/c", false},
    {"a/+/c", "a/b/c", true},
    {"a/+/c", "a//c", true},
    {"a/+/#", "a", false},
    {"a/+/#", "a/b", true},
    {"+/x", "$SYS/x", false},
    {"$SYS/#", "$SYS", true},
    {"$SYS/+", "$SYS/x", true},
    {"a/+", "a/$x", true},
    {"a/#", "a/$x", true},
    {"$share/g/a", "a", true},
    {"$share/g/a", "$share/g/a", false},
    {"$share/g/#", "a/b", true},
    {"$share/g/#", "$SYS", false},
    {"$share/g/+/b", "a/b", true},
    {"$share/g/$SYS/#", "$SYS/x", true},
    {"$share/g", "$share/g", false},
    {"a#", "a#", false},
    {"a/+", "a/+", false},
    {"a", "#", false},
    {NULL, "a", false},
    {"a", NULL, false},
};

START_TEST(examples)
{
	ck_assert_msg(mqev_topic_matches(pairs[_i].filter, pairs[_i].topic) == pairs[_i].match,
	    "%s and %s", pairs[_i].filter, pairs[_i].topic);
}
END_TEST

/* The rules of section 4.7 one after the other, level by level. */
static bool
reference(const char *filter, const char *topic)
{
	size_t f = strcspn(filter, "/");
	size_t t = strcspn(topic, "/");

	if (strcmp(filter, "#") == 0)
		return true;
	if (!(f == 1 && filter[0] == '+') && !(f == t && strncmp(filter, topic, f) == 0))
		return false;
	if (filter[f] == '\0' || topic[t] == '\0')
		return (filter[f] == '\0' && topic[t] == '\0') || strcmp(filter + f, "/#") == 0;
	return reference(filter + f + 1, topic + t + 1);
}

static void
random_topic(uint32_t *state, const char *alphabet, char *text)
{
	size_t len = 1 + unit_random(state) % 6;
	size_t i;

	for (i = 0; i < len; i++)
		text[i] = alphabet[unit_random(state) % strlen(alphabet)];
	text[len] = '\0';
}

START_TEST(against_the_reference)
{
	uint32_t state = 11;
	unsigned i, tried = 0, matched = 0;
	char filter[8], topic[8];

	for (i = 0; i < 2000000; i++) {
		random_topic(&state, "ab//+#", filter);
		random_topic(&state, "ab//", topic);
		if (!mqev_topic_filter_valid(filter))
			continue;
		tried++;
		matched += reference(filter, topic);
		ck_assert_msg(mqev_topic_matches(filter, topic) == reference(filter, topic),
		    "%s and %s", filter, topic);
	}
	ck_assert_uint_gt(tried, 100000);
	ck_assert_uint_gt(matched, 10000);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, names);
	tcase_add_test(tc, filters);
	tcase_add_test(tc, a_byte_in_a_name);
	tcase_add_test(tc, longest);
	tcase_add_test(tc, shared);
	tcase_add_loop_test(tc, examples, 0, (int)COUNT_OF(pairs));
	tcase_add_test(tc, against_the_reference);
}

int
main(void)
{
	return unit_run("topic", add);
}
