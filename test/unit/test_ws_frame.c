/* WebSocket frames: every rule a server can break, every cut, masking, pongs, and what is sent. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/buffer.h>

#include "lib/bytes.h"
#include "net/ws.h"

#define LIMIT 1000000u

struct side {
	struct mqev_ws ws;
	struct evbuffer *from; /* what the server sent */
	struct evbuffer *to;   /* what MQTT gets */
	struct evbuffer *wire; /* what goes to the server */
};

static void
side_open(struct side *s, uint64_t limit)
{
	mqev_ws_init(&s->ws, limit);
	s->from = evbuffer_new();
	s->to = evbuffer_new();
	s->wire = evbuffer_new();
}

static void
side_close(struct side *s)
{
	mqev_ws_clear(&s->ws);
	evbuffer_free(s->from);
	evbuffer_free(s->to);
	evbuffer_free(s->wire);
}

static void
side_give(struct side *s, const unsigned char *data, size_t len)
{
	evbuffer_add(s->from, data, len);
	mqev_ws_input(&s->ws, s->from, s->to, s->wire);
	ck_assert_uint_eq(evbuffer_get_length(s->from), 0);
}

/* Takes the frames of the wire apart, unmasked: "opcode:payload in hex " for each. */
static struct tk_buf
wire_frames(struct evbuffer *wire)
{
	struct tk_buf text = {0};
	unsigned char *at = evbuffer_pullup(wire, -1);
	unsigned char *end = at + evbuffer_get_length(wire);

	while (at < end) {
		uint64_t len = at[1] & 0x7f;
		unsigned opcode = at[0] & 0x0f;
		unsigned char *mask;
		size_t more = len == 127 ? 8 : len == 126 ? 2 : 0;

		ck_assert_uint_eq(at[0] & 0xf0, 0x80);
		ck_assert_uint_eq(at[1] & 0x80, 0x80);
		at += 2;
		for (len = more ? 0 : len; more > 0; more--)
			len = len << 8 | *at++;
		mask = at;
		at += 4;
		ck_assert_uint_le(len, (size_t)(end - at));
		tk_buf_printf(&text, "%x:", opcode);
		for (uint64_t i = 0; i < len; i++)
			tk_buf_printf(&text, "%02x", at[i] ^ mask[i % 4]);
		tk_buf_printf(&text, " ");
		at += len;
	}
	evbuffer_drain(wire, evbuffer_get_length(wire));
	tk_buf_put(&text, "", 1);
	return text;
}

static void
assert_wire(struct evbuffer *wire, const char *want)
{
	struct tk_buf text = wire_frames(wire);

	ck_assert_str_eq((char *)text.data, want);
	tk_buf_free(&text);
}

/* Input ---------------------------------------------------------------------------------------- */

