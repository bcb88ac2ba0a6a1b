/* Received messages that a store keeps, as the server sees them: gates N2 to N7 and the incoming
 * half of E1, see doc/durability.md. On their way to the application: session_stored_done.c; those
 * that no store keeps: session_in.c. */
#include "core/session_gate.h"

#include <string.h>

#include "core/mem.h"

/* --- the list ----------------------------------------------------------------------------------
 */

void
mqev_stored_enlist(struct mqev_gates *g, struct mqev_stored *stored)
{
	stored->next = NULL;
	stored->prev = g->last;
	if (g->last != NULL)
		g->last->next = stored;
	else
		g->first = stored;
	g->last = stored;
	if (g->undelivered == NULL && (stored->flags & MQEV_STORED_DELIVERED) == 0)
		g->undelivered = stored;
}

static void
skip_delivered(struct mqev_gates *g)
{
	while (g->undelivered != NULL && (g->undelivered->flags & MQEV_STORED_DELIVERED) != 0)
		g->undelivered = g->undelivered->next;
}

void
mqev_stored_set_delivered(struct mqev_gates *g, struct mqev_stored *stored)
{
	stored->flags |= MQEV_STORED_DELIVERED;
	skip_delivered(g);
}

static void
release(struct mqev_stored *stored)
{
	if (stored->hold != NULL)
		mqev_ack_let_go(stored->hold);
	mqev_free(stored->block);
	mqev_free(stored);
}

void
mqev_stored_forget(struct mqev_gates *g, struct mqev_stored *stored)
{
	mqev_stored_set_delivered(g, stored);
	mqev_stored_not_held(g, stored);
	if ((stored->flags & MQEV_STORED_DONE_OWED) != 0)
		g->owed_done--;
	if (stored->prev != NULL)
		stored->prev->next = stored->next;
	else
		g->first = stored->next;
	if (stored->next != NULL)
		stored->next->prev = stored->prev;
	else
		g->last = stored->prev;
	release(stored);
}

/* Most often that which is delivered, or one close to it. */
struct mqev_stored *
mqev_stored_find(const struct mqev_gates *g, uint64_t seq)
{
	struct mqev_stored *stored = g->undelivered != NULL ? g->undelivered : g->last;

	while (stored != NULL && stored->seq > seq)
		stored = stored->prev;
	while (stored != NULL && stored->seq < seq)
		stored = stored->next;
	return stored != NULL && stored->seq == seq ? stored : NULL;
}

/* Counts against Receive Maximum from now on, or no more. */
static void
see(struct mqev_gates *g, struct mqev_stored *stored)
{
	if (stored->connection == g->connection)
		return;
	stored->connection = g->connection;
	g->open++;
}

static void
free_identifier(struct mqev_gates *g, struct mqev_stored *stored)
{
	if (stored->mid == 0)
		return;
	mqev_ids_remove(&g->by_mid, stored->mid);
	stored->mid = 0;
	if (stored->qos == 2 && stored->connection == g->connection && g->open > 0)
		g->open--;
}

bool
mqev_stored_any_mid(const struct mqev_gates *g)
{
	return g->by_mid.count > 0;
}

/* --- records -----------------------------------------------------------------------------------
 */

void
mqev_stored_record(
    const struct mqev_gates *g, const struct mqev_stored *stored, struct mqev_record *record)
{
	*record = (struct mqev_record){
	    .seq = stored->seq,
	    .expires_ms = stored->expires_ms,
	    .bytes_len = stored->state == MQEV_RECORD_DONE ? 0 : stored->bytes_len,
	    .client = g->journal->row.client,
	    .epoch = g->journal->row.epoch,
	    .mid = stored->mid,
	    .kind = MQEV_RECORD_IN,
	    .state = stored->state,
	    .qos = stored->qos,
	    .flags = stored->record_flags,
	};
}

void
mqev_stored_fill_change(const struct mqev_gates *g, const struct mqev_stored *stored,
    enum mqev_change_kind kind, enum mqev_record_state state, struct mqev_entry *entry)
{
	*entry = (struct mqev_entry){.kind = kind};
	mqev_stored_record(g, stored, &entry->record);
	entry->record.state = (uint8_t)state;
}

static uint64_t
append_change(struct mqev_gates *g, const struct mqev_stored *stored, enum mqev_change_kind kind,
    enum mqev_record_state state)
{
	struct mqev_entry entry;

	mqev_stored_fill_change(g, stored, kind, state, &entry);
	return mqev_gate_append(g, &entry, 1);
}

/* --- a new one ---------------------------------------------------------------------------------
 */

static uint8_t *
put(uint8_t *at, struct mqev_bytes part)
{
	if (part.len > 0)
		memcpy(at, part.data, part.len);
	return at + part.len;
}

bool
mqev_stored_take_block(struct mqev_stored *stored, const struct mqev_entry *entry)
{
	uint8_t *at =
	    mqev_malloc(entry->topic.len + 1 + entry->properties.len + entry->payload.len);

	if (at == NULL)
		return false;
	stored->block = at;
	stored->topic_len = (uint16_t)entry->topic.len;
	stored->properties_len = (uint32_t)entry->properties.len;
	stored->payload_len = (uint32_t)entry->payload.len;
	at = put(at, entry->topic);
	*at++ = '\0';
	put(put(at, entry->properties), entry->payload);
	return true;
}

