/* Other threads cancel, clear, drain, request and respond: what they ask for is done in the loop's
 * thread in their order, and each of the calls is told once how it ended. */
#include "wire/loop_kit.h"

static struct {
	atomic_int drained;
	atomic_int replies;
	struct mqev_drain_report report;
	int reply_error;
	uint64_t reply_to;
	char reply[16];
} told;

static void
start(void)
{
	memset(&told, 0, sizeof(told));
	mqev_remote_free(world.remote);
	mqev_client_free(world.client);
	world.client = world_client(
	    world.fleet, (struct mqev_options){.client_id = "c", .protocol = MQEV_PROTOCOL_V5});
	world.remote = mqev_remote_new(world.client);
	ck_assert_ptr_nonnull(world.remote);
	world_connect();
	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
}

static void
stop(void)
{
	ck_assert_int_eq(mqev_loop_stop(world.fleet, MQEV_STOP_NOW, 5000), 0);
	world_serve_no_more();
}

static int64_t
publish(const char *topic, int qos)
{
	int64_t op = mqev_remote_publish(world.remote,
	    MQEV_MESSAGE(.topic = topic, .payload = "p", .payload_len = 1, .qos = qos), world_done,
	    NULL);

	ck_assert_int_gt(op, 0);
	return op;
}

/* A call of another thread and its end. */
static int
end_of(int64_t op)
{
	ck_assert_int_gt(op, 0);
	return mqev_wait_published(world.remote, op, 8000);
}

static int
cancel(int64_t op)
{
	return end_of(mqev_remote_cancel(world.remote, op, NULL, NULL));
}

/* --- cancel, clear -----------------------------------------------------------------------------
 */

/* No server is there, so that all waits. */
START_TEST(cancel_what_waits)
{
	int64_t ops[4];

	start();
	for (int i = 0; i < 4; i++)
		ops[i] = publish("a", i % 3);
	for (int i = 0; i < 4; i += 2) {
		ck_assert_int_eq(cancel(ops[i]), 1);
		ck_assert_int_eq(end_of(ops[i]), MQEV_ERR_CANCELED);
		ck_assert_int_eq(cancel(ops[i]), MQEV_ERR_NOT_FOUND);
	}
	ck_assert_int_eq(mqev_is_published(world.remote, ops[1]), 0);
	ck_assert_int_eq(cancel(99), MQEV_ERR_NOT_FOUND);
	/* The others go their way. */
	world_serve_in_thread();
	ck_assert_int_eq(end_of(ops[1]), 1);
	ck_assert_int_eq(end_of(ops[3]), 1);
	ck_assert_int_eq(cancel(ops[3]), MQEV_ERR_NOT_FOUND);
	stop();
	ck_assert_int_eq(world.done, 4);
	ck_assert_int_eq(world.failed, 2);
}
END_TEST

/* The remote's numbers are not the client's: another operation of the loop's thread stays. */
START_TEST(cancel_in_flight)
{
	const struct mqev_subscription *list = MQEV_SUBSCRIPTION(.filter = "s");
	int64_t message;
	int64_t subscribe;

	start();
	world_serve_in_thread();
	WORLD_AWAIT(world.connects, 1);
	world_serve_no_more();
	subscribe = mqev_remote_subscribe(world.remote, list, 1, NULL, world_done, NULL);
	message = publish("a", 1);
	ck_assert_int_eq(cancel(message), 1);
	ck_assert_int_eq(end_of(message), MQEV_ERR_CANCELED);
	ck_assert_int_eq(cancel(subscribe), MQEV_ERR_STATE);
	world_serve_in_thread();
	ck_assert_int_eq(end_of(subscribe), 1);
	stop();
	ck_assert_int_eq(world.done, 2);
}
END_TEST

