/* Proxies: what is asked, every answer whole and in pieces, cut at each byte, silence, refusals;
 * bytes of the stream glued to the answer. */
#include "wire/net_kit.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "fault/fail_mem.h"

/* A request and the answer to it; the last one of a script has no request. */
struct turn {
	const char *request;
	size_t request_len;
	const char *answer;
	size_t answer_len;
};

#define TURN(request, answer)                                          \
	{                                                              \
		request, sizeof request - 1, answer, sizeof answer - 1 \
	}

/* A proxy that says its lines, in pieces, and may close after any byte. */
struct fake {
	const struct turn *script;
	size_t turn;
	size_t piece;  /* bytes per turn of the loop */
	long cut;      /* closes after so many bytes of answers; -1: never */
	long sent;     /* of all answers */
	size_t at;     /* sent of this answer */
	bool said_all; /* the whole script was said */
	char in[2048];
	size_t in_len;
	int listener, fd;
	uint16_t port;
	struct event *accept, *read, *write;
};

static void
fake_hang_up(struct fake *f)
{
	if (f->fd < 0)
		return;
	event_del(f->read);
	event_del(f->write);
	close(f->fd);
	f->fd = -1;
}

static void
fake_say(evutil_socket_t fd, short what, void *arg)
{
	struct fake *f = arg;
	const struct turn *turn = &f->script[f->turn];
	size_t n = turn->answer_len - f->at;
	struct timeval soon = {.tv_usec = 200};

	(void)fd;
	(void)what;
	if (n > f->piece)
		n = f->piece;
	if (f->cut >= 0 && (long)n > f->cut - f->sent)
		n = (size_t)(f->cut - f->sent);
	if (n > 0)
		ck_assert_int_eq(send(f->fd, turn->answer + f->at, n, MSG_NOSIGNAL), (long)n);
	f->at += n;
	f->sent += (long)n;
	if (f->sent == f->cut) {
		fake_hang_up(f);
	} else if (f->at < turn->answer_len) {
		event_add(f->write, &soon);
	} else {
		f->turn++;
		f->at = 0;
		f->said_all = f->script[f->turn].request == NULL;
	}
}

static void
fake_hear(evutil_socket_t fd, short what, void *arg)
{
	struct fake *f = arg;
	const struct turn *turn = &f->script[f->turn];
	ssize_t n = recv(fd, f->in + f->in_len, sizeof f->in - f->in_len, MSG_DONTWAIT);

	(void)what;
	if (n <= 0) {
		event_del(f->read);
		return;
	}
	f->in_len += (size_t)n;
	if (turn->request == NULL || f->in_len < turn->request_len)
		return;
	ck_assert_uint_eq(f->in_len, turn->request_len);
	ck_assert_mem_eq(f->in, turn->request, f->in_len);
	f->in_len = 0;
	fake_say(fd, 0, f);
}

static void
fake_accept(evutil_socket_t fd, short what, void *arg)
{
	struct fake *f = arg;

	(void)what;
	f->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(f->fd, 0);
	f->read = event_new(world.base, f->fd, EV_READ | EV_PERSIST, fake_hear, f);
	f->write = event_new(world.base, -1, 0, fake_say, f);
	event_add(f->read, NULL);
}

static void
fake_open(struct fake *f, const struct turn *script, size_t piece, long cut)
{
	memset(f, 0, sizeof *f);
	f->script = script;
	f->piece = piece;
	f->cut = cut;
	f->fd = -1;
	f->listener = listen_at("127.0.0.1", &f->port);
	ck_assert_int_ge(f->listener, 0);
	f->accept = event_new(world.base, f->listener, EV_READ, fake_accept, f);
	event_add(f->accept, NULL);
}

static void
fake_close(struct fake *f)
{
	fake_hang_up(f);
	if (f->read != NULL) {
		event_free(f->read);
		event_free(f->write);
	}
	event_free(f->accept);
	close(f->listener);
}

/* Conversations -------------------------------------------------------------------------------- */

/* What the server sends first, glued to the proxy's last byte. */
#define GLUED "\x20\x02\x00\x00"

