/* Sessions handed over between running processes: what each side is told, and, with either of the two
 * killed at every commit, that the session has one owner and is whole. */
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

#include "lib/loop.h"

#define MESSAGES 5
#define BASE 1700000000000000
#define TAG_SHIFT 8

/* --- what is handed over ----------------------------------------------------------------------- */

static char *folder;
static char path_of[2][300]; /* the giver's store, the taker's */

static struct mqev_record
record_of(int i)
{
	static const uint8_t packed[] = {1, 0, 1, 0, 0, 0, 0, 'a', 'x'};
	static const uint8_t states[] = {MQEV_RECORD_ACCEPTED, MQEV_RECORD_RELEASED,
	    MQEV_RECORD_ACCEPTED, MQEV_RECORD_RECEIVED, MQEV_RECORD_DONE};
	bool in = states[i] >= MQEV_RECORD_RECEIVED;
	bool bytes = states[i] == MQEV_RECORD_ACCEPTED || states[i] == MQEV_RECORD_RECEIVED;

	return (struct mqev_record){.seq = BASE + (uint64_t)i,
	    .n = in ? 0 : (uint64_t)i,
	    .cookie = in ? 0 : 100 + (uint64_t)i,
	    .created_ms = 1700000000000,
	    .bytes = bytes ? packed : NULL,
	    .bytes_len = bytes ? sizeof(packed) : 0,
	    .client = 1,
	    .epoch = 3,
	    .mid = in ? (uint16_t)(7 + i) : 0,
	    .kind = in ? MQEV_RECORD_IN : MQEV_RECORD_OUT,
	    .state = states[i],
	    .qos = 2};
}

static void *
open_back_end(const char *path, bool read_only)
{
	const struct mqev_backend_options options = {
	    .size = sizeof(options), .path = path, .read_only = read_only};
	void *state = NULL;

	ck_assert_int_eq(mqev_backend_sqlite()->open(&options, &state), 0);
	return state;
}

/* A store with that client and no other; nobody has it open. */
static void
fill(const char *path, const char *name)
{
	const struct mqev_backend *b = mqev_backend_sqlite();
	const struct mqev_store_client client = {.client = 1,
	    .epoch = 3,
	    .name = name,
	    .client_id = "pump",
	    .sent_n = 2,
	    .flags = MQEV_STORE_CLIENT_SESSION};
	struct mqev_change change = {.kind = MQEV_CHANGE_CLIENT, .client = &client};
	void *state = open_back_end(path, false);

	ck_assert_int_eq(b->append(state, &change, 1), 0);
	for (int i = 0; i < MESSAGES; i++) {
		struct mqev_record record = record_of(i);

		change = (struct mqev_change){.kind = MQEV_CHANGE_PUT, .record = &record};
		ck_assert_int_eq(b->append(state, &change, 1), 0);
	}
	change = (struct mqev_change){
	    .kind = MQEV_CHANGE_SEQ, .record = &(struct mqev_record){.seq = BASE + 1000}};
	ck_assert_int_eq(b->append(state, &change, 1), 0);
	ck_assert_int_eq(b->commit(state, true), 0);
	b->close(state);
}

/* --- what is there ----------------------------------------------------------------------------- */

struct found {
	bool client;
	uint32_t number;
	uint32_t flags;
	int records; /* as they were */
};

static int
see_seq(void *arg, uint64_t seq)
{
	(void)arg;
	(void)seq;
	return 0;
}

static int
see_client(void *arg, const struct mqev_store_client *client)
{
	struct found *found = arg;

	ck_assert(!found->client);
	ck_assert_str_eq(client->client_id, "pump");
	ck_assert_uint_eq(client->epoch, 3);
	ck_assert_uint_eq(client->sent_n, 2);
	found->client = true;
	found->number = client->client;
	found->flags = client->flags;
	return 0;
}

