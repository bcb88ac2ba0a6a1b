/* Enhanced authentication: AUTH packets while connecting and when authenticating again. What the
 * data mean is the provider's business. */
#include "core/session_internal.h"

#include "core/encode.h"
#include "core/mem.h"

/* One exchange with the server; exists from its begin to its end. */
struct mqev_exchange {
	void *own; /* the provider's */
	mqev_op_done done;
	void *arg;
	uint64_t number;  /* of the operation; 0: the exchange of a CONNECT */
	uint64_t sent_ms; /* since when an answer is awaited */
};

/* --- the provider ------------------------------------------------------------------------------
 */

static int
provider_error(int result)
{
	if (result == 0)
		return 0;
	return result == MQEV_ERR_NOMEM ? MQEV_ERR_NOMEM : MQEV_ERR_AUTH;
}

/* What a provider gave, if it can stand in a packet. */
static int
take_data(const struct mqev_auth_data *from, struct mqev_bytes *data)
{
	if (from->len > UINT16_MAX || (from->data == NULL && from->len > 0))
		return MQEV_ERR_AUTH;
	*data = (struct mqev_bytes){from->data, from->len};
	return 0;
}

static int
call_begin(const struct mqev_auth *auth, struct mqev_exchange *e, struct mqev_auth_data *out)
{
	return auth->begin != NULL ? provider_error(auth->begin(auth->userdata, &e->own, out)) : 0;
}

static void
call_end(const struct mqev_auth *auth, const struct mqev_exchange *e)
{
	if (auth->end != NULL)
		auth->end(auth->userdata, e->own);
}

static int
call_step(const struct mqev_session *s, const struct mqev_auth_data *in, struct mqev_bytes *data)
{
	const struct mqev_auth *auth = s->settings->auth;
	struct mqev_auth_data out = {NULL, 0};
	int error = MQEV_ERR_AUTH;

	if (auth->step != NULL)
		error = provider_error(auth->step(auth->userdata, s->exchange->own, in, &out));
	return error != 0 ? error : take_data(&out, data);
}

static int
call_finish(const struct mqev_session *s, const struct mqev_auth_data *in)
{
	const struct mqev_auth *auth = s->settings->auth;

	if (auth->finish == NULL)
		return 0;
	return provider_error(auth->finish(auth->userdata, s->exchange->own, in));
}

/* --- an exchange -------------------------------------------------------------------------------
 */

static int
begin_exchange(struct mqev_session *s, struct mqev_bytes *data)
{
	const struct mqev_auth *auth = s->settings->auth;
	struct mqev_exchange *e = mqev_calloc(1, sizeof(*e));
	struct mqev_auth_data out = {NULL, 0};
	int error;

	if (e == NULL)
		return MQEV_ERR_NOMEM;
	error = call_begin(auth, e, &out);
	if (error != 0) {
		mqev_free(e);
		return error;
	}
	s->exchange = e;
	error = take_data(&out, data);
	if (error != 0)
		mqev_auth_end(s);
	return error;
}

void
mqev_auth_end(struct mqev_session *s)
{
	struct mqev_exchange *e = s->exchange;

	if (e == NULL)
		return;
	s->exchange = NULL;
	call_end(s->settings->auth, e);
	mqev_free(e);
}

/* Ends the exchange, and tells of it when it was an operation. */
static void
complete(struct mqev_session *s, const struct mqev_op_end *end)
{
	struct mqev_op made = {.type = MQEV_PACKET_AUTH};
	bool asked_for;

	if (s->exchange == NULL)
		return;
	made.number = s->exchange->number;
	made.done = s->exchange->done;
	made.arg = s->exchange->arg;
	asked_for = made.number != 0;
	mqev_auth_end(s);
	if (asked_for)
		s->sink->events->complete(s, &made, end);
}

void
mqev_auth_closed(struct mqev_session *s)
{
	struct mqev_op_end end = {.error = s->end.error != 0 ? s->end.error : MQEV_ERR_LOST};

	if (s->end.from_server)
		end.reason = s->end.reason;
	complete(s, &end);
}

void
mqev_auth_free(struct mqev_session *s, int error)
{
	struct mqev_op_end end = {.error = error};

	complete(s, &end);
}

static void
fail(struct mqev_session *s, int error, const char *text)
{
	mqev_session_fail(s, error, MQEV_REASON_UNSPECIFIED_ERROR, text);
}

