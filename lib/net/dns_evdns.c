/* The resolver's back end on evdns, for builds without c-ares: addresses only, without their TTL,
 * so that nothing is kept. */
#include "net/dns.h"

#include <stdbool.h>
#include <string.h>

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/util.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/list.h"
#include "net/resolv_conf.h"

struct mqev_dns {
	struct event_base *base;
	struct evdns_base *evdns;
	struct mqev_link queries; /* all whose callback evdns still owes */
	struct event reap;	  /* freed, but not before the last callback */
	bool freed;
	bool own_servers;
	struct mqev_resolv_conf conf;
};

struct mqev_dns_query {
	struct mqev_link link; /* first, so that it can be cast */
	struct mqev_dns *dns;
	struct evdns_getaddrinfo_request *request; /* NULL: it answered at once */
	mqev_dns_done *done;			   /* NULL: no longer wanted */
	void *arg;
};

/* Answers -------------------------------------------------------------------------------------- */

static int
error_of(int result)
{
	if (result == EVUTIL_EAI_MEMORY)
		return MQEV_ERR_NOMEM;
	return result == EVUTIL_EAI_AGAIN ? MQEV_ERR_TIMEOUT : MQEV_ERR_RESOLVE;
}

static size_t
count_infos(const struct evutil_addrinfo *info)
{
	size_t n = 0;

	for (; info != NULL && n < MQEV_ADDRS_MAX; info = info->ai_next)
		n++;
	return n;
}

static void
fill(struct mqev_dns_result *result, const struct evutil_addrinfo *info)
{
	struct mqev_addrs *addrs = mqev_addrs_new(count_infos(info));

	result->addrs = addrs;
	if (addrs == NULL) {
		result->error = MQEV_ERR_NOMEM;
		result->why = "out of memory";
		return;
	}
	addrs->count = 0;
	for (; info != NULL && addrs->count < MQEV_ADDRS_MAX; info = info->ai_next) {
		struct mqev_addr *addr = &addrs->at[addrs->count];

		if (info->ai_addrlen > sizeof addr->u)
			continue;
		memcpy(&addr->u, info->ai_addr, info->ai_addrlen);
		addr->len = (socklen_t)info->ai_addrlen;
		addrs->count++;
	}
}

static void
query_free(struct mqev_dns_query *q)
{
	struct mqev_dns *dns = q->dns;

	mqev_link_remove(&q->link);
	mqev_free(q);
	if (dns->freed && mqev_link_alone(&dns->queries))
		event_active(&dns->reap, 0, 0);
}

static void
on_addresses(int result, struct evutil_addrinfo *info, void *arg)
{
	struct mqev_dns_query *q = arg;
	struct mqev_dns_result answer = {.ttl_s = 0};

	if (q->done != NULL && result == 0 && info != NULL) {
		fill(&answer, info);
	} else if (q->done != NULL) {
		answer.error = error_of(result);
		answer.why = evutil_gai_strerror(result);
	}
	if (info != NULL)
		evutil_freeaddrinfo(info);
	if (q->done != NULL)
		q->done(&answer, q->arg);
	query_free(q);
}

/* Asking --------------------------------------------------------------------------------------- */

/* Questions under way stay, and are sent to the new servers. */
static void
read_resolv_conf(struct mqev_dns *dns)
{
	evdns_base_clear_nameservers_and_suspend(dns->evdns);
	(void)evdns_base_resolv_conf_parse(dns->evdns, DNS_OPTIONS_ALL, MQEV_RESOLV_CONF);
	evdns_base_resume(dns->evdns);
}

static void
refuse_srv(mqev_dns_done *done, void *arg)
{
	struct mqev_dns_result answer = {
	    .error = MQEV_ERR_UNSUPPORTED, .why = "a build without c-ares has no SRV records"};

	done(&answer, arg);
}

int
mqev_dns_ask(struct mqev_dns *dns, enum mqev_dns_kind kind, const char *name, mqev_dns_done *done,
    void *arg, struct mqev_dns_query **query)
{
	struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct evdns_getaddrinfo_request *request;
	struct mqev_dns_query *q;

	*query = NULL;
	if (kind == MQEV_DNS_SRV) {
		refuse_srv(done, arg);
		return 0;
	}
	q = mqev_calloc(1, sizeof *q);
	if (q == NULL)
		return MQEV_ERR_NOMEM;
	if (!dns->own_servers && mqev_resolv_conf_changed(&dns->conf))
		read_resolv_conf(dns);
	q->dns = dns;
	q->done = done;
	q->arg = arg;
	mqev_link_init(&q->link);
	mqev_link_append(&dns->queries, &q->link);
	*query = q;
	request = evdns_getaddrinfo(dns->evdns, name, NULL, &hints, on_addresses, q);
	if (request != NULL) /* else q was answered and is gone */
		q->request = request;
	return 0;
}

void
mqev_dns_forget(struct mqev_dns_query *q)
{
	q->done = NULL;
	evdns_getaddrinfo_cancel(q->request);
}

/* The back end --------------------------------------------------------------------------------- */

static void
on_reap(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_dns *dns = arg;

	(void)fd;
	(void)what;
	evdns_base_free(dns->evdns, 0);
	mqev_free(dns);
}

struct mqev_dns *
mqev_dns_new(struct event_base *base)
{
	struct mqev_dns *dns = mqev_calloc(1, sizeof *dns);

	if (dns == NULL)
		return NULL;
	dns->evdns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (dns->evdns == NULL) {
		mqev_free(dns);
		return NULL;
	}
	dns->base = base;
	mqev_link_init(&dns->queries);
	event_assign(&dns->reap, base, -1, 0, on_reap, dns);
	mqev_resolv_conf_init(&dns->conf, MQEV_RESOLV_CONF);
	(void)evdns_base_resolv_conf_parse(dns->evdns, DNS_OPTIONS_ALL, MQEV_RESOLV_CONF);
	return dns;
}

/* evdns answers a cancelled request only from the loop, and must live until then. */
void
mqev_dns_free(struct mqev_dns *dns)
{
	struct mqev_link *at, *next;

	if (dns == NULL)
		return;
	dns->freed = true;
	if (mqev_link_alone(&dns->queries)) {
		on_reap(-1, 0, dns);
		return;
	}
	for (at = dns->queries.next; at != &dns->queries; at = next) {
		struct mqev_dns_query *q = (struct mqev_dns_query *)at;

		next = at->next;
		if (q->done != NULL)
			mqev_dns_forget(q);
	}
}

int
mqev_dns_set_servers(struct mqev_dns *dns, const char *servers)
{
	char *copy = mqev_strdup(servers), *at, *rest = NULL;
	int rc = copy != NULL ? 0 : MQEV_ERR_NOMEM;

	if (rc != 0)
		return rc;
	evdns_base_clear_nameservers_and_suspend(dns->evdns);
	for (at = strtok_r(copy, ",", &rest); at != NULL; at = strtok_r(NULL, ",", &rest)) {
		if (evdns_base_nameserver_ip_add(dns->evdns, at) != 0)
			rc = MQEV_ERR_INVALID;
	}
	evdns_base_resume(dns->evdns);
	mqev_free(copy);
	dns->own_servers = true;
	return rc;
}

/* evdns takes the port from nowhere but the address of a server. */
int
mqev_dns_set_conf(struct mqev_dns *dns, const char *path, uint16_t port)
{
	(void)dns;
	(void)path;
	(void)port;
	return MQEV_ERR_UNSUPPORTED;
}
