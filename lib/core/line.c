/* Text for logs in which nothing that came from outside can do harm. What is said is the callers'.
 */
#include "core/line.h"

#include <stdbool.h>

#include "core/utf8.h"

void
mqev_line_char(struct mqev_line *line, char c)
{
	if (line->len + 1 < line->size)
		line->buf[line->len] = c;
	line->len++;
}

void
mqev_line_text(struct mqev_line *line, const char *text)
{
	while (*text != '\0')
		mqev_line_char(line, *text++);
}

void
mqev_line_integer(struct mqev_line *line, uint64_t value)
{
	char digits[20];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	while (n > 0)
		mqev_line_char(line, digits[--n]);
}

static void
put_escaped(struct mqev_line *line, uint8_t byte)
{
	static const char hex[] = "0123456789ABCDEF";

	mqev_line_text(line, "\\x");
	mqev_line_char(line, hex[byte >> 4]);
	mqev_line_char(line, hex[byte & 0x0F]);
}

void
mqev_line_binary(struct mqev_line *line, struct mqev_bytes bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		put_escaped(line, bytes.data[i]);
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
put_string(struct mqev_line *line, struct mqev_bytes string, bool ascii, char quote)
{
	const uint8_t *data = string.data;

	for (size_t i = 0; i < string.len; i++) {
		bool control = is_control(data + i, string.len - i);

		if (!control && data[i] != '\\' && data[i] != (uint8_t)quote &&
		    !(ascii && data[i] > 0x7F)) {
			mqev_line_char(line, (char)data[i]);
			continue;
		}
		put_escaped(line, data[i]);
		if (control && data[i] == 0xC2)
			put_escaped(line, data[++i]);
	}
}

void
mqev_line_string(struct mqev_line *line, struct mqev_bytes string)
{
	put_string(line, string, false, '\\');
}

/* Not amidst a character. */
static size_t
cut(struct mqev_bytes string, size_t max)
{
	size_t at = max;

	if (string.len <= max)
		return string.len;
	while (max - at < 3 && at > 0 && (string.data[at] & 0xC0) == 0x80)
		at--;
	return at;
}

void
mqev_line_quoted(struct mqev_line *line, struct mqev_bytes string, size_t max)
{
	struct mqev_bytes shown = {string.data, cut(string, max)};

	mqev_line_char(line, '\'');
	put_string(line, shown, !mqev_utf8_valid(shown.data, shown.len), '\'');
	mqev_line_char(line, '\'');
	if (shown.len < string.len)
		mqev_line_text(line, "...");
}

void
mqev_line_end(struct mqev_line *line)
{
	if (line->size > 0)
		line->buf[line->len < line->size ? line->len : line->size - 1] = '\0';
}
