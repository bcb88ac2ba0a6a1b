/* From what the session tells to the application's callbacks. */
#include <stddef.h>
#include <string.h>

#include "client/client.h"
#include "client/durable.h"
#include "client/last_words.h"
#include "client/rpc.h"
#include "core/mem.h"
#include "port/probe.h"

static const struct mqev_properties no_properties = {0};

/* --- CONNACK -----------------------------------------------------------------------------------
 */

/* The server's name for us is ours from now on ([MQTT-3.1.3-7]). */
static bool
adopt_id(struct mqev_client *c, const struct mqev_properties *properties)
{
	struct mqev_property assigned;
	char *id;

	if (mqev_properties_find(properties, MQEV_PROP_ASSIGNED_CLIENT_IDENTIFIER, &assigned) != 0)
		return true;
	id = mqev_malloc(assigned.value_len + 1);
	if (id == NULL)
		return false;
	memcpy(id, assigned.value, assigned.value_len);
	id[assigned.value_len] = '\0';
	return mqev_client_take_id(c, id) && mqev_durable_set_id(c);
}

static bool
server_has_subscriptions(const struct mqev_client *c, const struct mqev_connack_packet *packet)
{
	/* 3.1 does not tell: subscribing again does no harm. */
	return packet->session_present && c->session.version != MQEV_V31;
}

static bool
prepare_connected(struct mqev_client *c, const struct mqev_connack_packet *packet,
    const struct mqev_properties *properties)
{
	mqev_controller_connected(c);
	/* Owed until it is done: on the next connection this session is there, without them. */
	if (!server_has_subscriptions(c, packet))
		c->replay_owed = true;
	if (!adopt_id(c, properties) || !mqev_rpc_take_information(c, properties)) {
		mqev_session_abort(&c->session, MQEV_ERR_NOMEM, "out of memory");
		return false;
	}
	if (c->replay_owed)
		c->replay_owed = !mqev_subscriptions_replay(c);
	return c->session.state == MQEV_SESSION_CONNECTED;
}

static void
note_connack(struct mqev_client *c, enum mqev_reason reason)
{
	mqev_event(c, &(struct mqev_event){.type = MQEV_EVENT_CONNACK,
			  .state = (enum mqev_client_state)c->state,
			  .reason = reason,
			  .text = mqev_reason_text((int)reason)});
}

static void
on_connack(void *owner, const struct mqev_connack_packet *packet)
{
	struct mqev_client *c = owner;
	struct mqev_properties view = mqev_properties_view(packet->properties);
	struct mqev_connack connack = {
	    .reason = (enum mqev_reason)packet->reason,
	    .code = packet->code,
	    .session_present = packet->session_present,
	    .properties = &view,
	};

	c->got_connack = true;
	if (packet->reason < 0x80)
		prepare_connected(c, packet, &view);
	else
		mqev_last_words_keep_properties(c, &view);
	note_connack(c, connack.reason);
	if (mqev_log_tell_kept(c) && c->config->on_connect != NULL)
		c->config->on_connect(c, &connack, c->userdata);
	if (!c->freed && mqev_client_is_connected(c))
		mqev_rpc_start(c);
}

static void
on_disconnect(void *owner, const struct mqev_reason_packet *packet)
{
	struct mqev_client *c = owner;
	struct mqev_properties view = mqev_properties_view(packet->properties);

	/* Without memory on_disconnect gets none; the reason is kept elsewhere. */
	mqev_last_words_keep_properties(c, &view);
}

/* --- messages ----------------------------------------------------------------------------------
 */

static bool
on_message(void *owner, const struct mqev_message *message)
{
	struct mqev_client *c = owner;

	if (mqev_notes_wait(c))
		mqev_log_tell_kept(c);
	if (c->freed)
		return true;
	if (message->token != 0 && !mqev_tokens_add(c->fleet, message->token, c))
		return false;
	switch (mqev_subscriptions_dispatch(c, message)) {
	case MQEV_DISPATCH_TAKEN:
		return true;
	case MQEV_DISPATCH_NO_MEMORY:
		return false;
	case MQEV_DISPATCH_NOBODY:
		break;
	}
	if (c->config->on_message != NULL)
		c->config->on_message(c, message, c->userdata);
	return true;
}

/* The application is done with it. */
static void
on_message_done(void *owner, uint64_t token)
{
	const struct mqev_client *c = owner;

	mqev_tokens_remove(c->fleet, token);
}

/* --- completions -------------------------------------------------------------------------------
 */

static mqev_result_cb *
client_callback(const struct mqev_client *c, uint8_t type)
{
	if (type == MQEV_PACKET_PUBLISH)
		return c->config->on_publish;
	if (type == MQEV_PACKET_SUBSCRIBE)
		return c->config->on_subscribe;
	return type == MQEV_PACKET_UNSUBSCRIBE ? c->config->on_unsubscribe : NULL;
}

/* The callback for all, unless the library asked by itself: then only of what failed. */
static void
tell_common(struct mqev_client *c, uint8_t type, bool internal, mqev_result_cb *done,
    const struct mqev_result *result)
{
	mqev_result_cb *common = client_callback(c, type);

	if (common == NULL)
		return;
	if (mqev_rpc_owns(done) || (internal && result->error != MQEV_ERR_REFUSED))
		return;
	if (!c->freed || result->error == MQEV_ERR_CANCELED || result->error == MQEV_KEPT)
		common(c, result, c->userdata);
}

