/* Connecting: the bytes of CONNECT, answers and failures, and that each attempt ends in one
 * callback. */
#include "wire/client_kit.h"

#include <ctype.h>
#include <stdio.h>

/* --- the bytes of CONNECT ----------------------------------------------------------------------
 */

#define WILL(...)                                                     \
	(struct mqev_will[])                                          \
	{                                                             \
		{                                                     \
			.size = sizeof(struct mqev_will), __VA_ARGS__ \
		}                                                     \
	}

struct connect_row {
	struct mqev_options options;
	const char *bytes;
};

#define OPTIONS(...)                                             \
	{                                                        \
		.size = sizeof(struct mqev_options), __VA_ARGS__ \
	}

static const struct connect_row connect_rows[] = {
    {OPTIONS(.protocol = MQEV_PROTOCOL_V31), KIT_CONNECT_V31},
    {OPTIONS(.protocol = MQEV_PROTOCOL_V311), KIT_CONNECT_V311},
    {OPTIONS(.protocol = MQEV_PROTOCOL_DEFAULT), KIT_CONNECT_V311},
    {OPTIONS(.protocol = MQEV_PROTOCOL_V5), KIT_CONNECT_V5},
    {OPTIONS(.keepalive = 10), "10 ({'MQTT'} 04 02 000A {'c'})"},
    {OPTIONS(.keepalive = 65535), "10 ({'MQTT'} 04 02 FFFF {'c'})"},
    {OPTIONS(.keepalive = MQEV_NONE), "10 ({'MQTT'} 04 02 0000 {'c'})"},
    {OPTIONS(.clean = MQEV_CLEAN_ALWAYS), KIT_CONNECT_V311},
    {OPTIONS(.clean = MQEV_CLEAN_FIRST_ONLY), KIT_CONNECT_V311},
    {OPTIONS(.clean = MQEV_CLEAN_NEVER), "10 ({'MQTT'} 04 00 003C {'c'})"},
    {OPTIONS(.clean = MQEV_CLEAN_STRICT), "10 ({'MQTT'} 04 00 003C {'c'})"},
    {OPTIONS(.protocol = MQEV_PROTOCOL_V31, .clean = MQEV_CLEAN_NEVER),
	"10 ({'MQIsdp'} 03 00 003C {'c'})"},
    {OPTIONS(.protocol = MQEV_PROTOCOL_V5, .clean = MQEV_CLEAN_NEVER),
	"10 ({'MQTT'} 05 00 003C () {'c'})"},
    {OPTIONS(.client_id = ""), "10 ({'MQTT'} 04 02 003C {})"},
    {OPTIONS(.client_id = "\xe2\x98\x83"), "10 ({'MQTT'} 04 02 003C {E29883})"},
    {OPTIONS(.username = "user"), "10 ({'MQTT'} 04 82 003C {'c'} {'user'})"},
    {OPTIONS(.username = "user", .password = "secret"),
	"10 ({'MQTT'} 04 C2 003C {'c'} {'user'} {'secret'})"},
    {OPTIONS(.username = "user", .password = ""), "10 ({'MQTT'} 04 C2 003C {'c'} {'user'} {})"},
    {OPTIONS(.username = "", .password = ""), "10 ({'MQTT'} 04 C2 003C {'c'} {} {})"},
    {OPTIONS(.username = "u\xc3\xbc", .password = "p\xc3\xa4"),
	"10 ({'MQTT'} 04 C2 003C {'c'} {'u' C3BC} {'p' C3A4})"},
    {OPTIONS(.username = "user", .password = "\0\1\xff", .password_len = 3),
	"10 ({'MQTT'} 04 C2 003C {'c'} {'user'} {0001FF})"},
    {OPTIONS(.protocol = MQEV_PROTOCOL_V5, .password = "token"),
	"10 ({'MQTT'} 05 42 003C () {'c'} {'token'})"},
    {OPTIONS(.protocol = MQEV_PROTOCOL_V5, .username = "user", .password = "secret"),
	"10 ({'MQTT'} 05 C2 003C () {'c'} {'user'} {'secret'})"},
    {OPTIONS(.protocol = MQEV_PROTOCOL_V31, .username = "user", .password = "secret"),
	"10 ({'MQIsdp'} 03 C2 003C {'c'} {'user'} {'secret'})"},
    {OPTIONS(.will = WILL(.topic = "w", .payload = "gone", .payload_len = 4)),
	"10 ({'MQTT'} 04 06 003C {'c'} {'w'} {'gone'})"},
    {OPTIONS(.will = WILL(.topic = "w")), "10 ({'MQTT'} 04 06 003C {'c'} {'w'} {})"},
    {OPTIONS(.will =
		 WILL(.topic = "w", .payload = "gone", .payload_len = 4, .qos = 1, .retain = true)),
	"10 ({'MQTT'} 04 2E 003C {'c'} {'w'} {'gone'})"},
    {OPTIONS(.username = "user", .password = "secret",
	 .will = WILL(.topic = "w", .payload = "\0", .payload_len = 1, .qos = 2)),
	"10 ({'MQTT'} 04 D6 003C {'c'} {'w'} {00} {'user'} {'secret'})"},
    {OPTIONS(.protocol = MQEV_PROTOCOL_V5,
	 .will = WILL(.topic = "w", .payload = "gone", .payload_len = 4, .qos = 2)),
	"10 ({'MQTT'} 05 16 003C () {'c'} () {'w'} {'gone'})"},
    {OPTIONS(.protocol = MQEV_PROTOCOL_V5, .session_expiry = 60),
	"10 ({'MQTT'} 05 02 003C (11 0000003C) {'c'})"},
    {OPTIONS(.protocol = MQEV_PROTOCOL_V5, .session_expiry = 0xffffffff, .clean = MQEV_CLEAN_NEVER),
	"10 ({'MQTT'} 05 00 003C (11 FFFFFFFF) {'c'})"},
    {OPTIONS(.protocol = MQEV_PROTOCOL_V5, .receive_maximum = 7, .max_packet_size = 1000,
	 .topic_alias_maximum = 0),
	"10 ({'MQTT'} 05 02 003C (21 0007 27 000003E8) {'c'})"},
    /* Limits of its own are announced in 5.0 only. */
    {OPTIONS(.receive_maximum = 7, .max_packet_size = 1000), KIT_CONNECT_V311},
};

