/* The automatic broker: its life, and the answers to packets. Connections: auto_conn.c. Messages:
 * auto_route.c. */
#include "auto_int.h"
#include "loop.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* CONNECT */

struct asession *
tk_aconn_session(struct tk_auto *a, struct aconn *c, struct tk_str id)
{
	struct tk_buf name = {0};
	struct asession *s;

	if (id.len == 0) {
		tk_buf_printf(&name, "auto-%d", c->conn->number);
		id = (struct tk_str){name.data, name.len};
	}
	s = tk_asession_find(a, id);
	if (!s)
		s = tk_asession_new(a, id);
	tk_buf_free(&name);
	return s;
}

static void
take_over(struct asession *s, struct aconn *by)
{
	struct aconn *old = s->conn;

	if (!old || old == by)
		return;
	if (old->version >= TK_V5)
		tk_aconn_send(old, tk_make_disconnect(TK_V5, 0x8e, NULL));
	tk_aconn_end(old, 0);
}

static void
refuse(struct aconn *c, unsigned code)
{
	tk_aconn_send(c, tk_make_connack(c->version, 0, code, NULL));
	if (c->broker->options.delay_ms == 0)
		tk_aconn_end(c, 0);
}

static struct tk_buf
connack(struct aconn *c, int present, int assign)
{
	const char *given = c->broker->options.connack_props;
	struct tk_buf props = tk_hex(given ? given : ""), body = {0}, packet;

	if (assign)
		tk_prop_bin(&props, 0x12, c->session->client_id.data, c->session->client_id.len);
	if (c->stream.has_method)
		tk_prop_bin(&props, 0x15, c->stream.method.data, c->stream.method.len);
	tk_buf_u8(&body, present && c->version > TK_V31);
	tk_buf_u8(&body, 0);
	if (c->version >= TK_V5) {
		tk_buf_varint(&body, (uint32_t)props.len);
		tk_buf_put(&body, props.data, props.len);
	}
	packet = tk_make_packet(0x20, body.data, body.len);
	tk_buf_free(&props);
	tk_buf_free(&body);
	return packet;
}

static void
keep_will(struct aconn *c, const struct tk_connect_part *con)
{
	if (con->has_will)
		c->will = tk_amsg_new(con->will_topic, con->will_payload, &con->will_props,
		    con->will_qos, con->will_retain);
}

void
tk_aconn_connect(struct aconn *c, const struct tk_packet *p)
{
	struct tk_auto *a = c->broker;
	const struct tk_connect_part *con = &p->connect;
	unsigned code = p->version >= TK_V5 ? a->refuse_v5 : a->refuse_v3;
	struct asession *s;
	int present;

	if (code) {
		refuse(c, code);
		return;
	}
	s = tk_aconn_session(a, c, con->client_id);
	take_over(s, c);
	present = s->kept && !con->clean;
	if (!present)
		tk_asession_clear(s);
	s->kept = c->version >= TK_V5 ? tk_props_number(&p->props, 0x11, 0) > 0 : !con->clean;
	c->session = s;
	c->max_packet = tk_props_number(&p->props, 0x27, 0);
	keep_will(c, con);
	c->online = 1;
	a->stats.connects++;
	a->stats.online++;
	tk_aconn_send(c, connack(c, present, con->client_id.len == 0));
	tk_asession_online(s, c, tk_props_number(&p->props, 0x21, 65535));
}

/* PUBLISH and its kin */

static struct tk_str
topic_of(struct aconn *c, const struct tk_packet *p)
{
	uint32_t alias = tk_props_number(&p->props, 0x23, 0) & 0xffff;

	if (alias == 0)
		return p->topic;
	if (!c->alias)
		c->alias = tk_calloc(65536, sizeof(*c->alias));
	if (p->topic.len > 0) {
		tk_buf_clear(&c->alias[alias]);
		tk_buf_put(&c->alias[alias], p->topic.data, p->topic.len);
	}
	return (struct tk_str){c->alias[alias].data, c->alias[alias].len};
}

static void
take_message(struct aconn *c, const struct tk_packet *p)
{
	struct tk_str topic = topic_of(c, p);
	struct amsg *m;

	if (topic.len == 0) /* an unknown alias, which only a lenient broker gets to see */
		return;
	m = tk_amsg_new(topic, p->payload, &p->props, p->qos, p->retain);
	c->broker->stats.received++;
	tk_auto_route(c->broker, m, c->session);
	tk_amsg_unref(m);
}

static void
answer(struct aconn *c, enum tk_type type, unsigned mid, unsigned code)
{
	tk_aconn_send(c, tk_make_ack(c->version, type, mid, code, NULL));
}

static void
on_publish(struct aconn *c, const struct tk_packet *p)
{
	int known = p->qos == 2 && tk_bit_swap(&c->session->in2, p->mid, 1);

	c->broker->stats.repeats += p->dup;
	if (p->qos > 0)
		answer(c, p->qos == 1 ? TK_PUBACK : TK_PUBREC, p->mid, 0);
	if (!known)
		take_message(c, p);
}

static void
on_pubrel(struct aconn *c, const struct tk_packet *p)
{
	int known = tk_bit_swap(&c->session->in2, p->mid, 0);

	answer(c, TK_PUBCOMP, p->mid, known ? 0 : 0x92);
}

static void
on_ack(struct aconn *c, const struct tk_packet *p)
{
	tk_asession_ack(c->session, p);
}

/* SUBSCRIBE and the rest */

static void
put_code(struct tk_buf *codes, unsigned code)
{
	tk_buf_printf(codes, "%02X ", code);
}

