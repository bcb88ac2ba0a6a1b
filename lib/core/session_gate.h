/* What the files of a durable session share with one another, and the rest of the session with
 * them: what waits to be durable, operations and received messages that a store keeps. */
#ifndef MQEV_CORE_SESSION_GATE_H
#define MQEV_CORE_SESSION_GATE_H

#include "core/ids.h"
#include "core/journal.h"
#include "core/session_internal.h"

/* What is done when a ticket is durable. */
enum mqev_gate_what {
	MQEV_GATE_NOTHING,  /* no more */
	MQEV_GATE_ACCEPTED, /* op: tell of it */
	MQEV_GATE_PUBREL,   /* op */
	MQEV_GATE_DELIVER,  /* stored: to the application, then PUBACK or PUBREC */
	MQEV_GATE_ANSWERED, /* stored: what answers it is durable */
	/* Packets; ack, if there is one, has the properties. */
	MQEV_GATE_PUBACK,
	MQEV_GATE_PUBREC,
	MQEV_GATE_PUBCOMP
};

struct mqev_gate_entry {
	uint64_t ticket;
	struct mqev_op *op; /* a reference */
	struct mqev_stored *stored;
	struct mqev_ack *ack; /* a reference */
	uint32_t connection;  /* packets of another one than the present do not leave */
	uint16_t mid;
	uint8_t what; /* enum mqev_gate_what */
	uint8_t reason;
};

/* Removals that are not durable yet. */
struct mqev_removals {
	uint64_t low_n;	 /* the lowest n of them */
	uint64_t ticket; /* of the last; 0: none */
	bool renumbered; /* one of them had another n than its own, which may be an older one's too
			  */
};

/* A received message, from its PUT until it is done and its identifier free. */
struct mqev_stored {
	struct mqev_stored *next; /* by rising seq */
	struct mqev_stored *prev;
	uint64_t seq;
	uint64_t ticket; /* of its PUT */
	uint64_t received_ms;
	int64_t expires_ms;    /* wall clock; 0: never */
	struct mqev_ack *hold; /* the application's handle */
	uint8_t *block;	       /* topic, NUL, properties, payload, until it was delivered */
	uint32_t properties_len;
	uint32_t payload_len;
	uint32_t bytes_len;  /* as in the record */
	uint32_t connection; /* that its identifier was last seen on */
	uint16_t topic_len;
	uint16_t mid;  /* 0: free */
	uint8_t state; /* enum mqev_record_state */
	uint8_t qos;
	uint8_t record_flags;
	uint8_t flags; /* enum mqev_stored_flag */
};

enum mqev_stored_flag {
	MQEV_STORED_DELIVERED = 1, /* or never will be */
	MQEV_STORED_LOADING = 2,   /* its bytes were asked for */
	MQEV_STORED_IN_CALLBACK = 4,
	MQEV_STORED_ANSWERING = 8,  /* what answers it is on its way to the store */
	MQEV_STORED_DONE_OWED = 16, /* the application is done with it, the store does not know */
	MQEV_STORED_REMOVING = 32,  /* and that removes its record */
	MQEV_STORED_HELD = 64,	    /* the application says when it is done */
	MQEV_STORED_TOLD = 128	    /* the owner knows its token */
};

/* The session's half of its journal. */
struct mqev_gates {
	struct mqev_journal *journal;
	struct mqev_gate_entry *entries; /* a ring; tickets in it only rise */
	uint32_t capacity;
	uint32_t head;
	uint32_t count;
	uint32_t waiting[4]; /* of these PUBACK, PUBREC, PUBCOMP, PUBREL */
	uint32_t connection; /* the number of this one */
	uint32_t open;	     /* stored ones of this connection that count against Receive Maximum */
	uint64_t hold;	     /* E1, E2: before it is durable this connection sends nothing */
	uint64_t connect_ticket; /* before it is durable CONNECT is not sent */
	uint64_t sent_ticket;	 /* of the last rise of sent_n */
	uint64_t sent_safe;	 /* PUBLISH with n below may be sent */
	uint64_t covered_from;	 /* operations of lower numbers are not covered by what was promised
				    at their acceptance: that was another session */
	struct mqev_removals removals[2];
	struct mqev_ids by_mid;	  /* stored ones whose identifier is in use */
	struct mqev_ids released; /* identifiers that are free, but the server does not know */
	struct mqev_stored *first;
	struct mqev_stored *last;
	struct mqev_stored *undelivered; /* the first of them */
	struct mqev_stored *held;	 /* the first that the application holds */
	uint32_t owed_done;		 /* how many have DONE_OWED */
	bool held_told : 1;		 /* that it is held for too long */
	bool connect_owed : 1;		 /* CONNECT waits */
	bool epoch_raised : 1;		 /* for the session that is about to be made */
	bool in_doubt : 1; /* identifiers that are known may be those of another session */
};

