/* The reply topic of a client, requests on their way out, replies on their way in. */
#include "client/rpc.h"

#include <string.h>

#include "client/client.h"
#include "core/mem.h"
#include "core/topic.h"
#include "port/port.h"

#define DEFAULT_PREFIX "mqev/reply"
#define RANDOM_BYTES 16

/* --- correlation -------------------------------------------------------------------------------
 */

static void
write_correlation(const struct mqev_call *call, uint8_t data[MQEV_CORRELATION_SIZE])
{
	struct mqev_writer w;

	mqev_writer_init(&w, data, MQEV_CORRELATION_SIZE);
	mqev_write_bytes(&w, call->rpc->base, MQEV_CORRELATION_BASE);
	mqev_write_u32(&w, (uint32_t)(call->number >> 32));
	mqev_write_u32(&w, (uint32_t)call->number);
}

static uint64_t
read_number(const void *data)
{
	struct mqev_reader r;
	uint64_t high;

	mqev_reader_init(&r, (const uint8_t *)data + MQEV_CORRELATION_BASE, 8);
	high = mqev_read_u32(&r);
	return high << 32 | mqev_read_u32(&r);
}

/* The request that a message answers; NULL: none. */
static struct mqev_call *
answered(const struct mqev_rpc *rpc, const struct mqev_message *message)
{
	struct mqev_property found;
	struct mqev_call *call;

	if (mqev_properties_find(message->properties, MQEV_PROP_CORRELATION_DATA, &found) != 0 ||
	    found.value_len != MQEV_CORRELATION_SIZE ||
	    memcmp(found.value, rpc->base, MQEV_CORRELATION_BASE) != 0)
		return NULL;
	call = mqev_call_table_get(&rpc->calls, read_number(found.value));
	return call != NULL && call->publish != 0 && !call->canceled ? call : NULL;
}

static void
on_reply_message(struct mqev_client *c, const struct mqev_message *message, void *userdata)
{
	struct mqev_rpc *rpc = mqev_rpc_of(c);
	struct mqev_call *call = rpc != NULL ? answered(rpc, message) : NULL;

	(void)userdata;
	if (call != NULL)
		mqev_call_finish(call, 0, MQEV_REASON_SUCCESS, message);
	else if (rpc != NULL)
		rpc->strays++;
}

/* --- publishing --------------------------------------------------------------------------------
 */

static void
on_published(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	struct mqev_call *call = arg;

	(void)c;
	if (!call->ended) {
		call->publishing = false;
		call->rpc->publishing--;
		if (result->error != 0)
			mqev_call_finish(call, result->error, result->reason, NULL);
	}
	mqev_call_unref(call);
}

static int
add_call_properties(const struct mqev_call *call, struct mqev_properties *properties)
{
	uint8_t correlation[MQEV_CORRELATION_SIZE];
	int error =
	    mqev_properties_add_string(properties, MQEV_PROP_RESPONSE_TOPIC, call->rpc->topic);

	write_correlation(call, correlation);
	if (error != 0)
		return error;
	return mqev_properties_add_binary(
	    properties, MQEV_PROP_CORRELATION_DATA, correlation, sizeof(correlation));
}

/* What a request needs that was accepted goes out in a drain, too. Returns what end_exempt() gets.
 */
static bool
begin_exempt(struct mqev_client *c)
{
	bool draining = c->session.draining;

	c->session.draining = false;
	return draining;
}

static void
end_exempt(struct mqev_client *c, bool draining)
{
	c->session.draining = draining;
}

static int64_t
publish_with(struct mqev_call *call, const struct mqev_message *message,
    const struct mqev_properties *properties)
{
	struct mqev_client *c = call->rpc->client;
	struct mqev_message m = *message;
	bool draining = begin_exempt(c);
	int64_t result;

	m.properties = properties;
	m.release = NULL; /* called at the request's end */
	result = mqev_publish(c, &m, on_published, call);
	end_exempt(c, draining);
	return result;
}

static int
publish(struct mqev_call *call, const struct mqev_message *message)
{
	struct mqev_properties *properties = mqev_properties_copy(message->properties);
	int64_t result = MQEV_ERR_NOMEM;

	if (properties != NULL)
		result = add_call_properties(call, properties);
	if (result == 0)
		result = publish_with(call, message, properties);
	mqev_properties_free(properties);
	if (result < 0)
		return (int)result;
	call->publish = (uint64_t)result;
	call->publishing = true;
	call->refs++;
	call->rpc->publishing++;
	return 0;
}

