/* The options of a client that concern the way to the server: TLS, proxy, sockets, WebSocket. Deep
 * copies, checked when they are set. */
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
	char *strings[6]; /* what these two point to */
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
	const char *why;
	int error;

	if (o->socket == NULL)
		return 0;
	error = mqev_socket_options_load(&n->socket, o->socket, &why);
	if (error != 0)
		return error;
	c->transport.socket = &n->socket;
	return own(n, &n->socket.bind_address) && own(n, &n->socket.bind_interface)
		   ? 0
		   : MQEV_ERR_NOMEM;
}

static int
take_proxy(struct mqev_config *c, struct mqev_net_config *n, const struct mqev_options *o)
{
	const char *why;
	int error;

	if (o->proxy == NULL)
		return 0;
	error = mqev_proxy_load(&n->proxy, o->proxy, &why);
	if (error != 0)
		return error;
	c->transport.proxy = &n->proxy;
	return own(n, &n->proxy.host) && own(n, &n->proxy.username) && own(n, &n->proxy.password)
		   ? 0
		   : MQEV_ERR_NOMEM;
}

static int
take_websocket(struct mqev_config *c, struct mqev_net_config *n, const struct mqev_options *o)
{
	const char *why;
	int error;

	if (o->websocket == NULL)
		return 0;
	error = mqev_ws_options_check(o->websocket, &why);
	if (error != 0)
		return error;
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

	if (o->socket == NULL && o->proxy == NULL && o->websocket == NULL && o->tls == NULL)
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

void
mqev_config_free_net(struct mqev_config *c)
{
	struct mqev_net_config *n = c->net;

	if (n == NULL || --n->refs > 0)
		return;
	for (size_t i = 0; i < n->string_count; i++)
		mqev_free(n->strings[i]);
	mqev_ws_options_free(n->websocket);
	mqev_tls_free(n->tls);
	mqev_free(n);
}
