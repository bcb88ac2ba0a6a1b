/*
 * Sockets of the kit's brokers: a listener, and accepted connections that can be cut, stalled and
 * reset.
 *
 * Everything runs on the event_base of the test. A connection keeps its struct until
 * tk_conn_free(), also when its socket is closed.
 */
#ifndef TK_CONN_H
#define TK_CONN_H

#include "bytes.h"

struct event;
struct event_base;
struct tk_conn;

struct tk_conn_events {
	void (*data)(struct tk_conn *c);    /* c->in grew */
	void (*eof)(struct tk_conn *c);	    /* the peer closed or reset, c->eof is set */
	void (*flushed)(struct tk_conn *c); /* c->out became empty */
};

struct tk_conn {
	struct event_base *base;
	const struct tk_conn_events *on;
	void *arg;	       /* of the owner */
	int fd;		       /* -1: closed by us */
	int number;	       /* 1 for the first accepted one */
	int eof;	       /* the peer closed its side */
	int reset;	       /* ... by a reset */
	int stalled;	       /* nothing is read */
	int shut;	       /* our side is closed for writing */
	struct tk_buf in, out; /* received and not taken yet; being sent */
	size_t sent;	       /* how much of `out` is sent already */
	struct event *readable, *writable;
};

struct tk_conn *
tk_conn_new(struct event_base *base, int fd, const struct tk_conn_events *on, void *arg);
void tk_conn_free(struct tk_conn *c);
void tk_conn_send(struct tk_conn *c, const void *data, size_t len);
void tk_conn_close(
    struct tk_conn *c); /* FIN; what came until now is read first, so that no RST is sent */
void tk_conn_reset(struct tk_conn *c);	  /* RST */
void tk_conn_shutdown(struct tk_conn *c); /* half-close: FIN, but reading goes on */
void tk_conn_stall(struct tk_conn *c, int stalled);

struct tk_listener {
	struct event_base *base;
	int fd;
	int family;
	int port;
	int rcvbuf;
	char host[16];
	char path[108];
	char url[140];
	struct event *event;
	void (*accepted)(struct tk_listener *l, int fd);
	void *arg;
};

/*
 * `where`: NULL or "127.0.0.1", "::1", or "unix:/path". The port is free and chosen by the system;
 * it is kept when the listener is closed and opened again. `rcvbuf`, when not 0, is SO_RCVBUF of
 * the connections.
 */
void tk_listener_init(struct tk_listener *l, struct event_base *base, const char *where, int rcvbuf,
    void (*accepted)(struct tk_listener *l, int fd), void *arg);
void tk_listener_open(struct tk_listener *l);
void tk_listener_close(struct tk_listener *l); /* connections are refused from now on */
void
tk_listener_hold(struct tk_listener *l, int hold); /* connections wait in the kernel, unanswered */

#endif
