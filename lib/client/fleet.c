/* The fleet's life, its agenda and its tick. What a client does with its turn is the client's
 * business. */
#include "client/fleet.h"

#include <signal.h>
#include <string.h>

#include <event2/event.h>

#include "client/client.h"
#include "client/drain.h"
#include "client/durable.h"
#include "client/handover.h"
#include "client/link.h"
#include "client/options.h"
#include "core/mem.h"
#include "net/transport.h"
#include "port/port.h"

#define DEFAULT_MAX_HANDSHAKES 250
#define DEFAULT_CONNECTS_PER_S 1000
#define PING_SPREAD_MS 25 /* for each client */

/* How many clients a turn of the loop looks after, when many deadlines come together. */
#define TICK_BUDGET 256

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
	mqev_fleet_queue_tell(fleet);
	if (fleet->drain != NULL)
		mqev_fleet_drain_tell(fleet);
	mqev_cork_flush(&fleet->cork);
	mqev_durable_hand_over(fleet);
	mqev_cork_let_go(&fleet->cork);
	mqev_fleet_leave(fleet);
}

/* --- the tick ----------------------------------------------------------------------------------
 */

static void
tick_in(struct mqev_fleet *fleet, uint32_t us)
{
	const struct timeval wait = {0, (suseconds_t)us};

	mqev_figures_expect_tick(&fleet->figures, mqev_port_now_us() + us);
	fleet->ticking = event_add(fleet->tick_event, &wait) == 0;
}

static void
set_ticking(struct mqev_fleet *fleet)
{
	if (fleet->wheel.count > 0 && !fleet->ticking) {
		tick_in(fleet, mqev_wheel_wait_ms(&fleet->wheel, mqev_port_now_ms()) * 1000);
	} else if (fleet->wheel.count == 0 && fleet->ticking) {
		event_del(fleet->tick_event);
		fleet->ticking = false;
	}
}

/* A link gives back what the handshake left with the tick after the CONNACK, so that those who
 * connect after it can have it, and once more when the tickets are there that come behind it. */
#define TRIM_AGAIN_MS 2000

static uint64_t
trim_ms(const struct mqev_client *c)
{
	if (c->trims_owed == 0)
		return UINT64_MAX;
	return c->connected_ms + (c->trims_owed == MQEV_TRIMS ? 0 : TRIM_AGAIN_MS);
}

static uint64_t
park_ms(const struct mqev_client *c)
{
	const struct mqev_session *s = &c->session;

	if (c->state != MQEV_CLIENT_CONNECTED || c->link == NULL || !mqev_link_may_park(c->link))
		return UINT64_MAX;
	return (s->last_sent_ms > s->last_received_ms ? s->last_sent_ms : s->last_received_ms) +
	       c->fleet->park_after_ms;
}

static uint64_t
due_of(const struct mqev_client *c)
{
	uint64_t due = mqev_session_deadline(&c->session);

	if (c->fleet->park_after_ms != 0 && park_ms(c) < due)
		due = park_ms(c);
	if (c->wakes && c->wake_ms < due)
		due = c->wake_ms;
	if (trim_ms(c) < due)
		due = trim_ms(c);
	return due;
}

/* A deadline that moved on is found out when its old time comes. Not so that of an answer: nearly
 * all come at once, and each would cost one more look at a client that has left the caches. */
static bool
may_stand(const struct mqev_client *c, uint64_t due)
{
	if (c->tick.at == NULL || due == UINT64_MAX || due < c->tick.due_ms)
		return false;
	return !c->answer_awaited || c->session.ping_sent_ms > 0;
}

static void
put_in_wheel(struct mqev_fleet *fleet, struct mqev_client *c, uint64_t due)
{
	c->answer_awaited = c->session.ping_sent_ms > 0;
	mqev_wheel_set(&fleet->wheel, &c->tick, due);
}

