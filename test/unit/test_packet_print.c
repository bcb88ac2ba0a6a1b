/* Packets as lines for logs: the facts of each type in both generations; what is never in them;
 * what hostile contents do to them. */
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/decode.h"
#include "core/line.h"
#include "core/op.h"
#include "core/packet_print.h"

#define TEXT(text)                                        \
	{                                                 \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}

static const char *
line_of(
    enum mqev_version version, bool sent, enum mqev_packet_type type, union mqev_packet_view view)
{
	static char line[512];

	memset(line, 'x', sizeof(line));
	mqev_packet_print(version, sent, type, view, line, sizeof(line));
	return line;
}

/* --- sent --------------------------------------------------------------------------------------
 */

static void
check_sent(enum mqev_version version, enum mqev_packet_type type, union mqev_packet_view view,
    const char *want)
{
	ck_assert_str_eq(line_of(version, true, type, view), want);
}

START_TEST(connect_sent)
{
	struct mqev_connect_packet p = {
	    .version = MQEV_V311, .clean_start = true, .keepalive_s = 60, .client_id = TEXT("id")};
	union mqev_packet_view view = {.connect = &p};

	check_sent(MQEV_V311, MQEV_PACKET_CONNECT, view,
	    "Sending CONNECT (u0, p0, wr0, wq0, wf0, c1, k60, v4), client_id='id'");
	p.version = MQEV_V31;
	p.clean_start = false;
	p.has_username = true;
	check_sent(MQEV_V31, MQEV_PACKET_CONNECT, view,
	    "Sending CONNECT (u1, p0, wr0, wq0, wf0, c0, k60, v3), client_id='id'");
}
END_TEST

/* Session Expiry 5, Authentication Method M, Authentication Data, User Property. */
#define CONNECT_BLOCK \
	"\x11\x00\x00\x00\x05\x15\x00\x01M\x16\x00\x06secret\x26\x00\x01n\x00\x06secret"

START_TEST(connect_with_all)
{
	const struct mqev_connect_packet p = {
	    .version = MQEV_V5,
	    .keepalive_s = 10,
	    .properties = TEXT(CONNECT_BLOCK),
	    .has_will = true,
	    .will_qos = 2,
	    .will_retain = true,
	    .will_topic = TEXT("secret"),
	    .will_payload = TEXT("secret"),
	    .will_properties = TEXT("\x03\x00\x06secret"),
	    .has_username = true,
	    .username = TEXT("secret"),
	    .has_password = true,
	    .password = TEXT("secret"),
	};

	check_sent(MQEV_V5, MQEV_PACKET_CONNECT, (union mqev_packet_view){.connect = &p},
	    "Sending CONNECT (u1, p1, wr1, wq2, wf1, c0, k10, v5), client_id='' "
	    "[Session Expiry Interval=5, Authentication Method='M', "
	    "Authentication Data=(6 bytes), User Property='n':(6 bytes)]");
}
END_TEST

START_TEST(publish_sent)
{
	struct mqev_publish_packet p = {
	    .qos = 1, .mid = 5, .topic = TEXT("a/b"), .payload = TEXT("twelve bytes")};
	union mqev_packet_view view = {.publish = &p};

	check_sent(MQEV_V311, MQEV_PACKET_PUBLISH, view,
	    "Sending PUBLISH (d0, q1, r0, m5), 'a/b', ... (12 bytes)");
	check_sent(MQEV_V5, MQEV_PACKET_PUBLISH, view,
	    "Sending PUBLISH (d0, q1, r0, m5), 'a/b', ... (12 bytes)");
	p = (struct mqev_publish_packet){.qos = 2, .dup = true, .retain = true, .mid = 65535};
	check_sent(MQEV_V31, MQEV_PACKET_PUBLISH, view,
	    "Sending PUBLISH (d1, q2, r1, m65535), '', ... (0 bytes)");
}
END_TEST

/* An alias and the time that is left are put in on the way. */
START_TEST(publish_with_properties)
{
	const struct mqev_publish_packet p = {.topic = TEXT("t"),
	    .alias = 7,
	    .expiry_s = 3,
	    .properties = TEXT("\x02\x00\x00\x00\x09\x03\x00\x01x\x09\x00\x02\x01\x02"),
	    .payload = TEXT("secret")};

	check_sent(MQEV_V5, MQEV_PACKET_PUBLISH, (union mqev_packet_view){.publish = &p},
	    "Sending PUBLISH (d0, q0, r0, m0), 't' [Topic Alias=7, "
	    "Message Expiry Interval=3, Content Type='x', Correlation Data=(2 bytes)], "
	    "... (6 bytes)");
	check_sent(MQEV_V311, MQEV_PACKET_PUBLISH, (union mqev_packet_view){.publish = &p},
	    "Sending PUBLISH (d0, q0, r0, m0), 't', ... (6 bytes)");
}
END_TEST

