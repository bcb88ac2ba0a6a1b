/* The store that a test plays. What the session should do with it is not known here. */
#include "lib/vjournal.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* --- into the record ---------------------------------------------------------------------------
 */

static void
record_client(struct vbuf *b, const struct mqev_store_client *row)
{
	vbuf_printf(b, "client e%u n%u", row->epoch, (unsigned)row->sent_n);
	if ((row->flags & MQEV_STORE_CLIENT_SESSION) != 0)
		vbuf_printf(b, " session");
	if ((row->flags & MQEV_STORE_CLIENT_DOUBTFUL) != 0)
		vbuf_printf(b, " doubtful");
	if (row->session_ends_ms != 0)
		vbuf_printf(b, " ends %u", (unsigned)row->session_ends_ms);
	vbuf_printf(b, "\n");
}

static void
record_message(struct vbuf *b, const struct mqev_record *r)
{
	static const char *const states[] = {
	    "?", "accepted", "released", "received", "freed", "done"};

	if (r->kind == MQEV_RECORD_OUT)
		vbuf_printf(b, " out %s n%u", states[r->state], (unsigned)r->n);
	else
		vbuf_printf(b, " in %s #%u", states[r->state], r->mid);
	vbuf_printf(b, " q%u", r->qos);
	if ((r->flags & MQEV_RECORD_SENT) != 0)
		vbuf_printf(b, " sent");
	if (r->expires_ms != 0)
		vbuf_printf(b, " until %u", (unsigned)r->expires_ms);
}

static void
record_change(struct vjournal *j, const struct vj_change *c)
{
	static const char *const kinds[] = {
	    "?", "put", "set", "drop", "remove", "client", "forget", "seq"};
	struct vbuf *b = &j->v->record;

	if (j->quiet)
		return;
	vclient_flush_record(j->v);
	if (c->kind == MQEV_CHANGE_CLIENT) {
		record_client(b, &c->row);
		return;
	}
	vbuf_printf(b, "%s %u", kinds[c->kind], (unsigned)c->r.seq);
	if (c->kind != MQEV_CHANGE_REMOVE)
		record_message(b, &c->r);
	vbuf_printf(b, "\n");
}

/* --- appending ---------------------------------------------------------------------------------
 */

static uint8_t *
packed(const struct mqev_entry *entry, size_t *len)
{
	uint8_t *bytes;

	*len = mqev_packed_size(entry);
	bytes = malloc(*len);
	if (bytes == NULL)
		abort();
	mqev_pack(entry, bytes);
	return bytes;
}

static void
add(struct vjournal *j, struct mqev_entry *entry, bool refusable)
{
	struct vj_change *c = &j->changes[j->count++];

	if (j->count > VJ_CHANGES)
		abort();
	*c = (struct vj_change){
	    .kind = entry->kind, .row = j->base.row, .ticket = j->ticket, .refusable = refusable};
	if (entry->kind == MQEV_CHANGE_PUT) {
		entry->record.seq = j->next_seq++;
		entry->record.client = j->base.row.client;
		entry->record.epoch = j->base.row.epoch;
		/* One without bytes is one whose topic is not there. */
		if (entry->record.state != MQEV_RECORD_DONE)
			c->bytes = packed(entry, &entry->record.bytes_len);
	}
	c->r = entry->record;
	if (entry->kind == MQEV_CHANGE_PUT && c->bytes == NULL)
		c->r.bytes_len = 0;
	record_change(j, c);
}

static void apply_to(struct vjournal *j, uint64_t ticket);

static uint64_t
append(struct mqev_journal *base, struct mqev_entry *entries, size_t count)
{
	struct vjournal *j = (struct vjournal *)base;
	void *probe;

	if (base->error != 0 || j->no_memory)
		return 0;
	/* Fails when the allocator under test does. */
	probe = mqev_malloc(1);
	if (probe == NULL)
		return 0;
	mqev_free(probe);
	j->ticket++;
	for (size_t i = 0; i < count; i++)
		add(j, &entries[i], entries[0].refusable);
	if (j->at_once)
		apply_to(j, j->ticket);
	return j->ticket;
}

static bool
load(struct mqev_journal *base, uint64_t seq)
{
	struct vjournal *j = (struct vjournal *)base;

	if (base->error != 0 || j->no_memory ||
	    j->load_count == sizeof(j->loads) / sizeof(j->loads[0]))
		return false;
	j->loads[j->load_count++] = seq;
	if (!j->quiet) {
		vclient_flush_record(j->v);
		vbuf_printf(&j->v->record, "load %u\n", (unsigned)seq);
	}
	return true;
}

static const struct mqev_journal_methods methods = {append, load};

/* --- what is durable ---------------------------------------------------------------------------
 */

static void
drop_bytes(struct vj_record *at)
{
	free(at->bytes);
	at->bytes = NULL;
	at->r.bytes_len = 0;
}

static void
set(struct vj_record *at, const struct mqev_record *r)
{
	at->r.n = r->n;
	at->r.epoch = r->epoch;
	at->r.mid = r->mid;
	at->r.state = r->state;
	at->r.flags = r->flags;
}

static void
apply_record(struct vjournal *j, struct vj_change *c)
{
	struct vj_record *at = &j->records[c->r.seq % VJ_RECORDS];

	if (c->kind == MQEV_CHANGE_PUT) {
		*at = (struct vj_record){c->r, c->bytes, true};
		c->bytes = NULL;
		return;
	}
	if (!at->there || at->r.seq != c->r.seq)
		return;
	if (c->kind == MQEV_CHANGE_SET || c->kind == MQEV_CHANGE_DROP)
		set(at, &c->r);
	if (c->kind != MQEV_CHANGE_SET)
		drop_bytes(at);
	at->there = c->kind != MQEV_CHANGE_REMOVE;
}

