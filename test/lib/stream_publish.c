/* The rules of a client's PUBLISHes and acknowledgements; the other packets are in stream.c. */
#include "stream_int.h"

#include <stdlib.h>
#include <string.h>

#define RULE(s, v5, v3, ...) tk_fault_set(&(s)->fault, (s)->version, v5, v3, __VA_ARGS__)

/* Queues */

void
tk_queue_push(struct tk_queue *q, unsigned id)
{
	if (q->n == q->cap) {
		q->cap = q->cap ? 2 * q->cap : 8;
		q->id = realloc(q->id, q->cap * sizeof(*q->id));
		if (!q->id)
			tk_die("out of memory");
	}
	q->id[q->n++] = id;
}

long
tk_queue_find(const struct tk_queue *q, unsigned id)
{
	size_t i;

	for (i = 0; i < q->n; i++)
		if (q->id[i] == id)
			return (long)i;
	return -1;
}

void
tk_queue_remove(struct tk_queue *q, size_t index)
{
	q->n--;
	memmove(q->id + index, q->id + index + 1, (q->n - index) * sizeof(*q->id));
}

/* PUBLISH */

static uint64_t
hash_bytes(uint64_t h, const unsigned char *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ data[i]) * 1099511628211u;
	return (h ^ len) * 1099511628211u;
}

static uint64_t
content_of(const struct tk_packet *p, struct tk_str topic)
{
	uint64_t h = hash_bytes(
	    14695981039346656037u + p->qos * 2 + (p->retain ? 1 : 0), topic.data, topic.len);

	return hash_bytes(h, p->payload.data, p->payload.len);
}

static void
make_alias_table(struct tk_stream *s)
{
	if (s->alias)
		return;
	s->n_alias = s->limits.alias_max + 1;
	s->alias = tk_calloc(s->n_alias, sizeof(*s->alias));
}

/* Keeps the client's map of aliases and returns the topic that the packet means. */
static struct tk_str
resolve_alias(struct tk_stream *s, const struct tk_packet *p)
{
	uint32_t alias = tk_props_number(&p->props, 0x23, 0);
	struct tk_buf *known;

	if (alias == 0)
		return p->topic;
	if (alias > s->limits.alias_max) {
		RULE(s, s->limits.alias_max ? "3.2.2-17" : "3.2.2-18", NULL,
		    "Topic Alias %u, maximum is %u", (unsigned)alias,
		    (unsigned)s->limits.alias_max);
		return p->topic;
	}
	make_alias_table(s);
	known = &s->alias[alias];
	if (p->topic.len > 0) {
		tk_buf_clear(known);
		tk_buf_put(known, p->topic.data, p->topic.len);
	} else if (known->len == 0) {
		RULE(s, "3.3.2-7", NULL, "Topic Alias %u has no topic in this connection",
		    (unsigned)alias);
	}
	return (struct tk_str){known->data, known->len};
}

static void
check_limits(struct tk_stream *s, const struct tk_packet *p)
{
	if (p->qos > s->limits.max_qos)
		RULE(s, "3.2.2-11", NULL, "PUBLISH with QoS %u, maximum is %u", p->qos,
		    (unsigned)s->limits.max_qos);
	if (p->retain && !s->limits.retain)
		RULE(s, "3.2.2-14", NULL, "PUBLISH with RETAIN, which the server has not");
}

int
tk_stream_sendable(const struct tk_stream *s, const struct tk_out *o)
{
	const struct tk_limits *l = &s->limits;

	if (o->state == TK_OUT_PUBREL)
		return 1;
	return o->qos <= l->max_qos && (!o->retain || l->retain) &&
	       (l->max_packet == 0 || o->size <= l->max_packet);
}

static void
check_nothing_due(struct tk_stream *s)
{
	const struct tk_out *o;

	if (s->session->due == 0 || s->resend_optional || s->server_broke)
		return;
	for (o = s->session->first; o; o = o->next)
		if (o->due && tk_stream_sendable(s, o))
			break;
	if (o)
		RULE(s, "4.6.0-1", "4.6.0-1",
		    "a new PUBLISH, but packet identifier %u is not sent again yet", o->mid);
}

static void
take_quota(struct tk_stream *s, struct tk_out *o)
{
	if (o->sent_here)
		return;
	o->sent_here = 1;
	s->in_flight++;
	if (s->in_flight > s->limits.receive_max)
		RULE(s, "3.3.4-7", NULL, "%u PUBLISHes unacknowledged, Receive Maximum is %u",
		    s->in_flight, (unsigned)s->limits.receive_max);
}

