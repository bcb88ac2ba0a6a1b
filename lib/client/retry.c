/* When the next attempt to connect is made, if at all. Timers and callbacks are the controller's.
 */
#include "client/client.h"
#include "client/durable.h"
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

/* Until the application, in a callback, says by other calls what it wants. */
static bool
is_deciding(const struct mqev_client *c)
{
	return c->deciding && !c->freed;
}

/* How long to wait; the application may have a formula of its own. */
static uint32_t
backoff(struct mqev_client *c, bool slow)
{
	const struct mqev_config *config = c->config;
	const struct mqev_backoff event = {
	    .waits = c->retries++,
	    .min_ms = config->reconnect_min_ms,
	    .max_ms = config->reconnect_max_ms,
	    .slow = slow,
	    .random = random_number(),
	};
	uint32_t min = event.min_ms;

	if (!is_deciding(c))
		return MQEV_NONE;
	if (config->reconnect.backoff != NULL)
		return config->reconnect.backoff(c, &event, c->userdata);
	if (slow && event.max_ms / 2 > min)
		min = event.max_ms / 2;
	return mqev_backoff_ms(
	    event.waits, min, event.max_ms, config->reconnect.jitter, event.random);
}

/* Each server of the list once, then the backoff: a slow one for a certificate that is refused,
 * which takes a clock or a renewal to mend. */
static uint32_t
after_failure(struct mqev_client *c, const struct mqev_ending *e)
{
	if (mqev_detour_of(c) != NULL)
		return mqev_detour_next(c) ? 0 : backoff(c, e->untrusted);
	c->server = (c->server + 1) % (uint32_t)c->servers->list.count;
	return c->server != 0 ? 0 : backoff(c, e->untrusted);
}

static bool
stop_for_faults(struct mqev_client *c)
{
	return ++c->faults >= FAULTS_BEFORE_STOP;
}

/* Without anybody who could give a new login there is nothing to try. */
static uint32_t
ask_for_login(struct mqev_client *c, uint8_t reason)
{
	if (c->config->on_pre_connect == NULL)
		return MQEV_NONE;
	c->refused = reason;
	return backoff(c, false);
}

