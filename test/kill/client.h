/* The client of the kill campaign, a process of its own: it publishes and receives, notes what it
 * was told, and goes on where an earlier one was killed. */
#ifndef MQEV_TEST_KILL_CLIENT_H
#define MQEV_TEST_KILL_CLIENT_H

#include "kill/plan.h"

/*
 * Notes in the file "client", a line each: N (a process begins), T i (will publish), A i
 * (accepted), C i error (completed), M qos token i (the effect of a received message). Ends with 0
 * when all was published and completed and the broker says that all was received; else with another
 * value.
 */
void kill_client(const struct kill_plan *plan) __attribute__((noreturn));

#endif
