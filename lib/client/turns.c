/* The governor's timer, and who begins when it fires. Whose turn it is: governor.c. */
#include "client/turns.h"

#include <errno.h>

#include <event2/event.h>

#include "client/client.h"
#include "client/fleet.h"
#include "port/port.h"

static void
arm(struct mqev_turns *turns, uint64_t now)
{
	uint64_t due = mqev_governor_due(&turns->governor, now);
	uint64_t ms = due > now ? due - now : 0;
	const struct timeval wait = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000) * 1000};

	if (due == UINT64_MAX)
		event_del(turns->timer);
	else
		event_add(turns->timer, &wait);
}

/* From the loop, so that nobody begins inside what another one is doing. */
static void
wake(struct mqev_turns *turns)
{
	event_active(turns->timer, EV_TIMEOUT, 1);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_fleet *fleet = arg;
	struct mqev_turns *turns = &fleet->turns;
	struct mqev_turn *turn;
	uint64_t now = mqev_port_now_ms();

	(void)fd;
	(void)what;
	mqev_fleet_enter(fleet);
	/* The same now for all of them: the bucket ends it. */
	while ((turn = mqev_governor_next(&turns->governor, now)) != NULL)
		mqev_attempt_begin(turn);
	if (!fleet->freed)
		arm(turns, now);
	mqev_fleet_leave(fleet);
}

bool
mqev_turns_ask(struct mqev_fleet *fleet, struct mqev_turn *turn)
{
	uint64_t now = mqev_port_now_ms();

	if (mqev_governor_ask(&fleet->turns.governor, turn, now))
		return true;
	if (!event_pending(fleet->turns.timer, EV_TIMEOUT, NULL))
		arm(&fleet->turns, now);
	return false;
}

void
mqev_turns_leave(struct mqev_fleet *fleet, struct mqev_turn *turn)
{
	/* If others wait for the rate alone the timer stands. */
	if (mqev_governor_leave(&fleet->turns.governor, turn) &&
	    !event_pending(fleet->turns.timer, EV_TIMEOUT, NULL))
		wake(&fleet->turns);
}

static bool
is_exhaustion(int system_errno)
{
	return system_errno == EMFILE || system_errno == ENFILE;
}

void
mqev_turns_note(struct mqev_fleet *fleet, int system_errno)
{
	struct mqev_governor *governor = &fleet->turns.governor;

	if (is_exhaustion(system_errno)) {
		fleet->figures.descriptor_holds += mqev_governor_hold(governor, mqev_port_now_ms());
	} else if (governor->hold_ms > 0) {
		mqev_governor_relieve(governor);
		wake(&fleet->turns);
	}
}

void
mqev_turns_set_limits(struct mqev_fleet *fleet, const struct mqev_governor_limits *limits)
{
	mqev_governor_set_limits(&fleet->turns.governor, limits, mqev_port_now_ms());
	wake(&fleet->turns);
}

bool
mqev_turns_init(struct mqev_fleet *fleet, const struct mqev_governor_limits *limits)
{
	mqev_governor_init(&fleet->turns.governor, limits, mqev_port_now_ms());
	fleet->turns.timer = evtimer_new(fleet->base, on_timer, fleet);
	return fleet->turns.timer != NULL;
}

void
mqev_turns_free(struct mqev_fleet *fleet)
{
	if (fleet->turns.timer != NULL)
		event_free(fleet->turns.timer);
}
