/* The scripted broker of the test kit against a plain socket: each kind of step, and each kind of
 * failure. */
#include "lib/broker.h"
#include "lib/conn.h"
#include "lib/loop.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A client that sends what the test tells it and keeps what comes. */
struct plain {
	struct tk_conn *conn;
	int reads;
	int ended;
};

static struct event_base *base;

static void
on_data(struct tk_conn *c)
{
	struct plain *p = c->arg;

	p->reads++;
}

static void
on_eof(struct tk_conn *c)
{
	struct plain *p = c->arg;

	p->ended = 1;
}

static void
on_flushed(struct tk_conn *c)
{
	(void)c;
}

static const struct tk_conn_events plain_events = {on_data, on_eof, on_flushed};

static int
try_connect(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
plain_open(struct plain *p, const struct tk_broker *b)
{
	int fd = try_connect(tk_broker_port(b));

	ck_assert_int_ge(fd, 0);
	memset(p, 0, sizeof(*p));
	p->conn = tk_conn_new(base, fd, &plain_events, p);
}

static void
say(struct plain *p, const char *text)
{
	struct tk_buf b = tk_hex(text);

	tk_conn_send(p->conn, b.data, b.len);
	tk_buf_free(&b);
}

#define CONNECT_V4 "10 ({'MQTT'} 04 02 003C {'c'})"
#define CONNECT_V5 "10 ({'MQTT'} 05 02 003C () {'c'})"

static void
setup(void)
{
	base = event_base_new();
}

static void
teardown(void)
{
	event_base_free(base);
}

START_TEST(conversation)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_EXPECT_BYTES("82 (0007 {'a/b'} 01)"), TK_SEND("90 (@ 01)"), TK_EXPECT(DISCONNECT),
	    TK_EXPECT_CLOSE(), TK_END};
	struct tk_broker *b = tk_broker_new(base, script, NULL);
	struct plain p;

	plain_open(&p, b);
	say(&p, CONNECT_V4);
	ck_assert(tk_run_until(base, tk_reached, &(struct tk_count){&p.reads, 1}, 2000));
	tk_assert_hex("20 02 00 00", p.conn->in.data, p.conn->in.len);
	say(&p, "82 (0007 {'a/b'} 01)");
	TK_RUN_UNTIL_COUNT(base, p.reads, 2, 2000);
	tk_assert_hex("20 02 00 00 90 03 0007 01", p.conn->in.data, p.conn->in.len);
	say(&p, "E0 00");
	tk_conn_close(p.conn);
	TK_RUN(b, 2000);
	ck_assert_uint_eq(tk_broker_count(b, 1), 3);
	ck_assert_uint_eq(tk_broker_count_type(b, 1, TK_SUBSCRIBE), 1);
	ck_assert(tk_str_is(tk_broker_packet(b, 1, 1)->filters[0].filter, "a/b"));
	ck_assert_ptr_null(tk_broker_packet(b, 1, 3));
	ck_assert_ptr_null(tk_broker_packet(b, 2, 0));
	tk_conn_free(p.conn);
	tk_broker_free(b);
}
END_TEST

START_TEST(cut_in_pieces)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_SEND_CUT("20 (00 00 (21 0005 22 0005))", 2), TK_CLOSE(), TK_END};
	struct tk_broker *b = tk_broker_new(base, script, NULL);
	struct plain p;

	plain_open(&p, b);
	say(&p, CONNECT_V5);
	TK_RUN(b, 2000);
	TK_RUN_UNTIL(base, p.ended, 2000);
	ck_assert_int_eq(p.reads, 6);
	tk_assert_hex("20 09 00 00 06 21 0005 22 0005", p.conn->in.data, p.conn->in.len);
	ck_assert_int_eq(p.conn->reset, 0);
	tk_conn_free(p.conn);
	tk_broker_free(b);
}
END_TEST

START_TEST(two_connections)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_RESET(), TK_ACCEPT(),
	    TK_EXPECT(CONNECT), TK_SEND("20 02 00 00"), TK_SHUTDOWN(), TK_EXPECT(PINGREQ), TK_END};
	struct tk_broker *b = tk_broker_new(base, script, NULL);
	struct plain first, second;

	plain_open(&first, b);
	say(&first, CONNECT_V4);
	TK_RUN_UNTIL(base, first.ended, 2000);
	ck_assert_int_eq(first.conn->reset, 1);
	plain_open(&second, b);
	say(&second, CONNECT_V4);
	TK_RUN_UNTIL(base, second.ended, 2000);
	ck_assert_int_eq(second.conn->reset, 0);
	say(&second, "C0 00");
	TK_RUN(b, 2000);
	ck_assert_int_eq(tk_broker_connections(b), 2);
	tk_conn_free(first.conn);
	tk_conn_free(second.conn);
	tk_broker_free(b);
}
END_TEST

