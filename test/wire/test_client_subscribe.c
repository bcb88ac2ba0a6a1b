/* Subscribing and receiving: packets, answers, who gets a message, replay in a new session, and
 * callbacks that change the subscriptions. */
#include "wire/client_kit.h"

#include <stdio.h>

#define ACCEPT_V311 TK_EXPECT(CONNECT), TK_SEND("20 (00 00)")
#define ACCEPT_V5 TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())")
#define RECONNECT_V311(present) \
	TK_CLOSE(), TK_ACCEPT(), TK_EXPECT(CONNECT), TK_SEND("20 (" present " 00)")

#define COUNT(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))

static void
start(const struct tk_step *script)
{
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
}

/* --- packets -----------------------------------------------------------------------------------
 */

struct subscribe_row {
	enum mqev_protocol protocol;
	struct mqev_subscription list[3];
	size_t count;
	const char *subscribe;
	const char *suback;
	int error;
	enum mqev_reason reason;
};

#define SUB(...) {.size = sizeof(struct mqev_subscription), __VA_ARGS__}

static const struct subscribe_row subscribe_rows[] = {
    {MQEV_PROTOCOL_V31, {SUB(.filter = "a/b", .qos = 0)}, 1, "82 (0001 {'a/b'} 00)",
	"90 (0001 00)", 0, 0},
    {MQEV_PROTOCOL_V311, {SUB(.filter = "a/b", .qos = 1)}, 1, "82 (0001 {'a/b'} 01)",
	"90 (0001 01)", 0, 1},
    {MQEV_PROTOCOL_V311, {SUB(.filter = "a/b", .qos = 2)}, 1, "82 (0001 {'a/b'} 02)",
	"90 (0001 02)", 0, 2},
    {MQEV_PROTOCOL_V311, {SUB(.filter = "a/b", .qos = 2)}, 1, "82 (0001 {'a/b'} 02)",
	"90 (0001 00)", 0, 0},
    {MQEV_PROTOCOL_V311, {SUB(.filter = "a", .qos = 1), SUB(.filter = "+/#", .qos = 2)}, 2,
	"82 (0001 {'a'} 01 {'+/#'} 02)", "90 (0001 01 02)", 0, 2},
    {MQEV_PROTOCOL_V311, {SUB(.filter = "a", .qos = 1), SUB(.filter = "b", .qos = 2)}, 2,
	"82 (0001 {'a'} 01 {'b'} 02)", "90 (0001 80 02)", MQEV_ERR_REFUSED, 0x80},
    /* What 3.1.1 does not know is left out. */
    {MQEV_PROTOCOL_V311,
	{SUB(.filter = "a", .qos = 1, .no_local = true, .retain_as_published = true,
	    .retain_handling = MQEV_RETAIN_DO_NOT_SEND)},
	1, "82 (0001 {'a'} 01)", "90 (0001 01)", 0, 1},
    {MQEV_PROTOCOL_V5, {SUB(.filter = "a", .qos = 1)}, 1, "82 (0001 () {'a'} 01)",
	"90 (0001 () 01)", 0, 1},
    {MQEV_PROTOCOL_V5,
	{SUB(.filter = "a", .no_local = true), SUB(.filter = "b", .retain_as_published = true),
	    SUB(.filter = "c", .qos = 2, .retain_handling = MQEV_RETAIN_SEND_IF_NEW)},
	3, "82 (0001 () {'a'} 04 {'b'} 08 {'c'} 12)", "90 (0001 () 00 00 02)", 0, 2},
    {MQEV_PROTOCOL_V5,
	{SUB(.filter = "a", .qos = 2, .no_local = true, .retain_as_published = true,
	    .retain_handling = MQEV_RETAIN_DO_NOT_SEND)},
	1, "82 (0001 () {'a'} 2E)", "90 (0001 (1F {'no'}) 87)", MQEV_ERR_REFUSED, 0x87},
    {MQEV_PROTOCOL_V5, {SUB(.filter = "$share/g/a", .qos = 1)}, 1,
	"82 (0001 () {'$share/g/a'} 01)", "90 (0001 () 9E)", MQEV_ERR_REFUSED, 0x9e},
};

static uint8_t codes[8];
static size_t code_count;

static void
keep_codes(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	const struct mqev_result *r = what;

	(void)c;
	(void)userdata;
	if (event != KIT_DONE)
		return;
	ck_assert_uint_le(r->reason_count, sizeof(codes));
	code_count = r->reason_count;
	if (r->reason_count > 0)
		memcpy(codes, r->reasons, r->reason_count);
}

