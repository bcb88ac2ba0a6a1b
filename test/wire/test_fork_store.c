/* A process with a store forks, while its writer is at work: whatever the child frees and closes,
 * it ends, and the parent's store and sessions go on. */
#include "wire/loop_kit.h"

#include <signal.h>

#include <sqlite3.h>

#include <mqev/sqlite.h>

enum child { CHILD_FREES_THEN_CLOSES, CHILD_CLOSES_THEN_FREES, CHILD_CLOSES_ALONE, CHILDREN };

/* In seconds, for a child that hangs. */
enum { PATIENCE_S = 10, FORKS = 6, BURST = 60, LEFT = 5 };

static struct mqev_store *store;
static char *folder;
static char path[1024];

static void
open_store(void)
{
	int error = 1;

	store = mqev_store_open(mqev_backend_sqlite(), path, NULL, &error);
	ck_assert_msg(store != NULL, "%s", mqev_error_text(error));
}

static atomic_int durable;

static void
on_durable(struct mqev_client *c, const struct mqev_result *result, void *userdata)
{
	(void)c;
	(void)userdata;
	ck_assert_int_eq(result->error, 0);
	atomic_fetch_add(&durable, 1);
}

static struct mqev_client *
durable_client(void)
{
	return world_client(world.fleet, (struct mqev_options){.client_id = "kept",
					     .store = store,
					     .protocol = MQEV_PROTOCOL_V5,
					     .on_durable = on_durable});
}

static void
begin(void)
{
	folder = tk_tmpdir();
	snprintf(path, sizeof(path), "%s/sessions", folder);
	open_store();
	mqev_remote_free(world.remote);
	mqev_client_free(world.client);
	world.client = durable_client();
	world.remote = mqev_remote_new(world.client);
}

static void
end(void)
{
	mqev_fleet_free(world.fleet);
	world.fleet = NULL;
	ck_assert_int_eq(mqev_store_close(store), 0);
	tk_rmtree(folder);
	free(folder);
}

static void
publish(int n)
{
	for (int i = 0; i < n; i++)
		ck_assert_int_gt(mqev_publish(world.client,
				     MQEV_MESSAGE(.topic = "x", .payload = "p", .payload_len = 1,
					 .qos = 1 + i % 2),
				     world_done, NULL),
		    0);
}

static int
close_twice(void)
{
	return mqev_store_close(store) == 0 && mqev_store_close(store) == 0 ? 0 : 1;
}

static int
make_a_client(void)
{
	struct mqev_fleet *fleet = mqev_fleet_new(NULL, NULL);
	int error = 0;
	struct mqev_client *c = mqev_client_new(
	    fleet, MQEV_OPTIONS(.client_id = "of the child", .store = store), &error);

	mqev_fleet_free(fleet);
	return c == NULL && error == MQEV_ERR_STATE ? 0 : 2;
}

static void
be_child(enum child what)
{
	int wrong = make_a_client();

	alarm(PATIENCE_S);
	if (what == CHILD_CLOSES_THEN_FREES)
		wrong |= close_twice();
	if (what != CHILD_CLOSES_ALONE)
		mqev_fleet_free(world.fleet);
	if (what != CHILD_CLOSES_THEN_FREES)
		wrong |= close_twice();
	_exit(wrong);
}

static int
integrity(void *ok, int columns, char **values, char **names)
{
	(void)columns;
	(void)names;
	*(int *)ok = strcmp(values[0], "ok") == 0;
	return 0;
}

static void
check_file(void)
{
	sqlite3 *db;
	int ok = 0;

	ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	ck_assert_int_eq(
	    sqlite3_exec(db, "PRAGMA integrity_check", integrity, &ok, NULL), SQLITE_OK);
	ck_assert_int_eq(ok, 1);
	sqlite3_close(db);
}

static void
count_it(struct mqev_client *c, struct mqev_pending *pending, void *userdata)
{
	(void)c;
	(void)pending;
	++*(int *)userdata;
}

START_TEST(fork_while_the_writer_works)
{
	int wanted = 0;
	int pending = 0;

	begin();
	world_connect();
	WORLD_RUN(world.connects, 1);
	for (int n = 0; n < FORKS; n++) {
		pid_t child;

		publish(BURST);
		/* Handed over in this turn: the writer commits while we fork. */
		mqev_loop(world.fleet, 0);
		fflush(NULL);
		child = fork();
		if (child == 0)
			be_child((enum child)_i);
		publish(BURST);
		mqev_loop(world.fleet, 0);
		world_await_child(child);
		wanted += 2 * BURST;
		WORLD_RUN(world.done, wanted);
	}
	ck_assert_int_eq(world.failed, 0);
	ck_assert_int_eq(world.disconnects, 0);
	/* What is left unfinished the file has, as the parent said it. */
	tk_auto_mute(world.server, 1);
	publish(LEFT);
	WORLD_RUN(durable, wanted + LEFT);
	mqev_client_free(world.client);
	ck_assert_int_eq(world.last_error, MQEV_KEPT);
	ck_assert_int_eq(mqev_store_close(store), 0);
	check_file();
	open_store();
	world.client = durable_client();
	ck_assert_int_eq(mqev_client_pending(world.client, count_it, &pending), 0);
	ck_assert_int_eq(pending, LEFT);
	end();
}
END_TEST

/* A child that lives on has the lock's descriptor, too. */
START_TEST(closed_and_opened_while_a_child_lives)
{
	int line[2];
	pid_t child;
	char byte = 0;

	begin();
	ck_assert_int_eq(pipe(line), 0);
	fflush(NULL);
	child = fork();
	if (child == 0) {
		alarm(PATIENCE_S);
		close(line[1]);
		_exit(read(line[0], &byte, 1) == 0 ? 0 : 3);
	}
	mqev_client_free(world.client);
	ck_assert_int_eq(mqev_store_close(store), 0);
	open_store();
	close(line[1]);
	close(line[0]);
	world_await_child(child);
	end();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("fork_store");
	TCase *tc = world_case(s, "fork");

	tcase_add_loop_test(tc, fork_while_the_writer_works, 0, CHILDREN);
	tcase_add_test(tc, closed_and_opened_while_a_child_lives);
	return tk_main(s);
}
