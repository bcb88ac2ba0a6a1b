/* Socket addresses and lists of them. Asks nobody. */
#ifndef MQEV_NET_ADDR_H
#define MQEV_NET_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct mqev_addr {
	socklen_t len;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} u;
};

struct mqev_addrs {
	size_t count;
	struct mqev_addr at[];
};

/* The most that one name may have; more are left out. */
#define MQEV_ADDRS_MAX 128

/* Room for "[v6%zone]:port" or "unix:" and a path. */
#define MQEV_ADDR_TEXT_SIZE 128

/* A zeroed list of count addresses; NULL when memory runs out. Freed with mqev_free(). */
struct mqev_addrs *mqev_addrs_new(size_t count);

/* From a literal IPv4 or IPv6 address, a zone by name or number included; false when it is none. */
bool mqev_addr_parse(const char *host, uint16_t port, struct mqev_addr *addr);

/* From the bytes of an address in network order, 4 or 16 of them. */
void mqev_addr_set_ip(struct mqev_addr *addr, int family, const void *bytes);

/* From the path of a unix socket, '@' first for an abstract name; false when it is too long. */
bool mqev_addr_set_unix(struct mqev_addr *addr, const char *path);

void mqev_addr_set_port(struct mqev_addr *addr, uint16_t port);
void mqev_addr_text(const struct mqev_addr *addr, char *text, size_t size);

/* Sorts for dialling: families in turn, that of the first address first, the order within a family
 * kept. */
void mqev_addrs_interleave(struct mqev_addrs *addrs);

#endif
