/*
 * The scripted broker: a listener on the test's event_base that plays a table of steps.
 *
 *	static const struct tk_step script[] = {
 *		TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())"),
 *		TK_EXPECT_BYTES("82 (0001 () {'a'} 01)"), TK_SEND("90 (@ () 01)"),
 *		TK_CLOSE(), TK_ACCEPT(), TK_EXPECT(CONNECT), TK_END };
 *
 *	struct tk_broker *b = tk_broker_new(base, script, NULL);
 *	... let the client connect to tk_broker_url(b) ...
 *	TK_RUN(b, 3000);
 *	tk_broker_free(b);
 *
 * Steps work on the current connection; the first step that needs one waits for the first client.
 *All that a client sends is judged by stream.h, also after the script's end: an illegal byte fails
 *the test.
 */
#ifndef TK_BROKER_H
#define TK_BROKER_H

#include "bytes.h"
#include "strict.h"

struct event_base;
struct tk_broker;

/* Says what is wrong with a packet; NULL when it is as it should be. */
typedef const char *(*tk_check_fn)(const struct tk_packet *p, void *arg);
typedef void (*tk_call_fn)(struct tk_broker *b, void *arg);

enum tk_op {
	TK_OP_END,
	TK_OP_ACCEPT,
	TK_OP_ON,
	TK_OP_EXPECT,
	TK_OP_EXPECT_IF,
	TK_OP_EXPECT_BYTES,
	TK_OP_EXPECT_CLOSE,
	TK_OP_QUIET,
	TK_OP_DISCARD,
	TK_OP_SEND,
	TK_OP_SEND_CUT,
	TK_OP_SEND_BUF,
	TK_OP_CLOSE,
	TK_OP_RESET,
	TK_OP_SHUTDOWN,
	TK_OP_STALL,
	TK_OP_RESUME,
	TK_OP_REFUSE,
	TK_OP_LISTEN,
	TK_OP_CALL,
	TK_OP_WAIT,
	TK_OP_TURNS,
	TK_OP_UNTIL,
	TK_OP_LENIENT,
	TK_OP_SETTLED,
	TK_OPS
};

struct tk_step {
	enum tk_op op;
	int line;
	long number;
	const char *text;
	union {
		tk_check_fn check;
		tk_call_fn call;
	} fn;
	void *arg;
};

#define TK_STEP(o, ...)                                        \
	{                                                      \
		.op = TK_OP_##o, .line = __LINE__, __VA_ARGS__ \
	}

/* The next packet of the client is of that type; has exactly these bytes; satisfies check(packet,
 * arg). */
