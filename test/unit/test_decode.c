/*
 * Packets from a server: vectors with the verdict on each, cuts at every byte, every byte
 * changed to every value.
 */
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "core/decode.h"
#include "core/encode.h"
#include "core/properties.h"

enum {
	GOOD = 0, /* decodes */
	HEAD = 1, /* the header is lawful, the body is not there */
	MORE = 2, /* the header is not complete */
	M = 0x81,
	P = 0x82,
	ALIAS = 0x94
};

struct vector {
	enum mqev_version version;
	int verdict;
	const char *hex;
};

/* The verdict on the bytes, which end where their block ends. */
static int
verdict_on(enum mqev_version version, struct mqev_bytes bytes, struct mqev_packet *packet)
{
	struct mqev_fault fault = {0, NULL};
	struct mqev_frame frame;

	switch (mqev_frame_parse(version, bytes.data, bytes.len, &frame, &fault)) {
	case MQEV_FRAME_MORE:
		ck_assert_uint_eq(fault.reason, 0);
		return MORE;
	case MQEV_FRAME_BAD:
		ck_assert_ptr_nonnull(fault.text);
		return fault.reason;
	case MQEV_FRAME_WHOLE:
		break;
	}
	if (frame.header_len + (size_t)frame.body_len > bytes.len)
		return HEAD;
	if (mqev_packet_decode(version, &frame, bytes.data, packet, &fault)) {
		ck_assert_uint_eq(fault.reason, 0);
		ck_assert_uint_eq(packet->size, frame.header_len + (size_t)frame.body_len);
		return GOOD;
	}
	ck_assert_uint_ge(fault.reason, 0x80);
	ck_assert_ptr_nonnull(fault.text);
	return fault.reason;
}

static void
check_vector(const struct vector *v)
{
	struct mqev_bytes bytes = unit_hex(v->hex);
	struct mqev_packet packet;
	int verdict = verdict_on(v->version, bytes, &packet);

	ck_assert_msg(verdict == v->verdict, "version %d, %s: %02X, not %02X", (int)v->version,
	    v->hex, (unsigned)verdict, (unsigned)v->verdict);
	free((void *)bytes.data);
}

static const struct vector framing[] = {
    {MQEV_V5, M, "00 00"},
    {MQEV_V5, M, "0F"},
    {MQEV_V5, P, "10 00"},
    {MQEV_V5, P, "82 06 0001 0001 61 00"},
    {MQEV_V5, P, "A2 05 0001 0001 61"},
    {MQEV_V5, P, "C0 00"},
    {MQEV_V5, M, "D1 00"},
    {MQEV_V5, M, "D0 01 00"},
    {MQEV_V5, GOOD, "D0 00"},
    {MQEV_V5, M, "42 02 0001"},
    {MQEV_V5, M, "6A 02 0001"},
    {MQEV_V5, M, "60 02 0001"},
    {MQEV_V5, M, "29 02 00 01"},
    {MQEV_V5, M, "91"},
    {MQEV_V5, M, "B8"},
    {MQEV_V5, M, "30 FF FF FF FF 01"},
    {MQEV_V5, M, "30 FF FF FF FF"},
    {MQEV_V5, M, "40 82 80 00 0001"},
    {MQEV_V5, M, "D0 80 00"},
    {MQEV_V5, MORE, "D0 80"},
    {MQEV_V5, HEAD, "30 FF FF FF 7F"},
    {MQEV_V5, HEAD, "30 FD 07"},
    {MQEV_V5, M, "48 54 54 50"},
    {MQEV_V5, M, "48"},
    {MQEV_V5, P, "15 03 01 00 02 02 28"},
    {MQEV_V311, M, "00 00"},
    {MQEV_V311, P, "F0 00"},
    {MQEV_V311, P, "E0 00"},
    {MQEV_V31, P, "E0 00"},
    {MQEV_V311, P, "82 06 0001 0001 61 00"},
    {MQEV_V311, P, "A2 05 0001 0001 61"},
    {MQEV_V311, M, "D1 00"},
    {MQEV_V311, M, "D0 01 00"},
    {MQEV_V311, M, "6A 02 0001"},
    {MQEV_V311, M, "42 02 0001"},
    {MQEV_V311, M, "30 FF FF FF FF 01"},
    {MQEV_V311, HEAD, "30 FF FF FF 7F"},
    {MQEV_V311, M, "40 FF FF FF 7F"},
    {MQEV_V311, GOOD, "40 82 80 00 0001"},
    {MQEV_V311, GOOD, "D0 80 80 80 00"},
    {MQEV_V311, M, "D0 80 80 80 80"},
    {MQEV_V311, M, "48 54 54 50"},
    {MQEV_V311, P, "15 03 01 00 02 02 28"},
    {MQEV_V31, GOOD, "6A 02 0001"},
    {MQEV_V31, GOOD, "62 02 0001"},
    {MQEV_V31, GOOD, "DF 00"},
    {MQEV_V31, GOOD, "42 02 0001"},
    {MQEV_V31, GOOD, "9F 03 0001 00"},
    {MQEV_V31, M, "36 05 0001 61 0001"},
    {MQEV_V31, M, "00"},
    {MQEV_V31, P, "F0"},
};

