/* Clients whose sessions a store keeps: tapes in the loop, coming and going. What is kept and what
 * waits for it is the session's business, how it gets to the disk the store's. */
#include "client/durable.h"

#include <poll.h>
#include <string.h>

#include <event2/event.h>

#include "client/client.h"
#include "core/mem.h"
#include "port/port.h"
#include "store/store.h"

struct mqev_durable {
	struct mqev_durable *next; /* in the fleet */
	struct mqev_durable *next_gathered;
	struct mqev_fleet *fleet;
	struct mqev_store *store;
	struct mqev_tape *tape;
	struct event *event; /* what the writer gives back */
	size_t users;
	bool gathered;
	bool collecting;
	bool foreign; /* the process that has the writer is another one */
};

/* --- what the tape tells -----------------------------------------------------------------------
 */

static void
on_gathered(void *arg)
{
	struct mqev_durable *d = arg;

	if (d->gathered)
		return;
	d->gathered = true;
	d->next_gathered = d->fleet->gathered;
	d->fleet->gathered = d;
	mqev_fleet_plan_flush(d->fleet);
}

static int64_t
wall_less_clock(void)
{
	return mqev_port_wall_us() / 1000 - (int64_t)mqev_port_now_ms();
}

static void
on_durable(void *owner)
{
	struct mqev_client *c = owner;

	mqev_client_enter(c);
	mqev_session_journal(&c->session)->wall_ms = wall_less_clock();
	mqev_session_durable(&c->session, mqev_port_now_ms());
	mqev_client_leave(c);
}

static void
on_refused(void *owner, uint64_t seq, int error)
{
	struct mqev_client *c = owner;

	mqev_client_enter(c);
	mqev_session_refused(&c->session, seq, error);
	mqev_client_leave(c);
}

static void
on_loaded(void *owner, uint64_t seq, struct mqev_bytes packed, int error)
{
	struct mqev_client *c = owner;

	mqev_client_enter(c);
	mqev_session_loaded(&c->session, seq, packed, error);
	mqev_client_leave(c);
}

static int
tell_failure(struct mqev_client *c, void *arg)
{
	(void)arg;
	if (mqev_durable_error(c) == 0)
		return 0;
	mqev_client_enter(c);
	mqev_log(c, MQEV_LOG_ERR, "the store has failed");
	mqev_session_store_failed(&c->session, mqev_durable_error(c));
	mqev_client_leave(c);
	return 0;
}

static void
on_failed(void *arg, int error)
{
	struct mqev_durable *d = arg;

	(void)error; /* stands in each journal */
	mqev_fleet_each(d->fleet, tell_failure, NULL);
}

static const struct mqev_tape_events tape_events = {
    .gathered = on_gathered,
    .durable = on_durable,
    .refused = on_refused,
    .loaded = on_loaded,
    .failed = on_failed,
};

/* --- a store in a fleet ------------------------------------------------------------------------
 */

static void
forget_gathered(struct mqev_durable *d)
{
	struct mqev_durable **at = &d->fleet->gathered;

	while (*at != NULL && *at != d)
		at = &(*at)->next_gathered;
	if (*at == d)
		*at = d->next_gathered;
	d->gathered = false;
}

/* What has gathered is still handed over. */
static void
free_durable(struct mqev_durable *d)
{
	struct mqev_durable **at = &d->fleet->durables;

	while (*at != NULL && *at != d)
		at = &(*at)->next;
	if (*at == d)
		*at = d->next;
	if (d->event != NULL)
		event_free(d->event);
	if (!d->foreign)
		mqev_tape_free(d->tape);
	forget_gathered(d);
	mqev_free(d);
}

static void
on_returned(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_durable *d = arg;
	struct mqev_fleet *fleet = d->fleet;

	(void)fd;
	(void)what;
	mqev_fleet_enter(fleet);
	d->collecting = true;
	mqev_tape_collect(d->tape);
	d->collecting = false;
	if (d->users == 0)
		free_durable(d);
	mqev_fleet_leave(fleet);
}

