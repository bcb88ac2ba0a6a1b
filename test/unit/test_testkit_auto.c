/* The automatic broker of the test kit, driven by plain sockets. */
#include "lib/auto.h"
#include "lib/conn.h"
#include "lib/loop.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

struct plain {
	struct tk_conn *conn;
	int reads;
	int ended;
};

static struct event_base *base;
static struct tk_auto *broker;

static void
on_data(struct tk_conn *c)
{
	((struct plain *)c->arg)->reads++;
}

static void
on_eof(struct tk_conn *c)
{
	((struct plain *)c->arg)->ended = 1;
}

static void
on_flushed(struct tk_conn *c)
{
	(void)c;
}

static const struct tk_conn_events plain_events = {on_data, on_eof, on_flushed};

static void
say(struct plain *p, const char *text)
{
	struct tk_buf b = tk_hex(text);

	tk_conn_send(p->conn, b.data, b.len);
	tk_buf_free(&b);
}

static int
try_connect(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void
dial(struct plain *p)
{
	memset(p, 0, sizeof(*p));
	p->conn = tk_conn_new(base, try_connect(tk_auto_port(broker)), &plain_events, p);
}

struct wanted {
	struct plain *plain;
	size_t len;
};

static int
has_bytes(void *arg)
{
	const struct wanted *w = arg;

	return w->plain->conn->in.len >= w->len || w->plain->ended;
}

/* The next bytes that come are exactly these. */
static void
hear(struct plain *p, const char *text)
{
	struct tk_buf want = tk_hex(text);
	struct wanted w = {p, want.len};
	size_t len;

	tk_run_until(base, has_bytes, &w, 2000);
	len = p->conn->in.len < want.len ? p->conn->in.len : want.len;
	tk_assert_mem(want.data, want.len, p->conn->in.data, len);
	tk_buf_drain(&p->conn->in, want.len);
	tk_buf_free(&want);
}

static void
hear_nothing(struct plain *p)
{
	tk_run_until(base, NULL, NULL, 40);
	tk_assert_mem("", 0, p->conn->in.data, p->conn->in.len);
}

static void
start(const struct tk_auto_options *options)
{
	base = event_base_new();
	broker = tk_auto_new(base, options);
}

static void
setup(void)
{
	start(NULL);
}

static void
teardown(void)
{
	tk_auto_free(broker);
	event_base_free(base);
}

static void
up5(struct plain *p, const char *connect)
{
	dial(p);
	say(p, connect);
	hear(p, "20 (00 00 ())");
}

#define C5(id) "10 ({'MQTT'} 05 02 0000 () {'" id "'})"
#define KEEP5(id) "10 ({'MQTT'} 05 00 0000 (11 00000064) {'" id "'})"
#define C4(id, flags) "10 ({'MQTT'} 04 " flags " 0000 {'" id "'})"

START_TEST(routes_between_clients)
{
	struct plain pub, sub;

	up5(&sub, C5("sub"));
	dial(&pub);
	say(&pub, C4("pub", "02"));
	hear(&pub, "20 (00 00)");
	say(&sub, "82 (0001 (0B 07) {'a/+'} 02 {'b'} 00)");
	hear(&sub, "90 (0001 () 02 00)");
	say(&pub, "30 ({'a/x'} 'zero') 32 ({'a/y'} 0001 'one') 34 ({'a/z'} 0002 'two') 32 ({'b'} "
		  "0003 'b')");
	hear(&pub, "40 (0001) 50 (0002) 40 (0003)");
	say(&pub, "62 (0002)");
	hear(&pub, "70 (0002)");
	hear(&sub, "30 ({'a/x'} (0B 07) 'zero') 32 ({'a/y'} 0001 (0B 07) 'one')"
		   "34 ({'a/z'} 0002 (0B 07) 'two') 30 ({'b'} (0B 07) 'b')");
	say(&sub, "40 (0001) 50 (0002)");
	hear(&sub, "62 (0002)");
	say(&sub, "70 (0002) A2 (0002 () {'a/+'} {'x'}) C0 00");
	hear(&sub, "B0 (0002 () 00 11) D0 00");
	say(&pub, "30 ({'a/x'} 'gone')");
	hear_nothing(&sub);
	ck_assert_int_eq((int)tk_auto_stats(broker)->received, 5);
	ck_assert_int_eq((int)tk_auto_stats(broker)->sent, 4);
	ck_assert_int_eq((int)tk_auto_stats(broker)->completed, 2);
	ck_assert_int_eq(tk_auto_stats(broker)->online, 2);
	tk_conn_free(pub.conn);
	tk_conn_free(sub.conn);
}
END_TEST

START_TEST(keeps_sessions)
{
	struct plain sub;

	dial(&sub);
	say(&sub, KEEP5("s"));
	hear(&sub, "20 (00 00 ())");
	say(&sub, "82 (0001 () {'t'} 02)");
	hear(&sub, "90 (0001 () 02)");
	tk_auto_publish(broker, "t", "1", 1, 1, 0);
	tk_auto_publish(broker, "t", "2", 1, 2, 0);
	hear(&sub, "32 ({'t'} 0001 () '1') 34 ({'t'} 0002 () '2')");
	say(&sub, "40 (0001) 50 (0002)");
	hear(&sub, "62 (0002)");
	tk_auto_publish(broker, "t", "3", 1, 1, 0);
	hear(&sub, "32 ({'t'} 0003 () '3')");
	tk_auto_drop_all(broker, 1);
	tk_auto_publish(broker, "t", "4", 1, 1, 0);
	tk_auto_publish(broker, "t", "5", 1, 0, 0);
	TK_RUN_UNTIL(base, sub.ended, 2000);
	ck_assert_int_eq(sub.conn->reset, 1);
	tk_conn_free(sub.conn);
	dial(&sub);
	say(&sub, KEEP5("s"));
	hear(&sub, "20 (01 00 ()) 62 (0002) 3A ({'t'} 0003 () '3') 32 ({'t'} 0004 () '4')");
	say(&sub, "70 (0002) 40 (0003) 40 (0004) E0 00");
	TK_RUN_UNTIL(base, sub.ended, 2000);
	tk_conn_free(sub.conn);
	up5(&sub, C5("s"));
	tk_auto_publish(broker, "t", "6", 1, 1, 0);
	hear_nothing(&sub);
	tk_conn_free(sub.conn);
}
END_TEST

START_TEST(forgets_on_demand)
{
	struct plain c;

	up5(&c, KEEP5("f"));
	tk_auto_forget(broker);
	TK_RUN_UNTIL(base, c.ended, 2000);
	tk_conn_free(c.conn);
	dial(&c);
	say(&c, KEEP5("f"));
	hear(&c, "20 (00 00 ())");
	tk_conn_free(c.conn);
}
END_TEST

START_TEST(obeys_the_clients_limits)
{
	struct plain c;

	dial(&c);
	say(&c, "10 ({'MQTT'} 05 02 0000 (21 0001 27 00000014) {'c'})");
	hear(&c, "20 (00 00 ())");
	say(&c, "82 (0001 () {'#'} 02)");
	hear(&c, "90 (0001 () 02)");
	tk_auto_publish(broker, "t", "01234567890123456789", 20, 0, 0);
	tk_auto_publish(broker, "t", "1", 1, 1, 0);
	tk_auto_publish(broker, "t", "2", 1, 2, 0);
	tk_auto_publish(broker, "t", "3", 1, 1, 0);
	hear(&c, "32 ({'t'} 0001 () '1')");
	hear_nothing(&c);
	say(&c, "40 (0001)");
	hear(&c, "34 ({'t'} 0002 () '2')");
	say(&c, "50 (0002 80)");
	hear(&c, "32 ({'t'} 0003 () '3')");
	tk_conn_free(c.conn);
}
END_TEST

START_TEST(retained_messages)
{
	struct plain c;

	tk_auto_publish(broker, "r", "old", 3, 1, 1);
	tk_auto_publish(broker, "r", "new", 3, 1, 1);
	tk_auto_publish(broker, "s", "x", 1, 0, 1);
	tk_auto_publish(broker, "s", "", 0, 0, 1);
	up5(&c, C5("c"));
	say(&c, "82 (0001 () {'+'} 00) 82 (0002 () {'r'} 20)");
	hear(&c, "90 (0001 () 00) 31 ({'r'} () 'new') 90 (0002 () 00)");
	hear_nothing(&c);
	tk_conn_free(c.conn);
}
END_TEST

START_TEST(wills)
{
	struct plain sub, one, two;

	up5(&sub, C5("sub"));
	say(&sub, "82 (0001 () {'w'} 00)");
	hear(&sub, "90 (0001 () 00)");
	up5(&one, "10 ({'MQTT'} 05 06 0000 () {'1'} (03 {'text'}) {'w'} {'one'})");
	up5(&two, "10 ({'MQTT'} 05 06 0000 () {'2'} () {'w'} {'two'})");
	say(&one, "E0 00");
	TK_RUN_UNTIL(base, one.ended, 2000);
	tk_conn_free(one.conn);
	tk_conn_reset(two.conn);
	hear(&sub, "30 ({'w'} () 'two')");
	up5(&one, "10 ({'MQTT'} 05 06 0000 () {'2'} (03 {'text'}) {'w'} {'2'})");
	say(&one, "E0 (04)");
	hear(&sub, "30 ({'w'} (03 {'text'}) '2')");
	tk_conn_free(sub.conn);
	tk_conn_free(one.conn);
	tk_conn_free(two.conn);
}
END_TEST

START_TEST(shared_subscriptions)
{
	struct plain one, two;
	int i;

	up5(&one, C5("1"));
	up5(&two, C5("2"));
	say(&one, "82 (0001 () {'$share/g/t'} 00)");
	say(&two, "82 (0001 () {'$share/g/t'} 00)");
	hear(&one, "90 (0001 () 00)");
	hear(&two, "90 (0001 () 00)");
	for (i = 0; i < 4; i++)
		tk_auto_publish(broker, "t", "m", 1, 0, 0);
	hear(&one, "30 ({'t'} () 'm') 30 ({'t'} () 'm')");
	hear(&two, "30 ({'t'} () 'm') 30 ({'t'} () 'm')");
	tk_conn_free(one.conn);
	tk_conn_free(two.conn);
}
END_TEST

START_TEST(no_local_and_aliases)
{
	const struct tk_auto_options options = {.connack_props = "22 0005"};
	struct plain c;

	teardown();
	start(&options);
	dial(&c);
	say(&c, C5("c"));
	hear(&c, "20 (00 00 (22 0005))");
	say(&c, "82 (0001 () {'mine'} 04 {'all'} 08)");
	hear(&c, "90 (0001 () 00 00)");
	say(&c, "30 ({'mine'} () 'x') 31 ({'all'} (23 0003) 'y') 30 ({} (23 0003) 'z')");
	hear(&c, "31 ({'all'} () 'y') 30 ({'all'} () 'z')");
	hear_nothing(&c);
	tk_conn_free(c.conn);
}
END_TEST

START_TEST(takes_sessions_over)
{
	struct plain one, two;

	up5(&one, C5("x"));
	up5(&two, C5("x"));
	hear(&one, "E0 (8E)");
	TK_RUN_UNTIL(base, one.ended, 2000);
	ck_assert_int_eq(tk_auto_stats(broker)->online, 1);
	tk_conn_free(one.conn);
	tk_conn_free(two.conn);
}
END_TEST

START_TEST(assigns_ids)
{
	struct plain c;

	dial(&c);
	say(&c, C5(""));
	hear(&c, "20 (00 00 (12 {'auto-1'}))");
	tk_conn_free(c.conn);
}
END_TEST

START_TEST(refuses)
{
	struct plain five, four;

	tk_auto_refuse(broker, 0x87, 5);
	dial(&five);
	say(&five, C5("x"));
	hear(&five, "20 (00 87 ())");
	dial(&four);
	say(&four, C4("x", "02"));
	hear(&four, "20 (00 05)");
	TK_RUN_UNTIL(base, four.ended, 2000);
	tk_conn_free(five.conn);
	tk_conn_free(four.conn);
	tk_auto_refuse(broker, 0, 0);
	up5(&five, C5("x"));
	tk_conn_free(five.conn);
}
END_TEST

START_TEST(delays_and_mutes)
{
	const struct tk_auto_options options = {.delay_ms = 60};
	long long before;
	struct plain c;

	teardown();
	start(&options);
	before = tk_now_ms();
	up5(&c, C5("x"));
	ck_assert_int_ge(tk_now_ms() - before, 60);
	tk_auto_mute(broker, 1);
	say(&c, "C0 00");
	tk_run_until(base, NULL, NULL, 100);
	ck_assert_uint_eq(c.conn->in.len, 0);
	ck_assert_int_eq((int)tk_auto_stats(broker)->pings, 1);
	tk_conn_free(c.conn);
}
END_TEST

static int
has_error(void *arg)
{
	return tk_auto_error(arg) != NULL;
}

START_TEST(judges)
{
	struct plain c;

	up5(&c, C5("bad"));
	say(&c, "E0 00 C0 00");
	ck_assert(tk_run_until(base, has_error, broker, 2000));
	ck_assert_ptr_nonnull(
	    strstr(tk_auto_error(broker), "of \"bad\": [v5 3.14.4-1] PINGREQ after DISCONNECT"));
	tk_conn_free(c.conn);
}
END_TEST

enum { MANY = 300 };

/* Each of them subscribes to its own topic and publishes to its neighbour's. */
START_TEST(many_clients)
{
	static struct plain c[MANY];
	char text[200];
	int i;

	for (i = 0; i < MANY; i++)
		dial(&c[i]);
	for (i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text),
		    "10 ({'MQTT'} 05 02 0000 () {'c%d'}) 82 (0001 () {'to/%d'} 01)", i, i);
		say(&c[i], text);
	}
	for (i = 0; i < MANY; i++)
		hear(&c[i], "20 (00 00 ()) 90 (0001 () 01)");
	for (i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "34 ({'to/%d'} 0002 () 'hi')", (i + 1) % MANY);
		say(&c[i], text);
	}
	tk_run_until(base, NULL, NULL, 1);
	for (i = 0; i < MANY; i++) {
		struct wanted w = {&c[i], 16};

		ck_assert(tk_run_until(base, has_bytes, &w, 2000));
	}
	ck_assert_int_eq((int)tk_auto_stats(broker)->received, MANY);
	ck_assert_int_eq((int)tk_auto_stats(broker)->sent, MANY);
	ck_assert_int_eq(tk_auto_stats(broker)->online, MANY);
	for (i = 0; i < MANY; i++)
		tk_conn_free(c[i].conn);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("testkit-auto");
	TCase *tc = tk_case(s, "auto");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, routes_between_clients);
	tcase_add_test(tc, keeps_sessions);
	tcase_add_test(tc, forgets_on_demand);
	tcase_add_test(tc, obeys_the_clients_limits);
	tcase_add_test(tc, retained_messages);
	tcase_add_test(tc, wills);
	tcase_add_test(tc, shared_subscriptions);
	tcase_add_test(tc, no_local_and_aliases);
	tcase_add_test(tc, takes_sessions_over);
	tcase_add_test(tc, assigns_ids);
	tcase_add_test(tc, refuses);
	tcase_add_test(tc, delays_and_mutes);
	tcase_add_test(tc, judges);
	tcase_add_test(tc, many_clients);
	return tk_main(s);
}
