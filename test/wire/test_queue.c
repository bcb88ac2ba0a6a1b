/* The queue of a client and of a fleet: limits, what makes room, marks, looking, taking out; and
 * pausing what is received. The session's part alone: test/unit/test_session_queue.c. */
#include "wire/client_kit.h"

#include <stdio.h>

#define ACCEPT_V311 TK_EXPECT(CONNECT), TK_SEND("20 (00 00)")
#define ACCEPT_V5 TK_EXPECT(CONNECT), TK_SEND("20 (00 00 ())")

static int64_t
publish_sized(struct mqev_client *c, size_t len, int qos)
{
	static char payload[100000];

	return kit_try_publish(
	    c, MQEV_MESSAGE(.topic = "a/b/c", .payload = payload, .payload_len = len, .qos = qos));
}

static uint64_t
dropped(enum mqev_drop cause)
{
	struct mqev_stats stats = {.size = sizeof(stats)};

	ck_assert_int_eq(mqev_fleet_stats(kit.fleet, &stats), 0);
	return stats.drops_by[cause];
}

/* --- room --------------------------------------------------------------------------------------
 */

START_TEST(the_oldest_makes_room)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_EXPECT_BYTES("30 ({'a'} 'three')"),
	    TK_EXPECT_BYTES("32 ({'a'} 0003 'four')"), TK_SEND("40 (@)"), TK_END};

	KIT_CLIENT(.max_queued = 2, .queue_full = MQEV_QUEUE_FULL_DROP_OLDEST);
	kit_publish("a", "one", 1);
	kit_publish("a", "two", 2);
	kit_publish("a", "three", 0);
	kit_publish("a", "four", 1);
	ck_assert_int_eq(kit_error_of(1), 1);
	kit_run(0);
	ck_assert_int_eq(kit_error_of(1), MQEV_ERR_DROPPED);
	ck_assert_int_eq(kit_error_of(2), MQEV_ERR_DROPPED);
	ck_assert_uint_eq(dropped(MQEV_DROP_MADE_ROOM), 2);
	ck_assert_uint_eq(dropped(MQEV_DROP_OFFLINE_QOS0), 0);
	kit_broker(script);
	kit_connect();
	KIT_PLAY(2000);
	kit_await_all(1000);
	ck_assert_int_eq(kit_error_of(3), 0);
	ck_assert_int_eq(kit_error_of(4), 0);
}
END_TEST

START_TEST(policies_change_while_running)
{
	KIT_CLIENT(.max_queued = 1);
	kit_publish("a", "zero", 0);
	ck_assert_int_eq(publish_sized(kit.client, 1, 1), MQEV_ERR_QUEUE_FULL);
	ck_assert_int_eq(mqev_client_set_queue_full(kit.client, MQEV_QUEUE_FULL_DROP_QOS0), 0);
	kit_publish("a", "one", 1);
	ck_assert_int_eq(publish_sized(kit.client, 1, 0), MQEV_ERR_QUEUE_FULL);
	ck_assert_int_eq(mqev_client_set_max_queued(kit.client, 2, 0), 0);
	kit_publish("a", "two", 0);
	ck_assert_int_eq(
	    mqev_client_set_queue_full(kit.client, (enum mqev_queue_full)7), MQEV_ERR_INVALID);
	kit_run(0);
	ck_assert_int_eq(kit_error_of(1), MQEV_ERR_DROPPED);
	ck_assert_uint_eq(mqev_queue_count(kit.client), 2);
}
END_TEST

START_TEST(qos0_is_dropped_offline)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_EXPECT_BYTES("30 ({'a'} 'online')"), TK_END};

	KIT_CLIENT(.offline_qos0 = MQEV_OFFLINE_DROP);
	kit_publish("a", "offline", 0);
	kit_await_all(1000);
	ck_assert_int_eq(kit_error_of(1), MQEV_ERR_DROPPED);
	ck_assert_uint_eq(dropped(MQEV_DROP_OFFLINE_QOS0), 1);
	ck_assert_uint_eq(dropped(MQEV_DROP_MADE_ROOM), 0);
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	kit_publish("a", "online", 0);
	KIT_PLAY(2000);
	kit_await_all(1000);
}
END_TEST