START_TEST(interleaved_connections)
{
	static const struct tk_step script[] = {TK_ON(2), TK_EXPECT(CONNECT),
	    TK_SEND("20 02 00 00"), TK_ON(1), TK_EXPECT(CONNECT), TK_SEND("20 02 00 01"), TK_END};
	struct tk_broker *b = tk_broker_new(base, script, NULL);
	struct plain one, two;

	plain_open(&one, b);
	plain_open(&two, b);
	say(&one, CONNECT_V4);
	say(&two, CONNECT_V4);
	TK_RUN(b, 2000);
	TK_RUN_UNTIL_COUNT(base, one.reads, 1, 2000);
	TK_RUN_UNTIL_COUNT(base, two.reads, 1, 2000);
	tk_assert_hex("20 02 00 01", one.conn->in.data, one.conn->in.len);
	tk_assert_hex("20 02 00 00", two.conn->in.data, two.conn->in.len);
	tk_conn_free(one.conn);
	tk_conn_free(two.conn);
	tk_broker_free(b);
}
END_TEST

START_TEST(refuses_and_listens_again)
{
	static const struct tk_step script[] = {TK_REFUSE(), TK_END};
	struct tk_broker *b = tk_broker_new(base, script, NULL);
	int port = tk_broker_port(b);
	static const struct tk_step again[] = {TK_REFUSE(), TK_LISTEN(), TK_END};
	struct tk_broker *c;
	int fd;

	TK_RUN(b, 1000);
	ck_assert_int_lt(try_connect(port), 0);
	tk_broker_free(b);
	c = tk_broker_new(base, again, NULL);
	port = tk_broker_port(c);
	TK_RUN(c, 1000);
	ck_assert_int_eq(tk_broker_port(c), port);
	fd = try_connect(port);
	ck_assert_int_ge(fd, 0);
	close(fd);
	tk_broker_free(c);
}
END_TEST

START_TEST(stalls)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_STALL(), TK_QUIET(60), TK_RESUME(), TK_EXPECT(PINGREQ), TK_END};
	struct tk_broker *b = tk_broker_new(base, script, NULL);
	struct plain p;

	plain_open(&p, b);
	say(&p, CONNECT_V4);
	while (tk_broker_count(b, 1) < 1)
		event_base_loop(base, EVLOOP_ONCE);
	say(&p, "C0 00");
	TK_RUN(b, 2000);
	tk_conn_free(p.conn);
	tk_broker_free(b);
}
END_TEST

static const char *
keepalive_is(const struct tk_packet *p, void *arg)
{
	return p->connect.keepalive == *(unsigned *)arg ? NULL : "keep alive differs:";
}

static void
set_flag(struct tk_broker *b, void *arg)
{
	(void)b;
	*(int *)arg = 1;
}

static int flag;
static unsigned sixty = 60, fifty = 50;
static struct tk_buf late_bytes;

START_TEST(calls_and_predicates)
{
	static const struct tk_step script[] = {TK_EXPECT_IF(CONNECT, keepalive_is, &sixty),
	    TK_CALL(set_flag, &flag), TK_UNTIL(flag), TK_SEND_BUF(late_bytes), TK_WAIT(5),
	    TK_TURNS(3), TK_DISCARD(), TK_END};
	struct tk_broker *b = tk_broker_new(base, script, NULL);
	struct plain p;

	late_bytes = tk_make_connack(TK_V311, 0, 0, NULL);
	plain_open(&p, b);
	say(&p, CONNECT_V4);
	TK_RUN(b, 2000);
	ck_assert_int_eq(flag, 1);
	TK_RUN_UNTIL_COUNT(base, p.reads, 1, 1000);
	tk_assert_bytes(&late_bytes, &p.conn->in);
	tk_buf_free(&late_bytes);
	tk_conn_free(p.conn);
	tk_broker_free(b);
}
END_TEST

