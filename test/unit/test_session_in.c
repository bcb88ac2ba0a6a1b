/* Messages from the server: delivery and acknowledgement by QoS, and what the client allows itself.
 */
#include <string.h>

#include "lib/loop.h"
#include "lib/vcase.h"

SCENARIO(in_qos0, VALL)
{
	up(v, 0, "");
	rx(v, "30 ({'a/b'} ~ 'hi') 31 ({'a'} ~)");
	expect(v, "message a/b 0 hi; message a 0 retain");
}

SCENARIO(in_qos1, VALL)
{
	up(v, 0, "");
	rx(v, "32 ({'a/b'} 0007 ~ 'hi')");
	expect(v, "message a/b 1 hi; > 40 (0007)");
	/* Row 151: once answered, the same identifier is another message, whatever DUP says. */
	rx(v, "3A ({'a/b'} 0007 ~ 'hi') 32 ({'a'} FFFF ~)");
	expect(v, "message a/b 1 dup hi; > 40 (0007); message a 1; > 40 (FFFF)");
}

SCENARIO(in_qos2, VALL)
{
	up(v, 0, "");
	rx(v, "34 ({'a'} 0007 ~ 'x')");
	expect(v, "message a 2 x; > 50 (0007)");
	rx(v, "3C ({'a'} 0007 ~ 'x')");
	expect(v, "> 50 (0007)");
	rx(v, "34 ({'b'} 0007 ~ 'y')"); /* [MQTT-4.3.3-10]: the same message, whatever DUP says */
	expect(v, "> 50 (0007)");
	rx(v, "62 (0007)");
	expect(v, "> 70 (0007)");
	rx(v, "62 (0007)");
	expect_v(v, "> 70 (0007)", "> 70 (0007 92)");
	rx(v, "3C ({'a'} 0007 ~ 'z')"); /* [MQTT-4.3.3-12] */
	expect(v, "message a 2 dup z; > 50 (0007)");
}

/* [MQTT-4.3.3-13]: the exchange goes on to its end, however old the message. */
SCENARIO(in_qos2_expired_meanwhile, V5)
{
	up(v, 0, "");
	rx(v, "34 ({'a'} 0001 (02 00000001) 'x')");
	expect(v, "message a 2 x [02 00 00 00 01]; > 50 (0001)");
	vclient_advance(v, 5000);
	rx(v, "3C ({'a'} 0001 (02 00000001) 'x') 62 (0001)");
	expect(v, "> 50 (0001) 70 (0001)");
}

SCENARIO(in_properties, V5)
{
	up(v, 0, "");
	rx(v, "32 ({'a'} 0001 (01 01 02 00000009 03 {'t'} 08 {'r'} 09 {'c'} 0B 01 0B 02"
	      "26 {'k'}{'v'}) 'x')");
	expect(v,
	    "message a 1 x [01 01 02 00 00 00 09 03 00 01 74 08 00 01 72 09 00 01 63 0B 01 0B 02"
	    " 26 00 01 6B 00 01 76]; > 40 (0001)");
}

/* In 3.1 the flags of PUBREL mean nothing, and DUP may stand on QoS 0. */
SCENARIO(in_v31_flags, V31)
{
	up(v, 0, "");
	rx(v, "34 ({'a'} 0007 'x') 6A (0007) 38 ({'a'} 'y')");
	expect(v, "message a 2 x; > 50 (0007) 70 (0007); message a 0 dup y");
}

/* Acknowledgements in the order of the messages, [MQTT-4.6.0-2] [MQTT-4.6.0-3]. */
SCENARIO(in_many_at_once, VALL)
{
	up(v, 0, "");
	rx(v, "34 ({'a'} 0003 ~) 32 ({'a'} 0002 ~) 30 ({'a'} ~) 34 ({'a'} 0001 ~) 62 (0003) 62 "
	      "(0001)");
	expect(v, "message a 2; > 50 (0003); message a 1; > 40 (0002); message a 0; message a 2;"
		  "> 50 (0001) 70 (0003) 70 (0001)");
}

/* --- Receive Maximum ------------------------------------------------------------------------- */

SCENARIO(in_receive_maximum, V5)
{
	v->settings.receive_maximum = 2;
	up(v, 0, "");
	rx(v, "34 ({'a'} 0001 ()) 34 ({'a'} 0002 ())");
	expect(v, "message a 2; > 50 (0001); message a 2; > 50 (0002)");
	rx(v, "3C ({'a'} 0001 ())");
	expect(v, "> 50 (0001)");
	rx(v, "62 (0001) 32 ({'a'} 0001 ()) 30 ({'a'} ())");
	expect(v, "> 70 (0001); message a 1; > 40 (0001); message a 0");
	rx(v, "34 ({'a'} 0003 ()) 34 ({'a'} 0004 ()) 30 ({'a'} ())");
	expect(v, "message a 2; > 50 (0003) E0 (93); end PROTOCOL 93");
}

