/* What the files of the session share with one another and with nobody else. */
#ifndef MQEV_CORE_SESSION_INTERNAL_H
#define MQEV_CORE_SESSION_INTERNAL_H

#include "core/alias.h"
#include "core/ids.h"
#include "core/session.h"

/* A QoS 0 message whose bytes are on their way to the kernel. */
struct mqev_departing {
	uint64_t offset; /* it left when that many bytes of the connection have */
	uint64_t number;
	mqev_op_done done;
	void *arg;
	struct mqev_op *op; /* NULL when no operation had to be made for it */
};

/* Outgoing operations. */
struct mqev_outbox {
	struct mqev_op_queue
	    messages;		   /* QoS 1 and 2: those in flight first, then those that wait */
	struct mqev_op_queue qos0; /* waiting for the link */
	struct mqev_op_queue subscribes; /* SUBSCRIBE and UNSUBSCRIBE: in flight first */
	struct mqev_op_queue doomed;	 /* to be ended with the error that each holds */
	struct mqev_op_queue leaving;	 /* likewise, once their records are gone from a store */
	uint32_t unremoved;		 /* of these: whose removal was not appended yet */
	struct mqev_op_queue waiting;	 /* all that wait for an acknowledgement, oldest first */
	struct mqev_op *next_message;	 /* the first not sent on this connection */
	struct mqev_op *
	    next_release; /* on resume: where the search for PUBRELs behind a full window goes on */
	struct mqev_op *next_subscribe;
	struct mqev_op *first_loose; /* in messages; those behind it are loose too */
	struct mqev_ids ids;
	uint32_t numbered_ids;		  /* how many of them follow from numbers */
	struct mqev_aliases *aliases;	  /* that we gave on this connection; NULL: none */
	struct mqev_departing *departing; /* a ring */
	uint32_t departing_capacity;
	uint32_t departing_head;
	uint32_t departing_count;
	uint32_t window_used;
	uint32_t requests_used;	   /* SUBSCRIBEs and UNSUBSCRIBEs that wait for their answers */
	uint64_t next_expiry_ms;   /* no waiting message expires before; UINT64_MAX: none does */
	struct mqev_load used;	   /* all but the doomed */
	struct mqev_load loose[2]; /* of these, what may be dropped: of QoS 0, of QoS 1 and 2 */
	struct mqev_load doomed_load;
};

/* Acknowledgements in the order in which they must leave. */
struct mqev_owed {
	struct mqev_ack *head;
	struct mqev_ack *tail;
};

struct mqev_alias_topic {
	char *text; /* NULL: not set */
	uint32_t len;
	uint32_t capacity;
};

/* Received messages. */
struct mqev_inbox {
	struct mqev_ids qos2;	  /* received and not released; the value says when and how far */
	uintptr_t connection;	  /* the number of this one; never 0 */
	struct mqev_owed owed[2]; /* QoS 1 and QoS 2 */
	struct mqev_alias_topic *aliases; /* of the server; by alias - 1 */
	uint32_t alias_capacity;
	uint32_t open; /* messages of this connection that count against Receive Maximum */
};

/* A PUBLISH on its way to the application. */
struct mqev_received {
	const struct mqev_publish_packet *packet;
	const char *alias_topic; /* NULL: the topic stands in the packet */
	size_t topic_len;
};

/* A PUBLISH on its way to the sink. */
struct mqev_outgoing {
	struct mqev_publish_packet packet;
	size_t size;	    /* of the whole packet in the version in use */
	struct mqev_op *op; /* allows a large payload to go by reference; may be NULL */
	uint32_t expiry_at; /* as in struct mqev_op */
};

/* What a message view points to while its callback runs. */
struct mqev_delivery {
	struct mqev_session *session;
	struct mqev_ack *held;
	struct mqev_stored *stored; /* NULL: no store keeps it */
};

/* Whether the server takes a packet of this size; before CONNACK its limit is not known. */
static inline bool
mqev_session_fits(const struct mqev_session *s, size_t size)
{
	return s->server.max_packet_size == 0 || size <= s->server.max_packet_size;
}