#define TK_EXPECT(type) TK_STEP(EXPECT, .number = TK_##type)
#define TK_EXPECT_BYTES(bytes) TK_STEP(EXPECT_BYTES, .text = (bytes))
#define TK_EXPECT_IF(type, f, a) \
	TK_STEP(EXPECT_IF, .number = TK_##type, .fn.check = (f), .arg = (a))
/* The client closes or resets, and sends no packet before. */
#define TK_EXPECT_CLOSE() TK_STEP(EXPECT_CLOSE, .number = 0)
/* Nothing comes for that long: no packet, no close. */
#define TK_QUIET(ms) TK_STEP(QUIET, .number = (ms))
/* Packets that came and were not expected yet are forgotten. */
#define TK_DISCARD() TK_STEP(DISCARD, .number = 0)

/*
 * Packet notation, in which @ is the packet identifier of the packet expected last. A step that
 * sends ends when the kernel has taken all bytes. TK_SEND_CUT sends n bytes per turn of the event
 * loop. TK_SEND_BUF(buf) sends what a `struct tk_buf` variable holds when the step is reached.
 */
#define TK_SEND(bytes) TK_STEP(SEND, .text = (bytes))
#define TK_SEND_CUT(bytes, n) TK_STEP(SEND_CUT, .text = (bytes), .number = (n))
#define TK_SEND_BUF(buf) TK_STEP(SEND_BUF, .arg = &(buf))

#define TK_CLOSE() TK_STEP(CLOSE, .number = 0)	     /* FIN, the connection is over */
#define TK_RESET() TK_STEP(RESET, .number = 0)	     /* RST */
#define TK_SHUTDOWN() TK_STEP(SHUTDOWN, .number = 0) /* half-close: FIN, reading on */
#define TK_STALL() TK_STEP(STALL, .number = 0)	     /* read nothing any more */
#define TK_RESUME() TK_STEP(RESUME, .number = 0)
#define TK_REFUSE() \
	TK_STEP(REFUSE, .number = 0) /* close the listener: new connections are refused */
#define TK_LISTEN() TK_STEP(LISTEN, .number = 0) /* listen again on the same port */

#define TK_ACCEPT() \
	TK_STEP(ACCEPT, .number = 0) /* wait for the next connection, work on it from now on */
#define TK_ON(n) \
	TK_STEP( \
	    ON, .number = (n)) /* work on the nth connection (from 1), wait until it is there \
				    */

#define TK_CALL(f, a) TK_STEP(CALL, .fn.call = (f), .arg = (a))
#define TK_WAIT(ms) TK_STEP(WAIT, .number = (ms)) /* lets time pass, whatever comes */
/* Lets n turns of the loop pass, in each of which everybody gets what has come for them. */
#define TK_TURNS(n) TK_STEP(TURNS, .number = (n))
#define TK_UNTIL(var) \
	TK_STEP(UNTIL, .arg = &(var), .text = #var) /* until the int variable is not 0 */
#define TK_LENIENT() TK_STEP(LENIENT, .number = 0)  /* the judge looks away from this connection */
/* The test knows that the client has processed all acknowledgements sent so far; see
 * tk_session_settle(). */
#define TK_SETTLED() TK_STEP(SETTLED, .number = 0)
#define TK_END                                    \
	{                                         \
		.op = TK_OP_END, .line = __LINE__ \
	}

struct tk_broker_options {
	const char *where; /* NULL or "127.0.0.1", "::1", "unix:/path" */
	int version;	   /* TK_V31 ...: the judge refuses another one; 0: any */
	int rcvbuf;	   /* SO_RCVBUF of the connections, to make a stalled reader felt early */
	int lenient;	   /* no judge for all connections */
	int auto_ping;	   /* PINGREQ is answered, and no step sees it */
};

/* `script` may be NULL: then connections are only accepted, judged and recorded. */
struct tk_broker *tk_broker_new(
    struct event_base *base, const struct tk_step *script, const struct tk_broker_options *options);

/* Fails the test when there is an error that nobody asked for. */
void tk_broker_free(struct tk_broker *b);

const char *tk_broker_url(const struct tk_broker *b); /* "mqtt://127.0.0.1:PORT", "unix:///path" */
const char *tk_broker_host(const struct tk_broker *b);
int tk_broker_port(const struct tk_broker *b);

/*
 * Runs the event_base until the script is at its end: NULL then, else what went wrong (wrong
 * packet, illegal byte, or `ms` milliseconds are over). TK_RUN fails the test in that case.
 */
const char *tk_broker_try(struct tk_broker *b, int ms);
#define TK_RUN(b, ms)                                             \
	do {                                                      \
		const char *tk_error_ = tk_broker_try((b), (ms)); \
		if (tk_error_)                                    \
			ck_abort_msg("%s", tk_error_);            \
	} while (0)

const char *tk_broker_error(struct tk_broker *b); /* NULL: none so far; also after the script */
int tk_broker_done(const struct tk_broker *b);	  /* the script came to its end */

/* Connections are numbered from 1, their packets from 0; NULL and 0 when there is none. */
int tk_broker_connections(const struct tk_broker *b);
size_t tk_broker_count(const struct tk_broker *b, int conn);
size_t tk_broker_count_type(const struct tk_broker *b, int conn, unsigned type);
const struct tk_packet *tk_broker_packet(const struct tk_broker *b, int conn, size_t index);

/* How many PUBACK, PUBREC, PUBREL and PUBCOMP the client of that connection still owes. */
size_t tk_broker_owes(const struct tk_broker *b, int conn);

/* For use in TK_CALL and in tests without a script; they work on the current connection. */
void tk_broker_send(struct tk_broker *b, const void *data, size_t len);
void tk_broker_send_hex(struct tk_broker *b, const char *text);

#endif
