/* One submitted operation: a PUBLISH, SUBSCRIBE or UNSUBSCRIBE with all that is needed to send it,
 * again too, in any protocol version. */
#ifndef MQEV_CORE_OP_H
#define MQEV_CORE_OP_H

#include "core/packet.h"

/* The application's callback, kept for the client, which knows its real type. */
typedef void (*mqev_op_done)(void);

enum mqev_op_state {
	MQEV_OP_QUEUED, /* never sent in this session -> the wait for its first acknowledgement */
	MQEV_OP_WAIT_PUBACK,  /* -> done; QUEUED when the session was lost */
	MQEV_OP_WAIT_PUBREC,  /* -> WAIT_PUBCOMP, done; QUEUED when the session was lost and it may
				 be sent again */
	MQEV_OP_WAIT_PUBCOMP, /* -> done; QUEUED as above */
	MQEV_OP_WAIT_SUBACK   /* SUBACK or UNSUBACK -> done; QUEUED when the connection ended */
};

enum mqev_op_flag {
	MQEV_OP_RETAIN = 1,
	MQEV_OP_SENT = 2,	  /* sent on this connection */
	MQEV_OP_COUNTED = 4,	  /* takes a place in the window of messages, or of requests */
	MQEV_OP_WILDCARD = 8,	  /* SUBSCRIBE: a filter has a wildcard */
	MQEV_OP_SHARED = 16,	  /* SUBSCRIBE: a filter is a shared subscription */
	MQEV_OP_IDENTIFIER = 32,  /* SUBSCRIBE: has a Subscription Identifier */
	MQEV_OP_OFFLINE = 8,	  /* PUBLISH: not taken for want of a connection */
	MQEV_OP_INTERNAL = 64,	  /* made by the library: no operation of the application */
	MQEV_OP_RENUMBERED = 128, /* kept: took another n, and may have been sent */
	MQEV_OP_COVERED = 256,	  /* kept: with its acceptance it is noted that it may be sent */
	MQEV_OP_CANCELED =
	    512, /* completed already; goes on in silence, for its identifier is in use */
	MQEV_OP_UNSURE = 1024,	 /* may have arrived in a session that was lost; to be sent again */
	MQEV_OP_LOOSE = 2048,	 /* PUBLISH that was never sent: may be dropped */
	MQEV_OP_LOADING = 4096,	 /* kept: its bytes were asked for */
	MQEV_OP_REMOVED = 8192,	 /* kept: the removal of its record is under way */
	MQEV_OP_DAMAGED = 16384, /* its bytes cannot be read; only its identifier is known */
	MQEV_OP_LEAVING = 32768	 /* kept and doomed: completes when its removal is durable */
};

/* A reason other than success and properties, kept until the operation completes. */
struct mqev_op_said {
	uint32_t len;
	uint8_t reason;
	uint8_t properties[];
};

struct mqev_op_link {
	struct mqev_op *next;
	struct mqev_op *prev;
};

struct mqev_op {
	struct mqev_op_link queue; /* its place in the order of acceptance */
	struct mqev_op_link
	    wait;	 /* its place among those that wait for an acknowledgement, oldest first */
	uint64_t number; /* what the application knows it by */
	uint64_t n;	 /* the packet identifier follows from it */
	uint64_t since_ms;   /* when the wait began */
	uint64_t expires_ms; /* 0: never */
	uint64_t accepted_ms;
	mqev_op_done done;
	void *arg;
	void (*release)(void *release_arg);
	void *release_arg;
	struct mqev_op_said *said; /* by the PUBREC, until PUBCOMP; by what a leaving one ends
				      with; NULL: nothing special */
	uint64_t seq;		   /* of its record in a store; 0: it has none */
	uint64_t ticket;	   /* of the last change of it that something waits for */
	uint64_t cookie;	   /* the application's */
	const uint8_t *head; /* topic and properties; NULL: a stub, all bytes are in the store */
	const uint8_t
	    *payload; /* PUBLISH: the payload; else the filters as they stand in the packet */
	uint32_t payload_len;
	uint32_t properties_len;
	uint32_t expiry_at; /* where in the properties the four bytes of the Message Expiry Interval
			       stand */
	uint32_t cost;	    /* bytes of memory allocated for it, for the queue's limit */
	uint32_t refs;
	uint32_t subscription_id; /* the library's own, 0: none */
	uint16_t topic_len;
	uint16_t filter_count;
	uint16_t mid;	/* 0 until it is sent */
	uint16_t flags; /* enum mqev_op_flag */
	uint8_t type;	/* enum mqev_packet_type */
	uint8_t qos;
	uint8_t state; /* enum mqev_op_state */
	uint8_t resends;
	int16_t doom;	 /* 0, or the error it is about to end with */
	uint8_t bytes[]; /* topic, properties, payload unless it is the application's */
};

#define MQEV_OP_NO_EXPIRY UINT32_MAX

/* What to make an operation from; everything is copied, the payload too unless release is set. */
struct mqev_op_parts {
	enum mqev_packet_type type;
	struct mqev_bytes topic;
	struct mqev_bytes properties;
	struct mqev_bytes payload;
	void (*release)(void *release_arg);
	void *release_arg;
	mqev_op_done done;
	void *arg;
	uint32_t subscription_id; /* SUBSCRIBE: an identifier of the library's own, 0: none */
};

/* The bytes of memory that an operation takes. */
size_t mqev_op_cost(const struct mqev_op_parts *parts);
/* One reference for the caller; NULL when memory runs out (release is not called then). */
struct mqev_op *mqev_op_new(const struct mqev_op_parts *parts);
/* Gives back what only sending needs, of a PUBLISH that is in no list and will not be sent. Returns
 * where it is now; it keeps its number, callback and payload to be released. */
struct mqev_op *mqev_op_shrink(struct mqev_op *op);
/* Keeps a reason other than success and properties. False: no memory. */
bool mqev_op_keep_said(struct mqev_op *op, uint8_t reason, struct mqev_bytes properties);
void mqev_op_ref(struct mqev_op *op);
/* The last one frees, and releases the application's payload. */
void mqev_op_unref(struct mqev_op *op);

static inline struct mqev_bytes
mqev_op_topic(const struct mqev_op *op)
{
	return (struct mqev_bytes){op->head, op->topic_len};
}

static inline struct mqev_bytes
mqev_op_properties(const struct mqev_op *op)
{
	return (struct mqev_bytes){op->head + op->topic_len, op->properties_len};
}

static inline struct mqev_bytes
mqev_op_payload(const struct mqev_op *op)
{
	return (struct mqev_bytes){op->payload, op->payload_len};
}

/* A list in the order of acceptance. */
struct mqev_op_queue {
	struct mqev_op *head;
	struct mqev_op *tail;
};

void mqev_op_queue_append(struct mqev_op_queue *queue, struct mqev_op *op);
void mqev_op_queue_remove(struct mqev_op_queue *queue, struct mqev_op *op);
/* The same over the other links of an operation: the list of those that wait. */
void mqev_op_wait_append(struct mqev_op_queue *waiting, struct mqev_op *op);
void mqev_op_wait_remove(struct mqev_op_queue *waiting, struct mqev_op *op);

#endif
