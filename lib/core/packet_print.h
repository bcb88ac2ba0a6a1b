/* A packet as one line of text for logs: the facts, and nothing secret. */
#ifndef MQEV_CORE_PACKET_PRINT_H
#define MQEV_CORE_PACKET_PRINT_H

#include "core/packet.h"

/* Neither password nor user name, nor what a payload, the will, binary data or a user property
 * says: of those that they are there, or how long. What came from outside cannot disturb the line;
 * names and texts are cut, the whole to size - 1 bytes. size: 4 at least. */
void mqev_packet_print(enum mqev_version version, bool sent, enum mqev_packet_type type,
    union mqev_packet_view view, char *buf, size_t size);

#endif
