/*
 * Many filters at once. Nodes stand for levels and are found by (parent, text of the level) in one
 * hash table of the tree; nothing recurses, however many levels a filter or a topic has.
 */
#include "core/topic_tree.h"

#include <string.h>

#include "core/mem.h"
#include "core/topic.h"

#define FIRST_CAPACITY 16

/* A filter; `$share` gives several of them to one node. */
struct entry {
	struct entry *next;
	void *value;
	size_t group_len; /* 0: not shared */
	uint8_t group[];  /* "$share/group/" */
};

struct node {
	struct node *parent; /* NULL: the root */
	struct node *chain;  /* the next node of the same bucket */
	struct node *plus;   /* the child "+" */
	struct node *hash;   /* the child "#" */
	struct entry *entries;
	uint32_t children;
	uint32_t code; /* hash of the path so far */
	size_t len;    /* of the text, which follows the struct */
};

struct mqev_topic_tree {
	struct node **buckets; /* NULL while there is no node but the root */
	size_t capacity;       /* power of two */
	size_t nodes;
	size_t entries;
	struct node root;
};

static struct mqev_bytes
text_of(const struct node *node)
{
	return (struct mqev_bytes){(const uint8_t *)(node + 1), node->len};
}

/* The level of text that begins at at. */
static struct mqev_bytes
level_at(struct mqev_bytes text, size_t at)
{
	const uint8_t *slash = at < text.len ? memchr(text.data + at, '/', text.len - at) : NULL;
	size_t end = slash != NULL ? (size_t)(slash - text.data) : text.len;

	return (struct mqev_bytes){text.data + at, end - at};
}

