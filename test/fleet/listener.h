/* A server in a process of its own which only counts: when connections come and how many of them it
 * keeps waiting, when packets come on each, how many pings at once. */
#ifndef TEST_FLEET_LISTENER_H
#define TEST_FLEET_LISTENER_H

#include <sys/types.h>

enum { LISTENER_MOST = 65536 };

/* Shared with the process that counts; times in milliseconds of the same monotonic clock. */
struct listener {
	pid_t pid;
	int port;
	int answer_after_ms; /* from a CONNECT to its CONNACK */
	volatile int drop; /* set: all connections are closed, and then for away_ms all new ones */
	volatile int away_ms;
	volatile int accepted;		 /* since listener_reset() */
	volatile int online;		 /* had their CONNACK */
	volatile int most_waiting;	 /* accepted, their CONNACK not sent yet */
	volatile int longest_silence_ms; /* between two packets of a connection after CONNACK */
	volatile int pings;
	volatile int most_pings; /* within 250 ms */
	volatile int wrong;	 /* what came was not what is expected of these clients */
	long long accepted_at[LISTENER_MOST];
};

/* Starts it; it ends with the test's process or by listener_stop(). */
struct listener *listener_start(int answer_after_ms);
void listener_stop(struct listener *l);
/* Begins to count anew: connections and waiting, or silence and pings. */
void listener_reset_connections(struct listener *l);
void listener_reset_pings(struct listener *l);
/* The most connections that came within one second. */
int listener_most_per_second(const struct listener *l);

#endif
