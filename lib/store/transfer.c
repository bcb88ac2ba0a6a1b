/* Sessions on their way between processes: what both sides claim, and the steps of the one that
 * gives. Those of the one that takes: transfer_take.c. */
#include "store/transfer.h"

#include <string.h>

#include "core/mem.h"
#include "store/internal.h"
#include "store/stream.h"

#define FIRST_CAPACITY 4096

enum stage { WAITS, BEGUN, CALLED_OFF };

/* --- its life ----------------------------------------------------------------------------------
 */

static void
release(struct mqev_job *job)
{
	mqev_transfer_unref((struct mqev_transfer *)job);
}

static struct mqev_transfer *
new_transfer(struct mqev_store *store, size_t most)
{
	struct mqev_transfer *t = mqev_calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	atomic_init(&t->refs, 1);
	t->store = store;
	t->most = most;
	t->job.release = release;
	return t;
}

/* Under the mutex, as is what follows. */
static int
claim(struct mqev_transfer *t, const char *name)
{
	struct mqev_index_client *client = mqev_index_find(&t->store->index, name);

	if (client == NULL)
		return MQEV_ERR_NOT_FOUND;
	if (client->attached || (client->row.flags & MQEV_STORE_CLIENT_INCOMING) != 0)
		return MQEV_ERR_STORE_BUSY;
	client->attached = true;
	t->client = client;
	t->number = client->row.client;
	t->owned = (client->row.flags & MQEV_STORE_CLIENT_GONE) == 0;
	return 0;
}

static int
enter(struct mqev_transfer *t, const char *name)
{
	int error = atomic_load(&t->store->error);

	if (error == 0 && name != NULL)
		error = claim(t, name);
	if (error != 0)
		return error;
	t->store->attached++;
	t->inside = true;
	return 0;
}

static struct mqev_transfer *
begin(struct mqev_transfer *t, const char *name, int *error)
{
	struct mqev_store *store = t->store;

	mqev_store_lock(store);
	*error = enter(t, name);
	mqev_store_unlock(store);
	if (*error == 0)
		return t;
	mqev_free(t->name);
	mqev_free(t);
	return NULL;
}

struct mqev_transfer *
mqev_transfer_new_give(struct mqev_store *store, const char *name, size_t most, int *error)
{
	struct mqev_transfer *t = new_transfer(store, most);

	*error = MQEV_ERR_NOMEM;
	if (t == NULL)
		return NULL;
	t->name = mqev_strdup(name);
	if (t->name == NULL) {
		mqev_free(t);
		return NULL;
	}
	/* One that was used by nothing else, so that an older try is told from this one. */
	t->tag = (uint32_t)atomic_fetch_add(&store->next_seq, 1) & 0xFFFFFF;
	return begin(t, name, error);
}

struct mqev_transfer *
mqev_transfer_new_take(struct mqev_store *store, size_t most, int *error)
{
	struct mqev_transfer *t = new_transfer(store, most);

	*error = MQEV_ERR_NOMEM;
	return t != NULL ? begin(t, NULL, error) : NULL;
}

void
mqev_transfer_let_go(struct mqev_transfer *t)
{
	if (!t->inside)
		return;
	mqev_store_lock(t->store);
	if (t->client != NULL)
		t->client->attached = false;
	t->client = NULL;
	t->store->attached--;
	t->inside = false;
	mqev_store_unlock(t->store);
}

void
mqev_transfer_unref(struct mqev_transfer *t)
{
	if (atomic_fetch_sub(&t->refs, 1) > 1)
		return;
	mqev_transfer_let_go(t);
	mqev_free(t->name);
	mqev_free(t->data);
	mqev_free(t);
}

static bool
move_on(struct mqev_transfer *t, int stage)
{
	int waits = WAITS;

	return atomic_compare_exchange_strong(&t->stage, &waits, stage);
}

static int
run_step(struct mqev_store *store, struct mqev_job *job)
{
	struct mqev_transfer *t = (struct mqev_transfer *)job;

	return move_on(t, BEGUN) ? t->step(store, job) : MQEV_ERR_CANCELED;
}

bool
mqev_transfer_call_off(struct mqev_transfer *t)
{
	return move_on(t, CALLED_OFF);
}

