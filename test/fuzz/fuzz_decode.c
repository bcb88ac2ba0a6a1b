/*
 * Any bytes as a server's stream, in the three versions: what decodes is encoded again and must
 * decode to the same. Packets that only a server sends are encoded here.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <mqev/reason.h>

#include "core/decode.h"
#include "core/encode.h"
#include "core/properties.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static void
same(struct mqev_bytes a, struct mqev_bytes b)
{
	REQUIRE(a.len == b.len);
	REQUIRE(a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* What is read item by item is written to the same bytes, and a builder takes it as it is. */
static struct mqev_properties *
rebuild(const struct mqev_properties *view)
{
	struct mqev_properties *list = mqev_properties_new();
	uint8_t *data = malloc(view->len + 1);
	struct mqev_property property;
	size_t position = 0, size = 0;
	struct mqev_writer w;
	int error;

	REQUIRE(list != NULL && data != NULL);
	mqev_writer_init(&w, data, view->len);
	while (mqev_properties_next(view, &position, &property)) {
		size += mqev_property_size(&property);
		mqev_property_write(&w, &property);
		REQUIRE(mqev_property_type((int)property.id) == (int)property.type);
		error = mqev_properties_add(list, &property);
		REQUIRE(error == 0 || property.id == MQEV_PROP_SUBSCRIPTION_IDENTIFIER);
	}
	REQUIRE(position == view->len && size == view->len && !w.failed);
	same((struct mqev_bytes){data, view->len}, mqev_properties_block(view));
	free(data);
	return list;
}

static void
use_properties(struct mqev_bytes block)
{
	struct mqev_properties view = mqev_properties_view(block);
	struct mqev_properties *list = rebuild(&view);
	struct mqev_properties *copy = mqev_properties_copy(&view);
	bool one_at_most = mqev_properties_count(list) == mqev_properties_count(&view);
	char line[64];
	size_t len;

	REQUIRE(copy != NULL && mqev_properties_equal(copy, &view));
	REQUIRE(mqev_properties_equal(list, &view) == one_at_most);
	len = mqev_properties_print(copy, line, sizeof(line));
	REQUIRE(strlen(line) == (len < sizeof(line) ? len : sizeof(line) - 1));
	mqev_properties_free(copy);
	mqev_properties_free(list);
}

/* A server's encoder: as much room as any packet of this run needs. */
struct server {
	enum mqev_version version;
	struct mqev_writer w;
};

static void
put_block(struct server *s, struct mqev_bytes block)
{
	if (s->version != MQEV_V5)
		return;
	mqev_write_varint(&s->w, (uint32_t)block.len);
	mqev_write_bytes(&s->w, block.data, block.len);
}

static size_t
block_size(enum mqev_version version, struct mqev_bytes block)
{
	return version == MQEV_V5 ? mqev_varint_size((uint32_t)block.len) + block.len : 0;
}

static void
put_connack(struct server *s, const struct mqev_connack_packet *p)
{
	bool foreign = s->version == MQEV_V5 && p->code == 1;
	size_t body = 2 + (foreign ? 0 : block_size(s->version, p->properties));

	mqev_write_u8(&s->w, 0x20);
	mqev_write_varint(&s->w, (uint32_t)body);
	mqev_write_u8(&s->w, p->session_present);
	mqev_write_u8(&s->w, p->code);
	if (!foreign)
		put_block(s, p->properties);
}

static void
put_suback(struct server *s, unsigned first, const struct mqev_suback_packet *p)
{
	size_t body = 2 + block_size(s->version, p->properties) + p->codes.len;

	mqev_write_u8(&s->w, (uint8_t)first);
	mqev_write_varint(&s->w, (uint32_t)body);
	mqev_write_u16(&s->w, p->mid);
	put_block(s, p->properties);
	mqev_write_bytes(&s->w, p->codes.data, p->codes.len);
}

static void
put_publish(struct server *s, const struct mqev_publish_packet *p)
{
	const uint8_t *begin = s->w.at;

	mqev_publish_write_head(&s->w, s->version, p);
	mqev_write_bytes(&s->w, p->payload.data, p->payload.len);
	REQUIRE((size_t)(s->w.at - begin) == mqev_publish_size(s->version, p));
}

static void
put_ack(struct server *s, enum mqev_packet_type type, const struct mqev_ack_packet *p)
{
	const uint8_t *begin = s->w.at;

	mqev_ack_write(&s->w, s->version, type, p);
	REQUIRE((size_t)(s->w.at - begin) == mqev_ack_size(s->version, p));
}

static void
put_reason(struct server *s, enum mqev_packet_type type, const struct mqev_reason_packet *p)
{
	if (type == MQEV_PACKET_AUTH)
		mqev_auth_write(&s->w, p);
	else
		mqev_disconnect_write(&s->w, s->version, p);
}

static void
put_packet(struct server *s, const struct mqev_packet *packet)
{
	switch (packet->type) {
	case MQEV_PACKET_CONNACK:
		put_connack(s, &packet->u.connack);
		break;
	case MQEV_PACKET_PUBLISH:
		put_publish(s, &packet->u.publish);
		break;
	case MQEV_PACKET_PUBACK:
	case MQEV_PACKET_PUBREC:
	case MQEV_PACKET_PUBREL:
	case MQEV_PACKET_PUBCOMP:
		put_ack(s, packet->type, &packet->u.ack);
		break;
	case MQEV_PACKET_SUBACK:
		put_suback(s, 0x90, &packet->u.suback);
		break;
	case MQEV_PACKET_UNSUBACK:
		put_suback(s, 0xB0, &packet->u.suback);
		break;
	case MQEV_PACKET_PINGRESP:
		mqev_write_u16(&s->w, 0xD000);
		break;
	case MQEV_PACKET_DISCONNECT:
	case MQEV_PACKET_AUTH:
		put_reason(s, packet->type, &packet->u.reason);
		break;
	default:
		abort();
	}
}

