/* Acknowledgements that are owed: held back by the application, or behind one that is. They leave
 * in the order of the messages. */
#include "core/session_gate.h"

#include <string.h>

#include "core/encode.h"
#include "core/mem.h"
#include "core/reason.h"

/* What mqev_message_hold() gives out. It outlives connection and session, which it then no longer
 * points to. */
struct mqev_ack {
	struct mqev_ack *next;
	struct mqev_session *session; /* NULL: that connection is gone */
	struct mqev_stored *stored;   /* it is this message's; NULL: no store keeps it */
	uint8_t *properties;	      /* its own bytes */
	size_t properties_len;
	uint64_t since_ms;
	uint32_t refs;
	uint16_t mid;
	uint8_t qos;
	uint8_t reason;
	bool given;   /* the application has acknowledged, or need not */
	bool overdue; /* was told of */
};

static void
unref(struct mqev_ack *ack)
{
	if (--ack->refs > 0)
		return;
	if (ack->stored != NULL)
		mqev_stored_hold(ack->stored, NULL);
	mqev_free(ack->properties);
	mqev_free(ack);
}

static struct mqev_ack *
new_ack(struct mqev_session *s, uint8_t qos, uint16_t mid)
{
	struct mqev_ack *ack = mqev_calloc(1, sizeof(*ack));

	if (ack == NULL)
		return NULL;
	ack->refs = 1;
	ack->session = s;
	ack->qos = qos;
	ack->mid = mid;
	ack->since_ms = s->last_received_ms;
	return ack;
}

/* --- sending in order --------------------------------------------------------------------------
 */

static struct mqev_owed *
owed_of(struct mqev_session *s, uint8_t qos)
{
	return &s->in->owed[qos - 1];
}

static enum mqev_packet_type
packet_type(const struct mqev_ack *ack)
{
	return ack->qos == 1 ? MQEV_PACKET_PUBACK : MQEV_PACKET_PUBREC;
}

/* Reason String and User Property are left out where the server would not take the packet
 * ([MQTT-3.4.2-2]). */
void
mqev_owed_send(struct mqev_session *s, const struct mqev_ack *ack)
{
	enum mqev_packet_type type = packet_type(ack);
	struct mqev_ack_packet packet = {.mid = ack->mid,
	    .reason = ack->reason,
	    .properties = {ack->properties, ack->properties_len}};

	if (mqev_ack_size((enum mqev_version)s->version, &packet) > s->server.max_packet_size)
		packet.properties.len = 0;
	mqev_session_send_ack_packet(s, type, &packet);
}

/* N3m: the identifier of a QoS 2 message is to be durable. */
static void
answer_gated(struct mqev_session *s, struct mqev_ack *ack)
{
	if (ack->qos == 2 && ack->reason < 0x80) {
		if (mqev_stored_put_done(s, ack->mid, ack))
			mqev_inbox_stored(s, ack->mid);
		return;
	}
	mqev_inbox_answered(s, ack->qos, ack->mid, ack->reason);
	mqev_gate_answer(s, packet_type(ack), ack->mid, ack->reason, ack);
}

static void
pop_and_send(struct mqev_session *s, struct mqev_owed *owed)
{
	struct mqev_ack *ack = owed->head;

	owed->head = ack->next;
	if (owed->head == NULL)
		owed->tail = NULL;
	ack->session = NULL;
	if (s->gates == NULL) {
		mqev_inbox_answered(s, ack->qos, ack->mid, ack->reason);
		mqev_owed_send(s, ack);
	} else {
		answer_gated(s, ack);
	}
	unref(ack);
}

static void
send_given(struct mqev_session *s, uint8_t qos)
{
	struct mqev_owed *owed = owed_of(s, qos);

	while (s->state == MQEV_SESSION_CONNECTED && owed->head != NULL && owed->head->given)
		pop_and_send(s, owed);
}

static void
append(struct mqev_owed *owed, struct mqev_ack *ack)
{
	ack->next = NULL;
	if (owed->tail != NULL)
		owed->tail->next = ack;
	else
		owed->head = ack;
	owed->tail = ack;
}

bool
mqev_owed_any(const struct mqev_session *s, uint8_t qos)
{
	return s->in != NULL && s->in->owed[qos - 1].head != NULL;
}

bool
mqev_owed_add(struct mqev_session *s, uint8_t qos, uint16_t mid, struct mqev_ack *held)
{
	struct mqev_ack *ack = held != NULL ? held : new_ack(s, qos, mid);

	if (ack == NULL)
		return false;
	if (held == NULL)
		ack->given = true;
	append(owed_of(s, qos), ack);
	send_given(s, qos);
	return true;
}

/* --- the connection is gone --------------------------------------------------------------------
 */

static void
forget_all(struct mqev_owed *owed)
{
	struct mqev_ack *ack;

	while ((ack = owed->head) != NULL) {
		owed->head = ack->next;
		ack->session = NULL;
		unref(ack);
	}
	owed->tail = NULL;
}

void
mqev_owed_forget(struct mqev_inbox *in)
{
	forget_all(&in->owed[0]);
	forget_all(&in->owed[1]);
}

void
mqev_ack_abandon(struct mqev_ack *ack)
{
	ack->session = NULL;
	unref(ack);
}

