/* What must be durable before which packet or callback: each gate of doc/durability.md before and
 * after. What is there again after a crash: test_session_restore.c. */
#include <stdio.h>
#include <string.h>

#include "lib/loop.h"
#include "unit/kept.h"

/* A case over a session with an empty store, connected to a server that knows nothing of it. */
#define GATED(scenario, in_versions) OVER_A_STORE(gated, scenario, in_versions, (void)0)

/* Connected, everything durable, and the record read up to here. */
static void
gated_up(struct vclient *v)
{
	v->settings.session_expiry_s = v->s.version == MQEV_V5 ? UINT32_MAX : 0;
	v->settings.clean = MQEV_SESSION_CLEAN_STRICT;
	vclient_connect(v);
	accept(v, 0);
	commit();
	see(v);
}

static void
reconnect(struct vclient *v, int session_present)
{
	vclient_close(v);
	see(v);
	vclient_connect(v);
	commit();
	see(v);
	accept(v, session_present);
}

/* --- outgoing ----------------------------------------------------------------------------------
 */

/* O1, O2: on_durable and PUBLISH wait; the good end waits for nothing. */
GATED(qos1_out, V45)
{
	gated_up(v);
	vclient_publish(v, 1, "a", "1");
	expect(v, "put 1 out accepted n0 q1; client e1 n256 session");
	vclient_pump(v);
	expect_nothing(v);
	/* The record alone is not enough: that it may be sent is to be durable too. */
	commit();
	expect(v, "accepted 1; > 32 ({'a'} 0001 ~ '1')");
	rx(v, "40 (0001)");
	expect(v, "remove 1; done 1 #1 ok 00");
	commit();
	expect_nothing(v);
}

/* O1, O3, O5: PUBREL waits for the change of PUBREC. */
GATED(qos2_out, V45)
{
	gated_up(v);
	vclient_publish(v, 2, "a", "1");
	expect(v, "put 1 out accepted n0 q2; client e1 n256 session");
	commit();
	expect(v, "accepted 1; > 34 ({'a'} 0001 ~ '1')");
	rx(v, "50 (0001)");
	expect(v, "drop 1 out released n0 q2");
	/* Once more needs no change, and waits for the first. */
	rx(v, "50 (0001)");
	expect_nothing(v);
	commit();
	expect(v, "> 62 (0001) 62 (0001)");
	rx(v, "50 (0001)");
	expect(v, "> 62 (0001)");
	rx(v, "70 (0001)");
	expect(v, "remove 1; done 1 #1 ok 00");
}

/* In the order of acceptance, each as far as it is durable. */
GATED(order_is_kept, V45)
{
	gated_up(v);
	vclient_publish(v, 1, "a", "1");
	vclient_publish(v, 2, "a", "2");
	vclient_publish(v, 1, "a", "3");
	expect(v, "put 1 out accepted n0 q1; client e1 n256 session; put 2 out accepted n1 q2;"
		  "put 3 out accepted n2 q1");
	vjournal_commit_to(&j, j.ticket - 1);
	expect(v, "accepted 1; accepted 2; > 32 ({'a'} 0001 ~ '1') 34 ({'a'} 0002 ~ '2')");
	commit();
	expect(v, "accepted 3; > 32 ({'a'} 0003 ~ '3')");
}

/* O2, O4: what failed is told when it is known never to come back. */
GATED(failures_wait, V5)
{
	gated_up(v);
	vclient_publish(v, 1, "a", "1");
	vclient_publish(v, 2, "a", "2");
	commit();
	see(v);
	rx(v, "40 (0001 87 (1F {'no'})) 50 (0002 97)");
	expect(v, "remove 1; remove 2");
	vjournal_commit_to(&j, j.ticket - 1);
	expect(v, "done 1 #1 REFUSED 87 [1F 00 02 6E 6F]");
	commit();
	expect(v, "done 2 #2 REFUSED 97");
}

