/* What waits in all clients of a fleet together: its limits and marks. */
#ifndef MQEV_CLIENT_FLEET_QUEUE_H
#define MQEV_CLIENT_FLEET_QUEUE_H

#include <mqev/fleet.h>

#include "core/budget.h"

struct mqev_fleet_queue {
	struct mqev_budget budget; /* first */
	mqev_fleet_water_cb *on_water;
	void *userdata;
	bool told_above;
};

/* False: the marks in the options are wrong. */
bool
mqev_fleet_queue_init(struct mqev_fleet_queue *queue, const struct mqev_fleet_options *options);
/* Tells of marks that were passed; from the loop. */
void mqev_fleet_queue_tell(struct mqev_fleet *fleet);

#endif
