/* The options of a client that concern the way to the server: TLS, proxy, sockets, WebSocket. Deep
 * copies, checked when they are set. */
#include <stdlib.h>
#include <string.h>

#include <mqev/net.h>
#include <mqev/tls.h>
#include <mqev/websocket.h>

#include "client/config.h"
#include "core/mem.h"
#include "net/proxy.h"
#include "net/sockopt.h"
#include "net/ws.h"

struct mqev_net_config {
	uint32_t refs; /* configurations that differ in other things share it */
	struct mqev_socket_options socket;
	struct mqev_proxy proxy;
	const char *no_proxy;
	char *strings[6]; /* what these three point to */
	size_t string_count;
	struct mqev_websocket_options *websocket;
	struct mqev_tls *tls;
};

/* Replaces a string of the application by a copy. */
static bool
own(struct mqev_net_config *n, const char **text)
{
	char *copy;

	if (*text == NULL)
		return true;
	copy = mqev_strdup(*text);
	if (copy == NULL)
		return false;
	n->strings[n->string_count++] = copy;
	*text = copy;
	return true;
}

static int
take_socket(struct mqev_config *c, struct mqev_net_config *n, const struct mqev_options *o)
{
	int error;

	if (o->socket == NULL)
		return 0;
	error = mqev_socket_options_load(&n->socket, o->socket, &c->fault);
	if (error != 0)
		return error;
	c->transport.socket = &n->socket;
	return own(n, &n->socket.bind_address) && own(n, &n->socket.bind_interface)
		   ? 0
		   : MQEV_ERR_NOMEM;
}

static int
copy_proxy(struct mqev_config *c, struct mqev_net_config *n, const struct mqev_proxy *proxy)
{
	int error = mqev_proxy_load(&n->proxy, proxy, &c->fault);

	if (error != 0)
		return error;
	c->transport.proxy = &n->proxy;
	return own(n, &n->proxy.host) && own(n, &n->proxy.username) && own(n, &n->proxy.password)
		   ? 0
		   : MQEV_ERR_NOMEM;
}

static int
take_no_proxy(struct mqev_config *c, struct mqev_net_config *n, const char *list)
{
	n->no_proxy = list;
	if (!own(n, &n->no_proxy))
		return MQEV_ERR_NOMEM;
	c->transport.no_proxy = n->no_proxy;
	return 0;
}

static int
take_environment(struct mqev_config *c, struct mqev_net_config *n)
{
	const char *url = getenv("mqtt_proxy");
	struct mqev_proxy *proxy;
	int error;

	if (url == NULL || url[0] == '\0')
		return 0;
	error = mqev_proxy_from_url(url, &proxy, &c->fault);
	if (error != 0)
		return error;
	error = copy_proxy(c, n, proxy);
	mqev_proxy_free(proxy);
	return error == 0 ? take_no_proxy(c, n, getenv("no_proxy")) : error;
}

static int
take_proxy(struct mqev_config *c, struct mqev_net_config *n, const struct mqev_options *o)
{
	if (o->proxy != NULL)
		return copy_proxy(c, n, o->proxy);
	return o->proxy_from_environment ? take_environment(c, n) : 0;
}

static int
take_websocket(struct mqev_config *c, struct mqev_net_config *n, const struct mqev_options *o)
{
	int error;

	if (o->websocket == NULL)
		return 0;
	error = mqev_ws_options_check(o->websocket, &c->fault);
	if (error != 0)
		return error;
	c->fault = NULL;
	n->websocket = mqev_ws_options_copy(o->websocket);
	c->transport.websocket = n->websocket;
	return n->websocket != NULL ? 0 : MQEV_ERR_NOMEM;
}

