/* Gathering what clients write within one turn of the loop. Emptying it in time is the fleet's
 * business. */
#include "client/cork.h"

#include "client/client.h"
#include "client/link.h"
#include "core/mem.h"
#include "core/op.h"
#include "port/port.h"

/* From this size on a block is handed over as it is, and another one taken; below, the bytes are
 * copied. */
#define LEND_BLOCK_FROM 16384
#define POOLED_BLOCKS 8

/* Blocks outlive the fleet while a bufferevent still refers to them, so their pool is counted. */
struct mqev_block_pool {
	uint32_t refs;
	uint32_t count;
	struct mqev_block *free[POOLED_BLOCKS];
};

struct mqev_block {
	struct mqev_block_pool *pool;
	size_t size;
	uint8_t data[];
};

static void
unref_pool(struct mqev_block_pool *pool)
{
	if (--pool->refs > 0)
		return;
	for (uint32_t i = 0; i < pool->count; i++)
		mqev_free(pool->free[i]);
	mqev_free(pool);
}

static struct mqev_block *
take_block(struct mqev_block_pool *pool, size_t size)
{
	struct mqev_block *block;

	if (size <= MQEV_CORK_BLOCK && pool->count > 0) {
		block = pool->free[--pool->count];
	} else {
		size = size > MQEV_CORK_BLOCK ? size : MQEV_CORK_BLOCK;
		block = mqev_malloc(sizeof(*block) + size);
		if (block == NULL)
			return NULL;
		block->pool = pool;
		block->size = size;
	}
	pool->refs++;
	return block;
}

static void
give_block(struct mqev_block *block)
{
	struct mqev_block_pool *pool = block->pool;

	if (block->size == MQEV_CORK_BLOCK && pool->count < POOLED_BLOCKS)
		pool->free[pool->count++] = block;
	else
		mqev_free(block);
	unref_pool(pool);
}

static void
block_has_left(const void *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	give_block(arg);
}

static void
drop_block(struct mqev_cork *cork)
{
	if (cork->block != NULL)
		give_block(cork->block);
	cork->block = NULL;
	cork->sink.owner = NULL;
	cork->sink.at = cork->sink.end = NULL;
}

static size_t
gathered(const struct mqev_cork *cork)
{
	return cork->block != NULL ? (size_t)(cork->sink.at - cork->block->data) : 0;
}

/* Without an owner the next one must ask for room, and so a flush is planned. */
static void
rewind_block(struct mqev_cork *cork)
{
	cork->sink.owner = NULL;
	cork->sink.at = cork->block->data;
	cork->sink.end = cork->block->data + cork->block->size;
}

/* Hands over what the socket has not taken already. The session hears of a link that could not take
 * the bytes from the link itself. */
static void
hand_over(struct mqev_cork *cork, size_t taken)
{
	struct mqev_client *c = cork->sink.owner;
	struct mqev_block *block = cork->block;
	const uint8_t *data = block->data + taken;
	size_t len = gathered(cork) - taken;

	if (c->session.untimed)
		mqev_session_stamp(&c->session, mqev_port_now_ms());
	if (len < LEND_BLOCK_FROM) {
		if (len > 0)
			mqev_link_write(c->link, data, len);
		rewind_block(cork);
		return;
	}
	cork->block = NULL;
	cork->sink.owner = NULL;
	cork->sink.at = cork->sink.end = NULL;
	if (!mqev_link_lend(c->link, data, len, block_has_left, block))
		give_block(block);
}

void
mqev_cork_flush(struct mqev_cork *cork)
{
	struct mqev_client *c = cork->sink.owner;
	size_t taken;

	if (gathered(cork) == 0)
		return;
	taken = mqev_link_send(c->link, cork->block->data, gathered(cork));
	hand_over(cork, taken);
	/* No callback of the bufferevent tells of these bytes. */
	if (taken > 0 && mqev_session_awaits_kernel(&c->session))
		mqev_fleet_plan(c->fleet, c);
}

static bool
cork_grow(struct mqev_sink *sink, void *owner, size_t n)
{
	struct mqev_cork *cork = (struct mqev_cork *)sink;
	struct mqev_client *c = owner;

	mqev_cork_flush(cork);
	if (cork->block != NULL && cork->block->size < n)
		drop_block(cork);
	if (cork->block == NULL) {
		cork->block = take_block(cork->pool, n);
		if (cork->block == NULL) {
			drop_block(cork);
			return false;
		}
		rewind_block(cork);
	}
	cork->owner_has_room = mqev_client_has_room(c);
	sink->owner = owner;
	mqev_fleet_plan_flush(c->fleet);
	return true;
}

static void
op_has_left(const void *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	mqev_op_unref(arg);
}

static bool
cork_lend(struct mqev_sink *sink, void *owner, struct mqev_op *op, const uint8_t *data, size_t len)
{
	struct mqev_cork *cork = (struct mqev_cork *)sink;
	struct mqev_client *c = owner;

	/* What precedes the payload leaves together with it. */
	if (gathered(cork) > 0)
		hand_over(cork, 0);
	mqev_op_ref(op);
	if (mqev_link_lend(c->link, data, len, op_has_left, op))
		return true;
	mqev_op_unref(op);
	return false;
}

static const struct mqev_sink_methods cork_methods = {cork_grow, cork_lend};

bool
mqev_cork_init(struct mqev_cork *cork)
{
	cork->pool = mqev_calloc(1, sizeof(*cork->pool));
	if (cork->pool == NULL)
		return false;
	cork->pool->refs = 1;
	cork->sink.methods = &cork_methods;
	cork->sink.events = &mqev_client_events;
	return true;
}

void
mqev_cork_free(struct mqev_cork *cork)
{
	if (cork->pool == NULL)
		return;
	drop_block(cork);
	unref_pool(cork->pool);
	cork->pool = NULL;
}

size_t
mqev_cork_held(const struct mqev_cork *cork, const struct mqev_client *c)
{
	return cork->sink.owner == c ? gathered(cork) : 0;
}

void
mqev_cork_forget(struct mqev_cork *cork, const struct mqev_client *c)
{
	if (cork->sink.owner == c)
		drop_block(cork);
}
