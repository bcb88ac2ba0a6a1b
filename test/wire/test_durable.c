/* Clients whose sessions a store in memory keeps: one after another under one name, as processes
 * would be. What the session does in detail: test/unit/test_session_gates.c,
 * test_session_restore.c. */
#include "wire/client_kit.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mqev/store.h>

/* --- a client and its diary --------------------------------------------------------------------
 */

static struct mqev_store *store;
static struct tk_buf diary;
static struct mqev_ack *held;
static bool hold;
static const char *answer_topic; /* each message is answered there */
static struct mqev_client *answerer;

static void
say(const char *format, ...)
{
	char word[128];
	va_list args;

	va_start(args, format);
	vsnprintf(word, sizeof(word), format, args);
	va_end(args);
	tk_buf_printf(&diary, "%s%s", diary.len > 0 ? " " : "", word);
}

#define DIARY(expected)                                                 \
	do {                                                            \
		tk_buf_u8(&diary, 0);                                   \
		ck_assert_str_eq((const char *)diary.data, (expected)); \
		tk_buf_clear(&diary);                                   \
	} while (0)

static const char *
name_of(int error)
{
	if (error == MQEV_KEPT)
		return "KEPT";
	if (error == MQEV_ERR_STORE)
		return "STORE";
	return error == MQEV_ERR_STORE_FULL ? "FULL" : kit_error_name(error);
}

static void
on_connect(struct mqev_client *c, const struct mqev_connack *connack, void *userdata)
{
	(void)c;
	(void)userdata;
	say("connect%s", connack->session_present ? "+session" : "");
}

static void
on_disconnect(struct mqev_client *c, const struct mqev_disconnection *d, void *userdata)
{
	(void)c;
	(void)userdata;
	say("disconnect:%s", name_of(d->error));
	if (d->error == MQEV_ERR_STORE)
		ck_assert_uint_eq(d->retry_ms, MQEV_NONE);
}

static void
done(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	(void)c;
	say("%s:%s", (const char *)arg, name_of(result->error));
}

static void
on_durable(struct mqev_client *c, const struct mqev_result *result, void *userdata)
{
	(void)c;
	(void)userdata;
	say("durable%d", (int)result->op);
}

static void
on_message(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	(void)c;
	(void)userdata;
	ck_assert_uint_ne(m->token, 0);
	say("message:%s:%.*s%s", m->topic, (int)m->payload_len, (const char *)m->payload,
	    m->dup ? ":dup" : "");
	if (hold)
		held = mqev_message_hold(m);
	if (answer_topic != NULL)
		ck_assert_int_gt(
		    mqev_publish(answerer,
			MQEV_MESSAGE(.topic = answer_topic, .qos = 1, .payload = m->payload,
			    .payload_len = m->payload_len, .answers = m->token),
			done, "answer"),
		    0);
}

static struct mqev_client *
client(struct mqev_options options)
{
	struct mqev_client *c;
	int error = 1;

	options.store = store;
	options.protocol = MQEV_PROTOCOL_V5;
	options.on_connect = on_connect;
	options.on_disconnect = on_disconnect;
	options.on_message = on_message;
	options.on_durable = on_durable;
	options.reconnect_min_ms = options.reconnect_max_ms = 1;
	c = mqev_client_new(kit.fleet, &options, &error);
	ck_assert_msg(c != NULL, "no client: %s", mqev_error_text(error));
	ck_assert_int_eq(error, 0);
	return c;
}

#define CLIENT(...) client((struct mqev_options){.size = sizeof(struct mqev_options), __VA_ARGS__})

static int64_t
publish(struct mqev_client *c, int qos, const char *payload)
{
	return mqev_publish(c,
	    MQEV_MESSAGE(.topic = "t", .payload = payload, .payload_len = strlen(payload),
		.qos = qos, .cookie = 77),
	    done, (void *)(uintptr_t)payload);
}

static void
connect_to_broker(struct mqev_client *c)
{
	ck_assert_int_eq(mqev_connect(c, tk_broker_url(kit.broker)), 0);
}

static void
open_store(const struct mqev_backend *backend, uint64_t max_bytes)
{
	int error;

	store = mqev_store_open(backend, NULL, MQEV_STORE_OPTIONS(.max_bytes = max_bytes), &error);
	ck_assert_ptr_nonnull(store);
}

static void
setup(void)
{
	kit_setup();
	diary = (struct tk_buf){0};
	hold = false;
	held = NULL;
	answer_topic = NULL;
	open_store(mqev_backend_memory(), 0);
}

