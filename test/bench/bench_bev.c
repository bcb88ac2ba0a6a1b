/* Plain bufferevents with the same bytes: a pair of writes per packet sent, a pullup per packet
 * received, default settings, no message objects. What a simple program on libevent costs. */
#include "bench/bare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>

#define SMALL_BYTES 256
#define HEADER_MAX 5

struct bev;

struct bev_conn {
	struct bev *all;
	struct bufferevent *link;
	unsigned client;
	bool up;
	uint32_t sent_s;
};

struct bev {
	struct bench *b;
	const struct bench_options *o;
	struct event_base *base;
	struct event *tick;
	struct event *end;
	struct sockaddr_in address;
	SSL_CTX *tls;
	struct bev_conn *conns;
	uint8_t head[SMALL_BYTES];
	size_t head_len;
	uint8_t *payload;
	unsigned next;
	uint64_t unwritten;
	struct bare_tally tally;
};

static const char *
bev_version(void)
{
	return event_get_version();
}

static struct bev *
bev_of(struct bench *b)
{
	return *bench_state(b);
}

static uint32_t
now_s(void)
{
	return (uint32_t)(bench_now() / 1000000000);
}

static int
send_bytes(struct bev_conn *c, const uint8_t *p, size_t n)
{
	c->sent_s = now_s();
	if (bufferevent_write(c->link, p, n))
		return bench_fail(c->all->b, "bufferevent_write failed");
	return 0;
}

/* What client 0 does ------------------------------------------------------------------------ */

static int
bev_subscribe(struct bench *b)
{
	uint8_t packet[SMALL_BYTES];
	size_t n = bare_put_subscribe(packet, bench_options(b));

	return send_bytes(&bev_of(b)->conns[0], packet, n);
}

static int
bev_control(struct bench *b, const char *topic, const char *payload, unsigned qos)
{
	uint8_t packet[SMALL_BYTES];
	size_t n = bare_put_control(packet, bench_options(b), topic, payload, qos);

	return send_bytes(&bev_of(b)->conns[0], packet, n);
}

static void
number_next(struct bev *a)
{
	size_t at = wire_mid_offset(a->head_len, a->o->version);

	wire_put16(a->head + at, 1 + a->next);
	a->next = (a->next + 1) % a->o->window;
}

static int64_t
bev_publish(struct bench *b, uint64_t count)
{
	struct bev *a = bev_of(b);
	struct bufferevent *link = a->conns[0].link;
	uint64_t i;

	for (i = 0; i < count; i++) {
		if (a->o->qos)
			number_next(a);
		if (bufferevent_write(link, a->head, a->head_len) ||
		    bufferevent_write(link, a->payload, a->o->size))
			return bench_fail(b, "bufferevent_write failed");
	}
	if (a->o->qos == 0)
		a->unwritten += count;
	return (int64_t)count;
}

static void
on_written(struct bufferevent *link, void *arg)
{
	struct bev_conn *c = arg;
	uint64_t count = c->all->unwritten;

	(void)link;
	if (c->client || !count)
		return;
	c->all->unwritten = 0;
	bench_published(c->all->b, count);
}

static int
send_answers(struct bev_conn *c)
{
	struct bare_tally *t = &c->all->tally;
	size_t n = t->out_len;

	t->out_len = 0;
	return n ? send_bytes(c, t->out, n) : 0;
}

/* Returns 1 when a packet was taken, 0 when none is complete, -1 after bench_fail(). */
static int
take_one(struct bev_conn *c, struct evbuffer *in)
{
	struct bare_tally *t = &c->all->tally;
	uint8_t header[HEADER_MAX];
	struct wire_packet k;
	ev_ssize_t n = evbuffer_copyout(in, header, sizeof header);
	enum wire_result w = wire_split(header, n > 0 ? (size_t)n : 0, &k);

	if (w == WIRE_NEED_HEADER || (w != WIRE_MALFORMED && evbuffer_get_length(in) < k.total))
		return 0;
	if (w == WIRE_MALFORMED)
		return bench_fail(c->all->b, "the broker sent nonsense");
	k.body = evbuffer_pullup(in, (ev_ssize_t)k.total);
	if (!k.body)
		return bench_fail(c->all->b, "out of memory");
	k.body += k.total - k.body_len;
	if (!bare_take(t, &k, k.body_len))
		return bench_fail(c->all->b, "the broker sent nonsense");
	evbuffer_drain(in, k.total);
	return bare_is_full(t) && send_answers(c) ? -1 : 1;
}

/* Connections -------------------------------------------------------------------------------- */

static void
take_connack(struct bev_conn *c, struct evbuffer *in)
{
	size_t n = c->all->o->version >= 5 ? 5 : 4;

	if (evbuffer_get_length(in) < n)
		return;
	if (!bare_is_accepted(evbuffer_pullup(in, (ev_ssize_t)n), n)) {
		bench_fail(c->all->b, "client %u: refused", c->client);
		return;
	}
	evbuffer_drain(in, n);
	c->up = true;
	bench_connected(c->all->b, c->client);
}

static void
on_read(struct bufferevent *link, void *arg)
{
	struct bev_conn *c = arg;
	struct evbuffer *in = bufferevent_get_input(link);
	int r;

	if (!c->up) {
		take_connack(c, in);
		return;
	}
	do
		r = take_one(c, in);
	while (r > 0);
	if (r == 0 && !send_answers(c))
		bare_report(&c->all->tally, c->all->b);
}

