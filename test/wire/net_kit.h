/* What tests of lib/net share: one attempt at a time on one loop, listeners of every kind, counters
 * that must return to what they were. */
#ifndef NET_KIT_H
#define NET_KIT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include <mqev/net.h>
#include <mqev/reason.h>

#include "net/net.h"
#include "net/transport.h"

/* The world of a test: made by net_setup(), judged and ended by net_teardown(). */
struct world {
	struct event_base *base;
	struct mqev_net *net;
	int fds; /* open before the test */
};

extern struct world world;

void net_setup(void);

/* Fails the test when the library holds memory, or the process more descriptors than before. */
void net_teardown(void);

/* A case with both as fixtures and a limit in seconds. */
TCase *net_case(Suite *suite, const char *name, int seconds);
int net_main(Suite *suite);

/* An attempt and what came of it. */
struct attempt {
	struct mqev_endpoint_list list;
	struct mqev_transport_config config;
	struct mqev_transport *transport; /* NULL when done, cancelled, or never started */
	int done;
	bool started; /* start has returned */
	struct mqev_conn conn;
	struct mqev_net_error error;
	char progress[512]; /* lines of the progress callback */
	void (*on_progress)(struct attempt *a);
};

/* url may have printf conversions. The configuration must be set before. */
void attempt_start(struct attempt *a, const char *url, ...) __attribute__((format(printf, 2, 3)));

/* The same, but false when there was no memory. */
bool attempt_try(struct attempt *a, const char *url);

/* Runs the loop until the attempt is done; fails the test when it is not within ms. */
void attempt_await(struct attempt *a, int ms);
void attempt_await_link(struct attempt *a, int ms);
void attempt_await_error(struct attempt *a, int ms, enum mqev_net_stage stage, int error);

/* Cancels what runs, closes what is connected, frees the rest. */
void attempt_end(struct attempt *a);

/* Runs the loop until *flag is not 0; false when ms pass. */
bool run_until(const int *flag, int ms);
void run_for(int ms);
long long now_ms(void);
int open_fds(void);

/* Listening sockets on a free port of an address, or at a path ('@': abstract). -1 when the machine
 * has no such address. */
int listen_at(const char *address, uint16_t *port);
int listen_at_port(const char *address, uint16_t port, int backlog);
int listen_unix(const char *path, int backlog);

/* Connects to a listener of backlog 0 until it no longer answers: fds are filled, their number is
 * returned. */
int fill_backlog(const char *address, uint16_t port, int *fds, int max);

/* The next connection of a listener, waited for at most a second. */
int accept_one(int listener);

/* A port on which nobody listens. */
uint16_t closed_port(void);

/* Sends text over the link and reads it at the peer, then the other way. */
void assert_link_works(struct attempt *a, int peer);

#endif
