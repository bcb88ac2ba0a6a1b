/* What tests of loops and threads share: a server on a base of its own, and a client whose fleet
 * owns its base. Counters are atomic, for the loop may run in another thread than the test. */
#ifndef LOOP_KIT_H
#define LOOP_KIT_H

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include <mqev/mqev.h>

#include "lib/auto.h"
#include "lib/loop.h"

struct world {
	struct event_base *base; /* the server's */
	struct tk_auto *server;
	struct mqev_fleet *fleet;
	struct mqev_client *client;
	struct mqev_remote *remote; /* of the client */
	atomic_int connects;
	atomic_int fails;
	atomic_int disconnects;
	atomic_int messages;
	atomic_int done;
	atomic_int failed; /* completions with an error */
	atomic_int last_error;
	int descriptors; /* open before the test */
	/* Set by a test: what callbacks do. */
	void (*on_connect)(struct mqev_client *c);
	void (*on_disconnect)(struct mqev_client *c);
	void (*on_message)(struct mqev_client *c, const struct mqev_message *m);
};

extern struct world world;

/* A server, a fleet with a client (userdata is &world), not connected. */
void world_setup(void);
/* Frees what is left, and counts descriptors. */
void world_teardown(void);
TCase *world_case(Suite *suite, const char *name);

struct mqev_client *world_client(struct mqev_fleet *fleet, struct mqev_options options);
void world_connect(void); /* mqev_connect() to the server */

/* Waits for its end, which is to be a good one. */
void world_await_child(pid_t child);

/* A completion that counts. */
void world_done(struct mqev_client *c, const struct mqev_result *result, void *arg);

/* Runs the server, and the fleet by mqev_loop() beside it, until the counter has reached n. */
void world_run_at(const atomic_int *counter, int n, int line);
#define WORLD_RUN(counter, n) world_run_at(&(counter), (n), __LINE__)
/* Runs the server alone: the fleet's loop is in another thread. */
void world_serve_at(const atomic_int *counter, int n, int line);
#define WORLD_SERVE(counter, n) world_serve_at(&(counter), (n), __LINE__)

/* Only waits: loop and server are in other threads. */
void world_await_at(const atomic_int *counter, int n, int line);
#define WORLD_AWAIT(counter, n) world_await_at(&(counter), (n), __LINE__)

/* The server in a thread of its own, for tests that block. */
void world_serve_in_thread(void);
void world_serve_no_more(void);

#endif
