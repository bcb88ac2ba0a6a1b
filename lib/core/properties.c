/*
 * Property blocks in wire form: one item read, sized, written; a whole block checked. Lists
 * that grow: properties_list.c.
 */
#include "core/properties_table.h"

#include <mqev/reason.h>

static struct mqev_bytes
bytes_of(const char *data, size_t len)
{
	return (struct mqev_bytes){(const uint8_t *)data, len};
}

static void
read_value(struct mqev_reader *r, struct mqev_property *property)
{
	struct mqev_bytes bytes = mqev_read_binary(r);

	property->value = (const char *)bytes.data;
	property->value_len = bytes.len;
}

static void
read_byte(struct mqev_reader *r, struct mqev_property *property)
{
	property->integer = mqev_read_u8(r);
}

static void
read_two(struct mqev_reader *r, struct mqev_property *property)
{
	property->integer = mqev_read_u16(r);
}

static void
read_four(struct mqev_reader *r, struct mqev_property *property)
{
	property->integer = mqev_read_u32(r);
}

static void
read_variable(struct mqev_reader *r, struct mqev_property *property)
{
	property->integer = mqev_read_varint(r);
}

static void
read_pair(struct mqev_reader *r, struct mqev_property *property)
{
	struct mqev_bytes name = mqev_read_binary(r);

	property->name = (const char *)name.data;
	property->name_len = name.len;
	read_value(r, property);
}

static void
write_byte(struct mqev_writer *w, const struct mqev_property *property)
{
	mqev_write_u8(w, (uint8_t)property->integer);
}

static void
write_two(struct mqev_writer *w, const struct mqev_property *property)
{
	mqev_write_u16(w, (uint16_t)property->integer);
}

static void
write_four(struct mqev_writer *w, const struct mqev_property *property)
{
	mqev_write_u32(w, property->integer);
}

static void
write_variable(struct mqev_writer *w, const struct mqev_property *property)
{
	mqev_write_varint(w, property->integer);
}

static void
write_value(struct mqev_writer *w, const struct mqev_property *property)
{
	mqev_write_binary(w, bytes_of(property->value, property->value_len));
}

static void
write_pair(struct mqev_writer *w, const struct mqev_property *property)
{
	mqev_write_binary(w, bytes_of(property->name, property->name_len));
	write_value(w, property);
}

/*
 * The bytes that an item of a type takes besides its contents: 0 where only the value tells
 * (varint).
 */
static const struct type_row {
	size_t fixed;
	void (*read)(struct mqev_reader *r, struct mqev_property *property);
	void (*write)(struct mqev_writer *w, const struct mqev_property *property);
} types[] = {
    [MQEV_TYPE_BYTE] = {1, read_byte, write_byte},
    [MQEV_TYPE_U16] = {2, read_two, write_two},
    [MQEV_TYPE_U32] = {4, read_four, write_four},
    [MQEV_TYPE_VARINT] = {0, read_variable, write_variable},
    [MQEV_TYPE_BINARY] = {2, read_value, write_value},
    [MQEV_TYPE_STRING] = {2, read_value, write_value},
    [MQEV_TYPE_PAIR] = {4, read_pair, write_pair},
};

size_t
mqev_property_size(const struct mqev_property *property)
{
	const struct mqev_property_rule *rule = mqev_property_rule(property->id);

	if (rule == NULL)
		return 0;
	if (rule->type == MQEV_TYPE_VARINT)
		return 1 + mqev_varint_size(property->integer);
	if (rule->type < MQEV_TYPE_BINARY)
		return 1 + types[rule->type].fixed;
	if (rule->type < MQEV_TYPE_PAIR)
		return 1 + types[rule->type].fixed + property->value_len;
	return 1 + types[rule->type].fixed + property->value_len + property->name_len;
}

void
mqev_property_write(struct mqev_writer *w, const struct mqev_property *property)
{
	const struct mqev_property_rule *rule = mqev_property_rule(property->id);

	if (rule == NULL) {
		mqev_writer_fail(w);
		return;
	}
	mqev_write_u8(w, (uint8_t)property->id);
	types[rule->type].write(w, property);
}

/* The rest of an item whose identifier was read. */
static void
read_item(struct mqev_reader *r, const struct mqev_property_rule *rule, uint32_t id,
    struct mqev_property *property)
{
	*property = (struct mqev_property){
	    .id = (enum mqev_property_id)id, .type = rule->type, .name = "", .value = ""};
	types[rule->type].read(r, property);
}

