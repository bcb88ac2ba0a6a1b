/* SOCKS 4, 4a and 5 as bytes (RFC 1928, RFC 1929). */
#include "net/proxy_dialog.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* What is waited for, in SOCKS5; SOCKS4 has one answer only. */
enum phase {
	PHASE_METHOD, /* next: LOGIN, REQUEST */
	PHASE_LOGIN,  /* next: REQUEST */
	PHASE_REQUEST
};

enum { METHOD_NONE = 0, METHOD_LOGIN = 2, METHOD_REFUSED = 0xff };

enum { ADDRESS_IPV4 = 1, ADDRESS_NAME = 3, ADDRESS_IPV6 = 4 };

/* By the code in a SOCKS5 reply. */
static const char *const replies5[] = {
    "granted",
    "general failure",
    "not allowed by its rules",
    "the network is unreachable",
    "the host is unreachable",
    "the connection was refused",
    "the time to live expired",
    "CONNECT is not supported",
    "the type of address is not supported",
};

/* By the code in a SOCKS4 reply, from 90. */
static const char *const replies4[] = {
    "granted",
    "rejected or failed",
    "no identd here",
    "identd reports another user",
};

static enum mqev_proxy_verdict
failed(struct mqev_proxy_dialog *d, const char *why)
{
	snprintf(d->why, sizeof d->why, "%s", why);
	return MQEV_PROXY_FAILED;
}

/* Writing -------------------------------------------------------------------------------------- */

static void
put(struct mqev_proxy_dialog *d, const void *data, size_t len)
{
	memcpy(d->out + d->out_len, data, len);
	d->out_len += len;
}

static void
put_u8(struct mqev_proxy_dialog *d, size_t value)
{
	d->out[d->out_len++] = (uint8_t)value;
}

static void
put_port(struct mqev_proxy_dialog *d)
{
	put_u8(d, d->port >> 8);
	put_u8(d, d->port & 0xff);
}

/* With its length before it; 255 at most, which mqev_proxy_load() and the check of host names see
 * to. */
static void
put_field(struct mqev_proxy_dialog *d, const char *text)
{
	put_u8(d, strlen(text));
	put(d, text, strlen(text));
}

/* The answer is used up: the next begins at 0. */
static enum mqev_proxy_verdict
sends(struct mqev_proxy_dialog *d, enum phase next)
{
	d->in_len = 0;
	d->phase = (int)next;
	return MQEV_PROXY_SEND;
}

static size_t
take_upto(const struct mqev_proxy_dialog *d, size_t whole, size_t n)
{
	return whole - d->in_len < n ? whole - d->in_len : n;
}

/* SOCKS4 --------------------------------------------------------------------------------------- */

#define REPLY4_SIZE 8

static enum mqev_proxy_verdict
socks4_begin(struct mqev_proxy_dialog *d)
{
	static const uint8_t name_follows[4] = {0, 0, 0, 1};
	const char *user = d->proxy->username != NULL ? d->proxy->username : "";
	struct mqev_addr literal;
	const struct mqev_addr *addr = d->addr;

	if (addr == NULL && mqev_addr_parse(d->host, d->port, &literal))
		addr = &literal;
	if (addr != NULL && addr->u.sa.sa_family != AF_INET && d->addr != NULL)
		return failed(d, "SOCKS4 knows IPv4 only, and the server has no such address");
	if (addr != NULL && addr->u.sa.sa_family != AF_INET)
		addr = NULL;
	d->out_len = 0;
	put_u8(d, 4);
	put_u8(d, 1); /* CONNECT */
	put_port(d);
	put(d, addr != NULL ? (const void *)&addr->u.in.sin_addr : name_follows, 4);
	put(d, user, strlen(user) + 1);
	if (addr == NULL)
		put(d, d->host, strlen(d->host) + 1);
	return MQEV_PROXY_SEND;
}

static size_t
socks4_take(const struct mqev_proxy_dialog *d, size_t n)
{
	return take_upto(d, REPLY4_SIZE, n);
}

static enum mqev_proxy_verdict
socks4_judge(struct mqev_proxy_dialog *d)
{
	unsigned code;

	if (d->in[0] != 0)
		return failed(d, "the answer is not SOCKS4");
	if (d->in_len < 2)
		return MQEV_PROXY_MORE;
	code = d->in[1];
	if (code < 90 || code - 90 >= sizeof replies4 / sizeof replies4[0])
		return failed(d, "the answer is not SOCKS4");
	if (code != 90)
		return failed(d, replies4[code - 90]);
	return d->in_len < REPLY4_SIZE ? MQEV_PROXY_MORE : MQEV_PROXY_DONE;
}

const struct mqev_proxy_protocol mqev_proxy_socks4 = {
    .begin = socks4_begin,
    .take = socks4_take,
    .judge = socks4_judge,
};

/* SOCKS5 --------------------------------------------------------------------------------------- */

