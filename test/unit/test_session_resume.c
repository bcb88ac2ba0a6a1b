/* A new connection for the same session, or for one that the server has lost: what goes out again,
 * in which order. */
#include <string.h>

#include "lib/loop.h"
#include "lib/vcase.h"

/* A connection whose session outlives it, in every version. */
static void
first_up(struct vclient *v)
{
	up(v, 0, "");
	vclient_close(v);
	v->settings.clean = MQEV_SESSION_CLEAN_NEVER;
	vclient_connect(v);
	v->checked = v->record.len;
	rx(v, v->s.version == MQEV_V5 ? "20 (01 00 ())" : "20 (00 00)");
	expect_v(v, "connack 0 00", "connack 1 00");
}

static void
seen(struct vclient *v)
{
	vclient_flush_record(v);
	v->checked = v->record.len;
}

/* In flight: QoS 1, QoS 2 before and after PUBREC; and one that waits. */
static void
in_flight(struct vclient *v)
{
	v->settings.max_inflight = 4;
	first_up(v);
	vclient_publish(v, 1, "a", "1");
	vclient_publish(v, 2, "a", "2");
	vclient_publish(v, 2, "a", "3");
	vclient_publish(v, 1, "a", "4");
	vclient_publish(v, 1, "a", "5");
	rx(v, "50 (0003)");
	expect(v, "> 32 ({'a'} 0001 ~ '1') 34 ({'a'} 0002 ~ '2') 34 ({'a'} 0003 ~ '3')"
		  "32 ({'a'} 0004 ~ '4') 62 (0003)");
	vclient_close(v);
	expect_nothing(v);
}

/* [MQTT-4.4.0-1] [MQTT-4.6.0-1] [MQTT-3.3.1-1]: in the original order, with the old identifiers,
 * before what is new. */
SCENARIO(resume_in_order, VALL)
{
	in_flight(v);
	up(v, 1, "");
	expect(v, "> 3A ({'a'} 0001 ~ '1') 3C ({'a'} 0002 ~ '2') 62 (0003) 3A ({'a'} 0004 ~ '4')"
		  "32 ({'a'} 0005 ~ '5')");
	rx(v, "40 (0001) 50 (0002) 70 (0003) 40 (0004) 40 (0005)");
	expect(
	    v, "done 1 #1 ok 00; > 62 (0002); done 3 #3 ok 00; done 4 #4 ok 00; done 5 #5 ok 00");
	rx(v, "70 (0002)");
	expect(v, "done 2 #2 ok 00");
}

/* [MQTT-4.4.0-2]: what the server refused is done with, for the next connection too. */
SCENARIO(refused_is_not_sent_again, V5)
{
	in_flight(v);
	up(v, 1, "");
	seen(v);
	rx(v, "40 (0001 87) 50 (0002 97)");
	expect(v, "done 1 #1 REFUSED 87; done 2 #2 REFUSED 97");
	vclient_close(v);
	up(v, 1, "");
	expect(v, "> 62 (0003) 3A ({'a'} 0004 () '4') 3A ({'a'} 0005 () '5')");
}

SCENARIO(resume_twice, VALL)
{
	in_flight(v);
	up(v, 1, "");
	seen(v);
	rx(v, "50 (0002) 40 (0004)");
	expect(v, "> 62 (0002); done 4 #4 ok 00");
	vclient_close(v);
	up(v, 1, "");
	expect(v, "> 3A ({'a'} 0001 ~ '1') 62 (0002) 62 (0003) 3A ({'a'} 0005 ~ '5')");
}

/* Nothing is sent again on a live connection. */
SCENARIO(no_resend_without_a_new_connection, VALL)
{
	in_flight(v);
	up(v, 1, "");
	seen(v);
	vclient_advance(v, 100000000);
	vclient_pump(v);
	expect_nothing(v);
}

/* The new Receive Maximum holds for what is resent; a PUBREL takes no place ([MQTT-3.3.4-8]). */
SCENARIO(resume_within_the_new_window, V5)
{
	in_flight(v);
	up(v, 1, "21 0001");
	expect(v, "> 3A ({'a'} 0001 () '1') 62 (0003)");
	rx(v, "70 (0003)");
	expect(v, "done 3 #3 ok 00");
	rx(v, "40 (0001)");
	expect(v, "done 1 #1 ok 00; > 3C ({'a'} 0002 () '2')");
	rx(v, "50 (0002)");
	expect(v, "> 62 (0002)");
	rx(v, "70 (0002)");
	expect(v, "done 2 #2 ok 00; > 3A ({'a'} 0004 () '4')");
	rx(v, "40 (0004)");
	expect(v, "done 4 #4 ok 00; > 32 ({'a'} 0005 () '5')");
}

