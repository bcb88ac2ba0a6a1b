/* Runs the steps of an attempt one after the other, each within its deadline, and hands over what
 * came of them. The steps are elsewhere. */
#include "net/transport.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/net.h"
#include "net/proxy.h"
#include "net/resolve.h"
#include "net/sockopt.h"
#include "net/step.h"
#include "net/steps.h"
#include "port/port.h"

/* In the order in which they are run. A step that an attempt does not want is passed over. */
static const struct mqev_step *const steps[] = {
    &mqev_srv_step,
    &mqev_resolve_step,
    &mqev_resolve_target_step,
    &mqev_dial_step,
    &mqev_proxy_step,
    &mqev_plain_step,
    &mqev_tls_step,
    &mqev_websocket_step,
};

#define STEP_COUNT (sizeof steps / sizeof steps[0])

/* Where an attempt that goes on with another SRV target begins again. */
#define FIRST_STEP_OF_TARGET 1

static const struct {
	size_t offset; /* of a uint32_t in the configuration */
	uint32_t default_ms;
} stage_deadlines[] = {
    [MQEV_NET_RESOLVE] = {offsetof(struct mqev_transport_config, resolve_ms), 10000},
    [MQEV_NET_DIAL] = {0, 0}, /* each address has its own, which the dial step keeps */
    [MQEV_NET_PROXY] = {offsetof(struct mqev_transport_config, proxy_ms), 10000},
    [MQEV_NET_TLS] = {offsetof(struct mqev_transport_config, tls_ms), 15000},
    [MQEV_NET_WEBSOCKET] = {offsetof(struct mqev_transport_config, websocket_ms), 10000},
};

#define DEFAULT_TOTAL_MS 60000

enum verdict {
	VERDICT_NONE,	  /* the step is running; next: FINISHED, FAILED */
	VERDICT_FINISHED, /* next: NONE with the next step, or the end */
	VERDICT_FAILED	  /* next: NONE with the next target, or the end */
};

struct mqev_transport {
	struct mqev_step_ctx ctx; /* first: steps are given its address */
	size_t step;
	bool running;	     /* a step has started and not ended */
	bool starting;	     /* its start has not returned yet */
	bool timed;	     /* the timer is set */
	bool timed_in_total; /* for the deadline of all steps, not for that of this one */
	enum verdict verdict;
	struct mqev_net_error error;
	unsigned entered; /* depth of calls of the application from here */
	bool cancelled;	  /* while entered */
	uint64_t due_ms;  /* when all of it must have ended */
	struct event advance, timer;
	mqev_transport_done *done;
	mqev_transport_progress *progress;
	void *arg;
};

static struct mqev_transport *
transport_of(struct mqev_step_ctx *ctx)
{
	return (struct mqev_transport *)ctx;
}

static void
add_system_text(struct mqev_net_error *error)
{
	size_t len = strlen(error->text);

	if (error->system_errno == 0 || len + 2 >= sizeof error->text)
		return;
	memcpy(error->text + len, ": ", 2);
	mqev_port_strerror(
	    error->system_errno, error->text + len + 2, sizeof error->text - len - 2);
}

void
mqev_net_error_set(
    struct mqev_net_error *error, int code, int system_errno, const char *format, ...)
{
	va_list ap;

	memset(error, 0, sizeof *error);
	error->error = code;
	error->system_errno = system_errno;
	va_start(ap, format);
	vsnprintf(error->text, sizeof error->text, format, ap);
	va_end(ap);
	add_system_text(error);
}

void
mqev_net_error_say(struct mqev_net_error *error, int code, int system_errno, const char *text)
{
	size_t len = strlen(text);

	memset(error, 0, sizeof *error);
	error->error = code;
	error->system_errno = system_errno;
	if (len >= sizeof error->text)
		len = sizeof error->text - 1;
	memcpy(error->text, text, len);
	add_system_text(error);
}