static void
on_subscribe(struct aconn *c, const struct tk_packet *p)
{
	uint32_t id = tk_props_number(&p->props, 0x0b, 0);
	unsigned mask = c->broker->options.ungranted ? 0xfcu : 0xffu;
	struct tk_buf codes = {0};
	size_t i;

	for (i = 0; i < p->n_filters; i++)
		put_code(&codes, p->filters[i].options & 3 & mask);
	tk_aconn_send(c, tk_make_suback(c->version, p->mid, (char *)codes.data, NULL));
	for (i = 0; i < p->n_filters; i++)
		tk_asession_subscribe(
		    c->session, p->filters[i].filter, p->filters[i].options & mask, id);
	tk_buf_free(&codes);
}

static void
on_unsubscribe(struct aconn *c, const struct tk_packet *p)
{
	struct tk_buf codes = {0};
	size_t i;

	for (i = 0; i < p->n_filters; i++)
		put_code(
		    &codes, tk_asession_unsubscribe(c->session, p->filters[i].filter) ? 0 : 0x11);
	tk_aconn_send(c, tk_make_unsuback(c->version, p->mid, (char *)codes.data, NULL));
	tk_buf_free(&codes);
}

static void
on_pingreq(struct aconn *c, const struct tk_packet *p)
{
	(void)p;
	c->broker->stats.pings++;
	tk_aconn_send(c, tk_make_pingresp());
}

static void
on_disconnect(struct aconn *c, const struct tk_packet *p)
{
	const struct tk_prop *expiry = tk_props_find(&p->props, 0x11);

	if (expiry)
		c->session->kept = expiry->number > 0;
	if (p->reason == 0) {
		tk_amsg_unref(c->will);
		c->will = NULL;
	}
	tk_aconn_end(c, 0);
}

static void (*const handlers[16])(struct aconn *c, const struct tk_packet *p) = {
    [TK_PUBLISH] = on_publish,
    [TK_PUBACK] = on_ack,
    [TK_PUBREC] = on_ack,
    [TK_PUBREL] = on_pubrel,
    [TK_PUBCOMP] = on_ack,
    [TK_SUBSCRIBE] = on_subscribe,
    [TK_UNSUBSCRIBE] = on_unsubscribe,
    [TK_PINGREQ] = on_pingreq,
    [TK_DISCONNECT] = on_disconnect,
};

void
tk_aconn_answer(struct aconn *c, const struct tk_packet *p)
{
	if (handlers[p->type])
		handlers[p->type](c, p);
}

/* Life and control */

struct tk_auto *
tk_auto_new(struct event_base *base, const struct tk_auto_options *options)
{
	struct tk_auto *a = tk_calloc(1, sizeof(*a));

	a->base = base;
	if (options)
		a->options = *options;
	a->late_last = &a->late_first;
	a->late_timer = evtimer_new(base, tk_auto_on_late, a);
	if (!a->late_timer)
		tk_die("no timer");
	tk_listener_init(&a->listener, base, a->options.where, 0, tk_auto_accept, a);
	return a;
}

void
tk_auto_drop_all(struct tk_auto *a, int reset)
{
	while (a->conns)
		tk_aconn_end(a->conns, reset);
}

void
tk_auto_forget(struct tk_auto *a)
{
	size_t i;

	tk_auto_drop_all(a, 0);
	for (i = 0; i < a->n_sessions; i++)
		tk_asession_clear(a->sessions[i]);
	while (a->n_retained > 0)
		tk_amsg_unref(a->retained[--a->n_retained]);
}

void
tk_auto_free(struct tk_auto *a)
{
	size_t i;

	if (a->error.len > 0 && !a->error_seen)
		ck_abort_msg("%s", (char *)a->error.data);
	tk_auto_forget(a);
	while (a->late_first)
		tk_auto_pop_late(a, 0);
	tk_auto_bury(a);
	for (i = 0; i < a->n_sessions; i++)
		tk_asession_free(a->sessions[i]);
	free(a->sessions);
	free(a->retained);
	tk_listener_close(&a->listener);
	event_free(a->late_timer);
	tk_buf_free(&a->error);
	free(a);
}

void
tk_auto_publish(
    struct tk_auto *a, const char *topic, const void *payload, size_t len, unsigned qos, int retain)
{
	struct tk_str t = {(const unsigned char *)topic, strlen(topic)}, body = {payload, len};
	struct amsg *m = tk_amsg_new(t, body, NULL, qos, retain);

	tk_auto_route(a, m, NULL);
	tk_amsg_unref(m);
}

void
tk_auto_refuse(struct tk_auto *a, unsigned v5, unsigned v3)
{
	a->refuse_v5 = v5;
	a->refuse_v3 = v3;
}

void
tk_auto_listen(struct tk_auto *a, int on)
{
	if (on)
		tk_listener_open(&a->listener);
	else
		tk_listener_close(&a->listener);
}

void
tk_auto_mute(struct tk_auto *a, int on)
{
	a->mute = on;
}

const char *
tk_auto_error(struct tk_auto *a)
{
	if (a->error.len == 0)
		return NULL;
	a->error_seen = 1;
	return (char *)a->error.data;
}

const char *
tk_auto_url(const struct tk_auto *a)
{
	return a->listener.url;
}

const char *
tk_auto_host(const struct tk_auto *a)
{
	return a->listener.host;
}

int
tk_auto_port(const struct tk_auto *a)
{
	return a->listener.port;
}

const struct tk_auto_stats *
tk_auto_stats(const struct tk_auto *a)
{
	return &a->stats;
}
