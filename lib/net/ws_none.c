/* What stands for the WebSocket step in a build without wslay: the refusal. */
#include <mqev/reason.h>

#include "net/step.h"
#include "net/steps.h"
#include "net/ws.h"

bool
mqev_ws_supported(void)
{
	return false;
}

void
mqev_ws_resume(struct mqev_conn *conn)
{
	(void)conn;
}

bool
mqev_ws_conn_error(const struct mqev_conn *conn, struct mqev_net_error *error)
{
	(void)conn;
	(void)error;
	return false;
}

static bool
ws_wanted(const struct mqev_step_ctx *ctx)
{
	return ctx->endpoint->websocket;
}

static void
ws_start(struct mqev_step_ctx *ctx)
{
	struct mqev_net_error error;

	mqev_net_error_set(
	    &error, MQEV_ERR_UNSUPPORTED, 0, "WebSocket: this build was made without wslay");
	mqev_step_fail(ctx, &error);
}

static void
ws_cancel(struct mqev_step_ctx *ctx)
{
	(void)ctx;
}

const struct mqev_step mqev_websocket_step = {
    .name = "WebSocket",
    .stage = MQEV_NET_WEBSOCKET,
    .wanted = ws_wanted,
    .start = ws_start,
    .cancel = ws_cancel,
};
