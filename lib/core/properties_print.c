/* A property list as one line of text, for logs and tools. */
#include "core/properties_table.h"

/* Counts all, keeps what fits before the final NUL. */
struct line {
	char *buf;
	size_t size;
	size_t len;
};

static void
put_char(struct line *line, char c)
{
	if (line->len + 1 < line->size)
		line->buf[line->len] = c;
	line->len++;
}

static void
put_text(struct line *line, const char *text)
{
	while (*text != '\0')
		put_char(line, *text++);
}

static void
put_integer(struct line *line, uint32_t value)
{
	char digits[10];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	while (n > 0)
		put_char(line, digits[--n]);
}

static void
put_escaped(struct line *line, uint8_t byte)
{
	static const char hex[] = "0123456789ABCDEF";

	put_text(line, "\\x");
	put_char(line, hex[byte >> 4]);
	put_char(line, hex[byte & 0x0F]);
}

static void
put_binary(struct line *line, const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		put_escaped(line, data[i]);
}

/* U+0080 to U+009F are control characters too: C2 80 to C2 9F. */
static bool
is_control(const uint8_t *data, size_t len)
{
	if (data[0] < 0x20 || data[0] == 0x7F)
		return true;
	return data[0] == 0xC2 && len > 1 && data[1] < 0xA0;
}

static void
put_string(struct line *line, const char *string, size_t len)
{
	const uint8_t *data = (const uint8_t *)string;
	size_t i;

	for (i = 0; i < len; i++) {
		if (data[i] == '\\') {
			put_escaped(line, data[i]);
		} else if (!is_control(data + i, len - i)) {
			put_char(line, string[i]);
		} else {
			put_escaped(line, data[i]);
			if (data[i] == 0xC2)
				put_escaped(line, data[++i]);
		}
	}
}

static void
put_value(struct line *line, const struct mqev_property *property)
{
	if (property->type <= MQEV_TYPE_VARINT) {
		put_integer(line, property->integer);
		return;
	}
	if (property->type == MQEV_TYPE_BINARY) {
		put_binary(line, (const uint8_t *)property->value, property->value_len);
		return;
	}
	if (property->type == MQEV_TYPE_PAIR) {
		put_string(line, property->name, property->name_len);
		put_char(line, ':');
	}
	put_string(line, property->value, property->value_len);
}

size_t
mqev_properties_print(const struct mqev_properties *properties, char *buf, size_t size)
{
	struct line line = {buf, size, 0};
	struct mqev_property property;
	size_t position = 0;

	while (mqev_properties_next(properties, &position, &property)) {
		if (line.len > 0)
			put_text(&line, ", ");
		put_text(&line, mqev_property_name((int)property.id));
		put_char(&line, '=');
		put_value(&line, &property);
	}
	if (size > 0)
		buf[line.len < size ? line.len : size - 1] = '\0';
	return line.len;
}
