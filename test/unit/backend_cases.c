/* The contract of mqev/store.h, held against whatever back end the program names. */
#include "unit/backend_cases.h"

#include <string.h>

#include "unit/unit.h"

#define CLIENT 7
#define OTHER 8
#define FULL_BYTES 65536

static const struct backend_under_test *under_test;

/* --- changes -----------------------------------------------------------------------------------
 */

static struct mqev_record
record_of(uint64_t seq, uint32_t client, const char *bytes)
{
	struct mqev_record record = {.seq = seq,
	    .n = seq + 1000,
	    .cookie = UINT64_C(0x7000000000000000) + seq,
	    .created_ms = 1700000000000 + (int64_t)seq,
	    .expires_ms = 1800000000000,
	    .bytes = bytes,
	    .bytes_len = bytes != NULL ? strlen(bytes) : 0,
	    .client = client,
	    .epoch = 3,
	    .mid = 65535,
	    .kind = MQEV_RECORD_OUT,
	    .state = MQEV_RECORD_ACCEPTED,
	    .qos = 2,
	    .flags = MQEV_RECORD_RETAIN};

	return record;
}

static struct mqev_store_client
client_of(uint32_t number, const char *name)
{
	struct mqev_store_client client = {.client = number,
	    .epoch = 3,
	    .name = name,
	    .client_id = "assigned",
	    .sent_n = 255,
	    .session_ends_ms = 1900000000000,
	    .flags = MQEV_STORE_CLIENT_SESSION};

	return client;
}

static int
append(void *state, enum mqev_change_kind kind, const struct mqev_record *record,
    const struct mqev_store_client *client)
{
	struct mqev_change change = {.kind = kind, .record = record, .client = client};

	return under_test->backend->append(state, &change, 1);
}

static void
put(void *state, uint64_t seq, uint32_t client, const char *bytes)
{
	struct mqev_record record = record_of(seq, client, bytes);

	ck_assert_int_eq(append(state, MQEV_CHANGE_PUT, &record, NULL), 0);
}

static void
change(void *state, enum mqev_change_kind kind, uint64_t seq)
{
	struct mqev_record record = {.seq = seq,
	    .n = 5,
	    .epoch = 4,
	    .mid = 77,
	    .state = MQEV_RECORD_RELEASED,
	    .flags = MQEV_RECORD_DUP};

	ck_assert_int_eq(append(state, kind, &record, NULL), 0);
}

static void
name_client(void *state, uint32_t number, const char *name)
{
	struct mqev_store_client client = client_of(number, name);

	ck_assert_int_eq(append(state, MQEV_CHANGE_CLIENT, NULL, &client), 0);
}

static void
commit(void *state)
{
	ck_assert_int_eq(under_test->backend->commit(state, true), 0);
}

/* --- what is there -----------------------------------------------------------------------------
 */

struct seen {
	uint64_t seq;
	struct mqev_store_client clients[8];
	char names[8][32];
	size_t client_count;
	struct mqev_record records[64];
	size_t record_count;
};

static int
see_seq(void *arg, uint64_t seq)
{
	struct seen *seen = arg;

	ck_assert_uint_eq(seen->client_count + seen->record_count, 0);
	seen->seq = seq;
	return 0;
}

static int
see_client(void *arg, const struct mqev_store_client *client)
{
	struct seen *seen = arg;

	ck_assert_uint_eq(seen->record_count, 0);
	ck_assert_uint_lt(seen->client_count, COUNT_OF(seen->clients));
	ck_assert_uint_lt(strlen(client->name), sizeof(seen->names[0]));
	strcpy(seen->names[seen->client_count], client->name);
	ck_assert_str_eq(client->client_id, "assigned");
	seen->clients[seen->client_count++] = *client;
	return 0;
}

