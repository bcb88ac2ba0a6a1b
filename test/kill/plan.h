/* One run of the kill campaign: what is sent both ways, and who is killed where. */
#ifndef MQEV_TEST_KILL_PLAN_H
#define MQEV_TEST_KILL_PLAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum kill_point {
	KILL_NEVER,
	/* the client, by itself */
	KILL_BEFORE_APPEND,
	KILL_BEFORE_COMMIT,
	KILL_AFTER_COMMIT,
	KILL_AT_DURABLE,
	KILL_AT_COMPLETION,
	KILL_BEFORE_EFFECT, /* of a received message */
	KILL_AFTER_EFFECT,
	/* the client, by the broker */
	KILL_BEFORE_ANSWER,
	KILL_AFTER_ANSWER,
	/* the broker, by itself */
	KILL_BROKER_BEFORE_SYNC,
	KILL_BROKER_AFTER_SYNC,
	KILL_BROKER_AFTER_ANSWER,
	KILL_POINTS
};

struct kill_plan {
	char folder[256];
	uint64_t seed;
	int version; /* 4 or 5 */
	bool power;  /* P2, else P1 */
	int out;     /* messages published by the client, QoS 1 and 2 as seed says */
	int in;	     /* and by the broker */
	enum kill_point point;
	long nth;		  /* time that the point is passed, from 1 */
	struct kill_syncs *syncs; /* shared by all processes of the run */
};

/* Of commits that returned, in all processes of a run. */
struct kill_syncs {
	_Atomic(unsigned long) commits;
	_Atomic(unsigned long) gated; /* that were asked to survive a loss of power */
	_Atomic(unsigned long) syncs; /* that they did */
	_Atomic(unsigned long) wrong; /* commits whose number of syncs is not what was asked for */
};

/* The QoS of message number i, from 1. */
static inline int
kill_qos(const struct kill_plan *plan, int i)
{
	uint64_t x = (plan->seed + 1) * UINT64_C(0x9E3779B97F4A7C15) + (uint64_t)i;

	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	return 1 + (int)(x >> 40 & 1);
}

/* A line at the end of a file of the folder, with or without sync; for facts that outlive who
 * writes them. */
void kill_note(int fd, bool sync, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int kill_open_notes(const struct kill_plan *plan, const char *name);

#endif
