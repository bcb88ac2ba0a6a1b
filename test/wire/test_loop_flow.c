/* One conversation, the same to the byte, whoever runs the loop: subscribe, unsubscribe, a message
 * comes, one goes, good-bye. */
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include <mqev/mqev.h>

#include "lib/broker.h"
#include "lib/loop.h"
#include "lib/server.h"

enum { PLAY_MS = 8000, MOST = 16 };

static struct event_base *base;
static struct tk_broker *broker;
static pthread_t player;
static const char *error;
static atomic_int ended;
static atomic_int failures;

/* What the other loop waits for: the link as on_socket_open and its kin tell it, the rest by
 * mqev_fleet_set_watch(). */
static struct pollfd link_fd;
static int opened, closed, registered, unregistered;
static struct pollfd others[MOST];
static nfds_t other_count;

static const struct tk_step script[] = {TK_EXPECT_BYTES("10 ({'MQTT'} 04 02 003C {'flow'})"),
    TK_SEND("20 (00 00)"), TK_EXPECT_BYTES("82 (0001 {'sub-test'} 01)"), TK_SEND("90 (0001 01)"),
    TK_EXPECT_BYTES("A2 (0002 {'unsub-test'})"), TK_SEND("B0 (0002)"),
    TK_SEND("30 ({'b2c'} 'msg')"), TK_EXPECT_BYTES("32 ({'c2b'} 0003 'msg')"), TK_SEND("40 (0003)"),
    TK_EXPECT_BYTES("E0 00"), TK_EXPECT_CLOSE(), TK_END};

/* --- the client --------------------------------------------------------------------------------
 */

static void
on_published(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	(void)arg;
	ck_assert_int_eq(result->error, 0);
	ck_assert_int_eq(mqev_disconnect(c, NULL), 0);
}

static void
on_message(struct mqev_client *c, const struct mqev_message *m, void *userdata)
{
	ck_assert(userdata == script);
	ck_assert_str_eq(m->topic, "b2c");
	ck_assert_int_gt(
	    mqev_publish(c,
		MQEV_MESSAGE(.topic = "c2b", .payload = "msg", .payload_len = 3, .qos = 1),
		on_published, NULL),
	    0);
}

static void
on_subscribed(struct mqev_client *c, const struct mqev_result *result, void *arg)
{
	static const char *const filters[] = {"unsub-test"};

	(void)arg;
	ck_assert_int_eq(result->error, 0);
	ck_assert_int_gt(mqev_unsubscribe(c, filters, 1, NULL, NULL, NULL), 0);
}

static void
on_connect(struct mqev_client *c, const struct mqev_connack *connack, void *userdata)
{
	(void)userdata;
	ck_assert_int_eq((int)connack->reason, 0);
	ck_assert_int_gt(mqev_subscribe(c, MQEV_SUBSCRIPTION(.filter = "sub-test", .qos = 1), 1,
			     NULL, on_subscribed, NULL),
	    0);
}

static void
on_disconnect(struct mqev_client *c, const struct mqev_disconnection *d, void *userdata)
{
	(void)c;
	(void)userdata;
	ck_assert_int_eq(d->error, 0);
	atomic_store(&ended, 1);
}

static void
on_connect_fail(struct mqev_client *c, const struct mqev_connect_failure *f, void *userdata)
{
	(void)c;
	ck_assert(userdata == script);
	ck_assert_int_eq((int)f->stage, MQEV_STAGE_DIAL);
	atomic_fetch_add(&failures, 1);
}

static void
on_socket_open(struct mqev_client *c, const struct mqev_socket *s, void *userdata)
{
	(void)userdata;
	ck_assert_int_eq(mqev_client_socket(c), s->fd);
	link_fd = (struct pollfd){.fd = s->fd, .events = POLLIN};
	opened++;
}

static void
on_socket_close(struct mqev_client *c, const struct mqev_socket *s, void *userdata)
{
	(void)c;
	(void)userdata;
	ck_assert_int_eq(link_fd.fd, s->fd);
	link_fd.fd = -1;
	closed++;
}

static void
on_socket_register_write(struct mqev_client *c, const struct mqev_socket *s, void *userdata)
{
	(void)c;
	(void)s;
	(void)userdata;
	link_fd.events |= POLLOUT;
	registered++;
}

static void
on_socket_unregister_write(struct mqev_client *c, const struct mqev_socket *s, void *userdata)
{
	(void)c;
	(void)s;
	(void)userdata;
	link_fd.events = POLLIN;
	unregistered++;
}

static struct mqev_client *
client_new(struct mqev_fleet *fleet)
{
	struct mqev_client *c = mqev_client_new(fleet,
	    MQEV_OPTIONS(.client_id = "flow", .on_connect = on_connect,
		.on_connect_fail = on_connect_fail, .on_disconnect = on_disconnect,
		.on_message = on_message, .on_socket_open = on_socket_open,
		.on_socket_close = on_socket_close,
		.on_socket_register_write = on_socket_register_write,
		.on_socket_unregister_write = on_socket_unregister_write, .reconnect_min_ms = 10,
		.reconnect_max_ms = 20, .userdata = (void *)script),
	    NULL);

	ck_assert_ptr_nonnull(c);
	return c;
}

/* --- who runs the loop -------------------------------------------------------------------------
 */

static void
by_turns(struct mqev_fleet *fleet, struct mqev_client *c)
{
	(void)c;
	while (!ended)
		ck_assert_int_ge(mqev_loop(fleet, 1000), 0);
}

