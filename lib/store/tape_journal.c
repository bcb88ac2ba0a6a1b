/* What a client puts on its fleet's tape: changes and loads, and its coming and going. The way to
 * the writer: tape.c. */
#include <string.h>

#include "core/mem.h"
#include "port/port.h"
#include "store/internal.h"

static struct mqev_tape_journal *
journal_of(struct mqev_journal *j)
{
	return (struct mqev_tape_journal *)j;
}

/* --- changes -----------------------------------------------------------------------------------
 */

/* Room in the batch for a record and, of a PUT, its bytes. */
static struct mqev_record *
copy_record(struct mqev_batch *batch, const struct mqev_entry *entry)
{
	size_t len = entry->kind == MQEV_CHANGE_PUT ? mqev_packed_size(entry) : 0;
	struct mqev_record *record = mqev_batch_room(batch, sizeof(*record) + len);
	uint8_t *bytes;

	if (record == NULL)
		return NULL;
	*record = entry->record;
	record->bytes = NULL;
	record->bytes_len = 0;
	if (len == 0)
		return record;
	bytes = (uint8_t *)(record + 1);
	mqev_pack(entry, bytes);
	record->bytes = bytes;
	record->bytes_len = len;
	return record;
}

static char *
copy_text(struct mqev_batch *batch, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = mqev_batch_room(batch, size);

	if (copy != NULL)
		memcpy(copy, text, size);
	return copy;
}

static struct mqev_store_client *
copy_row(struct mqev_batch *batch, const struct mqev_tape_journal *journal)
{
	struct mqev_store_client *row = mqev_batch_room(batch, sizeof(*row));

	if (row == NULL)
		return NULL;
	*row = journal->base.row;
	row->name = copy_text(batch, row->name);
	row->client_id = copy_text(batch, row->client_id);
	return row->name != NULL && row->client_id != NULL ? row : NULL;
}

/* A number is used up even when the change is not made after all. */
static void
number(struct mqev_tape_journal *journal, struct mqev_entry *entry, int64_t now_ms)
{
	struct mqev_record *record = &entry->record;

	if (entry->kind != MQEV_CHANGE_PUT)
		return;
	record->seq = atomic_fetch_add(&journal->tape->store->next_seq, 1);
	record->client = journal->base.row.client;
	record->epoch = journal->base.row.epoch;
	record->created_ms = now_ms;
}

static bool
add_change(struct mqev_batch *batch, struct mqev_tape_journal *journal, struct mqev_entry *entry)
{
	struct mqev_batch_change *c = &batch->changes[batch->count];

	*c = (struct mqev_batch_change){.journal = &journal->base, .group = journal->tape->group};
	c->change.kind = entry->kind;
	if (entry->kind == MQEV_CHANGE_CLIENT)
		c->change.client = copy_row(batch, journal);
	else
		c->change.record = copy_record(batch, entry);
	if (c->change.client == NULL && c->change.record == NULL)
		return false;
	batch->count++;
	return true;
}

static struct mqev_tape_journal *
owner_of(struct mqev_tape_journal *journal, const struct mqev_entry *entry)
{
	return entry->of != NULL ? journal_of(entry->of) : journal;
}

static bool
add_entry(struct mqev_batch *batch, struct mqev_tape_journal *journal, struct mqev_entry *entry,
    int64_t now_ms)
{
	struct mqev_tape_journal *owner = owner_of(journal, entry);

	number(owner, entry, now_ms);
	if (!mqev_batch_note(batch, owner) || !add_change(batch, owner, entry))
		return false;
	batch->sync |= owner->sync;
	if (entry->kind == MQEV_CHANGE_PUT)
		batch->last_seq = entry->record.seq;
	return true;
}

static bool
any_refusable(const struct mqev_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (entries[i].refusable)
			return true;
	}
	return false;
}

/* All entries, or none. */
static bool
add_group(struct mqev_batch *batch, struct mqev_tape_journal *journal, struct mqev_entry *entries,
    size_t count)
{
	size_t before = batch->count;
	bool refusable = any_refusable(entries, count);
	int64_t now_ms = mqev_port_wall_us() / 1000;

	if (!mqev_batch_reserve(batch, count))
		return false;
	journal->tape->group++;
	for (size_t i = 0; i < count; i++) {
		if (!add_entry(batch, journal, &entries[i], now_ms)) {
			batch->count = before;
			return false;
		}
		batch->changes[batch->count - 1].refusable = refusable;
	}
	return true;
}

/* The row of a client that the store does not know goes first, and alone. */
static bool
introduce(struct mqev_batch *batch, struct mqev_tape_journal *journal)
{
	struct mqev_entry row = {.kind = MQEV_CHANGE_CLIENT};

	if (!journal->row_is_new)
		return true;
	if (!add_group(batch, journal, &row, 1))
		return false;
	journal->row_is_new = false;
	return true;
}

static bool
introduce_all(struct mqev_batch *batch, struct mqev_tape_journal *journal,
    const struct mqev_entry *entries, size_t count)
{
	if (!introduce(batch, journal))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!introduce(batch, owner_of(journal, &entries[i])))
			return false;
	}
	return true;
}

