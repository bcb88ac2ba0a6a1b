/* mqev-store, run as a person would: what it prints, what it changes, and what it refuses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mqev/sqlite.h>

#include "core/journal.h"
#include "lib/loop.h"
#include "unit/unit.h"

static char *folder;
static char path[512];
static char output[8192];

/* Runs a shell's line in which $S is the tool and $F the store; its output is kept. */
static int
run(const char *line)
{
	char command[2048];
	FILE *pipe;
	size_t len;
	int status;

	snprintf(command, sizeof(command), "S='%s/tools/mqev-store' F='%s' D='%s'; { %s; } 2>&1",
	    getenv("MQEV_BUILDDIR") != NULL ? getenv("MQEV_BUILDDIR") : ".", path, folder, line);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	len = fread(output, 1, sizeof(output) - 1, pipe);
	output[len] = '\0';
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
expect(const char *line, int status, const char *words)
{
	int got = run(line);

	ck_assert_msg(got == status, "%s: exit %d\n%s", line, got, output);
	ck_assert_msg(strstr(output, words) != NULL, "%s: no '%s' in\n%s", line, words, output);
}

static void
put(void *state, uint64_t seq, uint32_t client, const char *topic, const char *payload)
{
	struct mqev_entry entry = {
	    .kind = MQEV_CHANGE_PUT, .topic = unit_text(topic), .payload = unit_text(payload)};
	uint8_t bytes[256];
	struct mqev_record record = {.seq = seq,
	    .client = client,
	    .created_ms = 1700000000000,
	    .kind = MQEV_RECORD_OUT,
	    .state = MQEV_RECORD_ACCEPTED,
	    .qos = 1,
	    .bytes = bytes,
	    .bytes_len = mqev_packed_size(&entry)};
	struct mqev_change change = {MQEV_CHANGE_PUT, &record, NULL};

	mqev_pack(&entry, bytes);
	ck_assert_int_eq(mqev_backend_sqlite()->append(state, &change, 1), 0);
}

static void *
open_store(void)
{
	const struct mqev_backend_options options = {.size = sizeof(options), .path = path};
	void *state;

	ck_assert_int_eq(mqev_backend_sqlite()->open(&options, &state), 0);
	return state;
}

static void
setup(void)
{
	static const struct mqev_store_client pump = {
	    .client = 1, .name = "pump", .client_id = "auto-1"};
	static const struct mqev_store_client valve = {
	    .client = 2, .name = "valve", .client_id = "", .epoch = 3};
	const struct mqev_record limit = {.seq = 1000};
	const struct mqev_change changes[] = {{MQEV_CHANGE_SEQ, &limit, NULL},
	    {MQEV_CHANGE_CLIENT, NULL, &pump}, {MQEV_CHANGE_CLIENT, NULL, &valve}};
	void *state;

	folder = tk_tmpdir();
	snprintf(path, sizeof(path), "%s/store", folder);
	state = open_store();
	ck_assert_int_eq(mqev_backend_sqlite()->append(state, changes, COUNT_OF(changes)), 0);
	put(state, 11, 1, "plant/7/alarm", "hot");
	put(state, 12, 1, "bell\a", "x");
	put(state, 13, 2, "other", "of the valve's");
	ck_assert_int_eq(mqev_backend_sqlite()->commit(state, true), 0);
	mqev_backend_sqlite()->close(state);
}

static void
teardown(void)
{
	tk_rmtree(folder);
	free(folder);
}

START_TEST(list_and_show)
{
	expect("$S list $F", 0, "pump (auto-1)");
	ck_assert_ptr_nonnull(strstr(output, "valve ()"));
	ck_assert_ptr_nonnull(strstr(output, "       2        0 "));
	expect("$S show $F pump", 0, "plant/7/alarm");
	ck_assert_ptr_nonnull(strstr(output, "bell\\x07"));
	ck_assert_ptr_null(strstr(output, "other"));
	expect("$S show $F nobody", 1, "there is no client 'nobody'");
	expect("$S list $D/none", 1, "No such file");
}
END_TEST

START_TEST(beside_a_program)
{
	void *state = open_store();

	expect("$S list $F", 0, "pump");
	expect("$S verify $F", 0, "2 clients, 3 messages, 0 damaged");
	expect("$S drop $F pump", 1, "lock the store");
	expect("$S import $F </dev/null", 1, "in use");
	mqev_backend_sqlite()->close(state);
}
END_TEST

START_TEST(handed_over)
{
	expect("$S export $F pump | $S import $D/new", 0, "");
	expect("$S list $D/new", 0, "pump (auto-1)");
	ck_assert_ptr_null(strstr(output, "valve"));
	expect("$S show $D/new pump", 0, "plant/7/alarm");
	expect("$S export $F pump | $S import $D/new", 1, "there already");
	expect("$S export $F pump | head -c 100 | $S import $D/new2", 1, "ended early");
	expect("echo no stream at all, but words | $S import $D/new2", 1, "damaged");
	expect("$S list $D/new2", 0, "NAME");
	ck_assert_ptr_null(strstr(output, "pump"));
	expect("$S export $F nobody", 1, "there is no client");
	if (access("/dev/full", W_OK) == 0)
		expect("$S export $F pump >/dev/full", 1, "mqev-store:");
}
END_TEST

START_TEST(dropped)
{
	expect("$S drop $F pump", 0, "");
	expect("$S drop $F pump", 1, "there is no client");
	expect("$S verify $F", 0, "1 clients, 1 messages, 0 damaged");
}
END_TEST

/* One that was being handed over, by whoever is lost for good. */
START_TEST(taken)
{
	const struct mqev_store_client row = {.client = 1,
	    .name = "pump",
	    .client_id = "auto-1",
	    .flags = MQEV_STORE_CLIENT_SESSION | MQEV_STORE_CLIENT_INCOMING | 77 << 8};
	const struct mqev_change change = {.kind = MQEV_CHANGE_CLIENT, .client = &row};
	void *state = open_store();

	ck_assert_int_eq(mqev_backend_sqlite()->append(state, &change, 1), 0);
	ck_assert_int_eq(mqev_backend_sqlite()->commit(state, true), 0);
	mqev_backend_sqlite()->close(state);
	expect("$S list $F", 0, "pump (auto-1) incoming");
	expect("$S export $F pump", 1, "mqev-store:");
	expect("$S take $F pump", 0, "");
	expect("$S list $F", 0, "pump (auto-1)\n");
	expect("$S take $F pump", 1, "not being handed over");
	expect("$S export $F pump >/dev/null", 0, "");
}
END_TEST

/* One byte of a message's text, which SQLite itself would not miss. */
static void
alter_a_byte(void)
{
	static char data[1 << 17];
	FILE *file = fopen(path, "r+b");
	size_t len;
	size_t at = 0;

	ck_assert_ptr_nonnull(file);
	len = fread(data, 1, sizeof(data), file);
	while (at < len && memcmp(data + at, "of the valve", 12) != 0)
		at++;
	ck_assert_uint_lt(at, len);
	ck_assert_int_eq(fseek(file, (long)at, SEEK_SET), 0);
	ck_assert_int_eq(fputc('O', file), 'O');
	ck_assert_int_eq(fclose(file), 0);
}

START_TEST(damaged)
{
	alter_a_byte();
	expect("$S verify $F", 1, "13: ");
	ck_assert_ptr_nonnull(strstr(output, "1 damaged"));
	expect("$S show $F valve", 0, "amaged");
	expect("$S export $F valve >/dev/null", 1, "damaged");
	expect("$S export $F pump >/dev/null", 0, "");
}
END_TEST

START_TEST(usage)
{
	expect("$S", 2, "usage:");
	expect("$S list", 2, "usage:");
	expect("$S show $F", 2, "usage:");
	expect("$S polish $F", 2, "usage:");
	expect("$S --help", 0, "usage:");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("store_tool");
	TCase *tc = tk_case(suite, "commands");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, list_and_show);
	tcase_add_test(tc, beside_a_program);
	tcase_add_test(tc, handed_over);
	tcase_add_test(tc, dropped);
	tcase_add_test(tc, taken);
	tcase_add_test(tc, damaged);
	tcase_add_test(tc, usage);
	return tk_main(suite);
}
