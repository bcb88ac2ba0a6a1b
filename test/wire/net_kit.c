/* What tests of lib/net share: one attempt at a time on one loop, listeners of every kind, counters
 * that must return to what they were. */
#include "wire/net_kit.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "fault/fail_mem.h"
#include "net/addr.h"

struct world world;

int
open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	if (dir == NULL)
		return -1;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

void
net_setup(void)
{
	struct event_config *config = event_config_new();

	world.fds = open_fds();
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
	world.base = event_base_new_with_config(config);
	event_config_free(config);
	world.net = mqev_net_new(world.base);
	ck_assert_ptr_nonnull(world.base);
	ck_assert_ptr_nonnull(world.net);
}

void
net_teardown(void)
{
	fail_mem_never();
	mqev_net_free(world.net);
	event_base_loop(world.base, EVLOOP_NONBLOCK);
	event_base_free(world.base);
	ck_assert_msg(fail_mem_live() == 0, "%zu blocks of the library are left", fail_mem_live());
	ck_assert_int_eq(open_fds(), world.fds);
}

TCase *
net_case(Suite *suite, const char *name, int seconds)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, net_setup, net_teardown);
	tcase_set_timeout(tcase, seconds);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int
net_main(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Time ----------------------------------------------------------------------------------------- */

long long
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

bool
run_until(const int *flag, int ms)
{
	struct timeval tick = {.tv_usec = 10000};
	struct event *event = event_new(world.base, -1, EV_PERSIST, wake, NULL);
	long long end = now_ms() + ms;

	event_add(event, &tick);
	while (*flag == 0 && now_ms() < end)
		event_base_loop(world.base, EVLOOP_ONCE);
	event_free(event);
	return *flag != 0;
}

void
run_for(int ms)
{
	static const int never = 0;

	(void)run_until(&never, ms);
}

/* Attempts ------------------------------------------------------------------------------------- */

static void
on_done(struct mqev_conn *conn, const struct mqev_net_error *error, void *arg)
{
	struct attempt *a = arg;

	ck_assert_msg(a->started, "done was called before start had returned");
	ck_assert_int_eq(a->done, 0);
	ck_assert((conn != NULL) != (error != NULL));
	a->done = 1;
	a->transport = NULL;
	if (conn != NULL)
		a->conn = *conn;
	else
		a->error = *error;
}

static void
on_progress(const struct mqev_transport *transport, enum mqev_net_stage stage, void *arg)
{
	struct attempt *a = arg;
	size_t len = strlen(a->progress);
	char text[160];

	ck_assert(a->started);
	mqev_transport_describe(transport, text, sizeof(text));
	snprintf(a->progress + len, sizeof a->progress - len, "%d %s\n", (int)stage, text);
	if (a->on_progress != NULL)
		a->on_progress(a);
}

bool
attempt_try(struct attempt *a, const char *url)
{
	const char *why;
	int rc = mqev_url_parse(url, &a->list, &why);

	if (rc == MQEV_ERR_NOMEM)
		return false;
	ck_assert_msg(rc == 0, "%s: %s", url, why);
	a->done = 0;
	a->started = false;
	a->progress[0] = '\0';
	a->transport =
	    mqev_transport_start(world.net, &a->list.at[0], &a->config, on_done, on_progress, a);
	a->started = true;
	if (a->transport == NULL)
		mqev_endpoint_list_free(&a->list);
	return a->transport != NULL;
}

void
attempt_start(struct attempt *a, const char *url, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, url);
	vsnprintf(text, sizeof text, url, ap);
	va_end(ap);
	ck_assert(attempt_try(a, text));
}

void
attempt_await(struct attempt *a, int ms)
{
	ck_assert_msg(
	    run_until(&a->done, ms), "nothing came within %d ms; so far: %s", ms, a->progress);
}

void
attempt_await_link(struct attempt *a, int ms)
{
	attempt_await(a, ms);
	ck_assert_msg(a->conn.bev != NULL, "%s", a->error.text);
}