static int
see_record(void *arg, const struct mqev_record *r)
{
	struct found *found = arg;
	struct mqev_record expected = record_of((int)(r->seq - BASE));

	ck_assert_uint_eq(r->client, found->number);
	ck_assert_uint_eq(r->n, expected.n);
	ck_assert_uint_eq(r->cookie, expected.cookie);
	ck_assert_uint_eq(r->epoch, expected.epoch);
	ck_assert_uint_eq(r->mid, expected.mid);
	ck_assert_uint_eq(r->state, expected.state);
	ck_assert_uint_eq(r->bytes_len, expected.bytes_len);
	found->records++;
	return 0;
}

static struct found
look(const char *path)
{
	static const struct mqev_backend_visitor visitor = {see_seq, see_client, see_record};
	struct found found = {0};
	void *state = open_back_end(path, false);

	ck_assert_int_eq(mqev_backend_sqlite()->load(state, 0, &visitor, &found), 0);
	mqev_backend_sqlite()->close(state);
	return found;
}

/* Never two owners, never none; and who owns it, or will, has all of it. */
static void
check_owner(void)
{
	struct found giver = look(path_of[0]);
	struct found taker = look(path_of[1]);
	bool is_givers = giver.client && (giver.flags & MQEV_STORE_CLIENT_GONE) == 0;
	bool is_takers = taker.client && (taker.flags & MQEV_STORE_CLIENT_INCOMING) == 0;

	ck_assert(!(is_givers && is_takers));
	if (is_givers) {
		ck_assert_int_eq(giver.records, MESSAGES);
		return;
	}
	ck_assert(taker.client);
	ck_assert_int_eq(taker.records, MESSAGES);
	if (!is_takers)
		ck_assert_uint_eq(giver.flags >> TAG_SHIFT, taker.flags >> TAG_SHIFT);
}

/* --- processes --------------------------------------------------------------------------------- */

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

static void
set_up(void)
{
	folder = tk_tmpdir();
	for (int i = 0; i < 2; i++)
		snprintf(
		    path_of[i], sizeof(path_of[i]), "%s/%s", folder, i == 0 ? "giver" : "taker");
	fill(path_of[0], "pump");
}

static void
tear_down(void)
{
	tk_rmtree(folder);
	free(folder);
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

/* --- in one process ---------------------------------------------------------------------------- */

static struct {
	struct event_base *base;
	struct mqev_fleet *fleet;
	struct mqev_store *stores[2];
	int fds[2];
	struct mqev_handover_result results[2];
	char names[2][20];
	int ends;
} both;

static void
noted(struct mqev_fleet *fleet, const struct mqev_handover_result *result, void *arg)
{
	int side = (int)(intptr_t)arg;

	ck_assert_ptr_eq(fleet, both.fleet);
	both.results[side] = *result;
	snprintf(both.names[side], sizeof(both.names[side]), "%s", result->name);
	both.ends++;
}

static void
open_both(void)
{
	int error;

	memset(&both, 0, sizeof(both));
	set_up();
	both.base = event_base_new();
	both.fleet = mqev_fleet_new(both.base, NULL);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, both.fds), 0);
	for (int i = 0; i < 2; i++) {
		both.stores[i] = mqev_store_open(mqev_backend_sqlite(), path_of[i], NULL, &error);
		ck_assert_ptr_nonnull(both.stores[i]);
	}
}

static void
close_both(void)
{
	mqev_fleet_free(both.fleet);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(mqev_store_close(both.stores[i]), 0);
		if (both.fds[i] >= 0)
			close(both.fds[i]);
	}
	event_base_free(both.base);
	tear_down();
}

static int
give(const struct mqev_handover_options *options)
{
	return mqev_handover_give(
	    both.fleet, both.stores[0], "pump", both.fds[0], options, noted, (void *)(intptr_t)0);
}

static int
take(const struct mqev_handover_options *options)
{
	return mqev_handover_take(
	    both.fleet, both.stores[1], both.fds[1], options, noted, (void *)(intptr_t)1);
}

static void
await_ends(int ends)
{
	TK_RUN_UNTIL_COUNT(both.base, both.ends, ends, 10000);
}

static struct mqev_client *
client_of(int side)
{
	return mqev_client_new(
	    both.fleet, MQEV_OPTIONS(.client_id = "pump", .store = both.stores[side]), NULL);
}

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
