/* One client used by many threads: nothing is lost, nothing completes twice, and no wait hangs. */
#include "wire/loop_kit.h"

#define THREADS 4
#define EACH 300

static int64_t
remote_publish(int qos)
{
	return mqev_remote_publish(world.remote,
	    MQEV_MESSAGE(.topic = "t/x", .payload = "p", .payload_len = 1, .qos = qos), world_done,
	    NULL);
}

static void
start(void)
{
	world_connect();
	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	world_serve_in_thread();
}

static void
stop(void)
{
	int result = mqev_loop_stop(world.fleet, MQEV_STOP_NOW, 5000);

	ck_assert(result == 0 || result == MQEV_ERR_STATE);
	world_serve_no_more();
}

/* --- publishing --------------------------------------------------------------------------------
 */

static void *
publish_many(void *arg)
{
	int64_t before = 0;

	(void)arg;
	for (int i = 0; i < EACH; i++) {
		int64_t op = remote_publish(i % 3);

		ck_assert_int_gt(op, before);
		before = op;
		if (i % 50 == 0)
			ck_assert_int_eq(mqev_wait_published(world.remote, op, 8000), 1);
	}
	return NULL;
}

START_TEST(many_threads_publish)
{
	pthread_t threads[THREADS];

	start();
	ck_assert_int_gt(
	    mqev_remote_subscribe(world.remote, MQEV_SUBSCRIPTION(.filter = "t/#", .qos = 2), 1,
		NULL, world_done, NULL),
	    0);
	ck_assert_int_eq(mqev_wait_published(world.remote, 1, 8000), 1);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, publish_many, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	WORLD_AWAIT(world.done, THREADS * EACH + 1);
	WORLD_AWAIT(world.messages, THREADS * EACH);
	stop();
	ck_assert_int_eq(world.done, THREADS * EACH + 1);
	ck_assert_int_eq(world.messages, THREADS * EACH);
	ck_assert_int_eq(world.failed, 0);
	for (int i = 1; i <= THREADS * EACH + 1; i++)
		ck_assert_int_eq(mqev_is_published(world.remote, i), 1);
}
END_TEST

/* The order of one thread's calls is that of the packets. */
static int next_number;
static atomic_int out_of_order;

static void
check_number(struct mqev_client *c, const struct mqev_message *m)
{
	int number = 0;

	(void)c;
	memcpy(&number, m->payload, m->payload_len);
	if (number != next_number++)
		atomic_fetch_add(&out_of_order, 1);
}

START_TEST(order_is_kept)
{
	int64_t op = 0;

	next_number = 0;
	world.on_message = check_number;
	start();
	mqev_remote_subscribe(
	    world.remote, MQEV_SUBSCRIPTION(.filter = "t/#", .qos = 1), 1, NULL, NULL, NULL);
	for (int i = 0; i < 1000; i++)
		op = mqev_remote_publish(world.remote,
		    MQEV_MESSAGE(.topic = "t/n", .payload = &i, .payload_len = sizeof(i), .qos = 1),
		    NULL, NULL);
	ck_assert_int_eq(mqev_wait_published(world.remote, op, 8000), 1);
	WORLD_AWAIT(world.messages, 1000);
	stop();
	ck_assert_int_eq(out_of_order, 0);
}
END_TEST

static atomic_int released;

static void
release(void *arg)
{
	(void)arg;
	atomic_fetch_add(&released, 1);
}

START_TEST(payload_by_reference)
{
	static const char payload[10000] = "x";
	const struct mqev_message *m = MQEV_MESSAGE(.topic = "t/r", .payload = payload,
	    .payload_len = sizeof(payload), .qos = 1, .release = release);

	atomic_store(&released, 0);
	start();
	for (int i = 0; i < 20; i++)
		ck_assert_int_gt(mqev_remote_publish(world.remote, m, world_done, NULL), 0);
	WORLD_AWAIT(world.done, 20);
	WORLD_AWAIT(released, 20);
	/* Refused here: not released. Refused by the loop's thread: released. */
	ck_assert_int_eq(mqev_remote_publish(world.remote,
			     MQEV_MESSAGE(.topic = "t/#", .release = release), NULL, NULL),
	    MQEV_ERR_INVALID);
	stop();
	ck_assert_int_eq(released, 20);
	/* Accepted and never submitted: released by the client's end. */
	ck_assert_int_gt(mqev_remote_publish(world.remote, m, world_done, NULL), 0);
	mqev_client_free(world.client);
	ck_assert_int_eq(released, 21);
	ck_assert_int_eq(world.last_error, MQEV_ERR_CANCELED);
	ck_assert_int_eq(mqev_remote_publish(world.remote, m, NULL, NULL), MQEV_ERR_CANCELED);
	ck_assert_int_eq(released, 21);
}
END_TEST

