/* Received messages that a store keeps, on their way to the application: loaded, delivered, done or
 * answered. */
#include "core/session_gate.h"

#include "core/mem.h"

/* How many are asked for ahead of the one that is delivered next. */
#define LOAD_AHEAD 32

/* --- done --------------------------------------------------------------------------------------
 */

/* N5: what is appended when the application is done. */
static void
fill_done(const struct mqev_gates *g, const struct mqev_stored *stored, struct mqev_entry *entry)
{
	if (stored->mid != 0)
		mqev_stored_fill_change(g, stored, MQEV_CHANGE_DROP, MQEV_RECORD_DONE, entry);
	else
		mqev_stored_fill_change(g, stored, MQEV_CHANGE_REMOVE, MQEV_RECORD_FREED, entry);
}

void
mqev_stored_untell(struct mqev_session *s, struct mqev_stored *stored)
{
	if ((stored->flags & MQEV_STORED_TOLD) == 0)
		return;
	stored->flags &= (uint8_t)~MQEV_STORED_TOLD;
	if (s->sink->events->message_done != NULL)
		s->sink->events->message_done(s, stored->seq);
}

/* What makes it done is appended. */
static void
finish(struct mqev_session *s, struct mqev_stored *stored)
{
	mqev_stored_untell(s, stored);
	stored->state = MQEV_RECORD_DONE;
	mqev_stored_not_held(s->gates, stored);
	if (stored->hold != NULL)
		mqev_ack_let_go(stored->hold);
	stored->hold = NULL;
	if (stored->mid == 0)
		mqev_stored_forget(s->gates, stored);
}

int
mqev_stored_done(struct mqev_session *s, struct mqev_stored *stored)
{
	struct mqev_gates *g = s->gates;
	struct mqev_entry entry;

	if (stored->state == MQEV_RECORD_DONE ||
	    (stored->flags & (MQEV_STORED_ANSWERING | MQEV_STORED_DONE_OWED)) != 0)
		return MQEV_ERR_STATE;
	/* In its own callback: when that has returned. */
	if ((stored->flags & MQEV_STORED_IN_CALLBACK) != 0) {
		stored->flags &= (uint8_t)~MQEV_STORED_HELD;
		return 0;
	}
	fill_done(g, stored, &entry);
	if (mqev_gate_append(g, &entry, 1) == 0)
		return g->journal->error != 0 ? g->journal->error : MQEV_ERR_NOMEM;
	finish(s, stored);
	return 0;
}

void
mqev_stored_hold(struct mqev_stored *stored, struct mqev_ack *hold)
{
	stored->hold = hold;
	if (hold != NULL)
		stored->flags |= MQEV_STORED_HELD;
}

static void
done_or_owed(struct mqev_session *s, struct mqev_stored *stored)
{
	if (mqev_stored_done(s, stored) != MQEV_ERR_NOMEM)
		return;
	stored->flags |= MQEV_STORED_DONE_OWED;
	s->gates->owed_done++;
}

void
mqev_stored_retry(struct mqev_session *s)
{
	struct mqev_stored *stored = s->gates->first;

	while (s->gates->owed_done > 0 && stored != NULL) {
		struct mqev_stored *next = stored->next;

		if ((stored->flags & MQEV_STORED_DONE_OWED) != 0) {
			stored->flags &= (uint8_t)~MQEV_STORED_DONE_OWED;
			s->gates->owed_done--;
			done_or_owed(s, stored);
			if (s->gates->owed_done > 0)
				return;
		}
		stored = next;
	}
}

/* --- held for long -----------------------------------------------------------------------------
 */

static bool
is_held(const struct mqev_stored *stored)
{
	return (stored->flags & (MQEV_STORED_HELD | MQEV_STORED_DELIVERED)) ==
		   (MQEV_STORED_HELD | MQEV_STORED_DELIVERED) &&
	       stored->state != MQEV_RECORD_DONE;
}

