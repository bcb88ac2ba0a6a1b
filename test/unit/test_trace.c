/* Trace Context: which texts are one, and user properties in and out of messages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include <mqev/mqev.h>

#include "fault/fail_mem.h"
#include "unit/unit.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"
#define PARENT "00-" TRACE "-" SPAN "-01"

static struct mqev_trace
parsed(const char *text)
{
	struct mqev_trace trace;

	memset(&trace, 0x55, sizeof(trace));
	ck_assert_int_eq(mqev_trace_parse(text, strlen(text), &trace), 0);
	return trace;
}

/* --- traceparent ------------------------------------------------------------------------------ */

struct parent_row {
	const char *text;
	const char *again; /* NULL: it is not valid */
};

static const struct parent_row parents[] = {
    {PARENT, PARENT},
    {"00-" TRACE "-" SPAN "-00", "00-" TRACE "-" SPAN "-00"},
    {"00-" TRACE "-" SPAN "-03", "00-" TRACE "-" SPAN "-03"},
    {"00-" TRACE "-" SPAN "-ff", "00-" TRACE "-" SPAN "-03"},
    /* Later versions, with and without more. */
    {"01-" TRACE "-" SPAN "-01", PARENT},
    {"fe-" TRACE "-" SPAN "-01-what ever", PARENT},
    {"01-" TRACE "-" SPAN "-01-", PARENT},
    {"01-" TRACE "-" SPAN "-01.x", NULL},
    {"01-" TRACE "-" SPAN "-011", NULL},
    {"ff-" TRACE "-" SPAN "-01", NULL},
    {PARENT "-", NULL},
    {PARENT "-x", NULL},
    {"00-" TRACE "-" SPAN "-0", NULL},
    {"00-" TRACE "-" SPAN "-", NULL},
    {"", NULL},
    {"00", NULL},
    {"00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01", NULL},
    {"0A-" TRACE "-" SPAN "-01", NULL},
    {"00-" TRACE "-" SPAN "-0A", NULL},
    {"00-00000000000000000000000000000000-" SPAN "-01", NULL},
    {"00-" TRACE "-0000000000000000-01", NULL},
    {"00-4bf92f3577b34da6a3ce929d0e0e473g-" SPAN "-01", NULL},
    {"00-" TRACE "-00f067aa0ba902b -01", NULL},
    {"00." TRACE "-" SPAN "-01", NULL},
    {"00-" TRACE "." SPAN "-01", NULL},
    {"00-" TRACE "-" SPAN ".01", NULL},
    {" " PARENT, NULL},
    {"g0-" TRACE "-" SPAN "-01", NULL},
};

START_TEST(traceparents)
{
	const struct parent_row *row = &parents[_i];
	size_t len = strlen(row->text);
	char *exact = malloc(len + 1); /* no byte behind it is read */
	char text[MQEV_TRACEPARENT_SIZE];
	struct mqev_trace trace, before;

	memcpy(exact, row->text, len + 1);
	exact = realloc(exact, len > 0 ? len : 1);
	memset(&trace, 0x55, sizeof(trace));
	before = trace;
	if (row->again == NULL) {
		ck_assert_int_eq(mqev_trace_parse(exact, len, &trace), MQEV_ERR_INVALID);
		ck_assert_mem_eq(&trace, &before, sizeof(trace));
	} else {
		ck_assert_int_eq(mqev_trace_parse(exact, len, &trace), 0);
		ck_assert_str_eq(trace.state, "");
		ck_assert_int_eq(mqev_trace_format(&trace, text), 0);
		ck_assert_str_eq(text, row->again);
	}
	free(exact);
}
END_TEST

