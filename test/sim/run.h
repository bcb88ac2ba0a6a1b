/* One simulated run: all that can happen between the session and the model broker, chosen by a
 * seed. */
#ifndef MQEV_SIM_RUN_H
#define MQEV_SIM_RUN_H

#include "sim/world.h"

/* NULL when all went well, else what did not, in text that lives until the next run. */
const char *run_seed(uint64_t seed, struct world_stats *stats);

#endif
