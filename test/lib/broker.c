/* The scripted broker: its connections, records and life. Steps are in broker_steps.c, sockets in
 * conn.c. */
#include "broker_int.h"

#include "loop.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

/* What comes from the clients */

static struct tk_packet *
record(struct tk_link *l, size_t size)
{
	struct tk_packet *p;

	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 16;
		l->packets = realloc(l->packets, l->cap * sizeof(*l->packets));
		if (!l->packets)
			tk_die("out of memory");
	}
	p = &l->packets[l->n++];
	tk_packet_parse(p, l->version, TK_FROM_CLIENT, l->conn->in.data, size);
	if (p->type == TK_CONNECT)
		l->version = p->version;
	return p;
}

void
tk_link_send(struct tk_link *l, const void *data, size_t len)
{
	tk_conn_send(l->conn, data, len);
	if (!l->lenient)
		tk_stream_from_server(&l->stream, data, len);
}

/* Sessions live as long as the broker; a client without an id has one of its own each time. */
static struct tk_session *
find_session(void *arg, struct tk_str id)
{
	struct tk_broker *b = arg;
	size_t i;

	for (i = 0; i < b->n_sessions && id.len > 0; i++) {
		const struct tk_buf *known = &b->sessions[i]->client_id;

		if (tk_str_eq((struct tk_str){known->data, known->len}, id))
			return b->sessions[i];
	}
	b->sessions = realloc(b->sessions, (b->n_sessions + 1) * sizeof(*b->sessions));
	if (!b->sessions)
		tk_die("out of memory");
	b->sessions[b->n_sessions] = tk_session_new();
	return b->sessions[b->n_sessions++];
}

static void
judge(struct tk_link *l, const struct tk_packet *p)
{
	if (!l->lenient && tk_stream_client_packet(&l->stream, p) < 0)
		tk_broker_flunk(l->broker, tk_stream_error(&l->stream), p);
}

static int
is_ping(const struct tk_link *l, const struct tk_packet *p)
{
	return p->type == TK_PINGREQ && l->broker->options.auto_ping;
}

static void
on_data(struct tk_conn *c)
{
	struct tk_link *l = c->arg;
	struct tk_packet *p;
	size_t size;
	int framed;

	while ((framed = tk_frame(c->in.data, c->in.len, &size)) == 1) {
		p = record(l, size);
		tk_buf_drain(&c->in, size);
		judge(l, p);
		if (is_ping(l, p)) {
			tk_link_send(l, "\xd0", 2);
			tk_packet_clear(p);
			l->n--;
		}
	}
	if (framed < 0)
		tk_broker_flunk(
		    l->broker, "the client's bytes have a length of more than four bytes", NULL);
	tk_broker_advance(l->broker);
}

static void
on_change(struct tk_conn *c)
{
	struct tk_link *l = c->arg;

	tk_broker_advance(l->broker);
}

static const struct tk_conn_events link_events = {on_data, on_change, on_change};

static void
on_accepted(struct tk_listener *listener, int fd)
{
	struct tk_broker *b = listener->arg;
	struct tk_link *l = tk_calloc(1, sizeof(*l));

	b->links = realloc(b->links, (size_t)(b->n_links + 1) * sizeof(*b->links));
	if (!b->links)
		tk_die("out of memory");
	b->links[b->n_links++] = l;
	l->broker = b;
	l->version = b->options.version;
	l->lenient = b->options.lenient;
	tk_stream_init(&l->stream, b->options.version, NULL);
	l->stream.find_session = find_session;
	l->stream.find_arg = b;
	l->conn = tk_conn_new(b->base, fd, &link_events, l);
	l->conn->number = b->n_links;
	tk_broker_advance(b);
}

/* Life */

struct tk_broker *
tk_broker_new(
    struct event_base *base, const struct tk_step *script, const struct tk_broker_options *options)
{
	struct tk_broker *b = tk_calloc(1, sizeof(*b));

