/*
 * The library's allocator for tests: counts, and fails on demand. Linked in place of
 * lib/core/mem.c.
 */
#ifndef MQEV_TEST_FAIL_MEM_H
#define MQEV_TEST_FAIL_MEM_H

#include <stddef.h>

/* From now on n requests succeed and the next one fails, once. The count of requests starts anew.
 */
void fail_mem_after(size_t n);

/* The same, but from that one on all fail. */
void fail_mem_from(size_t n);

/* Nothing fails any more; the count starts anew. */
void fail_mem_never(void);

/* Requests since one of the above. */
size_t fail_mem_count(void);

/* How many of them were refused. */
size_t fail_mem_refused(void);

/* Blocks that were not freed yet, since the program began. */
size_t fail_mem_live(void);

/* What the system's allocator has given for them, without what this one adds. */
size_t fail_mem_bytes(void);

#endif
