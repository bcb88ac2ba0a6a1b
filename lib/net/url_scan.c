/* Pieces of text and what parsers of URLs ask of them. Knows no scheme. */
#include "net/url_scan.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include <mqev/reason.h>

#include "core/mem.h"

bool
mqev_span_cut(struct mqev_span *rest, const char *what, struct mqev_span *head)
{
	size_t n = strlen(what), i;

	for (i = 0; i + n <= rest->len; i++) {
		if (memcmp(rest->at + i, what, n) == 0) {
			*head = (struct mqev_span){rest->at, i};
			*rest = mqev_span_from(*rest, i + n);
			return true;
		}
	}
	return false;
}

bool
mqev_span_cut_last(struct mqev_span *rest, char what, struct mqev_span *head)
{
	size_t i;

	for (i = rest->len; i > 0; i--) {
		if (rest->at[i - 1] == what) {
			*head = (struct mqev_span){rest->at, i - 1};
			*rest = mqev_span_from(*rest, i);
			return true;
		}
	}
	return false;
}

struct mqev_span
mqev_span_take_until(struct mqev_span *rest, const char *stops)
{
	struct mqev_span head = {rest->at, 0};

	while (head.len < rest->len && strchr(stops, rest->at[head.len]) == NULL)
		head.len++;
	*rest = mqev_span_from(*rest, head.len);
	return head;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool
mqev_span_next_word(struct mqev_span *rest, struct mqev_span *word)
{
	while (rest->len > 0 && is_blank(rest->at[0]))
		*rest = mqev_span_from(*rest, 1);
	*word = mqev_span_take_until(rest, " \t\n\r");
	return word->len > 0;
}

struct mqev_span
mqev_span_from(struct mqev_span span, size_t offset)
{
	return (struct mqev_span){span.at + offset, span.len - offset};
}

bool
mqev_span_is(struct mqev_span span, const char *text)
{
	return strlen(text) == span.len && strncasecmp(span.at, text, span.len) == 0;
}

bool
mqev_span_is_uri(struct mqev_span span)
{
	size_t i;

	for (i = 0; i < span.len; i++) {
		if (span.at[i] <= ' ' || span.at[i] > '~' || span.at[i] == '#')
			return false;
	}
	return true;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool
mqev_span_port(struct mqev_span span, uint16_t *port)
{
	unsigned value = 0;
	size_t i;

	if (span.len == 0 || span.len > 5)
		return false;
	for (i = 0; i < span.len; i++) {
		if (!is_digit(span.at[i]))
			return false;
		value = value * 10 + (unsigned)(span.at[i] - '0');
	}
	if (value == 0 || value > 65535)
		return false;
	*port = (uint16_t)value;
	return true;
}

char *
mqev_span_dup_after(const char *before, struct mqev_span span)
{
	size_t n = strlen(before);
	char *s = mqev_malloc(n + span.len + 1);

	if (s == NULL)
		return NULL;
	memcpy(s, before, n);
	memcpy(s + n, span.at, span.len);
	s[n + span.len] = '\0';
	return s;
}

char *
mqev_span_dup(struct mqev_span span)
{
	return mqev_span_dup_after("", span);
}

/* The value of a hexadecimal digit, or 16. */
static unsigned
hex_value(char c)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	if (at == NULL)
		return 16;
	return (unsigned)(at - digits) < 16 ? (unsigned)(at - digits) : (unsigned)(at - digits) - 6;
}

/* The byte that a "%XX" at the start stands for; 0 when it is none, or stands for NUL. */
static unsigned
escape_value(struct mqev_span span)
{
	unsigned high, low;

	if (span.len < 3)
		return 0;
	high = hex_value(span.at[1]);
	low = hex_value(span.at[2]);
	return high < 16 && low < 16 ? high * 16 + low : 0;
}

int
mqev_span_decode(struct mqev_span span, char **to)
{
	char *out = mqev_malloc(span.len + 1);
	size_t n = 0;

	if (out == NULL)
		return MQEV_ERR_NOMEM;
	while (span.len > 0) {
		unsigned value = (unsigned char)span.at[0];
		size_t used = 1;

		if (span.at[0] == '%') {
			value = escape_value(span);
			used = 3;
		}
		if (value == 0) {
			mqev_free(out);
			return MQEV_ERR_INVALID;
		}
		out[n++] = (char)value;
		span = mqev_span_from(span, used);
	}
	out[n] = '\0';
	*to = out;
	return 0;
}

static bool
is_name_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
	       c == '_';
}

static bool
label_ok(struct mqev_span label)
{
	size_t i;

	if (label.len == 0 || label.len > 63)
		return false;
	for (i = 0; i < label.len; i++) {
		if (!is_name_char(label.at[i]))
			return false;
	}
	return true;
}

/* A name whose last label is a number is an address, or nothing (RFC 1123, 2.1). */
static bool
ends_in_number(struct mqev_span host)
{
	size_t i = host.len;

	while (i > 0 && is_digit(host.at[i - 1]))
		i--;
	return i < host.len && (i == 0 || host.at[i - 1] == '.');
}

static bool
span_is_ipv4(struct mqev_span host)
{
	char text[INET_ADDRSTRLEN];

	if (host.len >= sizeof text)
		return false;
	memcpy(text, host.at, host.len);
	text[host.len] = '\0';
	return mqev_host_is_ipv4(text);
}

const char *
mqev_host_check(struct mqev_span host, bool domain)
{
	struct mqev_span rest = host;

	if (host.len == 0)
		return "the host is missing";
	if (ends_in_number(host)) {
		if (domain)
			return "SRV needs a domain, not an address";
		return span_is_ipv4(host) ? NULL : "bad IPv4 address";
	}
	if (host.len > 253)
		return "the host name is too long";
	while (rest.len > 0) {
		struct mqev_span label = mqev_span_take_until(&rest, ".");

		if (!label_ok(label))
			return "bad host name";
		if (rest.len > 0)
			rest = mqev_span_from(rest, 1);
	}
	return NULL;
}

bool
mqev_host_is_ipv4(const char *host)
{
	struct in_addr address;

	return inet_pton(AF_INET, host, &address) == 1;
}

bool
mqev_host_is_ipv6(const char *host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;
	size_t len = strcspn(host, "%");

	if (len >= sizeof text || (host[len] == '%' && host[len + 1] == '\0'))
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1;
}
