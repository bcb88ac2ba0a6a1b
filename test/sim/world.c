/* What happens in a run, and when. What is right is judge.c's to say. */
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stream.h"
#include "lib/vclient.h"
#include "sim/judge.h"
#include "sim/model_broker.h"

#define REQUEST_TOPIC 3 /* of the judge, for what is no message */

struct world {
	struct rng rng;
	struct vclient v;
	struct model_broker mb;
	struct judge judge;
	struct world_stats *stats;

	/* The link. */
	struct tk_stream stream;
	struct tk_session *stream_session;
	bool streaming;
	size_t told;  /* of the client's bytes, to the judge of the stream */
	size_t taken; /* of the client's bytes, by the broker */
	struct tk_buf down;
	bool stalled; /* nothing comes down any more */
	bool client_knows; /* it has seen the CONNACK */

	/* Time. */
	uint64_t last_write_ms;
	uint64_t last_down_ms;

	/* The application. */
	unsigned seq_of[V_OPS]; /* by operation number */
	unsigned submitting;
	struct {
		struct mqev_ack *ack;
		unsigned token;
	} held[16];
	int held_count;
	unsigned hold_percent;
	bool draining;
	bool resubscribe;
	char error[300];
};

/* What passes over the link, to follow a seed that failed: sim -t SEED. */
static void
trace(struct world *w, const char *who, const unsigned char *data, size_t len)
{
	size_t size;

	while (w->stats->trace && len > 0 && tk_frame(data, len, &size) == 1) {
		char *text = tk_dump(data, size, 40);

		printf("%8llu %s %-11s %s\n", (unsigned long long)w->v.now, who,
		    tk_type_name(data[0] >> 4), text);
		free(text);
		data += size;
		len -= size;
	}
}

static void
note(struct world *w, const char *what, unsigned number)
{
	if (w->stats->trace)
		printf("%8llu -- %s %u\n", (unsigned long long)w->v.now, what, number);
}

static void
flunk(struct world *w, const char *what)
{
	if (w->error[0] == '\0')
		snprintf(w->error, sizeof(w->error), "%s", what);
}

static bool
failed(struct world *w)
{
	const char *stream = w->streaming ? tk_stream_error(&w->stream) : NULL;

	if (w->judge.error[0] != '\0')
		flunk(w, w->judge.error);
	if (w->mb.error[0] != '\0')
		flunk(w, w->mb.error);
	if (w->v.broken[0] != '\0')
		flunk(w, w->v.broken);
	if (stream != NULL)
		flunk(w, stream);
	return w->error[0] != '\0';
}

static bool
is_open(const struct world *w)
{
	return w->v.s.state == MQEV_SESSION_CONNECTING || w->v.s.state == MQEV_SESSION_CONNECTED;
}

/* --- the broker tells -------------------------------------------------------------------------- */

