/* Queues and back-pressure: what waits in clients, its limits and marks, taking out of it, pausing
 * what is received, and draining. The options that set limits are in client.h and fleet.h. */
#ifndef MQEV_QUEUE_H
#define MQEV_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mqev/export.h>
#include <mqev/reason.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mqev_client;
struct mqev_fleet;

/*
 * An operation counts from the call that submits it until its completion: while it waits to be sent
 * and, at QoS 1 and 2, SUBSCRIBE and UNSUBSCRIBE, while it is in flight. A QoS 0 message that can
 * be handed to the connection at once does not count. Its bytes are what the library allocated for
 * it: topic, properties, payload and its own record. A payload by reference (release) is the
 * application's and does not count.
 */

/* --- limits and marks --------------------------------------------------------------------------
 */

/*
 * What happens to an operation that the limits of the client or of the fleet leave no room for.
 * What is dropped completes with MQEV_ERR_DROPPED; dropped are messages of the same client that
 * wait to be sent for the first time, never those in flight, nor SUBSCRIBE and UNSUBSCRIBE. When
 * there is not enough to drop, or within one turn of the loop as much was dropped as max_queued and
 * max_queued_bytes allow to wait, the new one is rejected with MQEV_ERR_QUEUE_FULL.
 */
enum mqev_queue_full {
	MQEV_QUEUE_FULL_REJECT = 0,  /* the new one is rejected */
	MQEV_QUEUE_FULL_DROP_OLDEST, /* the oldest make room */
	MQEV_QUEUE_FULL_DROP_QOS0,   /* the oldest of QoS 0, then the oldest; but a new message of
					QoS 0 makes only such go */
	MQEV_QUEUE_FULL_DROP_EXPIRED /* those whose Message Expiry Interval is over (which are
					looked for once a second at most), then the oldest */
};

/*
 * When to be told that much waits, and that it has become less: at high when operations or bytes
 * have reached their mark, at low when both are down to theirs. Copied.
 */
struct mqev_water_marks {
	size_t size;	   /* set by MQEV_WATER_MARKS() */
	uint32_t high;	   /* operations; 0: no mark */
	uint32_t low;	   /* less than high; default half of it; MQEV_NONE: 0 */
	size_t high_bytes; /* 0: no mark */
	size_t low_bytes;  /* less than high_bytes; default half of it */
};

#ifndef __cplusplus
#	define MQEV_WATER_MARKS(...) \
		(&(struct mqev_water_marks){.size = sizeof(struct mqev_water_marks), __VA_ARGS__})
#endif

/* A mark was reached; count and bytes are those of now. */
struct mqev_water {
	bool high; /* else low */
	size_t count;
	size_t bytes;
};

/* Called from the loop, high and low by turns; what goes up and down within one turn of the loop is
 * not told. */
typedef void
mqev_water_cb(struct mqev_client *client, const struct mqev_water *water, void *userdata);
typedef void
mqev_fleet_water_cb(struct mqev_fleet *fleet, const struct mqev_water *water, void *userdata);

/* The fleet's limits from now on, as in its options. What waits already stays. 0; MQEV_ERR_INVALID,
 * MQEV_ERR_STATE (being freed). */
MQEV_EXPORT int
mqev_fleet_set_max_queued(struct mqev_fleet *fleet, uint32_t max_queued, size_t max_queued_bytes);
/* The fleet's marks from now on; NULL: none. As above. */
MQEV_EXPORT int
mqev_fleet_set_water(struct mqev_fleet *fleet, const struct mqev_water_marks *marks);

/* Operations that wait or are in flight in all clients of the fleet, and the bytes allocated for
 * them. */
MQEV_EXPORT size_t mqev_fleet_queue_count(const struct mqev_fleet *fleet);
MQEV_EXPORT size_t mqev_fleet_queue_bytes(const struct mqev_fleet *fleet);

/* --- looking -----------------------------------------------------------------------------------
 */

/* Operations that wait or are in flight, and the bytes allocated for them. Cost nothing. */
MQEV_EXPORT size_t mqev_queue_count(const struct mqev_client *client);
MQEV_EXPORT size_t mqev_queue_bytes(const struct mqev_client *client);