static void
teardown(void)
{
	ck_assert_int_eq(mqev_store_close(store), 0);
	store = NULL;
	tk_buf_free(&diary);
	kit_teardown();
}

static void
await_word(const char *word)
{
	for (int i = 0; i < 2000; i++) {
		tk_buf_u8(&diary, 0);
		diary.len--;
		if (strstr((const char *)diary.data, word) != NULL)
			return;
		kit_run(1);
	}
	ck_abort_msg("%s never came: %s", word, (const char *)diary.data);
}

/* Until the broker has had n packets on a connection, and what was answered has arrived. */
static void
await_packets(int conn, size_t n)
{
	for (int i = 0; i < 2000 && tk_broker_count(kit.broker, conn) < n; i++)
		kit_run(1);
	ck_assert_uint_ge(tk_broker_count(kit.broker, conn), n);
}

#define HELLO_STRICT "10 ({'MQTT'} 05 00 003C (11 FFFFFFFF) {'c'})"
#define HELLO_FIRST "10 ({'MQTT'} 05 02 003C (11 FFFFFFFF) {'c'})"

/* --- outgoing ----------------------------------------------------------------------------------
 */

/* Accepted, sent, and not acknowledged when its client ends: the next one goes on with it. */
START_TEST(goes_on_in_the_next_client)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES(HELLO_FIRST),
	    TK_SEND("20 (00 00 ())"),
	    TK_EXPECT_BYTES("32 ({'t'} 0001 () 'one')"),
	    TK_EXPECT_BYTES("34 ({'t'} 0002 () 'two')"),
	    TK_SEND("50 (0002)"),
	    TK_EXPECT_BYTES("62 (0002)"),
	    TK_EXPECT_CLOSE(),

	    TK_ACCEPT(),
	    TK_EXPECT_BYTES(HELLO_STRICT),
	    TK_SEND("20 (01 00 ())"),
	    TK_EXPECT_BYTES("62 (0002)"),
	    TK_EXPECT_BYTES("3A ({'t'} 0001 () 'one')"),
	    TK_SEND("70 (0002)"),
	    TK_SEND("40 (0001)"),
	    TK_END,
	};
	struct mqev_client *c = CLIENT(.client_id = "c");

	kit_broker(script);
	ck_assert_int_eq(publish(c, 1, "one"), 1);
	ck_assert_int_eq(publish(c, 2, "two"), 2);
	await_word("durable2");
	DIARY("durable1 durable2");
	connect_to_broker(c);
	await_packets(1, 4);
	mqev_client_free(c);
	DIARY("connect one:KEPT two:KEPT");

	c = CLIENT(.client_id = "c");
	connect_to_broker(c);
	KIT_PLAY(2000);
	await_word("connect");
	kit_run(20);
	DIARY("connect+session");
	mqev_client_free(c);
}
END_TEST

static void
reattach(struct mqev_client *c, struct mqev_pending *pending, void *userdata)
{
	(void)c;
	say("pending:%d:%d%s", (int)pending->cookie, pending->qos, pending->sent ? ":sent" : "");
	ck_assert_uint_ne(pending->token, 0);
	ck_assert_uint_gt(pending->bytes, 0);
	pending->done = done;
	pending->arg = userdata;
}

/* What an earlier one left completes where the application says. */
START_TEST(pending_is_attached_again)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT),
	    TK_SEND("20 (00 00 ())"),
	    TK_EXPECT_BYTES("32 ({'t'} 0001 () 'one')"),
	    TK_SEND("40 (0001)"),
	    TK_END,
	};
	struct mqev_client *c = CLIENT(.client_id = "c");

	ck_assert_int_eq(publish(c, 1, "one"), 1);
	await_word("durable1");
	mqev_client_free(c);
	DIARY("durable1 one:KEPT");
	c = CLIENT(.client_id = "c");
	ck_assert_int_eq(mqev_client_pending(c, reattach, "again"), 0);
	kit_broker(script);
	connect_to_broker(c);
	KIT_PLAY(2000);
	await_word("again");
	DIARY("pending:77:1 connect again:OK");
	mqev_client_free(c);
}
END_TEST

