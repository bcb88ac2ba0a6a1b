/* The client against a real mosquitto: every version and QoS, sessions, retained messages, wills,
 * and what servers refuse. */
#include "broker/broker_kit.h"

#include <stdio.h>
#include <unistd.h>

#define COUNT(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))

static const enum mqev_protocol versions[] = {
    MQEV_PROTOCOL_V31, MQEV_PROTOCOL_V311, MQEV_PROTOCOL_V5};

/* Options of a client whose session is kept. */
static struct mqev_options
kept(enum mqev_protocol version, const char *id)
{
	struct mqev_options o = {
	    .size = sizeof(o), .protocol = version, .client_id = id, .clean = MQEV_CLEAN_STRICT};

	if (version == MQEV_PROTOCOL_V5)
		o.session_expiry = 1000;
	return o;
}

/* Before 5.0 mosquitto cannot say how many messages it takes at once, and drops what is more. */
#define ROOM "max_inflight_messages 200\nmax_queued_messages 0\n"

/* --- every version and QoS ---------------------------------------------------------------------
 */

START_TEST(every_qos)
{
	enum mqev_protocol from = versions[_i / 3];
	enum mqev_protocol to = versions[_i % 3];
	struct peer *a;
	struct peer *b;

	BROKER_START(ROOM);
	a = PEER(.protocol = from, .client_id = "a");
	b = PEER(.protocol = to, .client_id = "b");
	peer_connect(a);
	peer_connect(b);
	peer_subscribe(b, "x/+", 2);
	peer_subscribe(a, "y/#", 1);
	for (int i = 0; i < 300; i++)
		peer_publish_number(a, "x/y", i, i % 3);
	for (int i = 0; i < 30; i++)
		peer_publish_number(b, "y/z", i, i % 3);
	peer_await_done(a, 5000);
	AWAIT(b->messages, 300, 5000);
	AWAIT(a->messages, 30, 5000);
	for (int qos = 0; qos < 3; qos++)
		ck_assert_int_eq(b->messages_of[qos], 100);
	ck_assert_int_eq(a->messages_of[2], 0); /* QoS 1 was asked for */
	ck_assert_int_eq(a->messages_of[1], 20);
	ck_assert_int_eq(a->failed + b->failed, 0);
	/* The order within a QoS is kept; a gets two of them as one. */
	ck_assert_int_eq(b->out_of_order, 0);
	peer_disconnect(a);
	peer_free(a);
	peer_free(b);
}
END_TEST

START_TEST(payloads)
{
	static const size_t sizes[] = {0, 1, 127, 128, 4096, 65536, 2097152, 10485760};
	size_t size = sizes[_i];
	char *data = malloc(size + 1);
	struct peer *a;

	BROKER_START(NULL);
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 7 + i / 251);
	a = PEER(.protocol = MQEV_PROTOCOL_V5);
	peer_connect(a);
	peer_subscribe(a, "big", 2);
	for (int qos = 0; qos < 3; qos++) {
		peer_publish(a,
		    MQEV_MESSAGE(.topic = "big", .payload = data, .payload_len = size, .qos = qos));
		AWAIT(a->messages, qos + 1, 20000);
		ck_assert_uint_eq(a->kept->payload_len, size);
		ck_assert_int_eq(a->kept->qos, qos);
		ck_assert(size == 0 || memcmp(a->kept->payload, data, size) == 0);
	}
	peer_await_done(a, 5000);
	peer_free(a);
	free(data);
}
END_TEST

START_TEST(properties)
{
	struct mqev_properties *p = mqev_properties_new();
	struct mqev_property found;
	struct peer *a;

	BROKER_START(NULL);
	a = PEER(.protocol = MQEV_PROTOCOL_V5, .client_id = "");
	peer_connect(a);
	ck_assert_str_ne(mqev_client_id(a->client), "");
	mqev_properties_add_integer(p, MQEV_PROP_PAYLOAD_FORMAT_INDICATOR, 1);
	mqev_properties_add_string(p, MQEV_PROP_CONTENT_TYPE, "text/plain");
	mqev_properties_add_string(p, MQEV_PROP_RESPONSE_TOPIC, "answer");
	mqev_properties_add_binary(p, MQEV_PROP_CORRELATION_DATA, "\0\1", 2);
	mqev_properties_add_user(p, "k", "v1");
	mqev_properties_add_user(p, "k", "v2");
	mqev_properties_add_integer(p, MQEV_PROP_MESSAGE_EXPIRY_INTERVAL, 60);
	peer_subscribe(a, "p", 2);
	for (int qos = 0; qos < 3; qos++) {
		peer_publish(a, MQEV_MESSAGE(.topic = "p", .qos = qos, .properties = p));
		AWAIT(a->messages, qos + 1, 5000);
		ck_assert_uint_eq(mqev_properties_count(a->kept->properties), 7);
		ck_assert_int_eq(
		    mqev_properties_find(a->kept->properties, MQEV_PROP_CORRELATION_DATA, &found),
		    0);
		ck_assert_uint_eq(found.value_len, 2);
		ck_assert_uint_le(mqev_properties_integer(
				      a->kept->properties, MQEV_PROP_MESSAGE_EXPIRY_INTERVAL, 0),
		    60);
	}
	mqev_properties_free(p);
	peer_await_done(a, 5000);
	peer_free(a);
}
END_TEST