enum mqev_queued_kind { MQEV_QUEUED_PUBLISH = 0, MQEV_QUEUED_SUBSCRIBE, MQEV_QUEUED_UNSUBSCRIBE };

enum mqev_queued_state {
	MQEV_QUEUED_WAITING = 0, /* not sent in this session */
	MQEV_QUEUED_IN_FLIGHT, /* sent and not acknowledged; without a connection: to be sent again
				*/
	MQEV_QUEUED_LEAVING    /* QoS 0: its bytes are on their way to the kernel */
};

struct mqev_queued {
	uint64_t op; /* what mqev_publish() or its kin returned */
	enum mqev_queued_kind kind;
	enum mqev_queued_state state;
	const char *topic; /* the first filter of a SUBSCRIBE or UNSUBSCRIBE */
	size_t payload_len;
	size_t bytes; /* allocated for it */
	int qos;
	bool retain;
	uint16_t mid;	 /* 0: it has none yet */
	uint64_t age_ms; /* since it was accepted */
	uint64_t
	    expires_ms; /* until its Message Expiry Interval is over; 0: it has none, or it is */
};

/* What was pending when it was made; nothing in it changes later. */
struct mqev_queue_list {
	size_t count;
	const struct mqev_queued *at;
};

/*
 * A list of what is pending, at most max entries (0: all): QoS 0 on the way to the kernel, then, in
 * their order, waiting QoS 0, QoS 1 and 2, SUBSCRIBE and UNSUBSCRIBE. What was canceled, and what
 * the library does by itself, is left out. Costs a walk over the queue and one allocation. NULL: no
 * memory, or client is NULL. To be freed with mqev_queue_list_free(), in any thread.
 */
MQEV_EXPORT struct mqev_queue_list *
mqev_queue_list_new(const struct mqev_client *client, size_t max);
MQEV_EXPORT void mqev_queue_list_free(struct mqev_queue_list *list);

/* --- taking out --------------------------------------------------------------------------------
 */

/*
 * Cancels one operation, op being what mqev_publish(), mqev_subscribe(), mqev_unsubscribe() or
 * mqev_request() returned. Its completion follows from the loop.
 *
 * Not sent yet: it never is, and completes with MQEV_ERR_CANCELED (MQEV_ERR_SESSION_LOST: it was
 * sent in a session that the server lost, and may have arrived). The filters of a SUBSCRIBE are
 * forgotten; the callbacks that an UNSUBSCRIBE removed stay removed. A message of QoS 1 or 2 in
 * flight: it completes with MQEV_ERR_CANCELED, its outcome unknown; the library goes on with it in
 * silence until the server has acknowledged it, for its identifier is in use until then, and it
 * counts until then.
 *
 * 0; MQEV_ERR_STATE: a SUBSCRIBE, UNSUBSCRIBE or QoS 0 message that was sent already;
 * MQEV_ERR_NOT_FOUND: no such operation, or it is over; MQEV_ERR_NOMEM; MQEV_ERR_INVALID. Costs a
 * walk over at most half of the queue.
 */
MQEV_EXPORT int mqev_cancel(struct mqev_client *client, uint64_t op);

enum mqev_queue_clear {
	MQEV_QUEUE_CLEAR_ALL = 0, /* all messages that are not in flight */
	MQEV_QUEUE_CLEAR_QOS0	  /* of these, those of QoS 0 */
};

/* Cancels, as mqev_cancel() does, all messages of a kind that wait to be sent. Returns how many. */
MQEV_EXPORT size_t mqev_queue_clear(struct mqev_client *client, enum mqev_queue_clear which);

/* --- back-pressure -----------------------------------------------------------------------------
 */

