/* The file of a store before SQLite opens it: who owns it, who may read it, who has it open. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite_internal.h"

/* A file of ours: no link, no other owner, nothing for others. */
static int
check_file(struct mqev_sqlite *s, int fd, const char *what)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return mqev_sqlite_system_error(s, MQEV_ERR_STORE, errno, what);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
		sqlite3_snprintf(sizeof(s->text), s->text,
		    "%s: not a file of this user's that is closed to others", what);
		return MQEV_ERR_STORE_ACCESS;
	}
	return 0;
}

static int
open_error(struct mqev_sqlite *s, int number, const char *what)
{
	bool denied = number == EACCES || number == EPERM || number == ELOOP || number == EROFS ||
		      number == EISDIR;
	int error = denied ? MQEV_ERR_STORE_ACCESS : MQEV_ERR_STORE;

	if (number == ENOSPC || number == EDQUOT)
		error = MQEV_ERR_STORE_FULL;
	return mqev_sqlite_system_error(s, error, number, what);
}

/* The file at path, made when it is not there; the descriptor or a negative error. */
static int
open_file(struct mqev_sqlite *s, const char *path, bool *made)
{
	int flags = (s->read_only ? O_RDONLY : O_RDWR) | O_NOFOLLOW | O_CLOEXEC;
	int fd = open(path, flags);

	if (fd < 0 && errno == ENOENT && !s->read_only) {
		fd = open(path, flags | O_CREAT | O_EXCL, 0600);
		*made = fd >= 0;
	}
	return fd >= 0 ? fd : open_error(s, errno, path);
}

static int
sync_folder(struct mqev_sqlite *s)
{
	char *folder = mqev_sqlite_path(s, "");
	char *slash;
	int fd;
	int error = 0;

	if (folder == NULL)
		return MQEV_ERR_NOMEM;
	slash = strrchr(folder, '/');
	if (slash != NULL)
		slash[slash == folder] = '\0';
	fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		error = mqev_sqlite_system_error(s, MQEV_ERR_STORE, errno, "sync the folder");
	if (fd >= 0)
		close(fd);
	sqlite3_free(folder);
	return error;
}

static int
make_file(struct mqev_sqlite *s)
{
	bool made = false;
	int fd = open_file(s, s->path, &made);
	int error;

	if (fd < 0)
		return fd;
	error = check_file(s, fd, s->path);
	close(fd);
	return error == 0 && made ? sync_folder(s) : error;
}

/* The lock belongs to the descriptor: a second opening in the same process finds it taken too. */
static int
take_lock(struct mqev_sqlite *s)
{
	char *path = mqev_sqlite_path(s, ".lock");
	bool made = false;
	int error;

	if (path == NULL)
		return MQEV_ERR_NOMEM;
	s->lock = open_file(s, path, &made);
	error = s->lock < 0 ? s->lock : check_file(s, s->lock, path);
	sqlite3_free(path);
	if (error != 0)
		return error;
	if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return mqev_sqlite_system_error(s,
	    errno == EWOULDBLOCK ? MQEV_ERR_STORE_BUSY : MQEV_ERR_STORE, errno, "lock the store");
}

int
mqev_sqlite_take_file(struct mqev_sqlite *s)
{
	int error = s->read_only ? 0 : take_lock(s);

	return error == 0 ? make_file(s) : error;
}

/* Unlocked, not only closed: a forked child has the descriptor, and the lock with it, as long as it
 * lives. */
void
mqev_sqlite_leave_file(struct mqev_sqlite *s)
{
	if (s->lock >= 0) {
		(void)flock(s->lock, LOCK_UN);
		close(s->lock);
	}
	s->lock = -1;
}
