/* Gathering what clients write within one turn of the loop. Emptying it in time is the fleet's
 * business. */
#include "client/cork.h"

#include <sys/uio.h>

#include "client/block.h"
#include "client/client.h"
#include "client/link.h"
#include "core/op.h"
#include "port/port.h"

/* From this size on a block is handed over as it is, and another one taken; below, the bytes are
 * copied. */
#define LEND_BLOCK_FROM 16384

/* Since the last piece. */
static size_t
written(const struct mqev_cork *cork)
{
	return cork->block != NULL ? (size_t)(cork->sink.at - cork->from) : 0;
}

static size_t
held(const struct mqev_cork *cork)
{
	return cork->piece_bytes + written(cork);
}

/* --- the block and the pieces ------------------------------------------------------------------
 */

/* Without an owner the next one must ask for room, and so a flush is planned. */
static void
rewind_block(struct mqev_cork *cork)
{
	struct mqev_block *block = cork->block;

	cork->sink.owner = NULL;
	cork->sink.at = cork->from = block != NULL ? block->data : NULL;
	cork->sink.end = block != NULL ? block->data + block->size : NULL;
}

static void
drop_block(struct mqev_cork *cork)
{
	if (cork->block != NULL)
		mqev_block_give(cork->block);
	cork->block = NULL;
	rewind_block(cork);
}

static void
add_piece(struct mqev_cork *cork, const struct mqev_piece *piece)
{
	cork->pieces[cork->piece_count++] = *piece;
	cork->piece_bytes += piece->len;
}

/* What was written becomes a piece; the block is gone with it if it is given along. */
static void
end_piece(struct mqev_cork *cork, struct mqev_block *block)
{
	struct mqev_piece piece = {.data = cork->from, .len = written(cork), .block = block};

	if (piece.len > 0 || block != NULL)
		add_piece(cork, &piece);
	cork->from = cork->sink.at;
	if (block == NULL)
		return;
	cork->block = NULL;
	cork->sink.at = cork->sink.end = cork->from = NULL;
}

/* There must be places for a full block, a payload, what was written before and behind that. */
static bool
is_full(const struct mqev_cork *cork)
{
	return cork->piece_count + 4 > MQEV_CORK_PIECES || held(cork) >= MQEV_LINK_OUTPUT_HIGH;
}

/* A server may acknowledge what was not sent yet. The application is told that a payload is free,
 * which is for the loop to do. */
static void
give_back_op(struct mqev_cork *cork, struct mqev_op *op)
{
	if (op->refs > 1) {
		mqev_op_unref(op);
		return;
	}
	op->queue.next = cork->gone;
	cork->gone = op;
}

static void
give_back_pieces(struct mqev_cork *cork, struct mqev_fleet *fleet)
{
	for (uint32_t i = 0; i < cork->piece_count; i++) {
		if (cork->pieces[i].block != NULL)
			mqev_block_give(cork->pieces[i].block);
		if (cork->pieces[i].op != NULL)
			give_back_op(cork, cork->pieces[i].op);
	}
	cork->piece_count = 0;
	cork->piece_bytes = 0;
	if (cork->gone != NULL)
		mqev_fleet_plan_flush(fleet);
}

void
mqev_cork_let_go(struct mqev_cork *cork)
{
	while (cork->gone != NULL) {
		struct mqev_op *op = cork->gone;

		cork->gone = op->queue.next;
		mqev_op_unref(op);
	}
}

/* --- handing over ------------------------------------------------------------------------------
 */

static void
block_has_left(const void *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	mqev_block_give(arg);
}

static void
op_has_left(const void *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	mqev_op_unref(arg);
}

static size_t
send_pieces(const struct mqev_cork *cork, struct mqev_client *c)
{
	struct iovec parts[MQEV_CORK_PIECES];

	for (uint32_t i = 0; i < cork->piece_count; i++)
		parts[i] = (struct iovec){
		    (void *)(uintptr_t)cork->pieces[i].data, cork->pieces[i].len};
	return mqev_link_send(c->link, parts, cork->piece_count);
}

