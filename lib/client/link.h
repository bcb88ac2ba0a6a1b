/* A client's connected bufferevent: bytes in to the session, bytes out, the polite end. */
#ifndef MQEV_CLIENT_LINK_H
#define MQEV_CLIENT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/transport.h"

struct iovec;
struct mqev_client;
struct mqev_drain;
struct mqev_farewell;
struct mqev_fleet;

/* Above this much unsent output queued messages wait; below the lower mark they go on. */
#define MQEV_LINK_OUTPUT_HIGH ((size_t)512 * 1024)
#define MQEV_LINK_OUTPUT_LOW ((size_t)64 * 1024)
/* A server that takes nothing while it makes us answer is not listened to beyond this. */
#define MQEV_LINK_OUTPUT_MAX ((size_t)1024 * 1024)

/* Every client has one: what it holds only at times is elsewhere. */
struct mqev_link {
	struct mqev_conn conn;
	union {
		struct mqev_client *client;	/* until it is parted from it */
		struct mqev_farewell *farewell; /* then; NULL: it does not linger */
	};
	uint8_t *partial; /* the packet that has begun to arrive */
	uint32_t partial_len;
	uint32_t partial_capacity;
	uint32_t need;	    /* its size, 0 when not known yet */
	int16_t read_errno; /* what reading beside the bufferevent met */
	bool broken : 1;    /* the bufferevent took no more bytes */
	bool stopped : 1;   /* not reading: too much output, or the application paused */
	bool parted : 1;    /* it says good-bye, or there was no memory for that */
	bool shut : 1;	    /* good-bye: our side is closed */
	bool reading : 1;   /* callbacks may run that look at the partial packet */
	bool closed : 1;    /* while reading: to be freed after it */
	bool ended : 1;	    /* reading beside the bufferevent met the end */
	bool awake : 1;	    /* there was no memory to park it: not before something comes */
	bool holds : 1;	    /* there may be something unsent; false: there is not, unasked */
};

/* Takes the connection over; NULL when memory runs out (the caller still owns it). Reading starts.
 */
struct mqev_link *mqev_link_open(struct mqev_client *client, const struct mqev_conn *conn);

/* Hands bytes to the bufferevent. What it does not take for want of memory breaks the link and ends
 * the session's connection. */
void mqev_link_write(struct mqev_link *link, const void *data, size_t len);
/*
 * Past an output that is empty, straight into a plain socket: it costs no turn of the loop, and
 * none of the calls by which room is watched for. Returns how much the socket took; what is left is
 * for the bufferevent, and so is what went wrong.
 */
size_t mqev_link_send(struct mqev_link *link, struct iovec *pieces, size_t count);
/* As mqev_link_write() without a copy; done(data, len, arg) is called when they have left or are
 * given up. False: not taken, done is not called. */
bool mqev_link_lend(struct mqev_link *link, const void *data, size_t len,
    void (*done)(const void *data, size_t len, void *arg), void *arg);

size_t mqev_link_unsent(const struct mqev_link *link);

/* From now on the client is pumped when nothing is left to send, too. */
void mqev_link_tell_when_empty(struct mqev_link *link);

/* Gives back what an idle link need not hold. */
void mqev_link_trim(struct mqev_link *link);
/* Whether it has a bufferevent that it could do without, while nothing comes or goes. */
bool mqev_link_may_park(const struct mqev_link *link);
/* Gives that back, if there is memory for what takes its place. */
void mqev_link_park(struct mqev_link *link);

/* Frees at once. */
void mqev_link_close(struct mqev_link *link);
/* Parts from the client: sends what is left, closes our side, waits a little for the server's, then
 * frees. A drain (NULL: none) that wants to know of the end hears of it. */
void mqev_link_linger(struct mqev_link *link, struct mqev_drain *drain);
/* The drain goes first. */
void mqev_link_forget_drain(struct mqev_link *link);
/* All of a fleet that still do. */
void mqev_link_close_lingering(struct mqev_fleet *fleet);

/* Reads on or stops reading, as output and the session's pause ask for. */
void mqev_link_update_reading(struct mqev_link *link);

/* Frees what had to wait for the end of the reading. */
void mqev_link_finish_reading(struct mqev_link *link);

/* link_read.c */
/* Frees the block for partial packets if it holds none. */
void mqev_link_trim_partial(struct mqev_link *link);
/* Passes all that has arrived to the session, at most about budget bytes from past the bufferevent. */
void mqev_link_read(struct mqev_link *link, size_t budget);

#endif
