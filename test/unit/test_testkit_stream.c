/* The judge of whole connections: legal conversations pass, each broken rule is named. */
#include "lib/loop.h"
#include "lib/stream.h"

#include <string.h>

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/*
 * A conversation: lines of the client (">"), of the server ("<"), "new": the next connection of the
 * same session, "settled": see tk_session_settle(). The last line is the one that breaks the rule.
 */
struct talk {
	const char *fault; /* NULL: none */
	const char *line[14];
};

#define C5(flags, props) "> 10 ({'MQTT'} 05 " flags " 0000 (" props ") {'c'})"
#define C4(flags) "> 10 ({'MQTT'} 04 " flags " 0000 {'c'})"
#define C3(flags) "> 10 ({'MQIsdp'} 03 " flags " 0000 {'c'})"
#define UP5(props) C5("02", ""), "< 20 (00 00 (" props "))"
#define UP4 C4("02"), "< 20 (00 00)"
#define RESUME5(props) "new", C5("00", "11 00000064"), "< 20 (01 00 (" props "))"
#define RESUME4 "new", C4("00"), "< 20 (01 00)"
#define PUB1(mid) "> 32 ({'a'} " mid " ())"
#define DUP1(mid) "> 3A ({'a'} " mid " ())"
#define PUB2(mid) "> 34 ({'a'} " mid " ())"
#define DUP2(mid) "> 3C ({'a'} " mid " ())"

