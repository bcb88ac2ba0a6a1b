/* A session and its journal as a whole: made, restored, connected, told of what is durable, failed,
 * freed. Gates E1 to E4, see doc/durability.md. */
#include "core/session_gate.h"

#include "core/mem.h"

/* --- the journal -------------------------------------------------------------------------------
 */

bool
mqev_session_set_journal(struct mqev_session *s, struct mqev_journal *journal)
{
	struct mqev_gates *g = mqev_calloc(1, sizeof(*g));

	if (g == NULL)
		return false;
	g->journal = journal;
	g->connection = 1;
	g->sent_safe = journal->row.sent_n;
	s->gates = g;
	s->next_n = journal->row.sent_n;
	if ((journal->row.flags & MQEV_STORE_CLIENT_SESSION) != 0)
		s->has_session = s->accepted_once = true;
	return true;
}

struct mqev_journal *
mqev_session_journal(const struct mqev_session *s)
{
	return s->gates != NULL ? s->gates->journal : NULL;
}

/* --- a lost session ----------------------------------------------------------------------------
 */

/* The row as it was, for an append that fails. */
static uint64_t
append_row_or(struct mqev_gates *g, const struct mqev_store_client *before)
{
	uint64_t ticket = mqev_gate_append_row(g);

	if (ticket == 0)
		g->journal->row = *before;
	return ticket;
}

/* What goes with operations and identifiers is appended before the new epoch: each beginning of
 * that order is safe by itself. flags: of the row from now on. False: an append failed. */
static bool
lose_session(struct mqev_session *s, uint32_t flags)
{
	struct mqev_gates *g = s->gates;
	struct mqev_store_client *row = &g->journal->row;
	struct mqev_store_client before = *row;
	uint64_t low_n;
	uint64_t ticket;

	if (!mqev_kept_session_lost(s, &low_n))
		return false;
	if (!g->epoch_raised)
		row->epoch++;
	row->flags = flags;
	row->sent_n = low_n;
	row->session_ends_ms = 0;
	ticket = append_row_or(g, &before);
	if (ticket == 0)
		return false;
	g->epoch_raised = false;
	g->hold = g->sent_ticket = ticket;
	g->sent_safe = low_n;
	g->covered_from = s->next_number;
	mqev_stored_session_lost(s);
	return true;
}

/* --- restoring ---------------------------------------------------------------------------------
 */

bool
mqev_session_restore(struct mqev_session *s, const struct mqev_record *record)
{
	if (record->kind == MQEV_RECORD_OUT)
		return mqev_kept_restore(s, record);
	return record->kind != MQEV_RECORD_IN || mqev_stored_restore(s, record);
}

static bool
is_in_flight(const struct mqev_session *s)
{
	return s->out != NULL && s->out->messages.head != NULL &&
	       s->out->messages.head->state != MQEV_OP_QUEUED;
}

/* E3; and a session that was to be made anew when the process ended. */
static bool
session_is_gone(const struct mqev_session *s, uint64_t now)
{
	const struct mqev_journal *j = s->gates->journal;

	if (j->row.session_ends_ms != 0 && (int64_t)now + j->wall_ms >= j->row.session_ends_ms)
		return true;
	return (j->row.flags & MQEV_STORE_CLIENT_SESSION) == 0 && is_in_flight(s);
}

bool
mqev_session_restored(struct mqev_session *s, uint64_t now)
{
	if (!session_is_gone(s, now))
		return true;
	if (!lose_session(s, 0))
		return false;
	s->gates->connect_ticket = s->gates->hold;
	mqev_outbox_session_lost(s);
	s->has_session = s->accepted_once = false;
	s->begin_anew = s->version == MQEV_V5;
	return true;
}

/* --- CONNECT -----------------------------------------------------------------------------------
 */

/* E1c: what is known of a session is void before the server hears that it is. */
static void
give_up_session(struct mqev_session *s)
{
	struct mqev_gates *g = s->gates;
	struct mqev_store_client *row = &g->journal->row;

	if (g->epoch_raised)
		return;
	if ((row->flags & MQEV_STORE_CLIENT_SESSION) == 0 && !mqev_stored_any_mid(g) &&
	    !is_in_flight(s))
		return;
	row->epoch++;
	row->flags &= ~(uint32_t)MQEV_STORE_CLIENT_SESSION;
	g->epoch_raised = true;
}

