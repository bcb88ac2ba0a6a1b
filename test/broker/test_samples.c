/* The samples of loops and threads, run as programs against a real mosquitto. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mqev/mqev.h>

#include "lib/loop.h"
#include "lib/server.h"

enum { PATIENCE_MS = 10000 };

static struct tk_server mosquitto;
static struct tk_server sample;
static char url[64];

static void
stop_all(void)
{
	tk_server_stop(&sample);
	tk_server_stop(&mosquitto);
}

static bool
start_mosquitto(void)
{
	if (tk_server_mosquitto(&mosquitto, NULL) != 0)
		return false;
	snprintf(url, sizeof(url), "mqtt://127.0.0.1:%d", mosquitto.port);
	return true;
}

#define MOSQUITTO()                                            \
	do {                                                   \
		if (!start_mosquitto())                        \
			tk_skip("mosquitto is not installed"); \
	} while (0)

/* NULL: it was not built. */
static const char *
path_of(const char *name)
{
	static char path[1024];
	const char *build = getenv("MQEV_BUILDDIR");

	snprintf(path, sizeof(path), "%s/samples/%s", build != NULL ? build : ".", name);
	return access(path, X_OK) == 0 ? path : NULL;
}

/* Starts it, and waits until it says the word. */
static void
start_sample(const char *path, const char *const *argv, const char *word)
{
	const struct tk_server_spec spec = {
	    .program = path, .argv = argv, .ready_log = word, .ready_ms = PATIENCE_MS};

	ck_assert_int_eq(tk_server_start(&sample, &spec), 0);
}

static int
occurrences(const char *word)
{
	char *log = tk_server_log(&sample);
	int n = 0;

	for (const char *at = log; (at = strstr(at, word)) != NULL; at++)
		n++;
	free(log);
	return n;
}

static void
await_word(const char *word, int n)
{
	long long end = tk_now_ms() + PATIENCE_MS;

	while (occurrences(word) < n) {
		if (tk_now_ms() > end) {
			char *log = tk_server_log(&sample);

			ck_abort_msg("'%s' did not come %d times: %s", word, n, log);
		}
		usleep(5000);
	}
}

static void
await_end(int status)
{
	long long end = tk_now_ms() + PATIENCE_MS;

	while (tk_server_running(&sample)) {
		ck_assert_msg(tk_now_ms() < end, "the sample does not end");
		usleep(5000);
	}
	ck_assert(WIFEXITED(sample.exit_status));
	ck_assert_int_eq(WEXITSTATUS(sample.exit_status), status);
}

static void
publish(const char *topic, const char *text)
{
	struct mqev_oneshot_report report;
	int error = mqev_publish_single(url,
	    MQEV_MESSAGE(.topic = topic, .payload = text, .payload_len = strlen(text), .qos = 1,
		.retain = true),
	    MQEV_ONESHOT(.timeout_ms = PATIENCE_MS, .report = &report));

	ck_assert_msg(error == 0, "%s: %s", mqev_error_text(error), report.text);
}

/* --- loops of others ---------------------------------------------------------------------------
 */

static const char *const loops[] = {"loop_poll", "loop_glib", "loop_uv", "loop_sd"};

/* Messages come; the server goes and comes back; the program ends when it has what it waits for. */
START_TEST(foreign_loop)
{
	const char *const argv[] = {"-n", "4", url, "loops/+", NULL};
	const char *path = path_of(loops[_i]);

	if (path == NULL)
		tk_skip("%s was not built: its library is not installed", loops[_i]);
	MOSQUITTO();
	start_sample(path, argv, "subscribed");
	publish("loops/1", "one");
	publish("loops/2", "two");
	await_word("loops/2 two", 1);
	ck_assert_int_eq(occurrences("loops/1 one"), 1);
	tk_server_kill(&mosquitto, SIGKILL);
	tk_server_restart(&mosquitto);
	await_word("connected: Success", 2);
	publish("loops/3", "three");
	await_word("loops/3 three", 1);
	ck_assert(tk_server_running(&sample));
	publish("loops/4", "four");
	await_end(0);
	ck_assert_int_eq(occurrences("loops/4 four"), 1);
}
END_TEST

/* A program asleep in another loop burns no processor: who looks finds it asleep, again and again;
 * one that spins is running or waits for a processor. */
