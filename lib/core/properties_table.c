/*
 * The table of the 27 properties and the rules of their values; blocks are read and written in
 * properties.c.
 */
#include "core/properties_table.h"

#include <string.h>

#include <mqev/reason.h>

#include "core/utf8.h"

static struct mqev_fault
nothing(void)
{
	return (struct mqev_fault){0, NULL};
}

static struct mqev_fault
malformed(const char *text)
{
	return (struct mqev_fault){MQEV_REASON_MALFORMED_PACKET, text};
}

static struct mqev_fault
protocol_error(const char *text)
{
	return (struct mqev_fault){MQEV_REASON_PROTOCOL_ERROR, text};
}

static struct mqev_fault
check_bool(const struct mqev_property *property)
{
	return property->integer <= 1 ? nothing()
				      : protocol_error("property value is neither 0 nor 1");
}

static struct mqev_fault
check_not_zero(const struct mqev_property *property)
{
	return property->integer > 0 ? nothing() : protocol_error("property value is 0");
}

static struct mqev_fault
check_alias(const struct mqev_property *property)
{
	if (property->integer > 0)
		return nothing();
	return (struct mqev_fault){
	    MQEV_REASON_TOPIC_ALIAS_INVALID, "Topic Alias is 0 [MQTT-3.3.2-8]"};
}

static struct mqev_fault
check_topic(const struct mqev_property *property)
{
	if (property->value_len == 0)
		return protocol_error("Response Topic is empty [MQTT-4.7.3-1]");
	if (memchr(property->value, '+', property->value_len) != NULL ||
	    memchr(property->value, '#', property->value_len) != NULL)
		return malformed("wildcard in the Response Topic [MQTT-3.3.2-14]");
	return nothing();
}

enum {
	CONNECT = MQEV_PACKET_BIT(MQEV_PACKET_CONNECT),
	CONNACK = MQEV_PACKET_BIT(MQEV_PACKET_CONNACK),
	PUBLISH = MQEV_PACKET_BIT(MQEV_PACKET_PUBLISH),
	ACKS = MQEV_PACKET_BIT(MQEV_PACKET_PUBACK) | MQEV_PACKET_BIT(MQEV_PACKET_PUBREC) |
	       MQEV_PACKET_BIT(MQEV_PACKET_PUBREL) | MQEV_PACKET_BIT(MQEV_PACKET_PUBCOMP),
	SUBSCRIBE = MQEV_PACKET_BIT(MQEV_PACKET_SUBSCRIBE),
	SUBACK = MQEV_PACKET_BIT(MQEV_PACKET_SUBACK),
	UNSUBSCRIBE = MQEV_PACKET_BIT(MQEV_PACKET_UNSUBSCRIBE),
	UNSUBACK = MQEV_PACKET_BIT(MQEV_PACKET_UNSUBACK),
	DISCONNECT = MQEV_PACKET_BIT(MQEV_PACKET_DISCONNECT),
	AUTH = MQEV_PACKET_BIT(MQEV_PACKET_AUTH),
	WILL = MQEV_PACKET_BIT(MQEV_PACKET_WILL),
	BOTH_WAYS = PUBLISH | ACKS | DISCONNECT | AUTH,
	FROM_CLIENT = CONNECT | SUBSCRIBE | UNSUBSCRIBE | WILL | BOTH_WAYS,
	FROM_SERVER = CONNACK | SUBACK | UNSUBACK | BOTH_WAYS,
	EVERY = FROM_CLIENT | FROM_SERVER
};

