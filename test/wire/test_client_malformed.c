/* What a server must not send: each example whole, cut into single bytes, and with good packets
 * behind it, is answered in the same way: by DISCONNECT with the right reason in 5.0, by a mere
 * close below. */
#include "wire/client_kit.h"

#include <stdio.h>

#define COUNT(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))

/* --- where the bytes come ----------------------------------------------------------------------
 */

enum context {
	A5,  /* 5.0, connected; Topic Alias Maximum 10, Receive Maximum 2, Maximum Packet Size 1024,
		SUBSCRIBE 1 with one filter is not answered */
	A5R, /* the same with Request Problem Information 0 */
	P5,  /* 5.0, waiting for CONNACK after Clean Start 1 */
	P5E, /* the same with an empty client identifier */
	A4,  /* the twins of A5 and P5 in 3.1.1 */
	P4
};

static bool
is_connected(enum context context)
{
	return context == A5 || context == A5R || context == A4;
}

static bool
is_v5(enum context context)
{
	return context != A4 && context != P4;
}

/* Answers: a reason code means DISCONNECT with it, or a close in 3.1.1. */
enum {
	CLOSE = 0x100, /* no DISCONNECT, and no error of the server's */
	MORE = 0x101,  /* legal so far: nothing happens */
	TAKEN = 0x102  /* legal: a message is delivered */
};

struct row {
	enum context context;
	const char *bytes;
	int answer;
};

#define M 0x81
#define P 0x82

