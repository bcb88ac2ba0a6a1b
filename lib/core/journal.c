/* How topic, properties and payload of a message stand in a record's bytes. */
#include "core/journal.h"

#include "core/properties.h"
#include "core/topic.h"

/* The layout: version, length of the topic, length of the properties, then the three. */
#define LAYOUT 1
#define HEAD 7

size_t
mqev_packed_size(const struct mqev_entry *entry)
{
	return HEAD + entry->topic.len + entry->properties.len + entry->payload.len;
}

void
mqev_pack(const struct mqev_entry *entry, uint8_t *at)
{
	struct mqev_writer w;

	mqev_writer_init(&w, at, mqev_packed_size(entry));
	mqev_write_u8(&w, LAYOUT);
	mqev_write_u16(&w, (uint16_t)entry->topic.len);
	mqev_write_u32(&w, (uint32_t)entry->properties.len);
	mqev_write_bytes(&w, entry->topic.data, entry->topic.len);
	mqev_write_bytes(&w, entry->properties.data, entry->properties.len);
	mqev_write_bytes(&w, entry->payload.data, entry->payload.len);
}

bool
mqev_unpack(struct mqev_bytes packed, struct mqev_entry *entry)
{
	struct mqev_reader r;
	uint32_t properties_len;
	uint16_t topic_len;

	mqev_reader_init(&r, packed.data, packed.len);
	if (mqev_read_u8(&r) != LAYOUT)
		return false;
	topic_len = mqev_read_u16(&r);
	properties_len = mqev_read_u32(&r);
	entry->topic = mqev_read_bytes(&r, topic_len);
	entry->properties = mqev_read_bytes(&r, properties_len);
	entry->payload = mqev_read_rest(&r);
	return !r.failed;
}

/* Aliases are of one connection. */
static bool
is_sendable(const struct mqev_entry *entry)
{
	struct mqev_fault fault;
	uint64_t found = 0;

	return mqev_topic_name_ok(entry->topic) &&
	       mqev_properties_check(
		   entry->properties, MQEV_PACKET_PUBLISH, MQEV_FROM_CLIENT, &found, &fault) &&
	       (found & MQEV_PROP_BIT(MQEV_PROP_TOPIC_ALIAS)) == 0;
}

/* As of the decoder, 3.1 has no rule for the bytes of a topic. */
static bool
may_have_come(const struct mqev_entry *entry)
{
	struct mqev_fault fault;

	return entry->topic.len > 0 && !mqev_topic_filter_has_wildcard(entry->topic) &&
	       mqev_properties_check(
		   entry->properties, MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, NULL, &fault);
}

bool
mqev_unpack_checked(struct mqev_bytes packed, enum mqev_record_kind kind, struct mqev_entry *entry)
{
	return packed.len <= MQEV_VARINT_MAX && mqev_unpack(packed, entry) &&
	       (kind == MQEV_RECORD_OUT ? is_sendable(entry) : may_have_come(entry));
}
