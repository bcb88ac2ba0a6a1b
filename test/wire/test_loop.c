/* Loops of a fleet that owns its base: in the caller's thread, in the background, and how they end.
 */
#include "wire/loop_kit.h"

static int64_t
publish(const char *topic, int qos)
{
	return mqev_publish(world.client,
	    MQEV_MESSAGE(.topic = topic, .payload = "p", .payload_len = 1, .qos = qos), world_done,
	    NULL);
}

static void
subscribe_to(const char *filter)
{
	ck_assert_int_gt(mqev_subscribe(world.client, MQEV_SUBSCRIPTION(.filter = filter, .qos = 2),
			     1, NULL, world_done, NULL),
	    0);
}

/* --- in the caller's thread --------------------------------------------------------------------
 */

START_TEST(loop_by_turns)
{
	world_connect();
	WORLD_RUN(world.connects, 1);
	subscribe_to("a/#");
	WORLD_RUN(world.done, 1);
	for (int qos = 0; qos < 3; qos++)
		ck_assert_int_gt(publish("a/b", qos), 0);
	WORLD_RUN(world.done, 4);
	WORLD_RUN(world.messages, 3);
	ck_assert_int_eq(world.failed, 0);
	ck_assert_int_eq(mqev_loop(world.fleet, 0), 1);
	ck_assert_int_eq(mqev_disconnect(world.client, NULL), 0);
	WORLD_RUN(world.disconnects, 1);
	/* The link says good-bye first. */
	for (int i = 0; mqev_loop(world.fleet, 10) == 1; i++) {
		ck_assert_int_lt(i, 1000);
		event_base_loop(world.base, EVLOOP_NONBLOCK);
	}
	ck_assert_int_eq(mqev_loop(world.fleet, -1), 0);
}
END_TEST

START_TEST(loop_waits_no_longer_than_it_may)
{
	long long begin;

	world_connect();
	WORLD_RUN(world.connects, 1);
	begin = tk_now_ms();
	ck_assert_int_eq(mqev_loop(world.fleet, 30), 1);
	ck_assert_int_ge(tk_now_ms() - begin, 25);
	begin = tk_now_ms();
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(mqev_loop(world.fleet, 0), 1);
	ck_assert_int_lt(tk_now_ms() - begin, 1000);
}
END_TEST

static void
inside_a_callback(struct mqev_client *c)
{
	ck_assert_int_eq(mqev_loop(world.fleet, 0), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_loop_forever(world.fleet), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_loop_start(world.fleet), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_loop_stop(world.fleet, MQEV_STOP_NOW, 10), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_fleet_fd(world.fleet), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_loop_read(c), MQEV_ERR_STATE);
}

