/* Dialling: every family, every way to fail, races, socket options, cancel; no names but localhost.
 */
#include "wire/net_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "net/addr.h"

static void
connect_through(const char *address, const char *host)
{
	struct attempt a = {0};
	uint16_t port;
	int listener = listen_at(address, &port), peer;

	if (listener < 0) {
		printf("SKIP: %s: this machine has no such address\n", address);
		return;
	}
	attempt_start(&a, "mqtt://%s:%u", host, port);
	attempt_await_link(&a, 2000);
	ck_assert(a.conn.plain);
	ck_assert_ptr_null(a.conn.tls);
	peer = accept_one(listener);
	assert_link_works(&a, peer);
	attempt_end(&a);
	close(peer);
	close(listener);
}

START_TEST(test_ipv4)
{
	connect_through("127.0.0.1", "127.0.0.1");
}
END_TEST

START_TEST(test_ipv6)
{
	connect_through("::1", "[::1]");
}
END_TEST

START_TEST(test_localhost)
{
	connect_through("127.0.0.1", "localhost");
	connect_through("127.0.0.1", "LocalHost.");
	connect_through("127.0.0.1", "broker.localhost");
	connect_through("::1", "localhost");
}
END_TEST

START_TEST(test_descriptor)
{
	struct attempt a = {0};
	uint16_t port;
	int listener = listen_at("127.0.0.1", &port), value = 0;
	socklen_t len = sizeof value;

	attempt_start(&a, "mqtt://127.0.0.1:%u", port);
	attempt_await_link(&a, 2000);
	ck_assert_int_eq(a.conn.fd, bufferevent_getfd(a.conn.bev));
	ck_assert(fcntl(a.conn.fd, F_GETFD) & FD_CLOEXEC);
	ck_assert(fcntl(a.conn.fd, F_GETFL) & O_NONBLOCK);
	getsockopt(a.conn.fd, IPPROTO_TCP, TCP_NODELAY, &value, &len);
	ck_assert_int_ne(value, 0);
	ck_assert(!(bufferevent_get_enabled(a.conn.bev) & EV_READ));
	attempt_end(&a);
	close(listener);
}
END_TEST

static void
stop_when_dialling(struct attempt *a)
{
	if (strstr(a->progress, "connect to") != NULL)
		event_base_loopbreak(world.base);
}

/* Until it connects, and does not know yet what came of it. */
static void
begin_to_connect(struct attempt *a, uint16_t port)
{
	a->on_progress = stop_when_dialling;
	attempt_start(a, "mqtt://127.0.0.1:%u", port);
	event_base_loop(world.base, 0);
	ck_assert_int_eq(a->done, 0);
}

/* A descriptor that is readable when it is connected might have failed: it has not. */
START_TEST(test_server_speaks_first)
{
	struct attempt a = {0};
	char text[8];
	uint16_t port;
	int listener = listen_at("127.0.0.1", &port), peer;

	begin_to_connect(&a, port);
	peer = accept_one(listener);
	ck_assert_int_eq(send(peer, "first", 5, 0), 5);
	attempt_await_link(&a, 2000);
	ck_assert_int_eq(recv(a.conn.fd, text, sizeof text, 0), 5);
	assert_link_works(&a, peer);
	attempt_end(&a);
	close(peer);
	close(listener);
}
END_TEST

/* One that is there and gone again is a link that ends, not an error of dialling. */
START_TEST(test_server_closes_at_once)
{
	struct attempt a = {0};
	char c;
	uint16_t port;
	int listener = listen_at("127.0.0.1", &port);

	begin_to_connect(&a, port);
	close(accept_one(listener));
	attempt_await_link(&a, 2000);
	ck_assert_int_eq(recv(a.conn.fd, &c, 1, 0), 0);
	attempt_end(&a);
	close(listener);
}
END_TEST

/* Unix sockets --------------------------------------------------------------------------------- */

static void
connect_unix(const char *path)
{
	struct attempt a = {0};
	int listener = listen_unix(path, 4), peer;

	ck_assert_int_ge(listener, 0);
	attempt_start(&a, "unix://%s", path);
	attempt_await_link(&a, 2000);
	peer = accept_one(listener);
	assert_link_works(&a, peer);
	attempt_end(&a);
	close(peer);
	close(listener);
}

START_TEST(test_unix_path)
{
	char dir[] = "/tmp/mqev-net-XXXXXX", path[64];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/broker.sock", dir);
	connect_unix(path);
	unlink(path);
	rmdir(dir);
}
END_TEST

