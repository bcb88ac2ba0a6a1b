/* Features of messages: QoS, retained, wills, properties, aliases, request and response. */
#include "broker/features.h"
#include "broker/scene.h"

#include <stdio.h>

#define COUNT 20

/* --- QoS -------------------------------------------------------------------------------------- */

static void
both_ways(int qos)
{
	struct peer *a = scene_peer("a");
	struct peer *b = scene_peer("b");

	peer_subscribe(b, scene_topic("to/+"), qos);
	peer_subscribe(a, scene_topic("from/+"), qos);
	for (int i = 0; i < COUNT; i++) {
		scene_publish(a, scene_topic("to/b"), i, qos);
		scene_publish(b, scene_topic("from/b"), i, qos);
	}
	scene_await_number(b, COUNT - 1, 10000);
	scene_await_number(a, COUNT - 1, 10000);
	peer_await_done(a, 10000);
	for (int i = 0; i < COUNT; i++) {
		ck_assert_int_eq(a->numbers[i], 1);
		ck_assert_int_eq(b->numbers[i], 1);
	}
	ck_assert_int_eq(a->messages_of[qos], COUNT);
	ck_assert_int_eq(b->messages_of[qos], COUNT);
	ck_assert_int_eq(a->out_of_order + b->out_of_order, 0);
	ck_assert_int_eq(a->failed + b->failed, 0);
	peer_free(a);
	peer_free(b);
}

void
feature_qos0(void)
{
	both_ways(0);
}

void
feature_qos1(void)
{
	both_ways(1);
}

void
feature_qos2(void)
{
	both_ways(2);
}

/* Less is granted than was asked for, and who sends at QoS 2 is thrown out. */
void
lack_qos2(void)
{
	struct mqev_options o = scene_options("a");
	struct peer *a;

	o.no_reconnect = true;
	a = scene_join(o);
	peer_subscribe(a, scene_topic("t"), 2);
	ck_assert_int_eq(kit.result.reason, MQEV_REASON_GRANTED_QOS_1);
	scene_publish(a, scene_topic("t"), 1, 2);
	AWAIT(a->disconnects, 1, 5000);
	ck_assert_int_eq(a->messages, 0);
	peer_free(a);
}

#define LARGE 1048576

void
feature_large(void)
{
	char *data = malloc(LARGE);
	struct peer *a = scene_peer("a");
	int qos = scene.best_qos;

	for (size_t i = 0; i < LARGE; i++)
		data[i] = (char)(i * 7 + i / 251);
	peer_subscribe(a, scene_topic("big"), qos);
	peer_publish(a, MQEV_MESSAGE(.topic = scene_topic("big"), .payload = data,
			    .payload_len = LARGE, .qos = qos));
	AWAIT(a->messages, 1, 20000);
	peer_await_done(a, 10000);
	ck_assert_uint_eq(a->kept->payload_len, LARGE);
	ck_assert_int_eq(a->kept->qos, qos);
	ck_assert(memcmp(a->kept->payload, data, LARGE) == 0);
	peer_free(a);
	free(data);
}

/* --- retained messages and wills -------------------------------------------------------------- */

void
feature_retained(void)
{
	struct peer *a = scene_peer("a");
	struct peer *b = scene_peer("b");

	peer_publish(a, MQEV_MESSAGE(.topic = scene_topic("r"), .payload = "7", .payload_len = 1,
			    .qos = 1, .retain = true));
	peer_await_done(a, 5000);
	peer_subscribe(b, scene_topic("#"), 1);
	AWAIT(b->messages, 1, 5000);
	ck_assert_mem_eq(b->kept->payload, "7", 1);
	ck_assert(b->kept->retain);
	/* To whom subscribed before it is an ordinary message; an empty one removes it. */
	peer_publish(a, MQEV_MESSAGE(.topic = scene_topic("r"), .qos = 1, .retain = true));
	AWAIT(b->messages, 2, 5000);
	ck_assert(!b->kept->retain);
	peer_await_done(a, 5000);
	peer_free(b);
	b = scene_peer("b");
	peer_subscribe(b, scene_topic("#"), 1);
	scene_flush(a, scene_topic("end"), b, 1);
	ck_assert_int_eq(b->messages, 0);
	peer_await_done(a, 5000);
	peer_free(a);
	peer_free(b);
}

/* A client that vanishes leaves its will; one that says goodbye does not. */
void
feature_will(void)
{
	const struct mqev_will last = {.size = sizeof(last),
	    .topic = scene_topic("will"),
	    .payload = "gone",
	    .payload_len = 4,
	    .qos = 1};
	struct mqev_options o = scene_options("a");
	struct peer *watcher = scene_peer("w");
	struct peer *a;

	o.will = &last;
	peer_subscribe(watcher, scene_topic("will"), 1);
	a = scene_join(o);
	peer_disconnect(a);
	scene_flush(watcher, scene_topic("will"), watcher, 1);
	ck_assert_int_eq(watcher->messages, 0);
	scene_connect(a);
	peer_free(a);
	AWAIT(watcher->messages, 1, 5000);
	ck_assert_mem_eq(watcher->kept->payload, "gone", 4);
	ck_assert_int_eq(watcher->kept->qos, 1);
	peer_await_done(watcher, 5000);
	peer_free(watcher);
}

