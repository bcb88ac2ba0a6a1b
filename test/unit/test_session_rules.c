/* What a server may not send in a state that several packets make, and what the session answers.
 * Single packets: test_session_bad.c. */
#include <stdio.h>
#include <string.h>

#include "lib/loop.h"
#include "lib/vcase.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Nothing but a CONNACK or DISCONNECT may come first. */
SCENARIO(any_packet_before_connack, VALL)
{
	static const char *const packets[] = {"30 ({'a'} ~)", "40 (0001)", "50 (0001)", "62 (0001)",
	    "70 (0001)", "90 (0001 ~ 00)", "D0 00"};

	for (size_t i = 0; i < COUNT(packets); i++) {
		vclient_connect(v);
		v->checked = v->record.len;
		rx(v, packets[i]);
		expect_v(v, "end PROTOCOL 82", "> E0 (82); end PROTOCOL 82");
		vclient_close(v);
	}
}

/* Packet identifier 0 is none. */
SCENARIO(identifier_zero, VALL)
{
	static const char *const packets[] = {"32 ({'a'} 0000 ~)", "34 ({'a'} 0000 ~)", "40 (0000)",
	    "50 (0000)", "62 (0000)", "70 (0000)", "90 (0000 ~ 00)"};

	for (size_t i = 0; i < COUNT(packets); i++) {
		up(v, 0, "");
		rx(v, packets[i]);
		expect_v(v, "end PROTOCOL 82", "> E0 (82); end PROTOCOL 82");
		vclient_close(v);
		vclient_restart(v);
	}
}

/* Rows 29 and 53: a refusal is reported as one, whatever else is wrong with it. */
SCENARIO(refusal_with_session_present, V311 | V5)
{
	vclient_connect(v);
	v->checked = v->record.len;
	rx(v, v->s.version == MQEV_V5 ? "20 (01 87 ())" : "20 (01 05)");
	expect_v(v, "connack 1 05; end REFUSED 87", "connack 1 87; end REFUSED 87");
}

/* Row 130's kin in 3.1.1: DISCONNECT comes from no server. */
SCENARIO(disconnect_from_an_old_server, V3)
{
	up(v, 0, "");
	rx(v, "E0 00");
	expect(v, "end PROTOCOL 82");
}

/* Row 158. */
SCENARIO(auth_without_method, V5)
{
	up(v, 0, "");
	rx(v, "F0 (18 (15 {'a'}))");
	expect(v, "> E0 (82); end PROTOCOL 82");
}

/* Row 112, [MQTT-3.1.2-29]. */
static void
without_problem_information(struct vclient *v)
{
	static const uint8_t none[] = {0x17, 0};

	v->settings.connect_properties = (struct mqev_bytes){none, sizeof(none)};
	vclient_restart(v);
	memset(v->op, 0, sizeof(v->op));
	up(v, 0, "1F {'x'} 26 {'k'}{'v'}");
	vclient_publish(v, 1, "a", "");
	vclient_publish(v, 2, "a", "");
	sub(v, "{'a'} 00", 1);
	unsub(v, "{'a'}", 1);
	v->checked = v->record.len;
}

SCENARIO(explanations_unasked_for, V5)
{
	static const char *const packets[] = {"40 (0001 00 (1F {'x'}))",
	    "40 (0001 80 (26 {'k'}{'v'}))", "50 (0002 00 (1F {'x'}))",
	    "62 (0007 00 (26 {'k'}{'v'}))", "70 (0002 00 (1F {'x'}))", "90 (0003 (1F {'x'}) 00)",
	    "B0 (0004 (26 {'k'}{'v'}) 00)"};

	for (size_t i = 0; i < COUNT(packets); i++) {
		without_problem_information(v);
		rx(v, packets[i]);
		expect(v, "> E0 (82); end PROTOCOL 82");
		vclient_close(v);
	}
}

SCENARIO(explanations_allowed_all_the_same, V5)
{
	without_problem_information(v);
	rx(v, "30 ({'a'} (26 {'k'}{'v'})) 40 (0001 80) 90 (0003 () 80) E0 (8B (1F {'x'}))");
	expect(v, "message a 0 [26 00 01 6B 00 01 76]; done 1 #1 REFUSED 80;"
		  "done 3 #3 REFUSED 80 codes 80; disconnect 8B [1F 00 01 78];"
		  "end DISCONNECTED 8B from server");
}

static void
end_inside(struct vclient *v, const char *packet)
{
	struct tk_buf bytes = vcase_bytes(v, packet);

	for (size_t n = 1; n < bytes.len; n++) {
		vclient_close(v);
		up(v, 1, "");
		v->checked = v->record.len;
		vclient_receive(v, bytes.data, n);
		expect_nothing(v);
	}
	tk_buf_free(&bytes);
}

/* Row 164: the end of the stream inside each kind of packet, at each of its bytes. */
SCENARIO(stream_ends_in_a_packet, V311 | V5)
{
	static const char *const packets[] = {"30 ({'a'} ~ 'x')", "32 ({'a'} 0009 ~ 'x')",
	    "34 ({'a'} 0009 ~ 'x')", "40 (0001)", "50 (0002)", "62 (0009)", "70 (0002)",
	    "90 (0003 ~ 00)", "D0 00"};

	v->settings.clean = MQEV_SESSION_CLEAN_NEVER;
	vclient_restart(v);
	up(v, 1, "");
	vclient_publish(v, 1, "a", "");
	vclient_publish(v, 2, "a", "");
	sub(v, "{'a'} 00", 1);
	for (size_t i = 0; i < COUNT(packets); i++)
		end_inside(v, packets[i]);
	if (v->s.version == MQEV_V5)
		end_inside(v, "E0 (8B ())");
}