START_TEST(acks_sent)
{
	static const char *const names[] = {"PUBACK", "PUBREC", "PUBREL", "PUBCOMP"};
	struct mqev_ack_packet p = {.mid = 9, .properties = TEXT("\x1F\x00\x02no")};
	union mqev_packet_view view = {.ack = &p};
	enum mqev_packet_type type = MQEV_PACKET_PUBACK + (enum mqev_packet_type)_i;
	char want[100];

	snprintf(want, sizeof(want), "Sending %s (Mid: 9)", names[_i]);
	check_sent(MQEV_V311, type, view, want);
	snprintf(want, sizeof(want), "Sending %s (Mid: 9) [Reason String='no']", names[_i]);
	check_sent(MQEV_V5, type, view, want);
	p.reason = 0x92;
	snprintf(want, sizeof(want),
	    "Sending %s (Mid: 9), Packet Identifier not found [Reason String='no']", names[_i]);
	check_sent(MQEV_V5, type, view, want);
}
END_TEST

static struct mqev_op *
request(enum mqev_packet_type type, struct mqev_bytes filters)
{
	const struct mqev_op_parts parts = {
	    .type = type, .properties = TEXT("\x26\x00\x01n\x00\x06secret"), .payload = filters};
	struct mqev_op *op = mqev_op_new(&parts);

	ck_assert_ptr_nonnull(op);
	op->mid = 3;
	return op;
}

START_TEST(requests_sent)
{
	struct mqev_op *subscribe =
	    request(MQEV_PACKET_SUBSCRIBE, (struct mqev_bytes)TEXT("\x00\x03"
								   "a/b\x01\x00\x01#\x2E"));
	struct mqev_op *unsubscribe =
	    request(MQEV_PACKET_UNSUBSCRIBE, (struct mqev_bytes)TEXT("\x00\x03"
								     "a/b\x00\x01#"));
	const struct mqev_request_packet first = {subscribe, 4};
	const struct mqev_request_packet second = {unsubscribe, 0};
	union mqev_packet_view view = {.request = &first};

	check_sent(MQEV_V311, MQEV_PACKET_SUBSCRIBE, view,
	    "Sending SUBSCRIBE (Mid: 3), 'a/b' (q1), '#' (q2)");
	check_sent(MQEV_V5, MQEV_PACKET_SUBSCRIBE, view,
	    "Sending SUBSCRIBE (Mid: 3), 'a/b' (q1, nl0, rap0, rh0), '#' (q2, nl1, rap1, rh2) "
	    "[Subscription Identifier=4, User Property='n':(6 bytes)]");
	view.request = &second;
	check_sent(
	    MQEV_V31, MQEV_PACKET_UNSUBSCRIBE, view, "Sending UNSUBSCRIBE (Mid: 3), 'a/b', '#'");
	check_sent(MQEV_V5, MQEV_PACKET_UNSUBSCRIBE, view,
	    "Sending UNSUBSCRIBE (Mid: 3), 'a/b', '#' [User Property='n':(6 bytes)]");
	mqev_op_unref(subscribe);
	mqev_op_unref(unsubscribe);
}
END_TEST

START_TEST(last_words_sent)
{
	struct mqev_reason_packet p = {.reason = 0};
	union mqev_packet_view view = {.reason = &p};

	check_sent(MQEV_V5, MQEV_PACKET_PINGREQ, (union mqev_packet_view){NULL}, "Sending PINGREQ");
	check_sent(MQEV_V311, MQEV_PACKET_DISCONNECT, view, "Sending DISCONNECT");
	check_sent(
	    MQEV_V5, MQEV_PACKET_DISCONNECT, view, "Sending DISCONNECT (Normal disconnection)");
	p = (struct mqev_reason_packet){4, TEXT("\x11\x00\x00\x00\x07")};
	check_sent(MQEV_V5, MQEV_PACKET_DISCONNECT, view,
	    "Sending DISCONNECT (Disconnect with Will Message) [Session Expiry Interval=7]");
	p = (struct mqev_reason_packet){0x18, TEXT("\x15\x00\x01M\x16\x00\x06secret")};
	check_sent(MQEV_V5, MQEV_PACKET_AUTH, view,
	    "Sending AUTH (Continue authentication) [Authentication Method='M', "
	    "Authentication Data=(6 bytes)]");
}
END_TEST

