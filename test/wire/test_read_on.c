/* The client reads on past libevent: bursts over links of every kind come in few turns of the loop and
 * leave nothing behind, whatever a callback does in the middle of one, and their end comes last. */
#include "wire/client_kit.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/sockios.h>

#include <mqev/tls.h>

#include "client/client.h"
#include "client/link.h"
#include "lib/certs.h"
#include "lib/peer.h"
#include "net/ws.h"

enum kind { PLAIN, TLS, WS, WSS, KINDS };

static const char *const schemes[] = {"mqtt", "mqtts", "ws", "wss"};

/* What the client's budget and the layers let through in one turn, at most. */
#define TURN_MAX (2 * 65536 + 16384 + 4096)

enum ending { STAY, END, RESET, FAREWELL, RUBBISH };

/* What the server does after the client's first PUBLISH. */
struct scene {
	bool tls;
	bool websocket;
	bool split; /* packets, frames and records end at different places */
	enum ending ending;
	int messages;
	size_t payload;
	bool all_at_once; /* all is in the client's socket before it reads any of it */
	SSL_CTX *ctx;
	atomic_int sent;
};

static struct scene scene;
static struct tk_pki *pki;
static struct tk_peer *peer;

/* --- the server --------------------------------------------------------------------------------
 */

static void
put_message(struct tk_buf *to, int number)
{
	size_t len = 3 + scene.payload;
	size_t at = to->len + 8;

	tk_buf_put(to, "\x30", 1);
	for (; len > 0; len >>= 7) {
		unsigned char byte = (unsigned char)((len & 0x7f) | (len > 0x7f ? 0x80 : 0));
		tk_buf_put(to, &byte, 1);
	}
	tk_buf_put(to, "\0\1t", 3);
	at = to->len;
	tk_buf_reserve(to, scene.payload);
	for (size_t i = 0; i < scene.payload; i++)
		to->data[at + i] = (unsigned char)((size_t)number * 7 + i);
	to->len += scene.payload;
}

static void
put_frame(struct tk_buf *to, const unsigned char *data, size_t len)
{
	unsigned char head[10] = {0x82};
	size_t more = len > 65535 ? 8 : len > 125 ? 2 : 0;

	head[1] = (unsigned char)(more == 8 ? 127 : more == 2 ? 126 : len);
	for (size_t i = 0; i < more; i++)
		head[2 + i] = (unsigned char)((uint64_t)len >> (8 * (more - 1 - i)));
	tk_buf_put(to, head, 2 + more);
	tk_buf_put(to, data, len);
}

/* A frame for each packet, or frames of all sizes. */
static struct tk_buf
frames_of(const struct tk_buf *packets)
{
	struct tk_buf frames = {0};
	size_t packet = packets->len / (size_t)scene.messages;
	size_t part = scene.split ? 1 : packet;

	for (size_t at = 0; at < packets->len; at += part) {
		if (scene.split)
			part = part * 13 % 20011 + 1;
		if (part > packets->len - at)
			part = packets->len - at;
		put_frame(&frames, packets->data + at, part);
	}
	tk_buf_free((struct tk_buf *)packets);
	return frames;
}

static struct tk_buf
burst(void)
{
	struct tk_buf bytes = {0};

	for (int i = 0; i < scene.messages; i++)
		put_message(&bytes, i);
	return scene.websocket ? frames_of(&bytes) : bytes;
}

static void
send_burst(struct tk_peer_conn *c)
{
	struct tk_buf bytes = burst();
	size_t part = scene.split ? 5003 : bytes.len;

	for (size_t at = 0; at < bytes.len; at += part)
		tk_peer_write(c, bytes.data + at, bytes.len - at < part ? bytes.len - at : part);
	tk_buf_free(&bytes);
}

static void
await_arrival(const struct tk_peer_conn *c)
{
	int left = 1;

	while (ioctl(c->fd, SIOCOUTQ, &left) == 0 && left > 0)
		poll(NULL, 0, 1);
}

