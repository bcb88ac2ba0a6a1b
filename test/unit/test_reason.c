/*
 * Reason codes: which packet may carry which from whom, their names, classes, and the older
 * versions' codes.
 */
#include "unit/unit.h"

#include <string.h>

#include "core/reason.h"

/* The codes of a packet, as listed in sections 3.2 to 3.15 of the standard. */
static const struct {
	enum mqev_packet_type packet;
	enum mqev_sender sender;
	const char *codes;
} lists[] = {
    {MQEV_PACKET_CONNACK, MQEV_FROM_SERVER,
	"00 80 81 82 83 84 85 86 87 88 89 8A 8C 90 95 97 99 9A 9B 9C 9D 9F"},
    {MQEV_PACKET_PUBACK, MQEV_FROM_SERVER, "00 10 80 83 87 90 91 97 99"},
    {MQEV_PACKET_PUBREC, MQEV_FROM_SERVER, "00 10 80 83 87 90 91 97 99"},
    {MQEV_PACKET_PUBREL, MQEV_FROM_SERVER, "00 92"},
    {MQEV_PACKET_PUBCOMP, MQEV_FROM_SERVER, "00 92"},
    {MQEV_PACKET_SUBACK, MQEV_FROM_SERVER, "00 01 02 80 83 87 8F 91 97 9E A1 A2"},
    {MQEV_PACKET_UNSUBACK, MQEV_FROM_SERVER, "00 11 80 83 87 8F 91"},
    {MQEV_PACKET_DISCONNECT, MQEV_FROM_SERVER,
	"00 80 81 82 83 87 89 8B 8C 8D 8E 8F 90 93 94 95 96 97 98 99 9A 9B 9C 9D 9E 9F A0 A1 A2"},
    {MQEV_PACKET_AUTH, MQEV_FROM_SERVER, "00 18"},
    {MQEV_PACKET_PUBACK, MQEV_FROM_CLIENT, "00 80 83 87 90 91 97 99"},
    {MQEV_PACKET_PUBREC, MQEV_FROM_CLIENT, "00 80 83 87 90 91 97 99"},
    {MQEV_PACKET_PUBREL, MQEV_FROM_CLIENT, "00 92"},
    {MQEV_PACKET_PUBCOMP, MQEV_FROM_CLIENT, "00 92"},
    {MQEV_PACKET_DISCONNECT, MQEV_FROM_CLIENT, "00 04 80 81 82 83 90 93 94 95 96 97 98 99"},
    {MQEV_PACKET_AUTH, MQEV_FROM_CLIENT, "18 19"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, ""},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_CLIENT, ""},
    {MQEV_PACKET_CONNACK, MQEV_FROM_CLIENT, ""},
    {MQEV_PACKET_SUBACK, MQEV_FROM_CLIENT, ""},
    {MQEV_PACKET_UNSUBACK, MQEV_FROM_CLIENT, ""},
    {MQEV_PACKET_PINGRESP, MQEV_FROM_SERVER, ""},
    {MQEV_PACKET_WILL, MQEV_FROM_CLIENT, ""},
};

static bool
listed(const char *codes, unsigned code)
{
	static const char digits[] = "0123456789ABCDEF";
	const char text[] = {digits[code >> 4], digits[code & 15], '\0'};

	for (; *codes != '\0'; codes += codes[2] == ' ' ? 3 : 2)
		if (memcmp(codes, text, 2) == 0)
			return true;
	return false;
}

START_TEST(codes_of_each_packet)
{
	unsigned code;

	for (code = 0; code < 256; code++)
		ck_assert_msg(mqev_reason_legal((uint8_t)code, lists[_i].packet,
				  lists[_i].sender) == listed(lists[_i].codes, code),
		    "%02X in %s of side %d", code, mqev_packet_name((int)lists[_i].packet),
		    (int)lists[_i].sender);
}
END_TEST

START_TEST(each_known_code_has_its_own_name)
{
	int a, b, known = 0;

	for (a = 0; a < 256; a++) {
		if (strcmp(mqev_reason_text(a), "Unknown reason code") == 0)
			continue;
		known++;
		for (b = 0; b < a; b++)
			ck_assert_str_ne(mqev_reason_text(a), mqev_reason_text(b));
	}
	ck_assert_int_eq(known, 43);
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(mqev_reason_text(0x00), "Success");
	ck_assert_str_eq(mqev_disconnect_reason_text(0x00), "Normal disconnection");
	ck_assert_str_eq(mqev_disconnect_reason_text(0x8E), "Session taken over");
	ck_assert_str_eq(mqev_reason_text(0xA2), "Wildcard Subscriptions not supported");
	ck_assert_str_eq(mqev_reason_text(0xA3), "Unknown reason code");
	ck_assert_str_eq(mqev_reason_text(-1), "Unknown reason code");
	ck_assert_str_eq(mqev_reason_text(256), "Unknown reason code");
	ck_assert_str_eq(mqev_disconnect_reason_text(0x7F), "Unknown reason code");
}
END_TEST

START_TEST(connack_codes_of_3)
{
	ck_assert_int_eq(mqev_reason_from_connack_code(0), 0x00);
	ck_assert_int_eq(mqev_reason_from_connack_code(1), 0x84);
	ck_assert_int_eq(mqev_reason_from_connack_code(2), 0x85);
	ck_assert_int_eq(mqev_reason_from_connack_code(3), 0x88);
	ck_assert_int_eq(mqev_reason_from_connack_code(4), 0x86);
	ck_assert_int_eq(mqev_reason_from_connack_code(5), 0x87);
	ck_assert_int_eq(mqev_reason_from_connack_code(6), 0x80);
	ck_assert_int_eq(mqev_reason_from_connack_code(255), 0x80);
	ck_assert_int_eq(mqev_reason_from_connack_code(-1), 0x80);
}
END_TEST