START_TEST(answers_pings_itself)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_SEND("20 02 00 00"), TK_EXPECT(DISCONNECT), TK_END};
	const struct tk_broker_options options = {.auto_ping = 1};
	struct tk_broker *b = tk_broker_new(base, script, &options);
	struct plain p;

	plain_open(&p, b);
	say(&p, CONNECT_V4);
	TK_RUN_UNTIL_COUNT(base, p.reads, 1, 2000);
	say(&p, "C0 00 C0 00 E0 00");
	TK_RUN(b, 2000);
	TK_RUN_UNTIL_COUNT(base, p.reads, 2, 2000);
	tk_assert_hex("20 02 00 00 D0 00 D0 00", p.conn->in.data, p.conn->in.len);
	ck_assert_uint_eq(tk_broker_count(b, 1), 2);
	tk_conn_free(p.conn);
	tk_broker_free(b);
}
END_TEST

START_TEST(unix_socket)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_END};
	char *dir = tk_tmpdir();
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct tk_broker_options options = {0};
	struct tk_broker *b;
	struct plain p = {0};
	char where[128];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", dir);
	snprintf(where, sizeof(where), "unix:%s", a.sun_path);
	options.where = where;
	b = tk_broker_new(base, script, &options);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	p.conn = tk_conn_new(base, fd, &plain_events, &p);
	say(&p, CONNECT_V4);
	TK_RUN(b, 2000);
	tk_conn_free(p.conn);
	tk_broker_free(b);
	ck_assert_int_ne(access(a.sun_path, F_OK), 0);
	tk_rmtree(dir);
	ck_assert_int_ne(access(dir, F_OK), 0);
	free(dir);
}
END_TEST

static int
has_ipv6(void)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	int ok = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

START_TEST(ipv6)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_END};
	const struct tk_broker_options options = {.where = "::1"};
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct plain p = {0};
	struct tk_broker *b;
	char url[64];
	int fd;

	if (!has_ipv6())
		tk_skip("the system has no ::1");
	b = tk_broker_new(base, script, &options);
	snprintf(url, sizeof(url), "mqtt://[::1]:%d", tk_broker_port(b));
	ck_assert_str_eq(tk_broker_url(b), url);
	a.sin6_port = htons((uint16_t)tk_broker_port(b));
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	p.conn = tk_conn_new(base, fd, &plain_events, &p);
	say(&p, CONNECT_V4);
	TK_RUN(b, 2000);
	tk_conn_free(p.conn);
	tk_broker_free(b);
}
END_TEST

/* The same illegal client: a SUBSCRIBE without a filter. */
static const char illegal[] = CONNECT_V4 "82 (0001)";

START_TEST(illegal_bytes_fail_the_script)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT), TK_SEND("20 02 00 00"), TK_EXPECT(SUBSCRIBE), TK_END};
	struct tk_broker *b = tk_broker_new(base, script, NULL);
	struct plain p;
	const char *error;

	plain_open(&p, b);
	say(&p, illegal);
	error = tk_broker_try(b, 2000);
	ck_assert_ptr_nonnull(error);
	ck_assert_msg(strstr(error, "[v3 3.8.3-3]") != NULL, "%s", error);
	tk_conn_free(p.conn);
	tk_broker_free(b);
}
END_TEST

START_TEST(lenient_links_are_not_judged)
{
	static const struct tk_step script[] = {TK_ACCEPT(), TK_LENIENT(), TK_EXPECT(CONNECT),
	    TK_EXPECT(SUBSCRIBE), TK_CLOSE(), TK_ACCEPT(), TK_EXPECT(CONNECT), TK_END};
	struct tk_broker *b = tk_broker_new(base, script, NULL);
	struct plain p, q;

	plain_open(&p, b);
	say(&p, illegal);
	TK_RUN_UNTIL(base, p.ended, 2000);
	plain_open(&q, b);
	say(&q, CONNECT_V4);
	TK_RUN(b, 2000);
	ck_assert_ptr_null(tk_broker_error(b));
	say(&q, "82 (0001)");
	tk_run_until(base, NULL, NULL, 50);
	ck_assert_ptr_nonnull(tk_broker_error(b)); /* also after the end of the script */
	tk_conn_free(p.conn);
	tk_conn_free(q.conn);
	tk_broker_free(b);
}
END_TEST

