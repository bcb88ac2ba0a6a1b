/*
 * Builders of MQTT packets of versions 3.1, 3.1.1 and 5.0, both those of a server and those of a
 * client.
 *
 * Nothing is checked: each builder writes what it is told, also when that is illegal. Whatever a
 * builder cannot say (wrong lengths, cut packets) is written with tk_hex() or tk_make_packet().
 *
 * `props` is a property list without its length, in the notation of bytes.h ("1F {'why'} 21 0005");
 * NULL is the empty list. Versions below 5 ignore it. Each returned buffer belongs to the caller.
 */
#ifndef TK_MAKE_H
#define TK_MAKE_H

#include "bytes.h"

enum { TK_V31 = 3, TK_V311 = 4, TK_V5 = 5 };

enum tk_type {
	TK_CONNECT = 1,
	TK_CONNACK,
	TK_PUBLISH,
	TK_PUBACK,
	TK_PUBREC,
	TK_PUBREL,
	TK_PUBCOMP,
	TK_SUBSCRIBE,
	TK_SUBACK,
	TK_UNSUBSCRIBE,
	TK_UNSUBACK,
	TK_PINGREQ,
	TK_PINGRESP,
	TK_DISCONNECT,
	TK_AUTH
};

const char *tk_type_name(unsigned type); /* "CONNECT" ...; "type 0" for what has no name */

/* First byte, the shortest Remaining Length, body. */
struct tk_buf tk_make_packet(unsigned first_byte, const void *body, size_t len);

/* Everything that a CONNECT can say; zero members give the plainest legal one for `version`. */
struct tk_make_connect {
	int version;
	const char *client_id; /* NULL: empty */
	int clean;
	unsigned keepalive;
	const char *props;
	const char *will_topic; /* NULL: no will */
	const char *will_payload;
	unsigned will_qos;
	int will_retain;
	const char *will_props;
	const char *username;
	const char *password;
	/* Ill-formed ones: */
	const char *name;   /* protocol name instead of the right one */
	unsigned level;	    /* protocol level instead of the right one */
	unsigned flags_xor; /* bits of the connect flags to turn over */
};
struct tk_buf tk_make_connect(const struct tk_make_connect *c);
#define TK_MAKE_CONNECT(...) tk_make_connect(&(struct tk_make_connect){__VA_ARGS__})

struct tk_make_publish {
	int version;
	const char *topic;   /* NULL: empty */
	const char *payload; /* C text; NULL: none */
	const void *data;    /* payload of data_len bytes, when payload is NULL */
	size_t data_len;
	unsigned qos;
	int retain;
	int dup;
	unsigned mid; /* written when qos is not 0 */
	const char *props;
};
struct tk_buf tk_make_publish(const struct tk_make_publish *p);
#define TK_MAKE_PUBLISH(...) tk_make_publish(&(struct tk_make_publish){__VA_ARGS__})

struct tk_buf tk_make_connack(int version, int session_present, unsigned code, const char *props);

/*
 * PUBACK, PUBREC, PUBREL, PUBCOMP with their legal flags. Version 5 writes the shortest form: the
 * code only if it is not 0 or properties follow, the property length only if `props` is not NULL.
 */
struct tk_buf
tk_make_ack(int version, enum tk_type type, unsigned mid, unsigned code, const char *props);

/* `codes` in packet notation: "00 01 80". */
struct tk_buf tk_make_suback(int version, unsigned mid, const char *codes, const char *props);
struct tk_buf tk_make_unsuback(int version, unsigned mid, const char *codes, const char *props);

/* `filters` in packet notation: "{'a/b'} 01 {'c/#'} 02"; for UNSUBSCRIBE without options. */
struct tk_buf tk_make_subscribe(int version, unsigned mid, const char *filters, const char *props);
struct tk_buf
tk_make_unsubscribe(int version, unsigned mid, const char *filters, const char *props);

/* DISCONNECT and AUTH: code and properties are left out as in tk_make_ack(), and below version 5.
 */
struct tk_buf tk_make_disconnect(int version, unsigned code, const char *props);
struct tk_buf tk_make_auth(unsigned code, const char *props);
struct tk_buf tk_make_pingreq(void);
struct tk_buf tk_make_pingresp(void);

/* A property list, item by item, for lists that a text cannot say. */
void tk_prop_u8(struct tk_buf *list, unsigned id, unsigned v);
void tk_prop_u16(struct tk_buf *list, unsigned id, unsigned v);
void tk_prop_u32(struct tk_buf *list, unsigned id, uint32_t v);
void tk_prop_varint(struct tk_buf *list, unsigned id, uint32_t v);
void tk_prop_str(struct tk_buf *list, unsigned id, const char *s);
void tk_prop_bin(struct tk_buf *list, unsigned id, const void *data, size_t len);
void tk_prop_pair(struct tk_buf *list, const char *name, const char *value); /* User Property */

#endif