#define COUNT(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))

START_TEST(connect_bytes)
{
	const struct connect_row *row = &connect_rows[_i];
	bool v5 = row->options.protocol == MQEV_PROTOCOL_V5;
	bool empty_id = row->options.client_id != NULL && row->options.client_id[0] == '\0';
	const struct tk_step script[] = {
	    TK_EXPECT_BYTES(row->bytes),
	    TK_SEND(v5 ? "20 (00 00 ())" : "20 (00 00)"),
	    TK_EXPECT_BYTES("E0 00"),
	    TK_EXPECT_CLOSE(),
	    TK_END,
	};

	kit_broker(script);
	kit.client = kit_client_new(row->options);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	ck_assert_int_eq(kit.connack.reason, 0);
	ck_assert_int_eq(kit.connack.code, 0);
	ck_assert(mqev_client_is_connected(kit.client));
	ck_assert_str_eq(mqev_client_id(kit.client), empty_id ? ""
						     : row->options.client_id != NULL
							 ? row->options.client_id
							 : "c");
	kit_disconnect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	ck_assert(!mqev_client_is_connected(kit.client));
	ck_assert(!kit.disconnection.from_server);
	ck_assert_uint_eq(kit.disconnection.retry_ms, UINT32_MAX);
	KIT_DIARY("connect:00 disconnect:OK");
}
END_TEST

START_TEST(connect_properties)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES("10 ({'MQTT'} 05 06 003C (11 00000005 26 {'k'} {'v'} 19 01) {'c'} "
			    "(18 00000009 03 {'text'}) {'w'} {})"),
	    TK_SEND("20 (00 00 ())"),
	    TK_END,
	};
	struct mqev_properties *p = mqev_properties_new();
	struct mqev_properties *w = mqev_properties_new();

	ck_assert_int_eq(mqev_properties_add_user(p, "k", "v"), 0);
	ck_assert_int_eq(
	    mqev_properties_add_integer(p, MQEV_PROP_REQUEST_RESPONSE_INFORMATION, 1), 0);
	ck_assert_int_eq(mqev_properties_add_integer(w, MQEV_PROP_WILL_DELAY_INTERVAL, 9), 0);
	ck_assert_int_eq(mqev_properties_add_string(w, MQEV_PROP_CONTENT_TYPE, "text"), 0);
	kit_broker(script);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .session_expiry = 5, .connect_properties = p,
	    .will = WILL(.topic = "w", .properties = w));
	/* All is copied. */
	mqev_properties_free(p);
	mqev_properties_free(w);
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
}
END_TEST

