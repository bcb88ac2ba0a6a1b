/* A fleet's half of a store: the batch that gathers, giving it to the writer, taking it back. What
 * goes into it: tape_journal.c. */
#include <unistd.h>

#include "core/mem.h"
#include "port/port.h"
#include "store/internal.h"

#define POOLED 4
/* Clients and loads that are told of in one turn. What follows from each may be the sending of all
 * its window. */
#define TOLD_AT_ONCE 64

/* --- its life ----------------------------------------------------------------------------------
 */

static struct mqev_tape *
new_tape(struct mqev_store *store, const struct mqev_tape_events *events, void *arg)
{
	struct mqev_tape *tape = mqev_calloc(1, sizeof(*tape));

	if (tape == NULL)
		return NULL;
	tape->fd = mqev_port_wake_new();
	if (tape->fd < 0) {
		mqev_free(tape);
		return NULL;
	}
	tape->store = store;
	tape->events = events;
	tape->arg = arg;
	tape->next_ticket = 1;
	atomic_init(&tape->returned, NULL);
	atomic_init(&tape->refs, 1);
	return tape;
}

struct mqev_tape *
mqev_tape_new(struct mqev_store *store, const struct mqev_tape_events *events, void *arg)
{
	struct mqev_tape *tape = new_tape(store, events, arg);

	if (tape == NULL)
		return NULL;
	mqev_store_lock(store);
	tape->next = store->tapes;
	store->tapes = tape;
	store->refs++;
	mqev_store_unlock(store);
	return tape;
}

static void
free_batches(struct mqev_batch *batch)
{
	while (batch != NULL) {
		struct mqev_batch *next = batch->next;

		mqev_batch_free(batch);
		batch = next;
	}
}

static void
unref_tape(struct mqev_tape *tape)
{
	if (atomic_fetch_sub(&tape->refs, 1) > 1)
		return;
	free_batches(atomic_load(&tape->returned));
	close(tape->fd);
	mqev_free(tape);
}

static void
leave_store(struct mqev_tape *tape)
{
	struct mqev_tape **at = &tape->store->tapes;

	mqev_store_lock(tape->store);
	while (*at != tape)
		at = &(*at)->next;
	*at = tape->next;
	mqev_store_unlock(tape->store);
	mqev_store_unref(tape->store);
}

void
mqev_tape_free(struct mqev_tape *tape)
{
	if (tape == NULL)
		return;
	mqev_tape_hand_over(tape);
	mqev_batch_free(tape->open);
	tape->open = NULL;
	free_batches(tape->pool);
	tape->pool = NULL;
	free_batches(tape->arrived);
	tape->arrived = NULL;
	leave_store(tape);
	unref_tape(tape);
}

int
mqev_tape_fd(const struct mqev_tape *tape)
{
	return tape->fd;
}

/* --- there -------------------------------------------------------------------------------------
 */

struct mqev_batch *
mqev_tape_open_batch(struct mqev_tape *tape)
{
	struct mqev_batch *batch = tape->open != NULL ? tape->open : tape->pool;

	if (tape->open != NULL)
		return batch;
	if (batch != NULL)
		tape->pool = batch->next;
	else
		batch = mqev_batch_new();
	if (batch == NULL)
		return NULL;
	batch->next = NULL;
	batch->tape = tape;
	batch->ticket = tape->next_ticket;
	tape->open = batch;
	return batch;
}

void
mqev_tape_gathered(struct mqev_tape *tape)
{
	if (tape->open->gathered)
		return;
	tape->open->gathered = true;
	tape->events->gathered(tape->arg);
}

bool
mqev_tape_do(struct mqev_tape *tape, struct mqev_job *job)
{
	struct mqev_batch *batch;

	if (tape->open != NULL && tape->open->job != NULL)
		mqev_tape_hand_over(tape);
	batch = mqev_tape_open_batch(tape);
	if (batch == NULL)
		return false;
	batch->job = job;
	mqev_tape_gathered(tape);
	return true;
}

void
mqev_tape_hand_over(struct mqev_tape *tape)
{
	struct mqev_batch *batch = tape->open;

	if (batch == NULL || mqev_batch_is_empty(batch))
		return;
	for (struct mqev_batch_client *c = batch->clients; c != NULL; c = c->next)
		c->journal->noted = NULL;
	tape->open = NULL;
	tape->next_ticket++;
	atomic_fetch_add(&tape->refs, 1);
	mqev_writer_push(tape->store, batch);
}

/* --- and back ----------------------------------------------------------------------------------
 */

void
mqev_tape_return(struct mqev_batch *batch)
{
	struct mqev_tape *tape = batch->tape;
	struct mqev_batch *head = atomic_load(&tape->returned);

	do {
		batch->next = head;
	} while (!atomic_compare_exchange_weak(&tape->returned, &head, batch));
	if (head == NULL)
		mqev_port_wake(tape->fd);
	unref_tape(tape);
}

