/* The front's life, its inbox, and what the fleet tells it. How posts are made and what they do:
 * remote.c, post.c. */
#include "thread/front.h"

#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "client/client.h"
#include "client/fleet.h"
#include "core/mem.h"
#include "port/port.h"
#include "thread/remote.h"

/* --- waiting -----------------------------------------------------------------------------------
 */

bool
mqev_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	bool done;

	if (pthread_condattr_init(&attr) != 0)
		return false;
	done = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
	       pthread_cond_init(cond, &attr) == 0;
	pthread_condattr_destroy(&attr);
	return done;
}

bool
mqev_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t then_ms)
{
	struct timespec then = {
	    .tv_sec = (time_t)(then_ms / 1000), .tv_nsec = (long)(then_ms % 1000) * 1000000};

	return pthread_cond_timedwait(cond, lock, &then) == 0;
}

/* --- the inbox ---------------------------------------------------------------------------------
 */

void
mqev_front_post(struct mqev_front *front, struct mqev_post *post)
{
	struct mqev_post *latest = atomic_load_explicit(&front->inbox, memory_order_relaxed);

	do
		post->next = latest;
	while (!atomic_compare_exchange_weak_explicit(
	    &front->inbox, &latest, post, memory_order_release, memory_order_relaxed));
	/* Who finds others there need not wake: whoever was first has. */
	if (latest == NULL)
		mqev_port_wake(front->wake_fd);
}

/* From the inbox, where the latest is the first, to the end of the queue. */
static void
take_inbox(struct mqev_front *front)
{
	struct mqev_post *post =
	    atomic_exchange_explicit(&front->inbox, NULL, memory_order_acquire);
	struct mqev_post *oldest = NULL;
	struct mqev_post **end = front->last;

	while (post != NULL) {
		struct mqev_post *next = post->next;

		if (oldest == NULL)
			end = &post->next;
		post->next = oldest;
		oldest = post;
		post = next;
	}
	*front->last = oldest;
	front->last = end;
}

static struct mqev_post *
take_first(struct mqev_front *front)
{
	struct mqev_post *post = front->first;

	if (post == NULL)
		return NULL;
	front->first = post->next;
	if (front->first == NULL)
		front->last = &front->first;
	return post;
}

void
mqev_front_run_posts(struct mqev_front *front)
{
	struct mqev_post *post;

	take_inbox(front);
	while ((post = take_first(front)) != NULL)
		mqev_post_run(post);
}

bool
mqev_front_empty(struct mqev_front *front)
{
	return front->first == NULL && atomic_load(&front->inbox) == NULL;
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_front *front = arg;
	struct mqev_fleet *fleet = front->fleet;

	(void)what;
	mqev_front_ref(front);
	mqev_fleet_enter(fleet);
	mqev_port_wake_clear(fd);
	mqev_front_run_posts(front);
	mqev_fleet_leave(fleet);
	mqev_front_unref(front);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* --- what the fleet tells ----------------------------------------------------------------------
 */

static void
on_going(void *arg)
{
	mqev_background_end(arg);
}

static bool
on_gone(void *arg, struct event_base *base)
{
	struct mqev_front *front = arg;
	bool keep = base != NULL && front->looping;

	front->free_base = keep;
	front->fleet = NULL;
	mqev_front_set_drive(front, MQEV_DRIVE_STOPPED);
	mqev_watching_free(front);
	event_free(front->wake_event);
	event_free(front->timer);
	if (keep)
		event_base_loopbreak(front->base);
	mqev_front_unref(front);
	return keep;
}

/* Posts of the client that came too late: the others stay in their order. */
static void
on_client_gone(void *arg, struct mqev_client *c)
{
	struct mqev_front *front = arg;
	struct mqev_remote *remote = mqev_part_find(c->parts, MQEV_PART_REMOTE);
	struct mqev_post **at = &front->first;
	struct mqev_post *own = NULL;
	struct mqev_post **own_end = &own;

	mqev_remote_close(remote);
	take_inbox(front);
	while (*at != NULL) {
		struct mqev_post *post = *at;

		if (post->remote != remote) {
			at = &post->next;
			continue;
		}
		*at = post->next;
		post->next = NULL;
		*own_end = post;
		own_end = &post->next;
	}
	front->last = at;
	mqev_remote_finish_all(c, own);
	mqev_part_remove(&c->parts, &remote->part);
	mqev_remote_free(remote);
}

/* The locks may have been held by threads that are not in this process. */
static void
on_forked(void *arg)
{
	struct mqev_front *front = arg;

	pthread_mutex_init(&front->lock, NULL);
	mqev_cond_init(&front->changed);
	front->background = MQEV_BACKGROUND_NONE;
	atomic_store(&front->loop_thread, pthread_self());
	for (struct mqev_remote *r = front->remotes; r != NULL; r = r->next)
		mqev_remote_renew_lock(r);
}

static const struct mqev_fleet_hooks hooks = {
    .going = on_going,
    .gone = on_gone,
    .client_gone = on_client_gone,
    .forked = on_forked,
};

/* --- life --------------------------------------------------------------------------------------
 */

void
mqev_front_ref(struct mqev_front *front)
{
	atomic_fetch_add_explicit(&front->refs, 1, memory_order_relaxed);
}

void
mqev_front_unref(struct mqev_front *front)
{
	if (atomic_fetch_sub_explicit(&front->refs, 1, memory_order_acq_rel) > 1)
		return;
	pthread_cond_destroy(&front->changed);
	pthread_mutex_destroy(&front->lock);
	close(front->wake_fd);
	mqev_free(front);
}

static bool
init_locks(struct mqev_front *front)
{
	if (pthread_mutex_init(&front->lock, NULL) != 0)
		return false;
	if (mqev_cond_init(&front->changed))
		return true;
	pthread_mutex_destroy(&front->lock);
	return false;
}

static bool
init_events(struct mqev_front *front)
{
	front->wake_event =
	    event_new(front->base, front->wake_fd, EV_READ | EV_PERSIST, on_wake, front);
	front->timer = evtimer_new(front->base, on_timer, NULL);
	if (front->wake_event != NULL && front->timer != NULL &&
	    event_add(front->wake_event, NULL) == 0)
		return true;
	if (front->wake_event != NULL)
		event_free(front->wake_event);
	if (front->timer != NULL)
		event_free(front->timer);
	return false;
}

static struct mqev_front *
front_new(struct mqev_fleet *fleet)
{
	struct mqev_front *front = mqev_calloc(1, sizeof(*front));

	if (front == NULL)
		return NULL;
	atomic_init(&front->refs, 1);
	atomic_init(&front->inbox, NULL);
	atomic_init(&front->loop_thread, pthread_self());
	front->fleet = fleet;
	front->base = fleet->base;
	front->last = &front->first;
	front->poller = -1;
	front->wake_fd = mqev_port_wake_new();
	if (front->wake_fd < 0 || !init_locks(front)) {
		if (front->wake_fd >= 0)
			close(front->wake_fd);
		mqev_free(front);
		return NULL;
	}
	if (init_events(front))
		return front;
	mqev_front_unref(front);
	return NULL;
}

struct mqev_front *
mqev_front_of(struct mqev_fleet *fleet)
{
	if (fleet->front == NULL) {
		fleet->front = front_new(fleet);
		fleet->hooks = &hooks;
	}
	return fleet->front;
}