/* [MQTT-3.1.0-2]: who is connected, or about to be, does not connect again. */
START_TEST(connect_while_connected)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_QUIET(50), TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	ck_assert_int_eq(
	    KIT_CALL(mqev_connect(kit.client, tk_broker_url(kit.broker))), MQEV_ERR_STATE);
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	ck_assert_int_eq(
	    KIT_CALL(mqev_connect(kit.client, tk_broker_url(kit.broker))), MQEV_ERR_STATE);
	kit_run(80);
	kit_disconnect();
	KIT_PLAY(2000);
	ck_assert_int_eq(tk_broker_connections(kit.broker), 1);
}
END_TEST

static const char *
random_id(const struct tk_packet *p, void *arg)
{
	(void)arg;
	/* What every server takes ([MQTT-3.1.3-5]). */
	for (size_t i = 0; i < p->connect.client_id.len; i++) {
		if (!isalnum((unsigned char)p->connect.client_id.data[i]))
			return "a client id of other letters";
	}
	return p->connect.client_id.len == 22 ? NULL : "another client id";
}

START_TEST(random_id_in_3_1)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_IF(CONNECT, random_id, NULL),
	    TK_SEND("20 (00 00)"),
	    TK_END,
	};
	char first[32];

	kit_broker(script);
	KIT_CLIENT(.client_id = "", .protocol = MQEV_PROTOCOL_V31);
	snprintf(first, sizeof(first), "%s", mqev_client_id(kit.client));
	ck_assert_uint_eq(strlen(first), 22);
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	ck_assert_str_eq(mqev_client_id(kit.client), first);
	kit_free_client();
	KIT_CLIENT(.client_id = "", .protocol = MQEV_PROTOCOL_V31);
	ck_assert_str_ne(mqev_client_id(kit.client), first);
}
END_TEST

/* The server's name for us is kept for the next connection ([MQTT-3.2.2-16]). */
START_TEST(assigned_id)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES("10 ({'MQTT'} 05 02 003C (11 0000000A) {})"),
	    TK_SEND("20 (00 00 (12 {'auto-7'}))"),
	    TK_CLOSE(),
	    TK_ACCEPT(),
	    TK_EXPECT_BYTES("10 ({'MQTT'} 05 00 003C (11 0000000A) {'auto-7'})"),
	    TK_SEND("20 (01 00 ())"),
	    TK_END,
	};

	kit_broker(script);
	KIT_CLIENT(.client_id = "", .protocol = MQEV_PROTOCOL_V5, .session_expiry = 10);
	ck_assert_str_eq(mqev_client_id(kit.client), "");
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT, 2, 2000);
	ck_assert_str_eq(mqev_client_id(kit.client), "auto-7");
	KIT_DIARY("connect:00 disconnect:LOST connect:00+session");
}
END_TEST

/* --- CONNACK that refuses ----------------------------------------------------------------------
 */

struct refusal_row {
	enum mqev_protocol protocol;
	const char *connack;
	enum mqev_reason reason;
	int code;
	bool retries;
};

