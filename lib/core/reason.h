/*
 * The one table of reason codes: name, the packets and senders each may stand in, what a client
 * does after it.
 */
#ifndef MQEV_CORE_REASON_H
#define MQEV_CORE_REASON_H

#include <mqev/reason.h>

#include "core/packet.h"
#include "core/properties.h"

/* What to do after a CONNACK or DISCONNECT with this code. */
enum mqev_reason_class {
	MQEV_CLASS_RETRY,	/* usual backoff */
	MQEV_CLASS_RETRY_SLOW,	/* upper half of the backoff, tell the governor */
	MQEV_CLASS_NEEDS_INPUT, /* other credentials are needed */
	MQEV_CLASS_REDIRECT,
	MQEV_CLASS_STOP, /* configuration: trying again cannot help */
	MQEV_CLASS_FAULT /* a rule was broken: retry slowly, stop after three in a row */
};

/* True when the code may stand in that packet from that sender in MQTT 5.0. */
bool mqev_reason_legal(uint8_t reason, enum mqev_packet_type packet, enum mqev_sender sender);
enum mqev_reason_class mqev_reason_class(uint8_t reason);

#endif
