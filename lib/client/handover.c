/*
 * Sessions that are handed over between processes: what the two say to one another, in the loop.
 *What happens in the stores: store/transfer.h.
 *
 *	giver                         taker
 *	the stream            ->      keeps it, as the giver's still
 *	                      <-      READY
 *	it has left
 *	COMMIT                ->      it is the taker's
 *	                      <-      DONE
 *	forgets its name
 *
 * A session that has left already is a stream without records, which DONE answers at once. REFUSED
 *and an error's number stand in place of READY or DONE.
 */
#include "client/handover.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>
#include <mqev/handover.h>

#include "client/durable.h"
#include "client/fleet.h"
#include "client/options.h"
#include "core/mem.h"
#include "store/transfer.h"

#define READY 'P'
#define COMMIT 'C'
#define DONE 'D'
#define REFUSED 'R'

#define DEFAULT_TIMEOUT_MS 30000
#define DEFAULT_MAX_BYTES ((size_t)64 * 1024 * 1024)

struct mqev_handover {
	struct mqev_handover *next; /* in the fleet */
	struct mqev_handover **at;
	struct mqev_fleet *fleet;
	struct mqev_durable *durable;
	struct mqev_transfer *transfer;
	struct bufferevent *bev;
	struct event *timer;
	const struct step *step;
	mqev_handover_cb *done;
	void *arg;
	int error; /* to end with, once what was said has left */
	int fault; /* what happened while the writer was at it */
	bool busy; /* the writer is at it */
	bool canceled;
};

/* Where it is: what happens when the writer is back, when bytes came, when all was written. NULL:
 * does not matter there. */
struct step {
	void (*back)(struct mqev_handover *h, int error);
	void (*came)(struct mqev_handover *h);
	void (*left)(struct mqev_handover *h);
};

/* --- the end -----------------------------------------------------------------------------------
 */

static void
release(struct mqev_handover *h)
{
	if (h->timer != NULL)
		event_free(h->timer);
	if (h->bev != NULL)
		bufferevent_free(h->bev);
	/* In a child of the process that has the writer, the store is left as it is. */
	if (h->durable == NULL || !mqev_durable_is_foreign(h->durable))
		mqev_transfer_unref(h->transfer);
	if (h->durable != NULL)
		mqev_durable_drop(h->durable);
	mqev_free(h);
}

/* Never while the writer is at it. The application may free the fleet. */
static void
end(struct mqev_handover *h, int error)
{
	struct mqev_transfer *t = h->transfer;
	const struct mqev_handover_result result = {
	    .error = error,
	    .name = t->name != NULL ? t->name : "",
	    .owned = t->owned && !mqev_durable_is_foreign(h->durable),
	    .messages = t->messages,
	};

	*h->at = h->next;
	if (h->next != NULL)
		h->next->at = h->at;
	bufferevent_disable(h->bev, EV_READ | EV_WRITE);
	event_del(h->timer);
	/* A client may go on with it in the callback, and the store be closed. */
	if (!mqev_durable_is_foreign(h->durable))
		mqev_transfer_let_go(t);
	h->done(h->fleet, &result, h->arg);
	release(h);
}

/* The writer may be held up for long: what it has not begun it need not do. */
static bool
call_off(struct mqev_handover *h)
{
	if (mqev_durable_is_foreign(h->durable) || !mqev_transfer_call_off(h->transfer))
		return false;
	h->transfer->job.owner = NULL;
	mqev_tape_hand_over(mqev_durable_tape(h->durable));
	h->busy = false;
	return true;
}

void
mqev_handover_cancel_all(struct mqev_fleet *fleet)
{
	while (fleet->handovers != NULL) {
		struct mqev_handover *h = fleet->handovers;

		h->canceled = true;
		if (h->busy && !call_off(h) && !mqev_durable_is_foreign(h->durable))
			mqev_durable_await(h->durable); /* ends it */
		else
			end(h, MQEV_ERR_CANCELED);
	}
}

