/* Request and response over a small honest broker, and against scripted ones for what those never
 * do. */
#include "wire/client_kit.h"

#include <stdio.h>

#include "lib/auto.h"

static struct tk_auto *broker;
static struct mqev_client *responder;

/* What became of the requests. */
static struct {
	int64_t op;
	int replies;
	int error;
	enum mqev_reason reason;
	char payload[64];
	char property[64]; /* the reply's first user property */
} got[64];
static int accepted;
static int ended;
static int releases;
static int served;
static bool silent; /* the responder says nothing */
static struct mqev_message *last_request;

static void
setup(void)
{
	kit_setup();
	memset(got, 0, sizeof(got));
	accepted = ended = releases = served = 0;
	silent = false;
}

static void
teardown(void)
{
	kit_free_client();
	mqev_client_free(responder);
	responder = NULL;
	mqev_message_free(last_request);
	last_request = NULL;
	ck_assert_int_eq(ended, accepted);
	if (broker != NULL)
		tk_auto_free(broker);
	broker = NULL;
	kit_teardown();
}

/* --- the requesting side --------------------------------------------------------------------- */

static void
on_reply(struct mqev_client *c, const struct mqev_reply *reply, void *arg)
{
	const size_t i = (size_t)((char *)arg - (char *)got) / sizeof(got[0]);
	struct mqev_property user;

	(void)c;
	ck_assert_int_eq(kit.in_call, 0);
	ck_assert_uint_lt(i, 64);
	ck_assert_int_eq((int64_t)reply->request, got[i].op);
	ck_assert_int_eq(got[i].replies++, 0);
	ck_assert((reply->error == 0) == (reply->message != NULL));
	ended++;
	got[i].error = reply->error;
	got[i].reason = reply->reason;
	if (reply->message == NULL)
		return;
	ck_assert_uint_lt(reply->message->payload_len, sizeof(got[i].payload));
	memcpy(got[i].payload, reply->message->payload, reply->message->payload_len);
	if (mqev_properties_find(reply->message->properties, MQEV_PROP_USER_PROPERTY, &user) == 0)
		snprintf(got[i].property, sizeof(got[i].property), "%.*s=%.*s", (int)user.name_len,
		    user.name, (int)user.value_len, user.value);
}

static int64_t
try_request(const struct mqev_message *m, uint32_t timeout_ms)
{
	int64_t op = KIT_CALL(mqev_request(kit.client, m, timeout_ms, on_reply, &got[accepted]));

	if (op > 0)
		got[accepted++].op = op;
	return op;
}

static int64_t
request(const char *payload, int qos)
{
	int64_t op = try_request(MQEV_MESSAGE(.topic = "service", .payload = payload,
				     .payload_len = strlen(payload), .qos = qos),
	    5000);

	ck_assert_int_gt(op, 0);
	return op;
}

static void
await(int n)
{
	TK_RUN_UNTIL_COUNT(kit.base, ended, n, 4000);
}

/* --- the responding side --------------------------------------------------------------------- */

static int64_t
respond(struct mqev_client *c, const struct mqev_message *request, const char *text)
{
	struct mqev_properties *properties = mqev_properties_new();
	int64_t result = MQEV_ERR_NOMEM;

	if (properties != NULL)
		result = mqev_properties_add_user(properties, "by", "us");
	if (result == 0)
		result = mqev_respond(c, request,
		    MQEV_MESSAGE(.payload = text, .payload_len = strlen(text), .qos = request->qos,
			.properties = properties),
		    NULL, NULL);
	mqev_properties_free(properties);
	return result;
}

/* Memory that is to run out, once, may do so here: the other side is what is tested then. */
static void
serve(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	char text[64];
	int64_t result;

	(void)userdata;
	served++;
	mqev_message_free(last_request);
	last_request = mqev_message_copy(m);
	if (silent)
		return;
	snprintf(text, sizeof(text), "re: %.*s", (int)m->payload_len, (const char *)m->payload);
	result = respond(c, m, text);
	if (result == MQEV_ERR_NOMEM)
		result = respond(c, m, text);
	ck_assert_int_gt(result, 0);
}

