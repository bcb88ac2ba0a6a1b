/* Sessions that move from one running process to another, without a message lost or sent twice: for
 * an upgrade of a daemon, or to share its clients out anew. */
#ifndef MQEV_HANDOVER_H
#define MQEV_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mqev/export.h>
#include <mqev/fleet.h>
#include <mqev/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One process gives, the other takes, each out of and into its own store, over a stream socket
 * between them. At every moment, whoever is killed, one of the two stores owns the session: the
 * giver's until it is durable there that it has left, then the taker's.
 *
 * What is interrupted is taken up by giving it again, over another connection: once it has left,
 * into the same store, for any other takes it as settled. Before it has left, the giver may also go
 * on with it (a client of that name, as before), and what the taker has of it is replaced by the
 * next try. Between leaving and the taker's confirmation no client can have it: mqev_client_new()
 * says MQEV_ERR_STORE_BUSY in both processes until it was given again, which then is one small
 * message. Should the giver and its file be lost meanwhile, `mqev-store take` gives it to the
 * taker.
 *
 * Tokens and cookies stay what they are. Bytes that a cipher sealed stay sealed: both stores need
 * the same one.
 */
struct mqev_handover_options {
	size_t size;
	uint32_t timeout_ms; /* all of it; default 30,000 */
	size_t max_bytes;    /* of one session, which is held in memory meanwhile; default 64 MiB */
};

#ifndef __cplusplus
#	define MQEV_HANDOVER_OPTIONS(...)        \
		(&(struct mqev_handover_options){ \
		    .size = sizeof(struct mqev_handover_options), __VA_ARGS__})
#endif

struct mqev_handover_result {
	/*
	 * 0: done. MQEV_ERR_LOST (the connection ended), MQEV_ERR_TIMEOUT, MQEV_ERR_PROTOCOL (what
	 * came is no hand-over), MQEV_ERR_TOO_LARGE, MQEV_ERR_CANCELED (the fleet was freed),
	 * MQEV_ERR_STATE (the taker has a client of that name, or a token of it, or gave that out
	 * itself since its store was opened), or what the store says; the giver is told the taker's
	 * error too.
	 */
	int error;
	const char *name; /* in the store; "": not known */
	bool owned;	  /* the session is this process's: a client may go on with it */
	size_t messages;  /* that came, or went, with it */
};

/* Once for each that was begun, from the loop or by mqev_fleet_free(). Everything is legal in it;
 * the store is not in use by this any more. */
typedef void
mqev_handover_cb(struct mqev_fleet *fleet, const struct mqev_handover_result *result, void *arg);

/*
 * Gives the session of that name, which no client has: mqev_client_free() it before, after an
 * mqev_drain() or as it is. Nothing blocks; the store's writer is busy while it reads the session.
 * fd is made non-blocking, used until done was called, and stays the caller's; one hand-over at a
 * time, any number after one another. options may be NULL.
 *
 * 0; MQEV_ERR_INVALID, MQEV_ERR_NOMEM; MQEV_ERR_NOT_FOUND: there is no such session;
 * MQEV_ERR_STORE_BUSY: it is a client's, or not this store's yet; MQEV_ERR_STATE: the fleet is
 * being freed, or this is a child of the process that opened the store; or why the store has
 * failed.
 */
MQEV_EXPORT int
mqev_handover_give(struct mqev_fleet *fleet, struct mqev_store *store, const char *name, int fd,
    const struct mqev_handover_options *options, mqev_handover_cb *done, void *arg);

/* Takes one session that comes over fd; the rest as above. When the giver has no more and closes,
 * done is called with MQEV_ERR_LOST and no name. */
MQEV_EXPORT int mqev_handover_take(struct mqev_fleet *fleet, struct mqev_store *store, int fd,
    const struct mqev_handover_options *options, mqev_handover_cb *done, void *arg);

#ifdef __cplusplus
}
#endif

#endif
