/* One turn's changes of a fleet, with the memory that they stand in. What they mean is not known
 * here. */
#include "core/mem.h"
#include "store/internal.h"

#include <stdalign.h>
#include <string.h>

#define CHUNK_SIZE 16384
/* A batch that had to grow beyond this gives its room back. */
#define KEEP_CHANGES 4096

struct mqev_chunk {
	struct mqev_chunk *next;
	size_t size;
	size_t used;
	alignas(max_align_t) uint8_t data[];
};

struct mqev_batch *
mqev_batch_new(void)
{
	return mqev_calloc(1, sizeof(struct mqev_batch));
}

bool
mqev_batch_is_empty(const struct mqev_batch *batch)
{
	return batch->count == 0 && batch->loads == NULL && batch->job == NULL;
}

static void
free_chunks(struct mqev_chunk *chunk)
{
	while (chunk != NULL) {
		struct mqev_chunk *next = chunk->next;

		mqev_free(chunk);
		chunk = next;
	}
}

static void
forget_clients(struct mqev_batch *batch)
{
	for (struct mqev_batch_client *c = batch->clients; c != NULL; c = c->next)
		mqev_tape_journal_unref(c->journal);
	batch->clients = NULL;
}

static void
forget_loads(struct mqev_batch *batch)
{
	for (struct mqev_batch_load *load = batch->loads; load != NULL; load = load->next)
		mqev_free(load->bytes);
	batch->loads = NULL;
	batch->last_load = NULL;
}

static void
let_go_of_job(struct mqev_batch *batch)
{
	if (batch->job != NULL)
		batch->job->release(batch->job);
	batch->job = NULL;
}

/* The first chunk that was taken stays, unless it was made for one large message. */
static void
keep_one_chunk(struct mqev_batch *batch)
{
	struct mqev_chunk *chunk = batch->chunks;

	if (chunk == NULL)
		return;
	if (chunk->size > CHUNK_SIZE) {
		free_chunks(chunk);
		batch->chunks = NULL;
		return;
	}
	free_chunks(chunk->next);
	chunk->next = NULL;
	chunk->used = 0;
}

void
mqev_batch_clear(struct mqev_batch *batch)
{
	struct mqev_batch_change *changes = batch->changes;
	size_t capacity = batch->capacity;
	struct mqev_chunk *chunks;

	forget_clients(batch);
	forget_loads(batch);
	let_go_of_job(batch);
	keep_one_chunk(batch);
	chunks = batch->chunks;
	if (capacity > KEEP_CHANGES) {
		mqev_free(changes);
		changes = NULL;
		capacity = 0;
	}
	*batch = (struct mqev_batch){.changes = changes, .capacity = capacity, .chunks = chunks};
}

void
mqev_batch_free(struct mqev_batch *batch)
{
	if (batch == NULL)
		return;
	forget_clients(batch);
	forget_loads(batch);
	let_go_of_job(batch);
	free_chunks(batch->chunks);
	mqev_free(batch->changes);
	mqev_free(batch);
}

static struct mqev_chunk *
new_chunk(size_t size)
{
	size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
	struct mqev_chunk *chunk = NULL;

	if (room <= SIZE_MAX - sizeof(*chunk))
		chunk = mqev_malloc(sizeof(*chunk) + room);
	if (chunk == NULL)
		return NULL;
	chunk->size = room;
	chunk->used = 0;
	return chunk;
}

void *
mqev_batch_room(struct mqev_batch *batch, size_t size)
{
	const size_t step = alignof(max_align_t);
	struct mqev_chunk *chunk = batch->chunks;
	void *room;

	if (size > SIZE_MAX - step)
		return NULL;
	size = (size + step - 1) / step * step;
	if (chunk == NULL || size > chunk->size - chunk->used) {
		chunk = new_chunk(size);
		if (chunk == NULL)
			return NULL;
		chunk->next = batch->chunks;
		batch->chunks = chunk;
	}
	room = chunk->data + chunk->used;
	chunk->used += size;
	return room;
}

bool
mqev_batch_reserve(struct mqev_batch *batch, size_t count)
{
	size_t capacity = batch->capacity > 0 ? batch->capacity : 16;
	struct mqev_batch_change *changes;

	if (count <= batch->capacity - batch->count)
		return true;
	while (capacity - batch->count < count) {
		if (capacity > SIZE_MAX / 2 / sizeof(*changes))
			return false;
		capacity *= 2;
	}
	changes = mqev_realloc(batch->changes, capacity * sizeof(*changes));
	if (changes == NULL)
		return false;
	batch->changes = changes;
	batch->capacity = capacity;
	return true;
}

bool
mqev_batch_note(struct mqev_batch *batch, struct mqev_tape_journal *journal)
{
	struct mqev_batch_client *client;

	if (journal->noted == batch)
		return true;
	client = mqev_batch_room(batch, sizeof(*client));
	if (client == NULL)
		return false;
	*client = (struct mqev_batch_client){.journal = journal};
	*(batch->last_client != NULL ? &batch->last_client->next : &batch->clients) = client;
	batch->last_client = client;
	journal->noted = batch;
	journal->refs++;
	return true;
}