/* --- waiting -----------------------------------------------------------------------------------
 */

struct waiter {
	pthread_t thread;
	int64_t op;
	uint32_t ms;
	int answer;
	atomic_int *counter;
};

static atomic_int waiting;

static void *
wait_it(void *arg)
{
	struct waiter *w = arg;

	atomic_fetch_add(&waiting, 1);
	w->answer = mqev_wait_published(world.remote, w->op, w->ms);
	return NULL;
}

static void
start_waiters(struct waiter *w, int n, int64_t op, uint32_t ms)
{
	atomic_store(&waiting, 0);
	for (int i = 0; i < n; i++) {
		w[i].op = op;
		w[i].ms = ms;
		pthread_create(&w[i].thread, NULL, wait_it, &w[i]);
	}
	WORLD_AWAIT(waiting, n);
	usleep(20000);
}

static void
expect_waiters(struct waiter *w, int n, int answer)
{
	for (int i = 0; i < n; i++) {
		pthread_join(w[i].thread, NULL);
		ck_assert_int_eq(w[i].answer, answer);
	}
}

/* Paho wakes one of several, and tells a timeout from nothing. */
START_TEST(every_waiter_wakes)
{
	struct waiter w[6];
	int64_t op;

	tk_auto_mute(world.server, 1);
	start();
	op = remote_publish(1);
	ck_assert_int_eq(mqev_wait_published(world.remote, op, 30), 0);
	ck_assert_int_eq(mqev_is_published(world.remote, op), 0);
	start_waiters(w, 6, op, 8000);
	world_serve_no_more();
	tk_auto_mute(world.server, 0);
	tk_auto_drop_all(world.server, 0);
	world_serve_in_thread();
	expect_waiters(w, 6, 1);
	ck_assert_int_eq(mqev_wait_published(world.remote, op, 0), 1);
	stop();
}
END_TEST

START_TEST(waiters_and_the_clients_end)
{
	struct waiter w[3];
	int64_t op = remote_publish(2);

	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	start_waiters(w, 3, op, 8000);
	mqev_fleet_free(world.fleet);
	world.fleet = NULL;
	expect_waiters(w, 3, MQEV_ERR_CANCELED);
	ck_assert_int_eq(mqev_is_published(world.remote, op), MQEV_ERR_CANCELED);
	ck_assert_int_eq(remote_publish(0), MQEV_ERR_CANCELED);
}
END_TEST

START_TEST(waiters_and_the_loops_end)
{
	struct waiter w[3];
	int64_t op = remote_publish(2);

	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	start_waiters(w, 3, op, 8000);
	ck_assert_int_eq(mqev_loop_stop(world.fleet, MQEV_STOP_NOW, 5000), 0);
	expect_waiters(w, 3, MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_is_published(world.remote, op), 0);
	ck_assert_int_eq(mqev_wait_published(world.remote, op, 8000), MQEV_ERR_STATE);
	/* Started again, it goes on. */
	world_connect();
	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	world_serve_in_thread();
	ck_assert_int_eq(mqev_wait_published(world.remote, op, 8000), 1);
	stop();
}
END_TEST

static atomic_int told;

static void
wait_here(struct mqev_client *c)
{
	(void)c;
	ck_assert_int_eq(mqev_wait_published(world.remote, 1, 8000), MQEV_ERR_STATE);
	atomic_store(&told, 1);
}

START_TEST(no_wait_for_oneself)
{
	remote_publish(2);
	world.on_connect = wait_here;
	start();
	WORLD_AWAIT(told, 1);
	WORLD_AWAIT(world.done, 1);
	stop();
	ck_assert_int_eq(mqev_wait_published(world.remote, 99, 8000), MQEV_ERR_NOT_FOUND);
	ck_assert_int_eq(mqev_wait_published(NULL, 1, 1), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_is_published(NULL, 1), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_is_published(world.remote, 1), 1);
}
END_TEST

