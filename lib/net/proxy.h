/* Proxies as the steps see them: options made whole, requests and answers as bytes. The public face
 * is mqev/net.h. */
#ifndef MQEV_NET_PROXY_H
#define MQEV_NET_PROXY_H

#include <mqev/net.h>

/*
 * A copy of what the caller filled, members that his version of the header does not have being 0,
 * the default port and what a type implies filled in; type NONE for NULL. MQEV_ERR_INVALID with
 * *why when something in it cannot be.
 */
int mqev_proxy_load(struct mqev_proxy *out, const struct mqev_proxy *given, const char **why);

#endif