START_TEST(fixed_header)
{
	check_vector(&framing[_i]);
}
END_TEST

static const struct vector connacks[] = {
    {MQEV_V5, GOOD, "20 03 00 00 00"},
    {MQEV_V5, M, "20 02 00 00"},
    {MQEV_V5, GOOD, "20 02 00 01"},
    {MQEV_V5, M, "20 02 01 01"},
    {MQEV_V5, M, "20 02 00 05"},
    {MQEV_V5, M, "20 02 00 84"},
    {MQEV_V5, M, "20 03 02 00 00"},
    {MQEV_V5, M, "20 03 80 00 00"},
    {MQEV_V5, GOOD, "20 03 01 00 00"},
    {MQEV_V5, P, "20 03 00 8B 00"},
    {MQEV_V5, P, "20 03 00 01 00"},
    {MQEV_V5, GOOD, "20 03 01 87 00"},
    {MQEV_V5, P, "20 08 00 00 05 27 00000000"},
    {MQEV_V5, GOOD, "20 08 00 00 05 27 00000001"},
    {MQEV_V5, P, "20 05 00 00 02 24 02"},
    {MQEV_V5, GOOD, "20 05 00 00 02 24 01"},
    {MQEV_V5, P, "20 05 00 00 02 25 02"},
    {MQEV_V5, P, "20 05 00 00 02 28 02"},
    {MQEV_V5, P, "20 05 00 00 02 29 02"},
    {MQEV_V5, P, "20 05 00 00 02 2A FF"},
    {MQEV_V5, P, "20 06 00 00 03 21 0000"},
    {MQEV_V5, P, "20 09 00 00 06 21 0005 21 0005"},
    {MQEV_V5, M, "20 05 00 00 02 17 01"},
    {MQEV_V5, M, "20 05 00 00 02 7F 00"},
    {MQEV_V5, M, "20 05 00 00 02 00 00"},
    {MQEV_V5, M, "20 06 00 00 03 A4 00 01"},
    {MQEV_V5, M, "20 03 00 00 05"},
    {MQEV_V5, M, "20 05 00 00 01 24 01"},
    {MQEV_V5, M, "20 04 00 00 01 24"},
    {MQEV_V5, M, "20 07 00 00 04 12 0005 61"},
    {MQEV_V5, GOOD, "20 07 00 00 04 15 0001 61"},
    {MQEV_V5, M, "20 04 00 00 00 00"},
    {MQEV_V5, M, "20 05 00 00 80 00 00"},
    {MQEV_V5, M, "20 00"},
    {MQEV_V5, M, "20 01 00"},
    {MQEV_V5, M, "20 09 00 00 06 1F 0003 61C080"},
    {MQEV_V311, GOOD, "20 02 00 00"},
    {MQEV_V311, GOOD, "20 02 01 00"},
    {MQEV_V311, GOOD, "20 02 00 05"},
    {MQEV_V311, GOOD, "20 02 01 05"},
    {MQEV_V311, P, "20 02 00 06"},
    {MQEV_V311, P, "20 02 00 FF"},
    {MQEV_V311, M, "20 02 02 00"},
    {MQEV_V311, M, "20 03 00 00 00"},
    {MQEV_V311, M, "20 01 00"},
    {MQEV_V31, GOOD, "20 02 FE 00"},
    {MQEV_V31, P, "20 02 00 06"},
    {MQEV_V31, M, "20 03 00 00 00"},
};

