/* Reason codes that travel in packets, error codes that functions return, and their texts. */
#ifndef MQEV_REASON_H
#define MQEV_REASON_H

#include <mqev/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a function of this library can return besides 0, and what r->error can hold in a
 * completion. Never sent over the wire: what the server said is an enum mqev_reason.
 */
enum mqev_error {
	MQEV_KEPT = 1, /* no error: a completion says that the store keeps the message and the next
			  client of that name goes on with it */
	MQEV_OK = 0,
	MQEV_ERR_INVALID = -1,	     /* an argument is wrong; nothing was changed */
	MQEV_ERR_NOMEM = -2,	     /* out of memory; nothing was changed */
	MQEV_ERR_STATE = -3,	     /* not possible in the client's present state */
	MQEV_ERR_UNSUPPORTED = -4,   /* this build or this protocol version has no such feature */
	MQEV_ERR_NOT_FOUND = -5,     /* no such operation, property or entry */
	MQEV_ERR_QUEUE_FULL = -6,    /* a limit of the client's queue is reached */
	MQEV_ERR_CANCELED = -7,	     /* canceled by the application, or the client was freed */
	MQEV_ERR_REFUSED = -8,	     /* the server refused: the reason code says why */
	MQEV_ERR_SESSION_LOST = -9,  /* the session ended meanwhile: the outcome is unknown */
	MQEV_ERR_EXPIRED = -10,	     /* Message Expiry Interval passed before it was sent */
	MQEV_ERR_TIMEOUT = -11,	     /* a deadline passed */
	MQEV_ERR_LOST = -12,	     /* the connection ended or could not be made */
	MQEV_ERR_RESOLVE = -13,	     /* the host name could not be resolved */
	MQEV_ERR_SYSTEM = -14,	     /* a system call failed: errno beside it */
	MQEV_ERR_TLS = -15,	     /* TLS handshake, certificate or record error */
	MQEV_ERR_PROXY = -16,	     /* the proxy refused or answered nonsense */
	MQEV_ERR_WEBSOCKET = -17,    /* the upgrade was refused, or a WebSocket rule was broken */
	MQEV_ERR_MALFORMED = -18,    /* the server sent a packet that cannot be parsed */
	MQEV_ERR_PROTOCOL = -19,     /* the server broke a rule of the protocol */
	MQEV_ERR_KEEPALIVE = -20,    /* the server did not answer a PINGREQ in time */
	MQEV_ERR_DISCONNECTED = -21, /* the server sent DISCONNECT: the reason code says why */
	MQEV_ERR_TOO_LARGE = -22,    /* larger than the peer's or the own Maximum Packet Size */
	MQEV_ERR_QOS = -23,	     /* above the server's Maximum QoS */
	MQEV_ERR_RETAIN = -24,	     /* the server has no retained messages */
	MQEV_ERR_WILDCARD = -25,     /* the server has no wildcard subscriptions */
	MQEV_ERR_SHARED = -26,	     /* the server has no shared subscriptions */
	MQEV_ERR_SUBSCRIPTION_ID = -27, /* the server has no subscription identifiers */
	MQEV_ERR_AUTH = -28,		/* the authentication exchange failed on our side */
	MQEV_ERR_STORE = -29,		/* the store failed for good: read, write or sync error */
	MQEV_ERR_STORE_FULL = -30,	/* no room in the store: its limit, or the disk's */
	MQEV_ERR_STORE_DAMAGED = -31,	/* the store holds what cannot be right; it is left as it is
					 */
	MQEV_ERR_STORE_VERSION = -32,	/* the store is of a format that this version cannot read */
	MQEV_ERR_STORE_BUSY = -33,  /* the store is open elsewhere, or that client of it in use */
	MQEV_ERR_STORE_ACCESS = -34, /* owner or permissions of the store are not what they must
					    be */
	MQEV_ERR_DROPPED = -35 /* given up for newer messages; at QoS 0 for want of a connection */
};