/* --- bytes -------------------------------------------------------------------------------------
 */

static void
assert_close(size_t counted, size_t allocated)
{
	ck_assert_msg(counted * 10 >= allocated * 9 && counted * 10 <= allocated * 11,
	    "counted %zu bytes, the allocator gave %zu", counted, allocated);
}

/* What is counted is what the allocator gave, within a tenth. */
START_TEST(bytes_are_bytes_allocated)
{
	static const size_t sizes[] = {0, 1, 50, 400, 3000, 60000};

	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .max_queued_bytes = SIZE_MAX);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t before = fail_mem_bytes();
		size_t counted = mqev_queue_bytes(kit.client);

		for (int j = 0; j < 300; j++)
			ck_assert_int_gt(mqev_publish(kit.client,
					     MQEV_MESSAGE(.topic = "a/b", .qos = j % 3,
						 .payload = "", .payload_len = 0),
					     NULL, NULL),
			    0);
		for (int j = 0; j < 300; j++) {
			char *payload = calloc(1, sizes[i] + 1);

			ck_assert_int_gt(mqev_publish(kit.client,
					     MQEV_MESSAGE(.topic = "a/b", .qos = j % 3,
						 .payload = payload, .payload_len = sizes[i]),
					     NULL, NULL),
			    0);
			free(payload);
		}
		assert_close(mqev_queue_bytes(kit.client) - counted, fail_mem_bytes() - before);
	}
	ck_assert_uint_eq(mqev_fleet_queue_bytes(kit.fleet), mqev_queue_bytes(kit.client));
	ck_assert_uint_eq(mqev_queue_count(kit.client), 3600);
}
END_TEST

static int released;

static void
release(void *arg)
{
	(void)arg;
	released++;
}

START_TEST(payloads_by_reference_do_not_count)
{
	static char payload[100000];

	released = 0;
	KIT_CLIENT(.max_queued_bytes = 10000);
	for (int i = 0; i < 10; i++)
		ck_assert_int_gt(kit_try_publish(kit.client,
				     MQEV_MESSAGE(.topic = "a", .payload = payload, .qos = 1,
					 .payload_len = sizeof(payload), .release = release)),
		    0);
	ck_assert_uint_lt(mqev_queue_bytes(kit.client), 10000);
	ck_assert_uint_eq(mqev_queue_clear(kit.client, MQEV_QUEUE_CLEAR_ALL), 10);
	ck_assert_int_eq(released, 0);
	kit_await_all(1000);
	ck_assert_int_eq(released, 10);
	ck_assert_uint_eq(mqev_queue_bytes(kit.client), 0);
}
END_TEST

/* A flood of messages of that QoS to a server that stays silent: memory stays within the limit,
 * what one turn of the loop may drop, and what the link holds. */
static void
flood(const struct tk_step *script, int qos, enum mqev_queue_full policy)
{
	static char payload[2000];
	size_t limit = 200000;
	size_t before;
	size_t most = 0;

	kit.quiet[KIT_DONE] = kit.quiet[KIT_PUBLISH] = true;
	KIT_CLIENT(.max_queued_bytes = limit, .queue_full = policy);
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	before = fail_mem_bytes();
	for (int i = 0; i < 50; i++) {
		for (int j = 0; j < 100; j++)
			mqev_publish(kit.client,
			    MQEV_MESSAGE(.topic = "a", .payload = payload, .qos = qos,
				.payload_len = sizeof(payload)),
			    NULL, NULL);
		ck_assert_uint_le(mqev_queue_bytes(kit.client), limit);
		if (fail_mem_bytes() - before > most)
			most = fail_mem_bytes() - before;
		kit_run(0);
	}
	ck_assert_uint_gt(mqev_queue_bytes(kit.client), limit / 2);
	/* The cork's blocks of 64 KiB, of which so much may be on their way. */
	ck_assert_uint_le(most, 2 * limit + 3 * 1024 * 1024);
}

