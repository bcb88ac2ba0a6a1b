/* The back end in memory: the contract of all back ends, every allocation failing in turn, and many
 * changes against a plain table. */
#include "unit/unit.h"

#include <string.h>

#include "fault/fail_mem.h"
#include "unit/backend_cases.h"

#define MANY 4000

static void *
open_memory(void)
{
	const struct mqev_backend_options options = {.size = sizeof(options)};
	void *state = NULL;

	ck_assert_int_eq(mqev_backend_memory()->open(&options, &state), 0);
	return state;
}

/* --- memory ------------------------------------------------------------------------------------
 */

static const struct mqev_store_client client = {.client = 1, .name = "a", .client_id = "b"};

/* One transaction that makes a client and three records; the error of whichever step had one. */
static int
transact(void *state, uint64_t seq)
{
	const struct mqev_backend *b = mqev_backend_memory();
	struct mqev_record record = {
	    .seq = seq, .client = 1, .kind = MQEV_RECORD_IN, .bytes = "xyz", .bytes_len = 3};
	struct mqev_change changes[] = {{.kind = MQEV_CHANGE_CLIENT, .client = &client},
	    {.kind = MQEV_CHANGE_PUT, .record = &record}};
	int error = b->append(state, changes, COUNT_OF(changes));

	for (int i = 0; i < 2 && error == 0; i++) {
		record.seq++;
		error = b->append(state, &changes[1], 1);
	}
	return error == 0 ? b->commit(state, true) : error;
}

static int
count_record(void *arg, const struct mqev_record *record)
{
	(void)record;
	++*(size_t *)arg;
	return 0;
}

static int
count_client(void *arg, const struct mqev_store_client *seen)
{
	ck_assert_str_eq(seen->name, "a");
	*(size_t *)arg += 1000;
	return 0;
}

static int
no_seq(void *arg, uint64_t seq)
{
	(void)arg;
	(void)seq;
	ck_abort_msg("no seq was set");
	return 0;
}

static size_t
count(void *state)
{
	static const struct mqev_backend_visitor counting = {no_seq, count_client, count_record};
	size_t n = 0;

	ck_assert_int_eq(mqev_backend_memory()->load(state, 0, &counting, &n), 0);
	return n;
}

/* False when nothing was refused. */
static bool
transact_with_failure(size_t after)
{
	const struct mqev_backend *b = mqev_backend_memory();
	void *state = open_memory();
	bool refused;
	int error;

	fail_mem_after(after);
	error = transact(state, 1);
	refused = fail_mem_refused() > 0;
	fail_mem_never();
	ck_assert_int_eq(error, refused ? MQEV_ERR_NOMEM : 0);
	if (refused) {
		b->rollback(state);
		ck_assert_uint_eq(count(state), 0);
		ck_assert_int_eq(transact(state, 10), 0);
	}
	ck_assert_uint_eq(count(state), 1003);
	b->close(state);
	return refused;
}

START_TEST(each_allocation_may_fail)
{
	size_t live = fail_mem_live();
	size_t after = 0;

	while (transact_with_failure(after))
		after++;
	ck_assert_uint_ge(after, 8);
	ck_assert_uint_eq(fail_mem_live(), live);
}
END_TEST

START_TEST(opening_may_fail)
{
	const struct mqev_backend_options options = {.size = sizeof(options)};
	void *state = &state;

	fail_mem_after(0);
	ck_assert_int_eq(mqev_backend_memory()->open(&options, &state), MQEV_ERR_NOMEM);
	fail_mem_never();
	ck_assert_ptr_null(state);
	mqev_backend_memory()->close(state);
}
END_TEST

START_TEST(an_open_transaction_ends_with_the_store)
{
	size_t live = fail_mem_live();
	void *state = open_memory();
	struct mqev_record record = {.seq = 1, .bytes = "x", .bytes_len = 1};
	struct mqev_change put = {.kind = MQEV_CHANGE_PUT, .record = &record};

	ck_assert_int_eq(mqev_backend_memory()->append(state, &put, 1), 0);
	mqev_backend_memory()->close(state);
	ck_assert_uint_eq(fail_mem_live(), live);
}
END_TEST

/* --- many changes ------------------------------------------------------------------------------
 */

/* 0: not there, else the first of the record's bytes. */
struct model {
	uint8_t kept[MANY];
	uint64_t next;
};

static void
change_at_random(void *state, struct model *model, uint32_t *random)
{
	uint8_t byte = (uint8_t)(1 + unit_random(random) % 255);
	struct mqev_record record = {
	    .client = 1, .kind = MQEV_RECORD_IN, .bytes = &byte, .bytes_len = 1};
	struct mqev_change change = {.kind = MQEV_CHANGE_PUT, .record = &record};

	if (unit_random(random) % 5 < 3 && model->next < MANY) {
		record.seq = model->next++;
		model->kept[record.seq] = byte;
	} else {
		change.kind = MQEV_CHANGE_REMOVE;
		record.seq = unit_random(random) % model->next;
		model->kept[record.seq] = 0;
	}
	ck_assert_int_eq(mqev_backend_memory()->append(state, &change, 1), 0);
}

static int
take_byte(void *arg, const void *bytes, size_t len)
{
	ck_assert_uint_eq(len, 1);
	memcpy(arg, bytes, 1);
	return 0;
}

static void
compare(void *state, const struct model *model)
{
	for (uint64_t seq = 0; seq < MANY; seq++) {
		uint8_t byte = 0;
		int error = mqev_backend_memory()->read(state, seq, take_byte, &byte);

		ck_assert_int_eq(error, model->kept[seq] != 0 ? 0 : MQEV_ERR_NOT_FOUND);
		ck_assert_uint_eq(byte, model->kept[seq]);
	}
}

START_TEST(many_changes_in_any_order)
{
	struct model model = {.next = 1};
	void *state = open_memory();
	uint32_t random = 42;

	for (int i = 0; i < 3 * MANY; i++) {
		change_at_random(state, &model, &random);
		if (unit_random(&random) % 7 == 0)
			ck_assert_int_eq(mqev_backend_memory()->commit(state, false), 0);
	}
	ck_assert_int_eq(mqev_backend_memory()->commit(state, false), 0);
	ck_assert_uint_gt(model.next, MANY / 2);
	compare(state, &model);
	mqev_backend_memory()->close(state);
}
END_TEST

static void
add(TCase *tc)
{
	static struct backend_under_test tested;

	tested.backend = mqev_backend_memory();
	add_backend_cases(tc, &tested);
	tcase_add_test(tc, each_allocation_may_fail);
	tcase_add_test(tc, opening_may_fail);
	tcase_add_test(tc, an_open_transaction_ends_with_the_store);
	tcase_add_test(tc, many_changes_in_any_order);
}

int
main(void)
{
	return unit_run("backend_memory", add);
}
