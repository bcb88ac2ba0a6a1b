/* Which attempts to connect may begin, and when: so many at once, so many per second, in the order
 * in which they asked. No timer, no clock: the time is a parameter. */
#ifndef MQEV_CLIENT_GOVERNOR_H
#define MQEV_CLIENT_GOVERNOR_H

#include <stdbool.h>
#include <stdint.h>

/* A client's place: in line, or among those that are connecting. */
enum mqev_turn_state {
	MQEV_TURN_NONE,	   /* -> WAITING, ACTIVE */
	MQEV_TURN_WAITING, /* -> ACTIVE, NONE */
	MQEV_TURN_ACTIVE   /* -> NONE */
};

struct mqev_turn {
	struct mqev_turn *next; /* while WAITING */
	struct mqev_turn **at;
	uint8_t state; /* enum mqev_turn_state */
};

/* UINT32_MAX: without limit. */
struct mqev_governor_limits {
	uint32_t max_active; /* from the dial to CONNACK */
	uint32_t per_second; /* that may begin */
	uint32_t burst;	     /* of them at one moment, after a time with fewer */
};

struct mqev_governor {
	struct mqev_governor_limits limits;
	struct mqev_turn *first;
	struct mqev_turn **last;
	uint64_t credit; /* thousandths of a beginning */
	uint64_t credited_ms;
	uint64_t held_until_ms; /* descriptors ran out; 0: they did not */
	uint32_t hold_ms;
	uint32_t active;
	uint32_t waiting;
	bool trying; /* one was let in to see whether there are descriptors again */
};

void mqev_governor_init(
    struct mqev_governor *g, const struct mqev_governor_limits *limits, uint64_t now);
/* In force at once; who is connecting goes on. */
void mqev_governor_set_limits(
    struct mqev_governor *g, const struct mqev_governor_limits *limits, uint64_t now);

/* True: it is ACTIVE and may begin. False: it waits in line. */
bool mqev_governor_ask(struct mqev_governor *g, struct mqev_turn *turn, uint64_t now);
/* The one that may begin now, ACTIVE from then on, or NULL. */
struct mqev_turn *mqev_governor_next(struct mqev_governor *g, uint64_t now);
/* It is connected or has failed, or waits no longer. True: another one may now be let in. */
bool mqev_governor_leave(struct mqev_governor *g, struct mqev_turn *turn);
/* When mqev_governor_next() is worth asking; UINT64_MAX: not before one leaves. */
uint64_t mqev_governor_due(struct mqev_governor *g, uint64_t now);

/*
 * The process or the system has no descriptor left: nobody begins for a while, then one at a time,
 * a while after the other, longer with each further failure, until mqev_governor_relieve(). False:
 * of this failure it was known.
 */
bool mqev_governor_hold(struct mqev_governor *g, uint64_t now);
/* An attempt got its descriptor. */
void mqev_governor_relieve(struct mqev_governor *g);

#endif
