/* Messages on their way out: QoS 0, 1 and 2, the window, the queue's and the server's limits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/loop.h"
#include "lib/vcase.h"

/* --- QoS 0 ----------------------------------------------------------------------------------- */

SCENARIO(qos0_at_once, VALL)
{
	v->quiet_sent = true;
	up(v, 0, "");
	vclient_publish(v, 0, "a/b", "hi");
	expect(v, "> 30 ({'a/b'} ~ 'hi')");
	vclient_sent(v, 1);
	expect_nothing(v);
	vclient_sent(v, 0);
	expect(v, "done 1 #0 ok 00");
}

SCENARIO(qos0_retain_and_empty, VALL)
{
	up(v, 0, "");
	VPUBLISH(v, .topic = "a", .retain = true);
	expect(v, "> 31 ({'a'} ~); done 1 #0 ok 00");
}

/* Completed message by message as the kernel takes the bytes, in order. */
SCENARIO(qos0_completes_as_bytes_leave, V311)
{
	v->quiet_sent = true;
	up(v, 0, "");
	for (int i = 0; i < 40; i++)
		vclient_publish(v, 0, "a", "x"); /* 6 bytes each */
	v->checked = v->record.len;
	vclient_sent(v, 6 * 38 + 1);
	expect(v, "done 1 #0 ok 00");
	vclient_sent(v, 6 * 37);
	expect(v, "done 2 #0 ok 00; done 3 #0 ok 00");
	vclient_publish(v, 0, "a", "y");
	v->checked = v->record.len;
	vclient_sent(v, 6 * 37);
	expect(v, "done 4 #0 ok 00");
	vclient_sent(v, 0);
	ck_assert_uint_eq(vclient_pending(v), 0);
	v->checked = v->record.len;
}

SCENARIO(qos0_lost_with_the_link, VALL)
{
	v->quiet_sent = true;
	up(v, 0, "");
	vclient_publish(v, 0, "a", "1");
	VPUBLISH(v, .topic = "a", .payload = "2", .len = 1, .queued = true);
	expect(v, "> 30 ({'a'} ~ '1') 30 ({'a'} ~ '2')");
	vclient_close(v);
	expect(v, "done 1 #0 LOST 00; done 2 #0 LOST 00");
}

/* Without a callback nothing need be told, with report_all it is. */
SCENARIO(qos0_without_callback, VALL)
{
	up(v, 0, "");
	VPUBLISH(v, .topic = "a", .silent = true);
	expect(v, "> 30 ({'a'} ~)");
	v->s.report_all = true;
	VPUBLISH(v, .topic = "a", .silent = true);
	expect(v, "> 30 ({'a'} ~); done 2 #0 ok 00");
}

SCENARIO(qos0_waits_offline, VALL)
{
	vclient_publish(v, 0, "a", "1");
	vclient_publish(v, 0, "a", "2");
	ck_assert_uint_eq(mqev_session_queued(&v->s), 2);
	up(v, 0, "");
	expect(v, "> 30 ({'a'} ~ '1') 30 ({'a'} ~ '2'); done 1 #0 ok 00; done 2 #0 ok 00");
	ck_assert_uint_eq(mqev_session_queued(&v->s), 0);
	ck_assert_uint_eq(mqev_session_queued_bytes(&v->s), 0);
}

SCENARIO(qos0_rejected_offline, VALL)
{
	v->settings.reject_offline_qos0 = true;
	vclient_publish(v, 0, "a", "1");
	expect(v, "refused STATE");
	vclient_publish(v, 1, "a", "1");
	vclient_connect(v);
	v->checked = v->record.len;
	vclient_publish(v, 0, "a", "1");
	expect(v, "refused STATE");
	rx(v, "20 (00 00 ~)");
	expect(v, "connack 0 00; > 32 ({'a'} 0001 ~ '1')");
	vclient_publish(v, 0, "a", "1");
	expect(v, "> 30 ({'a'} ~ '1'); done 2 #0 ok 00");
}

/* A message that waits is not overtaken by one of the same QoS. */
SCENARIO(qos0_order, VALL)
{
	up(v, 0, "");
	v->no_pump = true;
	VPUBLISH(v, .topic = "a", .payload = "1", .len = 1, .queued = true);
	vclient_publish(v, 0, "a", "2");
	expect_nothing(v);
	vclient_pump(v);
	expect(v, "> 30 ({'a'} ~ '1') 30 ({'a'} ~ '2'); done 1 #0 ok 00; done 2 #0 ok 00");
}

SCENARIO(properties_go_out_in_v5_only, VALL)
{
	up(v, 0, "");
	VPUBLISH(v, .qos = 1, .topic = "a", .payload = "x", .len = 1, .properties = "\x01\x01",
	    .properties_len = 2);
	VPUBLISH(v, .topic = "a", .properties = "\x01\x01", .properties_len = 2);
	expect_v(v, "> 32 ({'a'} 0001 'x') 30 ({'a'}); done 2 #0 ok 00",
	    "> 32 ({'a'} 0001 (01 01) 'x') 30 ({'a'} (01 01)); done 2 #0 ok 00");
}

