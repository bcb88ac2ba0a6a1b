/*
 * Packets of a client: exact bytes in the three versions, sizes at the edges of the length
 * field, writers that are too small.
 */
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "core/decode.h"
#include "core/encode.h"

#define PROPERTY                                    \
	{                                           \
		(const uint8_t *)"\x1F\x00\x01x", 4 \
	}
#define TEXT(text)                                        \
	{                                                 \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}

/*
 * Runs write into exactly size bytes and compares; then into each smaller room, which must fail
 * without a word more.
 */
#define CHECK_PACKET(size_call, hex, ...)                                                   \
	do {                                                                                \
		struct mqev_bytes want = unit_hex(hex);                                     \
		size_t size = (size_call);                                                  \
		size_t room;                                                                \
                                                                                            \
		ck_assert_uint_eq(size, want.len);                                          \
		for (room = size + 1; room-- > 0;) {                                        \
			uint8_t *data = malloc(room + 1);                                   \
			struct mqev_writer w;                                               \
                                                                                            \
			ck_assert_ptr_nonnull(data);                                        \
			data[room] = 0xEE;                                                  \
			mqev_writer_init(&w, data, room);                                   \
			__VA_ARGS__;                                                        \
			ck_assert(w.failed == (room < size));                               \
			ck_assert_uint_eq(data[room], 0xEE);                                \
			if (room == size)                                                   \
				unit_same((struct mqev_bytes){data, size}, want, "packet"); \
			free(data);                                                         \
		}                                                                           \
		free((void *)want.data);                                                    \
	} while (0)

static void
check_connect(const struct mqev_connect_packet *p, const char *hex)
{
	CHECK_PACKET(mqev_connect_size(p), hex, mqev_connect_write(&w, p));
}

START_TEST(connect_in_three_versions)
{
	struct mqev_connect_packet p = {
	    .version = MQEV_V5, .clean_start = true, .keepalive_s = 60, .client_id = TEXT("id")};

	check_connect(&p, "10 0F 0004 4D515454 05 02 003C 00 0002 6964");
	p.version = MQEV_V311;
	check_connect(&p, "10 0E 0004 4D515454 04 02 003C 0002 6964");
	p.version = MQEV_V31;
	check_connect(&p, "10 10 0006 4D5149736470 03 02 003C 0002 6964");
}
END_TEST

START_TEST(connect_with_all)
{
	struct mqev_connect_packet p = {
	    .version = MQEV_V5,
	    .keepalive_s = 0xFFFF,
	    .properties = TEXT("\x21\x00\x0A"),
	    .client_id = TEXT(""),
	    .has_will = true,
	    .will_qos = 2,
	    .will_retain = true,
	    .will_properties = TEXT("\x01\x01"),
	    .will_topic = TEXT("w"),
	    .will_payload = TEXT("\0\xFF"),
	    .has_username = true,
	    .username = TEXT("u"),
	    .has_password = true,
	    .password = TEXT("\0p"),
	};

	check_connect(&p, "10 21 0004 4D515454 05 F4 FFFF 03 21 000A 0000 02 0101 0001 77 0002 "
			  "00FF 0001 75 0002 0070");
	p.version = MQEV_V311;
	p.will_qos = 1;
	p.will_retain = false;
	check_connect(
	    &p, "10 1A 0004 4D515454 04 CC FFFF 0000 0001 77 0002 00FF 0001 75 0002 0070");
}
END_TEST

START_TEST(connect_flags_one_by_one)
{
	struct mqev_connect_packet p = {.version = MQEV_V311, .client_id = TEXT("")};

	check_connect(&p, "10 0C 0004 4D515454 04 00 0000 0000");
	p.has_username = true;
	check_connect(&p, "10 0E 0004 4D515454 04 80 0000 0000 0000");
	p.has_username = false;
	p.has_password = true;
	check_connect(&p, "10 0E 0004 4D515454 04 40 0000 0000 0000");
	p.has_password = false;
	p.will_qos = 2;
	p.will_retain = true;
	check_connect(&p, "10 0C 0004 4D515454 04 00 0000 0000");
	p.has_will = true;
	p.will_qos = 0;
	check_connect(&p, "10 10 0004 4D515454 04 24 0000 0000 0000 0000");
}
END_TEST

