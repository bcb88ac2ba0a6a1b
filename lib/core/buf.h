/*
 * One reader and one writer over bytes, both with a sticky error: use them field after field,
 * check once at the end.
 */
#ifndef MQEV_CORE_BUF_H
#define MQEV_CORE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A view of bytes owned by somebody else. */
struct mqev_bytes {
	const uint8_t *data;
	size_t len;
};

struct mqev_reader {
	const uint8_t *at;
	const uint8_t *end;
	bool failed; /* once a field ran past the end; all later reads give zeros and empty views */
};

/* data may be NULL when len is 0, here and in the writer. */
static inline void
mqev_reader_init(struct mqev_reader *r, const uint8_t *data, size_t len)
{
	r->at = data;
	r->end = len > 0 ? data + len : data;
	r->failed = false;
}

static inline size_t
mqev_reader_left(const struct mqev_reader *r)
{
	return (size_t)(r->end - r->at);
}

static inline void
mqev_reader_fail(struct mqev_reader *r)
{
	r->failed = true;
	r->at = r->end;
}

/* True when len more bytes are there; else the reader has failed. */
static inline bool
mqev_reader_has(struct mqev_reader *r, size_t len)
{
	if (mqev_reader_left(r) >= len)
		return true;
	mqev_reader_fail(r);
	return false;
}

static inline uint8_t
mqev_read_u8(struct mqev_reader *r)
{
	return mqev_reader_has(r, 1) ? *r->at++ : 0;
}

static inline uint16_t
mqev_read_u16(struct mqev_reader *r)
{
	uint16_t value;

	if (!mqev_reader_has(r, 2))
		return 0;
	value = (uint16_t)(r->at[0] << 8 | r->at[1]);
	r->at += 2;
	return value;
}

static inline uint32_t
mqev_read_u32(struct mqev_reader *r)
{
	uint32_t high = mqev_read_u16(r);
	uint32_t low = mqev_read_u16(r);

	return r->failed ? 0 : high << 16 | low;
}

/* At most four bytes, shortest form only; fails otherwise ([MQTT-1.5.5-1]). */
uint32_t mqev_read_varint(struct mqev_reader *r);

static inline struct mqev_bytes
mqev_read_bytes(struct mqev_reader *r, size_t len)
{
	struct mqev_bytes view = {NULL, 0};

	if (!mqev_reader_has(r, len))
		return view;
	view.data = r->at;
	view.len = len;
	if (len > 0)
		r->at += len;
	return view;
}

/* Two bytes of length, then that many bytes. */
static inline struct mqev_bytes
mqev_read_binary(struct mqev_reader *r)
{
	return mqev_read_bytes(r, mqev_read_u16(r));
}

static inline struct mqev_bytes
mqev_read_rest(struct mqev_reader *r)
{
	return mqev_read_bytes(r, mqev_reader_left(r));
}

struct mqev_writer {
	uint8_t *at;
	uint8_t *end;
	bool failed; /* once a write did not fit; later writes do nothing */
};

static inline void
mqev_writer_init(struct mqev_writer *w, uint8_t *data, size_t len)
{
	w->at = data;
	w->end = len > 0 ? data + len : data;
	w->failed = false;
}

static inline void
mqev_writer_fail(struct mqev_writer *w)
{
	w->failed = true;
	w->end = w->at;
}

/* True when len more bytes fit; else the writer has failed. */
static inline bool
mqev_writer_has(struct mqev_writer *w, size_t len)
{
	if ((size_t)(w->end - w->at) >= len)
		return true;
	mqev_writer_fail(w);
	return false;
}

static inline void
mqev_write_u8(struct mqev_writer *w, uint8_t value)
{
	if (mqev_writer_has(w, 1))
		*w->at++ = value;
}

static inline void
mqev_write_u16(struct mqev_writer *w, uint16_t value)
{
	if (!mqev_writer_has(w, 2))
		return;
	w->at[0] = (uint8_t)(value >> 8);
	w->at[1] = (uint8_t)value;
	w->at += 2;
}

static inline void
mqev_write_u32(struct mqev_writer *w, uint32_t value)
{
	if (!mqev_writer_has(w, 4))
		return;
	mqev_write_u16(w, (uint16_t)(value >> 16));
	mqev_write_u16(w, (uint16_t)value);
}

#define MQEV_VARINT_MAX 268435455u

/* How many bytes value takes as a Variable Byte Integer (1-4). */
static inline size_t
mqev_varint_size(uint32_t value)
{
	return (size_t)1 + (value > 0x7F) + (value > 0x3FFF) + (value > 0x1FFFFF);
}

/* Fails above MQEV_VARINT_MAX. */
static inline void
mqev_write_varint(struct mqev_writer *w, uint32_t value)
{
	if (value > MQEV_VARINT_MAX) {
		mqev_writer_fail(w);
		return;
	}
	if (!mqev_writer_has(w, mqev_varint_size(value)))
		return;
	for (; value > 0x7F; value >>= 7)
		*w->at++ = (uint8_t)(value | 0x80);
	*w->at++ = (uint8_t)value;
}

static inline void
mqev_write_bytes(struct mqev_writer *w, const void *data, size_t len)
{
	if (len == 0 || !mqev_writer_has(w, len))
		return;
	memcpy(w->at, data, len);
	w->at += len;
}

/* Two bytes of length, then the bytes. Fails above 65,535; what does not fit is not begun. */
static inline void
mqev_write_binary(struct mqev_writer *w, struct mqev_bytes value)
{
	if (value.len > UINT16_MAX) {
		mqev_writer_fail(w);
		return;
	}
	if (!mqev_writer_has(w, 2 + value.len))
		return;
	mqev_write_u16(w, (uint16_t)value.len);
	mqev_write_bytes(w, value.data, value.len);
}

#endif
