/* Shared by tests of TLS links. */
#include "wire/tls_kit.h"

struct tk_pki *pki;
SSL_CTX *ctx;

static void
setup(void)
{
	pki = tk_pki_new("mqev test CA");
	tk_pki_issue(pki, "server", &(struct tk_cert_spec){0});
	tk_pki_issue(pki, "client", &(struct tk_cert_spec){.cn = "pump-7", .san = ""});
	ctx = tk_peer_ctx(pki, "server");
	net_setup();
}

static void
teardown(void)
{
	net_teardown();
	SSL_CTX_free(ctx);
	tk_pki_free(pki);
}

void
start(struct link *l, struct tk_peer *peer, struct mqev_tls *tls)
{
	l->a.config.tls = tls;
	attempt_start(&l->a, "mqtts://localhost:%d", tk_peer_port(peer));
}

/* Handshake, then everything is sent back until the client goes. */
void
echo(struct tk_peer_conn *c, void *arg)
{
	char buf[16384];
	size_t n;

	if (!tk_peer_tls(c, arg != NULL ? arg : ctx))
		return;
	while ((n = tk_peer_read_some(c, buf, sizeof(buf))) > 0)
		tk_peer_write(c, buf, n);
}

void
exchange(struct link *l)
{
	link_take(l, 5000);
	link_write(l, "there and back", 14);
	link_await_bytes(l, 14, 5000);
	ck_assert_mem_eq(l->in.data, "there and back", 14);
}

TCase *
tls_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}