void
mqev_fleet_set_tick(struct mqev_fleet *fleet, struct mqev_client *c)
{
	uint64_t due = due_of(c);

	if (c->freed || may_stand(c, due))
		return;
	put_in_wheel(fleet, c, due);
	set_ticking(fleet);
}

static struct mqev_client *
client_of(struct mqev_wheel_node *node)
{
	return (struct mqev_client *)((char *)node - offsetof(struct mqev_client, tick));
}

/* What is not needed now: memory, a bufferevent. */
static void
give_back(struct mqev_client *c, uint64_t now)
{
	mqev_session_trim(&c->session);
	if (now >= trim_ms(c))
		c->trims_owed--;
	if (c->link != NULL)
		mqev_link_trim(c->link);
	if (c->fleet->park_after_ms != 0 && now >= park_ms(c))
		mqev_link_park(c->link);
}

static void
tick_client(struct mqev_client *c, uint64_t now)
{
	mqev_client_enter(c);
	if (c->wakes && now >= c->wake_ms)
		mqev_controller_time_is_up(c);
	mqev_session_tick(&c->session, now);
	give_back(c, now);
	mqev_client_leave(c);
}

/* The time has come at which something was due when it was last put into the wheel. */
static void
look_after(struct mqev_client *c, uint64_t now)
{
	uint64_t due = due_of(c);

	if (due <= now) {
		tick_client(c, now);
		return;
	}
	give_back(c, now);
	put_in_wheel(c->fleet, c, due);
}

#define CACHE_LINE 64

static void
fetch(const void *from, size_t size)
{
	for (size_t at = 0; at < size; at += CACHE_LINE)
		MQEV_PREFETCH((const char *)from + at);
	MQEV_PREFETCH((const char *)from + size - 1);
}

/* Who is due has left the processor's caches long ago. So it is asked for what two more clients
 * will need, and that comes while the kernel takes this one's ping. */
static void
fetch_ahead(const struct mqev_wheel_node *next)
{
	const struct mqev_client *c;

	if (next == NULL)
		return;
	c = (const struct mqev_client *)((const char *)next - offsetof(struct mqev_client, tick));
	if (c->link != NULL)
		fetch(c->link, sizeof(*c->link));
	if (next->next != NULL)
		fetch((const char *)next->next - offsetof(struct mqev_client, tick), sizeof(*c));
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_fleet *fleet = arg;
	uint64_t now = mqev_port_now_ms();
	struct mqev_wheel_node *node = NULL;

	(void)fd;
	(void)what;
	mqev_fleet_enter(fleet);
	fleet->ticking = false;
	mqev_figures_tick(&fleet->figures, mqev_port_now_us());
	mqev_net_trim(fleet->net, now);
	for (int i = 0; i < TICK_BUDGET; i++) {
		node = mqev_wheel_next(&fleet->wheel, now);
		if (node == NULL)
			break;
		fetch_ahead(mqev_wheel_peek(&fleet->wheel));
		look_after(client_of(node), now);
	}
	/* After a long sleep all are due at once: the links get their turn in between. */
	if (node != NULL && !fleet->freed)
		tick_in(fleet, 0);
	else
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
	fleet->figures.states[c->state]++;
}

void
mqev_fleet_remove(struct mqev_fleet *fleet, struct mqev_client *c)
{
	for (struct mqev_fleet_walk *walk = fleet->walks; walk != NULL; walk = walk->outer) {
		if (walk->next == c)
			walk->next = c->next;
	}
	*c->at = c->next;
	if (c->next != NULL)
		c->next->at = c->at;
	fleet->client_count--;
	fleet->figures.states[c->state]--;
	drop_from_agenda(fleet, c);
	mqev_wheel_set(&fleet->wheel, &c->tick, UINT64_MAX);
	set_ticking(fleet);
}

void
mqev_fleet_network_changed(struct mqev_fleet *fleet)
{
	if (fleet == NULL || fleet->freed)
		return;
	for (struct mqev_client *c = fleet->clients; c != NULL; c = c->next)
		mqev_network_changed(c);
}