/* O6: canceled and expired. */
GATED(canceled_waits, V45)
{
	vclient_publish(v, 1, "a", "1");
	VPUBLISH(v, .qos = 1, .topic = "a", .has_expiry = true, .expiry_s = 5);
	expect(v, "put 1 out accepted n0 q1; put 2 out accepted n1 q1 until 1006000");
	commit();
	expect(v, "accepted 1; accepted 2");
	vclient_cancel(v, 1);
	expect(v, "remove 1");
	vclient_advance(v, 5000);
	expect(v, "remove 2");
	ck_assert_uint_eq(mqev_session_queued(&v->s), 0);
	ck_assert(!mqev_session_is_idle(&v->s));
	commit();
	expect(v, "done 1 #0 CANCELED 00; done 2 #0 EXPIRED 00");
	ck_assert(mqev_session_is_idle(&v->s));
}

/* Taken out by the application, and one fails before the next turn: both end, in either order. */
GATED(canceled_before_a_failure, V5)
{
	gated_up(v);
	vclient_publish(v, 1, "a", "1");
	commit();
	v->s.server.receive_maximum = 1;
	vclient_publish(v, 1, "a", "2");
	commit();
	see(v);
	ck_assert_int_eq(mqev_session_withdraw(&v->s, 2), 0);
	rx(v, "40 (0001 87)");
	mqev_session_tell(&v->s);
	expect(v, "remove 1; remove 2");
	commit();
	expect(v, "done 2 #0 CANCELED 00; done 1 #1 REFUSED 87");
	ck_assert(mqev_session_is_idle(&v->s));
}

/* Given up before it was durable: it is accepted, then canceled, in one. */
GATED(canceled_at_once, V45)
{
	vclient_publish(v, 1, "a", "1");
	vclient_cancel(v, 1);
	expect(v, "put 1 out accepted n0 q1; remove 1");
	commit();
	expect(v, "accepted 1; done 1 #0 CANCELED 00");
}

/* sent_n is raised once for 256, and for a queue ahead of need. */
GATED(sent_n_is_raised_ahead, V5)
{
	v->settings.max_inflight = 1000;
	v->settings.max_packet_size = 1000;
	for (int i = 0; i < 300; i++)
		vclient_publish(v, 1, "a", "1");
	commit();
	v->no_record = true;
	gated_up(v);
	ck_assert_uint_eq(j.row.sent_n, 512);
}

static void
refused_put(struct vclient *v, uint8_t qos)
{
	gated_up(v);
	vclient_publish(v, qos, "a", "1");
	vclient_publish(v, qos, "a", "2");
	see(v);
	vjournal_refuse(&j, 1);
	expect(v, "done 1 #0 STORE_FULL 00");
	commit();
}

/* No room: as if it had not been accepted; the next one is not affected. */
GATED(refused_by_the_store, V45)
{
	refused_put(v, 1);
	expect(v, "accepted 2; > 32 ({'a'} 0002 ~ '2')");
}

/* Its number is free at once, and what fails in between changes nothing. */
GATED(no_memory_to_accept, V45)
{
	gated_up(v);
	j.no_memory = true;
	vclient_publish(v, 1, "a", "1");
	expect(v, "refused NOMEM");
	j.no_memory = false;
	vclient_publish(v, 1, "a", "2");
	commit();
	expect(v, "put 1 out accepted n0 q1; client e1 n256 session; accepted 1;"
		  "> 32 ({'a'} 0001 ~ '2')");
}

/* An acknowledgement that cannot be written down comes again with the next connection. */
GATED(no_memory_to_remove, V45)
{
	gated_up(v);
	vclient_publish(v, 1, "a", "1");
	vclient_publish(v, 2, "a", "2");
	commit();
	see(v);
	j.no_memory = true;
	rx(v, "50 (0002)");
	expect(v, "end NOMEM 83");
	j.no_memory = false;
	reconnect(v, 1);
	commit();
	expect(v, "connack 1 00; > 3A ({'a'} 0001 ~ '1') 3C ({'a'} 0002 ~ '2')");
}

/* --- incoming ----------------------------------------------------------------------------------
 */

/* N3, N5, N6. */
GATED(qos2_in, V45)
{
	gated_up(v);
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	expect(v, "put 1 in received #7 q2");
	/* N4, while its own is on the way. */
	rx(v, "3C ({'a'} 0007 ~ 'x')");
	expect_nothing(v);
	commit();
	expect(v, "message a 2 x =1; drop 1 in done #7 q2; > 50 (0007)");
	rx(v, "3C ({'a'} 0007 ~ 'x')");
	expect(v, "> 50 (0007)");
	rx(v, "62 (0007)");
	expect(v, "remove 1");
	/* N7, behind that. */
	rx(v, "62 (0007)");
	expect_nothing(v);
	commit();
	expect(v, "> 70 (0007) 70 (0007)");
	rx(v, "62 (0007)");
	expect_v(v, "> 70 (0007)", "> 70 (0007 92)");
}