START_TEST(subscribe)
{
	const struct subscribe_row *row = &subscribe_rows[_i];
	bool v5 = row->protocol == MQEV_PROTOCOL_V5;
	const struct tk_step script[] = {
	    TK_EXPECT(CONNECT),
	    TK_SEND(v5 ? "20 (00 00 ())" : "20 (00 00)"),
	    TK_EXPECT_BYTES(row->subscribe),
	    TK_SEND(row->suback),
	    TK_END,
	};
	struct tk_buf suback = tk_hex(row->suback);

	kit.hook = keep_codes;
	KIT_CLIENT(.protocol = row->protocol);
	start(script);
	ck_assert_int_eq(kit_try_subscribe(kit.client, row->list, row->count), 1);
	KIT_PLAY(2000);
	kit_await_all(1000);
	ck_assert_int_eq(kit.result.error, row->error);
	ck_assert_int_eq(kit.result.reason, row->reason);
	ck_assert_uint_eq(kit.result.mid, 1);
	ck_assert_uint_eq(code_count, row->count);
	ck_assert_mem_eq(codes, suback.data + suback.len - row->count, row->count);
	ck_assert_int_eq(kit.count[KIT_SUBSCRIBE], 1);
	tk_buf_free(&suback);
}
END_TEST

START_TEST(unsubscribe)
{
	bool v5 = _i == 1;
	const struct tk_step script[] = {
	    TK_EXPECT(CONNECT),
	    TK_SEND(v5 ? "20 (00 00 ())" : "20 (00 00)"),
	    TK_EXPECT_BYTES(v5 ? "A2 (0001 () {'a'} {'b/#'})" : "A2 (0001 {'a'} {'b/#'})"),
	    TK_SEND(v5 ? "B0 (0001 () 11 00)" : "B0 (0001)"),
	    TK_END,
	};
	const char *filters[] = {"a", "b/#"};
	int64_t op;

	kit.hook = keep_codes;
	KIT_CLIENT(.protocol = v5 ? MQEV_PROTOCOL_V5 : MQEV_PROTOCOL_V311);
	start(script);
	op = KIT_CALL(mqev_unsubscribe(kit.client, filters, 2, NULL, kit_done, kit_op()));
	ck_assert_int_eq(op, 1);
	kit_note_accepted(op);
	KIT_PLAY(2000);
	kit_await_all(1000);
	ck_assert_int_eq(kit.result.error, 0);
	ck_assert_int_eq(kit.result.reason, v5 ? MQEV_REASON_NO_SUBSCRIPTION_EXISTED : 0);
	ck_assert_uint_eq(code_count, v5 ? 2 : 0);
	ck_assert_int_eq(kit.count[KIT_UNSUBSCRIBE], 1);
}
END_TEST

START_TEST(subscribe_properties)
{
	static const struct tk_step script[] = {
	    ACCEPT_V5, TK_EXPECT_BYTES("82 (0001 (26 {'k'} {'v'}) {'a'} 00)"),
	    TK_SEND("90 (@ () 00)"), TK_EXPECT_BYTES("A2 (0002 (26 {'k'} {'v'}) {'a'})"),
	    TK_SEND("B0 (@ () 00)"), TK_END};
	struct mqev_properties *p = mqev_properties_new();
	const char *filter = "a";
	int64_t op;

	mqev_properties_add_user(p, "k", "v");
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	start(script);
	op = KIT_CALL(mqev_subscribe(
	    kit.client, MQEV_SUBSCRIPTION(.filter = "a"), 1, p, kit_done, kit_op()));
	kit_note_accepted(op);
	kit_await_all(1000);
	op = KIT_CALL(mqev_unsubscribe(kit.client, &filter, 1, p, kit_done, kit_op()));
	kit_note_accepted(op);
	mqev_properties_free(p);
	KIT_PLAY(2000);
	kit_await_all(1000);
}
END_TEST

