/*
 * The judge of one connection: is told all bytes of both sides, and reports the first rule that the
 * CLIENT breaks, with the id of the statement. What the server does wrong is no fault of the
 * client: the judge notes it (server_broke) and from then on checks only what still can be checked.
 *
 * A packet of the server counts as told when the kit hands it to the socket; the client may not
 * have seen it yet. Where the two can cross, the judge takes the reading that favours the client.
 */
#ifndef TK_STREAM_H
#define TK_STREAM_H

#include "session.h"

struct tk_limits {					      /* of the CONNACK */
	uint32_t receive_max, alias_max, max_qos, max_packet; /* max_packet 0: no limit */
	int retain, wildcard, subscription_id, shared;
};

/* Identifiers that wait for an answer, in order. */
struct tk_queue {
	unsigned *id;
	size_t n, cap;
};

enum tk_phase {
	TK_PHASE_NEW,	     /* CONNECTING */
	TK_PHASE_CONNECTING, /* CONNECTED, REFUSED */
	TK_PHASE_CONNECTED,  /* ENDED */
	TK_PHASE_REFUSED,    /* the CONNACK refused */
	TK_PHASE_ENDED	     /* the client sent DISCONNECT */
};

struct tk_stream {
	int version; /* 0 until the CONNECT, unless given */
	enum tk_phase phase;
	struct tk_session *session;
	int own_session; /* it dies with the stream */
	struct tk_session *(*find_session)(void *arg, struct tk_str client_id);
	void *find_arg;

	int server_broke; /* the server's side was illegal; why: server_fault */
	struct tk_fault server_fault;
	struct tk_fault fault; /* of the client */

	struct tk_buf client_part, server_part; /* packets that have begun */
	struct tk_limits limits;
	int clean, resumed;
	int resend_optional;  /* version 3.1, which cannot tell whether the session is there */
	uint32_t expiry;      /* of the CONNECT */
	struct tk_buf method; /* Authentication Method; empty: none */
	int has_method;
	int auth_asked;	      /* the server's AUTH 18 waits for an answer */
	int reauth;	      /* re-authentication is under way */
	struct tk_buf *alias; /* topic of each alias, from 1 */
	uint32_t n_alias;
	int repeated;	      /* the server sent a QoS 2 PUBLISH again before its PUBREC */
	unsigned in_flight;   /* PUBLISHes of this connection that take quota */
	uint64_t last_resent; /* order of the last PUBLISH sent again */
	struct tk_queue puback, pubrec, pubrel, pubcomp; /* what the client has to send */
	char text[256];
};

/*
 * `version` 0: any. `session`: shared by the connections of one client; NULL: a session of this
 * stream alone. With find_session set after this call, the session is looked up by the client id of
 * the CONNECT.
 */
void tk_stream_init(struct tk_stream *s, int version, struct tk_session *session);
void tk_stream_clear(struct tk_stream *s);

/* Both return 0, or -1 when the client broke a rule now or before. Any cut of the bytes will do. */
int tk_stream_from_client(struct tk_stream *s, const void *data, size_t len);
int tk_stream_from_server(struct tk_stream *s, const void *data, size_t len);

/* The same for a packet that is decoded already, with its own fault or none. */
int tk_stream_client_packet(struct tk_stream *s, const struct tk_packet *p);

/* "[v5 3.1.0-1] the first packet is PINGREQ", or NULL when all was fine. */
const char *tk_stream_error(struct tk_stream *s);

/* How many acknowledgements the client owes, described in `out` if it is not NULL. */
size_t tk_stream_owes(const struct tk_stream *s, struct tk_buf *out);

#endif
