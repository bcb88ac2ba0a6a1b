/* Changing a client while it runs, what can be asked of it, and callbacks for filters. Everything
 * here may be called at any time, in every callback too. */
#ifndef MQEV_SETTINGS_H
#define MQEV_SETTINGS_H

#include <mqev/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What all setters have in common: arguments are copied; 0, MQEV_ERR_INVALID (as the option of that
 * name has it), MQEV_ERR_STATE (the client is being freed) or MQEV_ERR_NOMEM; on an error nothing
 * has changed.
 */

/* --- callbacks ---------------------------------------------------------------------------------
 * From the next event on; NULL: none. In the callback itself too.
 */
MQEV_EXPORT int mqev_client_set_on_connect(struct mqev_client *client, mqev_connect_cb *on_connect);
MQEV_EXPORT int
mqev_client_set_on_connect_fail(struct mqev_client *client, mqev_connect_fail_cb *on_connect_fail);
MQEV_EXPORT int
mqev_client_set_on_disconnect(struct mqev_client *client, mqev_disconnect_cb *on_disconnect);
MQEV_EXPORT int mqev_client_set_on_message(struct mqev_client *client, mqev_message_cb *on_message);
MQEV_EXPORT int mqev_client_set_on_publish(struct mqev_client *client, mqev_result_cb *on_publish);
MQEV_EXPORT int
mqev_client_set_on_subscribe(struct mqev_client *client, mqev_result_cb *on_subscribe);
MQEV_EXPORT int
mqev_client_set_on_unsubscribe(struct mqev_client *client, mqev_result_cb *on_unsubscribe);
MQEV_EXPORT int mqev_client_set_on_log(struct mqev_client *client, mqev_log_cb *on_log);
MQEV_EXPORT int mqev_client_set_on_event(struct mqev_client *client, mqev_event_cb *on_event);
MQEV_EXPORT int
mqev_client_set_on_pre_connect(struct mqev_client *client, mqev_pre_connect_cb *on_pre_connect);
MQEV_EXPORT int
mqev_client_set_on_socket_open(struct mqev_client *client, mqev_socket_cb *on_socket_open);
MQEV_EXPORT int mqev_client_set_on_socket_register_write(
    struct mqev_client *client, mqev_socket_cb *on_socket_register_write);
MQEV_EXPORT int mqev_client_set_on_socket_unregister_write(
    struct mqev_client *client, mqev_socket_cb *on_socket_unregister_write);
MQEV_EXPORT int
mqev_client_set_on_socket_close(struct mqev_client *client, mqev_socket_cb *on_socket_close);
MQEV_EXPORT int
mqev_client_set_on_ack_timeout(struct mqev_client *client, mqev_result_cb *on_ack_timeout);
MQEV_EXPORT int
mqev_client_set_on_hold_timeout(struct mqev_client *client, mqev_held_cb *on_hold_timeout);
MQEV_EXPORT int mqev_client_set_on_water(struct mqev_client *client, mqev_water_cb *on_water);
MQEV_EXPORT int mqev_client_set_on_retry(struct mqev_client *client, mqev_retry_cb *on_retry);
MQEV_EXPORT int
mqev_client_set_on_redirect(struct mqev_client *client, mqev_redirect_cb *on_redirect);

/* --- for the next CONNECT ----------------------------------------------------------------------
 * In on_pre_connect: for the attempt that begins.
 */

/* User and password as the options of these names. NULL and NULL: none, and those of the URL are
 * used again. */
MQEV_EXPORT int mqev_client_set_login(
    struct mqev_client *client, const char *username, const void *password, size_t password_len);
/* NULL: none. */
MQEV_EXPORT int mqev_client_set_will(struct mqev_client *client, const struct mqev_will *will);
/* Seconds, at most 65,535; 0: the default; MQEV_NONE: off. */
MQEV_EXPORT int mqev_client_set_keepalive(struct mqev_client *client, uint32_t keepalive);
/* MQTT 5: User Property and others that have no setting of their own; NULL: none. */
MQEV_EXPORT int mqev_client_set_connect_properties(
    struct mqev_client *client, const struct mqev_properties *properties);
/* The deadlines of an attempt, in milliseconds; 0: the default. */
MQEV_EXPORT int mqev_client_set_connect_timeout(
    struct mqev_client *client, uint32_t connect_timeout_ms, uint32_t connack_timeout_ms);

/* --- for the next attempt ----------------------------------------------------------------------
 * The way to the server, as the options of these names; NULL: the default. It counts from the next
 * attempt to connect, in on_pre_connect from the one that begins. An attempt or a connection that
 * is under way keeps what it began with, until it ends.
 */

/* NULL: the system's trust, which is loaded now, if a TLS server is to be connected to and it has
 * to be read from a bundle. The client holds a reference: mqev_tls_free() may follow at once. */
MQEV_EXPORT int mqev_client_set_tls(struct mqev_client *client, struct mqev_tls *tls);
/* NULL: none, also none of the environment. MQEV_ERR_INVALID: a type or host that is none. */
MQEV_EXPORT int mqev_client_set_proxy(struct mqev_client *client, const struct mqev_proxy *proxy);
MQEV_EXPORT int
mqev_client_set_socket(struct mqev_client *client, const struct mqev_socket_options *options);
MQEV_EXPORT int
mqev_client_set_websocket(struct mqev_client *client, const struct mqev_websocket_options *options);

