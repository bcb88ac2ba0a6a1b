/* Options of proxies: checked, made of a URL, left aside for hosts that need none. Talks to no
 * proxy. */
#include "net/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/url_scan.h"

/* What SOCKS can carry of a name, a user and a password; the same for all. */
#define FIELD_MAX 255

/* By enum mqev_proxy_type. */
static const struct {
	uint16_t port;
	int resolve_here; /* -1: as the caller says */
} types[] = {
    [MQEV_PROXY_NONE] = {0, 0},
    [MQEV_PROXY_HTTP] = {8080, -1},
    [MQEV_PROXY_SOCKS4] = {1080, 1},
    [MQEV_PROXY_SOCKS4A] = {1080, 0},
    [MQEV_PROXY_SOCKS5] = {1080, -1},
};

#define TYPE_COUNT (sizeof types / sizeof types[0])

/* What a URL may begin with. */
static const struct {
	const char *name;
	enum mqev_proxy_type type;
	int resolve_here;
} schemes[] = {
    {"http", MQEV_PROXY_HTTP, 0},
    {"socks4", MQEV_PROXY_SOCKS4, 1},
    {"socks4a", MQEV_PROXY_SOCKS4A, 0},
    {"socks5", MQEV_PROXY_SOCKS5, 1},
    {"socks5h", MQEV_PROXY_SOCKS5, 0},
};

#define SCHEME_COUNT (sizeof schemes / sizeof schemes[0])

static bool
host_ok(const char *host)
{
	struct mqev_span span = {host, strlen(host)};

	return mqev_host_is_ipv6(host) || mqev_host_check(span, false) == NULL;
}

static bool
field_ok(const char *field)
{
	return field == NULL || strlen(field) <= FIELD_MAX;
}

static const char *
fault(const struct mqev_proxy *proxy)
{
	if ((size_t)proxy->type >= TYPE_COUNT)
		return "unknown type of proxy";
	if (proxy->type == MQEV_PROXY_NONE)
		return NULL;
	if (proxy->host == NULL || !host_ok(proxy->host))
		return "bad host of the proxy";
	if (!field_ok(proxy->username) || !field_ok(proxy->password))
		return "user name or password of the proxy is longer than 255 bytes";
	if (proxy->username == NULL && proxy->password != NULL)
		return "a password of the proxy needs a user name";
	if (proxy->type == MQEV_PROXY_HTTP && proxy->username != NULL &&
	    strchr(proxy->username, ':') != NULL)
		return "a user name of an HTTP proxy has no colon";
	if (proxy->type == MQEV_PROXY_SOCKS5 && proxy->username != NULL &&
	    proxy->username[0] == '\0')
		return "the user name of a SOCKS5 proxy is empty";
	return NULL;
}

int
mqev_proxy_load(struct mqev_proxy *out, const struct mqev_proxy *given, const char **why)
{
	memset(out, 0, sizeof *out);
	*why = NULL;
	if (given == NULL)
		return 0;
	if (given->size < sizeof given->size) {
		*why = "proxy: size is not set";
		return MQEV_ERR_INVALID;
	}
	memcpy(out, given, given->size < sizeof *out ? given->size : sizeof *out);
	*why = fault(out);
	if (*why != NULL)
		return MQEV_ERR_INVALID;
	if (out->port == 0)
		out->port = types[out->type].port;
	if (types[out->type].resolve_here >= 0)
		out->resolve_here = types[out->type].resolve_here;
	return 0;
}

/* From a URL ----------------------------------------------------------------------------------- */

static int
take_scheme(struct mqev_span *rest, struct mqev_proxy *proxy, const char **why)
{
	struct mqev_span name;
	size_t i;

	proxy->type = MQEV_PROXY_HTTP;
	if (!mqev_span_cut(rest, "://", &name))
		return 0;
	for (i = 0; i < SCHEME_COUNT; i++) {
		if (mqev_span_is(name, schemes[i].name)) {
			proxy->type = schemes[i].type;
			proxy->resolve_here = schemes[i].resolve_here;
			return 0;
		}
	}
	*why = "unknown scheme of a proxy";
	return MQEV_ERR_INVALID;
}

