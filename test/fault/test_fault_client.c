/* Every allocation of the library fails in turn, in each of these scenarios: nothing crashes or
 * leaks, each accepted operation completes once, and when memory is back everything is delivered.
 */
#include "fault/fault_world.h"

#include <stdio.h>
#include <stdlib.h>

#define V31 .protocol = MQEV_PROTOCOL_V31
#define V5 .protocol = MQEV_PROTOCOL_V5
#define KEPT .clean = MQEV_CLEAN_STRICT
#define KEPT_V5 V5, .session_expiry = 1000
#define WILL(...) (struct mqev_will[]){{.size = sizeof(struct mqev_will), __VA_ARGS__}}

static char large[300000];

/* --- acts --------------------------------------------------------------------------------------
 */

static bool
act_connect(void)
{
	return fault_connect(NULL);
}

static bool
act_connect_by_name(void)
{
	char url[64];

	snprintf(url, sizeof(url), "mqtt://localhost:%d", tk_auto_port(world.broker));
	return fault_connect(url);
}

static bool
act_connect_to_the_second(void)
{
	char urls[128];

	snprintf(urls, sizeof(urls), "mqtt://127.0.0.1:1 %s", tk_auto_url(world.broker));
	return fault_connect(urls);
}

static bool
act_connect_with_login(void)
{
	char url[128];

	snprintf(
	    url, sizeof(url), "mqtt://user:secret@127.0.0.1:%d", tk_auto_port(world.broker));
	return fault_connect(url);
}

/* Refused by CONNACK until two of those have come. */
static bool
act_connect_refused(void)
{
	if (world.step == 0) {
		tk_auto_refuse(world.broker, 0x88, 3);
		world.step = 1;
	}
	if (world.step == 1) {
		if (!fault_connect(NULL))
			return false;
		world.step = 2;
	}
	if (world.refusals < 2)
		return false;
	tk_auto_refuse(world.broker, 0, 0);
	return true;
}

/* Refused by the system until two attempts have failed. */
static bool
act_connect_unheard(void)
{
	if (world.step == 0) {
		tk_auto_listen(world.broker, 0);
		world.step = 1;
	}
	if (world.step == 1) {
		if (!fault_connect(NULL))
			return false;
		world.step = 2;
	}
	if (world.fails < 2)
		return false;
	tk_auto_listen(world.broker, 1);
	return true;
}

static bool
publish_each(int count, const void *payload, size_t len, int qos)
{
	while (world.step < count) {
		if (!fault_publish("t", payload, len, qos))
			return false;
		world.step++;
	}
	return true;
}

static bool
act_publish_0(void)
{
	return publish_each(3, "payload", 7, 0);
}

static bool
act_publish_1(void)
{
	return publish_each(3, "payload", 7, 1);
}

static bool
act_publish_2(void)
{
	return publish_each(3, "payload", 7, 2);
}

static bool
act_publish_large_0(void)
{
	return publish_each(2, large, sizeof(large), 0);
}

static bool
act_publish_large_1(void)
{
	return publish_each(2, large, sizeof(large), 1);
}

static bool
act_publish_large_2(void)
{
	return publish_each(2, large, sizeof(large), 2);
}

static bool
act_publish_many(void)
{
	return publish_each(40, "payload", 7, 1);
}

static void
release(void *arg)
{
	(void)arg;
	world.released++;
}

static bool
act_publish_lent(void)
{
	while (world.step < 6) {
		if (!fault_publish_message(MQEV_MESSAGE(.topic = "t", .payload = large,
			.payload_len = world.step < 3 ? 10 : sizeof(large), .qos = world.step % 3,
			.release = release)))
			return false;
		world.step++;
	}
	return true;
}

static bool
publish_with_properties(int qos)
{
	struct mqev_properties *p = mqev_properties_new();
	bool made = p != NULL && mqev_properties_add_user(p, "k", "v") == 0 &&
		    mqev_properties_add_string(p, MQEV_PROP_CONTENT_TYPE, "text") == 0 &&
		    mqev_properties_add_integer(p, MQEV_PROP_MESSAGE_EXPIRY_INTERVAL, 100) == 0;

	made = made && fault_publish_message(
			   MQEV_MESSAGE(.topic = "t", .payload = "x", .payload_len = 1,
			       .qos = qos, .properties = p));
	mqev_properties_free(p);
	return made;
}

static bool
act_publish_properties(void)
{
	while (world.step < 3) {
		if (!publish_with_properties(world.step))
			return false;
		world.step++;
	}
	return true;
}

