/* The common driver: one phase at a time, moved on by what the client program reports. */
#include "bench/driver.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char *const phase_names[PHASE_COUNT] = {
    [PHASE_NONE] = "nothing",
    [PHASE_CONNECT] = "connecting",
    [PHASE_SUBSCRIBE] = "subscribing",
    [PHASE_PUBLISH] = "publishing",
    [PHASE_RECEIVE] = "receiving",
    [PHASE_STORM] = "connecting again",
    [PHASE_IDLE] = "idling",
};

const struct bench_options *
bench_options(const struct bench *b)
{
	return &b->options;
}

void **
bench_state(struct bench *b)
{
	return &b->state;
}

bool
bench_is_done(const struct bench *b)
{
	return b->done;
}

bool
bench_is_active(const struct bench *b)
{
	return b->phase == PHASE_SUBSCRIBE || b->phase == PHASE_PUBLISH ||
	       b->phase == PHASE_RECEIVE;
}

int64_t
bench_now(void)
{
	return clock_monotonic_ns();
}

int
bench_timeout_ms(int64_t deadline_ns, int limit)
{
	int64_t ms = (deadline_ns - bench_now() + 999999) / 1000000;

	if (ms < 0)
		return 0;
	return ms < limit ? (int)ms : limit;
}

const char *
bench_client_id(char *out, unsigned client)
{
	snprintf(out, BENCH_CLIENT_ID_LEN, "bench-%u", client);
	return out;
}

const char *
bench_filter(const struct bench *b, char *out, unsigned number)
{
	static const char *const forms[] = {"bench/device-%u/#", "bench/+/state-%u",
	    "bench/device-%u/state", "bench/room-%u/door/open"};

	if (number + 1 == b->options.filters)
		snprintf(out, BENCH_FILTER_LEN, "bench/flood");
	else
		snprintf(out, BENCH_FILTER_LEN, forms[number % 4], number);
	return out;
}

int
bench_fail(struct bench *b, const char *format, ...)
{
	va_list args;

	if (!b->error[0]) {
		va_start(args, format);
		vsnprintf(b->error, sizeof b->error, format, args);
		va_end(args);
	}
	b->done = true;
	return -1;
}

static void
finish(struct bench *b)
{
	mark_take(&b->end, b->options.broker_pid);
	b->done = true;
}

/* Connections ------------------------------------------------------------------------------- */

static bool
next_to_connect(struct bench *b, unsigned *client)
{
	if (b->again_len) {
		*client = b->again[b->again_from];
		b->again_from = (b->again_from + 1) % b->options.clients;
		b->again_len--;
		return true;
	}
	if (b->started == b->target)
		return false;
	*client = b->started++;
	return true;
}

static void
pump_connects(struct bench *b)
{
	unsigned client;

	while (!b->done && b->connecting < b->options.ramp && next_to_connect(b, &client)) {
		b->connecting++;
		if (b->program->connect(b, client))
			return;
	}
}

void
bench_connected(struct bench *b, unsigned client)
{
	(void)client;
	b->connected++;
	if (b->connecting)
		b->connecting--;
	if (b->connected == b->target && b->started == b->target &&
	    (b->phase == PHASE_CONNECT ||
		(b->phase == PHASE_STORM && b->lost >= b->options.clients)))
		finish(b);
	else
		bench_pump(b);
}

void
bench_lost(struct bench *b, unsigned client)
{
	if (b->phase == PHASE_NONE)
		return;
	if (b->phase != PHASE_STORM) {
		bench_fail(b, "client %u lost its connection", client);
		return;
	}
	b->connected--;
	b->lost++;
	if (b->lost > b->options.clients) {
		bench_fail(b, "client %u lost its connection twice", client);
		return;
	}
	if (b->program->reconnects)
		return;
	b->again[(b->again_from + b->again_len++) % b->options.clients] = client;
	bench_pump(b);
}

void
bench_subscribed(struct bench *b)
{
	finish(b);
}

/* Messages ---------------------------------------------------------------------------------- */

static void
begin_sample(struct bench *b)
{
	if (b->sampling)
		return;
	b->sampling = true;
	b->sample_at = b->sent;
	b->sample_ns = bench_now();
}

static void
end_sample(struct bench *b)
{
	if (!b->sampling || b->settled <= b->sample_at)
		return;
	b->sampling = false;
	histogram_add(&b->latency, bench_now() - b->sample_ns);
}

static void
ask(struct bench *b, const char *topic, const char *payload, unsigned qos)
{
	if (b->asked)
		return;
	b->asked = true;
	b->program->control(b, topic, payload, qos);
}

static bool
publish_some(struct bench *b)
{
	uint64_t left = b->goal - b->sent, room = b->options.window - (b->sent - b->settled);
	uint64_t count = left < room ? left : room;
	int64_t took;

	if (!count || b->done)
		return false;
	begin_sample(b);
	took = b->program->publish(b, count);
	if (took > 0)
		b->sent += (uint64_t)took;
	return took == (int64_t)count;
}

/* A QoS 0 run ends when the broker has answered a last message of QoS 1: it has then read all. */
static void
pump_publishes(struct bench *b)
{
	while (publish_some(b))
		continue;
	if (b->settled == b->goal && b->options.qos == 0)
		ask(b, BENCH_TOPIC_BARRIER, "", 1);
}

static void
pump_flood(struct bench *b)
{
	char request[96];

	snprintf(request, sizeof request, "%" PRIu64 " %zu %u %u", b->goal, b->options.size,
	    b->options.qos, b->options.window);
	ask(b, BENCH_TOPIC_FLOOD, request, 0);
}

