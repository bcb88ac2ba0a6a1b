/*
 * One client's MQTT session and the connection it runs on: bytes in, bytes out, `now` as a
 * parameter. QoS 0, 1 and 2 in both directions, inflight window, resend, keepalive, deadlines. No
 * socket, no clock, no timers: the client drives it.
 */
#ifndef MQEV_CORE_SESSION_H
#define MQEV_CORE_SESSION_H

#include <mqev/auth.h>
#include <mqev/message.h>
#include <mqev/reason.h>

#include "core/budget.h"
#include "core/op.h"
#include "core/packet.h"
#include "core/properties.h"
#include "core/sink.h"

struct mqev_entry;
struct mqev_exchange;
struct mqev_gates;
struct mqev_inbox;
struct mqev_journal;
struct mqev_outbox;
struct mqev_record;

enum mqev_session_state {
	MQEV_SESSION_IDLE,	 /* no connection -> CONNECTING */
	MQEV_SESSION_CONNECTING, /* CONNECT was written -> CONNECTED, ENDED, IDLE */
	MQEV_SESSION_CONNECTED,	 /* -> ENDED, IDLE */
	MQEV_SESSION_ENDED	 /* this connection is over, nothing more goes in or out; the client
				    closes it -> IDLE */
};

/* The values of enum mqev_clean with the default resolved. */
enum mqev_session_clean {
	MQEV_SESSION_CLEAN_ALWAYS = 1,
	MQEV_SESSION_CLEAN_FIRST_ONLY,
	MQEV_SESSION_CLEAN_NEVER,
	MQEV_SESSION_CLEAN_STRICT
};

/* What happens when an acknowledgement does not come in time. */
enum mqev_ack_action {
	MQEV_ACK_ACTION_REPORT,
	MQEV_ACK_ACTION_RECONNECT,
	MQEV_ACK_ACTION_RESEND /* before 5.0; else REPORT */
};

/* What makes room in a full queue. In flight is never dropped. */
enum mqev_session_full {
	MQEV_FULL_REJECT,
	MQEV_FULL_DROP_OLDEST,
	MQEV_FULL_DROP_QOS0,   /* the oldest of QoS 0 first; QoS 0 never makes others go */
	MQEV_FULL_DROP_EXPIRED /* what has expired first */
};

/* Which received messages a store keeps until the application is done with them. */
enum mqev_session_inbox {
	MQEV_SESSION_INBOX_QOS2,
	MQEV_SESSION_INBOX_BOTH,
	MQEV_SESSION_INBOX_NONE /* of QoS 2 the identifiers alone */
};

struct mqev_session_will {
	struct mqev_bytes topic;
	struct mqev_bytes payload;
	struct mqev_bytes properties;
	uint8_t qos;
	bool retain;
};

/* Lent by the client for the life of the session, shared by as many as have the same; checked by
 * the client. */
struct mqev_session_settings {
	enum mqev_session_clean clean;
	uint32_t session_expiry_s;
	uint16_t keepalive_s;
	uint32_t ping_timeout_ms;
	uint32_t packet_timeout_ms;
	uint32_t hold_timeout_ms; /* 0: none */
	uint32_t ack_timeout_ms;  /* 0: none */
	enum mqev_ack_action ack_action;
	uint32_t ack_resends;	  /* 0: as often as need be */
	uint32_t auth_timeout_ms; /* for each answer to an AUTH of a re-authentication */
	uint32_t max_inflight;
	uint32_t max_inflight_before_v5; /* 0: the same */
	struct mqev_load_limits queue;
	enum mqev_session_full queue_full;
	bool reject_offline_qos0;
	bool drop_offline_qos0;
	enum mqev_session_inbox inbox;
	bool lost_qos1_fails;
	bool lost_qos2_resends;
	uint16_t receive_maximum;
	uint32_t max_packet_size;
	uint16_t topic_alias_maximum;
	uint16_t topic_aliases; /* how many to give, if the server allows as many */
	bool bridge;
	bool strict_text; /* strings with discouraged code points are malformed */
	bool has_username;
	struct mqev_bytes username;
	bool has_password;
	struct mqev_bytes password;
	const struct mqev_session_will *will; /* NULL: none */
	bool request_response_information;
	const struct mqev_auth *auth; /* NULL: no enhanced authentication */
	struct mqev_bytes auth_method;
	struct mqev_bytes
	    connect_properties; /* of the application, without those which the members above make */
};

