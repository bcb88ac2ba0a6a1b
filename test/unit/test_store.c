/* Tapes and the writer: from a change in a fleet's turn to its being durable, and back. The back
 * end waits, fails and fills up as the test says. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "fault/fail_mem.h"
#include "port/port.h"
#include "store/store.h"
#include "unit/gated_backend.h"
#include "unit/unit.h"

#define WAIT_MS 10000

/* A client of a fleet, and what it was told. */
struct owner {
	struct mqev_journal *journal;
	int durable;
	int refused;
	uint64_t refused_seq;
	int loaded;
	int load_error;
	char bytes[64];
};

static struct mqev_store *store;
static struct mqev_tape *tape;
static int gathered;
static int failed;
static struct mqev_kept kept;

/* --- what tapes call ---------------------------------------------------------------------------
 */

static void
on_gathered(void *arg)
{
	++*(int *)arg;
}

static void
on_durable(void *arg)
{
	struct owner *o = arg;

	o->durable++;
}

static void
on_refused(void *arg, uint64_t seq, int error)
{
	struct owner *o = arg;

	ck_assert_int_eq(error, MQEV_ERR_STORE_FULL);
	o->refused++;
	o->refused_seq = seq;
}

static void
on_loaded(void *arg, uint64_t seq, struct mqev_bytes packed, int error)
{
	struct owner *o = arg;
	struct mqev_entry entry;

	(void)seq;
	o->loaded++;
	o->load_error = error;
	if (error != 0)
		return;
	ck_assert(mqev_unpack(packed, &entry));
	snprintf(o->bytes, sizeof(o->bytes), "%.*s=%.*s", (int)entry.topic.len,
	    (const char *)entry.topic.data, (int)entry.payload.len,
	    (const char *)entry.payload.data);
}

static void
on_failed(void *arg, int error)
{
	(void)arg;
	failed = error;
}

static const struct mqev_tape_events events = {
    on_gathered, on_durable, on_refused, on_loaded, on_failed};

/* --- steps -------------------------------------------------------------------------------------
 */

static void
open_store(const struct mqev_store_options *options)
{
	int error = 1;

	store = mqev_store_open(gated_backend(), NULL, options, &error);
	ck_assert_int_eq(error, 0);
	tape = mqev_tape_new(store, &events, &gathered);
	ck_assert_ptr_nonnull(tape);
}

static void
setup(void)
{
	open_store(NULL);
}

static void
teardown(void)
{
	mqev_tape_free(tape);
	(void)mqev_store_close(store);
	gated_forget();
	ck_assert_uint_eq(fail_mem_live(), 0);
}

static void
attach(struct mqev_tape *to, struct owner *o, const char *name, bool sync)
{
	int error = 1;

	memset(o, 0, sizeof(*o));
	o->journal = mqev_tape_attach(to, name, sync, o, &kept, &error);
	ck_assert_int_eq(error, 0);
}

static void
detach(struct owner *o)
{
	mqev_tape_detach(o->journal, &(struct mqev_kept){0});
	o->journal = NULL;
}

static struct mqev_entry
message(const char *topic, const char *payload)
{
	return (struct mqev_entry){.kind = MQEV_CHANGE_PUT,
	    .record = {.kind = MQEV_RECORD_OUT, .state = MQEV_RECORD_ACCEPTED, .qos = 1, .n = 3},
	    .topic = unit_text(topic),
	    .payload = unit_text(payload)};
}

static struct mqev_entry
of_record(enum mqev_change_kind kind, uint64_t seq, int state)
{
	return (struct mqev_entry){.kind = kind, .record = {.seq = seq, .state = (uint8_t)state}};
}

static uint64_t
append(const struct owner *o, struct mqev_entry *entry)
{
	return o->journal->methods->append(o->journal, entry, 1);
}

/* The number that it got. */
static uint64_t
put(const struct owner *o, const char *topic, const char *payload, bool refusable)
{
	struct mqev_entry entry = message(topic, payload);

	entry.refusable = refusable;
	ck_assert(append(o, &entry) > 0);
	return entry.record.seq;
}

static void
change(const struct owner *o, enum mqev_change_kind kind, uint64_t seq, int state)
{
	struct mqev_entry entry = of_record(kind, seq, state);

	ck_assert(append(o, &entry) > 0);
}