static const struct row rows[] = {
    /* Framing and fixed header */
    {A5, "00 00", M},
    {A4, "F0 00", P},
    {A4, "00 00", M},
    {A5, "10 (0004 'MQTT' 05 02 003C () {'c'})", P}, /* CONNECT from the server */
    {A5, "82 06 0001 0001 61 00", P},
    {A5, "A2 05 0001 0001 61", P},
    {A5, "C0 00", P}, /* PINGREQ from the server */
    {A4, "C0 00", P},
    {A4, "E0 00", P}, /* DISCONNECT from the server before 5.0 */
    {A5, "D1 00", M},
    {A5, "D0 01 00", M},
    {A4, "D0 01 00", M},
    {A4, "6A 02 0001", M},
    {A5, "60 02 0001", M},
    {A5, "42 02 0001", M},
    {A5, "21 03 00 00 00", M},
    {A5, "30 FF FF FF FF 01", M},
    {A4, "30 FF FF FF FF 01", M},
    {A5, "30 80 80 80 80 01", M},
    {A5, "40 82 80 00 0001", M},
    {A5, "30 FF FF FF 7F", 0x95},
    {A4, "30 FF FF FF 7F", 0x95},
    {A5, "30 FE 07", 0x95},
    {A5, "30 FD 07", MORE},
    {A5, "48 54 54 50", M},
    {P5, "48 54 54 50", M},
    {P5, "15 03 01 00 02 02 28", P},
    {P4, "15 03 01 00 02 02 28", P},
    /* CONNACK */
    {P5, "20 02 00 00", M},
    {P5, "20 03 02 00 00", M},
    {P5, "20 03 80 00 00", M},
    {P5, "20 03 01 00 00", P},
    {P4, "20 02 01 00", P},
    {P5, "20 03 00 8B 00", P},
    {P5, "20 03 00 01 00", P},
    {P5, "20 03 00 FF 00", P},
    {P5, "20 08 00 00 05 27 00000000", P},
    {P5, "20 06 00 00 03 21 0000", P},
    {P5, "20 05 00 00 02 24 02", P},
    {P5, "20 05 00 00 02 25 02", P},
    {P5, "20 05 00 00 02 2A FF", P},
    {P5, "20 09 00 00 06 21 0005 21 0005", P},
    {P5, "20 05 00 00 02 17 01", M},
    {P5, "20 06 00 00 03 23 0001", M},
    {P5, "20 05 00 00 02 7F 00", M},
    {P5, "20 06 00 00 03 FF 01 00", M},
    {P5, "20 03 00 00 05", M},
    {P5, "20 05 00 00 01 24 01", M},
    {P5, "20 07 00 00 04 12 0005 61", M},
    {P5, "20 07 00 00 04 15 0001 61", P},
    {P5, "20 07 00 00 04 1F 0001 FF", M},
    {P5E, "20 03 00 00 00", P}, /* no Assigned Client Identifier */
    {A5, "20 03 00 00 00", P},
    {A4, "20 02 00 00", P},
    {P5, "30 06 0001 61 00 6869", P},
    {P4, "30 05 0001 61 6869", P},
    {P5, "D0 00", P},
    {P5, "20 01 00", M},
    {P5, "20 00", M},
    {P4, "20 02 00 06", P},
    {P4, "20 02 02 00", M},
    {P4, "20 03 00 00 00", M},
    {P4, "20 01 00", M},
    /* PUBLISH */
    {A5, "36 06 0001 61 0001 00", M},
    {A5, "3E 06 0001 61 0001 00", M},
    {A5, "38 04 0001 61 00", M},
    {A5, "30 03 0000 00", P},
    {A5, "30 06 0000 03 23 0001", P},
    {A5, "30 07 0001 61 03 23 0000", 0x94},
    {A5, "30 07 0001 61 03 23 000B", 0x94},
    {A5, "30 0A 0001 61 06 23 0001 23 0001", P},
    {A5, "30 04 0001 23 00", M},
    {A5, "30 04 0001 2B 00", M},
    {A5, "30 05 0002 6100 00", M},
    {A5, "30 05 0002 C080 00", M},
    {A5, "30 07 0004 F0808081 00", M},
    {A5, "30 06 0003 EDA080 00", M},
    {A5, "30 07 0004 F4908080 00", M},
    {A5, "30 05 0002 E282 00", M},
    {A5, "30 04 0001 80 00", M},
    {A4, "30 03 0001 FF", M},
    {A5, "30 06 0003 EFBBBF 00", TAKEN},
    {A5, "30 04 0005 61 00", M},
    {A4, "30 03 0005 61", M},
    {A5, "30 00", M},
    {A4, "30 00", M},
    {A4, "30 01 00", M},
    {A5, "32 04 0001 61 00", M},
    {A5, "32 06 0001 61 0000 00", P},
    {A4, "32 05 0001 61 0000", P},
    {A5, "30 03 0001 61", M}, /* no property length */
    {A5, "30 04 0001 61 7F", M},
    {A5, "30 08 0001 61 FFFFFFFF7F", M},
    {A5, "30 06 0001 61 02 01 02", P},
    {A5, "30 08 0001 61 04 0100 0101", P},
    {A5, "30 06 0001 61 02 0B 00", P},
    {A5, "30 0A 0001 61 06 0B FFFFFFFF01", M},
    {A5, "30 08 0001 61 04 08 0001 2B", M},
    {A5, "30 07 0001 61 03 08 0000", P},
    {A5, "30 08 0001 61 04 1F 0001 61", M},
    {A5, "30 09 0001 61 05 11 00000001", M},
    {A5, "30 0B 0001 61 07 26 0001 C3 0001 62", M},
    {A5, "30 08 0001 61 04 09 0009 61", M},
    {A5, "30 08 0001 61 04 03 0001 FF", M},
    {A5, "30 0C 0001 61 08 03 0001 61 03 0001 61", P},
    {A4, "30 02 0000", P},
    {A4, "36 05 0001 61 0001", M},
    {A4, "38 03 0001 61", M},
    {A4, "32 03 0001 61", M},
    /* PUBACK, PUBREC, PUBREL, PUBCOMP */
    {A5, "40 00", M},
    {A5, "40 01 00", M},
    {A5, "40 02 0000", P},
    {A5, "62 02 0000", P},
    {A5, "40 05 0001 00 00 00", M},
    {A5, "40 04 0001 00 01", M},
    {A5, "40 03 0001 FF", P},
    {A5, "40 03 0001 92", P},
    {A5, "50 03 0001 92", P},
    {A5, "62 03 0001 80", P},
    {A5, "70 03 0001 10", P},
    {A5, "50 07 0001 00 03 21 0001", M},
    {A5R, "40 08 0001 80 04 1F 0001 61", P},
    {A5R, "40 0B 0001 80 07 26 0001 61 0001 62", P},
    {A4, "40 03 0001 00", M},
    {A4, "62 03 0001 00", M},
    {A4, "50 00", M},
    /* SUBACK, UNSUBACK */
    {A5, "90 05 0001 00 00 00", P},
    {A5, "90 03 0001 00", M},
    {A5, "90 04 0001 00 03", P},
    {A5, "90 04 0001 00 11", P},
    {A5, "90 04 0007 00 00", P},
    {A5, "90 02 0001", M},
    {A5, "90 01 00", M},
    {A5, "91 04 0001 00 00", M},
    {A5, "B0 04 0001 00 01", P},
    {A5, "B0 04 0001 00 00", P}, /* for a SUBSCRIBE */
    {A4, "90 02 0001", M},
    {A4, "90 04 0001 00 00", P},
    {A4, "90 03 0001 03", P},
    {A4, "B0 03 0001 00", M},
    /* DISCONNECT, AUTH */
    {A5, "E1 00", M},
    {A5, "E0 01 04", P},
    {A5, "E0 01 01", P},
    {A5, "E0 07 00 05 11 00000000", P},
    {A5, "E0 02 8B 05", M},
    {A5, "E0 03 8B 00 00", M},
    {A5R, "E0 06 8B 04 1F 0001 61", CLOSE}, /* a Reason String may stand here all the same */
    {A5, "F0 00", P},
    {A5, "F1 00", M},
    {A5, "F0 06 18 04 15 0001 61", P},
    {P5, "F0 00", P},
};

