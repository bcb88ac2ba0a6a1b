/* What a session goes on with after a crash or in the next client of a name: each state of a
 * record, and what the server may have made of it meanwhile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/loop.h"
#include "unit/kept.h"

static void
set_to_stay(struct vclient *v)
{
	v->settings.session_expiry_s = UINT32_MAX;
	v->settings.clean = MQEV_SESSION_CLEAN_STRICT;
}

#define KEPT(scenario, in_versions) OVER_A_STORE(kept, scenario, in_versions, set_to_stay(v))

/* Connects through all that CONNECT waits for; the record is read. */
static void
connect(struct vclient *v)
{
	vclient_connect(v);
	for (int i = 0; i < 100 && (j.load_count > 0 || j.count > 0); i++) {
		vjournal_answer(&j, 0);
		commit();
	}
}

static void
first_up(struct vclient *v)
{
	connect(v);
	accept(v, 0);
	commit();
	see(v);
}

static void
crash(struct vclient *v)
{
	see(v);
	vjournal_crash(&j);
	see(v);
}

/* After the crash, connected again. */
static void
up_again(struct vclient *v, int session_present)
{
	crash(v);
	connect(v);
	see(v);
	accept(v, session_present);
}

/* --- outgoing ----------------------------------------------------------------------------------
 */

/* Not durable: it was never accepted, and is not there. */
KEPT(not_accepted, V45)
{
	first_up(v);
	vclient_publish(v, 1, "a", "1");
	up_again(v, 1);
	expect(v, "connack 1 00");
	ck_assert_uint_eq(mqev_session_queued(&v->s), 0);
}

/* Accepted and never sent: a new message, loaded when it is its turn. */
KEPT(never_sent, V45)
{
	vclient_publish(v, 2, "a", "1");
	commit();
	crash(v);
	ck_assert_uint_eq(mqev_session_queued(&v->s), 1);
	connect(v);
	see(v);
	accept(v, 0);
	expect(v, "client e1 n0 session; connack 0 00");
	commit();
	expect(v, "load 1");
	vjournal_answer(&j, 0);
	expect(v, "client e1 n256 session");
	commit();
	expect(v, "> 34 ({'a'} 0001 ~ '1')");
}

/* Perhaps sent: again with its identifier and DUP, in order, before what is new. */
KEPT(perhaps_sent, V45)
{
	first_up(v);
	vclient_publish(v, 1, "a", "1");
	vclient_publish(v, 2, "b", "2");
	commit();
	up_again(v, 1);
	expect(v, "connack 1 00; load 1; load 2");
	vclient_publish(v, 1, "c", "3");
	commit();
	expect(v, "put 3 out accepted n256 q1; client e1 n512 session; accepted 3");
	vjournal_answer(&j, 0);
	expect(v, "> 3A ({'a'} 0001 ~ '1') 3C ({'b'} 0002 ~ '2') 32 ({'c'} 0101 ~ '3')");
	rx(v, "40 (0001) 50 (0002)");
	expect(v, "remove 1; done 1 #1 ok 00; drop 2 out released n1 q2");
	commit();
	expect(v, "> 62 (0002)");
	rx(v, "70 (0002)");
	expect(v, "remove 2; done 2 #2 ok 00");
}

/* PUBREC came: PUBREL, without bytes. */
KEPT(released, V45)
{
	first_up(v);
	vclient_publish(v, 2, "a", "1");
	commit();
	rx(v, "50 (0001)");
	commit();
	up_again(v, 1);
	expect(v, "connack 1 00; > 62 (0001)");
	rx(v, "70 (0001)");
	expect(v, "remove 1; done 1 #1 ok 00");
}

/* What PUBREC said was not durable: PUBLISH again, as the server expects. */
KEPT(released_not_durable, V45)
{
	first_up(v);
	vclient_publish(v, 2, "a", "1");
	commit();
	rx(v, "50 (0001)");
	up_again(v, 1);
	expect(v, "connack 1 00; load 1");
	vjournal_answer(&j, 0);
	expect(v, "> 3C ({'a'} 0001 ~ '1')");
}