/* --- for the next failure or end of a connection -----------------------------------------------
 */

/*
 * Whether the client connects again by itself. Off: the attempt or the connection that is under way
 * is the last one; one that is waited for is still made.
 */
MQEV_EXPORT int mqev_client_set_reconnect(struct mqev_client *client, bool on);
/* As the options of these names; 0: the default. The backoff begins anew. */
MQEV_EXPORT int mqev_client_set_reconnect_delay(
    struct mqev_client *client, uint32_t reconnect_min_ms, uint32_t reconnect_max_ms);
/* All of these rules at once; NULL: the defaults. */
MQEV_EXPORT int mqev_client_set_reconnect_options(
    struct mqev_client *client, const struct mqev_reconnect_options *options);

/* --- at once -----------------------------------------------------------------------------------
 */

/* 0: the default. Messages that are in flight stay so; the next ones wait until there are fewer. */
MQEV_EXPORT int mqev_client_set_max_inflight(struct mqev_client *client, uint32_t max_inflight);
/* 0: the default. What is queued stays so. */
MQEV_EXPORT int mqev_client_set_max_queued(
    struct mqev_client *client, uint32_t max_queued, size_t max_queued_bytes);
MQEV_EXPORT int
mqev_client_set_queue_full(struct mqev_client *client, enum mqev_queue_full queue_full);
/* NULL: no marks. */
MQEV_EXPORT int
mqev_client_set_water(struct mqev_client *client, const struct mqev_water_marks *marks);
MQEV_EXPORT int
mqev_client_set_offline_qos0(struct mqev_client *client, enum mqev_offline offline_qos0);
/* Milliseconds; 0: the default. */
MQEV_EXPORT int mqev_client_set_ping_timeout(struct mqev_client *client, uint32_t ping_timeout_ms);
/* Milliseconds; 0 or MQEV_NONE: off. */
MQEV_EXPORT int mqev_client_set_ack_timeout(
    struct mqev_client *client, uint32_t ack_timeout_ms, enum mqev_ack_timeout action);

/* --- questions ---------------------------------------------------------------------------------
 */

/* The user name in use: of the options or the setter, else of the URL; NULL: none. Valid until it
 * is changed. */
MQEV_EXPORT const char *mqev_client_username(const struct mqev_client *client);

/* Fills *will (size and all) with the one in use, valid until it is changed; false: there is none.
 */
MQEV_EXPORT bool mqev_client_will(const struct mqev_client *client, struct mqev_will *will);

/* The server that is connected or tried, or will be tried next: host as in the URL, "" before
 * mqev_connect(), valid until the next one or a redirect; port, 0 for unix sockets and SRV. */
MQEV_EXPORT const char *mqev_client_host(const struct mqev_client *client);
MQEV_EXPORT uint16_t mqev_client_port(const struct mqev_client *client);

/* Seconds: the server's while connected, else what will be asked for; 0: off. */
MQEV_EXPORT uint32_t mqev_client_keepalive(const struct mqev_client *client);

/* What the connected server allows; before MQTT 5 its defaults. */
struct mqev_limits {
	size_t size; /* set by the caller */
	uint32_t max_packet_size;
	uint32_t session_expiry; /* seconds, 0xFFFFFFFF: for ever */
	uint16_t receive_maximum;
	uint16_t topic_alias_maximum;
	uint16_t keepalive; /* seconds, 0: off */
	uint8_t max_qos;
	bool retain;
	bool wildcard;
	bool shared;
	bool subscription_id;
};

/* 0; MQEV_ERR_STATE: not connected; MQEV_ERR_INVALID: size is 0. */
MQEV_EXPORT int mqev_client_limits(const struct mqev_client *client, struct mqev_limits *limits);

/* --- callbacks for filters ---------------------------------------------------------------------
 */

/*
 * From now on on_message gets the messages whose topic matches the filter, whatever the client is
 * subscribed to; the client's own on_message gets those that nothing took. One callback per filter:
 * adding it again replaces it. A message goes first to the subscriptions' own callbacks, then to
 * these, the most specific filter first. Nothing is sent. 0; MQEV_ERR_INVALID: not a filter, or no
 * callback; MQEV_ERR_STATE: being freed; MQEV_ERR_NOMEM.
 */
MQEV_EXPORT int mqev_message_callback_add(
    struct mqev_client *client, const char *filter, mqev_message_cb *on_message, void *userdata);
/* From the next message on, and for one that is being handed out. 0; MQEV_ERR_NOT_FOUND. */
MQEV_EXPORT int mqev_message_callback_remove(struct mqev_client *client, const char *filter);

/* --- identifiers -------------------------------------------------------------------------------
 */

#define MQEV_RANDOM_ID_SIZE 23

/*
 * Writes a random client identifier of 22 letters and digits (3.1 allows 23) and a NUL. 0, or
 * MQEV_ERR_SYSTEM: the system gave no random bytes. Any thread.
 */
MQEV_EXPORT int mqev_random_client_id(char id[MQEV_RANDOM_ID_SIZE]);

#ifdef __cplusplus
}
#endif

#endif