START_TEST(cancel_races_with_the_end)
{
	int64_t last = 0;

	start();
	world_serve_in_thread();
	for (int i = 0; i < 200; i++) {
		last = publish("a", 1 + i % 2);
		ck_assert_int_gt(mqev_remote_cancel(world.remote, last, world_done, NULL), 0);
	}
	WORLD_AWAIT(world.done, 400);
	stop();
	/* Whoever wins, each of both has one end, and they agree. */
	for (int64_t op = 1; op < last; op += 2) {
		int message = mqev_is_published(world.remote, op);
		int end = mqev_is_published(world.remote, op + 1);

		if (end == 1)
			ck_assert_int_eq(message, MQEV_ERR_CANCELED);
		else
			ck_assert(message == 1 && end == MQEV_ERR_NOT_FOUND);
	}
}
END_TEST

START_TEST(clear_what_waits)
{
	int64_t ops[6];

	start();
	for (int i = 0; i < 6; i++)
		ops[i] = publish("a", i % 3);
	ck_assert_int_eq(
	    end_of(mqev_remote_queue_clear(world.remote, MQEV_QUEUE_CLEAR_QOS0, NULL, NULL)), 1);
	for (int i = 0; i < 6; i += 3)
		ck_assert_int_eq(end_of(ops[i]), MQEV_ERR_CANCELED);
	ck_assert_int_eq(mqev_is_published(world.remote, ops[1]), 0);
	ck_assert_int_eq(
	    end_of(mqev_remote_queue_clear(world.remote, MQEV_QUEUE_CLEAR_ALL, NULL, NULL)), 1);
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(end_of(ops[i]), MQEV_ERR_CANCELED);
	world_serve_in_thread();
	ck_assert_int_eq(end_of(publish("b", 1)), 1);
	stop();
	ck_assert_int_eq(world.done, 7);
}
END_TEST

/* --- drain -------------------------------------------------------------------------------------
 */

static void
on_drained(struct mqev_client *c, const struct mqev_drain_report *report, void *arg)
{
	ck_assert_ptr_nonnull(c);
	ck_assert(arg == &told);
	told.report = *report;
	atomic_fetch_add(&told.drained, 1);
}

/* What was posted before is finished, what comes after is refused. */
START_TEST(drain)
{
	int64_t drained;
	int64_t second;
	int64_t late;

	start();
	world_serve_in_thread();
	for (int i = 0; i < 60; i++)
		publish("a", i % 3);
	drained = mqev_remote_drain(world.remote, 8000, on_drained, &told);
	late = publish("late", 1);
	second = mqev_remote_drain(world.remote, 0, NULL, NULL);
	ck_assert_int_eq(end_of(drained), 1);
	ck_assert_int_eq(end_of(late), MQEV_ERR_STATE);
	ck_assert_int_eq(end_of(second), MQEV_ERR_STATE);
	stop();
	ck_assert_int_eq(told.drained, 1);
	ck_assert_int_eq(told.report.error, 0);
	ck_assert_int_eq(world.done, 61);
	ck_assert_int_eq(world.failed, 1);
	ck_assert_int_eq(world.disconnects, 1);
}
END_TEST

START_TEST(drain_that_is_late)
{
	int64_t drained;

	tk_auto_mute(world.server, 1);
	start();
	world_serve_in_thread();
	publish("a", 1);
	publish("a", 0);
	drained = mqev_remote_drain(world.remote, 50, on_drained, &told);
	ck_assert_int_eq(end_of(drained), MQEV_ERR_TIMEOUT);
	stop();
	ck_assert_int_eq(told.drained, 1);
	ck_assert_int_eq(told.report.error, MQEV_ERR_TIMEOUT);
	ck_assert_uint_eq(told.report.left_messages[0], 1);
	ck_assert_uint_eq(told.report.left_messages[1], 1);
	ck_assert_int_eq(world.failed, 2);
}
END_TEST

