/*
 * A text as a list of servers, as a proxy's URL and as a list of exceptions. What was accepted is
 * written again as a URL of the plainest form, which must mean the same.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mqev/net.h>

#include "net/proxy.h"
#include "net/url.h"
#include "net/url_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

/* Each byte as an escape, so that nothing in it can have a meaning. */
static size_t
put_escaped(char *to, const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += (size_t)sprintf(to + n, "%%%02X", (unsigned char)*text);
	return n;
}

static size_t
length(const char *text)
{
	return text != NULL ? strlen(text) : 0;
}

static size_t
put_login(char *to, const struct mqev_endpoint *e)
{
	size_t n = 0;

	if (e->username == NULL && e->password == NULL)
		return 0;
	if (e->username != NULL)
		n += put_escaped(to, e->username);
	if (e->password != NULL) {
		to[n++] = ':';
		n += put_escaped(to + n, e->password);
	}
	to[n++] = '@';
	return n;
}

static size_t
put_host(char *to, const char *host)
{
	size_t n = 0;

	if (strchr(host, ':') == NULL)
		return (size_t)sprintf(to, "%s", host);
	to[n++] = '[';
	n += put_escaped(to + n, host);
	to[n++] = ']';
	return n;
}

static const char *
scheme_of(const struct mqev_endpoint *e)
{
	if (e->srv)
		return e->tls ? "mqtts+srv" : "mqtt+srv";
	if (e->websocket)
		return e->tls ? "wss" : "ws";
	return e->tls ? "mqtts" : "mqtt";
}

static char *
render(const struct mqev_endpoint *e)
{
	char *url = malloc(64 + 3 * (length(e->host) + length(e->username) + length(e->password)) +
			   length(e->path));
	size_t n;

	REQUIRE(url != NULL);
	if (e->unix_socket) {
		n = (size_t)sprintf(url, "unix://%c", e->host[0]);
		n += put_escaped(url + n, e->host + 1);
		url[n] = '\0';
		return url;
	}
	n = (size_t)sprintf(url, "%s://", scheme_of(e));
	n += put_login(url + n, e);
	n += put_host(url + n, e->host);
	if (!e->srv)
		n += (size_t)sprintf(url + n, ":%u", e->port);
	sprintf(url + n, "%s", e->path != NULL ? e->path : "");
	return url;
}

static bool
same_text(const char *a, const char *b)
{
	return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static void
require_same(const struct mqev_endpoint *a, const struct mqev_endpoint *b)
{
	REQUIRE(a->tls == b->tls && a->websocket == b->websocket);
	REQUIRE(a->unix_socket == b->unix_socket && a->srv == b->srv && a->port == b->port);
	REQUIRE(same_text(a->host, b->host) && same_text(a->path, b->path));
	REQUIRE(same_text(a->username, b->username) && same_text(a->password, b->password));
}

static void
check_endpoint(const struct mqev_endpoint *e)
{
	char *url = render(e);
	struct mqev_endpoint_list again;

	REQUIRE(e->host != NULL && e->host[0] != '\0');
	REQUIRE((e->port == 0) == (e->unix_socket || e->srv));
	REQUIRE((e->path != NULL) == e->websocket && (e->path == NULL || e->path[0] == '/'));
	REQUIRE(mqev_url_parse(url, &again, NULL) == 0 && again.count == 1);
	require_same(e, &again.at[0]);
	mqev_endpoint_list_free(&again);
	free(url);
}

static void
check_servers(const char *text)
{
	struct mqev_endpoint_list list;
	const char *why;
	size_t i;
	int rc = mqev_url_parse(text, &list, &why);

	REQUIRE((rc == 0) == (list.count > 0) && (rc == 0) == (why == NULL));
	for (i = 0; i < list.count; i++)
		check_endpoint(&list.at[i]);
	mqev_endpoint_list_free(&list);
}

static void
check_proxy(const char *text)
{
	struct mqev_proxy *proxy, checked;
	const char *why;
	int rc = mqev_proxy_from_url(text, &proxy, &why);

	REQUIRE((rc == 0) == (proxy != NULL) && (rc == 0) == (why == NULL));
	if (rc == 0)
		REQUIRE(mqev_proxy_load(&checked, proxy, &why) == 0 && checked.port != 0);
	mqev_proxy_free(proxy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	REQUIRE(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_servers(text);
	check_proxy(text);
	(void)mqev_no_proxy_covers(text, "broker.example", 1883);
	(void)mqev_no_proxy_covers(text, "2001:db8::1", 1883);
	(void)mqev_no_proxy_covers("10.0.0.0/8,example.org:1883,[::1]", text, 1883);
	free(text);
	return 0;
}
