/* A fleet inside another event loop: by its one descriptor, by all of them, and client by client,
 * over TCP and TLS. */
#include "wire/loop_kit.h"

#include <poll.h>

#include "lib/certs.h"
#include "lib/peer.h"

static void
subscribe_and_publish(int n)
{
	ck_assert_int_gt(mqev_subscribe(world.client, MQEV_SUBSCRIPTION(.filter = "f/#", .qos = 2),
			     1, NULL, NULL, NULL),
	    0);
	for (int i = 0; i < n; i++)
		ck_assert_int_gt(mqev_publish(world.client,
				     MQEV_MESSAGE(.topic = "f/x", .payload = "p", .payload_len = 1,
					 .qos = i % 3),
				     world_done, NULL),
		    0);
}

/* --- the fleet's descriptor --------------------------------------------------------------------
 */

/* Sleeps as the fleet says, at most 1 s; how long that was. */
static int
poll_fleet(void)
{
	struct pollfd fd = {.fd = mqev_fleet_fd(world.fleet), .events = POLLIN};
	int timeout = mqev_fleet_next_timeout_ms(world.fleet);

	ck_assert_int_ge(fd.fd, 0);
	ck_assert_int_ge(timeout, -1);
	if (timeout < 0 || timeout > 1000)
		timeout = 1000;
	ck_assert_int_ge(poll(&fd, 1, timeout), 0);
	return mqev_fleet_dispatch(world.fleet);
}

START_TEST(by_the_fleets_descriptor)
{
	long long begin = tk_now_ms();
	int turns = 0;

	world_serve_in_thread();
	world_connect();
	subscribe_and_publish(90);
	for (; world.done < 90 || world.messages < 90; turns++)
		ck_assert_int_eq(poll_fleet(), 1);
	ck_assert_int_lt(tk_now_ms() - begin, 5000);
	/* Asleep when there is nothing to do: no more turns than events. */
	ck_assert_int_lt(turns, 2000);
	ck_assert_int_eq(world.failed, 0);
	ck_assert_int_eq(mqev_disconnect(world.client, NULL), 0);
	while (poll_fleet() == 1)
		ck_assert_int_lt(tk_now_ms() - begin, 8000);
	ck_assert_int_eq(world.disconnects, 1);
	ck_assert_int_eq(mqev_fleet_next_timeout_ms(world.fleet), -1);
	world_serve_no_more();
}
END_TEST

/* Timers alone: attempts that fail at once are made again after their wait, without a readable
 * descriptor. */
START_TEST(timeouts_are_told)
{
	long long begin = tk_now_ms();
	int slept = 0;

	tk_auto_listen(world.server, 0);
	world_connect();
	for (int n = 0; world.fails < 4; n++) {
		int timeout = mqev_fleet_next_timeout_ms(world.fleet);

		ck_assert_int_ge(timeout, 0);
		ck_assert_int_le(timeout, 60000);
		ck_assert_int_lt(n, 5000);
		slept += timeout > 0;
		usleep((unsigned)(timeout < 100 ? timeout : 100) * 1000);
		ck_assert_int_eq(mqev_fleet_dispatch(world.fleet), 1);
	}
	ck_assert_int_ge(slept, 3);
	ck_assert_int_ge(tk_now_ms() - begin, 60);
	ck_assert_int_lt(tk_now_ms() - begin, 8000);
}
END_TEST

/* A large fleet is not walked over for each sleep: what comes and what is timed is not missed by
 * that, and at rest it sleeps long. */
START_TEST(many_clients)
{
	enum { MANY = 150, FAILS = 5 };
	struct mqev_client *failing;
	long long begin = tk_now_ms();
	int longest = 0;

	world_serve_in_thread();
	for (int i = 0; i < MANY; i++) {
		struct mqev_client *c = world_client(world.fleet, (struct mqev_options){0});

		ck_assert_int_gt(
		    mqev_publish(c, MQEV_MESSAGE(.topic = "m", .qos = i % 3), world_done, NULL), 0);
		ck_assert_int_eq(mqev_connect(c, tk_auto_url(world.server)), 0);
	}
	while (world.connects < MANY || world.done < MANY) {
		ck_assert_int_eq(poll_fleet(), 1);
		ck_assert_int_lt(tk_now_ms() - begin, 15000);
	}
	/* Attempts that fail, each after a timer that was set since the last walk. */
	failing = world_client(world.fleet, (struct mqev_options){0});
	ck_assert_int_eq(mqev_connect(failing, "mqtt://127.0.0.1:1"), 0);
	begin = tk_now_ms();
	while (world.fails < FAILS) {
		ck_assert_int_eq(poll_fleet(), 1);
		ck_assert_int_lt(tk_now_ms() - begin, 8000);
	}
	mqev_client_free(failing);
	for (int i = 0; longest <= 20; i++) {
		int timeout = mqev_fleet_next_timeout_ms(world.fleet);

		longest = timeout > longest ? timeout : longest;
		ck_assert_int_lt(i, 5000);
		usleep((unsigned)(timeout < 20 ? timeout : 0) * 1000);
		ck_assert_int_eq(mqev_fleet_dispatch(world.fleet), 1);
	}
	ck_assert_int_eq(world.failed, 0);
	mqev_fleet_free(world.fleet);
	world.fleet = NULL;
	world_serve_no_more();
}
END_TEST

