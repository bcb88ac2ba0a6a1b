/* The rules that a client's packets keep among each other; single packets are judged by strict.c.
 */
#include "stream_int.h"

#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULE(s, v5, v3, ...) tk_fault_set(&(s)->fault, (s)->version, v5, v3, __VA_ARGS__)

/* CONNECT */

static void
adopt_session(struct tk_stream *s, struct tk_str client_id)
{
	if (s->find_session)
		s->session = s->find_session(s->find_arg, client_id);
	if (!s->session) {
		s->session = tk_session_new();
		s->own_session = 1;
	}
	if (s->session->client_id.len == 0)
		tk_buf_put(&s->session->client_id, client_id.data, client_id.len);
}

static void
on_connect(struct tk_stream *s, const struct tk_packet *p)
{
	const struct tk_prop *method = tk_props_find(&p->props, 0x15);

	s->version = p->version;
	s->phase = TK_PHASE_CONNECTING;
	s->clean = p->connect.clean;
	s->expiry = tk_props_number(&p->props, 0x11, 0);
	s->has_method = method != NULL;
	if (method)
		tk_buf_put(&s->method, method->value.data, method->value.len);
	adopt_session(s, p->connect.client_id);
	tk_session_connect(s->session);
	/* A clean session of 3.1 ends with its connection, and no CONNACK says so. */
	if (s->clean || (s->version == TK_V31 && s->session->clean))
		tk_session_reset(s->session);
	s->session->clean = s->clean;
}

/* SUBSCRIBE and UNSUBSCRIBE */

static void
check_subscribe_limits(struct tk_stream *s, const struct tk_packet *p)
{
	size_t i;

	if (!s->limits.subscription_id && tk_props_find(&p->props, 0x0b))
		RULE(s, "3.2.2.3.12", NULL, "a Subscription Identifier, which the server has not");
	for (i = 0; i < p->n_filters; i++) {
		struct tk_str f = p->filters[i].filter;

		if (!s->limits.shared && tk_filter_is_shared(f.data, f.len))
			RULE(s, "3.2.2.3.13", NULL,
			    "a shared subscription, which the server has not");
		if (!s->limits.wildcard && tk_filter_has_wildcard(f.data, f.len))
			RULE(s, "3.2.2.3.11", NULL, "a wildcard, which the server has not");
	}
}

static void
on_subscribe(struct tk_stream *s, const struct tk_packet *p)
{
	int sub = p->type == TK_SUBSCRIBE;
	enum tk_out_state state = sub ? TK_OUT_SUBSCRIBE : TK_OUT_UNSUBSCRIBE;
	struct tk_out *o = tk_session_out(s->session, p->mid);

	if (sub)
		check_subscribe_limits(s, p);
	if (tk_out_live(o)) {
		/* Version 3.1 may repeat the request, with DUP. */
		if (o->state != state || !(p->flags & 8))
			RULE(s, "2.2.1-3", "2.3.1-2", "packet identifier %u is in use", p->mid);
		return;
	}
	o = tk_session_use(s->session, p->mid, state);
	o->n_filters = p->n_filters;
}

/* DISCONNECT and AUTH */

static void
on_disconnect(struct tk_stream *s, const struct tk_packet *p)
{
	if (s->expiry == 0 && tk_props_number(&p->props, 0x11, 0) != 0)
		RULE(s, "3.14.2.2.2", NULL,
		    "DISCONNECT sets a Session Expiry Interval, CONNECT had none");
	if (s->server_broke && s->version < TK_V5)
		RULE(s, NULL, "4.8.0-1", "DISCONNECT after an error of the server (%s)",
		    s->server_fault.text);
	s->phase = TK_PHASE_ENDED;
}

static void
on_auth(struct tk_stream *s, const struct tk_packet *p)
{
	const struct tk_prop *method = tk_props_find(&p->props, 0x15);
	const struct tk_str own = {s->method.data, s->method.len};
	int connected = s->phase == TK_PHASE_CONNECTED;

	if (!s->has_method)
		RULE(s, "4.12.0-7", NULL, "AUTH, but CONNECT gave no method");
	else if (!method || !tk_str_eq(method->value, own))
		RULE(s, "4.12.0-5", NULL, "AUTH with another method");
	else if (p->reason == 0x19 && !connected)
		RULE(s, "4.12.1-1", NULL, "re-authentication before CONNACK");
	else if (p->reason == 0x18 && !s->auth_asked)
		RULE(s, "4.12.0-3", NULL, "AUTH 18 that nothing asked for");
	if (p->reason == 0x19)
		s->reauth = 1;
	s->auth_asked = 0;
}

static void
nothing(struct tk_stream *s, const struct tk_packet *p)
{
	(void)s;
	(void)p;
}

static void (*const handlers[16])(struct tk_stream *s, const struct tk_packet *p) = {
    [TK_CONNECT] = on_connect,
    [TK_PUBLISH] = tk_stream_on_publish,
    [TK_PUBACK] = tk_stream_on_puback,
    [TK_PUBREC] = tk_stream_on_pubrec,
    [TK_PUBREL] = tk_stream_on_pubrel,
    [TK_PUBCOMP] = tk_stream_on_pubcomp,
    [TK_SUBSCRIBE] = on_subscribe,
    [TK_UNSUBSCRIBE] = on_subscribe,
    [TK_PINGREQ] = nothing,
    [TK_DISCONNECT] = on_disconnect,
    [TK_AUTH] = on_auth,
};