/* It cannot be canceled; a disconnect and the client's end end it. */
START_TEST(drain_is_ended)
{
	int64_t drained;

	tk_auto_mute(world.server, 1);
	start();
	world_serve_in_thread();
	publish("a", 1);
	drained = mqev_remote_drain(world.remote, 8000, on_drained, &told);
	ck_assert_int_eq(cancel(drained), MQEV_ERR_STATE);
	if (_i == 0) {
		ck_assert_int_gt(mqev_remote_disconnect(world.remote, NULL, NULL, NULL), 0);
		ck_assert_int_eq(end_of(drained), MQEV_ERR_CANCELED);
		stop();
	} else {
		stop();
		mqev_client_free(world.client);
		ck_assert_int_eq(mqev_is_published(world.remote, drained), MQEV_ERR_CANCELED);
	}
	ck_assert_int_eq(told.drained, 1);
	ck_assert_int_eq(told.report.error, MQEV_ERR_CANCELED);
	ck_assert_uint_eq(told.report.left_messages[1], 1);
}
END_TEST

/* --- request, response -------------------------------------------------------------------------
 */

static void
on_reply(struct mqev_client *c, const struct mqev_reply *reply, void *arg)
{
	ck_assert_ptr_nonnull(c);
	ck_assert(arg == &told);
	ck_assert((reply->message != NULL) == (reply->error == 0));
	told.reply_error = reply->error;
	told.reply_to = reply->request;
	if (reply->message != NULL)
		snprintf(told.reply, sizeof(told.reply), "%.*s", (int)reply->message->payload_len,
		    (const char *)reply->message->payload);
	atomic_fetch_add(&told.replies, 1);
}

static int64_t
request(uint32_t timeout_ms)
{
	int64_t op = mqev_remote_request(world.remote,
	    MQEV_MESSAGE(.topic = "ask", .payload = "?", .payload_len = 1, .qos = 1), timeout_ms,
	    on_reply, &told);

	ck_assert_int_gt(op, 0);
	return op;
}

static struct mqev_message *_Atomic handed_over;

static void
hand_over(struct mqev_client *c, const struct mqev_message *m)
{
	struct mqev_message *copy = mqev_message_copy(m);

	(void)c;
	ck_assert_ptr_nonnull(copy);
	ck_assert_ptr_null(atomic_exchange(&handed_over, copy));
}

/* The worker is this thread, the loop another. */
static void
work(void)
{
	struct mqev_message *asked;

	WORLD_AWAIT(world.messages, 1);
	while ((asked = atomic_exchange(&handed_over, NULL)) == NULL)
		usleep(1000);
	ck_assert_int_gt(
	    mqev_remote_respond(world.remote, asked,
		MQEV_MESSAGE(.payload = "answer", .payload_len = 6, .qos = 1), world_done, NULL),
	    0);
	mqev_message_free(asked);
}

START_TEST(request_and_respond)
{
	int64_t asked;

	world.on_message = hand_over;
	start();
	world_serve_in_thread();
	ck_assert_int_eq(end_of(mqev_remote_subscribe(world.remote,
			     MQEV_SUBSCRIPTION(.filter = "ask", .qos = 1), 1, NULL, NULL, NULL)),
	    1);
	asked = request(8000);
	work();
	ck_assert_int_eq(end_of(asked), 1);
	stop();
	ck_assert_int_eq(told.replies, 1);
	ck_assert_int_eq(told.reply_error, 0);
	ck_assert_uint_eq(told.reply_to, (uint64_t)asked);
	ck_assert_str_eq(told.reply, "answer");
	ck_assert_int_eq(world.failed, 0);
}
END_TEST

START_TEST(request_without_an_answer)
{
	int64_t asked;

	start();
	world_serve_in_thread();
	WORLD_AWAIT(world.connects, 1);
	asked = request(30);
	ck_assert_int_eq(end_of(asked), MQEV_ERR_TIMEOUT);
	ck_assert_int_eq(told.reply_error, MQEV_ERR_TIMEOUT);
	asked = request(0);
	ck_assert_int_eq(cancel(asked), 1);
	ck_assert_int_eq(end_of(asked), MQEV_ERR_CANCELED);
	ck_assert_uint_eq(told.reply_to, (uint64_t)asked);
	asked = request(0);
	stop();
	mqev_client_free(world.client);
	ck_assert_int_eq(mqev_is_published(world.remote, asked), MQEV_ERR_CANCELED);
	ck_assert_int_eq(told.replies, 3);
	ck_assert_uint_eq(told.reply_to, (uint64_t)asked);
}
END_TEST

