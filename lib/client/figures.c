/* Counting what clients go through: drops, attempts, ends, each by its cause, and how late the loop
 * is. Reading it all: stats.c. */
#include "client/figures.h"

#include "client/client.h"
#include "port/probe.h"

#define COUNT_OF(table) (int)(sizeof(table) / sizeof((table)[0]))

/* By -error; what is not named is OTHER. */
static const uint8_t drop_causes[] = {
    [-MQEV_ERR_QUEUE_FULL] = MQEV_DROP_QUEUE_FULL + 1,
    [-MQEV_ERR_STATE] = MQEV_DROP_OFFLINE + 1,
    [-MQEV_ERR_TOO_LARGE] = MQEV_DROP_LIMIT + 1,
    [-MQEV_ERR_QOS] = MQEV_DROP_LIMIT + 1,
    [-MQEV_ERR_RETAIN] = MQEV_DROP_LIMIT + 1,
    [-MQEV_ERR_EXPIRED] = MQEV_DROP_EXPIRED + 1,
    [-MQEV_ERR_LOST] = MQEV_DROP_LOST + 1,
    [-MQEV_ERR_SESSION_LOST] = MQEV_DROP_SESSION_LOST + 1,
    [-MQEV_ERR_REFUSED] = MQEV_DROP_REFUSED + 1,
    [-MQEV_ERR_CANCELED] = MQEV_DROP_CANCELED + 1,
    [-MQEV_ERR_DROPPED] = MQEV_DROP_MADE_ROOM + 1,
};

static const uint8_t end_causes[] = {
    [0] = MQEV_END_APPLICATION + 1,
    [-MQEV_ERR_REFUSED] = MQEV_END_REFUSED + 1,
    [-MQEV_ERR_DISCONNECTED] = MQEV_END_SERVER + 1,
    [-MQEV_ERR_LOST] = MQEV_END_LOST + 1,
    [-MQEV_ERR_TLS] = MQEV_END_LOST + 1,
    [-MQEV_ERR_WEBSOCKET] = MQEV_END_LOST + 1,
    [-MQEV_ERR_KEEPALIVE] = MQEV_END_KEEPALIVE + 1,
    [-MQEV_ERR_TIMEOUT] = MQEV_END_TIMEOUT + 1,
    [-MQEV_ERR_MALFORMED] = MQEV_END_PROTOCOL + 1,
    [-MQEV_ERR_PROTOCOL] = MQEV_END_PROTOCOL + 1,
    [-MQEV_ERR_TOO_LARGE] = MQEV_END_PROTOCOL + 1,
};

static int
cause_of(const uint8_t *table, int count, int error, int other)
{
	if (error > 0 || -error >= count || table[-error] == 0)
		return other;
	return table[-error] - 1;
}

void
mqev_figures_state(struct mqev_client *c, enum mqev_client_state next)
{
	if (c->freed)
		return;
	c->fleet->figures.states[c->state]--;
	c->fleet->figures.states[next]++;
}

static void
count_drop(struct mqev_client *c, int cause, int error)
{
	MQEV_PROBE_DROP(c, cause, error);
	c->figures.drops++;
	c->fleet->figures.drops[cause]++;
}

void
mqev_figures_drop(struct mqev_client *c, int error)
{
	count_drop(c, cause_of(drop_causes, COUNT_OF(drop_causes), error, MQEV_DROP_OTHER), error);
}

void
mqev_figures_drop_offline(struct mqev_client *c)
{
	count_drop(c, MQEV_DROP_OFFLINE_QOS0, MQEV_ERR_DROPPED);
}

void
mqev_figures_attempt(struct mqev_client *c)
{
	c->fleet->figures.attempts++;
}

void
mqev_figures_connected(struct mqev_client *c)
{
	c->figures.connects++;
	c->fleet->figures.connects++;
}

void
mqev_figures_connect_failed(struct mqev_client *c, enum mqev_stage stage)
{
	c->figures.connect_failures++;
	c->fleet->figures.connect_failures[stage]++;
}

void
mqev_figures_ended(struct mqev_client *c, const struct mqev_session_end *end)
{
	int cause = cause_of(end_causes, COUNT_OF(end_causes), end->error, MQEV_END_OTHER);

	c->figures.ends++;
	c->fleet->figures.ends[cause]++;
}

void
mqev_figures_expect_tick(struct mqev_figures *f, uint64_t at_us)
{
	f->tick_due_us = at_us;
}

void
mqev_figures_tick(struct mqev_figures *f, uint64_t now_us)
{
	/* Timers are kept in milliseconds: one may come a fraction early. */
	uint64_t late_us = now_us > f->tick_due_us ? now_us - f->tick_due_us : 0;

	mqev_histogram_add(&f->loop_lag_us, late_us);
	if (late_us > f->loop_lag_longest_us)
		f->loop_lag_longest_us = late_us;
}
