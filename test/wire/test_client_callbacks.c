/* What may be done inside callbacks: freeing the client, another one and the fleet, running the loop,
 * and every function of the library in every callback. */
#include "wire/client_kit.h"

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
    TK_WAIT(15),
    TK_RESUME(),
    TK_SEND("90 (0001 () 01) 90 (0002 () 80)"),
    TK_SEND("40 (0003) 50 (0004) 70 (0004) B0 (0005 () 00)"),
    TK_SEND("30 ({'f'} () 'filter') 32 ({'o'} 0007 () 'other') 34 ({'o'} 0008 () 'two')"),
    TK_SEND("30 ({'added'} () 'a')"),
    TK_WAIT(15),
    TK_CALL(send_here_again, NULL),
    TK_ACCEPT(),
    TK_LENIENT(),
    TK_EXPECT(CONNECT),
    TK_SEND("20 (01 00 ())"),
    TK_WAIT(10),
    TK_SEND("E0 01 8B"),
    TK_WAIT(10),
    TK_END,
};

/* More than the system takes, and less than makes the others wait. */
static char large[200000];

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

static struct mqev_client *
client_with_everything(void *userdata)
{
	kit.more = true;
	kit.backoff_ms = 5;
	return KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .session_expiry = 100,
	    .reconnect_max_ms = 20, .userdata = userdata,
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
	client_with_everything(NULL);
	submit_everything(kit.client);
	kit_connect();
	/* What the callbacks do may keep the script from its end. */
	tk_run_until(kit.base, is_over, NULL, 250);
	kit_run(20);
	(void)tk_broker_error(kit.broker);
}

/* Those that time gives rise to have a scenario of their own. */
static bool
is_slow(int event)
{
	return event == KIT_ACK_TIMEOUT || event == KIT_HOLD_TIMEOUT;
}

static struct mqev_ack *kept;

static void
hold_first(enum kit_event event, const void *what)
{
	if (event == KIT_MESSAGE && kept == NULL)
		kept = mqev_message_hold(what);
}

static void
run_slowly(void)
{
	kit.quiet[KIT_DONE] = true;
	kit.more = true;
	kit_broker(slowly);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .ack_timeout_ms = 10, .hold_timeout_ms = 10,
	    .reconnect_max_ms = 20);
	kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "t", .qos = 1));
	kit_connect();
	tk_run_until(kit.base, is_over, NULL, 600);
	kit_run(20);
	(void)tk_broker_error(kit.broker);
	mqev_ack_drop(kept);
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
	(void)userdata;
	if (is_slow((int)plan.event))
		hold_first(event, what);
	if (plan.done && !plan.inside && plan.what != FREE_OTHER)
		plan.after++;
	if (plan.done || c != kit.client || event != plan.event || kit.count[event] < plan.nth)
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
	if (is_slow((int)plan.event))
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

static const enum kit_event slow_events[] = {KIT_ACK_TIMEOUT, KIT_HOLD_TIMEOUT};

START_TEST(free_in_slow_callback)
{
	plan.what = _i % FREE_KINDS;
	plan.nth = 1;
	plan.event = slow_events[_i / FREE_KINDS];
	kit.hook = free_in_callback;
	other = kit_client_new(
	    (struct mqev_options){.size = sizeof(struct mqev_options), .client_id = "other"});
	run_slowly();
	ck_assert(plan.done);
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
	ck_assert_int_eq(kit.count[KIT_FILTER], 2);
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
	if (published++ < 20)
		ck_assert_int_gt(kit_try_publish(c, MQEV_MESSAGE(.topic = "more", .payload = large,
							.payload_len = 100000)),
		    0);
}

