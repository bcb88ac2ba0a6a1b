/* What broker.c and broker_steps.c share; no other file includes it. */
#ifndef TK_BROKER_INT_H
#define TK_BROKER_INT_H

#include "broker.h"
#include "conn.h"
#include "stream.h"

/* One accepted connection with all that came over it. */
struct tk_link {
	struct tk_broker *broker;
	struct tk_conn *conn;
	int version; /* of its CONNECT; 0 until then */
	struct tk_packet *packets;
	size_t n, cap;
	size_t next;  /* the first packet that no step has looked at */
	unsigned mid; /* of the packet looked at last */
	int lenient;  /* no judge */
	struct tk_stream stream;
};

struct tk_broker {
	struct event_base *base;
	struct tk_broker_options options;
	struct tk_listener listener;
	struct tk_link **links;
	int n_links;
	int accepted; /* how many of them TK_ACCEPT went through */
	struct tk_link *current;
	struct tk_session **sessions; /* of all client ids that came */
	size_t n_sessions;

	const struct tk_step *script;
	const struct tk_step *step;
	int entered;	    /* the current step was begun in an earlier turn */
	int fired;	    /* its timer came */
	long turns;	    /* that it has seen */
	int running, again; /* advance() is at work; something happened meanwhile */
	int done;
	struct event *timer;
	struct tk_buf sending; /* of TK_SEND_CUT */

	struct tk_buf error;
	int error_seen;
};

/* Plays steps until one has to wait; called whenever something happened. */
void tk_broker_advance(struct tk_broker *b);

/* Notes the first error, with the step it came in, and makes the loop return. */
void tk_broker_flunk(struct tk_broker *b, const char *why, const struct tk_packet *p);

/* Sends, and tells the judge. */
void tk_link_send(struct tk_link *l, const void *data, size_t len);

/* Makes the next connection the current one; 0 when there is none yet. */
int tk_broker_take_link(struct tk_broker *b);

void tk_broker_on_timer(int fd, short what, void *arg);

#endif
