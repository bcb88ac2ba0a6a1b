/* TLS links that live and end: resumption, reload, back pressure, ends of every kind. */
#include "wire/tls_kit.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "lib/loop.h"
#include "net/tls.h"

/* Resumption and reload ------------------------------------------------------------------------ */

static struct mqev_tls_stats
stats_of(const struct mqev_tls *tls)
{
	struct mqev_tls_stats stats = {.size = sizeof(stats)};

	ck_assert_int_eq(mqev_tls_get_stats(tls, &stats), 0);
	return stats;
}

static bool
connect_once(struct tk_peer *peer, struct mqev_tls *tls, bool polite)
{
	struct link l = {0};
	bool resumed;

	start(&l, peer, tls);
	exchange(&l);
	resumed = l.a.conn.tls_resumed;
	if (polite) {
		mqev_conn_shutdown(&l.a.conn);
		link_await_end(&l, 5000);
	}
	link_end(&l);
	return resumed;
}

START_TEST(test_resumption)
{
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(TRUST));
	struct tk_peer *peer;

	SSL_CTX_set_max_proto_version(ctx, _i / 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
	peer = tk_peer_start("127.0.0.1", echo, NULL);
	ck_assert(!connect_once(peer, tls, _i % 2));
	for (int i = 0; i < 10; i++)
		ck_assert(connect_once(peer, tls, _i % 2));
	ck_assert_uint_eq(stats_of(tls).handshakes, 11);
	ck_assert_uint_eq(stats_of(tls).resumed, 10);
	ck_assert_uint_gt(stats_of(tls).sessions, 0);
	ck_assert_uint_le(stats_of(tls).sessions, 4);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
}
END_TEST

/* What was learned from one link serves many that come at once. */
START_TEST(test_one_session_for_many)
{
	enum { MANY = 50 };
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(TRUST));
	struct tk_peer *peer;
	struct link *links = calloc(MANY, sizeof(*links));

	/* The peer serves one link after the other, so it must not wait for the end of one. */
	SSL_CTX_set_num_tickets(ctx, 1);
	peer = tk_peer_start("127.0.0.1", echo, NULL);
	ck_assert(!connect_once(peer, tls, false));
	for (int i = 0; i < MANY; i++)
		start(&links[i], peer, tls);
	for (int i = 0; i < MANY; i++) {
		attempt_await_link(&links[i].a, 10000);
		ck_assert(links[i].a.conn.tls_resumed);
		link_end(&links[i]);
	}
	ck_assert_uint_eq(stats_of(tls).resumed, MANY);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
	free(links);
}
END_TEST

START_TEST(test_no_resumption)
{
	struct mqev_tls *off = tls_of(MQEV_TLS_OPTIONS(TRUST, .session_cache_endpoints = -1));
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(TRUST));
	struct mqev_tls *small = tls_of(MQEV_TLS_OPTIONS(TRUST, .session_cache_endpoints = 1));
	struct tk_peer *peer = tk_peer_start("127.0.0.1", echo, NULL);
	struct tk_peer *second = tk_peer_start("127.0.0.1", echo, NULL);

	ck_assert(!connect_once(peer, off, true));
	ck_assert(!connect_once(peer, off, true));
	/* Another server's session is not shown to this one. */
	ck_assert(!connect_once(peer, tls, true));
	ck_assert(!connect_once(second, tls, true));
	ck_assert(connect_once(peer, tls, true));
	/* After a reload, those whom the old certificates let in are judged anew. */
	ck_assert_int_eq(mqev_tls_reload(tls, NULL, 0), 0);
	ck_assert_uint_eq(stats_of(tls).sessions, 0);
	ck_assert(!connect_once(peer, tls, true));
	/* Room for one server: the second one takes it. */
	ck_assert(!connect_once(peer, small, true));
	ck_assert(!connect_once(second, small, true));
	ck_assert(!connect_once(peer, small, true));
	ck_assert(connect_once(peer, small, true));
	tk_peer_stop(peer);
	tk_peer_stop(second);
	mqev_tls_free(off);
	mqev_tls_free(tls);
	mqev_tls_free(small);
}
END_TEST

