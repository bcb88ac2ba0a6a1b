/* When the next attempt to connect is made, if at all. Timers and callbacks are the controller's.
 */
#include "client/client.h"
#include "core/backoff.h"
#include "core/reason.h"
#include "port/port.h"

#define FAULTS_BEFORE_STOP 3

static uint32_t
random_number(void)
{
	uint32_t number = 0;

	/* Without randomness the wait is the longest one: late, but never a stampede of our making.
	 */
	if (mqev_port_random(&number, sizeof(number)) != 0)
		return UINT32_MAX;
	return number;
}

static uint32_t
backoff(struct mqev_client *c, bool slow)
{
	const struct mqev_config *config = c->config;
	uint32_t min = config->reconnect_min_ms;

	if (slow && config->reconnect_max_ms / 2 > min)
		min = config->reconnect_max_ms / 2;
	return mqev_backoff_ms(
	    c->retries++, min, config->reconnect_max_ms, MQEV_JITTER_EQUAL, random_number());
}

/* How long to wait; MQEV_NONE: there is to be no further attempt. */
static uint32_t
next_wait(struct mqev_client *c, bool slow)
{
	if (!c->wanted)
		return MQEV_NONE;
	if (c->config->no_reconnect) {
		c->wanted = false;
		return MQEV_NONE;
	}
	return backoff(c, slow);
}

/* Each server of the list once, then the backoff. */
uint32_t
mqev_retry_after_failure(struct mqev_client *c)
{
	c->server = (c->server + 1) % (uint32_t)c->servers.count;
	if (c->server != 0 && c->wanted && !c->config->no_reconnect)
		return 0;
	return next_wait(c, false);
}

static bool
stop_for_faults(struct mqev_client *c)
{
	return ++c->faults >= FAULTS_BEFORE_STOP;
}

static uint32_t
after_reason(struct mqev_client *c, uint8_t reason)
{
	switch (mqev_reason_class(reason)) {
	case MQEV_CLASS_RETRY:
	case MQEV_CLASS_REDIRECT:
		return mqev_retry_after_failure(c);
	case MQEV_CLASS_RETRY_SLOW:
		return next_wait(c, true);
	case MQEV_CLASS_FAULT:
		if (!stop_for_faults(c))
			return next_wait(c, true);
		break;
	case MQEV_CLASS_NEEDS_INPUT:
	case MQEV_CLASS_STOP:
		break;
	}
	c->wanted = false;
	return MQEV_NONE;
}

static bool
is_fault(int error)
{
	return error == MQEV_ERR_MALFORMED || error == MQEV_ERR_PROTOCOL ||
	       error == MQEV_ERR_TOO_LARGE;
}

static bool
has_id(const struct mqev_client *c)
{
	return c->client_id != NULL && c->client_id[0] != '\0';
}

/* The next lower version, from now on; 3.1 needs an identifier of its length. */
static bool
step_down(struct mqev_client *c)
{
	if (!c->config->protocol_fallback || c->session.version == MQEV_V31)
		return false;
	if (c->session.version == MQEV_V311) {
		if (has_id(c) && !mqev_client_id_valid(MQEV_V31, c->client_id))
			return false;
		if (!has_id(c) && !mqev_client_make_id(c))
			return false;
	}
	c->session.version--;
	return true;
}

/* True when a refused client can ask again at once, in another way. */
static bool
can_ask_otherwise(struct mqev_client *c, const struct mqev_session_end *end)
{
	if (end->error != MQEV_ERR_REFUSED || !c->wanted || c->config->no_reconnect)
		return false;
	if (end->reason == MQEV_REASON_UNSUPPORTED_PROTOCOL_VERSION)
		return step_down(c);
	return end->reason == MQEV_REASON_CLIENT_IDENTIFIER_NOT_VALID &&
	       c->config->random_client_id && !has_id(c) && mqev_client_make_id(c);
}

/* The server held a session that is not ours: the next attempt asks for a new one. */
static bool
can_begin_anew(const struct mqev_client *c)
{
	return c->session.begin_anew && !c->session.sent_clean && c->wanted &&
	       !c->config->no_reconnect;
}

uint32_t
mqev_retry_after_end(struct mqev_client *c, const struct mqev_session_end *end)
{
	bool said_why = end->error == MQEV_ERR_REFUSED || end->error == MQEV_ERR_DISCONNECTED;

	if (can_ask_otherwise(c, end) || can_begin_anew(c))
		return 0;
	if (said_why || is_fault(end->error))
		return after_reason(c, end->reason);
	/* Our own side refused: the server is not the right one, or credentials are missing. */
	if (end->error == MQEV_ERR_AUTH)
		return after_reason(c, MQEV_REASON_NOT_AUTHORIZED);
	if (!c->got_connack)
		return mqev_retry_after_failure(c);
	c->faults = 0;
	return next_wait(c, false);
}

void
mqev_retry_note_uptime(struct mqev_client *c, uint64_t now)
{
	bool was_connected = c->state == MQEV_CLIENT_CONNECTED || c->state == MQEV_CLIENT_CLOSING;

	if (was_connected && now - c->connected_ms >= c->config->min_uptime_ms)
		c->retries = 0;
}
