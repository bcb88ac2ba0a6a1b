/* A store on a disk that fails, is full or slow: each call of the file layer fails in turn, and
 * what was acknowledged is there all the same. */
#include <errno.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mqev/sqlite.h>

#include "core/mem.h"
#include "fault/tape_kit.h"
#include "lib/loop.h"
#include "lib/vfs.h"
#include "unit/unit.h"

#define MESSAGES 12
#define ATTEMPTS 20

static char *folder;
static char path[512];
static int files;

static void
setup(void)
{
	folder = tk_tmpdir();
	tk_vfs_start();
}

static void
teardown(void)
{
	tk_rmtree(folder);
	free(folder);
}

static const char *
fresh_path(void)
{
	snprintf(path, sizeof(path), "%s/store-%d", folder, files++);
	return path;
}

/* --- what is done, and what was said of it -----------------------------------------------------
 */

struct facts {
	int open_error;
	int error; /* of a store that failed later */
	bool struck_in_open;
	bool struck_before_close;
	int refusals;
	uint64_t seq[MESSAGES];
	bool kept[MESSAGES];	 /* acknowledged */
	bool removing[MESSAGES]; /* asked for: it may be gone */
	bool gone[MESSAGES];	 /* acknowledged */
};

/* A refused message is put again: the disk is full for a moment only. */
static bool
keep_message(struct tape_kit *kit, struct facts *facts, int i, size_t size)
{
	enum tape_answer answer = TAPE_REFUSED;

	for (int n = 0; n < ATTEMPTS && answer == TAPE_REFUSED; n++) {
		facts->seq[i] = tape_put(kit, i, size);
		answer = tape_wait(kit);
		facts->refusals += answer == TAPE_REFUSED;
	}
	ck_assert_int_ne(answer, TAPE_REFUSED);
	facts->kept[i] = answer == TAPE_DURABLE;
	return facts->kept[i];
}

static bool
remove_message(struct tape_kit *kit, struct facts *facts, int i)
{
	facts->removing[i] = true;
	tape_remove(kit, facts->seq[i]);
	facts->gone[i] = tape_wait(kit) == TAPE_DURABLE;
	return facts->gone[i];
}

static void
live(struct tape_kit *kit, struct facts *facts, size_t size)
{
	bool well = true;

	for (int i = 0; i < MESSAGES && well; i++) {
		well = keep_message(kit, facts, i, size);
		if (well && i % 3 == 2)
			well = remove_message(kit, facts, i - 2);
		if (well)
			well = tape_load(kit, facts->seq[i]) == TAPE_DURABLE;
	}
	/* A failed store takes nothing any more. */
	if (!well)
		ck_assert_uint_eq(tape_put(kit, 0, size), 0);
}

static struct facts
run(size_t size)
{
	struct facts facts = {0};
	struct tape_kit kit = {0};

	facts.open_error = tape_open(&kit, path, TK_VFS_NAME, 0);
	facts.struck_in_open = tk_vfs_failed();
	if (facts.open_error != 0)
		return facts;
	live(&kit, &facts, size);
	facts.struck_before_close = tk_vfs_failed();
	facts.error = tape_close(&kit);
	return facts;
}

/* --- what is there afterwards ------------------------------------------------------------------
 */

static void
expect_facts(const struct facts *facts)
{
	struct tape_kit kit = {0};

	tk_vfs_heal();
	ck_assert_int_eq(tape_open(&kit, path, NULL, 0), 0);
	for (int i = 0; i < MESSAGES; i++) {
		bool there = tape_holds(&kit, facts->seq[i], i);

		if (facts->kept[i] && !facts->removing[i])
			ck_assert_msg(there, "message %d was acknowledged and is lost", i);
		if (facts->gone[i])
			ck_assert_msg(!there, "message %d was removed and is back", i);
	}
	ck_assert_int_eq(tape_close(&kit), 0);
}

/* --- each call fails in turn -------------------------------------------------------------------
 */

struct failing {
	enum tk_vfs_call call;
	int code;
	int number;
	int open_error;
	int error; /* what the store fails with; 0: it goes on */
};

