/* mqev_connect(), mqev_reconnect(), mqev_disconnect(): what the application wants. How it comes
 * about: controller.c. */
#include <string.h>

#include "client/client.h"
#include "client/durable.h"
#include "client/options.h"
#include "core/reason.h"
#include "core/utf8.h"
#include "port/port.h"

static bool
fits_connect(const char *text)
{
	return text == NULL || strlen(text) <= UINT16_MAX;
}

/* NULL when the user and the password of the URL can stand in a CONNECT. */
static const char *
login_fault(const struct mqev_client *c, const struct mqev_endpoint *server)
{
	const char *name = server->username;

	if (!fits_connect(name) || !fits_connect(server->password))
		return "the user name or the password is longer than 65,535 bytes";
	if (name != NULL && !mqev_utf8_valid((const uint8_t *)name, strlen(name)))
		return "the user name is not UTF-8";
	/* [MQTT-3.1.2-22] */
	if (name == NULL && server->password != NULL && c->config->version != MQEV_V5)
		return "a password without a user name needs MQTT 5";
	return NULL;
}

static bool
logins_ok(struct mqev_client *c, const struct mqev_endpoint_list *servers)
{
	for (size_t i = 0; i < servers->count; i++) {
		const char *fault = login_fault(c, &servers->at[i]);

		if (fault != NULL) {
			c->error_text = fault;
			return false;
		}
	}
	return true;
}

/* Here and not in the loop, which it would hold up. */
void
mqev_connect_prepare_tls(const struct mqev_client *c)
{
	const struct mqev_endpoint_list *list = &c->servers->list;

	for (size_t i = 0; i < list->count; i++) {
		if (list->at[i].tls && c->config->transport.tls == NULL) {
			mqev_net_prepare_tls(c->fleet->net);
			return;
		}
	}
}

static int
parse(struct mqev_client *c, const char *url, struct mqev_servers **servers)
{
	struct mqev_endpoint_list list;
	const char *why = NULL;
	int error = mqev_url_parse(url, &list, &why);

	c->error_text = why != NULL ? why : "";
	if (error != 0)
		return error;
	*servers = mqev_servers_get(&c->fleet->servers, &list, url);
	return *servers != NULL ? 0 : MQEV_ERR_NOMEM;
}

int
mqev_connect_parse(struct mqev_client *c, const char *url, struct mqev_servers **servers)
{
	int error = 0;

	c->error_text = "";
	*servers = mqev_servers_find(c->fleet->servers, url);
	if (*servers == NULL)
		error = parse(c, url, servers);
	if (error != 0)
		return error;
	if (logins_ok(c, &(*servers)->list))
		return 0;
	mqev_servers_unref(*servers);
	return MQEV_ERR_INVALID;
}

void
mqev_connect_use(struct mqev_client *c, struct mqev_servers *servers)
{
	mqev_servers_unref(c->servers);
	mqev_detour_drop(c);
	c->servers = servers;
	c->server = 0;
	mqev_connect_prepare_tls(c);
}

/* From now on a connection is wanted, and all counts begin. */
static void
want(struct mqev_client *c)
{
	c->wanted = true;
	c->accepted = false;
	c->deciding = false;
	c->faults = 0;
	c->hops = 0;
	c->refused = 0;
	mqev_retry_reset(c, mqev_port_now_ms());
	/* Else the connection that ends now goes first. */
	if (c->state == MQEV_CLIENT_IDLE)
		mqev_fleet_plan(c->fleet, c);
}

int
mqev_connect(struct mqev_client *c, const char *url)
{
	struct mqev_servers *servers;
	int error;

	if (c == NULL || url == NULL)
		return MQEV_ERR_INVALID;
	if (c->freed || c->wanted || mqev_drain_of(c) != NULL)
		return MQEV_ERR_STATE;
	if (mqev_durable_error(c) != 0)
		return mqev_durable_error(c);
	error = mqev_connect_parse(c, url, &servers);
	if (error != 0)
		return error;
	mqev_connect_use(c, servers);
	want(c);
	return 0;
}

