/* Messages, subscriptions and deliveries of the automatic broker; connections are in auto.c. */
#include "auto_int.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

int
tk_bit_swap(unsigned char **map, unsigned n, int on)
{
	unsigned char *byte, bit = (unsigned char)(1u << (n & 7));
	int was;

	if (!*map && !on)
		return 0;
	if (!*map)
		*map = tk_calloc(8192, 1);
	byte = &(*map)[n >> 3 & 8191];
	was = (*byte & bit) != 0;
	*byte = (unsigned char)(on ? *byte | bit : *byte & ~bit);
	return was;
}

static struct tk_str
str_of(const struct tk_buf *b)
{
	return (struct tk_str){b->data, b->len};
}

/* Messages */

static void
copy_prop(struct tk_buf *out, const struct tk_prop *p)
{
	switch (p->id) {
	case 0x01:
		tk_prop_u8(out, p->id, p->number);
		return;
	case 0x02:
		tk_prop_u32(out, p->id, p->number);
		return;
	case 0x03:
	case 0x08:
	case 0x09:
		tk_prop_bin(out, p->id, p->value.data, p->value.len);
		return;
	case 0x26:
		tk_prop_bin(out, p->id, p->name.data, p->name.len);
		tk_buf_bin(out, p->value.data, p->value.len);
		return;
	default: /* stays between the publisher and the broker */
		return;
	}
}

struct amsg *
tk_amsg_new(struct tk_str topic, struct tk_str payload, const struct tk_props *props, unsigned qos,
    int retain)
{
	struct amsg *m = tk_calloc(1, sizeof(*m));
	size_t i;

	m->refs = 1;
	m->topic = tk_buf_copy(topic.data, topic.len);
	m->payload = tk_buf_copy(payload.data, payload.len);
	for (i = 0; props && i < props->n; i++)
		copy_prop(&m->props, &props->item[i]);
	m->qos = qos;
	m->retain = retain;
	return m;
}

void
tk_amsg_unref(struct amsg *m)
{
	if (!m || --m->refs > 0)
		return;
	tk_buf_free(&m->topic);
	tk_buf_free(&m->payload);
	tk_buf_free(&m->props);
	free(m);
}

/* Deliveries */

static void
free_delivery(struct delivery *d)
{
	tk_amsg_unref(d->msg);
	tk_buf_free(&d->ids);
	free(d);
}

/* Takes it out of the list; `at` is the link that points to it. */
static void
remove_delivery(struct asession *s, struct delivery **at)
{
	struct delivery *d = *at;

	if (s->unsent == d)
		s->unsent = d->next;
	*at = d->next;
	if (s->last == &d->next)
		s->last = at;
	if (d->mid)
		tk_bit_swap(&s->mids, d->mid, 0);
	free_delivery(d);
}

static struct delivery **
find_delivery(struct asession *s, unsigned mid)
{
	struct delivery **at;

	for (at = &s->first; *at; at = &(*at)->next)
		if ((*at)->mid == mid)
			return at;
	return NULL;
}

static unsigned
take_mid(struct asession *s)
{
	do
		s->next_mid = s->next_mid % 65535 + 1;
	while (tk_bit_swap(&s->mids, s->next_mid, 1));
	return s->next_mid;
}

static struct tk_buf
publish_bytes(const struct delivery *d, int version)
{
	const struct amsg *m = d->msg;
	struct tk_buf body = {0}, packet;
	unsigned first = 0x30 | d->qos << 1 | (d->retain ? 1u : 0) | (d->sent && d->qos ? 8u : 0);

	tk_buf_bin(&body, m->topic.data, m->topic.len);
	if (d->qos > 0)
		tk_buf_u16(&body, d->mid);
	if (version >= TK_V5) {
		tk_buf_varint(&body, (uint32_t)(m->props.len + d->ids.len));
		tk_buf_put(&body, m->props.data, m->props.len);
		tk_buf_put(&body, d->ids.data, d->ids.len);
	}
	tk_buf_put(&body, m->payload.data, m->payload.len);
	packet = tk_make_packet(first, body.data, body.len);
	tk_buf_free(&body);
	return packet;
}

/* Sends one delivery; returns 0 when the client does not take packets of that size. */
static int
send_delivery(struct asession *s, struct delivery *d)
{
	struct tk_buf bytes;

	if (d->qos > 0 && d->mid == 0)
		d->mid = take_mid(s);
	if (d->released) {
		tk_aconn_send(s->conn, tk_make_ack(s->conn->version, TK_PUBREL, d->mid, 0, NULL));
		return 1;
	}
	bytes = publish_bytes(d, s->conn->version);
	if (s->conn->max_packet && bytes.len > s->conn->max_packet) {
		tk_buf_free(&bytes);
		return 0;
	}
	d->sent = 1;
	s->broker->stats.sent++;
	tk_aconn_send(s->conn, bytes);
	return 1;
}