static int served_subscription;

static void
on_serving(struct mqev_client *c, const struct mqev_result *r, void *arg)
{
	(void)c;
	(void)arg;
	ck_assert_int_eq(r->error, 0);
	served_subscription = 1;
}

static void
start_responder(void)
{
	served_subscription = 0;
	responder = mqev_client_new(kit.fleet,
	    MQEV_OPTIONS(.client_id = "server", .protocol = MQEV_PROTOCOL_V5, .session_expiry = 100,
		.reconnect_min_ms = 10, .reconnect_max_ms = 20),
	    NULL);
	ck_assert_ptr_nonnull(responder);
	ck_assert_int_eq(mqev_connect(responder, tk_auto_url(broker)), 0);
	ck_assert_int_gt(mqev_subscribe(responder,
			     MQEV_SUBSCRIPTION(.filter = "service", .qos = 2, .on_message = serve),
			     1, NULL, on_serving, NULL),
	    0);
	TK_RUN_UNTIL(kit.base, served_subscription, 2000);
}

static void
start_with(struct mqev_options options, const char *connack_props)
{
	const struct tk_auto_options broker_options = {.connack_props = connack_props};

	broker = tk_auto_new(kit.base, &broker_options);
	options.size = sizeof(options);
	options.protocol = MQEV_PROTOCOL_V5;
	kit.client = kit_client_new(options);
	start_responder();
	ck_assert_int_eq(mqev_connect(kit.client, tk_auto_url(broker)), 0);
}

static void
start(void)
{
	start_with((struct mqev_options){.client_id = "c"}, NULL);
}

static void
assert_reply(int i, const char *payload)
{
	ck_assert_int_eq(got[i].error, 0);
	ck_assert_str_eq(got[i].payload, payload);
	ck_assert_str_eq(got[i].property, "by=us");
}

/* --- calls that are answered ------------------------------------------------------------------ */

START_TEST(each_qos)
{
	start();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	request("zero", 0);
	request("one", 1);
	request("two", 2);
	ck_assert_uint_eq(mqev_request_count(kit.client), 3);
	await(3);
	assert_reply(0, "re: zero");
	assert_reply(1, "re: one");
	assert_reply(2, "re: two");
	ck_assert_uint_eq(mqev_request_count(kit.client), 0);
	ck_assert_uint_eq(mqev_request_stray_replies(kit.client), 0);
	/* The library's own operations are its own affair. */
	ck_assert_int_eq(
	    kit.count[KIT_PUBLISH] + kit.count[KIT_SUBSCRIBE] + kit.count[KIT_MESSAGE], 0);
	request("again", 1);
	await(4);
	assert_reply(3, "re: again");
	ck_assert_uint_eq(last_request->topic_len, strlen("service"));
}
END_TEST

/*
 * Also while there is no connection yet, and after one was lost: the server keeps the responder's
 * session, not that of the other.
 */
START_TEST(before_and_after_connections)
{
	start();
	request("early", 1);
	await(1);
	assert_reply(0, "re: early");
	tk_auto_drop_all(broker, 0);
	request("between", 1);
	KIT_AWAIT(KIT_CONNECT, 2, 2000);
	await(2);
	assert_reply(1, "re: between");
}
END_TEST

START_TEST(many_at_once)
{
	char text[16];

	start();
	for (int i = 0; i < 64; i++) {
		snprintf(text, sizeof(text), "%d", i);
		request(text, i % 3);
	}
	await(64);
	for (int i = 0; i < 64; i++) {
		snprintf(text, sizeof(text), "re: %d", i);
		assert_reply(i, text);
	}
}
END_TEST

static void
count_release(void *arg)
{
	(void)arg;
	releases++;
}

START_TEST(payload_by_reference)
{
	start();
	ck_assert_int_gt(try_request(MQEV_MESSAGE(.topic = "service", .payload = "ref",
					 .payload_len = 3, .qos = 1, .release = count_release),
			     5000),
	    0);
	ck_assert_int_eq(releases, 0);
	await(1);
	ck_assert_int_eq(releases, 1);
	assert_reply(0, "re: ref");
}
END_TEST

