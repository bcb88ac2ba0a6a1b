/* Options of sockets: checked when they are given, applied when a socket is made. */
#ifndef MQEV_NET_SOCKOPT_H
#define MQEV_NET_SOCKOPT_H

#include <mqev/net.h>

#include "net/addr.h"

/*
 * A copy of what the caller filled, members that his version of the header does not have being 0;
 * all 0 for NULL. MQEV_ERR_INVALID with *why when something in it cannot be; *out is usable only
 * after 0.
 */
int mqev_socket_options_load(
    struct mqev_socket_options *out, const struct mqev_socket_options *given, const char **why);

/* Before connect, in the family of the address to be dialled; 0 or an errno value, *what naming the
 * option that failed. The hook is not called. */
int mqev_sockopt_apply(int fd, const struct mqev_socket_options *options,
    const struct mqev_addr *peer, const char **what);

#endif