static const struct talk talks[] = {
    /* legal conversations */
    {NULL, {UP5(""), "> 82 (0001 () {'a'} 01)", "< 90 (0001 () 01)", PUB1("0001"), "< 40 (0001)",
	       PUB1("0001"), "> C0 00", "< D0 00", "> E0 00"}},
    {NULL, {UP5(""), PUB2("0001"), "< 50 (0001)", "> 62 (0001)", "< 70 (0001)", PUB2("0001")}},
    {NULL, {UP5(""), PUB2("0001"), "< 50 (0001 97)", PUB2("0001")}},
    {NULL, {UP5(""), PUB2("0001"), "< 50 (0001)", "> 62 (0001)", "< 50 (0001)", "> 62 (0001)"}},
    {NULL, {UP5(""), "< 50 (0007)", "> 62 (0007 92)"}},
    {NULL, {UP4, "< 50 (0007)", "> 62 (0007)"}},
    {NULL, {UP5(""), "< 32 ({'a'} 0001 ())", "< 34 ({'a'} 0002 ())", "> 50 (0002)", "> 40 (0001)",
	       "< 62 (0002)", "> 70 (0002)"}},
    {NULL, {UP5(""), "< 62 (0009)", "> 70 (0009 92)"}},
    {NULL, {UP5(""), PUB1("0001"), PUB2("0002"), PUB2("0003"), "< 50 (0003)", "> 62 (0003)",
	       RESUME5(""), DUP1("0001"), DUP2("0002"), "> 62 (0003)", PUB1("0004")}},
    {NULL, {UP5(""), PUB1("0001"), "< 40 (0001)", RESUME5(""), DUP1("0001")}},
    {NULL, {UP5(""), PUB2("0001"), "< 50 (0001)", RESUME5(""), DUP2("0001")}},
    {NULL, {UP5(""), PUB2("0001"), "< 50 (0001)", RESUME5(""), "> 62 (0001)"}},
    {NULL, {UP5(""), PUB2("0001"), "< 50 (0001)", "> 62 (0001)", "< 70 (0001)", RESUME5(""),
	       "> 62 (0001)"}},
    {NULL, {UP5(""), PUB1("0001"), "new", C5("00", ""), "< 20 (00 00 ())", PUB1("0001")}},
    {NULL, {UP5(""), PUB1("0001"), "new", UP5(""), PUB1("0001")}},
    {NULL, {UP5(""), "> 82 (0001 () {'a'} 01)", RESUME5(""), "> 82 (0001 () {'a'} 01)"}},
    {NULL, {UP5(""), "> 33 ({'a'} 0001 ())", "> 34 ({'a'} 0002 ())", RESUME5("25 00 24 01"),
	       PUB1("0003")}},
    {NULL, {UP4, "> 32 ({'a'} 0001)", "> 3A ({'a'} 0001)"}},
    {NULL, {UP4, "> 34 ({'a'} 0001)", "< 50 (0001)", "> 62 (0001)", "> 62 (0001)"}},
    {NULL, {UP5("22 0002"), "> 30 ({'a'} (23 0002))", "> 30 ({} (23 0002))"}},
    {NULL, {UP5("21 0001"), PUB1("0001"), "< 40 (0001)", PUB1("0002"), "> 82 (0003 () {'a'} 00)"}},
    {NULL, {UP5("21 0001"), PUB2("0001"), "< 50 (0001 80)", PUB2("0002")}},
    {NULL, {C5("02", ""), PUB1("0001"), "< 20 (00 00 (21 0001))", "< 40 (0001)", PUB1("0002")}},
    {NULL, {C5("02", "15 {'M'}"), "< F0 (18 (15 {'M'}))", "> F0 (18 (15 {'M'}))",
	       "< 20 (00 00 (15 {'M'}))", "> F0 (19 (15 {'M'}))", "< F0 (18 (15 {'M'}))",
	       "> F0 (18 (15 {'M'}))"}},
    {NULL, {C5("02", "11 00000001"), "< 20 (00 00 ())", "> E0 (00 (11 00000005))"}},
    {NULL, {C3("00"), "< 20 (00 00)", "> 32 ({'a'} 0001)", "new", C3("00"), "< 20 (00 00)",
	       "> 3A ({'a'} 0001)"}},
    {NULL, {C3("02"), "< 20 (00 00)", "> 82 (0001 {'a'} 00)", "> 8A (0001 {'a'} 00)"}},
    /* the server is at fault: what the client does then is its answer */
    {NULL, {UP5(""), "< 20 (00 00 ())", "> E0 (82)"}},
    {NULL, {UP5(""), PUB1("0001"), "< 50 (0001)", "> E0 (82)"}},
    {NULL, {UP5(""), "< 40 FFFFFFFF 01", "> E0 (81)"}},
    {NULL, {"< 20 (00 00)", C4("02")}},
    /* order of packets */
    {"v3 3.1.0-1", {"> C0 00"}},
    {"v5 3.1.0-2", {UP5(""), C5("02", "")}},
    {"v3 3.1.0-2", {UP4, C4("02")}},
    {"v5 3.14.4-1", {UP5(""), "> E0 00", "> C0 00"}},
    {"v3 3.14.4-1", {UP4, "> E0 00", "> E0 00"}},
    {"v5 3.2.2-7", {C5("02", ""), "< 20 (00 87 ())", "> E0 00"}},
    {"v3 3.2.2-5", {C4("02"), "< 20 (00 05)", "> E0 00"}},
    {"v3 3.1.4-5", {C3("02"), "> 82 (0001 {'a'} 00)"}},
    {"v5 3.1.2-30", {C5("02", "15 {'M'}"), "> C0 00"}},
    {"v3 4.8.0-1", {UP4, "< 20 (00 00)", "> E0 00"}},
    {"v5 1.5.5", {UP5(""), "> 30 FFFFFFFF 01"}},
    {"v5 3.3.2-2", {UP5(""), "> 30 ({'#'} ())"}},
    /* packet identifiers */
    {"v5 2.2.1-3", {UP5(""), PUB1("0001"), PUB1("0001")}},
    {"v3 2.3.1-2", {UP4, "> 32 ({'a'} 0001)", "> 82 (0001 {'a'} 00)"}},
    {"v5 2.2.1-3", {UP5(""), "> 82 (0001 () {'a'} 00)", "> A2 (0001 () {'a'})"}},
    {"v5 2.2.1-3", {UP5(""), PUB2("0001"), "< 50 (0001)", PUB1("0001")}},
    {"v5 2.2.1-3", {UP5(""), PUB1("0001"), "> 3A ({'b'} 0001 ())"}},
    {"v5 4.3.2-2", {UP5(""), DUP1("0001")}},
    {"v3 4.3.2-1", {UP4, "> 3A ({'a'} 0001)"}},
    {"v5 4.3.3-2", {UP5(""), DUP2("0001")}},
    /* resending */
    {"v5 4.4.0-1", {UP5(""), PUB1("0001"), DUP1("0001")}},
    {"v5 3.3.1-1", {UP5(""), PUB1("0001"), RESUME5(""), PUB1("0001")}},
    {"v3 3.3.1-1", {UP4, "> 32 ({'a'} 0001)", RESUME4, "> 32 ({'a'} 0001)"}},
    {"v5 4.6.0-1", {UP5(""), PUB1("0001"), PUB1("0002"), RESUME5(""), DUP1("0002"), DUP1("0001")}},
    {"v5 4.6.0-1", {UP5(""), PUB1("0001"), RESUME5(""), PUB1("0002")}},
    {"v5 4.6.0-1",
	{UP5(""), PUB2("0001"), "< 50 (0001)", "> 62 (0001)", RESUME5(""), PUB1("0002")}},
    {"v5 4.3.3-6",
	{UP5(""), PUB2("0001"), "< 50 (0001)", "> 62 (0001)", RESUME5(""), DUP2("0001")}},
    {"v3 4.3.3-1", {UP4, "> 34 ({'a'} 0001)", "< 50 (0001)", "> 62 (0001)", "> 3C ({'a'} 0001)"}},
    {"v5 4.4.0-2", {UP5(""), PUB1("0001"), "< 40 (0001 97)", DUP1("0001")}},
    {"v5 4.3.2-2", {UP5(""), PUB1("0001"), "< 40 (0001)", "settled", RESUME5(""), DUP1("0001")}},
    {"v5 4.3.2-2", {UP5(""), PUB1("0001"), "new", C5("00", ""), "< 20 (00 00 ())", DUP1("0001")}},
    /* limits */
    {"v5 3.2.2-11", {UP5("24 01"), PUB2("0001")}},
    {"v5 3.2.2-14", {UP5("25 00"), "> 31 ({'a'} ())"}},
    {"v5 3.2.2-15", {UP5("27 0000000A"), "> 30 ({'a'} () '1234567')"}},
    {"v5 3.2.2-15", {UP5(""), "> 32 ({'a'} 0001 () '1234567')", RESUME5("27 0000000A"),
			"> 3A ({'a'} 0001 () '1234567')"}},
    {"v5 3.2.2-17", {UP5("22 0002"), "> 30 ({'a'} (23 0003))"}},
    {"v5 3.2.2-18", {UP5(""), "> 30 ({'a'} (23 0001))"}},
    {"v5 3.3.2-7", {UP5("22 0002"), "> 30 ({} (23 0001))"}},
    {"v5 3.3.2-7",
	{UP5("22 0002"), "> 30 ({'a'} (23 0001))", RESUME5("22 0002"), "> 30 ({} (23 0001))"}},
    {"v5 3.3.4-7", {UP5("21 0001"), PUB1("0001"), PUB1("0002")}},
    {"v5 3.3.4-7",
	{UP5(""), PUB1("0001"), PUB1("0002"), RESUME5("21 0001"), DUP1("0001"), DUP1("0002")}},
    {"v5 3.3.4-7", {UP5("21 0001"), PUB2("0001"), "< 50 (0001)", "> 62 (0001)", PUB1("0002")}},
    {"v5 3.2.2.3.11", {UP5("28 00"), "> 82 (0001 () {'a/+'} 00)"}},
    {"v5 3.2.2.3.12", {UP5("29 00"), "> 82 (0001 (0B 01) {'a'} 00)"}},
    {"v5 3.2.2.3.13", {UP5("2A 00"), "> 82 (0001 () {'$share/g/a'} 00)"}},
    /* acknowledgements */
    {"v5 2.2.1-5", {UP5(""), "> 40 (0001)"}},
    {"v3 2.3.1-6", {UP4, "< 32 ({'a'} 0001)", "> 50 (0001)"}},
    {"v5 2.2.1-5", {UP5(""), "< 32 ({'a'} 0001 ())", "> 40 (0001)", "> 40 (0001)"}},
    {"v5 2.2.1-5", {UP5(""), "< 32 ({'a'} 0001 ())", RESUME5(""), "> 40 (0001)"}},
    {"v5 4.6.0-2", {UP5(""), "< 32 ({'a'} 0001 ())", "< 32 ({'a'} 0002 ())", "> 40 (0002)"}},
    {"v5 4.6.0-3", {UP5(""), "< 34 ({'a'} 0001 ())", "< 34 ({'a'} 0002 ())", "> 50 (0002)"}},
    {"v5 4.6.0-4",
	{UP5(""), PUB2("0001"), PUB2("0002"), "< 50 (0002)", "< 50 (0001)", "> 62 (0001)"}},
    {"v5 4.3.3-4", {UP5(""), PUB2("0001"), "> 62 (0001)"}},
    {"v5 4.3.3-4", {UP5(""), PUB2("0001"), "< 50 (0001 97)", "> 62 (0001)"}},
    {"v5 4.4.0-1", {UP5(""), PUB2("0001"), "< 50 (0001)", "> 62 (0001)", "> 62 (0001)"}},
    {"v5 3.6.2-1", {UP5(""), PUB2("0001"), "< 50 (0001)", "> 62 (0001 92)"}},
    {"v5 3.6.2-1", {UP5(""), "< 50 (0001)", "> 62 (0001)"}},
    {"v5 2.2.1-5", {UP5(""), "> 70 (0001)"}},
    {"v5 3.7.2-1", {UP5(""), "< 62 (0001)", "> 70 (0001)"}},
    {"v5 4.3.3-11",
	{UP5(""), "< 34 ({'a'} 0001 ())", "> 50 (0001)", "< 62 (0001)", "> 70 (0001 92)"}},
    /* authentication, end */
    {"v5 4.12.0-7", {UP5(""), "> F0 (18 (15 {'M'}))"}},
    {"v5 4.12.0-5", {C5("02", "15 {'M'}"), "< F0 (18 (15 {'M'}))", "> F0 (18 (15 {'N'}))"}},
    {"v5 4.12.0-3", {C5("02", "15 {'M'}"), "> F0 (18 (15 {'M'}))"}},
    {"v5 4.12.1-1", {C5("02", "15 {'M'}"), "> F0 (19 (15 {'M'}))"}},
    {"v5 3.14.2.2.2", {UP5(""), "> E0 (00 (11 00000005))"}},
};

