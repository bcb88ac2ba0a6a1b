/* The broker that is reached in many ways, and the client that does so. */
#include "broker/way_kit.h"

#include <stdio.h>

#include "net/ws.h"

struct tk_server way_broker;
struct tk_pki *way_pki;
struct mqev_tls *way_tls;
static bool ready;

/* On both loopback addresses; of a WebSocket listener mosquitto takes the port alone. */
static const char listeners[] = "listener @PORT@ ::1\n"
				"listener @PORT2@ 127.0.0.1\n%s"
				"listener @PORT2@ ::1\n%s"
				"listener @PORT3@ 127.0.0.1\nprotocol websockets\n"
				"listener @PORT4@ 127.0.0.1\nprotocol websockets\n%s";

static bool
start_broker(void)
{
	char tls[900];
	char text[4000];

	snprintf(tls, sizeof(tls), "cafile %s\ncertfile %s\nkeyfile %s\n", tk_pki_ca_file(way_pki),
	    tk_pki_path(way_pki, "server.pem"), tk_pki_path(way_pki, "server.key"));
	snprintf(text, sizeof(text), listeners, tls, tls, tls);
	return tk_server_mosquitto(&way_broker, text) == 0;
}

struct mqev_tls *
way_tls_of(const struct mqev_tls_options *options)
{
	char error[200] = "";
	struct mqev_tls *tls = mqev_tls_new(options, error, sizeof(error));

	ck_assert_msg(tls != NULL, "%s", error);
	return tls;
}

static void
setup(void)
{
	kit_setup();
	way_pki = tk_pki_new("way CA");
	tk_pki_issue(way_pki, "server",
	    &(struct tk_cert_spec){.san = "DNS:localhost,IP:127.0.0.1,IP:::1,DNS:broker.test"});
	way_tls = way_tls_of(MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(way_pki)));
	ready = start_broker();
}

static void
teardown(void)
{
	if (ready)
		tk_server_stop(&way_broker);
	mqev_tls_free(way_tls);
	tk_pki_free(way_pki);
	kit_teardown();
}

bool
way_ready(void)
{
	return ready;
}

TCase *
way_case(Suite *suite, const char *name, int seconds)
{
	TCase *tc = tk_case(suite, name);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, seconds);
	return tc;
}

const char *
way_url(int way, const char *host)
{
	static const char *const schemes[] = {"mqtt", "mqtts", "ws", "wss"};
	static char urls[8][160];
	static unsigned next;
	char *url = urls[next++ % 8];

	snprintf(url, sizeof(urls[0]), "%s://%s:%d", schemes[way], host, way_broker.ports[way]);
	return url;
}

static int
answered(void *arg)
{
	(void)arg;
	return kit.count[KIT_CONNECT] + kit.count[KIT_CONNECT_FAIL] > 0;
}

static void
start(const char *url, struct mqev_options options)
{
	memset(kit.count, 0, sizeof(kit.count));
	options.no_reconnect = true;
	kit.client = kit_client_new(options);
	kit_connect_to("%s", url);
	ck_assert_msg(tk_run_until(kit.base, answered, NULL, 10000), "%s: no answer", url);
}

static void
end(void)
{
	kit_free_client();
	tk_buf_clear(&kit.diary);
}

void
way_round_trip(const char *url, struct mqev_options options)
{
	start(url, options);
	ck_assert_msg(kit.count[KIT_CONNECT] == 1, "%s: %s", url, kit.text);
	kit_subscribe("way", 1, NULL);
	kit_publish("way", "there and back", 1);
	KIT_AWAIT(KIT_MESSAGE, 1, 5000);
	kit_await_all(5000);
	kit_disconnect();
	KIT_AWAIT(KIT_DISCONNECT, 1, 5000);
	end();
}

void
way_fails(const char *url, struct mqev_options options, enum mqev_stage stage, int error,
    const char *says)
{
	start(url, options);
	ck_assert_msg(kit.count[KIT_CONNECT] == 0, "%s: connected", url);
	ck_assert_msg(kit.failure.stage == stage && kit.failure.error == error,
	    "%s: stage %d, error %d: %s", url, (int)kit.failure.stage, kit.failure.error, kit.text);
	ck_assert_msg(
	    strstr(kit.text, says) != NULL, "%s: \"%s\" does not say \"%s\"", url, kit.text, says);
	ck_assert_uint_eq(kit.failure.retry_ms, MQEV_NONE);
	end();
}
