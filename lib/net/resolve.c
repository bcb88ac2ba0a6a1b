/* One resolver per event_base: shares questions under way, keeps answers for their TTL. Asking them
 * is the back end's matter (dns.h). */
#include "net/resolve.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/dns.h"
#include "net/list.h"
#include "net/net.h"
#include "net/step.h"
#include "port/port.h"

#define BUCKET_COUNT 256
#define NAMES_MAX 1000

/* A name that somebody asks for, or the answer for it. Lives as long as the table or a lookup holds
 * it. */
struct name {
	struct mqev_link in_bucket; /* alone: the table does not hold it */
	struct mqev_link waiting;   /* lookups that wait for the query */
	struct mqev_resolver *resolver;
	struct mqev_dns_query *query; /* NULL: answered, or not asked yet */
	unsigned references;
	enum mqev_dns_kind kind;
	uint64_t expires_ms;
	struct mqev_addrs *addrs;
	struct mqev_srvs *srvs;
	struct mqev_net_error error; /* error.error 0: there is an answer */
	char text[];
};

struct mqev_lookup {
	struct mqev_link link; /* among those that wait for a name, or those to be told; first, so
				  that it can be cast */
	struct name *name;
	mqev_lookup_done *done;
	void *arg;
};

struct mqev_resolver {
	struct mqev_dns *dns;
	struct mqev_link bucket[BUCKET_COUNT];
	struct mqev_link ready; /* lookups whose answer is there, to be told by the event */
	struct event deliver;
	uint64_t questions;
	size_t kept;
	size_t evict_at; /* the bucket to look at first when the table is full */
};

/* Names ---------------------------------------------------------------------------------------- */

static struct name *
name_new(struct mqev_resolver *r, enum mqev_dns_kind kind, const char *text)
{
	size_t len = strlen(text);
	struct name *name = mqev_calloc(1, sizeof *name + len + 1);

	if (name == NULL)
		return NULL;
	memcpy(name->text, text, len + 1);
	mqev_link_init(&name->in_bucket);
	mqev_link_init(&name->waiting);
	name->resolver = r;
	name->kind = kind;
	return name;
}

static void
name_unref(struct name *name)
{
	if (--name->references > 0)
		return;
	mqev_free(name->addrs);
	mqev_free(name->srvs);
	mqev_free(name);
}

/* FNV-1a over the lower-case name. */
static struct mqev_link *
bucket_of(struct mqev_resolver *r, const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text != '\0'; text++)
		hash = (hash ^ (uint32_t)tolower((unsigned char)*text)) * 16777619u;
	return &r->bucket[hash % BUCKET_COUNT];
}

static void
table_drop(struct name *name)
{
	if (mqev_link_alone(&name->in_bucket))
		return;
	mqev_link_remove(&name->in_bucket);
	name->resolver->kept--;
	name_unref(name);
}

/* The first answered name of a bucket leaves; false when there is none. */
static bool
evict_from(struct mqev_link *bucket)
{
	struct mqev_link *at;

	for (at = bucket->next; at != bucket; at = at->next) {
		struct name *name = (struct name *)at;

		if (name->query == NULL) {
			table_drop(name);
			return true;
		}
	}
	return false;
}

static void
make_room(struct mqev_resolver *r)
{
	size_t i;

	if (r->kept < NAMES_MAX)
		return;
	for (i = 0; i < BUCKET_COUNT; i++) {
		r->evict_at = (r->evict_at + 1) % BUCKET_COUNT;
		if (evict_from(&r->bucket[r->evict_at]))
			return;
	}
}

static void
table_add(struct mqev_resolver *r, struct name *name)
{
	make_room(r);
	mqev_link_append(bucket_of(r, name->text), &name->in_bucket);
	r->kept++;
	name->references++;
}

static struct name *
table_find(struct mqev_resolver *r, enum mqev_dns_kind kind, const char *text)
{
	struct mqev_link *bucket = bucket_of(r, text), *at;

	for (at = bucket->next; at != bucket; at = at->next) {
		struct name *name = (struct name *)at;

		if (name->kind != kind || strcasecmp(name->text, text) != 0)
			continue;
		if (name->query != NULL || name->expires_ms > mqev_port_now_ms())
			return name;
		table_drop(name);
		return NULL;
	}
	return NULL;
}