/* --- received ----------------------------------------------------------------------------------
 */

static const struct {
	enum mqev_version version;
	const char *hex;
	const char *line;
} received[] = {
    {MQEV_V311, "20 02 0100", "Received CONNACK (s1, 0), Success"},
    {MQEV_V31, "20 02 0005", "Received CONNACK (s0, 5), Not authorized"},
    {MQEV_V5, "20 08 00 87 05 1F 0002 6E6F",
	"Received CONNACK (s0, 135), Not authorized [Reason String='no']"},
    {MQEV_V5, "20 0D 00 00 0A 13 0008 16 0004 41424344",
	"Received CONNACK (s0, 0), Success [Server Keep Alive=8, "
	"Authentication Data=(4 bytes)]"},
    {MQEV_V311, "3B 08 0001 61 0005 414243",
	"Received PUBLISH (d1, q1, r1, m5), 'a', ... (3 bytes)"},
    {MQEV_V5, "30 07 0000 03 23 0002 41",
	"Received PUBLISH (d0, q0, r0, m0), '' [Topic Alias=2], ... (1 bytes)"},
    {MQEV_V5, "30 0E 0001 61 0A 26 0001 6E 0002 7365 01 01",
	"Received PUBLISH (d0, q0, r0, m0), 'a' [User Property='n':(2 bytes), "
	"Payload Format Indicator=1], ... (0 bytes)"},
    {MQEV_V311, "40 02 0005", "Received PUBACK (Mid: 5)"},
    {MQEV_V5, "40 03 0005 10", "Received PUBACK (Mid: 5), No matching subscribers"},
    {MQEV_V31, "50 02 0006", "Received PUBREC (Mid: 6)"},
    {MQEV_V5, "50 09 0006 97 05 1F 0002 6E6F",
	"Received PUBREC (Mid: 6), Quota exceeded [Reason String='no']"},
    {MQEV_V311, "62 02 0007", "Received PUBREL (Mid: 7)"},
    {MQEV_V5, "62 03 0007 92", "Received PUBREL (Mid: 7), Packet Identifier not found"},
    {MQEV_V311, "70 02 0008", "Received PUBCOMP (Mid: 8)"},
    {MQEV_V5, "70 02 0008", "Received PUBCOMP (Mid: 8)"},
    {MQEV_V311, "90 06 0009 00 01 02 80",
	"Received SUBACK (Mid: 9), Granted QoS 0, Granted QoS 1, Granted QoS 2, "
	"Unspecified error"},
    {MQEV_V5, "90 05 0009 00 01 87", "Received SUBACK (Mid: 9), Granted QoS 1, Not authorized"},
    {MQEV_V311, "B0 02 000A", "Received UNSUBACK (Mid: 10)"},
    {MQEV_V5, "B0 05 000A 00 00 11",
	"Received UNSUBACK (Mid: 10), Success, No subscription existed"},
    {MQEV_V311, "D0 00", "Received PINGRESP"},
    {MQEV_V5, "D0 00", "Received PINGRESP"},
    {MQEV_V5, "E0 00", "Received DISCONNECT (Normal disconnection)"},
    {MQEV_V5, "E0 06 8E 04 1F 0001 78",
	"Received DISCONNECT (Session taken over) [Reason String='x']"},
    {MQEV_V5, "F0 0B 18 09 15 0001 4D 16 0002 7365",
	"Received AUTH (Continue authentication) [Authentication Method='M', "
	"Authentication Data=(2 bytes)]"},
};

START_TEST(each_received)
{
	struct mqev_bytes bytes = unit_hex(received[_i].hex);
	struct mqev_packet packet;
	struct mqev_frame frame;
	struct mqev_fault fault = {0};

	ck_assert_int_eq(
	    mqev_frame_parse(received[_i].version, bytes.data, bytes.len, &frame, &fault),
	    MQEV_FRAME_WHOLE);
	ck_assert_msg(mqev_packet_decode(received[_i].version, &frame, bytes.data, &packet, &fault),
	    "%s: %s", received[_i].hex, fault.text);
	ck_assert_str_eq(
	    line_of(received[_i].version, false, packet.type, (union mqev_packet_view){&packet.u}),
	    received[_i].line);
	free((void *)bytes.data);
}
END_TEST

/* --- what comes from outside -------------------------------------------------------------------
 */

