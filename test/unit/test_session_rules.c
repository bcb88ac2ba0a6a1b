/* What a server may not send, in each state, and what the session answers. */
#include <stdio.h>
#include <string.h>

#include "lib/loop.h"
#include "lib/vcase.h"

struct bad {
	const char *bytes;
	uint8_t reason; /* of the DISCONNECT; 0: before 5.0 there is none */
	const char *fault;
};

/* Connected in 5.0; own Maximum Packet Size 1024, Receive Maximum 2; one SUBSCRIBE with identifier
 * 1 is open. */
static const struct bad connected_v5[] = {
    {"00 00", 0x81, "type 0"},
    {"82 06 0001 0001 61 00", 0x82, "SUBSCRIBE from the server"},
    {"A2 05 0001 0001 61", 0x82, "UNSUBSCRIBE from the server"},
    {"D1 00", 0x81, "PINGRESP flags"},
    {"D0 01 00", 0x81, "PINGRESP with a body"},
    {"42 02 0001", 0x81, "PUBACK flags"},
    {"30 FF FF FF FF 01", 0x81, "RL of 5 bytes: reject at the 4th"},
    {"40 82 80 00 0001", 0x81, "RL 2 in three bytes"},
    {"30 FF FF FF 7F", 0x95, "RL 268,435,455: answer from the header alone, allocate nothing"},
    {"48 54 54 50", 0x81, "an HTTP server: \"HTTP\""},
    {"20 03 00 00 00", 0x82, "second CONNACK"},
    {"36 06 0001 61 0001 00", 0x81, "QoS 3"},
    {"38 04 0001 61 00", 0x81, "DUP on QoS 0"},
    {"30 03 0000 00", 0x82, "no topic, no alias"},
    {"30 07 0001 61 03 23 000B", 0x94, "alias 11 > 10"},
    {"30 0A 0001 61 06 23 0001 23 0001", 0x82, "alias twice"},
    {"30 04 0001 23 00", 0x81, "# in a topic name"},
    {"30 05 0002 6100 00", 0x81, "U+0000"},
    {"30 05 0002 C080 00", 0x81, "overlong NUL"},
    {"30 07 0004 F0808081 00", 0x81, "overlong 4 bytes"},
    {"30 05 0002 E282 00", 0x81, "cut sequence"},
    {"30 04 0001 80 00", 0x81, "lone continuation"},
    {"30 04 0005 61 00", 0x81, "topic past RL"},
    {"30 00", 0x81, "RL 0"},
    {"32 04 0001 61 00", 0x81, "cut packet id"},
    {"30 04 0001 61 7F", 0x81, "property length past RL"},
    {"30 08 0001 61 FFFFFFFF7F", 0x81, "property length of 5 bytes"},
    {"30 06 0001 61 02 01 02", 0x82, "Payload Format 2"},
    {"30 08 0001 61 04 0100 0101", 0x82, "Payload Format twice"},
    {"30 06 0001 61 02 0B 00", 0x82, "Subscription Identifier 0"},
    {"30 0A 0001 61 06 0B FFFFFFFF01", 0x81, "Subscription Identifier of 5 bytes"},
    {"30 08 0001 61 04 08 0001 2B", 0x81, "wildcard in Response Topic"},
    {"30 07 0001 61 03 08 0000", 0x82, "empty Response Topic"},
    {"30 08 0001 61 04 1F 0001 61", 0x81, "Reason String in PUBLISH"},
    {"30 0B 0001 61 07 26 0001 C3 0001 62", 0x81, "ill-formed key in User Property"},
    {"30 08 0001 61 04 09 0009 61", 0x81, "Correlation Data past the block"},
    {"30 0C 0001 61 08 03 0001 61 03 0001 61", 0x82, "Content Type twice"},
    {"40 00", 0x81, "RL 0"},
    {"40 05 0001 00 00 00", 0x81, "trailing byte"},
    {"40 04 0001 00 01", 0x81, "property length past RL"},
    {"40 03 0001 FF", 0x82, "unknown code"},
    {"40 03 0001 92", 0x82, "code not for PUBACK"},
    {"70 03 0001 10", 0x82, "code not for PUBCOMP"},
    {"50 07 0001 00 03 21 0001", 0x81, "property not for PUBREC"},
    {"90 05 0001 00 00 00", 0x82, "two codes for one filter"},
    {"90 04 0001 00 03", 0x82, "code 03"},
    {"90 02 0001", 0x81, "no property length"},
    {"90 01 00", 0x81, "cut packet id"},
    {"B0 04 0001 00 01", 0x82, "code 01 in UNSUBACK"},
    {"E1 00", 0x81, "flags"},
    {"E0 01 04", 0x82, "code only a client sends"},
    {"E0 07 00 05 11 00000000", 0x82, "Session Expiry from the server"},
    {"E0 02 8B 05", 0x81, "property length past RL"},
    {"F0 00", 0x82, "AUTH without method, none agreed"},
    {"F0 06 18 04 15 0001 61", 0x82, "AUTH though no method was given"},
};

