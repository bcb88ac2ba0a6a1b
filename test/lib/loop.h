/*
 * Running an event_base in a test, counters of the process, temporary folders, and the main
 * function of a test program.
 */
#ifndef TK_LOOP_H
#define TK_LOOP_H

#include <check.h>
#include <stddef.h>

struct event_base;

/* Returns non-zero when the wait is over. */
typedef int (*tk_cond_fn)(void *arg);

/*
 * Runs `base` until `cond` holds or `ms` milliseconds have passed; returns 1 or 0. The condition is
 * asked first before anything runs, then after each turn, at least every 20 ms. A NULL condition
 * never holds: the loop just runs for that time.
 */
int tk_run_until(struct event_base *base, tk_cond_fn cond, void *arg, int ms);

/* The usual conditions: *(int *)arg is not 0; and a counter that reaches a number. */
int tk_is_set(void *arg);
struct tk_count {
	const int *counter;
	int wanted;
};
int tk_reached(void *arg); /* arg is a struct tk_count */

#define TK_RUN_UNTIL(base, flag, ms)                                  \
	ck_assert_msg(tk_run_until((base), tk_is_set, &(flag), (ms)), \
	    #flag " did not come within %d ms", (ms))
#define TK_RUN_UNTIL_COUNT(base, var, n, ms)                                                   \
	ck_assert_msg(tk_run_until((base), tk_reached, &(struct tk_count){&(var), (n)}, (ms)), \
	    #var " is %d after %d ms, not yet %d", (var), (ms), (n))

/* Monotonic time in milliseconds. */
long long tk_now_ms(void);

int tk_open_fds(void); /* how many descriptors this process has open */
long tk_rss_kib(void); /* resident memory of this process; -1 where /proc has no such file */

/*
 * A new folder (the caller frees the path), and the removal of a folder with all in it. What the
 * test does not remove is removed when its process has ended, also by a failed assertion or a
 * signal.
 */
char *tk_tmpdir(void);
void tk_rmtree(const char *path);

/* Writes text into `dir`/`name`; returns the path, which the caller frees. */
char *tk_write_file(const char *dir, const char *name, const char *text);

/* A test case with the kit's time limit of 20 s; for longer ones use tcase_set_timeout() on it. */
TCase *tk_case(Suite *suite, const char *name);

/*
 * Says that this test cannot run here, and leaves the test function:
 * "SKIP: <test>: <reason>". A program whose tests were all skipped ends with 77.
 */
#define tk_skip(...)                                 \
	do {                                         \
		tk_skip_note(__func__, __VA_ARGS__); \
		return;                              \
	} while (0)
void tk_skip_note(const char *test, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Runs the suites with libcheck (each test in a process of its own, unless CK_FORK=no) and returns
 * the exit code: 0 all passed, 1 something failed, 77 all were skipped.
 */
int tk_main_suites(Suite *const *suites, size_t n);
#define tk_main(...)                                  \
	tk_main_suites((Suite *const[]){__VA_ARGS__}, \
	    sizeof((Suite *const[]){__VA_ARGS__}) / sizeof(Suite *))

#endif
