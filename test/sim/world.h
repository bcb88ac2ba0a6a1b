/*
 * The session, the model broker, the link between them, and time; all that is sent is judged. A
 * world is begun, things are done in it, it is drained (all must come to its end) and ended; then
 * its error says whether all went well.
 */
#ifndef MQEV_SIM_WORLD_H
#define MQEV_SIM_WORLD_H

#include "lib/stream.h"
#include "lib/vclient.h"
#include "lib/vjournal.h"
#include "sim/judge.h"
#include "sim/model_broker.h"
#include "sim/watch.h"

/* What a run was about, to see that runs are not empty. */
struct world_stats {
	bool trace; /* wish of the caller: print what passes over the link */
	unsigned long runs;
	unsigned long connections;
	unsigned long cut; /* connections that were lost */
	unsigned long resumed;
	unsigned long lost; /* sessions that were lost */
	unsigned long operations;
	unsigned long messages;
	unsigned long bytes; /* both ways */
	unsigned long dups;  /* PUBLISHes of the client that the broker got again */
	unsigned long late;  /* acknowledgements that did not come in time */
};

struct world {
	struct rng rng;
	struct vclient v;
	struct model_broker mb;
	struct judge judge;
	struct watch watch;
	struct world_stats *stats;
	struct vjournal *journal; /* NULL: nothing is kept */

	/* The link. */
	struct tk_stream stream;
	struct tk_session *stream_session;
	bool streaming;
	size_t told;  /* of the client's bytes, to the judge of the stream */
	size_t taken; /* of the client's bytes, by the broker */
	struct tk_buf down;
	bool no_memory;	   /* allocations fail: connections may end by that */
	bool stalled;	   /* nothing comes down any more */
	bool client_knows; /* it has seen the CONNACK */

	/* Time. */
	uint64_t last_write_ms;
	uint64_t last_down_ms;

	/* The application. */
	unsigned seq_of[V_OPS]; /* by operation number */
	unsigned submitting;
	struct {
		struct mqev_ack *ack;
		unsigned token;
	} held[16];
	int held_count;
	unsigned hold_percent;
	bool resubscribe;
	char payload[6000];
	char error[300];
};

void world_begin(struct world *w, int version, uint64_t seed, struct world_stats *stats);
/* Nothing goes wrong any more, connections are made anew: everything must come to its end. */
void world_drain(struct world *w);
void world_end(struct world *w);
/* The client gets a store; after its settings, before all else. */
void world_keep(struct world *w, struct vjournal *journal);
bool world_failed(struct world *w); /* w->error says how */
void world_flunk(struct world *w, const char *what);

/* The link: bytes that were written and not taken by the broker, and those that it has sent. */
void world_connect(struct world *w);
bool world_is_open(const struct world *w);
void world_look(
    struct world *w); /* at what was written, for the judge; after each call of the session's */
size_t world_waiting_up(const struct world *w);
void world_move_up(struct world *w, size_t n);
void world_emit(struct world *w, unsigned packets);
void world_move_down(struct world *w, size_t n);
void world_close(struct world *w);     /* what is under way is lost */
void world_check_end(struct world *w); /* of the connection: whether the session had a reason */
void world_pass_time(struct world *w, unsigned ms);

/* The application. */
struct world_message {
	unsigned topic, qos;
	size_t len; /* 6 at least */
	bool retain, queued;
	unsigned expiry_s; /* 0: none */
};
bool world_publish(struct world *w, const struct world_message *m);
/* "s/#", which the broker's messages come by, or count of "f/1" to "f/3". */
bool world_request(struct world *w, bool subscribe, bool own, unsigned count);
void world_cancel(struct world *w, unsigned number);
void world_acknowledge(struct world *w, int at); /* a held message */
void world_resubscribe(struct world *w);	 /* after a new session */

#endif
