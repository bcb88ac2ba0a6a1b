/*
 * A server for a vclient that answers all it gets, at once or when told to, and has the judge of
 * stream.h look at each byte of both sides, over as many connections as there are.
 */
#ifndef MQEV_TEST_VSERVER_H
#define MQEV_TEST_VSERVER_H

#include "lib/stream.h"
#include "lib/vclient.h"

struct vserver {
	struct vclient *v;
	struct tk_session *session;
	struct tk_stream stream;
	bool open;
	size_t seen;	       /* of what the client wrote on this connection, in whole packets */
	size_t told;	       /* to the judge */
	struct tk_buf answers; /* owed to it */
	bool got_connect;
	bool unsure;	 /* what the client knows of its session: only single packets are judged */
	char error[256]; /* the first rule that the client broke */
};

void vserver_init(struct vserver *vs, struct vclient *v);
void vserver_free(struct vserver *vs);
/* A new connection: the client's CONNECT, a CONNACK with these properties (notation; 5.0 only). */
void vserver_connect(struct vserver *vs, bool session_present, const char *properties);
/* The connection and CONNECT alone. */
void vserver_open(struct vserver *vs);
/* Bytes of the server's own. */
void vserver_send(struct vserver *vs, const char *packets);
void vserver_send_bytes(struct vserver *vs, const void *data, size_t len);
/* All that is owed now. */
void vserver_answer(struct vserver *vs);
/* Reads what was written and answers, until neither side has anything to say. */
void vserver_run(struct vserver *vs);
/* Reads what was written; its answers are owed. */
void vserver_look(struct vserver *vs);
void vserver_close(struct vserver *vs);

#endif