/* --- saying and doing --------------------------------------------------------------------------
 */

static void
say(struct mqev_handover *h, const void *bytes, size_t len, const struct step *next)
{
	h->step = next;
	if (bufferevent_write(h->bev, bytes, len) != 0)
		end(h, MQEV_ERR_NOMEM);
}

static void
say_one(struct mqev_handover *h, uint8_t word, const struct step *next)
{
	say(h, &word, 1, next);
}

static void
let_do(struct mqev_handover *h, mqev_transfer_step *what, const struct step *next)
{
	h->step = next;
	h->busy = true;
	if (mqev_transfer_do(h->transfer, mqev_durable_tape(h->durable), what))
		return;
	h->busy = false;
	next->back(h, MQEV_ERR_NOMEM);
}

/* One word, and of REFUSED the error behind it. 0: it has not come yet. */
static uint8_t
hear(struct mqev_handover *h, int *error)
{
	struct evbuffer *input = bufferevent_get_input(h->bev);
	uint8_t words[2] = {0};
	ev_ssize_t len = evbuffer_copyout(input, words, sizeof(words));

	if (len < 1 || (words[0] == REFUSED && len < 2))
		return 0;
	evbuffer_drain(input, words[0] == REFUSED ? 2 : 1);
	*error = words[0] == REFUSED && words[1] > 0 ? -(int)words[1] : MQEV_ERR_PROTOCOL;
	return words[0];
}

/* --- giving ------------------------------------------------------------------------------------
 */

static void
give_forgotten(struct mqev_handover *h, int error)
{
	/* The other has it, whatever became of the connection. */
	end(h, error == h->fault ? 0 : error);
}

static const struct step forgetting = {.back = give_forgotten};

static void
give_done_came(struct mqev_handover *h)
{
	int error;
	uint8_t word = hear(h, &error);

	if (word == DONE)
		let_do(h, mqev_transfer_forget, &forgetting);
	else if (word != 0)
		end(h, error);
}

static const struct step awaiting_done = {.came = give_done_came};

static void
give_has_left(struct mqev_handover *h, int error)
{
	if (error != 0)
		end(h, error);
	else
		say_one(h, COMMIT, &awaiting_done);
}

static const struct step leaving = {.back = give_has_left};

static void
give_ready_came(struct mqev_handover *h)
{
	int error;
	uint8_t word = hear(h, &error);

	if (word == READY)
		let_do(h, mqev_transfer_leave, &leaving);
	else if (word != 0)
		end(h, error);
}

static const struct step awaiting_ready = {.came = give_ready_came};

/* The stream is lent to the output, and stays until that is freed. */
static void
give_read(struct mqev_handover *h, int error)
{
	const struct mqev_transfer *t = h->transfer;
	struct evbuffer *output = bufferevent_get_output(h->bev);

	h->step = t->gone ? &awaiting_done : &awaiting_ready;
	if (error == 0 && evbuffer_add_reference(output, t->data, t->len, NULL, NULL) != 0)
		error = MQEV_ERR_NOMEM;
	if (error != 0)
		end(h, error);
}

static const struct step reading = {.back = give_read};

/* --- taking ------------------------------------------------------------------------------------
 */

static void
take_said(struct mqev_handover *h)
{
	end(h, h->error);
}

static const struct step saying = {.left = take_said};

static void
refuse(struct mqev_handover *h, int error)
{
	const uint8_t words[] = {REFUSED, (uint8_t)-error};

	h->error = error;
	/* After a fault nobody may be there to read it, and the time may be over. */
	if (h->fault != 0)
		end(h, error);
	else
		say(h, words, sizeof(words), &saying);
}

static void
take_owned(struct mqev_handover *h, int error)
{
	if (error != 0)
		refuse(h, error);
	else
		say_one(h, DONE, &saying);
}

static const struct step owning = {.back = take_owned};