START_TEST(connect_of_a_bridge)
{
	struct mqev_connect_packet p = {
	    .version = MQEV_V311, .bridge = true, .client_id = TEXT("b")};

	check_connect(&p, "10 0D 0004 4D515454 84 00 0000 0001 62");
	p.version = MQEV_V31;
	check_connect(&p, "10 0F 0006 4D5149736470 83 00 0000 0001 62");
}
END_TEST

static void
check_publish(enum mqev_version version, const struct mqev_publish_packet *p, const char *hex)
{
	CHECK_PACKET(mqev_publish_size(version, p), hex, mqev_publish_write_head(&w, version, p);
		     mqev_write_bytes(&w, p->payload.data, p->payload.len));
}

START_TEST(publish)
{
	struct mqev_publish_packet p = {.topic = TEXT("a/b"), .payload = TEXT("hi")};

	check_publish(MQEV_V311, &p, "30 07 0003 612F62 6869");
	check_publish(MQEV_V31, &p, "30 07 0003 612F62 6869");
	check_publish(MQEV_V5, &p, "30 08 0003 612F62 00 6869");
	p.qos = 1;
	p.mid = 0x0102;
	p.retain = true;
	check_publish(MQEV_V311, &p, "33 09 0003 612F62 0102 6869");
	p.qos = 2;
	p.dup = true;
	p.properties = (struct mqev_bytes)TEXT("\x01\x01");
	check_publish(MQEV_V311, &p, "3D 09 0003 612F62 0102 6869");
	check_publish(MQEV_V5, &p, "3D 0C 0003 612F62 0102 02 0101 6869");
	p.payload = (struct mqev_bytes){NULL, 0};
	p.topic = (struct mqev_bytes){NULL, 0};
	check_publish(MQEV_V5, &p, "3D 07 0000 0102 02 0101");
}
END_TEST

static void
check_ack(enum mqev_version version, enum mqev_packet_type type, const struct mqev_ack_packet *p,
    const char *hex)
{
	CHECK_PACKET(mqev_ack_size(version, p), hex, mqev_ack_write(&w, version, type, p));
}

START_TEST(acknowledgements)
{
	struct mqev_ack_packet p = {.mid = 0x1234};

	check_ack(MQEV_V5, MQEV_PACKET_PUBACK, &p, "40 02 1234");
	check_ack(MQEV_V5, MQEV_PACKET_PUBREC, &p, "50 02 1234");
	check_ack(MQEV_V5, MQEV_PACKET_PUBREL, &p, "62 02 1234");
	check_ack(MQEV_V311, MQEV_PACKET_PUBCOMP, &p, "70 02 1234");
	check_ack(MQEV_V31, MQEV_PACKET_PUBREL, &p, "62 02 1234");
	p.reason = 0x92;
	check_ack(MQEV_V5, MQEV_PACKET_PUBREL, &p, "62 03 1234 92");
	check_ack(MQEV_V311, MQEV_PACKET_PUBREL, &p, "62 02 1234");
	p.properties = (struct mqev_bytes)PROPERTY;
	check_ack(MQEV_V5, MQEV_PACKET_PUBCOMP, &p, "70 08 1234 92 04 1F 0001 78");
	check_ack(MQEV_V311, MQEV_PACKET_PUBCOMP, &p, "70 02 1234");
	p.reason = 0;
	check_ack(MQEV_V5, MQEV_PACKET_PUBACK, &p, "40 08 1234 00 04 1F 0001 78");
}
END_TEST

static void
check_subscribe(enum mqev_version version, const struct mqev_subscribe_packet *p, const char *hex)
{
	CHECK_PACKET(mqev_subscribe_size(version, p), hex, mqev_subscribe_write(&w, version, p));
}

static void
check_unsubscribe(enum mqev_version version, const struct mqev_subscribe_packet *p, const char *hex)
{
	CHECK_PACKET(
	    mqev_unsubscribe_size(version, p), hex, mqev_unsubscribe_write(&w, version, p));
}

