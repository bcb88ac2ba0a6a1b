/* URLs of servers to endpoints. No look-ups, no I/O. */
#include "net/url.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/url_scan.h"

static const struct scheme {
	const char *name;
	uint16_t port;
	bool tls;
	bool websocket;
	bool unix_socket;
	bool srv;
} schemes[] = {
    {.name = "mqtt", .port = 1883},
    {.name = "tcp", .port = 1883},
    {.name = "mqtts", .port = 8883, .tls = true},
    {.name = "ssl", .port = 8883, .tls = true},
    {.name = "tls", .port = 8883, .tls = true},
    {.name = "ws", .port = 80, .websocket = true},
    {.name = "wss", .port = 443, .websocket = true, .tls = true},
    {.name = "unix", .unix_socket = true},
    {.name = "mqtt+srv", .srv = true},
    {.name = "mqtts+srv", .srv = true, .tls = true},
};

#define SCHEME_COUNT (sizeof schemes / sizeof schemes[0])

/* One URL being taken apart: what is left of it, where it goes, and why it is wrong. */
struct parse {
	struct mqev_span rest;
	const struct scheme *scheme;
	struct mqev_endpoint *to;
	const char *why;
};

static int
invalid(struct parse *p, const char *why)
{
	p->why = why;
	return MQEV_ERR_INVALID;
}

static int
find_scheme(struct parse *p)
{
	struct mqev_span name;
	size_t i;

	p->scheme = &schemes[0];
	if (!mqev_span_cut(&p->rest, "://", &name))
		return 0;
	for (i = 0; i < SCHEME_COUNT; i++) {
		if (mqev_span_is(name, schemes[i].name)) {
			p->scheme = &schemes[i];
			return 0;
		}
	}
	return invalid(p, "unknown scheme");
}

/* Decodes a part into a string of its own; *why is for a bad escape or a NUL in it. */
static int
decode(struct parse *p, struct mqev_span part, char **to, const char *why)
{
	int rc = mqev_span_decode(part, to);

	return rc == MQEV_ERR_INVALID ? invalid(p, why) : rc;
}

static int
parse_login(struct parse *p, struct mqev_span login)
{
	struct mqev_span name;
	int rc = 0;

	if (!mqev_span_cut(&login, ":", &name)) {
		name = login;
		login = (struct mqev_span){NULL, 0};
	}
	if (name.len > 0)
		rc = decode(p, name, &p->to->username, "bad percent escape in the user name");
	if (rc == 0 && login.at != NULL)
		rc = decode(p, login, &p->to->password, "bad percent escape in the password");
	return rc;
}

static int
parse_port(struct parse *p, struct mqev_span text)
{
	if (p->scheme->srv)
		return invalid(p, "SRV records name the port: the URL must not");
	if (!mqev_span_port(text, &p->to->port))
		return invalid(p, "the port is not a number from 1 to 65535");
	return 0;
}

/* "[v6]" and "[v6]:port", the bracket already found. */
static int
parse_bracketed(struct parse *p, struct mqev_span text)
{
	struct mqev_span host;

	if (!mqev_span_cut(&text, "]", &host))
		return invalid(p, "] is missing");
	host.at++;
	host.len--;
	if (p->scheme->srv)
		return invalid(p, "SRV needs a domain, not an address");
	if (decode(p, host, &p->to->host, "bad IPv6 address") == MQEV_ERR_NOMEM)
		return MQEV_ERR_NOMEM;
	if (p->to->host == NULL || !mqev_host_is_ipv6(p->to->host))
		return invalid(p, "bad IPv6 address");
	if (text.len == 0)
		return 0;
	if (text.at[0] != ':')
		return invalid(p, "only a port may follow ]");
	return parse_port(p, mqev_span_from(text, 1));
}

static int
parse_host(struct parse *p, struct mqev_span text)
{
	struct mqev_span host;
	const char *why;

	if (text.len > 0 && text.at[0] == '[')
		return parse_bracketed(p, text);
	if (mqev_span_cut(&text, ":", &host)) {
		int rc = parse_port(p, text);

		if (rc != 0)
			return memchr(text.at, ':', text.len) != NULL
				   ? invalid(p, "an IPv6 address needs brackets")
				   : rc;
	} else {
		host = text;
	}
	why = mqev_host_check(host, p->scheme->srv);
	if (why != NULL)
		return invalid(p, why);
	p->to->host = mqev_span_dup(host);
	return p->to->host != NULL ? 0 : MQEV_ERR_NOMEM;
}

static int
parse_authority(struct parse *p, struct mqev_span authority)
{
	struct mqev_span login;
	int rc = 0;

	if (mqev_span_cut_last(&authority, '@', &login))
		rc = parse_login(p, login);
	return rc != 0 ? rc : parse_host(p, authority);
}

