/* What the benchmarks of stores share: options, one fleet over one store, its clients. */
#ifndef BENCH_STORE_RIG_H
#define BENCH_STORE_RIG_H

#include <event2/event.h>
#include <mqev/mqev.h>

#include "bench/measure.h"
#include "bench/store_count.h"

struct rig_options {
	const char *path;  /* of the store */
	const char *trace; /* where the commits are written to; NULL: nowhere */
	unsigned port;
	unsigned clients;
	unsigned messages; /* of each client */
	unsigned window;   /* of each client: published and not complete */
	unsigned size;
	unsigned rate;	  /* messages a second, of all; 0: as fast as they complete */
	unsigned sync_ms; /* how long each sync is made to take; 0: as long as it takes */
	unsigned timeout_s;
	bool cold;    /* the file is not in memory when it is opened */
	bool memory;  /* the store in memory, not in a file */
	bool process; /* MQEV_DURABLE_PROCESS */
};

struct rig;

struct rig_client {
	struct rig *rig;
	struct mqev_client *client;
	unsigned left; /* to be published yet */
};

struct rig {
	struct rig_options o;
	struct store_count count;
	struct event_base *base;
	struct event *end; /* the deadline */
	struct mqev_fleet *fleet;
	struct mqev_store *store;
	struct rig_client *clients;
	unsigned made;
	unsigned up;
	uint64_t durable;
	uint64_t completed;
	uint64_t wanted;
	uint64_t pending; /* what was found in the store */
	char *payload;
	/* what a completion does beside counting; NULL: nothing */
	void (*completed_one)(struct rig_client *c);
};

/* All print what is wrong and return -1, or 0. */
int rig_open_loop(struct rig *r);
int rig_open_store(struct rig *r);
/* Makes them, and takes over what the store has of them. */
int rig_make_clients(struct rig *r);
int rig_connect_all(struct rig *r);
int rig_publish(struct rig_client *c);
/* Runs the loop until *count is wanted. */
int rig_wait(struct rig *r, const char *what, const uint64_t *count, uint64_t wanted);
/* Frees clients, store and loop. */
int rig_close(struct rig *r);

/* Runs the loop once, for a program that waits for something else. */
int rig_turn(struct rig *r);

/* bench_restart.c, bench_store.c: what the programs do. */
int rig_fill(struct rig *r);
int rig_restart(struct rig *r);
int rig_run(struct rig *r);

#endif
