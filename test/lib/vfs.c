/* The file layer of SQLite's for tests: what passes through it, fails, waits and is counted. What
 * is written is recorded by power.c. */
#include "vfs.h"

#include "power.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
	sqlite3_file base;
	sqlite3_file *real; /* behind it in the same block */
	const char *name;   /* SQLite's, as long as it is open */
	int number;	    /* behind its last failed write that was ours */
};

struct fault {
	long left; /* calls until it strikes; 0: it does not */
	int code;
	int number;
	bool lasting;
};

static struct {
	pthread_mutex_t mutex;
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	struct fault faults[TK_VFS_CALLS];
	long counts[TK_VFS_CALLS];
	bool failed;
	int number; /* behind the last failure; stays, as errno does */
	char path[512];
	int64_t limit;
	int sync_ms;
	struct tk_power *power;
} disk = {.mutex = PTHREAD_MUTEX_INITIALIZER, .limit = -1};

/* --- faults ------------------------------------------------------------------------------------
 */

static int
fail_with(int code, int number)
{
	disk.number = number;
	return code;
}

static int
strike(enum tk_vfs_call call)
{
	struct fault *fault = &disk.faults[call];

	disk.counts[call]++;
	if (fault->left == 0 || --fault->left > 0)
		return SQLITE_OK;
	fault->left = fault->lasting ? 1 : 0;
	disk.failed = true;
	return fail_with(fault->code, fault->number);
}

static int64_t
size_of(const char *suffix)
{
	struct stat st;
	char name[600];

	snprintf(name, sizeof(name), "%s%s", disk.path, suffix);
	return stat(name, &st) == 0 ? (int64_t)st.st_size : 0;
}

static bool
fits(int64_t more, bool ballast)
{
	int64_t used = size_of("") + size_of("-wal") + size_of("-journal");

	return disk.limit < 0 || used + (ballast ? 0 : size_of(".ballast")) + more <= disk.limit;
}

/* In place of the system's, which knows nothing of the limit. */
int
posix_fallocate(int fd, off_t offset, off_t len)
{
	int error = 0;

	pthread_mutex_lock(&disk.mutex);
	if (!fits(offset + len, true))
		error = ENOSPC;
	else if (ftruncate(fd, offset + len) < 0)
		error = errno;
	pthread_mutex_unlock(&disk.mutex);
	return error;
}

/* --- files -------------------------------------------------------------------------------------
 */

static struct file *
file_of(sqlite3_file *base)
{
	return (struct file *)base;
}

static sqlite3_file *
real_of(sqlite3_file *base)
{
	return file_of(base)->real;
}

static int
x_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}

static int
x_read(sqlite3_file *f, void *to, int len, sqlite3_int64 offset)
{
	int result;

	pthread_mutex_lock(&disk.mutex);
	result = strike(TK_VFS_READ);
	if (result == SQLITE_OK)
		result = real_of(f)->pMethods->xRead(real_of(f), to, len, offset);
	pthread_mutex_unlock(&disk.mutex);
	return result;
}

static int
write_through(struct file *f, const void *from, int len, sqlite3_int64 offset)
{
	sqlite3_int64 size = 0;
	int result = f->real->pMethods->xFileSize(f->real, &size);

	if (result == SQLITE_OK && offset + len > size && !fits(offset + len - size, false))
		result = fail_with(SQLITE_FULL, ENOSPC);
	if (result == SQLITE_OK)
		result = f->real->pMethods->xWrite(f->real, from, len, offset);
	if (result == SQLITE_OK && disk.power != NULL)
		tk_power_wrote(disk.power, f->name, from, (size_t)len, offset);
	return result;
}

static int
x_write(sqlite3_file *f, const void *from, int len, sqlite3_int64 offset)
{
	int result;

	pthread_mutex_lock(&disk.mutex);
	result = strike(TK_VFS_WRITE);
	if (result == SQLITE_IOERR_WRITE)
		file_of(f)->number = disk.number;
	if (result == SQLITE_OK)
		result = write_through(file_of(f), from, len, offset);
	pthread_mutex_unlock(&disk.mutex);
	return result;
}

static int
x_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int result;

	pthread_mutex_lock(&disk.mutex);
	result = strike(TK_VFS_TRUNCATE);
	if (result == SQLITE_OK)
		result = real_of(f)->pMethods->xTruncate(real_of(f), size);
	if (result == SQLITE_OK && disk.power != NULL)
		tk_power_truncated(disk.power, file_of(f)->name, size);
	pthread_mutex_unlock(&disk.mutex);
	return result;
}

/* The wait is outside the lock: others read and write meanwhile. What is recorded needs no disk. */
static int
x_sync(sqlite3_file *f, int flags)
{
	int result;
	int ms;

	pthread_mutex_lock(&disk.mutex);
	result = strike(TK_VFS_SYNC);
	ms = disk.sync_ms;
	if (result == SQLITE_OK && disk.power != NULL)
		tk_power_synced(disk.power, file_of(f)->name);
	else if (result == SQLITE_OK && ms >= 0)
		result = real_of(f)->pMethods->xSync(real_of(f), flags);
	pthread_mutex_unlock(&disk.mutex);
	if (ms > 0)
		usleep((useconds_t)ms * 1000);
	return result;
}

static int
x_file_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int
x_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int
x_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int
x_check_reserved(sqlite3_file *f, int *held)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), held);
}

