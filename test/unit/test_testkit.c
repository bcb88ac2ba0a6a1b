/* The test kit's notation, builders, text rules and helpers. */
#include "lib/loop.h"
#include "lib/make.h"
#include "lib/text.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* Notation and builders */

struct notation {
	const char *text;
	const char *plain;
};

static const struct notation notations[] = {
    {"", ""},
    {"0aFf", "0A FF"},
    {"'a/b'", "61 2F 62"},
    {"{'a/b'}", "00 03 61 2F 62"},
    {"{}", "00 00"},
    {"30 ({'a'} 68)", "30 04 00 01 61 68"},
    {"82 (0001 (0B 05) {'a'} 01)", "82 09 00 01 02 0B 05 00 01 61 01"},
    {"61*3", "61 61 61"},
    {"('ab'*2)*2", "04 61 62 61 62 04 61 62 61 62"},
    {"40 (@)", "40 02 12 34"},
};

START_TEST(notation)
{
	struct tk_buf a = tk_hex_mid(notations[_i].text, 0x1234);
	struct tk_buf b = tk_hex(notations[_i].plain);

	tk_assert_bytes(&b, &a);
	tk_buf_free(&a);
	tk_buf_free(&b);
}
END_TEST

START_TEST(long_lengths)
{
	struct tk_buf b = tk_hex("30 ('x'*16384)");

	ck_assert_uint_eq(b.len, 1 + 3 + 16384);
	tk_assert_hex("30 80 80 01 78", b.data, 5);
	tk_buf_free(&b);
}
END_TEST

START_TEST(differences_are_shown)
{
	char *same = tk_diff("abc", 3, "abc", 3);
	char *other = tk_diff("abc", 3, "abX", 3);
	char *shorter = tk_diff("abc", 3, "ab", 2);
	char *dump = tk_dump("\x01\xff\x03", 3, 2);

	ck_assert_ptr_null(same);
	ck_assert_ptr_nonnull(strstr(other, "offset 2"));
	ck_assert_ptr_nonnull(strstr(shorter, "expected 3 bytes, got 2"));
	ck_assert_str_eq(dump, "01 FF ... (3 bytes)");
	free(other);
	free(shorter);
	free(dump);
}
END_TEST

static void
same(struct tk_buf got, const char *want)
{
	tk_assert_hex(want, got.data, got.len);
	tk_buf_free(&got);
}

START_TEST(builders)
{
	same(TK_MAKE_CONNECT(.version = TK_V31, .client_id = "c", .clean = 1, .keepalive = 60),
	    "10 0F 0006 4D5149736470 03 02 003C 0001 63");
	same(TK_MAKE_CONNECT(.version = TK_V5, .props = "21 0005", .will_topic = "w", .will_qos = 1,
		 .will_retain = 1, .will_props = "18 00000001", .username = "u", .password = "p"),
	    "10 (0004 'MQTT' 05 EC 0000 03 210005 0000 05 18 00000001 0001 'w' 0000 0001 'u' 0001 "
	    "'p')");
	same(TK_MAKE_PUBLISH(.version = TK_V5, .topic = "a", .payload = "hi", .qos = 1, .mid = 7,
		 .dup = 1, .retain = 1),
	    "3B 08 0001 61 0007 00 6869");
	same(TK_MAKE_PUBLISH(.version = TK_V311, .topic = "a"), "30 03 0001 61");
	same(tk_make_connack(TK_V311, 1, 0, NULL), "20 02 01 00");
	same(tk_make_connack(TK_V5, 0, 0x87, "1F {'no'}"), "20 08 00 87 05 1F 0002 6E6F");
	same(tk_make_ack(TK_V5, TK_PUBREL, 1, 0, NULL), "62 02 0001");
	same(tk_make_ack(TK_V5, TK_PUBACK, 1, 0x10, NULL), "40 03 0001 10");
	same(tk_make_ack(TK_V5, TK_PUBREC, 1, 0, ""), "50 04 0001 00 00");
	same(tk_make_ack(TK_V311, TK_PUBCOMP, 1, 0x92, ""), "70 02 0001");
	same(tk_make_suback(TK_V5, 1, "00 80", NULL), "90 05 0001 00 00 80");
	same(tk_make_suback(TK_V311, 1, "01", NULL), "90 03 0001 01");
	same(tk_make_unsuback(TK_V311, 1, "11", NULL), "B0 02 0001");
	same(tk_make_unsuback(TK_V5, 1, "11", NULL), "B0 04 0001 00 11");
	same(tk_make_subscribe(TK_V311, 1, "{'a'} 01", NULL), "82 06 0001 0001 61 01");
	same(tk_make_unsubscribe(TK_V5, 1, "{'a'}", NULL), "A2 06 0001 00 0001 61");
	same(tk_make_disconnect(TK_V5, 0, NULL), "E0 00");
	same(tk_make_disconnect(TK_V5, 0x82, "1F {}"), "E0 05 82 03 1F 0000");
	same(tk_make_auth(0x18, "15 {'M'}"), "F0 06 18 04 15 0001 4D");
	same(tk_make_pingreq(), "C0 00");
	same(tk_make_pingresp(), "D0 00");
}
END_TEST

