/* The floor: prebuilt bytes, large blocking reads and writes, no library and no message objects.
 * The connections that only idle wait in one epoll; while client 0 is at work nothing else is
 * served. */
#include "bench/bare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <openssl/err.h>

#define READ_BYTES (256u * 1024)
#define PIECE_BYTES (256u * 1024)
#define EVENTS_PER_TURN 512
#define TICK_MS 1000
#define SMALL_BYTES 256

/* Each state is followed by the next, handshake only over TLS; all fall back to RAW_NEW. */
enum raw_state { RAW_NEW, RAW_CONNECTING, RAW_HANDSHAKE, RAW_CONNACK, RAW_UP };

struct raw_conn {
	int fd;
	enum raw_state state;
	uint32_t sent_ms;
	SSL *ssl;
};

struct raw {
	struct bench *b;
	const struct bench_options *o;
	int epoll;
	struct sockaddr_in address;
	SSL_CTX *tls;
	struct raw_conn *conns;
	int64_t deadline_ns;
	uint8_t *in;
	/* bytes of an unfinished packet at the beginning of in, payload bytes to pass over */
	size_t part_len;
	size_t skip;
	struct wire_packet late;
	uint8_t late_head[SMALL_BYTES];
	struct wire_block block;
	size_t slot;
	struct bare_tally tally;
};

static const char *
raw_version(void)
{
	return "-";
}

static struct raw *
raw_of(struct bench *b)
{
	return *bench_state(b);
}

static uint32_t
now_ms(void)
{
	return (uint32_t)(bench_now() / 1000000);
}

/* Blocking input and output of client 0 ---------------------------------------------------- */

