/* The reading of fields and frames, and the noting of faults; what a packet holds is known to
 * strict.c. */
#include "cursor.h"

#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
tk_fault_set(struct tk_fault *f, int version, const char *v5, const char *v3, const char *fmt, ...)
{
	const char *id = version < TK_V5 && v3 ? v3 : v5;
	va_list ap;

	if (f->id[0])
		return;
	if (!id)
		id = v3;
	snprintf(f->id, sizeof(f->id), "v%d %s", id == v3 && version < TK_V5 ? 3 : 5, id);
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

#define RULE(p, v5, v3, ...) tk_fault_set(&(p)->fault, (p)->version, v5, v3, __VA_ARGS__)

void
tk_cursor_fail(struct tk_cursor *c, const char *v5, const char *v3, const char *why)
{
	if (!c->stop)
		RULE(c->p, v5, v3, "%s: %s", tk_type_name(c->p->type), why);
	c->stop = 1;
	c->left = 0;
}

struct tk_str
tk_read_bytes(struct tk_cursor *c, size_t len, const char *what)
{
	struct tk_str s = {c->at, len};
	char why[100];

	if (c->stop || len > c->left) {
		snprintf(why, sizeof(why), "%s goes past the end", what);
		tk_cursor_fail(c, "2.1.4", "2.2.3", why);
		return (struct tk_str){c->at, 0};
	}
	c->at += len;
	c->left -= len;
	return s;
}

unsigned
tk_read_u8(struct tk_cursor *c, const char *what)
{
	struct tk_str s = tk_read_bytes(c, 1, what);

	return s.len ? s.data[0] : 0;
}

unsigned
tk_read_u16(struct tk_cursor *c, const char *what)
{
	struct tk_str s = tk_read_bytes(c, 2, what);

	return s.len ? (unsigned)s.data[0] << 8 | s.data[1] : 0;
}

uint32_t
tk_read_u32(struct tk_cursor *c, const char *what)
{
	uint32_t high = tk_read_u16(c, what);

	return high << 16 | tk_read_u16(c, what);
}

uint32_t
tk_read_varint(struct tk_cursor *c, const char *what)
{
	uint32_t value = 0;
	unsigned byte, i;

	for (i = 0; i < 4; i++) {
		byte = tk_read_u8(c, what);
		value |= (uint32_t)(byte & 0x7f) << (7 * i);
		if (byte & 0x80)
			continue;
		/* Before version 5 only the sender of our side is held to it. */
		if (i > 0 && byte == 0 && !c->stop && (c->p->version >= TK_V5 || !c->p->from))
			RULE(c->p, "1.5.5-1", "2.2.3", "%s is not in its shortest form", what);
		return value;
	}
	tk_cursor_fail(c, "1.5.5", "2.2.3", "a length has more than four bytes");
	return 0;
}

struct tk_str
tk_read_bin(struct tk_cursor *c, const char *what)
{
	unsigned len = tk_read_u16(c, what);

	return tk_read_bytes(c, len, what);
}

struct tk_str
tk_read_string(struct tk_cursor *c, const char *what)
{
	struct tk_str s = tk_read_bin(c, what);
	enum tk_text_fault f = tk_utf8_check(s.data, s.len);

	if (c->stop)
		return s;
	if (f == TK_TEXT_NOT_UTF8)
		RULE(c->p, "1.5.4-1", "1.5.3-1", "%s is %s", what, tk_text_fault_name(f));
	else if (f == TK_TEXT_NUL)
		RULE(c->p, "1.5.4-2", "1.5.3-2", "%s %s", what, tk_text_fault_name(f));
	return s;
}

int
tk_frame(const void *data, size_t len, size_t *total)
{
	const unsigned char *d = data;
	size_t value = 0, i;

	*total = 0;
	for (i = 1; i < len && i < 5; i++) {
		value |= (size_t)(d[i] & 0x7f) << (7 * (i - 1));
		if (d[i] & 0x80)
			continue;
		*total = 1 + i + value;
		return len >= *total;
	}
	return i == 5 ? -1 : 0;
}

int
tk_str_is(struct tk_str s, const char *text)
{
	return s.len == strlen(text) && (s.len == 0 || memcmp(s.data, text, s.len) == 0);
}

int
tk_str_eq(struct tk_str a, struct tk_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