static atomic_int released;

static void
release(void *arg)
{
	(void)arg;
	atomic_fetch_add(&released, 1);
}

/* Refused by the loop's thread: told, and what was lent comes back. */
START_TEST(request_that_is_refused)
{
	int64_t asked;
	struct mqev_client *old =
	    world_client(world.fleet, (struct mqev_options){.protocol = MQEV_PROTOCOL_V311});
	struct mqev_remote *remote = mqev_remote_new(old);

	memset(&told, 0, sizeof(told));
	atomic_store(&released, 0);
	asked = mqev_remote_request(remote,
	    MQEV_MESSAGE(.topic = "ask", .payload = "?", .payload_len = 1, .release = release), 0,
	    on_reply, &told);
	ck_assert_int_gt(asked, 0);
	ck_assert_int_ge(mqev_loop(world.fleet, 100), 0);
	ck_assert_int_eq(mqev_is_published(remote, asked), MQEV_ERR_UNSUPPORTED);
	ck_assert_int_eq(told.replies, 1);
	ck_assert_int_eq(told.reply_error, MQEV_ERR_UNSUPPORTED);
	ck_assert_int_eq(released, 1);
	mqev_client_free(old);
	mqev_remote_free(remote);
}
END_TEST

/* --- bad calls ---------------------------------------------------------------------------------
 */

START_TEST(bad_calls)
{
	struct mqev_remote *r = world.remote;
	struct mqev_properties *properties = mqev_properties_new();
	const struct mqev_message *m = MQEV_MESSAGE(.topic = "t");

	ck_assert_int_eq(mqev_properties_add_string(properties, MQEV_PROP_RESPONSE_TOPIC, "t"), 0);
	ck_assert_int_eq(mqev_remote_cancel(NULL, 1, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_remote_cancel(r, 0, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_remote_cancel(r, -1, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(
	    mqev_remote_queue_clear(NULL, MQEV_QUEUE_CLEAR_ALL, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(
	    mqev_remote_queue_clear(r, (enum mqev_queue_clear)7, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_remote_drain(NULL, 1, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_remote_request(NULL, m, 1, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_remote_request(r, NULL, 1, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_remote_request(r,
			     MQEV_MESSAGE(.topic = "t", .properties = properties), 1, NULL, NULL),
	    MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_remote_respond(NULL, m, m, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_remote_respond(r, NULL, m, NULL, NULL), MQEV_ERR_INVALID);
	/* No Response Topic in what is to be answered. */
	ck_assert_int_eq(mqev_remote_respond(r, m, m, NULL, NULL), MQEV_ERR_INVALID);
	mqev_client_free(world.client);
	ck_assert_int_eq(mqev_remote_cancel(r, 1, NULL, NULL), MQEV_ERR_CANCELED);
	ck_assert_int_eq(
	    mqev_remote_queue_clear(r, MQEV_QUEUE_CLEAR_ALL, NULL, NULL), MQEV_ERR_CANCELED);
	ck_assert_int_eq(mqev_remote_drain(r, 1, on_drained, &told), MQEV_ERR_CANCELED);
	ck_assert_int_eq(mqev_remote_request(r, m, 1, on_reply, &told), MQEV_ERR_CANCELED);
	mqev_properties_free(properties);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("remote_flow");
	TCase *tc = world_case(s, "queue");

	tcase_add_test(tc, cancel_what_waits);
	tcase_add_test(tc, cancel_in_flight);
	tcase_add_test(tc, cancel_races_with_the_end);
	tcase_add_test(tc, clear_what_waits);
	tc = world_case(s, "drain");
	tcase_add_test(tc, drain);
	tcase_add_test(tc, drain_that_is_late);
	tcase_add_loop_test(tc, drain_is_ended, 0, 2);
	tc = world_case(s, "request");
	tcase_add_test(tc, request_and_respond);
	tcase_add_test(tc, request_without_an_answer);
	tcase_add_test(tc, request_that_is_refused);
	tcase_add_test(tc, bad_calls);
	return tk_main(s);
}