/* --- writing -----------------------------------------------------------------------------------
 */

size_t
mqev_auth_properties_size(const struct mqev_session *s, struct mqev_bytes data)
{
	size_t size = 3 + s->settings->auth_method.len;

	return data.data != NULL ? size + 3 + data.len : size;
}

void
mqev_auth_properties_write(
    const struct mqev_session *s, struct mqev_bytes data, struct mqev_writer *w)
{
	mqev_write_u8(w, MQEV_PROP_AUTHENTICATION_METHOD);
	mqev_write_binary(w, s->settings->auth_method);
	if (data.data == NULL)
		return;
	mqev_write_u8(w, MQEV_PROP_AUTHENTICATION_DATA);
	mqev_write_binary(w, data);
}

/* Not limited before CONNACK, where the server's Maximum Packet Size is not known yet. */
static bool
too_large(const struct mqev_session *s, size_t properties_size)
{
	const struct mqev_reason_packet p = {.properties = {NULL, properties_size}};

	return s->state == MQEV_SESSION_CONNECTED && mqev_auth_size(&p) > s->server.max_packet_size;
}

static int
write_packet(struct mqev_session *s, const struct mqev_reason_packet *packet)
{
	size_t size = mqev_auth_size(packet);
	struct mqev_writer w;

	if (!mqev_session_write(s, size, &w))
		return MQEV_ERR_NOMEM;
	mqev_auth_write(&w, packet);
	mqev_sink_commit(s->sink, size);
	mqev_session_wrote(
	    s, MQEV_PACKET_AUTH, 0, size, (union mqev_packet_view){.reason = packet});
	return 0;
}

static int
write_auth(struct mqev_session *s, uint8_t reason, struct mqev_bytes data)
{
	size_t size = mqev_auth_properties_size(s, data);
	struct mqev_reason_packet packet = {.reason = reason};
	struct mqev_writer w;
	uint8_t *block;
	int error;

	if (too_large(s, size))
		return MQEV_ERR_TOO_LARGE;
	block = mqev_malloc(size);
	if (block == NULL)
		return MQEV_ERR_NOMEM;
	mqev_writer_init(&w, block, size);
	mqev_auth_properties_write(s, data, &w);
	packet.properties = (struct mqev_bytes){block, size};
	error = write_packet(s, &packet);
	mqev_free(block);
	return error;
}

/* --- while connecting --------------------------------------------------------------------------
 */

bool
mqev_auth_begin_connect(struct mqev_session *s, struct mqev_bytes *data)
{
	int error;

	*data = (struct mqev_bytes){NULL, 0};
	if (s->settings->auth == NULL || s->version != MQEV_V5)
		return true;
	error = begin_exchange(s, data);
	if (error != 0)
		mqev_session_abort(s, error, "the authentication could not begin");
	return error == 0;
}

/* Method and data of a packet whose properties were checked. */
static bool
same_method(const struct mqev_session *s, const struct mqev_properties *p)
{
	struct mqev_bytes method = s->settings->auth_method;
	struct mqev_property found;

	return mqev_properties_find(p, MQEV_PROP_AUTHENTICATION_METHOD, &found) == 0 &&
	       found.value_len == method.len && memcmp(found.value, method.data, method.len) == 0;
}

static struct mqev_auth_data
data_of(const struct mqev_properties *p)
{
	struct mqev_property found;

	if (mqev_properties_find(p, MQEV_PROP_AUTHENTICATION_DATA, &found) != 0)
		return (struct mqev_auth_data){NULL, 0};
	return (struct mqev_auth_data){found.value, found.value_len};
}

const char *
mqev_auth_connack_fault(const struct mqev_session *s, const struct mqev_properties *p)
{
	struct mqev_property found;

	if (s->exchange != NULL)
		return same_method(s, p) ? NULL : "not the Authentication Method [MQTT-4.12.0-5]";
	if (mqev_properties_find(p, MQEV_PROP_AUTHENTICATION_METHOD, &found) == 0)
		return "an Authentication Method, but none was given [MQTT-4.12.0-6]";
	return NULL;
}

