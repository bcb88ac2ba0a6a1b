/* The model broker. What it is judged by is in judge.c. */
#include "sim/model_broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/make.h"

static void
broke(struct model_broker *mb, const char *what, unsigned mid)
{
	if (mb->error[0] == '\0')
		snprintf(mb->error, sizeof(mb->error), "broker: %.150s %u", what, mid);
	mb->over = true;
}

static void
put(struct model_broker *mb, enum mb_lane lane, struct tk_buf packet)
{
	tk_buf_put(&mb->lane[lane], packet.data, packet.len);
	tk_buf_free(&packet);
}

/* --- the session ----------------------------------------------------------------------------- */

void
mb_init(struct model_broker *mb, int version, struct rng *rng, const struct mb_events *events,
    void *arg)
{
	memset(mb, 0, sizeof(*mb));
	mb->version = version;
	mb->rng = rng;
	mb->events = events;
	mb->arg = arg;
}

static void
forget_messages(struct model_broker *mb)
{
	struct mb_message *m;

	while ((m = mb->first) != NULL) {
		mb->first = m->next;
		free(m);
	}
	mb->last = NULL;
}

static void
drop_session(struct model_broker *mb)
{
	if (mb->in_count > 0)
		memset(mb->in, 0, sizeof(mb->in));
	mb->in_count = 0;
	mb->next_mid = 0; /* a new session uses the same identifiers again */
	forget_messages(mb);
	memset(mb->subscribed, 0, sizeof(mb->subscribed));
	mb->has_session = false;
}

void
mb_lose_session(struct model_broker *mb)
{
	if (!mb->has_session)
		return;
	drop_session(mb);
	mb->events->lost(mb->arg);
}

void
mb_free(struct model_broker *mb)
{
	forget_messages(mb);
	tk_buf_free(&mb->part);
	for (int i = 0; i < MB_LANES; i++)
		tk_buf_free(&mb->lane[i]);
	for (int i = 0; i <= 16; i++)
		tk_buf_free(&mb->client_alias[i]);
}

static void
set_in(struct model_broker *mb, unsigned mid, unsigned char value)
{
	mb->in_count += (unsigned)value - mb->in[mid];
	mb->in[mid] = value;
}

/* --- messages for the client ------------------------------------------------------------------ */

bool
mb_publish(struct model_broker *mb, unsigned token, unsigned topic, unsigned qos)
{
	struct mb_message *m;

	if (!mb->has_session || !mb->subscribed[0])
		return false;
	if (qos == 0 && (!mb->open || !mb->accepted))
		return false;
	m = tk_calloc(1, sizeof(*m));
	m->token = token;
	m->topic = topic;
	m->qos = qos;
	if (mb->last != NULL)
		mb->last->next = m;
	else
		mb->first = m;
	mb->last = m;
	return true;
}

static void
remove_message(struct model_broker *mb, struct mb_message *m)
{
	struct mb_message **at = &mb->first;
	struct mb_message *before = NULL;

	while (*at != m) {
		before = *at;
		at = &(*at)->next;
	}
	*at = m->next;
	if (mb->last == m)
		mb->last = before;
	if (m->counted)
		mb->in_flight--;
	free(m);
}

static struct mb_message *
message_of(struct model_broker *mb, unsigned mid)
{
	struct mb_message *m = mb->first;

	while (m != NULL && m->mid != mid)
		m = m->next;
	return m;
}

static unsigned
free_mid(struct model_broker *mb)
{
	do {
		mb->next_mid = mb->next_mid % 65535 + 1;
	} while (message_of(mb, mb->next_mid) != NULL);
	return mb->next_mid;
}

/* Sets aliases, uses them, maps them anew. The text of a property list, or "" without alias. */
static bool
choose_alias(struct model_broker *mb, unsigned topic, char props[20])
{
	unsigned alias =
	    1 + rng_below(mb->rng, mb->client_alias_max < 16 ? mb->client_alias_max : 16);
	bool known;

	props[0] = '\0';
	if (mb->version != TK_V5 || mb->client_alias_max == 0 || rng_percent(mb->rng, 40))
		return false;
	known = mb->alias_topic[alias] == (int)topic;
	mb->alias_topic[alias] = (int)topic;
	snprintf(props, 20, "23 %04X", alias);
	return known && rng_percent(mb->rng, 80);
}

