/* Opening and closing a store. Its threads and tapes have files of their own. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "port/port.h"
#include "store/internal.h"

void
mqev_store_lock(struct mqev_store *store)
{
	pthread_mutex_lock(&store->mutex);
}

void
mqev_store_unlock(struct mqev_store *store)
{
	pthread_mutex_unlock(&store->mutex);
}

bool
mqev_store_seals(const struct mqev_store *store)
{
	return store->cipher.seal != NULL;
}

void
mqev_store_unref(struct mqev_store *store)
{
	bool last;

	mqev_store_lock(store);
	last = --store->refs == 0;
	mqev_store_unlock(store);
	if (!last)
		return;
	pthread_mutex_destroy(&store->mutex);
	mqev_free(store);
}

/* --- opening -----------------------------------------------------------------------------------
 */

static bool
options_valid(const struct mqev_store_options *o)
{
	const struct mqev_cipher *cipher = o->cipher;

	if (o->size != sizeof(*o) || (o->error_text == NULL && o->error_text_size > 0))
		return false;
	return cipher == NULL ||
	       (cipher->size == sizeof(*cipher) && cipher->seal != NULL && cipher->open != NULL);
}

static void
say_why(const struct mqev_store_options *options, const char *text)
{
	if (options->error_text_size > 0)
		snprintf(options->error_text, options->error_text_size, "%s", text);
}

static struct mqev_store *
new_store(const struct mqev_backend *backend, const struct mqev_store_options *options)
{
	struct mqev_store *store = mqev_calloc(1, sizeof(*store));

	if (store == NULL)
		return NULL;
	if (pthread_mutex_init(&store->mutex, NULL) != 0) {
		mqev_free(store);
		return NULL;
	}
	store->backend = backend;
	store->refs = 1;
	store->wake = -1;
	store->process = mqev_port_process();
	if (options->cipher != NULL)
		store->cipher = *options->cipher;
	return store;
}

static int
open_backend(struct mqev_store *store, const char *path, const struct mqev_store_options *options)
{
	const struct mqev_backend_options o = {
	    .size = sizeof(o),
	    .path = path,
	    .max_bytes = options->max_bytes,
	    .extra = options->backend_extra,
	};

	return store->backend->open(&o, &store->state);
}

/* A store that is new begins where no older one can have come to. */
static void
begin_numbers(struct mqev_store *store)
{
	uint64_t seq = store->index.seq;

	store->writer.seq_limit = seq;
	if (seq == 0)
		seq = (uint64_t)mqev_port_wall_us();
	store->first_seq = seq;
	atomic_store(&store->next_seq, seq);
}

static int
start(struct mqev_store *store, const char *path, const struct mqev_store_options *options)
{
	int error = open_backend(store, path, options);

	if (error == 0)
		error = mqev_index_load(&store->index, store->backend, store->state);
	if (error != 0)
		return error;
	begin_numbers(store);
	return mqev_writer_start(store);
}

static void
give_up(struct mqev_store *store)
{
	store->backend->close(store->state);
	mqev_index_free(&store->index);
	if (store->wake >= 0)
		close(store->wake);
	mqev_store_unref(store);
}

static int
open_store(const struct mqev_backend *backend, const char *path,
    const struct mqev_store_options *options, struct mqev_store **store)
{
	int error;

	*store = new_store(backend, options);
	if (*store == NULL)
		return MQEV_ERR_NOMEM;
	error = start(*store, path, options);
	if (error == 0)
		return 0;
	say_why(options, (*store)->state != NULL ? backend->error_text((*store)->state)
						 : mqev_error_text(error));
	give_up(*store);
	*store = NULL;
	return error;
}

struct mqev_store *
mqev_store_open(const struct mqev_backend *backend, const char *path,
    const struct mqev_store_options *options, int *error)
{
	static const struct mqev_store_options defaults = {.size = sizeof(defaults)};
	struct mqev_store *store = NULL;
	int result = MQEV_ERR_INVALID;

	if (options == NULL)
		options = &defaults;
	if (backend != NULL && backend->size == sizeof(*backend) && options_valid(options))
		result = open_store(backend, path, options, &store);
	if (error != NULL)
		*error = result;
	return store;
}

/* --- closing -----------------------------------------------------------------------------------
 */

static bool
in_use(struct mqev_store *store)
{
	bool used;

	mqev_store_lock(store);
	used = store->attached > 0;
	mqev_store_unlock(store);
	return used;
}

bool
mqev_store_is_foreign(const struct mqev_store *store)
{
	return store->process != mqev_port_process();
}

/* There is no writer to end, the lock may be held by threads that are not here, and the file and
 * what the back end knows of it are the other process's. Who was forked has no use for the memory.
 */
static void
leave(struct mqev_store *store)
{
	if (store->wake >= 0)
		close(store->wake);
	store->wake = -1;
}

int
mqev_store_close(struct mqev_store *store)
{
	int error;

	if (store == NULL)
		return 0;
	if (mqev_store_is_foreign(store)) {
		leave(store);
		return 0;
	}
	if (in_use(store))
		return MQEV_ERR_STATE;
	mqev_writer_stop(store);
	error = atomic_load(&store->error);
	give_up(store);
	return error;
}

int
mqev_store_error(const struct mqev_store *store)
{
	return atomic_load(&store->error);
}

const char *
mqev_store_error_text(const struct mqev_store *store)
{
	return atomic_load(&store->error) != 0 ? store->error_text : "";
}