static void
take_commit_came(struct mqev_handover *h)
{
	int error;
	uint8_t word = hear(h, &error);

	if (word == COMMIT)
		let_do(h, mqev_transfer_own, &owning);
	else if (word != 0)
		end(h, MQEV_ERR_PROTOCOL);
}

static const struct step awaiting_commit = {.came = take_commit_came};

static void
take_kept(struct mqev_handover *h, int error)
{
	if (error != 0)
		refuse(h, error);
	else if (h->transfer->settled)
		say_one(h, DONE, &saying);
	else
		say_one(h, READY, &awaiting_commit);
}

static const struct step keeping = {.back = take_kept};

static void
take_came(struct mqev_handover *h)
{
	uint8_t bytes[16384];
	size_t len;
	int result = 0;

	while (result == 0 && (len = bufferevent_read(h->bev, bytes, sizeof(bytes))) > 0)
		result = mqev_transfer_feed(h->transfer, bytes, len);
	if (result == 1)
		let_do(h, mqev_transfer_keep, &keeping);
	else if (result != 0)
		refuse(h, result);
}

static const struct step receiving = {.came = take_came};

/* --- events ------------------------------------------------------------------------------------
 */

static void
on_back(struct mqev_job *job)
{
	struct mqev_handover *h = job->owner;
	int error;

	if (h == NULL) /* called off */
		return;
	error = job->error != 0 ? job->error : h->fault;
	h->busy = false;
	if (!h->canceled)
		h->step->back(h, error);
	else
		end(h, error != 0 ? error : MQEV_ERR_CANCELED);
}

/* While the writer is at it, it ends when that is known. */
static void
go_wrong(struct mqev_handover *h, int error)
{
	if (h->busy)
		h->fault = error;
	else
		end(h, h->step == &saying ? h->error : error);
}

/* More of it would only fill the memory. */
static void
spoke_unasked(struct mqev_handover *h)
{
	bufferevent_disable(h->bev, EV_READ);
	go_wrong(h, MQEV_ERR_PROTOCOL);
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct mqev_handover *h = arg;
	struct mqev_fleet *fleet = h->fleet;

	mqev_fleet_enter(fleet);
	if (h->step->came != NULL)
		h->step->came(h);
	else if (evbuffer_get_length(bufferevent_get_input(bev)) > 0)
		spoke_unasked(h);
	mqev_fleet_leave(fleet);
}

