/* The talk with a proxy as bytes in and bytes out, one table per protocol. Sockets and time are
 * proxy_step.c's matter. */
#ifndef MQEV_NET_PROXY_DIALOG_H
#define MQEV_NET_PROXY_DIALOG_H

#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"
#include "net/proxy.h"

/* The most that a proxy may answer before the stream begins. */
#define MQEV_PROXY_ANSWER_MAX 8192
#define MQEV_PROXY_REQUEST_MAX 2048

enum mqev_proxy_verdict {
	MQEV_PROXY_MORE, /* read on */
	MQEV_PROXY_SEND, /* what is in out goes next */
	MQEV_PROXY_DONE, /* the stream to the server begins */
	MQEV_PROXY_FAILED
};

struct mqev_proxy_dialog {
	const struct mqev_proxy *proxy;
	const char *host; /* the server, by name or literal address */
	uint16_t port;
	const struct mqev_addr
	    *addr; /* the server's address where the proxy is to get no name; else NULL */

	uint8_t out[MQEV_PROXY_REQUEST_MAX];
	size_t out_len;
	uint8_t in[MQEV_PROXY_ANSWER_MAX];
	size_t in_len;
	int phase;

	int http_status; /* 0 when there was none */
	char why[96];	 /* of FAILED */
};

struct mqev_proxy_protocol {
	/* SEND or FAILED. */
	enum mqev_proxy_verdict (*begin)(struct mqev_proxy_dialog *dialog);

	/* How many of n new bytes at in + in_len are the proxy's: at least one. The rest is the
	 * stream already. */
	size_t (*take)(const struct mqev_proxy_dialog *dialog, size_t n);

	/* After in_len grew by what take said. */
	enum mqev_proxy_verdict (*judge)(struct mqev_proxy_dialog *dialog);
};

extern const struct mqev_proxy_protocol mqev_proxy_http, mqev_proxy_socks4, mqev_proxy_socks5;

/* By the type, which is not NONE. */
const struct mqev_proxy_protocol *mqev_proxy_protocol_of(const struct mqev_proxy *proxy);

#endif