/* Sessions are found by client id, over connections. */
START_TEST(sessions_outlive_connections)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"),
	    TK_EXPECT(PUBLISH), TK_SEND("40 (@)"), TK_SETTLED(), TK_RESET(), TK_ACCEPT(),
	    TK_EXPECT(CONNECT), TK_SEND("20 (01 00)"), TK_EXPECT(PUBLISH), TK_END};
	struct tk_broker *b = tk_broker_new(base, script, NULL);
	struct plain p, q;
	const char *error;

	plain_open(&p, b);
	say(&p, "10 ({'MQTT'} 04 00 0000 {'c'}) 32 ({'a'} 0001)");
	TK_RUN_UNTIL(base, p.ended, 2000);
	plain_open(&q, b);
	say(&q, "10 ({'MQTT'} 04 00 0000 {'c'})");
	TK_RUN_UNTIL_COUNT(base, q.reads, 1, 2000);
	say(&q, "3A ({'a'} 0001)");
	error = tk_broker_try(b, 2000);
	ck_assert_ptr_nonnull(error);
	ck_assert_msg(strstr(error, "[v3 4.3.2-1]") != NULL, "%s", error);
	tk_conn_free(p.conn);
	tk_conn_free(q.conn);
	tk_broker_free(b);
}
END_TEST

/* Each of these scripts must fail, with these words in the message. */
struct failing {
	struct tk_step script[5];
	const char *client;
	int closes;
	const char *words;
};

static const struct failing failing[] = {
    {{TK_EXPECT(SUBSCRIBE), TK_END}, CONNECT_V4, 0, "step 1 (line"},
    {{TK_EXPECT(SUBSCRIBE), TK_END}, CONNECT_V4, 0, "got CONNECT: 10 0D"},
    {{TK_EXPECT(CONNECT), TK_EXPECT(PINGREQ), TK_END}, CONNECT_V4, 0, "nothing of the kind within"},
    {{TK_EXPECT(CONNECT), TK_EXPECT(PINGREQ), TK_END}, CONNECT_V4, 1, "the connection is closed"},
    {{TK_EXPECT_BYTES("10 0D 0004"), TK_END}, CONNECT_V4, 0, "bytes differ at offset 4"},
    {{TK_EXPECT_IF(CONNECT, keepalive_is, &fifty), TK_END}, CONNECT_V4, 0, "keep alive differs"},
    {{TK_EXPECT(CONNECT), TK_EXPECT_CLOSE(), TK_END}, CONNECT_V4 "E0 00", 0, "got DISCONNECT"},
    {{TK_EXPECT(CONNECT), TK_QUIET(100), TK_END}, CONNECT_V4 "E0 00", 0, "got DISCONNECT"},
    {{TK_EXPECT(CONNECT), TK_QUIET(100), TK_END}, CONNECT_V4, 1, "the client closed"},
    {{TK_EXPECT(CONNECT), TK_ACCEPT(), TK_END}, CONNECT_V4, 0, "ACCEPT: nothing of the kind"},
};

START_TEST(failures_are_told)
{
	const struct failing *f = &failing[_i];
	struct tk_broker *b = tk_broker_new(base, f->script, NULL);
	struct plain p;
	const char *error;

	plain_open(&p, b);
	say(&p, f->client);
	if (f->closes)
		tk_conn_close(p.conn);
	error = tk_broker_try(b, 150);
	ck_assert_ptr_nonnull(error);
	ck_assert_msg(strstr(error, f->words) != NULL, "\"%s\" is not in: %s", f->words, error);
	ck_assert_int_eq(tk_broker_done(b), 0);
	tk_conn_free(p.conn);
	tk_broker_free(b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("testkit-broker");
	TCase *tc = tk_case(s, "broker");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, conversation);
	tcase_add_test(tc, cut_in_pieces);
	tcase_add_test(tc, two_connections);
	tcase_add_test(tc, interleaved_connections);
	tcase_add_test(tc, refuses_and_listens_again);
	tcase_add_test(tc, stalls);
	tcase_add_test(tc, calls_and_predicates);
	tcase_add_test(tc, answers_pings_itself);
	tcase_add_test(tc, unix_socket);
	tcase_add_test(tc, ipv6);
	tcase_add_test(tc, illegal_bytes_fail_the_script);
	tcase_add_test(tc, lenient_links_are_not_judged);
	tcase_add_test(tc, sessions_outlive_connections);
	tcase_add_loop_test(tc, failures_are_told, 0, sizeof(failing) / sizeof(failing[0]));
	return tk_main(s);
}
