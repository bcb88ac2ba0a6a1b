/*
 * Property lists and blocks: what may stand where, values, building, text form, memory that
 * runs out.
 */
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "core/properties.h"
#include "fault/fail_mem.h"

#include <mqev/reason.h>

/* The properties of a packet by sender, as listed in sections 3.1 to 3.15 of the standard. */
static const struct {
	enum mqev_packet_type packet;
	enum mqev_sender sender;
	const char *ids;
} lists[] = {
    {MQEV_PACKET_CONNACK, MQEV_FROM_SERVER, "11 12 13 15 16 1A 1C 1F 21 22 24 25 26 27 28 29 2A"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, "01 02 03 08 09 0B 23 26"},
    {MQEV_PACKET_PUBACK, MQEV_FROM_SERVER, "1F 26"},
    {MQEV_PACKET_PUBREC, MQEV_FROM_SERVER, "1F 26"},
    {MQEV_PACKET_PUBREL, MQEV_FROM_SERVER, "1F 26"},
    {MQEV_PACKET_PUBCOMP, MQEV_FROM_SERVER, "1F 26"},
    {MQEV_PACKET_SUBACK, MQEV_FROM_SERVER, "1F 26"},
    {MQEV_PACKET_UNSUBACK, MQEV_FROM_SERVER, "1F 26"},
    {MQEV_PACKET_DISCONNECT, MQEV_FROM_SERVER, "1C 1F 26"},
    {MQEV_PACKET_AUTH, MQEV_FROM_SERVER, "15 16 1F 26"},
    {MQEV_PACKET_CONNECT, MQEV_FROM_CLIENT, "11 15 16 17 19 21 22 26 27"},
    {MQEV_PACKET_WILL, MQEV_FROM_CLIENT, "01 02 03 08 09 18 26"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_CLIENT, "01 02 03 08 09 23 26"},
    {MQEV_PACKET_SUBSCRIBE, MQEV_FROM_CLIENT, "0B 26"},
    {MQEV_PACKET_UNSUBSCRIBE, MQEV_FROM_CLIENT, "26"},
    {MQEV_PACKET_PUBACK, MQEV_FROM_CLIENT, "1F 26"},
    {MQEV_PACKET_PUBREC, MQEV_FROM_CLIENT, "1F 26"},
    {MQEV_PACKET_PUBREL, MQEV_FROM_CLIENT, "1F 26"},
    {MQEV_PACKET_PUBCOMP, MQEV_FROM_CLIENT, "1F 26"},
    {MQEV_PACKET_DISCONNECT, MQEV_FROM_CLIENT, "11 1F 26"},
    {MQEV_PACKET_AUTH, MQEV_FROM_CLIENT, "15 16 1F 26"},
    {MQEV_PACKET_PINGREQ, MQEV_FROM_CLIENT, ""},
    {MQEV_PACKET_PINGRESP, MQEV_FROM_SERVER, ""},
    {MQEV_PACKET_CONNACK, MQEV_FROM_CLIENT, ""},
    {MQEV_PACKET_CONNECT, MQEV_FROM_SERVER, ""},
};

