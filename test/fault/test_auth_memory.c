/*
 * Enhanced authentication with each allocation failing in turn: every exchange of the provider
 * that began ends once, the operation completes once, the session can be used again, and nothing
 * leaks.
 */
#include <string.h>

#include "fault/fail_mem.h"
#include "lib/loop.h"
#include "lib/vcase.h"

static int begun;
static int ended;

static int
begin(void *userdata, void **exchange, struct mqev_auth_data *out)
{
	(void)userdata;
	(void)exchange;
	begun++;
	*out = (struct mqev_auth_data){"hi", 2};
	return 0;
}

static int
step(void *userdata, void *exchange, const struct mqev_auth_data *in, struct mqev_auth_data *out)
{
	(void)userdata;
	(void)exchange;
	*out = *in;
	return 0;
}

static void
end(void *userdata, void *exchange)
{
	(void)userdata;
	(void)exchange;
	ended++;
	ck_assert_int_eq(begun, ended);
}

static const struct mqev_auth provider = {
    .size = sizeof(provider), .begin = begin, .step = step, .end = end};

static void
prepare(struct vclient *v)
{
	begun = ended = 0;
	vclient_init(v, MQEV_V5);
	v->sink.exact = true;
	v->settings.auth = &provider;
	v->settings.auth_method = (struct mqev_bytes){(const uint8_t *)"M", 1};
	v->settings.auth_timeout_ms = 1000;
}

/* True when the connection came about. */
static bool
connects(struct vclient *v)
{
	if (vclient_connect(v))
		rx(v, "F0 (18 (15 {'M'} 16 {'who'}))");
	if (v->s.state == MQEV_SESSION_CONNECTING)
		rx(v, "20 (00 00 (15 {'M'}))");
	return v->s.state == MQEV_SESSION_CONNECTED;
}

static void
authenticate_again(struct vclient *v)
{
	int64_t number = mqev_session_reauthenticate(&v->s, NULL, NULL, v->now);

	if (number > 0) {
		v->op[number] = V_PENDING;
		rx(v, "F0 (18 (15 {'M'} 16 {'who'}))");
	} else {
		ck_assert_int_eq((int)number, MQEV_ERR_NOMEM);
	}
	if (v->s.state == MQEV_SESSION_CONNECTED && number > 0)
		rx(v, "F0 (00 (15 {'M'}))");
}

/* Connects and authenticates again; then, with memory, all the same once more. */
static bool
needs_more_than(size_t n)
{
	static struct vclient v;
	size_t live = fail_mem_live();
	bool refused;

	prepare(&v);
	fail_mem_after(n);
	if (connects(&v))
		authenticate_again(&v);
	refused = fail_mem_refused() > 0;
	fail_mem_never();
	if (refused)
		ck_assert_int_ne(v.s.state, MQEV_SESSION_CONNECTING);
	vclient_close(&v);
	ck_assert_int_eq(begun, ended);
	ck_assert_uint_eq(vclient_pending(&v), 0);
	ck_assert(connects(&v));
	authenticate_again(&v);
	vclient_free_session(&v);
	ck_assert_int_eq(begun, ended);
	ck_assert_uint_eq(vclient_pending(&v), 0);
	ck_assert_str_eq(v.broken, "");
	vclient_free(&v);
	ck_assert_uint_eq(fail_mem_live(), live);
	return refused;
}

START_TEST(each_allocation_fails)
{
	size_t n = 0;

	while (needs_more_than(n))
		ck_assert_uint_lt(++n, 200);
	ck_assert_uint_gt(n, 8);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("auth_memory");
	TCase *tc = tk_case(s, "memory");

	tcase_add_test(tc, each_allocation_fails);
	return tk_main(s);
}