static enum mqev_proxy_verdict
socks5_begin(struct mqev_proxy_dialog *d)
{
	bool login = d->proxy->username != NULL;

	d->out_len = 0;
	put_u8(d, 5);
	put_u8(d, login ? 2 : 1);
	put_u8(d, METHOD_NONE);
	if (login)
		put_u8(d, METHOD_LOGIN);
	return sends(d, PHASE_METHOD);
}

static enum mqev_proxy_verdict
send_login(struct mqev_proxy_dialog *d)
{
	d->out_len = 0;
	put_u8(d, 1); /* version of the login exchange */
	put_field(d, d->proxy->username);
	put_field(d, d->proxy->password != NULL ? d->proxy->password : "");
	return sends(d, PHASE_LOGIN);
}

static void
put_address(struct mqev_proxy_dialog *d, const struct mqev_addr *addr)
{
	if (addr->u.sa.sa_family == AF_INET) {
		put_u8(d, ADDRESS_IPV4);
		put(d, &addr->u.in.sin_addr, 4);
	} else {
		put_u8(d, ADDRESS_IPV6);
		put(d, &addr->u.in6.sin6_addr, 16);
	}
}

static enum mqev_proxy_verdict
send_request(struct mqev_proxy_dialog *d)
{
	struct mqev_addr literal;

	d->out_len = 0;
	put_u8(d, 5);
	put_u8(d, 1); /* CONNECT */
	put_u8(d, 0);
	if (d->addr != NULL) {
		put_address(d, d->addr);
	} else if (mqev_addr_parse(d->host, d->port, &literal)) {
		put_address(d, &literal);
	} else {
		put_u8(d, ADDRESS_NAME);
		put_field(d, d->host);
	}
	put_port(d);
	return sends(d, PHASE_REQUEST);
}

/* How long a reply is with all that is known of it; it is never less than what is there. */
static size_t
reply_size(const struct mqev_proxy_dialog *d)
{
	if (d->phase != PHASE_REQUEST)
		return 2;
	if (d->in_len < 4)
		return 4;
	switch (d->in[3]) {
	case ADDRESS_IPV4:
		return 4 + 4 + 2;
	case ADDRESS_IPV6:
		return 4 + 16 + 2;
	default:
		return d->in_len < 5 ? 5 : 4 + 1 + (size_t)d->in[4] + 2;
	}
}

static size_t
socks5_take(const struct mqev_proxy_dialog *d, size_t n)
{
	return take_upto(d, reply_size(d), n);
}

static enum mqev_proxy_verdict
judge_method(struct mqev_proxy_dialog *d)
{
	if (d->in[0] != 5)
		return failed(d, "the answer is not SOCKS5");
	if (d->in_len < 2)
		return MQEV_PROXY_MORE;
	if (d->in[1] == METHOD_NONE)
		return send_request(d);
	if (d->in[1] == METHOD_LOGIN && d->proxy->username != NULL)
		return send_login(d);
	return failed(d, d->in[1] == METHOD_REFUSED
			     ? "it accepts no way to log in that we have"
			     : "it chose a way to log in that was not offered");
}

static enum mqev_proxy_verdict
judge_login(struct mqev_proxy_dialog *d)
{
	if (d->in[0] != 1)
		return failed(d, "the answer to the login is not SOCKS5");
	if (d->in_len < 2)
		return MQEV_PROXY_MORE;
	return d->in[1] == 0 ? send_request(d) : failed(d, "it refused user name and password");
}

static enum mqev_proxy_verdict
judge_request(struct mqev_proxy_dialog *d)
{
	if (d->in[0] != 5)
		return failed(d, "the answer is not SOCKS5");
	if (d->in_len < 2)
		return MQEV_PROXY_MORE;
	if (d->in[1] >= sizeof replies5 / sizeof replies5[0])
		return failed(d, "it failed with an unknown code");
	if (d->in[1] != 0)
		return failed(d, replies5[d->in[1]]);
	if (d->in_len < 4)
		return MQEV_PROXY_MORE;
	if (d->in[3] != ADDRESS_IPV4 && d->in[3] != ADDRESS_IPV6 && d->in[3] != ADDRESS_NAME)
		return failed(d, "the answer has an unknown type of address");
	return d->in_len < reply_size(d) ? MQEV_PROXY_MORE : MQEV_PROXY_DONE;
}

static enum mqev_proxy_verdict
socks5_judge(struct mqev_proxy_dialog *d)
{
	switch ((enum phase)d->phase) {
	case PHASE_METHOD:
		return judge_method(d);
	case PHASE_LOGIN:
		return judge_login(d);
	case PHASE_REQUEST:
		break;
	}
	return judge_request(d);
}

const struct mqev_proxy_protocol mqev_proxy_socks5 = {
    .begin = socks5_begin,
    .take = socks5_take,
    .judge = socks5_judge,
};
