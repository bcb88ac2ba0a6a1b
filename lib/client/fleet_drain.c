/* Draining all clients of a fleet: beginning, summing up, one report. How each is drained: drain.c.
 */
#include "client/client.h"
#include "client/drain.h"
#include "core/mem.h"
#include "port/port.h"

struct mqev_fleet_drain {
	struct mqev_fleet *fleet;
	mqev_fleet_drain_cb *done;
	void *arg;
	size_t waiting; /* clients that are not done */
	uint64_t begun_ms;
	struct mqev_drain_report report;
};

static void
add(struct mqev_drain_report *sum, const struct mqev_drain_report *one)
{
	for (int qos = 0; qos <= 2; qos++)
		sum->left_messages[qos] += one->left_messages[qos];
	sum->left_in_flight += one->left_in_flight;
	sum->left_subscribes += one->left_subscribes;
	sum->left_requests += one->left_requests;
	sum->left_bytes += one->left_bytes;
	sum->server_closed = sum->server_closed && one->server_closed;
	if (one->error == 0)
		return;
	sum->error = one->error;
	sum->clients_left++;
}

void
mqev_fleet_drain_count(struct mqev_fleet_drain *drain, const struct mqev_drain_report *report)
{
	add(&drain->report, report);
	if (--drain->waiting == 0 && !drain->fleet->freed)
		mqev_fleet_plan_flush(drain->fleet);
}

static void
finish(struct mqev_fleet *fleet)
{
	struct mqev_fleet_drain drain = *fleet->drain;

	mqev_free(fleet->drain);
	fleet->drain = NULL;
	drain.report.took_ms = mqev_port_now_ms() - drain.begun_ms;
	if (drain.done != NULL)
		drain.done(fleet, &drain.report, drain.arg);
}

void
mqev_fleet_drain_tell(struct mqev_fleet *fleet)
{
	if (!fleet->freed && fleet->drain->waiting == 0)
		finish(fleet);
}

void
mqev_fleet_drain_abandon(struct mqev_fleet *fleet)
{
	if (fleet->drain != NULL)
		finish(fleet);
}

static int
join_all(struct mqev_fleet *fleet, uint32_t deadline_ms)
{
	for (struct mqev_client *c = fleet->clients; c != NULL; c = c->next) {
		int error = mqev_drain_join(c, deadline_ms, fleet->drain);

		if (error != 0)
			return error;
		fleet->drain->waiting++;
	}
	fleet->drain->report.clients = fleet->drain->waiting;
	return 0;
}

static void
undo(struct mqev_fleet *fleet)
{
	for (struct mqev_client *c = fleet->clients; c != NULL; c = c->next)
		mqev_drain_leave(c);
	mqev_free(fleet->drain);
	fleet->drain = NULL;
}

int
mqev_fleet_drain(
    struct mqev_fleet *fleet, uint32_t deadline_ms, mqev_fleet_drain_cb *done, void *arg)
{
	int error;

	if (fleet == NULL)
		return MQEV_ERR_INVALID;
	if (fleet->freed || fleet->drain != NULL)
		return MQEV_ERR_STATE;
	fleet->drain = mqev_calloc(1, sizeof(*fleet->drain));
	if (fleet->drain == NULL)
		return MQEV_ERR_NOMEM;
	*fleet->drain = (struct mqev_fleet_drain){.fleet = fleet,
	    .done = done,
	    .arg = arg,
	    .begun_ms = mqev_port_now_ms(),
	    .report = {.server_closed = true}};
	error = join_all(fleet, deadline_ms);
	if (error != 0)
		undo(fleet);
	else
		mqev_fleet_plan_flush(fleet);
	return error;
}
