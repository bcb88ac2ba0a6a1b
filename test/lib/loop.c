/* Helpers around event loops, processes and libcheck; nothing of MQTT. */
#include "loop.h"

#include "bytes.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS = 20, CASE_SECONDS = 20 };

/* How many tests were skipped: shared with the processes that libcheck forks for them. */
static int *skipped;

long long
tk_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

int
tk_run_until(struct event_base *base, tk_cond_fn cond, void *arg, int ms)
{
	const struct timeval poll = {0, (ms > 0 && ms < POLL_MS ? ms : POLL_MS) * 1000};
	long long end = tk_now_ms() + ms;
	struct event *tick;
	int held;

	if (cond && cond(arg))
		return 1;
	tick = event_new(base, -1, EV_PERSIST, wake, NULL);
	if (!tick || event_add(tick, &poll) < 0)
		tk_die("no event for the loop");
	do {
		event_base_loop(base, EVLOOP_ONCE);
		held = cond && cond(arg);
	} while (!held && tk_now_ms() < end);
	event_free(tick);
	return held;
}

int
tk_is_set(void *arg)
{
	return *(const volatile int *)arg != 0;
}

int
tk_reached(void *arg)
{
	const struct tk_count *c = arg;

	return *(const volatile int *)c->counter >= c->wanted;
}

int
tk_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int n = 0;

	if (!dir)
		tk_die("cannot read /proc/self/fd");
	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n - 1; /* not the folder's own */
}

long
tk_rss_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long all, resident = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%ld %ld", &all, &resident) != 2)
		resident = -1;
	fclose(f);
	return resident < 0 ? -1 : resident * (sysconf(_SC_PAGESIZE) / 1024);
}

char *
tk_write_file(const char *dir, const char *name, const char *text)
{
	struct tk_buf path = {0};
	FILE *f;

	tk_buf_printf(&path, "%s/%s", dir, name);
	f = fopen((char *)path.data, "w");
	if (!f || fputs(text, f) == EOF || fclose(f) != 0)
		tk_die("cannot write %s: %s", (char *)path.data, strerror(errno));
	return (char *)path.data;
}

TCase *
tk_case(Suite *suite, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, CASE_SECONDS);
	suite_add_tcase(suite, tc);
	return tc;
}

/* libcheck names the function of the test NAME "NAME_fn". */
static int
test_name_len(const char *function)
{
	size_t len = strlen(function);

	if (len > 3 && strcmp(function + len - 3, "_fn") == 0)
		len -= 3;
	return (int)len;
}

void
tk_skip_note(const char *test, const char *fmt, ...)
{
	va_list ap;

	printf("SKIP: %.*s: ", test_name_len(test), test);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	if (skipped)
		__atomic_add_fetch(skipped, 1, __ATOMIC_RELAXED);
}

static int *
shared_counter(void)
{
	void *p =
	    mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		tk_die("no shared memory");
	return p;
}

static int
exit_code(int ran, int failed, int skips)
{
	if (failed > 0 || ran == 0)
		return 1;
	return skips == ran ? 77 : 0;
}

int
tk_main_suites(Suite *const *suites, size_t n)
{
	SRunner *runner = srunner_create(NULL);
	int code;
	size_t i;

	skipped = shared_counter();
	for (i = 0; i < n; i++)
		srunner_add_suite(runner, suites[i]);
	srunner_run_all(runner, CK_ENV);
	code = exit_code(srunner_ntests_run(runner), srunner_ntests_failed(runner), *skipped);
	srunner_free(runner);
	munmap(skipped, sizeof(int));
	skipped = NULL;
	return code;
}
