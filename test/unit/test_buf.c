/* Reader and writer: every field, every way of running out of bytes, and that errors stick. */
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"

static const struct {
	uint32_t value;
	const char *hex;
} varints[] = {
    {0, "00"},
    {1, "01"},
    {127, "7F"},
    {128, "80 01"},
    {16383, "FF 7F"},
    {16384, "80 80 01"},
    {2097151, "FF FF 7F"},
    {2097152, "80 80 80 01"},
    {268435455, "FF FF FF 7F"},
};

START_TEST(varint_both_ways)
{
	struct mqev_bytes want = unit_hex(varints[_i].hex);
	struct mqev_reader r;
	struct mqev_writer w;
	uint8_t out[8];

	ck_assert_uint_eq(mqev_varint_size(varints[_i].value), want.len);
	mqev_writer_init(&w, out, sizeof(out));
	mqev_write_varint(&w, varints[_i].value);
	ck_assert(!w.failed);
	unit_same((struct mqev_bytes){out, (size_t)(w.at - out)}, want, "written");
	mqev_reader_init(&r, want.data, want.len);
	ck_assert_uint_eq(mqev_read_varint(&r), varints[_i].value);
	ck_assert(!r.failed);
	ck_assert_uint_eq(mqev_reader_left(&r), 0);
	free((void *)want.data);
}
END_TEST

START_TEST(varint_cut_anywhere)
{
	struct mqev_bytes whole = unit_hex(varints[_i].hex);
	struct mqev_reader r;
	struct mqev_writer w;
	uint8_t out[4];
	size_t len;

	for (len = 0; len < whole.len; len++) {
		mqev_reader_init(&r, whole.data, len);
		ck_assert_uint_eq(mqev_read_varint(&r), 0);
		ck_assert(r.failed);
		mqev_writer_init(&w, out, len);
		mqev_write_varint(&w, varints[_i].value);
		ck_assert(w.failed);
		ck_assert_ptr_eq(w.at, out);
	}
	free((void *)whole.data);
}
END_TEST

static const char *const bad_varints[] = {
    "80 00",
    "FF 80 00",
    "80 80 80 00",
    "80 80 00",
    "FF FF FF FF",
    "FF FF FF FF 01",
    "80 80 80 80 01",
    "80",
    "80 80 80",
};

START_TEST(varint_not_shortest_or_too_long)
{
	struct mqev_bytes bytes = unit_hex(bad_varints[_i]);
	struct mqev_reader r;

	mqev_reader_init(&r, bytes.data, bytes.len);
	ck_assert_uint_eq(mqev_read_varint(&r), 0);
	ck_assert(r.failed);
	ck_assert_uint_eq(mqev_reader_left(&r), 0);
	free((void *)bytes.data);
}
END_TEST

START_TEST(varint_above_the_largest_is_not_written)
{
	struct mqev_writer w;
	uint8_t out[8];

	mqev_writer_init(&w, out, sizeof(out));
	mqev_write_varint(&w, MQEV_VARINT_MAX + 1);
	ck_assert(w.failed);
	ck_assert_ptr_eq(w.at, out);
}
END_TEST

START_TEST(fields_come_back)
{
	struct mqev_bytes want = unit_hex("7F 1234 DEADBEEF 0003 616263 0000 FF01 64");
	struct mqev_bytes view;
	struct mqev_reader r;
	struct mqev_writer w;
	uint8_t out[64];

	mqev_writer_init(&w, out, sizeof(out));
	mqev_write_u8(&w, 0x7F);
	mqev_write_u16(&w, 0x1234);
	mqev_write_u32(&w, 0xDEADBEEF);
	mqev_write_binary(&w, unit_text("abc"));
	mqev_write_binary(&w, (struct mqev_bytes){NULL, 0});
	mqev_write_varint(&w, 255);
	mqev_write_bytes(&w, "d", 1);
	mqev_write_bytes(&w, NULL, 0);
	ck_assert(!w.failed);
	unit_same((struct mqev_bytes){out, (size_t)(w.at - out)}, want, "written");

	mqev_reader_init(&r, want.data, want.len);
	ck_assert_uint_eq(mqev_read_u8(&r), 0x7F);
	ck_assert_uint_eq(mqev_read_u16(&r), 0x1234);
	ck_assert_uint_eq(mqev_read_u32(&r), 0xDEADBEEF);
	unit_same(mqev_read_binary(&r), unit_text("abc"), "binary");
	ck_assert_uint_eq(mqev_read_binary(&r).len, 0);
	ck_assert_uint_eq(mqev_read_varint(&r), 255);
	view = mqev_read_rest(&r);
	unit_same(view, unit_text("d"), "rest");
	ck_assert_uint_eq(mqev_read_rest(&r).len, 0);
	ck_assert(!r.failed);
	free((void *)want.data);
}
END_TEST