/* --- how they are sent -------------------------------------------------------------------------
 */

enum manner { WHOLE, IN_BYTES, WITH_MORE_BEHIND, MANNERS };

static const char *
good_packets(enum context context)
{
	return is_v5(context) ? " 30 04 0001 7A 00" : " 30 03 0001 7A";
}

struct scene {
	struct tk_step script[12];
	size_t steps;
	char bytes[512];
	char answer[16];
};

static void
add(struct scene *s, struct tk_step step)
{
	step.line = __LINE__;
	s->script[s->steps++] = step;
}

static void
add_greeting(struct scene *s, enum context context)
{
	add(s, (struct tk_step)TK_EXPECT(CONNECT));
	if (!is_connected(context))
		return;
	add(s, (struct tk_step)TK_SEND(is_v5(context) ? "20 03 00 00 00" : "20 02 00 00"));
	add(s, (struct tk_step)TK_EXPECT(SUBSCRIBE));
}

static void
add_bytes(struct scene *s, const struct row *row, enum manner manner)
{
	snprintf(s->bytes, sizeof(s->bytes), "%s%s", row->bytes,
	    manner == WITH_MORE_BEHIND ? good_packets(row->context) : "");
	if (manner == IN_BYTES)
		add(s, (struct tk_step)TK_SEND_CUT(s->bytes, 1));
	else
		add(s, (struct tk_step)TK_SEND(s->bytes));
}

static void
add_answer(struct scene *s, const struct row *row)
{
	if (row->answer > CLOSE) {
		add(s, (struct tk_step)TK_QUIET(50));
		return;
	}
	if (row->answer < CLOSE && is_v5(row->context)) {
		snprintf(s->answer, sizeof(s->answer), "E0 01 %02X", (unsigned)row->answer);
		add(s, (struct tk_step)TK_EXPECT_BYTES(s->answer));
	}
	add(s, (struct tk_step)TK_EXPECT_CLOSE());
}

static void
make_scene(struct scene *s, const struct row *row, enum manner manner)
{
	memset(s, 0, sizeof(*s));
	add_greeting(s, row->context);
	add_bytes(s, row, manner);
	add_answer(s, row);
	add(s, (struct tk_step)TK_END);
}