bool
mqev_auth_finish_connect(struct mqev_session *s, const struct mqev_properties *p)
{
	struct mqev_auth_data in = data_of(p);
	int error;

	if (s->exchange == NULL)
		return true;
	error = call_finish(s, &in);
	if (error == 0)
		mqev_auth_end(s);
	else
		fail(s, error, "what the server sent with CONNACK was not accepted");
	return error == 0;
}

/* --- AUTH from the server ----------------------------------------------------------------------
 */

static void
answer(struct mqev_session *s, const struct mqev_properties *p)
{
	struct mqev_auth_data in = data_of(p);
	struct mqev_bytes data;
	int error = call_step(s, &in, &data);

	if (error == 0)
		error = write_auth(s, MQEV_REASON_CONTINUE_AUTHENTICATION, data);
	if (error == MQEV_ERR_NOMEM)
		mqev_session_no_memory(s);
	else if (error != 0)
		fail(s, error, "the server's challenge could not be answered");
	else
		mqev_auth_rest(s, s->last_received_ms);
}

static void
succeed(struct mqev_session *s, const struct mqev_properties *p, struct mqev_bytes block)
{
	struct mqev_op_end end = {.properties = block};
	struct mqev_auth_data in = data_of(p);
	int error = call_finish(s, &in);

	if (error == 0)
		complete(s, &end);
	else
		fail(s, error, "what the server sent with its AUTH was not accepted");
}

static const char *
auth_fault(const struct mqev_session *s, uint8_t reason, const struct mqev_properties *p)
{
	if (s->settings->auth == NULL)
		return "AUTH, but no authentication method was given [MQTT-4.12.0-6]";
	if (s->exchange == NULL)
		return "AUTH, but no re-authentication was begun";
	if (!same_method(s, p))
		return "AUTH with another Authentication Method [MQTT-4.12.0-5]";
	if (reason == MQEV_REASON_SUCCESS && s->state != MQEV_SESSION_CONNECTED)
		return "AUTH without Continue authentication before CONNACK [MQTT-4.12.0-2]";
	return NULL;
}

void
mqev_session_on_auth(struct mqev_session *s, const struct mqev_packet *packet)
{
	struct mqev_properties view = mqev_properties_view(packet->u.reason.properties);
	const char *fault = auth_fault(s, packet->u.reason.reason, &view);

	if (fault != NULL)
		mqev_session_protocol_error(s, fault);
	else if (packet->u.reason.reason == MQEV_REASON_SUCCESS)
		succeed(s, &view, packet->u.reason.properties);
	else
		answer(s, &view);
}

/* --- again -------------------------------------------------------------------------------------
 */

static int
may_reauthenticate(const struct mqev_session *s)
{
	if (s->version != MQEV_V5)
		return MQEV_ERR_UNSUPPORTED;
	if (s->state != MQEV_SESSION_CONNECTED || s->settings->auth == NULL || s->exchange != NULL)
		return MQEV_ERR_STATE;
	return 0;
}

int64_t
mqev_session_reauthenticate(struct mqev_session *s, mqev_op_done done, void *arg, uint64_t now)
{
	uint64_t number = s->next_number;
	struct mqev_bytes data;
	int error = may_reauthenticate(s);

	if (error == 0)
		error = begin_exchange(s, &data);
	if (error != 0)
		return error;
	s->exchange->sent_ms = now;
	s->exchange->done = done;
	s->exchange->arg = arg;
	s->exchange->number = number;
	error = write_auth(s, MQEV_REASON_REAUTHENTICATE, data);
	if (error != 0) {
		mqev_auth_end(s);
		return error;
	}
	s->next_number++;
	s->last_sent_ms = now;
	return (int64_t)number;
}

/* --- time --------------------------------------------------------------------------------------
 */

/* While connecting, the client's own limit for the CONNACK holds. */
uint64_t
mqev_auth_deadline(const struct mqev_session *s)
{
	if (s->exchange == NULL || s->exchange->number == 0)
		return UINT64_MAX;
	return s->exchange->sent_ms + s->settings->auth_timeout_ms;
}

void
mqev_auth_rest(struct mqev_session *s, uint64_t now)
{
	if (s->exchange != NULL)
		s->exchange->sent_ms = now;
}

void
mqev_auth_tick(struct mqev_session *s, uint64_t now)
{
	if (now >= mqev_auth_deadline(s))
		fail(s, MQEV_ERR_TIMEOUT, "no answer to AUTH in time");
}
