/* Wrong arguments: each is refused with MQEV_ERR_INVALID, and the client is as it was. */
#include "wire/client_kit.h"

#include <limits.h>
#include <stdio.h>

#include "net/ws.h"

#define COUNT(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))

/* 65,536 and 65,535 characters. */
static char too_long[65537];
static char longest[65536];

static void
make_long(void)
{
	memset(too_long, 'x', 65536);
	memset(longest, 'x', 65535);
}

/* --- mqev_client_new() -------------------------------------------------------------------------
 */

struct options_row {
	struct mqev_options options;
	int error;
};

#define OPTIONS(...)                                             \
	{                                                        \
		.size = sizeof(struct mqev_options), __VA_ARGS__ \
	}
#define WILL(...)                                                     \
	(struct mqev_will[])                                          \
	{                                                             \
		{                                                     \
			.size = sizeof(struct mqev_will), __VA_ARGS__ \
		}                                                     \
	}
#define V5 .protocol = MQEV_PROTOCOL_V5
#define V31 .protocol = MQEV_PROTOCOL_V31

static const struct options_row options_rows[] = {
    {{.size = 0}, MQEV_ERR_INVALID},
    {{.size = sizeof(size_t) - 1}, MQEV_ERR_INVALID},
    {OPTIONS(.protocol = (enum mqev_protocol)1), MQEV_ERR_INVALID},
    {OPTIONS(.protocol = (enum mqev_protocol)6), MQEV_ERR_INVALID},
    {OPTIONS(.protocol = (enum mqev_protocol) - 1), MQEV_ERR_INVALID},
    {OPTIONS(.client_id = too_long), MQEV_ERR_INVALID},
    {OPTIONS(.client_id = "\xff"), MQEV_ERR_INVALID},
    {OPTIONS(.client_id = "\xed\xa0\x80"), MQEV_ERR_INVALID},
    {OPTIONS(.client_id = "123456789012345678901234", V31), MQEV_ERR_INVALID},
    {OPTIONS(.keepalive = 65536), MQEV_ERR_INVALID},
    {OPTIONS(.keepalive = UINT32_MAX - 1), MQEV_ERR_INVALID},
    {OPTIONS(.clean = (enum mqev_clean)5), MQEV_ERR_INVALID},
    {OPTIONS(.clean = (enum mqev_clean) - 1), MQEV_ERR_INVALID},
    {OPTIONS(.session_expiry = 1), MQEV_ERR_UNSUPPORTED},
    {OPTIONS(.client_id = "", .clean = MQEV_CLEAN_NEVER), MQEV_ERR_INVALID},
    {OPTIONS(.client_id = "", .clean = MQEV_CLEAN_STRICT), MQEV_ERR_INVALID},
    {OPTIONS(.client_id = "", .clean = MQEV_CLEAN_FIRST_ONLY), MQEV_ERR_INVALID},
    {OPTIONS(.username = too_long), MQEV_ERR_INVALID},
    {OPTIONS(.username = "\xc0\x80"), MQEV_ERR_INVALID},
    {OPTIONS(.username = "u", .password = too_long), MQEV_ERR_INVALID},
    {OPTIONS(.username = "u", .password = too_long, .password_len = 65536), MQEV_ERR_INVALID},
    {OPTIONS(.password = "p"), MQEV_ERR_INVALID},
    {OPTIONS(.password = "p", V31), MQEV_ERR_INVALID},
    {OPTIONS(.will = (struct mqev_will[]){{.size = 0, .topic = "w"}}), MQEV_ERR_INVALID},
    {OPTIONS(.will = WILL(.topic = NULL)), MQEV_ERR_INVALID},
    {OPTIONS(.will = WILL(.topic = "")), MQEV_ERR_INVALID},
    {OPTIONS(.will = WILL(.topic = "a/#")), MQEV_ERR_INVALID},
    {OPTIONS(.will = WILL(.topic = "+")), MQEV_ERR_INVALID},
    {OPTIONS(.will = WILL(.topic = too_long)), MQEV_ERR_INVALID},
    {OPTIONS(.will = WILL(.topic = "w", .qos = 3)), MQEV_ERR_INVALID},
    {OPTIONS(.will = WILL(.topic = "w", .qos = -1)), MQEV_ERR_INVALID},
    {OPTIONS(.will = WILL(.topic = "w", .payload = too_long, .payload_len = 65536)),
	MQEV_ERR_INVALID},
    {OPTIONS(.will = WILL(.topic = "w", .payload_len = 1)), MQEV_ERR_INVALID},
    {OPTIONS(.reconnect_min_ms = 200, .reconnect_max_ms = 100), MQEV_ERR_INVALID},
    {OPTIONS(.receive_maximum = 65536, V5), MQEV_ERR_INVALID},
    {OPTIONS(.topic_alias_maximum = 65536, V5), MQEV_ERR_INVALID},
    {OPTIONS(.max_inflight = 64512), MQEV_ERR_INVALID},
    {OPTIONS(.offline_qos0 = (enum mqev_offline)3), MQEV_ERR_INVALID},
    {OPTIONS(.queue_full = (enum mqev_queue_full)4), MQEV_ERR_INVALID},
    {OPTIONS(.queue_full = (enum mqev_queue_full) - 1), MQEV_ERR_INVALID},
    {OPTIONS(.water = MQEV_WATER_MARKS(.low = 1)), MQEV_ERR_INVALID},
    {OPTIONS(.water = MQEV_WATER_MARKS(.high = 5, .low = 5)), MQEV_ERR_INVALID},
    {OPTIONS(.water = MQEV_WATER_MARKS(.high_bytes = 5, .low_bytes = 6)), MQEV_ERR_INVALID},
    {OPTIONS(.water = &(struct mqev_water_marks){.high = 1}), MQEV_ERR_INVALID},
    {OPTIONS(.offline_qos0 = (enum mqev_offline) - 1), MQEV_ERR_INVALID},
    {OPTIONS(.lost_session_qos1 = (enum mqev_lost_session)3), MQEV_ERR_INVALID},
    {OPTIONS(.lost_session_qos2 = (enum mqev_lost_session)3), MQEV_ERR_INVALID},
    {OPTIONS(.lost_session_qos2 = (enum mqev_lost_session) - 1), MQEV_ERR_INVALID},
};

