/*
 * The store between fleets and back end: tapes, on which the fleets' changes run to the one writer
 * thread and back. What a change means is the session's business, how it is kept the back end's.
 *
 * Three rules for threads. A tape and its journals belong to the thread of their fleet. A batch
 * belongs to the fleet until it is handed over, then to the writer, until it is back on the tape's
 * list. The index, the list of tapes and the count of references stand under the store's mutex, and
 * are touched when a store or tape is opened or closed, a client made or freed, and when the store
 * fails; never per message.
 */
#ifndef MQEV_STORE_STORE_H
#define MQEV_STORE_STORE_H

#include <mqev/store.h>

#include "core/journal.h"

struct mqev_store;
struct mqev_tape;
struct mqev_job;

/* --- tape.c: in the thread of the fleet --------------------------------------------------------
 */

/* What a tape calls: gathered and failed with the arg of mqev_tape_new(), the others with the owner
 * of a journal. But for gathered they are called by mqev_tape_collect() only, may append, attach
 * and detach, and may not free the tape. */
struct mqev_tape_events {
	/* The first change or load of a batch: mqev_tape_hand_over() is wanted before the loop
	 * sleeps. */
	void (*gathered)(void *arg);
	/* journal->durable has risen. Once per journal and batch, in the order of the batches. */
	void (*durable)(void *owner);
	/* The store had no room for a refusable PUT: nothing of what was appended with it happened.
	 * Called for each of those entries, with its record's seq, for the owner of the journal
	 * that the record is of; before durable() of that batch. */
	void (*refused)(void *owner, uint64_t seq, int error);
	/* What load() asked for; packed is lent. error: MQEV_ERR_NOT_FOUND, MQEV_ERR_NOMEM,
	 * MQEV_ERR_STORE_DAMAGED (this record's bytes), or why the store has failed. */
	void (*loaded)(void *owner, uint64_t seq, struct mqev_bytes packed, int error);
	/* The store has failed for good; journal->error is set in all journals. Once. */
	void (*failed)(void *arg, int error);
};

/* One per fleet and store; holds a reference to the store. NULL: no memory or descriptor. */
struct mqev_tape *
mqev_tape_new(struct mqev_store *store, const struct mqev_tape_events *events, void *arg);

/* An eventfd, readable when mqev_tape_collect() has something to do. */
int mqev_tape_fd(const struct mqev_tape *tape);

/* False: no memory, and the job was not let go. */
bool mqev_tape_do(struct mqev_tape *tape, struct mqev_job *job);

/* Gives what has gathered to the writer. Does not block; cannot fail. */
void mqev_tape_hand_over(struct mqev_tape *tape);

/* Takes back what the writer has done, and tells of it: to so many clients at most, so that a sync
 * that took long makes no long turn. When there is more the descriptor is readable again. */
void mqev_tape_collect(struct mqev_tape *tape);

/* No journal may be attached. What has gathered is handed over and still committed. NULL is
 * ignored.
 */
void mqev_tape_free(struct mqev_tape *tape);

/* What a store knows of a client when it is attached. */
struct mqev_kept {
	struct mqev_record *records; /* without bytes, by rising seq; to be freed by mqev_free() */
	size_t count;
};

/*
 * The journal of the client of that name, one at a time: its row is as it was kept, or new (then
 * client is a number that was never used and the row is appended with the first change). sync: each
 * of its changes is to survive a loss of power. NULL and *error: MQEV_ERR_NOMEM,
 * MQEV_ERR_STORE_BUSY (the name is in use), or why the store has failed.
 */
struct mqev_journal *mqev_tape_attach(struct mqev_tape *tape, const char *name, bool sync,
    void *owner, struct mqev_kept *kept, int *error);

/* The owner is not called any more. kept (from mqev_malloc(), taken over) is what is durable or
 * will be of this client's records, as attach will give it out again. NULL: there was no memory to
 * say so, and the name is in use until the store is opened anew. */
void mqev_tape_detach(struct mqev_journal *j, const struct mqev_kept *kept);

/* Also for an identifier that the server assigned: replaces row.client_id. False: no memory. */
bool mqev_journal_set_client_id(struct mqev_journal *j, const char *client_id);

/* --- batch.c: one turn's changes ---------------------------------------------------------------
 */

struct mqev_batch_change {
	struct mqev_change change;    /* points into the batch */
	struct mqev_journal *journal; /* whose record it is; the fleet's, not the writer's */
	uint32_t group; /* refused together: the changes of one append() have the same */
	bool refusable; /* it or another of its group is a PUT that may be refused */
	bool refused;	/* set by the writer, as is done */
	bool done;
};

struct mqev_batch_load {
	struct mqev_batch_load *next;
	struct mqev_journal *journal;
	uint64_t seq;
	uint8_t *bytes; /* the answer, by mqev_malloc() */
	size_t len;
	int error;
};

/* What is done by the writer in its turn, behind all that was handed over before: for what is rare.
 * It belongs to who made it and to the batch, which lets it go by release(), in either thread. */
struct mqev_job {
	/* In the writer's thread, outside of a transaction. MQEV_ERR_STORE is the store's end, any
	 * other error the job's. */
	int (*run)(struct mqev_store *store, struct mqev_job *job);
	/* In the fleet's thread, by mqev_tape_collect(); not when the tape is gone. */
	void (*done)(struct mqev_job *job);
	void (*release)(struct mqev_job *job);
	void *owner; /* the fleet's */
	int error;
};

struct mqev_batch_client; /* a journal that has changes in it */
struct mqev_chunk;

struct mqev_batch {
	struct mqev_batch *next; /* in the list that it stands in: to the writer, or back */
	struct mqev_tape *tape;
	uint64_t ticket;
	struct mqev_batch_change *changes;
	size_t count;
	size_t capacity;
	struct mqev_batch_load *loads; /* answered after the changes are committed */
	struct mqev_batch_load *last_load;
	struct mqev_batch_client *clients; /* in the order in which they came to it */
	struct mqev_batch_client *last_client;
	struct mqev_job *job;		  /* after the loads; NULL: none */
	struct mqev_batch_client *untold; /* once it is back: who has not heard of it yet */
	struct mqev_batch_load *unanswered;
	struct mqev_chunk *chunks; /* the memory of all of this but changes */
	uint64_t last_seq;	   /* the highest that a PUT in it has */
	bool sync;
	bool gathered; /* the tape's owner was told of it */
	bool settling; /* untold and unanswered are set */
	int error;     /* the store has failed */
};

/* --- writer.c: the writer thread ---------------------------------------------------------------
 */

/* Fleet to writer: a list that any thread may push to; a push to an empty one wakes the writer. */
void mqev_writer_push(struct mqev_store *store, struct mqev_batch *batch);

/* Starts the thread, with all signals blocked. MQEV_ERR_SYSTEM, MQEV_ERR_NOMEM. */
int mqev_writer_start(struct mqev_store *store);
/* Commits what was pushed before and ends the thread. */
void mqev_writer_stop(struct mqev_store *store);

/* --- index.c: what is kept of clients that are not attached ------------------------------------
 */

struct mqev_index;

/* Reads it all from the back end. */
int mqev_index_load(struct mqev_index *index, const struct mqev_backend *backend, void *state);

/* Whether another process opened it, of which this one is a child: then nobody here writes. */
bool mqev_store_is_foreign(const struct mqev_store *store);

#endif