static void
copy_file(const char *from, const char *to)
{
	char command[1200];

	snprintf(command, sizeof(command), "cp %s %s", from, to);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(test_reload)
{
	struct tk_pki *other = tk_pki_new("another CA");
	char *path = tk_strdup(tk_pki_path(pki, "trust.pem"));
	struct tk_peer *peer = tk_peer_start("127.0.0.1", echo, NULL);
	struct mqev_tls *tls;
	char why[200] = "";
	struct link old = {0};
	struct link l = {0};

	copy_file(tk_pki_ca_file(pki), path);
	tls = tls_of(MQEV_TLS_OPTIONS(.ca_file = path));
	start(&old, peer, tls);
	exchange(&old);

	/* A file that is broken changes nothing, and the error names it. */
	free(tk_write_file("/", path + 1, "-----BEGIN CERTIFICATE-----\nrubbish\n"));
	ck_assert_int_eq(mqev_tls_reload(tls, why, sizeof(why)), MQEV_ERR_TLS);
	ck_assert_msg(strstr(why, "ca_file: ") == why && strstr(why, path), "%s", why);
	ck_assert_uint_eq(stats_of(tls).reloads, 0);
	ck_assert_uint_gt(stats_of(tls).sessions, 0);

	/* A good one is used from now on; the link that is there lives on. */
	copy_file(tk_pki_ca_file(other), path);
	ck_assert_int_eq(mqev_tls_reload(tls, why, sizeof(why)), 0);
	ck_assert_uint_eq(stats_of(tls).reloads, 1);
	link_write(&old, "still here", 10);
	link_await_bytes(&old, 24, 5000);
	ck_assert_uint_eq(stats_of(tls).sessions, 0);
	link_end(&old);
	start(&l, peer, tls);
	attempt_await_error(&l.a, 5000, MQEV_NET_TLS, MQEV_ERR_TLS);
	assert_error_says(&l.a, "issuer certificate");
	link_end(&l);
	mqev_tls_free(tls);
	tk_peer_stop(peer);
	tk_pki_free(other);
	free(path);
}
END_TEST

/* Data both ways ------------------------------------------------------------------------------- */

START_TEST(test_large_both_ways)
{
	size_t size = 3000000;
	unsigned char *data = pattern(size);
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(TRUST));
	struct tk_peer *peer;
	struct link l = {0};

	SSL_CTX_set_max_send_fragment(ctx, _i == 0 ? 16384 : 512);
	peer = tk_peer_start("127.0.0.1", echo, NULL);
	start(&l, peer, tls);
	link_take(&l, 5000);
	for (size_t at = 0; at < size; at += 300000)
		evbuffer_add_reference(
		    bufferevent_get_output(l.a.conn.bev), data + at, 300000, NULL, NULL);
	link_await_bytes(&l, size, 20000);
	tk_assert_mem(data, size, l.in.data, l.in.len);
	ck_assert_uint_eq(mqev_conn_unsent(&l.a.conn), 0);
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
	free(data);
}
END_TEST

static void
send_much(struct tk_peer_conn *c, void *arg)
{
	if (tk_peer_tls(c, ctx))
		tk_peer_write(c, arg, 300000);
	/* No more comes, and the connection stays. */
	tk_peer_read_to_end(c);
}

/* A reader that stops in between misses nothing, though the last records lie in OpenSSL by then. */
START_TEST(test_pause)
{
	unsigned char *data = pattern(300000);
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(TRUST));
	struct tk_peer *peer = tk_peer_start("127.0.0.1", send_much, data);
	struct link l = {0};

	start(&l, peer, tls);
	link_take(&l, 5000);
	for (size_t n = 1; l.in.len < 300000; n = l.in.len + 1) {
		link_await_bytes(&l, n, 5000);
		bufferevent_disable(l.a.conn.bev, EV_READ);
		run_for(2);
		mqev_conn_trim(&l.a.conn);
		mqev_conn_resume(&l.a.conn);
	}
	tk_assert_mem(data, 300000, l.in.data, l.in.len);
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
	free(data);
}
END_TEST

/* In the middle of records and between them; what a link holds when nothing moves is small. */
START_TEST(test_trim)
{
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(TRUST));
	struct tk_peer *peer = tk_peer_start("127.0.0.1", echo, NULL);
	unsigned char *data = pattern(200000);
	struct link l = {0};

	start(&l, peer, tls);
	link_take(&l, 5000);
	ck_assert(!mqev_conn_park(&l.a.conn, NULL, NULL));
	run_for(50);
	mqev_conn_trim(&l.a.conn);
	ck_assert_int_eq(SSL_has_pending(l.a.conn.tls), 0);
	for (size_t at = 0; at < 200000; at += 1000) {
		link_write(&l, data + at, 1000);
		mqev_conn_trim(&l.a.conn);
		event_base_loop(world.base, EVLOOP_NONBLOCK);
		mqev_conn_trim(&l.a.conn);
	}
	link_await_bytes(&l, 200000, 5000);
	tk_assert_mem(data, 200000, l.in.data, l.in.len);
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
	free(data);
}
END_TEST

