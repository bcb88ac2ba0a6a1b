/* The resolver's back end on c-ares: questions, their answers, and resolv.conf read anew when it
 * changes. */
#include "net/dns.h"

#include <stdbool.h>
#include <string.h>

#include <event2/event.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/cares_channel.h"
#include "net/resolv_conf.h"
#include "net/srv.h"

/* How long the other family is waited for when one has an answer: little for IPv6, more for IPv4,
 * which most have. */
#define WAIT_FOR_IPV6_MS 50
#define WAIT_FOR_IPV4_MS 250

enum family {
	IPV6, /* tried first when a name has both */
	IPV4,
	FAMILY_COUNT
};

struct mqev_dns {
	struct event_base *base;
	struct mqev_link channels;	    /* all that live, retired ones too */
	struct mqev_cares_channel *channel; /* the one for new questions */
	bool own_servers;		    /* given by set_servers: resolv.conf no longer counts */
	struct mqev_resolv_conf conf;
	uint16_t port; /* of the servers in resolv.conf; 0: the usual one */
};

struct mqev_dns_query {
	struct mqev_cares_channel *channel;
	mqev_dns_done *done; /* NULL: told already, or no longer wanted */
	void *arg;
	unsigned owed; /* callbacks of c-ares, and one for mqev_dns_ask() itself */
	int status;    /* the most telling ARES_E* so far */
	uint32_t ttl_s;
	struct mqev_addrs *addrs[FAMILY_COUNT];
	struct mqev_srvs *srvs;
	struct event wait; /* for the other family */
};

/* Telling -------------------------------------------------------------------------------------- */

static int
error_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return 0;
	case ARES_ENOMEM:
		return MQEV_ERR_NOMEM;
	case ARES_ETIMEOUT:
		return MQEV_ERR_TIMEOUT;
	default:
		return MQEV_ERR_RESOLVE;
	}
}

static size_t
count_of(const struct mqev_addrs *addrs)
{
	return addrs != NULL ? addrs->count : 0;
}

/* Both families in one list, IPv6 first; NULL when memory runs out. */
static struct mqev_addrs *
joined(const struct mqev_dns_query *q)
{
	size_t six = count_of(q->addrs[IPV6]), four = count_of(q->addrs[IPV4]);
	struct mqev_addrs *all = mqev_addrs_new(six + four);

	if (all == NULL)
		return NULL;
	if (six > 0)
		memcpy(all->at, q->addrs[IPV6]->at, six * sizeof all->at[0]);
	if (four > 0)
		memcpy(all->at + six, q->addrs[IPV4]->at, four * sizeof all->at[0]);
	return all;
}

static void
fill(struct mqev_dns_query *q, struct mqev_dns_result *result)
{
	memset(result, 0, sizeof *result);
	result->ttl_s = q->ttl_s;
	if (q->srvs != NULL) {
		result->srvs = q->srvs;
		q->srvs = NULL;
		return;
	}
	if (count_of(q->addrs[IPV6]) + count_of(q->addrs[IPV4]) > 0) {
		result->addrs = joined(q);
		q->status = result->addrs != NULL ? ARES_SUCCESS : ARES_ENOMEM;
	} else if (q->status == ARES_SUCCESS) {
		q->status = ARES_ENODATA;
	}
	result->error = error_of(q->status);
	result->why = ares_strerror(q->status);
}

/* No longer waited for, whether told or forgotten. */
static void
unwant(struct mqev_dns_query *q)
{
	if (q->done == NULL)
		return;
	q->done = NULL;
	q->channel->wanted--;
	event_del(&q->wait);
}

static void
tell(struct mqev_dns_query *q)
{
	mqev_dns_done *done = q->done;
	struct mqev_dns_result result;

	if (done == NULL)
		return;
	unwant(q);
	fill(q, &result);
	done(&result, q->arg);
}

/* What is cancelled while it is wanted is so because its socket or timer could not be watched. */
static int
status_of(struct mqev_dns_query *q, int status)
{
	q->channel->pending--;
	if (status == ARES_EDESTRUCTION)
		unwant(q);
	return status == ARES_ECANCELLED ? ARES_ENOMEM : status;
}

/* Collecting ----------------------------------------------------------------------------------- */

