/* A fleet inside another event loop: its one descriptor, its next timeout, and each of its
 * descriptors. */
#include <mqev/thread.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include <event2/event.h>

#include "client/client.h"
#include "client/link.h"
#include "core/mem.h"
#include "port/port.h"
#include "thread/front.h"

/* --- the events of a base ----------------------------------------------------------------------
 */

typedef bool on_interest(int fd, unsigned what, void *arg);

struct walk {
	on_interest *interest; /* false: no memory */
	void *arg;
	struct timeval soonest;
	size_t events;
	bool timed;
	bool failed;
};

static unsigned
interest_of(const struct event *event)
{
	short pending = (short)event_pending(event, EV_READ | EV_WRITE, NULL);

	return ((pending & EV_READ) != 0 ? MQEV_WATCH_READ : 0U) |
	       ((pending & EV_WRITE) != 0 ? MQEV_WATCH_WRITE : 0U);
}

static void
note_time(struct walk *walk, const struct event *event)
{
	struct timeval due;

	if (!event_pending(event, EV_TIMEOUT, &due))
		return;
	if (!walk->timed || evutil_timercmp(&due, &walk->soonest, <))
		walk->soonest = due;
	walk->timed = true;
}

static int
on_event(const struct event_base *base, const struct event *event, void *arg)
{
	struct walk *walk = arg;
	int fd;
	unsigned what;

	(void)base;
	walk->events++;
	note_time(walk, event);
	if (walk->interest == NULL)
		return 0;
	fd = event_get_fd(event);
	/* A signal's number stands where others have a descriptor. */
	if (fd < 0 || (event_get_events(event) & EV_SIGNAL) != 0)
		return 0;
	what = interest_of(event);
	if (what != 0 && !walk->interest(fd, what, walk->arg))
		walk->failed = true;
	return walk->failed;
}

/* False: no memory. */
static bool
walk_events(struct mqev_front *front, struct walk *walk, on_interest *interest, void *arg)
{
	memset(walk, 0, sizeof(*walk));
	walk->interest = interest;
	walk->arg = arg;
	event_base_foreach_event(front->base, on_event, walk);
	return !walk->failed;
}

/* --- the next timeout --------------------------------------------------------------------------
 */

/*
 * libevent tells times as wall-clock times, by a difference to its own clock that it renews now and
 * then. A timer that is due now is told by the same one, so that a wall clock which is set does no
 * harm.
 */
static bool
event_time(struct mqev_front *front, struct timeval *now)
{
	const struct timeval none = {0, 0};
	bool known =
	    event_add(front->timer, &none) == 0 && event_pending(front->timer, EV_TIMEOUT, now);

	event_del(front->timer);
	return known;
}

