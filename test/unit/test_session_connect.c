/* CONNECT as settings make it, and what each CONNACK leads to. */
#include <stdio.h>
#include <string.h>

#include "lib/loop.h"
#include "lib/vcase.h"

static struct mqev_bytes
text(const char *s)
{
	return (struct mqev_bytes){(const uint8_t *)s, strlen(s)};
}

/* --- CONNECT --------------------------------------------------------------------------------- */

SCENARIO(connect_plain_v31, V31)
{
	vclient_connect(v);
	expect(v, "> 10 ({'MQIsdp'} 03 02 0000 {'c'})");
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTING);
}

SCENARIO(connect_plain_v311, V311)
{
	vclient_connect(v);
	expect(v, "> 10 ({'MQTT'} 04 02 0000 {'c'})");
}

SCENARIO(connect_plain_v5, V5)
{
	v->settings.session_expiry_s = 0;
	vclient_connect(v);
	expect(v, "> 10 ({'MQTT'} 05 02 0000 () {'c'})");
}

SCENARIO(connect_session_expiry, V5)
{
	vclient_connect(v);
	expect(v, "> 10 ({'MQTT'} 05 02 0000 (11 00000064) {'c'})");
}

/* Each number that has a property of its own, in one order, then the application's. */
SCENARIO(connect_all_properties, V5)
{
	static const uint8_t own[] = {0x19, 1, 0x26, 0, 1, 'a', 0, 1, 'b'};

	v->settings.session_expiry_s = UINT32_MAX;
	v->settings.receive_maximum = 10;
	v->settings.max_packet_size = 1024;
	v->settings.topic_alias_maximum = 7;
	v->settings.connect_properties = (struct mqev_bytes){own, sizeof(own)};
	vclient_connect(v);
	expect(v, "> 10 ({'MQTT'} 05 02 0000 "
		  "(11 FFFFFFFF 21 000A 27 00000400 22 0007 19 01 26 {'a'}{'b'}) {'c'})");
}

/* The largest packet has 268,435,460 bytes: a limit below that is one, and is announced. */
SCENARIO(connect_largest_packet_size, V5)
{
	v->settings.session_expiry_s = 0;
	v->settings.max_packet_size = 268435459;
	vclient_connect(v);
	expect(v, "> 10 ({'MQTT'} 05 02 0000 (27 10000003) {'c'})");
	vclient_close(v);
	v->settings.max_packet_size = 268435460;
	vclient_connect(v);
	expect(v, "> 10 ({'MQTT'} 05 02 0000 () {'c'})");
}

SCENARIO(connect_keepalive, V311)
{
	v->settings.keepalive_s = 65535;
	vclient_connect(v);
	expect(v, "> 10 ({'MQTT'} 04 02 FFFF {'c'})");
}

SCENARIO(connect_login, V311 | V5)
{
	v->settings.session_expiry_s = 0;
	v->settings.has_username = true;
	v->settings.username = text("u");
	v->settings.has_password = true;
	v->settings.password = (struct mqev_bytes){(const uint8_t *)"\0\xFF", 2};
	vclient_connect(v);
	expect_v(v, "> 10 ({'MQTT'} 04 C2 0000 {'c'} {'u'} {00 FF})",
	    "> 10 ({'MQTT'} 05 C2 0000 () {'c'} {'u'} {00 FF})");
}

/* [MQTT-3.1.2-22]: before 5.0 a password needs a user name. An empty name is a name. */
SCENARIO(connect_password_alone, V311 | V5)
{
	v->settings.session_expiry_s = 0;
	v->settings.has_password = true;
	v->settings.password = text("p");
	vclient_connect(v);
	expect_v(
	    v, "> 10 ({'MQTT'} 04 02 0000 {'c'})", "> 10 ({'MQTT'} 05 42 0000 () {'c'} {'p'})");
	vclient_close(v);
	v->settings.has_username = true;
	vclient_connect(v);
	expect_v(v, "> 10 ({'MQTT'} 04 C2 0000 {'c'} {} {'p'})",
	    "> 10 ({'MQTT'} 05 C2 0000 () {'c'} {} {'p'})");
}

SCENARIO(connect_will, V31 | V311 | V5)
{
	static const uint8_t delay[] = {0x18, 0, 0, 0, 5};
	const struct mqev_session_will will = {.topic = text("w"),
	    .payload = text("bye"),
	    .properties = {delay, sizeof(delay)},
	    .qos = 2,
	    .retain = true};

	v->settings.session_expiry_s = 0;
	v->settings.will = &will;
	vclient_connect(v);
	if (v->s.version == MQEV_V31)
		expect(v, "> 10 ({'MQIsdp'} 03 36 0000 {'c'} {'w'} {'bye'})");
	else
		expect_v(v, "> 10 ({'MQTT'} 04 36 0000 {'c'} {'w'} {'bye'})",
		    "> 10 ({'MQTT'} 05 36 0000 () {'c'} (18 00000005) {'w'} {'bye'})");
}