/* PUBREL before PUBREC is not the server's right. */
GATED(pubrel_too_early, V45)
{
	gated_up(v);
	rx(v, "34 ({'a'} 0007 ~ 'x') 62 (0007)");
	expect_v(v, "put 1 in received #7 q2; end PROTOCOL 82",
	    "put 1 in received #7 q2; > E0 (82); end PROTOCOL 82");
}

/* Held: PUBREC leaves all the same, the message is done at mqev_ack(). */
GATED(qos2_in_held, V45)
{
	gated_up(v);
	v->hold = true;
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	commit();
	expect(v, "put 1 in received #7 q2; message a 2 x =1; > 50 (0007)");
	rx(v, "62 (0007)");
	expect(v, "set 1 in freed #0 q2");
	commit();
	expect(v, "> 70 (0007)");
	ck_assert_int_eq(vclient_ack(v, 0, 0x80), MQEV_ERR_UNSUPPORTED);
	see(v);
	ck_assert_int_eq(vclient_ack(v, 0, 0), 0);
	expect(v, "remove 1");
	ck_assert_int_eq(vclient_ack(v, 0, 0), MQEV_ERR_STATE);
	see(v);
}

/* Held for too long: told once of the first in line, in the order in which they came. */
GATED(held_for_long, V45)
{
	v->settings.hold_timeout_ms = 5000;
	gated_up(v);
	v->hold = true;
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	vclient_advance(v, 1000);
	rx(v, "34 ({'b'} 0008 ~ 'y')");
	commit();
	rx(v, "62 (0007)");
	commit();
	see(v);
	vclient_advance(v, 3999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "overdue #0 2 5000ms");
	vclient_advance(v, 20000);
	expect_nothing(v);
	ck_assert_int_eq(vclient_ack(v, 0, 0), 0);
	see(v);
	vclient_advance(v, 1);
	expect(v, "overdue #8 2 24000ms");
	ck_assert_int_eq(vclient_ack(v, 1, 0), 0);
	see(v);
	ck_assert_uint_eq(mqev_session_deadline(&v->s) > v->now + 20000, 1);
}

/* N1: without an inbox QoS 1 waits for the application alone. */
GATED(qos1_in, V45)
{
	gated_up(v);
	rx(v, "32 ({'a'} 0007 ~ 'x')");
	expect(v, "message a 1 x; > 40 (0007)");
}

/* N2. */
GATED(qos1_in_inbox, V45)
{
	v->settings.inbox = MQEV_SESSION_INBOX_BOTH;
	gated_up(v);
	rx(v, "32 ({'a'} 0007 ~ 'x') 32 ({'b'} 0008 ~ 'y')");
	expect(v, "put 1 in freed #0 q1; put 2 in freed #0 q1");
	vjournal_commit_to(&j, j.ticket - 1);
	expect(v, "message a 1 x =1; remove 1; > 40 (0007)");
	commit();
	expect(v, "message b 1 y =2; remove 2; > 40 (0008)");
}

/* N3m: delivered at once, and its identifier is durable before PUBREC. */
GATED(qos2_in_no_inbox, V45)
{
	v->settings.inbox = MQEV_SESSION_INBOX_NONE;
	gated_up(v);
	v->hold = true;
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	expect(v, "message a 2 x");
	vclient_ack(v, 0, 0);
	expect(v, "put 1 in done #7 q2");
	commit();
	expect(v, "> 50 (0007)");
	rx(v, "3C ({'a'} 0007 ~ 'x')");
	expect(v, "> 50 (0007)");
	rx(v, "62 (0007)");
	expect(v, "remove 1");
	commit();
	expect(v, "> 70 (0007)");
}

/* A failing one needs no record, but keeps its place in the order. */
GATED(refused_by_the_application, V5)
{
	v->settings.inbox = MQEV_SESSION_INBOX_NONE;
	gated_up(v);
	v->hold = true;
	rx(v, "34 ({'a'} 0007 () 'x') 34 ({'a'} 0008 () 'y')");
	see(v);
	vclient_ack(v, 0, 0);
	vclient_ack(v, 1, 0x87);
	expect(v, "put 1 in done #7 q2");
	commit();
	expect(v, "> 50 (0007) 50 (0008 87)");
}

