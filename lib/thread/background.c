/* A fleet's loop in a thread of its own: starting, stopping with or without flushing, and the end
 * of the fleet. */
#include <mqev/thread.h>

#include <signal.h>

#include <event2/event.h>

#include "client/client.h"
#include "client/fleet.h"
#include "port/port.h"
#include "thread/front.h"

/* How long the end of a loop that flushed is waited for, beyond its deadline. */
#define GRACE_MS 1000

/* --- the thread --------------------------------------------------------------------------------
 */

static bool
client_flushed(const struct mqev_client *c)
{
	if (!c->wanted)
		return c->state == MQEV_CLIENT_IDLE;
	return mqev_session_queued(&c->session) == 0 &&
	       (c->link == NULL || mqev_client_unsent(c) == 0);
}

static bool
all_flushed(struct mqev_front *front)
{
	const struct mqev_client *c = front->fleet->clients;

	while (c != NULL && client_flushed(c))
		c = c->next;
	return c == NULL && front->fleet->lingering == NULL && mqev_front_empty(front);
}

static bool
set_timer(struct mqev_front *front, uint64_t then_ms)
{
	uint64_t now = mqev_port_now_ms();
	uint64_t left = then_ms > now ? then_ms - now : 0;
	const struct timeval wait = {(time_t)(left / 1000), (suseconds_t)(left % 1000 * 1000)};

	return event_add(front->timer, &wait) == 0;
}

/* Asked to stop: true when it is time. */
static bool
stops_now(struct mqev_front *front)
{
	bool flush;
	uint64_t then;

	pthread_mutex_lock(&front->lock);
	flush = front->stopping && front->stop_flush;
	then = front->stop_at_ms;
	pthread_mutex_unlock(&front->lock);
	front->flushed = !flush || all_flushed(front);
	if (front->flushed || mqev_port_now_ms() >= then)
		return true;
	return !set_timer(front, then);
}

static void
announce_end(struct mqev_front *front)
{
	bool for_good;

	atomic_store(&front->stop, false);
	event_del(front->timer);
	pthread_mutex_lock(&front->lock);
	for_good = front->stop_for_good;
	pthread_mutex_unlock(&front->lock);
	/* Else those who wait hear of the end of what they wait for. */
	if (!for_good)
		mqev_front_set_drive(front, MQEV_DRIVE_STOPPED);
	pthread_mutex_lock(&front->lock);
	front->background = MQEV_BACKGROUND_ENDED;
	front->stopping = false;
	pthread_cond_broadcast(&front->changed);
	pthread_mutex_unlock(&front->lock);
}

static void *
run(void *arg)
{
	struct mqev_front *front = arg;
	bool there = true;

	while (there &&
	       !(atomic_load_explicit(&front->stop, memory_order_relaxed) && stops_now(front)))
		there = mqev_front_turn(front, EVLOOP_ONCE);
	if (there)
		announce_end(front);
	mqev_front_unref(front);
	return NULL;
}

/* --- starting ----------------------------------------------------------------------------------
 */

static int
create_thread(struct mqev_front *front)
{
	sigset_t all;
	sigset_t before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&front->thread, NULL, run, front);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error == 0 ? 0 : MQEV_ERR_SYSTEM;
}

/* The lock is held. */
static void
join_ended(struct mqev_front *front)
{
	if (front->background != MQEV_BACKGROUND_ENDED)
		return;
	pthread_join(front->thread, NULL);
	front->background = MQEV_BACKGROUND_NONE;
	atomic_store(&front->loop_thread, pthread_self());
}

/* The lock is held, until the thread is known to others. */
static int
start(struct mqev_front *front)
{
	int error;

	join_ended(front);
	atomic_store(&front->drive, MQEV_DRIVE_RUNNING);
	mqev_front_ref(front);
	error = create_thread(front);
	if (error != 0) {
		atomic_store(&front->drive, MQEV_DRIVE_UNKNOWN);
		mqev_front_unref(front);
		return error;
	}
	atomic_store(&front->loop_thread, front->thread);
	front->background = MQEV_BACKGROUND_RUNNING;
	return 0;
}

int
mqev_loop_start(struct mqev_fleet *fleet)
{
	struct mqev_front *front;
	int error = mqev_front_begin(fleet, &front);

	if (error != 0)
		return error;
	pthread_mutex_lock(&front->lock);
	error = start(front);
	pthread_mutex_unlock(&front->lock);
	mqev_front_unref(front);
	return error;
}

/* --- stopping ----------------------------------------------------------------------------------
 */

static void
ask_to_stop(struct mqev_front *front, enum mqev_stop how, uint32_t timeout_ms)
{
	front->stopping = true;
	front->stop_flush = how == MQEV_STOP_FLUSH;
	front->stop_at_ms = mqev_port_now_ms() + timeout_ms;
	atomic_store(&front->stop, true);
	mqev_port_wake(front->wake_fd);
}

static int
await_end(struct mqev_front *front, uint64_t then_ms)
{
	while (front->background == MQEV_BACKGROUND_RUNNING) {
		if (!mqev_cond_wait_until(&front->changed, &front->lock, then_ms) &&
		    front->background == MQEV_BACKGROUND_RUNNING)
			return MQEV_ERR_TIMEOUT;
	}
	join_ended(front);
	return front->flushed ? 0 : 1;
}

static bool
is_own_thread(const struct mqev_front *front)
{
	return front->background == MQEV_BACKGROUND_RUNNING &&
	       pthread_equal(front->thread, pthread_self());
}

/* The lock is held. */
static int
stop(struct mqev_front *front, enum mqev_stop how, uint32_t timeout_ms)
{
	uint64_t then = mqev_port_now_ms() + timeout_ms;

	if (front->background == MQEV_BACKGROUND_NONE)
		return MQEV_ERR_STATE;
	if (front->background == MQEV_BACKGROUND_RUNNING)
		ask_to_stop(front, how, timeout_ms);
	if (is_own_thread(front))
		return 0;
	return await_end(front, how == MQEV_STOP_FLUSH ? then + GRACE_MS : then);
}

int
mqev_loop_stop(struct mqev_fleet *fleet, enum mqev_stop how, uint32_t timeout_ms)
{
	struct mqev_front *front;
	int result;

	if (fleet == NULL || (how != MQEV_STOP_NOW && how != MQEV_STOP_FLUSH))
		return MQEV_ERR_INVALID;
	front = fleet->front;
	if (front == NULL)
		return MQEV_ERR_STATE;
	pthread_mutex_lock(&front->lock);
	result = stop(front, how, timeout_ms);
	pthread_mutex_unlock(&front->lock);
	return result;
}

/* The fleet is freed: by its own loop, which ends then by itself, or by the thread that is to own
 * it. */
void
mqev_background_end(struct mqev_front *front)
{
	pthread_mutex_lock(&front->lock);
	if (is_own_thread(front)) {
		pthread_detach(front->thread);
		front->background = MQEV_BACKGROUND_NONE;
	} else if (front->background == MQEV_BACKGROUND_RUNNING) {
		front->stop_for_good = true;
		ask_to_stop(front, MQEV_STOP_NOW, 0);
		while (front->background == MQEV_BACKGROUND_RUNNING)
			pthread_cond_wait(&front->changed, &front->lock);
	}
	join_ended(front);
	pthread_mutex_unlock(&front->lock);
}