/* "/path?query" as it will be sent; brokers expect /mqtt where a URL has no path at all. */
static int
parse_web_path(struct parse *p, struct mqev_span path)
{
	bool slash = path.len > 0 && path.at[0] == '/';

	if (path.len == 0)
		p->to->path = mqev_strdup("/mqtt");
	else
		p->to->path = mqev_span_dup_after(slash ? "" : "/", path);
	return p->to->path != NULL ? 0 : MQEV_ERR_NOMEM;
}

static int
parse_path(struct parse *p, struct mqev_span path)
{
	if (p->scheme->websocket)
		return parse_web_path(p, path);
	if (path.len > 1 || (path.len == 1 && path.at[0] != '/'))
		return invalid(p, "only ws and wss URLs have a path");
	return 0;
}

/* The room in struct sockaddr_un, its NUL left out. */
#define UNIX_PATH_MAX 107

static int
parse_unix(struct parse *p)
{
	int rc;

	if (p->rest.len < 2 || (p->rest.at[0] != '/' && p->rest.at[0] != '@'))
		return invalid(p, "a unix URL needs an absolute path, or @ and a name");
	rc = decode(p, p->rest, &p->to->host, "bad percent escape in the path");
	if (rc == 0 && strlen(p->to->host) > UNIX_PATH_MAX)
		rc = invalid(p, "the path of a unix socket is limited to 107 bytes");
	return rc;
}

static int
parse_one(struct parse *p)
{
	struct mqev_span authority;
	int rc;

	if (!mqev_span_is_uri(p->rest))
		return invalid(
		    p, "a URL has printable ASCII only, the rest as percent escapes, and no #");
	rc = find_scheme(p);
	if (rc != 0)
		return rc;
	p->to->tls = p->scheme->tls;
	p->to->websocket = p->scheme->websocket;
	p->to->unix_socket = p->scheme->unix_socket;
	p->to->srv = p->scheme->srv;
	p->to->port = p->scheme->port;
	if (p->scheme->unix_socket)
		return parse_unix(p);
	authority = mqev_span_take_until(&p->rest, "/?");
	rc = parse_authority(p, authority);
	return rc != 0 ? rc : parse_path(p, p->rest);
}

static int
append(struct mqev_endpoint_list *list, const struct mqev_endpoint *endpoint)
{
	struct mqev_endpoint *at;

	at = mqev_realloc(list->at, (list->count + 1) * sizeof *at);
	if (at == NULL)
		return MQEV_ERR_NOMEM;
	at[list->count++] = *endpoint;
	list->at = at;
	return 0;
}

static void
clear_endpoint(struct mqev_endpoint *endpoint)
{
	mqev_free(endpoint->host);
	mqev_free(endpoint->path);
	mqev_free(endpoint->username);
	mqev_free(endpoint->password);
	memset(endpoint, 0, sizeof *endpoint);
}

static int
parse_item(struct mqev_span item, struct mqev_endpoint_list *list, const char **why)
{
	struct mqev_endpoint endpoint = {.host = NULL};
	struct parse p = {.rest = item, .to = &endpoint};
	int rc = parse_one(&p);

	if (rc == 0)
		rc = append(list, &endpoint);
	if (rc != 0)
		clear_endpoint(&endpoint);
	if (p.why != NULL)
		*why = p.why;
	return rc;
}

int
mqev_url_parse(const char *text, struct mqev_endpoint_list *list, const char **why)
{
	struct mqev_span rest = {text, strlen(text)}, item;
	const char *ignored;
	int rc = 0;

	if (why == NULL)
		why = &ignored;
	*why = "out of memory";
	memset(list, 0, sizeof *list);
	while (rc == 0 && mqev_span_next_word(&rest, &item))
		rc = parse_item(item, list, why);
	if (rc == 0 && list->count == 0) {
		*why = "the URL is empty";
		rc = MQEV_ERR_INVALID;
	}
	if (rc != 0)
		mqev_endpoint_list_free(list);
	else
		*why = NULL;
	return rc;
}

static bool
same_string(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_endpoint(const struct mqev_endpoint *a, const struct mqev_endpoint *b)
{
	return a->tls == b->tls && a->websocket == b->websocket &&
	       a->unix_socket == b->unix_socket && a->srv == b->srv && a->port == b->port &&
	       same_string(a->host, b->host) && same_string(a->path, b->path) &&
	       same_string(a->username, b->username) && same_string(a->password, b->password);
}

bool
mqev_endpoint_list_same(const struct mqev_endpoint_list *a, const struct mqev_endpoint_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (!same_endpoint(&a->at[i], &b->at[i]))
			return false;
	}
	return true;
}

void
mqev_endpoint_list_free(struct mqev_endpoint_list *list)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		clear_endpoint(&list->at[i]);
	mqev_free(list->at);
	memset(list, 0, sizeof *list);
}
