/* Names to addresses and to servers, one resolver per event_base, answers shared. Who answers is
 * the back end's matter (dns.h). */
#ifndef MQEV_NET_RESOLVE_H
#define MQEV_NET_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"
#include "net/transport.h"

struct mqev_resolver;

/* One server that an SRV record names. */
struct mqev_srv {
	uint16_t priority, weight, port;
	char host[256];
};

struct mqev_srvs {
	size_t count;
	struct mqev_srv at[];
};

#define MQEV_SRVS_MAX 64

/* The answer to a lookup; lent for the callback. error is NULL when there is one, and then the list
 * asked for has a member. */
struct mqev_answer {
	const struct mqev_addrs *addrs;
	const struct mqev_srvs *srvs;
	const struct mqev_net_error *error;
};

typedef void mqev_lookup_done(const struct mqev_answer *answer, void *arg);

/* Somebody who waits for an answer. */
struct mqev_lookup;

/*
 * Asks for the addresses of a host (ports are 0), or for the SRV records of a full name
 * ("_mqtt._tcp.example.org"). Literal addresses and localhost are answered without asking anybody.
 * done is called once from the loop, never before the return. NULL when memory runs out.
 */
struct mqev_lookup *
mqev_lookup_host(struct mqev_net *net, const char *host, mqev_lookup_done *done, void *arg);
struct mqev_lookup *
mqev_lookup_srv(struct mqev_net *net, const char *name, mqev_lookup_done *done, void *arg);

/* The answer is no longer wanted; done is not called. Not after done was called. */
void mqev_lookup_cancel(struct mqev_lookup *lookup);

/* For tests: from now on asks these servers ("127.0.0.1:5353", commas between) instead of those of
 * the system. 0 or an error. */
int mqev_resolver_set_servers(struct mqev_net *net, const char *servers);

/* For tests: another file instead of /etc/resolv.conf (the path is lent), its servers asked on that
 * port; MQEV_ERR_UNSUPPORTED without c-ares. */
int mqev_resolver_set_conf(struct mqev_net *net, const char *path, uint16_t port);

/* How many questions went to the back end, and how many names are kept. For tests and statistics.
 */
uint64_t mqev_resolver_questions(const struct mqev_net *net);
size_t mqev_resolver_kept(const struct mqev_net *net);

/* NULL is ignored. */
void mqev_resolver_free(struct mqev_resolver *resolver);

/* Puts the servers in the order in which they are to be tried (RFC 2782): by priority, within it by
 * chance and weight. */
void mqev_srvs_sort(struct mqev_srvs *srvs);

#endif
