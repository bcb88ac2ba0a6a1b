/* A back end around another one that counts what the writer commits, for the benchmarks of stores.
 */
#ifndef BENCH_STORE_COUNT_H
#define BENCH_STORE_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mqev/store.h>

/* One commit. */
struct commit_row {
	uint32_t puts;
	uint32_t removes;
	uint32_t clients; /* rows of clients */
	uint32_t sync;
};

/* Written by the writer's thread; to be read when the store is closed. */
struct store_count {
	const struct mqev_backend *inner;
	void *inner_extra;
	struct commit_row *rows;
	size_t len;
	size_t capacity;
	uint64_t bytes;	 /* of all that was put */
	int64_t cpu_ns;	 /* of the writer's thread, until the last commit */
	int64_t busy_ns; /* from the first change of each transaction to the end of its commit */
};

/* Its backend_extra is a struct store_count with inner and inner_extra set. */
const struct mqev_backend *store_count_backend(void);

/* For bench_sqlite; false with errno. */
bool store_count_write(const struct store_count *count, const char *path);

#endif
