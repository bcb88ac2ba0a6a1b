/* Blocking calls against mosquitto: every kind of link and version, properties, a login, a will. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mqev/mqev.h>

#include "lib/certs.h"
#include "lib/loop.h"
#include "lib/server.h"
#include "net/ws.h"

#define WAIT_MS 10000

static struct tk_server server;
static struct mqev_oneshot_report report;

static void
stop(void)
{
	tk_server_stop(&server);
}

#define HOW(...) MQEV_ONESHOT(.timeout_ms = WAIT_MS, .report = &report, __VA_ARGS__)

/* Three retained messages go, and come. */
static void
round_trip(const char *url, const struct mqev_options *options)
{
	struct mqev_message list[3];
	struct mqev_message *got[3];
	int error;

	for (int i = 0; i < 3; i++)
		list[i] = (struct mqev_message){.size = sizeof(list[i]),
		    .topic = i == 0   ? "l/0"
			     : i == 1 ? "l/1"
				      : "l/2",
		    .payload = "through",
		    .payload_len = 7,
		    .qos = i,
		    .retain = true};
	error = mqev_publish_multiple(url, list, 3, HOW(.options = options));
	ck_assert_msg(error == 0, "%s: %s", mqev_error_text(error), report.text);
	error = mqev_subscribe_simple(
	    url, MQEV_SUBSCRIPTION(.filter = "l/+", .qos = 2), 1, got, 3, HOW(.options = options));
	ck_assert_msg(error == 0, "%s: %s", mqev_error_text(error), report.text);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(got[i]->payload_len, 7);
		ck_assert_int_eq(memcmp(got[i]->payload, "through", 7), 0);
		ck_assert_int_eq(got[i]->qos, got[i]->topic[2] - '0');
		mqev_message_free(got[i]);
	}
}

static const enum mqev_protocol versions[] = {
    MQEV_PROTOCOL_V31, MQEV_PROTOCOL_V311, MQEV_PROTOCOL_V5};

START_TEST(tcp_and_unix)
{
	char url[300];

	TK_SERVER_MOSQUITTO(&server, "listener 0 @DIR@/sock\n");
	for (int i = 0; i < 3; i++) {
		snprintf(url, sizeof(url), "mqtt://localhost:%d", server.port);
		round_trip(url, MQEV_OPTIONS(.protocol = versions[i]));
		snprintf(url, sizeof(url), "unix://%s/sock", server.dir);
		round_trip(url, MQEV_OPTIONS(.protocol = versions[i]));
	}
}
END_TEST

START_TEST(tls_and_websocket)
{
	struct tk_pki *pki = tk_pki_new("broker CA");
	struct mqev_tls *tls;
	char extra[1200];
	char url[100];

	if (!mqev_ws_supported())
		tk_skip("this build has no WebSocket");
	tk_pki_issue(pki, "broker", &(struct tk_cert_spec){0});
	snprintf(extra, sizeof(extra),
	    "listener @PORT2@ 127.0.0.1\ncafile %s\ncertfile %s\nkeyfile %s\n"
	    "listener @PORT3@ 127.0.0.1\nprotocol websockets\n"
	    "listener @PORT4@ 127.0.0.1\nprotocol websockets\ncafile %s\ncertfile %s\nkeyfile %s\n",
	    tk_pki_ca_file(pki), tk_pki_path(pki, "broker.pem"), tk_pki_path(pki, "broker.key"),
	    tk_pki_ca_file(pki), tk_pki_path(pki, "broker.pem"), tk_pki_path(pki, "broker.key"));
	TK_SERVER_MOSQUITTO(&server, extra);
	tls = mqev_tls_new(MQEV_TLS_OPTIONS(.ca_file = tk_pki_ca_file(pki)), NULL, 0);
	ck_assert_ptr_nonnull(tls);
	snprintf(url, sizeof(url), "mqtts://localhost:%d", server.ports[1]);
	round_trip(url, MQEV_OPTIONS(.tls = tls));
	snprintf(url, sizeof(url), "ws://localhost:%d/mqtt", server.ports[2]);
	round_trip(url, MQEV_OPTIONS(.protocol = MQEV_PROTOCOL_V5));
	snprintf(url, sizeof(url), "wss://localhost:%d/mqtt", server.ports[3]);
	round_trip(url, MQEV_OPTIONS(.tls = tls, .protocol = MQEV_PROTOCOL_V5));
	/* Not trusted: a TLS error, and no message. */
	snprintf(url, sizeof(url), "mqtts://localhost:%d", server.ports[1]);
	ck_assert_int_eq(mqev_publish_single(url, MQEV_MESSAGE(.topic = "x"), HOW()), MQEV_ERR_TLS);
	ck_assert_uint_eq(report.done, 0);
	ck_assert_str_ne(report.text, "");
	mqev_tls_free(tls);
	tk_pki_free(pki);
}
END_TEST