/* Name, type; packets of the client, of the server, where it may repeat; check of the value. */
static const struct mqev_property_rule rules[] = {
    [MQEV_PROP_PAYLOAD_FORMAT_INDICATOR] = {"Payload Format Indicator", MQEV_TYPE_BYTE,
	PUBLISH | WILL, PUBLISH, 0, check_bool},
    [MQEV_PROP_MESSAGE_EXPIRY_INTERVAL] = {"Message Expiry Interval", MQEV_TYPE_U32, PUBLISH | WILL,
	PUBLISH, 0, NULL},
    [MQEV_PROP_CONTENT_TYPE] = {"Content Type", MQEV_TYPE_STRING, PUBLISH | WILL, PUBLISH, 0, NULL},
    [MQEV_PROP_RESPONSE_TOPIC] = {"Response Topic", MQEV_TYPE_STRING, PUBLISH | WILL, PUBLISH, 0,
	check_topic},
    [MQEV_PROP_CORRELATION_DATA] = {"Correlation Data", MQEV_TYPE_BINARY, PUBLISH | WILL, PUBLISH,
	0, NULL},
    [MQEV_PROP_SUBSCRIPTION_IDENTIFIER] = {"Subscription Identifier", MQEV_TYPE_VARINT, SUBSCRIBE,
	PUBLISH, PUBLISH, check_not_zero},
    [MQEV_PROP_SESSION_EXPIRY_INTERVAL] = {"Session Expiry Interval", MQEV_TYPE_U32,
	CONNECT | DISCONNECT, CONNACK, 0, NULL},
    [MQEV_PROP_ASSIGNED_CLIENT_IDENTIFIER] = {"Assigned Client Identifier", MQEV_TYPE_STRING, 0,
	CONNACK, 0, NULL},
    [MQEV_PROP_SERVER_KEEP_ALIVE] = {"Server Keep Alive", MQEV_TYPE_U16, 0, CONNACK, 0, NULL},
    [MQEV_PROP_AUTHENTICATION_METHOD] = {"Authentication Method", MQEV_TYPE_STRING, CONNECT | AUTH,
	CONNACK | AUTH, 0, NULL},
    [MQEV_PROP_AUTHENTICATION_DATA] = {"Authentication Data", MQEV_TYPE_BINARY, CONNECT | AUTH,
	CONNACK | AUTH, 0, NULL},
    [MQEV_PROP_REQUEST_PROBLEM_INFORMATION] = {"Request Problem Information", MQEV_TYPE_BYTE,
	CONNECT, 0, 0, check_bool},
    [MQEV_PROP_WILL_DELAY_INTERVAL] = {"Will Delay Interval", MQEV_TYPE_U32, WILL, 0, 0, NULL},
    [MQEV_PROP_REQUEST_RESPONSE_INFORMATION] = {"Request Response Information", MQEV_TYPE_BYTE,
	CONNECT, 0, 0, check_bool},
    [MQEV_PROP_RESPONSE_INFORMATION] = {"Response Information", MQEV_TYPE_STRING, 0, CONNACK, 0,
	NULL},
    [MQEV_PROP_SERVER_REFERENCE] = {"Server Reference", MQEV_TYPE_STRING, 0, CONNACK | DISCONNECT,
	0, NULL},
    [MQEV_PROP_REASON_STRING] = {"Reason String", MQEV_TYPE_STRING, ACKS | AUTH | DISCONNECT,
	CONNACK | SUBACK | UNSUBACK | ACKS | AUTH | DISCONNECT, 0, NULL},
    [MQEV_PROP_RECEIVE_MAXIMUM] = {"Receive Maximum", MQEV_TYPE_U16, CONNECT, CONNACK, 0,
	check_not_zero},
    [MQEV_PROP_TOPIC_ALIAS_MAXIMUM] = {"Topic Alias Maximum", MQEV_TYPE_U16, CONNECT, CONNACK, 0,
	NULL},
    [MQEV_PROP_TOPIC_ALIAS] = {"Topic Alias", MQEV_TYPE_U16, PUBLISH, PUBLISH, 0, check_alias},
    [MQEV_PROP_MAXIMUM_QOS] = {"Maximum QoS", MQEV_TYPE_BYTE, 0, CONNACK, 0, check_bool},
    [MQEV_PROP_RETAIN_AVAILABLE] = {"Retain Available", MQEV_TYPE_BYTE, 0, CONNACK, 0, check_bool},
    [MQEV_PROP_USER_PROPERTY] = {"User Property", MQEV_TYPE_PAIR, FROM_CLIENT, FROM_SERVER, EVERY,
	NULL},
    [MQEV_PROP_MAXIMUM_PACKET_SIZE] = {"Maximum Packet Size", MQEV_TYPE_U32, CONNECT, CONNACK, 0,
	check_not_zero},
    [MQEV_PROP_WILDCARD_SUBSCRIPTION_AVAILABLE] = {"Wildcard Subscription Available",
	MQEV_TYPE_BYTE, 0, CONNACK, 0, check_bool},
    [MQEV_PROP_SUBSCRIPTION_IDENTIFIER_AVAILABLE] = {"Subscription Identifier Available",
	MQEV_TYPE_BYTE, 0, CONNACK, 0, check_bool},
    [MQEV_PROP_SHARED_SUBSCRIPTION_AVAILABLE] = {"Shared Subscription Available", MQEV_TYPE_BYTE, 0,
	CONNACK, 0, check_bool},
};

const struct mqev_property_rule *
mqev_property_rule(uint32_t id)
{
	if (id >= sizeof(rules) / sizeof(rules[0]) || rules[id].name == NULL)
		return NULL;
	return &rules[id];
}

const char *
mqev_property_name(int id)
{
	const struct mqev_property_rule *rule = mqev_property_rule((uint32_t)id);

	return rule != NULL ? rule->name : NULL;
}

int
mqev_property_type(int id)
{
	const struct mqev_property_rule *rule = mqev_property_rule((uint32_t)id);

	return rule != NULL ? (int)rule->type : 0;
}

static struct mqev_fault
check_integer(enum mqev_property_type type, uint32_t value)
{
	static const uint32_t max[] = {
	    [MQEV_TYPE_BYTE] = UINT8_MAX,
	    [MQEV_TYPE_U16] = UINT16_MAX,
	    [MQEV_TYPE_U32] = UINT32_MAX,
	    [MQEV_TYPE_VARINT] = MQEV_VARINT_MAX,
	};

	return value <= max[type] ? nothing() : malformed("property value does not fit its type");
}

static struct mqev_fault
check_bytes(const char *data, size_t len, bool is_text)
{
	if (len > UINT16_MAX)
		return malformed("property longer than 65,535 bytes");
	if (is_text && !mqev_utf8_valid((const uint8_t *)data, len))
		return malformed("ill-formed UTF-8 in a property [MQTT-1.5.4-1] [MQTT-1.5.7-1]");
	return nothing();
}

static struct mqev_fault
check_type(enum mqev_property_type type, const struct mqev_property *property)
{
	struct mqev_fault fault = nothing();

	if (type < MQEV_TYPE_BINARY)
		return check_integer(type, property->integer);
	if (type == MQEV_TYPE_PAIR)
		fault = check_bytes(property->name, property->name_len, true);
	if (fault.reason != 0)
		return fault;
	return check_bytes(property->value, property->value_len, type != MQEV_TYPE_BINARY);
}

struct mqev_fault
mqev_property_value_fault(
    const struct mqev_property_rule *rule, const struct mqev_property *property)
{
	struct mqev_fault fault = check_type(rule->type, property);

	if (fault.reason != 0 || rule->check == NULL)
		return fault;
	return rule->check(property);
}
