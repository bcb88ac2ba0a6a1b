/* The dial step: addresses to one connected descriptor, racing them as RFC 8305 has it. Where the
 * addresses come from is not its matter. */
#include "net/step.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/addr.h"
#include "net/net.h"
#include "net/sockopt.h"
#include "net/steps.h"
#include "port/port.h"

#define DEFAULT_DIAL_MS 10000
#define DEFAULT_STAGGER_MS 250

/* A unix socket whose listener's queue is full says so at once and tells nobody when there is room.
 */
#define UNIX_RETRY_MS 25

struct dial;

struct attempt {
	struct dial *dial;
	const struct mqev_addr *addr;
	int fd;
	bool awaited; /* its event was added */
	uint64_t deadline_ms;
	struct event event;
};

/* What a connect() came to. */
enum outcome {
	CONNECTED,
	WAITING, /* the attempt's event tells more */
	FAILED,	 /* and the error is noted */
	ENDED	 /* the whole attempt is gone: touch nothing */
};

/* How much an error says to a person: of those that say most the last is reported. */
enum rank {
	RANK_NONE,
	RANK_HERE,  /* this machine cannot even try */
	RANK_THERE, /* the way or the peer */
	RANK_MEMORY /* nobody knows what the peer would have said */
};

struct dial {
	struct mqev_step_ctx *ctx;
	struct event stagger;
	size_t next, waiting, count;
	struct mqev_net_error error;
	enum rank rank;
	struct attempt at[];
};

static uint32_t
dial_ms(const struct dial *d)
{
	return d->ctx->config->dial_ms != 0 ? d->ctx->config->dial_ms : DEFAULT_DIAL_MS;
}

static uint32_t
stagger_ms(const struct dial *d)
{
	uint32_t ms = d->ctx->config->dial_stagger_ms;

	return ms != 0 ? ms : DEFAULT_STAGGER_MS;
}