static bool
same(struct mqev_bytes a, struct mqev_bytes b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static bool
is_char(struct mqev_bytes level, char c)
{
	return level.len == 1 && level.data[0] == c;
}

/* FNV-1a that goes on from the parent's, so that equal levels of different parents lie apart. */
static uint32_t
hash_code(const struct node *parent, struct mqev_bytes level)
{
	uint32_t code = (parent->code ^ '/') * UINT32_C(16777619);
	size_t i;

	for (i = 0; i < level.len; i++)
		code = (code ^ level.data[i]) * UINT32_C(16777619);
	return code;
}

static struct node **
bucket_of(const struct mqev_topic_tree *tree, uint32_t code)
{
	return &tree->buckets[(code ^ code >> 16) & (tree->capacity - 1)];
}

static struct node *
find_child(const struct mqev_topic_tree *tree, const struct node *parent, struct mqev_bytes level)
{
	struct node *node;
	uint32_t code;

	if (parent->children == 0)
		return NULL;
	code = hash_code(parent, level);
	for (node = *bucket_of(tree, code); node != NULL; node = node->chain)
		if (node->code == code && node->parent == parent && same(text_of(node), level))
			return node;
	return NULL;
}

static void
chain_in(struct mqev_topic_tree *tree, struct node *node)
{
	struct node **bucket = bucket_of(tree, node->code);

	node->chain = *bucket;
	*bucket = node;
}

static void
chain_out(struct mqev_topic_tree *tree, struct node *node)
{
	struct node **at = bucket_of(tree, node->code);

	while (*at != node)
		at = &(*at)->chain;
	*at = node->chain;
}

/* Doubles the buckets. Without memory the chains only get longer, unless there are no buckets yet.
 */
static bool
make_room(struct mqev_topic_tree *tree)
{
	struct mqev_topic_tree old = *tree;
	struct node *node;
	struct node *next;
	size_t i;

	if (tree->nodes < tree->capacity)
		return true;
	tree->capacity = old.capacity > 0 ? old.capacity * 2 : FIRST_CAPACITY;
	tree->buckets = mqev_calloc(tree->capacity, sizeof(*tree->buckets));
	if (tree->buckets == NULL) {
		tree->buckets = old.buckets;
		tree->capacity = old.capacity;
		return old.capacity > 0;
	}
	for (i = 0; i < old.capacity; i++)
		for (node = old.buckets[i]; node != NULL; node = next) {
			next = node->chain;
			chain_in(tree, node);
		}
	mqev_free(old.buckets);
	return true;
}

static void
set_wildcard(struct node *node, struct node *child)
{
	if (is_char(text_of(node), '+'))
		node->parent->plus = child;
	else if (is_char(text_of(node), '#'))
		node->parent->hash = child;
}

static struct node *
add_child(struct mqev_topic_tree *tree, struct node *parent, struct mqev_bytes level)
{
	struct node *node;

	if (!make_room(tree))
		return NULL;
	node = mqev_calloc(1, sizeof(*node) + level.len);
	if (node == NULL)
		return NULL;
	node->parent = parent;
	node->code = hash_code(parent, level);
	node->len = level.len;
	memcpy(node + 1, level.data, level.len);
	parent->children++;
	set_wildcard(node, node);
	chain_in(tree, node);
	tree->nodes++;
	return node;
}

static void
free_buckets(struct mqev_topic_tree *tree)
{
	mqev_free(tree->buckets);
	tree->buckets = NULL;
	tree->capacity = 0;
}

/* Takes away the node and those above it that hold nothing and lead nowhere. */
static void
prune(struct mqev_topic_tree *tree, struct node *node)
{
	struct node *parent;

	for (; node->parent != NULL && node->children == 0 && node->entries == NULL;
	     node = parent) {
		parent = node->parent;
		chain_out(tree, node);
		set_wildcard(node, NULL);
		parent->children--;
		tree->nodes--;
		mqev_free(node);
	}
	if (tree->nodes == 0)
		free_buckets(tree);
}

/* The node of a path of levels, or NULL. */
static struct node *
find_node(const struct mqev_topic_tree *tree, struct mqev_bytes path)
{
	const struct node *node = &tree->root;
	struct node *child;
	size_t at = 0;

	for (;;) {
		struct mqev_bytes level = level_at(path, at);

		child = find_child(tree, node, level);
		at += level.len + 1;
		if (child == NULL || at > path.len)
			return child;
		node = child;
	}
}

/* The same, made where it is missing. On failure nothing new is left. */
static struct node *
make_node(struct mqev_topic_tree *tree, struct mqev_bytes path)
{
	struct node *node = &tree->root;
	struct node *child;
	size_t at = 0;

	while (at <= path.len) {
		struct mqev_bytes level = level_at(path, at);

		child = find_child(tree, node, level);
		if (child == NULL)
			child = add_child(tree, node, level);
		if (child == NULL) {
			prune(tree, node);
			return NULL;
		}
		node = child;
		at += level.len + 1;
	}
	return node;
}

/* Splits "$share/group/" off a filter; group is empty when it is not shared. */
static struct mqev_bytes
split_group(struct mqev_bytes filter, struct mqev_bytes *path)
{
	struct mqev_bytes group = {filter.data, 0};

	*path = filter;
	if (mqev_topic_filter_shared(filter, path))
		group.len = filter.len - path->len;
	return group;
}

/* Where the entry of a group hangs, or the end of the list. */
static struct entry **
find_entry(struct node *node, struct mqev_bytes group)
{
	struct entry **at = &node->entries;

	for (; *at != NULL; at = &(*at)->next)
		if (same((struct mqev_bytes){(*at)->group, (*at)->group_len}, group))
			break;
	return at;
}

static struct entry *
add_entry(struct mqev_topic_tree *tree, struct node *node, struct mqev_bytes group)
{
	struct entry **at = find_entry(node, group);

	if (*at != NULL)
		return *at;
	*at = mqev_calloc(1, sizeof(**at) + group.len);
	if (*at == NULL)
		return NULL;
	(*at)->group_len = group.len;
	memcpy((*at)->group, group.data, group.len);
	tree->entries++;
	return *at;
}

struct mqev_topic_tree *
mqev_topic_tree_new(void)
{
	return mqev_calloc(1, sizeof(struct mqev_topic_tree));
}

static void
free_node(struct node *node)
{
	struct entry *entry;

	while ((entry = node->entries) != NULL) {
		node->entries = entry->next;
		mqev_free(entry);
	}
	mqev_free(node);
}

void
mqev_topic_tree_free(struct mqev_topic_tree *tree)
{
	struct node *node;
	size_t i;

	if (tree == NULL)
		return;
	for (i = 0; i < tree->capacity; i++)
		while ((node = tree->buckets[i]) != NULL) {
			tree->buckets[i] = node->chain;
			free_node(node);
		}
	mqev_free(tree->buckets);
	mqev_free(tree);
}

void **
mqev_topic_tree_put(struct mqev_topic_tree *tree, struct mqev_bytes filter)
{
	struct mqev_bytes path;
	struct mqev_bytes group = split_group(filter, &path);
	struct node *node = make_node(tree, path);
	struct entry *entry;

	if (node == NULL)
		return NULL;
	entry = add_entry(tree, node, group);
	if (entry == NULL) {
		prune(tree, node);
		return NULL;
	}
	return &entry->value;
}

void **
mqev_topic_tree_get(const struct mqev_topic_tree *tree, struct mqev_bytes filter)
{
	struct mqev_bytes path;
	struct mqev_bytes group = split_group(filter, &path);
	struct node *node = find_node(tree, path);
	struct entry *entry = node != NULL ? *find_entry(node, group) : NULL;

	return entry != NULL ? &entry->value : NULL;
}

void *
mqev_topic_tree_remove(struct mqev_topic_tree *tree, struct mqev_bytes filter)
{
	struct mqev_bytes path;
	struct mqev_bytes group = split_group(filter, &path);
	struct node *node = find_node(tree, path);
	struct entry **at = node != NULL ? find_entry(node, group) : NULL;
	struct entry *entry;
	void *value;

	if (at == NULL || *at == NULL)
		return NULL;
	entry = *at;
	value = entry->value;
	*at = entry->next;
	mqev_free(entry);
	tree->entries--;
	prune(tree, node);
	return value;
}

/*
 * A walk over the nodes that match a name: depth first, literal before '+' before '#'. at is where
 * the level below node begins, name.len + 1 when the name is used up.
 */
struct walk {
	const struct mqev_topic_tree *tree;
	struct mqev_bytes name;
	mqev_topic_tree_visit *visit;
	void *arg;
	const struct node *node;
	size_t at;
};

static bool
visit_node(const struct walk *walk, const struct node *node)
{
	struct entry *entry;

	if (node == NULL)
		return true;
	for (entry = node->entries; entry != NULL; entry = entry->next)
		if (!walk->visit(entry->value, walk->arg))
			return false;
	return true;
}

/* Names that begin with '$' are not for wildcards in the first level ([MQTT-4.7.2-1]). */
static bool
wildcards_apply(const struct walk *walk)
{
	return walk->node->parent != NULL || walk->name.data[0] != '$';
}

static void
step_down(struct walk *walk, const struct node *child, struct mqev_bytes level)
{
	walk->node = child;
	walk->at += level.len + 1;
}

static void
step_up(struct walk *walk)
{
	walk->node = walk->node->parent;
	for (walk->at--; walk->at > 0 && walk->name.data[walk->at - 1] != '/'; walk->at--)
		;
}

/* To the first matching child, if any: the literal one, else '+'. */
static bool
go_down(struct walk *walk)
{
	struct mqev_bytes level;
	const struct node *child;

	if (walk->at > walk->name.len || walk->node->children == 0)
		return false;
	level = level_at(walk->name, walk->at);
	child = find_child(walk->tree, walk->node, level);
	if (child == NULL && wildcards_apply(walk))
		child = walk->node->plus;
	if (child == NULL)
		return false;
	step_down(walk, child, level);
	return true;
}

/*
 * From a finished child over to its '+' sibling; false when the child was that one, or there is
 * none.
 */
static bool
go_across(struct walk *walk)
{
	const struct node *child = walk->node;
	const struct node *plus = child->parent->plus;

	step_up(walk);
	if (plus == NULL || plus == child || !wildcards_apply(walk))
		return false;
	step_down(walk, plus, level_at(walk->name, walk->at));
	return true;
}

/* What matches at the deepest node of a branch, or at a node all of whose branches are done. */
static bool
finish_node(const struct walk *walk)
{
	if (walk->at > walk->name.len && !visit_node(walk, walk->node))
		return false;
	return !wildcards_apply(walk) || visit_node(walk, walk->node->hash);
}

void
mqev_topic_tree_match(const struct mqev_topic_tree *tree, struct mqev_bytes name,
    mqev_topic_tree_visit *visit, void *arg)
{
	struct walk walk = {tree, name, visit, arg, &tree->root, 0};

	if (name.len == 0)
		return;
	for (;;) {
		while (go_down(&walk))
			;
		do {
			if (!finish_node(&walk) || walk.node->parent == NULL)
				return;
		} while (!go_across(&walk));
	}
}

void
mqev_topic_tree_each(const struct mqev_topic_tree *tree, mqev_topic_tree_visit *visit, void *arg)
{
	const struct walk walk = {.tree = tree, .visit = visit, .arg = arg};
	const struct node *node;
	size_t i;

	for (i = 0; i < tree->capacity; i++)
		for (node = tree->buckets[i]; node != NULL; node = node->chain)
			if (!visit_node(&walk, node))
				return;
}

size_t
mqev_topic_tree_count(const struct mqev_topic_tree *tree)
{
	return tree->entries;
}
