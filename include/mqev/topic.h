/* Topic names and topic filters: validity and matching. */
#ifndef MQEV_TOPIC_H
#define MQEV_TOPIC_H

#include <stdbool.h>

#include <mqev/export.h>

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

#ifdef __cplusplus
}
#endif

#endif
