/* Every function of the library, and freeing, in the callbacks that the usual client has not: of
 * the fleet, of queues, drains, requests, the store, authentication, WebSocket and other threads.
 */
#include "wire/callbacks_kit.h"

#include <mqev/store.h>

#include <stdio.h>

#include "lib/auto.h"
#include "net/ws.h"

/* In which it is called. */
enum more {
	ON_EVENT,
	ON_FLEET_EVENT,
	ON_FLEET_LOG,
	ON_WATER,
	ON_FLEET_WATER,
	ON_REPLY,
	ON_DRAINED,
	ON_FLEET_DRAINED,
	ON_DURABLE,
	ON_REAUTHENTICATED,
	ON_PREPARE,
	IN_EACH,
	IN_REMOTE_CALL,
	ON_REMOTE_DONE,
	ON_REMOTE_REPLY,
	ON_REMOTE_DRAINED,
	MORE
};

/* Lines and events about what the calls themselves do would make more of them for ever. */
enum { OFTEN_ENOUGH = 20, LONGEST_WAIT_MS = 2 };

static int counts[MORE];
static int sum;
static const struct mqev_client *freed;
static bool frees; /* plan.what is of the free kinds */

/* The plan has freed it; NULL stands for the fleet. */
static bool
is_gone(const struct mqev_client *c)
{
	return plan.what == FREE_FLEET || (plan.what != FREE_OTHER && c == freed);
}

static void
act(enum more event, struct mqev_client *c)
{
	ck_assert_msg(kit.in_call == 0, "callback %d ran inside a call of the application", event);
	sum++;
	plan.after += plan.done && !plan.inside && is_gone(c);
	if ((int)event != plan.event || kit.client == NULL || (c != NULL && c != kit.client))
		return;
	counts[event]++;
	if (frees && !plan.done) {
		plan.done = true;
		freed = kit.client;
		free_by_plan();
	} else if (!frees && counts[event] <= OFTEN_ENOUGH) {
		calls[plan.what](kit.client);
	}
}

/* The client's other callbacks: none after its end. */
static void
watch_the_others(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)event;
	(void)what;
	(void)userdata;
	plan.after += plan.done && !plan.inside && is_gone(c);
}

/* --- callbacks ---------------------------------------------------------------------------------
 */

static void
on_event(struct mqev_client *c, const struct mqev_event *event, void *userdata)
{
	(void)event;
	(void)userdata;
	act(ON_EVENT, c);
}

static void
on_fleet_event(struct mqev_client *c, const struct mqev_event *event, void *userdata)
{
	(void)event;
	ck_assert_ptr_eq(userdata, counts);
	act(ON_FLEET_EVENT, c);
}

static void
on_fleet_log(struct mqev_client *c, const struct mqev_log_line *line, void *userdata)
{
	(void)line;
	ck_assert_ptr_eq(userdata, counts);
	act(ON_FLEET_LOG, c);
}

static void
on_water(struct mqev_client *c, const struct mqev_water *water, void *userdata)
{
	(void)water;
	(void)userdata;
	act(ON_WATER, c);
}

static void
on_fleet_water(struct mqev_fleet *fleet, const struct mqev_water *water, void *userdata)
{
	(void)water;
	ck_assert_ptr_eq(fleet, kit.fleet);
	ck_assert_ptr_eq(userdata, counts);
	act(ON_FLEET_WATER, NULL);
}

static void
on_durable(struct mqev_client *c, const struct mqev_result *result, void *userdata)
{
	(void)result;
	(void)userdata;
	act(ON_DURABLE, c);
}

static void
on_reply(struct mqev_client *c, const struct mqev_reply *reply, void *arg)
{
	(void)reply;
	act(*(enum more *)arg, c);
}

static void
on_drained(struct mqev_client *c, const struct mqev_drain_report *report, void *arg)
{
	(void)report;
	act(*(enum more *)arg, c);
}

static void
on_fleet_drained(struct mqev_fleet *fleet, const struct mqev_drain_report *report, void *arg)
{
	(void)fleet;
	(void)report;
	(void)arg;
	act(ON_FLEET_DRAINED, NULL);
}

static void
on_done(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	(void)result;
	act(*(enum more *)arg, c);
}

static void
on_call(struct mqev_client *c, void *arg)
{
	act(*(enum more *)arg, c);
}

