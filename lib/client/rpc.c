/* mqev_request(): requests, their deadlines and their ends. How they are sent and answered:
 * rpc_send.c. */
#include "client/rpc.h"

#include <event2/event.h>

#include "client/client.h"
#include "client/options.h"
#include "client/publish.h"
#include "core/mem.h"
#include "port/port.h"

#define DEFAULT_TIMEOUT_MS 30000

/* --- the client's part -------------------------------------------------------------------------
 */

int
mqev_rpc_make(struct mqev_client *c)
{
	struct mqev_rpc *rpc;

	if (mqev_rpc_of(c) != NULL)
		return 0;
	rpc = mqev_calloc(1, sizeof(*rpc));
	if (rpc == NULL)
		return MQEV_ERR_NOMEM;
	if (mqev_port_random(rpc->base, sizeof(rpc->base)) != 0) {
		mqev_free(rpc);
		return MQEV_ERR_SYSTEM;
	}
	rpc->client = c;
	rpc->waiting_end = &rpc->waiting;
	mqev_part_add(&c->parts, &rpc->part, MQEV_PART_RPC);
	return 0;
}

void
mqev_rpc_free(struct mqev_client *c)
{
	struct mqev_rpc *rpc = mqev_rpc_of(c);
	struct mqev_call *call;
	size_t slot = 0;

	if (rpc == NULL)
		return;
	mqev_part_remove(&c->parts, &rpc->part);
	while ((call = mqev_call_table_next(&rpc->calls, &slot)) != NULL)
		mqev_call_finish(call, MQEV_ERR_CANCELED, MQEV_REASON_SUCCESS, NULL);
	mqev_free(rpc->information);
	mqev_free(rpc->topic);
	mqev_free(rpc);
}

/* --- one request -------------------------------------------------------------------------------
 */

void
mqev_call_unref(struct mqev_call *call)
{
	if (--call->refs == 0)
		mqev_free(call);
}

/* What could still be sent is not. */
static void
withdraw(struct mqev_call *call, int error)
{
	struct mqev_rpc *rpc = call->rpc;

	mqev_call_leave_line(call);
	if (!call->publishing)
		return;
	rpc->publishing--;
	/* With its client, the operation ends by itself. */
	if (!rpc->client->freed && (error == MQEV_ERR_TIMEOUT || error == MQEV_ERR_CANCELED))
		mqev_session_cancel(&rpc->client->session, call->publish, MQEV_ERR_CANCELED);
}

static void
leave_table(struct mqev_call *call)
{
	call->ended = true;
	mqev_call_table_remove(&call->rpc->calls, call);
	event_free(call->timer);
	call->timer = NULL;
}

void
mqev_call_finish(
    struct mqev_call *call, int error, enum mqev_reason reason, const struct mqev_message *message)
{
	struct mqev_client *c = call->rpc->client;
	struct mqev_reply reply = {
	    .request = call->number, .error = error, .reason = reason, .message = message};

	leave_table(call);
	withdraw(call, error);
	if (call->on_reply != NULL)
		call->on_reply(c, &reply, call->arg);
	if (call->release != NULL)
		call->release(call->release_arg);
	mqev_call_unref(call);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_call *call = arg;
	struct mqev_client *c = call->rpc->client;
	int error = call->canceled ? MQEV_ERR_CANCELED : MQEV_ERR_TIMEOUT;

	(void)fd;
	(void)what;
	mqev_client_enter(c);
	mqev_call_finish(call, error, MQEV_REASON_SUCCESS, NULL);
	mqev_client_leave(c);
}

/* One that the application was not told of yet. */
static void
discard(struct mqev_call *call)
{
	if (call->timer != NULL)
		event_free(call->timer);
	mqev_free(call);
}

static bool
start_timer(struct mqev_call *call, uint32_t timeout_ms)
{
	uint32_t ms = timeout_ms != 0 ? timeout_ms : DEFAULT_TIMEOUT_MS;
	const struct timeval wait = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	call->timer = evtimer_new(call->rpc->client->fleet->base, on_timer, call);
	return call->timer != NULL && event_add(call->timer, &wait) == 0;
}