/* Waiting for CONNACK in 5.0, after Clean Start 1. */
static const struct bad connecting_v5[] = {
    {"15 03 01 00 02 02 28", 0x82, "a TLS alert on a plain port"},
    {"20 02 00 00", 0x81, "no property length, success"},
    {"20 03 02 00 00", 0x81, "reserved flag"},
    {"20 03 01 00 00", 0x82, "Session Present after Clean Start"},
    {"20 03 00 8B 00", 0x82, "code not for CONNACK"},
    {"20 08 00 00 05 27 00000000", 0x82, "Maximum Packet Size 0"},
    {"20 05 00 00 02 24 02", 0x82, "Maximum QoS 2"},
    {"20 05 00 00 02 2A FF", 0x82, "Shared Subscription Available FF"},
    {"20 09 00 00 06 21 0005 21 0005", 0x82, "property twice"},
    {"20 05 00 00 02 17 01", 0x81, "CONNECT-only property"},
    {"20 05 00 00 02 7F 00", 0x81, "unknown property"},
    {"20 03 00 00 05", 0x81, "property length past RL"},
    {"20 05 00 00 01 24 01", 0x81, "item crosses the property block"},
    {"20 07 00 00 04 12 0005 61", 0x81, "string past the block"},
    {"20 07 00 00 04 15 0001 61", 0x82, "method though none was given"},
    {"30 06 0001 61 00 6869", 0x82, "PUBLISH before CONNACK"},
    {"20 01 00", 0x81, "too short"},
};

/* The same states in 3.1.1. */
static const struct bad connected_v311[] = {
    {"F0 00", 0, "type 15 in 3.1.1"},
    {"6A 02 0001", 0, "PUBREL flags 1010 (3.1: accept)"},
    {"30 FF FF FF FF 01", 0, "the same in 3.1.1"},
    {"30 02 0000", 0, "no topic"},
    {"36 05 0001 61 0001", 0, "QoS 3"},
    {"32 03 0001 61", 0, "packet id missing"},
    {"40 03 0001 00", 0, "RL 3 in 3.1.1"},
    {"90 02 0001", 0, "no codes"},
    {"90 04 0001 00 00", 0, "two codes for one filter"},
    {"B0 03 0001 00", 0, "RL 3"},
};
static const struct bad connecting_v311[] = {
    {"20 02 00 06", 0, "code 06"},
    {"20 03 00 00 00", 0, "RL 3"},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char *
end_of(uint8_t reason)
{
	if (reason == 0x81)
		return "MALFORMED";
	return reason == 0x95 ? "TOO_LARGE" : "PROTOCOL";
}

/* What stands behind the fault in the same buffer is not looked at. */
static void
check_bad(struct vclient *v, const struct bad *bad)
{
	char text[120];

	v->checked = v->record.len;
	snprintf(text, sizeof(text), "%s 30 ({'z'} ~ 'behind')", bad->bytes);
	rx(v, text);
	ck_assert_msg(v->s.state == MQEV_SESSION_ENDED, "%s: accepted", bad->fault);
	if (bad->reason != 0) {
		snprintf(text, sizeof(text), "> E0 (%02X); end %s %02X", bad->reason,
		    end_of(bad->reason), bad->reason);
		expect(v, text);
		return;
	}
	snprintf(text, sizeof(text), "end %s %02X", end_of(v->s.end.reason), v->s.end.reason);
	expect(v, text);
}

static void
set_limits(struct vclient *v)
{
	v->settings.max_packet_size = 1024;
	v->settings.receive_maximum = 2;
	v->settings.topic_alias_maximum = 10;
}

static void
check_connected(struct vclient *v, const struct bad *table, size_t count)
{
	set_limits(v);
	for (size_t i = 0; i < count; i++) {
		vclient_restart(v);
		memset(v->op, 0, sizeof(v->op));
		up(v, 0, "");
		sub(v, "{'a'} 00", 1);
		check_bad(v, &table[i]);
		vclient_close(v);
	}
}

static void
check_connecting(struct vclient *v, const struct bad *table, size_t count)
{
	set_limits(v);
	for (size_t i = 0; i < count; i++) {
		vclient_restart(v);
		vclient_connect(v);
		check_bad(v, &table[i]);
		vclient_close(v);
	}
}

SCENARIO(bad_while_connected_v5, V5)
{
	check_connected(v, connected_v5, COUNT(connected_v5));
}

SCENARIO(bad_while_connecting_v5, V5)
{
	check_connecting(v, connecting_v5, COUNT(connecting_v5));
}

SCENARIO(bad_while_connected_v311, V311)
{
	check_connected(v, connected_v311, COUNT(connected_v311));
}

SCENARIO(bad_while_connecting_v311, V311)
{
	check_connecting(v, connecting_v311, COUNT(connecting_v311));
}

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
	tcase_add_test(tc, bad_while_connected_v5);
	tcase_add_test(tc, bad_while_connecting_v5);
	tcase_add_test(tc, bad_while_connected_v311);
	tcase_add_test(tc, bad_while_connecting_v311);
	tcase_add_test(tc, any_packet_before_connack);
	tcase_add_test(tc, identifier_zero);
	tcase_add_test(tc, refusal_with_session_present);
	tcase_add_test(tc, disconnect_from_an_old_server);
	tcase_add_test(tc, auth_without_method);
	tcase_add_test(tc, explanations_unasked_for);
	tcase_add_test(tc, explanations_allowed_all_the_same);
	tcase_add_test(tc, stream_ends_in_a_packet);
	tcase_add_test(tc, huge_length_without_limit);
	tcase_add_test(tc, endless_acknowledgements);
	return tk_main(suite);
}
