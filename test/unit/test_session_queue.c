/* The queue as a whole: what makes room in it, what is taken out of it, and its marks. Its plain
 * limits: test_session_publish.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/loop.h"
#include "lib/vcase.h"

static const char lasts_a_second[] = "\x02\0\0\0\x01";
static const char lasts_long[] = "\x02\0\0\x0F\xFF";

static void
queue_expiring(struct vclient *v, uint8_t qos, const char *payload, bool soon)
{
	VPUBLISH(v, .qos = qos, .topic = "a", .payload = payload, .len = strlen(payload),
	    .properties = soon ? lasts_a_second : lasts_long, .properties_len = 5, .expiry_at = 1,
	    .has_expiry = true, .expiry_s = soon ? 1 : 4095);
}

static void
queue_big(struct vclient *v, uint8_t qos, size_t len)
{
	static char payload[4000];

	ck_assert_uint_le(len, sizeof(payload));
	VPUBLISH(v, .qos = qos, .topic = "a", .payload = payload, .len = len);
}

/* --- room --------------------------------------------------------------------------------------
 */

SCENARIO(drops_the_oldest, VALL)
{
	v->settings.queue.max.count = 3;
	v->settings.queue_full = MQEV_FULL_DROP_OLDEST;
	vclient_publish(v, 1, "a", "1");
	vclient_publish(v, 0, "a", "2");
	vclient_publish(v, 2, "a", "3");
	expect_nothing(v);
	vclient_publish(v, 0, "a", "4");
	expect(v, "done 1 #0 DROPPED 00");
	vclient_publish(v, 1, "a", "5");
	expect(v, "done 2 #0 DROPPED 00");
	sub(v, "{'f'} 00", 1);
	expect(v, "done 3 #0 DROPPED 00");
	ck_assert_uint_eq(mqev_session_queued(&v->s), 3);
	up(v, 0, "");
	expect_v(v, "> 82 (0004 {'f'} 00) 30 ({'a'} '4') 32 ({'a'} 0003 '5'); done 4 #0 ok 00",
	    "> 82 (0004 () {'f'} 00) 30 ({'a'} () '4') 32 ({'a'} 0003 () '5'); done 4 #0 ok 00");
}

SCENARIO(drops_qos0_first, VALL)
{
	v->settings.queue.max.count = 3;
	v->settings.queue_full = MQEV_FULL_DROP_QOS0;
	vclient_publish(v, 1, "a", "1");
	vclient_publish(v, 0, "a", "2");
	vclient_publish(v, 1, "a", "3");
	vclient_publish(v, 0, "a", "4");
	expect(v, "done 2 #0 DROPPED 00");
	vclient_publish(v, 1, "a", "5");
	expect(v, "done 4 #0 DROPPED 00");
	/* It does not make others go. */
	vclient_publish(v, 0, "a", "");
	expect(v, "refused QUEUE_FULL");
	vclient_publish(v, 2, "a", "6");
	expect(v, "done 1 #0 DROPPED 00");
}

SCENARIO(drops_what_has_expired_first, VALL)
{
	v->settings.queue.max.count = 3;
	v->settings.queue_full = MQEV_FULL_DROP_EXPIRED;
	vclient_publish(v, 1, "a", "1");
	queue_expiring(v, 1, "2", true);
	queue_expiring(v, 0, "3", false);
	v->now += 1000; /* without a tick */
	vclient_publish(v, 1, "a", "4");
	expect(v, "done 2 #0 EXPIRED 00");
	vclient_publish(v, 1, "a", "5");
	expect(v, "done 1 #0 DROPPED 00");
}

/* In flight is not touched, nor is a SUBSCRIBE; when these alone are there, the new one is
 * rejected. */