struct play {
	struct tk_session *session;
	struct tk_stream stream;
};

static void
play_line(struct play *p, const char *line, size_t cut)
{
	struct tk_buf b;
	size_t n, at;

	if (strcmp(line, "settled") == 0) {
		tk_session_settle(p->session);
		return;
	}
	if (strcmp(line, "new") == 0) {
		tk_stream_clear(&p->stream);
		tk_stream_init(&p->stream, 0, p->session);
		return;
	}
	b = tk_hex(line + 1);
	for (at = 0; at < b.len; at += n) {
		n = b.len - at < cut ? b.len - at : cut;
		if (line[0] == '>')
			tk_stream_from_client(&p->stream, b.data + at, n);
		else
			tk_stream_from_server(&p->stream, b.data + at, n);
	}
	tk_buf_free(&b);
}

static void
play(const struct talk *t, size_t cut)
{
	struct play p = {.session = tk_session_new()};
	const char *error;
	int i, n = 0;

	while (n < COUNT(t->line) && t->line[n])
		n++;
	tk_stream_init(&p.stream, 0, p.session);
	for (i = 0; i < n; i++) {
		error = tk_stream_error(&p.stream);
		ck_assert_msg(error == NULL, "before line %d: %s", i + 1, error);
		play_line(&p, t->line[i], cut);
	}
	error = tk_stream_error(&p.stream);
	if (!t->fault)
		ck_assert_msg(error == NULL, "%s", error);
	else
		ck_assert_msg(error && strcmp(p.stream.fault.id, t->fault) == 0,
		    "expected %s, got %s", t->fault, error ? error : "nothing");
	tk_stream_clear(&p.stream);
	tk_session_free(p.session);
}

