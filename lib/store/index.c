/* What a store holds of clients that are not attached: their rows, and their records without
 * bytes. */
#include <string.h>

#include "core/mem.h"
#include "store/internal.h"

#define FIRST_BUCKETS 64
#define FIRST_RECORDS 16

/* --- two tables of the same clients ------------------------------------------------------------
 */

/* FNV-1a. */
static size_t
hash_name(const char *name)
{
	uint64_t hash = UINT64_C(0xCBF29CE484222325);

	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001B3);
	return (size_t)(hash ^ hash >> 32);
}

static void
link_client(struct mqev_index *index, struct mqev_index_client *client)
{
	struct mqev_index_client **by_name =
	    &index->by_name[hash_name(client->row.name) & (index->buckets - 1)];
	struct mqev_index_client **by_number =
	    &index->by_number[client->row.client & (index->buckets - 1)];

	client->next_by_name = *by_name;
	*by_name = client;
	client->next_by_number = *by_number;
	*by_number = client;
}

static void
relink_all(struct mqev_index *index, struct mqev_index_client **old, size_t old_buckets)
{
	for (size_t i = 0; i < old_buckets; i++) {
		for (struct mqev_index_client *c = old[i], *next; c != NULL; c = next) {
			next = c->next_by_number;
			link_client(index, c);
		}
	}
}

static bool
grow(struct mqev_index *index)
{
	size_t old_buckets = index->buckets;
	size_t buckets = old_buckets > 0 ? old_buckets * 2 : FIRST_BUCKETS;
	struct mqev_index_client **by_name =
	    mqev_calloc(buckets, sizeof(struct mqev_index_client *));
	struct mqev_index_client **by_number =
	    mqev_calloc(buckets, sizeof(struct mqev_index_client *));
	struct mqev_index_client **old_by_name = index->by_name;
	struct mqev_index_client **old_by_number = index->by_number;

	if (by_name == NULL || by_number == NULL) {
		mqev_free(by_name);
		mqev_free(by_number);
		return false;
	}
	index->by_name = by_name;
	index->by_number = by_number;
	index->buckets = buckets;
	relink_all(index, old_by_number, old_buckets);
	mqev_free(old_by_name);
	mqev_free(old_by_number);
	return true;
}

struct mqev_index_client *
mqev_index_find(const struct mqev_index *index, const char *name)
{
	struct mqev_index_client *client = NULL;

	if (index->buckets > 0)
		client = index->by_name[hash_name(name) & (index->buckets - 1)];
	while (client != NULL && strcmp(client->row.name, name) != 0)
		client = client->next_by_name;
	return client;
}

static struct mqev_index_client *
find_number(const struct mqev_index *index, uint32_t number)
{
	struct mqev_index_client *client = NULL;

	if (index->buckets > 0)
		client = index->by_number[number & (index->buckets - 1)];
	while (client != NULL && client->row.client != number)
		client = client->next_by_number;
	return client;
}

static void
free_client(struct mqev_index_client *client)
{
	mqev_free((void *)(uintptr_t)client->row.name);
	mqev_free((void *)(uintptr_t)client->row.client_id);
	mqev_free(client->kept.records);
	mqev_free(client);
}

static struct mqev_index_client *
new_client(const struct mqev_store_client *row)
{
	struct mqev_index_client *client = mqev_calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	client->row = *row;
	client->row.name = mqev_strdup(row->name);
	client->row.client_id = mqev_strdup(row->client_id);
	if (client->row.name != NULL && client->row.client_id != NULL)
		return client;
	free_client(client);
	return NULL;
}

/* The row is copied. */
static struct mqev_index_client *
insert(struct mqev_index *index, const struct mqev_store_client *row)
{
	struct mqev_index_client *client;

	if (index->count >= index->buckets && !grow(index))
		return NULL;
	client = new_client(row);
	if (client == NULL)
		return NULL;
	link_client(index, client);
	index->count++;
	if (row->client > index->last_number)
		index->last_number = row->client;
	return client;
}

struct mqev_index_client *
mqev_index_add(struct mqev_index *index, const char *name)
{
	if (index->last_number == UINT32_MAX)
		return NULL;
	return insert(index, &(struct mqev_store_client){
				 .client = index->last_number + 1, .name = name, .client_id = ""});
}

struct mqev_index_client *
mqev_index_add_row(struct mqev_index *index, const struct mqev_store_client *row)
{
	struct mqev_store_client numbered = *row;
	struct mqev_index_client *client;

	if (index->last_number == UINT32_MAX)
		return NULL;
	numbered.client = index->last_number + 1;
	client = insert(index, &numbered);
	if (client != NULL)
		client->attached = true;
	return client;
}

void
mqev_index_remove(struct mqev_index *index, struct mqev_index_client *client)
{
	struct mqev_index_client **at =
	    &index->by_name[hash_name(client->row.name) & (index->buckets - 1)];

	while (*at != client)
		at = &(*at)->next_by_name;
	*at = client->next_by_name;
	at = &index->by_number[client->row.client & (index->buckets - 1)];
	while (*at != client)
		at = &(*at)->next_by_number;
	*at = client->next_by_number;
	index->count--;
	free_client(client);
}

void
mqev_index_free(struct mqev_index *index)
{
	for (size_t i = 0; i < index->buckets; i++) {
		for (struct mqev_index_client *c = index->by_number[i], *next; c != NULL;
		     c = next) {
			next = c->next_by_number;
			free_client(c);
		}
	}
	mqev_free(index->by_name);
	mqev_free(index->by_number);
	*index = (struct mqev_index){0};
}

/* --- reading a back end ------------------------------------------------------------------------
 */

static int
load_seq(void *arg, uint64_t seq)
{
	struct mqev_index *index = arg;

	index->seq = seq;
	return 0;
}

static int
load_client(void *arg, const struct mqev_store_client *row)
{
	struct mqev_index *index = arg;

	if (row->client == 0 || find_number(index, row->client) != NULL ||
	    mqev_index_find(index, row->name) != NULL)
		return MQEV_ERR_STORE_DAMAGED;
	return insert(index, row) != NULL ? 0 : MQEV_ERR_NOMEM;
}

static bool
reserve_record(struct mqev_index_client *client)
{
	size_t capacity = client->capacity > 0 ? client->capacity * 2 : FIRST_RECORDS;
	struct mqev_record *records;

	if (client->kept.count < client->capacity)
		return true;
	records = mqev_realloc(client->kept.records, capacity * sizeof(*records));
	if (records == NULL)
		return false;
	client->kept.records = records;
	client->capacity = capacity;
	return true;
}

bool
mqev_index_note(struct mqev_index_client *client, const struct mqev_record *record)
{
	if (!reserve_record(client))
		return false;
	client->kept.records[client->kept.count] = *record;
	client->kept.records[client->kept.count++].bytes = NULL;
	return true;
}

static int
load_record(void *arg, const struct mqev_record *record)
{
	struct mqev_index *index = arg;
	struct mqev_index_client *client = find_number(index, record->client);

	/* A number that was used and would be given again is worse than a store that does not open.
	 */
	if (client == NULL || record->seq >= index->seq)
		return MQEV_ERR_STORE_DAMAGED;
	return mqev_index_note(client, record) ? 0 : MQEV_ERR_NOMEM;
}

int
mqev_index_load(struct mqev_index *index, const struct mqev_backend *backend, void *state)
{
	static const struct mqev_backend_visitor visitor = {load_seq, load_client, load_record};

	return backend->load(state, 0, &visitor, index);
}
