/* A client's checked settings in a form that many clients can share: immutable, counted references.
 */
#ifndef MQEV_CLIENT_CONFIG_H
#define MQEV_CLIENT_CONFIG_H

#include <mqev/client.h>

#include "core/properties.h"
#include "core/session.h"
#include "net/transport.h"

struct mqev_config {
	uint32_t refs;
	struct mqev_session_settings session;
	struct mqev_session_will will;
	struct mqev_auth auth;
	struct mqev_transport_config transport;
	enum mqev_version version;
	mqev_connect_cb *on_connect;
	mqev_connect_fail_cb *on_connect_fail;
	mqev_disconnect_cb *on_disconnect;
	mqev_message_cb *on_message;
	mqev_result_cb *on_publish;
	mqev_result_cb *on_subscribe;
	mqev_result_cb *on_unsubscribe;
	mqev_log_cb *on_log;
	mqev_event_cb *on_event;
	mqev_result_cb *on_ack_timeout;
	mqev_result_cb *on_durable;
	mqev_held_cb *on_hold_timeout;
	mqev_water_cb *on_water;
	mqev_pre_connect_cb *on_pre_connect;
	mqev_socket_cb *on_socket_open;
	mqev_socket_cb *on_socket_register_write;
	mqev_socket_cb *on_socket_unregister_write;
	mqev_socket_cb *on_socket_close;
	struct mqev_reconnect_options reconnect; /* defaults resolved; max_redirects 0: none */
	uint32_t connack_ms;
	uint32_t reconnect_min_ms;
	uint32_t reconnect_max_ms;
	uint32_t min_uptime_ms;
	bool no_reconnect;
	bool protocol_fallback;
	bool random_client_id;
	const char *fault; /* while options are taken: which is refused, and why; else NULL */
	struct mqev_net_config *net;		/* what transport points to; NULL: all defaults */
	uint8_t *copied;			/* the bytes that views above point to */
	struct mqev_properties will_properties; /* a view of those of the will */
	struct mqev_config *next;		/* among those in use */
	struct mqev_config **at;
	uint32_t retired; /* references that wait to be dropped */
	struct mqev_config *next_retired;
};

/* Checks options (full size) and gives a reference to one of those in use that is the same, or to a
 * new one, with a copy of what they point to, that is added to them. 0, MQEV_ERR_INVALID,
 * MQEV_ERR_UNSUPPORTED, MQEV_ERR_NOMEM; then *config is NULL or not touched, and *why, static text,
 * names the option that was refused, or is "". */
int mqev_config_get(struct mqev_config **in_use, const struct mqev_options *options,
    struct mqev_config **config, const char **why);
void mqev_config_unref(struct mqev_config *config);

/*
 * A copy to be changed, by the functions below, and then settled. What it points to is lent by the
 * original until then. NULL: no memory.
 */
struct mqev_config *mqev_config_edit(const struct mqev_config *config);
/* Turns one that was just made or changed into what the client gets, as mqev_config_get(). */
int mqev_config_settle(
    struct mqev_config **in_use, struct mqev_config *made, struct mqev_config **config);

/* Drops a reference later: calls that are in progress may still look at it. */
void mqev_config_retire(struct mqev_config **retired, struct mqev_config *config);
void mqev_config_drop_retired(struct mqev_config **retired);

/* config.c: each takes some of the options, which have their full size. */
int mqev_config_take(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_login(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_will(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_properties(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_keepalive(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_timeouts(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_delays(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_reconnect(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_inflight(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_queue(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_queue_full(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_water(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_offline(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_ping(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_ack_timeout(struct mqev_config *config, const struct mqev_options *options);

/* config_net.c */
void mqev_config_ref_net(struct mqev_config *config);
int mqev_config_take_net(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_tls(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_proxy(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_socket(struct mqev_config *config, const struct mqev_options *options);
int mqev_config_take_websocket(struct mqev_config *config, const struct mqev_options *options);
void mqev_config_free_net(struct mqev_config *config);
bool mqev_config_same_net(const struct mqev_net_config *a, const struct mqev_net_config *b);
/* Makes config point to all that of points to, for a comparison. */
void mqev_config_point_to_net(struct mqev_config *config, const struct mqev_config *of);

/* True when text may be a client identifier in that version; NULL and "" may. */
bool mqev_client_id_valid(enum mqev_version version, const char *text);

#endif
