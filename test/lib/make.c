/* Builders of MQTT packets for tests; they check nothing, and send nothing. */
#include "make.h"

#include <stdio.h>
#include <string.h>

static const char *const type_names[] = {"type 0", "CONNECT", "CONNACK", "PUBLISH", "PUBACK",
    "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ",
    "PINGRESP", "DISCONNECT", "AUTH"};

const char *
tk_type_name(unsigned type)
{
	return type < 16 ? type_names[type] : "type above 15";
}

struct tk_buf
tk_make_packet(unsigned first_byte, const void *body, size_t len)
{
	struct tk_buf b = {0};

	tk_buf_u8(&b, first_byte);
	tk_buf_varint(&b, (uint32_t)len);
	tk_buf_put(&b, body, len);
	return b;
}

/* Takes the body over: the packet is returned, the body freed. */
static struct tk_buf
finish(unsigned first_byte, struct tk_buf *body)
{
	struct tk_buf b = tk_make_packet(first_byte, body->data, body->len);

	tk_buf_free(body);
	return b;
}

static void
put_props(struct tk_buf *body, int version, const char *props)
{
	struct tk_buf list;

	if (version < TK_V5)
		return;
	list = tk_hex(props ? props : "");
	tk_buf_varint(body, (uint32_t)list.len);
	tk_buf_put(body, list.data, list.len);
	tk_buf_free(&list);
}

/* The optional tail of acknowledgements, DISCONNECT and AUTH in version 5. */
static void
put_tail(struct tk_buf *body, int version, unsigned code, const char *props)
{
	if (version < TK_V5 || (code == 0 && !props))
		return;
	tk_buf_u8(body, code);
	if (props)
		put_props(body, version, props);
}

static void
put_text(struct tk_buf *body, const char *s)
{
	tk_buf_str(body, s ? s : "");
}

static unsigned
connect_flags(const struct tk_make_connect *c)
{
	unsigned flags = c->clean ? 0x02 : 0;

	if (c->will_topic)
		flags |= 0x04 | (c->will_qos & 3) << 3 | (c->will_retain ? 0x20u : 0);
	if (c->username)
		flags |= 0x80;
	if (c->password)
		flags |= 0x40;
	return flags ^ c->flags_xor;
}

static void
put_connect_payload(struct tk_buf *body, const struct tk_make_connect *c)
{
	put_text(body, c->client_id);
	if (c->will_topic) {
		put_props(body, c->version, c->will_props);
		put_text(body, c->will_topic);
		put_text(body, c->will_payload);
	}
	if (c->username)
		put_text(body, c->username);
	if (c->password)
		put_text(body, c->password);
}

struct tk_buf
tk_make_connect(const struct tk_make_connect *c)
{
	struct tk_buf body = {0};
	const char *name = c->version == TK_V31 ? "MQIsdp" : "MQTT";

	put_text(&body, c->name ? c->name : name);
	tk_buf_u8(&body, c->level ? c->level : (unsigned)c->version);
	tk_buf_u8(&body, connect_flags(c));
	tk_buf_u16(&body, c->keepalive);
	put_props(&body, c->version, c->props);
	put_connect_payload(&body, c);
	return finish(0x10, &body);
}

struct tk_buf
tk_make_publish(const struct tk_make_publish *p)
{
	struct tk_buf body = {0};
	unsigned first = 0x30 | (p->dup ? 8u : 0) | (p->qos & 3) << 1 | (p->retain ? 1u : 0);

	put_text(&body, p->topic);
	if (p->qos > 0)
		tk_buf_u16(&body, p->mid);
	put_props(&body, p->version, p->props);
	if (p->payload)
		tk_buf_put(&body, p->payload, strlen(p->payload));
	else
		tk_buf_put(&body, p->data, p->data_len);
	return finish(first, &body);
}

struct tk_buf
tk_make_connack(int version, int session_present, unsigned code, const char *props)
{
	struct tk_buf body = {0};

	tk_buf_u8(&body, session_present ? 1 : 0);
	tk_buf_u8(&body, code);
	put_props(&body, version, props);
	return finish(0x20, &body);
}

struct tk_buf
tk_make_ack(int version, enum tk_type type, unsigned mid, unsigned code, const char *props)
{
	struct tk_buf body = {0};

	tk_buf_u16(&body, mid);
	put_tail(&body, version, code, props);
	return finish((unsigned)type << 4 | (type == TK_PUBREL ? 2u : 0), &body);
}

static struct tk_buf
with_list(unsigned first, int version, unsigned mid, const char *list, const char *props)
{
	struct tk_buf body = {0};

	tk_buf_u16(&body, mid);
	put_props(&body, version, props);
	tk_buf_hex(&body, list ? list : "");
	return finish(first, &body);
}

struct tk_buf
tk_make_suback(int version, unsigned mid, const char *codes, const char *props)
{
	return with_list(0x90, version, mid, codes, props);
}

struct tk_buf
tk_make_unsuback(int version, unsigned mid, const char *codes, const char *props)
{
	return with_list(0xb0, version, mid, version < TK_V5 ? "" : codes, props);
}

struct tk_buf
tk_make_subscribe(int version, unsigned mid, const char *filters, const char *props)
{
	return with_list(0x82, version, mid, filters, props);
}

struct tk_buf
tk_make_unsubscribe(int version, unsigned mid, const char *filters, const char *props)
{
	return with_list(0xa2, version, mid, filters, props);
}

struct tk_buf
tk_make_disconnect(int version, unsigned code, const char *props)
{
	struct tk_buf body = {0};

	put_tail(&body, version, code, props);
	return finish(0xe0, &body);
}

struct tk_buf
tk_make_auth(unsigned code, const char *props)
{
	struct tk_buf body = {0};

	put_tail(&body, TK_V5, code, props);
	return finish(0xf0, &body);
}

struct tk_buf
tk_make_pingreq(void)
{
	return tk_make_packet(0xc0, NULL, 0);
}

struct tk_buf
tk_make_pingresp(void)
{
	return tk_make_packet(0xd0, NULL, 0);
}

void
tk_prop_u8(struct tk_buf *list, unsigned id, unsigned v)
{
	tk_buf_u8(list, id);
	tk_buf_u8(list, v);
}

void
tk_prop_u16(struct tk_buf *list, unsigned id, unsigned v)
{
	tk_buf_u8(list, id);
	tk_buf_u16(list, v);
}

void
tk_prop_u32(struct tk_buf *list, unsigned id, uint32_t v)
{
	tk_buf_u8(list, id);
	tk_buf_u32(list, v);
}

void
tk_prop_varint(struct tk_buf *list, unsigned id, uint32_t v)
{
	tk_buf_u8(list, id);
	tk_buf_varint(list, v);
}

void
tk_prop_str(struct tk_buf *list, unsigned id, const char *s)
{
	tk_prop_bin(list, id, s, strlen(s));
}

void
tk_prop_bin(struct tk_buf *list, unsigned id, const void *data, size_t len)
{
	tk_buf_u8(list, id);
	tk_buf_bin(list, data, len);
}

void
tk_prop_pair(struct tk_buf *list, const char *name, const char *value)
{
	tk_prop_str(list, 0x26, name);
	tk_buf_str(list, value);
}