static void
end_somehow(struct tk_peer_conn *c)
{
	static const struct linger now = {1, 0};

	switch (scene.ending) {
	case STAY:
		tk_peer_read_to_end(c);
		break;
	case END:
		break;
	case RESET:
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		break;
	case FAREWELL:
		SSL_shutdown(c->ssl);
		tk_peer_read_to_end(c);
		break;
	case RUBBISH:
		ck_assert_int_eq(send(c->fd, "rrubbish rubbish", 16, MSG_NOSIGNAL), 16);
		tk_peer_read_to_end(c);
		break;
	}
}

static bool
accept_client(struct tk_peer_conn *c)
{
	static const unsigned char connack[] = {0x82, 4, 0x20, 2, 0, 0};
	size_t head = scene.websocket ? 0 : 2;
	char buf[500];

	return (!scene.tls || tk_peer_tls(c, scene.ctx)) && (!scene.websocket || tk_ws_accept(c)) &&
	       tk_peer_read_some(c, buf, sizeof(buf)) > 0 &&
	       tk_peer_write(c, connack + head, sizeof(connack) - head) &&
	       tk_peer_read_some(c, buf, sizeof(buf)) > 0;
}

static void
serve(struct tk_peer_conn *c, void *arg)
{
	(void)arg;
	if (!accept_client(c))
		return;
	send_burst(c);
	if (scene.all_at_once)
		await_arrival(c);
	if (scene.ending == FAREWELL || scene.ending == RUBBISH)
		scene.sent = 1;
	end_somehow(c);
}

/* --- the client --------------------------------------------------------------------------------
 */

static int stop_at; /* the message in whose callback something is done */
static void (*stop)(struct mqev_client *client);
static int came;
static size_t came_in_turn;

static void
on_message(enum kit_event event, struct mqev_client *client, const void *what, void *userdata)
{
	const struct mqev_message *m = what;
	const unsigned char *payload;
	size_t wrong = 0;

	(void)userdata;
	if (event != KIT_MESSAGE)
		return;
	payload = m->payload;
	for (size_t i = 0; i < scene.payload; i++)
		wrong += payload[i] != (unsigned char)((size_t)came * 7 + i);
	if (m->payload_len != scene.payload || wrong > 0)
		ck_abort_msg("message %d is not what was sent", came);
	came++;
	came_in_turn += scene.payload;
	if (stop != NULL && came == stop_at)
		stop(client);
}

#define CHOOSE(kind)                                            \
	do {                                                    \
		if (!choose(kind))                              \
			tk_skip("this build has no WebSocket"); \
	} while (0)

static bool
choose(enum kind kind)
{
	scene.tls = kind == TLS || kind == WSS;
	scene.websocket = kind == WS || kind == WSS;
	return !scene.websocket || mqev_ws_supported();
}

static void
connect_client(enum kind kind)
{
	struct mqev_tls *tls =
	    mqev_tls_new(MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki)), NULL, 0);

	kit.hook = on_message;
	kit.quiet[KIT_MESSAGE] = kit.quiet[KIT_DONE] = true;
	peer = tk_peer_start("127.0.0.1", serve, NULL);
	KIT_CLIENT(.keepalive = 60, .tls = tls, .no_reconnect = true);
	mqev_tls_free(tls);
	kit_connect_to("%s://localhost:%d", schemes[kind], tk_peer_port(peer));
	KIT_AWAIT(KIT_CONNECT, 1, 5000);
}

/* The burst is on its way; when it has to come at once it is there. */
static void
begin(enum kind kind)
{
	connect_client(kind);
	kit_publish("go", "", 0);
	kit_await_all(2000);
}

static void
setup(void)
{
	kit_setup();
	memset(&scene, 0, sizeof(scene));
	scene.ctx = tk_peer_ctx(pki, "server");
	peer = NULL;
	stop = NULL;
	came = 0;
}

static void
teardown(void)
{
	kit_free_client();
	if (peer != NULL)
		tk_peer_stop(peer);
	SSL_CTX_free(scene.ctx);
	kit_teardown();
}

static int
all_came(void *arg)
{
	(void)arg;
	return came >= scene.messages;
}

static void
await_all_messages(void)
{
	ck_assert_msg(tk_run_until(kit.base, all_came, NULL, 10000), "%d of %d messages came", came,
	    scene.messages);
	ck_assert_int_eq(came, scene.messages);
}

