/* Packets as lines of text, one function per kind. Which lines anybody wants is not asked here. */
#include "core/packet_print.h"

#include <mqev/properties.h>
#include <mqev/reason.h>

#include "core/line.h"
#include "core/op.h"
#include "core/properties.h"

#define LONGEST_NAME 100

struct printer {
	struct mqev_line line;
	enum mqev_version version;
	bool in_list; /* of properties */
};

static void
put(struct printer *p, const char *text)
{
	mqev_line_text(&p->line, text);
}

/* "c1" */
static void
put_number(struct printer *p, const char *before, uint64_t value)
{
	put(p, before);
	mqev_line_integer(&p->line, value);
}

static void
put_name(struct printer *p, struct mqev_bytes name)
{
	mqev_line_quoted(&p->line, name, LONGEST_NAME);
}

static void
put_size(struct printer *p, size_t size)
{
	put_number(p, "(", size);
	put(p, " bytes)");
}

/* --- properties --------------------------------------------------------------------------------
 */

static void
begin_property(struct printer *p, enum mqev_property_id id)
{
	put(p, p->in_list ? ", " : " [");
	p->in_list = true;
	put(p, mqev_property_name((int)id));
	put(p, "=");
}

static void
put_integer_property(struct printer *p, enum mqev_property_id id, uint32_t value)
{
	begin_property(p, id);
	mqev_line_integer(&p->line, value);
}

static struct mqev_bytes
bytes_of(const char *data, size_t len)
{
	return (struct mqev_bytes){(const uint8_t *)data, len};
}

/* Binary data may be of an authentication, and what a user property holds is the application's
 * business, as a payload is. */
static void
put_property(struct printer *p, const struct mqev_property *property)
{
	begin_property(p, property->id);
	if (property->type <= MQEV_TYPE_VARINT) {
		mqev_line_integer(&p->line, property->integer);
		return;
	}
	if (property->type == MQEV_TYPE_STRING) {
		put_name(p, bytes_of(property->value, property->value_len));
		return;
	}
	if (property->type == MQEV_TYPE_PAIR) {
		put_name(p, bytes_of(property->name, property->name_len));
		put(p, ":");
	}
	put_size(p, property->value_len);
}

static void
put_block(struct printer *p, struct mqev_bytes block)
{
	struct mqev_property property;
	size_t at = 0;

	while (p->version == MQEV_V5 && mqev_property_read(block, &at, &property))
		put_property(p, &property);
}

static void
end_properties(struct printer *p)
{
	if (p->in_list)
		put(p, "]");
	p->in_list = false;
}

static void
put_properties(struct printer *p, struct mqev_bytes block)
{
	put_block(p, block);
	end_properties(p);
}

/* --- the packets -------------------------------------------------------------------------------
 */

static void
put_connect(struct printer *p, union mqev_packet_view view)
{
	const struct mqev_connect_packet *connect = view.connect;

	put_number(p, " (u", connect->has_username);
	put_number(p, ", p", connect->has_password);
	put_number(p, ", wr", connect->will_retain);
	put_number(p, ", wq", connect->will_qos);
	put_number(p, ", wf", connect->has_will);
	put_number(p, ", c", connect->clean_start);
	put_number(p, ", k", connect->keepalive_s);
	put_number(p, ", v", (unsigned)connect->version);
	put(p, "), client_id=");
	put_name(p, connect->client_id);
	put_properties(p, connect->properties);
}

static void
put_reason(struct printer *p, uint8_t reason)
{
	put(p, mqev_reason_text(reason));
}

static void
put_connack(struct printer *p, union mqev_packet_view view)
{
	put_number(p, " (s", view.connack->session_present);
	put_number(p, ", ", view.connack->code);
	put(p, "), ");
	put_reason(p, view.connack->reason);
	put_properties(p, view.connack->properties);
}

/* The properties that the session itself has a say in come first or stand corrected. */
static void
put_publish_properties(struct printer *p, const struct mqev_publish_packet *publish)
{
	struct mqev_property property;
	size_t at = 0;

	if (p->version != MQEV_V5)
		return;
	if (publish->alias != 0)
		put_integer_property(p, MQEV_PROP_TOPIC_ALIAS, publish->alias);
	while (mqev_property_read(publish->properties, &at, &property)) {
		if (property.id == MQEV_PROP_MESSAGE_EXPIRY_INTERVAL && publish->expiry_s != 0)
			property.integer = publish->expiry_s;
		put_property(p, &property);
	}
	end_properties(p);
}

static void
put_publish(struct printer *p, union mqev_packet_view view)
{
	const struct mqev_publish_packet *publish = view.publish;

	put_number(p, " (d", publish->dup);
	put_number(p, ", q", publish->qos);
	put_number(p, ", r", publish->retain);
	put_number(p, ", m", publish->mid);
	put(p, "), ");
	put_name(p, publish->topic);
	put_publish_properties(p, publish);
	put(p, ", ... ");
	put_size(p, publish->payload.len);
}

static void
put_mid(struct printer *p, uint16_t mid)
{
	put_number(p, " (Mid: ", mid);
	put(p, ")");
}

