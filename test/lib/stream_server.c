/* What the judge learns from the server's packets: limits, acknowledgements, and what it owes
 * answers to. */
#include "stream_int.h"

#include <string.h>

static void
broke(struct tk_stream *s, const char *why)
{
	s->server_broke = 1;
	tk_fault_set(&s->server_fault, s->version, "4.13.1-1", "4.8.0-1", "%s", why);
}

void
tk_limits_default(struct tk_limits *l)
{
	*l = (struct tk_limits){.receive_max = 65535,
	    .max_qos = 2,
	    .retain = 1,
	    .wildcard = 1,
	    .subscription_id = 1,
	    .shared = 1};
}

static void
read_limits(struct tk_limits *l, const struct tk_props *props)
{
	l->receive_max = tk_props_number(props, 0x21, 65535);
	l->alias_max = tk_props_number(props, 0x22, 0);
	l->max_qos = tk_props_number(props, 0x24, 2);
	l->max_packet = tk_props_number(props, 0x27, 0);
	l->retain = tk_props_number(props, 0x25, 1) != 0;
	l->wildcard = tk_props_number(props, 0x28, 1) != 0;
	l->subscription_id = tk_props_number(props, 0x29, 1) != 0;
	l->shared = tk_props_number(props, 0x2a, 1) != 0;
}

/* An id that the server assigns becomes the client's: later connections come under it. */
static void
rename_session(struct tk_stream *s, const struct tk_prop *assigned)
{
	if (!assigned || s->session->client_id.len > 0)
		return;
	tk_buf_put(&s->session->client_id, assigned->value.data, assigned->value.len);
}

/* What the server would not take any more: the client may have given it up, identifier and all. */
static void
forgive_unsendable(struct tk_stream *s)
{
	struct tk_out *o;

	for (o = s->session->first; o; o = o->next) {
		if (!o->due || tk_stream_sendable(s, o))
			continue;
		tk_session_not_due(s->session, o);
		o->state = TK_OUT_DONE;
		o->done_in = s->session->connection - 1;
	}
}

static void
session_answer(struct tk_stream *s, int present)
{
	if (s->version == TK_V31) { /* it cannot tell */
		s->resumed = !s->clean;
		s->resend_optional = 1;
		return;
	}
	if (present && s->clean) {
		broke(s, "Session Present after a clean start");
		return;
	}
	s->resumed = present;
	if (!present) {
		tk_session_lost(s->session);
		return;
	}
	tk_session_resume(s->session);
	forgive_unsendable(s);
}

static void
on_connack(struct tk_stream *s, const struct tk_packet *p)
{
	if (s->phase != TK_PHASE_CONNECTING) {
		broke(s, "CONNACK out of place");
		return;
	}
	if (p->reason) {
		s->phase = TK_PHASE_REFUSED;
		return;
	}
	s->phase = TK_PHASE_CONNECTED;
	s->auth_asked = 0;
	read_limits(&s->limits, &p->props);
	rename_session(s, tk_props_find(&p->props, 0x12));
	session_answer(s, p->session_present);
}

static unsigned
count_of(const struct tk_queue *q, unsigned id)
{
	unsigned count = 0;

	for (size_t i = 0; i < q->n; i++)
		count += q->id[i] == id;
	return count;
}

static void
on_publish(struct tk_stream *s, const struct tk_packet *p)
{
	unsigned id;

	if (p->qos == 1)
		tk_queue_push(&s->puback, p->mid);
	if (p->qos != 2)
		return;
	id = TK_BEHIND(p->mid, count_of(&s->pubcomp, p->mid));
	/* One PUBREC may answer both, or each its own. */
	if (tk_queue_find(&s->pubrec, id) >= 0)
		s->repeated = 1;
	else
		tk_queue_push(&s->pubrec, id);
	if (tk_session_in(s->session, p->mid) == TK_IN_NONE)
		tk_session_set_in(s->session, p->mid, TK_IN_MAYBE);
}

void
tk_stream_done(struct tk_stream *s, struct tk_out *o, unsigned code)
{
	if (o->sent_here && o->qos > 0 && s->in_flight > 0)
		s->in_flight--;
	tk_session_not_due(s->session, o);
	o->state = TK_OUT_DONE;
	o->done_in = s->session->connection;
	o->refused = code >= 0x80;
}

static void
on_puback(struct tk_stream *s, const struct tk_packet *p)
{
	struct tk_out *o = tk_session_out(s->session, p->mid);

	if (!tk_out_live(o))
		return;
	if (o->state == TK_OUT_PUBLISH && o->qos == 1)
		tk_stream_done(s, o, p->reason);
	else
		broke(s, "PUBACK for something else");
}

static int
has_accepted(struct tk_stream *s, const struct tk_out *o)
{
	return o->state == TK_OUT_PUBREL || tk_queue_find(&s->pubrel, o->mid) >= 0;
}

