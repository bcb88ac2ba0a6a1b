/* The connect controller: from what is wanted to what is, attempts, backoff, and which callback
 * tells of it. */
#include "client/client.h"

#include <string.h>

#include "client/drain.h"
#include "client/last_words.h"
#include "client/link.h"
#include "core/mem.h"
#include "port/port.h"
#include "port/probe.h"

#define CLOSING_MS 2000

/* Whether it takes, or waits for, one of the places that the governor gives. */
static bool
has_turn(enum mqev_client_state state)
{
	return state == MQEV_CLIENT_QUEUED || state == MQEV_CLIENT_PREPARING ||
	       state == MQEV_CLIENT_DIALING || state == MQEV_CLIENT_HANDSHAKE;
}

void
mqev_controller_set_state(struct mqev_client *c, enum mqev_client_state state)
{
	static const char *const names[] = {
	    [MQEV_CLIENT_IDLE] = "idle",
	    [MQEV_CLIENT_WAITING] = "waiting",
	    [MQEV_CLIENT_QUEUED] = "queued",
	    [MQEV_CLIENT_DIALING] = "dialing",
	    [MQEV_CLIENT_HANDSHAKE] = "handshake",
	    [MQEV_CLIENT_CONNECTED] = "connected",
	    [MQEV_CLIENT_CLOSING] = "closing",
	    [MQEV_CLIENT_PREPARING] = "preparing",
	};

	mqev_log(c, MQEV_LOG_DEBUG, "%s -> %s", names[c->state], names[state]);
	MQEV_PROBE_STATE(c, c->state, state);
	mqev_event(c, &(struct mqev_event){.type = MQEV_EVENT_STATE,
			  .state = state,
			  .previous = (enum mqev_client_state)c->state,
			  .text = names[state]});
	mqev_figures_state(c, state);
	c->state = (uint8_t)state;
	if (!has_turn(state))
		mqev_attempt_leave_turn(c);
}

/* --- starting ----------------------------------------------------------------------------------
 */

static void
wake_in(struct mqev_client *c, uint32_t ms)
{
	c->wake_ms = mqev_port_now_ms() + ms;
	c->wakes = true;
}

/* Without memory for a timer the fleet's tick wakes us, a little later. */
static void
set_timer(struct mqev_client *c, uint32_t ms)
{
	if (mqev_attempt_wait(c, ms) != 0)
		wake_in(c, ms);
}

static void
start_waiting(struct mqev_client *c, uint32_t ms)
{
	mqev_controller_set_state(c, MQEV_CLIENT_WAITING);
	set_timer(c, ms);
}

/* Nothing is under way, and nothing is begun until go_on(). */
static void
stop_to_decide(struct mqev_client *c)
{
	c->deciding = true;
	mqev_controller_set_state(c, MQEV_CLIENT_IDLE);
}

/* Sets the client going again after an attempt or a connection. Callbacks run after this. */
static void
go_on(struct mqev_client *c, uint32_t wait_ms)
{
	if (wait_ms != MQEV_NONE) {
		start_waiting(c, wait_ms);
		return;
	}
	mqev_attempt_end(c);
}

/* --- an attempt that failed --------------------------------------------------------------------
 */

/* The attempt is over; what follows is decided, and then told. */
static void
fail_attempt(struct mqev_client *c, const struct mqev_net_error *error, enum mqev_stage stage)
{
	struct mqev_ending ending = {.stage = stage,
	    .error = error->error,
	    .text = error->text,
	    .untrusted = error->untrusted};
	uint32_t wait_ms;

	stop_to_decide(c);
	wait_ms = mqev_retry_decide(c, &ending);
	if (c->freed)
		return;
	go_on(c, wait_ms);
	mqev_tell_connect_fail(c, error, stage, wait_ms);
}

void
mqev_controller_dial_failed(struct mqev_client *c, const struct mqev_net_error *error)
{
	mqev_turns_note(c->fleet, error->system_errno);
	fail_attempt(c, error, (enum mqev_stage)error->stage);
}

static void
set_text(struct mqev_net_error *error, const char *text)
{
	size_t len = strlen(text);

	if (len >= sizeof(error->text))
		len = sizeof(error->text) - 1;
	memcpy(error->text, text, len);
	error->text[len] = '\0';
}

/* --- an attempt begins -------------------------------------------------------------------------
 */