static void
await(struct mqev_tape *of)
{
	struct pollfd p = {.fd = mqev_tape_fd(of), .events = POLLIN};

	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	mqev_tape_collect(of);
}

static void
pass(struct mqev_tape *of, const int *counter, int wanted)
{
	mqev_tape_hand_over(of);
	while (*counter < wanted)
		await(of);
	ck_assert_int_eq(*counter, wanted);
}

static bool
quiet(struct mqev_tape *of)
{
	struct pollfd p = {.fd = mqev_tape_fd(of), .events = POLLIN};

	return poll(&p, 1, 0) == 0;
}

/* --- there and back ----------------------------------------------------------------------------
 */

START_TEST(one_change)
{
	struct owner o;
	uint64_t seq;

	attach(tape, &o, "pump", true);
	ck_assert_uint_eq(o.journal->durable, 0);
	seq = put(&o, "a", "hello", true);
	ck_assert_int_eq(gathered, 1);
	ck_assert(!mqev_journal_is_durable(o.journal, 1));
	pass(tape, &o.durable, 1);
	ck_assert(mqev_journal_is_durable(o.journal, 1));
	ck_assert_int_eq(gated_records(), 1);
	ck_assert_int_eq(gated_synced(), 1);
	ck_assert(o.journal->methods->load(o.journal, seq));
	pass(tape, &o.loaded, 1);
	ck_assert_int_eq(o.load_error, 0);
	ck_assert_str_eq(o.bytes, "a=hello");
	ck_assert(o.journal->methods->load(o.journal, seq + 1));
	pass(tape, &o.loaded, 2);
	ck_assert_int_eq(o.load_error, MQEV_ERR_NOT_FOUND);
	detach(&o);
}
END_TEST

START_TEST(nothing_before_the_commit)
{
	struct owner o;
	struct owner late;
	int commits;

	attach(tape, &o, "pump", true);
	attach(tape, &late, "late", true);
	gated_close_gate();
	put(&o, "a", "1", true);
	mqev_tape_hand_over(tape);
	gated_await_arrival();
	ck_assert(quiet(tape));
	commits = gated_commits();
	/* What comes while the writer waits goes in one commit. */
	for (int i = 0; i < 10; i++) {
		put(&late, "b", "2", true);
		mqev_tape_hand_over(tape);
	}
	ck_assert(quiet(tape));
	gated_let_through(1);
	await(tape);
	ck_assert_int_eq(o.durable, 1);
	ck_assert_int_eq(late.durable, 0);
	ck_assert(!mqev_journal_is_durable(late.journal, 2));
	gated_open_gate();
	pass(tape, &late.durable, 10);
	ck_assert_int_eq(gated_commits(), commits + 2);
	ck_assert_uint_eq(late.journal->durable, 11);
	ck_assert_uint_eq(o.journal->durable, 1);
	detach(&o);
	detach(&late);
}
END_TEST

START_TEST(sync_only_when_wanted)
{
	struct owner process;
	struct owner power;

	attach(tape, &process, "process", false);
	attach(tape, &power, "power", true);
	put(&process, "a", "1", true);
	pass(tape, &process.durable, 1);
	ck_assert_int_eq(gated_synced(), 0);
	put(&process, "a", "1", true);
	put(&power, "a", "1", true);
	pass(tape, &power.durable, 1);
	ck_assert_int_eq(process.durable, 2);
	ck_assert_int_eq(gated_synced(), 1);
	detach(&process);
	detach(&power);
}
END_TEST

START_TEST(changes_of_another_client)
{
	struct owner in;
	struct owner out;
	struct mqev_entry both[2];
	uint64_t seq;

	attach(tape, &in, "in", true);
	attach(tape, &out, "out", true);
	seq = put(&in, "question", "?", false);
	pass(tape, &in.durable, 1);
	both[0] = message("answer", "!");
	both[1] = of_record(MQEV_CHANGE_DROP, seq, MQEV_RECORD_DONE);
	both[1].of = in.journal;
	ck_assert(out.journal->methods->append(out.journal, both, 2) > 0);
	pass(tape, &in.durable, 2);
	ck_assert_int_eq(out.durable, 1);
	ck_assert_int_eq(gated_state_of(seq), MQEV_RECORD_DONE);
	ck_assert_str_eq(gated_bytes(seq), "");
	ck_assert_int_eq(gated_state_of(both[0].record.seq), MQEV_RECORD_ACCEPTED);
	detach(&in);
	detach(&out);
}
END_TEST

