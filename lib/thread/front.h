/* A fleet as other threads see it: what they hand to its loop, and who drives that loop. Made when
 * a function of mqev/thread.h is first used; programs of one thread have none. */
#ifndef MQEV_THREAD_FRONT_H
#define MQEV_THREAD_FRONT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>

#include <mqev/thread.h>

struct event;
struct event_base;
struct mqev_fleet;
struct mqev_job;
struct mqev_post;
struct mqev_remote;
struct mqev_watching;

/* Who runs the loop, for those who wait for what it does. */
enum mqev_drive {
	MQEV_DRIVE_UNKNOWN, /* the application, in its own way -> RUNNING, STOPPED */
	MQEV_DRIVE_RUNNING, /* mqev_loop_forever() or the background thread -> STOPPED */
	MQEV_DRIVE_STOPPED  /* -> RUNNING, UNKNOWN */
};

/* The background thread. Written under the front's lock. */
enum mqev_background {
	MQEV_BACKGROUND_NONE,	 /* -> RUNNING */
	MQEV_BACKGROUND_RUNNING, /* -> ENDED */
	MQEV_BACKGROUND_ENDED	 /* not joined yet -> NONE */
};

/* What the last walk over a large base's events has found, and how long that will do. */
struct mqev_outlook {
	uint64_t again_us; /* when to walk again at the latest */
	struct timeval soonest;
	bool timed; /* there is such a timer */
};

struct mqev_front {
	atomic_uint refs; /* the fleet's, the remotes', and of who is inside the loop */
	_Atomic(struct mqev_post *) inbox; /* the latest first */
	atomic_bool stop;		   /* the loop is asked to return */
	atomic_int background;		   /* enum mqev_background */
	atomic_int drive;		   /* enum mqev_drive */
	_Atomic(pthread_t) loop_thread;
	int wake_fd;

	/* The loop's thread only. */
	struct mqev_fleet *fleet; /* NULL when it is gone */
	struct event_base *base;
	struct event *wake_event;
	struct event *timer;	 /* the end of a wait */
	struct mqev_post *first; /* taken from the inbox, in order */
	struct mqev_post **last;
	struct mqev_watching *watching; /* for foreign loops */
	struct mqev_outlook outlook;	/* for them, too */
	struct mqev_job *job;		/* of a blocking call */
	int poller;			/* the descriptor of mqev_fleet_fd(), -1: not known yet */
	bool looping;			/* inside event_base_loop() */
	bool free_base;			/* when out of it */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* background */
	pthread_t thread;
	bool stopping; /* a stop that the loop has not answered yet */
	bool stop_flush;
	bool stop_for_good;  /* the fleet is freed next */
	uint64_t stop_at_ms; /* when flushing ends */
	bool flushed;	     /* how the last stop ended */
	struct mqev_remote *remotes;
};

/* The fleet's front, made when there is none yet; NULL when memory or descriptors run out. */
struct mqev_front *mqev_front_of(struct mqev_fleet *fleet);
void mqev_front_ref(struct mqev_front *front);
void mqev_front_unref(struct mqev_front *front);

/* Any thread that holds a reference: puts a post into the inbox and wakes the loop if need be. */
void mqev_front_post(struct mqev_front *front, struct mqev_post *post);
/* The loop's thread: runs what other threads handed over. */
void mqev_front_run_posts(struct mqev_front *front);
/* True when nothing of other threads waits. */
bool mqev_front_empty(struct mqev_front *front);

/* Initializes a condition whose waits are measured by the clock of mqev_port_now_ms(). */
bool mqev_cond_init(pthread_cond_t *cond);
/* Waits until signalled or until then; false when it is then. */
bool mqev_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t then_ms);

/* loop.c: says who drives the loop now, and tells those who wait. */
void mqev_front_set_drive(struct mqev_front *front, enum mqev_drive drive);
/* Runs the loop once; false: the fleet is gone, and the front may be used until it is given back.
 */
bool mqev_front_turn(struct mqev_front *front, int flags);
/* True when the loop has nothing to wait for but other threads. */
bool mqev_front_idle(struct mqev_front *front);
/* 0 when this thread may run the loop of a fleet with its own base now, else MQEV_ERR_STATE. */
int mqev_front_may_loop(struct mqev_front *front);
/* *front is the fleet's, with a reference, when this thread may run its loop: 0; MQEV_ERR_INVALID,
 * MQEV_ERR_STATE, MQEV_ERR_NOMEM. */
int mqev_front_begin(struct mqev_fleet *fleet, struct mqev_front **front);

/* background.c */
void mqev_background_end(struct mqev_front *front);

/* foreign.c */
void mqev_watching_free(struct mqev_front *front);

#endif
