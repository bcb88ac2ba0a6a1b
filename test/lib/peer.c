/* The server in a thread: accepting, TLS, blocking reads and writes. */
#include "lib/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/err.h>

#include "lib/bytes.h"
#include "lib/certs.h"

struct tk_peer {
	int listener;
	int port;
	tk_peer_serve *serve;
	void *arg;
	pthread_t thread;
	pthread_mutex_t lock;
	int current; /* descriptor that is served, -1: none; under the lock */
	atomic_int stopping;
};

static void
set_deadline(int fd)
{
	struct timeval ten = {10, 0};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &ten, sizeof(ten));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &ten, sizeof(ten));
}

static void
set_current(struct tk_peer *peer, int fd)
{
	pthread_mutex_lock(&peer->lock);
	peer->current = fd;
	pthread_mutex_unlock(&peer->lock);
}

static void
serve_one(struct tk_peer *peer, int fd, int number)
{
	struct tk_peer_conn c = {fd, NULL, number};

	set_deadline(fd);
	set_current(peer, fd);
	peer->serve(&c, peer->arg);
	set_current(peer, -1);
	SSL_free(c.ssl);
	ERR_clear_error();
	close(fd);
}

static void *
run(void *arg)
{
	struct tk_peer *peer = arg;
	int number = 0;

	while (!peer->stopping) {
		int fd = accept(peer->listener, NULL, NULL);
		if (fd >= 0)
			serve_one(peer, fd, number++);
		else if (errno != EINTR && errno != ECONNABORTED)
			break;
	}
	return NULL;
}

static int
listen_on(const char *address, int *port)
{
	struct sockaddr_storage ss;
	struct sockaddr_in *in = (struct sockaddr_in *)&ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;
	socklen_t len = sizeof(*in);
	int fd;

	memset(&ss, 0, sizeof(ss));
	ss.ss_family = AF_INET;
	if (inet_pton(AF_INET, address, &in->sin_addr) != 1) {
		ss.ss_family = AF_INET6;
		len = sizeof(*in6);
		if (inet_pton(AF_INET6, address, &in6->sin6_addr) != 1)
			tk_die("peer: %s is no address", address);
	}
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		tk_die("peer: cannot listen on %s: %s", address, strerror(errno));
	*port = ntohs(ss.ss_family == AF_INET ? in->sin_port : in6->sin6_port);
	return fd;
}

struct tk_peer *
tk_peer_start(const char *address, tk_peer_serve *serve, void *arg)
{
	struct tk_peer *peer = tk_calloc(1, sizeof(*peer));

	signal(SIGPIPE, SIG_IGN);
	peer->listener = listen_on(address, &peer->port);
	peer->serve = serve;
	peer->arg = arg;
	peer->current = -1;
	pthread_mutex_init(&peer->lock, NULL);
	if (pthread_create(&peer->thread, NULL, run, peer) != 0)
		tk_die("peer: no thread");
	return peer;
}

int
tk_peer_port(const struct tk_peer *peer)
{
	return peer->port;
}

void
tk_peer_stop(struct tk_peer *peer)
{
	peer->stopping = 1;
	pthread_mutex_lock(&peer->lock);
	if (peer->current >= 0)
		shutdown(peer->current, SHUT_RDWR);
	pthread_mutex_unlock(&peer->lock);
	shutdown(peer->listener, SHUT_RDWR);
	pthread_join(peer->thread, NULL);
	close(peer->listener);
	pthread_mutex_destroy(&peer->lock);
	free(peer);
}

SSL_CTX *
tk_peer_ctx(const struct tk_pki *pki, const char *name)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	char file[64];

	/* Weak keys and old versions are among what the tests show to the client. */
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
	snprintf(file, sizeof(file), "%s.pem", name);
	if (SSL_CTX_use_certificate_chain_file(ctx, tk_pki_path(pki, file)) != 1)
		tk_die("peer: no certificate %s", name);
	snprintf(file, sizeof(file), "%s.key", name);
	if (SSL_CTX_use_PrivateKey_file(ctx, tk_pki_path(pki, file), SSL_FILETYPE_PEM) != 1)
		tk_die("peer: no key %s", name);
	return ctx;
}

int
tk_peer_tls(struct tk_peer_conn *c, SSL_CTX *ctx)
{
	int rc;

	c->ssl = SSL_new(ctx);
	SSL_set_fd(c->ssl, c->fd);
	do {
		ERR_clear_error();
		errno = 0;
		rc = SSL_accept(c->ssl);
	} while (rc < 0 && errno == EINTR);
	return rc == 1;
}

size_t
tk_peer_read_some(struct tk_peer_conn *c, void *buf, size_t len)
{
	ssize_t n;

	if (len > 65536)
		len = 65536;
	/* A signal of another thread's interrupts calls that have a deadline. */
	do {
		ERR_clear_error();
		errno = 0;
		n = c->ssl != NULL ? SSL_read(c->ssl, buf, (int)len) : recv(c->fd, buf, len, 0);
	} while (n < 0 && errno == EINTR);
	return n > 0 ? (size_t)n : 0;
}

int
tk_peer_read(struct tk_peer_conn *c, void *buf, size_t len)
{
	unsigned char *at = buf;

	while (len > 0) {
		size_t n = tk_peer_read_some(c, at, len);
		if (n == 0)
			return 0;
		at += n;
		len -= n;
	}
	return 1;
}

int
tk_peer_write(struct tk_peer_conn *c, const void *data, size_t len)
{
	const unsigned char *at = data;

	while (len > 0) {
		size_t part = len < 65536 ? len : 65536;
		ssize_t n = c->ssl != NULL ? SSL_write(c->ssl, at, (int)part)
					   : send(c->fd, at, part, MSG_NOSIGNAL);
		if (n <= 0)
			return 0;
		at += n;
		len -= (size_t)n;
	}
	return 1;
}

void
tk_peer_read_to_end(struct tk_peer_conn *c)
{
	char buf[4096];

	while (tk_peer_read_some(c, buf, sizeof(buf)) > 0)
		;
}
