/*
 * What the documents show: the README's subscriber, compiled as the README says against an
 * installed library and run, and every other piece of C in them. What the words say is not tested.
 */
#include "lib/bytes.h"
#include "lib/loop.h"
#include "lib/server.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST_SUBSCRIBER = 25, TIMEOUT_S = 120, RECEIVE_MS = 10000 };

#define SHELL_FLAGS                                                            \
	"-std=c11 -pthread -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter " \
	"-Wno-unused-function -Wno-unused-command-line-argument -Werror"

/* What a piece that includes nothing is compiled with. */
#define PRELUDE                       \
	"#include <stdbool.h>\n"      \
	"#include <stdint.h>\n"       \
	"#include <stdio.h>\n"        \
	"#include <stdlib.h>\n"       \
	"#include <string.h>\n"       \
	"#include <event2/event.h>\n" \
	"#include <mqev/mqev.h>\n"

static const struct {
	const char *name;
	int pieces; /* at least so many pieces of C are in it */
} documents[] = {
    {"README", 1},
    {"CONTRIBUTING.md", 0},
    {"doc/architecture.md", 0},
    {"doc/guide.md", 10},
};

#define DOCUMENTS ((int)(sizeof(documents) / sizeof(documents[0])))

/* A temporary folder with an installed library in it; made once for all cases. */
static char *folder;

/* --- texts and commands ------------------------------------------------------------------------
 */

static char *
read_file(const char *path)
{
	struct tk_buf text = {0};
	FILE *f = fopen(path, "r");
	char part[4096];
	size_t n;

	ck_assert_msg(f != NULL, "%s cannot be read", path);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		tk_buf_put(&text, part, n);
	fclose(f);
	tk_buf_u8(&text, 0);
	return (char *)text.data;
}

/* make check sets these. */
static const char *
place(const char *variable)
{
	const char *path = getenv(variable);

	ck_assert_msg(path != NULL, "%s is not set: run the tests by make check", variable);
	return path;
}

static char *
read_document(const char *name)
{
	struct tk_buf path = {0};
	char *text;

	tk_buf_printf(&path, "%s/%s", place("MQEV_SRCDIR"), name);
	text = read_file((char *)path.data);
	tk_buf_free(&path);
	return text;
}

/* Runs a command in the folder; the test fails with its output when it fails. */
static void __attribute__((format(printf, 1, 2))) shell(const char *format, ...)
{
	struct tk_buf command = {0};
	char *output, line[4000];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	tk_buf_printf(&command, "cd '%s' && { %s; } >shell.log 2>&1", folder, line);
	status = system((char *)command.data);
	if (status != 0) {
		tk_buf_clear(&command);
		tk_buf_printf(&command, "%s/shell.log", folder);
		output = read_file((char *)command.data);
		ck_abort_msg("'%s' ended with status %d:\n%s", line, status, output);
	}
	tk_buf_free(&command);
}

/* --- pieces of C in a document -----------------------------------------------------------------
 */

struct piece {
	char *text;
	const char *next; /* in the document, behind the piece */
	int lines;
};

/* The next ```c ... ``` behind at. */
static int
next_piece(const char *at, struct piece *piece)
{
	const char *begin = strstr(at, "\n```c\n");
	const char *end;
	size_t len;

	if (begin == NULL)
		return 0;
	begin += strlen("\n```c\n");
	end = strstr(begin, "\n```\n");
	ck_assert_msg(end != NULL, "a piece of C has no end: %.60s", begin);
	len = (size_t)(end + 1 - begin);
	piece->text = tk_calloc(len + 1, 1);
	memcpy(piece->text, begin, len);
	piece->next = end + 1;
	piece->lines = 0;
	for (size_t i = 0; i < len; i++)
		piece->lines += begin[i] == '\n';
	return 1;
}

static void
write_piece(const char *name, const char *prelude, const char *text)
{
	struct tk_buf all = {0};

	tk_buf_printf(&all, "%s%s", prelude, text);
	free(tk_write_file(folder, name, (char *)all.data));
	tk_buf_free(&all);
}

static int
is_program(const struct piece *piece)
{
	return strstr(piece->text, "main(") != NULL;
}

/* --- the installed library ---------------------------------------------------------------------
 */

/*
 * make install puts everything under DESTDIR, as for a package; the paths in mqev.pc are then moved
 * there too.
 */
static void
install(void)
{
	folder = tk_tmpdir();
	shell("unset MAKEFLAGS MFLAGS MAKELEVEL; make -C '%s' install DESTDIR='%s/root'",
	    place("MQEV_BUILDDIR"), folder);
	shell("mkdir pc && sed -E 's,^([a-z_]+)=/,\\1=%s/root/,' $(find root -name mqev.pc) "
	      ">pc/mqev.pc",
	    folder);
}

static void
uninstall(void)
{
	tk_rmtree(folder);
	free(folder);
}

static void
use_installed(void)
{
	const char *path = getenv("PKG_CONFIG_PATH");
	struct tk_buf value = {0};
	char *libdir;

	tk_buf_printf(&value, "%s/pc:%s", folder, path != NULL ? path : "");
	setenv("PKG_CONFIG_PATH", (char *)value.data, 1);
	shell("pkg-config --variable=libdir mqev >libdir");
	tk_buf_clear(&value);
	tk_buf_printf(&value, "%s/libdir", folder);
	libdir = read_file((char *)value.data);
	libdir[strcspn(libdir, "\n")] = '\0';
	setenv("LD_LIBRARY_PATH", libdir, 1);
	free(libdir);
	tk_buf_free(&value);
}

