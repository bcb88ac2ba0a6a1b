/* The client's parts and what its files share with one another. */
#ifndef MQEV_CLIENT_CLIENT_H
#define MQEV_CLIENT_CLIENT_H

#include <mqev/client.h>

#include "client/config.h"
#include "client/figures.h"
#include "client/fleet.h"
#include "client/part.h"
#include "client/servers.h"
#include "client/wheel.h"
#include "core/session.h"

struct mqev_drain;
struct mqev_detour;
struct mqev_link;
struct mqev_rpc;
struct mqev_subscriptions;

/* With the tick after the CONNACK, and some time later. */
#define MQEV_TRIMS 2

/*
 * There are as many as there are clients: every eight bytes count, see doc/performance.md. What a
 * ping touches stands together, from the end of the session on; what is there only at times is a
 * part.
 */
struct mqev_client {
	struct mqev_session session; /* first: it is how events and the cork name the client */
	struct mqev_wheel_node tick;
	struct mqev_fleet *fleet;
	struct mqev_link *link; /* while there is a connection */
	struct mqev_part *parts;
	struct mqev_config *config;
	union {
		uint64_t connected_ms; /* since the last CONNACK that accepted */
		uint64_t wake_ms;      /* until then, when wakes is set: when to go on for want of a
					  timer */
	};
	uint16_t depth;	      /* calls from the event loop that are in progress */
	uint8_t state;	      /* enum mqev_client_state: what is; what is wanted is another field */
	uint8_t trims_owed;   /* how often the link is still to give back what the handshake left */
	bool wanted : 1;      /* the application wants a connection */
	bool got_connack : 1; /* on this connection */
	bool replay_owed : 1; /* the server's session lacks the subscriptions */
	bool deciding : 1;  /* an attempt or connection has ended, what follows is being decided */
	bool succeeded : 1; /* the connection that has just ended counts as a success */
	bool accepted : 1;  /* by a CONNACK since mqev_connect() */
	bool socket_told : 1;	/* on_socket_open was called, on_socket_close is owed */
	bool writing_told : 1;	/* likewise on_socket_register_write */
	bool watch_writing : 1; /* somebody wants to know of writing */
	bool on_agenda : 1;
	bool wakes : 1;
	bool answer_awaited : 1; /* when tick was set; it may stand for the end of that wait */
	bool freed : 1;
	uint8_t abandoned; /* enum mqev_stage of an attempt that was given up, its on_connect_fail
			      is owed */
	uint8_t refused;   /* the reason why a new login is needed; 0: none is */
	struct mqev_subscriptions *subscriptions; /* NULL: none was made */
	void *userdata;
	struct mqev_client *agenda_next;
	struct mqev_client *next; /* in the fleet */
	struct mqev_client **at;
	struct mqev_servers *servers; /* of mqev_connect(); NULL: there was none */
	char *client_id;	      /* NULL: none yet; mqev_client_take_id() */
	const char *error_text;
	uint64_t attempt_number;  /* of the attempt that began last: how many there were */
	uint64_t trying_since_ms; /* since mqev_connect() or the end of the last success */
	struct mqev_client_figures figures;
	uint32_t retries;  /* since the backoff was reset */
	uint32_t failures; /* in a row, since the last success */
	int told_fd;	   /* of the last on_socket_open */
	uint32_t server;   /* which of the servers is next */
	uint8_t faults;	   /* connections in a row that a broken rule ended */
	uint8_t hops;	   /* redirects followed in a row */
	char given_id[];   /* that of the options; "" is not kept */
};

static inline struct mqev_drain *
mqev_drain_of(const struct mqev_client *c)
{
	return mqev_part_find(c->parts, MQEV_PART_DRAIN);
}

static inline struct mqev_rpc *
mqev_rpc_of(const struct mqev_client *c)
{
	return mqev_part_find(c->parts, MQEV_PART_RPC);
}

static inline struct mqev_detour *
mqev_detour_of(const struct mqev_client *c)
{
	return mqev_part_find(c->parts, MQEV_PART_DETOUR);
}

/* client.c */
/* Around everything the event loop calls: between them a client that its application frees stays in
 * memory. */
