/* What the null broker writes: answers and floods, one packet never inside another. */
#include "bench/nullbroker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <openssl/err.h>

/* Writes before other connections get their turn. */
#define FLUSH_STEPS 8

static int64_t
send_plain(struct nb_conn *c, const uint8_t *p, size_t n)
{
	ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	return sent;
}

static int64_t
send_tls(struct nb_conn *c, const uint8_t *p, size_t n)
{
	size_t at = 0, took;
	int r;

	while (at < n) {
		ERR_clear_error();
		r = SSL_write_ex(c->ssl, p + at, n - at, &took);
		if (r == 1)
			at += took;
		else if (SSL_get_error(c->ssl, r) == SSL_ERROR_WANT_WRITE)
			break;
		else
			return -1;
	}
	return (int64_t)at;
}

/* Returns what was sent, -1 when the link is gone. Less than n means that the link is full: over
 * TLS the same bytes must then come first the next time, which blocked remembers. */
static int64_t
send_some(struct nb_conn *c, enum nb_blocked source, const uint8_t *p, size_t n)
{
	int64_t sent = c->ssl ? send_tls(c, p, n) : send_plain(c, p, n);

	c->blocked = sent >= 0 && (size_t)sent < n ? source : NB_FREE;
	return sent;
}

static bool
is_mid_packet(const struct nb_flood *f)
{
	return f->active && f->sent_bytes % f->block.packet_len;
}

static bool
keep_answers(struct nb_conn *c, const uint8_t *p, size_t n)
{
	size_t need = c->out_len + n, cap = c->out_cap ? c->out_cap : 512;
	uint8_t *bigger;

	if (need > c->out_cap) {
		while (cap < need)
			cap *= 2;
		bigger = realloc(c->out, cap);
		if (!bigger)
			return false;
		c->out = bigger;
		c->out_cap = cap;
	}
	memcpy(c->out + c->out_len, p, n);
	c->out_len += n;
	return true;
}

/* Sends the answers gathered in the shared buffer when nothing is in front of them; keeps what
 * cannot go now. */
static bool
take_answers(struct nb *nb, struct nb_conn *c)
{
	const uint8_t *p = c->ws.on ? nb->framed : nb->out;
	size_t n = c->ws.on ? nb_ws_frame(nb->framed, nb->out, nb->out_len) : nb->out_len;
	int64_t sent = 0;

	nb->out_len = 0;
	if (!c->out_len && c->blocked == NB_FREE && !is_mid_packet(&c->flood))
		sent = send_some(c, NB_BLOCKED_OUT, p, n);
	if (sent < 0)
		return false;
	return (size_t)sent == n || keep_answers(c, p + sent, n - (size_t)sent);
}

static bool
send_answers(struct nb_conn *c)
{
	int64_t sent = send_some(c, NB_BLOCKED_OUT, c->out, c->out_len);

	if (sent < 0)
		return false;
	c->out_len -= (size_t)sent;
	memmove(c->out, c->out + sent, c->out_len);
	if (c->out_len)
		return true;
	free(c->out);
	c->out = NULL;
	c->out_cap = 0;
	return true;
}

static bool
send_flood(struct nb *nb, struct nb_conn *c, uint64_t limit)
{
	size_t n;
	const uint8_t *p = nb_flood_bytes(&c->flood, limit, &n);
	int64_t sent = send_some(c, NB_BLOCKED_FLOOD, p, n);

	if (sent < 0)
		return false;
	nb_flood_sent(nb, c, (size_t)sent);
	return true;
}

enum step { STEP_NONE, STEP_ANSWERS, STEP_FLOOD };

static enum step
next_step(const struct nb_conn *c, uint64_t *limit)
{
	const struct nb_flood *f = &c->flood;
	bool mid_packet = is_mid_packet(f);

	*limit = nb_flood_limit(f);
	if (mid_packet && c->out_len && c->blocked != NB_BLOCKED_FLOOD)
		*limit = (f->sent_bytes / f->block.packet_len + 1) * f->block.packet_len;
	if (mid_packet || c->blocked == NB_BLOCKED_FLOOD)
		return STEP_FLOOD;
	if (c->out_len)
		return STEP_ANSWERS;
	return f->active && *limit > f->sent_bytes ? STEP_FLOOD : STEP_NONE;
}

static bool
set_events(struct nb *nb, struct nb_conn *c, bool want_write)
{
	uint32_t events = (c->out_len < NB_OUT_PAUSE ? EPOLLIN : 0) | (want_write ? EPOLLOUT : 0);
	struct epoll_event e = {.events = events, .data.fd = c->fd};

	if (events == c->events)
		return true;
	c->events = events;
	return epoll_ctl(nb->epoll, EPOLL_CTL_MOD, c->fd, &e) == 0;
}

bool
nb_flush(struct nb *nb, struct nb_conn *c)
{
	enum step step;
	uint64_t limit;
	int steps = FLUSH_STEPS;

	do {
		if (nb->out_len && !take_answers(nb, c))
			return false;
		step = next_step(c, &limit);
		if (step == STEP_ANSWERS && !send_answers(c))
			return false;
		if (step == STEP_FLOOD && !send_flood(nb, c, limit))
			return false;
	} while (step != STEP_NONE && c->blocked == NB_FREE && --steps);
	if (nb->out_len && !take_answers(nb, c))
		return false;
	return set_events(nb, c, next_step(c, &limit) != STEP_NONE);
}
