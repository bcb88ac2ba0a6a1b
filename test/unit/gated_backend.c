/* A back end that waits, fails and fills up when it is told to. */
#include "unit/gated_backend.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct fault {
	int error;
	int count;
};

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	void *state; /* of the back end in memory; kept while it is closed */
	bool closed;
	int let_through;
	bool arrived;
	struct fault append;
	struct fault commit;
	int room; /* -1: any number */
	int put;  /* in the transaction */
	int gone;
	int records;
	int commits;
	int synced;
} gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .room = -1};

static char found[256];
static int found_state;

static void
locked(void (*change)(int), int value)
{
	pthread_mutex_lock(&gate.mutex);
	change(value);
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.mutex);
}

static void
do_close(int value)
{
	gate.closed = true;
	gate.let_through = value;
	gate.arrived = false;
}

static void
do_let_through(int count)
{
	gate.let_through += count;
	gate.arrived = false;
}

static void
do_open(int value)
{
	(void)value;
	gate.closed = false;
}

static void
do_set_room(int records)
{
	gate.room = records;
}

void
gated_close_gate(void)
{
	locked(do_close, 0);
}

void
gated_let_through(int count)
{
	locked(do_let_through, count);
}

void
gated_open_gate(void)
{
	locked(do_open, 0);
}

void
gated_set_room(int records)
{
	locked(do_set_room, records);
}

void
gated_await_arrival(void)
{
	pthread_mutex_lock(&gate.mutex);
	while (!gate.arrived)
		pthread_cond_wait(&gate.changed, &gate.mutex);
	pthread_mutex_unlock(&gate.mutex);
}

static void
set_fault(struct fault *fault, int error, int count)
{
	pthread_mutex_lock(&gate.mutex);
	*fault = (struct fault){error, count};
	pthread_mutex_unlock(&gate.mutex);
}

void
gated_fail_append(int error, int count)
{
	set_fault(&gate.append, error, count);
}

void
gated_fail_commit(int error, int count)
{
	set_fault(&gate.commit, error, count);
}

static int
number_of(const int *counter)
{
	int value;

	pthread_mutex_lock(&gate.mutex);
	value = *counter;
	pthread_mutex_unlock(&gate.mutex);
	return value;
}

int
gated_commits(void)
{
	return number_of(&gate.commits);
}

int
gated_synced(void)
{
	return number_of(&gate.synced);
}

int
gated_records(void)
{
	return number_of(&gate.records);
}

/* --- the table ---------------------------------------------------------------------------------
 */

static int
strike(struct fault *fault)
{
	if (fault->count == 0)
		return 0;
	fault->count--;
	return fault->error;
}

static int
gated_open(const struct mqev_backend_options *options, void **state)
{
	if (gate.state == NULL)
		ck_assert_int_eq(mqev_backend_memory()->open(options, &gate.state), 0);
	*state = gate.state;
	return 0;
}

static int
gated_load(void *state, uint32_t client, const struct mqev_backend_visitor *visitor, void *arg)
{
	return mqev_backend_memory()->load(state, client, visitor, arg);
}

static int
gated_read(void *state, uint64_t seq, mqev_backend_bytes_cb *bytes, void *arg)
{
	int error;

	pthread_mutex_lock(&gate.mutex);
	error = mqev_backend_memory()->read(state, seq, bytes, arg);
	pthread_mutex_unlock(&gate.mutex);
	return error;
}

static int
append_one(void *state, const struct mqev_change *change)
{
	int error = strike(&gate.append);

	if (error != 0)
		return error;
	if (change->kind == MQEV_CHANGE_PUT && gate.room >= 0 &&
	    gate.records + gate.put >= gate.room)
		return MQEV_ERR_STORE_FULL;
	error = mqev_backend_memory()->append(state, change, 1);
	if (error == 0 && change->kind == MQEV_CHANGE_PUT)
		gate.put++;
	if (error == 0 && change->kind == MQEV_CHANGE_REMOVE)
		gate.gone++;
	return error;
}