START_TEST(test_unix_abstract)
{
	char name[64];

	snprintf(name, sizeof name, "@mqev-test-%d", (int)getpid());
	connect_unix(name);
}
END_TEST

START_TEST(test_unix_missing)
{
	struct attempt a = {0};

	attempt_start(&a, "unix:///nonexistent/broker.sock");
	attempt_await_error(&a, 1000, MQEV_NET_DIAL, MQEV_ERR_SYSTEM);
	ck_assert_int_eq(a.error.system_errno, ENOENT);
	ck_assert_str_eq(
	    a.error.text, "connect to unix:/nonexistent/broker.sock: No such file or directory");
	attempt_end(&a);
}
END_TEST

/* A listener whose queue is full is asked again until it has room. */
START_TEST(test_unix_backlog)
{
	struct attempt first = {0}, second = {0};
	char name[64];
	int listener, peer;

	snprintf(name, sizeof name, "@mqev-test-%d", (int)getpid());
	listener = listen_unix(name, 0);
	attempt_start(&first, "unix://%s", name);
	attempt_await_link(&first, 1000);
	second.config.dial_ms = 5000;
	attempt_start(&second, "unix://%s", name);
	run_for(100);
	ck_assert_int_eq(second.done, 0);
	peer = accept_one(listener);
	attempt_await_link(&second, 2000);
	attempt_end(&first);
	attempt_end(&second);
	close(peer);
	close(listener);
}
END_TEST

START_TEST(test_unix_backlog_deadline)
{
	struct attempt first = {0}, second = {0};
	char name[64];
	int listener;

	snprintf(name, sizeof name, "@mqev-test-%d", (int)getpid());
	listener = listen_unix(name, 0);
	attempt_start(&first, "unix://%s", name);
	attempt_await_link(&first, 1000);
	second.config.dial_ms = 120;
	attempt_start(&second, "unix://%s", name);
	attempt_await_error(&second, 2000, MQEV_NET_DIAL, MQEV_ERR_TIMEOUT);
	attempt_end(&first);
	attempt_end(&second);
	close(listener);
}
END_TEST

/* Failures ------------------------------------------------------------------------------------- */

START_TEST(test_refused)
{
	struct attempt a = {0};
	uint16_t port = closed_port();
	char text[96];

	attempt_start(&a, "mqtt://127.0.0.1:%u", port);
	attempt_await_error(&a, 1000, MQEV_NET_DIAL, MQEV_ERR_SYSTEM);
	ck_assert_int_eq(a.error.system_errno, ECONNREFUSED);
	snprintf(text, sizeof text, "connect to 127.0.0.1:%u: Connection refused", port);
	ck_assert_str_eq(a.error.text, text);
	snprintf(text, sizeof text, "1 resolve 127.0.0.1\n2 connect to 127.0.0.1:%u\n", port);
	ck_assert_str_eq(a.progress, text);
	attempt_end(&a);
}
END_TEST

struct black_hole {
	int listener, fds[16], count;
	uint16_t port;
};

static void
black_hole_open(struct black_hole *hole, const char *address, uint16_t port)
{
	struct mqev_addr addr = {.len = sizeof addr.u};

	hole->listener = listen_at_port(address, port, 0);
	ck_assert_int_ge(hole->listener, 0);
	getsockname(hole->listener, &addr.u.sa, &addr.len);
	hole->port = ntohs(addr.u.in.sin_port);
	hole->count = fill_backlog(address, hole->port, hole->fds, 16);
}

static void
black_hole_close(struct black_hole *hole)
{
	while (hole->count > 0)
		close(hole->fds[--hole->count]);
	close(hole->listener);
}

START_TEST(test_black_hole)
{
	struct attempt a = {.config = {.dial_ms = 200}};
	struct black_hole hole;
	long long began;

	black_hole_open(&hole, "127.0.0.1", 0);
	began = now_ms();
	attempt_start(&a, "mqtt://127.0.0.1:%u", hole.port);
	attempt_await_error(&a, 2000, MQEV_NET_DIAL, MQEV_ERR_TIMEOUT);
	ck_assert_int_ge(now_ms() - began, 190);
	ck_assert_ptr_nonnull(strstr(a.error.text, "127.0.0.1"));
	attempt_end(&a);
	black_hole_close(&hole);
}
END_TEST