/* Who connects, as the server's URL has it; used when the settings say nothing. NULL: not given. */
struct mqev_session_login {
	const char *username;
	const char *password;
};

/* How an operation ended; lent for the call. */
struct mqev_op_end {
	int error;
	uint8_t reason;
	struct mqev_bytes properties;
	struct mqev_bytes codes;
};

/* Why a connection ended. */
struct mqev_session_end {
	int error;	/* enum mqev_error; 0 after mqev_session_disconnect() */
	uint8_t reason; /* that was received, or that was sent or would be */
	bool from_server;
	const char *text;
};

/*
 * What a session tells its owner, the struct that begins with it; one table for all that share a
 * sink. Each may call back into the session, end it and free its contents; the struct itself must
 * stay until the outermost call into the session has returned.
 */
struct mqev_session_events {
	/* A CONNACK. When it refused, state is ENDED already. */
	void (*connack)(void *owner, const struct mqev_connack_packet *packet);
	/* The server's DISCONNECT; state is ENDED already. */
	void (*disconnect)(void *owner, const struct mqev_reason_packet *packet);
	/* message->properties is set; the topic is terminated. False: no memory to deliver it; the
	 * server is to send it again. */
	bool (*message)(void *owner, const struct mqev_message *message);
	/* The one completion of an operation. */
	void (*complete)(void *owner, const struct mqev_op *op, const struct mqev_op_end *end);
	/* The same of a QoS 0 message for which none was made. */
	void (*departed)(void *owner, uint64_t number, mqev_op_done done, void *arg, int error);
	/* No acknowledgement came within ack_timeout_ms; the operation goes on. */
	void (*ack_overdue)(void *owner, const struct mqev_op *op);
	/* A message was held back for longer than hold_timeout_ms. */
	void (*hold_overdue)(void *owner, uint8_t qos, uint16_t mid, uint64_t held_ms);
	/* There is something for mqev_session_pump() or mqev_session_tell() now. Not more than once
	 * until that is called. This one alone may not call back into the session. */
	void (*wants_pump)(void *owner);
	/* What waits has reached the high mark, or is down to the low one. May be NULL. */
	void (*water)(void *owner, bool high);
	/* The store has the operation: it is accepted for good. Before its completion. May be
	 * NULL. */
	void (*durable)(void *owner, const struct mqev_op *op);
	/* The message of that token is done: it was delivered, and cannot be acknowledged or
	 * answered any more. May be NULL. */
	void (*message_done)(void *owner, uint64_t token);
	/* The received message of that token cannot be read (MQEV_ERR_STORE_DAMAGED). It stays in
	 * the store, and is not delivered. May be NULL. */
	void (*unreadable)(void *owner, uint64_t token, int error);
	/* What CONNECT waited for has come: mqev_session_connect() again. NULL without a journal.
	 */
	void (*may_connect)(void *owner);
	/* A packet was received or handed to the sink. */
	void (*packet)(void *owner, bool sent, enum mqev_packet_type type, uint16_t mid,
	    size_t size, union mqev_packet_view view);
};

/* The server's limits on this connection. */
struct mqev_server_limits {
	uint32_t max_packet_size;
	uint16_t receive_maximum;
	uint16_t topic_alias_maximum;
	uint8_t max_qos : 2;
	bool retain : 1;
	bool wildcard : 1;
	bool shared : 1;
	bool subscription_id : 1;
};

/*
 * There are as many as there are clients: every eight bytes count, see doc/performance.md. What a
 * ping touches stands together at the end, where the client's part of that begins.
 */