/* What is released after its connection is no packet of the next one. */
GATED(packets_of_an_earlier_connection, V45)
{
	gated_up(v);
	vclient_publish(v, 2, "b", "1");
	commit();
	see(v);
	rx(v, "34 ({'a'} 0007 ~ 'x') 50 (0001)");
	expect(v, "put 2 in received #7 q2; drop 1 out released n0 q2");
	vclient_close(v);
	vclient_connect(v);
	see(v);
	/* CONNECT waits for E1d, which is behind all that. */
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTING);
	vjournal_commit_to(&j, j.ticket - 1);
	expect(v, "message a 2 x =2; drop 2 in done #7 q2");
	commit();
	see(v);
	accept(v, 1);
	expect_v(v, "client e1 n256 session; connack 1 00; > 62 (0001)",
	    "client e1 n256 session; connack 1 00; > 62 (0001)");
	rx(v, "3C ({'a'} 0007 ~ 'x')");
	expect(v, "> 50 (0007)");
}

/* Receive Maximum counts those whose PUBREC waits. */
GATED(receive_maximum, V5)
{
	v->settings.receive_maximum = 2;
	gated_up(v);
	rx(v, "34 ({'a'} 0007 () 'x') 34 ({'a'} 0008 () 'y')");
	expect(v, "put 1 in received #7 q2; put 2 in received #8 q2");
	rx(v, "34 ({'a'} 0009 () 'z')");
	expect(v, "> E0 (93); end PROTOCOL 93");
}

/* No memory for what has come: the server sends it again. */
GATED(no_memory_to_receive, V45)
{
	gated_up(v);
	j.no_memory = true;
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	expect(v, "end NOMEM 83");
	j.no_memory = false;
	reconnect(v, 1);
	see(v);
	rx(v, "3C ({'a'} 0007 ~ 'x')");
	commit();
	expect(
	    v, "put 1 in received #7 q2; message a 2 dup x =1; drop 1 in done #7 q2; > 50 (0007)");
}

/* The application has no memory to take it: it is offered again before the next CONNECT. */
GATED(deaf_application, V45)
{
	gated_up(v);
	v->deaf = true;
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	commit();
	expect(v, "put 1 in received #7 q2; message a 2 x =1; end NOMEM 83");
	v->deaf = false;
	vclient_close(v);
	vclient_connect(v);
	commit();
	vclient_flush_record(v);
	ck_assert_ptr_nonnull(strstr(
	    (const char *)v->record.data + v->checked, "message a 2 x =1\ndrop 1 in done #7 q2\n"));
	see(v);
}

/* --- sessions ----------------------------------------------------------------------------------
 */

/* E1: a new session; nothing of it is used before it is known of. */
GATED(new_session, V45)
{
	v->settings.clean = MQEV_SESSION_CLEAN_STRICT;
	sub(v, "{'t'} 01", 1);
	vclient_publish(v, 1, "a", "1");
	commit();
	vclient_connect(v);
	see(v);
	accept(v, 0);
	expect(v, "client e1 n1 session; connack 0 00");
	vclient_publish(v, 0, "q", "0");
	expect(v, "> 30 ({'q'} ~ '0'); done 3 #0 ok 00");
	vjournal_commit_to(&j, j.ticket);
	expect(v, "> 82 (0001 ~ {'t'} 01); client e1 n257 session");
	commit();
	expect(v, "> 32 ({'a'} 0002 ~ '1')");
}

/* The server has lost it: QoS 1 goes out as new, QoS 2 has an unknown end, which is told when it is
 * durable. */
GATED(lost_session, V45)
{
	gated_up(v);
	vclient_publish(v, 1, "a", "1");
	vclient_publish(v, 2, "a", "2");
	vclient_publish(v, 2, "a", "3");
	commit();
	rx(v, "50 (0003)");
	commit();
	reconnect(v, 0);
	expect(v, "remove 2; remove 3; client e2 n0 session; connack 0 00");
	vjournal_commit_to(&j, j.ticket);
	expect(v, "done 2 #0 SESSION_LOST 00; done 3 #0 SESSION_LOST 00; client e2 n256 session");
	commit();
	expect(v, "> 32 ({'a'} 0001 ~ '1')");
}

