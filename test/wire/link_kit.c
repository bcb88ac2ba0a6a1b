/* Links in the hands of tests. */
#include "wire/link_kit.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#define BUDGET 65536

bool link_reads_on;

static void
read_on_setup(void)
{
	link_reads_on = true;
}

static void
read_on_teardown(void)
{
	link_reads_on = false;
}

void
link_case_reads_on(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, read_on_setup, read_on_teardown);
}

static void
read_on(struct link *l)
{
	size_t taken = 0;
	ssize_t n;

	do {
		size_t len = 0;

		tk_buf_reserve(&l->in, BUDGET);
		n = mqev_conn_read_on(&l->a.conn, l->in.data + l->in.len, BUDGET, &len);
		ck_assert(n <= 0 ? len == 0 : len <= (size_t)n && n <= BUDGET);
		l->in.len += len;
		taken += n > 0 ? (size_t)n : 0;
	} while (n > 0 && (taken < BUDGET || mqev_conn_has_more(&l->a.conn, 0)));
	ck_assert_uint_lt(taken, 3 * BUDGET);
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct link *l = arg;
	struct evbuffer *input = bufferevent_get_input(bev);
	size_t len = evbuffer_get_length(input);

	tk_buf_reserve(&l->in, len);
	evbuffer_remove(input, l->in.data + l->in.len, len);
	l->in.len += len;
	if (link_reads_on && mqev_conn_has_more(&l->a.conn, len))
		read_on(l);
	if (l->in.len >= l->wanted)
		l->came = 1;
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct link *l = arg;

	ck_assert_msg(!l->ended || l->may_end_twice, "a second end of the link");
	mqev_conn_error(&l->a.conn, what, &l->why);
	on_read(bev, l);
	l->what = what;
	l->ended = l->came = 1;
	bufferevent_disable(bev, EV_READ);
}

void
link_await_end_of_socket(const struct link *l, int ms)
{
	struct pollfd end = {.fd = l->a.conn.fd, .events = POLLRDHUP};

	ck_assert_int_eq(poll(&end, 1, ms), 1);
}

void
link_take(struct link *l, int ms)
{
	attempt_await_link(&l->a, ms);
	bufferevent_setcb(l->a.conn.bev, on_read, NULL, on_event, l);
	mqev_conn_resume(&l->a.conn);
}

void
link_await_bytes(struct link *l, size_t n, int ms)
{
	l->wanted = n;
	l->came = l->ended || l->in.len >= n;
	ck_assert_msg(run_until(&l->came, ms), "%zu of %zu bytes came", l->in.len, n);
	ck_assert_msg(l->in.len >= n, "%zu of %zu bytes, then: %s", l->in.len, n, l->why.text);
}

void
link_await_end(struct link *l, int ms)
{
	ck_assert_msg(run_until(&l->ended, ms), "the link did not end within %d ms", ms);
}

void
link_await_sent(struct link *l, int ms)
{
	long long end = now_ms() + ms;

	while (mqev_conn_unsent(&l->a.conn) > 0 && now_ms() < end)
		run_for(1);
	ck_assert_uint_eq(mqev_conn_unsent(&l->a.conn), 0);
}

void
link_write(struct link *l, const void *data, size_t len)
{
	ck_assert_int_eq(bufferevent_write(l->a.conn.bev, data, len), 0);
}

void
link_end(struct link *l)
{
	attempt_end(&l->a);
	tk_buf_free(&l->in);
	memset(l, 0, sizeof(*l));
}

void
assert_error_says(const struct attempt *a, const char *text)
{
	ck_assert_msg(
	    strstr(a->error.text, text) != NULL, "\"%s\" does not say \"%s\"", a->error.text, text);
}

struct mqev_tls *
tls_of(const struct mqev_tls_options *options)
{
	char why[200] = "";
	struct mqev_tls *tls = mqev_tls_new(options, why, sizeof(why));

	ck_assert_msg(tls != NULL, "%s", why);
	return tls;
}

unsigned char *
pattern(size_t len)
{
	unsigned char *data = malloc(len + 1);
	uint32_t x = 1;

	ck_assert_ptr_nonnull(data);
	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		data[i] = (unsigned char)(x >> 24);
	}
	return data;
}