SCENARIO(in_receive_maximum_qos1, V5)
{
	v->settings.receive_maximum = 1;
	up(v, 0, "");
	rx(v, "34 ({'a'} 0001 ())");
	expect(v, "message a 2; > 50 (0001)");
	rx(v, "32 ({'a'} 0002 ())");
	expect(v, "> E0 (93); end PROTOCOL 93");
}

/* Before 5.0 the server knows of no such limit. */
SCENARIO(in_receive_maximum_v3, V3)
{
	v->settings.receive_maximum = 1;
	up(v, 0, "");
	rx(v, "34 ({'a'} 0001) 34 ({'a'} 0002) 32 ({'a'} 0003)");
	expect(v, "message a 2; > 50 (0001); message a 2; > 50 (0002); message a 1; > 40 (0003)");
}

/* There are no more identifiers than that: a server that uses one twice is not held for ever. */
SCENARIO(in_more_than_all_identifiers, V3)
{
	v->hold = true;
	up(v, 0, "");
	v->no_record = true;
	for (unsigned i = 0; i < 65535; i++) {
		const uint8_t publish[] = {
		    0x32, 5, 0, 1, 'a', (uint8_t)((i + 1) >> 8), (uint8_t)(i + 1)};

		vclient_receive(v, publish, sizeof(publish));
	}
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
	vclient_flush_record(v);
	v->no_record = false;
	v->checked = v->record.len;
	rx(v, "32 ({'a'} 0001)");
	expect(v, "end PROTOCOL 93");
	v->fed = 0; /* one run is enough */
}

/*
 * The count begins anew with the connection: what an earlier one brought takes a place when the
 * server sends it again, not before (4.9).
 */
SCENARIO(in_receive_maximum_after_resume, V5)
{
	v->settings.receive_maximum = 2;
	up(v, 0, "");
	rx(v, "34 ({'a'} 0001 ()) 34 ({'a'} 0002 ())");
	v->checked = v->record.len;
	vclient_close(v);
	up(v, 1, "");
	rx(v, "62 (0001) 34 ({'a'} 0003 ()) 32 ({'a'} 0004 ())");
	expect(v, "> 70 (0001); message a 2; > 50 (0003); message a 1; > 40 (0004)");
	rx(v, "3C ({'a'} 0002 ())");
	expect(v, "> 50 (0002)");
	rx(v, "34 ({'a'} 0005 ())");
	expect(v, "> E0 (93); end PROTOCOL 93");
}

SCENARIO(in_receive_maximum_by_repeats, V5)
{
	v->settings.receive_maximum = 1;
	up(v, 0, "");
	rx(v, "34 ({'a'} 0001 ())");
	v->checked = v->record.len;
	vclient_close(v);
	up(v, 1, "");
	rx(v, "34 ({'a'} 0002 ())");
	expect(v, "message a 2; > 50 (0002)");
	rx(v, "3C ({'a'} 0001 ())");
	expect(v, "> E0 (93); end PROTOCOL 93");
}

/* --- Maximum Packet Size --------------------------------------------------------------------- */

SCENARIO(in_packet_size, VALL)
{
	v->settings.max_packet_size = 16;
	up(v, 0, "");
	rx(v, v->s.version == MQEV_V5 ? "30 ({'a'} () '0123456789')" : "30 ({'a'} '0123456789A')");
	expect_v(v, "message a 0 0123456789A", "message a 0 0123456789");
	rx(v, "30 0F");
	expect_v(v, "end TOO_LARGE 95", "> E0 (95); end TOO_LARGE 95");
}

SCENARIO(in_packet_size_before_connack, V5)
{
	v->settings.max_packet_size = 8;
	vclient_connect(v);
	v->checked = v->record.len;
	rx(v, "20 07");
	expect(v, "> E0 (95); end TOO_LARGE 95");
}

/* Row 17: judged by the header alone. */
SCENARIO(in_largest_packet, VALL)
{
	v->settings.max_packet_size = 1024;
	up(v, 0, "");
	rx(v, "30 FF FF FF 7F");
	expect_v(v, "end TOO_LARGE 95", "> E0 (95); end TOO_LARGE 95");
}

SCENARIO(in_limit_itself, V5)
{
	v->settings.max_packet_size = 1024;
	up(v, 0, "");
	rx(v, "30 FD 07");
	expect_nothing(v);
	ck_assert(v->s.partial);
}

/* --- sessions -------------------------------------------------------------------------------- */

SCENARIO(in_qos2_over_a_resume, V311 | V5)
{
	up(v, 0, "");
	vclient_close(v);
	up(v, v->s.version == MQEV_V5, "");
	rx(v, "34 ({'a'} 0001 ~ 'x')");
	expect(v, "message a 2 x; > 50 (0001)");
	vclient_close(v);
	up(v, 1, "");
	rx(v, "3C ({'a'} 0001 ~ 'x')");
	expect(v, "> 50 (0001)");
	vclient_close(v);
	up(v, 1, "");
	rx(v, "62 (0001)");
	expect(v, "> 70 (0001)");
}

