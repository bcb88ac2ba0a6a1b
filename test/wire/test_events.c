/* Events as data, and the fleet's own sinks of lines and events: what comes, in which order, and
 * that no secret is in it. */
#include <stdio.h>

#include "lib/auto.h"
#include "wire/client_kit.h"

/* "state:idle>dialing", "stage:dial", "connack:00", "fail:dial:111", "end:-12" */
static struct tk_buf story, all_text;
static struct mqev_fleet *fleet;
static struct mqev_client *client;
static struct tk_auto *broker;
static int lines, lines_of_level[32], events;
static void (*hook)(struct mqev_client *c, const struct mqev_event *e);

static void
write_story(const struct mqev_event *e)
{
	switch (e->type) {
	case MQEV_EVENT_STATE:
		tk_buf_printf(&story, "state:%d>%d ", (int)e->previous, (int)e->state);
		break;
	case MQEV_EVENT_STAGE:
		tk_buf_printf(&story, "stage:%d ", (int)e->stage);
		break;
	case MQEV_EVENT_CONNACK:
		tk_buf_printf(&story, "connack:%02x ", (unsigned)e->reason);
		break;
	case MQEV_EVENT_CONNECT_FAIL:
		tk_buf_printf(&story, "fail:%d:%d:%d ", (int)e->stage, e->error, e->system_errno);
		break;
	case MQEV_EVENT_UNREADABLE:
		tk_buf_printf(&story, "unreadable:%d ", e->error);
		break;
	case MQEV_EVENT_DISCONNECT:
		tk_buf_printf(
		    &story, "end:%d:%02x:%d ", e->error, (unsigned)e->reason, (int)e->from_server);
		break;
	}
}

static void
on_event(struct mqev_client *c, const struct mqev_event *e, void *userdata)
{
	ck_assert_ptr_eq(userdata, &story);
	ck_assert_ptr_eq(c, client);
	ck_assert_ptr_nonnull(e->text);
	tk_buf_printf(&all_text, "%s\n", e->text);
	events++;
	write_story(e);
	if (hook != NULL)
		hook(c, e);
}

static void
on_fleet_event(struct mqev_client *c, const struct mqev_event *e, void *userdata)
{
	ck_assert_ptr_eq(userdata, &lines);
	ck_assert_ptr_eq(mqev_client_fleet(c), fleet);
	tk_buf_printf(&all_text, "%s\n", e->text);
	events++;
	if (client == NULL)
		write_story(e);
}

static void
on_fleet_log(struct mqev_client *c, const struct mqev_log_line *line, void *userdata)
{
	ck_assert_ptr_eq(userdata, &lines);
	ck_assert_ptr_eq(mqev_client_fleet(c), fleet);
	tk_buf_printf(&all_text, "%s\n", line->text);
	lines++;
	lines_of_level[line->level]++;
}

static void
on_end(struct mqev_client *c, const struct mqev_disconnection *d, void *userdata)
{
	(void)c;
	(void)d;
	(void)userdata;
	tk_buf_printf(&story, "on_disconnect ");
}

static void
setup(void)
{
	kit_setup();
	broker = tk_auto_new(kit.base, NULL);
	fleet = NULL;
	client = NULL;
	hook = NULL;
	lines = events = 0;
	memset(lines_of_level, 0, sizeof(lines_of_level));
}

static void
teardown(void)
{
	mqev_fleet_free(fleet);
	tk_auto_free(broker);
	kit_run(1);
	tk_buf_free(&story);
	tk_buf_free(&all_text);
	kit_teardown();
}

static void
make_client(struct mqev_options options)
{
	fleet = mqev_fleet_new(kit.base, NULL);
	options.size = sizeof(options);
	options.on_event = on_event;
	options.userdata = &story;
	client = mqev_client_new(fleet, &options, NULL);
	ck_assert_ptr_nonnull(client);
}

static int
told(void *arg)
{
	return story.len > 0 && strstr((const char *)story.data, arg) != NULL;
}

/* What was told up to this, which must come. */
static void
expect_story(const char *last, const char *expected)
{
	tk_buf_printf(&story, "%s", "");
	ck_assert(tk_run_until(kit.base, told, (void *)(uintptr_t)last, 5000));
	ck_assert_str_eq((const char *)story.data, expected);
	tk_buf_clear(&story);
}

/* --- events ----------------------------------------------------------------------------------- */

START_TEST(a_whole_life)
{
	make_client((struct mqev_options){.on_disconnect = on_end, .no_reconnect = true});
	ck_assert_int_eq(mqev_connect(client, tk_auto_url(broker)), 0);
	ck_assert_int_eq(events, 0);
	expect_story("connack", "state:0>3 stage:1 stage:2 state:3>4 state:4>5 connack:00 ");
	tk_auto_drop_all(broker, 0);
	expect_story("on_disconnect", "state:5>0 end:-12:80:0 on_disconnect ");
	tk_auto_refuse(broker, 0x87, 5);
	ck_assert_int_eq(mqev_connect(client, tk_auto_url(broker)), 0);
	expect_story("on_disconnect",
	    "state:0>3 stage:1 stage:2 state:3>4 connack:87 state:4>0 end:-8:87:0 on_disconnect ");
	tk_auto_listen(broker, 0);
	ck_assert_int_eq(mqev_connect(client, tk_auto_url(broker)), 0);
	expect_story("fail", "state:0>3 stage:1 stage:2 state:3>0 fail:2:-14:111 ");
}
END_TEST