static bool
make_parts(struct mqev_durable *d)
{
	d->tape = mqev_tape_new(d->store, &tape_events, d);
	if (d->tape == NULL)
		return false;
	d->event =
	    event_new(d->fleet->base, mqev_tape_fd(d->tape), EV_READ | EV_PERSIST, on_returned, d);
	return d->event != NULL && event_add(d->event, NULL) == 0;
}

static struct mqev_durable *
durable_of(struct mqev_fleet *fleet, struct mqev_store *store)
{
	struct mqev_durable *d = fleet->durables;

	while (d != NULL && d->store != store)
		d = d->next;
	if (d != NULL)
		return d;
	d = mqev_calloc(1, sizeof(*d));
	if (d == NULL)
		return NULL;
	d->fleet = fleet;
	d->store = store;
	if (!make_parts(d)) {
		free_durable(d);
		return NULL;
	}
	d->next = fleet->durables;
	fleet->durables = d;
	return d;
}

void
mqev_durable_drop(struct mqev_durable *d)
{
	d->users--;
	if (d->users == 0 && !d->collecting)
		free_durable(d);
}

struct mqev_durable *
mqev_durable_use(struct mqev_fleet *fleet, struct mqev_store *store)
{
	struct mqev_durable *d = durable_of(fleet, store);

	if (d != NULL)
		d->users++;
	return d;
}

struct mqev_tape *
mqev_durable_tape(const struct mqev_durable *d)
{
	return d->tape;
}

bool
mqev_durable_is_foreign(const struct mqev_durable *d)
{
	return d->foreign;
}

void
mqev_durable_await(struct mqev_durable *d)
{
	struct pollfd returned = {.fd = mqev_tape_fd(d->tape), .events = POLLIN};

	mqev_tape_hand_over(d->tape);
	(void)poll(&returned, 1, -1);
	on_returned(-1, 0, d);
}

void
mqev_durable_hand_over(struct mqev_fleet *fleet)
{
	while (fleet->gathered != NULL) {
		struct mqev_durable *d = fleet->gathered;

		fleet->gathered = d->next_gathered;
		d->gathered = false;
		mqev_tape_hand_over(d->tape);
	}
}

static int
stop_journal(struct mqev_client *c, void *arg)
{
	struct mqev_journal *j = mqev_session_journal(&c->session);

	(void)arg;
	if (j != NULL)
		j->error = MQEV_ERR_STATE;
	return 0;
}

void
mqev_durable_forked(struct mqev_fleet *fleet)
{
	if (fleet->durables == NULL)
		return;
	for (struct mqev_durable *d = fleet->durables; d != NULL; d = d->next)
		d->foreign = true;
	mqev_fleet_each(fleet, stop_journal, NULL);
}

void
mqev_durable_free_all(struct mqev_fleet *fleet)
{
	while (fleet->durables != NULL)
		free_durable(fleet->durables);
}

/* --- a client ----------------------------------------------------------------------------------
 */

int
mqev_durable_error(const struct mqev_client *c)
{
	const struct mqev_journal *j = mqev_session_journal(&c->session);

	return j != NULL ? j->error : 0;
}

bool
mqev_durable_set_id(struct mqev_client *c)
{
	struct mqev_journal *j = mqev_session_journal(&c->session);

	return j == NULL ||
	       (mqev_journal_set_client_id(j, c->client_id) && mqev_session_renamed(&c->session));
}

static bool
is_text(const char *text)
{
	return text != NULL && text[0] != '\0';
}

/* The identifier in the options is the client's; without one it goes on with the one that the
 * server gave it. */
static bool
agree_on_id(struct mqev_client *c, struct mqev_journal *j)
{
	bool other;

	if (!is_text(c->client_id)) {
		if (!is_text(j->row.client_id))
			return true;
		return mqev_client_take_id(c, mqev_strdup(j->row.client_id));
	}
	if (is_text(j->row.client_id) && strcmp(c->client_id, j->row.client_id) == 0)
		return true;
	other = is_text(j->row.client_id);
	if (!mqev_journal_set_client_id(j, c->client_id))
		return false;
	/* The server knows that one's session by another name. */
	if (other)
		j->row.session_ends_ms = 1;
	return true;
}

static bool
restore(struct mqev_client *c, const struct mqev_kept *kept)
{
	for (size_t i = 0; i < kept->count; i++) {
		if (!mqev_session_restore(&c->session, &kept->records[i]))
			return false;
	}
	return mqev_session_restored(&c->session, mqev_port_now_ms());
}

