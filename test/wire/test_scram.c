/* SCRAM against a server of the test's own, which GNU SASL computes: right, wrong, and hostile. */
#include "wire/client_kit.h"

#include <gsasl.h>

#include <mqev/gsasl.h>

/* The server's half. Each check of a packet computes its answer into reply. */
static struct {
	Gsasl *gsasl;
	Gsasl_session *session;
	const char *password;
	const char *iterations;
	bool forge;	   /* the signature is wrong */
	bool bare;	   /* success comes without a signature */
	bool as_challenge; /* the signature comes in an AUTH 18 of its own */
	struct tk_buf reply;
} server;

static const struct mqev_auth *scram;
static const char *mechanism;

static void
setup(void)
{
	memset(&server, 0, sizeof(server));
	server.password = "pencil";
	server.iterations = "4096";
	mechanism = "SCRAM-SHA-256";
	ck_assert_int_eq(gsasl_init(&server.gsasl), GSASL_OK);
	kit_setup();
}

static void
end_session(void)
{
	if (server.session != NULL)
		gsasl_finish(server.session);
	server.session = NULL;
}

static void
teardown(void)
{
	kit_free_client();
	mqev_scram_free(scram);
	scram = NULL;
	kit_teardown();
	end_session();
	gsasl_done(server.gsasl);
	tk_buf_free(&server.reply);
}

static void
new_session(void)
{
	end_session();
	ck_assert_int_eq(gsasl_server_start(server.gsasl, mechanism, &server.session), GSASL_OK);
	gsasl_property_set(server.session, GSASL_PASSWORD, server.password);
	gsasl_property_set(server.session, GSASL_SCRAM_ITER, server.iterations);
}

static void
put_reply(unsigned type, unsigned code, const struct tk_buf *data)
{
	struct tk_buf body = {0};
	struct tk_buf props = {0};

	tk_buf_u8(&props, 0x15);
	tk_buf_str(&props, mechanism);
	if (data != NULL) {
		tk_buf_u8(&props, 0x16);
		tk_buf_bin(&props, data->data, data->len);
	}
	if (type == TK_CONNACK)
		tk_buf_u8(&body, 0);
	tk_buf_u8(&body, code);
	tk_buf_varint(&body, (uint32_t)props.len);
	tk_buf_put(&body, props.data, props.len);
	tk_buf_free(&server.reply);
	server.reply = tk_make_packet(type << 4, body.data, body.len);
	tk_buf_free(&props);
	tk_buf_free(&body);
}

/* Any other letter of base64 makes another signature. */
static void
forge(struct tk_buf *signature)
{
	ck_assert_uint_gt(signature->len, 8);
	signature->data[5] = signature->data[5] == 'A' ? 'B' : 'A';
}

static void
finish_with(unsigned success_type, struct tk_buf *signature)
{
	if (server.forge)
		forge(signature);
	if (server.as_challenge) {
		put_reply(TK_AUTH, 0x18, signature);
		return;
	}
	put_reply(success_type, 0, server.bare ? NULL : signature);
}

/* What the client sent, given to the server's half; the type of its success is arg's. */
static const char *
compute(const struct tk_packet *p, void *arg)
{
	const struct tk_prop *method = tk_props_find(&p->props, 0x15);
	const struct tk_prop *data = tk_props_find(&p->props, 0x16);
	struct tk_buf out = {0};
	char *text = NULL;
	int result;

	if (method == NULL || data == NULL || !tk_str_is(method->value, mechanism))
		return "no method or data:";
	if (p->type == TK_CONNECT || p->reason == 0x19)
		new_session();
	result = gsasl_step(
	    server.session, (const char *)data->value.data, data->value.len, &text, &out.len);
	if (result == GSASL_OK || result == GSASL_NEEDS_MORE)
		out = tk_buf_copy(text, out.len);
	gsasl_free(text);
	if (result == GSASL_NEEDS_MORE)
		put_reply(TK_AUTH, 0x18, &out);
	else if (result == GSASL_OK)
		finish_with(*(const unsigned *)arg, &out);
	tk_buf_free(&out);
	return result == GSASL_OK || result == GSASL_NEEDS_MORE ? NULL
								: gsasl_strerror_name(result);
}