/* QoS 1 and 2 before the connection, and then the connection. */
static bool
act_publish_then_connect(void)
{
	while (world.step < 4) {
		if (!fault_publish("t", "x", 1, 1 + world.step % 2))
			return false;
		world.step++;
	}
	return fault_connect(NULL);
}

/* --- receiving ---------------------------------------------------------------------------------
 */

/* Subscribes, and when that is done the broker sends three messages at each QoS. */
static bool
act_receive(void)
{
	if (world.step == 0) {
		if (!fault_subscribe("in/#", 2, NULL))
			return false;
		world.step = 1;
	}
	if (world.pending > 0)
		return false;
	for (int i = 0; i < 3; i++)
		for (unsigned qos = 0; qos < 3; qos++)
			tk_auto_publish(world.broker, "in/x", "payload", 7, qos, 0);
	return true;
}

static bool
act_receive_large(void)
{
	if (world.step == 0) {
		if (!fault_subscribe("in/#", 2, NULL))
			return false;
		world.step = 1;
	}
	if (world.pending > 0)
		return false;
	tk_auto_publish(world.broker, "in/x", large, sizeof(large), 1, 0);
	tk_auto_publish(world.broker, "in/x", large, sizeof(large), 2, 0);
	return true;
}

/* QoS 1: at least as many as were sent; QoS 2: as many. */
static bool
received_three(void)
{
	ck_assert_int_le(world.messages[2], 3);
	return world.messages[1] >= 3 && world.messages[2] == 3;
}

static bool
received_large(void)
{
	ck_assert_int_le(world.messages[2], 1);
	return world.messages[1] >= 1 && world.messages[2] == 1;
}

static void
count_message(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	(void)userdata;
	fault_message(c, m, NULL);
	world.counter++;
}

#define FILTERS 20

/* More filters match one message than a small table holds. */
static bool
act_many_filters(void)
{
	struct mqev_subscription list[FILTERS];
	char filters[FILTERS][64];
	struct fault_op *op = fault_op();

	for (int i = 0; i < FILTERS; i++) {
		snprintf(filters[i], sizeof(filters[i]), "%.*s#", 2 * i,
		    "+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/");
		list[i] = (struct mqev_subscription){.size = sizeof(list[i]), .filter = filters[i],
		    .qos = 1, .on_message = count_message};
	}
	if (world.step == 0) {
		if (!fault_accept(
			mqev_subscribe(world.client, list, FILTERS, NULL, fault_done, op), op))
			return false;
		world.step = 1;
	}
	if (world.pending > 0)
		return false;
	tk_auto_publish(world.broker, "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u", "x", 1, 1, 0);
	return true;
}

/* Nobody was passed over. */
static bool
all_filters_served(void)
{
	return world.counter >= FILTERS && world.counter % FILTERS == 0;
}

static bool
act_unsubscribe(void)
{
	const char *filters[] = {"a", "b/#"};
	struct fault_op *op;

	while (world.step < 2) {
		if (!fault_subscribe(filters[world.step], 1, count_message))
			return false;
		world.step++;
	}
	op = fault_op();
	return fault_accept(
	    mqev_unsubscribe(world.client, filters, 2, NULL, fault_done, op), op);
}

static bool
act_subscribe_with_properties(void)
{
	struct mqev_properties *p = mqev_properties_new();
	struct fault_op *op = fault_op();
	bool made = p != NULL && mqev_properties_add_user(p, "k", "v") == 0;

	made = made && fault_accept(mqev_subscribe(world.client, MQEV_SUBSCRIPTION(.filter = "a"),
					1, p, fault_done, op),
			   op);
	mqev_properties_free(p);
	return made;
}

/* --- lost connections and sessions -------------------------------------------------------------
 */

static bool
subscribed(void)
{
	return world.pending == 0;
}

static void
await(bool (*condition)(void))
{
	long long end = tk_now_ms() + 2000;

	while (!condition()) {
		ck_assert(tk_now_ms() < end);
		event_base_loop(world.base, EVLOOP_ONCE);
	}
}

static void
before_replay(void)
{
	char filter[32];

	for (int i = 0; i < 60; i++) {
		snprintf(filter, sizeof(filter), "in/%d/#", i);
		ck_assert(fault_subscribe(filter, 2, i % 2 != 0 ? count_message : NULL));
	}
	await(subscribed);
}

/* The broker forgets the session: all is subscribed again, and then messages come. */
static bool
act_replay(void)
{
	if (world.step == 0) {
		world.counter = world.connects;
		tk_auto_forget(world.broker);
		world.step = 1;
	}
	if (world.connects == world.counter || !fault_connected())
		return false;
	world.counter++;
	tk_auto_publish(world.broker, "in/59/x", "x", 1, 1, 0);
	return true;
}