/* session.c */
void mqev_session_end(struct mqev_session *s, int error, uint8_t reason, const char *text);
/* Ends a connection whose clean session took the place of another's, for one whose session stays.
 */
void mqev_session_make_room(struct mqev_session *s);
void mqev_session_ask_pump(struct mqev_session *s);
/* There is something that mqev_session_tell() has to tell. */
void mqev_session_owe(struct mqev_session *s);
void mqev_session_malformed(struct mqev_session *s, const struct mqev_fault *fault);
void mqev_session_protocol_error(struct mqev_session *s, const char *text);
void mqev_session_no_memory(struct mqev_session *s);

/* Room for a packet of that size; false: no memory, and the connection has ended. */
static inline bool
mqev_session_write(struct mqev_session *s, size_t size, struct mqev_writer *w)
{
	uint8_t *at = mqev_sink_reserve(s->sink, s, size);

	if (at == NULL) {
		mqev_session_no_memory(s);
		return false;
	}
	mqev_writer_init(w, at, size);
	return true;
}

/* The packet event, which may do anything to the session: the last that a caller does with its
 * contents. */
static inline void
mqev_session_tell_packet(struct mqev_session *s, bool sent, enum mqev_packet_type type,
    uint16_t mid, size_t size, union mqev_packet_view view)
{
	if (s->sink->events->packet != NULL)
		s->sink->events->packet(s, sent, type, mid, size, view);
}

/* Counts bytes that were committed to the sink and tells of them. */
static inline void
mqev_session_wrote(struct mqev_session *s, enum mqev_packet_type type, uint16_t mid, size_t size,
    union mqev_packet_view view)
{
	s->written += size;
	s->sink->tally.bytes_out += size;
	mqev_session_tell_packet(s, true, type, mid, size, view);
}

/* Writes PUBACK ... PUBCOMP; reason and properties are left out before 5.0. False: the connection
 * ended for want of memory. */
bool mqev_session_send_ack(
    struct mqev_session *s, enum mqev_packet_type type, uint16_t mid, uint8_t reason);

bool mqev_session_send_ack_packet(
    struct mqev_session *s, enum mqev_packet_type type, const struct mqev_ack_packet *ack);

/* session_text.c */
/* A topic or property holds code points that 1.5.4 advises against. */
bool mqev_session_discouraged_text(const struct mqev_packet *packet);

/* session_connack.c */
void mqev_session_on_connack(struct mqev_session *s, const struct mqev_packet *packet);

/* session_auth.c */
/* CONNECT: begins the exchange, if there is to be one; *data gets what goes with the method. False:
 * the connection has ended. */
bool mqev_auth_begin_connect(struct mqev_session *s, struct mqev_bytes *data);
/* Method and data as properties of CONNECT and AUTH; data.data NULL: without data. */
size_t mqev_auth_properties_size(const struct mqev_session *s, struct mqev_bytes data);
void mqev_auth_properties_write(
    const struct mqev_session *s, struct mqev_bytes data, struct mqev_writer *w);
/* What is wrong with the method of a CONNACK that accepts; NULL: nothing. */
const char *mqev_auth_connack_fault(const struct mqev_session *s, const struct mqev_properties *p);
/* The server accepted; false: the provider did not, and the connection has ended. */
bool mqev_auth_finish_connect(struct mqev_session *s, const struct mqev_properties *p);
void mqev_session_on_auth(struct mqev_session *s, const struct mqev_packet *packet);
/* Ends the exchange for the provider, and says nothing to anybody else. */
void mqev_auth_end(struct mqev_session *s);
void mqev_auth_closed(struct mqev_session *s);
void mqev_auth_free(struct mqev_session *s, int error);
uint64_t mqev_auth_deadline(const struct mqev_session *s);
void mqev_auth_tick(struct mqev_session *s, uint64_t now);
/* The answer that is awaited has all its time again from now on. */
void mqev_auth_rest(struct mqev_session *s, uint64_t now);

/* session_submit.c */
struct mqev_outbox *mqev_outbox_of(struct mqev_session *s);