START_TEST(server_limits)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_SEND("20 (00 00 (28 00 2A 00))"),
	    TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ () 00)"), TK_END};

	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	kit_subscribe("a/+", 0, NULL);
	kit_subscribe("$share/g/a", 0, NULL);
	kit_subscribe("a", 0, NULL);
	start(script);
	KIT_PLAY(2000);
	kit_await_all(1000);
	ck_assert_int_eq(kit_error_of(1), MQEV_ERR_WILDCARD);
	ck_assert_int_eq(kit_error_of(2), MQEV_ERR_SHARED);
	ck_assert_int_eq(kit_error_of(3), 0);
	ck_assert_int_eq(
	    kit_try_subscribe(kit.client, MQEV_SUBSCRIPTION(.filter = "#"), 1), MQEV_ERR_WILDCARD);
	ck_assert_int_eq(
	    kit_try_subscribe(kit.client, MQEV_SUBSCRIPTION(.filter = "$share/g/b"), 1),
	    MQEV_ERR_SHARED);
}
END_TEST

/* --- receiving ---------------------------------------------------------------------------------
 */

struct message_row {
	enum mqev_protocol protocol;
	const char *bytes;
	const char *diary;
	const char *ack;
};

static const struct message_row message_rows[] = {
    {MQEV_PROTOCOL_V31, "30 ({'a'} 'm')", "connect:00 message:a:m:0", NULL},
    {MQEV_PROTOCOL_V311, "30 ({'a'} 'm')", "connect:00 message:a:m:0", NULL},
    {MQEV_PROTOCOL_V311, "31 ({'a'})", "connect:00 message:a::0r", NULL},
    {MQEV_PROTOCOL_V311, "32 ({'a'} 007B 'm')", "connect:00 message:a:m:1", "40 (007B)"},
    {MQEV_PROTOCOL_V311, "3A ({'a'} FFFF 'm')", "connect:00 message:a:m:1d", "40 (FFFF)"},
    {MQEV_PROTOCOL_V311, "34 ({'a'} 346F 'm')", "connect:00 message:a:m:2", "50 (346F)"},
    {MQEV_PROTOCOL_V5, "30 ({'a'} () 'm')", "connect:00 message:a:m:0", NULL},
    {MQEV_PROTOCOL_V5, "32 ({'a'} 007B () 'm')", "connect:00 message:a:m:1", "40 (007B)"},
    {MQEV_PROTOCOL_V5, "35 ({'a'} 007B () 'm')", "connect:00 message:a:m:2r", "50 (007B)"},
    {MQEV_PROTOCOL_V5, "30 ({E29883} (01 01) 'm')", "connect:00 message:\xe2\x98\x83:m:0", NULL},
};

START_TEST(message)
{
	const struct message_row *row = &message_rows[_i];
	bool v5 = row->protocol == MQEV_PROTOCOL_V5;
	struct tk_step script[8];
	size_t n = 0;

	script[n++] = (struct tk_step)TK_EXPECT(CONNECT);
	script[n++] = (struct tk_step)TK_SEND(v5 ? "20 (00 00 ())" : "20 (00 00)");
	script[n++] = (struct tk_step)TK_SEND(row->bytes);
	if (row->ack != NULL)
		script[n++] = (struct tk_step)TK_EXPECT_BYTES(row->ack);
	script[n++] = (struct tk_step)TK_QUIET(20);
	script[n++] = (struct tk_step)TK_END;
	KIT_CLIENT(.protocol = row->protocol);
	start(script);
	KIT_PLAY(2000);
	KIT_DIARY(row->diary);
}
END_TEST

static struct mqev_message *kept;

static void
keep_message(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)c;
	(void)userdata;
	if (event == KIT_MESSAGE)
		kept = mqev_message_copy(what);
}

START_TEST(message_is_kept)
{
	static const struct tk_step script[] = {ACCEPT_V5,
	    TK_SEND("33 ({'a/b'} 0007 (03 {'text'} 26 {'k'} {'v'} 02 00000005) 'payload')"),
	    TK_EXPECT(PUBACK), TK_SEND("30 ({'z'} () 'other')"), TK_QUIET(20), TK_END};
	struct mqev_message *first;
	struct mqev_property p;

	kit.hook = keep_message;
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	start(script);
	KIT_AWAIT(KIT_MESSAGE, 1, 1000);
	first = kept;
	KIT_PLAY(2000);
	kit_free_client();
	ck_assert_ptr_ne(first, kept);
	ck_assert_str_eq(first->topic, "a/b");
	ck_assert_uint_eq(first->topic_len, 3);
	ck_assert_uint_eq(first->payload_len, 7);
	ck_assert_mem_eq(first->payload, "payload", 7);
	ck_assert_int_eq(first->qos, 1);
	ck_assert(first->retain);
	ck_assert_uint_eq(first->mid, 7);
	ck_assert_uint_eq(mqev_properties_count(first->properties), 3);
	ck_assert_int_eq(
	    mqev_properties_find(first->properties, MQEV_PROP_CONTENT_TYPE, &p), 0);
	ck_assert_mem_eq(p.value, "text", 4);
	mqev_message_free(first);
	mqev_message_free(kept);
}
END_TEST

