/* SUBSCRIBE and UNSUBSCRIBE: their bytes, identifiers and answers, and the server's limits. */
#include <stdio.h>
#include <string.h>

#include "lib/loop.h"
#include "lib/vcase.h"

SCENARIO(subscribe_one, VALL)
{
	up(v, 0, "");
	sub(v, "{'a/+'} 01", 1);
	expect(v, "> 82 (0001 ~ {'a/+'} 01)");
	rx(v, "90 (0001 ~ 01)");
	expect(v, "done 1 #1 ok 01 codes 01");
}

/* The options of 5.0 go out in 5.0 only. */
SCENARIO(subscribe_several, VALL)
{
	up(v, 0, "");
	sub(v, "{'a'} 2E {'b/#'} 00 {'+'} 19", 3);
	expect_v(v, "> 82 (0001 {'a'} 02 {'b/#'} 00 {'+'} 01)",
	    "> 82 (0001 () {'a'} 2E {'b/#'} 00 {'+'} 19)");
	rx(v, "90 (0001 ~ 00 00 01)");
	expect(v, "done 1 #1 ok 01 codes 00 00 01");
}

SCENARIO(subscribe_refused, V311 | V5)
{
	up(v, 0, "");
	sub(v, "{'a'} 02 {'b'} 00", 2);
	expect(v, "> 82 (0001 ~ {'a'} 02 {'b'} 00)");
	rx(v, "90 (0001 ~ 01 80)");
	expect(v, "done 1 #1 REFUSED 80 codes 01 80");
}

SCENARIO(subscribe_reasons, V5)
{
	static const char *const codes[] = {"83", "87", "8F", "91", "97", "9E", "A1", "A2"};

	up(v, 0, "");
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		char text[80];

		sub(v, "{'a'} 00", 1);
		v->checked = v->record.len;
		snprintf(text, sizeof(text), "90 (%04X (1F {'x'}) %s)", i + 1, codes[i]);
		rx(v, text);
		snprintf(text, sizeof(text), "done %u #%u REFUSED %s [1F 00 01 78] codes %s", i + 1,
		    i + 1, codes[i], codes[i]);
		expect(v, text);
	}
}

SCENARIO(unsubscribe, VALL)
{
	up(v, 0, "");
	unsub(v, "{'a'} {'b/#'}", 2);
	expect(v, "> A2 (0001 ~ {'a'} {'b/#'})");
	rx(v, v->s.version == MQEV_V5 ? "B0 (0001 () 00 11)" : "B0 (0001)");
	expect_v(v, "done 1 #1 ok 00", "done 1 #1 ok 11 codes 00 11");
}

SCENARIO(unsubscribe_refused, V5)
{
	up(v, 0, "");
	unsub(v, "{'a'} {'b'}", 2);
	expect(v, "> A2 (0001 () {'a'} {'b'})");
	rx(v, "B0 (0001 (26 {'k'}{'v'}) 87 00)");
	expect(v, "done 1 #1 REFUSED 87 [26 00 01 6B 00 01 76] codes 87 00");
}

static int64_t
sub_with(struct vclient *v, const void *properties, size_t len, uint16_t flags)
{
	static const uint8_t filter[] = {0, 1, 'a', 0};
	struct mqev_op_parts parts = {.type = MQEV_PACKET_SUBSCRIBE,
	    .properties = {properties, len},
	    .payload = {filter, sizeof(filter)}};
	int64_t number = mqev_session_subscribe(&v->s, &parts, 1, flags, v->now);

	if (number > 0)
		v->op[number] = V_PENDING;
	vclient_pump(v);
	return number;
}

SCENARIO(subscribe_properties, VALL)
{
	up(v, 0, "");
	sub_with(v, "\x0B\x80\x01", 3, MQEV_OP_IDENTIFIER);
	expect_v(v, "> 82 (0001 {'a'} 00)", "> 82 (0001 (0B 8001) {'a'} 00)");
}

SCENARIO(subscribe_limits_at_once, V5)
{
	up(v, 0, "28 00 29 00 2A 00");
	ck_assert_int_eq(sub_with(v, NULL, 0, MQEV_OP_WILDCARD), MQEV_ERR_WILDCARD);
	ck_assert_int_eq(sub_with(v, NULL, 0, MQEV_OP_SHARED), MQEV_ERR_SHARED);
	ck_assert_int_eq(sub_with(v, NULL, 0, MQEV_OP_IDENTIFIER), MQEV_ERR_SUBSCRIPTION_ID);
	expect_nothing(v);
	sub_with(v, NULL, 0, 0);
	expect(v, "> 82 (0001 () {'a'} 00)");
}

