/* Two stores of which one has a session to give, and a fleet with a hand-over between them: what
 * the tests of hand-overs share. */
#include "kill/handover_kit.h"

#include <event2/event.h>
#include <mqev/sqlite.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/loop.h"

#define TAG_SHIFT 8

static char *folder;
char path_of[2][300];
struct both both;

/* --- what is handed over -----------------------------------------------------------------------
 */

struct mqev_record
record_of(int i)
{
	static const uint8_t packed[] = {1, 0, 1, 0, 0, 0, 0, 'a', 'x'};
	static const uint8_t states[] = {MQEV_RECORD_ACCEPTED, MQEV_RECORD_RELEASED,
	    MQEV_RECORD_ACCEPTED, MQEV_RECORD_RECEIVED, MQEV_RECORD_DONE};
	bool in = states[i] >= MQEV_RECORD_RECEIVED;
	bool bytes = states[i] == MQEV_RECORD_ACCEPTED || states[i] == MQEV_RECORD_RECEIVED;

	return (struct mqev_record){.seq = BASE + (uint64_t)i,
	    .n = in ? 0 : (uint64_t)i,
	    .cookie = in ? 0 : 100 + (uint64_t)i,
	    .created_ms = 1700000000000,
	    .bytes = bytes ? packed : NULL,
	    .bytes_len = bytes ? sizeof(packed) : 0,
	    .client = 1,
	    .epoch = 3,
	    .mid = in ? (uint16_t)(7 + i) : 0,
	    .kind = in ? MQEV_RECORD_IN : MQEV_RECORD_OUT,
	    .state = states[i],
	    .qos = 2};
}

void *
open_back_end(const char *path, bool read_only)
{
	const struct mqev_backend_options options = {
	    .size = sizeof(options), .path = path, .read_only = read_only};
	void *state = NULL;

	ck_assert_int_eq(mqev_backend_sqlite()->open(&options, &state), 0);
	return state;
}

/* A store with that client and no other; nobody has it open. */
static void
fill(const char *path, const char *name)
{
	const struct mqev_backend *b = mqev_backend_sqlite();
	const struct mqev_store_client client = {.client = 1,
	    .epoch = 3,
	    .name = name,
	    .client_id = "pump",
	    .sent_n = 2,
	    .flags = MQEV_STORE_CLIENT_SESSION};
	struct mqev_change change = {.kind = MQEV_CHANGE_CLIENT, .client = &client};
	void *state = open_back_end(path, false);

	ck_assert_int_eq(b->append(state, &change, 1), 0);
	for (int i = 0; i < MESSAGES; i++) {
		struct mqev_record record = record_of(i);

		change = (struct mqev_change){.kind = MQEV_CHANGE_PUT, .record = &record};
		ck_assert_int_eq(b->append(state, &change, 1), 0);
	}
	change = (struct mqev_change){
	    .kind = MQEV_CHANGE_SEQ, .record = &(struct mqev_record){.seq = BASE + 1000}};
	ck_assert_int_eq(b->append(state, &change, 1), 0);
	ck_assert_int_eq(b->commit(state, true), 0);
	b->close(state);
}

/* An empty store whose first number that is free is that one. */
void
begin_numbers_at(const char *path, uint64_t seq)
{
	const struct mqev_backend *b = mqev_backend_sqlite();
	struct mqev_record limit = {.seq = seq};
	const struct mqev_change change = {.kind = MQEV_CHANGE_SEQ, .record = &limit};
	void *state = open_back_end(path, false);

	ck_assert_int_eq(b->append(state, &change, 1), 0);
	ck_assert_int_eq(b->commit(state, true), 0);
	b->close(state);
}

/* --- what is there -----------------------------------------------------------------------------
 */

static int
see_seq(void *arg, uint64_t seq)
{
	(void)arg;
	(void)seq;
	return 0;
}

static int
see_client(void *arg, const struct mqev_store_client *client)
{
	struct found *found = arg;

	ck_assert(!found->client);
	ck_assert_str_eq(client->client_id, "pump");
	ck_assert_uint_eq(client->epoch, 3);
	ck_assert_uint_eq(client->sent_n, 2);
	found->client = true;
	found->number = client->client;
	found->flags = client->flags;
	return 0;
}

