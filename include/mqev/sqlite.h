/* A store in a file of SQLite: a library of its own, libmqev-sqlite. */
#ifndef MQEV_SQLITE_H
#define MQEV_SQLITE_H

#include <stddef.h>
#include <stdint.h>

#include <mqev/export.h>
#include <mqev/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Keeps the store in one file for all clients of a process, at the path given to mqev_store_open().
 * Beside it stand SQLite's own files (-wal, -shm), path.lock, which is locked while the store is
 * open, and path.ballast, which is given up so that messages can still be removed when the disk is
 * full. What is made is readable by its owner alone; a store of another owner, or one that others
 * may read or write, is MQEV_ERR_STORE_ACCESS. max_bytes limits the file at path; the others add at
 * most 26 MiB and one turn's messages.
 *
 * Each record carries a checksum: one that was altered is MQEV_ERR_STORE_DAMAGED, not delivered.
 */
MQEV_EXPORT const struct mqev_backend *mqev_backend_sqlite(void);

/* What backend_extra may point to while mqev_store_open() runs. */
struct mqev_sqlite_options {
	size_t size;
	const char *vfs;	/* the file layer of SQLite's to use; NULL: its default */
	uint64_t ballast_bytes; /* default 6 MiB; MQEV_SQLITE_NO_BALLAST: none */
};

#define MQEV_SQLITE_NO_BALLAST UINT64_MAX

#ifndef __cplusplus
#	define MQEV_SQLITE_OPTIONS(...)        \
		(&(struct mqev_sqlite_options){ \
		    .size = sizeof(struct mqev_sqlite_options), __VA_ARGS__})
#endif

#ifdef __cplusplus
}
#endif

#endif