/* --- payloads by reference ------------------------------------------------------------------- */

SCENARIO(payload_by_reference, VALL)
{
	static char payload[5000];

	memset(payload, 'p', sizeof(payload));
	v->quiet_sent = true;
	up(v, 0, "");
	VPUBLISH(v, .qos = 0, .topic = "a", .payload = payload, .len = sizeof(payload),
	    .by_reference = true);
	VPUBLISH(v, .qos = 1, .topic = "a", .payload = payload, .len = sizeof(payload),
	    .by_reference = true);
	expect_v(v, "> 30 ({'a'} 'p'*5000) 32 ({'a'} 0001 'p'*5000)",
	    "> 30 ({'a'} () 'p'*5000) 32 ({'a'} 0001 () 'p'*5000)");
	ck_assert_int_eq(v->releases, 0);
	rx(v, "40 (0001)");
	expect(v, "done 2 #1 ok 00");
	ck_assert_int_eq(v->releases, 0);
	vclient_sent(v, 0);
	expect(v, "done 1 #0 ok 00");
	ck_assert_int_eq(v->releases, 2);
}

SCENARIO(payload_by_reference_refused, V5)
{
	up(v, 0, "27 00000064");
	VPUBLISH(v, .qos = 1, .topic = "a", .payload = "x", .len = 1, .by_reference = true);
	VPUBLISH(v, .qos = 0, .topic = "a", .payload = "x", .len = 1, .by_reference = true);
	expect(v, "> 32 ({'a'} 0001 () 'x') 30 ({'a'} () 'x'); done 2 #0 ok 00");
	ck_assert_int_eq(v->releases, 1);
	VPUBLISH(v, .qos = 1, .topic = "a", .payload = "x", .len = 100, .by_reference = true);
	expect(v, "refused TOO_LARGE");
	ck_assert_int_eq(v->releases, 1);
	vclient_close(v);
	ck_assert_int_eq(v->releases, 1);
	vclient_free_session(v);
	expect(v, "done 1 #1 CANCELED 00");
	ck_assert_int_eq(v->releases, 2);
}

/* --- QoS 1 ----------------------------------------------------------------------------------- */

SCENARIO(qos1_acknowledged, VALL)
{
	up(v, 0, "");
	vclient_publish(v, 1, "a/b", "hi");
	expect(v, "> 32 ({'a/b'} 0001 ~ 'hi')");
	rx(v, "40 (0001)");
	expect(v, "done 1 #1 ok 00");
	rx(v, "40 (0001)");
	expect_nothing(v);
	vclient_publish(v, 1, "a/b", "ho");
	expect(v, "> 32 ({'a/b'} 0002 ~ 'ho')");
	rx(v, "40 (0002)");
	expect(v, "done 2 #2 ok 00");
}

SCENARIO(qos1_reasons, V5)
{
	up(v, 0, "");
	for (int i = 0; i < 3; i++)
		vclient_publish(v, 1, "a", "");
	v->checked = v->record.len;
	rx(v, "40 (0001 10)");
	expect(v, "done 1 #1 ok 10");
	rx(v, "40 (0003 97 (1F {'no'} 26 {'k'}{'v'}))");
	expect(v, "done 3 #3 REFUSED 97 [1F 00 02 6E 6F 26 00 01 6B 00 01 76]");
	rx(v, "40 (0002 00 ())");
	expect(v, "done 2 #2 ok 00");
}

SCENARIO(qos1_out_of_order_acks, VALL)
{
	up(v, 0, "");
	for (int i = 0; i < 3; i++)
		vclient_publish(v, 1, "a", "");
	v->checked = v->record.len;
	rx(v, "40 (0002) 40 (0003) 40 (0001)");
	expect(v, "done 2 #2 ok 00; done 3 #3 ok 00; done 1 #1 ok 00");
}

/* --- QoS 2 ----------------------------------------------------------------------------------- */

SCENARIO(qos2_handshake, VALL)
{
	up(v, 0, "");
	vclient_publish(v, 2, "a", "x");
	expect(v, "> 34 ({'a'} 0001 ~ 'x')");
	rx(v, "50 (0001)");
	expect(v, "> 62 (0001)");
	rx(v, "50 (0001)");
	expect(v, "> 62 (0001)"); /* [MQTT-4.3.3-4], never the PUBLISH again */
	rx(v, "70 (0001)");
	expect(v, "done 1 #1 ok 00");
	rx(v, "70 (0001)");
	expect_nothing(v);
}

/* [MQTT-4.6.0-4] */
SCENARIO(qos2_pubrels_in_the_order_of_pubrecs, VALL)
{
	up(v, 0, "");
	for (int i = 0; i < 4; i++)
		vclient_publish(v, 2, "a", "");
	v->checked = v->record.len;
	rx(v, "50 (0003) 50 (0001) 50 (0004) 50 (0002)");
	expect(v, "> 62 (0003) 62 (0001) 62 (0004) 62 (0002)");
}