START_TEST(server_that_does_not_read)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_STALL(), TK_END};

	flood(script, _i, MQEV_QUEUE_FULL_REJECT);
}
END_TEST

START_TEST(server_that_does_not_read_and_drops)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_STALL(), TK_END};

	flood(script, _i, MQEV_QUEUE_FULL_DROP_OLDEST);
}
END_TEST

START_TEST(server_that_never_acknowledges)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_END};

	flood(script, 1 + _i, MQEV_QUEUE_FULL_DROP_OLDEST);
}
END_TEST

/* --- marks -------------------------------------------------------------------------------------
 */

static char waters[64];

static void
on_water(struct mqev_client *c, const struct mqev_water *water, void *userdata)
{
	ck_assert_int_eq(kit.in_call, 0);
	ck_assert_uint_eq(water->count, mqev_queue_count(c));
	ck_assert_uint_eq(water->bytes, mqev_queue_bytes(c));
	(void)userdata;
	strcat(waters, water->high ? "H" : "L");
}

static void
on_fleet_water(struct mqev_fleet *f, const struct mqev_water *water, void *userdata)
{
	ck_assert_int_eq(kit.in_call, 0);
	ck_assert_uint_eq(water->count, mqev_fleet_queue_count(f));
	ck_assert_uint_eq(water->bytes, mqev_fleet_queue_bytes(f));
	ck_assert_ptr_eq(userdata, &kit);
	strcat(waters, water->high ? "h" : "l");
}

START_TEST(high_and_low_water)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_EXPECT(PUBLISH), TK_EXPECT(PUBLISH),
	    TK_EXPECT(PUBLISH), TK_EXPECT(PUBLISH), TK_SEND("40 (0001)"), TK_QUIET(30),
	    TK_SEND("40 (0002)"), TK_QUIET(30), TK_SEND("40 (0003) 40 (0004)"), TK_END};

	waters[0] = '\0';
	KIT_CLIENT(.on_water = on_water, .water = MQEV_WATER_MARKS(.high = 4));
	for (int i = 0; i < 3; i++)
		kit_publish("a", "", 1);
	kit_run(10);
	ck_assert_str_eq(waters, "");
	KIT_CALL((kit_publish("a", "", 1), 0));
	ck_assert_str_eq(waters, "");
	kit_run(0);
	ck_assert_str_eq(waters, "H");
	kit_broker(script);
	kit_connect();
	KIT_PLAY(2000);
	kit_await_all(1000);
	kit_run(0);
	ck_assert_str_eq(waters, "HL");
	ck_assert_int_eq(mqev_client_set_water(kit.client, MQEV_WATER_MARKS(.high = 1)), 0);
	kit_disconnect();
	kit_publish("a", "", 1);
	kit_run(0);
	ck_assert_str_eq(waters, "HLH");
	ck_assert_int_eq(mqev_client_set_on_water(kit.client, NULL), 0);
	ck_assert_int_eq(mqev_client_set_water(kit.client, NULL), 0);
	kit_run(0);
	ck_assert_str_eq(waters, "HLH");
}
END_TEST