START_TEST(subscribe_unsubscribe)
{
	static const struct mqev_filter filters[] = {{TEXT("a/#"), 0x2E}, {TEXT("b"), 0x01}};
	struct mqev_subscribe_packet p = {.mid = 9, .filters = filters, .filter_count = 2};

	check_subscribe(MQEV_V5, &p, "82 0D 0009 00 0003 612F23 2E 0001 62 01");
	check_subscribe(MQEV_V311, &p, "82 0C 0009 0003 612F23 02 0001 62 01");
	check_subscribe(MQEV_V31, &p, "82 0C 0009 0003 612F23 02 0001 62 01");
	check_unsubscribe(MQEV_V5, &p, "A2 0B 0009 00 0003 612F23 0001 62");
	check_unsubscribe(MQEV_V311, &p, "A2 0A 0009 0003 612F23 0001 62");
	p.filter_count = 1;
	p.properties = (struct mqev_bytes)TEXT("\x0B\x80\x01");
	check_subscribe(MQEV_V5, &p, "82 0C 0009 03 0B8001 0003 612F23 2E");
	check_subscribe(MQEV_V311, &p, "82 08 0009 0003 612F23 02");
}
END_TEST

static void
check_disconnect(enum mqev_version version, const struct mqev_reason_packet *p, const char *hex)
{
	CHECK_PACKET(mqev_disconnect_size(version, p), hex, mqev_disconnect_write(&w, version, p));
}

START_TEST(disconnect_auth_pingreq)
{
	struct mqev_reason_packet p = {.reason = 0};

	CHECK_PACKET(MQEV_PINGREQ_SIZE, "C0 00", mqev_pingreq_write(&w));
	check_disconnect(MQEV_V5, &p, "E0 00");
	check_disconnect(MQEV_V311, &p, "E0 00");
	CHECK_PACKET(mqev_auth_size(&p), "F0 02 00 00", mqev_auth_write(&w, &p));
	p.reason = 0x82;
	check_disconnect(MQEV_V5, &p, "E0 01 82");
	check_disconnect(MQEV_V31, &p, "E0 00");
	p.properties = (struct mqev_bytes)PROPERTY;
	check_disconnect(MQEV_V5, &p, "E0 06 82 04 1F 0001 78");
	p.reason = 0x18;
	p.properties = (struct mqev_bytes)TEXT("\x15\x00\x01m");
	CHECK_PACKET(mqev_auth_size(&p), "F0 06 18 04 15 0001 6D", mqev_auth_write(&w, &p));
}
END_TEST

static const struct {
	size_t payload; /* topic "a" and its length take 3 bytes of the body */
	size_t size;
	const char *head;
} edges[] = {
    {124, 129, "30 7F 0001 61"},
    {125, 131, "30 80 01 0001 61"},
    {16380, 16386, "30 FF 7F 0001 61"},
    {16381, 16388, "30 80 80 01 0001 61"},
    {2097148, 2097155, "30 FF FF 7F 0001 61"},
    {2097149, 2097157, "30 80 80 80 01 0001 61"},
    {268435452, 268435460, "30 FF FF FF 7F 0001 61"},
};

/* The head alone is written: the payload's bytes are never looked at. */
START_TEST(lengths_at_the_edges)
{
	struct mqev_bytes want = unit_hex(edges[_i].head);
	struct mqev_publish_packet p = {.topic = TEXT("a")};
	struct mqev_writer w;
	uint8_t head[16];

	p.payload.data = head;
	p.payload.len = edges[_i].payload;
	ck_assert_uint_eq(mqev_publish_size(MQEV_V311, &p), edges[_i].size);
	mqev_writer_init(&w, head, sizeof(head));
	mqev_publish_write_head(&w, MQEV_V311, &p);
	ck_assert(!w.failed);
	unit_same((struct mqev_bytes){head, (size_t)(w.at - head)}, want, "head");
	free((void *)want.data);
}
END_TEST

static void
check_too_large(struct mqev_publish_packet p, enum mqev_version version)
{
	struct mqev_writer w;
	uint8_t head[16];

	ck_assert_uint_eq(mqev_publish_size(version, &p), 0);
	mqev_writer_init(&w, head, sizeof(head));
	mqev_publish_write_head(&w, version, &p);
	ck_assert(w.failed);
}

