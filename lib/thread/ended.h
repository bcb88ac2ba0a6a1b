/* Which operations of a remote are unfinished, and how those that failed have ended. Knows no
 * locks. */
#ifndef MQEV_THREAD_ENDED_H
#define MQEV_THREAD_ENDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mqev_post;

/* So many failures are remembered. */
#define MQEV_ENDED_FAILURES 256

struct mqev_failure {
	uint64_t number;
	int error;
};

struct mqev_ended {
	uint64_t last;		  /* number given */
	struct mqev_post **slots; /* the unfinished, by number */
	size_t slot_count;	  /* a power of two; 0: none yet */
	size_t unfinished;
	struct mqev_failure *failures; /* a ring; NULL: none yet */
	size_t failure_count;
	size_t next_failure;
	uint64_t forgotten; /* up to this number a failure may have been forgotten */
};

/* Gives the post its number; false: no memory. */
bool mqev_ended_add(struct mqev_ended *e, struct mqev_post *post);
/* The post has ended: 0 or a negative error. */
void mqev_ended_set(struct mqev_ended *e, struct mqev_post *post, int error);
/* The unfinished one with that number; NULL: there is none. */
const struct mqev_post *mqev_ended_find(const struct mqev_ended *e, int64_t number);
/* 1: done; 0: not yet; negative: the error with which it ended; MQEV_ERR_NOT_FOUND: no such number,
 * or it ended so long ago that nobody knows how. */
int mqev_ended_ask(const struct mqev_ended *e, int64_t number);
void mqev_ended_free(struct mqev_ended *e);

#endif
