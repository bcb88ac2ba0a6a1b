/* A random run: what happens in a world, from a seed. */
#include "sim/run.h"

#include <string.h>

/* --- what happens -------------------------------------------------------------------------------
 */

static void
inject(struct world *w)
{
	unsigned topic = rng_below(&w->rng, MB_TOPICS);
	unsigned qos = rng_below(&w->rng, 3);
	unsigned token = judge_new_message(&w->judge, topic, qos);

	if (!mb_publish(&w->mb, token, topic, qos))
		w->judge.messages--;
	else
		w->stats->messages++;
}

static void
publish(struct world *w)
{
	struct world_message m = {
	    .qos = rng_below(&w->rng, 3), .topic = rng_below(&w->rng, MB_TOPICS)};

	if (w->mb.version == TK_V5 && rng_percent(&w->rng, 10))
		m.expiry_s = 1 + rng_below(&w->rng, 30);
	m.len = rng_percent(&w->rng, 3) ? 5000 : 6 + rng_below(&w->rng, 30);
	m.retain = rng_percent(&w->rng, 10);
	m.queued = rng_percent(&w->rng, 30);
	world_publish(w, &m);
}

static void
submit(struct world *w)
{
	unsigned what = rng_below(&w->rng, 20);

	if (what < 15)
		publish(w);
	else if (what < 19)
		world_request(w, what < 17, false, 1 + rng_below(&w->rng, 3));
	else
		world_cancel(w, 1 + rng_below(&w->rng, (unsigned)w->v.s.next_number));
}

static void
step_offline(struct world *w)
{
	unsigned what = rng_below(&w->rng, 10);

	if (what < 5)
		world_connect(w);
	else if (what < 7)
		submit(w);
	else if (what == 7)
		inject(w);
	else if (what == 8)
		world_pass_time(w, rng_below(&w->rng, 30000));
	else if (rng_percent(&w->rng, 30))
		mb_lose_session(&w->mb);
}

/* Some of what is under way still arrives, cut anywhere; the rest never does. */
static void
cut(struct world *w)
{
	world_move_up(w, rng_below(&w->rng, (unsigned)world_waiting_up(w) + 1));
	world_emit(w, rng_below(&w->rng, 3));
	world_move_down(w, rng_below(&w->rng, (unsigned)w->down.len + 1));
	world_close(w);
}

static void
end_connection(struct world *w)
{
	unsigned what = rng_below(&w->rng, 10);

	if (what < 6)
		cut(w);
	else if (what < 8)
		vclient_disconnect(&w->v, 0, NULL, 0);
	else
		w->stalled = true;
}

static void
step_online(struct world *w)
{
	unsigned what = rng_below(&w->rng, 100);

	if (what < 22)
		submit(w);
	else if (what < 45)
		world_move_up(w, 1 + rng_below(&w->rng, rng_percent(&w->rng, 50) ? 5 : 500));
	else if (what < 55 && !w->stalled)
		world_emit(w, 1 + rng_below(&w->rng, 5));
	else if (what < 75 && !w->stalled)
		world_move_down(w, 1 + rng_below(&w->rng, rng_percent(&w->rng, 50) ? 5 : 500));
	else if (what < 83)
		inject(w);
	else if (what < 88 && w->held_count > 0)
		world_acknowledge(w, (int)rng_below(&w->rng, (unsigned)w->held_count));
	else if (what < 92)
		world_pass_time(w, rng_below(&w->rng, 3000));
	else if (what < 94)
		w->v.no_pump = !w->v.no_pump;
	else if (what < 96)
		vclient_pump(&w->v);
	else if (what < 97)
		mqev_session_trim(&w->v.s);
	else if (what < 98)
		w->v.budget = rng_percent(&w->rng, 50) ? SIZE_MAX : 1 + rng_below(&w->rng, 100);
	else
		end_connection(w);
}

static void
step(struct world *w)
{
	if (w->v.s.state == MQEV_SESSION_IDLE)
		step_offline(w);
	else if (w->v.s.state == MQEV_SESSION_ENDED || (w->mb.over && rng_percent(&w->rng, 50)))
		cut(w);
	else if (w->stalled && rng_percent(&w->rng, 20))
		world_pass_time(w, 20000);
	else
		step_online(w);
	world_resubscribe(w);
	world_look(w);
	world_check_end(w);
}

/* --- a run
 * ---------------------------------------------------------------------------------------- */

