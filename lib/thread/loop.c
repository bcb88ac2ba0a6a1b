/* Loops in the caller's thread, and what every loop has in common: one turn, when it is idle, who
 * drives it. */
#include <mqev/thread.h>

#include <event2/event.h>

#include "client/client.h"
#include "client/fleet.h"
#include "port/port.h"
#include "thread/front.h"
#include "thread/remote.h"

/* --- what loops have in common -----------------------------------------------------------------
 */

void
mqev_front_set_drive(struct mqev_front *front, enum mqev_drive drive)
{
	atomic_store(&front->loop_thread, pthread_self());
	if (atomic_exchange(&front->drive, (int)drive) == (int)drive || drive != MQEV_DRIVE_STOPPED)
		return;
	pthread_mutex_lock(&front->lock);
	for (struct mqev_remote *r = front->remotes; r != NULL; r = r->next)
		mqev_remote_wake_waiters(r);
	pthread_mutex_unlock(&front->lock);
}

bool
mqev_front_turn(struct mqev_front *front, int flags)
{
	front->looping = true;
	event_base_loop(front->base, flags);
	front->looping = false;
	if (front->free_base)
		event_base_free(front->base);
	front->free_base = false;
	return front->fleet != NULL;
}

/* Of the events only that which other threads wake is always there. */
bool
mqev_front_idle(struct mqev_front *front)
{
	return mqev_front_empty(front) &&
	       event_base_get_num_events(front->base, EVENT_BASE_COUNT_ADDED) <= 1 &&
	       event_base_get_num_events(front->base, EVENT_BASE_COUNT_ACTIVE) == 0;
}

int
mqev_front_may_loop(struct mqev_front *front)
{
	/* First of all: while there is a thread in the background it alone may look further. */
	if (atomic_load(&front->background) == MQEV_BACKGROUND_RUNNING || front->looping ||
	    front->fleet->depth > 0)
		return MQEV_ERR_STATE;
	return 0;
}

int
mqev_front_begin(struct mqev_fleet *fleet, struct mqev_front **front)
{
	int error;

	if (fleet == NULL)
		return MQEV_ERR_INVALID;
	if (!fleet->owns_base || fleet->freed)
		return MQEV_ERR_STATE;
	*front = mqev_front_of(fleet);
	if (*front == NULL)
		return MQEV_ERR_NOMEM;
	error = mqev_front_may_loop(*front);
	if (error == 0)
		mqev_front_ref(*front);
	return error;
}

/* --- mqev_loop(), mqev_loop_forever() ----------------------------------------------------------
 */

static bool
stopped(struct mqev_front *front)
{
	return atomic_load_explicit(&front->stop, memory_order_relaxed) &&
	       atomic_exchange(&front->stop, false);
}

static bool
limited_turn(struct mqev_front *front, int timeout_ms)
{
	const struct timeval wait = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
	bool set = event_add(front->timer, &wait) == 0;
	/* Without memory for the timer it does not wait at all: that is the shorter of two evils.
	 */
	bool there = mqev_front_turn(front, set ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);

	if (there)
		event_del(front->timer);
	return there;
}

static bool
wait_and_work(struct mqev_front *front, int timeout_ms)
{
	if (timeout_ms < 0)
		return mqev_front_turn(front, EVLOOP_ONCE);
	if (timeout_ms == 0)
		return mqev_front_turn(front, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	return limited_turn(front, timeout_ms);
}

int
mqev_loop(struct mqev_fleet *fleet, int timeout_ms)
{
	struct mqev_front *front;
	int result = mqev_front_begin(fleet, &front);

	if (result != 0)
		return result;
	mqev_front_set_drive(front, MQEV_DRIVE_UNKNOWN);
	if (!mqev_front_idle(front) && !stopped(front)) {
		result = wait_and_work(front, timeout_ms) && !mqev_front_idle(front);
		stopped(front);
	}
	mqev_front_unref(front);
	return result;
}

int
mqev_loop_forever(struct mqev_fleet *fleet)
{
	struct mqev_front *front;
	int error = mqev_front_begin(fleet, &front);

	if (error != 0)
		return error;
	mqev_front_set_drive(front, MQEV_DRIVE_RUNNING);
	while (!stopped(front) && !mqev_front_idle(front)) {
		if (!mqev_front_turn(front, EVLOOP_ONCE))
			break;
	}
	mqev_front_set_drive(front, MQEV_DRIVE_STOPPED);
	mqev_front_unref(front);
	return 0;
}

void
mqev_loop_break(struct mqev_fleet *fleet)
{
	struct mqev_front *front = fleet != NULL ? mqev_front_of(fleet) : NULL;

	if (front == NULL)
		return;
	atomic_store(&front->stop, true);
	mqev_port_wake(front->wake_fd);
}
