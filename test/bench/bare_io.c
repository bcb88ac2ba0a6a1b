/* Blocking input and output of a link without a library, plain or TLS. */
#include "bench/bare_io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <openssl/err.h>

void
bare_set_blocking(int fd, bool on)
{
	struct timeval limit = {.tv_sec = 1};
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static ssize_t
tls_result(SSL *ssl, int r, size_t n)
{
	int error;

	if (r == 1)
		return (ssize_t)n;
	error = SSL_get_error(ssl, r);
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t
plain_result(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
}

ssize_t
bare_send(int fd, SSL *ssl, struct iovec *iov, size_t count)
{
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = count};
	size_t n = 0;
	int r;

	if (!ssl)
		return plain_result(sendmsg(fd, &m, MSG_NOSIGNAL));
	ERR_clear_error();
	r = SSL_write_ex(ssl, iov->iov_base, iov->iov_len, &n);
	return tls_result(ssl, r, n);
}

/* For recv() 0 bytes mean the end, which is told apart from a second without any. */
ssize_t
bare_recv(int fd, SSL *ssl, uint8_t *p, size_t room)
{
	size_t n = 0;
	ssize_t got;
	int r;

	if (ssl) {
		ERR_clear_error();
		r = SSL_read_ex(ssl, p, room, &n);
		return tls_result(ssl, r, n);
	}
	got = recv(fd, p, room, 0);
	return got ? plain_result(got) : -1;
}

size_t
bare_advance(struct iovec **iov, size_t count, size_t n)
{
	while (count && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		++*iov;
		count--;
	}
	if (count) {
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
	}
	return count;
}
