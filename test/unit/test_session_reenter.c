/*
 * What callbacks may do: in each single event of a session that does everything, each call of the
 * interface. Afterwards each operation has completed once, and the judge found nothing wrong with
 * the bytes.
 */
#include <stdio.h>
#include <string.h>

#include "lib/loop.h"
#include "lib/vcase.h"
#include "lib/vserver.h"

enum action {
	PUBLISH_0,
	PUBLISH_1,
	PUBLISH_2_BY_REFERENCE,
	SUBSCRIBE,
	CANCEL_ALL,
	WITHDRAW_ALL,
	CLEAR,
	GIVE_UP,
	TELL,
	PAUSE,
	DISCONNECT,
	FAIL,
	CLOSE,
	FREE,
	PUMP,
	TICK,
	TRIM,
	ACTIONS
};

struct plan {
	enum action action;
	unsigned at; /* in this event, counted from 0 ... */
	bool always; /* ... or in each one */
	unsigned events;
	unsigned done;
};

static void
publish(struct vclient *v, uint8_t qos, bool by_reference)
{
	static char payload[5000];

	VPUBLISH(v, .qos = qos, .topic = "again", .payload = payload,
	    .len = by_reference ? sizeof(payload) : 3, .by_reference = by_reference);
}

static void
subscribe(struct vclient *v)
{
	static const uint8_t filter[] = {0, 1, 'n', 1};

	vclient_subscribe(v, filter, sizeof(filter), 1, 0);
}

static void
cancel_all(struct vclient *v)
{
	for (int64_t number = 1; number < 40; number++)
		mqev_session_cancel(&v->s, (uint64_t)number, MQEV_ERR_CANCELED);
}

static void
withdraw_all(struct vclient *v)
{
	for (int64_t number = 1; number < 40; number++)
		mqev_session_withdraw(&v->s, (uint64_t)number);
}

static void
act(struct vclient *v, enum action action)
{
	switch (action) {
	case PUBLISH_0:
		publish(v, 0, false);
		break;
	case PUBLISH_1:
		publish(v, 1, false);
		break;
	case PUBLISH_2_BY_REFERENCE:
		publish(v, 2, true);
		break;
	case SUBSCRIBE:
		subscribe(v);
		break;
	case CANCEL_ALL:
		cancel_all(v);
		break;
	case WITHDRAW_ALL:
		withdraw_all(v);
		break;
	case CLEAR:
		mqev_session_clear(&v->s, false);
		break;
	case GIVE_UP:
		mqev_session_give_up(&v->s, MQEV_ERR_CANCELED);
		break;
	case TELL:
		mqev_session_tell(&v->s);
		break;
	case PAUSE:
		v->s.paused = true;
		break;
	case DISCONNECT:
		mqev_session_disconnect(&v->s, 0, (struct mqev_bytes){0}, v->now);
		break;
	case FAIL:
		mqev_session_fail(&v->s, 0, MQEV_REASON_UNSPECIFIED_ERROR, "the test says so");
		break;
	case CLOSE:
		mqev_session_closed(&v->s, v->now);
		break;
	case FREE:
		v->freed = true;
		mqev_session_free(&v->s, MQEV_ERR_CANCELED);
		break;
	case PUMP:
		v->wants_pump = false;
		mqev_session_pump(&v->s, v->now, SIZE_MAX);
		break;
	case TICK:
		mqev_session_tick(&v->s, v->now + 100000);
		break;
	case TRIM:
		mqev_session_trim(&v->s);
		break;
	case ACTIONS:
		break;
	}
}

/* While an operation is submitted the owner tells its application nothing. */
static void
on_event(struct vclient *v, enum vevent event)
{
	struct plan *plan = v->hook_arg;

	if (v->submitting || v->hook_depth > 1)
		return;
	(void)event;
	if (plan->events++ == plan->at || (plan->always && plan->done < 20)) {
		plan->done++;
		act(v, plan->action);
	}
}

/* --- the session that does everything --------------------------------------------------------- */

static void
submit_all(struct vclient *v)
{
	static char payload[5000];

	for (int i = 0; i < 2; i++) {
		vclient_publish(v, 0, "a", "0");
		VPUBLISH(v, .qos = 0, .topic = "a", .payload = payload, .len = sizeof(payload),
		    .by_reference = true);
		vclient_publish(v, 1, "a", "1");
		vclient_publish(v, 2, "a", "2");
		VPUBLISH(v, .qos = 1, .topic = "a", .payload = payload, .len = sizeof(payload),
		    .by_reference = true);
		VPUBLISH(v, .qos = 2, .topic = "a", .has_expiry = true, .expiry_at = 1,
		    .expiry_s = 1, .properties = "\x02\0\0\0\1", .properties_len = 5);
		sub(v, "{'f'} 02", 1);
		unsub(v, "{'f'}", 1);
	}
}

static void
traffic(struct vserver *vs)
{
	bool v5 = vs->v->s.version == MQEV_V5;

	vserver_send(vs, v5 ? "30 ({'m'} () 'x') 32 ({'m'} 0001 () 'x') 34 ({'m'} 0002 () 'x')"
			    : "30 ({'m'} 'x') 32 ({'m'} 0001 'x') 34 ({'m'} 0002 'x')");
	vclient_advance(vs->v, 500);
	vserver_run(vs);
	vclient_advance(vs->v, 10000);
	vserver_run(vs);
}

