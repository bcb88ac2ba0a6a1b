/* The public face of the topic tree: filters to pointers. */
#include <string.h>

#include <mqev/topic.h>

#include "core/mem.h"
#include "core/topic.h"
#include "core/topic_tree.h"

struct mqev_topic_map {
	struct mqev_topic_tree *tree;
};

static struct mqev_bytes
bytes_of(const char *text)
{
	return (struct mqev_bytes){(const uint8_t *)text, text != NULL ? strlen(text) : 0};
}

struct mqev_topic_map *
mqev_topic_map_new(void)
{
	struct mqev_topic_map *map = mqev_malloc(sizeof(*map));

	if (map == NULL)
		return NULL;
	map->tree = mqev_topic_tree_new();
	if (map->tree != NULL)
		return map;
	mqev_free(map);
	return NULL;
}

void
mqev_topic_map_free(struct mqev_topic_map *map)
{
	if (map == NULL)
		return;
	mqev_topic_tree_free(map->tree);
	mqev_free(map);
}

int
mqev_topic_map_set(struct mqev_topic_map *map, const char *filter, void *value)
{
	struct mqev_bytes bytes = bytes_of(filter);
	void **slot;

	if (map == NULL || value == NULL || !mqev_topic_filter_ok(bytes))
		return MQEV_ERR_INVALID;
	slot = mqev_topic_tree_put(map->tree, bytes);
	if (slot == NULL)
		return MQEV_ERR_NOMEM;
	*slot = value;
	return 0;
}

void *
mqev_topic_map_get(const struct mqev_topic_map *map, const char *filter)
{
	struct mqev_bytes bytes = bytes_of(filter);
	void **slot;

	if (map == NULL || !mqev_topic_filter_ok(bytes))
		return NULL;
	slot = mqev_topic_tree_get(map->tree, bytes);
	return slot != NULL ? *slot : NULL;
}

void *
mqev_topic_map_remove(struct mqev_topic_map *map, const char *filter)
{
	struct mqev_bytes bytes = bytes_of(filter);

	if (map == NULL || !mqev_topic_filter_ok(bytes))
		return NULL;
	return mqev_topic_tree_remove(map->tree, bytes);
}

size_t
mqev_topic_map_count(const struct mqev_topic_map *map)
{
	return map != NULL ? mqev_topic_tree_count(map->tree) : 0;
}

void
mqev_topic_map_match(
    const struct mqev_topic_map *map, const char *topic, mqev_topic_map_visit *visit, void *arg)
{
	struct mqev_bytes name = bytes_of(topic);

	if (map != NULL && visit != NULL && mqev_topic_name_ok(name))
		mqev_topic_tree_match(map->tree, name, visit, arg);
}

void
mqev_topic_map_each(const struct mqev_topic_map *map, mqev_topic_map_visit *visit, void *arg)
{
	if (map != NULL && visit != NULL)
		mqev_topic_tree_each(map->tree, visit, arg);
}