static void
take_first(struct vjournal *j)
{
	free(j->changes[0].bytes);
	j->count--;
	memmove(&j->changes[0], &j->changes[1], j->count * sizeof(j->changes[0]));
}

static void
apply_to(struct vjournal *j, uint64_t ticket)
{
	while (j->count > 0 && j->changes[0].ticket <= ticket) {
		struct vj_change *c = &j->changes[0];

		if (c->kind == MQEV_CHANGE_CLIENT)
			j->row = c->row;
		else if (!c->refused)
			apply_record(j, c);
		take_first(j);
	}
	j->base.durable = ticket;
}

static void
after(struct vjournal *j)
{
	vclient_after_call(j->v);
}

void
vjournal_commit_to(struct vjournal *j, uint64_t ticket)
{
	vclient_flush_record(j->v);
	apply_to(j, ticket);
	mqev_session_durable(&j->v->s, j->v->now);
	after(j);
}

/* Also what is appended meanwhile is durable then. */
void
vjournal_commit(struct vjournal *j)
{
	do
		vjournal_commit_to(j, j->ticket);
	while (j->count > 0);
}

void
vjournal_refuse(struct vjournal *j, uint64_t seq)
{
	uint64_t ticket = 0;

	for (size_t i = 0; i < j->count; i++) {
		if (j->changes[i].r.seq == seq && j->changes[i].kind == MQEV_CHANGE_PUT)
			ticket = j->changes[i].ticket;
	}
	for (size_t i = 0; i < j->count; i++) {
		struct vj_change *c = &j->changes[i];

		if (c->ticket != ticket || !c->refusable || c->kind == MQEV_CHANGE_CLIENT)
			continue;
		c->refused = true;
		mqev_session_refused(&j->v->s, c->r.seq, MQEV_ERR_STORE_FULL);
	}
	after(j);
}

void
vjournal_answer(struct vjournal *j, int error)
{
	while (j->load_count > 0) {
		uint64_t seq = j->loads[0];
		struct vj_record *at = &j->records[seq % VJ_RECORDS];
		struct mqev_bytes bytes = {at->bytes, at->r.bytes_len};
		int its = error;

		if (its == 0 && (!at->there || at->r.seq != seq || at->bytes == NULL))
			its = MQEV_ERR_NOT_FOUND;
		j->load_count--;
		memmove(j->loads, j->loads + 1, j->load_count * sizeof(j->loads[0]));
		mqev_session_loaded(&j->v->s, seq, bytes, its);
	}
	after(j);
}

void
vjournal_fail(struct vjournal *j, int error)
{
	j->base.error = error;
	mqev_session_store_failed(&j->v->s, error);
	after(j);
}

/* --- lives -------------------------------------------------------------------------------------
 */

static void
forget_changes(struct vjournal *j)
{
	while (j->count > 0)
		take_first(j);
	j->load_count = 0;
}

/* What was pending is accepted already. */
static void
note_pending(struct vjournal *j)
{
	for (uint64_t number = 1; number < j->v->s.next_number && number < V_OPS; number++)
		j->v->op[number] = V_PENDING;
}

static bool
restore_all(struct vjournal *j)
{
	for (uint64_t seq = 1; seq < j->next_seq; seq++) {
		struct vj_record *at = &j->records[seq % VJ_RECORDS];

		if (at->there && at->r.seq == seq && !mqev_session_restore(&j->v->s, &at->r))
			return false;
	}
	return mqev_session_restored(&j->v->s, j->v->now);
}

/* A session over what is durable. */
static void
begin(struct vjournal *j)
{
	struct vclient *v = j->v;

	j->base = (struct mqev_journal){
	    .methods = &methods, .durable = j->ticket, .row = j->row, .wall_ms = 1000000};
	vclient_begin(v);
	if (!mqev_session_set_journal(&v->s, &j->base) || !restore_all(j))
		abort();
	note_pending(j);
}

void
vjournal_init(struct vjournal *j, struct vclient *v)
{
	*j = (struct vjournal){.v = v, .next_seq = 1};
	j->row = (struct mqev_store_client){.client = 1, .name = "c", .client_id = ""};
	vclient_end(v);
	begin(j);
}

void
vjournal_free(struct vjournal *j)
{
	forget_changes(j);
	for (size_t i = 0; i < VJ_RECORDS; i++)
		free(j->records[i].bytes);
}

void
vjournal_crash(struct vjournal *j)
{
	bool quiet = j->quiet;

	/* The process's memory has to be given back; what it tells then nobody hears. */
	j->quiet = true;
	j->base.error = MQEV_ERR_STORE;
	vclient_end(j->v);
	j->quiet = quiet;
	forget_changes(j);
	begin(j);
}

void
vjournal_again(struct vjournal *j)
{
	struct mqev_record *records;
	size_t count;
	struct mqev_store_client row;

	if (!mqev_session_keep(&j->v->s, &records, &count))
		abort();
	mqev_session_free(&j->v->s, MQEV_ERR_CANCELED);
	vclient_flush_record(j->v);
	row = j->base.row;
	mqev_session_release(&j->v->s);
	apply_to(j, j->ticket);
	j->base = (struct mqev_journal){
	    .methods = &methods, .durable = j->ticket, .row = row, .wall_ms = 1000000};
	vclient_begin(j->v);
	if (!mqev_session_set_journal(&j->v->s, &j->base))
		abort();
	for (size_t i = 0; i < count; i++) {
		if (!mqev_session_restore(&j->v->s, &records[i]))
			abort();
	}
	mqev_free(records);
	if (!mqev_session_restored(&j->v->s, j->v->now))
		abort();
	note_pending(j);
}
