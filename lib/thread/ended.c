/* The table of the unfinished and the ring of failures. */
#include "thread/ended.h"

#include <mqev/reason.h>

#include "core/mem.h"
#include "thread/remote.h"

#define FIRST_SLOTS 16

static struct mqev_post **
slot_of(const struct mqev_ended *e, uint64_t number)
{
	return &e->slots[number & (e->slot_count - 1)];
}

static void
put(struct mqev_ended *e, struct mqev_post *post)
{
	struct mqev_post **slot = slot_of(e, post->number);

	post->same_slot = *slot;
	*slot = post;
}

/* False: no memory, all is as it was. */
static bool
grow(struct mqev_ended *e)
{
	struct mqev_ended old = *e;
	size_t count = old.slot_count > 0 ? old.slot_count * 2 : FIRST_SLOTS;
	struct mqev_post **slots = mqev_calloc(count, sizeof(struct mqev_post *));

	if (slots == NULL)
		return false;
	e->slots = slots;
	e->slot_count = count;
	for (size_t i = 0; i < old.slot_count; i++) {
		for (struct mqev_post *post = old.slots[i]; post != NULL;) {
			struct mqev_post *next = post->same_slot;

			put(e, post);
			post = next;
		}
	}
	mqev_free(old.slots);
	return true;
}

bool
mqev_ended_add(struct mqev_ended *e, struct mqev_post *post)
{
	/* A table that cannot grow is only slower. */
	if (e->unfinished >= e->slot_count && !grow(e) && e->slot_count == 0)
		return false;
	post->number = ++e->last;
	put(e, post);
	e->unfinished++;
	return true;
}

static void
take_out(struct mqev_ended *e, const struct mqev_post *post)
{
	struct mqev_post **at = slot_of(e, post->number);

	while (*at != post)
		at = &(*at)->same_slot;
	*at = post->same_slot;
	e->unfinished--;
}

static void
forget(struct mqev_ended *e, uint64_t number)
{
	if (number > e->forgotten)
		e->forgotten = number;
}

static void
remember(struct mqev_ended *e, uint64_t number, int error)
{
	if (e->failures == NULL)
		e->failures = mqev_malloc(MQEV_ENDED_FAILURES * sizeof(*e->failures));
	if (e->failures == NULL) {
		forget(e, number);
		return;
	}
	if (e->failure_count == MQEV_ENDED_FAILURES)
		forget(e, e->failures[e->next_failure].number);
	else
		e->failure_count++;
	e->failures[e->next_failure] = (struct mqev_failure){number, error};
	e->next_failure = (e->next_failure + 1) % MQEV_ENDED_FAILURES;
}

void
mqev_ended_set(struct mqev_ended *e, struct mqev_post *post, int error)
{
	take_out(e, post);
	if (error != 0)
		remember(e, post->number, error);
}

const struct mqev_post *
mqev_ended_find(const struct mqev_ended *e, int64_t number)
{
	uint64_t n = (uint64_t)number;
	const struct mqev_post *post = e->slot_count > 0 ? *slot_of(e, n) : NULL;

	while (post != NULL && post->number != n)
		post = post->same_slot;
	return post;
}

int
mqev_ended_ask(const struct mqev_ended *e, int64_t number)
{
	uint64_t n = (uint64_t)number;

	if (number <= 0 || n > e->last)
		return MQEV_ERR_NOT_FOUND;
	if (mqev_ended_find(e, number) != NULL)
		return 0;
	for (size_t i = 0; i < e->failure_count; i++) {
		if (e->failures[i].number == n)
			return e->failures[i].error;
	}
	return n <= e->forgotten ? MQEV_ERR_NOT_FOUND : 1;
}

void
mqev_ended_free(struct mqev_ended *e)
{
	mqev_free(e->slots);
	mqev_free(e->failures);
}
