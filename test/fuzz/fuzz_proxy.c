/*
 * What a proxy answers: the first byte chooses the kind of proxy, the second the size of the
 * pieces. In one piece and in many the verdict is the same, and so is the number of bytes taken:
 * what comes after them belongs to the server.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy_dialog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static const struct mqev_proxy kinds[] = {
    {.type = MQEV_PROXY_HTTP},
    {.type = MQEV_PROXY_HTTP, .username = "user", .password = "secret"},
    {.type = MQEV_PROXY_SOCKS4},
    {.type = MQEV_PROXY_SOCKS4A, .username = "user"},
    {.type = MQEV_PROXY_SOCKS5},
    {.type = MQEV_PROXY_SOCKS5, .username = "user", .password = "secret"},
};

#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

/* What came of a talk. */
struct result {
	enum mqev_proxy_verdict verdict;
	size_t taken;
	int http_status;
};

/* As the step does it: as many bytes as there are and fit, of which the protocol takes its own. */
static size_t
feed(struct mqev_proxy_dialog *d, const struct mqev_proxy_protocol *protocol, const uint8_t *data,
    size_t n)
{
	size_t room = sizeof d->in - d->in_len, taken;

	if (n > room)
		n = room;
	REQUIRE(n > 0);
	memcpy(d->in + d->in_len, data, n);
	taken = protocol->take(d, n);
	REQUIRE(taken > 0 && taken <= n);
	memset(d->in + d->in_len + taken, 0xa5, n - taken);
	d->in_len += taken;
	return taken;
}

static struct result
talk(const struct mqev_proxy *proxy, const uint8_t *data, size_t size, size_t piece)
{
	const struct mqev_proxy_protocol *protocol = mqev_proxy_protocol_of(proxy);
	struct mqev_proxy_dialog *d = calloc(1, sizeof *d);
	struct result result = {.taken = 0};

	REQUIRE(d != NULL);
	d->proxy = proxy;
	d->host = "broker.example";
	d->port = 1883;
	result.verdict = protocol->begin(d);
	while (result.verdict <= MQEV_PROXY_SEND && result.taken < size) {
		size_t left = size - result.taken;

		REQUIRE(d->out_len > 0 && d->out_len <= sizeof d->out);
		result.taken += feed(d, protocol, data + result.taken, left < piece ? left : piece);
		result.verdict = protocol->judge(d);
	}
	REQUIRE((result.verdict == MQEV_PROXY_FAILED) == (d->why[0] != '\0'));
	REQUIRE(memchr(d->why, '\0', sizeof d->why) != NULL);
	result.http_status = d->http_status;
	free(d);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct mqev_proxy *proxy;
	struct result whole, pieces;

	if (size < 2)
		return 0;
	proxy = &kinds[data[0] % KIND_COUNT];
	whole = talk(proxy, data + 2, size - 2, SIZE_MAX);
	pieces = talk(proxy, data + 2, size - 2, (size_t)data[1] + 1);
	REQUIRE((whole.verdict == MQEV_PROXY_DONE) == (pieces.verdict == MQEV_PROXY_DONE));
	REQUIRE((whole.verdict == MQEV_PROXY_FAILED) == (pieces.verdict == MQEV_PROXY_FAILED));
	if (whole.verdict != MQEV_PROXY_DONE)
		return 0;
	REQUIRE(whole.taken == pieces.taken && whole.http_status == pieces.http_status);
	return 0;
}