static inline bool
mqev_gate_is_durable(const struct mqev_gates *g, uint64_t ticket)
{
	return ticket <= g->journal->durable;
}

/* --- session_gate.c ----------------------------------------------------------------------------
 */

/* Appends to the journal: the ticket, or 0. */
uint64_t mqev_gate_append(struct mqev_gates *g, struct mqev_entry *entries, size_t count);
/* Appends the client's row as it is now. */
uint64_t mqev_gate_append_row(struct mqev_gates *g);
/* Ends the connection because an append failed. */
void mqev_gate_append_failed(struct mqev_session *s);
/* Makes sure that the next so many pushes cannot fail. */
bool mqev_gate_reserve(struct mqev_gates *g, uint32_t pushes);
void mqev_gate_push(struct mqev_gates *g, const struct mqev_gate_entry *entry);
/* The same for one without a change of its own: as soon as all before it has left. */
void mqev_gate_push_last(struct mqev_gates *g, struct mqev_gate_entry *entry);
/* Releases what is durable. */
void mqev_gate_run(struct mqev_session *s, uint64_t now);
/* Forgets all that waits. */
void mqev_gate_clear(struct mqev_gates *g);
/* What was appended for the PUT of seq is not there: no more of it. NULL: no operation waits for
 * it.
 */
struct mqev_op *mqev_gate_take_back(struct mqev_gates *g, uint64_t seq);
/* The same for the first whose PUT is not durable. */
struct mqev_op *mqev_gate_take_waiting(struct mqev_gates *g);
/* What was to answer it did not get into the store. */
void mqev_gate_drop_answer(struct mqev_gates *g, const struct mqev_stored *stored);
/* PUBACK, PUBREC or PUBCOMP without a change of its own: now, or in its place behind others. ack
 * (may be NULL) has the properties. */
void mqev_gate_answer(struct mqev_session *s, enum mqev_packet_type type, uint16_t mid,
    uint8_t reason, struct mqev_ack *ack);

/* --- session_kept.c, session_kept_load.c: outgoing ----------------------------------------------
 */

/* O1. 0; MQEV_ERR_NOMEM, or why the store has failed. */
int mqev_kept_put(
    struct mqev_session *s, struct mqev_op *op, const struct mqev_publish_request *request);
/* Appends the removal of op's record; false: it failed and nothing changed. */
bool mqev_kept_remove(struct mqev_session *s, struct mqev_op *op);
/* O2, O4, O5, O6: op is to end so. True: at once; false: it waits among the leaving, or the
 * connection has ended and all is as before. */
bool mqev_kept_finish(struct mqev_session *s, struct mqev_op *op, const struct mqev_op_end *end);
/* O3: a PUBREC came. *at_once: its PUBREL may leave now. False: the connection has ended. */
bool mqev_kept_release(struct mqev_session *s, struct mqev_op *op, bool *at_once);
/* Whether PUBLISH or PUBREL may leave now. If not, mqev_session_durable() or
 * mqev_session_loaded() makes the session ask for a pump. */
bool mqev_kept_may_publish(struct mqev_session *s, struct mqev_op *op);
bool mqev_kept_may_release(const struct mqev_session *s, const struct mqev_op *op);
/* Its removal is durable. */
bool mqev_kept_is_gone(const struct mqev_session *s, const struct mqev_op *op);
/* At a free: what it ends with. */
/* The store keeps it, whatever becomes of the client. */
bool mqev_kept_is_accepted(const struct mqev_session *s, const struct mqev_op *op);
int mqev_kept_final_error(struct mqev_session *s, struct mqev_op *op, int error);
/* E1: appends what becomes of those in flight, and finds the lowest n. False: no memory. */
bool mqev_kept_session_lost(struct mqev_session *s, uint64_t *low_n);
/* The tickets that were waited for may be durable. */
void mqev_kept_durable(struct mqev_gates *g);
bool mqev_kept_restore(struct mqev_session *s, const struct mqev_record *record);
/* The bytes of an operation, if seq is one's. */
bool mqev_kept_loaded(struct mqev_session *s, uint64_t seq, struct mqev_bytes packed, int error);
void
mqev_kept_record(const struct mqev_gates *g, const struct mqev_op *op, struct mqev_record *record);

