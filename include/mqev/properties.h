/* Typed MQTT 5 properties: a builder for what is sent, a read-only view for what was received. */
#ifndef MQEV_PROPERTIES_H
#define MQEV_PROPERTIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mqev/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The 27 properties of MQTT 5.0, section 2.2.2.2. */
enum mqev_property_id {
	MQEV_PROP_PAYLOAD_FORMAT_INDICATOR = 0x01,
	MQEV_PROP_MESSAGE_EXPIRY_INTERVAL = 0x02,
	MQEV_PROP_CONTENT_TYPE = 0x03,
	MQEV_PROP_RESPONSE_TOPIC = 0x08,
	MQEV_PROP_CORRELATION_DATA = 0x09,
	MQEV_PROP_SUBSCRIPTION_IDENTIFIER = 0x0B,
	MQEV_PROP_SESSION_EXPIRY_INTERVAL = 0x11,
	MQEV_PROP_ASSIGNED_CLIENT_IDENTIFIER = 0x12,
	MQEV_PROP_SERVER_KEEP_ALIVE = 0x13,
	MQEV_PROP_AUTHENTICATION_METHOD = 0x15,
	MQEV_PROP_AUTHENTICATION_DATA = 0x16,
	MQEV_PROP_REQUEST_PROBLEM_INFORMATION = 0x17,
	MQEV_PROP_WILL_DELAY_INTERVAL = 0x18,
	MQEV_PROP_REQUEST_RESPONSE_INFORMATION = 0x19,
	MQEV_PROP_RESPONSE_INFORMATION = 0x1A,
	MQEV_PROP_SERVER_REFERENCE = 0x1C,
	MQEV_PROP_REASON_STRING = 0x1F,
	MQEV_PROP_RECEIVE_MAXIMUM = 0x21,
	MQEV_PROP_TOPIC_ALIAS_MAXIMUM = 0x22,
	MQEV_PROP_TOPIC_ALIAS = 0x23,
	MQEV_PROP_MAXIMUM_QOS = 0x24,
	MQEV_PROP_RETAIN_AVAILABLE = 0x25,
	MQEV_PROP_USER_PROPERTY = 0x26,
	MQEV_PROP_MAXIMUM_PACKET_SIZE = 0x27,
	MQEV_PROP_WILDCARD_SUBSCRIPTION_AVAILABLE = 0x28,
	MQEV_PROP_SUBSCRIPTION_IDENTIFIER_AVAILABLE = 0x29,
	MQEV_PROP_SHARED_SUBSCRIPTION_AVAILABLE = 0x2A
};

enum mqev_property_type {
	MQEV_TYPE_BYTE = 1,
	MQEV_TYPE_U16,
	MQEV_TYPE_U32,
	MQEV_TYPE_VARINT, /* 0 to 268,435,455 */
	MQEV_TYPE_BINARY, /* up to 65,535 bytes */
	MQEV_TYPE_STRING, /* UTF-8, up to 65,535 bytes */
	MQEV_TYPE_PAIR	  /* two strings: name and value */
};

/*
 * A list of properties in the order in which they were added or received. The same type serves
 * as builder (made by mqev_properties_new(), owned by the caller) and as view (lent by the
 * library as a const pointer for the time of a callback; mqev_properties_copy() keeps one).
 * Not thread-safe: one list belongs to one thread at a time.
 */
struct mqev_properties;

/* One property. Bytes are not terminated by a NUL; they live as long as the list is unchanged. */
struct mqev_property {
	enum mqev_property_id id;
	enum mqev_property_type type;
	uint32_t integer; /* byte, u16, u32, varint */
	const char *name; /* pair: its first string */
	size_t name_len;
	const char *value; /* string, binary; pair: its second string */
	size_t value_len;
};

/* An empty list; NULL when memory runs out. */
MQEV_EXPORT struct mqev_properties *mqev_properties_new(void);

/* A list of the caller's own with the same properties (properties NULL: an empty one); NULL when
 * memory runs out. */
MQEV_EXPORT struct mqev_properties *mqev_properties_copy(const struct mqev_properties *properties);

/* Frees a list made by mqev_properties_new() or mqev_properties_copy(). NULL is ignored. */
MQEV_EXPORT void mqev_properties_free(struct mqev_properties *properties);

/* Removes all properties. */
MQEV_EXPORT void mqev_properties_clear(struct mqev_properties *properties);

/*
 * Append one property; bytes are copied. 0, or
 * MQEV_ERR_INVALID: unknown id, another type, a value that the protocol forbids (range, ill-formed
 * UTF-8, U+0000, more than 65,535 bytes, a wildcard in a Response Topic), or the id is in the list
 * and may not repeat; MQEV_ERR_NOMEM. On error the list is as before. Whether a property may stand
 * in a packet is checked when the list is used for one.
 */
MQEV_EXPORT int mqev_properties_add_integer(
    struct mqev_properties *properties, enum mqev_property_id id, uint32_t value);
MQEV_EXPORT int mqev_properties_add_string(
    struct mqev_properties *properties, enum mqev_property_id id, const char *value);
MQEV_EXPORT int mqev_properties_add_binary(
    struct mqev_properties *properties, enum mqev_property_id id, const void *value, size_t len);
MQEV_EXPORT int
mqev_properties_add_user(struct mqev_properties *properties, const char *name, const char *value);

/* Appends any property, as mqev_properties_next() gives it. Errors as above. */
MQEV_EXPORT int
mqev_properties_add(struct mqev_properties *properties, const struct mqev_property *property);

/* How many properties there are; 0 for NULL. */
MQEV_EXPORT size_t mqev_properties_count(const struct mqev_properties *properties);

/*
 * Iterates: start with *position = 0; true while *property was filled. NULL is an empty list.
 *	size_t position = 0;
 *	while (mqev_properties_next(list, &position, &property)) ...
 */
MQEV_EXPORT bool mqev_properties_next(
    const struct mqev_properties *properties, size_t *position, struct mqev_property *property);

/* The first property with this id; 0 or MQEV_ERR_NOT_FOUND. */
MQEV_EXPORT int mqev_properties_find(const struct mqev_properties *properties,
    enum mqev_property_id id, struct mqev_property *property);

/* The value of an integer property, or fallback when it is not there. */
MQEV_EXPORT uint32_t mqev_properties_integer(
    const struct mqev_properties *properties, enum mqev_property_id id, uint32_t fallback);

/* True when both hold the same properties in the same order. NULL equals an empty list. */
MQEV_EXPORT bool
mqev_properties_equal(const struct mqev_properties *a, const struct mqev_properties *b);

/*
 * Writes one line of text, "Content Type=text/plain, User Property=a:b", into buf as snprintf()
 * does: at most size bytes with the NUL; returns the length that the whole line needs without the
 * NUL. Control characters, backslashes and binary data are written as \xNN.
 */
MQEV_EXPORT size_t mqev_properties_print(
    const struct mqev_properties *properties, char *buf, size_t size);

/* The name of a property as in the standard, "Content Type"; NULL for an unknown id. */
MQEV_EXPORT const char *mqev_property_name(int id);

/* The type of a property; 0 for an unknown id. */
MQEV_EXPORT int mqev_property_type(int id);

#ifdef __cplusplus
}
#endif

#endif