/* What the server refuses is an error of that operation. */
START_TEST(waiting_for_a_failure)
{
	const char *const filters[] = {"t/#"};
	int64_t op;

	mqev_remote_free(world.remote);
	mqev_client_free(world.client);
	world.client =
	    world_client(world.fleet, (struct mqev_options){.offline_qos0 = MQEV_OFFLINE_REJECT});
	world.remote = mqev_remote_new(world.client);
	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	world_serve_in_thread();
	op = remote_publish(0);
	/* No connection: refused by the loop's thread. */
	WORLD_AWAIT(world.failed, 1);
	ck_assert_int_eq(mqev_wait_published(world.remote, op, 8000), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_is_published(world.remote, op), MQEV_ERR_STATE);
	op = mqev_remote_connect(world.remote, tk_auto_url(world.server), NULL, NULL);
	ck_assert_int_eq(mqev_wait_published(world.remote, op, 8000), 1);
	op = mqev_remote_connect(world.remote, tk_auto_url(world.server), NULL, NULL);
	while (mqev_is_published(world.remote, op) == 0)
		usleep(1000);
	ck_assert_int_eq(mqev_is_published(world.remote, op), MQEV_ERR_STATE);
	WORLD_AWAIT(world.connects, 1);
	op = mqev_remote_unsubscribe(world.remote, filters, 1, NULL, world_done, NULL);
	ck_assert_int_eq(mqev_wait_published(world.remote, op, 8000), 1);
	op = mqev_remote_disconnect(world.remote, NULL, world_done, NULL);
	ck_assert_int_eq(mqev_wait_published(world.remote, op, 8000), 1);
	WORLD_AWAIT(world.disconnects, 1);
	stop();
}
END_TEST

/* --- the rest ----------------------------------------------------------------------------------
 */

