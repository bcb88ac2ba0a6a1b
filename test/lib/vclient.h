/*
 * A session without a network: driven under a virtual clock, its bytes go to a growable sink, and
 *all that it writes and tells is recorded as text. Knows lib/core, so it is no part of the judge
 *that the rest of this folder is.
 *
 * The record has one line per event, and one per run of written bytes between two events:
 *
 *	> 40 02 00 01                            bytes handed to the sink
 *	connack 1 00 [11 00 00 00 05]            Session Present, code, [properties]
 *	message a/b 1 retain dup hi [02 ..]      topic, QoS, flags, payload, [properties]
 *	message a/b 2 hi =17                     token
 *	done 7 #3 ok 00 [1F ..] codes 01 02      number, identifier, error, reason, [properties],
 *						 SUBACK's codes
 *	accepted 7                               a store has it: number
 *	overdue #5 1 5000ms                      a message was held back for long: identifier, QoS,
 *						 time
 *	disconnect 8B [..]                       the server's DISCONNECT
 *	end PROTOCOL 82                          the state became ENDED: error, reason
 */
#ifndef MQEV_TEST_VCLIENT_H
#define MQEV_TEST_VCLIENT_H

#include "core/session.h"

struct vclient;

/* Growable bytes; memory comes from the system, not from the allocator under test. */
struct vbuf {
	uint8_t *data;
	size_t len;
	size_t cap;
};

void vbuf_put(struct vbuf *b, const void *data, size_t len);
void vbuf_printf(struct vbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void vbuf_free(struct vbuf *b);

enum vevent {
	V_CONNACK,
	V_DISCONNECT,
	V_MESSAGE,
	V_COMPLETE,
	V_OVERDUE,
	V_LATE,
	V_PACKET,
	V_DURABLE,
	V_WATER
};

/* Called in each event of the session, after it was recorded. */
typedef void (*vclient_hook)(struct vclient *v, enum vevent event);

/* The sink's memory is the library's allocator's, so that a write can fail. */
struct vsink {
	struct mqev_sink base; /* first */
	uint8_t *data;
	size_t recorded; /* so much of it stands in the record */
	bool exact;	 /* each write allocates */
	struct mqev_op **lent;
	size_t lent_count;
};

#define V_OPS 4096

enum vop {
	V_NONE,
	V_PENDING, /* accepted, its completion must come */
	V_SILENT,  /* accepted without a callback: its completion may come */
	V_DONE
};

struct vclient {
	struct mqev_session s;
	struct mqev_session_settings settings;
	struct mqev_session_events events;
	struct vsink sink;
	uint64_t now;
	const char *client_id;
	size_t budget;	  /* of one pump; SIZE_MAX at first */
	bool quiet_sent;  /* bytes stay on their way until vclient_sent() */
	bool no_record;	  /* nothing is recorded, for long runs */
	bool only_events; /* written bytes are not recorded */
	bool no_pump;	  /* nothing is pumped until vclient_pump() */
	bool wants_pump;
	bool submitting; /* in a call that submits an operation */
	bool ended;	 /* the end stands in the record */
	bool freed;
	struct vbuf in; /* received and not used yet */
	struct vbuf record;
	size_t checked; /* of the record, by the test */
	size_t writing; /* where its last line of written bytes ends */
	vclient_hook hook;
	void *hook_arg;
	/* What the event that is being hooked is about. */
	const struct mqev_connack_packet *connack;
	const struct mqev_message *message;
	const struct mqev_op *done;
	const struct mqev_op_end *end;
	const struct mqev_op *late;
	int hook_depth;

	/* How received bytes are cut: at up to two places of the whole input of the test, or
	 * everywhere. */
	size_t cut[2];
	bool every_byte;
	size_t fed; /* bytes given so far, over all connections */

	bool deaf; /* has no memory for messages */
	bool hold; /* takes a handle for each message */
	struct mqev_ack *held[16];
	int held_count;

	uint8_t op[V_OPS]; /* enum vop by number */
	bool deaf_ends;	   /* what ends now is not told of */
	int releases;	   /* calls of release functions */
	char broken[200];  /* the first rule of the interface that the session broke; empty: none */
};

/* A session that was never connected; settings are set to defaults and may be changed until it is.
 */
void vclient_init(struct vclient *v, enum mqev_version version);
/* The session anew, after a change of settings which it reads at its beginning. */
void vclient_restart(struct vclient *v);
/* The two halves of that: all operations end unheard, and a new session is there, whose numbers
 * begin anew. */
void vclient_end(struct vclient *v);
void vclient_begin(struct vclient *v);
/* For who calls the session itself: the record is brought up to date and the session pumped. */
void vclient_after_call(struct vclient *v);
/* Frees the session, each operation ending with CANCELED, and all else; the record is kept. */
void vclient_free_session(struct vclient *v);
void vclient_free(struct vclient *v);

bool vclient_connect(struct vclient *v);
/* Bytes from the server, cut as v->cut says; then pumps. */
void vclient_receive(struct vclient *v, const void *data, size_t len);
/* Pumps while the session asks for it, then tells it that all bytes have left. */
void vclient_pump(struct vclient *v);
void vclient_sent(struct vclient *v, uint64_t unsent);
/* The link is lost: what waited to be processed is gone. */
void vclient_close(struct vclient *v);
int vclient_disconnect(struct vclient *v, uint8_t reason, const void *properties, size_t len);
/* Time passes; the session is ticked when it wants to be. */
void vclient_advance(struct vclient *v, uint64_t ms);

/* The operation's number or error, also recorded as "refused ERROR". */
int64_t vclient_publish(struct vclient *v, uint8_t qos, const char *topic, const char *payload);
struct vpublish {
	uint8_t qos;
	bool retain;
	bool queued; /* QoS 0: not at once, as if the link had no room */
	bool silent; /* without a callback */
	const char *topic;
	const void *payload;
	size_t len;
	bool by_reference;
	const void *properties;
	size_t properties_len;
	uint32_t expiry_at; /* where its value stands in properties, when has_expiry */
	bool has_expiry;
	uint32_t expiry_s;
};
int64_t vclient_publish_with(struct vclient *v, const struct vpublish *p);
#define VPUBLISH(v, ...) vclient_publish_with((v), &(struct vpublish){__VA_ARGS__})

/* filters: as in the packet of version 5 (with options in a SUBSCRIBE). */
int64_t
vclient_subscribe(struct vclient *v, const void *filters, size_t len, size_t count, uint16_t flags);
int64_t vclient_unsubscribe(struct vclient *v, const void *filters, size_t len, size_t count);
int vclient_cancel(struct vclient *v, int64_t number);
/* The same by mqev_session_withdraw(). */
int vclient_withdraw(struct vclient *v, int64_t number);
/* Acknowledges the message held as number i. */
int vclient_ack(struct vclient *v, int i, uint8_t reason);

/* Appends to the record what was written since the last line of it. */
void vclient_flush_record(struct vclient *v);
void vclient_break(struct vclient *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* How many accepted operations have not completed. */
size_t vclient_pending(const struct vclient *v);

#endif