static const struct refusal_row refusal_rows[] = {
    {MQEV_PROTOCOL_V31, "20 (00 01)", MQEV_REASON_UNSUPPORTED_PROTOCOL_VERSION, 1, false},
    {MQEV_PROTOCOL_V31, "20 (00 02)", MQEV_REASON_CLIENT_IDENTIFIER_NOT_VALID, 2, false},
    {MQEV_PROTOCOL_V31, "20 (00 03)", MQEV_REASON_SERVER_UNAVAILABLE, 3, true},
    {MQEV_PROTOCOL_V31, "20 (00 04)", MQEV_REASON_BAD_USER_NAME_OR_PASSWORD, 4, false},
    {MQEV_PROTOCOL_V31, "20 (00 05)", MQEV_REASON_NOT_AUTHORIZED, 5, false},
    {MQEV_PROTOCOL_V311, "20 (00 01)", MQEV_REASON_UNSUPPORTED_PROTOCOL_VERSION, 1, false},
    {MQEV_PROTOCOL_V311, "20 (00 02)", MQEV_REASON_CLIENT_IDENTIFIER_NOT_VALID, 2, false},
    {MQEV_PROTOCOL_V311, "20 (00 03)", MQEV_REASON_SERVER_UNAVAILABLE, 3, true},
    {MQEV_PROTOCOL_V311, "20 (00 04)", MQEV_REASON_BAD_USER_NAME_OR_PASSWORD, 4, false},
    {MQEV_PROTOCOL_V311, "20 (00 05)", MQEV_REASON_NOT_AUTHORIZED, 5, false},
    {MQEV_PROTOCOL_V5, "20 (00 80 ())", MQEV_REASON_UNSPECIFIED_ERROR, 0x80, true},
    {MQEV_PROTOCOL_V5, "20 (00 84 ())", MQEV_REASON_UNSUPPORTED_PROTOCOL_VERSION, 0x84, false},
    {MQEV_PROTOCOL_V5, "20 (00 85 ())", MQEV_REASON_CLIENT_IDENTIFIER_NOT_VALID, 0x85, false},
    {MQEV_PROTOCOL_V5, "20 (00 86 ())", MQEV_REASON_BAD_USER_NAME_OR_PASSWORD, 0x86, false},
    {MQEV_PROTOCOL_V5, "20 (00 87 ())", MQEV_REASON_NOT_AUTHORIZED, 0x87, false},
    {MQEV_PROTOCOL_V5, "20 (00 88 ())", MQEV_REASON_SERVER_UNAVAILABLE, 0x88, true},
    {MQEV_PROTOCOL_V5, "20 (00 89 ())", MQEV_REASON_SERVER_BUSY, 0x89, true},
    {MQEV_PROTOCOL_V5, "20 (00 8A ())", MQEV_REASON_BANNED, 0x8a, false},
    {MQEV_PROTOCOL_V5, "20 (00 97 ())", MQEV_REASON_QUOTA_EXCEEDED, 0x97, true},
    {MQEV_PROTOCOL_V5, "20 (00 9F (1F {'later'}))", MQEV_REASON_CONNECTION_RATE_EXCEEDED, 0x9f,
	true},
};

static void
note_reason_string(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	const struct mqev_connack *connack = what;
	struct mqev_property p;

	(void)userdata;
	if (event != KIT_CONNECT)
		return;
	ck_assert(!mqev_client_is_connected(c));
	if (mqev_properties_find(connack->properties, MQEV_PROP_REASON_STRING, &p) == 0) {
		ck_assert_int_eq((int)p.value_len, 5);
		ck_assert_mem_eq(p.value, "later", 5);
	} else {
		ck_assert_int_ne(connack->code, 0x9f);
	}
}

START_TEST(connack_refuses)
{
	const struct refusal_row *row = &refusal_rows[_i];
	const struct tk_step script[] = {
	    TK_EXPECT(CONNECT),
	    TK_SEND(row->connack),
	    TK_EXPECT_CLOSE(),
	    TK_END,
	};

	kit.hook = note_reason_string;
	kit_broker(script);
	KIT_CLIENT(.protocol = row->protocol);
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	ck_assert_int_eq(kit.connack.reason, row->reason);
	ck_assert_int_eq(kit.connack.code, row->code);
	ck_assert_int_eq(kit.disconnection.error, MQEV_ERR_REFUSED);
	ck_assert_int_eq(kit.disconnection.reason, row->reason);
	ck_assert(!kit.disconnection.from_server);
	if (row->retries) {
		ck_assert_uint_ge(kit.disconnection.retry_ms, 20);
		ck_assert_uint_le(kit.disconnection.retry_ms, 40);
		ck_assert_int_eq(KIT_CALL(mqev_connect(kit.client, "mqtt://x")), MQEV_ERR_STATE);
		KIT_AWAIT(KIT_CONNECT, 1, 1000);
	} else {
		ck_assert_uint_eq(kit.disconnection.retry_ms, UINT32_MAX);
		kit_run(100);
		ck_assert_int_eq(tk_broker_connections(kit.broker), 1);
		ck_assert_int_eq(KIT_CALL(mqev_disconnect(kit.client, NULL)), MQEV_ERR_STATE);
		kit_connect(); /* new credentials may be in the URL */
	}
	tk_run_until(kit.base, NULL, NULL, 100);
	ck_assert_int_eq(tk_broker_connections(kit.broker), 2);
}
END_TEST

/* --- attempts that fail ------------------------------------------------------------------------
 */

static int
closed_port(void)
{
	return tk_free_port();
}

static void
assert_retries(uint32_t min, uint32_t max)
{
	ck_assert_uint_ge(kit.failure.retry_ms, min);
	ck_assert_uint_le(kit.failure.retry_ms, max);
}