START_TEST(water_and_limits_of_a_fleet)
{
	struct mqev_fleet *fleet = mqev_fleet_new(
	    kit.base, MQEV_FLEET_OPTIONS(.max_queued = 4, .on_water = on_fleet_water,
			  .userdata = &kit, .water = MQEV_WATER_MARKS(.high = 3, .low = 1)));
	struct mqev_client *one = mqev_client_new(fleet, MQEV_OPTIONS(.client_id = "1"), NULL);
	struct mqev_client *two = mqev_client_new(
	    fleet, MQEV_OPTIONS(.client_id = "2", .queue_full = MQEV_QUEUE_FULL_DROP_OLDEST), NULL);

	waters[0] = '\0';
	for (int i = 0; i < 2; i++) {
		ck_assert_int_gt(publish_sized(one, 10, 1), 0);
		ck_assert_int_gt(publish_sized(two, 10, 1), 0);
	}
	ck_assert_int_eq(publish_sized(one, 10, 1), MQEV_ERR_QUEUE_FULL);
	ck_assert_int_gt(publish_sized(two, 10, 1), 0);
	ck_assert_uint_eq(mqev_fleet_queue_count(fleet), 4);
	kit_run(0);
	ck_assert_str_eq(waters, "h");
	ck_assert_int_eq(mqev_fleet_set_max_queued(fleet, 5, 0), 0);
	ck_assert_int_gt(publish_sized(one, 10, 1), 0);
	ck_assert_int_eq(mqev_fleet_set_max_queued(fleet, 0, 100), 0);
	ck_assert_int_eq(publish_sized(two, 10, 1), MQEV_ERR_QUEUE_FULL);
	mqev_client_free(one);
	ck_assert_int_eq(mqev_fleet_set_water(fleet, MQEV_WATER_MARKS(.low = 2)), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_fleet_set_water(fleet, MQEV_WATER_MARKS(.high = 9, .low = 2)), 0);
	kit_run(0);
	ck_assert_str_eq(waters, "hl");
	mqev_client_free(two);
	ck_assert_uint_eq(mqev_fleet_queue_bytes(fleet), 0);
	mqev_fleet_free(fleet);
}
END_TEST

START_TEST(wrong_options_of_a_fleet)
{
	ck_assert_ptr_null(mqev_fleet_new(
	    kit.base, MQEV_FLEET_OPTIONS(.water = MQEV_WATER_MARKS(.high = 3, .low = 3))));
	ck_assert_int_eq(mqev_fleet_set_max_queued(NULL, 1, 1), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_fleet_set_water(NULL, NULL), MQEV_ERR_INVALID);
	ck_assert_uint_eq(mqev_fleet_queue_count(NULL) + mqev_fleet_queue_bytes(NULL), 0);
	ck_assert_uint_eq(mqev_queue_count(NULL) + mqev_queue_bytes(NULL), 0);
	ck_assert_uint_eq(mqev_queue_clear(NULL, MQEV_QUEUE_CLEAR_ALL), 0);
	ck_assert_int_eq(mqev_cancel(NULL, 1), MQEV_ERR_INVALID);
	ck_assert_ptr_null(mqev_queue_list_new(NULL, 0));
	mqev_queue_list_free(NULL);
	ck_assert_int_eq(mqev_pause_receiving(NULL), MQEV_ERR_INVALID);
	ck_assert(!mqev_is_receiving_paused(NULL));
}
END_TEST

/* --- looking and taking out --------------------------------------------------------------------
 */

static void
assert_entry(const struct mqev_queued *e, uint64_t op, enum mqev_queued_kind kind,
    enum mqev_queued_state state, const char *topic, int qos)
{
	ck_assert_uint_eq(e->op, op);
	ck_assert_int_eq((int)e->kind, (int)kind);
	ck_assert_int_eq((int)e->state, (int)state);
	ck_assert_str_eq(e->topic, topic);
	ck_assert_int_eq(e->qos, qos);
	ck_assert_uint_lt(e->age_ms, 5000);
	ck_assert_uint_gt(e->bytes, 0);
}

