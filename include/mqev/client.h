/* The client: options, callbacks, connecting, publishing, subscribing. */
#ifndef MQEV_CLIENT_H
#define MQEV_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mqev/auth.h>
#include <mqev/connect.h>
#include <mqev/event.h>
#include <mqev/export.h>
#include <mqev/fleet.h>
#include <mqev/message.h>
#include <mqev/properties.h>
#include <mqev/queue.h>
#include <mqev/reason.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One connection to one broker at a time, with its session. A client belongs to its fleet's
 * event_base and is used in that thread only.
 *
 * Callbacks run in that thread, from the event loop, and never inside a call of the application
 * except mqev_client_free() and mqev_fleet_free(). What a callback is lent, with all that it points
 * to, is gone when it returns. Every function may be called in every callback, mqev_client_free()
 * of the same client too.
 */
struct mqev_client;
struct mqev_proxy;
struct mqev_store;
struct mqev_socket_options;
struct mqev_tls;
struct mqev_websocket_options;

enum mqev_protocol {
	MQEV_PROTOCOL_DEFAULT = 0, /* 3.1.1 */
	MQEV_PROTOCOL_V31 = 3,
	MQEV_PROTOCOL_V311 = 4,
	MQEV_PROTOCOL_V5 = 5
};

/* When the server is asked to forget the session (clean session in 3.1 and 3.1.1, clean start
 * in 5.0). */
enum mqev_clean {
	/* 3.1, 3.1.1 and 5.0 without session expiry: ALWAYS; 5.0 with session expiry: FIRST_ONLY */
	MQEV_CLEAN_DEFAULT = 0,
	MQEV_CLEAN_ALWAYS,
	/* until a CONNACK accepted this client once, then never */
	MQEV_CLEAN_FIRST_ONLY,
	/*
	 * Never: a session that the server kept from an earlier run of the program is taken over,
	 * although this process does not hold its half; packet identifiers then begin at a random
	 * place.
	 */
	MQEV_CLEAN_NEVER,
	/* As NEVER, but a session that only the server holds is refused, as [MQTT-3.2.2-4] has it,
	   and begun anew: before 5.0 by a connection of its own, which ends in on_connect_fail with
	   MQEV_ERR_SESSION_LOST, since a clean session would end with its connection. */
	MQEV_CLEAN_STRICT
};

/* The values are Paho's. */
enum mqev_log_level {
	MQEV_LOG_INFO = 1,
	MQEV_LOG_NOTICE = 2,
	MQEV_LOG_WARNING = 4,
	MQEV_LOG_ERR = 8,
	MQEV_LOG_DEBUG = 16
};

/* How an operation ended. */
struct mqev_result {
	uint64_t op; /* what mqev_publish() or its kin returned */
	int error;   /* 0: done; MQEV_ERR_REFUSED: see reason; else enum mqev_error */
	/* of the acknowledgement; of several filters the worst; QoS 2: of the PUBCOMP, or when that
	   says no more than success, of the PUBREC */
	enum mqev_reason reason;
	uint16_t mid; /* packet identifier; 0 when none was used */
	const struct mqev_properties
	    *properties;	/* of the acknowledgement; QoS 2: the PUBREC's, then
						     the PUBCOMP's; never NULL */
	const uint8_t *reasons; /* SUBACK, UNSUBACK: one reason code per filter, in their order */
	size_t reason_count;
};

/* A received message that the application holds back for longer than hold_timeout_ms. */
struct mqev_held {
	int qos;
	uint16_t mid;
	uint64_t held_ms;
};

struct mqev_log_line {
	enum mqev_log_level level;
	const char *text; /* one line without newline; no secrets in it */
};

typedef void
mqev_message_cb(struct mqev_client *client, const struct mqev_message *message, void *userdata);
typedef void
mqev_result_cb(struct mqev_client *client, const struct mqev_result *result, void *userdata);
typedef void mqev_held_cb(struct mqev_client *client, const struct mqev_held *held, void *userdata);
typedef void
mqev_log_cb(struct mqev_client *client, const struct mqev_log_line *line, void *userdata);

/* Where a number's zero has a meaning of its own: "none" and "without limit". */
#define MQEV_NONE UINT32_MAX
#define MQEV_UNLIMITED UINT32_MAX

