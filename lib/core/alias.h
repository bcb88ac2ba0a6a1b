/* Topic aliases that we give: which topics the server knows by number on this connection, least
 * recently used first to go. */
#ifndef MQEV_CORE_ALIAS_H
#define MQEV_CORE_ALIAS_H

#include "core/buf.h"

struct mqev_aliases;

/* A table of up to max aliases; memory grows with those in use. NULL when memory runs out. */
struct mqev_aliases *mqev_aliases_new(uint16_t max);
/* NULL is ignored. */
void mqev_aliases_free(struct mqev_aliases *aliases);

/*
 * The alias of a topic, 1 to max; *known tells whether the server has it already, else it must be
 * sent with the topic. 0 when memory runs out: the topic goes without.
 */
uint16_t mqev_alias_of(struct mqev_aliases *aliases, struct mqev_bytes topic, bool *known);

#endif
