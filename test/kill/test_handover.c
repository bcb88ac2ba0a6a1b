/* Sessions handed over between running processes: what each side is told, and, with either of the
 * two killed at every commit, that the session has one owner and is whole. */
#include <check.h>
#include <event2/event.h>
#include <mqev/mqev.h>
#include <mqev/sqlite.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kill/handover_kit.h"
#include "lib/loop.h"

/* --- processes ---------------------------------------------------------------------------------
 */

static struct {
	struct mqev_backend backend;
	_Atomic(int) left; /* half commits until the end; 0: none is the last */
} killing;

static void
pass(void)
{
	if (killing.left > 0 && --killing.left == 0)
		kill(getpid(), SIGKILL);
}

static int
killing_commit(void *state, bool sync)
{
	int error;

	pass();
	error = mqev_backend_sqlite()->commit(state, sync);
	pass();
	return error;
}

static void
ended(struct mqev_fleet *fleet, const struct mqev_handover_result *result, void *arg)
{
	(void)fleet;
	*(struct mqev_handover_result *)arg = *result;
	((struct mqev_handover_result *)arg)->name = NULL;
}

/* One side, in a process of its own. Ends with 0 when it was handed over, or there was nothing. */
static void
be_side(int side, int fd, int passes)
{
	struct event_base *base = event_base_new();
	struct mqev_fleet *fleet = mqev_fleet_new(base, NULL);
	struct mqev_handover_result result = {.error = 1};
	struct mqev_store *store;
	int error;

	killing.backend = *mqev_backend_sqlite();
	killing.backend.commit = killing_commit;
	store = mqev_store_open(&killing.backend, path_of[side],
	    MQEV_STORE_OPTIONS(.backend_extra =
				   MQEV_SQLITE_OPTIONS(.ballast_bytes = MQEV_SQLITE_NO_BALLAST)),
	    &error);
	killing.left = passes;
	alarm(20);
	error = side == 0 ? mqev_handover_give(fleet, store, "pump", fd, NULL, ended, &result)
			  : mqev_handover_take(fleet, store, fd, NULL, ended, &result);
	if (error == 0)
		event_base_dispatch(base);
	mqev_fleet_free(fleet);
	event_base_free(base);
	if (mqev_store_close(store) != 0)
		_exit(2);
	_exit(error == MQEV_ERR_NOT_FOUND || result.error == 0 ? 0 : 1);
}

static pid_t
start_side(int side, const int *fds, int passes)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(fds[1 - side]);
		be_side(side, fds[side], passes);
	}
	return pid;
}