static void
for_ever(struct mqev_fleet *fleet, struct mqev_client *c)
{
	(void)c;
	ck_assert_int_eq(mqev_loop_forever(fleet), 0);
}

static void
in_background(struct mqev_fleet *fleet, struct mqev_client *c)
{
	(void)c;
	ck_assert_int_eq(mqev_loop_start(fleet), 0);
	while (!ended)
		usleep(1000);
	ck_assert_int_eq(mqev_loop_stop(fleet, MQEV_STOP_FLUSH, 5000), 0);
}

static void
on_watch(struct mqev_fleet *fleet, const struct mqev_watch *w, void *userdata)
{
	nfds_t i = 0;

	(void)fleet;
	(void)userdata;
	while (i < other_count && others[i].fd != w->fd)
		i++;
	if (w->what == 0) {
		others[i] = others[--other_count];
		return;
	}
	ck_assert_uint_lt(i, MOST - 1);
	others[i].fd = w->fd;
	others[i].events = (short)(((w->what & MQEV_WATCH_READ) != 0 ? POLLIN : 0) |
				   ((w->what & MQEV_WATCH_WRITE) != 0 ? POLLOUT : 0));
	if (i == other_count)
		other_count++;
}

/* All descriptors, as libevent waits for them. */
static void
by_descriptors(struct mqev_fleet *fleet, struct mqev_client *c)
{
	(void)c;
	ck_assert_int_eq(mqev_fleet_set_watch(fleet, on_watch, NULL), 0);
	while (!ended) {
		int timeout = mqev_fleet_next_timeout_ms(fleet);

		poll(others, other_count, timeout);
		ck_assert_int_ge(mqev_fleet_dispatch(fleet), 0);
	}
	ck_assert_int_eq(opened, 1);
}

/* As a program for Paho does it: the link's descriptor by on_socket_open and its kin; while there
 * is none, others. */
static void
by_sockets(struct mqev_fleet *fleet, struct mqev_client *c)
{
	link_fd.fd = -1;
	ck_assert_int_eq(mqev_fleet_set_watch(fleet, on_watch, NULL), 0);
	while (!ended) {
		int timeout = mqev_client_next_timeout_ms(c);

		if (link_fd.fd < 0)
			poll(others, other_count, timeout);
		else
			poll(&link_fd, 1, timeout);
		if (link_fd.fd >= 0 && (link_fd.revents & POLLIN) != 0)
			ck_assert_int_eq(mqev_loop_read(c), 0);
		if (link_fd.fd >= 0 && (link_fd.revents & POLLOUT) != 0)
			ck_assert_int_eq(mqev_loop_write(c), 0);
		if (!ended)
			ck_assert_int_eq(mqev_loop_misc(c), 0);
	}
	ck_assert_int_eq(opened, 1);
	ck_assert_int_eq(closed, 1);
	ck_assert_int_eq(registered, unregistered);
}

static void
by_one_descriptor(struct mqev_fleet *fleet, struct mqev_client *c)
{
	struct pollfd fd = {.fd = mqev_fleet_fd(fleet), .events = POLLIN};

	(void)c;
	while (!ended) {
		poll(&fd, 1, mqev_fleet_next_timeout_ms(fleet));
		ck_assert_int_ge(mqev_fleet_dispatch(fleet), 0);
	}
}

static void (*const drives[])(struct mqev_fleet *fleet, struct mqev_client *c) = {
    by_turns, for_ever, in_background, by_descriptors, by_sockets, by_one_descriptor};
#define DRIVES ((int)(sizeof(drives) / sizeof(drives[0])))

/* --- tests -------------------------------------------------------------------------------------
 */

static void *
play(void *arg)
{
	const char *said = tk_broker_try(broker, PLAY_MS);

	(void)arg;
	if (said != NULL)
		error = strdup(said);
	/* Closes its side, for which the link waits that says good-bye. */
	tk_broker_free(broker);
	return NULL;
}

START_TEST(flow)
{
	struct mqev_fleet *fleet = mqev_fleet_new(NULL, NULL);
	struct mqev_client *c = client_new(fleet);

	base = event_base_new();
	broker = tk_broker_new(base, script, NULL);
	pthread_create(&player, NULL, play, NULL);
	ck_assert_int_eq(mqev_connect(c, tk_broker_url(broker)), 0);
	drives[_i](fleet, c);
	/* The end of the link, which says good-bye on its own. */
	mqev_fleet_free(fleet);
	pthread_join(player, NULL);
	ck_assert_msg(error == NULL, "%s", error);
	event_base_free(base);
}
END_TEST

/* Nobody listens: the loop tries again and again, and tells each time. */
START_TEST(connect_fails_in_background)
{
	struct mqev_fleet *fleet = mqev_fleet_new(NULL, NULL);
	struct mqev_client *c = client_new(fleet);
	char url[64];

	snprintf(url, sizeof(url), "mqtt://127.0.0.1:%d", tk_free_port());
	ck_assert_int_eq(mqev_connect(c, url), 0);
	ck_assert_int_eq(mqev_loop_start(fleet), 0);
	for (int i = 0; atomic_load(&failures) < 3; i++) {
		ck_assert_int_lt(i, 5000);
		usleep(1000);
	}
	ck_assert_int_eq(mqev_loop_stop(fleet, MQEV_STOP_NOW, 5000), 0);
	mqev_fleet_free(fleet);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("loop_flow");
	TCase *tc = tk_case(s, "flow");

	tcase_add_loop_test(tc, flow, 0, DRIVES);
	tcase_add_test(tc, connect_fails_in_background);
	return tk_main(s);
}
