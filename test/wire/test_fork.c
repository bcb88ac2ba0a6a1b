/* A process with live clients forks: whatever the child does with its copies, the parent's sessions
 * go on. */
#include "wire/loop_kit.h"

#include "lib/certs.h"
#include "lib/peer.h"

enum child { CHILD_EXITS, CHILD_FREES_ALL, CHILD_FREES_CLIENT, CHILDREN };

static void
be_child(enum child what)
{
	if (what == CHILD_FREES_ALL)
		mqev_fleet_free(world.fleet);
	if (what == CHILD_FREES_CLIENT)
		mqev_client_free(world.client);
	_exit(what == CHILD_EXITS || world.done > 0 ? 0 : 1);
}

static void
publish_on(void)
{
	int before = world.done;

	for (int i = 0; i < 30; i++)
		ck_assert_int_gt(
		    mqev_remote_publish(world.remote,
			MQEV_MESSAGE(.topic = "x", .payload = "p", .payload_len = 1, .qos = i % 3),
			world_done, NULL),
		    0);
	WORLD_RUN(world.done, before + 30);
	ck_assert_int_eq(world.failed, 0);
}

/* With operations in flight, of which the child is told that they are canceled; the parent goes on.
 */
START_TEST(fork_with_a_live_client)
{
	pid_t child;

	world_connect();
	WORLD_RUN(world.connects, 1);
	publish_on();
	tk_auto_mute(world.server, 1);
	ck_assert_int_gt(
	    mqev_publish(world.client, MQEV_MESSAGE(.topic = "y", .qos = 1), world_done, NULL), 0);
	for (int i = 0; i < 20; i++) {
		event_base_loop(world.base, EVLOOP_NONBLOCK);
		mqev_loop(world.fleet, 1);
	}
	fflush(NULL);
	child = fork();
	if (child == 0)
		be_child((enum child)_i);
	world_await_child(child);
	ck_assert_int_eq(world.disconnects, 0);
	/* Nothing was taken out of the parent's poller, and nothing was sent in its name. */
	ck_assert_int_eq(mqev_loop(world.fleet, 20), 1);
	tk_auto_mute(world.server, 0);
	tk_auto_drop_all(world.server, 0);
	WORLD_RUN(world.connects, 2);
	WORLD_RUN(world.done, 31);
	publish_on();
	ck_assert_int_eq(tk_auto_stats(world.server)->connections, 2);
}
END_TEST

/* The same without a break: the connection itself goes on. */
START_TEST(fork_and_go_on)
{
	pid_t child;

	world_connect();
	WORLD_RUN(world.connects, 1);
	publish_on();
	fflush(NULL);
	child = fork();
	if (child == 0)
		be_child((enum child)_i);
	world_await_child(child);
	publish_on();
	ck_assert_int_eq(world.disconnects, 0);
	ck_assert_int_eq(tk_auto_stats(world.server)->connections, 1);
}
END_TEST

/* A thread runs the loop in the parent, and has the locks when it likes; the child has no such
 * thread. */
START_TEST(fork_with_a_background_loop)
{
	pid_t child;
	int64_t op = 0;

	world_connect();
	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	world_serve_in_thread();
	for (int n = 0; n < 10; n++) {
		for (int i = 0; i < 50; i++)
			op = mqev_remote_publish(
			    world.remote, MQEV_MESSAGE(.topic = "x", .qos = 1), world_done, NULL);
		ck_assert_int_gt(op, 0);
		fflush(NULL);
		child = fork();
		if (child == 0)
			_exit(0);
		world_await_child(child);
	}
	ck_assert_int_eq(mqev_wait_published(world.remote, op, 8000), 1);
	ck_assert_int_eq(mqev_loop_stop(world.fleet, MQEV_STOP_FLUSH, 8000), 0);
	ck_assert_int_eq(world.done, 500);
	ck_assert_int_eq(world.failed, 0);
	/* Stopped, and so in a state that a child can free. */
	child = fork();
	if (child == 0)
		be_child(CHILD_FREES_ALL);
	world_await_child(child);
	ck_assert_int_eq(mqev_loop_start(world.fleet), 0);
	op = mqev_remote_publish(world.remote, MQEV_MESSAGE(.topic = "x", .qos = 1), NULL, NULL);
	ck_assert_int_eq(mqev_wait_published(world.remote, op, 8000), 1);
	world_serve_no_more();
	ck_assert_int_eq(world.connects, 1);
}
END_TEST