/* An own window that has become smaller. */
SCENARIO(resume_within_a_smaller_window, V311)
{
	in_flight(v);
	v->settings.max_inflight = 2;
	up(v, 1, "");
	expect(v, "> 3A ({'a'} 0001 '1') 3C ({'a'} 0002 '2') 62 (0003)");
	rx(v, "50 (0002) 40 (0001)");
	expect(v, "> 62 (0002); done 1 #1 ok 00; > 3A ({'a'} 0004 '4')");
}

/* PUBRELs wait for the budget neither. */
SCENARIO(resume_with_a_small_budget, VALL)
{
	in_flight(v);
	v->budget = 1;
	up(v, 1, "");
	expect(v, "> 3A ({'a'} 0001 ~ '1') 62 (0003) 3C ({'a'} 0002 ~ '2') 3A ({'a'} 0004 ~ '4')"
		  "32 ({'a'} 0005 ~ '5')");
}

/* A PUBREC that comes before the PUBLISH went out again. */
SCENARIO(acks_before_the_resend, VALL)
{
	in_flight(v);
	vclient_connect(v);
	seen(v);
	v->no_pump = true;
	rx(v, v->s.version == MQEV_V5 ? "20 (01 00 ())" : "20 (01 00)");
	rx(v, "50 (0002) 40 (0001)");
	seen(v);
	vclient_pump(v);
	expect(v, "> 62 (0003) 3A ({'a'} 0004 ~ '4') 32 ({'a'} 0005 ~ '5')");
	rx(v, "70 (0002) 70 (0003) 40 (0004) 40 (0005)");
	ck_assert_uint_eq(vclient_pending(v), 0);
	seen(v);
}

/* --- the server lost the session ------------------------------------------------------------- */

/* QoS 1 goes out as a new message, QoS 2 ends with an unknown outcome, what was never sent waits
 * on. */
SCENARIO(lost_session, V311 | V5)
{
	in_flight(v);
	up(v, 0, "");
	expect(v, "done 2 #0 SESSION_LOST 00; done 3 #0 SESSION_LOST 00;"
		  "> 32 ({'a'} 0001 ~ '1') 32 ({'a'} 0004 ~ '4') 32 ({'a'} 0005 ~ '5')");
	rx(v, "40 (0001) 40 (0004) 40 (0005)");
	expect(v, "done 1 #1 ok 00; done 4 #4 ok 00; done 5 #5 ok 00");
}

SCENARIO(lost_session_other_options, V311 | V5)
{
	v->settings.lost_qos1_fails = true;
	v->settings.lost_qos2_resends = true;
	in_flight(v);
	up(v, 0, "");
	expect(v, "done 1 #0 SESSION_LOST 00; done 4 #0 SESSION_LOST 00;"
		  "> 34 ({'a'} 0002 ~ '2') 34 ({'a'} 0003 ~ '3') 32 ({'a'} 0005 ~ '5')");
	rx(v, "50 (0003) 50 (0002)");
	expect(v, "> 62 (0003) 62 (0002)");
}

/* Messages that were never sent stay behind those which are sent anew. */
SCENARIO(lost_session_small_window, V311 | V5)
{
	in_flight(v);
	v->settings.max_inflight = 1;
	up(v, 0, "");
	expect(v, "done 2 #0 SESSION_LOST 00; done 3 #0 SESSION_LOST 00; > 32 ({'a'} 0001 ~ '1')");
	rx(v, "40 (0001)");
	expect(v, "done 1 #1 ok 00; > 32 ({'a'} 0004 ~ '4')");
	vclient_close(v);
	up(v, 1, "");
	expect(v, "> 3A ({'a'} 0004 ~ '4')");
	rx(v, "40 (0004)");
	expect(v, "done 4 #4 ok 00; > 32 ({'a'} 0005 ~ '5')");
}

