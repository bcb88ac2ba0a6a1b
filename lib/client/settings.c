/* Changing a client's settings while it runs: its configuration, which others may share, gives way
 * to another one. */
#include <mqev/settings.h>

#include "client/client.h"
#include "client/config.h"

/* A copy to be changed. */
static int
edit(const struct mqev_client *c, struct mqev_config **made)
{
	if (c == NULL)
		return MQEV_ERR_INVALID;
	if (c->freed)
		return MQEV_ERR_STATE;
	*made = mqev_config_edit(c->config);
	return *made != NULL ? 0 : MQEV_ERR_NOMEM;
}

/* Calls from the loop that are in progress may look at the old one. */
static void
give_up(struct mqev_fleet *fleet, struct mqev_config *old)
{
	if (fleet->depth > 0)
		mqev_config_retire(&fleet->retired, old);
	else
		mqev_config_unref(old);
}

static int
put(struct mqev_client *c, struct mqev_config *made)
{
	struct mqev_config *old = c->config;
	struct mqev_config *config;
	int error = mqev_config_settle(&c->fleet->configs, made, &config);

	if (error != 0)
		return error;
	c->config = config;
	mqev_client_follow_config(c);
	give_up(c->fleet, old);
	mqev_fleet_set_tick(c->fleet, c);
	return 0;
}

static int
change(struct mqev_client *c, const struct mqev_options *options,
    int (*take)(struct mqev_config *, const struct mqev_options *))
{
	struct mqev_config *made = NULL;
	int error = edit(c, &made);

	if (error != 0)
		return error;
	error = take(made, options);
	if (error == 0)
		return put(c, made);
	c->error_text = made->fault != NULL ? made->fault : "";
	mqev_config_unref(made);
	return error;
}

/* --- callbacks ---------------------------------------------------------------------------------
 */

#define CALLBACK_SETTER(name, type, member)                               \
	int mqev_client_set_##name(struct mqev_client *c, type *callback) \
	{                                                                 \
		struct mqev_config *made = NULL;                          \
		int error = edit(c, &made);                               \
                                                                          \
		if (error != 0)                                           \
			return error;                                     \
		made->member = callback;                                  \
		return put(c, made);                                      \
	}

CALLBACK_SETTER(on_connect, mqev_connect_cb, on_connect)
CALLBACK_SETTER(on_connect_fail, mqev_connect_fail_cb, on_connect_fail)
CALLBACK_SETTER(on_disconnect, mqev_disconnect_cb, on_disconnect)
CALLBACK_SETTER(on_message, mqev_message_cb, on_message)
CALLBACK_SETTER(on_publish, mqev_result_cb, on_publish)
CALLBACK_SETTER(on_subscribe, mqev_result_cb, on_subscribe)
CALLBACK_SETTER(on_unsubscribe, mqev_result_cb, on_unsubscribe)
CALLBACK_SETTER(on_log, mqev_log_cb, on_log)
CALLBACK_SETTER(on_event, mqev_event_cb, on_event)
CALLBACK_SETTER(on_pre_connect, mqev_pre_connect_cb, on_pre_connect)
CALLBACK_SETTER(on_socket_open, mqev_socket_cb, on_socket_open)
CALLBACK_SETTER(on_socket_register_write, mqev_socket_cb, on_socket_register_write)
CALLBACK_SETTER(on_socket_unregister_write, mqev_socket_cb, on_socket_unregister_write)
CALLBACK_SETTER(on_socket_close, mqev_socket_cb, on_socket_close)
CALLBACK_SETTER(on_ack_timeout, mqev_result_cb, on_ack_timeout)
CALLBACK_SETTER(on_hold_timeout, mqev_held_cb, on_hold_timeout)
CALLBACK_SETTER(on_water, mqev_water_cb, on_water)
CALLBACK_SETTER(on_retry, mqev_retry_cb, reconnect.on_retry)
CALLBACK_SETTER(on_redirect, mqev_redirect_cb, reconnect.on_redirect)

/* --- for the next CONNECT ----------------------------------------------------------------------
 */

int
mqev_client_set_login(
    struct mqev_client *c, const char *username, const void *password, size_t password_len)
{
	int error = change(c,
	    MQEV_OPTIONS(.username = username, .password = password, .password_len = password_len),
	    mqev_config_take_login);

	if (error == 0)
		c->refused = 0;
	return error;
}

int
mqev_client_set_will(struct mqev_client *c, const struct mqev_will *will)
{
	return change(c, MQEV_OPTIONS(.will = will), mqev_config_take_will);
}

int
mqev_client_set_keepalive(struct mqev_client *c, uint32_t keepalive)
{
	return change(c, MQEV_OPTIONS(.keepalive = keepalive), mqev_config_take_keepalive);
}