static const struct turn http_plain[] = {
    TURN("CONNECT broker.example:1884 HTTP/1.1\r\nHost: broker.example:1884\r\n\r\n",
	"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n" GLUED),
    {.request = NULL},
};
static const struct turn http_login[] = {
    TURN("CONNECT broker.example:1884 HTTP/1.1\r\nHost: broker.example:1884\r\n"
	 "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n",
	"HTTP/1.0 200 OK\r\n\r\n" GLUED),
    {.request = NULL},
};
static const struct turn http_ipv6[] = {
    TURN("CONNECT [2001:db8::7]:1884 HTTP/1.1\r\nHost: [2001:db8::7]:1884\r\n\r\n",
	"HTTP/1.1 204\r\n\r\n" GLUED),
    {.request = NULL},
};
static const struct turn http_resolved[] = {
    TURN("CONNECT 127.0.0.1:1884 HTTP/1.1\r\nHost: 127.0.0.1:1884\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\n\n" GLUED),
    {.request = NULL},
};
static const struct turn socks4[] = {
    TURN("\x04\x01\x07\x5c\x7f\x00\x00\x01me\0", "\x00\x5a\x12\x34\x01\x02\x03\x04" GLUED),
    {.request = NULL},
};
static const struct turn socks4a[] = {
    TURN("\x04\x01\x07\x5c\x00\x00\x00\x01\0broker.example\0", "\x00\x5a\0\0\0\0\0\0" GLUED),
    {.request = NULL},
};
static const struct turn socks5[] = {
    TURN("\x05\x01\x00", "\x05\x00"),
    TURN("\x05\x01\x00\x03\x0e"
	 "broker.example\x07\x5c",
	"\x05\x00\x00\x01\x0a\x00\x00\x01\x12\x34" GLUED),
    {.request = NULL},
};
static const struct turn socks5_login[] = {
    TURN("\x05\x02\x00\x02", "\x05\x02"),
    TURN("\x01\x07"
	 "Aladdin\x0b"
	 "open sesame",
	"\x01\x00"),
    TURN("\x05\x01\x00\x03\x0e"
	 "broker.example\x07\x5c",
	"\x05\x00\x00\x03\x03"
	"abc\x12\x34" GLUED),
    {.request = NULL},
};
static const struct turn socks5_login_not_wanted[] = {
    TURN("\x05\x02\x00\x02", "\x05\x00"),
    TURN("\x05\x01\x00\x01\x0a\x01\x02\x03\x07\x5c", "\x05\x00\x00\x03\x00\x12\x34" GLUED),
    {.request = NULL},
};
static const struct turn socks5_resolved[] = {
    TURN("\x05\x01\x00", "\x05\x00"),
    TURN("\x05\x01\x00\x01\x7f\x00\x00\x01\x07\x5c", "\x05\x00\x00\x04"
						     "0123456789abcdef\x12\x34" GLUED),
    {.request = NULL},
};

static const struct good {
	const struct turn *script;
	const char *url;
	struct mqev_proxy proxy;
} good[] = {
    {http_plain, "mqtt://broker.example:1884", {.type = MQEV_PROXY_HTTP}},
    {http_login, "mqtt://broker.example:1884",
	{.type = MQEV_PROXY_HTTP, .username = "Aladdin", .password = "open sesame"}},
    {http_ipv6, "mqtt://[2001:db8::7]:1884", {.type = MQEV_PROXY_HTTP}},
    {http_resolved, "mqtt://localhost:1884", {.type = MQEV_PROXY_HTTP, .resolve_here = 1}},
    {socks4, "mqtt://localhost:1884", {.type = MQEV_PROXY_SOCKS4, .username = "me"}},
    {socks4a, "mqtt://broker.example:1884", {.type = MQEV_PROXY_SOCKS4A}},
    {socks5, "mqtt://broker.example:1884", {.type = MQEV_PROXY_SOCKS5}},
    {socks5_login, "mqtt://broker.example:1884",
	{.type = MQEV_PROXY_SOCKS5, .username = "Aladdin", .password = "open sesame"}},
    {socks5_login_not_wanted, "mqtt://10.1.2.3:1884",
	{.type = MQEV_PROXY_SOCKS5, .username = "Aladdin"}},
    {socks5_resolved, "mqtt://localhost:1884", {.type = MQEV_PROXY_SOCKS5, .resolve_here = 1}},
};

#define GOOD_COUNT ((int)(sizeof good / sizeof good[0]))

static struct mqev_proxy
proxy_at(const struct mqev_proxy *like, const struct fake *f)
{
	struct mqev_proxy proxy = *like;

	proxy.size = sizeof proxy;
	proxy.host = "127.0.0.1";
	proxy.port = f->port;
	return proxy;
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	*(int *)arg = evbuffer_get_length(bufferevent_get_input(bev)) >= sizeof GLUED - 1;
}

