/* Acknowledgement by hand, and the topic aliases of the server. */
#include <string.h>

#include "core/session_internal.h"
#include "lib/loop.h"
#include "lib/vcase.h"

/* --- acknowledgement by hand ------------------------------------------------------------------ */

SCENARIO(hold_qos1, VALL)
{
	v->hold = true;
	up(v, 0, "");
	rx(v, "32 ({'a'} 0007 ~ 'x')");
	expect(v, "message a 1 x");
	vclient_ack(v, 0, 0);
	expect(v, "> 40 (0007)");
	vclient_ack(v, 0, 0);
	expect(v, "refused STATE");
}

SCENARIO(hold_qos2, VALL)
{
	v->hold = true;
	up(v, 0, "");
	rx(v, "34 ({'a'} 0007 ~ 'x') 3C ({'a'} 0007 ~ 'x')");
	expect(v, "message a 2 x"); /* a repetition waits for its turn too */
	vclient_ack(v, 0, 0);
	expect(v, "> 50 (0007)");
	rx(v, "3C ({'a'} 0007 ~ 'x') 62 (0007)");
	expect(v, "> 50 (0007) 70 (0007)");
}

SCENARIO(hold_qos0, VALL)
{
	v->hold = true;
	up(v, 0, "");
	rx(v, "30 ({'a'} ~ 'x')");
	expect(v, "message a 0 x");
	vclient_ack(v, 0, 0);
	expect_nothing(v);
}

/* Beside messages of other QoS it acknowledges nothing either, now or after the session. */
SCENARIO(hold_qos0_among_others, VALL)
{
	v->hold = true;
	up(v, 0, "");
	rx(v, "32 ({'a'} 0001 ~) 34 ({'a'} 0002 ~) 30 ({'a'} ~)");
	expect(v, "message a 1; message a 2; message a 0");
	vclient_ack(v, 2, 0);
	expect_nothing(v);
	vclient_ack(v, 2, 0);
	expect(v, "refused STATE");
	vclient_ack(v, 0, 0);
	vclient_ack(v, 1, 0);
	expect(v, "> 40 (0001) 50 (0002)");
	rx(v, "30 ({'a'} ~) 32 ({'a'} 0003 ~)");
	expect(v, "message a 0; message a 1");
	vclient_free_session(v);
	mqev_session_release(&v->s);
	vclient_ack(v, 3, 0);
	expect_nothing(v);
	vclient_ack(v, 4, 0);
	expect(v, "refused LOST");
}

static void
hold_again(struct vclient *v, enum vevent event)
{
	if (event == V_MESSAGE)
		ck_assert_ptr_null(mqev_message_hold(v->message));
}

/* One handle for a message, and none outside its callback. */
SCENARIO(hold_once, VALL)
{
	struct mqev_message copy = {.size = sizeof(copy), .topic = "a", .qos = 1, .mid = 1};

	v->hold = true;
	v->hook = hold_again;
	up(v, 0, "");
	rx(v, "32 ({'a'} 0001 ~) 34 ({'a'} 0002 ~)");
	expect(v, "message a 1; message a 2");
	ck_assert_ptr_null(mqev_message_hold(&copy));
	ck_assert_ptr_null(mqev_message_hold(NULL));
	vclient_ack(v, 0, 0);
	vclient_ack(v, 1, 0);
	expect(v, "> 40 (0001) 50 (0002)");
}

/* Without hold_timeout_ms a message may be held for ever, and nobody wakes up for it. */
SCENARIO(held_without_a_limit, VALL)
{
	v->hold = true;
	up(v, 0, "");
	rx(v, "32 ({'a'} 0001 ~) 34 ({'a'} 0002 ~)");
	expect(v, "message a 1; message a 2");
	ck_assert_uint_eq(mqev_session_deadline(&v->s), UINT64_MAX);
	v->now += 1000000000;
	mqev_session_tick(&v->s, v->now);
	expect_nothing(v);
}

/* [MQTT-4.6.0-2] [MQTT-4.6.0-3]: in the order of the messages, whatever the order of the
 * application's. */
