/* WebSocket (RFC 6455) inside lib/net: the upgrade, the frames, the filter over a link. */
#ifndef MQEV_NET_WS_H
#define MQEV_NET_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mqev/websocket.h>

struct evbuffer;
struct event_base;
struct mqev_conn;
struct mqev_net_error;
struct wslay_frame_context;

/* Whether this build can do WebSocket at all. */
bool mqev_ws_supported(void);

/* Options ------------------------------------------------------------------------------------- */

/* 0, or MQEV_ERR_INVALID and a static text. NULL options are valid. */
int mqev_ws_options_check(const struct mqev_websocket_options *options, const char **why);
/* A deep copy with all members of this version, to be freed; NULL when memory runs out. */
struct mqev_websocket_options *mqev_ws_options_copy(const struct mqev_websocket_options *options);
void mqev_ws_options_free(struct mqev_websocket_options *options);

/* Upgrade ------------------------------------------------------------------------------------- */

#define MQEV_WS_KEY_SIZE 25 /* 16 bytes in base64, and the NUL */

struct mqev_ws_header {
	char *name;
	char *value;
};

struct mqev_websocket_request {
	char *path;
	struct mqev_ws_header *headers;
	size_t header_count;
	size_t header_bytes;
};

/* host without brackets; path may be NULL. The options' headers are in it, on_prepare is not
 * called. 0, MQEV_ERR_INVALID or MQEV_ERR_NOMEM. */
int mqev_ws_request_init(struct mqev_websocket_request *request, const char *host, uint16_t port,
    bool tls, const char *path, const struct mqev_websocket_options *options);
void mqev_ws_request_clear(struct mqev_websocket_request *request);
/* Appends the request. key is in base64. */
int mqev_ws_request_write(const struct mqev_websocket_request *request, const char *key,
    const char *subprotocol, struct evbuffer *out);

/* 16 random bytes in base64. -1: no randomness. */
int mqev_ws_make_key(char key[MQEV_WS_KEY_SIZE]);

#define MQEV_WS_ACCEPT_SIZE 29 /* 20 bytes in base64, and the NUL */
/* What a server must answer to key. -1: SHA-1 is not to be had. */
int mqev_ws_accept_for_key(const char *key, char accept[MQEV_WS_ACCEPT_SIZE]);

/* The server's answer, read as it comes. */
struct mqev_ws_answer {
	char accept[MQEV_WS_ACCEPT_SIZE];
	const char *subprotocol; /* lent */
	size_t consumed;	 /* bytes of lines so far */
	unsigned seen;		 /* bits of headers */
	bool status_seen;
};
int mqev_ws_answer_init(struct mqev_ws_answer *answer, const char *key, const char *subprotocol);
/* Takes what is the answer's from in, and no byte behind it. 1: all good, what is left in in are
 * frames; 0: more must come; -1: error is filled. */
int mqev_ws_answer_read(
    struct mqev_ws_answer *answer, struct evbuffer *in, struct mqev_net_error *error);

/* Frames ------------------------------------------------------------------------------------- */

enum mqev_ws_end {
	MQEV_WS_OPEN = 0,    /* next: any other */
	MQEV_WS_PEER_CLOSED, /* a close frame came and was answered */
	MQEV_WS_FAULT	     /* a rule was broken, or memory or randomness ran out */
};

#define MQEV_WS_CONTROL_MAX 125
#define MQEV_WS_MASK_BATCH 64
#define MQEV_WS_HEADER_MAX 14

/* Both directions of one link, without I/O: what came goes in by mqev_ws_input(), what is to be
 * sent by mqev_ws_output(). */
struct mqev_ws {
	struct wslay_frame_context *in; /* only while it has a header or a short frame in hand */
	struct mqev_ws_span *span;	/* what came; only during a call */
	uint64_t fed;			/* bytes given to wslay */
	uint64_t used;			/* bytes of them that belong to finished frames */
	uint64_t frame_left;		/* payload bytes that the unfinished frame lacks */
	uint64_t max_frame;
	uint64_t sent;	   /* bytes appended to the wire */
	uint64_t pong_end; /* how many must have left it before the last pong has */
	const char *why;   /* of a fault, static */
	enum mqev_ws_end end;
	uint16_t close_code; /* the peer's when it closed, ours in a fault; 0: none */
	bool frame_open; /* its header is judged; with no wslay, the rest of it goes past wslay */
	bool frame_fin;
	bool message_open; /* a fragmented message waits for its next frame */
	bool close_sent;
	bool pong_waiting;
	uint8_t tail_len;
	uint8_t control_len;
	uint8_t masks_left;
	uint8_t tail[MQEV_WS_HEADER_MAX];     /* the last bytes fed */
	uint8_t control[MQEV_WS_CONTROL_MAX]; /* of the control frame that comes in, or the pong
						 that waits */
	uint8_t masks[MQEV_WS_MASK_BATCH];
};

void mqev_ws_init(struct mqev_ws *ws, uint64_t max_frame);
void mqev_ws_clear(struct mqev_ws *ws);
/*
 * Takes frames apart where they stand: payloads move to the beginning of data, and how long they are
 * is returned. Answers to control frames are appended to wire. After the end, what comes is thrown
 * away.
 */
size_t mqev_ws_unframe(struct mqev_ws *ws, uint8_t *data, size_t len, struct evbuffer *wire);
/* The same with all that is in from; payloads are appended to to. */
void mqev_ws_input(
    struct mqev_ws *ws, struct evbuffer *from, struct evbuffer *to, struct evbuffer *wire);
/* Moves at most limit bytes as frames to wire. After a close frame, what comes is thrown away. */
void mqev_ws_output(struct mqev_ws *ws, struct evbuffer *from, struct evbuffer *wire, size_t limit);
/* A pong that had to wait for an earlier one: to be called when the wire got shorter. */
void mqev_ws_output_pong(struct mqev_ws *ws, struct evbuffer *wire);
/* Once; later calls do nothing. */
void mqev_ws_output_close(struct mqev_ws *ws, uint16_t code, struct evbuffer *wire);
/* out[i] = in[i] ^ key[(offset + i) % 4] */
void mqev_ws_mask(uint8_t *out, const uint8_t *in, size_t len, const uint8_t key[4], size_t offset);

/* Link --------------------------------------------------------------------------------------- */

/* Puts the filter over a link whose upgrade is done; what has come already is the filter's. 0, or
 * MQEV_ERR_NOMEM and the link is as before. */
int mqev_ws_push(struct mqev_conn *conn, uint64_t max_frame);
/*
 * Begins or goes on reading on a WebSocket link. What already lies in the lower bufferevent would
 * sleep there till more comes, if reading were only enabled.
 */
void mqev_ws_resume(struct mqev_conn *conn);
/* After an error or end-of-file event: the WebSocket reason, if there is one. false: none, look at
 * the layer below. */
bool mqev_ws_conn_error(const struct mqev_conn *conn, struct mqev_net_error *error);

#endif