static void
new_message(struct tk_stream *s, const struct tk_packet *p, uint64_t content)
{
	struct tk_out *o;

	if (p->dup)
		RULE(s, p->qos == 1 ? "4.3.2-2" : "4.3.3-2", p->qos == 1 ? "4.3.2-1" : "4.3.3-1",
		    "DUP on a new PUBLISH, packet identifier %u", p->mid);
	check_nothing_due(s);
	o = tk_session_use(s->session, p->mid, TK_OUT_PUBLISH);
	o->qos = p->qos;
	o->retain = p->retain;
	o->size = p->raw.len;
	o->content = content;
	take_quota(s, o);
}

static void
check_resend(struct tk_stream *s, const struct tk_out *o)
{
	if (o->state == TK_OUT_PUBREL)
		RULE(s, "4.3.3-6", "4.3.3-1", "PUBLISH %u again after its PUBREL", o->mid);
	else if (o->sent_here && s->version >= TK_V5)
		RULE(s, "4.4.0-1", NULL, "PUBLISH %u again in the same connection", o->mid);
	else if (!o->sent_here && !s->resumed && s->phase == TK_PHASE_CONNECTED)
		RULE(s, "4.4.0-1", "4.4.0-1", "PUBLISH %u again, but there is no session", o->mid);
	else if (!o->sent_here && o->order < s->last_resent)
		RULE(s, "4.6.0-1", "4.6.0-1", "PUBLISH %u is sent again out of order", o->mid);
}

static void
resend(struct tk_stream *s, struct tk_out *o)
{
	check_resend(s, o);
	/* One that has crossed its last acknowledgement stays as it is. */
	if (o->state == TK_OUT_DONE && o->done_in != s->session->connection)
		o->state = TK_OUT_PUBLISH;
	o->refused = 0;
	if (!o->sent_here)
		s->last_resent = o->order;
	tk_session_not_due(s->session, o);
	take_quota(s, o);
}

/* The server acknowledged it in an earlier connection, but the client may never have learnt that;
 * or in this one, and it has not come yet: below version 5 the client may repeat until it does. */
static int
may_be_unknown(const struct tk_stream *s, const struct tk_out *o)
{
	if (!o || o->state != TK_OUT_DONE)
		return 0;
	if (o->done_in == s->session->connection)
		return s->version < TK_V5;
	return s->resumed;
}

static void
publish_in_use(struct tk_stream *s, const struct tk_packet *p, struct tk_out *o, uint64_t content)
{
	int same = o->qos > 0 && o->content == content;

	if (same && p->dup)
		resend(s, o);
	else if (same && !o->sent_here)
		RULE(s, "3.3.1-1", "3.3.1-1", "PUBLISH %u is sent again without DUP", p->mid);
	else
		RULE(s, "2.2.1-3", "2.3.1-2", "packet identifier %u is in use", p->mid);
}

void
tk_stream_on_publish(struct tk_stream *s, const struct tk_packet *p)
{
	struct tk_str topic = resolve_alias(s, p);
	struct tk_out *o = tk_session_out(s->session, p->mid);
	uint64_t content = content_of(p, topic);

	check_limits(s, p);
	if (p->qos == 0)
		return;
	if (tk_out_live(o))
		publish_in_use(s, p, o, content);
	else if (p->dup && may_be_unknown(s, o) && o->content == content)
		resend(s, o);
	else if (p->dup && o && o->refused && o->content == content)
		RULE(s, "4.4.0-2", NULL, "PUBLISH %u again after a refusing acknowledgement",
		    p->mid);
	else
		new_message(s, p, content);
}

/* Acknowledgements of what the server sent */

static void
check_in_order(
    struct tk_stream *s, struct tk_queue *q, const struct tk_packet *p, const char *order_id)
{
	long at = tk_queue_find(q, p->mid);

	if (at < 0) {
		RULE(s, "2.2.1-5", "2.3.1-6", "%s %u that nothing asked for", tk_type_name(p->type),
		    p->mid);
		return;
	}
	if (at > 0)
		RULE(s, order_id, order_id, "%s %u before that of %u", tk_type_name(p->type),
		    p->mid, q->id[0] & 0xFFFF);
	tk_queue_remove(q, (size_t)at);
}

