/*
 * A broker for one client whose session outlives it: each change of it is in a journal, synced,
 * before a packet tells of it. QoS 1 and 2 both ways, 3.1.1 and 5.0. It trusts its client: what
 * clients may send is judged elsewhere.
 */
#ifndef MQEV_TEST_KILL_BROKER_H
#define MQEV_TEST_KILL_BROKER_H

#include "kill/plan.h"

/*
 * The file "broker", a line each: R qos mid dup i (taken over), L mid (its identifier is free), S i
 * mid (message i of its own will be sent), G i (PUBREC came), D i (done), B (the session begins).
 * Runs until it is killed.
 */
void kill_broker(const struct kill_plan *plan, int listener) __attribute__((noreturn));

#endif