/* session_queue.c */
/* Whether there is room within the limits for one more operation. */
bool mqev_outbox_fits(const struct mqev_session *s, size_t cost);
/* Whether it could be made as the settings say. qos0: for a QoS 0 message. */
bool mqev_outbox_may_make_room(const struct mqev_session *s, size_t cost, bool qos0);
/* Makes that room. False: too much was dropped in this turn of the loop. */
bool mqev_outbox_make_room(struct mqev_session *s, size_t cost, bool qos0, uint64_t now);
/* An accepted operation counts, and one that has ended or is doomed does not. */
void mqev_outbox_count(struct mqev_session *s, struct mqev_op *op);
void mqev_outbox_uncount(struct mqev_session *s, const struct mqev_op *op);
/* It is about to be sent, or to leave its queue: it may not be dropped any more. */
void mqev_outbox_fasten(struct mqev_outbox *out, struct mqev_op *op);
/* What an operation ends with that will not be sent for that error. */
int mqev_outbox_error_of(const struct mqev_op *op, int error);
/* Dooms an operation that waits to be sent; told of from the loop. */
void mqev_outbox_put_off(struct mqev_session *s, struct mqev_op *op, int error);
/* Accepts a QoS 0 message to complete it with MQEV_ERR_DROPPED. Its number or a negative error. */
int64_t mqev_outbox_drop_new(struct mqev_session *s, const struct mqev_op_parts *parts);
/* The operation of that number that is not over; NULL: none. */
struct mqev_op *mqev_outbox_find(const struct mqev_outbox *out, uint64_t number);

/* Identifiers up to here follow from the operations' numbers; those above are left for SUBSCRIBE
 * and UNSUBSCRIBE. */
#define MQEV_NUMBERED_IDS 64511u

static inline uint16_t
mqev_id_of_number(uint64_t n)
{
	return (uint16_t)(1 + n % MQEV_NUMBERED_IDS);
}

/* session_out.c */
/* Ends an operation that stands in one of the outbox's lists: out of them, its one completion, its
 * reference. */
void mqev_outbox_finish(struct mqev_session *s, struct mqev_op *op, const struct mqev_op_end *end);
void mqev_outbox_fail(struct mqev_session *s, struct mqev_op *op, int error);
/* Whether one that was in flight does not go out again when the server has lost the session. */
bool mqev_outbox_fails_with_session(const struct mqev_session *s, const struct mqev_op *op);
/* From now on op waits for an acknowledgement (again). */
void mqev_outbox_await(
    struct mqev_session *s, struct mqev_op *op, enum mqev_op_state state, uint64_t now);
bool mqev_outbox_grow_departing(struct mqev_outbox *out);
/* Room to note one more QoS 0 message. False: no memory. */
static inline bool
mqev_outbox_may_depart(struct mqev_outbox *out)
{
	return out->departing_count < out->departing_capacity || mqev_outbox_grow_departing(out);
}

/* Notes one whose last byte was just handed to the sink, or that ends with the connection. op: see
 * struct mqev_departing. */
void mqev_outbox_depart(
    struct mqev_session *s, uint64_t number, mqev_op_done done, void *arg, struct mqev_op *op);

/* session_send.c */
/* Sends a message's PUBLISH or PUBREL again that was not acknowledged in time (before 5.0 only). */
void mqev_session_resend(struct mqev_session *s, struct mqev_op *op, uint64_t now);
/* 0, or why the server would not take it: TOO_LARGE, QOS, RETAIN, WILDCARD, SHARED,
 * SUBSCRIPTION_ID. */
int mqev_publish_refusal(const struct mqev_session *s, uint8_t qos, bool retain, size_t size);
int mqev_subscribe_refusal(const struct mqev_session *s, uint16_t flags);
/* Writes and counts a whole PUBLISH, with a topic alias if there may be one, and leaves it for the
 * caller to tell of. False: the connection ended. */
bool mqev_session_write_publish(struct mqev_session *s, struct mqev_outgoing *o);

static inline void
mqev_session_tell_publish(struct mqev_session *s, const struct mqev_outgoing *o)
{
	mqev_session_tell_packet(s, true, MQEV_PACKET_PUBLISH, o->packet.mid, o->size,
	    (union mqev_packet_view){.publish = &o->packet});
}