SCENARIO(hold_order, VALL)
{
	v->hold = true;
	up(v, 0, "");
	rx(v, "32 ({'a'} 0001 ~) 34 ({'a'} 0002 ~) 32 ({'a'} 0003 ~) 34 ({'a'} 0004 ~)");
	v->hold = false;
	rx(v, "32 ({'a'} 0005 ~) 34 ({'a'} 0006 ~)");
	expect(v, "message a 1; message a 2; message a 1; message a 2; message a 1; message a 2");
	vclient_ack(v, 2, 0);
	vclient_ack(v, 3, 0);
	expect_nothing(v);
	vclient_ack(v, 0, 0);
	expect(v, "> 40 (0001) 40 (0003) 40 (0005)");
	vclient_ack(v, 1, 0);
	expect(v, "> 50 (0002) 50 (0004) 50 (0006)");
}

static void
ack_at_once(struct vclient *v, enum vevent event)
{
	if (event == V_MESSAGE)
		vclient_ack(v, v->held_count - 1, 0);
}

SCENARIO(hold_and_ack_in_the_callback, VALL)
{
	v->hold = true;
	v->hook = ack_at_once;
	up(v, 0, "");
	rx(v, "32 ({'a'} 0001 ~) 34 ({'a'} 0002 ~)");
	expect(v, "message a 1; > 40 (0001); message a 2; > 50 (0002)");
}

