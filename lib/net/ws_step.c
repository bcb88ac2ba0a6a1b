/* The WebSocket step: asks for the upgrade over the plain or TLS bufferevent, then pushes the
 * filter. */
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/step.h"
#include "net/steps.h"
#include "net/tls.h"
#include "net/ws.h"

#define DEFAULT_SUBPROTOCOL "mqtt"
#define DEFAULT_MAX_FRAME 268435460u /* the largest MQTT packet */

struct upgrade {
	struct mqev_websocket_request request;
	struct mqev_ws_answer answer;
	char key[MQEV_WS_KEY_SIZE];
};

bool
mqev_ws_supported(void)
{
	return true;
}

static bool
ws_wanted(const struct mqev_step_ctx *ctx)
{
	return ctx->endpoint->websocket;
}

static void
ws_describe(const struct mqev_step_ctx *ctx, char *text, size_t size)
{
	snprintf(text, size, "WebSocket upgrade at %s:%u", ctx->host, ctx->port);
}

static const char *
subprotocol_of(const struct mqev_step_ctx *ctx)
{
	const struct mqev_websocket_options *o = ctx->config->websocket;

	return o != NULL && o->subprotocol != NULL ? o->subprotocol : DEFAULT_SUBPROTOCOL;
}

static uint64_t
max_frame_of(const struct mqev_step_ctx *ctx)
{
	const struct mqev_websocket_options *o = ctx->config->websocket;

	return o != NULL && o->max_frame_bytes != 0 ? o->max_frame_bytes : DEFAULT_MAX_FRAME;
}

static void
release(struct mqev_step_ctx *ctx)
{
	struct upgrade *upgrade = ctx->state;

	ctx->state = NULL;
	if (ctx->conn.bev != NULL) {
		bufferevent_setcb(ctx->conn.bev, NULL, NULL, NULL, NULL);
		bufferevent_disable(ctx->conn.bev, EV_READ);
	}
	if (upgrade == NULL)
		return;
	mqev_ws_request_clear(&upgrade->request);
	mqev_free(upgrade);
}

static void
fail(struct mqev_step_ctx *ctx, const struct mqev_net_error *error)
{
	release(ctx);
	mqev_step_fail(ctx, error);
}

static void
fail_code(struct mqev_step_ctx *ctx, int code, const char *why)
{
	struct mqev_net_error error;

	mqev_net_error_set(&error, code, 0, "WebSocket upgrade: %s", why);
	fail(ctx, &error);
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct mqev_step_ctx *ctx = arg;
	struct upgrade *upgrade = ctx->state;
	struct mqev_net_error error;
	int rc = mqev_ws_answer_read(&upgrade->answer, bufferevent_get_input(bev), &error);

	if (rc < 0) {
		fail(ctx, &error);
		return;
	}
	if (rc == 0)
		return;
	release(ctx);
	if (mqev_ws_push(&ctx->conn, max_frame_of(ctx)) < 0)
		mqev_step_fail_nomem(ctx);
	else
		mqev_step_finish(ctx);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct mqev_step_ctx *ctx = arg;
	int system_errno = EVUTIL_SOCKET_ERROR();
	struct mqev_net_error error;

	(void)bev;
	if (what & BEV_EVENT_EOF)
		mqev_net_error_set(&error, MQEV_ERR_WEBSOCKET, 0,
		    "WebSocket upgrade: the server closed the connection");
	else if (ctx->conn.tls != NULL)
		mqev_tls_conn_error(&ctx->conn, what, &error);
	else
		mqev_net_error_set(&error, MQEV_ERR_SYSTEM, system_errno, "WebSocket upgrade");
	fail(ctx, &error);
}

static int
send_request(struct mqev_step_ctx *ctx)
{
	struct upgrade *upgrade = ctx->state;
	struct bufferevent *bev = ctx->conn.bev;
	const char *subprotocol = subprotocol_of(ctx);
	int rc;

	if (mqev_ws_make_key(upgrade->key) < 0 ||
	    mqev_ws_answer_init(&upgrade->answer, upgrade->key, subprotocol) < 0)
		return MQEV_ERR_UNSUPPORTED;
	bufferevent_setcb(bev, on_read, NULL, on_event, ctx);
	rc = mqev_ws_request_write(
	    &upgrade->request, upgrade->key, subprotocol, bufferevent_get_output(bev));
	if (rc == 0 && bufferevent_enable(bev, EV_READ | EV_WRITE) < 0)
		rc = MQEV_ERR_NOMEM;
	return rc;
}

/* false: the attempt was cancelled in the callback. */
static bool
prepare(struct mqev_step_ctx *ctx, int *rc)
{
	const struct mqev_websocket_options *o = ctx->config->websocket;
	struct upgrade *upgrade = ctx->state;

	if (o == NULL || o->on_prepare == NULL)
		return true;
	mqev_step_enter(ctx);
	*rc = o->on_prepare(&upgrade->request, o->prepare_arg);
	return mqev_step_leave(ctx);
}

static void
ws_start(struct mqev_step_ctx *ctx)
{
	const struct mqev_endpoint *endpoint = ctx->endpoint;
	const char *host = endpoint->unix_socket ? "localhost" : endpoint->host;
	struct upgrade *upgrade = ctx->state = mqev_calloc(1, sizeof(*upgrade));
	int rc;

	if (upgrade == NULL) {
		mqev_step_fail_nomem(ctx);
		return;
	}
	rc = mqev_ws_request_init(&upgrade->request, host, ctx->port, endpoint->tls, endpoint->path,
	    ctx->config->websocket);
	if (rc < 0) {
		fail_code(ctx, rc, "path or headers cannot be sent");
		return;
	}
	if (!prepare(ctx, &rc))
		return;
	if (rc < 0)
		fail_code(ctx, rc, "given up by on_prepare");
	else if ((rc = send_request(ctx)) < 0)
		fail_code(ctx, rc, mqev_error_text(rc));
}

static void
ws_cancel(struct mqev_step_ctx *ctx)
{
	release(ctx);
}

const struct mqev_step mqev_websocket_step = {
    .name = "WebSocket",
    .stage = MQEV_NET_WEBSOCKET,
    .wanted = ws_wanted,
    .describe = ws_describe,
    .start = ws_start,
    .cancel = ws_cancel,
};
