/* The steps of the scripted broker: one function per kind of step, and the playing of the table. */
#include "broker_int.h"

#include "loop.h"

#include <event2/event.h>
#include <stdlib.h>

enum { UNTIL_POLL_MS = 5, DUMP_BYTES = 48 };

enum result { NEXT, WAIT };

struct op {
	const char *name;
	enum result (*run)(struct tk_broker *b, const struct tk_step *s);
	int needs_link;
};
static const struct op ops[TK_OPS];

/* Errors */

static void
describe_step(struct tk_broker *b, struct tk_buf *out)
{
	const struct tk_step *s = b->step;

	if (!s)
		return;
	tk_buf_printf(
	    out, "step %ld (line %d) %s", (long)(s - b->script) + 1, s->line, ops[s->op].name);
	if (s->op == TK_OP_EXPECT || s->op == TK_OP_EXPECT_IF)
		tk_buf_printf(out, " %s", tk_type_name((unsigned)s->number));
	if (s->text)
		tk_buf_printf(out, " \"%.60s\"", s->text);
	tk_buf_printf(out, ": ");
}

void
tk_broker_flunk(struct tk_broker *b, const char *why, const struct tk_packet *p)
{
	char *dump;

	if (b->error.len > 0)
		return;
	describe_step(b, &b->error);
	tk_buf_printf(&b->error, "%s", why);
	if (p) {
		dump = tk_dump(p->raw.data, p->raw.len, DUMP_BYTES);
		tk_buf_printf(&b->error, " %s: %s", tk_type_name(p->type), dump);
		free(dump);
	}
	if (b->current)
		tk_buf_printf(&b->error, " [connection %d]", b->current->conn->number);
	tk_buf_u8(&b->error, 0);
	event_base_loopbreak(b->base);
}

static enum result
flunk(struct tk_broker *b, const char *why, const struct tk_packet *p)
{
	tk_broker_flunk(b, why, p);
	return WAIT;
}

/* Steps */

static const struct tk_packet *
unread(struct tk_link *l)
{
	return l->next < l->n ? &l->packets[l->next] : NULL;
}

static void
take(struct tk_link *l)
{
	if (l->packets[l->next].has_mid)
		l->mid = l->packets[l->next].mid;
	l->next++;
}

/* The next packet; without one NULL, and an error if none can come any more. */
static const struct tk_packet *
await_packet(struct tk_broker *b)
{
	struct tk_link *l = b->current;
	const struct tk_packet *p = unread(l);

	if (!p && (l->conn->eof || l->conn->fd < 0))
		flunk(b, "the connection is closed", NULL);
	return p;
}

static enum result
run_expect(struct tk_broker *b, const struct tk_step *s)
{
	const struct tk_packet *p = await_packet(b);

	if (!p)
		return WAIT;
	if (p->type != (unsigned)s->number)
		return flunk(b, "got", p);
	take(b->current);
	return NEXT;
}

static enum result
run_expect_if(struct tk_broker *b, const struct tk_step *s)
{
	const struct tk_packet *p = await_packet(b);
	const char *why;

	if (!p)
		return WAIT;
	if (p->type != (unsigned)s->number)
		return flunk(b, "got", p);
	why = s->fn.check(p, s->arg);
	if (why)
		return flunk(b, why, p);
	take(b->current);
	return NEXT;
}

static enum result
run_expect_bytes(struct tk_broker *b, const struct tk_step *s)
{
	const struct tk_packet *p = await_packet(b);
	struct tk_buf want;
	char *diff;

	if (!p)
		return WAIT;
	want = tk_hex_mid(s->text, b->current->mid);
	diff = tk_diff(want.data, want.len, p->raw.data, p->raw.len);
	tk_buf_free(&want);
	if (diff) {
		flunk(b, diff, p);
		free(diff);
		return WAIT;
	}
	take(b->current);
	return NEXT;
}

static enum result
run_expect_close(struct tk_broker *b, const struct tk_step *s)
{
	struct tk_link *l = b->current;

	(void)s;
	if (unread(l))
		return flunk(b, "got", unread(l));
	return l->conn->eof ? NEXT : WAIT;
}