static void
flood_tickets(struct tk_peer_conn *c, void *arg)
{
	char buf[16];

	(void)arg;
	if (!tk_peer_tls(c, ctx))
		return;
	for (int i = 0; i < 200; i++) {
		SSL_new_session_ticket(c->ssl);
		SSL_key_update(
		    c->ssl, i % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
		if (!tk_peer_write(c, "x", 1))
			return;
	}
	tk_peer_read(c, buf, 4);
	tk_peer_write(c, buf, 4);
}

START_TEST(test_ticket_and_key_update_flood)
{
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(TRUST));
	struct tk_peer *peer = tk_peer_start("127.0.0.1", flood_tickets, NULL);
	struct link l = {0};

	start(&l, peer, tls);
	link_take(&l, 5000);
	link_await_bytes(&l, 200, 10000);
	ck_assert_uint_le(stats_of(tls).sessions, 4);
	link_write(&l, "ping", 4);
	link_await_bytes(&l, 204, 5000);
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
}
END_TEST

static void
ask_for_renegotiation(struct tk_peer_conn *c, void *arg)
{
	char buf[16];

	(void)arg;
	if (!tk_peer_tls(c, ctx))
		return;
	SSL_renegotiate(c->ssl);
	SSL_do_handshake(c->ssl);
	if (tk_peer_read(c, buf, 4))
		tk_peer_write(c, buf, 4);
}

/* Refused by an alert; the link may go on or end, but neither hangs nor spins. */
START_TEST(test_renegotiation_request)
{
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(TRUST));
	struct tk_peer *peer;
	struct link l = {0};

	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	peer = tk_peer_start("127.0.0.1", ask_for_renegotiation, NULL);
	start(&l, peer, tls);
	link_take(&l, 5000);
	link_write(&l, "ping", 4);
	l.wanted = 4;
	ck_assert(run_until(&l.came, 5000));
	ck_assert_int_eq(SSL_num_renegotiations(l.a.conn.tls), 0);
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
}
END_TEST

/* Ends ----------------------------------------------------------------------------------------- */

enum ending { FAREWELL, CUT, RESET, RUBBISH, ENDINGS };

static void
end_somehow(struct tk_peer_conn *c, void *arg)
{
	struct linger now = {1, 0};
	enum ending ending = *(enum ending *)arg;

	if (!tk_peer_tls(c, ctx))
		return;
	tk_peer_write(c, "the last words", 14);
	if (ending == FAREWELL)
		SSL_shutdown(c->ssl);
	else if (ending == RUBBISH)
		ck_assert_int_eq(send(c->fd, "rubbish rubbish", 15, MSG_NOSIGNAL), 15);
	else if (ending == RESET)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	if (ending == RESET)
		poll(NULL, 0, 100); /* a reset would overtake the words */
}

START_TEST(test_ends)
{
	static const struct {
		short what;
		int error;
	} want[] = {
	    [FAREWELL] = {BEV_EVENT_EOF, MQEV_ERR_LOST},
	    [CUT] = {BEV_EVENT_EOF, MQEV_ERR_LOST},
	    [RESET] = {BEV_EVENT_ERROR, MQEV_ERR_SYSTEM},
	    [RUBBISH] = {BEV_EVENT_ERROR, MQEV_ERR_TLS},
	};
	enum ending ending = (enum ending)_i;
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(TRUST));
	struct tk_peer *peer = tk_peer_start("127.0.0.1", end_somehow, &ending);
	struct link l = {0};

	start(&l, peer, tls);
	link_take(&l, 5000);
	link_await_end(&l, 5000);
	ck_assert_uint_eq(l.in.len, 14);
	ck_assert_mem_eq(l.in.data, "the last words", 14);
	ck_assert_msg(l.what & want[ending].what, "event %x: %s", (unsigned)l.what, l.why.text);
	ck_assert_msg(l.why.error == want[ending].error, "%d: %s", l.why.error, l.why.text);
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
}
END_TEST

/* More than libevent reads in a turn, and the end behind it. */
static void
much_then_end(struct tk_peer_conn *c, void *arg)
{
	struct linger now = {1, 0};
	enum ending ending = *(enum ending *)arg;
	unsigned char *data = pattern(3 * 16384 + 1000);

	if (tk_peer_tls(c, ctx)) {
		for (size_t at = 0; at < 3 * 16384; at += 16384)
			tk_peer_write(c, data + at, 16384);
		tk_peer_write(c, data + 3 * 16384, 1000);
	}
	free(data);
	if (ending == FAREWELL)
		SSL_shutdown(c->ssl);
	else if (ending == RUBBISH)
		ck_assert_int_eq(send(c->fd, "rubbish rubbish", 15, MSG_NOSIGNAL), 15);
	else if (ending == RESET)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	if (ending == RESET)
		poll(NULL, 0, 100); /* a reset would overtake the rest */
}