static int64_t
wall_expiry(const struct mqev_session *s, struct mqev_bytes properties)
{
	uint32_t at;
	uint32_t seconds;

	if (!mqev_properties_find_expiry(properties, &at, &seconds))
		return 0;
	return (int64_t)s->last_received_ms + s->gates->journal->wall_ms + (int64_t)seconds * 1000;
}

static void
fill_put(const struct mqev_session *s, const struct mqev_received *r, struct mqev_entry *put)
{
	const struct mqev_publish_packet *p = r->packet;
	bool qos1 = p->qos == 1;

	*put = (struct mqev_entry){.kind = MQEV_CHANGE_PUT,
	    .topic = p->topic,
	    .properties = p->properties,
	    .payload = p->payload};
	if (r->alias_topic != NULL)
		put->topic = (struct mqev_bytes){(const uint8_t *)r->alias_topic, r->topic_len};
	put->record = (struct mqev_record){
	    .expires_ms = wall_expiry(s, p->properties),
	    .mid = qos1 ? 0 : p->mid,
	    .kind = MQEV_RECORD_IN,
	    .state = qos1 ? MQEV_RECORD_FREED : MQEV_RECORD_RECEIVED,
	    .qos = p->qos,
	    .flags =
		(uint8_t)((p->retain ? MQEV_RECORD_RETAIN : 0) | (p->dup ? MQEV_RECORD_DUP : 0)),
	};
}

struct mqev_stored *
mqev_stored_new(const struct mqev_session *s, const struct mqev_record *record, size_t len)
{
	struct mqev_stored *stored = mqev_calloc(1, sizeof(*stored));

	if (stored == NULL)
		return NULL;
	stored->seq = record->seq;
	stored->received_ms = s->last_received_ms;
	stored->expires_ms = record->expires_ms;
	stored->bytes_len = (uint32_t)len;
	stored->mid = record->mid;
	stored->state = record->state;
	stored->qos = record->qos;
	stored->record_flags = record->flags;
	return stored;
}

/* All that can fail, then the append, then what cannot. */
static bool
append_new(struct mqev_session *s, struct mqev_stored *stored, struct mqev_entry *put,
    struct mqev_gate_entry *then)
{
	struct mqev_gates *g = s->gates;

	if (!mqev_gate_reserve(g, 1) || (stored->mid != 0 && !mqev_ids_reserve(&g->by_mid)))
		return false;
	stored->ticket = mqev_gate_append(g, put, 1);
	if (stored->ticket == 0)
		return false;
	stored->seq = put->record.seq;
	stored->connection = g->connection;
	g->open++;
	if (stored->mid != 0)
		mqev_ids_put(&g->by_mid, stored->mid, stored);
	mqev_stored_enlist(g, stored);
	then->ticket = stored->ticket;
	if (then->what == MQEV_GATE_DELIVER)
		then->stored = stored;
	mqev_gate_push(g, then);
	return true;
}

/* N2, N3. */
static void
receive_new(struct mqev_session *s, const struct mqev_received *r)
{
	struct mqev_gate_entry deliver = {.what = MQEV_GATE_DELIVER, .mid = r->packet->mid};
	struct mqev_stored *stored;
	struct mqev_entry put;

	if (mqev_inbox_quota_exceeded(s))
		return;
	fill_put(s, r, &put);
	stored = mqev_stored_new(s, &put.record, mqev_packed_size(&put));
	if (stored != NULL && mqev_stored_take_block(stored, &put) &&
	    append_new(s, stored, &put, &deliver))
		return;
	if (stored != NULL)
		release(stored);
	mqev_gate_append_failed(s);
}

bool
mqev_stored_put_done(struct mqev_session *s, uint16_t mid, struct mqev_ack *ack)
{
	struct mqev_gate_entry pubrec = {.what = MQEV_GATE_PUBREC, .mid = mid, .ack = ack};
	struct mqev_entry put = {.kind = MQEV_CHANGE_PUT,
	    .record = {.mid = mid, .kind = MQEV_RECORD_IN, .state = MQEV_RECORD_DONE, .qos = 2}};
	struct mqev_stored *stored = mqev_stored_new(s, &put.record, 0);

	if (stored != NULL) {
		stored->flags = MQEV_STORED_DELIVERED;
		if (append_new(s, stored, &put, &pubrec))
			return true;
		release(stored);
	}
	mqev_gate_append_failed(s);
	return false;
}

/* --- PUBLISH -----------------------------------------------------------------------------------
 */

/* That identifier belonged to a session that the server has lost meanwhile. False: the connection
 * has ended. */