START_TEST(the_list)
{
	static const struct tk_step script[] = {ACCEPT_V5, TK_EXPECT(SUBSCRIBE), TK_EXPECT(PUBLISH),
	    TK_EXPECT(PUBLISH), TK_CLOSE(), TK_END};
	struct mqev_properties *p = mqev_properties_new();
	struct mqev_queue_list *list;

	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .session_expiry = 100, .max_inflight = 1);
	list = mqev_queue_list_new(kit.client, 0);
	ck_assert_uint_eq(list->count, 0);
	mqev_queue_list_free(list);
	mqev_properties_add_integer(p, MQEV_PROP_MESSAGE_EXPIRY_INTERVAL, 100);
	kit_publish("zero", "0", 0);
	kit_publish("one", "11", 1);
	kit_try_publish(
	    kit.client, MQEV_MESSAGE(.topic = "two", .qos = 2, .retain = true, .properties = p));
	kit_subscribe("f/#", 1, NULL);
	kit_broker(script);
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	kit_publish("zero", "0", 0);
	kit_unsubscribe("g");
	list = mqev_queue_list_new(kit.client, 0);
	ck_assert_uint_eq(list->count, 5);
	assert_entry(&list->at[0], 5, MQEV_QUEUED_PUBLISH, MQEV_QUEUED_WAITING, "zero", 0);
	assert_entry(&list->at[1], 2, MQEV_QUEUED_PUBLISH, MQEV_QUEUED_IN_FLIGHT, "one", 1);
	ck_assert_uint_eq(list->at[1].payload_len, 2);
	ck_assert_uint_ne(list->at[1].mid, 0);
	assert_entry(&list->at[2], 3, MQEV_QUEUED_PUBLISH, MQEV_QUEUED_WAITING, "two", 2);
	ck_assert(list->at[2].retain);
	ck_assert_uint_gt(list->at[2].expires_ms, 90000);
	assert_entry(&list->at[3], 4, MQEV_QUEUED_SUBSCRIBE, MQEV_QUEUED_WAITING, "f/#", 0);
	assert_entry(&list->at[4], 6, MQEV_QUEUED_UNSUBSCRIBE, MQEV_QUEUED_WAITING, "g", 0);
	/* It stays as it is, whatever becomes of the client. */
	kit_free_client();
	assert_entry(&list->at[2], 3, MQEV_QUEUED_PUBLISH, MQEV_QUEUED_WAITING, "two", 2);
	mqev_queue_list_free(list);
	mqev_properties_free(p);
}
END_TEST

START_TEST(the_list_is_cut)
{
	struct mqev_queue_list *list;

	KIT_CLIENT(.max_queued = 10);
	for (int i = 0; i < 6; i++)
		kit_publish(i < 3 ? "zero" : "one", "", i < 3 ? 0 : 1);
	list = mqev_queue_list_new(kit.client, 4);
	ck_assert_uint_eq(list->count, 4);
	ck_assert_str_eq(list->at[3].topic, "one");
	mqev_queue_list_free(list);
	fail_mem_after(0);
	ck_assert_ptr_null(mqev_queue_list_new(kit.client, 0));
	fail_mem_never();
}
END_TEST

/* A SUBSCRIBE that was canceled is not sent, not even after a lost session. */
START_TEST(canceled_before_it_is_sent)
{
	static const struct tk_step script[] = {ACCEPT_V311,
	    TK_EXPECT_BYTES("32 ({'a'} 0002 'two')"), TK_SEND("40 (@)"), TK_QUIET(50), TK_CLOSE(),
	    TK_ACCEPT(), ACCEPT_V311, TK_QUIET(50), TK_END};

	KIT_CLIENT(.keepalive = 60);
	kit_publish("a", "one", 1);
	kit_publish("a", "two", 1);
	kit_publish("a", "zero", 0);
	kit_subscribe("f", 1, kit_filter_message);
	ck_assert_int_eq(KIT_CALL(mqev_cancel(kit.client, 1)), 0);
	ck_assert_int_eq(KIT_CALL(mqev_cancel(kit.client, 3)), 0);
	ck_assert_int_eq(KIT_CALL(mqev_cancel(kit.client, 4)), 0);
	ck_assert_int_eq(mqev_cancel(kit.client, 1), MQEV_ERR_NOT_FOUND);
	ck_assert_int_eq(mqev_cancel(kit.client, 99), MQEV_ERR_NOT_FOUND);
	kit_run(0);
	ck_assert_int_eq(kit_error_of(1), MQEV_ERR_CANCELED);
	ck_assert_int_eq(kit_error_of(4), MQEV_ERR_CANCELED);
	kit_broker(script);
	kit_connect();
	KIT_PLAY(3000);
	kit_await_all(1000);
}
END_TEST

