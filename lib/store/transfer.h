/*
 * One session on its way from the open store of one process to that of another: the steps that the
 * writer does, and what is claimed meanwhile. What the two processes say to one another is not
 * known here (client/handover.c).
 */
#ifndef MQEV_STORE_TRANSFER_H
#define MQEV_STORE_TRANSFER_H

#include "store/store.h"

struct mqev_index_client;

/* Read by the fleet when the job of a step is back; in between it is the writer's. */
struct mqev_transfer {
	struct mqev_job job; /* first */
	struct mqev_store *store;
	_Atomic(uint32_t) refs;
	_Atomic(int) stage; /* of the step that the writer was given */
	int (*step)(struct mqev_store *store, struct mqev_job *job);
	bool inside;			  /* the store is in use by it */
	struct mqev_index_client *client; /* claimed, of a session that is given; NULL: none */
	char *name;			  /* NULL: not known yet */
	uint8_t *data;			  /* the stream */
	size_t len;
	size_t capacity;
	size_t most;	 /* bytes of it */
	size_t at;	 /* how far it is looked through, or read */
	uint32_t tag;	 /* the number of this hand-over */
	uint32_t number; /* of the client */
	uint32_t messages;
	bool gone;    /* it is the other's already, who has not confirmed it */
	bool settled; /* what the other gave before is settled: nothing is to be done */
	bool owned;   /* the session is this store's */
};

/* The store is in use by it until it is let go. A session that is given is in use too. NULL and
 * *error: MQEV_ERR_NOMEM, MQEV_ERR_NOT_FOUND, MQEV_ERR_STORE_BUSY, or why the store has failed. */
struct mqev_transfer *
mqev_transfer_new_give(struct mqev_store *store, const char *name, size_t most, int *error);
struct mqev_transfer *mqev_transfer_new_take(struct mqev_store *store, size_t most, int *error);
/* The writer may still be at it: what is claimed is claimed until it is done. */
void mqev_transfer_unref(struct mqev_transfer *t);

/* What is given is free again for others, and the store not in use any more. Not while the writer
 * is at it. */
void mqev_transfer_let_go(struct mqev_transfer *t);

/* Room for so many more bytes; false: no memory. */
bool mqev_transfer_reserve(struct mqev_transfer *t, size_t len);

/* A transaction of these alone, durably; from a step only. After MQEV_ERR_STORE it is not known
 * whether it is there, after any other error it is not. */
int mqev_transfer_commit(
    struct mqev_store *store, const struct mqev_change *changes, size_t count);

/* Gives the step to the writer; t->job.done follows. False: no memory. */
typedef int mqev_transfer_step(struct mqev_store *store, struct mqev_job *job);
bool mqev_transfer_do(struct mqev_transfer *t, struct mqev_tape *tape, mqev_transfer_step *step);
/* True: the writer had not begun with the step, and will not; t->job.done follows all the same. */
bool mqev_transfer_call_off(struct mqev_transfer *t);

/* Giving: reads the session into data; MQEV_ERR_TOO_LARGE. */
mqev_transfer_step mqev_transfer_read;
/* It is the other's from now on, durably; its name stays until that is confirmed. */
mqev_transfer_step mqev_transfer_leave;
/* It is not known here any more. */
mqev_transfer_step mqev_transfer_forget;

/* Taking: more of the stream. 0; 1: that was all of it; MQEV_ERR_NOMEM, MQEV_ERR_TOO_LARGE,
 * MQEV_ERR_STORE_DAMAGED, MQEV_ERR_STORE_VERSION. */
int mqev_transfer_feed(struct mqev_transfer *t, const uint8_t *bytes, size_t len);
/* Keeps what came, durably, as still the other's; or settles what was given before. MQEV_ERR_STATE:
 * there is a client of that name, or a token of it. */
mqev_transfer_step mqev_transfer_keep;
/* It is this store's from now on, durably. */
mqev_transfer_step mqev_transfer_own;

#endif
