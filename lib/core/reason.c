/*
 * The table of reason codes and of this library's own error codes; what a code leads to is
 * decided elsewhere.
 */
#include "core/reason.h"

#include <string.h>

#include <stddef.h>

/* The packets that carry a reason code. */
enum {
	CA = MQEV_PACKET_BIT(MQEV_PACKET_CONNACK),
	PA = MQEV_PACKET_BIT(MQEV_PACKET_PUBACK),
	PC = MQEV_PACKET_BIT(MQEV_PACKET_PUBREC),
	PL = MQEV_PACKET_BIT(MQEV_PACKET_PUBREL),
	PP = MQEV_PACKET_BIT(MQEV_PACKET_PUBCOMP),
	SA = MQEV_PACKET_BIT(MQEV_PACKET_SUBACK),
	UA = MQEV_PACKET_BIT(MQEV_PACKET_UNSUBACK),
	D = MQEV_PACKET_BIT(MQEV_PACKET_DISCONNECT),
	AU = MQEV_PACKET_BIT(MQEV_PACKET_AUTH)
};

struct reason_row {
	const char *name; /* NULL: no such code */
	uint16_t server;  /* packets in which a server may send it */
	uint16_t client;  /* packets in which a client may send it */
	uint8_t class;
};

/* 0x8C is not in the standard's list for DISCONNECT, but servers send it there. */
static const struct reason_row rows[] = {
    [0x00] = {"Success", CA | PA | PC | PL | PP | SA | UA | D | AU, PA | PC | PL | PP | D,
	MQEV_CLASS_RETRY},
    [0x01] = {"Granted QoS 1", SA, 0, MQEV_CLASS_RETRY},
    [0x02] = {"Granted QoS 2", SA, 0, MQEV_CLASS_RETRY},
    [0x04] = {"Disconnect with Will Message", 0, D, MQEV_CLASS_RETRY},
    [0x10] = {"No matching subscribers", PA | PC, 0, MQEV_CLASS_RETRY},
    [0x11] = {"No subscription existed", UA, 0, MQEV_CLASS_RETRY},
    [0x18] = {"Continue authentication", AU, AU, MQEV_CLASS_RETRY},
    [0x19] = {"Re-authenticate", 0, AU, MQEV_CLASS_RETRY},
    [0x80] = {"Unspecified error", CA | PA | PC | SA | UA | D, PA | PC | D, MQEV_CLASS_RETRY},
    [0x81] = {"Malformed Packet", CA | D, D, MQEV_CLASS_FAULT},
    [0x82] = {"Protocol Error", CA | D, D, MQEV_CLASS_FAULT},
    [0x83] = {"Implementation specific error", CA | PA | PC | SA | UA | D, PA | PC | D,
	MQEV_CLASS_RETRY},
    [0x84] = {"Unsupported Protocol Version", CA, 0, MQEV_CLASS_STOP},
    [0x85] = {"Client Identifier not valid", CA, 0, MQEV_CLASS_STOP},
    [0x86] = {"Bad User Name or Password", CA, 0, MQEV_CLASS_NEEDS_INPUT},
    [0x87] = {"Not authorized", CA | PA | PC | SA | UA | D, PA | PC, MQEV_CLASS_NEEDS_INPUT},
    [0x88] = {"Server unavailable", CA, 0, MQEV_CLASS_RETRY},
    [0x89] = {"Server busy", CA | D, 0, MQEV_CLASS_RETRY_SLOW},
    [0x8A] = {"Banned", CA, 0, MQEV_CLASS_STOP},
    [0x8B] = {"Server shutting down", D, 0, MQEV_CLASS_RETRY},
    [0x8C] = {"Bad authentication method", CA | D, 0, MQEV_CLASS_NEEDS_INPUT},
    [0x8D] = {"Keep Alive timeout", D, 0, MQEV_CLASS_RETRY},
    [0x8E] = {"Session taken over", D, 0, MQEV_CLASS_STOP},
    [0x8F] = {"Topic Filter invalid", SA | UA | D, 0, MQEV_CLASS_FAULT},
    [0x90] = {"Topic Name invalid", CA | PA | PC | D, PA | PC | D, MQEV_CLASS_STOP},
    [0x91] = {"Packet Identifier in use", PA | PC | SA | UA, PA | PC, MQEV_CLASS_RETRY},
    [0x92] = {"Packet Identifier not found", PL | PP, PL | PP, MQEV_CLASS_RETRY},
    [0x93] = {"Receive Maximum exceeded", D, D, MQEV_CLASS_FAULT},
    [0x94] = {"Topic Alias invalid", D, D, MQEV_CLASS_FAULT},
    [0x95] = {"Packet too large", CA | D, D, MQEV_CLASS_FAULT},
    [0x96] = {"Message rate too high", D, D, MQEV_CLASS_RETRY_SLOW},
    [0x97] = {"Quota exceeded", CA | PA | PC | SA | D, PA | PC | D, MQEV_CLASS_RETRY_SLOW},
    [0x98] = {"Administrative action", D, D, MQEV_CLASS_RETRY},
    [0x99] = {"Payload format invalid", CA | PA | PC | D, PA | PC | D, MQEV_CLASS_STOP},
    [0x9A] = {"Retain not supported", CA | D, 0, MQEV_CLASS_STOP},
    [0x9B] = {"QoS not supported", CA | D, 0, MQEV_CLASS_STOP},
    [0x9C] = {"Use another server", CA | D, 0, MQEV_CLASS_REDIRECT},
    [0x9D] = {"Server moved", CA | D, 0, MQEV_CLASS_REDIRECT},
    [0x9E] = {"Shared Subscriptions not supported", SA | D, 0, MQEV_CLASS_FAULT},
    [0x9F] = {"Connection rate exceeded", CA | D, 0, MQEV_CLASS_RETRY_SLOW},
    [0xA0] = {"Maximum connect time", D, 0, MQEV_CLASS_NEEDS_INPUT},
    [0xA1] = {"Subscription Identifiers not supported", SA | D, 0, MQEV_CLASS_FAULT},
    [0xA2] = {"Wildcard Subscriptions not supported", SA | D, 0, MQEV_CLASS_FAULT},
};