static int
milliseconds_until(const struct timeval *then, const struct timeval *now)
{
	struct timeval left;
	int64_t ms;

	if (!evutil_timercmp(then, now, >))
		return 0;
	evutil_timersub(then, now, &left);
	ms = (int64_t)left.tv_sec * 1000 + (left.tv_usec + 999) / 1000;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

static bool
is_active(struct mqev_front *front)
{
	return event_base_get_num_events(front->base, EVENT_BASE_COUNT_ACTIVE) > 0;
}

static int
timeout_until(struct mqev_front *front, bool timed, const struct timeval *soonest)
{
	struct timeval now;

	if (!timed)
		return -1;
	return event_time(front, &now) ? milliseconds_until(soonest, &now) : 0;
}

/* --- each descriptor ---------------------------------------------------------------------------
 */

struct watched {
	int fd;
	unsigned told;
	unsigned now;
	dev_t device; /* of what it was when it was told: numbers are used again */
	ino_t inode;
};

struct mqev_watching {
	mqev_watch_cb *changed;
	void *userdata;
	struct watched *list;
	size_t count;
	size_t capacity;
	int *place; /* by descriptor: its place in the list, from 1; 0: none */
	size_t place_count;
};

static void *
grown(void *block, size_t *count, size_t wanted, size_t size)
{
	size_t more = *count > 0 ? *count : 16;
	char *larger;

	while (more < wanted)
		more *= 2;
	larger = mqev_realloc(block, more * size);
	if (larger == NULL)
		return NULL;
	memset(larger + *count * size, 0, (more - *count) * size);
	*count = more;
	return larger;
}

static bool
make_place(struct mqev_watching *w, int fd)
{
	void *block;

	if ((size_t)fd >= w->place_count) {
		block = grown(w->place, &w->place_count, (size_t)fd + 1, sizeof(*w->place));
		if (block == NULL)
			return false;
		w->place = block;
	}
	if (w->count == w->capacity) {
		block = grown(w->list, &w->capacity, w->count + 1, sizeof(*w->list));
		if (block == NULL)
			return false;
		w->list = block;
	}
	return true;
}

static bool
note_interest(int fd, unsigned what, void *arg)
{
	struct mqev_watching *w = arg;

	if (!make_place(w, fd))
		return false;
	if (w->place[fd] == 0) {
		w->list[w->count] = (struct watched){.fd = fd};
		w->place[fd] = (int)++w->count;
	}
	w->list[w->place[fd] - 1].now |= what;
	return true;
}

static void
tell(struct mqev_front *front, struct watched *at, unsigned what)
{
	const struct mqev_watch watch = {at->fd, what};

	front->watching->changed(front->fleet, &watch, front->watching->userdata);
	at->told = what;
}

static bool
is_another(struct watched *at)
{
	struct stat now;
	bool same;

	if (fstat(at->fd, &now) != 0)
		return true;
	same = now.st_dev == at->device && now.st_ino == at->inode;
	at->device = now.st_dev;
	at->inode = now.st_ino;
	return !same;
}

static void
tell_change(struct mqev_front *front, struct watched *at)
{
	if (at->told != 0 && (at->now == 0 || is_another(at)))
		tell(front, at, 0);
	if (at->told == 0 && at->now != 0)
		is_another(at); /* remembers what it is */
	if (at->told != at->now)
		tell(front, at, at->now);
}

/* Those that are gone leave their places to the last ones. */
static void
forget_gone(struct mqev_watching *w)
{
	for (size_t i = w->count; i-- > 0;) {
		struct watched *at = &w->list[i];

		if (at->now != 0)
			continue;
		w->place[at->fd] = 0;
		*at = w->list[--w->count];
		if (i < w->count)
			w->place[at->fd] = (int)i + 1;
	}
}

/* First those that are no longer there: their numbers may have been given to others. */
static void
tell_changes(struct mqev_front *front)
{
	struct mqev_watching *w = front->watching;

	for (size_t i = 0; i < w->count; i++) {
		if (w->list[i].now == 0)
			tell_change(front, &w->list[i]);
	}
	for (size_t i = 0; i < w->count; i++) {
		if (w->list[i].now != 0)
			tell_change(front, &w->list[i]);
	}
	forget_gone(w);
}

/* Walks once, for times and descriptors; false: no memory. */
static bool
look(struct mqev_front *front, struct walk *walk)
{
	struct mqev_watching *w = front->watching;

	for (size_t i = 0; i < w->count; i++)
		w->list[i].now = 0;
	if (!walk_events(front, walk, note_interest, w))
		return false;
	tell_changes(front);
	return true;
}

void
mqev_watching_free(struct mqev_front *front)
{
	if (front->watching == NULL)
		return;
	mqev_free(front->watching->list);
	mqev_free(front->watching->place);
	mqev_free(front->watching);
	front->watching = NULL;
}

int
mqev_fleet_set_watch(struct mqev_fleet *fleet, mqev_watch_cb *changed, void *userdata)
{
	struct mqev_front *front;
	struct walk walk;
	int error = mqev_front_begin(fleet, &front);

	if (error != 0)
		return error;
	mqev_watching_free(front);
	if (changed != NULL) {
		front->watching = mqev_calloc(1, sizeof(*front->watching));
		error = front->watching != NULL ? 0 : MQEV_ERR_NOMEM;
	}
	if (front->watching != NULL) {
		front->watching->changed = changed;
		front->watching->userdata = userdata;
		if (!look(front, &walk)) {
			mqev_watching_free(front);
			error = MQEV_ERR_NOMEM;
		}
	}
	mqev_front_unref(front);
	return error;
}

/* --- walking seldom ----------------------------------------------------------------------------
 */

/*
 * A walk costs by the events that there are, a sleep ends with each that something happens to. So
 * in a large base the next walk comes when this one's cost is a small part of the time since: a
 * timer that is set meanwhile is late by no more than that.
 */
enum { WALK_ALWAYS = 64, WALK_SHARE = 32, WALK_MOST_US = 10000 };

static void
remember(struct mqev_front *front, const struct walk *walk, uint64_t begun_us)
{
	uint64_t now = mqev_port_now_us();
	uint64_t rest = (now - begun_us) * WALK_SHARE;

	if (walk->events <= WALK_ALWAYS)
		rest = 0;
	front->outlook = (struct mqev_outlook){
	    .again_us = now + (rest < WALK_MOST_US ? rest : WALK_MOST_US),
	    .soonest = walk->soonest,
	    .timed = walk->timed,
	};
}

/* What the last walk found is good enough: until the next one, or the timer that it knew. */
static bool
still_known(struct mqev_front *front, int *timeout)
{
	const struct mqev_outlook *o = &front->outlook;
	uint64_t now = mqev_port_now_us();
	int rest_ms;

	if (now >= o->again_us)
		return false;
	rest_ms = (int)((o->again_us - now + 999) / 1000);
	*timeout = timeout_until(front, o->timed, &o->soonest);
	if (*timeout == 0)
		return false;
	if (*timeout < 0 || *timeout > rest_ms)
		*timeout = rest_ms;
	return true;
}

static int
next_timeout(struct mqev_front *front)
{
	uint64_t begun = mqev_port_now_us();
	struct walk walk;
	int timeout;

	if (is_active(front))
		return 0;
	if (still_known(front, &timeout))
		return timeout;
	walk_events(front, &walk, NULL, NULL);
	remember(front, &walk, begun);
	return timeout_until(front, walk.timed, &walk.soonest);
}

/* With each descriptor announced, all are looked at. */
static int
next_timeout_watched(struct mqev_front *front)
{
	struct walk walk;

	/* What could not be told for want of memory is told next time. */
	if (!look(front, &walk))
		return MQEV_ERR_NOMEM;
	return is_active(front) ? 0 : timeout_until(front, walk.timed, &walk.soonest);
}

/* --- the fleet ---------------------------------------------------------------------------------
 */

static int
poller_of(struct mqev_front *front)
{
	if (front->poller < 0)
		front->poller = mqev_port_find_poller(front->wake_fd);
	return front->poller >= 0 ? front->poller : MQEV_ERR_UNSUPPORTED;
}

int
mqev_fleet_fd(struct mqev_fleet *fleet)
{
	struct mqev_front *front;
	int result = mqev_front_begin(fleet, &front);

	if (result != 0)
		return result;
	result = poller_of(front);
	mqev_front_unref(front);
	return result;
}

int
mqev_fleet_next_timeout_ms(struct mqev_fleet *fleet)
{
	struct mqev_front *front;
	int result = mqev_front_begin(fleet, &front);

	if (result != 0)
		return result;
	result = front->watching != NULL ? next_timeout_watched(front) : next_timeout(front);
	mqev_front_unref(front);
	return result;
}

int
mqev_fleet_dispatch(struct mqev_fleet *fleet)
{
	struct mqev_front *front;
	struct walk walk;
	int result = mqev_front_begin(fleet, &front);

	if (result != 0)
		return result;
	mqev_front_set_drive(front, MQEV_DRIVE_UNKNOWN);
	if (mqev_front_turn(front, EVLOOP_ONCE | EVLOOP_NONBLOCK)) {
		if (front->watching != NULL && !look(front, &walk))
			result = MQEV_ERR_NOMEM;
		else
			result = !mqev_front_idle(front);
	}
	mqev_front_unref(front);
	return result;
}

/* --- client by client --------------------------------------------------------------------------
 */

int
mqev_client_socket(const struct mqev_client *c)
{
	return c != NULL && c->link != NULL ? (int)c->link->conn.fd : -1;
}

struct wanted {
	int fd;
	unsigned what;
};

static bool
add_interest(int fd, unsigned what, void *arg)
{
	struct wanted *wanted = arg;

	if (fd == wanted->fd)
		wanted->what |= what;
	return true;
}

static bool
wants(const struct mqev_client *c, unsigned what)
{
	struct wanted wanted = {.fd = mqev_client_socket(c)};
	struct mqev_front *front;
	struct walk walk;

	if (wanted.fd < 0 || mqev_front_begin(c->fleet, &front) != 0)
		return false;
	walk_events(front, &walk, add_interest, &wanted);
	mqev_front_unref(front);
	return (wanted.what & what) != 0;
}

bool
mqev_client_want_read(const struct mqev_client *c)
{
	return wants(c, MQEV_WATCH_READ);
}

/* What waits for the end of the turn is not in the loop yet. */
bool
mqev_client_want_write(const struct mqev_client *c)
{
	return wants(c, MQEV_WATCH_WRITE);
}

int
mqev_client_next_timeout_ms(struct mqev_client *c)
{
	return mqev_fleet_next_timeout_ms(c != NULL ? c->fleet : NULL);
}

static int
dispatch_for(const struct mqev_client *c)
{
	int result;

	if (c == NULL)
		return MQEV_ERR_INVALID;
	if (!c->wanted && c->state == MQEV_CLIENT_IDLE)
		return MQEV_ERR_STATE;
	result = mqev_fleet_dispatch(c->fleet);
	return result < 0 ? result : 0;
}

int
mqev_loop_read(struct mqev_client *c)
{
	return dispatch_for(c);
}

int
mqev_loop_write(struct mqev_client *c)
{
	return dispatch_for(c);
}

int
mqev_loop_misc(struct mqev_client *c)
{
	return dispatch_for(c);
}
