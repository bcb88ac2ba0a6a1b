/*
 * Every feature with every broker and version. With MQEV_BROKERS_TABLE=FILE the outcome is written
 * there as the table of doc/brokers.md (make check-brokers-table).
 */
#include <stdio.h>
#include <sys/mman.h>

#include "broker/features.h"
#include "broker/makes.h"
#include "net/ws.h"

enum { V31 = 1, V311 = 2, V5 = 4, ALL = 7 };

struct feature {
	const char *name;
	int versions;
	void (*run)(void);
};

static const struct feature features[] = {
    {"connection with a login", ALL, feature_login},
    {"wrong login is refused", ALL, feature_refused_login},
    {"empty client identifier", ALL, feature_empty_id},
    {"QoS 0", ALL, feature_qos0},
    {"QoS 1", ALL, feature_qos1},
    {"QoS 2", ALL, feature_qos2},
    {"payload of 1 MiB", ALL, feature_large},
    {"filters with wildcards, several in a packet", ALL, feature_filters},
    {"unsubscribing", ALL, feature_unsubscribe},
    {"retained messages", ALL, feature_retained},
    {"will", ALL, feature_will},
    {"kept session, queued messages", ALL, feature_queued},
    {"cut connection: what was sent is sent again", ALL, feature_resume_out},
    {"cut connection: what was not acknowledged comes again", ALL, feature_resume_in},
    {"clean session, clean start", ALL, feature_clean_start},
    {"takeover by the same identifier", V31 | V311, feature_takeover},
    {"takeover by the same identifier, with its reason", V5, feature_takeover_told},
    {"keepalive", ALL, feature_keepalive},
    {"TLS", ALL, feature_tls},
    {"WebSocket", ALL, feature_websocket},
    {"will delay", V5, feature_will_delay},
    {"session expiry", V5, feature_session_expiry},
    {"message expiry", V5, feature_expiry},
    {"properties of messages", V5, feature_properties},
    {"request and response", V5, feature_request},
    {"shared subscriptions", V5, feature_shared},
    {"subscription identifiers", V5, feature_identifiers},
    {"subscription options", V5, feature_options},
    {"topic aliases of the client", V5, feature_alias_out},
    {"topic aliases of the server", V5, feature_alias_in},
    {"Receive Maximum 1", V5, feature_receive_maximum},
    {"Maximum Packet Size", V5, feature_max_packet},
};

#define FEATURES ((int)(sizeof(features) / sizeof(features[0])))

/* --- columns: a make in a version ------------------------------------------------------------- */

struct column {
	int make;
	enum mqev_protocol version;
	const char *text;
};

static const struct column columns[] = {
    {0, MQEV_PROTOCOL_V31, "3.1"},
    {0, MQEV_PROTOCOL_V311, "3.1.1"},
    {0, MQEV_PROTOCOL_V5, "5.0"},
    {1, MQEV_PROTOCOL_V311, "3.1.1"},
    {1, MQEV_PROTOCOL_V5, "5.0"},
    {2, MQEV_PROTOCOL_V311, "3.1.1"},
};

#define COLUMNS ((int)(sizeof(columns) / sizeof(columns[0])))

static int
mask_of(enum mqev_protocol version)
{
	return 1 << ((int)version - MQEV_PROTOCOL_V31);
}

/* What came out, shared with the processes that run the tests. */
enum outcome { NOT_RUN, RUNS, HAS, HAS_NOT };
struct results {
	char version[8][40]; /* by make */
	unsigned char outcome[COLUMNS][FEATURES];
};
static struct results *results;

static struct tk_server server;

static void
begin(int column)
{
	const struct make *make = &makes[columns[column].make];

	scene.make = make;
	scene.version = columns[column].version;
	scene.best_qos = make->best_qos;
	scene.late_dups = make->late_dups;
	scene.pki = tk_pki_new("broker CA");
	tk_pki_issue(
	    scene.pki, "broker", &(struct tk_cert_spec){.san = "DNS:localhost,IP:127.0.0.1"});
	scene.server = make->start(&server, scene.pki) == 0 ? &server : NULL;
	if (scene.server != NULL)
		make_version(make, &server, results->version[columns[column].make],
		    sizeof(results->version[0]));
}

static void
end(void)
{
	if (scene.server != NULL)
		tk_server_stop(&server);
	tk_pki_free(scene.pki);
}

