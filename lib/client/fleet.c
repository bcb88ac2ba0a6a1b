/* The fleet's life, its agenda and its tick. What a client does with its turn is the client's
 * business. */
#include "client/fleet.h"

#include <signal.h>
#include <string.h>

#include <event2/event.h>

#include "client/client.h"
#include "client/link.h"
#include "client/options.h"
#include "core/mem.h"
#include "net/transport.h"
#include "port/port.h"

/* --- the agenda of a turn ----------------------------------------------------------------------
 */

void
mqev_fleet_plan_flush(struct mqev_fleet *fleet)
{
	event_active(fleet->agenda_event, EV_TIMEOUT, 1);
}

void
mqev_fleet_plan(struct mqev_fleet *fleet, struct mqev_client *c)
{
	if (c->on_agenda)
		return;
	c->on_agenda = true;
	c->agenda_next = NULL;
	*fleet->agenda_end = c;
	fleet->agenda_end = &c->agenda_next;
	mqev_fleet_plan_flush(fleet);
}

static struct mqev_client *
take_from_agenda(struct mqev_fleet *fleet)
{
	struct mqev_client *c = fleet->agenda;

	fleet->agenda = c->agenda_next;
	if (fleet->agenda == NULL)
		fleet->agenda_end = &fleet->agenda;
	c->on_agenda = false;
	return c;
}

static void
drop_from_agenda(struct mqev_fleet *fleet, struct mqev_client *c)
{
	struct mqev_client **at = &fleet->agenda;

	if (!c->on_agenda)
		return;
	while (*at != c)
		at = &(*at)->agenda_next;
	*at = c->agenda_next;
	if (*at == NULL)
		fleet->agenda_end = at;
	c->on_agenda = false;
}

static void
run_agenda(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_fleet *fleet = arg;
	const struct mqev_client *last = NULL;

	(void)fd;
	(void)what;
	mqev_fleet_enter(fleet);
	/* Those that are put there meanwhile wait for the next turn: none can hold the others up.
	 */
	if (fleet->agenda != NULL)
		last = (const struct mqev_client *)((char *)fleet->agenda_end -
						    offsetof(struct mqev_client, agenda_next));
	while (fleet->agenda != NULL) {
		struct mqev_client *c = take_from_agenda(fleet);
		bool was_last = c == last;

		mqev_client_enter(c);
		mqev_client_pump(c);
		mqev_client_leave(c);
		if (was_last)
			break;
	}
	mqev_cork_flush(&fleet->cork);
	mqev_fleet_leave(fleet);
}

/* --- the tick ----------------------------------------------------------------------------------
 */

static void
set_ticking(struct mqev_fleet *fleet)
{
	const struct timeval slot = {0, MQEV_WHEEL_SLOT_MS * 1000};
	bool ticking = event_pending(fleet->tick_event, EV_TIMEOUT, NULL);

	if (fleet->wheel.count > 0 && !ticking)
		event_add(fleet->tick_event, &slot);
	else if (fleet->wheel.count == 0 && ticking)
		event_del(fleet->tick_event);
}

/* Tickets that come after the CONNACK are there by then. */
#define TRIM_AFTER_MS 2000

static uint64_t
due_of(const struct mqev_client *c)
{
	uint64_t due = mqev_session_deadline(&c->session);

	if (c->wake_ms != 0 && c->wake_ms < due)
		due = c->wake_ms;
	if (c->trim_owed && c->connected_ms + TRIM_AFTER_MS < due)
		due = c->connected_ms + TRIM_AFTER_MS;
	return due;
}

void
mqev_fleet_set_tick(struct mqev_fleet *fleet, struct mqev_client *c)
{
	uint64_t due = due_of(c);

	if (c->freed)
		return;
	/* A deadline that moved on is found out when its old time comes. */
	if (c->tick.at != NULL && due != UINT64_MAX && due >= c->tick.due_ms)
		return;
	mqev_wheel_set(&fleet->wheel, &c->tick, due);
	set_ticking(fleet);
}

static struct mqev_client *
client_of(struct mqev_wheel_node *node)
{
	return (struct mqev_client *)((char *)node - offsetof(struct mqev_client, tick));
}

