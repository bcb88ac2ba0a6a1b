/* SRV records (RFC 2782) out of a DNS answer, and the order in which their servers are tried. Sends
 * nothing. */
#ifndef MQEV_NET_SRV_H
#define MQEV_NET_SRV_H

#include <stddef.h>
#include <stdint.h>

#include "net/resolve.h"

/*
 * Reads a whole DNS message. 0 and a list, empty when the answer has no usable record, with the
 * smallest TTL of what was read; MQEV_ERR_MALFORMED or MQEV_ERR_NOMEM. A target of "." (no such
 * service here) leaves the list empty.
 */
int mqev_srv_parse(const uint8_t *message, size_t size, struct mqev_srvs **srvs, uint32_t *ttl_s);

#endif