/* Identifiers of received messages are void with it. */
GATED(lost_session_in, V45)
{
	gated_up(v);
	v->hold = true;
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	commit();
	v->hold = false;
	rx(v, "34 ({'b'} 0008 ~ 'y')");
	commit();
	reconnect(v, 0);
	expect(v, "client e2 n0 session; remove 2; connack 0 00");
	commit();
	/* The same identifier is another message now. */
	rx(v, "34 ({'c'} 0007 ~ 'z')");
	commit();
	expect(v, "put 3 in received #7 q2; message c 2 z =3; drop 3 in done #7 q2; > 50 (0007)");
	vclient_ack(v, 0, 0);
	expect(v, "remove 1");
}

/* E1c: the server is told to forget when what it forgets is void here. */
GATED(clean_start, V5)
{
	gated_up(v);
	v->settings.clean = MQEV_SESSION_CLEAN_ALWAYS;
	vclient_close(v);
	vclient_connect(v);
	expect(v, "client e2 n0");
	commit();
	expect(v, "> 10 ({'MQTT'} 05 02 0000 (11 FFFFFFFF) {'c'})");
	accept(v, 0);
	expect(v, "client e2 n0 session; connack 0 00");
}

/* E1d: with identifiers that are known, that the outcome of CONNECT is open is known first. */
GATED(doubt, V5)
{
	gated_up(v);
	rx(v, "34 ({'a'} 0007 () 'x')");
	commit();
	see(v);
	vclient_close(v);
	vclient_connect(v);
	expect(v, "client e1 n0 session doubtful");
	commit();
	expect(v, "> 10 ({'MQTT'} 05 00 0000 (11 FFFFFFFF) {'c'})");
	/* It never hears of a CONNACK: the session that it finds then may be another one. */
	vclient_close(v);
	vclient_connect(v);
	commit();
	see(v);
	accept(v, 1);
	expect(v, "connack 1 00");
	rx(v, "34 ({'b'} 0007 () 'y')");
	expect(v, "remove 1; put 2 in received #7 q2");
	commit();
	expect(v, "message b 2 y =2; drop 2 in done #7 q2; > 50 (0007)");
}

/* When the session ends is noted, and not so any more before the next CONNECT. */
GATED(expiry_is_noted, V5)
{
	v->settings.session_expiry_s = 100;
	v->settings.clean = MQEV_SESSION_CLEAN_STRICT;
	vclient_connect(v);
	accept(v, 0);
	commit();
	see(v);
	vclient_close(v);
	expect(v, "client e1 n0 session ends 1101000");
	vclient_connect(v);
	expect(v, "client e1 n0 session");
	commit();
	expect(v, "> 10 ({'MQTT'} 05 00 0000 (11 00000064) {'c'})");
}

/* A packet of the server's before CONNECT is none of a session's. */
GATED(too_early_a_connack, V5)
{
	gated_up(v);
	rx(v, "34 ({'a'} 0007 () 'x')");
	commit();
	vclient_close(v);
	vclient_connect(v);
	see(v);
	rx(v, "20 (01 00 ())");
	expect(v, "end PROTOCOL 82");
}

/* --- identifiers -------------------------------------------------------------------------------
 */

/* One that an unfinished message holds: another number, durable before PUBLISH. */
GATED(renumbered, V5)
{
	gated_up(v);
	vclient_publish(v, 1, "a", "1");
	commit();
	v->s.next_n = 64511;
	vclient_publish(v, 1, "a", "2");
	see(v);
	vjournal_commit_to(&j, j.ticket);
	expect(v, "accepted 2; set 2 out accepted n64512 q1 sent");
	commit();
	expect(v, "> 32 ({'a'} 0002 () '2')");
	rx(v, "40 (0002) 40 (0001)");
	expect(v, "remove 2; done 2 #2 ok 00; remove 1; done 1 #1 ok 00");
}

