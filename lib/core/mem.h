/* All memory of the library comes from here, so that a test can make each allocation fail. */
#ifndef MQEV_CORE_MEM_H
#define MQEV_CORE_MEM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Each returns a block to be released with mqev_free(), or NULL when there is no memory; a size of
 * 0 is a valid request for a block of its own, never NULL for that reason.
 */
void *mqev_malloc(size_t size);
void *mqev_calloc(size_t n, size_t size);

/* On NULL the old block is still valid. */
void *mqev_realloc(void *ptr, size_t size);

/* data may be NULL when size is 0. */
void *mqev_memdup(const void *data, size_t size);
char *mqev_strdup(const char *s);

void mqev_free(void *ptr);

/* What a block of that size takes of the heap: with a word of its own, in sixteens of bytes, four
 * words at least. So it is with glibc, and not far from it elsewhere. */
static inline size_t
mqev_mem_cost(size_t size)
{
	size_t least = 4 * sizeof(size_t);
	size_t cost;

	if (size > SIZE_MAX - 32)
		return SIZE_MAX;
	cost = (size + sizeof(size_t) + 15) / 16 * 16;
	return cost > least ? cost : least;
}

#endif /* MQEV_CORE_MEM_H */