/* What is not durable when its client ends was never accepted. */
/* Until they are sent, their bytes stay in the store. */
START_TEST(pending_takes_little_memory)
{
	char payload[4001];
	struct mqev_client *c = CLIENT(.client_id = "c");

	memset(payload, 'x', sizeof(payload) - 1);
	payload[sizeof(payload) - 1] = '\0';
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(publish(c, 1, payload), i + 1);
	ck_assert_uint_gt(mqev_queue_bytes(c), 40000);
	await_word("durable10");
	mqev_client_free(c);
	c = CLIENT(.client_id = "c");
	ck_assert_uint_eq(mqev_queue_count(c), 10);
	ck_assert_uint_lt(mqev_queue_bytes(c), 10 * 300);
	mqev_client_free(c);
}
END_TEST

START_TEST(canceled_before_it_was_durable)
{
	struct mqev_client *c = CLIENT(.client_id = "c");

	publish(c, 1, "one");
	mqev_client_free(c);
	DIARY("one:CANCELED");
	c = CLIENT(.client_id = "c");
	ck_assert_int_eq(mqev_client_pending(c, reattach, "again"), 0);
	mqev_client_free(c);
	DIARY("");
}
END_TEST

/* --- incoming ----------------------------------------------------------------------------------
 */

/* A message is given to the application once, though its client ends before PUBREL. */
START_TEST(received_once)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT),
	    TK_SEND("20 (00 00 ())"),
	    TK_SEND("34 ({'in'} 0007 () 'x')"),
	    TK_EXPECT_BYTES("50 (0007)"),
	    TK_EXPECT_CLOSE(),

	    TK_ACCEPT(),
	    TK_EXPECT_BYTES(HELLO_STRICT),
	    TK_SEND("20 (01 00 ())"),
	    TK_SEND("3C ({'in'} 0007 () 'x')"),
	    TK_EXPECT_BYTES("50 (0007)"),
	    TK_SEND("62 (0007)"),
	    TK_EXPECT_BYTES("70 (0007)"),
	    TK_END,
	};
	struct mqev_client *c = CLIENT(.client_id = "c");

	kit_broker(script);
	connect_to_broker(c);
	await_packets(1, 2);
	mqev_client_free(c);
	c = CLIENT(.client_id = "c");
	connect_to_broker(c);
	KIT_PLAY(2000);
	DIARY("connect message:in:x connect+session");
	mqev_client_free(c);
}
END_TEST

/* One that the application was not done with comes again in the next client, before CONNECT. */
START_TEST(received_and_not_done)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT),
	    TK_SEND("20 (00 00 ())"),
	    TK_SEND("34 ({'in'} 0007 () 'x')"),
	    TK_EXPECT_BYTES("50 (0007)"),
	    TK_EXPECT_CLOSE(),

	    TK_ACCEPT(),
	    TK_EXPECT_BYTES(HELLO_STRICT),
	    TK_SEND("20 (01 00 ())"),
	    TK_SEND("62 (0007)"),
	    TK_EXPECT_BYTES("70 (0007)"),
	    TK_END,
	};
	struct mqev_client *c = CLIENT(.client_id = "c");

	kit_broker(script);
	hold = true;
	connect_to_broker(c);
	await_packets(1, 2);
	mqev_client_free(c);
	ck_assert_int_eq(mqev_ack(held, MQEV_REASON_SUCCESS, NULL), MQEV_ERR_LOST);
	mqev_ack_drop(held);
	hold = false;
	c = CLIENT(.client_id = "c");
	connect_to_broker(c);
	KIT_PLAY(2000);
	DIARY("connect message:in:x message:in:x:dup connect+session");
	mqev_client_free(c);
}
END_TEST

/* From one server to another: a message and its answer are one change. */
START_TEST(bridged)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT),
	    TK_SEND("20 (00 00 ())"),
	    TK_SEND("34 ({'in'} 0007 () 'x')"),
	    TK_EXPECT_BYTES("50 (0007)"),
	    TK_SEND("62 (0007)"),
	    TK_EXPECT_BYTES("70 (0007)"),
	    TK_END,
	};
	struct mqev_client *in = CLIENT(.client_id = "c");
	struct mqev_client *out = CLIENT(.client_id = "o");

	kit_broker(script);
	answerer = out;
	answer_topic = "bridged";
	connect_to_broker(in);
	KIT_PLAY(2000);
	await_word("durable");
	DIARY("connect message:in:x durable1");
	ck_assert_int_eq(
	    mqev_publish(out, MQEV_MESSAGE(.topic = "t", .qos = 1, .answers = 12345), NULL, NULL),
	    MQEV_ERR_NOT_FOUND);
	mqev_client_free(in);
	mqev_client_free(out);
	DIARY("answer:KEPT");
	in = CLIENT(.client_id = "c");
	connect_to_broker(in);
	kit_run(20);
	mqev_client_free(in);
	DIARY("");
}
END_TEST