static void
check_connecting(struct tk_stream *s, const struct tk_packet *p)
{
	if (s->version == TK_V31 && p->type != TK_DISCONNECT)
		RULE(s, NULL, "3.1.4-5", "%s before CONNACK in version 3.1", tk_type_name(p->type));
	if (s->has_method && p->type != TK_AUTH && p->type != TK_DISCONNECT)
		RULE(s, "3.1.2-30", NULL, "%s before CONNACK, though a method was given",
		    tk_type_name(p->type));
}

/* Whether the packet may come at all now. */
static void
check_phase(struct tk_stream *s, const struct tk_packet *p)
{
	const char *name = tk_type_name(p->type);

	if (s->phase == TK_PHASE_NEW && p->type != TK_CONNECT)
		RULE(s, "3.1.0-1", "3.1.0-1", "the first packet is %s", name);
	else if (s->phase != TK_PHASE_NEW && p->type == TK_CONNECT)
		RULE(s, "3.1.0-2", "3.1.0-2", "a second CONNECT");
	else if (s->phase == TK_PHASE_ENDED)
		RULE(s, "3.14.4-1", "3.14.4-1", "%s after DISCONNECT", name);
	else if (s->phase == TK_PHASE_REFUSED && !s->server_broke)
		RULE(s, "3.2.2-7", "3.2.2-5", "%s after a refusing CONNACK", name);
	else if (s->phase == TK_PHASE_CONNECTING)
		check_connecting(s, p);
	if (s->limits.max_packet && p->raw.len > s->limits.max_packet)
		RULE(s, "3.2.2-15", NULL, "%s of %zu bytes, Maximum Packet Size is %u", name,
		    p->raw.len, (unsigned)s->limits.max_packet);
}

/* After an error of the server what the client thinks of it is open: only its end is judged. */
static int
judged(const struct tk_stream *s, const struct tk_packet *p)
{
	return !s->server_broke || p->type == TK_CONNECT || p->type == TK_DISCONNECT;
}

int
tk_stream_client_packet(struct tk_stream *s, const struct tk_packet *p)
{
	if (s->fault.id[0])
		return -1;
	if (s->version == 0 && p->version)
		s->version = p->version;
	if (s->phase != TK_PHASE_NEW || p->type != TK_CONNECT)
		check_phase(s, p);
	if (!s->fault.id[0] && p->fault.id[0])
		s->fault = p->fault;
	if (!s->fault.id[0] && handlers[p->type] && judged(s, p))
		handlers[p->type](s, p);
	return s->fault.id[0] ? -1 : 0;
}

int
tk_stream_from_client(struct tk_stream *s, const void *data, size_t len)
{
	struct tk_buf *part = &s->client_part;
	struct tk_packet p;
	size_t size, used = 0;
	int framed = 0;

	tk_buf_put(part, data, len);
	while ((framed = tk_frame(part->data + used, part->len - used, &size)) == 1) {
		tk_packet_parse(&p, s->version, TK_FROM_CLIENT, part->data + used, size);
		tk_stream_client_packet(s, &p);
		tk_packet_clear(&p);
		used += size;
	}
	if (framed < 0)
		RULE(s, "1.5.5", "2.2.3", "a length of more than four bytes");
	tk_buf_drain(part, used);
	return s->fault.id[0] ? -1 : 0;
}

void
tk_stream_init(struct tk_stream *s, int version, struct tk_session *session)
{
	memset(s, 0, sizeof(*s));
	s->version = version;
	s->session = session;
	tk_limits_default(&s->limits);
}

void
tk_stream_clear(struct tk_stream *s)
{
	uint32_t i;

	if (s->own_session)
		tk_session_free(s->session);
	for (i = 0; i < s->n_alias; i++)
		tk_buf_free(&s->alias[i]);
	free(s->alias);
	free(s->puback.id);
	free(s->pubrec.id);
	free(s->pubrel.id);
	free(s->pubcomp.id);
	tk_buf_free(&s->method);
	tk_buf_free(&s->client_part);
	tk_buf_free(&s->server_part);
	memset(s, 0, sizeof(*s));
}

const char *
tk_stream_error(struct tk_stream *s)
{
	if (!s->fault.id[0])
		return NULL;
	snprintf(s->text, sizeof(s->text), "[%s] %s", s->fault.id, s->fault.text);
	return s->text;
}

static size_t
describe_queue(const struct tk_queue *q, const char *name, struct tk_buf *out)
{
	size_t i;

	for (i = 0; out && i < q->n; i++)
		tk_buf_printf(out, "%s %u ", name, q->id[i] & 0xFFFF);
	return q->n;
}

size_t
tk_stream_owes(const struct tk_stream *s, struct tk_buf *out)
{
	return describe_queue(&s->puback, "PUBACK", out) +
	       describe_queue(&s->pubrec, "PUBREC", out) +
	       describe_queue(&s->pubrel, "PUBREL", out) +
	       describe_queue(&s->pubcomp, "PUBCOMP", out);
}
