/* Lists of servers, stored once for all clients of a fleet that have the same. */
#ifndef MQEV_CLIENT_SERVERS_H
#define MQEV_CLIENT_SERVERS_H

#include "net/url.h"

struct mqev_servers {
	struct mqev_endpoint_list list; /* never empty, never changed */
	struct mqev_servers *next;	/* among those in use */
	struct mqev_servers **at;
	uint32_t refs;
	char urls[]; /* what it was made from; "": not from URLs alone */
};

/* A reference to one of those in use that was made from that text; NULL: none is found. */
struct mqev_servers *mqev_servers_find(struct mqev_servers *in_use, const char *urls);

/* A reference to one of those in use that is the same, or to a new one that is added to them. Takes
 * what the list holds, in any case. NULL: no memory. */
struct mqev_servers *
mqev_servers_get(struct mqev_servers **in_use, struct mqev_endpoint_list *list, const char *urls);
/* servers may be NULL. */
void mqev_servers_unref(struct mqev_servers *servers);

#endif