START_TEST(connack)
{
	check_vector(&connacks[_i]);
}
END_TEST

static const struct vector publishes[] = {
    {MQEV_V5, GOOD, "30 06 0001 61 00 6869"},
    {MQEV_V5, GOOD, "30 04 0001 61 00"},
    {MQEV_V5, M, "36 06 0001 61 0001 00"},
    {MQEV_V5, M, "38 04 0001 61 00"},
    {MQEV_V5, GOOD, "3D 06 0001 61 0001 00"},
    {MQEV_V5, P, "30 03 0000 00"},
    {MQEV_V5, GOOD, "30 06 0000 03 23 0001"},
    {MQEV_V5, P, "32 07 0000 0001 02 01 00"},
    {MQEV_V5, ALIAS, "30 07 0001 61 03 23 0000"},
    {MQEV_V5, GOOD, "30 07 0001 61 03 23 000B"},
    {MQEV_V5, P, "30 0A 0001 61 06 23 0001 23 0001"},
    {MQEV_V5, M, "30 04 0001 23 00"},
    {MQEV_V5, M, "30 06 0003 612F2B 00"},
    {MQEV_V5, M, "30 05 0002 6100 00"},
    {MQEV_V5, M, "30 05 0002 C080 00"},
    {MQEV_V5, M, "30 06 0003 EDA080 00"},
    {MQEV_V5, M, "30 07 0004 F0808081 00"},
    {MQEV_V5, M, "30 07 0004 F4908080 00"},
    {MQEV_V5, M, "30 05 0002 E282 00"},
    {MQEV_V5, M, "30 04 0001 80 00"},
    {MQEV_V5, GOOD, "30 06 0003 EFBBBF 00"},
    {MQEV_V5, GOOD, "30 04 0001 01 00"},
    {MQEV_V5, M, "30 04 0005 61 00"},
    {MQEV_V5, M, "30 06 FFFF 61 00 61 61"},
    {MQEV_V5, M, "30 00"},
    {MQEV_V5, M, "30 02 0000"},
    {MQEV_V5, M, "30 03 0001 61"},
    {MQEV_V5, M, "32 04 0001 61 00"},
    {MQEV_V5, M, "32 05 0001 61 0001"},
    {MQEV_V5, P, "32 06 0001 61 0000 00"},
    {MQEV_V5, P, "34 06 0001 61 0000 00"},
    {MQEV_V5, M, "30 04 0001 61 7F"},
    {MQEV_V5, M, "30 08 0001 61 FFFFFFFF7F"},
    {MQEV_V5, P, "30 06 0001 61 02 01 02"},
    {MQEV_V5, P, "30 08 0001 61 04 0100 0101"},
    {MQEV_V5, P, "30 06 0001 61 02 0B 00"},
    {MQEV_V5, GOOD, "30 08 0001 61 04 0B01 0B01"},
    {MQEV_V5, M, "30 0A 0001 61 06 0B FFFFFFFF01"},
    {MQEV_V5, M, "30 07 0001 61 03 0B 8100"},
    {MQEV_V5, M, "30 08 0001 61 04 08 0001 2B"},
    {MQEV_V5, P, "30 07 0001 61 03 08 0000"},
    {MQEV_V5, M, "30 08 0001 61 04 1F 0001 61"},
    {MQEV_V5, M, "30 0B 0001 61 07 26 0001 C3 0001 62"},
    {MQEV_V5, M, "30 0B 0001 61 07 26 0001 62 0001 C3"},
    {MQEV_V5, GOOD, "30 0E 0001 61 0A 26 0000 0000 26 0000 0000"},
    {MQEV_V5, M, "30 08 0001 61 04 09 0009 61"},
    {MQEV_V5, GOOD, "30 08 0001 61 04 09 0001 00"},
    {MQEV_V5, P, "30 0C 0001 61 08 03 0001 61 03 0001 61"},
    {MQEV_V5, M, "30 09 0001 61 05 11 00000001"},
    {MQEV_V311, GOOD, "30 03 0001 61"},
    {MQEV_V311, GOOD, "30 05 0001 61 6869"},
    {MQEV_V311, M, "38 03 0001 61"},
    {MQEV_V311, P, "30 02 0000"},
    {MQEV_V311, M, "30 01 00"},
    {MQEV_V311, M, "30 00"},
    {MQEV_V311, M, "36 05 0001 61 0001"},
    {MQEV_V311, M, "32 03 0001 61"},
    {MQEV_V311, M, "32 04 0001 61 00"},
    {MQEV_V311, P, "32 05 0001 61 0000"},
    {MQEV_V311, GOOD, "32 05 0001 61 0001"},
    {MQEV_V311, M, "30 03 0001 23"},
    {MQEV_V311, M, "30 04 0002 6100"},
    {MQEV_V311, M, "30 04 0002 C080"},
    {MQEV_V311, M, "30 06 0004 F0808081"},
    {MQEV_V311, M, "30 04 0002 E282"},
    {MQEV_V311, M, "30 03 0001 80"},
    {MQEV_V311, GOOD, "30 05 0003 EFBBBF"},
    {MQEV_V311, M, "30 03 0005 61"},
    {MQEV_V31, GOOD, "38 03 0001 61"},
    {MQEV_V31, GOOD, "30 04 0002 6100"},
    {MQEV_V31, GOOD, "30 03 0001 80"},
    {MQEV_V31, M, "30 03 0001 2B"},
    {MQEV_V31, M, "30 03 0005 61"},
    {MQEV_V31, P, "30 02 0000"},
    {MQEV_V31, P, "32 05 0001 61 0000"},
};