START_TEST(detached_before_it_is_durable)
{
	struct owner o;

	attach(tape, &o, "pump", true);
	gated_close_gate();
	put(&o, "a", "1", true);
	ck_assert(o.journal->methods->load(o.journal, 1));
	detach(&o);
	gated_await_arrival();
	gated_open_gate();
	await(tape);
	ck_assert_int_eq(o.durable + o.loaded, 0);
	ck_assert_int_eq(gated_records(), 1);
}
END_TEST

static int
count_durable(const struct owner *many, int count)
{
	int durable = 0;

	for (int i = 0; i < count; i++)
		durable += many[i].durable;
	return durable;
}

/* What a commit held up comes back in turns, in order, and whoever is gone meanwhile is not told.
 */
START_TEST(told_in_portions)
{
	struct owner many[150];
	char name[16];
	int told;
	int turns = 1;

	gated_close_gate();
	for (int i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "%d", i);
		attach(tape, &many[i], name, true);
		put(&many[i], "a", "1", true);
	}
	mqev_tape_hand_over(tape);
	gated_await_arrival();
	gated_open_gate();
	await(tape);
	told = count_durable(many, 150);
	ck_assert(told > 0 && told < 100);
	ck_assert(!quiet(tape));
	ck_assert_int_eq(many[told - 1].durable, 1);
	ck_assert(mqev_journal_is_durable(many[told - 1].journal, 1));
	ck_assert(!mqev_journal_is_durable(many[told].journal, 1));
	detach(&many[told]);
	for (; !quiet(tape); turns++)
		await(tape);
	ck_assert_int_eq(turns, 3);
	for (int i = 0; i < 150; i++) {
		ck_assert_int_eq(many[i].durable, i != told);
		if (i != told)
			detach(&many[i]);
	}
}
END_TEST

START_TEST(freed_with_clients_not_told)
{
	struct owner many[150];
	char name[16];

	for (int i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "%d", i);
		attach(tape, &many[i], name, true);
		put(&many[i], "a", "1", true);
	}
	mqev_tape_hand_over(tape);
	await(tape);
	ck_assert(count_durable(many, 150) < 150);
	for (int i = 0; i < 150; i++)
		detach(&many[i]);
	mqev_tape_free(tape);
	tape = mqev_tape_new(store, &events, &gathered);
	ck_assert_ptr_nonnull(tape);
}
END_TEST

START_TEST(tape_freed_before_it_is_durable)
{
	struct owner o;

	attach(tape, &o, "pump", true);
	gated_close_gate();
	put(&o, "a", "1", true);
	detach(&o);
	mqev_tape_free(tape);
	tape = NULL;
	gated_open_gate();
	ck_assert_int_eq(mqev_store_close(store), 0);
	store = NULL;
	ck_assert_int_eq(gated_records(), 1);
}
END_TEST

/* --- names and numbers -------------------------------------------------------------------------
 */

START_TEST(a_name_is_used_once)
{
	struct mqev_record *records = mqev_calloc(2, sizeof(*records));
	struct owner o;
	int error;

	attach(tape, &o, "pump", true);
	ck_assert_uint_eq(o.journal->row.client, 1);
	ck_assert_str_eq(o.journal->row.client_id, "");
	ck_assert_ptr_null(mqev_tape_attach(tape, "pump", true, &o, &kept, &error));
	ck_assert_int_eq(error, MQEV_ERR_STORE_BUSY);
	ck_assert_int_eq(mqev_store_close(store), MQEV_ERR_STATE);
	put(&o, "a", "1", true);
	ck_assert(mqev_journal_set_client_id(o.journal, "auto-1"));
	o.journal->row.epoch = 5;
	records[1].seq = 99;
	mqev_tape_detach(o.journal, &(struct mqev_kept){records, 2});
	attach(tape, &o, "pump", true);
	ck_assert_uint_eq(o.journal->row.client, 1);
	ck_assert_uint_eq(o.journal->row.epoch, 5);
	ck_assert_str_eq(o.journal->row.client_id, "auto-1");
	ck_assert_uint_eq(kept.count, 2);
	ck_assert_uint_eq(kept.records[1].seq, 99);
	mqev_free(kept.records);
	detach(&o);
}
END_TEST

