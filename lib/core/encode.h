/*
 * Packets to bytes: what a client sends. Sizes first, then the write into exactly that much room.
 * Values must have been checked before: these functions only lay out bytes. A size of 0 says that
 * the packet would pass the largest Remaining Length, 268,435,455.
 */
#ifndef MQEV_CORE_ENCODE_H
#define MQEV_CORE_ENCODE_H

#include "core/packet.h"

size_t mqev_connect_size(const struct mqev_connect_packet *p);
void mqev_connect_write(struct mqev_writer *w, const struct mqev_connect_packet *p);

/* The payload counts in the size; mqev_publish_write_head() leaves it to the caller to append. */
size_t mqev_publish_size(enum mqev_version version, const struct mqev_publish_packet *p);
void mqev_publish_write_head(
    struct mqev_writer *w, enum mqev_version version, const struct mqev_publish_packet *p);

/*
 * type: PUBACK ... PUBCOMP. Reason 0 without properties takes the short form. In v3 the reason
 * and properties are left out.
 */
size_t mqev_ack_size(enum mqev_version version, const struct mqev_ack_packet *p);
void mqev_ack_write(struct mqev_writer *w, enum mqev_version version, enum mqev_packet_type type,
    const struct mqev_ack_packet *p);

size_t mqev_subscribe_size(enum mqev_version version, const struct mqev_subscribe_packet *p);
void mqev_subscribe_write(
    struct mqev_writer *w, enum mqev_version version, const struct mqev_subscribe_packet *p);
size_t mqev_unsubscribe_size(enum mqev_version version, const struct mqev_subscribe_packet *p);
void mqev_unsubscribe_write(
    struct mqev_writer *w, enum mqev_version version, const struct mqev_subscribe_packet *p);

#define MQEV_PINGREQ_SIZE 2
void mqev_pingreq_write(struct mqev_writer *w);

/*
 * DISCONNECT: two bytes in v3 and for reason 0 without properties. AUTH: v5 only; always with
 * its reason code.
 */
size_t mqev_disconnect_size(enum mqev_version version, const struct mqev_reason_packet *p);
void mqev_disconnect_write(
    struct mqev_writer *w, enum mqev_version version, const struct mqev_reason_packet *p);
size_t mqev_auth_size(const struct mqev_reason_packet *p);
void mqev_auth_write(struct mqev_writer *w, const struct mqev_reason_packet *p);

#endif
