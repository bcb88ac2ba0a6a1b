/*
 * Runs a fuzz target on files instead of on what libFuzzer thinks of: on its corpus in the sources
 * as a test among the others, or on those of the folders named as arguments, for coverage. What a
 * target checks is in fuzz_*.c.
 */
#include <check.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char **files;
static int file_count;

static int
is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void
add_folder(const char *folder)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, is_file, alphasort);

	if (n < 0)
		tk_die("replay: cannot read %s", folder);
	files = realloc(files, ((size_t)(file_count + n) + 1) * sizeof(*files));
	for (int i = 0; i < n; i++) {
		struct tk_buf path = {0};

		tk_buf_printf(&path, "%s/%s", folder, entries[i]->d_name);
		files[file_count++] = (char *)path.data;
		free(entries[i]);
	}
	free(entries);
}

static void
add_corpus(const char *name)
{
	const char *source = getenv("MQEV_SRCDIR");
	struct tk_buf path = {0};

	tk_buf_printf(&path, "%s/test/fuzz/corpus/%s", source != NULL ? source : ".", name);
	add_folder((char *)path.data);
	tk_buf_free(&path);
}

/* In a block of just that size, so that a byte read too far is seen. */
static void
run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	long size;

	if (f == NULL || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 0)
		tk_die("replay: cannot read %s", path);
	rewind(f);
	data = malloc((size_t)size + (size == 0));
	if (data == NULL || fread(data, 1, (size_t)size, f) != (size_t)size)
		tk_die("replay: cannot read %s", path);
	fclose(f);
	LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
}

START_TEST(seed)
{
	fprintf(stderr, "%s\n", files[_i]);
	run_file(files[_i]);
}
END_TEST

static int
test_corpus(void)
{
	Suite *suite = suite_create("seeds of " FUZZ_NAME);
	TCase *tc = tk_case(suite, FUZZ_NAME);

	add_corpus(FUZZ_NAME);
	if (file_count == 0)
		tk_die("replay: no seed of %s", FUZZ_NAME);
	tcase_add_loop_test(tc, seed, 0, file_count);
	return tk_main(suite);
}

int
main(int argc, char **argv)
{
	int result = 0;

	for (int i = 1; i < argc; i++)
		add_folder(argv[i]);
	for (int i = 0; i < file_count; i++)
		run_file(files[i]);
	if (argc == 1)
		result = test_corpus();
	while (file_count > 0)
		free(files[--file_count]);
	free(files);
	return result;
}
