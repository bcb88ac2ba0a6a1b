/* What may be done inside callbacks: freeing the client, another one and the fleet, running the loop,
 * and every function of the library in every callback. */
#include "wire/client_kit.h"

#include <stdio.h>

/* --- a scenario that runs every callback -------------------------------------------------------
 */

/* One connection in which each kind of callback runs, and before it an attempt that fails. */
static const struct tk_step everything[] = {
    TK_LENIENT(),
    TK_EXPECT(CONNECT),
    TK_CLOSE(),
    TK_ACCEPT(),
    TK_LENIENT(),
    TK_EXPECT(CONNECT),
    TK_SEND("20 (00 00 ())"),
    TK_WAIT(30),
    TK_SEND("90 (0001 () 01) 90 (0002 () 80)"),
    TK_SEND("40 (0003) 50 (0004) 70 (0004) B0 (0005 () 00)"),
    TK_SEND("30 ({'f'} () 'filter') 32 ({'o'} 0007 () 'other') 34 ({'o'} 0008 () 'two')"),
    TK_WAIT(30),
    TK_SEND("E0 01 8B"),
    TK_WAIT(30),
    TK_END,
};

static void
submit_everything(struct mqev_client *c)
{
	const char *filter = "gone";

	kit_try_subscribe(c, MQEV_SUBSCRIPTION(.filter = "f", .on_message = kit_filter_message), 1);
	kit_try_subscribe(c, MQEV_SUBSCRIPTION(.filter = "refused"), 1);
	for (int qos = 1; qos < 3; qos++)
		kit_try_publish(c, MQEV_MESSAGE(.topic = "t", .qos = qos));
	kit_note_accepted(KIT_CALL(mqev_unsubscribe(c, &filter, 1, NULL, kit_done, kit_op())));
	kit_try_publish(c, MQEV_MESSAGE(.topic = "t"));
}

static struct {
	enum kit_event event; /* in this callback */
	int nth;	      /* when it runs for the nth time */
	int what;
	bool done;
	bool inside; /* mqev_client_free() or mqev_fleet_free() is running */
	int after;   /* callbacks that ran after it, which are too many */
} plan;

static int
is_over(void *arg)
{
	(void)arg;
	return plan.done || tk_broker_done(kit.broker);
}

static void
run_everything(void)
{
	kit.quiet[KIT_DONE] = true;
	kit_broker(everything);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .reconnect_max_ms = 20);
	submit_everything(kit.client);
	kit_connect();
	/* What the callbacks do may keep the script from its end. */
	tk_run_until(kit.base, is_over, NULL, 250);
	kit_run(30);
	(void)tk_broker_error(kit.broker);
}

/* Without a hook, to know that the scenario does what it says. */
START_TEST(everything_runs)
{
	run_everything();
	for (int event = 0; event < KIT_EVENTS; event++)
		ck_assert_msg(kit.count[event] > 0, "callback %d did not run", event);
	ck_assert_int_eq(kit.count[KIT_CONNECT_FAIL], 1);
	ck_assert_int_eq(kit.count[KIT_DONE], 6);
	ck_assert_int_eq(kit.count[KIT_MESSAGE], 2);
	ck_assert_int_eq(kit.count[KIT_FILTER], 1);
}
END_TEST

/* --- freeing -----------------------------------------------------------------------------------
 */

static struct mqev_client *other;

enum { FREE_CLIENT, FREE_OTHER, FREE_FLEET, FREE_BOTH, FREE_KINDS };

static void
free_client_of_kit(void)
{
	struct mqev_client *c = kit.client;

	kit.client = NULL;
	mqev_client_free(c);
}

static void
free_fleet_of_kit(void)
{
	struct mqev_fleet *fleet = kit.fleet;

	kit.client = other = NULL;
	kit.fleet = NULL;
	mqev_fleet_free(fleet);
}

static void
free_other(void)
{
	mqev_client_free(other);
	other = NULL;
}

static void
free_by_plan(void)
{
	plan.inside = true;
	if (plan.what == FREE_CLIENT || plan.what == FREE_BOTH)
		free_client_of_kit();
	if (plan.what == FREE_OTHER || plan.what == FREE_BOTH)
		free_other();
	if (plan.what == FREE_FLEET)
		free_fleet_of_kit();
	plan.inside = false;
}

static void
free_in_callback(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	if (plan.done && !plan.inside && plan.what != FREE_OTHER)
		plan.after++;
	if (plan.done || c != kit.client || event != plan.event ||
	    kit.count[event] < plan.nth)
		return;
	plan.done = true;
	free_by_plan();
}

#define NTH 3

