/*
 * A file layer of SQLite's for tests, over its default one: calls that fail when a test says so, a
 * disk that is small or slow, and a record of what was written and synced (power.h). One at a time;
 * any thread may use it.
 */
#ifndef TK_VFS_H
#define TK_VFS_H

#include <stdbool.h>
#include <stdint.h>

struct tk_power;

#define TK_VFS_NAME "mqev-test"

enum tk_vfs_call {
	TK_VFS_OPEN,
	TK_VFS_READ,
	TK_VFS_WRITE,
	TK_VFS_TRUNCATE,
	TK_VFS_SYNC,
	TK_VFS_DELETE,
	TK_VFS_CALLS
};

/* Makes it known to SQLite, with nothing that fails; what was set and counted before is forgotten.
 */
void tk_vfs_start(void);

/* The nth call of that kind from now on (from 1) is not done but returns code, an extended result
 * of SQLite's, and number is the errno behind it; if lasting, all later ones of that kind as well.
 */
void tk_vfs_fail(enum tk_vfs_call call, long nth, int code, int number, bool lasting);
void tk_vfs_heal(void);
/* Whether that call came. */
bool tk_vfs_failed(void);

/* Since the start. */
long tk_vfs_count(enum tk_vfs_call call);

/*
 * The disk is full when the store at path, with all its files (its ballast too), has so many bytes;
 * -1: never. The program's posix_fallocate() obeys it as well: it has no other user there than the
 * ballast.
 */
void tk_vfs_limit(const char *path, int64_t bytes);

/* Each sync takes that long; below 0: none is done, for tests that leave the disk alone. */
void tk_vfs_slow_sync(int ms);

/* From now on all is recorded there; NULL: nothing. */
void tk_vfs_record(struct tk_power *power);

#endif
