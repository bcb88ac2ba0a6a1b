/* mqev_publish(): checks, and the way into the session. */
#include "client/publish.h"

#include <string.h>

#include "client/client.h"
#include "client/options.h"
#include "core/topic.h"
#include "port/port.h"

/* Reads the application's struct in place when it is of this version. */
static int
take_message(const struct mqev_message *given, struct mqev_message *room,
    const struct mqev_message **message)
{
	*message = given;
	if (given->size == sizeof(*given))
		return 0;
	*message = room;
	return mqev_options_take(room, sizeof(*room), given);
}

/* Aliases are the library's: one in a stored message would be wrong on the next connection. */
static bool
properties_valid(const struct mqev_properties *properties)
{
	struct mqev_property alias;

	return properties == NULL ||
	       (mqev_properties_sendable(properties, MQEV_PACKET_PUBLISH) &&
		   mqev_properties_find(properties, MQEV_PROP_TOPIC_ALIAS, &alias) != 0);
}

static struct mqev_bytes
topic_of(const struct mqev_message *m)
{
	return (struct mqev_bytes){
	    (const uint8_t *)m->topic, m->topic != NULL ? strlen(m->topic) : 0};
}

static bool
message_valid(const struct mqev_message *m, struct mqev_bytes topic)
{
	return m->qos >= 0 && m->qos <= 2 && (m->payload != NULL || m->payload_len == 0) &&
	       m->payload_len <= MQEV_VARINT_MAX && mqev_topic_name_ok(topic) &&
	       properties_valid(m->properties);
}

bool
mqev_message_sendable(const struct mqev_message *m)
{
	return message_valid(m, topic_of(m));
}

static void
find_expiry(struct mqev_bytes block, struct mqev_publish_request *request)
{
	struct mqev_property property;
	size_t at = 0;
	size_t begin = 0;

	request->expiry_at = MQEV_OP_NO_EXPIRY;
	while (mqev_property_read(block, &at, &property)) {
		if (property.id == MQEV_PROP_MESSAGE_EXPIRY_INTERVAL) {
			request->expiry_at = (uint32_t)begin + 1;
			request->expiry_s = property.integer;
			return;
		}
		begin = at;
	}
}

static void
fill_request(
    const struct mqev_message *m, struct mqev_bytes topic, struct mqev_publish_request *request)
{
	request->parts.type = MQEV_PACKET_PUBLISH;
	request->parts.topic = topic;
	request->parts.properties = mqev_properties_block(m->properties);
	request->parts.payload = (struct mqev_bytes){m->payload, m->payload_len};
	request->parts.release = m->release;
	request->parts.release_arg = m->release_arg;
	request->qos = (uint8_t)m->qos;
	request->retain = m->retain;
	find_expiry(request->parts.properties, request);
}

int64_t
mqev_publish(
    struct mqev_client *c, const struct mqev_message *message, mqev_result_cb *done, void *arg)
{
	struct mqev_message room;
	struct mqev_publish_request request = {0};
	struct mqev_bytes topic;
	int64_t result;
	bool direct;
	int error;

	if (c == NULL || message == NULL)
		return MQEV_ERR_INVALID;
	error = take_message(message, &room, &message);
	if (error != 0)
		return error;
	topic = topic_of(message);
	if (!message_valid(message, topic))
		return MQEV_ERR_INVALID;
	if (c->freed)
		return MQEV_ERR_STATE;
	fill_request(message, topic, &request);
	request.parts.done = (mqev_op_done)done;
	request.parts.arg = arg;
	direct = message->qos == 0 && mqev_client_has_room(c);
	result = mqev_session_publish(&c->session, &request, direct, mqev_port_now_ms());
	if (result < 0)
		mqev_figures_drop(c, (int)result);
	if (c->session.state == MQEV_SESSION_ENDED)
		mqev_fleet_plan(c->fleet, c);
	return result;
}
