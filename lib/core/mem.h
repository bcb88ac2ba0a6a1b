/* All memory of the library comes from here, so that a test can make each allocation fail. */
#ifndef MQEV_CORE_MEM_H
#define MQEV_CORE_MEM_H

#include <stddef.h>

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

/* About what a block of that size takes, with what the allocator adds. */
size_t mqev_mem_cost(size_t size);

#endif /* MQEV_CORE_MEM_H */
