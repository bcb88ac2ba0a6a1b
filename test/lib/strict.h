/*
 * A strict decoder of single MQTT packets, of either direction and of all three versions.
 *
 * It reports the first rule that a packet breaks on its own; rules about the order of packets are
 * in stream.h. Text and bytes of a decoded packet are views into packet->raw.
 */
#ifndef TK_STRICT_H
#define TK_STRICT_H

#include "bytes.h"
#include "make.h"

enum tk_from { TK_FROM_CLIENT, TK_FROM_SERVER };

struct tk_str {
	const unsigned char *data;
	size_t len;
};

/* One property: numbers in `number`; strings and binary data in `value`; `name` is a pair's first
 * half. */
struct tk_prop {
	unsigned id;
	uint32_t number;
	struct tk_str name;
	struct tk_str value;
};

struct tk_props {
	struct tk_prop *item;
	size_t n;
};

struct tk_filter {
	struct tk_str filter;
	unsigned options; /* the QoS alone below version 5 */
};

/* The rule that was broken: "v5 3.1.2-3" or "v3 3.1.2-3" and why. An empty id: none. */
struct tk_fault {
	char id[24];
	char text[200];
};

struct tk_connect_part {
	int bridge; /* bit 7 of the protocol level, as bridges set it */
	unsigned flags;
	int clean;
	unsigned keepalive;
	struct tk_str client_id;
	int has_will;
	unsigned will_qos;
	int will_retain;
	struct tk_props will_props;
	struct tk_str will_topic, will_payload;
	int has_username, has_password;
	struct tk_str username, password;
};

struct tk_packet {
	struct tk_buf raw;
	int version;
	enum tk_from from;
	unsigned type, flags;
	int dup, retain;
	unsigned qos;
	int has_mid;
	unsigned mid;
	struct tk_str topic, payload;
	int session_present; /* CONNACK */
	int has_reason;	     /* 0 when the code was left out; `reason` is 0 then */
	unsigned reason;
	struct tk_props props;
	struct tk_filter *filters; /* SUBSCRIBE, UNSUBSCRIBE */
	size_t n_filters;
	struct tk_str codes; /* SUBACK, UNSUBACK */
	struct tk_connect_part connect;
	struct tk_fault fault;
};

/*
 * Whether `data` begins with a whole packet: 1 and its size in *total; 0 when more bytes are needed
 * (*total is then the size if it is known already, else 0); -1 when its length does not end within
 * four bytes.
 */
int tk_frame(const void *data, size_t len, size_t *total);

/*
 * Decodes the one packet in data[0..len) and checks it. `version` 0: a CONNECT tells its version
 * itself. Returns 0, or -1 when a rule was broken; the fields up to the fault are filled even then.
 * The packet must be given to tk_packet_clear() in both cases.
 */
int
tk_packet_parse(struct tk_packet *p, int version, enum tk_from from, const void *data, size_t len);
void tk_packet_clear(struct tk_packet *p);

/* The first property of that identifier, or NULL. */
const struct tk_prop *tk_props_find(const struct tk_props *props, unsigned id);
/* Its number, or `absent`. */
uint32_t tk_props_number(const struct tk_props *props, unsigned id, uint32_t absent);

int tk_str_is(struct tk_str s, const char *text);
int tk_str_eq(struct tk_str a, struct tk_str b);

/* Notes a broken rule unless one is noted already. Without an id for the version, the other one is
 * named. */
void tk_fault_set(struct tk_fault *f, int version, const char *v5, const char *v3, const char *fmt,
    ...) __attribute__((format(printf, 5, 6)));

#endif