/* Row 148: the exchange ends, no PUBREL ([MQTT-4.3.3-4]). */
SCENARIO(qos2_refused, V5)
{
	up(v, 0, "");
	vclient_publish(v, 2, "a", "x");
	v->checked = v->record.len;
	rx(v, "50 (0001 97)");
	expect(v, "done 1 #1 REFUSED 97");
	rx(v, "70 (0001)");
	expect_nothing(v);
	rx(v, "50 (0001 97)");
	expect_nothing(v);
	rx(v, "50 (0001)");
	expect(v, "> 62 (0001 92)");
}

/* The exchange goes on, its PUBREL was sent. */
SCENARIO(qos2_refused_after_pubrec, V5)
{
	up(v, 0, "");
	vclient_publish(v, 2, "a", "x");
	v->checked = v->record.len;
	rx(v, "50 (0001)");
	expect(v, "> 62 (0001)");
	rx(v, "50 (0001 97)");
	expect_nothing(v);
	rx(v, "70 (0001)");
	expect(v, "done 1 #1 ok 00");
}

SCENARIO(qos2_pubrec_with_reason_10, V5)
{
	up(v, 0, "");
	vclient_publish(v, 2, "a", "x");
	v->checked = v->record.len;
	rx(v, "50 (0001 10)");
	expect(v, "> 62 (0001)");
	rx(v, "70 (0001 92)"); /* the server knows it no more: it was completed */
	expect(v, "done 1 #1 ok 92");
}

/* What PUBREC and PUBCOMP say is told together, when the message is done. */
SCENARIO(qos2_explained, V5)
{
	up(v, 0, "");
	for (int i = 0; i < 4; i++)
		vclient_publish(v, 2, "a", "x");
	v->checked = v->record.len;
	rx(v, "50 (0001 10 (1F {'x'})) 50 (0002 10) 50 (0003 00 (26 {'k'}{'v'})) 50 (0004)");
	expect(v, "> 62 (0001) 62 (0002) 62 (0003) 62 (0004)");
	rx(v, "70 (0001) 70 (0002 00 (1F {'y'})) 70 (0003 92 (1F {'z'})) 70 (0004 00 (1F {'w'}))");
	expect(v,
	    "done 1 #1 ok 10 [1F 00 01 78]; done 2 #2 ok 10 [1F 00 01 79];"
	    "done 3 #3 ok 92 [26 00 01 6B 00 01 76 1F 00 01 7A]; done 4 #4 ok 00 [1F 00 01 77]");
}

/* The last PUBREC counts, and none of a session that was lost. */
SCENARIO(qos2_explained_again, V5)
{
	v->settings.lost_qos2_resends = true;
	up(v, 0, "");
	vclient_publish(v, 2, "a", "x");
	rx(v, "50 (0001 10 (1F {'x'})) 50 (0001 10)");
	expect(v, "> 34 ({'a'} 0001 () 'x') 62 (0001) 62 (0001)");
	vclient_close(v);
	up(v, 1, "");
	expect(v, "> 62 (0001)");
	rx(v, "70 (0001)");
	expect(v, "done 1 #1 ok 10");
	vclient_publish(v, 2, "a", "y");
	rx(v, "50 (0002 10 (1F {'x'}))");
	expect(v, "> 34 ({'a'} 0002 () 'y') 62 (0002)");
	vclient_close(v);
	up(v, 0, "");
	expect(v, "> 34 ({'a'} 0002 () 'y')");
	rx(v, "50 (0002) 70 (0002)");
	expect(v, "> 62 (0002); done 2 #2 ok 00");
}

SCENARIO(unknown_identifiers, VALL)
{
	up(v, 0, "");
	rx(v, "40 (0007) 70 (0007)");
	expect_nothing(v);
	rx(v, "50 (0007)");
	expect_v(v, "> 62 (0007)", "> 62 (0007 92)");
	rx(v, "62 (0007)");
	expect_v(v, "> 70 (0007)", "> 70 (0007 92)");
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
}

/* Acknowledgements of the wrong kind for an identifier in use: rows 142, 143 and their kin. */
static void
wrong_ack(struct vclient *v, uint8_t qos, const char *before, const char *ack)
{
	vclient_restart(v);
	memset(v->op, 0, sizeof(v->op));
	vclient_publish(v, qos, "a", "x");
	up(v, 0, "");
	rx(v, before);
	v->checked = v->record.len;
	rx(v, ack);
	expect_v(v, "end PROTOCOL 82", "> E0 (82); end PROTOCOL 82");
	vclient_close(v);
}

SCENARIO(wrong_acknowledgements, VALL)
{
	wrong_ack(v, 1, "", "50 (0001)");
	wrong_ack(v, 1, "", "70 (0001)");
	wrong_ack(v, 2, "", "40 (0001)");
	wrong_ack(v, 2, "", "70 (0001)");
	wrong_ack(v, 2, "50 (0001)", "40 (0001)");
	wrong_ack(v, 1, "", "90 (0001 ~ 00)");
	wrong_ack(v, 2, "50 (0001)", "90 (0001 ~ 00)");
	if (v->s.version == MQEV_V5)
		wrong_ack(v, 1, "", "B0 (0001 () 00)");
	else
		wrong_ack(v, 1, "", "B0 (0001)");
}