/* The governor's line is seen as a state; what happens in a call is told afterwards. */
START_TEST(waiting_for_a_turn)
{
	struct mqev_client *first;

	make_client((struct mqev_options){.client_id = "second"});
	ck_assert_int_eq(mqev_fleet_set_connect_limits(fleet, 1, 0, 0), 0);
	tk_auto_mute(broker, 1);
	first = mqev_client_new(fleet, MQEV_OPTIONS(.client_id = "first"), NULL);
	ck_assert_int_eq(mqev_connect(first, tk_auto_url(broker)), 0);
	kit_run(20);
	ck_assert_int_eq(mqev_connect(client, tk_auto_url(broker)), 0);
	expect_story("state", "state:0>2 ");
	ck_assert_int_eq(mqev_disconnect(client, NULL), 0);
	ck_assert_uint_eq(story.len, 0);
	expect_story("state", "state:2>0 ");
	ck_assert_int_eq(mqev_client_set_on_event(client, NULL), 0);
	ck_assert_int_eq(mqev_connect(client, tk_auto_url(broker)), 0);
	kit_run(20);
	ck_assert_uint_eq(story.len, 0);
}
END_TEST

static void
free_at_once(struct mqev_client *c, const struct mqev_event *e)
{
	if (e->type == MQEV_EVENT_CONNACK || e->type == MQEV_EVENT_DISCONNECT) {
		mqev_client_free(c);
		client = NULL;
	}
}

START_TEST(freed_in_it)
{
	hook = free_at_once;
	make_client((struct mqev_options){.on_disconnect = on_end});
	ck_assert_int_eq(mqev_connect(client, tk_auto_url(broker)), 0);
	expect_story("connack", "state:0>3 stage:1 stage:2 state:3>4 state:4>5 connack:00 ");
	kit_run(20);
	ck_assert_uint_eq(story.len, 0);
	ck_assert_uint_eq(mqev_fleet_client_count(fleet), 0);
}
END_TEST

/* --- the fleet's ------------------------------------------------------------------------------ */

static const char *const secrets[] = {
    "user7", "pa55word", "will7topic", "will7payload", "payload7", "url7user", "url7pass"};

START_TEST(all_of_a_fleet)
{
	const struct mqev_will will = {.size = sizeof(will),
	    .topic = "will7topic",
	    .payload = "will7payload",
	    .payload_len = 12};
	const struct mqev_options options = {.size = sizeof(options),
	    .client_id = "c",
	    .username = _i ? NULL : "user7",
	    .password = _i ? NULL : "pa55word",
	    .will = &will};
	struct mqev_client *c;
	char url[100];

	fleet = mqev_fleet_new(kit.base, MQEV_FLEET_OPTIONS(.on_log = on_fleet_log,
					     .on_event = on_fleet_event, .userdata = &lines));
	c = mqev_client_new(fleet, &options, NULL);
	snprintf(url, sizeof(url), "mqtt://url7user:url7pass@127.0.0.1:%d", tk_auto_port(broker));
	ck_assert_int_eq(mqev_connect(c, url), 0);
	mqev_publish(c,
	    MQEV_MESSAGE(.topic = "a", .payload = "payload7", .payload_len = 8, .qos = 2), NULL,
	    NULL);
	tk_buf_printf(&story, "%s", "");
	ck_assert(tk_run_until(kit.base, told, (void *)(uintptr_t) "connack:00", 5000));
	kit_run(30);
	ck_assert_int_eq(mqev_disconnect(c, NULL), 0);
	ck_assert(tk_run_until(kit.base, told, (void *)(uintptr_t) "end:0", 5000));
	ck_assert_int_gt(lines_of_level[MQEV_LOG_DEBUG], 8);
	ck_assert_int_gt(lines_of_level[MQEV_LOG_INFO], 0);
	ck_assert_int_gt(events, 6);
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		ck_assert_msg(strstr((const char *)all_text.data, secrets[i]) == NULL, "%s in\n%s",
		    secrets[i], (const char *)all_text.data);
}
END_TEST

/* Only the levels that are asked for: warnings here. */
START_TEST(levels)
{
	struct mqev_client *c;

	fleet = mqev_fleet_new(kit.base, MQEV_FLEET_OPTIONS(.on_log = on_fleet_log,
					     .log_levels = MQEV_LOG_WARNING, .userdata = &lines));
	c = mqev_client_new(fleet, MQEV_OPTIONS(.no_reconnect = true), NULL);
	ck_assert_int_eq(mqev_connect(c, tk_auto_url(broker)), 0);
	kit_run(30);
	ck_assert_int_eq(lines, 0);
	tk_auto_drop_all(broker, 1);
	kit_run(30);
	ck_assert_int_ge(lines, 1);
	ck_assert_int_eq(lines_of_level[MQEV_LOG_WARNING], lines);
}
END_TEST

static TCase *
events_case(Suite *s, const char *name)
{
	TCase *tc = tk_case(s, name);

	tcase_add_checked_fixture(tc, setup, teardown);
	return tc;
}

int
main(void)
{
	Suite *s = suite_create("events");
	TCase *tc = events_case(s, "client");

	tcase_add_test(tc, a_whole_life);
	tcase_add_test(tc, waiting_for_a_turn);
	tcase_add_test(tc, freed_in_it);
	tc = events_case(s, "fleet");
	tcase_add_loop_test(tc, all_of_a_fleet, 0, 2);
	tcase_add_test(tc, levels);
	return tk_main(s);
}