/* Expired on our side: asked to be clean, the messages are settled alike. */
SCENARIO(lost_by_expiry, V5)
{
	in_flight(v);
	vclient_advance(v, 100000);
	vclient_connect(v);
	expect(v, "> 10 ({'MQTT'} 05 02 0000 (11 00000064) {'c'})");
	rx(v, "20 (00 00 ())");
	expect(v, "connack 0 00; done 2 #0 SESSION_LOST 00; done 3 #0 SESSION_LOST 00;"
		  "> 32 ({'a'} 0001 () '1') 32 ({'a'} 0004 () '4') 32 ({'a'} 0005 () '5')");
}

/* Expired before it could go out again: nobody knows whether it arrived, so this is no mere expiry.
 */
SCENARIO(lost_session_then_expired, V5)
{
	static const uint8_t expiry[] = {2, 0, 0, 0, 9};

	v->settings.max_inflight = 1;
	first_up(v);
	for (int i = 0; i < 2; i++)
		VPUBLISH(v, .qos = 1, .topic = "a", .properties = expiry,
		    .properties_len = sizeof(expiry), .has_expiry = true, .expiry_at = 1,
		    .expiry_s = 9);
	expect(v, "> 32 ({'a'} 0001 (02 00000009))");
	vclient_close(v);
	vclient_advance(v, 9000);
	expect(v, "done 2 #0 EXPIRED 00");
	up(v, 0, "");
	expect(v, "done 1 #0 SESSION_LOST 00");
}

/* Nor does it wait for its turn for ever: its time still runs. */
SCENARIO(lost_session_then_expired_in_the_queue, V5)
{
	static const uint8_t expiry[] = {2, 0, 0, 0, 9};

	v->settings.max_inflight = 2;
	first_up(v);
	vclient_publish(v, 1, "b", "");
	VPUBLISH(v, .qos = 1, .topic = "a", .properties = expiry, .properties_len = sizeof(expiry),
	    .has_expiry = true, .expiry_at = 1, .expiry_s = 9);
	seen(v);
	vclient_advance(v, 9500);
	expect_nothing(v); /* it was sent */
	vclient_close(v);
	v->settings.max_inflight = 1;
	up(v, 0, "");
	expect(v, "> 32 ({'b'} 0001 ())");
	vclient_advance(v, 1000);
	expect(v, "done 2 #0 SESSION_LOST 00");
}

/* A refused or lost CONNECT with a clean start settles nothing yet. */
SCENARIO(nothing_settled_without_connack, V5)
{
	in_flight(v);
	vclient_advance(v, 100000);
	vclient_connect(v);
	vclient_close(v);
	vclient_connect(v);
	seen(v);
	rx(v, "20 (00 88 ())");
	expect(v, "connack 0 88; end REFUSED 88");
	ck_assert_uint_eq(vclient_pending(v), 5);
	vclient_close(v);
	vclient_connect(v);
	expect(v, "> 10 ({'MQTT'} 05 02 0000 (11 00000064) {'c'})");
}

/* In 3.1 there is no telling: all is sent again, as for a session that is there. */
SCENARIO(v31_takes_the_session_for_granted, V31)
{
	in_flight(v);
	up(v, 0, "");
	expect(v, "> 3A ({'a'} 0001 '1') 3C ({'a'} 0002 '2') 62 (0003) 3A ({'a'} 0004 '4')"
		  "32 ({'a'} 0005 '5')");
}

/* --- SUBSCRIBE and UNSUBSCRIBE ---------------------------------------------------------------- */

/* Unanswered ones begin anew: their identifiers are free when the connection ends. */
SCENARIO(requests_begin_anew, VALL)
{
	first_up(v);
	sub(v, "{'f'} 01", 1);
	vclient_publish(v, 1, "a", "");
	unsub(v, "{'f'}", 1);
	expect(v, "> 82 (0001 ~ {'f'} 01) 32 ({'a'} 0002 ~) A2 (0003 ~ {'f'})");
	vclient_close(v);
	up(v, 1, "");
	expect(v, "> 82 (0001 ~ {'f'} 01) A2 (0003 ~ {'f'}) 3A ({'a'} 0002 ~)");
	rx(v,
	    v->s.version == MQEV_V5 ? "B0 (0003 () 00) 90 (0001 () 01)" : "B0 (0003) 90 (0001 01)");
	expect_v(v, "done 3 #3 ok 00; done 1 #1 ok 01 codes 01",
	    "done 3 #3 ok 00 codes 00; done 1 #1 ok 01 codes 01");
}