static unsigned
number_in(struct tk_str text)
{
	unsigned n = 0;

	for (size_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
		n = n * 10 + (unsigned)(text.data[i] - '0');
	return n;
}

/* Payload "<seq> ...", topic "t/<n>". */
static unsigned
broker_received(void *arg, const struct tk_packet *p)
{
	struct world *w = arg;
	unsigned seq = number_in(p->payload);
	bool refuse = w->mb.version == TK_V5 && p->qos > 0 && rng_percent(&w->rng, 3);

	if (p->dup)
		w->stats->dups++;
	judge_received(&w->judge, seq, p->topic.len == 3 ? (unsigned)(p->topic.data[2] - '0') : 99,
	    p->qos, refuse);
	return refuse ? 0x97 : 0;
}

static void
broker_completed(void *arg, unsigned token)
{
	struct world *w = arg;

	judge_message_completed(&w->judge, token);
}

static void
broker_lost(void *arg)
{
	struct world *w = arg;

	w->stats->lost++;
	note(w, "session lost", w->judge.losses);
	judge_session_lost(&w->judge);
}

static const struct mb_events broker_events = {broker_received, broker_completed, broker_lost};

/* --- the session tells ------------------------------------------------------------------------- */

static enum judge_result
result_of(int error)
{
	switch (error) {
	case 0:
		return J_OK;
	case MQEV_ERR_REFUSED:
		return J_REFUSED;
	case MQEV_ERR_SESSION_LOST:
		return J_SESSION_LOST;
	case MQEV_ERR_LOST:
		return J_LINK_LOST;
	case MQEV_ERR_EXPIRED:
		return J_EXPIRED;
	case MQEV_ERR_CANCELED:
		return J_CANCELED;
	case MQEV_ERR_TOO_LARGE:
	case MQEV_ERR_QOS:
	case MQEV_ERR_RETAIN:
		return J_LIMIT;
	default:
		return J_OTHER;
	}
}

static void
on_complete(struct world *w)
{
	uint64_t number = w->v.done->number;

	note(w, mqev_error_text(w->v.end->error), (unsigned)number);
	if (number < V_OPS && w->seq_of[number] != 0)
		judge_completed(&w->judge, w->seq_of[number], result_of(w->v.end->error));
	else
		judge_fail(&w->judge, "operation %u was never accepted", (unsigned)number);
}

static void
on_message(struct world *w)
{
	const struct mqev_message *m = w->v.message;
	struct tk_str text = {(const unsigned char *)m->payload + 1, m->payload_len - 1};
	unsigned token = number_in(text);
	struct mqev_ack *ack = NULL;

	judge_delivered(&w->judge, token, (unsigned)(m->topic[2] - '0'), (unsigned)m->qos);
	if (m->qos > 0 && w->held_count < 16 && rng_percent(&w->rng, w->hold_percent))
		ack = mqev_message_hold(m);
	if (ack == NULL) {
		judge_taken(&w->judge, token);
		return;
	}
	w->held[w->held_count].ack = ack;
	w->held[w->held_count++].token = token;
}

static void
on_event(struct vclient *v, enum vevent event)
{
	struct world *w = v->hook_arg;

	if (event == V_COMPLETE)
		on_complete(w);
	if (event == V_MESSAGE)
		on_message(w);
	if (event == V_CONNACK) {
		note(w, "CONNACK, session present", v->connack->session_present);
		w->client_knows = true;
		w->resubscribe = w->resubscribe || !v->connack->session_present;
		w->stats->resumed += v->connack->session_present;
	}
}

/* --- the application --------------------------------------------------------------------------- */

static void
publish(struct world *w)
{
	static const uint8_t expiry[] = {2, 0, 0, 0, 0};
	unsigned qos = rng_below(&w->rng, 3);
	unsigned topic = rng_below(&w->rng, MB_TOPICS);
	unsigned seq = judge_new_op(&w->judge, false, topic, qos);
	bool expires = rng_percent(&w->rng, 10);
	char name[8];
	char payload[6000];
	int64_t number;

	snprintf(name, sizeof(name), "t/%u", topic);
	memset(payload, '.', sizeof(payload));
	payload[snprintf(payload, sizeof(payload), "%u", seq)] = ' ';
	w->judge.op[seq].may_expire = expires;
	number = VPUBLISH(&w->v, .qos = (uint8_t)qos, .topic = name, .payload = payload,
	    .len = rng_percent(&w->rng, 3) ? 5000 : 6 + rng_below(&w->rng, 30),
	    .retain = rng_percent(&w->rng, 10), .queued = rng_percent(&w->rng, 30),
	    .properties = expiry, .properties_len = expires ? sizeof(expiry) : 0,
	    .has_expiry = expires, .expiry_at = 1, .expiry_s = 1 + rng_below(&w->rng, 30));
	if (number <= 0)
		judge_not_accepted(&w->judge, seq);
	else if (number < V_OPS)
		w->seq_of[number] = seq;
	w->stats->operations++;
}

/* "s/#" or some of "f/1" to "f/3". */
static void
request(struct world *w, bool subscribe, bool own)
{
	unsigned seq = judge_new_op(&w->judge, true, REQUEST_TOPIC, 0);
	struct tk_buf filters = {0};
	unsigned count = own ? 1 : 1 + rng_below(&w->rng, 3);
	int64_t number;

	for (unsigned i = 0; i < count; i++) {
		tk_buf_str(&filters, own ? "s/#" : i == 0 ? "f/1" : i == 1 ? "f/2" : "f/3");
		if (subscribe)
			tk_buf_u8(&filters, 2);
	}
	number = subscribe ? vclient_subscribe(&w->v, filters.data, filters.len, count, 0)
			   : vclient_unsubscribe(&w->v, filters.data, filters.len, count);
	tk_buf_free(&filters);
	if (number <= 0)
		judge_not_accepted(&w->judge, seq);
	else if (number < V_OPS)
		w->seq_of[number] = seq;
	w->stats->operations++;
}

static void
cancel(struct world *w)
{
	unsigned number = 1 + rng_below(&w->rng, (unsigned)w->v.s.next_number);

	if (number >= V_OPS || w->seq_of[number] == 0)
		return;
	/* One that has completed is not found, and stays as it is. */
	w->judge.op[w->seq_of[number]].canceled = true;
	mqev_session_cancel(&w->v.s, number, MQEV_ERR_CANCELED);
}

static void
acknowledge(struct world *w, int at)
{
	int error = mqev_ack(w->held[at].ack, MQEV_REASON_SUCCESS, NULL);

	if (error == 0)
		judge_taken(&w->judge, w->held[at].token);
	else if (error != MQEV_ERR_LOST)
		flunk(w, "mqev_ack() failed");
	mqev_ack_drop(w->held[at].ack);
	w->held[at] = w->held[--w->held_count];
}

/* --- the link ---------------------------------------------------------------------------------- */

/* The judge of the stream sees each byte as it is written. */
static void
look(struct world *w)
{
	const struct vsink *sink = &w->v.sink;
	size_t len = sink->data != NULL ? (size_t)(sink->base.at - sink->data) : 0;

	if (!w->streaming || len <= w->told)
		return;
	trace(w, "->", sink->data + w->told, len - w->told);
	tk_stream_from_client(&w->stream, sink->data + w->told, len - w->told);
	w->told = len;
	w->last_write_ms = w->v.now;
}

static size_t
waiting_up(const struct world *w)
{
	return w->told - w->taken;
}

static void
move_up(struct world *w, size_t n)
{
	look(w);
	if (n > waiting_up(w))
		n = waiting_up(w);
	mb_input(&w->mb, w->v.sink.data + w->taken, n, w->v.now);
	w->taken += n;
	w->stats->bytes += n;
	if (is_open(w))
		vclient_sent(&w->v, waiting_up(w));
}

static void
emit(struct world *w, unsigned packets)
{
	size_t before = w->down.len;

	mb_emit(&w->mb, &w->down, packets);
	if (w->down.len > before)
		trace(w, "<-", w->down.data + before, w->down.len - before);
	if (w->streaming)
		tk_stream_from_server(&w->stream, w->down.data + before, w->down.len - before);
}

static void
move_down(struct world *w, size_t n)
{
	struct tk_buf piece;

	if (n > w->down.len)
		n = w->down.len;
	if (n == 0)
		return;
	piece = tk_buf_copy(w->down.data, n);
	tk_buf_drain(&w->down, n);
	w->last_down_ms = w->v.now;
	w->stats->bytes += n;
	vclient_receive(&w->v, piece.data, piece.len);
	tk_buf_free(&piece);
	look(w);
}

static void
end_streaming(struct world *w)
{
	if (!w->streaming)
		return;
	look(w);
	failed(w);
	tk_stream_clear(&w->stream);
	w->streaming = false;
}

static void
connect_client(struct world *w)
{
	w->stats->connections++;
	mb_open(&w->mb);
	w->told = w->taken = 0;
	w->stalled = false;
	w->client_knows = false;
	tk_stream_init(&w->stream, w->mb.version, w->stream_session);
	w->streaming = true;
	w->last_write_ms = w->last_down_ms = w->v.now;
	w->v.s.paused = false;
	vclient_connect(&w->v);
	look(w);
}

/* Some of what is under way still arrives, cut anywhere; the rest never does. */
static void
cut(struct world *w)
{
	w->stats->cut++;
	note(w, "cut, state", w->v.s.state);
	move_up(w, rng_below(&w->rng, (unsigned)waiting_up(w) + 1));
	emit(w, rng_below(&w->rng, 3));
	move_down(w, rng_below(&w->rng, (unsigned)w->down.len + 1));
	end_streaming(w);
	vclient_close(&w->v);
	mb_close(&w->mb, w->client_knows, w->v.now);
	tk_buf_clear(&w->down);
	w->told = w->taken = 0;
}

/* Errors that a right broker never gives cause for. */
static void
check_end(struct world *w)
{
	int error = w->v.s.end.error;

	if (w->v.s.state != MQEV_SESSION_ENDED || error == 0 || error == MQEV_ERR_REFUSED)
		return;
	if (error == MQEV_ERR_KEEPALIVE || error == MQEV_ERR_TIMEOUT) {
		if (!w->stalled && !w->mb.over)
			flunk(w, "the session gave up a link that is alive");
		return;
	}
	snprintf(w->error, sizeof(w->error), "the session ended with error %d, reason %02X: %s", error,
	    w->v.s.end.reason, w->v.s.end.text);
}

/* --- time -------------------------------------------------------------------------------------- */

static void
check_clock(struct world *w, unsigned slice)
{
	uint64_t keepalive = (uint64_t)w->v.s.keepalive_s * 1000;
	uint64_t silence = w->v.now - w->last_down_ms;

	if (w->v.s.state != MQEV_SESSION_CONNECTED || keepalive == 0)
		return;
	if (w->v.now - w->last_write_ms > keepalive + slice)
		flunk(w, "nothing was sent for longer than the keepalive");
	if (w->stalled && !w->v.s.paused && silence > keepalive + 10000 + slice)
		flunk(w, "a dead link was not noticed");
}

/* While the link is alive what the session sends is answered: only a stalled one lets it wait. */
static void
pass_time(struct world *w, unsigned ms)
{
	while (ms > 0 && !failed(w)) {
		unsigned slice = ms < 100 ? ms : 100;

		vclient_advance(&w->v, slice);
		look(w);
		if (is_open(w) && mqev_session_deadline(&w->v.s) <= w->v.now)
			flunk(w, "the deadline was not moved by the tick");
		check_clock(w, slice);
		if (is_open(w) && !w->stalled && w->v.s.ping_sent_ms > 0) {
			move_up(w, SIZE_MAX);
			emit(w, 1000);
			move_down(w, SIZE_MAX);
		}
		check_end(w);
		ms -= slice;
	}
}

/* --- what happens ------------------------------------------------------------------------------- */

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
submit(struct world *w)
{
	unsigned what = rng_below(&w->rng, 20);

	if (what < 15)
		publish(w);
	else if (what < 17)
		request(w, true, false);
	else if (what < 19)
		request(w, false, false);
	else
		cancel(w);
}

static void
answer_calls(struct world *w)
{
	if (w->resubscribe && w->v.s.state == MQEV_SESSION_CONNECTED) {
		w->resubscribe = false;
		request(w, true, true);
	}
}

static void
step_offline(struct world *w)
{
	unsigned what = rng_below(&w->rng, 10);

	if (what < 5)
		connect_client(w);
	else if (what < 7)
		submit(w);
	else if (what == 7)
		inject(w);
	else if (what == 8)
		pass_time(w, rng_below(&w->rng, 30000));
	else if (rng_percent(&w->rng, 30))
		mb_lose_session(&w->mb);
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
		move_up(w, 1 + rng_below(&w->rng, rng_percent(&w->rng, 50) ? 5 : 500));
	else if (what < 55 && !w->stalled)
		emit(w, 1 + rng_below(&w->rng, 5));
	else if (what < 75 && !w->stalled)
		move_down(w, 1 + rng_below(&w->rng, rng_percent(&w->rng, 50) ? 5 : 500));
	else if (what < 83)
		inject(w);
	else if (what < 88 && w->held_count > 0)
		acknowledge(w, (int)rng_below(&w->rng, (unsigned)w->held_count));
	else if (what < 92)
		pass_time(w, rng_below(&w->rng, 3000));
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
		pass_time(w, 20000);
	else
		step_online(w);
	answer_calls(w);
	look(w);
	check_end(w);
}

/* --- the end of a run ---------------------------------------------------------------------------- */

static bool
all_done(const struct world *w)
{
	return w->v.s.state == MQEV_SESSION_CONNECTED && vclient_pending(&w->v) == 0 &&
	       mb_idle(&w->mb) && !mb_has_output(&w->mb) && w->down.len == 0 && waiting_up(w) == 0 &&
	       !w->resubscribe && w->held_count == 0;
}

static void
drain_once(struct world *w)
{
	if (w->v.s.state == MQEV_SESSION_IDLE)
		connect_client(w);
	else if (w->v.s.state == MQEV_SESSION_ENDED || w->mb.over || w->stalled)
		cut(w);
	w->v.wants_pump = true;
	vclient_pump(&w->v);
	look(w);
	move_up(w, SIZE_MAX);
	emit(w, 1000);
	move_down(w, SIZE_MAX);
	while (w->held_count > 0)
		acknowledge(w, w->held_count - 1);
	answer_calls(w);
	look(w);
	check_end(w);
}

/* Nothing goes wrong any more: all must come to its end. */
static void
drain(struct world *w)
{
	w->draining = true;
	w->hold_percent = 0;
	w->mb.refuse_percent = 0;
	w->v.no_pump = false;
	w->v.budget = SIZE_MAX;
	for (int i = 0; i < 300 && !all_done(w) && !failed(w); i++)
		drain_once(w);
	if (!failed(w) && !all_done(w))
		snprintf(w->error, sizeof(w->error),
		    "it does not end: %zu operations pending, the broker is %sidle", vclient_pending(&w->v),
		    mb_idle(&w->mb) ? "" : "not ");
	if (failed(w))
		return;
	vclient_disconnect(&w->v, 0, NULL, 0);
	move_up(w, SIZE_MAX);
	judge_finish(&w->judge);
}

static void
choose_settings(struct world *w)
{
	static const enum mqev_session_clean clean[] = {MQEV_SESSION_CLEAN_FIRST_ONLY,
	    MQEV_SESSION_CLEAN_FIRST_ONLY, MQEV_SESSION_CLEAN_NEVER, MQEV_SESSION_CLEAN_ALWAYS};
	struct mqev_session_settings *set = &w->v.settings;
	bool v5 = w->mb.version == TK_V5;

	set->clean = clean[rng_below(&w->rng, 4)];
	set->session_expiry_s = !v5 ? 0 : rng_percent(&w->rng, 60) ? UINT32_MAX : rng_below(&w->rng, 60);
	set->keepalive_s = (uint16_t)(rng_percent(&w->rng, 50) ? 0 : 1 + rng_below(&w->rng, 30));
	set->max_inflight = rng_percent(&w->rng, 50) ? 1 + rng_below(&w->rng, 5) : 100;
	set->receive_maximum =
	    (uint16_t)(rng_percent(&w->rng, 50) ? 65535 : 1 + rng_below(&w->rng, 4));
	set->topic_alias_maximum = (uint16_t)(rng_percent(&w->rng, 50) ? 0 : 1 + rng_below(&w->rng, 4));
	set->max_queued = rng_percent(&w->rng, 20) ? 5 : 1000;
	w->hold_percent = rng_percent(&w->rng, 50) ? 0 : 40;
	vclient_restart(&w->v);
	w->v.s.next_n = rng_percent(&w->rng, 30) ? 64500 + rng_below(&w->rng, 20) : 0;
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
	l->max_qos_1 = rng_percent(&w->rng, 10);
	l->no_retain = rng_percent(&w->rng, 10);
	w->judge.limits = l->max_packet > 0 || l->max_qos_1 || l->no_retain;
}

static void
begin(struct world *w, uint64_t seed, struct world_stats *stats)
{
	int version = seed % 2 != 0 ? TK_V5 : TK_V311;

	memset(w, 0, sizeof(*w));
	w->rng.state = seed;
	w->stats = stats;
	judge_init(&w->judge);
	mb_init(&w->mb, version, &w->rng, &broker_events, w);
	vclient_init(&w->v, (enum mqev_version)version);
	w->v.no_record = true;
	w->v.quiet_sent = true;
	w->v.hook = on_event;
	w->v.hook_arg = w;
	choose_settings(w);
	choose_limits(w);
	w->stream_session = tk_session_new();
}

static void
end(struct world *w)
{
	failed(w);
	end_streaming(w);
	while (w->held_count > 0)
		mqev_ack_drop(w->held[--w->held_count].ack);
	w->v.hook = NULL;
	vclient_free(&w->v);
	mb_free(&w->mb);
	tk_buf_free(&w->down);
	tk_session_free(w->stream_session);
}

const char *
world_run(uint64_t seed, struct world_stats *stats)
{
	static struct world w;
	unsigned steps;

	begin(&w, seed, stats);
	steps = 50 + rng_below(&w.rng, 350);
	for (unsigned i = 0; i < steps && !failed(&w); i++)
		step(&w);
	if (!failed(&w))
		drain(&w);
	end(&w);
	stats->runs++;
	return w.error[0] != '\0' ? w.error : NULL;
}