static const struct failing failings[] = {
    {TK_VFS_WRITE, SQLITE_IOERR_WRITE, EIO, MQEV_ERR_STORE, MQEV_ERR_STORE},
    {TK_VFS_WRITE, SQLITE_FULL, ENOSPC, MQEV_ERR_STORE_FULL, 0},
    {TK_VFS_WRITE, SQLITE_IOERR_WRITE, EDQUOT, MQEV_ERR_STORE_FULL, 0},
    {TK_VFS_SYNC, SQLITE_IOERR_FSYNC, EIO, MQEV_ERR_STORE, MQEV_ERR_STORE},
    {TK_VFS_SYNC, SQLITE_IOERR_FSYNC, ENOSPC, MQEV_ERR_STORE, MQEV_ERR_STORE},
    {TK_VFS_TRUNCATE, SQLITE_IOERR_TRUNCATE, EIO, MQEV_ERR_STORE, MQEV_ERR_STORE},
    {TK_VFS_READ, SQLITE_IOERR_READ, EIO, MQEV_ERR_STORE, MQEV_ERR_STORE},
    {TK_VFS_OPEN, SQLITE_CANTOPEN, EACCES, MQEV_ERR_STORE_ACCESS, MQEV_ERR_STORE_ACCESS},
    {TK_VFS_DELETE, SQLITE_IOERR_DELETE, EIO, MQEV_ERR_STORE, MQEV_ERR_STORE},
};

static void
expect_outcome(const struct failing *failing, const struct facts *facts, long nth)
{
	int wanted = 0;

	if (facts->open_error != 0) {
		ck_assert_msg(facts->open_error == failing->open_error, "call %ld: open says %s",
		    nth, mqev_error_text(facts->open_error));
		return;
	}
	if (facts->struck_before_close && !facts->struck_in_open)
		wanted = failing->error;
	/* The end of a store may fail without harm: all was committed. */
	if (!facts->struck_before_close && facts->error == failing->error)
		wanted = facts->error;
	ck_assert_msg(facts->error == wanted, "call %ld: the store says %s", nth,
	    mqev_error_text(facts->error));
}

/* Every one, or with large messages, whose log is folded, one of so many. */
static const struct {
	size_t size;
	long step;
} lives[] = {{200, 1}, {700000, 83}};

static void
fail_in_turn(const struct failing *failing, size_t size, long step)
{
	struct facts facts;
	bool failed;
	long n = 0;

	for (long nth = 1;; nth += step, n++) {
		fresh_path();
		tk_vfs_fail(failing->call, nth, failing->code, failing->number, false);
		facts = run(size);
		failed = tk_vfs_failed();
		expect_outcome(failing, &facts, nth);
		expect_facts(&facts);
		if (!failed)
			break;
	}
	printf("call %d, code %d, system %d, %zu bytes: failed %ld times\n", failing->call,
	    failing->code, failing->number, size, n);
}

START_TEST(each_call_fails)
{
	fail_in_turn(&failings[_i], lives[0].size, lives[0].step);
}
END_TEST

START_TEST(calls_fail_while_the_log_is_folded)
{
	fail_in_turn(&failings[_i], lives[1].size, lives[1].step);
}
END_TEST

/* Nobody tries a failed sync again and believes the second answer. */
START_TEST(a_failed_sync_is_final)
{
	struct facts facts = {0};
	struct tape_kit kit = {0};
	long syncs;

	ck_assert_int_eq(tape_open(&kit, fresh_path(), TK_VFS_NAME, 0), 0);
	ck_assert(keep_message(&kit, &facts, 0, 100));
	tk_vfs_fail(TK_VFS_SYNC, 1, SQLITE_IOERR_FSYNC, EIO, false);
	ck_assert(!keep_message(&kit, &facts, 1, 100));
	syncs = tk_vfs_count(TK_VFS_SYNC);
	ck_assert_uint_eq(tape_put(&kit, 2, 100), 0);
	ck_assert_int_eq(kit.failed, MQEV_ERR_STORE);
	ck_assert_int_eq(tk_vfs_count(TK_VFS_SYNC), syncs);
	ck_assert_int_eq(tape_close(&kit), MQEV_ERR_STORE);
	expect_facts(&facts);
}
END_TEST

/* --- no room -----------------------------------------------------------------------------------
 */

#define MANY 4000
#define LARGE 20000

static uint64_t many[MANY];

/* Puts until one is refused. */
static int
fill(struct tape_kit *kit)
{
	int n = 0;

	for (; n < MANY; n++) {
		many[n] = tape_put(kit, n, LARGE);
		if (tape_wait(kit) != TAPE_DURABLE)
			break;
	}
	ck_assert_int_lt(n, MANY);
	ck_assert_int_gt(n, 20);
	ck_assert_int_eq(kit->failed, 0);
	return n;
}

static void
remove_all(struct tape_kit *kit, int n)
{
	for (int i = 0; i < n; i++) {
		tape_remove(kit, many[i]);
		ck_assert_int_eq(tape_wait(kit), TAPE_DURABLE);
		ck_assert_msg(!tape_holds(kit, many[i], i), "message %d of %d", i, n);
	}
}

