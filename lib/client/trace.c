/* Traces that begin here: random ids. All else of them: core/trace.c. */
#include <mqev/reason.h>
#include <mqev/trace.h>

#include "port/port.h"

/* All zero is no id. */
static int
random_id(uint8_t *id, size_t size)
{
	if (mqev_port_random(id, size) != 0)
		return MQEV_ERR_SYSTEM;
	for (size_t i = 0; i < size; i++) {
		if (id[i] != 0)
			return 0;
	}
	id[size - 1] = 1;
	return 0;
}

int
mqev_trace_start(struct mqev_trace *trace, uint8_t flags)
{
	struct mqev_trace made = {.flags = flags | MQEV_TRACE_RANDOM};

	if (trace == NULL)
		return MQEV_ERR_INVALID;
	if (random_id(made.trace_id, sizeof(made.trace_id)) != 0 ||
	    random_id(made.span_id, sizeof(made.span_id)) != 0)
		return MQEV_ERR_SYSTEM;
	*trace = made;
	return 0;
}

int
mqev_trace_child(const struct mqev_trace *parent, struct mqev_trace *child)
{
	struct mqev_trace made;

	if (parent == NULL || child == NULL)
		return MQEV_ERR_INVALID;
	made = *parent;
	if (random_id(made.span_id, sizeof(made.span_id)) != 0)
		return MQEV_ERR_SYSTEM;
	*child = made;
	return 0;
}