/* The message that the server publishes when the client vanishes. Copied. */
struct mqev_will {
	size_t size;
	const char *topic;
	const void *payload;
	size_t payload_len; /* at most 65,535 */
	int qos;
	bool retain;
	const struct mqev_properties
	    *properties; /* MQTT 5: Will Delay Interval, Message Expiry Interval ... */
};

#ifndef __cplusplus
#	define MQEV_WILL(...) (&(struct mqev_will){.size = sizeof(struct mqev_will), __VA_ARGS__})
#endif

/* What happens when the server does not acknowledge an operation within ack_timeout_ms. */
enum mqev_ack_timeout {
	MQEV_ACK_TIMEOUT_REPORT = 0, /* on_ack_timeout is called, again after each further interval;
					the operation goes on */
	MQEV_ACK_TIMEOUT_RECONNECT,  /* the connection is closed and made anew, so that the session
					resumes */
	/* 3.1, 3.1.1: it is sent again (PUBLISH with DUP), ack_resends times at most; 5.0 forbids
	   that: REPORT */
	MQEV_ACK_TIMEOUT_RESEND
};

/* What happens to QoS 0 messages while there is no connection. */
enum mqev_offline {
	MQEV_OFFLINE_QUEUE = 0, /* they wait, within the limits of the queue */
	MQEV_OFFLINE_REJECT,	/* mqev_publish() returns MQEV_ERR_STATE */
	MQEV_OFFLINE_DROP	/* they are accepted, and complete with MQEV_ERR_DROPPED */
};

/* What happens to a message that was in flight when the server turns out to have lost the session.
 */
enum mqev_lost_session {
	MQEV_LOST_SESSION_DEFAULT = 0, /* QoS 1: RESEND, QoS 2: FAIL */
	MQEV_LOST_SESSION_RESEND,      /* goes out again as a new message; may arrive twice */
	MQEV_LOST_SESSION_FAIL	       /* completes with MQEV_ERR_SESSION_LOST */
};

/* What a session in a store survives. */
enum mqev_durability {
	MQEV_DURABLE_DEFAULT = 0, /* POWER */
	MQEV_DURABLE_PROCESS,	  /* the end of the process, however it comes */
	MQEV_DURABLE_POWER	  /* a loss of power, too */
};

/* Which received messages a store keeps, from before they are delivered until the application is
 * done with them, so that the next process delivers what this one was not done with. */
enum mqev_inbox_mode {
	MQEV_INBOX_DEFAULT = 0, /* QoS 2 */
	MQEV_INBOX_QOS1,	/* QoS 1 and 2 */
	MQEV_INBOX_NONE /* none: delivered at once and without a token; of QoS 2 the identifiers are
			   kept, from mqev_ack() on */
};

/* Fill with MQEV_OPTIONS(.client_id = "pump-7", ...). 0 in a member means its default. All is
 * copied. */
struct mqev_options {
	size_t size; /* set by the macro */
	const char
	    *client_id; /* NULL or "": 3.1 a random one; 3.1.1 and 5.0: the server's choice */
	enum mqev_protocol protocol;
	uint32_t keepalive; /* seconds, at most 65,535; default 60; MQEV_NONE: off */
	enum mqev_clean clean;
	uint32_t session_expiry; /* MQTT 5, seconds after the connection ended; 0xFFFFFFFF: never */

	const char *username; /* NULL: none; "" is sent as an empty name */
	const void *password; /* any bytes; NULL: none */
	size_t password_len;  /* 0 with a password: it is a string */
	const struct mqev_will *will;
	const struct mqev_properties
	    *connect_properties; /* MQTT 5: User Property and others that have no member here */

	void *userdata; /* handed to every callback of the client */
	mqev_connect_cb *on_connect;
	mqev_connect_fail_cb *on_connect_fail;
	mqev_disconnect_cb *on_disconnect;
	mqev_message_cb *on_message; /* messages that no subscription's own callback took */
	mqev_result_cb
	    *on_publish; /* after the operation's own completion; likewise the next two */
	mqev_result_cb *on_subscribe;
	mqev_result_cb *on_unsubscribe;
	mqev_log_cb *on_log;

	uint32_t reconnect_min_ms; /* default 1,000 */
	uint32_t reconnect_max_ms; /* default 120,000 */
	uint32_t min_uptime_ms; /* a connection that lived as long resets the backoff; default: at
				   an accepted CONNACK */
	bool no_reconnect;	/* one attempt, no further ones; see mqev_client_set_reconnect() */