/* QoS 2: a repeat is answered and not delivered, also after a reconnect with the session. */
START_TEST(qos2_once)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311,
	    TK_SEND("34 ({'a'} 0007 'm')"), TK_EXPECT_BYTES("50 (0007)"),
	    TK_SEND("3C ({'a'} 0007 'm')"), TK_EXPECT_BYTES("50 (0007)"),
	    RECONNECT_V311("01"),
	    TK_SEND("3C ({'a'} 0007 'm')"), TK_EXPECT_BYTES("50 (0007)"),
	    TK_SEND("62 (0007)"), TK_EXPECT_BYTES("70 (0007)"),
	    TK_SEND("62 (0007)"), TK_EXPECT_BYTES("70 (0007)"),
	    TK_SEND("34 ({'a'} 0007 'n')"), TK_EXPECT_BYTES("50 (0007)"),
	    TK_END,
	};

	KIT_CLIENT(.clean = MQEV_CLEAN_STRICT);
	start(script);
	KIT_PLAY(3000);
	KIT_DIARY("connect:00 message:a:m:2 disconnect:LOST connect:00+session message:a:n:2");
}
END_TEST

/* A new session forgets the identifiers of the old one. */
START_TEST(qos2_of_a_new_session)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311,
	    TK_SEND("34 ({'a'} 0007 'm')"), TK_EXPECT_BYTES("50 (0007)"),
	    RECONNECT_V311("00"),
	    TK_SEND("34 ({'a'} 0007 'n')"), TK_EXPECT_BYTES("50 (0007)"),
	    TK_END,
	};

	KIT_CLIENT(.clean = MQEV_CLEAN_STRICT);
	start(script);
	KIT_PLAY(3000);
	KIT_DIARY("connect:00 message:a:m:2 disconnect:LOST connect:00 message:a:n:2");
}
END_TEST

/* --- who gets a message ------------------------------------------------------------------------
 */

static int64_t
subscribe_named(const char *filter, const char *name)
{
	int64_t op = kit_try_subscribe(kit.client,
	    MQEV_SUBSCRIPTION(.filter = filter, .on_message = kit_filter_message,
		.userdata = (void *)(uintptr_t)name),
	    1);

	ck_assert_int_gt(op, 0);
	return op;
}

#define SUBACK_ONE TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ 00)")

START_TEST(callbacks_of_subscriptions)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, SUBACK_ONE, SUBACK_ONE, SUBACK_ONE,
	    TK_UNTIL(kit.count[KIT_SUBSCRIBE]),
	    TK_SEND("30 ({'a/b'} '1') 30 ({'a/c'} '2') 30 ({'x'} '3') 30 ({'$SYS/a'} '4')"),
	    TK_QUIET(30), TK_END};

	kit.quiet[KIT_DONE] = true;
	KIT_CLIENT(.keepalive = 60);
	start(script);
	subscribe_named("a/b", "exact");
	subscribe_named("a/+", "plus");
	subscribe_named("none", "none");
	KIT_PLAY(2000);
	ck_assert_int_eq(kit.count[KIT_FILTER], 3);
	ck_assert_int_eq(kit.count[KIT_MESSAGE], 2);
	ck_assert_ptr_nonnull(strstr(kit_diary(), "exact:a/b:1:0"));
	ck_assert_ptr_nonnull(strstr(kit_diary(), "plus:a/b:1:0"));
	ck_assert_ptr_nonnull(
	    strstr(kit_diary(), "plus:a/c:2:0 message:x:3:0 message:$SYS/a:4:0"));
}
END_TEST

/* Shared subscriptions match by the filter behind the group. */
START_TEST(callback_of_a_shared_subscription)
{
	static const struct tk_step script[] = {
	    ACCEPT_V5, TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ () 00)"),
	    TK_SEND("30 ({'a/b'} () '1')"), TK_QUIET(30), TK_END};

	kit.quiet[KIT_DONE] = true;
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	start(script);
	subscribe_named("$share/g/a/+", "shared");
	KIT_PLAY(2000);
	KIT_DIARY("connect:00 shared:a/b:1:0");
}
END_TEST