/* Answers -------------------------------------------------------------------------------------- */

static void
make_ready(struct mqev_resolver *r, struct mqev_lookup *lookup)
{
	mqev_link_append(&r->ready, &lookup->link);
	event_active(&r->deliver, 0, 0);
}

static void
set_answer(struct name *name, struct mqev_dns_result *result)
{
	name->addrs = result->addrs;
	name->srvs = result->srvs;
	if (result->error != 0)
		mqev_net_error_set(
		    &name->error, result->error, 0, "resolve %s: %s", name->text, result->why);
	name->expires_ms = mqev_port_now_ms() + (uint64_t)result->ttl_s * 1000;
}

static void
on_answer(struct mqev_dns_result *result, void *arg)
{
	struct name *name = arg;

	name->query = NULL;
	set_answer(name, result);
	while (!mqev_link_alone(&name->waiting)) {
		struct mqev_link *first = name->waiting.next;

		mqev_link_remove(first);
		make_ready(name->resolver, (struct mqev_lookup *)first);
	}
	if (result->error != 0 || result->ttl_s == 0)
		table_drop(name);
}

static void
deliver_one(struct mqev_lookup *lookup)
{
	struct name *name = lookup->name;
	struct mqev_answer answer = {.addrs = name->addrs, .srvs = name->srvs};

	mqev_link_remove(&lookup->link);
	if (name->error.error != 0)
		answer.error = &name->error;
	lookup->done(&answer, lookup->arg);
	mqev_free(lookup);
	name_unref(name);
}

static void
on_deliver(evutil_socket_t fd, short what, void *arg)
{
	struct mqev_resolver *r = arg;

	(void)fd;
	(void)what;
	while (!mqev_link_alone(&r->ready))
		deliver_one((struct mqev_lookup *)r->ready.next);
}

/* The resolver --------------------------------------------------------------------------------- */

static struct mqev_resolver *
resolver_new(struct event_base *base)
{
	struct mqev_resolver *r = mqev_calloc(1, sizeof *r);
	size_t i;

	if (r == NULL)
		return NULL;
	for (i = 0; i < BUCKET_COUNT; i++)
		mqev_link_init(&r->bucket[i]);
	mqev_link_init(&r->ready);
	event_assign(&r->deliver, base, -1, 0, on_deliver, r);
	return r;
}

static struct mqev_resolver *
resolver_of(struct mqev_net *net)
{
	if (net->resolver == NULL)
		net->resolver = resolver_new(net->base);
	return net->resolver;
}

/* Literal addresses need no back end, so there is none before the first name. */
static struct mqev_dns *
dns_of(struct mqev_net *net)
{
	if (net->resolver->dns == NULL)
		net->resolver->dns = mqev_dns_new(net->base);
	return net->resolver->dns;
}

void
mqev_resolver_free(struct mqev_resolver *r)
{
	size_t i;

	if (r == NULL)
		return;
	mqev_dns_free(r->dns);
	event_del(&r->deliver);
	for (i = 0; i < BUCKET_COUNT; i++) {
		while (!mqev_link_alone(&r->bucket[i]))
			table_drop((struct name *)r->bucket[i].next);
	}
	mqev_free(r);
}

int
mqev_resolver_set_servers(struct mqev_net *net, const char *servers)
{
	if (resolver_of(net) == NULL || dns_of(net) == NULL)
		return MQEV_ERR_NOMEM;
	return mqev_dns_set_servers(net->resolver->dns, servers);
}

int
mqev_resolver_set_conf(struct mqev_net *net, const char *path, uint16_t port)
{
	if (resolver_of(net) == NULL || dns_of(net) == NULL)
		return MQEV_ERR_NOMEM;
	return mqev_dns_set_conf(net->resolver->dns, path, port);
}

uint64_t
mqev_resolver_questions(const struct mqev_net *net)
{
	return net->resolver != NULL ? net->resolver->questions : 0;
}

size_t
mqev_resolver_kept(const struct mqev_net *net)
{
	return net->resolver != NULL ? net->resolver->kept : 0;
}

/* Looking up ----------------------------------------------------------------------------------- */