START_TEST(a_name_that_kept_nothing_is_forgotten)
{
	struct owner o;

	attach(tape, &o, "first", true);
	detach(&o);
	attach(tape, &o, "second", true);
	put(&o, "a", "1", true);
	pass(tape, &o.durable, 1);
	detach(&o);
}
END_TEST

/* Everything after a store was closed, or never closed, and opened again. */
START_TEST(opened_again)
{
	struct owner o;
	uint64_t seqs[3];
	char name[32];

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "client %d", i);
		attach(tape, &o, name, false);
		o.journal->row.epoch = (uint32_t)i;
		seqs[i % 3] = put(&o, name, "1", true);
		detach(&o);
	}
	mqev_tape_free(tape);
	ck_assert_int_eq(mqev_store_close(store), 0);
	open_store(NULL);
	for (int i = 197; i < 200; i++) {
		snprintf(name, sizeof(name), "client %d", i);
		attach(tape, &o, name, false);
		ck_assert_int_eq((int)o.journal->row.epoch, i);
		ck_assert_uint_eq(kept.count, 1);
		ck_assert_uint_eq(kept.records[0].seq, seqs[i % 3]);
		ck_assert_uint_eq(kept.records[0].n, 3);
		ck_assert_ptr_null(kept.records[0].bytes);
		ck_assert(put(&o, "a", "1", true) > seqs[199 % 3]);
		mqev_free(kept.records);
		detach(&o);
	}
	attach(tape, &o, "new", false);
	ck_assert_uint_eq(o.journal->row.client, 201);
	detach(&o);
}
END_TEST

START_TEST(numbers_of_a_new_store)
{
	uint64_t before = (uint64_t)mqev_port_wall_us();
	struct owner o;
	uint64_t seq;

	mqev_tape_free(tape);
	ck_assert_int_eq(mqev_store_close(store), 0);
	gated_forget();
	open_store(NULL);
	attach(tape, &o, "pump", true);
	seq = put(&o, "a", "1", true);
	ck_assert(seq >= before);
	ck_assert(seq <= (uint64_t)mqev_port_wall_us());
	ck_assert_uint_eq(put(&o, "a", "1", true), seq + 1);
	detach(&o);
}
END_TEST

/* --- no room -----------------------------------------------------------------------------------
 */

START_TEST(what_may_be_refused_is)
{
	struct owner o;
	uint64_t first;
	uint64_t seq;

	attach(tape, &o, "pump", true);
	first = put(&o, "a", "1", true);
	pass(tape, &o.durable, 1);
	gated_set_room(1);
	seq = put(&o, "a", "2", true);
	pass(tape, &o.durable, 2);
	ck_assert_int_eq(o.refused, 1);
	ck_assert_uint_eq(o.refused_seq, seq);
	ck_assert_int_eq(gated_records(), 1);
	/* Room that is given in the same transaction is used. */
	change(&o, MQEV_CHANGE_REMOVE, first, 0);
	seq = put(&o, "a", "3", true);
	pass(tape, &o.durable, 3);
	ck_assert_int_eq(gated_state_of(seq), o.refused == 1 ? MQEV_RECORD_ACCEPTED : 0);
	/* and certainly afterwards. */
	seq = o.refused == 1 ? seq : put(&o, "a", "4", true);
	pass(tape, &o.durable, o.refused == 1 ? 3 : 4);
	ck_assert_int_eq(gated_state_of(seq), MQEV_RECORD_ACCEPTED);
	detach(&o);
}
END_TEST

START_TEST(a_group_is_refused_whole)
{
	struct owner in;
	struct owner out;
	struct mqev_entry both[2];
	uint64_t seq;

	attach(tape, &in, "in", true);
	attach(tape, &out, "out", true);
	seq = put(&in, "question", "?", false);
	pass(tape, &in.durable, 1);
	gated_set_room(1);
	both[0] = message("answer", "!");
	both[0].refusable = true;
	both[1] = of_record(MQEV_CHANGE_DROP, seq, MQEV_RECORD_DONE);
	both[1].of = in.journal;
	ck_assert(out.journal->methods->append(out.journal, both, 2) > 0);
	pass(tape, &in.durable, 2);
	ck_assert_int_eq(out.refused, 1);
	ck_assert_int_eq(in.refused, 1);
	ck_assert_uint_eq(in.refused_seq, seq);
	ck_assert_int_eq(gated_state_of(seq), 0 + MQEV_RECORD_ACCEPTED);
	detach(&in);
	detach(&out);
}
END_TEST

