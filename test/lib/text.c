/* UTF-8, topic names and topic filters as the specifications have them, written apart from lib/. */
#include "text.h"

#include <stdint.h>
#include <string.h>

static const char *const fault_names[TK_TEXT_FAULTS] = {
    [TK_TEXT_OK] = "fine",
    [TK_TEXT_NOT_UTF8] = "not well-formed UTF-8",
    [TK_TEXT_NUL] = "holds U+0000",
    [TK_TEXT_EMPTY] = "empty",
    [TK_TEXT_WILDCARD] = "a wildcard in a topic name",
    [TK_TEXT_BAD_HASH] = "# is not alone in the last level",
    [TK_TEXT_BAD_PLUS] = "+ is not alone in its level",
    [TK_TEXT_SHARE_NAME] = "bad share name",
    [TK_TEXT_SHARE_FILTER] = "no filter after the share name",
};

const char *
tk_text_fault_name(enum tk_text_fault f)
{
	return fault_names[f];
}

/* The lead bytes by their length, the bits they carry and the least code point of that length. */
struct utf8_form {
	unsigned mask, lead;
	size_t len;
	uint32_t least;
};

static const struct utf8_form utf8_forms[] = {
    {0x80, 0x00, 1, 0},
    {0xe0, 0xc0, 2, 0x80},
    {0xf0, 0xe0, 3, 0x800},
    {0xf8, 0xf0, 4, 0x10000},
};

static const struct utf8_form *
form_of(unsigned lead)
{
	size_t i;

	for (i = 0; i < sizeof(utf8_forms) / sizeof(utf8_forms[0]); i++)
		if ((lead & utf8_forms[i].mask) == utf8_forms[i].lead)
			return &utf8_forms[i];
	return NULL;
}

/* The length of the character at s, 0 when it is ill-formed. */
static size_t
one_char(const unsigned char *s, size_t left, uint32_t *code)
{
	const struct utf8_form *form = form_of(s[0]);
	size_t i;

	if (!form || form->len > left)
		return 0;
	*code = s[0] & ~form->mask & 0xff;
	for (i = 1; i < form->len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3fu);
	}
	if (*code < form->least || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return form->len;
}

enum tk_text_fault
tk_utf8_check(const unsigned char *s, size_t len)
{
	enum tk_text_fault fault = TK_TEXT_OK;
	uint32_t code;
	size_t n;

	for (; len > 0; s += n, len -= n) {
		n = one_char(s, len, &code);
		if (n == 0)
			return TK_TEXT_NOT_UTF8;
		if (code == 0)
			fault = TK_TEXT_NUL;
	}
	return fault;
}

int
tk_filter_has_wildcard(const unsigned char *s, size_t len)
{
	return len > 0 && (memchr(s, '+', len) || memchr(s, '#', len));
}

enum tk_text_fault
tk_topic_check(const unsigned char *s, size_t len)
{
	enum tk_text_fault fault = tk_utf8_check(s, len);

	if (fault)
		return fault;
	if (len == 0)
		return TK_TEXT_EMPTY;
	return tk_filter_has_wildcard(s, len) ? TK_TEXT_WILDCARD : TK_TEXT_OK;
}

int
tk_filter_is_shared(const unsigned char *s, size_t len)
{
	return len >= 7 && memcmp(s, "$share/", 7) == 0;
}

static enum tk_text_fault
check_levels(const unsigned char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		int starts = i == 0 || s[i - 1] == '/';
		int last = i + 1 == len;

		if (s[i] == '#' && (!starts || !last))
			return TK_TEXT_BAD_HASH;
		if (s[i] == '+' && (!starts || (!last && s[i + 1] != '/')))
			return TK_TEXT_BAD_PLUS;
	}
	return TK_TEXT_OK;
}

static enum tk_text_fault
check_share(const unsigned char *s, size_t len)
{
	const unsigned char *name = s + 7;
	const unsigned char *slash = memchr(name, '/', len - 7);
	size_t name_len = slash ? (size_t)(slash - name) : len - 7;

	if (name_len == 0 || tk_filter_has_wildcard(name, name_len))
		return TK_TEXT_SHARE_NAME;
	if (!slash || slash + 1 == s + len)
		return TK_TEXT_SHARE_FILTER;
	return check_levels(slash + 1, (size_t)(s + len - slash - 1));
}

enum tk_text_fault
tk_filter_check(const unsigned char *s, size_t len, int shared)
{
	enum tk_text_fault fault = tk_utf8_check(s, len);

	if (fault)
		return fault;
	if (len == 0)
		return TK_TEXT_EMPTY;
	if (shared && tk_filter_is_shared(s, len))
		return check_share(s, len);
	return check_levels(s, len);
}

static size_t
level_len(const unsigned char *s, size_t len)
{
	const unsigned char *slash = len ? memchr(s, '/', len) : NULL;

	return slash ? (size_t)(slash - s) : len;
}

static int
level_matches(const unsigned char *f, size_t flen, const unsigned char *t, size_t tlen)
{
	if (flen == 1 && f[0] == '+')
		return 1;
	return flen == tlen && memcmp(f, t, flen) == 0;
}

int
tk_topic_matches(const unsigned char *f, size_t flen, const unsigned char *t, size_t tlen)
{
	size_t fl, tl;

	if (t[0] == '$' && (f[0] == '+' || f[0] == '#'))
		return 0;
	for (;;) {
		fl = level_len(f, flen);
		tl = level_len(t, tlen);
		if (fl == 1 && f[0] == '#')
			return 1;
		if (!level_matches(f, fl, t, tl))
			return 0;
		if (fl == flen && tl == tlen)
			return 1;
		if (tl == tlen) /* "a/#" matches "a" too */
			return flen - fl == 2 && f[fl + 1] == '#';
		if (fl == flen)
			return 0;
		f += fl + 1, flen -= fl + 1;
		t += tl + 1, tlen -= tl + 1;
	}
}