SCENARIO(connect_will_with_login, V311)
{
	const struct mqev_session_will will = {.topic = text("w")};

	v->settings.will = &will;
	v->settings.has_username = v->settings.has_password = true;
	v->settings.username = text("user");
	vclient_connect(v);
	expect(v, "> 10 ({'MQTT'} 04 C6 0000 {'c'} {'w'} {} {'user'} {})");
}

/* --- clean session, clean start -------------------------------------------------------------- */

static bool
asked_clean(struct vclient *v)
{
	const char *line;
	unsigned flags;

	vclient_connect(v);
	vbuf_put(&v->record, "", 1);
	line = (const char *)v->record.data + v->checked;
	/* The byte of flags follows the protocol's name and level, behind one byte of length. */
	ck_assert_int_eq(
	    sscanf(line + 2 + 3 * (v->s.version == MQEV_V31 ? 11 : 9), "%x", &flags), 1);
	v->record.len--;
	v->checked = v->record.len;
	return (flags & 2) != 0;
}

SCENARIO(clean_always, VALL)
{
	v->settings.clean = MQEV_SESSION_CLEAN_ALWAYS;
	vclient_restart(v);
	for (int i = 0; i < 3; i++) {
		ck_assert(asked_clean(v));
		rx(v, "20 (00 00 ~)");
		expect(v, "connack 0 00");
		vclient_close(v);
	}
}

SCENARIO(clean_first_only, VALL)
{
	ck_assert(asked_clean(v));
	vclient_close(v);
	ck_assert(asked_clean(v));
	rx(v, v->s.version == MQEV_V5 ? "20 (00 88 ())" : "20 (00 03)");
	expect_v(v, "connack 0 03; end REFUSED 88", "connack 0 88; end REFUSED 88");
	vclient_close(v);
	ck_assert_msg(asked_clean(v), "a refused CONNACK must not use up the first connection");
	rx(v, "20 (00 00 ~)");
	expect(v, "connack 0 00");
	vclient_close(v);
	ck_assert(!asked_clean(v));
}

SCENARIO(clean_never, VALL)
{
	v->settings.clean = MQEV_SESSION_CLEAN_NEVER;
	vclient_restart(v);
	ck_assert(!asked_clean(v));
	rx(v, "20 (01 00 ~)");
	expect(v, v->s.version == MQEV_V31 ? "connack 0 00" : "connack 1 00");
	vclient_close(v);
	ck_assert(!asked_clean(v));
}

/* Row 154: a session that only the server has is refused, and begun anew. */
SCENARIO(clean_strict, V311 | V5)
{
	v->settings.clean = MQEV_SESSION_CLEAN_STRICT;
	vclient_restart(v);
	ck_assert(!asked_clean(v));
	rx(v, "20 (01 00 ~)");
	expect_v(v, "end PROTOCOL 82", "> E0 (82); end PROTOCOL 82");
	vclient_close(v);
	ck_assert(asked_clean(v));
	vclient_close(v);
	ck_assert_msg(asked_clean(v), "until it is accepted");
	rx(v, "20 (00 00 ~)");
	/* Before 5.0 a clean session would end with its connection: it is not used. */
	expect_v(v, "> E0 00; end SESSION_LOST 00", "connack 0 00");
	vclient_close(v);
	ck_assert(!asked_clean(v));
	rx(v, v->s.version == MQEV_V5 ? "20 (01 00 ~)" : "20 (00 00 ~)");
	expect_v(v, "connack 0 00", "connack 1 00");
	vclient_close(v);
	ck_assert(!asked_clean(v));
	rx(v, "20 (01 00 ~)");
	expect(v, "connack 1 00");
}

/* The clean session ended with its connection; of the one that came after it, only the server
 * knows: it is refused once, not for ever. */
SCENARIO(session_of_a_lost_connack, V311)
{
	up(v, 0, "");
	vclient_close(v);
	ck_assert(!asked_clean(v));
	vclient_close(v);
	ck_assert(!asked_clean(v));
	rx(v, "20 (01 00)");
	expect(v, "end PROTOCOL 82");
	vclient_close(v);
	ck_assert(asked_clean(v));
	rx(v, "20 (00 00)");
	expect(v, "connack 0 00");
}