START_TEST(refused_by_tcp)
{
	int port = closed_port();

	KIT_CLIENT(.keepalive = 60);
	kit_connect_to("mqtt://127.0.0.1:%d", port);
	KIT_AWAIT(KIT_CONNECT_FAIL, 3, 3000);
	ck_assert_int_eq(kit.failure.system_errno, ECONNREFUSED);
	ck_assert_uint_eq(kit.failure.tls_error, 0);
	ck_assert_int_eq(kit.failure.http_status, 0);
	assert_retries(20, 40);
	ck_assert_ptr_nonnull(strstr(kit.text, "127.0.0.1"));
	KIT_DIARY("fail:dial:SYSTEM fail:dial:SYSTEM fail:dial:SYSTEM");
}
END_TEST

START_TEST(no_such_unix_socket)
{
	KIT_CLIENT(.keepalive = 60);
	kit_connect_to("unix:///no/such/dir/socket");
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 3000);
	ck_assert_int_eq(kit.failure.system_errno, ENOENT);
	assert_retries(20, 40);
	KIT_DIARY("fail:dial:SYSTEM");
}
END_TEST

/* No network, no server of names, or the server's "no": all end. */
START_TEST(unresolvable)
{
	KIT_CLIENT(.connect_timeout_ms = 300);
	kit_connect_to("mqtt://no-such-host.invalid");
	KIT_AWAIT(KIT_CONNECT_FAIL, 2, 6000);
	ck_assert_int_eq((int)kit.failure.stage, MQEV_STAGE_RESOLVE);
	ck_assert(kit.failure.error == MQEV_ERR_RESOLVE || kit.failure.error == MQEV_ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(kit.text, "no-such-host.invalid"));
	assert_retries(20, 40);
}
END_TEST

/* A link-local address without its interface is no address that can be dialled. */
START_TEST(unreachable)
{
	KIT_CLIENT(.connect_timeout_ms = 300);
	kit_connect_to("mqtt://[fe80::1]:1883");
	KIT_AWAIT(KIT_CONNECT_FAIL, 2, 3000);
	ck_assert_int_ne(kit.failure.system_errno, 0);
	assert_retries(20, 40);
	KIT_DIARY("fail:dial:SYSTEM fail:dial:SYSTEM");
}
END_TEST

struct early_row {
	enum mqev_protocol protocol;
	const char *bytes; /* instead of CONNACK; NULL: nothing */
	enum tk_op end;	   /* TK_OP_CLOSE, TK_OP_RESET or TK_OP_EXPECT_CLOSE */
	const char *answer;
	const char *diary;
};

static const struct early_row early_rows[] = {
    {MQEV_PROTOCOL_V311, NULL, TK_OP_CLOSE, NULL, "fail:connack:LOST"},
    {MQEV_PROTOCOL_V5, NULL, TK_OP_CLOSE, NULL, "fail:connack:LOST"},
    {MQEV_PROTOCOL_V311, NULL, TK_OP_RESET, NULL, "fail:connack:LOST"},
    {MQEV_PROTOCOL_V311, "20 02 00", TK_OP_CLOSE, NULL, "fail:connack:LOST"},
    {MQEV_PROTOCOL_V5, "20 03 00 00", TK_OP_RESET, NULL, "fail:connack:LOST"},
    {MQEV_PROTOCOL_V31, NULL, TK_OP_EXPECT_CLOSE, NULL, "fail:connack:TIMEOUT"},
    {MQEV_PROTOCOL_V311, NULL, TK_OP_EXPECT_CLOSE, NULL, "fail:connack:TIMEOUT"},
    {MQEV_PROTOCOL_V5, NULL, TK_OP_EXPECT_CLOSE, NULL, "fail:connack:TIMEOUT"},
    {MQEV_PROTOCOL_V5, "20 03 00", TK_OP_EXPECT_CLOSE, NULL, "fail:connack:TIMEOUT"},
    {MQEV_PROTOCOL_V311, "'HTTP/1.1 400 Bad Request' 0D0A", TK_OP_EXPECT_CLOSE, NULL,
	"fail:connack:MALFORMED"},
    {MQEV_PROTOCOL_V5, "'HTTP/1.1 400 Bad Request' 0D0A", TK_OP_EXPECT_CLOSE, "E0 01 81",
	"fail:connack:MALFORMED"},
    {MQEV_PROTOCOL_V5, "30 ({'a'} () 'x')", TK_OP_EXPECT_CLOSE, "E0 01 82",
	"fail:connack:PROTOCOL"},
    {MQEV_PROTOCOL_V311, "30 ({'a'} 'x')", TK_OP_EXPECT_CLOSE, NULL, "fail:connack:PROTOCOL"},
    {MQEV_PROTOCOL_V5, "E0 01 8B", TK_OP_EXPECT_CLOSE, NULL, "fail:connack:DISCONNECTED"},
};