static void
send_publish(struct model_broker *mb, struct mb_message *m)
{
	char topic[20], payload[20], props[20];
	bool alone = choose_alias(mb, m->topic, props);

	snprintf(topic, sizeof(topic), "s/%u", m->topic);
	snprintf(payload, sizeof(payload), "b%u", m->token);
	put(mb, MB_LANE_MESSAGES,
	    TK_MAKE_PUBLISH(.version = mb->version, .topic = alone ? NULL : topic,
		.payload = payload, .qos = m->qos, .mid = m->mid,
		.dup = m->qos > 0 && m->counted == false && m->sent_here, .props = props));
}

/* In the original order, within the client's Receive Maximum. */
static void
pump(struct model_broker *mb)
{
	struct mb_message *next;

	for (struct mb_message *m = mb->first; m != NULL && mb->accepted && !mb->over; m = next) {
		bool again = m->mid != 0;

		next = m->next;
		if (m->sent_here)
			continue;
		if (m->released) {
			m->sent_here = true;
			put(mb, MB_LANE_MESSAGES,
			    tk_make_ack(mb->version, TK_PUBREL, m->mid, 0, NULL));
			continue;
		}
		if (m->qos > 0 && mb->in_flight >= mb->client_receive_max)
			return;
		if (m->qos > 0 && !again)
			m->mid = free_mid(mb);
		m->sent_here = again; /* read as DUP by send_publish() */
		send_publish(mb, m);
		m->sent_here = true;
		if (m->qos == 0) {
			remove_message(mb, m);
			continue;
		}
		m->counted = true;
		mb->in_flight++;
	}
}

bool
mb_idle(const struct model_broker *mb)
{
	return mb->first == NULL;
}

/* --- packets from the client ------------------------------------------------------------------ */

static void
connack_props(struct model_broker *mb, struct tk_buf *text)
{
	const struct mb_limits *l = &mb->limits;

	if (l->receive_max > 0)
		tk_buf_printf(text, "21 %04X ", l->receive_max);
	if (l->max_packet > 0)
		tk_buf_printf(text, "27 %08X ", l->max_packet);
	if (l->keepalive > 0)
		tk_buf_printf(text, "13 %04X ", l->keepalive);
	if (l->alias_max > 0)
		tk_buf_printf(text, "22 %04X ", l->alias_max);
	if (l->max_qos_1)
		tk_buf_printf(text, "24 01 ");
	if (l->no_retain)
		tk_buf_printf(text, "25 00 ");
	tk_buf_put(text, "", 1);
}

static void
accept_client(struct model_broker *mb)
{
	struct tk_buf text = {0};

	mb->fresh = !mb->has_session;
	mb->has_session = true;
	mb->accepted = true;
	connack_props(mb, &text);
	put(mb, MB_LANE_CONNACK,
	    tk_make_connack(mb->version, !mb->fresh, 0, (const char *)text.data));
	tk_buf_free(&text);
}

static bool
has_expired(const struct model_broker *mb, uint64_t now)
{
	return mb->version == TK_V5 && mb->expiry_s != UINT32_MAX &&
	       now - mb->closed_ms >= (uint64_t)mb->expiry_s * 1000;
}

static void
on_connect(struct model_broker *mb, const struct tk_packet *p, uint64_t now)
{
	if (mb->accepted) {
		broke(mb, "a second CONNECT", 0);
		return;
	}
	if (rng_percent(mb->rng, mb->refuse_percent)) {
		put(mb, MB_LANE_CONNACK,
		    tk_make_connack(mb->version, 0, mb->version == TK_V5 ? 0x88 : 3, ""));
		mb->over = true;
		return;
	}
	if (p->connect.clean || has_expired(mb, now))
		mb_lose_session(mb);
	mb->clean = p->connect.clean && mb->version != TK_V5;
	mb->expiry_s = tk_props_number(&p->props, 0x11, 0);
	mb->client_receive_max = tk_props_number(&p->props, 0x21, 65535);
	mb->client_alias_max = tk_props_number(&p->props, 0x22, 0);
	mb->client_max_packet = tk_props_number(&p->props, 0x27, 0);
	accept_client(mb);
}

