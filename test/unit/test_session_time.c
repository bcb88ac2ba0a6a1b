/* Keepalive and deadlines, to the millisecond. */
#include <string.h>

#include "lib/loop.h"
#include "lib/vcase.h"

static void
up_with_keepalive(struct vclient *v, uint16_t seconds)
{
	v->settings.keepalive_s = seconds;
	up(v, 0, "");
}

static void
no_ping_in(struct vclient *v)
{
	vclient_flush_record(v);
	vbuf_put(&v->record, "", 1);
	v->record.len--;
	ck_assert_ptr_null(strstr((const char *)v->record.data, "C0 00"));
	v->checked = v->record.len;
}

/* --- when to ping ---------------------------------------------------------------------------- */

SCENARIO(keepalive_off, VALL)
{
	up(v, 0, "");
	ck_assert_uint_eq(mqev_session_deadline(&v->s), UINT64_MAX);
	vclient_advance(v, UINT64_C(1) << 40);
	expect_nothing(v);
}

/* A second before the interval is over, a quarter of a short one. */
SCENARIO(keepalive_idle, VALL)
{
	up_with_keepalive(v, 10);
	ck_assert_uint_eq(mqev_session_deadline(&v->s), 10000);
	vclient_advance(v, 8999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "> C0 00");
	rx(v, "D0 00");
	vclient_advance(v, 8999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "> C0 00");
}

SCENARIO(keepalive_short, VALL)
{
	up_with_keepalive(v, 2);
	vclient_advance(v, 1499);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "> C0 00");
}

/* A tick that comes half a second late still keeps to one second. */
SCENARIO(keepalive_shortest, VALL)
{
	up_with_keepalive(v, 1);
	vclient_advance(v, 499);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "> C0 00");
}

SCENARIO(keepalive_late_tick, VALL)
{
	up_with_keepalive(v, 10);
	v->now += 500000;
	mqev_session_tick(&v->s, v->now);
	expect(v, "> C0 00");
	mqev_session_tick(&v->s, v->now);
	expect_nothing(v);
}

/* Who only sends pings too, to notice a dead link. */
SCENARIO(keepalive_sender_only, VALL)
{
	up_with_keepalive(v, 10);
	for (int i = 0; i < 4; i++) {
		vclient_advance(v, 2000);
		vclient_publish(v, 0, "a", "");
	}
	v->checked = v->record.len;
	vclient_advance(v, 1000);
	expect(v, "> C0 00");
	rx(v, "D0 00");
	for (int i = 0; i < 4; i++) {
		vclient_advance(v, 2000);
		vclient_publish(v, 0, "a", "");
	}
	v->checked = v->record.len;
	vclient_advance(v, 999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "> C0 00");
}

/* Who only receives pings too, to keep the link alive. */
SCENARIO(keepalive_receiver_only, VALL)
{
	up_with_keepalive(v, 10);
	for (int i = 0; i < 4; i++) {
		vclient_advance(v, 2000);
		rx(v, "30 ({'a'} ~)");
	}
	v->checked = v->record.len;
	vclient_advance(v, 999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "> C0 00");
}

/* The first ping of an idle time is early, those that follow keep the whole interval. */
SCENARIO(pings_of_many_apart, VALL)
{
	up_with_keepalive(v, 10);
	mqev_session_spread_pings(&v->s, 2000, UINT32_C(1) << 31);
	vclient_advance(v, 7999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "> C0 00");
	rx(v, "D0 00");
	for (int i = 0; i < 3; i++) {
		vclient_advance(v, 8999);
		expect_nothing(v);
		vclient_advance(v, 1);
		expect(v, "> C0 00");
		rx(v, "D0 00");
	}
	/* What the server sent to all of them at once is answered by all at once. */
	vclient_advance(v, 5000);
	rx(v, "32 ({'a'} 0001 ~ 'x')");
	expect(v, "message a 1 x; > 40 (0001)");
	vclient_advance(v, 7999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "> C0 00");
}