static void
early_end(struct tk_step *script, const struct early_row *row)
{
	size_t n = 0;

	script[n++] = (struct tk_step)TK_EXPECT(CONNECT);
	if (row->bytes != NULL)
		script[n++] = (struct tk_step)TK_SEND(row->bytes);
	if (row->answer != NULL)
		script[n++] = (struct tk_step)TK_EXPECT_BYTES(row->answer);
	script[n++] = (struct tk_step){.op = row->end, .line = __LINE__};
	script[n++] = (struct tk_step)TK_ACCEPT();
	script[n++] = (struct tk_step)TK_EXPECT(CONNECT);
	script[n++] = (struct tk_step)TK_END;
}

START_TEST(ends_before_connack)
{
	const struct early_row *row = &early_rows[_i];
	struct tk_step script[8];

	early_end(script, row);
	kit_broker(script);
	KIT_CLIENT(.protocol = row->protocol, .connack_timeout_ms = 60);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 2000);
	KIT_DIARY(row->diary);
	assert_retries(20, 40);
	KIT_PLAY(2000);
}
END_TEST

START_TEST(reset_tells_errno)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_RESET(), TK_END};

	kit_broker(script);
	KIT_CLIENT(.no_reconnect = true);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 2000);
	ck_assert_int_eq(kit.failure.system_errno, ECONNRESET);
	ck_assert_uint_eq(kit.failure.retry_ms, UINT32_MAX);
}
END_TEST

START_TEST(no_reconnect)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"), TK_CLOSE(), TK_END};

	kit_broker(script);
	KIT_CLIENT(.no_reconnect = true);
	kit_connect();
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	ck_assert_uint_eq(kit.disconnection.retry_ms, UINT32_MAX);
	kit_run(100);
	ck_assert_int_eq(tk_broker_connections(kit.broker), 1);
	KIT_DIARY("connect:00 disconnect:LOST");
	/* Nothing is under way any more. */
	ck_assert_int_eq(KIT_CALL(mqev_disconnect(kit.client, NULL)), MQEV_ERR_STATE);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 100);
}
END_TEST

/* --- backoff and the list of servers -----------------------------------------------------------
 */

static struct {
	long long at[16];
	uint32_t wait[16];
	int n;
} failures;

static void
note_failure(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)c;
	(void)userdata;
	if (failures.n >= 16)
		return;
	if (event == KIT_CONNECT_FAIL)
		failures.wait[failures.n] = ((const struct mqev_connect_failure *)what)->retry_ms;
	else if (event == KIT_DISCONNECT)
		failures.wait[failures.n] = ((const struct mqev_disconnection *)what)->retry_ms;
	else
		return;
	failures.at[failures.n++] = tk_now_ms();
}

/* Wait n is in [max(min, d/2), d] with d = min(max, min * 2^(n+1)). */
static void
assert_wait(int i, uint32_t d, uint32_t min)
{
	uint32_t low = d / 2 > min ? d / 2 : min;

	ck_assert_msg(failures.wait[i] >= low && failures.wait[i] <= d,
	    "wait %d is %u, not in [%u, %u]", i, failures.wait[i], low, d);
}

static void
assert_waited(int i)
{
	long long waited = failures.at[i + 1] - failures.at[i];

	ck_assert_msg(waited >= (long long)failures.wait[i] - 15 &&
			  waited <= (long long)failures.wait[i] + 200,
	    "waited %lld instead of %u ms", waited, failures.wait[i]);
}

START_TEST(backoff_grows)
{
	static const uint32_t d[] = {20, 40, 80, 100, 100, 100};

	kit.hook = note_failure;
	KIT_CLIENT(.reconnect_min_ms = 10, .reconnect_max_ms = 100);
	kit_connect_to("mqtt://127.0.0.1:%d", closed_port());
	KIT_AWAIT(KIT_CONNECT_FAIL, 6, 3000);
	for (int i = 0; i < 6; i++)
		assert_wait(i, d[i], 10);
	for (int i = 0; i < 5; i++)
		assert_waited(i);
}
END_TEST

#define LOSE_AFTER_CONNACK TK_ACCEPT(), TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"), TK_CLOSE()
#define LOSE_BEFORE_CONNACK TK_ACCEPT(), TK_EXPECT(CONNECT), TK_CLOSE()

