/* The table of subscriptions and its fate at SUBACK and at a new session. Who gets a message:
 * dispatch.c. */
#include "client/subscriptions.h"

#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "core/encode.h"
#include "core/mem.h"
#include "core/topic.h"
#include "core/topic_tree.h"
#include "port/port.h"

/* SUBSCRIBEs of a replay stay under this, and under the server's Maximum Packet Size. */
#define BATCH_BYTES 16384
#define BATCH_OVERHEAD 16

/* --- entries -----------------------------------------------------------------------------------
 */

void
mqev_entry_unref(struct mqev_entry *entry)
{
	if (--entry->refs == 0)
		mqev_free(entry);
}

struct mqev_entry *
mqev_entry_new(struct mqev_bytes filter)
{
	struct mqev_entry *entry = mqev_malloc(sizeof(*entry) + filter.len);

	if (entry == NULL)
		return NULL;
	memset(entry, 0, sizeof(*entry));
	entry->refs = 1;
	entry->state = MQEV_ENTRY_RESERVED;
	entry->filter_len = (uint16_t)filter.len;
	memcpy(entry->filter, filter.data, filter.len);
	return entry;
}

static struct mqev_bytes
filter_of(const struct mqev_entry *entry)
{
	return (struct mqev_bytes){entry->filter, entry->filter_len};
}

static struct mqev_entry *
find(const struct mqev_client *c, struct mqev_bytes filter)
{
	void **slot =
	    c->subscriptions != NULL ? mqev_topic_tree_get(c->subscriptions->tree, filter) : NULL;

	return slot != NULL ? *slot : NULL;
}

static void
set_callback(struct mqev_subscriptions *s, struct mqev_entry *entry, mqev_message_cb *on_message)
{
	if (entry->on_message != NULL)
		s->callbacks--;
	entry->on_message = on_message;
	if (on_message != NULL)
		s->callbacks++;
}

/* --- the table ---------------------------------------------------------------------------------
 */

struct mqev_subscriptions *
mqev_subscriptions_of(struct mqev_client *c)
{
	struct mqev_subscriptions *s = c->subscriptions;

	if (s != NULL)
		return s;
	s = mqev_calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->tree = mqev_topic_tree_new();
	if (s->tree == NULL) {
		mqev_free(s);
		return NULL;
	}
	c->subscriptions = s;
	return s;
}

bool
mqev_subscriptions_reserve(struct mqev_client *c, struct mqev_bytes filter)
{
	struct mqev_subscriptions *s = mqev_subscriptions_of(c);
	void **slot = s != NULL ? mqev_topic_tree_put(s->tree, filter) : NULL;

	if (slot == NULL)
		return false;
	if (*slot != NULL)
		return true;
	*slot = mqev_entry_new(filter);
	if (*slot != NULL)
		return true;
	mqev_topic_tree_remove(s->tree, filter);
	return false;
}

void
mqev_subscriptions_remove(struct mqev_client *c, struct mqev_bytes filter)
{
	struct mqev_entry *entry = find(c, filter);

	if (entry == NULL)
		return;
	set_callback(c->subscriptions, entry, NULL);
	entry->removed = true;
	mqev_topic_tree_remove(c->subscriptions->tree, filter);
	mqev_entry_unref(entry);
}

void
mqev_subscriptions_unreserve(struct mqev_client *c, struct mqev_bytes filter)
{
	struct mqev_entry *entry = find(c, filter);

	if (entry != NULL && entry->state == MQEV_ENTRY_RESERVED)
		mqev_subscriptions_remove(c, filter);
}

void
mqev_subscriptions_set(struct mqev_client *c, const struct mqev_subscription *subscription,
    uint8_t options, uint64_t number, uint32_t subscription_id)
{
	struct mqev_bytes filter = {
	    (const uint8_t *)subscription->filter, strlen(subscription->filter)};
	struct mqev_entry *entry = find(c, filter);

	set_callback(c->subscriptions, entry, subscription->on_message);
	entry->userdata = subscription->userdata;
	entry->options = options;
	entry->number = number;
	entry->subscription_id = subscription_id;
	entry->state = MQEV_ENTRY_PENDING;
}

static bool
free_entry(void *value, void *arg)
{
	(void)arg;
	mqev_entry_unref(value);
	return true;
}

void
mqev_subscriptions_free(struct mqev_client *c)
{
	struct mqev_subscriptions *s = c->subscriptions;

	if (s == NULL)
		return;
	c->subscriptions = NULL;
	mqev_topic_tree_each(s->tree, free_entry, NULL);
	mqev_topic_tree_free(s->tree);
	if (s->filters != NULL)
		mqev_topic_tree_each(s->filters, free_entry, NULL);
	mqev_topic_tree_free(s->filters);
	mqev_free(s);
}

/* --- SUBACK ------------------------------------------------------------------------------------
 */

static bool
was_refused(const struct mqev_op_end *end, size_t i)
{
	return end->codes.len > i ? end->codes.data[i] >= 0x80 : end->error != 0;
}

static void
answer(struct mqev_client *c, struct mqev_bytes filter, uint64_t number, bool refused)
{
	struct mqev_entry *entry = find(c, filter);

	/* A later subscription to the same filter waits for its own answer. */
	if (entry == NULL || entry->number != number)
		return;
	if (refused)
		mqev_subscriptions_remove(c, filter);
	else
		entry->state = MQEV_ENTRY_ACTIVE;
}