	uint32_t connect_timeout_ms; /* the whole attempt up to the transport being ready; default
					60,000 */
	uint32_t connack_timeout_ms; /* default 10,000 */
	uint32_t ping_timeout_ms;    /* default: half of keepalive, at most 10,000 */
	uint32_t packet_timeout_ms;  /* a received packet that makes no progress; default 30,000 */
	uint32_t
	    ack_timeout_ms; /* an operation the server does not acknowledge; default MQEV_NONE */

	uint32_t max_inflight; /* QoS 1 and 2 messages sent and not acknowledged, and as many
				  SUBSCRIBEs and UNSUBSCRIBEs; at most 64,511; default 100, and
				  before 5.0, where a server cannot name its limit, 20 messages */
	uint32_t
	    max_queued; /* operations that wait or are in flight; default 100,000; MQEV_UNLIMITED */
	size_t max_queued_bytes; /* bytes allocated for them; default 64 MiB; SIZE_MAX: unlimited */
	enum mqev_offline offline_qos0;
	enum mqev_lost_session lost_session_qos1;
	enum mqev_lost_session lost_session_qos2;

	uint32_t receive_maximum; /* MQTT 5: QoS 1 and 2 messages that the server may have in
				     flight; default 65,535 */
	uint32_t max_packet_size; /* bytes of a received packet, enforced in every version; default
				     268,435,460: no limit of its own */
	uint32_t topic_alias_maximum; /* MQTT 5: aliases that the server may use; default 0 */

	uint32_t topic_aliases; /* MQTT 5: aliases to give to topics that are published to, if the
				   server allows; default 0 */
	enum mqev_ack_timeout ack_timeout_action;
	uint32_t ack_resends; /* with RESEND, at most 255: then the connection is made anew;
				 default: no limit */
	mqev_result_cb *on_ack_timeout; /* result->error is MQEV_ERR_TIMEOUT; not a completion */
	uint32_t hold_timeout_ms; /* for messages held by mqev_message_hold(); default: none */
	/* Once per message that is first in line. Of those that a store keeps (inbox) there is one
	   line of both QoS, and mid is 0 when the server has released it. */
	mqev_held_cb *on_hold_timeout;
	bool bridge; /* tells the server that this client is a bridge (bit 7 of the protocol level,
			as mosquitto has it) */
	/*
	 * When the server refuses the protocol version: 5.0 goes on as 3.1.1, and that as 3.1, at
	 * once and for the life of the client.
	 */
	bool protocol_fallback;
	bool random_client_id; /* when the server refuses an empty identifier, a random one is made
				  and used from then on */

	/* The way to the server. Copied with all that they point to; of tls a reference is taken.
	 */
	struct mqev_tls
	    *tls; /* for mqtts:// and wss://; NULL: the system's trusted CAs, TLS 1.2 or higher */
	const struct mqev_socket_options *socket;	/* <mqev/net.h> */
	const struct mqev_proxy *proxy;			/* <mqev/net.h>; NULL: none */
	const struct mqev_websocket_options *websocket; /* <mqev/websocket.h> */

	const struct mqev_auth *auth;	   /* MQTT 5: enhanced authentication, not with
					 protocol_fallback; copied, its userdata is lent */
	bool request_response_information; /* MQTT 5: ask the server where replies may go, see
					      mqev_request() */

	/* Deadlines of an attempt's stages, each within connect_timeout_ms. */
	uint32_t resolve_timeout_ms;   /* default 10,000 */
	uint32_t dial_timeout_ms;      /* for each address; default 10,000 */
	uint32_t proxy_timeout_ms;     /* default 10,000 */
	uint32_t tls_timeout_ms;       /* default 15,000 */
	uint32_t websocket_timeout_ms; /* the upgrade; default 10,000 */
	/*
	 * When proxy is NULL, mqev_client_new() reads the environment: mqtt_proxy is a URL as
	 * mqev_proxy_from_url() takes it (a bad one is MQEV_ERR_INVALID, none or "" means no
	 * proxy), no_proxy lists the hosts of URLs that need none.
	 */
	bool proxy_from_environment;