static int
take_login(struct mqev_span *rest, struct mqev_proxy *proxy, const char **why)
{
	struct mqev_span login, name;
	char *username = NULL, *password = NULL;
	int rc;

	if (!mqev_span_cut_last(rest, '@', &login))
		return 0;
	if (mqev_span_cut(&login, ":", &name)) {
		rc = mqev_span_decode(login, &password);
	} else {
		name = login;
		rc = 0;
	}
	if (rc == 0)
		rc = mqev_span_decode(name, &username);
	if (rc == MQEV_ERR_INVALID)
		*why = "bad percent escape in the login of the proxy";
	proxy->username = username;
	proxy->password = password;
	return rc;
}

/* Takes the host off; what is left is empty or begins with the colon of a port. */
static bool
take_host(struct mqev_span *rest, struct mqev_span *host, bool *bracketed)
{
	*bracketed = rest->len > 0 && rest->at[0] == '[';
	if (!*bracketed) {
		*host = mqev_span_take_until(rest, ":");
		return true;
	}
	*rest = mqev_span_from(*rest, 1);
	return mqev_span_cut(rest, "]", host) && (rest->len == 0 || rest->at[0] == ':');
}

static int
take_address(struct mqev_span rest, struct mqev_proxy *proxy, const char **why)
{
	struct mqev_span host;
	bool bracketed;

	*why = "bad host of the proxy";
	if (!take_host(&rest, &host, &bracketed))
		return MQEV_ERR_INVALID;
	proxy->host = mqev_span_dup(host);
	if (proxy->host == NULL) {
		*why = "out of memory";
		return MQEV_ERR_NOMEM;
	}
	if (bracketed && !mqev_host_is_ipv6(proxy->host))
		return MQEV_ERR_INVALID;
	if (rest.len == 0 || mqev_span_port(mqev_span_from(rest, 1), &proxy->port))
		return 0;
	*why = "the port of the proxy is not a number from 1 to 65535";
	return MQEV_ERR_INVALID;
}

static int
parse(const char *url, struct mqev_proxy *proxy, const char **why)
{
	struct mqev_span rest = {url, strlen(url)}, authority;
	struct mqev_proxy checked;
	int rc;

	if (!mqev_span_is_uri(rest)) {
		*why = "the URL of a proxy has printable ASCII only";
		return MQEV_ERR_INVALID;
	}
	rc = take_scheme(&rest, proxy, why);
	authority = mqev_span_take_until(&rest, "/");
	if (rc == 0 && rest.len > 1) {
		*why = "the URL of a proxy has no path";
		rc = MQEV_ERR_INVALID;
	}
	if (rc == 0)
		rc = take_login(&authority, proxy, why);
	if (rc == 0)
		rc = take_address(authority, proxy, why);
	if (rc == 0)
		rc = mqev_proxy_load(&checked, proxy, why);
	return rc;
}

int
mqev_proxy_from_url(const char *url, struct mqev_proxy **proxy, const char **why)
{
	struct mqev_proxy *made = mqev_calloc(1, sizeof *made);
	const char *reason = "out of memory";
	int rc = MQEV_ERR_NOMEM;

	*proxy = NULL;
	if (made != NULL) {
		made->size = sizeof *made;
		rc = parse(url, made, &reason);
	}
	if (why != NULL)
		*why = rc != 0 ? reason : NULL;
	if (rc == 0)
		*proxy = made;
	else
		mqev_proxy_free(made);
	return rc;
}

void
mqev_proxy_free(struct mqev_proxy *proxy)
{
	if (proxy == NULL)
		return;
	mqev_free((char *)(uintptr_t)proxy->host);
	mqev_free((char *)(uintptr_t)proxy->username);
	mqev_free((char *)(uintptr_t)proxy->password);
	mqev_free(proxy);
}