/* A removal that was late: once more, and the server absorbs it. */
KEPT(removal_not_durable, V45)
{
	first_up(v);
	vclient_publish(v, 1, "a", "1");
	commit();
	rx(v, "40 (0001)");
	up_again(v, 1);
	expect(v, "connack 1 00; load 1");
	vjournal_answer(&j, 0);
	expect(v, "> 3A ({'a'} 0001 ~ '1')");
}

/* A failure that was not told of: it is as if it had not happened. */
KEPT(failure_not_durable, V5)
{
	first_up(v);
	vclient_publish(v, 1, "a", "1");
	commit();
	rx(v, "40 (0001 87)");
	up_again(v, 1);
	expect(v, "connack 1 00; load 1");
	vjournal_answer(&j, 0);
	expect(v, "> 3A ({'a'} 0001 () '1')");
}

/* The server has lost the session too: QoS 1 again as new, QoS 2 with an unknown end; what was
 * never sent is not concerned. */
KEPT(session_lost, V45)
{
	v->settings.max_inflight = 2;
	first_up(v);
	vclient_publish(v, 1, "a", "1");
	vclient_publish(v, 2, "a", "2");
	commit();
	v->s.next_n = 256;
	vclient_publish(v, 2, "a", "3");
	commit();
	up_again(v, 0);
	expect(v, "remove 2; client e2 n0 session; connack 0 00");
	vjournal_commit_to(&j, j.ticket);
	expect(v, "done 2 #0 SESSION_LOST 00; load 1; load 3");
	vjournal_answer(&j, 0);
	commit();
	expect(v, "client e2 n256 session; > 32 ({'a'} 0001 ~ '1'); client e2 n512 session;"
		  "> 34 ({'a'} 0101 ~ '3')");
}

/* It crashes before that is durable: the same again. */
KEPT(session_lost_twice, V45)
{
	first_up(v);
	vclient_publish(v, 2, "a", "1");
	commit();
	up_again(v, 0);
	see(v);
	crash(v);
	ck_assert_uint_eq(mqev_session_queued(&v->s), 1);
	connect(v);
	see(v);
	accept(v, 0);
	expect(v, "remove 1; client e2 n256 session; connack 0 00");
	commit();
	expect(v, "done 1 #0 SESSION_LOST 00");
}

/* E3: the session's time is over, by the wall clock. */
KEPT(session_expired, V5)
{
	v->settings.session_expiry_s = 100;
	first_up(v);
	vclient_publish(v, 2, "a", "1");
	commit();
	vclient_close(v);
	commit();
	see(v);
	v->now += 99000;
	vjournal_crash(&j);
	expect_nothing(v);
	v->now += 1000;
	vjournal_crash(&j);
	expect(v, "remove 1; client e2 n256");
	commit();
	expect(v, "done 1 #0 SESSION_LOST 00");
	connect(v);
	expect(v, "> 10 ({'MQTT'} 05 02 0000 (11 00000064) {'c'})");
}

/* The server was to be told to forget: whether it was is not known, so it is told again. */
KEPT(clean_start_not_finished, V5)
{
	first_up(v);
	vclient_publish(v, 2, "a", "1");
	commit();
	vclient_close(v);
	see(v);
	v->s.begin_anew = true;
	v->settings.clean = MQEV_SESSION_CLEAN_FIRST_ONLY;
	connect(v);
	expect(v, "client e2 n256; > 10 ({'MQTT'} 05 02 0000 (11 FFFFFFFF) {'c'})");
	vjournal_crash(&j);
	expect(v, "remove 1; client e3 n256");
	connect(v);
	expect(v, "done 1 #0 SESSION_LOST 00; > 10 ({'MQTT'} 05 02 0000 (11 FFFFFFFF) {'c'})");
}

/* Once per store, not once per process. */
KEPT(first_only_spans_processes, V5)
{
	v->settings.clean = MQEV_SESSION_CLEAN_FIRST_ONLY;
	connect(v);
	expect(v, "> 10 ({'MQTT'} 05 02 0000 (11 FFFFFFFF) {'c'})");
	accept(v, 0);
	commit();
	crash(v);
	connect(v);
	expect(v, "> 10 ({'MQTT'} 05 00 0000 (11 FFFFFFFF) {'c'})");
	accept(v, 1);
	expect(v, "connack 1 00");
}

