/* Acknowledgements from the server: PUBACK, PUBREC, PUBCOMP, SUBACK, UNSUBACK, each for an
 * operation in the right state. */
#include "core/session_gate.h"

#include <string.h>

#include "core/mem.h"

static struct mqev_op *
op_of(const struct mqev_session *s, uint16_t mid)
{
	return s->out != NULL ? mqev_ids_get(&s->out->ids, mid) : NULL;
}

/* How long the acknowledgement of what was sent on this connection took. */
static void
note_latency(const struct mqev_session *s, const struct mqev_op *op)
{
	if ((op->flags & MQEV_OP_SENT) != 0)
		mqev_histogram_add(&s->sink->tally.ack_ms, s->last_received_ms - op->since_ms);
}

static void
finish_acked(struct mqev_session *s, struct mqev_op *op, const struct mqev_ack_packet *ack)
{
	struct mqev_op_end end = {.reason = ack->reason, .properties = ack->properties};

	/* A server that does not know the identifier of a PUBREL has completed the message before.
	 */
	if (ack->reason >= 0x80 && ack->reason != MQEV_REASON_PACKET_IDENTIFIER_NOT_FOUND)
		end.error = MQEV_ERR_REFUSED;
	note_latency(s, op);
	mqev_outbox_finish(s, op, &end);
}

void
mqev_session_on_puback(struct mqev_session *s, const struct mqev_packet *packet)
{
	struct mqev_op *op = op_of(s, packet->u.ack.mid);

	if (op == NULL)
		return;
	if (op->state != MQEV_OP_WAIT_PUBACK) {
		mqev_session_protocol_error(
		    s, "PUBACK for something else than a QoS 1 message [MQTT-4.3.2-3]");
		return;
	}
	finish_acked(s, op, &packet->u.ack);
}

/* Properties of the PUBREC, then those of the PUBCOMP. */
static bool
add_said(struct mqev_op *op, struct mqev_ack_packet *ack)
{
	struct mqev_op_said *said = op->said;

	if (ack->reason == MQEV_REASON_SUCCESS)
		ack->reason = said->reason;
	if (said->len == 0)
		return true;
	said = mqev_realloc(said, sizeof(*said) + said->len + ack->properties.len);
	if (said == NULL)
		return false;
	op->said = said;
	if (ack->properties.len > 0)
		memcpy(said->properties + said->len, ack->properties.data, ack->properties.len);
	ack->properties = (struct mqev_bytes){said->properties, said->len + ack->properties.len};
	return true;
}

static void
received_pubrec(struct mqev_session *s, struct mqev_op *op, const struct mqev_ack_packet *ack)
{
	bool at_once = true;

	/* What it says is told when its PUBCOMP has come. */
	if (!mqev_op_keep_said(op, ack->reason, ack->properties)) {
		mqev_session_no_memory(s);
		return;
	}
	if (op->seq != 0 && !mqev_kept_release(s, op, &at_once))
		return;
	if (op->state == MQEV_OP_WAIT_PUBREC)
		note_latency(s, op);
	if (s->out->next_message == op)
		s->out->next_message = op->queue.next;
	op->flags |= MQEV_OP_SENT;
	mqev_outbox_await(s, op, MQEV_OP_WAIT_PUBCOMP, s->last_received_ms);
	if (at_once)
		mqev_session_send_ack(s, MQEV_PACKET_PUBREL, op->mid, MQEV_REASON_SUCCESS);
}

void
mqev_session_on_pubrec(struct mqev_session *s, const struct mqev_packet *packet)
{
	const struct mqev_ack_packet *ack = &packet->u.ack;
	struct mqev_op *op = op_of(s, ack->mid);

	if (op == NULL) {
		if (ack->reason < 0x80)
			mqev_session_send_ack(s, MQEV_PACKET_PUBREL, ack->mid,
			    MQEV_REASON_PACKET_IDENTIFIER_NOT_FOUND);
		return;
	}
	if (op->state != MQEV_OP_WAIT_PUBREC && op->state != MQEV_OP_WAIT_PUBCOMP) {
		mqev_session_protocol_error(
		    s, "PUBREC for something else than a QoS 2 message [MQTT-4.3.3-3]");
		return;
	}
	/* A failure after an earlier PUBREC changes nothing: its PUBREL is on its way. */
	if (ack->reason < 0x80)
		received_pubrec(s, op, ack);
	else if (op->state == MQEV_OP_WAIT_PUBREC)
		finish_acked(s, op, ack);
}

void
mqev_session_on_pubcomp(struct mqev_session *s, const struct mqev_packet *packet)
{
	struct mqev_ack_packet ack = packet->u.ack;
	struct mqev_op *op = op_of(s, ack.mid);

	if (op == NULL)
		return;
	if (op->state != MQEV_OP_WAIT_PUBCOMP) {
		mqev_session_protocol_error(s, "PUBCOMP before PUBREC [MQTT-4.3.3-5]");
		return;
	}
	if (op->said == NULL || add_said(op, &ack))
		finish_acked(s, op, &ack);
	else
		mqev_session_no_memory(s);
}

static uint8_t
worst_code(struct mqev_bytes codes)
{
	uint8_t worst = 0;

	for (size_t i = 0; i < codes.len; i++) {
		if (codes.data[i] > worst)
			worst = codes.data[i];
	}
	return worst;
}

static bool
answers(const struct mqev_op *op, const struct mqev_packet *packet)
{
	enum mqev_packet_type expected =
	    op->type == MQEV_PACKET_SUBSCRIBE ? MQEV_PACKET_SUBACK : MQEV_PACKET_UNSUBACK;

	return op->state == MQEV_OP_WAIT_SUBACK && packet->type == expected;
}

/* An UNSUBACK has no codes before 5.0. */
static bool
codes_fit(const struct mqev_session *s, const struct mqev_op *op, size_t count)
{
	if (s->version != MQEV_V5 && op->type == MQEV_PACKET_UNSUBSCRIBE)
		return count == 0;
	return count == op->filter_count;
}

void
mqev_session_on_suback(struct mqev_session *s, const struct mqev_packet *packet)
{
	const struct mqev_suback_packet *ack = &packet->u.suback;
	struct mqev_op *op = op_of(s, ack->mid);
	struct mqev_op_end end = {.properties = ack->properties, .codes = ack->codes};

	if (op == NULL || !answers(op, packet)) {
		mqev_session_protocol_error(
		    s, "a SUBACK or UNSUBACK that answers no request [MQTT-3.8.4-2]");
		return;
	}
	if (!codes_fit(s, op, ack->codes.len)) {
		mqev_session_protocol_error(
		    s, "not one reason code per topic filter [MQTT-3.8.4-6]");
		return;
	}
	note_latency(s, op);
	end.reason = worst_code(ack->codes);
	if (end.reason >= 0x80)
		end.error = MQEV_ERR_REFUSED;
	mqev_outbox_finish(s, op, &end);
}
