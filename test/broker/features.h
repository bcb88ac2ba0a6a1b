/* What is tried with every broker. Each function is one test in the scene; it fails by ck_assert.
 */
#ifndef FEATURES_H
#define FEATURES_H

/* feature_connection.c */
void feature_login(void);
void feature_refused_login(void);
void feature_empty_id(void);
void feature_keepalive(void);
void feature_takeover(void);
void feature_takeover_told(void);
void feature_tls(void);
void feature_websocket(void);
void feature_max_packet(void);
void lack_max_packet(void);

/* feature_messages.c */
void feature_qos0(void);
void feature_qos1(void);
void feature_qos2(void);
void feature_large(void);
void feature_retained(void);
void feature_will(void);
void feature_will_delay(void);
void feature_properties(void);
void feature_expiry(void);
void feature_alias_out(void);
void feature_alias_in(void);
void feature_request(void);
void lack_qos2(void);
void lack_alias_in(void);
void lack_expiry(void);

/* feature_sessions.c */
void feature_queued(void);
void feature_resume_out(void);
void feature_resume_in(void);
void feature_clean_start(void);
void feature_session_expiry(void);
void feature_receive_maximum(void);

/* feature_subscriptions.c */
void feature_filters(void);
void feature_unsubscribe(void);
void feature_shared(void);
void feature_identifiers(void);
void feature_options(void);
void lack_shared(void);

#endif