/* Both sides once. True: both say that it was handed over. */
static bool
try(int victim, int passes, bool *killed)
{
	int fds[2];
	pid_t pids[2];
	int status[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	for (int side = 0; side < 2; side++)
		pids[side] = start_side(side, fds, side == victim ? passes : 0);
	close(fds[0]);
	close(fds[1]);
	for (int side = 0; side < 2; side++)
		ck_assert_int_eq(waitpid(pids[side], &status[side], 0), pids[side]);
	*killed = victim >= 0 && WIFSIGNALED(status[victim]);
	for (int side = 0; side < 2; side++)
		ck_assert(WIFEXITED(status[side]) || (side == victim && *killed));
	return !*killed && WEXITSTATUS(status[0]) == 0 && WEXITSTATUS(status[1]) == 0;
}

/* Killed before and after each commit, given again, and killed there too. */
START_TEST(killed_at_each_commit)
{
	int victim = _i;
	bool killed = true;
	int passes;

	for (passes = 1; killed; passes++) {
		bool again;

		set_up();
		if (try(victim, passes, &killed))
			ck_assert(!killed);
		check_owner();
		if (killed) {
			(void)try(victim, 1 + passes % 3, &again);
			check_owner();
			while (look(path_of[0]).client)
				(void)try(-1, 0, &again);
		}
		check_owner();
		ck_assert_int_eq(look(path_of[1]).records, MESSAGES);
		ck_assert_uint_eq(look(path_of[1]).flags, MQEV_STORE_CLIENT_SESSION);
		tear_down();
	}
	/* Two commits of each side, before and after each, and one run without a kill. */
	ck_assert_int_ge(passes, 6);
}
END_TEST

/* --- in one process ----------------------------------------------------------------------------
 */

static void
count_pending(struct mqev_client *client, struct mqev_pending *pending, void *userdata)
{
	(void)client;
	ck_assert_uint_ge(pending->cookie, 100);
	ck_assert_uint_ge(pending->token, BASE);
	++*(int *)userdata;
}

/* A client goes on in the other process with what was pending, under the same tokens. */
START_TEST(a_client_goes_on)
{
	struct mqev_client *client;
	int pending = 0;

	open_both();
	ck_assert_int_eq(take(NULL), 0);
	ck_assert_int_eq(give(NULL), 0);
	ck_assert_ptr_null(client_of(0));
	await_ends(2);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(both.results[i].error, 0);
		ck_assert_str_eq(both.names[i], "pump");
		ck_assert_uint_eq(both.results[i].messages, MESSAGES);
		ck_assert(both.results[i].owned == (i == 1));
	}
	client = client_of(1);
	ck_assert_ptr_nonnull(client);
	ck_assert_int_eq(mqev_client_pending(client, count_pending, &pending), 0);
	ck_assert_int_eq(pending, 3);
	/* The name is free again where it was. */
	ck_assert_int_eq(give(NULL), MQEV_ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(client_of(0));
	ck_assert_int_eq(give(NULL), MQEV_ERR_STORE_BUSY);
	close_both();
}
END_TEST

/* The taker's numbers are beyond all that came: no token is given twice. */
START_TEST(there_and_back)
{
	struct mqev_store *first = NULL;

	open_both();
	for (int i = 1; i <= 2; i++) {
		ck_assert_int_eq(take(NULL), 0);
		ck_assert_int_eq(give(NULL), 0);
		await_ends(2 * i);
		ck_assert_int_eq(both.results[0].error, 0);
		first = both.stores[0];
		both.stores[0] = both.stores[1];
		both.stores[1] = first;
	}
	close_both();
}
END_TEST

START_TEST(the_taker_has_one_of_that_name)
{
	struct mqev_client *client;

	open_both();
	client = client_of(1);
	ck_assert_int_ge(mqev_publish(client, MQEV_MESSAGE(.topic = "a", .qos = 1), NULL, NULL), 0);
	ck_assert_int_eq(take(NULL), 0);
	ck_assert_int_eq(give(NULL), 0);
	await_ends(2);
	ck_assert_int_eq(both.results[0].error, MQEV_ERR_STATE);
	ck_assert_int_eq(both.results[1].error, MQEV_ERR_STATE);
	ck_assert(both.results[0].owned);
	/* A client may go on at once. */
	ck_assert_ptr_nonnull(client_of(0));
	close_both();
}
END_TEST

START_TEST(too_large)
{
	open_both();
	ck_assert_int_eq(take(NULL), 0);
	ck_assert_int_eq(give(MQEV_HANDOVER_OPTIONS(.max_bytes = 100)), 0);
	await_ends(1);
	ck_assert_int_eq(both.results[0].error, MQEV_ERR_TOO_LARGE);
	ck_assert(both.results[0].owned);
	close(both.fds[0]);
	both.fds[0] = -1;
	await_ends(2);
	ck_assert_int_eq(both.results[1].error, MQEV_ERR_LOST);
	ck_assert_str_eq(both.names[1], "");
	close_both();
}
END_TEST

START_TEST(too_large_for_the_taker)
{
	open_both();
	ck_assert_int_eq(take(MQEV_HANDOVER_OPTIONS(.max_bytes = 100)), 0);
	ck_assert_int_eq(give(NULL), 0);
	await_ends(2);
	ck_assert_int_eq(both.results[0].error, MQEV_ERR_TOO_LARGE);
	ck_assert(both.results[0].owned);
	ck_assert_int_eq(both.results[1].error, MQEV_ERR_TOO_LARGE);
	close_both();
}
END_TEST

START_TEST(nobody_takes)
{
	open_both();
	ck_assert_int_eq(give(MQEV_HANDOVER_OPTIONS(.timeout_ms = 20)), 0);
	await_ends(1);
	ck_assert_int_eq(both.results[0].error, MQEV_ERR_TIMEOUT);
	ck_assert(both.results[0].owned);
	ck_assert_ptr_nonnull(client_of(0));
	close_both();
}
END_TEST

/* Its fleet is freed: wherever it was, one of the two has the session. */
START_TEST(fleet_freed)
{
	open_both();
	ck_assert_int_eq(take(NULL), 0);
	ck_assert_int_eq(give(NULL), 0);
	for (int i = 0; i < _i; i++)
		event_base_loop(both.base, EVLOOP_ONCE);
	mqev_fleet_free(both.fleet);
	ck_assert_int_eq(both.ends, 2);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(mqev_store_close(both.stores[i]), 0);
	check_owner();
	event_base_free(both.base);
	close(both.fds[0]);
	close(both.fds[1]);
	tear_down();
}
END_TEST

/* What comes is no session: said, and nothing is kept. */
static const struct {
	const char *bytes;
	size_t len;
	int error;
} nonsense[] = {
    {"GET / HTTP/1.0\r\n\r\n", 18, MQEV_ERR_STORE_DAMAGED},
    {"mqevses9", 8, MQEV_ERR_STORE_VERSION},
    {"mqevses1C\xFF\xFF\xFF\xFF", 13, MQEV_ERR_TOO_LARGE},
    {"mqevses1E\0\0\0\0", 13, MQEV_ERR_STORE_DAMAGED},
    {"mqevses1X\0\0\0\0E\0\0\0\0", 18, MQEV_ERR_STORE_DAMAGED},
    {"mqevses1R\0\0\0\1xE\0\0\0\0", 19, MQEV_ERR_STORE_DAMAGED},
    {"mqevses1E\0\0\0\0more", 17, MQEV_ERR_STORE_DAMAGED},
};

START_TEST(comes_nonsense)
{
	open_both();
	ck_assert_int_eq(
	    write(both.fds[0], nonsense[_i].bytes, nonsense[_i].len), (ssize_t)nonsense[_i].len);
	ck_assert_int_eq(take(NULL), 0);
	await_ends(1);
	ck_assert_int_eq(both.results[1].error, nonsense[_i].error);
	ck_assert(!both.results[1].owned);
	close_both();
}
END_TEST

START_TEST(arguments)
{
	open_both();
	ck_assert_int_eq(mqev_handover_give(NULL, both.stores[0], "pump", 1, NULL, noted, NULL),
	    MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_handover_give(both.fleet, both.stores[0], NULL, 1, NULL, noted, NULL),
	    MQEV_ERR_INVALID);
	ck_assert_int_eq(
	    mqev_handover_take(both.fleet, NULL, 1, NULL, noted, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_handover_take(both.fleet, both.stores[1], -1, NULL, noted, NULL),
	    MQEV_ERR_INVALID);
	ck_assert_int_eq(
	    mqev_handover_take(both.fleet, both.stores[1], 1, NULL, NULL, NULL), MQEV_ERR_INVALID);
	close_both();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("handover");
	TCase *tc = tk_case(suite, "processes");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, killed_at_each_commit, 0, 2);
	tcase_add_test(tc, a_client_goes_on);
	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, the_taker_has_one_of_that_name);
	tcase_add_test(tc, too_large);
	tcase_add_test(tc, too_large_for_the_taker);
	tcase_add_test(tc, nobody_takes);
	tcase_add_loop_test(tc, fleet_freed, 0, 20);
	tcase_add_loop_test(tc, comes_nonsense, 0, (int)(sizeof(nonsense) / sizeof(nonsense[0])));
	tcase_add_test(tc, arguments);
	return tk_main(suite);
}