START_TEST(what_may_not_waits_and_removals_pass)
{
	struct owner o;
	uint64_t first;
	uint64_t received;

	attach(tape, &o, "pump", true);
	first = put(&o, "a", "1", true);
	pass(tape, &o.durable, 1);
	gated_set_room(1);
	received = put(&o, "in", "2", false);
	mqev_tape_hand_over(tape);
	/* What comes behind it: of its record, it waits; what could be refused is. */
	change(&o, MQEV_CHANGE_SET, received, MQEV_RECORD_FREED);
	put(&o, "out", "3", true);
	mqev_tape_hand_over(tape);
	ck_assert(quiet(tape));
	change(&o, MQEV_CHANGE_REMOVE, first, 0);
	pass(tape, &o.durable, 4);
	ck_assert_int_eq(gated_state_of(first), 0);
	ck_assert_int_eq(gated_state_of(received), MQEV_RECORD_FREED);
	ck_assert(gated_records() == 1);
	ck_assert_int_eq(o.refused, 1);
	detach(&o);
}
END_TEST

START_TEST(waits_when_the_store_is_closed)
{
	struct owner o;

	gated_set_room(0);
	attach(tape, &o, "pump", true);
	put(&o, "in", "1", false);
	detach(&o);
	mqev_tape_free(tape);
	tape = NULL;
	ck_assert_int_eq(mqev_store_close(store), 0);
	store = NULL;
	ck_assert_int_eq(gated_records(), 0);
}
END_TEST

START_TEST(memory_that_comes_back)
{
	struct owner o;

	attach(tape, &o, "pump", true);
	gated_fail_append(MQEV_ERR_NOMEM, 2 + _i);
	put(&o, "a", "1", true);
	pass(tape, &o.durable, 1);
	gated_fail_commit(MQEV_ERR_NOMEM, 2 + _i);
	put(&o, "a", "2", true);
	pass(tape, &o.durable, 2);
	ck_assert_int_eq(o.refused, 0);
	ck_assert_int_eq(gated_records(), 2);
	detach(&o);
}
END_TEST

/* --- the end -----------------------------------------------------------------------------------
 */

static void
fail_in_append(int error)
{
	gated_fail_append(error, 1);
}

static void
fail_in_commit(int error)
{
	gated_fail_commit(error, 1);
}

static void (*const ways[])(int) = {fail_in_append, fail_in_commit};

START_TEST(failure)
{
	struct mqev_tape *other = mqev_tape_new(store, &events, &gathered);
	struct owner o;
	struct owner bystander;
	struct owner late;
	struct mqev_entry entry = message("a", "1");
	int error;

	attach(tape, &o, "pump", true);
	attach(other, &bystander, "bystander", true);
	ways[_i](MQEV_ERR_STORE);
	put(&o, "a", "1", true);
	ck_assert(o.journal->methods->load(o.journal, 1));
	pass(tape, &o.loaded, 1);
	ck_assert_int_eq(o.load_error, MQEV_ERR_STORE);
	ck_assert_int_eq(failed, MQEV_ERR_STORE);
	ck_assert_int_eq(o.durable, 0);
	ck_assert_int_eq(o.journal->error, MQEV_ERR_STORE);
	ck_assert_uint_eq(append(&o, &entry), 0);
	/* A fleet that had nothing under way hears of it too. */
	failed = 0;
	await(other);
	ck_assert_int_eq(failed, MQEV_ERR_STORE);
	ck_assert_int_eq(bystander.journal->error, MQEV_ERR_STORE);
	ck_assert_int_eq(mqev_store_error(store), MQEV_ERR_STORE);
	ck_assert_str_eq(mqev_store_error_text(store), "the test says so");
	ck_assert_ptr_null(mqev_tape_attach(tape, "late", true, &late, &kept, &error));
	ck_assert_int_eq(error, MQEV_ERR_STORE);
	detach(&o);
	detach(&bystander);
	mqev_tape_free(other);
	mqev_tape_free(tape);
	tape = NULL;
	ck_assert_int_eq(mqev_store_close(store), MQEV_ERR_STORE);
	store = NULL;
	ck_assert_int_eq(gated_records(), 0);
}
END_TEST

