/* What a client does by option when a server refuses its protocol version or its empty identifier,
 * and what it says of itself as a bridge. */
#include "wire/client_kit.h"

#include <ctype.h>
#include <stdio.h>

#define REFUSED_BY(connack) TK_SEND(connack), TK_EXPECT_CLOSE(), TK_ACCEPT()

/* --- the protocol version ----------------------------------------------------------------------
 */

/* At once, and for the life of the client. */
START_TEST(version_by_version)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES("10 ({'MQTT'} 05 02 003C (11 00000009) {'c'})"),
	    REFUSED_BY("20 (00 84 ())"), TK_EXPECT_BYTES("10 ({'MQTT'} 04 02 003C {'c'})"),
	    REFUSED_BY("20 (00 01)"), TK_EXPECT_BYTES("10 ({'MQIsdp'} 03 02 003C {'c'})"),
	    TK_SEND("20 (00 00)"), TK_CLOSE(), TK_ACCEPT(),
	    TK_EXPECT_BYTES("10 ({'MQIsdp'} 03 00 003C {'c'})"), TK_SEND("20 (00 00)"), TK_END};

	kit_broker(script);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .session_expiry = 9, .protocol_fallback = true);
	kit_connect();
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_CONNECT, 4, 1000);
	ck_assert_int_eq((int)mqev_client_protocol(kit.client), MQEV_PROTOCOL_V31);
	KIT_DIARY("connect:84 disconnect:REFUSED connect:84 disconnect:REFUSED connect:00 "
		  "disconnect:LOST connect:00");
}
END_TEST

/* A server of 3.1.1 says so in its own layout. */
START_TEST(server_of_3_1_1)
{
	static const struct tk_step script[] = {TK_EXPECT_BYTES(KIT_CONNECT_V5),
	    REFUSED_BY("20 (00 01)"), TK_EXPECT_BYTES(KIT_CONNECT_V311), TK_SEND("20 (00 00)"),
	    TK_END};

	kit_broker(script);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .protocol_fallback = true);
	kit_connect();
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_CONNECT, 2, 1000);
	ck_assert_int_eq((int)mqev_client_protocol(kit.client), MQEV_PROTOCOL_V311);
}
END_TEST

/* What was accepted before goes out in the version that the server takes. */
START_TEST(messages_go_along)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), REFUSED_BY("20 (00 01)"),
	    TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"), TK_EXPECT_BYTES("82 (0001 {'f'} 01)"),
	    TK_EXPECT_BYTES("32 ({'a'} 0002 'm')"), TK_SEND("90 (0001 01) 40 (0002)"), TK_END};

	kit_broker(script);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .protocol_fallback = true);
	kit_subscribe("f", 1, NULL);
	kit_publish("a", "m", 1);
	kit_connect();
	KIT_PLAY(3000);
	kit_await_all(1000);
	ck_assert_int_eq(kit.result.error, 0);
}
END_TEST

static void
stays_refused(const char *connack)
{
	kit_connect();
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	ck_assert_uint_eq(kit.disconnection.retry_ms, MQEV_NONE);
	kit_run(100);
	ck_assert_msg(tk_broker_connections(kit.broker) == 1, "%s", connack);
}

/* Nowhere to fall to: 3.1 is the last, takes no long identifier, and other refusals are others. */
START_TEST(nothing_lower)
{
	static const struct {
		enum mqev_protocol protocol;
		const char *id;
		const char *connack;
	} rows[] = {
	    {MQEV_PROTOCOL_V31, "c", "20 (00 01)"},
	    {MQEV_PROTOCOL_V311, "123456789012345678901234", "20 (00 01)"},
	    {MQEV_PROTOCOL_V311, "c", "20 (00 02)"},
	    {MQEV_PROTOCOL_V5, "c", "20 (00 85 ())"},
	};
	const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_SEND(rows[_i].connack), TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	KIT_CLIENT(.protocol = rows[_i].protocol, .client_id = rows[_i].id,
	    .protocol_fallback = true, .random_client_id = true);
	stays_refused(rows[_i].connack);
}
END_TEST

/* --- the identifier ----------------------------------------------------------------------------
 */

static char seen_id[32];

static const char *
is_random(const struct tk_packet *p, void *arg)
{
	const struct tk_str *id = &p->connect.client_id;

	(void)arg;
	if (id->len != 22)
		return "an identifier of another length";
	for (size_t i = 0; i < id->len; i++) {
		if (!isalnum(id->data[i]))
			return "an identifier of other letters";
	}
	memcpy(seen_id, id->data, id->len);
	return NULL;
}

static const char *
is_the_same(const struct tk_packet *p, void *arg)
{
	(void)arg;
	return tk_str_is(p->connect.client_id, seen_id) ? NULL : "another identifier";
}

