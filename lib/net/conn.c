/* Links: the plain one over a bare socket, parked or not, and what is common to all. Layers above
 * have files of their own. */
#include "net/transport.h"

#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "net/headroom.h"
#include "net/net.h"
#include "net/step.h"
#include "net/steps.h"

#define MAX_SINGLE_WRITE (256 * 1024)

void
mqev_conn_init(struct mqev_conn *conn)
{
	memset(conn, 0, sizeof *conn);
	conn->fd = -1;
}

size_t
mqev_conn_unsent(const struct mqev_conn *conn)
{
	return conn->ops != NULL ? conn->ops->unsent(conn) : 0;
}

void
mqev_conn_shutdown(struct mqev_conn *conn)
{
	if (conn->ops != NULL)
		conn->ops->shutdown(conn);
}

void
mqev_conn_close(struct mqev_conn *conn)
{
	if (conn->ops != NULL)
		conn->ops->close(conn);
	else if (conn->fd >= 0)
		evutil_closesocket(conn->fd);
	mqev_conn_init(conn);
}

static size_t
plain_unsent(const struct mqev_conn *conn)
{
	return evbuffer_get_length(bufferevent_get_output(conn->bev));
}

static void
plain_shutdown(struct mqev_conn *conn)
{
	(void)shutdown(conn->fd, SHUT_WR);
}

/*
 * A deferred callback may still hold the bufferevent after the free, so the descriptor is taken
 * from it first: it leaves the event loop and is closed here and now.
 */
static void
free_bufferevent(struct mqev_conn *conn)
{
	bufferevent_disable(conn->bev, EV_READ | EV_WRITE);
	bufferevent_setfd(conn->bev, -1);
	bufferevent_free(conn->bev);
	conn->bev = NULL;
}

static void
plain_close(struct mqev_conn *conn)
{
	free_bufferevent(conn);
	evutil_closesocket(conn->fd);
}

static ssize_t
plain_read(struct mqev_conn *conn, void *data, size_t size, size_t *len)
{
	ssize_t n = recv(conn->fd, data, size, 0);

	*len = n > 0 ? (size_t)n : 0;
	return n;
}

static bool
plain_has_more(const struct mqev_conn *conn, size_t taken)
{
	(void)conn;
	return taken >= MQEV_LIBEVENT_READ;
}

static const struct mqev_conn_ops plain_ops = {
    .unsent = plain_unsent,
    .shutdown = plain_shutdown,
    .close = plain_close,
    .read = plain_read,
    .has_more = plain_has_more,
};

static bool
plain_wanted(const struct mqev_step_ctx *ctx)
{
	return !ctx->endpoint->tls;
}

/* A layer above calls from within our calls if it is let; the socket alone only from the loop, and
 * there at once is best: what was read is still in the processor's caches. */
static bool
make_bufferevent(struct mqev_conn *conn, struct event_base *base)
{
	conn->bev =
	    bufferevent_socket_new(base, conn->fd, conn->plain ? 0 : BEV_OPT_DEFER_CALLBACKS);
	if (conn->bev == NULL)
		return false;
	conn->ops = &plain_ops;
	bufferevent_set_max_single_write(conn->bev, MAX_SINGLE_WRITE);
	return true;
}

static void
plain_start(struct mqev_step_ctx *ctx)
{
	struct mqev_conn *conn = &ctx->conn;

	conn->plain = !ctx->endpoint->websocket;
	if (!make_bufferevent(conn, ctx->net->base)) {
		mqev_step_fail_nomem(ctx);
		return;
	}
	mqev_step_finish(ctx);
}

/* Never waits for anything, so there is nothing to cancel. */
static void
plain_cancel(struct mqev_step_ctx *ctx)
{
	(void)ctx;
}

const struct mqev_step mqev_plain_step = {
    .name = "plain",
    .stage = MQEV_NET_DIAL,
    .wanted = plain_wanted,
    .start = plain_start,
    .cancel = plain_cancel,
};

/* --- parked -----------------------------------------------------------------------------------
 */

static size_t
parked_unsent(const struct mqev_conn *conn)
{
	(void)conn;
	return 0;
}

static void
parked_close(struct mqev_conn *conn)
{
	event_free(conn->layer);
	evutil_closesocket(conn->fd);
}

static const struct mqev_conn_ops parked_ops = {
    .unsent = parked_unsent,
    .shutdown = plain_shutdown,
    .close = parked_close,
    .read = plain_read,
    .has_more = plain_has_more,
};

static bool
is_drained(struct bufferevent *bev)
{
	return evbuffer_get_length(bufferevent_get_input(bev)) == 0 &&
	       evbuffer_get_length(bufferevent_get_output(bev)) == 0;
}

/* The new one waits for the socket before the old one ceases to: the kernel hears of neither. */
bool
mqev_conn_park(struct mqev_conn *conn, event_callback_fn readable, void *arg)
{
	struct event *event;

	if (!conn->plain || mqev_conn_is_parked(conn) || !is_drained(conn->bev))
		return false;
	event = event_new(
	    bufferevent_get_base(conn->bev), conn->fd, EV_READ | EV_PERSIST, readable, arg);
	if (event == NULL)
		return false;
	if (event_add(event, NULL) != 0) {
		event_free(event);
		return false;
	}
	free_bufferevent(conn);
	conn->layer = event;
	conn->ops = &parked_ops;
	return true;
}

bool
mqev_conn_unpark(struct mqev_conn *conn)
{
	struct event *event = conn->layer;

	/* libevent takes no notice when it lacks memory for the callback by which it writes. */
	if (!mqev_net_headroom() || !make_bufferevent(conn, event_get_base(event)))
		return false;
	conn->layer = NULL;
	bufferevent_enable(conn->bev, EV_READ);
	event_free(event);
	return true;
}
