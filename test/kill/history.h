/* What both sides noted of a run, held against what was promised. */
#ifndef MQEV_TEST_KILL_HISTORY_H
#define MQEV_TEST_KILL_HISTORY_H

#include "kill/plan.h"

struct kill_counts {
	unsigned long runs;
	unsigned long client_kills;
	unsigned long broker_kills;
	unsigned long accepted; /* messages published and acknowledged by the store */
	unsigned long received; /* by the broker, without repeats */
	unsigned long repeats;	/* QoS 1: again, with DUP */
	unsigned long effects;	/* messages that came to the application, without repeats */
	unsigned long again;	/* effects with a token that was there before */
	unsigned long late;	/* completions told again by a later process */
	unsigned long commits;	/* of the client's store */
	unsigned long gated;	/* of these, that were asked to survive a loss of power */
	unsigned long syncs;	/* that they did */
};

/*
 * Nothing accepted is lost, either way; at QoS 2 nothing comes twice (by token, for the
 * application); QoS 1 comes twice with DUP only; order within each QoS is kept; no completion
 * fails, and none is told twice by one process; a session that was in use is never begun anew.
 * False: a rule is broken, which was printed.
 */
bool kill_check(const struct kill_plan *plan, struct kill_counts *counts);

#endif