static uint32_t
after_reason(struct mqev_client *c, const struct mqev_ending *e, uint8_t reason)
{
	switch (mqev_reason_class(reason)) {
	case MQEV_CLASS_REDIRECT:
		if (mqev_redirect_follow(c, e))
			return 0;
		return after_failure(c, e);
	case MQEV_CLASS_RETRY:
		return after_failure(c, e);
	case MQEV_CLASS_RETRY_SLOW:
		return backoff(c, true);
	case MQEV_CLASS_FAULT:
		return stop_for_faults(c) ? MQEV_NONE : backoff(c, true);
	case MQEV_CLASS_NEEDS_INPUT:
		return ask_for_login(c, reason);
	case MQEV_CLASS_STOP:
		break;
	}
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
can_ask_otherwise(struct mqev_client *c, const struct mqev_ending *e)
{
	if (e->error != MQEV_ERR_REFUSED)
		return false;
	if (e->reason == MQEV_REASON_UNSUPPORTED_PROTOCOL_VERSION)
		return step_down(c);
	return e->reason == MQEV_REASON_CLIENT_IDENTIFIER_NOT_VALID &&
	       c->config->random_client_id && !has_id(c) && mqev_client_make_id(c);
}

/* The server held a session that is not ours: the next attempt asks for a new one. A server that
 * always says so is not asked for ever without a wait. */
static bool
can_begin_anew(const struct mqev_client *c)
{
	const struct mqev_session *s = &c->session;

	return s->made_room || (s->begin_anew && !s->sent_clean && !s->made_room_once);
}

static uint32_t
after_connection(struct mqev_client *c, const struct mqev_ending *e)
{
	if (can_ask_otherwise(c, e) || can_begin_anew(c))
		return 0;
	if (e->said_why || is_fault(e->error))
		return after_reason(c, e, e->reason);
	/* Our own side refused: the server is not the right one, or credentials are missing. */
	if (e->error == MQEV_ERR_AUTH)
		return after_reason(c, e, MQEV_REASON_NOT_AUTHORIZED);
	if (e->stage != MQEV_STAGE_NONE)
		return after_failure(c, e);
	c->faults = 0;
	mqev_detour_drop(c);
	return backoff(c, false);
}

/* --- limits ------------------------------------------------------------------------------------
 */

static bool
gives_up(const struct mqev_client *c, uint32_t wait_ms, uint64_t now)
{
	const struct mqev_reconnect_options *rules = &c->config->reconnect;

	if (rules->give_up_first && !c->accepted && wait_ms > 0)
		return true;
	if (rules->max_failures > 0 && c->failures >= rules->max_failures)
		return true;
	return rules->max_trying_ms > 0 &&
	       now + wait_ms > c->trying_since_ms + rules->max_trying_ms;
}

/* What the library would do. Each ending by the application's own wish is followed by its next one,
 * if it has one. */
static uint32_t
propose(struct mqev_client *c, const struct mqev_ending *e)
{
	uint32_t wait_ms;

	if (c->config->no_reconnect || mqev_durable_error(c) != 0)
		return MQEV_NONE;
	if (e->stage == MQEV_STAGE_PREPARE)
		wait_ms = e->error == MQEV_ERR_AUTH ? MQEV_NONE : backoff(c, false);
	else if (e->stage != MQEV_STAGE_NONE && e->stage != MQEV_STAGE_CONNACK)
		wait_ms = after_failure(c, e);
	else
		wait_ms = after_connection(c, e);
	if (c->freed || wait_ms == MQEV_NONE || gives_up(c, wait_ms, mqev_port_now_ms()))
		return MQEV_NONE;
	return wait_ms;
}

/* --- the application's verdict -----------------------------------------------------------------
 */

struct verdict {
	struct mqev_client *client;
	struct mqev_servers *servers; /* NULL: the same */
	uint32_t wait_ms;
};

static struct verdict *
verdict_of(const struct mqev_retry *retry)
{
	return retry != NULL ? retry->verdict : NULL;
}

static void
pronounce(struct verdict *v, uint32_t wait_ms)
{
	mqev_servers_unref(v->servers);
	v->servers = NULL;
	v->wait_ms = wait_ms;
}

int
mqev_retry_after(const struct mqev_retry *retry, uint32_t ms)
{
	struct verdict *v = verdict_of(retry);

	if (v == NULL || ms == MQEV_NONE)
		return MQEV_ERR_INVALID;
	pronounce(v, ms);
	return 0;
}

int
mqev_retry_stop(const struct mqev_retry *retry)
{
	struct verdict *v = verdict_of(retry);

	if (v == NULL)
		return MQEV_ERR_INVALID;
	pronounce(v, MQEV_NONE);
	return 0;
}

int
mqev_retry_elsewhere(const struct mqev_retry *retry, const char *url, uint32_t ms)
{
	struct verdict *v = verdict_of(retry);
	struct mqev_servers *servers;
	int error;

	if (v == NULL || url == NULL || ms == MQEV_NONE)
		return MQEV_ERR_INVALID;
	error = mqev_connect_parse(v->client, url, &servers);
	if (error != 0)
		return error;
	pronounce(v, ms);
	v->servers = servers;
	return 0;
}

static uint32_t
ask(struct mqev_client *c, const struct mqev_ending *e, uint32_t wait_ms)
{
	static const struct mqev_properties none = {0};
	struct verdict v = {.client = c, .wait_ms = wait_ms};
	const struct mqev_retry event = {
	    .stage = e->stage,
	    .error = e->error,
	    .reason = (enum mqev_reason)(e->said_why ? e->reason : 0),
	    .from_server = e->from_server,
	    .failures = c->failures,
	    .retry_ms = wait_ms,
	    .properties = e->properties != NULL ? e->properties : &none,
	    .text = e->text,
	    .verdict = &v,
	};

	c->config->reconnect.on_retry(c, &event, c->userdata);
	if (is_deciding(c) && v.servers != NULL)
		mqev_connect_use(c, v.servers);
	else
		mqev_servers_unref(v.servers);
	return v.wait_ms;
}

uint32_t
mqev_retry_decide(struct mqev_client *c, const struct mqev_ending *e)
{
	uint32_t wait_ms = 0;

	if (!c->succeeded)
		c->failures++;
	c->succeeded = false;
	/* At the application's wish: nothing to decide. */
	if (e->error == 0 || e->error == MQEV_ERR_CANCELED || !c->wanted)
		c->deciding = false;
	if (is_deciding(c))
		wait_ms = propose(c, e);
	if (is_deciding(c) && c->config->reconnect.on_retry != NULL)
		wait_ms = ask(c, e, wait_ms);
	/* It may have said by other calls what it wants. */
	if (!is_deciding(c))
		return c->wanted && !c->freed ? 0 : MQEV_NONE;
	c->deciding = false;
	c->wanted = wait_ms != MQEV_NONE;
	return wait_ms;
}

void
mqev_retry_reset(struct mqev_client *c, uint64_t now)
{
	c->retries = 0;
	c->failures = 0;
	c->trying_since_ms = now;
}

/* So long a connection must have lived that redirects do not count as a chain. */
#define CALM_MS 10000

void
mqev_retry_note_uptime(struct mqev_client *c, uint64_t now)
{
	bool was_connected = c->state == MQEV_CLIENT_CONNECTED || c->state == MQEV_CLIENT_CLOSING;

	if (!was_connected)
		return;
	if (now - c->connected_ms >= CALM_MS)
		c->hops = 0;
	if (now - c->connected_ms < c->config->min_uptime_ms)
		return;
	c->succeeded = true;
	mqev_retry_reset(c, now);
}
