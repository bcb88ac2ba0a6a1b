/* What a store and its tapes are made of, for the files of this room; which thread may touch what
 * stands in store.h. */
#ifndef MQEV_STORE_INTERNAL_H
#define MQEV_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/store.h"

#define MQEV_STORE_TEXT 160

/* --- index.c ---------------------------------------------------------------------------------- */

/* A client of the store, in two tables: by name and by number. */
struct mqev_index_client {
	struct mqev_index_client *next_by_name;
	struct mqev_index_client *next_by_number;
	struct mqev_store_client row; /* name and client_id are its own; void while attached, but
					 for name and number */
	struct mqev_kept kept;
	size_t capacity; /* of kept, while it is loaded */
	bool attached;
};

struct mqev_index {
	struct mqev_index_client **by_name;
	struct mqev_index_client **by_number;
	size_t buckets; /* of each table; a power of two, or 0 */
	size_t count;
	uint32_t last_number;
	uint64_t seq; /* the first number that was never used; 0: the store is new */
};

void mqev_index_free(struct mqev_index *index);
/* NULL: there is none of that name. */
struct mqev_index_client *mqev_index_find(const struct mqev_index *index, const char *name);
/* A client with a number of its own; NULL: no memory, or no number is left. */
struct mqev_index_client *mqev_index_add(struct mqev_index *index, const char *name);
void mqev_index_remove(struct mqev_index *index, struct mqev_index_client *client);
/* A copy of the row, with a number of its own, in use; NULL as above. */
struct mqev_index_client *
mqev_index_add_row(struct mqev_index *index, const struct mqev_store_client *row);
/* Makes it know of one more record; false: no memory. */
bool mqev_index_note(struct mqev_index_client *client, const struct mqev_record *record);
/* Nobody has it, and it is this store's. */
static inline bool
mqev_index_is_free(const struct mqev_index_client *client)
{
	return !client->attached &&
	       (client->row.flags & (MQEV_STORE_CLIENT_INCOMING | MQEV_STORE_CLIENT_GONE)) == 0;
}

/* --- the store -------------------------------------------------------------------------------- */

/* Numbers that came with a session of another store, and are none of ours. */
struct mqev_passed {
	uint64_t first;
	uint64_t last;
};

/* What the writer's thread has to itself. */
struct mqev_writer_state {
	struct mqev_batch *first; /* not yet returned, in the order in which they came */
	struct mqev_batch *last;
	uint64_t seq_limit; /* the first number that the back end would not know to be used */
	uint8_t *sealed;    /* room for the bytes of one record */
	size_t sealed_size;
	struct mqev_passed *passed; /* rising */
	size_t passed_count;
	size_t passed_capacity;
	bool stuck; /* what stands in line has found no room */
};

struct mqev_store {
	const struct mqev_backend *backend;
	void *state; /* the back end's; the writer's as soon as there is one */
	struct mqev_cipher cipher;
	pthread_mutex_t mutex;
	struct mqev_index index; /* these four under the mutex */
	struct mqev_tape *tapes;
	uint32_t refs; /* the application's and the tapes' */
	uint32_t attached;
	uint64_t first_seq; /* the first that was given out since it was opened */
	_Atomic(uint64_t) next_seq;
	_Atomic(int) error;
	char error_text[MQEV_STORE_TEXT]; /* written before error is */
	_Atomic(struct mqev_batch *) pushed;
	_Atomic(bool) stopping;
	int wake;    /* the writer waits for it */
	int process; /* that has the writer and the file */
	pthread_t thread;
	struct mqev_writer_state writer;
};

void mqev_store_lock(struct mqev_store *store);
void mqev_store_unlock(struct mqev_store *store);
/* Frees it when that was the last reference; it is closed then. */
void mqev_store_unref(struct mqev_store *store);
/* Whether there is a cipher. */
bool mqev_store_seals(const struct mqev_store *store);

/* --- tapes ------------------------------------------------------------------------------------ */

struct mqev_tape {
	struct mqev_store *store;
	const struct mqev_tape_events *events;
	void *arg;
	struct mqev_tape *next; /* in the store's list, under its mutex */
	struct mqev_batch *open;
	struct mqev_batch *pool;    /* empty ones for later */
	struct mqev_batch *arrived; /* back, and not all was told of them; first first */
	struct mqev_batch *last_arrived;
	struct mqev_tape_journal *journals;
	uint64_t next_ticket;
	uint64_t collected; /* the last ticket that came back */
	uint32_t group;
	bool told_failure;
	int fd;
	_Atomic(struct mqev_batch *) returned; /* last first */
	_Atomic(uint32_t) refs;		       /* the fleet's, and one for each batch handed over */
};

/* The batch that gathers, made when there is none; NULL: no memory. */
struct mqev_batch *mqev_tape_open_batch(struct mqev_tape *tape);
/* To be called after something was added to the open batch. */
void mqev_tape_gathered(struct mqev_tape *tape);

/* The writer is done with the batch; the tape may be gone after it. */
void mqev_tape_return(struct mqev_batch *batch);

/* --- tape_journal.c --------------------------------------------------------------------------- */

struct mqev_tape_journal {
	struct mqev_journal base;
	struct mqev_tape *tape;
	void *owner;			/* NULL: detached */
	struct mqev_tape_journal *next; /* on the tape, while attached */
	struct mqev_tape_journal **at;
	struct mqev_index_client *client;
	struct mqev_batch *noted; /* the open batch, when it holds something of this journal */
	uint32_t refs; /* of its being attached, and one for each batch that has something of it */
	bool sync;
	bool row_is_new; /* not appended yet */
};

void mqev_tape_journal_unref(struct mqev_tape_journal *journal);
/* The store has failed: nothing can be appended any more. */
void mqev_tape_journal_fail(struct mqev_tape_journal *journal, int error);

/* --- batch.c ---------------------------------------------------------------------------------- */

struct mqev_batch_client {
	struct mqev_batch_client *next;
	struct mqev_tape_journal *journal;
};

struct mqev_chunk;

struct mqev_batch *mqev_batch_new(void);
/* Makes it as good as new; what it took for one turn is given back if it was much. */
void mqev_batch_clear(struct mqev_batch *batch);
void mqev_batch_free(struct mqev_batch *batch);
bool mqev_batch_is_empty(const struct mqev_batch *batch);

/* Memory that goes with the batch, aligned for any struct; NULL: there is none. */
void *mqev_batch_room(struct mqev_batch *batch, size_t size);
/* Room for count more changes behind those that are there. */
bool mqev_batch_reserve(struct mqev_batch *batch, size_t count);
/* The journal hears of the batch's end. */
bool mqev_batch_note(struct mqev_batch *batch, struct mqev_tape_journal *journal);

/* --- writer.c --------------------------------------------------------------------------------- */

/* Appends one change to the transaction, its bytes sealed. */
int mqev_writer_append(struct mqev_store *store, const struct mqev_batch_change *change);
/* With a transaction that puts records up to last_seq: makes the numbers known to be used. */
int mqev_writer_keep_seq(struct mqev_store *store, uint64_t last_seq);
/* That transaction was committed. */
void mqev_writer_seq_kept(struct mqev_store *store, uint64_t last_seq);

/* --- writer_full.c ---------------------------------------------------------------------------- */

/*
 * A transaction of all that stands in line found no room (error is MQEV_ERR_STORE_FULL or
 * MQEV_ERR_NOMEM) and was given up: does what can be done, marks what is done or refused, and
 * leaves the rest where it is. Another error is the store's end.
 */
int mqev_writer_make_do(struct mqev_store *store, int error);

#endif