START_TEST(nothing_to_work_on)
{
	struct mqev_trace none = {.state = ""};
	struct mqev_trace trace = parsed(PARENT);
	struct mqev_properties *p = mqev_properties_new();
	char text[MQEV_TRACEPARENT_SIZE];

	ck_assert_int_eq(mqev_trace_parse(NULL, 0, &trace), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_trace_parse(PARENT, strlen(PARENT), NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_trace_format(NULL, text), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_trace_format(&trace, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_trace_format(&none, text), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_trace_inject(&none, p), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_trace_inject(NULL, p), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_trace_inject(&trace, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_trace_extract(p, NULL), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_trace_extract(p, &trace), MQEV_ERR_NOT_FOUND);
	ck_assert_int_eq(mqev_trace_extract(NULL, &trace), MQEV_ERR_NOT_FOUND);
	ck_assert_int_eq(mqev_trace_start(NULL, 0), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_trace_child(NULL, &trace), MQEV_ERR_INVALID);
	ck_assert_int_eq(mqev_trace_child(&trace, NULL), MQEV_ERR_INVALID);
	mqev_properties_free(p);
}
END_TEST

START_TEST(new_ones)
{
	struct mqev_trace a, b, child;
	char text[MQEV_TRACEPARENT_SIZE];

	ck_assert_int_eq(mqev_trace_start(&a, MQEV_TRACE_SAMPLED), 0);
	ck_assert_int_eq(mqev_trace_start(&b, 0), 0);
	ck_assert_int_eq(a.flags, MQEV_TRACE_SAMPLED | MQEV_TRACE_RANDOM);
	ck_assert_int_eq(b.flags, MQEV_TRACE_RANDOM);
	ck_assert_int_ne(memcmp(a.trace_id, b.trace_id, 16), 0);
	strcpy(a.state, "x=y");
	ck_assert_int_eq(mqev_trace_child(&a, &child), 0);
	ck_assert_mem_eq(child.trace_id, a.trace_id, 16);
	ck_assert_int_ne(memcmp(child.span_id, a.span_id, 8), 0);
	ck_assert_int_eq(child.flags, a.flags);
	ck_assert_str_eq(child.state, "x=y");
	ck_assert_int_eq(mqev_trace_child(&child, &child), 0);
	ck_assert_mem_eq(child.trace_id, a.trace_id, 16);
	ck_assert_int_eq(mqev_trace_format(&child, text), 0);
}
END_TEST

/* --- tracestate ------------------------------------------------------------------------------- */

struct state_row {
	const char *text;
	bool valid;
};

static const struct state_row states[] = {
    {"", true},
    {"a=b", true},
    {"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", true},
    {"a=1, b=2\t,c=3", true},
    {",a=1,,b=2,", true},
    {"tenant@system=1", true},
    {"0key=1", true},
    {"a_-*/9=~!x y", true},
    {"a= x", true},
    {"a=", false},
    {"=b", false},
    {"a", false},
    {"A=b", false},
    {"_a=b", false},
    {"@a=b", false},
    {"a b=c", false},
    {"a=b=c", false},
    {"a=b\x7f", false},
    {"a=\xc3\xa9", false},
    {"a=b,a=c", false},
    {"a=b,c", false},
    {"a=b\nc=d", false},
};

START_TEST(tracestates)
{
	const struct state_row *row = &states[_i];

	ck_assert_int_eq(mqev_trace_state_valid(row->text, strlen(row->text)), row->valid);
}
END_TEST

START_TEST(tracestate_limits)
{
	char text[600] = "";

	ck_assert(!mqev_trace_state_valid(NULL, 0));
	ck_assert(!mqev_trace_state_valid("a=\0", 3));
	ck_assert(!mqev_trace_state_valid("a\0=b", 4));
	for (int i = 0; i < 33; i++) {
		char entry[16];

		snprintf(entry, sizeof(entry), "%sk%d=v", i > 0 ? "," : "", i);
		strcat(text, entry);
		ck_assert_int_eq(mqev_trace_state_valid(text, strlen(text)), i < 32);
	}
	/* The longest key and value, one more, and the longest text. */
	memset(text, 'a', sizeof(text));
	text[255] = '=';
	ck_assert(mqev_trace_state_valid(text, 255 + 1 + 256));
	ck_assert(!mqev_trace_state_valid(text, 255 + 1 + 257));
	text[255] = 'a';
	text[256] = '=';
	ck_assert(mqev_trace_state_valid(text, 256 + 1 + 255));
	text[256] = 'a';
	text[257] = '=';
	ck_assert(!mqev_trace_state_valid(text, 257 + 1 + 10));
	memset(text, ',', sizeof(text));
	ck_assert(mqev_trace_state_valid(text, 512));
	ck_assert(!mqev_trace_state_valid(text, 513));
}
END_TEST

/* --- user properties -------------------------------------------------------------------------- */

static const char *
printed(const struct mqev_properties *p)
{
	static char text[2000];

	mqev_properties_print(p, text, sizeof(text));
	return text;
}

START_TEST(in_and_out)
{
	struct mqev_properties *p = mqev_properties_new();
	struct mqev_trace trace = parsed(PARENT);
	struct mqev_trace out;

	strcpy(trace.state, "a=1,b=2");
	mqev_properties_add_user(p, "traceparent", "old");
	mqev_properties_add_string(p, MQEV_PROP_CONTENT_TYPE, "text");
	mqev_properties_add_user(p, "tracestate", "old=1");
	mqev_properties_add_user(p, "Traceparent", "another name");
	ck_assert_int_eq(mqev_trace_inject(&trace, p), 0);
	ck_assert_str_eq(printed(p),
	    "Content Type=text, User Property=Traceparent:another name, "
	    "User Property=traceparent:" PARENT ", User Property=tracestate:a=1,b=2");
	ck_assert_int_eq(mqev_trace_extract(p, &out), 0);
	ck_assert_mem_eq(out.trace_id, trace.trace_id, 16);
	ck_assert_mem_eq(out.span_id, trace.span_id, 8);
	ck_assert_str_eq(out.state, "a=1,b=2");
	trace.state[0] = '\0';
	ck_assert_int_eq(mqev_trace_inject(&trace, p), 0);
	ck_assert_uint_eq(mqev_properties_count(p), 3);
	/* Content Type cannot be added twice: the list is a real one still. */
	ck_assert_int_eq(
	    mqev_properties_add_string(p, MQEV_PROP_CONTENT_TYPE, "x"), MQEV_ERR_INVALID);
	strcpy(trace.state, "not valid");
	ck_assert_int_eq(mqev_trace_inject(&trace, p), MQEV_ERR_INVALID);
	memset(trace.state, ',', sizeof(trace.state));
	ck_assert_int_eq(mqev_trace_inject(&trace, p), MQEV_ERR_INVALID);
	ck_assert_uint_eq(mqev_properties_count(p), 3);
	mqev_properties_free(p);
}
END_TEST

START_TEST(what_others_send)
{
	struct mqev_properties *p = mqev_properties_new();
	struct mqev_trace trace = {.state = "kept"};
	char longest[600];

	mqev_properties_add_user(p, "tracestate", "a=1");
	ck_assert_int_eq(mqev_trace_extract(p, &trace), MQEV_ERR_NOT_FOUND);
	ck_assert_str_eq(trace.state, "kept");
	mqev_properties_add_user(p, "traceparent", PARENT);
	mqev_properties_add_user(p, "tracestate", "b=2");
	ck_assert_int_eq(mqev_trace_extract(p, &trace), 0);
	ck_assert_str_eq(trace.state, "a=1,b=2");
	/* Too long together: what does not fit goes, entry by entry. */
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "c=", 2);
	longest[250] = ',';
	memcpy(longest + 251, "d=", 2);
	longest[509] = '\0';
	mqev_properties_add_user(p, "tracestate", longest);
	mqev_properties_add_user(p, "tracestate", "e=1");
	ck_assert_int_eq(mqev_trace_extract(p, &trace), 0);
	longest[250] = '\0';
	ck_assert_uint_eq(strlen(trace.state), 8 + 250 + 4);
	ck_assert_ptr_eq(strstr(trace.state, longest), trace.state + 8);
	ck_assert_str_eq(trace.state + 8 + 250, ",e=1");
	/* One that is not valid goes whole, the trace stays. */
	mqev_properties_add_user(p, "tracestate", "=");
	ck_assert_int_eq(mqev_trace_extract(p, &trace), 0);
	ck_assert_str_eq(trace.state, "");
	/* Two parents are none. */
	mqev_properties_add_user(p, "traceparent", PARENT);
	ck_assert_int_eq(mqev_trace_extract(p, &trace), MQEV_ERR_INVALID);
	mqev_properties_clear(p);
	mqev_properties_add_user(p, "traceparent", "00-none");
	ck_assert_int_eq(mqev_trace_extract(p, &trace), MQEV_ERR_INVALID);
	mqev_properties_free(p);
}
END_TEST

/* Each allocation fails in turn: the list is as before. */
START_TEST(without_memory)
{
	struct mqev_trace trace = parsed(PARENT);
	int failures = 0;

	strcpy(trace.state, "a=1");
	for (size_t n = 0;; n++) {
		struct mqev_properties *p = mqev_properties_new();
		int error;

		mqev_properties_add_user(p, "a", "b");
		fail_mem_after(n);
		error = mqev_trace_inject(&trace, p);
		fail_mem_never();
		if (error == 0) {
			mqev_properties_free(p);
			break;
		}
		failures++;
		ck_assert_int_eq(error, MQEV_ERR_NOMEM);
		ck_assert_str_eq(printed(p), "User Property=a:b");
		mqev_properties_free(p);
	}
	ck_assert_int_ge(failures, 2);
	ck_assert_uint_eq(fail_mem_live(), 0);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_loop_test(tc, traceparents, 0, COUNT_OF(parents));
	tcase_add_test(tc, nothing_to_work_on);
	tcase_add_test(tc, new_ones);
	tcase_add_loop_test(tc, tracestates, 0, COUNT_OF(states));
	tcase_add_test(tc, tracestate_limits);
	tcase_add_test(tc, in_and_out);
	tcase_add_test(tc, what_others_send);
	tcase_add_test(tc, without_memory);
}

int
main(void)
{
	return unit_run("trace", add_tests);
}
