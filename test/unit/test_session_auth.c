/*
 * Enhanced authentication: each rule of the AUTH exchange, byte for byte, under the virtual clock.
 */
#include <string.h>

#include "lib/loop.h"
#include "lib/vcase.h"

/* A provider whose every call is checked: begin, then steps, then finish, and one end. */
static struct script {
	const char *initial;  /* NULL: no data */
	const char *response; /* of each step; NULL: no data */
	size_t response_len;  /* 0: that of the text */
	int begin_result;
	int step_result;
	int finish_result;
	int begun;
	int steps;
	int finished;
	int ended;
	char heard[64]; /* what step and finish got, "-" for no data */
} p;

static int an_exchange;

static struct mqev_auth_data
data_of(const char *text)
{
	return (struct mqev_auth_data){text, text != NULL ? strlen(text) : 0};
}

static void
hear(const struct mqev_auth_data *in)
{
	static const struct mqev_auth_data dash = {"-", 1};
	size_t len = strlen(p.heard);

	if (in->data == NULL)
		in = &dash;
	ck_assert_uint_lt(len + in->len + 2, sizeof(p.heard));
	memcpy(p.heard + len, in->data, in->len);
	memcpy(p.heard + len + in->len, ".", 2);
}

static int
begin(void *userdata, void **exchange, struct mqev_auth_data *out)
{
	ck_assert_ptr_eq(userdata, &p);
	ck_assert_int_eq(p.begun, p.ended);
	if (p.begin_result != 0)
		return p.begin_result;
	p.begun++;
	*exchange = &an_exchange;
	*out = data_of(p.initial);
	return 0;
}

static int
step(void *userdata, void *exchange, const struct mqev_auth_data *in, struct mqev_auth_data *out)
{
	ck_assert_ptr_eq(userdata, &p);
	ck_assert_ptr_eq(exchange, &an_exchange);
	ck_assert_int_eq(p.begun, p.ended + 1);
	p.steps++;
	hear(in);
	*out = data_of(p.response);
	if (p.response_len > 0)
		out->len = p.response_len;
	return p.step_result;
}

static int
finish(void *userdata, void *exchange, const struct mqev_auth_data *in)
{
	ck_assert_ptr_eq(userdata, &p);
	ck_assert_ptr_eq(exchange, &an_exchange);
	ck_assert_int_eq(p.begun, p.ended + 1);
	p.finished++;
	hear(in);
	return p.finish_result;
}

static void
end(void *userdata, void *exchange)
{
	ck_assert_ptr_eq(userdata, &p);
	ck_assert_ptr_eq(exchange, &an_exchange);
	p.ended++;
	ck_assert_int_eq(p.begun, p.ended);
}

static const struct mqev_auth provider = {.size = sizeof(provider),
    .begin = begin,
    .step = step,
    .finish = finish,
    .end = end,
    .userdata = &p};

static void
use(struct vclient *v, const struct mqev_auth *auth)
{
	p = (struct script){.initial = "hi", .response = "ok"};
	v->settings.auth = auth;
	v->settings.auth_method = (struct mqev_bytes){(const uint8_t *)"M", 1};
	v->settings.session_expiry_s = 0;
	v->settings.auth_timeout_ms = 10000;
}

#define CONNECT_AUTH "> 10 ({'MQTT'} 05 02 0000 (15 {'M'} 16 {'hi'}) {'c'})"
#define ACCEPT "20 (00 00 (15 {'M'}))"
#define CHALLENGE "F0 (18 (15 {'M'} 16 {'who'}))"
#define SUCCESS "F0 (00 (15 {'M'} 16 {'bye'}))"
#define PROTOCOL_ERROR "> E0 (82); end PROTOCOL 82"

static void
begin_connect(struct vclient *v)
{
	use(v, &provider);
	vclient_connect(v);
	expect(v, CONNECT_AUTH);
}

/* --- while connecting ------------------------------------------------------------------------ */

SCENARIO(connect_with_steps, V5)
{
	begin_connect(v);
	rx(v, CHALLENGE);
	expect(v, "> F0 (18 (15 {'M'} 16 {'ok'}))");
	p.response = NULL;
	rx(v, "F0 (18 (15 {'M'}))");
	expect(v, "> F0 (18 (15 {'M'}))");
	p.response = "";
	rx(v, "F0 (18 (15 {'M'} 16 {} 1F {'r'} 26 {'a'}{'b'}))");
	expect(v, "> F0 (18 (15 {'M'} 16 {}))");
	rx(v, "20 (00 00 (15 {'M'} 16 {'sig'}))");
	expect(v, "connack 0 00 [15 00 01 4D 16 00 03 73 69 67]");
	ck_assert_str_eq(p.heard, "who.-..sig.");
	ck_assert_int_eq(p.ended, 1);
}

