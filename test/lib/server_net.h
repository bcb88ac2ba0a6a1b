/* Real servers that stand between a client and its broker: name servers, proxies, TLS in front.
 * Built on server.h; each function returns what tk_server_start() does. */
#ifndef TK_SERVER_NET_H
#define TK_SERVER_NET_H

#include "server.h"

/* dnsmasq on UDP and TCP at 127.0.0.1:@PORT@, asking nobody else; records in `config`. */
int tk_server_dnsmasq(struct tk_server *s, const char *config);

/* tinyproxy at 127.0.0.1:@PORT@; without a user everybody may use it. */
int tk_server_tinyproxy(struct tk_server *s, const char *user, const char *password);

/*
 * dante, SOCKS 4 (not 4a) and 5, at 127.0.0.1 and ::1, @PORT@. With a login ("user:password") only
 * he may use it, by SOCKS 5: dante asks PAM, and libpam_wrapper makes PAM look into the server's
 * folder, so that the users of the system are not touched. Returns 1 without that library, too.
 */
int tk_server_dante(struct tk_server *s, const char *login);

/* haproxy passing bytes from 127.0.0.1:@PORT@ to a port of 127.0.0.1; `bind` is what follows the
 * address: "ssl crt FILE alpn mqtt". */
int tk_server_haproxy(struct tk_server *s, const char *bind, int to_port);

/* stunnel in front of a port of 127.0.0.1; `service` are lines of the service: "cert = ...". */
int tk_server_stunnel(struct tk_server *s, const char *service, int to_port);

#define TK_SERVER_NEED(call, what)                            \
	do {                                                  \
		if ((call) != 0)                              \
			tk_skip("%s is not installed", what); \
	} while (0)

/* The same before the test has made anything that it would leave behind. */
#define TK_PROGRAM_NEED(program)                                 \
	do {                                                     \
		if (!tk_have_program(program))                   \
			tk_skip("%s is not installed", program); \
	} while (0)
int tk_have_program(const char *program);

#endif
