/* How a client comes to its connection and loses it: what it tells of attempts, and the rules by
 * which it tries again. The calls are in client.h and settings.h. */
#ifndef MQEV_CONNECT_H
#define MQEV_CONNECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mqev/export.h>
#include <mqev/properties.h>
#include <mqev/reason.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mqev_client;

/* Stages of an attempt to connect. Their order in time: PREPARE, RESOLVE ... CONNACK. */
enum mqev_stage {
	MQEV_STAGE_NONE = 0,
	MQEV_STAGE_RESOLVE,
	MQEV_STAGE_DIAL,
	MQEV_STAGE_PROXY,
	MQEV_STAGE_TLS,
	MQEV_STAGE_WEBSOCKET,
	MQEV_STAGE_CONNACK,
	MQEV_STAGE_PREPARE /* the application was asked by on_pre_connect */
};

/* What a client is doing, and what may follow. */
enum mqev_client_state {
	MQEV_CLIENT_IDLE = 0, /* -> QUEUED, PREPARING, DIALING, WAITING */
	MQEV_CLIENT_WAITING, /* for the time of the next attempt -> QUEUED, PREPARING, DIALING, IDLE
			      */
	/* for its turn among the fleet's clients -> PREPARING, DIALING, WAITING, IDLE */
	MQEV_CLIENT_QUEUED,
	MQEV_CLIENT_DIALING,   /* on the way to the server -> HANDSHAKE, WAITING, IDLE */
	MQEV_CLIENT_HANDSHAKE, /* CONNECT was sent -> CONNECTED, CLOSING, WAITING, IDLE */
	MQEV_CLIENT_CONNECTED, /* -> CLOSING, WAITING, IDLE */
	MQEV_CLIENT_CLOSING,   /* our DISCONNECT is on its way to the kernel -> WAITING, IDLE */
	/* an attempt has begun, the application is asked by on_pre_connect -> DIALING, WAITING,
	 * IDLE
	 */
	MQEV_CLIENT_PREPARING
};

/* --- events ------------------------------------------------------------------------------------
 */

/* Every legal CONNACK, accepted or refused; one that breaks a rule ends in on_connect_fail. */
struct mqev_connack {
	enum mqev_reason reason; /* 0: connected. 3.1 and 3.1.1 codes are converted. */
	int code;		 /* the byte as the server sent it */
	bool session_present;
	const struct mqev_properties *properties; /* MQTT 5; never NULL */
};

/*
 * An attempt that ended before a CONNACK came; also one that mqev_disconnect() or
 * mqev_reconnect() gave up, with MQEV_ERR_CANCELED.
 */
struct mqev_connect_failure {
	enum mqev_stage stage;
	int error;		 /* enum mqev_error */
	int system_errno;	 /* 0 when no system call failed */
	unsigned long tls_error; /* OpenSSL's code, 0 when TLS was not the cause */
	int http_status;	 /* of a proxy or a WebSocket upgrade, else 0 */
	const char *text;	 /* one line for people; never NULL */
	uint32_t retry_ms; /* until the next attempt, 0: at once; MQEV_NONE: there will be none */
};

/* A connection that ended, once per CONNACK. */
struct mqev_disconnection {
	int error; /* 0: by mqev_disconnect(); else enum mqev_error */
	enum mqev_reason reason; /* of the server's DISCONNECT or refused CONNACK, or the one that
				    we sent; 0x80 when neither said one */
	bool from_server; /* the server sent a DISCONNECT packet */
	int system_errno; /* 0 when no system call failed */
	const struct mqev_properties
	    *properties;   /* of the server's DISCONNECT or refused CONNACK; never NULL */
	const char *text;  /* one line for people; never NULL */
	uint32_t retry_ms; /* until the next attempt, 0: at once; MQEV_NONE: there will be none */
	unsigned long tls_error; /* OpenSSL's code, 0 when TLS was not the cause */
};

/*
 * An attempt begins; nothing of it has been done. What setters change now (mqev_client_set_login(),
 * mqev_client_set_will() ...) counts for this attempt. See mqev_attempt_hold() when the answer
 * takes time.
 */
struct mqev_pre_connect {
	uint64_t attempt;  /* its number: of this client, from 1 */
	uint32_t failures; /* attempts and connections in a row that ended before they counted as a
			       success (min_uptime_ms) */
	const char *host;  /* of the server's URL; the path of a unix socket */
	uint16_t port;	   /* 0: unix socket, or SRV */
	/*
	 * The server refused the login that it was given last, with this reason, or ended the
	 * connection because its time is over (0xA0); 0: it did not. Without a new login (see
	 * mqev_attempt_go()) this attempt ends with MQEV_ERR_AUTH, and there is no further one.
	 */
	enum mqev_reason refused;
};

/* The socket of the connection. The descriptor is the library's: it may be looked at, not closed.
 */
struct mqev_socket {
	int fd;
};

/*
 * An attempt failed, or a connection ended, and the client wants a connection: the application may
 * overrule what the library would do next, by one of the calls mqev_retry_... below.
 * on_connect_fail or on_disconnect follows and has the outcome. Not asked after mqev_disconnect().
 */
struct mqev_retry {
	enum mqev_stage stage;	 /* of the attempt; NONE: a connection that had a CONNACK */
	int error;		 /* enum mqev_error */
	enum mqev_reason reason; /* of the server; 0: it said none */
	bool from_server;	 /* the reason is that of a DISCONNECT packet */
	uint32_t failures;	 /* as in struct mqev_pre_connect, this one included */
	uint32_t retry_ms;	 /* what the library would do; MQEV_NONE: stop */
	const struct mqev_properties
	    *properties;  /* of the server's DISCONNECT or refused CONNACK; never NULL */
	const char *text; /* one line for people; never NULL */
	void *verdict;	  /* the library's */
};