bool
mqev_transfer_do(struct mqev_transfer *t, struct mqev_tape *tape, mqev_transfer_step *step)
{
	t->job.run = run_step;
	t->step = step;
	atomic_store(&t->stage, WAITS);
	atomic_fetch_add(&t->refs, 1);
	if (mqev_tape_do(tape, &t->job))
		return true;
	atomic_fetch_sub(&t->refs, 1);
	return false;
}

int
mqev_transfer_commit(struct mqev_store *store, const struct mqev_change *changes, size_t count)
{
	int error = store->backend->append(store->state, changes, count);

	if (error == 0)
		error = store->backend->commit(store->state, true);
	if (error != 0)
		store->backend->rollback(store->state);
	return error;
}

/* --- reading -----------------------------------------------------------------------------------
 */

bool
mqev_transfer_reserve(struct mqev_transfer *t, size_t len)
{
	size_t capacity = t->capacity > 0 ? t->capacity : FIRST_CAPACITY;
	uint8_t *grown;

	while (capacity - t->len < len)
		capacity *= 2;
	if (capacity == t->capacity)
		return true;
	grown = mqev_realloc(t->data, capacity);
	if (grown == NULL)
		return false;
	t->data = grown;
	t->capacity = capacity;
	return true;
}

/* What is wrong is told apart afterwards. */
static int
take_piece(void *arg, const void *data, size_t len)
{
	struct mqev_transfer *t = arg;

	if (len > t->most || t->len > t->most - len) {
		t->job.error = MQEV_ERR_TOO_LARGE;
		return -1;
	}
	if (!mqev_transfer_reserve(t, len)) {
		t->job.error = MQEV_ERR_NOMEM;
		return -1;
	}
	memcpy(t->data + t->len, data, len);
	t->len += len;
	return 0;
}

int
mqev_transfer_read(struct mqev_store *store, struct mqev_job *job)
{
	struct mqev_transfer *t = (struct mqev_transfer *)job;
	struct mqev_session_export session = {.backend = store->backend,
	    .state = store->state,
	    .name = t->name,
	    .mark = t->tag << MQEV_STREAM_TAG_SHIFT,
	    .write = take_piece,
	    .arg = t};
	int error;

	job->error = 0;
	error = mqev_export_session(&session);
	t->messages = session.messages;
	t->gone = (session.flags & MQEV_STORE_CLIENT_GONE) != 0;
	t->owned = !t->gone;
	return job->error != 0 ? job->error : error;
}

/* --- leaving -----------------------------------------------------------------------------------
 */

/* Whether that is durable is not known after an error that is final, so nobody goes on with it. */
int
mqev_transfer_leave(struct mqev_store *store, struct mqev_job *job)
{
	struct mqev_transfer *t = (struct mqev_transfer *)job;
	struct mqev_index_client *client = t->client;
	struct mqev_store_client row = client->row;
	const struct mqev_change changes[] = {{.kind = MQEV_CHANGE_FORGET, .client = &row},
	    {.kind = MQEV_CHANGE_CLIENT, .client = &row}};
	int error;

	row.flags = (row.flags & MQEV_STREAM_SESSION_FLAGS) | MQEV_STORE_CLIENT_GONE |
		    t->tag << MQEV_STREAM_TAG_SHIFT;
	error = mqev_transfer_commit(store, changes, 2);
	t->owned = error != 0 && error != MQEV_ERR_STORE;
	if (error != 0)
		return error;
	mqev_store_lock(store);
	client->row.flags = row.flags;
	mqev_free(client->kept.records);
	client->kept = (struct mqev_kept){0};
	mqev_store_unlock(store);
	return 0;
}

int
mqev_transfer_forget(struct mqev_store *store, struct mqev_job *job)
{
	struct mqev_transfer *t = (struct mqev_transfer *)job;
	const struct mqev_store_client row = {.client = t->number};
	const struct mqev_change change = {.kind = MQEV_CHANGE_FORGET, .client = &row};
	int error = mqev_transfer_commit(store, &change, 1);

	if (error != 0)
		return error;
	mqev_store_lock(store);
	mqev_index_remove(&store->index, t->client);
	t->client = NULL;
	mqev_store_unlock(store);
	return 0;
}
