/* Features of subscriptions: filters, shared ones, identifiers, options. */
#include "broker/features.h"
#include "broker/scene.h"

#include <stdio.h>

static void
subscribe_all(struct peer *p, const struct mqev_subscription *list, size_t count,
    const struct mqev_properties *properties)
{
	int64_t op = mqev_subscribe(p->client, list, count, properties, kit_done, kit_op());

	ck_assert_int_gt(op, 0);
	kit_note_accepted(op);
	kit_await_all(5000);
}

static void
unsubscribe(struct peer *p, const char *filter)
{
	int64_t op = mqev_unsubscribe(p->client, &filter, 1, NULL, kit_done, kit_op());

	ck_assert_int_gt(op, 0);
	kit_note_accepted(op);
	kit_await_all(5000);
}

/* --- filters ---------------------------------------------------------------------------------- */

/* Three filters in one packet, with wildcards; what matches none of them does not come. */
void
feature_filters(void)
{
	const size_t size = sizeof(struct mqev_subscription);
	const struct mqev_subscription list[] = {
	    {.size = size, .filter = scene_topic("one/+/x"), .qos = 0},
	    {.size = size, .filter = scene_topic("two/#"), .qos = 1},
	    {.size = size, .filter = scene_topic("three"), .qos = 1},
	};
	struct peer *a = scene_peer("a");

	subscribe_all(a, list, 3, NULL);
	ck_assert_int_eq(kit.result.error, 0);
	scene_publish(a, scene_topic("one/y"), 1, 1);
	scene_publish(a, scene_topic("one/y/x"), 2, 1);
	scene_publish(a, scene_topic("two/a/b/c"), 3, 1);
	scene_publish(a, scene_topic("three/x"), 4, 1);
	scene_flush(a, scene_topic("three"), a, 1);
	scene_await_number(a, 2, 5000);
	scene_await_number(a, 3, 5000);
	ck_assert_int_eq(a->messages, 2);
	ck_assert_int_eq(a->messages_of[0], 1);
	ck_assert_int_eq(a->messages_of[1], 1);
	peer_await_done(a, 5000);
	peer_free(a);
}

void
feature_unsubscribe(void)
{
	struct peer *a = scene_peer("a");

	peer_subscribe(a, scene_topic("t"), 1);
	peer_subscribe(a, scene_topic("u"), 1);
	scene_publish(a, scene_topic("t"), 1, 1);
	scene_await_number(a, 1, 5000);
	unsubscribe(a, scene_topic("t"));
	ck_assert_int_eq(kit.result.error, 0);
	scene_publish(a, scene_topic("t"), 2, 1);
	scene_flush(a, scene_topic("u"), a, 1);
	ck_assert_int_eq(a->messages, 1);
	peer_await_done(a, 5000);
	peer_free(a);
}

/* --- shared ----------------------------------------------------------------------------------- */

#define SHARED 50

static const char *
shared_filter(void)
{
	static char filter[320];

	snprintf(filter, sizeof(filter), "$share/g/%s", scene_topic("t"));
	return filter;
}

static int
both_have_all(void *arg)
{
	struct peer *const *peers = arg;

	return peers[0]->messages + peers[1]->messages >= SHARED;
}

/* Each message goes to one of the two, and both get some. */
void
feature_shared(void)
{
	struct peer *peers[] = {scene_peer("a"), scene_peer("b"), scene_peer("c")};

	peer_subscribe(peers[0], shared_filter(), 1);
	peer_subscribe(peers[1], shared_filter(), 1);
	for (int i = 0; i < SHARED; i++)
		scene_publish(peers[2], scene_topic("t"), i, 1);
	peer_await_done(peers[2], 5000);
	ck_assert(tk_run_until(kit.base, both_have_all, peers, 5000));
	kit_run(50);
	for (int i = 0; i < SHARED; i++)
		ck_assert_int_eq(peers[0]->numbers[i] + peers[1]->numbers[i], 1);
	ck_assert_int_gt(peers[0]->messages, 0);
	ck_assert_int_gt(peers[1]->messages, 0);
	for (int i = 0; i < 3; i++)
		peer_free(peers[i]);
}

/* The server says so in its CONNACK, and the client does not ask. */
void
lack_shared(void)
{
	struct peer *a = scene_peer("a");

	ck_assert_uint_eq(
	    mqev_properties_integer(a->granted, MQEV_PROP_SHARED_SUBSCRIPTION_AVAILABLE, 1), 0);
	ck_assert_int_eq(mqev_subscribe(a->client, MQEV_SUBSCRIPTION(.filter = shared_filter()), 1,
			     NULL, NULL, NULL),
	    MQEV_ERR_SHARED);
	peer_free(a);
}