static const struct {
	struct mqev_bytes topic;
	const char *shown;
} hostile[] = {
    {TEXT("a\nReceived PUBACK\r\x1B[2J\x7F"), "'a\\x0AReceived PUBACK\\x0D\\x1B[2J\\x7F'"},
    {TEXT("', ... (0 bytes)\\"), "'\\x27, ... (0 bytes)\\x5C'"},
    {TEXT("\xC2\x9B"
	  "1m\xC3\xA4\xE2\x98\x83"),
	"'\\xC2\\x9B1m\xC3\xA4\xE2\x98\x83'"},
    {TEXT("\xFF\xC3("), "'\\xFF\\xC3('"},
    {TEXT("a\0b"), "'a\\x00b'"},
};

START_TEST(harmless)
{
	const struct mqev_publish_packet p = {.topic = hostile[_i].topic};
	char want[200];

	snprintf(want, sizeof(want), "Sending PUBLISH (d0, q0, r0, m0), %s, ... (0 bytes)",
	    hostile[_i].shown);
	check_sent(MQEV_V31, MQEV_PACKET_PUBLISH, (union mqev_packet_view){.publish = &p}, want);
}
END_TEST

/* Snowmen of three bytes, one after the other: a cut leaves whole ones. */
static struct mqev_bytes
snowmen(void)
{
	static uint8_t data[3000];

	for (size_t i = 0; i < sizeof(data); i += 3)
		memcpy(data + i, "\xE2\x98\x83", 3);
	return (struct mqev_bytes){data, sizeof(data)};
}

START_TEST(long_name)
{
	struct mqev_publish_packet p = {.topic = snowmen()};
	char line[512];
	char *end;

	mqev_packet_print(MQEV_V311, true, MQEV_PACKET_PUBLISH,
	    (union mqev_packet_view){.publish = &p}, line, sizeof(line));
	end = strstr(line, "'...");
	ck_assert_ptr_nonnull(end);
	ck_assert_str_eq(end, "'..., ... (0 bytes)");
	ck_assert_int_eq(end - strchr(line, '\''), 1 + 99);
	/* Nothing but continuations: no character to stand back to. */
	p.topic.data = memset(calloc(1, 1000), 0x80, 1000);
	p.topic.len = 1000;
	ck_assert_ptr_nonnull(strstr(
	    line_of(MQEV_V31, true, MQEV_PACKET_PUBLISH, (union mqev_packet_view){.publish = &p}),
	    "\\x80\\x80'..., ..."));
	free((void *)p.topic.data);
}
END_TEST

/* In room of every size: terminated, within it, and told that something is missing. */
START_TEST(long_line)
{
	const struct mqev_publish_packet p = {.topic = snowmen()};
	char whole[512];
	char line[512];
	size_t len;

	mqev_packet_print(MQEV_V311, true, MQEV_PACKET_PUBLISH,
	    (union mqev_packet_view){.publish = &p}, whole, sizeof(whole));
	len = strlen(whole);
	for (size_t size = 4; size <= len; size++) {
		size_t kept;

		memset(line, '#', sizeof(line));
		mqev_packet_print(MQEV_V311, true, MQEV_PACKET_PUBLISH,
		    (union mqev_packet_view){.publish = &p}, line, size);
		ck_assert_int_eq(line[size], '#');
		kept = strlen(line);
		ck_assert_uint_lt(kept, size);
		ck_assert_uint_ge(kept + 3, size - 1);
		ck_assert_str_eq(line + kept - 3, "...");
		ck_assert_int_eq(strncmp(line, whole, kept - 3), 0);
		ck_assert_msg((whole[kept - 3] & 0xC0) != 0x80, "cut amidst a character");
	}
	mqev_packet_print(MQEV_V311, true, MQEV_PACKET_PUBLISH,
	    (union mqev_packet_view){.publish = &p}, line, len + 1);
	ck_assert_str_eq(line, whole);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, connect_sent);
	tcase_add_test(tc, connect_with_all);
	tcase_add_test(tc, publish_sent);
	tcase_add_test(tc, publish_with_properties);
	tcase_add_loop_test(tc, acks_sent, 0, 4);
	tcase_add_test(tc, requests_sent);
	tcase_add_test(tc, last_words_sent);
	tcase_add_loop_test(tc, each_received, 0, (int)COUNT_OF(received));
	tcase_add_loop_test(tc, harmless, 0, (int)COUNT_OF(hostile));
	tcase_add_test(tc, long_name);
	tcase_add_test(tc, long_line);
}

int
main(void)
{
	return unit_run("packet_print", add);
}
