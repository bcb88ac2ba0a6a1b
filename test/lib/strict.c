/* The strict decoder of single packets: one reader per packet type. Order of packets: stream.c. */
#include "strict.h"

#include "cursor.h"
#include "strict_codes.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULE(p, v5, v3, ...) tk_fault_set(&(p)->fault, (p)->version, v5, v3, __VA_ARGS__)

static void
read_props(struct tk_cursor *c, unsigned context, struct tk_props *out)
{
	if (c->p->version >= TK_V5)
		tk_read_props(c, context, out);
}

/* Names and filters */

static void
check_topic(struct tk_packet *p, struct tk_str topic, const char *what)
{
	enum tk_text_fault f = tk_topic_check(topic.data, topic.len);

	if (f == TK_TEXT_EMPTY)
		RULE(p, "4.7.3-1", "4.7.3-1", "%s is empty", what);
	else if (f == TK_TEXT_WILDCARD)
		RULE(p, "3.3.2-2", "3.3.2-2", "%s: %s", what, tk_text_fault_name(f));
}

struct text_rule {
	const char *v5, *v3;
};

static const struct text_rule filter_rules[TK_TEXT_FAULTS] = {
    [TK_TEXT_EMPTY] = {"4.7.3-1", "4.7.3-1"},
    [TK_TEXT_BAD_HASH] = {"4.7.1-1", "4.7.1-2"},
    [TK_TEXT_BAD_PLUS] = {"4.7.1-2", "4.7.1-3"},
    [TK_TEXT_SHARE_NAME] = {"4.8.2-1", NULL},
    [TK_TEXT_SHARE_FILTER] = {"4.8.2-2", NULL},
};

static void
check_filter(struct tk_packet *p, struct tk_str s)
{
	enum tk_text_fault f = tk_filter_check(s.data, s.len, p->version >= TK_V5);

	if (filter_rules[f].v5)
		RULE(
		    p, filter_rules[f].v5, filter_rules[f].v3, "filter: %s", tk_text_fault_name(f));
}

static void
read_mid(struct tk_cursor *c, const char *v5, const char *v3)
{
	c->p->mid = tk_read_u16(c, "packet identifier");
	c->p->has_mid = !c->stop;
	if (!c->stop && c->p->mid == 0)
		RULE(c->p, v5, v3, "%s with packet identifier 0", tk_type_name(c->p->type));
}

/* CONNECT */

static int
version_of(struct tk_str name, unsigned level)
{
	if (level == TK_V31)
		return tk_str_is(name, "MQIsdp") ? TK_V31 : 0;
	if (level != TK_V311 && level != TK_V5)
		return 0;
	return tk_str_is(name, "MQTT") ? (int)level : 0;
}

static void
read_version(struct tk_cursor *c)
{
	struct tk_packet *p = c->p;
	struct tk_str name = tk_read_string(c, "protocol name");
	unsigned level = tk_read_u8(c, "protocol level");
	int version = version_of(name, level & 0x7f), wanted = p->version;

	if (c->stop)
		return;
	p->connect.bridge = version && version < TK_V5 && (level & 0x80);
	if (!p->connect.bridge && (level & 0x80))
		version = 0;
	if (!tk_str_is(name, wanted == TK_V31 || version == TK_V31 ? "MQIsdp" : "MQTT"))
		tk_cursor_fail(c, "3.1.2-1", "3.1.2-1", "wrong protocol name");
	else if (!version || (wanted && wanted != version))
		tk_cursor_fail(c, "3.1.2-2", "3.1.2-2", "wrong protocol level");
	else
		p->version = version;
}

static void
check_connect_flags(struct tk_packet *p, unsigned flags)
{
	struct tk_connect_part *con = &p->connect;

	if (flags & 1)
		RULE(p, "3.1.2-3", "3.1.2-3", "CONNECT: reserved flag is set");
	if (!con->has_will && con->will_qos)
		RULE(p, "3.1.2-11", "3.1.2-13", "CONNECT: will QoS without a will");
	if (!con->has_will && con->will_retain)
		RULE(p, "3.1.2-13", "3.1.2-15", "CONNECT: will retain without a will");
	if (con->will_qos == 3)
		RULE(p, "3.1.2-12", "3.1.2-14", "CONNECT: will QoS 3");
	if (p->version < TK_V5 && con->has_password && !con->has_username)
		RULE(p, NULL, "3.1.2-22", "CONNECT: password without user name");
}

