/*
 * The table of the 27 properties and what their values may be. Blocks and lists are made of it
 * in properties.c.
 */
#ifndef MQEV_CORE_PROPERTIES_TABLE_H
#define MQEV_CORE_PROPERTIES_TABLE_H

#include "core/properties.h"

struct mqev_property_rule {
	const char *name;
	enum mqev_property_type type;
	uint32_t client; /* MQEV_PACKET_BIT of the packets in which a client may send it */
	uint32_t server; /* ... and a server */
	uint32_t repeat; /* the packets in which it may stand more than once */
	/* What is wrong with a value that fits its type (reason 0: nothing); NULL: all are fine. */
	struct mqev_fault (*check)(const struct mqev_property *property);
};

/* NULL for an unknown id. */
const struct mqev_property_rule *mqev_property_rule(uint32_t id);

/*
 * What is wrong with the value, by its type (range, length, UTF-8) or by this property's own rule.
 * Reason 0: nothing.
 */
struct mqev_fault mqev_property_value_fault(
    const struct mqev_property_rule *rule, const struct mqev_property *property);

#endif