/* Deadlines ------------------------------------------------------------------------------------ */

static uint32_t
stage_ms(const struct mqev_transport *t, enum mqev_net_stage stage)
{
	const char *config = (const char *)t->ctx.config;
	uint32_t ms;

	if (stage_deadlines[stage].default_ms == 0)
		return 0;
	memcpy(&ms, config + stage_deadlines[stage].offset, sizeof ms);
	return ms != 0 ? ms : stage_deadlines[stage].default_ms;
}

static uint32_t
total_ms(const struct mqev_transport *t)
{
	return t->ctx.config->total_ms != 0 ? t->ctx.config->total_ms : DEFAULT_TOTAL_MS;
}

static int
arm(struct mqev_transport *t, uint64_t ms)
{
	struct timeval tv = {
	    .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};

	t->timed = event_add(&t->timer, &tv) == 0;
	return t->timed ? 0 : -1;
}

static void
disarm(struct mqev_transport *t)
{
	if (t->timed)
		event_del(&t->timer);
	t->timed = false;
}

/* The end of an attempt ------------------------------------------------------------------------ */

static void
stop_step(struct mqev_transport *t)
{
	if (t->running)
		steps[t->step]->cancel(&t->ctx);
	t->running = false;
	t->ctx.state = NULL;
	disarm(t);
}

static void
drop_link(struct mqev_transport *t)
{
	mqev_conn_close(&t->ctx.conn);
	mqev_free(t->ctx.addrs);
	mqev_free(t->ctx.target_addrs);
	t->ctx.addrs = NULL;
	t->ctx.target_addrs = NULL;
}

static void
transport_free(struct mqev_transport *t)
{
	stop_step(t);
	drop_link(t);
	event_del(&t->advance);
	mqev_free(t->ctx.targets);
	mqev_free(t);
}

static void
end_with_error(struct mqev_transport *t)
{
	struct mqev_net_error error = t->error;
	mqev_transport_done *done = t->done;
	void *arg = t->arg;

	mqev_net_trim(t->ctx.net, mqev_port_now_ms());
	transport_free(t);
	done(NULL, &error, arg);
}

static void
end_with_link(struct mqev_transport *t)
{
	struct mqev_conn conn = t->ctx.conn;
	mqev_transport_done *done = t->done;
	void *arg = t->arg;

	mqev_conn_init(&t->ctx.conn);
	transport_free(t);
	done(&conn, NULL, arg);
}

/* Whatever the table of steps holds: what was to be encrypted or framed is never handed over plain.
 */
static bool
link_is_as_wanted(const struct mqev_transport *t)
{
	const struct mqev_conn *conn = &t->ctx.conn;

	return conn->bev != NULL && (conn->tls != NULL) == t->ctx.endpoint->tls &&
	       (conn->layer != NULL) == t->ctx.endpoint->websocket;
}

/* From step to step ---------------------------------------------------------------------------- */

void
mqev_step_enter(struct mqev_step_ctx *ctx)
{
	transport_of(ctx)->entered++;
}

bool
mqev_step_leave(struct mqev_step_ctx *ctx)
{
	struct mqev_transport *t = transport_of(ctx);

	t->entered--;
	if (!t->cancelled)
		return true;
	if (t->entered == 0)
		transport_free(t);
	return false;
}

void
mqev_transport_describe(const struct mqev_transport *t, char *text, size_t size)
{
	const struct mqev_step *step = steps[t->step];

	snprintf(text, size, "%s", step->name);
	if (step->describe != NULL)
		step->describe(&t->ctx, text, size);
}

/* Tells what is begun; false when the listener ended the attempt. */
static bool
report(struct mqev_transport *t, const struct mqev_step *step)
{
	if (t->progress == NULL || step->describe == NULL)
		return true;
	mqev_step_enter(&t->ctx);
	t->progress(t, step->stage, t->arg);
	return mqev_step_leave(&t->ctx);
}

