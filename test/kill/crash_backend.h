/* The back end on SQLite in a process that kills itself at the nth append or commit. */
#ifndef MQEV_TEST_CRASH_BACKEND_H
#define MQEV_TEST_CRASH_BACKEND_H

#include <mqev/store.h>

#include "kill/plan.h"

/* The plan is lent. */
const struct mqev_backend *crash_backend(const struct kill_plan *plan);

/* Kills this process when the plan's point is passed for the nth time. Any thread. */
void crash_at(enum kill_point point);

#endif
