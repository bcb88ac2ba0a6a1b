/* The kit of the client's tests: callbacks to words, operations to a ledger. */
#include "wire/client_kit.h"

#include <stdarg.h>
#include <stdio.h>

struct kit kit;

struct kit_operation {
	uint64_t number;		  /* 0: not accepted (yet) */
	const struct mqev_client *client; /* when it completed */
	int done;			  /* completions */
	int common;			  /* calls of on_publish and its kin */
	int error;
	struct kit_operation *next;
};

/* --- words -------------------------------------------------------------------------------------
 */

const char *
kit_error_name(int error)
{
	static const char *const names[] = {"OK", "INVALID", "NOMEM", "STATE", "UNSUPPORTED",
	    "NOT_FOUND", "QUEUE_FULL", "CANCELED", "REFUSED", "SESSION_LOST", "EXPIRED", "TIMEOUT",
	    "LOST", "RESOLVE", "SYSTEM", "TLS", "PROXY", "WEBSOCKET", "MALFORMED", "PROTOCOL",
	    "KEEPALIVE", "DISCONNECTED", "TOO_LARGE", "QOS", "RETAIN", "WILDCARD", "SHARED",
	    "SUBSCRIPTION_ID", "AUTH", "STORE", "STORE_FULL", "STORE_DAMAGED", "STORE_VERSION",
	    "STORE_BUSY", "STORE_ACCESS", "DROPPED"};

	if (error == MQEV_KEPT)
		return "KEPT";
	ck_assert_int_le(error, 0);
	ck_assert_int_gt(error, -(int)(sizeof(names) / sizeof(names[0])));
	return names[-error];
}

static const char *
stage_name(enum mqev_stage stage)
{
	static const char *const names[] = {
	    "none", "resolve", "dial", "proxy", "tls", "websocket", "connack", "prepare"};

	ck_assert_int_le((int)stage, MQEV_STAGE_PREPARE);
	return names[stage];
}

static void
note(enum kit_event event, const char *format, ...)
{
	char word[512];
	va_list args;

	kit.count[event]++;
	ck_assert_msg(
	    kit.in_call == 0, "a callback (kind %d) ran inside a call of the application", event);
	if (kit.quiet[event])
		return;
	va_start(args, format);
	vsnprintf(word, sizeof(word), format, args);
	va_end(args);
	tk_buf_printf(&kit.diary, "%s%s", kit.diary.len > 0 ? " " : "", word);
}

const char *
kit_diary(void)
{
	tk_buf_u8(&kit.diary, 0);
	kit.diary.len--;
	return (const char *)kit.diary.data;
}

static void
hook(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	if (kit.hook != NULL)
		kit.hook(event, c, what, userdata);
}

/* --- callbacks ---------------------------------------------------------------------------------
 */

static void
on_connect(struct mqev_client *c, const struct mqev_connack *connack, void *userdata)
{
	ck_assert_ptr_nonnull(connack->properties);
	kit.connack = *connack;
	kit.connack.properties = NULL;
	note(KIT_CONNECT, "connect:%02X%s", (unsigned)connack->reason,
	    connack->session_present ? "+session" : "");
	hook(KIT_CONNECT, c, connack, userdata);
}

static void
keep_text(const char *text)
{
	ck_assert_ptr_nonnull(text);
	snprintf(kit.text, sizeof(kit.text), "%s", text);
}

static void
on_connect_fail(struct mqev_client *c, const struct mqev_connect_failure *failure, void *userdata)
{
	kit.failure = *failure;
	keep_text(failure->text);
	kit.failure.text = kit.text;
	note(KIT_CONNECT_FAIL, "fail:%s:%s", stage_name(failure->stage),
	    kit_error_name(failure->error));
	hook(KIT_CONNECT_FAIL, c, failure, userdata);
}

static void
on_disconnect(struct mqev_client *c, const struct mqev_disconnection *d, void *userdata)
{
	ck_assert_ptr_nonnull(d->properties);
	kit.disconnection = *d;
	kit.disconnection.properties = NULL;
	keep_text(d->text);
	kit.disconnection.text = kit.text;
	note(KIT_DISCONNECT, "disconnect:%s", kit_error_name(d->error));
	hook(KIT_DISCONNECT, c, d, userdata);
}

static void
note_message(enum kit_event event, const char *word, const struct mqev_message *m)
{
	ck_assert_uint_eq(m->topic_len, strlen(m->topic));
	ck_assert_ptr_nonnull(m->properties);
	ck_assert(m->qos == 0 ? m->mid == 0 : m->mid != 0);
	note(event, "%s:%s:%.*s:%d%s%s", word, m->topic,
	    m->payload_len < 64 ? (int)m->payload_len : 64, (const char *)m->payload, m->qos,
	    m->retain ? "r" : "", m->dup ? "d" : "");
}