/* Another number, for its own was in use: that is what the server knows it by. */
KEPT(renumbered, V5)
{
	first_up(v);
	vclient_publish(v, 1, "a", "1");
	commit();
	v->s.next_n = 64511;
	vclient_publish(v, 1, "a", "2");
	commit();
	up_again(v, 1);
	expect(v, "connack 1 00; load 1; load 2");
	ck_assert_uint_eq(v->s.next_n, 64767);
	vjournal_answer(&j, 0);
	expect(v, "> 3A ({'a'} 0001 () '1') 3A ({'a'} 0002 () '2')");
}

/* Expiry goes on by the wall clock, and the rest of it is sent. */
KEPT(expiry, V5)
{
	static const uint8_t ten[] = {2, 0, 0, 0, 10};

	for (int i = 0; i < 2; i++)
		VPUBLISH(v, .qos = 1, .topic = "a", .properties = ten, .properties_len = 5,
		    .has_expiry = true, .expiry_at = 1, .expiry_s = i == 0 ? 10 : 4);
	commit();
	crash(v);
	vclient_advance(v, 6000);
	commit();
	expect(v, "remove 2; done 2 #0 EXPIRED 00");
	connect(v);
	accept(v, 0);
	commit();
	see(v);
	vjournal_answer(&j, 0);
	expect(v, "client e1 n256 session");
	commit();
	expect(v, "> 32 ({'a'} 0001 (02 00000004))");
}

/* 40 of them: asked for in groups, sent in order. */
KEPT(many, V5)
{
	char payload[16];

	for (int i = 0; i < 40; i++) {
		snprintf(payload, sizeof(payload), "%d", i);
		vclient_publish(v, 1, "a", payload);
	}
	commit();
	crash(v);
	connect(v);
	accept(v, 0);
	commit();
	ck_assert_uint_eq(j.load_count, 32);
	vjournal_answer(&j, 0);
	commit();
	ck_assert_uint_eq(j.load_count, 8);
	vjournal_answer(&j, 0);
	commit();
	vclient_flush_record(v);
	ck_assert_ptr_nonnull(
	    strstr((const char *)v->record.data + v->checked, "32 08 00 01 61 00 28 00 33 39"));
	see(v);
}

/* Bytes that cannot be read. */
static void
damaged(struct vclient *v, uint8_t qos, size_t at, uint8_t byte)
{
	vclient_publish(v, qos, "a", "1");
	vclient_publish(v, qos, "a", "2");
	commit();
	up_again(v, 0);
	commit();
	see(v);
	j.records[1].bytes[at] = byte;
	vjournal_answer(&j, 0);
	expect(v, "done 1 #0 STORE_DAMAGED 00; client e1 n257 session");
	commit();
	expect(v, "> 32 ({'a'} 0002 ~ '2')");
	ck_assert(j.records[1].there);
}

KEPT(damaged_bytes, V45)
{
	damaged(v, 1, 0, 99);
}

/* Or that may not be sent: the topic is a filter. */
KEPT(bytes_of_others, V45)
{
	damaged(v, 1, 7, '#');
}

/* Of one that may have been sent the server may have half: its identifier stays in use. */
KEPT(damaged_in_flight, V5)
{
	first_up(v);
	vclient_publish(v, 2, "a", "1");
	vclient_publish(v, 2, "a", "2");
	commit();
	up_again(v, 1);
	see(v);
	j.records[1].bytes[0] = 99;
	vjournal_answer(&j, 0);
	expect(v, "done 1 #1 STORE_DAMAGED 00; > 3C ({'a'} 0002 () '2')");
	ck_assert_uint_eq(mqev_session_queued(&v->s), 2);
	rx(v, "50 (0002)");
	commit();
	rx(v, "70 (0002)");
	expect(v, "drop 2 out released n1 q2; > 62 (0002); remove 2; done 2 #2 ok 00");
}

