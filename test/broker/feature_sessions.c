/* Features of sessions: what a broker keeps, what is sent again, and windows. */
#include "broker/features.h"
#include "broker/scene.h"

#define COUNT 20

/* 3.1 does not tell whether the session was there. */
static void
assert_present(const struct peer *p, bool present)
{
	if (scene.version != MQEV_PROTOCOL_V31)
		ck_assert_int_eq(p->session_present, present);
}

/* --- kept and forgotten ----------------------------------------------------------------------- */

static int
qos_of(int number)
{
	return 1 + number % scene.best_qos;
}

void
feature_queued(void)
{
	struct peer *a = scene_peer("a");
	struct peer *b = scene_join(scene_kept("b"));

	assert_present(b, false);
	peer_subscribe(b, scene_topic("t"), 2);
	peer_disconnect(b);
	for (int i = 0; i < COUNT; i++)
		scene_publish(a, scene_topic("t"), i, qos_of(i));
	peer_await_done(a, 5000);
	ck_assert_int_eq(b->messages, 0);
	scene_connect(b);
	assert_present(b, true);
	AWAIT(b->messages, COUNT, 10000);
	for (int i = 0; i < COUNT; i++)
		ck_assert_int_eq(b->numbers[i], 1);
	ck_assert_int_eq(b->out_of_order, scene.late_dups ? b->late_dups : 0);
	peer_free(a);
	peer_free(b);
}

void
feature_clean_start(void)
{
	struct mqev_options anew = scene_options("b");
	struct peer *a = scene_peer("a");
	struct peer *b = scene_join(scene_kept("b"));

	peer_subscribe(b, scene_topic("t"), 1);
	peer_free(b);
	scene_publish(a, scene_topic("t"), 1, 1);
	peer_await_done(a, 5000);
	anew.clean = MQEV_CLEAN_ALWAYS;
	b = scene_join(anew);
	assert_present(b, false);
	peer_subscribe(b, scene_topic("u"), 1);
	scene_publish(a, scene_topic("t"), 2, 1);
	scene_flush(a, scene_topic("u"), b, 1);
	ck_assert_int_eq(b->messages, 0);
	peer_await_done(a, 5000);
	peer_free(a);
	peer_free(b);
}

/* In its time, after its time, and given up by DISCONNECT. */
void
feature_session_expiry(void)
{
	struct mqev_properties *at_once = mqev_properties_new();
	struct mqev_options o = scene_kept("a");
	struct peer *a;

	mqev_properties_add_integer(at_once, MQEV_PROP_SESSION_EXPIRY_INTERVAL, 0);
	o.session_expiry = 1;
	a = scene_join(o);
	peer_disconnect(a);
	scene_connect(a);
	assert_present(a, true);
	peer_disconnect(a);
	kit_run(2500);
	scene_connect(a);
	assert_present(a, false);
	ck_assert_int_eq(mqev_disconnect(a->client, MQEV_DISCONNECT(.properties = at_once)), 0);
	AWAIT(a->disconnects, 3, 5000);
	scene_connect(a);
	assert_present(a, false);
	peer_free(a);
	mqev_properties_free(at_once);
}

/* --- cut connections -------------------------------------------------------------------------- */

/* The broker's answers are lost with the connection: all is sent again, and QoS 2 arrives once. */
void
feature_resume_out(void)
{
	struct peer *b = scene_peer("b");
	struct peer *a = peer_new(scene_kept("a"));
	int sent = 0;

	peer_connect_to(a, relay_url(scene_relay()));
	peer_subscribe(b, scene_topic("t"), 2);
	relay_hold_down(scene.relay, true);
	for (; sent < COUNT; sent++)
		scene_publish(a, scene_topic("t"), sent, qos_of(sent));
	scene_await_number(b, scene.best_qos == 2 ? COUNT - 2 : COUNT - 1, 5000);
	ck_assert_int_eq(a->done, 0);
	relay_cut(scene.relay);
	AWAIT(a->disconnects, 1, 5000);
	relay_hold_down(scene.relay, false);
	AWAIT(a->connects, 2, 5000);
	assert_present(a, true);
	AWAIT(a->done, COUNT, 10000);
	ck_assert_int_eq(a->failed, 0);
	for (int i = 0; i < COUNT; i++) {
		if (qos_of(i) == 2)
			scene_await_number(b, i, 5000);
		ck_assert_int_ge(b->numbers[i], 1);
		ck_assert(qos_of(i) == 1 || b->numbers[i] == 1);
	}
	peer_free(a);
	peer_free(b);
}

static struct mqev_ack *held;
static int came;
static bool came_again;

static void
hold_first(struct peer *p, const struct mqev_message *m)
{
	(void)p;
	if (came++ == 0)
		held = mqev_message_hold(m);
	else
		came_again |= m->dup;
}

/* A message that was not acknowledged when the connection was lost comes again, marked so. */
void
feature_resume_in(void)
{
	struct peer *a = scene_peer("a");
	struct peer *b = peer_new(scene_kept("b"));

	held = NULL;
	came = 0;
	came_again = false;
	b->on_message = hold_first;
	peer_connect_to(b, relay_url(scene_relay()));
	peer_subscribe(b, scene_topic("t"), 2);
	scene_publish(a, scene_topic("t"), 1, scene.best_qos);
	AWAIT(came, 1, 5000);
	peer_await_done(a, 5000);
	ck_assert_ptr_nonnull(held);
	relay_cut(scene.relay);
	AWAIT(b->connects, 2, 5000);
	assert_present(b, true);
	ck_assert_int_eq(mqev_ack(held, MQEV_REASON_SUCCESS, NULL), MQEV_ERR_LOST);
	mqev_ack_drop(held);
	AWAIT(came, 2, 5000);
	ck_assert(came_again);
	scene_flush(a, scene_topic("t"), b, scene.best_qos);
	ck_assert_int_eq(came, 3);
	peer_await_done(a, 5000);
	peer_free(a);
	peer_free(b);
}

/* --- windows ---------------------------------------------------------------------------------- */

/* One message at a time: the second waits at the broker for the acknowledgement of the first. */
void
feature_receive_maximum(void)
{
	struct mqev_options o = scene_options("b");
	struct peer *a = scene_peer("a");
	struct peer *b;

	held = NULL;
	came = 0;
	o.receive_maximum = 1;
	b = scene_join(o);
	b->on_message = hold_first;
	peer_subscribe(b, scene_topic("t"), 2);
	for (int i = 0; i < COUNT; i++)
		scene_publish(a, scene_topic("t"), i, qos_of(i));
	peer_await_done(a, 5000);
	AWAIT(came, 1, 5000);
	kit_run(200);
	ck_assert_int_eq(came, 1);
	ck_assert_int_eq(mqev_ack(held, MQEV_REASON_SUCCESS, NULL), 0);
	mqev_ack_drop(held);
	AWAIT(came, COUNT, 10000);
	for (int i = 0; i < COUNT; i++)
		ck_assert_int_eq(b->numbers[i], 1);
	ck_assert_int_eq(b->disconnects + b->out_of_order, 0);
	peer_free(a);
	peer_free(b);
}
