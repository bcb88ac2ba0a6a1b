/* Room on the disk: the log is folded into the file in good time, and a file of ballast is given up
 * when the disk is full, since removing needs room too. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "store/sqlite_internal.h"

#define CHECKPOINT_PAGES (4 * 1024 * 1024 / MQEV_SQLITE_PAGE)
/* A log that grew beyond this, behind a reader that held it, is cut back. */
#define TRUNCATE_PAGES (16 * 1024 * 1024 / MQEV_SQLITE_PAGE)

/* --- ballast -----------------------------------------------------------------------------------
 */

static bool
load_ballast(struct mqev_sqlite *s)
{
	if (s->ballast < 0)
		return true;
	if (posix_fallocate(s->ballast, 0, (off_t)s->ballast_bytes) == 0)
		return true;
	/* A part of it would only be in the way. */
	(void)!ftruncate(s->ballast, 0);
	return false;
}

int
mqev_sqlite_ballast_open(struct mqev_sqlite *s)
{
	char *path;

	if (s->ballast_bytes == 0 || s->read_only)
		return 0;
	path = mqev_sqlite_path(s, ".ballast");
	if (path == NULL)
		return MQEV_ERR_NOMEM;
	s->ballast = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	sqlite3_free(path);
	if (s->ballast < 0)
		return mqev_sqlite_system_error(
		    s, MQEV_ERR_STORE_ACCESS, errno, "open the ballast");
	s->ballast_is_up = !load_ballast(s);
	return 0;
}

void
mqev_sqlite_ballast_close(struct mqev_sqlite *s)
{
	if (s->ballast >= 0)
		close(s->ballast);
	s->ballast = -1;
}

void
mqev_sqlite_give_up_ballast(struct mqev_sqlite *s)
{
	if (s->ballast < 0 || s->ballast_is_up)
		return;
	s->ballast_is_up = true;
	(void)!ftruncate(s->ballast, 0);
}

/* --- the log -----------------------------------------------------------------------------------
 */

/* A reader that stands in the way is no error: there is a next time. */
static int
checkpoint(struct mqev_sqlite *s, int mode)
{
	int result = sqlite3_wal_checkpoint_v2(s->db, NULL, mode, NULL, NULL);

	if (result == SQLITE_OK || result == SQLITE_BUSY || result == SQLITE_LOCKED)
		return 0;
	return mqev_sqlite_error(s, result, "fold the log into the file");
}

/* Before the file could grow by more than the ballast leaves: else a full disk would keep the log
 * from being folded, and removals from finding room in it. */
static int64_t
fold_at(const struct mqev_sqlite *s)
{
	uint64_t pages = s->ballast_bytes / 4 * 3 / MQEV_SQLITE_PAGE;

	return s->ballast < 0 || pages > CHECKPOINT_PAGES ? CHECKPOINT_PAGES : (int64_t)pages;
}

static int
fold_log(struct mqev_sqlite *s)
{
	int error = 0;

	if (s->wal_pages >= fold_at(s) || s->ballast_is_up)
		error = checkpoint(s, SQLITE_CHECKPOINT_PASSIVE);
	if (error == 0 && s->wal_pages >= TRUNCATE_PAGES)
		error = checkpoint(s, SQLITE_CHECKPOINT_TRUNCATE);
	return error;
}

int
mqev_sqlite_compact(void *state)
{
	struct mqev_sqlite *s = state;
	int error = fold_log(s);

	if (error == 0 && s->ballast_is_up)
		s->ballast_is_up = !load_ballast(s);
	return error;
}
