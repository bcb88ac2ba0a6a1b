/* Judges the server's answer to an upgrade, line by line as it comes. Takes no byte behind it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/buffer.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <mqev/reason.h>

#include "net/step.h"
#include "net/ws.h"

#define MAX_ANSWER_BYTES 8192
#define HTTP_VERSION "HTTP/1.1 "
#define KEY_SUFFIX "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, 1.3 */

enum seen {
	SEEN_UPGRADE = 1,
	SEEN_CONNECTION = 2,
	SEEN_ACCEPT = 4,
	SEEN_PROTOCOL = 8,
	SEEN_ALL = 15
};

static int
refuse(struct mqev_net_error *error, const char *why)
{
	mqev_net_error_set(error, MQEV_ERR_WEBSOCKET, 0, "WebSocket upgrade: %s", why);
	return -1;
}

int
mqev_ws_make_key(char key[MQEV_WS_KEY_SIZE])
{
	unsigned char bytes[16];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return -1;
	EVP_EncodeBlock((unsigned char *)key, bytes, sizeof(bytes));
	return 0;
}

int
mqev_ws_accept_for_key(const char *key, char accept[MQEV_WS_ACCEPT_SIZE])
{
	char text[MQEV_WS_KEY_SIZE + sizeof(KEY_SUFFIX)];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	snprintf(text, sizeof(text), "%.24s%s", key, KEY_SUFFIX);
	if (EVP_Digest(text, strlen(text), digest, &len, EVP_sha1(), NULL) != 1 || len != 20)
		return -1;
	EVP_EncodeBlock((unsigned char *)accept, digest, (int)len);
	return 0;
}

int
mqev_ws_answer_init(struct mqev_ws_answer *answer, const char *key, const char *subprotocol)
{
	memset(answer, 0, sizeof(*answer));
	answer->subprotocol = subprotocol;
	return mqev_ws_accept_for_key(key, answer->accept);
}

static int
on_upgrade(struct mqev_ws_answer *answer, const char *value, struct mqev_net_error *error)
{
	if (strcasecmp(value, "websocket") != 0)
		return refuse(error, "to something else than websocket");
	answer->seen |= SEEN_UPGRADE;
	return 0;
}

/* A list of tokens, of which one must be "upgrade". */
static int
on_connection(struct mqev_ws_answer *answer, const char *value, struct mqev_net_error *error)
{
	static const char separators[] = ", \t";

	(void)error;
	while (*(value += strspn(value, separators)) != '\0') {
		size_t len = strcspn(value, separators);
		if (len == 7 && strncasecmp(value, "upgrade", 7) == 0)
			answer->seen |= SEEN_CONNECTION;
		value += len;
	}
	return 0;
}

static int
on_accept(struct mqev_ws_answer *answer, const char *value, struct mqev_net_error *error)
{
	if ((answer->seen & SEEN_ACCEPT) || strcmp(value, answer->accept) != 0)
		return refuse(error, "wrong Sec-WebSocket-Accept");
	answer->seen |= SEEN_ACCEPT;
	return 0;
}

static int
on_protocol(struct mqev_ws_answer *answer, const char *value, struct mqev_net_error *error)
{
	if ((answer->seen & SEEN_PROTOCOL) || strcmp(value, answer->subprotocol) != 0)
		return refuse(error, "the server chose another subprotocol");
	answer->seen |= SEEN_PROTOCOL;
	return 0;
}

static int
on_extensions(struct mqev_ws_answer *answer, const char *value, struct mqev_net_error *error)
{
	(void)answer;
	return *value == '\0' ? 0 : refuse(error, "an extension that was not offered");
}

static const struct {
	const char *name;
	int (*judge)(
	    struct mqev_ws_answer *answer, const char *value, struct mqev_net_error *error);
} judged[] = {
    {"Upgrade", on_upgrade},
    {"Connection", on_connection},
    {"Sec-WebSocket-Accept", on_accept},
    {"Sec-WebSocket-Protocol", on_protocol},
    {"Sec-WebSocket-Extensions", on_extensions},
};

/* Cuts "Name: value" in place. A name is not empty and has no blanks, so a folded line is refused
 * too. */