SCENARIO(negative_acks, V5)
{
	v->hold = true;
	up(v, 0, "");
	rx(v, "32 ({'a'} 0001 ()) 34 ({'a'} 0002 ())");
	vclient_ack(v, 0, 0x83);
	vclient_ack(v, 1, 0x87);
	expect(v, "message a 1; message a 2; > 40 (0001 83) 50 (0002 87)");
	/* [MQTT-4.3.3-9]: the identifier is free. */
	rx(v, "34 ({'a'} 0002 () 'new')");
	expect(v, "message a 2 new");
	ck_assert_int_eq(mqev_ack(v->held[2], (enum mqev_reason)0x92, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_ack(v->held[2], (enum mqev_reason)300, NULL), MQEV_ERR_INVALID);
	vclient_ack(v, 2, 0);
	expect(v, "> 50 (0002)");
}

SCENARIO(negative_ack_of_an_older_version, V311)
{
	v->hold = true;
	up(v, 0, "");
	rx(v, "32 ({'a'} 0001)");
	vclient_ack(v, 0, 0x83);
	expect(v, "message a 1; refused UNSUPPORTED");
	vclient_ack(v, 0, 0);
	expect(v, "> 40 (0001)");
}

/* [MQTT-3.4.2-2] */
SCENARIO(ack_with_properties, V5)
{
	struct mqev_properties *properties = mqev_properties_new();

	mqev_properties_add_string(properties, MQEV_PROP_REASON_STRING, "because");
	v->hold = true;
	up(v, 0, "27 00000010");
	rx(v, "32 ({'a'} 0001 ()) 34 ({'a'} 0002 ())");
	expect(v, "message a 1; message a 2");
	mqev_ack(v->held[0], MQEV_REASON_SUCCESS, properties);
	expect(v, "> 40 (0001 00 (1F {'because'}))");
	mqev_properties_add_user(properties, "k", "v");
	mqev_ack(v->held[1], MQEV_REASON_QUOTA_EXCEEDED, properties);
	expect(v, "> 50 (0002 97)");
	mqev_properties_free(properties);
}

/* Row 149. */
SCENARIO(held_messages_take_quota, V5)
{
	v->settings.receive_maximum = 2;
	v->hold = true;
	up(v, 0, "");
	rx(v, "32 ({'a'} 0001 ()) 32 ({'a'} 0002 ())");
	vclient_ack(v, 0, 0);
	rx(v, "32 ({'a'} 0003 ())");
	expect(v, "message a 1; message a 1; > 40 (0001); message a 1");
	rx(v, "32 ({'a'} 0004 ())");
	expect(v, "> E0 (93); end PROTOCOL 93");
}

SCENARIO(quota_comes_back, V5)
{
	v->settings.receive_maximum = 2;
	v->hold = true;
	up(v, 0, "");
	for (int i = 0; i < 5; i++) {
		rx(v, "32 ({'a'} 0001 ()) 34 ({'a'} 0002 ())");
		vclient_ack(v, 2 * i, 0);
		vclient_ack(v, 2 * i + 1, i % 2 ? 0 : 0x80);
		if (i % 2)
			rx(v, "62 (0002)");
	}
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
	v->checked = v->record.len;
}

/* A handle of an older connection acknowledges nothing and harms nothing; the message comes again.
 */
SCENARIO(held_over_a_reconnect, V311 | V5)
{
	v->settings.clean = MQEV_SESSION_CLEAN_NEVER;
	vclient_restart(v);
	v->hold = true;
	up(v, 1, "");
	rx(v, "32 ({'a'} 0001 ~) 34 ({'a'} 0002 ~)");
	expect(v, "message a 1; message a 2");
	vclient_close(v);
	vclient_ack(v, 0, 0);
	expect(v, "refused LOST");
	up(v, 1, "");
	vclient_ack(v, 1, 0);
	expect(v, "refused LOST");
	rx(v, "3A ({'a'} 0001 ~) 3C ({'a'} 0002 ~)");
	expect(v, "message a 1 dup; message a 2 dup");
	vclient_ack(v, 3, 0);
	vclient_ack(v, 2, 0);
	expect(v, "> 50 (0002) 40 (0001)");
}

/* What the application has taken is not delivered again, though its PUBREC waited behind another.
 */
SCENARIO(taken_but_not_answered, V311 | V5)
{
	v->settings.clean = MQEV_SESSION_CLEAN_NEVER;
	vclient_restart(v);
	v->hold = true;
	up(v, 1, "");
	rx(v, "34 ({'a'} 0001 ~) 34 ({'a'} 0002 ~)");
	v->hold = false;
	rx(v, "34 ({'a'} 0003 ~)");
	vclient_ack(v, 1, 0);
	expect(v, "message a 2; message a 2; message a 2");
	vclient_close(v);
	up(v, 1, "");
	rx(v, "3C ({'a'} 0001 ~) 3C ({'a'} 0002 ~) 3C ({'a'} 0003 ~)");
	expect(v, "message a 2 dup; > 50 (0001) 50 (0002) 50 (0003)");
}

/* A callback that ends the connection has taken its message all the same. */
static void
disconnect_on_message(struct vclient *v, enum vevent event)
{
	if (event == V_MESSAGE)
		mqev_session_disconnect(&v->s, 0, (struct mqev_bytes){0}, v->now);
}

SCENARIO(taken_by_a_callback_that_disconnects, V311 | V5)
{
	v->settings.clean = MQEV_SESSION_CLEAN_NEVER;
	vclient_restart(v);
	v->hook = disconnect_on_message;
	up(v, 1, "");
	rx(v, "34 ({'a'} 0001 ~)");
	expect(v, "message a 2; > E0 00; end ok 00");
	vclient_close(v);
	v->hook = NULL;
	up(v, 1, "");
	rx(v, "3C ({'a'} 0001 ~)");
	expect(v, "> 50 (0001)");
}

/* Whoever could not take a message gets it again. */
SCENARIO(not_taken, V311 | V5)
{
	v->settings.clean = MQEV_SESSION_CLEAN_NEVER;
	vclient_restart(v);
	v->deaf = true;
	up(v, 1, "");
	rx(v, "34 ({'a'} 0001 ~)");
	expect(v, "message a 2; end NOMEM 83");
	vclient_close(v);
	up(v, 1, "");
	rx(v, "32 ({'a'} 0002 ~)");
	expect(v, "message a 1; end NOMEM 83");
	vclient_close(v);
	v->deaf = false;
	up(v, 1, "");
	rx(v, "3C ({'a'} 0001 ~) 3A ({'a'} 0002 ~)");
	expect(v, "message a 2 dup; > 50 (0001); message a 1 dup; > 40 (0002)");
}

/* Nor is it acknowledged by a handle that was taken before the memory ran out. */
SCENARIO(not_taken_though_held, V311 | V5)
{
	v->settings.clean = MQEV_SESSION_CLEAN_NEVER;
	vclient_restart(v);
	v->deaf = v->hold = true;
	up(v, 1, "");
	rx(v, "34 ({'a'} 0001 ~)");
	expect(v, "message a 2; end NOMEM 83");
	vclient_ack(v, 0, 0);
	expect(v, "refused LOST");
	vclient_close(v);
	v->deaf = v->hold = false;
	up(v, 1, "");
	rx(v, "3C ({'a'} 0001 ~)");
	expect(v, "message a 2 dup; > 50 (0001)");
}

static void
close_on_message(struct vclient *v, enum vevent event)
{
	if (event == V_MESSAGE)
		mqev_session_closed(&v->s, v->now);
}

SCENARIO(not_taken_by_a_callback_that_closes, V311 | V5)
{
	v->settings.clean = MQEV_SESSION_CLEAN_NEVER;
	vclient_restart(v);
	v->deaf = true;
	v->hook = close_on_message;
	up(v, 1, "");
	rx(v, "34 ({'a'} 0001 ~)");
	expect(v, "message a 2");
	vclient_close(v);
	v->deaf = false;
	v->hook = NULL;
	up(v, 1, "");
	rx(v, "34 ({'a'} 0002 ~)");
	expect(v, "message a 2; > 50 (0002)");
}

SCENARIO(pubrel_before_pubrec, VALL)
{
	v->hold = true;
	up(v, 0, "");
	rx(v, "34 ({'a'} 0001 ~)");
	expect(v, "message a 2");
	rx(v, "62 (0001)");
	expect_v(v, "end PROTOCOL 82", "> E0 (82); end PROTOCOL 82");
}

SCENARIO(held_after_free, VALL)
{
	v->hold = true;
	up(v, 0, "");
	rx(v, "32 ({'a'} 0001 ~) 34 ({'a'} 0002 ~)");
	expect(v, "message a 1; message a 2");
	vclient_free_session(v);
	mqev_session_release(&v->s);
	vclient_ack(v, 0, 0);
	expect(v, "refused LOST");
}

static void
free_on_message(struct vclient *v, enum vevent event)
{
	if (event == V_MESSAGE) {
		v->freed = true;
		mqev_session_free(&v->s, MQEV_ERR_CANCELED);
	}
}

SCENARIO(held_and_freed, VALL)
{
	v->hold = true;
	v->hook = free_on_message;
	up(v, 0, "");
	rx(v, "32 ({'a'} 0001 ~) 34 ({'a'} 0002 ~)");
	expect(v, "message a 1");
	vclient_ack(v, 0, 0);
	expect(v, "refused LOST");
}

SCENARIO(held_for_long, VALL)
{
	v->settings.hold_timeout_ms = 5000;
	v->hold = true;
	up(v, 0, "");
	rx(v, "34 ({'a'} 0002 ~)");
	vclient_advance(v, 1000);
	rx(v, "32 ({'a'} 0001 ~)");
	expect(v, "message a 2; message a 1");
	vclient_advance(v, 3999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "overdue #2 2 5000ms");
	vclient_advance(v, 1000);
	expect(v, "overdue #1 1 5000ms");
	vclient_advance(v, 1000000);
	expect_nothing(v);
	vclient_ack(v, 0, 0);
	vclient_ack(v, 1, 0);
	expect(v, "> 50 (0002) 40 (0001)");
}

/* --- topic aliases of the server ---------------------------------------------------------------
 */

SCENARIO(alias_set_and_used, V5)
{
	v->settings.topic_alias_maximum = 10;
	up(v, 0, "");
	rx(v, "30 ({'long/topic'} (23 0001) '1') 30 ({} (23 0001) '2') 32 ({} 0001 (23 0001) '3')"
	      "34 ({} 0001 (23 0001) '4')");
	expect(v,
	    "message long/topic 0 1 [23 00 01]; message long/topic 0 2 [23 00 01];"
	    "message long/topic 1 3 [23 00 01]; > 40 (0001); message long/topic 2 4 [23 00 01];"
	    "> 50 (0001)");
}

SCENARIO(alias_remapped, V5)
{
	v->settings.topic_alias_maximum = 10;
	up(v, 0, "");
	rx(v, "30 ({'a'} (23 0001)) 30 ({'b'} (23 000A)) 30 ({'cc'} (23 0001)) 30 ({} (23 0001))"
	      "30 ({} (23 000A)) 30 ({'d'} (23 0001)) 30 ({} (23 0001)) 30 ({'a'} ())");
	expect(v, "message a 0 [23 00 01]; message b 0 [23 00 0A]; message cc 0 [23 00 01];"
		  "message cc 0 [23 00 01]; message b 0 [23 00 0A]; message d 0 [23 00 01];"
		  "message d 0 [23 00 01]; message a 0");
}

/* Row 59. */
SCENARIO(alias_unknown, V5)
{
	static const char *const packets[] = {
	    "30 ({} (23 0001))", "30 ({} (23 000A))", "32 ({} 0001 (23 0003))"};

	v->settings.topic_alias_maximum = 10;
	for (size_t i = 0; i < 3; i++) {
		vclient_restart(v);
		up(v, 0, "");
		rx(v, "30 ({'b'} (23 0002))");
		v->checked = v->record.len;
		rx(v, packets[i]);
		expect(v, "> E0 (82); end PROTOCOL 82");
		vclient_close(v);
	}
}

SCENARIO(alias_beyond_the_maximum, V5)
{
	static const char *const packets[] = {"30 ({'a'} (23 000B))", "30 ({} (23 FFFF))"};

	v->settings.topic_alias_maximum = 10;
	for (size_t i = 0; i < 2; i++) {
		vclient_restart(v);
		up(v, 0, "");
		rx(v, packets[i]);
		expect(v, "> E0 (94); end PROTOCOL 94");
		vclient_close(v);
	}
	v->settings.topic_alias_maximum = 0;
	up(v, 0, "");
	rx(v, "30 ({'a'} (23 0001))");
	expect(v, "> E0 (94); end PROTOCOL 94");
}

/* Row 157, [MQTT-3.3.2-7]. */
SCENARIO(alias_ends_with_the_connection, V5)
{
	v->settings.topic_alias_maximum = 10;
	up(v, 0, "");
	rx(v, "30 ({'a'} (23 0003))");
	expect(v, "message a 0 [23 00 03]");
	vclient_close(v);
	up(v, 1, "");
	rx(v, "30 ({} (23 0003))");
	expect(v, "> E0 (82); end PROTOCOL 82");
}

/* A repeated QoS 2 message may still set an alias ([MQTT-3.3.2-10]). */
SCENARIO(alias_in_a_repetition, V5)
{
	v->settings.topic_alias_maximum = 10;
	up(v, 0, "");
	rx(v, "34 ({'a'} 0001 () 'x') 3C ({'a'} 0001 (23 0001) 'x') 30 ({} (23 0001) 'y')");
	expect(v, "message a 2 x; > 50 (0001) 50 (0001); message a 0 y [23 00 01]");
}

/* Row 170; fewer messages when each byte comes alone. */
SCENARIO(alias_remapped_for_ever, V5)
{
	v->settings.topic_alias_maximum = 10;
	up(v, 0, "");
	v->only_events = true;
	for (unsigned i = 0; i < (v->every_byte ? 20000 : 1000000); i++) {
		const uint8_t publish[] = {0x30, 10, 0, 4, (uint8_t)('a' + i % 26),
		    (uint8_t)('a' + i % 7), (uint8_t)('a' + i % 3), 'x', 3, 0x23, 0,
		    (uint8_t)(1 + i % 10)};

		vclient_receive(v, publish, sizeof(publish));
		v->record.len = v->checked;
	}
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
	ck_assert_uint_le(v->s.in->alias_capacity, 16);
	v->fed = 0; /* one run is enough */
}

int
main(void)
{
	Suite *suite = suite_create("session: hold and aliases");
	TCase *tc = tk_case(suite, "hold");

	tcase_add_test(tc, hold_qos1);
	tcase_add_test(tc, hold_qos2);
	tcase_add_test(tc, hold_qos0);
	tcase_add_test(tc, hold_qos0_among_others);
	tcase_add_test(tc, hold_once);
	tcase_add_test(tc, held_without_a_limit);
	tcase_add_test(tc, hold_order);
	tcase_add_test(tc, hold_and_ack_in_the_callback);
	tcase_add_test(tc, negative_acks);
	tcase_add_test(tc, negative_ack_of_an_older_version);
	tcase_add_test(tc, ack_with_properties);
	tcase_add_test(tc, held_messages_take_quota);
	tcase_add_test(tc, quota_comes_back);
	tcase_add_test(tc, held_over_a_reconnect);
	tcase_add_test(tc, taken_but_not_answered);
	tcase_add_test(tc, taken_by_a_callback_that_disconnects);
	tcase_add_test(tc, not_taken);
	tcase_add_test(tc, not_taken_though_held);
	tcase_add_test(tc, not_taken_by_a_callback_that_closes);
	tcase_add_test(tc, pubrel_before_pubrec);
	tcase_add_test(tc, held_after_free);
	tcase_add_test(tc, held_and_freed);
	tcase_add_test(tc, held_for_long);
	tcase_add_test(tc, alias_set_and_used);
	tcase_add_test(tc, alias_remapped);
	tcase_add_test(tc, alias_unknown);
	tcase_add_test(tc, alias_beyond_the_maximum);
	tcase_add_test(tc, alias_ends_with_the_connection);
	tcase_add_test(tc, alias_in_a_repetition);
	tcase_add_test(tc, alias_remapped_for_ever);
	return tk_main(suite);
}