/* The server's half says no. */
static const char *
refuses(const struct tk_packet *p, void *arg)
{
	const char *said = compute(p, arg);

	return said != NULL && strcmp(said, "GSASL_AUTHENTICATION_ERROR") == 0 ? NULL : "accepted:";
}

static const char *
is_empty_answer(const struct tk_packet *p, void *arg)
{
	(void)arg;
	if (p->reason != 0x18 || tk_props_find(&p->props, 0x16) != NULL)
		return "another AUTH:";
	put_reply(TK_CONNACK, 0, NULL);
	return NULL;
}

static unsigned by_connack = TK_CONNACK;
static unsigned by_auth = TK_AUTH;

#define HELLO TK_EXPECT_IF(CONNECT, compute, &by_connack)
#define PROOF TK_EXPECT_IF(AUTH, compute, &by_connack)
#define ANSWER TK_SEND_BUF(server.reply)
#define GOOD_BYE TK_EXPECT_BYTES("E0 (80)"), TK_EXPECT_CLOSE()

static void
start(const struct tk_step *script, const char *password)
{
	int error = 1;

	kit_broker(script);
	scram = mqev_scram_new(mechanism, "user", password, &error);
	ck_assert_int_eq(error, 0);
	ck_assert_ptr_nonnull(scram);
	KIT_CLIENT(.protocol = MQEV_PROTOCOL_V5, .auth = scram);
	kit_connect();
}

/* --- right ----------------------------------------------------------------------------------- */

static const struct tk_step accepts[] = {HELLO, ANSWER, PROOF, ANSWER, TK_QUIET(20), TK_END};

static void
connects(void)
{
	start(accepts, "pencil");
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	KIT_DIARY("connect:00");
}

START_TEST(sha_256)
{
	connects();
}
END_TEST

START_TEST(sha_1)
{
	mechanism = "SCRAM-SHA-1";
	connects();
}
END_TEST

START_TEST(signature_as_a_challenge)
{
	static const struct tk_step script[] = {HELLO, ANSWER, PROOF, ANSWER,
	    TK_EXPECT_IF(AUTH, is_empty_answer, NULL), ANSWER, TK_QUIET(20), TK_END};

	server.as_challenge = true;
	start(script, "pencil");
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_CONNECT, 1, 2000);
	KIT_DIARY("connect:00");
}
END_TEST

START_TEST(again)
{
	static const struct tk_step script[] = {HELLO, ANSWER, PROOF, ANSWER,
	    TK_EXPECT_IF(AUTH, compute, &by_auth), ANSWER, TK_EXPECT_IF(AUTH, compute, &by_auth),
	    ANSWER, TK_QUIET(20), TK_END};

	start(script, "pencil");
	KIT_AWAIT(KIT_CONNECT, 1, 3000);
	kit_note_accepted(KIT_CALL(mqev_reauthenticate(kit.client, kit_done, kit_op())));
	KIT_PLAY(3000);
	kit_await_all(2000);
	KIT_DIARY("connect:00 done1:OK");
}
END_TEST

/* --- wrong ----------------------------------------------------------------------------------- */

START_TEST(wrong_password)
{
	static const struct tk_step script[] = {HELLO, ANSWER,
	    TK_EXPECT_IF(AUTH, refuses, &by_connack), TK_SEND("20 (00 87 ())"), TK_EXPECT_CLOSE(),
	    TK_END};

	start(script, "pen");
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	KIT_DIARY("connect:87 disconnect:REFUSED");
}
END_TEST

static void
is_refused_by_us(const struct tk_step *script)
{
	start(script, "pencil");
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_CONNECT_FAIL, 1, 2000);
	KIT_DIARY("fail:connack:AUTH");
	ck_assert_uint_eq(kit.failure.retry_ms, MQEV_NONE);
}