/* RFC 6761, 6.3: localhost and what lies under it never leave this machine. */
static bool
is_localhost(const char *host)
{
	static const char suffix[] = ".localhost";
	size_t len = strlen(host), suffix_len = sizeof suffix - 1;

	if (len > 0 && host[len - 1] == '.')
		len--;
	if (len == suffix_len - 1)
		return strncasecmp(host, suffix + 1, len) == 0;
	return len > suffix_len && strncasecmp(host + len - suffix_len, suffix, suffix_len) == 0;
}

static struct mqev_addrs *
loopback_addrs(void)
{
	struct mqev_addrs *addrs = mqev_addrs_new(2);

	if (addrs != NULL) {
		(void)mqev_addr_parse("127.0.0.1", 0, &addrs->at[0]);
		(void)mqev_addr_parse("::1", 0, &addrs->at[1]);
	}
	return addrs;
}

static struct mqev_addrs *
literal_addrs(const struct mqev_addr *addr)
{
	struct mqev_addrs *addrs = mqev_addrs_new(1);

	if (addrs != NULL)
		addrs->at[0] = *addr;
	return addrs;
}

/* A name of the lookup's own, already answered. */
static struct name *
known_name(struct mqev_resolver *r, const char *text, struct mqev_addrs *addrs)
{
	struct name *name = addrs != NULL ? name_new(r, MQEV_DNS_HOST, text) : NULL;

	if (name == NULL) {
		mqev_free(addrs);
		return NULL;
	}
	name->addrs = addrs;
	return name;
}

/* A name that the table did not have, and its question on the way, or answered already. */
static struct name *
asked_name(struct mqev_net *net, enum mqev_dns_kind kind, const char *text)
{
	struct mqev_resolver *r = net->resolver;
	struct mqev_dns *dns = dns_of(net);
	struct name *name = dns != NULL ? name_new(r, kind, text) : NULL;

	if (name == NULL)
		return NULL;
	table_add(r, name);
	name->references++; /* an answer that comes at once may take it out of the table again */
	if (mqev_dns_ask(dns, kind, text, on_answer, name, &name->query) != 0) {
		table_drop(name);
		name_unref(name);
		return NULL;
	}
	r->questions++;
	name->references--;
	return name;
}

static struct name *
find_or_ask(struct mqev_net *net, enum mqev_dns_kind kind, const char *text)
{
	struct mqev_addr addr;
	struct name *name;

	if (kind == MQEV_DNS_HOST && mqev_addr_parse(text, 0, &addr))
		return known_name(net->resolver, text, literal_addrs(&addr));
	if (kind == MQEV_DNS_HOST && is_localhost(text))
		return known_name(net->resolver, text, loopback_addrs());
	name = table_find(net->resolver, kind, text);
	return name != NULL ? name : asked_name(net, kind, text);
}

static struct mqev_lookup *
lookup(struct mqev_net *net, enum mqev_dns_kind kind, const char *text, mqev_lookup_done *done,
    void *arg)
{
	struct mqev_lookup *l;
	struct name *name;

	if (resolver_of(net) == NULL)
		return NULL;
	l = mqev_calloc(1, sizeof *l);
	name = l != NULL ? find_or_ask(net, kind, text) : NULL;
	if (name == NULL) {
		mqev_free(l);
		return NULL;
	}
	mqev_link_init(&l->link);
	l->name = name;
	l->done = done;
	l->arg = arg;
	name->references++;
	if (name->query != NULL)
		mqev_link_append(&name->waiting, &l->link);
	else
		make_ready(net->resolver, l);
	return l;
}

struct mqev_lookup *
mqev_lookup_host(struct mqev_net *net, const char *host, mqev_lookup_done *done, void *arg)
{
	return lookup(net, MQEV_DNS_HOST, host, done, arg);
}

struct mqev_lookup *
mqev_lookup_srv(struct mqev_net *net, const char *name, mqev_lookup_done *done, void *arg)
{
	return lookup(net, MQEV_DNS_SRV, name, done, arg);
}

void
mqev_lookup_cancel(struct mqev_lookup *l)
{
	struct name *name = l->name;

	mqev_link_remove(&l->link);
	mqev_free(l);
	if (name->query != NULL && mqev_link_alone(&name->waiting)) {
		struct mqev_dns_query *query = name->query;

		name->query = NULL;
		table_drop(name);
		mqev_dns_forget(query);
	}
	name_unref(name);
}
