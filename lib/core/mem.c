/* The library's allocator on top of libc's; nothing else in the library calls malloc and its kin.
 */
#include "core/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* libc may answer a request for 0 bytes with NULL, which callers would take for a failure. */
static size_t
at_least_one(size_t size)
{
	return size > 0 ? size : 1;
}

void *
mqev_malloc(size_t size)
{
	return malloc(at_least_one(size));
}

void *
mqev_calloc(size_t n, size_t size)
{
	if (size > 0 && n > SIZE_MAX / size)
		return NULL;
	return calloc(at_least_one(n), at_least_one(size));
}

void *
mqev_realloc(void *ptr, size_t size)
{
	return realloc(ptr, at_least_one(size));
}

void *
mqev_memdup(const void *data, size_t size)
{
	void *copy = mqev_malloc(size);

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
	free(ptr);
}