START_TEST(wrong_options)
{
	const struct options_row *row = &options_rows[_i];
	int error = 1;

	make_long();
	ck_assert_ptr_null(mqev_client_new(kit.fleet, &row->options, &error));
	ck_assert_int_eq(error, row->error);
	ck_assert_ptr_null(mqev_client_new(kit.fleet, &row->options, NULL));
	ck_assert_str_ne(mqev_fleet_error_text(kit.fleet), "");
	ck_assert_uint_eq(mqev_fleet_client_count(kit.fleet), 0);
}
END_TEST

#define SOCKET(...)                                                             \
	(struct mqev_socket_options[])                                          \
	{                                                                       \
		{                                                               \
			.size = sizeof(struct mqev_socket_options), __VA_ARGS__ \
		}                                                               \
	}
#define PROXY(...)                                                     \
	(struct mqev_proxy[])                                          \
	{                                                              \
		{                                                      \
			.size = sizeof(struct mqev_proxy), __VA_ARGS__ \
		}                                                      \
	}
#define WEBSOCKET(...)                                                             \
	(struct mqev_websocket_options[])                                          \
	{                                                                          \
		{                                                                  \
			.size = sizeof(struct mqev_websocket_options), __VA_ARGS__ \
		}                                                                  \
	}

/* How the text begins that tells which option is refused. */
static const struct {
	struct mqev_options options;
	const char *says;
} told_rows[] = {
    {{.size = 0}, "size: "},
    {OPTIONS(.keepalive = 65536), "keepalive: "},
    {OPTIONS(.session_expiry = 1), "session_expiry: "},
    {OPTIONS(.password = "p"), "password: "},
    {OPTIONS(.will = WILL(.topic = NULL)), "will: "},
    {OPTIONS(.socket = (struct mqev_socket_options[]){{.size = 0}}), "socket: size"},
    {OPTIONS(.socket = SOCKET(.bind_address = "localhost")), "bind_address "},
    {OPTIONS(.proxy = (struct mqev_proxy[]){{.size = 0}}), "proxy: size"},
    {OPTIONS(.proxy = PROXY(.type = MQEV_PROXY_HTTP)), "bad host of the proxy"},
    {OPTIONS(.proxy = PROXY(.type = (enum mqev_proxy_type)9, .host = "h")),
	"unknown type of proxy"},
    {OPTIONS(.proxy = PROXY(.type = MQEV_PROXY_SOCKS5, .host = "h", .password = "p")),
	"a password of the proxy"},
    {OPTIONS(.websocket = WEBSOCKET(.path = "mqtt")), "path: "},
    {OPTIONS(.websocket = WEBSOCKET(.subprotocol = "a b")), "subprotocol: "},
    {OPTIONS(.websocket = WEBSOCKET(.header_count = 1)), "headers: "},
};

