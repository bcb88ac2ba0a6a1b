/* The writer's thread: commits what fleets handed over, as much at once as has gathered, and
 * answers their loads. What it does when there is no room: writer_full.c. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "port/port.h"
#include "store/internal.h"

/* How far the number that the back end knows runs ahead of those that are given out. */
#define SEQ_STEP UINT64_C(1048576)
#define RETRY_MS 1000

/* --- what stands in line -----------------------------------------------------------------------
 */

void
mqev_writer_push(struct mqev_store *store, struct mqev_batch *batch)
{
	struct mqev_batch *head = atomic_load(&store->pushed);

	do {
		batch->next = head;
	} while (!atomic_compare_exchange_weak(&store->pushed, &head, batch));
	if (head == NULL)
		mqev_port_wake(store->wake);
}

/* The list has the last first: turned round it goes behind what waits already. */
static void
take_pushed(struct mqev_store *store)
{
	struct mqev_writer_state *w = &store->writer;
	struct mqev_batch *batch = atomic_exchange(&store->pushed, NULL);
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
	*(w->first != NULL ? &w->last->next : &w->first) = first;
	w->last = last;
}

static struct mqev_batch *
take_first(struct mqev_writer_state *w)
{
	struct mqev_batch *batch = w->first;

	w->first = batch->next;
	return batch;
}

/* --- loads -------------------------------------------------------------------------------------
 */

struct answer {
	struct mqev_store *store;
	struct mqev_batch_load *load;
};

static int
open_sealed(const struct answer *a, const void *bytes, size_t len)
{
	const struct mqev_cipher *cipher = &a->store->cipher;
	struct mqev_batch_load *load = a->load;

	if (cipher->open(cipher->arg, load->seq, bytes, len, load->bytes, &load->len) == 0)
		return 0;
	load->error = MQEV_ERR_STORE_DAMAGED;
	return 0;
}

/* Memory that runs out is this load's matter alone. */
static int
take_bytes(void *arg, const void *bytes, size_t len)
{
	const struct answer *a = arg;
	struct mqev_batch_load *load = a->load;
	bool seals = mqev_store_seals(a->store);

	load->bytes = mqev_malloc(seals ? len + a->store->cipher.overhead : len);
	if (load->bytes == NULL) {
		load->error = MQEV_ERR_NOMEM;
		return 0;
	}
	if (seals)
		return open_sealed(a, bytes, len);
	memcpy(load->bytes, bytes, len);
	load->len = len;
	return 0;
}

static bool
load_failed_alone(int error)
{
	return error == MQEV_ERR_NOT_FOUND || error == MQEV_ERR_NOMEM ||
	       error == MQEV_ERR_STORE_DAMAGED;
}

static int
answer_loads(struct mqev_store *store, const struct mqev_batch *batch)
{
	for (struct mqev_batch_load *load = batch->loads; load != NULL; load = load->next) {
		struct answer a = {store, load};
		int error = store->backend->read(store->state, load->seq, take_bytes, &a);

		if (error != 0)
			load->error = error;
		if (error != 0 && !load_failed_alone(error))
			return error;
	}
	return 0;
}

/* --- transactions ------------------------------------------------------------------------------
 */

static bool
reserve_sealed(struct mqev_writer_state *w, size_t size)
{
	uint8_t *room;

	if (size <= w->sealed_size)
		return true;
	room = mqev_realloc(w->sealed, size);
	if (room == NULL)
		return false;
	w->sealed = room;
	w->sealed_size = size;
	return true;
}

static int
append_sealed(struct mqev_store *store, const struct mqev_change *change)
{
	const struct mqev_cipher *cipher = &store->cipher;
	struct mqev_record record = *change->record;
	struct mqev_change sealed = {change->kind, &record, NULL};

	if (!reserve_sealed(&store->writer, record.bytes_len + cipher->overhead))
		return MQEV_ERR_NOMEM;
	if (cipher->seal(cipher->arg, record.seq, record.bytes, record.bytes_len,
		store->writer.sealed, &record.bytes_len) != 0)
		return MQEV_ERR_STORE;
	record.bytes = store->writer.sealed;
	return store->backend->append(store->state, &sealed, 1);
}

int
mqev_writer_append(struct mqev_store *store, const struct mqev_batch_change *c)
{
	if (c->change.kind == MQEV_CHANGE_PUT && mqev_store_seals(store))
		return append_sealed(store, &c->change);
	return store->backend->append(store->state, &c->change, 1);
}

/* No number that was given out may be given out again after a crash. */
int
mqev_writer_keep_seq(struct mqev_store *store, uint64_t last_seq)
{
	struct mqev_record limit = {.seq = last_seq + SEQ_STEP};
	struct mqev_change change = {MQEV_CHANGE_SEQ, &limit, NULL};

	if (last_seq < store->writer.seq_limit)
		return 0;
	return store->backend->append(store->state, &change, 1);
}

/* Its transaction was committed. */
void
mqev_writer_seq_kept(struct mqev_store *store, uint64_t last_seq)
{
	if (last_seq >= store->writer.seq_limit)
		store->writer.seq_limit = last_seq + SEQ_STEP;
}

static int
append_batch(struct mqev_store *store, const struct mqev_batch *batch, size_t *appended)
{
	int error = 0;

	for (size_t i = 0; i < batch->count && error == 0; i++) {
		if (batch->changes[i].done || batch->changes[i].refused)
			continue;
		error = mqev_writer_append(store, &batch->changes[i]);
		++*appended;
	}
	return error;
}