static int
see_record(void *arg, const struct mqev_record *record)
{
	struct seen *seen = arg;

	ck_assert_uint_lt(seen->record_count, COUNT_OF(seen->records));
	ck_assert_ptr_null(record->bytes);
	seen->records[seen->record_count++] = *record;
	return 0;
}

static const struct mqev_backend_visitor visitor = {see_seq, see_client, see_record};

static struct seen
look(void *state, uint32_t client)
{
	struct seen seen = {0};

	ck_assert_int_eq(under_test->backend->load(state, client, &visitor, &seen), 0);
	return seen;
}

static int
same_bytes(void *arg, const void *bytes, size_t len)
{
	unit_same((struct mqev_bytes){bytes, len}, unit_text(arg), "bytes");
	return 0;
}

static void
expect_bytes(void *state, uint64_t seq, const char *bytes)
{
	ck_assert_int_eq(
	    under_test->backend->read(state, seq, same_bytes, (void *)(uintptr_t)bytes), 0);
}

static void
expect_no_bytes(void *state, uint64_t seq)
{
	ck_assert_int_eq(
	    under_test->backend->read(state, seq, same_bytes, NULL), MQEV_ERR_NOT_FOUND);
}

static void
expect_seqs(void *state, uint32_t client, const uint64_t *seqs, size_t count)
{
	struct seen seen = look(state, client);

	ck_assert_uint_eq(seen.record_count, count);
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(seen.records[i].seq, seqs[i]);
}

static void
same_record(const struct mqev_record *got, const struct mqev_record *want)
{
	ck_assert_uint_eq(got->seq, want->seq);
	ck_assert_uint_eq(got->n, want->n);
	ck_assert_uint_eq(got->cookie, want->cookie);
	ck_assert_int_eq(got->created_ms, want->created_ms);
	ck_assert_int_eq(got->expires_ms, want->expires_ms);
	ck_assert_uint_eq(got->bytes_len, want->bytes_len);
	ck_assert_uint_eq(got->client, want->client);
	ck_assert_uint_eq(got->epoch, want->epoch);
	ck_assert_uint_eq(got->mid, want->mid);
	ck_assert_uint_eq(got->kind, want->kind);
	ck_assert_uint_eq(got->state, want->state);
	ck_assert_uint_eq(got->qos, want->qos);
	ck_assert_uint_eq(got->flags, want->flags);
}

static void *
open_store(uint64_t max_bytes)
{
	struct mqev_backend_options options = {.size = sizeof(options),
	    .path = under_test->fresh_path != NULL ? under_test->fresh_path() : NULL,
	    .max_bytes = max_bytes};
	void *state = NULL;

	ck_assert_int_eq(under_test->backend->open(&options, &state), 0);
	ck_assert_ptr_nonnull(state);
	return state;
}

static void
close_store(void *state)
{
	under_test->backend->close(state);
}

/* --- the cases ---------------------------------------------------------------------------------
 */

START_TEST(a_new_store_is_empty)
{
	void *state = open_store(0);
	struct seen seen = look(state, 0);

	ck_assert_uint_eq(seen.seq, 0);
	ck_assert_uint_eq(seen.client_count, 0);
	ck_assert_uint_eq(seen.record_count, 0);
	expect_no_bytes(state, 1);
	close_store(state);
}
END_TEST

START_TEST(a_record_comes_back_whole)
{
	void *state = open_store(0);
	struct mqev_record want = record_of(UINT64_C(1) << 60, CLIENT, "the bytes");
	struct seen seen;

	put(state, want.seq, CLIENT, "the bytes");
	commit(state);
	seen = look(state, 0);
	ck_assert_uint_eq(seen.record_count, 1);
	same_record(&seen.records[0], &want);
	expect_bytes(state, want.seq, "the bytes");
	close_store(state);
}
END_TEST

