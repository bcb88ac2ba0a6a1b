/* The kit's own rules of UTF-8 strings, topic names and topic filters. */
#ifndef TK_TEXT_H
#define TK_TEXT_H

#include <stddef.h>

enum tk_text_fault {
	TK_TEXT_OK,
	TK_TEXT_NOT_UTF8, /* ill-formed, overlong, surrogate, above U+10FFFF */
	TK_TEXT_NUL,
	TK_TEXT_EMPTY,
	TK_TEXT_WILDCARD,     /* + or # in a topic name */
	TK_TEXT_BAD_HASH,     /* # not alone in the last level */
	TK_TEXT_BAD_PLUS,     /* + not alone in its level */
	TK_TEXT_SHARE_NAME,   /* $share/NAME: empty, or with + or # in it */
	TK_TEXT_SHARE_FILTER, /* $share/NAME without a filter behind it */
	TK_TEXT_FAULTS
};

const char *tk_text_fault_name(enum tk_text_fault f);

enum tk_text_fault tk_utf8_check(const unsigned char *s, size_t len);
enum tk_text_fault tk_topic_check(const unsigned char *s, size_t len);
/* `shared` says whether $share/ has its meaning (version 5). */
enum tk_text_fault tk_filter_check(const unsigned char *s, size_t len, int shared);

int tk_filter_is_shared(const unsigned char *s, size_t len); /* begins with "$share/" */
int tk_filter_has_wildcard(const unsigned char *s, size_t len);

/* Whether a valid filter (without $share/) matches a valid topic name. */
int
tk_topic_matches(const unsigned char *filter, size_t flen, const unsigned char *topic, size_t tlen);

#endif
