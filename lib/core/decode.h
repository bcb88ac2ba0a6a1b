/*
 * Bytes from the server to packets, every rule of the format checked. State rules are the
 * session's.
 */
#ifndef MQEV_CORE_DECODE_H
#define MQEV_CORE_DECODE_H

#include "core/packet.h"

/* The fixed header. */
struct mqev_frame {
	uint8_t first;	    /* type and flags */
	uint8_t header_len; /* 2-5 */
	uint32_t body_len;  /* the Remaining Length */
};

enum mqev_frame_status {
	MQEV_FRAME_MORE,  /* not enough bytes to tell */
	MQEV_FRAME_WHOLE, /* header known (the body may still be on its way) */
	MQEV_FRAME_BAD	  /* fault is filled */
};

/*
 * Reads the fixed header from the first bytes of a stream. Type, direction and flags are judged
 * from the first byte on, the length as soon as a byte of it is wrong, so that nonsense ends
 * early. In v3 an over-long but correct varint of up to four bytes passes.
 */
enum mqev_frame_status mqev_frame_parse(enum mqev_version version, const uint8_t *data, size_t len,
    struct mqev_frame *frame, struct mqev_fault *fault);

/*
 * Decodes a whole packet (header and body at data, len = header_len + body_len). False: fault
 * is filled.
 */
bool mqev_packet_decode(enum mqev_version version, const struct mqev_frame *frame,
    const uint8_t *data, struct mqev_packet *packet, struct mqev_fault *fault);

#endif
