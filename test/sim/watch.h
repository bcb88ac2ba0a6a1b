/*
 * Watches the clock of a run, from the packets alone: an acknowledgement that does not come is
 * noticed in its time, and Message Expiry counts down. Shares no code with lib/.
 */
#ifndef MQEV_SIM_WATCH_H
#define MQEV_SIM_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bytes.h"
#include "sim/judge.h"

/* What was written is seen at the end of a slice of time. */
enum { WATCH_MAX = 2 * JUDGE_MAX, WATCH_SLICE_MS = 100 };

struct watch {
	int version;
	struct tk_buf up, down; /* packets that are not whole yet */
	struct {
		unsigned mid;
		uint64_t since_ms;
	} waiting[WATCH_MAX]; /* for the server's answer */
	int count;
	unsigned char done[65536];	    /* by identifier: a PUBREL of it waits for nothing */
	uint64_t expires_ms[JUDGE_MAX + 1]; /* by the number in the payload; 0: never */
	unsigned long late;		    /* acknowledgements that did not come in time */
	char error[160];
};

void watch_init(struct watch *watch, int version);
void watch_free(struct watch *watch);
void watch_connect(struct watch *watch);

/* What the client wrote now, and what it is about to read. */
void watch_up(struct watch *watch, const void *data, size_t len, uint64_t now_ms);
void watch_down(struct watch *watch, const void *data, size_t len);

/* The session says that an acknowledgement is late. */
void watch_late(struct watch *watch, unsigned mid, uint64_t now_ms, uint64_t timeout_ms);
/* Whether one has been waited for as long. */
bool watch_overdue(const struct watch *watch, uint64_t now_ms, uint64_t timeout_ms);

#endif
