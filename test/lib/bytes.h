/*
 * Growable byte buffers, a short notation for packets, and byte comparisons for assertions.
 * Part of the test kit: it shares no code with lib/, which it judges.
 */
#ifndef TK_BYTES_H
#define TK_BYTES_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

/* An all-zero struct is an empty buffer. Running out of memory ends the program with a message. */
struct tk_buf {
	unsigned char *data;
	size_t len;
	size_t cap;
};

void tk_buf_free(struct tk_buf *b);	       /* leaves an empty buffer that may be used again */
void tk_buf_clear(struct tk_buf *b);	       /* keeps the memory */
void tk_buf_drain(struct tk_buf *b, size_t n); /* takes n bytes off the front */
void tk_buf_reserve(struct tk_buf *b, size_t more);
struct tk_buf tk_buf_copy(const void *data, size_t len);

void tk_buf_put(struct tk_buf *b, const void *data, size_t len);
void tk_buf_u8(struct tk_buf *b, unsigned v);
void tk_buf_u16(struct tk_buf *b, unsigned v);
void tk_buf_u32(struct tk_buf *b, uint32_t v);
void tk_buf_varint(struct tk_buf *b, uint32_t v);		 /* shortest form */
void tk_buf_bin(struct tk_buf *b, const void *data, size_t len); /* u16 length, bytes */
void tk_buf_str(struct tk_buf *b, const char *s);		 /* the same for C text */
void tk_buf_printf(struct tk_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * The packet notation, which every text of bytes in the kit is written in:
 *
 *   30 06 0001 61   hex digits in pairs; blanks are ignored
 *   'text'          the bytes of the text (no quote inside)
 *   { ... }         what is inside, behind its length in two bytes: {'a/b'} is an MQTT string
 *   ( ... )         what is inside, behind its length as a varint: a packet body or a property list
 *   x*N             the item before it N times: 'a'*70000, 00*4, (...)*2
 *   @               two bytes: the packet identifier given by the caller, 0 without one
 *
 * So a SUBACK of version 5 is "90 (@ () 01)". Text that is not in this notation ends the program.
 */
struct tk_buf tk_hex(const char *text);
struct tk_buf tk_hex_mid(const char *text, unsigned mid);
void tk_buf_hex(struct tk_buf *b, const char *text);

/* Bytes as hex text, at most `limit` of them; the caller frees the text. */
char *tk_dump(const void *data, size_t len, size_t limit);

/* NULL when both are equal, else a text that shows where they differ; the caller frees it. */
char *tk_diff(const void *want, size_t want_len, const void *got, size_t got_len);

#define tk_assert_mem(want, want_len, got, got_len)                             \
	do {                                                                    \
		char *tk_diff_ = tk_diff((want), (want_len), (got), (got_len)); \
		if (tk_diff_)                                                   \
			ck_abort_msg("%s", tk_diff_);                           \
	} while (0)

/* Both arguments are `const struct tk_buf *`. */
#define tk_assert_bytes(want, got) tk_assert_mem((want)->data, (want)->len, (got)->data, (got)->len)

/* `want` is in packet notation. */
#define tk_assert_hex(want, got, got_len)                                     \
	do {                                                                  \
		struct tk_buf tk_want_ = tk_hex(want);                        \
		tk_assert_mem(tk_want_.data, tk_want_.len, (got), (got_len)); \
		tk_buf_free(&tk_want_);                                       \
	} while (0)

/* Ends the program, naming the test kit: for mistakes in a test, not for what the library did. */
void tk_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

void *tk_calloc(size_t n, size_t size); /* never NULL */
char *tk_strdup(const char *s);		/* never NULL */

#endif