START_TEST(test_total_deadline)
{
	struct attempt a = {.config = {.dial_ms = 5000, .total_ms = 150}};
	struct black_hole hole;

	black_hole_open(&hole, "127.0.0.1", 0);
	attempt_start(&a, "mqtt://127.0.0.1:%u", hole.port);
	attempt_await_error(&a, 1000, MQEV_NET_DIAL, MQEV_ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(a.error.text, "total deadline of 150 ms"));
	attempt_end(&a);
	black_hole_close(&hole);
}
END_TEST

/* All addresses together may take longer than the whole attempt. */
START_TEST(test_total_deadline_of_many)
{
	struct attempt a = {.config = {.dial_ms = 200, .dial_stagger_ms = 200, .total_ms = 300}};
	struct black_hole hole, other;

	black_hole_open(&hole, "127.0.0.1", 0);
	other.listener = listen_at_port("::1", hole.port, 0);
	if (other.listener >= 0) {
		other.count = fill_backlog("::1", hole.port, other.fds, 16);
		attempt_start(&a, "mqtt://localhost:%u", hole.port);
		attempt_await_error(&a, 2000, MQEV_NET_DIAL, MQEV_ERR_TIMEOUT);
		ck_assert_ptr_nonnull(strstr(a.error.text, "total deadline of 300 ms"));
		black_hole_close(&other);
	}
	attempt_end(&a);
	black_hole_close(&hole);
}
END_TEST

/* localhost is 127.0.0.1 first: a dead one costs the stagger, not the deadline. */
START_TEST(test_dead_first_address)
{
	struct attempt a = {.config = {.dial_ms = 5000}};
	struct black_hole hole;
	long long began;
	int listener, peer;

	black_hole_open(&hole, "127.0.0.1", 0);
	listener = listen_at_port("::1", hole.port, 4);
	if (listener >= 0) {
		began = now_ms();
		attempt_start(&a, "mqtt://localhost:%u", hole.port);
		attempt_await_link(&a, 2000);
		ck_assert_int_ge(now_ms() - began, 240);
		ck_assert_int_le(now_ms() - began, 300);
		peer = accept_one(listener);
		assert_link_works(&a, peer);
		close(peer);
		close(listener);
	}
	attempt_end(&a);
	black_hole_close(&hole);
}
END_TEST

/* A refused address does not even cost the stagger. */
START_TEST(test_refused_first_address)
{
	struct attempt a = {.config = {.dial_stagger_ms = 2000}};
	uint16_t port;
	int listener = listen_at("::1", &port);
	long long began = now_ms();

	if (listener >= 0) {
		attempt_start(&a, "mqtt://localhost:%u", port);
		attempt_await_link(&a, 1500);
		ck_assert_int_le(now_ms() - began, 200);
		close(listener);
	}
	attempt_end(&a);
}
END_TEST

/* What this machine cannot do says less than what the other side did. */
START_TEST(test_telling_error)
{
	struct mqev_socket_options *options = MQEV_SOCKET_OPTIONS(.bind_address = "127.0.0.1");
	struct attempt a = {.config = {.socket = options}};
	uint16_t port = closed_port();

	attempt_start(&a, "mqtt://localhost:%u", port);
	attempt_await_error(&a, 1000, MQEV_NET_DIAL, MQEV_ERR_SYSTEM);
	ck_assert_int_eq(a.error.system_errno, ECONNREFUSED);
	attempt_end(&a);
	attempt_start(&a, "mqtt://[::1]:%u", port);
	attempt_await_error(&a, 1000, MQEV_NET_DIAL, MQEV_ERR_SYSTEM);
	ck_assert_int_eq(a.error.system_errno, EAFNOSUPPORT);
	ck_assert_ptr_nonnull(strstr(a.error.text, "bind"));
	attempt_end(&a);
}
END_TEST

/* Each descriptor that an attempt needs is missing in turn; with all of them it works again. */
START_TEST(test_no_descriptors)
{
	struct attempt a = {0};
	struct rlimit before, low;
	uint16_t port;
	int listener = listen_at("127.0.0.1", &port), spare = dup(listener);

	getrlimit(RLIMIT_NOFILE, &before);
	low = before;
	low.rlim_cur = (rlim_t)spare;
	close(spare);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	attempt_start(&a, "mqtt://127.0.0.1:%u", port);
	attempt_await_error(&a, 1000, MQEV_NET_DIAL, MQEV_ERR_SYSTEM);
	ck_assert_int_eq(a.error.system_errno, EMFILE);
	attempt_end(&a);
	setrlimit(RLIMIT_NOFILE, &before);
	attempt_start(&a, "mqtt://127.0.0.1:%u", port);
	attempt_await_link(&a, 1000);
	attempt_end(&a);
	close(listener);
}
END_TEST

