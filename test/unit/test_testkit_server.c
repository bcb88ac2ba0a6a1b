/* Real servers of the test kit: started, ended, started again, and gone when the test dies. */
#include "lib/server.h"

#include "lib/bytes.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const shell_args[] = {"-c", "cat @CONFIG@; exec sleep 60", NULL};
static const struct tk_server_spec shell = {.program = "sh",
    .argv = shell_args,
    .config = "port @PORT@ other @PORT2@ dir @DIR@\nready\n",
    .ready_log = "ready"};

START_TEST(starts_and_stops)
{
	struct tk_server s;
	struct tk_buf want = {0};
	char *log, *dir;
	int fds = tk_open_fds();

	ck_assert_int_eq(tk_server_start(&s, &shell), 0);
	ck_assert_int_eq(tk_server_running(&s), 1);
	log = tk_server_log(&s);
	tk_buf_printf(&want, "port %d other %d dir %s\nready\n", s.ports[0], s.ports[1], s.dir);
	ck_assert_str_eq(log, (char *)want.data);
	dir = tk_strdup(s.dir);
	tk_server_stop(&s);
	ck_assert_int_ne(access(dir, F_OK), 0);
	ck_assert_int_eq(tk_open_fds(), fds);
	free(dir);
	free(log);
	tk_buf_free(&want);
}
END_TEST

START_TEST(is_killed_and_restarted)
{
	struct tk_server s;
	pid_t first;
	int port;

	ck_assert_int_eq(tk_server_start(&s, &shell), 0);
	first = s.pid;
	port = s.port;
	ck_assert_int_eq(tk_server_kill(&s, SIGKILL), 0);
	ck_assert_int_eq(tk_server_running(&s), 0);
	ck_assert(WIFSIGNALED(s.exit_status));
	ck_assert_int_eq(WTERMSIG(s.exit_status), SIGKILL);
	tk_server_restart(&s);
	ck_assert_int_eq(tk_server_running(&s), 1);
	ck_assert_int_ne(s.pid, first);
	ck_assert_int_eq(s.port, port);
	tk_server_stop(&s);
}
END_TEST

START_TEST(missing_program_is_told)
{
	const struct tk_server_spec none = {.program = "no-such-program-here"};
	struct tk_server s;

	ck_assert_int_eq(tk_server_start(&s, &none), 1);
	ck_assert_ptr_null(tk_find_program("no-such-program-here"));
}
END_TEST

static int
gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

/* The test process leaves without a word, as libcheck does when an assertion fails. */
START_TEST(nothing_is_left_of_a_dead_test)
{
	struct {
		pid_t pid;
		char dir[200];
	} told;
	long long end;
	int ends[2];
	pid_t test;

	ck_assert_int_eq(pipe(ends), 0);
	test = fork();
	ck_assert_int_ge(test, 0);
	if (test == 0) {
		struct tk_server s;

		if (tk_server_start(&s, &shell) != 0)
			_exit(1);
		told.pid = s.pid;
		snprintf(told.dir, sizeof(told.dir), "%s", s.dir);
		_exit(write(ends[1], &told, sizeof(told)) != sizeof(told));
	}
	ck_assert_int_eq((int)read(ends[0], &told, sizeof(told)), (int)sizeof(told));
	waitpid(test, NULL, 0);
	end = tk_now_ms() + 5000;
	while ((!gone(told.pid) || access(told.dir, F_OK) == 0) && tk_now_ms() < end)
		poll(NULL, 0, 10);
	ck_assert(gone(told.pid));
	ck_assert_int_ne(access(told.dir, F_OK), 0);
}
END_TEST

START_TEST(mosquitto_runs)
{
	struct tk_server s;
	char *log;

	TK_SERVER_MOSQUITTO(&s, "max_inflight_messages 5");
	log = tk_server_log(&s);
	ck_assert_ptr_nonnull(strstr(log, "mosquitto version"));
	free(log);
	tk_server_kill(&s, SIGKILL);
	tk_server_restart(&s);
	ck_assert_int_eq(tk_server_running(&s), 1);
	tk_server_stop(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("testkit-server");
	TCase *tc = tk_case(s, "server");

	tcase_add_test(tc, starts_and_stops);
	tcase_add_test(tc, is_killed_and_restarted);
	tcase_add_test(tc, missing_program_is_told);
	tcase_add_test(tc, nothing_is_left_of_a_dead_test);
	tcase_add_test(tc, mosquitto_runs);
	return tk_main(s);
}