static struct mqev_call *
new_call(struct mqev_client *c, uint32_t timeout_ms)
{
	struct mqev_call *call = mqev_calloc(1, sizeof(*call));

	if (call == NULL)
		return NULL;
	call->refs = 1;
	call->rpc = mqev_rpc_of(c);
	call->number = c->session.next_number;
	if (start_timer(call, timeout_ms) && mqev_call_table_put(&call->rpc->calls, call)) {
		c->session.next_number++;
		return call;
	}
	discard(call);
	return NULL;
}

/* --- mqev_request() ----------------------------------------------------------------------------
 */

static bool
has(const struct mqev_properties *properties, enum mqev_property_id id)
{
	struct mqev_property found;

	return mqev_properties_find(properties, id, &found) == 0;
}

bool
mqev_request_sendable(const struct mqev_message *m)
{
	return mqev_message_sendable(m) && !has(m->properties, MQEV_PROP_RESPONSE_TOPIC) &&
	       !has(m->properties, MQEV_PROP_CORRELATION_DATA);
}

static int
check_request(const struct mqev_client *c, const struct mqev_message *m)
{
	if (c->freed || mqev_drain_of(c) != NULL)
		return MQEV_ERR_STATE;
	if (c->session.version != MQEV_V5)
		return MQEV_ERR_UNSUPPORTED;
	return mqev_request_sendable(m) ? 0 : MQEV_ERR_INVALID;
}

/* What the session's queue holds of them it counts itself. */
static bool
too_many(const struct mqev_client *c, const struct mqev_message *m)
{
	const struct mqev_session_settings *settings = &c->config->session;
	const struct mqev_rpc *rpc = mqev_rpc_of(c);
	size_t count = mqev_session_queued(&c->session) + rpc->calls.count - rpc->publishing;
	size_t bytes = mqev_session_queued_bytes(&c->session) + rpc->waiting_bytes;

	return count >= settings->queue.max.count || m->payload_len > settings->queue.max.bytes ||
	       bytes > settings->queue.max.bytes - m->payload_len;
}

static int64_t
make_request(struct mqev_client *c, const struct mqev_message *m, uint32_t timeout_ms,
    mqev_reply_cb *on_reply, void *arg)
{
	struct mqev_call *call = new_call(c, timeout_ms);
	int error;

	if (call == NULL)
		return MQEV_ERR_NOMEM;
	error = mqev_call_submit(call, m);
	if (error != 0) {
		mqev_call_table_remove(&call->rpc->calls, call);
		discard(call);
		return error;
	}
	call->on_reply = on_reply;
	call->arg = arg;
	call->release = m->release;
	call->release_arg = m->release_arg;
	return (int64_t)call->number;
}

int64_t
mqev_request(struct mqev_client *c, const struct mqev_message *message, uint32_t timeout_ms,
    mqev_reply_cb *on_reply, void *arg)
{
	struct mqev_message taken;
	int error;

	if (c == NULL || message == NULL)
		return MQEV_ERR_INVALID;
	error = mqev_options_take(&taken, sizeof(taken), message);
	if (error == 0)
		error = check_request(c, &taken);
	if (error == 0)
		error = mqev_rpc_make(c);
	if (error != 0)
		return error;
	if (too_many(c, &taken))
		return MQEV_ERR_QUEUE_FULL;
	return make_request(c, &taken, timeout_ms, on_reply, arg);
}

int
mqev_request_cancel(struct mqev_client *c, uint64_t request)
{
	const struct mqev_rpc *rpc;
	struct mqev_call *call;

	if (c == NULL)
		return MQEV_ERR_INVALID;
	rpc = mqev_rpc_of(c);
	call = rpc != NULL ? mqev_call_table_get(&rpc->calls, request) : NULL;
	if (call == NULL || call->canceled)
		return MQEV_ERR_NOT_FOUND;
	call->canceled = true;
	event_active(call->timer, EV_TIMEOUT, 1);
	return 0;
}

size_t
mqev_request_count(const struct mqev_client *c)
{
	const struct mqev_rpc *rpc = c != NULL ? mqev_rpc_of(c) : NULL;

	return rpc != NULL ? rpc->calls.count : 0;
}

uint64_t
mqev_request_stray_replies(const struct mqev_client *c)
{
	const struct mqev_rpc *rpc = c != NULL ? mqev_rpc_of(c) : NULL;

	return rpc != NULL ? rpc->strays : 0;
}
