/* A world and what can be done in it. What is done when is run.c's business, what is right
 * judge.c's. */
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_TOPIC 3 /* of the judge, for what is no message */

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

void
world_flunk(struct world *w, const char *what)
{
	if (w->error[0] == '\0')
		snprintf(w->error, sizeof(w->error), "%s", what);
}

bool
world_failed(struct world *w)
{
	const char *stream = w->streaming ? tk_stream_error(&w->stream) : NULL;

	if (w->judge.error[0] != '\0')
		world_flunk(w, w->judge.error);
	if (w->watch.error[0] != '\0')
		world_flunk(w, w->watch.error);
	if (w->mb.error[0] != '\0')
		world_flunk(w, w->mb.error);
	if (w->v.broken[0] != '\0')
		world_flunk(w, w->v.broken);
	if (stream != NULL)
		world_flunk(w, stream);
	return w->error[0] != '\0';
}

bool
world_is_open(const struct world *w)
{
	return w->v.s.state == MQEV_SESSION_CONNECTING || w->v.s.state == MQEV_SESSION_CONNECTED;
}

/* --- the broker tells --------------------------------------------------------------------------
 */

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
broker_received(void *arg, const struct tk_packet *p, struct tk_str topic)
{
	struct world *w = arg;
	unsigned seq = number_in(p->payload);
	bool refuse = w->mb.version == TK_V5 && p->qos > 0 && rng_percent(&w->rng, 3);

	if (p->dup)
		w->stats->dups++;
	judge_received(
	    &w->judge, seq, topic.len == 3 ? (unsigned)(topic.data[2] - '0') : 99, p->qos, refuse);
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

/* --- the session tells -------------------------------------------------------------------------
 */

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
	case MQEV_KEPT:
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
	if (event == V_LATE) {
		world_look(w);
		watch_late(&w->watch, v->late->mid, v->now, v->settings.ack_timeout_ms);
	}
	if (event == V_CONNACK) {
		note(w, "CONNACK, session present", v->connack->session_present);
		w->client_knows = true;
		w->resubscribe = w->resubscribe || !v->connack->session_present;
		w->stats->resumed += v->connack->session_present;
	}
}

/* --- the application ---------------------------------------------------------------------------
 */

bool
world_publish(struct world *w, const struct world_message *m)
{
	static const uint8_t expiry[] = {2, 0, 0, 0, 0};
	unsigned seq = judge_new_op(&w->judge, false, m->topic, m->qos);
	bool expires = m->expiry_s > 0;
	char name[8];
	int64_t number;

	snprintf(name, sizeof(name), "t/%u", m->topic);
	memset(w->payload, '.', sizeof(w->payload));
	w->payload[snprintf(w->payload, sizeof(w->payload), "%u", seq)] = ' ';
	w->judge.op[seq].may_expire = expires;
	w->watch.expires_ms[seq] = expires ? w->v.now + (uint64_t)m->expiry_s * 1000 : 0;
	number = VPUBLISH(&w->v, .qos = (uint8_t)m->qos, .topic = name, .payload = w->payload,
	    .len = m->len, .retain = m->retain, .queued = m->queued, .properties = expiry,
	    .properties_len = expires ? sizeof(expiry) : 0, .has_expiry = expires, .expiry_at = 1,
	    .expiry_s = m->expiry_s);
	if (number <= 0)
		judge_not_accepted(&w->judge, seq);
	else if (number < V_OPS)
		w->seq_of[number] = seq;
	w->stats->operations++;
	return number > 0;
}

/* "s/#" or some of "f/1" to "f/3". */
bool
world_request(struct world *w, bool subscribe, bool own, unsigned count)
{
	unsigned seq = judge_new_op(&w->judge, true, REQUEST_TOPIC, 0);
	struct tk_buf filters = {0};
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
	return number > 0;
}

/* One that has completed is not found, and stays as it is. */
void
world_cancel(struct world *w, unsigned number)
{
	if (number >= V_OPS || w->seq_of[number] == 0)
		return;
	w->judge.op[w->seq_of[number]].canceled = true;
	mqev_session_cancel(&w->v.s, number, MQEV_ERR_CANCELED);
}

void
world_acknowledge(struct world *w, int at)
{
	int error = mqev_ack(w->held[at].ack, MQEV_REASON_SUCCESS, NULL);

	if (error == 0)
		judge_taken(&w->judge, w->held[at].token);
	else if (error != MQEV_ERR_LOST)
		world_flunk(w, "mqev_ack() failed");
	mqev_ack_drop(w->held[at].ack);
	w->held[at] = w->held[--w->held_count];
}

/* --- the link ----------------------------------------------------------------------------------
 */

