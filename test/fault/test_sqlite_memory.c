/* Each allocation of SQLite's fails in turn, once or for a while: what was committed is there, what
 * was not can be done again, and every call says that memory was wanting. */
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <mqev/sqlite.h>

#include "kill/power_model.h"
#include "lib/loop.h"
#include "lib/vfs.h"

#define TRANSACTIONS 4
#define CHANGES 6

static sqlite3_mem_methods real;
static char *folder;
static int files;

/* --- an allocator that fails -------------------------------------------------------------------
 */

static struct {
	_Atomic(long) left; /* requests until it fails; below 0: it does not */
	_Atomic(long) length;
	_Atomic(long) refused;
} lack = {.left = -1};

static void
fail_after(long n, long length)
{
	lack.refused = 0;
	lack.length = length;
	lack.left = n;
}

static bool
refuse(void)
{
	if (lack.left < 0)
		return false;
	if (lack.left > 0) {
		lack.left--;
		return false;
	}
	lack.refused++;
	if (--lack.length == 0)
		lack.left = -1;
	return true;
}

static void *
x_malloc(int size)
{
	return refuse() ? NULL : real.xMalloc(size);
}

static void *
x_realloc(void *block, int size)
{
	return refuse() ? NULL : real.xRealloc(block, size);
}

static bool
install(void)
{
	sqlite3_mem_methods failing;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK)
		return false;
	failing = real;
	failing.xMalloc = x_malloc;
	failing.xRealloc = x_realloc;
	return sqlite3_config(SQLITE_CONFIG_MALLOC, &failing) == SQLITE_OK;
}

/* --- a store that copes ------------------------------------------------------------------------
 */

static const struct mqev_backend *
backend(void)
{
	return mqev_backend_sqlite();
}

static void
only_for_want_of_memory(int error, const char *doing)
{
	ck_assert_msg(
	    error == 0 || error == MQEV_ERR_NOMEM, "%s: %s", doing, mqev_error_text(error));
}

static void *
open_store(const char *path)
{
	struct mqev_sqlite_options extra = {
	    .size = sizeof(extra), .vfs = TK_VFS_NAME, .ballast_bytes = MQEV_SQLITE_NO_BALLAST};
	const struct mqev_backend_options options = {
	    .size = sizeof(options), .path = path, .extra = &extra};
	void *state = NULL;
	int error;

	do {
		error = backend()->open(&options, &state);
		only_for_want_of_memory(error, "open");
		if (error != 0) {
			backend()->close(state);
			state = NULL;
		}
	} while (error != 0);
	return state;
}

static int
try_transaction(struct model *m, void *state)
{
	int error = 0;

	for (int i = 0; i < CHANGES && error == 0; i++)
		error = model_change(m, backend(), state);
	return error == 0 ? backend()->commit(state, true) : error;
}

/* The same one again, until it is kept. */
static void
transaction(struct model *m, void *state)
{
	static struct model before;
	int error;

	before = *m;
	do {
		*m = before;
		error = try_transaction(m, state);
		only_for_want_of_memory(error, "transaction");
		if (error != 0)
			backend()->rollback(state);
	} while (error != 0);
}

static void
expect_model(const struct model *m, void *state)
{
	uint64_t digest = 0;
	int error;

	do {
		error = model_digest_of(backend(), state, &digest);
		only_for_want_of_memory(error, "load");
	} while (error != 0);
	ck_assert_uint_eq(digest, model_digest(m));
}

/* Whether an allocation failed at all. */
static bool
live_without_memory(long n, long length)
{
	static struct model model;
	char path[512];
	void *state;
	bool failed;

	snprintf(path, sizeof(path), "%s/store-%d", folder, files++);
	model = (struct model){.random = 7};
	fail_after(n, length);
	state = open_store(path);
	for (int i = 0; i < TRANSACTIONS; i++) {
		transaction(&model, state);
		only_for_want_of_memory(backend()->compact(state), "compact");
		expect_model(&model, state);
	}
	backend()->close(state);
	failed = lack.refused > 0;
	fail_after(-1, 0);
	state = open_store(path);
	expect_model(&model, state);
	backend()->close(state);
	return failed;
}

/* So many in a row, at every one or one of so many. */
static const struct {
	long length;
	long step;
} lacks[] = {{1, 1}, {5, 7}, {60, 7}};

START_TEST(every_allocation_fails)
{
	long length = lacks[_i].length;
	long n = 0;

	folder = tk_tmpdir();
	tk_vfs_start();
	tk_vfs_slow_sync(-1);
	while (live_without_memory(n, length))
		n += lacks[_i].step;
	printf("sqlite: allocations up to the %ldth failed, %ld in a row\n", n, length);
	ck_assert_int_gt(n, 100);
	tk_rmtree(folder);
	free(folder);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sqlite_memory");
	TCase *tc = tk_case(suite, "sqlite_memory");

	if (!install())
		return 1;
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, every_allocation_fails, 0, (int)(sizeof(lacks) / sizeof(lacks[0])));
	return tk_main(suite);
}