/* libcheck hands a fixture no argument. */
#define BEGIN(n)                    \
	static void begin_##n(void) \
	{                           \
		begin(n);           \
	}
BEGIN(0)
BEGIN(1)
BEGIN(2)
BEGIN(3)
BEGIN(4)
BEGIN(5)
static const SFun begins[COLUMNS] = {begin_0, begin_1, begin_2, begin_3, begin_4, begin_5};

/* --- the tests -------------------------------------------------------------------------------- */

static void
run_feature(int column, const struct feature *f)
{
	const struct lack *lack = make_lack(scene.make, f->name, scene.version);
	unsigned char *outcome = &results->outcome[column][scene.number];

	printf("%s %s: %s%s\n", scene.make->name, columns[column].text, f->name,
	    lack != NULL ? ": no" : "");
	fflush(stdout);
	*outcome = RUNS;
	if (lack != NULL)
		lack->shows();
	else
		f->run();
	*outcome = lack != NULL ? HAS_NOT : HAS;
}

START_TEST(brokers)
{
	int column = _i / FEATURES;
	const struct feature *f = &features[_i % FEATURES];

	if ((f->versions & mask_of(columns[column].version)) == 0)
		return;
	if (f->run == feature_websocket && !mqev_ws_supported())
		tk_skip("this build has no WebSocket");
	scene.number = _i % FEATURES;
	run_feature(column, f);
}
END_TEST

START_TEST(missing)
{
	tk_skip("%s is not installed", makes[_i].program);
}
END_TEST

static void
add_column(Suite *suite, int column)
{
	const struct make *make = &makes[columns[column].make];
	char *program = tk_find_program(make->program);
	static char names[COLUMNS][60]; /* libcheck keeps no copy */
	TCase *tc;

	snprintf(names[column], sizeof(names[0]), "%s %s", make->name, columns[column].text);
	tc = tk_case(suite, names[column]);
	tcase_set_timeout(tc, 60);
	if (program == NULL) {
		tcase_add_loop_test(tc, missing, columns[column].make, columns[column].make + 1);
		return;
	}
	free(program);
	tcase_add_unchecked_fixture(tc, begins[column], end);
	tcase_add_checked_fixture(tc, scene_begin, scene_end);
	tcase_add_loop_test(tc, brokers, column * FEATURES, (column + 1) * FEATURES);
}

/* --- the table -------------------------------------------------------------------------------- */

static const char *
cell(int column, int feature)
{
	static const char *const words[] = {"not run", "FAILS", "yes", "no"};

	if ((features[feature].versions & mask_of(columns[column].version)) == 0)
		return "-";
	return words[results->outcome[column][feature]];
}

static void
write_rows(FILE *f)
{
	fprintf(f, "| feature |");
	for (int c = 0; c < COLUMNS; c++)
		fprintf(f, " %s %s, %s |", makes[columns[c].make].name,
		    results->version[columns[c].make], columns[c].text);
	fprintf(f, "\n|---|");
	for (int c = 0; c < COLUMNS; c++)
		fprintf(f, "---|");
	for (int i = 0; i < FEATURES; i++) {
		fprintf(f, "\n| %s |", features[i].name);
		for (int c = 0; c < COLUMNS; c++)
			fprintf(f, " %s |", cell(c, i));
	}
	fprintf(f, "\n");
}

static void
write_table(const char *path)
{
	FILE *f = fopen(path, "w");

	if (f == NULL)
		tk_die("cannot write %s", path);
	write_rows(f);
	for (int m = 0; m < make_count; m++)
		for (const struct lack *l = makes[m].lacks; l->feature != NULL; l++)
			fprintf(f, "%s- %s, %s: no, %s.\n",
			    m == 0 && l == makes[m].lacks ? "\n" : "", makes[m].name, l->feature,
			    l->why);
	fclose(f);
}

int
main(void)
{
	const char *table = getenv("MQEV_BROKERS_TABLE");
	Suite *suite = suite_create("brokers");
	int result;

	results =
	    mmap(NULL, sizeof(*results), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED)
		tk_die("no memory");
	for (int c = 0; c < COLUMNS; c++)
		add_column(suite, c);
	result = tk_main(suite);
	if (table != NULL)
		write_table(table);
	return result;
}