/* The server names another one (0x9C, 0x9D) and the client would follow. */
struct mqev_redirect {
	const char *reference; /* what it said: one or more of host[:port], separated by blanks */
	bool permanent;	       /* Server moved; else Use another server */
	uint32_t hops;	       /* redirects that were followed in a row before this one */
};

/* What a wait before the next attempt is computed from. */
struct mqev_backoff {
	uint32_t waits;	 /* since the backoff was reset: 0, 1 ... */
	uint32_t min_ms; /* reconnect_min_ms and reconnect_max_ms in force */
	uint32_t max_ms;
	bool slow;	 /* the server asked for mercy, or a rule was broken */
	uint32_t random; /* uniform over all 32 bits */
};

typedef void
mqev_connect_cb(struct mqev_client *client, const struct mqev_connack *connack, void *userdata);
typedef void mqev_connect_fail_cb(
    struct mqev_client *client, const struct mqev_connect_failure *failure, void *userdata);
typedef void mqev_disconnect_cb(
    struct mqev_client *client, const struct mqev_disconnection *disconnection, void *userdata);
typedef void mqev_pre_connect_cb(
    struct mqev_client *client, const struct mqev_pre_connect *attempt, void *userdata);
typedef void
mqev_socket_cb(struct mqev_client *client, const struct mqev_socket *socket, void *userdata);
typedef void
mqev_retry_cb(struct mqev_client *client, const struct mqev_retry *retry, void *userdata);
/* True: follow. */
typedef bool
mqev_redirect_cb(struct mqev_client *client, const struct mqev_redirect *redirect, void *userdata);
/* How many milliseconds to wait; MQEV_NONE: no further attempt. */
typedef uint32_t
mqev_backoff_cb(struct mqev_client *client, const struct mqev_backoff *backoff, void *userdata);

/* --- the rules ---------------------------------------------------------------------------------
 */

/* How chance shapes wait number n (from 0). */
enum mqev_jitter {
	MQEV_JITTER_EQUAL = 0, /* uniform in [max(min, d/2), d], d = min(max, min * 2^(n+1)) */
	MQEV_JITTER_FULL,      /* uniform in [min, d] */
	MQEV_JITTER_NONE       /* min(max, min * 2^n) */
};

/* All members may stay zero. Copied. */
struct mqev_reconnect_options {
	size_t size; /* set by MQEV_RECONNECT() */
	enum mqev_jitter jitter;
	/*
	 * Until a CONNACK has accepted the client since mqev_connect(), each server of the list is
	 * tried once and then no more. Default: the first connection is tried for like any other.
	 */
	bool give_up_first;
	uint32_t max_failures;	/* so many in a row (struct mqev_pre_connect), and no further
				  attempt; default: no limit */
	uint32_t max_trying_ms; /* no attempt begins later than that after mqev_connect(), or after
				   the end of the last connection that counted as a success;
				   default: no limit */
	mqev_backoff_cb *backoff; /* instead of the formula of jitter; what it says is not kept
				     within minimum and maximum */
	mqev_retry_cb *on_retry;
	/*
	 * Redirects (MQTT 5) that are followed in a row; default 4; MQEV_NONE: none. The count
	 * begins anew after a connection that lived for 10 s. A reference is reached in the way the
	 * server that gave it was (TLS, WebSocket, path, proxy), with the same user and password;
	 * one that names a scheme is not followed if it would leave TLS. What a temporary redirect
	 * names is used for one connection, a permanent one replaces the list of servers when it
	 * has accepted us.
	 */
	uint32_t max_redirects;
	mqev_redirect_cb *on_redirect; /* default: all are followed */
	uint32_t prepare_timeout_ms;   /* for mqev_attempt_go(); default 30,000 */
};

#ifndef __cplusplus
#	define MQEV_RECONNECT(...)                \
		(&(struct mqev_reconnect_options){ \
		    .size = sizeof(struct mqev_reconnect_options), __VA_ARGS__})
#endif

/* --- calls for callbacks -----------------------------------------------------------------------
 */

/*
 * In on_pre_connect: this attempt goes on when mqev_attempt_go() is called, for which there are
 * prepare_timeout_ms; then it ends in on_connect_fail with MQEV_STAGE_PREPARE and MQEV_ERR_TIMEOUT.
 * Meanwhile it counts among the fleet's max_handshakes: no more of them ask for logins at once.
 * 0; MQEV_ERR_STATE outside that callback.
 */
MQEV_EXPORT int mqev_attempt_hold(struct mqev_client *client);

/*
 * The application is ready for this attempt (its number is in struct mqev_pre_connect); when a
 * login was refused this says that there is a new one, wherever it is kept. An error (enum
 * mqev_error) ends the attempt with it. Also within on_pre_connect, where no call means ready. 0;
 * MQEV_ERR_STATE: that attempt is over, or has gone on already (harmless); MQEV_ERR_INVALID: error
 * is positive.
 */
MQEV_EXPORT int mqev_attempt_go(struct mqev_client *client, uint64_t attempt, int error);

/* In on_retry: instead of what the library would do, the next attempt is made after ms (0: at
 * once), none is made, or url becomes what mqev_connect() was given and is tried after ms. The last
 * of several calls counts. 0; MQEV_ERR_INVALID: a bad URL, or ms is MQEV_NONE; MQEV_ERR_NOMEM. */
MQEV_EXPORT int mqev_retry_after(const struct mqev_retry *retry, uint32_t ms);
MQEV_EXPORT int mqev_retry_stop(const struct mqev_retry *retry);
MQEV_EXPORT int mqev_retry_elsewhere(const struct mqev_retry *retry, const char *url, uint32_t ms);

#ifdef __cplusplus
}
#endif

#endif
