/*
 * Many filters at once: a tree by levels whose lookup does not depend on the filters that do
 * not match.
 */
#ifndef MQEV_CORE_TOPIC_TREE_H
#define MQEV_CORE_TOPIC_TREE_H

#include "core/buf.h"

struct mqev_topic_tree;

/*
 * Called for each entry that matches; returning false ends the walk. The tree must not be
 * changed meanwhile.
 */
typedef bool mqev_topic_tree_visit(void *value, void *arg);

struct mqev_topic_tree *mqev_topic_tree_new(void);
/* Frees the tree, not the values. NULL is ignored. */
void mqev_topic_tree_free(struct mqev_topic_tree *tree);

/*
 * Where the value of filter, which must be valid, stands: NULL in *slot when it is new, for the
 * caller to fill. A slot stays valid until the filter is removed. On failure nothing has changed.
 * `$share/group/f` and `f` are different entries which match the same names. NULL when memory runs
 * out.
 */
void **mqev_topic_tree_put(struct mqev_topic_tree *tree, struct mqev_bytes filter);
/* The slot of exactly this filter, or NULL. */
void **mqev_topic_tree_get(const struct mqev_topic_tree *tree, struct mqev_bytes filter);
/*
 * Removes the filter and the levels that nobody needs any more; returns the value that stood
 * there or NULL.
 */
void *mqev_topic_tree_remove(struct mqev_topic_tree *tree, struct mqev_bytes filter);

/*
 * Visits what matches a valid topic name, most specific first (at each level: literal, '+',
 * '#'). No recursion over levels, no allocation.
 */
void mqev_topic_tree_match(const struct mqev_topic_tree *tree, struct mqev_bytes name,
    mqev_topic_tree_visit *visit, void *arg);

/* Visits all entries in no particular order. */
void
mqev_topic_tree_each(const struct mqev_topic_tree *tree, mqev_topic_tree_visit *visit, void *arg);
size_t mqev_topic_tree_count(const struct mqev_topic_tree *tree);

#endif
