/* What a client keeps about its requests, and what the files of request and response share. */
#ifndef MQEV_CLIENT_RPC_H
#define MQEV_CLIENT_RPC_H

#include <mqev/rpc.h>

#include "client/part.h"
#include "client/rpc_table.h"

struct event;
struct mqev_client;

#define MQEV_CORRELATION_BASE 8
#define MQEV_CORRELATION_SIZE (MQEV_CORRELATION_BASE + 8)

enum mqev_rpc_state {
	MQEV_RPC_CLOSED,      /* no subscription to the reply topic -> SUBSCRIBING */
	MQEV_RPC_SUBSCRIBING, /* -> READY, CLOSED when the server refuses */
	MQEV_RPC_READY	      /* -> CLOSED when it is to be another topic, or was refused later */
};

/* One request, from its acceptance to the call of on_reply; in memory for as long as its PUBLISH is
 * not completed. */
struct mqev_call {
	uint64_t number;
	uint64_t publish; /* the operation that carries it; 0: none yet */
	struct mqev_rpc *rpc;
	struct mqev_call *next; /* among those that wait to be published */
	struct mqev_call **at;
	struct mqev_message *message; /* while it waits there */
	struct event *timer;
	mqev_reply_cb *on_reply;
	void *arg;
	void (*release)(void *release_arg);
	void *release_arg;
	uint32_t refs;
	bool publishing; /* its PUBLISH is not completed */
	bool canceled;
	bool ended;
};

struct mqev_rpc {
	struct mqev_part part;
	struct mqev_client *client;
	struct mqev_call_table calls;
	struct mqev_call *waiting; /* for the reply topic, in order */
	struct mqev_call **waiting_end;
	size_t waiting_bytes;
	size_t publishing;  /* calls that the session's queue counts */
	char *information;  /* the server's Response Information; NULL: none */
	char *topic;	    /* where replies come; NULL: not chosen yet */
	uint64_t subscribe; /* the operation of SUBSCRIBING */
	uint64_t strays;
	uint8_t base[MQEV_CORRELATION_BASE];
	uint8_t state; /* enum mqev_rpc_state */
};

/* rpc.c */
/* The client's, made when there is none. 0, MQEV_ERR_NOMEM, MQEV_ERR_SYSTEM. */
int mqev_rpc_make(struct mqev_client *c);
void mqev_rpc_free(struct mqev_client *c);
void mqev_call_unref(struct mqev_call *call);
/* What mqev_request() accepts of a message, whatever the client's state. */
bool mqev_request_sendable(const struct mqev_message *m);
/* Out of the table and to the application; message NULL on an error. */
void mqev_call_finish(
    struct mqev_call *call, int error, enum mqev_reason reason, const struct mqev_message *message);

/* rpc_send.c */
/* Publishes it, or puts it in line for when that is possible. A negative error: neither. */
int mqev_call_submit(struct mqev_call *call, const struct mqev_message *message);
/* Out of the line, if it stands there. */
void mqev_call_leave_line(struct mqev_call *call);
/* An accepted CONNACK; false: no memory for what it says. */
bool mqev_rpc_take_information(struct mqev_client *c, const struct mqev_properties *properties);
/* The client is connected: what had to wait for that can begin. */
void mqev_rpc_start(struct mqev_client *c);
/* The server refused to subscribe again to something. */
void mqev_rpc_replay_refused(struct mqev_client *c);
/* True for completions of what the library does by itself, of which only they are told. */
bool mqev_rpc_owns(mqev_result_cb *done);

/* respond.c */
struct mqev_response {
	struct mqev_message message; /* what is to be published; the others are parts of it */
	struct mqev_properties *properties;
	char *topic;
};

/* Takes the answer to a request together. 0; MQEV_ERR_INVALID, MQEV_ERR_UNSUPPORTED,
 * MQEV_ERR_NOMEM: then there is nothing to clear. */
int mqev_response_make(struct mqev_response *response, const struct mqev_message *request,
    const struct mqev_message *reply);
void mqev_response_clear(struct mqev_response *response);

#endif