static void
put_ack(struct printer *p, union mqev_packet_view view)
{
	put_mid(p, view.ack->mid);
	if (p->version == MQEV_V5 && view.ack->reason != MQEV_REASON_SUCCESS) {
		put(p, ", ");
		put_reason(p, view.ack->reason);
	}
	put_properties(p, view.ack->properties);
}

/* Before 5.0 of the options there is the QoS only. */
static void
put_options(struct printer *p, uint8_t options)
{
	put_number(p, " (q", options & 3u);
	if (p->version == MQEV_V5) {
		put_number(p, ", nl", options >> 2 & 1u);
		put_number(p, ", rap", options >> 3 & 1u);
		put_number(p, ", rh", options >> 4 & 3u);
	}
	put(p, ")");
}

static void
put_request(struct printer *p, union mqev_packet_view view)
{
	const struct mqev_op *op = view.request->op;
	struct mqev_reader r;

	put_mid(p, op->mid);
	mqev_reader_init(&r, op->payload, op->payload_len);
	while (mqev_reader_left(&r) > 0) {
		put(p, ", ");
		put_name(p, mqev_read_binary(&r));
		if (op->type == MQEV_PACKET_SUBSCRIBE)
			put_options(p, mqev_read_u8(&r));
	}
	if (p->version == MQEV_V5 && view.request->subscription_id != 0)
		put_integer_property(
		    p, MQEV_PROP_SUBSCRIPTION_IDENTIFIER, view.request->subscription_id);
	put_properties(p, mqev_op_properties(op));
}

static const char *
granted_text(uint8_t code)
{
	static const char *const granted[] = {"Granted QoS 0", "Granted QoS 1", "Granted QoS 2"};

	return code < 3 ? granted[code] : mqev_reason_text(code);
}

static void
put_codes(struct printer *p, union mqev_packet_view view, const char *(*text_of)(uint8_t))
{
	const struct mqev_bytes codes = view.suback->codes;

	put_mid(p, view.suback->mid);
	for (size_t i = 0; i < codes.len; i++) {
		put(p, ", ");
		put(p, text_of(codes.data[i]));
	}
	put_properties(p, view.suback->properties);
}

static void
put_suback(struct printer *p, union mqev_packet_view view)
{
	put_codes(p, view, granted_text);
}

static const char *
plain_text(uint8_t code)
{
	return mqev_reason_text(code);
}

static void
put_unsuback(struct printer *p, union mqev_packet_view view)
{
	put_codes(p, view, plain_text);
}

static void
put_nothing(struct printer *p, union mqev_packet_view view)
{
	(void)p;
	(void)view;
}

static void
put_disconnect(struct printer *p, union mqev_packet_view view)
{
	if (p->version != MQEV_V5)
		return;
	put(p, " (");
	put(p, mqev_disconnect_reason_text(view.reason->reason));
	put(p, ")");
	put_properties(p, view.reason->properties);
}

static void
put_auth(struct printer *p, union mqev_packet_view view)
{
	put(p, " (");
	put_reason(p, view.reason->reason);
	put(p, ")");
	put_properties(p, view.reason->properties);
}

static void (*const printers[])(struct printer *p, union mqev_packet_view view) = {
    [MQEV_PACKET_CONNECT] = put_connect,
    [MQEV_PACKET_CONNACK] = put_connack,
    [MQEV_PACKET_PUBLISH] = put_publish,
    [MQEV_PACKET_PUBACK] = put_ack,
    [MQEV_PACKET_PUBREC] = put_ack,
    [MQEV_PACKET_PUBREL] = put_ack,
    [MQEV_PACKET_PUBCOMP] = put_ack,
    [MQEV_PACKET_SUBSCRIBE] = put_request,
    [MQEV_PACKET_SUBACK] = put_suback,
    [MQEV_PACKET_UNSUBSCRIBE] = put_request,
    [MQEV_PACKET_UNSUBACK] = put_unsuback,
    [MQEV_PACKET_PINGREQ] = put_nothing,
    [MQEV_PACKET_PINGRESP] = put_nothing,
    [MQEV_PACKET_DISCONNECT] = put_disconnect,
    [MQEV_PACKET_AUTH] = put_auth,
};

/* Of a line that does not fit the last three bytes that do are "...", behind a whole character. */
static void
end_line(struct mqev_line *line)
{
	if (line->len >= line->size) {
		line->len = line->size - 4;
		while (line->len > 0 && ((unsigned char)line->buf[line->len] & 0xC0) == 0x80)
			line->len--;
		mqev_line_text(line, "...");
	}
	mqev_line_end(line);
}

void
mqev_packet_print(enum mqev_version version, bool sent, enum mqev_packet_type type,
    union mqev_packet_view view, char *buf, size_t size)
{
	struct printer p = {.line = {buf, size, 0}, .version = version};

	put(&p, sent ? "Sending " : "Received ");
	put(&p, mqev_packet_name((int)type));
	printers[type](&p, view);
	end_line(&p.line);
}