/* --- the window ------------------------------------------------------------------------------ */

SCENARIO(window_of_its_own, VALL)
{
	v->settings.max_inflight = 2;
	up(v, 0, "");
	for (int i = 0; i < 4; i++)
		vclient_publish(v, i % 2 ? 2 : 1, "a", "");
	expect(v, "> 32 ({'a'} 0001 ~) 34 ({'a'} 0002 ~)");
	rx(v, "50 (0002)");
	expect(v, "> 62 (0002)"); /* still in flight */
	rx(v, "40 (0001)");
	expect(v, "done 1 #1 ok 00; > 32 ({'a'} 0003 ~)");
	rx(v, "70 (0002)");
	expect(v, "done 2 #2 ok 00; > 34 ({'a'} 0004 ~)");
	/* [MQTT-3.3.4-8]: others are not held back. */
	vclient_publish(v, 1, "a", "");
	vclient_publish(v, 0, "b", "");
	sub(v, "{'f'} 00", 1);
	expect(v, "> 30 ({'b'} ~) ; done 6 #0 ok 00; > 82 (0006 ~ {'f'} 00)");
	rx(v, "40 (0003)");
	expect(v, "done 3 #3 ok 00; > 32 ({'a'} 0005 ~)");
	v->checked = v->record.len;
}

SCENARIO(receive_maximum_of_the_server, V5)
{
	up(v, 0, "21 0002");
	for (int i = 0; i < 5; i++)
		vclient_publish(v, 1, "a", "");
	expect(v, "> 32 ({'a'} 0001 ()) 32 ({'a'} 0002 ())");
	rx(v, "40 (0002 80)"); /* a failure frees the place too */
	expect(v, "done 2 #2 REFUSED 80; > 32 ({'a'} 0003 ())");
	rx(v, "40 (0001)40 (0003)");
	expect(v, "done 1 #1 ok 00; done 3 #3 ok 00; > 32 ({'a'} 0004 ()) 32 ({'a'} 0005 ())");
	rx(v, "40 (0001) 40 (0009) 70 (0007)"); /* unknown: the quota stays as it is */
	vclient_publish(v, 1, "a", "");
	expect_nothing(v);
	rx(v, "40 (0004)");
	expect(v, "done 4 #4 ok 00; > 32 ({'a'} 0006 ())");
}

/* Identifiers and places of the two directions are apart: what comes in fills and frees no place of
 * what goes out. */
SCENARIO(window_and_messages_received, VALL)
{
	v->settings.max_inflight = 2;
	up(v, 0, "");
	vclient_publish(v, 1, "a", "");
	vclient_publish(v, 2, "a", "");
	v->checked = v->record.len;
	rx(v, "34 ({'b'} 0001 ~) 32 ({'b'} 0002 ~) 62 (0001)");
	expect(v, "message b 2; > 50 (0001); message b 1; > 40 (0002) 70 (0001)");
	vclient_publish(v, 1, "a", "");
	expect_nothing(v);
	rx(v, "34 ({'b'} 0003 ~) 34 ({'b'} 0004 ~) 40 (0001)");
	expect(v, "message b 2; > 50 (0003); message b 2; > 50 (0004); done 1 #1 ok 00;"
		  "> 32 ({'a'} 0003 ~)");
	rx(v, "50 (0002) 62 (0003) 62 (0004)");
	expect(v, "> 62 (0002) 70 (0003) 70 (0004)");
	vclient_publish(v, 1, "a", "");
	expect_nothing(v);
	rx(v, "70 (0002)");
	expect(v, "done 2 #2 ok 00; > 32 ({'a'} 0004 ~)");
}

SCENARIO(own_window_below_receive_maximum, V5)
{
	v->settings.max_inflight = 1;
	up(v, 0, "21 0002");
	vclient_publish(v, 2, "a", "");
	vclient_publish(v, 2, "a", "");
	expect(v, "> 34 ({'a'} 0001 ())");
	rx(v, "50 (0001 80)");
	expect(v, "done 1 #1 REFUSED 80; > 34 ({'a'} 0002 ())");
}

/* Where the server cannot say how many it takes. */
SCENARIO(window_before_v5, VALL)
{
	v->settings.max_inflight = 2;
	v->settings.max_inflight_before_v5 = 1;
	up(v, 0, "");
	vclient_publish(v, 1, "a", "");
	vclient_publish(v, 1, "a", "");
	expect(v, v->s.version == MQEV_V5 ? "> 32 ({'a'} 0001 ~) 32 ({'a'} 0002 ~)"
					  : "> 32 ({'a'} 0001 ~)");
	rx(v, "40 (0001)");
	expect(v,
	    v->s.version == MQEV_V5 ? "done 1 #1 ok 00" : "done 1 #1 ok 00; > 32 ({'a'} 0002 ~)");
}

