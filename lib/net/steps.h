/* The steps that a transport may run; transport.c has their order. */
#ifndef MQEV_NET_STEPS_H
#define MQEV_NET_STEPS_H

struct mqev_step;

extern const struct mqev_step mqev_srv_step;		/* SRV records of a domain to targets */
extern const struct mqev_step mqev_resolve_step;	/* what is dialled to addresses */
extern const struct mqev_step mqev_resolve_target_step; /* the server's addresses for a proxy */
extern const struct mqev_step mqev_dial_step;		/* addresses to a connected descriptor */
extern const struct mqev_step mqev_proxy_step; /* a talk with a proxy, over that descriptor */
extern const struct mqev_step mqev_plain_step; /* a bufferevent over the bare descriptor */
extern const struct mqev_step mqev_tls_step;   /* the same over TLS, its server verified */
extern const struct mqev_step mqev_websocket_step; /* the upgrade, and its filter on top */

#endif