static void
set_blocking(struct raw_conn *c, bool on)
{
	struct timeval limit = {.tv_sec = 1};
	int flags = fcntl(c->fd, F_GETFL);

	fcntl(c->fd, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

/* Bytes moved, 0 after a second without any, -1 at the end of the connection. */
static ssize_t
tls_result(struct raw_conn *c, int r, size_t n)
{
	int error;

	if (r == 1)
		return (ssize_t)n;
	error = SSL_get_error(c->ssl, r);
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t
plain_result(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
}

static ssize_t
conn_send(struct raw_conn *c, struct iovec *iov, size_t count)
{
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = count};
	size_t n = 0;
	int r;

	if (!c->ssl)
		return plain_result(sendmsg(c->fd, &m, MSG_NOSIGNAL));
	ERR_clear_error();
	r = SSL_write_ex(c->ssl, iov->iov_base, iov->iov_len, &n);
	return tls_result(c, r, n);
}

/* Plain: 0 bytes means end of file there, which is told apart from a second without any. */
static ssize_t
conn_recv(struct raw_conn *c, uint8_t *p, size_t room)
{
	size_t n = 0;
	ssize_t got;
	int r;

	if (c->ssl) {
		ERR_clear_error();
		r = SSL_read_ex(c->ssl, p, room, &n);
		return tls_result(c, r, n);
	}
	got = recv(c->fd, p, room, 0);
	return got ? plain_result(got) : -1;
}

static size_t
advance(struct iovec **iov, size_t count, size_t n)
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

static int
send_all(struct raw *r, struct iovec *iov, size_t count)
{
	ssize_t n;

	count = advance(&iov, count, 0);
	while (count) {
		n = conn_send(&r->conns[0], iov, count);
		if (n < 0)
			return bench_fail(r->b, "sending failed: %s", strerror(errno));
		if (n == 0 && bench_now() >= r->deadline_ns)
			return bench_fail(r->b, "time ran out while sending");
		count = advance(&iov, count, (size_t)n);
	}
	return 0;
}

static int
send_bytes(struct raw *r, uint8_t *p, size_t n)
{
	struct iovec iov = {.iov_base = p, .iov_len = n};

	return send_all(r, &iov, 1);
}

static int
send_answers(struct raw *r)
{
	size_t n = r->tally.out_len;

	r->tally.out_len = 0;
	return n ? send_bytes(r, r->tally.out, n) : 0;
}

/* What client 0 does ------------------------------------------------------------------------ */

static int
raw_subscribe(struct bench *b)
{
	uint8_t packet[SMALL_BYTES];

	return send_bytes(raw_of(b), packet, bare_put_subscribe(packet, bench_options(b)));
}

static int
raw_control(struct bench *b, const char *topic, const char *payload, unsigned qos)
{
	uint8_t packet[SMALL_BYTES];

	return send_bytes(
	    raw_of(b), packet, bare_put_control(packet, bench_options(b), topic, payload, qos));
}

static void
next_piece(struct raw *r, struct iovec *iov, uint64_t *count)
{
	uint64_t n = r->block.count - r->slot;

	if (n > *count)
		n = *count;
	iov->iov_base = r->block.bytes + r->slot * r->block.packet_len;
	iov->iov_len = (size_t)n * r->block.packet_len;
	r->slot = (r->slot + (size_t)n) % r->block.count;
	*count -= n;
}

/* The answers that are due go in front, in the same write. */
static int64_t
raw_publish(struct bench *b, uint64_t count)
{
	struct raw *r = raw_of(b);
	struct iovec iov[3];
	uint64_t left = count;

	do {
		iov[0] = (struct iovec){r->tally.out, r->tally.out_len};
		r->tally.out_len = 0;
		next_piece(r, &iov[1], &left);
		next_piece(r, &iov[2], &left);
		if (send_all(r, iov, 3))
			return -1;
	} while (left);
	if (r->o->qos == 0)
		bench_published(b, count);
	return (int64_t)count;
}

/* The head of a PUBLISH whose payload is still coming. */
static void
keep_head(struct raw *r, const struct wire_packet *k, size_t have)
{
	r->late = *k;
	r->late.body = r->late_head;
	memcpy(r->late_head, k->body, sizeof r->late_head);
	r->skip = k->body_len - have;
}

/* The payload is only passed over; the message counts when its last byte is there. */
static bool
pass_over(struct raw *r, size_t n)
{
	r->skip -= n;
	return r->skip || !n || bare_take(&r->tally, &r->late, sizeof r->late_head);
}

/* Takes what is whole, or whole but for a payload. Returns the bytes used up, -1 for what no broker
 * sends. */
static int64_t
take_packets(struct raw *r, const uint8_t *p, size_t n)
{
	size_t at = r->skip < n ? r->skip : n, have;
	struct wire_packet k;
	enum wire_result w;
	bool ok = pass_over(r, at);

	while (ok && at < n) {
		w = wire_split(p + at, n - at, &k);
		if (w == WIRE_NEED_HEADER)
			break;
		have = n - at - (k.total - k.body_len);
		if (w == WIRE_NEED_BODY && (k.type != WIRE_PUBLISH || have < SMALL_BYTES))
			break;
		if (w == WIRE_NEED_BODY) {
			keep_head(r, &k, have);
			return (int64_t)n;
		}
		ok = w == WIRE_OK && bare_take(&r->tally, &k, have);
		at += k.total;
		if (bare_is_full(&r->tally) && send_answers(r))
			return -1;
	}
	return ok ? (int64_t)at : -1;
}

static int
read_once(struct raw *r)
{
	ssize_t n = conn_recv(&r->conns[0], r->in + r->part_len, READ_BYTES);
	size_t all;
	int64_t used;

	if (n < 0)
		return bench_fail(r->b, "the broker closed the connection");
	all = r->part_len + (size_t)n;
	used = take_packets(r, r->in, all);
	if (used < 0)
		return bench_fail(r->b, "the broker sent nonsense");
	r->part_len = all - (size_t)used;
	memmove(r->in, r->in + used, r->part_len);
	bare_report(&r->tally, r->b);
	return send_answers(r);
}

static int
run_active(struct raw *r)
{
	int error = 0;

	set_blocking(&r->conns[0], true);
	bench_pump(r->b);
	while (!error && !bench_is_done(r->b) && bench_now() < r->deadline_ns)
		error = read_once(r);
	set_blocking(&r->conns[0], false);
	return error;
}

/* Connections -------------------------------------------------------------------------------- */

static int
watch(struct raw *r, unsigned client, int op, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.u32 = client};

	if (epoll_ctl(r->epoll, op, r->conns[client].fd, &e))
		return bench_fail(r->b, "epoll_ctl: %s", strerror(errno));
	return 0;
}

static int
raw_connect(struct bench *b, unsigned client)
{
	struct raw *r = raw_of(b);
	struct raw_conn *c = &r->conns[client];
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return bench_fail(b, "socket: %s", strerror(errno));
	c->state = RAW_CONNECTING;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(c->fd, (struct sockaddr *)&r->address, sizeof r->address) &&
	    errno != EINPROGRESS)
		return bench_fail(b, "connect: %s", strerror(errno));
	return watch(r, client, EPOLL_CTL_ADD, EPOLLOUT);
}