static int
visit(struct mqev_client *c, void *arg)
{
	act(*(enum more *)arg, c);
	return 0;
}

static int
on_prepare(struct mqev_websocket_request *request, void *arg)
{
	ck_assert_ptr_nonnull(request);
	act(*(enum more *)arg, NULL);
	return 0;
}

/* --- what makes them run -----------------------------------------------------------------------
 */

static enum more marks[MORE];

static void
request(void)
{
	ck_assert_int_gt(KIT_CALL(mqev_request(kit.client, MQEV_MESSAGE(.topic = "ask", .qos = 1),
			     1, on_reply, &marks[ON_REPLY])),
	    0);
}

static void
drain(void)
{
	ck_assert_int_eq(KIT_CALL(mqev_drain(kit.client, 1000, on_drained, &marks[ON_DRAINED])), 0);
}

static void
drain_fleet(void)
{
	ck_assert_int_eq(KIT_CALL(mqev_fleet_drain(kit.fleet, 1000, on_fleet_drained, NULL)), 0);
}

static void
reauthenticate(void)
{
	int64_t op = KIT_CALL(mqev_reauthenticate(kit.client, on_done, &marks[ON_REAUTHENTICATED]));

	ck_assert_int_gt(op, 0);
}

/* The visits run inside, and may free. */
static void
each(void)
{
	mqev_fleet_each(kit.fleet, visit, &marks[IN_EACH]);
}

static void
post(void)
{
	struct mqev_remote *remote = mqev_remote_new(kit.client);

	ck_assert_ptr_nonnull(remote);
	if (plan.event == IN_REMOTE_CALL)
		mqev_remote_call(remote, on_call, &marks[IN_REMOTE_CALL]);
	if (plan.event == ON_REMOTE_DONE)
		mqev_remote_publish(
		    remote, MQEV_MESSAGE(.topic = "r", .qos = 1), on_done, &marks[ON_REMOTE_DONE]);
	if (plan.event == ON_REMOTE_REPLY)
		mqev_remote_request(
		    remote, MQEV_MESSAGE(.topic = "ask"), 1, on_reply, &marks[ON_REMOTE_REPLY]);
	if (plan.event == ON_REMOTE_DRAINED)
		mqev_remote_drain(remote, 1000, on_drained, &marks[ON_REMOTE_DRAINED]);
	mqev_remote_free(remote);
}

/* Once connected; NULL: it comes by itself. */
static void (*const triggers[MORE])(void) = {
    [ON_REPLY] = request,
    [ON_DRAINED] = drain,
    [ON_FLEET_DRAINED] = drain_fleet,
    [ON_REAUTHENTICATED] = reauthenticate,
    [IN_EACH] = each,
    [IN_REMOTE_CALL] = post,
    [ON_REMOTE_DONE] = post,
    [ON_REMOTE_REPLY] = post,
    [ON_REMOTE_DRAINED] = post,
};

/* --- the scenario ------------------------------------------------------------------------------
 */

/* The broker of these knows AUTH; the other servers are the kit's honest one, and one that never
 * answers an upgrade. */
static const struct tk_step authenticates[] = {
    TK_EXPECT(CONNECT),
    TK_SEND("20 (00 00 (15 {'M'}))"),
    TK_EXPECT(AUTH),
    TK_SEND("F0 (00 (15 {'M'}))"),
    TK_TURNS(20),
    TK_END,
};

static struct mqev_store *store;
static struct tk_auto *server;

static int
begin(void *userdata, void **exchange, struct mqev_auth_data *out)
{
	(void)userdata;
	(void)exchange;
	(void)out;
	return 0;
}

static void
make_client(void)
{
	const struct mqev_auth *auth = MQEV_AUTH(.method = "M", .begin = begin);

	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .reconnect_min_ms = 1,
	    .reconnect_max_ms = LONGEST_WAIT_MS, .on_event = on_event, .on_water = on_water,
	    .water = MQEV_WATER_MARKS(.high = 3, .low = 1), .store = store,
	    .auth = plan.event == ON_REAUTHENTICATED ? auth : NULL,
	    .websocket =
		MQEV_WEBSOCKET_OPTIONS(.on_prepare = on_prepare, .prepare_arg = &marks[ON_PREPARE]),
	    .on_durable = on_durable);
}