/* Published again and again, since it cannot be seen when the SUBACK has come. */
static bool
replayed(void)
{
	if (world.messages[1] == 0)
		tk_auto_publish(world.broker, "in/59/x", "x", 1, 1, 0);
	return world.messages[1] > 0;
}

/* Operations of all kinds are in flight when the connection goes. */
static void
before_resume(void)
{
	tk_auto_mute(world.broker, 1);
	for (int i = 0; i < 6; i++)
		ck_assert(fault_publish("t", large, i < 4 ? 10 : 20000, 1 + i % 2));
	ck_assert(fault_subscribe("s", 0, NULL));
	for (int i = 0; i < 5; i++)
		event_base_loop(world.base, EVLOOP_ONCE);
}

static bool
act_resume(void)
{
	tk_auto_mute(world.broker, 0);
	tk_auto_drop_all(world.broker, world.connects % 2);
	return true;
}

static bool
act_lose_session(void)
{
	tk_auto_mute(world.broker, 0);
	tk_auto_forget(world.broker);
	return true;
}

static bool
no_error(void)
{
	for (int i = 0; i < world.op_count; i++)
		ck_assert_int_eq(world.ops[i].error, 0);
	return true;
}

/* QoS 0 may be lost with a connection, and the error says so. */
static bool
only_lost(void)
{
	for (int i = 0; i < world.op_count; i++)
		ck_assert(world.ops[i].error == 0 || world.ops[i].error == MQEV_ERR_LOST);
	return true;
}

static bool
all_released(void)
{
	return only_lost() && world.released == 6;
}

static bool
lost_or_done(void)
{
	for (int i = 0; i < world.op_count; i++)
		ck_assert(world.ops[i].error == 0 ||
			  world.ops[i].error == MQEV_ERR_SESSION_LOST);
	return true;
}

static bool
act_disconnect_and_connect(void)
{
	if (world.step == 0) {
		if (!fault_publish("t", "x", 1, 1))
			return false;
		world.step = 1;
	}
	if (world.step == 1) {
		int error = mqev_disconnect(world.client, NULL);

		if (error == MQEV_ERR_NOMEM)
			return false;
		ck_assert_int_eq(error, 0);
		world.step = 2;
	}
	return fault_connect(NULL);
}

static bool
act_disconnect(void)
{
	return mqev_disconnect(world.client, MQEV_DISCONNECT(.reason = 4)) != MQEV_ERR_NOMEM;
}

static bool
has_disconnected(void)
{
	return world.disconnects + world.fails > 0 && !fault_connected();
}

/* --- making and freeing ------------------------------------------------------------------------
 */

static bool
make_fleet(void)
{
	if (world.fleet == NULL)
		world.fleet = mqev_fleet_new(world.base, NULL);
	return world.fleet != NULL;
}

static bool
make_full_client(void)
{
	struct mqev_properties *p = mqev_properties_new();
	struct mqev_properties *w = mqev_properties_new();
	int error = MQEV_ERR_NOMEM;

	if (p != NULL && w != NULL && mqev_properties_add_user(p, "k", "v") == 0 &&
	    mqev_properties_add_integer(w, MQEV_PROP_WILL_DELAY_INTERVAL, 1) == 0) {
		struct mqev_options o = {V5, .client_id = "full", .username = "user",
		    .password = "secret", .connect_properties = p,
		    .will = WILL(.topic = "w", .payload = "gone", .payload_len = 4,
			.properties = w)};

		fault_fill_options(&o);
		world.client = mqev_client_new(world.fleet, &o, &error);
	}
	mqev_properties_free(p);
	mqev_properties_free(w);
	if (world.client == NULL)
		ck_assert_int_eq(error, MQEV_ERR_NOMEM);
	return world.client != NULL;
}

static bool
act_make(void)
{
	if (world.step == 0) {
		if (!make_fleet())
			return false;
		world.step = 1;
	}
	if (world.step == 1) {
		if (!make_full_client())
			return false;
		world.step = 2;
	}
	return fault_connect(NULL);
}

static bool
connected_once(void)
{
	return fault_connected() && world.connects > 0;
}

/* Free while memory fails, with operations of all kinds on their way. */
static bool
act_free(void)
{
	while (world.step < 6) {
		if (!fault_publish("t", large, world.step < 3 ? 10 : 20000, world.step % 3))
			return false;
		world.step++;
	}
	if (world.step == 6) {
		if (!fault_subscribe("f", 1, count_message))
			return false;
		world.step = 7;
	}
	mqev_client_free(world.client);
	world.client = NULL;
	return true;
}