START_TEST(a_client_comes_back_and_is_replaced)
{
	void *state = open_store(0);
	struct mqev_store_client changed = client_of(CLIENT, "pump-7");
	struct seen seen;

	name_client(state, CLIENT, "pump-7");
	name_client(state, OTHER, "pump-8");
	commit(state);
	changed.epoch = 4;
	changed.sent_n = UINT64_C(1) << 62;
	ck_assert_int_eq(append(state, MQEV_CHANGE_CLIENT, NULL, &changed), 0);
	commit(state);
	seen = look(state, CLIENT);
	ck_assert_uint_eq(seen.client_count, 1);
	ck_assert_str_eq(seen.names[0], "pump-7");
	ck_assert_uint_eq(seen.clients[0].epoch, 4);
	ck_assert_uint_eq(seen.clients[0].sent_n, changed.sent_n);
	ck_assert_int_eq(seen.clients[0].session_ends_ms, changed.session_ends_ms);
	ck_assert_uint_eq(seen.clients[0].flags, MQEV_STORE_CLIENT_SESSION);
	ck_assert_uint_eq(look(state, 0).client_count, 2);
	close_store(state);
}
END_TEST

START_TEST(records_come_by_rising_seq)
{
	static const uint64_t all[] = {10, 11, 12, 13, 20};
	static const uint64_t of_client[] = {11, 13, 20};
	void *state = open_store(0);

	/* Two fleets hand over in another order than they took numbers. */
	put(state, 12, OTHER, "c");
	put(state, 13, CLIENT, "d");
	put(state, 10, OTHER, "a");
	put(state, 11, CLIENT, "b");
	commit(state);
	put(state, 20, CLIENT, "e");
	commit(state);
	expect_seqs(state, 0, all, COUNT_OF(all));
	expect_seqs(state, CLIENT, of_client, COUNT_OF(of_client));
	expect_bytes(state, 10, "a");
	expect_bytes(state, 20, "e");
	close_store(state);
}
END_TEST

START_TEST(set_keeps_the_bytes_and_drop_does_not)
{
	void *state = open_store(0);
	struct seen seen;

	put(state, 1, CLIENT, "first");
	put(state, 2, CLIENT, "second");
	commit(state);
	change(state, MQEV_CHANGE_SET, 1);
	change(state, MQEV_CHANGE_DROP, 2);
	commit(state);
	seen = look(state, 0);
	ck_assert_uint_eq(seen.record_count, 2);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(seen.records[i].n, 5);
		ck_assert_uint_eq(seen.records[i].epoch, 4);
		ck_assert_uint_eq(seen.records[i].mid, 77);
		ck_assert_uint_eq(seen.records[i].state, MQEV_RECORD_RELEASED);
		ck_assert_uint_eq(seen.records[i].flags, MQEV_RECORD_DUP);
		ck_assert_uint_eq(seen.records[i].qos, 2);
		ck_assert_uint_eq(seen.records[i].client, CLIENT);
	}
	ck_assert_uint_eq(seen.records[0].bytes_len, 5);
	ck_assert_uint_eq(seen.records[1].bytes_len, 0);
	expect_bytes(state, 1, "first");
	expect_no_bytes(state, 2);
	close_store(state);
}
END_TEST

START_TEST(a_record_may_have_no_bytes)
{
	void *state = open_store(0);

	put(state, 1, CLIENT, NULL);
	commit(state);
	ck_assert_uint_eq(look(state, 0).record_count, 1);
	expect_no_bytes(state, 1);
	close_store(state);
}
END_TEST

START_TEST(removed_is_gone)
{
	static const uint64_t left[] = {2};
	void *state = open_store(0);

	put(state, 1, CLIENT, "a");
	put(state, 2, CLIENT, "b");
	commit(state);
	change(state, MQEV_CHANGE_REMOVE, 1);
	/* Come and gone in one transaction. */
	put(state, 3, CLIENT, "c");
	change(state, MQEV_CHANGE_REMOVE, 3);
	commit(state);
	expect_seqs(state, 0, left, 1);
	expect_no_bytes(state, 1);
	close_store(state);
}
END_TEST