static bool
response_topic_begins(const char *prefix)
{
	struct mqev_property topic;
	size_t len = strlen(prefix);

	ck_assert_int_eq(
	    mqev_properties_find(last_request->properties, MQEV_PROP_RESPONSE_TOPIC, &topic), 0);
	return topic.value_len == len + 32 && memcmp(topic.value, prefix, len) == 0;
}

START_TEST(reply_topic)
{
	start();
	request("x", 0);
	await(1);
	ck_assert(response_topic_begins("mqev/reply/"));
}
END_TEST

START_TEST(response_information)
{
	start_with((struct mqev_options){.client_id = "c", .request_response_information = true},
	    "1A {'own/c'}");
	request("x", 0);
	await(1);
	assert_reply(0, "re: x");
	ck_assert(response_topic_begins("own/c/"));
	tk_auto_drop_all(broker, 0);
	KIT_AWAIT(KIT_CONNECT, 2, 2000);
	request("y", 1);
	await(2);
	assert_reply(1, "re: y");
	ck_assert(response_topic_begins("own/c/"));
}
END_TEST

START_TEST(response_information_of_no_use)
{
	start_with((struct mqev_options){.client_id = "c", .request_response_information = true},
	    "1A {'a/#'}");
	request("x", 0);
	await(1);
	ck_assert(response_topic_begins("mqev/reply/"));
}
END_TEST

START_TEST(response_information_not_given)
{
	start_with(
	    (struct mqev_options){.client_id = "c", .request_response_information = true}, NULL);
	request("x", 0);
	await(1);
	ck_assert(response_topic_begins("mqev/reply/"));
}
END_TEST

/* [MQTT-3.1.2-28]: a client that did not ask for it makes nothing of it. */
START_TEST(response_information_unasked_for)
{
	start_with((struct mqev_options){.client_id = "c"}, "1A {'own/c'}");
	request("x", 0);
	await(1);
	ck_assert(response_topic_begins("mqev/reply/"));
}
END_TEST

/* --- calls that are not ----------------------------------------------------------------------- */

START_TEST(deadline)
{
	start();
	silent = true;
	ck_assert_int_gt(try_request(MQEV_MESSAGE(.topic = "service", .qos = 1), 100), 0);
	request("later", 1);
	await(1);
	ck_assert_int_eq(got[0].error, MQEV_ERR_TIMEOUT);
	ck_assert_int_eq(ended, 1);
	ck_assert_uint_eq(mqev_request_count(kit.client), 1);
	mqev_request_cancel(kit.client, (uint64_t)got[1].op);
	await(2);
}
END_TEST

/* One that was not sent is withdrawn. */
START_TEST(deadline_without_a_connection)
{
	broker = tk_auto_new(kit.base, NULL);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	ck_assert_int_gt(
	    try_request(MQEV_MESSAGE(.topic = "service", .qos = 1, .release = count_release), 50),
	    0);
	await(1);
	ck_assert_int_eq(got[0].error, MQEV_ERR_TIMEOUT);
	ck_assert_int_eq(releases, 1);
	start_responder();
	ck_assert_int_eq(mqev_connect(kit.client, tk_auto_url(broker)), 0);
	request("x", 1);
	await(2);
	assert_reply(1, "re: x");
	ck_assert_int_eq(served, 1);
}
END_TEST