/* One lawful item of each property. */
static const struct item {
	int id;
	int type;
	const char *name;
	const char *hex;
} items[] = {
    {0x01, MQEV_TYPE_BYTE, "Payload Format Indicator", "01 01"},
    {0x02, MQEV_TYPE_U32, "Message Expiry Interval", "02 0000003C"},
    {0x03, MQEV_TYPE_STRING, "Content Type", "03 0001 74"},
    {0x08, MQEV_TYPE_STRING, "Response Topic", "08 0001 72"},
    {0x09, MQEV_TYPE_BINARY, "Correlation Data", "09 0002 00FF"},
    {0x0B, MQEV_TYPE_VARINT, "Subscription Identifier", "0B FFFFFF7F"},
    {0x11, MQEV_TYPE_U32, "Session Expiry Interval", "11 FFFFFFFF"},
    {0x12, MQEV_TYPE_STRING, "Assigned Client Identifier", "12 0002 6964"},
    {0x13, MQEV_TYPE_U16, "Server Keep Alive", "13 0000"},
    {0x15, MQEV_TYPE_STRING, "Authentication Method", "15 0001 6D"},
    {0x16, MQEV_TYPE_BINARY, "Authentication Data", "16 0000"},
    {0x17, MQEV_TYPE_BYTE, "Request Problem Information", "17 00"},
    {0x18, MQEV_TYPE_U32, "Will Delay Interval", "18 00000000"},
    {0x19, MQEV_TYPE_BYTE, "Request Response Information", "19 01"},
    {0x1A, MQEV_TYPE_STRING, "Response Information", "1A 0000"},
    {0x1C, MQEV_TYPE_STRING, "Server Reference", "1C 0001 73"},
    {0x1F, MQEV_TYPE_STRING, "Reason String", "1F 0001 72"},
    {0x21, MQEV_TYPE_U16, "Receive Maximum", "21 FFFF"},
    {0x22, MQEV_TYPE_U16, "Topic Alias Maximum", "22 0000"},
    {0x23, MQEV_TYPE_U16, "Topic Alias", "23 0001"},
    {0x24, MQEV_TYPE_BYTE, "Maximum QoS", "24 01"},
    {0x25, MQEV_TYPE_BYTE, "Retain Available", "25 00"},
    {0x26, MQEV_TYPE_PAIR, "User Property", "26 0001 61 0000"},
    {0x27, MQEV_TYPE_U32, "Maximum Packet Size", "27 00000001"},
    {0x28, MQEV_TYPE_BYTE, "Wildcard Subscription Available", "28 01"},
    {0x29, MQEV_TYPE_BYTE, "Subscription Identifier Available", "29 00"},
    {0x2A, MQEV_TYPE_BYTE, "Shared Subscription Available", "2A 01"},
};

static bool
listed(const char *ids, int id)
{
	for (; *ids != '\0'; ids += ids[2] == ' ' ? 3 : 2)
		if (strtol(ids, NULL, 16) == id)
			return true;
	return false;
}

static int
judge(struct mqev_bytes block, enum mqev_packet_type packet, enum mqev_sender sender)
{
	struct mqev_fault fault = {0, NULL};
	bool ok = mqev_properties_check(block, packet, sender, NULL, &fault);

	ck_assert_int_eq(ok, fault.reason == 0);
	ck_assert_int_eq(ok, fault.text == NULL);
	return fault.reason;
}

START_TEST(what_may_stand_in_each_packet)
{
	size_t i;

	for (i = 0; i < COUNT_OF(items); i++) {
		struct mqev_bytes block = unit_hex(items[i].hex);
		int verdict = judge(block, lists[_i].packet, lists[_i].sender);

		if (listed(lists[_i].ids, items[i].id))
			ck_assert_msg(verdict == 0, "%s refused", items[i].name);
		else
			ck_assert_msg(
			    verdict == 0x81 || verdict == 0x82, "%s accepted", items[i].name);
		free((void *)block.data);
	}
}
END_TEST

START_TEST(names_and_types)
{
	int id;
	size_t i, known = 0;

	for (i = 0; i < COUNT_OF(items); i++) {
		ck_assert_str_eq(mqev_property_name(items[i].id), items[i].name);
		ck_assert_int_eq(mqev_property_type(items[i].id), items[i].type);
	}
	for (id = -300; id < 300; id++) {
		known += mqev_property_name(id) != NULL;
		ck_assert_int_eq(mqev_property_name(id) != NULL, mqev_property_type(id) != 0);
	}
	ck_assert_uint_eq(known, COUNT_OF(items));
}
END_TEST

/* A packet and sender in which the property may stand. */
static void
home_of(int id, enum mqev_packet_type *packet, enum mqev_sender *sender)
{
	size_t i;

	for (i = 0; i < COUNT_OF(lists); i++)
		if (listed(lists[i].ids, id)) {
			*packet = lists[i].packet;
			*sender = lists[i].sender;
			return;
		}
	ck_abort_msg("property %02X has no packet", (unsigned)id);
}

