/* The strict decoder of the test kit: legal packets pass, each fault is named by its statement. */
#include "lib/loop.h"
#include "lib/strict.h"

#include <string.h>

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

struct packet_case {
	int version;
	const char *bytes;
	const char *fault; /* NULL: none */
};

#define V5C "{'MQTT'} 05"
#define V4C "{'MQTT'} 04"
#define V3C "{'MQIsdp'} 03"

static const struct packet_case client_packets[] = {
    /* legal */
    {0, "10 (" V3C " 02 003C {'c'})", NULL},
    {0, "10 (" V4C " 02 003C {})", NULL},
    {0, "10 (" V5C " 00 003C () {})", NULL},
    {0, "10 ({'MQTT'} 84 02 0000 {'bridge'})", NULL},
    {0, "10 (" V4C " EE 0000 {'c'} {'w'} {'x'} {'u'} {00FF})", NULL},
    {0,
	"10 (" V5C
	" 40 0000 (11 FFFFFFFF 21 0001 27 00000001 22 0000 19 01 17 00 26 {'k'} {'v'} 26 "
	"{'k'} {'v'} 15 {'M'} 16 {00}) {'c'} {'p'})",
	NULL},
    {0,
	"10 (" V5C
	" 0E 0000 () {'c'} (01 01 02 00000001 03 {'t'} 08 {'r'} 09 {00} 18 00000001 26 {} {}) "
	"{'w'} {})",
	NULL},
    {4, "30 ({'a'} 'x')", NULL},
    {4, "30 ({'a'})", NULL},
    {4, "3B ({'a'} 0001)", NULL},
    {3, "38 ({'a'})", NULL},
    {5, "34 ({'a'} FFFF (01 00 02 00000000 03 {} 08 {'r'} 09 {} 23 0001 26 {'k'} {}) 'x')", NULL},
    {5, "30 ({} (23 0001))", NULL},
    {4, "40 (0001)", NULL},
    {5, "40 (0001 80)", NULL},
    {5, "50 (0001 97 (1F {'full'} 26 {'k'} {'v'}))", NULL},
    {5, "62 (0001 92)", NULL},
    {3, "6A (0001)", NULL},
    {5, "70 (0001)", NULL},
    {4, "82 (0001 {'a/#'} 02 {'+'} 00)", NULL},
    {5, "82 (0001 (0B FFFFFF7F) {'$share/g/a'} 2A {'b'} 1D)", NULL},
    {4, "82 (0001 {'$share/'} 00)", NULL},
    {4, "A2 (0001 {'a'})", NULL},
    {5, "A2 (0001 (26 {} {}) {'a'} {'b'})", NULL},
    {5, "C0 00", NULL},
    {4, "E0 00", NULL},
    {5, "E0 (04)", NULL},
    {5, "E0 (00 (11 00000005 1F {'bye'}))", NULL},
    {5, "F0 (18 (15 {'M'} 16 {01}))", NULL},
    /* fixed header */
    {5, "C0 80 00", "v5 1.5.5-1"},
    {4, "C0 80 00", "v3 2.2.3"},
    {5, "C0 80 80 80 80 01", "v5 1.5.5"},
    {5, "C0 01 00", "v5 2.1.4"},
    {4, "C0 01 00", "v3 2.2.3"},
    {5, "C1 00", "v5 2.1.3-1"},
    {4, "C1 00", "v3 2.2.2-1"},
    {5, "00 00", "v5 2.1.2"},
    {4, "F0 00", "v3 2.2.1"},
    {5, "D0 00", "v5 2.1.2"},
    {5, "20 (00 00 ())", "v5 2.1.2"},
    {4, "90 (0001 00)", "v3 2.2.1"},
    /* CONNECT */
    {0, "10 ({'MQTX'} 04 02 0000 {'c'})", "v3 3.1.2-1"},
    {5, "10 ({'MQIsdp'} 05 02 0000 () {'c'})", "v5 3.1.2-1"},
    {0, "10 ({'MQTT'} 06 02 0000 () {'c'})", "v3 3.1.2-2"},
    {5, "10 (" V4C " 02 0000 {'c'})", "v5 3.1.2-2"},
    {4, "10 (" V4C " 03 0000 {'c'})", "v3 3.1.2-3"},
    {5, "10 (" V5C " 03 0000 () {'c'})", "v5 3.1.2-3"},
    {5, "10 (" V5C " 0A 0000 () {'c'})", "v5 3.1.2-11"},
    {4, "10 (" V4C " 0A 0000 {'c'})", "v3 3.1.2-13"},
    {5, "10 (" V5C " 22 0000 () {'c'})", "v5 3.1.2-13"},
    {4, "10 (" V4C " 22 0000 {'c'})", "v3 3.1.2-15"},
    {5, "10 (" V5C " 1E 0000 () {'c'} () {'w'} {})", "v5 3.1.2-12"},
    {4, "10 (" V4C " 1E 0000 {'c'} {'w'} {})", "v3 3.1.2-14"},
    {4, "10 (" V4C " 42 0000 {'c'} {'p'})", "v3 3.1.2-22"},
    {4, "10 (" V4C " 00 0000 {})", "v3 3.1.3-7"},
    {3, "10 (" V3C " 02 0000 {})", "v3 3.1.3-5"},
    {3, "10 (" V3C " 02 0000 {'c'*24})", "v3 3.1.3-5"},
    {5, "10 (" V5C " 02 0000 ())", "v5 3.1.3-3"},
    {5, "10 (" V5C " 06 0000 () {'c'})", "v5 3.1.2-9"},
    {5, "10 (" V5C " 06 0000 () {'c'} () {'w/#'} {})", "v5 3.3.2-2"},
    {5, "10 (" V5C " 06 0000 () {'c'} () {} {})", "v5 4.7.3-1"},
    {5, "10 (" V5C " 82 0000 () {'c'})", "v5 3.1.2-17"},
    {4, "10 (" V4C " 82 0000 {'c'})", "v3 3.1.2-19"},
    {5, "10 (" V5C " 42 0000 () {'c'})", "v5 3.1.2-19"},
    {4, "10 (" V4C " C2 0000 {'c'} {'u'})", "v3 3.1.2-21"},
    {4, "10 (" V4C " 02 0000 {'c'} {'u'})", "v3 3.1.3-1"},
    {5, "10 (" V5C " 02 0000 () {'c'} 00)", "v5 3.1.3-1"},
    {4, "10 (" V4C " 02 0000 {FF})", "v3 1.5.3-1"},
    {5, "10 (" V5C " 02 0000 () {6100})", "v5 1.5.4-2"},
    {5, "10 (" V5C " 02 0000 (21 0000) {'c'})", "v5 3.1.2.11.3"},
    {5, "10 (" V5C " 02 0000 (27 00000000) {'c'})", "v5 3.1.2.11.4"},
    {5, "10 (" V5C " 02 0000 (19 02) {'c'})", "v5 3.1.2.11.6"},
    {5, "10 (" V5C " 02 0000 (17 02) {'c'})", "v5 3.1.2.11.7"},
    {5, "10 (" V5C " 02 0000 (16 {00}) {'c'})", "v5 3.1.2.11.10"},
    {5, "10 (" V5C " 02 0000 (21 0001 21 0001) {'c'})", "v5 2.2.2.2"},
    {5, "10 (" V5C " 02 0000 (12 {'x'}) {'c'})", "v5 2.2.2.2"},
    {5, "10 (" V5C " 02 0000 (7F 00) {'c'})", "v5 2.2.2.2"},
    {5, "10 (" V5C " 02 0000 (A100 0001) {'c'})", "v5 1.5.5-1"},
    {5, "10 (" V5C " 06 0000 () {'c'} (11 00000001) {'w'} {})", "v5 2.2.2.2"},
    {5, "10 (" V5C " 02 0000 (18 00000001) {'c'})", "v5 2.2.2.2"},
    /* PUBLISH */
    {5, "36 ({'a'} 0001 ())", "v5 3.3.1-4"},
    {4, "36 ({'a'} 0001)", "v3 3.3.1-4"},
    {5, "38 ({'a'} ())", "v5 3.3.1-2"},
    {4, "38 ({'a'})", "v3 3.3.1-2"},
    {5, "32 ({'a'} 0000 ())", "v5 2.2.1-3"},
    {4, "32 ({'a'} 0000)", "v3 2.3.1-1"},
    {5, "30 ({'a/+'} ())", "v5 3.3.2-2"},
    {4, "30 ({'#'})", "v3 3.3.2-2"},
    {5, "30 ({} ())", "v5 4.7.3-1"},
    {4, "30 ({})", "v3 4.7.3-1"},
    {5, "30 ({'a'})", "v5 2.2.2-1"},
    {5, "30 ({'a'} (23 0000))", "v5 3.3.2-8"},
    {5, "30 ({'a'} (0B 01))", "v5 3.3.4-6"},
    {5, "30 ({'a'} (08 {'r/#'}))", "v5 3.3.2-14"},
    {5, "30 ({'a'} (08 {}))", "v5 4.7.3-1"},
    {5, "30 ({'a'} (01 02))", "v5 3.3.2.3.2"},
    {5, "30 ({'a'} (03 {FF}))", "v5 1.5.4-1"},
    {5, "30 ({'a'} (26 {'k'} {FF}))", "v5 1.5.4-1"},
    {5, "30 ({'a'} (1F {'x'}))", "v5 2.2.2.2"},
    {5, "30 ({'a'} 05 01 00)", "v5 2.1.4"},
    {5, "30 ({'a'} (02 0000))", "v5 2.1.4"},
    {5, "32 ({'a'} 00)", "v5 2.1.4"},
    {4, "30 (0005 'a')", "v3 2.2.3"},
    {5, "30 ({EDA080} ())", "v5 1.5.4-1"},
    /* acknowledgements */
    {5, "42 (0001)", "v5 2.1.3-1"},
    {5, "60 (0001)", "v5 3.6.1-1"},
    {4, "6A (0001)", "v3 3.6.1-1"},
    {5, "40 (0000)", "v5 2.2.1-5"},
    {4, "40 (0001 00)", "v3 2.2.3"},
    {5, "40 (0001 10)", "v5 3.4.2-1"},
    {5, "50 (0001 92)", "v5 3.5.2-1"},
    {5, "62 (0001 80)", "v5 3.6.2-1"},
    {5, "70 (0001 10)", "v5 3.7.2-1"},
    {5, "40 (0001 00 (21 0001))", "v5 2.2.2.2"},
    {5, "40 (0001 00 () 00)", "v5 2.1.4"},
    {5, "40 (00)", "v5 2.1.4"},
    /* SUBSCRIBE, UNSUBSCRIBE */
    {5, "80 (0001 () {'a'} 00)", "v5 3.8.1-1"},
    {4, "8A (0001 {'a'} 00)", "v3 3.8.1-1"},
    {5, "82 (0000 () {'a'} 00)", "v5 2.2.1-3"},
    {5, "82 (0001 ())", "v5 3.8.3-2"},
    {4, "82 (0001)", "v3 3.8.3-3"},
    {5, "82 (0001 () {'a'} 03)", "v5 3.8.3-5"},
    {5, "82 (0001 () {'a'} 30)", "v5 3.8.3-5"},
    {5, "82 (0001 () {'a'} 40)", "v5 3.8.3-5"},
    {4, "82 (0001 {'a'} 04)", "v3 3-8.3-4"},
    {5, "82 (0001 () {'$share/g/a'} 04)", "v5 3.8.3-4"},
    {5, "82 (0001 () {'$share//a'} 00)", "v5 4.8.2-1"},
    {5, "82 (0001 () {'$share/g/'} 00)", "v5 4.8.2-2"},
    {5, "82 (0001 () {'a/#/b'} 00)", "v5 4.7.1-1"},
    {4, "82 (0001 {'a#'} 00)", "v3 4.7.1-2"},
    {5, "82 (0001 () {'a+'} 00)", "v5 4.7.1-2"},
    {4, "82 (0001 {'a+/b'} 00)", "v3 4.7.1-3"},
    {5, "82 (0001 () {} 00)", "v5 4.7.3-1"},
    {5, "82 (0001 (0B 00) {'a'} 00)", "v5 3.8.2.1.2"},
    {5, "82 (0001 (0B 01 0B 02) {'a'} 00)", "v5 2.2.2.2"},
    {5, "82 (0001 () {'a'})", "v5 2.1.4"},
    {5, "A0 (0001 () {'a'})", "v5 3.10.1-1"},
    {5, "A2 (0001 ())", "v5 3.10.3-2"},
    {4, "A2 (0001)", "v3 3.10.3-2"},
    {5, "A2 (0001 (0B 01) {'a'})", "v5 2.2.2.2"},
    /* DISCONNECT, AUTH */
    {5, "E1 00", "v5 3.14.1-1"},
    {4, "E0 (00)", "v3 2.2.3"},
    {5, "E0 (87)", "v5 3.14.2-1"},
    {5, "E0 (8B)", "v5 3.14.2-1"},
    {5, "E0 (00 (1C {'x'}))", "v5 2.2.2.2"},
    {5, "F1 (18 (15 {'M'}))", "v5 3.15.1-1"},
    {5, "F0 (00 (15 {'M'}))", "v5 3.15.2-1"},
    {5, "F0 (18 ())", "v5 3.15.2.2.2"},
    {5, "F0 00", "v5 3.15.2.2.2"},
};