static void run_from(struct mqev_transport *t, size_t step);

/* Who finishes at once needs no turn of the loop. False: the attempt was ended meanwhile. */
static bool
step_in(struct mqev_transport *t, const struct mqev_step *step)
{
	mqev_step_enter(&t->ctx);
	t->starting = true;
	step->start(&t->ctx);
	t->starting = false;
	return mqev_step_leave(&t->ctx);
}

/* Who has to wait is given its time. One timer does for both deadlines, and none is set where the
 * step sees to its time itself. */
static void
set_deadline(struct mqev_transport *t, const struct mqev_step *step)
{
	uint64_t now = mqev_port_now_ms();
	uint64_t left = t->due_ms > now ? t->due_ms - now : 0;
	uint32_t ms = stage_ms(t, step->stage);

	if (step->longest_ms != NULL && step->longest_ms(&t->ctx) <= left)
		return;
	t->timed_in_total = ms == 0 || left < ms;
	if (arm(t, t->timed_in_total ? left : ms) == 0)
		return;
	stop_step(t);
	mqev_step_fail_nomem(&t->ctx);
}

static void
start_step(struct mqev_transport *t)
{
	const struct mqev_step *step = steps[t->step];

	if (!report(t, step))
		return;
	t->running = true;
	t->verdict = VERDICT_NONE;
	t->ctx.state = NULL;
	if (!step_in(t, step))
		return;
	if (t->verdict == VERDICT_FINISHED)
		run_from(t, t->step + 1);
	else if (t->verdict == VERDICT_NONE)
		set_deadline(t, step);
}

static void
end(struct mqev_transport *t)
{
	if (link_is_as_wanted(t)) {
		end_with_link(t);
		return;
	}
	mqev_net_error_set(
	    &t->error, MQEV_ERR_UNSUPPORTED, 0, "this build cannot make such a link");
	t->error.stage =
	    t->ctx.endpoint->tls && t->ctx.conn.tls == NULL ? MQEV_NET_TLS : MQEV_NET_WEBSOCKET;
	end_with_error(t);
}

static void
run_from(struct mqev_transport *t, size_t step)
{
	while (step < STEP_COUNT && steps[step]->wanted != NULL && !steps[step]->wanted(&t->ctx))
		step++;
	if (step == STEP_COUNT) {
		end(t);
		return;
	}
	t->step = step;
	start_step(t);
}

void
mqev_step_set_target(struct mqev_step_ctx *ctx, size_t target)
{
	ctx->target = target;
	ctx->host = ctx->targets->at[target].host;
	ctx->port = ctx->targets->at[target].port;
}

static bool
next_target(struct mqev_transport *t)
{
	struct mqev_step_ctx *ctx = &t->ctx;

	if (ctx->targets == NULL || t->error.error == MQEV_ERR_NOMEM ||
	    ctx->target + 1 >= ctx->targets->count)
		return false;
	mqev_step_set_target(ctx, ctx->target + 1);
	return true;
}

static const struct mqev_proxy *
wanted_proxy(const struct mqev_step_ctx *ctx)
{
	const struct mqev_endpoint *endpoint = ctx->endpoint;

	if (endpoint->unix_socket ||
	    mqev_no_proxy_covers(ctx->config->no_proxy, endpoint->host, endpoint->port))
		return NULL;
	return ctx->config->proxy;
}

/* What the configuration says about sockets and proxies, whole; a wrong proxy must never mean none.
 */
static bool
load_options(struct mqev_transport *t)
{
	struct mqev_step_ctx *ctx = &t->ctx;
	const char *why;
	int rc = mqev_socket_options_load(&ctx->socket, ctx->config->socket, &why);

	if (rc == 0)
		rc = mqev_proxy_load(&ctx->proxy, wanted_proxy(ctx), &why);
	if (rc == 0)
		return true;
	mqev_net_error_set(&t->error, rc, 0, "options: %s", why);
	t->error.stage = steps[0]->stage;
	return false;
}

