/* The command line that all benchmark programs share. */
#include "bench/driver.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum kind { KIND_TEXT, KIND_INT, KIND_REAL };

/* One option: where its value goes and what it may be. */
struct option_row {
	const char *name;
	enum kind kind;
	size_t at;
	double min;
	double max;
	const char *help;
};

#define ROW(name, kind, member, min, max, help)                             \
	{                                                                   \
		name, kind, offsetof(struct values, member), min, max, help \
	}

/* Integers are read into wide fields first, so that one reader does for all. */
struct values {
	const char *scenario;
	const char *host;
	const char *cafile;
	const char *store;
	const char *store_folder;
	long long port, websocket, version, qos, size, window, messages, clients, filters, ramp,
	    keepalive, parked, broker_pid;
	double seconds, timeout;
};

static const struct option_row rows[] = {
    ROW("scenario", KIND_TEXT, scenario, 0, 0, "pub, sub, rtt, conn, idle or storm"),
    ROW("host", KIND_TEXT, host, 0, 0, "the broker (127.0.0.1)"),
    ROW("port", KIND_INT, port, 1, 65535, "its port"),
    ROW("tls", KIND_TEXT, cafile, 0, 0, "speak TLS, trusting this certificate file"),
    ROW("ws", KIND_INT, websocket, 0, 1, "1: speak MQTT inside WebSocket frames"),
    ROW("store", KIND_TEXT, store, 0, 0, "keep client 0's session: memory, p1 or p2"),
    ROW("store-folder", KIND_TEXT, store_folder, 0, 0, "an empty folder for it"),
    ROW("protocol", KIND_INT, version, 4, 5, "4 (MQTT 3.1.1, the default) or 5"),
    ROW("qos", KIND_INT, qos, 0, 2, "quality of service (0)"),
    ROW("size", KIND_INT, size, 0, 100000000, "payload bytes of a message (256)"),
    ROW("window", KIND_INT, window, 1, 60000, "messages on their way at once (20)"),
    ROW("messages", KIND_INT, messages, 0, 1e15, "how many; 0 (default): as --seconds says"),
    ROW("seconds", KIND_REAL, seconds, 0.001, 86400, "how long to measure (1)"),
    ROW("clients", KIND_INT, clients, 1, 1000000, "connected clients, one of them busy (1)"),
    ROW("filters", KIND_INT, filters, 0, 1000000, "filters, each with a callback of its own"),
    ROW("ramp", KIND_INT, ramp, 1, 1000000, "connects under way at once (500)"),
    ROW("keepalive", KIND_INT, keepalive, 0, 65535, "keep-alive in seconds (60)"),
    ROW("parked", KIND_INT, parked, 0, 1, "1: idle connections hold what they must (0)"),
    ROW("broker-pid", KIND_INT, broker_pid, 0, 1e9, "report the CPU use of this process too"),
    ROW("timeout", KIND_REAL, timeout, 0.1, 86400, "seconds for each phase (60)"),
};

#define ROWS (sizeof rows / sizeof *rows)

static void
usage(FILE *to, const char *program)
{
	size_t i;

	fprintf(to, "usage: %s --scenario NAME --port N [option value] ...\n", program);
	for (i = 0; i < ROWS; i++)
		fprintf(to, "  --%-13s %s\n", rows[i].name, rows[i].help);
}

static bool
read_number(const char *text, double *v, long long *whole)
{
	char *end;

	errno = 0;
	*v = strtod(text, &end);
	if (errno || end == text || *end)
		return false;
	*whole = *v > -1e18 && *v < 1e18 ? (long long)*v : 0;
	return true;
}

static bool
store(struct values *values, const struct option_row *row, const char *text)
{
	char *at = (char *)values + row->at;
	long long whole;
	double v;

	if (row->kind == KIND_TEXT) {
		*(const char **)(void *)at = text;
		return true;
	}
	if (!read_number(text, &v, &whole) || v < row->min || v > row->max)
		return false;
	if (row->kind == KIND_REAL)
		*(double *)(void *)at = v;
	else if (v != (double)whole)
		return false;
	else
		*(long long *)(void *)at = whole;
	return true;
}

static void
take(struct bench_options *o, const struct values *v)
{
	*o = (struct bench_options){
	    .scenario = v->scenario,
	    .host = v->host,
	    .port = (int)v->port,
	    .cafile = v->cafile,
	    .websocket = v->websocket != 0,
	    .store = v->store,
	    .store_folder = v->store_folder,
	    .filters = (unsigned)v->filters,
	    .version = (int)v->version,
	    .qos = (unsigned)v->qos,
	    .size = (size_t)v->size,
	    .window = (unsigned)v->window,
	    .messages = (uint64_t)v->messages,
	    .seconds = v->seconds,
	    .clients = (unsigned)v->clients,
	    .ramp = (unsigned)v->ramp,
	    .keepalive_s = (unsigned)v->keepalive,
	    .parked = v->parked != 0,
	    .broker_pid = (long)v->broker_pid,
	    .timeout_s = v->timeout,
	};
}

static int
bad_use(const char *program)
{
	usage(stderr, program);
	return 2;
}

int
bench_read_options(struct bench_options *o, int argc, char **argv, bool *finished)
{
	struct option long_options[ROWS + 2] = {{"help", no_argument, NULL, 0}};
	struct values v = {.host = "127.0.0.1",
	    .version = 4,
	    .size = 256,
	    .window = 20,
	    .seconds = 1,
	    .clients = 1,
	    .ramp = 500,
	    .keepalive = 60,
	    .timeout = 60};
	size_t i;
	int c, index = 0;

	for (i = 0; i < ROWS; i++)
		long_options[i + 1] = (struct option){rows[i].name, required_argument, NULL, 0};
	*finished = true;
	while ((c = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		if (c)
			return bad_use(argv[0]);
		if (index == 0) {
			usage(stdout, argv[0]);
			return 0;
		}
		if (!store(&v, &rows[index - 1], optarg)) {
			fprintf(stderr, "%s: --%s: not a value for it: %s\n", argv[0],
			    rows[index - 1].name, optarg);
			return 2;
		}
	}
	if (optind != argc || !v.scenario || !v.port || !bench_scenario_exists(v.scenario) ||
	    (v.store && !v.store_folder))
		return bad_use(argv[0]);
	take(o, &v);
	bench_scenario_adjust(o);
	*finished = false;
	return 0;
}
