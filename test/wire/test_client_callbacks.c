/* What may be done inside callbacks: freeing the client, another one and the fleet, running the
 * loop, and every function of the library in every callback. */
#include "wire/callbacks_kit.h"

#include <stdio.h>

/* --- a scenario that runs every callback -------------------------------------------------------
 */

static void
send_here_again(struct tk_broker *b, void *arg)
{
	char text[64];

	(void)arg;
	snprintf(text, sizeof(text), "E0 (9C (1C {'127.0.0.1:%d'}))", tk_broker_port(b));
	tk_broker_send_hex(b, text);
}

/* Connections in which each kind of callback runs: one that fails, one on which everything happens
 * and whose server does not read for a while, and one to which it sends us. */
static const struct tk_step everything[] = {
    TK_LENIENT(),
    TK_EXPECT(CONNECT),
    TK_CLOSE(),
    TK_ACCEPT(),
    TK_LENIENT(),
    TK_EXPECT(CONNECT),
    TK_STALL(),
    TK_SEND("20 (00 00 ())"),
    TK_TURNS(20),
    TK_RESUME(),
    TK_SEND("90 (0001 () 01) 90 (0002 () 80)"),
    TK_SEND("40 (0003) 50 (0004) 70 (0004) B0 (0005 () 00)"),
    TK_SEND("30 ({'f'} () 'filter') 32 ({'o'} 0007 () 'other') 34 ({'o'} 0008 () 'two')"),
    TK_SEND("30 ({'added'} () 'a')"),
    TK_TURNS(40),
    TK_CALL(send_here_again, NULL),
    TK_ACCEPT(),
    TK_LENIENT(),
    TK_EXPECT(CONNECT),
    TK_SEND("20 (01 00 ())"),
    TK_TURNS(20),
    TK_SEND("E0 01 8B"),
    TK_TURNS(20),
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
	kit_try_publish(c, MQEV_MESSAGE(.topic = "t", .payload = large,
			       .payload_len = sizeof(large), .release = kit_release));
	ck_assert_int_eq(
	    mqev_message_callback_add(c, "added", kit_filter_message, (void *)"added"), 0);
}

/* Between two attempts to connect. */
enum { LONGEST_WAIT_MS = 2 };

static struct mqev_client *
client_with_everything(void *userdata)
{
	kit.more = true;
	kit.backoff_ms = 1;
	return KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .session_expiry = 100,
	    .reconnect_min_ms = 1, .reconnect_max_ms = LONGEST_WAIT_MS, .userdata = userdata,
	    .socket = MQEV_SOCKET_OPTIONS(.send_buffer_bytes = 8192, .on_socket = kit_socket_made));
}

/* An acknowledgement does not come, and a message is held. */
static const struct tk_step slowly[] = {
    TK_LENIENT(),
    TK_EXPECT(CONNECT),
    TK_SEND("20 (00 00 ()) 32 ({'o'} 0007 () 'held')"),
    TK_WAIT(290),
    TK_END,
};

static int
is_over(void)
{
	return plan.done || tk_broker_done(kit.broker);
}

static void
run_everything(void)
{
	kit.quiet[KIT_DONE] = true;
	kit_broker(everything);
	client_with_everything(NULL);
	submit_everything(kit.client);
	kit_connect();
	/* What the callbacks do may keep the script from its end. */
	if (run_while_it_goes(is_over, NULL, 2 * LONGEST_WAIT_MS))
		run_while_it_goes(NULL, NULL, LONGEST_WAIT_MS + 1);
	(void)tk_broker_error(kit.broker);
}

/* Those that time gives rise to have a scenario of their own. */
static bool
is_slow(int event)
{
	return event == KIT_ACK_TIMEOUT || event == KIT_HOLD_TIMEOUT;
}

/* Their deadlines come with the fleet's tick, so all cases wait for it together, each with a fleet
 * and a server of its own, which the kit has while it is that one's turn. */