void
attempt_await_error(struct attempt *a, int ms, enum mqev_net_stage stage, int error)
{
	attempt_await(a, ms);
	ck_assert_ptr_null(a->conn.bev);
	ck_assert_msg(a->error.stage == stage && a->error.error == error, "stage %d, error %d: %s",
	    (int)a->error.stage, a->error.error, a->error.text);
}

void
attempt_end(struct attempt *a)
{
	if (a->transport != NULL)
		mqev_transport_cancel(a->transport);
	a->transport = NULL;
	if (a->conn.bev != NULL)
		mqev_conn_close(&a->conn);
	mqev_endpoint_list_free(&a->list);
}

/* Listeners ------------------------------------------------------------------------------------ */

static int
listen_addr(const struct mqev_addr *addr, int backlog)
{
	int fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return -1;
	if (addr->u.sa.sa_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (addr->u.sa.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, &addr->u.sa, addr->len) == 0 && listen(fd, backlog) == 0)
		return fd;
	close(fd);
	return -1;
}

int
listen_at_port(const char *address, uint16_t port, int backlog)
{
	struct mqev_addr addr;

	ck_assert(mqev_addr_parse(address, port, &addr));
	return listen_addr(&addr, backlog);
}

int
listen_at(const char *address, uint16_t *port)
{
	struct mqev_addr addr;
	int fd = listen_at_port(address, 0, 128);

	if (fd < 0)
		return -1;
	addr.len = sizeof addr.u;
	getsockname(fd, &addr.u.sa, &addr.len);
	*port = ntohs(addr.u.sa.sa_family == AF_INET ? addr.u.in.sin_port : addr.u.in6.sin6_port);
	return fd;
}

int
listen_unix(const char *path, int backlog)
{
	struct mqev_addr addr;

	ck_assert(mqev_addr_set_unix(&addr, path));
	return listen_addr(&addr, backlog);
}

/* 1 connected, 0 no answer within 50 ms. */
static int
connect_briefly(const struct mqev_addr *addr, int *fd)
{
	struct pollfd p;

	*fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(*fd, 0);
	if (connect(*fd, &addr->u.sa, addr->len) == 0)
		return 1;
	ck_assert_int_eq(errno, EINPROGRESS);
	p = (struct pollfd){.fd = *fd, .events = POLLOUT};
	return poll(&p, 1, 50);
}

int
fill_backlog(const char *address, uint16_t port, int *fds, int max)
{
	struct mqev_addr addr;
	int n = 0;

	ck_assert(mqev_addr_parse(address, port, &addr));
	while (n < max) {
		if (connect_briefly(&addr, &fds[n++]) == 0)
			return n;
	}
	ck_abort_msg("the backlog does not fill");
	return n;
}

int
accept_one(int listener)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	ck_assert_msg(poll(&p, 1, 1000) == 1, "no connection came");
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

uint16_t
closed_port(void)
{
	uint16_t port;
	int fd = listen_at("127.0.0.1", &port);

	ck_assert_int_ge(fd, 0);
	close(fd);
	return port;
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	(void)bev;
	*(int *)arg = 1;
}

void
assert_link_works(struct attempt *a, int peer)
{
	struct bufferevent *bev = a->conn.bev;
	struct pollfd p = {.fd = peer, .events = POLLIN};
	char text[8];
	int came = 0;

	ck_assert_uint_eq(mqev_conn_unsent(&a->conn), 0);
	bufferevent_write(bev, "there", 5);
	ck_assert_uint_eq(mqev_conn_unsent(&a->conn), 5);
	event_base_loop(world.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	ck_assert_int_eq(poll(&p, 1, 1000), 1);
	ck_assert_int_eq(read(peer, text, sizeof text), 5);
	ck_assert_mem_eq(text, "there", 5);
	ck_assert_uint_eq(mqev_conn_unsent(&a->conn), 0);

	ck_assert_int_eq(write(peer, "back", 4), 4);
	bufferevent_setcb(bev, on_read, NULL, NULL, &came);
	bufferevent_enable(bev, EV_READ);
	ck_assert(run_until(&came, 1000));
	ck_assert_uint_eq(evbuffer_get_length(bufferevent_get_input(bev)), 4);
	bufferevent_setcb(bev, NULL, NULL, NULL, NULL);
}
