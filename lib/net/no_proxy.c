/* Lists of hosts that need no proxy, as environments hold them. */
#include <mqev/net.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "net/addr.h"
#include "net/url_scan.h"

/* An address in network order. */
struct ip {
	size_t bits;
	unsigned char bytes[16];
};

static bool
parse_ip(struct mqev_span text, struct ip *ip)
{
	char copy[INET6_ADDRSTRLEN];
	struct mqev_addr addr;

	if (text.len >= sizeof copy)
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = '\0';
	if (!mqev_addr_parse(copy, 0, &addr))
		return false;
	ip->bits = addr.u.sa.sa_family == AF_INET ? 32 : 128;
	if (ip->bits == 32)
		memcpy(ip->bytes, &addr.u.in.sin_addr, 4);
	else
		memcpy(ip->bytes, &addr.u.in6.sin6_addr, 16);
	return true;
}

static bool
same_prefix(const struct ip *a, const struct ip *b, size_t bits)
{
	unsigned char mask = (unsigned char)(0xff00u >> (bits % 8));

	if (a->bits != b->bits || bits > a->bits || memcmp(a->bytes, b->bytes, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || ((a->bytes[bits / 8] ^ b->bytes[bits / 8]) & mask) == 0;
}

/* "10.0.0.0/8"; the slash already found. */
static bool
network_covers(struct mqev_span network, struct mqev_span bits_text, struct mqev_span host)
{
	struct ip net, ip;
	size_t bits = 0, i;

	if (bits_text.len == 0 || bits_text.len > 3)
		return false;
	for (i = 0; i < bits_text.len; i++) {
		if (bits_text.at[i] < '0' || bits_text.at[i] > '9')
			return false;
		bits = bits * 10 + (size_t)(bits_text.at[i] - '0');
	}
	return parse_ip(network, &net) && parse_ip(host, &ip) && same_prefix(&net, &ip, bits);
}

static bool
address_covers(struct mqev_span entry, struct mqev_span host)
{
	struct ip a, b;

	return parse_ip(entry, &a) && parse_ip(host, &b) && same_prefix(&a, &b, a.bits);
}

/* "example.org", ".example.org" and "*.example.org" all cover the domain and what lies under it. */
static bool
name_covers(struct mqev_span entry, struct mqev_span host)
{
	if (entry.len > 0 && entry.at[0] == '*')
		entry = mqev_span_from(entry, 1);
	if (entry.len > 0 && entry.at[0] == '.')
		entry = mqev_span_from(entry, 1);
	if (entry.len == 0 || entry.len > host.len)
		return false;
	if (strncasecmp(host.at + host.len - entry.len, entry.at, entry.len) != 0)
		return false;
	return host.len == entry.len || host.at[host.len - entry.len - 1] == '.';
}

/* Takes ":port" off the end of a name, of an IPv4 address or of what is in brackets; false when the
 * port is another. */
static bool
port_fits(struct mqev_span *entry, uint16_t port)
{
	struct mqev_span rest = *entry, head;
	uint16_t wanted;
	bool bracketed = rest.len > 0 && rest.at[0] == '[';

	if (bracketed) {
		rest = mqev_span_from(rest, 1);
		if (!mqev_span_cut(&rest, "]", &head))
			return false;
		*entry = head;
		if (rest.len == 0)
			return true;
		rest = mqev_span_from(rest, 1);
	} else if (!mqev_span_cut(&rest, ":", &head) || memchr(rest.at, ':', rest.len) != NULL) {
		return true; /* no port; more than one colon is an IPv6 address */
	} else {
		*entry = head;
	}
	return mqev_span_port(rest, &wanted) && wanted == port;
}

static bool
entry_covers(struct mqev_span entry, struct mqev_span host, uint16_t port)
{
	struct mqev_span network;

	if (entry.len == 1 && entry.at[0] == '*')
		return true;
	if (mqev_span_cut(&entry, "/", &network))
		return network_covers(network, entry, host);
	if (!port_fits(&entry, port))
		return false;
	return address_covers(entry, host) || name_covers(entry, host);
}

int
mqev_no_proxy_covers(const char *list, const char *host, uint16_t port)
{
	struct mqev_span rest = {list, list != NULL ? strlen(list) : 0};
	struct mqev_span name = {host, strlen(host)};

	if (name.len > 0 && name.at[name.len - 1] == '.')
		name.len--;
	while (rest.len > 0) {
		struct mqev_span entry = mqev_span_take_until(&rest, ", \t");

		if (entry.len > 0 && entry_covers(entry, name, port))
			return 1;
		if (rest.len > 0)
			rest = mqev_span_from(rest, 1);
	}
	return 0;
}