static void
on_refusing_pubrec(struct tk_stream *s, const struct tk_packet *p, struct tk_out *o)
{
	if (!tk_out_live(o)) /* the client may read it when it has sent that very PUBLISH */
		broke(s, "PUBREC that refuses nothing");
	else if (has_accepted(s, o))
		broke(s, "PUBREC that refuses what was accepted");
	else
		tk_stream_done(s, o, p->reason);
}

static void
on_pubrec(struct tk_stream *s, const struct tk_packet *p)
{
	struct tk_out *o = tk_session_out(s->session, p->mid);
	int live = tk_out_live(o);

	if (live && o->qos != 2) {
		broke(s, "PUBREC for something else");
		return;
	}
	if (p->reason >= 0x80) {
		on_refusing_pubrec(s, p, o);
		return;
	}
	if (live && o->state == TK_OUT_PUBLISH) {
		o->state = TK_OUT_PUBREC;
		tk_session_not_due(s->session, o);
	}
	tk_queue_push(&s->pubrel, p->mid);
}

static void
on_pubrel(struct tk_stream *s, const struct tk_packet *p)
{
	if (tk_session_in(s->session, p->mid) == TK_IN_MAYBE)
		broke(s, "PUBREL before PUBREC");
	tk_queue_push(&s->pubcomp, p->mid);
}

/* A PUBREL may be on its way: PUBCOMP before the PUBREC alone is surely wrong. */
static void
on_pubcomp(struct tk_stream *s, const struct tk_packet *p)
{
	struct tk_out *o = tk_session_out(s->session, p->mid);

	if (!tk_out_live(o))
		return;
	if (o->state == TK_OUT_PUBREC || o->state == TK_OUT_PUBREL)
		tk_stream_done(s, o, 0);
	else
		broke(s, "PUBCOMP for something else");
}

static void
on_suback(struct tk_stream *s, const struct tk_packet *p)
{
	struct tk_out *o = tk_session_out(s->session, p->mid);
	int has_codes = p->type == TK_SUBACK || s->version >= TK_V5;

	if (!tk_out_live(o) ||
	    o->state != (p->type == TK_SUBACK ? TK_OUT_SUBSCRIBE : TK_OUT_UNSUBSCRIBE)) {
		broke(s, "SUBACK or UNSUBACK for nothing");
		return;
	}
	if (has_codes && o->n_filters != p->codes.len)
		broke(s, "wrong number of codes");
	tk_stream_done(s, o, 0);
}

static void
on_auth(struct tk_stream *s, const struct tk_packet *p)
{
	const struct tk_prop *method = tk_props_find(&p->props, 0x15);
	const struct tk_str own = {s->method.data, s->method.len};

	if (!s->has_method || !method || !tk_str_eq(method->value, own)) {
		broke(s, "AUTH out of place");
		return;
	}
	if (p->reason == 0x18)
		s->auth_asked = 1;
	else
		s->reauth = 0;
}

static void
ignore(struct tk_stream *s, const struct tk_packet *p)
{
	(void)s;
	(void)p;
}

static void (*const handlers[16])(struct tk_stream *s, const struct tk_packet *p) = {
    [TK_CONNACK] = on_connack,
    [TK_PUBLISH] = on_publish,
    [TK_PUBACK] = on_puback,
    [TK_PUBREC] = on_pubrec,
    [TK_PUBREL] = on_pubrel,
    [TK_PUBCOMP] = on_pubcomp,
    [TK_SUBACK] = on_suback,
    [TK_UNSUBACK] = on_suback,
    [TK_PINGRESP] = ignore,
    [TK_DISCONNECT] = ignore,
    [TK_AUTH] = on_auth,
};

void
tk_stream_server_packet(struct tk_stream *s, const struct tk_packet *p)
{
	if (s->server_broke)
		return;
	if (p->fault.id[0] || !s->session) {
		broke(s, p->fault.id[0] ? p->fault.text : "the server speaks first");
		return;
	}
	if (s->phase == TK_PHASE_CONNECTING && p->type != TK_CONNACK && p->type != TK_AUTH) {
		broke(s, "a packet before CONNACK");
		return;
	}
	handlers[p->type](s, p);
}

int
tk_stream_from_server(struct tk_stream *s, const void *data, size_t len)
{
	struct tk_buf *part = &s->server_part;
	struct tk_packet p;
	size_t size, used = 0;
	int framed = 0;

	tk_buf_put(part, data, len);
	while (!s->server_broke &&
	       (framed = tk_frame(part->data + used, part->len - used, &size)) == 1) {
		tk_packet_parse(&p, s->version, TK_FROM_SERVER, part->data + used, size);
		tk_stream_server_packet(s, &p);
		tk_packet_clear(&p);
		used += size;
	}
	if (framed < 0)
		broke(s, "a length of more than four bytes");
	tk_buf_drain(part, used);
	return s->fault.id[0] ? -1 : 0;
}
