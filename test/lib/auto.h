/*
 * A small honest broker for tests with many clients: versions 3.1, 3.1.1 and 5.0, all QoS both
 * ways, sessions, retained messages, wills, wildcard and shared subscriptions. It lives on the
 * test's event_base, and all that clients send is judged by stream.h unless `lenient` is set.
 *
 * What it leaves out: it never lets a message, a will or a session expire (a session ends by a
 * clean start, or at once when it was asked to last 0 s), sends no Topic Alias, and gives no
 * permissions.
 */
#ifndef TK_AUTO_H
#define TK_AUTO_H

#include "strict.h"

struct event_base;
struct tk_auto;

struct tk_auto_options {
	const char *where;	   /* NULL or "127.0.0.1", "::1", "unix:/path" */
	int lenient;		   /* no judge */
	const char *connack_props; /* of version 5, in packet notation: "21 0005 24 01" */
	int delay_ms;		   /* everything it sends leaves that much later */
	int ungranted;		   /* SUBACK grants QoS 0 to all */
};

/* Counted since the start. */
struct tk_auto_stats {
	int connections; /* accepted */
	int connects;	 /* CONNECTs that were answered with success */
	int online;	 /* now connected with success */
	int lost;	 /* ended without DISCONNECT by the client */
	long received;	 /* PUBLISH taken over, without repeats of QoS 2 */
	long repeats;	 /* PUBLISH with DUP */
	long sent;	 /* PUBLISH handed to sockets */
	long completed;	 /* deliveries of QoS 1 and 2 that the receiver acknowledged to the end */
	long pings;
};

struct tk_auto *tk_auto_new(struct event_base *base, const struct tk_auto_options *options);

/* Fails the test when a client broke a rule and nobody asked. */
void tk_auto_free(struct tk_auto *a);

const char *tk_auto_url(const struct tk_auto *a);
const char *tk_auto_host(const struct tk_auto *a);
int tk_auto_port(const struct tk_auto *a);
const struct tk_auto_stats *tk_auto_stats(const struct tk_auto *a);

/* The first rule that a client broke, with its client id; NULL: none. */
const char *tk_auto_error(struct tk_auto *a);

/* From now on CONNECT is refused: with `v5` in version 5, with `v3` below. 0 and 0: accepted again.
 */
void tk_auto_refuse(struct tk_auto *a, unsigned v5, unsigned v3);

void tk_auto_drop_all(struct tk_auto *a, int reset); /* closes all connections, by FIN or by RST */
void
tk_auto_forget(struct tk_auto *a); /* drops all, and all sessions and retained messages with it */
void tk_auto_listen(struct tk_auto *a, int on); /* off: new connections are refused by the system */
void
tk_auto_mute(struct tk_auto *a, int on); /* on: reads on, but sends nothing and answers nothing */

/* A message of the broker itself to all that subscribed. */
void tk_auto_publish(struct tk_auto *a, const char *topic, const void *payload, size_t len,
    unsigned qos, int retain);

#endif