static void
fail_without_memory(struct mqev_client *c)
{
	static const struct mqev_net_error no_memory = {
	    .stage = MQEV_NET_RESOLVE, .error = MQEV_ERR_NOMEM, .text = "out of memory"};

	mqev_controller_dial_failed(c, &no_memory);
}

static void
dial(struct mqev_client *c)
{
	mqev_controller_set_state(c, MQEV_CLIENT_DIALING);
	if (mqev_attempt_dial(c) != 0)
		fail_without_memory(c);
}

static void
fail_preparing(struct mqev_client *c, int error, const char *text)
{
	struct mqev_net_error failure = {.error = error};

	set_text(&failure, text);
	fail_attempt(c, &failure, MQEV_STAGE_PREPARE);
}

/* The application has been asked, and is ready or not. */
static void
end_preparing(struct mqev_client *c)
{
	int answer = mqev_attempt_answer(c);

	c->wakes = false;
	if (answer != 0)
		fail_preparing(c, answer, "the application is not ready");
	else if (c->refused != 0)
		fail_preparing(c, MQEV_ERR_AUTH, "no new login after one was refused");
	else
		dial(c);
}

static void
ask_application(struct mqev_client *c)
{
	const struct mqev_endpoint *server = mqev_client_server(c);
	struct mqev_pre_connect event = {
	    .attempt = c->attempt_number,
	    .failures = c->failures,
	    .host = server->host,
	    .port = server->port,
	    .refused = (enum mqev_reason)c->refused,
	};

	/* A line for on_log that came first may have taken it away. */
	if (c->config->on_pre_connect != NULL)
		c->config->on_pre_connect(c, &event, c->userdata);
}

static void
prepare(struct mqev_client *c)
{
	uint64_t number = c->attempt_number;

	mqev_controller_set_state(c, MQEV_CLIENT_PREPARING);
	mqev_attempt_begin_asking(c);
	if (mqev_log_tell_kept(c) && c->state == MQEV_CLIENT_PREPARING)
		ask_application(c);
	/* It may have freed the client, or begun anew. */
	if (c->freed || c->state != MQEV_CLIENT_PREPARING || c->attempt_number != number)
		return;
	mqev_attempt_end_asking(c);
	if (mqev_attempt_is_held(c))
		set_timer(c, c->config->reconnect.prepare_timeout_ms);
	else
		end_preparing(c);
}

void
mqev_controller_begin(struct mqev_client *c)
{
	c->attempt_number++;
	mqev_figures_attempt(c);
	if (c->config->on_pre_connect != NULL)
		prepare(c);
	else
		dial(c);
}

/* Begins an attempt, or stands in line for it. */
static void
take_turn(struct mqev_client *c)
{
	bool begin = false;

	if (mqev_attempt_ask(c, &begin) != 0)
		fail_without_memory(c);
	else if (begin)
		mqev_controller_begin(c);
	else
		mqev_controller_set_state(c, MQEV_CLIENT_QUEUED);
}

/* The first attempt, which a fleet that starts up spreads over a time. */
static void
start(struct mqev_client *c)
{
	uint32_t ms = mqev_fleet_start_delay_ms(c->fleet);

	if (ms > 0)
		start_waiting(c, ms);
	else
		take_turn(c);
}

/* --- a connection ------------------------------------------------------------------------------
 */

static struct mqev_bytes
id_bytes(const struct mqev_client *c)
{
	size_t len = c->client_id != NULL ? strlen(c->client_id) : 0;

	return (struct mqev_bytes){(const uint8_t *)c->client_id, len};
}

void
mqev_controller_say_hello(struct mqev_client *c)
{
	const struct mqev_endpoint *server = mqev_client_server(c);
	const struct mqev_session_login login = {server->username, server->password};

	mqev_session_connect(&c->session, id_bytes(c), &login, mqev_port_now_ms());
}

/* False: the application gave the attempt up meanwhile. */
static bool
announce_socket(struct mqev_client *c)
{
	struct mqev_link *link = c->link;

	mqev_socket_opened(c);
	if (c->freed)
		return false;
	if (c->state == MQEV_CLIENT_DIALING)
		return true;
	c->link = NULL;
	mqev_link_close(link);
	mqev_socket_closed(c);
	return false;
}