struct slow_case {
	int event;
	int what;
	struct mqev_client *client; /* NULL: freed */
	struct mqev_client *other;
	struct mqev_fleet *fleet;
	struct tk_broker *broker;
	struct mqev_ack *kept;
	const void *was; /* the client's address */
	bool done;
};

static struct {
	struct slow_case at[2 * CALLS];
	int count;
	struct slow_case *now; /* in the kit */
} slow;

static void
put_into_kit(struct slow_case *one)
{
	kit.client = one->client;
	kit.fleet = one->fleet;
	kit.broker = one->broker;
	other = one->other;
	plan.event = one->event;
	plan.what = one->what;
	slow.now = one;
}

static void
take_from_kit(struct slow_case *one)
{
	one->client = kit.client;
	one->fleet = kit.fleet;
	one->other = other;
	kit.client = other = NULL;
	kit.fleet = NULL;
	kit.broker = NULL;
	slow.now = NULL;
}

static void
hold_first(struct slow_case *one, enum kit_event event, const void *what)
{
	if (event == KIT_MESSAGE && one->kept == NULL)
		one->kept = mqev_message_hold(what);
}

static void
start_slow(struct slow_case *one)
{
	one->fleet = mqev_fleet_new(kit.base, NULL);
	ck_assert_ptr_nonnull(one->fleet);
	put_into_kit(one);
	kit_broker(slowly);
	one->broker = kit.broker;
	one->was = KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .ack_timeout_ms = 10,
	    .hold_timeout_ms = 10, .reconnect_max_ms = 20);
	other = kit_client_new(
	    (struct mqev_options){.size = sizeof(struct mqev_options), .client_id = "other"});
	kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "t", .qos = 1));
	kit_connect();
	take_from_kit(one);
}

static void
end_slow(struct slow_case *one)
{
	(void)tk_broker_error(one->broker);
	mqev_ack_drop(one->kept);
	mqev_fleet_free(one->fleet);
	tk_broker_free(one->broker);
}

static int
all_slow_done(void *arg)
{
	(void)arg;
	for (int i = 0; i < slow.count; i++) {
		if (!slow.at[i].done || !tk_broker_done(slow.at[i].broker))
			return 0;
	}
	return 1;
}

static struct slow_case *
slow_case_of(const struct mqev_client *c)
{
	for (int i = 0; i < slow.count; i++) {
		if (slow.at[i].was == c)
			return &slow.at[i];
	}
	return NULL;
}

/* For each of the slow callbacks, kinds times. */
static void
run_slowly(int kinds, kit_hook *act)
{
	kit.quiet[KIT_DONE] = true;
	kit.more = true;
	kit.hook = act;
	mqev_fleet_free(kit.fleet);
	for (slow.count = 0; slow.count < 2 * kinds; slow.count++) {
		slow.at[slow.count].event = slow.count < kinds ? KIT_ACK_TIMEOUT : KIT_HOLD_TIMEOUT;
		slow.at[slow.count].what = slow.count % kinds;
		start_slow(&slow.at[slow.count]);
	}
	tk_run_until(kit.base, all_slow_done, NULL, 900);
	kit_run(20);
	for (int i = 0; i < slow.count; i++) {
		ck_assert_msg(
		    slow.at[i].done, "%d was not called in %d", slow.at[i].what, slow.at[i].event);
		end_slow(&slow.at[i]);
	}
}

/* Without a hook, to know that the scenario does what it says. */
START_TEST(everything_runs)
{
	run_everything();
	for (int event = 0; event < KIT_EVENTS; event++)
		ck_assert_msg(
		    kit.count[event] > 0 || is_slow(event), "callback %d did not run", event);
	ck_assert_int_eq(kit.count[KIT_CONNECT_FAIL], 1);
	ck_assert_int_eq(kit.count[KIT_DONE], 6);
	ck_assert_int_eq(kit.count[KIT_MESSAGE], 2);
	ck_assert_int_eq(kit.count[KIT_FILTER], 2);
	ck_assert_int_ge(kit.count[KIT_SOCKET_CLOSE], 3);
}
END_TEST

