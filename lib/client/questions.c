/* What can be asked of a client. */
#include <string.h>

#include <mqev/settings.h>

#include "client/client.h"

void *
mqev_client_userdata(const struct mqev_client *c)
{
	return c->userdata;
}

void
mqev_client_set_userdata(struct mqev_client *c, void *userdata)
{
	c->userdata = userdata;
}

struct mqev_fleet *
mqev_client_fleet(const struct mqev_client *c)
{
	return c->fleet;
}

const char *
mqev_client_id(const struct mqev_client *c)
{
	return c->client_id != NULL ? c->client_id : "";
}

enum mqev_protocol
mqev_client_protocol(const struct mqev_client *c)
{
	return (enum mqev_protocol)c->session.version;
}

bool
mqev_client_is_connected(const struct mqev_client *c)
{
	return c->session.state == MQEV_SESSION_CONNECTED;
}

enum mqev_client_state
mqev_client_state(const struct mqev_client *c)
{
	return (enum mqev_client_state)c->state;
}

const char *
mqev_client_error_text(const struct mqev_client *c)
{
	return c->error_text;
}

/* --- what it connects with ---------------------------------------------------------------------
 */

/* Copied bytes end with a NUL; of none there is no copy. */
static const char *
text_of(const struct mqev_bytes *bytes)
{
	return bytes->len > 0 ? (const char *)bytes->data : "";
}

const char *
mqev_client_username(const struct mqev_client *c)
{
	const struct mqev_session_settings *set = &c->config->session;
	const struct mqev_endpoint *server = mqev_client_server(c);

	if (set->has_username)
		return text_of(&set->username);
	return server != NULL && !set->has_password ? server->username : NULL;
}

bool
mqev_client_will(const struct mqev_client *c, struct mqev_will *will)
{
	const struct mqev_session_will *set = c->config->session.will;

	if (set == NULL || will == NULL)
		return false;
	*will = (struct mqev_will){
	    .size = sizeof(*will),
	    .topic = text_of(&set->topic),
	    .payload = text_of(&set->payload),
	    .payload_len = set->payload.len,
	    .qos = set->qos,
	    .retain = set->retain,
	    .properties = &c->config->will_properties,
	};
	return true;
}

const char *
mqev_client_host(const struct mqev_client *c)
{
	const struct mqev_endpoint *server = mqev_client_server(c);

	return server != NULL ? server->host : "";
}

uint16_t
mqev_client_port(const struct mqev_client *c)
{
	const struct mqev_endpoint *server = mqev_client_server(c);

	return server != NULL ? server->port : 0;
}

/* --- what the server allows --------------------------------------------------------------------
 */

uint32_t
mqev_client_keepalive(const struct mqev_client *c)
{
	return mqev_client_is_connected(c) ? c->session.keepalive_s
					   : c->config->session.keepalive_s;
}

int
mqev_client_limits(const struct mqev_client *c, struct mqev_limits *limits)
{
	const struct mqev_server_limits *server = &c->session.server;
	size_t size = limits != NULL ? limits->size : 0;
	const struct mqev_limits all = {
	    .size = size,
	    .max_packet_size = server->max_packet_size,
	    .session_expiry = c->session.session_expiry_s,
	    .receive_maximum = server->receive_maximum,
	    .topic_alias_maximum = server->topic_alias_maximum,
	    .keepalive = c->session.keepalive_s,
	    .max_qos = server->max_qos,
	    .retain = server->retain,
	    .wildcard = server->wildcard,
	    .shared = server->shared,
	    .subscription_id = server->subscription_id,
	};

	if (size < sizeof(size))
		return MQEV_ERR_INVALID;
	if (!mqev_client_is_connected(c))
		return MQEV_ERR_STATE;
	memcpy(limits, &all, size < sizeof(all) ? size : sizeof(all));
	return 0;
}