static const struct tk_step ups_and_downs[] = {
    LOSE_BEFORE_CONNACK,
    LOSE_BEFORE_CONNACK,
    LOSE_BEFORE_CONNACK, /* 40, 80, 160 */
    LOSE_AFTER_CONNACK,	 /* 40 again, or 320 */
    LOSE_AFTER_CONNACK,	 /* 40 again, or 320 */
    TK_END,
};

START_TEST(backoff_is_reset_by_connack)
{
	static const uint32_t d[] = {40, 80, 160, 40, 40};

	kit.hook = note_failure;
	kit_broker(ups_and_downs);
	KIT_CLIENT(.reconnect_min_ms = 20, .reconnect_max_ms = 320);
	kit_connect();
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_DISCONNECT, 2, 2000);
	for (int i = 0; i < 5; i++)
		assert_wait(i, d[i], 20);
	KIT_DIARY("fail:connack:LOST fail:connack:LOST fail:connack:LOST connect:00 "
		  "disconnect:LOST connect:00 disconnect:LOST");
}
END_TEST

START_TEST(backoff_is_not_reset_before_min_uptime)
{
	static const uint32_t d[] = {40, 80, 160, 320, 320};

	kit.hook = note_failure;
	kit_broker(ups_and_downs);
	KIT_CLIENT(.reconnect_min_ms = 20, .reconnect_max_ms = 320, .min_uptime_ms = 5000);
	kit_connect();
	KIT_PLAY(4000);
	KIT_AWAIT(KIT_DISCONNECT, 2, 2000);
	for (int i = 0; i < 5; i++)
		assert_wait(i, d[i], 20);
}
END_TEST

START_TEST(backoff_is_reset_after_min_uptime)
{
	static const struct tk_step script[] = {
	    LOSE_BEFORE_CONNACK,
	    LOSE_BEFORE_CONNACK,
	    TK_ACCEPT(),
	    TK_EXPECT(CONNECT),
	    TK_SEND("20 (00 00)"),
	    TK_WAIT(120),
	    TK_CLOSE(),
	    TK_END,
	};

	kit.hook = note_failure;
	kit_broker(script);
	KIT_CLIENT(.reconnect_min_ms = 20, .reconnect_max_ms = 320, .min_uptime_ms = 100);
	kit_connect();
	KIT_PLAY(4000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	assert_wait(2, 40, 20);
}
END_TEST

START_TEST(servers_are_walked_once_before_waiting)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"), TK_END};
	int a = closed_port();
	int b = closed_port();

	kit.hook = note_failure;
	kit_broker(script);
	KIT_CLIENT(.reconnect_min_ms = 60000, .reconnect_max_ms = 60000);
	kit_connect_to(
	    "mqtt://127.0.0.1:%d  mqtt://127.0.0.1:%d %s", a, b, tk_broker_url(kit.broker));
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	KIT_DIARY("fail:dial:SYSTEM fail:dial:SYSTEM connect:00");
	ck_assert_uint_eq(failures.wait[0], 0);
	ck_assert_uint_eq(failures.wait[1], 0);
}
END_TEST

START_TEST(all_servers_dead)
{
	int a = closed_port();
	int b = closed_port();

	kit.hook = note_failure;
	KIT_CLIENT(.reconnect_min_ms = 20, .reconnect_max_ms = 1000);
	kit_connect_to("mqtt://127.0.0.1:%d mqtt://127.0.0.1:%d", a, b);
	KIT_AWAIT(KIT_CONNECT_FAIL, 4, 3000);
	ck_assert_uint_eq(failures.wait[0], 0);
	assert_wait(1, 40, 20);
	ck_assert_uint_eq(failures.wait[2], 0);
	assert_wait(3, 80, 20);
	assert_waited(1);
}
END_TEST

START_TEST(no_reconnect_makes_one_attempt)
{
	int a = closed_port();
	int b = closed_port();

	KIT_CLIENT(.no_reconnect = true);
	kit_connect_to("mqtt://127.0.0.1:%d mqtt://127.0.0.1:%d", a, b);
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 3000);
	ck_assert_uint_eq(kit.failure.retry_ms, UINT32_MAX);
	kit_run(100);
	KIT_DIARY("fail:dial:SYSTEM");
}
END_TEST