static void
choose_settings(struct world *w)
{
	static const enum mqev_ack_action actions[] = {
	    MQEV_ACK_ACTION_REPORT, MQEV_ACK_ACTION_RESEND, MQEV_ACK_ACTION_RECONNECT};
	static const enum mqev_session_clean clean[] = {MQEV_SESSION_CLEAN_FIRST_ONLY,
	    MQEV_SESSION_CLEAN_FIRST_ONLY, MQEV_SESSION_CLEAN_NEVER, MQEV_SESSION_CLEAN_ALWAYS};
	struct mqev_session_settings *set = &w->v.settings;
	bool v5 = w->mb.version == TK_V5;

	set->clean = clean[rng_below(&w->rng, 4)];
	set->session_expiry_s = !v5			   ? 0
				: rng_percent(&w->rng, 60) ? UINT32_MAX
							   : rng_below(&w->rng, 60);
	set->keepalive_s = (uint16_t)(rng_percent(&w->rng, 50) ? 0 : 1 + rng_below(&w->rng, 30));
	set->max_inflight = rng_percent(&w->rng, 50) ? 1 + rng_below(&w->rng, 5) : 100;
	set->receive_maximum =
	    (uint16_t)(rng_percent(&w->rng, 50) ? 65535 : 1 + rng_below(&w->rng, 4));
	set->topic_alias_maximum =
	    (uint16_t)(rng_percent(&w->rng, 50) ? 0 : 1 + rng_below(&w->rng, 4));
	set->topic_aliases = (uint16_t)(rng_percent(&w->rng, 50) ? 0 : 1 + rng_below(&w->rng, 4));
	set->ack_timeout_ms = rng_percent(&w->rng, 60) ? 0 : 500 + rng_below(&w->rng, 5000);
	set->ack_action = actions[rng_below(&w->rng, 3)];
	set->queue.max.count = rng_percent(&w->rng, 20) ? 5 : 1000;
	w->hold_percent = rng_percent(&w->rng, 50) ? 0 : 40;
	vclient_restart(&w->v);
	w->v.s.next_n = rng_percent(&w->rng, 30) ? 64500 + rng_below(&w->rng, 20) : 0;
}

/* A store whose commits come when the link moves on. With an inbox a message that is held is
 * acknowledged all the same, which the judge takes for a fault. */
static void
choose_store(struct world *w)
{
	static struct vjournal journal;
	uint64_t next_n = w->v.s.next_n;

	if (w->v.settings.clean == MQEV_SESSION_CLEAN_ALWAYS || rng_percent(&w->rng, 60))
		return;
	w->v.settings.inbox = w->hold_percent > 0 || rng_percent(&w->rng, 30)
				  ? MQEV_SESSION_INBOX_NONE
				  : (enum mqev_session_inbox)rng_below(&w->rng, 2);
	world_keep(w, &journal);
	w->v.s.next_n = next_n;
}

static void
choose_limits(struct world *w)
{
	struct mb_limits *l = &w->mb.limits;

	w->mb.refuse_percent = rng_percent(&w->rng, 30) ? 20 : 0;
	w->mb.next_mid = rng_percent(&w->rng, 20) ? 65530 : 0;
	if (w->mb.version != TK_V5)
		return;
	l->receive_max = rng_percent(&w->rng, 50) ? 0 : 1 + rng_below(&w->rng, 5);
	l->max_packet = rng_percent(&w->rng, 20) ? 40 + rng_below(&w->rng, 100) : 0;
	l->keepalive = rng_percent(&w->rng, 20) ? 1 + rng_below(&w->rng, 20) : 0;
	l->alias_max = rng_percent(&w->rng, 50) ? 0 : 1 + rng_below(&w->rng, 4);
	l->max_qos_1 = rng_percent(&w->rng, 10);
	l->no_retain = rng_percent(&w->rng, 10);
	w->judge.limits = l->max_packet > 0 || l->max_qos_1 || l->no_retain;
}

const char *
run_seed(uint64_t seed, struct world_stats *stats)
{
	static struct world w;
	unsigned steps;

	world_begin(&w, seed % 2 != 0 ? TK_V5 : TK_V311, seed, stats);
	choose_settings(&w);
	choose_store(&w);
	choose_limits(&w);
	steps = 50 + rng_below(&w.rng, 350);
	for (unsigned i = 0; i < steps && !world_failed(&w); i++)
		step(&w);
	if (!world_failed(&w))
		world_drain(&w);
	world_end(&w);
	stats->runs++;
	return w.error[0] != '\0' ? w.error : NULL;
}
