/*
 * UTF-8: every code point, every string of up to three bytes, and bad bytes at every place of a
 * text.
 */
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

static size_t
encode(uint32_t point, uint8_t *out)
{
	if (point < 0x80) {
		out[0] = (uint8_t)point;
		return 1;
	}
	if (point < 0x800) {
		out[0] = (uint8_t)(0xC0 | point >> 6);
		out[1] = (uint8_t)(0x80 | (point & 0x3F));
		return 2;
	}
	if (point < 0x10000) {
		out[0] = (uint8_t)(0xE0 | point >> 12);
		out[1] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
		out[2] = (uint8_t)(0x80 | (point & 0x3F));
		return 3;
	}
	out[0] = (uint8_t)(0xF0 | point >> 18);
	out[1] = (uint8_t)(0x80 | (point >> 12 & 0x3F));
	out[2] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
	out[3] = (uint8_t)(0x80 | (point & 0x3F));
	return 4;
}

START_TEST(each_code_point)
{
	uint32_t point;
	uint8_t out[4];

	for (point = 0; point < 0x200000; point++) {
		bool legal = point != 0 && point < 0x110000 && (point < 0xD800 || point > 0xDFFF);
		size_t len = encode(point, out);

		ck_assert_msg(mqev_utf8_valid(out, len) == legal, "U+%04X", (unsigned)point);
	}
}
END_TEST

/* The lawful ones are all accepted (above), so a wrong one that passes shows in the number. */
START_TEST(number_of_strings_of_three_bytes)
{
	const unsigned one = 127, two = 1920, three = 61440;
	unsigned count[4] = {0, 0, 0, 0};
	uint32_t all;
	uint8_t text[3];

	for (all = 0; all < 1u << 24; all++) {
		text[0] = (uint8_t)(all >> 16);
		text[1] = (uint8_t)(all >> 8);
		text[2] = (uint8_t)all;
		count[3] += mqev_utf8_valid(text, 3);
		if (text[2] == 0)
			count[2] += mqev_utf8_valid(text, 2);
		if (text[1] == 0 && text[2] == 0)
			count[1] += mqev_utf8_valid(text, 1);
	}
	ck_assert_uint_eq(count[1], one);
	ck_assert_uint_eq(count[2], one * one + two);
	ck_assert_uint_eq(count[3], one * one * one + 2 * one * two + three);
}
END_TEST

/* Four bytes that begin with F0 to FF, the last two at the edges of what they may be. */
START_TEST(strings_of_four_bytes)
{
	static const uint8_t edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0xBF, 0xC0, 0xED, 0xFF};
	unsigned lead, second;
	size_t i, j;

	for (lead = 0xF0; lead <= 0xFF; lead++)
		for (second = 0; second <= 0xFF; second++)
			for (i = 0; i < COUNT_OF(edges); i++)
				for (j = 0; j < COUNT_OF(edges); j++) {
					uint8_t text[4] = {
					    (uint8_t)lead, (uint8_t)second, edges[i], edges[j]};
					uint32_t point = (lead & 7u) << 18 | (second & 0x3Fu) << 12;
					bool legal = lead < 0xF8 && (second & 0xC0) == 0x80 &&
						     (edges[i] & 0xC0) == 0x80 &&
						     (edges[j] & 0xC0) == 0x80 &&
						     point >= 0x10000 && point < 0x110000;

					ck_assert_msg(mqev_utf8_valid(text, 4) == legal,
					    "%02X %02X %02X %02X", lead, second, edges[i],
					    edges[j]);
				}
}
END_TEST

static const struct {
	const char *hex;
	bool legal;
} texts[] = {
    {"", true},
    {"61", true},
    {"00", false},
    {"6100", false},
    {"C080", false},
    {"E08080", false},
    {"F0808081", false},
    {"EDA080", false},
    {"EDBFBF", false},
    {"EDA081EDB080", false},
    {"F48FBFBF", true},
    {"F4908080", false},
    {"EFBBBF", true},
    {"EFBFBE", true},
    {"01", true},
    {"C285", true},
    {"80", false},
    {"C2", false},
    {"E282", false},
    {"F09F98", false},
    {"F09F9880", true},
    {"FE", false},
    {"FF", false},
    {"F8888080 80", false},
};

START_TEST(examples)
{
	struct mqev_bytes bytes = unit_hex(texts[_i].hex);

	ck_assert_msg(
	    mqev_utf8_valid(bytes.data, bytes.len) == texts[_i].legal, "%s", texts[_i].hex);
	free((void *)bytes.data);
}
END_TEST

/* Each of the texts at each place of a longer one, which ends where its block ends. */
START_TEST(at_each_place)
{
	struct mqev_bytes bytes = unit_hex(texts[_i].hex);
	size_t len, at;

	for (len = bytes.len; len < 40; len++)
		for (at = 0; at + bytes.len <= len; at++) {
			uint8_t *text = malloc(len + 1);

			ck_assert_ptr_nonnull(text);
			memset(text, 'x', len);
			memcpy(text + at, bytes.data, bytes.len);
			ck_assert_msg(mqev_utf8_valid(text, len) == texts[_i].legal,
			    "%s at %zu of %zu", texts[_i].hex, at, len);
			free(text);
		}
	free((void *)bytes.data);
}
END_TEST

START_TEST(nothing_is_valid)
{
	ck_assert(mqev_utf8_valid(NULL, 0));
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, each_code_point);
	tcase_add_test(tc, number_of_strings_of_three_bytes);
	tcase_add_test(tc, strings_of_four_bytes);
	tcase_add_loop_test(tc, examples, 0, (int)COUNT_OF(texts));
	tcase_add_loop_test(tc, at_each_place, 0, (int)COUNT_OF(texts));
	tcase_add_test(tc, nothing_is_valid);
}

int
main(void)
{
	return unit_run("utf8", add);
}
