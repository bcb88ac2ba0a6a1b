/* URLs of servers to endpoints. No look-ups, no I/O. */
#ifndef MQEV_NET_URL_H
#define MQEV_NET_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a server is and how it is reached. Strings are decoded, NUL-terminated and owned by the
 * list. */
struct mqev_endpoint {
	bool tls;
	bool websocket;
	bool unix_socket;
	bool srv;      /* host is a domain whose SRV records name the servers */
	uint16_t port; /* never 0, except for unix sockets and srv */
	char *host; /* name or literal address without brackets; path of a unix socket ('@' first:
		       abstract) */
	char *path; /* WebSocket: path and query, begins with '/'; else NULL */
	char *username; /* NULL when the URL has none */
	char *password; /* may hold any byte but NUL; NULL when the URL has none */
};

struct mqev_endpoint_list {
	struct mqev_endpoint *at;
	size_t count;
};

/*
 * Parses one or more URLs separated by blanks: mqtt:// tcp:// (1883), mqtts:// ssl:// tls://
 * (8883), ws:// (80), wss:// (443), unix:///path, mqtt+srv://domain, mqtts+srv://domain; "host",
 * "host:port" and "[v6]:port" without a scheme mean mqtt://. 0, MQEV_ERR_INVALID (*why says what is
 * wrong; static text) or MQEV_ERR_NOMEM; on error the list is empty.
 */
int mqev_url_parse(const char *text, struct mqev_endpoint_list *list, const char **why);
bool
mqev_endpoint_list_same(const struct mqev_endpoint_list *a, const struct mqev_endpoint_list *b);
void mqev_endpoint_list_free(struct mqev_endpoint_list *list);

#endif
