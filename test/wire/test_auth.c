/* Enhanced authentication as an application sees it: the provider of the options, attempts that it
 * fails, and mqev_reauthenticate(). */
#include "wire/client_kit.h"

static struct {
	int step_result;
	int begun;
	int ended;
} provider;

static int
begin(void *userdata, void **exchange, struct mqev_auth_data *out)
{
	(void)userdata;
	(void)exchange;
	provider.begun++;
	*out = (struct mqev_auth_data){"hi", 2};
	return 0;
}

static int
step(void *userdata, void *exchange, const struct mqev_auth_data *in, struct mqev_auth_data *out)
{
	(void)userdata;
	(void)exchange;
	*out = *in;
	return provider.step_result;
}

static void
end(void *userdata, void *exchange)
{
	(void)userdata;
	(void)exchange;
	provider.ended++;
}

static void
setup(void)
{
	memset(&provider, 0, sizeof(provider));
	kit_setup();
}

static void
teardown(void)
{
	kit_teardown();
	ck_assert_int_eq(provider.begun, provider.ended);
}

#define PROVIDER MQEV_AUTH(.method = "M", .begin = begin, .step = step, .end = end)
#define AUTH_CLIENT(...) \
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .keepalive = 60, .auth = PROVIDER, __VA_ARGS__)

#define HELLO TK_EXPECT_BYTES("10 ({'MQTT'} 05 02 003C (15 {'M'} 16 {'hi'}) {'c'})")
#define CHALLENGE TK_SEND("F0 (18 (15 {'M'} 16 {'who'}))")
#define RESPONSE TK_EXPECT_BYTES("F0 (18 (15 {'M'} 16 {'who'}))")
#define ACCEPT TK_SEND("20 (00 00 (15 {'M'}))")
#define AGAIN TK_EXPECT_BYTES("F0 (19 (15 {'M'} 16 {'hi'}))")
#define SUCCESS TK_SEND("F0 (00 (15 {'M'}))")

static int64_t
reauthenticate(void)
{
	int64_t op = KIT_CALL(mqev_reauthenticate(kit.client, kit_done, kit_op()));

	kit_note_accepted(op);
	return op;
}

static void
connect_it(void)
{
	kit_connect();
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	KIT_DIARY("connect:00");
}

/* --- options --------------------------------------------------------------------------------- */

static int
error_of(struct mqev_options options)
{
	int error = 1;

	options.size = sizeof(options);
	ck_assert_ptr_null(mqev_client_new(kit.fleet, &options, &error));
	return error;
}

START_TEST(options)
{
	const struct mqev_auth no_size = {.method = "M"};
	struct mqev_properties *asks = mqev_properties_new();

	ck_assert_int_eq(
	    mqev_properties_add_integer(asks, MQEV_PROP_REQUEST_RESPONSE_INFORMATION, 0), 0);
	ck_assert_int_eq(
	    error_of((struct mqev_options){.protocol = MQEV_PROTOCOL_V311, .auth = PROVIDER}),
	    MQEV_ERR_UNSUPPORTED);
	ck_assert_int_eq(error_of((struct mqev_options){
			     .protocol = MQEV_PROTOCOL_V5, .auth = MQEV_AUTH(.begin = begin)}),
	    MQEV_ERR_INVALID);
	ck_assert_int_eq(error_of((struct mqev_options){
			     .protocol = MQEV_PROTOCOL_V5, .auth = MQEV_AUTH(.method = "\xFF")}),
	    MQEV_ERR_INVALID);
	ck_assert_int_eq(
	    error_of((struct mqev_options){.protocol = MQEV_PROTOCOL_V5, .auth = &no_size}),
	    MQEV_ERR_INVALID);
	ck_assert_int_eq(
	    error_of((struct mqev_options){
		.protocol = MQEV_PROTOCOL_V5, .auth = PROVIDER, .protocol_fallback = true}),
	    MQEV_ERR_INVALID);
	ck_assert_int_eq(error_of((struct mqev_options){.protocol = MQEV_PROTOCOL_V5,
			     .request_response_information = true,
			     .connect_properties = asks}),
	    MQEV_ERR_INVALID);
	mqev_properties_free(asks);
}
END_TEST