/* Cancel --------------------------------------------------------------------------------------- */

START_TEST(test_cancel_at_once)
{
	struct attempt a = {0};

	attempt_start(&a, "mqtt://127.0.0.1:%u", closed_port());
	attempt_end(&a);
	run_for(30);
	ck_assert_int_eq(a.done, 0);
}
END_TEST

START_TEST(test_cancel_while_dialling)
{
	struct attempt a = {0};
	struct black_hole hole;

	black_hole_open(&hole, "127.0.0.1", 0);
	attempt_start(&a, "mqtt://127.0.0.1:%u", hole.port);
	run_for(50);
	ck_assert_ptr_nonnull(strstr(a.progress, "connect to"));
	attempt_end(&a);
	run_for(30);
	ck_assert_int_eq(a.done, 0);
	black_hole_close(&hole);
}
END_TEST

static void
cancel_now(struct attempt *a)
{
	mqev_transport_cancel(a->transport);
	a->transport = NULL;
}

static void
cancel_when_dialling(struct attempt *a)
{
	if (strstr(a->progress, "connect") != NULL)
		cancel_now(a);
}

START_TEST(test_cancel_in_progress_callback)
{
	struct attempt a = {.on_progress = _i == 0 ? cancel_now : cancel_when_dialling};

	attempt_start(&a, "mqtt://127.0.0.1:%u", closed_port());
	run_for(50);
	ck_assert_int_eq(a.done, 0);
	ck_assert_ptr_null(a.transport);
	attempt_end(&a);
}
END_TEST

static int
hook_that_cancels(int fd, void *arg)
{
	ck_assert(fcntl(fd, F_GETFD) >= 0);
	cancel_now(arg);
	return 0;
}

START_TEST(test_cancel_in_socket_hook)
{
	struct attempt a = {0};
	struct mqev_socket_options *options =
	    MQEV_SOCKET_OPTIONS(.on_socket = hook_that_cancels, .on_socket_arg = &a);

	a.config.socket = options;
	attempt_start(&a, "mqtt://localhost:%u", closed_port());
	run_for(50);
	ck_assert_int_eq(a.done, 0);
	ck_assert_ptr_null(a.transport);
	attempt_end(&a);
}
END_TEST

/* Options -------------------------------------------------------------------------------------- */

