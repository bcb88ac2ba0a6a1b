/* Topic names and topic filters: validity and matching. */
#ifndef MQEV_TOPIC_H
#define MQEV_TOPIC_H

#include <stdbool.h>
#include <stddef.h>

#include <mqev/export.h>
#include <mqev/reason.h>

#ifdef __cplusplus
extern "C" {
#endif

/* True when text is a legal topic name to publish to: 1-65,535 bytes of UTF-8, no '+', '#'
 * ([MQTT-3.3.2-2], [MQTT-4.7.3-1]). */
MQEV_EXPORT bool mqev_topic_name_valid(const char *text);

/*
 * True when text is a legal topic filter: wildcards fill whole levels, '#' stands last
 * ([MQTT-4.7.1-1], [MQTT-4.7.1-2]); "$share/group/filter" is checked as a shared subscription
 * ([MQTT-4.8.2-1], [MQTT-4.8.2-2]).
 */
MQEV_EXPORT bool mqev_topic_filter_valid(const char *text);

/*
 * True when a message published to topic is for a subscription to filter. Topics that begin with
 * '$' are not matched by a wildcard in the first level. "$share/group/" is skipped. An invalid
 * filter or topic matches nothing. Time is linear in the lengths; nothing is allocated.
 */
MQEV_EXPORT bool mqev_topic_matches(const char *filter, const char *topic);

/*
 * Filters to pointers of the caller: which of many filters match a topic, in a time that does not
 * depend on those that do not. One thread at a time.
 */
struct mqev_topic_map;

/* NULL: no memory. */
MQEV_EXPORT struct mqev_topic_map *mqev_topic_map_new(void);
/* Frees the map, not what its values point to. NULL is ignored. */
MQEV_EXPORT void mqev_topic_map_free(struct mqev_topic_map *map);

/*
 * Sets the value of a filter, which is copied; it replaces an earlier one. "$share/group/filter"
 * and "filter" are two, which match the same topics. 0; MQEV_ERR_INVALID: not a filter, or value is
 * NULL; MQEV_ERR_NOMEM.
 */
MQEV_EXPORT int mqev_topic_map_set(struct mqev_topic_map *map, const char *filter, void *value);
/* The value of exactly this filter; the second takes it out. NULL: there is none. */
MQEV_EXPORT void *mqev_topic_map_get(const struct mqev_topic_map *map, const char *filter);
MQEV_EXPORT void *mqev_topic_map_remove(struct mqev_topic_map *map, const char *filter);
MQEV_EXPORT size_t mqev_topic_map_count(const struct mqev_topic_map *map);

/* Called for one value after the other; returning false ends the walk. The map must not be changed
 * meanwhile. */
typedef bool mqev_topic_map_visit(void *value, void *arg);

/* Visits the values whose filters match the topic, by the rules of mqev_topic_matches(), the most
 * specific first: at each level the literal one, '+', '#'. An invalid topic matches nothing. */
MQEV_EXPORT void mqev_topic_map_match(
    const struct mqev_topic_map *map, const char *topic, mqev_topic_map_visit *visit, void *arg);
/* Visits all values, in no particular order. */
MQEV_EXPORT void
mqev_topic_map_each(const struct mqev_topic_map *map, mqev_topic_map_visit *visit, void *arg);

#ifdef __cplusplus
}
#endif

#endif