static int
gated_append(void *state, const struct mqev_change *changes, size_t count)
{
	int error = 0;

	pthread_mutex_lock(&gate.mutex);
	for (size_t i = 0; i < count && error == 0; i++)
		error = append_one(state, &changes[i]);
	pthread_mutex_unlock(&gate.mutex);
	return error;
}

static void
wait_at_gate(void)
{
	while (gate.closed && gate.let_through == 0) {
		gate.arrived = true;
		pthread_cond_broadcast(&gate.changed);
		pthread_cond_wait(&gate.changed, &gate.mutex);
	}
	if (gate.closed)
		gate.let_through--;
}

static int
commit(void *state, bool sync)
{
	int error = strike(&gate.commit);

	if (error == 0)
		error = mqev_backend_memory()->commit(state, sync);
	if (error != 0)
		return error;
	gate.records += gate.put - gate.gone;
	gate.put = gate.gone = 0;
	gate.commits++;
	gate.synced += sync;
	return 0;
}

static int
gated_commit(void *state, bool sync)
{
	int error;

	pthread_mutex_lock(&gate.mutex);
	wait_at_gate();
	error = commit(state, sync);
	pthread_mutex_unlock(&gate.mutex);
	return error;
}

static void
gated_rollback(void *state)
{
	pthread_mutex_lock(&gate.mutex);
	gate.put = gate.gone = 0;
	mqev_backend_memory()->rollback(state);
	pthread_mutex_unlock(&gate.mutex);
}

static int
gated_compact(void *state)
{
	int error;

	pthread_mutex_lock(&gate.mutex);
	error = mqev_backend_memory()->compact(state);
	pthread_mutex_unlock(&gate.mutex);
	return error;
}

static const char *
gated_error_text(const void *state)
{
	(void)state;
	return "the test says so";
}

static void
gated_close(void *state)
{
	(void)state;
}

const struct mqev_backend *
gated_backend(void)
{
	static const struct mqev_backend gated = {
	    .size = sizeof(gated),
	    .name = "gated",
	    .open = gated_open,
	    .load = gated_load,
	    .read = gated_read,
	    .append = gated_append,
	    .commit = gated_commit,
	    .rollback = gated_rollback,
	    .compact = gated_compact,
	    .error_text = gated_error_text,
	    .close = gated_close,
	};

	return &gated;
}

void
gated_forget(void)
{
	mqev_backend_memory()->close(gate.state);
	gate.state = NULL;
	gate.records = 0;
}

/* --- what is kept ------------------------------------------------------------------------------
 */

static int
take_bytes(void *arg, const void *bytes, size_t len)
{
	(void)arg;
	snprintf(found, sizeof(found), "%.*s", (int)len, (const char *)bytes);
	return 0;
}

const char *
gated_bytes(uint64_t seq)
{
	found[0] = '\0';
	pthread_mutex_lock(&gate.mutex);
	(void)mqev_backend_memory()->read(gate.state, seq, take_bytes, NULL);
	pthread_mutex_unlock(&gate.mutex);
	return found;
}

static int
skip_seq(void *arg, uint64_t seq)
{
	(void)arg;
	(void)seq;
	return 0;
}

static int
skip_client(void *arg, const struct mqev_store_client *client)
{
	(void)arg;
	(void)client;
	return 0;
}

static int
look_at_record(void *arg, const struct mqev_record *record)
{
	if (record->seq == *(const uint64_t *)arg)
		found_state = record->state;
	return 0;
}

int
gated_state_of(uint64_t seq)
{
	static const struct mqev_backend_visitor visitor = {skip_seq, skip_client, look_at_record};

	found_state = 0;
	pthread_mutex_lock(&gate.mutex);
	ck_assert_int_eq(mqev_backend_memory()->load(gate.state, 0, &visitor, &seq), 0);
	pthread_mutex_unlock(&gate.mutex);
	return found_state;
}