/*
 * Stops reading from the connection, so that the server and the network hold back what the
 * application cannot take, until mqev_resume_receiving(). Legal in every callback; in on_message
 * that message is the last one. What the library has read already it keeps, at most one packet and
 * 128 KiB, and delivers it first at the resume. Lasts over reconnects; the handshake of a new
 * connection is still read.
 *
 * Meanwhile acknowledgements are not read either: what is in flight stays so. PINGREQ is sent as
 * ever; the deadlines of answers (ping_timeout_ms, ack_timeout_ms, packet_timeout_ms) rest. That
 * the server closed the connection shows at the resume, or when something is sent. 0;
 * MQEV_ERR_INVALID; MQEV_ERR_STATE (being freed). Twice is as good as once.
 */
MQEV_EXPORT int mqev_pause_receiving(struct mqev_client *client);
MQEV_EXPORT int mqev_resume_receiving(struct mqev_client *client);
MQEV_EXPORT bool mqev_is_receiving_paused(const struct mqev_client *client);

/* --- draining ----------------------------------------------------------------------------------
 */

/* How a drain ended, and what was left then: operations that had not completed, which do so with
 * MQEV_ERR_CANCELED before this is told. */
struct mqev_drain_report {
	/* 0: nothing was left; MQEV_ERR_TIMEOUT: the deadline came first; MQEV_ERR_CANCELED:
	   mqev_disconnect() or a free did, or no connection was wanted. Of a fleet: one of those
	   that its clients had. */
	int error;
	bool server_closed;	 /* it closed its side after our DISCONNECT; of a fleet: each did */
	size_t left_messages[3]; /* by QoS */
	size_t left_in_flight;	 /* of these, sent at QoS 1 or 2 and not acknowledged: may have
				    arrived */
	size_t left_subscribes; /* SUBSCRIBE and UNSUBSCRIBE */
	size_t left_requests;	/* mqev_request() without a reply */
	size_t left_bytes;	/* that were allocated for the operations */
	uint64_t took_ms;
	size_t clients;	     /* of a fleet: that were drained */
	size_t clients_left; /* of these, those with an error */
};

typedef void
mqev_drain_cb(struct mqev_client *client, const struct mqev_drain_report *report, void *arg);
typedef void
mqev_fleet_drain_cb(struct mqev_fleet *fleet, const struct mqev_drain_report *report, void *arg);

/*
 * Ends a client's work in good order. From this call on nothing new is accepted: mqev_publish() and
 * its kin, and mqev_connect(), return MQEV_ERR_STATE. What waits and what is in flight, requests
 * included, is finished, over reconnects if need be; then DISCONNECT is sent, our side of the
 * connection is closed, and the server's is waited for, up to 2 s. When deadline_ms milliseconds
 * have passed (0: at once, in the next turn of the loop), or mqev_disconnect() is called, or no
 * connection is wanted at all, what is left completes with MQEV_ERR_CANCELED, and DISCONNECT is
 * sent if there is a connection. At last done (may be NULL) is called, once; the callbacks of the
 * end of the connection come before it. Then the client is like one that was disconnected, and may
 * connect again.
 *
 * Received messages are delivered meanwhile, but a client whose reception is paused hears no
 * acknowledgement: resume it first. What the application holds (mqev_message_hold()) is not waited
 * for.
 *
 * Legal in every callback. mqev_client_free() ends a drain: done is called inside it, with
 * MQEV_ERR_CANCELED. 0; MQEV_ERR_STATE: it is draining already, or being freed; MQEV_ERR_INVALID;
 * MQEV_ERR_NOMEM.
 */
MQEV_EXPORT int
mqev_drain(struct mqev_client *client, uint32_t deadline_ms, mqev_drain_cb *done, void *arg);
MQEV_EXPORT bool mqev_is_draining(const struct mqev_client *client);

/*
 * Drains all clients of the fleet at once, each as mqev_drain() does; those that are draining
 * already keep their own deadline if it is earlier. Meanwhile mqev_client_new() fails with
 * MQEV_ERR_STATE. done gets the sums when the last one is done; a free of the fleet calls it with
 * what is known then. Errors as for mqev_drain(); on MQEV_ERR_NOMEM nothing was begun.
 */
MQEV_EXPORT int mqev_fleet_drain(
    struct mqev_fleet *fleet, uint32_t deadline_ms, mqev_fleet_drain_cb *done, void *arg);

#ifdef __cplusplus
}
#endif

#endif