SCENARIO(budget_of_a_pump, VALL)
{
	up(v, 0, "");
	v->no_pump = true;
	for (int i = 0; i < 4; i++)
		vclient_publish(v, 1, "a", "123");
	ck_assert(mqev_session_pump(&v->s, v->now, 1));
	expect(v, "> 32 ({'a'} 0001 ~ '123')");
	ck_assert(mqev_session_pump(&v->s, v->now, 12));
	expect(v, "> 32 ({'a'} 0002 ~ '123') 32 ({'a'} 0003 ~ '123')");
	ck_assert(!mqev_session_pump(&v->s, v->now, 1));
	expect(v, "> 32 ({'a'} 0004 ~ '123')");
	ck_assert(!mqev_session_pump(&v->s, v->now, 1));
	expect_nothing(v);
}

/* --- identifiers ----------------------------------------------------------------------------- */

SCENARIO(identifiers_wrap, V311)
{
	v->s.next_n = 64510;
	up(v, 0, "");
	for (int i = 0; i < 2; i++)
		vclient_publish(v, 1, "a", "");
	expect(v, "> 32 ({'a'} FBFF) 32 ({'a'} 0001)");
	rx(v, "40 (0001) 40 (FBFF)");
	expect(v, "done 2 #1 ok 00; done 1 #64511 ok 00");
}

/* A message that is never acknowledged stalls nothing: the next one in its place takes another
 * identifier. */
SCENARIO(identifier_in_use_is_skipped, V311)
{
	up(v, 0, "");
	vclient_publish(v, 1, "a", "old");
	v->checked = v->record.len;
	v->s.next_n = 64510;
	for (int i = 0; i < 3; i++)
		vclient_publish(v, 1, "a", "");
	expect(v, "> 32 ({'a'} FBFF) 32 ({'a'} 0002) 32 ({'a'} 0003)");
	rx(v, "40 (0001) 40 (0002) 40 (0003) 40 (FBFF)");
	expect(v, "done 1 #1 ok 00; done 3 #2 ok 00; done 4 #3 ok 00; done 2 #64511 ok 00");
}

/* --- limits ---------------------------------------------------------------------------------- */

SCENARIO(queue_limit_in_number, VALL)
{
	v->settings.queue.max.count = 3;
	for (int i = 0; i < 3; i++)
		vclient_publish(v, (uint8_t)i, "a", "");
	vclient_publish(v, 1, "a", "");
	expect(v, "refused QUEUE_FULL");
	sub(v, "{'f'} 00", 1);
	expect(v, "refused QUEUE_FULL");
	ck_assert_uint_eq(mqev_session_queued(&v->s), 3);
	up(v, 0, "");
	expect(v, "> 30 ({'a'} ~) 32 ({'a'} 0001 ~) 34 ({'a'} 0002 ~); done 1 #0 ok 00");
	vclient_publish(v, 1, "a", "");
	expect(v, "> 32 ({'a'} 0003 ~)");
	vclient_publish(v, 1, "a", ""); /* those in flight count */
	expect(v, "refused QUEUE_FULL");
	vclient_publish(v, 0, "a", ""); /* takes no place in the queue */
	expect(v, "> 30 ({'a'} ~); done 5 #0 ok 00");
	rx(v, "40 (0001)");
	vclient_publish(v, 1, "a", "");
	expect(v, "done 2 #1 ok 00; > 32 ({'a'} 0004 ~)");
}

SCENARIO(queue_limit_in_bytes, VALL)
{
	static char payload[600];

	v->settings.queue.max.bytes = 2000;
	for (int i = 0; i < 5; i++) {
		VPUBLISH(v, .qos = 1, .topic = "a", .payload = payload, .len = sizeof(payload));
		ck_assert_uint_le(mqev_session_queued_bytes(&v->s), 2000);
	}
	expect(v, "refused QUEUE_FULL; refused QUEUE_FULL; refused QUEUE_FULL");
	ck_assert_uint_eq(mqev_session_queued(&v->s), 2);
	v->settings.queue.max.bytes = 100000;
	VPUBLISH(v, .qos = 1, .topic = "a", .payload = payload, .len = sizeof(payload));
	ck_assert_uint_eq(mqev_session_queued(&v->s), 3);
	/* Not counted: what the application keeps. */
	v->settings.queue.max.bytes = mqev_session_queued_bytes(&v->s) + 300;
	VPUBLISH(v, .qos = 1, .topic = "a", .payload = payload, .len = sizeof(payload),
	    .by_reference = true);
	ck_assert_uint_eq(mqev_session_queued(&v->s), 4);
}