static int
take_connect_properties(struct mqev_config *config, const struct mqev_options *options)
{
	struct mqev_options o = *options;

	o.request_response_information = config->session.request_response_information;
	return mqev_config_take_properties(config, &o);
}

int
mqev_client_set_connect_properties(struct mqev_client *c, const struct mqev_properties *properties)
{
	return change(c, MQEV_OPTIONS(.connect_properties = properties), take_connect_properties);
}

int
mqev_client_set_connect_timeout(
    struct mqev_client *c, uint32_t connect_timeout_ms, uint32_t connack_timeout_ms)
{
	return change(c,
	    MQEV_OPTIONS(.connect_timeout_ms = connect_timeout_ms,
		.connack_timeout_ms = connack_timeout_ms),
	    mqev_config_take_timeouts);
}

/* --- for the next attempt ----------------------------------------------------------------------
 */

int
mqev_client_set_tls(struct mqev_client *c, struct mqev_tls *tls)
{
	int error = change(c, MQEV_OPTIONS(.tls = tls), mqev_config_take_tls);

	if (error == 0 && c->servers != NULL)
		mqev_connect_prepare_tls(c);
	return error;
}

int
mqev_client_set_proxy(struct mqev_client *c, const struct mqev_proxy *proxy)
{
	return change(c, MQEV_OPTIONS(.proxy = proxy), mqev_config_take_proxy);
}

int
mqev_client_set_socket(struct mqev_client *c, const struct mqev_socket_options *options)
{
	return change(c, MQEV_OPTIONS(.socket = options), mqev_config_take_socket);
}

int
mqev_client_set_websocket(struct mqev_client *c, const struct mqev_websocket_options *options)
{
	return change(c, MQEV_OPTIONS(.websocket = options), mqev_config_take_websocket);
}

/* --- for the next failure or end of a connection -----------------------------------------------
 */

int
mqev_client_set_reconnect(struct mqev_client *c, bool on)
{
	struct mqev_config *made = NULL;
	int error = edit(c, &made);

	if (error != 0)
		return error;
	made->no_reconnect = !on;
	return put(c, made);
}

int
mqev_client_set_reconnect_delay(
    struct mqev_client *c, uint32_t reconnect_min_ms, uint32_t reconnect_max_ms)
{
	int error = change(c,
	    MQEV_OPTIONS(.reconnect_min_ms = reconnect_min_ms,
		.reconnect_max_ms = reconnect_max_ms),
	    mqev_config_take_delays);

	if (error == 0)
		c->retries = 0;
	return error;
}

int
mqev_client_set_reconnect_options(
    struct mqev_client *c, const struct mqev_reconnect_options *options)
{
	return change(c, MQEV_OPTIONS(.reconnect = options), mqev_config_take_reconnect);
}

/* --- at once -----------------------------------------------------------------------------------
 */

int
mqev_client_set_max_inflight(struct mqev_client *c, uint32_t max_inflight)
{
	int error =
	    change(c, MQEV_OPTIONS(.max_inflight = max_inflight), mqev_config_take_inflight);

	if (error == 0)
		mqev_fleet_plan(c->fleet, c); /* there may be room now */
	return error;
}

int
mqev_client_set_max_queued(struct mqev_client *c, uint32_t max_queued, size_t max_queued_bytes)
{
	return change(c,
	    MQEV_OPTIONS(.max_queued = max_queued, .max_queued_bytes = max_queued_bytes),
	    mqev_config_take_queue);
}

int
mqev_client_set_queue_full(struct mqev_client *c, enum mqev_queue_full queue_full)
{
	return change(c, MQEV_OPTIONS(.queue_full = queue_full), mqev_config_take_queue_full);
}

int
mqev_client_set_water(struct mqev_client *c, const struct mqev_water_marks *marks)
{
	int error = change(c, MQEV_OPTIONS(.water = marks), mqev_config_take_water);

	if (error == 0)
		mqev_session_recheck_marks(&c->session);
	return error;
}

int
mqev_client_set_offline_qos0(struct mqev_client *c, enum mqev_offline offline_qos0)
{
	return change(c, MQEV_OPTIONS(.offline_qos0 = offline_qos0), mqev_config_take_offline);
}

int
mqev_client_set_ping_timeout(struct mqev_client *c, uint32_t ping_timeout_ms)
{
	return change(c, MQEV_OPTIONS(.ping_timeout_ms = ping_timeout_ms), mqev_config_take_ping);
}

int
mqev_client_set_ack_timeout(
    struct mqev_client *c, uint32_t ack_timeout_ms, enum mqev_ack_timeout action)
{
	return change(c,
	    MQEV_OPTIONS(.ack_timeout_ms = ack_timeout_ms, .ack_timeout_action = action),
	    mqev_config_take_ack_timeout);
}
