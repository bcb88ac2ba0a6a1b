/* Where to connect to: the list of mqev_connect(), or a detour on which a server sent us (MQTT 5
 * Server Reference). When to connect: retry.c. */
#include <stdio.h>
#include <string.h>

#include "client/client.h"
#include "core/mem.h"

/* A server may name so many others at once. */
#define MOST_REFERENCES 16

struct mqev_detour {
	struct mqev_part part;
	struct mqev_servers *servers;
	uint32_t at;
	bool permanent;
};

const struct mqev_endpoint *
mqev_client_server(const struct mqev_client *c)
{
	const struct mqev_detour *d = mqev_detour_of(c);

	if (d != NULL)
		return &d->servers->list.at[d->at];
	return c->servers != NULL ? &c->servers->list.at[c->server] : NULL;
}

void
mqev_detour_drop(struct mqev_client *c)
{
	struct mqev_detour *d = mqev_detour_of(c);

	if (d == NULL)
		return;
	mqev_part_remove(&c->parts, &d->part);
	mqev_servers_unref(d->servers);
	mqev_free(d);
}

bool
mqev_detour_next(struct mqev_client *c)
{
	struct mqev_detour *d = mqev_detour_of(c);

	if (++d->at < d->servers->list.count)
		return true;
	mqev_detour_drop(c);
	return false;
}

void
mqev_detour_arrived(struct mqev_client *c)
{
	struct mqev_detour *d = mqev_detour_of(c);

	if (d == NULL || !d->permanent)
		return;
	mqev_part_remove(&c->parts, &d->part);
	mqev_servers_unref(c->servers);
	c->servers = d->servers;
	c->server = d->at;
	mqev_free(d);
}

/* --- from a reference to URLs ------------------------------------------------------------------
 */

struct words {
	const char *at[MOST_REFERENCES];
	size_t len[MOST_REFERENCES];
	size_t count;
};

/* False: more than we take, or a user in it, which is not the server's to choose. */
static bool
split(const char *text, struct words *words)
{
	words->count = 0;
	if (strchr(text, '@') != NULL)
		return false;
	for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
		size_t len = strcspn(text, " ");

		if (words->count == MOST_REFERENCES)
			return false;
		words->at[words->count] = text;
		words->len[words->count++] = len;
		text += len;
	}
	return words->count > 0;
}

static bool
has_scheme(const char *word, size_t len)
{
	const char *found = strstr(word, "://");

	return found != NULL && found < word + len;
}

/* The URLs of all words, reached as the present server is; to be freed. NULL: no memory. */
static char *
urls_of(const struct words *words, const struct mqev_endpoint *now)
{
	static const char *const schemes[2][2] = {{"mqtt://", "mqtts://"}, {"ws://", "wss://"}};
	const char *scheme = schemes[now->websocket][now->tls];
	const char *path = now->websocket && now->path != NULL ? now->path : "";
	size_t each = strlen(scheme) + strlen(path) + 1;
	size_t size = 1;
	size_t used = 0;
	char *urls;

	for (size_t i = 0; i < words->count; i++)
		size += words->len[i] + each;
	urls = mqev_malloc(size);
	for (size_t i = 0; urls != NULL && i < words->count; i++) {
		bool whole = has_scheme(words->at[i], words->len[i]);

		used += (size_t)snprintf(urls + used, size - used, "%s%.*s%s ", whole ? "" : scheme,
		    (int)words->len[i], words->at[i], whole ? "" : path);
	}
	return urls;
}

/* A server sends nobody to a local socket, or out of TLS. */
static bool
may_be_followed(const struct mqev_endpoint *now, const struct mqev_endpoint *next)
{
	return !next->unix_socket && (next->tls || !now->tls);
}

static bool
copy_text(char **to, const char *from)
{
	if (from == NULL)
		return true;
	*to = mqev_strdup(from);
	return *to != NULL;
}

static bool
prepare_servers(const struct mqev_endpoint *now, struct mqev_endpoint_list *servers)
{
	for (size_t i = 0; i < servers->count; i++) {
		struct mqev_endpoint *next = &servers->at[i];

		if (!may_be_followed(now, next) || !copy_text(&next->username, now->username) ||
		    !copy_text(&next->password, now->password))
			return false;
	}
	return true;
}

static bool
list_of(const struct mqev_client *c, const char *reference, struct mqev_endpoint_list *servers)
{
	const struct mqev_endpoint *now = mqev_client_server(c);
	struct words words;
	char *urls = split(reference, &words) ? urls_of(&words, now) : NULL;
	bool parsed = urls != NULL && mqev_url_parse(urls, servers, NULL) == 0;

	mqev_free(urls);
	if (!parsed)
		return false;
	if (prepare_servers(now, servers))
		return true;
	mqev_endpoint_list_free(servers);
	return false;
}

static struct mqev_servers *
servers_of(const struct mqev_client *c, const char *reference)
{
	struct mqev_endpoint_list list;

	return list_of(c, reference, &list) ? mqev_servers_get(&c->fleet->servers, &list, "")
					    : NULL;
}

/* --- following ---------------------------------------------------------------------------------
 */

static bool
is_allowed(struct mqev_client *c, const char *reference, bool permanent)
{
	const struct mqev_redirect event = {
	    .reference = reference, .permanent = permanent, .hops = c->hops};

	if (c->config->reconnect.on_redirect == NULL)
		return true;
	return c->config->reconnect.on_redirect(c, &event, c->userdata) && c->deciding && !c->freed;
}

static bool
set_out(struct mqev_client *c, const char *reference, bool permanent)
{
	struct mqev_detour *d = mqev_calloc(1, sizeof(*d));

	if (d != NULL)
		d->servers = servers_of(c, reference);
	if (d == NULL || d->servers == NULL) {
		mqev_free(d);
		return false;
	}
	d->permanent = permanent;
	mqev_detour_drop(c);
	mqev_part_add(&c->parts, &d->part, MQEV_PART_DETOUR);
	c->hops++;
	return true;
}

/* NULL: there is none, or no memory. To be freed. */
static char *
reference_of(const struct mqev_ending *ending)
{
	struct mqev_property found;
	char *text;

	if (ending->properties == NULL ||
	    mqev_properties_find(ending->properties, MQEV_PROP_SERVER_REFERENCE, &found) != 0)
		return NULL;
	text = mqev_malloc(found.value_len + 1);
	if (text == NULL)
		return NULL;
	memcpy(text, found.value, found.value_len);
	text[found.value_len] = '\0';
	return text;
}

bool
mqev_redirect_follow(struct mqev_client *c, const struct mqev_ending *ending)
{
	bool permanent = ending->reason == MQEV_REASON_SERVER_MOVED;
	char *reference;
	bool followed;

	if (c->hops >= c->config->reconnect.max_redirects || c->hops == UINT8_MAX)
		return false;
	reference = reference_of(ending);
	followed = reference != NULL && is_allowed(c, reference, permanent) &&
		   set_out(c, reference, permanent);
	mqev_free(reference);
	return followed;
}