/* Many that are not done at once, done in another order, one by an answer; what is left comes
 * again.
 */
#define MANY 40

static struct mqev_ack *many[MANY];
static uint64_t tokens[MANY];
static int arrived;

static void
keep(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	(void)c;
	(void)userdata;
	ck_assert_int_lt(arrived, MANY);
	many[arrived] = mqev_message_hold(m);
	tokens[arrived++] = m->token;
}

static void
finish_all_but(struct mqev_client *c, int left)
{
	for (int i = 0; i < MANY; i++) {
		int at = (i * 7) % MANY;

		if (at == 11)
			ck_assert_int_gt(
			    mqev_publish(c,
				MQEV_MESSAGE(.topic = "r", .qos = 1, .answers = tokens[at]), NULL,
				NULL),
			    0);
		else if (at >= left)
			ck_assert_int_eq(mqev_ack(many[at], MQEV_REASON_SUCCESS, NULL), 0);
	}
	ck_assert_int_eq(
	    mqev_publish(
		c, MQEV_MESSAGE(.topic = "r", .qos = 1, .answers = tokens[30]), NULL, NULL),
	    MQEV_ERR_NOT_FOUND);
	ck_assert_int_eq(
	    mqev_publish(
		c, MQEV_MESSAGE(.topic = "r", .qos = 1, .answers = tokens[11]), NULL, NULL),
	    MQEV_ERR_STATE);
}

START_TEST(many_at_once)
{
	struct tk_step script[MANY + 4] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())")};
	struct mqev_options options = {.size = sizeof(options),
	    .store = store,
	    .client_id = "c",
	    .protocol = MQEV_PROTOCOL_V5,
	    .inbox = MQEV_INBOX_QOS1,
	    .on_message = keep};
	char packets[MANY][32];

	for (int i = 0; i < MANY; i++) {
		snprintf(packets[i], sizeof(packets[i]), "32 ({'in'} %04X () 'x')", i + 1);
		script[2 + i] = (struct tk_step)TK_SEND(packets[i]);
	}
	script[2 + MANY] = (struct tk_step)TK_END;
	arrived = 0;
	kit.client = mqev_client_new(kit.fleet, &options, NULL);
	kit_broker(script);
	connect_to_broker(kit.client);
	for (int i = 0; i < 2000 && arrived < MANY; i++)
		kit_run(1);
	finish_all_but(kit.client, 5);
	kit_run(20);
	kit_free_client();
	for (int i = 0; i < MANY; i++)
		mqev_ack_drop(many[i]);

	arrived = 0;
	kit.client = mqev_client_new(kit.fleet, &options, NULL);
	connect_to_broker(kit.client);
	for (int i = 0; i < 2000 && arrived < 5; i++)
		kit_run(1);
	kit_run(20);
	ck_assert_int_eq(arrived, 5);
	for (int i = 0; i < arrived; i++)
		mqev_ack_drop(many[i]);
	kit_free_client();
}
END_TEST

/* --- the store ---------------------------------------------------------------------------------
 */

START_TEST(one_client_of_a_name)
{
	struct mqev_client *c = CLIENT(.store_name = "n", .client_id = "c");
	struct mqev_options options = {
	    .size = sizeof(options), .store = store, .store_name = "n", .client_id = "d"};
	int error;

	ck_assert_ptr_null(mqev_client_new(kit.fleet, &options, &error));
	ck_assert_int_eq(error, MQEV_ERR_STORE_BUSY);
	ck_assert_str_eq(mqev_fleet_error_text(kit.fleet), "store_name: another client has it");
	ck_assert_int_eq(mqev_store_close(store), MQEV_ERR_STATE);
	options.store_name = NULL;
	options.client_id = NULL;
	options.protocol = MQEV_PROTOCOL_V5;
	ck_assert_ptr_null(mqev_client_new(kit.fleet, &options, &error));
	ck_assert_int_eq(error, MQEV_ERR_INVALID);
	mqev_client_free(c);
}
END_TEST