START_TEST(each_item_cut_and_repeated)
{
	struct mqev_bytes item = unit_hex(items[_i].hex);
	uint8_t *twice = malloc(2 * item.len);
	enum mqev_packet_type packet = MQEV_PACKET_CONNECT;
	enum mqev_sender sender = MQEV_FROM_CLIENT;
	bool may_repeat = items[_i].id == 0x26 || items[_i].id == 0x0B;
	size_t len;

	ck_assert_ptr_nonnull(twice);
	home_of(items[_i].id, &packet, &sender);
	ck_assert_int_eq(judge((struct mqev_bytes){NULL, 0}, packet, sender), 0);
	for (len = 1; len < item.len; len++) {
		uint8_t *cut = malloc(len);

		ck_assert_ptr_nonnull(cut);
		memcpy(cut, item.data, len);
		ck_assert_int_eq(judge((struct mqev_bytes){cut, len}, packet, sender), 0x81);
		free(cut);
	}
	memcpy(twice, item.data, item.len);
	memcpy(twice + item.len, item.data, item.len);
	ck_assert_int_eq(
	    judge((struct mqev_bytes){twice, 2 * item.len}, packet, sender), may_repeat ? 0 : 0x82);
	free(twice);
	free((void *)item.data);
}
END_TEST

/* A block in wire form, read item by item, written again and put together by the builder. */
START_TEST(each_item_read_written_added)
{
	struct mqev_bytes item = unit_hex(items[_i].hex);
	struct mqev_properties *list = mqev_properties_new();
	struct mqev_property property;
	struct mqev_writer w;
	uint8_t out[16];
	size_t position = 0;

	ck_assert(mqev_property_read(item, &position, &property));
	ck_assert_uint_eq(position, item.len);
	ck_assert_int_eq(property.id, items[_i].id);
	ck_assert_int_eq(property.type, items[_i].type);
	ck_assert_uint_eq(mqev_property_size(&property), item.len);
	mqev_writer_init(&w, out, sizeof(out));
	mqev_property_write(&w, &property);
	ck_assert(!w.failed);
	unit_same((struct mqev_bytes){out, (size_t)(w.at - out)}, item, items[_i].name);

	ck_assert_int_eq(mqev_properties_add(list, &property), 0);
	unit_same(mqev_properties_block(list), item, items[_i].name);
	ck_assert_int_eq(
	    mqev_properties_add(list, &property), items[_i].id == 0x26 ? 0 : MQEV_ERR_INVALID);
	ck_assert(!mqev_property_read(item, &position, &property));
	mqev_properties_free(list);
	free((void *)item.data);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

static const struct {
	enum mqev_packet_type packet;
	enum mqev_sender sender;
	int verdict;
	const char *hex;
} values[] = {
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x82, "01 02"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x82, "0B 00"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x81, "0B 8000"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x81, "0B FFFFFFFF01"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0, "0B 01 0B 02 0B 01"},
    {MQEV_PACKET_SUBSCRIBE, MQEV_FROM_CLIENT, 0x82, "0B 01 0B 02"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_CLIENT, 0x82, "0B 01"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x94, "23 0000"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x82, "08 0000"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x81, "08 0003 612F23"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x81, "08 0001 2B"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x81, "08 0001 FF"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x81, "03 0001 00"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0, "03 0000"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0, "09 0001 FF"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x81, "26 0001 C3 0001 61"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x81, "26 0001 61 0001 C3"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x81, "26 0001 61"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x81, "81 00 01"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x81, "00"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x81, "2B 00"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x81, "FF"},
    {MQEV_PACKET_PUBLISH, MQEV_FROM_SERVER, 0x81, "04 00"},
    {MQEV_PACKET_CONNACK, MQEV_FROM_SERVER, 0x82, "21 0000"},
    {MQEV_PACKET_CONNACK, MQEV_FROM_SERVER, 0x82, "27 00000000"},
    {MQEV_PACKET_CONNACK, MQEV_FROM_SERVER, 0x82, "24 02"},
    {MQEV_PACKET_CONNACK, MQEV_FROM_SERVER, 0x81, "17 01"},
    {MQEV_PACKET_CONNACK, MQEV_FROM_SERVER, 0x82, "25 02"},
    {MQEV_PACKET_CONNACK, MQEV_FROM_SERVER, 0x82, "28 02"},
    {MQEV_PACKET_CONNACK, MQEV_FROM_SERVER, 0x82, "29 FF"},
    {MQEV_PACKET_CONNACK, MQEV_FROM_SERVER, 0x82, "2A 02"},
    {MQEV_PACKET_CONNECT, MQEV_FROM_CLIENT, 0x82, "17 02"},
    {MQEV_PACKET_CONNECT, MQEV_FROM_CLIENT, 0x82, "19 02"},
    {MQEV_PACKET_DISCONNECT, MQEV_FROM_SERVER, 0x82, "11 00000000"},
    {MQEV_PACKET_DISCONNECT, MQEV_FROM_SERVER, 0x81, "27 00000001"},
};

