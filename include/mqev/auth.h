/* Enhanced authentication of MQTT 5: the provider of a method, and authenticating again. */
#ifndef MQEV_AUTH_H
#define MQEV_AUTH_H

#include <stddef.h>
#include <stdint.h>

#include <mqev/export.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mqev_client;
struct mqev_result;

/* Authentication Data: any bytes, at most 65,535. data NULL: the packet has none. */
struct mqev_auth_data {
	const void *data;
	size_t len;
};

/*
 * A provider plays the client's part of one authentication method. The library calls it once per
 * exchange, that is for each CONNECT and for each mqev_reauthenticate():
 *
 *	begin, then step for each challenge of the server, then finish when the server said that
 *	all is well, and end, once, however the exchange ended. One whose begin failed has no end.
 *
 * Each of begin, step and finish returns 0, MQEV_ERR_NOMEM, or anything else for a failure. A
 * failure ends the connection with that MQEV_ERR_NOMEM or with MQEV_ERR_AUTH; after MQEV_ERR_AUTH
 * the client does not connect again by itself. The functions run in the loop's thread (begin also
 * inside mqev_reauthenticate()), must return at once, and must not call functions of a client or a
 * fleet. One provider may serve many clients. Members that are NULL do nothing, but without step a
 * challenge is a failure. What begin and step give in *out is used before the next call of the
 * provider.
 */
struct mqev_auth {
	size_t size;	    /* set by MQEV_AUTH() */
	const char *method; /* Authentication Method, as "SCRAM-SHA-256"; UTF-8, copied */

	/*
	 * A new exchange: *exchange may be set to what the calls that follow are to get; *out to
	 * initial data.
	 */
	int (*begin)(void *userdata, void **exchange, struct mqev_auth_data *out);
	/* A challenge of the server; *out is to get the response. */
	int (*step)(void *userdata, void *exchange, const struct mqev_auth_data *in,
	    struct mqev_auth_data *out);
	/*
	 * The server accepted, and sent this with it: the last chance to see whether it is the
	 * right server.
	 */
	int (*finish)(void *userdata, void *exchange, const struct mqev_auth_data *in);
	void (*end)(void *userdata, void *exchange);
	void *userdata; /* must live as long as each client that uses it */
};

#ifndef __cplusplus
#	define MQEV_AUTH(...) (&(struct mqev_auth){.size = sizeof(struct mqev_auth), __VA_ARGS__})
#endif

/*
 * Authenticates again, with the provider of the client's options, while other traffic goes on
 * ([MQTT-4.12.1-1]). Returns the operation's number; then done (may be NULL) is called exactly
 * once: result->error 0 when both sides were content, else how the connection ended, for a failure
 * ends it ([MQTT-4.12.1-2]): MQEV_ERR_AUTH (own side), MQEV_ERR_DISCONNECTED with the server's
 * reason, MQEV_ERR_TIMEOUT (no answer within connack_timeout_ms), MQEV_ERR_LOST ... On a negative
 * error nothing follows: MQEV_ERR_INVALID; MQEV_ERR_UNSUPPORTED: before 5.0; MQEV_ERR_STATE: not
 * connected, no provider in the options, or one such exchange is in progress; MQEV_ERR_AUTH: begin
 * failed (the connection goes on); MQEV_ERR_TOO_LARGE: above the server's Maximum Packet Size;
 * MQEV_ERR_NOMEM.
 */
MQEV_EXPORT int64_t mqev_reauthenticate(struct mqev_client *client,
    void (*done)(struct mqev_client *client, const struct mqev_result *result, void *arg),
    void *arg);

#ifdef __cplusplus
}
#endif

#endif
