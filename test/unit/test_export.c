/* A session handed over as a stream: whole, or not at all. */
#include <stdio.h>
#include <string.h>

#include <mqev/store.h>

#include "fault/fail_mem.h"
#include "unit/gated_backend.h"
#include "unit/unit.h"

#define RECORDS 5
#define ROOM 8192

static struct mqev_backend_options options = {.size = sizeof(options)};

static struct {
	uint8_t data[ROOM];
	size_t len;
	size_t at;
	size_t end;  /* reading fails from here on */
	bool broken; /* writing fails */
} stream;

static int
write_stream(void *arg, const void *data, size_t len)
{
	(void)arg;
	if (stream.broken || len > ROOM - stream.len)
		return -1;
	memcpy(stream.data + stream.len, data, len);
	stream.len += len;
	return 0;
}

static int
read_stream(void *arg, void *data, size_t len)
{
	(void)arg;
	if (len > stream.end - stream.at)
		return -1;
	memcpy(data, stream.data + stream.at, len);
	stream.at += len;
	return 0;
}

static int
import_from(size_t end)
{
	stream.at = 0;
	stream.end = end;
	return mqev_store_import(gated_backend(), &options, read_stream, NULL);
}

static int
export_client(const char *name)
{
	stream.len = 0;
	return mqev_store_export(gated_backend(), &options, name, write_stream, NULL);
}

/* --- what is kept ------------------------------------------------------------------------------
 */

static const struct mqev_store_client pump = {.client = 4,
    .epoch = 7,
    .name = "pump",
    .client_id = "auto-pump",
    .sent_n = UINT64_C(0x123456789A),
    .session_ends_ms = 1900000000000,
    .flags = MQEV_STORE_CLIENT_SESSION};
static const struct mqev_store_client other = {.client = 9, .name = "other", .client_id = ""};

static struct mqev_record
record_of(int i)
{
	return (struct mqev_record){.seq = UINT64_C(1700000000000000) + (uint64_t)i * 10,
	    .n = 100 + (uint64_t)i,
	    .cookie = UINT64_MAX - (uint64_t)i,
	    .created_ms = 1700000000000 + i,
	    .expires_ms = i % 2 == 0 ? 0 : 1800000000000,
	    .bytes = i == 2 ? NULL : "topic and payload",
	    .bytes_len = i == 2 ? 0 : (size_t)(17 - i),
	    .client = 4,
	    .epoch = 7,
	    .mid = (uint16_t)(i * 1000),
	    .kind = i < 3 ? MQEV_RECORD_OUT : MQEV_RECORD_IN,
	    .state = i < 3 ? (i == 2 ? MQEV_RECORD_RELEASED : MQEV_RECORD_ACCEPTED)
			   : MQEV_RECORD_RECEIVED,
	    .qos = (uint8_t)(i < 2 ? 1 + i % 2 : 2),
	    .flags = (uint8_t)i};
}

static void
append(void *state, enum mqev_change_kind kind, const struct mqev_record *record,
    const struct mqev_store_client *client)
{
	struct mqev_change change = {kind, record, client};

	ck_assert_int_eq(gated_backend()->append(state, &change, 1), 0);
}

static void *
open_gated(void)
{
	void *state;

	ck_assert_int_eq(gated_backend()->open(&options, &state), 0);
	return state;
}

static void
fill(void)
{
	void *state = open_gated();
	struct mqev_record foreign = record_of(0);

	append(state, MQEV_CHANGE_CLIENT, NULL, &other);
	append(state, MQEV_CHANGE_CLIENT, NULL, &pump);
	for (int i = 0; i < RECORDS; i++) {
		struct mqev_record record = record_of(i);

		append(state, MQEV_CHANGE_PUT, &record, NULL);
	}
	foreign.client = 9;
	foreign.seq += 5;
	append(state, MQEV_CHANGE_PUT, &foreign, NULL);
	ck_assert_int_eq(gated_backend()->commit(state, true), 0);
}

struct seen {
	uint64_t seq;
	struct mqev_store_client row;
	char client_id[32];
	size_t records;
	bool wrong;
};

static int
see_seq(void *arg, uint64_t seq)
{
	((struct seen *)arg)->seq = seq;
	return 0;
}

static int
see_client(void *arg, const struct mqev_store_client *client)
{
	struct seen *s = arg;

	if (strcmp(client->name, "pump") != 0)
		return 0;
	s->row = *client;
	snprintf(s->client_id, sizeof(s->client_id), "%s", client->client_id);
	return 0;
}

static int
see_record(void *arg, const struct mqev_record *r)
{
	struct seen *s = arg;
	struct mqev_record want = record_of((int)s->records);

	if (r->client != s->row.client)
		return 0;
	s->wrong |= r->seq != want.seq || r->n != want.n || r->cookie != want.cookie ||
		    r->created_ms != want.created_ms || r->expires_ms != want.expires_ms ||
		    r->epoch != want.epoch || r->mid != want.mid || r->kind != want.kind ||
		    r->state != want.state || r->qos != want.qos || r->flags != want.flags ||
		    r->bytes_len != want.bytes_len;
	s->wrong |=
	    strncmp(gated_bytes(r->seq), want.bytes != NULL ? want.bytes : "", want.bytes_len) != 0;
	s->records++;
	return 0;
}

