/* The kit of the tests of re-entrancy. */
#include "wire/callbacks_kit.h"

struct kit_plan plan;
struct mqev_client *other;
char large[200000];

/* --- freeing -----------------------------------------------------------------------------------
 */

void
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

void
free_other(void)
{
	mqev_client_free(other);
	other = NULL;
}

void
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

/* --- calls -------------------------------------------------------------------------------------
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

/* Draining, a client accepts nothing. */
static void
judge(const struct mqev_client *c, int64_t op)
{
	ck_assert_msg(
	    op > 0 || (op == MQEV_ERR_STATE && mqev_is_draining(c)), "%lld", (long long)op);
}

static void
call_publish(struct mqev_client *c)
{
	for (int qos = 0; qos < 3 && published < 300; qos++, published++)
		judge(c, kit_try_publish(c, MQEV_MESSAGE(.topic = "more", .qos = qos)));
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
	ck_assert_int_eq(KIT_CALL(mqev_client_set_socket(c,
			     MQEV_SOCKET_OPTIONS(.bind_address = "127.0.0.1",
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

static void
call_cancel(struct mqev_client *c)
{
	for (uint64_t op = 1; op < 12; op++) {
		int error = KIT_CALL(mqev_cancel(c, op));

		ck_assert(error == 0 || error == MQEV_ERR_STATE || error == MQEV_ERR_NOT_FOUND);
	}
}

static void
call_clear(struct mqev_client *c)
{
	KIT_CALL(mqev_queue_clear(c, MQEV_QUEUE_CLEAR_ALL));
}

static void
call_pause(struct mqev_client *c)
{
	ck_assert_int_eq(KIT_CALL(mqev_pause_receiving(c)), 0);
	if (published++ % 2 == 0)
		ck_assert_int_eq(KIT_CALL(mqev_resume_receiving(c)), 0);
}

static void
on_reply(struct mqev_client *c, const struct mqev_reply *reply, void *arg)
{
	(void)c;
	(void)arg;
	ck_assert((reply->message != NULL) == (reply->error == 0));
	ck_assert_msg(kit.in_call == 0, "a reply came inside a call of the application");
}

static void
call_request(struct mqev_client *c)
{
	if (published++ < 20)
		ck_assert_int_gt(KIT_CALL(mqev_request(c, MQEV_MESSAGE(.topic = "ask"),
				     1 + (uint32_t)published % 3, on_reply, NULL)),
		    0);
}

static void
call_reauthenticate(struct mqev_client *c)
{
	int64_t op = KIT_CALL(mqev_reauthenticate(c, kit_done, kit_op()));

	ck_assert(op > 0 || op == MQEV_ERR_STATE);
	kit_note_accepted(op);
}

static void
call_remote(struct mqev_client *c)
{
	struct mqev_remote *remote = mqev_remote_new(c);
	int64_t op;

	ck_assert_ptr_nonnull(remote);
	op = KIT_CALL(mqev_remote_publish(remote, MQEV_MESSAGE(.topic = "remote"), NULL, NULL));
	ck_assert(op > 0 || published >= 100);
	published++;
	if (op > 0) {
		ck_assert_int_eq(mqev_is_published(remote, op), 0);
		ck_assert_int_eq(mqev_wait_published(remote, op, 1000), MQEV_ERR_STATE);
		ck_assert_int_gt(KIT_CALL(mqev_remote_cancel(remote, op, NULL, NULL)), 0);
	}
	mqev_remote_free(remote);
}

void (*const calls[])(struct mqev_client *) = {call_connect, call_connect_wrong, call_disconnect,
    call_disconnect_connect, call_publish, call_publish_large, call_subscribe, call_unsubscribe,
    call_questions, call_new_and_free, call_fleet, call_reconnect, call_settings,
    call_set_callbacks, call_filters, call_attempt, call_network_changed, call_set_way, call_ack,
    call_cancel, call_clear, call_pause, call_request, call_reauthenticate, call_remote};

void
hold_for_calls(const struct mqev_message *m)
{
	struct mqev_ack *ack;

	if (calls[plan.what] != call_ack || ack_count >= (int)(sizeof(acks) / sizeof(acks[0])))
		return;
	ack = mqev_message_hold(m);
	ck_assert_ptr_nonnull(ack);
	acks[ack_count++] = ack;
}

void
drop_acks(void)
{
	while (ack_count > 0)
		mqev_ack_drop(acks[--ack_count]);
}

/* --- running -----------------------------------------------------------------------------------
 */

enum { MOST_MS = 1000 };

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	++*(int *)arg;
}

static int
happened(const int *more)
{
	int sum = more != NULL ? *more : 0;

	for (int event = 0; event < KIT_EVENTS; event++)
		sum += kit.count[event];
	return sum;
}

/* Ticks, not time: with each of them everybody has had what came for them, however slow the system
 * is.
 */
bool
run_while_it_goes(int (*over)(void), const int *more, int calm_ticks)
{
	const struct timeval tick = {0, 1000};
	long long end = tk_now_ms() + MOST_MS;
	int idle = 0;
	int before = -1;
	struct event *ticks = event_new(kit.base, -1, EV_PERSIST, on_tick, &idle);

	event_add(ticks, &tick);
	while ((over == NULL || !over()) && idle < calm_ticks && tk_now_ms() < end) {
		event_base_loop(kit.base, EVLOOP_ONCE);
		if (happened(more) != before)
			idle = 0;
		before = happened(more);
	}
	event_free(ticks);
	return idle < calm_ticks;
}