SCENARIO(connect_without_initial_data, V5)
{
	use(v, &provider);
	p.initial = NULL;
	vclient_connect(v);
	expect(v, "> 10 ({'MQTT'} 05 02 0000 (15 {'M'}) {'c'})");
	rx(v, ACCEPT);
	expect(v, "connack 0 00 [15 00 01 4D]");
	ck_assert_str_eq(p.heard, "-.");
	ck_assert_int_eq(p.ended, 1);
}

/* The settings' numbers first, then the method, then the application's properties. */
SCENARIO(connect_order_of_properties, V5)
{
	static const uint8_t own[] = {0x26, 0, 1, 'a', 0, 1, 'b'};

	use(v, &provider);
	v->settings.receive_maximum = 10;
	v->settings.request_response_information = true;
	v->settings.connect_properties = (struct mqev_bytes){own, sizeof(own)};
	vclient_connect(v);
	expect(v, "> 10 ({'MQTT'} 05 02 0000 "
		  "(21 000A 19 01 15 {'M'} 16 {'hi'} 26 {'a'}{'b'}) {'c'})");
}

/* A provider of nothing but a method. */
SCENARIO(connect_bare_method, V5)
{
	static const struct mqev_auth bare = {.size = sizeof(bare)};

	use(v, &bare);
	vclient_connect(v);
	expect(v, "> 10 ({'MQTT'} 05 02 0000 (15 {'M'}) {'c'})");
	rx(v, CHALLENGE);
	expect(v, "> E0 (80); end AUTH 80");
	vclient_close(v);
	vclient_connect(v);
	expect(v, "> 10 ({'MQTT'} 05 02 0000 (15 {'M'}) {'c'})");
	rx(v, ACCEPT);
	expect(v, "connack 0 00 [15 00 01 4D]");
}

/* [MQTT-4.12.0-7]; older versions have no enhanced authentication at all. */
SCENARIO(no_method_before_5, V3)
{
	use(v, &provider);
	vclient_connect(v);
	ck_assert_int_eq(p.begun, 0);
	rx(v, "20 02 00 00");
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
	ck_assert_int_eq(
	    (int)mqev_session_reauthenticate(&v->s, NULL, NULL, v->now), MQEV_ERR_UNSUPPORTED);
	v->checked = v->record.len;
}

SCENARIO(begin_fails, V5)
{
	use(v, &provider);
	p.begin_result = 1;
	ck_assert(!vclient_connect(v));
	expect(v, "end AUTH 80");
	vclient_close(v);
	p.begin_result = MQEV_ERR_NOMEM;
	ck_assert(!vclient_connect(v));
	expect(v, "end NOMEM 80");
	ck_assert_int_eq(p.ended, 0);
}

SCENARIO(begin_gives_too_much, V5)
{
	static char text[65537];

	memset(text, 'x', sizeof(text) - 1);
	use(v, &provider);
	p.initial = text;
	ck_assert(!vclient_connect(v));
	expect(v, "end AUTH 80");
	ck_assert_int_eq(p.begun, 1);
	ck_assert_int_eq(p.ended, 1);
}

SCENARIO(step_fails, V5)
{
	begin_connect(v);
	p.step_result = MQEV_ERR_STATE;
	rx(v, CHALLENGE);
	expect(v, "> E0 (80); end AUTH 80");
	vclient_close(v);
	ck_assert_int_eq(p.ended, 1);
}

SCENARIO(step_gives_too_much, V5)
{
	begin_connect(v);
	p.response_len = 65536;
	rx(v, CHALLENGE);
	expect(v, "> E0 (80); end AUTH 80");
}

SCENARIO(step_without_memory, V5)
{
	begin_connect(v);
	p.step_result = MQEV_ERR_NOMEM;
	rx(v, CHALLENGE);
	expect(v, "end NOMEM 83");
}

/* The server said yes, but it is not the right one: nobody hears of the CONNACK. */
SCENARIO(finish_fails, V5)
{
	begin_connect(v);
	p.finish_result = -1;
	rx(v, "20 (00 00 (15 {'M'} 16 {'no'}))");
	expect(v, "> E0 (80); end AUTH 80");
	ck_assert_str_eq(p.heard, "no.");
	vclient_close(v);
	ck_assert_int_eq(p.ended, 1);
}

