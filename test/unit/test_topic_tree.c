/* The topic tree against one filter at a time, its order, its depth, and memory that runs out. */
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/topic.h"
#include "core/topic_tree.h"
#include "fault/fail_mem.h"

/* Filters stand in the tree with their own text as value. */
static bool
put(struct mqev_topic_tree *tree, const char *filter)
{
	void **slot = mqev_topic_tree_put(tree, unit_text(filter));

	if (slot == NULL)
		return false;
	*slot = (void *)(uintptr_t)filter;
	return true;
}

static bool
join(void *value, void *arg)
{
	char *line = arg;

	strcat(strcat(line, line[0] != '\0' ? " " : ""), value);
	return true;
}

static void
check_match(const struct mqev_topic_tree *tree, const char *topic, const char *want)
{
	char line[1000] = "";

	mqev_topic_tree_match(tree, unit_text(topic), join, line);
	ck_assert_msg(strcmp(line, want) == 0, "%s: '%s', not '%s'", topic, line, want);
}

static bool
count_one(void *value, void *arg)
{
	(void)value;
	++*(unsigned *)arg;
	return true;
}

static bool
stop_at_once(void *value, void *arg)
{
	count_one(value, arg);
	return false;
}

START_TEST(most_specific_first)
{
	static const char *const filters[] = {
	    "#",
	    "+",
	    "a",
	    "a/#",
	    "a/+",
	    "a/b",
	    "+/b",
	    "+/+",
	    "+/#",
	    "a/b/#",
	    "a/b/c",
	    "a/+/c",
	    "/",
	    "/#",
	    "$SYS/#",
	};
	struct mqev_topic_tree *tree = mqev_topic_tree_new();
	size_t i;

	for (i = 0; i < COUNT_OF(filters); i++)
		ck_assert(put(tree, filters[i]));
	ck_assert_uint_eq(mqev_topic_tree_count(tree), COUNT_OF(filters));
	check_match(tree, "a", "a a/# + +/# #");
	check_match(tree, "a/b", "a/b a/b/# a/+ a/# +/b +/+ +/# #");
	check_match(tree, "a/b/c", "a/b/c a/b/# a/+/c a/# +/# #");
	check_match(tree, "b", "+ +/# #");
	check_match(tree, "/", "/ /# +/+ +/# #");
	check_match(tree, "x/y/z", "+/# #");
	check_match(tree, "$SYS", "$SYS/#");
	check_match(tree, "$SYS/a/b", "$SYS/#");
	check_match(tree, "$OTHER", "");
	check_match(tree, "", "");
	mqev_topic_tree_free(tree);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(shared_ones_are_entries_of_their_own)
{
	struct mqev_topic_tree *tree = mqev_topic_tree_new();
	unsigned visits = 0;

	ck_assert(put(tree, "a"));
	ck_assert(put(tree, "$share/g/a"));
	ck_assert(put(tree, "$share/h/a"));
	ck_assert(put(tree, "$share/g/+"));
	ck_assert_uint_eq(mqev_topic_tree_count(tree), 4);
	mqev_topic_tree_match(tree, unit_text("a"), count_one, &visits);
	ck_assert_uint_eq(visits, 4);
	ck_assert_str_eq(*mqev_topic_tree_get(tree, unit_text("$share/h/a")), "$share/h/a");
	ck_assert_str_eq(*mqev_topic_tree_get(tree, unit_text("a")), "a");
	ck_assert_ptr_null(mqev_topic_tree_get(tree, unit_text("$share/i/a")));
	ck_assert_str_eq(mqev_topic_tree_remove(tree, unit_text("$share/g/a")), "$share/g/a");
	ck_assert_ptr_null(mqev_topic_tree_remove(tree, unit_text("$share/g/a")));
	check_match(tree, "a", "a $share/h/a $share/g/+");
	mqev_topic_tree_free(tree);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(put_again_gives_the_same_slot)
{
	struct mqev_topic_tree *tree = mqev_topic_tree_new();
	void **slot = mqev_topic_tree_put(tree, unit_text("a/b"));
	char texts[1000][8];
	size_t i;

	ck_assert_ptr_null(*slot);
	*slot = texts;
	for (i = 0; i < COUNT_OF(texts); i++) {
		snprintf(texts[i], sizeof(texts[i]), "a/%zu", i);
		ck_assert(put(tree, texts[i]));
	}
	ck_assert_ptr_eq(mqev_topic_tree_put(tree, unit_text("a/b")), slot);
	ck_assert_ptr_eq(mqev_topic_tree_get(tree, unit_text("a/b")), slot);
	ck_assert_ptr_eq(*slot, texts);
	ck_assert_uint_eq(mqev_topic_tree_count(tree), COUNT_OF(texts) + 1);
	mqev_topic_tree_free(tree);
}
END_TEST

START_TEST(what_is_not_there)
{
	struct mqev_topic_tree *tree = mqev_topic_tree_new();

	ck_assert_ptr_null(mqev_topic_tree_get(tree, unit_text("a")));
	ck_assert_ptr_null(mqev_topic_tree_remove(tree, unit_text("a")));
	check_match(tree, "a", "");
	ck_assert(put(tree, "a/b/c"));
	ck_assert_ptr_null(mqev_topic_tree_get(tree, unit_text("a/b")));
	ck_assert_ptr_null(mqev_topic_tree_get(tree, unit_text("a/b/c/d")));
	ck_assert_ptr_null(mqev_topic_tree_get(tree, unit_text("a/b/")));
	ck_assert_ptr_null(mqev_topic_tree_remove(tree, unit_text("a/b")));
	ck_assert_ptr_null(mqev_topic_tree_get(tree, unit_text("a/+/c")));
	ck_assert_uint_eq(mqev_topic_tree_count(tree), 1);
	mqev_topic_tree_free(tree);
	mqev_topic_tree_free(NULL);
}
END_TEST

START_TEST(removing_gives_all_memory_back)
{
	struct mqev_topic_tree *tree = mqev_topic_tree_new();
	size_t empty = fail_mem_live();

	ck_assert(put(tree, "a/b/c"));
	ck_assert(put(tree, "a/b"));
	ck_assert(put(tree, "a/+/#"));
	ck_assert_str_eq(mqev_topic_tree_remove(tree, unit_text("a/b")), "a/b");
	check_match(tree, "a/b/c", "a/b/c a/+/#");
	ck_assert_str_eq(mqev_topic_tree_remove(tree, unit_text("a/b/c")), "a/b/c");
	check_match(tree, "a/b/c", "a/+/#");
	ck_assert_str_eq(mqev_topic_tree_remove(tree, unit_text("a/+/#")), "a/+/#");
	check_match(tree, "a/b/c", "");
	ck_assert_uint_eq(fail_mem_live(), empty);
	ck_assert_uint_eq(mqev_topic_tree_count(tree), 0);
	ck_assert(put(tree, "a"));
	check_match(tree, "a", "a");
	mqev_topic_tree_free(tree);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(a_visit_can_end_the_walk)
{
	static const char *const filters[] = {"a/b", "a/+", "a/#", "+/b", "#"};
	struct mqev_topic_tree *tree = mqev_topic_tree_new();
	unsigned visits = 0;
	size_t i;

	for (i = 0; i < COUNT_OF(filters); i++)
		ck_assert(put(tree, filters[i]));
	mqev_topic_tree_match(tree, unit_text("a/b"), stop_at_once, &visits);
	ck_assert_uint_eq(visits, 1);
	mqev_topic_tree_each(tree, stop_at_once, &visits);
	ck_assert_uint_eq(visits, 2);
	mqev_topic_tree_each(tree, count_one, &visits);
	ck_assert_uint_eq(visits, 7);
	mqev_topic_tree_free(tree);
}
END_TEST

/* Random filters come and go; each name must find exactly those that match it one by one. */
#define POOL 400

struct pool {
	char texts[POOL][16];
	bool held[POOL];
	bool visited[POOL];
};

static bool
mark_visited(void *value, void *arg)
{
	struct pool *pool = arg;
	size_t i = (size_t)((char(*)[16])value - pool->texts);

	ck_assert_msg(pool->held[i] && !pool->visited[i], "%s", pool->texts[i]);
	pool->visited[i] = true;
	return true;
}

static void
random_text(uint32_t *state, const char *alphabet, char *text)
{
	size_t len = 1 + unit_random(state) % 7;
	size_t i;

	for (i = 0; i < len; i++)
		text[i] = alphabet[unit_random(state) % strlen(alphabet)];
	text[len] = '\0';
}

static void
fill_pool(struct pool *pool, uint32_t *state)
{
	size_t count = 0, i;

	memset(pool, 0, sizeof(*pool));
	while (count < POOL) {
		char *text = pool->texts[count];

		strcpy(text, unit_random(state) % 8 == 0 ? "$share/g/" : "");
		random_text(
		    state, unit_random(state) % 8 == 0 ? "$/+#" : "ab//+#", text + strlen(text));
		for (i = 0; i < count && strcmp(pool->texts[i], text) != 0; i++)
			;
		count += i == count && mqev_topic_filter_ok(unit_text(text));
	}
}

static void
check_name(const struct mqev_topic_tree *tree, struct pool *pool, const char *name)
{
	size_t i;

	memset(pool->visited, 0, sizeof(pool->visited));
	mqev_topic_tree_match(tree, unit_text(name), mark_visited, pool);
	for (i = 0; i < POOL; i++) {
		bool want =
		    pool->held[i] && mqev_topic_match(unit_text(pool->texts[i]), unit_text(name));

		ck_assert_msg(pool->visited[i] == want, "%s and %s", pool->texts[i], name);
	}
}

START_TEST(against_one_filter_at_a_time)
{
	struct mqev_topic_tree *tree = mqev_topic_tree_new();
	static struct pool pool;
	uint32_t state = (uint32_t)_i;
	unsigned step;
	size_t held = 0;
	char name[16];

	fill_pool(&pool, &state);
	for (step = 0; step < 4000; step++) {
		size_t i = unit_random(&state) % POOL;
		void *removed = NULL;

		if (pool.held[i])
			removed = mqev_topic_tree_remove(tree, unit_text(pool.texts[i]));
		else
			ck_assert(put(tree, pool.texts[i]));
		ck_assert_ptr_eq(removed, pool.held[i] ? pool.texts[i] : NULL);
		held = pool.held[i] ? held - 1 : held + 1;
		pool.held[i] = !pool.held[i];
		ck_assert_uint_eq(mqev_topic_tree_count(tree), held);
		random_text(&state, unit_random(&state) % 8 == 0 ? "$/" : "ab//", name);
		check_name(tree, &pool, name);
	}
	mqev_topic_tree_free(tree);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

/* As deep as a topic can be: nothing recurses, and the way back is not walked twice. */
START_TEST(depth_of_65535_slashes)
{
	struct mqev_topic_tree *tree = mqev_topic_tree_new();
	struct mqev_bytes name;
	uint8_t *text = malloc(65535);
	uint8_t *plus = malloc(65535);
	unsigned visits = 0;
	size_t i;

	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(plus);
	memset(text, '/', 65535);
	for (i = 0; i < 65535; i++)
		plus[i] = i % 2 == 0 ? '+' : '/';
	name = (struct mqev_bytes){text, 65535};
	*mqev_topic_tree_put(tree, name) = text;
	*mqev_topic_tree_put(tree, (struct mqev_bytes){plus, 65535}) = plus;
	ck_assert(put(tree, "#"));
	mqev_topic_tree_match(tree, name, count_one, &visits);
	ck_assert_uint_eq(visits, 2);
	visits = 0;
	name.len = 32767;
	mqev_topic_tree_match(tree, name, count_one, &visits);
	ck_assert_uint_eq(visits, 2);
	name.len = 65535;
	ck_assert_ptr_eq(mqev_topic_tree_remove(tree, name), text);
	ck_assert_ptr_eq(*mqev_topic_tree_get(tree, (struct mqev_bytes){plus, 65535}), plus);
	mqev_topic_tree_free(tree);
	ck_assert_uint_eq(fail_mem_live(), 0);
	free(text);
	free(plus);
}
END_TEST

static const char *const added[] = {"a/b/c/d", "$share/g/a/b", "#", "x/+/#", "q", "a"};

/* From the n-th allocation on there is no memory: the filter is not there, or it is whole. */
static bool
put_without_memory(struct mqev_topic_tree *tree, const char *filter, size_t n)
{
	size_t count = mqev_topic_tree_count(tree);
	size_t live = fail_mem_live();
	bool ok;

	fail_mem_from(n);
	ok = put(tree, filter);
	fail_mem_never();
	if (ok)
		return true;
	ck_assert_uint_eq(fail_mem_live(), live);
	ck_assert_uint_eq(mqev_topic_tree_count(tree), count);
	ck_assert_ptr_null(mqev_topic_tree_get(tree, unit_text(filter)));
	check_match(tree, "a/b", "a/b");
	check_match(tree, "a/b/c/d", "");
	check_match(tree, "x/y", "x/+");
	return false;
}

START_TEST(each_allocation_failing)
{
	struct mqev_topic_tree *tree = mqev_topic_tree_new();
	size_t n;

	ck_assert(put(tree, "a/b") && put(tree, "x/+"));
	for (n = 0; !put_without_memory(tree, added[_i], n); n++)
		ck_assert_uint_lt(n, 10);
	ck_assert_uint_ge(n, 1);
	ck_assert_str_eq(*mqev_topic_tree_get(tree, unit_text(added[_i])), added[_i]);
	mqev_topic_tree_free(tree);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(no_memory_for_a_tree_or_its_first_filter)
{
	struct mqev_topic_tree *tree;
	size_t n;

	fail_mem_after(0);
	ck_assert_ptr_null(mqev_topic_tree_new());
	fail_mem_never();
	tree = mqev_topic_tree_new();
	for (n = 0; n < 5; n++) {
		fail_mem_after(n);
		ck_assert(!put(tree, "a/b/c"));
		fail_mem_never();
		ck_assert_uint_eq(fail_mem_live(), 1);
		check_match(tree, "a/b/c", "");
	}
	ck_assert(put(tree, "a/b/c"));
	mqev_topic_tree_free(tree);
}
END_TEST

/* When the table of nodes cannot grow, filters are still taken and found. */
START_TEST(no_memory_to_grow)
{
	struct mqev_topic_tree *tree = mqev_topic_tree_new();
	char texts[200][8];
	size_t i;

	for (i = 0; i < COUNT_OF(texts); i++) {
		snprintf(texts[i], sizeof(texts[i]), "%zu", i);
		if (i >= 16)
			fail_mem_after(0);
		ck_assert(put(tree, texts[i]));
		ck_assert_uint_eq(fail_mem_refused(), i >= 16);
	}
	fail_mem_never();
	ck_assert_uint_eq(mqev_topic_tree_count(tree), COUNT_OF(texts));
	for (i = 0; i < COUNT_OF(texts); i++)
		check_match(tree, texts[i], texts[i]);
	mqev_topic_tree_free(tree);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

/* 100,000 filters that do not match cost a lookup nothing; the test's deadline is the proof. */
START_TEST(many_filters)
{
	struct mqev_topic_tree *tree = mqev_topic_tree_new();
	static char texts[100000][24];
	size_t i;
	unsigned round;

	for (i = 0; i < COUNT_OF(texts); i++) {
		snprintf(texts[i], sizeof(texts[i]), "site/%zu/+/state", i);
		ck_assert(put(tree, texts[i]));
	}
	for (round = 0; round < 100000; round++) {
		unsigned visits = 0;

		mqev_topic_tree_match(tree, unit_text("site/99999/pump/state"), count_one, &visits);
		ck_assert_uint_eq(visits, 1);
	}
	for (i = 0; i < COUNT_OF(texts); i++)
		ck_assert_ptr_eq(mqev_topic_tree_remove(tree, unit_text(texts[i])), texts[i]);
	ck_assert_uint_eq(fail_mem_live(), 1);
	mqev_topic_tree_free(tree);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, most_specific_first);
	tcase_add_test(tc, shared_ones_are_entries_of_their_own);
	tcase_add_test(tc, put_again_gives_the_same_slot);
	tcase_add_test(tc, what_is_not_there);
	tcase_add_test(tc, removing_gives_all_memory_back);
	tcase_add_test(tc, a_visit_can_end_the_walk);
	tcase_add_loop_test(tc, against_one_filter_at_a_time, 1, 5);
	tcase_add_test(tc, depth_of_65535_slashes);
	tcase_add_loop_test(tc, each_allocation_failing, 0, (int)COUNT_OF(added));
	tcase_add_test(tc, no_memory_for_a_tree_or_its_first_filter);
	tcase_add_test(tc, no_memory_to_grow);
	tcase_add_test(tc, many_filters);
}

int
main(void)
{
	return unit_run("topic_tree", add);
}