static char
state_of(pid_t pid)
{
	char name[64];
	char state = '?';
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	f = fopen(name, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%*d %*s %c", &state), 1);
	fclose(f);
	return state;
}

START_TEST(foreign_loop_sleeps)
{
	const char *const argv[] = {url, "loops/+", NULL};
	const char *path = path_of(loops[_i]);
	long long end;

	if (path == NULL)
		tk_skip("%s was not built: its library is not installed", loops[_i]);
	MOSQUITTO();
	start_sample(path, argv, "subscribed");
	end = tk_now_ms() + PATIENCE_MS;
	for (int asleep = 0; asleep < 50;) {
		asleep = state_of(sample.pid) == 'S' ? asleep + 1 : 0;
		ck_assert_msg(tk_now_ms() < end, "it does not sleep");
		usleep(1000);
	}
}
END_TEST

/* --- threads -----------------------------------------------------------------------------------
 */

START_TEST(one_fleet_per_core)
{
	const char *const argv[] = {"-t", "3", "-c", "4", "-m", "50", url, NULL};

	MOSQUITTO();
	start_sample(path_of("cores"), argv, "core 2:");
	await_end(0);
	for (int i = 0; i < 3; i++) {
		char word[64];

		snprintf(word, sizeof(word), "core %d: 200 messages, 0 failures", i);
		await_word(word, 1);
	}
}
END_TEST

static int
shell(const char *format, const char *path)
{
	char command[2048];
	int status;

	snprintf(command, sizeof(command), format, path, url);
	status = system(command);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Each line has arrived, in order, when the program ends. */
START_TEST(wait_for_each_line)
{
	struct mqev_message *message;

	MOSQUITTO();
	ck_assert_int_eq(shell("%s %s 2>/dev/null", path_of("pubwait")), 2);
	start_sample(path_of("loop_poll"), (const char *const[]){"-n", "3", url, "lines", NULL},
	    "subscribed");
	ck_assert_int_eq(shell("printf 'a\\nb\\nc\\n' | %s %s lines", path_of("pubwait")), 0);
	await_end(0);
	await_word("lines a\nlines b\nlines c\n", 1);
	/* And nothing was retained. */
	ck_assert_int_eq(mqev_subscribe_simple(url, MQEV_SUBSCRIPTION(.filter = "lines"), 1,
			     &message, 1, MQEV_ONESHOT(.timeout_ms = 200)),
	    MQEV_ERR_TIMEOUT);
}
END_TEST

START_TEST(in_one_call)
{
	const char *const argv[] = {"sub", url, "once", "2", NULL};

	MOSQUITTO();
	publish("once", "kept");
	start_sample(path_of("oneshot"), argv, "");
	/* The retained one, and one that comes later; who waits prints them at its end. */
	for (int i = 0; i < 100 && tk_server_running(&sample); i++) {
		ck_assert_int_eq(shell("%s pub %s once later", path_of("oneshot")), 0);
		usleep(10000);
	}
	await_end(0);
	await_word("once kept", 1);
	await_word("once later", 1);
	ck_assert_int_eq(shell("%s sub %s 'a/#/b' 1 2>/dev/null", path_of("oneshot")), 1);
	ck_assert_int_eq(shell("%s %s 2>/dev/null", path_of("oneshot")), 2);
}
END_TEST

static void
retain(const char *topic)
{
	ck_assert_int_eq(mqev_publish_single(url,
			     MQEV_MESSAGE(.topic = topic, .payload = "kept", .payload_len = 4,
				 .qos = 1, .retain = true),
			     NULL),
	    0);
}

/* Those that match, and no other. */
START_TEST(retained_messages_are_cleared)
{
	struct mqev_message *message = NULL;

	MOSQUITTO();
	retain("clear/a");
	retain("clear/b/c");
	retain("stays");
	ck_assert_int_eq(shell("%s %s 'clear/#' 200 | grep -q '^2 cleared$'", path_of("clear")), 0);
	ck_assert_int_eq(mqev_subscribe_simple(url, MQEV_SUBSCRIPTION(.filter = "stays"), 1,
			     &message, 1, MQEV_ONESHOT(.timeout_ms = PATIENCE_MS)),
	    0);
	mqev_message_free(message);
	ck_assert_int_eq(mqev_subscribe_simple(url, MQEV_SUBSCRIPTION(.filter = "clear/#"), 1,
			     &message, 1, MQEV_ONESHOT(.timeout_ms = 200)),
	    MQEV_ERR_TIMEOUT);
	ck_assert_int_eq(shell("%s %s 'a#' 2>/dev/null", path_of("clear")), 1);
	ck_assert_int_eq(shell("%s %s 2>/dev/null", path_of("clear")), 2);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("samples");
	TCase *tc = tk_case(s, "loops");
	int n = (int)(sizeof(loops) / sizeof(loops[0]));

	tcase_add_checked_fixture(tc, NULL, stop_all);
	tcase_add_loop_test(tc, foreign_loop, 0, n);
	tcase_add_loop_test(tc, foreign_loop_sleeps, 0, n);
	tcase_add_test(tc, one_fleet_per_core);
	tcase_add_test(tc, wait_for_each_line);
	tcase_add_test(tc, in_one_call);
	tcase_add_test(tc, retained_messages_are_cleared);
	return tk_main(s);
}
