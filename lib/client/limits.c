/* What limits and marks in options mean. */
#include "client/limits.h"

#include <mqev/client.h>

#include "client/options.h"

static size_t
or_default(size_t value, size_t fallback)
{
	return value != 0 ? value : fallback;
}

struct mqev_load
mqev_limits_max(uint32_t count, size_t bytes, size_t default_count, size_t default_bytes)
{
	return (struct mqev_load){
	    .count = count == MQEV_UNLIMITED ? SIZE_MAX : or_default(count, default_count),
	    .bytes = or_default(bytes, default_bytes),
	};
}

/* A high mark and the low one to it; false: they do not fit together. */
static bool
take_pair(size_t high, size_t low, size_t none, size_t *to_high, size_t *to_low)
{
	*to_high = *to_low = SIZE_MAX;
	if (high == 0)
		return low == 0;
	*to_high = high;
	*to_low = low == none ? 0 : or_default(low, high / 2);
	return *to_low < high;
}

int
mqev_limits_take_marks(struct mqev_load_limits *limits, const struct mqev_water_marks *marks)
{
	struct mqev_water_marks m = {.size = sizeof(m)};
	struct mqev_load high;
	struct mqev_load low;
	int error = marks != NULL ? mqev_options_take(&m, sizeof(m), marks) : 0;

	if (error != 0)
		return error;
	if (!take_pair(m.high, m.low, MQEV_NONE, &high.count, &low.count) ||
	    !take_pair(m.high_bytes, m.low_bytes, SIZE_MAX, &high.bytes, &low.bytes))
		return MQEV_ERR_INVALID;
	limits->high = high;
	limits->low = low;
	return 0;
}
