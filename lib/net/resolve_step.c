/* The steps that ask the resolver: SRV records of a domain, addresses of what is dialled, addresses
 * for a proxy that wants no names. */
#include "net/step.h"

#include <stdio.h>
#include <string.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/resolve.h"
#include "net/steps.h"

static void
lookup_cancel(struct mqev_step_ctx *ctx)
{
	mqev_lookup_cancel(ctx->state);
}

static void
lookup_started(struct mqev_step_ctx *ctx, struct mqev_lookup *lookup)
{
	ctx->state = lookup;
	if (lookup == NULL)
		mqev_step_fail_nomem(ctx);
}

/* SRV ------------------------------------------------------------------------------------------ */

static bool
srv_wanted(const struct mqev_step_ctx *ctx)
{
	return ctx->endpoint->srv;
}

static void
srv_name(const struct mqev_step_ctx *ctx, char *text, size_t size)
{
	snprintf(text, size, "_%s._tcp.%s", ctx->endpoint->tls ? "secure-mqtt" : "mqtt",
	    ctx->endpoint->host);
}

static void
srv_describe(const struct mqev_step_ctx *ctx, char *text, size_t size)
{
	char name[288];

	srv_name(ctx, name, sizeof name);
	snprintf(text, size, "look up servers of %s", name);
}

static void
on_srv(const struct mqev_answer *answer, void *arg)
{
	struct mqev_step_ctx *ctx = arg;
	struct mqev_srvs *targets;

	if (answer->error != NULL) {
		mqev_step_fail(ctx, answer->error);
		return;
	}
	targets = mqev_memdup(
	    answer->srvs, sizeof *targets + answer->srvs->count * sizeof targets->at[0]);
	if (targets == NULL) {
		mqev_step_fail_nomem(ctx);
		return;
	}
	mqev_srvs_sort(targets);
	ctx->targets = targets;
	mqev_step_set_target(ctx, 0);
	mqev_step_finish(ctx);
}

static void
srv_start(struct mqev_step_ctx *ctx)
{
	char name[288];

	srv_name(ctx, name, sizeof name);
	lookup_started(ctx, mqev_lookup_srv(ctx->net, name, on_srv, ctx));
}

const struct mqev_step mqev_srv_step = {
    .name = "servers",
    .stage = MQEV_NET_RESOLVE,
    .wanted = srv_wanted,
    .describe = srv_describe,
    .start = srv_start,
    .cancel = lookup_cancel,
};

/* Addresses ------------------------------------------------------------------------------------ */

/* A list of the attempt's own, with the port in it; NULL when memory ran out, and then the step has
 * failed. */
static struct mqev_addrs *
take_addrs(struct mqev_step_ctx *ctx, const struct mqev_answer *answer, uint16_t port)
{
	struct mqev_addrs *addrs;
	size_t i;

	if (answer->error != NULL) {
		mqev_step_fail(ctx, answer->error);
		return NULL;
	}
	addrs =
	    mqev_memdup(answer->addrs, sizeof *addrs + answer->addrs->count * sizeof addrs->at[0]);
	if (addrs == NULL) {
		mqev_step_fail_nomem(ctx);
		return NULL;
	}
	for (i = 0; i < addrs->count; i++)
		mqev_addr_set_port(&addrs->at[i], port);
	return addrs;
}

static bool
resolve_wanted(const struct mqev_step_ctx *ctx)
{
	return !ctx->endpoint->unix_socket;
}

static bool
proxied(const struct mqev_step_ctx *ctx)
{
	return ctx->proxy.type != MQEV_PROXY_NONE;
}

/* What is dialled: the proxy where there is one. */
static const char *
dialled_host(const struct mqev_step_ctx *ctx)
{
	return proxied(ctx) ? ctx->proxy.host : ctx->host;
}

static void
resolve_describe(const struct mqev_step_ctx *ctx, char *text, size_t size)
{
	snprintf(text, size, "resolve %s%s", proxied(ctx) ? "proxy " : "", dialled_host(ctx));
}

static void
on_addrs(const struct mqev_answer *answer, void *arg)
{
	struct mqev_step_ctx *ctx = arg;

	ctx->addrs = take_addrs(ctx, answer, proxied(ctx) ? ctx->proxy.port : ctx->port);
	if (ctx->addrs != NULL)
		mqev_step_finish(ctx);
}

/* A literal address is its own answer; false: it is none. */
static bool
take_literal(struct mqev_step_ctx *ctx)
{
	struct mqev_addr addr;

	if (!mqev_addr_parse(dialled_host(ctx), proxied(ctx) ? ctx->proxy.port : ctx->port, &addr))
		return false;
	ctx->addrs = mqev_addrs_new(1);
	if (ctx->addrs == NULL) {
		mqev_step_fail_nomem(ctx);
		return true;
	}
	ctx->addrs->at[0] = addr;
	mqev_step_finish(ctx);
	return true;
}

static void
resolve_start(struct mqev_step_ctx *ctx)
{
	if (take_literal(ctx))
		return;
	lookup_started(ctx, mqev_lookup_host(ctx->net, dialled_host(ctx), on_addrs, ctx));
}

const struct mqev_step mqev_resolve_step = {
    .name = "resolve",
    .stage = MQEV_NET_RESOLVE,
    .wanted = resolve_wanted,
    .describe = resolve_describe,
    .start = resolve_start,
    .cancel = lookup_cancel,
};

/* Addresses for a proxy ------------------------------------------------------------------------ */

static bool
target_wanted(const struct mqev_step_ctx *ctx)
{
	return proxied(ctx) && ctx->proxy.resolve_here;
}

static void
target_describe(const struct mqev_step_ctx *ctx, char *text, size_t size)
{
	snprintf(text, size, "resolve %s", ctx->host);
}

static void
on_target_addrs(const struct mqev_answer *answer, void *arg)
{
	struct mqev_step_ctx *ctx = arg;

	ctx->target_addrs = take_addrs(ctx, answer, ctx->port);
	if (ctx->target_addrs != NULL)
		mqev_step_finish(ctx);
}

static void
target_start(struct mqev_step_ctx *ctx)
{
	lookup_started(ctx, mqev_lookup_host(ctx->net, ctx->host, on_target_addrs, ctx));
}

const struct mqev_step mqev_resolve_target_step = {
    .name = "resolve",
    .stage = MQEV_NET_RESOLVE,
    .wanted = target_wanted,
    .describe = target_describe,
    .start = target_start,
    .cancel = lookup_cancel,
};