struct mqev_session {
	uint64_t next_n; /* the client may begin it anywhere before the first operation */
	struct mqev_session_end end;
	struct mqev_server_limits server;
	uint32_t session_expiry_s; /* in force on this connection */
	uint64_t next_number;
	uint64_t messages_in; /* PUBLISH packets, the repeated ones too */
	uint64_t messages_out;
	struct mqev_gates *gates; /* the half of a journal; NULL: nothing is kept in a store */
	uint64_t written;	  /* bytes handed to the sink, on all connections */
	uint64_t bytes_in;
	const struct mqev_session_settings *settings;
	struct mqev_sink *sink;		/* with the table of events */
	struct mqev_outbox *out;	/* exists while there are outgoing operations */
	struct mqev_exchange *exchange; /* exists while an authentication is in progress */
	struct mqev_inbox *in; /* exists while there is anything to remember of received messages */
	uint64_t last_sent_ms;
	uint64_t last_received_ms;
	uint64_t ping_sent_ms; /* 0: no answer is awaited */
	union {
		uint64_t last_ping_ms; /* while CONNECTED; 0: none yet */
		uint64_t expires_ms;   /* before: when the session ends at the server; UINT64_MAX:
					  never, or there is none */
	};
	uint32_t ping_early_ms; /* by how much the first ping after other traffic comes early */
	uint16_t keepalive_s;	/* in force on this connection */
	uint8_t version;	/* enum mqev_version */
	uint8_t state;		/* enum mqev_session_state */
	bool has_session : 1;	/* our half of a session that the server may hold */
	bool accepted_once : 1; /* a CONNACK was accepted since the client was made */
	bool sent_clean : 1;
	bool sent_empty_id : 1;
	bool
	    begin_anew : 1; /* the next CONNECT asks for a new session, whatever the settings say */
	bool made_room : 1; /* this connection did no more than end a session of another's */
	bool made_room_once : 1; /* one did since the last that was of use */
	bool partial : 1;	 /* a packet has begun and is not complete */
	bool pump_asked : 1;
	bool no_problem_information : 1; /* asked for in CONNECT */
	bool report_all : 1;		 /* QoS 0 operations without a callback are completed too */
	bool paused : 1;		 /* receive nothing further, but for a CONNACK */
	bool freed : 1;			 /* nothing is accepted any more */
	bool draining : 1; /* nothing of the application's is accepted for the time being */
	bool owing : 1;	   /* there is something to tell */
	bool above : 1;	   /* the high mark was reached and the low one not since */
	bool told_above : 1;
	bool rested : 1;    /* it was so at the last tick */
	bool pong_owed : 1; /* PINGRESP to the last PINGREQ */
	bool untimed : 1;   /* written since last_sent_ms, and it is not known when */
};

void mqev_session_init(struct mqev_session *s, enum mqev_version version,
    const struct mqev_session_settings *settings, struct mqev_sink *sink);
/* Completes every operation with error and frees them; accepts nothing from then on. No call but
 * the next one may follow. */
void mqev_session_free(struct mqev_session *s, int error);
/* Frees what a message that is being delivered may still point to; when no call into the session is
 * in progress. */
void mqev_session_release(struct mqev_session *s);

/* A connection is ready: writes CONNECT, or waits for the store until the event may_connect. login
 * may be NULL. False: no memory; state is ENDED. */
bool mqev_session_connect(struct mqev_session *s, struct mqev_bytes client_id,
    const struct mqev_session_login *login, uint64_t now);

/*
 * Takes received bytes; returns how many were used (whole packets only). The rest is to be given
 * again with what follows it. *need (may be NULL) gets the size of the packet that begins there, 0
 * when not known yet. data is written to in place.
 */
size_t
mqev_session_receive(struct mqev_session *s, uint8_t *data, size_t len, uint64_t now, size_t *need);

/* Nothing is received on a connection that is accepted until that is over. */
static inline bool
mqev_session_is_paused(const struct mqev_session *s)
{
	return s->paused && s->state != MQEV_SESSION_CONNECTING;
}

/* Completes what was dropped or withdrawn, and tells of marks that were passed. */
void mqev_session_tell(struct mqev_session *s);

