/* The crashing back end, and the counter that decides. */
#include "kill/crash_backend.h"

#include <mqev/sqlite.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "lib/vfs.h"

static const struct kill_plan *planned;
static _Atomic(long) passed;

void
crash_at(enum kill_point point)
{
	if (point == planned->point && ++passed == planned->nth)
		kill(getpid(), SIGKILL);
}

/* One for each gated commit, none for another. */
static void
count_syncs(bool gated, unsigned long syncs)
{
	struct kill_syncs *all = planned->syncs;

	all->commits++;
	all->gated += gated;
	all->syncs += syncs;
	all->wrong += syncs != (unsigned long)gated;
}

static int
crash_append(void *state, const struct mqev_change *changes, size_t count)
{
	crash_at(KILL_BEFORE_APPEND);
	return mqev_backend_sqlite()->append(state, changes, count);
}

static int
crash_commit(void *state, bool sync)
{
	long before = tk_vfs_count(TK_VFS_SYNC);
	int error;

	crash_at(KILL_BEFORE_COMMIT);
	error = mqev_backend_sqlite()->commit(state, sync);
	if (error == 0)
		count_syncs(sync, (unsigned long)(tk_vfs_count(TK_VFS_SYNC) - before));
	crash_at(KILL_AFTER_COMMIT);
	return error;
}

const struct mqev_backend *
crash_backend(const struct kill_plan *plan)
{
	static struct mqev_backend crashing;

	planned = plan;
	crashing = *mqev_backend_sqlite();
	crashing.name = "crashing";
	crashing.append = crash_append;
	crashing.commit = crash_commit;
	return &crashing;
}
