/* One simulated run: the session, the model broker, the link between them, time, and all that can happen to them. */
#ifndef MQEV_SIM_WORLD_H
#define MQEV_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

/* What a run was about, to see that runs are not empty. */
struct world_stats {
	bool trace; /* wish of the caller: print what passes over the link */
	unsigned long runs;
	unsigned long connections;
	unsigned long cut;	/* connections that were lost */
	unsigned long resumed;
	unsigned long lost;	/* sessions that were lost */
	unsigned long operations;
	unsigned long messages;
	unsigned long bytes;	/* both ways */
	unsigned long dups;	/* PUBLISHes of the client that the broker got again */
};

/* NULL when all went well, else what did not, in text that lives until the next run. */
const char *world_run(uint64_t seed, struct world_stats *stats);

#endif