/* The session hears of a link that could not take the bytes from the link itself. */
static void
write_piece(struct mqev_link *link, struct mqev_piece *piece, const uint8_t *data, size_t len)
{
	if (piece->op != NULL) {
		if (mqev_link_lend(link, data, len, op_has_left, piece->op))
			piece->op = NULL;
	} else if (piece->block != NULL && len >= LEND_BLOCK_FROM) {
		if (mqev_link_lend(link, data, len, block_has_left, piece->block))
			piece->block = NULL;
	} else {
		mqev_link_write(link, data, len);
	}
}

/* What the socket has not taken already. */
static void
write_rest(struct mqev_cork *cork, struct mqev_client *c, size_t taken)
{
	for (uint32_t i = 0; i < cork->piece_count; i++) {
		struct mqev_piece *piece = &cork->pieces[i];
		size_t part = taken < piece->len ? taken : piece->len;

		taken -= part;
		if (part < piece->len)
			write_piece(c->link, piece, piece->data + part, piece->len - part);
	}
}

void
mqev_cork_flush(struct mqev_cork *cork)
{
	struct mqev_client *c = cork->sink.owner;
	bool much;
	size_t taken;

	if (held(cork) == 0)
		return;
	if (c->session.untimed)
		mqev_session_stamp(&c->session, mqev_port_now_ms());
	end_piece(cork, written(cork) >= LEND_BLOCK_FROM ? cork->block : NULL);
	much = cork->piece_count > 1;
	taken = send_pieces(cork, c);
	write_rest(cork, c, taken);
	rewind_block(cork);
	give_back_pieces(cork, c->fleet);
	/* No callback of the bufferevent tells of these bytes, and that there is room for more. */
	if (taken > 0 && (much || mqev_session_awaits_kernel(&c->session)))
		mqev_fleet_plan(c->fleet, c);
}

/* --- the sink ----------------------------------------------------------------------------------
 */

/* One that is too small for n, or full. */
static void
leave_block(struct mqev_cork *cork)
{
	if (held(cork) == 0)
		drop_block(cork);
	else
		end_piece(cork, cork->block);
}

static bool
begin_block(struct mqev_cork *cork, size_t n)
{
	cork->block = mqev_block_take(cork->pool, n);
	if (cork->block == NULL)
		return false;
	rewind_block(cork);
	return true;
}

static bool
cork_grow(struct mqev_sink *sink, void *owner, size_t n)
{
	struct mqev_cork *cork = (struct mqev_cork *)sink;
	struct mqev_client *c = owner;

	if (sink->owner != owner || is_full(cork))
		mqev_cork_flush(cork);
	if (cork->block != NULL && (size_t)(sink->end - sink->at) < n)
		leave_block(cork);
	if (cork->block == NULL && !begin_block(cork, n))
		return false;
	cork->owner_has_room =
	    mqev_link_unsent(c->link) + cork->piece_bytes < MQEV_LINK_OUTPUT_HIGH;
	sink->owner = owner;
	mqev_fleet_plan_flush(c->fleet);
	return true;
}

static bool
cork_lend(struct mqev_sink *sink, void *owner, struct mqev_op *op, const uint8_t *data, size_t len)
{
	struct mqev_cork *cork = (struct mqev_cork *)sink;

	(void)owner;
	end_piece(cork, NULL);
	mqev_op_ref(op);
	add_piece(cork, &(struct mqev_piece){.data = data, .len = len, .op = op});
	if (is_full(cork))
		mqev_cork_flush(cork);
	return true;
}

static const struct mqev_sink_methods cork_methods = {cork_grow, cork_lend};

bool
mqev_cork_init(struct mqev_cork *cork)
{
	cork->pool = mqev_block_pool_new();
	if (cork->pool == NULL)
		return false;
	cork->sink.methods = &cork_methods;
	cork->sink.events = &mqev_client_events;
	return true;
}

/* The clients, whose pieces there were, are gone before. */
void
mqev_cork_free(struct mqev_cork *cork)
{
	if (cork->pool == NULL)
		return;
	drop_block(cork);
	mqev_cork_let_go(cork);
	mqev_block_pool_free(cork->pool);
	cork->pool = NULL;
}

size_t
mqev_cork_held(const struct mqev_cork *cork, const struct mqev_client *c)
{
	return cork->sink.owner == c ? held(cork) : 0;
}

void
mqev_cork_forget(struct mqev_cork *cork, const struct mqev_client *c)
{
	if (cork->sink.owner != c)
		return;
	drop_block(cork);
	give_back_pieces(cork, c->fleet);
}