static int
option_of(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof value;

	ck_assert_int_eq(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static int
hook_that_refuses(int fd, void *arg)
{
	(void)fd;
	return *(int *)arg;
}

START_TEST(test_socket_options)
{
	struct mqev_socket_options *options = MQEV_SOCKET_OPTIONS(.bind_address = "127.0.0.9",
	    .bind_interface = "lo", .nagle = 1, .keepalive = 1, .keepalive_idle_s = 61,
	    .keepalive_interval_s = 7, .keepalive_count = 3, .user_timeout_ms = 12345,
	    .receive_buffer_bytes = 30000, .send_buffer_bytes = 20000);
	struct attempt a = {.config = {.socket = options}};
	struct sockaddr_in local;
	socklen_t len = sizeof local;
	uint16_t port;
	int listener = listen_at("127.0.0.1", &port);

	attempt_start(&a, "mqtt://127.0.0.1:%u", port);
	attempt_await_link(&a, 1000);
	ck_assert_int_eq(option_of(a.conn.fd, IPPROTO_TCP, TCP_NODELAY), 0);
	ck_assert_int_eq(option_of(a.conn.fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	ck_assert_int_eq(option_of(a.conn.fd, IPPROTO_TCP, TCP_KEEPIDLE), 61);
	ck_assert_int_eq(option_of(a.conn.fd, IPPROTO_TCP, TCP_KEEPINTVL), 7);
	ck_assert_int_eq(option_of(a.conn.fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
	ck_assert_int_eq(option_of(a.conn.fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 12345);
	ck_assert_int_eq(option_of(a.conn.fd, SOL_SOCKET, SO_RCVBUF), 60000); /* Linux doubles */
	ck_assert_int_eq(option_of(a.conn.fd, SOL_SOCKET, SO_SNDBUF), 40000);
	getsockname(a.conn.fd, (struct sockaddr *)&local, &len);
	ck_assert_uint_eq(ntohl(local.sin_addr.s_addr), 0x7f000009);
	attempt_end(&a);
	close(listener);
}
END_TEST

START_TEST(test_bind_port)
{
	struct mqev_socket_options *options = MQEV_SOCKET_OPTIONS(.bind_port = closed_port());
	struct attempt a = {.config = {.socket = options}};
	struct sockaddr_in local;
	socklen_t len = sizeof local;
	uint16_t port;
	int listener = listen_at("127.0.0.1", &port);

	attempt_start(&a, "mqtt://127.0.0.1:%u", port);
	attempt_await_link(&a, 1000);
	getsockname(a.conn.fd, (struct sockaddr *)&local, &len);
	ck_assert_uint_eq(ntohs(local.sin_port), options->bind_port);
	attempt_end(&a);
	close(listener);
}
END_TEST

/* Bound to the very port it dials a socket connects to itself, which is nobody. */
START_TEST(test_connected_to_itself)
{
	struct mqev_socket_options *options =
	    MQEV_SOCKET_OPTIONS(.bind_address = _i == 0 ? "127.0.0.1" : "::1",
		.bind_port = closed_port());
	struct attempt a = {.config = {.socket = options}};
	char url[64];

	snprintf(url, sizeof url, _i == 0 ? "mqtt://127.0.0.1:%u" : "mqtt://[::1]:%u",
	    options->bind_port);
	attempt_start(&a, "%s", url);
	attempt_await_error(&a, 1000, MQEV_NET_DIAL, MQEV_ERR_SYSTEM);
	if (_i == 0 || a.error.system_errno != EADDRNOTAVAIL) /* a machine without IPv6 */
		ck_assert_int_eq(a.error.system_errno, ECONNREFUSED);
	attempt_end(&a);
}
END_TEST

START_TEST(test_hook_refuses)
{
	int error = EPERM;
	struct mqev_socket_options *options =
	    MQEV_SOCKET_OPTIONS(.on_socket = hook_that_refuses, .on_socket_arg = &error);
	struct attempt a = {.config = {.socket = options}};

	attempt_start(&a, "mqtt://127.0.0.1:%u", closed_port());
	attempt_await_error(&a, 1000, MQEV_NET_DIAL, MQEV_ERR_SYSTEM);
	ck_assert_int_eq(a.error.system_errno, EPERM);
	attempt_end(&a);
}
END_TEST

START_TEST(test_bad_options)
{
	static const struct mqev_socket_options bad[] = {
	    {.size = 0},
	    {.size = sizeof bad[0], .bind_address = "not-an-address"},
	    {.size = sizeof bad[0], .bind_interface = ""},
	    {.size = sizeof bad[0], .bind_interface = "a-name-too-long-for-linux"},
	    {.size = sizeof bad[0], .keepalive_idle_s = -1},
	    {.size = sizeof bad[0], .send_buffer_bytes = -1},
	};
	struct attempt a = {.config = {.socket = &bad[_i]}};

	attempt_start(&a, "mqtt://127.0.0.1:%u", closed_port());
	attempt_await_error(&a, 1000, MQEV_NET_RESOLVE, MQEV_ERR_INVALID);
	attempt_end(&a);
}
END_TEST

/* A program built when the struct was shorter has nothing in the later members. */
START_TEST(test_older_options)
{
	struct mqev_socket_options options = {
	    .size = offsetof(struct mqev_socket_options, nagle), .send_buffer_bytes = -1};
	struct attempt a = {.config = {.socket = &options}};

	attempt_start(&a, "mqtt://127.0.0.1:%u", closed_port());
	attempt_await_error(&a, 1000, MQEV_NET_DIAL, MQEV_ERR_SYSTEM);
	attempt_end(&a);
}
END_TEST

/* Closing -------------------------------------------------------------------------------------- */

static void
on_event_close(struct bufferevent *bev, short what, void *arg)
{
	struct attempt *a = arg;
	int before = open_fds();

	(void)bev;
	ck_assert(what & BEV_EVENT_EOF);
	mqev_conn_close(&a->conn);
	ck_assert_int_eq(open_fds(), before - 1);
	a->done = 2;
}

START_TEST(test_close_in_callback)
{
	struct attempt a = {0};
	uint16_t port;
	int listener = listen_at("127.0.0.1", &port), closed = 0;

	attempt_start(&a, "mqtt://127.0.0.1:%u", port);
	attempt_await_link(&a, 1000);
	bufferevent_setcb(a.conn.bev, NULL, NULL, on_event_close, &a);
	bufferevent_enable(a.conn.bev, EV_READ);
	close(accept_one(listener));
	while (a.done != 2 && closed++ < 100)
		run_for(10);
	ck_assert_int_eq(a.done, 2);
	attempt_end(&a);
	close(listener);
}
END_TEST

static void
must_not_run(struct bufferevent *bev, void *arg)
{
	(void)bev;
	(void)arg;
	ck_abort_msg("a callback of a closed link");
}

/* Output waiting, and a deferred callback pending: the descriptor is gone nevertheless. */
START_TEST(test_close_is_prompt)
{
	struct attempt a = {0};
	uint16_t port;
	int listener = listen_at("127.0.0.1", &port), before, peer;
	char *block = calloc(1, 8 << 20);

	attempt_start(&a, "mqtt://127.0.0.1:%u", port);
	attempt_await_link(&a, 1000);
	peer = accept_one(listener);
	bufferevent_setcb(a.conn.bev, must_not_run, must_not_run, NULL, NULL);
	bufferevent_write(a.conn.bev, block, 8 << 20);
	bufferevent_trigger(
	    a.conn.bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS | BEV_TRIG_IGNORE_WATERMARKS);
	before = open_fds();
	mqev_conn_close(&a.conn);
	ck_assert_int_eq(open_fds(), before - 1);
	ck_assert_int_eq(a.conn.fd, -1);
	run_for(30);
	attempt_end(&a);
	free(block);
	close(peer);
	close(listener);
}
END_TEST

START_TEST(test_shutdown)
{
	struct attempt a = {0};
	uint16_t port;
	char c;
	int listener = listen_at("127.0.0.1", &port), peer;

	attempt_start(&a, "mqtt://127.0.0.1:%u", port);
	attempt_await_link(&a, 1000);
	peer = accept_one(listener);
	mqev_conn_shutdown(&a.conn);
	ck_assert_int_eq(read(peer, &c, 1), 0);
	attempt_end(&a);
	close(peer);
	close(listener);
}
END_TEST

/* An attempt that ended leaves the loop nothing to wait for. */
START_TEST(test_idle_loop_ends)
{
	struct attempt a = {0};

	attempt_start(&a, "mqtt://localhost:%u", closed_port());
	ck_assert_int_eq(event_base_dispatch(world.base), 1);
	ck_assert_int_eq(a.done, 1);
	attempt_end(&a);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("net dial");
	TCase *tcase = net_case(suite, "families", 20);

	tcase_add_test(tcase, test_ipv4);
	tcase_add_test(tcase, test_ipv6);
	tcase_add_test(tcase, test_localhost);
	tcase_add_test(tcase, test_descriptor);
	tcase_add_test(tcase, test_server_speaks_first);
	tcase_add_test(tcase, test_server_closes_at_once);
	tcase_add_test(tcase, test_unix_path);
	tcase_add_test(tcase, test_unix_abstract);
	tcase_add_test(tcase, test_unix_missing);
	tcase_add_test(tcase, test_unix_backlog);
	tcase_add_test(tcase, test_unix_backlog_deadline);
	tcase = net_case(suite, "failures", 20);
	tcase_add_test(tcase, test_refused);
	tcase_add_test(tcase, test_black_hole);
	tcase_add_test(tcase, test_total_deadline);
	tcase_add_test(tcase, test_total_deadline_of_many);
	tcase_add_test(tcase, test_dead_first_address);
	tcase_add_test(tcase, test_refused_first_address);
	tcase_add_test(tcase, test_telling_error);
	tcase_add_test(tcase, test_no_descriptors);
	tcase = net_case(suite, "cancel", 20);
	tcase_add_test(tcase, test_cancel_at_once);
	tcase_add_test(tcase, test_cancel_while_dialling);
	tcase_add_loop_test(tcase, test_cancel_in_progress_callback, 0, 2);
	tcase_add_test(tcase, test_cancel_in_socket_hook);
	tcase = net_case(suite, "options", 20);
	tcase_add_test(tcase, test_socket_options);
	tcase_add_test(tcase, test_bind_port);
	tcase_add_loop_test(tcase, test_connected_to_itself, 0, 2);
	tcase_add_test(tcase, test_hook_refuses);
	tcase_add_loop_test(tcase, test_bad_options, 0, 6);
	tcase_add_test(tcase, test_older_options);
	tcase = net_case(suite, "closing", 20);
	tcase_add_test(tcase, test_close_in_callback);
	tcase_add_test(tcase, test_close_is_prompt);
	tcase_add_test(tcase, test_shutdown);
	tcase_add_test(tcase, test_idle_loop_ends);
	return net_main(suite);
}
