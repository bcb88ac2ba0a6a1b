/* What a resolver's back end does: one question, one answer. Sharing and keeping answers is
 * resolve.c's matter. One of dns_cares.c and dns_evdns.c is built. */
#ifndef MQEV_NET_DNS_H
#define MQEV_NET_DNS_H

#include <stddef.h>
#include <stdint.h>

#include "net/resolve.h"

struct event_base;
struct mqev_dns;
struct mqev_dns_query;

enum mqev_dns_kind { MQEV_DNS_HOST, MQEV_DNS_SRV };

/* The list that was asked for passes to the callee; error is 0 or an enum mqev_error, with a text
 * (static) that says why. */
struct mqev_dns_result {
	struct mqev_addrs *addrs;
	struct mqev_srvs *srvs;
	uint32_t ttl_s; /* for how long it may be kept */
	int error;
	const char *why;
};

/* May be called before mqev_dns_ask() has returned. May not call the back end. */
typedef void mqev_dns_done(struct mqev_dns_result *result, void *arg);

struct mqev_dns *mqev_dns_new(struct event_base *base);

/* Forgets all questions. NULL is ignored. */
void mqev_dns_free(struct mqev_dns *dns);

/* 0, or MQEV_ERR_NOMEM and done will not be called. *query is set before done can be. */
int mqev_dns_ask(struct mqev_dns *dns, enum mqev_dns_kind kind, const char *name,
    mqev_dns_done *done, void *arg, struct mqev_dns_query **query);

/* done will not be called. Only while it has not been. */
void mqev_dns_forget(struct mqev_dns_query *query);

int mqev_dns_set_servers(struct mqev_dns *dns, const char *servers);
int mqev_dns_set_conf(struct mqev_dns *dns, const char *path, uint16_t port);

#endif