static void
on_written(struct bufferevent *bev, void *arg)
{
	struct mqev_handover *h = arg;
	struct mqev_fleet *fleet = h->fleet;

	mqev_fleet_enter(fleet);
	if (h->step->left != NULL && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		h->step->left(h);
	mqev_fleet_leave(fleet);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct mqev_handover *h = arg;
	struct mqev_fleet *fleet = h->fleet;

	(void)bev;
	(void)what;
	mqev_fleet_enter(fleet);
	go_wrong(h, MQEV_ERR_LOST);
	mqev_fleet_leave(fleet);
}

static void
on_time(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_handover *h = arg;
	struct mqev_fleet *fleet = h->fleet;

	(void)fd;
	(void)what;
	mqev_fleet_enter(fleet);
	if (h->busy)
		call_off(h);
	go_wrong(h, MQEV_ERR_TIMEOUT);
	mqev_fleet_leave(fleet);
}

/* --- beginning ---------------------------------------------------------------------------------
 */

static bool
make_parts(struct mqev_handover *h, struct mqev_store *store, int fd, uint32_t timeout_ms)
{
	const struct timeval timeout = {timeout_ms / 1000, (suseconds_t)(timeout_ms % 1000) * 1000};

	h->durable = mqev_durable_use(h->fleet, store);
	h->bev = bufferevent_socket_new(h->fleet->base, fd, BEV_OPT_DEFER_CALLBACKS);
	h->timer = event_new(h->fleet->base, -1, 0, on_time, h);
	if (h->durable == NULL || h->bev == NULL || h->timer == NULL ||
	    event_add(h->timer, &timeout) != 0)
		return false;
	bufferevent_setcb(h->bev, on_read, on_written, on_event, h);
	return bufferevent_enable(h->bev, EV_READ | EV_WRITE) == 0;
}

static void
enlist(struct mqev_handover *h)
{
	struct mqev_fleet *fleet = h->fleet;

	h->next = fleet->handovers;
	h->at = &fleet->handovers;
	if (h->next != NULL)
		h->next->at = &h->next;
	fleet->handovers = h;
}

/* With its parts; the transfer is taken over. */
static struct mqev_handover *
new_handover(struct mqev_fleet *fleet, struct mqev_transfer *t, int fd,
    const struct mqev_handover_options *options)
{
	struct mqev_handover *h = mqev_calloc(1, sizeof(*h));
	uint32_t timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS;

	if (h == NULL) {
		mqev_transfer_unref(t);
		return NULL;
	}
	h->fleet = fleet;
	h->transfer = t;
	t->job.owner = h;
	t->job.done = on_back;
	if (evutil_make_socket_nonblocking(fd) == 0 && make_parts(h, t->store, fd, timeout_ms))
		return h;
	release(h);
	return NULL;
}

static int
check(struct mqev_fleet *fleet, const struct mqev_store *store, int fd, mqev_handover_cb *done,
    struct mqev_handover_options *options, const struct mqev_handover_options *given)
{
	*options = (struct mqev_handover_options){.size = sizeof(*options)};
	if (fleet == NULL || store == NULL || fd < 0 || done == NULL)
		return MQEV_ERR_INVALID;
	if (given != NULL && mqev_options_take(options, sizeof(*options), given) != 0)
		return MQEV_ERR_INVALID;
	if (options->max_bytes == 0)
		options->max_bytes = DEFAULT_MAX_BYTES;
	if (fleet->freed || mqev_store_is_foreign(store))
		return MQEV_ERR_STATE;
	mqev_fleet_meet_fork(fleet);
	mqev_fleet_guard_sigpipe(fleet);
	return 0;
}

static int
start(struct mqev_handover *h, mqev_handover_cb *done, void *arg)
{
	if (h == NULL)
		return MQEV_ERR_NOMEM;
	h->done = done;
	h->arg = arg;
	enlist(h);
	return 0;
}

int
mqev_handover_give(struct mqev_fleet *fleet, struct mqev_store *store, const char *name, int fd,
    const struct mqev_handover_options *given, mqev_handover_cb *done, void *arg)
{
	struct mqev_handover_options options;
	struct mqev_transfer *t;
	struct mqev_handover *h;
	int error = check(fleet, store, fd, done, &options, given);

	if (error != 0 || name == NULL)
		return error != 0 ? error : MQEV_ERR_INVALID;
	t = mqev_transfer_new_give(store, name, options.max_bytes, &error);
	if (t == NULL)
		return error;
	h = new_handover(fleet, t, fd, &options);
	if (h == NULL)
		return MQEV_ERR_NOMEM;
	h->step = &reading;
	h->busy = true;
	if (mqev_transfer_do(t, mqev_durable_tape(h->durable), mqev_transfer_read))
		return start(h, done, arg);
	release(h);
	return MQEV_ERR_NOMEM;
}

int
mqev_handover_take(struct mqev_fleet *fleet, struct mqev_store *store, int fd,
    const struct mqev_handover_options *given, mqev_handover_cb *done, void *arg)
{
	struct mqev_handover_options options;
	struct mqev_transfer *t;
	struct mqev_handover *h;
	int error = check(fleet, store, fd, done, &options, given);

	if (error != 0)
		return error;
	t = mqev_transfer_new_take(store, options.max_bytes, &error);
	if (t == NULL)
		return error;
	h = new_handover(fleet, t, fd, &options);
	if (h != NULL)
		h->step = &receiving;
	return start(h, done, arg);
}