static void
make_client(enum context context)
{
	struct mqev_properties *p = mqev_properties_new();
	struct mqev_options o = {
	    .size = sizeof(o),
	    .no_reconnect = true,
	    .max_packet_size = 1024,
	};

	if (is_v5(context)) {
		o.protocol = MQEV_PROTOCOL_V5;
		o.topic_alias_maximum = 10;
		o.receive_maximum = 2;
	}
	if (context == A5R)
		mqev_properties_add_integer(p, MQEV_PROP_REQUEST_PROBLEM_INFORMATION, 0);
	if (context == A5R)
		o.connect_properties = p;
	if (context == P5E)
		o.client_id = "";
	kit.client = kit_client_new(o);
	mqev_properties_free(p);
	if (is_connected(context))
		kit_subscribe("f", 0, NULL);
}

/* --- what is to come of it ---------------------------------------------------------------------
 */

static int
error_of(int answer)
{
	switch (answer) {
	case M:
		return MQEV_ERR_MALFORMED;
	case 0x95:
		return MQEV_ERR_TOO_LARGE;
	case CLOSE:
		return MQEV_ERR_DISCONNECTED;
	default:
		return MQEV_ERR_PROTOCOL;
	}
}

static void
judge_end(const struct row *row)
{
	if (is_connected(row->context)) {
		KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
		ck_assert_int_eq(kit.disconnection.error, error_of(row->answer));
		if (row->answer < CLOSE)
			ck_assert_int_eq((int)kit.disconnection.reason, row->answer);
		ck_assert_int_eq(kit.disconnection.from_server, row->answer == CLOSE);
		ck_assert_int_eq(kit.count[KIT_CONNECT_FAIL], 0);
	} else {
		KIT_AWAIT(KIT_CONNECT_FAIL, 1, 2000);
		ck_assert_int_eq(kit.failure.error, error_of(row->answer));
		ck_assert_int_eq((int)kit.failure.stage, MQEV_STAGE_CONNACK);
		ck_assert_int_eq(kit.count[KIT_CONNECT] + kit.count[KIT_DISCONNECT], 0);
	}
	ck_assert_str_ne(kit.text, "");
	kit_run(5);
	ck_assert_int_eq(kit.count[KIT_MESSAGE], 0);
	ck_assert_int_eq(kit.count[KIT_DONE], 0);
}

START_TEST(malformed)
{
	const struct row *row = &rows[_i / MANNERS];
	enum manner manner = (enum manner)(_i % MANNERS);
	struct scene scene;
	const char *why;

	if (row->answer > CLOSE && manner == WITH_MORE_BEHIND)
		return;
	make_scene(&scene, row, manner);
	kit_broker(scene.script);
	make_client(row->context);
	kit_connect();
	why = tk_broker_try(kit.broker, 3000);
	ck_assert_msg(why == NULL, "\"%s\" (%d): %s", row->bytes, (int)manner, why);
	if (row->answer <= CLOSE)
		judge_end(row);
	else
		ck_assert_int_eq(kit.count[KIT_MESSAGE], row->answer == TAKEN);
}
END_TEST

/* --- refusals that are not well-formed ---------------------------------------------------------
 */

struct refusal_row {
	enum context context;
	const char *bytes;
	enum mqev_reason reason;
};

/* Session Present beside an error is against the rules, but the refusal is what matters. */
static const struct refusal_row refusal_rows[] = {
    {P5, "20 03 01 87 00", MQEV_REASON_NOT_AUTHORIZED},
    {P4, "20 02 01 05", MQEV_REASON_NOT_AUTHORIZED},
    {P5, "20 02 00 01", MQEV_REASON_UNSUPPORTED_PROTOCOL_VERSION}, /* of a server of 3.1.1 */
};

START_TEST(refusal)
{
	const struct refusal_row *row = &refusal_rows[_i];
	const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_SEND(row->bytes), TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	make_client(row->context);
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	ck_assert_int_eq(kit.connack.reason, row->reason);
	ck_assert_int_eq(kit.disconnection.error, MQEV_ERR_REFUSED);
}
END_TEST