	const struct mqev_reconnect_options
	    *reconnect; /* <mqev/connect.h>: when and where it tries again; copied */
	mqev_pre_connect_cb *on_pre_connect; /* an attempt begins, before anything of it is done */
	/*
	 * The link of a connection, in Paho's order: it is ready and CONNECT will follow; there are
	 * bytes that the system does not take yet, and they have left; it ends. After
	 * mqev_disconnect() on_socket_close runs after on_disconnect, else before it. Each
	 * on_socket_open is followed by one on_socket_close, each register by one unregister:
	 * mqev_client_free() and mqev_fleet_free() call what is owed before they close the
	 * descriptor, so that a loop of the application's own can let go of it.
	 */
	mqev_socket_cb *on_socket_open;
	mqev_socket_cb *on_socket_register_write;
	mqev_socket_cb *on_socket_unregister_write;
	mqev_socket_cb *on_socket_close;
	mqev_event_cb *on_event; /* <mqev/event.h>: states, stages and ends as data */

	enum mqev_queue_full queue_full;      /* default: what is new is rejected */
	const struct mqev_water_marks *water; /* <mqev/queue.h>; NULL: none */
	mqev_water_cb *on_water;

	bool strict_text; /* received topics and properties with control characters or
			     non-characters, which the standard advises against, end the connection
			     as malformed; default: they are taken as they are */

	/*
	 * A session that survives the end of the process: the store, open for longer than the
	 * client, and the name that it is kept under there, one client at a time. With a store
	 * MQEV_CLEAN_DEFAULT is FIRST_ONLY in 5.0, once for all processes, and STRICT before;
	 * session_expiry 0 is 0xFFFFFFFF.
	 */
	struct mqev_store *store; /* <mqev/store.h>; NULL: none */
	const char *store_name;	  /* default: client_id; one of the two is needed */
	enum mqev_durability durability;
	enum mqev_inbox_mode inbox;
	/* An operation of QoS 1 or 2 is accepted: the store has it. Before its completion; not for
	   what an earlier process left. result->op says which. */
	mqev_result_cb *on_durable;
};

/* All zero but size. In C++: mqev_options o{}; o.size = sizeof(o); */
#ifndef __cplusplus
#	define MQEV_OPTIONS(...) \
		(&(struct mqev_options){.size = sizeof(struct mqev_options), __VA_ARGS__})
#endif

/*
 * A new client of the fleet, not connected. NULL when an option is invalid or memory runs out;
 * *error (may be NULL) says which: MQEV_ERR_INVALID, MQEV_ERR_UNSUPPORTED, MQEV_ERR_NOMEM, and
 * mqev_fleet_error_text() which option; with a store MQEV_ERR_STORE_BUSY (a client of that name is
 * there), MQEV_ERR_STATE (another process opened it, see mqev_store_close()), or why the store has
 * failed. The fleet must outlive it.
 */
MQEV_EXPORT struct mqev_client *
mqev_client_new(struct mqev_fleet *fleet, const struct mqev_options *options, int *error);

/*
 * Ends the client: the connection is closed without DISCONNECT, so that the server publishes the
 * will (call mqev_disconnect() first to avoid that); every unfinished operation completes inside
 * this call, with MQEV_KEPT when a store keeps it for the next client of that name, else with
 * MQEV_ERR_CANCELED. Before that on_socket_unregister_write and on_socket_close are called as they
 * are owed. When it returned no callback of this client runs any more.
 * NULL is ignored.
 */
MQEV_EXPORT void mqev_client_free(struct mqev_client *client);

/* What the options gave; a new one is handed to callbacks from the next one on. */
MQEV_EXPORT void *mqev_client_userdata(const struct mqev_client *client);
MQEV_EXPORT void mqev_client_set_userdata(struct mqev_client *client, void *userdata);
/* The fleet that it was made in. */
MQEV_EXPORT struct mqev_fleet *mqev_client_fleet(const struct mqev_client *client);

/* The identifier in use: the own, or the one that the server assigned; "" before that. Valid until
 * the next CONNACK. */
MQEV_EXPORT const char *mqev_client_id(const struct mqev_client *client);

/* The protocol in use: as in the options, or lower after a fallback. */
MQEV_EXPORT enum mqev_protocol mqev_client_protocol(const struct mqev_client *client);

/* True between an accepted CONNACK and the end of that connection or mqev_disconnect(). */
MQEV_EXPORT bool mqev_client_is_connected(const struct mqev_client *client);

/* What it is doing now. It changes in mqev_disconnect() and from the event loop. */
MQEV_EXPORT enum mqev_client_state mqev_client_state(const struct mqev_client *client);

