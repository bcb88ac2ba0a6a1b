/* The session and time: keepalive, packets that stop arriving, and who else has a deadline. Those
 * of operations: session_deadlines.c. */
#include "core/session.h"

#include "core/encode.h"
#include "core/session_internal.h"

/* A ping leaves early enough that a tick of up to half a second late still keeps the interval
 * ([MQTT-3.1.2-20]). */
static uint64_t
ping_after_ms(const struct mqev_session *s)
{
	uint64_t interval = (uint64_t)s->keepalive_s * 1000;

	if (interval < 2000)
		return interval - 500;
	return interval > 4000 ? interval - 1000 : interval - interval / 4;
}

void
mqev_session_spread_pings(struct mqev_session *s, uint64_t window_ms, uint32_t fraction)
{
	uint64_t most = ping_after_ms(s) / 2;

	s->ping_early_ms = (uint32_t)((window_ms < most ? window_ms : most) * fraction >> 32);
}

/* While an answer is awaited only the duty to send goes on. */
static uint64_t
ping_due(const struct mqev_session *s)
{
	uint64_t idle_since = s->last_sent_ms;
	uint32_t early = 0;

	if (s->keepalive_s == 0 || s->state != MQEV_SESSION_CONNECTED)
		return UINT64_MAX;
	if (s->ping_sent_ms == 0 && s->last_received_ms < idle_since)
		idle_since = s->last_received_ms;
	/* From one ping to the next it is a whole interval: their places stay apart. */
	if (idle_since != s->last_ping_ms)
		early = s->ping_early_ms;
	return idle_since + ping_after_ms(s) - early;
}

#define LONGEST_PING_TIMEOUT_MS 10000

static uint64_t
ping_timeout_ms(const struct mqev_session *s)
{
	uint64_t half = (uint64_t)s->keepalive_s * 500;

	if (s->settings->ping_timeout_ms > 0)
		return s->settings->ping_timeout_ms;
	/* Without keepalive there is only mqev_session_probe(). */
	return half > 0 && half < LONGEST_PING_TIMEOUT_MS ? half : LONGEST_PING_TIMEOUT_MS;
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t
mqev_session_deadline(const struct mqev_session *s)
{
	uint64_t at;

	if (s->state != MQEV_SESSION_CONNECTED && s->state != MQEV_SESSION_CONNECTING)
		return mqev_outbox_deadline(s);
	at = ping_due(s);
	if (s->ping_sent_ms > 0)
		at = earlier(at, s->ping_sent_ms + ping_timeout_ms(s));
	if (s->partial)
		at = earlier(at, s->last_received_ms + s->settings->packet_timeout_ms);
	if (s->settings->hold_timeout_ms > 0)
		at = earlier(at, mqev_owed_deadline(s));
	if (s->exchange != NULL)
		at = earlier(at, mqev_auth_deadline(s));
	if (s->out != NULL)
		at = earlier(at, mqev_outbox_deadline(s));
	return at;
}

static void
send_ping(struct mqev_session *s, uint64_t now)
{
	struct mqev_writer w;

	if (!mqev_session_write(s, MQEV_PINGREQ_SIZE, &w))
		return;
	mqev_pingreq_write(&w);
	mqev_sink_commit(s->sink, MQEV_PINGREQ_SIZE);
	s->last_sent_ms = s->last_ping_ms = now;
	if (s->ping_sent_ms == 0)
		s->ping_sent_ms = now > 0 ? now : 1;
	s->pong_owed = true;
	mqev_session_wrote(
	    s, MQEV_PACKET_PINGREQ, 0, MQEV_PINGREQ_SIZE, (union mqev_packet_view){NULL});
}

/* What is awaited may lie in the socket while the application has paused receiving, and is given
 * all its time again from the first tick after that. */
static void
rest_while_paused(struct mqev_session *s, uint64_t now)
{
	s->rested = mqev_session_is_paused(s);
	s->last_received_ms = now;
	if (s->ping_sent_ms > 0)
		s->ping_sent_ms = now;
	mqev_auth_rest(s, now);
	mqev_outbox_rest(s, now);
}

static bool
is_overdue(struct mqev_session *s, uint64_t now)
{
	if (s->partial && now >= s->last_received_ms + s->settings->packet_timeout_ms)
		mqev_session_end(s, MQEV_ERR_TIMEOUT, MQEV_REASON_UNSPECIFIED_ERROR,
		    "a packet stopped arriving");
	else if (s->ping_sent_ms > 0 && now >= s->ping_sent_ms + ping_timeout_ms(s))
		mqev_session_end(
		    s, MQEV_ERR_KEEPALIVE, MQEV_REASON_KEEP_ALIVE_TIMEOUT, "no answer to PINGREQ");
	return s->state == MQEV_SESSION_ENDED;
}

static void
tick_connection(struct mqev_session *s, uint64_t now)
{
	if (mqev_session_is_paused(s) || s->rested)
		rest_while_paused(s, now);
	if (is_overdue(s, now))
		return;
	if (s->settings->hold_timeout_ms > 0)
		mqev_owed_tick(s, now);
	if (s->exchange != NULL)
		mqev_auth_tick(s, now);
	if (now >= ping_due(s))
		send_ping(s, now);
}

void
mqev_session_tick(struct mqev_session *s, uint64_t now)
{
	if (s->state == MQEV_SESSION_CONNECTED || s->state == MQEV_SESSION_CONNECTING)
		tick_connection(s, now);
	if (s->out != NULL)
		mqev_outbox_tick(s, now);
}

void
mqev_session_probe(struct mqev_session *s, uint64_t now)
{
	if (s->state == MQEV_SESSION_CONNECTED && s->ping_sent_ms == 0)
		send_ping(s, now);
}

void
mqev_session_trim(struct mqev_session *s)
{
	if (s->out != NULL)
		mqev_outbox_trim(s);
	if (s->in != NULL)
		mqev_inbox_trim(s);
}
