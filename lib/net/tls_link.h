/* How a TLS link ends: what tls_step.c hands to the runner with the bufferevent. */
#ifndef MQEV_NET_TLS_LINK_H
#define MQEV_NET_TLS_LINK_H

struct mqev_conn_ops;

extern const struct mqev_conn_ops mqev_tls_conn_ops;

#endif
