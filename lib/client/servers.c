/* Sharing of lists of servers. What a URL means: net/url.c; which server is next: retry.c. */
#include "client/servers.h"

#include <string.h>

#include "core/mem.h"

/* So many of those in use, the newest first, are looked at for one that is the same. */
#define LOOK_AT 8

static struct mqev_servers *
find_same(struct mqev_servers *in_use, const struct mqev_endpoint_list *list)
{
	for (unsigned i = 0; in_use != NULL && i < LOOK_AT; i++, in_use = in_use->next) {
		if (mqev_endpoint_list_same(&in_use->list, list))
			return in_use;
	}
	return NULL;
}

struct mqev_servers *
mqev_servers_find(struct mqev_servers *in_use, const char *urls)
{
	for (unsigned i = 0; in_use != NULL && i < LOOK_AT; i++, in_use = in_use->next) {
		if (urls[0] != '\0' && strcmp(in_use->urls, urls) == 0) {
			in_use->refs++;
			return in_use;
		}
	}
	return NULL;
}

static void
join(struct mqev_servers **in_use, struct mqev_servers *servers)
{
	servers->next = *in_use;
	servers->at = in_use;
	if (servers->next != NULL)
		servers->next->at = &servers->next;
	*in_use = servers;
}

static void
leave(struct mqev_servers *servers)
{
	*servers->at = servers->next;
	if (servers->next != NULL)
		servers->next->at = servers->at;
}

struct mqev_servers *
mqev_servers_get(struct mqev_servers **in_use, struct mqev_endpoint_list *list, const char *urls)
{
	size_t size = strlen(urls) + 1;
	struct mqev_servers *servers = find_same(*in_use, list);

	if (servers != NULL) {
		servers->refs++;
		mqev_endpoint_list_free(list);
		return servers;
	}
	servers = mqev_calloc(1, sizeof(*servers) + size);
	if (servers == NULL) {
		mqev_endpoint_list_free(list);
		return NULL;
	}
	servers->list = *list;
	*list = (struct mqev_endpoint_list){0};
	servers->refs = 1;
	memcpy(servers->urls, urls, size);
	join(in_use, servers);
	return servers;
}

void
mqev_servers_unref(struct mqev_servers *servers)
{
	if (servers == NULL || --servers->refs > 0)
		return;
	leave(servers);
	mqev_endpoint_list_free(&servers->list);
	mqev_free(servers);
}
