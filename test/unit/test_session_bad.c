/* What a server must not send: each example in its state, uncut, cut at every place and with good
 * packets behind it, and what the session answers. States of several packets: test_session_rules.c.
 */
#include <stdio.h>
#include <string.h>

#include "lib/loop.h"
#include "lib/strict.h"
#include "lib/vcase.h"
#include "unit/bad_inputs.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* --- how they are played -----------------------------------------------------------------------
 */

static const struct context_rule {
	enum mqev_version version;
	bool connected;
} contexts[] = {
    [A5] = {MQEV_V5, true},
    [A5R] = {MQEV_V5, true},
    [A5U] = {MQEV_V5, true},
    [AU] = {MQEV_V5, true},
    [AUR] = {MQEV_V5, true},
    [P5] = {MQEV_V5, false},
    [P5E] = {MQEV_V5, false},
    [P5N] = {MQEV_V5, false},
    [P5R] = {MQEV_V5, false},
    [PU] = {MQEV_V5, false},
    [A4] = {MQEV_V311, true},
    [P4] = {MQEV_V311, false},
    [P4N] = {MQEV_V311, false},
    [A3] = {MQEV_V31, true},
    [P3] = {MQEV_V31, false},
};

static const struct bad_input *row;

static const struct mqev_auth bare_method = {.size = sizeof(bare_method)};

static const uint8_t no_problem_information[] = {0x17, 0};

static bool
has_method(enum bad_context context)
{
	return context == AU || context == AUR || context == PU;
}

static void
set_up(struct vclient *v, enum bad_context context)
{
	v->settings.max_packet_size = 1024;
	v->settings.receive_maximum = 2;
	v->settings.topic_alias_maximum = 10;
	if (context == P5N || context == P4N)
		v->settings.clean = MQEV_SESSION_CLEAN_STRICT;
	if (context == A5R || context == P5R)
		v->settings.connect_properties =
		    (struct mqev_bytes){no_problem_information, sizeof(no_problem_information)};
	if (context == P5E)
		v->client_id = "";
	if (has_method(context)) {
		v->settings.auth = &bare_method;
		v->settings.auth_method = (struct mqev_bytes){(const uint8_t *)"SCRAM", 5};
	}
	vclient_restart(v);
}

static void
get_there(struct vclient *v, enum bad_context context)
{
	set_up(v, context);
	if (!contexts[context].connected) {
		vclient_connect(v);
		return;
	}
	up(v, 0, has_method(context) ? "15 {'SCRAM'}" : "");
	if (context == A5U)
		unsub(v, "{'a'}", 1);
	else
		sub(v, "{'a'} 00", 1);
	if (context == AUR)
		v->op[mqev_session_reauthenticate(&v->s, NULL, NULL, v->now)] = V_PENDING;
}

static const char *
error_of(int reason)
{
	if (reason == M)
		return "MALFORMED";
	return reason == 0x95 ? "TOO_LARGE" : "PROTOCOL";
}

static void
expect_end(struct vclient *v, int reason)
{
	char text[80];

	if (v->s.version == MQEV_V5)
		snprintf(text, sizeof(text), "> E0 (%02X); end %s %02X", (unsigned)reason,
		    error_of(reason), (unsigned)reason);
	else
		snprintf(text, sizeof(text), "end %s %02X", error_of(reason), (unsigned)reason);
	expect(v, text);
}

/* What stands behind the fault in the same buffer is not looked at. */
static void
play(struct vclient *v)
{
	char text[200];

	get_there(v, row->context);
	vclient_flush_record(v);
	v->checked = v->record.len;
	snprintf(text, sizeof(text), "%s%s", row->bytes,
	    row->answer == FINE ? "" : " 30 ({'z'} ~ 'behind')");
	rx(v, text);
	if (row->answer > FINE && row->answer < REFUSED) {
		expect_end(v, row->answer);
		return;
	}
	ck_assert_msg((v->s.state == MQEV_SESSION_ENDED) == (row->answer == REFUSED), "%s: %s",
	    row->fault, row->bytes);
	if (row->answer == REFUSED)
		ck_assert_int_eq(v->s.end.error, MQEV_ERR_REFUSED);
	vclient_flush_record(v);
	v->checked = v->record.len;
}