/* --- the subscriber of the README --------------------------------------------------------------
 */

static const struct version {
	const char *protocol;
	const char *option; /* of mosquitto_pub */
} versions[] = {
    {"MQEV_PROTOCOL_V31", "mqttv31"},
    {"MQEV_PROTOCOL_V311", "mqttv311"},
    {"MQEV_PROTOCOL_V5", "mqttv5"},
};

/* Writes sub.c, with another protocol version where the README has 5.0, and compiles it by the
 * README's own command. */
static void
build_subscriber(const char *protocol)
{
	char *readme = read_document("README");
	const char *command = strstr(readme, "cc sub.c ");
	struct piece piece;
	char *at;
	struct tk_buf text = {0};

	ck_assert(next_piece(readme, &piece));
	at = strstr(piece.text, "MQEV_PROTOCOL_V5");
	ck_assert_ptr_nonnull(at);
	ck_assert_ptr_nonnull(command);
	tk_buf_printf(&text, "%.*s%s%s", (int)(at - piece.text), piece.text, protocol,
	    at + strlen("MQEV_PROTOCOL_V5"));
	write_piece("sub.c", "", (char *)text.data);
	shell("cc() { %s %s -Wall -Werror \"$@\"; }; %.*s", TEST_CC, TEST_CFLAGS,
	    (int)strcspn(command, "\n"), command);
	tk_buf_free(&text);
	free(piece.text);
	free(readme);
}

static void
publish(const struct tk_server *broker, const char *version, int qos)
{
	shell("mosquitto_pub -h 127.0.0.1 -p %d -V %s -q %d -t plant/7/alarm -m 'of QoS %d'",
	    broker->port, version, qos, qos);
}

/* The subscriber's output is a file, so it is looked at again and again. */
static void
await_output(const struct tk_server *program, const char *text)
{
	long long end = tk_now_ms() + RECEIVE_MS;

	for (;;) {
		char *log = tk_server_log(program);

		if (strstr(log, text) != NULL) {
			free(log);
			return;
		}
		ck_assert_msg(
		    tk_now_ms() < end, "no '%s' in what the subscriber says:\n%s", text, log);
		free(log);
		poll(NULL, 0, 10);
	}
}

/* A retained message says when the subscription is there. */
static void
start_subscriber(struct tk_server *subscriber, const struct tk_server *broker, const char *version)
{
	struct tk_buf program = {0}, url = {0};
	const char *argv[] = {NULL, "plant/+/alarm", NULL};
	struct tk_server_spec spec = {.argv = argv, .ready_log = "plant/0/alarm, QoS 1: ready"};

	shell("mosquitto_pub -h 127.0.0.1 -p %d -V %s -q 1 -r -t plant/0/alarm -m ready",
	    broker->port, version);
	tk_buf_printf(&program, "%s/sub", folder);
	tk_buf_printf(&url, "mqtt://127.0.0.1:%d", broker->port);
	spec.program = (char *)program.data;
	argv[0] = (char *)url.data;
	ck_assert_int_eq(tk_server_start(subscriber, &spec), 0);
	tk_buf_free(&program);
	tk_buf_free(&url);
}

START_TEST(subscriber_is_short)
{
	char *readme = read_document("README");
	struct piece piece;

	ck_assert(next_piece(readme, &piece));
	ck_assert(is_program(&piece));
	ck_assert_int_le(piece.lines, LONGEST_SUBSCRIBER);
	free(piece.text);
	free(readme);
}
END_TEST

START_TEST(subscriber_receives)
{
	const struct version *version = &versions[_i];
	struct tk_server broker, subscriber;
	char line[64];
	char *publisher = tk_find_program("mosquitto_pub");

	if (publisher == NULL)
		tk_skip("mosquitto_pub is not installed");
	free(publisher);
	TK_SERVER_MOSQUITTO(&broker, NULL);
	use_installed();
	build_subscriber(version->protocol);
	start_subscriber(&subscriber, &broker, version->option);
	for (int qos = 0; qos <= 2; qos++) {
		publish(&broker, version->option, qos);
		snprintf(line, sizeof(line), "plant/7/alarm, QoS %d: of QoS %d\n", qos, qos);
		await_output(&subscriber, line);
	}
	tk_server_stop(&subscriber);
	tk_server_stop(&broker);
}
END_TEST

/* --- all documents -----------------------------------------------------------------------------
 */

static void
compile(const struct piece *piece)
{
	const char *prelude = strstr(piece->text, "#include") != NULL ? "" : PRELUDE;

	write_piece("piece.c", prelude, piece->text);
	shell("%s %s " SHELL_FLAGS " %s -o piece piece.c $(pkg-config --cflags --libs mqev)",
	    TEST_CC, TEST_CFLAGS, is_program(piece) ? "" : "-c");
}

START_TEST(pieces_compile)
{
	char *document = read_document(documents[_i].name);
	struct piece piece = {.next = document};
	int pieces = 0;

	use_installed();
	while (next_piece(piece.next, &piece)) {
		compile(&piece);
		free(piece.text);
		pieces++;
	}
	ck_assert_int_ge(pieces, documents[_i].pieces);
	free(document);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("readme");
	TCase *tc = tk_case(s, "documents");

	tcase_set_timeout(tc, TIMEOUT_S);
	tcase_add_unchecked_fixture(tc, install, uninstall);
	tcase_add_test(tc, subscriber_is_short);
	tcase_add_loop_test(tc, subscriber_receives, 0, 3);
	tcase_add_loop_test(tc, pieces_compile, 0, DOCUMENTS);
	return tk_main(s);
}
