/* mqev-store: looks into a store of mqev's, and moves sessions in and out of it. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mqev/sqlite.h>
#include <mqev/store.h>
#include <sqlite3.h>

#include "core/journal.h"

static const char usage_text[] =
    "usage: mqev-store list FILE            clients with their messages, bytes and ages\n"
    "       mqev-store show FILE NAME       the messages of one client\n"
    "       mqev-store verify FILE          reads everything and says what is damaged\n"
    "       mqev-store export FILE NAME     one client's session, to standard output\n"
    "       mqev-store import FILE          ... from standard input; FILE must not be in use\n"
    "       mqev-store drop FILE NAME       forgets a client and its messages; likewise\n"
    "       mqev-store take FILE NAME       makes a client that was being handed over this "
    "store's,\n"
    "                                       whose giver is lost for good; likewise\n"
    "list, show, verify and export only read, and work beside a program that uses the store.\n";

struct client {
	uint32_t number;
	uint32_t epoch;
	uint32_t flags;
	uint64_t sent_n;
	int64_t session_ends_ms;
	char *name;
	char *client_id;
	uint64_t out;
	uint64_t in;
	uint64_t bytes;
	int64_t oldest_ms;
};

struct contents {
	const char *path;
	void *state;
	struct client *clients;
	size_t client_count;
	struct mqev_record *records;
	size_t record_count;
};

/* --- small things ------------------------------------------------------------------------------ */

static void *
grown(void *array, size_t count, size_t element)
{
	void *more = (count & (count - 1)) == 0
			 ? realloc(array, (count > 0 ? count * 2 : 1) * element)
			 : array;

	if (more == NULL) {
		fprintf(stderr, "mqev-store: out of memory\n");
		exit(1);
	}
	return more;
}

static char *
copy_of(const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL) {
		fprintf(stderr, "mqev-store: out of memory\n");
		exit(1);
	}
	return copy;
}

static int
complain(const struct contents *c, int error)
{
	const char *why = c->state != NULL && error != MQEV_ERR_NOT_FOUND
			      ? mqev_backend_sqlite()->error_text(c->state)
			      : "";

	fprintf(stderr, "mqev-store: %s: %s%s%s\n", c->path, mqev_error_text(error),
	    why[0] != '\0' ? ": " : "", why);
	return 1;
}

static int
unknown(const struct contents *c, const char *name)
{
	fprintf(stderr, "mqev-store: %s: there is no client '%s'\n", c->path, name);
	return 1;
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
print_age(int64_t since_ms)
{
	int64_t s = (now_ms() - since_ms) / 1000;

	if (since_ms == 0)
		printf("%8s", "-");
	else if (s < 120)
		printf("%7" PRId64 "s", s);
	else if (s < 7200)
		printf("%7" PRId64 "m", s / 60);
	else if (s < 172800)
		printf("%7" PRId64 "h", s / 3600);
	else
		printf("%7" PRId64 "d", s / 86400);
}

/* What comes from messages may not command the terminal. */
static void
print_text(const uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] < 0x20 || text[i] == 0x7F)
			printf("\\x%02X", text[i]);
		else
			putchar(text[i]);
	}
}

/* --- reading it all ---------------------------------------------------------------------------- */

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
	struct contents *c = arg;

	c->clients = grown(c->clients, c->client_count, sizeof(*c->clients));
	c->clients[c->client_count++] = (struct client){.number = client->client,
	    .epoch = client->epoch,
	    .flags = client->flags,
	    .sent_n = client->sent_n,
	    .session_ends_ms = client->session_ends_ms,
	    .name = copy_of(client->name),
	    .client_id = copy_of(client->client_id)};
	return 0;
}

static struct client *
client_of(const struct contents *c, uint32_t number)
{
	for (size_t i = 0; i < c->client_count; i++) {
		if (c->clients[i].number == number)
			return &c->clients[i];
	}
	return NULL;
}

static int
see_record(void *arg, const struct mqev_record *record)
{
	struct contents *c = arg;
	struct client *client = client_of(c, record->client);

	c->records = grown(c->records, c->record_count, sizeof(*c->records));
	c->records[c->record_count++] = *record;
	if (client == NULL)
		return MQEV_ERR_STORE_DAMAGED;
	*(record->kind == MQEV_RECORD_OUT ? &client->out : &client->in) += 1;
	client->bytes += record->bytes_len;
	if (client->oldest_ms == 0 || record->created_ms < client->oldest_ms)
		client->oldest_ms = record->created_ms;
	return 0;
}

static int
open_store(struct contents *c, bool read_only)
{
	const struct mqev_backend_options options = {
	    .size = sizeof(options), .path = c->path, .read_only = read_only};

	return mqev_backend_sqlite()->open(&options, &c->state);
}

static int
read_index(struct contents *c)
{
	static const struct mqev_backend_visitor visitor = {see_seq, see_client, see_record};

	return mqev_backend_sqlite()->load(c->state, 0, &visitor, c);
}

