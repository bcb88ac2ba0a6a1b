/* Hand-overs when the other side is hostile or gone, the writer held up, the disk full, the process
 * forked. */
#include <check.h>
#include <event2/event.h>
#include <mqev/mqev.h>
#include <mqev/sqlite.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kill/handover_kit.h"
#include "lib/loop.h"

/* Commits wait while it is closed; told to, they find no room. */
static struct {
	struct mqev_backend backend;
	pthread_mutex_t gate;
	_Atomic(bool) full;
	_Atomic(int) arrived;
} held = {.gate = PTHREAD_MUTEX_INITIALIZER};

static int
held_commit(void *state, bool sync)
{
	held.arrived++;
	pthread_mutex_lock(&held.gate);
	pthread_mutex_unlock(&held.gate);
	return held.full ? MQEV_ERR_STORE_FULL : mqev_backend_sqlite()->commit(state, sync);
}

/* The same store again, and its back end can be held up. */
static void
reopen_held(int side)
{
	int error;

	held.backend = *mqev_backend_sqlite();
	held.backend.commit = held_commit;
	ck_assert_int_eq(mqev_store_close(both.stores[side]), 0);
	both.stores[side] = mqev_store_open(&held.backend, path_of[side], NULL, &error);
	ck_assert_ptr_nonnull(both.stores[side]);
}

static void
await_arrival(int before)
{
	while (held.arrived == before)
		tk_run_until(both.base, NULL, NULL, 1);
}

/* What is said to that side, as soon as something is. */
static size_t
hear(int side, uint8_t *words, size_t size)
{
	ssize_t len;

	while ((len = recv(both.fds[side], words, size, MSG_DONTWAIT)) <= 0)
		tk_run_until(both.base, NULL, NULL, 1);
	return (size_t)len;
}

/* Gives it once to somebody who keeps the stream. */
static size_t
capture(uint8_t *stream, size_t size)
{
	size_t len;

	ck_assert_int_eq(give(NULL), 0);
	len = hear(1, stream, size);
	ck_assert_int_eq(send(both.fds[1], "R\x01", 2, 0), 2);
	await_ends(1);
	ck_assert_int_eq(both.results[0].error, -1);
	both.ends = 0;
	return len;
}

/* Nobody is there: no signal ends the process. */
START_TEST(the_other_is_gone)
{
	open_both();
	close(both.fds[1]);
	both.fds[1] = -1;
	ck_assert_int_eq(give(NULL), 0);
	await_ends(1);
	ck_assert_int_eq(both.results[0].error, MQEV_ERR_LOST);
	ck_assert(both.results[0].owned);
	close_both();
}
END_TEST

/* Behind changes that find no room: the time and the fleet's end hold all the same. */
START_TEST(the_disk_is_full)
{
	struct mqev_client *client;

	open_both();
	reopen_held(0);
	held.full = true;
	client = mqev_client_new(
	    both.fleet, MQEV_OPTIONS(.client_id = "other", .store = both.stores[0]), NULL);
	ck_assert_int_ge(mqev_publish(client, MQEV_MESSAGE(.topic = "a", .qos = 1), NULL, NULL), 0);
	ck_assert_int_eq(give(MQEV_HANDOVER_OPTIONS(.timeout_ms = _i == 0 ? 50 : 0)), 0);
	if (_i == 0)
		await_ends(1);
	else
		tk_run_until(both.base, NULL, NULL, 50);
	mqev_fleet_free(both.fleet);
	both.fleet = mqev_fleet_new(both.base, NULL);
	ck_assert_int_eq(both.ends, 1);
	ck_assert_int_eq(both.results[0].error, _i == 0 ? MQEV_ERR_TIMEOUT : MQEV_ERR_CANCELED);
	ck_assert(both.results[0].owned);
	held.full = false;
	close_both();
}
END_TEST

/* Who speaks on while the writer is at it does not fill the memory. */
START_TEST(a_flood)
{
	static uint8_t flood[65536];
	size_t len;
	size_t sent = 0;
	int before;

	open_both();
	len = capture(flood, sizeof(flood));
	reopen_held(1);
	before = held.arrived;
	pthread_mutex_lock(&held.gate);
	ck_assert_int_eq(take(NULL), 0);
	ck_assert_int_eq(send(both.fds[0], flood, len, 0), (ssize_t)len);
	await_arrival(before);
	for (int i = 0; i < 40; i++) {
		ssize_t n;

		tk_run_until(both.base, NULL, NULL, 5);
		while ((n = send(both.fds[0], flood, sizeof(flood), MSG_DONTWAIT)) > 0)
			sent += (size_t)n;
	}
	pthread_mutex_unlock(&held.gate);
	ck_assert_uint_le(sent, 1024 * 1024);
	await_ends(1);
	ck_assert_int_eq(both.results[1].error, MQEV_ERR_PROTOCOL);
	ck_assert(!both.results[1].owned);
	close_both();
}
END_TEST

