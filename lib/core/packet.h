/*
 * The packets of MQTT 3.1, 3.1.1 and 5.0 as structs, and what is fixed about each type. No
 * state, no I/O.
 */
#ifndef MQEV_CORE_PACKET_H
#define MQEV_CORE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

struct mqev_op;

/* Protocol levels as on the wire. */
enum mqev_version { MQEV_V31 = 3, MQEV_V311 = 4, MQEV_V5 = 5 };

enum mqev_packet_type {
	MQEV_PACKET_CONNECT = 1,
	MQEV_PACKET_CONNACK,
	MQEV_PACKET_PUBLISH,
	MQEV_PACKET_PUBACK,
	MQEV_PACKET_PUBREC,
	MQEV_PACKET_PUBREL,
	MQEV_PACKET_PUBCOMP,
	MQEV_PACKET_SUBSCRIBE,
	MQEV_PACKET_SUBACK,
	MQEV_PACKET_UNSUBSCRIBE,
	MQEV_PACKET_UNSUBACK,
	MQEV_PACKET_PINGREQ,
	MQEV_PACKET_PINGRESP,
	MQEV_PACKET_DISCONNECT,
	MQEV_PACKET_AUTH,
	MQEV_PACKET_WILL /* not a packet: names the will's property list inside CONNECT */
};
#define MQEV_PACKET_BIT(type) (1u << (type))

/* "PUBLISH"; never NULL. */
const char *mqev_packet_name(int type);

/*
 * What is wrong with a packet: the reason code to send in 5.0, and a text for the log with the
 * statement's number.
 */
struct mqev_fault {
	uint8_t reason; /* 0: nothing */
	const char *text;
};

/* Views of the packet's bytes throughout; property lists are the raw block without its length. */
struct mqev_connect_packet {
	enum mqev_version version;
	bool bridge; /* sets bit 7 of the level byte */
	bool clean_start;
	uint16_t keepalive_s;
	struct mqev_bytes properties;
	struct mqev_bytes client_id;
	bool has_will;
	uint8_t will_qos;
	bool will_retain;
	struct mqev_bytes will_properties;
	struct mqev_bytes will_topic;
	struct mqev_bytes will_payload;
	bool has_username;
	struct mqev_bytes username;
	bool has_password;
	struct mqev_bytes password;
};

struct mqev_connack_packet {
	bool session_present;
	uint8_t code;	/* as on the wire: a v3 return code or a v5 reason code */
	uint8_t reason; /* the v5 reason code that it means */
	struct mqev_bytes properties;
};

struct mqev_publish_packet {
	bool dup;
	bool retain;
	uint8_t qos;
	uint16_t mid; /* 0 at QoS 0 */
	struct mqev_bytes topic;
	struct mqev_bytes properties;
	uint16_t alias; /* to send: a Topic Alias to put before the properties; 0: none */
	uint32_t
	    expiry_s; /* to send: what a Message Expiry Interval among the properties says by now */
	struct mqev_bytes payload;
};

/* PUBACK, PUBREC, PUBREL, PUBCOMP */
struct mqev_ack_packet {
	uint16_t mid;
	uint8_t reason;
	struct mqev_bytes properties;
};

/* SUBACK, UNSUBACK */
struct mqev_suback_packet {
	uint16_t mid;
	struct mqev_bytes properties;
	/* One byte per filter; v3 SUBACK: 0, 1, 2, 0x80; empty in a v3 UNSUBACK. */
	struct mqev_bytes codes;
};

/* DISCONNECT, AUTH */
struct mqev_reason_packet {
	uint8_t reason;
	struct mqev_bytes properties;
};

struct mqev_filter {
	struct mqev_bytes filter;
	/* The byte of the wire: QoS, no local, retain as published, retain handling. */
	uint8_t options;
};

/* SUBSCRIBE, UNSUBSCRIBE (options ignored) */
struct mqev_subscribe_packet {
	uint16_t mid;
	struct mqev_bytes properties;
	const struct mqev_filter *filters;
	size_t filter_count;
};

/* SUBSCRIBE, UNSUBSCRIBE as they are sent. */
struct mqev_request_packet {
	const struct mqev_op *op;
	uint32_t subscription_id; /* the library's own, beside the properties; 0: none */
};

/* What a packet says, by its type; of PINGREQ and PINGRESP nothing. */
union mqev_packet_view {
	const void *any;
	const struct mqev_connect_packet *connect;
	const struct mqev_connack_packet *connack;
	const struct mqev_publish_packet *publish;
	const struct mqev_ack_packet *ack;
	const struct mqev_request_packet *request;
	const struct mqev_suback_packet *suback;
	const struct mqev_reason_packet *reason;
};

/* What a client can receive. */
struct mqev_packet {
	enum mqev_packet_type type;
	size_t size; /* of the whole packet on the wire */
	union {
		struct mqev_connack_packet connack;
		struct mqev_publish_packet publish;
		struct mqev_ack_packet ack;
		struct mqev_suback_packet suback;
		struct mqev_reason_packet reason;
	} u;
};

#endif