static void
release(struct mqev_dns_query *q)
{
	if (--q->owed > 0)
		return;
	tell(q);
	mqev_free(q->addrs[IPV6]);
	mqev_free(q->addrs[IPV4]);
	mqev_free(q->srvs);
	mqev_free(q);
}

static void
note_status(struct mqev_dns_query *q, int status)
{
	if (q->status == ARES_SUCCESS || (status != ARES_ENODATA && status != ARES_ENOTFOUND))
		q->status = status;
}

static void
note_ttl(struct mqev_dns_query *q, int ttl)
{
	uint32_t ttl_s = ttl > 0 ? (uint32_t)ttl : 0;

	if (ttl_s < q->ttl_s)
		q->ttl_s = ttl_s;
}

static void
add_node(struct mqev_addrs *addrs, const struct ares_addrinfo_node *node)
{
	struct mqev_addr *addr = &addrs->at[addrs->count];

	if (addrs->count == MQEV_ADDRS_MAX || node->ai_addrlen > sizeof addr->u)
		return;
	memcpy(&addr->u, node->ai_addr, node->ai_addrlen);
	addr->len = node->ai_addrlen;
	addrs->count++;
}

static size_t
count_nodes(const struct ares_addrinfo *info)
{
	const struct ares_addrinfo_node *node;
	size_t n = 0;

	for (node = info->nodes; node != NULL && n < MQEV_ADDRS_MAX; node = node->ai_next)
		n++;
	return n;
}

/* All of one answer are of one family, for one was asked for. */
static int
collect(struct mqev_dns_query *q, const struct ares_addrinfo *info)
{
	const struct ares_addrinfo_node *node = info->nodes;
	const struct ares_addrinfo_cname *alias;
	struct mqev_addrs *addrs;

	if (node == NULL)
		return ARES_ENODATA;
	addrs = mqev_addrs_new(count_nodes(info));
	if (addrs == NULL)
		return ARES_ENOMEM;
	addrs->count = 0;
	for (alias = info->cnames; alias != NULL; alias = alias->next)
		note_ttl(q, alias->ttl);
	mqev_free(q->addrs[node->ai_family == AF_INET6 ? IPV6 : IPV4]);
	q->addrs[node->ai_family == AF_INET6 ? IPV6 : IPV4] = addrs;
	for (; node != NULL; node = node->ai_next) {
		add_node(addrs, node);
		note_ttl(q, node->ai_ttl);
	}
	return ARES_SUCCESS;
}

/* One family has an answer, the other is still asked: it is given a moment. */
static void
wait_for_other(struct mqev_dns_query *q)
{
	uint32_t ms = q->addrs[IPV6] != NULL ? WAIT_FOR_IPV4_MS : WAIT_FOR_IPV6_MS;
	struct timeval tv = {.tv_usec = (suseconds_t)ms * 1000};

	if (q->done != NULL)
		(void)event_add(&q->wait, &tv);
}

static void
on_waited(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_dns_query *q = arg;
	struct mqev_cares_channel *channel = q->channel;

	(void)fd;
	(void)what;
	q->ttl_s = 0; /* half an answer is for those who wait now */
	tell(q);
	mqev_cares_channel_settle(channel);
}

static void
on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct mqev_dns_query *q = arg;

	(void)timeouts;
	status = status_of(q, status);
	if (status == ARES_SUCCESS && info != NULL)
		status = collect(q, info);
	if (info != NULL)
		ares_freeaddrinfo(info);
	if (status != ARES_SUCCESS)
		note_status(q, status);
	else if (q->owed > 1)
		wait_for_other(q);
	release(q);
}

static void
on_srv(void *arg, int status, int timeouts, unsigned char *message, int size)
{
	struct mqev_dns_query *q = arg;

	(void)timeouts;
	status = status_of(q, status);
	if (status == ARES_SUCCESS) {
		int rc = mqev_srv_parse(message, (size_t)size, &q->srvs, &q->ttl_s);

		if (rc != 0)
			status = rc == MQEV_ERR_NOMEM ? ARES_ENOMEM : ARES_EBADRESP;
		else if (q->srvs->count == 0)
			status = ARES_ENODATA;
	}
	if (status != ARES_SUCCESS) {
		mqev_free(q->srvs);
		q->srvs = NULL;
		note_status(q, status);
	}
	release(q);
}

/* Asking --------------------------------------------------------------------------------------- */

