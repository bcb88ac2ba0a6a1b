/* How much may wait to be sent and how much does, of one session or of all that share a budget.
 * What is done about it is session_queue.c's business. */
#ifndef MQEV_CORE_BUDGET_H
#define MQEV_CORE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

/* Operations, and the bytes of memory allocated for them. */
struct mqev_load {
	size_t count;
	size_t bytes;
};

/* SIZE_MAX in a member: no such limit. */
struct mqev_load_limits {
	struct mqev_load max;  /* not to be exceeded */
	struct mqev_load high; /* to be told when one of its members is reached */
	struct mqev_load low;  /* and again when the load is down to both of these */
};

/* What several sessions share. */
struct mqev_budget {
	struct mqev_load used;
	struct mqev_load_limits limits;
	bool above; /* the high mark was reached, and the low one not since */
	/* above has changed: to be told of later, not from here. */
	void (*crossed)(struct mqev_budget *budget);
};

static inline void
mqev_load_add(struct mqev_load *load, size_t bytes)
{
	load->count++;
	load->bytes += bytes;
}

static inline void
mqev_load_subtract(struct mqev_load *load, size_t bytes)
{
	load->count--;
	load->bytes -= bytes;
}

/* One more of that many bytes. */
static inline bool
mqev_load_fits(struct mqev_load used, struct mqev_load max, size_t bytes)
{
	return used.count < max.count && bytes <= max.bytes && used.bytes <= max.bytes - bytes;
}

static inline bool
mqev_load_reaches(struct mqev_load used, struct mqev_load mark)
{
	return used.count >= mark.count || used.bytes >= mark.bytes;
}

static inline bool
mqev_load_within(struct mqev_load used, struct mqev_load mark)
{
	return used.count <= mark.count && used.bytes <= mark.bytes;
}

/* Whether a load that was on one side of the marks is above them now. */
static inline bool
mqev_load_is_above(struct mqev_load used, const struct mqev_load_limits *limits, bool was_above)
{
	return was_above ? !mqev_load_within(used, limits->low)
			 : mqev_load_reaches(used, limits->high);
}

#endif
