/* The floor: prebuilt bytes, large blocking reads and writes, no library and no message objects.
 * The connections that only idle wait in one epoll; while client 0 is at work nothing else is
 * served. */
#include "bench/bare.h"
#include "bench/bare_io.h"
#include "bench/bare_ws.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/err.h>

#define READ_BYTES (256u * 1024)
#define PIECE_BYTES (256u * 1024)
#define EVENTS_PER_TURN 512
#define TICK_MS 1000
#define SMALL_BYTES 256

/* Each state is followed by the next, handshake only over TLS, upgrade only for a WebSocket; all
 * fall back to RAW_NEW. */
enum raw_state {
	RAW_NEW,
	RAW_CONNECTING,
	RAW_HANDSHAKE,
	RAW_UPGRADE,
	RAW_CONNACK,
	RAW_UP,
};

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
	/* client 0's link */
	struct bare_ws ws;
	uint8_t answers_head[BARE_WS_HEAD_MAX];
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

/* Client 0's output, blocking ------------------------------------------------------------------ */

static int
send_all(struct raw *r, struct iovec *iov, size_t count)
{
	ssize_t n;

	count = bare_advance(&iov, count, 0);
	while (count) {
		n = bare_send(r->conns[0].fd, r->conns[0].ssl, iov, count);
		if (n < 0)
			return bench_fail(r->b, "sending failed: %s", strerror(errno));
		if (n == 0 && bench_now() >= r->deadline_ns)
			return bench_fail(r->b, "time ran out while sending");
		count = bare_advance(&iov, count, (size_t)n);
	}
	return 0;
}

static int
send_packet(struct raw *r, uint8_t *p, size_t n)
{
	struct iovec iov = {.iov_base = p, .iov_len = r->o->websocket ? bare_ws_frame(p, n) : n};

	return send_all(r, &iov, 1);
}

/* Two pieces, the first empty without a frame. */
static void
take_answers(struct raw *r, struct iovec *iov)
{
	size_t n = r->tally.out_len;

	r->tally.out_len = 0;
	iov[0] = (struct iovec){r->answers_head, 0};
	iov[1] = (struct iovec){r->tally.out, n};
	if (n && r->o->websocket)
		iov[0].iov_len = bare_ws_mask(r->answers_head, r->tally.out, n);
}

static int
send_answers(struct raw *r)
{
	struct iovec iov[2];

	if (!r->tally.out_len)
		return 0;
	take_answers(r, iov);
	return send_all(r, iov, 2);
}

/* What client 0 does ------------------------------------------------------------------------ */

static int
raw_subscribe(struct bench *b)
{
	uint8_t packet[SMALL_BYTES];

	return send_packet(raw_of(b), packet, bare_put_subscribe(packet, bench_options(b)));
}

static int
raw_control(struct bench *b, const char *topic, const char *payload, unsigned qos)
{
	uint8_t packet[SMALL_BYTES];

	return send_packet(
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
	struct iovec iov[4];
	uint64_t left = count;

	do {
		take_answers(r, iov);
		next_piece(r, &iov[2], &left);
		next_piece(r, &iov[3], &left);
		if (send_all(r, iov, 4))
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
	struct raw_conn *c = &r->conns[0];
	int64_t used, n = bare_recv(c->fd, c->ssl, r->in + r->part_len, READ_BYTES);
	size_t all;

	if (n < 0)
		return bench_fail(r->b, "the broker closed the connection");
	if (r->o->websocket)
		n = bare_ws_take(&r->ws, r->in + r->part_len, (size_t)n);
	if (n < 0)
		return bench_fail(r->b, "the broker sent a wrong frame");
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

	bare_set_blocking(r->conns[0].fd, true);
	bench_pump(r->b);
	while (!error && !bench_is_done(r->b) && bench_now() < r->deadline_ns)
		error = read_once(r);
	bare_set_blocking(r->conns[0].fd, false);
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
	if (bare_send(c->fd, c->ssl, &iov, 1) != (ssize_t)n)
		return bench_fail(r->b, "client %u cannot send: %s", client, strerror(errno));
	return 0;
}

static int
send_small_packet(struct raw *r, unsigned client, uint8_t *p, size_t n)
{
	return send_small(r, client, p, r->o->websocket ? bare_ws_frame(p, n) : n);
}

static int
send_connect(struct raw *r, unsigned client)
{
	uint8_t packet[SMALL_BYTES];

	r->conns[client].state = RAW_CONNACK;
	if (watch(r, client, EPOLL_CTL_MOD, EPOLLIN))
		return -1;
	return send_small_packet(r, client, packet, bare_put_connect(packet, r->o, client));
}

static int
begin_mqtt(struct raw *r, unsigned client)
{
	char request[SMALL_BYTES * 2];

	if (!r->o->websocket)
		return send_connect(r, client);
	r->conns[client].state = RAW_UPGRADE;
	if (watch(r, client, EPOLL_CTL_MOD, EPOLLIN))
		return -1;
	return send_small(r, client, (uint8_t *)request,
	    bare_ws_put_request(request, sizeof request, r->o->host, r->o->port));
}

static int
handshake(struct raw *r, unsigned client)
{
	struct raw_conn *c = &r->conns[client];
	int result, error;

	ERR_clear_error();
	result = SSL_do_handshake(c->ssl);
	if (result == 1)
		return begin_mqtt(r, client);
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
		return begin_mqtt(r, client);
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
	ssize_t n = bare_recv(c->fd, c->ssl, packet, sizeof packet);

	if (n < 0 && c->state == RAW_UP) {
		drop(c);
		bench_lost(r->b, client);
	} else if (n < 0) {
		return bench_fail(r->b, "client %u: closed before CONNACK", client);
	} else if (n > 0 && c->state == RAW_UPGRADE) {
		if (!bare_ws_is_accepted(packet, (size_t)n))
			return bench_fail(r->b, "client %u: no upgrade", client);
		return send_connect(r, client);
	} else if (n > 0 && c->state == RAW_CONNACK) {
		if (r->o->websocket)
			n = bare_ws_take(&(struct bare_ws){0}, packet, (size_t)n);
		if (n < 0 || !bare_is_accepted(packet, (size_t)n))
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
	case RAW_UPGRADE:
	case RAW_CONNACK:
	case RAW_UP:
		return on_readable(r, client);
	}
	return 0;
}

static void
send_ping(struct raw *r, unsigned client)
{
	uint8_t pingreq[2 + BARE_WS_HEAD_MAX] = {WIRE_PINGREQ << 4, 0};

	send_small_packet(r, client, pingreq, 2);
}

static void
tick(struct raw *r)
{
	uint32_t now = now_ms(), after = r->o->keepalive_s * 1000 - TICK_MS;
	unsigned i;

	for (i = 0; r->o->keepalive_s > 1 && i < r->o->clients; i++)
		if (r->conns[i].state == RAW_UP && now - r->conns[i].sent_ms >= after)
			send_ping(r, i);
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
		&r->block, r->o->version, BENCH_TOPIC, r->o->qos, r->o->size, block_count(r->o)) ||
	    (r->o->websocket && bare_ws_frame_block(&r->block)))
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
    .websocket = true,
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
