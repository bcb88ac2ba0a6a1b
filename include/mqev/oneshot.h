/* Whole conversations in one blocking call: publish and leave, or wait for messages. */
#ifndef MQEV_ONESHOT_H
#define MQEV_ONESHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mqev/client.h>
#include <mqev/export.h>
#include <mqev/message.h>
#include <mqev/properties.h>
#include <mqev/reason.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * For programs that have no loop. Each call makes a client and a loop of its own, connects (to a
 * URL as mqev_connect() takes it, over every kind of link), does its work, disconnects and frees
 * all. It may be made in any thread, and in several at once; callbacks run in the caller's thread,
 * inside the call.
 *
 * A connection that breaks in the middle is made again, and messages of QoS 1 and 2 are sent again,
 * as long as there is time. But when no server of the URL accepts the client to begin with, the
 * call fails at once, unless retry is set.
 */

/* How it ended, beside the error that is returned. */
struct mqev_oneshot_report {
	size_t done;		 /* messages that were published, or received */
	enum mqev_reason reason; /* of the packet by which the server refused, else 0 */
	char text[160];		 /* one line for people, "" when all went well */
};

/* 0 in a member means its default; size is set by MQEV_ONESHOT(). */
struct mqev_oneshot {
	size_t size;
	/* Of the client: identifier, version, login, will, TLS, proxy, properties of CONNECT ...
	 * Its callbacks run as ever; on_message only in publishing calls. NULL: defaults. */
	const struct mqev_options *options;
	uint32_t timeout_ms; /* for the whole call; default 60,000; MQEV_NONE: without limit */
	bool retry;	     /* tries to connect until the time is over */
	bool skip_retained;  /* mqev_subscribe_simple(): takes no message that was retained */
	const struct mqev_properties *subscribe_properties; /* MQTT 5, of the SUBSCRIBE */
	struct mqev_oneshot_report *report;		    /* filled in any case; may be NULL */
};

#ifndef __cplusplus
#	define MQEV_ONESHOT(...) \
		(&(struct mqev_oneshot){.size = sizeof(struct mqev_oneshot), __VA_ARGS__})
#endif

/*
 * All return 0, or the error that ended the call: MQEV_ERR_TIMEOUT when the time was over;
 * MQEV_ERR_INVALID: an argument, the report's text may say which; MQEV_ERR_REFUSED: the server
 * refused the client, a message or a subscription; MQEV_ERR_NOMEM; what on_connect_fail or
 * on_disconnect was told (MQEV_ERR_RESOLVE, MQEV_ERR_SYSTEM, MQEV_ERR_TLS, MQEV_ERR_LOST ...), or
 * mqev_publish() and mqev_subscribe(). how may be NULL.
 */

/* Publishes one message and waits until it is done: QoS 0 when its last byte was handed to the
 * kernel, QoS 1 at PUBACK, QoS 2 at PUBCOMP. */
MQEV_EXPORT int mqev_publish_single(
    const char *url, const struct mqev_message *message, const struct mqev_oneshot *how);

/*
 * Publishes count messages over one connection, in their order, and without waiting for one before
 * the next is sent; only between messages of QoS 0 and of others, which could overtake each other,
 * is waited. The first that fails ends the call; report->done says how many were done. Elements of
 * the array are messages[0].size apart.
 */
MQEV_EXPORT int mqev_publish_multiple(const char *url, const struct mqev_message *messages,
    size_t count, const struct mqev_oneshot *how);

/*
 * Subscribes to filter_count filters (subscriptions[0].size apart) and waits for count messages.
 * They are copied to messages[0] and on, for the caller to free with mqev_message_free(), also when
 * the call fails: report->done says how many there are, the others are NULL. What comes beyond them
 * is acknowledged and dropped.
 */
MQEV_EXPORT int mqev_subscribe_simple(const char *url,
    const struct mqev_subscription *subscriptions, size_t filter_count,
    struct mqev_message **messages, size_t count, const struct mqev_oneshot *how);

/*
 * Subscribes and calls on_message for each message that no subscription's own callback took, until
 * one of them calls mqev_disconnect() for the client it is handed (0), or the time is over
 * (MQEV_ERR_TIMEOUT; see timeout_ms). It must not free that client.
 */
MQEV_EXPORT int mqev_subscribe_callback(const char *url,
    const struct mqev_subscription *subscriptions, size_t filter_count, mqev_message_cb *on_message,
    void *userdata, const struct mqev_oneshot *how);

#ifdef __cplusplus
}
#endif

#endif