static void
on_message(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	note_message(KIT_MESSAGE, "message", m);
	hook(KIT_MESSAGE, c, m, userdata);
}

void
kit_filter_message(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	const char *name = userdata;

	note_message(KIT_FILTER, name != NULL ? name : "filter", m);
	hook(KIT_FILTER, c, m, userdata);
}

/* --- callbacks that are rarely used ------------------------------------------------------------
 */

static void
on_pre_connect(struct mqev_client *c, const struct mqev_pre_connect *attempt, void *userdata)
{
	ck_assert_ptr_nonnull(attempt->host);
	ck_assert_int_eq((int)mqev_client_state(c), MQEV_CLIENT_PREPARING);
	note(KIT_PRE_CONNECT, "pre");
	hook(KIT_PRE_CONNECT, c, attempt, userdata);
}

static void
note_socket(enum kit_event event, const char *word, struct mqev_client *c,
    const struct mqev_socket *socket, void *userdata)
{
	ck_assert_int_ge(socket->fd, 0);
	note(event, "%s", word);
	hook(event, c, socket, userdata);
}

static void
on_socket_open(struct mqev_client *c, const struct mqev_socket *socket, void *userdata)
{
	note_socket(KIT_SOCKET_OPEN, "open", c, socket, userdata);
}

static void
on_socket_write(struct mqev_client *c, const struct mqev_socket *socket, void *userdata)
{
	note_socket(KIT_SOCKET_WRITE, "write", c, socket, userdata);
}

static void
on_socket_idle(struct mqev_client *c, const struct mqev_socket *socket, void *userdata)
{
	note_socket(KIT_SOCKET_IDLE, "idle", c, socket, userdata);
}

static void
on_socket_close(struct mqev_client *c, const struct mqev_socket *socket, void *userdata)
{
	note_socket(KIT_SOCKET_CLOSE, "close", c, socket, userdata);
}

static void
on_retry(struct mqev_client *c, const struct mqev_retry *retry, void *userdata)
{
	keep_text(retry->text);
	ck_assert_ptr_nonnull(retry->properties);
	note(KIT_RETRY, "retry:%s", kit_error_name(retry->error));
	hook(KIT_RETRY, c, retry, userdata);
}

static bool
on_redirect(struct mqev_client *c, const struct mqev_redirect *redirect, void *userdata)
{
	ck_assert_ptr_nonnull(redirect->reference);
	note(KIT_REDIRECT, "redirect");
	hook(KIT_REDIRECT, c, redirect, userdata);
	return !kit.no_redirect;
}

static uint32_t
backoff(struct mqev_client *c, const struct mqev_backoff *b, void *userdata)
{
	ck_assert_uint_le(b->min_ms, b->max_ms);
	note(KIT_BACKOFF, "backoff%d", (int)b->waits);
	hook(KIT_BACKOFF, c, b, userdata);
	return kit.backoff_ms;
}

int
kit_socket_made(int fd, void *arg)
{
	ck_assert_int_ge(fd, 0);
	note(KIT_SOCKET_MADE, "made");
	if (kit.client != NULL)
		hook(KIT_SOCKET_MADE, kit.client, NULL, arg);
	return 0;
}

/* Also inside a call that frees the client. */
void
kit_release(void *arg)
{
	note(KIT_RELEASE, "released");
	if (kit.client != NULL)
		hook(KIT_RELEASE, kit.client, NULL, arg);
}

static void
on_ack_timeout(struct mqev_client *c, const struct mqev_result *result, void *userdata)
{
	note(KIT_ACK_TIMEOUT, "late%d", (int)result->op);
	hook(KIT_ACK_TIMEOUT, c, result, userdata);
}

static void
on_hold_timeout(struct mqev_client *c, const struct mqev_held *held, void *userdata)
{
	note(KIT_HOLD_TIMEOUT, "held:%d", held->qos);
	hook(KIT_HOLD_TIMEOUT, c, held, userdata);
}

static void
add_more(struct mqev_options *o, struct mqev_reconnect_options *r)
{
	*r = o->reconnect != NULL ? *o->reconnect
				  : (struct mqev_reconnect_options){.size = sizeof(*r)};
	r->on_retry = on_retry;
	r->on_redirect = on_redirect;
	r->backoff = kit.backoff_ms != 0 ? backoff : NULL;
	o->reconnect = r;
	o->on_pre_connect = on_pre_connect;
	o->on_socket_open = on_socket_open;
	o->on_socket_register_write = on_socket_write;
	o->on_socket_unregister_write = on_socket_idle;
	o->on_socket_close = on_socket_close;
	o->on_ack_timeout = on_ack_timeout;
	o->on_hold_timeout = on_hold_timeout;
}

