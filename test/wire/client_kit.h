/* What tests of the client share: a loop, a fleet, a client whose callbacks are written into a
 * diary, and a ledger which knows that each operation completes exactly once. */
#ifndef CLIENT_KIT_H
#define CLIENT_KIT_H

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <mqev/mqev.h>

#include "fault/fail_mem.h"
#include "lib/broker.h"
#include "lib/loop.h"
#include "lib/make.h"
#include "lib/server.h"

enum kit_event {
	KIT_CONNECT,
	KIT_CONNECT_FAIL,
	KIT_DISCONNECT,
	KIT_MESSAGE, /* the client's on_message */
	KIT_FILTER,  /* the on_message of a subscription */
	KIT_DONE,    /* the completion of one operation */
	KIT_PUBLISH, /* on_publish and its kin */
	KIT_SUBSCRIBE,
	KIT_UNSUBSCRIBE,
	KIT_PRE_CONNECT, /* these only with kit.more */
	KIT_SOCKET_OPEN,
	KIT_SOCKET_WRITE, /* on_socket_register_write */
	KIT_SOCKET_IDLE,  /* on_socket_unregister_write */
	KIT_SOCKET_CLOSE,
	KIT_RETRY,
	KIT_REDIRECT,
	KIT_BACKOFF,	 /* with kit.backoff_ms */
	KIT_SOCKET_MADE, /* the hook of the socket options, with kit_socket_made() in them */
	KIT_RELEASE,	 /* of a payload that was lent with kit_release() */
	KIT_ACK_TIMEOUT,
	KIT_HOLD_TIMEOUT,
	KIT_LOG,
	KIT_EVENTS
};

/* What every callback does after it was noted; event is what was handed to it (a const struct
 * mqev_connack, ... mqev_result, mqev_log_line). */
typedef void
kit_hook(enum kit_event event, struct mqev_client *client, const void *what, void *userdata);

struct kit {
	struct event_base *base;
	struct mqev_fleet *fleet;
	struct mqev_client *client;
	struct tk_broker *broker;
	struct tk_buf diary; /* text */
	int fds;	     /* open before the test */
	int in_call;	     /* a call that must run no callback is in progress */
	int count[KIT_EVENTS];
	bool quiet[KIT_EVENTS]; /* not noted in the diary */
	kit_hook *hook;
	bool more;	     /* clients get the rarely used callbacks too */
	bool no_redirect;    /* what on_redirect says */
	uint32_t backoff_ms; /* what the application's backoff says; 0: it has none */
	int64_t accepted;    /* operations */
	int64_t completed;
	struct kit_operation *ops; /* the latest first */
	struct kit_operation *last_done;
	/* The last ones, without their pointers. */
	struct mqev_connack connack;
	struct mqev_connect_failure failure;
	struct mqev_disconnection disconnection;
	struct mqev_result result;
	char text[256]; /* of the last failure or disconnection */
};

extern struct kit kit;

/* Fixtures: a base and a fleet; the end of all, with descriptors, memory and operations counted. */
void kit_setup(void);
void kit_teardown(void);
TCase *kit_case(Suite *suite, const char *name);

/* The client of the test, with every callback; options may leave them out. */
struct mqev_client *kit_client_new(struct mqev_options options);
#define KIT_CLIENT(...)               \
	(kit.client = kit_client_new( \
	     (struct mqev_options){.size = sizeof(struct mqev_options), __VA_ARGS__}))

void kit_broker(const struct tk_step *script);
void kit_broker_at(const struct tk_step *script, const char *where);
void kit_connect(void); /* to the broker */
void kit_connect_to(const char *url, ...) __attribute__((format(printf, 1, 2)));
void kit_disconnect(void);
void kit_free_client(void);

/* A call of the library in which no callback may run. */
#define KIT_CALL(expression)                           \
	__extension__({                                \
		kit.in_call++;                         \
		__auto_type kit_result = (expression); \
		kit.in_call--;                         \
		kit_result;                            \
	})

/* With the ledger; the number or a negative error. */
int64_t kit_try_publish(struct mqev_client *c, const struct mqev_message *m);
int64_t kit_publish(const char *topic, const char *payload, int qos); /* must be accepted */
int64_t
kit_try_subscribe(struct mqev_client *c, const struct mqev_subscription *list, size_t count);
int64_t kit_subscribe(const char *filter, int qos, mqev_message_cb *on_message);
int64_t kit_unsubscribe(const char *filter);
/* For the client kit.client, as they get none. */
int kit_socket_made(int fd, void *arg);
void kit_release(void *arg);
void kit_filter_message(struct mqev_client *c, const struct mqev_message *m, void *userdata);
void kit_done(struct mqev_client *c, const struct mqev_result *result, void *arg);
/* Around a call of another kind: it is given kit_done and kit_op(), its result is noted. */
struct kit_operation *kit_op(void);
void kit_note_accepted(int64_t op);
int kit_error_of(int64_t op); /* of a completed operation; 1 when it is not */

/* Plays the broker's script to its end. */
#define KIT_PLAY(ms) TK_RUN(kit.broker, ms)

/* Runs the loop until the event has been seen n times since the test began. */
void kit_await_at(enum kit_event event, int n, int ms, int line);
#define KIT_AWAIT(event, n, ms) kit_await_at((event), (n), (ms), __LINE__)
void kit_run(int ms);
/* Until all accepted operations are completed. */
void kit_await_all(int ms);

/* The diary since the last time it was asked for. Words: "connect:00", "connect:00+session",
 * "fail:dial:SYSTEM", "disconnect:LOST", "message:TOPIC:PAYLOAD:QOS", "filter:...", "done1:OK",
 * "publish1:OK", "pre", "open", "write", "idle",
 * "close", "retry:LOST", "redirect". */
const char *kit_diary(void);
#define KIT_DIARY(expected)                                \
	do {                                               \
		ck_assert_str_eq(kit_diary(), (expected)); \
		tk_buf_clear(&kit.diary);                  \
	} while (0)

const char *kit_error_name(int error);

/* CONNECT of the kit's usual client "c", keepalive 60, clean. */
#define KIT_CONNECT_V31 "10 ({'MQIsdp'} 03 02 003C {'c'})"
#define KIT_CONNECT_V311 "10 ({'MQTT'} 04 02 003C {'c'})"
#define KIT_CONNECT_V5 "10 ({'MQTT'} 05 02 003C () {'c'})"

#endif