void
mqev_controller_dialed(struct mqev_client *c, struct mqev_conn *conn)
{
	static const struct mqev_net_error no_memory = {
	    .error = MQEV_ERR_NOMEM, .text = "out of memory"};

	mqev_turns_note(c->fleet, 0);
	c->link = mqev_link_open(c, conn);
	if (c->link == NULL) {
		mqev_conn_close(conn);
		fail_attempt(c, &no_memory, MQEV_STAGE_CONNACK);
		return;
	}
	c->got_connack = false;
	if (!announce_socket(c))
		return;
	mqev_controller_set_state(c, MQEV_CLIENT_HANDSHAKE);
	mqev_controller_say_hello(c);
	/* What a store kept may have been delivered. */
	if (c->freed)
		return;
	if (mqev_attempt_wait(c, c->config->connack_ms) != 0)
		mqev_session_abort(&c->session, MQEV_ERR_NOMEM, "out of memory");
}

void
mqev_controller_connected(struct mqev_client *c)
{
	mqev_attempt_end(c);
	c->connected_ms = mqev_port_now_ms();
	mqev_figures_connected(c);
	mqev_fleet_spread_pings(c->fleet, &c->session);
	mqev_controller_set_state(c, MQEV_CLIENT_CONNECTED);
	c->trims_owed = c->link->conn.tls != NULL ? MQEV_TRIMS : 0;
	c->accepted = true;
	c->refused = 0;
	mqev_detour_arrived(c);
	if (c->config->min_uptime_ms == 0)
		mqev_retry_reset(c, c->connected_ms);
}

void
mqev_controller_time_is_up(struct mqev_client *c)
{
	c->wakes = false;
	switch ((enum mqev_client_state)c->state) {
	case MQEV_CLIENT_WAITING:
		take_turn(c);
		break;
	case MQEV_CLIENT_PREPARING:
		if (mqev_attempt_is_held(c))
			fail_preparing(c, MQEV_ERR_TIMEOUT, "on_pre_connect: no answer in time");
		else
			end_preparing(c);
		break;
	case MQEV_CLIENT_HANDSHAKE:
		mqev_session_abort(&c->session, MQEV_ERR_TIMEOUT, "no CONNACK in time");
		break;
	case MQEV_CLIENT_CLOSING:
		mqev_link_close(c->link);
		c->link = NULL;
		break;
	case MQEV_CLIENT_IDLE:
	case MQEV_CLIENT_QUEUED:
	case MQEV_CLIENT_DIALING:
	case MQEV_CLIENT_CONNECTED:
		break;
	}
}

/* The session keeps a pointer only. What the link itself says is told unless the session had ended
 * before. */
void
mqev_controller_link_down(struct mqev_client *c, const struct mqev_net_error *cause)
{
	static const char text[] = "the connection was lost";

	mqev_session_abort(&c->session, cause->error, text);
	if (c->session.end.text == text)
		mqev_last_words_keep_cause(c, cause);
	mqev_cork_forget(&c->fleet->cork, c);
	mqev_socket_closed(c);
	/* The application may have freed the client. */
	if (c->link != NULL)
		mqev_link_close(c->link);
	c->link = NULL;
}

/* --- its end -----------------------------------------------------------------------------------
 */

/* What was said last is sent if it can be; a connection that failed is closed at once. */
static void
part_from_link(struct mqev_client *c, int error)
{
	bool polite =
	    error != MQEV_ERR_LOST && error != MQEV_ERR_KEEPALIVE && error != MQEV_ERR_NOMEM;

	if (c->link == NULL)
		return;
	mqev_cork_flush(&c->fleet->cork);
	if (c->link != NULL && polite)
		mqev_link_linger(c->link, mqev_drain_of(c));
	else if (c->link != NULL)
		mqev_link_close(c->link);
	mqev_cork_forget(&c->fleet->cork, c);
	c->link = NULL;
}

/* How it ended, told in one of the two ways. */
struct farewell {
	struct mqev_session_end end;
	struct mqev_net_error cause; /* as the link says, or the session */
	struct mqev_properties *properties;
	bool got_connack;
};

static void
tell_end(struct mqev_client *c, const struct farewell *f, uint32_t wait_ms)
{
	if (f->got_connack)
		mqev_tell_disconnect(c, &f->end, &f->cause, f->properties, wait_ms);
	else
		mqev_tell_connect_fail(c, &f->cause, MQEV_STAGE_CONNACK, wait_ms);
}