/* Each field from one byte too few, in a block of just that size. */
START_TEST(reader_runs_out)
{
	static const uint8_t bytes[4] = {0, 9, 1, 1};
	uint8_t *exact = malloc(3);
	struct mqev_reader r;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, bytes, 3);
	mqev_reader_init(&r, NULL, 0);
	ck_assert_uint_eq(mqev_read_u8(&r), 0);
	ck_assert(r.failed);
	mqev_reader_init(&r, exact, 1);
	ck_assert_uint_eq(mqev_read_u16(&r), 0);
	ck_assert(r.failed);
	mqev_reader_init(&r, exact, 3);
	ck_assert_uint_eq(mqev_read_u32(&r), 0);
	ck_assert(r.failed);
	mqev_reader_init(&r, exact, 3);
	ck_assert_uint_eq(mqev_read_binary(&r).len, 0);
	ck_assert(r.failed);
	mqev_reader_init(&r, exact, 3);
	ck_assert_uint_eq(mqev_read_bytes(&r, 4).len, 0);
	ck_assert(r.failed);
	mqev_reader_init(&r, exact, 3);
	ck_assert_uint_eq(mqev_read_bytes(&r, SIZE_MAX).len, 0);
	ck_assert(r.failed);
	free(exact);
}
END_TEST

START_TEST(reader_error_sticks)
{
	static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct mqev_reader r;

	mqev_reader_init(&r, bytes, sizeof(bytes));
	mqev_read_bytes(&r, 9);
	ck_assert(r.failed);
	ck_assert_uint_eq(mqev_read_u8(&r), 0);
	ck_assert_uint_eq(mqev_read_u16(&r), 0);
	ck_assert_uint_eq(mqev_read_u32(&r), 0);
	ck_assert_uint_eq(mqev_read_varint(&r), 0);
	ck_assert_uint_eq(mqev_read_binary(&r).len, 0);
	ck_assert_uint_eq(mqev_read_rest(&r).len, 0);
	ck_assert(r.failed);
}
END_TEST

START_TEST(writer_error_sticks)
{
	uint8_t out[4] = {0xEE, 0xEE, 0xEE, 0xEE};
	struct mqev_writer w;

	mqev_writer_init(&w, out, 3);
	mqev_write_u8(&w, 1);
	mqev_write_binary(&w, unit_text("a"));
	ck_assert(w.failed);
	mqev_write_u8(&w, 2);
	mqev_write_u16(&w, 2);
	mqev_write_u32(&w, 2);
	mqev_write_varint(&w, 2);
	mqev_write_bytes(&w, "b", 1);
	ck_assert(w.failed);
	ck_assert_ptr_eq(w.at, out + 1);
	ck_assert_uint_eq(out[0], 1);
	ck_assert_uint_eq(out[1], 0xEE);
	ck_assert_uint_eq(out[3], 0xEE);
}
END_TEST

START_TEST(longest_binary)
{
	size_t size = 2 + 65536;
	uint8_t *data = calloc(1, size);
	uint8_t *out = malloc(size);
	struct mqev_writer w;

	ck_assert_ptr_nonnull(data);
	ck_assert_ptr_nonnull(out);
	mqev_writer_init(&w, out, size);
	mqev_write_binary(&w, (struct mqev_bytes){data, 65535});
	ck_assert(!w.failed);
	ck_assert_uint_eq(out[0], 0xFF);
	ck_assert_uint_eq(out[1], 0xFF);
	ck_assert_uint_eq((size_t)(w.at - out), 65537);
	mqev_writer_init(&w, out, size);
	mqev_write_binary(&w, (struct mqev_bytes){data, 65536});
	ck_assert(w.failed);
	ck_assert_ptr_eq(w.at, out);
	free(data);
	free(out);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_loop_test(tc, varint_both_ways, 0, (int)COUNT_OF(varints));
	tcase_add_loop_test(tc, varint_cut_anywhere, 0, (int)COUNT_OF(varints));
	tcase_add_loop_test(tc, varint_not_shortest_or_too_long, 0, (int)COUNT_OF(bad_varints));
	tcase_add_test(tc, varint_above_the_largest_is_not_written);
	tcase_add_test(tc, fields_come_back);
	tcase_add_test(tc, reader_runs_out);
	tcase_add_test(tc, reader_error_sticks);
	tcase_add_test(tc, writer_error_sticks);
	tcase_add_test(tc, longest_binary);
}

int
main(void)
{
	return unit_run("buf", add);
}