/* Not the bytes but the memory for them is missing: the next connection tries again. */
KEPT(no_memory_to_load, V45)
{
	first_up(v);
	vclient_publish(v, 1, "a", "1");
	commit();
	up_again(v, 1);
	see(v);
	vjournal_answer(&j, MQEV_ERR_NOMEM);
	expect(v, "end NOMEM 83");
	vclient_close(v);
	connect(v);
	see(v);
	accept(v, 1);
	expect(v, "connack 1 00; load 1");
	vjournal_answer(&j, 0);
	expect(v, "> 3A ({'a'} 0001 ~ '1')");
}

/* Freed, and made again in the same process. */
KEPT(made_again, V45)
{
	first_up(v);
	vclient_publish(v, 2, "a", "1");
	vclient_publish(v, 1, "a", "2");
	commit();
	rx(v, "50 (0001)");
	rx(v, "34 ({'i'} 0007 ~ 'x')");
	commit();
	vclient_publish(v, 1, "a", "3");
	see(v);
	vjournal_again(&j);
	expect(v, "done 1 #1 KEPT 00; done 2 #2 KEPT 00; remove 4; done 3 #0 CANCELED 00");
	connect(v);
	see(v);
	accept(v, 1);
	expect_v(v, "client e1 n256 session; connack 1 00; > 62 (0001); load 2",
	    "client e1 n256 session; connack 1 00; > 62 (0001); load 2");
	vjournal_answer(&j, 0);
	expect(v, "> 3A ({'a'} 0002 ~ '2')");
	rx(v, "3C ({'i'} 0007 ~ 'x')");
	expect(v, "> 50 (0007)");
}

/* --- incoming ----------------------------------------------------------------------------------
 */

/* Not durable: no PUBREC was sent, the server sends it again. */
KEPT(in_not_durable, V45)
{
	first_up(v);
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	up_again(v, 1);
	expect(v, "connack 1 00");
	rx(v, "3C ({'a'} 0007 ~ 'x')");
	commit();
	expect(
	    v, "put 2 in received #7 q2; message a 2 dup x =2; drop 2 in done #7 q2; > 50 (0007)");
}

/* Durable and not done: delivered before CONNECT, with its token; the server's repeat is not. */
KEPT(in_not_done, V45)
{
	first_up(v);
	v->hold = true;
	rx(v, "34 ({'a'} 0007 ~ 'x') 34 ({'b'} 0008 ~ 'y')");
	commit();
	crash(v);
	v->hold = false;
	vclient_connect(v);
	expect(v, "client e1 n0 session doubtful; load 1; load 2");
	vjournal_answer(&j, 0);
	expect(v, "message a 2 dup x =1; drop 1 in done #7 q2; message b 2 dup y =2;"
		  "drop 2 in done #8 q2");
	commit();
	see(v);
	accept(v, 1);
	expect(v, "client e1 n0 session; connack 1 00");
	rx(v, "3C ({'a'} 0007 ~ 'x') 62 (0007)");
	expect(v, "> 50 (0007); remove 1");
	commit();
	expect(v, "> 70 (0007)");
}

/* Done, its identifier still in use. */
KEPT(in_done, V45)
{
	first_up(v);
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	commit();
	up_again(v, 1);
	expect(v, "client e1 n0 session; connack 1 00");
	rx(v, "3C ({'a'} 0007 ~ 'x')");
	expect(v, "> 50 (0007)");
}

/* Its identifier is free, the application is not done. */
KEPT(in_freed, V45)
{
	first_up(v);
	v->hold = true;
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	commit();
	rx(v, "62 (0007)");
	commit();
	crash(v);
	v->hold = false;
	vclient_connect(v);
	expect(v, "load 1");
	vjournal_answer(&j, 0);
	commit();
	vclient_flush_record(v);
	ck_assert_ptr_nonnull(strstr(
	    (const char *)v->record.data + v->checked, "message a 2 dup x =1\nremove 1\n> 10"));
	see(v);
	accept(v, 1);
	expect(v, "connack 1 00");
	rx(v, "34 ({'b'} 0007 ~ 'y')");
	commit();
	expect(v, "put 2 in received #7 q2; message b 2 y =2; drop 2 in done #7 q2; > 50 (0007)");
}