void mqev_client_enter(struct mqev_client *c);
void mqev_client_leave(struct mqev_client *c);

/* What is kept elsewhere of the configuration, after that has changed. */
void mqev_client_follow_config(struct mqev_client *c);

/* Gives the client a random identifier; false: no memory or no randomness. */
bool mqev_client_make_id(struct mqev_client *c);
/* Takes an allocated identifier over, in place of the one that it had. NULL: false, it keeps that. */
bool mqev_client_take_id(struct mqev_client *c, char *id);

/* controller.c */
/* The link failed by itself. */
void mqev_controller_link_down(struct mqev_client *c, const struct mqev_net_error *cause);
/* Does what is owed: ends a connection whose session has ended, reports an attempt that was given
 * up. */
void mqev_controller_settle(struct mqev_client *c);
/* The server accepted the connection. */
void mqev_controller_connected(struct mqev_client *c);
/* Drops attempt and link at once, without callbacks. */
void mqev_controller_drop(struct mqev_client *c);

void mqev_controller_set_state(struct mqev_client *c, enum mqev_client_state state);

/* What ended: an attempt, or a connection. Lent. */
struct mqev_ending {
	enum mqev_stage stage; /* NONE: it had a CONNACK */
	int error;	       /* 0: by the application's wish */
	uint8_t reason;	       /* of the server, or what our side has to say of its fault */
	bool said_why;	       /* the server did */
	bool from_server;      /* in a DISCONNECT */
	bool untrusted;	       /* the server's certificate was refused */
	const char *text;
	const struct mqev_properties *properties; /* of the server; may be NULL */
};

/* controller.c: gives up what is under way without a report; with wanted set it begins anew at the
 * end of the turn. */
void mqev_controller_forget_attempt(struct mqev_client *c);

/* retry.c */
/* Milliseconds to the next attempt; MQEV_NONE: there is to be none. Asks the application, which may
 * free the client. */
uint32_t mqev_retry_decide(struct mqev_client *c, const struct mqev_ending *ending);
/* A connection ends: one that lived long enough counts as a success, and all counts begin anew. */
void mqev_retry_note_uptime(struct mqev_client *c, uint64_t now);
/* All counts begin anew. */
void mqev_retry_reset(struct mqev_client *c, uint64_t now);

/* connect.c */
/* Parses URLs for this client and gives a reference; error_text says what is wrong. */
int mqev_connect_parse(struct mqev_client *c, const char *url, struct mqev_servers **servers);
/* Takes the reference over, as what mqev_connect() was given. */
void mqev_connect_use(struct mqev_client *c, struct mqev_servers *servers);
/* When a TLS server is among them and the system's trust is to be used: loads that. */
void mqev_connect_prepare_tls(const struct mqev_client *c);

/* redirect.c */
/* The server that is in use, or will be used next; NULL: there was no mqev_connect(). */
const struct mqev_endpoint *mqev_client_server(const struct mqev_client *c);
/* Goes where the server of that ending says, if the application allows; false: it does not. */
bool mqev_redirect_follow(struct mqev_client *c, const struct mqev_ending *ending);
/* The next place that a redirect named; false: there is none, back to our own list. */
bool mqev_detour_next(struct mqev_client *c);
/* A server accepted us: if a permanent redirect led there it becomes our own. */
void mqev_detour_arrived(struct mqev_client *c);
void mqev_detour_drop(struct mqev_client *c);

/* socket_events.c */
void mqev_socket_opened(struct mqev_client *c);
/* The link ends or has ended. */
void mqev_socket_closed(struct mqev_client *c);
/* Tells when the link begins or ceases to wait for the socket. */
void mqev_socket_note_writing(struct mqev_client *c);

/* attempt.c */
/* Asks the governor. *begin: dial now; else mqev_controller_begin() is called when it is its turn.
 * MQEV_ERR_NOMEM. */
