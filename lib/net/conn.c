/* Links: the plain one over a bare socket, and what is common to all. Layers above have files of
 * their own. */
#include "net/transport.h"

#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

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
plain_close(struct mqev_conn *conn)
{
	bufferevent_disable(conn->bev, EV_READ | EV_WRITE);
	bufferevent_setfd(conn->bev, -1);
	bufferevent_free(conn->bev);
	evutil_closesocket(conn->fd);
}

static const struct mqev_conn_ops plain_ops = {
    .unsent = plain_unsent,
    .shutdown = plain_shutdown,
    .close = plain_close,
};

static bool
plain_wanted(const struct mqev_step_ctx *ctx)
{
	return !ctx->endpoint->tls;
}

static void
plain_start(struct mqev_step_ctx *ctx)
{
	struct mqev_conn *conn = &ctx->conn;

	conn->bev = bufferevent_socket_new(ctx->net->base, conn->fd, BEV_OPT_DEFER_CALLBACKS);
	if (conn->bev == NULL) {
		mqev_step_fail_nomem(ctx);
		return;
	}
	conn->ops = &plain_ops;
	conn->plain = !ctx->endpoint->websocket;
	bufferevent_disable(conn->bev, EV_READ);
	bufferevent_set_max_single_write(conn->bev, MAX_SINGLE_WRITE);
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