static void
call_subscribe(struct mqev_client *c)
{
	if (published++ < 100)
		ck_assert_int_gt(
		    kit_try_subscribe(
			c, MQEV_SUBSCRIPTION(.filter = "f", .on_message = kit_filter_message), 1),
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
call_reconnect(struct mqev_client *c)
{
	if (published++ < 6)
		ck_assert_int_eq(KIT_CALL(mqev_reconnect(c)), 0);
}

static void
call_settings(struct mqev_client *c)
{
	const struct mqev_will *wills[] = {
	    NULL, MQEV_WILL(.topic = "w", .payload = "x", .payload_len = 1)};

	published++;
	ck_assert_int_eq(mqev_client_set_login(c, published % 2 ? "u" : NULL, NULL, 0), 0);
	ck_assert_int_eq(mqev_client_set_will(c, wills[published % 2]), 0);
	ck_assert_int_eq(mqev_client_set_keepalive(c, 60 + (uint32_t)published % 5), 0);
	ck_assert_int_eq(mqev_client_set_max_inflight(c, 1 + (uint32_t)published % 3), 0);
	ck_assert_int_eq(mqev_client_set_reconnect_delay(c, 1, 5), 0);
}

/* Each callback away, and this one too; the last of them stays away. */
static void
call_set_callbacks(struct mqev_client *c)
{
	ck_assert_int_eq(mqev_client_set_on_connect(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_connect_fail(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_disconnect(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_message(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_publish(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_subscribe(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_unsubscribe(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_pre_connect(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_socket_open(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_socket_close(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_socket_register_write(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_socket_unregister_write(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_reconnect_options(c, NULL), 0);
	ck_assert_int_eq(mqev_client_set_on_log(c, NULL), 0);
}

/* The way to the server: what is under way keeps the old one, the next attempt has the new one. */
static void
call_set_way(struct mqev_client *c)
{
	ck_assert_int_eq(KIT_CALL(mqev_client_set_tls(c, NULL)), 0);
	ck_assert_int_eq(KIT_CALL(mqev_client_set_proxy(c, NULL)), 0);
	ck_assert_int_eq(KIT_CALL(mqev_client_set_websocket(
			     c, MQEV_WEBSOCKET_OPTIONS(.path = published++ % 2 ? "/a" : "/b"))),
	    0);
	ck_assert_int_eq(KIT_CALL(mqev_client_set_socket(
			     c, MQEV_SOCKET_OPTIONS(.bind_address = "127.0.0.1",
				    .keepalive = published % 2, .on_socket = kit_socket_made))),
	    0);
}

static void
call_filters(struct mqev_client *c)
{
	int error;

	ck_assert_int_eq(mqev_message_callback_add(c, "+", kit_filter_message, (void *)"more"), 0);
	error = mqev_message_callback_remove(c, published++ % 2 ? "added" : "+");
	ck_assert(error == 0 || error == MQEV_ERR_NOT_FOUND);
}

static void
call_attempt(struct mqev_client *c)
{
	int error = mqev_attempt_hold(c);

	ck_assert(error == 0 || error == MQEV_ERR_STATE);
	error = mqev_attempt_go(c, (uint64_t)kit.count[KIT_PRE_CONNECT], 0);
	ck_assert(error == 0 || error == MQEV_ERR_STATE);
}

static void
call_network_changed(struct mqev_client *c)
{
	kit.in_call++;
	mqev_network_changed(c);
	mqev_fleet_network_changed(kit.fleet);
	kit.in_call--;
}

static struct mqev_ack *acks[8];
static int ack_count;

/* A message's own acknowledgement is taken over in its callback, and given in all others. */
static void
call_ack(struct mqev_client *c)
{
	(void)c;
	for (int i = 0; i < ack_count; i++) {
		int error = KIT_CALL(mqev_ack(acks[i], MQEV_REASON_SUCCESS, NULL));

		ck_assert(error == 0 || error == MQEV_ERR_STATE || error == MQEV_ERR_LOST);
	}
}

static bool calls_ack(void);

static void
hold_messages(enum kit_event event, const void *what)
{
	struct mqev_ack *ack;

	if (calls_ack() && event == KIT_MESSAGE && ack_count < 8) {
		ack = mqev_message_hold(what);
		ck_assert_ptr_nonnull(ack);
		acks[ack_count++] = ack;
	}
}

static void
call_new_and_free(struct mqev_client *c)
{
	struct mqev_client *made;

	(void)c;
	if (published++ > 20)
		return;
	made = kit_client_new(
	    (struct mqev_options){.size = sizeof(struct mqev_options), .client_id = "made"});
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
    call_unsubscribe, call_questions, call_new_and_free, call_fleet, call_reconnect, call_settings,
    call_set_callbacks, call_filters, call_attempt, call_network_changed, call_ack, call_set_way};

#define CALLS ((int)(sizeof(calls) / sizeof(calls[0])))

static bool
calls_ack(void)
{
	return calls[plan.what] == call_ack;
}

static void
call_in_callback(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)userdata;
	if (is_slow((int)plan.event))
		hold_first(event, what);
	else
		hold_messages(event, what);
	/* Lines about what the call itself does would make more of them for ever. */
	if (event == plan.event && c == kit.client && kit.count[event] <= 40)
		calls[plan.what](c);
}

START_TEST(each_call_in_each_callback)
{
	plan.what = _i % CALLS;
	plan.event = (enum kit_event)(_i / CALLS);
	kit.hook = call_in_callback;
	if (is_slow((int)plan.event))
		return;
	run_everything();
	ck_assert_int_gt(kit.count[plan.event], 0);
	for (int i = 0; i < ack_count; i++)
		mqev_ack_drop(acks[i]);
}
END_TEST

START_TEST(each_call_in_slow_callback)
{
	plan.what = _i % CALLS;
	plan.event = slow_events[_i / CALLS];
	kit.hook = call_in_callback;
	run_slowly();
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
	tcase_add_loop_test(tc, free_in_slow_callback, 0, 2 * FREE_KINDS);
	tcase_add_loop_test(tc, free_in_on_log, 0, 60);
	tcase_add_test(tc, free_in_free);
	tcase_add_test(tc, use_while_freed);
	tc = kit_case(s, "loop");
	tcase_add_loop_test(tc, loop_in_each_callback, 0, KIT_EVENTS);
	tc = kit_case(s, "calls");
	tcase_add_loop_test(tc, each_call_in_each_callback, 0, KIT_EVENTS * CALLS);
	tcase_add_loop_test(tc, each_call_in_slow_callback, 0, 2 * CALLS);
	tcase_add_test(tc, userdata);
	return s;
}

int
main(void)
{
	return tk_main(suite());
}