int mqev_attempt_ask(struct mqev_client *c, bool *begin);
/* Its place in the line or among those that connect is free. */
void mqev_attempt_leave_turn(struct mqev_client *c);
/* For turns.c: this one's turn has come. */
void mqev_attempt_begin(struct mqev_turn *turn);
/* Starts to connect to the next server; the controller is told how it ends. MQEV_ERR_NOMEM. */
int mqev_attempt_dial(struct mqev_client *c);
/* Runs what is due after ms: the next dial while WAITING, the end of patience otherwise.
 * MQEV_ERR_NOMEM. */
int mqev_attempt_wait(struct mqev_client *c, uint32_t ms);
void mqev_attempt_end(struct mqev_client *c);
enum mqev_stage mqev_attempt_stage(const struct mqev_client *c);
/* on_pre_connect is to be called, and was. */
void mqev_attempt_begin_asking(struct mqev_client *c);
void mqev_attempt_end_asking(struct mqev_client *c);
/* What the application said: it needs time; it is ready (0) or not (negative). */
bool mqev_attempt_is_held(const struct mqev_client *c);
int mqev_attempt_answer(const struct mqev_client *c);

/* CONNECT, or, when it waited for a store, again. */
void mqev_controller_say_hello(struct mqev_client *c);

/* controller.c, called by attempt.c */
void mqev_controller_begin(struct mqev_client *c);
void mqev_controller_dialed(struct mqev_client *c, struct mqev_conn *conn);
void mqev_controller_dial_failed(struct mqev_client *c, const struct mqev_net_error *error);
void mqev_controller_time_is_up(struct mqev_client *c);

/* tell.c: the last that a caller does, for the callback may free the client. */
void mqev_tell_connect_fail(struct mqev_client *c, const struct mqev_net_error *error,
    enum mqev_stage stage, uint32_t wait_ms);
/* properties may be NULL. */
void mqev_tell_disconnect(struct mqev_client *c, const struct mqev_session_end *end,
    const struct mqev_net_error *cause, const struct mqev_properties *properties, uint32_t wait_ms);

/* notes.c */
bool mqev_log_wanted(const struct mqev_client *c, enum mqev_log_level level);
bool mqev_event_wanted(const struct mqev_client *c);
/* Some have gathered. */
static inline bool
mqev_notes_wait(const struct mqev_client *c)
{
	return mqev_part_find(c->parts, MQEV_PART_NOTES) != NULL;
}

/* Where a callback may run: tells on_log and on_event what has gathered. False: the client was
 * freed there. */
bool mqev_log_tell_kept(struct mqev_client *c);
void mqev_log_drop_kept(struct mqev_client *c);
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void
mqev_log(struct mqev_client *c, enum mqev_log_level level, const char *format, ...);
void mqev_log_packet(
    struct mqev_client *c, bool sent, enum mqev_packet_type type, union mqev_packet_view view);
/* Copied, with its text (NULL: none). */
void mqev_event(struct mqev_client *c, const struct mqev_event *event);

/* events.c */
extern const struct mqev_session_events mqev_client_events;

/* output.c */
/* Bytes that are on their way to the kernel, the cork's included. */
size_t mqev_client_unsent(const struct mqev_client *c);
/* Lets the session write while the link has room, and completes what has left. */
void mqev_client_pump(struct mqev_client *c);
/* True when a QoS 0 message may go to the link at once. */
bool mqev_client_has_room(const struct mqev_client *c);

/* subscriptions.c, dispatch.c */
void mqev_subscriptions_free(struct mqev_client *c);
enum mqev_dispatch {
	MQEV_DISPATCH_NOBODY,
	MQEV_DISPATCH_TAKEN,
	MQEV_DISPATCH_NO_MEMORY /* nobody was called */
};
/* Gives the message to the callbacks of the subscriptions that match. */
enum mqev_dispatch
mqev_subscriptions_dispatch(struct mqev_client *c, const struct mqev_message *message);
/* What the SUBACK to op says about its filters. */
void mqev_subscriptions_answered(
    struct mqev_client *c, const struct mqev_op *op, const struct mqev_op_end *end);
/* The server has no session: subscribes again to what was subscribed. False: memory ran out, the
 * connection ends. */
bool mqev_subscriptions_replay(struct mqev_client *c);

#endif
