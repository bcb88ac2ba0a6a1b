/* A session handed over with each allocation of the library failing in turn, in either process: an
 * error by name, one owner, and when it is given again all of it. */
#include <check.h>
#include <event2/event.h>
#include <mqev/mqev.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fault/fail_mem.h"
#include "lib/loop.h"

enum { MOST = 500, MESSAGES = 3, PAYLOAD = 5000, FIRST_COOKIE = 70 };

static struct event_base *base;
static struct mqev_fleet *fleet;
static struct mqev_store *stores[2]; /* the giver's, the taker's */
static int fds[2];
static struct mqev_handover_result results[2];
static int durable; /* messages of the giver's */
static int begun;
static int ended;

/* --- the two -----------------------------------------------------------------------------------
 */

static void
open_all(void)
{
	base = event_base_new();
	fleet = mqev_fleet_new(base, NULL);
	for (int i = 0; i < 2; i++) {
		stores[i] = mqev_store_open(mqev_backend_memory(), "", NULL, NULL);
		ck_assert_ptr_nonnull(stores[i]);
	}
}

static void
close_all(void)
{
	mqev_fleet_free(fleet);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(mqev_store_close(stores[i]), 0);
	event_base_free(base);
}

static void
on_durable(struct mqev_client *client, const struct mqev_result *result, void *userdata)
{
	(void)client;
	(void)userdata;
	ck_assert_int_eq(result->error, 0);
	durable++;
}

static struct mqev_client *
client_of(int side)
{
	struct mqev_client *client = mqev_client_new(fleet,
	    MQEV_OPTIONS(.client_id = "pump", .store = stores[side], .on_durable = on_durable),
	    NULL);

	ck_assert_ptr_nonnull(client);
	return client;
}

static void
publish_all(void)
{
	static const char payload[PAYLOAD];
	struct mqev_client *client = client_of(0);

	durable = 0;
	for (uint64_t i = 0; i < MESSAGES; i++)
		ck_assert_int_gt(
		    mqev_publish(client,
			MQEV_MESSAGE(.topic = "a/b", .payload = payload,
			    .payload_len = sizeof(payload), .qos = 1, .cookie = FIRST_COOKIE + i),
			NULL, NULL),
		    0);
	TK_RUN_UNTIL_COUNT(base, durable, MESSAGES, 5000);
	mqev_client_free(client);
}

static void
count_cookies(struct mqev_client *client, struct mqev_pending *pending, void *userdata)
{
	int *count = userdata;

	(void)client;
	ck_assert_uint_eq(pending->cookie, FIRST_COOKIE + (uint64_t)*count);
	++*count;
}

static int
messages_of(int side)
{
	struct mqev_client *client = client_of(side);
	int count = 0;

	ck_assert_int_eq(mqev_client_pending(client, count_cookies, &count), 0);
	mqev_client_free(client);
	return count;
}

/* --- between them ------------------------------------------------------------------------------
 */

/* Who has failed leaves, as an application would. */
static void
on_end(struct mqev_fleet *f, const struct mqev_handover_result *result, void *arg)
{
	int side = (int)((struct mqev_handover_result *)arg - results);

	ck_assert_ptr_eq(f, fleet);
	ck_assert_int_le(result->error, 0);
	results[side] = *result;
	ended++;
	if (result->error != 0)
		shutdown(fds[side], SHUT_RDWR);
}

static void
note(int side, int error)
{
	ck_assert_msg(error == 0 || error == MQEV_ERR_NOMEM, "%s", mqev_error_text(error));
	begun += error == 0;
	if (error != 0)
		shutdown(fds[side], SHUT_RDWR);
}

/* True: the giver has nothing to give any more. */
static bool
hand_over(void)
{
	int error;

	begun = ended = 0;
	memset(results, 0, sizeof(results));
	results[0].owned = true;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	error = mqev_handover_give(fleet, stores[0], "pump", fds[0], NULL, on_end, &results[0]);
	if (error != MQEV_ERR_NOT_FOUND) {
		note(0, error);
		note(1, mqev_handover_take(fleet, stores[1], fds[1], NULL, on_end, &results[1]));
		TK_RUN_UNTIL_COUNT(base, ended, begun, 5000);
	}
	close(fds[0]);
	close(fds[1]);
	return error == MQEV_ERR_NOT_FOUND;
}

static void
hand_over_failing(void (*begin)(size_t), size_t n)
{
	fail_mem_never();
	open_all();
	publish_all();
	begin(n);
	hand_over();
	ck_assert(!(results[0].owned && results[1].owned));
	if (fail_mem_refused() == 0)
		ck_assert(results[1].owned && results[1].error == 0 && results[0].error == 0);
	if (results[1].owned)
		ck_assert_uint_eq(results[1].messages, MESSAGES);
}

/* Without faults it goes on where it was. */
static void
settle(void)
{
	int tries = 0;

	while (!hand_over()) {
		ck_assert_int_lt(tries++, 2);
		ck_assert_int_eq(results[0].error, 0);
		ck_assert_int_eq(results[1].error, 0);
	}
	ck_assert_int_eq(messages_of(1), MESSAGES);
	ck_assert_int_eq(messages_of(0), 0);
	close_all();
}

static void
fail_each(void (*begin)(size_t))
{
	size_t refused = 1;

	for (size_t n = 0; refused > 0; n++) {
		ck_assert_uint_lt(n, MOST);
		hand_over_failing(begin, n);
		refused = fail_mem_refused();
		fail_mem_never();
		settle();
		ck_assert_msg(fail_mem_live() == 0, "allocation %zu: %zu blocks are left", n,
		    fail_mem_live());
		ck_assert(n > 30 || refused > 0);
	}
}

START_TEST(one_fails)
{
	fail_each(fail_mem_after);
}
END_TEST

START_TEST(all_fail_from_there_on)
{
	fail_each(fail_mem_from);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("handover_memory");
	TCase *tc = tk_case(suite, "memory");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, one_fails);
	tcase_add_test(tc, all_fail_from_there_on);
	return tk_main(suite);
}