/* The inbox of QoS 1. */
KEPT(in_qos1, V45)
{
	v->settings.inbox = MQEV_SESSION_INBOX_BOTH;
	first_up(v);
	v->hold = true;
	rx(v, "32 ({'a'} 0007 ~ 'x')");
	commit();
	crash(v);
	v->hold = false;
	connect(v);
	vclient_flush_record(v);
	ck_assert_ptr_nonnull(
	    strstr((const char *)v->record.data + v->checked, "message a 1 dup x =1\nremove 1"));
	see(v);
}

/* Of an older epoch: the identifier is void, the message is not. */
KEPT(in_of_an_older_epoch, V45)
{
	first_up(v);
	v->hold = true;
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	commit();
	v->hold = false;
	rx(v, "34 ({'b'} 0008 ~ 'y')");
	commit();
	j.row.epoch = 5;
	crash(v);
	vclient_connect(v);
	see(v);
	vjournal_answer(&j, 0);
	commit();
	vclient_flush_record(v);
	ck_assert_ptr_nonnull(
	    strstr((const char *)v->record.data + v->checked, "message a 2 dup x =1\nremove 1"));
	see(v);
	ck_assert(!j.records[2].there);
	accept(v, 1);
	see(v);
	rx(v, "34 ({'c'} 0008 ~ 'z')");
	commit();
	expect(v, "put 3 in received #8 q2; message c 2 z =3; drop 3 in done #8 q2; > 50 (0008)");
}

/* It died between CONNACK without a session and knowing of it: what comes with a known identifier
 * and no DUP is another message. */
KEPT(in_doubt, V45)
{
	first_up(v);
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	commit();
	up_again(v, 0);
	see(v);
	up_again(v, 1);
	expect(v, "connack 1 00");
	rx(v, "34 ({'b'} 0007 ~ 'y')");
	commit();
	expect(v, "remove 1; put 2 in received #7 q2; message b 2 y =2; drop 2 in done #7 q2;"
		  "> 50 (0007)");
	/* No doubt is left. */
	vclient_close(v);
	connect(v);
	see(v);
	accept(v, 1);
	see(v);
	rx(v, "3C ({'b'} 0007 ~ 'y')");
	expect(v, "> 50 (0007)");
}

/* More than are asked for together, held; one that cannot be read is passed over. */
KEPT(in_many, V5)
{
	char packet[64];

	first_up(v);
	v->hold = true;
	for (int i = 1; i <= 16; i++) {
		snprintf(packet, sizeof(packet), "34 ({'a'} 00%02X () 'x')", i);
		rx(v, packet);
	}
	commit();
	crash(v);
	j.records[3].bytes[0] = 99;
	while (v->held_count > 0)
		mqev_ack_drop(v->held[--v->held_count]);
	vclient_connect(v);
	ck_assert_uint_eq(j.load_count, 16);
	vjournal_answer(&j, 0);
	ck_assert_int_eq(v->held_count, 15);
	commit();
	ck_assert(j.records[3].there);
	accept(v, 1);
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
	see(v);
}

/* One that cannot be read is told of and stays; one whose bytes are gone is done. */
KEPT(in_unreadable, V45)
{
	first_up(v);
	v->hold = true;
	rx(v, "34 ({'a'} 0007 ~ 'x') 34 ({'b'} 0008 ~ 'y') 34 ({'c'} 0009 ~ 'z')");
	commit();
	crash(v);
	v->hold = false;
	j.records[1].bytes[0] = 99;
	free(j.records[2].bytes);
	j.records[2].bytes = NULL;
	vclient_connect(v);
	expect(v, "client e1 n0 session doubtful; load 1; load 2; load 3");
	vjournal_answer(&j, 0);
	expect(v, "unreadable =1 -31; message c 2 dup z =3; drop 3 in done #9 q2");
	commit();
	see(v);
	accept(v, 1);
	see(v);
	rx(v, "3C ({'a'} 0007 ~ 'x') 3C ({'b'} 0008 ~ 'y') 62 (0008)");
	expect(v, "> 50 (0007) 50 (0008); remove 2");
	commit();
	expect(v, "> 70 (0008)");
	ck_assert(j.records[1].there);
}

