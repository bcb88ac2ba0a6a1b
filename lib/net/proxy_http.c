/* HTTP CONNECT as bytes (RFC 9110, 9.3.6; Basic authentication RFC 7617). */
#include "net/proxy_dialog.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "net/url_scan.h"

/* "HTTP/1.1 200" */
#define STATUS_LINE_MIN 12

/* The target as a URI's authority has it: an IPv6 address in brackets. */
static void
target_text(const struct mqev_proxy_dialog *d, char *text, size_t size)
{
	if (d->addr != NULL)
		mqev_addr_text(d->addr, text, size);
	else
		snprintf(
		    text, size, mqev_host_is_ipv6(d->host) ? "[%s]:%u" : "%s:%u", d->host, d->port);
}

/* "Proxy-Authorization: Basic ..." and its line end; empty without a user name. */
static void
authorization(const struct mqev_proxy *proxy, char *text, size_t size)
{
	unsigned char login[512 + 1], coded[sizeof login / 3 * 4 + 5];
	int len;

	text[0] = '\0';
	if (proxy->username == NULL)
		return;
	len = snprintf((char *)login, sizeof login, "%s:%s", proxy->username,
	    proxy->password != NULL ? proxy->password : "");
	EVP_EncodeBlock(coded, login, len);
	snprintf(text, size, "Proxy-Authorization: Basic %s\r\n", (char *)coded);
}

static enum mqev_proxy_verdict
http_begin(struct mqev_proxy_dialog *d)
{
	char target[288], login[768];

	target_text(d, target, sizeof target);
	authorization(d->proxy, login, sizeof login);
	d->out_len = (size_t)snprintf((char *)d->out, sizeof d->out,
	    "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", target, target, login);
	return MQEV_PROXY_SEND;
}

/* Where the header ends: after the first empty line, lone line feeds being accepted; 0 when that is
 * not there yet. */
static size_t
header_end(const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i + 1 < len; i++) {
		if (data[i] != '\n')
			continue;
		if (data[i + 1] == '\n')
			return i + 2;
		if (data[i + 1] == '\r' && i + 2 < len && data[i + 2] == '\n')
			return i + 3;
	}
	return 0;
}

static size_t
http_take(const struct mqev_proxy_dialog *d, size_t n)
{
	size_t end = header_end(d->in, d->in_len + n);

	return end > d->in_len ? end - d->in_len : n;
}

static enum mqev_proxy_verdict
failed(struct mqev_proxy_dialog *d, const char *why)
{
	snprintf(d->why, sizeof d->why, "%s", why);
	return MQEV_PROXY_FAILED;
}

/* As far as it came: '0' stands for a digit. */
static bool
looks_like_http(const uint8_t *data, size_t len)
{
	static const char pattern[] = "HTTP/1.0 000";
	size_t i, n = len < STATUS_LINE_MIN ? len : STATUS_LINE_MIN;

	for (i = 0; i < n; i++) {
		bool fits =
		    pattern[i] == '0' ? data[i] >= '0' && data[i] <= '9' : data[i] == pattern[i];

		if (!fits)
			return false;
	}
	return len <= STATUS_LINE_MIN || strchr(" \r\n", data[STATUS_LINE_MIN]) != NULL;
}

/* The proxy's own words for a status, what cannot be printed left out. */
static void
note_refusal(struct mqev_proxy_dialog *d)
{
	size_t i, n;

	n = (size_t)snprintf(d->why, sizeof d->why, "answered %d", d->http_status);
	for (i = STATUS_LINE_MIN; i < d->in_len && n + 1 < sizeof d->why; i++) {
		if (d->in[i] < ' ' || d->in[i] > '~')
			break;
		d->why[n++] = (char)d->in[i];
	}
	d->why[n] = '\0';
}

static enum mqev_proxy_verdict
judge_status(struct mqev_proxy_dialog *d)
{
	int status = (d->in[9] - '0') * 100 + (d->in[10] - '0') * 10 + (d->in[11] - '0');

	if (status < 200 && status >= 100) { /* a word on the way; the answer is to come */
		d->in_len = 0;
		return MQEV_PROXY_MORE;
	}
	d->http_status = status;
	if (status >= 200 && status < 300)
		return MQEV_PROXY_DONE;
	note_refusal(d);
	return MQEV_PROXY_FAILED;
}

static enum mqev_proxy_verdict
http_judge(struct mqev_proxy_dialog *d)
{
	if (!looks_like_http(d->in, d->in_len) || memchr(d->in, '\0', d->in_len) != NULL)
		return failed(d, "the answer is not HTTP/1");
	if (header_end(d->in, d->in_len) == 0)
		return d->in_len == sizeof d->in
			   ? failed(d, "the header of the answer is too large")
			   : MQEV_PROXY_MORE;
	if (d->in_len < STATUS_LINE_MIN)
		return failed(d, "the answer is not HTTP/1");
	return judge_status(d);
}

const struct mqev_proxy_protocol mqev_proxy_http = {
    .begin = http_begin,
    .take = http_take,
    .judge = http_judge,
};
