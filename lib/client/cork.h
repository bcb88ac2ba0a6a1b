/* The sink of all sessions of a fleet: gathers what one client writes, and hands it to its link in
 * one piece. */
#ifndef MQEV_CLIENT_CORK_H
#define MQEV_CLIENT_CORK_H

#include "core/sink.h"

struct mqev_block_pool;
struct mqev_client;

/* One gathered block: up to here small packets are put together before they reach the bufferevent.
 */
#define MQEV_CORK_BLOCK 65536

struct mqev_cork {
	struct mqev_sink sink; /* first: the sink's methods come back here */
	struct mqev_block_pool *pool;
	struct mqev_block *block; /* where the sink writes now; NULL: nowhere */
	bool owner_has_room;	  /* mqev_client_has_room() when its bytes began to gather */
};

bool mqev_cork_init(struct mqev_cork *cork);
void mqev_cork_free(struct mqev_cork *cork);
/* Hands what is gathered to its client's link. */
void mqev_cork_flush(struct mqev_cork *cork);
/* Bytes gathered for this client. */
size_t mqev_cork_held(const struct mqev_cork *cork, const struct mqev_client *c);
/* The client's link is gone: what is gathered for it is dropped. */
void mqev_cork_forget(struct mqev_cork *cork, const struct mqev_client *c);

#endif
