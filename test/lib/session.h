/*
 * What the judge of a stream keeps beyond one connection: packet identifiers in use in both
 * directions. stream.h has the rules.
 */
#ifndef TK_SESSION_H
#define TK_SESSION_H

#include "strict.h"

/* The life of an identifier that the client uses; each state names those that may follow. */
enum tk_out_state {
	TK_OUT_FREE,	/* PUBLISH, SUBSCRIBE, UNSUBSCRIBE */
	TK_OUT_PUBLISH, /* PUBREC, DONE */
	TK_OUT_PUBREC,	/* the server sent PUBREC: PUBREL, or PUBLISH if the connection was lost */
	TK_OUT_PUBREL,	/* DONE */
	TK_OUT_SUBSCRIBE,   /* DONE, FREE when the connection ends */
	TK_OUT_UNSUBSCRIBE, /* DONE, FREE when the connection ends */
	TK_OUT_DONE /* the server sent the last ack, the client may not have seen it: as FREE, or
		       resent */
};

struct tk_out {
	enum tk_out_state state;
	unsigned mid, qos;
	int retain;
	size_t size; /* of the packet */
	size_t n_filters;
	uint64_t content; /* hash of topic, payload, QoS and RETAIN */
	uint64_t order;	  /* of its first PUBLISH, over the whole session */
	int sent_here;	  /* PUBLISH was sent in this connection */
	int rel_here;	  /* PUBREL was sent in this connection */
	int due;	  /* must be sent again in this connection */
	int done_in;	  /* connection in which it became DONE */
	int refused;	  /* it became so by a code >= 0x80 */
	struct tk_out *prev, *next;
};

enum tk_in_state {
	TK_IN_NONE,
	TK_IN_MAYBE, /* the server sent a QoS 2 PUBLISH, the client may have it */
	TK_IN_KNOWN  /* the client sent PUBREC */
};

struct tk_session {
	struct tk_buf client_id;
	int clean;	/* asked for by the last CONNECT */
	int connection; /* how many connections it had */
	uint64_t orders;
	int due;		     /* how many entries are due */
	struct tk_out **pages[256];  /* by high and low byte of the identifier */
	struct tk_out *first, *last; /* all entries but FREE ones, in order */
	unsigned char *in;	     /* enum tk_in_state of each identifier, or NULL */
};

struct tk_session *tk_session_new(void);
void tk_session_free(struct tk_session *s);

/* The session is over: all is forgotten but the client id. */
void tk_session_reset(struct tk_session *s);

/* A new connection begins: SUBSCRIBE and UNSUBSCRIBE are free.
 */
void tk_session_connect(struct tk_session *s);

/* The server has no session: what an earlier connection left is forgotten. */
void tk_session_lost(struct tk_session *s);

/* It is resumed: what is unacknowledged has to be sent again. */
void tk_session_resume(struct tk_session *s);

/* The client has surely processed the acknowledgements sent so far: resending their messages is
 * wrong. */
void tk_session_settle(struct tk_session *s);

struct tk_out *tk_session_out(struct tk_session *s, unsigned mid); /* NULL when free */
struct tk_out *tk_session_use(struct tk_session *s, unsigned mid, enum tk_out_state state);
void tk_session_release(struct tk_session *s, struct tk_out *o);
void tk_session_not_due(struct tk_session *s, struct tk_out *o);
int tk_out_live(const struct tk_out *o); /* in use: neither NULL nor DONE */

enum tk_in_state tk_session_in(const struct tk_session *s, unsigned mid);
void tk_session_set_in(struct tk_session *s, unsigned mid, enum tk_in_state state);

#endif