static void
read_connect_flags(struct tk_cursor *c)
{
	struct tk_connect_part *con = &c->p->connect;
	unsigned flags = tk_read_u8(c, "connect flags");

	con->flags = flags;
	con->clean = (flags >> 1) & 1;
	con->has_will = (flags >> 2) & 1;
	con->will_qos = (flags >> 3) & 3;
	con->will_retain = (flags >> 5) & 1;
	con->has_password = (flags >> 6) & 1;
	con->has_username = (flags >> 7) & 1;
	if (!c->stop)
		check_connect_flags(c->p, flags);
}

static void
check_client_id(struct tk_packet *p)
{
	size_t len = p->connect.client_id.len;

	if (p->version == TK_V31 && (len < 1 || len > 23))
		RULE(p, NULL, "3.1.3-5", "CONNECT: client id of %zu bytes in version 3.1", len);
	else if (p->version == TK_V311 && len == 0 && !p->connect.clean)
		RULE(p, NULL, "3.1.3-7", "CONNECT: empty client id without clean session");
}

/* A field that its flag promises; when nothing at all is left, the flag's own rule is named. */
static struct tk_str
read_promised(struct tk_cursor *c, int text, const char *what, const char *v5, const char *v3)
{
	char why[80];

	if (!c->stop && c->left == 0) {
		snprintf(why, sizeof(why), "%s is missing though its flag is set", what);
		tk_cursor_fail(c, v5, v3, why);
	}
	return text ? tk_read_string(c, what) : tk_read_bin(c, what);
}

static void
read_will(struct tk_cursor *c)
{
	struct tk_connect_part *con = &c->p->connect;

	if (c->left == 0)
		tk_cursor_fail(
		    c, "3.1.2-9", "3.1.2-9", "the will is missing though its flag is set");
	read_props(c, TK_PROPS_WILL, &con->will_props);
	con->will_topic = tk_read_string(c, "will topic");
	if (!c->stop)
		check_topic(c->p, con->will_topic, "will topic");
	con->will_payload = tk_read_bin(c, "will payload");
}

static void
read_connect(struct tk_cursor *c)
{
	struct tk_packet *p = c->p;
	struct tk_connect_part *con = &p->connect;

	read_version(c);
	read_connect_flags(c);
	con->keepalive = tk_read_u16(c, "keep alive");
	read_props(c, TK_CONNECT, &p->props);
	con->client_id = read_promised(c, 1, "client id", "3.1.3-3", "3.1.3-3");
	if (!c->stop)
		check_client_id(p);
	if (con->has_will && !c->stop)
		read_will(c);
	if (con->has_username)
		con->username = read_promised(c, 1, "user name", "3.1.2-17", "3.1.2-19");
	if (con->has_password)
		con->password = read_promised(c, 0, "password", "3.1.2-19", "3.1.2-21");
	if (tk_props_find(&p->props, 0x16) && !tk_props_find(&p->props, 0x15))
		RULE(p, "3.1.2.11.10", NULL, "Authentication Data without a method");
}

/* The other packets */

static void
read_connack(struct tk_cursor *c)
{
	struct tk_packet *p = c->p;
	unsigned flags = tk_read_u8(c, "connack flags");
	int old_refusal;

	p->reason = tk_read_u8(c, "reason code");
	p->has_reason = 1;
	p->session_present = flags & 1;
	if (p->version > TK_V31 && (flags & 0xfe))
		RULE(p, "3.2.2-1", "3.2.2.1", "CONNACK: reserved flags %02X", flags);
	/* A server that knows no version 5 refuses it in the form of 3.1.1. */
	old_refusal = p->version == TK_V5 && c->left == 0 && p->reason == 1 && !p->session_present;
	if (old_refusal)
		return;
	tk_check_reason(p, p->reason);
	if (p->version > TK_V31 && p->session_present && p->reason)
		RULE(p, "3.2.2-6", "3.2.2-4", "CONNACK: Session Present with code %02X", p->reason);
	read_props(c, TK_CONNACK, &p->props);
}

static void
check_publish(struct tk_packet *p)
{
	int alias = tk_props_find(&p->props, 0x23) != NULL;

	if (p->qos == 3)
		RULE(p, "3.3.1-4", "3.3.1-4", "PUBLISH: QoS 3");
	if (p->dup && p->qos == 0 && p->version > TK_V31)
		RULE(p, "3.3.1-2", "3.3.1-2", "PUBLISH: DUP with QoS 0");
	if (p->topic.len > 0 || !alias)
		check_topic(p, p->topic, "topic name");
}

