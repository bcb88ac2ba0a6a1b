/* Property lists of version 5: one table of all 27, and the reading and checking of a list. */
#include "cursor.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

enum kind { BYTE, TWO, FOUR, VAR, STRING, BINARY, PAIR };

#define IN(type) (1u << (type))
#define WILL IN(TK_PROPS_WILL)
#define ACKS (IN(TK_PUBACK) | IN(TK_PUBREC) | IN(TK_PUBREL) | IN(TK_PUBCOMP))
#define CON IN(TK_CONNECT)
#define CAK IN(TK_CONNACK)
#define PUB IN(TK_PUBLISH)
#define DIS IN(TK_DISCONNECT)
#define AUT IN(TK_AUTH)
#define SUBACKS (IN(TK_SUBACK) | IN(TK_UNSUBACK))
#define SUBS (IN(TK_SUBSCRIBE) | IN(TK_UNSUBSCRIBE))

struct prop_rule {
	unsigned id;
	const char *name;
	enum kind kind;
	unsigned from[2];     /* where a client and a server may put it */
	uint32_t least, most; /* of its number */
	const char *value_id; /* the rule that a bad value breaks */
};

#define ANY 0xffffffffu

static const struct prop_rule rules[] = {
    {0x01, "Payload Format Indicator", BYTE, {PUB | WILL, PUB}, 0, 1, "3.3.2.3.2"},
    {0x02, "Message Expiry Interval", FOUR, {PUB | WILL, PUB}, 0, ANY, NULL},
    {0x03, "Content Type", STRING, {PUB | WILL, PUB}, 0, ANY, NULL},
    {0x08, "Response Topic", STRING, {PUB | WILL, PUB}, 0, ANY, NULL},
    {0x09, "Correlation Data", BINARY, {PUB | WILL, PUB}, 0, ANY, NULL},
    {0x0b, "Subscription Identifier", VAR, {IN(TK_SUBSCRIBE), PUB}, 1, ANY, "3.8.2.1.2"},
    {0x11, "Session Expiry Interval", FOUR, {CON | DIS, CAK}, 0, ANY, NULL},
    {0x12, "Assigned Client Identifier", STRING, {0, CAK}, 0, ANY, NULL},
    {0x13, "Server Keep Alive", TWO, {0, CAK}, 0, ANY, NULL},
    {0x15, "Authentication Method", STRING, {CON | AUT, CAK | AUT}, 0, ANY, NULL},
    {0x16, "Authentication Data", BINARY, {CON | AUT, CAK | AUT}, 0, ANY, NULL},
    {0x17, "Request Problem Information", BYTE, {CON, 0}, 0, 1, "3.1.2.11.7"},
    {0x18, "Will Delay Interval", FOUR, {WILL, 0}, 0, ANY, NULL},
    {0x19, "Request Response Information", BYTE, {CON, 0}, 0, 1, "3.1.2.11.6"},
    {0x1a, "Response Information", STRING, {0, CAK}, 0, ANY, NULL},
    {0x1c, "Server Reference", STRING, {0, CAK | DIS}, 0, ANY, NULL},
    {0x1f, "Reason String", STRING, {ACKS | DIS | AUT, CAK | ACKS | SUBACKS | DIS | AUT}, 0, ANY,
	NULL},
    {0x21, "Receive Maximum", TWO, {CON, CAK}, 1, ANY, "3.1.2.11.3"},
    {0x22, "Topic Alias Maximum", TWO, {CON, CAK}, 0, ANY, NULL},
    {0x23, "Topic Alias", TWO, {PUB, PUB}, 1, ANY, "3.3.2-8"},
    {0x24, "Maximum QoS", BYTE, {0, CAK}, 0, 1, "3.2.2.3.4"},
    {0x25, "Retain Available", BYTE, {0, CAK}, 0, 1, "3.2.2.3.5"},
    {0x26, "User Property", PAIR,
	{CON | WILL | PUB | ACKS | SUBS | DIS | AUT, CAK | PUB | ACKS | SUBACKS | DIS | AUT}, 0,
	ANY, NULL},
    {0x27, "Maximum Packet Size", FOUR, {CON, CAK}, 1, ANY, "3.1.2.11.4"},
    {0x28, "Wildcard Subscription Available", BYTE, {0, CAK}, 0, 1, "3.2.2.3.11"},
    {0x29, "Subscription Identifier Available", BYTE, {0, CAK}, 0, 1, "3.2.2.3.12"},
    {0x2a, "Shared Subscription Available", BYTE, {0, CAK}, 0, 1, "3.2.2.3.13"},
};

static const struct prop_rule *
rule_of(unsigned id)
{
	size_t i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].id == id)
			return &rules[i];
	return NULL;
}

static void
read_number(struct tk_cursor *c, const struct prop_rule *r, struct tk_prop *out)
{
	switch (r->kind) {
	case BYTE:
		out->number = tk_read_u8(c, r->name);
		return;
	case TWO:
		out->number = tk_read_u16(c, r->name);
		return;
	case FOUR:
		out->number = tk_read_u32(c, r->name);
		return;
	case VAR:
		out->number = tk_read_varint(c, r->name);
		return;
	case STRING:
	case BINARY:
	case PAIR:
		return;
	}
}