SCENARIO(in_qos2_forgotten_with_the_session, V311 | V5)
{
	up(v, 0, "");
	vclient_close(v);
	up(v, v->s.version == MQEV_V5, "");
	rx(v, "34 ({'a'} 0001 ~ 'x')");
	v->checked = v->record.len;
	vclient_close(v);
	up(v, 0, "");
	rx(v, "34 ({'a'} 0001 ~ 'new')");
	expect(v, "message a 2 new; > 50 (0001)");
}

/* 3.1 cannot tell; a session that was not asked to be clean is taken to be there. */
SCENARIO(in_qos2_v31, V31)
{
	up(v, 0, "");
	vclient_close(v);
	up(v, 0, "");
	rx(v, "34 ({'a'} 0001 'x')");
	expect(v, "message a 2 x; > 50 (0001)");
	vclient_close(v);
	up(v, 0, "");
	rx(v, "3C ({'a'} 0001 'x') 62 (0001)");
	expect(v, "> 50 (0001) 70 (0001)");
}

/* --- others ---------------------------------------------------------------------------------- */

SCENARIO(in_nothing_while_paused, VALL)
{
	up(v, 0, "");
	v->s.paused = true;
	rx(v, "30 ({'a'} ~ '1') 30 ({'a'} ~ '2')");
	expect_nothing(v);
	v->s.paused = false;
	rx(v, "30 ({'a'} ~ '3')");
	expect(v, "message a 0 1; message a 0 2; message a 0 3");
}

static void
pause_hook(struct vclient *v, enum vevent event)
{
	if (event == V_MESSAGE)
		v->s.paused = true;
}

SCENARIO(in_paused_by_a_message, VALL)
{
	up(v, 0, "");
	v->hook = pause_hook;
	rx(v, "32 ({'a'} 0001 ~ '1') 32 ({'a'} 0002 ~ '2')");
	expect(v, "message a 1 1; > 40 (0001)");
	v->s.paused = false;
	rx(v, "D0 00");
	expect(v, "message a 1 2; > 40 (0002)");
}

/* Row 169. */
SCENARIO(in_topic_of_slashes, V311)
{
	up(v, 0, "");
	v->every_byte = false;
	v->cut[0] = v->cut[1] = SIZE_MAX;
	rx(v, "30 ({'/'*65535})");
	expect(v, "message (65535 bytes) 0");
	v->fed = 0; /* not again at each of its bytes */
}

/* [MQTT-1.5.4-3] */
SCENARIO(in_topic_with_bom, VALL)
{
	up(v, 0, "");
	rx(v, "30 ({EFBBBF} ~)");
	expect(v, "message \\xEF\\xBB\\xBF 0");
}

/* Row 160: no subscription asked for it, it is delivered and acknowledged all the same. */
SCENARIO(in_unsolicited, VALL)
{
	up(v, 0, "");
	rx(v, "32 ({'never/asked'} 0001 ~)");
	expect(v, "message never/asked 1; > 40 (0001)");
}

int
main(void)
{
	Suite *suite = suite_create("session: messages received");
	TCase *tc = tk_case(suite, "in");

	tcase_add_test(tc, in_qos0);
	tcase_add_test(tc, in_qos1);
	tcase_add_test(tc, in_qos2);
	tcase_add_test(tc, in_qos2_expired_meanwhile);
	tcase_add_test(tc, in_properties);
	tcase_add_test(tc, in_v31_flags);
	tcase_add_test(tc, in_many_at_once);
	tcase_add_test(tc, in_receive_maximum);
	tcase_add_test(tc, in_receive_maximum_qos1);
	tcase_add_test(tc, in_receive_maximum_v3);
	tcase_add_test(tc, in_more_than_all_identifiers);
	tcase_add_test(tc, in_receive_maximum_after_resume);
	tcase_add_test(tc, in_receive_maximum_by_repeats);
	tcase_add_test(tc, in_packet_size);
	tcase_add_test(tc, in_packet_size_before_connack);
	tcase_add_test(tc, in_largest_packet);
	tcase_add_test(tc, in_limit_itself);
	tcase_add_test(tc, in_qos2_over_a_resume);
	tcase_add_test(tc, in_qos2_forgotten_with_the_session);
	tcase_add_test(tc, in_qos2_v31);
	tcase_add_test(tc, in_nothing_while_paused);
	tcase_add_test(tc, in_paused_by_a_message);
	tcase_add_test(tc, in_topic_of_slashes);
	tcase_add_test(tc, in_topic_with_bom);
	tcase_add_test(tc, in_unsolicited);
	return tk_main(suite);
}