START_TEST(changes_of_what_is_not_there_do_nothing)
{
	void *state = open_store(0);
	struct mqev_store_client nobody = client_of(99, "nobody");

	change(state, MQEV_CHANGE_SET, 1);
	change(state, MQEV_CHANGE_DROP, 1);
	change(state, MQEV_CHANGE_REMOVE, 1);
	ck_assert_int_eq(append(state, MQEV_CHANGE_FORGET, NULL, &nobody), 0);
	commit(state);
	ck_assert_uint_eq(look(state, 0).record_count, 0);
	ck_assert_uint_eq(look(state, 0).client_count, 0);
	close_store(state);
}
END_TEST

START_TEST(forgetting_a_client_takes_its_records)
{
	static const uint64_t left[] = {2};
	void *state = open_store(0);
	struct mqev_store_client client = client_of(CLIENT, "pump-7");

	name_client(state, CLIENT, "pump-7");
	name_client(state, OTHER, "pump-8");
	put(state, 1, CLIENT, "a");
	put(state, 2, OTHER, "b");
	put(state, 3, CLIENT, "c");
	commit(state);
	ck_assert_int_eq(append(state, MQEV_CHANGE_FORGET, NULL, &client), 0);
	commit(state);
	expect_seqs(state, 0, left, 1);
	ck_assert_uint_eq(look(state, 0).client_count, 1);
	ck_assert_uint_eq(look(state, CLIENT).client_count, 0);
	close_store(state);
}
END_TEST

START_TEST(the_first_free_seq_is_kept)
{
	void *state = open_store(0);
	struct mqev_record next = {.seq = UINT64_C(1700000000000000)};

	ck_assert_int_eq(append(state, MQEV_CHANGE_SEQ, &next, NULL), 0);
	commit(state);
	ck_assert_uint_eq(look(state, 0).seq, next.seq);
	next.seq += 1048576;
	ck_assert_int_eq(append(state, MQEV_CHANGE_SEQ, &next, NULL), 0);
	commit(state);
	ck_assert_uint_eq(look(state, CLIENT).seq, next.seq);
	close_store(state);
}
END_TEST

START_TEST(rolled_back_never_was)
{
	static const uint64_t left[] = {1, 3};
	void *state = open_store(0);

	put(state, 1, CLIENT, "a");
	commit(state);
	put(state, 2, CLIENT, "b");
	change(state, MQEV_CHANGE_REMOVE, 1);
	name_client(state, CLIENT, "pump-7");
	under_test->backend->rollback(state);
	put(state, 3, CLIENT, "c");
	commit(state);
	expect_seqs(state, 0, left, COUNT_OF(left));
	ck_assert_uint_eq(look(state, 0).client_count, 0);
	close_store(state);
}
END_TEST

START_TEST(what_a_change_points_to_is_copied)
{
	void *state = open_store(0);
	char bytes[] = "as it was";
	char name[] = "pump-7";
	struct mqev_store_client client = client_of(CLIENT, name);

	put(state, 1, CLIENT, bytes);
	ck_assert_int_eq(append(state, MQEV_CHANGE_CLIENT, NULL, &client), 0);
	memset(bytes, 'x', sizeof(bytes) - 1);
	memset(name, 'x', sizeof(name) - 1);
	commit(state);
	expect_bytes(state, 1, "as it was");
	ck_assert_str_eq(look(state, 0).names[0], "pump-7");
	close_store(state);
}
END_TEST

/* Puts until there is no room; how many there are then. */
static uint64_t
fill(void *state, uint64_t seq, const char *bytes)
{
	for (;; seq++) {
		struct mqev_record record = record_of(seq, CLIENT, bytes);
		int error = append(state, MQEV_CHANGE_PUT, &record, NULL);

		ck_assert_uint_lt(seq, 1000);
		if (error == 0)
			error = under_test->backend->commit(state, true);
		if (error == 0)
			continue;
		ck_assert_int_eq(error, MQEV_ERR_STORE_FULL);
		under_test->backend->rollback(state);
		return seq - 1;
	}
}