SCENARIO(in_flight_stays, V5)
{
	v->settings.queue.max.count = 4;
	v->settings.queue_full = MQEV_FULL_DROP_OLDEST;
	v->settings.max_inflight = 2;
	up(v, 0, "");
	sub(v, "{'f'} 00", 1);
	for (int i = 0; i < 3; i++)
		vclient_publish(v, 1, "a", "");
	v->checked = v->record.len;
	vclient_publish(v, 1, "a", "");
	expect(v, "done 4 #0 DROPPED 00");
	vclient_close(v);
	vclient_publish(v, 2, "a", "");
	expect(v, "done 5 #0 DROPPED 00");
	vclient_withdraw(v, 6);
	expect(v, "done 6 #0 CANCELED 00");
	sub(v, "{'g'} 00", 1);
	vclient_publish(v, 1, "a", "");
	expect(v, "refused QUEUE_FULL");
	up(v, 1, "");
	expect_v(v, "> 82 (0001 {'f'} 00) 82 (0007 {'g'} 00) 3A ({'a'} 0002) 3A ({'a'} 0003)",
	    "> 82 (0001 () {'f'} 00) 82 (0007 () {'g'} 00) 3A ({'a'} 0002 ()) 3A ({'a'} 0003 ())");
}

/* What may have arrived in a session that was lost is not dropped either. */
SCENARIO(unsure_stays, V311)
{
	v->settings.queue.max.count = 2;
	v->settings.queue_full = MQEV_FULL_DROP_OLDEST;
	up(v, 0, "");
	vclient_publish(v, 1, "a", "1");
	vclient_close(v);
	v->settings.max_inflight = 0;
	up(v, 0, "");
	vclient_publish(v, 1, "a", "2");
	v->checked = v->record.len;
	vclient_publish(v, 1, "a", "3");
	expect(v, "done 2 #0 DROPPED 00");
	ck_assert_uint_eq(mqev_session_clear(&v->s, false), 2);
	vclient_pump(v);
	expect(v, "done 1 #0 SESSION_LOST 00; done 3 #0 CANCELED 00");
}

SCENARIO(room_in_bytes, VALL)
{
	v->settings.queue.max.bytes = 4100;
	v->settings.queue_full = MQEV_FULL_DROP_OLDEST;
	for (int i = 0; i < 4; i++)
		queue_big(v, 1, 700);
	expect_nothing(v);
	queue_big(v, 0, 2000);
	expect(v, "done 1 #0 DROPPED 00; done 2 #0 DROPPED 00");
	ck_assert_uint_le(mqev_session_queued_bytes(&v->s), 4100);
	/* One that does not fit into an empty queue makes nobody go. */
	queue_big(v, 1, 4000);
	expect(v, "refused QUEUE_FULL");
	ck_assert_uint_eq(mqev_session_queued(&v->s), 3);
}

/* Within one turn of the loop, before anything is completed, as much again may be dropped. */
SCENARIO(dropped_in_one_turn, VALL)
{
	size_t bytes;

	v->settings.queue.max.count = 10;
	v->settings.queue_full = MQEV_FULL_DROP_OLDEST;
	v->no_pump = true;
	for (int i = 0; i < 20; i++)
		queue_big(v, 1, 1000);
	expect_nothing(v);
	ck_assert_uint_eq(mqev_session_queued(&v->s), 10);
	bytes = mqev_session_queued_bytes(&v->s);
	queue_big(v, 1, 1000);
	expect(v, "refused QUEUE_FULL");
	ck_assert_uint_eq(mqev_session_queued_bytes(&v->s), bytes);
	vclient_pump(v);
	ck_assert_uint_eq(vclient_pending(v), 10);
	v->checked = v->record.len;
	v->no_pump = false;
	queue_big(v, 1, 1000);
	expect(v, "done 11 #0 DROPPED 00");
}

/* A completion that publishes for what was dropped keeps no turn of the loop from ending. */
static void
publish_again(struct vclient *v, enum vevent event)
{
	if (event == V_COMPLETE)
		vclient_publish(v, 1, "a", "again");
}

SCENARIO(dropped_and_published_again, VALL)
{
	v->settings.queue.max.count = 1;
	v->settings.queue_full = MQEV_FULL_DROP_OLDEST;
	v->no_pump = true;
	vclient_publish(v, 1, "a", "1");
	vclient_publish(v, 1, "a", "2");
	v->hook = publish_again;
	v->wants_pump = false;
	mqev_session_tell(&v->s);
	v->hook = NULL;
	expect(v, "done 1 #0 DROPPED 00");
	ck_assert(v->s.owing);
	v->wants_pump = false;
	mqev_session_tell(&v->s);
	expect(v, "done 2 #0 DROPPED 00");
	ck_assert(!v->s.owing);
}