static struct delivery **
link_to(struct asession *s, const struct delivery *d)
{
	struct delivery **at = &s->first;

	while (*at != d)
		at = &(*at)->next;
	return at;
}

void
tk_asession_pump(struct asession *s)
{
	struct delivery *d;
	int done;

	while (s->conn && s->conn->online && (d = s->unsent) != NULL) {
		if (d->qos > 0 && !d->released && s->window == 0)
			return;
		s->unsent = d->next;
		done = !send_delivery(s, d) || d->qos == 0;
		d->here = !done && !d->released;
		s->window -= d->here ? 1 : 0;
		if (done)
			remove_delivery(s, link_to(s, d));
	}
}

static void
enqueue(struct asession *s, struct amsg *m, unsigned qos, int retain, const struct tk_buf *ids)
{
	struct delivery *d;

	if (!s->conn && qos == 0)
		return;
	d = tk_calloc(1, sizeof(*d));
	m->refs++;
	d->msg = m;
	d->qos = qos;
	d->retain = retain;
	tk_buf_put(&d->ids, ids->data, ids->len);
	*s->last = d;
	s->last = &d->next;
	if (!s->unsent)
		s->unsent = d;
	tk_asession_pump(s);
}

static void
finish(struct asession *s, struct delivery **at)
{
	if ((*at)->here && s->window < s->max_window)
		s->window++;
	remove_delivery(s, at);
	s->broker->stats.completed++;
	tk_asession_pump(s);
}

static void
on_pubrec(struct asession *s, struct delivery **at, const struct tk_packet *p)
{
	int known = at && (*at)->qos == 2;

	if (known && p->reason >= 0x80) {
		finish(s, at);
		return;
	}
	if (known)
		(*at)->released = 1;
	tk_aconn_send(
	    s->conn, tk_make_ack(s->conn->version, TK_PUBREL, p->mid, known ? 0 : 0x92, NULL));
}

void
tk_asession_ack(struct asession *s, const struct tk_packet *p)
{
	struct delivery **at = find_delivery(s, p->mid);

	if (p->type == TK_PUBREC)
		on_pubrec(s, at, p);
	else if (at && (p->type == TK_PUBACK ? (*at)->qos == 1 : (*at)->released))
		finish(s, at);
}

/* Routing */

static struct tk_str
plain_filter(const struct asub *sub)
{
	struct tk_str f = str_of(&sub->filter);
	const unsigned char *slash;

	if (!tk_filter_is_shared(f.data, f.len))
		return f;
	slash = memchr(f.data + 7, '/', f.len - 7);
	return (struct tk_str){slash + 1, (size_t)(f.data + f.len - slash - 1)};
}

static int
sub_matches(const struct asub *sub, const struct amsg *m)
{
	struct tk_str f = plain_filter(sub);

	return tk_topic_matches(f.data, f.len, m->topic.data, m->topic.len);
}

static int
is_shared(const struct asub *sub)
{
	return tk_filter_is_shared(sub->filter.data, sub->filter.len);
}

static struct asub *
sub_of(const struct asession *s, struct tk_str filter)
{
	size_t i;

	for (i = 0; i < s->n_subs; i++)
		if (tk_str_eq(str_of(&s->subs[i].filter), filter))
			return &s->subs[i];
	return NULL;
}

/* The member of a shared subscription whose turn it is: among those online, if there are any. */
static const struct asession *
whose_turn(const struct tk_auto *a, struct tk_str filter)
{
	const struct asession *any = NULL;
	size_t i, at;

	for (i = 0; i < a->n_sessions; i++) {
		at = (i + a->turns) % a->n_sessions;
		if (!sub_of(a->sessions[at], filter))
			continue;
		if (a->sessions[at]->conn)
			return a->sessions[at];
		any = a->sessions[at];
	}
	return any;
}

static int
wanted(const struct tk_auto *a, const struct asession *s, const struct asub *sub,
    const struct amsg *m, const struct asession *from)
{
	if (!sub_matches(sub, m) || ((sub->options & 4) && s == from))
		return 0;
	return !is_shared(sub) || whose_turn(a, str_of(&sub->filter)) == s;
}

/* Overlapping subscriptions of one client give one delivery, with the highest QoS and all
 * identifiers. */
static void
route_to(struct tk_auto *a, struct asession *s, struct amsg *m, const struct asession *from)
{
	struct tk_buf ids = {0};
	int any = 0, as_published = 0;
	unsigned qos = 0;
	size_t i;

	for (i = 0; i < s->n_subs; i++) {
		const struct asub *sub = &s->subs[i];

		if (!wanted(a, s, sub, m, from))
			continue;
		any = 1;
		qos = (sub->options & 3) > qos ? sub->options & 3 : qos;
		as_published |= (sub->options & 8) != 0;
		if (sub->id)
			tk_prop_varint(&ids, 0x0b, sub->id);
	}
	if (any)
		enqueue(s, m, qos < m->qos ? qos : m->qos, as_published && m->retain, &ids);
	tk_buf_free(&ids);
}

