/* Connections of the null broker: accepting, the TLS handshake, reading, closing. */
#include "bench/nullbroker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>
#include <openssl/err.h>

/* Reads of one connection before others get their turn. */
#define READ_STEPS 4
/* After a large message only the head of the next is read; its payload is never copied. */
#define HEAD_BYTES 4096
#define DISCARD_MIN (16u * 1024)

static void
set_socket_options(int fd)
{
	int one = 1;
	/* closing resets: no address is left waiting, and the next run finds its ports free */
	struct linger reset = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

static bool
start_tls(struct nb *nb, struct nb_conn *c)
{
	if (!nb->tls)
		return true;
	c->handshaking = true;
	c->ssl = SSL_new(nb->tls);
	if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
		return false;
	SSL_set_accept_state(c->ssl);
	return true;
}

static void
free_conn(struct nb_conn *c)
{
	SSL_free(c->ssl);
	close(c->fd);
	free(c->part);
	free(c->out);
	wire_block_clear(&c->flood.block);
	free(c);
}

static bool
add_conn(struct nb *nb, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
	struct nb_conn *c = (size_t)fd < nb->conns_len ? calloc(1, sizeof *c) : NULL;

	if (!c) {
		close(fd);
		return false;
	}
	c->fd = fd;
	c->events = EPOLLIN;
	c->ws.on = c->ws.upgrading = nb->websocket;
	set_socket_options(fd);
	if (!start_tls(nb, c) || epoll_ctl(nb->epoll, EPOLL_CTL_ADD, fd, &e)) {
		free_conn(c);
		return false;
	}
	nb->conns[fd] = c;
	nb->stats.connections++;
	return true;
}

static void
set_accepting(struct nb *nb, bool on)
{
	struct epoll_event e = {.events = on ? EPOLLIN : 0, .data.fd = nb->listener};

	if (nb->accepting != on && !epoll_ctl(nb->epoll, EPOLL_CTL_MOD, nb->listener, &e))
		nb->accepting = on;
}

void
nb_accept(struct nb *nb)
{
	int fd;

	while ((fd = accept4(nb->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		if (!add_conn(nb, fd))
			nb->stats.errors++;
	/* no descriptor is free: go on when one is */
	if (errno == EMFILE || errno == ENFILE)
		set_accepting(nb, false);
}

static void
forget_again(struct nb *nb, struct nb_conn *c)
{
	size_t i;

	for (i = 0; c->again && i < nb->again_len; i++)
		if (nb->again[i] == c->fd)
			nb->again[i] = -1;
}

void
nb_conn_close(struct nb *nb, struct nb_conn *c)
{
	forget_again(nb, c);
	nb->conns[c->fd] = NULL;
	nb->stats.connected_now -= c->connected;
	nb->out_len = 0;
	free_conn(c);
	set_accepting(nb, true);
}

void
nb_drop_all(struct nb *nb)
{
	size_t fd;

	nb->drop_wanted = false;
	nb->stats.drops++;
	for (fd = 0; fd < nb->conns_len; fd++)
		if (nb->conns[fd])
			nb_conn_close(nb, nb->conns[fd]);
}

/* What a read came to. */
enum got { GOT_BYTES, GOT_ALL, GOT_CLOSED };

static enum got
recv_plain(struct nb_conn *c, uint8_t *p, size_t room, int flags, size_t *n)
{
	ssize_t got = recv(c->fd, p, room, flags);

	*n = got > 0 ? (size_t)got : 0;
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		return GOT_CLOSED;
	return *n == room ? GOT_BYTES : GOT_ALL;
}

static enum got
recv_tls(struct nb_conn *c, uint8_t *p, size_t room, size_t *n)
{
	size_t took;
	int r;

	*n = 0;
	while (*n < room) {
		ERR_clear_error();
		r = SSL_read_ex(c->ssl, p + *n, room - *n, &took);
		if (r == 1)
			*n += took;
		else if (SSL_get_error(c->ssl, r) == SSL_ERROR_WANT_READ)
			return GOT_ALL;
		else
			return *n ? GOT_ALL : GOT_CLOSED;
	}
	return GOT_BYTES;
}

static bool
keep_part(struct nb_conn *c, const uint8_t *p, size_t n)
{
	free(c->part);
	c->part = NULL;
	c->part_len = 0;
	if (!n)
		return true;
	c->part = n <= NB_PART_MAX + HEAD_BYTES ? malloc(n) : NULL;
	if (!c->part)
		return false;
	memcpy(c->part, p, n);
	c->part_len = n;
	return true;
}

/* Payload that the kernel may pass over: inside a frame up to its end. */
static size_t
discardable(const struct nb_conn *c)
{
	size_t n = c->skip < NB_IN_BYTES ? c->skip : NB_IN_BYTES;

	if (c->ssl)
		return 0;
	return c->ws.on && c->ws.left < n ? (size_t)c->ws.left : n;
}

static enum got
discard(struct nb *nb, struct nb_conn *c, size_t room)
{
	size_t n;
	enum got got = recv_plain(c, nb->in, room, MSG_TRUNC, &n);

	if (n && c->ws.on)
		nb_ws_passed(&c->ws, n);
	if (n)
		nb_skipped(nb, c, n);
	return got;
}

/* What is new at p becomes MQTT, all bytes from nb->in on become answers; returns what was used. */
static int64_t
take_bytes(struct nb *nb, struct nb_conn *c, uint8_t *p, size_t n, size_t *all)
{
	int64_t used, mqtt = (int64_t)n;

	*all = c->part_len + n;
	if (c->ws.upgrading)
		return nb_ws_upgrade(c, nb->in, *all);
	if (c->ws.on)
		mqtt = nb_ws_take(c, p, n);
	if (mqtt < 0)
		return -1;
	*all = c->part_len + (size_t)mqtt;
	used = nb_answer(nb, c, nb->in, *all);
	/* a Close ends the connection, but what came before it counts */
	c->ending |= c->ws.closing;
	return used;
}

static enum got
read_packets(struct nb *nb, struct nb_conn *c)
{
	size_t n, all, room = c->large && !c->ssl ? HEAD_BYTES : NB_READ_BYTES;
	enum got got;
	int64_t used;

	if (c->part_len)
		memcpy(nb->in, c->part, c->part_len);
	got = c->ssl ? recv_tls(c, nb->in + c->part_len, room, &n)
		     : recv_plain(c, nb->in + c->part_len, room, 0, &n);
	if (!n)
		return got;
	used = take_bytes(nb, c, nb->in + c->part_len, n, &all);
	if (used >= 0 && (c->ending || keep_part(c, nb->in + used, all - (size_t)used)))
		return got;
	nb->stats.errors++;
	return GOT_CLOSED;
}

static bool
handshake(struct nb *nb, struct nb_conn *c)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = c->fd};
	int r, error;

	ERR_clear_error();
	r = SSL_do_handshake(c->ssl);
	if (r == 1) {
		c->handshaking = false;
	} else {
		error = SSL_get_error(c->ssl, r);
		if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
			return false;
		if (error == SSL_ERROR_WANT_WRITE)
			e.events = EPOLLOUT;
	}
	if (c->events == e.events)
		return true;
	c->events = e.events;
	return epoll_ctl(nb->epoll, EPOLL_CTL_MOD, c->fd, &e) == 0;
}

/* Bytes inside OpenSSL never make the descriptor readable. */
static void
come_again(struct nb *nb, struct nb_conn *c)
{
	if (c->again)
		return;
	c->again = true;
	nb->again[nb->again_len++] = c->fd;
}

static bool
read_all(struct nb *nb, struct nb_conn *c)
{
	enum got got = GOT_BYTES;
	uint64_t messages = nb->stats.messages_in;
	size_t room;
	int i;

	for (i = 0; i < READ_STEPS && got == GOT_BYTES && !c->ending; i++) {
		room = discardable(c);
		got = room >= DISCARD_MIN ? discard(nb, c, room) : read_packets(nb, c);
		if (got == GOT_CLOSED || !nb_flush(nb, c))
			return false;
	}
	if (messages != nb->stats.messages_in)
		nb_note_busy(nb);
	if (got == GOT_BYTES && c->ssl)
		come_again(nb, c);
	return !c->ending || c->out_len;
}

void
nb_conn_event(struct nb *nb, struct nb_conn *c, uint32_t events)
{
	bool alive = true;

	if (c->handshaking) {
		alive = handshake(nb, c);
		if (alive && c->handshaking)
			return;
	}
	if (alive && (events & EPOLLOUT))
		alive = nb_flush(nb, c) && (!c->ending || c->out_len);
	if (alive && (events & ~(uint32_t)EPOLLOUT))
		alive = read_all(nb, c);
	if (!alive)
		nb_conn_close(nb, c);
}
