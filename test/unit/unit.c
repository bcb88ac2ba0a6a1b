/* The helpers of the core's tests. */
#include "unit/unit.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static unsigned
digit(char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *at = strchr(digits, toupper((unsigned char)c));

	ck_assert_msg(c != '\0' && at != NULL, "'%c' is not a hex digit", c);
	return (unsigned)(at - digits);
}

struct mqev_bytes
unit_hex(const char *hex)
{
	uint8_t *scratch = malloc(strlen(hex) + 1);
	struct mqev_bytes bytes = {NULL, 0};
	uint8_t *exact;

	ck_assert_ptr_nonnull(scratch);
	while (*hex != '\0') {
		if (*hex == ' ') {
			hex++;
			continue;
		}
		scratch[bytes.len++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
		hex += 2;
	}
	exact = malloc(bytes.len > 0 ? bytes.len : 1);
	ck_assert_ptr_nonnull(exact);
	memcpy(exact, scratch, bytes.len);
	free(scratch);
	bytes.data = exact;
	return bytes;
}

struct mqev_bytes
unit_text(const char *text)
{
	return (struct mqev_bytes){(const uint8_t *)text, strlen(text)};
}

void
unit_same(struct mqev_bytes got, struct mqev_bytes want, const char *what)
{
	size_t i;

	for (i = 0; i < got.len && i < want.len; i++)
		ck_assert_msg(got.data[i] == want.data[i], "%s: byte %zu is %02X, not %02X", what,
		    i, got.data[i], want.data[i]);
	ck_assert_msg(got.len == want.len, "%s: %zu bytes, not %zu", what, got.len, want.len);
}

uint32_t
unit_random(uint32_t *state)
{
	*state = *state * UINT32_C(1664525) + UINT32_C(1013904223);
	return *state >> 8 ^ *state << 16;
}

int
unit_run(const char *name, void (*add)(TCase *))
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 60);
	add(tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