/* False: mqev_session_pump() and mqev_session_sent() would find nothing to do. */
static inline bool
mqev_session_has_work(const struct mqev_session *s)
{
	return s->out != NULL || s->gates != NULL || s->pump_asked;
}

/* Writes what may be sent now until budget bytes are passed. True: there is more, call again when
 * the link has room. */
bool mqev_session_pump(struct mqev_session *s, uint64_t now, size_t budget);

/* Of all bytes handed to the sink on this connection, unsent have not reached the kernel yet:
 * completes QoS 0. */
void mqev_session_sent(struct mqev_session *s, uint64_t unsent);

/* There are QoS 0 messages that mqev_session_sent() is to complete. */
bool mqev_session_awaits_kernel(const struct mqev_session *s);

/* The link is gone (or given up): connection state is forgotten, state is IDLE. */
void mqev_session_closed(struct mqev_session *s, uint64_t now);

/* Writes DISCONNECT and ends the connection. MQEV_ERR_STATE, MQEV_ERR_INVALID, MQEV_ERR_NOMEM
 * (connection ended without it), likewise MQEV_ERR_TOO_LARGE. */
int mqev_session_disconnect(
    struct mqev_session *s, uint8_t reason, struct mqev_bytes properties, uint64_t now);

/* Ends the connection for a fault on either side; in 5.0 the server is told the reason. error 0:
 * derived from the reason. */
void mqev_session_fail(struct mqev_session *s, int error, uint8_t reason, const char *text);

/* Ends the connection without a word to the server, as a lost one. */
void mqev_session_abort(struct mqev_session *s, int error, const char *text);

/* Once connected: of window_ms, but not more than half an interval, the part of fraction / 2^32 is
 * by what the first ping after other traffic comes early. */
void mqev_session_spread_pings(struct mqev_session *s, uint64_t window_ms, uint32_t fraction);

/* When mqev_session_tick() wants to be called, UINT64_MAX: not at all. */
uint64_t mqev_session_deadline(const struct mqev_session *s);
void mqev_session_tick(struct mqev_session *s, uint64_t now);
/* Asks the server for a sign of life at once, unless one is awaited already. */
void mqev_session_probe(struct mqev_session *s, uint64_t now);
/* Gives back memory that nothing needs now. */
void mqev_session_trim(struct mqev_session *s);

/* What to publish, checked but for the server's limits. */
struct mqev_publish_request {
	struct mqev_op_parts parts;
	uint8_t qos;
	bool retain;
	uint32_t expiry_at; /* as in struct mqev_op */
	uint32_t expiry_s;
	uint64_t cookie;		  /* as in struct mqev_op */
	const struct mqev_entry *answers; /* goes into the same commit; NULL: nothing */
};

/* The operation's number or a negative enum mqev_error. */
int64_t mqev_session_publish(
    struct mqev_session *s, const struct mqev_publish_request *request, uint64_t now);

/* The same for a QoS 0 message when the link has room for it: written, without an operation and
 * without the time. 0: this one has to be queued, which is mqev_session_publish()'s. */
int64_t
mqev_session_publish_at_once(struct mqev_session *s, const struct mqev_publish_request *request);

/* What was written without the time is handed on now: keepalive counts from here. */
static inline void
mqev_session_stamp(struct mqev_session *s, uint64_t now)
{
	s->last_sent_ms = now;
	s->untimed = false;
}

/* SUBSCRIBE or UNSUBSCRIBE: parts.payload holds the filters as in the packet of version 5. flags:
 * WILDCARD, SHARED, IDENTIFIER, INTERNAL. */
int64_t mqev_session_subscribe(struct mqev_session *s, const struct mqev_op_parts *parts,
    size_t filter_count, uint16_t flags, uint64_t now);

/* Begins to authenticate again. The operation's number or a negative error, see
 * mqev_reauthenticate(); when memory ran out the connection may have ended. */
int64_t
mqev_session_reauthenticate(struct mqev_session *s, mqev_op_done done, void *arg, uint64_t now);

/* Ends one operation that has not been sent, or gives up waiting for one that was:
 * MQEV_ERR_NOT_FOUND. */
