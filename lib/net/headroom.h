/* Whether there is memory for a call into libevent that does not survive without. */
#ifndef MQEV_NET_HEADROOM_H
#define MQEV_NET_HEADROOM_H

#include <stdbool.h>

/*
 * libevent 2.1 crashes when an allocation fails inside bufferevent_openssl_socket_new() or
 * bufferevent_filter_new(). To be asked right before them: true when much more than they take was
 * to be had, and is free again.
 */
bool mqev_net_headroom(void);

#endif