/* --- the ledger --------------------------------------------------------------------------------
 */

struct kit_operation *
kit_op(void)
{
	struct kit_operation *o = calloc(1, sizeof(*o));

	ck_assert_ptr_nonnull(o);
	o->next = kit.ops;
	kit.ops = o;
	return o;
}

void
kit_note_accepted(int64_t op)
{
	if (op <= 0)
		return;
	ck_assert_ptr_nonnull(kit.ops);
	ck_assert_uint_eq(kit.ops->number, 0);
	ck_assert_int_eq(kit.ops->done, 0);
	kit.ops->number = (uint64_t)op;
	kit.accepted++;
}

static struct kit_operation *
find(uint64_t number)
{
	struct kit_operation *o = kit.ops;

	while (o != NULL && o->number != number)
		o = o->next;
	return o;
}

int
kit_error_of(int64_t op)
{
	const struct kit_operation *o = find((uint64_t)op);

	ck_assert_ptr_nonnull(o);
	return o->done > 0 ? o->error : 1;
}

void
kit_done(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	struct kit_operation *o = arg;

	ck_assert_ptr_nonnull(result->properties);
	ck_assert_msg(
	    o->number != 0, "operation %d completes before its call returned", (int)result->op);
	ck_assert_uint_eq(o->number, result->op);
	ck_assert_int_eq(o->done, 0);
	o->done = 1;
	o->client = c;
	o->error = result->error;
	kit.completed++;
	kit.last_done = o;
	kit.result = *result;
	kit.result.properties = NULL;
	kit.result.reasons = NULL;
	note(KIT_DONE, "done%d:%s", (int)result->op, kit_error_name(result->error));
	hook(KIT_DONE, c, result, arg);
}

static void
common(enum kit_event event, const char *word, struct mqev_client *c,
    const struct mqev_result *result, void *userdata)
{
	struct kit_operation *o = kit.last_done;

	/* After the completion of its own, if it has one of ours. */
	if (o != NULL && o->client == c && o->number == result->op)
		ck_assert_int_eq(o->common++, 0);
	note(event, "%s%d:%s", word, (int)result->op, kit_error_name(result->error));
	hook(event, c, result, userdata);
}

static void
on_publish(struct mqev_client *c, const struct mqev_result *result, void *userdata)
{
	common(KIT_PUBLISH, "publish", c, result, userdata);
}

static void
on_subscribe(struct mqev_client *c, const struct mqev_result *result, void *userdata)
{
	common(KIT_SUBSCRIBE, "subscribe", c, result, userdata);
}

static void
on_unsubscribe(struct mqev_client *c, const struct mqev_result *result, void *userdata)
{
	common(KIT_UNSUBSCRIBE, "unsubscribe", c, result, userdata);
}

static void
on_log(struct mqev_client *c, const struct mqev_log_line *line, void *userdata)
{
	ck_assert_ptr_nonnull(line->text);
	ck_assert_ptr_null(strchr(line->text, '\n'));
	if (getenv("KIT_LOG") != NULL)
		fprintf(stderr, "%lld log %d: %s\n", tk_now_ms(), (int)line->level, line->text);
	note(KIT_LOG, "log:%d", (int)line->level);
	hook(KIT_LOG, c, line, userdata);
}

/* --- life --------------------------------------------------------------------------------------
 */

void
kit_setup(void)
{
	memset(&kit, 0, sizeof(kit));
	kit.fds = tk_open_fds();
	kit.base = event_base_new();
	kit.fleet = mqev_fleet_new(kit.base, NULL);
	ck_assert_ptr_nonnull(kit.fleet);
	kit.quiet[KIT_LOG] = kit.quiet[KIT_PUBLISH] = kit.quiet[KIT_SUBSCRIBE] = true;
	kit.quiet[KIT_UNSUBSCRIBE] = true;
}

static void
judge_ledger(void)
{
	while (kit.ops != NULL) {
		struct kit_operation *o = kit.ops;

		ck_assert_msg(o->done == (o->number != 0), "operation %d completed %d times",
		    (int)o->number, o->done);
		kit.ops = o->next;
		free(o);
	}
	ck_assert_int_eq(kit.accepted, kit.completed);
}

void
kit_free_client(void)
{
	struct mqev_client *c = kit.client;

	kit.client = NULL;
	mqev_client_free(c);
}

void
kit_teardown(void)
{
	kit.hook = NULL;
	kit_free_client();
	mqev_fleet_free(kit.fleet);
	judge_ledger();
	if (kit.broker != NULL)
		tk_broker_free(kit.broker);
	tk_buf_free(&kit.diary);
	event_base_free(kit.base);
	ck_assert_uint_eq(fail_mem_live(), 0);
	ck_assert_int_eq(tk_open_fds(), kit.fds);
}