static bool
take_for_another(struct mqev_session *s, struct mqev_stored *old)
{
	struct mqev_gates *g = s->gates;
	bool done = old->state == MQEV_RECORD_DONE;
	struct mqev_entry entry;

	mqev_stored_fill_change(
	    g, old, done ? MQEV_CHANGE_REMOVE : MQEV_CHANGE_SET, MQEV_RECORD_FREED, &entry);
	entry.record.mid = 0;
	if (mqev_gate_append(g, &entry, 1) == 0) {
		mqev_gate_append_failed(s);
		return false;
	}
	free_identifier(g, old);
	old->state = MQEV_RECORD_FREED;
	if (done)
		mqev_stored_forget(g, old);
	return true;
}

/* N4. */
static void
receive_again(struct mqev_session *s, struct mqev_stored *stored)
{
	struct mqev_gates *g = s->gates;

	if (stored->connection == g->connection) {
		/* Its PUBREC comes when it is its turn. */
		if (!mqev_gate_is_durable(g, stored->ticket))
			return;
	} else if (mqev_inbox_quota_exceeded(s)) {
		return;
	}
	see(g, stored);
	/* Behind its PUT, if that is still on its way. */
	mqev_gate_answer(s, MQEV_PACKET_PUBREC, stored->mid, MQEV_REASON_SUCCESS, NULL);
}

static bool
goes_to_inbox(const struct mqev_session *s, uint8_t qos)
{
	if (qos == 1)
		return s->settings->inbox == MQEV_SESSION_INBOX_BOTH;
	return qos == 2 && s->settings->inbox != MQEV_SESSION_INBOX_NONE;
}

bool
mqev_stored_on_publish(struct mqev_session *s, const struct mqev_received *r)
{
	const struct mqev_publish_packet *p = r->packet;
	struct mqev_gates *g = s->gates;
	struct mqev_stored *known = p->qos == 2 ? mqev_ids_get(&g->by_mid, p->mid) : NULL;

	if (known != NULL && g->in_doubt && !p->dup && known->connection != g->connection) {
		if (!take_for_another(s, known))
			return true;
		known = NULL;
	}
	if (known != NULL) {
		receive_again(s, known);
		return true;
	}
	if (!goes_to_inbox(s, p->qos))
		return false;
	receive_new(s, r);
	return true;
}

/* --- PUBREL ------------------------------------------------------------------------------------
 */

/* N6. */
static void
release_identifier(struct mqev_session *s, struct mqev_stored *stored)
{
	struct mqev_gates *g = s->gates;
	bool done = stored->state == MQEV_RECORD_DONE;
	struct mqev_gate_entry pubcomp = {.what = MQEV_GATE_PUBCOMP, .mid = stored->mid};
	struct mqev_entry entry;

	mqev_stored_fill_change(
	    g, stored, done ? MQEV_CHANGE_REMOVE : MQEV_CHANGE_SET, MQEV_RECORD_FREED, &entry);
	entry.record.mid = 0;
	if (mqev_gate_reserve(g, 1) && mqev_ids_reserve(&g->released))
		pubcomp.ticket = mqev_gate_append(g, &entry, 1);
	if (pubcomp.ticket == 0) {
		mqev_gate_append_failed(s);
		return;
	}
	if (mqev_ids_get(&g->released, stored->mid) == NULL)
		mqev_ids_put(&g->released, stored->mid, g);
	free_identifier(g, stored);
	stored->state = MQEV_RECORD_FREED;
	if (done)
		mqev_stored_forget(g, stored);
	mqev_gate_push(g, &pubcomp);
}

bool
mqev_stored_on_pubrel(struct mqev_session *s, uint16_t mid)
{
	struct mqev_stored *stored = mqev_ids_get(&s->gates->by_mid, mid);

	if (stored == NULL)
		return false;
	if (!mqev_gate_is_durable(s->gates, stored->ticket))
		mqev_session_protocol_error(s, "PUBREL before PUBREC [MQTT-4.3.3-4]");
	else
		release_identifier(s, stored);
	return true;
}

/* --- a lost session ----------------------------------------------------------------------------
 */

void
mqev_stored_session_lost(struct mqev_session *s)
{
	struct mqev_gates *g = s->gates;
	struct mqev_stored *next;

	for (struct mqev_stored *stored = g->first; stored != NULL; stored = next) {
		next = stored->next;
		if (stored->mid == 0)
			continue;
		stored->mid = 0;
		if (stored->state != MQEV_RECORD_DONE) {
			stored->state = MQEV_RECORD_FREED;
			continue;
		}
		/* Should this fail, its epoch tells so when it is loaded. */
		append_change(g, stored, MQEV_CHANGE_REMOVE, MQEV_RECORD_DONE);
		mqev_stored_forget(g, stored);
	}
	mqev_ids_clear(&g->by_mid);
	mqev_ids_clear(&g->released);
	g->open = 0;
	g->in_doubt = false;
}

void
mqev_stored_free_all(struct mqev_session *s)
{
	struct mqev_gates *g = s->gates;

	while (g->first != NULL) {
		/* What the application has not seen and nothing was said about. */
		if (!mqev_gate_is_durable(g, g->first->ticket))
			append_change(g, g->first, MQEV_CHANGE_REMOVE, MQEV_RECORD_DONE);
		mqev_stored_untell(s, g->first);
		mqev_stored_forget(g, g->first);
	}
	mqev_ids_clear(&g->by_mid);
	mqev_ids_clear(&g->released);
}
