/* The back end on SQLite: the contract of all back ends, and what only a file has: it is there
 * again, has an owner, is open once, and may be damaged. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mqev/sqlite.h>
#include <sqlite3.h>

#include "lib/loop.h"
#include "unit/backend_cases.h"
#include "unit/unit.h"

#define RECORDS 40

static char *folder;
static char path[512];
static int files;

static void
make_folder(void)
{
	folder = tk_tmpdir();
}

static void
remove_folder(void)
{
	tk_rmtree(folder);
	free(folder);
}

static const char *
fresh_path(void)
{
	/* Each test is a process of its own. */
	snprintf(path, sizeof(path), "%s/store-%d-%d", folder, (int)getpid(), files++);
	return path;
}

static const struct mqev_backend *
backend(void)
{
	return mqev_backend_sqlite();
}

static int
try_open(const char *at, void **state)
{
	const struct mqev_backend_options options = {.size = sizeof(options), .path = at};

	*state = NULL;
	return backend()->open(&options, state);
}

static void *
must_open(const char *at)
{
	void *state;
	int error = try_open(at, &state);

	ck_assert_msg(error == 0, "open: %s: %s", mqev_error_text(error),
	    state != NULL ? backend()->error_text(state) : "");
	return state;
}

/* --- a store with something in it --------------------------------------------------------------
 */

static void
payload_of(uint64_t seq, char *text, size_t size)
{
	snprintf(text, size, "message %llu with a payload of its own", (unsigned long long)seq);
}

static void
put(void *state, uint64_t seq)
{
	char payload[64];
	struct mqev_record record = {.seq = seq,
	    .n = seq * 3,
	    .cookie = ~seq,
	    .created_ms = 1700000000000,
	    .client = 1,
	    .epoch = 2,
	    .kind = MQEV_RECORD_OUT,
	    .state = MQEV_RECORD_ACCEPTED,
	    .qos = 2,
	    .bytes = payload};
	struct mqev_change change = {.kind = MQEV_CHANGE_PUT, .record = &record};

	payload_of(seq, payload, sizeof(payload));
	record.bytes_len = strlen(payload);
	ck_assert_int_eq(backend()->append(state, &change, 1), 0);
}

static void
fill(void *state)
{
	const struct mqev_store_client client = {
	    .client = 1, .name = "pump", .client_id = "pump-1", .epoch = 2};
	const struct mqev_record limit = {.seq = 1000};
	const struct mqev_change changes[] = {{.kind = MQEV_CHANGE_CLIENT, .client = &client},
	    {.kind = MQEV_CHANGE_SEQ, .record = &limit}};

	ck_assert_int_eq(backend()->append(state, changes, COUNT_OF(changes)), 0);
	for (uint64_t seq = 1; seq <= RECORDS; seq++)
		put(state, seq);
	ck_assert_int_eq(backend()->commit(state, true), 0);
}

struct seen {
	void *state;
	size_t records;
	size_t clients;
	size_t unreadable;
};

static int
see_seq(void *arg, uint64_t seq)
{
	(void)arg;
	ck_assert_uint_eq(seq, 1000);
	return 0;
}

static int
see_client(void *arg, const struct mqev_store_client *client)
{
	ck_assert_str_eq(client->name, "pump");
	ck_assert_str_eq(client->client_id, "pump-1");
	ck_assert_uint_eq(client->epoch, 2);
	((struct seen *)arg)->clients++;
	return 0;
}

static int
see_record(void *arg, const struct mqev_record *record)
{
	ck_assert_uint_eq(record->n, record->seq * 3);
	ck_assert_uint_eq(record->cookie, ~record->seq);
	ck_assert_uint_eq(record->qos, 2);
	ck_assert_uint_le(record->seq, RECORDS);
	((struct seen *)arg)->records++;
	return 0;
}

static int
see_bytes(void *arg, const void *bytes, size_t len)
{
	char payload[64];

	payload_of(*(const uint64_t *)arg, payload, sizeof(payload));
	ck_assert_uint_eq(len, strlen(payload));
	ck_assert_mem_eq(bytes, payload, len);
	return 0;
}

/* What is read is what was written, or an error says that it is not. */
static int
read_all(void *state, struct seen *seen)
{
	static const struct mqev_backend_visitor visitor = {see_seq, see_client, see_record};
	int error;

	*seen = (struct seen){.state = state};
	error = backend()->load(state, 0, &visitor, seen);
	for (uint64_t seq = 1; seq <= RECORDS && error == 0; seq++) {
		int result = backend()->read(state, seq, see_bytes, &seq);

		if (result == MQEV_ERR_STORE_DAMAGED)
			seen->unreadable++;
		else if (result != MQEV_ERR_NOT_FOUND)
			error = result;
	}
	return error;
}

static void
expect_whole(const char *at)
{
	void *state = must_open(at);
	struct seen seen;

	ck_assert_int_eq(read_all(state, &seen), 0);
	ck_assert_uint_eq(seen.records, RECORDS);
	ck_assert_uint_eq(seen.clients, 1);
	ck_assert_uint_eq(seen.unreadable, 0);
	backend()->close(state);
}

