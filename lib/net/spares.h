/* Bufferevents of plain links that were lost, for the links that are made next. */
#ifndef MQEV_NET_SPARES_H
#define MQEV_NET_SPARES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bufferevent;

/* No more than these are kept: 4 MB. A fleet that is larger makes the rest anew. */
#define MQEV_SPARES_MOST 4096

/* Zeroed, it is empty. */
struct mqev_spares {
	struct bufferevent **at;
	size_t count, capacity;
	bool touched; /* since mqev_spares_trim() looked last */
	uint64_t touched_ms;
};

/*
 * Takes over a bufferevent without events, callbacks and bytes, of which no callback is pending:
 * what libevent still had to tell of the old link would be told to the new one. False: there is no
 * room for it.
 */
bool mqev_spares_keep(struct mqev_spares *spares, struct bufferevent *bev);
/* One that has the descriptor of an old link, waits for nothing and writes nothing until it is
 * enabled; NULL: there is none. */
struct bufferevent *mqev_spares_take(struct mqev_spares *spares);
/* Frees them when they were not used for some seconds; to be called now and then. */
void mqev_spares_trim(struct mqev_spares *spares, uint64_t now_ms);
void mqev_spares_free(struct mqev_spares *spares);

#endif