/* --- identifiers ------------------------------------------------------------------------------ */

static void
count_one(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	(void)c;
	(void)m;
	++*(int *)userdata;
}

/* One given by the application comes with the message; of overlapping filters each gets its copy
 * by the identifier that the library gave it. */
void
feature_identifiers(void)
{
	struct mqev_properties *given = mqev_properties_new();
	struct peer *a = scene_peer("a");
	int wide = 0;
	int narrow = 0;

	mqev_properties_add_integer(given, MQEV_PROP_SUBSCRIPTION_IDENTIFIER, 77);
	subscribe_all(a, MQEV_SUBSCRIPTION(.filter = scene_topic("given"), .qos = 1), 1, given);
	scene_publish(a, scene_topic("given"), 1, 1);
	scene_await_number(a, 1, 5000);
	ck_assert_uint_eq(
	    mqev_properties_integer(a->kept->properties, MQEV_PROP_SUBSCRIPTION_IDENTIFIER, 0), 77);
	subscribe_all(a,
	    MQEV_SUBSCRIPTION(.filter = scene_topic("own/#"), .qos = 1, .on_message = count_one,
		.userdata = &wide),
	    1, NULL);
	subscribe_all(a,
	    MQEV_SUBSCRIPTION(.filter = scene_topic("own/x"), .qos = 1, .on_message = count_one,
		.userdata = &narrow),
	    1, NULL);
	scene_publish(a, scene_topic("own/x"), 2, 1);
	scene_publish(a, scene_topic("own/y"), 3, 1);
	AWAIT(wide, 2, 5000);
	AWAIT(narrow, 1, 5000);
	scene_flush(a, scene_topic("given"), a, 1);
	ck_assert_int_eq(wide, 2);
	ck_assert_int_eq(narrow, 1);
	peer_await_done(a, 5000);
	peer_free(a);
	mqev_properties_free(given);
}

/* --- options ---------------------------------------------------------------------------------- */

static void
publish_retained(struct peer *from, const char *topic, const char *text)
{
	peer_publish(from, MQEV_MESSAGE(.topic = topic, .payload = text,
			       .payload_len = strlen(text), .qos = 1, .retain = true));
	peer_await_done(from, 5000);
}

static void
no_local(struct peer *a, struct peer *b)
{
	subscribe_all(
	    a, MQEV_SUBSCRIPTION(.filter = scene_topic("nl"), .qos = 1, .no_local = true), 1, NULL);
	scene_publish(a, scene_topic("nl"), 1, 1);
	peer_await_done(a, 5000);
	scene_flush(b, scene_topic("nl"), a, 1);
	ck_assert_int_eq(a->numbers[1], 0);
}

static void
retain_as_published(struct peer *a, struct peer *b)
{
	const char *topic = scene_topic("rap");

	subscribe_all(a, MQEV_SUBSCRIPTION(.filter = topic, .qos = 1), 1, NULL);
	subscribe_all(
	    b, MQEV_SUBSCRIPTION(.filter = topic, .qos = 1, .retain_as_published = true), 1, NULL);
	publish_retained(a, topic, "2");
	scene_await_number(a, 2, 5000);
	scene_await_number(b, 2, 5000);
	ck_assert(!a->kept->retain);
	ck_assert(b->kept->retain);
}

static void
retain_handling(struct peer *a)
{
	const char *topic = scene_topic("rh");

	publish_retained(a, topic, "3");
	subscribe_all(a,
	    MQEV_SUBSCRIPTION(.filter = topic, .qos = 1,
		.retain_handling = MQEV_RETAIN_DO_NOT_SEND),
	    1, NULL);
	scene_flush(a, topic, a, 1);
	ck_assert_int_eq(a->numbers[3], 0);
	subscribe_all(a,
	    MQEV_SUBSCRIPTION(.filter = topic, .qos = 1,
		.retain_handling = MQEV_RETAIN_SEND_IF_NEW),
	    1, NULL);
	scene_flush(a, topic, a, 1);
	ck_assert_int_eq(a->numbers[3], 0);
	unsubscribe(a, topic);
	subscribe_all(a,
	    MQEV_SUBSCRIPTION(.filter = topic, .qos = 1,
		.retain_handling = MQEV_RETAIN_SEND_IF_NEW),
	    1, NULL);
	scene_await_number(a, 3, 5000);
}

void
feature_options(void)
{
	struct peer *a = scene_peer("a");
	struct peer *b = scene_peer("b");

	no_local(a, b);
	retain_as_published(a, b);
	retain_handling(a);
	peer_await_done(a, 5000);
	peer_free(a);
	peer_free(b);
}