START_TEST(property_lists)
{
	struct tk_buf list = {0};

	tk_prop_u8(&list, 0x24, 1);
	tk_prop_u16(&list, 0x21, 5);
	tk_prop_u32(&list, 0x27, 0x10000);
	tk_prop_varint(&list, 0x0b, 128);
	tk_prop_str(&list, 0x1f, "why");
	tk_prop_bin(&list, 0x16, "\0\1", 2);
	tk_prop_pair(&list, "k", "v");
	same(list, "24 01 21 0005 27 00010000 0B 8001 1F {'why'} 16 0002 0001 26 {'k'} {'v'}");
}
END_TEST

/* Text rules */

struct text_case {
	const char *bytes;
	enum tk_text_fault utf8, topic, filter;
};

static const struct text_case texts[] = {
    {"", TK_TEXT_OK, TK_TEXT_EMPTY, TK_TEXT_EMPTY},
    {"'a/b'", TK_TEXT_OK, TK_TEXT_OK, TK_TEXT_OK},
    {"EFBBBF", TK_TEXT_OK, TK_TEXT_OK, TK_TEXT_OK},
    {"F48FBFBF", TK_TEXT_OK, TK_TEXT_OK, TK_TEXT_OK},
    {"F4908080", TK_TEXT_NOT_UTF8, TK_TEXT_NOT_UTF8, TK_TEXT_NOT_UTF8},
    {"EDA080", TK_TEXT_NOT_UTF8, TK_TEXT_NOT_UTF8, TK_TEXT_NOT_UTF8},
    {"ED9FBF", TK_TEXT_OK, TK_TEXT_OK, TK_TEXT_OK},
    {"C080", TK_TEXT_NOT_UTF8, TK_TEXT_NOT_UTF8, TK_TEXT_NOT_UTF8},
    {"E08080", TK_TEXT_NOT_UTF8, TK_TEXT_NOT_UTF8, TK_TEXT_NOT_UTF8},
    {"F0808081", TK_TEXT_NOT_UTF8, TK_TEXT_NOT_UTF8, TK_TEXT_NOT_UTF8},
    {"E282", TK_TEXT_NOT_UTF8, TK_TEXT_NOT_UTF8, TK_TEXT_NOT_UTF8},
    {"80", TK_TEXT_NOT_UTF8, TK_TEXT_NOT_UTF8, TK_TEXT_NOT_UTF8},
    {"FF", TK_TEXT_NOT_UTF8, TK_TEXT_NOT_UTF8, TK_TEXT_NOT_UTF8},
    {"6100", TK_TEXT_NUL, TK_TEXT_NUL, TK_TEXT_NUL},
    {"'a/#'", TK_TEXT_OK, TK_TEXT_WILDCARD, TK_TEXT_OK},
    {"'#'", TK_TEXT_OK, TK_TEXT_WILDCARD, TK_TEXT_OK},
    {"'+/+'", TK_TEXT_OK, TK_TEXT_WILDCARD, TK_TEXT_OK},
    {"'a#'", TK_TEXT_OK, TK_TEXT_WILDCARD, TK_TEXT_BAD_HASH},
    {"'#/a'", TK_TEXT_OK, TK_TEXT_WILDCARD, TK_TEXT_BAD_HASH},
    {"'a+/b'", TK_TEXT_OK, TK_TEXT_WILDCARD, TK_TEXT_BAD_PLUS},
    {"'a/+b'", TK_TEXT_OK, TK_TEXT_WILDCARD, TK_TEXT_BAD_PLUS},
    {"'$share/n/a/+'", TK_TEXT_OK, TK_TEXT_WILDCARD, TK_TEXT_OK},
    {"'$share//a'", TK_TEXT_OK, TK_TEXT_OK, TK_TEXT_SHARE_NAME},
    {"'$share/+/a'", TK_TEXT_OK, TK_TEXT_WILDCARD, TK_TEXT_SHARE_NAME},
    {"'$share/n'", TK_TEXT_OK, TK_TEXT_OK, TK_TEXT_SHARE_FILTER},
    {"'$share/n/'", TK_TEXT_OK, TK_TEXT_OK, TK_TEXT_SHARE_FILTER},
};

START_TEST(text_rules)
{
	const struct text_case *t = &texts[_i];
	struct tk_buf b = tk_hex(t->bytes);

	ck_assert_int_eq(tk_utf8_check(b.data, b.len), t->utf8);
	ck_assert_int_eq(tk_topic_check(b.data, b.len), t->topic);
	ck_assert_int_eq(tk_filter_check(b.data, b.len, 1), t->filter);
	tk_buf_free(&b);
}
END_TEST

struct match_case {
	const char *filter, *topic;
	int matches;
};