static const struct {
	const char *frames; /* packet notation */
	const char *data;   /* in hex, what MQTT gets */
	const char *wire;   /* the answers */
	enum mqev_ws_end end;
	int code;
} rows[] = {
    {"82 00", "", "", MQEV_WS_OPEN, 0},
    {"82 02 6869", "6869", "", MQEV_WS_OPEN, 0},
    {"82 01 61 82 01 62 82 00 82 01 63", "616263", "", MQEV_WS_OPEN, 0},
    {"02 01 61 00 01 62 80 01 63", "616263", "", MQEV_WS_OPEN, 0},
    {"02 00 00 00 80 00 82 01 61", "61", "", MQEV_WS_OPEN, 0},
    {"82 7E 007E 'a'*126", "61*126", "", MQEV_WS_OPEN, 0},
    {"82 7E FFFF 'a'*65535", "61*65535", "", MQEV_WS_OPEN, 0},
    {"82 7F 0000000000010000 'a'*65536", "61*65536", "", MQEV_WS_OPEN, 0},
    {"89 00 82 01 61", "61", "a: ", MQEV_WS_OPEN, 0},
    {"89 02 6869 82 01 61", "61", "a:6869 ", MQEV_WS_OPEN, 0},
    {"02 01 61 89 01 70 80 01 62", "6162", "a:70 ", MQEV_WS_OPEN, 0},
    {"8A 03 616263 8A 00 82 01 61", "61", "", MQEV_WS_OPEN, 0},
    {"88 00", "", "8: ", MQEV_WS_PEER_CLOSED, 0},
    {"82 01 61 88 02 03E8", "61", "8:03e8 ", MQEV_WS_PEER_CLOSED, 1000},
    {"88 05 03E9 'bye' 82 01 61", "", "8:03e9 ", MQEV_WS_PEER_CLOSED, 1001},
    {"88 02 0FA0", "", "8:0fa0 ", MQEV_WS_PEER_CLOSED, 4000},
    {"88 01 03", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"88 02 03E7", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"88 02 03ED", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"88 02 03EE", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"88 02 03F7", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"88 02 0000", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"88 02 1388", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    /* text */
    {"81 01 61", "", "8:03eb ", MQEV_WS_FAULT, 1003},
    {"82 01 61 01 00", "61", "8:03eb ", MQEV_WS_FAULT, 1003},
    /* reserved bits, unknown kinds */
    {"C2 01 61", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"A2 01 61", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"92 01 61", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"83 01 61", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"87 00", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"8B 00", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"8F 00", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"C9 00", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    /* control frames too long or in parts */
    {"89 7E 007E 'a'*126", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"88 7E 007E", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"09 00", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"08 00", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    /* lengths that are not the shortest, or impossible */
    {"82 7E 007D 'a'*125", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"82 7F 000000000000FFFF", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"82 7F 8000000000010000", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    /* masked by a server */
    {"82 81 00000000 61", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    /* messages out of order */
    {"80 01 61", "", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"02 01 61 82 01 62", "61", "8:03ea ", MQEV_WS_FAULT, 1002},
    {"82 01 61 00 01 62", "61", "8:03ea ", MQEV_WS_FAULT, 1002},
    /* too large, told by the header alone */
    {"82 7F 0000010000000000", "", "8:03f1 ", MQEV_WS_FAULT, 1009},
    {"82 7F 00000000000F4241", "", "8:03f1 ", MQEV_WS_FAULT, 1009},
    {"82 7F 7FFFFFFFFFFFFFFF", "", "8:03f1 ", MQEV_WS_FAULT, 1009},
    {"82 01 61 82 02 6262 02 7F 0000010000000000", "616262", "8:03f1 ", MQEV_WS_FAULT, 1009},
    {"82 7F 00000000000F4241 61", "", "8:03f1 ", MQEV_WS_FAULT, 1009},
    /* nothing after the end counts */
    {"81 00 82 01 61 89 00 88 00", "", "8:03eb ", MQEV_WS_FAULT, 1003},
};

static void
check_row(int i, size_t cut, size_t step)
{
	struct tk_buf bytes = tk_hex(rows[i].frames);
	struct tk_buf data = tk_hex(rows[i].data);
	struct side s;

	side_open(&s, LIMIT);
	side_give(&s, bytes.data, cut);
	for (size_t at = cut; at < bytes.len; at += step)
		side_give(&s, bytes.data + at, bytes.len - at < step ? bytes.len - at : step);
	tk_assert_mem(data.data, data.len, evbuffer_pullup(s.to, -1), evbuffer_get_length(s.to));
	assert_wire(s.wire, rows[i].wire);
	ck_assert_int_eq(s.ws.end, rows[i].end);
	ck_assert_int_eq(s.ws.close_code, rows[i].code);
	ck_assert(s.ws.end == MQEV_WS_FAULT ? s.ws.why != NULL : s.ws.why == NULL);
	ck_assert_ptr_null(s.ws.in);
	side_close(&s);
	tk_buf_free(&bytes);
	tk_buf_free(&data);
}

START_TEST(rows_at_every_cut)
{
	struct tk_buf bytes = tk_hex(rows[_i].frames);
	size_t len = bytes.len;

	tk_buf_free(&bytes);
	if (len > 2000) {
		for (size_t cut = 0; cut < 20; cut++)
			check_row(_i, cut, 4096);
		check_row(_i, len - 1, 4096);
		check_row(_i, 0, 1);
		return;
	}
	for (size_t cut = 0; cut <= len; cut++) {
		check_row(_i, cut, len);
		check_row(_i, cut, 1);
	}
}
END_TEST

/* 50 packets in a frame, then a packet in 50 frames. */
START_TEST(packets_and_frames_are_apart)
{
	struct tk_buf frames = tk_hex("82 7E 00C8 'ping'*50 02 01 61");
	struct side s;

	side_open(&s, LIMIT);
	for (int i = 0; i < 48; i++)
		tk_buf_hex(&frames, "00 01 61");
	tk_buf_hex(&frames, "80 01 61");
	side_give(&s, frames.data, frames.len);
	ck_assert_uint_eq(evbuffer_get_length(s.to), 250);
	ck_assert_int_eq(s.ws.end, MQEV_WS_OPEN);
	side_close(&s);
	tk_buf_free(&frames);
}
END_TEST

static void
put_frame(struct tk_buf *to, int first, const unsigned char *data, size_t len)
{
	tk_buf_hex(to, first == 0x82 ? "82" : first == 0x02 ? "02" : "80");
	if (len > 65535)
		tk_buf_put(to, "\x7f\0\0\0\0\0\1", 7);
	else if (len > 125)
		tk_buf_put(to, "\x7e", 1);
	if (len > 125)
		tk_buf_put(to, (unsigned char[]){(unsigned char)(len >> 8)}, 1);
	tk_buf_put(to, (unsigned char[]){(unsigned char)len}, 1);
	tk_buf_put(to, data, len);
}

/* Around the sizes at which wslay is left aside, and those of its own buffer; whatever the cut, the
 * payloads come out whole, and nothing of wslay's is held in the middle of a long frame. */
START_TEST(long_frames_in_place)
{
	static const size_t sizes[] = {1, 1020, 1023, 1024, 1025, 2, 4085, 4086, 4092, 4096, 5120,
	    5121, 3, 0, 66000, 4, 20000, 125, 126};
	static const size_t cuts[] = {1, 2, 13, 1000, 1024, 4096, 4097, 70000, 1000000};
	size_t cut = cuts[_i];
	unsigned char data[70000];
	struct tk_buf frames = {0};
	struct tk_buf want = {0};
	size_t have = 0;
	struct side s;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7 + i / 256);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int whole = (int)(i % 3);

		put_frame(&frames, whole == 0 ? 0x82 : whole == 1 ? 0x02 : 0x80, data, sizes[i]);
		tk_buf_put(&want, data, sizes[i]);
		tk_buf_hex(&frames, "89 00");
	}
	side_open(&s, LIMIT);
	for (size_t at = 0; at < frames.len; at += cut) {
		size_t part = frames.len - at < cut ? frames.len - at : cut;
		unsigned char *copy = malloc(part);

		memcpy(copy, frames.data + at, part);
		part = mqev_ws_unframe(&s.ws, copy, part, s.wire);
		if (part > want.len - have || memcmp(copy, want.data + have, part) != 0)
			ck_abort_msg("other bytes behind %zu", have);
		have += part;
		free(copy);
		if (s.ws.frame_open && s.ws.frame_left >= 1024)
			ck_assert_ptr_null(s.ws.in);
	}
	ck_assert_int_eq(s.ws.end, MQEV_WS_OPEN);
	ck_assert_uint_eq(have, want.len);
	ck_assert_ptr_null(s.ws.in);
	side_close(&s);
	tk_buf_free(&frames);
	tk_buf_free(&want);
}
END_TEST

/* As in the middle of a frame of 2^30 bytes of which ten came: what is held does not grow with what
 * is announced. */
START_TEST(nothing_is_held_for_announced_lengths)
{
	struct tk_buf head = tk_hex("82 7F 0000000040000000 'a'*10");
	struct side s;

	side_open(&s, UINT64_MAX);
	side_give(&s, head.data, head.len);
	ck_assert_int_eq(s.ws.end, MQEV_WS_OPEN);
	ck_assert_uint_eq(evbuffer_get_length(s.to), 10);
	ck_assert_uint_eq(s.ws.frame_left, 0x40000000 - 10);
	side_close(&s);
	tk_buf_free(&head);
}
END_TEST

START_TEST(one_pong_waits)
{
	struct tk_buf first = tk_hex("89 01 00");
	struct side s;

	side_open(&s, LIMIT);
	for (unsigned i = 0; i < 100000; i++) {
		first.data[2] = (unsigned char)i;
		side_give(&s, first.data, first.len);
		ck_assert_uint_le(evbuffer_get_length(s.wire), 7);
	}
	ck_assert(s.ws.pong_waiting);
	/* Half of the first pong has left: the latest still waits. */
	evbuffer_drain(s.wire, 3);
	mqev_ws_output_pong(&s.ws, s.wire);
	ck_assert_uint_eq(evbuffer_get_length(s.wire), 4);
	evbuffer_drain(s.wire, 4);
	mqev_ws_output_pong(&s.ws, s.wire);
	assert_wire(s.wire, "a:9f ");
	mqev_ws_output_pong(&s.ws, s.wire);
	ck_assert_uint_eq(evbuffer_get_length(s.wire), 0);
	side_close(&s);
	tk_buf_free(&first);
}
END_TEST

/* Output --------------------------------------------------------------------------------------- */

START_TEST(masking)
{
	static const uint8_t key[4] = {0x12, 0x34, 0x56, 0x78};
	uint8_t in[80];
	uint8_t out[81];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 37);
	for (size_t start = 0; start < 8; start++) {
		for (size_t len = 0; len + start <= sizeof(in); len++) {
			for (size_t offset = 0; offset < 9; offset++) {
				memset(out, 0xee, sizeof(out));
				mqev_ws_mask(out, in + start, len, key, offset);
				for (size_t i = 0; i < len; i++)
					ck_assert_uint_eq(
					    out[i], in[start + i] ^ key[(offset + i) % 4]);
				ck_assert_uint_eq(out[len], 0xee);
			}
		}
	}
}
END_TEST

static void
check_sent(size_t len, size_t limit, size_t pieces)
{
	struct side s;
	unsigned char *data = malloc(len + 1);
	struct evbuffer *app = evbuffer_new();
	struct tk_buf text;
	struct tk_buf want = {0};
	size_t frames = 0;

	side_open(&s, LIMIT);
	for (size_t i = 0; i < len; i++)
		data[i] = (unsigned char)(i * 7 + i / 256);
	for (size_t i = 0, part = len / pieces + 1; i < len; i += part)
		evbuffer_add_reference(app, data + i, len - i < part ? len - i : part, NULL, NULL);
	while (evbuffer_get_length(app) > 0)
		mqev_ws_output(&s.ws, app, s.wire, limit);
	ck_assert_uint_eq(s.ws.sent, evbuffer_get_length(s.wire));
	for (size_t i = 0; i < len; i++)
		tk_buf_printf(&want, "%02x", data[i]);
	tk_buf_put(&want, "", 1);
	text = wire_frames(s.wire);
	for (char *at = strtok((char *)text.data, " "); at != NULL; at = strtok(NULL, " ")) {
		ck_assert_mem_eq(at, "2:", 2);
		ck_assert_mem_eq(want.data, at + 2, strlen(at + 2));
		tk_buf_drain(&want, strlen(at + 2));
		frames++;
	}
	ck_assert_uint_eq(want.len, 1);
	ck_assert_uint_le(frames, len / 60000 + 1 + (limit < len ? len / limit : 0));
	tk_buf_free(&text);
	tk_buf_free(&want);
	evbuffer_free(app);
	free(data);
	side_close(&s);
}

START_TEST(sent_frames)
{
	static const size_t lengths[] = {
	    1, 2, 125, 126, 127, 4096, 65407, 65408, 65409, 65535, 65536, 65537, 300000};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		check_sent(lengths[i], SIZE_MAX, 1);
		check_sent(lengths[i], SIZE_MAX, 50);
		check_sent(lengths[i], 10000, 7);
	}
}
END_TEST

#define COSTS_BYTES 65536
#define COSTS_ROUNDS 200

static double
ns_per_kib(const struct timespec *from, const struct timespec *to)
{
	double ns =
	    (double)(to->tv_sec - from->tv_sec) * 1e9 + (double)(to->tv_nsec - from->tv_nsec);

	return ns / (COSTS_ROUNDS * (COSTS_BYTES / 1024));
}

/* A figure, judged by nobody: processor time of masking beside that of a copy. */
START_TEST(what_masking_costs)
{
	static const uint8_t key[4] = {1, 2, 3, 4};
	static uint8_t in[COSTS_BYTES], out[COSTS_BYTES];
	struct timespec began, masked, copied;
	volatile uint8_t sink = 0;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &began);
	for (int i = 0; i < COSTS_ROUNDS; i++) {
		mqev_ws_mask(out, in, sizeof(in), key, (size_t)i);
		sink = (uint8_t)(sink ^ out[i]);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &masked);
	for (int i = 0; i < COSTS_ROUNDS; i++) {
		in[i]++;
		memcpy(out, in, sizeof(in));
		sink = (uint8_t)(sink ^ out[i]);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &copied);
	printf("masking costs %.1f ns per KiB, a plain copy %.1f\n", ns_per_kib(&began, &masked),
	    ns_per_kib(&masked, &copied));
	ck_assert_uint_eq(out[0] ^ out[1], in[0] ^ in[1]);
}
END_TEST

