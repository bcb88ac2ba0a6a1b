/* The governor of a fleet at work: its timer, and the clients that it lets begin. */
#ifndef MQEV_CLIENT_TURNS_H
#define MQEV_CLIENT_TURNS_H

#include <stdbool.h>

#include "client/governor.h"

struct event;
struct mqev_fleet;

struct mqev_turns {
	struct mqev_governor governor;
	struct event *timer;
};

/* False: no memory. */
bool mqev_turns_init(struct mqev_fleet *fleet, const struct mqev_governor_limits *limits);
void mqev_turns_free(struct mqev_fleet *fleet);

/* True: begin now. False: mqev_attempt_begin() is called from the loop when it is its turn. */
bool mqev_turns_ask(struct mqev_fleet *fleet, struct mqev_turn *turn);
/* Whatever its state was. */
void mqev_turns_leave(struct mqev_fleet *fleet, struct mqev_turn *turn);
/* An attempt ended with this errno value; 0: it got its descriptor. */
void mqev_turns_note(struct mqev_fleet *fleet, int system_errno);
void mqev_turns_set_limits(struct mqev_fleet *fleet, const struct mqev_governor_limits *limits);

#endif
