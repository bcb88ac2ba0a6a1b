/*
 * Each allocation of the session fails in turn, once and from then on, in scenarios against the
 * model broker. Whatever fails: no crash, no leak, what was accepted completes once and as it
 * should, after the next connect at the latest.
 */
#include <string.h>

#include "fault/fail_mem.h"
#include "lib/loop.h"
#include "sim/world.h"

/* Connects when there is no connection, moves all both ways, ends what has ended. */
static void
go(struct world *w)
{
	if (w->v.s.state == MQEV_SESSION_IDLE)
		world_connect(w);
	for (int i = 0; i < 10 && world_is_open(w); i++) {
		vclient_pump(&w->v);
		world_look(w);
		world_move_up(w, SIZE_MAX);
		world_emit(w, 1000);
		world_move_down(w, SIZE_MAX);
		world_look(w);
	}
	world_check_end(w);
	if (w->v.s.state == MQEV_SESSION_ENDED || w->mb.over)
		world_close(w);
}

static void
publish(struct world *w, unsigned qos, unsigned count, size_t len)
{
	for (unsigned i = 0; i < count; i++)
		world_publish(w, &(struct world_message){.qos = qos, .topic = i % 3, .len = len});
}

/* The broker has count messages for the client; a first SUBSCRIBE may be needed. */
static void
inject(struct world *w, unsigned qos, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned token = judge_new_message(&w->judge, i % 3, qos);

		if (!mb_publish(&w->mb, token, i % 3, qos))
			w->judge.messages--;
	}
}

static void
subscribed(struct world *w)
{
	go(w);
	world_request(w, true, true, 1);
	go(w);
}

/* --- scenarios -------------------------------------------------------------------------------- */

static void
connects_with_everything(struct world *w)
{
	static const struct mqev_session_will will = {
	    .topic = {(const uint8_t *)"w", 1}, .payload = {(const uint8_t *)"x", 1}, .qos = 1};

	w->v.settings.will = &will;
	w->v.settings.has_username = w->v.settings.has_password = true;
	w->v.settings.receive_maximum = 20;
	w->v.settings.max_packet_size = 100000;
	w->v.settings.topic_alias_maximum = 5;
	go(w);
	go(w);
}

static void
qos0_at_once(struct world *w)
{
	go(w);
	publish(w, 0, 3, 20);
	go(w);
}

static void
qos0_offline(struct world *w)
{
	publish(w, 0, 4, 20);
	go(w);
}

/* More on their way than the ring holds at first. */
static void
qos0_many(struct world *w)
{
	go(w);
	publish(w, 0, 40, 20);
	for (int i = 0; i < 40; i++)
		world_publish(w, &(struct world_message){.topic = 1, .len = 9, .queued = true});
	vclient_pump(&w->v);
	go(w);
}

static void
qos1_out(struct world *w)
{
	go(w);
	publish(w, 1, 3, 20);
	go(w);
}

static void
qos2_out(struct world *w)
{
	go(w);
	publish(w, 2, 3, 20);
	go(w);
}

/* What PUBREC and PUBCOMP say besides is kept until the message is done. */
static void
qos2_explained(struct world *w)
{
	w->mb.explains = true;
	go(w);
	publish(w, 2, 3, 20);
	go(w);
}

/* Large payloads go by reference, the table of identifiers grows. */
static void
many_out(struct world *w)
{
	go(w);
	publish(w, 1, 20, 5000);
	publish(w, 2, 20, 20);
	go(w);
}

static void
requests(struct world *w)
{
	world_request(w, true, false, 3);
	go(w);
	world_request(w, false, false, 2);
	world_request(w, true, false, 1);
	go(w);
}

static void
qos0_in(struct world *w)
{
	subscribed(w);
	inject(w, 0, 3);
	go(w);
}

static void
qos1_in(struct world *w)
{
	subscribed(w);
	inject(w, 1, 5);
	go(w);
}

static void
qos2_in(struct world *w)
{
	subscribed(w);
	inject(w, 2, 30);
	go(w);
}

static void
aliases_in(struct world *w)
{
	w->v.settings.topic_alias_maximum = 16;
	subscribed(w);
	for (int i = 0; i < 5; i++) {
		inject(w, 0, 6);
		inject(w, 1, 3);
		go(w);
	}
}

static void
resume(struct world *w)
{
	go(w);
	publish(w, 1, 3, 20);
	publish(w, 2, 3, 20);
	vclient_pump(&w->v);
	world_move_up(w, 50);
	if (w->v.s.state != MQEV_SESSION_IDLE)
		world_close(w);
	publish(w, 1, 2, 20);
	go(w);
	go(w);
}