/* Row 167: nothing is allocated for what was only announced. */
SCENARIO(huge_length_without_limit, VALL)
{
	static uint8_t header[] = {0x30, 0x80, 0x80, 0x80, 0x64};
	size_t need = 0;

	up(v, 0, "");
	ck_assert_uint_eq(mqev_session_receive(&v->s, header, sizeof(header), v->now, &need), 0);
	ck_assert_uint_eq(need, 5 + ((size_t)200 << 20));
	ck_assert(v->s.partial);
	ck_assert_ptr_null(v->s.in);
	vclient_advance(v, 30000);
	expect(v, "end TIMEOUT 80");
}

/* 1.5.4: what is only advised against is refused on request. */
SCENARIO(strict_text, V311 | V5)
{
	static const char *const bad[] = {"01", "1F", "7F", "C280", "C29F", "EFB790", "EFB7AF",
	    "EFBFBE", "EFBFBF", "F09FBFBE", "F48FBFBF", "'a/'C285"};
	static const char *const good[] = {"20", "7E", "C2A0", "EFB78F", "EFB7B0", "EFBFBD",
	    "EFBBBF", "F09F9880", "F48FBFBD", "'a/b'"};
	char text[60];

	v->settings.strict_text = true;
	for (size_t i = 0; i < COUNT(good); i++) {
		up(v, 0, "");
		v->no_record = true;
		snprintf(text, sizeof(text), "30 ({%s} ~)", good[i]);
		rx(v, text);
		ck_assert_msg(v->s.state == MQEV_SESSION_CONNECTED, "%s", good[i]);
		v->no_record = false;
		vclient_close(v);
		vclient_restart(v);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		up(v, 0, "");
		snprintf(text, sizeof(text), "30 ({%s} ~)", bad[i]);
		rx(v, text);
		expect_v(v, "end MALFORMED 81", "> E0 (81); end MALFORMED 81");
		vclient_close(v);
		vclient_restart(v);
	}
}

SCENARIO(strict_text_of_properties, V5)
{
	static const char *const packets[] = {"30 ({'a'} (03 {09}))", "30 ({'a'} (26 {'k'}{0A}))",
	    "30 ({'a'} (26 {0A}{'v'}))", "40 (0007 00 (1F {1B}))", "50 (0007 80 (1F {1B}))",
	    "62 (0007 92 (1F {1B}))", "70 (0007 00 (1F {1B}))", "90 (0001 (1F {7F}) 00)",
	    "B0 (0001 (1F {7F}) 00)", "E0 (8B (1F {EFBFBF}))"};

	v->settings.strict_text = true;
	for (size_t i = 0; i < COUNT(packets); i++) {
		up(v, 0, "");
		rx(v, packets[i]);
		expect(v, "> E0 (81); end MALFORMED 81");
		vclient_close(v);
		vclient_restart(v);
	}
	vclient_connect(v);
	v->checked = v->record.len;
	rx(v, "20 (00 00 (1F {01}))");
	expect(v, "> E0 (81); end MALFORMED 81");
	vclient_close(v);
	up(v, 0, "");
	rx(v, "30 ({'a'} (09 {01}) 01)"); /* binary data and payloads are no strings */
	expect(v, "message a 0 \\x01 [09 00 01 01]");
}

/* [MQTT-3.2.2-15] for a server that takes not even an acknowledgement or a DISCONNECT. */
SCENARIO(nothing_fits, V5)
{
	up(v, 0, "27 00000003");
	rx(v, "32 ({'a'} 0001 ())");
	expect(v, "message a 1; end TOO_LARGE 80");
	vclient_close(v);
	up(v, 1, "27 00000004");
	rx(v, "32 ({'a'} 0001 ()) 62 (0007)");
	expect(v, "message a 1; > 40 (0001); end TOO_LARGE 80");
	vclient_close(v);
	up(v, 1, "27 00000002");
	rx(v, "00 00");
	expect(v, "end MALFORMED 81");
	vclient_close(v);
	up(v, 1, "27 00000001");
	ck_assert_int_eq(vclient_disconnect(v, 0, NULL, 0), MQEV_ERR_TOO_LARGE);
	v->checked = v->record.len;
}

/* A server that sends acknowledgements without end is heard without growing. */
SCENARIO(endless_acknowledgements, VALL)
{
	up(v, 0, "");
	for (unsigned mid = 1; mid < 3000; mid++) {
		const uint8_t acks[] = {0x40, 2, (uint8_t)(mid >> 8), (uint8_t)mid, 0x70, 2,
		    (uint8_t)(mid >> 8), (uint8_t)mid, 0x62, 2, (uint8_t)(mid >> 8), (uint8_t)mid};

		vclient_receive(v, acks, sizeof(acks));
	}
	ck_assert_ptr_null(v->s.in);
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
	vclient_flush_record(v);
	v->checked = v->record.len;
	v->fed = 0; /* one run is enough */
}

int
main(void)
{
	Suite *suite = suite_create("session: rules");
	TCase *tc = tk_case(suite, "rules");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, any_packet_before_connack);
	tcase_add_test(tc, identifier_zero);
	tcase_add_test(tc, refusal_with_session_present);
	tcase_add_test(tc, disconnect_from_an_old_server);
	tcase_add_test(tc, auth_without_method);
	tcase_add_test(tc, explanations_unasked_for);
	tcase_add_test(tc, explanations_allowed_all_the_same);
	tcase_add_test(tc, stream_ends_in_a_packet);
	tcase_add_test(tc, huge_length_without_limit);
	tcase_add_test(tc, strict_text);
	tcase_add_test(tc, strict_text_of_properties);
	tcase_add_test(tc, nothing_fits);
	tcase_add_test(tc, endless_acknowledgements);
	return tk_main(suite);
}