/* The link brings what was glued to the answer, and nothing before it. */
static void
assert_glued_bytes(struct attempt *a)
{
	struct bufferevent *bev = a->conn.bev;
	char text[16];
	int came = 0;

	bufferevent_setcb(bev, on_read, NULL, NULL, &came);
	bufferevent_enable(bev, EV_READ);
	ck_assert(run_until(&came, 1000));
	ck_assert_uint_eq(bufferevent_read(bev, text, sizeof text), sizeof GLUED - 1);
	ck_assert_mem_eq(text, GLUED, sizeof GLUED - 1);
	bufferevent_setcb(bev, NULL, NULL, NULL, NULL);
}

static void
talk_well(const struct good *g, size_t piece)
{
	struct fake fake;
	struct mqev_proxy proxy;
	struct attempt a = {.config = {.proxy = &proxy}};

	fake_open(&fake, g->script, piece, -1);
	proxy = proxy_at(&g->proxy, &fake);
	attempt_start(&a, "%s", g->url);
	attempt_await_link(&a, 3000);
	assert_glued_bytes(&a);
	ck_assert(fake.said_all);
	attempt_end(&a);
	fake_close(&fake);
}

START_TEST(test_good)
{
	talk_well(&good[_i], SIZE_MAX);
	talk_well(&good[_i], 1);
	talk_well(&good[_i], 3);
}
END_TEST

static long
script_length(const struct turn *script)
{
	long n = 0;

	for (; script->request != NULL; script++)
		n += (long)script->answer_len;
	return n;
}

/* The proxy closes after each byte of its answers: an error up to the last, a link from there. */
START_TEST(test_closed_at_each_byte)
{
	long all = script_length(good[_i].script), needed = all - (long)(sizeof GLUED - 1), cut;

	for (cut = 0; cut <= all; cut++) {
		struct fake fake;
		struct mqev_proxy proxy;
		struct attempt a = {.config = {.proxy = &proxy}};

		fake_open(&fake, good[_i].script, SIZE_MAX, cut);
		proxy = proxy_at(&good[_i].proxy, &fake);
		attempt_start(&a, "%s", good[_i].url);
		if (cut < needed) {
			attempt_await_error(&a, 2000, MQEV_NET_PROXY, MQEV_ERR_PROXY);
			ck_assert_ptr_nonnull(strstr(a.error.text, "closed the connection"));
		} else {
			attempt_await_link(&a, 2000);
		}
		attempt_end(&a);
		fake_close(&fake);
	}
}
END_TEST

/* Wrong answers -------------------------------------------------------------------------------- */

#define HTTP_REQUEST "CONNECT broker.example:1884 HTTP/1.1\r\nHost: broker.example:1884\r\n\r\n"
#define SOCKS5_REQUEST         \
	"\x05\x01\x00\x03\x0e" \
	"broker.example\x07\x5c"
#define SOCKS4_REQUEST "\x04\x01\x07\x5c\x00\x00\x00\x01\0broker.example\0"