static void
session_lost(struct world *w)
{
	go(w);
	publish(w, 1, 3, 20);
	publish(w, 2, 3, 20);
	vclient_pump(&w->v);
	if (w->v.s.state != MQEV_SESSION_IDLE)
		world_close(w);
	mb_lose_session(&w->mb);
	go(w);
	go(w);
}

static void
held(struct world *w)
{
	w->hold_percent = 60;
	subscribed(w);
	inject(w, 1, 4);
	inject(w, 2, 4);
	go(w);
	while (w->held_count > 0) {
		world_acknowledge(w, w->held_count / 2);
		world_look(w);
	}
	go(w);
}

static void
held_over_a_reconnect(struct world *w)
{
	w->hold_percent = 100;
	subscribed(w);
	inject(w, 1, 2);
	inject(w, 2, 2);
	go(w);
	if (w->v.s.state != MQEV_SESSION_IDLE)
		world_close(w);
	while (w->held_count > 0)
		world_acknowledge(w, 0);
	w->hold_percent = 0;
	go(w);
}

/* A failed mqev_ack() may be called again, without its properties too. */
static void
acknowledged_with_properties(struct world *w)
{
	uint8_t bytes[] = {0x1F, 0, 2, 'o', 'k'};
	struct mqev_properties properties = {.data = bytes, .len = sizeof(bytes)};

	w->hold_percent = 100;
	subscribed(w);
	inject(w, 1, 2);
	go(w);
	for (int i = 0; i < w->held_count; i++) {
		if (mqev_ack(w->held[i].ack, MQEV_REASON_SUCCESS, &properties) == 0)
			judge_taken(&w->judge, w->held[i].token);
		else if (mqev_ack(w->held[i].ack, MQEV_REASON_SUCCESS, NULL) == 0)
			judge_taken(&w->judge, w->held[i].token);
		mqev_ack_drop(w->held[i].ack);
		world_look(w);
	}
	w->held_count = 0;
	w->hold_percent = 0;
	go(w);
}

static void
canceled(struct world *w)
{
	go(w);
	publish(w, 2, 2, 20);
	world_request(w, true, false, 2);
	vclient_pump(&w->v);
	for (unsigned i = 1; i <= 3; i++)
		world_cancel(w, i);
	go(w);
}

static void
disconnected(struct world *w)
{
	bool v5 = w->v.s.version == MQEV_V5;

	go(w);
	publish(w, 1, 2, 20);
	vclient_disconnect(&w->v, 0, "\x1F\0\1x", v5 ? 4 : 0);
	world_look(w);
	if (w->v.s.state != MQEV_SESSION_IDLE)
		world_close(w);
	go(w);
}

static void
pings(struct world *w)
{
	w->v.settings.keepalive_s = 10;
	go(w);
	for (int i = 0; i < 3; i++) {
		world_pass_time(w, 9500);
		go(w);
	}
}

static void
expired(struct world *w)
{
	for (int i = 0; i < 4; i++)
		world_publish(
		    w, &(struct world_message){.qos = (unsigned)i % 3, .len = 20, .expiry_s = 5});
	world_pass_time(w, 6000);
	publish(w, 1, 2, 20);
	go(w);
}

static void
refused(struct world *w)
{
	w->mb.refuse_percent = 100;
	publish(w, 1, 2, 20);
	go(w);
	w->mb.refuse_percent = 0;
	go(w);
}

static void
limits_of_the_broker(struct world *w)
{
	w->mb.limits = (struct mb_limits){.receive_max = 1, .max_packet = 60, .max_qos_1 = true};
	w->judge.limits = true;
	publish(w, 1, 3, 20);
	publish(w, 2, 2, 20);
	publish(w, 1, 2, 100);
	publish(w, 0, 2, 100);
	go(w);
	publish(w, 1, 2, 20);
	publish(w, 1, 1, 100);
	go(w);
}

/* The end of the program comes in the middle: see freed_in_the_middle(). */
static void
everything(struct world *w)
{
	publish(w, 0, 2, 20);
	subscribed(w);
	publish(w, 1, 3, 20);
	publish(w, 2, 3, 20);
	world_request(w, true, false, 3);
	inject(w, 1, 3);
	inject(w, 2, 3);
	go(w);
	publish(w, 1, 3, 5000);
	publish(w, 0, 3, 20);
	publish(w, 2, 3, 20);
}

