/* W3C Trace Context in user properties of MQTT 5: traceparent and tracestate. */
#ifndef MQEV_TRACE_H
#define MQEV_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mqev/export.h>
#include <mqev/properties.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MQEV_TRACEPARENT_SIZE 56 /* of the text, with its NUL */
#define MQEV_TRACESTATE_SIZE 513 /* likewise, at most */

#define MQEV_TRACE_SAMPLED 0x01 /* a flag: the caller may have recorded its part */
#define MQEV_TRACE_RANDOM 0x02	/* a flag: the trace id is random */

/* Whom a message belongs to: the trace, and the part of it that is its parent. */
struct mqev_trace {
	uint8_t trace_id[16]; /* not all zero */
	uint8_t span_id[8];   /* not all zero */
	uint8_t flags;
	char state[MQEV_TRACESTATE_SIZE]; /* tracestate: "key=value,..."; "" is none */
};

/* A new trace with random ids and these flags, RANDOM added. MQEV_ERR_SYSTEM: the system has no
 * randomness; MQEV_ERR_INVALID: trace is NULL. */
MQEV_EXPORT int mqev_trace_start(struct mqev_trace *trace, uint8_t flags);

/* A part of the same trace below parent, with a random id of its own; flags and state are the
 * parent's. child may be parent. MQEV_ERR_SYSTEM, MQEV_ERR_INVALID. */
MQEV_EXPORT int mqev_trace_child(const struct mqev_trace *parent, struct mqev_trace *child);

/*
 * Reads a traceparent of len bytes; of a version above 00 what that version has. The state becomes
 * "". MQEV_ERR_INVALID: it is none, and then trace is not touched.
 */
MQEV_EXPORT int mqev_trace_parse(const char *traceparent, size_t len, struct mqev_trace *trace);

/* Writes the traceparent, of version 00. MQEV_ERR_INVALID: an id is all zero. */
MQEV_EXPORT int mqev_trace_format(const struct mqev_trace *trace, char text[MQEV_TRACEPARENT_SIZE]);

/* Whether a text of len bytes may be a tracestate: up to 32 entries of the form key=value, each key
 * once, 512 bytes at most. */
MQEV_EXPORT bool mqev_trace_state_valid(const char *state, size_t len);

/*
 * Adds traceparent, and tracestate if there is one, as user properties in place of those that are
 * there. MQEV_ERR_INVALID: ids or state are not valid; MQEV_ERR_NOMEM; then properties are as
 * before.
 */
MQEV_EXPORT int
mqev_trace_inject(const struct mqev_trace *trace, struct mqev_properties *properties);

/*
 * What a received message says. A tracestate that is not valid is left out, as are those behind the
 * 512th byte. MQEV_ERR_NOT_FOUND: there is no traceparent; MQEV_ERR_INVALID: it is none, or there
 * are several; then trace is not touched.
 */
MQEV_EXPORT int
mqev_trace_extract(const struct mqev_properties *properties, struct mqev_trace *trace);

#ifdef __cplusplus
}
#endif

#endif
