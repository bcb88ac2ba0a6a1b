/* Connections of the automatic broker: bytes in, bytes out, judge, end. What packets mean is in
 * auto.c. */
#include "auto_int.h"
#include "loop.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

/* Sending */

static void
send_now(struct aconn *c, const struct tk_buf *bytes)
{
	if (c->conn->fd < 0)
		return;
	if (!c->broker->options.lenient)
		tk_stream_from_server(&c->stream, bytes->data, bytes->len);
	tk_conn_send(c->conn, bytes->data, bytes->len);
}

static void
arm_late(struct tk_auto *a)
{
	long long wait = a->late_first->due_ms - tk_now_ms();
	struct timeval tv = {0};

	if (wait > 0)
		tv = (struct timeval){wait / 1000, (wait % 1000) * 1000};
	event_add(a->late_timer, &tv);
}

void
tk_auto_pop_late(struct tk_auto *a, int send)
{
	struct late *l = a->late_first;

	a->late_first = l->next;
	if (!a->late_first)
		a->late_last = &a->late_first;
	if (send)
		send_now(l->conn, &l->bytes);
	tk_buf_free(&l->bytes);
	free(l);
}

void
tk_auto_on_late(evutil_socket_t fd, short what, void *arg)
{
	struct tk_auto *a = arg;

	(void)fd;
	(void)what;
	while (a->late_first && a->late_first->due_ms <= tk_now_ms())
		tk_auto_pop_late(a, 1);
	if (a->late_first)
		arm_late(a);
}

static void
send_late(struct aconn *c, struct tk_buf bytes)
{
	struct tk_auto *a = c->broker;
	struct late *l = tk_calloc(1, sizeof(*l));

	l->conn = c;
	l->bytes = bytes;
	l->due_ms = tk_now_ms() + a->options.delay_ms;
	*a->late_last = l;
	a->late_last = &l->next;
	if (a->late_first == l)
		arm_late(a);
}

void
tk_aconn_send(struct aconn *c, struct tk_buf bytes)
{
	if (c->broker->mute) {
		tk_buf_free(&bytes);
	} else if (c->broker->options.delay_ms > 0) {
		send_late(c, bytes);
	} else {
		send_now(c, &bytes);
		tk_buf_free(&bytes);
	}
}

/* The end of a connection */

static void
publish_will(struct aconn *c)
{
	struct amsg *will = c->will;

	c->will = NULL;
	if (will)
		tk_auto_route(c->broker, will, c->session);
	tk_amsg_unref(will);
}

static void
leave_session(struct aconn *c)
{
	struct asession *s = c->session;

	if (!s || s->conn != c)
		return;
	s->conn = NULL;
	if (!s->kept)
		tk_asession_clear(s);
}

/* Its struct is freed later: a caller further up may still hold it. */
void
tk_aconn_end(struct aconn *c, int reset)
{
	struct tk_auto *a = c->broker;
	struct aconn **at = &a->conns;

	if (c->ended)
		return;
	c->ended = 1;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->next = a->dead;
	a->dead = c;
	if (reset)
		tk_conn_reset(c->conn);
	else
		tk_conn_close(c->conn);
	a->stats.online -= c->online;
	leave_session(c);
	publish_will(c);
}

static void
free_conn(struct aconn *c)
{
	uint32_t i;

	tk_amsg_unref(c->will);
	for (i = 0; c->alias && i < 65536; i++)
		tk_buf_free(&c->alias[i]);
	free(c->alias);
	tk_stream_clear(&c->stream);
	tk_conn_free(c->conn);
	free(c);
}

/* Only from the listener's event and at the end: nobody holds a connection then, but for late
 * bytes. */
void
tk_auto_bury(struct tk_auto *a)
{
	struct aconn *c;

	while (!a->late_first && (c = a->dead) != NULL) {
		a->dead = c->next;
		free_conn(c);
	}
}

/* Receiving */

static struct tk_session *
find_judged(void *arg, struct tk_str id)
{
	struct aconn *c = arg;

	return tk_aconn_session(c->broker, c, id)->judged;
}

static void
accuse(struct aconn *c, const char *why, const struct tk_packet *p)
{
	struct tk_buf *out = &c->broker->error;
	char *dump;

	if (out->len > 0)
		return;
	tk_buf_printf(out, "connection %d", c->conn->number);
	if (c->session)
		tk_buf_printf(out, " of \"%.*s\"", (int)c->session->client_id.len,
		    (const char *)c->session->client_id.data);
	dump = p ? tk_dump(p->raw.data, p->raw.len, 48) : tk_strdup("");
	tk_buf_printf(out, ": %s %s", why, dump);
	free(dump);
	tk_buf_u8(out, 0);
	event_base_loopbreak(c->broker->base);
}

/* Returns 0 when the connection must end. */
static int
on_packet(struct aconn *c, const struct tk_packet *p)
{
	if (!c->broker->options.lenient && tk_stream_client_packet(&c->stream, p) < 0) {
		accuse(c, tk_stream_error(&c->stream), p);
		return 0;
	}
	if (c->ended)
		return 1;
	if (p->fault.id[0] || c->online == (p->type == TK_CONNECT))
		return 0;
	if (p->type == TK_CONNECT) {
		c->version = p->version;
		tk_aconn_connect(c, p);
	} else {
		tk_aconn_answer(c, p);
	}
	return 1;
}

static void
on_data(struct tk_conn *conn)
{
	struct aconn *c = conn->arg;
	struct tk_packet p;
	size_t size, used = 0;
	int framed = 0, fine = 1;

	if (c->busy) /* closing read the last bytes: the caller further up goes on with them */
		return;
	c->busy = 1;
	while (fine && (framed = tk_frame(conn->in.data + used, conn->in.len - used, &size)) == 1) {
		tk_packet_parse(&p, c->version, TK_FROM_CLIENT, conn->in.data + used, size);
		used += size;
		fine = on_packet(c, &p);
		tk_packet_clear(&p);
	}
	tk_buf_drain(&conn->in, used);
	if (conn->in.len == 0)
		tk_buf_free(&conn->in);
	if (framed < 0 && !c->broker->options.lenient)
		accuse(c, "a length of more than four bytes", NULL);
	c->busy = 0;
	if (!fine || framed < 0)
		tk_aconn_end(c, 0);
}

static void
on_eof(struct tk_conn *conn)
{
	struct aconn *c = conn->arg;

	c->broker->stats.lost++;
	tk_aconn_end(c, 0);
}

static void
on_flushed(struct tk_conn *conn)
{
	(void)conn;
}

static const struct tk_conn_events events = {on_data, on_eof, on_flushed};

void
tk_auto_accept(struct tk_listener *l, int fd)
{
	struct tk_auto *a = l->arg;
	struct aconn *c;

	tk_auto_bury(a);
	c = tk_calloc(1, sizeof(*c));
	c->broker = a;
	c->conn = tk_conn_new(a->base, fd, &events, c);
	c->conn->number = ++a->stats.connections;
	tk_stream_init(&c->stream, 0, NULL);
	c->stream.find_session = find_judged;
	c->stream.find_arg = c;
	c->next = a->conns;
	a->conns = c;
}
