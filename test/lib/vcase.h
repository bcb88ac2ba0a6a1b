/*
 * Test cases over a vclient: each is a function that is run with its input uncut, cut at every
 * byte, and, while the input is short, at every pair of places; the record must be the same each
 * time.
 */
#ifndef MQEV_TEST_VCASE_H
#define MQEV_TEST_VCASE_H

#include <check.h>

#include "lib/bytes.h"
#include "lib/vclient.h"

enum {
	V31 = 1 << MQEV_V31,
	V311 = 1 << MQEV_V311,
	V5 = 1 << MQEV_V5,
	V3 = V31 | V311,
	VALL = V3 | V5
};

struct vcase {
	const char *name;
	unsigned versions;
	void (*run)(struct vclient *v);
};

/* SCENARIO(name, versions) { body over v } defines a test of libcheck. */
#define SCENARIO(scenario, in_versions)                                                   \
	static void run_##scenario(struct vclient *v);                                    \
	START_TEST(scenario)                                                              \
	{                                                                                 \
		vcase_run(&(const struct vcase){#scenario, in_versions, run_##scenario}); \
	}                                                                                 \
	END_TEST                                                                          \
	static void run_##scenario(struct vclient *v)

/* Runs a case in each of its versions. */
void vcase_run(const struct vcase *c);

/*
 * Packet notation (bytes.h) with ~ for a place where version 5 has an empty property list: "()"
 * there, nothing before. What the server sends; then the session is pumped.
 */
void rx(struct vclient *v, const char *packets);
/* The bytes alone, which the caller frees. */
struct tk_buf vcase_bytes(const struct vclient *v, const char *packets);

/*
 * What was recorded since the last expectation, line by line, separated by ';'. Lines that begin
 * with '>' are in packet notation. expect_v() has a text for 3.1 and 3.1.1 and one for 5.0.
 */
void expect(struct vclient *v, const char *lines);
void expect_v(struct vclient *v, const char *v3, const char *v5);
#define expect_nothing(v) expect((v), "")

/* Connects, checks nothing of the CONNECT, and accepts: Session Present, properties (version 5
 * only). */
void up(struct vclient *v, int session_present, const char *properties);

int64_t sub(struct vclient *v, const char *filters, size_t count); /* notation, options as in 5.0 */
int64_t unsub(struct vclient *v, const char *filters, size_t count);

#endif