static int
send_small(struct raw *r, unsigned client, uint8_t *p, size_t n)
{
	struct raw_conn *c = &r->conns[client];
	struct iovec iov = {.iov_base = p, .iov_len = n};

	c->sent_ms = now_ms();
	if (conn_send(c, &iov, 1) != (ssize_t)n)
		return bench_fail(r->b, "client %u cannot send: %s", client, strerror(errno));
	return 0;
}

static int
send_connect(struct raw *r, unsigned client)
{
	uint8_t packet[SMALL_BYTES];

	r->conns[client].state = RAW_CONNACK;
	if (watch(r, client, EPOLL_CTL_MOD, EPOLLIN))
		return -1;
	return send_small(r, client, packet, bare_put_connect(packet, r->o, client));
}

static int
handshake(struct raw *r, unsigned client)
{
	struct raw_conn *c = &r->conns[client];
	int result, error;

	ERR_clear_error();
	result = SSL_do_handshake(c->ssl);
	if (result == 1)
		return send_connect(r, client);
	error = SSL_get_error(c->ssl, result);
	if (error == SSL_ERROR_WANT_READ)
		return watch(r, client, EPOLL_CTL_MOD, EPOLLIN);
	if (error == SSL_ERROR_WANT_WRITE)
		return watch(r, client, EPOLL_CTL_MOD, EPOLLOUT);
	return bench_fail(r->b, "client %u: TLS handshake: %s", client,
	    ERR_reason_error_string(ERR_peek_error()));
}

static int
on_writable(struct raw *r, unsigned client)
{
	struct raw_conn *c = &r->conns[client];
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) || error)
		return bench_fail(r->b, "client %u: connect: %s", client, strerror(error));
	if (!r->tls)
		return send_connect(r, client);
	c->state = RAW_HANDSHAKE;
	c->ssl = bare_tls_client(r->tls, r->o->host);
	if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
		return bench_fail(r->b, "out of memory");
	return handshake(r, client);
}

static void
drop(struct raw_conn *c)
{
	SSL_free(c->ssl);
	if (c->state != RAW_NEW)
		close(c->fd);
	memset(c, 0, sizeof *c);
}

static int
on_readable(struct raw *r, unsigned client)
{
	struct raw_conn *c = &r->conns[client];
	uint8_t packet[SMALL_BYTES];
	ssize_t n = conn_recv(c, packet, sizeof packet);

	if (n < 0 && c->state == RAW_UP) {
		drop(c);
		bench_lost(r->b, client);
	} else if (n < 0) {
		return bench_fail(r->b, "client %u: closed before CONNACK", client);
	} else if (n > 0 && c->state == RAW_CONNACK) {
		if (!bare_is_accepted(packet, (size_t)n))
			return bench_fail(r->b, "client %u: refused", client);
		c->state = RAW_UP;
		bench_connected(r->b, client);
	}
	return 0;
}