/* --- those that wait ---------------------------------------------------------------------------
 */

static int
join_line(struct mqev_call *call, const struct mqev_message *message)
{
	struct mqev_message given = *message;

	given.topic_len = 0; /* may be of another topic */
	call->message = mqev_message_copy(&given);
	if (call->message == NULL)
		return MQEV_ERR_NOMEM;
	call->at = call->rpc->waiting_end;
	*call->at = call;
	call->rpc->waiting_end = &call->next;
	call->rpc->waiting_bytes += message->payload_len;
	return 0;
}

void
mqev_call_leave_line(struct mqev_call *call)
{
	struct mqev_rpc *rpc = call->rpc;

	if (call->message == NULL)
		return;
	*call->at = call->next;
	if (call->next != NULL)
		call->next->at = call->at;
	else
		rpc->waiting_end = call->at;
	call->next = NULL;
	rpc->waiting_bytes -= call->message->payload_len;
	mqev_message_free(call->message);
	call->message = NULL;
}

static void
send_first(struct mqev_rpc *rpc)
{
	struct mqev_call *call = rpc->waiting;
	int error = call->canceled ? 0 : publish(call, call->message);

	mqev_call_leave_line(call);
	if (error != 0)
		mqev_call_finish(call, error, MQEV_REASON_SUCCESS, NULL);
}

/* What completes may free it. */
static void
send_waiting(struct mqev_client *c)
{
	struct mqev_rpc *rpc;

	while (
	    (rpc = mqev_rpc_of(c)) != NULL && rpc->state == MQEV_RPC_READY && rpc->waiting != NULL)
		send_first(rpc);
}

/* Those that wait now; what callbacks submit meanwhile waits behind them for another try. */
static void
fail_waiting(struct mqev_client *c, int error, enum mqev_reason reason)
{
	const struct mqev_rpc *rpc = mqev_rpc_of(c);
	const struct mqev_call *last = NULL;
	bool more = rpc->waiting != NULL;

	for (const struct mqev_call *call = rpc->waiting; call != NULL; call = call->next)
		last = call;
	while (more && (rpc = mqev_rpc_of(c)) != NULL) {
		struct mqev_call *call = rpc->waiting;

		more = call != last;
		mqev_call_finish(call, call->canceled ? MQEV_ERR_CANCELED : error, reason, NULL);
	}
}

/* --- the reply topic ---------------------------------------------------------------------------
 */