static void
read_publish(struct tk_cursor *c)
{
	struct tk_packet *p = c->p;

	p->dup = (p->flags >> 3) & 1;
	p->qos = (p->flags >> 1) & 3;
	p->retain = p->flags & 1;
	p->topic = tk_read_string(c, "topic name");
	if (p->qos > 0)
		read_mid(c, p->from == TK_FROM_CLIENT ? "2.2.1-3" : "2.2.1-4",
		    p->from == TK_FROM_CLIENT ? "2.3.1-1" : "2.3.1-4");
	read_props(c, TK_PUBLISH, &p->props);
	if (!c->stop)
		check_publish(p);
	p->payload = tk_read_bytes(c, c->left, "payload");
}

/* What may be left out at the end of PUBACK and its kin, DISCONNECT and AUTH. */
static void
read_tail(struct tk_cursor *c)
{
	struct tk_packet *p = c->p;

	if (p->version < TK_V5 || c->left == 0 || c->stop)
		return;
	p->reason = tk_read_u8(c, "reason code");
	p->has_reason = 1;
	tk_check_reason(p, p->reason);
	if (c->left > 0)
		read_props(c, p->type, &p->props);
}

static void
read_ack(struct tk_cursor *c)
{
	read_mid(c, "2.2.1-5", "2.3.1-6");
	read_tail(c);
}

static void
add_filter(struct tk_packet *p, struct tk_str filter, unsigned options)
{
	size_t n = p->n_filters;

	if ((n & (n - 1)) == 0) {
		p->filters = realloc(p->filters, (n ? 2 * n : 1) * sizeof(*p->filters));
		if (!p->filters)
			tk_die("out of memory");
	}
	p->filters[p->n_filters++] = (struct tk_filter){filter, options};
}

static void
check_options(struct tk_packet *p, struct tk_str filter, unsigned o)
{
	unsigned reserved = p->version < TK_V5 ? 0xfc : 0xc0;

	if ((o & reserved) || (o & 3) == 3 || (o & 0x30) == 0x30)
		RULE(p, "3.8.3-5", "3-8.3-4", "SUBSCRIBE: options %02X", o);
	if (p->version >= TK_V5 && (o & 4) && tk_filter_is_shared(filter.data, filter.len))
		RULE(p, "3.8.3-4", NULL, "SUBSCRIBE: No Local on a shared subscription");
}

static void
read_filter(struct tk_cursor *c)
{
	struct tk_packet *p = c->p;
	struct tk_str filter = tk_read_string(c, "topic filter");
	unsigned options = 0;

	if (!c->stop)
		check_filter(p, filter);
	if (p->type == TK_SUBSCRIBE) {
		options = tk_read_u8(c, "subscription options");
		if (!c->stop)
			check_options(p, filter, options);
	}
	if (!c->stop)
		add_filter(p, filter, options);
}

static void
read_filters(struct tk_cursor *c)
{
	struct tk_packet *p = c->p;

	read_mid(c, "2.2.1-3", "2.3.1-1");
	read_props(c, p->type, &p->props);
	while (c->left > 0 && !c->stop)
		read_filter(c);
	if (c->stop || p->n_filters > 0)
		return;
	if (p->type == TK_SUBSCRIBE)
		RULE(p, "3.8.3-2", "3.8.3-3", "SUBSCRIBE without a filter");
	else
		RULE(p, "3.10.3-2", "3.10.3-2", "UNSUBSCRIBE without a filter");
}

static void
read_suback(struct tk_cursor *c)
{
	struct tk_packet *p = c->p;
	size_t i;

	read_mid(c, "2.2.1-6", "2.3.1-7");
	read_props(c, p->type, &p->props);
	if (p->type == TK_UNSUBACK && p->version < TK_V5)
		return;
	p->codes = tk_read_bytes(c, c->left, "reason codes");
	for (i = 0; i < p->codes.len; i++)
		tk_check_reason(p, p->codes.data[i]);
	if (!c->stop && p->codes.len == 0)
		RULE(p, "3.9.3-1", "3.9.3-1", "%s without a code", tk_type_name(p->type));
}

static void
read_nothing(struct tk_cursor *c)
{
	(void)c;
}

static void
read_auth(struct tk_cursor *c)
{
	read_tail(c);
	if (!c->stop && !tk_props_find(&c->p->props, 0x15))
		RULE(c->p, "3.15.2.2.2", NULL, "AUTH without Authentication Method");
}

enum { C = 1, S = 2, BOTH = 3 };

struct packet_rule {
	void (*read)(struct tk_cursor *c);
	unsigned senders, senders_v5; /* who may send it before version 5, and in it */
	unsigned flags;
	const char *flags_v5, *flags_v3; /* the rule that wrong flags break */
};