/* The topic, also behind an alias; empty: the alias says nothing. */
static struct tk_str
topic_of(struct model_broker *mb, const struct tk_packet *p)
{
	unsigned alias = tk_props_number(&p->props, 0x23, 0);
	struct tk_buf *known = &mb->client_alias[alias <= 16 ? alias : 0];

	if (alias == 0)
		return p->topic;
	if (alias > mb->limits.alias_max) {
		broke(mb, "a Topic Alias beyond the maximum:", alias);
	} else if (p->topic.len > 0) {
		tk_buf_clear(known);
		tk_buf_put(known, p->topic.data, p->topic.len);
	} else if (known->len == 0) {
		broke(mb, "an unknown Topic Alias", alias);
	}
	return (struct tk_str){known->data, known->len};
}

static const char *
explanation(const struct model_broker *mb)
{
	return mb->explains && mb->version == TK_V5 ? "1F {'because'}" : NULL;
}

static void
on_publish(struct model_broker *mb, const struct tk_packet *p)
{
	struct tk_str topic = topic_of(mb, p);
	unsigned code;

	if (mb->over)
		return;

	if (p->qos == 2 && mb->in[p->mid] != 0) {
		put(mb, MB_LANE_PUBREC, tk_make_ack(mb->version, TK_PUBREC, p->mid, 0, NULL));
		return;
	}
	code = mb->events->received(mb->arg, p, topic);
	if (p->qos == 1)
		put(mb, MB_LANE_PUBACK, tk_make_ack(mb->version, TK_PUBACK, p->mid, code, NULL));
	if (p->qos == 2) {
		put(mb, MB_LANE_PUBREC,
		    tk_make_ack(mb->version, TK_PUBREC, p->mid, code, explanation(mb)));
		if (code < 0x80)
			set_in(mb, p->mid, 1);
	}
}

static void
on_pubrel(struct model_broker *mb, const struct tk_packet *p)
{
	bool known = mb->in[p->mid] != 0;

	if (known)
		set_in(mb, p->mid, 0);
	put(mb, MB_LANE_PUBCOMP,
	    tk_make_ack(mb->version, TK_PUBCOMP, p->mid, known ? 0 : 0x92, explanation(mb)));
}

static void
complete(struct model_broker *mb, struct mb_message *m)
{
	mb->events->completed(mb->arg, m->token);
	remove_message(mb, m);
}

static void
on_puback(struct model_broker *mb, const struct tk_packet *p)
{
	struct mb_message *m = message_of(mb, p->mid);

	if (m == NULL || m->qos != 1)
		broke(mb, "PUBACK for nothing:", p->mid);
	else
		complete(mb, m);
}

static void
on_pubrec(struct model_broker *mb, const struct tk_packet *p)
{
	struct mb_message *m = message_of(mb, p->mid);

	if (m == NULL || m->qos != 2) {
		broke(mb, "PUBREC for nothing:", p->mid);
		return;
	}
	if (p->reason >= 0x80) {
		complete(mb, m);
		return;
	}
	m->released = true;
	put(mb, MB_LANE_MESSAGES, tk_make_ack(mb->version, TK_PUBREL, p->mid, 0, NULL));
}

static void
on_pubcomp(struct model_broker *mb, const struct tk_packet *p)
{
	struct mb_message *m = message_of(mb, p->mid);

	if (m == NULL || !m->released)
		broke(mb, "PUBCOMP for nothing:", p->mid);
	else
		complete(mb, m);
}

static int
filter_index(struct tk_str filter)
{
	if (filter.len == 3 && filter.data[0] == 'f')
		return filter.data[2] - '0';
	return 0; /* "s/#" */
}

/* Granted in the same order; sometimes one is refused. */
static void
on_subscribe(struct model_broker *mb, const struct tk_packet *p)
{
	struct tk_buf codes = {0};
	bool subscribe = p->type == TK_SUBSCRIBE;

	for (size_t i = 0; i < p->n_filters; i++) {
		int at = filter_index(p->filters[i].filter);
		bool refuse = at != 0 && rng_percent(mb->rng, 10);

		if (!refuse)
			mb->subscribed[at] = subscribe;
		tk_buf_printf(&codes, "%s ",
		    subscribe ? (refuse ? "80" : "02")
			      : (refuse && mb->version == TK_V5 ? "87" : "00"));
	}
	tk_buf_put(&codes, "", 1);
	if (subscribe)
		put(mb, MB_LANE_SUBACK,
		    tk_make_suback(mb->version, p->mid, (const char *)codes.data, NULL));
	else
		put(mb, MB_LANE_SUBACK,
		    tk_make_unsuback(mb->version, p->mid, (const char *)codes.data, NULL));
	tk_buf_free(&codes);
}