START_TEST(masks_are_fresh)
{
	struct side s;
	struct evbuffer *app = evbuffer_new();
	unsigned char *at;
	int same = 0;

	side_open(&s, LIMIT);
	for (int i = 0; i < 100; i++) {
		evbuffer_add(app, "x", 1);
		mqev_ws_output(&s.ws, app, s.wire, SIZE_MAX);
	}
	ck_assert_uint_eq(evbuffer_get_length(s.wire), 700);
	at = evbuffer_pullup(s.wire, -1);
	for (int i = 0; i < 100; i++)
		for (int n = 0; n < i; n++)
			same += memcmp(at + 7 * i + 2, at + 7 * n + 2, 4) == 0;
	ck_assert_int_eq(same, 0);
	evbuffer_free(app);
	side_close(&s);
}
END_TEST

START_TEST(close_is_the_last_frame)
{
	struct side s;
	struct tk_buf ping = tk_hex("89 00 82 01 61 88 02 03E8");
	struct evbuffer *app = evbuffer_new();

	side_open(&s, LIMIT);
	evbuffer_add(app, "a", 1);
	mqev_ws_output(&s.ws, app, s.wire, SIZE_MAX);
	mqev_ws_output_close(&s.ws, 1000, s.wire);
	mqev_ws_output_close(&s.ws, 1000, s.wire);
	evbuffer_add(app, "b", 1);
	mqev_ws_output(&s.ws, app, s.wire, SIZE_MAX);
	ck_assert_uint_eq(evbuffer_get_length(app), 0);
	side_give(&s, ping.data, ping.len);
	assert_wire(s.wire, "2:61 8:03e8 ");
	/* What came before the server's own close frame is still delivered. */
	ck_assert_uint_eq(evbuffer_get_length(s.to), 1);
	ck_assert_int_eq(s.ws.end, MQEV_WS_PEER_CLOSED);
	evbuffer_free(app);
	tk_buf_free(&ping);
	side_close(&s);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ws_frame");
	TCase *tc = tcase_create("input");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, rows_at_every_cut, 0, (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(tc, packets_and_frames_are_apart);
	tcase_add_loop_test(tc, long_frames_in_place, 0, 9);
	tcase_add_test(tc, nothing_is_held_for_announced_lengths);
	tcase_add_test(tc, one_pong_waits);
	tc = tcase_create("output");
	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, masking);
	tcase_add_test(tc, what_masking_costs);
	tcase_add_test(tc, sent_frames);
	tcase_add_test(tc, masks_are_fresh);
	tcase_add_test(tc, close_is_the_last_frame);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
