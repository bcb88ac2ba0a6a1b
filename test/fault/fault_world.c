/* One run: a broker, a fleet and a client, an armed allocator, and the judgement at the end. */
#include "fault/fault_world.h"

#include <stdio.h>
#include <stdlib.h>

#define DEADLINE_MS 4000
#define SPELL_MS 4
#define MOST_RUNS 4000

struct world world;
int fault_runs;

static struct {
	const struct scenario *scenario;
	enum fault_mode mode;
	size_t n;
} now;

#define fault_check(condition, ...)                                                           \
	do {                                                                                  \
		if (!(condition))                                                             \
			fault_fail(#condition, __LINE__);                                     \
	} while (0)

static void
fault_fail(const char *what, int line)
{
	fail_mem_never();
	ck_abort_msg("%s, %s at allocation %zu: %s (line %d); step %d, ops %d, pending %d, "
		     "connects %d, fails %d, disconnects %d, messages %d %d %d, refused %zu",
	    now.scenario->name, now.mode == FAULT_ONCE ? "once" : "a spell", now.n, what, line,
	    world.step, world.op_count, world.pending, world.connects, world.fails,
	    world.disconnects, world.messages[0], world.messages[1], world.messages[2],
	    world.refused);
}

/* --- callbacks ---------------------------------------------------------------------------------
 */

static void
on_connect(struct mqev_client *c, const struct mqev_connack *connack, void *userdata)
{
	(void)c;
	(void)userdata;
	if (connack->reason == MQEV_REASON_SUCCESS)
		world.connects++;
	else
		world.refusals++;
	world.session_present = connack->session_present;
}

static void
on_connect_fail(struct mqev_client *c, const struct mqev_connect_failure *failure, void *userdata)
{
	(void)c;
	(void)userdata;
	fault_check(failure->text != NULL);
	world.fails++;
}

static void
on_disconnect(struct mqev_client *c, const struct mqev_disconnection *d, void *userdata)
{
	(void)c;
	(void)userdata;
	fault_check(d->text != NULL && d->properties != NULL);
	world.disconnects++;
}

void
fault_message(struct mqev_client *c, const struct mqev_message *message, void *userdata)
{
	(void)c;
	(void)userdata;
	world.messages[message->qos]++;
	world.bytes += message->payload_len;
}

void
fault_done(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	struct fault_op *op = arg;

	(void)c;
	fault_check(op->number > 0 && (uint64_t)op->number == result->op);
	fault_check(op->completions == 0);
	op->completions++;
	op->error = result->error;
	world.pending--;
	world.done++;
}

static void
on_common(struct mqev_client *c, const struct mqev_result *result, void *userdata)
{
	(void)c;
	(void)userdata;
	fault_check(result->properties != NULL);
}

void
fault_fill_options(struct mqev_options *o)
{
	o->size = sizeof(*o);
	o->on_connect = on_connect;
	o->on_connect_fail = on_connect_fail;
	o->on_disconnect = on_disconnect;
	o->on_message = fault_message;
	o->on_publish = on_common;
	o->on_subscribe = on_common;
	o->reconnect_min_ms = 1;
	o->reconnect_max_ms = 2;
	if (o->client_id == NULL)
		o->client_id = "c";
}

/* --- calls -------------------------------------------------------------------------------------
 */

struct fault_op *
fault_op(void)
{
	fault_check(world.op_count < FAULT_OPS);
	return &world.ops[world.op_count];
}

bool
fault_accept(int64_t result, struct fault_op *op)
{
	if (result == MQEV_ERR_NOMEM)
		return false;
	fault_check(result > 0);
	op->number = result;
	world.op_count++;
	world.pending++;
	return true;
}

bool
fault_publish_message(const struct mqev_message *message)
{
	struct fault_op *op = fault_op();

	return fault_accept(mqev_publish(world.client, message, fault_done, op), op);
}

bool
fault_publish(const char *topic, const void *payload, size_t len, int qos)
{
	return fault_publish_message(
	    MQEV_MESSAGE(.topic = topic, .payload = payload, .payload_len = len, .qos = qos));
}

bool
fault_subscribe(const char *filter, int qos, mqev_message_cb *on_message)
{
	struct fault_op *op = fault_op();

	return fault_accept(
	    mqev_subscribe(world.client,
		MQEV_SUBSCRIPTION(.filter = filter, .qos = qos, .on_message = on_message), 1, NULL,
		fault_done, op),
	    op);
}

bool
fault_connect(const char *url)
{
	int error =
	    mqev_connect(world.client, url != NULL ? url : tk_auto_url(world.broker));

	fault_check(error == 0 || error == MQEV_ERR_NOMEM);
	return error == 0;
}

bool
fault_connected(void)
{
	return world.client != NULL && mqev_client_is_connected(world.client);
}

/* --- a run -------------------------------------------------------------------------------------
 */

static void
on_clock(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static void
run_until(bool (*condition)(void))
{
	long long end = tk_now_ms() + DEADLINE_MS;

	while (!condition()) {
		fault_check(tk_now_ms() < end);
		event_base_loop(world.base, EVLOOP_ONCE);
	}
}

static void
make_client(const struct scenario *s)
{
	struct mqev_options options = s->options;
	int error;

	fault_fill_options(&options);
	world.client = mqev_client_new(world.fleet, &options, &error);
	fault_check(world.client != NULL);
}

static void
begin_world(const struct scenario *s)
{
	const struct timeval often = {0, 1000};
	struct event_base *base = world.base;
	struct tk_auto_options options = {.where = s->where};

	memset(&world, 0, sizeof(world));
	world.base = base;
	world.broker = tk_auto_new(base, &options);
	world.clock = event_new(base, -1, EV_PERSIST, on_clock, NULL);
	event_add(world.clock, &often);
	if (s->own_client)
		return;
	world.fleet = mqev_fleet_new(base, NULL);
	fault_check(world.fleet != NULL);
	make_client(s);
	if (s->connect) {
		fault_check(fault_connect(NULL));
		run_until(fault_connected);
	}
	if (s->before != NULL)
		s->before();
}

static void
arm(enum fault_mode mode, size_t n)
{
	if (mode == FAULT_ONCE)
		fail_mem_after(n);
	else
		fail_mem_from(n);
	world.armed = true;
}

/* Memory is back when the spell is over. */
static void
watch_spell(void)
{
	if (!world.armed || fail_mem_refused() == 0)
		return;
	world.refused = fail_mem_refused();
	if (world.spell_until == 0)
		world.spell_until = tk_now_ms() + SPELL_MS;
	if (now.mode == FAULT_ONCE || tk_now_ms() >= world.spell_until) {
		world.armed = false;
		fail_mem_never();
	}
}

static bool
is_over(void)
{
	static const struct scenario *s;

	s = now.scenario;
	watch_spell();
	while (world.step >= 0 && s->act != NULL) {
		if (!s->act())
			return false;
		world.step = -1;
	}
	return world.pending == 0 && (s->goal == NULL || s->goal());
}

static void
end_world(void)
{
	world.refused += world.armed ? fail_mem_refused() : 0;
	fail_mem_never();
	mqev_client_free(world.client);
	mqev_fleet_free(world.fleet);
	mqev_message_free(world.kept);
	fault_check(world.pending == 0);
	for (int i = 0; i < world.op_count; i++)
		fault_check(world.ops[i].completions == 1);
	if (tk_auto_error(world.broker) != NULL)
		fault_fail(tk_auto_error(world.broker), 0);
	tk_auto_free(world.broker);
	event_free(world.clock);
	/* What bufferevents and their like do in the turn after. */
	event_base_loop(world.base, EVLOOP_NONBLOCK);
	fault_check(fail_mem_live() == 0);
}

/* False when no allocation was left to fail. */
static bool
run(const struct scenario *s, enum fault_mode mode, size_t n)
{
	now.scenario = s;
	now.mode = mode;
	now.n = n;
	fault_runs++;
	begin_world(s);
	arm(mode, n);
	run_until(is_over);
	end_world();
	return world.refused > 0;
}

void
fault_run(const struct scenario *s)
{
	int fds;

	world.base = event_base_new();
	run(s, FAULT_ONCE, SIZE_MAX); /* nothing fails: what the first use opens for good is open */
	fds = tk_open_fds();
	for (int mode = 0; mode < FAULT_MODES; mode++) {
		size_t n = 0;

		while (n < MOST_RUNS && run(s, (enum fault_mode)mode, n))
			n++;
		ck_assert_msg(n < MOST_RUNS, "%s: allocations without end", s->name);
		if (getenv("FAULT_VERBOSE") != NULL)
			fprintf(stderr, "%-40s %s %zu\n", s->name,
			    mode == FAULT_ONCE ? "once " : "spell", n);
	}
	ck_assert_int_eq(tk_open_fds(), fds);
	event_base_free(world.base);
}