static const struct bad {
	struct turn script[3];
	enum mqev_proxy_type type;
	int http_status;
	const char *text; /* in the error */
} bad[] = {
    {{TURN(HTTP_REQUEST, "HTTP/1.1 407 Proxy Authentication Required\r\n"
			 "Proxy-Authenticate: Basic realm=\"x\"\r\n\r\n")},
	MQEV_PROXY_HTTP, 407, "answered 407 Proxy Authentication Required"},
    {{TURN(HTTP_REQUEST, "HTTP/1.1 403 Forb\x01\x02 idden\r\n\r\n")}, MQEV_PROXY_HTTP, 403,
	"answered 403 Forb"},
    {{TURN(HTTP_REQUEST, "HTTP/1.1 301 Moved\r\nLocation: http://elsewhere/\r\n\r\n")},
	MQEV_PROXY_HTTP, 301, "answered 301"},
    {{TURN(HTTP_REQUEST, "HTTP/2 200\r\n\r\n")}, MQEV_PROXY_HTTP, 0, "not HTTP/1"},
    {{TURN(HTTP_REQUEST, "HTTP/1.1 2x0 OK\r\n\r\n")}, MQEV_PROXY_HTTP, 0, "not HTTP/1"},
    {{TURN(HTTP_REQUEST, "HTTP/1.1 2000 OK\r\n\r\n")}, MQEV_PROXY_HTTP, 0, "not HTTP/1"},
    {{TURN(HTTP_REQUEST, "HTTP/1.1\r\n\r\n")}, MQEV_PROXY_HTTP, 0, "not HTTP/1"},
    {{TURN(HTTP_REQUEST, "\x20\x02\x00\x00")}, MQEV_PROXY_HTTP, 0, "not HTTP/1"},
    {{TURN(HTTP_REQUEST, "HTTP/1.1 200 OK\r\nX: \0\r\n\r\n")}, MQEV_PROXY_HTTP, 0, "not HTTP/1"},
    {{TURN("\x05\x01\x00", "HTTP/1.1 400 Bad Request\r\n\r\n")}, MQEV_PROXY_SOCKS5, 0,
	"not SOCKS5"},
    {{TURN("\x05\x01\x00", "\x05\xff")}, MQEV_PROXY_SOCKS5, 0, "no way to log in"},
    {{TURN("\x05\x01\x00", "\x05\x02")}, MQEV_PROXY_SOCKS5, 0, "not offered"},
    {{TURN("\x05\x01\x00", "\x05\x00"), TURN(SOCKS5_REQUEST, "\x04\x00")}, MQEV_PROXY_SOCKS5, 0,
	"not SOCKS5"},
    {{TURN("\x05\x01\x00", "\x05\x00"), TURN(SOCKS5_REQUEST, "\x05\x05\x00\x01\0\0\0\0\0\0")},
	MQEV_PROXY_SOCKS5, 0, "refused"},
    {{TURN("\x05\x01\x00", "\x05\x00"), TURN(SOCKS5_REQUEST, "\x05\x02")}, MQEV_PROXY_SOCKS5, 0,
	"not allowed"},
    {{TURN("\x05\x01\x00", "\x05\x00"), TURN(SOCKS5_REQUEST, "\x05\x09\x00\x01")},
	MQEV_PROXY_SOCKS5, 0, "unknown code"},
    {{TURN("\x05\x01\x00", "\x05\x00"), TURN(SOCKS5_REQUEST, "\x05\x00\x00\x02\0\0\0\0\0\0")},
	MQEV_PROXY_SOCKS5, 0, "type of address"},
    {{TURN(SOCKS4_REQUEST, "\x00\x5b\0\0\0\0\0\0")}, MQEV_PROXY_SOCKS4A, 0, "rejected"},
    {{TURN(SOCKS4_REQUEST, "\x04\x5a\0\0\0\0\0\0")}, MQEV_PROXY_SOCKS4A, 0, "not SOCKS4"},
    {{TURN(SOCKS4_REQUEST, "\x00\x00\0\0\0\0\0\0")}, MQEV_PROXY_SOCKS4A, 0, "not SOCKS4"},
};

#define BAD_COUNT ((int)(sizeof bad / sizeof bad[0]))

static void
fail_well(const struct bad *b, size_t piece)
{
	const struct mqev_proxy like = {.type = b->type};
	struct fake fake;
	struct mqev_proxy proxy;
	struct attempt a = {.config = {.proxy = &proxy}};

	fake_open(&fake, b->script, piece, -1);
	proxy = proxy_at(&like, &fake);
	attempt_start(&a, "mqtt://broker.example:1884");
	attempt_await_error(&a, 2000, MQEV_NET_PROXY, MQEV_ERR_PROXY);
	ck_assert_msg(strstr(a.error.text, b->text) != NULL, "%s", a.error.text);
	ck_assert_int_eq(a.error.http_status, b->http_status);
	attempt_end(&a);
	fake_close(&fake);
}

START_TEST(test_bad)
{
	fail_well(&bad[_i], SIZE_MAX);
	fail_well(&bad[_i], 1);
}
END_TEST

START_TEST(test_http_header_too_large)
{
	static char answer[9000] = "HTTP/1.1 200 OK\r\nX: ";
	const struct turn script[] = {
	    {HTTP_REQUEST, sizeof HTTP_REQUEST - 1, answer, sizeof answer}, {.request = NULL}};
	const struct bad b = {{script[0], script[1]}, MQEV_PROXY_HTTP, 0, "too large"};

	memset(answer + 20, 'x', sizeof answer - 20);
	fail_well(&b, SIZE_MAX);
	fail_well(&b, 700);
}
END_TEST

static const struct mqev_proxy each_type[] = {
    {.type = MQEV_PROXY_HTTP},
    {.type = MQEV_PROXY_SOCKS4A},
    {.type = MQEV_PROXY_SOCKS5},
};