/* --- state -------------------------------------------------------------------------------------
 */

#define ACCEPT_V5 TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())")
#define ENDS_WITH(reason) TK_EXPECT_BYTES("E0 01 " reason), TK_EXPECT_CLOSE(), TK_END

static const struct tk_step unknown_puback[] = {ACCEPT_V5, TK_SEND("40 02 0005"), TK_QUIET(30),
    TK_EXPECT_BYTES("32 ({'p'} 0001 () 'm')"), TK_SEND("40 (@)"), TK_END};
static const struct tk_step pubrec_for_qos1[] = {
    ACCEPT_V5, TK_EXPECT(PUBLISH), TK_SEND("50 (@)"), ENDS_WITH("82")};
static const struct tk_step puback_for_qos2[] = {
    ACCEPT_V5, TK_EXPECT(PUBLISH), TK_SEND("40 (@)"), ENDS_WITH("82")};
static const struct tk_step pubcomp_before_pubrec[] = {
    ACCEPT_V5, TK_EXPECT(PUBLISH), TK_SEND("70 (@)"), ENDS_WITH("82")};
static const struct tk_step pubrel_unknown[] = {
    ACCEPT_V5, TK_SEND("62 02 0005"), TK_EXPECT_BYTES("70 03 0005 92"), TK_QUIET(20), TK_END};
static const struct tk_step pubrec_unknown[] = {
    ACCEPT_V5, TK_SEND("50 02 0005"), TK_EXPECT_BYTES("62 03 0005 92"), TK_QUIET(20), TK_END};
static const struct tk_step pubcomp_unknown[] = {
    ACCEPT_V5, TK_SEND("70 02 0005"), TK_QUIET(30), TK_END};
static const struct tk_step failed_pubrec_then_pubcomp[] = {
    ACCEPT_V5, TK_EXPECT(PUBLISH), TK_SEND("50 (@ 97) 70 (@)"), TK_QUIET(30), TK_END};
static const struct tk_step suback_for_publish[] = {
    ACCEPT_V5, TK_EXPECT(PUBLISH), TK_SEND("90 (@ () 00)"), ENDS_WITH("82")};
static const struct tk_step same_id_twice[] = {ACCEPT_V5, TK_SEND("32 ({'a'} 0001 () '1')"),
    TK_EXPECT_BYTES("40 (0001)"), TK_SEND("32 ({'a'} 0001 () '2')"),
    TK_EXPECT_BYTES("40 (0001)"), TK_QUIET(20), TK_END};
static const struct tk_step too_many_in_flight[] = {ACCEPT_V5,
    TK_SEND("34 ({'a'} 0001 () '1') 34 ({'a'} 0002 () '2')"), TK_EXPECT_BYTES("50 (0001)"),
    TK_EXPECT_BYTES("50 (0002)"), TK_SEND("34 ({'a'} 0003 () '3')"), ENDS_WITH("93")};
static const struct tk_step ping_unasked[] = {
    ACCEPT_V5, TK_SEND("D0 00 D0 00"), TK_QUIET(30), TK_END};
static const struct tk_step alias_of_the_last_connection[] = {ACCEPT_V5,
    TK_SEND("30 ({'a'} (23 0003) '1')"), TK_SEND("30 ({} (23 0003) '2')"), TK_WAIT(20),
    TK_CLOSE(), TK_ACCEPT(), TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())"),
    TK_SEND("30 ({} (23 0003) '3')"), ENDS_WITH("82")};

struct state_row {
	const char *name;
	const struct tk_step *script;
	int publish; /* QoS of a message that is sent first; -1: none */
	const char *diary;
};