static void
on_departed(void *owner, uint64_t number, mqev_op_done done, void *arg, int error)
{
	struct mqev_client *c = owner;
	struct mqev_result result = {.op = number, .error = error, .properties = &no_properties};

	if (error < 0)
		mqev_figures_drop(c, error);
	if (done != NULL)
		((mqev_result_cb *)done)(c, &result, arg);
	tell_common(c, MQEV_PACKET_PUBLISH, false, (mqev_result_cb *)done, &result);
}

static void
count_drop(struct mqev_client *c, const struct mqev_op *op, int error)
{
	if ((op->flags & MQEV_OP_OFFLINE) != 0)
		mqev_figures_drop_offline(c);
	else
		mqev_figures_drop(c, error);
}

static void
on_complete(void *owner, const struct mqev_op *op, const struct mqev_op_end *end)
{
	struct mqev_client *c = owner;
	struct mqev_properties view = mqev_properties_view(end->properties);
	mqev_result_cb *done = (mqev_result_cb *)op->done;
	bool internal = (op->flags & MQEV_OP_INTERNAL) != 0;
	struct mqev_result result = {
	    .op = internal ? 0 : op->number,
	    .error = end->error,
	    .reason = (enum mqev_reason)end->reason,
	    .mid = op->mid,
	    .properties = end->properties.len > 0 ? &view : &no_properties,
	    .reasons = end->codes.data,
	    .reason_count = end->codes.len,
	};

	if (op->type == MQEV_PACKET_PUBLISH && end->error < 0)
		count_drop(c, op, end->error);
	if (op->type == MQEV_PACKET_SUBSCRIBE)
		mqev_subscriptions_answered(c, op, end);
	if (done != NULL)
		done(c, &result, op->arg);
	if (internal && result.error == MQEV_ERR_REFUSED && !c->freed)
		mqev_rpc_replay_refused(c);
	tell_common(c, op->type, internal, done, &result);
}

static void
on_durable(void *owner, const struct mqev_op *op)
{
	struct mqev_client *c = owner;
	struct mqev_result result = {.op = op->number, .properties = &no_properties};

	if (c->config->on_durable != NULL && (op->flags & MQEV_OP_CANCELED) == 0)
		c->config->on_durable(c, &result, c->userdata);
}

static void
on_unreadable(void *owner, uint64_t token, int error)
{
	struct mqev_client *c = owner;

	c->fleet->figures.unreadable++;
	mqev_event(c, &(struct mqev_event){.type = MQEV_EVENT_UNREADABLE,
			  .state = (enum mqev_client_state)c->state,
			  .error = error,
			  .token = token,
			  .text = "a received message in the store cannot be read"});
	mqev_log(c, MQEV_LOG_ERR, "the received message of token %llu cannot be read",
	    (unsigned long long)token);
}

static void
on_may_connect(void *owner)
{
	mqev_controller_say_hello(owner);
}

static void
on_ack_overdue(void *owner, const struct mqev_op *op)
{
	struct mqev_client *c = owner;
	struct mqev_result result = {
	    .op = (op->flags & MQEV_OP_INTERNAL) != 0 ? 0 : op->number,
	    .error = MQEV_ERR_TIMEOUT,
	    .mid = op->mid,
	    .properties = &no_properties,
	};

	mqev_log(c, MQEV_LOG_WARNING, "%s, mid %u: no acknowledgement yet",
	    mqev_packet_name(op->type), op->mid);
	if (c->config->on_ack_timeout != NULL)
		c->config->on_ack_timeout(c, &result, c->userdata);
}

static void
on_hold_overdue(void *owner, uint8_t qos, uint16_t mid, uint64_t held_ms)
{
	struct mqev_client *c = owner;
	struct mqev_held held = {.qos = qos, .mid = mid, .held_ms = held_ms};

	if (c->config->on_hold_timeout != NULL)
		c->config->on_hold_timeout(c, &held, c->userdata);
}

static void
on_water(void *owner, bool high)
{
	struct mqev_client *c = owner;
	struct mqev_water water = {
	    .high = high,
	    .count = mqev_session_queued(&c->session),
	    .bytes = mqev_session_queued_bytes(&c->session),
	};

	if (c->config->on_water != NULL)
		c->config->on_water(c, &water, c->userdata);
}

static void
on_wants_pump(void *owner)
{
	struct mqev_client *c = owner;

	mqev_fleet_plan(c->fleet, c);
}

/* What is asked for each packet, so here: of all that there is to a line, the least. */
static bool
has_listener(const struct mqev_client *c)
{
	return !c->freed && (c->config->on_log != NULL || c->fleet->audience.on_log != NULL);
}

static void
on_packet(void *owner, bool sent, enum mqev_packet_type type, uint16_t mid, size_t size,
    union mqev_packet_view view)
{
	struct mqev_client *c = owner;

	if (sent)
		MQEV_PROBE_SEND(c, type, mid, size);
	else
		MQEV_PROBE_RECEIVE(c, type, mid, size);
	if (has_listener(c))
		mqev_log_packet(c, sent, type, view);
}

_Static_assert(offsetof(struct mqev_client, session) == 0, "the session's owner is the client");

const struct mqev_session_events mqev_client_events = {
    .connack = on_connack,
    .disconnect = on_disconnect,
    .message = on_message,
    .complete = on_complete,
    .departed = on_departed,
    .ack_overdue = on_ack_overdue,
    .hold_overdue = on_hold_overdue,
    .wants_pump = on_wants_pump,
    .durable = on_durable,
    .message_done = on_message_done,
    .unreadable = on_unreadable,
    .may_connect = on_may_connect,
    .water = on_water,
    .packet = on_packet,
};
