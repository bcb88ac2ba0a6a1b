/* What happens to a client's connection as data: for programs, where on_log is for people. */
#ifndef MQEV_EVENT_H
#define MQEV_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include <mqev/connect.h>
#include <mqev/reason.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mqev_client;

enum mqev_event_type {
	MQEV_EVENT_STATE = 1,	 /* state and previous */
	MQEV_EVENT_STAGE,	 /* an attempt has reached stage; text says where to */
	MQEV_EVENT_CONNACK,	 /* reason: accepted or refused */
	MQEV_EVENT_CONNECT_FAIL, /* what on_connect_fail tells */
	MQEV_EVENT_DISCONNECT,	 /* what on_disconnect tells */
	/* A received message in the store, of that token, cannot be read; it stays there and is not
	   delivered. error is MQEV_ERR_STORE_DAMAGED */
	MQEV_EVENT_UNREADABLE
};

/* What does not belong to the type is 0, stage MQEV_STAGE_NONE. No secrets are in it. */
struct mqev_event {
	enum mqev_event_type type;
	enum mqev_client_state state; /* of now */
	enum mqev_client_state previous;
	enum mqev_stage stage;
	int error; /* enum mqev_error */
	enum mqev_reason reason;
	bool from_server; /* in a DISCONNECT packet */
	int system_errno;
	unsigned long tls_error; /* OpenSSL's code */
	int http_status;
	uint32_t retry_ms; /* until the next attempt, MQEV_NONE: there will be none */
	const char *text;  /* one line for people; never NULL */
	uint64_t token;
};

/*
 * Called before the callback that tells of the same thing, in the order of what happened; what
 * happens inside a call of the application is told from the event loop afterwards. One that finds
 * no memory is left out.
 */
typedef void
mqev_event_cb(struct mqev_client *client, const struct mqev_event *event, void *userdata);

#ifdef __cplusplus
}
#endif

#endif
