/* The proxy step: carries the talk with a proxy over the dialled descriptor, to the byte. What is
 * said is the protocols' matter. */
#include "net/step.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/net.h"
#include "net/proxy_dialog.h"
#include "net/steps.h"

static const struct mqev_proxy_protocol *const protocols[] = {
    [MQEV_PROXY_HTTP] = &mqev_proxy_http,
    [MQEV_PROXY_SOCKS4] = &mqev_proxy_socks4,
    [MQEV_PROXY_SOCKS4A] = &mqev_proxy_socks4,
    [MQEV_PROXY_SOCKS5] = &mqev_proxy_socks5,
};

struct talk {
	struct mqev_step_ctx *ctx;
	const struct mqev_proxy_protocol *protocol;
	struct event event;
	size_t sent; /* of what is in out */
	struct mqev_proxy_dialog dialog;
};

const struct mqev_proxy_protocol *
mqev_proxy_protocol_of(const struct mqev_proxy *proxy)
{
	return protocols[proxy->type];
}

static void
talk_free(struct talk *talk)
{
	event_del(&talk->event);
	mqev_free(talk);
}

static void
talk_fail(struct talk *talk, int system_errno, const char *why)
{
	struct mqev_step_ctx *ctx = talk->ctx;
	struct mqev_net_error error;

	mqev_net_error_set(&error, MQEV_ERR_PROXY, system_errno, "proxy %s:%u%s%s", ctx->proxy.host,
	    ctx->proxy.port, why[0] != '\0' ? ": " : "", why);
	error.http_status = talk->dialog.http_status;
	talk_free(talk);
	mqev_step_fail(ctx, &error);
}

static void on_ready(evutil_socket_t fd, short what, void *arg);

static void
talk_fail_nomem(struct talk *talk)
{
	struct mqev_step_ctx *ctx = talk->ctx;

	talk_free(talk);
	mqev_step_fail_nomem(ctx);
}

static void
await(struct talk *talk, short events)
{
	event_assign(
	    &talk->event, talk->ctx->net->base, talk->ctx->conn.fd, events, on_ready, talk);
	if (event_add(&talk->event, NULL) < 0)
		talk_fail_nomem(talk);
}

/* true when all of out is on its way; otherwise the talk waits, or is over. */
static bool
send_out(struct talk *talk)
{
	struct mqev_proxy_dialog *d = &talk->dialog;

	while (talk->sent < d->out_len) {
		ssize_t n = send(
		    talk->ctx->conn.fd, d->out + talk->sent, d->out_len - talk->sent, MSG_NOSIGNAL);

		if (n >= 0) {
			talk->sent += (size_t)n;
		} else if (errno == EAGAIN) {
			await(talk, EV_WRITE);
			return false;
		} else if (errno != EINTR) {
			talk_fail(talk, errno, "send");
			return false;
		}
	}
	return true;
}

/* What the verdict leads to; true when there may be more to read at once. */
static bool
obey(struct talk *talk, enum mqev_proxy_verdict verdict)
{
	struct mqev_step_ctx *ctx = talk->ctx;

	switch (verdict) {
	case MQEV_PROXY_MORE:
		return true;
	case MQEV_PROXY_SEND:
		talk->sent = 0;
		return send_out(talk);
	case MQEV_PROXY_DONE:
		talk_free(talk);
		mqev_step_finish(ctx);
		return false;
	case MQEV_PROXY_FAILED:
		break;
	}
	talk_fail(talk, 0, talk->dialog.why);
	return false;
}

/* Looks at what came, then takes off the descriptor only what is the proxy's. 1, 0 when nothing is
 * there yet, -1 when the talk is over. */
static int
receive(struct talk *talk)
{
	struct mqev_proxy_dialog *d = &talk->dialog;
	int fd = talk->ctx->conn.fd;
	uint8_t *at = d->in + d->in_len;
	ssize_t n = recv(fd, at, sizeof d->in - d->in_len, MSG_PEEK);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0)
		n = recv(fd, at, talk->protocol->take(d, (size_t)n), 0);
	if (n > 0) {
		d->in_len += (size_t)n;
		return 1;
	}
	talk_fail(talk, n < 0 ? errno : 0, n < 0 ? "receive" : "it closed the connection");
	return -1;
}

static void
talk_on(struct talk *talk)
{
	int rc;

	while ((rc = receive(talk)) > 0) {
		if (!obey(talk, talk->protocol->judge(&talk->dialog)))
			return;
	}
	if (rc == 0)
		await(talk, EV_READ);
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct talk *talk = arg;

	(void)fd;
	if ((what & EV_WRITE) != 0 && !send_out(talk))
		return;
	talk_on(talk);
}

/* The step ------------------------------------------------------------------------------------- */

/* The server's address for the proxy, IPv4 for SOCKS4 if it has one; NULL when the proxy gets the
 * name. */
static const struct mqev_addr *
target_addr(const struct mqev_step_ctx *ctx)
{
	const struct mqev_addrs *addrs = ctx->target_addrs;
	size_t i;

	if (addrs == NULL)
		return NULL;
	for (i = 0; i < addrs->count && ctx->proxy.type == MQEV_PROXY_SOCKS4; i++) {
		if (addrs->at[i].u.sa.sa_family == AF_INET)
			return &addrs->at[i];
	}
	return &addrs->at[0];
}

static bool
proxy_wanted(const struct mqev_step_ctx *ctx)
{
	return ctx->proxy.type != MQEV_PROXY_NONE;
}

static void
proxy_describe(const struct mqev_step_ctx *ctx, char *text, size_t size)
{
	snprintf(text, size, "ask proxy %s:%u for %s:%u", ctx->proxy.host, ctx->proxy.port,
	    ctx->host, ctx->port);
}

static void
proxy_start(struct mqev_step_ctx *ctx)
{
	struct talk *talk = mqev_calloc(1, sizeof *talk);

	if (talk == NULL) {
		mqev_step_fail_nomem(ctx);
		return;
	}
	ctx->state = talk;
	talk->ctx = ctx;
	talk->protocol = mqev_proxy_protocol_of(&ctx->proxy);
	talk->dialog.proxy = &ctx->proxy;
	talk->dialog.host = ctx->host;
	talk->dialog.port = ctx->port;
	talk->dialog.addr = target_addr(ctx);
	event_assign(&talk->event, ctx->net->base, ctx->conn.fd, 0, on_ready, talk);
	if (obey(talk, talk->protocol->begin(&talk->dialog)))
		await(talk, EV_READ);
}

static void
proxy_cancel(struct mqev_step_ctx *ctx)
{
	talk_free(ctx->state);
}

const struct mqev_step mqev_proxy_step = {
    .name = "proxy",
    .stage = MQEV_NET_PROXY,
    .wanted = proxy_wanted,
    .describe = proxy_describe,
    .start = proxy_start,
    .cancel = proxy_cancel,
};