static struct seen
look(void)
{
	static const struct mqev_backend_visitor visitor = {see_seq, see_client, see_record};
	struct seen seen = {0};

	ck_assert_int_eq(gated_backend()->load(open_gated(), 0, &visitor, &seen), 0);
	return seen;
}

static void
setup(void)
{
	fill();
	ck_assert_int_eq(export_client("pump"), 0);
	gated_forget();
}

static void
teardown(void)
{
	gated_forget();
	ck_assert_uint_eq(fail_mem_live(), 0);
}

static void
expect_nothing(void)
{
	struct seen seen = look();

	ck_assert_uint_eq(seen.row.client, 0);
	ck_assert_uint_eq(seen.seq, 0);
	ck_assert_int_eq(gated_records(), 0);
}

/* --- cases -------------------------------------------------------------------------------------
 */

START_TEST(there_and_back)
{
	struct seen seen;

	ck_assert_int_eq(import_from(stream.len), 0);
	ck_assert_uint_eq(stream.at, stream.len);
	seen = look();
	ck_assert_uint_eq(seen.row.client, 1);
	ck_assert_uint_eq(seen.row.epoch, pump.epoch);
	ck_assert_uint_eq(seen.row.sent_n, pump.sent_n);
	ck_assert_int_eq(seen.row.session_ends_ms, pump.session_ends_ms);
	ck_assert_uint_eq(seen.row.flags, pump.flags);
	ck_assert_str_eq(seen.client_id, "auto-pump");
	ck_assert_uint_eq(seen.records, RECORDS);
	ck_assert(!seen.wrong);
	ck_assert_uint_eq(seen.seq, record_of(RECORDS - 1).seq + 1);
}
END_TEST

START_TEST(beside_others)
{
	void *state = open_gated();
	const struct mqev_record limit = {.seq = UINT64_C(1) << 60};

	append(state, MQEV_CHANGE_CLIENT, NULL, &other);
	append(state, MQEV_CHANGE_SEQ, &limit, NULL);
	ck_assert_int_eq(gated_backend()->commit(state, true), 0);
	ck_assert_int_eq(import_from(stream.len), 0);
	ck_assert_uint_eq(look().row.client, 10);
	ck_assert_uint_eq(look().seq, limit.seq);
	ck_assert_int_eq(import_from(stream.len), MQEV_ERR_STATE);
	ck_assert_uint_eq(look().records, RECORDS);
}
END_TEST

START_TEST(a_token_that_is_there)
{
	void *state = open_gated();
	struct mqev_record record = record_of(3);

	record.client = 9;
	append(state, MQEV_CHANGE_CLIENT, NULL, &other);
	append(state, MQEV_CHANGE_PUT, &record, NULL);
	ck_assert_int_eq(gated_backend()->commit(state, true), 0);
	ck_assert_int_eq(import_from(stream.len), MQEV_ERR_STATE);
	ck_assert_uint_eq(look().row.client, 0);
	ck_assert_int_eq(gated_records(), 1);
}
END_TEST

START_TEST(cut_short)
{
	for (size_t end = 0; end < stream.len; end++) {
		ck_assert_int_eq(import_from(end), MQEV_ERR_SYSTEM);
		expect_nothing();
	}
}
END_TEST

START_TEST(altered)
{
	for (size_t at = 0; at < stream.len; at++) {
		int error;

		stream.data[at] ^= (uint8_t)(1 << (at % 8));
		error = import_from(stream.len);
		ck_assert_msg(error == MQEV_ERR_STORE_DAMAGED || error == MQEV_ERR_SYSTEM ||
				  error == MQEV_ERR_STORE_VERSION,
		    "byte %zu: %d", at, error);
		expect_nothing();
		stream.data[at] ^= (uint8_t)(1 << (at % 8));
	}
	ck_assert_int_eq(import_from(stream.len), 0);
}
END_TEST