static int
read_store(struct contents *c)
{
	int error = open_store(c, true);

	return error == 0 ? read_index(c) : error;
}

static const struct client *
find_client(const struct contents *c, const char *name)
{
	for (size_t i = 0; i < c->client_count; i++) {
		if (strcmp(c->clients[i].name, name) == 0)
			return &c->clients[i];
	}
	return NULL;
}

static const char *
handover_of(const struct client *client)
{
	if ((client->flags & MQEV_STORE_CLIENT_INCOMING) != 0)
		return " incoming";
	return (client->flags & MQEV_STORE_CLIENT_GONE) != 0 ? " handed over, not confirmed" : "";
}

/* --- commands ---------------------------------------------------------------------------------- */

static int
list(struct contents *c, const char *name)
{
	int error = read_store(c);

	(void)name;
	if (error != 0)
		return complain(c, error);
	printf("%8s %8s %12s %8s %6s  %s\n", "OUT", "IN", "BYTES", "OLDEST", "EPOCH",
	    "NAME (CLIENT ID)");
	for (size_t i = 0; i < c->client_count; i++) {
		const struct client *client = &c->clients[i];

		printf("%8" PRIu64 " %8" PRIu64 " %12" PRIu64 " ", client->out, client->in,
		    client->bytes);
		print_age(client->oldest_ms);
		printf(" %6" PRIu32 "  ", client->epoch);
		print_text((const uint8_t *)client->name, strlen(client->name));
		printf(" (");
		print_text((const uint8_t *)client->client_id, strlen(client->client_id));
		printf(")%s\n", handover_of(client));
	}
	return 0;
}

static int
show_bytes(void *arg, const void *bytes, size_t len)
{
	struct mqev_bytes packed = {bytes, len};
	struct mqev_entry entry;

	(void)arg;
	if (!mqev_unpack(packed, &entry)) {
		printf("  (sealed, or of another layout)");
		return 0;
	}
	printf(" %9zu  ", entry.payload.len);
	print_text(entry.topic.data, entry.topic.len);
	return 0;
}

static void
show_record(const struct contents *c, const struct mqev_record *r)
{
	static const char *const states[] = {
	    "?", "accepted", "released", "received", "freed", "done"};
	size_t state = r->state < sizeof(states) / sizeof(states[0]) ? r->state : 0;
	int error;

	printf("%20" PRIu64 " %3s %-8s QoS %d %5u ", r->seq,
	    r->kind == MQEV_RECORD_OUT ? "out" : "in", states[state], r->qos, r->mid);
	print_age(r->created_ms);
	error = mqev_backend_sqlite()->read(c->state, r->seq, show_bytes, NULL);
	if (error != 0)
		printf("  (%s)",
		    error == MQEV_ERR_NOT_FOUND ? "no bytes any more" : mqev_error_text(error));
	printf("\n");
}

static int
show(struct contents *c, const char *name)
{
	int error = read_store(c);
	const struct client *client;

	if (error != 0)
		return complain(c, error);
	client = find_client(c, name);
	if (client == NULL)
		return unknown(c, name);
	printf("%20s %3s %-8s %5s %5s %8s %9s  %s\n", "SEQ (TOKEN)", "", "STATE", "", "MID", "AGE",
	    "PAYLOAD", "TOPIC");
	for (size_t i = 0; i < c->record_count; i++) {
		if (c->records[i].client == client->number)
			show_record(c, &c->records[i]);
	}
	return 0;
}

static int
ignore_bytes(void *arg, const void *bytes, size_t len)
{
	(void)arg;
	(void)bytes;
	(void)len;
	return 0;
}

/* SQLite's own look at its pages. */
static int
print_row(void *arg, int columns, char **values, char **names)
{
	(void)columns;
	(void)names;
	if (strcmp(values[0], "ok") == 0)
		return 0;
	printf("%s\n", values[0]);
	++*(int *)arg;
	return 0;
}

static int
check_pages(const char *path, int *damaged)
{
	sqlite3 *db = NULL;
	int result = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOFOLLOW, NULL);

	if (result == SQLITE_OK)
		result = sqlite3_exec(db, "PRAGMA quick_check", print_row, damaged, NULL);
	if (result != SQLITE_OK) {
		printf("%s\n", sqlite3_errmsg(db));
		++*damaged;
	}
	sqlite3_close(db);
	return *damaged;
}

static int
verify(struct contents *c, const char *name)
{
	int damaged = 0;
	int error = read_store(c);

	(void)name;
	if (error != 0)
		return complain(c, error);
	check_pages(c->path, &damaged);
	for (size_t i = 0; i < c->record_count; i++) {
		uint64_t seq = c->records[i].seq;

		error = mqev_backend_sqlite()->read(c->state, seq, ignore_bytes, NULL);
		if (error == 0 || error == MQEV_ERR_NOT_FOUND)
			continue;
		printf("%" PRIu64 ": %s\n", seq, mqev_error_text(error));
		damaged++;
	}
	printf(
	    "%zu clients, %zu messages, %d damaged\n", c->client_count, c->record_count, damaged);
	return damaged > 0;
}