static const struct reason_row *
find_row(int reason)
{
	if (reason < 0 || reason >= (int)(sizeof(rows) / sizeof(rows[0])))
		return NULL;
	return rows[reason].name != NULL ? &rows[reason] : NULL;
}

bool
mqev_reason_legal(uint8_t reason, enum mqev_packet_type packet, enum mqev_sender sender)
{
	const struct reason_row *row = find_row(reason);

	if (row == NULL)
		return false;
	return ((sender == MQEV_FROM_SERVER ? row->server : row->client) &
		   MQEV_PACKET_BIT(packet)) != 0;
}

enum mqev_reason_class
mqev_reason_class(uint8_t reason)
{
	const struct reason_row *row = find_row(reason);

	return row != NULL ? (enum mqev_reason_class)row->class : MQEV_CLASS_RETRY;
}

const char *
mqev_reason_text(int reason)
{
	const struct reason_row *row = find_row(reason);

	return row != NULL ? row->name : "Unknown reason code";
}

const char *
mqev_disconnect_reason_text(int reason)
{
	return reason == MQEV_REASON_NORMAL_DISCONNECTION ? "Normal disconnection"
							  : mqev_reason_text(reason);
}

/* --- conversions -------------------------------------------------------------------------------
 */

/* By the return code of CONNACK in 3.1 and 3.1.1. */
static const struct {
	uint8_t reason;
	const char *text;
} connack_codes[] = {
    {MQEV_REASON_SUCCESS, "Connection accepted"},
    {MQEV_REASON_UNSUPPORTED_PROTOCOL_VERSION, "Refused: protocol version not supported"},
    {MQEV_REASON_CLIENT_IDENTIFIER_NOT_VALID, "Refused: client identifier not accepted"},
    {MQEV_REASON_SERVER_UNAVAILABLE, "Refused: server unavailable"},
    {MQEV_REASON_BAD_USER_NAME_OR_PASSWORD, "Refused: bad user name or password"},
    {MQEV_REASON_NOT_AUTHORIZED, "Refused: not authorized"},
};

#define CONNACK_CODES ((int)(sizeof(connack_codes) / sizeof(connack_codes[0])))

enum mqev_reason
mqev_reason_from_connack_code(int code)
{
	if (code < 0 || code >= CONNACK_CODES)
		return MQEV_REASON_UNSPECIFIED_ERROR;
	return (enum mqev_reason)connack_codes[code].reason;
}

int
mqev_connack_code_from_reason(int reason)
{
	for (int code = 0; code < CONNACK_CODES; code++) {
		if (connack_codes[code].reason == reason)
			return code;
	}
	return -1;
}

const char *
mqev_connack_text(int code)
{
	if (code < 0 || code >= CONNACK_CODES)
		return "Refused: unknown return code";
	return connack_codes[code].text;
}