/* Never by more than half an interval, and not at all without an interval. */
SCENARIO(pings_not_too_early, VALL)
{
	up_with_keepalive(v, 10);
	mqev_session_spread_pings(&v->s, UINT64_MAX, UINT32_MAX);
	vclient_advance(v, 4500);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "> C0 00");
}

SCENARIO(no_pings_to_spread, VALL)
{
	up(v, 0, "");
	mqev_session_spread_pings(&v->s, UINT64_MAX, UINT32_MAX);
	ck_assert_uint_eq(mqev_session_deadline(&v->s), UINT64_MAX);
}

SCENARIO(keepalive_traffic_both_ways, VALL)
{
	up_with_keepalive(v, 10);
	for (int i = 0; i < 20; i++) {
		vclient_advance(v, 5000);
		vclient_publish(v, 0, "a", "");
		vclient_advance(v, 3000);
		rx(v, "30 ({'a'} ~)");
		v->checked = v->record.len;
	}
	no_ping_in(v);
}

/* Acknowledgements are traffic: both ways of a QoS 1 receiver. */
SCENARIO(keepalive_acks_are_traffic, VALL)
{
	up_with_keepalive(v, 10);
	for (int i = 0; i < 20; i++) {
		vclient_advance(v, 8000);
		rx(v, "32 ({'a'} 0001 ~)");
		vclient_advance(v, 8000);
		rx(v, "34 ({'a'} 0001 ~) 62 (0001)");
	}
	no_ping_in(v);
}

SCENARIO(keepalive_of_the_server, V5)
{
	v->settings.keepalive_s = 60;
	up(v, 0, "13 0005");
	vclient_advance(v, 3999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "> C0 00");
	vclient_close(v);
	up(v, 1, "13 0000");
	vclient_advance(v, 10000000);
	expect_nothing(v);
	vclient_close(v);
	up(v, 1, ""); /* one's own again */
	vclient_advance(v, 58999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "> C0 00");
}

SCENARIO(keepalive_not_before_connack, VALL)
{
	v->settings.keepalive_s = 10;
	vclient_connect(v);
	v->checked = v->record.len;
	ck_assert_uint_eq(mqev_session_deadline(&v->s), UINT64_MAX);
	vclient_advance(v, 100000);
	expect_nothing(v);
}

/* --- no answer ------------------------------------------------------------------------------- */

SCENARIO(ping_timeout_default, VALL)
{
	up_with_keepalive(v, 10);
	vclient_advance(v, 9000 + 4999);
	expect(v, "> C0 00");
	vclient_advance(v, 1);
	expect(v, "end KEEPALIVE 8D");
	ck_assert_uint_eq(mqev_session_deadline(&v->s), UINT64_MAX);
}

SCENARIO(ping_timeout_at_most_10_s, VALL)
{
	up_with_keepalive(v, 600);
	vclient_advance(v, 599000 + 9999);
	expect(v, "> C0 00");
	vclient_advance(v, 1);
	expect(v, "end KEEPALIVE 8D");
}

SCENARIO(ping_timeout_of_its_own, VALL)
{
	v->settings.ping_timeout_ms = 700;
	up_with_keepalive(v, 10);
	vclient_advance(v, 9000 + 699);
	expect(v, "> C0 00");
	vclient_advance(v, 1);
	expect(v, "end KEEPALIVE 8D");
}

/* Any byte is a sign of life. */
SCENARIO(ping_answered_by_anything, VALL)
{
	up_with_keepalive(v, 10);
	vclient_advance(v, 9000);
	expect(v, "> C0 00");
	vclient_advance(v, 4999);
	rx(v, "30");
	vclient_advance(v, 4000);
	expect_nothing(v);
	vclient_advance(v, 1); /* 9 s after the first one */
	expect(v, "> C0 00");
	rx(v, "03");
}