START_TEST(publish)
{
	check_vector(&publishes[_i]);
}
END_TEST

static const struct vector acks[] = {
    {MQEV_V5, M, "40 00"},
    {MQEV_V5, M, "40 01 00"},
    {MQEV_V5, GOOD, "40 02 0001"},
    {MQEV_V5, GOOD, "40 03 0001 10"},
    {MQEV_V5, GOOD, "40 04 0001 10 00"},
    {MQEV_V5, GOOD, "50 08 0001 97 04 1F 0001 61"},
    {MQEV_V5, M, "40 05 0001 00 00 00"},
    {MQEV_V5, M, "40 04 0001 00 01"},
    {MQEV_V5, M, "40 04 0001 00 80"},
    {MQEV_V5, P, "40 02 0000"},
    {MQEV_V5, P, "62 02 0000"},
    {MQEV_V5, P, "40 03 0001 FF"},
    {MQEV_V5, P, "40 03 0001 92"},
    {MQEV_V5, P, "50 03 0001 92"},
    {MQEV_V5, GOOD, "62 03 0001 92"},
    {MQEV_V5, P, "62 03 0001 80"},
    {MQEV_V5, P, "70 03 0001 10"},
    {MQEV_V5, GOOD, "70 03 0001 92"},
    {MQEV_V5, M, "50 07 0001 00 03 21 0001"},
    {MQEV_V5, P, "40 0C 0001 80 08 1F 0001 61 1F 0001 61"},
    {MQEV_V5, M, "40 08 0001 80 04 1F 0001 FF"},
    {MQEV_V311, GOOD, "40 02 0001"},
    {MQEV_V311, GOOD, "50 02 0001"},
    {MQEV_V311, GOOD, "62 02 0001"},
    {MQEV_V311, GOOD, "70 02 FFFF"},
    {MQEV_V311, M, "40 03 0001 00"},
    {MQEV_V311, M, "40 00"},
    {MQEV_V311, P, "70 02 0000"},
    {MQEV_V31, M, "40 03 0001 00"},
};

START_TEST(acknowledgements)
{
	check_vector(&acks[_i]);
}
END_TEST