START_TEST(more_than_the_largest_packet)
{
	static const uint8_t byte[1];
	struct mqev_publish_packet p = {.topic = TEXT("a"), .payload = {byte, 268435453}};
	struct mqev_connect_packet connect = {.version = MQEV_V5, .client_id = {byte, 65536}};
	struct mqev_filter filter = {{byte, 65536}, 0};
	struct mqev_subscribe_packet subscribe = {.mid = 1, .filters = &filter, .filter_count = 1};
	struct mqev_ack_packet ack = {.mid = 1, .properties = {byte, 268435452}};

	check_too_large(p, MQEV_V311);
	p.payload.len = 268435452;
	check_too_large(p, MQEV_V5);
	p.payload.len = SIZE_MAX;
	check_too_large(p, MQEV_V5);
	p.payload.len = 0;
	p.properties.len = SIZE_MAX;
	check_too_large(p, MQEV_V5);
	p.properties.len = 0;
	p.topic.len = 65536;
	check_too_large(p, MQEV_V5);
	ck_assert_uint_eq(mqev_connect_size(&connect), 0);
	ck_assert_uint_eq(mqev_subscribe_size(MQEV_V5, &subscribe), 0);
	ck_assert_uint_eq(mqev_unsubscribe_size(MQEV_V311, &subscribe), 0);
	ck_assert_uint_eq(mqev_ack_size(MQEV_V5, &ack), 0);
	ck_assert_uint_eq(mqev_ack_size(MQEV_V311, &ack), 4);
}
END_TEST

START_TEST(many_filters_add_up)
{
	size_t count = 5000, i;
	struct mqev_filter *filters = calloc(count, sizeof(*filters));
	static const uint8_t longest[65535];
	struct mqev_subscribe_packet p = {.mid = 1, .filters = filters, .filter_count = count};

	ck_assert_ptr_nonnull(filters);
	for (i = 0; i < count; i++)
		filters[i].filter = (struct mqev_bytes){longest, sizeof(longest)};
	ck_assert_uint_eq(mqev_subscribe_size(MQEV_V311, &p), 0);
	p.filter_count = 4000;
	ck_assert_uint_eq(mqev_subscribe_size(MQEV_V311, &p), 5 + 2 + 4000 * (size_t)65538);
	free(filters);
}
END_TEST

/* What both sides may send decodes to what was encoded. */
START_TEST(decodes_to_the_same)
{
	struct mqev_publish_packet out = {.dup = true,
	    .retain = true,
	    .qos = 1,
	    .mid = 77,
	    .topic = TEXT("x/y"),
	    .properties = TEXT("\x03\x00\x01t"),
	    .payload = TEXT("payload")};
	size_t size = mqev_publish_size(MQEV_V5, &out);
	uint8_t *data = malloc(size);
	struct mqev_fault fault = {0, NULL};
	struct mqev_packet in;
	struct mqev_frame frame;
	struct mqev_writer w;

	ck_assert_ptr_nonnull(data);
	mqev_writer_init(&w, data, size);
	mqev_publish_write_head(&w, MQEV_V5, &out);
	mqev_write_bytes(&w, out.payload.data, out.payload.len);
	ck_assert(!w.failed && w.at == w.end);
	ck_assert_int_eq(mqev_frame_parse(MQEV_V5, data, size, &frame, &fault), MQEV_FRAME_WHOLE);
	ck_assert(mqev_packet_decode(MQEV_V5, &frame, data, &in, &fault));
	ck_assert(in.u.publish.dup && in.u.publish.retain);
	ck_assert_uint_eq(in.u.publish.qos, 1);
	ck_assert_uint_eq(in.u.publish.mid, 77);
	unit_same(in.u.publish.topic, out.topic, "topic");
	unit_same(in.u.publish.properties, out.properties, "properties");
	unit_same(in.u.publish.payload, out.payload, "payload");
	free(data);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, connect_in_three_versions);
	tcase_add_test(tc, connect_with_all);
	tcase_add_test(tc, connect_flags_one_by_one);
	tcase_add_test(tc, connect_of_a_bridge);
	tcase_add_test(tc, publish);
	tcase_add_test(tc, acknowledgements);
	tcase_add_test(tc, subscribe_unsubscribe);
	tcase_add_test(tc, disconnect_auth_pingreq);
	tcase_add_loop_test(tc, lengths_at_the_edges, 0, (int)COUNT_OF(edges));
	tcase_add_test(tc, more_than_the_largest_packet);
	tcase_add_test(tc, many_filters_add_up);
	tcase_add_test(tc, decodes_to_the_same);
}

int
main(void)
{
	return unit_run("encode", add);
}