/* [MQTT-4.12.0-1], [MQTT-4.12.0-4]: refused, or just closed. */
SCENARIO(refused, V5)
{
	begin_connect(v);
	rx(v, CHALLENGE);
	expect(v, "> F0 (18 (15 {'M'} 16 {'ok'}))");
	rx(v, "20 (00 87 ())");
	expect(v, "connack 0 87; end REFUSED 87");
	ck_assert_int_eq(p.ended, 0);
	vclient_close(v);
	ck_assert_int_eq(p.ended, 1);
	ck_assert_int_eq(p.finished, 0);
	vclient_connect(v);
	expect(v, CONNECT_AUTH);
	vclient_close(v);
	ck_assert_int_eq(p.ended, 2);
}

SCENARIO(freed_meanwhile, V5)
{
	begin_connect(v);
	vclient_free_session(v);
	ck_assert_int_eq(p.ended, 1);
}

/* --- what the server may not do -------------------------------------------------------------- */

static void
breaks_rule(struct vclient *v, const char *packet)
{
	begin_connect(v);
	rx(v, packet);
	expect(v, PROTOCOL_ERROR);
	vclient_close(v);
	ck_assert_int_eq(p.ended, p.begun);
	ck_assert_int_eq(p.steps + p.finished, 0);
}

/* [MQTT-4.12.0-2] */
SCENARIO(success_before_connack, V5)
{
	breaks_rule(v, SUCCESS);
}

/* [MQTT-4.12.0-5] */
SCENARIO(another_method, V5)
{
	breaks_rule(v, "F0 (18 (15 {'PLA'}))");
	breaks_rule(v, "F0 (18 (15 {'m'}))");
	breaks_rule(v, "20 (00 00 (15 {'MM'}))");
	breaks_rule(v, "20 (00 00 (15 {}))");
}

SCENARIO(no_method_in_answers, V5)
{
	breaks_rule(v, "20 (00 00 ())");
	breaks_rule(v, "F0 00");
	breaks_rule(v, "F0 (18 ())");
}

/* [MQTT-3.15.2-1] */
SCENARIO(reauthenticate_from_the_server, V5)
{
	breaks_rule(v, "F0 (19 (15 {'M'}))");
}

/* [MQTT-4.12.0-6] */
SCENARIO(auth_though_no_method_was_given, V5)
{
	static const char *const packets[] = {
	    "F0 (18 (15 {'a'}))", "20 (00 00 (15 {'a'}))", "F0 00", "F0 (00 (15 {'a'}))"};

	v->settings.session_expiry_s = 0;
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		vclient_connect(v);
		expect(v, "> 10 ({'MQTT'} 05 02 0000 () {'c'})");
		rx(v, packets[i]);
		expect(v, PROTOCOL_ERROR);
		vclient_close(v);
	}
	up(v, 0, "");
	rx(v, "F0 (18 (15 {'a'}))");
	expect(v, PROTOCOL_ERROR);
}

/* [MQTT-3.1.2-30]: what waits to be sent stays where it is until CONNACK. */
SCENARIO(nothing_else_before_connack, V5)
{
	begin_connect(v);
	vclient_publish(v, 1, "a", "x");
	sub(v, "{'f'} 01", 1);
	rx(v, CHALLENGE);
	expect(v, "> F0 (18 (15 {'M'} 16 {'ok'}))");
	rx(v, ACCEPT);
	expect(v, "connack 0 00 [15 00 01 4D]; > 82 (0002 () {'f'} 01) 32 ({'a'} 0001 () 'x')");
	rx(v, "40 (0001) 90 (0002 () 01)");
	v->checked = v->record.len;
}

/* --- again ----------------------------------------------------------------------------------- */

static int64_t
reauthenticate(struct vclient *v)
{
	int64_t number = mqev_session_reauthenticate(&v->s, NULL, NULL, v->now);

	if (number > 0)
		v->op[number] = V_PENDING;
	return number;
}

static void
connected(struct vclient *v)
{
	use(v, &provider);
	up(v, 0, "15 {'M'} 16 {'s'}");
	expect_nothing(v);
	ck_assert_int_eq(p.ended, 1);
	p.heard[0] = '\0';
}

