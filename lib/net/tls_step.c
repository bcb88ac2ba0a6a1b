/* The TLS step: wraps the connected descriptor and hands it on when handshake and verification are
 * done. */
#include <stdio.h>
#include <string.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <mqev/reason.h>

#include "net/headroom.h"
#include "net/net.h"
#include "net/step.h"
#include "net/steps.h"
#include "net/tls.h"
#include "net/tls_link.h"

static bool
tls_wanted(const struct mqev_step_ctx *ctx)
{
	return ctx->endpoint->tls;
}

static void
tls_describe(const struct mqev_step_ctx *ctx, char *text, size_t size)
{
	static const char *const how[] = {
	    [MQEV_TLS_VERIFY_FULL] = "",
	    [MQEV_TLS_VERIFY_NO_HOST_NAME] = " (host name NOT verified)",
	    [MQEV_TLS_VERIFY_NONE] = " (certificate NOT verified)",
	};
	const struct mqev_tls *tls = ctx->config->tls;

	snprintf(text, size, "TLS handshake with %s:%u%s", ctx->host, ctx->port,
	    tls != NULL ? how[tls->options.verify] : "");
}

/* A cipher list of the user's may allow handshakes without any authentication, which OpenSSL does
 * not see as a fault of verification. */
static bool
authenticated(SSL *ssl, const struct mqev_tls *tls)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);

	return tls->options.verify == MQEV_TLS_VERIFY_NONE ||
	       (cipher != NULL && SSL_CIPHER_get_auth_nid(cipher) != NID_auth_null);
}

static void
fail(struct mqev_step_ctx *ctx, const struct mqev_net_error *error)
{
	struct mqev_tls_link *link = SSL_get_app_data((SSL *)ctx->conn.tls);

	link->tls->stats.failed++;
	ctx->net->stats.tls_failed++;
	if (link->entry != NULL)
		mqev_tls_entry_drop(link->tls->cache, link->entry);
	mqev_step_fail(ctx, error);
}

static void
succeed(struct mqev_step_ctx *ctx)
{
	SSL *ssl = ctx->conn.tls;
	struct mqev_tls_link *link = SSL_get_app_data(ssl);
	struct mqev_net_error error;

	if (!authenticated(ssl, link->tls)) {
		mqev_net_error_set(&error, MQEV_ERR_TLS, 0,
		    "TLS: the server chose a cipher without authentication");
		fail(ctx, &error);
		return;
	}
	ctx->conn.tls_resumed = SSL_session_reused(ssl) == 1;
	link->tls->stats.handshakes++;
	link->tls->stats.resumed += ctx->conn.tls_resumed;
	ctx->net->stats.tls_handshakes++;
	ctx->net->stats.tls_resumed += ctx->conn.tls_resumed;
	mqev_step_finish(ctx);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct mqev_step_ctx *ctx = arg;
	struct mqev_net_error error;

	if (!(what & BEV_EVENT_CONNECTED))
		mqev_tls_conn_error(&ctx->conn, what, &error);
	bufferevent_setcb(bev, NULL, NULL, NULL, NULL);
	bufferevent_disable(bev, EV_READ);
	if (what & BEV_EVENT_CONNECTED)
		succeed(ctx);
	else
		fail(ctx, &error);
}

struct mqev_tls *
mqev_tls_default(struct mqev_net *net, char *error_text, size_t error_size)
{
	if (net->default_tls == NULL)
		net->default_tls = mqev_tls_new(NULL, error_text, error_size);
	return net->default_tls;
}

/* The attempt's own, or the one that all attempts without options share. */
static struct mqev_tls *
configuration(struct mqev_step_ctx *ctx, struct mqev_net_error *error)
{
	struct mqev_tls *tls = ctx->config->tls;
	char why[100] = "";

	if (tls == NULL)
		tls = mqev_tls_default(ctx->net, why, sizeof(why));
	if (tls == NULL)
		mqev_net_error_set(error, MQEV_ERR_TLS, 0, "TLS: %s", why);
	return tls;
}

/* The SSL stays ours: libevent would free it a turn later than the link, and crashes when memory
 * runs out in the call itself. */
static void
wrap(struct mqev_step_ctx *ctx, SSL *ssl)
{
	struct mqev_conn *conn = &ctx->conn;

	if (mqev_net_headroom())
		conn->bev = bufferevent_openssl_socket_new(ctx->net->base, conn->fd, ssl,
		    BUFFEREVENT_SSL_CONNECTING, BEV_OPT_DEFER_CALLBACKS);
	if (conn->bev == NULL) {
		mqev_tls_link_end(ssl);
		SSL_free(ssl);
		mqev_step_fail_nomem(ctx);
		return;
	}
	conn->tls = ssl;
	conn->ops = &mqev_tls_conn_ops;
	conn->plain = false;
	bufferevent_setcb(conn->bev, NULL, NULL, on_event, ctx);
}

static void
tls_start(struct mqev_step_ctx *ctx)
{
	struct mqev_net_error error;
	struct mqev_tls *tls = configuration(ctx, &error);
	SSL *ssl = NULL;

	if (tls != NULL)
		ssl = mqev_tls_link_new(tls, ctx->conn.fd, ctx->endpoint->host, ctx->port, &error);
	if (ssl == NULL)
		mqev_step_fail(ctx, &error);
	else
		wrap(ctx, ssl);
}

/* A handshake that is broken off says nothing about its session, which is therefore kept. */
static void
tls_cancel(struct mqev_step_ctx *ctx)
{
	bufferevent_setcb(ctx->conn.bev, NULL, NULL, NULL, NULL);
}

const struct mqev_step mqev_tls_step = {
    .name = "TLS",
    .stage = MQEV_NET_TLS,
    .wanted = tls_wanted,
    .describe = tls_describe,
    .start = tls_start,
    .cancel = tls_cancel,
};