/* --- tests -------------------------------------------------------------------------------------
 */

/* No turn takes much more than the budget, and none of what came is left behind. */
static void
run_turns(void)
{
	long long end = tk_now_ms() + 10000;

	while (came < scene.messages && tk_now_ms() < end) {
		came_in_turn = 0;
		event_base_loop(kit.base, EVLOOP_ONCE);
		ck_assert_uint_le(came_in_turn, TURN_MAX + scene.payload);
	}
	ck_assert_int_eq(came, scene.messages);
}

static const struct {
	int messages;
	size_t payload;
} bursts[] = {{100, 300}, {6000, 100}, {12000, 4}, {30, 20000}, {7, 200000}, {1, 3000000}};

#define BURSTS ((int)(sizeof(bursts) / sizeof(bursts[0])))

START_TEST(burst_then_silence)
{
	enum kind kind = (enum kind)(_i % KINDS);

	CHOOSE(kind);
	scene.messages = bursts[_i / KINDS % BURSTS].messages;
	scene.payload = bursts[_i / KINDS % BURSTS].payload;
	scene.split = _i / KINDS >= BURSTS;
	begin(kind);
	run_turns();
}
END_TEST

static void
await_end_of_socket(void)
{
	struct pollfd fd = {.fd = kit.client->link->conn.fd, .events = POLLRDHUP};

	ck_assert_int_eq(poll(&fd, 1, 5000), 1);
}

/* Where libevent reads one record or 4,096 bytes in a turn, all of a burst that is there comes in
 * one, with its end. */
START_TEST(burst_in_a_turn)
{
	enum kind kind = (enum kind)_i;

	CHOOSE(kind);
	scene.messages = 100;
	scene.payload = 300;
	scene.ending = END;
	scene.all_at_once = true;
	begin(kind);
	await_end_of_socket();
	for (int turns = 0; turns < 2 && came == 0; turns++)
		event_base_loop(kit.base, EVLOOP_NONBLOCK);
	ck_assert_int_eq(came, scene.messages);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
}
END_TEST

static void
pause_client(struct mqev_client *client)
{
	ck_assert_int_eq(mqev_pause_receiving(client), 0);
}

START_TEST(pause_and_resume)
{
	enum kind kind = (enum kind)(_i % KINDS);

	CHOOSE(kind);
	scene.messages = _i / KINDS == 0 ? 1000 : 20;
	scene.payload = _i / KINDS == 0 ? 300 : 30000;
	scene.split = true;
	stop = pause_client;
	stop_at = 3;
	begin(kind);
	while (stop_at < scene.messages) {
		tk_run_until(kit.base, tk_reached, &(struct tk_count){&came, stop_at}, 10000);
		ck_assert_int_eq(came, stop_at);
		kit_run(2);
		ck_assert_int_eq(came, stop_at);
		stop_at += 1 + stop_at / 2;
		ck_assert_int_eq(mqev_resume_receiving(kit.client), 0);
	}
	await_all_messages();
}
END_TEST

static void
free_client(struct mqev_client *client)
{
	(void)client;
	kit_free_client();
}

static void
leave(struct mqev_client *client)
{
	ck_assert_int_eq(mqev_disconnect(client, NULL), 0);
}

static void
connect_anew(struct mqev_client *client)
{
	ck_assert_int_eq(mqev_reconnect(client), 0);
}

static void (*const stops[])(struct mqev_client *client) = {free_client, leave, connect_anew};

/* The link goes in the middle of what is read: nothing comes after that, nothing is lost or kept. */
START_TEST(gone_in_a_callback)
{
	enum kind kind = (enum kind)(_i % KINDS);

	CHOOSE(kind);
	scene.messages = 100;
	scene.payload = 300;
	scene.ending = END;
	scene.all_at_once = true;
	stop = stops[_i / KINDS];
	stop_at = 80;
	begin(kind);
	await_end_of_socket();
	tk_run_until(kit.base, tk_reached, &(struct tk_count){&came, 80}, 5000);
	kit_run(20);
	ck_assert_int_eq(came, 80);
}
END_TEST