static const struct {
	enum mqev_reason_class class;
	const char *codes;
} classes[] = {
    {MQEV_CLASS_RETRY, "00 80 83 88 8B 8D 98"},
    {MQEV_CLASS_RETRY_SLOW, "89 96 97 9F"},
    {MQEV_CLASS_NEEDS_INPUT, "86 87 8C A0"},
    {MQEV_CLASS_REDIRECT, "9C 9D"},
    {MQEV_CLASS_STOP, "84 85 8A 8E 90 99 9A 9B"},
    {MQEV_CLASS_FAULT, "81 82 8F 93 94 95 9E A1 A2"},
};

/* Every code that can end or refuse a connection is in one list; an unknown one is tried again. */
START_TEST(what_to_do_after_each_code)
{
	unsigned code;
	size_t i;

	for (code = 0; code < 256; code++) {
		enum mqev_reason_class want = MQEV_CLASS_RETRY;
		bool found = false;

		for (i = 0; i < COUNT_OF(classes); i++)
			if (listed(classes[i].codes, code)) {
				want = classes[i].class;
				found = true;
			}
		ck_assert_int_eq(mqev_reason_class((uint8_t)code), want);
		ck_assert_msg(found || (!mqev_reason_legal(
					    (uint8_t)code, MQEV_PACKET_CONNACK, MQEV_FROM_SERVER) &&
					   !mqev_reason_legal((uint8_t)code, MQEV_PACKET_DISCONNECT,
					       MQEV_FROM_SERVER)),
		    "%02X has no class", code);
	}
}
END_TEST

START_TEST(packet_names)
{
	ck_assert_str_eq(mqev_packet_name(MQEV_PACKET_CONNECT), "CONNECT");
	ck_assert_str_eq(mqev_packet_name(MQEV_PACKET_AUTH), "AUTH");
	ck_assert_str_eq(mqev_packet_name(MQEV_PACKET_WILL), "Will");
	ck_assert_str_eq(mqev_packet_name(0), "unknown packet");
	ck_assert_str_eq(mqev_packet_name(17), "unknown packet");
	ck_assert_str_eq(mqev_packet_name(-1), "unknown packet");
}
END_TEST

START_TEST(conversions)
{
	for (int code = 0; code < 6; code++)
		ck_assert_int_eq(
		    mqev_connack_code_from_reason((int)mqev_reason_from_connack_code(code)), code);
	ck_assert_int_eq(mqev_connack_code_from_reason(0x80), -1);
	ck_assert_int_eq(mqev_connack_code_from_reason(-1), -1);
	ck_assert_int_eq(mqev_connack_code_from_reason(1), -1);
	for (int code = -1; code < 7; code++)
		ck_assert_uint_gt(strlen(mqev_connack_text(code)), 10);
	ck_assert_str_eq(mqev_connack_text(-1), mqev_connack_text(6));
	ck_assert_str_ne(mqev_connack_text(5), mqev_connack_text(6));
}
END_TEST

/* Each name leads back to its code. */
START_TEST(names_to_codes)
{
	for (int reason = 0; reason < 256; reason++) {
		const char *name = mqev_reason_text(reason);

		if (strcmp(name, mqev_reason_text(256)) != 0)
			ck_assert_int_eq(mqev_reason_from_name(name), reason);
	}
	ck_assert_int_eq(mqev_reason_from_name("Normal disconnection"), 0);
	ck_assert_int_eq(mqev_reason_from_name("Granted QoS 0"), 0);
	ck_assert_int_eq(mqev_reason_from_name(mqev_reason_text(256)), -1);
	ck_assert_int_eq(mqev_reason_from_name(""), -1);
	ck_assert_int_eq(mqev_reason_from_name(NULL), -1);
}
END_TEST

START_TEST(errors_to_reasons)
{
	ck_assert_int_eq(mqev_reason_from_error(0), MQEV_REASON_SUCCESS);
	ck_assert_int_eq(mqev_reason_from_error(MQEV_ERR_KEEPALIVE), 0x8D);
	ck_assert_int_eq(mqev_reason_from_error(MQEV_ERR_PROTOCOL), 0x82);
	ck_assert_int_eq(mqev_reason_from_error(MQEV_ERR_MALFORMED), 0x81);
	ck_assert_int_eq(mqev_reason_from_error(MQEV_ERR_TOO_LARGE), 0x95);
	ck_assert_int_eq(mqev_reason_from_error(MQEV_ERR_AUTH), 0x87);
	ck_assert_int_eq(mqev_reason_from_error(MQEV_ERR_LOST), 0x80);
	ck_assert_int_eq(mqev_reason_from_error(-9999), 0x80);
	ck_assert_int_eq(mqev_reason_from_error(1), 0x80);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, conversions);
	tcase_add_test(tc, names_to_codes);
	tcase_add_test(tc, errors_to_reasons);
	tcase_add_loop_test(tc, codes_of_each_packet, 0, (int)COUNT_OF(lists));
	tcase_add_test(tc, each_known_code_has_its_own_name);
	tcase_add_test(tc, names);
	tcase_add_test(tc, connack_codes_of_3);
	tcase_add_test(tc, what_to_do_after_each_code);
	tcase_add_test(tc, packet_names);
}

int
main(void)
{
	return unit_run("reason", add);
}
