/* One reader and one writer over bytes, both with a sticky error: use them field after field, check once at the end. */
#ifndef MQEV_CORE_BUF_H
#define MQEV_CORE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

void mqev_reader_init(struct mqev_reader *r, const uint8_t *data, size_t len);
size_t mqev_reader_left(const struct mqev_reader *r);
uint8_t mqev_read_u8(struct mqev_reader *r);
uint16_t mqev_read_u16(struct mqev_reader *r);
uint32_t mqev_read_u32(struct mqev_reader *r);
/* At most four bytes, shortest form only; fails otherwise ([MQTT-1.5.5-1]). */
uint32_t mqev_read_varint(struct mqev_reader *r);
/* Two bytes of length, then that many bytes. */
struct mqev_bytes mqev_read_binary(struct mqev_reader *r);
struct mqev_bytes mqev_read_bytes(struct mqev_reader *r, size_t len);
struct mqev_bytes mqev_read_rest(struct mqev_reader *r);

struct mqev_writer {
	uint8_t *at;
	uint8_t *end;
	bool failed; /* once a write did not fit; later writes do nothing */
};

void mqev_writer_init(struct mqev_writer *w, uint8_t *data, size_t len);
void mqev_write_u8(struct mqev_writer *w, uint8_t value);
void mqev_write_u16(struct mqev_writer *w, uint16_t value);
void mqev_write_u32(struct mqev_writer *w, uint32_t value);
void mqev_write_varint(struct mqev_writer *w, uint32_t value);
void mqev_write_bytes(struct mqev_writer *w, const void *data, size_t len);
/* Two bytes of length, then the bytes; more than 65,535 fails. */
void mqev_write_binary(struct mqev_writer *w, struct mqev_bytes value);

#define MQEV_VARINT_MAX 268435455u
/* How many bytes value takes as a Variable Byte Integer (1-4). */
size_t mqev_varint_size(uint32_t value);

#endif