/* The time is over while the writer is at it, and nobody reads what is said of it. */
START_TEST(nobody_reads)
{
	static uint8_t stream[65536];
	size_t len;
	int before;

	open_both();
	len = capture(stream, sizeof(stream));
	reopen_held(1);
	before = held.arrived;
	ck_assert_int_eq(send(both.fds[0], stream, len, 0), (ssize_t)len);
	while (send(both.fds[1], stream, sizeof(stream), MSG_DONTWAIT) > 0)
		;
	pthread_mutex_lock(&held.gate);
	ck_assert_int_eq(take(MQEV_HANDOVER_OPTIONS(.timeout_ms = 500)), 0);
	await_arrival(before);
	tk_run_until(both.base, NULL, NULL, 550);
	ck_assert_int_eq(both.ends, 0);
	pthread_mutex_unlock(&held.gate);
	await_ends(1);
	ck_assert_int_eq(both.results[1].error, MQEV_ERR_TIMEOUT);
	close_both();
}
END_TEST

/* The numbers of a try that was broken off are no reason to refuse the next one. */
START_TEST(given_again)
{
	static uint8_t stream[65536];
	size_t len;

	open_both();
	ck_assert_int_eq(mqev_store_close(both.stores[1]), 0);
	begin_numbers_at(path_of[1], BASE - 10);
	both.stores[1] = mqev_store_open(mqev_backend_sqlite(), path_of[1], NULL, NULL);
	ck_assert_ptr_nonnull(both.stores[1]);
	len = capture(stream, sizeof(stream));
	ck_assert_int_eq(take(NULL), 0);
	ck_assert_int_eq(send(both.fds[0], stream, len, 0), (ssize_t)len);
	ck_assert_uint_eq(hear(0, stream, sizeof(stream)), 1);
	ck_assert_uint_eq(stream[0], 'P');
	close(both.fds[0]);
	await_ends(1);
	ck_assert_int_eq(both.results[1].error, MQEV_ERR_LOST);
	close(both.fds[1]);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, both.fds), 0);
	ck_assert_int_eq(take(NULL), 0);
	ck_assert_int_eq(give(NULL), 0);
	await_ends(3);
	ck_assert_int_eq(both.results[0].error, 0);
	ck_assert_int_eq(both.results[1].error, 0);
	ck_assert(both.results[1].owned);
	close_both();
}
END_TEST

static void
note_token(struct mqev_client *client, struct mqev_pending *pending, void *userdata)
{
	uint64_t *last = userdata;

	(void)client;
	if (pending->token > *last)
		*last = pending->token;
}

/* The number of a message that is published there now. */
static uint64_t
token_of(int side)
{
	struct mqev_client *client = mqev_client_new(
	    both.fleet, MQEV_OPTIONS(.client_id = "counter", .store = both.stores[side]), NULL);
	uint64_t last = 0;

	ck_assert_ptr_nonnull(client);
	ck_assert_int_ge(mqev_publish(client, MQEV_MESSAGE(.topic = "a", .qos = 1), NULL, NULL), 0);
	ck_assert_int_eq(mqev_client_pending(client, note_token, &last), 0);
	mqev_client_free(client);
	return last;
}

/* A stream that is refused does not use up the numbers. */
START_TEST(numbers_of_a_refused_stream)
{
	static const uint8_t record[] = "mqevses1R\0\0\0\x08\x3F\0\0\0\0\0\0\0E\0\0\0";
	uint64_t before;

	open_both();
	before = token_of(1);
	/* With the NUL of the string. */
	ck_assert_int_eq(send(both.fds[0], record, sizeof(record), 0), (ssize_t)sizeof(record));
	ck_assert_int_eq(take(NULL), 0);
	await_ends(1);
	ck_assert_int_eq(both.results[1].error, MQEV_ERR_STORE_DAMAGED);
	ck_assert_uint_eq(token_of(1), before + 1);
	close_both();
}
END_TEST

/* In a child the store is another process's. */
START_TEST(in_a_child)
{
	pid_t pid;
	int status;

	open_both();
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		alarm(10);
		if (give(NULL) != MQEV_ERR_STATE || take(NULL) != MQEV_ERR_STATE)
			_exit(1);
		mqev_fleet_free(both.fleet);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close_both();
}
END_TEST