static uint64_t
append(struct mqev_journal *j, struct mqev_entry *entries, size_t count)
{
	struct mqev_tape_journal *journal = journal_of(j);
	struct mqev_tape *tape = journal->tape;
	struct mqev_batch *batch;
	bool added;

	if (j->error != 0)
		return 0;
	batch = mqev_tape_open_batch(tape);
	if (batch == NULL)
		return 0;
	added = introduce_all(batch, journal, entries, count) &&
		add_group(batch, journal, entries, count);
	if (!mqev_batch_is_empty(batch))
		mqev_tape_gathered(tape);
	return added ? batch->ticket : 0;
}

static bool
load(struct mqev_journal *j, uint64_t seq)
{
	struct mqev_tape_journal *journal = journal_of(j);
	struct mqev_batch *batch;
	struct mqev_batch_load *load;

	if (j->error != 0)
		return false;
	batch = mqev_tape_open_batch(journal->tape);
	if (batch == NULL || !mqev_batch_note(batch, journal))
		return false;
	load = mqev_batch_room(batch, sizeof(*load));
	if (load == NULL)
		return false;
	*load = (struct mqev_batch_load){.journal = j, .seq = seq};
	*(batch->last_load != NULL ? &batch->last_load->next : &batch->loads) = load;
	batch->last_load = load;
	mqev_tape_gathered(journal->tape);
	return true;
}

static const struct mqev_journal_methods methods = {append, load};

/* --- coming and going --------------------------------------------------------------------------
 */

void
mqev_tape_journal_unref(struct mqev_tape_journal *journal)
{
	if (--journal->refs > 0)
		return;
	mqev_free((void *)(uintptr_t)journal->base.row.client_id);
	mqev_free(journal);
}

void
mqev_tape_journal_fail(struct mqev_tape_journal *journal, int error)
{
	journal->base.error = error;
}

static void
join_tape(struct mqev_tape *tape, struct mqev_tape_journal *journal)
{
	journal->next = tape->journals;
	journal->at = &tape->journals;
	if (journal->next != NULL)
		journal->next->at = &journal->next;
	tape->journals = journal;
}

static void
leave_tape(struct mqev_tape_journal *journal)
{
	*journal->at = journal->next;
	if (journal->next != NULL)
		journal->next->at = journal->at;
}

/* Takes the client out of the index, or makes it; under the mutex. */
static int
claim(struct mqev_store *store, const char *name, struct mqev_tape_journal *journal)
{
	int error = atomic_load(&store->error);
	struct mqev_index_client *client = mqev_index_find(&store->index, name);

	if (error != 0)
		return error;
	if (client != NULL && !mqev_index_is_free(client))
		return MQEV_ERR_STORE_BUSY;
	journal->row_is_new = client == NULL;
	if (client == NULL)
		client = mqev_index_add(&store->index, name);
	if (client == NULL)
		return MQEV_ERR_NOMEM;
	client->attached = true;
	store->attached++;
	journal->client = client;
	return 0;
}

static void
take_kept(struct mqev_tape_journal *journal, struct mqev_kept *kept)
{
	journal->base.row = journal->client->row;
	journal->client->row.client_id = NULL;
	*kept = journal->client->kept;
	journal->client->kept = (struct mqev_kept){0};
	journal->client->capacity = 0;
}

struct mqev_journal *
mqev_tape_attach(struct mqev_tape *tape, const char *name, bool sync, void *owner,
    struct mqev_kept *kept, int *error)
{
	struct mqev_tape_journal *journal = mqev_calloc(1, sizeof(*journal));

	if (journal == NULL) {
		*error = MQEV_ERR_NOMEM;
		return NULL;
	}
	mqev_store_lock(tape->store);
	*error = claim(tape->store, name, journal);
	if (*error == 0)
		take_kept(journal, kept);
	mqev_store_unlock(tape->store);
	if (*error != 0) {
		mqev_free(journal);
		return NULL;
	}
	journal->base.methods = &methods;
	journal->base.durable = tape->collected;
	journal->tape = tape;
	journal->owner = owner;
	journal->sync = sync;
	journal->refs = 1;
	join_tape(tape, journal);
	return &journal->base;
}

/* Back into the index, where a client of another fleet may find it at once. */
static void
give_back(struct mqev_tape_journal *journal, const struct mqev_kept *kept)
{
	struct mqev_store *store = journal->tape->store;
	struct mqev_index_client *client = journal->client;

	mqev_store_lock(store);
	client->attached = kept == NULL;
	store->attached--;
	client->row = journal->base.row;
	if (kept != NULL)
		client->kept = *kept;
	if (journal->row_is_new)
		mqev_index_remove(&store->index, client);
	mqev_store_unlock(store);
	journal->base.row.client_id = NULL;
	journal->client = NULL;
}

void
mqev_tape_detach(struct mqev_journal *j, const struct mqev_kept *kept)
{
	struct mqev_tape_journal *journal = journal_of(j);

	/* What another fleet's client of the same name changes must come after it. */
	if (journal->noted != NULL)
		mqev_tape_hand_over(journal->tape);
	give_back(journal, kept);
	journal->owner = NULL;
	leave_tape(journal);
	mqev_tape_journal_unref(journal);
}

bool
mqev_journal_set_client_id(struct mqev_journal *j, const char *client_id)
{
	char *copy = mqev_strdup(client_id);

	if (copy == NULL)
		return false;
	mqev_free((void *)(uintptr_t)j->row.client_id);
	j->row.client_id = copy;
	return true;
}
