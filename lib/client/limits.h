/* From the application's words for limits and marks to those of the session. */
#ifndef MQEV_CLIENT_LIMITS_H
#define MQEV_CLIENT_LIMITS_H

#include <mqev/queue.h>

#include "core/budget.h"

/* MQEV_UNLIMITED and SIZE_MAX: none; 0: the default. */
struct mqev_load
mqev_limits_max(uint32_t count, size_t bytes, size_t default_count, size_t default_bytes);

/* marks NULL: none. 0, MQEV_ERR_INVALID, MQEV_ERR_UNSUPPORTED; then nothing was changed. */
int mqev_limits_take_marks(struct mqev_load_limits *limits, const struct mqev_water_marks *marks);

#endif