SCENARIO(subscribe_limits_on_the_queue, V5)
{
	sub_with(v, NULL, 0, MQEV_OP_WILDCARD);
	sub_with(v, NULL, 0, MQEV_OP_SHARED);
	sub_with(v, "\x0B\x01", 2, MQEV_OP_IDENTIFIER);
	sub(v, "{'0123456789'} 00", 1);
	sub_with(v, NULL, 0, 0);
	up(v, 0, "28 00 29 00 2A 00 27 00000010");
	expect(v, "done 1 #0 WILDCARD 00; done 2 #0 SHARED 00; done 3 #0 SUBSCRIPTION_ID 00;"
		  "done 4 #0 TOO_LARGE 00; > 82 (0005 () {'a'} 00)");
}

/* [MQTT-3.2.2-10]: a server without QoS 2 is subscribed to at QoS 2 all the same, and grants less
 * ([MQTT-3.8.4-7]). */
SCENARIO(subscribe_above_maximum_qos, V5)
{
	up(v, 0, "24 01");
	sub(v, "{'a'} 02", 1);
	expect(v, "> 82 (0001 () {'a'} 02)");
	rx(v, "90 (0001 () 01)");
	expect(v, "done 1 #1 ok 01 codes 01");
}

/* Messages may come before the SUBACK, above the granted QoS ([MQTT-3.8.4-8]), and after the
 * UNSUBACK ([MQTT-3.10.4-3]): each is taken and acknowledged as its own QoS says. */
SCENARIO(messages_around_the_answers, VALL)
{
	up(v, 0, "");
	sub(v, "{'a'} 01", 1);
	v->checked = v->record.len;
	rx(v, "32 ({'a'} 0001 ~ '1') 90 (0001 ~ 01) 34 ({'a'} 0002 ~ '2') 62 (0002)");
	expect(v, "message a 1 1; > 40 (0001); done 1 #1 ok 01 codes 01; message a 2 2;"
		  "> 50 (0002) 70 (0002)");
	unsub(v, "{'a'}", 1);
	v->checked = v->record.len;
	rx(v, v->s.version == MQEV_V5 ? "B0 (0002 () 00)" : "B0 (0002)");
	rx(v, "34 ({'a'} 0003 ~ '3') 62 (0003)");
	expect_v(v, "done 2 #2 ok 00; message a 2 3; > 50 (0003) 70 (0003)",
	    "done 2 #2 ok 00 codes 00; message a 2 3; > 50 (0003) 70 (0003)");
}

/* No more requests wait for answers than messages may; they hold back nothing else. */
SCENARIO(requests_have_a_window, VALL)
{
	v->settings.max_inflight = 2;
	up(v, 0, "");
	sub(v, "{'a'} 00", 1);
	unsub(v, "{'b'}", 1);
	sub(v, "{'c'} 00", 1);
	sub(v, "{'d'} 00", 1);
	expect(v, "> 82 (0001 ~ {'a'} 00) A2 (0002 ~ {'b'})");
	vclient_publish(v, 1, "m", "");
	expect(v, "> 32 ({'m'} 0005 ~)");
	rx(v, "90 (0001 ~ 00) 40 (0005)");
	expect(v, "done 1 #1 ok 00 codes 00; done 5 #5 ok 00; > 82 (0003 ~ {'c'} 00)");
	vclient_close(v);
	v->checked = v->record.len;
	up(v, 0, "");
	expect(v, "> A2 (0002 ~ {'b'}) 82 (0003 ~ {'c'} 00)");
	rx(v, v->s.version == MQEV_V5 ? "B0 (0002 () 00)" : "B0 (0002)");
	expect_v(v, "done 2 #2 ok 00; > 82 (0004 {'d'} 00)",
	    "done 2 #2 ok 00 codes 00; > 82 (0004 () {'d'} 00)");
	rx(v, "90 (0003 ~ 00) 90 (0004 ~ 00)");
	ck_assert_uint_eq(vclient_pending(v), 0);
	v->checked = v->record.len;
}

/* --- answers that answer nothing ------------------------------------------------------------- */

static void
wrong_answer(struct vclient *v, bool subscribe, const char *answer)
{
	vclient_restart(v);
	memset(v->op, 0, sizeof(v->op));
	up(v, 0, "");
	if (subscribe)
		sub(v, "{'a'} 00 {'b'} 00", 2);
	else
		unsub(v, "{'a'} {'b'}", 2);
	v->checked = v->record.len;
	rx(v, answer);
	expect_v(v, "end PROTOCOL 82", "> E0 (82); end PROTOCOL 82");
	vclient_close(v);
}

SCENARIO(wrong_answers, VALL)
{
	wrong_answer(v, true, "90 (0001 ~ 00)");       /* too few codes */
	wrong_answer(v, true, "90 (0001 ~ 00 00 00)"); /* too many */
	wrong_answer(v, true, "90 (0002 ~ 00 00)");    /* another identifier */
	wrong_answer(v, false, "90 (0001 ~ 00 00)");   /* row 152 */
	wrong_answer(v, true, "40 (0001)");
	wrong_answer(v, true, "50 (0001)");
	wrong_answer(v, true, "70 (0001)");
	wrong_answer(v, false, "40 (0001)");
	if (v->s.version == MQEV_V5) {
		wrong_answer(v, true, "B0 (0001 () 00 00)");
		wrong_answer(v, false, "B0 (0001 () 00)");
		wrong_answer(v, false, "B0 (0002 () 00 00)");
	} else {
		wrong_answer(v, true, "B0 (0001)");
		wrong_answer(v, false, "B0 (0002)");
	}
}