static void
begin_again(struct vclient *v)
{
	connected(v);
	ck_assert_int_eq((int)reauthenticate(v), 1);
	expect(v, "> F0 (19 (15 {'M'} 16 {'hi'}))");
}

/* [MQTT-4.12.1-1]: other traffic goes on. */
SCENARIO(again, V5)
{
	begin_again(v);
	ck_assert_int_eq((int)reauthenticate(v), MQEV_ERR_STATE);
	vclient_publish(v, 0, "a", "x");
	expect(v, "> 30 ({'a'} () 'x'); done 2 #0 ok 00");
	rx(v, "30 ({'b'} () 'y')" CHALLENGE);
	expect(v, "message b 0 y; > F0 (18 (15 {'M'} 16 {'ok'}))");
	rx(v, SUCCESS);
	expect(v, "done 1 #0 ok 00 [15 00 01 4D 16 00 03 62 79 65]");
	ck_assert_str_eq(p.heard, "who.bye.");
	ck_assert_int_eq(p.ended, 2);
	ck_assert_int_eq((int)reauthenticate(v), 3);
	expect(v, "> F0 (19 (15 {'M'} 16 {'hi'}))");
	rx(v, SUCCESS);
	expect(v, "done 3 #0 ok 00 [15 00 01 4D 16 00 03 62 79 65]");
}

SCENARIO(again_not_now, V5)
{
	use(v, &provider);
	ck_assert_int_eq((int)reauthenticate(v), MQEV_ERR_STATE);
	begin_connect(v);
	ck_assert_int_eq((int)reauthenticate(v), MQEV_ERR_STATE);
	vclient_close(v);
	v->settings.auth = NULL;
	up(v, 0, "");
	ck_assert_int_eq((int)reauthenticate(v), MQEV_ERR_STATE);
}

/* Nothing was sent, and the connection goes on. */
SCENARIO(again_begin_fails, V5)
{
	connected(v);
	p.begin_result = 7;
	ck_assert_int_eq((int)reauthenticate(v), MQEV_ERR_AUTH);
	p.begin_result = MQEV_ERR_NOMEM;
	ck_assert_int_eq((int)reauthenticate(v), MQEV_ERR_NOMEM);
	expect_nothing(v);
	ck_assert_int_eq(v->s.state, MQEV_SESSION_CONNECTED);
	ck_assert_int_eq(p.ended, 1);
}

/* F0 0C 19 09 15 0001 4D 16 0002 .. .. is 13 bytes. */
SCENARIO(again_larger_than_the_server_takes, V5)
{
	use(v, &provider);
	up(v, 0, "15 {'M'} 27 0000000C");
	p.initial = "hi!";
	ck_assert_int_eq((int)reauthenticate(v), MQEV_ERR_TOO_LARGE);
	ck_assert_int_eq(p.ended, p.begun);
	p.initial = "h";
	ck_assert_int_gt((int)reauthenticate(v), 0);
	expect(v, "> F0 (19 (15 {'M'} 16 {'h'}))");
	rx(v, "F0 (18 (15 {'M'}))");
	v->checked = v->record.len;
	ck_assert_int_eq(v->s.end.error, MQEV_ERR_TOO_LARGE);
	vclient_close(v);
	v->checked = v->record.len;
}

/* [MQTT-4.12.1-2] */
SCENARIO(again_failures, V5)
{
	begin_again(v);
	p.step_result = -1;
	rx(v, CHALLENGE);
	expect(v, "> E0 (80); end AUTH 80");
	vclient_close(v);
	expect(v, "done 1 #0 AUTH 00");
	ck_assert_int_eq(p.ended, 2);
}

SCENARIO(again_finish_fails, V5)
{
	begin_again(v);
	p.finish_result = -1;
	rx(v, SUCCESS);
	expect(v, "> E0 (80); end AUTH 80");
	vclient_close(v);
	expect(v, "done 1 #0 AUTH 00");
}

SCENARIO(again_refused_by_the_server, V5)
{
	begin_again(v);
	rx(v, "E0 (87 ())");
	expect(v, "disconnect 87; end DISCONNECTED 87 from server");
	vclient_close(v);
	expect(v, "done 1 #0 DISCONNECTED 87");
}

SCENARIO(again_link_lost, V5)
{
	begin_again(v);
	vclient_close(v);
	expect(v, "done 1 #0 LOST 00");
	ck_assert_int_eq(p.ended, 2);
}