/* --- running them ----------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(struct world *w);
} scenarios[] = {
    {"connects_with_everything", connects_with_everything},
    {"qos0_at_once", qos0_at_once},
    {"qos0_offline", qos0_offline},
    {"qos0_many", qos0_many},
    {"qos1_out", qos1_out},
    {"qos2_out", qos2_out},
    {"qos2_explained", qos2_explained},
    {"many_out", many_out},
    {"requests", requests},
    {"qos0_in", qos0_in},
    {"qos1_in", qos1_in},
    {"qos2_in", qos2_in},
    {"aliases_in", aliases_in},
    {"resume", resume},
    {"session_lost", session_lost},
    {"held", held},
    {"held_over_a_reconnect", held_over_a_reconnect},
    {"acknowledged_with_properties", acknowledged_with_properties},
    {"canceled", canceled},
    {"disconnected", disconnected},
    {"pings", pings},
    {"expired", expired},
    {"refused", refused},
    {"limits_of_the_broker", limits_of_the_broker},
    {"everything", everything},
};
#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

enum mode { ONCE, FOR_GOOD, MODES };

static struct world w;
static struct vjournal journal;
static bool kept; /* the session has a store */
static enum mqev_session_inbox inbox;
static struct world_stats stats;

static void
check(const char *name, size_t n, int version, enum mode mode, size_t live)
{
	ck_assert_msg(w.error[0] == '\0', "%s, version %d, allocation %zu fails %s: %s", name,
	    version, n, mode == ONCE ? "once" : "for good", w.error);
	ck_assert_msg(fail_mem_live() == live,
	    "%s, version %d, allocation %zu fails %s: %zu blocks leak", name, version, n,
	    mode == ONCE ? "once" : "for good", fail_mem_live() - live);
}

/* True while there was an allocation to fail. */
static bool
fail_at(size_t scenario, int version, enum mode mode, size_t n, bool to_the_end)
{
	size_t live = fail_mem_live();
	size_t refusals;

	world_begin(&w, version, 1, &stats);
	w.v.settings.clean = MQEV_SESSION_CLEAN_NEVER;
	w.v.settings.session_expiry_s = version == TK_V5 ? UINT32_MAX : 0;
	vclient_restart(&w.v);
	if (kept) {
		w.v.settings.inbox = inbox;
		world_keep(&w, &journal);
	}
	w.v.sink.exact = true;
	w.no_memory = true;
	if (mode == ONCE)
		fail_mem_after(n);
	else
		fail_mem_from(n);
	scenarios[scenario].run(&w);
	refusals = fail_mem_refused();
	fail_mem_never();
	w.no_memory = false;
	if (to_the_end && !world_failed(&w))
		world_drain(&w);
	world_end(&w);
	check(scenarios[scenario].name, n, version, mode, live);
	return refusals > 0;
}

static void
fail_each(size_t scenario, int version, enum mode mode, bool to_the_end)
{
	size_t n = 0;

	while (fail_at(scenario, version, mode, n, to_the_end))
		n++;
	ck_assert_uint_gt(n, 0);
}

START_TEST(each_allocation_fails)
{
	for (enum mode mode = ONCE; mode < MODES; mode++) {
		fail_each((size_t)_i, TK_V311, mode, true);
		fail_each((size_t)_i, TK_V5, mode, true);
	}
}
END_TEST

/* Freed where the scenario stands: each operation ends with that. */
START_TEST(freed_in_the_middle)
{
	for (enum mode mode = ONCE; mode < MODES; mode++) {
		fail_each((size_t)_i, TK_V311, mode, false);
		fail_each((size_t)_i, TK_V5, mode, false);
	}
}
END_TEST

/* With an inbox a message that is held is acknowledged all the same, which the judge of a world
 * takes for a fault. */
static size_t
kept_scenario(int i)
{
	size_t scenario = (size_t)i % SCENARIOS;

	kept = true;
	inbox = (size_t)i < SCENARIOS ? MQEV_SESSION_INBOX_NONE : MQEV_SESSION_INBOX_BOTH;
	if (strncmp(scenarios[scenario].name, "held", 4) == 0 ||
	    strncmp(scenarios[scenario].name, "acknowledged", 12) == 0)
		inbox = MQEV_SESSION_INBOX_NONE;
	return scenario;
}

/* The same, kept by a store in which each of its appends can fail too. */
START_TEST(each_allocation_fails_kept)
{
	size_t scenario = kept_scenario(_i);

	for (enum mode mode = ONCE; mode < MODES; mode++) {
		fail_each(scenario, TK_V311, mode, true);
		fail_each(scenario, TK_V5, mode, true);
	}
}
END_TEST

START_TEST(freed_in_the_middle_kept)
{
	size_t scenario = kept_scenario(_i);

	fail_each(scenario, TK_V311, ONCE, false);
	fail_each(scenario, TK_V5, ONCE, false);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("session: no memory");
	TCase *tc = tk_case(suite, "no memory");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, each_allocation_fails, 0, (int)SCENARIOS);
	tcase_add_loop_test(tc, freed_in_the_middle, 0, (int)SCENARIOS);
	tcase_add_loop_test(tc, each_allocation_fails_kept, 0, 2 * (int)SCENARIOS);
	tcase_add_loop_test(tc, freed_in_the_middle_kept, 0, 2 * (int)SCENARIOS);
	return tk_main(suite);
}