void
tk_stream_on_puback(struct tk_stream *s, const struct tk_packet *p)
{
	check_in_order(s, &s->puback, p, "4.6.0-2");
}

void
tk_stream_on_pubrec(struct tk_stream *s, const struct tk_packet *p)
{
	long at = tk_queue_find(&s->pubrec, p->mid);

	int again = tk_session_in(s->session, p->mid) == TK_IN_KNOWN;

	/* Once more for a PUBLISH that the server repeats: the first answer had its turn. */
	if (again && at >= 0)
		tk_queue_remove(&s->pubrec, (size_t)at);
	else if (!again || !s->repeated)
		check_in_order(s, &s->pubrec, p, "4.6.0-3");
	tk_session_set_in(s->session, p->mid, p->reason < 0x80 ? TK_IN_KNOWN : TK_IN_NONE);
}

static void
one_pubrel_less(struct tk_queue *pubrec, unsigned mid)
{
	for (size_t i = 0; i < pubrec->n; i++) {
		if ((pubrec->id[i] & 0xFFFF) == mid && pubrec->id[i] > 0xFFFF)
			pubrec->id[i] -= TK_BEHIND(0, 1);
	}
}

void
tk_stream_on_pubcomp(struct tk_stream *s, const struct tk_packet *p)
{
	enum tk_in_state in = tk_session_in(s->session, p->mid);
	long at = tk_queue_find(&s->pubcomp, p->mid);

	if (at < 0) {
		RULE(s, "2.2.1-5", "2.3.1-6", "PUBCOMP %u that nothing asked for", p->mid);
		return;
	}
	tk_queue_remove(&s->pubcomp, (size_t)at);
	one_pubrel_less(&s->pubrec, p->mid);
	if (s->version >= TK_V5 && in == TK_IN_NONE && p->reason == 0)
		RULE(s, "3.7.2-1", NULL, "PUBCOMP %u without code 92, the identifier is unknown",
		    p->mid);
	if (in == TK_IN_KNOWN && p->reason != 0)
		RULE(s, "4.3.3-11", NULL, "PUBCOMP %u with code %02X, the identifier is known",
		    p->mid, p->reason);
	tk_session_set_in(s->session, p->mid, TK_IN_NONE);
}

/* PUBREL: the answer to a PUBREC of this connection, or sent again in a resumed session. */

static void
check_asked_pubrel(struct tk_stream *s, const struct tk_packet *p, const struct tk_out *o)
{
	int known = tk_out_live(o) && o->qos == 2;

	/* Below version 5 it may also be a repetition, whose turn is any time. */
	if (s->version < TK_V5 && o && o->rel_here)
		tk_queue_remove(&s->pubrel, (size_t)tk_queue_find(&s->pubrel, p->mid));
	else
		check_in_order(s, &s->pubrel, p, "4.6.0-4");
	if (known && p->reason != 0)
		RULE(s, "3.6.2-1", NULL, "PUBREL %u with code %02X, the identifier is known",
		    p->mid, p->reason);
	if (!o && s->version >= TK_V5 && p->reason == 0)
		RULE(s, "3.6.2-1", NULL, "PUBREL %u without code 92, the identifier is unknown",
		    p->mid);
}

static int
may_repeat_pubrel(const struct tk_stream *s, const struct tk_out *o)
{
	if (!o || o->qos != 2 || o->refused)
		return 0;
	if (o->rel_here)
		return s->version < TK_V5;
	return s->resumed &&
	       (o->state == TK_OUT_PUBREC || o->state == TK_OUT_PUBREL || may_be_unknown(s, o));
}

void
tk_stream_on_pubrel(struct tk_stream *s, const struct tk_packet *p)
{
	struct tk_out *o = tk_session_out(s->session, p->mid);

	if (tk_queue_find(&s->pubrel, p->mid) >= 0)
		check_asked_pubrel(s, p, o);
	else if (!may_repeat_pubrel(s, o))
		RULE(s, o && o->rel_here ? "4.4.0-1" : "4.3.3-4", "4.3.3-1",
		    "PUBREL %u that no PUBREC asked for", p->mid);
	if (!o)
		return;
	o->rel_here = 1;
	tk_session_not_due(s->session, o);
	if (tk_out_live(o))
		o->state = TK_OUT_PUBREL;
}
