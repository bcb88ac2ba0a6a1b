/* What tests of ways to a broker share: a mosquitto that listens in every way, and a client that is
 * to reach it, or to say why not. Built on client_kit. */
#ifndef WAY_KIT_H
#define WAY_KIT_H

#include "lib/certs.h"
#include "lib/server_net.h"
#include "net/ws.h"
#include "wire/client_kit.h"

/* mosquitto: plain on its first port, then TLS, WebSocket, WebSocket over TLS; the last by
 * "localhost". */
extern struct tk_server way_broker;
extern struct tk_pki *way_pki;
/* What trusts way_pki. */
extern struct mqev_tls *way_tls;

enum { WAY_MQTT, WAY_MQTTS, WAY_WS, WAY_WSS };

/* "SCHEME://HOST:PORT"; a few are kept. */
const char *way_url(int way, const char *host);

/* Fixtures: the broker runs while the test does. */
TCase *way_case(Suite *suite, const char *name, int seconds);
/* False: mosquitto is not installed. */
bool way_ready(void);
#define WAY_NEED_BROKER()                                      \
	do {                                                   \
		if (!way_ready())                              \
			tk_skip("mosquitto is not installed"); \
	} while (0)
#define WAY_NEED_WEBSOCKET()                                    \
	do {                                                    \
		if (!mqev_ws_supported())                       \
			tk_skip("this build has no WebSocket"); \
	} while (0)

/* Connects, has a message sent back, disconnects. */
void way_round_trip(const char *url, struct mqev_options options);
#define WAY(url, ...)   \
	way_round_trip( \
	    (url), (struct mqev_options){.size = sizeof(struct mqev_options), __VA_ARGS__})

/* One attempt, which fails in that stage with that error and a text that says so; the rest is in
 * kit.failure and kit.text. */
void way_fails(const char *url, struct mqev_options options, enum mqev_stage stage, int error,
    const char *says);
#define NO_WAY(url, stage, error, says, ...)                                                      \
	way_fails((url), (struct mqev_options){.size = sizeof(struct mqev_options), __VA_ARGS__}, \
	    (stage), (error), (says))

struct mqev_tls *way_tls_of(const struct mqev_tls_options *options);

#endif