static void
pump_storm(struct bench *b)
{
	ask(b, BENCH_TOPIC_DROP, "", 0);
	pump_connects(b);
}

static void
pump_subscribe(struct bench *b)
{
	if (b->asked)
		return;
	b->asked = true;
	b->program->subscribe(b);
}

static void (*const pumps[PHASE_COUNT])(struct bench *) = {
    [PHASE_CONNECT] = pump_connects,
    [PHASE_SUBSCRIBE] = pump_subscribe,
    [PHASE_PUBLISH] = pump_publishes,
    [PHASE_RECEIVE] = pump_flood,
    [PHASE_STORM] = pump_storm,
};

void
bench_pump(struct bench *b)
{
	if (b->pumping || b->done || !pumps[b->phase])
		return;
	b->pumping = true;
	pumps[b->phase](b);
	b->pumping = false;
}

void
bench_published(struct bench *b, uint64_t count)
{
	b->settled += count;
	if (b->settled > b->goal) {
		bench_fail(b, "more messages ended than were published");
		return;
	}
	end_sample(b);
	if (b->settled == b->goal && b->options.qos)
		finish(b);
	else
		bench_pump(b);
}

/* The broker ends a flood by one message more, which has no payload. */
void
bench_received(struct bench *b, uint64_t count, uint64_t payload_bytes)
{
	b->settled += count;
	b->payload_bytes += payload_bytes;
	if (b->settled <= b->goal)
		return;
	if (b->settled != b->goal + 1 || b->payload_bytes != b->goal * b->options.size)
		bench_fail(b, "received %" PRIu64 " messages and %" PRIu64 " payload bytes",
		    b->settled, b->payload_bytes);
	else
		finish(b);
}

void
bench_control_done(struct bench *b)
{
	if (b->phase == PHASE_PUBLISH && b->asked)
		finish(b);
	else
		bench_fail(b, "an answer to nothing came while %s", phase_names[b->phase]);
}

/* Phases ------------------------------------------------------------------------------------ */

static int
run_phase(struct bench *b, enum bench_phase phase, double seconds)
{
	int r;

	b->phase = phase;
	b->done = b->asked = b->pumping = b->sampling = false;
	mark_take(&b->begin, b->options.broker_pid);
	r = b->program->run(b, b->begin.wall_ns + (int64_t)(seconds * 1e9));
	b->phase = PHASE_NONE;
	return r || b->error[0] ? -1 : 0;
}

int
bench_wait(struct bench *b, enum bench_phase phase)
{
	if (run_phase(b, phase, b->options.timeout_s))
		return bench_fail(b, "%s failed", phase_names[phase]);
	if (b->done)
		return 0;
	return bench_fail(b,
	    "time ran out while %s (%u of %u connected, %" PRIu64 " of %" PRIu64
	    " messages sent, %" PRIu64 " settled)",
	    phase_names[phase], b->connected, b->target, b->sent, b->goal, b->settled);
}

int
bench_idle(struct bench *b, double seconds)
{
	if (run_phase(b, PHASE_IDLE, seconds))
		return bench_fail(b, "%s failed", phase_names[PHASE_IDLE]);
	mark_take(&b->end, b->options.broker_pid);
	return 0;
}

/* As many descriptors as there may be; fewer clients when that is not enough. */
static void
fit_clients(struct bench *b)
{
	struct rlimit limit;
	unsigned most;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	most = (unsigned)((limit.rlim_cur - 100) / b->program->descriptors_per_client);
	if (b->options.clients > most)
		b->options.clients = most;
}

static bool
has_store(const struct bench_program *program, const char *name)
{
	const char *const *s = program->stores;

	while (s && *s && strcmp(*s, name) != 0)
		s++;
	return s && *s;
}

/* What of the options the program cannot do; NULL: nothing. */
static const char *
cannot(const struct bench_program *program, const struct bench_options *o)
{
	if (o->parked && !program->parks)
		return "has nothing to park";
	if (o->websocket && !program->websocket)
		return "no WebSocket, or built without it";
	if (o->filters && !program->filters)
		return "no callbacks for filters";
	if (o->store && !has_store(program, o->store))
		return "no such store, or built without it";
	return NULL;
}

static int
leave_out(const char *name, const char *reason)
{
	fprintf(stderr, "%s: %s\n", name, reason);
	return BENCH_LEFT_OUT;
}

static int
run_all(struct bench *b)
{
	struct bench_result result = {.bytes_per_client = -1};

	fit_clients(b);
	b->again = calloc(b->options.clients, sizeof *b->again);
	if (!b->again)
		return bench_fail(b, "out of memory");
	if (!b->program->open(b) && !bench_scenario_run(b, &result))
		bench_report(b, &result);
	b->program->close(b);
	free(b->again);
	return b->error[0] ? -1 : 0;
}

int
bench_main(const struct bench_program *program, int argc, char **argv)
{
	struct bench *b;
	bool finished;
	int r;

	signal(SIGPIPE, SIG_IGN);
	b = calloc(1, sizeof *b);
	if (!b)
		return 1;
	b->program = program;
	r = bench_read_options(&b->options, argc, argv, &finished);
	if (!finished && cannot(program, &b->options)) {
		r = leave_out(argv[0], cannot(program, &b->options));
	} else if (!finished && run_all(b)) {
		fprintf(stderr, "%s: %s\n", argv[0], b->error);
		r = 1;
	}
	free(b);
	return r;
}
