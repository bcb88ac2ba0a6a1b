/* One client's tape, one change after the other. */
#include "fault/tape_kit.h"

#include <check.h>
#include <mqev/sqlite.h>
#include <poll.h>
#include <string.h>

#include "core/mem.h"
#include "unit/unit.h"

#define WAIT_MS 20000
#define LARGEST 700000

static void
on_gathered(void *arg)
{
	(void)arg;
}

static void
on_durable(void *owner)
{
	((struct tape_kit *)owner)->durable++;
}

static void
on_refused(void *owner, uint64_t seq, int error)
{
	(void)seq;
	ck_assert_int_eq(error, MQEV_ERR_STORE_FULL);
	((struct tape_kit *)owner)->refused++;
}

static const uint8_t *
payload_of(int i, size_t size)
{
	static uint8_t bytes[LARGEST];

	ck_assert_uint_le(size, sizeof(bytes));
	memset(bytes, 'a' + i % 26, size);
	memcpy(bytes, &i, sizeof(i));
	return bytes;
}

static void
on_loaded(void *owner, uint64_t seq, struct mqev_bytes packed, int error)
{
	struct tape_kit *kit = owner;
	struct mqev_entry entry;

	(void)seq;
	kit->loaded++;
	kit->load_error = error;
	kit->same = error == 0 && mqev_unpack(packed, &entry) &&
		    memcmp(entry.payload.data, payload_of(kit->wanted, entry.payload.len),
			entry.payload.len) == 0;
}

static void
on_failed(void *arg, int error)
{
	((struct tape_kit *)arg)->failed = error;
}

static const struct mqev_tape_events events = {
    on_gathered, on_durable, on_refused, on_loaded, on_failed};

static int
attach(struct tape_kit *kit)
{
	struct mqev_kept kept;
	int error = 0;

	kit->tape = mqev_tape_new(kit->store, &events, kit);
	ck_assert_ptr_nonnull(kit->tape);
	kit->journal = mqev_tape_attach(kit->tape, "pump", !kit->process_only, kit, &kept, &error);
	if (kit->journal != NULL)
		mqev_free(kept.records);
	return error;
}

int
tape_open(struct tape_kit *kit, const char *path, const char *vfs, uint64_t max_bytes)
{
	struct mqev_sqlite_options extra = {.size = sizeof(extra), .vfs = vfs};
	int error = 0;

	*kit = (struct tape_kit){.process_only = kit->process_only};
	kit->store = mqev_store_open(mqev_backend_sqlite(), path,
	    MQEV_STORE_OPTIONS(.backend_extra = &extra, .max_bytes = max_bytes), &error);
	return kit->store != NULL ? attach(kit) : error;
}

int
tape_close(struct tape_kit *kit)
{
	if (kit->journal != NULL)
		mqev_tape_detach(kit->journal, &(struct mqev_kept){0});
	mqev_tape_free(kit->tape);
	return mqev_store_close(kit->store);
}

uint64_t
tape_put(struct tape_kit *kit, int i, size_t size)
{
	struct mqev_entry entry = {.kind = MQEV_CHANGE_PUT,
	    .refusable = true,
	    .record = {.kind = MQEV_RECORD_OUT, .state = MQEV_RECORD_ACCEPTED, .qos = 1},
	    .topic = unit_text("a"),
	    .payload = {payload_of(i, size), size}};

	return kit->journal->methods->append(kit->journal, &entry, 1) > 0 ? entry.record.seq : 0;
}

void
tape_remove(struct tape_kit *kit, uint64_t seq)
{
	struct mqev_entry entry = {.kind = MQEV_CHANGE_REMOVE, .record = {.seq = seq}};

	(void)kit->journal->methods->append(kit->journal, &entry, 1);
}

static void
wait_until(struct tape_kit *kit, const int *counter, int wanted)
{
	struct pollfd p = {.fd = mqev_tape_fd(kit->tape), .events = POLLIN};

	mqev_tape_hand_over(kit->tape);
	while (*counter < wanted && kit->failed == 0) {
		ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
		mqev_tape_collect(kit->tape);
	}
}

enum tape_answer
tape_wait(struct tape_kit *kit)
{
	int durable = kit->durable;
	int refused = kit->refused;

	if (kit->journal->error == 0)
		wait_until(kit, &kit->durable, durable + 1);
	if (kit->refused > refused)
		return TAPE_REFUSED;
	return kit->durable > durable ? TAPE_DURABLE : TAPE_FAILED;
}

void
tape_wait_for(struct tape_kit *kit, int batches)
{
	wait_until(kit, &kit->durable, batches);
	ck_assert_int_eq(kit->failed, 0);
}

enum tape_answer
tape_load(struct tape_kit *kit, uint64_t seq)
{
	int loaded = kit->loaded;

	if (!kit->journal->methods->load(kit->journal, seq))
		return TAPE_FAILED;
	wait_until(kit, &kit->loaded, loaded + 1);
	if (kit->loaded == loaded)
		return TAPE_FAILED;
	return kit->load_error == 0 || kit->load_error == MQEV_ERR_NOT_FOUND ? TAPE_DURABLE
									     : TAPE_FAILED;
}

bool
tape_holds(struct tape_kit *kit, uint64_t seq, int i)
{
	kit->wanted = i;
	ck_assert_int_eq(tape_load(kit, seq), TAPE_DURABLE);
	ck_assert(kit->load_error != 0 || kit->same);
	return kit->load_error == 0;
}