static void
check_packet(const struct packet_case *c, enum tk_from from)
{
	struct tk_buf b = tk_hex(c->bytes);
	struct tk_packet p;
	int result = tk_packet_parse(&p, c->version, from, b.data, b.len);

	if (c->fault) {
		ck_assert_int_eq(result, -1);
		ck_assert_msg(strcmp(p.fault.id, c->fault) == 0, "%s: expected %s, got %s (%s)",
		    c->bytes, c->fault, p.fault.id, p.fault.text);
	} else {
		ck_assert_msg(result == 0, "%s: %s %s", c->bytes, p.fault.id, p.fault.text);
	}
	tk_packet_clear(&p);
	tk_buf_free(&b);
}

START_TEST(packets_of_clients)
{
	check_packet(&client_packets[_i], TK_FROM_CLIENT);
}
END_TEST

static const struct packet_case server_packets[] = {
    {3, "20 (FF 00)", NULL},
    {4, "20 (01 00)", NULL},
    {5, "20 (00 01)", NULL},
    {5,
	"20 (00 00 (11 00000001 12 {'c'} 13 0001 15 {'M'} 16 {} 1A {} 1C {} 1F {} 21 0001 22 0001 "
	"24 00 "
	"25 00 26 {} {} 27 00000001 28 00 29 00 2A 00))",
	NULL},
    {5, "30 ({'a'} (0B 01 0B 02))", NULL},
    {3, "6A (0001)", NULL},
    {4, "90 (0001 00 80)", NULL},
    {4, "B0 (0001)", NULL},
    {5, "B0 (0001 () 11)", NULL},
    {5, "E0 (8E (1C {'x'}))", NULL},
    {5, "20 02 00 00", "v5 2.2.2-1"},
    {5, "20 (02 00 ())", "v5 3.2.2-1"},
    {4, "20 (00 06)", "v3 3.2.2-6"},
    {5, "20 (00 8B ())", "v5 3.2.2-8"},
    {5, "20 (01 87 ())", "v5 3.2.2-6"},
    {5, "20 (00 00 (24 02))", "v5 3.2.2.3.4"},
    {5, "20 (00 00 (17 01))", "v5 2.2.2.2"},
    {5, "32 ({'a'} 0000 ())", "v5 2.2.1-4"},
    {4, "6A (0001)", "v3 3.6.1-1"},
    {4, "90 (0001)", "v3 3.9.3-1"},
    {4, "90 (0001 03)", "v3 3.9.3-2"},
    {3, "90 (0001 80)", "v3 3.9.3-2"},
    {5, "B0 (0001 () 01)", "v5 3.11.3-2"},
    {4, "E0 00", "v3 2.2.1"},
    {5, "E0 (04)", "v5 3.14.2-1"},
    {5, "E0 (00 (11 00000000))", "v5 3.14.2-2"},
    {5, "F0 (19 (15 {'M'}))", "v5 3.15.2-1"},
    {5, "10 (" V5C " 02 0000 () {'c'})", "v5 2.1.2"},
};