static void
mark_all_done(struct mqev_batch *batch)
{
	for (; batch != NULL; batch = batch->next) {
		for (size_t i = 0; i < batch->count; i++)
			batch->changes[i].done = !batch->changes[i].refused;
	}
}

/* All that stands in line, in one transaction. */
static int
commit_all(struct mqev_store *store)
{
	const struct mqev_backend *backend = store->backend;
	uint64_t last_seq = 0;
	size_t appended = 0;
	bool sync = false;
	int error = 0;

	for (const struct mqev_batch *b = store->writer.first; b != NULL && error == 0;
	     b = b->next) {
		error = append_batch(store, b, &appended);
		sync |= b->sync;
		last_seq = b->last_seq > last_seq ? b->last_seq : last_seq;
	}
	if (appended == 0)
		return 0;
	if (error == 0)
		error = mqev_writer_keep_seq(store, last_seq);
	if (error == 0)
		error = backend->commit(store->state, sync);
	if (error != 0) {
		backend->rollback(store->state);
		return error;
	}
	mqev_writer_seq_kept(store, last_seq);
	mark_all_done(store->writer.first);
	return 0;
}

/* --- ends --------------------------------------------------------------------------------------
 */

static bool
finished(const struct mqev_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		if (!batch->changes[i].done && !batch->changes[i].refused)
			return false;
	}
	return true;
}

static void
wake_tapes(struct mqev_store *store)
{
	mqev_store_lock(store);
	for (const struct mqev_tape *t = store->tapes; t != NULL; t = t->next)
		mqev_port_wake(t->fd);
	mqev_store_unlock(store);
}

/* Whatever was not committed is lost to this process, and everybody is told so. */
static void
fail(struct mqev_store *store, int error)
{
	snprintf(store->error_text, sizeof(store->error_text), "%s",
	    store->backend->error_text(store->state));
	atomic_store(&store->error, error);
	wake_tapes(store);
}

static void
return_failed(struct mqev_store *store, int error)
{
	while (store->writer.first != NULL) {
		struct mqev_batch *batch = take_first(&store->writer);

		batch->error = error;
		mqev_tape_return(batch);
	}
	store->writer.stuck = false;
}

static int
run_job(struct mqev_store *store, struct mqev_job *job)
{
	if (job == NULL)
		return 0;
	job->error = job->run(store, job);
	return job->error == MQEV_ERR_STORE ? job->error : 0;
}

/* In the order in which they came: one that is not finished holds all later ones back. */
static int
return_finished(struct mqev_store *store)
{
	struct mqev_writer_state *w = &store->writer;

	while (w->first != NULL && finished(w->first)) {
		int error = answer_loads(store, w->first);

		if (error == 0)
			error = run_job(store, w->first->job);
		if (error != 0)
			return error;
		mqev_tape_return(take_first(w));
	}
	w->stuck = w->first != NULL;
	return 0;
}

static bool
for_want_of_room(int error)
{
	return error == MQEV_ERR_STORE_FULL || error == MQEV_ERR_NOMEM;
}

static int
compact(struct mqev_store *store)
{
	int error = store->backend->compact(store->state);

	return for_want_of_room(error) ? 0 : error;
}

static int
work_off(struct mqev_store *store)
{
	int error = commit_all(store);

	if (for_want_of_room(error))
		error = mqev_writer_make_do(store, error);
	if (error == 0)
		error = return_finished(store);
	return error == 0 ? compact(store) : error;
}

static void
work(struct mqev_store *store)
{
	int error = atomic_load(&store->error);

	if (error == 0) {
		error = work_off(store);
		if (error != 0)
			fail(store, error);
	}
	if (error != 0)
		return_failed(store, error);
}

/* --- the thread --------------------------------------------------------------------------------
 */

static void
wait_for_work(const struct mqev_store *store)
{
	struct pollfd wake = {.fd = store->wake, .events = POLLIN};

	(void)poll(&wake, 1, store->writer.stuck ? RETRY_MS : -1);
	mqev_port_wake_clear(store->wake);
}

static void *
run(void *arg)
{
	struct mqev_store *store = arg;
	bool stopping;

	do {
		/* What was pushed before the end was asked for is seen by the look after this one.
		 */
		stopping = atomic_load(&store->stopping);
		take_pushed(store);
		if (store->writer.first != NULL)
			work(store);
		else if (!stopping)
			wait_for_work(store);
		if (store->writer.stuck && !stopping)
			wait_for_work(store);
	} while (!stopping);
	/* What found no room was promised to nobody. */
	return_failed(store, MQEV_ERR_STORE_FULL);
	return NULL;
}

static int
start_with_signals_blocked(struct mqev_store *store)
{
	sigset_t all;
	sigset_t before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&store->thread, NULL, run, store);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error == 0 ? 0 : MQEV_ERR_SYSTEM;
}

int
mqev_writer_start(struct mqev_store *store)
{
	store->wake = mqev_port_wake_new();
	return store->wake >= 0 ? start_with_signals_blocked(store) : MQEV_ERR_SYSTEM;
}

void
mqev_writer_stop(struct mqev_store *store)
{
	atomic_store(&store->stopping, true);
	mqev_port_wake(store->wake);
	pthread_join(store->thread, NULL);
	mqev_free(store->writer.sealed);
	mqev_free(store->writer.passed);
}
