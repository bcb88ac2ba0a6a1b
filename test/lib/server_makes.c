/* How ejabberd and nats-server are configured for tests; how servers run is in server.c. */
#include "server.h"

#include "bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EJABBERD_MS = 30000, LINE = 4096 };

/* --- ejabberd --------------------------------------------------------------------------------- */

/*
 * Where its modules are depends on the distribution; ejabberdctl, which starts it as a node that
 * needs epmd and a user of its own, says so in the line NAME='...' or NAME="...".
 */
static int
ctl_value(const char *ctl, const char *name, char *value, size_t size)
{
	FILE *f = fopen(ctl, "re");
	char line[LINE];
	size_t len = strlen(name);
	int found = 0;

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *from = line + len + 2;

		if (strncmp(line, name, len) != 0 || line[len] != '=' ||
		    !strchr("'\"", line[len + 1]))
			continue;
		from[strcspn(from, "'\"\n")] = '\0';
		snprintf(value, size, "%s", from);
		found = 1;
	}
	if (f)
		fclose(f);
	return found;
}

static const char ejabberd_config[] = "hosts:\n"
				      "  - " TK_SERVER_HOST "\n"
				      "loglevel: warning\n"
				      "auth_method: internal\n"
				      "listen:\n"
				      "  -\n"
				      "    port: @PORT@\n"
				      "    ip: 127.0.0.1\n"
				      "    module: mod_mqtt\n"
				      "  -\n"
				      "    port: @PORT2@\n"
				      "    ip: 127.0.0.1\n"
				      "    module: ejabberd_http\n"
				      "    request_handlers:\n"
				      "      /mqtt: mod_mqtt\n";
static const char ejabberd_tls[] = "  -\n"
				   "    port: @PORT3@\n"
				   "    ip: 127.0.0.1\n"
				   "    module: mod_mqtt\n"
				   "    tls: true\n"
				   "certfiles:\n"
				   "  - %s\n"
				   "  - %s\n";
static const char ejabberd_modules[] = "modules:\n"
				       "  mod_mqtt: {}\n";

/* The user is registered from inside, which needs no second process; then all is ready. */
static const char ejabberd_ready[] =
    "_ = ejabberd_auth:try_register(<<\"" TK_SERVER_USER "\">>, <<\"" TK_SERVER_HOST
    "\">>, <<\"" TK_SERVER_PASSWORD "\">>),"
    "{ok, Version} = application:get_key(ejabberd, vsn),"
    "io:format(\"ejabberd ~s is ready~n\", [Version]).";

static const char *const ejabberd_argv[] = {"-noinput", "-mnesia", "dir", "\"@DIR@/spool\"", "-s",
    "ejabberd", "-eval", ejabberd_ready, NULL};

int
tk_server_ejabberd(struct tk_server *s, const char *cert_file, const char *key_file)
{
	char *ctl = tk_find_program("ejabberdctl");
	char erl[LINE / 2], libs[LINE / 2] = "ERL_LIBS=";
	const char *env[] = {"EJABBERD_CONFIG_PATH=@CONFIG@",
	    "EJABBERD_LOG_PATH=@DIR@/ejabberd.log", "HOME=@DIR@", "ERL_CRASH_DUMP_SECONDS=0", libs,
	    NULL};
	struct tk_server_spec spec = {.program = erl,
	    .argv = ejabberd_argv,
	    .env = env,
	    .ready_log = " is ready",
	    .ready_ms = EJABBERD_MS};
	struct tk_buf config = {0};
	int result = 1;

	tk_buf_printf(&config, "%s", ejabberd_config);
	if (cert_file)
		tk_buf_printf(&config, ejabberd_tls, cert_file, key_file);
	tk_buf_printf(&config, "%s", ejabberd_modules);
	spec.config = (char *)config.data;
	if (ctl && ctl_value(ctl, "ERL", erl, sizeof(erl))) {
		ctl_value(ctl, "ERL_LIBS", libs + strlen(libs), sizeof(libs) - strlen(libs));
		result = tk_server_start(s, &spec);
	}
	tk_buf_free(&config);
	free(ctl);
	return result;
}

/* --- nats ------------------------------------------------------------------------------------- */

static const char nats_config[] =
    "server_name: test\n"
    "listen: \"127.0.0.1:@PORT3@\"\n"
    "max_payload: 8388608\n"
    "jetstream { store_dir: \"@DIR@/jetstream\" }\n"
    "authorization { user: \"" TK_SERVER_LOGIN "\", password: \"" TK_SERVER_PASSWORD "\" }\n"
    "websocket { listen: \"127.0.0.1:@PORT2@\", no_tls: true }\n";

int
tk_server_nats(struct tk_server *s, const char *cert_file, const char *key_file)
{
	static const char *const argv[] = {"-c", "@CONFIG@", NULL};
	struct tk_server_spec spec = {
	    .program = "nats-server", .argv = argv, .ready_log = "Server is ready"};
	struct tk_buf config = {0};
	int result;

	tk_buf_printf(
	    &config, "%smqtt { listen: \"127.0.0.1:@PORT@\", ack_wait: \"2s\"", nats_config);
	if (cert_file)
		tk_buf_printf(
		    &config, ", tls { cert_file: \"%s\", key_file: \"%s\" }", cert_file, key_file);
	tk_buf_printf(&config, " }\n");
	spec.config = (char *)config.data;
	result = tk_server_start(s, &spec);
	tk_buf_free(&config);
	return result;
}