/* E1d, and the end that was noted for the session does not hold any more. */
static void
go_on_with_session(struct mqev_session *s)
{
	struct mqev_gates *g = s->gates;
	struct mqev_store_client *row = &g->journal->row;

	row->session_ends_ms = 0;
	if (!mqev_stored_any_mid(g))
		return;
	if ((row->flags & MQEV_STORE_CLIENT_DOUBTFUL) != 0)
		g->in_doubt = true;
	row->flags |= MQEV_STORE_CLIENT_DOUBTFUL;
}

static bool
same_row(const struct mqev_store_client *a, const struct mqev_store_client *b)
{
	return a->epoch == b->epoch && a->flags == b->flags && a->sent_n == b->sent_n &&
	       a->session_ends_ms == b->session_ends_ms;
}

bool
mqev_gate_begin_connect(struct mqev_session *s)
{
	struct mqev_gates *g = s->gates;
	struct mqev_store_client before = g->journal->row;
	bool raised = g->epoch_raised;

	if (s->sent_clean)
		give_up_session(s);
	else
		go_on_with_session(s);
	g->connect_owed = true;
	if (same_row(&before, &g->journal->row))
		return true;
	g->connect_ticket = append_row_or(g, &before);
	if (g->connect_ticket != 0)
		return true;
	g->epoch_raised = raised;
	mqev_gate_append_failed(s);
	return false;
}

bool
mqev_gate_may_connect(struct mqev_session *s)
{
	if (!mqev_stored_deliver_all(s) || s->gates == NULL ||
	    s->state != MQEV_SESSION_CONNECTING ||
	    !mqev_gate_is_durable(s->gates, s->gates->connect_ticket))
		return false;
	s->gates->connect_owed = false;
	return true;
}

static void
ask_to_connect(struct mqev_session *s)
{
	if (s->gates != NULL && s->gates->connect_owed && s->state == MQEV_SESSION_CONNECTING)
		s->sink->events->may_connect(s);
}

/* --- CONNACK -----------------------------------------------------------------------------------
 */

static bool
session_found(struct mqev_session *s)
{
	struct mqev_gates *g = s->gates;
	struct mqev_store_client *row = &g->journal->row;
	struct mqev_store_client before = *row;
	uint64_t ticket;

	g->epoch_raised = false;
	row->session_ends_ms = 0;
	row->flags |= MQEV_STORE_CLIENT_SESSION;
	if (!mqev_stored_any_mid(g))
		g->in_doubt = false;
	if (!g->in_doubt)
		row->flags &= ~(uint32_t)MQEV_STORE_CLIENT_DOUBTFUL;
	if (same_row(&before, row))
		return true;
	ticket = append_row_or(g, &before);
	if (ticket == 0)
		return false;
	if ((before.flags & MQEV_STORE_CLIENT_SESSION) == 0)
		g->hold = ticket;
	return true;
}

bool
mqev_gate_connected(struct mqev_session *s, bool goes_on)
{
	if (goes_on ? session_found(s) : lose_session(s, MQEV_STORE_CLIENT_SESSION))
		return true;
	/* The server has a session now that is not ours. */
	if (!goes_on)
		s->begin_anew = true;
	mqev_gate_append_failed(s);
	return false;
}

bool
mqev_session_renamed(struct mqev_session *s)
{
	uint64_t ticket;

	if (s->gates == NULL)
		return true;
	ticket = mqev_gate_append_row(s->gates);
	if (ticket == 0)
		return false;
	s->gates->hold = ticket;
	return true;
}

/* When the session ends is not gated: it only serves to know, later, that there is nothing. */
static void
note_end(struct mqev_session *s)
{
	struct mqev_gates *g = s->gates;
	struct mqev_store_client before = g->journal->row;

	if (s->expires_ms != UINT64_MAX)
		g->journal->row.session_ends_ms = (int64_t)s->expires_ms + g->journal->wall_ms;
	if (!same_row(&before, &g->journal->row))
		append_row_or(g, &before);
}

void
mqev_gate_closed(struct mqev_session *s, bool was_accepted)
{
	struct mqev_gates *g = s->gates;

	g->connection++;
	g->open = 0;
	g->connect_owed = false;
	if (was_accepted)
		note_end(s);
}