/* The struct is copied with the name of the method. */
START_TEST(options_are_copied)
{
	static const struct tk_step script[] = {HELLO, ACCEPT, TK_QUIET(20), TK_END};
	char method[] = "M";
	struct mqev_auth *auth = MQEV_AUTH(.method = method, .begin = begin, .end = end);

	kit_broker(script);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .keepalive = 60, .auth = auth);
	memset(method, 'x', sizeof(method) - 1);
	memset(auth, 0, sizeof(*auth));
	connect_it();
	KIT_PLAY(2000);
}
END_TEST

/* --- connecting ------------------------------------------------------------------------------ */

/* Each attempt has an exchange of its own. */
START_TEST(each_attempt_anew)
{
	static const struct tk_step script[] = {HELLO, CHALLENGE, RESPONSE, TK_RESET(), TK_ACCEPT(),
	    HELLO, CHALLENGE, RESPONSE, ACCEPT, TK_CLOSE(), TK_ACCEPT(), HELLO, ACCEPT,
	    TK_QUIET(20), TK_END};

	kit_broker(script);
	AUTH_CLIENT(.client_id = "c");
	kit_connect();
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_CONNECT, 2, 2000);
	KIT_DIARY("fail:connack:LOST connect:00 disconnect:LOST connect:00");
	ck_assert_int_eq(provider.begun, 3);
}
END_TEST

/* A provider that refuses is asked no more: trying again could not help. */
START_TEST(own_side_refuses)
{
	static const struct tk_step script[] = {
	    HELLO, CHALLENGE, TK_EXPECT_BYTES("E0 (80)"), TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	provider.step_result = -1;
	AUTH_CLIENT(.client_id = "c");
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 2000);
	ck_assert_uint_eq(kit.failure.retry_ms, MQEV_NONE);
	kit_run(100);
	KIT_DIARY("fail:connack:AUTH");
	ck_assert_int_eq(tk_broker_connections(kit.broker), 1);
}
END_TEST

/* The whole exchange has the time of the CONNACK. */
START_TEST(no_connack)
{
	static const struct tk_step script[] = {
	    HELLO, CHALLENGE, RESPONSE, TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	AUTH_CLIENT(.connack_timeout_ms = 100, .no_reconnect = true);
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 2000);
	KIT_DIARY("fail:connack:TIMEOUT");
}
END_TEST

