/* What a step of an attempt to connect is, and what the runner gives it. The steps themselves live
 * in files of their own. */
#ifndef MQEV_NET_STEP_H
#define MQEV_NET_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <mqev/net.h>

#include "net/transport.h"

struct mqev_addrs;
struct mqev_net;
struct mqev_srvs;

/*
 * What the steps of one attempt share. It lives in the transport and moves nowhere while the
 * attempt lasts; conn is copied to the owner at the end, so nothing that outlives a step may keep a
 * pointer to conn itself.
 */
struct mqev_step_ctx {
	struct mqev_net *net;
	const struct mqev_endpoint *endpoint; /* as the user named it; for SRV its host is the
						 domain, which is what TLS verifies */
	const struct mqev_transport_config
	    *config; /* 0 in a deadline is still 0 here: the runner knows the defaults */
	struct mqev_socket_options socket; /* the configuration's, checked, with all members */
	struct mqev_proxy proxy;	   /* likewise; type NONE: this attempt uses none */
	const char *host; /* the server of this try: the endpoint's host, or an SRV target */
	uint16_t port;
	struct mqev_srvs
	    *targets;  /* from the SRV step, in the order of trying; freed by the runner */
	size_t target; /* which of them host and port are */
	struct mqev_addrs *addrs; /* what to dial, from the resolve step; freed by the runner */
	struct mqev_addrs *target_addrs; /* the server's addresses for a proxy that wants no names;
					    freed by the runner */

	/*
	 * fd is -1 before dial, then a connected non-blocking descriptor. bev is NULL until a step
	 * wraps fd. What is here belongs to the runner: on failure and cancel it calls
	 * mqev_conn_close(), so a step puts a bufferevent here as soon as it has made it, with
	 * conn.ops that can close it.
	 */
	struct mqev_conn conn;

	void *state; /* the running step's own; NULL when it starts, released by it before finish or
			fail and in cancel */
};

/* A const table per step. */
struct mqev_step {
	const char *name;
	enum mqev_net_stage stage; /* chooses the deadline, and is the stage of errors */

	/* Whether this attempt needs the step; asked when its turn comes. NULL: always. */
	bool (*wanted)(const struct mqev_step_ctx *ctx);

	/* Writes what is being done, "TLS handshake with broker.example:8883", for logs and
	 * time-out errors; may not look at state. NULL: not worth a line. */
	void (*describe)(const struct mqev_step_ctx *ctx, char *text, size_t size);

	/*
	 * Begins. Ends, now or later, in exactly one call of mqev_step_finish() or
	 * mqev_step_fail(), unless cancel comes first. At finish no callback of the step may be
	 * left on conn.bev, and reading is disabled.
	 */
	void (*start)(struct mqev_step_ctx *ctx);

	/* Only while running (after start, before finish or fail): a deadline passed or the attempt
	 * was cancelled. Releases state; calls nothing back. */
	void (*cancel)(struct mqev_step_ctx *ctx);
};

/*
 * How the running step ends. Both only note the verdict: the runner acts on it after start has
 * returned, or else from the event loop, so they may be called in start and in any callback. fail
 * copies the error and fills its stage.
 */
void mqev_step_finish(struct mqev_step_ctx *ctx);
void mqev_step_fail(struct mqev_step_ctx *ctx, const struct mqev_net_error *error);
void mqev_step_fail_nomem(struct mqev_step_ctx *ctx);

/* For the SRV step: host and port become those of a member of targets. */
void mqev_step_set_target(struct mqev_step_ctx *ctx, size_t target);

/*
 * Around a call of the application's code in the middle of a step: a cancel in between waits until
 * leave, which then ends the attempt and returns false; the caller must return at once and touch
 * neither ctx nor its state.
 */
void mqev_step_enter(struct mqev_step_ctx *ctx);
bool mqev_step_leave(struct mqev_step_ctx *ctx);

/*
 * Fills an error: text by format, followed by ": " and the system's text when system_errno is not
 * 0. The other members become 0.
 */
void mqev_net_error_set(struct mqev_net_error *error, int code, int system_errno,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* No link yet: no bufferevent, descriptor -1. */
void mqev_conn_init(struct mqev_conn *conn);

/* What differs between a plain link and one with layers. A layer that lies over another keeps the
 * lower ops and bufferevent and calls on to them. */
struct mqev_conn_ops {
	size_t (*unsent)(const struct mqev_conn *conn);
	void (*shutdown)(struct mqev_conn *conn);
	/* Frees conn->bev and conn->layer or conn->tls; closes the descriptor at once (a
	 * bufferevent closes its own only in the next turn of the loop). */
	void (*close)(struct mqev_conn *conn);
	/* mqev_conn_read_on() and mqev_conn_has_more(). */
	ssize_t (*read)(struct mqev_conn *conn, void *data, size_t size, size_t *len);
	bool (*has_more)(const struct mqev_conn *conn, size_t taken);
};

/* libevent 2.1 reads no more than this at a time, whatever it is told. */
#define MQEV_LIBEVENT_READ 4096

#endif
