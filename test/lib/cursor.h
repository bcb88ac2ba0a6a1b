/* Reading the fields of one packet in order: shared by strict.c and strict_props.c only. */
#ifndef TK_CURSOR_H
#define TK_CURSOR_H

#include "strict.h"

/* `stop` is set when the layout is broken: what follows has no meaning, all further reads give
 * nothing. */
struct tk_cursor {
	struct tk_packet *p;
	const unsigned char *at;
	size_t left;
	int stop;
};

/* Notes a broken layout and stops. */
void tk_cursor_fail(struct tk_cursor *c, const char *v5, const char *v3, const char *why);

unsigned tk_read_u8(struct tk_cursor *c, const char *what);
unsigned tk_read_u16(struct tk_cursor *c, const char *what);
uint32_t tk_read_u32(struct tk_cursor *c, const char *what);
uint32_t tk_read_varint(struct tk_cursor *c, const char *what);
struct tk_str tk_read_bytes(struct tk_cursor *c, size_t len, const char *what);
struct tk_str tk_read_bin(struct tk_cursor *c, const char *what);
struct tk_str tk_read_string(struct tk_cursor *c, const char *what); /* checked UTF-8 */

/* Context of a property list: a packet type, or the will within a CONNECT. */
enum { TK_PROPS_WILL = 0 };

/* Reads the property length and the list; every rule of section 3 of the statements is checked. */
void tk_read_props(struct tk_cursor *c, unsigned context, struct tk_props *out);

#endif
