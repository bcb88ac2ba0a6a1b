/* Topic aliases of the server: the table of one connection, and what a message with an alias is
 * about. */
#include "core/session_internal.h"

#include <string.h>

#include "core/mem.h"

#define FIRST_ALIASES 16

/* Grows with the aliases that are used, up to the own Topic Alias Maximum. */
static bool
reserve(struct mqev_session *s, uint16_t alias)
{
	struct mqev_inbox *in = s->in;
	uint32_t capacity = in->alias_capacity > 0 ? in->alias_capacity : FIRST_ALIASES;
	struct mqev_alias_topic *aliases;

	if (alias <= in->alias_capacity)
		return true;
	while (capacity < alias)
		capacity *= 2;
	aliases = mqev_realloc(in->aliases, capacity * sizeof(*aliases));
	if (aliases == NULL)
		return false;
	memset(aliases + in->alias_capacity, 0, (capacity - in->alias_capacity) * sizeof(*aliases));
	in->aliases = aliases;
	in->alias_capacity = capacity;
	return true;
}

/* A topic that fits takes the place of the one before: remapping costs no memory. */
static bool
store(struct mqev_alias_topic *at, struct mqev_bytes topic)
{
	char *text = at->text;

	if (at->capacity <= topic.len) {
		text = mqev_malloc(topic.len + 1);
		if (text == NULL)
			return false;
		mqev_free(at->text);
		at->text = text;
		at->capacity = (uint32_t)topic.len + 1;
	}
	memcpy(text, topic.data, topic.len);
	text[topic.len] = '\0';
	at->len = (uint32_t)topic.len;
	return true;
}

static bool
set_alias(struct mqev_session *s, uint16_t alias, struct mqev_bytes topic)
{
	if (mqev_inbox_of(s) != NULL && reserve(s, alias) &&
	    store(&s->in->aliases[alias - 1], topic))
		return true;
	mqev_session_no_memory(s);
	return false;
}

static bool
get_alias(struct mqev_session *s, uint16_t alias, struct mqev_received *r)
{
	const struct mqev_inbox *in = s->in;

	if (in == NULL || alias > in->alias_capacity || in->aliases[alias - 1].text == NULL) {
		mqev_session_protocol_error(
		    s, "an unknown Topic Alias without a topic [MQTT-3.3.2-10]");
		return false;
	}
	r->alias_topic = in->aliases[alias - 1].text;
	r->topic_len = in->aliases[alias - 1].len;
	return true;
}

bool
mqev_inbox_resolve_alias(struct mqev_session *s, struct mqev_received *r)
{
	struct mqev_properties view = mqev_properties_view(r->packet->properties);
	uint16_t alias = (uint16_t)mqev_properties_integer(&view, MQEV_PROP_TOPIC_ALIAS, 0);

	if (alias == 0)
		return true;
	if (alias > s->settings->topic_alias_maximum) {
		mqev_session_fail(s, MQEV_ERR_PROTOCOL, MQEV_REASON_TOPIC_ALIAS_INVALID,
		    "a Topic Alias above the own maximum [MQTT-3.1.2-27]");
		return false;
	}
	if (r->packet->topic.len > 0)
		return set_alias(s, alias, r->packet->topic);
	return get_alias(s, alias, r);
}

void
mqev_inbox_forget_aliases(struct mqev_inbox *in)
{
	for (uint32_t i = 0; i < in->alias_capacity; i++)
		mqev_free(in->aliases[i].text);
	mqev_free(in->aliases);
	in->aliases = NULL;
	in->alias_capacity = 0;
}