void
mqev_subscriptions_answered(
    struct mqev_client *c, const struct mqev_op *op, const struct mqev_op_end *end)
{
	struct mqev_reader r;

	mqev_reader_init(&r, op->payload, op->payload_len);
	for (size_t i = 0; mqev_reader_left(&r) > 0; i++) {
		struct mqev_bytes filter = mqev_read_binary(&r);

		mqev_read_u8(&r);
		answer(c, filter, op->number, was_refused(end, i));
	}
}

/* --- a new session -----------------------------------------------------------------------------
 */

uint8_t
mqev_filter_flags(struct mqev_bytes filter)
{
	uint8_t flags = 0;

	if (mqev_topic_filter_has_wildcard(filter))
		flags |= MQEV_OP_WILDCARD;
	if (mqev_topic_filter_shared(filter, NULL))
		flags |= MQEV_OP_SHARED;
	return flags;
}

/* Entries of one identifier go together, so that the server's copies can be told apart. */
struct replay {
	struct mqev_client *client;
	struct mqev_entry **entries;
	size_t entry_count;
	struct mqev_writer w;
	uint8_t *data;
	size_t limit;
	size_t count; /* in the batch */
	uint32_t subscription_id;
	uint8_t flags;
};

static size_t
batched(const struct replay *r)
{
	return (size_t)(r->w.at - r->data);
}

static void
mark_batch(struct replay *r, uint64_t number)
{
	struct mqev_reader reader;

	mqev_reader_init(&reader, r->data, batched(r));
	while (mqev_reader_left(&reader) > 0) {
		struct mqev_entry *entry = find(r->client, mqev_read_binary(&reader));

		mqev_read_u8(&reader);
		entry->number = number;
		entry->state = MQEV_ENTRY_PENDING;
	}
}

static bool
send_batch(struct replay *r)
{
	struct mqev_op_parts parts = {.type = MQEV_PACKET_SUBSCRIBE,
	    .payload = {r->data, batched(r)},
	    .subscription_id = r->subscription_id};
	int64_t number;

	if (r->count == 0)
		return true;
	number = mqev_session_subscribe(
	    &r->client->session, &parts, r->count, r->flags | MQEV_OP_INTERNAL, mqev_port_now_ms());
	if (number < 0)
		return false;
	mark_batch(r, (uint64_t)number);
	r->w.at = r->data;
	r->count = 0;
	r->flags = 0;
	return true;
}

static bool
fits(const struct replay *r, const struct mqev_entry *entry)
{
	size_t size = 2 + (size_t)entry->filter_len + 1;

	return r->count == 0 || (entry->subscription_id == r->subscription_id &&
				    r->count < UINT16_MAX && batched(r) + size <= r->limit);
}

static bool
add_to_batch(struct replay *r, const struct mqev_entry *entry)
{
	if (!fits(r, entry) && !send_batch(r))
		return false;
	r->subscription_id = entry->subscription_id;
	mqev_write_binary(&r->w, filter_of(entry));
	mqev_write_u8(&r->w, entry->options);
	r->flags |= mqev_filter_flags(filter_of(entry));
	r->count++;
	return true;
}

static size_t
batch_limit(const struct mqev_client *c)
{
	uint32_t largest = c->session.server.max_packet_size;

	if (largest > BATCH_BYTES)
		return BATCH_BYTES;
	return largest > BATCH_OVERHEAD ? largest - BATCH_OVERHEAD : 0;
}

static bool
collect(void *value, void *arg)
{
	struct mqev_entry *entry = value;
	struct replay *r = arg;

	if (entry->state == MQEV_ENTRY_ACTIVE)
		r->entries[r->entry_count++] = entry;
	return true;
}

static int
by_identifier(const void *a, const void *b)
{
	uint32_t x = (*(struct mqev_entry *const *)a)->subscription_id;
	uint32_t y = (*(struct mqev_entry *const *)b)->subscription_id;

	return (x > y) - (x < y);
}

static bool
replay_all(struct replay *r, const struct mqev_topic_tree *tree, size_t size)
{
	if (r->entries == NULL || r->data == NULL)
		return false;
	mqev_writer_init(&r->w, r->data, size);
	mqev_topic_tree_each(tree, collect, r);
	qsort(r->entries, r->entry_count, sizeof(struct mqev_entry *), by_identifier);
	for (size_t i = 0; i < r->entry_count; i++) {
		if (!add_to_batch(r, r->entries[i]))
			return false;
	}
	return send_batch(r);
}

bool
mqev_subscriptions_replay(struct mqev_client *c)
{
	/* One filter more than the limit always fits. */
	size_t size = BATCH_BYTES + UINT16_MAX + 3;
	struct replay r = {.client = c, .limit = batch_limit(c)};
	const struct mqev_topic_tree *tree =
	    c->subscriptions != NULL ? c->subscriptions->tree : NULL;
	bool done;

	if (tree == NULL || mqev_topic_tree_count(tree) == 0)
		return true;
	r.entries = mqev_malloc(mqev_topic_tree_count(tree) * sizeof(struct mqev_entry *));
	r.data = mqev_malloc(size);
	done = replay_all(&r, tree, size);
	if (!done)
		mqev_session_abort(&c->session, MQEV_ERR_NOMEM, "out of memory");
	mqev_free(r.entries);
	mqev_free(r.data);
	return done;
}
