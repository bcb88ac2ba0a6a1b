/* The event_base of a fleet that is given none, and what a fleet does in another process than its
 * own. */
#include <event2/event.h>

#include "client/durable.h"
#include "client/fleet.h"
#include "port/port.h"

struct event_base *
mqev_own_base_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config == NULL)
		return NULL;
	if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0 &&
	    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV) == 0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

/*
 * The system's poller is one for parent and child: what the child takes out of it the parent would
 * miss. So the child's base gets a poller of its own first.
 */
void
mqev_fleet_meet_fork(struct mqev_fleet *fleet)
{
	int process = mqev_port_process();

	if (process == fleet->process)
		return;
	fleet->process = process;
	event_reinit(fleet->base);
	mqev_durable_forked(fleet);
	if (fleet->front != NULL)
		fleet->hooks->forked(fleet->front);
}