/* To the byte: what is counted for an operation is what the limit is compared with. */
SCENARIO(queue_limit_in_bytes_exact, V311)
{
	size_t one;

	vclient_publish(v, 1, "a", "123");
	one = mqev_session_queued_bytes(&v->s);
	v->settings.queue.max.bytes = 2 * one;
	vclient_publish(v, 1, "a", "123");
	ck_assert_uint_eq(mqev_session_queued_bytes(&v->s), 2 * one);
	vclient_restart(v);
	v->checked = v->record.len;
	v->settings.queue.max.bytes = one - 1;
	memset(v->op, 0, sizeof(v->op));
	vclient_publish(v, 1, "a", "123");
	expect(v, "refused QUEUE_FULL");
}

SCENARIO(server_limits_at_once, V5)
{
	up(v, 0, "24 01 25 00 27 00000014");
	vclient_publish(v, 2, "a", "");
	expect(v, "refused QOS");
	VPUBLISH(v, .qos = 1, .retain = true, .topic = "a");
	expect(v, "refused RETAIN");
	vclient_publish(v, 0, "a", "0123456789abcdefg");
	expect(v, "refused TOO_LARGE");
	vclient_publish(v, 0, "a", "0123456789abcd");
	expect(v, "> 30 ({'a'} () '0123456789abcd'); done 1 #0 ok 00");
	vclient_publish(v, 1, "a", "0123456789abcd");
	expect(v, "refused TOO_LARGE");
	vclient_publish(v, 1, "a", "0123456789ab");
	expect(v, "> 32 ({'a'} 0001 () '0123456789ab')");
}

/* What was accepted before CONNACK fails one by one, and holds nothing up. */
SCENARIO(server_limits_on_the_queue, V5)
{
	vclient_publish(v, 2, "a", "");
	VPUBLISH(v, .qos = 1, .retain = true, .topic = "a");
	vclient_publish(v, 1, "a", "0123456789abcdefg");
	vclient_publish(v, 1, "a", "x");
	vclient_publish(v, 0, "a", "0123456789abcdefg");
	vclient_publish(v, 0, "a", "x");
	up(v, 0, "24 01 25 00 27 00000014");
	expect(v, "done 5 #0 TOO_LARGE 00; > 30 ({'a'} () 'x'); done 1 #0 QOS 00;"
		  "done 2 #0 RETAIN 00; done 3 #0 TOO_LARGE 00; > 32 ({'a'} 0004 () 'x');"
		  "done 6 #0 ok 00");
}

/* [MQTT-3.2.2-15]: the limits of the new connection hold for what was sent before, too. */
SCENARIO(server_limits_on_a_resend, V5)
{
	up(v, 0, "");
	vclient_publish(v, 1, "a", "0123456789abcdefg");
	vclient_publish(v, 2, "a", "x");
	vclient_publish(v, 1, "a", "y");
	v->checked = v->record.len;
	vclient_close(v);
	up(v, 1, "24 01 27 00000014");
	expect(v, "done 1 #1 TOO_LARGE 00; done 2 #2 QOS 00; > 3A ({'a'} 0003 () 'y')");
}

/* --- expiry ---------------------------------------------------------------------------------- */

static void
publish_expiring(struct vclient *v, uint8_t qos, uint32_t seconds)
{
	static const uint8_t properties[] = {0x26, 0, 1, 'k', 0, 1, 'v', 2, 9, 9, 9, 9};

	VPUBLISH(v, .qos = qos, .topic = "a", .payload = "x", .len = 1, .properties = properties,
	    .properties_len = sizeof(properties), .has_expiry = true, .expiry_at = 8,
	    .expiry_s = seconds);
}

SCENARIO(expiry_while_waiting, V5)
{
	publish_expiring(v, 1, 10);
	publish_expiring(v, 0, 10);
	publish_expiring(v, 1, 5);
	vclient_advance(v, 5000);
	expect(v, "done 3 #0 EXPIRED 00");
	up(v, 0, "");
	expect(v, "> 30 ({'a'} (26 {'k'}{'v'} 02 00000005) 'x')"
		  "32 ({'a'} 0001 (26 {'k'}{'v'} 02 00000005) 'x');"
		  "done 2 #0 ok 00");
}

SCENARIO(expiry_is_rounded_up, V5)
{
	publish_expiring(v, 1, 10);
	vclient_advance(v, 9001);
	up(v, 0, "");
	expect(v, "> 32 ({'a'} 0001 (26 {'k'}{'v'} 02 00000001) 'x')");
}

SCENARIO(expiry_at_once, V5)
{
	up(v, 0, "");
	publish_expiring(v, 0, 7);
	expect(v, "> 30 ({'a'} (26 {'k'}{'v'} 02 00000007) 'x'); done 1 #0 ok 00");
}

/* Once it was sent it is sent again, however late ([MQTT-4.3.3-7]). */
SCENARIO(expired_after_it_was_sent, V5)
{
	v->settings.max_inflight = 2;
	up(v, 0, "");
	publish_expiring(v, 1, 2);
	publish_expiring(v, 2, 4);
	publish_expiring(v, 2, 4);
	v->checked = v->record.len;
	vclient_close(v);
	vclient_advance(v, 4000);
	expect(v, "done 3 #0 EXPIRED 00");
	up(v, 1, "");
	expect(v, "> 3A ({'a'} 0001 (26 {'k'}{'v'} 02 00000001) 'x')"
		  "3C ({'a'} 0002 (26 {'k'}{'v'} 02 00000001) 'x')");
	rx(v, "40 (0001)");
	expect(v, "done 1 #1 ok 00");
}