static void
ask_family(struct mqev_dns_query *q, const char *name, int family)
{
	struct ares_addrinfo_hints hints;

	memset(&hints, 0, sizeof hints);
	hints.ai_family = family;
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = ARES_AI_NOSORT; /* the servers' order spreads load */
	ares_getaddrinfo(q->channel->ares, name, NULL, &hints, on_addresses, q);
}

static void
ask_ares(struct mqev_dns_query *q, enum mqev_dns_kind kind, const char *name)
{
	unsigned questions = kind == MQEV_DNS_SRV ? 1 : FAMILY_COUNT;

	q->owed += questions;
	q->channel->pending += questions;
	if (kind == MQEV_DNS_SRV) {
		ares_query(q->channel->ares, name, 1 /* IN */, 33 /* SRV */, on_srv, q);
		return;
	}
	ask_family(q, name, AF_INET6);
	ask_family(q, name, AF_INET);
}

static struct mqev_cares_channel *
replace_channel(struct mqev_dns *dns, const char *servers, int *status)
{
	const struct mqev_cares_source source = {servers, dns->conf.path, dns->port};
	struct mqev_cares_channel *channel, *old = dns->channel;

	channel = mqev_cares_channel_new(dns->base, &dns->channels, &source, status);
	if (channel == NULL)
		return NULL;
	dns->channel = channel;
	if (old != NULL) {
		old->retired = true;
		mqev_cares_channel_settle(old);
	}
	return channel;
}

/* Without memory for a new channel the old one goes on until the next look. */
static void
follow_resolv_conf(struct mqev_dns *dns)
{
	int status;

	if (replace_channel(dns, NULL, &status) == NULL)
		mqev_resolv_conf_forget(&dns->conf);
}

int
mqev_dns_ask(struct mqev_dns *dns, enum mqev_dns_kind kind, const char *name, mqev_dns_done *done,
    void *arg, struct mqev_dns_query **query)
{
	struct mqev_dns_query *q = mqev_calloc(1, sizeof *q);
	struct mqev_cares_channel *channel;

	*query = NULL;
	if (q == NULL)
		return MQEV_ERR_NOMEM;
	if (!dns->own_servers && mqev_resolv_conf_changed(&dns->conf))
		follow_resolv_conf(dns);
	channel = dns->channel;
	q->channel = channel;
	q->done = done;
	q->arg = arg;
	q->owed = 1;
	q->ttl_s = UINT32_MAX;
	event_assign(&q->wait, dns->base, -1, 0, on_waited, q);
	channel->wanted++;
	*query = q;
	ask_ares(q, kind, name);
	release(q);
	mqev_cares_channel_settle(channel);
	return 0;
}

void
mqev_dns_forget(struct mqev_dns_query *q)
{
	struct mqev_cares_channel *channel = q->channel;

	unwant(q);
	mqev_cares_channel_settle(channel);
}

/* The back end --------------------------------------------------------------------------------- */

struct mqev_dns *
mqev_dns_new(struct event_base *base)
{
	struct mqev_dns *dns = mqev_calloc(1, sizeof *dns);
	int status;

	if (dns == NULL)
		return NULL;
	dns->base = base;
	mqev_link_init(&dns->channels);
	mqev_resolv_conf_init(&dns->conf, MQEV_RESOLV_CONF);
	if (replace_channel(dns, NULL, &status) != NULL)
		return dns;
	mqev_free(dns);
	return NULL;
}

void
mqev_dns_free(struct mqev_dns *dns)
{
	if (dns == NULL)
		return;
	while (!mqev_link_alone(&dns->channels))
		mqev_cares_channel_free((struct mqev_cares_channel *)dns->channels.next);
	mqev_free(dns);
}

int
mqev_dns_set_servers(struct mqev_dns *dns, const char *servers)
{
	int status;

	if (replace_channel(dns, servers, &status) == NULL)
		return status == ARES_ENOMEM ? MQEV_ERR_NOMEM : MQEV_ERR_INVALID;
	dns->own_servers = true;
	return 0;
}

int
mqev_dns_set_conf(struct mqev_dns *dns, const char *path, uint16_t port)
{
	int status;

	dns->own_servers = false;
	dns->port = port;
	mqev_resolv_conf_init(&dns->conf, path);
	return replace_channel(dns, NULL, &status) != NULL ? 0 : MQEV_ERR_NOMEM;
}