const char *
mqev_fleet_error_text(const struct mqev_fleet *fleet)
{
	return fleet->error_text != NULL ? fleet->error_text : "";
}

size_t
mqev_fleet_client_count(const struct mqev_fleet *fleet)
{
	return fleet->client_count;
}

int
mqev_fleet_each(
    struct mqev_fleet *fleet, int (*visit)(struct mqev_client *client, void *arg), void *arg)
{
	struct mqev_fleet_walk walk = {fleet->clients, fleet->walks};
	int result = 0;

	mqev_fleet_enter(fleet);
	fleet->walks = &walk;
	while (walk.next != NULL && result == 0) {
		struct mqev_client *c = walk.next;

		walk.next = c->next;
		result = visit(c, arg);
	}
	fleet->walks = walk.outer;
	mqev_fleet_leave(fleet);
	return result;
}

/* --- spreading ---------------------------------------------------------------------------------
 */

uint32_t
mqev_fleet_start_delay_ms(const struct mqev_fleet *fleet)
{
	uint32_t random;

	if (fleet->start_spread_ms == 0 || mqev_port_random(&random, sizeof(random)) != 0)
		return 0;
	return (uint32_t)((uint64_t)fleet->start_spread_ms * random >> 32);
}

static uint64_t
ping_window_ms(const struct mqev_fleet *fleet)
{
	if (fleet->ping_spread_ms == MQEV_NONE)
		return 0;
	if (fleet->ping_spread_ms != 0)
		return fleet->ping_spread_ms;
	return (uint64_t)(fleet->client_count - 1) * PING_SPREAD_MS;
}

void
mqev_fleet_spread_pings(struct mqev_fleet *fleet, struct mqev_session *session)
{
	/* Steps of the golden ratio: wherever one begins, they divide the window evenly. */
	fleet->ping_phase += 0x9E3779B9;
	mqev_session_spread_pings(session, ping_window_ms(fleet), fleet->ping_phase);
}

/* --- life --------------------------------------------------------------------------------------
 */

/* A base of the fleet's own goes with it, unless somebody is still running it. */
static void
part_from_base(struct mqev_fleet *fleet)
{
	struct event_base *own = fleet->owns_base ? fleet->base : NULL;
	bool in_use = fleet->base_in_use;

	if (fleet->front != NULL && fleet->hooks->gone(fleet->front, own))
		return;
	if (own != NULL && !in_use)
		event_base_free(own);
}

static void
free_parts(struct mqev_fleet *fleet)
{
	if (fleet->agenda_event != NULL)
		event_free(fleet->agenda_event);
	if (fleet->tick_event != NULL)
		event_free(fleet->tick_event);
	mqev_durable_free_all(fleet);
	mqev_turns_free(fleet);
	if (fleet->net != NULL)
		mqev_net_free(fleet->net);
	mqev_cork_free(&fleet->cork);
	mqev_free(fleet->scratch);
	part_from_base(fleet);
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
	if (--fleet->depth > 0)
		return;
	if (fleet->retired != NULL)
		mqev_config_drop_retired(&fleet->retired);
	if (fleet->freed)
		free_parts(fleet);
}

static uint32_t
or_default(uint32_t value, uint32_t fallback)
{
	return value != 0 ? value : fallback;
}

static struct mqev_governor_limits
connect_limits(uint32_t max_handshakes, uint32_t connects_per_s, uint32_t burst)
{
	struct mqev_governor_limits limits = {
	    .max_active = or_default(max_handshakes, DEFAULT_MAX_HANDSHAKES),
	    .per_second = or_default(connects_per_s, DEFAULT_CONNECTS_PER_S),
	};

	limits.burst = or_default(burst, limits.per_second / 10 + (limits.per_second < 10));
	return limits;
}

int
mqev_fleet_set_connect_limits(
    struct mqev_fleet *fleet, uint32_t max_handshakes, uint32_t connects_per_s, uint32_t burst)
{
	struct mqev_governor_limits limits = connect_limits(max_handshakes, connects_per_s, burst);

