/* The seam between the common driver and each client under measurement: a program per client fills
 * in a struct bench_program and calls bench_main(); the driver does all the rest, the same way for
 * all. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_TOPIC "bench/topic"
#define BENCH_FILTER "bench/#"
#define BENCH_CLIENT_ID_LEN 24
#define BENCH_FILTER_LEN 40
/* The exit status of a program that cannot do what it is asked for, with the reason on stderr. */
#define BENCH_LEFT_OUT 77

struct bench_options {
	const char *scenario;
	const char *host;
	int port;
	/* the file of the certificate authority; NULL: no TLS */
	const char *cafile;
	bool websocket;
	/* "memory", "p1" (survives the process) or "p2" (power); NULL: no store */
	const char *store;
	const char *store_folder;
	/* so many, one of which takes all; 0: one without a callback of its own */
	unsigned filters;
	/* 4: MQTT 3.1.1, 5: MQTT 5.0 */
	int version;
	unsigned qos;
	size_t size;
	/* messages on their way at once; for QoS 0 those that the library has not yet written */
	unsigned window;
	/* 0: as many as fill seconds */
	uint64_t messages;
	double seconds;
	unsigned clients;
	/* connects under way at once */
	unsigned ramp;
	unsigned keepalive_s;
	/* libraries that can give up what an idle connection need not hold do so */
	bool parked;
	/* the broker, whose CPU use is reported beside the client's; 0: not known */
	long broker_pid;
	double timeout_s;
};

struct bench;

/* What a client program does. Functions that return int return 0, or -1 after bench_fail(). Client
 * 0 is the one that publishes and receives; the others are only connected. All functions of the
 * driver may be called back at once, before the function that caused it has returned. */
struct bench_program {
	const char *name;
	const char *(*version)(void);
	unsigned descriptors_per_client;
	/* What the client can do; a run that asks for more is left out. */
	bool websocket;
	bool parks; /* it can give up what an idle connection need not hold */
	bool filters;
	/* the stores, NULL at the end; NULL: none */
	const char *const *stores;
	/* The library connects again by itself; else the driver calls connect for a lost client. */
	bool reconnects;
	/* Prepares what all clients share; b->state is the program's own. */
	int (*open)(struct bench *b);
	/* Begins to connect one client, made now if it is new; bench_connected() follows. */
	int (*connect)(struct bench *b, unsigned client);
	/* Client 0 subscribes to BENCH_FILTER with the options' QoS; bench_subscribed() follows. */
	int (*subscribe)(struct bench *b);
	/* Client 0 publishes count more messages of size payload bytes (x) to BENCH_TOPIC with the
	 * options' QoS; bench_published() follows for each. Returns how many it took: less than
	 * count, when it then calls bench_pump() as soon as it can take more, or -1. */
	int64_t (*publish)(struct bench *b, uint64_t count);
	/* Client 0 publishes one message outside of what is counted; bench_control_done() follows
	 * when QoS 1 is acknowledged, nothing for QoS 0. */
	int (*control)(struct bench *b, const char *topic, const char *payload, unsigned qos);
	/* Calls bench_pump() once, then lives until bench_is_done() or the deadline, in nanoseconds
	 * of bench_now(). Reaching the deadline is no error. */
	int (*run)(struct bench *b, int64_t deadline_ns);
	/* Disconnects all and frees all. */
	void (*close)(struct bench *b);
};

int bench_main(const struct bench_program *program, int argc, char **argv);

const struct bench_options *bench_options(const struct bench *b);
void **bench_state(struct bench *b);
bool bench_is_done(const struct bench *b);
/* True while the driver waits for messages or answers of client 0 alone, not for connections. */
bool bench_is_active(const struct bench *b);
int64_t bench_now(void);
/* Milliseconds until the deadline for poll() and its like, at least 0, at most limit. */
int bench_timeout_ms(int64_t deadline_ns, int limit);
/* The identifier of a client, the same for all programs: BENCH_CLIENT_ID_LEN bytes with the end. */
const char *bench_client_id(char *out, unsigned client);
/* One of the options' filters, from 0, in BENCH_FILTER_LEN bytes: half of them with a wildcard, the
 * last one takes what the broker sends, no other does. */
const char *bench_filter(const struct bench *b, char *out, unsigned number);

/* What happened; to be called from one thread at a time. */
void bench_connected(struct bench *b, unsigned client);
void bench_lost(struct bench *b, unsigned client);
void bench_subscribed(struct bench *b);
void bench_published(struct bench *b, uint64_t count);
void bench_received(struct bench *b, uint64_t count, uint64_t payload_bytes);
void bench_control_done(struct bench *b);
/* Gives the program more work when there is some. */
void bench_pump(struct bench *b);
/* Ends the run with this message; returns -1. The first message stays. */
int bench_fail(struct bench *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