	b->base = base;
	b->script = b->step = script;
	if (options)
		b->options = *options;
	b->timer = evtimer_new(base, tk_broker_on_timer, b);
	if (!b->timer)
		tk_die("no timer");
	tk_listener_init(&b->listener, base, b->options.where, b->options.rcvbuf, on_accepted, b);
	return b;
}

static void
free_link(struct tk_link *l)
{
	size_t i;

	tk_conn_free(l->conn);
	tk_stream_clear(&l->stream);
	for (i = 0; i < l->n; i++)
		tk_packet_clear(&l->packets[i]);
	free(l->packets);
	free(l);
}

static void
free_sessions(struct tk_broker *b)
{
	size_t i;

	for (i = 0; i < b->n_sessions; i++)
		tk_session_free(b->sessions[i]);
	free(b->sessions);
}

void
tk_broker_free(struct tk_broker *b)
{
	int i;

	if (b->error.len > 0 && !b->error_seen)
		ck_abort_msg("%s", (char *)b->error.data);
	tk_listener_close(&b->listener);
	event_free(b->timer);
	for (i = 0; i < b->n_links; i++)
		free_link(b->links[i]);
	free(b->links);
	free_sessions(b);
	tk_buf_free(&b->sending);
	tk_buf_free(&b->error);
	free(b);
}

static int
finished(void *arg)
{
	struct tk_broker *b = arg;

	return b->done || b->error.len > 0;
}

const char *
tk_broker_try(struct tk_broker *b, int ms)
{
	char why[80];

	if (!b->script)
		tk_die("tk_broker_try: there is no script");
	tk_broker_advance(b);
	if (!tk_run_until(b->base, finished, b, ms)) {
		snprintf(why, sizeof(why), "nothing of the kind within %d ms", ms);
		tk_broker_flunk(b, why, NULL);
	}
	return tk_broker_error(b);
}

const char *
tk_broker_error(struct tk_broker *b)
{
	if (b->error.len == 0)
		return NULL;
	b->error_seen = 1;
	return (char *)b->error.data;
}

int
tk_broker_done(const struct tk_broker *b)
{
	return b->done;
}

const char *
tk_broker_url(const struct tk_broker *b)
{
	return b->listener.url;
}

const char *
tk_broker_host(const struct tk_broker *b)
{
	return b->listener.host;
}

int
tk_broker_port(const struct tk_broker *b)
{
	return b->listener.port;
}

int
tk_broker_connections(const struct tk_broker *b)
{
	return b->n_links;
}

static const struct tk_link *
link_of(const struct tk_broker *b, int conn)
{
	return conn >= 1 && conn <= b->n_links ? b->links[conn - 1] : NULL;
}

size_t
tk_broker_count(const struct tk_broker *b, int conn)
{
	const struct tk_link *l = link_of(b, conn);

	return l ? l->n : 0;
}

size_t
tk_broker_count_type(const struct tk_broker *b, int conn, unsigned type)
{
	const struct tk_link *l = link_of(b, conn);
	size_t i, n = 0;

	for (i = 0; l && i < l->n; i++)
		n += l->packets[i].type == type;
	return n;
}

const struct tk_packet *
tk_broker_packet(const struct tk_broker *b, int conn, size_t index)
{
	const struct tk_link *l = link_of(b, conn);

	return l && index < l->n ? &l->packets[index] : NULL;
}

void
tk_broker_send(struct tk_broker *b, const void *data, size_t len)
{
	if (!b->current && !tk_broker_take_link(b))
		tk_die("tk_broker_send: nobody is connected");
	tk_link_send(b->current, data, len);
}

void
tk_broker_send_hex(struct tk_broker *b, const char *text)
{
	struct tk_buf bytes = tk_hex_mid(text, b->current ? b->current->mid : 0);

	tk_broker_send(b, bytes.data, bytes.len);
	tk_buf_free(&bytes);
}

size_t
tk_broker_owes(const struct tk_broker *b, int conn)
{
	const struct tk_link *l = link_of(b, conn);

	return l ? tk_stream_owes(&l->stream, NULL) : 0;
}
