/* How name servers, proxies and TLS servers are configured. How a server is run is in server.c. */
#include "server_net.h"

#include "bytes.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLOW_START_MS = 15000 };

/* Starts it with the text, and frees that. */
static int
start(struct tk_server *s, struct tk_server_spec spec, struct tk_buf *config)
{
	int result;

	spec.config = (char *)config->data;
	spec.ready_ms = SLOW_START_MS;
	result = tk_server_start(s, &spec);
	tk_buf_free(config);
	return result;
}

int
tk_server_dnsmasq(struct tk_server *s, const char *config)
{
	static const char *const argv[] = {"--keep-in-foreground", "--conf-file=@CONFIG@", NULL};
	struct tk_server_spec spec = {
	    .program = "dnsmasq", .argv = argv, .ready_log = "started, version"};
	struct tk_buf text = {0};

	tk_buf_printf(&text,
	    "port=@PORT@\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\n"
	    "log-facility=-\nlog-queries\npid-file=@DIR@/pid\nuser=\nlocal=/#/\n%s\n",
	    config);
	return start(s, spec, &text);
}

int
tk_server_tinyproxy(struct tk_server *s, const char *user, const char *password)
{
	static const char *const argv[] = {"-d", "-c", "@CONFIG@", NULL};
	struct tk_server_spec spec = {.program = "tinyproxy", .argv = argv};
	struct tk_buf text = {0};

	tk_buf_printf(&text, "Port @PORT@\nListen 127.0.0.1\nTimeout 60\nMaxClients 300\n"
			     "PidFile \"@DIR@/pid\"\nLogFile \"@DIR@/proxy.log\"\nLogLevel Info\n");
	if (user)
		tk_buf_printf(&text, "BasicAuth %s %s\n", user, password);
	return start(s, spec, &text);
}

/* dante */

/* The path of a file that stands somewhere under /usr/lib; NULL when there is none. */
static char *
find_library(const char *pattern)
{
	glob_t found;
	char *path = NULL;

	if (glob(pattern, 0, NULL, &found) == 0)
		path = tk_strdup(found.gl_pathv[0]);
	globfree(&found);
	return path;
}

static void
dante_text(struct tk_buf *text, int with_user)
{
	tk_buf_printf(text, "logoutput: stderr\ninternal: 127.0.0.1 port = @PORT@\n"
			    "internal: ::1 port = @PORT@\nexternal: lo\n");
	if (geteuid() == 0)
		tk_buf_printf(text, "user.privileged: root\nuser.unprivileged: root\n");
	tk_buf_printf(text,
	    "clientmethod: none\nsocksmethod: %s\n"
	    "client pass { from: 0/0 to: 0/0 }\nsocks pass { from: 0/0 to: 0/0\n%s}\n",
	    with_user ? "pam.username" : "none", with_user ? "pam.servicename: mqev\n" : "");
}

static int
start_dante(struct tk_server *s)
{
	static const char *const argv[] = {"-f", "@CONFIG@", "-p", "@DIR@/pid", NULL};
	char *sockd = tk_find_program("sockd");
	struct tk_server_spec spec = {
	    .program = sockd ? "sockd" : "danted", .argv = argv, .ready_log = " running"};
	struct tk_buf text = {0};

	free(sockd);
	dante_text(&text, 0);
	return start(s, spec, &text);
}

int
tk_have_program(const char *program)
{
	char *path = tk_find_program(program);

	free(path);
	return path != NULL;
}

/* PAM's service and the file with its one user stand in the server's folder, which is there only
 * when the server is started: so a shell writes them first. */
static int
start_wrapped_dante(struct tk_server *s, const char *program, const char *wrapper,
    const char *matrix, const char *login)
{
	const char *argv[] = {"-c", NULL, NULL};
	struct tk_server_spec spec = {.program = "sh", .argv = argv, .ready_log = " running"};
	struct tk_buf script = {0}, text = {0};
	int result;

	tk_buf_printf(&script,
	    "mkdir -p @DIR@/pam && echo '%s:mqev' >@DIR@/passdb &&"
	    " for what in auth account; do echo $what required %s passdb=@DIR@/passdb; done"
	    " >@DIR@/pam/mqev && LD_PRELOAD=%s PAM_WRAPPER=1 PAM_WRAPPER_SERVICE_DIR=@DIR@/pam"
	    " exec %s -f @CONFIG@ -p @DIR@/pid",
	    login, matrix, wrapper, program);
	argv[1] = (char *)script.data;
	dante_text(&text, 1);
	result = start(s, spec, &text);
	tk_buf_free(&script);
	return result;
}

static int
start_dante_with_user(struct tk_server *s, const char *login)
{
	char *program = tk_find_program("sockd");
	char *wrapper = find_library("/usr/lib/*/libpam_wrapper.so");
	char *matrix = find_library("/usr/lib/*/pam_wrapper/pam_matrix.so");
	int result = 1;

	if (!program)
		program = tk_find_program("danted");
	if (program && wrapper && matrix)
		result = start_wrapped_dante(s, program, wrapper, matrix, login);
	free(program);
	free(wrapper);
	free(matrix);
	return result;
}

int
tk_server_dante(struct tk_server *s, const char *login)
{
	return login ? start_dante_with_user(s, login) : start_dante(s);
}

/* TLS in front */

int
tk_server_haproxy(struct tk_server *s, const char *bind, int to_port)
{
	static const char *const argv[] = {"-db", "-f", "@CONFIG@", NULL};
	struct tk_server_spec spec = {.program = "haproxy", .argv = argv};
	struct tk_buf text = {0};

	tk_buf_printf(&text,
	    "global\n  maxconn 500\ndefaults\n  mode tcp\n  timeout connect 5s\n"
	    "  timeout client 60s\n  timeout server 60s\n"
	    "frontend in\n  bind 127.0.0.1:@PORT@ %s\n  default_backend out\n"
	    "backend out\n  server broker 127.0.0.1:%d\n",
	    bind, to_port);
	return start(s, spec, &text);
}

int
tk_server_stunnel(struct tk_server *s, const char *service, int to_port)
{
	static const char *const argv[] = {"@CONFIG@", NULL};
	struct tk_server_spec spec = {.argv = argv};
	char *debian = tk_find_program("stunnel4");
	struct tk_buf text = {0};

	spec.program = debian ? "stunnel4" : "stunnel";
	free(debian);
	tk_buf_printf(&text,
	    "foreground = yes\npid =\nsyslog = no\n[broker]\naccept = 127.0.0.1:@PORT@\n"
	    "connect = 127.0.0.1:%d\n%s\n",
	    to_port, service);
	return start(s, spec, &text);
}
