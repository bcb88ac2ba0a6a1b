/* The relay: two bufferevents for each connection. */
#include "broker/relay.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "lib/bytes.h"

struct pair {
	struct relay *relay;
	struct bufferevent *client;
	struct bufferevent *broker;
	LIST_ENTRY(pair) entry;
};

struct relay {
	struct event_base *base;
	struct evconnlistener *listener;
	struct sockaddr_in broker;
	LIST_HEAD(, pair) pairs;
	char url[40];
	size_t up, down;
	bool holds_down;
};

static void
drop(struct pair *p)
{
	LIST_REMOVE(p, entry);
	bufferevent_free(p->client);
	bufferevent_free(p->broker);
	free(p);
}

static void
carry(struct bufferevent *from, struct bufferevent *to, size_t *count)
{
	struct evbuffer *in = bufferevent_get_input(from);

	*count += evbuffer_get_length(in);
	evbuffer_add_buffer(bufferevent_get_output(to), in);
}

static void
from_client(struct bufferevent *bev, void *arg)
{
	struct pair *p = arg;

	carry(bev, p->broker, &p->relay->up);
}

static void
from_broker(struct bufferevent *bev, void *arg)
{
	struct pair *p = arg;

	if (!p->relay->holds_down)
		carry(bev, p->client, &p->relay->down);
}

/* What was read before the end is carried on first. */
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct pair *p = arg;
	struct bufferevent *other = bev == p->client ? p->broker : p->client;
	struct evbuffer *out = bufferevent_get_output(other);

	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0)
		return;
	if (bufferevent_getfd(other) >= 0)
		evbuffer_write(out, bufferevent_getfd(other));
	drop(p);
}

static void
on_accept(
    struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int len, void *arg)
{
	struct relay *r = arg;
	struct pair *p = tk_calloc(1, sizeof(*p));

	(void)listener;
	(void)from;
	(void)len;
	p->relay = r;
	p->client = bufferevent_socket_new(r->base, fd, BEV_OPT_CLOSE_ON_FREE);
	p->broker = bufferevent_socket_new(r->base, -1, BEV_OPT_CLOSE_ON_FREE);
	LIST_INSERT_HEAD(&r->pairs, p, entry);
	bufferevent_setcb(p->client, from_client, NULL, on_event, p);
	bufferevent_setcb(p->broker, from_broker, NULL, on_event, p);
	bufferevent_enable(p->client, EV_READ | EV_WRITE);
	bufferevent_enable(p->broker, EV_READ | EV_WRITE);
	if (bufferevent_socket_connect(
		p->broker, (struct sockaddr *)&r->broker, sizeof(r->broker)) < 0)
		tk_die("the relay cannot connect");
}

static struct sockaddr_in
loopback(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

struct relay *
relay_new(struct event_base *base, int broker_port)
{
	struct relay *r = tk_calloc(1, sizeof(*r));
	struct sockaddr_in a = loopback(0);
	socklen_t len = sizeof(a);

	r->base = base;
	r->broker = loopback(broker_port);
	LIST_INIT(&r->pairs);
	r->listener = evconnlistener_new_bind(base, on_accept, r,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1, (struct sockaddr *)&a, sizeof(a));
	if (r->listener == NULL ||
	    getsockname(evconnlistener_get_fd(r->listener), (struct sockaddr *)&a, &len) < 0)
		tk_die("the relay cannot listen");
	snprintf(r->url, sizeof(r->url), "mqtt://127.0.0.1:%d", ntohs(a.sin_port));
	return r;
}

void
relay_free(struct relay *r)
{
	if (r == NULL)
		return;
	relay_cut(r);
	evconnlistener_free(r->listener);
	free(r);
}

const char *
relay_url(const struct relay *r)
{
	return r->url;
}

void
relay_hold_down(struct relay *r, bool on)
{
	struct pair *p;

	r->holds_down = on;
	if (on)
		return;
	LIST_FOREACH(p, &r->pairs, entry)
	from_broker(p->broker, p);
}

static void
reset(struct bufferevent *bev)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	evutil_socket_t fd = bufferevent_getfd(bev);

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void
relay_cut(struct relay *r)
{
	while (!LIST_EMPTY(&r->pairs)) {
		struct pair *p = LIST_FIRST(&r->pairs);

		reset(p->client);
		reset(p->broker);
		drop(p);
	}
}

size_t
relay_up(const struct relay *r)
{
	return r->up;
}

size_t
relay_down(const struct relay *r)
{
	return r->down;
}
