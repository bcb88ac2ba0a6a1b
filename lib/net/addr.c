/* Socket addresses and lists of them. Asks nobody. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

struct mqev_addrs *
mqev_addrs_new(size_t count)
{
	struct mqev_addrs *addrs;

	addrs = mqev_calloc(1, sizeof *addrs + count * sizeof addrs->at[0]);
	if (addrs != NULL)
		addrs->count = count;
	return addrs;
}

void
mqev_addr_set_ip(struct mqev_addr *addr, int family, const void *bytes)
{
	memset(addr, 0, sizeof *addr);
	addr->u.sa.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		addr->len = sizeof addr->u.in;
		memcpy(&addr->u.in.sin_addr, bytes, sizeof addr->u.in.sin_addr);
	} else {
		addr->len = sizeof addr->u.in6;
		memcpy(&addr->u.in6.sin6_addr, bytes, sizeof addr->u.in6.sin6_addr);
	}
}

/* The number of a network interface by name or number; 0 when there is none. */
static uint32_t
zone_number(const char *zone)
{
	char *end;
	unsigned long number = strtoul(zone, &end, 10);

	if (*zone != '\0' && *end == '\0' && number <= UINT32_MAX)
		return (uint32_t)number;
	return if_nametoindex(zone);
}

static bool
parse_ipv6(const char *host, struct mqev_addr *addr)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr ip;
	size_t len = strcspn(host, "%");

	if (len >= sizeof text)
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	if (inet_pton(AF_INET6, text, &ip) != 1)
		return false;
	mqev_addr_set_ip(addr, AF_INET6, &ip);
	if (host[len] == '%')
		addr->u.in6.sin6_scope_id = zone_number(host + len + 1);
	return true;
}

bool
mqev_addr_parse(const char *host, uint16_t port, struct mqev_addr *addr)
{
	struct in_addr ip;

	if (inet_pton(AF_INET, host, &ip) == 1)
		mqev_addr_set_ip(addr, AF_INET, &ip);
	else if (!parse_ipv6(host, addr))
		return false;
	mqev_addr_set_port(addr, port);
	return true;
}

bool
mqev_addr_set_unix(struct mqev_addr *addr, const char *path)
{
	size_t len = strlen(path);
	bool abstract = path[0] == '@';

	memset(addr, 0, sizeof *addr);
	if (len >= sizeof addr->u.un.sun_path)
		return false;
	addr->u.un.sun_family = AF_UNIX;
	memcpy(addr->u.un.sun_path, path, len);
	if (abstract)
		addr->u.un.sun_path[0] = '\0';
	/* The length ends an abstract name, a NUL ends a path. */
	addr->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (abstract ? 0 : 1));
	return true;
}

void
mqev_addr_set_port(struct mqev_addr *addr, uint16_t port)
{
	if (addr->u.sa.sa_family == AF_INET)
		addr->u.in.sin_port = htons(port);
	else if (addr->u.sa.sa_family == AF_INET6)
		addr->u.in6.sin6_port = htons(port);
}

static void
unix_text(const struct sockaddr_un *un, size_t len, char *text, size_t size)
{
	bool abstract = un->sun_path[0] == '\0';
	size_t n = len - offsetof(struct sockaddr_un, sun_path) - 1;

	snprintf(text, size, "unix:%s%.*s", abstract ? "@" : "", (int)n,
	    un->sun_path + (abstract ? 1 : 0));
}

void
mqev_addr_text(const struct mqev_addr *addr, char *text, size_t size)
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (addr->u.sa.sa_family == AF_UNIX) {
		unix_text(&addr->u.un, addr->len, text, size);
	} else if (addr->u.sa.sa_family == AF_INET) {
		inet_ntop(AF_INET, &addr->u.in.sin_addr, ip, sizeof ip);
		snprintf(text, size, "%s:%u", ip, ntohs(addr->u.in.sin_port));
	} else {
		inet_ntop(AF_INET6, &addr->u.in6.sin6_addr, ip, sizeof ip);
		snprintf(text, size, "[%s]:%u", ip, ntohs(addr->u.in6.sin6_port));
	}
}

/* Moves the address at from to the earlier place to; those between move up by one. */
static void
move_forward(struct mqev_addrs *addrs, size_t from, size_t to)
{
	struct mqev_addr moved = addrs->at[from];

	memmove(&addrs->at[to + 1], &addrs->at[to], (from - to) * sizeof moved);
	addrs->at[to] = moved;
}

void
mqev_addrs_interleave(struct mqev_addrs *addrs)
{
	size_t i, j;

	for (i = 1; i < addrs->count; i++) {
		sa_family_t last = addrs->at[i - 1].u.sa.sa_family;

		for (j = i; j < addrs->count && addrs->at[j].u.sa.sa_family == last; j++)
			;
		if (j == addrs->count)
			return;
		if (j > i)
			move_forward(addrs, j, i);
	}
}