static void
play_row(const struct bad_input *r)
{
	row = r;
	vcase_run(&(const struct vcase){r->fault, 1u << contexts[r->context].version, play});
}

START_TEST(bad_framing)
{
	play_row(&bad_rows_framing.rows[_i]);
}
END_TEST

START_TEST(bad_connack)
{
	play_row(&bad_rows_connacks.rows[_i]);
}
END_TEST

START_TEST(bad_publish)
{
	play_row(&bad_rows_publishes.rows[_i]);
}
END_TEST

START_TEST(bad_acknowledgement)
{
	play_row(&bad_rows_acks.rows[_i]);
}
END_TEST

START_TEST(bad_suback)
{
	play_row(&bad_rows_subacks.rows[_i]);
}
END_TEST

START_TEST(bad_end)
{
	play_row(&bad_rows_ends.rows[_i]);
}
END_TEST

/* --- every code --------------------------------------------------------------------------------
 */

static const struct coded {
	enum bad_context context;
	const char *packet; /* XX: the code */
} coded[] = {
    {P5, "20 03 00 XX 00"},
    {A5, "40 03 0007 XX"},
    {A5, "50 03 0007 XX"},
    {A5, "62 03 0007 XX"},
    {A5, "70 03 0007 XX"},
    {A5, "90 04 0001 00 XX"},
    {A5U, "B0 04 0001 00 XX"},
    {A5, "E0 01 XX"},
    {AUR, "F0 0A XX 08 15 0005 534352414D"},
    {P4, "20 02 00 XX"},
    {A4, "90 03 0001 XX"},
};

/* The kit's decoder, which shares nothing with the library, says which codes a server may send. */
static void
play_code(struct vclient *v, const struct coded *c, unsigned code)
{
	char text[80];
	char *at;
	struct tk_buf bytes;
	struct tk_packet packet;
	bool legal;

	snprintf(text, sizeof(text), "%s", c->packet);
	at = strstr(text, "XX");
	at[0] = "0123456789ABCDEF"[code >> 4];
	at[1] = "0123456789ABCDEF"[code & 15];
	bytes = tk_hex(text);
	legal = tk_packet_parse(&packet, (int)contexts[c->context].version, TK_FROM_SERVER,
		    bytes.data, bytes.len) == 0;
	tk_packet_clear(&packet);
	get_there(v, c->context);
	vclient_receive(v, bytes.data, bytes.len);
	ck_assert_msg(
	    (v->s.end.error == MQEV_ERR_PROTOCOL) == !legal, "%s: %d", text, v->s.end.error);
	vclient_close(v);
	tk_buf_free(&bytes);
}

START_TEST(each_reason_code)
{
	static struct vclient v;
	const struct coded *c = &coded[_i];

	for (unsigned code = 0; code < 256; code++) {
		vclient_init(&v, contexts[c->context].version);
		play_code(&v, c, code);
		vclient_free_session(&v);
		vclient_free(&v);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("session: bad input");
	TCase *tc = tk_case(suite, "bad");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, bad_framing, 0, bad_rows_framing.count);
	tcase_add_loop_test(tc, bad_connack, 0, bad_rows_connacks.count);
	tcase_add_loop_test(tc, bad_publish, 0, bad_rows_publishes.count);
	tcase_add_loop_test(tc, bad_acknowledgement, 0, bad_rows_acks.count);
	tcase_add_loop_test(tc, bad_suback, 0, bad_rows_subacks.count);
	tcase_add_loop_test(tc, bad_end, 0, bad_rows_ends.count);
	tcase_add_loop_test(tc, each_reason_code, 0, COUNT(coded));
	return tk_main(suite);
}
