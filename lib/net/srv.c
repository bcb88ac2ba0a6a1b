/* SRV records (RFC 2782) out of a DNS answer, and the order in which their servers are tried. Sends
 * nothing. */
#include "net/srv.h"

#include <stdbool.h>
#include <string.h>

#include <mqev/reason.h>

#include "core/mem.h"
#include "net/url_scan.h"
#include "port/port.h"

#define TYPE_SRV 33
#define CLASS_IN 1
#define HEADER_SIZE 12

/* A cursor over a message; once something was missing it stays broken and yields zeros. */
struct reader {
	const uint8_t *data;
	size_t size, at;
	bool broken;
};

static bool
has(struct reader *r, size_t n)
{
	if (r->broken || r->size - r->at < n)
		r->broken = true;
	return !r->broken;
}

static uint16_t
read_u16(struct reader *r)
{
	uint16_t value;

	if (!has(r, 2))
		return 0;
	value = (uint16_t)(r->data[r->at] << 8 | r->data[r->at + 1]);
	r->at += 2;
	return value;
}

static uint32_t
read_u32(struct reader *r)
{
	uint32_t high = read_u16(r);

	return high << 16 | read_u16(r);
}

static void
skip(struct reader *r, size_t n)
{
	if (has(r, n))
		r->at += n;
}

/* The next label of a name, pointers followed; NULL at its end or when it is broken. Jumps go
 * backwards only, so they end. */
static const uint8_t *
next_label(struct reader *r, size_t *limit)
{
	const uint8_t *label;

	while (has(r, 1) && (r->data[r->at] & 0xc0) == 0xc0) {
		size_t target = read_u16(r) & 0x3fff;

		if (r->broken || target >= *limit) {
			r->broken = true;
			return NULL;
		}
		r->at = *limit = target;
	}
	if (r->broken || !has(r, 1 + (size_t)r->data[r->at]) || (r->data[r->at] & 0xc0) != 0) {
		r->broken = true;
		return NULL;
	}
	label = r->data + r->at;
	r->at += 1 + (size_t)*label;
	return *label != 0 ? label : NULL;
}

/* Where a name that begins at the cursor ends in the message: after its first pointer or its empty
 * label. */
static size_t
end_of_name(struct reader r)
{
	while (has(&r, 1) && r.data[r.at] != 0 && (r.data[r.at] & 0xc0) == 0)
		skip(&r, 1 + (size_t)r.data[r.at]);
	skip(&r, has(&r, 1) && r.data[r.at] != 0 ? 2 : 1);
	return r.broken ? r.size + 1 : r.at;
}

static void
skip_name(struct reader *r)
{
	size_t end = end_of_name(*r);

	if (end > r->size)
		r->broken = true;
	else
		r->at = end;
}

/* Reads a name as text without its last dot. */
static void
read_name(struct reader *r, char *text, size_t size)
{
	size_t end = end_of_name(*r), limit = r->at, n = 0;
	const uint8_t *label;

	text[0] = '\0';
	while ((label = next_label(r, &limit)) != NULL) {
		if (n + *label + 2 > size || memchr(label + 1, 0, *label) != NULL) {
			r->broken = true;
			break;
		}
		if (n > 0)
			text[n++] = '.';
		memcpy(text + n, label + 1, *label);
		n += *label;
		text[n] = '\0';
	}
	if (!r->broken && end <= r->size)
		r->at = end;
}

/* A name of bytes that no host can have is of no use to anybody. */
static bool
usable(const struct mqev_srv *srv)
{
	struct mqev_span host = {srv->host, strlen(srv->host)};

	return srv->port != 0 && mqev_host_check(host, true) == NULL;
}