START_TEST(refused)
{
	static const struct tk_step script[] = {
	    HELLO, CHALLENGE, RESPONSE, TK_SEND("20 (00 87 ())"), TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	AUTH_CLIENT(.client_id = "c");
	kit_connect();
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	KIT_DIARY("connect:87 disconnect:REFUSED");
	ck_assert_uint_eq(kit.disconnection.retry_ms, MQEV_NONE);
}
END_TEST

/* --- again ----------------------------------------------------------------------------------- */

static int asked;

START_TEST(again)
{
	static const struct tk_step script[] = {HELLO, ACCEPT, AGAIN,
	    TK_EXPECT_BYTES("30 ({'a'} () 'x')"), CHALLENGE, RESPONSE, SUCCESS, TK_UNTIL(asked),
	    AGAIN, SUCCESS, TK_QUIET(20), TK_END};

	kit_broker(script);
	AUTH_CLIENT(.client_id = "c");
	ck_assert_int_eq(reauthenticate(), MQEV_ERR_STATE);
	ck_assert_int_eq(mqev_reauthenticate(NULL, NULL, NULL), MQEV_ERR_INVALID);
	connect_it();
	ck_assert_int_gt(reauthenticate(), 0);
	ck_assert_int_eq(reauthenticate(), MQEV_ERR_STATE);
	kit_publish("a", "x", 0);
	kit_await_all(2000);
	ck_assert_int_gt(reauthenticate(), 0);
	asked = 1;
	KIT_PLAY(2000);
	kit_await_all(2000);
	KIT_DIARY("done2:OK done1:OK done3:OK");
}
END_TEST

START_TEST(again_needs_version_5_and_a_provider)
{
	static const struct tk_step v3[] = {
	    TK_EXPECT(CONNECT), TK_SEND("20 (00 00)"), TK_QUIET(20), TK_END};

	kit_broker(v3);
	KIT_CLIENT(.keepalive = 60);
	ck_assert_int_eq(reauthenticate(), MQEV_ERR_UNSUPPORTED);
	connect_it();
	ck_assert_int_eq(reauthenticate(), MQEV_ERR_UNSUPPORTED);
	KIT_PLAY(2000);
}
END_TEST

START_TEST(again_fails)
{
	static const struct tk_step script[] = {
	    HELLO, ACCEPT, AGAIN, CHALLENGE, TK_EXPECT_BYTES("E0 (80)"), TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	AUTH_CLIENT(.client_id = "c");
	connect_it();
	provider.step_result = -1;
	ck_assert_int_gt(reauthenticate(), 0);
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	KIT_DIARY("done1:AUTH disconnect:AUTH");
	ck_assert_uint_eq(kit.disconnection.retry_ms, MQEV_NONE);
}
END_TEST

START_TEST(again_without_an_answer)
{
	static const struct tk_step script[] = {
	    HELLO, ACCEPT, AGAIN, TK_EXPECT_BYTES("E0 (80)"), TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	AUTH_CLIENT(.connack_timeout_ms = 300, .no_reconnect = true);
	connect_it();
	ck_assert_int_gt(reauthenticate(), 0);
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	KIT_DIARY("done1:TIMEOUT disconnect:TIMEOUT");
}
END_TEST

START_TEST(again_refused)
{
	static const struct tk_step script[] = {
	    HELLO, ACCEPT, AGAIN, TK_SEND("E0 (87)"), TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	AUTH_CLIENT(.client_id = "c");
	connect_it();
	ck_assert_int_gt(reauthenticate(), 0);
	KIT_PLAY(2000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	KIT_DIARY("done1:DISCONNECTED disconnect:DISCONNECTED");
	ck_assert_int_eq(kit.result.reason, MQEV_REASON_NOT_AUTHORIZED);
}
END_TEST

static void
free_in_done(enum kit_event event, struct mqev_client *c, const void *what, void *userdata)
{
	(void)c;
	(void)what;
	(void)userdata;
	if (event == KIT_DONE)
		kit_free_client();
}

START_TEST(client_freed_in_its_completion)
{
	static const struct tk_step script[] = {
	    HELLO, ACCEPT, AGAIN, SUCCESS, TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	kit.hook = free_in_done;
	AUTH_CLIENT(.client_id = "c");
	connect_it();
	ck_assert_int_gt(reauthenticate(), 0);
	KIT_PLAY(2000);
	KIT_DIARY("done1:OK");
}
END_TEST

START_TEST(client_freed_meanwhile)
{
	static const struct tk_step script[] = {HELLO, ACCEPT, AGAIN, TK_EXPECT_CLOSE(), TK_END};

	kit_broker(script);
	AUTH_CLIENT(.client_id = "c");
	connect_it();
	ck_assert_int_gt(reauthenticate(), 0);
	kit_run(50);
	kit_free_client();
	KIT_PLAY(2000);
	KIT_DIARY("done1:CANCELED");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("auth");
	TCase *tc = tk_case(s, "auth");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, options);
	tcase_add_test(tc, options_are_copied);
	tcase_add_test(tc, each_attempt_anew);
	tcase_add_test(tc, own_side_refuses);
	tcase_add_test(tc, no_connack);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, again);
	tcase_add_test(tc, again_needs_version_5_and_a_provider);
	tcase_add_test(tc, again_fails);
	tcase_add_test(tc, again_without_an_answer);
	tcase_add_test(tc, again_refused);
	tcase_add_test(tc, client_freed_in_its_completion);
	tcase_add_test(tc, client_freed_meanwhile);
	return tk_main(s);
}