START_TEST(values_and_places)
{
	struct mqev_bytes block = unit_hex(values[_i].hex);

	ck_assert_msg(judge(block, values[_i].packet, values[_i].sender) == values[_i].verdict,
	    "%s", values[_i].hex);
	free((void *)block.data);
}
END_TEST

START_TEST(check_says_what_is_there)
{
	struct mqev_bytes block = unit_hex("21 0001 26 0000 0000 2A 01");
	struct mqev_fault fault;
	uint64_t found = 0;

	ck_assert(
	    mqev_properties_check(block, MQEV_PACKET_CONNACK, MQEV_FROM_SERVER, &found, &fault));
	ck_assert(found == (MQEV_PROP_BIT(0x21) | MQEV_PROP_BIT(0x26) | MQEV_PROP_BIT(0x2A)));
	free((void *)block.data);
}
END_TEST

START_TEST(reading_a_broken_block_stops)
{
	struct mqev_bytes block = unit_hex("01 01 02 00");
	struct mqev_property property;
	size_t position = 0;

	ck_assert(mqev_property_read(block, &position, &property));
	ck_assert(!mqev_property_read(block, &position, &property));
	ck_assert_uint_eq(position, 2);
	free((void *)block.data);
	block = unit_hex("7F");
	position = 0;
	ck_assert(!mqev_property_read(block, &position, &property));
	free((void *)block.data);
}
END_TEST

static struct mqev_properties *
sample_list(void)
{
	struct mqev_properties *list = mqev_properties_new();

	ck_assert_ptr_nonnull(list);
	ck_assert_int_eq(mqev_properties_add_string(list, MQEV_PROP_CONTENT_TYPE, "text/plain"), 0);
	ck_assert_int_eq(mqev_properties_add_user(list, "a", "b"), 0);
	ck_assert_int_eq(
	    mqev_properties_add_integer(list, MQEV_PROP_MESSAGE_EXPIRY_INTERVAL, 60), 0);
	ck_assert_int_eq(
	    mqev_properties_add_binary(list, MQEV_PROP_CORRELATION_DATA, "\0\x7F", 2), 0);
	ck_assert_int_eq(mqev_properties_add_user(list, "a", "c"), 0);
	return list;
}