/* The same filter again: the later callback is the one. */
START_TEST(subscribed_twice)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, SUBACK_ONE, SUBACK_ONE, TK_SEND("30 ({'a'} '1')"), TK_QUIET(30), TK_END};

	kit.quiet[KIT_DONE] = true;
	KIT_CLIENT(.keepalive = 60);
	start(script);
	subscribe_named("a", "first");
	subscribe_named("a", "second");
	KIT_PLAY(2000);
	KIT_DIARY("connect:00 second:a:1:0");
}
END_TEST

/* A refused filter has no callback any more, and is not subscribed again. */
START_TEST(refused_filter)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311,
	    TK_EXPECT_BYTES("82 (0001 {'a'} 00 {'b'} 00)"), TK_SEND("90 (@ 80 00)"),
	    TK_SEND("30 ({'a'} '1') 30 ({'b'} '2')"), TK_QUIET(30),
	    RECONNECT_V311("00"),
	    TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ 00)"), TK_QUIET(30), TK_END};
	const struct mqev_subscription list[] = {
	    {.size = sizeof(list[0]), .filter = "a", .on_message = kit_filter_message},
	    {.size = sizeof(list[0]), .filter = "b", .on_message = kit_filter_message}};
	const struct tk_packet *replay;

	KIT_CLIENT(.keepalive = 60);
	start(script);
	ck_assert_int_eq(kit_try_subscribe(kit.client, list, 2), 1);
	KIT_PLAY(3000);
	KIT_DIARY("connect:00 done1:REFUSED message:a:1:0 filter:b:2:0 disconnect:LOST connect:00");
	replay = tk_broker_packet(kit.broker, 2, 1);
	ck_assert_uint_eq(replay->n_filters, 1);
	ck_assert(tk_str_is(replay->filters[0].filter, "b"));
}
END_TEST

/* --- replay ------------------------------------------------------------------------------------
 */

START_TEST(replayed_in_a_new_session)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, SUBACK_ONE, SUBACK_ONE,
	    TK_EXPECT(UNSUBSCRIBE), TK_SEND("B0 (@)"),
	    RECONNECT_V311("00"),
	    TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ 01)"),
	    TK_SEND("30 ({'keep/x'} '1')"), TK_QUIET(30),
	    RECONNECT_V311("01"),
	    TK_SEND("30 ({'keep/y'} '2')"), TK_QUIET(30), TK_END};
	const struct tk_packet *replay;

	KIT_CLIENT(.clean = MQEV_CLEAN_STRICT);
	start(script);
	ck_assert_int_eq(kit_try_subscribe(kit.client,
			     MQEV_SUBSCRIPTION(.filter = "keep/#", .qos = 1,
				 .on_message = kit_filter_message),
			     1),
	    1);
	kit_await_all(1000);
	kit_subscribe("drop", 0, kit_filter_message);
	kit_await_all(1000);
	kit_unsubscribe("drop");
	KIT_PLAY(3000);
	KIT_DIARY("connect:00 done1:OK done2:OK done3:OK disconnect:LOST connect:00 "
		  "filter:keep/x:1:0 disconnect:LOST connect:00+session filter:keep/y:2:0");
	replay = tk_broker_packet(kit.broker, 2, 1);
	ck_assert_uint_eq(replay->n_filters, 1);
	ck_assert(tk_str_is(replay->filters[0].filter, "keep/#"));
	ck_assert_uint_eq(replay->filters[0].options, 1);
}
END_TEST

/* An unanswered SUBSCRIBE goes out again, once, and has one completion. */
START_TEST(unanswered_goes_again)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_EXPECT(SUBSCRIBE), RECONNECT_V311("00"),
	    TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ 00)"), TK_QUIET(30), TK_END};

	KIT_CLIENT(.keepalive = 60);
	start(script);
	kit_subscribe("a", 0, NULL);
	KIT_PLAY(3000);
	KIT_DIARY("connect:00 disconnect:LOST connect:00 done1:OK");
}
END_TEST