static void
read_record(struct reader *r, struct mqev_srvs *srvs, uint32_t *ttl_s)
{
	uint16_t type, class, length;
	uint32_t ttl;
	size_t end;

	skip_name(r);
	type = read_u16(r);
	class = read_u16(r);
	ttl = read_u32(r);
	length = read_u16(r);
	if (!has(r, length))
		return;
	end = r->at + length;
	if (ttl < *ttl_s)
		*ttl_s = ttl;
	if (type == TYPE_SRV && class == CLASS_IN && srvs->count < MQEV_SRVS_MAX) {
		struct mqev_srv *srv = &srvs->at[srvs->count];

		srv->priority = read_u16(r);
		srv->weight = read_u16(r);
		srv->port = read_u16(r);
		read_name(r, srv->host, sizeof srv->host);
		if (!r->broken && r->at == end && usable(srv))
			srvs->count++;
	}
	r->at = end;
}

int
mqev_srv_parse(const uint8_t *message, size_t size, struct mqev_srvs **srvs, uint32_t *ttl_s)
{
	struct reader r = {.data = message, .size = size};
	size_t questions, answers, room;

	*srvs = NULL;
	*ttl_s = UINT32_MAX;
	skip(&r, 4);
	questions = read_u16(&r);
	answers = read_u16(&r);
	skip(&r, HEADER_SIZE - 8);
	room = answers < MQEV_SRVS_MAX ? answers : MQEV_SRVS_MAX;
	if (r.broken)
		return MQEV_ERR_MALFORMED;
	*srvs = mqev_calloc(1, sizeof **srvs + (room > 0 ? room : 1) * sizeof(*srvs)->at[0]);
	if (*srvs == NULL)
		return MQEV_ERR_NOMEM;
	while (questions-- > 0 && !r.broken) {
		skip_name(&r);
		skip(&r, 4);
	}
	while (answers-- > 0 && !r.broken)
		read_record(&r, *srvs, ttl_s);
	if (!r.broken)
		return 0;
	mqev_free(*srvs);
	*srvs = NULL;
	return MQEV_ERR_MALFORMED;
}

/* The order of trying -------------------------------------------------------------------------- */

static void
swap(struct mqev_srvs *srvs, size_t a, size_t b)
{
	struct mqev_srv kept = srvs->at[a];

	srvs->at[a] = srvs->at[b];
	srvs->at[b] = kept;
}

/* Those of the lowest priority from first on come next to each other; how many they are. */
static size_t
gather_lowest(struct mqev_srvs *srvs, size_t first)
{
	uint16_t lowest = UINT16_MAX;
	size_t i, n = 0;

	for (i = first; i < srvs->count; i++) {
		if (srvs->at[i].priority < lowest)
			lowest = srvs->at[i].priority;
	}
	for (i = first; i < srvs->count; i++) {
		if (srvs->at[i].priority == lowest)
			swap(srvs, i, first + n++);
	}
	return n;
}

/* From 0 to limit inclusive. */
static uint32_t
random_upto(uint32_t limit)
{
	uint64_t value;

	if (mqev_port_random(&value, sizeof value) < 0)
		return 0;
	return (uint32_t)(value % ((uint64_t)limit + 1));
}

/*
 * One of those of a priority, by weight. A server of weight 0 is to have a small chance beside the
 * others, so each counts one more than its weight, scaled so that this is little.
 */
static size_t
choose(const struct mqev_srvs *srvs, size_t first, size_t n)
{
	uint32_t sum = 0, at;
	size_t i;

	for (i = first; i < first + n; i++)
		sum += (uint32_t)srvs->at[i].weight * 100 + 1;
	at = random_upto(sum - 1);
	for (i = first; i < first + n - 1; i++) {
		uint32_t share = (uint32_t)srvs->at[i].weight * 100 + 1;

		if (at < share)
			break;
		at -= share;
	}
	return i;
}

void
mqev_srvs_sort(struct mqev_srvs *srvs)
{
	size_t first = 0;

	while (first < srvs->count) {
		size_t n = gather_lowest(srvs, first);

		for (; n > 0; n--, first++)
			swap(srvs, first, choose(srvs, first, n));
	}
}
