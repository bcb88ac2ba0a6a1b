/*
 * What the writer does when not all that stands in line finds room: what gives room goes first,
 * what may be refused and does not fit is refused, and the rest waits in its place. In here speed
 * does not matter: each step is a transaction of its own.
 */
#include "store/internal.h"

/* The changes of one append(): together or not at all. */
struct group {
	struct mqev_batch *batch;
	size_t first;
	size_t end;
	bool settled;
	bool refusable;
	bool puts;
};

static bool
settled(const struct mqev_batch_change *c)
{
	return c->done || c->refused;
}

static struct group
group_at(struct mqev_batch *batch, size_t first)
{
	const struct mqev_batch_change *c = batch->changes;
	struct group g = {.batch = batch,
	    .first = first,
	    .end = first,
	    .settled = settled(&c[first]),
	    .refusable = c[first].refusable};

	while (g.end < batch->count && c[g.end].group == c[first].group) {
		g.puts |= c[g.end].change.kind == MQEV_CHANGE_PUT;
		g.end++;
	}
	return g;
}

/* Whether a record waits to be put: until then nothing else can be done to it. */
static bool
waits_to_be_put(const struct mqev_store *store, uint64_t seq)
{
	for (const struct mqev_batch *b = store->writer.first; b != NULL; b = b->next) {
		for (size_t i = 0; i < b->count && seq <= b->last_seq; i++) {
			const struct mqev_batch_change *c = &b->changes[i];

			if (c->change.kind == MQEV_CHANGE_PUT && c->change.record->seq == seq &&
			    !settled(c))
				return true;
		}
	}
	return false;
}

static bool
held(const struct mqev_store *store, const struct group *g)
{
	for (size_t i = g->first; i < g->end; i++) {
		const struct mqev_change *change = &g->batch->changes[i].change;

		if (change->kind != MQEV_CHANGE_PUT && change->record != NULL &&
		    waits_to_be_put(store, change->record->seq))
			return true;
	}
	return false;
}

static int
append_group(struct mqev_store *store, const struct group *g)
{
	int error = 0;

	for (size_t i = g->first; i < g->end && error == 0; i++)
		error = mqev_writer_append(store, &g->batch->changes[i]);
	return error;
}

static void
mark(const struct group *g, bool done)
{
	for (size_t i = g->first; i < g->end; i++) {
		g->batch->changes[i].done = done;
		g->batch->changes[i].refused = !done;
	}
}

/* A transaction of this group alone. */
static int
commit_group(struct mqev_store *store, const struct group *g)
{
	uint64_t last_seq = g->puts ? g->batch->last_seq : 0;
	int error = append_group(store, g);

	if (error == 0 && g->puts)
		error = mqev_writer_keep_seq(store, last_seq);
	if (error == 0)
		error = store->backend->commit(store->state, g->batch->sync);
	if (error != 0) {
		store->backend->rollback(store->state);
		return error;
	}
	if (g->puts)
		mqev_writer_seq_kept(store, last_seq);
	mark(g, true);
	return 0;
}

static bool
final(int error)
{
	return error != 0 && error != MQEV_ERR_STORE_FULL && error != MQEV_ERR_NOMEM;
}

typedef int step(struct mqev_store *store, const struct group *g, void *arg);

/* Runs over what is not settled, in order; an error that is final ends it. */
static int
for_each_group(struct mqev_store *store, step *run, void *arg)
{
	for (struct mqev_batch *b = store->writer.first; b != NULL; b = b->next) {
		for (size_t i = 0; i < b->count;) {
			struct group g = group_at(b, i);
			int error = g.settled ? 0 : run(store, &g, arg);

			if (final(error))
				return error;
			i = g.end;
		}
	}
	return 0;
}

static int
give_room(struct mqev_store *store, const struct group *g, void *arg)
{
	(void)arg;
	if (g->puts || g->refusable || held(store, g))
		return 0;
	return commit_group(store, g);
}

struct waiting {
	int error; /* why the first transaction was given up */
	bool line; /* a message that may not be refused waits: what comes after it finds no room */
};

static int
refuse_or_wait(const struct group *g, struct waiting *waiting, int error)
{
	if (g->refusable && error == MQEV_ERR_STORE_FULL)
		mark(g, false);
	else
		waiting->line = true;
	return 0;
}

static int
find_room(struct mqev_store *store, const struct group *g, void *arg)
{
	struct waiting *waiting = arg;
	int error;

	if (waiting->line)
		return g->puts ? refuse_or_wait(g, waiting, waiting->error) : 0;
	if (held(store, g))
		return 0;
	error = commit_group(store, g);
	return error == 0 || final(error) ? error : refuse_or_wait(g, waiting, error);
}

int
mqev_writer_make_do(struct mqev_store *store, int error)
{
	struct waiting waiting = {.error = error};
	int result = for_each_group(store, give_room, NULL);

	return result != 0 ? result : for_each_group(store, find_room, &waiting);
}