/* The judge of the stream sees each byte as it is written. */
void
world_look(struct world *w)
{
	const struct vsink *sink = &w->v.sink;
	size_t len = sink->data != NULL ? (size_t)(sink->base.at - sink->data) : 0;

	if (!w->streaming || len <= w->told)
		return;
	trace(w, "->", sink->data + w->told, len - w->told);
	tk_stream_from_client(&w->stream, sink->data + w->told, len - w->told);
	watch_up(&w->watch, sink->data + w->told, len - w->told, w->v.now);
	w->told = len;
	w->last_write_ms = w->v.now;
}

size_t
world_waiting_up(const struct world *w)
{
	return w->told - w->taken;
}

/* What the store was given becomes durable. */
static void
commit(struct world *w)
{
	if (w->journal == NULL || w->journal->base.durable == w->journal->ticket)
		return;
	vjournal_commit(w->journal);
}

void
world_move_up(struct world *w, size_t n)
{
	commit(w);
	world_look(w);
	if (n > world_waiting_up(w))
		n = world_waiting_up(w);
	mb_input(&w->mb, w->v.sink.data + w->taken, n, w->v.now);
	w->taken += n;
	w->stats->bytes += n;
	if (world_is_open(w))
		vclient_sent(&w->v, world_waiting_up(w));
}

void
world_emit(struct world *w, unsigned packets)
{
	size_t before = w->down.len;

	mb_emit(&w->mb, &w->down, packets);
	if (w->down.len > before)
		trace(w, "<-", w->down.data + before, w->down.len - before);
	if (w->streaming)
		tk_stream_from_server(&w->stream, w->down.data + before, w->down.len - before);
}

void
world_move_down(struct world *w, size_t n)
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
	watch_down(&w->watch, piece.data, piece.len);
	vclient_receive(&w->v, piece.data, piece.len);
	tk_buf_free(&piece);
	world_look(w);
}

static void
end_streaming(struct world *w)
{
	if (!w->streaming)
		return;
	world_look(w);
	world_failed(w);
	tk_stream_clear(&w->stream);
	w->streaming = false;
}

void
world_connect(struct world *w)
{
	w->stats->connections++;
	mb_open(&w->mb);
	w->told = w->taken = 0;
	w->stalled = false;
	w->client_knows = false;
	tk_stream_init(&w->stream, w->mb.version, w->stream_session);
	watch_connect(&w->watch);
	w->streaming = true;
	w->last_write_ms = w->last_down_ms = w->v.now;
	w->v.s.paused = false;
	vclient_connect(&w->v);
	world_look(w);
}

void
world_close(struct world *w)
{
	w->stats->cut++;
	note(w, "closed, state", w->v.s.state);
	end_streaming(w);
	vclient_close(&w->v);
	mb_close(&w->mb, w->client_knows, w->v.now);
	tk_buf_clear(&w->down);
	w->told = w->taken = 0;
}

/* By option the session gives up a connection on which an acknowledgement is late. */
static bool
ended_for_ack(struct world *w)
{
	const struct mqev_session_settings *set = &w->v.settings;

	if (w->v.s.end.error != MQEV_ERR_TIMEOUT || set->ack_action != MQEV_ACK_ACTION_RECONNECT)
		return false;
	if (!watch_overdue(&w->watch, w->v.now + WATCH_SLICE_MS, set->ack_timeout_ms))
		return false;
	w->watch.late++;
	return true;
}

/* Errors that a right broker never gives cause for. */
void
world_check_end(struct world *w)
{
	int error = w->v.s.end.error;

	if (w->v.s.state != MQEV_SESSION_ENDED || error == 0 || error == MQEV_ERR_REFUSED ||
	    (w->no_memory && error == MQEV_ERR_NOMEM))
		return;
	if (error == MQEV_ERR_KEEPALIVE || error == MQEV_ERR_TIMEOUT) {
		if (!w->stalled && !w->mb.over && !ended_for_ack(w))
			world_flunk(w, "the session gave up a link that is alive");
		return;
	}
	snprintf(w->error, sizeof(w->error), "the session ended with error %d, reason %02X: %s",
	    error, w->v.s.end.reason, w->v.s.end.text);
}

/* --- time --------------------------------------------------------------------------------------
 */

static void
check_clock(struct world *w, unsigned slice)
{
	uint64_t keepalive = (uint64_t)w->v.s.keepalive_s * 1000;
	uint64_t silence = w->v.now - w->last_down_ms;

	if (w->v.s.state == MQEV_SESSION_CONNECTED && w->v.settings.ack_timeout_ms > 0 &&
	    watch_overdue(&w->watch, w->v.now, w->v.settings.ack_timeout_ms + 2 * WATCH_SLICE_MS))
		world_flunk(w, "nobody noticed that an acknowledgement is late");
	if (w->v.s.state != MQEV_SESSION_CONNECTED || keepalive == 0)
		return;
	if (w->v.now - w->last_write_ms > keepalive + slice)
		world_flunk(w, "nothing was sent for longer than the keepalive");
	if (w->stalled && !w->v.s.paused && silence > keepalive + 10000 + slice)
		world_flunk(w, "a dead link was not noticed");
}