/* A user and a password in the URL are used when the options have none. */
START_TEST(login_in_the_url)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES("10 ({'MQTT'} 04 C2 003C {'c'} {'al'} {'pw@'})"), TK_SEND("20 (00 00)"),
	    TK_END};

	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect_to("mqtt://al:pw%%40@127.0.0.1:%d", tk_broker_port(kit.broker));
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
}
END_TEST

START_TEST(login_of_the_options_first)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES("10 ({'MQTT'} 04 82 003C {'c'} {'user'})"), TK_SEND("20 (00 00)"),
	    TK_END};

	kit_broker(script);
	KIT_CLIENT(.username = "user");
	kit_connect_to("mqtt://al:pw@127.0.0.1:%d", tk_broker_port(kit.broker));
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
}
END_TEST

/* --- kinds of addresses ------------------------------------------------------------------------
 */

static const char *const ways[] = {"127.0.0.1", "::1", "localhost", "unix"};

static void
broker_by_way(const struct tk_step *script, const char *way, char **dir)
{
	char where[200] = "127.0.0.1";

	*dir = NULL;
	if (strcmp(way, "unix") == 0) {
		*dir = tk_tmpdir();
		snprintf(where, sizeof(where), "unix:%s/s", *dir);
	} else if (strcmp(way, "::1") == 0) {
		snprintf(where, sizeof(where), "::1");
	}
	kit_broker_at(script, where);
}

START_TEST(each_kind_of_address)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES(KIT_CONNECT_V5),
	    TK_SEND("20 (00 00 ())"),
	    TK_EXPECT_BYTES("30 ({'a'} () 'zero')"),
	    TK_EXPECT_BYTES("32 ({'a'} 0001 () 'one')"),
	    TK_SEND("40 (@)"),
	    TK_SEND("34 ({'b'} 0007 () 'two')"),
	    TK_EXPECT_BYTES("50 (0007)"),
	    TK_SEND("62 (0007)"),
	    TK_EXPECT_BYTES("70 (0007)"),
	    TK_EXPECT_BYTES("E0 00"),
	    TK_EXPECT_CLOSE(),
	    TK_END,
	};
	char *dir;

	broker_by_way(script, ways[_i], &dir);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	if (strcmp(ways[_i], "localhost") == 0)
		kit_connect_to("mqtt://localhost:%d", tk_broker_port(kit.broker));
	else
		kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 3000);
	kit_publish("a", "zero", 0);
	kit_publish("a", "one", 1);
	KIT_AWAIT(KIT_MESSAGE, 1, 2000);
	kit_await_all(2000);
	kit_run(20); /* PUBREL comes and is answered */
	kit_disconnect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	KIT_DIARY("connect:00 done1:OK done2:OK message:b:two:2 disconnect:OK");
	if (dir != NULL)
		tk_rmtree(dir);
	free(dir);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("client_connect");
	TCase *tc = kit_case(s, "CONNECT");

	tcase_add_loop_test(tc, connect_bytes, 0, COUNT(connect_rows));
	tcase_add_test(tc, connect_properties);
	tcase_add_test(tc, connect_while_connected);
	tcase_add_test(tc, random_id_in_3_1);
	tcase_add_test(tc, assigned_id);
	tcase_add_test(tc, login_in_the_url);
	tcase_add_test(tc, login_of_the_options_first);
	tc = kit_case(s, "refused");
	tcase_add_loop_test(tc, connack_refuses, 0, COUNT(refusal_rows));
	tc = kit_case(s, "failed");
	tcase_add_test(tc, refused_by_tcp);
	tcase_add_test(tc, no_such_unix_socket);
	tcase_add_test(tc, unresolvable);
	tcase_add_test(tc, unreachable);
	tcase_add_loop_test(tc, ends_before_connack, 0, COUNT(early_rows));
	tcase_add_test(tc, reset_tells_errno);
	tcase_add_test(tc, no_reconnect);
	tc = kit_case(s, "again");
	tcase_add_test(tc, backoff_grows);
	tcase_add_test(tc, backoff_is_reset_by_connack);
	tcase_add_test(tc, backoff_is_not_reset_before_min_uptime);
	tcase_add_test(tc, backoff_is_reset_after_min_uptime);
	tcase_add_test(tc, servers_are_walked_once_before_waiting);
	tcase_add_test(tc, all_servers_dead);
	tcase_add_test(tc, no_reconnect_makes_one_attempt);
	tc = kit_case(s, "addresses");
	tcase_add_loop_test(tc, each_kind_of_address, 0, COUNT(ways));
	return s;
}

int
main(void)
{
	return tk_main(suite());
}