START_TEST(free_in_each_callback)
{
	int i = _i;

	plan.what = i % FREE_KINDS;
	i /= FREE_KINDS;
	plan.nth = 1 + i % NTH;
	plan.event = (enum kit_event)(i / NTH);
	kit.hook = free_in_callback;
	other = kit_client_new((struct mqev_options){.size = sizeof(struct mqev_options),
	    .client_id = "other", .protocol = MQEV_PROTOCOL_V5});
	kit_try_publish(other, MQEV_MESSAGE(.topic = "t", .qos = 1));
	run_everything();
	ck_assert_int_eq(plan.after, 0);
	if (kit.client != NULL)
		free_client_of_kit();
	free_other();
}
END_TEST

/* In the many places where a line is logged. */
START_TEST(free_in_on_log)
{
	plan.event = KIT_LOG;
	plan.what = _i % 2 == 0 ? FREE_CLIENT : FREE_FLEET;
	plan.nth = 1 + _i / 2;
	kit.hook = free_in_callback;
	run_everything();
	ck_assert_int_eq(plan.after, 0);
}
END_TEST

/* Completions that run inside mqev_client_free() may free as well. */
static void
free_again(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	if (event != KIT_DONE)
		return;
	mqev_client_free(c);
	free_other();
}

START_TEST(free_in_free)
{
	kit.hook = free_again;
	KIT_CLIENT(.keepalive = 60);
	other = kit_client_new((struct mqev_options){.size = sizeof(struct mqev_options)});
	kit_publish("a", "m", 1);
	kit_publish("a", "m", 0);
	kit_subscribe("a", 0, NULL);
	kit_free_client();
	ck_assert_int_eq(kit.count[KIT_DONE], 3);
	ck_assert_ptr_null(other);
}
END_TEST

/* What a completion inside free asks for is refused, and there is nothing left behind. */
static void
use_in_free(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	const char *filter = "a";

	(void)what;
	(void)userdata;
	if (event != KIT_DONE)
		return;
	ck_assert_int_lt(mqev_publish(c, MQEV_MESSAGE(.topic = "a"), NULL, NULL), 0);
	ck_assert_int_lt(
	    mqev_subscribe(c, MQEV_SUBSCRIPTION(.filter = "a"), 1, NULL, NULL, NULL), 0);
	ck_assert_int_lt(mqev_unsubscribe(c, &filter, 1, NULL, NULL, NULL), 0);
	ck_assert_int_lt(mqev_connect(c, "mqtt://127.0.0.1:1"), 0);
	ck_assert_int_lt(mqev_disconnect(c, NULL), 0);
	ck_assert(!mqev_client_is_connected(c));
	ck_assert_str_eq(mqev_client_id(c), "c");
	ck_assert_ptr_nonnull(mqev_client_fleet(c));
}

START_TEST(use_while_freed)
{
	kit.hook = use_in_free;
	KIT_CLIENT(.keepalive = 60);
	kit_publish("a", "m", 1);
	kit_publish("a", "m", 0);
	kit_subscribe("a", 0, NULL);
	kit_free_client();
	ck_assert_int_eq(kit.count[KIT_DONE], 3);
	kit_run(30);
}
END_TEST

/* --- the loop inside a callback ----------------------------------------------------------------
 */

/* libevent refuses to run a loop inside itself; nothing may come of the attempt. */
static void
run_loop(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)c;
	(void)what;
	(void)userdata;
	if (event == plan.event && plan.after++ < 5)
		ck_assert_int_eq(event_base_loop(kit.base, EVLOOP_NONBLOCK), -1);
}

static void
say_nothing(int severity, const char *text)
{
	(void)severity;
	(void)text;
}

START_TEST(loop_in_each_callback)
{
	event_set_log_callback(say_nothing);
	plan.event = (enum kit_event)_i;
	kit.hook = run_loop;
	run_everything();
	ck_assert_int_eq(kit.completed, kit.accepted);
	ck_assert_int_eq(kit.count[KIT_MESSAGE], 2);
	ck_assert_int_eq(kit.count[KIT_FILTER], 1);
}
END_TEST

/* --- every function in every callback ----------------------------------------------------------
 */

static void
call_connect(struct mqev_client *c)
{
	int error = KIT_CALL(mqev_connect(c, tk_broker_url(kit.broker)));

	ck_assert(error == 0 || error == MQEV_ERR_STATE);
}

static void
call_connect_wrong(struct mqev_client *c)
{
	int error = KIT_CALL(mqev_connect(c, "nonsense://"));

	ck_assert(error == MQEV_ERR_INVALID || error == MQEV_ERR_STATE);
	ck_assert_ptr_nonnull(mqev_client_error_text(c));
}

static void
call_disconnect(struct mqev_client *c)
{
	int error = KIT_CALL(mqev_disconnect(c, NULL));

	ck_assert(error == 0 || error == MQEV_ERR_STATE);
}

static void
call_disconnect_connect(struct mqev_client *c)
{
	call_disconnect(c);
	call_connect(c);
}

static int published;