static void
free_in_message(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	(void)m;
	(void)userdata;
	ck_assert_ptr_eq(c, world.client);
	world.client = NULL;
	mqev_client_free(c);
}

static bool
act_free_in_callback(void)
{
	if (world.step == 0) {
		if (!fault_subscribe("in/#", 1, free_in_message))
			return false;
		world.step = 1;
	}
	if (world.pending > 0)
		return false;
	tk_auto_publish(world.broker, "in/x", "x", 1, 1, 0);
	tk_auto_publish(world.broker, "in/x", "x", 1, 1, 0);
	return true;
}

static bool
is_freed(void)
{
	return world.client == NULL;
}

/* --- messages that are kept --------------------------------------------------------------------
 */

static void
keep_one(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	fault_message(c, m, userdata);
	if (world.kept == NULL)
		world.kept = mqev_message_copy(m);
}

static bool
act_keep(void)
{
	if (world.step == 0) {
		if (!fault_subscribe("in/#", 1, keep_one))
			return false;
		world.step = 1;
	}
	if (world.pending > 0)
		return false;
	tk_auto_publish(world.broker, "in/x", "payload", 7, 1, 0);
	return true;
}

static bool
one_kept(void)
{
	if (world.kept == NULL)
		tk_auto_publish(world.broker, "in/x", "payload", 7, 1, 0);
	return world.kept != NULL && memcmp(world.kept->payload, "payload", 7) == 0;
}

static void
ack_later(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	struct mqev_ack *ack = mqev_message_hold(m);
	int error;

	fault_message(c, m, userdata);
	if (ack == NULL)
		return; /* then the library acknowledges */
	error = mqev_ack(ack, MQEV_REASON_SUCCESS, NULL);
	/* Without memory the handle may be used again; given up, the server sends it again. */
	ck_assert(error == 0 || error == MQEV_ERR_NOMEM || error == MQEV_ERR_LOST);
	if (error == MQEV_ERR_NOMEM)
		error = mqev_ack(ack, MQEV_REASON_SUCCESS, NULL);
	mqev_ack_drop(ack);
}

static bool
act_hold(void)
{
	if (world.step == 0) {
		if (!fault_subscribe("in/#", 2, ack_later))
			return false;
		world.step = 1;
	}
	if (world.pending > 0)
		return false;
	for (int i = 0; i < 3; i++)
		for (unsigned qos = 1; qos < 3; qos++)
			tk_auto_publish(world.broker, "in/x", "payload", 7, qos, 0);
	return true;
}

static bool
received_at_qos1(void)
{
	return world.messages[1] >= 3 && world.messages[2] >= 3;
}

static void
on_log(struct mqev_client *c, const struct mqev_log_line *line, void *userdata)
{
	(void)c;
	(void)userdata;
	ck_assert_ptr_nonnull(line->text);
}

/* Many clients of one fleet. */
static bool
act_many_clients(void)
{
	while (world.step < 3) {
		struct mqev_options o = {.client_id = ""};
		struct mqev_client *c;
		int error;

		fault_fill_options(&o);
		c = mqev_client_new(world.fleet, &o, &error);
		if (c == NULL)
			return false;
		error = mqev_connect(c, tk_auto_url(world.broker));
		if (error != 0)
			mqev_client_free(c);
		if (error != 0)
			return false;
		world.step++;
	}
	return fault_connect(NULL);
}

static bool
all_clients_connected(void)
{
	return tk_auto_stats(world.broker)->online == 4;
}

/* --- the list ----------------------------------------------------------------------------------
 */