/* The second connection resumes, the third has lost the session. */
static void
whole_life(struct vserver *vs)
{
	struct vclient *v = vs->v;
	bool there = v->s.version != MQEV_V31;

	submit_all(v);
	vserver_connect(vs, false, "21 0003 27 00002000");
	vserver_look(vs);
	vserver_close(vs);
	vserver_connect(vs, there, "21 0002");
	traffic(vs);
	submit_all(v);
	vserver_close(vs);
	vserver_connect(vs, false, "");
	submit_all(v);
	traffic(vs);
	if (v->s.version == MQEV_V5)
		vserver_send(vs, "E0 (8B)");
	vserver_close(vs);
}

static unsigned
live(enum mqev_version version, struct plan *plan)
{
	static struct vclient v;
	struct vserver vs;

	vclient_init(&v, version);
	v.settings.clean = MQEV_SESSION_CLEAN_NEVER;
	v.settings.keepalive_s = 8;
	v.settings.max_inflight = 3;
	v.settings.ack_timeout_ms = 60000;
	vclient_restart(&v);
	v.only_events = true;
	v.hook = on_event;
	v.hook_arg = plan;
	vserver_init(&vs, &v);
	whole_life(&vs);
	v.hook = NULL;
	vclient_free_session(&v);
	ck_assert_msg(
	    v.broken[0] == '\0', "action %d at event %u: %s", plan->action, plan->at, v.broken);
	ck_assert_msg(
	    vs.error[0] == '\0', "action %d at event %u: %s", plan->action, plan->at, vs.error);
	ck_assert_msg(vclient_pending(&v) == 0,
	    "action %d at event %u: %zu operations never completed", plan->action, plan->at,
	    vclient_pending(&v));
	vserver_free(&vs);
	vclient_free(&v);
	return plan->events;
}

static void
each_event(enum mqev_version version, enum action action)
{
	struct plan none = {.action = TRIM, .at = UINT32_MAX};
	unsigned events = live(version, &none);

	ck_assert_uint_gt(events, 100);
	for (unsigned at = 0; at < events; at++) {
		struct plan plan = {.action = action, .at = at};

		live(version, &plan);
	}
	for (unsigned at = 0; at < 2; at++) {
		struct plan plan = {.action = action, .at = at, .always = true};

		live(version, &plan);
	}
}

START_TEST(each_action_in_each_event)
{
	for (enum mqev_version version = MQEV_V31; version <= MQEV_V5; version++)
		each_event(version, (enum action)_i);
}
END_TEST

/* Row 172: the callback frees the session in the middle of a buffer of 100 packets. */
static void
free_at_third(struct vclient *v, enum vevent event)
{
	int *messages = v->hook_arg;

	if (event == V_MESSAGE && ++*messages == 3)
		act(v, FREE);
}

SCENARIO(freed_in_a_full_buffer, VALL)
{
	int messages = 0;

	up(v, 0, "");
	v->hook = free_at_third;
	v->hook_arg = &messages;
	rx(v, "32 ({'a'} 0001 ~) 32 ({'a'} 0002 ~) 32 ({'a'} 0003 ~)"
	      "32 ({'a'} 0004 ~) 34 ({'a'} 0005 ~) 30 ({'a'} ~) 62 (0005)");
	expect(v, "message a 1; > 40 (0001); message a 1; > 40 (0002); message a 1");
	ck_assert_int_eq(messages, 3);
}

/* A completion that publishes again and again does not keep a free from ending. */
static void
publish_for_ever(struct vclient *v, enum vevent event)
{
	if (event == V_COMPLETE)
		vclient_publish(v, 1, "a", "once more");
}

SCENARIO(free_ends, VALL)
{
	for (int i = 0; i < 3; i++)
		vclient_publish(v, (uint8_t)i, "a", "");
	v->hook = publish_for_ever;
	vclient_free_session(v);
	expect(v, "done 2 #0 CANCELED 00; refused STATE; done 3 #0 CANCELED 00; refused STATE;"
		  "done 1 #0 CANCELED 00; refused STATE");
	vclient_publish(v, 0, "a", "");
	sub(v, "{'f'} 00", 1);
	expect(v, "refused STATE; refused STATE");
}

/* The CONNACK was accepted, so it is told, whatever a lost message's completion does. */
static void
disconnect_on_completion(struct vclient *v, enum vevent event)
{
	if (event == V_COMPLETE)
		act(v, DISCONNECT);
}

SCENARIO(lost_message_disconnects, V5)
{
	up(v, 0, "");
	vclient_publish(v, 2, "a", "");
	vclient_publish(v, 2, "a", "");
	vclient_close(v);
	vclient_connect(v);
	v->checked = v->record.len;
	v->hook = disconnect_on_completion;
	rx(v, "20 (00 00 ())");
	expect(v, "connack 0 00; done 1 #0 SESSION_LOST 00; > E0 00; done 2 #0 SESSION_LOST 00; "
		  "end ok 00");
}

int
main(void)
{
	Suite *suite = suite_create("session: callbacks");
	TCase *tc = tk_case(suite, "callbacks");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, each_action_in_each_event, 0, ACTIONS);
	tcase_add_test(tc, freed_in_a_full_buffer);
	tcase_add_test(tc, free_ends);
	tcase_add_test(tc, lost_message_disconnects);
	return tk_main(suite);
}
