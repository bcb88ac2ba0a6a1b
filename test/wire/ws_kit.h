/* What tests of WebSocket links share: ws and wss, servers that look at frames. Built on link_kit.
 */
#ifndef WS_KIT_H
#define WS_KIT_H

#include "wire/link_kit.h"

extern bool secure; /* of the test that runs: wss instead of ws */

void start(struct link *l, struct tk_peer *peer, const struct mqev_websocket_options *options);

/* What a serving function does first: TLS when secure; the same and the upgrade. */
bool ready(struct tk_peer_conn *c);
bool ready_and_upgraded(struct tk_peer_conn *c);

/* What the server saw of the client's frames; read after the peer's end. */
struct seen {
	int opcode; /* of the last frame */
	size_t bytes;
	size_t frames;
	int pongs;
	int close_code; /* -1: no close frame */
	int broken;	/* a frame broke a rule */
	unsigned char last[126];
	size_t last_len;
	const char *send; /* what to send, in packet notation */
};

void see_frames(struct tk_peer_conn *c, struct seen *seen, bool echo);

/* Serving functions; arg is a struct seen. */
void echo_frames(struct tk_peer_conn *c, void *arg);
void send_and_see(struct tk_peer_conn *c, void *arg);

/* With a CA and a server's certificate made for each test. */
TCase *ws_case(Suite *suite, const char *name);

#endif