START_TEST(conversations)
{
	play(&talks[_i], 65536);
	play(&talks[_i], 1);
}
END_TEST

START_TEST(version_is_held_to)
{
	struct tk_stream s;
	struct tk_buf b = tk_hex("10 ({'MQTT'} 04 02 0000 {'c'})");

	tk_stream_init(&s, TK_V5, NULL);
	ck_assert_int_eq(tk_stream_from_client(&s, b.data, b.len), -1);
	ck_assert_str_eq(s.fault.id, "v5 3.1.2-2");
	tk_stream_clear(&s);
	tk_buf_free(&b);
}
END_TEST

static void
feed(struct tk_stream *s, int client, const char *text)
{
	struct tk_buf b = tk_hex(text);

	if (client)
		tk_stream_from_client(s, b.data, b.len);
	else
		tk_stream_from_server(s, b.data, b.len);
	tk_buf_free(&b);
}

START_TEST(debts_are_counted)
{
	struct tk_stream s;
	struct tk_buf text = {0};

	tk_stream_init(&s, 0, NULL);
	feed(&s, 1, "10 ({'MQTT'} 04 02 0000 {'c'})");
	feed(&s, 0, "20 (00 00) 32 ({'a'} 0001) 34 ({'a'} 0002) 62 (0003)");
	ck_assert_uint_eq(tk_stream_owes(&s, &text), 3);
	ck_assert_str_eq((char *)text.data, "PUBACK 1 PUBREC 2 PUBCOMP 3 ");
	feed(&s, 1, "40 (0001) 50 (0002) 70 (0003)");
	ck_assert_uint_eq(tk_stream_owes(&s, NULL), 0);
	ck_assert_ptr_null(tk_stream_error(&s));
	tk_buf_free(&text);
	tk_stream_clear(&s);
}
END_TEST

