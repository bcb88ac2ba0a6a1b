/* Figures of clients and fleets: what was counted, and a text of it for Prometheus. */
#ifndef MQEV_STATS_H
#define MQEV_STATS_H

#include <stddef.h>
#include <stdint.h>

#include <mqev/export.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mqev_client;
struct mqev_fleet;

#define MQEV_HISTOGRAM_BUCKETS 24

/* How often a value fell where. [0] counts zeros, [i] values from 2^(i-1) to 2^i - 1, the last all
 * from 2^22 on. */
struct mqev_histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t buckets[MQEV_HISTOGRAM_BUCKETS];
};

/* Why a message was not sent, or its operation ended without success. */
enum mqev_drop {
	MQEV_DROP_QUEUE_FULL = 0, /* not accepted: MQEV_ERR_QUEUE_FULL */
	MQEV_DROP_OFFLINE,	  /* not accepted: QoS 0, no connection, MQEV_OFFLINE_REJECT */
	MQEV_DROP_LIMIT,	  /* more than the server takes: size, QoS, retain */
	MQEV_DROP_EXPIRED,	  /* Message Expiry Interval passed before it was sent */
	MQEV_DROP_LOST,		  /* QoS 0 on a connection that ended before the kernel had it */
	MQEV_DROP_SESSION_LOST,	  /* in flight when the server lost the session */
	MQEV_DROP_REFUSED,	  /* the server's acknowledgement has a failure reason */
	MQEV_DROP_CANCELED,	  /* by the application, or its client was freed */
	MQEV_DROP_OTHER,	  /* out of memory and the rest */
	MQEV_DROP_MADE_ROOM,	  /* MQEV_ERR_DROPPED: given up for newer ones */
	MQEV_DROP_OFFLINE_QOS0	  /* MQEV_ERR_DROPPED: QoS 0, no connection, MQEV_OFFLINE_DROP */
};

/* Why a connection that had a CONNACK ended. */
enum mqev_end {
	MQEV_END_APPLICATION = 0, /* mqev_disconnect() */
	MQEV_END_REFUSED,	  /* the CONNACK said no */
	MQEV_END_SERVER,	  /* the server sent DISCONNECT */
	MQEV_END_LOST,		  /* the link failed, TLS and WebSocket included */
	MQEV_END_KEEPALIVE,	  /* no answer to PINGREQ */
	MQEV_END_TIMEOUT,	  /* a packet stopped, or an acknowledgement did not come */
	MQEV_END_PROTOCOL,	  /* the server broke a rule */
	MQEV_END_OTHER		  /* authentication, out of memory and the rest */
};

/* Room in struct mqev_stats for values that a later version adds to an enum. */
#define MQEV_STATS_CAUSES 16
#define MQEV_STATS_STAGES 16
#define MQEV_STATS_STATES 16

/*
 * Counters go up from 0 when the client or fleet was made; gauges are what is now. A fleet's
 * counters keep what its freed clients have done.
 */
struct mqev_stats {
	size_t size;

	/* Of a client and of a fleet. */
	uint64_t messages_in;  /* PUBLISH packets, repeats included */
	uint64_t messages_out; /* likewise */
	uint64_t bytes_in;     /* of all MQTT packets */
	uint64_t bytes_out;
	uint64_t drops;
	uint64_t attempts; /* to connect, that began */
	uint64_t connects; /* CONNACKs that accepted */
	uint64_t connect_failures;
	uint64_t ends;	       /* of connections that had a CONNACK, also a refused one */
	uint64_t queued;       /* gauge: operations that wait or are in flight */
	uint64_t queued_bytes; /* gauge: bytes allocated for them */
	uint64_t inflight;     /* gauge: QoS 1 and 2 messages in the inflight window */

	/* Of a fleet only, 0 for a client. */
	uint64_t clients;		    /* gauge */
	uint64_t states[MQEV_STATS_STATES]; /* gauge: clients by enum mqev_client_state */
	uint64_t messages_in_qos[3];
	uint64_t messages_out_qos[3];
	uint64_t message_bytes_in_qos[3]; /* of those packets */
	uint64_t message_bytes_out_qos[3];
	uint64_t drops_by[MQEV_STATS_CAUSES];		 /* by enum mqev_drop */
	uint64_t ends_by[MQEV_STATS_CAUSES];		 /* by enum mqev_end */
	uint64_t connect_failures_by[MQEV_STATS_STAGES]; /* by enum mqev_stage */
	uint64_t tls_handshakes;			 /* that succeeded */
	uint64_t tls_resumed; /* of these, with a session that was kept */
	uint64_t tls_failed;
	uint64_t handshakes;	      /* gauge: attempts that the governor has let in */
	uint64_t waiting_turns;	      /* gauge: clients that wait for it to let them in */
	uint64_t descriptor_holds;    /* times that descriptors ran out */
	uint64_t loop_lag_longest_us; /* by which the loop was late, ever */
	/* Milliseconds that acknowledgements of messages and subscriptions took (of QoS 2, PUBREC
	 * and PUBCOMP each). */
	struct mqev_histogram ack_ms;
	struct mqev_histogram ping_ms; /* milliseconds from PINGREQ to PINGRESP */
	/* Microseconds by which the fleet's tick of 250 ms came late: a loop that was busy for
	 * longer shows each time, one that was busy for a part of that so often. */
	struct mqev_histogram loop_lag_us;
	uint64_t parked;     /* gauge: connections without a bufferevent, see park_after_ms */
	uint64_t unreadable; /* received messages that stores keep and that cannot be read */
};

#define MQEV_STATS_INIT                   \
	{                                 \
		sizeof(struct mqev_stats) \
	}

/*
 * Fills stats, of which the caller has set size (struct mqev_stats s = {.size = sizeof(s)}); what
 * this library does not know becomes 0. Costs the same however many clients there are. 0;
 * MQEV_ERR_INVALID: NULL, or a size that is none.
 */
MQEV_EXPORT int mqev_client_stats(const struct mqev_client *client, struct mqev_stats *stats);
MQEV_EXPORT int mqev_fleet_stats(const struct mqev_fleet *fleet, struct mqev_stats *stats);

/* A label of all figures of a fleet: name [a-zA-Z_][a-zA-Z0-9_]*, not one of those that figures
 * have themselves (qos, cause, stage, state, le) and not with two underscores before; value any
 * UTF-8. */
struct mqev_label {
	const char *name;
	const char *value;
};

/* The figures of one fleet; labels tell several of them apart. */
struct mqev_stats_source {
	const struct mqev_stats *stats; /* size as mqev_fleet_stats() left it */
	const struct mqev_label *labels;
	size_t label_count;
};

/*
 * The figures of fleets as Prometheus reads them (text format 0.0.4), each figure once with a line
 * for each source. Nothing but figures and the given labels is in it. Works as snprintf(): writes
 * up to size - 1 bytes and a NUL (buf may be NULL when size is 0), and returns how many bytes there
 * are in all without the NUL. 0, and an empty string: a label is not valid. Any thread.
 */
MQEV_EXPORT size_t mqev_stats_prometheus(
    const struct mqev_stats_source *sources, size_t count, char *buf, size_t size);

#ifdef __cplusplus
}
#endif

#endif