/* --- freeing -----------------------------------------------------------------------------------
 */

static void
free_in_callback(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)userdata;
	(void)what;
	if (plan.done && !plan.inside && plan.what != FREE_OTHER)
		plan.after++;
	if (plan.done || c != kit.client || (int)event != plan.event || kit.count[event] < plan.nth)
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
	plan.event = i / NTH;
	if (is_slow(plan.event))
		return;
	kit.hook = free_in_callback;
	other = kit_client_new((struct mqev_options){.size = sizeof(struct mqev_options),
	    .client_id = "other",
	    .protocol = MQEV_PROTOCOL_V5});
	kit_try_publish(other, MQEV_MESSAGE(.topic = "t", .qos = 1));
	run_everything();
	ck_assert_int_eq(plan.after, 0);
	if (kit.client != NULL)
		free_client_of_kit();
	free_other();
}
END_TEST

/* No callback of a client follows its end. */
static void
free_in_slow(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	struct slow_case *one = slow_case_of(c);

	(void)userdata;
	if (one == NULL || slow.now != NULL)
		return;
	hold_first(one, event, what);
	ck_assert(!one->done || one->what == FREE_OTHER);
	if (one->done || (int)event != one->event)
		return;
	one->done = true;
	put_into_kit(one);
	free_by_plan();
	take_from_kit(one);
}

START_TEST(free_in_slow_callback)
{
	run_slowly(FREE_KINDS, free_in_slow);
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
	if ((int)event == plan.event && plan.after++ < 5)
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
	plan.event = _i;
	kit.hook = run_loop;
	run_everything();
	ck_assert_int_eq(kit.completed, kit.accepted);
	ck_assert_int_eq(kit.count[KIT_MESSAGE], 2);
	ck_assert_int_eq(kit.count[KIT_FILTER], 2);
}
END_TEST

/* --- every function in every callback ----------------------------------------------------------
 */

static void
call_in_callback(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)userdata;
	if (event == KIT_MESSAGE)
		hold_for_calls(what);
	/* Lines about what the call itself does would make more of them for ever. */
	if ((int)event == plan.event && c == kit.client && kit.count[event] <= 40)
		calls[plan.what](c);
}

START_TEST(each_call_in_each_callback)
{
	plan.what = _i % CALLS;
	plan.event = _i / CALLS;
	kit.hook = call_in_callback;
	if (is_slow(plan.event))
		return;
	run_everything();
	ck_assert_int_gt(kit.count[plan.event], 0);
	drop_acks();
}
END_TEST

static void
call_in_slow(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	struct slow_case *one = slow_case_of(c);

	(void)userdata;
	if (one == NULL || slow.now != NULL)
		return;
	hold_first(one, event, what);
	if ((int)event != one->event)
		return;
	one->done = true;
	put_into_kit(one);
	calls[one->what](c);
	take_from_kit(one);
}

START_TEST(each_call_in_slow_callback)
{
	run_slowly(CALLS, call_in_slow);
}
END_TEST

/* --- userdata ----------------------------------------------------------------------------------
 */

static void
check_userdata(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	if (event == KIT_FILTER)
		ck_assert(userdata == NULL || strcmp(userdata, "added") == 0);
	else if (event != KIT_DONE && event != KIT_SOCKET_MADE && event != KIT_RELEASE)
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
	client_with_everything(&mark);
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
	tcase_add_test(tc, free_in_slow_callback);
	tcase_add_loop_test(tc, free_in_on_log, 0, 60);
	tcase_add_test(tc, free_in_free);
	tcase_add_test(tc, use_while_freed);
	tc = kit_case(s, "loop");
	tcase_add_loop_test(tc, loop_in_each_callback, 0, KIT_EVENTS);
	tc = kit_case(s, "calls");
	tcase_add_loop_test(tc, each_call_in_each_callback, 0, KIT_EVENTS * CALLS);
	tcase_add_test(tc, each_call_in_slow_callback);
	tcase_add_test(tc, userdata);
	return s;
}

int
main(void)
{
	return tk_main(suite());
}