START_TEST(canceled_in_flight)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_EXPECT(SUBSCRIBE),
	    TK_EXPECT_BYTES("34 ({'a'} 0001 'one')"), TK_WAIT(30), TK_CLOSE(), TK_ACCEPT(),
	    TK_EXPECT(CONNECT), TK_SEND("20 (01 00)"), TK_EXPECT(SUBSCRIBE), TK_SEND("90 (@ 00)"),
	    TK_EXPECT_BYTES("3C ({'a'} 0001 'one')"), TK_SEND("50 (0001)"),
	    TK_EXPECT_BYTES("62 (0001)"), TK_SEND("70 (0001)"), TK_END};

	KIT_CLIENT(.clean = MQEV_CLEAN_STRICT);
	kit_publish("a", "one", 2);
	kit_subscribe("f", 0, NULL);
	kit_broker(script);
	kit_connect();
	while (tk_broker_count(kit.broker, 1) < 3)
		event_base_loop(kit.base, EVLOOP_ONCE);
	ck_assert_int_eq(KIT_CALL(mqev_cancel(kit.client, 2)), MQEV_ERR_STATE);
	fail_mem_after(0);
	ck_assert_int_eq(KIT_CALL(mqev_cancel(kit.client, 1)), MQEV_ERR_NOMEM);
	fail_mem_never();
	ck_assert_int_eq(KIT_CALL(mqev_cancel(kit.client, 1)), 0);
	kit_run(0);
	ck_assert_int_eq(kit_error_of(1), MQEV_ERR_CANCELED);
	ck_assert_uint_eq(mqev_queue_count(kit.client), 2);
	KIT_PLAY(3000);
	kit_await_all(1000);
	kit_run(20);
	ck_assert_uint_eq(mqev_queue_count(kit.client), 0);
}
END_TEST

START_TEST(cleared)
{
	KIT_CLIENT(.keepalive = 60);
	kit_publish("a", "", 0);
	kit_publish("a", "", 1);
	kit_publish("a", "", 2);
	kit_subscribe("f", 0, NULL);
	ck_assert_uint_eq(KIT_CALL(mqev_queue_clear(kit.client, MQEV_QUEUE_CLEAR_QOS0)), 1);
	ck_assert_uint_eq(KIT_CALL(mqev_queue_clear(kit.client, MQEV_QUEUE_CLEAR_ALL)), 2);
	kit_run(0);
	KIT_DIARY("done1:CANCELED done2:CANCELED done3:CANCELED");
	ck_assert_uint_eq(mqev_queue_count(kit.client), 1);
}
END_TEST

/* Whichever allocation fails, each accepted operation completes once, and what the calls say is
 * true. */
static void
use_the_queue(void)
{
	struct mqev_queue_list *list;
	size_t count;
	int64_t op = 0;

	for (int i = 0; i < 5; i++) {
		int64_t accepted =
		    kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a", .payload = "payload",
						    .payload_len = 7, .qos = i % 3));

		ck_assert(accepted > 0 || accepted == MQEV_ERR_NOMEM);
		if (accepted > 0 && i % 3 > 0)
			op = accepted;
	}
	ck_assert_uint_le(mqev_queue_count(kit.client), 3);
	list = mqev_queue_list_new(kit.client, 0);
	if (list != NULL)
		ck_assert_uint_eq(list->count, mqev_queue_count(kit.client));
	mqev_queue_list_free(list);
	count = mqev_queue_count(kit.client);
	if (op > 0 && kit_error_of(op) == 1 && mqev_cancel(kit.client, (uint64_t)op) == 0)
		ck_assert_uint_eq(mqev_queue_count(kit.client), count - 1);
	ck_assert_int_eq(mqev_client_set_offline_qos0(kit.client, MQEV_OFFLINE_DROP) == 0 ||
			     fail_mem_refused() > 0,
	    1);
	kit_try_publish(kit.client, MQEV_MESSAGE(.topic = "a"));
	kit_run(0);
	count = mqev_queue_count(kit.client);
	ck_assert_uint_eq(mqev_queue_clear(kit.client, MQEV_QUEUE_CLEAR_ALL), count);
	kit_run(0);
}

