/* SRV records out of DNS messages, cut at each byte and forged, and their order; addresses and the
 * order of dialling. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "fault/fail_mem.h"
#include "net/addr.h"
#include "net/srv.h"
#include "unit/unit.h"

/* A question for _mqtt._tcp.x, an alias, two servers (the second name by a pointer), and what
 * belongs to something else. */
static const char message[] =
    "1234 8180 0001 0004 0000 0000"
    "055f6d717474 045f746370 0178 00 0021 0001"		      /* 12: _mqtt._tcp.x */
    "c00c 0005 0001 0000001e 0002 c017"			      /* an alias of 30 s */
    "c00c 0021 0001 0000003c 000b 0001 0002 075b 026131 c017" /* 1 2 1883 a1.x */
    "c00c 0021 0001 00000e10 000a 0003 0004 22b3 0162 c017"   /* 3 4 8883 b.x */
    "c00c 0001 0001 0000003c 0004 7f000001";		      /* an address */

static int
parse_hex(const char *hex, struct mqev_srvs **srvs, uint32_t *ttl_s)
{
	struct mqev_bytes bytes = unit_hex(hex);
	int rc = mqev_srv_parse(bytes.data, bytes.len, srvs, ttl_s);

	free((void *)(uintptr_t)bytes.data);
	return rc;
}

START_TEST(test_parse)
{
	struct mqev_srvs *srvs;
	uint32_t ttl_s;

	ck_assert_int_eq(parse_hex(message, &srvs, &ttl_s), 0);
	ck_assert_uint_eq(ttl_s, 30);
	ck_assert_uint_eq(srvs->count, 2);
	ck_assert_str_eq(srvs->at[0].host, "a1.x");
	ck_assert_uint_eq(srvs->at[0].priority, 1);
	ck_assert_uint_eq(srvs->at[0].weight, 2);
	ck_assert_uint_eq(srvs->at[0].port, 1883);
	ck_assert_str_eq(srvs->at[1].host, "b.x");
	ck_assert_uint_eq(srvs->at[1].port, 8883);
	mqev_free(srvs);
}
END_TEST