static void
retain(struct tk_auto *a, struct amsg *m)
{
	size_t i;

	for (i = 0; i < a->n_retained; i++)
		if (tk_str_eq(str_of(&a->retained[i]->topic), str_of(&m->topic)))
			break;
	if (i < a->n_retained) {
		tk_amsg_unref(a->retained[i]);
		a->retained[i] = a->retained[--a->n_retained];
	}
	if (m->payload.len == 0)
		return;
	a->retained = realloc(a->retained, (a->n_retained + 1) * sizeof(*a->retained));
	if (!a->retained)
		tk_die("out of memory");
	a->retained[a->n_retained++] = m;
	m->refs++;
}

void
tk_auto_route(struct tk_auto *a, struct amsg *m, const struct asession *from)
{
	size_t i;

	if (m->retain)
		retain(a, m);
	a->turns++;
	for (i = 0; i < a->n_sessions; i++)
		route_to(a, a->sessions[i], m, from);
}

/* Subscriptions */

static void
send_retained(struct asession *s, const struct asub *sub)
{
	struct tk_auto *a = s->broker;
	struct tk_buf ids = {0};
	unsigned qos = sub->options & 3;
	size_t i;

	if (sub->id)
		tk_prop_varint(&ids, 0x0b, sub->id);
	for (i = 0; i < a->n_retained; i++)
		if (sub_matches(sub, a->retained[i]))
			enqueue(s, a->retained[i],
			    qos < a->retained[i]->qos ? qos : a->retained[i]->qos, 1, &ids);
	tk_buf_free(&ids);
}

static struct asub *
add_sub(struct asession *s, struct tk_str filter)
{
	struct asub *sub;

	s->subs = realloc(s->subs, (s->n_subs + 1) * sizeof(*s->subs));
	if (!s->subs)
		tk_die("out of memory");
	sub = &s->subs[s->n_subs++];
	memset(sub, 0, sizeof(*sub));
	sub->filter = tk_buf_copy(filter.data, filter.len);
	return sub;
}

void
tk_asession_subscribe(struct asession *s, struct tk_str filter, unsigned options, uint32_t id)
{
	struct asub *sub = sub_of(s, filter);
	unsigned handling = options >> 4 & 3;
	int is_new = sub == NULL;

	if (!sub)
		sub = add_sub(s, filter);
	sub->options = options;
	sub->id = id;
	if (!is_shared(sub) && (handling == 0 || (handling == 1 && is_new)))
		send_retained(s, sub);
}

int
tk_asession_unsubscribe(struct asession *s, struct tk_str filter)
{
	struct asub *sub = sub_of(s, filter);

	if (!sub)
		return 0;
	tk_buf_free(&sub->filter);
	*sub = s->subs[--s->n_subs];
	return 1;
}

/* Sessions */

struct asession *
tk_asession_find(struct tk_auto *a, struct tk_str id)
{
	size_t i;

	for (i = 0; i < a->n_sessions; i++)
		if (tk_str_eq(str_of(&a->sessions[i]->client_id), id))
			return a->sessions[i];
	return NULL;
}

struct asession *
tk_asession_new(struct tk_auto *a, struct tk_str id)
{
	struct asession *s = tk_calloc(1, sizeof(*s));

	s->broker = a;
	s->client_id = tk_buf_copy(id.data, id.len);
	s->last = &s->first;
	s->judged = tk_session_new();
	a->sessions = realloc(a->sessions, (a->n_sessions + 1) * sizeof(*a->sessions));
	if (!a->sessions)
		tk_die("out of memory");
	a->sessions[a->n_sessions++] = s;
	return s;
}

void
tk_asession_clear(struct asession *s)
{
	while (s->first)
		remove_delivery(s, &s->first);
	while (s->n_subs > 0)
		tk_buf_free(&s->subs[--s->n_subs].filter);
	free(s->subs);
	free(s->mids);
	free(s->in2);
	s->subs = NULL;
	s->mids = s->in2 = NULL;
	s->next_mid = 0;
	s->kept = 0;
}

void
tk_asession_free(struct asession *s)
{
	tk_asession_clear(s);
	tk_session_free(s->judged);
	tk_buf_free(&s->client_id);
	free(s);
}

/* What was sent with QoS 0 in an earlier connection is gone already; the rest goes out in its
 * order. */
void
tk_asession_online(struct asession *s, struct aconn *c, unsigned window)
{
	struct delivery *d;

	s->conn = c;
	s->window = s->max_window = window;
	for (d = s->first; d; d = d->next)
		d->here = 0;
	s->unsent = s->first;
	tk_asession_pump(s);
}