/* --- sessions ----------------------------------------------------------------------------------
 */

START_TEST(offline_messages)
{
	enum mqev_protocol version = versions[_i];
	struct peer *a;
	struct peer *b;

	BROKER_START(ROOM);
	a = PEER(.protocol = version, .client_id = "a");
	b = peer_new(kept(version, "b"));
	peer_connect(a);
	peer_connect(b);
	ck_assert(!b->session_present);
	peer_subscribe(b, "t", 2);
	peer_disconnect(b);
	for (int i = 0; i < 100; i++)
		peer_publish_number(a, "t", i, 1 + i % 2);
	peer_await_done(a, 5000);
	peer_connect(b);
	ck_assert(b->session_present || version == MQEV_PROTOCOL_V31);
	AWAIT(b->messages, 100, 5000);
	ck_assert_int_eq(b->messages_of[1], 50);
	ck_assert_int_eq(b->messages_of[2], 50);
	ck_assert_int_eq(b->out_of_order, 0);
	peer_free(a);
	peer_free(b);
}
END_TEST

/* A clean session forgets; the subscriptions are the client's and are made again. */
START_TEST(clean_session)
{
	enum mqev_protocol version = versions[_i];
	struct peer *a;
	struct peer *b;

	BROKER_START(NULL);
	a = PEER(.protocol = version, .client_id = "a");
	b = PEER(.protocol = version, .client_id = "b");
	peer_connect(a);
	peer_connect(b);
	peer_subscribe(b, "t", 2);
	peer_disconnect(b);
	peer_publish_number(a, "t", 1, 1);
	peer_await_done(a, 5000);
	peer_connect(b);
	ck_assert(!b->session_present);
	kit_run(200);
	ck_assert_int_eq(b->messages, 0);
	peer_publish_number(a, "t", 2, 1);
	AWAIT(b->messages, 1, 5000);
	peer_await_done(a, 5000);
	peer_free(a);
	peer_free(b);
}
END_TEST

/* A session of an earlier run of the program. */
START_TEST(session_taken_over)
{
	enum mqev_protocol version = versions[1 + _i];
	struct mqev_options o = kept(version, "b");
	struct peer *a;
	struct peer *b;

	BROKER_START(NULL);
	a = PEER(.protocol = version, .client_id = "a");
	peer_connect(a);
	o.clean = MQEV_CLEAN_NEVER;
	b = peer_new(o);
	peer_connect(b);
	peer_subscribe(b, "t", 1);
	peer_free(b);
	for (int i = 0; i < 10; i++)
		peer_publish_number(a, "t", i, 1);
	peer_await_done(a, 5000);
	b = peer_new(o);
	peer_connect(b);
	ck_assert(b->session_present);
	AWAIT(b->messages, 10, 5000);
	peer_free(a);
	peer_free(b);
}
END_TEST

/* The same identifier twice: the first is thrown out. */
START_TEST(taken_over)
{
	struct peer *a;
	struct peer *b;

	BROKER_START(NULL);
	a = PEER(.protocol = versions[_i], .client_id = "same", .no_reconnect = true);
	b = PEER(.protocol = versions[_i], .client_id = "same");
	peer_connect(a);
	peer_connect(b);
	AWAIT(a->disconnects, 1, 5000);
	kit_run(100);
	ck_assert_int_eq(a->connects, 1);
	ck_assert_int_eq(b->disconnects, 0);
	peer_free(a);
	peer_free(b);
}
END_TEST

/* --- retained messages and wills ---------------------------------------------------------------
 */

