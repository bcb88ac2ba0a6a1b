/* The governor's line, its count of the active and its bucket of beginnings. What begins, and who
 * wakes it, is not known here. */
#include "client/governor.h"

#include <stddef.h>
#include <string.h>

#define ONE_START 1000 /* in units of credit: a millisecond earns per_second of them */
#define BATCH_MS 10
#define FIRST_HOLD_MS 250
#define LONGEST_HOLD_MS 4000

/* --- credit ----------------------------------------------------------------------------------- */

static uint64_t
most_credit(const struct mqev_governor *g)
{
	return (uint64_t)g->limits.burst * ONE_START;
}

static void
earn(struct mqev_governor *g, uint64_t now)
{
	uint64_t most = most_credit(g);
	uint64_t passed = now > g->credited_ms ? now - g->credited_ms : 0;

	g->credited_ms = now;
	/* Compared before it is multiplied: a program may have slept for long. */
	if (passed > most / g->limits.per_second)
		g->credit = most;
	else
		g->credit += passed * g->limits.per_second;
	if (g->credit > most)
		g->credit = most;
}

static bool
has_credit(const struct mqev_governor *g)
{
	return g->limits.per_second == UINT32_MAX || g->credit >= ONE_START;
}

static void
spend(struct mqev_governor *g)
{
	if (g->limits.per_second != UINT32_MAX)
		g->credit -= ONE_START;
}

/* --- the line --------------------------------------------------------------------------------- */

static void
join(struct mqev_governor *g, struct mqev_turn *turn)
{
	turn->state = MQEV_TURN_WAITING;
	turn->next = NULL;
	turn->at = g->last;
	*g->last = turn;
	g->last = &turn->next;
	g->waiting++;
}

static void
step_out(struct mqev_governor *g, struct mqev_turn *turn)
{
	*turn->at = turn->next;
	if (turn->next != NULL)
		turn->next->at = turn->at;
	else
		g->last = turn->at;
	turn->state = MQEV_TURN_NONE;
	g->waiting--;
}

static bool
may_begin(const struct mqev_governor *g, uint64_t now)
{
	return g->active < g->limits.max_active && has_credit(g) && now >= g->held_until_ms;
}

static void
begin(struct mqev_governor *g, struct mqev_turn *turn, uint64_t now)
{
	spend(g);
	turn->state = MQEV_TURN_ACTIVE;
	g->active++;
	/* While descriptors are short the next one waits to see how this one fares. */
	g->trying = g->hold_ms > 0;
	if (g->trying)
		g->held_until_ms = now + g->hold_ms;
}

bool
mqev_governor_ask(struct mqev_governor *g, struct mqev_turn *turn, uint64_t now)
{
	earn(g, now);
	if (g->first == NULL && may_begin(g, now)) {
		begin(g, turn, now);
		return true;
	}
	join(g, turn);
	return false;
}

struct mqev_turn *
mqev_governor_next(struct mqev_governor *g, uint64_t now)
{
	struct mqev_turn *turn = g->first;

	earn(g, now);
	if (turn == NULL || !may_begin(g, now))
		return NULL;
	step_out(g, turn);
	begin(g, turn, now);
	return turn;
}

bool
mqev_governor_leave(struct mqev_governor *g, struct mqev_turn *turn)
{
	switch ((enum mqev_turn_state)turn->state) {
	case MQEV_TURN_NONE:
		return false;
	case MQEV_TURN_WAITING:
		step_out(g, turn);
		return false;
	case MQEV_TURN_ACTIVE:
		break;
	}
	turn->state = MQEV_TURN_NONE;
	g->active--;
	return g->first != NULL;
}

/* At a high rate several begin together, so that the loop need not wake up for each: as many as a
 * batch of time earns, no more than wait or than the bucket holds. */
static uint64_t
batch(const struct mqev_governor *g)
{
	uint64_t starts = (uint64_t)g->limits.per_second * BATCH_MS / 1000;

	if (starts > g->limits.burst)
		starts = g->limits.burst;
	if (starts > g->waiting)
		starts = g->waiting;
	return starts > 0 ? starts : 1;
}

static uint64_t
credit_due(const struct mqev_governor *g, uint64_t now)
{
	uint64_t missing = has_credit(g) ? 0 : batch(g) * ONE_START - g->credit;

	return now + (missing + g->limits.per_second - 1) / g->limits.per_second;
}

uint64_t
mqev_governor_due(struct mqev_governor *g, uint64_t now)
{
	uint64_t due;

	if (g->first == NULL || g->active >= g->limits.max_active)
		return UINT64_MAX;
	earn(g, now);
	due = credit_due(g, now);
	return due > g->held_until_ms ? due : g->held_until_ms;
}

/* --- no descriptors --------------------------------------------------------------------------- */

bool
mqev_governor_hold(struct mqev_governor *g, uint64_t now)
{
	if (g->hold_ms == 0)
		g->hold_ms = FIRST_HOLD_MS;
	else if (g->trying)
		g->hold_ms = g->hold_ms < LONGEST_HOLD_MS / 2 ? g->hold_ms * 2 : LONGEST_HOLD_MS;
	else if (now < g->held_until_ms)
		return false; /* attempts that began together and fail together are one failure */
	g->trying = false;
	g->held_until_ms = now + g->hold_ms;
	return true;
}

void
mqev_governor_relieve(struct mqev_governor *g)
{
	g->trying = false;
	g->hold_ms = 0;
	g->held_until_ms = 0;
}

/* --- limits ----------------------------------------------------------------------------------- */

void
mqev_governor_init(struct mqev_governor *g, const struct mqev_governor_limits *limits, uint64_t now)
{
	memset(g, 0, sizeof(*g));
	g->last = &g->first;
	g->limits = *limits;
	g->credit = most_credit(g);
	g->credited_ms = now;
}

void
mqev_governor_set_limits(
    struct mqev_governor *g, const struct mqev_governor_limits *limits, uint64_t now)
{
	earn(g, now);
	g->limits = *limits;
	if (g->credit > most_credit(g))
		g->credit = most_credit(g);
}