/* The block is exactly as long as the cut, so that a byte too far is seen by the sanitizer. */
START_TEST(test_cut_at_each_byte)
{
	struct mqev_bytes bytes = unit_hex(message);
	struct mqev_srvs *srvs;
	uint32_t ttl_s;
	size_t len;

	for (len = 0; len < bytes.len; len++) {
		uint8_t *cut = malloc(len > 0 ? len : 1);

		memcpy(cut, bytes.data, len);
		ck_assert_int_eq(mqev_srv_parse(cut, len, &srvs, &ttl_s), MQEV_ERR_MALFORMED);
		ck_assert_ptr_null(srvs);
		free(cut);
	}
	free((void *)(uintptr_t)bytes.data);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

#define HEADER "1234 8180 0000 0001 0000 0000 "
#define RECORD(length) "0178 00 0021 0001 0000003c " length " 0001 0001 075b "

static const struct {
	const char *hex;
	int rc;
	size_t count;
} forged[] = {
    {HEADER RECORD("0007") "00", 0, 0},	  /* "." : there is no such service */
    {HEADER RECORD("0008") "c00c", 0, 1}, /* x */
    {HEADER "0178 00 0021 0001 0000003c 0008 0001 0001 0000 c00c", 0, 0}, /* port 0 */
    {HEADER RECORD("0008") "c01d", MQEV_ERR_MALFORMED, 0},		  /* a pointer to itself */
    {HEADER RECORD("0008") "c0ff", MQEV_ERR_MALFORMED, 0},		  /* past the end */
    {HEADER RECORD("0008") "c0", MQEV_ERR_MALFORMED, 0},
    {HEADER RECORD("0007") "c00c", 0, 0}, /* the name goes past the record */
    {HEADER RECORD("0009") "0161 00", 0, 1},
    {HEADER RECORD("000a") "0161 00 00", 0, 0},		      /* something after the name */
    {HEADER RECORD("0009") "0100 00", MQEV_ERR_MALFORMED, 0}, /* NUL in a label */
    {HEADER RECORD("0009") "0120 00", 0, 0},		      /* a blank */
    {HEADER RECORD("0009") "4161 00", MQEV_ERR_MALFORMED, 0}, /* an unknown kind of label */
    {HEADER "0178 00 0021 0003 0000003c 0009 0001 0001 075b 0161 00", 0, 0}, /* not IN */
    {"1234 8180 0000 0000 0000 0000", 0, 0},
    {"1234 8180 ffff 0000 0000 0000", MQEV_ERR_MALFORMED, 0},
    {"1234 8180 0000 ffff 0000 0000", MQEV_ERR_MALFORMED, 0},
};

START_TEST(test_forged)
{
	struct mqev_srvs *srvs;
	uint32_t ttl_s;

	ck_assert_int_eq(parse_hex(forged[_i].hex, &srvs, &ttl_s), forged[_i].rc);
	if (forged[_i].rc == 0)
		ck_assert_uint_eq(srvs->count, forged[_i].count);
	mqev_free(srvs);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

/* A name that is longer than any may be, made of pointers to earlier labels. */
START_TEST(test_long_name)
{
	static uint8_t data[12 + 64 * 5 + 40];
	struct mqev_srvs *srvs;
	uint32_t ttl_s;
	size_t n = 0, i;

	memcpy(data, "\x12\x34\x81\x80\0\1\0\1\0\0\0\0", 12);
	n = 12;
	for (i = 0; i < 5; i++) {
		data[n] = 63;
		memset(data + n + 1, 'a', 63);
		n += 64;
	}
	data[n++] = 0;
	memcpy(data + n, "\0\x21\0\1", 4);
	n += 4;
	memcpy(data + n, "\xc0\x0c\0\x21\0\1\0\0\0\1\0\x08\0\1\0\1\7\x5b\xc0\x0c", 20);
	ck_assert_int_eq(mqev_srv_parse(data, n + 20, &srvs, &ttl_s), MQEV_ERR_MALFORMED);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(test_limit)
{
	static uint8_t data[12 + 200 * 20];
	struct mqev_srvs *srvs;
	uint32_t ttl_s;
	size_t i;

	memcpy(data, "\x12\x34\x81\x80\0\0\0\xc8\0\0\0\0", 12);
	for (i = 0; i < 200; i++)
		memcpy(data + 12 + i * 20, "\0\0\x21\0\1\0\0\0\1\0\x09\0\1\0\1\7\x5b\1a\0", 20);
	ck_assert_int_eq(mqev_srv_parse(data, sizeof data, &srvs, &ttl_s), 0);
	ck_assert_uint_eq(srvs->count, MQEV_SRVS_MAX);
	mqev_free(srvs);
	fail_mem_after(0);
	ck_assert_int_eq(mqev_srv_parse(data, sizeof data, &srvs, &ttl_s), MQEV_ERR_NOMEM);
	fail_mem_never();
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

/* Order ---------------------------------------------------------------------------------------- */

static struct mqev_srvs *
srvs_of(const uint16_t (*numbers)[2], size_t count)
{
	struct mqev_srvs *srvs = calloc(1, sizeof *srvs + count * sizeof srvs->at[0]);
	size_t i;

	srvs->count = count;
	for (i = 0; i < count; i++) {
		srvs->at[i].priority = numbers[i][0];
		srvs->at[i].weight = numbers[i][1];
		srvs->at[i].port = (uint16_t)(i + 1);
	}
	return srvs;
}

/* How often of 4000 sorts each server comes at a place. */
static void
count_at(const uint16_t (*numbers)[2], size_t count, size_t place, int *counts)
{
	struct mqev_srvs *srvs;
	int i;

	for (i = 0; i < 4000; i++) {
		srvs = srvs_of(numbers, count);
		mqev_srvs_sort(srvs);
		counts[srvs->at[place].port - 1]++;
		free(srvs);
	}
}

START_TEST(test_priorities)
{
	static const uint16_t numbers[][2] = {{30, 9}, {10, 0}, {20, 65535}, {65535, 1}, {0, 0}};
	struct mqev_srvs *srvs = srvs_of(numbers, 5);

	mqev_srvs_sort(srvs);
	ck_assert_uint_eq(srvs->at[0].port, 5);
	ck_assert_uint_eq(srvs->at[1].port, 2);
	ck_assert_uint_eq(srvs->at[2].port, 3);
	ck_assert_uint_eq(srvs->at[3].port, 1);
	ck_assert_uint_eq(srvs->at[4].port, 4);
	free(srvs);
}
END_TEST

/* Weights 10, 30 and 60 of one priority: each is first about that many times of 100. The limits are
 * 8 standard deviations away. */
START_TEST(test_weights)
{
	static const uint16_t numbers[][2] = {{1, 10}, {1, 30}, {1, 60}, {2, 65535}};
	int counts[4] = {0}, last[4] = {0};

	count_at(numbers, 4, 0, counts);
	ck_assert_int_ge(counts[0], 400 - 152);
	ck_assert_int_le(counts[0], 400 + 152);
	ck_assert_int_ge(counts[1], 1200 - 232);
	ck_assert_int_le(counts[1], 1200 + 232);
	ck_assert_int_ge(counts[2], 2400 - 248);
	ck_assert_int_le(counts[2], 2400 + 248);
	count_at(numbers, 4, 3, last);
	ck_assert_int_eq(last[3], 4000);
}
END_TEST

START_TEST(test_weights_of_zero)
{
	static const uint16_t numbers[][2] = {{1, 0}, {1, 0}};
	int counts[2] = {0};

	count_at(numbers, 2, 0, counts);
	ck_assert_int_ge(counts[0], 1700);
	ck_assert_int_ge(counts[1], 1700);
}
END_TEST

/* Addresses ------------------------------------------------------------------------------------ */

static const struct {
	const char *in, *out;
} dialled[] = {
    {"a", "a"},
    {"ab", "ab"},
    {"aAbB", "aAbB"},
    {"abcABC", "aAbBcC"},
    {"ABCabc", "AaBbCc"},
    {"Aabcd", "Aabcd"},
    {"abcdA", "aAbcd"},
    {"abABC", "aAbBC"},
};

/* A capital letter stands for an IPv6 address, its number in the port. */
START_TEST(test_interleave)
{
	size_t i, n = strlen(dialled[_i].in);
	struct mqev_addrs *addrs = mqev_addrs_new(n);

	for (i = 0; i < n; i++) {
		char c = dialled[_i].in[i];

		ck_assert(
		    mqev_addr_parse(c < 'a' ? "::1" : "127.0.0.1", (uint16_t)c, &addrs->at[i]));
	}
	mqev_addrs_interleave(addrs);
	for (i = 0; i < n; i++) {
		char text[MQEV_ADDR_TEXT_SIZE], want[MQEV_ADDR_TEXT_SIZE];
		char c = dialled[_i].out[i];

		mqev_addr_text(&addrs->at[i], text, sizeof text);
		snprintf(want, sizeof want, c < 'a' ? "[::1]:%d" : "127.0.0.1:%d", c);
		ck_assert_str_eq(text, want);
	}
	mqev_free(addrs);
}
END_TEST

START_TEST(test_addresses)
{
	struct mqev_addr addr;
	char text[MQEV_ADDR_TEXT_SIZE], path[200];

	ck_assert(!mqev_addr_parse("localhost", 1, &addr));
	ck_assert(!mqev_addr_parse("1.2.3", 1, &addr));
	ck_assert(!mqev_addr_parse("", 1, &addr));
	ck_assert(mqev_addr_parse("fe80::1%3", 1, &addr));
	ck_assert_uint_eq(addr.u.in6.sin6_scope_id, 3);
	ck_assert(mqev_addr_parse("fe80::1%lo", 1, &addr));
	ck_assert_uint_eq(addr.u.in6.sin6_scope_id, 1);
	ck_assert(mqev_addr_set_unix(&addr, "@name"));
	ck_assert_uint_eq(addr.len, offsetof(struct sockaddr_un, sun_path) + 5);
	mqev_addr_text(&addr, text, sizeof text);
	ck_assert_str_eq(text, "unix:@name");
	memset(path, '/', sizeof path);
	path[108] = '\0';
	ck_assert(!mqev_addr_set_unix(&addr, path));
	path[107] = '\0';
	ck_assert(mqev_addr_set_unix(&addr, path));
	mqev_addr_text(&addr, text, sizeof text);
	ck_assert_uint_eq(strlen(text), 5 + 107);
}
END_TEST

static void
add(TCase *tcase)
{
	tcase_add_test(tcase, test_parse);
	tcase_add_test(tcase, test_cut_at_each_byte);
	tcase_add_loop_test(tcase, test_forged, 0, (int)COUNT_OF(forged));
	tcase_add_test(tcase, test_long_name);
	tcase_add_test(tcase, test_limit);
	tcase_add_test(tcase, test_priorities);
	tcase_add_test(tcase, test_weights);
	tcase_add_test(tcase, test_weights_of_zero);
	tcase_add_loop_test(tcase, test_interleave, 0, (int)COUNT_OF(dialled));
	tcase_add_test(tcase, test_addresses);
}

int
main(void)
{
	return unit_run("srv and addresses", add);
}