static void
make_fleet(void)
{
	mqev_fleet_free(kit.fleet);
	kit.fleet = mqev_fleet_new(
	    kit.base, MQEV_FLEET_OPTIONS(.on_log = on_fleet_log, .on_event = on_fleet_event,
			  .water = MQEV_WATER_MARKS(.high = 4, .low = 1),
			  .on_water = on_fleet_water, .userdata = counts));
	ck_assert_ptr_nonnull(kit.fleet);
}

static void
make_servers(void)
{
	/* What a client gave up in the middle of something is not for the judge. */
	server = tk_auto_new(kit.base, &(struct tk_auto_options){.lenient = 1});
	kit.broker =
	    tk_broker_new(kit.base, plan.event == ON_REAUTHENTICATED ? authenticates : NULL,
		&(struct tk_broker_options){.lenient = 1});
	if (plan.event == ON_DURABLE)
		store = mqev_store_open(mqev_backend_memory(), NULL, NULL, NULL);
}

static const char *
url(void)
{
	static char text[64];

	if (plan.event == ON_REAUTHENTICATED)
		return tk_broker_url(kit.broker);
	if (plan.event != ON_PREPARE)
		return tk_auto_url(server);
	snprintf(text, sizeof(text), "ws://127.0.0.1:%d", tk_broker_port(kit.broker));
	return text;
}

static void
submit_before(void)
{
	kit_try_subscribe(kit.client, MQEV_SUBSCRIPTION(.filter = "a", .qos = 1), 1);
	for (int i = 0; i < 6; i++)
		kit_try_publish(kit.client,
		    MQEV_MESSAGE(.topic = "a", .payload = "x", .payload_len = 1, .qos = i % 3));
}

static int
is_over(void)
{
	return plan.done || (plan.event == ON_PREPARE && counts[ON_PREPARE] > 0);
}

static int
is_connected(void)
{
	return is_over() || (kit.client != NULL && mqev_client_is_connected(kit.client));
}

/* The writer is a thread: what it has is waited for by its callback. */
static int
has_happened(void *arg)
{
	return is_over() || *(int *)arg > 0;
}

static void
run(void)
{
	run_while_it_goes(is_connected, &sum, 4 * LONGEST_WAIT_MS);
	if (kit.client != NULL && !plan.done && triggers[plan.event] != NULL)
		triggers[plan.event]();
	tk_run_until(kit.base, has_happened, &counts[plan.event], 2000);
	run_while_it_goes(NULL, &sum, LONGEST_WAIT_MS + 2);
}

static void
live(void)
{
	for (int event = 0; event < KIT_EVENTS; event++)
		kit.quiet[event] = true;
	for (int event = 0; event < MORE; event++)
		marks[event] = (enum more)event;
	kit.hook = watch_the_others;
	make_fleet();
	make_servers();
	other = kit_client_new(
	    (struct mqev_options){.size = sizeof(struct mqev_options), .client_id = "other"});
	kit_try_publish(other, MQEV_MESSAGE(.topic = "t", .qos = 1));
	make_client();
	if (plan.event != ON_REAUTHENTICATED)
		submit_before();
	kit_connect_to("%s", url());
	run();
	ck_assert_int_gt(counts[plan.event], 0);
	ck_assert_int_eq(plan.after, 0);
	if (kit.client != NULL)
		free_client_of_kit();
	free_other();
	mqev_fleet_free(kit.fleet);
	kit.fleet = NULL;
	ck_assert_int_eq(mqev_store_close(store), 0);
	tk_auto_free(server);
}

START_TEST(each_call_in_each)
{
	plan.event = _i / CALLS;
	plan.what = _i % CALLS;
	if (plan.event == ON_PREPARE && !mqev_ws_supported())
		tk_skip("this build has no WebSocket");
	live();
}
END_TEST

START_TEST(free_in_each)
{
	frees = true;
	plan.event = _i / FREE_KINDS;
	plan.what = _i % FREE_KINDS;
	if (plan.event == ON_PREPARE && !mqev_ws_supported())
		tk_skip("this build has no WebSocket");
	live();
	ck_assert(plan.done);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("callbacks_more");
	TCase *tc = kit_case(s, "callbacks");

	tcase_add_loop_test(tc, each_call_in_each, 0, MORE * CALLS);
	tcase_add_loop_test(tc, free_in_each, 0, MORE * FREE_KINDS);
	return tk_main(s);
}
