/*
 * The stream that a session is handed over by: a magic word, then frames, each a type, a length and
 * so many bytes: one client, its records by rising seq, and an end with how many there were and a
 * checksum of all before it. Numbers have their high byte first.
 */
#ifndef MQEV_STORE_STREAM_H
#define MQEV_STORE_STREAM_H

#include <mqev/store.h>

#include "core/buf.h"

#define MQEV_STREAM_MAGIC "mqevses1"
#define MQEV_STREAM_MAGIC_LEN 8
/* Of the magic word: what all formats share. */
#define MQEV_STREAM_FAMILY_LEN 7

#define MQEV_STREAM_HEADER 5
#define MQEV_STREAM_CLIENT 'C'
#define MQEV_STREAM_RECORD 'R'
#define MQEV_STREAM_END 'E'

/* A client's frame without its two texts, a record's without its bytes, the end's. */
#define MQEV_STREAM_CLIENT_FIXED 28
#define MQEV_STREAM_RECORD_FIXED 51
#define MQEV_STREAM_END_LEN 12

/* More than any packet of MQTT, and what a cipher may add. */
#define MQEV_STREAM_LONGEST (UINT32_C(300) * 1024 * 1024)

#define MQEV_STREAM_BASIS UINT64_C(0xCBF29CE484222325)

/* --- export.c, import.c: of back ends that are open --------------------------------------------
 */

#define MQEV_STREAM_SESSION_FLAGS ((uint32_t)MQEV_STORE_CLIENT_SESSION | MQEV_STORE_CLIENT_DOUBTFUL)
#define MQEV_STREAM_HANDOVER_FLAGS ((uint32_t)MQEV_STORE_CLIENT_INCOMING | MQEV_STORE_CLIENT_GONE)
#define MQEV_STREAM_TAG_SHIFT 8

struct mqev_session_export {
	const struct mqev_backend *backend;
	void *state;
	const char *name;
	uint32_t mark; /* goes with the client's flags, unless that is gone */
	mqev_stream_write_cb *write;
	void *arg;
	uint32_t flags; /* from here on it tells what it found */
	uint32_t messages;
};

int mqev_export_session(struct mqev_session_export *session);

/* Who has a store open looks himself at what comes. */
struct mqev_session_import {
	const struct mqev_backend *backend;
	void *state;
	/* Gives the client its number, which may be another's that it takes the place of
	 * (*replaced). *skip: nothing of it is appended. */
	int (*client)(void *arg, struct mqev_store_client *client, uint32_t *replaced, bool *skip);
	int (*record)(void *arg, const struct mqev_record *record);
	void *arg;
	mqev_stream_read_cb *read;
	void *read_arg;
	uint64_t seq_limit; /* the first number that the back end does not know to be used */
};

/* Appends all of it and commits, or nothing. */
int mqev_import_session(const struct mqev_session_import *session);

/* FNV-1a. */
static inline uint64_t
mqev_stream_hash(uint64_t hash, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ data[i]) * UINT64_C(0x100000001B3);
	return hash;
}

static inline void
mqev_stream_write_u64(struct mqev_writer *w, uint64_t value)
{
	mqev_write_u32(w, (uint32_t)(value >> 32));
	mqev_write_u32(w, (uint32_t)value);
}

static inline uint64_t
mqev_stream_read_u64(struct mqev_reader *r)
{
	uint64_t high = mqev_read_u32(r);

	return high << 32 | mqev_read_u32(r);
}

#endif
