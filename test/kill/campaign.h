/* Runs of the kill campaign: processes that are killed and started again until all is done. */
#ifndef MQEV_TEST_KILL_CAMPAIGN_H
#define MQEV_TEST_KILL_CAMPAIGN_H

#include "kill/history.h"

/* One run of the plan, whose folder is made and removed; kills counts kills at random times, of
 * client and broker, beside the plan's own. False: a rule is broken; printed, and the folder stays.
 */
bool kill_run(struct kill_plan *plan, int kills, struct kill_counts *counts);

/* The plan's point at its first, second, ... passing, until a run passes it no more, or most runs.
 */
bool kill_each(struct kill_plan *plan, long most, struct kill_counts *counts);

/* All points, both versions, P1 and P2, with that seed. */
bool kill_all_points(uint64_t seed, long most, struct kill_counts *counts);

/* A run under load with so many kills; everything else follows from the seed. */
bool kill_at_random(uint64_t seed, int version, int kills, struct kill_counts *counts);

void kill_print(const struct kill_counts *counts);

#endif