/* While the link is alive what the session sends is answered: only a stalled one lets it wait. */
void
world_pass_time(struct world *w, unsigned ms)
{
	while (ms > 0 && !world_failed(w)) {
		unsigned slice = ms < WATCH_SLICE_MS ? ms : WATCH_SLICE_MS;

		vclient_advance(&w->v, slice);
		commit(w);
		world_look(w);
		if (world_is_open(w) && mqev_session_deadline(&w->v.s) <= w->v.now)
			world_flunk(w, "the deadline was not moved by the tick");
		check_clock(w, slice);
		if (world_is_open(w) && !w->stalled && w->v.s.ping_sent_ms > 0) {
			world_move_up(w, SIZE_MAX);
			world_emit(w, 1000);
			world_move_down(w, SIZE_MAX);
		}
		world_check_end(w);
		ms -= slice;
	}
}

void
world_resubscribe(struct world *w)
{
	if (w->resubscribe && w->v.s.state == MQEV_SESSION_CONNECTED) {
		w->resubscribe = !world_request(w, true, true, 1);
	}
}

/* --- the end of a run ----------------------------------------------------------------------------
 */

static bool
all_done(const struct world *w)
{
	return w->v.s.state == MQEV_SESSION_CONNECTED && vclient_pending(&w->v) == 0 &&
	       mb_idle(&w->mb) && !mb_has_output(&w->mb) && w->down.len == 0 &&
	       world_waiting_up(w) == 0 && !w->resubscribe && w->held_count == 0;
}

static void
drain_once(struct world *w)
{
	if (w->v.s.state == MQEV_SESSION_IDLE)
		world_connect(w);
	else if (w->v.s.state == MQEV_SESSION_ENDED || w->mb.over || w->stalled)
		world_close(w);
	w->v.wants_pump = true;
	vclient_pump(&w->v);
	world_look(w);
	world_move_up(w, SIZE_MAX);
	world_emit(w, 1000);
	world_move_down(w, SIZE_MAX);
	while (w->held_count > 0)
		world_acknowledge(w, w->held_count - 1);
	world_resubscribe(w);
	world_look(w);
	world_check_end(w);
}

/* Nothing goes wrong any more: all must come to its end. */
void
world_drain(struct world *w)
{
	w->hold_percent = 0;
	w->mb.refuse_percent = 0;
	w->v.no_pump = false;
	w->v.budget = SIZE_MAX;
	for (int i = 0; i < 300 && !all_done(w) && !world_failed(w); i++)
		drain_once(w);
	if (!world_failed(w) && !all_done(w))
		snprintf(w->error, sizeof(w->error),
		    "it does not end: %zu operations pending, the broker is %sidle",
		    vclient_pending(&w->v), mb_idle(&w->mb) ? "" : "not ");
	if (world_failed(w))
		return;
	vclient_disconnect(&w->v, 0, NULL, 0);
	world_move_up(w, SIZE_MAX);
	judge_finish(&w->judge);
}

/* --- begin and end -----------------------------------------------------------------------------
 */

void
world_begin(struct world *w, int version, uint64_t seed, struct world_stats *stats)
{
	memset(w, 0, sizeof(*w));
	w->rng.state = seed;
	w->stats = stats;
	judge_init(&w->judge);
	watch_init(&w->watch, version);
	mb_init(&w->mb, version, &w->rng, &broker_events, w);
	vclient_init(&w->v, (enum mqev_version)version);
	w->v.no_record = true;
	w->v.quiet_sent = true;
	w->v.hook = on_event;
	w->v.hook_arg = w;
	w->stream_session = tk_session_new();
}

void
world_keep(struct world *w, struct vjournal *journal)
{
	w->journal = journal;
	vjournal_init(journal, &w->v);
	journal->quiet = true;
}

void
world_end(struct world *w)
{
	world_failed(w);
	end_streaming(w);
	while (w->held_count > 0)
		mqev_ack_drop(w->held[--w->held_count].ack);
	w->v.hook = NULL;
	vclient_free(&w->v);
	if (w->journal != NULL)
		vjournal_free(w->journal);
	mb_free(&w->mb);
	w->stats->late += w->watch.late;
	watch_free(&w->watch);
	tk_buf_free(&w->down);
	tk_session_free(w->stream_session);
}