static struct timeval
timeval_of(uint64_t ms)
{
	return (struct timeval){
	    .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

/* Errors --------------------------------------------------------------------------------------- */

static enum rank
rank_of(int error)
{
	switch (error) {
	case ENOMEM:
		return RANK_MEMORY;
	case EAFNOSUPPORT:
	case EADDRNOTAVAIL:
	case ENETUNREACH:
	case EPROTONOSUPPORT:
	case EINVAL:
		return RANK_HERE;
	default:
		return RANK_THERE;
	}
}

static void
note_error(struct dial *d, enum rank rank, const struct mqev_net_error *error)
{
	if (rank < d->rank)
		return;
	d->rank = rank;
	d->error = *error;
}

static void
note_errno(struct attempt *a, const char *what, int system_errno)
{
	struct mqev_net_error error;
	char text[MQEV_ADDR_TEXT_SIZE];

	mqev_addr_text(a->addr, text, sizeof text);
	mqev_net_error_set(&error, system_errno == ENOMEM ? MQEV_ERR_NOMEM : MQEV_ERR_SYSTEM,
	    system_errno, "%s %s", what, text);
	note_error(a->dial, rank_of(system_errno), &error);
}

static void
note_timeout(struct attempt *a)
{
	struct mqev_net_error error;
	char text[MQEV_ADDR_TEXT_SIZE];

	mqev_addr_text(a->addr, text, sizeof text);
	mqev_net_error_set(&error, MQEV_ERR_TIMEOUT, 0, "connect to %s: no answer within %u ms",
	    text, dial_ms(a->dial));
	note_error(a->dial, RANK_THERE, &error);
}

/* The end -------------------------------------------------------------------------------------- */

static void
attempt_close(struct attempt *a)
{
	if (a->fd < 0)
		return;
	if (a->awaited)
		event_del(&a->event);
	evutil_closesocket(a->fd);
	a->fd = -1;
}

/* A single address has nobody to wait for. */
static void
stop_stagger(struct dial *d)
{
	if (d->count > 1)
		event_del(&d->stagger);
}

static void
dial_free(struct dial *d)
{
	size_t i;

	for (i = 0; i < d->count; i++)
		attempt_close(&d->at[i]);
	stop_stagger(d);
	mqev_free(d);
}

static void
win(struct attempt *a)
{
	struct dial *d = a->dial;
	struct mqev_step_ctx *ctx = d->ctx;

	ctx->conn.fd = a->fd;
	if (a->awaited)
		event_del(&a->event);
	a->fd = -1;
	dial_free(d);
	mqev_step_finish_last(ctx);
}

static void
lose(struct dial *d)
{
	struct mqev_step_ctx *ctx = d->ctx;
	struct mqev_net_error error = d->error;

	dial_free(d);
	mqev_step_fail(ctx, &error);
}

/* One address ---------------------------------------------------------------------------------- */

/* A port of this machine that nobody listens on may be the very one the kernel chose for us: TCP
 * then connects to itself. */
static int
connected_to_itself(int fd, const struct mqev_addr *peer)
{
	struct mqev_addr local;

	if (peer->u.sa.sa_family == AF_UNIX)
		return 0;
	memset(&local, 0, sizeof local);
	local.len = sizeof local.u;
	if (getsockname(fd, &local.u.sa, &local.len) < 0 ||
	    local.u.sa.sa_family != peer->u.sa.sa_family)
		return 0;
	if (peer->u.sa.sa_family == AF_INET)
		return local.u.in.sin_port == peer->u.in.sin_port &&
		       local.u.in.sin_addr.s_addr == peer->u.in.sin_addr.s_addr;
	return local.u.in6.sin6_port == peer->u.in6.sin6_port &&
	       memcmp(&local.u.in6.sin6_addr, &peer->u.in6.sin6_addr,
		   sizeof local.u.in6.sin6_addr) == 0;
}

/* What came of a connection that the kernel no longer works on: 0 or an errno value. */
static int
final_error(const struct attempt *a)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	return error;
}

/* may_have_failed: the descriptor does not tell by itself that all is well. */
static enum outcome
conclude(struct attempt *a, bool may_have_failed)
{
	int error = may_have_failed ? final_error(a) : 0;

	if (error == 0 && connected_to_itself(a->fd, a->addr))
		error = ECONNREFUSED;
	if (error == 0)
		return CONNECTED;
	note_errno(a, "connect to", error);
	return FAILED;
}

static void on_attempt(evutil_socket_t fd, short what, void *arg);

/* Waits for what becomes of the descriptor, or, with events 0, only for the time. */
static enum outcome
await(struct attempt *a, short events, uint64_t ms)
{
	struct timeval tv = timeval_of(ms);

	errno = 0;
	a->awaited = true;
	event_assign(
	    &a->event, a->dial->ctx->net->base, events ? a->fd : -1, events, on_attempt, a);
	if (event_add(&a->event, &tv) == 0)
		return WAITING;
	note_errno(a, "wait for", errno != 0 ? errno : ENOMEM);
	return FAILED;
}

static enum outcome
try_connect(struct attempt *a)
{
	uint64_t now = mqev_port_now_ms();
	uint64_t left = a->deadline_ms > now ? a->deadline_ms - now : 0;

	if (connect(a->fd, &a->addr->u.sa, a->addr->len) == 0)
		return conclude(a, false);
	if (errno == EINPROGRESS || errno == EINTR)
		return await(a, EV_READ | EV_WRITE, left);
	if (errno == EAGAIN && a->addr->u.sa.sa_family == AF_UNIX) {
		if (left > 0)
			return await(a, 0, left < UNIX_RETRY_MS ? left : UNIX_RETRY_MS);
		note_timeout(a);
		return FAILED;
	}
	note_errno(a, "connect to", errno);
	return FAILED;
}

static enum outcome
prepare_socket(struct attempt *a)
{
	struct mqev_step_ctx *ctx = a->dial->ctx;
	const char *what;
	int error = mqev_sockopt_apply(a->fd, &ctx->socket, a->addr, &what);

	if (error == 0 && ctx->socket.on_socket != NULL) {
		what = "hook of the socket for";
		mqev_step_enter(ctx);
		error = ctx->socket.on_socket(a->fd, ctx->socket.on_socket_arg);
		if (!mqev_step_leave(ctx))
			return ENDED;
	}
	if (error == 0)
		return WAITING;
	note_errno(a, what, error);
	return FAILED;
}

static enum outcome
launch(struct attempt *a)
{
	enum outcome outcome;

	a->deadline_ms = mqev_port_now_ms() + dial_ms(a->dial);
	a->fd = mqev_port_socket(a->addr->u.sa.sa_family, SOCK_STREAM);
	if (a->fd < 0) {
		note_errno(a, "socket for", errno);
		return FAILED;
	}
	outcome = prepare_socket(a);
	return outcome == WAITING ? try_connect(a) : outcome;
}

/* All of them ---------------------------------------------------------------------------------- */

static void
arm_stagger(struct dial *d)
{
	struct timeval tv = timeval_of(stagger_ms(d));

	/* Without the timer the next address only starts when this one has failed. */
	if (d->next < d->count)
		(void)event_add(&d->stagger, &tv);
}

/* Starts addresses until one has to be waited for; the last failure of all ends the step. */
static void
start_next(struct dial *d)
{
	stop_stagger(d);
	while (d->next < d->count) {
		struct attempt *a = &d->at[d->next++];

		switch (launch(a)) {
		case CONNECTED:
			win(a);
			return;
		case WAITING:
			d->waiting++;
			arm_stagger(d);
			return;
		case FAILED:
			attempt_close(a);
			break;
		case ENDED:
			return;
		}
	}
	if (d->waiting == 0)
		lose(d);
}

static void
on_stagger(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	start_next(arg);
}

/* One that has failed is readable as well as writable, and so is one on which the server spoke
 * first: only then the kernel need be asked. */
static enum outcome
look_at(struct attempt *a, short what)
{
	if ((what & EV_TIMEOUT) == 0)
		return conclude(a, (what & EV_READ) != 0);
	if (a->addr->u.sa.sa_family == AF_UNIX)
		return try_connect(a);
	note_timeout(a);
	return FAILED;
}

static void
on_attempt(evutil_socket_t fd, short what, void *arg)
{
	struct attempt *a = arg;
	struct dial *d = a->dial;

	(void)fd;
	switch (look_at(a, what)) {
	case CONNECTED:
		win(a);
		break;
	case WAITING:
	case ENDED:
		break;
	case FAILED:
		attempt_close(a);
		d->waiting--;
		start_next(d);
		break;
	}
}

/* The step ------------------------------------------------------------------------------------- */

static int
add_unix_address(struct mqev_step_ctx *ctx)
{
	if (ctx->addrs != NULL || !ctx->endpoint->unix_socket)
		return 0;
	ctx->addrs = mqev_addrs_new(1);
	if (ctx->addrs == NULL)
		return MQEV_ERR_NOMEM;
	return mqev_addr_set_unix(&ctx->addrs->at[0], ctx->endpoint->host) ? 0 : MQEV_ERR_INVALID;
}

static struct dial *
dial_new(struct mqev_step_ctx *ctx)
{
	size_t i, count = ctx->addrs->count;
	struct dial *d = mqev_calloc(1, sizeof *d + count * sizeof d->at[0]);

	if (d == NULL)
		return NULL;
	d->ctx = ctx;
	d->count = count;
	if (count > 1)
		event_assign(&d->stagger, ctx->net->base, -1, 0, on_stagger, d);
	for (i = 0; i < count; i++) {
		d->at[i].dial = d;
		d->at[i].addr = &ctx->addrs->at[i];
		d->at[i].fd = -1;
	}
	return d;
}

static void
fail_start(struct mqev_step_ctx *ctx, int code)
{
	struct mqev_net_error error;

	mqev_net_error_set(&error, code, 0, "connect to unix:%.60s: %s", ctx->endpoint->host,
	    code == MQEV_ERR_NOMEM ? "out of memory" : "the path is too long");
	mqev_step_fail(ctx, &error);
}

static void
dial_start(struct mqev_step_ctx *ctx)
{
	struct dial *d;
	int rc = add_unix_address(ctx);

	if (rc != 0) {
		fail_start(ctx, rc);
		return;
	}
	mqev_addrs_interleave(ctx->addrs);
	d = dial_new(ctx);
	if (d == NULL) {
		mqev_step_fail_nomem(ctx);
		return;
	}
	ctx->state = d;
	start_next(d);
}

static void
dial_cancel(struct mqev_step_ctx *ctx)
{
	dial_free(ctx->state);
}

/* The last address begins when all before it have had their time, at the latest. */
static uint64_t
dial_longest_ms(const struct mqev_step_ctx *ctx)
{
	const struct dial *d = ctx->state;

	return (uint64_t)d->count * dial_ms(d);
}

static void
dial_describe(const struct mqev_step_ctx *ctx, char *text, size_t size)
{
	const char *what = ctx->proxy.type != MQEV_PROXY_NONE ? "proxy " : "";
	char address[MQEV_ADDR_TEXT_SIZE];
	size_t more;

	if (ctx->addrs == NULL) {
		snprintf(text, size, "connect to unix:%s", ctx->host);
		return;
	}
	mqev_addr_text(&ctx->addrs->at[0], address, sizeof address);
	more = ctx->addrs->count - 1;
	if (more == 0)
		snprintf(text, size, "connect to %s%s", what, address);
	else
		snprintf(text, size, "connect to %s%s or one of %zu more", what, address, more);
}

const struct mqev_step mqev_dial_step = {
    .name = "connect",
    .stage = MQEV_NET_DIAL,
    .describe = dial_describe,
    .start = dial_start,
    .cancel = dial_cancel,
    .longest_ms = dial_longest_ms,
};
