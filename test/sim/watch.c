/* The watch on acknowledgements and expiry. */
#include "sim/watch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/strict.h"

void
watch_init(struct watch *watch, int version)
{
	memset(watch, 0, sizeof(*watch));
	watch->version = version;
}

void
watch_free(struct watch *watch)
{
	tk_buf_free(&watch->up);
	tk_buf_free(&watch->down);
}

void
watch_connect(struct watch *watch)
{
	tk_buf_clear(&watch->up);
	tk_buf_clear(&watch->down);
	watch->count = 0;
	/* What the client was about to read it may not have read to the end. */
	memset(watch->done, 0, sizeof(watch->done));
}

static void __attribute__((format(printf, 2, 3))) wrong(struct watch *watch, const char *fmt, ...)
{
	va_list ap;

	if (watch->error[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(watch->error, sizeof(watch->error), fmt, ap);
	va_end(ap);
}

/* --- acknowledgements ------------------------------------------------------------------------- */

static int
find(const struct watch *watch, unsigned mid)
{
	for (int i = 0; i < watch->count; i++)
		if (watch->waiting[i].mid == mid)
			return i;
	return -1;
}

static void
begin_to_wait(struct watch *watch, unsigned mid, uint64_t now)
{
	int i = find(watch, mid);

	if (i < 0 && watch->count < WATCH_MAX)
		i = watch->count++;
	if (i < 0)
		return;
	watch->waiting[i].mid = mid;
	watch->waiting[i].since_ms = now;
}

static void
answered(struct watch *watch, unsigned mid)
{
	int i = find(watch, mid);

	if (i >= 0)
		watch->waiting[i] = watch->waiting[--watch->count];
	watch->done[mid] = 1;
}

void
watch_late(struct watch *watch, unsigned mid, uint64_t now, uint64_t timeout)
{
	int i = find(watch, mid);

	watch->late++;
	if (i < 0)
		wrong(watch, "%u is late, though nothing waits for it", mid);
	else if (now - watch->waiting[i].since_ms + WATCH_SLICE_MS < timeout)
		wrong(watch, "%u is called late after %u ms", mid,
		    (unsigned)(now - watch->waiting[i].since_ms));
	else
		watch->waiting[i].since_ms = now;
}

bool
watch_overdue(const struct watch *watch, uint64_t now, uint64_t timeout)
{
	for (int i = 0; i < watch->count; i++)
		if (now - watch->waiting[i].since_ms >= timeout)
			return true;
	return false;
}

/* --- expiry ----------------------------------------------------------------------------------- */

static unsigned
number_in(struct tk_str text)
{
	unsigned n = 0;

	for (size_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
		n = n * 10 + (unsigned)(text.data[i] - '0');
	return n <= JUDGE_MAX ? n : 0;
}

static unsigned
left_s(uint64_t end, uint64_t now)
{
	return end > now ? (unsigned)((end - now + 999) / 1000) : 1;
}

/* One that went out before may go out again after its time: with the least that there is. */
static void
check_expiry(struct watch *watch, const struct tk_packet *p, uint64_t now)
{
	unsigned seq = number_in(p->payload);
	uint64_t end = watch->expires_ms[seq];
	unsigned said = tk_props_number(&p->props, 0x02, 0);
	unsigned least = left_s(end, now);
	unsigned most = left_s(end, now - WATCH_SLICE_MS);

	if (end == 0 && said != 0)
		wrong(watch, "message %u has an expiry of %u s, and should have none", seq, said);
	else if (end != 0 && (said < least || said > most))
		wrong(watch, "message %u says %u s, and has %u s", seq, said, least);
	else if (end != 0 && now >= end + WATCH_SLICE_MS && !p->dup)
		wrong(watch, "message %u is sent after its time", seq);
}

/* --- packets ---------------------------------------------------------------------------------- */

static void
sent(struct watch *watch, const struct tk_packet *p, uint64_t now)
{
	if (p->type == TK_PUBLISH && watch->version == TK_V5)
		check_expiry(watch, p, now);
	if ((p->type == TK_PUBLISH && p->qos > 0) || p->type == TK_SUBSCRIBE ||
	    p->type == TK_UNSUBSCRIBE)
		watch->done[p->mid] = 0;
	else if (p->type != TK_PUBREL || p->reason != 0 || watch->done[p->mid])
		return;
	begin_to_wait(watch, p->mid, now);
}

static void
received(struct watch *watch, const struct tk_packet *p)
{
	if (p->type == TK_PUBACK || p->type == TK_PUBCOMP || p->type == TK_SUBACK ||
	    p->type == TK_UNSUBACK || (p->type == TK_PUBREC && p->reason >= 0x80))
		answered(watch, p->mid);
}

static void
read_packets(struct watch *watch, struct tk_buf *part, enum tk_from from, uint64_t now)
{
	struct tk_packet p;
	size_t size;

	while (tk_frame(part->data, part->len, &size) == 1) {
		tk_packet_parse(&p, watch->version, from, part->data, size);
		if (from == TK_FROM_CLIENT)
			sent(watch, &p, now);
		else
			received(watch, &p);
		tk_packet_clear(&p);
		tk_buf_drain(part, size);
	}
}

void
watch_up(struct watch *watch, const void *data, size_t len, uint64_t now)
{
	tk_buf_put(&watch->up, data, len);
	read_packets(watch, &watch->up, TK_FROM_CLIENT, now);
}

void
watch_down(struct watch *watch, const void *data, size_t len)
{
	tk_buf_put(&watch->down, data, len);
	read_packets(watch, &watch->down, TK_FROM_SERVER, 0);
}