static const struct {
	enum kind kind;
	enum ending ending;
	const char *diary;
	const char *text;
} ends[] = {
    {PLAIN, END, "connect:00 disconnect:LOST", "the server closed the connection"},
    {PLAIN, RESET, "connect:00 disconnect:LOST", "connection: Connection reset by peer"},
    {TLS, END, "connect:00 disconnect:LOST", "the server closed the connection"},
    {TLS, RESET, "connect:00 disconnect:LOST", "TLS: Connection reset by peer"},
    {TLS, FAREWELL, "connect:00 disconnect:LOST", "the server closed the connection"},
    {TLS, RUBBISH, "connect:00 disconnect:TLS", "TLS: wrong version number"},
    {WS, END, "connect:00 disconnect:LOST", "the server closed the connection"},
    {WS, RESET, "connect:00 disconnect:LOST", "connection: Connection reset by peer"},
    {WS, RUBBISH, "connect:00 disconnect:WEBSOCKET", "WebSocket: a reserved bit is set"},
    {WSS, END, "connect:00 disconnect:LOST", "the server closed the connection"},
    {WSS, RESET, "connect:00 disconnect:LOST", "TLS: Connection reset by peer"},
    {WSS, FAREWELL, "connect:00 disconnect:LOST", "the server closed the connection"},
    {WSS, RUBBISH, "connect:00 disconnect:TLS", "TLS: wrong version number"},
};

START_TEST(messages_then_the_end)
{
	CHOOSE(ends[_i].kind);
	scene.messages = 100;
	scene.payload = 300;
	scene.ending = ends[_i].ending;
	scene.all_at_once = true;
	begin(ends[_i].kind);
	if (scene.ending == END || scene.ending == RESET)
		await_end_of_socket();
	while (!scene.sent && (scene.ending == FAREWELL || scene.ending == RUBBISH))
		poll(NULL, 0, 1);
	KIT_AWAIT(KIT_DISCONNECT, 1, 5000);
	ck_assert_int_eq(came, scene.messages);
	KIT_DIARY(ends[_i].diary);
	ck_assert_str_eq(kit.text, ends[_i].text);
	kit_run(10);
	KIT_DIARY("");
	ck_assert_int_eq(
	    kit.disconnection.tls_error != 0, ends[_i].ending == RUBBISH && ends[_i].kind != WS);
}
END_TEST

/* Each allocation of ours in the middle of a burst fails once: then the connection ends for that, or
 * the burst comes all the same. */
START_TEST(failing_allocations)
{
	enum kind kind = (enum kind)(_i % KINDS);

	CHOOSE(kind);
	scene.messages = 20;
	scene.payload = 30000;
	scene.split = true;
	begin(kind);
	fail_mem_after((size_t)(_i / KINDS));
	while (came < scene.messages && kit.count[KIT_DISCONNECT] == 0)
		event_base_loop(kit.base, EVLOOP_ONCE);
	if (_i < KINDS)
		ck_assert_uint_eq(fail_mem_refused(), 1);
	fail_mem_never();
	if (kit.count[KIT_DISCONNECT] > 0)
		ck_assert_int_eq(kit.disconnection.error, MQEV_ERR_NOMEM);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int
main(void)
{
	Suite *s = suite_create("read_on");
	TCase *tc = tcase_create("read_on");
	int rc;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, burst_then_silence, 0, 2 * BURSTS * KINDS);
	tcase_add_loop_test(tc, burst_in_a_turn, 0, KINDS);
	tcase_add_loop_test(tc, pause_and_resume, 0, 2 * KINDS);
	tcase_add_loop_test(tc, gone_in_a_callback, 0, COUNT(stops) * KINDS);
	tcase_add_loop_test(tc, messages_then_the_end, 0, COUNT(ends));
	tcase_add_loop_test(tc, failing_allocations, 0, 8 * KINDS);
	pki = tk_pki_new("mqev test CA");
	tk_pki_issue(pki, "server", &(struct tk_cert_spec){0});
	rc = tk_main(s);
	tk_pki_free(pki);
	return rc;
}