START_TEST(late_double_and_foreign_replies)
{
	struct mqev_properties *foreign = mqev_properties_new();

	start();
	silent = true;
	ck_assert_int_gt(try_request(MQEV_MESSAGE(.topic = "service", .qos = 1), 300), 0);
	TK_RUN_UNTIL(kit.base, served, 2000);
	await(1);
	ck_assert_int_eq(got[0].error, MQEV_ERR_TIMEOUT);
	ck_assert_int_gt(mqev_respond(responder, last_request,
			     MQEV_MESSAGE(.payload = "late", .payload_len = 4), NULL, NULL),
	    0);
	ck_assert_int_eq(mqev_properties_add_string(foreign, MQEV_PROP_RESPONSE_TOPIC, "x"), 0);
	mqev_properties_clear(foreign);
	{
		struct mqev_property topic;
		char text[128];

		mqev_properties_find(last_request->properties, MQEV_PROP_RESPONSE_TOPIC, &topic);
		snprintf(text, sizeof(text), "%.*s", (int)topic.value_len, topic.value);
		ck_assert_int_gt(
		    mqev_publish(responder, MQEV_MESSAGE(.topic = text), NULL, NULL), 0);
		ck_assert_int_eq(mqev_properties_add_binary(
				     foreign, MQEV_PROP_CORRELATION_DATA, "0123456789abcdef", 16),
		    0);
		ck_assert_int_gt(
		    mqev_publish(
			responder, MQEV_MESSAGE(.topic = text, .properties = foreign), NULL, NULL),
		    0);
	}
	mqev_properties_free(foreign);
	for (int i = 0; i < 100 && mqev_request_stray_replies(kit.client) < 3; i++)
		kit_run(20);
	ck_assert_uint_eq(mqev_request_stray_replies(kit.client), 3);
	ck_assert_int_eq(ended, 1);
	ck_assert_int_eq(kit.count[KIT_MESSAGE], 0);
}
END_TEST

START_TEST(cancel)
{
	start();
	silent = true;
	request("sent", 1);
	TK_RUN_UNTIL(kit.base, served, 2000);
	request("not sent", 1);
	ck_assert_int_eq(KIT_CALL(mqev_request_cancel(kit.client, (uint64_t)got[1].op)), 0);
	ck_assert_int_eq(KIT_CALL(mqev_request_cancel(kit.client, (uint64_t)got[0].op)), 0);
	ck_assert_int_eq(
	    KIT_CALL(mqev_request_cancel(kit.client, (uint64_t)got[0].op)), MQEV_ERR_NOT_FOUND);
	ck_assert_int_eq(ended, 0);
	await(2);
	ck_assert_int_eq(got[0].error, MQEV_ERR_CANCELED);
	ck_assert_int_eq(got[1].error, MQEV_ERR_CANCELED);
	ck_assert_int_eq(mqev_request_cancel(kit.client, (uint64_t)got[0].op), MQEV_ERR_NOT_FOUND);
	ck_assert_int_eq(mqev_request_cancel(kit.client, 12345), MQEV_ERR_NOT_FOUND);
	ck_assert_int_eq(mqev_request_cancel(NULL, 1), MQEV_ERR_INVALID);
}
END_TEST

START_TEST(freed_with_requests)
{
	start();
	silent = true;
	for (int i = 0; i < 20; i++)
		request("x", i % 3);
	TK_RUN_UNTIL(kit.base, served, 2000);
	for (int i = 0; i < 20; i++)
		request("y", i % 3);
	kit_free_client();
	ck_assert_int_eq(ended, 40);
	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(got[i].error, MQEV_ERR_CANCELED);
}
END_TEST

static void
free_in_reply(struct mqev_client *c, const struct mqev_reply *reply, void *arg)
{
	(void)c;
	(void)arg;
	(void)reply;
	ended++;
	kit_free_client();
}

START_TEST(freed_in_a_reply)
{
	start();
	ck_assert_int_gt(mqev_request(kit.client, MQEV_MESSAGE(.topic = "service", .qos = 1), 2000,
			     free_in_reply, NULL),
	    0);
	ck_assert_int_gt(mqev_request(kit.client, MQEV_MESSAGE(.topic = "service", .qos = 1), 2000,
			     free_in_reply, NULL),
	    0);
	accepted = 2;
	await(2);
}
END_TEST

/* --- scripted -------------------------------------------------------------------------------- */

#define ACCEPT_V5 TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())")