START_TEST(wrong_options_are_named)
{
	const char *says = told_rows[_i].says;
	const char *text;
	int error = 0;

	if (told_rows[_i].options.websocket != NULL && !mqev_ws_supported())
		tk_skip("this build has no WebSocket");
	ck_assert_ptr_null(mqev_client_new(kit.fleet, &told_rows[_i].options, &error));
	text = mqev_fleet_error_text(kit.fleet);
	ck_assert(error == MQEV_ERR_INVALID || error == MQEV_ERR_UNSUPPORTED);
	ck_assert_msg(strncmp(text, says, strlen(says)) == 0, "\"%s\" does not begin with \"%s\"",
	    text, says);
	KIT_CLIENT(.keepalive = 5);
	ck_assert_str_eq(mqev_fleet_error_text(kit.fleet), "");
	ck_assert_int_eq(mqev_client_set_keepalive(kit.client, 65536), MQEV_ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(mqev_client_error_text(kit.client), "keepalive"));
}
END_TEST

static const struct options_row right_rows[] = {
    {OPTIONS(.client_id = longest), 0},
    {OPTIONS(.client_id = "12345678901234567890123", V31), 0},
    {OPTIONS(.client_id = "", V31), 0},
    {OPTIONS(.client_id = "", .clean = MQEV_CLEAN_ALWAYS), 0},
    {OPTIONS(.client_id = "", .clean = MQEV_CLEAN_NEVER, V5), 0},
    {OPTIONS(.keepalive = 65535), 0},
    {OPTIONS(.keepalive = MQEV_NONE), 0},
    {OPTIONS(.username = longest, .password = longest), 0},
    {OPTIONS(.username = "", .password = too_long, .password_len = 65535), 0},
    {OPTIONS(.password = "p", V5), 0},
    {OPTIONS(.will = WILL(.topic = "w", .payload = too_long, .payload_len = 65535)), 0},
    {OPTIONS(.will = WILL(.topic = longest)), 0},
    {OPTIONS(.max_inflight = 64511, .receive_maximum = 65535, .topic_alias_maximum = 65535, V5), 0},
    {OPTIONS(.max_queued = MQEV_UNLIMITED, .max_queued_bytes = SIZE_MAX,
	 .ack_timeout_ms = MQEV_NONE),
	0},
    {OPTIONS(.session_expiry = UINT32_MAX, V5), 0},
};

START_TEST(right_options)
{
	struct mqev_client *c;
	int error = 1;

	make_long();
	c = mqev_client_new(kit.fleet, &right_rows[_i].options, &error);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(error, 0);
	ck_assert_uint_eq(mqev_fleet_client_count(kit.fleet), 1);
	mqev_client_free(c);
	ck_assert_uint_eq(mqev_fleet_client_count(kit.fleet), 0);
}
END_TEST