static void
on_packet(struct model_broker *mb, const struct tk_packet *p, uint64_t now)
{
	if (p->type != TK_CONNECT && !mb->accepted) {
		broke(mb, "a packet before CONNECT, of type", p->type);
		return;
	}
	switch ((enum tk_type)p->type) {
	case TK_CONNECT:
		on_connect(mb, p, now);
		break;
	case TK_PUBLISH:
		on_publish(mb, p);
		break;
	case TK_PUBACK:
		on_puback(mb, p);
		break;
	case TK_PUBREC:
		on_pubrec(mb, p);
		break;
	case TK_PUBREL:
		on_pubrel(mb, p);
		break;
	case TK_PUBCOMP:
		on_pubcomp(mb, p);
		break;
	case TK_SUBSCRIBE:
	case TK_UNSUBSCRIBE:
		on_subscribe(mb, p);
		break;
	case TK_PINGREQ:
		put(mb, MB_LANE_PINGRESP, tk_make_pingresp());
		break;
	case TK_DISCONNECT:
		mb->over = true;
		break;
	case TK_CONNACK:
	case TK_SUBACK:
	case TK_UNSUBACK:
	case TK_PINGRESP:
	case TK_AUTH:
		broke(mb, "a packet that it may not get, of type", p->type);
		break;
	}
}

/* --- the connection --------------------------------------------------------------------------- */

void
mb_open(struct model_broker *mb)
{
	mb->open = true;
	mb->accepted = false;
	mb->over = false;
	mb->fresh = false;
	mb->in_flight = 0;
	for (size_t i = 0; i < sizeof(mb->alias_topic) / sizeof(mb->alias_topic[0]); i++)
		mb->alias_topic[i] = -1;
	for (int i = 0; i <= 16; i++)
		tk_buf_clear(&mb->client_alias[i]);
	for (struct mb_message *m = mb->first; m != NULL; m = m->next)
		m->sent_here = m->counted = false;
}

void
mb_input(struct model_broker *mb, const void *data, size_t len, uint64_t now_ms)
{
	size_t used = 0;
	size_t size;

	tk_buf_put(&mb->part, data, len);
	while (!mb->over && tk_frame(mb->part.data + used, mb->part.len - used, &size) == 1) {
		struct tk_packet p;

		if (tk_packet_parse(&p, mb->version, TK_FROM_CLIENT, mb->part.data + used, size) !=
		    0)
			broke(mb, p.fault.text, 0);
		else
			on_packet(mb, &p, now_ms);
		tk_packet_clear(&p);
		used += size;
	}
	tk_buf_drain(&mb->part, used);
}

bool
mb_has_output(const struct model_broker *mb)
{
	for (int i = 0; i < MB_LANES; i++) {
		if (mb->lane[i].len > 0)
			return true;
	}
	return false;
}

static int
choose_lane(struct model_broker *mb)
{
	int lane;

	if (!mb_has_output(mb))
		return -1;
	if (mb->lane[MB_LANE_CONNACK].len > 0)
		return MB_LANE_CONNACK;
	do {
		lane = (int)rng_below(mb->rng, MB_LANES);
	} while (mb->lane[lane].len == 0);
	return lane;
}

void
mb_emit(struct model_broker *mb, struct tk_buf *out, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		size_t size = 0;
		int lane;

		pump(mb);
		lane = choose_lane(mb);
		if (lane < 0)
			return;
		if (tk_frame(mb->lane[lane].data, mb->lane[lane].len, &size) != 1)
			tk_die("a lane without a whole packet");
		tk_buf_put(out, mb->lane[lane].data, size);
		tk_buf_drain(&mb->lane[lane], size);
	}
}

void
mb_close(struct model_broker *mb, bool client_knows, uint64_t now_ms)
{
	if (!mb->open)
		return;
	mb->open = false;
	mb->closed_ms = now_ms;
	tk_buf_clear(&mb->part);
	for (int i = 0; i < MB_LANES; i++)
		tk_buf_clear(&mb->lane[i]);
	if (mb->accepted && (mb->clean || (mb->fresh && !client_knows)))
		mb_lose_session(mb);
	mb->accepted = false;
}
