/* One line of text put together piece by piece, for logs and tools: counts all, keeps what fits. */
#ifndef MQEV_CORE_LINE_H
#define MQEV_CORE_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

struct mqev_line {
	char *buf;
	size_t size;
	size_t len; /* of the whole text, what did not fit too */
};

void mqev_line_char(struct mqev_line *line, char c);
void mqev_line_text(struct mqev_line *line, const char *text);
void mqev_line_integer(struct mqev_line *line, uint64_t value);
/* Each byte as \xNN. */
void mqev_line_binary(struct mqev_line *line, struct mqev_bytes bytes);
/* UTF-8, of which control characters (U+0000 to U+001F, U+007F to U+009F) and the backslash are
 * written as \xNN. */
void mqev_line_string(struct mqev_line *line, struct mqev_bytes string);
/* The same between single quotes, of at most max bytes; then "..." when there are more. Quotes in
 * it, and all beyond ASCII in what is not UTF-8, are written as \xNN. */
void mqev_line_quoted(struct mqev_line *line, struct mqev_bytes string, size_t max);
/* Terminates what is kept. */
void mqev_line_end(struct mqev_line *line);

#endif