/* A proxy that takes the request and says nothing, or one byte now and then, ends by the stage's
 * deadline. */
START_TEST(test_silence)
{
	static const struct turn nothing[] = {{"never", 2000, "", 0}, {.request = NULL}};
	struct fake fake;
	struct mqev_proxy proxy;
	struct attempt a = {.config = {.proxy = &proxy, .proxy_ms = 150}};

	fake_open(&fake, nothing, 1, -1);
	proxy = proxy_at(&each_type[_i], &fake);
	attempt_start(&a, "mqtt://broker.example:1884");
	attempt_await_error(&a, 1000, MQEV_NET_PROXY, MQEV_ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(a.error.text, "for broker.example:1884"));
	attempt_end(&a);
	fake_close(&fake);
}
END_TEST

/* Whichever deadline comes first. */
START_TEST(test_silence_in_total)
{
	static const struct turn nothing[] = {{"never", 2000, "", 0}, {.request = NULL}};
	struct fake fake;
	struct mqev_proxy proxy;
	struct attempt a = {.config = {.proxy = &proxy, .proxy_ms = 5000, .total_ms = 150}};

	fake_open(&fake, nothing, 1, -1);
	proxy = proxy_at(&each_type[0], &fake);
	attempt_start(&a, "mqtt://broker.example:1884");
	attempt_await_error(&a, 1000, MQEV_NET_PROXY, MQEV_ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(a.error.text, "total deadline of 150 ms"));
	attempt_end(&a);
	fake_close(&fake);
}
END_TEST

/* A header without end, byte by byte, does not move the deadline. */
START_TEST(test_drip)
{
	static char answer[8000] = "HTTP/1.1 200 OK\r\nX: ";
	const struct turn script[] = {
	    {HTTP_REQUEST, sizeof HTTP_REQUEST - 1, answer, sizeof answer}, {.request = NULL}};
	const struct mqev_proxy like = {.type = MQEV_PROXY_HTTP};
	struct fake fake;
	struct mqev_proxy proxy;
	struct attempt a = {.config = {.proxy = &proxy, .proxy_ms = 150}};
	long long began = now_ms();

	memset(answer + 20, 'x', sizeof answer - 20);
	fake_open(&fake, script, 1, -1);
	proxy = proxy_at(&like, &fake);
	attempt_start(&a, "mqtt://broker.example:1884");
	attempt_await_error(&a, 1000, MQEV_NET_PROXY, MQEV_ERR_TIMEOUT);
	ck_assert_int_le(now_ms() - began, 400);
	ck_assert_int_ge(fake.sent, 20);
	attempt_end(&a);
	fake_close(&fake);
}
END_TEST

START_TEST(test_cancel)
{
	static const struct turn nothing[] = {{"never", 2000, "", 0}, {.request = NULL}};
	struct fake fake;
	struct mqev_proxy proxy;
	struct attempt a = {.config = {.proxy = &proxy}};

	fake_open(&fake, nothing, 1, -1);
	proxy = proxy_at(&each_type[_i], &fake);
	attempt_start(&a, "mqtt://broker.example:1884");
	run_for(50);
	ck_assert_ptr_nonnull(strstr(a.progress, "ask proxy"));
	attempt_end(&a);
	run_for(20);
	ck_assert_int_eq(a.done, 0);
	fake_close(&fake);
}
END_TEST

START_TEST(test_proxy_refused)
{
	struct mqev_proxy *proxy =
	    MQEV_PROXY(.type = MQEV_PROXY_SOCKS5, .host = "127.0.0.1", .port = closed_port());
	struct attempt a = {.config = {.proxy = proxy}};

	attempt_start(&a, "mqtt://broker.example:1884");
	attempt_await_error(&a, 1000, MQEV_NET_DIAL, MQEV_ERR_SYSTEM);
	attempt_end(&a);
}
END_TEST

START_TEST(test_socks4_without_ipv4)
{
	static const struct turn nothing[] = {{"never", 2000, "", 0}, {.request = NULL}};
	const struct mqev_proxy like = {.type = MQEV_PROXY_SOCKS4};
	struct fake fake;
	struct mqev_proxy proxy;
	struct attempt a = {.config = {.proxy = &proxy}};

	fake_open(&fake, nothing, 1, -1);
	proxy = proxy_at(&like, &fake);
	attempt_start(&a, "mqtt://[::1]:1884");
	attempt_await_error(&a, 1000, MQEV_NET_PROXY, MQEV_ERR_PROXY);
	ck_assert_ptr_nonnull(strstr(a.error.text, "IPv4 only"));
	attempt_end(&a);
	fake_close(&fake);
}
END_TEST

