/*
 * Property lists inside the library: the table of the 27, checks against packets, building and
 * reading raw blocks.
 */
#ifndef MQEV_CORE_PROPERTIES_H
#define MQEV_CORE_PROPERTIES_H

#include <mqev/properties.h>

#include "core/packet.h"

/*
 * The items of a property block without its length, in wire form. What mqev_properties_new()
 * makes owns its bytes; a view does not.
 */
struct mqev_properties {
	const uint8_t *data;
	size_t len;
	uint8_t *owned; /* NULL in a view, else == data */
	size_t capacity;
	uint64_t present; /* builder: bit per id, to refuse repeats */
};

enum mqev_sender { MQEV_FROM_CLIENT, MQEV_FROM_SERVER };

/* A view over a block that mqev_properties_check() accepted. */
struct mqev_properties mqev_properties_view(struct mqev_bytes block);
/* The block of a list; empty for NULL. */
struct mqev_bytes mqev_properties_block(const struct mqev_properties *properties);

/*
 * Checks a whole block for a packet: ids known, legal in that packet from that sender, not repeated
 * where they may not be, values in range, UTF-8, names, block ends exactly. One pass, no
 * allocation. False: fault is filled (unknown or misplaced id 0x81, repeat or bad value 0x82 ...).
 * found (may be NULL) gets a bit per property id that is there.
 */
bool mqev_properties_check(struct mqev_bytes block, enum mqev_packet_type packet,
    enum mqev_sender sender, uint64_t *found, struct mqev_fault *fault);
#define MQEV_PROP_BIT(id) (UINT64_C(1) << (id))

/*
 * The same as a test of what an application gave: true when the list (NULL is fine) may go out
 * in that packet.
 */
bool
mqev_properties_sendable(const struct mqev_properties *properties, enum mqev_packet_type packet);

/*
 * Size of one item on the wire, and its write. For lists which the library composes itself
 * (CONNECT, PUBLISH with alias ...).
 */
size_t mqev_property_size(const struct mqev_property *property);
void mqev_property_write(struct mqev_writer *w, const struct mqev_property *property);

/* Reads the item at *position of a checked block; false at the end. */
bool mqev_property_read(struct mqev_bytes block, size_t *position, struct mqev_property *property);

/* Where in a block the four bytes of the Message Expiry Interval stand, and what they say; false:
 * there is none, and nothing is set. */
bool mqev_properties_find_expiry(struct mqev_bytes block, uint32_t *at, uint32_t *seconds);

#endif