static const struct match_case matches[] = {
    {"a/b", "a/b", 1},
    {"a/b", "a/c", 0},
    {"a/+", "a/b", 1},
    {"a/+", "a/b/c", 0},
    {"a/+", "a", 0},
    {"a/+", "a/", 1},
    {"a/#", "a", 1},
    {"a/#", "a/b/c", 1},
    {"#", "a/b", 1},
    {"#", "$SYS/x", 0},
    {"+/x", "$SYS/x", 0},
    {"$SYS/#", "$SYS/x", 1},
    {"+", "/a", 0},
    {"/+", "/a", 1},
    {"+/+", "/a", 1},
    {"a", "a/b", 0},
    {"a/b", "a", 0},
    {"a/b/#", "a", 0},
    {"+/b/#", "a/b", 1},
};

START_TEST(matching)
{
	const struct match_case *m = &matches[_i];

	ck_assert_int_eq(tk_topic_matches((const unsigned char *)m->filter, strlen(m->filter),
			     (const unsigned char *)m->topic, strlen(m->topic)),
	    m->matches);
}
END_TEST

/* Helpers of loop.h */

START_TEST(waiting)
{
	struct event_base *base = event_base_new();
	int flag = 0, counter = 3;
	long long start = tk_now_ms();

	ck_assert_int_eq(tk_run_until(base, tk_is_set, &flag, 60), 0);
	ck_assert_int_ge(tk_now_ms() - start, 60);
	flag = 1;
	ck_assert_int_eq(tk_run_until(base, tk_is_set, &flag, 60), 1);
	ck_assert_int_eq(tk_run_until(base, tk_reached, &(struct tk_count){&counter, 3}, 60), 1);
	event_base_free(base);
}
END_TEST

START_TEST(counting_descriptors)
{
	int before = tk_open_fds();
	int fd = dup(0);

	ck_assert_int_eq(tk_open_fds(), before + 1);
	close(fd);
	ck_assert_int_eq(tk_open_fds(), before);
	ck_assert_int_gt(tk_rss_kib(), 0);
}
END_TEST

START_TEST(folders)
{
	char *dir = tk_tmpdir();
	char *path = tk_write_file(dir, "f", "text\n");

	ck_assert_int_eq(access(path, R_OK), 0);
	tk_rmtree(dir);
	ck_assert_int_ne(access(dir, F_OK), 0);
	free(path);
	free(dir);
}
END_TEST

START_TEST(inner_passes)
{
	ck_assert(1);
}
END_TEST

START_TEST(inner_skips)
{
	tk_skip("because");
}
END_TEST

START_TEST(inner_fails)
{
	ck_abort_msg("on purpose");
}
END_TEST

static int
inner_main(const char *what)
{
	Suite *s = suite_create("inner");
	TCase *tc = tk_case(s, "inner");

	unsetenv("CK_LOG_FILE_NAME"); /* that record is the outer program's */
	for (; *what; what++) {
		if (*what == 'p')
			tcase_add_test(tc, inner_passes);
		if (*what == 's')
			tcase_add_test(tc, inner_skips);
		if (*what == 'f')
			tcase_add_test(tc, inner_fails);
	}
	return tk_main(s);
}

struct exit_case {
	const char *tests;
	int code;
	const char *words;
};

static const struct exit_case exits[] = {{"pp", 0, "Checks: 2"},
    {"ps", 0, "SKIP: inner_skips: because"}, {"ss", 77, "SKIP: inner_skips: because"},
    {"sf", 1, "on purpose"}, {"", 1, "Checks: 0"}};

/* A test program within the test: its output goes into a file, so that nobody counts its cases. */
START_TEST(exit_codes)
{
	char *dir = tk_tmpdir();
	char *path = tk_write_file(dir, "out", "");
	char out[2000];
	size_t n;
	int status;
	pid_t pid;
	FILE *f;

	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		status = freopen(path, "w", stdout) ? inner_main(exits[_i].tests) : 99;
		fflush(NULL);
		_exit(status);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	f = fopen(path, "r");
	n = fread(out, 1, sizeof(out) - 1, f);
	out[n] = '\0';
	fclose(f);
	tk_rmtree(dir);
	free(path);
	free(dir);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), exits[_i].code);
	ck_assert_msg(
	    strstr(out, exits[_i].words) != NULL, "no \"%s\" in: %s", exits[_i].words, out);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("testkit");
	TCase *tc = tk_case(s, "bytes");

	tcase_add_loop_test(tc, notation, 0, COUNT(notations));
	tcase_add_test(tc, long_lengths);
	tcase_add_test(tc, differences_are_shown);
	tcase_add_test(tc, builders);
	tcase_add_test(tc, property_lists);
	tc = tk_case(s, "text");
	tcase_add_loop_test(tc, text_rules, 0, COUNT(texts));
	tcase_add_loop_test(tc, matching, 0, COUNT(matches));
	tc = tk_case(s, "loop");
	tcase_add_test(tc, waiting);
	tcase_add_test(tc, counting_descriptors);
	tcase_add_test(tc, folders);
	tcase_add_loop_test(tc, exit_codes, 0, COUNT(exits));
	return tk_main(s);
}