static void
on_event(struct bufferevent *link, short what, void *arg)
{
	struct bev_conn *c = arg;
	struct bev *a = c->all;
	uint8_t packet[SMALL_BYTES];
	int one = 1;

	if (what & BEV_EVENT_CONNECTED) {
		setsockopt(bufferevent_getfd(link), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		send_bytes(c, packet, bare_put_connect(packet, a->o, c->client));
		return;
	}
	bufferevent_free(link);
	c->link = NULL;
	if (!c->up) {
		bench_fail(a->b, "client %u: closed before CONNACK", c->client);
		return;
	}
	c->up = false;
	bench_lost(a->b, c->client);
}

static struct bufferevent *
new_link(struct bev *a)
{
	SSL *ssl;

	if (!a->tls)
		return bufferevent_socket_new(a->base, -1, BEV_OPT_CLOSE_ON_FREE);
	ssl = bare_tls_client(a->tls, a->o->host);
	if (!ssl)
		return NULL;
	return bufferevent_openssl_socket_new(a->base, -1, ssl, BUFFEREVENT_SSL_CONNECTING,
	    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
}

static int
bev_connect(struct bench *b, unsigned client)
{
	struct bev *a = bev_of(b);
	struct bev_conn *c = &a->conns[client];

	c->all = a;
	c->client = client;
	c->link = new_link(a);
	if (!c->link)
		return bench_fail(b, "out of memory");
	bufferevent_setcb(c->link, on_read, on_written, on_event, c);
	if (bufferevent_enable(c->link, EV_READ | EV_WRITE) ||
	    bufferevent_socket_connect(c->link, (struct sockaddr *)&a->address, sizeof a->address))
		return bench_fail(b, "connect: %s", strerror(errno));
	return 0;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	static const uint8_t pingreq[] = {WIRE_PINGREQ << 4, 0};
	struct bev *a = arg;
	uint32_t now = now_s();
	unsigned i, keepalive = a->o->keepalive_s;

	(void)fd;
	(void)what;
	for (i = 0; keepalive && i < a->o->clients; i++)
		if (a->conns[i].up && now - a->conns[i].sent_s + 1 >= keepalive)
			send_bytes(&a->conns[i], pingreq, sizeof pingreq);
}

static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static int
bev_run(struct bench *b, int64_t deadline_ns)
{
	struct bev *a = bev_of(b);
	int64_t left = deadline_ns - bench_now();
	struct timeval t = {.tv_sec = left / 1000000000, .tv_usec = left % 1000000000 / 1000};

	evtimer_add(a->end, &t);
	bench_pump(b);
	while (!bench_is_done(b) && evtimer_pending(a->end, NULL))
		if (event_base_loop(a->base, EVLOOP_ONCE) < 0)
			return bench_fail(b, "event_base_loop failed");
	evtimer_del(a->end);
	return 0;
}

static int
open_events(struct bev *a)
{
	struct event_config *config = event_config_new();
	struct timeval second = {.tv_sec = 1};

	if (!config)
		return -1;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	a->base = event_base_new_with_config(config);
	event_config_free(config);
	if (!a->base)
		return -1;
	a->tick = event_new(a->base, -1, EV_PERSIST, on_tick, a);
	a->end = evtimer_new(a->base, on_end, a);
	return a->tick && a->end ? event_add(a->tick, &second) : -1;
}

static int
bev_open(struct bench *b)
{
	struct bev *a = calloc(1, sizeof *a);

	*bench_state(b) = a;
	if (!a)
		return bench_fail(b, "out of memory");
	a->b = b;
	a->o = bench_options(b);
	a->tally.version = a->o->version;
	a->conns = calloc(a->o->clients, sizeof *a->conns);
	a->payload = malloc(a->o->size + 1);
	if (!a->conns || !a->payload || open_events(a))
		return bench_fail(b, "out of memory");
	memset(a->payload, 'x', a->o->size);
	a->head_len =
	    wire_put_publish_head(a->head, a->o->version, BENCH_TOPIC, a->o->qos, 0, a->o->size);
	a->address.sin_family = AF_INET;
	a->address.sin_port = htons((uint16_t)a->o->port);
	if (inet_pton(AF_INET, a->o->host, &a->address.sin_addr) != 1)
		return bench_fail(b, "%s: not an IPv4 address", a->o->host);
	if (a->o->cafile)
		a->tls = bare_tls_new(b);
	return a->o->cafile && !a->tls ? -1 : 0;
}

static void
close_events(struct bev *a)
{
	if (a->tick)
		event_free(a->tick);
	if (a->end)
		event_free(a->end);
	if (!a->base)
		return;
	/* bufferevents go one turn after they were freed */
	event_base_loop(a->base, EVLOOP_NONBLOCK);
	event_base_free(a->base);
}

static void
bev_close(struct bench *b)
{
	struct bev *a = bev_of(b);
	unsigned i;

	if (!a)
		return;
	for (i = 0; a->conns && i < a->o->clients; i++)
		if (a->conns[i].link)
			bufferevent_free(a->conns[i].link);
	close_events(a);
	SSL_CTX_free(a->tls);
	free(a->conns);
	free(a->payload);
	free(a);
}

static const struct bench_program bev_program = {
    .name = "libevent",
    .version = bev_version,
    .descriptors_per_client = 1,
    .open = bev_open,
    .connect = bev_connect,
    .subscribe = bev_subscribe,
    .publish = bev_publish,
    .control = bev_control,
    .run = bev_run,
    .close = bev_close,
};

int
main(int argc, char **argv)
{
	return bench_main(&bev_program, argc, argv);
}