/* An identifier whose PUBREL is on its way is a new message's in what comes behind that. */
START_TEST(pubrel_between_two_messages)
{
	struct tk_stream s;
	struct tk_buf text = {0};

	tk_stream_init(&s, 0, NULL);
	feed(&s, 1, "10 ({'MQTT'} 04 02 0000 {'c'})");
	feed(&s, 0, "20 (00 00) 34 ({'a'} 0002)");
	feed(&s, 1, "50 (0002)");
	feed(&s, 0, "3C ({'a'} 0002) 62 (0002) 34 ({'b'} 0002) 3C ({'b'} 0002)");
	ck_assert_uint_eq(tk_stream_owes(&s, &text), 3);
	ck_assert_str_eq((char *)text.data, "PUBREC 2 PUBREC 2 PUBCOMP 2 ");
	feed(&s, 1, "50 (0002) 70 (0002) 50 (0002) 50 (0002)");
	ck_assert_uint_eq(tk_stream_owes(&s, NULL), 0);
	ck_assert_ptr_null(tk_stream_error(&s));
	feed(&s, 0, "62 (0002)");
	feed(&s, 1, "70 (0002) 50 (0002)");
	ck_assert_ptr_nonnull(tk_stream_error(&s));
	tk_buf_free(&text);
	tk_stream_clear(&s);
}
END_TEST

START_TEST(all_identifiers)
{
	struct tk_stream s;
	struct tk_buf b;
	unsigned mid;

	tk_stream_init(&s, 0, NULL);
	feed(&s, 1, "10 ({'MQTT'} 05 02 0000 () {'c'})");
	feed(&s, 0, "20 (00 00 ())");
	for (mid = 1; mid <= 65535; mid++) {
		b = TK_MAKE_PUBLISH(.version = TK_V5, .topic = "t", .qos = 1, .mid = mid);
		ck_assert_int_eq(tk_stream_from_client(&s, b.data, b.len), 0);
		tk_buf_free(&b);
	}
	ck_assert_uint_eq(s.in_flight, 65535);
	for (mid = 1; mid <= 65535; mid++) {
		b = tk_make_ack(TK_V5, TK_PUBACK, mid, 0, NULL);
		tk_stream_from_server(&s, b.data, b.len);
		tk_buf_free(&b);
	}
	ck_assert_uint_eq(s.in_flight, 0);
	ck_assert_int_eq(s.server_broke, 0);
	tk_stream_clear(&s);
}
END_TEST

/* It may be read when the client has sent that very PUBLISH: from then on nobody knows. */
START_TEST(refusal_of_nothing)
{
	struct tk_stream s;

	tk_stream_init(&s, 0, NULL);
	feed(&s, 1, "10 ({'MQTT'} 05 02 0000 () {'c'})");
	feed(&s, 0, "20 (00 00 ()) 50 (0001 97)");
	ck_assert_int_eq(s.server_broke, 1);
	feed(&s, 1, "34 ({'a'} 0001 ())");
	feed(&s, 0, "50 (0001)");
	feed(&s, 1, "62 (0001 92)");
	ck_assert_ptr_null(tk_stream_error(&s));
	tk_stream_clear(&s);
}
END_TEST

START_TEST(refusal_of_what_was_accepted)
{
	struct tk_stream s;

	tk_stream_init(&s, 0, NULL);
	feed(&s, 1, "10 ({'MQTT'} 05 02 0000 () {'c'})");
	feed(&s, 0, "20 (00 00 ())");
	feed(&s, 1, "34 ({'a'} 0001 ())");
	feed(&s, 0, "50 (0001)");
	ck_assert_int_eq(s.server_broke, 0);
	feed(&s, 0, "50 (0001 97)");
	ck_assert_int_eq(s.server_broke, 1);
	tk_stream_clear(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("testkit-stream");
	TCase *tc = tk_case(s, "stream");

	tcase_add_loop_test(tc, conversations, 0, COUNT(talks));
	tcase_add_test(tc, version_is_held_to);
	tcase_add_test(tc, debts_are_counted);
	tcase_add_test(tc, pubrel_between_two_messages);
	tcase_add_test(tc, all_identifiers);
	tcase_add_test(tc, refusal_of_nothing);
	tcase_add_test(tc, refusal_of_what_was_accepted);
	return tk_main(s);
}