static void
arm(struct tk_broker *b, long ms)
{
	struct timeval tv = {ms / 1000, (ms % 1000) * 1000};

	event_add(b->timer, &tv);
}

static enum result
run_wait(struct tk_broker *b, const struct tk_step *s)
{
	if (!b->entered)
		arm(b, s->number);
	return b->fired ? NEXT : WAIT;
}

static enum result
run_turns(struct tk_broker *b, const struct tk_step *s)
{
	if (!b->entered)
		b->turns = 0;
	else if (b->fired)
		b->turns++;
	if (b->turns >= s->number)
		return NEXT;
	if (!b->entered || b->fired)
		arm(b, 0);
	b->fired = 0;
	return WAIT;
}

static enum result
run_quiet(struct tk_broker *b, const struct tk_step *s)
{
	struct tk_link *l = b->current;

	if (unread(l))
		return flunk(b, "got", unread(l));
	if (l->conn->eof)
		return flunk(b, "the client closed", NULL);
	return run_wait(b, s);
}

static enum result
run_until(struct tk_broker *b, const struct tk_step *s)
{
	if (tk_is_set(s->arg))
		return NEXT;
	if (!b->entered || b->fired)
		arm(b, UNTIL_POLL_MS);
	b->fired = 0;
	return WAIT;
}

static enum result
run_discard(struct tk_broker *b, const struct tk_step *s)
{
	(void)s;
	while (unread(b->current))
		take(b->current);
	return NEXT;
}

static enum result
sent(const struct tk_link *l)
{
	return l->conn->out.len > 0 ? WAIT : NEXT;
}

static enum result
run_send(struct tk_broker *b, const struct tk_step *s)
{
	struct tk_buf bytes;

	if (!b->entered) {
		bytes = tk_hex_mid(s->text, b->current->mid);
		tk_link_send(b->current, bytes.data, bytes.len);
		tk_buf_free(&bytes);
	}
	return sent(b->current);
}

static enum result
run_send_buf(struct tk_broker *b, const struct tk_step *s)
{
	const struct tk_buf *bytes = s->arg;

	if (!b->entered)
		tk_link_send(b->current, bytes->data, bytes->len);
	return sent(b->current);
}

/* A timer of 0 ms comes in the next turn, after the client had its read event for the piece before.
 */
static enum result
run_send_cut(struct tk_broker *b, const struct tk_step *s)
{
	size_t n;

	if (!b->entered) {
		tk_buf_free(&b->sending);
		b->sending = tk_hex_mid(s->text, b->current->mid);
		arm(b, 0);
		return WAIT;
	}
	if (!b->fired)
		return WAIT;
	b->fired = 0;
	n = b->sending.len < (size_t)s->number ? b->sending.len : (size_t)s->number;
	tk_link_send(b->current, b->sending.data, n);
	tk_buf_drain(&b->sending, n);
	if (b->sending.len == 0)
		return NEXT;
	arm(b, 0);
	return WAIT;
}

static enum result
run_close(struct tk_broker *b, const struct tk_step *s)
{
	(void)s;
	tk_conn_close(b->current->conn);
	return NEXT;
}

static enum result
run_reset(struct tk_broker *b, const struct tk_step *s)
{
	(void)s;
	tk_conn_reset(b->current->conn);
	return NEXT;
}

static enum result
run_shutdown(struct tk_broker *b, const struct tk_step *s)
{
	(void)s;
	tk_conn_shutdown(b->current->conn);
	return NEXT;
}

static enum result
run_stall(struct tk_broker *b, const struct tk_step *s)
{
	tk_conn_stall(b->current->conn, s->op == TK_OP_STALL);
	return NEXT;
}

static enum result
run_refuse(struct tk_broker *b, const struct tk_step *s)
{
	(void)s;
	tk_listener_close(&b->listener);
	return NEXT;
}

static enum result
run_listen(struct tk_broker *b, const struct tk_step *s)
{
	(void)s;
	tk_listener_open(&b->listener);
	return NEXT;
}

int
tk_broker_take_link(struct tk_broker *b)
{
	if (b->accepted >= b->n_links)
		return 0;
	b->current = b->links[b->accepted++];
	return 1;
}

static enum result
run_accept(struct tk_broker *b, const struct tk_step *s)
{
	(void)s;
	return tk_broker_take_link(b) ? NEXT : WAIT;
}