/* [MQTT-3.1.2-20] while no answer comes, too: a packet must leave in each interval. */
SCENARIO(ping_again_while_unanswered, VALL)
{
	v->settings.ping_timeout_ms = 60000;
	up_with_keepalive(v, 10);
	vclient_advance(v, 9000);
	expect(v, "> C0 00");
	vclient_advance(v, 8999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "> C0 00");
	vclient_advance(v, 27000);
	expect(v, "> C0 00 C0 00 C0 00");
	vclient_advance(v, 23999);
	expect(v, "> C0 00 C0 00");
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
	vclient_advance(v, 1); /* 60 s after the first one */
	expect(v, "end KEEPALIVE 8D");
}

/* --- paused ---------------------------------------------------------------------------------- */

/* Pings go out on time, their answers may be waiting in the socket. */
SCENARIO(paused_for_long, VALL)
{
	up_with_keepalive(v, 10);
	v->s.paused = true;
	vclient_advance(v, 45000);
	expect(v, "> C0 00 C0 00 C0 00 C0 00 C0 00");
	v->s.paused = false;
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
	vclient_advance(v, 4999);
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
	rx(v, "D0 00");
	vclient_advance(v, 8999);
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
	vclient_flush_record(v);
	v->checked = v->record.len;
}

/* The answer is given its time after the pause, whenever that ends. */
SCENARIO(paused_until_the_deadline, VALL)
{
	for (uint64_t pause = 1000; pause < 31000; pause += 1000) {
		up_with_keepalive(v, 10);
		vclient_advance(v, 9000);
		v->s.paused = true;
		vclient_advance(v, pause);
		v->s.paused = false;
		vclient_advance(v, pause < 5000 ? 5000 - pause - 1 : 4000);
		ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
		vclient_advance(v, 10000); /* but not for ever */
		ck_assert_int_eq(v->s.state, MQEV_SESSION_ENDED);
		vclient_close(v);
	}
	vclient_flush_record(v);
	v->checked = v->record.len;
}

SCENARIO(paused_in_a_packet, VALL)
{
	up(v, 0, "");
	rx(v, "30 05 00");
	v->s.paused = true;
	vclient_advance(v, 1000000);
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
	v->s.paused = false;
	vclient_advance(v, 10000);
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
	vclient_advance(v, 60000);
	expect(v, "end TIMEOUT 80");
}

/* --- packets and acknowledgements ------------------------------------------------------------ */

/* Row 166: progress is what counts. */
SCENARIO(packet_without_progress, VALL)
{
	up(v, 0, "");
	rx(v, "30 05 00");
	vclient_advance(v, 29999);
	rx(v, "01");
	ck_assert_uint_eq(mqev_session_deadline(&v->s), v->now + 30000);
	vclient_advance(v, 29999);
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
	vclient_advance(v, 1);
	expect(v, "end TIMEOUT 80");
}

SCENARIO(packet_in_drips, V311)
{
	up(v, 0, "");
	rx(v, "30 67 00 01 'a'");
	for (int i = 0; i < 100; i++) {
		vclient_advance(v, 1000);
		rx(v, "'.'");
	}
	expect(v, "message a 0 (100 bytes)");
	ck_assert_uint_eq(mqev_session_deadline(&v->s), UINT64_MAX);
}

SCENARIO(packet_before_connack, VALL)
{
	vclient_connect(v);
	v->checked = v->record.len;
	rx(v, "20");
	vclient_advance(v, 30000);
	expect(v, "end TIMEOUT 80");
}

