/* What the scenarios of bench_scale share: a fleet of members, the loop that runs it, and the watch
 * over how long that loop leaves others waiting. mqev only; its public headers only. */
#ifndef BENCH_SCALE_H
#define BENCH_SCALE_H

#include <stdbool.h>
#include <stdint.h>
#include <event2/event.h>
#include <mqev/mqev.h>

#include "bench/measure.h"

#define SCALE_PORTS_MAX 64
/* One source address has some 28,000 ports. */
#define SCALE_CLIENTS_PER_SOURCE 10000
#define SCALE_TOPIC "bench/topic"
#define SCALE_TOPIC_FLOOD "$bench/flood"
#define SCALE_TOPIC_DROP "$bench/drop"
#define SCALE_PAYLOAD_LEN 256
/* Said by a program that was built without what is asked of it. */
#define SCALE_LEFT_OUT "built without it"

struct scale_options {
	const char *scenario;
	/* brokers on 127.0.0.1, taken in turn */
	int ports[SCALE_PORTS_MAX];
	unsigned port_count;
	const char *scheme;
	const char *cafile;
	unsigned clients;
	unsigned threads;
	unsigned keepalive_s;
	/* the number of the first client's source address in 127.0.0.0/8; 0: the system's choice */
	unsigned first_source;
	/* 0: idle links keep their bufferevents */
	unsigned park_after_ms;
	double seconds;
};

/* How late a timer of 5 ms came at most, on the clock, which other processes lengthen too; and the
 * most CPU time of this thread from one of its turns to the next. */
struct scale_gap {
	int64_t wall_ns;
	int64_t cpu_ns;
	int64_t last_wall_ns;
	int64_t last_cpu_ns;
};

struct scale_fleet;

struct scale_member {
	struct scale_fleet *all;
	struct mqev_client *client;
	/* of a round trip under way */
	int64_t begun_ns;
};

struct scale_fleet {
	const struct scale_options *o;
	struct event_base *base;
	struct event *watch;
	struct event *end;
	struct mqev_fleet *fleet;
	struct mqev_tls *tls;
	struct scale_member *members;
	unsigned count;
	unsigned up;
	unsigned lost;
	/* the loop runs until there are so many up, and lost; 0 lost: no matter */
	unsigned want_up;
	unsigned want_lost;
	bool done;
	bool over;
	struct scale_gap gap;
	void (*on_message)(struct scale_member *m, const struct mqev_message *message);
	void *scenario;
	char error[200];
};

/* scale_fleet.c: all return 0, or -1 with an error in it. */
int scale_open(struct scale_fleet *f, const struct scale_options *o, unsigned clients);
void scale_close(struct scale_fleet *f);
/* Makes the clients from first on; nothing connects. */
int scale_make_clients(struct scale_fleet *f, unsigned first);
/* Connects those from first on and waits until all of the fleet are up. */
int scale_connect(struct scale_fleet *f, unsigned first, double limit_s);
/* Runs the loop until done is set or seconds have passed, which is no error. */
int scale_run(struct scale_fleet *f, double seconds);
int
scale_fail(struct scale_fleet *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void scale_gap_clear(struct scale_fleet *f);
/* One QoS 1 message of SCALE_PAYLOAD_LEN bytes. */
int scale_publish(struct scale_member *m, mqev_result_cb *done, void *arg);
/* One QoS 0 message outside of what is measured. */
int scale_control(struct scale_member *m, const char *topic, const char *payload);

/* Publishes for so long with 100 messages on their way; then waits for the last answer. */
struct scale_publisher {
	struct scale_member *member;
	bool stopping;
	unsigned inflight;
	uint64_t settled;
	struct mark run;
};

int scale_publish_for(struct scale_publisher *p, double seconds);

/* One printf of "name": value pairs after another makes a JSON object on one line. */
void scale_print_gap(const char *name, const struct scale_gap *gap);

/* The scenarios: each prints its figures. */
int scale_parts(const struct scale_options *o);
int scale_grow(const struct scale_options *o);
int scale_mass(const struct scale_options *o);
int scale_fair(const struct scale_options *o);
int scale_threads(const struct scale_options *o);
/* Prints why; returns -1. */
int scale_end(struct scale_fleet *f, int result);

#endif
