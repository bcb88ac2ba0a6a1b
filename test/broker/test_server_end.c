/* Servers that are several processes leave none behind: found by the folder in their environment.
 */
#include <check.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/loop.h"
#include "lib/server.h"

enum { ENVIRON_MAX = 65536, END_MS = 5000, POLL_MS = 20 };

static int
has_in_environment(const char *pid, const char *text)
{
	static char environment[ENVIRON_MAX];
	char path[300];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/environ", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	len = fread(environment, 1, sizeof(environment), f);
	fclose(f);
	return memmem(environment, len, text, strlen(text)) != NULL;
}

static int
processes_of(const char *folder)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int n = 0;

	while (proc != NULL && (entry = readdir(proc)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			n += has_in_environment(entry->d_name, folder);
	if (proc != NULL)
		closedir(proc);
	return n;
}

static int
processes_after(const char *folder)
{
	long long until = tk_now_ms() + END_MS;
	int n;

	while ((n = processes_of(folder)) > 0 && tk_now_ms() < until)
		poll(NULL, 0, POLL_MS);
	return n;
}

START_TEST(ejabberd_leaves_nothing)
{
	static const int signals[] = {SIGTERM, SIGKILL};
	struct tk_server s;
	char *folder;

	if (tk_server_ejabberd(&s, NULL, NULL) != 0)
		tk_skip("ejabberd is not installed");
	folder = tk_strdup(s.dir);
	/* The virtual machine and its helpers. */
	ck_assert_int_ge(processes_of(folder), 2);
	tk_server_kill(&s, signals[_i]);
	ck_assert_int_eq(processes_after(folder), 0);
	tk_server_stop(&s);
	free(folder);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("server_end");
	TCase *tc = tk_case(suite, "ejabberd");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, ejabberd_leaves_nothing, 0, 2);
	return tk_main(suite);
}