static void
compare_connack(const struct mqev_connack_packet *a, const struct mqev_connack_packet *b)
{
	REQUIRE(a->session_present == b->session_present && a->code == b->code &&
		a->reason == b->reason);
	same(a->properties, b->properties);
	use_properties(a->properties);
}

static void
compare_publish(const struct mqev_publish_packet *a, const struct mqev_publish_packet *b)
{
	REQUIRE(a->dup == b->dup && a->retain == b->retain && a->qos == b->qos && a->mid == b->mid);
	same(a->topic, b->topic);
	same(a->properties, b->properties);
	same(a->payload, b->payload);
	use_properties(a->properties);
}

static void
compare_ack(const struct mqev_ack_packet *a, const struct mqev_ack_packet *b)
{
	REQUIRE(a->mid == b->mid && a->mid != 0 && a->reason == b->reason);
	same(a->properties, b->properties);
	use_properties(a->properties);
}

static void
compare_suback(const struct mqev_suback_packet *a, const struct mqev_suback_packet *b)
{
	REQUIRE(a->mid == b->mid && a->mid != 0);
	same(a->properties, b->properties);
	same(a->codes, b->codes);
	use_properties(a->properties);
}

static void
compare_reason(const struct mqev_reason_packet *a, const struct mqev_reason_packet *b)
{
	REQUIRE(a->reason == b->reason);
	same(a->properties, b->properties);
	use_properties(a->properties);
}

static void
compare(const struct mqev_packet *a, const struct mqev_packet *b)
{
	REQUIRE(a->type == b->type);
	switch (a->type) {
	case MQEV_PACKET_CONNACK:
		compare_connack(&a->u.connack, &b->u.connack);
		break;
	case MQEV_PACKET_PUBLISH:
		compare_publish(&a->u.publish, &b->u.publish);
		break;
	case MQEV_PACKET_SUBACK:
	case MQEV_PACKET_UNSUBACK:
		compare_suback(&a->u.suback, &b->u.suback);
		break;
	case MQEV_PACKET_DISCONNECT:
	case MQEV_PACKET_AUTH:
		compare_reason(&a->u.reason, &b->u.reason);
		break;
	case MQEV_PACKET_PINGRESP:
		break;
	default:
		compare_ack(&a->u.ack, &b->u.ack);
	}
}

/* A repeated packet may be longer than what came by no more than a property length. */
static void
check_round_trip(enum mqev_version version, const struct mqev_packet *packet)
{
	size_t room = packet->size + 8;
	struct server s = {.version = version};
	struct mqev_fault fault = {0, NULL};
	struct mqev_packet again;
	struct mqev_frame frame;
	uint8_t *data = malloc(room);
	size_t len;

	REQUIRE(data != NULL);
	mqev_writer_init(&s.w, data, room);
	put_packet(&s, packet);
	REQUIRE(!s.w.failed);
	len = (size_t)(s.w.at - data);
	REQUIRE(mqev_frame_parse(version, data, len, &frame, &fault) == MQEV_FRAME_WHOLE);
	REQUIRE(frame.header_len + (size_t)frame.body_len == len);
	REQUIRE(mqev_packet_decode(version, &frame, data, &again, &fault));
	compare(packet, &again);
	free(data);
}

/* Decodes a packet in a block that ends where it does. */
static bool
try_packet(enum mqev_version version, const struct mqev_frame *frame, const uint8_t *data)
{
	size_t size = frame->header_len + (size_t)frame->body_len;
	struct mqev_fault fault = {0, NULL};
	struct mqev_packet packet;
	uint8_t *exact = malloc(size);
	bool ok;

	REQUIRE(exact != NULL);
	memcpy(exact, data, size);
	ok = mqev_packet_decode(version, frame, exact, &packet, &fault);
	REQUIRE(ok == (fault.reason == 0) && ok == (fault.text == NULL));
	REQUIRE(ok || fault.reason >= 0x80);
	if (ok)
		check_round_trip(version, &packet);
	free(exact);
	return ok;
}

static void
try_stream(enum mqev_version version, const uint8_t *data, size_t size)
{
	struct mqev_fault fault = {0, NULL};
	struct mqev_frame frame;

	while (mqev_frame_parse(version, data, size, &frame, &fault) == MQEV_FRAME_WHOLE) {
		size_t len = frame.header_len + (size_t)frame.body_len;

		if (len > size || !try_packet(version, &frame, data))
			return;
		data += len;
		size -= len;
	}
	REQUIRE(fault.reason == 0 || fault.text != NULL);
}

/*
 * The bytes as a property block of each packet: a list that may be sent is one that can be read
 * whole.
 */
static void
try_block(const uint8_t *data, size_t size)
{
	struct mqev_properties view = mqev_properties_view((struct mqev_bytes){data, size});
	struct mqev_property property;
	size_t position = 0;
	int type;

	while (mqev_properties_next(&view, &position, &property))
		REQUIRE(mqev_property_name((int)property.id) != NULL);
	for (type = MQEV_PACKET_CONNECT; type <= MQEV_PACKET_WILL; type++)
		if (mqev_properties_sendable(&view, (enum mqev_packet_type)type))
			REQUIRE(position == size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_block(data, size);
	try_stream(MQEV_V31, data, size);
	try_stream(MQEV_V311, data, size);
	try_stream(MQEV_V5, data, size);
	return 0;
}