/* One that was begun before the fork is the parent's. */
START_TEST(begun_before_a_fork)
{
	pid_t pid;
	int status;

	open_both();
	ck_assert_int_eq(give(NULL), 0);
	ck_assert_int_eq(take(NULL), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		alarm(10);
		mqev_fleet_free(both.fleet);
		_exit(both.ends == 2 && !both.results[0].owned && !both.results[1].owned ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	await_ends(2);
	ck_assert(both.results[1].owned);
	close_both();
}
END_TEST

static void
frees_all(struct mqev_fleet *fleet, const struct mqev_handover_result *result, void *arg)
{
	int side = (int)(intptr_t)arg;

	both.ends++;
	both.results[side] = *result;
	mqev_fleet_free(fleet);
	ck_assert_int_eq(mqev_store_close(both.stores[side]), 0);
}

/* The callback frees the fleet and closes the store. */
START_TEST(freed_in_the_callback)
{
	open_both();
	ck_assert_int_eq(mqev_handover_take(both.fleet, both.stores[1], both.fds[1], NULL,
			     frees_all, (void *)(intptr_t)1),
	    0);
	ck_assert_int_eq(mqev_handover_give(both.fleet, both.stores[0], "pump", both.fds[0], NULL,
			     frees_all, (void *)(intptr_t)0),
	    0);
	await_ends(2);
	ck_assert(both.results[1].owned);
	tk_run_until(both.base, NULL, NULL, 20);
	event_base_free(both.base);
	close(both.fds[0]);
	close(both.fds[1]);
	tear_down();
}
END_TEST

/* One message more, which nobody has looked at. */
static void
put_another(const uint8_t *packed, size_t len)
{
	struct mqev_record record = record_of(0);
	const struct mqev_change change = {.kind = MQEV_CHANGE_PUT, .record = &record};
	void *state;

	record.bytes = packed;
	record.bytes_len = len;
	record.seq = BASE + MESSAGES;
	ck_assert_int_eq(mqev_store_close(both.stores[0]), 0);
	state = open_back_end(path_of[0], false);
	ck_assert_int_eq(mqev_backend_sqlite()->append(state, &change, 1), 0);
	ck_assert_int_eq(mqev_backend_sqlite()->commit(state, true), 0);
	mqev_backend_sqlite()->close(state);
	both.stores[0] = mqev_store_open(mqev_backend_sqlite(), path_of[0], NULL, NULL);
	ck_assert_ptr_nonnull(both.stores[0]);
}

/* What the taker would send is looked at before it is kept. */
START_TEST(a_message_that_may_not_be_sent)
{
	static const uint8_t packed[] = {1, 0, 1, 0, 0, 0, 0, '#', 'x'};

	open_both();
	put_another(packed, sizeof(packed));
	ck_assert_int_eq(take(NULL), 0);
	ck_assert_int_eq(give(NULL), 0);
	await_ends(2);
	ck_assert_int_eq(both.results[0].error, MQEV_ERR_STORE_DAMAGED);
	ck_assert(both.results[0].owned);
	ck_assert_int_eq(both.results[1].error, MQEV_ERR_STORE_DAMAGED);
	close_both();
}
END_TEST

/* It goes while much is on its way to it: no signal ends the process. */
START_TEST(the_other_goes)
{
	static uint8_t packed[4 * 1024 * 1024] = {1, 0, 1, 0, 0, 0, 0, 'a'};

	open_both();
	put_another(packed, sizeof(packed));
	ck_assert_int_eq(give(NULL), 0);
	hear(1, packed, 1000);
	close(both.fds[1]);
	both.fds[1] = -1;
	await_ends(1);
	ck_assert_int_eq(both.results[0].error, MQEV_ERR_LOST);
	ck_assert(both.results[0].owned);
	close_both();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("handover_trouble");
	TCase *tc = tk_case(suite, "trouble");

	tcase_add_test(tc, the_other_is_gone);
	tcase_add_loop_test(tc, the_disk_is_full, 0, 2);
	tcase_add_test(tc, a_flood);
	tcase_add_test(tc, nobody_reads);
	tcase_add_test(tc, given_again);
	tcase_add_test(tc, numbers_of_a_refused_stream);
	tcase_add_test(tc, in_a_child);
	tcase_add_test(tc, begun_before_a_fork);
	tcase_add_test(tc, freed_in_the_callback);
	tcase_add_test(tc, a_message_that_may_not_be_sent);
	tcase_add_test(tc, the_other_goes);
	return tk_main(suite);
}