static int
abandon_attempt(struct mqev_client *c, enum mqev_stage stage)
{
	mqev_controller_forget_attempt(c);
	c->deciding = false;
	/* One that is still to be told of is not forgotten. */
	if (stage != MQEV_STAGE_NONE)
		c->abandoned = (uint8_t)stage;
	return 0;
}

/* Without memory for a DISCONNECT the connection ends all the same. */
static int
end_session(struct mqev_client *c, const struct mqev_disconnect_options *options)
{
	int error = mqev_session_disconnect(&c->session, (uint8_t)options->reason,
	    mqev_properties_block(options->properties), mqev_port_now_ms());

	if (error == MQEV_ERR_INVALID)
		return error;
	mqev_fleet_plan(c->fleet, c);
	return 0;
}

static int
disconnect_now(struct mqev_client *c, const struct mqev_disconnect_options *options)
{
	switch ((enum mqev_client_state)c->state) {
	case MQEV_CLIENT_WAITING:
	case MQEV_CLIENT_QUEUED:
	case MQEV_CLIENT_IDLE:
		return abandon_attempt(c, MQEV_STAGE_NONE);
	case MQEV_CLIENT_PREPARING:
		return abandon_attempt(c, MQEV_STAGE_PREPARE);
	case MQEV_CLIENT_DIALING:
		return abandon_attempt(c, mqev_attempt_stage(c));
	case MQEV_CLIENT_HANDSHAKE:
		mqev_session_abort(&c->session, MQEV_ERR_CANCELED, "given up by the application");
		break;
	case MQEV_CLIENT_CONNECTED:
		return end_session(c, options);
	case MQEV_CLIENT_CLOSING:
		break;
	}
	mqev_fleet_plan(c->fleet, c);
	return 0;
}

static bool
disconnect_valid(const struct mqev_disconnect_options *options)
{
	return (int)options->reason >= 0 && options->reason <= UINT8_MAX &&
	       mqev_reason_legal(
		   (uint8_t)options->reason, MQEV_PACKET_DISCONNECT, MQEV_FROM_CLIENT) &&
	       mqev_properties_sendable(options->properties, MQEV_PACKET_DISCONNECT);
}

int
mqev_disconnect(struct mqev_client *c, const struct mqev_disconnect_options *options)
{
	struct mqev_disconnect_options taken = {.size = sizeof(taken)};
	int error = 0;

	if (c == NULL)
		return MQEV_ERR_INVALID;
	if (options != NULL)
		error = mqev_options_take(&taken, sizeof(taken), options);
	if (error == 0 && !disconnect_valid(&taken))
		error = MQEV_ERR_INVALID;
	if (error != 0)
		return error;
	if (c->freed || !c->wanted)
		return MQEV_ERR_STATE;
	error = disconnect_now(c, &taken);
	if (error == 0)
		c->wanted = false;
	return error;
}

int
mqev_reconnect(struct mqev_client *c)
{
	const struct mqev_disconnect_options normally = {.size = sizeof(normally)};

	if (c == NULL)
		return MQEV_ERR_INVALID;
	if (c->freed || mqev_drain_of(c) != NULL || c->servers == NULL)
		return MQEV_ERR_STATE;
	if (c->wanted)
		disconnect_now(c, &normally);
	mqev_detour_drop(c);
	c->server = 0;
	want(c);
	return 0;
}

void
mqev_network_changed(struct mqev_client *c)
{
	if (c == NULL || c->freed)
		return;
	if (c->state == MQEV_CLIENT_WAITING) {
		mqev_controller_forget_attempt(c);
		c->retries = 0;
		return;
	}
	mqev_session_probe(&c->session, mqev_port_now_ms());
	mqev_fleet_set_tick(c->fleet, c);
	if (c->session.state == MQEV_SESSION_ENDED)
		mqev_fleet_plan(c->fleet, c);
}