/* The identifier of a message in flight is not taken by what begins anew. */
SCENARIO(requests_do_not_take_identifiers_in_use, V311)
{
	first_up(v);
	vclient_publish(v, 1, "a", "");
	vclient_close(v);
	vclient_connect(v);
	seen(v);
	v->s.next_n = 64511;
	v->no_pump = true;
	sub(v, "{'f'} 01", 1);
	v->no_pump = false;
	rx(v, "20 (01 00)");
	expect(v, "connack 1 00; > 82 (0002 {'f'} 01) 3A ({'a'} 0001)");
}

/* --- other ----------------------------------------------------------------------------------- */

/* A link that breaks in the middle of a packet, at each of its bytes: row 164. */
SCENARIO(link_lost_in_a_packet, VALL)
{
	static const uint8_t packet[] = {0x34, 5, 0, 1, 'a', 0, 9};

	first_up(v);
	for (size_t n = 0; n < sizeof(packet); n++) {
		vclient_receive(v, packet, n);
		ck_assert_int_eq(v->s.partial, n > 0);
		vclient_close(v);
		up(v, 1, "");
	}
	expect_nothing(v);
	rx(v, "32 ({'a'} 0009 ~)");
	expect(v, "message a 1; > 40 (0009)");
}

/* Quota, ping and limits start afresh. */
SCENARIO(window_is_empty_after_a_resume, V5)
{
	first_up(v);
	vclient_close(v);
	up(v, 1, "21 0002");
	vclient_publish(v, 1, "a", "");
	vclient_publish(v, 1, "a", "");
	vclient_publish(v, 1, "a", "");
	expect(v, "> 32 ({'a'} 0001 ()) 32 ({'a'} 0002 ())");
	rx(v, "40 (0001)");
	expect(v, "done 1 #1 ok 00; > 32 ({'a'} 0003 ())");
	vclient_close(v);
	up(v, 1, "21 0003");
	expect(v, "> 3A ({'a'} 0002 ()) 3A ({'a'} 0003 ())");
	vclient_publish(v, 1, "a", "");
	expect(v, "> 32 ({'a'} 0004 ())");
	vclient_publish(v, 1, "a", "");
	expect_nothing(v);
}

SCENARIO(memory_is_given_back, VALL)
{
	v->quiet_sent = true;
	first_up(v);
	vclient_publish(v, 0, "a", "");
	vclient_publish(v, 1, "a", "");
	rx(v, "34 ({'a'} 0001 ~)");
	seen(v);
	mqev_session_trim(&v->s);
	ck_assert_ptr_nonnull(v->s.out);
	ck_assert_ptr_nonnull(v->s.in);
	rx(v, "40 (0001) 62 (0001)");
	mqev_session_trim(&v->s);
	ck_assert_ptr_nonnull(v->s.out); /* the QoS 0 message is on its way */
	ck_assert_ptr_null(v->s.in);
	vclient_sent(v, 0);
	mqev_session_trim(&v->s);
	ck_assert_ptr_null(v->s.out);
	seen(v);
}

int
main(void)
{
	Suite *suite = suite_create("session: resume");
	TCase *tc = tk_case(suite, "resume");

	tcase_add_test(tc, resume_in_order);
	tcase_add_test(tc, refused_is_not_sent_again);
	tcase_add_test(tc, resume_twice);
	tcase_add_test(tc, no_resend_without_a_new_connection);
	tcase_add_test(tc, resume_within_the_new_window);
	tcase_add_test(tc, resume_within_a_smaller_window);
	tcase_add_test(tc, resume_with_a_small_budget);
	tcase_add_test(tc, acks_before_the_resend);
	tcase_add_test(tc, lost_session);
	tcase_add_test(tc, lost_session_other_options);
	tcase_add_test(tc, lost_session_small_window);
	tcase_add_test(tc, lost_by_expiry);
	tcase_add_test(tc, lost_session_then_expired);
	tcase_add_test(tc, lost_session_then_expired_in_the_queue);
	tcase_add_test(tc, nothing_settled_without_connack);
	tcase_add_test(tc, v31_takes_the_session_for_granted);
	tcase_add_test(tc, requests_begin_anew);
	tcase_add_test(tc, requests_do_not_take_identifiers_in_use);
	tcase_add_test(tc, link_lost_in_a_packet);
	tcase_add_test(tc, window_is_empty_after_a_resume);
	tcase_add_test(tc, memory_is_given_back);
	return tk_main(suite);
}