/* The next one is first in line. Each is passed over once. */
void
mqev_stored_not_held(struct mqev_gates *g, const struct mqev_stored *stored)
{
	if (g->held != stored)
		return;
	do
		g->held = g->held->next;
	while (g->held != NULL && !is_held(g->held));
	g->held_told = false;
}

uint64_t
mqev_stored_hold_deadline(const struct mqev_session *s)
{
	const struct mqev_gates *g = s->gates;

	if (g == NULL || g->held == NULL || g->held_told)
		return UINT64_MAX;
	return g->held->received_ms + s->settings->hold_timeout_ms;
}

void
mqev_stored_hold_tick(struct mqev_session *s, uint64_t now)
{
	const struct mqev_stored *held;

	if (now < mqev_stored_hold_deadline(s))
		return;
	held = s->gates->held;
	s->gates->held_told = true;
	s->sink->events->hold_overdue(s, held->qos, held->mid, now - held->received_ms);
}

/* --- delivery ----------------------------------------------------------------------------------
 */

static bool
tell(struct mqev_session *s, struct mqev_stored *stored, const uint8_t *block)
{
	const uint8_t *properties = block + stored->topic_len + 1;
	struct mqev_properties view =
	    mqev_properties_view((struct mqev_bytes){properties, stored->properties_len});
	struct mqev_delivery delivery = {.session = s, .stored = stored};
	struct mqev_message message = {
	    .size = sizeof(message),
	    .topic = (const char *)block,
	    .topic_len = stored->topic_len,
	    .payload = properties + stored->properties_len,
	    .payload_len = stored->payload_len,
	    .qos = stored->qos,
	    .retain = (stored->record_flags & MQEV_RECORD_RETAIN) != 0,
	    .dup = (stored->record_flags & MQEV_RECORD_DUP) != 0,
	    .mid = stored->mid,
	    .properties = &view,
	    .received_ms = stored->received_ms,
	    .delivery = &delivery,
	    .token = stored->seq,
	};

	return s->sink->events->message(s, &message);
}

/* False: there was no memory, or the callback has freed all this. */
static bool
deliver_one(struct mqev_session *s, struct mqev_stored *stored)
{
	uint8_t *block = stored->block;
	bool taken;

	stored->block = NULL;
	stored->flags |= MQEV_STORED_IN_CALLBACK | MQEV_STORED_TOLD;
	taken = tell(s, stored, block);
	if (s->gates == NULL) {
		mqev_free(block);
		return false;
	}
	stored->flags &= (uint8_t)~MQEV_STORED_IN_CALLBACK;
	if (!taken) {
		stored->block = block;
		mqev_session_no_memory(s);
		return false;
	}
	mqev_free(block);
	mqev_stored_set_delivered(s->gates, stored);
	if (is_held(stored) && s->gates->held == NULL)
		s->gates->held = stored;
	if ((stored->flags & (MQEV_STORED_HELD | MQEV_STORED_ANSWERING)) == 0)
		done_or_owed(s, stored);
	return true;
}

static bool
deliver_ready(struct mqev_session *s)
{
	struct mqev_stored *stored;

	while (s->gates != NULL && (stored = s->gates->undelivered) != NULL &&
	       stored->block != NULL && mqev_gate_is_durable(s->gates, stored->ticket) &&
	       (stored->flags & MQEV_STORED_IN_CALLBACK) == 0) {
		if (!deliver_one(s, stored))
			return false;
	}
	return s->gates != NULL && s->gates->undelivered == NULL;
}

static enum mqev_packet_type
answer_of(uint8_t qos)
{
	return qos == 1 ? MQEV_PACKET_PUBACK : MQEV_PACKET_PUBREC;
}