/* --- cancel ---------------------------------------------------------------------------------- */

SCENARIO(cancel_what_waits, VALL)
{
	int64_t n = vclient_publish(v, 1, "a", "1");

	vclient_publish(v, 1, "a", "2");
	vclient_cancel(v, n);
	expect(v, "done 1 #0 CANCELED 00");
	vclient_cancel(v, n);
	expect(v, "refused NOT_FOUND");
	vclient_cancel(v, vclient_publish(v, 0, "a", "3"));
	expect(v, "done 3 #0 CANCELED 00");
	vclient_cancel(v, sub(v, "{'f'} 00", 1));
	expect(v, "done 4 #0 CANCELED 00");
	up(v, 0, "");
	expect(v, "> 32 ({'a'} 0002 ~ '2')");
}

/* The identifier stays taken until the server has answered ([MQTT-2.2.1-3]), the answer is quietly
 * heard. */
SCENARIO(cancel_in_flight, VALL)
{
	v->settings.max_inflight = 2;
	up(v, 0, "");
	vclient_publish(v, 2, "a", "1");
	sub(v, "{'f'} 00", 1);
	vclient_publish(v, 1, "a", "3");
	v->checked = v->record.len;
	vclient_cancel(v, 1);
	vclient_cancel(v, 2);
	vclient_cancel(v, 3);
	expect(v, "done 1 #1 CANCELED 00; done 2 #2 CANCELED 00; done 3 #3 CANCELED 00");
	vclient_cancel(v, 1);
	expect(v, "refused NOT_FOUND");
	vclient_publish(v, 1, "a", "4");
	expect_nothing(v); /* no place in the window */
	rx(v, "90 (0002 ~ 00)");
	expect_nothing(v);
	rx(v, "50 (0001)");
	expect(v, "> 62 (0001)");
	rx(v, "70 (0001)");
	expect(v, "> 32 ({'a'} 0004 ~ '4')");
	rx(v, "40 (0003)");
	expect_nothing(v);
	rx(v, "40 (0004)");
	expect(v, "done 4 #4 ok 00");
	ck_assert_uint_eq(mqev_session_queued(&v->s), 0);
}

SCENARIO(cancel_in_flight_then_reconnect, V311)
{
	v->settings.clean = MQEV_SESSION_CLEAN_NEVER;
	vclient_restart(v);
	up(v, 1, "");
	vclient_publish(v, 2, "a", "1");
	sub(v, "{'f'} 00", 1);
	v->checked = v->record.len;
	vclient_cancel(v, 1);
	vclient_cancel(v, 2);
	expect(v, "done 1 #1 CANCELED 00; done 2 #2 CANCELED 00");
	vclient_close(v);
	up(v, 1, "");
	expect(v, "> 3C ({'a'} 0001 '1')");
	vclient_close(v);
	up(v, 0, "");
	expect_nothing(v);
	ck_assert_uint_eq(mqev_session_queued(&v->s), 0);
}

/* What was canceled is not sent anew when the session is lost, QoS 1 neither. */
SCENARIO(cancel_in_flight_then_lose_the_session, V311 | V5)
{
	up(v, 0, "");
	vclient_publish(v, 1, "a", "1");
	vclient_publish(v, 1, "a", "2");
	v->checked = v->record.len;
	vclient_cancel(v, 1);
	expect(v, "done 1 #1 CANCELED 00");
	vclient_close(v);
	up(v, 0, "");
	expect(v, "> 32 ({'a'} 0002 ~ '2')");
	ck_assert_uint_eq(mqev_session_queued(&v->s), 1);
}

/* --- topic aliases of one's own ----------------------------------------------------------------
 */

SCENARIO(alias_given_and_used, V5)
{
	v->settings.topic_aliases = 10;
	up(v, 0, "22 0002");
	vclient_publish(v, 0, "topic/a", "1");
	vclient_publish(v, 1, "topic/a", "2");
	vclient_publish(v, 0, "topic/b", "3");
	expect(v, "> 30 ({'topic/a'} (23 0001) '1'); done 1 #0 ok 00;"
		  "> 32 ({} 0001 (23 0001) '2') 30 ({'topic/b'} (23 0002) '3'); done 3 #0 ok 00");
	vclient_publish(v, 0, "topic/a", "4");
	vclient_publish(v, 0, "topic/c", "5"); /* takes the place of the one not used for longest */
	vclient_publish(v, 0, "topic/b", "6");
	vclient_publish(v, 0, "topic/c", "7");
	expect(v, "> 30 ({} (23 0001) '4'); done 4 #0 ok 00; > 30 ({'topic/c'} (23 0002) '5');"
		  "done 5 #0 ok 00; > 30 ({'topic/b'} (23 0001) '6'); done 6 #0 ok 00;"
		  "> 30 ({} (23 0002) '7'); done 7 #0 ok 00");
	vclient_close(v);
	/* [MQTT-3.3.2-7]: they end with the connection, and a resend has its topic. */
	up(v, 1, "22 0001");
	expect(v, "> 3A ({'topic/a'} 0001 () '2')");
	vclient_publish(v, 0, "topic/b", "8");
	vclient_publish(v, 0, "topic/b", "9");
	expect(v, "> 30 ({'topic/b'} (23 0001) '8'); done 8 #0 ok 00; > 30 ({} (23 0001) '9');"
		  "done 9 #0 ok 00");
}

