/*
 * The stream that a session is handed over by: a magic word, then frames, each a type, a length and
 * so many bytes: one client, its records by rising seq, and an end with how many there were and a
 * checksum of all before it. Numbers have their high byte first.
 */
#ifndef MQEV_STORE_STREAM_H
#define MQEV_STORE_STREAM_H

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