START_TEST(packets_of_servers)
{
	check_packet(&server_packets[_i], TK_FROM_SERVER);
}
END_TEST

START_TEST(fields_are_decoded)
{
	struct tk_packet p;
	struct tk_buf b = TK_MAKE_CONNECT(.version = TK_V5, .client_id = "id", .clean = 1,
	    .keepalive = 9, .props = "11 00000010 26 {'k'} {'v'}", .will_topic = "w",
	    .will_payload = "bye", .will_qos = 2, .will_retain = 1, .will_props = "18 00000003",
	    .username = "u", .password = "pw");

	ck_assert_int_eq(tk_packet_parse(&p, 0, TK_FROM_CLIENT, b.data, b.len), 0);
	ck_assert_int_eq(p.version, TK_V5);
	ck_assert_int_eq(p.connect.clean, 1);
	ck_assert_uint_eq(p.connect.keepalive, 9);
	ck_assert(tk_str_is(p.connect.client_id, "id"));
	ck_assert(tk_str_is(p.connect.will_topic, "w"));
	ck_assert(tk_str_is(p.connect.will_payload, "bye"));
	ck_assert_uint_eq(p.connect.will_qos, 2);
	ck_assert_int_eq(p.connect.will_retain, 1);
	ck_assert(tk_str_is(p.connect.username, "u"));
	ck_assert(tk_str_is(p.connect.password, "pw"));
	ck_assert_uint_eq(tk_props_number(&p.props, 0x11, 0), 16);
	ck_assert_uint_eq(tk_props_number(&p.connect.will_props, 0x18, 0), 3);
	ck_assert(tk_str_is(tk_props_find(&p.props, 0x26)->name, "k"));
	ck_assert(tk_str_is(tk_props_find(&p.props, 0x26)->value, "v"));
	ck_assert_ptr_null(tk_props_find(&p.props, 0x21));
	tk_packet_clear(&p);
	tk_buf_free(&b);
}
END_TEST

START_TEST(every_cut_is_told)
{
	struct tk_buf b = tk_hex("82 (0001 (0B 05) {'a/b'} 01 {'c'} 00)");
	struct tk_packet p;
	size_t n, total;

	for (n = 0; n < b.len; n++) {
		ck_assert_int_eq(tk_frame(b.data, n, &total), 0);
		ck_assert_int_eq(tk_packet_parse(&p, TK_V5, TK_FROM_CLIENT, b.data, n), -1);
		tk_packet_clear(&p);
	}
	ck_assert_int_eq(tk_frame(b.data, b.len, &total), 1);
	ck_assert_uint_eq(total, b.len);
	ck_assert_int_eq(tk_frame("\x30\xff\xff\xff\xff\x01", 6, &total), -1);
	tk_buf_free(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("testkit-strict");
	TCase *tc = tk_case(s, "strict");

	tcase_add_loop_test(tc, packets_of_clients, 0, COUNT(client_packets));
	tcase_add_loop_test(tc, packets_of_servers, 0, COUNT(server_packets));
	tcase_add_test(tc, fields_are_decoded);
	tcase_add_test(tc, every_cut_is_told);
	return tk_main(s);
}