/* The name that the server gave is part of the session. */
START_TEST(assigned_identifier)
{
	static const struct tk_step script[] = {
	    TK_EXPECT_BYTES("10 ({'MQTT'} 05 02 003C (11 FFFFFFFF) {''})"),
	    TK_SEND("20 (00 00 (12 {'yours'}))"),
	    TK_EXPECT(SUBSCRIBE),
	    TK_EXPECT_CLOSE(),

	    TK_ACCEPT(),
	    TK_EXPECT_BYTES("10 ({'MQTT'} 05 00 003C (11 FFFFFFFF) {'yours'})"),
	    TK_SEND("20 (01 00 ())"),
	    TK_END,
	};
	struct mqev_client *c = CLIENT(.store_name = "n");

	kit_broker(script);
	connect_to_broker(c);
	mqev_subscribe(c,
	    &(struct mqev_subscription){.size = sizeof(struct mqev_subscription), .filter = "in"},
	    1, NULL, NULL, NULL);
	await_packets(1, 2);
	mqev_client_free(c);
	c = CLIENT(.store_name = "n");
	ck_assert_str_eq(mqev_client_id(c), "yours");
	connect_to_broker(c);
	KIT_PLAY(2000);
	mqev_client_free(c);
}
END_TEST

/* No room: told by the completion, as if it had not been accepted; the rest goes on. */
START_TEST(full)
{
	struct mqev_client *c;

	ck_assert_int_eq(mqev_store_close(store), 0);
	open_store(mqev_backend_memory(), 400);
	c = CLIENT(.client_id = "c");
	for (int i = 0; i < 4; i++)
		publish(c, 1, "0123456789012345678901234567890123456789");
	await_word("FULL");
	ck_assert_int_eq(mqev_store_error(store), 0);
	mqev_client_free(c);
}
END_TEST

/* A back end whose commits fail from some time on. */
static bool broken;

static int
commit(void *state, bool sync)
{
	return broken ? MQEV_ERR_STORE : mqev_backend_memory()->commit(state, sync);
}

START_TEST(failed)
{
	static const struct tk_step script[] = {
	    TK_EXPECT(CONNECT),
	    TK_SEND("20 (00 00 ())"),
	    TK_EXPECT_BYTES("32 ({'t'} 0001 () 'one')"),
	    TK_EXPECT_CLOSE(),
	    TK_END,
	};
	struct mqev_backend backend = *mqev_backend_memory();
	struct mqev_client *c;

	ck_assert_int_eq(mqev_store_close(store), 0);
	backend.commit = commit;
	broken = false;
	open_store(&backend, 0);
	c = CLIENT(.client_id = "c");
	kit_broker(script);
	connect_to_broker(c);
	await_word("connect");
	publish(c, 1, "one");
	await_packets(1, 2);
	broken = true;
	publish(c, 1, "two");
	KIT_PLAY(2000);
	await_word("disconnect");
	DIARY("connect durable1 two:STORE disconnect:STORE");
	ck_assert_int_eq(publish(c, 2, "three"), MQEV_ERR_STORE);
	ck_assert_int_eq(mqev_connect(c, tk_broker_url(kit.broker)), MQEV_ERR_STORE);
	mqev_client_free(c);
	DIARY("one:KEPT");
	ck_assert_int_eq(mqev_store_close(store), MQEV_ERR_STORE);
	open_store(mqev_backend_memory(), 0);
}
END_TEST