SCENARIO(answered_twice, VALL)
{
	up(v, 0, "");
	sub(v, "{'a'} 00", 1);
	v->checked = v->record.len;
	rx(v, "90 (0001 ~ 00) 90 (0001 ~ 00)");
	expect_v(v, "done 1 #1 ok 00 codes 00; end PROTOCOL 82",
	    "done 1 #1 ok 00 codes 00; > E0 (82); end PROTOCOL 82");
}

/* An answer to what was given an identifier but could not be written. */
SCENARIO(answered_before_it_was_sent, V311)
{
	v->settings.clean = MQEV_SESSION_CLEAN_NEVER;
	vclient_restart(v);
	vclient_connect(v);
	v->checked = v->record.len;
	sub(v, "{'a'} 00", 1);
	v->no_pump = true;
	rx(v, "20 (00 00) 90 (0001 00)");
	expect(v, "connack 0 00; end PROTOCOL 82");
}

/* --- identifiers ----------------------------------------------------------------------------- */

/* With all that messages can have in flight, 1,024 are left for requests, and a request that finds
 * none waits. */
SCENARIO(reserved_identifiers, V311)
{
	char text[60];

	v->settings.max_inflight = 64511;
	v->settings.queue.max.count = 100000;
	v->settings.queue.max.bytes = SIZE_MAX;
	up(v, 0, "");
	v->no_pump = true;
	for (int i = 0; i < 64512; i++)
		vclient_publish(v, 1, "a", "");
	vclient_pump(v);
	v->no_pump = false;
	v->checked = v->record.len;
	sub(v, "{'f'} 00", 1);
	expect(v, "> 82 (FC00 {'f'} 00)");
	for (int i = 1; i < 1023; i++)
		sub(v, "{'f'} 00", 1);
	v->checked = v->record.len;
	unsub(v, "{'f'}", 1);
	expect(v, "> A2 (FFFF {'f'})");
	sub(v, "{'last'} 00", 1);
	expect_nothing(v);
	rx(v, "90 (FC01 00)");
	snprintf(text, sizeof(text), "done %d #%d ok 00 codes 00; > 82 (FC01 {'last'} 00)",
	    64512 + 2, 0xFC01);
	expect(v, text);
	/* An identifier of a message: the message that waits has it. */
	rx(v, "40 (0005)");
	expect(v, "done 5 #5 ok 00; > 32 ({'a'} 0005)");
	v->fed = 0; /* one run is enough */
}

/* The last message waits for nothing: the requests alone find an identifier again. */
SCENARIO(request_waits_for_an_identifier, V311)
{
	v->settings.max_inflight = 64511;
	v->settings.queue.max.count = 100000;
	v->settings.queue.max.bytes = SIZE_MAX;
	up(v, 0, "");
	v->no_pump = true;
	for (int i = 0; i < 64511; i++)
		vclient_publish(v, 1, "a", "");
	vclient_pump(v);
	v->no_pump = false;
	for (int i = 0; i < 1024; i++)
		sub(v, "{'f'} 00", 1);
	sub(v, "{'last'} 00", 1);
	v->checked = v->record.len;
	rx(v, "40 (0007)");
	expect(v, "done 7 #7 ok 00; > 82 (0007 {'last'} 00)");
	v->fed = 0;
}

int
main(void)
{
	Suite *suite = suite_create("session: subscribe");
	TCase *tc = tk_case(suite, "subscribe");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, subscribe_one);
	tcase_add_test(tc, subscribe_several);
	tcase_add_test(tc, subscribe_refused);
	tcase_add_test(tc, subscribe_reasons);
	tcase_add_test(tc, unsubscribe);
	tcase_add_test(tc, unsubscribe_refused);
	tcase_add_test(tc, subscribe_properties);
	tcase_add_test(tc, subscribe_limits_at_once);
	tcase_add_test(tc, subscribe_limits_on_the_queue);
	tcase_add_test(tc, subscribe_above_maximum_qos);
	tcase_add_test(tc, messages_around_the_answers);
	tcase_add_test(tc, requests_have_a_window);
	tcase_add_test(tc, wrong_answers);
	tcase_add_test(tc, answered_twice);
	tcase_add_test(tc, answered_before_it_was_sent);
	tcase_add_test(tc, reserved_identifiers);
	tcase_add_test(tc, request_waits_for_an_identifier);
	return tk_main(suite);
}
