/* mqev_client_stats() and mqev_fleet_stats(): one copy of what was counted elsewhere. */
#include <string.h>

#include <mqev/stats.h>

#include "client/client.h"
#include "net/transport.h"

static uint64_t
sum(const uint64_t *counters, size_t count)
{
	uint64_t all = 0;

	for (size_t i = 0; i < count; i++)
		all += counters[i];
	return all;
}

/* What the caller's struct has room for; the rest of a longer one is 0. */
static int
hand_out(const struct mqev_stats *full, struct mqev_stats *stats)
{
	size_t size = stats->size;
	size_t known = size < sizeof(*full) ? size : sizeof(*full);

	memset(stats, 0, size);
	memcpy(stats, full, known);
	stats->size = size;
	return 0;
}

static bool
valid(const struct mqev_stats *stats)
{
	return stats != NULL && stats->size >= sizeof(stats->size);
}

int
mqev_client_stats(const struct mqev_client *c, struct mqev_stats *stats)
{
	const struct mqev_session *s;
	struct mqev_stats full = {0};

	if (c == NULL || !valid(stats))
		return MQEV_ERR_INVALID;
	s = &c->session;
	full.messages_in = s->messages_in;
	full.messages_out = s->messages_out;
	full.bytes_in = s->bytes_in;
	full.bytes_out = s->written;
	full.drops = c->figures.drops;
	full.attempts = c->attempt_number;
	full.connects = c->figures.connects;
	full.connect_failures = c->figures.connect_failures;
	full.ends = c->figures.ends;
	full.queued = mqev_session_queued(s);
	full.queued_bytes = mqev_session_queued_bytes(s);
	full.inflight = mqev_session_inflight(s);
	return hand_out(&full, stats);
}

static void
fill_messages(const struct mqev_tally *t, struct mqev_stats *full)
{
	full->messages_in = sum(t->messages_in, 3);
	full->messages_out = sum(t->messages_out, 3);
	full->bytes_in = t->bytes_in;
	full->bytes_out = t->bytes_out;
	full->inflight = t->inflight;
	memcpy(full->messages_in_qos, t->messages_in, sizeof(full->messages_in_qos));
	memcpy(full->messages_out_qos, t->messages_out, sizeof(full->messages_out_qos));
	memcpy(full->message_bytes_in_qos, t->message_bytes_in, sizeof(full->message_bytes_in_qos));
	memcpy(
	    full->message_bytes_out_qos, t->message_bytes_out, sizeof(full->message_bytes_out_qos));
	full->ack_ms = t->ack_ms;
	full->ping_ms = t->ping_ms;
}

static void
fill_connections(const struct mqev_figures *f, struct mqev_stats *full)
{
	full->drops = sum(f->drops, MQEV_STATS_CAUSES);
	full->attempts = f->attempts;
	full->connects = f->connects;
	full->connect_failures = sum(f->connect_failures, MQEV_STATS_STAGES);
	full->ends = sum(f->ends, MQEV_STATS_CAUSES);
	full->descriptor_holds = f->descriptor_holds;
	full->parked = f->parked;
	full->unreadable = f->unreadable;
	full->loop_lag_longest_us = f->loop_lag_longest_us;
	full->loop_lag_us = f->loop_lag_us;
	memcpy(full->drops_by, f->drops, sizeof(full->drops_by));
	memcpy(full->ends_by, f->ends, sizeof(full->ends_by));
	memcpy(full->states, f->states, sizeof(full->states));
	memcpy(full->connect_failures_by, f->connect_failures, sizeof(full->connect_failures_by));
}

int
mqev_fleet_stats(const struct mqev_fleet *fleet, struct mqev_stats *stats)
{
	const struct mqev_net_stats *net;
	struct mqev_stats full = {0};

	if (fleet == NULL || !valid(stats))
		return MQEV_ERR_INVALID;
	net = mqev_net_stats(fleet->net);
	fill_messages(&fleet->cork.sink.tally, &full);
	fill_connections(&fleet->figures, &full);
	full.queued = fleet->queue.budget.used.count;
	full.queued_bytes = fleet->queue.budget.used.bytes;
	full.clients = fleet->client_count;
	full.tls_handshakes = net->tls_handshakes;
	full.tls_resumed = net->tls_resumed;
	full.tls_failed = net->tls_failed;
	full.handshakes = fleet->turns.governor.active;
	full.waiting_turns = fleet->turns.governor.waiting;
	return hand_out(&full, stats);
}
