/* What clients on one event_base share: made, freed, asked for its base. */
#include "net/net.h"

#include <mqev/tls.h>

#include "core/mem.h"
#include "net/resolve.h"
#include "net/tls.h"

struct mqev_net *
mqev_net_new(struct event_base *base)
{
	struct mqev_net *net = mqev_calloc(1, sizeof *net);

	if (net != NULL)
		net->base = base;
	return net;
}

void
mqev_net_free(struct mqev_net *net)
{
	if (net == NULL)
		return;
	mqev_resolver_free(net->resolver);
	mqev_tls_free(net->default_tls);
	mqev_spares_free(&net->spares);
	mqev_free(net);
}

struct event_base *
mqev_net_base(const struct mqev_net *net)
{
	return net->base;
}

void
mqev_net_trim(struct mqev_net *net, uint64_t now_ms)
{
	mqev_spares_trim(&net->spares, now_ms);
}

void
mqev_net_prepare_tls(struct mqev_net *net)
{
	(void)mqev_tls_default(net, NULL, 0);
}

const struct mqev_net_stats *
mqev_net_stats(const struct mqev_net *net)
{
	return &net->stats;
}