/* The will waits, and who is back in time is not mourned. */
void
feature_will_delay(void)
{
	struct mqev_properties *late = mqev_properties_new();
	const struct mqev_will last = {.size = sizeof(last),
	    .topic = scene_topic("will"),
	    .payload = "gone",
	    .payload_len = 4,
	    .qos = 1,
	    .properties = late};
	struct mqev_options o = scene_kept("a");
	struct peer *watcher = scene_peer("w");
	struct peer *a;
	long long gone;

	mqev_properties_add_integer(late, MQEV_PROP_WILL_DELAY_INTERVAL, 1);
	o.will = &last;
	peer_subscribe(watcher, scene_topic("will"), 1);
	a = peer_new(o);
	peer_connect_to(a, relay_url(scene_relay()));
	relay_cut(scene.relay);
	AWAIT(a->connects, 2, 5000);
	ck_assert(a->session_present);
	kit_run(1500);
	ck_assert_int_eq(watcher->messages, 0);
	peer_free(a);
	gone = tk_now_ms();
	AWAIT(watcher->messages, 1, 5000);
	ck_assert_int_ge(tk_now_ms() - gone, 900);
	ck_assert_mem_eq(watcher->kept->payload, "gone", 4);
	peer_free(watcher);
	mqev_properties_free(late);
}

/* --- properties ------------------------------------------------------------------------------- */

static void
assert_user_properties(const struct mqev_properties *list)
{
	static const char *const values[] = {"v1", "v2", "\xc3\xa9"};
	struct mqev_property property;
	size_t position = 0;
	size_t n = 0;

	while (mqev_properties_next(list, &position, &property)) {
		if (property.id != MQEV_PROP_USER_PROPERTY)
			continue;
		ck_assert_uint_lt(n, 3);
		ck_assert_mem_eq(property.name, "k", 1);
		ck_assert_uint_eq(property.value_len, strlen(values[n]));
		ck_assert_mem_eq(property.value, values[n], property.value_len);
		n++;
	}
	ck_assert_uint_eq(n, 3);
}

static void
assert_value(const struct mqev_properties *list, enum mqev_property_id id, const char *value)
{
	struct mqev_property found;

	ck_assert_msg(
	    mqev_properties_find(list, id, &found) == 0, "%s is lost", mqev_property_name((int)id));
	ck_assert_uint_eq(found.value_len, strlen(value));
	ck_assert_mem_eq(found.value, value, found.value_len);
}

void
feature_properties(void)
{
	struct mqev_properties *p = mqev_properties_new();
	struct peer *a = scene_peer("a");

	mqev_properties_add_integer(p, MQEV_PROP_PAYLOAD_FORMAT_INDICATOR, 1);
	mqev_properties_add_string(p, MQEV_PROP_CONTENT_TYPE, "text/plain");
	mqev_properties_add_string(p, MQEV_PROP_RESPONSE_TOPIC, "answer/here");
	mqev_properties_add_binary(p, MQEV_PROP_CORRELATION_DATA, "\1\2\xff", 3);
	mqev_properties_add_user(p, "k", "v1");
	mqev_properties_add_user(p, "k", "v2");
	mqev_properties_add_user(p, "k", "\xc3\xa9");
	peer_subscribe(a, scene_topic("p"), 2);
	for (int qos = 0; qos <= scene.best_qos; qos++) {
		peer_publish(a, MQEV_MESSAGE(.topic = scene_topic("p"), .payload = "1",
				    .payload_len = 1, .qos = qos, .properties = p));
		AWAIT(a->messages, qos + 1, 5000);
		assert_value(a->kept->properties, MQEV_PROP_CONTENT_TYPE, "text/plain");
		assert_value(a->kept->properties, MQEV_PROP_RESPONSE_TOPIC, "answer/here");
		assert_value(a->kept->properties, MQEV_PROP_CORRELATION_DATA, "\1\2\xff");
		ck_assert_uint_eq(mqev_properties_integer(
				      a->kept->properties, MQEV_PROP_PAYLOAD_FORMAT_INDICATOR, 0),
		    1);
		assert_user_properties(a->kept->properties);
	}
	peer_await_done(a, 5000);
	mqev_properties_free(p);
	peer_free(a);
}

static void
publish_expiring(struct peer *from, int number, uint32_t seconds)
{
	struct mqev_properties *p = mqev_properties_new();
	char text[12];

	snprintf(text, sizeof(text), "%d", number);
	mqev_properties_add_integer(p, MQEV_PROP_MESSAGE_EXPIRY_INTERVAL, seconds);
	peer_publish(from, MQEV_MESSAGE(.topic = scene_topic("t"), .payload = text,
			       .payload_len = strlen(text), .qos = 1, .properties = p));
	mqev_properties_free(p);
}

