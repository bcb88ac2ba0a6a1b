/* Draining a client: nothing new is accepted, the rest is finished, DISCONNECT, the end of the
 * link, one report. Of a whole fleet: fleet_drain.c. */
#include "client/drain.h"

#include <event2/event.h>

#include "client/client.h"
#include "client/link.h"
#include "client/rpc.h"
#include "core/mem.h"
#include "port/port.h"

enum drain_state {
	FINISHING, /* what was accepted -> LEAVING */
	LEAVING,   /* the server: DISCONNECT is on its way to the kernel -> PARTING */
	PARTING	   /* the link waits for the server to close its side -> done */
};

struct mqev_drain {
	struct mqev_part part;
	struct mqev_client *client;
	struct mqev_fleet_drain *fleet; /* that counts it; NULL: none */
	struct mqev_link *link;		/* while PARTING; NULL: gone */
	struct event *timer;
	mqev_drain_cb *done;
	void *arg;
	struct mqev_drain_report report;
	uint64_t begun_ms;
	uint64_t deadline_ms;
	enum drain_state state;
	bool late; /* the deadline has passed */
	bool made_by_fleet;
};

/* --- what is left ------------------------------------------------------------------------------
 */

static bool
count_left(const struct mqev_op *op, bool leaving, void *arg)
{
	struct mqev_drain_report *report = arg;

	(void)leaving;
	report->left_bytes += op->cost;
	if (op->type != MQEV_PACKET_PUBLISH) {
		report->left_subscribes++;
		return true;
	}
	report->left_messages[op->qos]++;
	if (op->state != MQEV_OP_QUEUED)
		report->left_in_flight++;
	return true;
}

void
mqev_drain_note_left(struct mqev_client *c)
{
	struct mqev_drain *drain = mqev_drain_of(c);

	/* Later than that nothing is left, or it was noted. */
	if (drain == NULL || drain->state != FINISHING)
		return;
	mqev_session_walk(&c->session, count_left, &drain->report);
	drain->report.left_requests = mqev_request_count(c);
}

static bool
is_finished(const struct mqev_client *c)
{
	return mqev_session_is_idle(&c->session) && mqev_request_count(c) == 0;
}

/* No connection is wanted, and none is left that could bring anything to its end. */
static bool
is_hopeless(const struct mqev_client *c)
{
	return !c->wanted && c->state == MQEV_CLIENT_IDLE;
}

/* The one place where what is left is given up. With a store, what that keeps would end as KEPT. */
static void
give_up_rest(struct mqev_client *c)
{
	mqev_rpc_free(c);
	if (!c->freed)
		mqev_session_give_up(&c->session, MQEV_ERR_CANCELED);
}

/* --- the end -----------------------------------------------------------------------------------
 */

static void
part_from_link(struct mqev_drain *drain)
{
	if (drain->link != NULL)
		mqev_link_forget_drain(drain->link);
	drain->link = NULL;
}

static void
discard(struct mqev_drain *drain)
{
	if (drain->timer != NULL)
		event_free(drain->timer);
	mqev_free(drain);
}

static struct mqev_drain *
take_off(struct mqev_client *c)
{
	struct mqev_drain *drain = mqev_drain_of(c);

	mqev_part_remove(&c->parts, &drain->part);
	c->session.draining = false;
	return drain;
}

/* The client's drain is no more when the application hears of it. */
static void
finish(struct mqev_client *c)
{
	struct mqev_drain *taken = take_off(c);
	struct mqev_drain drain = *taken;

	part_from_link(taken);
	discard(taken);
	drain.report.took_ms = mqev_port_now_ms() - drain.begun_ms;
	if (drain.fleet != NULL)
		mqev_fleet_drain_count(drain.fleet, &drain.report);
	if (drain.done != NULL)
		drain.done(c, &drain.report, drain.arg);
}

void
mqev_drain_abandon(struct mqev_client *c)
{
	struct mqev_drain *drain = mqev_drain_of(c);

	if (drain == NULL)
		return;
	if (drain->report.error == 0)
		drain->report.error = MQEV_ERR_CANCELED;
	finish(c);
}

/* --- step by step ------------------------------------------------------------------------------
 */

/* What completes may free the client. */
static bool
step_finishing(struct mqev_client *c)
{
	struct mqev_drain *drain = mqev_drain_of(c);
	bool finished = is_finished(c);

	if (!finished && !drain->late && !is_hopeless(c))
		return false;
	if (!finished) {
		drain->report.error = drain->late ? MQEV_ERR_TIMEOUT : MQEV_ERR_CANCELED;
		mqev_drain_note_left(c);
	}
	drain->state = LEAVING;
	if (!finished)
		give_up_rest(c);
	if (!c->freed && c->wanted)
		mqev_disconnect(c, NULL);
	if (!c->freed)
		mqev_controller_settle(c);
	return true;
}

