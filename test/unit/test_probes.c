/* The USDT probes are in the library as tracers look for them: in its notes. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "lib/loop.h"
#include "lib/server.h"

#ifdef HAVE_USDT
#	define BUILT_WITH 1
#else
#	define BUILT_WITH 0
#endif

static char notes[1 << 20];

static void
read_notes(void)
{
	char command[1200];
	size_t len;
	FILE *f;

	snprintf(
	    command, sizeof(command), "readelf -n '%s/.libs/libmqev.so'", getenv("MQEV_BUILDDIR"));
	f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	len = fread(notes, 1, sizeof(notes) - 1, f);
	notes[len] = '\0';
	ck_assert_int_eq(pclose(f), 0);
}

/* How many places have this probe, each with so many arguments. */
static int
places_of(const char *name, int arguments)
{
	char wanted[64];
	int places = 0;

	snprintf(wanted, sizeof(wanted), "Provider: mqev\n    Name: %s\n", name);
	for (const char *at = strstr(notes, wanted); at != NULL; at = strstr(at + 1, wanted)) {
		const char *text = strstr(at, "Arguments: ");
		int seen = 0;

		ck_assert_ptr_nonnull(text);
		for (text += strlen("Arguments: "); *text != '\n'; text++)
			seen += *text == '@';
		ck_assert_int_eq(seen, arguments);
		places++;
	}
	return places;
}

START_TEST(probes_are_there)
{
	char *readelf = tk_find_program("readelf");
	bool there = readelf != NULL;

	free(readelf);
	if (!BUILT_WITH)
		tk_skip("built without sys/sdt.h");
	if (!there)
		tk_skip("readelf is not installed");
	read_notes();
	ck_assert_int_ge(places_of("send", 4), 1);
	ck_assert_int_ge(places_of("receive", 4), 1);
	ck_assert_int_ge(places_of("state", 3), 1);
	ck_assert_int_ge(places_of("drop", 3), 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("probes");

	tcase_add_test(tk_case(s, "notes"), probes_are_there);
	return tk_main(s);
}