bool
mqev_property_read(struct mqev_bytes block, size_t *position, struct mqev_property *property)
{
	const struct mqev_property_rule *rule;
	struct mqev_reader r;
	uint8_t id;

	if (*position >= block.len)
		return false;
	mqev_reader_init(&r, block.data + *position, block.len - *position);
	id = mqev_read_u8(&r);
	rule = mqev_property_rule(id);
	if (rule == NULL)
		return false;
	read_item(&r, rule, id, property);
	if (r.failed)
		return false;
	*position = block.len - mqev_reader_left(&r);
	return true;
}

/* One walk over a block: where it stands, and which identifiers came by. */
struct check {
	struct mqev_reader r;
	enum mqev_packet_type packet;
	enum mqev_sender sender;
	uint64_t seen;
	struct mqev_fault *fault;
};

static bool
fail(struct check *c, uint8_t reason, const char *text)
{
	c->fault->reason = reason;
	c->fault->text = text;
	return false;
}

/*
 * What only the other side may put into this packet breaks the protocol; what nobody may is
 * malformed.
 */
static bool
check_place(struct check *c, const struct mqev_property_rule *rule, uint8_t id)
{
	uint32_t mine = c->sender == MQEV_FROM_SERVER ? rule->server : rule->client;
	uint32_t packet = MQEV_PACKET_BIT(c->packet);

	if (((rule->client | rule->server) & packet) == 0)
		return fail(c, MQEV_REASON_MALFORMED_PACKET, "property is not for this packet");
	if ((mine & packet) == 0)
		return fail(c, MQEV_REASON_PROTOCOL_ERROR, "property is not for this sender");
	if ((c->seen & MQEV_PROP_BIT(id)) != 0 && (rule->repeat & packet) == 0)
		return fail(c, MQEV_REASON_PROTOCOL_ERROR, "property stands twice");
	c->seen |= MQEV_PROP_BIT(id);
	return true;
}

static bool
check_item(struct check *c)
{
	uint8_t id = mqev_read_u8(&c->r);
	const struct mqev_property_rule *rule = mqev_property_rule(id);
	struct mqev_property property;
	struct mqev_fault found;

	if (rule == NULL)
		return fail(c, MQEV_REASON_MALFORMED_PACKET, "unknown property");
	if (!check_place(c, rule, id))
		return false;
	read_item(&c->r, rule, id, &property);
	if (c->r.failed)
		return fail(
		    c, MQEV_REASON_MALFORMED_PACKET, "property runs past the property length");
	found = mqev_property_value_fault(rule, &property);
	return found.reason == 0 || fail(c, found.reason, found.text);
}

bool
mqev_properties_check(struct mqev_bytes block, enum mqev_packet_type packet,
    enum mqev_sender sender, uint64_t *found, struct mqev_fault *fault)
{
	struct check c = {.packet = packet, .sender = sender, .fault = fault};

	mqev_reader_init(&c.r, block.data, block.len);
	while (mqev_reader_left(&c.r) > 0)
		if (!check_item(&c))
			return false;
	if (found != NULL)
		*found = c.seen;
	return true;
}

struct mqev_properties
mqev_properties_view(struct mqev_bytes block)
{
	return (struct mqev_properties){.data = block.data, .len = block.len};
}

struct mqev_bytes
mqev_properties_block(const struct mqev_properties *properties)
{
	if (properties == NULL)
		return (struct mqev_bytes){NULL, 0};
	return (struct mqev_bytes){properties->data, properties->len};
}

/* So long a list still fits a packet together with all else that stands there. */
#define LONGEST_LIST (MQEV_VARINT_MAX / 4)

bool
mqev_properties_sendable(const struct mqev_properties *properties, enum mqev_packet_type packet)
{
	struct mqev_bytes block = mqev_properties_block(properties);
	struct mqev_fault fault;

	/* The whole of a PUBLISH is measured when it is submitted. */
	if (packet != MQEV_PACKET_PUBLISH && block.len > LONGEST_LIST)
		return false;
	return mqev_properties_check(block, packet, MQEV_FROM_CLIENT, NULL, &fault);
}

bool
mqev_properties_find_expiry(struct mqev_bytes block, uint32_t *at, uint32_t *seconds)
{
	struct mqev_property property;
	size_t next = 0;
	size_t begin = 0;

	while (mqev_property_read(block, &next, &property)) {
		if (property.id == MQEV_PROP_MESSAGE_EXPIRY_INTERVAL) {
			*at = (uint32_t)begin + 1;
			*seconds = property.integer;
			return true;
		}
		begin = next;
	}
	return false;
}