static void
make_store(const char *at)
{
	void *state = must_open(at);

	fill(state);
	backend()->close(state);
}

/* --- there again -------------------------------------------------------------------------------
 */

START_TEST(there_again)
{
	make_store(fresh_path());
	expect_whole(path);
	expect_whole(path);
}
END_TEST

/* A process that ends without closing anything; what it had not committed is not there. */
START_TEST(there_after_a_kill)
{
	int status;
	pid_t child;

	fresh_path();
	child = fork();
	if (child == 0) {
		void *state = must_open(path);

		fill(state);
		put(state, RECORDS + 1);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	expect_whole(path);
}
END_TEST

START_TEST(read_only_beside_a_writer)
{
	struct mqev_backend_options options = {.size = sizeof(options), .read_only = true};
	struct seen seen;
	void *writer;
	void *reader = NULL;

	writer = must_open(fresh_path());
	fill(writer);
	options.path = path;
	ck_assert_int_eq(backend()->open(&options, &reader), 0);
	put(writer, RECORDS + 1);
	ck_assert_int_eq(read_all(reader, &seen), 0);
	ck_assert_uint_eq(seen.records, RECORDS);
	backend()->rollback(writer);
	backend()->close(reader);
	backend()->close(writer);
	options.path = "/nonexistent/store";
	ck_assert_int_eq(backend()->open(&options, &reader), MQEV_ERR_STORE);
	ck_assert_ptr_nonnull(strstr(backend()->error_text(reader), "No such file"));
	backend()->close(reader);
}
END_TEST

/* --- whose it is -------------------------------------------------------------------------------
 */

static void
expect_refused(const char *at, int error)
{
	void *state;

	ck_assert_int_eq(try_open(at, &state), error);
	ck_assert_ptr_nonnull(state);
	ck_assert_uint_gt(strlen(backend()->error_text(state)), 0);
	backend()->close(state);
}

START_TEST(permissions)
{
	static const char *const suffixes[] = {"", "-wal", ".lock", ".ballast"};
	struct stat st;
	char file[600];
	void *state;

	state = must_open(fresh_path());
	fill(state);
	for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
		snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
		ck_assert_msg(stat(file, &st) == 0, "%s: %s", file, strerror(errno));
		ck_assert_uint_eq(st.st_mode & 0777, 0600);
	}
	backend()->close(state);
	ck_assert_int_eq(chmod(path, 0640), 0);
	expect_refused(path, MQEV_ERR_STORE_ACCESS);
	ck_assert_int_eq(chmod(path, 0600), 0);
	expect_whole(path);
}
END_TEST

START_TEST(foreign_owner)
{
	if (geteuid() != 0)
		tk_skip("only root can give files away");
	make_store(fresh_path());
	ck_assert_int_eq(chown(path, 12345, 12345), 0);
	expect_refused(path, MQEV_ERR_STORE_ACCESS);
}
END_TEST

START_TEST(links_are_not_followed)
{
	char link_path[600];

	make_store(fresh_path());
	snprintf(link_path, sizeof(link_path), "%s-link", path);
	ck_assert_int_eq(symlink(path, link_path), 0);
	expect_refused(link_path, MQEV_ERR_STORE_ACCESS);
	snprintf(link_path, sizeof(link_path), "%s/other", folder);
	expect_refused(folder, MQEV_ERR_STORE_ACCESS);
}
END_TEST