/* Only those that stand in a CONNECT, and that have no member of their own. */
START_TEST(wrong_properties_in_options)
{
	static const enum mqev_property_id numbers[] = {MQEV_PROP_SESSION_EXPIRY_INTERVAL,
	    MQEV_PROP_RECEIVE_MAXIMUM, MQEV_PROP_MAXIMUM_PACKET_SIZE, MQEV_PROP_TOPIC_ALIAS_MAXIMUM,
	    MQEV_PROP_WILL_DELAY_INTERVAL, MQEV_PROP_TOPIC_ALIAS, MQEV_PROP_SERVER_KEEP_ALIVE,
	    MQEV_PROP_SUBSCRIPTION_IDENTIFIER};
	struct mqev_properties *p = mqev_properties_new();
	int error = 0;

	ck_assert_int_eq(mqev_properties_add_integer(p, numbers[_i], 1), 0);
	ck_assert_ptr_null(
	    mqev_client_new(kit.fleet, MQEV_OPTIONS(V5, .connect_properties = p), &error));
	ck_assert_int_eq(error, MQEV_ERR_INVALID);
	if (numbers[_i] != MQEV_PROP_WILL_DELAY_INTERVAL)
		ck_assert_ptr_null(mqev_client_new(kit.fleet,
		    MQEV_OPTIONS(V5, .will = WILL(.topic = "w", .properties = p)), NULL));
	mqev_properties_free(p);
}
END_TEST

START_TEST(wrong_in_new)
{
	int error = 0;

	ck_assert_ptr_null(mqev_client_new(NULL, MQEV_OPTIONS(.client_id = "c"), &error));
	ck_assert_int_eq(error, MQEV_ERR_INVALID);
	error = 0;
	ck_assert_ptr_null(mqev_client_new(kit.fleet, NULL, &error));
	ck_assert_int_eq(error, MQEV_ERR_INVALID);
	ck_assert_ptr_null(mqev_client_new(NULL, NULL, NULL));
	ck_assert_ptr_null(mqev_fleet_new(kit.base, &(struct mqev_fleet_options){.size = 0}));
	mqev_client_free(NULL);
	mqev_fleet_free(NULL);
	mqev_message_free(NULL);
	ck_assert_ptr_null(mqev_message_copy(NULL));
	ck_assert_ptr_null(mqev_message_copy(&(struct mqev_message){.size = 0, .topic = "a"}));
	ck_assert_ptr_null(mqev_message_copy(MQEV_MESSAGE(.topic = NULL)));
}
END_TEST

/* --- calls on a client -------------------------------------------------------------------------
 */

static const char *const wrong_urls[] = {"", " ", "nonsense://host", "mqtt://", "mqtt://host:0",
    "mqtt://host:65536", "mqtt://host:12x", "mqtt://[::1", "mqtt://user@", "mqtt://%zz@host",
    "mqtt://%00@host", "mqtt://%ff@host", "mqtt://:password@host", "mqtt://a mqtt://",
    "mqtt://h/path", "unix://"};

START_TEST(wrong_urls_to_connect)
{
	KIT_CLIENT(.keepalive = 60);
	ck_assert_int_eq(KIT_CALL(mqev_connect(kit.client, wrong_urls[_i])), MQEV_ERR_INVALID);
	ck_assert_str_ne(mqev_client_error_text(kit.client), "");
	kit_run(20);
	KIT_DIARY("");
	ck_assert_int_eq(KIT_CALL(mqev_disconnect(kit.client, NULL)), MQEV_ERR_STATE);
}
END_TEST

struct message_row {
	struct mqev_message message;
	int error;
};

#define MESSAGE(...)                                             \
	{                                                        \
		.size = sizeof(struct mqev_message), __VA_ARGS__ \
	}

static const struct message_row wrong_messages[] = {
    {{.size = 0, .topic = "a"}, MQEV_ERR_INVALID},
    {MESSAGE(.topic = NULL), MQEV_ERR_INVALID},
    {MESSAGE(.topic = ""), MQEV_ERR_INVALID},
    {MESSAGE(.topic = "a/#"), MQEV_ERR_INVALID},
    {MESSAGE(.topic = "a/+/b"), MQEV_ERR_INVALID},
    {MESSAGE(.topic = "\xff"), MQEV_ERR_INVALID},
    {MESSAGE(.topic = "\xf4\x90\x80\x80"), MQEV_ERR_INVALID},
    {MESSAGE(.topic = too_long), MQEV_ERR_INVALID},
    {MESSAGE(.topic = "a", .qos = 3), MQEV_ERR_INVALID},
    {MESSAGE(.topic = "a", .qos = -1), MQEV_ERR_INVALID},
    {MESSAGE(.topic = "a", .qos = INT_MAX), MQEV_ERR_INVALID},
    {MESSAGE(.topic = "a", .payload_len = 1), MQEV_ERR_INVALID},
    {MESSAGE(.topic = "a", .payload = "x", .payload_len = 268435456), MQEV_ERR_INVALID},
    {MESSAGE(.topic = "a", .payload = "x", .payload_len = SIZE_MAX), MQEV_ERR_INVALID},
};