/* --- ciphers -----------------------------------------------------------------------------------
 */

static int
seal(void *arg, uint64_t seq, const void *from, size_t len, void *to, size_t *to_len)
{
	const uint8_t *plain = from;
	uint8_t *sealed = to;

	if (*(int *)arg != 0)
		return -1;
	sealed[0] = 'S';
	sealed[1] = (uint8_t)('a' + seq % 26);
	for (size_t i = 0; i < len; i++)
		sealed[i + 2] = plain[i] ^ 0x55;
	*to_len = len + 2;
	return 0;
}

static int
unseal(void *arg, uint64_t seq, const void *from, size_t len, void *to, size_t *to_len)
{
	const uint8_t *sealed = from;
	uint8_t *plain = to;

	if (*(int *)arg != 0 || sealed[0] != 'S' || sealed[1] != 'a' + seq % 26)
		return -1;
	for (size_t i = 2; i < len; i++)
		plain[i - 2] = sealed[i] ^ 0x55;
	*to_len = len - 2;
	return 0;
}

START_TEST(sealed)
{
	int broken = 0;
	struct mqev_cipher cipher = {sizeof(cipher), 2, seal, unseal, &broken};
	struct owner o;
	uint64_t seq;

	mqev_tape_free(tape);
	ck_assert_int_eq(mqev_store_close(store), 0);
	open_store(MQEV_STORE_OPTIONS(.cipher = &cipher));
	attach(tape, &o, "pump", true);
	seq = put(&o, "a", "secret", true);
	pass(tape, &o.durable, 1);
	ck_assert_int_eq(gated_bytes(seq)[0], 'S');
	ck_assert_ptr_null(strstr(gated_bytes(seq), "secret"));
	ck_assert(o.journal->methods->load(o.journal, seq));
	pass(tape, &o.loaded, 1);
	ck_assert_str_eq(o.bytes, "a=secret");
	broken = 1;
	ck_assert(o.journal->methods->load(o.journal, seq));
	pass(tape, &o.loaded, 2);
	ck_assert_int_eq(o.load_error, MQEV_ERR_STORE_DAMAGED);
	ck_assert_int_eq(mqev_store_error(store), 0);
	put(&o, "a", "more", true);
	mqev_tape_hand_over(tape);
	while (failed == 0)
		await(tape);
	ck_assert_int_eq(failed, MQEV_ERR_STORE);
	detach(&o);
}
END_TEST

/* --- arguments ---------------------------------------------------------------------------------
 */

START_TEST(arguments)
{
	struct mqev_cipher no_open = {.size = sizeof(no_open), .seal = seal};
	struct mqev_backend shorter = *gated_backend();
	int error = 0;

	ck_assert_ptr_null(mqev_store_open(NULL, NULL, NULL, &error));
	ck_assert_int_eq(error, MQEV_ERR_INVALID);
	shorter.size--;
	ck_assert_ptr_null(mqev_store_open(&shorter, NULL, NULL, NULL));
	ck_assert_ptr_null(
	    mqev_store_open(gated_backend(), NULL, &(struct mqev_store_options){0}, &error));
	ck_assert_ptr_null(
	    mqev_store_open(gated_backend(), NULL, MQEV_STORE_OPTIONS(.cipher = &no_open), &error));
	ck_assert_int_eq(error, MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_store_close(NULL), 0);
}
END_TEST

/* --- memory ------------------------------------------------------------------------------------
 */

/* A turn of a fleet that copes with each failure as a session does: it tries again later. */
static void
turn_without_memory(struct owner *o)
{
	struct mqev_entry entry = message("topic", "payload");
	int error = MQEV_ERR_NOMEM;

	memset(o, 0, sizeof(*o));
	while (tape == NULL)
		tape = mqev_tape_new(store, &events, &gathered);
	while (o->journal == NULL) {
		o->journal = mqev_tape_attach(tape, "pump", true, o, &kept, &error);
		ck_assert(o->journal != NULL || error == MQEV_ERR_NOMEM);
	}
	while (append(o, &entry) == 0)
		ck_assert_int_eq(o->journal->error, 0);
	pass(tape, &o->durable, 1);
	while (!o->journal->methods->load(o->journal, entry.record.seq))
		ck_assert_int_eq(o->journal->error, 0);
	pass(tape, &o->loaded, 1);
	ck_assert(o->load_error == 0 || o->load_error == MQEV_ERR_NOMEM);
}

