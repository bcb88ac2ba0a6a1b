/* A few blocks are kept for the next who needs one. */
#include "client/block.h"

#include "core/mem.h"

#define POOLED_BLOCKS 8

/* Blocks outlive the fleet while a bufferevent still refers to them, so their pool is counted. */
struct mqev_block_pool {
	uint32_t refs;
	uint32_t count;
	struct mqev_block *free[POOLED_BLOCKS];
};

struct mqev_block_pool *
mqev_block_pool_new(void)
{
	struct mqev_block_pool *pool = mqev_calloc(1, sizeof(*pool));

	if (pool != NULL)
		pool->refs = 1;
	return pool;
}

void
mqev_block_pool_free(struct mqev_block_pool *pool)
{
	if (--pool->refs > 0)
		return;
	for (uint32_t i = 0; i < pool->count; i++)
		mqev_free(pool->free[i]);
	mqev_free(pool);
}

struct mqev_block *
mqev_block_take(struct mqev_block_pool *pool, size_t size)
{
	struct mqev_block *block;

	if (size <= MQEV_BLOCK_SIZE && pool->count > 0) {
		block = pool->free[--pool->count];
	} else {
		size = size > MQEV_BLOCK_SIZE ? size : MQEV_BLOCK_SIZE;
		block = mqev_malloc(sizeof(*block) + size);
		if (block == NULL)
			return NULL;
		block->pool = pool;
		block->size = size;
	}
	pool->refs++;
	return block;
}

void
mqev_block_give(struct mqev_block *block)
{
	struct mqev_block_pool *pool = block->pool;

	if (block->size == MQEV_BLOCK_SIZE && pool->count < POOLED_BLOCKS)
		pool->free[pool->count++] = block;
	else
		mqev_free(block);
	mqev_block_pool_free(pool);
}