START_TEST(empty_identifier_refused)
{
	static const struct tk_step v311[] = {TK_EXPECT_BYTES("10 ({'MQTT'} 04 02 003C {})"),
	    REFUSED_BY("20 (00 02)"), TK_EXPECT_IF(CONNECT, is_random, NULL), TK_SEND("20 (00 00)"),
	    TK_CLOSE(), TK_ACCEPT(), TK_EXPECT_IF(CONNECT, is_the_same, NULL),
	    TK_SEND("20 (00 00)"), TK_END};
	static const struct tk_step v5[] = {TK_EXPECT_BYTES("10 ({'MQTT'} 05 02 003C () {})"),
	    REFUSED_BY("20 (00 85 ())"), TK_EXPECT_IF(CONNECT, is_random, NULL),
	    TK_SEND("20 (00 00 ())"), TK_CLOSE(), TK_ACCEPT(),
	    TK_EXPECT_IF(CONNECT, is_the_same, NULL), TK_SEND("20 (00 00 ())"), TK_END};

	kit_broker(_i == 0 ? v311 : v5);
	KIT_CLIENT(.client_id = "", .random_client_id = true,
	    .protocol = _i == 0 ? MQEV_PROTOCOL_V311 : MQEV_PROTOCOL_V5);
	kit_connect();
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_CONNECT, 3, 1000);
	ck_assert_str_eq(mqev_client_id(kit.client), seen_id);
	KIT_DIARY("connect:85 disconnect:REFUSED connect:00 disconnect:LOST connect:00");
}
END_TEST

/* Without the option, or when the random one is refused too, that is all. */
START_TEST(refused_for_good)
{
	static const struct tk_step once[] = {
	    TK_EXPECT(CONNECT), TK_SEND("20 (00 02)"), TK_EXPECT_CLOSE(), TK_END};
	static const struct tk_step twice[] = {TK_EXPECT(CONNECT), REFUSED_BY("20 (00 02)"),
	    TK_EXPECT_IF(CONNECT, is_random, NULL), TK_SEND("20 (00 02)"), TK_EXPECT_CLOSE(),
	    TK_END};

	kit_broker(_i == 0 ? once : twice);
	KIT_CLIENT(.client_id = "", .random_client_id = _i == 1);
	kit_connect();
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_DISCONNECT, _i + 1, 1000);
	ck_assert_uint_eq(kit.disconnection.retry_ms, MQEV_NONE);
	kit_run(100);
	ck_assert_int_eq(tk_broker_connections(kit.broker), _i + 1);
}
END_TEST

/* 3.1 has no empty identifiers: a client that falls back to it without one gets one. */
START_TEST(fallback_without_an_identifier)
{
	static const struct tk_step script[] = {TK_EXPECT_BYTES("10 ({'MQTT'} 04 02 003C {})"),
	    REFUSED_BY("20 (00 01)"), TK_EXPECT_IF(CONNECT, is_random, NULL), TK_SEND("20 (00 00)"),
	    TK_END};

	kit_broker(script);
	KIT_CLIENT(.client_id = "", .protocol_fallback = true);
	kit_connect();
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_CONNECT, 2, 1000);
	ck_assert_str_eq(mqev_client_id(kit.client), seen_id);
	ck_assert_int_eq((int)mqev_client_protocol(kit.client), MQEV_PROTOCOL_V31);
}
END_TEST

/* --- the bridge bit ----------------------------------------------------------------------------
 */

/* No version has it by the book, which says 5 and has No Local for bridges: as Paho, by option. */
START_TEST(bridge)
{
	static const struct {
		enum mqev_protocol protocol;
		const char *connect;
		const char *connack;
	} rows[] = {
	    {MQEV_PROTOCOL_V31, "10 ({'MQIsdp'} 83 02 003C {'c'})", "20 (00 00)"},
	    {MQEV_PROTOCOL_V311, "10 ({'MQTT'} 84 02 003C {'c'})", "20 (00 00)"},
	    {MQEV_PROTOCOL_V5, "10 ({'MQTT'} 85 02 003C () {'c'})", "20 (00 00 ())"},
	};
	const struct tk_step script[] = {
	    TK_LENIENT(), TK_EXPECT_BYTES(rows[_i].connect), TK_SEND(rows[_i].connack), TK_END};

	kit_broker(script);
	KIT_CLIENT(.protocol = rows[_i].protocol, .bridge = true);
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("client_fallback");
	TCase *tc = kit_case(s, "version");

	tcase_add_test(tc, version_by_version);
	tcase_add_test(tc, server_of_3_1_1);
	tcase_add_test(tc, messages_go_along);
	tcase_add_loop_test(tc, nothing_lower, 0, 4);
	tc = kit_case(s, "identifier");
	tcase_add_loop_test(tc, empty_identifier_refused, 0, 2);
	tcase_add_loop_test(tc, refused_for_good, 0, 2);
	tcase_add_test(tc, fallback_without_an_identifier);
	tc = kit_case(s, "bridge");
	tcase_add_loop_test(tc, bridge, 0, 3);
	return s;
}

int
main(void)
{
	return tk_main(suite());
}