START_TEST(retained)
{
	enum mqev_protocol version = versions[_i];
	struct peer *a;
	struct peer *b;

	BROKER_START(NULL);
	a = PEER(.protocol = version, .client_id = "a");
	b = PEER(.protocol = version, .client_id = "b");
	peer_connect(a);
	for (int qos = 0; qos < 3; qos++)
		peer_publish(
		    a, MQEV_MESSAGE(.topic = qos == 0	? "r/0"
					     : qos == 1 ? "r/1"
							: "r/2",
			   .payload = "kept", .payload_len = 4, .qos = qos, .retain = true));
	peer_await_done(a, 5000);
	peer_connect(b);
	peer_subscribe(b, "r/+", 2);
	AWAIT(b->messages, 3, 5000);
	ck_assert(b->kept->retain);
	peer_publish(a, MQEV_MESSAGE(.topic = "r/1", .retain = true)); /* removes it */
	AWAIT(b->messages, 4, 5000);
	ck_assert(!b->kept->retain);
	peer_await_done(a, 5000);
	peer_free(b);
	b = PEER(.protocol = version, .client_id = "b");
	peer_connect(b);
	peer_subscribe(b, "r/+", 2);
	AWAIT(b->messages, 2, 5000);
	kit_run(100);
	ck_assert_int_eq(b->messages, 2);
	peer_free(a);
	peer_free(b);
}
END_TEST

START_TEST(last_will)
{
	enum mqev_protocol version = versions[_i / 2];
	bool polite = _i % 2 == 1;
	const struct mqev_will last = {
	    .size = sizeof(last), .topic = "will", .payload = "gone", .payload_len = 4, .qos = 1};
	struct peer *a;
	struct peer *b;

	BROKER_START(NULL);
	a = PEER(.protocol = version, .client_id = "a", .will = &last);
	b = PEER(.protocol = version, .client_id = "b");
	peer_connect(a);
	peer_connect(b);
	peer_subscribe(b, "will", 1);
	if (polite)
		peer_disconnect(a);
	peer_free(a);
	if (polite) {
		kit_run(300);
		ck_assert_int_eq(b->messages, 0);
	} else {
		AWAIT(b->messages, 1, 5000);
		ck_assert_mem_eq(b->kept->payload, "gone", 4);
	}
	peer_free(b);
}
END_TEST

/* --- what a server refuses ---------------------------------------------------------------------
 */

struct login_row {
	const char *username;
	const char *password;
	bool accepted;
};

static const struct login_row login_rows[] = {
    {"user", "secret", true},
    {"user", "other", false},
    {"nobody", "secret", false},
    {NULL, NULL, false},
};

static char folder_config[512];
static char *folder;

/* A folder with a file of passwords and an access list; false when the tool is not there. */
static bool
make_folder(void)
{
	char command[256];
	char *acl;
	bool made;

	folder = tk_tmpdir();
	acl = tk_write_file(folder, "acl", "user user\ntopic readwrite ok/#\n");
	free(acl);
	snprintf(command, sizeof(command),
	    "mosquitto_passwd -c -b %s/passwords user secret >/dev/null 2>&1", folder);
	made = system(command) == 0;
	snprintf(folder_config, sizeof(folder_config),
	    "allow_anonymous false\npassword_file %s/passwords\nacl_file %s/acl\n", folder, folder);
	return made;
}

static void
drop_folder(void)
{
	tk_rmtree(folder);
	free(folder);
}

START_TEST(login)
{
	const struct login_row *row = &login_rows[_i / 3];
	enum mqev_protocol version = versions[_i % 3];
	struct peer *a;

	if (!make_folder()) {
		drop_folder();
		tk_skip("mosquitto_passwd is not installed");
	}
	BROKER_START(folder_config);
	a = PEER(.protocol = version, .client_id = "a", .username = row->username,
	    .password = row->password);
	peer_connect(a);
	ck_assert_int_eq(a->connects, row->accepted);
	if (!row->accepted)
		ck_assert(a->reason == MQEV_REASON_NOT_AUTHORIZED ||
			  a->reason == MQEV_REASON_BAD_USER_NAME_OR_PASSWORD);
	peer_free(a);
	drop_folder();
}
END_TEST

/* An access list: in 5.0 the answer says that the message was not taken. */
START_TEST(access_list)
{
	enum mqev_protocol version = versions[_i];
	struct peer *a;

	if (!make_folder()) {
		drop_folder();
		tk_skip("mosquitto_passwd is not installed");
	}
	BROKER_START(folder_config);
	a = PEER(.protocol = version, .client_id = "a", .username = "user", .password = "secret");
	peer_connect(a);
	peer_subscribe(a, "ok/#", 1);
	peer_publish_number(a, "forbidden", 1, 1);
	peer_await_done(a, 5000);
	ck_assert_int_eq(kit.result.error, version == MQEV_PROTOCOL_V5 ? MQEV_ERR_REFUSED : 0);
	peer_publish_number(a, "ok/1", 2, 1);
	AWAIT(a->messages, 1, 5000);
	peer_await_done(a, 5000);
	peer_free(a);
	drop_folder();
}
END_TEST