/* [MQTT-3.2.2-4]: Session Present after a clean start. */
SCENARIO(session_present_after_clean, V311 | V5)
{
	vclient_connect(v);
	v->checked = v->record.len;
	rx(v, "20 (01 00 ~)");
	expect_v(v, "end PROTOCOL 82", "> E0 (82); end PROTOCOL 82");
}

/* Though there was a session before: it is the one that should have ended. */
SCENARIO(session_present_after_another_clean, V311 | V5)
{
	v->settings.clean = MQEV_SESSION_CLEAN_ALWAYS;
	vclient_restart(v);
	up(v, 0, "");
	vclient_close(v);
	vclient_connect(v);
	v->checked = v->record.len;
	rx(v, "20 (01 00 ~)");
	expect_v(v, "end PROTOCOL 82", "> E0 (82); end PROTOCOL 82");
}

/* The session is over at the server when its expiry interval has passed without a connection. */
SCENARIO(session_expired_meanwhile, V5)
{
	up(v, 0, "");
	vclient_close(v);
	vclient_advance(v, 99999);
	ck_assert(!asked_clean(v));
	rx(v, "20 (01 00 ())");
	expect(v, "connack 1 00");
	vclient_close(v);
	vclient_advance(v, 100000);
	ck_assert(asked_clean(v));
}

/* The server's own interval counts, and the one that DISCONNECT sets. */
SCENARIO(session_expiry_of_the_server, V5)
{
	up(v, 0, "11 00000005");
	vclient_close(v);
	vclient_advance(v, 5000);
	ck_assert(asked_clean(v));
	rx(v, "20 (00 00 (11 00000005))");
	expect(v, "connack 0 00 [11 00 00 00 05]");
	vclient_disconnect(v, 0, "\x11\xFF\xFF\xFF\xFF", 5);
	expect(v, "> E0 (00 (11 FFFFFFFF)); end ok 00");
	vclient_close(v);
	vclient_advance(v, UINT64_C(1) << 40);
	ck_assert(!asked_clean(v));
}

/* [MQTT-3.1.2-23] and before it 4.1.0-1: the session of a clean 3.1.1 connection ends with it. */
SCENARIO(session_of_clean_connection_ends, V3)
{
	up(v, 0, "");
	vclient_publish(v, 2, "a", "x");
	expect(v, "> 34 ({'a'} 0001 'x')");
	rx(v, "50 (0001)");
	expect(v, "> 62 (0001)");
	vclient_close(v);
	vclient_connect(v);
	v->checked = v->record.len;
	rx(v, "20 (00 00)");
	expect(v, "connack 0 00; done 1 #0 SESSION_LOST 00");
}

/* --- CONNACK --------------------------------------------------------------------------------- */