static const struct vector subacks[] = {
    {MQEV_V5, GOOD, "90 04 0001 00 00"},
    {MQEV_V5, GOOD, "90 05 0001 00 00 00"},
    {MQEV_V5, GOOD, "90 09 0001 04 1F 0001 61 02 A2"},
    {MQEV_V5, P, "90 04 0001 00 03"},
    {MQEV_V5, P, "90 05 0001 00 00 11"},
    {MQEV_V5, M, "90 02 0001"},
    {MQEV_V5, M, "90 03 0001 00"},
    {MQEV_V5, M, "90 04 0001 01 00"},
    {MQEV_V5, M, "90 07 0001 04 1F 0001 61"},
    {MQEV_V5, M, "90 01 00"},
    {MQEV_V5, P, "90 04 0000 00 00"},
    {MQEV_V5, M, "90 06 0001 02 0B 01 00"},
    {MQEV_V5, GOOD, "B0 05 0001 00 00 11"},
    {MQEV_V5, P, "B0 04 0001 00 01"},
    {MQEV_V5, P, "B0 04 0000 00 00"},
    {MQEV_V5, M, "B0 02 0001"},
    {MQEV_V5, M, "B0 03 0001 00"},
    {MQEV_V311, GOOD, "90 06 0001 00 01 02 80"},
    {MQEV_V311, P, "90 03 0001 03"},
    {MQEV_V311, P, "90 04 0001 00 81"},
    {MQEV_V311, M, "90 02 0001"},
    {MQEV_V311, M, "90 01 00"},
    {MQEV_V311, P, "90 03 0000 00"},
    {MQEV_V311, GOOD, "B0 02 0001"},
    {MQEV_V311, M, "B0 03 0001 00"},
    {MQEV_V311, P, "B0 02 0000"},
    {MQEV_V31, GOOD, "90 04 0001 02 80"},
    {MQEV_V31, P, "90 03 0001 03"},
    {MQEV_V31, M, "B0 03 0001 00"},
};

START_TEST(suback_unsuback)
{
	check_vector(&subacks[_i]);
}
END_TEST

static const struct vector ends[] = {
    {MQEV_V5, GOOD, "E0 00"},
    {MQEV_V5, GOOD, "E0 01 8E"},
    {MQEV_V5, GOOD, "E0 02 8C 00"},
    {MQEV_V5, GOOD, "E0 06 9D 04 1C 0001 61"},
    {MQEV_V5, M, "E1 00"},
    {MQEV_V5, P, "E0 01 04"},
    {MQEV_V5, P, "E0 01 84"},
    {MQEV_V5, P, "E0 07 00 05 11 00000000"},
    {MQEV_V5, M, "E0 02 8B 05"},
    {MQEV_V5, M, "E0 03 8B 00 00"},
    {MQEV_V5, M, "E0 07 8B 05 27 00000001"},
    {MQEV_V5, P, "F0 00"},
    {MQEV_V5, M, "F0 01 18"},
    {MQEV_V5, P, "F0 02 18 00"},
    {MQEV_V5, P, "F0 06 18 04 1F 0001 61"},
    {MQEV_V5, GOOD, "F0 06 18 04 15 0001 61"},
    {MQEV_V5, GOOD, "F0 0A 00 08 15 0005 534352414D"},
    {MQEV_V5, P, "F0 0A 19 08 15 0005 534352414D"},
    {MQEV_V5, P, "F0 0A 80 08 15 0005 534352414D"},
    {MQEV_V5, P, "F0 0A 18 08 15 0001 61 15 0001 61"},
    {MQEV_V5, M, "F0 07 18 04 15 0001 61 00"},
    {MQEV_V5, M, "F1 00"},
};

START_TEST(disconnect_auth)
{
	check_vector(&ends[_i]);
}
END_TEST

static struct mqev_packet
decoded(enum mqev_version version, struct mqev_bytes bytes)
{
	struct mqev_packet packet;

	memset(&packet, 0xEE, sizeof(packet));
	ck_assert_int_eq(verdict_on(version, bytes, &packet), GOOD);
	return packet;
}

START_TEST(fields_of_connack)
{
	struct mqev_bytes v5 = unit_hex("20 06 01 00 03 21 0014");
	struct mqev_bytes refused = unit_hex("20 02 00 05");
	struct mqev_bytes foreign = unit_hex("20 02 00 01");
	struct mqev_packet packet = decoded(MQEV_V5, v5);
	struct mqev_properties list = mqev_properties_view(packet.u.connack.properties);

	ck_assert_int_eq(packet.type, MQEV_PACKET_CONNACK);
	ck_assert_uint_eq(packet.size, 8);
	ck_assert(packet.u.connack.session_present);
	ck_assert_uint_eq(packet.u.connack.reason, 0);
	ck_assert_uint_eq(mqev_properties_integer(&list, MQEV_PROP_RECEIVE_MAXIMUM, 0), 20);

	packet = decoded(MQEV_V311, refused);
	ck_assert(!packet.u.connack.session_present);
	ck_assert_uint_eq(packet.u.connack.code, 5);
	ck_assert_uint_eq(packet.u.connack.reason, 0x87);
	ck_assert_uint_eq(packet.u.connack.properties.len, 0);

	packet = decoded(MQEV_V5, foreign);
	ck_assert_uint_eq(packet.u.connack.code, 1);
	ck_assert_uint_eq(packet.u.connack.reason, 0x84);
	free((void *)v5.data);
	free((void *)refused.data);
	free((void *)foreign.data);
}
END_TEST

