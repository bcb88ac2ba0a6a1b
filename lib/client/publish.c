/* mqev_publish(): checks, and the way into the session. */
#include "client/publish.h"

#include <string.h>

#include "client/client.h"
#include "client/durable.h"
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
	if (block.len > 0)
		mqev_properties_find_expiry(block, &request->expiry_at, &request->expiry_s);
}

/* With what it answers, which may be another client's of the same store. */
static int64_t
publish_answer(struct mqev_client *c, struct mqev_publish_request *request, uint64_t token)
{
	const struct mqev_journal *j = mqev_session_journal(&c->session);
	struct mqev_client *asked = mqev_tokens_find(c->fleet, token);
	struct mqev_entry entry;
	int64_t result;

	if (j == NULL || request->qos == 0)
		return MQEV_ERR_INVALID;
	if (asked == NULL)
		return MQEV_ERR_NOT_FOUND;
	if (mqev_session_journal(&asked->session)->carrier != j->carrier)
		return MQEV_ERR_INVALID;
	result = mqev_session_answer_begin(&asked->session, token, &entry);
	if (result != 0)
		return result;
	request->answers = &entry;
	result = mqev_session_publish(&c->session, request, mqev_port_now_ms());
	if (result > 0)
		mqev_session_answer_appended(
		    &asked->session, token, mqev_session_last_ticket(&c->session));
	return result;
}

/* A clock is not read for what goes at once. */
static int64_t
submit(struct mqev_client *c, const struct mqev_publish_request *request)
{
	int64_t result = 0;

	if (request->qos == 0 && mqev_client_has_room(c))
		result = mqev_session_publish_at_once(&c->session, request);
	return result != 0 ? result
			   : mqev_session_publish(&c->session, request, mqev_port_now_ms());
}

static int64_t
publish_valid(struct mqev_client *c, const struct mqev_message *m, struct mqev_bytes topic,
    mqev_result_cb *done, void *arg)
{
	struct mqev_publish_request request = {
	    .parts = {.type = MQEV_PACKET_PUBLISH,
		.topic = topic,
		.properties = mqev_properties_block(m->properties),
		.payload = {m->payload, m->payload_len},
		.release = m->release,
		.release_arg = m->release_arg,
		.done = (mqev_op_done)done,
		.arg = arg},
	    .qos = (uint8_t)m->qos,
	    .retain = m->retain,
	    .expiry_at = MQEV_OP_NO_EXPIRY,
	    .cookie = m->cookie,
	};

	find_expiry(request.parts.properties, &request);
	return m->answers != 0 ? publish_answer(c, &request, m->answers) : submit(c, &request);
}

int64_t
mqev_publish(
    struct mqev_client *c, const struct mqev_message *message, mqev_result_cb *done, void *arg)
{
	struct mqev_message room;
	struct mqev_bytes topic;
	int64_t result;
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
	result = publish_valid(c, message, topic, done, arg);
	if (result < 0)
		mqev_figures_drop(c, (int)result);
	if (c->session.state == MQEV_SESSION_ENDED)
		mqev_fleet_plan(c->fleet, c);
	return result;
}
