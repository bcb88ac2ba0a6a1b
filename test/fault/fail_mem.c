/*
 * An allocator that fails when a test says so; each block carries its size, so that a grown one
 * always moves.
 */
#include "fault/fail_mem.h"

#include <stdatomic.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* In front of each block, and as large as keeps what follows aligned. */
union header {
	size_t size;
	max_align_t align;
};

/* Atomic: a store's writer allocates in a thread of its own. */
static struct {
	_Atomic(size_t) allowed; /* this many requests succeed ... */
	_Atomic(bool) for_good;	 /* ... and all later ones fail, or just the next */
	_Atomic(size_t) count;
	_Atomic(size_t) refused;
	_Atomic(size_t) live;
	_Atomic(size_t) bytes;
} state = {.allowed = SIZE_MAX};

static void
begin(size_t allowed, bool for_good)
{
	state.allowed = allowed;
	state.for_good = for_good;
	state.count = 0;
	state.refused = 0;
}

void
fail_mem_after(size_t n)
{
	begin(n, false);
}

void
fail_mem_from(size_t n)
{
	begin(n, true);
}

void
fail_mem_never(void)
{
	begin(SIZE_MAX, false);
}

size_t
fail_mem_count(void)
{
	return state.count;
}

size_t
fail_mem_refused(void)
{
	return state.refused;
}

size_t
fail_mem_live(void)
{
	return state.live;
}

size_t
fail_mem_bytes(void)
{
	return state.bytes;
}

/* With the word in front of a block that is the allocator's own. */
static size_t
bytes_of(union header *header)
{
	return malloc_usable_size(header) + sizeof(size_t) - sizeof(*header);
}

static bool
refuse(void)
{
	size_t number = state.count++;

	if (number < state.allowed || (number > state.allowed && !state.for_good))
		return false;
	state.refused++;
	return true;
}

static void *
allocate(size_t size)
{
	union header *header;

	if (size > SIZE_MAX - sizeof(*header) || refuse())
		return NULL;
	header = malloc(sizeof(*header) + size);
	if (header == NULL)
		return NULL;
	header->size = size;
	state.live++;
	state.bytes += bytes_of(header);
	return header + 1;
}

void *
mqev_malloc(size_t size)
{
	return allocate(size);
}

void *
mqev_calloc(size_t n, size_t size)
{
	void *block;

	if (size > 0 && n > SIZE_MAX / size)
		return NULL;
	block = allocate(n * size);
	if (block != NULL)
		memset(block, 0, n * size);
	return block;
}

void *
mqev_realloc(void *ptr, size_t size)
{
	size_t old = ptr != NULL ? ((union header *)ptr - 1)->size : 0;
	void *block = allocate(size);

	if (block == NULL)
		return NULL;
	if (ptr != NULL)
		memcpy(block, ptr, old < size ? old : size);
	mqev_free(ptr);
	return block;
}

void *
mqev_memdup(const void *data, size_t size)
{
	void *copy = allocate(size);

	if (copy != NULL && size > 0)
		memcpy(copy, data, size);
	return copy;
}

char *
mqev_strdup(const char *s)
{
	return mqev_memdup(s, strlen(s) + 1);
}

void
mqev_free(void *ptr)
{
	if (ptr == NULL)
		return;
	state.live--;
	state.bytes -= bytes_of((union header *)ptr - 1);
	free((union header *)ptr - 1);
}