void
mqev_stored_deliver(struct mqev_session *s, const struct mqev_gate_entry *entry)
{
	struct mqev_stored *stored = entry->stored;
	uint8_t qos = stored->qos;

	if ((stored->flags & MQEV_STORED_DELIVERED) == 0) {
		/* It waits behind one that memory was missing for. */
		if (s->gates->undelivered != stored)
			return;
		if (!deliver_one(s, stored))
			return;
	}
	if (s->gates == NULL || s->state != MQEV_SESSION_CONNECTED ||
	    entry->connection != s->gates->connection)
		return;
	if (qos == 1)
		s->gates->open--;
	mqev_session_send_ack(s, answer_of(qos), entry->mid, MQEV_REASON_SUCCESS);
}

/* --- answered by a publish ---------------------------------------------------------------------
 */

int
mqev_session_answer_begin(struct mqev_session *s, uint64_t token, struct mqev_entry *entry)
{
	struct mqev_stored *stored = s->gates != NULL ? mqev_stored_find(s->gates, token) : NULL;

	/* What is given back to the store at a free stands already. */
	if (stored == NULL || stored->state == MQEV_RECORD_DONE || s->freed)
		return MQEV_ERR_NOT_FOUND;
	if ((stored->flags & (MQEV_STORED_ANSWERING | MQEV_STORED_DONE_OWED)) != 0 ||
	    (stored->flags & (MQEV_STORED_DELIVERED | MQEV_STORED_IN_CALLBACK)) == 0)
		return MQEV_ERR_STATE;
	/* The answer may be the same client's, and waits in the same queue. */
	if (!mqev_gate_reserve(s->gates, 2))
		return MQEV_ERR_NOMEM;
	fill_done(s->gates, stored, entry);
	entry->of = s->gates->journal;
	return 0;
}

void
mqev_session_answer_appended(struct mqev_session *s, uint64_t token, uint64_t ticket)
{
	struct mqev_gate_entry answered = {.what = MQEV_GATE_ANSWERED, .ticket = ticket};

	answered.stored = mqev_stored_find(s->gates, token);
	answered.stored->flags |= MQEV_STORED_ANSWERING;
	if (answered.stored->mid == 0)
		answered.stored->flags |= MQEV_STORED_REMOVING;
	mqev_gate_push(s->gates, &answered);
}

/* Refused, it is as before. */
void
mqev_stored_refused(struct mqev_session *s, uint64_t seq)
{
	struct mqev_stored *stored = mqev_stored_find(s->gates, seq);

	if (stored == NULL)
		return;
	mqev_gate_drop_answer(s->gates, stored);
	stored->flags &= (uint8_t) ~(MQEV_STORED_ANSWERING | MQEV_STORED_REMOVING);
}

void
mqev_stored_answered(struct mqev_session *s, struct mqev_stored *stored)
{
	bool removed = (stored->flags & MQEV_STORED_REMOVING) != 0;

	stored->flags &= (uint8_t) ~(MQEV_STORED_ANSWERING | MQEV_STORED_REMOVING);
	/* Its identifier was freed meanwhile: the record, without bytes, is still there. */
	if (stored->mid == 0 && !removed)
		done_or_owed(s, stored);
	else
		finish(s, stored);
}

/* --- from an earlier process -------------------------------------------------------------------
 */

static bool
remove_record(struct mqev_session *s, const struct mqev_record *r)
{
	struct mqev_entry entry = {.kind = MQEV_CHANGE_REMOVE, .record = *r};

	return mqev_gate_append(s->gates, &entry, 1) != 0;
}

static bool
restore_known(struct mqev_session *s, const struct mqev_record *r, uint16_t mid)
{
	struct mqev_gates *g = s->gates;
	struct mqev_stored *stored;

	if (mid != 0 && !mqev_ids_reserve(&g->by_mid))
		return false;
	stored = mqev_stored_new(s, r, r->bytes_len);
	if (stored == NULL)
		return false;
	stored->mid = mid;
	stored->connection = g->connection - 1;
	stored->record_flags |= MQEV_RECORD_DUP;
	if (stored->state == MQEV_RECORD_RECEIVED && mid == 0)
		stored->state = MQEV_RECORD_FREED;
	if (stored->state == MQEV_RECORD_DONE)
		stored->flags = MQEV_STORED_DELIVERED;
	mqev_stored_enlist(g, stored);
	if (mid != 0)
		mqev_ids_put(&g->by_mid, mid, stored);
	return true;
}