static enum result
run_on(struct tk_broker *b, const struct tk_step *s)
{
	if (s->number > b->n_links)
		return WAIT;
	b->current = b->links[s->number - 1];
	if (b->accepted < s->number)
		b->accepted = (int)s->number;
	return NEXT;
}

static enum result
run_call(struct tk_broker *b, const struct tk_step *s)
{
	s->fn.call(b, s->arg);
	return NEXT;
}

static enum result
run_lenient(struct tk_broker *b, const struct tk_step *s)
{
	(void)s;
	b->current->lenient = 1;
	return NEXT;
}

static enum result
run_settled(struct tk_broker *b, const struct tk_step *s)
{
	(void)s;
	if (b->current->stream.session)
		tk_session_settle(b->current->stream.session);
	return NEXT;
}

static enum result
run_end(struct tk_broker *b, const struct tk_step *s)
{
	(void)s;
	b->done = 1;
	return WAIT;
}

static const struct op ops[TK_OPS] = {
    [TK_OP_END] = {"END", run_end, 0},
    [TK_OP_ACCEPT] = {"ACCEPT", run_accept, 0},
    [TK_OP_ON] = {"ON", run_on, 0},
    [TK_OP_EXPECT] = {"EXPECT", run_expect, 1},
    [TK_OP_EXPECT_IF] = {"EXPECT_IF", run_expect_if, 1},
    [TK_OP_EXPECT_BYTES] = {"EXPECT_BYTES", run_expect_bytes, 1},
    [TK_OP_EXPECT_CLOSE] = {"EXPECT_CLOSE", run_expect_close, 1},
    [TK_OP_QUIET] = {"QUIET", run_quiet, 1},
    [TK_OP_DISCARD] = {"DISCARD", run_discard, 1},
    [TK_OP_SEND] = {"SEND", run_send, 1},
    [TK_OP_SEND_CUT] = {"SEND_CUT", run_send_cut, 1},
    [TK_OP_SEND_BUF] = {"SEND_BUF", run_send_buf, 1},
    [TK_OP_CLOSE] = {"CLOSE", run_close, 1},
    [TK_OP_RESET] = {"RESET", run_reset, 1},
    [TK_OP_SHUTDOWN] = {"SHUTDOWN", run_shutdown, 1},
    [TK_OP_STALL] = {"STALL", run_stall, 1},
    [TK_OP_RESUME] = {"RESUME", run_stall, 1},
    [TK_OP_REFUSE] = {"REFUSE", run_refuse, 0},
    [TK_OP_LISTEN] = {"LISTEN", run_listen, 0},
    [TK_OP_CALL] = {"CALL", run_call, 0},
    [TK_OP_WAIT] = {"WAIT", run_wait, 0},
    [TK_OP_TURNS] = {"TURNS", run_turns, 0},
    [TK_OP_UNTIL] = {"UNTIL", run_until, 0},
    [TK_OP_LENIENT] = {"LENIENT", run_lenient, 1},
    [TK_OP_SETTLED] = {"SETTLED", run_settled, 1},
};

static enum result
run_step(struct tk_broker *b)
{
	const struct tk_step *s = b->step;
	enum result r;

	if (ops[s->op].needs_link && !b->current && !tk_broker_take_link(b))
		return WAIT;
	r = ops[s->op].run(b, s);
	b->entered = 1;
	return r;
}

static void
next_step(struct tk_broker *b)
{
	event_del(b->timer);
	b->entered = b->fired = 0;
	b->step++;
}

/* Plays steps until one has to wait. What happens meanwhile makes it look again, not deeper. */
void
tk_broker_advance(struct tk_broker *b)
{
	if (b->running) {
		b->again = 1;
		return;
	}
	b->running = 1;
	do {
		b->again = 0;
		while (b->step && !b->done && b->error.len == 0 && run_step(b) == NEXT)
			next_step(b);
	} while (b->again);
	b->running = 0;
}

void
tk_broker_on_timer(int fd, short what, void *arg)
{
	struct tk_broker *b = arg;

	(void)fd;
	(void)what;
	b->fired = 1;
	tk_broker_advance(b);
}
