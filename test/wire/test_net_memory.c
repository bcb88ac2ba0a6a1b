/* Dialling while memory runs out in libevent too: each allocation of both fails in turn, once and
 * for good. */
#include "wire/net_kit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "core/mem.h"
#include "fault/fail_mem.h"
#include "net/net.h"

static int listener;
static uint16_t port;

static void
wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* The loop without a byte of the test's own being allocated on the way. */
static void
run(struct event *tick, const int *flag, int ms)
{
	struct timeval interval = {.tv_usec = 5000};
	long long end = now_ms() + ms;

	event_add(tick, &interval);
	while (*flag == 0 && now_ms() < end)
		event_base_loop(world.base, EVLOOP_ONCE);
	event_del(tick);
}

/* Empties the listener's queue, so that it never fills. */
static void
drain(int ms)
{
	int fd;

	do {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			close(fd);
	} while (fd >= 0 && ms-- > 0);
}

enum scenario { LITERAL, NAME, UNIX, REFUSED, CANCEL, SILENT_PROXY, SCENARIO_COUNT };

static void
url_of(enum scenario scenario, char *url, size_t size)
{
	switch (scenario) {
	case UNIX:
		snprintf(url, size, "unix://@mqev-test-%d", (int)getpid());
		break;
	case NAME:
		snprintf(url, size, "mqtt://localhost:%u", port);
		break;
	case REFUSED:
		snprintf(url, size, "mqtt://localhost:%u", closed_port());
		break;
	default:
		snprintf(url, size, "mqtt://127.0.0.1:%u", port);
	}
}

static void
judge(enum scenario scenario, struct attempt *a, bool refused)
{
	if (scenario == CANCEL || !a->started || !a->done)
		return;
	if (scenario == SILENT_PROXY && a->error.error == MQEV_ERR_TIMEOUT) {
		ck_assert_int_eq((int)a->error.stage, MQEV_NET_PROXY);
		return;
	}
	if (a->conn.bev != NULL)
		ck_assert(scenario != REFUSED);
	else if (scenario != REFUSED && !refused)
		ck_abort_msg("%s", a->error.text);
	else if (scenario != REFUSED)
		ck_assert_msg(
		    a->error.error == MQEV_ERR_NOMEM, "%d %s", a->error.error, a->error.text);
}

