/* What the files of the automatic broker share; no other file includes it. */
#ifndef TK_AUTO_INT_H
#define TK_AUTO_INT_H

#include "auto.h"
#include "conn.h"
#include "stream.h"

struct aconn;

/* A message on its way; one for all receivers. */
struct amsg {
	int refs;
	struct tk_buf topic, payload;
	struct tk_buf
	    props; /* what is handed on: all but Topic Alias and Subscription Identifier */
	unsigned qos;
	int retain;
};

/* One message for one receiver, in the order of acceptance. */
struct delivery {
	struct delivery *next;
	struct amsg *msg;
	unsigned qos, mid;
	int retain;
	struct tk_buf ids; /* Subscription Identifiers as properties */
	int sent;	   /* in some connection */
	int released;	   /* PUBREC came: PUBREL is what goes out */
	int here;	   /* sent in this connection, and takes a slot of its window */
};

struct asub {
	struct tk_buf filter; /* with $share/name/ if it has that */
	unsigned options;
	uint32_t id; /* Subscription Identifier, 0: none */
};

struct asession {
	struct tk_auto *broker;
	struct tk_buf client_id;
	struct aconn *conn; /* NULL: offline */
	struct tk_session *judged;
	int kept; /* beyond the connection */
	struct asub *subs;
	size_t n_subs;
	struct delivery *first, **last;
	struct delivery *unsent;     /* the first one not sent in this connection */
	unsigned window, max_window; /* free and all slots for QoS > 0 */
	unsigned next_mid;
	unsigned char *mids; /* used ones, a bit each */
	unsigned char *in2;  /* QoS 2 identifiers received, a bit each */
};

struct aconn {
	struct tk_auto *broker;
	struct tk_conn *conn;
	struct tk_stream stream;
	struct asession *session; /* after CONNECT */
	int version;
	int online; /* accepted by CONNACK */
	int ended;  /* by DISCONNECT, or closed by us */
	int busy;   /* its packets are being looked at */
	uint32_t max_packet;
	struct amsg *will;
	struct tk_buf *alias; /* topics of the client's aliases */
	struct aconn *next;
};

struct late { /* bytes that wait for their time */
	struct late *next;
	struct aconn *conn;
	long long due_ms;
	struct tk_buf bytes;
};

struct tk_auto {
	struct event_base *base;
	struct tk_auto_options options;
	struct tk_auto_stats stats;
	struct tk_listener listener;
	unsigned refuse_v5, refuse_v3;
	int mute;
	struct aconn *conns, *dead;
	struct asession **sessions;
	size_t n_sessions;
	struct amsg **retained;
	size_t n_retained;
	unsigned turns; /* of shared subscriptions */
	struct late *late_first, **late_last;
	struct event *late_timer;
	struct tk_buf error;
	int error_seen;
};

/* auto.c */
struct asession *tk_aconn_session(struct tk_auto *a, struct aconn *c, struct tk_str id);
void tk_aconn_connect(struct aconn *c, const struct tk_packet *p);
void tk_aconn_answer(struct aconn *c, const struct tk_packet *p); /* any packet but CONNECT */

/* auto_conn.c */
void tk_aconn_send(struct aconn *c, struct tk_buf bytes); /* takes the bytes over */
void tk_aconn_end(struct aconn *c, int reset); /* the struct lives on until tk_auto_bury() */
void tk_auto_accept(struct tk_listener *l, int fd);
void tk_auto_bury(struct tk_auto *a); /* frees what ended */
void
tk_auto_pop_late(struct tk_auto *a, int send); /* the first bytes that wait: out they go, or away */
void tk_auto_on_late(int fd, short what, void *arg);

/* auto_route.c */
struct amsg *tk_amsg_new(struct tk_str topic, struct tk_str payload, const struct tk_props *props,
    unsigned qos, int retain);
void tk_amsg_unref(struct amsg *m);
void tk_auto_route(struct tk_auto *a, struct amsg *m, const struct asession *from);

struct asession *tk_asession_find(struct tk_auto *a, struct tk_str id);
struct asession *tk_asession_new(struct tk_auto *a, struct tk_str id);
void tk_asession_clear(struct asession *s); /* a clean start */
void tk_asession_free(struct asession *s);
void
tk_asession_online(struct asession *s, struct aconn *c, unsigned window); /* resends what is open */
void tk_asession_pump(struct asession *s); /* sends what the window lets through */
void tk_asession_ack(struct asession *s, const struct tk_packet *p); /* PUBACK, PUBREC, PUBCOMP */
void tk_asession_subscribe(struct asession *s, struct tk_str filter, unsigned options, uint32_t id);
int tk_asession_unsubscribe(struct asession *s, struct tk_str filter); /* whether it was there */

/* Sets bit n of a lazily made map of 65536 bits; returns what it was. */
int tk_bit_swap(unsigned char **map, unsigned n, int on);

#endif