/* A child that frees its copies leaves the store to its parent. */
START_TEST(forked)
{
	struct mqev_client *c = CLIENT(.client_id = "c");
	int status = -1;
	pid_t child;

	publish(c, 1, "one");
	await_word("durable1");
	publish(c, 1, "two");
	child = fork();
	if (child == 0) {
		mqev_client_free(c);
		mqev_fleet_free(kit.fleet);
		_exit(0);
	}
	ck_assert_int_gt(child, 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	await_word("durable2");
	mqev_client_free(c);
	DIARY("durable1 durable2 one:KEPT two:KEPT");
	c = CLIENT(.client_id = "c");
	ck_assert_int_eq(mqev_client_pending(c, reattach, "again"), 0);
	mqev_client_free(c);
	DIARY("pending:77:1 pending:77:1 again:KEPT again:KEPT");
}
END_TEST

START_TEST(wrong_options)
{
	struct mqev_options options = {
	    .size = sizeof(options), .store = store, .client_id = "c", .durability = 3};
	int error;

	ck_assert_ptr_null(mqev_client_new(kit.fleet, &options, &error));
	ck_assert_int_eq(error, MQEV_ERR_INVALID);
	ck_assert_str_eq(mqev_fleet_error_text(kit.fleet), "durability: unknown value");
	options.durability = MQEV_DURABLE_PROCESS;
	options.inbox = 3;
	ck_assert_ptr_null(mqev_client_new(kit.fleet, &options, &error));
	ck_assert_int_eq(error, MQEV_ERR_INVALID);
	ck_assert_str_eq(mqev_fleet_error_text(kit.fleet), "inbox: unknown value");
	options.inbox = MQEV_INBOX_QOS1;
	options.store_name = "";
	ck_assert_ptr_null(mqev_client_new(kit.fleet, &options, &error));
	ck_assert_int_eq(error, MQEV_ERR_INVALID);
	options.store = NULL;
	kit.client = mqev_client_new(kit.fleet, &options, &error);
	ck_assert_ptr_nonnull(kit.client);
	ck_assert_int_eq(mqev_client_pending(kit.client, reattach, NULL), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_client_pending(NULL, reattach, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_publish(kit.client,
			     MQEV_MESSAGE(.topic = "t", .qos = 1, .answers = 5), NULL, NULL),
	    MQEV_ERR_INVALID);
}
END_TEST

/* --- memory ------------------------------------------------------------------------------------
 */

static int completions;

static void
count(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	(void)c;
	(void)result;
	(void)arg;
	completions++;
}

/* A client that finds two messages, takes one more, and ends. Whichever allocation fails, once:
 * each accepted operation completes once, and the store still has what it had, or what it took. */
static void
short_life(size_t n)
{
	struct mqev_options options = {.size = sizeof(options), .store = store, .client_id = "c"};
	int64_t op = 0;
	int error;
	struct mqev_client *c;

	completions = 0;
	fail_mem_after(n);
	c = mqev_client_new(kit.fleet, &options, &error);
	if (c == NULL)
		ck_assert(error == MQEV_ERR_NOMEM || error == MQEV_ERR_STORE_BUSY);
	else
		op = mqev_publish(c, MQEV_MESSAGE(.topic = "t", .qos = 1), count, NULL);
	kit_run(1);
	mqev_client_free(c);
	fail_mem_never();
	ck_assert(op > 0 || op == 0 || op == MQEV_ERR_NOMEM);
	ck_assert_int_eq(completions, op > 0);
}

START_TEST(each_allocation_fails)
{
	struct mqev_client *c;

	for (size_t n = 0; n < 60; n++) {
		c = CLIENT(.client_id = "c");
		publish(c, 1, "one");
		publish(c, 2, "two");
		await_word("durable2");
		mqev_client_free(c);
		tk_buf_clear(&diary);
		short_life(n);
		ck_assert_int_eq(mqev_store_close(store), 0);
		open_store(mqev_backend_memory(), 0);
	}
	(void)c;
}
END_TEST

/* Two fleets, one store: a client moves from one to the other. */
START_TEST(from_fleet_to_fleet)
{
	struct event_base *base = event_base_new();
	struct mqev_fleet *other = mqev_fleet_new(base, NULL);
	struct mqev_fleet *first = kit.fleet;
	struct mqev_client *c = CLIENT(.client_id = "c");

	publish(c, 1, "one");
	await_word("durable1");
	mqev_client_free(c);
	kit.fleet = other;
	c = CLIENT(.client_id = "c");
	ck_assert_int_eq(mqev_client_pending(c, reattach, "again"), 0);
	mqev_fleet_free(other);
	kit.fleet = first;
	event_base_free(base);
	DIARY("durable1 one:KEPT pending:77:1 again:KEPT");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("durable");
	TCase *tc = tk_case(s, "memory");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, goes_on_in_the_next_client);
	tcase_add_test(tc, pending_is_attached_again);
	tcase_add_test(tc, pending_takes_little_memory);
	tcase_add_test(tc, canceled_before_it_was_durable);
	tcase_add_test(tc, received_once);
	tcase_add_test(tc, received_and_not_done);
	tcase_add_test(tc, bridged);
	tcase_add_test(tc, many_at_once);
	tcase_add_test(tc, one_client_of_a_name);
	tcase_add_test(tc, assigned_identifier);
	tcase_add_test(tc, full);
	tcase_add_test(tc, failed);
	tcase_add_test(tc, from_fleet_to_fleet);
	tcase_add_test(tc, forked);
	tcase_add_test(tc, wrong_options);
	tcase_add_test(tc, each_allocation_fails);
	return tk_main(s);
}
