/* The public map of filters: arguments, replacing, order, memory that runs out. What matches: the
 * tests of the tree behind it. */
#include "unit/unit.h"

#include <string.h>

#include <mqev/topic.h>

#include "fault/fail_mem.h"

static bool
join(void *value, void *arg)
{
	char *line = arg;

	strcat(strcat(line, line[0] != '\0' ? " " : ""), value);
	return strcmp(value, "last") != 0;
}

static const char *
match(const struct mqev_topic_map *map, const char *topic)
{
	static char line[200];

	line[0] = '\0';
	mqev_topic_map_match(map, topic, join, line);
	return line;
}

START_TEST(set_get_remove)
{
	struct mqev_topic_map *map = mqev_topic_map_new();
	char filter[] = "a/+";

	ck_assert_int_eq(mqev_topic_map_set(map, filter, "one"), 0);
	filter[0] = 'x'; /* it was copied */
	ck_assert_str_eq(mqev_topic_map_get(map, "a/+"), "one");
	ck_assert_int_eq(mqev_topic_map_set(map, "a/+", "two"), 0);
	ck_assert_str_eq(mqev_topic_map_get(map, "a/+"), "two");
	ck_assert_uint_eq(mqev_topic_map_count(map), 1);
	ck_assert_ptr_null(mqev_topic_map_get(map, "a/b"));
	ck_assert_ptr_null(mqev_topic_map_get(map, "a"));
	ck_assert_str_eq(mqev_topic_map_remove(map, "a/+"), "two");
	ck_assert_ptr_null(mqev_topic_map_remove(map, "a/+"));
	ck_assert_uint_eq(mqev_topic_map_count(map), 0);
	mqev_topic_map_free(map);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(most_specific_first)
{
	struct mqev_topic_map *map = mqev_topic_map_new();
	char line[200] = "";

	ck_assert_int_eq(mqev_topic_map_set(map, "#", "all"), 0);
	ck_assert_int_eq(mqev_topic_map_set(map, "a/+", "plus"), 0);
	ck_assert_int_eq(mqev_topic_map_set(map, "a/b", "exact"), 0);
	ck_assert_str_eq(match(map, "a/b"), "exact plus all");
	ck_assert_str_eq(match(map, "$SYS/a"), "");
	ck_assert_str_eq(match(map, "a/#"), "");
	ck_assert_str_eq(match(map, NULL), "");
	ck_assert_int_eq(mqev_topic_map_set(map, "$share/g/a/b", "shared"), 0);
	ck_assert_ptr_nonnull(strstr(match(map, "a/b"), "shared"));
	mqev_topic_map_each(map, join, line);
	ck_assert_uint_eq(strlen(line), strlen("all plus exact shared"));
	/* The walk ends when the visitor has enough. */
	ck_assert_int_eq(mqev_topic_map_set(map, "a/b", "last"), 0);
	ck_assert_uint_eq(mqev_topic_map_count(map), 4);
	ck_assert_ptr_null(strstr(match(map, "a/b"), "all"));
	mqev_topic_map_free(map);
}
END_TEST

START_TEST(wrong_arguments)
{
	static const char *const wrong[] = {"", "a#", "a/#/b", "+a", "$share/g", "$share//a", NULL};
	struct mqev_topic_map *map = mqev_topic_map_new();

	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		ck_assert_int_eq(mqev_topic_map_set(map, wrong[i], "x"), MQEV_ERR_INVALID);
		ck_assert_ptr_null(mqev_topic_map_get(map, wrong[i]));
		ck_assert_ptr_null(mqev_topic_map_remove(map, wrong[i]));
	}
	ck_assert_int_eq(mqev_topic_map_set(map, "a", NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_topic_map_set(NULL, "a", "x"), MQEV_ERR_INVALID);
	ck_assert_ptr_null(mqev_topic_map_get(NULL, "a"));
	ck_assert_ptr_null(mqev_topic_map_remove(NULL, "a"));
	ck_assert_uint_eq(mqev_topic_map_count(NULL), 0);
	mqev_topic_map_match(NULL, "a", join, NULL);
	mqev_topic_map_match(map, "a", NULL, NULL);
	mqev_topic_map_each(NULL, join, NULL);
	mqev_topic_map_free(map);
	mqev_topic_map_free(NULL);
}
END_TEST

START_TEST(without_memory)
{
	struct mqev_topic_map *map = NULL;
	int error = MQEV_ERR_NOMEM;
	unsigned i;

	for (i = 0; map == NULL; i++) {
		fail_mem_after(i);
		map = mqev_topic_map_new();
		fail_mem_never();
	}
	ck_assert_uint_gt(i, 1);
	for (i = 0; error != 0; i++) {
		fail_mem_after(i);
		error = mqev_topic_map_set(map, "a/b", "x");
		fail_mem_never();
		ck_assert(error == 0 || error == MQEV_ERR_NOMEM);
		ck_assert_uint_eq(mqev_topic_map_count(map), error == 0);
	}
	ck_assert_uint_gt(i, 1);
	mqev_topic_map_free(map);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, set_get_remove);
	tcase_add_test(tc, most_specific_first);
	tcase_add_test(tc, wrong_arguments);
	tcase_add_test(tc, without_memory);
}

int
main(void)
{
	return unit_run("topic_map", add);
}
