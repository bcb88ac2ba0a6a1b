/* What the tests of the core share: bytes from hex text, and the frame of a check program. */
#ifndef MQEV_TEST_UNIT_H
#define MQEV_TEST_UNIT_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* "20 02 0000", spaces anywhere, in a block of exactly that size which free() releases. */
struct mqev_bytes unit_hex(const char *hex);

/* A view of a text without its NUL. */
struct mqev_bytes unit_text(const char *text);

/* Fails the test unless both hold the same bytes. */
void unit_same(struct mqev_bytes got, struct mqev_bytes want, const char *what);

/* A fixed sequence of numbers that look random. */
uint32_t unit_random(uint32_t *state);

/* Runs a suite of one case; add is given the case to fill. The exit status of main(). */
int unit_run(const char *name, void (*add)(TCase *));

#endif