static const struct mqev_subscription wrong_subscriptions[] = {
    {.size = 0, .filter = "a"},
    {.size = sizeof(struct mqev_subscription), .filter = NULL},
    {.size = sizeof(struct mqev_subscription), .filter = ""},
    {.size = sizeof(struct mqev_subscription), .filter = "a#"},
    {.size = sizeof(struct mqev_subscription), .filter = "#/a"},
    {.size = sizeof(struct mqev_subscription), .filter = "a+"},
    {.size = sizeof(struct mqev_subscription), .filter = "a/+b"},
    {.size = sizeof(struct mqev_subscription), .filter = "\xff"},
    {.size = sizeof(struct mqev_subscription), .filter = too_long},
    {.size = sizeof(struct mqev_subscription), .filter = "$share/"},
    {.size = sizeof(struct mqev_subscription), .filter = "$share/g"},
    {.size = sizeof(struct mqev_subscription), .filter = "$share/g/"},
    {.size = sizeof(struct mqev_subscription), .filter = "$share//a"},
    {.size = sizeof(struct mqev_subscription), .filter = "$share/+/a"},
    {.size = sizeof(struct mqev_subscription), .filter = "$share/g/a", .no_local = true},
    {.size = sizeof(struct mqev_subscription), .filter = "a", .qos = 3},
    {.size = sizeof(struct mqev_subscription), .filter = "a", .qos = -1},
    {.size = sizeof(struct mqev_subscription), .filter = "a", .retain_handling = 3},
    {.size = sizeof(struct mqev_subscription),
	.filter = "a",
	.retain_handling = (enum mqev_retain_handling) - 1},
};

static const struct mqev_disconnect_options wrong_disconnects[] = {
    {.size = 0},
    {.size = sizeof(struct mqev_disconnect_options), .reason = (enum mqev_reason)0x01},
    {.size = sizeof(struct mqev_disconnect_options), .reason = (enum mqev_reason)0x8b},
    {.size = sizeof(struct mqev_disconnect_options), .reason = (enum mqev_reason)0xff},
    {.size = sizeof(struct mqev_disconnect_options), .reason = (enum mqev_reason)256},
    {.size = sizeof(struct mqev_disconnect_options), .reason = (enum mqev_reason) - 1},
};