START_TEST(before_connect_and_offline)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_EXPECT_BYTES("82 (0001 {'a'} 00)"), TK_SEND("90 (@ 00)"),
	    TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_ACCEPT(), ACCEPT_V311,
	    TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ 00)"), TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ 00)"),
	    TK_QUIET(20), TK_END};

	KIT_CLIENT(.keepalive = 60);
	kit_subscribe("a", 0, NULL);
	start(script);
	kit_await_all(1000);
	kit_disconnect();
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	kit_subscribe("b", 0, NULL);
	kit_connect();
	KIT_PLAY(2000);
	kit_await_all(1000);
	KIT_DIARY("connect:00 done1:OK disconnect:OK connect:00 done2:OK");
}
END_TEST

/* A new session that refuses what the old one had: on_subscribe tells, with operation 0. */
static uint64_t refused_op = 77;

static void
note_refusal(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	const struct mqev_result *r = what;

	(void)c;
	(void)userdata;
	if (event == KIT_SUBSCRIBE && r->error == MQEV_ERR_REFUSED)
		refused_op = r->op;
}

START_TEST(replay_is_refused)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, SUBACK_ONE, RECONNECT_V311("00"),
	    TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ 80)"), TK_SEND("30 ({'a'} '1')"), TK_QUIET(20),
	    RECONNECT_V311("00"), TK_QUIET(30), TK_END};

	kit.hook = note_refusal;
	KIT_CLIENT(.keepalive = 60);
	start(script);
	kit_subscribe("a", 0, kit_filter_message);
	KIT_PLAY(3000);
	ck_assert_uint_eq(refused_op, 0);
	KIT_DIARY("connect:00 done1:OK disconnect:LOST connect:00 message:a:1:0 disconnect:LOST "
		  "connect:00");
}
END_TEST

#define MANY 3000

static const char *
count_filters(const struct tk_packet *p, void *arg)
{
	*(size_t *)arg += p->n_filters;
	return p->raw.len <= 1000 ? NULL : "larger than the server's Maximum Packet Size";
}

/* A replay of many filters keeps to the server's Maximum Packet Size. */
START_TEST(replay_within_the_servers_limit)
{
	static size_t filters;
	static struct tk_buf subacks;
	static int sent;
	static const struct tk_step script[] = {
	    ACCEPT_V5, TK_UNTIL(sent), TK_SEND_BUF(subacks), TK_UNTIL(kit.count[KIT_FILTER]),
	    TK_CLOSE(), TK_ACCEPT(), TK_EXPECT(CONNECT), TK_SEND("20 (00 00 (27 000003E8))"),
	    TK_EXPECT_IF(SUBSCRIBE, count_filters, &filters),
	    TK_EXPECT_IF(SUBSCRIBE, count_filters, &filters), TK_END};
	char filter[32];

	kit.quiet[KIT_DONE] = true;
	KIT_CLIENT(
	    .protocol = MQEV_PROTOCOL_V5, .max_queued = MANY, .max_inflight = MANY);
	start(script);
	for (int i = 0; i < MANY; i++) {
		snprintf(filter, sizeof(filter), "filter/number/%d", i);
		kit_subscribe(filter, 0, kit_filter_message);
		tk_buf_hex(&subacks, "90 04");
		tk_buf_u16(&subacks, (unsigned)i + 1);
		tk_buf_hex(&subacks, "00 00");
	}
	tk_buf_hex(&subacks, "30 ({'filter/number/7'} () 'x')");
	kit_run(100);
	sent = 1;
	KIT_PLAY(10000);
	kit_await_all(1000);
	kit_run(200);
	filters = 0;
	for (size_t i = 1; i < tk_broker_count(kit.broker, 2); i++) {
		const struct tk_packet *p = tk_broker_packet(kit.broker, 2, i);

		ck_assert_uint_eq(p->type, TK_SUBSCRIBE);
		ck_assert_ptr_null(count_filters(p, &filters));
	}
	ck_assert_uint_eq(filters, MANY);
	tk_buf_free(&subacks);
}
END_TEST

/* --- callbacks that change the subscriptions ---------------------------------------------------
 */

static void
change_subscriptions(
    enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	const char *filter = "a/+";
	int64_t op;

	(void)what;
	(void)userdata;
	if (event != KIT_FILTER || kit.count[KIT_FILTER] > 1)
		return;
	/* The other filter that matches this message is gone before its turn, if it is the later.
	 */
	op = KIT_CALL(mqev_unsubscribe(c, &filter, 1, NULL, kit_done, kit_op()));
	kit_note_accepted(op);
	filter = "a/b";
	op = KIT_CALL(mqev_unsubscribe(c, &filter, 1, NULL, kit_done, kit_op()));
	kit_note_accepted(op);
	op = kit_try_subscribe(
	    c, MQEV_SUBSCRIPTION(.filter = "a/#", .on_message = kit_filter_message), 1);
	ck_assert_int_gt(op, 0);
}