static void
begin(struct mqev_transport *t)
{
	if (load_options(t))
		run_from(t, 0);
	else
		end_with_error(t);
}

static void
on_advance(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_transport *t = arg;

	(void)fd;
	(void)what;
	if (t->verdict == VERDICT_FINISHED) {
		run_from(t, t->step + 1);
		return;
	}
	if (t->verdict == VERDICT_NONE) {
		begin(t);
		return;
	}
	if (!next_target(t)) {
		end_with_error(t);
		return;
	}
	drop_link(t);
	run_from(t, FIRST_STEP_OF_TARGET);
}

static void
note_verdict(struct mqev_transport *t, enum verdict verdict)
{
	t->running = false;
	t->verdict = verdict;
	disarm(t);
	if (verdict != VERDICT_FINISHED || !t->starting)
		event_active(&t->advance, 0, 0);
}

void
mqev_step_finish(struct mqev_step_ctx *ctx)
{
	note_verdict(transport_of(ctx), VERDICT_FINISHED);
}

void
mqev_step_finish_last(struct mqev_step_ctx *ctx)
{
	struct mqev_transport *t = transport_of(ctx);

	if (t->entered > 0) {
		mqev_step_finish(ctx);
		return;
	}
	t->running = false;
	t->verdict = VERDICT_FINISHED;
	disarm(t);
	run_from(t, t->step + 1);
}

void
mqev_step_fail(struct mqev_step_ctx *ctx, const struct mqev_net_error *error)
{
	struct mqev_transport *t = transport_of(ctx);

	t->error = *error;
	t->error.stage = steps[t->step]->stage;
	note_verdict(t, VERDICT_FAILED);
}

void
mqev_step_fail_nomem(struct mqev_step_ctx *ctx)
{
	struct mqev_net_error error;

	mqev_net_error_set(&error, MQEV_ERR_NOMEM, 0, "out of memory");
	mqev_step_fail(ctx, &error);
}

/* Names in an error what the step was doing. */
static void
set_timeout_error(struct mqev_transport *t, const char *which, uint32_t ms)
{
	char text[120];

	mqev_transport_describe(t, text, sizeof text);
	mqev_net_error_set(
	    &t->error, MQEV_ERR_TIMEOUT, 0, "%s: %s of %u ms passed", text, which, ms);
	t->error.stage = steps[t->step]->stage;
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_transport *t = arg;

	(void)fd;
	(void)what;
	t->timed = false;
	if (t->timed_in_total) {
		set_timeout_error(t, "the total deadline", total_ms(t));
		end_with_error(t);
		return;
	}
	set_timeout_error(t, "the deadline", stage_ms(t, steps[t->step]->stage));
	stop_step(t);
	note_verdict(t, VERDICT_FAILED);
}

/* The public face ------------------------------------------------------------------------------ */

struct mqev_transport *
mqev_transport_start(struct mqev_net *net, const struct mqev_endpoint *endpoint,
    const struct mqev_transport_config *config, mqev_transport_done *done,
    mqev_transport_progress *progress, void *arg)
{
	struct mqev_transport *t = mqev_calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	mqev_conn_init(&t->ctx.conn);
	t->ctx.net = net;
	t->ctx.config = config;
	t->ctx.endpoint = endpoint;
	t->ctx.host = endpoint->host;
	t->ctx.port = endpoint->port;
	t->done = done;
	t->progress = progress;
	t->arg = arg;
	event_assign(&t->advance, net->base, -1, 0, on_advance, t);
	event_assign(&t->timer, net->base, -1, 0, on_deadline, t);
	t->due_ms = mqev_port_now_ms() + total_ms(t);
	event_active(&t->advance, 0, 0);
	return t;
}

void
mqev_transport_cancel(struct mqev_transport *t)
{
	if (t->entered > 0)
		t->cancelled = true;
	else
		transport_free(t);
}