static void
tick_client(struct mqev_client *c, uint64_t now)
{
	if (c->wake_ms != 0 && now >= c->wake_ms)
		mqev_controller_time_is_up(c);
	mqev_session_tick(&c->session, now);
	mqev_session_trim(&c->session);
	if (now >= c->connected_ms + TRIM_AFTER_MS)
		c->trim_owed = false;
	if (c->link != NULL)
		mqev_conn_trim(&c->link->conn);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_fleet *fleet = arg;
	uint64_t now = mqev_port_now_ms();
	struct mqev_wheel_node *node;

	(void)fd;
	(void)what;
	mqev_fleet_enter(fleet);
	while ((node = mqev_wheel_next(&fleet->wheel, now)) != NULL) {
		struct mqev_client *c = client_of(node);

		mqev_client_enter(c);
		tick_client(c, now);
		mqev_client_leave(c);
	}
	set_ticking(fleet);
	mqev_fleet_leave(fleet);
}

/* --- clients -----------------------------------------------------------------------------------
 */

void
mqev_fleet_add(struct mqev_fleet *fleet, struct mqev_client *c)
{
	c->next = fleet->clients;
	c->at = &fleet->clients;
	if (c->next != NULL)
		c->next->at = &c->next;
	fleet->clients = c;
	fleet->client_count++;
}

void
mqev_fleet_remove(struct mqev_fleet *fleet, struct mqev_client *c)
{
	*c->at = c->next;
	if (c->next != NULL)
		c->next->at = c->at;
	fleet->client_count--;
	drop_from_agenda(fleet, c);
	mqev_wheel_set(&fleet->wheel, &c->tick, UINT64_MAX);
	set_ticking(fleet);
}

size_t
mqev_fleet_client_count(const struct mqev_fleet *fleet)
{
	return fleet->client_count;
}

/* --- life --------------------------------------------------------------------------------------
 */

static void
free_parts(struct mqev_fleet *fleet)
{
	if (fleet->agenda_event != NULL)
		event_free(fleet->agenda_event);
	if (fleet->tick_event != NULL)
		event_free(fleet->tick_event);
	if (fleet->net != NULL)
		mqev_net_free(fleet->net);
	mqev_cork_free(&fleet->cork);
	mqev_free(fleet->scratch);
	mqev_free(fleet);
}

void
mqev_fleet_enter(struct mqev_fleet *fleet)
{
	fleet->depth++;
}

void
mqev_fleet_leave(struct mqev_fleet *fleet)
{
	if (--fleet->depth == 0 && fleet->freed)
		free_parts(fleet);
}

static bool
make_parts(struct mqev_fleet *fleet)
{
	fleet->net = mqev_net_new(fleet->base);
	fleet->scratch = mqev_malloc(MQEV_SCRATCH_SIZE);
	fleet->agenda_event = event_new(fleet->base, -1, 0, run_agenda, fleet);
	fleet->tick_event = event_new(fleet->base, -1, EV_PERSIST, on_tick, fleet);
	return mqev_cork_init(&fleet->cork) && fleet->net != NULL && fleet->scratch != NULL &&
	       fleet->agenda_event != NULL && fleet->tick_event != NULL;
}

struct mqev_fleet *
mqev_fleet_new(struct event_base *base, const struct mqev_fleet_options *options)
{
	struct mqev_fleet_options taken = {.size = sizeof(taken)};
	struct mqev_fleet *fleet;

	if (base == NULL ||
	    (options != NULL && mqev_options_take(&taken, sizeof(taken), options) != 0))
		return NULL;
	fleet = mqev_calloc(1, sizeof(*fleet));
	if (fleet == NULL)
		return NULL;
	fleet->base = base;
	fleet->keep_sigpipe = taken.keep_sigpipe;
	fleet->agenda_end = &fleet->agenda;
	mqev_wheel_init(&fleet->wheel, mqev_port_now_ms());
	if (make_parts(fleet))
		return fleet;
	free_parts(fleet);
	return NULL;
}

void
mqev_fleet_free(struct mqev_fleet *fleet)
{
	if (fleet == NULL || fleet->freed)
		return;
	mqev_fleet_enter(fleet);
	fleet->freed = true; /* from here on it takes no new clients */
	while (fleet->clients != NULL)
		mqev_client_free(fleet->clients);
	while (fleet->lingering != NULL)
		mqev_link_close(fleet->lingering);
	mqev_fleet_leave(fleet);
}

struct event_base *
mqev_fleet_base(const struct mqev_fleet *fleet)
{
	return fleet->base;
}

void
mqev_fleet_guard_sigpipe(const struct mqev_fleet *fleet)
{
	struct sigaction now;

	if (fleet->keep_sigpipe || sigaction(SIGPIPE, NULL, &now) != 0)
		return;
	if ((now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL)
		return;
	memset(&now, 0, sizeof(now));
	now.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &now, NULL);
}