START_TEST(subscription_refused)
{
	static const struct tk_step script[] = {ACCEPT_V5, TK_EXPECT(SUBSCRIBE),
	    TK_SEND("90 (@ () 87)"), TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ () 01)"),
	    TK_EXPECT(PUBLISH), TK_QUIET(20), TK_END};

	kit_broker(script);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	kit_connect();
	request("x", 0);
	request("y", 0);
	await(2);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(got[i].error, MQEV_ERR_REFUSED);
		ck_assert_int_eq(got[i].reason, MQEV_REASON_NOT_AUTHORIZED);
	}
	request("z", 0);
	KIT_PLAY(2000);
}
END_TEST

START_TEST(publish_refused)
{
	static const struct tk_step script[] = {ACCEPT_V5, TK_EXPECT(SUBSCRIBE),
	    TK_SEND("90 (@ () 01)"), TK_EXPECT(PUBLISH), TK_SEND("40 (@ 87)"), TK_QUIET(20),
	    TK_END};

	kit_broker(script);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	kit_connect();
	request("x", 1);
	KIT_PLAY(2000);
	await(1);
	ck_assert_int_eq(got[0].error, MQEV_ERR_REFUSED);
	ck_assert_int_eq(got[0].reason, MQEV_REASON_NOT_AUTHORIZED);
}
END_TEST

/* The server's limits are known when the request goes out, not before. */
START_TEST(limits_of_the_server)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT), TK_SEND("20 (00 00 (24 00))"),
	    TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ () 00)"), TK_QUIET(50), TK_END};

	kit_broker(script);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	kit_connect();
	request("x", 1);
	await(1);
	ck_assert_int_eq(got[0].error, MQEV_ERR_QOS);
	ck_assert_int_eq(try_request(MQEV_MESSAGE(.topic = "service", .qos = 1), 0), MQEV_ERR_QOS);
	KIT_PLAY(2000);
}
END_TEST

/* --- calls that are not taken ----------------------------------------------------------------- */

