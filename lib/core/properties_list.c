/*
 * The public property list: building one, copying, looking things up. Its text form is in
 * properties_print.c.
 */
#include "core/properties_table.h"

#include <string.h>

#include <mqev/reason.h>

#include "core/mem.h"

#define FIRST_CAPACITY 64

struct mqev_properties *
mqev_properties_new(void)
{
	return mqev_calloc(1, sizeof(struct mqev_properties));
}

static uint64_t
present_in(const struct mqev_properties *properties)
{
	struct mqev_property property;
	uint64_t present = 0;
	size_t position = 0;

	while (mqev_properties_next(properties, &position, &property))
		present |= MQEV_PROP_BIT(property.id);
	return present;
}

static bool
copy_block(struct mqev_properties *copy, const struct mqev_properties *from)
{
	copy->owned = mqev_memdup(from->data, from->len);
	if (copy->owned == NULL)
		return false;
	copy->data = copy->owned;
	copy->len = from->len;
	copy->capacity = from->len;
	copy->present = present_in(from);
	return true;
}

struct mqev_properties *
mqev_properties_copy(const struct mqev_properties *properties)
{
	struct mqev_properties *copy = mqev_properties_new();

	if (copy == NULL || properties == NULL || properties->len == 0)
		return copy;
	if (copy_block(copy, properties))
		return copy;
	mqev_properties_free(copy);
	return NULL;
}

void
mqev_properties_free(struct mqev_properties *properties)
{
	if (properties == NULL)
		return;
	mqev_free(properties->owned);
	mqev_free(properties);
}

void
mqev_properties_clear(struct mqev_properties *properties)
{
	if (properties == NULL)
		return;
	properties->len = 0;
	properties->present = 0;
}

static size_t
grown_capacity(size_t capacity, size_t need)
{
	size_t grown = capacity > FIRST_CAPACITY / 2 ? capacity * 2 : FIRST_CAPACITY;

	return grown > need ? grown : need;
}

static void
append(struct mqev_properties *properties, uint8_t *block, size_t size,
    const struct mqev_property *property)
{
	struct mqev_writer w;

	mqev_writer_init(&w, block + properties->len, size);
	mqev_property_write(&w, property);
	properties->len += size;
	properties->present |= MQEV_PROP_BIT(property->id);
}

/* The old block goes last: the property may be one of this very list. */
static int
append_to_larger(
    struct mqev_properties *properties, size_t size, const struct mqev_property *property)
{
	size_t capacity = grown_capacity(properties->capacity, properties->len + size);
	uint8_t *block = mqev_malloc(capacity);

	if (block == NULL)
		return MQEV_ERR_NOMEM;
	if (properties->len > 0)
		memcpy(block, properties->data, properties->len);
	append(properties, block, size, property);
	mqev_free(properties->owned);
	properties->owned = block;
	properties->data = block;
	properties->capacity = capacity;
	return 0;
}

/*
 * A list does not know its packet yet, so it holds what a client may send: one Subscription
 * Identifier.
 */
static bool
acceptable(const struct mqev_properties *properties, const struct mqev_property *property)
{
	const struct mqev_property_rule *rule = mqev_property_rule(property->id);

	if (rule == NULL || rule->type != property->type)
		return false;
	if ((property->value == NULL && property->value_len > 0) ||
	    (property->name == NULL && property->name_len > 0))
		return false;
	if ((properties->present & MQEV_PROP_BIT(property->id)) != 0 &&
	    rule->type != MQEV_TYPE_PAIR)
		return false;
	return mqev_property_value_fault(rule, property).reason == 0;
}

int
mqev_properties_add(struct mqev_properties *properties, const struct mqev_property *property)
{
	size_t size;

	if (properties == NULL || property == NULL || !acceptable(properties, property))
		return MQEV_ERR_INVALID;
	size = mqev_property_size(property);
	if (size > MQEV_VARINT_MAX - properties->len)
		return MQEV_ERR_INVALID;
	if (size > properties->capacity - properties->len)
		return append_to_larger(properties, size, property);
	append(properties, properties->owned, size, property);
	return 0;
}

int
mqev_properties_add_integer(
    struct mqev_properties *properties, enum mqev_property_id id, uint32_t value)
{
	struct mqev_property property = {.id = id, .integer = value};
	int type = mqev_property_type((int)id);

	if (type == 0 || type > MQEV_TYPE_VARINT)
		return MQEV_ERR_INVALID;
	property.type = (enum mqev_property_type)type;
	return mqev_properties_add(properties, &property);
}

int
mqev_properties_add_string(
    struct mqev_properties *properties, enum mqev_property_id id, const char *value)
{
	struct mqev_property property = {.id = id, .type = MQEV_TYPE_STRING, .value = value};

	if (value == NULL)
		return MQEV_ERR_INVALID;
	property.value_len = strlen(value);
	return mqev_properties_add(properties, &property);
}

int
mqev_properties_add_binary(
    struct mqev_properties *properties, enum mqev_property_id id, const void *value, size_t len)
{
	struct mqev_property property = {
	    .id = id, .type = MQEV_TYPE_BINARY, .value = value, .value_len = len};

	return mqev_properties_add(properties, &property);
}

int
mqev_properties_add_user(struct mqev_properties *properties, const char *name, const char *value)
{
	struct mqev_property property = {
	    .id = MQEV_PROP_USER_PROPERTY, .type = MQEV_TYPE_PAIR, .name = name, .value = value};

	if (name == NULL || value == NULL)
		return MQEV_ERR_INVALID;
	property.name_len = strlen(name);
	property.value_len = strlen(value);
	return mqev_properties_add(properties, &property);
}

bool
mqev_properties_next(
    const struct mqev_properties *properties, size_t *position, struct mqev_property *property)
{
	return mqev_property_read(mqev_properties_block(properties), position, property);
}

size_t
mqev_properties_count(const struct mqev_properties *properties)
{
	struct mqev_property property;
	size_t position = 0;
	size_t count = 0;

	while (mqev_properties_next(properties, &position, &property))
		count++;
	return count;
}

int
mqev_properties_find(const struct mqev_properties *properties, enum mqev_property_id id,
    struct mqev_property *property)
{
	struct mqev_property candidate;
	size_t position = 0;

	while (mqev_properties_next(properties, &position, &candidate))
		if (candidate.id == id) {
			*property = candidate;
			return 0;
		}
	return MQEV_ERR_NOT_FOUND;
}

uint32_t
mqev_properties_integer(
    const struct mqev_properties *properties, enum mqev_property_id id, uint32_t fallback)
{
	struct mqev_property property;

	/* Most lists are empty, and a CONNACK is asked for a dozen. */
	if (mqev_properties_block(properties).len == 0)
		return fallback;
	if (mqev_properties_find(properties, id, &property) != 0 ||
	    property.type > MQEV_TYPE_VARINT)
		return fallback;
	return property.integer;
}

/* Each property has one wire form only, so equal lists have equal bytes. */
bool
mqev_properties_equal(const struct mqev_properties *a, const struct mqev_properties *b)
{
	struct mqev_bytes left = mqev_properties_block(a);
	struct mqev_bytes right = mqev_properties_block(b);

	if (left.len != right.len)
		return false;
	return left.len == 0 || memcmp(left.data, right.data, left.len) == 0;
}
