/* From an endpoint to a connected, ready bufferevent: resolve, dial, proxy, TLS, WebSocket, each
 * step with its own deadline. Knows nothing of MQTT. */
#ifndef MQEV_NET_TRANSPORT_H
#define MQEV_NET_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <event2/event.h>
#include <event2/util.h>

#include "net/url.h"

struct bufferevent;
struct event_base;
struct mqev_conn_ops;
struct mqev_proxy;
struct mqev_socket_options;
struct mqev_tls;
struct mqev_websocket_options;

/* The stages of an attempt, in their order. The values are public (enum mqev_stage in client.h has
 * the same). */
enum mqev_net_stage {
	MQEV_NET_RESOLVE = 1,
	MQEV_NET_DIAL,
	MQEV_NET_PROXY,
	MQEV_NET_TLS,
	MQEV_NET_WEBSOCKET
};

/* Why an attempt failed. */
struct mqev_net_error {
	enum mqev_net_stage stage;
	int error; /* enum mqev_error: RESOLVE, SYSTEM, TIMEOUT, PROXY, TLS, WEBSOCKET, NOMEM,
		      UNSUPPORTED ... */
	int system_errno;	 /* 0 when it was not a system call */
	unsigned long tls_error; /* OpenSSL's code, 0 when it was not TLS */
	int http_status;	 /* of a proxy or an upgrade, 0 when there was none */
	bool untrusted;		 /* the server's certificate was refused */
	char text[160];		 /* one line for people, NUL-terminated: "connect to 127.0.0.1:1883:
				    Connection refused" */
};

/* What clients on one event_base share: resolver, TLS session caches. */
struct mqev_net;
struct mqev_net *mqev_net_new(struct event_base *base);
/* All transports must have ended. */
void mqev_net_free(struct mqev_net *net);
struct event_base *mqev_net_base(const struct mqev_net *net);
/* Does now what the first TLS link without a configuration would do in the loop. That it fails is
 * told by that link. */
void mqev_net_prepare_tls(struct mqev_net *net);

/* Counted over all links since the start. */
struct mqev_net_stats {
	uint64_t tls_handshakes; /* that succeeded */
	uint64_t tls_resumed;	 /* of these, with a kept session */
	uint64_t tls_failed;
};
const struct mqev_net_stats *mqev_net_stats(const struct mqev_net *net);

/* How to connect. Everything is lent for the time of the attempt. 0 in a deadline means its
 * default. */
struct mqev_transport_config {
	uint32_t resolve_ms;	  /* default 10,000 */
	uint32_t dial_ms;	  /* per address; default 10,000 */
	uint32_t proxy_ms;	  /* default 10,000 */
	uint32_t tls_ms;	  /* default 15,000 */
	uint32_t websocket_ms;	  /* default 10,000 */
	uint32_t total_ms;	  /* default 60,000 */
	uint32_t dial_stagger_ms; /* RFC 8305 "Connection Attempt Delay"; default 250 */
	const struct mqev_socket_options *socket; /* NULL: defaults */
	const struct mqev_proxy *proxy;		  /* NULL: none */
	const char *no_proxy; /* hosts that are reached without it, as mqev_no_proxy_covers() takes
				 them; NULL: none */
	struct mqev_tls *tls; /* NULL: system trust, used when the endpoint wants TLS */
	const struct mqev_websocket_options *websocket; /* NULL: defaults */
};

/* A connected link. Owner closes it with mqev_conn_close(). It may be copied by value: one copy is
 * then the link. */
struct mqev_conn {
	struct bufferevent
	    *bev; /* NULL while it is parked; what MQTT bytes go through: its callbacks run
				    from the loop only, none is set, reading disabled */
	evutil_socket_t fd; /* for socket options and for writing beside a plain bufferevent */
	bool plain; /* bytes on fd are the MQTT stream itself: writing beside the bufferevent, and
		       parking, are allowed */
	bool tls_resumed;
	void *tls;   /* SSL *, NULL when plain */
	void *layer; /* WebSocket state, or the event of a parked link; NULL without */
	const struct mqev_conn_ops
	    *ops; /* of the topmost layer (step.h); NULL before there is a bufferevent */
};

