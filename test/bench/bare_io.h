/* Input and output of a link without a library, plain (ssl is NULL) or TLS; no packet is known
 * here. */
#ifndef BENCH_BARE_IO_H
#define BENCH_BARE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <openssl/ssl.h>

/* On: calls wait, at most a second each. */
void bare_set_blocking(int fd, bool on);
/* Bytes moved, 0 after a second without any, -1 at the end of the connection. TLS sends from the
 * first piece only, which must not be empty. */
ssize_t bare_send(int fd, SSL *ssl, struct iovec *iov, size_t count);
ssize_t bare_recv(int fd, SSL *ssl, uint8_t *p, size_t room);
/* n bytes went: moves the pieces on, past empty ones too. Returns how many are left. */
size_t bare_advance(struct iovec **iov, size_t count, size_t n);

#endif