/* A proxy that cannot be is an error, not a way around it. */
START_TEST(test_bad_proxy_is_not_bypassed)
{
	uint16_t port;
	int listener = listen_at("127.0.0.1", &port);
	struct mqev_proxy proxy = {.size = sizeof proxy, .type = MQEV_PROXY_HTTP};
	struct attempt a = {.config = {.proxy = &proxy}};

	attempt_start(&a, "mqtt://127.0.0.1:%u", port);
	attempt_await_error(&a, 1000, MQEV_NET_RESOLVE, MQEV_ERR_INVALID);
	attempt_end(&a);
	close(listener);
}
END_TEST

START_TEST(test_unix_needs_no_proxy)
{
	struct mqev_proxy *proxy =
	    MQEV_PROXY(.type = MQEV_PROXY_SOCKS5, .host = "127.0.0.1", .port = closed_port());
	struct attempt a = {.config = {.proxy = proxy}};
	char name[64];
	int listener;

	snprintf(name, sizeof name, "@mqev-test-%d", (int)getpid());
	listener = listen_unix(name, 4);
	attempt_start(&a, "unix://%s", name);
	attempt_await_link(&a, 1000);
	attempt_end(&a);
	close(listener);
}
END_TEST

START_TEST(test_hosts_without_proxy)
{
	struct mqev_proxy *proxy =
	    MQEV_PROXY(.type = MQEV_PROXY_SOCKS5, .host = "127.0.0.1", .port = closed_port());
	struct attempt a = {.config = {.proxy = proxy, .no_proxy = "example.org,127.0.0.0/8"}};
	struct attempt b = {.config = {.proxy = proxy, .no_proxy = "example.org,128.0.0.0/8"}};
	uint16_t port;
	int listener = listen_at("127.0.0.1", &port);

	attempt_start(&a, "mqtt://127.0.0.1:%u", port);
	attempt_await_link(&a, 1000);
	attempt_end(&a);
	attempt_start(&b, "mqtt://127.0.0.1:%u", port);
	attempt_await_error(&b, 1000, MQEV_NET_DIAL, MQEV_ERR_SYSTEM);
	attempt_end(&b);
	close(listener);
}
END_TEST

/* Each allocation of a whole attempt fails in turn: an error, nothing left, and the next attempt
 * works. */
START_TEST(test_no_memory)
{
	const struct good *g = &good[_i];
	size_t n;

	for (n = 0;; n++) {
		struct fake fake;
		struct mqev_proxy proxy;
		struct attempt a = {.config = {.proxy = &proxy}};
		bool refused;

		fake_open(&fake, g->script, SIZE_MAX, -1);
		proxy = proxy_at(&g->proxy, &fake);
		fail_mem_after(n);
		if (attempt_try(&a, g->url))
			attempt_await(&a, 2000);
		refused = fail_mem_refused() > 0;
		fail_mem_never();
		if (!refused)
			ck_assert_ptr_nonnull(a.conn.bev);
		else if (a.done)
			ck_assert_int_eq(a.error.error, MQEV_ERR_NOMEM);
		attempt_end(&a);
		fake_close(&fake);
		if (!refused)
			break;
	}
	ck_assert_uint_ge(n, 6);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("net proxy");
	TCase *tcase = net_case(suite, "answers", 30);

	tcase_add_loop_test(tcase, test_good, 0, GOOD_COUNT);
	tcase_add_loop_test(tcase, test_closed_at_each_byte, 0, GOOD_COUNT);
	tcase_add_loop_test(tcase, test_bad, 0, BAD_COUNT);
	tcase_add_test(tcase, test_http_header_too_large);
	tcase_add_loop_test(tcase, test_silence, 0, 3);
	tcase_add_test(tcase, test_silence_in_total);
	tcase_add_test(tcase, test_drip);
	tcase_add_loop_test(tcase, test_cancel, 0, 3);
	tcase_add_test(tcase, test_proxy_refused);
	tcase_add_test(tcase, test_socks4_without_ipv4);
	tcase_add_test(tcase, test_bad_proxy_is_not_bypassed);
	tcase_add_test(tcase, test_unix_needs_no_proxy);
	tcase_add_test(tcase, test_hosts_without_proxy);
	tcase_add_loop_test(tcase, test_no_memory, 0, GOOD_COUNT);
	return net_main(suite);
}
