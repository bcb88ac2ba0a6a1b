/* Callbacks for filters that are nobody's subscription. Who gets a message: dispatch.c. */
#include <string.h>

#include <mqev/settings.h>

#include "client/client.h"
#include "client/subscriptions.h"
#include "core/topic.h"
#include "core/topic_tree.h"

static struct mqev_bytes
bytes_of(const char *text)
{
	return (struct mqev_bytes){(const uint8_t *)text, strlen(text)};
}

static struct mqev_topic_tree *
tree_of(struct mqev_client *c)
{
	struct mqev_subscriptions *s = mqev_subscriptions_of(c);

	if (s == NULL)
		return NULL;
	if (s->filters == NULL)
		s->filters = mqev_topic_tree_new();
	return s->filters;
}

/* An entry that a dispatch in progress may hold is left as it is. */
static void
replace(struct mqev_subscriptions *s, void **slot, struct mqev_entry *entry)
{
	struct mqev_entry *old = *slot;

	*slot = entry;
	if (old == NULL) {
		s->callbacks++;
		return;
	}
	old->removed = true;
	mqev_entry_unref(old);
}

static int
add(struct mqev_client *c, struct mqev_bytes filter, mqev_message_cb *on_message, void *userdata)
{
	struct mqev_topic_tree *tree = tree_of(c);
	struct mqev_entry *entry = mqev_entry_new(filter);
	void **slot = tree != NULL && entry != NULL ? mqev_topic_tree_put(tree, filter) : NULL;

	if (slot == NULL) {
		if (entry != NULL)
			mqev_entry_unref(entry);
		return MQEV_ERR_NOMEM;
	}
	entry->on_message = on_message;
	entry->userdata = userdata;
	replace(c->subscriptions, slot, entry);
	return 0;
}

int
mqev_message_callback_add(
    struct mqev_client *c, const char *filter, mqev_message_cb *on_message, void *userdata)
{
	if (c == NULL || filter == NULL || on_message == NULL ||
	    !mqev_topic_filter_ok(bytes_of(filter)))
		return MQEV_ERR_INVALID;
	if (c->freed)
		return MQEV_ERR_STATE;
	return add(c, bytes_of(filter), on_message, userdata);
}

int
mqev_message_callback_remove(struct mqev_client *c, const char *filter)
{
	struct mqev_subscriptions *s = c != NULL ? c->subscriptions : NULL;
	struct mqev_entry *entry;

	if (c == NULL || filter == NULL)
		return MQEV_ERR_INVALID;
	if (s == NULL || s->filters == NULL || !mqev_topic_filter_ok(bytes_of(filter)))
		return MQEV_ERR_NOT_FOUND;
	entry = mqev_topic_tree_remove(s->filters, bytes_of(filter));
	if (entry == NULL)
		return MQEV_ERR_NOT_FOUND;
	entry->removed = true;
	s->callbacks--;
	mqev_entry_unref(entry);
	return 0;
}