/* One whose old record may still be there: it waits for the removal. */
GATED(identifier_of_a_record_that_goes, V45)
{
	v->settings.max_inflight = 1;
	gated_up(v);
	vclient_publish(v, 1, "a", "1");
	v->s.next_n = 64511;
	vclient_publish(v, 1, "a", "2");
	commit();
	see(v);
	rx(v, "40 (0001)");
	expect(v, "remove 1; done 1 #1 ok 00");
	vclient_pump(v);
	expect_nothing(v);
	commit();
	expect(v, "client e1 n64767 session; > 32 ({'a'} 0001 ~ '2')");
}

/* One whose other number is free again, but not yet in the store: that one's owner waits too. */
GATED(identifier_of_a_renumbered_record_that_goes, V5)
{
	v->settings.max_inflight = 2;
	gated_up(v);
	vclient_publish(v, 1, "a", "1");
	v->s.next_n = 64511;
	vclient_publish(v, 1, "a", "2");
	commit();
	v->s.next_n = 1;
	vclient_publish(v, 1, "a", "3");
	commit();
	see(v);
	rx(v, "40 (0002)");
	expect(v, "remove 2; done 2 #2 ok 00");
	vclient_pump(v);
	expect_nothing(v);
	commit();
	expect(v, "> 32 ({'a'} 0002 () '3')");
}

/* --- the store's failure -----------------------------------------------------------------------
 */

GATED(store_fails, V45)
{
	gated_up(v);
	vclient_publish(v, 1, "a", "1");
	commit();
	vclient_publish(v, 1, "a", "2");
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	see(v);
	vjournal_fail(&j, MQEV_ERR_STORE);
	expect(v, "done 2 #0 STORE 00; end STORE 80");
	vclient_close(v);
	vclient_publish(v, 1, "a", "3");
	expect(v, "refused STORE");
	vclient_publish(v, 0, "a", "4");
	expect_nothing(v);
	vclient_free_session(v);
	expect(v, "done 1 #1 KEPT 00; done 3 #0 CANCELED 00");
}

/* What waited for a removal may come back: it is kept. */
GATED(store_fails_while_it_leaves, V5)
{
	gated_up(v);
	vclient_publish(v, 1, "a", "1");
	commit();
	rx(v, "40 (0001 87)");
	see(v);
	vjournal_fail(&j, MQEV_ERR_STORE);
	expect(v, "end STORE 80");
	vclient_close(v);
	vclient_free_session(v);
	expect(v, "done 1 #1 KEPT 00");
}

/* A free: what is durable is kept, what is not is canceled. */
GATED(freed, V45)
{
	vclient_publish(v, 1, "a", "1");
	commit();
	vclient_publish(v, 1, "a", "2");
	see(v);
	vclient_free_session(v);
	expect(v, "done 1 #0 KEPT 00; remove 2; done 2 #0 CANCELED 00");
}

/* Given up by a drain. */
GATED(given_up, V45)
{
	vclient_publish(v, 1, "a", "1");
	commit();
	vclient_publish(v, 1, "a", "2");
	see(v);
	mqev_session_give_up(&v->s, MQEV_ERR_TIMEOUT);
	expect(v, "done 1 #0 KEPT 00; remove 2; done 2 #0 TIMEOUT 00");
	commit();
	expect(v, "accepted 2");
}

/* --- answers -----------------------------------------------------------------------------------
 */

static int64_t
answer(struct vclient *v, uint64_t token)
{
	struct mqev_entry entry;
	struct mqev_publish_request request = {
	    .parts = {.type = MQEV_PACKET_PUBLISH, .topic = {(const uint8_t *)"r", 1}},
	    .qos = 1,
	    .expiry_at = MQEV_OP_NO_EXPIRY,
	    .answers = &entry};
	int64_t number = mqev_session_answer_begin(&v->s, token, &entry);

	if (number == 0) {
		number = mqev_session_publish(&v->s, &request, v->now);
		v->op[number] = V_PENDING;
		mqev_session_answer_appended(&v->s, token, j.ticket);
	}
	return number;
}

static void
answer_it(struct vclient *v, enum vevent event)
{
	if (event == V_MESSAGE)
		ck_assert_int_gt(answer(v, v->message->token), 0);
}