SCENARIO(ack_deadline, VALL)
{
	v->settings.ack_timeout_ms = 5000;
	v->settings.ack_action = MQEV_ACK_ACTION_RECONNECT;
	up(v, 0, "");
	vclient_publish(v, 1, "a", "");
	vclient_advance(v, 3000);
	vclient_publish(v, 2, "a", "");
	vclient_advance(v, 1999);
	rx(v, "40 (0001)");
	v->checked = v->record.len;
	vclient_advance(v, 3000);
	expect_nothing(v);
	rx(v, "50 (0002)");
	expect(v, "> 62 (0002)");
	ck_assert_uint_eq(mqev_session_deadline(&v->s), v->now + 5000);
	vclient_advance(v, 4999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect_v(v, "end TIMEOUT 80", "> E0 (80); end TIMEOUT 80");
	ck_assert_uint_eq(vclient_pending(v), 1);
}

SCENARIO(ack_deadline_of_a_request, VALL)
{
	v->settings.ack_timeout_ms = 5000;
	v->settings.ack_action = MQEV_ACK_ACTION_RECONNECT;
	up(v, 0, "");
	sub(v, "{'f'} 00", 1);
	v->checked = v->record.len;
	vclient_advance(v, 4999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect_v(v, "end TIMEOUT 80", "> E0 (80); end TIMEOUT 80");
}

/* It begins anew with the connection, and there is none while there is no connection. */
SCENARIO(ack_deadline_after_a_resume, V311)
{
	v->settings.ack_timeout_ms = 5000;
	v->settings.ack_action = MQEV_ACK_ACTION_RECONNECT;
	v->settings.clean = MQEV_SESSION_CLEAN_NEVER;
	vclient_restart(v);
	up(v, 1, "");
	vclient_publish(v, 1, "a", "");
	vclient_advance(v, 4000);
	vclient_close(v);
	v->checked = v->record.len;
	ck_assert_uint_eq(mqev_session_deadline(&v->s), UINT64_MAX);
	vclient_advance(v, 100000);
	up(v, 1, "");
	expect(v, "> 3A ({'a'} 0001)");
	vclient_advance(v, 4999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "end TIMEOUT 80");
}

/* By default, and in 5.0 instead of resending ([MQTT-4.4.0-1]): it is told, again and again. */
SCENARIO(ack_deadline_reports, VALL)
{
	v->settings.ack_timeout_ms = 5000;
	if (v->s.version == MQEV_V5)
		v->settings.ack_action = MQEV_ACK_ACTION_RESEND;
	up(v, 0, "");
	vclient_publish(v, 1, "a", "");
	vclient_advance(v, 1000);
	sub(v, "{'f'} 00", 1);
	v->checked = v->record.len;
	vclient_advance(v, 3999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "late 1 #1");
	vclient_advance(v, 1000);
	expect(v, "late 2 #2");
	rx(v, "90 (0002 ~ 00)");
	expect(v, "done 2 #2 ok 00 codes 00");
	vclient_advance(v, 4000);
	expect(v, "late 1 #1");
	rx(v, "40 (0001)");
	expect(v, "done 1 #1 ok 00");
	vclient_advance(v, 100000);
	expect_nothing(v);
}

/* Before 5.0 on request: PUBLISH with DUP, and PUBREL; not SUBSCRIBE, which would be answered
 * twice. */
SCENARIO(ack_deadline_resends, V3)
{
	v->settings.ack_timeout_ms = 5000;
	v->settings.ack_action = MQEV_ACK_ACTION_RESEND;
	v->settings.ack_resends = 2;
	up(v, 0, "");
	vclient_publish(v, 1, "a", "1");
	vclient_publish(v, 2, "a", "2");
	vclient_publish(v, 2, "a", "3");
	sub(v, "{'f'} 00", 1);
	rx(v, "50 (0003)");
	v->checked = v->record.len;
	vclient_advance(v, 5000);
	expect(v, "> 3A ({'a'} 0001 '1') 3C ({'a'} 0002 '2'); late 4 #4; > 62 (0003)");
	rx(v, "50 (0002) 70 (0003) 90 (0004 00)");
	expect(v, "> 62 (0002); done 3 #3 ok 00; done 4 #4 ok 00 codes 00");
	vclient_advance(v, 4999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "> 3A ({'a'} 0001 '1') 62 (0002)");
	rx(v, "70 (0002)");
	expect(v, "done 2 #2 ok 00");
	vclient_advance(v, 4999);
	expect_nothing(v);
	vclient_advance(v, 1); /* twice was enough */
	expect(v, "end TIMEOUT 80");
}

/* While receiving is paused the acknowledgement may lie in the socket. */
SCENARIO(ack_deadline_while_paused, VALL)
{
	v->settings.ack_timeout_ms = 5000;
	v->settings.ack_action = MQEV_ACK_ACTION_RECONNECT;
	up(v, 0, "");
	vclient_publish(v, 1, "a", "");
	v->checked = v->record.len;
	v->s.paused = true;
	vclient_advance(v, 12000);
	expect_nothing(v);
	v->s.paused = false;
	vclient_advance(v, 2999);
	expect_nothing(v);
	rx(v, "40 (0001)");
	expect(v, "done 1 #1 ok 00");
}

/* Expired messages end when their time has come, within a second, connected or not. */
SCENARIO(expiry_comes_by_itself, V5)
{
	static const uint8_t expiry[] = {2, 0, 0, 0, 5};

	for (int i = 0; i < 3; i++)
		VPUBLISH(v, .qos = (uint8_t)i, .topic = "a", .properties = expiry,
		    .properties_len = sizeof(expiry), .has_expiry = true, .expiry_at = 1,
		    .expiry_s = (uint32_t)(5 + i));
	vclient_advance(v, 4999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "done 1 #0 EXPIRED 00");
	vclient_advance(v, 1000);
	expect(v, "done 2 #0 EXPIRED 00");
	v->settings.max_inflight = 1;
	up(v, 0, "");
	expect(v, "> 34 ({'a'} 0002 (02 00000001))");
	VPUBLISH(v, .qos = 1, .topic = "a", .properties = expiry, .properties_len = sizeof(expiry),
	    .has_expiry = true, .expiry_at = 1, .expiry_s = 5);
	vclient_advance(v, 5999);
	expect(v, "done 4 #0 EXPIRED 00");
	rx(v, "50 (0002) 70 (0002)");
	expect(v, "> 62 (0002); done 3 #2 ok 00");
	ck_assert_uint_eq(mqev_session_deadline(&v->s), UINT64_MAX);
}

int
main(void)
{
	Suite *suite = suite_create("session: time");
	TCase *tc = tk_case(suite, "time");

	tcase_add_test(tc, keepalive_off);
	tcase_add_test(tc, keepalive_idle);
	tcase_add_test(tc, keepalive_short);
	tcase_add_test(tc, keepalive_shortest);
	tcase_add_test(tc, keepalive_late_tick);
	tcase_add_test(tc, keepalive_sender_only);
	tcase_add_test(tc, keepalive_receiver_only);
	tcase_add_test(tc, pings_of_many_apart);
	tcase_add_test(tc, pings_not_too_early);
	tcase_add_test(tc, no_pings_to_spread);
	tcase_add_test(tc, keepalive_traffic_both_ways);
	tcase_add_test(tc, keepalive_acks_are_traffic);
	tcase_add_test(tc, keepalive_of_the_server);
	tcase_add_test(tc, keepalive_not_before_connack);
	tcase_add_test(tc, ping_timeout_default);
	tcase_add_test(tc, ping_timeout_at_most_10_s);
	tcase_add_test(tc, ping_timeout_of_its_own);
	tcase_add_test(tc, ping_answered_by_anything);
	tcase_add_test(tc, ping_again_while_unanswered);
	tcase_add_test(tc, paused_for_long);
	tcase_add_test(tc, paused_until_the_deadline);
	tcase_add_test(tc, paused_in_a_packet);
	tcase_add_test(tc, packet_without_progress);
	tcase_add_test(tc, packet_in_drips);
	tcase_add_test(tc, packet_before_connack);
	tcase_add_test(tc, ack_deadline);
	tcase_add_test(tc, ack_deadline_of_a_request);
	tcase_add_test(tc, ack_deadline_after_a_resume);
	tcase_add_test(tc, ack_deadline_reports);
	tcase_add_test(tc, ack_deadline_resends);
	tcase_add_test(tc, ack_deadline_while_paused);
	tcase_add_test(tc, expiry_comes_by_itself);
	return tk_main(suite);
}
