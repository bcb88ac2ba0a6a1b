/* Shared by tests of WebSocket links. */
#include "wire/ws_kit.h"

#include <stdlib.h>
#include <string.h>

static struct tk_pki *pki;
static SSL_CTX *server_ctx;
static struct mqev_tls *trust;
bool secure;

static void
setup(void)
{
	pki = tk_pki_new("mqev test CA");
	tk_pki_issue(pki, "server", &(struct tk_cert_spec){0});
	server_ctx = tk_peer_ctx(pki, "server");
	net_setup();
	trust = tls_of(MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki)));
}

static void
teardown(void)
{
	mqev_tls_free(trust);
	net_teardown();
	SSL_CTX_free(server_ctx);
	tk_pki_free(pki);
}

void
start(struct link *l, struct tk_peer *peer, const struct mqev_websocket_options *options)
{
	l->a.config.tls = trust;
	l->a.config.websocket = options;
	attempt_start(&l->a, "%s://localhost:%d/mqtt", secure ? "wss" : "ws", tk_peer_port(peer));
}

/* What a serving function does first. */
bool
ready(struct tk_peer_conn *c)
{
	return !secure || tk_peer_tls(c, server_ctx);
}

bool
ready_and_upgraded(struct tk_peer_conn *c)
{
	return ready(c) && tk_ws_accept(c);
}

void
see_frames(struct tk_peer_conn *c, struct seen *seen, bool echo)
{
	struct tk_ws_frame f;
	int rc;

	seen->close_code = -1;
	while ((rc = tk_ws_read_frame(c, &f)) > 0) {
		seen->opcode = f.opcode;
		seen->frames++;
		seen->last_len = f.len < sizeof(seen->last) ? f.len : sizeof(seen->last);
		memcpy(seen->last, f.data, seen->last_len);
		if (f.opcode == 10)
			seen->pongs++;
		if (f.opcode == 8)
			seen->close_code = f.len >= 2 ? f.data[0] << 8 | f.data[1] : 0;
		if (f.opcode == 2)
			seen->bytes += f.len;
		if (echo && f.opcode == 2)
			tk_ws_write_frame(c, 0x82, f.data, f.len);
		free(f.data);
		if (seen->close_code >= 0)
			break;
	}
	seen->broken = rc < 0;
}

void
echo_frames(struct tk_peer_conn *c, void *arg)
{
	struct seen *seen = arg;

	if (!ready_and_upgraded(c))
		return;
	see_frames(c, seen, true);
	if (seen->close_code >= 0)
		tk_ws_write_frame(c, 0x88, seen->last, seen->last_len);
}

/* Upgrades, sends what it is told, then looks at what the client does. */
void
send_and_see(struct tk_peer_conn *c, void *arg)
{
	struct seen *seen = arg;
	struct tk_buf bytes = tk_hex(seen->send);

	if (ready_and_upgraded(c) && tk_peer_write(c, bytes.data, bytes.len))
		see_frames(c, seen, false);
	tk_buf_free(&bytes);
}

TCase *
ws_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}