static uint32_t
decide_after(struct mqev_client *c, const struct farewell *f)
{
	bool said_why = f->end.error == MQEV_ERR_REFUSED || f->end.error == MQEV_ERR_DISCONNECTED;
	const struct mqev_ending ending = {
	    .stage = f->got_connack ? MQEV_STAGE_NONE : MQEV_STAGE_CONNACK,
	    .error = f->end.error,
	    .reason = f->end.reason,
	    .said_why = said_why,
	    .from_server = f->end.from_server,
	    .text = f->cause.text,
	    .properties = f->properties,
	};

	return mqev_retry_decide(c, &ending);
}

static void
take_farewell(struct mqev_client *c, struct farewell *f)
{
	memset(f, 0, sizeof(*f));
	f->end = c->session.end;
	f->got_connack = c->got_connack;
	if (!mqev_last_words_take(c, &f->properties, &f->cause))
		set_text(&f->cause, f->end.text);
	f->cause.error = f->end.error;
}

static void
end_connection(struct mqev_client *c)
{
	uint64_t now = mqev_port_now_ms();
	struct farewell f;
	uint32_t wait_ms;

	take_farewell(c, &f);
	part_from_link(c, f.end.error);
	mqev_retry_note_uptime(c, now);
	stop_to_decide(c);
	if (f.end.error != 0)
		mqev_socket_closed(c);
	mqev_session_closed(&c->session, now);
	if (f.got_connack)
		mqev_figures_ended(c, &f.end);
	wait_ms = decide_after(c, &f);
	if (!c->freed) {
		go_on(c, wait_ms);
		tell_end(c, &f, wait_ms);
	}
	mqev_socket_closed(c);
	mqev_properties_free(f.properties);
}

/* Our DISCONNECT must have reached the kernel before on_disconnect may let the application end. */
static bool
still_sending(struct mqev_client *c)
{
	if (c->session.end.error != 0 || c->link == NULL)
		return false;
	mqev_cork_flush(&c->fleet->cork);
	mqev_session_sent(&c->session, mqev_client_unsent(c));
	if (c->link == NULL || c->link->broken || mqev_link_unsent(c->link) == 0)
		return false;
	if (c->state == MQEV_CLIENT_CLOSING)
		return true;
	mqev_controller_set_state(c, MQEV_CLIENT_CLOSING);
	mqev_link_tell_when_empty(c->link);
	return mqev_attempt_wait(c, CLOSING_MS) == 0;
}

static void
report_abandoned(struct mqev_client *c)
{
	static const struct mqev_net_error abandoned = {
	    .error = MQEV_ERR_CANCELED, .text = "given up by the application"};
	enum mqev_stage stage = (enum mqev_stage)c->abandoned;

	c->abandoned = MQEV_STAGE_NONE;
	mqev_tell_connect_fail(c, &abandoned, stage, c->wanted ? 0 : MQEV_NONE);
}

static bool
has_ended(const struct mqev_client *c)
{
	return !c->freed && c->session.state == MQEV_SESSION_ENDED;
}

/* What completes while the last bytes leave may free the client. */
void
mqev_controller_settle(struct mqev_client *c)
{
	if (c->abandoned)
		report_abandoned(c);
	if (has_ended(c) && !still_sending(c) && has_ended(c))
		end_connection(c);
	if (!c->freed && c->state == MQEV_CLIENT_PREPARING && !mqev_attempt_is_held(c))
		end_preparing(c);
	/* Asked for by the application after it had disconnected. */
	if (!c->freed && c->wanted && c->state == MQEV_CLIENT_IDLE)
		start(c);
}

void
mqev_controller_forget_attempt(struct mqev_client *c)
{
	mqev_attempt_end(c);
	c->wakes = false;
	mqev_controller_set_state(c, MQEV_CLIENT_IDLE);
	mqev_fleet_plan(c->fleet, c);
}

void
mqev_controller_drop(struct mqev_client *c)
{
	c->wanted = false;
	mqev_attempt_end(c);
	mqev_cork_forget(&c->fleet->cork, c);
	if (c->link != NULL)
		mqev_link_close(c->link);
	c->link = NULL;
	mqev_last_words_drop(c);
}