static int
write_out(void *arg, const void *data, size_t len)
{
	return fwrite(data, 1, len, arg) == len ? 0 : -1;
}

static int
read_in(void *arg, void *data, size_t len)
{
	return fread(data, 1, len, arg) == len ? 0 : -1;
}

static int export(struct contents *c, const char *name)
{
	const struct mqev_backend_options options = {
	    .size = sizeof(options), .path = c->path, .read_only = true};
	int error = mqev_store_export(mqev_backend_sqlite(), &options, name, write_out, stdout);

	if (error == 0 && fflush(stdout) != 0)
		error = MQEV_ERR_SYSTEM;
	if (error == MQEV_ERR_NOT_FOUND)
		return unknown(c, name);
	return error == 0 ? 0 : complain(c, error);
}

static int
import(struct contents *c, const char *name)
{
	const struct mqev_backend_options options = {.size = sizeof(options), .path = c->path};
	int error = mqev_store_import(mqev_backend_sqlite(), &options, read_in, stdin);

	(void)name;
	if (error == MQEV_ERR_STATE) {
		fprintf(stderr, "mqev-store: %s: that client is there already\n", c->path);
		return 1;
	}
	if (error == MQEV_ERR_SYSTEM) {
		fprintf(stderr, "mqev-store: standard input ended early; nothing was changed\n");
		return 1;
	}
	return error == 0 ? 0 : complain(c, error);
}

static int
change_client(const struct contents *c, const struct mqev_change *change)
{
	const struct mqev_backend *backend = mqev_backend_sqlite();
	int error = backend->append(c->state, change, 1);

	if (error == 0)
		error = backend->commit(c->state, true);
	if (error != 0)
		backend->rollback(c->state);
	return error;
}

static int
forget(const struct contents *c, const struct client *client)
{
	const struct mqev_store_client row = {.client = client->number};
	const struct mqev_change change = {.kind = MQEV_CHANGE_FORGET, .client = &row};

	return change_client(c, &change);
}

static int
own(const struct contents *c, const struct client *client)
{
	const struct mqev_store_client row = {.client = client->number,
	    .epoch = client->epoch,
	    .name = client->name,
	    .client_id = client->client_id,
	    .sent_n = client->sent_n,
	    .session_ends_ms = client->session_ends_ms,
	    .flags = client->flags & (MQEV_STORE_CLIENT_SESSION | MQEV_STORE_CLIENT_DOUBTFUL)};
	const struct mqev_change change = {.kind = MQEV_CHANGE_CLIENT, .client = &row};

	if ((client->flags & MQEV_STORE_CLIENT_INCOMING) == 0) {
		fprintf(stderr, "mqev-store: %s: that client is not being handed over\n", c->path);
		return MQEV_ERR_STATE;
	}
	return change_client(c, &change);
}

/* Opens it for writing and does that to the client. */
static int
with_client(struct contents *c, const char *name,
    int (*what)(const struct contents *c, const struct client *client))
{
	const struct client *client;
	int error = open_store(c, false);

	if (error == 0)
		error = read_index(c);
	if (error != 0)
		return complain(c, error);
	client = find_client(c, name);
	if (client == NULL)
		return unknown(c, name);
	error = what(c, client);
	if (error == MQEV_ERR_STATE)
		return 1;
	return error == 0 ? 0 : complain(c, error);
}

static int
drop(struct contents *c, const char *name)
{
	return with_client(c, name, forget);
}

static int
take(struct contents *c, const char *name)
{
	return with_client(c, name, own);
}

/* --- the command line -------------------------------------------------------------------------- */

static const struct command {
	const char *name;
	bool wants_client;
	int (*run)(struct contents *c, const char *name);
} commands[] = {
    {"list", false, list},
    {"show", true, show},
    {"verify", false, verify},
    {"export", true, export},
    {"import", false, import},
    {"drop", true, drop},
    {"take", true, take},
};

static int
usage(FILE *to, int status)
{
	fputs(usage_text, to);
	return status;
}

static void
release(struct contents *c)
{
	mqev_backend_sqlite()->close(c->state);
	for (size_t i = 0; i < c->client_count; i++) {
		free(c->clients[i].name);
		free(c->clients[i].client_id);
	}
	free(c->clients);
	free(c->records);
}

int
main(int argc, char **argv)
{
	struct contents contents = {0};
	int status;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return usage(stdout, 0);
	if (argc < 3)
		return usage(stderr, 2);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) != 0 ||
		    argc != (commands[i].wants_client ? 4 : 3))
			continue;
		contents.path = argv[2];
		status = commands[i].run(&contents, argc == 4 ? argv[3] : NULL);
		release(&contents);
		return fflush(stdout) == 0 ? status : 1;
	}
	return usage(stderr, 2);
}
