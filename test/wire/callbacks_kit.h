/* What the tests of re-entrancy share: everything that an application may call in a callback, a
 * plan of what is to be called where, and running a scenario until nothing comes of it any more. */
#ifndef CALLBACKS_KIT_H
#define CALLBACKS_KIT_H

#include "wire/client_kit.h"

/* Everything that is freed in a callback. */
enum { FREE_CLIENT, FREE_OTHER, FREE_FLEET, FREE_BOTH, FREE_KINDS };

struct kit_plan {
	int event; /* in this callback */
	int nth;   /* when it runs for the nth time */
	int what;  /* of free kinds, or of calls */
	bool done;
	bool inside; /* mqev_client_free() or mqev_fleet_free() is running */
	int after;   /* callbacks that ran after it, which are too many */
};

extern struct kit_plan plan;
extern struct mqev_client *other; /* a second client of the fleet */
extern char large[200000]; /* more than the system takes, and less than makes the others wait */

/* plan.what of kit.client, other, kit.fleet. */
void free_by_plan(void);
void free_client_of_kit(void);
void free_other(void);

/* Everything that may be called. */
#define CALLS 25
extern void (*const calls[CALLS])(struct mqev_client *);

/* Takes a message over in its callback, when the calls are about acknowledging. */
void hold_for_calls(const struct mqev_message *m);
void drop_acks(void);

/* Runs the loop until `over` (NULL: never) says so, or nothing has happened for so many ticks of a
 * millisecond: no callback of the kit, and *more (NULL: nothing) stayed; false then. At most a
 * second. */
bool run_while_it_goes(int (*over)(void), const int *more, int calm_ticks);

#endif