SCENARIO(refused_v3, V3)
{
	static const struct {
		const char *connack;
		const char *record;
	} rows[] = {
	    {"20 (00 01)", "connack 0 01; end REFUSED 84"},
	    {"20 (00 02)", "connack 0 02; end REFUSED 85"},
	    {"20 (00 03)", "connack 0 03; end REFUSED 88"},
	    {"20 (00 04)", "connack 0 04; end REFUSED 86"},
	    {"20 (00 05)", "connack 0 05; end REFUSED 87"},
	    {"20 (00 06)", "end PROTOCOL 82"},
	    {"20 (00 80)", "end PROTOCOL 82"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		vclient_connect(v);
		v->checked = v->record.len;
		rx(v, rows[i].connack);
		expect(v, rows[i].record);
		vclient_close(v);
	}
}

SCENARIO(refused_v5, V5)
{
	static const uint8_t codes[] = {0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
	    0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F};

	for (size_t i = 0; i < sizeof(codes); i++) {
		char want[60];
		uint8_t connack[] = {0x20, 3, 0, codes[i], 0};

		vclient_connect(v);
		v->checked = v->record.len;
		vclient_receive(v, connack, sizeof(connack));
		snprintf(
		    want, sizeof(want), "connack 0 %02X; end REFUSED %02X", codes[i], codes[i]);
		expect(v, want);
		vclient_close(v);
	}
}

SCENARIO(refused_with_properties, V5)
{
	vclient_connect(v);
	v->checked = v->record.len;
	rx(v, "20 (00 9D (1C {'b:1'} 1F {'x'})) 30 ({'a'} () 'x')");
	expect(v, "connack 0 9D [1C 00 03 62 3A 31 1F 00 01 78]; end REFUSED 9D");
}

/* A server of 3.1.1 that refuses 5.0 in its own words. */
SCENARIO(refused_by_an_older_server, V5)
{
	vclient_connect(v);
	v->checked = v->record.len;
	rx(v, "20 (00 01)");
	expect(v, "connack 0 01; end REFUSED 84");
}

SCENARIO(limits_by_default, VALL)
{
	up(v, 0, "");
	ck_assert_uint_eq(v->s.server.receive_maximum, 65535);
	ck_assert_uint_eq(v->s.server.max_packet_size, UINT32_MAX);
	ck_assert_uint_eq(v->s.server.topic_alias_maximum, 0);
	ck_assert_uint_eq(v->s.server.max_qos, 2);
	ck_assert(v->s.server.retain && v->s.server.wildcard && v->s.server.shared &&
		  v->s.server.subscription_id);
}

SCENARIO(limits_of_the_server, V5)
{
	v->settings.keepalive_s = 60;
	up(v, 0, "11 00000007 13 0005 21 0003 22 0009 24 01 25 00 27 00000400 28 00 29 00 2A 00");
	ck_assert_uint_eq(v->s.session_expiry_s, 7);
	ck_assert_uint_eq(v->s.keepalive_s, 5);
	ck_assert_uint_eq(v->s.server.receive_maximum, 3);
	ck_assert_uint_eq(v->s.server.topic_alias_maximum, 9);
	ck_assert_uint_eq(v->s.server.max_qos, 1);
	ck_assert_uint_eq(v->s.server.max_packet_size, 1024);
	ck_assert(!v->s.server.retain && !v->s.server.wildcard && !v->s.server.shared &&
		  !v->s.server.subscription_id);
	vclient_close(v);
	up(v, 1, "");
	ck_assert_uint_eq(v->s.server.receive_maximum, 65535);
	ck_assert_uint_eq(v->s.server.max_qos, 2);
	ck_assert_uint_eq(v->s.keepalive_s, 60);
	ck_assert(v->s.server.retain && v->s.server.wildcard);
}

/* [MQTT-3.2.2-16] */
SCENARIO(empty_client_id, V311 | V5)
{
	v->settings.session_expiry_s = 0;
	v->client_id = "";
	vclient_connect(v);
	expect_v(v, "> 10 ({'MQTT'} 04 02 0000 {})", "> 10 ({'MQTT'} 05 02 0000 () {})");
	rx(v, v->s.version == MQEV_V5 ? "20 (00 00 (12 {'x'}))" : "20 (00 00)");
	expect_v(v, "connack 0 00", "connack 0 00 [12 00 01 78]");
	vclient_close(v);
	if (v->s.version != MQEV_V5)
		return;
	vclient_connect(v);
	v->checked = v->record.len;
	rx(v, "20 (00 00 ())");
	expect(v, "> E0 (82); end PROTOCOL 82");
}

SCENARIO(method_though_none_was_given, V5)
{
	vclient_connect(v);
	v->checked = v->record.len;
	rx(v, "20 (00 00 (15 {'a'}))");
	expect(v, "> E0 (82); end PROTOCOL 82");
}

/* Nothing goes out before CONNACK, all of it right after. */
SCENARIO(submitted_before_connack, VALL)
{
	vclient_publish(v, 1, "a", "1");
	vclient_connect(v);
	v->checked = v->record.len;
	vclient_publish(v, 0, "a", "0");
	sub(v, "{'f'} 01", 1);
	vclient_publish(v, 2, "a", "2");
	expect_nothing(v);
	rx(v, "20 (00 00 ~)");
	expect(v, "connack 0 00; > 82 (0002 ~ {'f'} 01) 30 ({'a'} ~ '0') 32 ({'a'} 0001 ~ '1')"
		  "34 ({'a'} 0003 ~ '2'); done 2 #0 ok 00");
}

/* A refused connection leaves all as it was. */
SCENARIO(queue_survives_refusal, V311)
{
	vclient_publish(v, 1, "a", "1");
	vclient_connect(v);
	v->checked = v->record.len;
	rx(v, "20 (00 03)");
	expect(v, "connack 0 03; end REFUSED 88");
	vclient_close(v);
	expect_nothing(v);
	up(v, 0, "");
	expect(v, "> 32 ({'a'} 0001 '1')");
}

/* --- DISCONNECT ------------------------------------------------------------------------------ */

SCENARIO(disconnect_normal, VALL)
{
	up(v, 0, "");
	vclient_disconnect(v, 0, NULL, 0);
	expect(v, "> E0 00; end ok 00");
	vclient_publish(v, 0, "a", "x");
	vclient_publish(v, 1, "a", "x");
	rx(v, "30 ({'a'} ~ 'x')");
	vclient_advance(v, 1000000);
	expect_nothing(v);
	ck_assert_int_eq(vclient_disconnect(v, 0, NULL, 0), MQEV_ERR_STATE);
	expect(v, "refused STATE");
}

SCENARIO(disconnect_with_reason, V5)
{
	up(v, 0, "");
	vclient_disconnect(v, 4, "\x1F\x00\x01x", 4);
	expect(v, "> E0 (04 (1F {'x'})); end ok 04");
}

SCENARIO(disconnect_states, VALL)
{
	ck_assert_int_eq(vclient_disconnect(v, 0, NULL, 0), MQEV_ERR_STATE);
	vclient_connect(v);
	ck_assert_int_eq(vclient_disconnect(v, 0, NULL, 0), MQEV_ERR_STATE);
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTING);
	v->checked = v->record.len;
}