int
mqev_reason_from_name(const char *name)
{
	if (name == NULL)
		return -1;
	if (strcmp(name, "Normal disconnection") == 0 || strcmp(name, "Granted QoS 0") == 0)
		return 0;
	for (int reason = 0; reason < (int)(sizeof(rows) / sizeof(rows[0])); reason++) {
		if (rows[reason].name != NULL && strcmp(name, rows[reason].name) == 0)
			return reason;
	}
	return -1;
}

enum mqev_reason
mqev_reason_from_error(int error)
{
	static const struct {
		int error;
		enum mqev_reason reason;
	} known[] = {
	    {0, MQEV_REASON_SUCCESS},
	    {MQEV_ERR_MALFORMED, MQEV_REASON_MALFORMED_PACKET},
	    {MQEV_ERR_PROTOCOL, MQEV_REASON_PROTOCOL_ERROR},
	    {MQEV_ERR_KEEPALIVE, MQEV_REASON_KEEP_ALIVE_TIMEOUT},
	    {MQEV_ERR_TOO_LARGE, MQEV_REASON_PACKET_TOO_LARGE},
	    {MQEV_ERR_AUTH, MQEV_REASON_NOT_AUTHORIZED},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].error == error)
			return known[i].reason;
	}
	return MQEV_REASON_UNSPECIFIED_ERROR;
}

/* --- errors ------------------------------------------------------------------------------------
 */

/* By the error's negative. */
static const char *const error_texts[] = {
    [-MQEV_OK] = "Success",
    [-MQEV_ERR_INVALID] = "Invalid argument",
    [-MQEV_ERR_NOMEM] = "Out of memory",
    [-MQEV_ERR_STATE] = "Not possible in the present state",
    [-MQEV_ERR_UNSUPPORTED] = "Not supported by this build or protocol version",
    [-MQEV_ERR_NOT_FOUND] = "Not found",
    [-MQEV_ERR_QUEUE_FULL] = "Queue limit reached",
    [-MQEV_ERR_CANCELED] = "Canceled",
    [-MQEV_ERR_REFUSED] = "Refused by the server",
    [-MQEV_ERR_SESSION_LOST] = "Session lost, outcome unknown",
    [-MQEV_ERR_EXPIRED] = "Message expired before it was sent",
    [-MQEV_ERR_TIMEOUT] = "Timed out",
    [-MQEV_ERR_LOST] = "Connection lost",
    [-MQEV_ERR_RESOLVE] = "Host name could not be resolved",
    [-MQEV_ERR_SYSTEM] = "System call failed",
    [-MQEV_ERR_TLS] = "TLS error",
    [-MQEV_ERR_PROXY] = "Proxy refused or failed",
    [-MQEV_ERR_WEBSOCKET] = "WebSocket error",
    [-MQEV_ERR_MALFORMED] = "Malformed packet from the server",
    [-MQEV_ERR_PROTOCOL] = "Protocol error by the server",
    [-MQEV_ERR_KEEPALIVE] = "Server did not answer in time",
    [-MQEV_ERR_DISCONNECTED] = "Disconnected by the server",
    [-MQEV_ERR_TOO_LARGE] = "Packet too large",
    [-MQEV_ERR_QOS] = "QoS not supported by the server",
    [-MQEV_ERR_RETAIN] = "Retain not supported by the server",
    [-MQEV_ERR_WILDCARD] = "Wildcard subscriptions not supported by the server",
    [-MQEV_ERR_SHARED] = "Shared subscriptions not supported by the server",
    [-MQEV_ERR_SUBSCRIPTION_ID] = "Subscription identifiers not supported by the server",
    [-MQEV_ERR_AUTH] = "Authentication failed",
    [-MQEV_ERR_STORE] = "Store failed",
    [-MQEV_ERR_STORE_FULL] = "Store full",
    [-MQEV_ERR_STORE_DAMAGED] = "Store damaged",
    [-MQEV_ERR_STORE_VERSION] = "Store of another version",
    [-MQEV_ERR_STORE_BUSY] = "Store in use",
    [-MQEV_ERR_STORE_ACCESS] = "Store not accessible, or to others too",
    [-MQEV_ERR_DROPPED] = "Dropped",
};

const char *
mqev_error_text(int error)
{
	const int count = (int)(sizeof(error_texts) / sizeof(error_texts[0]));

	if (error == MQEV_KEPT)
		return "Kept by the store";
	if (error > 0 || error <= -count)
		return "Unknown error";
	return error_texts[-error];
}