SCENARIO(payload_by_reference_dropped, VALL)
{
	static char payload[5000];

	v->settings.queue.max.count = 1;
	v->settings.queue_full = MQEV_FULL_DROP_OLDEST;
	v->no_pump = true;
	VPUBLISH(v, .qos = 1, .topic = "a", .payload = payload, .len = sizeof(payload),
	    .by_reference = true);
	/* The application's memory is not the library's. */
	ck_assert_uint_lt(mqev_session_queued_bytes(&v->s), 500);
	vclient_publish(v, 1, "a", "");
	ck_assert_int_eq(v->releases, 0);
	vclient_pump(v);
	ck_assert_int_eq(v->releases, 1);
	expect(v, "done 1 #0 DROPPED 00");
}

SCENARIO(qos0_dropped_offline, VALL)
{
	v->settings.drop_offline_qos0 = true;
	vclient_publish(v, 0, "a", "1");
	expect(v, "done 1 #0 DROPPED 00");
	VPUBLISH(v, .topic = "a", .payload = "22", .len = 2, .by_reference = true);
	expect(v, "done 2 #0 DROPPED 00");
	ck_assert_int_eq(v->releases, 1);
	ck_assert_uint_eq(mqev_session_queued(&v->s), 0);
	vclient_publish(v, 1, "a", "3");
	up(v, 0, "");
	expect(v, "> 32 ({'a'} 0001 ~ '3')");
	vclient_publish(v, 0, "a", "4");
	expect(v, "> 30 ({'a'} ~ '4'); done 4 #0 ok 00");
}

/* --- a budget that others share ----------------------------------------------------------------
 */

static int crossings;

static void
count_crossing(struct mqev_budget *budget)
{
	(void)budget;
	crossings++;
}

SCENARIO(shared_budget, V311)
{
	static struct vclient other;
	struct mqev_budget budget = {
	    .limits = {{4, SIZE_MAX}, {3, SIZE_MAX}, {1, SIZE_MAX}}, .crossed = count_crossing};

	crossings = 0;
	vclient_init(&other, MQEV_V311);
	v->sink.base.budget = other.sink.base.budget = &budget;
	v->settings.queue_full = MQEV_FULL_DROP_OLDEST;
	vclient_publish(&other, 1, "a", "");
	vclient_publish(&other, 1, "a", "");
	vclient_publish(v, 1, "a", "1");
	ck_assert_int_eq(crossings, 1);
	vclient_publish(v, 1, "a", "2");
	ck_assert_uint_eq(budget.used.count, 4);
	ck_assert_uint_eq(budget.used.bytes,
	    mqev_session_queued_bytes(&v->s) + mqev_session_queued_bytes(&other.s));
	/* Each gives way with its own only. */
	ck_assert_int_eq(vclient_publish(&other, 1, "a", ""), MQEV_ERR_QUEUE_FULL);
	expect_nothing(v);
	vclient_publish(v, 1, "a", "3");
	expect(v, "done 1 #0 DROPPED 00");
	ck_assert_uint_eq(budget.used.count, 4);
	ck_assert_int_eq(crossings, 1);
	vclient_free(&other);
	ck_assert_uint_eq(budget.used.count, 2);
	ck_assert(budget.above);
	vclient_withdraw(v, 3);
	ck_assert(!budget.above);
	ck_assert_int_eq(crossings, 2);
	vclient_free_session(v);
	ck_assert_uint_eq(budget.used.count, 0);
	ck_assert_uint_eq(budget.used.bytes, 0);
	expect(v, "done 3 #0 CANCELED 00; done 2 #0 CANCELED 00");
}

/* --- marks -------------------------------------------------------------------------------------
 */

SCENARIO(marks_in_number, VALL)
{
	v->settings.queue.high.count = 3;
	v->settings.queue.low.count = 1;
	for (int i = 0; i < 2; i++)
		vclient_publish(v, 1, "a", "");
	expect_nothing(v);
	vclient_publish(v, 1, "a", "");
	expect(v, "water high");
	vclient_publish(v, 1, "a", "");
	expect_nothing(v);
	vclient_withdraw(v, 1);
	vclient_withdraw(v, 2);
	expect(v, "done 1 #0 CANCELED 00; done 2 #0 CANCELED 00");
	vclient_withdraw(v, 3);
	expect(v, "done 3 #0 CANCELED 00; water low");
	vclient_publish(v, 1, "a", "");
	vclient_publish(v, 1, "a", "");
	expect(v, "water high");
	up(v, 0, "");
	rx(v, "40 (0004) 40 (0005)");
	expect(v, "> 32 ({'a'} 0004 ~) 32 ({'a'} 0005 ~) 32 ({'a'} 0006 ~);"
		  "done 4 #4 ok 00; done 5 #5 ok 00; water low");
}

