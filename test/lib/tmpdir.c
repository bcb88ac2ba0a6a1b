/* Temporary folders that are gone when the test is, however it ended. */
#include "loop.h"

#include "bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LAST_FD = 1023, FOLDERS = 64 };

/*
 * A test that fails under libcheck leaves by _exit(), so nothing in its own process can clean up.
 * Each folder has a keeper: a process of its own group that waits until nobody holds the other end
 * of a pipe any more, which is when the test has removed the folder or has ended, and removes it
 * then.
 */
static struct {
	char *path;
	int fd;
} kept[FOLDERS];

static void
detach(int keep)
{
	int fd, null = open("/dev/null", O_RDWR);

	setpgid(0, 0);
	for (fd = 0; fd < 3; fd++)
		dup2(null, fd);
	for (fd = 3; fd <= LAST_FD; fd++)
		if (fd != keep)
			close(fd);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
keep(int fd, const char *path)
{
	char byte;

	detach(fd);
	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		continue;
	remove_tree(path);
	_exit(0);
}

/* The keeper is nobody's child, so that a test's waitpid() never meets it. */
static void
fork_keeper(int fd, const char *path)
{
	pid_t middle, last;

	fflush(NULL);
	middle = fork();
	if (middle < 0)
		tk_die("no process: %s", strerror(errno));
	if (middle == 0) {
		last = fork();
		if (last == 0)
			keep(fd, path);
		_exit(last < 0);
	}
	while (waitpid(middle, NULL, 0) < 0 && errno == EINTR)
		continue;
}

static void
start_keeper(const char *path)
{
	int ends[2], i = 0;

	while (i < FOLDERS && kept[i].path)
		i++;
	if (i == FOLDERS || pipe(ends) < 0)
		tk_die("too many temporary folders");
	fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	fork_keeper(ends[0], path);
	close(ends[0]);
	kept[i].path = tk_strdup(path);
	kept[i].fd = ends[1];
}

static void
release_keeper(const char *path)
{
	int i;

	for (i = 0; i < FOLDERS; i++) {
		if (!kept[i].path || strcmp(kept[i].path, path) != 0)
			continue;
		close(kept[i].fd);
		free(kept[i].path);
		kept[i].path = NULL;
	}
}

char *
tk_tmpdir(void)
{
	const char *top = getenv("TMPDIR");
	struct tk_buf path = {0};

	tk_buf_printf(&path, "%s/mqev-test-XXXXXX", top && *top ? top : "/tmp");
	if (!mkdtemp((char *)path.data))
		tk_die("no temporary folder %s: %s", (char *)path.data, strerror(errno));
	start_keeper((char *)path.data);
	return (char *)path.data;
}

void
tk_rmtree(const char *path)
{
	if (!strstr(path, "mqev-test-"))
		tk_die("%s is not a folder of the test kit", path);
	remove_tree(path);
	release_keeper(path);
}
