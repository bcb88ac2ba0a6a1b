/* How a WebSocket link (ws:// and wss://) asks for its upgrade. */
#ifndef MQEV_WEBSOCKET_H
#define MQEV_WEBSOCKET_H

#include <stddef.h>
#include <stdint.h>

#include <mqev/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An upgrade request in the making: lent to mqev_websocket_prepare_cb for the time of the call. */
struct mqev_websocket_request;

/* The URL's path (or the options' one) as it would be sent; valid until it is set anew. */
MQEV_EXPORT const char *mqev_websocket_request_path(const struct mqev_websocket_request *request);
/*
 * Path and query to ask for, beginning with '/', instead of the URL's. Copied. 0, MQEV_ERR_INVALID
 * (blanks, control characters or a fragment in it, or longer than 8,000 bytes) or MQEV_ERR_NOMEM.
 */
MQEV_EXPORT int
mqev_websocket_request_set_path(struct mqev_websocket_request *request, const char *path);
/*
 * One more header. A header of that name which the library or the options made is replaced. Copied.
 * 0, MQEV_ERR_NOMEM or MQEV_ERR_INVALID: a name that is no token, control characters in the value,
 * a header that belongs to the upgrade itself (Connection, Upgrade, Sec-WebSocket-*,
 * Content-Length, Transfer-Encoding), or all headers longer than 16,000 bytes.
 */
MQEV_EXPORT int mqev_websocket_request_set_header(
    struct mqev_websocket_request *request, const char *name, const char *value);

/*
 * Called for each attempt to connect, before the upgrade is asked for: the place for signed URLs
 * and fresh tokens. Returns 0, or a negative enum mqev_error, with which the attempt then fails. It
 * must not block. As in every callback of a client all functions may be called, mqev_client_free()
 * too: request is gone then, and what it returns is not looked at.
 */
typedef int mqev_websocket_prepare_cb(struct mqev_websocket_request *request, void *arg);

/* All members may stay zero. Everything is copied by the client that gets it. */
struct mqev_websocket_options {
	size_t size; /* set by MQEV_WEBSOCKET_OPTIONS() */

	const char *path; /* path and query; default: the URL's, and "/mqtt" when it has none */
	const char *const *headers; /* more headers: "Name: value", as
				       mqev_websocket_request_set_header() takes them */
	size_t header_count;
	const char *subprotocol; /* default "mqtt"; the server must agree to it */
	mqev_websocket_prepare_cb *on_prepare;
	void *prepare_arg;

	/* The largest frame that is accepted, in bytes; larger ones close the link with 1009.
	 * Default 268,435,460, the largest MQTT packet. */
	uint64_t max_frame_bytes;
};

#define MQEV_WEBSOCKET_OPTIONS_INIT                   \
	{                                             \
		sizeof(struct mqev_websocket_options) \
	}
#ifndef __cplusplus
#	define MQEV_WEBSOCKET_OPTIONS(...)              \
		(&(const struct mqev_websocket_options){ \
		    .size = sizeof(struct mqev_websocket_options), __VA_ARGS__})
#endif

#ifdef __cplusplus
}
#endif

#endif /* MQEV_WEBSOCKET_H */