static const struct tk_step not_believed[] = {HELLO, ANSWER, PROOF, ANSWER, GOOD_BYE, TK_END};

START_TEST(wrong_signature)
{
	server.forge = true;
	is_refused_by_us(not_believed);
}
END_TEST

START_TEST(wrong_signature_as_a_challenge)
{
	server.forge = server.as_challenge = true;
	is_refused_by_us(not_believed);
}
END_TEST

START_TEST(no_signature)
{
	server.bare = true;
	is_refused_by_us(not_believed);
}
END_TEST

/* A server that knows nothing just says yes. */
START_TEST(success_at_once)
{
	static const struct tk_step script[] = {
	    HELLO, TK_SEND("20 (00 00 (15 {'SCRAM-SHA-256'}))"), GOOD_BYE, TK_END};

	is_refused_by_us(script);
}
END_TEST

START_TEST(wrong_signature_again)
{
	static const struct tk_step script[] = {HELLO, ANSWER, PROOF, ANSWER,
	    TK_EXPECT_IF(AUTH, compute, &by_auth), ANSWER, TK_EXPECT_IF(AUTH, compute, &by_auth),
	    ANSWER, GOOD_BYE, TK_END};

	start(script, "pencil");
	KIT_AWAIT(KIT_CONNECT, 1, 3000);
	server.forge = true;
	kit_note_accepted(KIT_CALL(mqev_reauthenticate(kit.client, kit_done, kit_op())));
	KIT_PLAY(3000);
	KIT_AWAIT(KIT_DISCONNECT, 1, 2000);
	KIT_DIARY("connect:00 done1:AUTH disconnect:AUTH");
}
END_TEST

/* --- hostile --------------------------------------------------------------------------------- */

static const struct tk_step refused_at_once[] = {HELLO, ANSWER, GOOD_BYE, TK_END};

START_TEST(too_few_iterations)
{
	server.iterations = "4095";
	is_refused_by_us(refused_at_once);
}
END_TEST

START_TEST(too_many_iterations)
{
	server.iterations = "100001";
	is_refused_by_us(refused_at_once);
}
END_TEST

#define CHALLENGE(text) "F0 (18 (15 {'SCRAM-SHA-256'} 16 {" text "}))"

static const char *const nonsense[] = {"F0 (18 (15 {'SCRAM-SHA-256'}))", CHALLENGE(""),
    CHALLENGE("'x'"), CHALLENGE("00 01 FF"), CHALLENGE("'r=other,s=QSXCR+Q6sek8bf92,i=4096'"),
    CHALLENGE("'r=a,s=QSXCR+Q6sek8bf92,i=99999999999999999999999999999999'"),
    CHALLENGE("'r=a,s=QSXCR+Q6sek8bf92,i=-4096'"), CHALLENGE("',i='"), CHALLENGE("'e=other-error'"),
    CHALLENGE("'a'*60000 ',i=4096'")};

START_TEST(nonsense_as_a_challenge)
{
	const struct tk_step script[] = {
	    HELLO, {.op = TK_OP_SEND, .line = __LINE__, .text = nonsense[_i]}, GOOD_BYE, TK_END};

	is_refused_by_us(script);
}
END_TEST

/* --- the provider ---------------------------------------------------------------------------- */

static int
error_of(const char *name, const char *username, const char *password)
{
	int error = 1;

	ck_assert_ptr_null(mqev_scram_new(name, username, password, &error));
	ck_assert_ptr_null(mqev_scram_new(name, username, password, NULL));
	return error;
}

