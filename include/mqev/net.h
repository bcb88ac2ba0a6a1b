/* Options of sockets and proxies, for every kind of link. */
#ifndef MQEV_NET_H
#define MQEV_NET_H

#include <stddef.h>
#include <stdint.h>

#include <mqev/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A socket was made and is not connected yet: a place for options that mqev does not know. The
 * descriptor stays the library's. 0, or an errno value with which this address counts as failed.
 * Any function of the library may be called.
 */
typedef int mqev_socket_hook(int fd, void *arg);

/*
 * How sockets are made. Zero means the default in every member; size is set by
 * MQEV_SOCKET_OPTIONS(). Strings are lent for as long as what was given the options lives.
 */
struct mqev_socket_options {
	size_t size;
	const char *bind_address; /* local IPv4 or IPv6 address; servers of the other family cannot
				     be reached then */
	uint16_t bind_port;	  /* local port, 0: any */
	const char *bind_interface; /* name of a network interface ("eth0") */
	int nagle;     /* not 0: small packets wait for an acknowledgement of earlier ones (no
			  TCP_NODELAY) */
	int keepalive; /* not 0: the system probes an idle connection (SO_KEEPALIVE) */
	int keepalive_idle_s; /* quiet time before the first probe, time between probes, probes that
				 may fail: */
	int keepalive_interval_s; /* 0 is the system's own setting in all three */
	int keepalive_count;
	uint32_t user_timeout_ms; /* sent data unacknowledged for so long ends the connection
				     (TCP_USER_TIMEOUT) */
	int receive_buffer_bytes;
	int send_buffer_bytes;
	mqev_socket_hook *on_socket;
	void *on_socket_arg;
};

enum mqev_proxy_type {
	MQEV_PROXY_NONE,
	MQEV_PROXY_HTTP,    /* CONNECT of HTTP/1.1; user name and password by Basic */
	MQEV_PROXY_SOCKS4,  /* IPv4 only, names are resolved here */
	MQEV_PROXY_SOCKS4A, /* names are resolved by the proxy */
	MQEV_PROXY_SOCKS5   /* user name and password by RFC 1929 */
};

/*
 * Through which proxy servers are reached; unix sockets never use one. size is set by MQEV_PROXY().
 * Strings are lent for as long as what was given the options lives.
 */
struct mqev_proxy {
	size_t size;
	enum mqev_proxy_type type;
	const char *host;     /* name or literal address, no brackets */
	uint16_t port;	      /* 0: 8080 for HTTP, 1080 for SOCKS */
	const char *username; /* NULL: none. SOCKS4 sends it as the user id */
	const char *password;
	int resolve_here; /* not 0: HTTP and SOCKS5 get an address, not a name; SOCKS4 always does,
			     SOCKS4A never */
};

/* For C++, and where the members are set one by one. */
#define MQEV_SOCKET_OPTIONS_INIT                                                          \
	{                                                                                 \
		sizeof(struct mqev_socket_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 \
	}
#define MQEV_PROXY_INIT                                                   \
	{                                                                 \
		sizeof(struct mqev_proxy), MQEV_PROXY_NONE, 0, 0, 0, 0, 0 \
	}

#ifndef __cplusplus
#	define MQEV_SOCKET_OPTIONS(...)        \
		(&(struct mqev_socket_options){ \
		    .size = sizeof(struct mqev_socket_options), __VA_ARGS__})
#	define MQEV_PROXY(...) \
		(&(struct mqev_proxy){.size = sizeof(struct mqev_proxy), __VA_ARGS__})
#endif

/*
 * Makes a proxy of a URL as environments hold it: http://, socks4://, socks4a://, socks5:// (names
 * are resolved here) or socks5h:// (by the proxy), then [user:password@]host[:port]; without a
 * scheme http:// is meant. 0 and *proxy, to be freed with mqev_proxy_free(); MQEV_ERR_INVALID, *why
 * (static text, may be NULL) saying what is wrong; or MQEV_ERR_NOMEM. Reads no environment:
 * mqev_proxy_from_url(getenv("mqtt_proxy"), ...) is the caller's decision.
 */
MQEV_EXPORT int mqev_proxy_from_url(const char *url, struct mqev_proxy **proxy, const char **why);
MQEV_EXPORT void mqev_proxy_free(struct mqev_proxy *proxy);

/*
 * 1 when a list as the environment's no_proxy holds it
 * ("localhost,.example.org,10.0.0.0/8,host:8883,*") covers a host, else 0. A name covers itself and
 * what lies under it; an entry with a port only that port. The list may be NULL.
 */
MQEV_EXPORT int mqev_no_proxy_covers(const char *list, const char *host, uint16_t port);

#ifdef __cplusplus
}
#endif

#endif
