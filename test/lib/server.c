/* Starts and ends real servers; knows how to configure mosquitto, and nothing else about brokers.
 */
#include "server.h"

#include "bytes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_MS = 5000, END_MS = 5000, POLL_MS = 10, ATTEMPTS = 3, LAST_FD = 1023 };

#ifdef __linux__
#	include <sys/prctl.h>
static void
die_with_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
}
#else
static void
die_with_parent(pid_t parent)
{
	(void)parent;
}
#endif

/* Programs and ports */

static char *
program_in(const char *dir, size_t len, const char *name)
{
	struct tk_buf path = {0};

	tk_buf_printf(&path, "%.*s/%s", (int)len, dir, name);
	if (access((char *)path.data, X_OK) == 0)
		return (char *)path.data;
	tk_buf_free(&path);
	return NULL;
}

char *
tk_find_program(const char *name)
{
	const char *path = getenv("PATH");
	struct tk_buf dirs = {0};
	char *found = NULL;
	const char *p;
	size_t len;

	if (strchr(name, '/'))
		return access(name, X_OK) == 0 ? tk_strdup(name) : NULL;
	tk_buf_printf(&dirs, "%s:/usr/sbin:/usr/local/sbin:/sbin", path ? path : "/usr/bin");
	for (p = (char *)dirs.data; !found; p += len + 1) {
		len = strcspn(p, ":");
		found = program_in(p, len, name);
		if (!p[len])
			break;
	}
	tk_buf_free(&dirs);
	return found;
}