int
mqev_config_take_net(struct mqev_config *c, const struct mqev_options *o)
{
	static int (*const steps[])(struct mqev_config *, struct mqev_net_config *,
	    const struct mqev_options *) = {take_socket, take_proxy, take_websocket};
	int error = 0;

	if (o->socket == NULL && o->proxy == NULL && o->websocket == NULL && o->tls == NULL &&
	    !o->proxy_from_environment)
		return 0;
	c->net = mqev_calloc(1, sizeof(*c->net));
	if (c->net == NULL)
		return MQEV_ERR_NOMEM;
	c->net->refs = 1;
	for (size_t i = 0; error == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		error = steps[i](c, c->net, o);
	if (error == 0 && o->tls != NULL)
		c->transport.tls = c->net->tls = mqev_tls_ref(o->tls);
	return error;
}

void
mqev_config_ref_net(struct mqev_config *c)
{
	if (c->net != NULL)
		c->net->refs++;
}

static void
unref(struct mqev_net_config *n)
{
	if (n == NULL || --n->refs > 0)
		return;
	for (size_t i = 0; i < n->string_count; i++)
		mqev_free(n->strings[i]);
	mqev_ws_options_free(n->websocket);
	mqev_tls_free(n->tls);
	mqev_free(n);
}

void
mqev_config_free_net(struct mqev_config *c)
{
	unref(c->net);
}

/* --- changing a part of it ---------------------------------------------------------------------
 */

/* Its present way to the server, as options say it; no_proxy has none of its own there. */
static struct mqev_options
present_way(const struct mqev_config *c)
{
	return (struct mqev_options){.size = sizeof(struct mqev_options),
	    .socket = c->transport.socket,
	    .proxy = c->transport.proxy,
	    .websocket = c->transport.websocket,
	    .tls = c->transport.tls};
}

/* Others may hold what is there: a new one takes its place. What was taken before passes again. */
static int
replace(struct mqev_config *c, const struct mqev_options *way, const char *no_proxy)
{
	struct mqev_net_config *old = c->net;
	int error;

	c->net = NULL;
	c->transport.socket = NULL;
	c->transport.proxy = NULL;
	c->transport.no_proxy = NULL;
	c->transport.websocket = NULL;
	c->transport.tls = NULL;
	error = mqev_config_take_net(c, way);
	if (error == 0 && no_proxy != NULL)
		error = take_no_proxy(c, c->net, no_proxy);
	unref(old);
	return error;
}

int
mqev_config_take_tls(struct mqev_config *c, const struct mqev_options *o)
{
	struct mqev_options way = present_way(c);

	way.tls = o->tls;
	return replace(c, &way, c->transport.no_proxy);
}

int
mqev_config_take_proxy(struct mqev_config *c, const struct mqev_options *o)
{
	struct mqev_options way = present_way(c);

	way.proxy = o->proxy;
	way.proxy_from_environment = o->proxy_from_environment;
	return replace(c, &way, NULL);
}

int
mqev_config_take_socket(struct mqev_config *c, const struct mqev_options *o)
{
	struct mqev_options way = present_way(c);

	way.socket = o->socket;
	return replace(c, &way, c->transport.no_proxy);
}

int
mqev_config_take_websocket(struct mqev_config *c, const struct mqev_options *o)
{
	struct mqev_options way = present_way(c);

	way.websocket = o->websocket;
	return replace(c, &way, c->transport.no_proxy);
}

/* --- comparing ---------------------------------------------------------------------------------
 */

/* Two strings that may be NULL. */
static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_socket(const struct mqev_socket_options *a, const struct mqev_socket_options *b)
{
	struct mqev_socket_options like_b = *a;

	like_b.bind_address = b->bind_address;
	like_b.bind_interface = b->bind_interface;
	return same_text(a->bind_address, b->bind_address) &&
	       same_text(a->bind_interface, b->bind_interface) &&
	       memcmp(&like_b, b, sizeof(like_b)) == 0;
}

static bool
same_proxy(const struct mqev_proxy *a, const struct mqev_proxy *b)
{
	return a->type == b->type && a->port == b->port && a->resolve_here == b->resolve_here &&
	       same_text(a->host, b->host) && same_text(a->username, b->username) &&
	       same_text(a->password, b->password);
}

static bool
same_headers(const struct mqev_websocket_options *a, const struct mqev_websocket_options *b)
{
	if (a->header_count != b->header_count)
		return false;
	for (size_t i = 0; i < a->header_count; i++) {
		if (strcmp(a->headers[i], b->headers[i]) != 0)
			return false;
	}
	return true;
}

static bool
same_websocket(const struct mqev_websocket_options *a, const struct mqev_websocket_options *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return same_text(a->path, b->path) && same_text(a->subprotocol, b->subprotocol) &&
	       same_headers(a, b) && a->on_prepare == b->on_prepare &&
	       a->prepare_arg == b->prepare_arg && a->max_frame_bytes == b->max_frame_bytes;
}

bool
mqev_config_same_net(const struct mqev_net_config *a, const struct mqev_net_config *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return a->tls == b->tls && same_text(a->no_proxy, b->no_proxy) &&
	       same_socket(&a->socket, &b->socket) && same_proxy(&a->proxy, &b->proxy) &&
	       same_websocket(a->websocket, b->websocket);
}

void
mqev_config_point_to_net(struct mqev_config *config, const struct mqev_config *of)
{
	config->net = of->net;
	if ((config->transport.socket == NULL) == (of->transport.socket == NULL))
		config->transport.socket = of->transport.socket;
	if ((config->transport.proxy == NULL) == (of->transport.proxy == NULL))
		config->transport.proxy = of->transport.proxy;
	config->transport.no_proxy = of->transport.no_proxy;
	config->transport.websocket = of->transport.websocket;
}