static void
nobody_hears(void *owner, const struct mqev_op *op, const struct mqev_op_end *end)
{
	(void)owner;
	(void)op;
	(void)end;
}

static void
nobody_pumps(void *owner)
{
	(void)owner;
}

/* The client was never made: what was restored is not told of. Nothing of it was sent, so the
 * copy of the tally does not change. */
static void
undo(struct mqev_client *c, struct mqev_durable *d, struct mqev_journal *j,
    const struct mqev_kept *kept)
{
	static const struct mqev_session_events silent = {
	    .complete = nobody_hears, .wants_pump = nobody_pumps};
	struct mqev_sink sink = *c->session.sink;

	sink.events = &silent;
	c->session.sink = &sink;
	mqev_session_free(&c->session, MQEV_ERR_NOMEM);
	c->session.sink = &c->fleet->cork.sink;
	mqev_tape_detach(j, kept);
	mqev_durable_drop(d);
}

static int
begin(struct mqev_client *c, struct mqev_durable *d, struct mqev_journal *j, struct mqev_kept *kept)
{
	j->wall_ms = wall_less_clock();
	j->carrier = d;
	if (!agree_on_id(c, j) || !mqev_session_set_journal(&c->session, j) || !restore(c, kept)) {
		undo(c, d, j, kept);
		return MQEV_ERR_NOMEM;
	}
	mqev_free(kept->records);
	return 0;
}

int
mqev_durable_attach(struct mqev_client *c, const struct mqev_options *o)
{
	const char *name = o->store_name != NULL ? o->store_name : o->client_id;
	struct mqev_kept kept = {0};
	struct mqev_durable *d;
	struct mqev_journal *j;
	int error = mqev_store_is_foreign(o->store) ? MQEV_ERR_STATE : mqev_store_error(o->store);

	if (error != 0)
		return error;
	d = durable_of(c->fleet, o->store);
	if (d == NULL)
		return MQEV_ERR_NOMEM;
	d->users++;
	j = mqev_tape_attach(
	    d->tape, name, o->durability != MQEV_DURABLE_PROCESS, c, &kept, &error);
	if (j != NULL)
		return begin(c, d, j, &kept);
	mqev_durable_drop(d);
	return error;
}

void
mqev_durable_detach(struct mqev_client *c)
{
	struct mqev_journal *j = mqev_session_journal(&c->session);
	struct mqev_durable *d = j->carrier;
	struct mqev_kept kept;
	bool known = mqev_session_keep(&c->session, &kept.records, &kept.count);

	mqev_session_free(&c->session, MQEV_ERR_CANCELED);
	if (!d->foreign)
		mqev_tape_detach(j, known ? &kept : NULL);
	else
		mqev_free(kept.records);
	mqev_durable_drop(d);
}

/* --- what is pending ---------------------------------------------------------------------------
 */

struct pending_walk {
	struct mqev_client *client;
	mqev_pending_cb *visit;
	void *userdata;
};

static void
visit_pending(struct mqev_op *op, void *arg)
{
	const struct pending_walk *walk = arg;
	struct mqev_pending pending = {
	    .size = sizeof(pending),
	    .op = op->number,
	    .token = op->seq,
	    .cookie = op->cookie,
	    .qos = op->qos,
	    .sent = op->state != MQEV_OP_QUEUED,
	    .bytes = (size_t)op->topic_len + op->properties_len + op->payload_len,
	    .done = (mqev_result_cb *)op->done,
	    .arg = op->arg,
	};

	walk->visit(walk->client, &pending, walk->userdata);
	op->done = (mqev_op_done)pending.done;
	op->arg = pending.arg;
}

int
mqev_client_pending(struct mqev_client *c, mqev_pending_cb *visit, void *userdata)
{
	struct pending_walk walk = {c, visit, userdata};

	if (c == NULL || visit == NULL)
		return MQEV_ERR_INVALID;
	if (c->freed || mqev_session_journal(&c->session) == NULL)
		return MQEV_ERR_STATE;
	mqev_session_pending(&c->session, visit_pending, &walk);
	return 0;
}