START_TEST(arguments)
{
	ck_assert_int_eq(error_of(NULL, "u", "p"), MQEV_ERR_INVALID);
	ck_assert_int_eq(error_of("SCRAM-SHA-1", NULL, "p"), MQEV_ERR_INVALID);
	ck_assert_int_eq(error_of("SCRAM-SHA-1", "u", NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(error_of("SCRAM-SHA-1", "", "p"), MQEV_ERR_INVALID);
	ck_assert_int_eq(error_of("SCRAM-SHA-1", "\xFF", "p"), MQEV_ERR_INVALID);
	ck_assert_int_eq(error_of("SCRAM-SHA-1", "u", "\xC3"), MQEV_ERR_INVALID);
	ck_assert_int_eq(error_of("PLAIN", "u", "p"), MQEV_ERR_UNSUPPORTED);
	ck_assert_int_eq(error_of("SCRAM-SHA-256-PLUS", "u", "p"), MQEV_ERR_UNSUPPORTED);
	mqev_scram_free(NULL);
}
END_TEST

/* Runs the client's half against the server's, without a network. */
static int
authenticate(const struct mqev_auth *auth)
{
	struct mqev_auth_data said = {NULL, 0};
	struct mqev_auth_data heard = {NULL, 0};
	void *exchange = NULL;
	char *first = NULL;
	char *last = NULL;
	int error = auth->begin(auth->userdata, &exchange, &said);

	if (error != 0)
		return error;
	new_session();
	ck_assert_int_eq(
	    gsasl_step(server.session, said.data, said.len, &first, &heard.len), GSASL_NEEDS_MORE);
	heard.data = first;
	error = auth->step(auth->userdata, exchange, &heard, &said);
	if (error == 0) {
		ck_assert_int_eq(
		    gsasl_step(server.session, said.data, said.len, &last, &heard.len), GSASL_OK);
		heard.data = last;
		error = auth->finish(auth->userdata, exchange, &heard);
	}
	auth->end(auth->userdata, exchange);
	gsasl_free(first);
	gsasl_free(last);
	return error;
}

/* Each allocation of the provider fails in turn: an error like any other, and nothing leaks. */
START_TEST(without_memory)
{
	size_t live = fail_mem_live();
	int done = 0;

	for (size_t n = 0; !done; n++) {
		int error = 1;

		ck_assert_uint_lt(n, 100);
		fail_mem_after(n);
		scram = mqev_scram_new(mechanism, "user", "pencil", &error);
		if (scram != NULL)
			error = authenticate(scram);
		done = fail_mem_refused() == 0;
		ck_assert_int_eq(error, done ? 0 : MQEV_ERR_NOMEM);
		fail_mem_never();
		mqev_scram_free(scram);
		scram = NULL;
		ck_assert_uint_eq(fail_mem_live(), live);
	}
}
END_TEST

/* Two exchanges with one provider at the same time do not disturb each other. */
START_TEST(one_provider_for_many)
{
	struct mqev_auth_data said = {NULL, 0};
	void *idle = NULL;

	scram = mqev_scram_new(mechanism, "user", "pencil", NULL);
	ck_assert_int_eq(scram->begin(scram->userdata, &idle, &said), 0);
	ck_assert_int_eq(authenticate(scram), 0);
	scram->end(scram->userdata, idle);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("scram");
	TCase *tc = tk_case(s, "scram");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, sha_256);
	tcase_add_test(tc, sha_1);
	tcase_add_test(tc, signature_as_a_challenge);
	tcase_add_test(tc, again);
	tcase_add_test(tc, wrong_password);
	tcase_add_test(tc, wrong_signature);
	tcase_add_test(tc, wrong_signature_as_a_challenge);
	tcase_add_test(tc, no_signature);
	tcase_add_test(tc, success_at_once);
	tcase_add_test(tc, wrong_signature_again);
	tcase_add_test(tc, too_few_iterations);
	tcase_add_test(tc, too_many_iterations);
	tcase_add_loop_test(
	    tc, nonsense_as_a_challenge, 0, (int)(sizeof(nonsense) / sizeof(nonsense[0])));
	tcase_add_test(tc, arguments);
	tcase_add_test(tc, without_memory);
	tcase_add_test(tc, one_provider_for_many);
	return tk_main(s);
}
