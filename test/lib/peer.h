/*
 * A server of one's own in a thread: plain or TLS, one connection after the other, each handled by
 * a function of the test that may block. For handshakes and frames, where a script of packets is
 * too coarse.
 */
#ifndef TK_PEER_H
#define TK_PEER_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

struct tk_peer;

/* One connection. Reads and writes end after ten seconds at the latest. */
struct tk_peer_conn {
	int fd;
	SSL *ssl;   /* NULL until tk_peer_tls() */
	int number; /* 0, 1, ... */
};

/* Runs in the peer's thread; the connection is closed when it returns, without a farewell. */
typedef void tk_peer_serve(struct tk_peer_conn *c, void *arg);

/* Listens on 127.0.0.1 or another address, on a free port. */
struct tk_peer *tk_peer_start(const char *address, tk_peer_serve *serve, void *arg);
int tk_peer_port(const struct tk_peer *peer);
/* Ends the thread, breaking off what it waits for. */
void tk_peer_stop(struct tk_peer *peer);

/* A server's context with certificate and key in NAME.pem and NAME.key of the folder. */
struct tk_pki;
SSL_CTX *tk_peer_ctx(const struct tk_pki *pki, const char *name);

/* TLS handshake as the server; 1 done, 0 failed. */
int tk_peer_tls(struct tk_peer_conn *c, SSL_CTX *ctx);

/* Whole or nothing: 1 or 0. Through TLS when it is on. */
int tk_peer_read(struct tk_peer_conn *c, void *buf, size_t len);
int tk_peer_write(struct tk_peer_conn *c, const void *data, size_t len);
/* Up to len bytes; 0 at the end or an error. */
size_t tk_peer_read_some(struct tk_peer_conn *c, void *buf, size_t len);
/* Reads until the client closes, throwing away what comes. */
void tk_peer_read_to_end(struct tk_peer_conn *c);

/* WebSocket, server's side, by hand --------------------------------------------------------------
 */

/* Reads the request up to its blank line; 1 or 0. */
int tk_ws_read_request(struct tk_peer_conn *c, char *text, size_t size);
/* The value of a header, NULL when it is not there; the caller frees it. */
char *tk_ws_header(const char *request, const char *name);
/* The good answer to a request; returns its length. */
size_t tk_ws_answer(const char *request, char *text, size_t size);
/* Reads the request and sends the good answer; 1 or 0. */
int tk_ws_accept(struct tk_peer_conn *c);

struct tk_ws_frame {
	int opcode;
	uint64_t len;
	unsigned char *data; /* unmasked; the caller frees it */
};
/* Reads a client's frame: 1; 0 at the end; -1 when it breaks a rule for clients (fin, mask,
 * reserved bits, shortest length). */
int tk_ws_read_frame(struct tk_peer_conn *c, struct tk_ws_frame *frame);
/* Sends an unmasked frame; first is its first byte: 0x82 for a whole binary message. */
int tk_ws_write_frame(struct tk_peer_conn *c, int first, const void *data, size_t len);

#endif
