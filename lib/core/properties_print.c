/* A property list as one line of text, for logs and tools. */
#include "core/line.h"
#include "core/properties_table.h"

static struct mqev_bytes
bytes_of(const char *data, size_t len)
{
	return (struct mqev_bytes){(const uint8_t *)data, len};
}

static void
put_value(struct mqev_line *line, const struct mqev_property *property)
{
	struct mqev_bytes value = bytes_of(property->value, property->value_len);

	if (property->type <= MQEV_TYPE_VARINT) {
		mqev_line_integer(line, property->integer);
		return;
	}
	if (property->type == MQEV_TYPE_BINARY) {
		mqev_line_binary(line, value);
		return;
	}
	if (property->type == MQEV_TYPE_PAIR) {
		mqev_line_string(line, bytes_of(property->name, property->name_len));
		mqev_line_char(line, ':');
	}
	mqev_line_string(line, value);
}

size_t
mqev_properties_print(const struct mqev_properties *properties, char *buf, size_t size)
{
	struct mqev_line line = {buf, size, 0};
	struct mqev_property property;
	size_t position = 0;

	while (mqev_properties_next(properties, &position, &property)) {
		if (line.len > 0)
			mqev_line_text(&line, ", ");
		mqev_line_text(&line, mqev_property_name((int)property.id));
		mqev_line_char(&line, '=');
		put_value(&line, &property);
	}
	mqev_line_end(&line);
	return line.len;
}