/* The reason codes of MQTT 5.0, section 2.4. Older versions' codes are converted to these. */
enum mqev_reason {
	MQEV_REASON_SUCCESS = 0x00,
	MQEV_REASON_NORMAL_DISCONNECTION = 0x00,
	MQEV_REASON_GRANTED_QOS_0 = 0x00,
	MQEV_REASON_GRANTED_QOS_1 = 0x01,
	MQEV_REASON_GRANTED_QOS_2 = 0x02,
	MQEV_REASON_DISCONNECT_WITH_WILL = 0x04,
	MQEV_REASON_NO_MATCHING_SUBSCRIBERS = 0x10,
	MQEV_REASON_NO_SUBSCRIPTION_EXISTED = 0x11,
	MQEV_REASON_CONTINUE_AUTHENTICATION = 0x18,
	MQEV_REASON_REAUTHENTICATE = 0x19,
	MQEV_REASON_UNSPECIFIED_ERROR = 0x80,
	MQEV_REASON_MALFORMED_PACKET = 0x81,
	MQEV_REASON_PROTOCOL_ERROR = 0x82,
	MQEV_REASON_IMPLEMENTATION_SPECIFIC = 0x83,
	MQEV_REASON_UNSUPPORTED_PROTOCOL_VERSION = 0x84,
	MQEV_REASON_CLIENT_IDENTIFIER_NOT_VALID = 0x85,
	MQEV_REASON_BAD_USER_NAME_OR_PASSWORD = 0x86,
	MQEV_REASON_NOT_AUTHORIZED = 0x87,
	MQEV_REASON_SERVER_UNAVAILABLE = 0x88,
	MQEV_REASON_SERVER_BUSY = 0x89,
	MQEV_REASON_BANNED = 0x8A,
	MQEV_REASON_SERVER_SHUTTING_DOWN = 0x8B,
	MQEV_REASON_BAD_AUTHENTICATION_METHOD = 0x8C,
	MQEV_REASON_KEEP_ALIVE_TIMEOUT = 0x8D,
	MQEV_REASON_SESSION_TAKEN_OVER = 0x8E,
	MQEV_REASON_TOPIC_FILTER_INVALID = 0x8F,
	MQEV_REASON_TOPIC_NAME_INVALID = 0x90,
	MQEV_REASON_PACKET_IDENTIFIER_IN_USE = 0x91,
	MQEV_REASON_PACKET_IDENTIFIER_NOT_FOUND = 0x92,
	MQEV_REASON_RECEIVE_MAXIMUM_EXCEEDED = 0x93,
	MQEV_REASON_TOPIC_ALIAS_INVALID = 0x94,
	MQEV_REASON_PACKET_TOO_LARGE = 0x95,
	MQEV_REASON_MESSAGE_RATE_TOO_HIGH = 0x96,
	MQEV_REASON_QUOTA_EXCEEDED = 0x97,
	MQEV_REASON_ADMINISTRATIVE_ACTION = 0x98,
	MQEV_REASON_PAYLOAD_FORMAT_INVALID = 0x99,
	MQEV_REASON_RETAIN_NOT_SUPPORTED = 0x9A,
	MQEV_REASON_QOS_NOT_SUPPORTED = 0x9B,
	MQEV_REASON_USE_ANOTHER_SERVER = 0x9C,
	MQEV_REASON_SERVER_MOVED = 0x9D,
	MQEV_REASON_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E,
	MQEV_REASON_CONNECTION_RATE_EXCEEDED = 0x9F,
	MQEV_REASON_MAXIMUM_CONNECT_TIME = 0xA0,
	MQEV_REASON_SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xA1,
	MQEV_REASON_WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xA2
};

/* A short English text for an enum mqev_error; never NULL. Static storage, any thread. */
MQEV_EXPORT const char *mqev_error_text(int error);

/*
 * A short English text for a reason code; never NULL. Static storage, any thread.
 * 0x00 reads "Success"; mqev_disconnect_reason_text() calls it "Normal disconnection".
 */
MQEV_EXPORT const char *mqev_reason_text(int reason);
MQEV_EXPORT const char *mqev_disconnect_reason_text(int reason);

/* The MQTT 5 reason that says the same as a CONNACK return code (0-5) of 3.1 and 3.1.1; else 0x80.
 */
MQEV_EXPORT enum mqev_reason mqev_reason_from_connack_code(int code);
/* The other way: the return code (0-5) of 3.1 and 3.1.1; -1: they have none that says the same. */
MQEV_EXPORT int mqev_connack_code_from_reason(int reason);
/* A short English text for such a return code; never NULL. Static storage, any thread. */
MQEV_EXPORT const char *mqev_connack_text(int code);

/* The reason code whose text is name (mqev_reason_text(), "Normal disconnection" and "Granted QoS
 * 0" too); -1: none is. */
MQEV_EXPORT int mqev_reason_from_name(const char *name);

/* The reason that says what kind of error ended a connection: 0 for 0, 0x81 for
 * MQEV_ERR_MALFORMED, 0x82 for MQEV_ERR_PROTOCOL, 0x8D for MQEV_ERR_KEEPALIVE, 0x95 for
 * MQEV_ERR_TOO_LARGE, 0x87 for MQEV_ERR_AUTH, else 0x80. */
MQEV_EXPORT enum mqev_reason mqev_reason_from_error(int error);

/* 1 when a reason code says that something failed (0x80 and above), else 0. */
#define MQEV_REASON_IS_FAILURE(reason) ((reason) >= 0x80)

#ifdef __cplusplus
}
#endif

#endif