/* A call outside the loop, and one of another thread, are seen before the next sleep. */
static void *
publish_elsewhere(void *arg)
{
	(void)arg;
	usleep(50000);
	ck_assert_int_gt(mqev_remote_publish(world.remote, MQEV_MESSAGE(.topic = "f/y", .qos = 1),
			     world_done, NULL),
	    0);
	return NULL;
}

START_TEST(calls_wake_it)
{
	pthread_t thread;
	struct pollfd fd = {.events = POLLIN};

	world_serve_in_thread();
	world_connect();
	while (world.connects == 0)
		poll_fleet();
	subscribe_and_publish(1);
	ck_assert_int_eq(mqev_fleet_next_timeout_ms(world.fleet), 0);
	while (world.done < 1)
		poll_fleet();
	pthread_create(&thread, NULL, publish_elsewhere, NULL);
	fd.fd = mqev_fleet_fd(world.fleet);
	while (world.done < 2) {
		int timeout = mqev_fleet_next_timeout_ms(world.fleet);

		ck_assert_int_ge(timeout, 0);
		ck_assert_int_ge(poll(&fd, 1, timeout), 0);
		mqev_fleet_dispatch(world.fleet);
	}
	pthread_join(thread, NULL);
	world_serve_no_more();
}
END_TEST

/* --- each descriptor ---------------------------------------------------------------------------
 */

#define MOST_FDS 64

static struct {
	struct pollfd at[MOST_FDS];
	nfds_t count;
	int told;
	int gone;
} watched;

static void
on_watch(struct mqev_fleet *fleet, const struct mqev_watch *w, void *userdata)
{
	nfds_t i = 0;

	ck_assert(userdata == &watched);
	ck_assert(fleet == world.fleet);
	watched.told++;
	watched.gone += w->what == 0;
	while (i < watched.count && watched.at[i].fd != w->fd)
		i++;
	ck_assert_int_lt((int)i, MOST_FDS);
	if (w->what == 0) {
		ck_assert_uint_lt(i, watched.count); /* it was announced before */
		watched.at[i] = watched.at[--watched.count];
		return;
	}
	watched.at[i].fd = w->fd;
	watched.at[i].events = (short)(((w->what & MQEV_WATCH_READ) != 0 ? POLLIN : 0) |
				       ((w->what & MQEV_WATCH_WRITE) != 0 ? POLLOUT : 0));
	if (i == watched.count)
		watched.count++;
}

static int
poll_watched(void)
{
	int timeout = mqev_fleet_next_timeout_ms(world.fleet);

	ck_assert_int_ge(timeout, -1);
	ck_assert_int_ge(
	    poll(watched.at, watched.count, timeout < 0 || timeout > 1000 ? 1000 : timeout), 0);
	for (nfds_t i = 0; i < watched.count; i++)
		ck_assert_msg((watched.at[i].revents & POLLNVAL) == 0,
		    "descriptor %d was closed and is still watched", watched.at[i].fd);
	return mqev_fleet_dispatch(world.fleet);
}

START_TEST(by_each_descriptor)
{
	char url[64];

	memset(&watched, 0, sizeof(watched));
	world_serve_in_thread();
	ck_assert_int_eq(mqev_fleet_set_watch(world.fleet, on_watch, &watched), 0);
	ck_assert_uint_eq(watched.count, 1); /* what other threads wake */
	/* By name: the resolver's descriptors and those of racing dials are among them. */
	snprintf(url, sizeof(url), "mqtt://localhost:%d", tk_auto_port(world.server));
	ck_assert_int_eq(mqev_connect(world.client, url), 0);
	subscribe_and_publish(30);
	while (world.done < 30 || world.messages < 30)
		poll_watched();
	ck_assert_uint_ge(watched.count, 2);
	/* Closed, and opened again under the same number: announced as gone, and anew. */
	for (int i = 2; i <= 5; i++) {
		int gone = watched.gone;

		world_serve_no_more();
		tk_auto_drop_all(world.server, 0);
		world_serve_in_thread();
		while (world.connects < i)
			poll_watched();
		ck_assert_int_gt(watched.gone, gone);
	}
	ck_assert_int_eq(mqev_disconnect(world.client, NULL), 0);
	while (poll_watched() == 1)
		continue;
	ck_assert_uint_eq(watched.count, 1);
	ck_assert_int_eq(mqev_fleet_set_watch(world.fleet, NULL, NULL), 0);
	world_serve_no_more();
}
END_TEST

/* --- client by client, as Paho -----------------------------------------------------------------
 */