/*
 * Connects, and reconnects whenever the connection fails, until mqev_disconnect(). Returns at once;
 * nothing blocks.
 *
 * url: one or more, separated by blanks, each tried in turn:
 *	mqtt://[user[:password@]]host[:port]	TCP, port 1883; also tcp://, or no scheme at all
 *	mqtts://host[:port]			TLS, port 8883; also ssl:// and tls://
 *	ws://host[:port][/path], wss://...	WebSocket, path /mqtt
 *	unix:///path, unix://@name		a unix socket, an abstract one
 *	mqtt+srv://domain, mqtts+srv://domain	the servers that DNS SRV records name
 * User and password in a URL are used when the options have no user name.
 *
 * Each attempt ends in exactly one of on_connect_fail (before a CONNACK came) and on_disconnect
 * (after one).
 *
 * 0; MQEV_ERR_INVALID: bad URL, see mqev_client_error_text(); MQEV_ERR_STATE: connected or
 * connecting already, or draining; MQEV_ERR_NOMEM. What the build lacks (WebSocket, SRV) is told by
 * on_connect_fail with MQEV_ERR_UNSUPPORTED.
 */
MQEV_EXPORT int mqev_connect(struct mqev_client *client, const char *url);

/*
 * Connects anew, to the servers of the last mqev_connect(), from the beginning of the list and
 * without a wait: a connection ends as by mqev_disconnect(), an attempt that is under way is given
 * up, a wait is cut short. 0; MQEV_ERR_STATE: there was no mqev_connect() yet; MQEV_ERR_INVALID.
 */
MQEV_EXPORT int mqev_reconnect(struct mqev_client *client);

/*
 * The way to the network has changed, says the system: a client that waits for its next attempt
 * makes it now, with the backoff begun anew; one that is connected sends PINGREQ, also with
 * keepalive off, and so learns within ping_timeout_ms whether its connection still stands. An
 * attempt that is under way is left to its deadlines.
 */
MQEV_EXPORT void mqev_network_changed(struct mqev_client *client);

/* Why the last mqev_connect() of this client returned MQEV_ERR_INVALID, or which option a call of
 * settings.h refused; static text or "". */
MQEV_EXPORT const char *mqev_client_error_text(const struct mqev_client *client);

struct mqev_disconnect_options {
	size_t size;
	enum mqev_reason reason;		  /* MQTT 5 */
	const struct mqev_properties *properties; /* MQTT 5 */
};

#ifndef __cplusplus
#	define MQEV_DISCONNECT(...)                \
		(&(struct mqev_disconnect_options){ \
		    .size = sizeof(struct mqev_disconnect_options), __VA_ARGS__})
#endif

/*
 * Sends DISCONNECT after what was already given to the connection, closes and does not reconnect
 * (options NULL: normal disconnection; reason and properties are left out before 5.0).
 *
 * From the event loop on_disconnect follows, when DISCONNECT has been handed to the kernel; while
 * an attempt is under way on_connect_fail with MQEV_ERR_CANCELED; while the client waits for the
 * next attempt, nothing. Without memory for DISCONNECT, or when the server's Maximum Packet Size is
 * below it, the connection ends all the same and on_disconnect has MQEV_ERR_NOMEM or
 * MQEV_ERR_TOO_LARGE. Messages that wait stay queued for the next mqev_connect().
 *
 * 0; MQEV_ERR_STATE: nothing to disconnect; MQEV_ERR_INVALID: a reason or property that a client's
 * DISCONNECT may not have, or a Session Expiry Interval though CONNECT had none.
 */
MQEV_EXPORT int
mqev_disconnect(struct mqev_client *client, const struct mqev_disconnect_options *options);

/*
 * Publishes. Returns the operation's number (positive, never reused) when it was accepted: then
 * done (may be NULL) is called exactly once, after this call returned, with how it ended: QoS 0
 * when its last byte was handed to the kernel, QoS 1 at PUBACK, QoS 2 at PUBCOMP, else with an
 * error. It may be called before the client is connected; QoS 1 and 2 messages survive reconnects.
 * Messages of one QoS keep their order; QoS 0 may overtake QoS 1 and 2.
 *
 * On a negative error nothing follows: MQEV_ERR_INVALID (topic, QoS, size, a property that PUBLISH
 * may not have; a Topic Alias, which is the library's), MQEV_ERR_QUEUE_FULL, MQEV_ERR_STATE (QoS 0,
 * no connection, MQEV_OFFLINE_REJECT; mqev_drain()), MQEV_ERR_TOO_LARGE, MQEV_ERR_QOS,
 * MQEV_ERR_RETAIN (limits of the connected server), MQEV_ERR_UNSUPPORTED (a member that this
 * library does not know), MQEV_ERR_NOMEM. With a store QoS 1 and 2 may also be refused with what
 * the store has failed for; no room there is told by the completion, MQEV_ERR_STORE_FULL. To a
 * message that answers one: MQEV_ERR_NOT_FOUND (it is done, or not of this fleet), MQEV_ERR_STATE
 * (an answer is under way), MQEV_ERR_INVALID (QoS 0, no store, or that of another one).
 */