/* What MQTT 5 adds goes through whole; a subscription's identifier comes back. */
START_TEST(properties)
{
	struct mqev_properties *sent = mqev_properties_new();
	struct mqev_properties *of_subscribe = mqev_properties_new();
	struct mqev_message *got;
	struct mqev_property property;
	const struct mqev_options *v5 = MQEV_OPTIONS(.protocol = MQEV_PROTOCOL_V5);
	char url[100];

	TK_SERVER_MOSQUITTO(&server, NULL);
	snprintf(url, sizeof(url), "mqtt://127.0.0.1:%d", server.port);
	ck_assert_int_eq(mqev_properties_add_string(sent, MQEV_PROP_CONTENT_TYPE, "text"), 0);
	ck_assert_int_eq(mqev_properties_add_string(sent, MQEV_PROP_RESPONSE_TOPIC, "r"), 0);
	ck_assert_int_eq(mqev_properties_add_binary(sent, MQEV_PROP_CORRELATION_DATA, "cd", 2), 0);
	ck_assert_int_eq(mqev_properties_add_user(sent, "a", "1"), 0);
	ck_assert_int_eq(mqev_properties_add_user(sent, "a", "2"), 0);
	ck_assert_int_eq(
	    mqev_properties_add_integer(of_subscribe, MQEV_PROP_SUBSCRIPTION_IDENTIFIER, 77), 0);
	ck_assert_int_eq(mqev_publish_single(url,
			     MQEV_MESSAGE(.topic = "p", .payload = "x", .payload_len = 1, .qos = 2,
				 .retain = true, .properties = sent),
			     HOW(.options = v5)),
	    0);
	ck_assert_int_eq(mqev_subscribe_simple(url,
			     MQEV_SUBSCRIPTION(.filter = "p", .retain_as_published = true), 1, &got,
			     1, HOW(.options = v5, .subscribe_properties = of_subscribe)),
	    0);
	ck_assert_int_eq(
	    mqev_properties_find(got->properties, MQEV_PROP_SUBSCRIPTION_IDENTIFIER, &property), 0);
	ck_assert_uint_eq(property.integer, 77);
	ck_assert_int_eq(
	    mqev_properties_find(got->properties, MQEV_PROP_CORRELATION_DATA, &property), 0);
	ck_assert_int_eq(memcmp(property.value, "cd", 2), 0);
	ck_assert_int_eq(
	    mqev_properties_find(got->properties, MQEV_PROP_USER_PROPERTY, &property), 0);
	mqev_message_free(got);
	mqev_properties_free(sent);
	mqev_properties_free(of_subscribe);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("oneshot_links");
	TCase *tc = tk_case(s, "links");

	tcase_add_checked_fixture(tc, NULL, stop);
	tcase_add_test(tc, tcp_and_unix);
	tcase_add_test(tc, tls_and_websocket);
	tcase_add_test(tc, properties);
	return tk_main(s);
}