START_TEST(a_full_store_takes_removals_and_heals)
{
	void *state = open_store(FULL_BYTES);
	char bytes[4097];
	uint64_t last;

	memset(bytes, 'b', sizeof(bytes) - 1);
	bytes[sizeof(bytes) - 1] = '\0';
	last = fill(state, 1, bytes);
	ck_assert_uint_ge(last, 1);
	ck_assert_uint_le(last, FULL_BYTES / 4096);
	ck_assert_uint_eq(look(state, 0).record_count, last);
	for (uint64_t seq = 1; seq <= last; seq++) {
		change(state, MQEV_CHANGE_REMOVE, seq);
		commit(state);
	}
	ck_assert_uint_eq(look(state, 0).record_count, 0);
	/* All of the room is there again. */
	ck_assert_uint_ge(fill(state, 501, bytes), 500 + last / 2);
	expect_bytes(state, 501, bytes);
	close_store(state);
}
END_TEST

static int
stop_there(void *arg, const struct mqev_record *record)
{
	(void)record;
	++*(int *)arg;
	return MQEV_ERR_NOMEM;
}

static int
pass_seq(void *arg, uint64_t seq)
{
	(void)arg;
	(void)seq;
	return 0;
}

static int
pass_client(void *arg, const struct mqev_store_client *client)
{
	(void)arg;
	(void)client;
	return 0;
}

START_TEST(a_visitor_can_end_the_load)
{
	static const struct mqev_backend_visitor stopping = {pass_seq, pass_client, stop_there};
	void *state = open_store(0);
	int calls = 0;

	put(state, 1, CLIENT, "a");
	put(state, 2, CLIENT, "b");
	commit(state);
	ck_assert_int_eq(under_test->backend->load(state, 0, &stopping, &calls), MQEV_ERR_NOMEM);
	ck_assert_int_eq(calls, 1);
	close_store(state);
}
END_TEST

START_TEST(compacting_changes_nothing)
{
	static const uint64_t left[] = {3, 6, 9};
	void *state = open_store(0);

	for (uint64_t seq = 1; seq <= 9; seq++)
		put(state, seq, CLIENT, "bytes");
	commit(state);
	for (uint64_t seq = 1; seq <= 9; seq++) {
		if (seq % 3 != 0)
			change(state, MQEV_CHANGE_REMOVE, seq);
	}
	commit(state);
	ck_assert_int_eq(under_test->backend->compact(state), 0);
	expect_seqs(state, 0, left, COUNT_OF(left));
	expect_bytes(state, 6, "bytes");
	ck_assert_ptr_nonnull(under_test->backend->error_text(state));
	close_store(state);
}
END_TEST

void
add_backend_cases(TCase *tc, const struct backend_under_test *tested)
{
	under_test = tested;
	tcase_add_test(tc, a_new_store_is_empty);
	tcase_add_test(tc, a_record_comes_back_whole);
	tcase_add_test(tc, a_client_comes_back_and_is_replaced);
	tcase_add_test(tc, records_come_by_rising_seq);
	tcase_add_test(tc, set_keeps_the_bytes_and_drop_does_not);
	tcase_add_test(tc, a_record_may_have_no_bytes);
	tcase_add_test(tc, removed_is_gone);
	tcase_add_test(tc, changes_of_what_is_not_there_do_nothing);
	tcase_add_test(tc, forgetting_a_client_takes_its_records);
	tcase_add_test(tc, the_first_free_seq_is_kept);
	tcase_add_test(tc, rolled_back_never_was);
	tcase_add_test(tc, what_a_change_points_to_is_copied);
	tcase_add_test(tc, a_full_store_takes_removals_and_heals);
	tcase_add_test(tc, a_visitor_can_end_the_load);
	tcase_add_test(tc, compacting_changes_nothing);
}