static const struct scenario scenarios[] = {
    {.name = "make everything", .own_client = true, .act = act_make, .goal = connected_once},
    {.name = "connect 3.1", .options = {V31}, .act = act_connect, .goal = connected_once},
    {.name = "connect 3.1.1", .act = act_connect, .goal = connected_once},
    {.name = "connect 5.0", .options = {V5}, .act = act_connect, .goal = connected_once},
    {.name = "connect by name", .act = act_connect_by_name, .goal = connected_once},
    {.name = "connect over IPv6", .where = "::1", .act = act_connect, .goal = connected_once},
    {.name = "connect with a login in the URL", .act = act_connect_with_login,
	.goal = connected_once},
    {.name = "connect to the second server", .act = act_connect_to_the_second,
	.goal = connected_once},
    {.name = "assigned client identifier", .options = {V5, .client_id = ""}, .act = act_connect,
	.goal = connected_once},
    {.name = "refused by CONNACK 3.1.1", .act = act_connect_refused, .goal = connected_once},
    {.name = "refused by CONNACK 5.0", .options = {V5}, .act = act_connect_refused,
	.goal = connected_once},
    {.name = "refused by the system", .act = act_connect_unheard, .goal = connected_once},
    {.name = "publish QoS 0", .connect = true, .act = act_publish_0, .goal = only_lost},
    {.name = "publish QoS 1", .options = {KEPT}, .connect = true, .act = act_publish_1,
	.goal = no_error},
    {.name = "publish QoS 2", .options = {KEPT}, .connect = true, .act = act_publish_2,
	.goal = no_error},
    {.name = "publish QoS 1, 5.0", .options = {KEPT_V5}, .connect = true, .act = act_publish_1,
	.goal = no_error},
    {.name = "publish QoS 2, 5.0", .options = {KEPT_V5}, .connect = true, .act = act_publish_2,
	.goal = no_error},
    {.name = "publish large QoS 0", .connect = true, .act = act_publish_large_0,
	.goal = only_lost},
    {.name = "publish large QoS 1", .options = {KEPT}, .connect = true,
	.act = act_publish_large_1, .goal = no_error},
    {.name = "publish large QoS 2", .options = {KEPT_V5}, .connect = true,
	.act = act_publish_large_2, .goal = no_error},
    {.name = "publish more than the window", .options = {KEPT, .max_inflight = 5},
	.connect = true, .act = act_publish_many, .goal = no_error},
    {.name = "publish lent payloads", .options = {KEPT}, .connect = true,
	.act = act_publish_lent, .goal = all_released},
    {.name = "publish with properties", .options = {KEPT_V5}, .connect = true,
	.act = act_publish_properties, .goal = only_lost},
    {.name = "publish, then connect", .options = {KEPT}, .act = act_publish_then_connect,
	.goal = no_error},
    {.name = "receive 3.1.1", .options = {KEPT}, .connect = true, .act = act_receive,
	.goal = received_three},
    {.name = "receive 5.0", .options = {KEPT_V5}, .connect = true, .act = act_receive,
	.goal = received_three},
    {.name = "receive large", .options = {KEPT}, .connect = true, .act = act_receive_large,
	.goal = received_large},
    {.name = "many filters match", .options = {KEPT}, .connect = true, .act = act_many_filters,
	.goal = all_filters_served},
    {.name = "unsubscribe", .options = {KEPT}, .connect = true, .act = act_unsubscribe,
	.goal = no_error},
    {.name = "subscribe with properties", .options = {KEPT_V5}, .connect = true,
	.act = act_subscribe_with_properties, .goal = no_error},
    {.name = "replay", .options = {KEPT}, .connect = true, .before = before_replay,
	.act = act_replay, .goal = replayed},
    {.name = "resume 3.1.1", .options = {KEPT}, .connect = true, .before = before_resume,
	.act = act_resume, .goal = no_error},
    {.name = "resume 5.0", .options = {KEPT_V5}, .connect = true, .before = before_resume,
	.act = act_resume, .goal = no_error},
    {.name = "resume 3.1", .options = {V31, KEPT}, .connect = true, .before = before_resume,
	.act = act_resume, .goal = no_error},
    {.name = "session lost", .options = {KEPT_V5}, .connect = true, .before = before_resume,
	.act = act_lose_session, .goal = lost_or_done},
    {.name = "disconnect and connect", .options = {KEPT}, .connect = true,
	.act = act_disconnect_and_connect, .goal = no_error},
    {.name = "disconnect", .options = {V5}, .connect = true, .act = act_disconnect,
	.goal = has_disconnected},
    {.name = "free amidst everything", .connect = true, .act = act_free, .goal = is_freed},
    {.name = "free in a callback", .options = {KEPT}, .connect = true,
	.act = act_free_in_callback, .goal = is_freed},
    {.name = "keep messages", .options = {KEPT_V5}, .connect = true, .act = act_keep,
	.goal = one_kept},
    {.name = "acknowledge by hand", .options = {KEPT_V5}, .connect = true, .act = act_hold,
	.goal = received_at_qos1},
    {.name = "log", .options = {KEPT, .on_log = on_log}, .act = act_publish_then_connect,
	.goal = no_error},
    {.name = "many clients", .act = act_many_clients, .goal = all_clients_connected},
};

#define SCENARIOS ((int)(sizeof(scenarios) / sizeof(scenarios[0])))

START_TEST(each_allocation_fails)
{
	fault_run(&scenarios[_i]);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("fault_client");
	TCase *tc = tk_case(s, "allocations");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, each_allocation_fails, 0, SCENARIOS);
	return s;
}

int
main(void)
{
	return tk_main(suite());
}
