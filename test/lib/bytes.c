/* Byte buffers and the packet notation of the test kit; knows nothing of sockets or of MQTT
 * packets. */
#include "bytes.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
tk_die(const char *fmt, ...)
{
	va_list ap;

	fputs("test kit: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	fflush(NULL);
	abort();
}

void *
tk_calloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		tk_die("out of memory");
	return p;
}

char *
tk_strdup(const char *s)
{
	char *copy = tk_calloc(strlen(s) + 1, 1);

	strcpy(copy, s);
	return copy;
}

void
tk_buf_free(struct tk_buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

void
tk_buf_clear(struct tk_buf *b)
{
	b->len = 0;
}

void
tk_buf_drain(struct tk_buf *b, size_t n)
{
	if (n > b->len)
		tk_die("drain of %zu bytes from a buffer of %zu", n, b->len);
	if (n > 0)
		memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

void
tk_buf_reserve(struct tk_buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 64;
	unsigned char *p;

	if (b->data && more <= b->cap - b->len)
		return;
	while (cap - b->len < more)
		cap *= 2;
	p = realloc(b->data, cap);
	if (!p)
		tk_die("out of memory for %zu bytes", cap);
	b->data = p;
	b->cap = cap;
}

struct tk_buf
tk_buf_copy(const void *data, size_t len)
{
	struct tk_buf b = {0};

	tk_buf_put(&b, data, len);
	return b;
}

void
tk_buf_put(struct tk_buf *b, const void *data, size_t len)
{
	tk_buf_reserve(b, len);
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
}

void
tk_buf_u8(struct tk_buf *b, unsigned v)
{
	unsigned char byte = (unsigned char)v;

	tk_buf_put(b, &byte, 1);
}

void
tk_buf_u16(struct tk_buf *b, unsigned v)
{
	tk_buf_u8(b, v >> 8 & 0xff);
	tk_buf_u8(b, v & 0xff);
}

void
tk_buf_u32(struct tk_buf *b, uint32_t v)
{
	tk_buf_u16(b, v >> 16);
	tk_buf_u16(b, v & 0xffff);
}

void
tk_buf_varint(struct tk_buf *b, uint32_t v)
{
	while (v > 0x7f) {
		tk_buf_u8(b, (v & 0x7f) | 0x80);
		v >>= 7;
	}
	tk_buf_u8(b, v);
}

void
tk_buf_bin(struct tk_buf *b, const void *data, size_t len)
{
	if (len > 65535)
		tk_die("a string of %zu bytes cannot be written", len);
	tk_buf_u16(b, (unsigned)len);
	tk_buf_put(b, data, len);
}

void
tk_buf_str(struct tk_buf *b, const char *s)
{
	tk_buf_bin(b, s, strlen(s));
}

void
tk_buf_printf(struct tk_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		tk_die("bad format: %s", fmt);
	tk_buf_reserve(b, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

/* The notation */

struct reader {
	const char *all;
	const char *p;
	unsigned mid;
};

static void read_items(struct reader *r, struct tk_buf *out, char end);

static void
bad_text(const struct reader *r, const char *why)
{
	tk_die("%s at offset %ld of \"%s\"", why, (long)(r->p - r->all), r->all);
}

static unsigned
hex_value(int c)
{
	return (unsigned)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
}

static void
read_byte(struct reader *r, struct tk_buf *out)
{
	int high = (unsigned char)r->p[0];
	int low = (unsigned char)r->p[1];

	if (!isxdigit(high) || !isxdigit(low))
		bad_text(r, "not a pair of hex digits");
	tk_buf_u8(out, hex_value(high) << 4 | hex_value(low));
	r->p += 2;
}

static void
read_quoted(struct reader *r, struct tk_buf *out)
{
	const char *end = strchr(r->p + 1, '\'');

	if (!end)
		bad_text(r, "no closing quote");
	tk_buf_put(out, r->p + 1, (size_t)(end - r->p - 1));
	r->p = end + 1;
}

static void
read_group(struct reader *r, struct tk_buf *out, char open)
{
	struct tk_buf inner = {0};

	r->p++;
	read_items(r, &inner, open == '(' ? ')' : '}');
	r->p++;
	if (open == '(')
		tk_buf_varint(out, (uint32_t)inner.len);
	else
		tk_buf_u16(out, (unsigned)inner.len);
	tk_buf_put(out, inner.data, inner.len);
	tk_buf_free(&inner);
}

static void
read_item(struct reader *r, struct tk_buf *out)
{
	switch (*r->p) {
	case '\'':
		read_quoted(r, out);
		return;
	case '(':
	case '{':
		read_group(r, out, *r->p);
		return;
	case '@':
		tk_buf_u16(out, r->mid);
		r->p++;
		return;
	default:
		read_byte(r, out);
	}
}

static void
repeat(struct reader *r, struct tk_buf *out, size_t start)
{
	char *end;
	unsigned long i, times = strtoul(r->p + 1, &end, 10);
	struct tk_buf item = tk_buf_copy(out->data + start, out->len - start);

	if (end == r->p + 1)
		bad_text(r, "no number after *");
	out->len = start;
	for (i = 0; i < times; i++)
		tk_buf_put(out, item.data, item.len);
	tk_buf_free(&item);
	r->p = end;
}

static void
skip_blanks(struct reader *r)
{
	while (isspace((unsigned char)*r->p))
		r->p++;
}

static void
read_items(struct reader *r, struct tk_buf *out, char end)
{
	for (skip_blanks(r); *r->p != end; skip_blanks(r)) {
		size_t start = out->len;

		if (!*r->p)
			bad_text(r, "a group is not closed");
		read_item(r, out);
		if (*r->p == '*')
			repeat(r, out, start);
	}
}

struct tk_buf
tk_hex_mid(const char *text, unsigned mid)
{
	struct reader r = {text, text, mid};
	struct tk_buf b = {0};

	tk_buf_reserve(&b, 1);
	read_items(&r, &b, '\0');
	return b;
}

struct tk_buf
tk_hex(const char *text)
{
	return tk_hex_mid(text, 0);
}

void
tk_buf_hex(struct tk_buf *b, const char *text)
{
	struct tk_buf more = tk_hex(text);

	tk_buf_put(b, more.data, more.len);
	tk_buf_free(&more);
}

/* Dumps and differences */

static void
put_dump(struct tk_buf *out, const unsigned char *data, size_t len, size_t limit)
{
	size_t i;

	for (i = 0; i < len && i < limit; i++)
		tk_buf_printf(out, i ? " %02X" : "%02X", data[i]);
	if (len > limit)
		tk_buf_printf(out, " ... (%zu bytes)", len);
}

char *
tk_dump(const void *data, size_t len, size_t limit)
{
	struct tk_buf out = {0};

	put_dump(&out, data, len, limit);
	tk_buf_u8(&out, 0);
	return (char *)out.data;
}

static size_t
first_difference(const unsigned char *a, size_t alen, const unsigned char *b, size_t blen)
{
	size_t i = 0;

	while (i < alen && i < blen && a[i] == b[i])
		i++;
	return i;
}

char *
tk_diff(const void *want, size_t want_len, const void *got, size_t got_len)
{
	const unsigned char *w = want, *g = got;
	struct tk_buf out = {0};
	size_t at = first_difference(w, want_len, g, got_len);
	size_t from = at > 8 ? at - 8 : 0;

	if (at == want_len && at == got_len)
		return NULL;
	tk_buf_printf(&out,
	    "bytes differ at offset %zu (expected %zu bytes, got %zu)\n  expected[%zu..] ", at,
	    want_len, got_len, from);
	put_dump(&out, w ? w + from : w, want_len - from, 48);
	tk_buf_printf(&out, "\n  got     [%zu..] ", from);
	put_dump(&out, g ? g + from : g, got_len - from, 48);
	tk_buf_u8(&out, 0);
	return (char *)out.data;
}
