/*
 * Topic names and filters as views: validity, `$share`, matching one filter. Many filters at
 * once: topic_tree.
 */
#ifndef MQEV_CORE_TOPIC_H
#define MQEV_CORE_TOPIC_H

#include <stdbool.h>

#include "core/buf.h"

/* Each checks length and UTF-8 too. */
bool mqev_topic_name_ok(struct mqev_bytes name);
bool mqev_topic_filter_ok(struct mqev_bytes filter);
/* Neither wildcards nor U+0000 nor anything above U+007F: most names, seen in one pass. */
bool mqev_topic_name_plain(struct mqev_bytes name);

/* True for "$share/group/filter"; inner (may be NULL) gets the part after the group. */
bool mqev_topic_filter_shared(struct mqev_bytes filter, struct mqev_bytes *inner);
bool mqev_topic_filter_has_wildcard(struct mqev_bytes filter);

/* Both must be valid. `$share/group/` is skipped. */
bool mqev_topic_match(struct mqev_bytes filter, struct mqev_bytes name);

#endif
