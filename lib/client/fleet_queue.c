/* Limits and marks over all clients of a fleet. What they do to an operation is the session's
 * business. */
#include "client/fleet_queue.h"

#include "client/fleet.h"
#include "client/limits.h"

static struct mqev_fleet *
fleet_of(struct mqev_budget *budget)
{
	return (struct mqev_fleet *)((char *)budget - offsetof(struct mqev_fleet, queue));
}

static void
on_crossed(struct mqev_budget *budget)
{
	struct mqev_fleet *fleet = fleet_of(budget);

	if (!fleet->freed)
		mqev_fleet_plan_flush(fleet);
}

bool
mqev_fleet_queue_init(struct mqev_fleet_queue *queue, const struct mqev_fleet_options *options)
{
	queue->budget.limits.max =
	    mqev_limits_max(options->max_queued, options->max_queued_bytes, SIZE_MAX, SIZE_MAX);
	queue->budget.crossed = on_crossed;
	queue->on_water = options->on_water;
	queue->userdata = options->userdata;
	return mqev_limits_take_marks(&queue->budget.limits, options->water) == 0;
}

void
mqev_fleet_queue_tell(struct mqev_fleet *fleet)
{
	struct mqev_fleet_queue *queue = &fleet->queue;
	struct mqev_water water = {
	    .high = queue->budget.above,
	    .count = queue->budget.used.count,
	    .bytes = queue->budget.used.bytes,
	};

	if (queue->budget.above == queue->told_above || fleet->freed)
		return;
	queue->told_above = queue->budget.above;
	if (queue->on_water != NULL)
		queue->on_water(fleet, &water, queue->userdata);
}

/* --- while it runs -----------------------------------------------------------------------------
 */

int
mqev_fleet_set_max_queued(struct mqev_fleet *fleet, uint32_t max_queued, size_t max_queued_bytes)
{
	if (fleet == NULL)
		return MQEV_ERR_INVALID;
	if (fleet->freed)
		return MQEV_ERR_STATE;
	fleet->queue.budget.limits.max =
	    mqev_limits_max(max_queued, max_queued_bytes, SIZE_MAX, SIZE_MAX);
	return 0;
}

int
mqev_fleet_set_water(struct mqev_fleet *fleet, const struct mqev_water_marks *marks)
{
	struct mqev_budget *budget;
	int error;

	if (fleet == NULL)
		return MQEV_ERR_INVALID;
	if (fleet->freed)
		return MQEV_ERR_STATE;
	budget = &fleet->queue.budget;
	error = mqev_limits_take_marks(&budget->limits, marks);
	if (error != 0)
		return error;
	budget->above = mqev_load_is_above(budget->used, &budget->limits, budget->above);
	if (budget->above != fleet->queue.told_above)
		on_crossed(budget);
	return 0;
}

size_t
mqev_fleet_queue_count(const struct mqev_fleet *fleet)
{
	return fleet != NULL ? fleet->queue.budget.used.count : 0;
}

size_t
mqev_fleet_queue_bytes(const struct mqev_fleet *fleet)
{
	return fleet != NULL ? fleet->queue.budget.used.bytes : 0;
}