START_TEST(callback_unsubscribes)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, SUBACK_ONE, SUBACK_ONE, TK_SEND("30 ({'a/b'} '1') 30 ({'a/b'} '2')"),
	    TK_EXPECT(UNSUBSCRIBE), TK_SEND("B0 (@)"), TK_EXPECT(UNSUBSCRIBE), TK_SEND("B0 (@)"),
	    SUBACK_ONE, TK_QUIET(20), TK_END};

	kit.hook = change_subscriptions;
	kit.quiet[KIT_DONE] = true;
	KIT_CLIENT(.keepalive = 60);
	start(script);
	subscribe_named("a/b", "old");
	subscribe_named("a/+", "old");
	KIT_PLAY(2000);
	kit_await_all(1000);
	KIT_DIARY("connect:00 old:a/b:1:0 filter:a/b:2:0");
}
END_TEST

static void
free_in_filter(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	if (event == KIT_FILTER && c == kit.client)
		kit_free_client();
}

/* The hundred messages behind it in the same read, and the second filter, see nothing. */
START_TEST(callback_frees)
{
	static struct tk_buf burst;
	static const struct tk_step script[] = {
	    ACCEPT_V311, SUBACK_ONE, SUBACK_ONE, TK_SEND_BUF(burst), TK_EXPECT_CLOSE(), TK_END};

	for (int i = 0; i < 100; i++)
		tk_buf_hex(&burst, "32 ({'a/b'} 0009 'x')");
	kit.hook = free_in_filter;
	kit.quiet[KIT_DONE] = true;
	KIT_CLIENT(.keepalive = 60);
	start(script);
	subscribe_named("a/b", "f");
	subscribe_named("a/+", "f");
	KIT_PLAY(2000);
	KIT_DIARY("connect:00 f:a/b:x:1");
	tk_buf_free(&burst);
}
END_TEST

static void
subscribe_in_done(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	char filter[16];

	(void)what;
	(void)userdata;
	if (event != KIT_DONE || kit.count[KIT_DONE] >= 20)
		return;
	snprintf(filter, sizeof(filter), "f%d", kit.count[KIT_DONE]);
	kit_try_subscribe(c, MQEV_SUBSCRIPTION(.filter = filter), 1);
}

START_TEST(completion_subscribes)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, SUBACK_ONE, SUBACK_ONE, SUBACK_ONE, SUBACK_ONE, SUBACK_ONE, TK_END};

	kit.hook = subscribe_in_done;
	KIT_CLIENT(.keepalive = 60);
	start(script);
	kit_subscribe("f", 0, NULL);
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DONE, 5, 1000);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("client_subscribe");
	TCase *tc = kit_case(s, "packets");

	tcase_add_loop_test(tc, subscribe, 0, COUNT(subscribe_rows));
	tcase_add_loop_test(tc, unsubscribe, 0, 2);
	tcase_add_test(tc, subscribe_properties);
	tcase_add_test(tc, server_limits);
	tc = kit_case(s, "receiving");
	tcase_add_loop_test(tc, message, 0, COUNT(message_rows));
	tcase_add_test(tc, message_is_kept);
	tcase_add_test(tc, qos2_once);
	tcase_add_test(tc, qos2_of_a_new_session);
	tc = kit_case(s, "who gets it");
	tcase_add_test(tc, callbacks_of_subscriptions);
	tcase_add_test(tc, callback_of_a_shared_subscription);
	tcase_add_test(tc, subscribed_twice);
	tcase_add_test(tc, refused_filter);
	tc = kit_case(s, "replay");
	tcase_add_test(tc, replayed_in_a_new_session);
	tcase_add_test(tc, unanswered_goes_again);
	tcase_add_test(tc, before_connect_and_offline);
	tcase_add_test(tc, replay_is_refused);
	tcase_add_test(tc, replay_within_the_servers_limit);
	tc = kit_case(s, "changes");
	tcase_add_test(tc, callback_unsubscribes);
	tcase_add_test(tc, callback_frees);
	tcase_add_test(tc, completion_subscribes);
	return s;
}

int
main(void)
{
	return tk_main(suite());
}
