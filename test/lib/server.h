/*
 * Real servers for tests: a program in a temporary folder, on free loopback ports, gone at the
 * test's end, also when the test fails, crashes or is killed for its time limit.
 */
#ifndef TK_SERVER_H
#define TK_SERVER_H

#include "loop.h"

#include <sys/types.h>

enum { TK_SERVER_PORTS = 4 };

/*
 * In `config`, `argv` and `env` these words are replaced: @PORT@ (the first port), @PORT2@ ...
 * @PORT4@,
 * @DIR@ (the server's folder), @CONFIG@ (the path of the written config).
 */
struct tk_server_spec {
	const char *program;	 /* looked for in PATH, /usr/sbin, /usr/local/sbin; or a path */
	const char *const *argv; /* arguments behind the program, NULL at the end; may be NULL */
	const char *const *env;	 /* "NAME=value" to be set for it, NULL at the end; may be NULL */
	const char *config;	 /* text of a file in the folder; NULL: none */
	const char *ready_log;	 /* ready when its output holds this text; NULL: when @PORT@ takes
				    connections */
	int ready_ms;		 /* deadline for that; 0: 5000 */
};

struct tk_server {
	pid_t pid; /* 0: not running */
	int port;  /* port[0] */
	int ports[TK_SERVER_PORTS];
	char *dir;
	char *log_path; /* its standard output and error */
	char **args;
	char **env;
	const char *ready_log;
	int ready_ms;
	int exit_status; /* of waitpid(), once it ended */
};

/*
 * Returns 0 when the server is up, 1 when the program is not installed. When it cannot be started
 * the test fails with the server's output.
 */
int tk_server_start(struct tk_server *s, const struct tk_server_spec *spec);

/* Leaves the test when the program is missing: "SKIP: <test>: <program> is not installed". */
#define TK_SERVER_START(s, spec)                                         \
	do {                                                             \
		if (tk_server_start((s), (spec)) != 0)                   \
			tk_skip("%s is not installed", (spec)->program); \
	} while (0)

/* mosquitto with an anonymous listener on @PORT@ and `extra` config lines behind it (NULL: none).
 */
int tk_server_mosquitto(struct tk_server *s, const char *extra);
#define TK_SERVER_MOSQUITTO(s, extra)                          \
	do {                                                   \
		if (tk_server_mosquitto((s), (extra)) != 0)    \
			tk_skip("mosquitto is not installed"); \
	} while (0)

/*
 * What logs in at the two servers below, and the certificate and key of the one that has TLS; the
 * files may be NULL.
 */
#define TK_SERVER_USER "user"
#define TK_SERVER_HOST "localhost"
#define TK_SERVER_LOGIN TK_SERVER_USER "@" TK_SERVER_HOST
#define TK_SERVER_PASSWORD "secret"

/*
 * ejabberd as an MQTT server, 3.1.1 and 5.0: @PORT@ plain, @PORT2@ WebSocket at /mqtt, @PORT3@ TLS
 * when there are files. Its virtual machine runs by itself, without a node name: so no epmd is
 * started, and any user may run it.
 */
int tk_server_ejabberd(struct tk_server *s, const char *cert_file, const char *key_file);

/* nats-server, 3.1.1: @PORT@ plain, or TLS when there are files; @PORT2@ WebSocket at /mqtt. */
int tk_server_nats(struct tk_server *s, const char *cert_file, const char *key_file);

/* Sends the signal and waits for the end; the folder stays. Returns 0, or -1 after 5 s (then it is
 * killed). */
int tk_server_kill(struct tk_server *s, int sig);

/* Starts it again on the same ports, in the same folder; ended first by SIGTERM if it runs. */
void tk_server_restart(struct tk_server *s);

int tk_server_running(struct tk_server *s);
char *tk_server_log(const struct tk_server *s); /* all its output so far; the caller frees it */

/* SIGTERM, SIGKILL if that is not enough; the folder is removed. */
void tk_server_stop(struct tk_server *s);

/* The path of a program, or NULL; the caller frees it. */
char *tk_find_program(const char *name);

/* A loopback TCP port that was free a moment ago. */
int tk_free_port(void);

#endif