SCENARIO(marks_in_bytes, VALL)
{
	v->settings.queue.high.bytes = 3000;
	v->settings.queue.low.bytes = 2000;
	queue_big(v, 1, 2000);
	queue_big(v, 0, 1000);
	expect(v, "water high");
	ck_assert_uint_eq(mqev_session_clear(&v->s, true), 1);
	vclient_pump(v);
	expect(v, "done 2 #0 CANCELED 00");
	vclient_withdraw(v, 1);
	expect(v, "done 1 #0 CANCELED 00; water low");
}

/* What goes up and down within one turn of the loop is not told. */
SCENARIO(marks_are_told_later, VALL)
{
	v->settings.queue.high.count = 1;
	v->settings.queue.low.count = 0;
	v->no_pump = true;
	vclient_publish(v, 1, "a", "");
	ck_assert(v->wants_pump);
	vclient_withdraw(v, 1);
	vclient_pump(v);
	expect(v, "done 1 #0 CANCELED 00");
}

/* --- taking out --------------------------------------------------------------------------------
 */

SCENARIO(withdrawn_before_it_is_sent, VALL)
{
	vclient_publish(v, 0, "a", "1");
	vclient_publish(v, 1, "a", "2");
	vclient_publish(v, 2, "a", "3");
	sub(v, "{'f'} 00", 1);
	for (int i = 1; i <= 4; i++)
		vclient_withdraw(v, i);
	expect(v, "done 1 #0 CANCELED 00; done 2 #0 CANCELED 00; done 3 #0 CANCELED 00;"
		  "done 4 #0 CANCELED 00");
	vclient_withdraw(v, 2);
	expect(v, "refused NOT_FOUND");
	up(v, 0, "");
	expect_nothing(v);
	ck_assert(mqev_session_is_idle(&v->s));
}

/* In flight it goes on to its end in silence. */
SCENARIO(withdrawn_in_flight, VALL)
{
	v->settings.clean = MQEV_SESSION_CLEAN_NEVER;
	vclient_restart(v);
	up(v, v->s.version != MQEV_V31, "");
	v->quiet_sent = true;
	vclient_publish(v, 1, "a", "1");
	vclient_publish(v, 2, "a", "2");
	vclient_publish(v, 0, "a", "3");
	sub(v, "{'f'} 00", 1);
	v->checked = v->record.len;
	vclient_withdraw(v, 1);
	vclient_withdraw(v, 2);
	expect(v, "done 1 #1 CANCELED 00; done 2 #2 CANCELED 00");
	vclient_withdraw(v, 3);
	vclient_withdraw(v, 4);
	vclient_withdraw(v, 1);
	expect(v, "refused STATE; refused STATE; refused NOT_FOUND");
	vclient_sent(v, 0);
	expect(v, "done 3 #0 ok 00");
	ck_assert(!mqev_session_is_idle(&v->s));
	rx(v, "40 (0001) 50 (0002)");
	expect(v, "> 62 (0002)");
	rx(v, "70 (0002) 90 (0003 ~ 00)");
	expect(v, "done 4 #3 ok 00 codes 00");
	ck_assert(mqev_session_is_idle(&v->s));
}

SCENARIO(cleared, VALL)
{
	v->settings.max_inflight = 1;
	up(v, 0, "");
	vclient_publish(v, 1, "a", "1");
	vclient_publish(v, 1, "a", "2");
	VPUBLISH(v, .qos = 2, .topic = "a", .silent = true);
	vclient_close(v);
	vclient_publish(v, 0, "a", "4");
	sub(v, "{'f'} 00", 1);
	v->checked = v->record.len;
	ck_assert_uint_eq(mqev_session_clear(&v->s, true), 1);
	vclient_pump(v);
	expect(v, "done 4 #0 CANCELED 00");
	ck_assert_uint_eq(mqev_session_clear(&v->s, false), 2);
	ck_assert_uint_eq(mqev_session_clear(&v->s, false), 0);
	vclient_pump(v);
	expect(v, "done 2 #0 CANCELED 00; done 3 #0 CANCELED 00");
	ck_assert_uint_eq(mqev_session_queued(&v->s), 2);
}

