/* Loops, remotes and blocking calls with each allocation of the library failing in turn: an error
 * by name, exactly one completion for what was accepted, and nothing lost of the memory. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <mqev/mqev.h>

#include "fault/fail_mem.h"
#include "lib/auto.h"
#include "lib/loop.h"

enum { MOST = 2000, RUN_MS = 2000 };

static struct event_base *base;
static struct tk_auto *server;
static int accepted;
static int completed;
static int called;

static void
setup(void)
{
	base = event_base_new();
	server = tk_auto_new(base, NULL);
}

static void
teardown(void)
{
	fail_mem_never();
	tk_auto_free(server);
	event_base_free(base);
}

static void
on_done(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	(void)c;
	(void)arg;
	ck_assert_int_le(result->error, 0);
	ck_assert_ptr_nonnull(result->properties);
	completed++;
}

static void
on_reply(struct mqev_client *c, const struct mqev_reply *reply, void *arg)
{
	(void)c;
	(void)arg;
	ck_assert_int_lt(reply->error, 0);
	completed++;
}

static void
on_drained(struct mqev_client *c, const struct mqev_drain_report *report, void *arg)
{
	(void)c;
	(void)arg;
	ck_assert_int_le(report->error, 0);
	completed++;
}

static void
on_call(struct mqev_client *c, void *arg)
{
	(void)c;
	(void)arg;
	called++;
}

static void
note(int64_t op)
{
	ck_assert_msg(
	    op > 0 || op == MQEV_ERR_NOMEM || op == MQEV_ERR_CANCELED, "%lld", (long long)op);
	accepted += op > 0;
}

/* --- a remote ----------------------------------------------------------------------------------
 */

static void
respond(struct mqev_remote *remote)
{
	struct mqev_properties *properties = mqev_properties_new();

	if (properties != NULL &&
	    mqev_properties_add_string(properties, MQEV_PROP_RESPONSE_TOPIC, "r") == 0)
		note(mqev_remote_respond(remote,
		    MQEV_MESSAGE(.topic = "q", .properties = properties),
		    MQEV_MESSAGE(.payload = "p", .payload_len = 1), on_done, NULL));
	mqev_properties_free(properties);
}

static void
post_all(struct mqev_remote *remote)
{
	static const char *const filters[] = {"a/+", "b"};
	const struct mqev_subscription list[] = {
	    {.size = sizeof(list[0]), .filter = "a/+", .qos = 1},
	    {.size = sizeof(list[0]), .filter = "b", .qos = 2}};
	struct mqev_properties *properties = mqev_properties_new();
	int64_t op;

	if (properties != NULL)
		mqev_properties_add_user(properties, "k", "v");
	note(mqev_remote_connect(remote, tk_auto_url(server), on_done, NULL));
	note(mqev_remote_subscribe(remote, list, 2, properties, on_done, NULL));
	for (int qos = 0; qos < 3; qos++)
		note(mqev_remote_publish(remote,
		    MQEV_MESSAGE(.topic = "a/b", .payload = "p", .payload_len = 1, .qos = qos,
			.properties = properties),
		    on_done, NULL));
	note(mqev_remote_unsubscribe(remote, filters, 2, properties, on_done, NULL));
	note(mqev_remote_request(remote,
	    MQEV_MESSAGE(.topic = "ask", .payload = "p", .payload_len = 1), 50, on_reply, NULL));
	op = mqev_remote_publish(remote, MQEV_MESSAGE(.topic = "a", .qos = 1), on_done, NULL);
	note(op);
	if (op > 0)
		note(mqev_remote_cancel(remote, op, on_done, NULL));
	note(mqev_remote_queue_clear(remote, MQEV_QUEUE_CLEAR_QOS0, on_done, NULL));
	respond(remote);
	op = mqev_remote_call(remote, on_call, NULL);
	ck_assert(op > 0 || op == MQEV_ERR_NOMEM);
	called -= op > 0;
	note(mqev_remote_drain(remote, 200, on_drained, NULL));
	note(mqev_remote_disconnect(
	    remote, MQEV_DISCONNECT(.properties = properties), on_done, NULL));
	mqev_properties_free(properties);
}

static void
run(struct mqev_fleet *fleet)
{
	long long end = tk_now_ms() + RUN_MS;

	while (completed < accepted && tk_now_ms() < end) {
		int more;

		event_base_loop(base, EVLOOP_NONBLOCK);
		more = mqev_loop(fleet, 1);
		if (more == MQEV_ERR_NOMEM || more == 0)
			break;
	}
}

static void
remote_scenario(void)
{
	struct mqev_fleet *fleet = mqev_fleet_new(NULL, NULL);
	struct mqev_client *c = NULL;
	struct mqev_remote *remote = NULL;

	accepted = completed = called = 0;
	if (fleet != NULL)
		c = mqev_client_new(fleet,
		    MQEV_OPTIONS(.client_id = "c", .protocol = MQEV_PROTOCOL_V5,
			.reconnect_min_ms = 1, .reconnect_max_ms = 2),
		    NULL);
	if (c != NULL)
		remote = mqev_remote_new(c);
	if (remote != NULL) {
		post_all(remote);
		run(fleet);
	}
	mqev_fleet_free(fleet);
	mqev_remote_free(remote);
	ck_assert_int_eq(completed, accepted);
	ck_assert_int_eq(called, 0);
}