/* A message and what answers it, in one commit; only then is it done. */
GATED(answered, V45)
{
	gated_up(v);
	v->hook = answer_it;
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	vjournal_commit_to(&j, j.ticket);
	expect(v, "put 1 in received #7 q2; message a 2 x =1; put 2 out accepted n0 q1;"
		  "drop 1 in done #7 q2; client e1 n256 session; > 50 (0007)");
	ck_assert_int_eq(answer(v, 1), MQEV_ERR_STATE);
	rx(v, "62 (0007)");
	expect(v, "set 1 in freed #0 q2");
	commit();
	/* Its record, without bytes, goes when that is known. */
	expect(v, "accepted 1; remove 1; > 70 (0007) 32 ({'r'} 0001 ~)");
	ck_assert_int_eq(answer(v, 1), MQEV_ERR_NOT_FOUND);
}

/* The answer and what it answers wait in one queue, which has just one place left. */
GATED(answered_with_a_full_queue, V45)
{
	gated_up(v);
	v->hold = true;
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	commit();
	see(v);
	for (int i = 0; i < 15; i++)
		vclient_publish(v, 1, "a", "1");
	ck_assert_int_eq(answer(v, 1), 16);
	see(v);
	vjournal_commit_to(&j, j.ticket);
	for (int i = 1; i <= 16; i++) {
		char text[24];

		snprintf(text, sizeof(text), "accepted %d\n", i);
		vclient_flush_record(v);
		ck_assert_ptr_nonnull(strstr((const char *)v->record.data + v->checked, text));
	}
	see(v);
	ck_assert_int_eq(answer(v, 1), MQEV_ERR_NOT_FOUND);
}

/* No room for the answer: the message is as before. */
GATED(answer_refused, V45)
{
	gated_up(v);
	v->hook = answer_it;
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	vjournal_commit_to(&j, j.ticket);
	see(v);
	v->hook = NULL;
	vjournal_refuse(&j, 2);
	expect(v, "done 1 #0 STORE_FULL 00");
	ck_assert_int_eq(answer(v, 1), 2);
	commit();
	expect(v, "put 3 out accepted n1 q1; drop 1 in done #7 q2; accepted 2;"
		  "> 32 ({'r'} 0002 ~)");
}

int
main(void)
{
	Suite *s = suite_create("gates");
	TCase *tc = tk_case(s, "session");

	tcase_add_test(tc, qos1_out);
	tcase_add_test(tc, qos2_out);
	tcase_add_test(tc, order_is_kept);
	tcase_add_test(tc, failures_wait);
	tcase_add_test(tc, canceled_waits);
	tcase_add_test(tc, canceled_before_a_failure);
	tcase_add_test(tc, canceled_at_once);
	tcase_add_test(tc, sent_n_is_raised_ahead);
	tcase_add_test(tc, refused_by_the_store);
	tcase_add_test(tc, no_memory_to_accept);
	tcase_add_test(tc, no_memory_to_remove);
	tcase_add_test(tc, qos2_in);
	tcase_add_test(tc, pubrel_too_early);
	tcase_add_test(tc, qos2_in_held);
	tcase_add_test(tc, held_for_long);
	tcase_add_test(tc, qos1_in);
	tcase_add_test(tc, qos1_in_inbox);
	tcase_add_test(tc, qos2_in_no_inbox);
	tcase_add_test(tc, refused_by_the_application);
	tcase_add_test(tc, packets_of_an_earlier_connection);
	tcase_add_test(tc, receive_maximum);
	tcase_add_test(tc, no_memory_to_receive);
	tcase_add_test(tc, deaf_application);
	tcase_add_test(tc, new_session);
	tcase_add_test(tc, lost_session);
	tcase_add_test(tc, lost_session_in);
	tcase_add_test(tc, clean_start);
	tcase_add_test(tc, doubt);
	tcase_add_test(tc, expiry_is_noted);
	tcase_add_test(tc, too_early_a_connack);
	tcase_add_test(tc, renumbered);
	tcase_add_test(tc, identifier_of_a_record_that_goes);
	tcase_add_test(tc, identifier_of_a_renumbered_record_that_goes);
	tcase_add_test(tc, store_fails);
	tcase_add_test(tc, store_fails_while_it_leaves);
	tcase_add_test(tc, freed);
	tcase_add_test(tc, given_up);
	tcase_add_test(tc, answered);
	tcase_add_test(tc, answered_with_a_full_queue);
	tcase_add_test(tc, answer_refused);
	return tk_main(s);
}
