/* Cases over a vclient: expectations, and the replays with cut input. */
#include "lib/vcase.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"

#define PAIRS_UP_TO 64
#define PIECES_UP_TO 6000

static const char *running = "?";

/* --- notation -------------------------------------------------------------------------------- */

static struct tk_buf
notation(const struct vclient *v, const char *text, size_t len)
{
	struct tk_buf plain = {0};
	struct tk_buf bytes = {0};

	for (size_t i = 0; i < len; i++) {
		if (text[i] != '~')
			tk_buf_put(&plain, text + i, 1);
		else if (v->s.version == MQEV_V5)
			tk_buf_put(&plain, "()", 2);
	}
	tk_buf_put(&plain, "", 1);
	tk_buf_hex(&bytes, (const char *)plain.data);
	tk_buf_free(&plain);
	return bytes;
}

struct tk_buf
vcase_bytes(const struct vclient *v, const char *packets)
{
	return notation(v, packets, strlen(packets));
}

void
rx(struct vclient *v, const char *packets)
{
	struct tk_buf bytes = vcase_bytes(v, packets);

	vclient_receive(v, bytes.data, bytes.len);
	tk_buf_free(&bytes);
}

static int64_t
submit_filters(struct vclient *v, bool subscribe, const char *filters, size_t count)
{
	struct tk_buf bytes = notation(v, filters, strlen(filters));
	int64_t number = subscribe ? vclient_subscribe(v, bytes.data, bytes.len, count, 0)
				   : vclient_unsubscribe(v, bytes.data, bytes.len, count);

	tk_buf_free(&bytes);
	return number;
}

int64_t
sub(struct vclient *v, const char *filters, size_t count)
{
	return submit_filters(v, true, filters, count);
}

int64_t
unsub(struct vclient *v, const char *filters, size_t count)
{
	return submit_filters(v, false, filters, count);
}

/* --- expectations ---------------------------------------------------------------------------- */

static void
flunk(struct vclient *v, const char *what, const char *want, const char *got)
{
	char cut[80] = "uncut";

	if (v->every_byte)
		snprintf(cut, sizeof(cut), "byte by byte");
	else if (v->cut[0] != SIZE_MAX)
		snprintf(cut, sizeof(cut), "cut at %zu and %zd", v->cut[0], (ssize_t)v->cut[1]);
	ck_abort_msg("%s, version %d, %s: %s\nexpected:\n%s\ngot:\n%s", running, v->s.version, cut,
	    what, want, got);
}

static void
put_line(struct vclient *v, struct vbuf *out, const char *line, size_t len)
{
	struct tk_buf bytes;

	while (len > 0 && *line == ' ') {
		line++;
		len--;
	}
	if (len == 0)
		return;
	if (*line != '>') {
		vbuf_put(out, line, len);
		vbuf_put(out, "\n", 1);
		return;
	}
	bytes = notation(v, line + 1, len - 1);
	vbuf_put(out, ">", 1);
	for (size_t i = 0; i < bytes.len; i++)
		vbuf_printf(out, " %02X", bytes.data[i]);
	vbuf_put(out, "\n", 1);
	tk_buf_free(&bytes);
}

void
expect(struct vclient *v, const char *lines)
{
	struct vbuf want = {0};
	size_t got_len;

	vclient_flush_record(v);
	while (*lines != '\0') {
		size_t len = strcspn(lines, ";");

		put_line(v, &want, lines, len);
		lines += len + (lines[len] == ';');
	}
	vbuf_put(&want, "", 1);
	vbuf_put(&v->record, "", 1);
	v->record.len--;
	got_len = v->record.len - v->checked;
	if (got_len != want.len - 1 || memcmp(want.data, v->record.data + v->checked, got_len) != 0)
		flunk(v, "another record", (const char *)want.data,
		    (const char *)v->record.data + v->checked);
	v->checked = v->record.len;
	vbuf_free(&want);
	if (v->broken[0] != '\0')
		flunk(v, "the session's promises", "kept", v->broken);
}

void
expect_v(struct vclient *v, const char *v3, const char *v5)
{
	expect(v, v->s.version == MQEV_V5 ? v5 : v3);
}

void
up(struct vclient *v, int session_present, const char *properties)
{
	char connack[400];

	ck_assert(vclient_connect(v));
	v->checked = v->record.len;
	if (v->s.version == MQEV_V5)
		snprintf(connack, sizeof(connack), "20 (0%d 00 (%s))", session_present, properties);
	else
		snprintf(connack, sizeof(connack), "20 02 0%d 00", session_present);
	rx(v, connack);
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
	if (v->s.version == MQEV_V31)
		session_present = 0;
	snprintf(connack, sizeof(connack), "connack %d 00", session_present);
	ck_assert_msg(v->record.len - v->checked > strlen(connack) &&
			  memcmp(v->record.data + v->checked, connack, strlen(connack)) == 0,
	    "%s: the CONNACK was not the first event", running);
	/* What follows the CONNACK's line is for the test to check. */
	while (v->record.data[v->checked++] != '\n')
		;
}

/* --- replays --------------------------------------------------------------------------------- */

static void
finish(struct vclient *v)
{
	expect_nothing(v);
	v->hook = NULL;
	vclient_free_session(v);
	if (vclient_pending(v) > 0)
		vclient_break(v, "%zu operations never completed", vclient_pending(v));
	if (v->broken[0] != '\0')
		flunk(v, "the session's promises", "kept", v->broken);
}

/* The record of one run, which the caller frees. *fed gets the size of its input. */
static struct vbuf
run_once(const struct vcase *c, enum mqev_version version, const size_t cut[2], bool every_byte,
    size_t *fed)
{
	static struct vclient v;
	struct vbuf record;

	vclient_init(&v, version);
	v.cut[0] = cut[0];
	v.cut[1] = cut[1];
	v.every_byte = every_byte;
	c->run(&v);
	finish(&v);
	*fed = v.fed;
	record = v.record;
	v.record = (struct vbuf){0};
	vclient_free(&v);
	return record;
}

static void
replay(const struct vcase *c, enum mqev_version version, const struct vbuf *want, size_t cut0,
    size_t cut1, bool every_byte)
{
	const size_t cut[2] = {cut0, cut1};
	size_t fed;
	struct vbuf got = run_once(c, version, cut, every_byte, &fed);

	ck_assert_msg(got.len == want->len && memcmp(got.data, want->data, got.len) == 0,
	    "%s, version %d: another record when cut at %zu and %zd", running, version, cut0,
	    (ssize_t)cut1);
	vbuf_free(&got);
}

static void
run_version(const struct vcase *c, enum mqev_version version)
{
	const size_t uncut[2] = {SIZE_MAX, SIZE_MAX};
	size_t fed;
	struct vbuf want = run_once(c, version, uncut, false, &fed);

	replay(c, version, &want, SIZE_MAX, SIZE_MAX, true);
	for (size_t i = 1; i < fed && fed < PIECES_UP_TO; i++) {
		replay(c, version, &want, i, SIZE_MAX, false);
		for (size_t k = i + 1; k < fed && fed <= PAIRS_UP_TO; k++)
			replay(c, version, &want, i, k, false);
	}
	vbuf_free(&want);
}

void
vcase_run(const struct vcase *c)
{
	running = c->name;
	for (enum mqev_version version = MQEV_V31; version <= MQEV_V5; version++) {
		if ((c->versions & 1u << version) != 0)
			run_version(c, version);
	}
}