static void
poll_client(void)
{
	struct pollfd fd = {.fd = mqev_client_socket(world.client)};
	int timeout = mqev_client_next_timeout_ms(world.client);

	if (fd.fd >= 0 && mqev_client_want_read(world.client))
		fd.events |= POLLIN;
	if (fd.fd >= 0 && mqev_client_want_write(world.client))
		fd.events |= POLLOUT;
	/* Attempts to connect have no descriptor here: look again soon. */
	if (fd.fd < 0 && (timeout < 0 || timeout > 5))
		timeout = 5;
	ck_assert_int_ge(poll(&fd, 1, timeout), 0);
	if ((fd.revents & POLLIN) != 0)
		ck_assert_int_eq(mqev_loop_read(world.client), 0);
	if ((fd.revents & POLLOUT) != 0)
		ck_assert_int_eq(mqev_loop_write(world.client), 0);
	ck_assert_int_eq(mqev_loop_misc(world.client), 0);
}

START_TEST(by_client)
{
	char *large = calloc(1, 3000000);
	int writes = 0;

	world_serve_in_thread();
	ck_assert_int_eq(mqev_client_socket(world.client), -1);
	ck_assert(!mqev_client_want_read(world.client));
	ck_assert_int_eq(mqev_loop_misc(world.client), MQEV_ERR_STATE);
	world_connect();
	while (world.connects == 0)
		poll_client();
	ck_assert_int_ge(mqev_client_socket(world.client), 0);
	ck_assert(mqev_client_want_read(world.client));
	ck_assert(!mqev_client_want_write(world.client));
	/* More than the system takes at once: there is a wish to write. */
	for (int i = 0; i < 5; i++)
		ck_assert_int_gt(mqev_publish(world.client,
				     MQEV_MESSAGE(.topic = "f/l", .payload = large,
					 .payload_len = 3000000, .qos = 1),
				     world_done, NULL),
		    0);
	while (world.done < 5) {
		poll_client();
		writes += mqev_client_want_write(world.client);
	}
	ck_assert_int_gt(writes, 0);
	ck_assert_int_eq(mqev_disconnect(world.client, NULL), 0);
	while (world.disconnects == 0)
		poll_client();
	ck_assert_int_eq(mqev_client_socket(world.client), -1);
	free(large);
	world_serve_no_more();
}
END_TEST

/* --- TLS ---------------------------------------------------------------------------------------
 */

static SSL_CTX *server_ctx;

/* CONNACK, and then in one record: many packets, the last of which begins in it and never ends. */
static void
serve_many_in_one_record(struct tk_peer_conn *c, void *arg)
{
	static const unsigned char publish[] = {0x30, 6, 0, 3, 'f', '/', 'x', 'p'};
	unsigned char connect[2];
	unsigned char body[256];
	unsigned char record[16000];
	size_t len = 0;

	(void)arg;
	if (!tk_peer_tls(c, server_ctx) || !tk_peer_read(c, connect, 2) ||
	    !tk_peer_read(c, body, connect[1]))
		return;
	memcpy(record, "\x20\x02\0\0", 4);
	for (len = 4; len + 2 * sizeof(publish) < sizeof(record); len += sizeof(publish))
		memcpy(record + len, publish, sizeof(publish));
	tk_peer_write(c, record, len + 3);
	tk_peer_read_to_end(c);
}

#define IN_ONE_RECORD ((16000 - 4 - 1) / 8 - 1)

/* Paho decodes the first of several packets in one record, and the others when more comes. */
START_TEST(nothing_stays_in_a_record)
{
	struct tk_pki *pki = tk_pki_new("CA");
	struct tk_peer *peer;
	struct mqev_tls *tls;
	char url[64];
	long long end;

	tk_pki_issue(pki, "server", &(struct tk_cert_spec){0});
	server_ctx = tk_peer_ctx(pki, "server");
	tls = mqev_tls_new(MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki)), NULL, 0);
	ck_assert_ptr_nonnull(tls);
	peer = tk_peer_start("127.0.0.1", serve_many_in_one_record, NULL);
	mqev_client_free(world.client);
	world.client = world_client(world.fleet, (struct mqev_options){.tls = tls});
	snprintf(url, sizeof(url), "mqtts://localhost:%d", tk_peer_port(peer));
	ck_assert_int_eq(mqev_connect(world.client, url), 0);
	end = tk_now_ms() + 8000;
	while (world.messages < IN_ONE_RECORD) {
		ck_assert_msg(
		    tk_now_ms() < end, "%d of %d messages came", world.messages, IN_ONE_RECORD);
		if (_i == 0)
			poll_fleet();
		else
			poll_client();
	}
	ck_assert_int_eq(world.messages, IN_ONE_RECORD);
	mqev_client_free(world.client);
	mqev_tls_free(tls);
	mqev_fleet_free(world.fleet);
	world.fleet = NULL;
	tk_peer_stop(peer);
	SSL_CTX_free(server_ctx);
	tk_pki_free(pki);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("foreign");
	TCase *tc = world_case(s, "loops");

	tcase_add_test(tc, by_the_fleets_descriptor);
	tcase_add_test(tc, timeouts_are_told);
	tcase_add_test(tc, many_clients);
	tcase_add_test(tc, calls_wake_it);
	tcase_add_test(tc, by_each_descriptor);
	tcase_add_test(tc, by_client);
	tcase_add_loop_test(tc, nothing_stays_in_a_record, 0, 2);
	return tk_main(s);
}