	if (fleet == NULL)
		return MQEV_ERR_INVALID;
	mqev_turns_set_limits(fleet, &limits);
	return 0;
}

static bool
make_parts(struct mqev_fleet *fleet, const struct mqev_governor_limits *limits)
{
	fleet->net = mqev_net_new(fleet->base);
	fleet->scratch = mqev_malloc(MQEV_SCRATCH_SIZE);
	fleet->agenda_event = event_new(fleet->base, -1, 0, run_agenda, fleet);
	fleet->tick_event = evtimer_new(fleet->base, on_tick, fleet);
	return mqev_turns_init(fleet, limits) && mqev_cork_init(&fleet->cork) &&
	       fleet->net != NULL && fleet->scratch != NULL && fleet->agenda_event != NULL &&
	       fleet->tick_event != NULL;
}

static bool
take_base(struct mqev_fleet *fleet, struct event_base *base)
{
	fleet->owns_base = base == NULL;
	fleet->base = base != NULL ? base : mqev_own_base_new();
	return fleet->base != NULL;
}

struct mqev_fleet *
mqev_fleet_new(struct event_base *base, const struct mqev_fleet_options *options)
{
	struct mqev_fleet_options taken = {.size = sizeof(taken)};
	struct mqev_governor_limits limits;
	struct mqev_fleet *fleet;

	if (options != NULL && mqev_options_take(&taken, sizeof(taken), options) != 0)
		return NULL;
	fleet = mqev_calloc(1, sizeof(*fleet));
	if (fleet == NULL)
		return NULL;
	if (!mqev_fleet_queue_init(&fleet->queue, &taken) || !take_base(fleet, base)) {
		mqev_free(fleet);
		return NULL;
	}
	fleet->process = mqev_port_process();
	fleet->keep_sigpipe = taken.keep_sigpipe;
	fleet->start_spread_ms = taken.start_spread_ms;
	fleet->ping_spread_ms = taken.ping_spread_ms;
	fleet->park_after_ms = taken.park_after_ms;
	fleet->audience = (struct mqev_audience){
	    taken.on_log, taken.on_event, taken.userdata, or_default(taken.log_levels, UINT32_MAX)};
	limits = connect_limits(taken.max_handshakes, taken.connects_per_s, taken.connect_burst);
	fleet->agenda_end = &fleet->agenda;
	fleet->cork.sink.budget = &fleet->queue.budget;
	mqev_wheel_init(&fleet->wheel, mqev_port_now_ms());
	if (make_parts(fleet, &limits))
		return fleet;
	free_parts(fleet);
	return NULL;
}

void
mqev_fleet_free(struct mqev_fleet *fleet)
{
	if (fleet == NULL || fleet->freed)
		return;
	mqev_fleet_meet_fork(fleet);
	if (fleet->front != NULL)
		fleet->hooks->going(fleet->front);
	fleet->base_in_use = fleet->depth > 0;
	mqev_fleet_enter(fleet);
	fleet->freed = true; /* from here on it takes no new clients */
	while (fleet->clients != NULL)
		mqev_client_free(fleet->clients);
	mqev_handover_cancel_all(fleet);
	mqev_fleet_drain_abandon(fleet);
	mqev_link_close_lingering(fleet);
	mqev_fleet_leave(fleet);
}

struct event_base *
mqev_fleet_base(const struct mqev_fleet *fleet)
{
	return fleet->base;
}

void
mqev_fleet_guard_sigpipe(struct mqev_fleet *fleet)
{
	uint64_t now_ms = mqev_port_now_ms();
	struct sigaction now;

	/* Attempts that begin together need it once. */
	if (fleet->keep_sigpipe || now_ms == fleet->guarded_ms ||
	    sigaction(SIGPIPE, NULL, &now) != 0)
		return;
	fleet->guarded_ms = now_ms;
	if ((now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL)
		return;
	memset(&now, 0, sizeof(now));
	now.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &now, NULL);
}
