/* A client's connected bufferevent: bytes in to the session, bytes out, the polite end. */
#ifndef MQEV_CLIENT_LINK_H
#define MQEV_CLIENT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/transport.h"

struct event;
struct mqev_client;
struct mqev_drain;
struct mqev_fleet;

/* Above this much unsent output queued messages wait; below the lower mark they go on. */
#define MQEV_LINK_OUTPUT_HIGH ((size_t)256 * 1024)
#define MQEV_LINK_OUTPUT_LOW ((size_t)64 * 1024)
/* A server that takes nothing while it makes us answer is not listened to beyond this. */
#define MQEV_LINK_OUTPUT_MAX ((size_t)1024 * 1024)

struct mqev_link {
	struct mqev_conn conn;
	struct mqev_client *client; /* NULL while it says good-bye */
	struct mqev_fleet *fleet;
	uint8_t *partial; /* the packet that has begun to arrive */
	size_t partial_len;
	size_t partial_capacity;
	size_t need;	/* its size, 0 when not known yet */
	int read_errno; /* what reading beside the bufferevent met */
	bool broken;	/* the bufferevent took no more bytes */
	bool stopped;	/* not reading: too much output, or the application paused */
	bool shut;	/* good-bye: our side is closed */
	bool reading;	/* callbacks may run that look at the partial packet */
	bool closed;	/* while reading: to be freed after it */
	struct mqev_drain *drain; /* waits for the end of the good-bye; NULL: nobody does */
	struct event *linger_timer;
	struct mqev_link *next; /* among the lingering */
	struct mqev_link **at;
};

/* Takes the connection over; NULL when memory runs out (the caller still owns it). Reading starts.
 */
struct mqev_link *mqev_link_open(struct mqev_client *client, const struct mqev_conn *conn);

/* Hands bytes to the bufferevent. What it does not take for want of memory breaks the link and ends
 * the session's connection. */
void mqev_link_write(struct mqev_link *link, const void *data, size_t len);
/*
 * Past an output that is empty, straight into a plain socket: it costs no turn of the loop, and none
 * of the calls by which room is watched for. Returns how much the socket took; what is left is for
 * the bufferevent, and so is what went wrong.
 */
size_t mqev_link_send(struct mqev_link *link, const void *data, size_t len);
/* As mqev_link_write() without a copy; done(data, len, arg) is called when they have left or are given up.
 * False: not taken, done is not called. */
bool mqev_link_lend(struct mqev_link *link, const void *data, size_t len,
    void (*done)(const void *data, size_t len, void *arg), void *arg);

size_t mqev_link_unsent(const struct mqev_link *link);

/* From now on the client is pumped when nothing is left to send, too. */
void mqev_link_tell_when_empty(struct mqev_link *link);

/* Frees at once. */
void mqev_link_close(struct mqev_link *link);
/* Parts from the client: sends what is left, closes our side, waits a little for the server's, then
 * frees. */
void mqev_link_linger(struct mqev_link *link);

/* Reads on or stops reading, as output and the session's pause ask for. */
void mqev_link_update_reading(struct mqev_link *link);

/* Frees what had to wait for the end of the reading. */
void mqev_link_finish_reading(struct mqev_link *link);

/* link_read.c */
/* Passes all that has arrived to the session, at most about budget bytes from the socket itself. */
void mqev_link_read(struct mqev_link *link, size_t budget);

#endif
