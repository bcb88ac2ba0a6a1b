/* What clients on one event_base share, seen from inside lib/net. */
#ifndef MQEV_NET_NET_H
#define MQEV_NET_NET_H

#include "net/spares.h"
#include "net/transport.h"

struct mqev_resolver;

struct mqev_net {
	struct event_base *base;
	struct mqev_tls *default_tls;	/* for links without options; NULL until the first */
	struct mqev_resolver *resolver; /* NULL until the first name is looked up */
	struct mqev_spares spares;
	struct mqev_net_stats stats;
};

#endif