static char *
join_topic(const char *prefix, const uint8_t random[RANDOM_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	size_t len = strlen(prefix);
	char *topic = mqev_malloc(len + 1 + 2 * RANDOM_BYTES + 1);
	char *at = topic;

	if (topic == NULL)
		return NULL;
	memcpy(at, prefix, len);
	at += len;
	if (len > 0 && at[-1] != '/')
		*at++ = '/';
	for (int i = 0; i < RANDOM_BYTES; i++) {
		*at++ = digits[random[i] >> 4];
		*at++ = digits[random[i] & 15];
	}
	*at = '\0';
	return topic;
}

static bool
is_topic(const char *text)
{
	return mqev_topic_name_ok((struct mqev_bytes){(const uint8_t *)text, strlen(text)});
}

/* Response Information that makes no topic is of no use. */
static int
make_topic(const struct mqev_rpc *rpc, char **topic)
{
	uint8_t random[RANDOM_BYTES];

	if (mqev_port_random(random, sizeof(random)) != 0)
		return MQEV_ERR_SYSTEM;
	*topic = join_topic(rpc->information != NULL ? rpc->information : DEFAULT_PREFIX, random);
	if (*topic != NULL && !is_topic(*topic)) {
		mqev_free(*topic);
		*topic = join_topic(DEFAULT_PREFIX, random);
	}
	return *topic != NULL ? 0 : MQEV_ERR_NOMEM;
}

static void
close_topic(struct mqev_rpc *rpc)
{
	mqev_free(rpc->topic);
	rpc->topic = NULL;
	rpc->state = MQEV_RPC_CLOSED;
}

static void
on_subscribed(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	struct mqev_rpc *rpc = mqev_rpc_of(c);

	(void)arg;
	if (rpc == NULL || rpc->state != MQEV_RPC_SUBSCRIBING || rpc->subscribe != result->op)
		return;
	if (result->error == 0) {
		rpc->state = MQEV_RPC_READY;
		send_waiting(c);
		return;
	}
	close_topic(rpc);
	fail_waiting(c, result->error, result->reason);
}

static int
subscribe(struct mqev_rpc *rpc)
{
	const struct mqev_subscription subscription = {
	    .size = sizeof(subscription),
	    .filter = rpc->topic,
	    .qos = 1, /* a reply that comes twice is dropped once */
	    .on_message = on_reply_message,
	};
	bool draining = begin_exempt(rpc->client);
	int64_t result = mqev_subscribe(rpc->client, &subscription, 1, NULL, on_subscribed, NULL);

	end_exempt(rpc->client, draining);
	if (result < 0)
		return (int)result;
	rpc->subscribe = (uint64_t)result;
	rpc->state = MQEV_RPC_SUBSCRIBING;
	return 0;
}

/* Not before the server was asked for its Response Information, if it is to be. */
static bool
may_open(const struct mqev_client *c)
{
	return !c->config->session.request_response_information || c->session.accepted_once;
}

static int
open_topic(struct mqev_rpc *rpc)
{
	int error = 0;

	if (rpc->state != MQEV_RPC_CLOSED || !may_open(rpc->client))
		return 0;
	if (rpc->topic == NULL)
		error = make_topic(rpc, &rpc->topic);
	if (error == 0)
		error = subscribe(rpc);
	if (error != 0)
		close_topic(rpc);
	return error;
}

int
mqev_call_submit(struct mqev_call *call, const struct mqev_message *message)
{
	struct mqev_rpc *rpc = call->rpc;
	int error;

	if (rpc->state == MQEV_RPC_READY && rpc->waiting == NULL)
		return publish(call, message);
	error = join_line(call, message);
	if (error == 0)
		error = open_topic(rpc);
	if (error != 0)
		mqev_call_leave_line(call);
	return error;
}

/* --- connections -------------------------------------------------------------------------------
 */

static void
on_unsubscribed(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	(void)c;
	(void)result;
	(void)arg; /* whether it went well changes nothing */
}

static void
leave_topic(struct mqev_rpc *rpc)
{
	const char *filter = rpc->topic;
	bool draining = begin_exempt(rpc->client);

	if (filter != NULL)
		mqev_unsubscribe(rpc->client, &filter, 1, NULL, on_unsubscribed, NULL);
	end_exempt(rpc->client, draining);
	close_topic(rpc);
}

static bool
same_information(const struct mqev_rpc *rpc, const struct mqev_property *found)
{
	return rpc->information != NULL && strlen(rpc->information) == found->value_len &&
	       memcmp(rpc->information, found->value, found->value_len) == 0;
}

static bool
set_information(struct mqev_rpc *rpc, const struct mqev_property *found)
{
	char *text = mqev_malloc(found->value_len + 1);

	if (text == NULL)
		return false;
	memcpy(text, found->value, found->value_len);
	text[found->value_len] = '\0';
	mqev_free(rpc->information);
	rpc->information = text;
	return true;
}

bool
mqev_rpc_take_information(struct mqev_client *c, const struct mqev_properties *properties)
{
	struct mqev_property found;
	struct mqev_rpc *rpc;

	if (!c->config->session.request_response_information ||
	    mqev_properties_find(properties, MQEV_PROP_RESPONSE_INFORMATION, &found) != 0)
		return true;
	if (mqev_rpc_make(c) != 0)
		return false;
	rpc = mqev_rpc_of(c);
	if (same_information(rpc, &found))
		return true;
	if (!set_information(rpc, &found))
		return false;
	leave_topic(rpc);
	return true;
}

void
mqev_rpc_start(struct mqev_client *c)
{
	struct mqev_rpc *rpc = mqev_rpc_of(c);
	int error;

	if (rpc == NULL || rpc->waiting == NULL)
		return;
	error = open_topic(rpc);
	if (error != 0)
		fail_waiting(c, error, MQEV_REASON_SUCCESS);
}

void
mqev_rpc_replay_refused(struct mqev_client *c)
{
	struct mqev_rpc *rpc = mqev_rpc_of(c);

	/*
	 * If it was the reply topic, the next request subscribes to it anew; else that does no
	 * harm.
	 */
	if (rpc != NULL && rpc->state == MQEV_RPC_READY)
		rpc->state = MQEV_RPC_CLOSED;
}

bool
mqev_rpc_owns(mqev_result_cb *done)
{
	return done == on_published || done == on_subscribed || done == on_unsubscribed;
}