static int
see_record(void *arg, const struct mqev_record *r)
{
	struct found *found = arg;
	struct mqev_record expected = record_of((int)(r->seq - BASE));

	ck_assert_uint_eq(r->client, found->number);
	ck_assert_uint_eq(r->n, expected.n);
	ck_assert_uint_eq(r->cookie, expected.cookie);
	ck_assert_uint_eq(r->epoch, expected.epoch);
	ck_assert_uint_eq(r->mid, expected.mid);
	ck_assert_uint_eq(r->state, expected.state);
	ck_assert_uint_eq(r->bytes_len, expected.bytes_len);
	found->records++;
	return 0;
}

struct found
look(const char *path)
{
	static const struct mqev_backend_visitor visitor = {see_seq, see_client, see_record};
	struct found found = {0};
	void *state = open_back_end(path, false);

	ck_assert_int_eq(mqev_backend_sqlite()->load(state, 0, &visitor, &found), 0);
	mqev_backend_sqlite()->close(state);
	return found;
}

/* Never two owners, never none; and who owns it, or will, has all of it. */
void
check_owner(void)
{
	struct found giver = look(path_of[0]);
	struct found taker = look(path_of[1]);
	bool is_givers = giver.client && (giver.flags & MQEV_STORE_CLIENT_GONE) == 0;
	bool is_takers = taker.client && (taker.flags & MQEV_STORE_CLIENT_INCOMING) == 0;

	ck_assert(!(is_givers && is_takers));
	if (is_givers) {
		ck_assert_int_eq(giver.records, MESSAGES);
		return;
	}
	ck_assert(taker.client);
	ck_assert_int_eq(taker.records, MESSAGES);
	if (!is_takers)
		ck_assert_uint_eq(giver.flags >> TAG_SHIFT, taker.flags >> TAG_SHIFT);
}

/* --- in one process ----------------------------------------------------------------------------
 */

void
set_up(void)
{
	folder = tk_tmpdir();
	for (int i = 0; i < 2; i++)
		snprintf(
		    path_of[i], sizeof(path_of[i]), "%s/%s", folder, i == 0 ? "giver" : "taker");
	fill(path_of[0], "pump");
}

void
tear_down(void)
{
	tk_rmtree(folder);
	free(folder);
}

void
noted(struct mqev_fleet *fleet, const struct mqev_handover_result *result, void *arg)
{
	int side = (int)(intptr_t)arg;

	ck_assert_ptr_eq(fleet, both.fleet);
	both.results[side] = *result;
	snprintf(both.names[side], sizeof(both.names[side]), "%s", result->name);
	both.ends++;
}

void
open_both(void)
{
	int error;

	memset(&both, 0, sizeof(both));
	set_up();
	both.base = event_base_new();
	both.fleet = mqev_fleet_new(both.base, NULL);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, both.fds), 0);
	for (int i = 0; i < 2; i++) {
		both.stores[i] = mqev_store_open(mqev_backend_sqlite(), path_of[i], NULL, &error);
		ck_assert_ptr_nonnull(both.stores[i]);
	}
}

void
close_both(void)
{
	mqev_fleet_free(both.fleet);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(mqev_store_close(both.stores[i]), 0);
		if (both.fds[i] >= 0)
			close(both.fds[i]);
	}
	event_base_free(both.base);
	tear_down();
}

int
give(const struct mqev_handover_options *options)
{
	return mqev_handover_give(
	    both.fleet, both.stores[0], "pump", both.fds[0], options, noted, (void *)(intptr_t)0);
}

int
take(const struct mqev_handover_options *options)
{
	return mqev_handover_take(
	    both.fleet, both.stores[1], both.fds[1], options, noted, (void *)(intptr_t)1);
}

void
await_ends(int ends)
{
	TK_RUN_UNTIL_COUNT(both.base, both.ends, ends, 10000);
}

struct mqev_client *
client_of(int side)
{
	return mqev_client_new(
	    both.fleet, MQEV_OPTIONS(.client_id = "pump", .store = both.stores[side]), NULL);
}
