/* A received message to the callbacks of the subscriptions and filters that match it, which may
 * change the subscriptions meanwhile. */
#include "client/client.h"
#include "client/subscriptions.h"
#include "core/mem.h"
#include "core/topic_tree.h"

#define MATCHES_ON_STACK 16

#define IDENTIFIERS 16

/* The Subscription Identifiers of a message; one with more than fit is matched by its topic alone.
 */
struct identifiers {
	uint32_t at[IDENTIFIERS];
	size_t count;
};

struct matches {
	const struct identifiers *only; /* NULL: whatever the identifier */
	struct mqev_entry **at;
	size_t count;
	size_t capacity;
	bool failed;
	struct mqev_entry *few[MATCHES_ON_STACK];
};

static bool
grow(struct matches *m)
{
	struct mqev_entry **more = mqev_malloc(2 * m->capacity * sizeof(*more));

	if (more == NULL)
		return false;
	for (size_t i = 0; i < m->count; i++)
		more[i] = m->at[i];
	if (m->at != m->few)
		mqev_free(m->at);
	m->at = more;
	m->capacity *= 2;
	return true;
}

static bool
is_among(const struct identifiers *ids, const struct mqev_entry *entry)
{
	for (size_t i = 0; i < ids->count; i++) {
		if (ids->at[i] == entry->subscription_id)
			return true;
	}
	return false;
}

static bool
collect(void *value, void *arg)
{
	struct mqev_entry *entry = value;
	struct matches *m = arg;

	if (entry->on_message == NULL || (m->only != NULL && !is_among(m->only, entry)))
		return true;
	if (m->count == m->capacity && !grow(m)) {
		m->failed = true;
		return false;
	}
	entry->refs++;
	m->at[m->count++] = entry;
	return true;
}

static void
call(struct mqev_client *c, struct mqev_entry *entry, const struct mqev_message *message)
{
	if (!c->freed && !entry->removed && entry->on_message != NULL)
		entry->on_message(c, message, entry->userdata);
	mqev_entry_unref(entry);
}

static void
forget(struct matches *m)
{
	for (size_t i = 0; i < m->count; i++)
		mqev_entry_unref(m->at[i]);
}

static enum mqev_dispatch
call_all(struct mqev_client *c, struct matches *m, const struct mqev_message *message)
{
	for (size_t i = 0; i < m->count; i++)
		call(c, m->at[i], message);
	return m->count > 0 ? MQEV_DISPATCH_TAKEN : MQEV_DISPATCH_NOBODY;
}

static void
take_identifiers(const struct mqev_message *message, struct identifiers *ids)
{
	struct mqev_property property;
	size_t position = 0;

	ids->count = 0;
	while (mqev_properties_next(message->properties, &position, &property)) {
		if (property.id != MQEV_PROP_SUBSCRIPTION_IDENTIFIER)
			continue;
		if (ids->count == IDENTIFIERS) {
			ids->count = 0;
			return;
		}
		ids->at[ids->count++] = property.integer;
	}
}

/* By identifier where the server gave one that is ours; else by topic. Filters without a
 * subscription: by topic. */
static void
match(struct mqev_client *c, const struct mqev_message *message, struct matches *m)
{
	struct mqev_bytes topic = {(const uint8_t *)message->topic, message->topic_len};
	struct identifiers ids;

	take_identifiers(message, &ids);
	if (ids.count > 0) {
		m->only = &ids;
		mqev_topic_tree_match(c->subscriptions->tree, topic, collect, m);
	}
	m->only = NULL;
	if (m->count == 0 && !m->failed)
		mqev_topic_tree_match(c->subscriptions->tree, topic, collect, m);
	if (c->subscriptions->filters != NULL && !m->failed)
		mqev_topic_tree_match(c->subscriptions->filters, topic, collect, m);
}

static enum mqev_dispatch
dispatch(struct mqev_client *c, const struct mqev_message *message)
{
	enum mqev_dispatch result = MQEV_DISPATCH_NO_MEMORY;
	struct matches m;

	m.at = m.few;
	m.count = 0;
	m.capacity = MATCHES_ON_STACK;
	m.failed = false;
	match(c, message, &m);
	/* Nobody may be passed over for want of memory. */
	if (m.failed)
		forget(&m);
	else
		result = call_all(c, &m, message);
	if (m.at != m.few)
		mqev_free(m.at);
	return result;
}

enum mqev_dispatch
mqev_subscriptions_dispatch(struct mqev_client *c, const struct mqev_message *message)
{
	if (c->subscriptions == NULL || c->subscriptions->callbacks == 0)
		return MQEV_DISPATCH_NOBODY;
	return dispatch(c, message);
}
