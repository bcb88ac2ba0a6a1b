/* WebSocket options and the upgrade request that is made from them. Sends nothing. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <event2/buffer.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/ws.h"

#define DEFAULT_PATH "/mqtt"
#define MAX_PATH_BYTES 8000
#define MAX_HEADER_BYTES 16000
#define MAX_NAME_BYTES 100

/* Headers that the upgrade itself is made of. */
static const char *const reserved[] = {
    "Connection",
    "Upgrade",
    "Content-Length",
    "Transfer-Encoding",
};

static bool
is_token_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
is_token(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_token_char((unsigned char)s[i]))
			return false;
	return len > 0;
}

static bool
is_field_value(const char *s)
{
	for (; *s != '\0'; s++)
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return false;
	return true;
}

static bool
is_path(const char *s)
{
	size_t len = strlen(s);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] <= 0x20 || (unsigned char)s[i] >= 0x7f || s[i] == '#')
			return false;
	return s[0] == '/' && len <= MAX_PATH_BYTES;
}

static bool
is_reserved(const char *name)
{
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strcasecmp(name, reserved[i]) == 0)
			return true;
	return strncasecmp(name, "Sec-WebSocket-", 14) == 0;
}

const char *
mqev_websocket_request_path(const struct mqev_websocket_request *request)
{
	return request->path;
}

int
mqev_websocket_request_set_path(struct mqev_websocket_request *request, const char *path)
{
	char *copy;

	if (path == NULL || !is_path(path))
		return MQEV_ERR_INVALID;
	copy = mqev_strdup(path);
	if (copy == NULL)
		return MQEV_ERR_NOMEM;
	mqev_free(request->path);
	request->path = copy;
	return 0;
}

static struct mqev_ws_header *
find_header(const struct mqev_websocket_request *request, const char *name)
{
	for (size_t i = 0; i < request->header_count; i++)
		if (strcasecmp(request->headers[i].name, name) == 0)
			return &request->headers[i];
	return NULL;
}

static int
append_header(struct mqev_websocket_request *request, const char *name, char *value)
{
	size_t count = request->header_count;
	struct mqev_ws_header *all;
	char *copy = mqev_strdup(name);

	if (copy == NULL)
		return MQEV_ERR_NOMEM;
	all = mqev_realloc(request->headers, (count + 1) * sizeof(*all));
	if (all == NULL) {
		mqev_free(copy);
		return MQEV_ERR_NOMEM;
	}
	request->headers = all;
	all[count].name = copy;
	all[count].value = value;
	request->header_count++;
	return 0;
}

static int
put_header(struct mqev_websocket_request *request, const char *name, const char *value)
{
	struct mqev_ws_header *old = find_header(request, name);
	size_t freed = old != NULL ? strlen(old->name) + strlen(old->value) + 4 : 0;
	size_t bytes = request->header_bytes - freed + strlen(name) + strlen(value) + 4;
	char *copy;

	if (bytes > MAX_HEADER_BYTES)
		return MQEV_ERR_INVALID;
	copy = mqev_strdup(value);
	if (copy == NULL)
		return MQEV_ERR_NOMEM;
	if (old != NULL) {
		mqev_free(old->value);
		old->value = copy;
	} else if (append_header(request, name, copy) < 0) {
		mqev_free(copy);
		return MQEV_ERR_NOMEM;
	}
	request->header_bytes = bytes;
	return 0;
}

int
mqev_websocket_request_set_header(
    struct mqev_websocket_request *request, const char *name, const char *value)
{
	if (name == NULL || value == NULL || !is_token(name, strlen(name)) ||
	    strlen(name) > MAX_NAME_BYTES || is_reserved(name) || !is_field_value(value))
		return MQEV_ERR_INVALID;
	return put_header(request, name, value);
}

/* "Name: value" */
static int
set_header_line(struct mqev_websocket_request *request, const char *line)
{
	char name[MAX_NAME_BYTES + 1];
	size_t len = strcspn(line, ":");

	if (line[len] != ':' || len >= sizeof(name))
		return MQEV_ERR_INVALID;
	memcpy(name, line, len);
	name[len] = '\0';
	line += len + 1;
	return mqev_websocket_request_set_header(request, name, line + strspn(line, " \t"));
}

static int
set_header_lines(
    struct mqev_websocket_request *request, const struct mqev_websocket_options *options)
{
	size_t count = options != NULL ? options->header_count : 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = options->headers[i] != NULL ? set_header_line(request, options->headers[i])
						 : MQEV_ERR_INVALID;
	return rc;
}

/* The port is left out when it is the scheme's own; an IPv6 address stands in brackets, without its
 * zone. */
static int
set_host(struct mqev_websocket_request *request, const char *host, uint16_t port, bool tls)
{
	bool literal = strchr(host, ':') != NULL;
	int len = (int)strcspn(host, literal ? "%" : "");
	char value[300];
	int written;

	if (port == 0 || port == (tls ? 443 : 80))
		written = snprintf(value, sizeof(value), literal ? "[%.*s]" : "%.*s", len, host);
	else
		written = snprintf(
		    value, sizeof(value), literal ? "[%.*s]:%u" : "%.*s:%u", len, host, port);
	if (written < 0 || (size_t)written >= sizeof(value) || !is_field_value(value))
		return MQEV_ERR_INVALID;
	return put_header(request, "Host", value);
}