START_TEST(session_present_is_not_of_31)
{
	struct mqev_bytes bytes = unit_hex("20 02 01 00");
	struct mqev_packet packet = decoded(MQEV_V31, bytes);

	ck_assert(!packet.u.connack.session_present);
	free((void *)bytes.data);
}
END_TEST

START_TEST(fields_of_publish)
{
	struct mqev_bytes v5 = unit_hex("3D 0C 0003 612F62 1234 02 01 01 6869");
	struct mqev_bytes v3 = unit_hex("31 03 0001 61");
	struct mqev_packet packet = decoded(MQEV_V5, v5);

	ck_assert_int_eq(packet.type, MQEV_PACKET_PUBLISH);
	ck_assert(packet.u.publish.dup);
	ck_assert(packet.u.publish.retain);
	ck_assert_uint_eq(packet.u.publish.qos, 2);
	ck_assert_uint_eq(packet.u.publish.mid, 0x1234);
	unit_same(packet.u.publish.topic, unit_text("a/b"), "topic");
	unit_same(packet.u.publish.properties, unit_text("\x01\x01"), "properties");
	unit_same(packet.u.publish.payload, unit_text("hi"), "payload");

	packet = decoded(MQEV_V311, v3);
	ck_assert(!packet.u.publish.dup);
	ck_assert(packet.u.publish.retain);
	ck_assert_uint_eq(packet.u.publish.qos, 0);
	ck_assert_uint_eq(packet.u.publish.mid, 0);
	ck_assert_uint_eq(packet.u.publish.properties.len, 0);
	ck_assert_uint_eq(packet.u.publish.payload.len, 0);
	free((void *)v5.data);
	free((void *)v3.data);
}
END_TEST

START_TEST(fields_of_the_others)
{
	struct mqev_bytes ack = unit_hex("50 03 FFFE 97");
	struct mqev_bytes suback = unit_hex("90 06 0102 00 01 80 02");
	struct mqev_bytes unsuback = unit_hex("B0 02 0102");
	struct mqev_bytes end = unit_hex("E0 06 8B 04 1F 0001 78");
	struct mqev_packet packet = decoded(MQEV_V5, ack);

	ck_assert_int_eq(packet.type, MQEV_PACKET_PUBREC);
	ck_assert_uint_eq(packet.u.ack.mid, 0xFFFE);
	ck_assert_uint_eq(packet.u.ack.reason, 0x97);
	ck_assert_uint_eq(packet.u.ack.properties.len, 0);

	packet = decoded(MQEV_V5, suback);
	ck_assert_uint_eq(packet.u.suback.mid, 0x0102);
	unit_same(packet.u.suback.codes, unit_text("\x01\x80\x02"), "codes");

	packet = decoded(MQEV_V311, unsuback);
	ck_assert_int_eq(packet.type, MQEV_PACKET_UNSUBACK);
	ck_assert_uint_eq(packet.u.suback.mid, 0x0102);
	ck_assert_uint_eq(packet.u.suback.codes.len, 0);
	ck_assert_uint_eq(packet.u.suback.properties.len, 0);

	packet = decoded(MQEV_V5, end);
	ck_assert_int_eq(packet.type, MQEV_PACKET_DISCONNECT);
	ck_assert_uint_eq(packet.u.reason.reason, 0x8B);
	ck_assert_uint_eq(packet.u.reason.properties.len, 4);
	free((void *)ack.data);
	free((void *)suback.data);
	free((void *)unsuback.data);
	free((void *)end.data);
}
END_TEST

