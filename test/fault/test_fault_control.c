/* Every allocation fails in turn while the application is asked before attempts, changes settings
 * and connects anew: as test_fault_client.c has it. */
#include "fault/fault_world.h"

#define V5 .protocol = MQEV_PROTOCOL_V5
#define KEPT .clean = MQEV_CLEAN_STRICT

static bool
connected_once(void)
{
	return fault_connected() && world.connects > 0;
}

static bool
connected_again(void)
{
	return fault_connected() && world.connects >= 2;
}

/* --- asked before each attempt -----------------------------------------------------------------
 */

/* Without memory the attempt goes on with what was there before. */
static void
set_anew(struct mqev_client *c)
{
	int error = mqev_client_set_login(c, "user", "secret", 0);

	ck_assert(error == 0 || error == MQEV_ERR_NOMEM);
	error = mqev_client_set_will(c, MQEV_WILL(.topic = "w", .payload = "x", .payload_len = 1));
	ck_assert(error == 0 || error == MQEV_ERR_NOMEM);
}

static void
ready_at_once(struct mqev_client *c, const struct mqev_pre_connect *attempt, void *userdata)
{
	(void)attempt;
	(void)userdata;
	set_anew(c);
}

static void
ready_later(struct mqev_client *c, const struct mqev_pre_connect *attempt, void *userdata)
{
	(void)userdata;
	world.counter = (int)attempt->attempt;
	ck_assert_int_eq(mqev_attempt_hold(c), 0);
}

static bool
act_connect(void)
{
	return fault_connect(NULL);
}

static bool
connected_when_ready(void)
{
	if (mqev_client_state(world.client) == MQEV_CLIENT_PREPARING) {
		set_anew(world.client);
		ck_assert_int_eq(mqev_attempt_go(world.client, (uint64_t)world.counter, 0), 0);
	}
	return connected_once();
}

/* --- changes while connected -------------------------------------------------------------------
 */

static bool
done(int error)
{
	ck_assert(error == 0 || error == MQEV_ERR_NOMEM);
	if (error == 0)
		world.step++;
	return error == 0;
}

static void
count_message(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	fault_message(c, m, userdata);
	world.counter++;
}

static bool
act_settings(void)
{
	struct mqev_client *c = world.client;

	if (world.step == 0 && !done(mqev_client_set_max_inflight(c, 1)))
		return false;
	if (world.step == 1 && !done(mqev_client_set_on_publish(c, NULL)))
		return false;
	if (world.step == 2 && !done(mqev_message_callback_add(c, "in/+", count_message, NULL)))
		return false;
	if (world.step == 3 && !done(mqev_message_callback_add(c, "in/x", count_message, NULL)))
		return false;
	if (world.step == 4 && !fault_subscribe("in/#", 1, NULL))
		return false;
	world.step = 5;
	if (world.pending > 0)
		return false;
	tk_auto_publish(world.broker, "in/x", "x", 1, 1, 0);
	return true;
}

/* Both filters, or the broker sends it again. */
static bool
both_served(void)
{
	return world.counter >= 2 && world.counter % 2 == 0;
}

static bool
act_reconnect(void)
{
	ck_assert_int_eq(mqev_reconnect(world.client), 0);
	return true;
}

static bool
act_network_changed(void)
{
	mqev_fleet_network_changed(world.fleet);
	return true;
}

/* --- overruled ---------------------------------------------------------------------------------
 */

static void
go_to_the_broker(struct mqev_client *c, const struct mqev_retry *retry, void *userdata)
{
	int error = mqev_retry_elsewhere(retry, tk_auto_url(world.broker), 0);

	(void)c;
	(void)userdata;
	ck_assert(error == 0 || error == MQEV_ERR_NOMEM);
}

static bool
act_connect_elsewhere(void)
{
	return fault_connect("mqtt://127.0.0.1:1");
}

#define OVERRULED                                                      \
	(struct mqev_reconnect_options[])                              \
	{                                                              \
		{                                                      \
			.size = sizeof(struct mqev_reconnect_options), \
			.on_retry = go_to_the_broker                   \
		}                                                      \
	}

static const struct scenario scenarios[] = {
    {.name = "ready at once",
	.options = {V5, .on_pre_connect = ready_at_once},
	.act = act_connect,
	.goal = connected_once},
    {.name = "ready later",
	.options = {.on_pre_connect = ready_later},
	.act = act_connect,
	.goal = connected_when_ready},
    {.name = "settings while connected",
	.options = {KEPT},
	.connect = true,
	.act = act_settings,
	.goal = both_served},
    {.name = "reconnect",
	.options = {V5},
	.connect = true,
	.act = act_reconnect,
	.goal = connected_again},
    {.name = "the network has changed",
	.connect = true,
	.act = act_network_changed,
	.goal = connected_once},
    {.name = "overruled",
	.options = {.reconnect = OVERRULED},
	.act = act_connect_elsewhere,
	.goal = connected_once},
};

START_TEST(each_allocation_fails)
{
	fault_run(&scenarios[_i]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("fault_control");
	TCase *tc = tk_case(s, "allocations");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(
	    tc, each_allocation_fails, 0, (int)(sizeof(scenarios) / sizeof(scenarios[0])));
	return tk_main(s);
}