int
mqev_ws_request_init(struct mqev_websocket_request *request, const char *host, uint16_t port,
    bool tls, const char *path, const struct mqev_websocket_options *options)
{
	int rc;

	memset(request, 0, sizeof(*request));
	if (options != NULL && options->path != NULL)
		path = options->path;
	rc = mqev_websocket_request_set_path(request, path != NULL ? path : DEFAULT_PATH);
	if (rc == 0)
		rc = set_host(request, host, port, tls);
	if (rc == 0)
		rc = set_header_lines(request, options);
	if (rc < 0)
		mqev_ws_request_clear(request);
	return rc;
}

void
mqev_ws_request_clear(struct mqev_websocket_request *request)
{
	for (size_t i = 0; i < request->header_count; i++) {
		mqev_free(request->headers[i].name);
		mqev_free(request->headers[i].value);
	}
	mqev_free(request->headers);
	mqev_free(request->path);
	memset(request, 0, sizeof(*request));
}

int
mqev_ws_request_write(const struct mqev_websocket_request *request, const char *key,
    const char *subprotocol, struct evbuffer *out)
{
	int rc = evbuffer_add_printf(out, "GET %s HTTP/1.1\r\n", request->path);

	for (size_t i = 0; rc >= 0 && i < request->header_count; i++)
		rc = evbuffer_add_printf(
		    out, "%s: %s\r\n", request->headers[i].name, request->headers[i].value);
	if (rc >= 0)
		rc = evbuffer_add_printf(out,
		    "Upgrade: websocket\r\n"
		    "Connection: Upgrade\r\n"
		    "Sec-WebSocket-Key: %s\r\n"
		    "Sec-WebSocket-Version: 13\r\n"
		    "Sec-WebSocket-Protocol: %s\r\n"
		    "\r\n",
		    key, subprotocol);
	return rc >= 0 ? 0 : MQEV_ERR_NOMEM;
}

static struct mqev_websocket_options
this_version(const struct mqev_websocket_options *options)
{
	struct mqev_websocket_options o;

	memset(&o, 0, sizeof(o));
	memcpy(&o, options, options->size < sizeof(o) ? options->size : sizeof(o));
	o.size = sizeof(o);
	return o;
}

int
mqev_ws_options_check(const struct mqev_websocket_options *options, const char **why)
{
	struct mqev_websocket_request request = {0};
	struct mqev_websocket_options o;
	int rc;

	if (options == NULL)
		return 0;
	*why = "size: not set, use MQEV_WEBSOCKET_OPTIONS()";
	if (options->size < sizeof(options->size))
		return MQEV_ERR_INVALID;
	o = this_version(options);
	*why = "path: must begin with '/', without blanks, control characters and fragment";
	if (o.path != NULL && !is_path(o.path))
		return MQEV_ERR_INVALID;
	*why = "subprotocol: must be a token";
	if (o.subprotocol != NULL && !is_token(o.subprotocol, strlen(o.subprotocol)))
		return MQEV_ERR_INVALID;
	*why = "headers: pointer and count do not fit";
	if ((o.headers == NULL) != (o.header_count == 0))
		return MQEV_ERR_INVALID;
	*why = "headers: \"Name: value\" without control characters, 16,000 bytes in all, none of "
	       "the upgrade's own";
	rc = set_header_lines(&request, &o);
	mqev_ws_request_clear(&request);
	return rc;
}

/* A string that is NULL stays so; a copy that is missing is noticed by the caller. */
static const char *
copy_string(const char *s)
{
	return s != NULL ? mqev_strdup(s) : NULL;
}

static bool
copy_headers(struct mqev_websocket_options *copy, const struct mqev_websocket_options *from)
{
	const char **list;

	if (from->header_count == 0)
		return true;
	list = mqev_calloc(from->header_count, sizeof(*list));
	if (list == NULL)
		return false;
	copy->headers = list;
	for (; copy->header_count < from->header_count; copy->header_count++) {
		list[copy->header_count] = mqev_strdup(from->headers[copy->header_count]);
		if (list[copy->header_count] == NULL)
			return false;
	}
	return true;
}

struct mqev_websocket_options *
mqev_ws_options_copy(const struct mqev_websocket_options *options)
{
	struct mqev_websocket_options from = this_version(options);
	struct mqev_websocket_options *copy = mqev_memdup(&from, sizeof(from));
	bool whole;

	if (copy == NULL)
		return NULL;
	copy->path = copy_string(from.path);
	copy->subprotocol = copy_string(from.subprotocol);
	copy->headers = NULL;
	copy->header_count = 0;
	whole = (copy->path != NULL) == (from.path != NULL) &&
		(copy->subprotocol != NULL) == (from.subprotocol != NULL) &&
		copy_headers(copy, &from);
	if (whole)
		return copy;
	mqev_ws_options_free(copy);
	return NULL;
}

void
mqev_ws_options_free(struct mqev_websocket_options *options)
{
	if (options == NULL)
		return;
	for (size_t i = 0; i < options->header_count; i++)
		mqev_free((void *)options->headers[i]);
	mqev_free((void *)options->headers);
	mqev_free((void *)options->path);
	mqev_free((void *)options->subprotocol);
	mqev_free(options);
}