static int
x_control(sqlite3_file *f, int op, void *arg)
{
	if (op == SQLITE_FCNTL_LAST_ERRNO && file_of(f)->number != 0) {
		*(int *)arg = file_of(f)->number;
		return SQLITE_OK;
	}
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int
x_sector_size(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int
x_device(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int
x_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **at)
{
	return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, at);
}

static int
x_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void
x_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int
x_shm_unmap(sqlite3_file *f, int delete)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), delete);
}

/* Version 2: nothing is read or written but by the functions above. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = x_close,
    .xRead = x_read,
    .xWrite = x_write,
    .xTruncate = x_truncate,
    .xSync = x_sync,
    .xFileSize = x_file_size,
    .xLock = x_lock,
    .xUnlock = x_unlock,
    .xCheckReservedLock = x_check_reserved,
    .xFileControl = x_control,
    .xSectorSize = x_sector_size,
    .xDeviceCharacteristics = x_device,
    .xShmMap = x_shm_map,
    .xShmLock = x_shm_lock,
    .xShmBarrier = x_shm_barrier,
    .xShmUnmap = x_shm_unmap,
};

/* --- the layer ---------------------------------------------------------------------------------
 */

static int
open_real(const char *name, struct file *f, int flags, int *got)
{
	bool was_there = name != NULL && access(name, F_OK) == 0;
	int result = disk.real->xOpen(disk.real, name, f->real, flags, got);

	if (result != SQLITE_OK)
		return result;
	f->base.pMethods = &methods;
	if (disk.power != NULL && name != NULL && !was_there)
		tk_power_created(disk.power, name);
	return SQLITE_OK;
}

static int
v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *got)
{
	struct file *f = file_of(base);
	int result;

	(void)vfs;
	*f = (struct file){.real = (sqlite3_file *)(f + 1), .name = name};
	pthread_mutex_lock(&disk.mutex);
	result = strike(TK_VFS_OPEN);
	if (result == SQLITE_OK)
		result = open_real(name, f, flags, got);
	pthread_mutex_unlock(&disk.mutex);
	return result;
}

static int
v_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
	int result;

	(void)vfs;
	pthread_mutex_lock(&disk.mutex);
	result = strike(TK_VFS_DELETE);
	if (result == SQLITE_OK)
		result = disk.real->xDelete(disk.real, name, sync_folder);
	if (result == SQLITE_OK && disk.power != NULL)
		tk_power_deleted(disk.power, name, sync_folder != 0);
	pthread_mutex_unlock(&disk.mutex);
	return result;
}

static int
v_last_error(sqlite3_vfs *vfs, int size, char *text)
{
	(void)vfs;
	return disk.number != 0 ? disk.number : disk.real->xGetLastError(disk.real, size, text);
}

static void
register_layer(void)
{
	disk.real = sqlite3_vfs_find(NULL);
	disk.vfs = *disk.real;
	disk.vfs.pNext = NULL;
	disk.vfs.zName = TK_VFS_NAME;
	disk.vfs.szOsFile = (int)sizeof(struct file) + disk.real->szOsFile;
	disk.vfs.xOpen = v_open;
	disk.vfs.xDelete = v_delete;
	disk.vfs.xGetLastError = v_last_error;
	(void)sqlite3_vfs_register(&disk.vfs, 0);
}

/* --- what a test says --------------------------------------------------------------------------
 */

void
tk_vfs_start(void)
{
	if (disk.real == NULL)
		register_layer();
	tk_vfs_heal();
	memset(disk.counts, 0, sizeof(disk.counts));
	disk.limit = -1;
	disk.sync_ms = 0;
	disk.power = NULL;
}

void
tk_vfs_fail(enum tk_vfs_call call, long nth, int code, int number, bool lasting)
{
	pthread_mutex_lock(&disk.mutex);
	disk.faults[call] = (struct fault){nth, code, number, lasting};
	disk.failed = false;
	disk.number = 0;
	pthread_mutex_unlock(&disk.mutex);
}

void
tk_vfs_heal(void)
{
	pthread_mutex_lock(&disk.mutex);
	memset(disk.faults, 0, sizeof(disk.faults));
	disk.failed = false;
	disk.number = 0;
	pthread_mutex_unlock(&disk.mutex);
}

bool
tk_vfs_failed(void)
{
	bool failed;

	pthread_mutex_lock(&disk.mutex);
	failed = disk.failed;
	pthread_mutex_unlock(&disk.mutex);
	return failed;
}

long
tk_vfs_count(enum tk_vfs_call call)
{
	long count;

	pthread_mutex_lock(&disk.mutex);
	count = disk.counts[call];
	pthread_mutex_unlock(&disk.mutex);
	return count;
}

void
tk_vfs_limit(const char *path, int64_t bytes)
{
	pthread_mutex_lock(&disk.mutex);
	snprintf(disk.path, sizeof(disk.path), "%s", path);
	disk.limit = bytes;
	pthread_mutex_unlock(&disk.mutex);
}

void
tk_vfs_slow_sync(int ms)
{
	pthread_mutex_lock(&disk.mutex);
	disk.sync_ms = ms;
	pthread_mutex_unlock(&disk.mutex);
}

void
tk_vfs_record(struct tk_power *power)
{
	pthread_mutex_lock(&disk.mutex);
	disk.power = power;
	pthread_mutex_unlock(&disk.mutex);
}
