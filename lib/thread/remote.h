/* A client as other threads see it: what they ask for, by numbers, and how it ended. */
#ifndef MQEV_THREAD_REMOTE_H
#define MQEV_THREAD_REMOTE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include <mqev/thread.h>

#include "client/part.h"
#include "core/budget.h"
#include "thread/ended.h"

struct mqev_front;
struct mqev_post;
struct mqev_remote;

/* For a submit function: it is none of the client's operations, and not over yet. */
#define MQEV_POST_GOES_ON INT64_MAX

/* What a post asks for. */
struct mqev_post_kind {
	/* In the loop's thread: calls the library. Positive, the client's number of the operation
	 * or MQEV_POST_GOES_ON: a completion follows, by mqev_post_done() or
	 * mqev_post_complete(). 0 or an error: that is how it ended. */
	int64_t (*submit)(struct mqev_client *c, struct mqev_post *post);
	/* The post was never submitted, for the client is gone: gives back what the caller lent. */
	void (*drop)(struct mqev_post *post);
	void (*free_body)(struct mqev_post *post);
};

/* One call of another thread, from that call to its completion. */
struct mqev_post {
	struct mqev_post *next;	     /* in the inbox and the queue behind it */
	struct mqev_post *same_slot; /* in the table of the unfinished */
	struct mqev_remote *remote;  /* a reference */
	const struct mqev_post_kind *kind;
	uint64_t number;
	int64_t op; /* what submit() returned, the loop's thread only; 0: not submitted */
	mqev_result_cb *done;
	void *arg;
	size_t bytes; /* for the limit, until it is submitted */
	bool limited; /* counts against it */
};

struct mqev_remote {
	struct mqev_part part; /* the loop's thread only */
	atomic_uint refs;      /* the client's, the application's, and one of each post */
	struct mqev_front *front;
	struct mqev_client *client; /* the loop's thread only; NULL when it is gone */
	struct mqev_remote *next;   /* in the front, under its lock */
	struct mqev_remote **at;

	pthread_mutex_t lock;
	pthread_cond_t ended; /* an operation, or the loop */
	bool closed;	      /* the client is gone */
	unsigned waiters;
	struct mqev_load waiting; /* posts that are not submitted yet, of those that are limited */
	struct mqev_load max;	  /* of those */
	struct mqev_ended ops;
};

/* Any thread. The post gets its number and is the remote's from now on. The number;
 * MQEV_ERR_CANCELED: the client is gone; MQEV_ERR_QUEUE_FULL. On an error the post is freed, and
 * what it was lent is the caller's. */
int64_t mqev_remote_post(struct mqev_remote *remote, struct mqev_post *post);

/* --- the loop's thread --- */
void mqev_post_run(struct mqev_post *post);
/* A completion of the library; arg is the post. */
void mqev_post_done(struct mqev_client *c, const struct mqev_result *result, void *arg);
/* The same of what has nothing but an error or 0. */
void mqev_post_complete(struct mqev_client *c, struct mqev_post *post, int error);
/* The client's number of an operation that is under way. MQEV_ERR_NOT_FOUND: there is none, or it
 * is over; MQEV_ERR_STATE: it is none of the client's operations. */
int64_t mqev_remote_op(struct mqev_remote *remote, int64_t number);

/* The client goes: from now on nothing is posted. */
void mqev_remote_close(struct mqev_remote *remote);
/* Completes posts of a client that goes, with MQEV_ERR_CANCELED. */
void mqev_remote_finish_all(struct mqev_client *c, struct mqev_post *posts);
/* The process was forked. */
void mqev_remote_renew_lock(struct mqev_remote *remote);
/* The front's lock is held: those who wait look again. */
void mqev_remote_wake_waiters(struct mqev_remote *remote);

#endif