START_TEST(bad_calls)
{
	const char *const bad[] = {"a/#/b"};
	struct mqev_subscription list[] = {
	    {.size = sizeof(list[0]), .filter = "a"}, {.size = sizeof(list[0]), .filter = "a#"}};
	struct mqev_message none = {0};

	ck_assert_int_eq(
	    mqev_remote_publish(NULL, MQEV_MESSAGE(.topic = "a"), NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_remote_publish(world.remote, NULL, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_remote_publish(world.remote, &none, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(
	    mqev_remote_publish(world.remote, MQEV_MESSAGE(.topic = "a", .qos = 3), NULL, NULL),
	    MQEV_ERR_INVALID);
	ck_assert_int_eq(
	    mqev_remote_subscribe(world.remote, list, 2, NULL, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(
	    mqev_remote_subscribe(world.remote, list, 0, NULL, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(
	    mqev_remote_unsubscribe(world.remote, bad, 1, NULL, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(
	    mqev_remote_connect(world.remote, "http://x", NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_remote_disconnect(NULL, NULL, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_remote_call(world.remote, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_ptr_null(mqev_remote_new(NULL));
	ck_assert_ptr_null(mqev_remote_ref(NULL));
	mqev_remote_free(NULL);
	/* There is one per client. */
	ck_assert_ptr_eq(mqev_remote_new(world.client), world.remote);
	mqev_remote_free(world.remote);
}
END_TEST

static void
set_nothing(struct mqev_client *c, void *arg)
{
	(void)c;
	(void)arg;
}

/* A thread that is faster than the loop finds an end of the queue. */
START_TEST(queue_has_an_end)
{
	struct mqev_remote *few;
	struct mqev_client *c = world_client(world.fleet, (struct mqev_options){.max_queued = 10});
	char *large = calloc(1, 100000);

	few = mqev_remote_new(c);
	for (int i = 0; i < 10; i++)
		ck_assert_int_gt(mqev_remote_publish(
				     few, MQEV_MESSAGE(.topic = "x", .qos = 1), world_done, NULL),
		    0);
	ck_assert_int_eq(
	    mqev_remote_publish(few, MQEV_MESSAGE(.topic = "x", .qos = 1), world_done, NULL),
	    MQEV_ERR_QUEUE_FULL);
	mqev_client_free(c);
	ck_assert_int_eq(world.done, 10);
	ck_assert_int_eq(world.failed, 10);
	mqev_remote_free(few);
	c = world_client(world.fleet, (struct mqev_options){.max_queued_bytes = 250000});
	few = mqev_remote_new(c);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(
		    mqev_remote_publish(few,
			MQEV_MESSAGE(.topic = "x", .payload = large, .payload_len = 100000),
			world_done, NULL) > 0,
		    i < 2);
	/* The loop takes them over; then there is room again, as far as the client itself has it.
	 */
	ck_assert_int_ge(mqev_loop(world.fleet, 100), 0);
	/* Another limit is heeded from the next call on that the loop takes over. */
	ck_assert_int_eq(mqev_client_set_max_queued(c, 1, 0), 0);
	ck_assert_int_gt(mqev_remote_call(few, set_nothing, NULL), 0);
	ck_assert_int_ge(mqev_loop(world.fleet, 100), 0);
	ck_assert_int_gt(mqev_remote_publish(few, MQEV_MESSAGE(.topic = "x"), world_done, NULL), 0);
	ck_assert_int_eq(mqev_remote_publish(few, MQEV_MESSAGE(.topic = "x"), world_done, NULL),
	    MQEV_ERR_QUEUE_FULL);
	mqev_client_free(c);
	ck_assert_int_eq(world.done, 13);
	mqev_remote_free(few);
	free(large);
}
END_TEST

static void
call_it(struct mqev_client *c, void *arg)
{
	ck_assert(arg == &world);
	atomic_fetch_add(c != NULL ? &world.done : &world.failed, 1);
	if (c != NULL)
		mqev_client_set_userdata(c, &world);
}

START_TEST(any_call)
{
	int64_t op;

	start();
	op = mqev_remote_call(world.remote, call_it, &world);
	ck_assert_int_eq(mqev_wait_published(world.remote, op, 8000), 1);
	ck_assert_int_eq(world.done, 1);
	stop();
	ck_assert_int_gt(mqev_remote_call(world.remote, call_it, &world), 0);
	mqev_client_free(world.client);
	ck_assert_int_eq(world.failed, 1);
	ck_assert_int_eq(mqev_remote_call(world.remote, call_it, &world), MQEV_ERR_CANCELED);
}
END_TEST

/* Clients come and go while threads post to them. */
static struct mqev_remote *moving[8];
static atomic_bool moving_on;
static atomic_int accepted;

static void *
post_to_moving(void *arg)
{
	(void)arg;
	for (unsigned i = 0; atomic_load(&moving_on); i++) {
		int64_t op = mqev_remote_publish(moving[i % 8],
		    MQEV_MESSAGE(.topic = "t", .payload = "p", .payload_len = 1, .qos = i % 2 != 0),
		    world_done, NULL);

		if (op > 0)
			atomic_fetch_add(&accepted, 1);
		else
			ck_assert(op == MQEV_ERR_CANCELED || op == MQEV_ERR_QUEUE_FULL);
		mqev_is_published(moving[i % 8], op);
		if (i % 64 == 0)
			usleep(500);
	}
	return NULL;
}

static void
free_it(struct mqev_client *c, void *arg)
{
	(void)arg;
	mqev_client_free(c);
}

START_TEST(clients_go_while_threads_post)
{
	pthread_t threads[2];

	atomic_store(&accepted, 0);
	for (int i = 0; i < 8; i++) {
		struct mqev_client *c = world_client(world.fleet, (struct mqev_options){0});

		ck_assert_int_eq(mqev_connect(c, tk_auto_url(world.server)), 0);
		moving[i] = mqev_remote_new(c);
	}
	atomic_store(&moving_on, true);
	start();
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, post_to_moving, NULL);
	for (int i = 0; i < 8; i++) {
		usleep(10000);
		ck_assert_int_gt(mqev_remote_call(moving[i], free_it, NULL), 0);
	}
	usleep(10000);
	atomic_store(&moving_on, false);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	stop();
	mqev_fleet_free(world.fleet);
	world.fleet = NULL;
	ck_assert_int_gt(accepted, 0);
	ck_assert_int_eq(world.done, accepted);
	for (int i = 0; i < 8; i++)
		mqev_remote_free(moving[i]);
}
END_TEST

/* Two fleets in two threads, each of which hands on to the other what it receives: nobody waits for
 * anybody. */
static struct mqev_remote *sides[2];
static atomic_int passed_on;

static void
pass_on(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	int side = *(int *)userdata;

	(void)c;
	if (atomic_fetch_add(&passed_on, 1) < 600)
		ck_assert_int_gt(
		    mqev_remote_publish(sides[1 - side],
			MQEV_MESSAGE(.topic = side == 0 ? "side/1" : "side/0",
			    .payload = m->payload, .payload_len = m->payload_len, .qos = m->qos),
			NULL, NULL),
		    0);
}

START_TEST(fleets_talk_to_each_other)
{
	static int numbers[2] = {0, 1};
	struct mqev_fleet *fleets[2];

	for (int i = 0; i < 2; i++) {
		struct mqev_client *c;

		fleets[i] = mqev_fleet_new(NULL, NULL);
		c = mqev_client_new(
		    fleets[i], MQEV_OPTIONS(.on_message = pass_on, .userdata = &numbers[i]), NULL);
		sides[i] = mqev_remote_new(c);
		/* On each side its own topic comes in; what goes out has the other's. */
		ck_assert_int_gt(
		    mqev_subscribe(c,
			MQEV_SUBSCRIPTION(.filter = i == 0 ? "side/0" : "side/1", .qos = 2), 1,
			NULL, world_done, NULL),
		    0);
		ck_assert_int_eq(mqev_connect(c, tk_auto_url(world.server)), 0);
	}
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(mqev_loop_start(fleets[i]), 0);
	world_serve_in_thread();
	WORLD_AWAIT(world.done, 2);
	for (int i = 0; i < 12; i++)
		ck_assert_int_gt(mqev_remote_publish(sides[i % 2],
				     MQEV_MESSAGE(.topic = i % 2 == 0 ? "side/1" : "side/0",
					 .payload = "p", .payload_len = 1, .qos = i % 3),
				     NULL, NULL),
		    0);
	WORLD_AWAIT(passed_on, 612);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(mqev_loop_stop(fleets[i], MQEV_STOP_FLUSH, 8000), 0);
		mqev_fleet_free(fleets[i]);
		mqev_remote_free(sides[i]);
	}
	world_serve_no_more();
}
END_TEST

/* An application's own base: its loop is served just so. */
START_TEST(on_the_applications_base)
{
	struct mqev_fleet *fleet = mqev_fleet_new(world.base, NULL);
	struct mqev_client *c = world_client(fleet, (struct mqev_options){0});
	struct mqev_remote *remote = mqev_remote_new(c);
	int64_t op;

	/* This thread is the loop's as long as no other runs it. */
	op = mqev_remote_publish(remote, MQEV_MESSAGE(.topic = "x"), NULL, NULL);
	ck_assert_int_eq(mqev_wait_published(remote, op, 8000), MQEV_ERR_STATE);
	ck_assert_int_gt(mqev_remote_connect(remote, tk_auto_url(world.server), NULL, NULL), 0);
	for (int i = 0; i < 100; i++)
		ck_assert_int_gt(mqev_remote_publish(remote, MQEV_MESSAGE(.topic = "x", .qos = 1),
				     world_done, NULL),
		    0);
	WORLD_SERVE(world.done, 100);
	ck_assert_int_eq(mqev_is_published(remote, op), 1);
	mqev_fleet_free(fleet);
	ck_assert_int_eq(mqev_remote_call(remote, call_it, &world), MQEV_ERR_CANCELED);
	mqev_remote_free(remote);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("remote");
	TCase *tc = world_case(s, "publishing");

	tcase_add_test(tc, many_threads_publish);
	tcase_add_test(tc, order_is_kept);
	tcase_add_test(tc, payload_by_reference);
	tc = world_case(s, "waiting");
	tcase_add_test(tc, every_waiter_wakes);
	tcase_add_test(tc, waiters_and_the_clients_end);
	tcase_add_test(tc, waiters_and_the_loops_end);
	tcase_add_test(tc, no_wait_for_oneself);
	tcase_add_test(tc, waiting_for_a_failure);
	tc = world_case(s, "rest");
	tcase_add_test(tc, bad_calls);
	tcase_add_test(tc, queue_has_an_end);
	tcase_add_test(tc, any_call);
	tcase_add_test(tc, clients_go_while_threads_post);
	tcase_add_test(tc, fleets_talk_to_each_other);
	tcase_add_test(tc, on_the_applications_base);
	return tk_main(s);
}