TCase *
kit_case(Suite *suite, const char *name)
{
	TCase *tc = tk_case(suite, name);

	tcase_add_checked_fixture(tc, kit_setup, kit_teardown);
	return tc;
}

static void
default_times(struct mqev_options *o)
{
	if (o->reconnect_min_ms == 0)
		o->reconnect_min_ms = 20;
	if (o->reconnect_max_ms == 0)
		o->reconnect_max_ms = 40;
}

struct mqev_client *
kit_client_new(struct mqev_options o)
{
	struct mqev_reconnect_options more;
	struct mqev_client *c;
	int error = 1;

	if (kit.more)
		add_more(&o, &more);
	default_times(&o);
	o.on_connect = on_connect;
	o.on_connect_fail = on_connect_fail;
	o.on_disconnect = on_disconnect;
	o.on_message = on_message;
	o.on_publish = on_publish;
	o.on_subscribe = on_subscribe;
	o.on_unsubscribe = on_unsubscribe;
	o.on_log = on_log;
	if (o.client_id == NULL)
		o.client_id = "c";
	c = KIT_CALL(mqev_client_new(kit.fleet, &o, &error));
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(error, 0);
	return c;
}

void
kit_broker_at(const struct tk_step *script, const char *where)
{
	struct tk_broker_options options = {.where = where};

	kit.broker = tk_broker_new(kit.base, script, &options);
}

void
kit_broker(const struct tk_step *script)
{
	kit_broker_at(script, NULL);
}

/* --- calls -------------------------------------------------------------------------------------
 */

void
kit_connect(void)
{
	ck_assert_int_eq(KIT_CALL(mqev_connect(kit.client, tk_broker_url(kit.broker))), 0);
}

void
kit_connect_to(const char *url, ...)
{
	char text[1024];
	va_list args;

	va_start(args, url);
	vsnprintf(text, sizeof(text), url, args);
	va_end(args);
	ck_assert_int_eq(KIT_CALL(mqev_connect(kit.client, text)), 0);
}

void
kit_disconnect(void)
{
	ck_assert_int_eq(KIT_CALL(mqev_disconnect(kit.client, NULL)), 0);
}

int64_t
kit_try_publish(struct mqev_client *c, const struct mqev_message *m)
{
	int64_t op = KIT_CALL(mqev_publish(c, m, kit_done, kit_op()));

	kit_note_accepted(op);
	return op;
}

int64_t
kit_publish(const char *topic, const char *payload, int qos)
{
	int64_t op = kit_try_publish(kit.client, MQEV_MESSAGE(.topic = topic, .payload = payload,
						     .payload_len = strlen(payload), .qos = qos));

	ck_assert_int_gt(op, 0);
	return op;
}

int64_t
kit_try_subscribe(struct mqev_client *c, const struct mqev_subscription *list, size_t count)
{
	int64_t op = KIT_CALL(mqev_subscribe(c, list, count, NULL, kit_done, kit_op()));

	kit_note_accepted(op);
	return op;
}

int64_t
kit_subscribe(const char *filter, int qos, mqev_message_cb *callback)
{
	int64_t op = kit_try_subscribe(
	    kit.client, MQEV_SUBSCRIPTION(.filter = filter, .qos = qos, .on_message = callback), 1);

	ck_assert_int_gt(op, 0);
	return op;
}

int64_t
kit_unsubscribe(const char *filter)
{
	int64_t op = KIT_CALL(mqev_unsubscribe(kit.client, &filter, 1, NULL, kit_done, kit_op()));

	ck_assert_int_gt(op, 0);
	kit_note_accepted(op);
	return op;
}

/* --- waiting -----------------------------------------------------------------------------------
 */

void
kit_await_at(enum kit_event event, int n, int ms, int line)
{
	struct tk_count wanted = {&kit.count[event], n};

	ck_assert_msg(tk_run_until(kit.base, tk_reached, &wanted, ms),
	    "line %d: %d instead of %d events of kind %d within %d ms; diary: %s", line,
	    kit.count[event], n, event, ms, kit_diary());
}

void
kit_run(int ms)
{
	tk_run_until(kit.base, NULL, NULL, ms);
}

static int
all_completed(void *arg)
{
	(void)arg;
	return kit.completed >= kit.accepted;
}

void
kit_await_all(int ms)
{
	ck_assert_msg(tk_run_until(kit.base, all_completed, NULL, ms),
	    "%d of %d operations completed within %d ms; diary: %s", (int)kit.completed,
	    (int)kit.accepted, ms, kit_diary());
}