static bool
ended_beside(const struct link *l)
{
	const struct mqev_tls_link *tls = SSL_get_app_data((SSL *)l->a.conn.tls);

	return tls->ended;
}

/* All that came before it, then the end: the same whoever meets it. */
START_TEST(test_ends_after_much)
{
	static const struct {
		short what;
		int error;
		const char *text;
	} want[] = {
	    [FAREWELL] = {BEV_EVENT_EOF, MQEV_ERR_LOST, "TLS: the server closed the connection"},
	    [CUT] = {BEV_EVENT_EOF, MQEV_ERR_LOST, "TLS: the server closed the connection"},
	    [RESET] = {BEV_EVENT_ERROR, MQEV_ERR_SYSTEM, "TLS: Connection reset by peer"},
	    [RUBBISH] = {BEV_EVENT_ERROR, MQEV_ERR_TLS, "TLS: wrong version number"},
	};
	enum ending ending = (enum ending)_i;
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(TRUST));
	struct tk_peer *peer = tk_peer_start("127.0.0.1", much_then_end, &ending);
	unsigned char *data = pattern(3 * 16384 + 1000);
	struct link l = {0};

	start(&l, peer, tls);
	attempt_await_link(&l.a, 5000);
	link_await_end_of_socket(&l, 5000);
	link_take(&l, 5000);
	link_await_end(&l, 5000);
	tk_assert_mem(data, 3 * 16384 + 1000, l.in.data, l.in.len);
	ck_assert_int_eq(l.what, BEV_EVENT_READING | want[ending].what);
	ck_assert_int_eq(l.why.error, want[ending].error);
	ck_assert_int_eq(l.why.stage, MQEV_NET_TLS);
	ck_assert_int_eq(l.why.tls_error != 0, ending == RUBBISH);
	ck_assert(!l.why.untrusted);
	ck_assert_str_eq(l.why.text, want[ending].text);
	ck_assert_int_eq(ended_beside(&l), link_reads_on);
	/* It is told once. */
	mqev_conn_resume(&l.a.conn);
	l.may_end_twice = true;
	run_for(5);
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
	free(data);
}
END_TEST

/* Many records that come at once, then nothing: none of them stays behind. */
static void
many_records(struct tk_peer_conn *c, void *arg)
{
	unsigned char *data = arg;
	size_t at = 0;

	if (!tk_peer_tls(c, ctx))
		return;
	for (size_t size = 1; at < 300000; at += size) {
		size = size * 7 % 5000 + 1;
		if (size > 300000 - at)
			size = 300000 - at;
		tk_peer_write(c, data + at, size);
		if (at % 3 == 0)
			SSL_key_update(c->ssl, SSL_KEY_UPDATE_REQUESTED);
	}
	tk_peer_read_to_end(c);
}

static SSL_CTX *
ahead(void)
{
	SSL_CTX *own = SSL_CTX_new(TLS_client_method());

	ck_assert_int_eq(SSL_CTX_load_verify_locations(own, tk_pki_ca_file(pki), NULL), 1);
	SSL_CTX_set_read_ahead(own, 1);
	SSL_CTX_set_default_read_buffer_len(own, 100000);
	return own;
}

START_TEST(test_burst_then_silence)
{
	unsigned char *data = pattern(300000);
	SSL_CTX *own = _i == 0 ? NULL : ahead();
	struct mqev_tls *tls = own != NULL ? tls_of(MQEV_TLS_OPTIONS(.ssl_ctx = own))
					   : tls_of(MQEV_TLS_OPTIONS(TRUST));
	struct tk_peer *peer = tk_peer_start("127.0.0.1", many_records, data);
	struct link l = {0};

	start(&l, peer, tls);
	link_take(&l, 5000);
	link_await_bytes(&l, 300000, 10000);
	tk_assert_mem(data, 300000, l.in.data, l.in.len);
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
	SSL_CTX_free(own);
	free(data);
}
END_TEST