/* A record that cannot be is left alone. */
bool
mqev_stored_restore(struct mqev_session *s, const struct mqev_record *r)
{
	const struct mqev_gates *g = s->gates;
	uint16_t mid = r->epoch == g->journal->row.epoch ? r->mid : 0;
	bool has_bytes = r->bytes_len > 0 && r->state != MQEV_RECORD_DONE;

	if (r->qos < 1 || r->qos > 2 || r->state < MQEV_RECORD_RECEIVED ||
	    r->state > MQEV_RECORD_DONE || r->bytes_len > UINT32_MAX ||
	    (g->last != NULL && g->last->seq >= r->seq) ||
	    (mid != 0 && mqev_ids_get(&g->by_mid, mid) != NULL))
		return true;
	if (r->state == MQEV_RECORD_FREED)
		mid = 0;
	/* Done, and its identifier void: nothing is left to know. */
	if (mid == 0 && !has_bytes)
		return remove_record(s, r);
	return restore_known(s, r, mid);
}

/* Asks for the bytes of those that are next. */
static void
load_ahead(struct mqev_session *s)
{
	struct mqev_journal *j = s->gates->journal;
	struct mqev_stored *stored = s->gates->undelivered;

	for (int i = 0; i < LOAD_AHEAD && stored != NULL; i++, stored = stored->next) {
		if (stored->block != NULL ||
		    (stored->flags & (MQEV_STORED_DELIVERED | MQEV_STORED_LOADING |
					 MQEV_STORED_IN_CALLBACK)) != 0)
			continue;
		if (j->error != 0 || !j->methods->load(j, stored->seq)) {
			mqev_gate_append_failed(s);
			return;
		}
		stored->flags |= MQEV_STORED_LOADING;
	}
}

bool
mqev_stored_deliver_all(struct mqev_session *s)
{
	/* Those that have their turn in the queue keep it. */
	mqev_gate_run(s, s->last_sent_ms);
	if (deliver_ready(s))
		return true;
	if (s->gates != NULL)
		load_ahead(s);
	return false;
}

/* Left in the store: nobody can be given what cannot be read. */
static void
give_up(struct mqev_session *s, struct mqev_stored *stored)
{
	uint64_t token = stored->seq;

	mqev_stored_set_delivered(s->gates, stored);
	if (s->sink->events->unreadable != NULL)
		s->sink->events->unreadable(s, token, MQEV_ERR_STORE_DAMAGED);
}

/* The application was done with it after all: its last client was being freed. */
static void
is_done(struct mqev_session *s, struct mqev_stored *stored)
{
	mqev_stored_set_delivered(s->gates, stored);
	stored->state = MQEV_RECORD_DONE;
	if (stored->mid == 0)
		mqev_stored_forget(s->gates, stored);
}

bool
mqev_stored_loaded(struct mqev_session *s, uint64_t seq, struct mqev_bytes packed, int error)
{
	struct mqev_stored *stored = mqev_stored_find(s->gates, seq);
	struct mqev_entry entry;

	if (stored == NULL || (stored->flags & MQEV_STORED_LOADING) == 0)
		return false;
	stored->flags &= (uint8_t)~MQEV_STORED_LOADING;
	stored->received_ms = s->last_received_ms;
	if (error == 0 && !mqev_unpack_checked(packed, MQEV_RECORD_IN, &entry))
		error = MQEV_ERR_STORE_DAMAGED;
	if (error == 0 && !mqev_stored_take_block(stored, &entry))
		error = MQEV_ERR_NOMEM;
	if (error == MQEV_ERR_NOMEM)
		mqev_session_no_memory(s);
	else if (error == MQEV_ERR_NOT_FOUND)
		is_done(s, stored);
	else if (error == MQEV_ERR_STORE_DAMAGED)
		give_up(s, stored);
	return true;
}