static bool
step_leaving(struct mqev_client *c)
{
	struct mqev_drain *drain = mqev_drain_of(c);

	if (c->state == MQEV_CLIENT_IDLE && c->abandoned == MQEV_STAGE_NONE) {
		drain->state = PARTING;
		return true;
	}
	if (!drain->late || c->state != MQEV_CLIENT_CLOSING)
		return false;
	/* The DISCONNECT does not get away. */
	if (drain->report.error == 0)
		drain->report.error = MQEV_ERR_TIMEOUT;
	mqev_controller_time_is_up(c);
	mqev_controller_settle(c);
	return true;
}

static bool
step_parting(struct mqev_client *c)
{
	struct mqev_drain *drain = mqev_drain_of(c);

	if (drain->link != NULL && !drain->late)
		return false;
	finish(c);
	return true;
}

void
mqev_drain_step(struct mqev_client *c)
{
	static bool (*const steps[])(struct mqev_client *) = {
	    [FINISHING] = step_finishing,
	    [LEAVING] = step_leaving,
	    [PARTING] = step_parting,
	};
	const struct mqev_drain *drain;

	while (!c->freed && (drain = mqev_drain_of(c)) != NULL && steps[drain->state](c))
		;
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_drain *drain = arg;
	struct mqev_client *c = drain->client;

	(void)fd;
	(void)what;
	drain->late = true;
	mqev_client_enter(c);
	mqev_client_leave(c);
}

/* --- the link ----------------------------------------------------------------------------------
 */

bool
mqev_drain_watch(struct mqev_drain *drain, struct mqev_link *link)
{
	/* Before that it ends for another reason, and there will be another one. */
	if (drain == NULL || drain->state != LEAVING)
		return false;
	drain->link = link;
	return true;
}

void
mqev_drain_link_gone(struct mqev_drain *drain, bool server_closed)
{
	struct mqev_client *c = drain->client;

	drain->link = NULL;
	drain->report.server_closed = server_closed;
	mqev_fleet_plan(c->fleet, c);
}

/* --- the beginning -----------------------------------------------------------------------------
 */

static bool
set_deadline(struct mqev_drain *drain, uint32_t ms)
{
	const struct timeval wait = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	if (event_add(drain->timer, &wait) != 0)
		return false;
	drain->deadline_ms = mqev_port_now_ms() + ms;
	return true;
}

static struct mqev_drain *
new_drain(struct mqev_client *c, uint32_t deadline_ms)
{
	struct mqev_drain *drain = mqev_calloc(1, sizeof(*drain));

	if (drain == NULL)
		return NULL;
	drain->client = c;
	drain->begun_ms = mqev_port_now_ms();
	drain->timer = evtimer_new(c->fleet->base, on_deadline, drain);
	if (drain->timer != NULL && set_deadline(drain, deadline_ms))
		return drain;
	discard(drain);
	return NULL;
}

static struct mqev_drain *
begin(struct mqev_client *c, uint32_t deadline_ms)
{
	struct mqev_drain *drain = new_drain(c, deadline_ms);

	if (drain == NULL)
		return NULL;
	mqev_part_add(&c->parts, &drain->part, MQEV_PART_DRAIN);
	c->session.draining = true;
	mqev_fleet_plan(c->fleet, c);
	return drain;
}

int
mqev_drain(struct mqev_client *c, uint32_t deadline_ms, mqev_drain_cb *done, void *arg)
{
	struct mqev_drain *drain;

	if (c == NULL)
		return MQEV_ERR_INVALID;
	if (c->freed || mqev_drain_of(c) != NULL)
		return MQEV_ERR_STATE;
	drain = begin(c, deadline_ms);
	if (drain == NULL)
		return MQEV_ERR_NOMEM;
	drain->done = done;
	drain->arg = arg;
	return 0;
}

bool
mqev_is_draining(const struct mqev_client *c)
{
	return c != NULL && mqev_drain_of(c) != NULL;
}

/* --- for a fleet -------------------------------------------------------------------------------
 */

int
mqev_drain_join(struct mqev_client *c, uint32_t deadline_ms, struct mqev_fleet_drain *fleet_drain)
{
	struct mqev_drain *drain = mqev_drain_of(c);

	if (drain == NULL) {
		drain = begin(c, deadline_ms);
		if (drain == NULL)
			return MQEV_ERR_NOMEM;
		drain->made_by_fleet = true;
	} else if (drain->deadline_ms > mqev_port_now_ms() + deadline_ms &&
		   !set_deadline(drain, deadline_ms)) {
		return MQEV_ERR_NOMEM;
	}
	drain->fleet = fleet_drain;
	return 0;
}

void
mqev_drain_leave(struct mqev_client *c)
{
	struct mqev_drain *drain = mqev_drain_of(c);

	if (drain == NULL || drain->fleet == NULL)
		return;
	drain->fleet = NULL;
	if (drain->made_by_fleet)
		discard(take_off(c));
}