/* Messages wait at the broker for a client that is away; how often the expired one came. */
static int
expired_messages(void)
{
	struct peer *a = scene_peer("a");
	struct peer *b = scene_join(scene_kept("b"));
	int came;

	peer_subscribe(b, scene_topic("t"), 1);
	peer_disconnect(b);
	publish_expiring(a, 1, 1);
	publish_expiring(a, 2, 100);
	peer_await_done(a, 5000);
	kit_run(2200);
	scene_connect(b);
	scene_await_number(b, 2, 5000);
	/* Of the other the rest of its time is told. */
	ck_assert_uint_le(
	    mqev_properties_integer(b->kept->properties, MQEV_PROP_MESSAGE_EXPIRY_INTERVAL, 1000),
	    99);
	came = b->numbers[1];
	peer_free(a);
	peer_free(b);
	return came;
}

void
feature_expiry(void)
{
	ck_assert_int_eq(expired_messages(), 0);
}

void
lack_expiry(void)
{
	ck_assert_int_eq(expired_messages(), 1);
}

/* --- topic aliases ---------------------------------------------------------------------------- */

static char *
long_topic(void)
{
	char rest[230];

	memset(rest, 'x', sizeof(rest));
	rest[sizeof(rest) - 1] = '\0';
	return tk_strdup(scene_topic(rest));
}

/* Ours: what the relay carried shows that they were used. */
void
feature_alias_out(void)
{
	struct mqev_options o = scene_options("a");
	char *topic = long_topic();
	struct peer *b = scene_peer("b");
	struct peer *a;

	o.topic_aliases = 10;
	a = peer_new(o);
	peer_connect_to(a, relay_url(scene_relay()));
	peer_subscribe(b, topic, 1);
	for (int i = 0; i < COUNT; i++)
		scene_publish(a, topic, i, 1);
	scene_await_number(b, COUNT - 1, 5000);
	peer_await_done(a, 5000);
	ck_assert_int_eq(b->messages, COUNT);
	ck_assert_str_eq(b->kept->topic, topic);
	ck_assert_uint_lt(relay_up(scene.relay), 4 * strlen(topic));
	peer_free(a);
	peer_free(b);
	free(topic);
}

/* The server's; how much the relay carried down for COUNT messages. */
static size_t
receive_with_aliases(const char *topic)
{
	struct mqev_options o = scene_options("b");
	struct peer *a = scene_peer("a");
	struct peer *b;

	o.topic_alias_maximum = 10;
	b = peer_new(o);
	peer_connect_to(b, relay_url(scene_relay()));
	peer_subscribe(b, topic, 1);
	for (int i = 0; i < COUNT; i++)
		scene_publish(a, topic, i, 1);
	scene_await_number(b, COUNT - 1, 5000);
	peer_await_done(a, 5000);
	ck_assert_int_eq(b->messages, COUNT);
	ck_assert_str_eq(b->kept->topic, topic);
	ck_assert_int_eq(b->disconnects, 0);
	peer_free(a);
	peer_free(b);
	return relay_down(scene.relay);
}

void
feature_alias_in(void)
{
	char *topic = long_topic();

	ck_assert_uint_lt(receive_with_aliases(topic), 4 * strlen(topic));
	free(topic);
}

void
lack_alias_in(void)
{
	char *topic = long_topic();

	ck_assert_uint_ge(receive_with_aliases(topic), COUNT * strlen(topic));
	free(topic);
}

/* --- request and response --------------------------------------------------------------------- */

static void
answer(struct mqev_client *c, const struct mqev_message *request, void *userdata)
{
	(void)userdata;
	ck_assert_mem_eq(request->payload, "question", 8);
	ck_assert_int_gt(mqev_respond(c, request,
			     MQEV_MESSAGE(.payload = "answer", .payload_len = 6), NULL, NULL),
	    0);
}

static void
on_reply(struct mqev_client *c, const struct mqev_reply *reply, void *arg)
{
	int *replies = arg;

	(void)c;
	ck_assert_int_eq(reply->error, 0);
	ck_assert_uint_eq(reply->message->payload_len, 6);
	ck_assert_mem_eq(reply->message->payload, "answer", 6);
	(*replies)++;
}

void
feature_request(void)
{
	struct peer *a = scene_peer("a");
	struct peer *b = scene_peer("b");
	int replies = 0;

	kit_note_accepted(mqev_subscribe(b->client,
	    MQEV_SUBSCRIPTION(.filter = scene_topic("ask"), .qos = 1, .on_message = answer), 1,
	    NULL, kit_done, kit_op()));
	kit_await_all(5000);
	for (int i = 0; i < 5; i++)
		ck_assert_int_gt(mqev_request(a->client,
				     MQEV_MESSAGE(.topic = scene_topic("ask"),
					 .payload = "question", .payload_len = 8, .qos = 1),
				     5000, on_reply, &replies),
		    0);
	AWAIT(replies, 5, 6000);
	ck_assert_uint_eq(mqev_request_count(a->client), 0);
	ck_assert_uint_eq(mqev_request_stray_replies(a->client), 0);
	peer_free(a);
	peer_free(b);
}