static void
call_publish(struct mqev_client *c)
{
	for (int qos = 0; qos < 3 && published < 300; qos++, published++)
		ck_assert_int_gt(kit_try_publish(c, MQEV_MESSAGE(.topic = "more", .qos = qos)), 0);
}

static void
call_publish_large(struct mqev_client *c)
{
	static char large[100000];

	if (published++ < 20)
		ck_assert_int_gt(kit_try_publish(c, MQEV_MESSAGE(.topic = "more", .payload = large,
							.payload_len = sizeof(large))),
		    0);
}

static void
call_subscribe(struct mqev_client *c)
{
	if (published++ < 100)
		ck_assert_int_gt(kit_try_subscribe(c,
				     MQEV_SUBSCRIPTION(
					     .filter = "f", .on_message = kit_filter_message),
				     1),
		    0);
}

static void
call_unsubscribe(struct mqev_client *c)
{
	const char *filter = "f";
	int64_t op;

	if (published++ >= 100)
		return;
	op = KIT_CALL(mqev_unsubscribe(c, &filter, 1, NULL, kit_done, kit_op()));
	ck_assert_int_gt(op, 0);
	kit_note_accepted(op);
}

static void
call_questions(struct mqev_client *c)
{
	mqev_client_set_userdata(c, &plan);
	ck_assert_ptr_eq(mqev_client_userdata(c), &plan);
	ck_assert_ptr_eq(mqev_client_fleet(c), kit.fleet);
	ck_assert_ptr_eq(mqev_fleet_base(kit.fleet), kit.base);
	ck_assert_str_eq(mqev_client_id(c), "c");
	ck_assert_uint_ge(mqev_fleet_client_count(kit.fleet), 1);
	(void)mqev_client_is_connected(c);
}

static void
call_new_and_free(struct mqev_client *c)
{
	struct mqev_client *made;

	(void)c;
	if (published++ > 20)
		return;
	made = kit_client_new((struct mqev_options){
	    .size = sizeof(struct mqev_options), .client_id = "made"});
	call_connect(made);
	if (published % 2 == 0)
		mqev_client_free(made); /* else the fleet frees it */
}

static void
call_fleet(struct mqev_client *c)
{
	(void)c;
	mqev_fleet_free(mqev_fleet_new(kit.base, NULL));
}

static void (*const calls[])(struct mqev_client *) = {call_connect, call_connect_wrong,
    call_disconnect, call_disconnect_connect, call_publish, call_publish_large, call_subscribe,
    call_unsubscribe, call_questions, call_new_and_free, call_fleet};

#define CALLS ((int)(sizeof(calls) / sizeof(calls[0])))

static void
call_in_callback(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	/* Lines about what the call itself does would make more of them for ever. */
	if (event == plan.event && c == kit.client && kit.count[event] <= 40)
		calls[plan.what](c);
}

START_TEST(each_call_in_each_callback)
{
	plan.what = _i % CALLS;
	plan.event = (enum kit_event)(_i / CALLS);
	kit.hook = call_in_callback;
	run_everything();
	ck_assert_int_gt(kit.count[plan.event], 0);
}
END_TEST

/* --- userdata ----------------------------------------------------------------------------------
 */

static void
check_userdata(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	if (event == KIT_FILTER)
		ck_assert_ptr_null(userdata);
	else if (event != KIT_DONE)
		ck_assert_ptr_eq(userdata, mqev_client_userdata(c));
	if (event == KIT_CONNECT)
		mqev_client_set_userdata(c, &plan);
}

START_TEST(userdata)
{
	int mark = 0;

	kit.hook = check_userdata;
	kit.quiet[KIT_DONE] = true;
	kit_broker(everything);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .reconnect_max_ms = 20, .userdata = &mark);
	ck_assert_ptr_eq(mqev_client_userdata(kit.client), &mark);
	submit_everything(kit.client);
	kit_connect();
	KIT_PLAY(3000);
	ck_assert_ptr_eq(mqev_client_userdata(kit.client), &plan);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("client_callbacks");
	TCase *tc = kit_case(s, "free");

	tcase_add_test(tc, everything_runs);
	tcase_add_loop_test(tc, free_in_each_callback, 0, KIT_LOG * NTH * FREE_KINDS);
	tcase_add_loop_test(tc, free_in_on_log, 0, 60);
	tcase_add_test(tc, free_in_free);
	tcase_add_test(tc, use_while_freed);
	tc = kit_case(s, "loop");
	tcase_add_loop_test(tc, loop_in_each_callback, 0, KIT_EVENTS);
	tc = kit_case(s, "calls");
	tcase_add_loop_test(tc, each_call_in_each_callback, 0, KIT_EVENTS * CALLS);
	tcase_add_test(tc, userdata);
	return s;
}

int
main(void)
{
	return tk_main(suite());
}