static void
read_value(struct tk_cursor *c, const struct prop_rule *r, struct tk_prop *out)
{
	if (r->kind == PAIR)
		out->name = tk_read_string(c, "User Property name");
	if (r->kind == PAIR || r->kind == STRING)
		out->value = tk_read_string(c, r->name);
	else if (r->kind == BINARY)
		out->value = tk_read_bin(c, r->name);
	else
		read_number(c, r, out);
}

static void
check_response_topic(struct tk_packet *p, struct tk_str topic)
{
	enum tk_text_fault f = tk_topic_check(topic.data, topic.len);

	if (f == TK_TEXT_WILDCARD)
		tk_fault_set(&p->fault, TK_V5, "3.3.2-14", NULL, "wildcard in the Response Topic");
	else if (f == TK_TEXT_EMPTY)
		tk_fault_set(&p->fault, TK_V5, "4.7.3-1", NULL, "empty Response Topic");
}

static void
check_value(struct tk_packet *p, const struct prop_rule *r, const struct tk_prop *prop)
{
	if (r->value_id && (prop->number < r->least || prop->number > r->most))
		tk_fault_set(&p->fault, TK_V5, r->value_id, NULL, "%s is %lu", r->name,
		    (unsigned long)prop->number);
	if (r->id == 0x08)
		check_response_topic(p, prop->value);
}

static const char *
place_id(const struct prop_rule *r, unsigned context, enum tk_from from)
{
	if (r->id == 0x0b && context == TK_PUBLISH && from == TK_FROM_CLIENT)
		return "3.3.4-6";
	if (r->id == 0x11 && context == TK_DISCONNECT)
		return "3.14.2-2";
	return "2.2.2.2";
}

static void
check_place(struct tk_packet *p, const struct prop_rule *r, unsigned context)
{
	const char *where = context == TK_PROPS_WILL ? "a will" : tk_type_name(context);

	if (!(r->from[p->from] & IN(context)))
		tk_fault_set(&p->fault, TK_V5, place_id(r, context, p->from), NULL,
		    "%s does not belong into %s", r->name, where);
}

/* User Property may always repeat, a server's Subscription Identifier in PUBLISH too. */
static void
check_repeat(struct tk_packet *p, const struct prop_rule *r, unsigned context, uint64_t *seen)
{
	uint64_t bit = (uint64_t)1 << r->id;
	int may = r->kind == PAIR || (r->id == 0x0b && context == TK_PUBLISH);

	if ((*seen & bit) && !may)
		tk_fault_set(&p->fault, TK_V5, "2.2.2.2", NULL, "%s is there twice", r->name);
	*seen |= bit;
}

static void
append(struct tk_props *list, const struct tk_prop *prop)
{
	size_t n = list->n;

	if ((n & (n - 1)) == 0) { /* room doubles at each power of two */
		list->item = realloc(list->item, (n ? 2 * n : 1) * sizeof(*prop));
		if (!list->item)
			tk_die("out of memory");
	}
	list->item[list->n++] = *prop;
}

static void
read_one(struct tk_cursor *c, unsigned context, struct tk_props *out, uint64_t *seen)
{
	struct tk_prop prop;
	const struct prop_rule *r;

	memset(&prop, 0, sizeof(prop));
	prop.id = tk_read_varint(c, "property identifier");
	r = rule_of(prop.id);
	if (!r) {
		tk_cursor_fail(c, "2.2.2.2", NULL, "unknown property");
		return;
	}
	check_place(c->p, r, context);
	read_value(c, r, &prop);
	if (c->stop)
		return;
	check_repeat(c->p, r, context, seen);
	check_value(c->p, r, &prop);
	append(out, &prop);
}

void
tk_read_props(struct tk_cursor *c, unsigned context, struct tk_props *out)
{
	struct tk_cursor list = *c;
	uint64_t seen = 0;
	uint32_t len;

	if (c->stop)
		return;
	if (c->left == 0) {
		tk_cursor_fail(c, "2.2.2-1", NULL, "the property length is missing");
		return;
	}
	len = tk_read_varint(c, "property length");
	list.at = c->at;
	tk_read_bytes(c, len, "property list");
	list.stop = c->stop;
	list.left = len;
	while (list.left > 0 && !list.stop)
		read_one(&list, context, out, &seen);
	c->stop |= list.stop;
}

const struct tk_prop *
tk_props_find(const struct tk_props *props, unsigned id)
{
	size_t i;

	for (i = 0; i < props->n; i++)
		if (props->item[i].id == id)
			return &props->item[i];
	return NULL;
}

uint32_t
tk_props_number(const struct tk_props *props, unsigned id, uint32_t absent)
{
	const struct tk_prop *prop = tk_props_find(props, id);

	return prop ? prop->number : absent;
}