/* Bytes given to conn->bev that have not reached the kernel yet. */
size_t mqev_conn_unsent(const struct mqev_conn *conn);
/* Ends the stream politely: close frame, close_notify, half-close; output must be drained before.
 * Never blocks; the caller waits for EOF or its own deadline, then closes. */
void mqev_conn_shutdown(struct mqev_conn *conn);
/*
 * Begins reading, or goes on after bufferevent_disable(EV_READ). To be used instead of
 * bufferevent_enable(), which leaves asleep what came before and waits in a lower layer.
 */
void mqev_conn_resume(struct mqev_conn *conn);
/*
 * Reads on past conn->bev, when its input is empty, from wherever the topmost layer has its bytes:
 * a turn of the loop less for each 4,096 bytes, or for each record of TLS. Returns what was read
 * from below, as recv() does: of size bytes at most; the first *len of data are the stream's
 * then, which may be none of them. -1 with EAGAIN: no more now. The end and errors of a plain link
 * are told by what is returned, and of a layered one only by the bufferevent's event callback,
 * in a later turn.
 */
ssize_t mqev_conn_read_on(struct mqev_conn *conn, void *data, size_t size, size_t *len);
/*
 * Whether there may be more than the taken bytes that were in conn->bev. With 0 for them: whether a
 * layer holds bytes that were read from the socket and that nothing will announce again. Reading on
 * while it does ends soon: a layer holds a record of TLS at most.
 */
bool mqev_conn_has_more(const struct mqev_conn *conn, size_t taken);
/*
 * Gives back what an idle link need not hold: after a read that found nothing but a ticket, OpenSSL
 * keeps 16 KiB and libevent 8 KiB. Cheap, legal in the bufferevent's callbacks; best called when
 * nothing has come for a while. Does nothing on plain links.
 */
void mqev_conn_trim(struct mqev_conn *conn);
/*
 * An idle plain link gives its bufferevent back: a bare event waits for the socket instead, and
 * readable(fd, what, arg) is called while there is something to read, be it the end. Reading and
 * writing are the owner's then, on fd; conn->bev is NULL, and of the functions here only unsent,
 * shutdown, error and close may be called. False: not plain, bytes wait on either side, or no
 * memory, and nothing has changed.
 */
bool mqev_conn_park(struct mqev_conn *conn, event_callback_fn readable, void *arg);
/* A bufferevent again, without callbacks, that reads. False: no memory, it is still parked. */
bool mqev_conn_unpark(struct mqev_conn *conn);
static inline bool
mqev_conn_is_parked(const struct mqev_conn *conn)
{
	return conn->bev == NULL;
}
/* Why the link ended, asked in the bufferevent's event callback: what is its argument. The layer
 * that knows best is named by the stage; 0: it was the socket. */
void mqev_conn_error(const struct mqev_conn *conn, short what, struct mqev_net_error *error);
/* Frees bufferevent and descriptor at once, whatever is pending. Legal inside the bufferevent's
 * callbacks. */
void mqev_conn_close(struct mqev_conn *conn);

/*
 * Called once per transport, never before mqev_transport_start() returned, from the event loop.
 * conn is filled when error is NULL; its ownership passes to the callee. The transport is freed by
 * the library after the call.
 */
typedef void
mqev_transport_done(struct mqev_conn *conn, const struct mqev_net_error *error, void *arg);

struct mqev_transport;

/* A stage begins. mqev_transport_describe() tells within the call what is being done. May be NULL.
 */
typedef void mqev_transport_progress(
    const struct mqev_transport *transport, enum mqev_net_stage stage, void *arg);

/* Starts an attempt; NULL when memory runs out. The endpoint is copied, the config must outlive the
 * transport. */
struct mqev_transport *mqev_transport_start(struct mqev_net *net,
    const struct mqev_endpoint *endpoint, const struct mqev_transport_config *config,
    mqev_transport_done *done, mqev_transport_progress *progress, void *arg);

/* What the transport is doing, for logs: one line of text, cut to size. */
void mqev_transport_describe(const struct mqev_transport *transport, char *text, size_t size);

/* Ends an attempt without calling done; everything is closed. Legal from any callback but done
 * itself. */
void mqev_transport_cancel(struct mqev_transport *transport);

#endif
