/* Blocks of memory in which bytes gather on their way out. */
#ifndef MQEV_CLIENT_BLOCK_H
#define MQEV_CLIENT_BLOCK_H

#include <stddef.h>
#include <stdint.h>

/* What a block of the pool holds. */
#define MQEV_BLOCK_SIZE 65536

struct mqev_block_pool;

struct mqev_block {
	struct mqev_block_pool *pool;
	size_t size;
	uint8_t data[];
};

/* NULL: no memory. */
struct mqev_block_pool *mqev_block_pool_new(void);
/* Blocks may outlive it: they are given back as before. */
void mqev_block_pool_free(struct mqev_block_pool *pool);
/* One of at least size bytes; NULL: no memory. */
struct mqev_block *mqev_block_take(struct mqev_block_pool *pool, size_t size);
void mqev_block_give(struct mqev_block *block);

#endif