START_TEST(open_once)
{
	void *state = must_open(fresh_path());
	int status;
	pid_t child;

	fill(state);
	expect_refused(path, MQEV_ERR_STORE_BUSY);
	child = fork();
	if (child == 0) {
		/* The lock that came with the fork is the parent's; a new opening finds it. */
		void *second;

		_exit(try_open(path, &second) == MQEV_ERR_STORE_BUSY ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	backend()->close(state);
	expect_whole(path);
}
END_TEST

/* --- what kind of file -------------------------------------------------------------------------
 */

static void
run_sql(const char *sql)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static void
write_file(const char *at, const void *data, size_t len)
{
	int fd = open(at, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static size_t
read_file(const char *at, uint8_t **data)
{
	struct stat st;
	int fd = open(at, O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	*data = malloc((size_t)st.st_size + 1);
	ck_assert_ptr_nonnull(*data);
	ck_assert_int_eq(read(fd, *data, (size_t)st.st_size), st.st_size);
	close(fd);
	return (size_t)st.st_size;
}

static void
expect_left_alone(int error)
{
	uint8_t *before;
	uint8_t *after;
	size_t len = read_file(path, &before);

	expect_refused(path, error);
	ck_assert_uint_eq(read_file(path, &after), len);
	ck_assert_mem_eq(before, after, len);
	free(before);
	free(after);
}

START_TEST(another_program_s_file)
{
	fresh_path();
	write_file(path,
	    "precious words of somebody else, longer than a header of SQLite's files is:"
	    " a hundred bytes, and then some more to be sure of that",
	    130);
	expect_left_alone(MQEV_ERR_STORE_DAMAGED);
	fresh_path();
	run_sql("CREATE TABLE precious (words TEXT); INSERT INTO precious VALUES ('x')");
	ck_assert_int_eq(chmod(path, 0600), 0);
	expect_left_alone(MQEV_ERR_STORE_DAMAGED);
}
END_TEST

START_TEST(a_later_format)
{
	make_store(fresh_path());
	run_sql("PRAGMA user_version = 3");
	expect_left_alone(MQEV_ERR_STORE_VERSION);
}
END_TEST

START_TEST(an_empty_file_is_a_new_store)
{
	fresh_path();
	write_file(path, "", 0);
	make_store(path);
	expect_whole(path);
}
END_TEST

START_TEST(arguments)
{
	struct mqev_sqlite_options extra = {.size = sizeof(extra) - 1};
	struct mqev_backend_options options = {.size = sizeof(options)};
	void *state = NULL;

	ck_assert_int_eq(backend()->open(&options, &state), MQEV_ERR_INVALID);
	options.path = "";
	ck_assert_int_eq(backend()->open(&options, &state), MQEV_ERR_INVALID);
	options.path = fresh_path();
	options.extra = &extra;
	ck_assert_int_eq(backend()->open(&options, &state), MQEV_ERR_INVALID);
	options.extra = NULL;
	options.max_bytes = 1000;
	ck_assert_int_eq(backend()->open(&options, &state), MQEV_ERR_INVALID);
	ck_assert_ptr_null(state);
	backend()->close(NULL);
	options.max_bytes = 0;
	extra.size = sizeof(extra);
	extra.vfs = "no such layer";
	options.extra = &extra;
	ck_assert_int_ne(backend()->open(&options, &state), 0);
	backend()->close(state);
}
END_TEST

/* --- damage ------------------------------------------------------------------------------------
 */

static void
remove_side_files(void)
{
	char file[600];

	snprintf(file, sizeof(file), "%s-wal", path);
	(void)unlink(file);
	snprintf(file, sizeof(file), "%s-shm", path);
	(void)unlink(file);
}

/* An error by name, or everything as it was; never something else. */
static bool
damage_is_seen(void)
{
	struct seen seen;
	void *state;
	int error = try_open(path, &state);
	bool whole = false;

	if (error == 0) {
		error = read_all(state, &seen);
		whole = seen.records == RECORDS && seen.clients == 1 && seen.unreadable == 0;
	}
	ck_assert_msg(error == 0 || error == MQEV_ERR_STORE_DAMAGED || error == MQEV_ERR_STORE ||
			  error == MQEV_ERR_STORE_VERSION,
	    "%s", mqev_error_text(error));
	backend()->close(state);
	return error != 0 || !whole;
}

/* Spread over the file; another part in each turn of the loop test. */
#define FLIP_STEP 128

START_TEST(flipped_bytes)
{
	uint8_t *data;
	size_t len;
	size_t seen = 0;

	make_store(fresh_path());
	len = read_file(path, &data);
	for (size_t at = (size_t)_i; at < len; at += FLIP_STEP) {
		data[at] ^= (uint8_t)(1 << _i % 8);
		write_file(path, data, len);
		remove_side_files();
		seen += damage_is_seen();
		data[at] ^= (uint8_t)(1 << _i % 8);
	}
	ck_assert_uint_gt(seen, 0);
	free(data);
}
END_TEST

START_TEST(truncated)
{
	uint8_t *data;
	size_t len;

	make_store(fresh_path());
	len = read_file(path, &data);
	for (size_t shorter = 1 + (size_t)_i; shorter < len; shorter += 997) {
		write_file(path, data, shorter);
		remove_side_files();
		ck_assert_msg(damage_is_seen(), "%zu of %zu bytes", shorter, len);
	}
	free(data);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_unchecked_fixture(tc, make_folder, remove_folder);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, there_again);
	tcase_add_test(tc, there_after_a_kill);
	tcase_add_test(tc, read_only_beside_a_writer);
	tcase_add_test(tc, permissions);
	tcase_add_test(tc, foreign_owner);
	tcase_add_test(tc, links_are_not_followed);
	tcase_add_test(tc, open_once);
	tcase_add_test(tc, another_program_s_file);
	tcase_add_test(tc, a_later_format);
	tcase_add_test(tc, an_empty_file_is_a_new_store);
	tcase_add_test(tc, arguments);
	tcase_add_loop_test(tc, flipped_bytes, 0, 8);
	tcase_add_loop_test(tc, truncated, 0, 4);
}

int
main(void)
{
	static struct backend_under_test tested = {.fresh_path = fresh_path};
	Suite *suite = suite_create("backend_sqlite");
	TCase *contract = tcase_create("contract");
	TCase *files_case = tcase_create("files");

	tested.backend = mqev_backend_sqlite();
	tcase_add_unchecked_fixture(contract, make_folder, remove_folder);
	add_backend_cases(contract, &tested);
	add_tests(files_case);
	suite_add_tcase(suite, contract);
	suite_add_tcase(suite, files_case);
	return tk_main(suite);
}