/* --- a foreign loop ----------------------------------------------------------------------------
 */

static void
on_watch(struct mqev_fleet *fleet, const struct mqev_watch *watch, void *userdata)
{
	(void)fleet;
	(void)userdata;
	ck_assert_int_ge(watch->fd, 0);
}

static void
foreign_scenario(void)
{
	struct mqev_fleet *fleet = mqev_fleet_new(NULL, NULL);
	struct mqev_client *c = NULL;
	int result;

	if (fleet == NULL)
		return;
	result = mqev_fleet_fd(fleet);
	ck_assert(result >= 0 || result == MQEV_ERR_NOMEM);
	result = mqev_fleet_set_watch(fleet, on_watch, NULL);
	ck_assert(result == 0 || result == MQEV_ERR_NOMEM);
	c = mqev_client_new(fleet, MQEV_OPTIONS(.client_id = "c"), NULL);
	if (c != NULL && mqev_connect(c, tk_auto_url(server)) == 0) {
		for (int i = 0; i < 50 && !mqev_client_is_connected(c); i++) {
			event_base_loop(base, EVLOOP_NONBLOCK);
			result = mqev_fleet_next_timeout_ms(fleet);
			ck_assert(result >= -1 || result == MQEV_ERR_NOMEM);
			result = mqev_fleet_dispatch(fleet);
			ck_assert(result >= 0 || result == MQEV_ERR_NOMEM);
		}
	}
	result = mqev_loop_start(fleet);
	ck_assert(result == 0 || result == MQEV_ERR_NOMEM);
	if (result == 0)
		ck_assert_int_eq(mqev_loop_stop(fleet, MQEV_STOP_NOW, 5000), 0);
	mqev_fleet_free(fleet);
}

/* --- blocking calls: the server, which has an allocator of its own, is in a thread --------------
 */

static atomic_int serving;

static void *
serve(void *arg)
{
	const struct timeval wait = {0, 5000};

	(void)arg;
	while (atomic_load(&serving)) {
		event_base_loopexit(base, &wait);
		event_base_loop(base, 0);
	}
	return NULL;
}

#define HOW                                                                         \
	MQEV_ONESHOT(.timeout_ms = 2000, .retry = true, .report = &report,          \
	    .options = MQEV_OPTIONS(.client_id = "c", .protocol = MQEV_PROTOCOL_V5, \
		.reconnect_min_ms = 1, .reconnect_max_ms = 2))

static void
oneshot_scenario(void)
{
	struct mqev_oneshot_report report;
	struct mqev_message *messages[1];
	int error = mqev_publish_single(tk_auto_url(server),
	    MQEV_MESSAGE(.topic = "kept", .payload = "p", .payload_len = 1, .qos = 1,
		.retain = true),
	    HOW);

	ck_assert_msg(
	    error == 0 || error == MQEV_ERR_NOMEM, "%s: %s", mqev_error_text(error), report.text);
	ck_assert_uint_eq(report.done, error == 0);
	error = mqev_subscribe_simple(tk_auto_url(server),
	    MQEV_SUBSCRIPTION(.filter = "kept", .qos = 1), 1, messages, 1, HOW);
	/* A retained message that the first call could not publish does not come. */
	ck_assert_msg(error == 0 || error == MQEV_ERR_NOMEM || error == MQEV_ERR_TIMEOUT, "%s: %s",
	    mqev_error_text(error), report.text);
	ck_assert_uint_eq(report.done, error == 0);
	ck_assert((messages[0] != NULL) == (error == 0));
	mqev_message_free(messages[0]);
}

/* --- each in turn ------------------------------------------------------------------------------
 */

static void
fail_each(void (*scenario)(void))
{
	size_t n = 0;

	fail_mem_never();
	scenario();
	ck_assert_uint_eq(fail_mem_live(), 0);
	ck_assert_uint_gt(fail_mem_count(), 10);
	do {
		ck_assert_uint_lt(n, MOST);
		fail_mem_after(n++);
		scenario();
		ck_assert_msg(fail_mem_live() == 0, "allocation %zu: %zu blocks are left", n - 1,
		    fail_mem_live());
	} while (fail_mem_refused() > 0);
}

START_TEST(remote)
{
	fail_each(remote_scenario);
}
END_TEST

START_TEST(foreign)
{
	fail_each(foreign_scenario);
}
END_TEST

START_TEST(oneshot)
{
	pthread_t thread;

	atomic_store(&serving, 1);
	pthread_create(&thread, NULL, serve, NULL);
	fail_mem_never();
	oneshot_scenario();
	fail_each(oneshot_scenario);
	atomic_store(&serving, 0);
	pthread_join(thread, NULL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("thread_memory");
	TCase *tc = tk_case(s, "memory");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, remote);
	tcase_add_test(tc, foreign);
	tcase_add_test(tc, oneshot);
	return tk_main(s);
}