int mqev_session_cancel(struct mqev_session *s, uint64_t number, int error);

/* The same for an application that may not be called back now: the completion, with
 * MQEV_ERR_CANCELED or what is known instead, is mqev_session_tell()'s. MQEV_ERR_NOT_FOUND;
 * MQEV_ERR_STATE: a SUBSCRIBE, UNSUBSCRIBE or QoS 0 message that was sent; MQEV_ERR_NOMEM. */
int mqev_session_withdraw(struct mqev_session *s, uint64_t number);

/* Withdraws all messages that were not sent (qos0_only: of QoS 0). Returns how many. */
size_t mqev_session_clear(struct mqev_session *s, bool qos0_only);

/* Completes every operation with error, from the loop; what is in flight goes on in silence. */
void mqev_session_give_up(struct mqev_session *s, int error);

/* Operations that wait or are in flight, and the bytes allocated for them. */
size_t mqev_session_queued(const struct mqev_session *s);
size_t mqev_session_queued_bytes(const struct mqev_session *s);
/* QoS 1 and 2 messages in the inflight window. */
size_t mqev_session_inflight(const struct mqev_session *s);
/* There is none, and no completion is owed. */
bool mqev_session_is_idle(const struct mqev_session *s);

/* Calls fn for each that the application waits for: those of QoS 0 on their way to the kernel, then
 * in their order of acceptance those of QoS 0, of QoS 1 and 2, SUBSCRIBE and UNSUBSCRIBE. fn is not
 * to change anything. False from it ends the walk. */
void mqev_session_walk(const struct mqev_session *s,
    bool (*fn)(const struct mqev_op *op, bool leaving, void *arg), void *arg);

/* The settings' limits or those of the budget have changed. */
void mqev_session_recheck_marks(struct mqev_session *s);

/*
 * Sessions that a store keeps: doc/durability.md
 */

/* After mqev_session_init(), before all else; the journal must outlive the session's free. False:
 * no memory. */
bool mqev_session_set_journal(struct mqev_session *s, struct mqev_journal *journal);
struct mqev_journal *mqev_session_journal(const struct mqev_session *s);
/* One kept record, by rising seq; what cannot be is left alone. False: no memory. */
bool mqev_session_restore(struct mqev_session *s, const struct mqev_record *record);
/* That was all. False: no memory. */
bool mqev_session_restored(struct mqev_session *s, uint64_t now);

/* journal->durable has risen. */
void mqev_session_durable(struct mqev_session *s, uint64_t now);
/* There was no room for the PUT of seq: its operation completes with the error, as if never
 * accepted; or that which was to answer seq. */
void mqev_session_refused(struct mqev_session *s, uint64_t seq, int error);
/* What the journal was asked to load; packed is lent. */
void mqev_session_loaded(struct mqev_session *s, uint64_t seq, struct mqev_bytes packed, int error);
/* The store has failed for good, journal->error is set. */
void mqev_session_store_failed(struct mqev_session *s, int error);
/* Row.client_id has changed. False: no memory, or the store has failed. */
bool mqev_session_renamed(struct mqev_session *s);

/* Before mqev_session_free(): what the store has, or will have, of this session, by rising seq,
 * without bytes; *records is to be freed by mqev_free(). False: no memory. */
bool mqev_session_keep(const struct mqev_session *s, struct mqev_record **records, size_t *count);

/* The kept operations that are not completed, in the order of acceptance. */
void mqev_session_pending(
    const struct mqev_session *s, void (*visit)(struct mqev_op *op, void *arg), void *arg);

/* The change that goes with a publish which answers the received message of that token:
 * MQEV_ERR_NOT_FOUND, MQEV_ERR_STATE, MQEV_ERR_NOMEM. Then, when it was appended, its ticket. */
int mqev_session_answer_begin(struct mqev_session *s, uint64_t token, struct mqev_entry *entry);
void mqev_session_answer_appended(struct mqev_session *s, uint64_t token, uint64_t ticket);
/* The ticket of the message that was accepted last. */
uint64_t mqev_session_last_ticket(const struct mqev_session *s);

#endif