START_TEST(shared_subscription)
{
	struct peer *peers[3];

	BROKER_START(NULL);
	for (int i = 0; i < 3; i++) {
		peers[i] = PEER(.protocol = MQEV_PROTOCOL_V5);
		peer_connect(peers[i]);
	}
	peer_subscribe(peers[0], "$share/g/t", 1);
	peer_subscribe(peers[1], "$share/g/t", 1);
	for (int i = 0; i < 50; i++)
		peer_publish_number(peers[2], "t", i, 1);
	peer_await_done(peers[2], 5000);
	for (int i = 0; i < 100 && peers[0]->messages + peers[1]->messages < 50; i++)
		kit_run(20);
	ck_assert_int_eq(peers[0]->messages + peers[1]->messages, 50);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(peers[0]->numbers[i] + peers[1]->numbers[i], 1);
	for (int i = 0; i < 3; i++)
		peer_free(peers[i]);
}
END_TEST

START_TEST(subscription_options)
{
	struct peer *a;
	int64_t op;

	BROKER_START(NULL);
	a = PEER(.protocol = MQEV_PROTOCOL_V5);
	peer_connect(a);
	peer_publish(a,
	    MQEV_MESSAGE(.topic = "r", .payload = "1", .payload_len = 1, .qos = 1, .retain = true));
	peer_await_done(a, 5000);
	op = mqev_subscribe(a->client,
	    MQEV_SUBSCRIPTION(.filter = "r", .qos = 1, .no_local = true,
		.retain_handling = MQEV_RETAIN_DO_NOT_SEND),
	    1, NULL, kit_done, kit_op());
	kit_note_accepted(op);
	peer_await_done(a, 5000);
	peer_publish_number(a, "r", 2, 1);
	peer_await_done(a, 5000);
	kit_run(200);
	ck_assert_int_eq(a->messages, 0);
	peer_free(a);
}
END_TEST

/* A server that takes only small packets says so in 5.0, and the client keeps to it. */
START_TEST(packet_size)
{
	static char data[5000];
	struct peer *a;

	BROKER_START("max_packet_size 2000\n");
	a = PEER(.protocol = MQEV_PROTOCOL_V5);
	peer_connect(a);
	ck_assert_int_eq(
	    mqev_publish(a->client,
		MQEV_MESSAGE(.topic = "t", .payload = data, .payload_len = 5000, .qos = 1), NULL,
		NULL),
	    MQEV_ERR_TOO_LARGE);
	peer_publish_number(a, "t", 1, 1);
	peer_await_done(a, 5000);
	ck_assert_int_eq(a->disconnects, 0);
	peer_free(a);
}
END_TEST

/* --- keepalive ---------------------------------------------------------------------------------
 */

START_TEST(keepalive)
{
	struct peer *a;

	BROKER_START(NULL);
	a = PEER(.protocol = versions[_i], .client_id = "a", .keepalive = 1);
	peer_connect(a);
	kit_run(3500); /* mosquitto throws out who is silent for 1.5 s */
	ck_assert_int_eq(a->disconnects, 0);
	peer_free(a);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("mosquitto");
	TCase *tc = broker_case(s, "messages", 60);

	tcase_add_loop_test(tc, every_qos, 0, 9);
	tcase_add_loop_test(tc, payloads, 0, 8);
	tcase_add_test(tc, properties);
	tc = broker_case(s, "sessions", 60);
	tcase_add_loop_test(tc, offline_messages, 0, 3);
	tcase_add_loop_test(tc, clean_session, 0, 3);
	tcase_add_loop_test(tc, session_taken_over, 0, 2);
	tcase_add_loop_test(tc, taken_over, 0, 3);
	tc = broker_case(s, "retained and wills", 60);
	tcase_add_loop_test(tc, retained, 0, 3);
	tcase_add_loop_test(tc, last_will, 0, 6);
	tc = broker_case(s, "refusals and options", 60);
	tcase_add_loop_test(tc, login, 0, 3 * COUNT(login_rows));
	tcase_add_loop_test(tc, access_list, 0, 3);
	tcase_add_test(tc, shared_subscription);
	tcase_add_test(tc, subscription_options);
	tcase_add_test(tc, packet_size);
	tcase_add_loop_test(tc, keepalive, 0, 3);
	return s;
}

int
main(void)
{
	return tk_main(suite());
}
