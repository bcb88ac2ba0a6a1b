/* Queues and back-pressure: what waits in clients, its limits and marks, taking out of it, pausing what
 * is received, and draining. The options that set limits are in client.h and fleet.h. */
#ifndef MQEV_QUEUE_H
#define MQEV_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mqev/export.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mqev_client;
struct mqev_fleet;

/*
 * An operation counts from the call that submits it until its completion: while it waits to be sent
 * and, at QoS 1 and 2, SUBSCRIBE and UNSUBSCRIBE, while it is in flight. A QoS 0 message that can be
 * handed to the connection at once does not count. Its bytes are what the library allocated for it:
 * topic, properties, payload and its own record. A payload by reference (release) is the
 * application's and does not count.
 */

/* --- limits and marks --------------------------------------------------------------------------
 */

/*
 * What happens to an operation that the limits of the client or of the fleet leave no room for. What
 * is dropped completes with MQEV_ERR_DROPPED; dropped are messages of the same client that wait to be
 * sent for the first time, never those in flight, nor SUBSCRIBE and UNSUBSCRIBE. When there is not
 * enough to drop, or within one turn of the loop as much was dropped as max_queued and
 * max_queued_bytes allow to wait, the new one is rejected with MQEV_ERR_QUEUE_FULL.
 */
enum mqev_queue_full {
	MQEV_QUEUE_FULL_REJECT = 0,  /* the new one is rejected */
	MQEV_QUEUE_FULL_DROP_OLDEST, /* the oldest make room */
	MQEV_QUEUE_FULL_DROP_QOS0,   /* the oldest of QoS 0, then the oldest; but a new message of
					QoS 0 makes only such go */
	MQEV_QUEUE_FULL_DROP_EXPIRED /* those whose Message Expiry Interval is over (which are looked
					for once a second at most), then the oldest */
};

/*
 * When to be told that much waits, and that it has become less: at high when operations or bytes have
 * reached their mark, at low when both are down to theirs. Copied.
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

#ifdef __cplusplus
}
#endif

#endif