/* It takes messages again by itself, and about as many as before. */
static void
expect_healed(struct tape_kit *kit, int before)
{
	enum tape_answer answer = TAPE_REFUSED;
	int n = 0;

	for (int i = 0; i < ATTEMPTS && answer == TAPE_REFUSED; i++) {
		many[0] = tape_put(kit, 0, LARGE);
		answer = tape_wait(kit);
	}
	ck_assert_int_eq(answer, TAPE_DURABLE);
	n = fill(kit);
	ck_assert_int_ge(n, before / 2);
}

static const struct {
	uint64_t max_bytes;
	int64_t disk;
} rooms[] = {
    {(uint64_t)4 << 20, -1}, {(uint64_t)24 << 20, -1}, {0, 10 << 20}, {0, 13 << 20}, {0, 24 << 20}};

START_TEST(no_room)
{
	struct tape_kit kit = {0};
	int n;

	fresh_path();
	if (rooms[_i].disk >= 0)
		tk_vfs_limit(path, rooms[_i].disk);
	ck_assert_int_eq(tape_open(&kit, path, TK_VFS_NAME, rooms[_i].max_bytes), 0);
	n = fill(&kit);
	remove_all(&kit, n);
	/* The file keeps its size: a disk that is full stays it until others give room back. */
	if (rooms[_i].disk >= 0)
		tk_vfs_limit(path, rooms[_i].disk * 2);
	expect_healed(&kit, n);
	ck_assert_int_eq(tape_close(&kit), 0);
}
END_TEST

/* Space that others give back is used, without a restart. */
START_TEST(room_returns)
{
	struct facts facts = {0};
	struct tape_kit kit = {0};

	tk_vfs_limit(fresh_path(), 16 << 20);
	ck_assert_int_eq(tape_open(&kit, path, TK_VFS_NAME, 0), 0);
	fill(&kit);
	tk_vfs_limit(path, 64 << 20);
	for (int i = 0; i < MESSAGES; i++)
		ck_assert(keep_message(&kit, &facts, i, LARGE));
	ck_assert_int_eq(tape_close(&kit), 0);
	expect_facts(&facts);
}
END_TEST

/* --- a slow disk -------------------------------------------------------------------------------
 */

/* What gathers during a sync shares the next one; nobody waits for the writer to hand over. */
START_TEST(a_slow_sync_is_shared)
{
	struct tape_kit kit = {0};
	long before;

	ck_assert_int_eq(tape_open(&kit, fresh_path(), TK_VFS_NAME, 0), 0);
	tk_vfs_slow_sync(50);
	before = tk_vfs_count(TK_VFS_SYNC);
	for (int i = 0; i < 40; i++) {
		many[i] = tape_put(&kit, i, 100);
		mqev_tape_hand_over(kit.tape);
	}
	tape_wait_for(&kit, 40);
	ck_assert_int_le(tk_vfs_count(TK_VFS_SYNC) - before, 20);
	for (int i = 0; i < 40; i++)
		ck_assert(tape_holds(&kit, many[i], i));
	ck_assert_int_eq(tape_close(&kit), 0);
}
END_TEST

/* One sync for each commit that somebody waits for; none where power is not the promise. */
START_TEST(syncs_are_counted)
{
	struct facts facts = {0};
	struct tape_kit kit = {0};
	long before;

	fresh_path();
	kit.process_only = _i == 0;
	ck_assert_int_eq(tape_open(&kit, path, TK_VFS_NAME, 0), 0);
	before = tk_vfs_count(TK_VFS_SYNC);
	for (int i = 0; i < MESSAGES; i++)
		ck_assert(keep_message(&kit, &facts, i, 100));
	/* The log's header, when it begins, has one of its own. */
	ck_assert_int_eq(tk_vfs_count(TK_VFS_SYNC) - before, _i == 0 ? 0 : MESSAGES);
	ck_assert_int_eq(tape_close(&kit), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("store_faults");
	TCase *tc = tk_case(suite, "store_faults");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, each_call_fails, 0, (int)COUNT_OF(failings));
	tcase_add_loop_test(tc, calls_fail_while_the_log_is_folded, 0, (int)COUNT_OF(failings));
	tcase_add_test(tc, a_failed_sync_is_final);
	tcase_add_loop_test(tc, no_room, 0, (int)COUNT_OF(rooms));
	tcase_add_test(tc, room_returns);
	tcase_add_test(tc, a_slow_sync_is_shared);
	tcase_add_loop_test(tc, syncs_are_counted, 0, 2);
	return tk_main(suite);
}