/* One of each, with all that it can hold. */
static const struct vector whole[] = {
    {MQEV_V311, GOOD, "20 02 01 00"},
    {MQEV_V5, GOOD,
	"20 40 00 00 3D 11 00000010 12 0002 6964 13 001E 15 0001 6D 16 0001 00 1A 0001 72 1C 0001 "
	"73"
	"1F 0001 74 21 0001 22 0001 24 01 25 00 26 0001 61 0001 62 27 00000400 28 01 29 01 2A 01"},
    {MQEV_V5, GOOD,
	"3B 2C 0003 612F62 0001 21 01 01 02 0000003C 03 0001 74 08 0001 72 09 0002 0001 0B 8101 23 "
	"0001"
	"26 0001 61 0001 62 6869 21"},
    {MQEV_V311, GOOD, "32 07 0001 61 0001 6869"},
    {MQEV_V5, GOOD, "40 0F 0001 80 0B 1F 0001 61 26 0001 61 0001 62"},
    {MQEV_V311, GOOD, "62 02 0001"},
    {MQEV_V5, GOOD, "90 0C 0001 07 26 0001 61 0001 62 01 80"},
    {MQEV_V311, GOOD, "90 05 0001 00 01 80"},
    {MQEV_V5, GOOD, "B0 0B 0001 07 26 0001 61 0001 62 11"},
    {MQEV_V5, GOOD, "D0 00"},
    {MQEV_V5, GOOD, "E0 11 9C 0F 1C 0001 73 1F 0001 72 26 0001 61 0001 62"},
    {MQEV_V5, GOOD, "F0 15 18 13 15 0001 6D 16 0001 00 1F 0001 72 26 0001 61 0001 62"},
};

static struct mqev_bytes
exact_copy(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, data, len);
	return (struct mqev_bytes){copy, len};
}

/* Bytes that end early say so, and never anything about a packet. */
START_TEST(prefixes)
{
	struct mqev_bytes bytes = unit_hex(whole[_i].hex);
	struct mqev_packet packet;
	size_t len;

	bytes.len = 2 + (size_t)bytes.data[1];
	for (len = 0; len < bytes.len; len++) {
		struct mqev_bytes cut = exact_copy(bytes.data, len);

		ck_assert_int_eq(
		    verdict_on(whole[_i].version, cut, &packet), len < 2 ? MORE : HEAD);
		free((void *)cut.data);
	}
	ck_assert_int_eq(verdict_on(whole[_i].version, bytes, &packet), GOOD);
	free((void *)bytes.data);
}
END_TEST

/* The same with a Remaining Length that lies: short bodies are judged within their own block. */
START_TEST(cut_bodies)
{
	struct mqev_bytes bytes = unit_hex(whole[_i].hex);
	struct mqev_packet packet;
	unsigned good = 0;
	size_t len;

	for (len = 0; len < bytes.data[1]; len++) {
		struct mqev_bytes cut = exact_copy(bytes.data, 2 + len);

		((uint8_t *)cut.data)[1] = (uint8_t)len;
		good += verdict_on(whole[_i].version, cut, &packet) == GOOD;
		free((void *)cut.data);
	}
	/* Payload, reason code and codes of a list may be fewer; nothing else ends early. */
	ck_assert_uint_le(good, 4);
	free((void *)bytes.data);
}
END_TEST

/* Every view that a packet has lies within its bytes. */
static void
check_view(struct mqev_bytes whole_packet, struct mqev_bytes view)
{
	if (view.len == 0)
		return;
	ck_assert(view.data >= whole_packet.data);
	ck_assert(view.data + view.len <= whole_packet.data + whole_packet.len);
}

static void
check_views(struct mqev_bytes bytes, const struct mqev_packet *packet)
{
	if (packet->type == MQEV_PACKET_PUBLISH) {
		check_view(bytes, packet->u.publish.topic);
		check_view(bytes, packet->u.publish.properties);
		check_view(bytes, packet->u.publish.payload);
	} else if (packet->type == MQEV_PACKET_SUBACK || packet->type == MQEV_PACKET_UNSUBACK) {
		check_view(bytes, packet->u.suback.properties);
		check_view(bytes, packet->u.suback.codes);
	}
}

START_TEST(each_byte_changed_to_each_value)
{
	static const enum mqev_version versions[] = {MQEV_V31, MQEV_V311, MQEV_V5};
	struct mqev_bytes bytes = unit_hex(whole[_i].hex);
	uint8_t *data = (uint8_t *)bytes.data;
	struct mqev_packet packet;
	unsigned value, good = 0;
	size_t at, v;

	for (at = 0; at < bytes.len; at++) {
		uint8_t kept = data[at];

		for (value = 0; value < 256; value++)
			for (v = 0; v < COUNT_OF(versions); v++) {
				data[at] = (uint8_t)value;
				if (verdict_on(versions[v], bytes, &packet) != GOOD)
					continue;
				check_views(bytes, &packet);
				good++;
			}
		data[at] = kept;
	}
	ck_assert_uint_ge(good, bytes.len);
	free((void *)bytes.data);
}
END_TEST

