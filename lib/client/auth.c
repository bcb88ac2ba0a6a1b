/* mqev_reauthenticate(): the way into the session. */
#include <mqev/auth.h>

#include "client/client.h"
#include "port/port.h"

int64_t
mqev_reauthenticate(struct mqev_client *c, mqev_result_cb *done, void *arg)
{
	int64_t number;

	if (c == NULL)
		return MQEV_ERR_INVALID;
	if (c->freed)
		return MQEV_ERR_STATE;
	number =
	    mqev_session_reauthenticate(&c->session, (mqev_op_done)done, arg, mqev_port_now_ms());
	/* For its deadline, and for what a lack of memory may have ended. */
	mqev_fleet_plan(c->fleet, c);
	return number;
}