static void
wrong_publishes(struct mqev_client *c)
{
	ck_assert_int_eq(
	    mqev_publish(NULL, MQEV_MESSAGE(.topic = "a"), kit_done, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_publish(c, NULL, kit_done, NULL), MQEV_ERR_INVALID);
	for (int i = 0; i < COUNT(wrong_messages); i++)
		ck_assert_msg(KIT_CALL(mqev_publish(c, &wrong_messages[i].message, kit_done,
				  NULL)) == wrong_messages[i].error,
		    "row %d", i);
}

static void
wrong_subscribes(struct mqev_client *c)
{
	struct mqev_subscription list[2] = {
	    {.size = sizeof(list[0]), .filter = "a"}, {.size = sizeof(list[0]), .filter = "a#"}};

	ck_assert_int_eq(mqev_subscribe(NULL, list, 1, NULL, kit_done, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_subscribe(c, NULL, 1, NULL, kit_done, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_subscribe(c, list, 0, NULL, kit_done, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_subscribe(c, list, 65536, NULL, kit_done, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_subscribe(c, list, 2, NULL, kit_done, NULL), MQEV_ERR_INVALID);
	for (int i = 0; i < COUNT(wrong_subscriptions); i++)
		ck_assert_msg(KIT_CALL(mqev_subscribe(c, &wrong_subscriptions[i], 1, NULL, kit_done,
				  NULL)) == MQEV_ERR_INVALID,
		    "row %d", i);
}

static void
wrong_unsubscribes(struct mqev_client *c)
{
	const char *const filters[] = {"a", NULL, "", "a#", "#/", "\xff", too_long, "$share/g"};

	ck_assert_int_eq(
	    mqev_unsubscribe(NULL, filters, 1, NULL, kit_done, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_unsubscribe(c, NULL, 1, NULL, kit_done, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_unsubscribe(c, filters, 0, NULL, kit_done, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_unsubscribe(c, filters, 2, NULL, kit_done, NULL), MQEV_ERR_INVALID);
	for (int i = 1; i < COUNT(filters); i++)
		ck_assert_int_eq(
		    mqev_unsubscribe(c, &filters[i], 1, NULL, kit_done, NULL), MQEV_ERR_INVALID);
}

static void
wrong_disconnect_calls(struct mqev_client *c)
{
	ck_assert_int_eq(mqev_disconnect(NULL, NULL), MQEV_ERR_INVALID);
	for (int i = 0; i < COUNT(wrong_disconnects); i++)
		ck_assert_msg(
		    KIT_CALL(mqev_disconnect(c, &wrong_disconnects[i])) == MQEV_ERR_INVALID,
		    "row %d", i);
	ck_assert_int_eq(mqev_connect(NULL, "mqtt://x"), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_connect(c, NULL), MQEV_ERR_INVALID);
}

/* Properties that do not belong there. */
static void
wrong_properties(struct mqev_client *c)
{
	struct mqev_properties *expiry = mqev_properties_new();
	struct mqev_properties *alias = mqev_properties_new();
	const char *filter = "a";

	mqev_properties_add_integer(expiry, MQEV_PROP_SESSION_EXPIRY_INTERVAL, 1);
	mqev_properties_add_integer(alias, MQEV_PROP_TOPIC_ALIAS, 1);
	ck_assert_int_eq(
	    mqev_publish(c, MQEV_MESSAGE(.topic = "a", .properties = expiry), NULL, NULL),
	    MQEV_ERR_INVALID);
	ck_assert_int_eq(
	    mqev_publish(c, MQEV_MESSAGE(.topic = "a", .properties = alias), NULL, NULL),
	    MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_subscribe(c, MQEV_SUBSCRIPTION(.filter = "a"), 1, expiry, NULL, NULL),
	    MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_unsubscribe(c, &filter, 1, alias, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(
	    mqev_disconnect(c, MQEV_DISCONNECT(.properties = alias)), MQEV_ERR_INVALID);
	mqev_properties_free(expiry);
	mqev_properties_free(alias);
}

static void
all_wrong(struct mqev_client *c)
{
	wrong_publishes(c);
	wrong_subscribes(c);
	wrong_unsubscribes(c);
	wrong_disconnect_calls(c);
	wrong_properties(c);
}

/* Afterwards everything works with the first numbers and identifiers. */
START_TEST(wrong_calls)
{
	static const struct tk_step v311[] = {TK_EXPECT_BYTES(KIT_CONNECT_V311),
	    TK_SEND("20 (00 00)"), TK_EXPECT_BYTES("82 (0001 {'a'} 00)"), TK_SEND("90 (@ 00)"),
	    TK_EXPECT_BYTES("32 ({'a'} 0002 'm')"), TK_SEND("40 (@)"), TK_EXPECT_BYTES("E0 00"),
	    TK_END};
	static const struct tk_step v5[] = {TK_EXPECT_BYTES(KIT_CONNECT_V5),
	    TK_SEND("20 (00 00 ())"), TK_EXPECT_BYTES("82 (0001 () {'a'} 00)"),
	    TK_SEND("90 (@ () 00)"), TK_EXPECT_BYTES("32 ({'a'} 0002 () 'm')"), TK_SEND("40 (@)"),
	    TK_EXPECT_BYTES("E0 00"), TK_END};

	make_long();
	kit_broker(_i == 0 ? v311 : v5);
	KIT_CLIENT(.protocol = _i == 0 ? MQEV_PROTOCOL_V311 : MQEV_PROTOCOL_V5);
	all_wrong(kit.client);
	kit_connect();
	all_wrong(kit.client);
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
	all_wrong(kit.client);
	ck_assert(mqev_client_is_connected(kit.client));
	ck_assert_int_eq(kit_subscribe("a", 0, NULL), 1);
	ck_assert_int_eq(kit_publish("a", "m", 1), 2);
	kit_await_all(1000);
	ck_assert_int_eq(kit.result.error, 0);
	kit_disconnect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	all_wrong(kit.client);
	KIT_DIARY("connect:00 done1:OK done2:OK disconnect:OK");
}
END_TEST

/* A session that was to end with its connection cannot be made to last at its end
 * ([MQTT-3.1.2.11.2]). */
START_TEST(expiry_raised_from_zero)
{
	static const struct tk_step script[] = {TK_EXPECT_BYTES(KIT_CONNECT_V5),
	    TK_SEND("20 (00 00 ())"), TK_EXPECT_BYTES("E0 00"), TK_END};
	struct mqev_properties *p = mqev_properties_new();

	mqev_properties_add_integer(p, MQEV_PROP_SESSION_EXPIRY_INTERVAL, 9);
	kit_broker(script);
	KIT_CLIENT(V5);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 1000);
	ck_assert_int_eq(KIT_CALL(mqev_disconnect(kit.client, MQEV_DISCONNECT(.properties = p))),
	    MQEV_ERR_INVALID);
	mqev_properties_free(p);
	ck_assert(mqev_client_is_connected(kit.client));
	kit_disconnect();
	KIT_PLAY(1000);
}
END_TEST

/* --- programs built against another version ----------------------------------------------------
 */

/* The first members of each struct, as a version of long ago may have had them: cut where the
 * padding at the end of the old one covers no member of the new one. */
struct old_options {
	size_t size;
	const char *client_id;
	enum mqev_protocol protocol;
	uint32_t keepalive;
};

struct old_message {
	size_t size;
	const char *topic;
	const void *payload;
	size_t payload_len;
	int qos;
	bool retain;
};

struct old_subscription {
	size_t size;
	const char *filter;
	int qos;
	bool no_local;
	bool retain_as_published;
	enum mqev_retain_handling retain_handling;
};

struct old_will {
	size_t size;
	const char *topic;
	const void *payload;
	size_t payload_len;
};

START_TEST(smaller_structs)
{
	static const struct tk_step script[] = {TK_EXPECT_BYTES("10 ({'MQTT'} 04 02 0007 {'old'})"),
	    TK_SEND("20 (00 00)"), TK_EXPECT_BYTES("82 (0001 {'a'} 01 {'b'} 00)"),
	    TK_SEND("90 (@ 01 00)"), TK_EXPECT_BYTES("32 ({'a'} 0002 'm')"), TK_SEND("40 (@)"),
	    TK_EXPECT_BYTES("E0 00"), TK_END};
	/* Behind each stands what must not be read. */
	struct {
		struct old_options o;
		unsigned char poison[256];
	} options = {{sizeof(struct old_options), "old", MQEV_PROTOCOL_V311, 7}, {0}};
	struct {
		struct old_message m;
		unsigned char poison[64];
	} message = {{sizeof(struct old_message), "a", "m", 1, 1, false}, {0}};
	struct old_subscription list[] = {{.size = sizeof(list[0]), .filter = "a", .qos = 1},
	    {.size = sizeof(list[0]), .filter = "b", .qos = 0}};
	struct {
		size_t size;
	} disconnect = {sizeof(size_t)};
	int error = 1;

	memset(options.poison, 0xff, sizeof(options.poison));
	memset(message.poison, 0xff, sizeof(message.poison));
	kit_broker(script);
	kit.client = mqev_client_new(kit.fleet, (const struct mqev_options *)&options, &error);
	ck_assert_int_eq(error, 0);
	kit_connect();
	kit_note_accepted(mqev_subscribe(
	    kit.client, (const struct mqev_subscription *)list, 2, NULL, kit_done, kit_op()));
	kit_note_accepted(
	    mqev_publish(kit.client, (const struct mqev_message *)&message, kit_done, kit_op()));
	kit_await_all(2000);
	ck_assert_int_eq(kit.accepted, 2);
	ck_assert_int_eq(
	    mqev_disconnect(kit.client, (const struct mqev_disconnect_options *)&disconnect), 0);
	KIT_PLAY(2000);
}
END_TEST

START_TEST(smaller_will)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES("10 ({'MQTT'} 04 06 003C {'c'} {'w'} {'m'})"), TK_SEND("20 (00 00)"),
	    TK_END};
	struct {
		struct old_will w;
		unsigned char poison[64];
	} will = {{sizeof(struct old_will), "w", "m", 1}, {0}};

	memset(will.poison, 0xff, sizeof(will.poison));
	kit_broker(script);
	KIT_CLIENT(.will = (const struct mqev_will *)&will);
	kit_connect();
	KIT_PLAY(2000);
}
END_TEST

/* A program of the future: what it leaves zero is no matter, what it asks for is refused. */
struct new_options {
	struct mqev_options o;
	uint64_t more[4];
};

struct new_message {
	struct mqev_message m;
	uint64_t more;
};

struct new_subscription {
	struct mqev_subscription s;
	uint64_t more;
};

START_TEST(larger_structs)
{
	struct new_options options = {.o = {.client_id = "new"}};
	struct new_message message = {.m = {.topic = "a"}};
	struct new_subscription list[2] = {
	    {.s = {.filter = "a"}}, {.s = {.filter = "b", .size = sizeof(list[0])}}};
	int error = 1;

	options.o.size = sizeof(options);
	message.m.size = sizeof(message);
	list[0].s.size = sizeof(list[0]);
	kit.client = mqev_client_new(kit.fleet, &options.o, &error);
	ck_assert_int_eq(error, 0);
	ck_assert_str_eq(mqev_client_id(kit.client), "new");
	ck_assert_int_eq(mqev_publish(kit.client, &message.m, NULL, NULL), 1);
	ck_assert_int_eq(mqev_subscribe(kit.client, &list[0].s, 2, NULL, NULL, NULL), 2);
	options.more[3] = 1;
	error = 0;
	ck_assert_ptr_null(mqev_client_new(kit.fleet, &options.o, &error));
	ck_assert_int_eq(error, MQEV_ERR_UNSUPPORTED);
	message.more = 1;
	ck_assert_int_eq(mqev_publish(kit.client, &message.m, NULL, NULL), MQEV_ERR_UNSUPPORTED);
	list[1].more = 1;
	ck_assert_int_eq(
	    mqev_subscribe(kit.client, &list[0].s, 2, NULL, NULL, NULL), MQEV_ERR_UNSUPPORTED);
	ck_assert_int_eq(mqev_publish(kit.client, MQEV_MESSAGE(.topic = "a"), NULL, NULL), 3);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("client_args");
	TCase *tc = kit_case(s, "options");

	tcase_add_loop_test(tc, wrong_options, 0, COUNT(options_rows));
	tcase_add_loop_test(tc, wrong_options_are_named, 0, COUNT(told_rows));
	tcase_add_loop_test(tc, right_options, 0, COUNT(right_rows));
	tcase_add_loop_test(tc, wrong_properties_in_options, 0, 8);
	tcase_add_test(tc, wrong_in_new);
	tc = kit_case(s, "calls");
	tcase_add_loop_test(tc, wrong_urls_to_connect, 0, COUNT(wrong_urls));
	tcase_add_loop_test(tc, wrong_calls, 0, 2);
	tcase_add_test(tc, expiry_raised_from_zero);
	tc = kit_case(s, "other versions");
	tcase_add_test(tc, smaller_structs);
	tcase_add_test(tc, smaller_will);
	tcase_add_test(tc, larger_structs);
	return s;
}

int
main(void)
{
	return tk_main(suite());
}