static const struct state_row state_rows[] = {
    {"PUBACK of an unknown id", unknown_puback, 1, "connect:00 done1:OK"},
    {"PUBREC for QoS 1", pubrec_for_qos1, 1, "connect:00 disconnect:PROTOCOL"},
    {"PUBACK for QoS 2", puback_for_qos2, 2, "connect:00 disconnect:PROTOCOL"},
    {"PUBCOMP before PUBREC", pubcomp_before_pubrec, 2, "connect:00 disconnect:PROTOCOL"},
    {"PUBREL of an unknown id", pubrel_unknown, -1, "connect:00"},
    {"PUBREC of an unknown id", pubrec_unknown, -1, "connect:00"},
    {"PUBCOMP of an unknown id", pubcomp_unknown, -1, "connect:00"},
    {"PUBREC 97, then PUBCOMP", failed_pubrec_then_pubcomp, 2, "connect:00 done1:REFUSED"},
    {"SUBACK for a PUBLISH", suback_for_publish, 1, "connect:00 disconnect:PROTOCOL"},
    {"an id used again", same_id_twice, -1, "connect:00 message:a:1:1 message:a:2:1"},
    {"Receive Maximum", too_many_in_flight, -1,
	"connect:00 message:a:1:2 message:a:2:2 disconnect:PROTOCOL"},
    {"PINGRESP without PINGREQ", ping_unasked, -1, "connect:00"},
    {"an alias of the last connection", alias_of_the_last_connection, -1,
	"connect:00 message:a:1:0 message:a:2:0 disconnect:LOST connect:00 "
	"disconnect:PROTOCOL"},
};

START_TEST(state)
{
	const struct state_row *row = &state_rows[_i];
	const char *why;

	kit_broker(row->script);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .receive_maximum = 2, .topic_alias_maximum = 10,
	    .reconnect_min_ms = 50, .reconnect_max_ms = 60000);
	kit_connect();
	if (row->script == unknown_puback) {
		KIT_AWAIT(KIT_CONNECT, 1, 1000);
		kit_run(50);
	}
	if (row->publish >= 0)
		kit_publish("p", "m", row->publish);
	why = tk_broker_try(kit.broker, 3000);
	ck_assert_msg(why == NULL, "%s: %s", row->name, why);
	kit_run(10);
	ck_assert_msg(strcmp(kit_diary(), row->diary) == 0, "%s: %s", row->name, kit_diary());
}
END_TEST

/* Session Present = 1 for a session that this client does not have: refused and begun anew. */
START_TEST(session_of_nobody)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES("10 ({'MQTT'} 05 00 003C (11 0000003C) {'c'})"),
	    TK_SEND("20 (01 00 ())"), TK_EXPECT_BYTES("E0 01 82"), TK_EXPECT_CLOSE(), TK_ACCEPT(),
	    TK_EXPECT_BYTES("10 ({'MQTT'} 05 02 003C (11 0000003C) {'c'})"),
	    TK_SEND("20 (00 00 ())"), TK_QUIET(20), TK_END};

	kit_broker(script);
	KIT_CLIENT(
	    .protocol = MQEV_PROTOCOL_V5, .session_expiry = 60, .clean = MQEV_CLEAN_STRICT);
	kit_connect();
	KIT_PLAY(3000);
	KIT_DIARY("fail:connack:PROTOCOL connect:00");
}
END_TEST

/* By option what the standard only advises against is no better than what it forbids. */
START_TEST(strict_text)
{
	static const struct tk_step script[] = {ACCEPT_V5, TK_SEND("30 ({'a' 07} () 'x')"),
	    TK_EXPECT_BYTES("E0 01 81"), TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .strict_text = true, .no_reconnect = true);
	kit_connect();
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	KIT_DIARY("connect:00 disconnect:MALFORMED");
}
END_TEST