/* --- what the store says -----------------------------------------------------------------------
 */

void
mqev_session_durable(struct mqev_session *s, uint64_t now)
{
	if (s->gates == NULL)
		return;
	mqev_kept_durable(s->gates);
	mqev_gate_run(s, now);
	if (s->gates == NULL)
		return;
	if (s->gates->owed_done > 0)
		mqev_stored_retry(s);
	mqev_outbox_fail_doomed(s);
	ask_to_connect(s);
	if (s->out != NULL)
		mqev_session_ask_pump(s);
}

/* It was never accepted. One that has been given up meanwhile ends as it would have. */
static void
never_accepted(struct mqev_session *s, struct mqev_op *op, int error)
{
	op->seq = 0;
	mqev_outbox_fail(s, op, op->doom != 0 ? op->doom : error);
}

void
mqev_session_refused(struct mqev_session *s, uint64_t seq, int error)
{
	struct mqev_op *op;

	if (s->gates == NULL)
		return;
	op = mqev_gate_take_back(s->gates, seq);
	if (op != NULL)
		never_accepted(s, op, error);
	else
		mqev_stored_refused(s, seq);
}

void
mqev_session_loaded(struct mqev_session *s, uint64_t seq, struct mqev_bytes packed, int error)
{
	if (s->gates == NULL)
		return;
	if (!mqev_kept_loaded(s, seq, packed, error))
		mqev_stored_loaded(s, seq, packed, error);
	ask_to_connect(s);
}

void
mqev_session_store_failed(struct mqev_session *s, int error)
{
	struct mqev_op *op;

	if (s->gates == NULL)
		return;
	mqev_session_abort(s, error, "the store has failed");
	while (s->gates != NULL && (op = mqev_gate_take_waiting(s->gates)) != NULL)
		never_accepted(s, op, error);
}

/* --- the end -----------------------------------------------------------------------------------
 */

static struct mqev_op *
next_kept_op(const struct mqev_session *s, struct mqev_op *op)
{
	while (op != NULL && (op->seq == 0 || !mqev_kept_is_accepted(s, op)))
		op = op->queue.next;
	return op;
}

static struct mqev_stored *
next_kept_stored(const struct mqev_session *s, struct mqev_stored *stored)
{
	while (stored != NULL && !mqev_gate_is_durable(s->gates, stored->ticket))
		stored = stored->next;
	return stored;
}

/* Both lists by rising seq; into records, if there are any. How many there are. */
static size_t
merge_kept(const struct mqev_session *s, struct mqev_record *records)
{
	struct mqev_op *op = next_kept_op(s, s->out != NULL ? s->out->messages.head : NULL);
	struct mqev_stored *stored = next_kept_stored(s, s->gates->first);
	struct mqev_record record;
	size_t count = 0;

	for (; op != NULL || stored != NULL; count++) {
		if (stored == NULL || (op != NULL && op->seq < stored->seq)) {
			mqev_kept_record(s->gates, op, &record);
			op = next_kept_op(s, op->queue.next);
		} else {
			mqev_stored_record(s->gates, stored, &record);
			stored = next_kept_stored(s, stored->next);
		}
		if (records != NULL)
			records[count] = record;
	}
	return count;
}

bool
mqev_session_keep(const struct mqev_session *s, struct mqev_record **records, size_t *count)
{
	*records = NULL;
	*count = merge_kept(s, NULL);
	if (*count == 0)
		return true;
	*records = mqev_malloc(*count * sizeof(**records));
	if (*records == NULL)
		return false;
	merge_kept(s, *records);
	return true;
}

void
mqev_gate_free(struct mqev_session *s)
{
	struct mqev_gates *g = s->gates;

	mqev_gate_clear(g);
	mqev_stored_free_all(s);
	mqev_free(g);
	s->gates = NULL;
}

uint64_t
mqev_session_last_ticket(const struct mqev_session *s)
{
	return s->out->messages.tail->ticket;
}

void
mqev_session_pending(
    const struct mqev_session *s, void (*visit)(struct mqev_op *op, void *arg), void *arg)
{
	struct mqev_op *op = s->out != NULL ? s->out->messages.head : NULL;

	for (; op != NULL; op = op->queue.next) {
		if (op->seq != 0 && (op->flags & MQEV_OP_CANCELED) == 0)
			visit(op, arg);
	}
}