START_TEST(build_and_look_up)
{
	struct mqev_properties *list = sample_list();
	struct mqev_property property;
	size_t position = 0;

	ck_assert_uint_eq(mqev_properties_count(list), 5);
	ck_assert_int_eq(mqev_properties_find(list, MQEV_PROP_USER_PROPERTY, &property), 0);
	ck_assert_uint_eq(property.name_len, 1);
	ck_assert_int_eq(property.value[0], 'b');
	ck_assert_int_eq(mqev_properties_find(list, MQEV_PROP_CORRELATION_DATA, &property), 0);
	ck_assert_uint_eq(property.value_len, 2);
	ck_assert_mem_eq(property.value, "\0\x7F", 2);
	ck_assert_int_eq(
	    mqev_properties_find(list, MQEV_PROP_TOPIC_ALIAS, &property), MQEV_ERR_NOT_FOUND);
	ck_assert_uint_eq(mqev_properties_integer(list, MQEV_PROP_MESSAGE_EXPIRY_INTERVAL, 7), 60);
	ck_assert_uint_eq(mqev_properties_integer(list, MQEV_PROP_TOPIC_ALIAS, 7), 7);
	ck_assert_uint_eq(mqev_properties_integer(list, MQEV_PROP_CONTENT_TYPE, 7), 7);
	ck_assert_uint_eq(mqev_properties_integer(NULL, MQEV_PROP_TOPIC_ALIAS, 7), 7);

	ck_assert(mqev_properties_next(list, &position, &property));
	ck_assert_int_eq(property.id, MQEV_PROP_CONTENT_TYPE);
	ck_assert(mqev_properties_next(list, &position, &property));
	ck_assert(mqev_properties_next(list, &position, &property));
	ck_assert_uint_eq(property.integer, 60);
	mqev_properties_clear(list);
	ck_assert_uint_eq(mqev_properties_count(list), 0);
	ck_assert_int_eq(mqev_properties_add_string(list, MQEV_PROP_CONTENT_TYPE, ""), 0);
	ck_assert_int_eq(mqev_properties_find(list, MQEV_PROP_CONTENT_TYPE, &property), 0);
	ck_assert_uint_eq(property.value_len, 0);
	ck_assert_ptr_nonnull(property.value);
	mqev_properties_free(list);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(nothing_is_an_empty_list)
{
	struct mqev_property property;
	size_t position = 0;
	struct mqev_properties *empty = mqev_properties_copy(NULL);

	ck_assert_ptr_nonnull(empty);
	ck_assert_uint_eq(mqev_properties_count(NULL), 0);
	ck_assert(!mqev_properties_next(NULL, &position, &property));
	ck_assert(mqev_properties_equal(NULL, NULL));
	ck_assert(mqev_properties_equal(NULL, empty));
	ck_assert(mqev_properties_sendable(NULL, MQEV_PACKET_CONNECT));
	mqev_properties_free(NULL);
	mqev_properties_clear(NULL);
	mqev_properties_free(empty);
}
END_TEST

/* Each refusal leaves the list as it was. */
START_TEST(refusals)
{
	struct mqev_properties *list = sample_list();
	struct mqev_properties *before = mqev_properties_copy(list);
	char *longest = malloc(65537);
	struct mqev_property odd = {
	    .id = MQEV_PROP_CONTENT_TYPE, .type = MQEV_TYPE_BINARY, .value = "x"};

	ck_assert_ptr_nonnull(longest);
	memset(longest, 'x', 65536);
	longest[65536] = '\0';
#define REFUSED(call) ck_assert_int_eq(call, MQEV_ERR_INVALID)
	REFUSED(mqev_properties_add_integer(list, (enum mqev_property_id)0, 1));
	REFUSED(mqev_properties_add_integer(list, (enum mqev_property_id)0x2B, 1));
	REFUSED(mqev_properties_add_integer(list, MQEV_PROP_REASON_STRING, 1));
	REFUSED(mqev_properties_add_integer(list, MQEV_PROP_MESSAGE_EXPIRY_INTERVAL, 1));
	REFUSED(mqev_properties_add_integer(list, MQEV_PROP_TOPIC_ALIAS, 65536));
	REFUSED(mqev_properties_add_integer(list, MQEV_PROP_TOPIC_ALIAS, 0));
	REFUSED(mqev_properties_add_integer(list, MQEV_PROP_PAYLOAD_FORMAT_INDICATOR, 2));
	REFUSED(mqev_properties_add_integer(list, MQEV_PROP_PAYLOAD_FORMAT_INDICATOR, 256));
	REFUSED(mqev_properties_add_integer(list, MQEV_PROP_SUBSCRIPTION_IDENTIFIER, 0));
	REFUSED(mqev_properties_add_integer(list, MQEV_PROP_SUBSCRIPTION_IDENTIFIER, 268435456));
	REFUSED(mqev_properties_add_string(list, MQEV_PROP_REASON_STRING, NULL));
	REFUSED(mqev_properties_add_string(list, MQEV_PROP_REASON_STRING, "\xC0\x80"));
	REFUSED(mqev_properties_add_string(list, MQEV_PROP_REASON_STRING, longest));
	REFUSED(mqev_properties_add_string(list, MQEV_PROP_RESPONSE_TOPIC, "a/+"));
	REFUSED(mqev_properties_add_string(list, MQEV_PROP_RESPONSE_TOPIC, ""));
	REFUSED(mqev_properties_add_string(list, MQEV_PROP_CONTENT_TYPE, "again"));
	REFUSED(mqev_properties_add_string(list, MQEV_PROP_CORRELATION_DATA, "x"));
	REFUSED(mqev_properties_add_string(list, MQEV_PROP_USER_PROPERTY, "x"));
	REFUSED(mqev_properties_add_binary(list, MQEV_PROP_AUTHENTICATION_DATA, NULL, 1));
	REFUSED(mqev_properties_add_binary(list, MQEV_PROP_AUTHENTICATION_DATA, longest, 65536));
	REFUSED(mqev_properties_add_binary(list, MQEV_PROP_REASON_STRING, "x", 1));
	REFUSED(mqev_properties_add_user(list, NULL, "x"));
	REFUSED(mqev_properties_add_user(list, "x", NULL));
	REFUSED(mqev_properties_add_user(list, "\xFF", "x"));
	REFUSED(mqev_properties_add_user(list, "x", longest));
	REFUSED(mqev_properties_add(list, NULL));
	REFUSED(mqev_properties_add(list, &odd));
	REFUSED(mqev_properties_add_user(NULL, "x", "y"));
	ck_assert(mqev_properties_equal(list, before));
	longest[65535] = '\0';
	ck_assert_int_eq(mqev_properties_add_string(list, MQEV_PROP_REASON_STRING, longest), 0);
	ck_assert_int_eq(
	    mqev_properties_add_binary(list, MQEV_PROP_AUTHENTICATION_DATA, NULL, 0), 0);
	ck_assert_int_eq(
	    mqev_properties_add_integer(list, MQEV_PROP_SUBSCRIPTION_IDENTIFIER, 268435455), 0);
	ck_assert_int_eq(mqev_properties_add_integer(list, MQEV_PROP_SUBSCRIPTION_IDENTIFIER, 1),
	    MQEV_ERR_INVALID);
	free(longest);
	mqev_properties_free(before);
	mqev_properties_free(list);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

/* A property of the list itself may be added again, also when the list has to move for it. */
START_TEST(adding_from_itself)
{
	struct mqev_properties *list = mqev_properties_new();
	struct mqev_property property;
	size_t i;

	ck_assert_int_eq(mqev_properties_add_user(list, "name", "value"), 0);
	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(mqev_properties_find(list, MQEV_PROP_USER_PROPERTY, &property), 0);
		ck_assert_int_eq(mqev_properties_add(list, &property), 0);
	}
	ck_assert_uint_eq(mqev_properties_count(list), 101);
	i = 0;
	while (mqev_properties_next(list, &i, &property)) {
		ck_assert_mem_eq(property.name, "name", 4);
		ck_assert_mem_eq(property.value, "value", 5);
	}
	mqev_properties_free(list);
}
END_TEST

START_TEST(copies)
{
	struct mqev_bytes block = unit_hex("0B 01 0B 02 03 0001 74");
	struct mqev_properties view = mqev_properties_view(block);
	struct mqev_properties *copy = mqev_properties_copy(&view);
	struct mqev_properties *list = sample_list();
	struct mqev_properties *other = mqev_properties_copy(list);

	ck_assert(mqev_properties_equal(&view, copy));
	ck_assert_ptr_ne(mqev_properties_block(copy).data, block.data);
	ck_assert_int_eq(
	    mqev_properties_add_string(copy, MQEV_PROP_CONTENT_TYPE, "x"), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_properties_add_user(copy, "x", "y"), 0);
	ck_assert(!mqev_properties_equal(&view, copy));
	ck_assert(mqev_properties_equal(list, other));
	ck_assert_int_eq(mqev_properties_add_user(list, "x", "y"), 0);
	ck_assert_int_eq(mqev_properties_add_user(other, "x", "z"), 0);
	ck_assert(!mqev_properties_equal(list, other));
	ck_assert(!mqev_properties_equal(list, NULL));
	mqev_properties_free(copy);
	mqev_properties_free(list);
	mqev_properties_free(other);
	free((void *)block.data);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

START_TEST(what_an_application_may_send)
{
	struct mqev_properties *list = sample_list();
	/* Judged by its length, before any of it is read. */
	const struct mqev_properties endless = {.data = NULL, .len = MQEV_VARINT_MAX / 4 + 1};

	ck_assert(!mqev_properties_sendable(&endless, MQEV_PACKET_SUBSCRIBE));
	ck_assert(!mqev_properties_sendable(&endless, MQEV_PACKET_CONNECT));
	ck_assert(!mqev_properties_sendable(&endless, MQEV_PACKET_DISCONNECT));

	ck_assert(mqev_properties_sendable(list, MQEV_PACKET_PUBLISH));
	ck_assert(mqev_properties_sendable(list, MQEV_PACKET_WILL));
	ck_assert(!mqev_properties_sendable(list, MQEV_PACKET_CONNECT));
	ck_assert_int_eq(
	    mqev_properties_add_integer(list, MQEV_PROP_SUBSCRIPTION_IDENTIFIER, 1), 0);
	ck_assert(!mqev_properties_sendable(list, MQEV_PACKET_PUBLISH));
	mqev_properties_free(list);
}
END_TEST

static void
check_print(const struct mqev_properties *list, const char *want)
{
	size_t size;

	ck_assert_uint_eq(mqev_properties_print(list, NULL, 0), strlen(want));
	for (size = 1; size < strlen(want) + 3; size++) {
		size_t fits = size - 1 < strlen(want) ? size - 1 : strlen(want);
		char *exact = malloc(size);

		ck_assert_ptr_nonnull(exact);
		ck_assert_uint_eq(mqev_properties_print(list, exact, size), strlen(want));
		ck_assert_uint_eq(strlen(exact), fits);
		ck_assert_int_eq(strncmp(exact, want, fits), 0);
		free(exact);
	}
}

START_TEST(printed)
{
	struct mqev_properties *list = sample_list();

	check_print(NULL, "");
	check_print(list, "Content Type=text/plain, User Property=a:b, Message Expiry Interval=60, "
			  "Correlation Data=\\x00\\x7F, User Property=a:c");
	mqev_properties_clear(list);
	ck_assert_int_eq(
	    mqev_properties_add_integer(list, MQEV_PROP_SESSION_EXPIRY_INTERVAL, UINT32_MAX), 0);
	ck_assert_int_eq(mqev_properties_add_integer(list, MQEV_PROP_SERVER_KEEP_ALIVE, 0), 0);
	ck_assert_int_eq(
	    mqev_properties_add_user(list, "\n\xC2\x9F\xC2\xA0", "\\\x7F\xC3\xA9\xF0\x9F\x98\x80"),
	    0);
	check_print(list,
	    "Session Expiry Interval=4294967295, Server Keep Alive=0, "
	    "User Property=\\x0A\\xC2\\x9F\xC2\xA0:\\x5C\\x7F\xC3\xA9\xF0\x9F\x98\x80");
	mqev_properties_free(list);
}
END_TEST

static int
build_and_copy(void)
{
	struct mqev_properties *list = mqev_properties_new();
	struct mqev_properties *copy = NULL;
	int error = list != NULL ? 0 : MQEV_ERR_NOMEM;
	int i;

	for (i = 0; i < 20 && error == 0; i++) {
		size_t count = mqev_properties_count(list);

		error = mqev_properties_add_user(list, "some name", "some longer value");
		ck_assert_uint_eq(mqev_properties_count(list), error == 0 ? count + 1 : count);
	}
	if (error == 0) {
		copy = mqev_properties_copy(list);
		error = copy != NULL ? 0 : MQEV_ERR_NOMEM;
		ck_assert(copy == NULL || mqev_properties_equal(copy, list));
	}
	mqev_properties_free(copy);
	mqev_properties_free(list);
	ck_assert_uint_eq(fail_mem_live(), 0);
	return error;
}

START_TEST(each_allocation_failing)
{
	size_t n, needed;

	fail_mem_never();
	ck_assert_int_eq(build_and_copy(), 0);
	needed = fail_mem_count();
	ck_assert_uint_ge(needed, 5);
	for (n = 0; n < needed; n++) {
		fail_mem_after(n);
		ck_assert_int_eq(build_and_copy(), MQEV_ERR_NOMEM);
		fail_mem_from(n);
		ck_assert_int_eq(build_and_copy(), MQEV_ERR_NOMEM);
	}
	fail_mem_never();
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_loop_test(tc, what_may_stand_in_each_packet, 0, (int)COUNT_OF(lists));
	tcase_add_test(tc, names_and_types);
	tcase_add_loop_test(tc, each_item_cut_and_repeated, 0, (int)COUNT_OF(items));
	tcase_add_loop_test(tc, each_item_read_written_added, 0, (int)COUNT_OF(items));
	tcase_add_loop_test(tc, values_and_places, 0, (int)COUNT_OF(values));
	tcase_add_test(tc, check_says_what_is_there);
	tcase_add_test(tc, reading_a_broken_block_stops);
	tcase_add_test(tc, build_and_look_up);
	tcase_add_test(tc, nothing_is_an_empty_list);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, adding_from_itself);
	tcase_add_test(tc, copies);
	tcase_add_test(tc, what_an_application_may_send);
	tcase_add_test(tc, printed);
	tcase_add_test(tc, each_allocation_failing);
}

int
main(void)
{
	return unit_run("properties", add);
}