static void
await_farewell(struct tk_peer_conn *c, void *arg)
{
	int *farewells = arg;
	char buf[64];

	if (!tk_peer_tls(c, ctx))
		return;
	while (SSL_read(c->ssl, buf, sizeof(buf)) > 0)
		;
	/* Read from the bare socket: a second close_notify would be there. */
	if (SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN)
		*farewells += recv(c->fd, buf, sizeof(buf), 0) == 0;
}

START_TEST(test_shutdown_says_farewell_once)
{
	int farewells = 0;
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(TRUST));
	struct tk_peer *peer;
	struct link l = {0};

	/* Without this, OpenSSL would take a bare end for a farewell. */
	SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	peer = tk_peer_start("127.0.0.1", await_farewell, &farewells);
	start(&l, peer, tls);
	link_take(&l, 5000);
	mqev_conn_shutdown(&l.a.conn);
	mqev_conn_shutdown(&l.a.conn);
	link_await_end(&l, 5000);
	link_end(&l);
	tk_peer_stop(peer);
	ck_assert_int_eq(farewells, 1);
	mqev_tls_free(tls);
}
END_TEST

static void
close_at_once(struct bufferevent *bev, void *arg)
{
	struct link *l = arg;

	(void)bev;
	mqev_conn_close(&l->a.conn);
	l->came = 1;
}

/* The owner may close inside the bufferevent's callback; nothing is read after that. */
START_TEST(test_close_in_callback)
{
	unsigned char *data = pattern(300000);
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(TRUST));
	struct tk_peer *peer = tk_peer_start("127.0.0.1", send_much, data);
	struct link l = {0};
	int fds;

	start(&l, peer, tls);
	attempt_await_link(&l.a, 5000);
	bufferevent_setcb(l.a.conn.bev, close_at_once, NULL, NULL, &l);
	bufferevent_write(l.a.conn.bev, data, 300000);
	mqev_conn_resume(&l.a.conn);
	fds = open_fds();
	ck_assert(run_until(&l.came, 5000));
	ck_assert_int_le(open_fds(), fds - 1);
	run_for(20);
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
	free(data);
}
END_TEST

static void
close_in_release(const void *data, size_t len, void *arg)
{
	struct link *l = arg;

	(void)data;
	(void)len;
	if (l->a.conn.bev != NULL)
		mqev_conn_close(&l->a.conn);
	l->came = 1;
}

/* The release of a payload runs in the middle of libevent's own writing; a close there must be safe
 * too. */
START_TEST(test_close_in_release)
{
	static const char text[8192];
	struct mqev_tls *tls = tls_of(MQEV_TLS_OPTIONS(TRUST));
	struct tk_peer *peer = tk_peer_start("127.0.0.1", echo, NULL);
	struct link l = {0};

	start(&l, peer, tls);
	link_take(&l, 5000);
	for (int i = 0; i < 40; i++)
		evbuffer_add_reference(bufferevent_get_output(l.a.conn.bev), text, sizeof(text),
		    i == 0 ? close_in_release : NULL, &l);
	ck_assert(run_until(&l.came, 5000));
	run_for(20);
	link_end(&l);
	tk_peer_stop(peer);
	mqev_tls_free(tls);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_links");
	TCase *tcase = tls_case(suite, "sessions");
	static const char *const data[] = {"data", "data, read on"};
	static const char *const ends[] = {"ends", "ends, read on"};

	tcase_add_loop_test(tcase, test_resumption, 0, 4);
	tcase_add_test(tcase, test_one_session_for_many);
	tcase_add_test(tcase, test_no_resumption);
	tcase_add_test(tcase, test_reload);

	for (int on = 0; on < 2; on++) {
		tcase = tls_case(suite, data[on]);
		if (on)
			link_case_reads_on(tcase);
		tcase_add_loop_test(tcase, test_large_both_ways, 0, 2);
		tcase_add_test(tcase, test_pause);
		tcase_add_test(tcase, test_trim);
		tcase_add_loop_test(tcase, test_burst_then_silence, 0, 2);
		tcase_add_test(tcase, test_ticket_and_key_update_flood);
		tcase_add_test(tcase, test_renegotiation_request);

		tcase = tls_case(suite, ends[on]);
		if (on)
			link_case_reads_on(tcase);
		tcase_add_loop_test(tcase, test_ends, 0, ENDINGS);
		tcase_add_loop_test(tcase, test_ends_after_much, 0, ENDINGS);
		tcase_add_test(tcase, test_shutdown_says_farewell_once);
	}
	tcase = tls_case(suite, "closing in callbacks");
	tcase_add_test(tcase, test_close_in_callback);
	tcase_add_test(tcase, test_close_in_release);
	return net_main(suite);
}
