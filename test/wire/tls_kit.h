/* What tests of TLS links share: a CA, a server's context, an echo, a TLS link. Built on link_kit.
 */
#ifndef TLS_KIT_H
#define TLS_KIT_H

#include "wire/link_kit.h"

extern struct tk_pki *pki;
extern SSL_CTX *ctx; /* of the server */

#define TRUST .ca_file = tk_pki_ca_file(pki)

void start(struct link *l, struct tk_peer *peer, struct mqev_tls *tls);

/* Handshake with ctx (or arg, an SSL_CTX), then everything is sent back until the client goes. */
void echo(struct tk_peer_conn *c, void *arg);

/* Takes the link over, and has something echoed. */
void exchange(struct link *l);

/* With pki ("server" and "client") and ctx made for each test. */
TCase *tls_case(Suite *suite, const char *name);

#endif