static struct sockaddr_in
loopback(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

int
tk_free_port(void)
{
	struct sockaddr_in a = loopback(0);
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		tk_die("no free port: %s", strerror(errno));
	close(fd);
	return ntohs(a.sin_port);
}

static int
takes_connections(int port)
{
	struct sockaddr_in a = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ok;

	if (fd < 0)
		tk_die("no socket: %s", strerror(errno));
	ok = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
	close(fd);
	return ok;
}

static void
close_all(void)
{
	int fd;

	for (fd = 3; fd <= LAST_FD; fd++)
		close(fd);
}

/* Placeholders */

/* ejabberd takes a file without this ending for Erlang; to the others it is a name. */
static const char config_name[] = "config.yml";

struct word {
	char name[12];
	char value[160];
};

static void
set_word(struct word *w, const char *name, const char *value)
{
	snprintf(w->name, sizeof(w->name), "%s", name);
	snprintf(w->value, sizeof(w->value), "%s", value);
}

static void
make_words(const struct tk_server *s, struct word *words)
{
	char number[16], name[12], path[160];
	int i;

	for (i = 0; i < TK_SERVER_PORTS; i++) {
		snprintf(number, sizeof(number), "%d", s->ports[i]);
		snprintf(name, sizeof(name), i ? "@PORT%d@" : "@PORT@", i + 1);
		set_word(&words[i], name, number);
	}
	snprintf(path, sizeof(path), "%s/%s", s->dir, config_name);
	set_word(&words[i++], "@CONFIG@", path);
	set_word(&words[i], "@DIR@", s->dir);
}

enum { WORDS = TK_SERVER_PORTS + 2 };

static char *
fill(const struct tk_server *s, const char *text)
{
	struct word words[WORDS];
	struct tk_buf out = {0};
	int i;

	make_words(s, words);
	while (*text) {
		for (i = 0; i < WORDS; i++)
			if (strncmp(text, words[i].name, strlen(words[i].name)) == 0)
				break;
		if (i < WORDS) {
			tk_buf_put(&out, words[i].value, strlen(words[i].value));
			text += strlen(words[i].name);
		} else {
			tk_buf_u8(&out, (unsigned char)*text++);
		}
	}
	tk_buf_u8(&out, 0);
	return (char *)out.data;
}

/* A list with `room` empty places in front. */
static char **
fill_list(const struct tk_server *s, const char *const *list, size_t room)
{
	size_t n = 0, i;
	char **filled;

	while (list && list[n])
		n++;
	filled = tk_calloc(room + n + 1, sizeof(*filled));
	for (i = 0; i < n; i++)
		filled[room + i] = fill(s, list[i]);
	return filled;
}

static void
make_args(struct tk_server *s, char *program, const struct tk_server_spec *spec)
{
	s->args = fill_list(s, spec->argv, 1);
	s->args[0] = program;
	s->env = fill_list(s, spec->env, 0);
}

static void
write_config(const struct tk_server *s, const char *config)
{
	char *text = fill(s, config);

	free(tk_write_file(s->dir, config_name, text));
	free(text);
}

/* The process */

static void
run(const struct tk_server *s, pid_t parent)
{
	int log = open(s->log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	int null = open("/dev/null", O_RDONLY);

	size_t i;

	die_with_parent(parent);
	for (i = 0; s->env[i]; i++)
		putenv(s->env[i]);
	dup2(null, 0);
	dup2(log, 1);
	dup2(log, 2);
	close_all();
	execv(s->args[0], s->args);
	_exit(127);
}

static void
spawn(struct tk_server *s)
{
	pid_t parent = getpid();

	fflush(NULL);
	s->pid = fork();
	if (s->pid < 0)
		tk_die("no process: %s", strerror(errno));
	if (s->pid == 0)
		run(s, parent);
}

/* Takes notice of its end; returns whether it still runs. */
int
tk_server_running(struct tk_server *s)
{
	if (s->pid > 0 && waitpid(s->pid, &s->exit_status, WNOHANG) == s->pid)
		s->pid = 0;
	return s->pid > 0;
}

static int
logged(const struct tk_server *s)
{
	char *log = tk_server_log(s);
	int there = strstr(log, s->ready_log) != NULL;

	free(log);
	return there;
}

/* 1 ready, 0 it ended, -1 neither within its time. */
static int
wait_ready(struct tk_server *s)
{
	long long end = tk_now_ms() + s->ready_ms;

	while (tk_now_ms() < end) {
		if (!tk_server_running(s))
			return 0;
		if (s->ready_log ? logged(s) : takes_connections(s->port))
			return 1;
		poll(NULL, 0, POLL_MS);
	}
	return -1;
}

static void
fail_to_start(struct tk_server *s)
{
	char *log = tk_server_log(s);

	tk_server_kill(s, SIGKILL);
	ck_abort_msg("%s did not start:\n%s", s->args[0], log);
}

char *
tk_server_log(const struct tk_server *s)
{
	struct tk_buf out = {0};
	int fd = open(s->log_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	while (fd >= 0 && n > 0) {
		tk_buf_reserve(&out, 4096);
		n = read(fd, out.data + out.len, 4096);
		if (n > 0)
			out.len += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	tk_buf_u8(&out, 0);
	return (char *)out.data;
}

static void
choose_ports(struct tk_server *s)
{
	int i;

	for (i = 0; i < TK_SERVER_PORTS; i++)
		s->ports[i] = tk_free_port();
	s->port = s->ports[0];
}

static void
prepare(struct tk_server *s, const struct tk_server_spec *spec)
{
	struct tk_buf path = {0};

	memset(s, 0, sizeof(*s));
	s->dir = tk_tmpdir();
	tk_buf_printf(&path, "%s/log", s->dir);
	s->log_path = (char *)path.data;
	s->ready_log = spec->ready_log;
	s->ready_ms = spec->ready_ms ? spec->ready_ms : READY_MS;
}

static void
free_args(struct tk_server *s, int with_program)
{
	size_t i;

	for (i = with_program ? 0 : 1; s->args[i]; i++)
		free(s->args[i]);
	for (i = 0; s->env[i]; i++)
		free(s->env[i]);
	free(s->args);
	free(s->env);
}

/* Between the choice of a port and its use somebody else may take it: then it ends, and is tried
 * again. */
int
tk_server_start(struct tk_server *s, const struct tk_server_spec *spec)
{
	char *program = tk_find_program(spec->program);
	int tries;

	if (!program)
		return 1;
	prepare(s, spec);
	for (tries = 1;; tries++) {
		choose_ports(s);
		make_args(s, program, spec);
		if (spec->config)
			write_config(s, spec->config);
		spawn(s);
		switch (wait_ready(s)) {
		case 1:
			return 0;
		case 0:
			if (tries < ATTEMPTS)
				break;
			fail_to_start(s);
			return 1;
		default:
			fail_to_start(s);
			return 1;
		}
		free_args(s, 0);
	}
}

static int
wait_end(struct tk_server *s)
{
	long long end = tk_now_ms() + END_MS;

	while (tk_server_running(s)) {
		if (tk_now_ms() >= end)
			return -1;
		poll(NULL, 0, POLL_MS);
	}
	return 0;
}

int
tk_server_kill(struct tk_server *s, int sig)
{
	if (!tk_server_running(s))
		return 0;
	/* In this order: a SIGCONT takes back a SIGSTOP that is on its way, and the search for
	 * leaks at the end of a program stops it by one, for which it would wait for ever. */
	kill(s->pid, SIGCONT);
	kill(s->pid, sig);
	if (wait_end(s) == 0)
		return 0;
	kill(s->pid, SIGKILL);
	wait_end(s);
	return -1;
}

void
tk_server_restart(struct tk_server *s)
{
	tk_server_kill(s, SIGTERM);
	if (s->ready_log)
		unlink(s->log_path);
	spawn(s);
	if (wait_ready(s) != 1)
		fail_to_start(s);
}

void
tk_server_stop(struct tk_server *s)
{
	if (!s->dir)
		return;
	tk_server_kill(s, SIGTERM);
	tk_rmtree(s->dir);
	free_args(s, 1);
	free(s->log_path);
	free(s->dir);
	memset(s, 0, sizeof(*s));
}

int
tk_server_mosquitto(struct tk_server *s, const char *extra)
{
	static const char *const argv[] = {"-c", "@CONFIG@", NULL};
	/* As root it would change to a user that cannot write into the folder. */
	static const char head[] = "listener @PORT@ 127.0.0.1\nallow_anonymous true\nuser root\n"
				   "persistence_location @DIR@/\n";
	/* Its other listeners are opened after the first, so that one answers too early. */
	struct tk_server_spec spec = {
	    .program = "mosquitto", .argv = argv, .ready_log = " running"};
	struct tk_buf config = {0};
	int result;

	tk_buf_printf(&config, "%s%s\n", head, extra ? extra : "");
	spec.config = (char *)config.data;
	result = tk_server_start(s, &spec);
	tk_buf_free(&config);
	return result;
}