static int
on_event(struct raw *r, unsigned client)
{
	switch (r->conns[client].state) {
	case RAW_NEW:
		return 0;
	case RAW_CONNECTING:
		return on_writable(r, client);
	case RAW_HANDSHAKE:
		return handshake(r, client);
	case RAW_CONNACK:
	case RAW_UP:
		return on_readable(r, client);
	}
	return 0;
}

static void
tick(struct raw *r)
{
	uint8_t pingreq[] = {WIRE_PINGREQ << 4, 0};
	uint32_t now = now_ms(), after = r->o->keepalive_s * 1000 - TICK_MS;
	unsigned i;

	for (i = 0; r->o->keepalive_s > 1 && i < r->o->clients; i++)
		if (r->conns[i].state == RAW_UP && now - r->conns[i].sent_ms >= after)
			send_small(r, i, pingreq, sizeof pingreq);
}

static int
run_epoll(struct raw *r)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int64_t next_tick = bench_now() + TICK_MS * 1000000LL;
	int i, n;

	bench_pump(r->b);
	while (!bench_is_done(r->b) && bench_now() < r->deadline_ns) {
		n = epoll_wait(r->epoll, events, EVENTS_PER_TURN,
		    bench_timeout_ms(
			next_tick < r->deadline_ns ? next_tick : r->deadline_ns, TICK_MS));
		for (i = 0; i < n; i++)
			if (on_event(r, events[i].data.u32))
				return -1;
		if (bench_now() >= next_tick) {
			tick(r);
			next_tick += TICK_MS * 1000000LL;
		}
	}
	return 0;
}

static int
raw_run(struct bench *b, int64_t deadline_ns)
{
	struct raw *r = raw_of(b);

	r->deadline_ns = deadline_ns;
	return bench_is_active(b) ? run_active(r) : run_epoll(r);
}

static size_t
block_count(const struct bench_options *o)
{
	size_t each = o->size + WIRE_OVERHEAD_MAX + sizeof BENCH_TOPIC;

	if (o->qos)
		return o->window;
	return each < PIECE_BYTES ? PIECE_BYTES / each : 1;
}

static int
raw_open(struct bench *b)
{
	struct raw *r = calloc(1, sizeof *r);

	*bench_state(b) = r;
	if (!r)
		return bench_fail(b, "out of memory");
	r->b = b;
	r->o = bench_options(b);
	r->tally.version = r->o->version;
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	r->conns = calloc(r->o->clients, sizeof *r->conns);
	r->in = malloc(READ_BYTES + SMALL_BYTES * 2);
	if (r->epoll < 0 || !r->conns || !r->in ||
	    wire_block_init(
		&r->block, r->o->version, BENCH_TOPIC, r->o->qos, r->o->size, block_count(r->o)))
		return bench_fail(b, "out of memory");
	r->address.sin_family = AF_INET;
	r->address.sin_port = htons((uint16_t)r->o->port);
	if (inet_pton(AF_INET, r->o->host, &r->address.sin_addr) != 1)
		return bench_fail(b, "%s: not an IPv4 address", r->o->host);
	if (r->o->cafile)
		r->tls = bare_tls_new(b);
	return r->o->cafile && !r->tls ? -1 : 0;
}

static void
raw_close(struct bench *b)
{
	struct raw *r = raw_of(b);
	unsigned i;

	if (!r)
		return;
	for (i = 0; r->conns && i < r->o->clients; i++)
		drop(&r->conns[i]);
	if (r->epoll >= 0)
		close(r->epoll);
	SSL_CTX_free(r->tls);
	wire_block_clear(&r->block);
	free(r->conns);
	free(r->in);
	free(r);
}

static const struct bench_program raw_program = {
    .name = "raw",
    .version = raw_version,
    .descriptors_per_client = 1,
    .open = raw_open,
    .connect = raw_connect,
    .subscribe = raw_subscribe,
    .publish = raw_publish,
    .control = raw_control,
    .run = raw_run,
    .close = raw_close,
};

int
main(int argc, char **argv)
{
	return bench_main(&raw_program, argc, argv);
}