SCENARIO(given_up, VALL)
{
	v->settings.max_inflight = 2;
	up(v, 0, "");
	vclient_publish(v, 1, "a", "1");
	vclient_publish(v, 2, "a", "2");
	vclient_publish(v, 1, "a", "3");
	sub(v, "{'f'} 00", 1);
	VPUBLISH(v, .topic = "a", .queued = true);
	v->checked = v->record.len;
	v->s.draining = true;
	vclient_publish(v, 1, "a", "");
	vclient_publish(v, 0, "a", "");
	sub(v, "{'f'} 00", 1);
	expect(v, "refused STATE; refused STATE; refused STATE");
	mqev_session_give_up(&v->s, MQEV_ERR_CANCELED);
	expect(v, "done 1 #1 CANCELED 00; done 2 #2 CANCELED 00; done 3 #0 CANCELED 00;"
		  "done 4 #4 CANCELED 00");
	ck_assert_uint_eq(vclient_pending(v), 0);
	ck_assert_uint_eq(mqev_session_queued(&v->s), 3);
	rx(v, "40 (0001) 50 (0002) 70 (0002) 90 (0004 ~ 00)");
	expect(v, "> 62 (0002)");
	ck_assert(mqev_session_is_idle(&v->s));
}

/* --- looking -----------------------------------------------------------------------------------
 */

static bool
note(const struct mqev_op *op, bool leaving, void *arg)
{
	struct vbuf *text = arg;

	vbuf_printf(text, "%u%s%s ", (unsigned)op->number, leaving ? "l" : "",
	    op->state == MQEV_OP_QUEUED ? "" : "f");
	return op->number != 6;
}

static void
expect_walk(struct vclient *v, const char *want)
{
	struct vbuf text = {0};

	mqev_session_walk(&v->s, note, &text);
	vbuf_put(&text, "", 1);
	ck_assert_str_eq((const char *)text.data, want);
	vbuf_free(&text);
}

SCENARIO(walked, VALL)
{
	expect_walk(v, "");
	v->settings.max_inflight = 2;
	v->quiet_sent = true;
	up(v, 0, "");
	VPUBLISH(v, .topic = "a", .queued = true);
	vclient_publish(v, 1, "a", "");
	vclient_publish(v, 1, "a", "");
	vclient_publish(v, 1, "a", "");
	sub(v, "{'f'} 00", 1);
	expect_walk(v, "1l 2f 3f 4 5f ");
	vclient_withdraw(v, 3);
	vclient_publish(v, 1, "a", "");
	expect_walk(v, "1l 2f 4 6 ");
	v->checked = v->record.len;
}

int
main(void)
{
	Suite *suite = suite_create("session: queue");
	TCase *tc = tk_case(suite, "queue");

	tcase_add_test(tc, drops_the_oldest);
	tcase_add_test(tc, drops_qos0_first);
	tcase_add_test(tc, drops_what_has_expired_first);
	tcase_add_test(tc, in_flight_stays);
	tcase_add_test(tc, unsure_stays);
	tcase_add_test(tc, room_in_bytes);
	tcase_add_test(tc, dropped_in_one_turn);
	tcase_add_test(tc, dropped_and_published_again);
	tcase_add_test(tc, payload_by_reference_dropped);
	tcase_add_test(tc, qos0_dropped_offline);
	tcase_add_test(tc, shared_budget);
	tcase_add_test(tc, marks_in_number);
	tcase_add_test(tc, marks_in_bytes);
	tcase_add_test(tc, marks_are_told_later);
	tcase_add_test(tc, withdrawn_before_it_is_sent);
	tcase_add_test(tc, withdrawn_in_flight);
	tcase_add_test(tc, cleared);
	tcase_add_test(tc, given_up);
	tcase_add_test(tc, walked);
	return tk_main(suite);
}