void
mqev_ack_ref(struct mqev_ack *ack)
{
	ack->refs++;
}

void
mqev_ack_let_go(struct mqev_ack *ack)
{
	ack->stored = NULL;
	ack->session = NULL;
}

bool
mqev_ack_is_given(const struct mqev_ack *ack)
{
	return ack->given && ack->reason < 0x80;
}

/* --- time --------------------------------------------------------------------------------------
 */

/* The oldest that the application has not given, in the order of the messages. */
static struct mqev_ack *
oldest(const struct mqev_session *s, uint8_t qos)
{
	struct mqev_ack *ack = s->in != NULL ? s->in->owed[qos - 1].head : NULL;

	return ack != NULL && !ack->overdue ? ack : NULL;
}

uint64_t
mqev_owed_deadline(const struct mqev_session *s)
{
	uint64_t first = UINT64_MAX;

	if (s->settings->hold_timeout_ms == 0)
		return first;
	first = mqev_stored_hold_deadline(s);
	for (uint8_t qos = 1; qos <= 2; qos++) {
		const struct mqev_ack *ack = oldest(s, qos);

		if (ack != NULL && ack->since_ms + s->settings->hold_timeout_ms < first)
			first = ack->since_ms + s->settings->hold_timeout_ms;
	}
	return first;
}

void
mqev_owed_tick(struct mqev_session *s, uint64_t now)
{
	if (s->settings->hold_timeout_ms == 0)
		return;
	for (uint8_t qos = 1; qos <= 2; qos++) {
		struct mqev_ack *ack = oldest(s, qos);

		if (ack == NULL || now < ack->since_ms + s->settings->hold_timeout_ms)
			continue;
		ack->overdue = true;
		s->sink->events->hold_overdue(s, ack->qos, ack->mid, now - ack->since_ms);
	}
	mqev_stored_hold_tick(s, now);
}

/* --- the application's side --------------------------------------------------------------------
 */

struct mqev_ack *
mqev_message_hold(const struct mqev_message *message)
{
	struct mqev_delivery *delivery = message != NULL ? message->delivery : NULL;
	struct mqev_ack *ack;

	if (delivery == NULL || delivery->held != NULL ||
	    (delivery->stored != NULL && delivery->stored->hold != NULL))
		return NULL;
	ack = new_ack(delivery->session, (uint8_t)message->qos, message->mid);
	if (ack == NULL)
		return NULL;
	if (message->qos == 0) {
		ack->session = NULL;
		return ack;
	}
	if (delivery->stored != NULL) {
		ack->stored = delivery->stored;
		mqev_stored_hold(ack->stored, ack);
		return ack;
	}
	ack->refs = 2;
	delivery->held = ack;
	return ack;
}

static bool
take_properties(struct mqev_ack *ack, const struct mqev_properties *properties)
{
	struct mqev_bytes block = mqev_properties_block(properties);

	if (block.len == 0)
		return true;
	ack->properties = mqev_memdup(block.data, block.len);
	if (ack->properties == NULL)
		return false;
	ack->properties_len = block.len;
	return true;
}

static int
check_ack(const struct mqev_ack *ack, int reason, const struct mqev_properties *properties)
{
	enum mqev_packet_type type = ack->qos == 2 ? MQEV_PACKET_PUBREC : MQEV_PACKET_PUBACK;

	if (reason < 0 || reason > UINT8_MAX ||
	    !mqev_reason_legal((uint8_t)reason, type, MQEV_FROM_CLIENT) ||
	    !mqev_properties_sendable(properties, type))
		return MQEV_ERR_INVALID;
	if (ack->given)
		return MQEV_ERR_STATE;
	if (ack->qos == 0)
		return 0;
	if (ack->session == NULL)
		return MQEV_ERR_LOST;
	if (reason >= 0x80 && (ack->session->version != MQEV_V5 || ack->stored != NULL))
		return MQEV_ERR_UNSUPPORTED;
	/* Its packet has left already. */
	if (ack->stored != NULL && mqev_properties_block(properties).len > 0)
		return MQEV_ERR_UNSUPPORTED;
	return 0;
}

/* The message is done; what is then told to the store lets the handle go. */
static int
give_stored(struct mqev_ack *ack)
{
	int error = mqev_stored_done(ack->session, ack->stored);

	if (error == 0)
		ack->given = true;
	return error;
}

int
mqev_ack(struct mqev_ack *ack, enum mqev_reason reason, const struct mqev_properties *properties)
{
	int error = ack != NULL ? check_ack(ack, (int)reason, properties) : MQEV_ERR_INVALID;

	if (error != 0)
		return error;
	if (ack->stored != NULL)
		return give_stored(ack);
	if (!take_properties(ack, properties))
		return MQEV_ERR_NOMEM;
	ack->given = true;
	ack->reason = (uint8_t)reason;
	/* Within the message's own callback it is not in line yet. */
	if (ack->session == NULL || ack->session->in == NULL)
		return 0;
	if (ack->qos == 2 && mqev_ack_is_given(ack))
		mqev_inbox_set_taken(ack->session, ack->mid, true);
	send_given(ack->session, ack->qos);
	return 0;
}

void
mqev_ack_drop(struct mqev_ack *ack)
{
	if (ack != NULL)
		unref(ack);
}
