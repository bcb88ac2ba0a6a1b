/* A c-ares channel on an event_base: sockets, timer, and an end when nobody needs it. What is asked
 * over it is dns_cares.c's matter. */
#ifndef MQEV_NET_CARES_CHANNEL_H
#define MQEV_NET_CARES_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include <ares.h>
#include <event2/event_struct.h>

#include "net/list.h"

struct mqev_cares_channel {
	struct mqev_link link; /* in the ring of all; first, so that it can be cast */
	struct event_base *base;
	ares_channel ares;
	struct mqev_link sockets;
	struct event timer;
	unsigned pending;   /* callbacks that c-ares owes */
	unsigned wanted;    /* questions whose answer somebody waits for */
	bool out_of_memory; /* a socket could not be watched: its answer would never be seen */
	bool retired;	    /* frees itself with its last callback */
};

/* Where a channel's servers come from: a list ("127.0.0.1:5353", commas between), or, where that is
 * NULL, a file like resolv.conf whose servers are asked on a port, 0 being the usual one. */
struct mqev_cares_source {
	const char *servers;
	const char *conf_path;
	uint16_t port;
};

/* Put into the ring at head. NULL and an ARES_E* in *status. */
struct mqev_cares_channel *mqev_cares_channel_new(struct event_base *base, struct mqev_link *head,
    const struct mqev_cares_source *source, int *status);

/* Calls what is owed with ARES_EDESTRUCTION. */
void mqev_cares_channel_free(struct mqev_cares_channel *channel);

/*
 * To be called after whatever may have changed what c-ares waits for, not from its callbacks: sets
 * the timer, ends questions that nobody wants any more (so that an idle loop can end), frees a
 * retired channel that owes nothing.
 */
void mqev_cares_channel_settle(struct mqev_cares_channel *channel);

#endif
