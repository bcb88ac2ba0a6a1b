/* The identifiers of a session as the judge sees them; stores facts, judges nothing. */
#include "session.h"

#include <stdlib.h>
#include <string.h>

struct tk_session *
tk_session_new(void)
{
	return tk_calloc(1, sizeof(struct tk_session));
}

void
tk_session_reset(struct tk_session *s)
{
	int i;

	while (s->first)
		tk_session_release(s, s->first);
	for (i = 0; i < 256; i++) {
		free(s->pages[i]);
		s->pages[i] = NULL;
	}
	free(s->in);
	s->in = NULL;
	s->orders = 0;
	s->due = 0;
}

void
tk_session_free(struct tk_session *s)
{
	tk_session_reset(s);
	tk_buf_free(&s->client_id);
	free(s);
}

int
tk_out_live(const struct tk_out *o)
{
	return o && o->state != TK_OUT_FREE && o->state != TK_OUT_DONE;
}

static struct tk_out **
slot(struct tk_session *s, unsigned mid)
{
	struct tk_out ***page = &s->pages[mid >> 8 & 0xff];

	if (!*page)
		*page = tk_calloc(256, sizeof(**page));
	return &(*page)[mid & 0xff];
}

struct tk_out *
tk_session_out(struct tk_session *s, unsigned mid)
{
	return s->pages[mid >> 8 & 0xff] ? *slot(s, mid) : NULL;
}

static void
unlink_out(struct tk_session *s, struct tk_out *o)
{
	*(o->prev ? &o->prev->next : &s->first) = o->next;
	*(o->next ? &o->next->prev : &s->last) = o->prev;
}

static void
append_out(struct tk_session *s, struct tk_out *o)
{
	o->prev = s->last;
	o->next = NULL;
	*(s->last ? &s->last->next : &s->first) = o;
	s->last = o;
}

struct tk_out *
tk_session_use(struct tk_session *s, unsigned mid, enum tk_out_state state)
{
	struct tk_out **at = slot(s, mid), *o = *at;

	if (o)
		tk_session_release(s, o);
	o = *at = tk_calloc(1, sizeof(*o));
	o->mid = mid;
	o->state = state;
	o->order = ++s->orders;
	append_out(s, o);
	return o;
}

void
tk_session_not_due(struct tk_session *s, struct tk_out *o)
{
	s->due -= o->due;
	o->due = 0;
}

void
tk_session_release(struct tk_session *s, struct tk_out *o)
{
	tk_session_not_due(s, o);
	unlink_out(s, o);
	*slot(s, o->mid) = NULL;
	free(o);
}

/* Whether nothing of it can appear in the connection that begins. A message whose last
 * acknowledgement was told may: it can be lost, and the next connections can end before its turn to
 * be sent again. */
static int
over(const struct tk_out *o)
{
	if (o->state == TK_OUT_SUBSCRIBE || o->state == TK_OUT_UNSUBSCRIBE)
		return 1;
	return o->state == TK_OUT_DONE && o->qos == 0;
}

void
tk_session_connect(struct tk_session *s)
{
	struct tk_out *o, *next;

	for (o = s->first; o; o = next) {
		next = o->next;
		o->sent_here = o->rel_here = 0;
		tk_session_not_due(s, o);
		if (over(o))
			tk_session_release(s, o);
	}
	s->connection++;
}

void
tk_session_lost(struct tk_session *s)
{
	struct tk_out *o, *next;

	for (o = s->first; o; o = next) {
		next = o->next;
		if (o->qos > 0 &&
		    !o->sent_here) /* requests are of this connection, see tk_session_connect() */
			tk_session_release(s, o);
	}
	free(s->in);
	s->in = NULL;
}

void
tk_session_resume(struct tk_session *s)
{
	struct tk_out *o;

	for (o = s->first; o; o = o->next) {
		if (!tk_out_live(o) || o->sent_here || o->due)
			continue;
		o->due = 1;
		s->due++;
	}
}

void
tk_session_settle(struct tk_session *s)
{
	struct tk_out *o, *next;

	for (o = s->first; o; o = next) {
		next = o->next;
		if (o->state == TK_OUT_DONE)
			tk_session_release(s, o);
	}
}

enum tk_in_state
tk_session_in(const struct tk_session *s, unsigned mid)
{
	return s->in ? (enum tk_in_state)s->in[mid & 0xffff] : TK_IN_NONE;
}

void
tk_session_set_in(struct tk_session *s, unsigned mid, enum tk_in_state state)
{
	if (!s->in && state == TK_IN_NONE)
		return;
	if (!s->in)
		s->in = tk_calloc(65536, 1);
	s->in[mid & 0xffff] = (unsigned char)state;
}