/* --- session_stored.c, session_stored_done.c: incoming ------------------------------------------
 */

/* True when it was dealt with here. */
bool mqev_stored_on_publish(struct mqev_session *s, const struct mqev_received *r);
bool mqev_stored_on_pubrel(struct mqev_session *s, uint16_t mid);
/* N3m: the application has acknowledged. ack (may be NULL) has the properties of the PUBREC. False:
 * the connection has ended. */
bool mqev_stored_put_done(struct mqev_session *s, uint16_t mid, struct mqev_ack *ack);
/* For the gate: delivers, and answers if that connection is still there. */
void mqev_stored_deliver(struct mqev_session *s, const struct mqev_gate_entry *entry);
void mqev_stored_answered(struct mqev_session *s, struct mqev_stored *stored);
/* N5. MQEV_ERR_STATE, MQEV_ERR_NOMEM. */
int mqev_stored_done(struct mqev_session *s, struct mqev_stored *stored);
/* Its handle is given out; NULL: is gone. */
void mqev_stored_hold(struct mqev_stored *stored, struct mqev_ack *hold);
/* It is held no more. */
void mqev_stored_not_held(struct mqev_gates *g, const struct mqev_stored *stored);
/* When the first that is held is held for too long; UINT64_MAX: never. */
uint64_t mqev_stored_hold_deadline(const struct mqev_session *s);
void mqev_stored_hold_tick(struct mqev_session *s, uint64_t now);
/* Delivers what can be, and asks for bytes. True: all is delivered. */
bool mqev_stored_deliver_all(struct mqev_session *s);
bool mqev_stored_restore(struct mqev_session *s, const struct mqev_record *record);
bool mqev_stored_loaded(struct mqev_session *s, uint64_t seq, struct mqev_bytes packed, int error);
void mqev_stored_refused(struct mqev_session *s, uint64_t seq);
/* Tries again what memory was missing for. */
void mqev_stored_retry(struct mqev_session *s);
void mqev_stored_session_lost(struct mqev_session *s);
void mqev_stored_free_all(struct mqev_session *s);
void mqev_stored_record(
    const struct mqev_gates *g, const struct mqev_stored *stored, struct mqev_record *record);
/* An identifier of a received message is known. */
bool mqev_stored_any_mid(const struct mqev_gates *g);

/* Shared by the two files of it. */
/* The owner is to forget its token. */
void mqev_stored_untell(struct mqev_session *s, struct mqev_stored *stored);
struct mqev_stored *
mqev_stored_new(const struct mqev_session *s, const struct mqev_record *record, size_t bytes_len);
/* Copies what is packed into a record. */
bool mqev_stored_take_block(struct mqev_stored *stored, const struct mqev_entry *entry);
void mqev_stored_enlist(struct mqev_gates *g, struct mqev_stored *stored);
void mqev_stored_forget(struct mqev_gates *g, struct mqev_stored *stored);
struct mqev_stored *mqev_stored_find(const struct mqev_gates *g, uint64_t seq);
void mqev_stored_set_delivered(struct mqev_gates *g, struct mqev_stored *stored);
void mqev_stored_fill_change(const struct mqev_gates *g, const struct mqev_stored *stored,
    enum mqev_change_kind kind, enum mqev_record_state state, struct mqev_entry *entry);

/* --- session_journal.c -------------------------------------------------------------------------
 */

/* What must be durable before CONNECT is appended. False: the connection has ended. */
bool mqev_gate_begin_connect(struct mqev_session *s);
bool mqev_gate_may_connect(struct mqev_session *s);
/* CONNACK. False: the connection has ended, and CONNACK is not taken in. */
bool mqev_gate_connected(struct mqev_session *s, bool goes_on);
void mqev_gate_closed(struct mqev_session *s, bool was_accepted);
void mqev_gate_free(struct mqev_session *s);

/* Whether this connection may send what belongs to its session. */
static inline bool
mqev_gate_is_open(const struct mqev_session *s)
{
	return s->gates == NULL || mqev_gate_is_durable(s->gates, s->gates->hold);
}

#endif