/* One attempt with a net of its own; false when nothing failed any more. */
static bool
attempt_without(enum scenario scenario, size_t n, void (*starve)(size_t))
{
	struct event *tick = event_new(world.base, -1, EV_PERSIST, wake, NULL);
	struct mqev_proxy *proxy =
	    MQEV_PROXY(.type = MQEV_PROXY_SOCKS5, .host = "127.0.0.1", .port = port);
	struct attempt a = {.config = {.proxy_ms = 30}};
	char url[64];
	bool started, refused;

	a.config.proxy = scenario == SILENT_PROXY ? proxy : NULL;
	url_of(scenario, url, sizeof url);
	event_base_loop(world.base, EVLOOP_NONBLOCK);
	starve(n);
	started = attempt_try(&a, url);
	if (started && scenario == CANCEL)
		event_base_loop(world.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	else if (started)
		run(tick, &a.done, 2000);
	refused = fail_mem_refused() > 0;
	if (started && scenario != CANCEL)
		ck_assert_msg(a.done, "allocation %zu: no end; %s", n, a.progress);
	judge(scenario, &a, refused);
	attempt_end(&a);
	fail_mem_never();
	event_base_loop(world.base, EVLOOP_NONBLOCK);
	event_free(tick);
	drain(8);
	return refused;
}

START_TEST(test_each_allocation)
{
	static void (*const ways[])(size_t) = {fail_mem_after, fail_mem_from};
	enum scenario scenario = (enum scenario)(_i / 2);
	size_t n = 0;
	char name[32];

	snprintf(name, sizeof name, "@mqev-test-%d", (int)getpid());
	listener = scenario == UNIX ? listen_unix(name, 16) : listen_at("127.0.0.1", &port);
	ck_assert_int_eq(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
	while (attempt_without(scenario, n, ways[_i % 2])) {
		/* A net that has never looked anything up each time. */
		mqev_net_free(world.net);
		event_base_loop(world.base, EVLOOP_NONBLOCK);
		world.net = mqev_net_new(world.base);
		ck_assert_uint_lt(++n, 1000);
	}
	ck_assert_uint_ge(n, scenario == CANCEL ? 3 : 5);
	close(listener);
}
END_TEST

/* --- parking ---------------------------------------------------------------------------------- */

static void
on_parked(evutil_socket_t fd, short what, void *arg)
{
	char text[8];

	(void)what;
	ck_assert_int_eq(recv(fd, text, sizeof text, 0), 3);
	*(int *)arg = 1;
}

static void
assert_parked_link_works(struct attempt *a, int peer, int *came)
{
	char text[8];

	*came = 0;
	ck_assert_uint_eq(mqev_conn_unsent(&a->conn), 0);
	ck_assert_int_eq(send(peer, "one", 3, 0), 3);
	ck_assert(run_until(came, 2000));
	ck_assert_int_eq(send(a->conn.fd, "four", 4, 0), 4);
	ck_assert_int_eq(recv(peer, text, sizeof text, 0), 4);
}

static void
take_input(struct attempt *a)
{
	struct evbuffer *input = bufferevent_get_input(a->conn.bev);

	evbuffer_drain(input, evbuffer_get_length(input));
}

/* A link that finds no memory on its way to or from parking is what it was before. */
START_TEST(test_parking)
{
	struct attempt a = {0};
	int came = 0;
	int peer;

	listener = listen_at("127.0.0.1", &port);
	attempt_start(&a, "mqtt://127.0.0.1:%u", port);
	attempt_await_link(&a, 2000);
	peer = accept_one(listener);

	fail_mem_from(0);
	ck_assert(!mqev_conn_park(&a.conn, on_parked, &came));
	fail_mem_never();
	assert_link_works(&a, peer);
	ck_assert(!mqev_conn_park(&a.conn, on_parked, &came)); /* what came is not taken yet */
	take_input(&a);
	ck_assert(mqev_conn_park(&a.conn, on_parked, &came));
	ck_assert(mqev_conn_is_parked(&a.conn));
	ck_assert(!mqev_conn_park(&a.conn, on_parked, &came));
	for (size_t n = 0; n < 3; n++) {
		fail_mem_from(n);
		ck_assert(!mqev_conn_unpark(&a.conn));
		fail_mem_never();
		assert_parked_link_works(&a, peer, &came);
	}
	ck_assert(mqev_conn_unpark(&a.conn));
	ck_assert(!mqev_conn_is_parked(&a.conn));
	assert_link_works(&a, peer);

	/* Closed while it is parked: the peer sees it at once. */
	take_input(&a);
	ck_assert(mqev_conn_park(&a.conn, on_parked, &came));
	mqev_conn_close(&a.conn);
	ck_assert_int_eq(recv(peer, &came, 1, 0), 0);
	attempt_end(&a);
	close(peer);
	close(listener);
	event_base_loop(world.base, EVLOOP_NONBLOCK);
}
END_TEST

/* --- links that are lost, and the next ones -----------------------------------------------------
 */

static void
no_data(struct bufferevent *bev, void *arg)
{
	(void)bev;
	(void)arg;
}

static void
on_lost(struct bufferevent *bev, short what, void *arg)
{
	struct attempt *a = arg;

	ck_assert_ptr_eq(bev, a->conn.bev);
	ck_assert_int_ne(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR), 0);
	mqev_conn_recycle(&a->conn, world.net);
	ck_assert_ptr_null(a->conn.bev);
	ck_assert_int_eq(a->conn.fd, -1);
	a->done = 2;
}

static int
open_link(struct attempt *a)
{
	attempt_start(a, "mqtt://127.0.0.1:%u", port);
	attempt_await_link(a, 2000);
	return accept_one(listener);
}

static bool
is_lost(const struct attempt *a)
{
	return a->done == 2;
}

static void
lose_link(struct attempt *a, int peer)
{
	bufferevent_setcb(a->conn.bev, no_data, no_data, on_lost, a);
	bufferevent_enable(a->conn.bev, EV_READ);
	close(peer);
	while (!is_lost(a))
		event_base_loop(world.base, EVLOOP_ONCE);
	attempt_end(a);
}

/* What the old link had is the new one's, which hears nothing of the old one's end. */
START_TEST(test_next_link)
{
	struct attempt first = {0}, second = {0}, third = {0};
	struct bufferevent *old;
	int peer;

	listener = listen_at("127.0.0.1", &port);
	peer = open_link(&first);
	old = first.conn.bev;
	lose_link(&first, peer);
	ck_assert_uint_eq(world.net->spares.count, 1);

	fail_mem_from(50); /* far more than it takes */
	peer = open_link(&second);
	fail_mem_never();
	ck_assert_ptr_eq(second.conn.bev, old);
	ck_assert_int_eq(bufferevent_getfd(old), second.conn.fd);
	ck_assert_int_eq(bufferevent_get_enabled(old), 0);
	ck_assert_uint_eq(world.net->spares.count, 0);
	bufferevent_enable(old, EV_WRITE);
	assert_link_works(&second, peer);
	take_input(&second);
	second.done = 1;
	lose_link(&second, peer);

	/* Not used for some seconds it is given back, by a look now and then. */
	mqev_net_trim(world.net, 1000);
	mqev_net_trim(world.net, 5999);
	ck_assert_uint_eq(world.net->spares.count, 1);
	mqev_net_trim(world.net, 6000);
	ck_assert_uint_eq(world.net->spares.count, 0);
	peer = open_link(&third);
	bufferevent_enable(third.conn.bev, EV_WRITE);
	assert_link_works(&third, peer);
	attempt_end(&third);
	close(peer);
	close(listener);
}
END_TEST

/* Bytes that nobody took are not the next one's. */
START_TEST(test_not_for_the_next_link)
{
	struct attempt a = {0};
	int peer;

	listener = listen_at("127.0.0.1", &port);
	peer = open_link(&a);
	if (_i == 0) {
		ck_assert_int_eq(send(peer, "input", 5, 0), 5);
	} else {
		bufferevent_disable(a.conn.bev, EV_WRITE);
		bufferevent_write(a.conn.bev, "output", 6);
	}
	lose_link(&a, peer);
	ck_assert_uint_eq(world.net->spares.count, 0);
	close(listener);
}
END_TEST

/* Without memory to note it, it is freed; and so are all when the net goes. */
START_TEST(test_no_room_to_keep)
{
	struct attempt a = {0}, more[3];
	int peer, peers[3];

	memset(more, 0, sizeof more);
	listener = listen_at("127.0.0.1", &port);
	peer = open_link(&a);
	bufferevent_setcb(a.conn.bev, no_data, no_data, on_lost, &a);
	bufferevent_enable(a.conn.bev, EV_READ);
	close(peer);
	fail_mem_from(1); /* the first is for what is read */
	while (!is_lost(&a))
		event_base_loop(world.base, EVLOOP_ONCE);
	fail_mem_never();
	ck_assert_uint_eq(world.net->spares.count, 0);
	attempt_end(&a);
	for (int i = 0; i < 3; i++)
		peers[i] = open_link(&more[i]);
	for (int i = 0; i < 3; i++)
		lose_link(&more[i], peers[i]);
	ck_assert_uint_eq(world.net->spares.count, 3);
	close(listener);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("net memory");
	TCase *tcase = net_case(suite, "allocations", 60);

	event_set_mem_functions(mqev_malloc, mqev_realloc, mqev_free);
	tcase_add_loop_test(tcase, test_each_allocation, 0, SCENARIO_COUNT * 2);
	tcase_add_test(tcase, test_parking);
	tcase_add_test(tcase, test_next_link);
	tcase_add_loop_test(tcase, test_not_for_the_next_link, 0, 2);
	tcase_add_test(tcase, test_no_room_to_keep);
	return net_main(suite);
}