START_TEST(every_allocation_fails)
{
	size_t refused = 1;

	for (size_t n = 0; refused > 0; n++) {
		KIT_CLIENT(.max_queued = 3, .queue_full = MQEV_QUEUE_FULL_DROP_OLDEST);
		fail_mem_after(n);
		use_the_queue();
		refused = fail_mem_refused();
		fail_mem_never();
		ck_assert_uint_eq(mqev_queue_bytes(kit.client), 0);
		kit_await_all(0);
		kit_free_client();
		ck_assert_uint_lt(n, 100);
	}
}
END_TEST

/* --- pausing -----------------------------------------------------------------------------------
 */

static struct tk_buf many;
static int pause_at;

static void
pause_hook(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)what;
	(void)userdata;
	if (event == KIT_MESSAGE && kit.count[KIT_MESSAGE] == pause_at)
		ck_assert_int_eq(mqev_pause_receiving(c), 0);
}

static void
make_many(int count, size_t size)
{
	struct tk_buf one = {0};
	char *payload = calloc(1, size);

	tk_buf_free(&many);
	one = TK_MAKE_PUBLISH(.version = 4, .topic = "a", .data = payload, .data_len = size);
	for (int i = 0; i < count; i++)
		tk_buf_put(&many, one.data, one.len);
	tk_buf_free(&one);
	free(payload);
}

/* The server's bytes stay in the network until the application takes them again. */
START_TEST(paused_in_a_message)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_SEND_BUF(many), TK_END};
	size_t before;

	make_many(10000, 2000);
	pause_at = 3;
	kit.quiet[KIT_MESSAGE] = true;
	kit.hook = pause_hook;
	KIT_CLIENT(.keepalive = 60);
	kit_broker(script);
	before = fail_mem_bytes();
	kit_connect();
	KIT_AWAIT(KIT_MESSAGE, 3, 2000);
	kit_run(200);
	ck_assert_int_eq(kit.count[KIT_MESSAGE], 3);
	ck_assert(mqev_is_receiving_paused(kit.client));
	ck_assert(!tk_broker_done(kit.broker));
	ck_assert_uint_lt(fail_mem_bytes() - before, 300000);
	pause_at = 7;
	ck_assert_int_eq(KIT_CALL(mqev_resume_receiving(kit.client)), 0);
	KIT_AWAIT(KIT_MESSAGE, 7, 2000);
	kit_run(50);
	ck_assert_int_eq(kit.count[KIT_MESSAGE], 7);
	ck_assert_int_eq(KIT_CALL(mqev_resume_receiving(kit.client)), 0);
	KIT_AWAIT(KIT_MESSAGE, 10000, 10000);
	tk_buf_free(&many);
}
END_TEST

/* What lies in the client's hands is delivered at the resume, though the server sends no more. */
START_TEST(few_messages_while_paused)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_SEND("30 ({'a'} '1') 30 ({'a'} '2') 30 ({'a'} '3')"), TK_END};

	pause_at = 1;
	kit.hook = pause_hook;
	KIT_CLIENT(.keepalive = 60);
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_MESSAGE, 1, 2000);
	kit_run(50);
	ck_assert_int_eq(kit.count[KIT_MESSAGE], 1);
	mqev_resume_receiving(kit.client);
	KIT_AWAIT(KIT_MESSAGE, 3, 1000);
	KIT_DIARY("connect:00 message:a:1:0 message:a:2:0 message:a:3:0");
}
END_TEST