/* An application's own base is shared as well. */
START_TEST(fork_with_the_applications_base)
{
	struct event_base *base = event_base_new();
	struct mqev_fleet *fleet = mqev_fleet_new(base, NULL);
	struct mqev_client *c = world_client(fleet, (struct mqev_options){0});
	const struct timeval soon = {0, 5000};
	pid_t child;

	ck_assert_int_eq(mqev_connect(c, tk_auto_url(world.server)), 0);
	world_serve_in_thread();
	for (int n = 0; n < 2; n++) {
		for (int i = 0; i < 20; i++)
			mqev_publish(c, MQEV_MESSAGE(.topic = "x", .qos = 1), world_done, NULL);
		while (world.done < 20 * (n + 1)) {
			event_base_loopexit(base, &soon);
			event_base_loop(base, 0);
		}
		fflush(NULL);
		child = fork();
		if (child == 0) {
			mqev_fleet_free(fleet);
			event_base_free(base);
			_exit(0);
		}
		world_await_child(child);
	}
	ck_assert_int_eq(world.connects, 1);
	ck_assert_int_eq(world.disconnects, 0);
	mqev_fleet_free(fleet);
	event_base_free(base);
	world_serve_no_more();
}
END_TEST

/* --- TLS ---------------------------------------------------------------------------------------
 */

static SSL_CTX *server_ctx;
static atomic_int pings;
static atomic_int ended;

/* CONNACK, then a PUBACK for each PUBLISH of "a" at QoS 1. */
static void
serve_acks(struct tk_peer_conn *c, void *arg)
{
	unsigned char packet[256];

	(void)arg;
	if (!tk_peer_tls(c, server_ctx) || !tk_peer_read(c, packet, 2) ||
	    !tk_peer_read(c, packet + 2, packet[1]) || !tk_peer_write(c, "\x20\x02\0\0", 4))
		return;
	while (tk_peer_read(c, packet, 2) && tk_peer_read(c, packet + 2, packet[1])) {
		const unsigned char ack[4] = {0x40, 2, packet[5], packet[6]};

		if (packet[0] != 0x32 || !tk_peer_write(c, ack, sizeof(ack)))
			break;
		atomic_fetch_add(&pings, 1);
	}
	atomic_fetch_add(&ended, 1);
}

/* No close_notify and no record of the child's stands in the parent's stream. */
START_TEST(fork_with_tls)
{
	struct tk_pki *pki = tk_pki_new("CA");
	struct tk_peer *peer;
	struct mqev_tls *tls;
	char url[64];

	tk_pki_issue(pki, "server", &(struct tk_cert_spec){0});
	server_ctx = tk_peer_ctx(pki, "server");
	tls = mqev_tls_new(MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki)), NULL, 0);
	peer = tk_peer_start("127.0.0.1", serve_acks, NULL);
	mqev_client_free(world.client);
	world.client = world_client(world.fleet, (struct mqev_options){.tls = tls});
	snprintf(url, sizeof(url), "mqtts://localhost:%d", tk_peer_port(peer));
	ck_assert_int_eq(mqev_connect(world.client, url), 0);
	for (int n = 1; n <= 3; n++) {
		pid_t child;

		ck_assert_int_gt(mqev_publish(world.client, MQEV_MESSAGE(.topic = "a", .qos = 1),
				     world_done, NULL),
		    0);
		WORLD_RUN(world.done, n);
		fflush(NULL);
		child = fork();
		if (child == 0)
			be_child(CHILD_FREES_ALL);
		world_await_child(child);
	}
	ck_assert_int_eq(world.failed, 0);
	ck_assert_int_eq(world.connects, 1);
	ck_assert_int_eq(pings, 3);
	ck_assert_int_eq(ended, 0);
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
	Suite *s = suite_create("fork");
	TCase *tc = world_case(s, "fork");

	tcase_add_loop_test(tc, fork_with_a_live_client, 0, CHILDREN);
	tcase_add_loop_test(tc, fork_and_go_on, 0, CHILDREN);
	tcase_add_test(tc, fork_with_a_background_loop);
	tcase_add_test(tc, fork_with_the_applications_base);
	tcase_add_test(tc, fork_with_tls);
	return tk_main(s);
}
