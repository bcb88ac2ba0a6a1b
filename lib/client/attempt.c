/* What exists only while a client is on its way to a connection, or out of it: the transport and
 * the timer. */
#include <stddef.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "client/client.h"
#include "core/mem.h"

struct mqev_attempt {
	struct mqev_part part;
	struct mqev_client *client;
	struct mqev_turn turn;		  /* at the fleet's governor */
	struct mqev_transport *transport; /* while DIALING */
	struct mqev_config *config; /* that the transport uses, whatever the client's is by then */
	struct event timer;
	enum mqev_stage stage;
	int answer;  /* of mqev_attempt_go() */
	bool asking; /* on_pre_connect runs */
	bool held;   /* mqev_attempt_go() has not been called yet */
};

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_client *c = arg;

	(void)fd;
	(void)what;
	mqev_client_enter(c);
	mqev_controller_time_is_up(c);
	mqev_client_leave(c);
}

/* NULL: there is none. */
static struct mqev_attempt *
attempt_of(const struct mqev_client *c)
{
	return mqev_part_find(c->parts, MQEV_PART_ATTEMPT);
}

static struct mqev_attempt *
make_attempt(struct mqev_client *c)
{
	struct mqev_attempt *a = attempt_of(c);

	if (a != NULL)
		return a;
	a = mqev_calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	evtimer_assign(&a->timer, c->fleet->base, on_timer, c);
	a->client = c;
	mqev_part_add(&c->parts, &a->part, MQEV_PART_ATTEMPT);
	return a;
}

static void
on_transport(struct mqev_conn *conn, const struct mqev_net_error *error, void *arg)
{
	struct mqev_client *c = arg;

	mqev_client_enter(c);
	attempt_of(c)->transport = NULL;
	if (error != NULL)
		mqev_controller_dial_failed(c, error);
	else
		mqev_controller_dialed(c, conn);
	mqev_client_leave(c);
}

static void
on_progress(const struct mqev_transport *transport, enum mqev_net_stage stage, void *arg)
{
	struct mqev_client *c = arg;
	char text[160];

	attempt_of(c)->stage = (enum mqev_stage)stage;
	if (!mqev_log_wanted(c, MQEV_LOG_DEBUG) && !mqev_event_wanted(c))
		return;
	mqev_transport_describe(transport, text, sizeof(text));
	mqev_event(c, &(struct mqev_event){.type = MQEV_EVENT_STAGE,
			  .state = (enum mqev_client_state)c->state,
			  .stage = (enum mqev_stage)stage,
			  .text = text});
	mqev_log(c, MQEV_LOG_DEBUG, "%s", text);
}

static void
use_config(struct mqev_attempt *a, struct mqev_config *config)
{
	config->refs++;
	mqev_config_unref(a->config);
	a->config = config;
}

int
mqev_attempt_ask(struct mqev_client *c, bool *begin)
{
	struct mqev_attempt *a = make_attempt(c);

	if (a == NULL)
		return MQEV_ERR_NOMEM;
	event_del(&a->timer);
	*begin = mqev_turns_ask(c->fleet, &a->turn);
	return 0;
}

void
mqev_attempt_begin(struct mqev_turn *turn)
{
	struct mqev_client *c =
	    ((struct mqev_attempt *)((char *)turn - offsetof(struct mqev_attempt, turn)))->client;

	mqev_client_enter(c);
	mqev_controller_begin(c);
	mqev_client_leave(c);
}

void
mqev_attempt_leave_turn(struct mqev_client *c)
{
	struct mqev_attempt *a = attempt_of(c);

	if (a != NULL)
		mqev_turns_leave(c->fleet, &a->turn);
}

int
mqev_attempt_dial(struct mqev_client *c)
{
	struct mqev_attempt *a = attempt_of(c);

	a->stage = MQEV_STAGE_RESOLVE;
	mqev_fleet_guard_sigpipe(c->fleet);
	use_config(a, c->config);
	a->transport = mqev_transport_start(c->fleet->net, mqev_client_server(c),
	    &a->config->transport, on_transport, on_progress, c);
	return a->transport != NULL ? 0 : MQEV_ERR_NOMEM;
}

int
mqev_attempt_wait(struct mqev_client *c, uint32_t ms)
{
	const struct timeval wait = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};
	struct mqev_attempt *a = make_attempt(c);

	if (a == NULL)
		return MQEV_ERR_NOMEM;
	return event_add(&a->timer, &wait) == 0 ? 0 : MQEV_ERR_NOMEM;
}

void
mqev_attempt_end(struct mqev_client *c)
{
	struct mqev_attempt *a = attempt_of(c);

	if (a == NULL)
		return;
	mqev_part_remove(&c->parts, &a->part);
	mqev_turns_leave(c->fleet, &a->turn);
	if (a->transport != NULL)
		mqev_transport_cancel(a->transport);
	mqev_config_unref(a->config);
	event_del(&a->timer);
	mqev_free(a);
}

enum mqev_stage
mqev_attempt_stage(const struct mqev_client *c)
{
	const struct mqev_attempt *a = attempt_of(c);

	return a != NULL ? a->stage : MQEV_STAGE_NONE;
}

/* --- the application is asked ------------------------------------------------------------------
 */

void
mqev_attempt_begin_asking(struct mqev_client *c)
{
	struct mqev_attempt *a = attempt_of(c);

	a->answer = 0;
	a->held = false;
	a->asking = true;
}

void
mqev_attempt_end_asking(struct mqev_client *c)
{
	attempt_of(c)->asking = false;
}

bool
mqev_attempt_is_held(const struct mqev_client *c)
{
	return attempt_of(c)->held;
}

int
mqev_attempt_answer(const struct mqev_client *c)
{
	return attempt_of(c)->answer;
}

int
mqev_attempt_hold(struct mqev_client *c)
{
	if (c == NULL)
		return MQEV_ERR_INVALID;
	if (c->freed || c->state != MQEV_CLIENT_PREPARING || !attempt_of(c)->asking)
		return MQEV_ERR_STATE;
	attempt_of(c)->held = true;
	return 0;
}

int
mqev_attempt_go(struct mqev_client *c, uint64_t attempt, int error)
{
	struct mqev_attempt *a;

	if (c == NULL || error > 0)
		return MQEV_ERR_INVALID;
	if (c->freed || c->state != MQEV_CLIENT_PREPARING || attempt != c->attempt_number)
		return MQEV_ERR_STATE;
	a = attempt_of(c);
	if (!a->asking && !a->held)
		return MQEV_ERR_STATE;
	a->answer = error;
	a->held = false;
	if (error == 0)
		c->refused = 0;
	mqev_fleet_plan(c->fleet, c);
	return 0;
}
