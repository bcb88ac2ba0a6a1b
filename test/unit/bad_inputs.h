/* What a server must not send, as tables: the rows of test_session_bad.c. */
#ifndef MQEV_TEST_BAD_INPUTS_H
#define MQEV_TEST_BAD_INPUTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/packet.h"

/* Everywhere the own limits are Topic Alias Maximum 10, Receive Maximum 2, Maximum Packet Size
 * 1024. Connected: a SUBSCRIBE of one filter with identifier 1 is not answered. */
enum bad_context {
	A5,  /* 5.0, connected */
	A5R, /* the same with Request Problem Information 0 */
	A5U, /* the same with an UNSUBSCRIBE of one filter, identifier 1, in place of the SUBSCRIBE
	      */
	AU,  /* the same with the authentication method "SCRAM" */
	AUR, /* the same while authenticating again */
	P5,  /* 5.0, waiting for CONNACK after Clean Start 1 */
	P5E, /* the same with an empty client identifier */
	P5N, /* the same after Clean Start 0, without a session of our own */
	P5R, /* the same with Request Problem Information 0 */
	PU,  /* the same with the authentication method "SCRAM" */
	A4,  /* 3.1.1 */
	P4,
	P4N,
	A3, /* 3.1 */
	P3
};

/* A reason: the connection ends with it, in 5.0 after a DISCONNECT that says so. */
enum {
	M = 0x81,
	P = 0x82,
	FINE = 0,	/* legal: the connection goes on (control cases) */
	REFUSED = 0x100 /* a refusal, reported as such: no DISCONNECT */
};

struct bad_input {
	enum bad_context context;
	const char *bytes;
	int answer;
	const char *fault;
};

struct bad_inputs {
	const struct bad_input *rows;
	int count;
};

extern const struct bad_inputs bad_rows_framing;
extern const struct bad_inputs bad_rows_connacks;
extern const struct bad_inputs bad_rows_publishes;
extern const struct bad_inputs bad_rows_acks;
extern const struct bad_inputs bad_rows_subacks;
extern const struct bad_inputs bad_rows_ends;

#endif
