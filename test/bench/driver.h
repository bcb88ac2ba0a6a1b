/* The common driver's inside, shared by its own files; client programs see only client.h. */
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H

#include "bench/client.h"
#include "bench/measure.h"

#define BENCH_TOPIC_FLOOD "$bench/flood"
#define BENCH_TOPIC_DROP "$bench/drop"
#define BENCH_TOPIC_BARRIER "$bench/barrier"

/* What the driver waits for. */
enum bench_phase {
	PHASE_NONE,
	PHASE_CONNECT,
	PHASE_SUBSCRIBE,
	PHASE_PUBLISH,
	PHASE_RECEIVE,
	PHASE_STORM,
	PHASE_IDLE,
	PHASE_COUNT
};

struct bench {
	const struct bench_program *program;
	struct bench_options options;
	void *state;
	enum bench_phase phase;
	bool done;
	bool pumping;
	/* the phase's one request, a flood or a drop or the message that ends a QoS 0 run, is out
	 */
	bool asked;
	char error[256];

	/* connecting: clients below started were begun at least once */
	unsigned target;
	unsigned started;
	unsigned connecting;
	unsigned connected;
	unsigned lost;
	/* clients to be connected again, in a ring of options.clients entries */
	unsigned *again;
	unsigned again_from;
	unsigned again_len;

	/* messages of the run under way */
	uint64_t goal;
	uint64_t sent;
	uint64_t settled;
	uint64_t payload_bytes;
	/* one message at a time is watched from its publish call to its end */
	bool sampling;
	uint64_t sample_at;
	int64_t sample_ns;
	struct histogram latency;

	struct mark begin;
	struct mark end;
};

/* Figures of one program run; what a scenario does not measure stays 0. */
struct bench_result {
	uint64_t messages;
	uint64_t published_total;
	struct mark run;
	struct mark connect;
	unsigned connects;
	/* -1: not measured */
	double bytes_per_client;
};

/* options.c: 0, or the exit status of the program. */
int bench_read_options(struct bench_options *o, int argc, char **argv, bool *finished);

/* driver.c: enters a phase and waits for its end; -1 after a failure or at the deadline. */
int bench_wait(struct bench *b, enum bench_phase phase);
/* Lives for so long with nothing to do. */
int bench_idle(struct bench *b, double seconds);

/* scenario.c */
bool bench_scenario_exists(const char *name);
/* A round trip is publishing at QoS 1 with one message at a time. */
void bench_scenario_adjust(struct bench_options *o);
int bench_scenario_run(struct bench *b, struct bench_result *r);

/* result.c: one JSON object on one line. */
void bench_report(const struct bench *b, const struct bench_result *r);

#endif
