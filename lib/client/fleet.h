/* What the clients of one event_base share: loop events, the cork, the wheel, buffers, and the
 * agenda of the turn. */
#ifndef MQEV_CLIENT_FLEET_H
#define MQEV_CLIENT_FLEET_H

#include <mqev/fleet.h>

#include "client/cork.h"
#include "client/figures.h"
#include "client/fleet_queue.h"
#include "client/turns.h"
#include "client/wheel.h"

struct event;
struct mqev_client;
struct mqev_config;
struct mqev_durable;
struct mqev_farewell;
struct mqev_fleet_drain;
struct mqev_handover;
struct mqev_net;
struct mqev_servers;
struct mqev_session;
struct mqev_tokens;

#define MQEV_SCRATCH_SIZE 65536

/*
 * What a room above keeps beside a fleet (lib/thread) hears of. All are called in the fleet's
 * thread, but for going.
 */
struct mqev_fleet_hooks {
	/* mqev_fleet_free() was called; other threads stop using the fleet before this returns. */
	void (*going)(void *front);
	/* The clients are gone. True: the fleet's own base is in use, and whoever uses it frees it
	 * afterwards. */
	bool (*gone)(void *front, struct event_base *base);
	/* The client has no operations any more and is about to go. */
	void (*client_gone)(void *front, struct mqev_client *c);
	/* This is another process than the one that made the fleet: there are no other threads
	 * here. */
	void (*forked)(void *front);
};

/* Who looks at what all clients do. */
struct mqev_audience {
	mqev_log_cb *on_log;
	mqev_event_cb *on_event;
	void *userdata;
	uint32_t log_levels;
};

/* Somebody goes through the clients, who may be freed meanwhile. */
struct mqev_fleet_walk {
	struct mqev_client *next;
	struct mqev_fleet_walk *outer;
};

struct mqev_fleet {
	struct mqev_cork cork;
	struct event_base *base;
	struct mqev_net *net;
	struct event *agenda_event; /* active when the agenda or the cork holds something */
	struct event *tick_event;
	struct mqev_wheel wheel;
	struct mqev_turns turns;
	struct mqev_figures figures;
	struct mqev_audience audience;
	struct mqev_fleet_queue queue;
	struct mqev_fleet_drain *drain; /* NULL: it is not draining */
	struct mqev_client *clients;
	struct mqev_config *configs;  /* in use by clients, the newest first */
	struct mqev_config *retired;  /* not any more, but calls in progress may look at them */
	struct mqev_servers *servers; /* in use by clients, the newest first */
	struct mqev_client *agenda;   /* clients with something to do before the loop sleeps */
	struct mqev_client **agenda_end;
	void *front;			      /* lib/thread; NULL: nobody asked for it */
	const struct mqev_fleet_hooks *hooks; /* with front */
	int process;			      /* that made it */
	struct mqev_durable *durables;	      /* the stores that keep sessions of clients */
	struct mqev_durable *gathered;	      /* of these, what has something for the writer */
	struct mqev_handover *handovers;      /* sessions that come and go */
	struct mqev_tokens *tokens;	 /* of received messages that are not done; NULL: none */
	struct mqev_farewell *lingering; /* of links that say good-bye, without a client */
	uint8_t *scratch;	       /* MQEV_SCRATCH_SIZE bytes for reading; one user at a time */
	struct mqev_fleet_walk *walks; /* in progress, the innermost first */
	size_t client_count;
	const char *error_text; /* of the last mqev_client_new() */
	uint32_t start_spread_ms;
	uint32_t ping_spread_ms; /* MQEV_NONE: off; 0: by the number of clients */
	uint32_t park_after_ms;	 /* 0: links are not parked */
	uint32_t ping_phase;	 /* of the last one, as a fraction of 2^32 */
	uint32_t depth;		 /* calls from the event loop that are in progress */
	bool scratch_busy;
	bool ticking; /* tick_event waits for its time */
	bool keep_sigpipe;
	bool freed;
	bool owns_base;
	bool base_in_use; /* it was freed in a callback */
};

/* Puts the client on the agenda of this turn of the loop. */
void mqev_fleet_plan(struct mqev_fleet *fleet, struct mqev_client *c);
/* Makes sure that the cork is emptied before the loop sleeps. */
void mqev_fleet_plan_flush(struct mqev_fleet *fleet);
/* The client's deadlines changed. */
void mqev_fleet_set_tick(struct mqev_fleet *fleet, struct mqev_client *c);
void mqev_fleet_add(struct mqev_fleet *fleet, struct mqev_client *c);
void mqev_fleet_remove(struct mqev_fleet *fleet, struct mqev_client *c);
void mqev_fleet_enter(struct mqev_fleet *fleet);
void mqev_fleet_leave(struct mqev_fleet *fleet);
/* How long a client that begins to connect is to wait, so that not all begin together. */
uint32_t mqev_fleet_start_delay_ms(const struct mqev_fleet *fleet);
/* Gives a session that is connected now a place of its own among the pings of all. */
void mqev_fleet_spread_pings(struct mqev_fleet *fleet, struct mqev_session *session);
/* Sets SIGPIPE to SIG_IGN when nobody handles it and the application did not forbid it. */
void mqev_fleet_guard_sigpipe(const struct mqev_fleet *fleet);

/* own_base.c */
/* A base without locks, for a fleet that is given none; NULL: no memory. */
struct event_base *mqev_own_base_new(void);
/* Before anything is freed: in a child of the process that made the fleet, parts from what both
 * share. */
void mqev_fleet_meet_fork(struct mqev_fleet *fleet);

#endif