/* --- what cannot be ----------------------------------------------------------------------------
 */

/* Records that contradict themselves are left alone, and harm nothing. */
KEPT(impossible_records, V45)
{
	static const struct mqev_record records[] = {
	    {.seq = 1, .kind = MQEV_RECORD_OUT, .state = MQEV_RECORD_ACCEPTED, .qos = 0},
	    {.seq = 2, .kind = MQEV_RECORD_OUT, .state = MQEV_RECORD_RECEIVED, .qos = 1},
	    {.seq = 3, .kind = MQEV_RECORD_OUT, .state = MQEV_RECORD_RELEASED, .qos = 1},
	    {.seq = 4, .kind = MQEV_RECORD_IN, .state = MQEV_RECORD_ACCEPTED, .qos = 2},
	    {.seq = 5, .kind = MQEV_RECORD_IN, .state = MQEV_RECORD_DONE, .qos = 3, .mid = 5},
	    {.seq = 6, .kind = 7, .state = MQEV_RECORD_DONE, .qos = 2},
	    {.seq = 8, .kind = MQEV_RECORD_OUT, .state = MQEV_RECORD_ACCEPTED, .qos = 1, .n = 9},
	    {.seq = 7, .kind = MQEV_RECORD_OUT, .state = MQEV_RECORD_ACCEPTED, .qos = 1, .n = 8},
	    {.seq = 9, .kind = MQEV_RECORD_OUT, .state = MQEV_RECORD_RELEASED, .qos = 2, .n = 5},
	};

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		ck_assert(mqev_session_restore(&v->s, &records[i]));
	ck_assert(mqev_session_restored(&v->s, v->now));
	v->op[1] = V_PENDING;
	ck_assert_uint_eq(mqev_session_queued(&v->s), 1);
	ck_assert_uint_eq(v->s.next_n, 10);
}

/* Two that claim one identifier: the later was not sent. */
KEPT(one_identifier_twice, V5)
{
	first_up(v);
	vclient_publish(v, 1, "a", "1");
	vclient_publish(v, 1, "a", "2");
	commit();
	j.records[2].r.n = 64511;
	j.records[2].r.flags = MQEV_RECORD_SENT;
	up_again(v, 1);
	expect(v, "connack 1 00; load 1; load 2");
	vjournal_answer(&j, 0);
	expect(v, "> 3A ({'a'} 0001 () '1'); set 2 out accepted n64512 q1 sent");
	commit();
	expect(v, "> 32 ({'a'} 0002 () '2')");
}

int
main(void)
{
	Suite *s = suite_create("restore");
	TCase *tc = tk_case(s, "session");

	tcase_add_test(tc, not_accepted);
	tcase_add_test(tc, never_sent);
	tcase_add_test(tc, perhaps_sent);
	tcase_add_test(tc, released);
	tcase_add_test(tc, released_not_durable);
	tcase_add_test(tc, removal_not_durable);
	tcase_add_test(tc, failure_not_durable);
	tcase_add_test(tc, session_lost);
	tcase_add_test(tc, session_lost_twice);
	tcase_add_test(tc, session_expired);
	tcase_add_test(tc, clean_start_not_finished);
	tcase_add_test(tc, first_only_spans_processes);
	tcase_add_test(tc, renumbered);
	tcase_add_test(tc, expiry);
	tcase_add_test(tc, many);
	tcase_add_test(tc, damaged_bytes);
	tcase_add_test(tc, bytes_of_others);
	tcase_add_test(tc, damaged_in_flight);
	tcase_add_test(tc, no_memory_to_load);
	tcase_add_test(tc, made_again);
	tcase_add_test(tc, in_not_durable);
	tcase_add_test(tc, in_not_done);
	tcase_add_test(tc, in_done);
	tcase_add_test(tc, in_freed);
	tcase_add_test(tc, in_qos1);
	tcase_add_test(tc, in_of_an_older_epoch);
	tcase_add_test(tc, in_doubt);
	tcase_add_test(tc, in_unreadable);
	tcase_add_test(tc, in_many);
	tcase_add_test(tc, impossible_records);
	tcase_add_test(tc, one_identifier_twice);
	return tk_main(s);
}