START_TEST(long_header_at_each_byte)
{
	static const uint8_t bytes[] = {0x30, 0x80, 0x80, 0x80, 0x01};
	struct mqev_fault fault = {0, NULL};
	struct mqev_frame frame;
	size_t len;

	for (len = 0; len < sizeof(bytes); len++)
		ck_assert_int_eq(
		    mqev_frame_parse(MQEV_V5, bytes, len, &frame, &fault), MQEV_FRAME_MORE);
	ck_assert_int_eq(mqev_frame_parse(MQEV_V5, bytes, len, &frame, &fault), MQEV_FRAME_WHOLE);
	ck_assert_uint_eq(frame.header_len, 5);
	ck_assert_uint_eq(frame.body_len, 2097152);
	ck_assert_uint_eq(frame.first, 0x30);
}
END_TEST

START_TEST(topic_of_65535_slashes)
{
	size_t size = 4 + 2 + 65535 + 1;
	uint8_t *data = malloc(size);
	struct mqev_packet packet;
	struct mqev_writer w;

	ck_assert_ptr_nonnull(data);
	mqev_writer_init(&w, data, size);
	mqev_write_u8(&w, 0x30);
	mqev_write_varint(&w, 65538);
	mqev_write_u16(&w, 65535);
	memset(w.at, '/', 65535);
	data[size - 1] = 0;
	packet = decoded(MQEV_V5, (struct mqev_bytes){data, size});
	ck_assert_uint_eq(packet.u.publish.topic.len, 65535);
	ck_assert_uint_eq(packet.u.publish.payload.len, 0);
	free(data);
}
END_TEST

/* 200,000 user properties are one pass; the test's deadline is the proof. */
START_TEST(many_properties)
{
	size_t count = 200000, item = 5, block = count * item;
	size_t size = 1 + 4 + 3 + 3 + block;
	uint8_t *data = malloc(size);
	struct mqev_packet packet;
	struct mqev_properties list;
	struct mqev_writer w;
	size_t i;

	ck_assert_ptr_nonnull(data);
	mqev_writer_init(&w, data, size);
	mqev_write_u8(&w, 0x30);
	mqev_write_varint(&w, (uint32_t)(3 + 3 + block));
	mqev_write_binary(&w, unit_text("a"));
	mqev_write_varint(&w, (uint32_t)block);
	for (i = 0; i < count; i++) {
		mqev_write_u8(&w, 0x26);
		mqev_write_u32(&w, 0);
	}
	ck_assert(!w.failed);
	packet = decoded(MQEV_V5, (struct mqev_bytes){data, (size_t)(w.at - data)});
	list = mqev_properties_view(packet.u.publish.properties);
	ck_assert_uint_eq(mqev_properties_count(&list), count);
	free(data);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_loop_test(tc, fixed_header, 0, (int)COUNT_OF(framing));
	tcase_add_loop_test(tc, connack, 0, (int)COUNT_OF(connacks));
	tcase_add_loop_test(tc, publish, 0, (int)COUNT_OF(publishes));
	tcase_add_loop_test(tc, acknowledgements, 0, (int)COUNT_OF(acks));
	tcase_add_loop_test(tc, suback_unsuback, 0, (int)COUNT_OF(subacks));
	tcase_add_loop_test(tc, disconnect_auth, 0, (int)COUNT_OF(ends));
	tcase_add_test(tc, fields_of_connack);
	tcase_add_test(tc, session_present_is_not_of_31);
	tcase_add_test(tc, fields_of_publish);
	tcase_add_test(tc, fields_of_the_others);
	tcase_add_loop_test(tc, prefixes, 0, (int)COUNT_OF(whole));
	tcase_add_loop_test(tc, cut_bodies, 0, (int)COUNT_OF(whole));
	tcase_add_loop_test(tc, each_byte_changed_to_each_value, 0, (int)COUNT_OF(whole));
	tcase_add_test(tc, long_header_at_each_byte);
	tcase_add_test(tc, topic_of_65535_slashes);
	tcase_add_test(tc, many_properties);
}

int
main(void)
{
	return unit_run("decode", add);
}
