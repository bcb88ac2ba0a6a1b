/*
 * Lines of text: the last is a topic name, those before it are filters. The tree, the match of one
 * filter and a plain reference must agree on what matches.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <mqev/topic.h>

#include "core/topic.h"
#include "core/topic_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_FILTERS 64

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

struct filters {
	struct mqev_bytes texts[MAX_FILTERS];
	bool visited[MAX_FILTERS];
	size_t count;
};

static size_t
level_len(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *slash = at < end ? memchr(at, '/', (size_t)(end - at)) : NULL;

	return (size_t)((slash != NULL ? slash : end) - at);
}

/* Section 4.7 read aloud, for a filter without `$share` and a name that are valid. */
static bool
reference(struct mqev_bytes filter, struct mqev_bytes name)
{
	const uint8_t *f = filter.data, *f_end = f + filter.len;
	const uint8_t *n = name.data, *n_end = n + name.len;

	if (*n == '$' && (*f == '+' || *f == '#'))
		return false;
	for (;;) {
		size_t f_len = level_len(f, f_end);
		size_t n_len = level_len(n, n_end);

		if (f_len == 1 && *f == '#')
			return true;
		if (!(f_len == 1 && *f == '+') && (f_len != n_len || memcmp(f, n, f_len) != 0))
			return false;
		f += f_len;
		n += n_len;
		if (n == n_end)
			return f == f_end || (f_end - f == 2 && memcmp(f, "/#", 2) == 0);
		if (f == f_end)
			return false;
		f++;
		n++;
	}
}

static bool
visit(void *value, void *arg)
{
	struct filters *filters = arg;
	size_t i = (size_t)((struct mqev_bytes *)value - filters->texts);

	REQUIRE(i < filters->count && !filters->visited[i]);
	filters->visited[i] = true;
	return true;
}

/* Filters that are valid, each once. */
static void
add_filter(struct filters *filters, struct mqev_topic_tree *tree, struct mqev_bytes text)
{
	void **slot;

	REQUIRE(!mqev_topic_filter_shared(text, NULL) || text.len > 9);
	if (filters->count == MAX_FILTERS || !mqev_topic_filter_ok(text))
		return;
	if (mqev_topic_tree_get(tree, text) != NULL)
		return;
	slot = mqev_topic_tree_put(tree, text);
	REQUIRE(slot != NULL && *slot == NULL);
	filters->texts[filters->count] = text;
	*slot = &filters->texts[filters->count++];
}

static bool
holds_nul(struct mqev_bytes text)
{
	return text.len > 0 && memchr(text.data, '\0', text.len) != NULL;
}

static char *
terminated(struct mqev_bytes text)
{
	char *copy = malloc(text.len + 1);

	REQUIRE(copy != NULL);
	if (text.len > 0)
		memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	return copy;
}

/* The public functions say the same about texts that end with a NUL. */
static void
check_public(struct mqev_bytes filter, struct mqev_bytes name)
{
	char *f = terminated(filter);
	char *n = terminated(name);
	bool both = mqev_topic_filter_ok(filter) && mqev_topic_name_ok(name);

	if (!holds_nul(filter) && !holds_nul(name)) {
		REQUIRE(mqev_topic_filter_valid(f) == mqev_topic_filter_ok(filter));
		REQUIRE(mqev_topic_name_valid(n) == mqev_topic_name_ok(name));
		REQUIRE(mqev_topic_matches(f, n) == (both && mqev_topic_match(filter, name)));
	}
	free(f);
	free(n);
}

static void
check_name(struct filters *filters, const struct mqev_topic_tree *tree, struct mqev_bytes name)
{
	size_t i;

	if (!mqev_topic_name_ok(name))
		return;
	mqev_topic_tree_match(tree, name, visit, filters);
	for (i = 0; i < filters->count; i++) {
		struct mqev_bytes inner = filters->texts[i];

		mqev_topic_filter_shared(filters->texts[i], &inner);
		REQUIRE(filters->visited[i] == reference(inner, name));
		REQUIRE(filters->visited[i] == mqev_topic_match(filters->texts[i], name));
	}
}

/* Each stands in the tree, half of them are taken out of it, and the rest is freed with it. */
static void
remove_half(struct filters *filters, struct mqev_topic_tree *tree)
{
	size_t i;

	memset(filters->visited, 0, sizeof(filters->visited));
	mqev_topic_tree_each(tree, visit, filters);
	for (i = 0; i < filters->count; i++)
		REQUIRE(filters->visited[i]);
	for (i = 0; i < filters->count / 2; i++) {
		REQUIRE(mqev_topic_tree_count(tree) == filters->count - i);
		REQUIRE(mqev_topic_tree_remove(tree, filters->texts[i]) == &filters->texts[i]);
		REQUIRE(mqev_topic_tree_get(tree, filters->texts[i]) == NULL);
	}
	for (; i < filters->count; i++) {
		void **slot = mqev_topic_tree_get(tree, filters->texts[i]);

		REQUIRE(slot != NULL && *slot == &filters->texts[i]);
	}
}

/* A copy of each text in a block of its own size, so that a byte read too many is seen. */
static struct mqev_bytes
exact(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	REQUIRE(copy != NULL);
	memcpy(copy, data, len);
	return (struct mqev_bytes){copy, len};
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct filters filters = {.count = 0};
	struct mqev_topic_tree *tree = mqev_topic_tree_new();
	const uint8_t *line;
	struct mqev_bytes name;
	size_t lines = 0, i;
	struct mqev_bytes texts[MAX_FILTERS];

	REQUIRE(tree != NULL);
	while (size > 0 && lines < MAX_FILTERS && (line = memchr(data, '\n', size)) != NULL) {
		texts[lines] = exact(data, (size_t)(line - data));
		add_filter(&filters, tree, texts[lines++]);
		size -= (size_t)(line + 1 - data);
		data = line + 1;
	}
	name = exact(data, size);
	for (i = 0; i < lines; i++)
		check_public(texts[i], name);
	check_name(&filters, tree, name);
	remove_half(&filters, tree);
	mqev_topic_tree_free(tree);
	for (i = 0; i < lines; i++)
		free((void *)texts[i].data);
	free((void *)name.data);
	return 0;
}