START_TEST(bad_calls)
{
	struct mqev_properties *own = mqev_properties_new();

	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .max_queued = 3);
	ck_assert_int_eq(
	    mqev_request(NULL, MQEV_MESSAGE(.topic = "a"), 0, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_request(kit.client, NULL, 0, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(try_request(MQEV_MESSAGE(.topic = "a/#"), 0), MQEV_ERR_INVALID);
	ck_assert_int_eq(try_request(MQEV_MESSAGE(.topic = NULL), 0), MQEV_ERR_INVALID);
	ck_assert_int_eq(try_request(MQEV_MESSAGE(.topic = "a", .qos = 3), 0), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_properties_add_string(own, MQEV_PROP_RESPONSE_TOPIC, "r"), 0);
	ck_assert_int_eq(
	    try_request(MQEV_MESSAGE(.topic = "a", .properties = own), 0), MQEV_ERR_INVALID);
	mqev_properties_clear(own);
	ck_assert_int_eq(mqev_properties_add_binary(own, MQEV_PROP_CORRELATION_DATA, "c", 1), 0);
	ck_assert_int_eq(
	    try_request(MQEV_MESSAGE(.topic = "a", .properties = own), 0), MQEV_ERR_INVALID);
	mqev_properties_free(own);
	ck_assert_uint_eq(mqev_request_count(kit.client), 0);
	/* The subscription and two requests are all that fits. */
	request("x", 0);
	request("y", 0);
	ck_assert_int_eq(try_request(MQEV_MESSAGE(.topic = "a"), 0), MQEV_ERR_QUEUE_FULL);
	ck_assert_uint_eq(mqev_request_count(kit.client), 2);
}
END_TEST

START_TEST(needs_version_5)
{
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V311);
	ck_assert_int_eq(try_request(MQEV_MESSAGE(.topic = "a"), 0), MQEV_ERR_UNSUPPORTED);
}
END_TEST

START_TEST(bad_responses)
{
	struct mqev_properties *own = mqev_properties_new();
	struct mqev_properties *asked = mqev_properties_new();
	const struct mqev_message *plain = MQEV_MESSAGE(.topic = "a");
	struct mqev_message wants = *MQEV_MESSAGE(.topic = "a", .properties = asked);

	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5);
	ck_assert_int_eq(mqev_respond(kit.client, plain, plain, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_respond(kit.client, &wants, plain, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_properties_add_string(asked, MQEV_PROP_RESPONSE_TOPIC, "r"), 0);
	ck_assert_int_eq(mqev_properties_add_binary(asked, MQEV_PROP_CORRELATION_DATA, "c", 1), 0);
	ck_assert_int_eq(mqev_properties_add_binary(own, MQEV_PROP_CORRELATION_DATA, "d", 1), 0);
	ck_assert_int_eq(
	    mqev_respond(kit.client, &wants, MQEV_MESSAGE(.properties = own), NULL, NULL),
	    MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_respond(kit.client, NULL, plain, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_respond(kit.client, &wants, NULL, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_respond(NULL, &wants, plain, NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_int_gt(mqev_respond(kit.client, &wants, plain, NULL, NULL), 0);
	mqev_properties_free(own);
	mqev_properties_free(asked);
}
END_TEST

/* --- failing allocations ---------------------------------------------------------------------- */

/* One request, of which the nth allocation fails; false when it needs no more than n. */
static bool
fails_at(size_t n)
{
	const int before = accepted;
	bool refused;
	int64_t op;

	fail_mem_after(n);
	op = try_request(MQEV_MESSAGE(.topic = "service", .payload = "x", .payload_len = 1,
			     .qos = 1, .release = count_release),
	    1500);
	ck_assert(op > 0 || op == MQEV_ERR_NOMEM);
	TK_RUN_UNTIL_COUNT(kit.base, ended, accepted, 4000);
	refused = fail_mem_refused() > 0;
	fail_mem_never();
	ck_assert_int_eq(releases, accepted - before);
	if (!refused)
		assert_reply(before, "re: x");
	return refused;
}

/*
 * Whatever fails, each accepted request ends once, and nothing leaks (teardown counts): the first
 * request of a client, and one for which all is ready.
 */
START_TEST(without_memory)
{
	const bool ready = _i % 2 == 1;
	bool failed = true;

	for (size_t n = (size_t)_i / 2; failed; n += 4) {
		ck_assert_uint_lt(n, 400);
		setup();
		start();
		KIT_AWAIT(KIT_CONNECT, 1, 2000);
		if (ready) {
			request("first", 0);
			await(1);
		}
		failed = fails_at(n);
		teardown();
	}
}
END_TEST

static void
add_calls(TCase *tc)
{
	tcase_add_test(tc, each_qos);
	tcase_add_test(tc, before_and_after_connections);
	tcase_add_test(tc, many_at_once);
	tcase_add_test(tc, payload_by_reference);
	tcase_add_test(tc, reply_topic);
	tcase_add_test(tc, response_information);
	tcase_add_test(tc, response_information_of_no_use);
	tcase_add_test(tc, response_information_not_given);
	tcase_add_test(tc, response_information_unasked_for);
	tcase_add_test(tc, deadline);
	tcase_add_test(tc, deadline_without_a_connection);
	tcase_add_test(tc, late_double_and_foreign_replies);
	tcase_add_test(tc, cancel);
	tcase_add_test(tc, freed_with_requests);
	tcase_add_test(tc, freed_in_a_reply);
	tcase_add_test(tc, subscription_refused);
	tcase_add_test(tc, publish_refused);
	tcase_add_test(tc, limits_of_the_server);
	tcase_add_test(tc, bad_calls);
	tcase_add_test(tc, needs_version_5);
	tcase_add_test(tc, bad_responses);
}

int
main(void)
{
	Suite *s = suite_create("rpc");
	TCase *tc = tk_case(s, "calls");
	TCase *memory = tk_case(s, "memory");

	tcase_add_checked_fixture(tc, setup, teardown);
	add_calls(tc);
	tcase_set_timeout(memory, 60);
	tcase_add_loop_test(memory, without_memory, 0, 8);
	return tk_main(s);
}