/* Paused before it connects: the handshake goes on, nothing else is read. */
START_TEST(paused_from_the_beginning)
{
	static const struct tk_step script[] = {TK_EXPECT(CONNECT),
	    TK_SEND("20 (00 00) 30 ({'a'} '1')"), TK_EXPECT_BYTES("32 ({'b'} 0001 'up')"),
	    TK_SEND("40 (@) 30 ({'a'} '2')"), TK_END};

	KIT_CLIENT(.keepalive = 60);
	mqev_pause_receiving(kit.client);
	kit_publish("b", "up", 1);
	kit_broker(script);
	kit_connect();
	KIT_PLAY(2000);
	kit_run(50);
	KIT_DIARY("connect:00");
	mqev_resume_receiving(kit.client);
	kit_await_all(1000);
	KIT_AWAIT(KIT_MESSAGE, 2, 1000);
	KIT_DIARY("message:a:1:0 done1:OK message:a:2:0");
}
END_TEST

/* The server's answers lie unread, and it is not taken for dead. */
START_TEST(paused_past_the_ping_timeout)
{
	static const struct tk_step script[] = {ACCEPT_V311, TK_EXPECT(PINGREQ), TK_SEND("D0 00"),
	    TK_WAIT(900), TK_SEND("30 ({'a'} '1')"), TK_END};

	KIT_CLIENT(.keepalive = 1, .ping_timeout_ms = 300);
	mqev_pause_receiving(kit.client);
	kit_broker(script);
	kit_connect();
	KIT_PLAY(4000);
	mqev_resume_receiving(kit.client);
	KIT_AWAIT(KIT_MESSAGE, 1, 1000);
	ck_assert_int_eq(kit.count[KIT_DISCONNECT], 0);
}
END_TEST

START_TEST(disconnected_while_paused)
{
	static const struct tk_step script[] = {
	    ACCEPT_V311, TK_SEND("30 ({'a'} '1') 30 ({'a'} '2')"), TK_EXPECT(DISCONNECT), TK_END};

	pause_at = 1;
	kit.hook = pause_hook;
	KIT_CLIENT(.keepalive = 60);
	kit_broker(script);
	kit_connect();
	KIT_AWAIT(KIT_MESSAGE, 1, 2000);
	kit_disconnect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 1000);
	ck_assert_int_eq(kit.count[KIT_MESSAGE], 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("queue");
	TCase *tc = kit_case(s, "limits");

	tcase_add_test(tc, the_oldest_makes_room);
	tcase_add_test(tc, policies_change_while_running);
	tcase_add_test(tc, qos0_is_dropped_offline);
	tcase_add_test(tc, bytes_are_bytes_allocated);
	tcase_add_test(tc, payloads_by_reference_do_not_count);
	tcase_add_loop_test(tc, server_that_does_not_read, 0, 3);
	tcase_add_loop_test(tc, server_that_does_not_read_and_drops, 0, 3);
	tcase_add_loop_test(tc, server_that_never_acknowledges, 0, 2);
	tc = kit_case(s, "marks");
	tcase_add_test(tc, high_and_low_water);
	tcase_add_test(tc, water_and_limits_of_a_fleet);
	tcase_add_test(tc, wrong_options_of_a_fleet);
	tc = kit_case(s, "list, cancel, clear");
	tcase_add_test(tc, the_list);
	tcase_add_test(tc, the_list_is_cut);
	tcase_add_test(tc, canceled_before_it_is_sent);
	tcase_add_test(tc, canceled_in_flight);
	tcase_add_test(tc, cleared);
	tcase_add_test(tc, every_allocation_fails);
	tc = kit_case(s, "pause");
	tcase_add_test(tc, paused_in_a_message);
	tcase_add_test(tc, few_messages_while_paused);
	tcase_add_test(tc, paused_from_the_beginning);
	tcase_add_test(tc, paused_past_the_ping_timeout);
	tcase_add_test(tc, disconnected_while_paused);
	return tk_main(s);
}
