/* Listener and connections of the kit's brokers: sockets and events, no MQTT. */
#include "conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_SIZE = 65536 };

/* Returns what recv() returned: bytes were added to c->in, or the peer is gone, or nothing is
 * there. */
static ssize_t
receive(struct tk_conn *c)
{
	unsigned char chunk[READ_SIZE];
	ssize_t n = recv(c->fd, chunk, sizeof(chunk), 0);

	if (n > 0)
		tk_buf_put(&c->in, chunk, (size_t)n);
	else if (n == 0)
		c->eof = 1;
	else if (errno != EAGAIN && errno != EINTR)
		c->eof = c->reset = 1;
	return n;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct tk_conn *c = arg;
	ssize_t n = receive(c);

	(void)fd;
	(void)what;
	if (c->eof)
		event_del(c->readable);
	if (n > 0)
		c->on->data(c);
	else if (c->eof)
		c->on->eof(c);
}

static void
flush_out(struct tk_conn *c)
{
	ssize_t n;

	while (c->sent < c->out.len) {
		n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			event_add(c->writable, NULL);
			return;
		}
		if (n < 0) /* the peer is gone: reading will tell */
			break;
		c->sent += (size_t)n;
	}
	tk_buf_free(&c->out); /* a test may have very many connections */
	c->sent = 0;
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct tk_conn *c = arg;

	(void)fd;
	(void)what;
	flush_out(c);
	if (c->out.len == 0)
		c->on->flushed(c);
}

static void
no_delay(int fd)
{
	int one = 1;

	/* Fails on unix sockets, which need none. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

struct tk_conn *
tk_conn_new(struct event_base *base, int fd, const struct tk_conn_events *on, void *arg)
{
	struct tk_conn *c = tk_calloc(1, sizeof(*c));

	c->base = base;
	c->on = on;
	c->arg = arg;
	c->fd = fd;
	evutil_make_socket_nonblocking(fd);
	evutil_make_socket_closeonexec(fd);
	no_delay(fd);
	c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(base, fd, EV_WRITE, on_writable, c);
	if (!c->readable || !c->writable || event_add(c->readable, NULL) < 0)
		tk_die("no event for a connection");
	return c;
}

/* Ends the socket; the struct stays for inspection. */
static void
drop_socket(struct tk_conn *c)
{
	event_free(c->readable);
	event_free(c->writable);
	c->readable = c->writable = NULL;
	close(c->fd);
	c->fd = -1;
	tk_buf_clear(&c->out);
}

void
tk_conn_free(struct tk_conn *c)
{
	if (c->fd >= 0)
		drop_socket(c);
	tk_buf_free(&c->in);
	tk_buf_free(&c->out);
	free(c);
}

void
tk_conn_send(struct tk_conn *c, const void *data, size_t len)
{
	if (c->fd < 0 || c->shut)
		return;
	tk_buf_put(&c->out, data, len);
	if (c->out.len == len)
		flush_out(c);
}

void
tk_conn_close(struct tk_conn *c)
{
	size_t before;

	if (c->fd < 0)
		return;
	shutdown(c->fd, SHUT_WR);
	before = c->in.len;
	while (!c->eof && receive(c) > 0)
		continue;
	if (c->in.len > before)
		c->on->data(c);
	if (c->fd >= 0)
		drop_socket(c);
}

void
tk_conn_reset(struct tk_conn *c)
{
	struct linger now = {1, 0};

	if (c->fd < 0)
		return;
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	drop_socket(c);
}

void
tk_conn_shutdown(struct tk_conn *c)
{
	if (c->fd < 0)
		return;
	shutdown(c->fd, SHUT_WR);
	c->shut = 1;
}

void
tk_conn_stall(struct tk_conn *c, int stalled)
{
	if (c->fd < 0 || c->stalled == stalled)
		return;
	c->stalled = stalled;
	if (stalled)
		event_del(c->readable);
	else if (!c->eof)
		event_add(c->readable, NULL);
}

/* Listener */

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct tk_listener *l = arg;
	int conn;

	(void)what;
	while ((conn = accept((int)fd, NULL, NULL)) >= 0) {
		l->accepted(l, conn);
		if (l->fd < 0) /* closed by what it called */
			return;
	}
}

static socklen_t
make_address(const struct tk_listener *l, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	struct sockaddr_un *un = (struct sockaddr_un *)out;

	memset(out, 0, sizeof(*out));
	out->ss_family = (sa_family_t)l->family;
	if (l->family == AF_UNIX) {
		strcpy(un->sun_path, l->path);
		return sizeof(*un);
	}
	if (l->family == AF_INET6) {
		v6->sin6_addr = in6addr_loopback;
		v6->sin6_port = htons((uint16_t)l->port);
		return sizeof(*v6);
	}
	v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	v4->sin_port = htons((uint16_t)l->port);
	return sizeof(*v4);
}

static int
bound_port(int fd)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		tk_die("getsockname: %s", strerror(errno));
	if (a.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&a)->sin6_port);
	return a.ss_family == AF_INET ? ntohs(((struct sockaddr_in *)&a)->sin_port) : 0;
}

static void
describe(struct tk_listener *l)
{
	if (l->family == AF_UNIX)
		snprintf(l->url, sizeof(l->url), "unix://%s", l->path);
	else
		snprintf(l->url, sizeof(l->url),
		    l->family == AF_INET6 ? "mqtt://[%s]:%d" : "mqtt://%s:%d", l->host, l->port);
}

void
tk_listener_init(struct tk_listener *l, struct event_base *base, const char *where, int rcvbuf,
    void (*accepted)(struct tk_listener *l, int fd), void *arg)
{
	memset(l, 0, sizeof(*l));
	l->base = base;
	l->fd = -1;
	l->rcvbuf = rcvbuf;
	l->accepted = accepted;
	l->arg = arg;
	where = where ? where : "127.0.0.1";
	l->family = strchr(where, ':') ? AF_INET6 : AF_INET;
	if (strncmp(where, "unix:", 5) == 0) {
		l->family = AF_UNIX;
		snprintf(l->path, sizeof(l->path), "%s", where + 5);
	} else {
		snprintf(l->host, sizeof(l->host), "%s", where);
	}
	tk_listener_open(l);
}

void
tk_listener_open(struct tk_listener *l)
{
	struct sockaddr_storage a;
	socklen_t len = make_address(l, &a);
	int one = 1;

	if (l->fd >= 0)
		return;
	l->fd = socket(l->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		tk_die("no socket: %s", strerror(errno));
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (l->rcvbuf)
		setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &l->rcvbuf, sizeof(l->rcvbuf));
	if (bind(l->fd, (struct sockaddr *)&a, len) < 0 || listen(l->fd, 1024) < 0)
		tk_die("cannot listen: %s", strerror(errno));
	l->port = bound_port(l->fd);
	describe(l);
	l->event = event_new(l->base, l->fd, EV_READ | EV_PERSIST, on_accept, l);
	if (!l->event || event_add(l->event, NULL) < 0)
		tk_die("no event for a listener");
}

void
tk_listener_close(struct tk_listener *l)
{
	if (l->fd < 0)
		return;
	event_free(l->event);
	l->event = NULL;
	close(l->fd);
	l->fd = -1;
	if (l->family == AF_UNIX)
		unlink(l->path);
}

void
tk_listener_hold(struct tk_listener *l, int hold)
{
	if (l->fd < 0)
		return;
	if (hold)
		event_del(l->event);
	else
		event_add(l->event, NULL);
}
