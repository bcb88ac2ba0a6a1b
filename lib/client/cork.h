/* The sink of all sessions of a fleet: gathers what one client writes, and hands it to its link at
 * once, when the turn of the loop ends or there is much of it. */
#ifndef MQEV_CLIENT_CORK_H
#define MQEV_CLIENT_CORK_H

#include "core/sink.h"

struct mqev_block;
struct mqev_block_pool;
struct mqev_client;
struct mqev_op;

#define MQEV_CORK_PIECES 64

/* What precedes the bytes that are being written, in their order. */
struct mqev_piece {
	const uint8_t *data;
	size_t len;
	struct mqev_op *op;	  /* a payload of this operation, of which it has a reference */
	struct mqev_block *block; /* a full block, given back when the bytes have left; neither: they
				     stand in the block that is written, or a full one behind */
};

struct mqev_cork {
	struct mqev_sink sink; /* first: the sink's methods come back here */
	struct mqev_block_pool *pool;
	struct mqev_block *block; /* where the sink writes now; NULL: nowhere */
	uint8_t *from;		  /* in it: what stands here and behind is in no piece yet */
	bool owner_has_room;	  /* mqev_client_has_room() when the block was begun */
	uint32_t piece_count;
	size_t piece_bytes;
	struct mqev_op *gone; /* operations that ended while they were pieces, linked by queue.next */
	struct mqev_piece pieces[MQEV_CORK_PIECES];
};

bool mqev_cork_init(struct mqev_cork *cork);
void mqev_cork_free(struct mqev_cork *cork);
/* Hands what is gathered to its client's link. */
void mqev_cork_flush(struct mqev_cork *cork);
/* From the loop: gives back what only the cork still held, and tells the application that. */
void mqev_cork_let_go(struct mqev_cork *cork);
/* Bytes gathered for this client. */
size_t mqev_cork_held(const struct mqev_cork *cork, const struct mqev_client *c);
/* The client's link is gone: what is gathered for it is dropped. */
void mqev_cork_forget(struct mqev_cork *cork, const struct mqev_client *c);

#endif