/* None without the server's leave, nor without the option. */
SCENARIO(alias_not_wanted, VALL)
{
	up(v, 0, "22 0005");
	vclient_publish(v, 0, "a", "1");
	expect(v, "> 30 ({'a'} ~ '1'); done 1 #0 ok 00");
	vclient_close(v);
	v->settings.topic_aliases = 10;
	up(v, v->s.version == MQEV_V5, "");
	vclient_publish(v, 0, "a", "2");
	expect(v, "> 30 ({'a'} ~ '2'); done 2 #0 ok 00");
}

/* An alias does not make a packet too large that would fit without. */
SCENARIO(alias_and_packet_size, V5)
{
	v->settings.topic_aliases = 10;
	up(v, 0, "22 0005 27 00000010");
	vclient_publish(v, 0, "a", "0123456789");
	vclient_publish(v, 0, "a", "01234");
	vclient_publish(v, 0, "a", "01234");
	expect(v, "> 30 ({'a'} () '0123456789'); done 1 #0 ok 00; > 30 ({'a'} (23 0001) '01234');"
		  "done 2 #0 ok 00; > 30 ({} (23 0001) '01234'); done 3 #0 ok 00");
}

int
main(void)
{
	Suite *suite = suite_create("session: publish");
	TCase *tc = tk_case(suite, "publish");

	tcase_add_test(tc, qos0_at_once);
	tcase_add_test(tc, qos0_retain_and_empty);
	tcase_add_test(tc, qos0_completes_as_bytes_leave);
	tcase_add_test(tc, qos0_lost_with_the_link);
	tcase_add_test(tc, qos0_without_callback);
	tcase_add_test(tc, qos0_waits_offline);
	tcase_add_test(tc, qos0_rejected_offline);
	tcase_add_test(tc, qos0_order);
	tcase_add_test(tc, properties_go_out_in_v5_only);
	tcase_add_test(tc, payload_by_reference);
	tcase_add_test(tc, payload_by_reference_refused);
	tcase_add_test(tc, qos1_acknowledged);
	tcase_add_test(tc, qos1_reasons);
	tcase_add_test(tc, qos1_out_of_order_acks);
	tcase_add_test(tc, qos2_handshake);
	tcase_add_test(tc, qos2_pubrels_in_the_order_of_pubrecs);
	tcase_add_test(tc, qos2_refused);
	tcase_add_test(tc, qos2_refused_after_pubrec);
	tcase_add_test(tc, qos2_pubrec_with_reason_10);
	tcase_add_test(tc, qos2_explained);
	tcase_add_test(tc, qos2_explained_again);
	tcase_add_test(tc, unknown_identifiers);
	tcase_add_test(tc, wrong_acknowledgements);
	tcase_add_test(tc, window_of_its_own);
	tcase_add_test(tc, receive_maximum_of_the_server);
	tcase_add_test(tc, window_and_messages_received);
	tcase_add_test(tc, own_window_below_receive_maximum);
	tcase_add_test(tc, window_before_v5);
	tcase_add_test(tc, budget_of_a_pump);
	tcase_add_test(tc, identifiers_wrap);
	tcase_add_test(tc, identifier_in_use_is_skipped);
	tcase_add_test(tc, queue_limit_in_number);
	tcase_add_test(tc, queue_limit_in_bytes);
	tcase_add_test(tc, queue_limit_in_bytes_exact);
	tcase_add_test(tc, server_limits_at_once);
	tcase_add_test(tc, server_limits_on_the_queue);
	tcase_add_test(tc, server_limits_on_a_resend);
	tcase_add_test(tc, expiry_while_waiting);
	tcase_add_test(tc, expiry_is_rounded_up);
	tcase_add_test(tc, expiry_at_once);
	tcase_add_test(tc, expired_after_it_was_sent);
	tcase_add_test(tc, alias_given_and_used);
	tcase_add_test(tc, alias_not_wanted);
	tcase_add_test(tc, alias_and_packet_size);
	tcase_add_test(tc, cancel_what_waits);
	tcase_add_test(tc, cancel_in_flight);
	tcase_add_test(tc, cancel_in_flight_then_reconnect);
	tcase_add_test(tc, cancel_in_flight_then_lose_the_session);
	return tk_main(suite);
}