static const struct packet_rule packet_rules[16] = {
    [TK_CONNECT] = {read_connect, C, C, 0, "2.1.3-1", "2.2.2-1"},
    [TK_CONNACK] = {read_connack, S, S, 0, "2.1.3-1", "2.2.2-1"},
    [TK_PUBLISH] = {read_publish, BOTH, BOTH, 0, NULL, NULL},
    [TK_PUBACK] = {read_ack, BOTH, BOTH, 0, "2.1.3-1", "2.2.2-1"},
    [TK_PUBREC] = {read_ack, BOTH, BOTH, 0, "2.1.3-1", "2.2.2-1"},
    [TK_PUBREL] = {read_ack, BOTH, BOTH, 2, "3.6.1-1", "3.6.1-1"},
    [TK_PUBCOMP] = {read_ack, BOTH, BOTH, 0, "2.1.3-1", "2.2.2-1"},
    [TK_SUBSCRIBE] = {read_filters, C, C, 2, "3.8.1-1", "3.8.1-1"},
    [TK_SUBACK] = {read_suback, S, S, 0, "2.1.3-1", "2.2.2-1"},
    [TK_UNSUBSCRIBE] = {read_filters, C, C, 2, "3.10.1-1", "3.10.1-1"},
    [TK_UNSUBACK] = {read_suback, S, S, 0, "2.1.3-1", "2.2.2-1"},
    [TK_PINGREQ] = {read_nothing, C, C, 0, "2.1.3-1", "2.2.2-1"},
    [TK_PINGRESP] = {read_nothing, S, S, 0, "2.1.3-1", "2.2.2-1"},
    [TK_DISCONNECT] = {read_tail, C, BOTH, 0, "3.14.1-1", "3.14.1-1"},
    [TK_AUTH] = {read_auth, 0, BOTH, 0, "3.15.1-1", NULL},
};

static int
sender_allowed(const struct tk_packet *p)
{
	const struct packet_rule *r = &packet_rules[p->type];
	unsigned who = p->from == TK_FROM_CLIENT ? C : S;

	return ((p->version >= TK_V5 ? r->senders_v5 : r->senders) & who) != 0;
}

/* Version 3.1 lets DUP be set on what may be resent, and leaves the flags of a server's packets
 * open. */
static int
flags_allowed(const struct tk_packet *p)
{
	const struct packet_rule *r = &packet_rules[p->type];

	if (!r->flags_v5 || p->flags == r->flags)
		return 1;
	if (p->version != TK_V31)
		return 0;
	return p->from == TK_FROM_SERVER || (r->flags == 2 && p->flags == 10);
}

static void
check_packet(struct tk_cursor *c)
{
	struct tk_packet *p = c->p;
	const struct packet_rule *r = &packet_rules[p->type];

	if (!r->read || !sender_allowed(p)) {
		tk_cursor_fail(c, "2.1.2", "2.2.1", "not a packet for this sender and version");
		return;
	}
	if (!flags_allowed(p))
		RULE(p, r->flags_v5, r->flags_v3, "%s with flags %X", tk_type_name(p->type),
		    p->flags);
	r->read(c);
	if (!c->stop && c->left > 0)
		tk_cursor_fail(c, p->type == TK_CONNECT ? "3.1.3-1" : "2.1.4",
		    p->type == TK_CONNECT ? "3.1.3-1" : "2.2.3", "bytes are left over");
}

static void
parse(struct tk_packet *p)
{
	struct tk_cursor c = {p, p->raw.data, p->raw.len, 0};
	unsigned first = tk_read_u8(&c, "fixed header");
	uint32_t len;

	p->type = first >> 4;
	p->flags = first & 15;
	len = tk_read_varint(&c, "Remaining Length");
	if (c.stop)
		return;
	if (len != c.left) {
		tk_cursor_fail(&c, "2.1.4", "2.2.3", "Remaining Length is not what follows");
		return;
	}
	check_packet(&c);
}

int
tk_packet_parse(struct tk_packet *p, int version, enum tk_from from, const void *data, size_t len)
{
	memset(p, 0, sizeof(*p));
	p->raw = tk_buf_copy(data, len);
	p->version = version;
	p->from = from;
	parse(p);
	return p->fault.id[0] ? -1 : 0;
}

void
tk_packet_clear(struct tk_packet *p)
{
	free(p->props.item);
	free(p->connect.will_props.item);
	free(p->filters);
	tk_buf_free(&p->raw);
	memset(p, 0, sizeof(*p));
}