/* 3.14.2.2.2: from 0 the session expiry cannot be raised. */
SCENARIO(disconnect_raises_expiry, V5)
{
	v->settings.session_expiry_s = 0;
	up(v, 0, "");
	ck_assert_int_eq(vclient_disconnect(v, 0, "\x11\0\0\0\5", 5), MQEV_ERR_INVALID);
	expect(v, "refused INVALID");
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
	vclient_disconnect(v, 0, "\x11\0\0\0\0", 5);
	expect(v, "> E0 (00 (11 00000000)); end ok 00");
}

/* [MQTT-3.14.2-3]: what may be left out is, what must arrive is not. */
SCENARIO(disconnect_too_large, V5)
{
	up(v, 0, "27 0000000C");
	vclient_disconnect(v, 0,
	    "\x1F\x00\x0A"
	    "aaaaaaaaaa"
	    "\x11\0\0\0\1",
	    18);
	expect(v, "> E0 (00 (11 00000001)); end ok 00");
	vclient_close(v);
	vclient_advance(v, 1000);
	ck_assert(asked_clean(v));
}

SCENARIO(disconnected_by_the_server, V5)
{
	up(v, 0, "");
	rx(v, "E0 (8B (1F {'x'})) 30 ({'a'} () 'x')");
	expect(v, "disconnect 8B [1F 00 01 78]; end DISCONNECTED 8B from server");
	vclient_close(v);
	up(v, 1, "");
	rx(v, "E0 00");
	expect(v, "disconnect 00; end DISCONNECTED 00 from server");
	vclient_close(v);
	vclient_connect(v);
	v->checked = v->record.len;
	rx(v, "E0 (89)");
	expect(v, "disconnect 89; end DISCONNECTED 89 from server");
}

int
main(void)
{
	Suite *suite = suite_create("session: connect");
	TCase *tc = tk_case(suite, "connect");

	tcase_add_test(tc, connect_plain_v31);
	tcase_add_test(tc, connect_plain_v311);
	tcase_add_test(tc, connect_plain_v5);
	tcase_add_test(tc, connect_session_expiry);
	tcase_add_test(tc, connect_all_properties);
	tcase_add_test(tc, connect_largest_packet_size);
	tcase_add_test(tc, connect_keepalive);
	tcase_add_test(tc, connect_login);
	tcase_add_test(tc, connect_password_alone);
	tcase_add_test(tc, connect_will);
	tcase_add_test(tc, connect_will_with_login);
	tcase_add_test(tc, clean_always);
	tcase_add_test(tc, clean_first_only);
	tcase_add_test(tc, clean_never);
	tcase_add_test(tc, clean_strict);
	tcase_add_test(tc, session_of_a_lost_connack);
	tcase_add_test(tc, session_present_after_clean);
	tcase_add_test(tc, session_present_after_another_clean);
	tcase_add_test(tc, session_expired_meanwhile);
	tcase_add_test(tc, session_expiry_of_the_server);
	tcase_add_test(tc, session_of_clean_connection_ends);
	tcase_add_test(tc, refused_v3);
	tcase_add_test(tc, refused_v5);
	tcase_add_test(tc, refused_with_properties);
	tcase_add_test(tc, refused_by_an_older_server);
	tcase_add_test(tc, limits_by_default);
	tcase_add_test(tc, limits_of_the_server);
	tcase_add_test(tc, empty_client_id);
	tcase_add_test(tc, method_though_none_was_given);
	tcase_add_test(tc, submitted_before_connack);
	tcase_add_test(tc, queue_survives_refusal);
	tcase_add_test(tc, disconnect_normal);
	tcase_add_test(tc, disconnect_with_reason);
	tcase_add_test(tc, disconnect_states);
	tcase_add_test(tc, disconnect_raises_expiry);
	tcase_add_test(tc, disconnect_too_large);
	tcase_add_test(tc, disconnected_by_the_server);
	return tk_main(suite);
}
