/* The rules of the history. */
#include "sim/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
judge_init(struct judge *j)
{
	memset(j, 0, sizeof(*j));
}

void
judge_fail(struct judge *j, const char *fmt, ...)
{
	va_list ap;

	if (j->error[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(j->error, sizeof(j->error), fmt, ap);
	va_end(ap);
}

/* --- the client's operations ------------------------------------------------------------------ */

unsigned
judge_new_op(struct judge *j, bool is_request, unsigned topic, unsigned qos)
{
	unsigned seq = ++j->ops;

	j->op[seq] = (struct judge_op){
	    .topic = topic, .qos = qos, .is_request = is_request, .losses_before = j->losses};
	return seq;
}

void
judge_not_accepted(struct judge *j, unsigned seq)
{
	if (seq != j->ops)
		judge_fail(j, "operation %u was refused late", seq);
	j->ops--;
}

static bool
legal(const struct judge *j, const struct judge_op *op, enum judge_result result)
{
	switch (result) {
	case J_OK:
		return true;
	case J_REFUSED:
		return op->is_request || op->refused > 0;
	case J_SESSION_LOST:
		/* QoS 1 goes out again, unless it has expired meanwhile. */
		return (op->qos == 2 || (op->qos == 1 && op->may_expire)) &&
		       j->losses > op->losses_before;
	case J_LINK_LOST:
		return op->qos == 0 && !op->is_request;
	case J_EXPIRED:
		return op->may_expire && op->received == 0;
	case J_LIMIT:
		return j->limits;
	case J_CANCELED:
		return op->canceled;
	case J_OTHER:
		break;
	}
	return false;
}

void
judge_completed(struct judge *j, unsigned seq, enum judge_result result)
{
	struct judge_op *op = &j->op[seq];

	if (seq == 0 || seq > j->ops) {
		judge_fail(j, "completion of %u, which is not known", seq);
		return;
	}
	op->result = result;
	if (++op->completed > 1)
		judge_fail(j, "operation %u completed %u times", seq, op->completed);
	if (!legal(j, op, result))
		judge_fail(j, "operation %u (QoS %u) ended with result %d", seq, op->qos, result);
	if (result == J_OK && !op->is_request && op->qos > 0 && op->received == 0)
		judge_fail(
		    j, "operation %u (QoS %u) is done, the broker never got it", seq, op->qos);
}

void
judge_received(struct judge *j, unsigned seq, unsigned topic, unsigned qos, bool refused)
{
	struct judge_op *op = &j->op[seq];
	unsigned *last;

	if (seq == 0 || seq > j->ops || op->topic != topic || op->qos != qos) {
		judge_fail(j, "the broker got message %u, topic %u, QoS %u: no such was sent", seq,
		    topic, qos);
		return;
	}
	if (op->completed > 0 && op->result == J_EXPIRED)
		judge_fail(j, "message %u expired and was sent", seq);
	if (refused) {
		op->refused++;
		return;
	}
	last = &j->last_received[topic][qos];
	if (op->received++ > 0) {
		if (qos != 1)
			judge_fail(
			    j, "message %u (QoS %u) arrived %u times", seq, qos, op->received);
		return;
	}
	if (seq < *last && op->refused == 0)
		judge_fail(j, "message %u (QoS %u) arrived after %u", seq, qos, *last);
	*last = seq > *last ? seq : *last;
}

/* --- the broker's messages -------------------------------------------------------------------- */

unsigned
judge_new_message(struct judge *j, unsigned topic, unsigned qos)
{
	unsigned token = ++j->messages;

	j->message[token] = (struct judge_message){.topic = topic, .qos = qos};
	return token;
}

void
judge_delivered(struct judge *j, unsigned token, unsigned topic, unsigned qos)
{
	struct judge_message *m = &j->message[token];
	unsigned *last;

	if (token == 0 || token > j->messages || m->topic != topic || m->qos != qos) {
		judge_fail(j, "message b%u, topic %u, QoS %u was delivered: no such was sent",
		    token, topic, qos);
		return;
	}
	if (m->taken > 0 && qos != 1)
		judge_fail(j, "message b%u (QoS %u) was delivered again", token, qos);
	last = &j->last_delivered[topic][qos];
	if (m->delivered++ > 0)
		return;
	if (token < *last)
		judge_fail(j, "message b%u (QoS %u) was delivered after b%u", token, qos, *last);
	*last = token;
}

void
judge_taken(struct judge *j, unsigned token)
{
	j->message[token].taken++;
}

void
judge_message_completed(struct judge *j, unsigned token)
{
	struct judge_message *m = &j->message[token];

	m->completed = true;
	if (m->taken == 0)
		judge_fail(
		    j, "message b%u (QoS %u) was acknowledged before it was taken", token, m->qos);
}

void
judge_session_lost(struct judge *j)
{
	j->losses++;
	for (unsigned i = 1; i <= j->messages; i++)
		j->message[i].lost = true;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void
finish_op(struct judge *j, unsigned seq)
{
	const struct judge_op *op = &j->op[seq];

	if (op->completed != 1)
		judge_fail(
		    j, "operation %u (QoS %u) completed %u times", seq, op->qos, op->completed);
}

static void
finish_message(struct judge *j, unsigned token)
{
	const struct judge_message *m = &j->message[token];

	if (m->qos > 0 && !m->lost && (m->delivered == 0 || !m->completed))
		judge_fail(j, "message b%u (QoS %u) was delivered %u times and is %scompleted",
		    token, m->qos, m->delivered, m->completed ? "" : "not ");
}

void
judge_finish(struct judge *j)
{
	for (unsigned i = 1; i <= j->ops; i++)
		finish_op(j, i);
	for (unsigned i = 1; i <= j->messages; i++)
		finish_message(j, i);
}