MQEV_EXPORT int64_t mqev_publish(struct mqev_client *client, const struct mqev_message *message,
    mqev_result_cb *done, void *arg);

/* A message in the store that is not finished. */
struct mqev_pending {
	size_t size;
	uint64_t op;	 /* its number in this process */
	uint64_t token;	 /* the same in all */
	uint64_t cookie; /* of struct mqev_message */
	int qos;
	bool sent;	      /* it may have been */
	size_t bytes;	      /* topic, properties and payload, about */
	mqev_result_cb *done; /* its completion: the callback may set these two */
	void *arg;
};

typedef void
mqev_pending_cb(struct mqev_client *client, struct mqev_pending *pending, void *userdata);

/*
 * Calls visit inside this call for each message that is not finished, in the order of acceptance:
 * after a restart what the last process left, which has no completion callback until one is set
 * here. visit may not call functions of the client. 0; MQEV_ERR_STATE: it has no store;
 * MQEV_ERR_INVALID.
 */
MQEV_EXPORT int
mqev_client_pending(struct mqev_client *client, mqev_pending_cb *visit, void *userdata);

enum mqev_retain_handling {
	MQEV_RETAIN_SEND = 0,	 /* retained messages come at each SUBSCRIBE */
	MQEV_RETAIN_SEND_IF_NEW, /* only when the subscription is new */
	MQEV_RETAIN_DO_NOT_SEND
};

/* One filter of a SUBSCRIBE. Copied. */
struct mqev_subscription {
	size_t size;
	const char *filter;
	int qos;       /* the highest QoS to be received */
	bool no_local; /* MQTT 5; these three are left out in older versions */
	bool retain_as_published;
	enum mqev_retain_handling retain_handling;
	mqev_message_cb
	    *on_message; /* gets this filter's messages; NULL: the client's on_message does */
	void *userdata;	 /* for on_message */
};

#ifndef __cplusplus
#	define MQEV_SUBSCRIPTION(...) \
		(&(struct mqev_subscription){.size = sizeof(struct mqev_subscription), __VA_ARGS__})
#endif

/*
 * Subscribes to count filters with one packet. The subscription belongs to the client from now on:
 * it is sent when the client is connected, and again after each CONNACK which says that the server
 * has no session; a filter that the server refuses is forgotten. The same filter again replaces
 * callback and options. Elements of the array are subscriptions[0].size apart.
 *
 * done as in mqev_publish(), at the SUBACK: result->reasons has a code per filter, result->error is
 * MQEV_ERR_REFUSED when one was refused. properties: MQTT 5 (User Property, Subscription
 * Identifier), may be NULL. In 5.0 a call with callbacks gets a Subscription Identifier of the
 * library's own if it has none and the server allows it, so that of overlapping subscriptions each
 * gets its own copy of a message once.
 *
 * MQEV_ERR_INVALID (also No Local on a shared subscription), MQEV_ERR_QUEUE_FULL,
 * MQEV_ERR_UNSUPPORTED, MQEV_ERR_NOMEM, MQEV_ERR_STATE (being freed, or draining); while connected
 * MQEV_ERR_WILDCARD, MQEV_ERR_SHARED, MQEV_ERR_SUBSCRIPTION_ID (the server has none).
 */
MQEV_EXPORT int64_t mqev_subscribe(struct mqev_client *client,
    const struct mqev_subscription *subscriptions, size_t count,
    const struct mqev_properties *properties, mqev_result_cb *done, void *arg);

/*
 * Unsubscribes from count filters, spelled as they were subscribed. Unless the call fails, their
 * callbacks are removed at once. done and errors as for mqev_subscribe().
 */
MQEV_EXPORT int64_t mqev_unsubscribe(struct mqev_client *client, const char *const *filters,
    size_t count, const struct mqev_properties *properties, mqev_result_cb *done, void *arg);

#ifdef __cplusplus
}
#endif

#endif
