/* Keeping a message beyond its callback. */
#include <string.h>

#include <mqev/message.h>

#include "client/options.h"
#include "core/mem.h"
#include "core/properties.h"

/* The whole copy is one block: the view first, then the list of properties, then the bytes. */
struct copy {
	struct mqev_message message;
	struct mqev_properties properties;
	uint8_t bytes[];
};

static uint8_t *
put(uint8_t *at, const void *data, size_t len)
{
	if (len > 0)
		memcpy(at, data, len);
	return at + len;
}

struct mqev_message *
mqev_message_copy(const struct mqev_message *given)
{
	struct mqev_message m;
	struct mqev_bytes block;
	struct copy *copy;
	size_t topic_len;
	uint8_t *at;

	if (given == NULL || mqev_options_take(&m, sizeof(m), given) != 0 || m.topic == NULL ||
	    (m.payload == NULL && m.payload_len > 0) || m.payload_len > SIZE_MAX / 2)
		return NULL;
	topic_len = m.topic_len > 0 ? m.topic_len : strlen(m.topic);
	block = mqev_properties_block(m.properties);
	copy = mqev_malloc(sizeof(*copy) + topic_len + 1 + block.len + m.payload_len);
	if (copy == NULL)
		return NULL;
	m.topic = (const char *)copy->bytes;
	at = put(copy->bytes, given->topic, topic_len);
	*at++ = '\0';
	copy->properties = mqev_properties_view((struct mqev_bytes){at, block.len});
	at = put(at, block.data, block.len);
	m.payload = at;
	put(at, given->payload, m.payload_len);
	m.topic_len = topic_len;
	m.properties = &copy->properties;
	m.release = NULL;
	m.release_arg = NULL;
	m.delivery = NULL;
	copy->message = m;
	return &copy->message;
}

void
mqev_message_free(struct mqev_message *message)
{
	mqev_free(message);
}
