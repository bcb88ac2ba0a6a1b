/* The kit of tests of loops and threads. */
#include "wire/loop_kit.h"

#include <sys/wait.h>

struct world world;

enum { RUN_MS = 8000 };

static void
on_connect(struct mqev_client *c, const struct mqev_connack *connack, void *userdata)
{
	struct world *w = userdata;

	ck_assert_int_eq((int)connack->reason, 0);
	atomic_fetch_add(&w->connects, 1);
	if (w->on_connect != NULL)
		w->on_connect(c);
}

static void
on_connect_fail(struct mqev_client *c, const struct mqev_connect_failure *failure, void *userdata)
{
	struct world *w = userdata;

	(void)c;
	ck_assert_int_lt(failure->error, 0);
	atomic_fetch_add(&w->fails, 1);
}

static void
on_disconnect(struct mqev_client *c, const struct mqev_disconnection *d, void *userdata)
{
	struct world *w = userdata;

	(void)d;
	atomic_fetch_add(&w->disconnects, 1);
	if (w->on_disconnect != NULL)
		w->on_disconnect(c);
}

static void
on_message(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	struct world *w = userdata;

	atomic_fetch_add(&w->messages, 1);
	if (w->on_message != NULL)
		w->on_message(c, m);
}

void
world_done(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	(void)c;
	(void)arg;
	ck_assert_ptr_nonnull(result->properties);
	if (result->error != 0) {
		atomic_store(&world.last_error, result->error);
		atomic_fetch_add(&world.failed, 1);
	}
	atomic_fetch_add(&world.done, 1);
}

struct mqev_client *
world_client(struct mqev_fleet *fleet, struct mqev_options options)
{
	struct mqev_client *c;
	int error;

	options.size = sizeof(options);
	options.userdata = &world;
	options.on_connect = on_connect;
	options.on_connect_fail = on_connect_fail;
	options.on_disconnect = on_disconnect;
	options.on_message = on_message;
	if (options.reconnect_min_ms == 0)
		options.reconnect_min_ms = 20;
	options.reconnect_max_ms = 50;
	c = mqev_client_new(fleet, &options, &error);
	ck_assert_msg(c != NULL, "no client: %s", mqev_error_text(error));
	return c;
}

void
world_setup(void)
{
	memset(&world, 0, sizeof(world));
	world.descriptors = tk_open_fds();
	world.base = event_base_new();
	world.server = tk_auto_new(world.base, NULL);
	world.fleet = mqev_fleet_new(NULL, NULL);
	ck_assert_ptr_nonnull(world.fleet);
	ck_assert_ptr_nonnull(mqev_fleet_base(world.fleet));
	world.client = world_client(world.fleet, (struct mqev_options){.client_id = "c"});
	world.remote = mqev_remote_new(world.client);
	ck_assert_ptr_nonnull(world.remote);
}

void
world_teardown(void)
{
	mqev_fleet_free(world.fleet);
	mqev_remote_free(world.remote);
	tk_auto_free(world.server);
	event_base_free(world.base);
	ck_assert_int_eq(tk_open_fds(), world.descriptors);
}

TCase *
world_case(Suite *suite, const char *name)
{
	TCase *tc = tk_case(suite, name);

	tcase_add_checked_fixture(tc, world_setup, world_teardown);
	return tc;
}

void
world_connect(void)
{
	ck_assert_int_eq(mqev_connect(world.client, tk_auto_url(world.server)), 0);
}

void
world_await_child(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(
	    WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %d", status);
}

static void
turn_server(int ms)
{
	const struct timeval wait = {0, ms * 1000};

	event_base_loopexit(world.base, &wait);
	event_base_loop(world.base, 0);
}

static void
too_late(const atomic_int *counter, int n, int line)
{
	ck_abort_msg("line %d: the counter is %d, not %d, after %d ms", line, atomic_load(counter),
	    n, RUN_MS);
}

void
world_run_at(const atomic_int *counter, int n, int line)
{
	long long end = tk_now_ms() + RUN_MS;

	while (atomic_load(counter) < n) {
		if (tk_now_ms() > end)
			too_late(counter, n, line);
		event_base_loop(world.base, EVLOOP_NONBLOCK);
		ck_assert_int_ge(mqev_loop(world.fleet, 2), 0);
	}
}

void
world_serve_at(const atomic_int *counter, int n, int line)
{
	long long end = tk_now_ms() + RUN_MS;

	while (atomic_load(counter) < n) {
		if (tk_now_ms() > end)
			too_late(counter, n, line);
		turn_server(5);
	}
}

void
world_await_at(const atomic_int *counter, int n, int line)
{
	long long end = tk_now_ms() + RUN_MS;

	while (atomic_load(counter) < n) {
		if (tk_now_ms() > end)
			too_late(counter, n, line);
		usleep(1000);
	}
}

/* --- the server's thread -----------------------------------------------------------------------
 */

static pthread_t server_thread;
static atomic_bool serving;

static void *
serve(void *arg)
{
	(void)arg;
	while (atomic_load(&serving))
		turn_server(5);
	return NULL;
}

void
world_serve_in_thread(void)
{
	atomic_store(&serving, true);
	ck_assert_int_eq(pthread_create(&server_thread, NULL, serve, NULL), 0);
}

void
world_serve_no_more(void)
{
	atomic_store(&serving, false);
	pthread_join(server_thread, NULL);
}
