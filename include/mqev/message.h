/* Messages: what is published, and what a callback is lent. */
#ifndef MQEV_MESSAGE_H
#define MQEV_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mqev/export.h>
#include <mqev/properties.h>
#include <mqev/reason.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One application message. To publish: fill it with MQEV_MESSAGE(.topic = "a/b", ...); everything
 * is copied before mqev_publish() returns, but for a payload with release, see there.
 * In a callback: a view, lent until the callback returns; mqev_message_copy() keeps one.
 */
struct mqev_message {
	size_t size;	     /* sizeof(struct mqev_message), set by MQEV_MESSAGE() */
	const char *topic;   /* NUL-terminated, also in callbacks */
	const void *payload; /* any bytes; may be NULL when payload_len is 0 */
	size_t payload_len;  /* bytes */
	int qos;	     /* 0, 1, 2 */
	bool retain;
	const struct mqev_properties
	    *properties; /* MQTT 5; NULL: none. Older versions leave them out. */

	/*
	 * To publish only: when release is set, the payload is not copied but used where it stands
	 * until release(release_arg) is called, once, in the loop's thread: after the
	 * acknowledgement (QoS 1, 2) or when its last byte left (QoS 0), or when the operation
	 * ended otherwise; never before mqev_publish() returned, and not at all when it returned an
	 * error.
	 */
	void (*release)(void *release_arg);
	void *release_arg;

	/* In callbacks only. */
	size_t topic_len;     /* bytes, without the NUL */
	bool dup;	      /* the server sent it before; says nothing about what you have seen */
	uint16_t mid;	      /* packet identifier; 0 at QoS 0 */
	uint64_t received_ms; /* monotonic clock, milliseconds */
	void *delivery;	      /* the library's; NULL outside callbacks */

	/*
	 * With a store. In callbacks: what the message is known by until mqev_ack() or the end of
	 * its callback, the same after a crash; 0 when the store does not keep it. Who writes it
	 * down with what the message did, and looks there first, does it once.
	 */
	uint64_t token;
	/* To publish at QoS 1 or 2: the token of a message that this one answers. That one is done
	 * in the same commit that accepts this one. */
	uint64_t answers;
	uint64_t cookie; /* to publish: kept with the message, for mqev_client_pending() */
};

#define MQEV_MESSAGE_INIT                                                                   \
	{                                                                                   \
		sizeof(struct mqev_message), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 \
	}
#ifndef __cplusplus
#	define MQEV_MESSAGE(...) \
		(&(struct mqev_message){.size = sizeof(struct mqev_message), __VA_ARGS__})
#endif

/*
 * A copy that belongs to the caller, in one block, properties included (release is not copied).
 * NULL when memory runs out. Free it with mqev_message_free(), any thread.
 */
MQEV_EXPORT struct mqev_message *mqev_message_copy(const struct mqev_message *message);
MQEV_EXPORT void mqev_message_free(struct mqev_message *message);

/*
 * The right to acknowledge one received message later, instead of by the library when its callback
 * returns. It holds no pointer to the client and may outlive it. Used in the loop's thread.
 */
struct mqev_ack;

/*
 * In a message callback: takes the acknowledgement over. The server counts the message as
 * unfinished until mqev_ack(); later messages of the same QoS are delivered, but acknowledged only
 * after it, in the order in which they came ([MQTT-4.6.0-2]). NULL: no memory, held already, or
 * message was not lent by a callback; then the library acknowledges as usual. At QoS 0 the handle
 * does nothing.
 */
MQEV_EXPORT struct mqev_ack *mqev_message_hold(const struct mqev_message *message);

/*
 * Acknowledges: PUBACK at QoS 1; PUBREC at QoS 2, until which the server sends the message again
 * after a lost connection. A failing reason and properties (MQTT 5, may be NULL) say that the
 * message was not taken. 0; MQEV_ERR_LOST: the message's connection is gone, the server sends it
 * again (harmless); MQEV_ERR_STATE: acknowledged before (harmless); MQEV_ERR_UNSUPPORTED: a failing
 * reason before 5.0; MQEV_ERR_INVALID: a reason or property that these packets may not carry;
 * MQEV_ERR_NOMEM.
 */
MQEV_EXPORT int
mqev_ack(struct mqev_ack *ack, enum mqev_reason reason, const struct mqev_properties *properties);

/* Frees the handle. A message that was not acknowledged stays so until its connection ends. NULL is
 * ignored. */
MQEV_EXPORT void mqev_ack_drop(struct mqev_ack *ack);

#ifdef __cplusplus
}
#endif

#endif