static char *
split(char *line)
{
	char *value = strchr(line, ':');
	char *end;

	if (value == NULL || value == line ||
	    strcspn(line, " \t\"(),/;<=>?@[\\]{}") < (size_t)(value - line))
		return NULL;
	*value++ = '\0';
	value += strspn(value, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	return value;
}

static int
on_header(struct mqev_ws_answer *answer, char *line, struct mqev_net_error *error)
{
	const char *value = split(line);

	if (value == NULL)
		return refuse(error, "malformed header line");
	for (size_t i = 0; i < sizeof(judged) / sizeof(judged[0]); i++)
		if (strcasecmp(line, judged[i].name) == 0)
			return judged[i].judge(answer, value, error);
	return 0;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The reason is the server's text: only plain characters of it get into logs. */
static int
refuse_status(struct mqev_net_error *error, int status, const char *reason)
{
	char plain[60];
	size_t len = 0;

	for (; *reason != '\0' && len < sizeof(plain) - 1; reason++)
		plain[len++] = *reason >= 0x20 && *reason < 0x7f ? *reason : '?';
	plain[len] = '\0';
	mqev_net_error_set(error, MQEV_ERR_WEBSOCKET, 0, "WebSocket upgrade refused: %d%s%s",
	    status, len > 0 ? " " : "", plain);
	error->http_status = status;
	return -1;
}

static int
on_status(struct mqev_ws_answer *answer, const char *line, struct mqev_net_error *error)
{
	const char *code = line + strlen(HTTP_VERSION);
	int status;

	if (strncmp(line, HTTP_VERSION, strlen(HTTP_VERSION)) != 0 || !is_digit(code[0]) ||
	    !is_digit(code[1]) || !is_digit(code[2]) || (code[3] != ' ' && code[3] != '\0'))
		return refuse(error, "the answer is not HTTP/1.1");
	status = atoi(code);
	if (status != 101)
		return refuse_status(error, status, code[3] == ' ' ? code + 4 : "");
	answer->status_seen = true;
	return 0;
}

static int
on_end(const struct mqev_ws_answer *answer, struct mqev_net_error *error)
{
	unsigned missing = SEEN_ALL & ~answer->seen;

	if (missing & SEEN_UPGRADE)
		return refuse(error, "no Upgrade header");
	if (missing & SEEN_CONNECTION)
		return refuse(error, "no \"Connection: Upgrade\" header");
	if (missing & SEEN_ACCEPT)
		return refuse(error, "no Sec-WebSocket-Accept header");
	if (missing & SEEN_PROTOCOL)
		return refuse(error, "the server did not agree to the subprotocol");
	return 1;
}

static bool
is_text(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f)
			return false;
	return true;
}

static int
on_line(struct mqev_ws_answer *answer, char *line, size_t len, struct mqev_net_error *error)
{
	if (!is_text(line, len))
		return refuse(error, "control characters in the answer");
	if (!answer->status_seen)
		return on_status(answer, line, error);
	return len == 0 ? on_end(answer, error) : on_header(answer, line, error);
}

/* No whole line is there: is what is there the beginning of one? */
static int
judge_rest(const struct mqev_ws_answer *answer, struct evbuffer *in, struct mqev_net_error *error)
{
	size_t len = evbuffer_get_length(in);
	char start[sizeof(HTTP_VERSION) - 1];
	ev_ssize_t n;

	if (answer->consumed + len > MAX_ANSWER_BYTES)
		return refuse(error, "the answer is longer than 8 KiB");
	if (evbuffer_search(in, "\n", 1, NULL).pos >= 0)
		return refuse(error, "a line of the answer ends without CR");
	if (answer->status_seen)
		return 0;
	n = evbuffer_copyout(in, start, sizeof(start));
	if (n > 0 && memcmp(start, HTTP_VERSION, (size_t)n) != 0)
		return refuse(error, "the answer is not HTTP/1.1");
	return 0;
}

/* 1: a line was taken, without its end; 0: there is none. */
static int
take_line(struct evbuffer *in, char *line, size_t size, size_t *len)
{
	size_t eol_len;
	struct evbuffer_ptr eol = evbuffer_search_eol(in, NULL, &eol_len, EVBUFFER_EOL_CRLF_STRICT);

	if (eol.pos < 0 || (size_t)eol.pos >= size)
		return 0;
	*len = (size_t)eol.pos;
	evbuffer_remove(in, line, *len);
	line[*len] = '\0';
	evbuffer_drain(in, eol_len);
	return 1;
}

int
mqev_ws_answer_read(
    struct mqev_ws_answer *answer, struct evbuffer *in, struct mqev_net_error *error)
{
	char line[MAX_ANSWER_BYTES + 1];
	size_t len;
	int rc = 0;

	while (rc == 0 && take_line(in, line, sizeof(line), &len)) {
		answer->consumed += len + 2;
		if (answer->consumed > MAX_ANSWER_BYTES)
			return refuse(error, "the answer is longer than 8 KiB");
		rc = on_line(answer, line, len, error);
	}
	return rc == 0 ? judge_rest(answer, in, error) : rc;
}