START_TEST(every_allocation_fails)
{
	struct owner o;
	size_t refused;
	size_t n = 0;

	mqev_tape_free(tape);
	tape = NULL;
	do {
		fail_mem_after(n++);
		turn_without_memory(&o);
		refused = fail_mem_refused();
		fail_mem_never();
		ck_assert_int_eq(gated_records(), (int)n);
		detach(&o);
		mqev_tape_free(tape);
		tape = NULL;
	} while (refused > 0);
	ck_assert_uint_gt(n, 6);
}
END_TEST

START_TEST(opening_without_memory)
{
	struct mqev_store *opened = NULL;
	size_t n;

	mqev_tape_free(tape);
	tape = NULL;
	ck_assert_int_eq(mqev_store_close(store), 0);
	store = NULL;
	for (n = 0; opened == NULL; n++) {
		int error = 0;

		fail_mem_after(n);
		opened = mqev_store_open(gated_backend(), NULL, NULL, &error);
		fail_mem_never();
		ck_assert_int_eq(error, opened != NULL ? 0 : MQEV_ERR_NOMEM);
	}
	ck_assert_uint_gt(n, 1);
	ck_assert_int_eq(mqev_store_close(opened), 0);
}
END_TEST

/* --- several fleets ----------------------------------------------------------------------------
 */

#define FLEETS 3
#define TURNS 300
#define PER_TURN 5

static void *
run_fleet(void *arg)
{
	struct mqev_tape *own = arg;
	struct owner o;
	char name[32];

	snprintf(name, sizeof(name), "fleet %p", arg);
	attach(own, &o, name, false);
	for (int turn = 1; turn <= TURNS; turn++) {
		uint64_t last = 0;

		for (int i = 0; i < PER_TURN; i++)
			last = put(&o, "a", "1", true);
		change(&o, MQEV_CHANGE_REMOVE, last, 0);
		mqev_tape_hand_over(own);
		if (turn % 7 == 0)
			pass(own, &o.durable, turn);
	}
	pass(own, &o.durable, TURNS);
	detach(&o);
	return NULL;
}

START_TEST(several_fleets)
{
	pthread_t threads[FLEETS];
	struct mqev_tape *tapes[FLEETS];
	int counts[FLEETS] = {0};

	for (int i = 0; i < FLEETS; i++) {
		tapes[i] = mqev_tape_new(store, &events, &counts[i]);
		ck_assert_int_eq(pthread_create(&threads[i], NULL, run_fleet, tapes[i]), 0);
	}
	for (int i = 0; i < FLEETS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
		ck_assert_int_eq(counts[i], TURNS);
		mqev_tape_free(tapes[i]);
	}
	ck_assert_int_eq(gated_records(), FLEETS * TURNS * (PER_TURN - 1));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, one_change);
	tcase_add_test(tc, nothing_before_the_commit);
	tcase_add_test(tc, sync_only_when_wanted);
	tcase_add_test(tc, changes_of_another_client);
	tcase_add_test(tc, detached_before_it_is_durable);
	tcase_add_test(tc, told_in_portions);
	tcase_add_test(tc, freed_with_clients_not_told);
	tcase_add_test(tc, tape_freed_before_it_is_durable);
	tcase_add_test(tc, a_name_is_used_once);
	tcase_add_test(tc, a_name_that_kept_nothing_is_forgotten);
	tcase_add_test(tc, opened_again);
	tcase_add_test(tc, numbers_of_a_new_store);
	tcase_add_test(tc, what_may_be_refused_is);
	tcase_add_test(tc, a_group_is_refused_whole);
	tcase_add_test(tc, what_may_not_waits_and_removals_pass);
	tcase_add_test(tc, waits_when_the_store_is_closed);
	tcase_add_loop_test(tc, memory_that_comes_back, 0, 2);
	tcase_add_loop_test(tc, failure, 0, (int)COUNT_OF(ways));
	tcase_add_test(tc, sealed);
	tcase_add_test(tc, arguments);
	tcase_add_test(tc, every_allocation_fails);
	tcase_add_test(tc, opening_without_memory);
	tcase_add_test(tc, several_fleets);
}

int
main(void)
{
	return unit_run("store", add_tests);
}