/* A server that breaks the rules again and again is given up. */
START_TEST(given_up_in_the_end)
{
	static const struct tk_step script[] = {
	    ACCEPT_V5, TK_SEND("00 00"), TK_EXPECT_BYTES("E0 01 81"), TK_EXPECT_CLOSE(), TK_ACCEPT(),
	    ACCEPT_V5, TK_SEND("00 00"), TK_EXPECT_BYTES("E0 01 81"), TK_EXPECT_CLOSE(), TK_ACCEPT(),
	    ACCEPT_V5, TK_SEND("00 00"), TK_EXPECT_BYTES("E0 01 81"), TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .reconnect_max_ms = 20);
	kit_connect();
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_DISCONNECT, 3, 1000);
	ck_assert_uint_eq(kit.disconnection.retry_ms, UINT32_MAX);
	kit_run(100);
	ck_assert_int_eq(tk_broker_connections(kit.broker), 3);
	ck_assert_int_eq(KIT_CALL(mqev_disconnect(kit.client, NULL)), MQEV_ERR_STATE);
}
END_TEST

/* --- the stream ends anywhere ------------------------------------------------------------------
 */

static const char *const whole_packets[] = {
    "30 ({'a'} (26 {'k'} {'v'} 03 {'text'}) 'payload')",
    "32 ({'a'} 0001 () 'payload')",
    "34 ({'a'} 0001 () 'payload')",
    "40 (0001 10 (1F {'why'}))",
    "50 (0001 00 ())",
    "62 (0001 00 ())",
    "70 (0001 00 ())",
    "90 (0001 (1F {'why'}) 00)",
    "B0 (0001 () 00)",
    "D0 00",
    "E0 (8B (1F {'why'} 26 {'k'} {'v'}))",
};

/* At every offset of each packet: the connection is lost and nothing of the fragment is delivered.
 */
START_TEST(ends_within_a_packet)
{
	struct tk_buf whole = tk_hex(whole_packets[_i]);
	struct tk_buf part = {0};
	const struct tk_step script[] = {
	    ACCEPT_V5, TK_EXPECT(SUBSCRIBE), TK_SEND_BUF(part), TK_CLOSE(), TK_END};

	kit.quiet[KIT_DONE] = true;
	for (size_t len = 1; len < whole.len; len++) {
		memset(kit.count, 0, sizeof(kit.count));
		tk_buf_clear(&kit.diary);
		tk_buf_clear(&part);
		tk_buf_put(&part, whole.data, len);
		kit_broker(script);
		make_client(A5);
		kit_connect();
		KIT_PLAY(2000);
		KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
		KIT_DIARY("connect:00 disconnect:LOST");
		kit_free_client();
		tk_broker_free(kit.broker);
		kit.broker = NULL;
	}
	tk_buf_free(&whole);
	tk_buf_free(&part);
}
END_TEST

/* A topic of nothing but slashes costs no stack. */
START_TEST(topic_of_slashes)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"), TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ 00)"),
	    TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ 00)"),
	    TK_SEND("30 ({'/'*65535} 'x')"), TK_END};
	char *filter = calloc(1, 65536);

	kit.quiet[KIT_DONE] = kit.quiet[KIT_FILTER] = true;
	memset(filter, '/', 65535);
	kit_broker(script);
	KIT_CLIENT(.keepalive = 60);
	kit_connect();
	kit_subscribe("/#", 0, kit_filter_message);
	ck_assert_int_gt(kit_try_subscribe(kit.client,
			     MQEV_SUBSCRIPTION(.filter = filter, .on_message = kit_filter_message),
			     1),
	    0);
	free(filter);
	KIT_PLAY(5000);
	KIT_AWAIT(KIT_FILTER, 2, 2000);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("client_malformed");
	TCase *tc = kit_case(s, "packets");

	tcase_add_loop_test(tc, malformed, 0, COUNT(rows) * MANNERS);
	tcase_add_loop_test(tc, refusal, 0, COUNT(refusal_rows));
	tc = kit_case(s, "state");
	tcase_add_loop_test(tc, state, 0, COUNT(state_rows));
	tcase_add_test(tc, session_of_nobody);
	tcase_add_test(tc, strict_text);
	tcase_add_test(tc, given_up_in_the_end);
	tc = kit_case(s, "stream");
	tcase_add_loop_test(tc, ends_within_a_packet, 0, COUNT(whole_packets));
	tcase_add_test(tc, topic_of_slashes);
	return s;
}

int
main(void)
{
	return tk_main(suite());
}
