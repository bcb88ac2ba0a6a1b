/* Several fleets, each in a thread of its own, over one store: what other threads publish is
 * durable, acknowledged, and told of once; nobody waits for anybody for ever. */
#include "wire/loop_kit.h"

#include <mqev/store.h>

enum { FLEETS = 3, CLIENTS = 3, EACH = 60 };

static struct mqev_store *store;
static atomic_int durable;

struct side {
	struct mqev_fleet *fleet;
	struct mqev_client *clients[CLIENTS];
	struct mqev_remote *remotes[CLIENTS];
	pthread_t thread;
};

static void
on_durable(struct mqev_client *c, const struct mqev_result *result, void *userdata)
{
	(void)c;
	(void)userdata;
	ck_assert_int_eq(result->error, 0);
	atomic_fetch_add(&durable, 1);
}

static void
open_store(void)
{
	int error = 1;

	store = mqev_store_open(mqev_backend_memory(), NULL, NULL, &error);
	ck_assert_msg(store != NULL, "%s", mqev_error_text(error));
	atomic_store(&durable, 0);
}

static void
begin_side(struct side *side, int number)
{
	char id[16];

	side->fleet = mqev_fleet_new(NULL, NULL);
	for (int i = 0; i < CLIENTS; i++) {
		snprintf(id, sizeof(id), "c%d-%d", number, i);
		side->clients[i] = world_client(side->fleet, (struct mqev_options){.client_id = id,
								 .store = store,
								 .protocol = MQEV_PROTOCOL_V5,
								 .on_durable = on_durable});
		side->remotes[i] = mqev_remote_new(side->clients[i]);
		ck_assert_ptr_nonnull(side->remotes[i]);
		ck_assert_int_eq(mqev_connect(side->clients[i], tk_auto_url(world.server)), 0);
	}
	ck_assert_int_eq(mqev_loop_start(side->fleet), 0);
}

static void
end_side(struct side *side)
{
	ck_assert_int_eq(mqev_loop_stop(side->fleet, MQEV_STOP_NOW, 8000), 0);
	mqev_fleet_free(side->fleet);
	for (int i = 0; i < CLIENTS; i++)
		mqev_remote_free(side->remotes[i]);
}

static void *
publish_many(void *arg)
{
	const struct side *side = arg;

	for (int i = 0; i < EACH; i++) {
		struct mqev_remote *remote = side->remotes[i % CLIENTS];
		int64_t op = mqev_remote_publish(remote,
		    MQEV_MESSAGE(.topic = "x", .payload = "p", .payload_len = 1, .qos = 1 + i % 2),
		    world_done, NULL);

		ck_assert_int_gt(op, 0);
		if (i % 20 == 0)
			ck_assert_int_eq(mqev_wait_published(remote, op, 8000), 1);
	}
	return NULL;
}

START_TEST(fleets_share_a_store)
{
	struct side sides[FLEETS];

	open_store();
	world_serve_in_thread();
	for (int i = 0; i < FLEETS; i++)
		begin_side(&sides[i], i);
	for (int i = 0; i < FLEETS; i++)
		pthread_create(&sides[i].thread, NULL, publish_many, &sides[i]);
	for (int i = 0; i < FLEETS; i++)
		pthread_join(sides[i].thread, NULL);
	WORLD_AWAIT(world.done, FLEETS * EACH);
	ck_assert_int_eq(durable, FLEETS * EACH);
	ck_assert_int_eq(world.failed, 0);
	/* In use: it stays open. */
	ck_assert_int_eq(mqev_store_close(store), MQEV_ERR_STATE);
	for (int i = 0; i < FLEETS; i++)
		end_side(&sides[i]);
	ck_assert_int_eq(world.done, FLEETS * EACH);
	ck_assert_int_eq(mqev_store_close(store), 0);
	world_serve_no_more();
}
END_TEST

/* Fleets that end while the others' messages are on their way to the store. */
START_TEST(fleets_end_one_by_one)
{
	struct side sides[FLEETS];

	open_store();
	world_serve_in_thread();
	for (int i = 0; i < FLEETS; i++)
		begin_side(&sides[i], i);
	for (int i = 0; i < FLEETS; i++) {
		for (int j = i; j < FLEETS; j++) {
			for (int n = 0; n < EACH; n++)
				ck_assert_int_gt(
				    mqev_remote_publish(sides[j].remotes[n % CLIENTS],
					MQEV_MESSAGE(.topic = "x", .qos = 1), world_done, NULL),
				    0);
		}
		end_side(&sides[i]);
	}
	/* Each once, with success, or kept or canceled by its fleet's end. */
	ck_assert_int_eq(world.done, EACH * FLEETS * (FLEETS + 1) / 2);
	ck_assert_int_eq(mqev_store_close(store), 0);
	world_serve_no_more();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("store_threads");
	TCase *tc = world_case(s, "fleets");

	tcase_add_test(tc, fleets_share_a_store);
	tcase_add_test(tc, fleets_end_one_by_one);
	return tk_main(s);
}