SCENARIO(again_disconnected_meanwhile, V5)
{
	begin_again(v);
	ck_assert_int_eq(vclient_disconnect(v, 0, NULL, 0), 0);
	expect(v, "> E0 00; end ok 00");
	vclient_close(v);
	expect(v, "done 1 #0 LOST 00");
}

SCENARIO(again_freed_meanwhile, V5)
{
	begin_again(v);
	vclient_free_session(v);
	expect(v, "done 1 #0 CANCELED 00");
	ck_assert_int_eq(p.ended, 2);
}

static void
breaks_rule_again(struct vclient *v, const char *packet)
{
	begin_again(v);
	rx(v, packet);
	expect(v, PROTOCOL_ERROR);
	vclient_close(v);
	expect(v, "done 1 #0 PROTOCOL 00");
}

SCENARIO(again_another_method, V5)
{
	breaks_rule_again(v, "F0 (00 (15 {'N'}))");
}

SCENARIO(again_from_the_server, V5)
{
	breaks_rule_again(v, "F0 (19 (15 {'M'}))");
}

SCENARIO(again_not_begun, V5)
{
	connected(v);
	rx(v, CHALLENGE);
	expect(v, PROTOCOL_ERROR);
	vclient_close(v);
	v->s.accepted_once = false;
	connected(v);
	rx(v, SUCCESS);
	expect(v, PROTOCOL_ERROR);
}

/* Each answer of the server has the whole time. */
SCENARIO(again_deadline, V5)
{
	begin_again(v);
	vclient_advance(v, 9999);
	expect_nothing(v);
	rx(v, CHALLENGE);
	expect(v, "> F0 (18 (15 {'M'} 16 {'ok'}))");
	vclient_advance(v, 9999);
	expect_nothing(v);
	vclient_advance(v, 1);
	expect(v, "> E0 (80); end TIMEOUT 80");
	vclient_close(v);
	expect(v, "done 1 #0 TIMEOUT 00");
}

/* An answer may lie unread while the application has paused receiving. */
SCENARIO(again_deadline_rests, V5)
{
	begin_again(v);
	v->s.paused = true;
	for (int i = 0; i < 4; i++)
		vclient_advance(v, 9000);
	v->s.paused = false;
	vclient_advance(v, 9000);
	expect_nothing(v);
	rx(v, SUCCESS);
	expect(v, "done 1 #0 ok 00 [15 00 01 4D 16 00 03 62 79 65]");
}

int
main(void)
{
	Suite *s = suite_create("session_auth");
	TCase *connecting = tk_case(s, "connecting");
	TCase *rules = tk_case(s, "rules");
	TCase *tc = tk_case(s, "again");

	tcase_add_test(connecting, connect_with_steps);
	tcase_add_test(connecting, connect_without_initial_data);
	tcase_add_test(connecting, connect_order_of_properties);
	tcase_add_test(connecting, connect_bare_method);
	tcase_add_test(connecting, no_method_before_5);
	tcase_add_test(connecting, begin_fails);
	tcase_add_test(connecting, begin_gives_too_much);
	tcase_add_test(connecting, step_fails);
	tcase_add_test(connecting, step_gives_too_much);
	tcase_add_test(connecting, step_without_memory);
	tcase_add_test(connecting, finish_fails);
	tcase_add_test(connecting, refused);
	tcase_add_test(connecting, freed_meanwhile);
	tcase_add_test(rules, success_before_connack);
	tcase_add_test(rules, another_method);
	tcase_add_test(rules, no_method_in_answers);
	tcase_add_test(rules, reauthenticate_from_the_server);
	tcase_add_test(rules, auth_though_no_method_was_given);
	tcase_add_test(rules, nothing_else_before_connack);
	tcase_add_test(tc, again);
	tcase_add_test(tc, again_not_now);
	tcase_add_test(tc, again_begin_fails);
	tcase_add_test(tc, again_larger_than_the_server_takes);
	tcase_add_test(tc, again_failures);
	tcase_add_test(tc, again_finish_fails);
	tcase_add_test(tc, again_refused_by_the_server);
	tcase_add_test(tc, again_link_lost);
	tcase_add_test(tc, again_disconnected_meanwhile);
	tcase_add_test(tc, again_freed_meanwhile);
	tcase_add_test(tc, again_another_method);
	tcase_add_test(tc, again_from_the_server);
	tcase_add_test(tc, again_not_begun);
	tcase_add_test(tc, again_deadline);
	tcase_add_test(tc, again_deadline_rests);
	return tk_main(s);
}