START_TEST(loop_bad_calls)
{
	struct mqev_fleet *other = mqev_fleet_new(world.base, NULL);

	ck_assert_int_eq(mqev_loop(NULL, 0), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_loop_forever(NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_loop_start(NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_loop_stop(NULL, MQEV_STOP_NOW, 0), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_loop_stop(world.fleet, (enum mqev_stop)7, 0), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_fleet_fd(NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_fleet_dispatch(NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_fleet_next_timeout_ms(NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_client_next_timeout_ms(NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_fleet_set_watch(NULL, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_loop_misc(NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_client_socket(NULL), -1);
	mqev_loop_break(NULL);
	/* An application's own base has a loop already. */
	ck_assert_int_eq(mqev_loop(other, 0), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_loop_forever(other), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_loop_start(other), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_loop_stop(other, MQEV_STOP_NOW, 0), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_fleet_fd(other), MQEV_ERR_STATE);
	mqev_fleet_free(other);
	ck_assert_int_eq(mqev_loop_stop(world.fleet, MQEV_STOP_NOW, 0), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_loop_read(world.client), MQEV_ERR_STATE);
	world.on_connect = inside_a_callback;
	world_connect();
	WORLD_RUN(world.connects, 1);
}
END_TEST

static void
leave(struct mqev_client *c)
{
	mqev_disconnect(c, NULL);
}

/* Paho's loop_forever() ends with an error after a clean disconnect(); this one is content. */
START_TEST(forever_until_disconnected)
{
	world_serve_in_thread();
	world.on_connect = leave;
	for (int i = 1; i <= 2; i++) {
		world_connect();
		ck_assert_int_eq(mqev_loop_forever(world.fleet), 0);
		ck_assert_int_eq(world.disconnects, i);
	}
	ck_assert_int_eq(mqev_loop_forever(world.fleet), 0);
	world_serve_no_more();
}
END_TEST

static void
break_it(struct mqev_client *c)
{
	mqev_loop_break(mqev_client_fleet(c));
}

START_TEST(forever_until_broken)
{
	world_serve_in_thread();
	world.on_connect = break_it;
	world_connect();
	ck_assert_int_eq(mqev_loop_forever(world.fleet), 0);
	ck_assert(mqev_client_is_connected(world.client));
	/* The break is used up: the next one goes on, and ends for another reason. */
	world.on_connect = NULL;
	ck_assert_int_eq(mqev_disconnect(world.client, NULL), 0);
	ck_assert_int_eq(mqev_loop_forever(world.fleet), 0);
	ck_assert_int_eq(world.disconnects, 1);
	/* One that came first is not lost. */
	world_connect();
	mqev_loop_break(world.fleet);
	ck_assert_int_eq(mqev_loop_forever(world.fleet), 0);
	ck_assert_int_eq(world.connects, 1);
	ck_assert_int_eq(mqev_loop(world.fleet, 0), 1);
	world_serve_no_more();
}
END_TEST

static void *
break_later(void *arg)
{
	usleep(30000);
	mqev_loop_break(arg);
	return NULL;
}

START_TEST(forever_broken_by_another_thread)
{
	pthread_t thread;

	world_serve_in_thread();
	world_connect();
	ck_assert_int_eq(pthread_create(&thread, NULL, break_later, world.fleet), 0);
	ck_assert_int_eq(mqev_loop_forever(world.fleet), 0);
	pthread_join(thread, NULL);
	world_serve_no_more();
}
END_TEST

static void
free_all(struct mqev_client *c)
{
	mqev_fleet_free(mqev_client_fleet(c));
	world.fleet = NULL;
}

START_TEST(freed_in_a_callback)
{
	world_serve_in_thread();
	world.on_connect = free_all;
	world_connect();
	if (_i == 0)
		ck_assert_int_eq(mqev_loop_forever(world.fleet), 0);
	for (int n = 0; _i == 1 && world.fleet != NULL; n++) {
		int more = mqev_loop(world.fleet, 100);

		ck_assert_int_eq(more, world.fleet != NULL);
		ck_assert_int_lt(n, 1000);
	}
	for (int n = 0; _i == 2 && world.fleet != NULL; n++) {
		usleep(1000);
		mqev_fleet_dispatch(world.fleet);
		ck_assert_int_lt(n, 5000);
	}
	ck_assert_int_eq(world.connects, 1);
	ck_assert_int_eq(
	    mqev_remote_connect(world.remote, "mqtt://localhost", NULL, NULL), MQEV_ERR_CANCELED);
	world_serve_no_more();
}
END_TEST

/* The automatic reconnection of a loop: Paho's scenario "connection lost" and after. */
START_TEST(forever_reconnects)
{
	world_connect();
	WORLD_RUN(world.connects, 1);
	ck_assert(mqev_client_is_connected(world.client));
	for (int i = 0; i < 3; i++) {
		tk_auto_drop_all(world.server, i & 1);
		WORLD_RUN(world.disconnects, i + 1);
		ck_assert(!mqev_client_is_connected(world.client));
		WORLD_RUN(world.connects, i + 2);
	}
}
END_TEST

/* reconnect_on_failure off: the loop ends with the connection, and there is no second one. */
START_TEST(forever_without_reconnect)
{
	mqev_client_free(world.client);
	mqev_remote_free(world.remote);
	world.remote = NULL;
	world.client = world_client(world.fleet, (struct mqev_options){.no_reconnect = true});
	world_connect();
	WORLD_RUN(world.connects, 1);
	tk_auto_drop_all(world.server, 0);
	world_serve_in_thread();
	ck_assert_int_eq(mqev_loop_forever(world.fleet), 0);
	world_serve_no_more();
	ck_assert_int_eq(world.disconnects, 1);
	ck_assert_int_eq(tk_auto_stats(world.server)->connections, 1);
}
END_TEST

/* --- in the background -------------------------------------------------------------------------
 */

START_TEST(background_start_stop_start)
{
	world_connect();
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
		ck_assert_int_eq(mqev_loop_start(world.fleet), MQEV_ERR_STATE);
		ck_assert_int_eq(mqev_loop(world.fleet, 0), MQEV_ERR_STATE);
		ck_assert_int_eq(mqev_loop_forever(world.fleet), MQEV_ERR_STATE);
		ck_assert_int_eq(mqev_fleet_dispatch(world.fleet), MQEV_ERR_STATE);
		WORLD_SERVE(world.connects, 1);
		ck_assert_int_eq(mqev_loop_stop(world.fleet, MQEV_STOP_NOW, 5000), 0);
		ck_assert_int_eq(mqev_loop_stop(world.fleet, MQEV_STOP_NOW, 5000), MQEV_ERR_STATE);
		/* Now the fleet is this thread's; the connection is open as before. */
		ck_assert(mqev_client_is_connected(world.client));
		ck_assert_int_gt(publish("x", 1), 0);
		WORLD_RUN(world.done, i + 1);
	}
	ck_assert_int_eq(world.failed, 0);
	ck_assert_int_eq(tk_auto_stats(world.server)->connections, 1);
}
END_TEST

/* Paho's loop_stop() can wait for ever with a message that is not acknowledged. */
START_TEST(stop_is_bounded)
{
	long long begin;

	world_connect();
	WORLD_RUN(world.connects, 1);
	tk_auto_mute(world.server, 1);
	ck_assert_int_gt(publish("x", 1), 0);
	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	begin = tk_now_ms();
	ck_assert_int_eq(mqev_loop_stop(world.fleet, MQEV_STOP_FLUSH, 100), 1);
	ck_assert_int_ge(tk_now_ms() - begin, 90);
	ck_assert_int_lt(tk_now_ms() - begin, 5000);
	ck_assert_int_eq(world.done, 0);
	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	ck_assert_int_eq(mqev_loop_stop(world.fleet, MQEV_STOP_NOW, 5000), 0);
	ck_assert_int_eq(world.done, 0);
}
END_TEST

START_TEST(stop_flushes)
{
	/* Without a connection and without messages there is nothing to flush. */
	tk_auto_listen(world.server, 0);
	world_connect();
	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	ck_assert_int_eq(mqev_loop_stop(world.fleet, MQEV_STOP_FLUSH, 5000), 0);
	ck_assert_int_eq(mqev_disconnect(world.client, NULL), 0);
	tk_auto_listen(world.server, 1);
	world_serve_in_thread();
	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	ck_assert_int_gt(
	    mqev_remote_connect(world.remote, tk_auto_url(world.server), NULL, NULL), 0);
	for (int i = 0; i < 500; i++)
		ck_assert_int_gt(mqev_remote_publish(world.remote,
				     MQEV_MESSAGE(.topic = "x", .qos = i % 3), world_done, NULL),
		    0);
	ck_assert_int_eq(mqev_loop_stop(world.fleet, MQEV_STOP_FLUSH, 5000), 0);
	ck_assert_int_eq(world.done, 500);
	ck_assert_int_eq(world.failed, 0);
	ck_assert(mqev_client_is_connected(world.client));
	/* With nothing to do it is over at once; nor does a client that wants no connection hold it
	 * up. */
	ck_assert_int_eq(mqev_disconnect(world.client, NULL), 0);
	ck_assert_int_gt(publish("x", 2), 0);
	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	ck_assert_int_eq(mqev_loop_stop(world.fleet, MQEV_STOP_FLUSH, 5000), 0);
	ck_assert_int_eq(world.disconnects, 1);
	world_serve_no_more();
}
END_TEST

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void
wait_at_gate(struct mqev_client *c)
{
	(void)c;
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
}

START_TEST(stop_with_a_callback_that_does_not_return)
{
	pthread_mutex_lock(&gate);
	world.on_connect = wait_at_gate;
	world_connect();
	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	WORLD_SERVE(world.connects, 1);
	ck_assert_int_eq(mqev_loop_stop(world.fleet, MQEV_STOP_NOW, 30), MQEV_ERR_TIMEOUT);
	ck_assert_int_eq(mqev_loop_start(world.fleet), MQEV_ERR_STATE);
	pthread_mutex_unlock(&gate);
	ck_assert_int_eq(mqev_loop_stop(world.fleet, MQEV_STOP_NOW, 5000), 0);
	ck_assert(mqev_client_is_connected(world.client));
}
END_TEST

static void
stop_it(struct mqev_client *c)
{
	ck_assert_int_eq(mqev_loop_stop(mqev_client_fleet(c), MQEV_STOP_NOW, 1000), 0);
}

START_TEST(stop_in_a_callback)
{
	world.on_connect = _i == 0 ? stop_it : break_it;
	world_connect();
	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	WORLD_SERVE(world.connects, 1);
	ck_assert_int_eq(mqev_loop_stop(world.fleet, MQEV_STOP_NOW, 5000), 0);
	ck_assert_int_eq(mqev_loop_stop(world.fleet, MQEV_STOP_NOW, 5000), MQEV_ERR_STATE);
	world.on_connect = NULL;
	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	tk_auto_drop_all(world.server, 0);
	WORLD_SERVE(world.connects, 2);
}
END_TEST

/* The fleet is freed while its loop runs: by the test's end, and by its own callback. */
START_TEST(free_while_it_runs)
{
	ck_assert_int_gt(publish("x", 2), 0);
	world_connect();
	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	if (_i == 0)
		WORLD_SERVE(world.connects, 1);
	mqev_fleet_free(world.fleet);
	world.fleet = NULL;
	ck_assert_int_eq(world.done, 1);
	ck_assert_int_eq(mqev_remote_publish(world.remote, MQEV_MESSAGE(.topic = "x"), NULL, NULL),
	    MQEV_ERR_CANCELED);
}
END_TEST

static atomic_int freed;

static void
free_in_background(struct mqev_client *c)
{
	mqev_fleet_free(mqev_client_fleet(c));
	atomic_store(&freed, 1);
}

START_TEST(freed_by_its_own_callback)
{
	atomic_store(&freed, 0);
	world.on_connect = free_in_background;
	world_connect();
	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	world.fleet = NULL;
	WORLD_SERVE(freed, 1);
	ck_assert_int_eq(mqev_is_published(world.remote, 1), MQEV_ERR_NOT_FOUND);
	/* The thread, which is detached, closes its descriptors. */
	for (int i = 0; tk_open_fds() > world.descriptors + 8 && i < 1000; i++)
		usleep(1000);
	usleep(20000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("loop");
	TCase *tc = world_case(s, "caller");

	tcase_add_test(tc, loop_by_turns);
	tcase_add_test(tc, loop_waits_no_longer_than_it_may);
	tcase_add_test(tc, loop_bad_calls);
	tcase_add_test(tc, forever_until_disconnected);
	tcase_add_test(tc, forever_until_broken);
	tcase_add_test(tc, forever_broken_by_another_thread);
	tcase_add_test(tc, forever_reconnects);
	tcase_add_test(tc, forever_without_reconnect);
	tcase_add_loop_test(tc, freed_in_a_callback, 0, 3);
	tc = world_case(s, "background");
	tcase_add_test(tc, background_start_stop_start);
	tcase_add_test(tc, stop_is_bounded);
	tcase_add_test(tc, stop_flushes);
	tcase_add_test(tc, stop_with_a_callback_that_does_not_return);
	tcase_add_loop_test(tc, stop_in_a_callback, 0, 2);
	tcase_add_loop_test(tc, free_while_it_runs, 0, 2);
	tcase_add_test(tc, freed_by_its_own_callback);
	return tk_main(s);
}
