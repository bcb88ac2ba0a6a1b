/* Pieces of text and what parsers of URLs ask of them. Knows no scheme. */
#ifndef MQEV_NET_URL_SCAN_H
#define MQEV_NET_URL_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of somebody else's text. */
struct mqev_span {
	const char *at;
	size_t len;
};

/* Up to what: *head is before it, *rest becomes what follows it. false, and nothing changed, where
 * it does not occur. */
bool mqev_span_cut(struct mqev_span *rest, const char *what, struct mqev_span *head);
bool mqev_span_cut_last(struct mqev_span *rest, char what, struct mqev_span *head);

/* Takes off what comes before the first of the stop characters; those stay. */
struct mqev_span mqev_span_take_until(struct mqev_span *rest, const char *stops);

/* Takes off the next word between blanks; false when there is none. */
bool mqev_span_next_word(struct mqev_span *rest, struct mqev_span *word);

struct mqev_span mqev_span_from(struct mqev_span span, size_t offset);

/* Equal but for the case of ASCII letters. */
bool mqev_span_is(struct mqev_span span, const char *text);

/* Printable ASCII without blanks and without '#': what of a URL may be read at all. */
bool mqev_span_is_uri(struct mqev_span span);

/* 1 to 65535 in at most five digits. */
bool mqev_span_port(struct mqev_span span, uint16_t *port);

/* Strings of their own; NULL when memory runs out. */
char *mqev_span_dup(struct mqev_span span);
char *mqev_span_dup_after(const char *before, struct mqev_span span);

/* Percent-decoded: 0, MQEV_ERR_INVALID for a bad escape or an escaped NUL, or MQEV_ERR_NOMEM. */
int mqev_span_decode(struct mqev_span span, char **to);

/* NULL when it can be a host name or an IPv4 address (domain: a name only); else what is wrong with
 * it, static text. */
const char *mqev_host_check(struct mqev_span host, bool domain);

bool mqev_host_is_ipv4(const char *host);

/* A zone ("%eth0") may follow the address. */
bool mqev_host_is_ipv6(const char *host);

#endif