/* The PUBRELs that a resume owes. */
void mqev_session_pump_releases(struct mqev_session *s, uint64_t now);

void mqev_outbox_resume(struct mqev_session *s);
void mqev_outbox_session_lost(struct mqev_session *s);
/* Ends those that are doomed now; not those that come meanwhile. */
void mqev_outbox_fail_doomed(struct mqev_session *s);
void mqev_outbox_closed(struct mqev_session *s);
void mqev_outbox_free(struct mqev_session *s, int error);
void mqev_outbox_trim(struct mqev_session *s);
/* Takes an operation out of its queue to be ended with error by the next mqev_outbox_fail_doomed().
 * It may move in memory. */
void mqev_outbox_doom(struct mqev_session *s, struct mqev_op *op, int error);

/* session_deadlines.c */
uint64_t mqev_outbox_deadline(const struct mqev_session *s);
void mqev_outbox_tick(struct mqev_session *s, uint64_t now);
/* Dooms what has expired, walking over the queue not more often than once a second. */
void mqev_outbox_sweep(struct mqev_session *s, uint64_t now);
/* The acknowledgements that are awaited have all their time again from now on. */
void mqev_outbox_rest(struct mqev_session *s, uint64_t now);

/* session_acks.c */
void mqev_session_on_puback(struct mqev_session *s, const struct mqev_packet *packet);
void mqev_session_on_pubrec(struct mqev_session *s, const struct mqev_packet *packet);
void mqev_session_on_pubcomp(struct mqev_session *s, const struct mqev_packet *packet);
void mqev_session_on_suback(struct mqev_session *s, const struct mqev_packet *packet);

/* session_in.c */
void mqev_session_on_publish(struct mqev_session *s, const struct mqev_packet *packet);
void mqev_session_on_pubrel(struct mqev_session *s, const struct mqev_packet *packet);
struct mqev_inbox *mqev_inbox_of(struct mqev_session *s);
/* True when the server has more messages in flight than it may: the connection has ended. */
bool mqev_inbox_quota_exceeded(struct mqev_session *s);
/* PUBACK or PUBREC was sent. */
void mqev_inbox_answered(struct mqev_session *s, uint8_t qos, uint16_t mid, uint8_t reason);
/* A store knows the identifier from now on. */
void mqev_inbox_stored(struct mqev_session *s, uint16_t mid);
/* Whether the application has the message: if so it is not delivered again, if not it is. */
void mqev_inbox_set_taken(struct mqev_session *s, uint16_t mid, bool taken);
void mqev_inbox_session_lost(struct mqev_session *s);
void mqev_inbox_closed(struct mqev_session *s);
void mqev_inbox_free(struct mqev_session *s);
void mqev_inbox_trim(struct mqev_session *s);

/* session_alias.c */
/* The topic that the message's alias stands for. False: the connection has ended. */
bool mqev_inbox_resolve_alias(struct mqev_session *s, struct mqev_received *r);
void mqev_inbox_forget_aliases(struct mqev_inbox *in);

/* session_owed.c */
bool mqev_owed_any(const struct mqev_session *s, uint8_t qos);
/* Puts an acknowledgement in line (held NULL: one that is given). False when memory runs out. */
bool mqev_owed_add(struct mqev_session *s, uint8_t qos, uint16_t mid, struct mqev_ack *held);
void mqev_owed_forget(struct mqev_inbox *in);
/* True once the application has acknowledged, other than by a failing reason. */
bool mqev_ack_is_given(const struct mqev_ack *ack);
/* The library's half of a handle that never got in line. */
void mqev_ack_abandon(struct mqev_ack *ack);
/* One more half, for what waits with it. */
void mqev_ack_ref(struct mqev_ack *ack);
/* The handle of a stored message does not reach it any more. */
void mqev_ack_let_go(struct mqev_ack *ack);
/* Writes the packet. */
void mqev_owed_send(struct mqev_session *s, const struct mqev_ack *ack);
uint64_t mqev_owed_deadline(const struct mqev_session *s);
void mqev_owed_tick(struct mqev_session *s, uint64_t now);

#endif