/* The list has the last first: turned round it goes behind what has arrived already. */
static void
take_returned(struct mqev_tape *tape)
{
	struct mqev_batch *batch = atomic_exchange(&tape->returned, NULL);
	struct mqev_batch *first = NULL;
	struct mqev_batch *last = batch;

	while (batch != NULL) {
		struct mqev_batch *next = batch->next;

		batch->next = first;
		first = batch;
		batch = next;
	}
	if (first == NULL)
		return;
	*(tape->arrived != NULL ? &tape->last_arrived->next : &tape->arrived) = first;
	tape->last_arrived = last;
}

static void
tell_refused(const struct mqev_tape *tape, const struct mqev_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		const struct mqev_batch_change *c = &batch->changes[i];
		const struct mqev_tape_journal *journal = (struct mqev_tape_journal *)c->journal;

		if (c->refused && journal->owner != NULL)
			tape->events->refused(
			    journal->owner, c->change.record->seq, MQEV_ERR_STORE_FULL);
	}
}

static void
tell_durable(const struct mqev_tape *tape, struct mqev_batch *batch, int *budget)
{
	while (batch->untold != NULL && *budget > 0) {
		struct mqev_tape_journal *journal = batch->untold->journal;

		batch->untold = batch->untold->next;
		--*budget;
		journal->base.durable = batch->ticket;
		if (journal->owner != NULL)
			tape->events->durable(journal->owner);
	}
}

static void
tell_loaded(const struct mqev_tape *tape, struct mqev_batch *batch, int *budget)
{
	while (batch->unanswered != NULL && *budget > 0) {
		const struct mqev_batch_load *load = batch->unanswered;
		const struct mqev_tape_journal *journal = (struct mqev_tape_journal *)load->journal;
		struct mqev_bytes packed = {load->bytes, load->len};

		batch->unanswered = load->next;
		--*budget;
		if (journal->owner != NULL)
			tape->events->loaded(journal->owner, load->seq, packed,
			    batch->error != 0 ? batch->error : load->error);
	}
}

static void
tell_job(const struct mqev_batch *batch)
{
	struct mqev_job *job = batch->job;

	if (job == NULL)
		return;
	if (batch->error != 0)
		job->error = batch->error;
	job->done(job);
}

/* Once, also when no batch of this tape was with the writer. */
static void
tell_failure(struct mqev_tape *tape, int error)
{
	if (tape->told_failure)
		return;
	tape->told_failure = true;
	for (struct mqev_tape_journal *j = tape->journals; j != NULL; j = j->next)
		mqev_tape_journal_fail(j, error);
	tape->events->failed(tape->arg, error);
}

static void
begin_to_settle(struct mqev_tape *tape, struct mqev_batch *batch)
{
	batch->settling = true;
	batch->unanswered = batch->loads;
	if (batch->error != 0) {
		tell_failure(tape, batch->error);
		return;
	}
	batch->untold = batch->clients;
	tape->collected = batch->ticket;
	tell_refused(tape, batch);
}

/* False: there is more to tell. */
static bool
settle(struct mqev_tape *tape, struct mqev_batch *batch, int *budget)
{
	if (!batch->settling)
		begin_to_settle(tape, batch);
	tell_durable(tape, batch, budget);
	if (batch->untold == NULL)
		tell_loaded(tape, batch, budget);
	if (batch->untold != NULL || batch->unanswered != NULL)
		return false;
	tell_job(batch);
	return true;
}

static void
recycle(struct mqev_tape *tape, struct mqev_batch *batch)
{
	size_t pooled = 0;

	mqev_batch_clear(batch);
	for (const struct mqev_batch *b = tape->pool; b != NULL; b = b->next)
		pooled++;
	if (pooled >= POOLED) {
		mqev_batch_free(batch);
		return;
	}
	batch->next = tape->pool;
	tape->pool = batch;
}

/* Batch by batch; false: for this time it is enough. */
static bool
settle_arrived(struct mqev_tape *tape)
{
	int budget = TOLD_AT_ONCE;

	while (tape->arrived != NULL) {
		struct mqev_batch *batch = tape->arrived;

		if (!settle(tape, batch, &budget))
			return false;
		tape->arrived = batch->next;
		recycle(tape, batch);
	}
	return true;
}

void
mqev_tape_collect(struct mqev_tape *tape)
{
	int error;

	/* Before looking: what comes from now on wakes again. */
	mqev_port_wake_clear(tape->fd);
	error = atomic_load(&tape->store->error);
	take_returned(tape);
	if (!settle_arrived(tape))
		mqev_port_wake(tape->fd);
	else if (error != 0)
		tell_failure(tape, error);
}
