/* The fleet: what clients on one event_base share. */
#ifndef MQEV_FLEET_H
#define MQEV_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mqev/export.h>
#include <mqev/queue.h>

struct event_base;
struct mqev_client;
struct mqev_event;
struct mqev_log_line;

#ifdef __cplusplus
extern "C" {
#endif

/* Clients of one event_base, their buffers, resolver and clock tick. Used in the thread of that
 * base only. */
struct mqev_fleet;

struct mqev_fleet_options {
	size_t size;
	bool keep_sigpipe; /* leave SIGPIPE alone; else, if it is SIG_DFL when a connection starts,
			      it is set to SIG_IGN */
	/*
	 * The governor: attempts to connect of all clients of the fleet, in the order in which they
	 * became due. What is beyond these limits waits as MQEV_CLIENT_QUEUED.
	 */
	uint32_t max_handshakes; /* at once, each from its dial to CONNACK; default 250;
				    MQEV_UNLIMITED */
	uint32_t connects_per_s; /* that begin; default 1,000; MQEV_UNLIMITED */
	uint32_t connect_burst;	 /* that may begin at one moment after a calm time; default: a tenth
				   of connects_per_s, at least 1 */
	uint32_t start_spread_ms; /* the first attempt after mqev_connect() begins at a random
				     moment of this time; default: at once */
	/*
	 * Clients that connect or hear from the server together are not to ping together: after
	 * other traffic the next PINGREQ comes early, each client's by another part of this time
	 * and never by more than half of its interval; those that follow keep the interval.
	 * Default: 25 ms for each other client of the fleet; MQEV_NONE: never early.
	 */
	uint32_t ping_spread_ms;
	/*
	 * What all clients of the fleet log, and what happens to their connections, beside the
	 * callbacks that they have of their own.
	 */
	void (*on_log)(
	    struct mqev_client *client, const struct mqev_log_line *line, void *userdata);
	uint32_t log_levels; /* which lines: enum mqev_log_level, added up; default: all */
	void (*on_event)(
	    struct mqev_client *client, const struct mqev_event *event, void *userdata);

	/*
	 * What may wait in all clients together, beside the limits of each. At these limits a
	 * client makes room among its own messages only, as its queue_full says.
	 */
	uint32_t max_queued;		      /* operations; default: no limit */
	size_t max_queued_bytes;	      /* default: no limit */
	const struct mqev_water_marks *water; /* <mqev/queue.h>; NULL: none */
	mqev_fleet_water_cb *on_water;
	void *userdata; /* for on_log, on_event and on_water */

	/*
	 * A connection over plain TCP or a unix socket on which nothing came or went for so long
	 * gives its bufferevent back, 0.9 kB; TLS and WebSocket links keep theirs. It goes on
	 * without one, and gets another when the socket does not take all at once, or is not to be
	 * read. Looked at four times a second. Default: never.
	 */
	uint32_t park_after_ms;
};

#ifndef __cplusplus
#	define MQEV_FLEET_OPTIONS(...)        \
		(&(struct mqev_fleet_options){ \
		    .size = sizeof(struct mqev_fleet_options), __VA_ARGS__})
#endif

/*
 * A fleet on the caller's event_base, which must outlive it (options NULL: defaults). base NULL: on
 * a base of the fleet's own, without locks, which only the loops of <mqev/thread.h> run and which
 * is freed with the fleet. NULL when memory or descriptors run out or an option is invalid.
 */
MQEV_EXPORT struct mqev_fleet *
mqev_fleet_new(struct event_base *base, const struct mqev_fleet_options *options);

/*
 * Frees the fleet and, first, the clients that are left in it, as mqev_client_free() does. Legal in
 * every callback. A background loop is stopped first, however long its callback takes. NULL is
 * ignored.
 *
 * In a child of the process that made the fleet this and mqev_client_free() are the only legal
 * calls: they close what the child has of the connections, send nothing, and leave those of the
 * parent alone. (The child's copy of the event_base is given a poller of its own, as event_reinit()
 * does.)
 */
MQEV_EXPORT void mqev_fleet_free(struct mqev_fleet *fleet);

/* The caller's event_base or the fleet's own: on that one, too, events of the application may
 * stand. */
MQEV_EXPORT struct event_base *mqev_fleet_base(const struct mqev_fleet *fleet);

/* mqev_network_changed() for all clients. */
MQEV_EXPORT void mqev_fleet_network_changed(struct mqev_fleet *fleet);

/* Why the last mqev_client_new() of this fleet refused its options, and which: "keepalive: above
 * 65,535 s"; static text or "". */
MQEV_EXPORT const char *mqev_fleet_error_text(const struct mqev_fleet *fleet);

/* How many clients there are. */
MQEV_EXPORT size_t mqev_fleet_client_count(const struct mqev_fleet *fleet);

/*
 * Calls visit for each client, the newest first, until it returns something else than 0, which is
 * returned then. It may call every function, free any client, and the fleet; a client made
 * meanwhile is not visited.
 */
MQEV_EXPORT int mqev_fleet_each(
    struct mqev_fleet *fleet, int (*visit)(struct mqev_client *client, void *arg), void *arg);

/*
 * The governor's limits from now on, as in the options (0: the default). Attempts that have begun
 * go on. 0; MQEV_ERR_INVALID: fleet is NULL.
 */
MQEV_EXPORT int mqev_fleet_set_connect_limits(struct mqev_fleet *fleet, uint32_t max_handshakes,
    uint32_t connects_per_s, uint32_t connect_burst);

#ifdef __cplusplus
}
#endif

#endif