/* What no store of this library holds, and a session would stumble over. */
static const struct mqev_record impossible[] = {
    {.kind = MQEV_RECORD_OUT, .state = MQEV_RECORD_RELEASED, .qos = 1},
    {.kind = MQEV_RECORD_OUT, .state = MQEV_RECORD_ACCEPTED, .qos = 0},
    {.kind = MQEV_RECORD_OUT, .state = MQEV_RECORD_ACCEPTED, .qos = 3},
    {.kind = MQEV_RECORD_OUT, .state = MQEV_RECORD_RECEIVED, .qos = 2, .mid = 1},
    {.kind = MQEV_RECORD_OUT, .state = 0, .qos = 2},
    {.kind = 3, .state = MQEV_RECORD_ACCEPTED, .qos = 2},
    {.kind = MQEV_RECORD_OUT, .state = MQEV_RECORD_ACCEPTED, .qos = 1, .n = UINT64_MAX},
    {.kind = MQEV_RECORD_OUT, .state = MQEV_RECORD_ACCEPTED, .qos = 1, .flags = 8},
    {.kind = MQEV_RECORD_OUT, .state = MQEV_RECORD_ACCEPTED, .qos = 1, .expires_ms = INT64_MIN},
    {.kind = MQEV_RECORD_OUT, .state = MQEV_RECORD_ACCEPTED, .qos = 1, .expires_ms = INT64_MAX},
    {.kind = MQEV_RECORD_IN, .state = MQEV_RECORD_RECEIVED, .qos = 1, .mid = 1},
    {.kind = MQEV_RECORD_IN, .state = MQEV_RECORD_RECEIVED, .qos = 2, .mid = 0},
    {.kind = MQEV_RECORD_IN, .state = MQEV_RECORD_DONE, .qos = 2, .mid = 0},
    {.kind = MQEV_RECORD_IN, .state = MQEV_RECORD_DONE + 1, .qos = 2, .mid = 1},
};

START_TEST(records_that_cannot_be)
{
	void *state = open_gated();
	struct mqev_record record = impossible[_i];

	record.seq = 1;
	record.client = pump.client;
	append(state, MQEV_CHANGE_CLIENT, NULL, &pump);
	append(state, MQEV_CHANGE_PUT, &record, NULL);
	ck_assert_int_eq(gated_backend()->commit(state, true), 0);
	ck_assert_int_eq(export_client("pump"), 0);
	gated_forget();
	ck_assert_int_eq(import_from(stream.len), MQEV_ERR_STORE_DAMAGED);
	expect_nothing();
}
END_TEST

static const struct mqev_store_client unfit[] = {
    {.client = 1, .name = "", .client_id = "a"},
    {.client = 1, .name = "pump", .client_id = "\xC3\x28"},
    {.client = 1, .name = "pump", .client_id = "a", .sent_n = UINT64_MAX},
};

START_TEST(clients_that_cannot_be)
{
	void *state = open_gated();

	append(state, MQEV_CHANGE_CLIENT, NULL, &unfit[_i]);
	ck_assert_int_eq(gated_backend()->commit(state, true), 0);
	ck_assert_int_eq(export_client(unfit[_i].name), 0);
	gated_forget();
	ck_assert_int_eq(import_from(stream.len), MQEV_ERR_STORE_DAMAGED);
	expect_nothing();
}
END_TEST

START_TEST(another_format)
{
	stream.data[7] = '2';
	ck_assert_int_eq(import_from(stream.len), MQEV_ERR_STORE_VERSION);
	expect_nothing();
}
END_TEST

START_TEST(errors)
{
	ck_assert_int_eq(export_client("pump"), MQEV_ERR_NOT_FOUND);
	ck_assert_int_eq(
	    mqev_store_export(NULL, &options, "pump", write_stream, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(
	    mqev_store_import(gated_backend(), NULL, read_stream, NULL), MQEV_ERR_INVALID);
	fill();
	stream.broken = true;
	ck_assert_int_eq(export_client("pump"), MQEV_ERR_SYSTEM);
	gated_forget();
	stream.broken = false;
	fill();
	ck_assert_int_eq(export_client("pump"), 0);
	gated_forget();
	gated_fail_commit(MQEV_ERR_STORE_FULL, 1);
	ck_assert_int_eq(import_from(stream.len), MQEV_ERR_STORE_FULL);
	ck_assert_int_eq(import_from(stream.len), 0);
}
END_TEST

START_TEST(every_allocation_fails)
{
	int error = MQEV_ERR_NOMEM;
	size_t n;

	for (n = 0; error != 0; n++) {
		(void)open_gated();
		fail_mem_after(n);
		error = import_from(stream.len);
		fail_mem_never();
		ck_assert_int_eq(error, error == 0 ? 0 : MQEV_ERR_NOMEM);
		ck_assert_uint_eq(look().records, error == 0 ? RECORDS : 0);
	}
	ck_assert_uint_gt(n, 5);
	error = MQEV_ERR_NOMEM;
	for (n = 0; error != 0; n++) {
		fail_mem_after(n);
		error = export_client("pump");
		fail_mem_never();
		ck_assert_int_eq(error, error == 0 ? 0 : MQEV_ERR_NOMEM);
	}
	ck_assert_uint_gt(n, 1);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, beside_others);
	tcase_add_test(tc, a_token_that_is_there);
	tcase_add_test(tc, cut_short);
	tcase_add_test(tc, altered);
	tcase_add_loop_test(
	    tc, records_that_cannot_be, 0, (int)(sizeof(impossible) / sizeof(impossible[0])));
	tcase_add_loop_test(tc, clients_that_cannot_be, 0, (int)(sizeof(unfit) / sizeof(unfit[0])));
	tcase_add_test(tc, another_format);
	tcase_add_test(tc, errors);
	tcase_add_test(tc, every_allocation_fails);
}

int
main(void)
{
	return unit_run("export", add_tests);
}
