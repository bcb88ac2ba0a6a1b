/*
 * A broker in memory, bytes in and bytes out, for one client: right in all it does, but free in
 * what the standard leaves free: the order between its acknowledgements, when they come, its
 * limits. Shares no code with lib/.
 */
#ifndef MQEV_SIM_MODEL_BROKER_H
#define MQEV_SIM_MODEL_BROKER_H

#include <stdbool.h>

#include "lib/bytes.h"
#include "lib/strict.h"
#include "sim/rng.h"

enum { MB_FILTERS = 4, MB_TOPICS = 3 };

/* What the broker tells of. */
struct mb_events {
	/* A PUBLISH that it takes over: QoS 2 once per exchange. Returns the code to answer with.
	 */
	unsigned (*received)(void *arg, const struct tk_packet *publish, struct tk_str topic);
	/* A message of its own has been acknowledged to the end. */
	void (*completed)(void *arg, unsigned token);
	/* A session that it had is gone. */
	void (*lost)(void *arg);
};

/* A message for the client. */
struct mb_message {
	struct mb_message *next;
	unsigned token;
	unsigned topic;
	unsigned qos;
	unsigned mid;	/* 0: never sent */
	bool released;	/* PUBREC came */
	bool sent_here; /* PUBLISH or PUBREL was sent on this connection */
	bool counted;	/* takes quota on this connection */
};

/* Packets that may overtake those of other lanes, but not one another. */
enum mb_lane {
	MB_LANE_CONNACK, /* before all others */
	MB_LANE_PUBACK,
	MB_LANE_PUBREC,
	MB_LANE_PUBCOMP,
	MB_LANE_SUBACK,
	MB_LANE_PINGRESP,
	MB_LANE_MESSAGES, /* PUBLISH and PUBREL */
	MB_LANES
};

struct mb_limits { /* announced in CONNACK; 0: not */
	unsigned receive_max;
	unsigned max_packet;
	unsigned keepalive;
	unsigned alias_max; /* up to 16 */
	bool max_qos_1;
	bool no_retain;
};

struct model_broker {
	int version;
	struct rng *rng;
	const struct mb_events *events;
	void *arg;
	struct mb_limits limits;
	unsigned refuse_percent; /* of the CONNECTs */
	bool explains;		 /* PUBREC and PUBCOMP have a Reason String (5.0) */

	/* The session. */
	bool has_session;
	unsigned char in[65536]; /* QoS 2 identifiers received and not released */
	unsigned in_count;
	struct mb_message *first, *last;
	unsigned next_mid;
	bool subscribed[MB_FILTERS]; /* "f/0" ... */
	uint32_t expiry_s;
	uint64_t closed_ms;

	/* The connection. */
	bool open;
	bool accepted;
	bool over;  /* by DISCONNECT, a refusal or an error */
	bool clean; /* before 5.0: the session ends with it */
	bool fresh; /* the session began with it */
	struct tk_buf part;
	struct tk_buf lane[MB_LANES];
	unsigned client_receive_max, client_alias_max, client_max_packet;
	unsigned in_flight;
	int alias_topic[17];		/* given to the client, by alias; -1: none */
	struct tk_buf client_alias[17]; /* given by the client; empty: none */
	char error[200];		/* what the client did wrong; empty: nothing */
};

void mb_init(struct model_broker *mb, int version, struct rng *rng, const struct mb_events *events,
    void *arg);
void mb_free(struct model_broker *mb);

void mb_open(struct model_broker *mb);
void mb_input(struct model_broker *mb, const void *data, size_t len, uint64_t now_ms);
/* Moves up to n packets to out, in an order that the standard allows. */
void mb_emit(struct model_broker *mb, struct tk_buf *out, unsigned n);
bool mb_has_output(const struct model_broker *mb);
/* The connection is gone. client_knows: the client has seen the CONNACK; else a new session was
 * never begun. */
void mb_close(struct model_broker *mb, bool client_knows, uint64_t now_ms);
void mb_lose_session(struct model_broker *mb);

/* A message for the client, payload "b<token>", topic "s/<topic>"; false: it is not subscribed. */
bool mb_publish(struct model_broker *mb, unsigned token, unsigned topic, unsigned qos);
bool mb_idle(const struct model_broker *mb); /* nothing is unacknowledged or unsent */

#endif
